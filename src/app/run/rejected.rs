//! A run that does not start.

use crate::app::run_context::show_diagnostics;
use crate::app::{AppError, Outcome, Reporter};
use crate::diagnostic::{Diagnostic, Severity};
use crate::error_code::ErrorCode;

/// A run that does not start.
pub(crate) struct RejectedRun {
    /// The experiment.
    pub(crate) source: String,
    pub(crate) error: AppError,
    /// What was done when the error occurred: `load`, `validation` or `runtime`.
    pub(crate) stage: &'static str,
    /// Diagnostics of the experiment; empty for other errors.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl RejectedRun {
    /// Creates it from an error.
    pub(crate) fn new(source: &str, stage: &'static str, error: impl Into<AppError>) -> Self {
        Self { source: source.to_owned(), error: error.into(), stage, diagnostics: Vec::new() }
    }

    /// Creates it from the diagnostics of the experiment.
    pub(super) fn invalid(
        source: &str,
        stage: &'static str,
        code: ErrorCode,
        diagnostics: Vec<Diagnostic>,
    ) -> Self {
        let first = diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error);
        let mut error = AppError::new(code, first.map(|first| first.message.clone()).unwrap_or_default());
        error.hint = first.and_then(Diagnostic::advice);
        Self { source: source.to_owned(), error, stage, diagnostics }
    }

    /// Adds what the user can do.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: &str) -> Self {
        self.error.hint = Some(hint.to_owned());
        if let Some(first) =
            self.diagnostics.iter_mut().find(|diagnostic| diagnostic.severity == Severity::Error)
        {
            first.hint = Some(hint.to_owned());
        }
        self
    }

    /// Replaces outcomes that guarantee that nothing was changed: earlier runs may have changed something.
    #[must_use]
    pub(super) fn after_other_runs(mut self) -> Self {
        if matches!(self.error.outcome, Outcome::Usage | Outcome::Invalid | Outcome::Unreachable) {
            self.error.outcome = Outcome::Stopped;
        }
        self
    }

    /// Shows the error, or the diagnostics.
    pub(crate) fn show(&self, reporter: &dyn Reporter) {
        if self.diagnostics.is_empty() {
            reporter.show(&self.error.line());
        } else {
            show_diagnostics(reporter, &self.diagnostics);
        }
    }
}
