//! Validates experiments without running them.

use super::context::AppContext;
use super::error::AppError;
use super::notify::{Notifier, without_secrets};
use super::outcome::Outcome;
use super::reporter::Reporter;
use super::run_context::{RunContext, VariableInputs, is_invalid, show_inherited_warnings};
use crate::console::{ConsoleLine, LineLevel};
use crate::diagnostic::{Diagnostic, Severity};
use crate::error_code::ErrorCode;
use crate::experiment::Experiment;
use crate::experiment::configuration::undeclared_warnings;
use crate::experiment::document::SpannedValue;
use crate::http_client::display_url;
use crate::source;
use crate::value::Value;

/// What to validate.
#[derive(Clone, Debug)]
pub(crate) struct ValidateRequest {
    /// Experiments: files, URLs, or `-` for standard input.
    pub(crate) sources: Vec<String>,
    /// Whether the certificate of the server that an experiment is loaded from is verified.
    pub(crate) verifies_tls: bool,
    pub(crate) variables: VariableInputs,
    /// Whether the reporter shows the first error, as the Chaos Toolkit does. The outcome has all.
    pub(crate) shows_first_error: bool,
}

/// Diagnostics of all experiments.
pub(crate) struct ValidateOutcome {
    pub(crate) files: Vec<ValidatedFile>,
}

impl ValidateOutcome {
    /// Returns whether all experiments are valid.
    pub(crate) fn is_valid(&self) -> bool {
        self.files.iter().all(ValidatedFile::is_valid)
    }

    pub(crate) fn outcome(&self) -> Outcome {
        if self.is_valid() { Outcome::Success } else { Outcome::Invalid }
    }
}

/// Diagnostics of one experiment.
pub(crate) struct ValidatedFile {
    pub(crate) source: String,
    pub(crate) title: Value,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// What was done when the first error occurred: `load` or `validation`.
    pub(crate) stage: &'static str,
}

impl ValidatedFile {
    pub(crate) fn is_valid(&self) -> bool {
        !is_invalid(&self.diagnostics)
    }

    pub(crate) fn first_error(&self) -> Option<&Diagnostic> {
        self.diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Returns the code of the first error.
    pub(crate) fn code(&self) -> ErrorCode {
        if self.stage == "load" { ErrorCode::ExperimentNotReadable } else { ErrorCode::ExperimentInvalid }
    }
}

/// Reports all errors of all experiments.
pub(crate) async fn validate(
    context: &AppContext,
    request: &ValidateRequest,
) -> Result<ValidateOutcome, AppError> {
    let run_context = RunContext::read(context, &request.variables)?;
    let mut files = Vec::new();
    for source in &request.sources {
        files.push(validate_file(context, &run_context, source, request).await);
    }
    Ok(ValidateOutcome { files })
}

async fn validate_file(
    context: &AppContext,
    run_context: &RunContext,
    source: &str,
    request: &ValidateRequest,
) -> ValidatedFile {
    let reporter = &*context.reporter;
    let parsed =
        source::read(source, &run_context.settings, &run_context.environment, request.verifies_tls).await;
    let document = match parsed {
        Ok(document) => document,
        Err(diagnostic) => {
            if request.shows_first_error {
                show_error(reporter, ErrorCode::ExperimentNotReadable, &diagnostic);
            }
            let (source, diagnostics) = (display_url(source), vec![diagnostic]);
            return ValidatedFile { source, title: Value::Null, diagnostics, stage: "load" };
        }
    };
    let notifier = Notifier::new(context, &run_context.settings);
    // skip the copy without listeners
    let payload =
        if notifier.has_channels() { without_secrets(&document.root.to_value()) } else { Value::Null };
    notifier.send("validate-started", "validate", &payload, None).await;
    let info = |text: &str| reporter.show(&ConsoleLine::new(LineLevel::Info, text));
    info("Validating the experiment's syntax");
    let mut diagnostics = run_context.faults(&document, context.is_strict());
    let has_variables = !run_context.variables.is_empty();
    if let Some(experiment) = has_variables.then(|| Experiment::read(&document)).and_then(Result::ok) {
        let warning = |message: String| Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::for_file(display_url(source), message)
        };
        diagnostics.extend(undeclared_warnings(&experiment, &run_context.variables).into_iter().map(warning));
    }
    show_inherited_warnings(reporter, &diagnostics);
    let title = document.root.get("title").map(SpannedValue::to_value).unwrap_or_default();
    let file = ValidatedFile { source: display_url(source), title, diagnostics, stage: "validation" };
    if let Some(first) = file.first_error() {
        if request.shows_first_error {
            show_error(reporter, ErrorCode::ExperimentInvalid, first);
        }
        notifier.send("validate-failed", "validate", &payload, Some(&first.message)).await;
    } else {
        info("Experiment looks valid");
        notifier.send("validate-completed", "validate", &payload, None).await;
        info("experiment syntax and semantic look valid");
    }
    file
}

fn show_error(reporter: &dyn Reporter, code: ErrorCode, diagnostic: &Diagnostic) {
    let line = ConsoleLine::new(LineLevel::Error, diagnostic.message.clone());
    reporter.show(&ConsoleLine { code: Some(code), ..line });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::context::tests::context;

    #[tokio::test]
    async fn one_invalid_experiment_makes_the_outcome_invalid() {
        let dir = tempfile::tempdir().unwrap();
        let source = |name: &str| dir.path().join(name).display().to_string();
        let activity = r#"{"type": "probe", "name": "p", "provider": {"type": "http", "url": "http://x/"}}"#;
        let valid = format!(r#"{{"title": "t", "description": "d", "method": [{activity}]}}"#);
        std::fs::write(source("valid.json"), valid).unwrap();
        std::fs::write(source("invalid.json"), r#"{"title": "t", "description": "d"}"#).unwrap();
        let check = async |names: &[&str], outcome: Outcome, stages: &[(&'static str, bool)]| {
            let sources = names.iter().map(|name| source(name)).collect();
            let variables = VariableInputs::default();
            let request = ValidateRequest { sources, verifies_tls: true, variables, shows_first_error: true };
            let validated = validate(&context(), &request).await.unwrap();
            let files: Vec<_> =
                validated.files.iter().map(|file| (file.stage, file.first_error().is_none())).collect();
            assert_eq!((validated.outcome(), files.as_slice()), (outcome, stages), "{names:?}");
        };
        check(&["valid.json"], Outcome::Success, &[("validation", true)]).await;
        let stages = [("validation", false), ("validation", true)];
        check(&["invalid.json", "valid.json"], Outcome::Invalid, &stages).await;
        let missing = [("validation", true), ("load", false)];
        check(&["valid.json", "missing.json"], Outcome::Invalid, &missing).await;
    }
}
