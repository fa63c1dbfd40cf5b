//! `kubectl chaos completion install`.

use std::path::Path;

use super::{COMPLETE_COMMAND, HELPER_PREFIX};
use crate::app::completion_helper::{self, HelperChange, HelperRequest, InstalledHelper};
use crate::cli::CommandContext;
use crate::console::sanitize;

/// Installs the completion helper. Returns the exit code.
pub(super) fn install(session: &CommandContext, dir: Option<&Path>) -> u8 {
    let request = HelperRequest {
        name: format!("{HELPER_PREFIX}{}", session.plugin()),
        program: session.program(),
        arguments: COMPLETE_COMMAND.to_owned(),
        dir: dir.map(Path::to_owned),
    };
    match completion_helper::install(&session.app, &request) {
        Ok(helper) => session.write_result(&format_result(session, &helper)),
        Err(error) => session.fail(error),
    }
}

fn format_result(session: &CommandContext, helper: &InstalledHelper) -> String {
    let change = match helper.change {
        HelperChange::Written => "wrote",
        HelperChange::Updated => "updated",
        HelperChange::Unchanged => "already installed:",
    };
    let path = sanitize(&helper.path.display().to_string());
    format!(
        "{change} {path}\nkubectl 1.26+ completes `{}` if its own completion is set up: kubectl completion --help\n",
        session.shown
    )
}
