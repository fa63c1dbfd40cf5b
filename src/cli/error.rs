//! The error that ends a command: exit status, stable code, message, hint.

use std::fmt;

use serde_json::json;

use super::exit_code::ExitStatus;
use crate::console::ConsoleLine;
use crate::diagnostic::Diagnostic;
use crate::error_code::{Coded, ErrorCode, message_chain};

/// Error that ends a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CliError {
    pub(super) status: ExitStatus,
    pub(super) code: ErrorCode,
    /// The message, with the messages of its causes: `outer: inner`.
    pub(super) message: String,
    /// What the user can do, in the imperative.
    pub(super) hint: Option<String>,
}

/// Name of the schema of the error document.
const SCHEMA: &str = "kubectl-chaos/error/v1";

/// Machine-readable format of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DocumentFormat {
    Json,
    Yaml,
}

impl DocumentFormat {
    /// Parses the value of `-o`; `None` for formats that people read.
    pub(super) fn parse(value: &str) -> Option<Self> {
        match value.to_ascii_lowercase().as_str() {
            "json" | "agent" => Some(Self::Json),
            "yaml" => Some(Self::Yaml),
            _ => None,
        }
    }
}

impl CliError {
    /// Creates an error with the exit status that belongs to its code.
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { status: default_status(code), code, message: message.into(), hint: None }
    }

    /// Creates an error from a diagnostic. A missing file is named only once.
    pub(super) fn from_diagnostic(code: ErrorCode, diagnostic: &Diagnostic) -> Self {
        let Diagnostic { file, message, .. } = diagnostic;
        let is_named = message.contains(&format!("\"{file}\"")) || message.contains(&format!("'{file}'"));
        let message = if is_named && diagnostic.position.is_none() {
            diagnostic.message.clone()
        } else {
            diagnostic.summary()
        };
        Self { hint: diagnostic.advice(), ..Self::new(code, message) }
    }

    /// Replaces the exit status.
    #[must_use]
    pub(super) fn with_status(mut self, status: ExitStatus) -> Self {
        self.status = status;
        self
    }

    /// Adds what the user can do.
    #[must_use]
    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the document that replaces the result of the command.
    pub(super) fn document(&self, format: DocumentFormat) -> String {
        let error = json!({"code": self.code, "message": self.message, "hint": self.hint});
        let document = json!({"schema": SCHEMA, "error": error});
        match format {
            DocumentFormat::Json => serde_json::to_string_pretty(&document).unwrap_or_default() + "\n",
            DocumentFormat::Yaml => serde_yaml::to_string(&document).unwrap_or_default(),
        }
    }

    /// Returns the line that the terminal shows.
    pub(super) fn line(&self) -> ConsoleLine {
        ConsoleLine::error(self.code, self.message.clone(), self.hint.clone())
    }
}

impl<E: Coded> From<E> for CliError {
    fn from(error: E) -> Self {
        let mut converted = Self::new(error.code(), message_chain(&error));
        converted.hint = error.hint();
        converted
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Returns the exit status of an error that ends a command before anything was changed.
fn default_status(code: ErrorCode) -> ExitStatus {
    match code {
        ErrorCode::CiContextRefused
        | ErrorCode::CiEventRefused
        | ErrorCode::CiResultsDirectory
        | ErrorCode::EmbeddedManifest
        | ErrorCode::FileConflict
        | ErrorCode::FileNotReadable
        | ErrorCode::GithubEvent
        | ErrorCode::InitInput
        | ErrorCode::InternalRuntime
        | ErrorCode::PublishInput
        | ErrorCode::RecoverRefused
        | ErrorCode::SettingsInvalid
        | ErrorCode::TrialManifest
        | ErrorCode::TrialState
        | ErrorCode::UsageInvalid => ExitStatus::Usage,
        ErrorCode::CompareInput
        | ErrorCode::ExperimentInvalid
        | ErrorCode::ExperimentNotReadable
        | ErrorCode::FileUntrusted
        | ErrorCode::JournalInvalid
        | ErrorCode::TrialIsolation
        | ErrorCode::VariablesInvalid
        | ErrorCode::VaultFailed => ExitStatus::Invalid,
        ErrorCode::ClusterApi
        | ErrorCode::ClusterConflict
        | ErrorCode::ClusterForbidden
        | ErrorCode::ClientDns
        | ErrorCode::ClientLogin
        | ErrorCode::ClientProxy
        | ErrorCode::ClusterNotFound
        | ErrorCode::ClusterService
        | ErrorCode::ClusterTimeout
        | ErrorCode::ClusterTls
        | ErrorCode::ClusterUnauthorized
        | ErrorCode::ClusterUnreachable
        | ErrorCode::EmbeddedFailed
        | ErrorCode::FunctionFailed
        | ErrorCode::KubeconfigInvalid
        | ErrorCode::TrialCluster => ExitStatus::Unreachable,
        ErrorCode::DemoFailed => ExitStatus::Deviated,
        ErrorCode::FileNotWritable | ErrorCode::GithubApi => ExitStatus::NotWritten,
        ErrorCode::InternalPanic | ErrorCode::RunInterrupted => ExitStatus::Stopped,
        ErrorCode::TrialCleanup => ExitStatus::RollbackIncomplete,
        ErrorCode::TrialNotReady => ExitStatus::BaselineNotMet,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;

    /// Renders `docs/errors.md`.
    fn documentation() -> String {
        let mut text = "# Error codes\n\nEvery error has a stable code. `-o json` shows it as `error.code`, `--log-format json` as `code`.\nMessages may change between versions; codes do not. The exit status is the usual one: a command can replace it.\n\nThis page is generated from `src/error_code.rs`; a test compares them.\n\n| code | exit status | when |\n|---|---|---|\n".to_owned();
        for code in ErrorCode::ALL {
            writeln!(text, "| `{code}` | {} | {} |", default_status(*code).code(), code.meaning()).unwrap();
        }
        text
    }

    #[test]
    fn error_documentation_matches_the_codes() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, documentation()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), documentation(), "UPDATE_GOLDEN=1 writes it");
    }
}
