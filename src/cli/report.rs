//! `kubectl chaos report`. Floor 3.

use std::path::PathBuf;

use clap::Args;

use super::exit_code::ExitStatus;
use super::path_conflicts::PathSet;
use super::report_files::ReportArgs;
use super::{CommandContext, load_journals};
use crate::report::{ReportSummary, text};

/// `report`.
#[derive(Args, Debug)]
pub(super) struct RenderArgs {
    /// Journals, of kubectl-chaos or of the Chaos Toolkit
    #[arg(required = true, value_name = "JOURNAL")]
    journals: Vec<PathBuf>,
    #[command(flatten)]
    reports: ReportArgs,
}

impl RenderArgs {
    /// The files that it names.
    pub(super) fn files(&self) -> PathSet {
        PathSet::default().reads("a journal", &self.journals).reports(&self.reports)
    }
}

/// Renders journals again. Gives the exit code.
pub(super) fn report(session: &CommandContext, args: &RenderArgs) -> u8 {
    if let Err(error) = args.reports.check(false) {
        return session.refuse(ExitStatus::Usage, error);
    }
    let records = match load_journals::read(session, &args.journals) {
        Ok(records) => records,
        Err(code) => return code,
    };
    let mut failed = args.reports.write(&session.terminal, &records, None);
    if !args.reports.is_on_standard_output() {
        let written = session.terminal.result(&text::render(&ReportSummary::from_records(&records, None)));
        failed.extend(written.err().map(|error| format!("the report cannot be written: {error}")));
    }
    match failed.len() {
        0 => session.code(ExitStatus::Fine),
        _ => failed
            .into_iter()
            .map(|error| session.refuse(ExitStatus::NotWritten, error))
            .max()
            .unwrap_or_default(),
    }
}
