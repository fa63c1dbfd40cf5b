//! `kubectl chaos report`.

use std::path::PathBuf;

use clap::Args;

use super::CommandContext;
use super::path_conflicts::PathSet;
use super::report_args::{ReportArgs, write_reports};
use crate::app::{AppError, Outcome, load_journals};
use crate::report::{ReportSummary, text};

#[derive(Args, Debug)]
pub(super) struct RenderArgs {
    /// Journals of kubectl-chaos or of the Chaos Toolkit
    #[arg(required = true, value_name = "JOURNAL")]
    journals: Vec<PathBuf>,
    #[command(flatten)]
    reports: ReportArgs,
}

impl RenderArgs {
    /// Returns the files that the flags name.
    pub(super) fn files(&self) -> PathSet {
        PathSet::default().reads("a journal", &self.journals).reports(&self.reports.report_files())
    }
}

/// Renders journals. Returns the exit code.
pub(super) fn report(session: &CommandContext, args: &RenderArgs) -> u8 {
    match render(session, args) {
        Err(error) => session.fail(error),
        Ok(errors) => {
            let codes = errors.iter().map(|error| session.show_error(error));
            codes.max().unwrap_or_else(|| session.code(Outcome::Success))
        }
    }
}

/// Writes the reports. Returns the errors of writing.
fn render(session: &CommandContext, args: &RenderArgs) -> Result<Vec<AppError>, AppError> {
    let reports = args.reports.report_files();
    let _locks = reports.check(false)?;
    let records = load_journals::load_all(&args.journals)?;
    let mut errors = write_reports(&reports, &session.terminal, &records, None);
    if !reports.is_on_standard_output() {
        let written =
            session.terminal.write_result(&text::render(&ReportSummary::from_records(&records, None)));
        errors.extend(written.err().map(AppError::from));
    }
    Ok(errors)
}
