//! `kubectl chaos report`. Floor 3.

use std::path::PathBuf;

use clap::Args;

use super::exit_code::Exit;
use super::files::Files;
use super::output_file::ReportArgs;
use super::{Session, records};
use crate::report::{Summary, text};

/// `report`.
#[derive(Args, Debug)]
pub(super) struct Report {
    /// Journals, of kubectl-chaos or of the Chaos Toolkit
    #[arg(required = true, value_name = "JOURNAL")]
    journals: Vec<PathBuf>,
    #[command(flatten)]
    reports: ReportArgs,
}

impl Report {
    /// The files that it names.
    pub(super) fn files(&self) -> Files {
        Files::default().reads("a journal", &self.journals).reports(&self.reports)
    }
}

/// Renders journals again. Gives the exit code.
pub(super) fn report(session: &Session, args: &Report) -> u8 {
    if let Err(error) = args.reports.check(false) {
        return session.refuse(Exit::Usage, error);
    }
    let records = match records::read(session, &args.journals) {
        Ok(records) => records,
        Err(code) => return code,
    };
    let mut failed = args.reports.write(&session.terminal, &records, None);
    if !args.reports.is_on_standard_output() {
        let written = session.terminal.result(&text::render(&Summary::of(&records, None)));
        failed.extend(written.err().map(|error| format!("the report cannot be written: {error}")));
    }
    match failed.len() {
        0 => session.code(Exit::Fine),
        _ => {
            failed.into_iter().map(|error| session.refuse(Exit::NotWritten, error)).max().unwrap_or_default()
        }
    }
}
