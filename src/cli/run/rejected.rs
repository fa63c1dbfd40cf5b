//! A run that does not start, and its output document.

use super::location;
use crate::cli::error::CliError;
use crate::cli::run_context::tell_faults;
use crate::cli::shared_args::RunOutputFormat;
use crate::cli::terminal::Terminal;
use crate::diagnostic::{Diagnostic, Severity};
use crate::error_code::ErrorCode;
use crate::journal::{EXTENSION_KEY, RUN_SCHEMA, TOOLKIT_RUN_SCHEMA};
use crate::value::{Value, map};

/// Keys that are null for a run that did not start.
const NULL_KEYS: [&str; 8] = [
    "journal_path",
    "events_path",
    "experiment",
    "journal",
    "steady_state",
    "method",
    "rollbacks",
    "interrupted_by",
];

/// A run that does not start.
pub(super) struct RejectedRun {
    pub(super) error: CliError,
    stage: &'static str,
    diagnostics: Vec<Diagnostic>,
}

impl RejectedRun {
    /// Creates it from an error, and shows the error.
    pub(super) fn new(terminal: &Terminal, stage: &'static str, error: impl Into<CliError>) -> Self {
        let error = error.into();
        terminal.say(&error.line());
        Self { error, stage, diagnostics: Vec::new() }
    }

    /// Creates it from the diagnostics of the experiment, and shows them.
    pub(super) fn invalid(
        terminal: &Terminal,
        stage: &'static str,
        code: ErrorCode,
        diagnostics: Vec<Diagnostic>,
    ) -> Self {
        tell_faults(terminal, &diagnostics);
        let first = diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error);
        let mut error = CliError::new(code, first.map(|first| first.message.clone()).unwrap_or_default());
        error.hint = first.and_then(Diagnostic::advice);
        Self { error, stage, diagnostics }
    }

    /// Returns the output document.
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
        document.extend(NULL_KEYS.map(|key| (key.to_owned(), Value::Null)));
        document.insert("warnings".to_owned(), Value::List(Vec::new()));
        let mut error = map([
            ("stage", self.stage.into()),
            ("type", "InvalidExperiment".into()),
            ("message", self.error.message.as_str().into()),
        ]);
        if !agent {
            error.insert("code".to_owned(), self.error.code.name().into());
            error.insert("hint".to_owned(), self.error.hint.as_deref().map_or(Value::Null, Value::from));
        }
        document.insert("error".to_owned(), Value::Map(error));
        if !agent {
            let diagnostics = serde_json::to_value(&self.diagnostics).unwrap_or_default();
            document.insert(EXTENSION_KEY.to_owned(), Value::Map(map([("diagnostics", diagnostics.into())])));
        }
        Value::Map(document)
    }
}
