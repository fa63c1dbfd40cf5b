//! `kubectl chaos validate`.

use clap::Args;
use serde_json::{Value as Json, json};

use super::CommandContext;
use super::path_conflicts::PathSet;
use super::shared_args::{RunOutputFormat, VariableArgs};
use super::terminal::Terminal;
use crate::app::notify::{Notifier, without_secrets};
use crate::app::run_context::{RunContext, is_invalid, show_inherited_warnings};
use crate::app::{AppError, Outcome};
use crate::console::{ConsoleLine, LineLevel};
use crate::diagnostic::{Diagnostic, Severity};
use crate::error_code::ErrorCode;
use crate::experiment::Experiment;
use crate::experiment::configuration::undeclared_warnings;
use crate::experiment::document::SpannedValue;
use crate::http_client::shown;
use crate::source;
use crate::value::Value;

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
}

/// Result for one file.
struct ValidatedFile {
    source: String,
    title: Value,
    diagnostics: Vec<Diagnostic>,
    /// Stage of the first error.
    stage: &'static str,
}

impl ValidatedFile {
    fn first_error(&self) -> Option<&Diagnostic> {
        self.diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error)
    }

    fn code(&self) -> ErrorCode {
        if self.stage == "load" { ErrorCode::ExperimentNotReadable } else { ErrorCode::ExperimentInvalid }
    }
}

/// Reports all errors of all files. Returns the exit code.
pub(super) fn validate(session: &CommandContext, args: &ValidateArgs) -> u8 {
    let surroundings = match RunContext::read(&session.app, &args.variables.inputs()) {
        Ok(surroundings) => surroundings,
        Err(error) => return session.fail(error),
    };
    let validation = async {
        let mut files: Vec<ValidatedFile> = Vec::new();
        for source in &args.sources {
            files.push(check(session, &surroundings, source, args).await);
        }
        files
    };
    let files = match session.to_its_end(validation) {
        Ok(files) => files,
        Err(code) => return code,
    };
    let text = match args.output {
        RunOutputFormat::Text => files.iter().map(text).collect(),
        RunOutputFormat::Json => pretty(&document(&files)),
        RunOutputFormat::Yaml => serde_yaml::to_string(&document(&files)).unwrap_or_default(),
        RunOutputFormat::Agent => files.iter().map(|file| pretty(&agent_document(file))).collect(),
    };
    let is_any_invalid = files.iter().any(|file| is_invalid(&file.diagnostics));
    let exit = if is_any_invalid { Outcome::Invalid } else { Outcome::Success };
    match session.terminal.result(&text) {
        Ok(()) => session.code(exit),
        Err(error) => session.fail(AppError::from(error).with_outcome(exit.worst(Outcome::NotWritten))),
    }
}

async fn check(
    session: &CommandContext,
    surroundings: &RunContext,
    source: &str,
    args: &ValidateArgs,
) -> ValidatedFile {
    let terminal = &session.terminal;
    let read =
        source::read(source, &surroundings.settings, &surroundings.environment, !args.no_verify_tls).await;
    let document = match read {
        Ok(document) => document,
        Err(fault) => {
            show_error(terminal, ErrorCode::ExperimentNotReadable, &fault);
            return ValidatedFile {
                source: shown(source),
                title: Value::Null,
                diagnostics: vec![fault],
                stage: "load",
            };
        }
    };
    let notifier = Notifier::new(&session.app, &surroundings.settings);
    // skip the copy without listeners
    let payload =
        if notifier.has_channels() { without_secrets(&document.root.to_value()) } else { Value::Null };
    notifier.send("validate-started", "validate", &payload, None).await;
    terminal.say(&ConsoleLine::new(LineLevel::Info, "Validating the experiment's syntax"));
    let mut diagnostics = surroundings.faults(&document, session.global.strict);
    let has_variables = !surroundings.variables.is_empty();
    if let Some(experiment) = has_variables.then(|| Experiment::read(&document)).and_then(Result::ok) {
        diagnostics.extend(undeclared_warnings(&experiment, &surroundings.variables).into_iter().map(
            |message| Diagnostic {
                severity: Severity::Warning,
                ..Diagnostic::for_file(shown(source), message)
            },
        ));
    }
    show_inherited_warnings(&**terminal, &diagnostics);
    match diagnostics.iter().find(|fault| fault.severity == Severity::Error) {
        Some(first) => {
            show_error(terminal, ErrorCode::ExperimentInvalid, first);
            notifier.send("validate-failed", "validate", &payload, Some(&first.message)).await;
        }
        None => {
            terminal.say(&ConsoleLine::new(LineLevel::Info, "Experiment looks valid"));
            notifier.send("validate-completed", "validate", &payload, None).await;
            terminal.say(&ConsoleLine::new(LineLevel::Info, "experiment syntax and semantic look valid"));
        }
    }
    let title = document.root.get("title").map(SpannedValue::to_value).unwrap_or_default();
    ValidatedFile { source: shown(source), title, diagnostics, stage: "validation" }
}

fn show_error(terminal: &Terminal, code: ErrorCode, diagnostic: &Diagnostic) {
    let line = ConsoleLine::new(LineLevel::Error, diagnostic.message.clone());
    terminal.say(&ConsoleLine { code: Some(code), ..line });
}

/// Renders all diagnostics with their positions, then a summary.
fn text(file: &ValidatedFile) -> String {
    let mut out = String::new();
    for diagnostic in &file.diagnostics {
        for line in diagnostic.to_string().split('\n') {
            out += &crate::console::sanitize(line);
            out.push('\n');
        }
    }
    let count = |severity| file.diagnostics.iter().filter(|fault| fault.severity == severity).count();
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let summary = match (errors, warnings) {
        (0, 0) => "valid".to_owned(),
        (0, _) => format!("valid, with {}", plural(warnings, "warning")),
        (_, 0) => plural(errors, "error"),
        (..) => format!("{}, {}", plural(errors, "error"), plural(warnings, "warning")),
    };
    out + &crate::console::sanitize(&file.source) + ": " + &summary + "\n"
}

fn document(files: &[ValidatedFile]) -> Json {
    let file = |file: &ValidatedFile| {
        let error = |error: &Diagnostic| {
            let hint = error.advice();
            json!({"code": file.code(), "message": error.message, "hint": hint})
        };
        json!({
            "source": file.source,
            "title": serde_json::to_value(&file.title).unwrap_or_default(),
            "valid": !is_invalid(&file.diagnostics),
            "error": file.first_error().map(error),
            "diagnostics": file.diagnostics,
        })
    };
    let is_valid = files.iter().all(|file| !is_invalid(&file.diagnostics));
    json!({"schema": SCHEMA, "valid": is_valid, "files": files.iter().map(file).collect::<Vec<_>>()})
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
