//! Why a run does not begin, and the answer that says so. Floor 3.

use super::location;
use crate::cli::args::RunOutputFormat;
use crate::cli::exit_code::ExitStatus;
use crate::cli::run_context::tell_faults;
use crate::cli::terminal::Terminal;
use crate::console::{ConsoleLine, LineLevel};
use crate::diagnostic::{Diagnostic, Severity};
use crate::journal::{EXTENSION_KEY, RUN_SCHEMA, TOOLKIT_RUN_SCHEMA};
use crate::value::{Value, map};

/// Keys that a run which did not begin has nothing to say for.
const WITHOUT_VALUE: [&str; 8] = [
    "journal_path",
    "events_path",
    "experiment",
    "journal",
    "steady_state",
    "method",
    "rollbacks",
    "interrupted_by",
];

/// Why a run does not begin.
pub(super) struct RejectedRun {
    pub(super) exit: ExitStatus,
    stage: &'static str,
    message: String,
    faults: Vec<Diagnostic>,
}

impl RejectedRun {
    /// A reason that is told in a sentence.
    pub(super) fn new(
        terminal: &Terminal,
        exit: ExitStatus,
        stage: &'static str,
        message: impl Into<String>,
    ) -> Self {
        let message = message.into();
        terminal.say(&ConsoleLine::note(LineLevel::Error, message.clone()));
        Self { exit, stage, message, faults: Vec::new() }
    }

    /// Faults of the experiment.
    pub(super) fn invalid(terminal: &Terminal, stage: &'static str, faults: Vec<Diagnostic>) -> Self {
        tell_faults(terminal, &faults);
        let first = faults.iter().find(|fault| fault.severity == Severity::Error);
        let message = first.map(|fault| fault.message.clone()).unwrap_or_default();
        Self { exit: ExitStatus::Invalid, stage, message, faults }
    }

    /// The answer for machines.
    pub(super) fn answer(&self, source: &str, code: u8, output: RunOutputFormat) -> Value {
        let agent = output == RunOutputFormat::Agent;
        let mut document = map([
            ("schema", if agent { TOOLKIT_RUN_SCHEMA } else { RUN_SCHEMA }.into()),
            ("command", "run".into()),
            ("outcome", "error".into()),
            ("conclusive", false.into()),
            ("verdict", "The experiment was not run.".into()),
            ("exit_code", Value::Int(code.into())),
            ("source", location(source).into()),
        ]);
        document.extend(WITHOUT_VALUE.map(|key| (key.to_owned(), Value::Null)));
        document.insert("warnings".to_owned(), Value::List(Vec::new()));
        let error = map([
            ("stage", self.stage.into()),
            ("type", "InvalidExperiment".into()),
            ("message", self.message.as_str().into()),
        ]);
        document.insert("error".to_owned(), Value::Map(error));
        if !agent {
            let faults = serde_json::to_value(&self.faults).unwrap_or_default();
            document.insert(EXTENSION_KEY.to_owned(), Value::Map(map([("diagnostics", faults.into())])));
        }
        Value::Map(document)
    }
}
