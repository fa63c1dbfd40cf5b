//! Unknown commands: an error with a hint.

use clap::CommandFactory as _;

use super::CommandContext;
use super::command::Cli;
use crate::app::AppError;
use crate::console::sanitize;
use crate::diagnostic::suggestion;
use crate::error_code::ErrorCode;

/// Commands of the Chaos Toolkit that do not exist here, with a hint.
const CHAOS_TOOLKIT_COMMANDS: [(&str, &str); 4] = [
    ("info", "use --version; the settings are in ~/.chaostoolkit/settings.yaml"),
    ("settings", "edit ~/.chaostoolkit/settings.yaml, or use --settings FILE"),
    ("version", "use --version"),
    ("skills", "use -o json for machine-readable output; there are no guides for coding agents to install"),
];

/// Reports an unknown command. Returns the exit code.
pub(super) fn refuse(session: &CommandContext, words: &[String]) -> u8 {
    let word = words.first().map(String::as_str).unwrap_or_default();
    let hint = match CHAOS_TOOLKIT_COMMANDS.iter().find(|(name, _)| *name == word) {
        Some((_, hint)) => (*hint).to_owned(),
        None => {
            let root = Cli::command();
            let commands = root.get_subcommands().filter(|command| !command.is_hide_set());
            suggestion(word, commands.map(clap::Command::get_name)).unwrap_or_else(|| "see --help".to_owned())
        }
    };
    let message = format!("unknown command '{}'", sanitize(word));
    session.fail(AppError::new(ErrorCode::UsageInvalid, message).with_hint(hint))
}
