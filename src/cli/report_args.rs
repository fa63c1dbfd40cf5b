//! Flags of report files.

use std::path::PathBuf;

use clap::Args;

use super::terminal::Terminal;
use crate::app::AppError;
use crate::app::report_files::ReportFiles;
use crate::compare::RunComparison;
use crate::journal::Record;

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Reports")]
pub(super) struct ReportArgs {
    /// Write JUnit XML to this file (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(super) junit: Option<PathBuf>,
    /// Write Markdown for a pull request to this file (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(super) markdown: Option<PathBuf>,
    /// Write a self-contained HTML page to this file (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(super) html: Option<PathBuf>,
}

impl ReportArgs {
    /// Returns the requested reports.
    pub(super) fn report_files(&self) -> ReportFiles {
        ReportFiles { junit: self.junit.clone(), markdown: self.markdown.clone(), html: self.html.clone() }
    }
}

/// Writes reports to files or to standard output; returns the errors.
pub(super) fn write_reports(
    files: &ReportFiles,
    terminal: &Terminal,
    records: &[Record],
    comparison: Option<&RunComparison>,
) -> Vec<AppError> {
    files.write(records, comparison, &|text| Ok(terminal.write_result(text)?))
}
