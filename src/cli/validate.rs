//! `kubectl chaos validate`.

use clap::Args;
use serde_json::{Value as Json, json};

use super::CommandContext;
use super::path_conflicts::PathSet;
use super::shared_args::{ExitCodeStyle, LogFormat, RunOutputFormat, VariableArgs};
use crate::app::validate::{ValidateOutcome, ValidateRequest, ValidatedFile};
use crate::app::{self, AppError, Outcome};
use crate::console::sanitize;
use crate::diagnostic::{Diagnostic, Severity};

/// Name of the schema of the output.
const SCHEMA: &str = "kubectl-chaos/validate/v1";
/// Name of the Chaos Toolkit's schema.
const AGENT_SCHEMA: &str = "chaostoolkit/agent/validate/v1";

#[derive(Args, Debug)]
pub(super) struct ValidateArgs {
    /// Experiment: a JSON or YAML file, an http or https URL, or - for standard input
    #[arg(required = true, value_name = "EXPERIMENT")]
    sources: Vec<String>,
    /// Do not verify the TLS certificate of the server that the experiment is loaded from
    #[arg(long)]
    no_verify_tls: bool,
    #[command(flatten)]
    variables: VariableArgs,
    /// Format of standard output
    #[arg(short, long, value_enum, value_name = "FORMAT", ignore_case = true, default_value_t = RunOutputFormat::Text)]
    output: RunOutputFormat,
}

impl ValidateArgs {
    /// Returns the files that the flags name.
    pub(super) fn files(&self) -> PathSet {
        PathSet::default().reads("the experiment", &self.sources).variables(&self.variables.inputs())
    }

    /// Converts the flags.
    fn request(&self, session: &CommandContext) -> ValidateRequest {
        ValidateRequest {
            sources: self.sources.clone(),
            verifies_tls: !self.no_verify_tls,
            variables: self.variables.inputs(),
            shows_first_error: !shows_diagnostics(session, self),
        }
    }
}

/// Reports all errors of all files. Returns the exit code.
pub(super) fn validate(session: &CommandContext, args: &ValidateArgs) -> u8 {
    match session.block_on(app::validate::validate(&session.app, &args.request(session))) {
        Err(code) => code,
        Ok(Ok(validated)) => write_result(session, args.output, &validated),
        Ok(Err(error)) => session.fail(error),
    }
}

/// Writes the result to standard output. Returns the exit code.
fn write_result(session: &CommandContext, format: RunOutputFormat, validated: &ValidateOutcome) -> u8 {
    let files = &validated.files;
    let text = match format {
        RunOutputFormat::Text => files.iter().map(text).collect(),
        RunOutputFormat::Json => pretty(&document(validated)),
        RunOutputFormat::Yaml => serde_yaml::to_string(&document(validated)).unwrap_or_default(),
        RunOutputFormat::Agent => files.iter().map(|file| pretty(&agent_document(file))).collect(),
    };
    let outcome = validated.outcome();
    match session.terminal.write_result(&text) {
        Ok(()) => session.code(outcome),
        Err(error) => session.fail(AppError::from(error).with_outcome(outcome.worst(Outcome::NotWritten))),
    }
}

/// Returns whether the result shows every diagnostic, so that the first one need not be shown as the Chaos Toolkit does.
fn shows_diagnostics(session: &CommandContext, args: &ValidateArgs) -> bool {
    let global = &session.global;
    matches!(args.output, RunOutputFormat::Text)
        && global.exit_code == ExitCodeStyle::Precise
        && global.log_format == LogFormat::String
        && global.log_file.is_none()
}

/// Renders all diagnostics with their positions, then a summary.
fn text(file: &ValidatedFile) -> String {
    let mut out = String::new();
    for diagnostic in &file.diagnostics {
        for line in diagnostic.to_string().split('\n') {
            out += &sanitize(line);
            out.push('\n');
        }
    }
    let count = |severity| file.diagnostics.iter().filter(|fault| fault.severity == severity).count();
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let summary = match (errors, warnings) {
        (0, 0) => "valid".to_owned(),
        (0, _) => format!("valid, with {}", plural(warnings, "warning")),
        (_, 0) => plural(errors, "error"),
        (..) => format!("{}, {}", plural(errors, "error"), plural(warnings, "warning")),
    };
    out + &sanitize(&file.source) + ": " + &summary + "\n"
}

fn document(validated: &ValidateOutcome) -> Json {
    let file = |file: &ValidatedFile| {
        let error = |error: &Diagnostic| {
            let hint = error.advice();
            json!({"code": file.code(), "message": error.message, "hint": hint})
        };
        json!({
            "source": file.source,
            "title": serde_json::to_value(&file.title).unwrap_or_default(),
            "valid": file.is_valid(),
            "error": file.first_error().map(error),
            "diagnostics": file.diagnostics,
        })
    };
    let files: Vec<Json> = validated.files.iter().map(file).collect();
    json!({"schema": SCHEMA, "valid": validated.is_valid(), "files": files})
}

/// Returns the Chaos Toolkit's report for agents, with the first error.
fn agent_document(file: &ValidatedFile) -> Json {
    let first = file.first_error();
    let error = first
        .map(|error| json!({"stage": file.stage, "type": "InvalidExperiment", "message": error.message}));
    let source = if file.source.contains("://") {
        file.source.clone()
    } else {
        std::path::absolute(&file.source)
            .map_or_else(|_| file.source.clone(), |path| path.display().to_string())
    };
    json!({
        "schema": AGENT_SCHEMA,
        "command": "validate",
        "valid": first.is_none(),
        "source": source,
        "title": serde_json::to_value(&file.title).unwrap_or_default(),
        "error": error,
    })
}

fn pretty(document: &Json) -> String {
    serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
}
