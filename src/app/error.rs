//! The error that ends a use case: outcome, stable code, message, hint.

use std::fmt;

use super::outcome::Outcome;
use crate::console::{ConsoleLine, sanitize};
use crate::diagnostic::Diagnostic;
use crate::error_code::{Coded, ErrorCode, message_chain};
use crate::github::workflow_command::{Annotation, AnnotationLevel};

/// Error that ends a use case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AppError {
    pub(crate) outcome: Outcome,
    pub(crate) code: ErrorCode,
    /// The message, with the messages of its causes: `outer: inner`.
    pub(crate) message: String,
    /// What the user can do, in the imperative.
    pub(crate) hint: Option<String>,
}

impl AppError {
    /// Creates an error with the outcome that belongs to its code.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { outcome: default_outcome(code), code, message: message.into(), hint: None }
    }

    /// Creates an error from a diagnostic. A missing file is named only once.
    pub(crate) fn from_diagnostic(code: ErrorCode, diagnostic: &Diagnostic) -> Self {
        let Diagnostic { file, message, .. } = diagnostic;
        let is_named = message.contains(&format!("\"{file}\"")) || message.contains(&format!("'{file}'"));
        let message = if is_named && diagnostic.position.is_none() {
            diagnostic.message.clone()
        } else {
            diagnostic.summary()
        };
        Self { hint: diagnostic.advice(), ..Self::new(code, message) }
    }

    /// Replaces the outcome.
    #[must_use]
    pub(crate) fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// Adds what the user can do.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Escapes untrusted text in the message and the hint, so that it cannot control the terminal.
    #[must_use]
    pub(crate) fn sanitized(mut self) -> Self {
        self.message = sanitize(&self.message);
        self.hint = self.hint.map(|hint| sanitize(&hint));
        self
    }

    /// Returns the line that reports it.
    pub(crate) fn line(&self) -> ConsoleLine {
        ConsoleLine::error(self.code, self.message.clone(), self.hint.clone())
    }

    /// Returns the annotation that reports it to a GitHub job, with its hint.
    pub(crate) fn annotation(&self) -> Annotation {
        job_annotation(AnnotationLevel::Error, &self.message, self.hint.as_deref())
    }
}

/// Returns an annotation of the job.
pub(super) fn job_annotation(level: AnnotationLevel, text: &str, hint: Option<&str>) -> Annotation {
    let message = hint.map_or_else(|| text.to_owned(), |hint| format!("{text}\nhint: {hint}"));
    Annotation::new(level, "kubectl-chaos", message)
}

impl<E: Coded> From<E> for AppError {
    fn from(error: E) -> Self {
        let mut converted = Self::new(error.code(), message_chain(&error));
        converted.hint = error.hint();
        converted
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Returns the outcome of an error that ends a use case before anything was changed.
pub(crate) fn default_outcome(code: ErrorCode) -> Outcome {
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
        | ErrorCode::TrialBaseline
        | ErrorCode::TrialManifest
        | ErrorCode::TrialState
        | ErrorCode::UsageInvalid => Outcome::Usage,
        ErrorCode::CompareInput
        | ErrorCode::ExperimentInvalid
        | ErrorCode::ExperimentNotReadable
        | ErrorCode::FileUntrusted
        | ErrorCode::JournalInvalid
        | ErrorCode::TrialIsolation
        | ErrorCode::VariablesInvalid
        | ErrorCode::VaultFailed => Outcome::Invalid,
        ErrorCode::ClientAnswer
        | ErrorCode::ClientConfig
        | ErrorCode::ClientDns
        | ErrorCode::ClientLogin
        | ErrorCode::ClientProxy
        | ErrorCode::ClientUnauthorized
        | ErrorCode::ClusterApi
        | ErrorCode::ClusterConflict
        | ErrorCode::ClusterForbidden
        | ErrorCode::ClusterNotFound
        | ErrorCode::ClusterService
        | ErrorCode::ClusterTimeout
        | ErrorCode::ClusterTls
        | ErrorCode::ClusterUnreachable
        | ErrorCode::EmbeddedFailed
        | ErrorCode::FunctionFailed
        | ErrorCode::KubeconfigInvalid
        | ErrorCode::TrialCluster => Outcome::Unreachable,
        ErrorCode::DemoFailed => Outcome::Deviated,
        ErrorCode::FileNotWritable | ErrorCode::GithubApi => Outcome::NotWritten,
        ErrorCode::InternalPanic | ErrorCode::RunInterrupted => Outcome::Stopped,
        ErrorCode::TrialCleanup => Outcome::RollbackIncomplete,
        ErrorCode::TrialNotReady => Outcome::BaselineNotMet,
    }
}
