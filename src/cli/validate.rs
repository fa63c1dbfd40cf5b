//! `kubectl chaos validate`. Floor 3.

use serde_json::{Value as Json, json};

use super::CommandContext;
use super::args::{RunOutputFormat, ValidateArgs};
use super::exit_code::ExitStatus;
use super::notify::{Notifier, without_secrets};
use super::run_context::{RunContext, is_invalid, tell_inherited};
use crate::console::{ConsoleLine, LineLevel};
use crate::diagnostic::{Diagnostic, Severity};
use crate::experiment::Experiment;
use crate::experiment::configuration::undeclared_warnings;
use crate::experiment::document::SpannedValue;
use crate::http_client::shown;
use crate::source;
use crate::value::Value;

/// The schema of the answer.
const SCHEMA: &str = "kubectl-chaos/validate/v1";
/// The schema of the answer with the Chaos Toolkit's keys alone.
const AGENT_SCHEMA: &str = "chaostoolkit/agent/validate/v1";

/// What was found in one file.
struct ValidatedFile {
    source: String,
    title: Value,
    faults: Vec<Diagnostic>,
    /// Where the first error arose.
    stage: &'static str,
}

/// Finds every fault of every file. Gives the exit code.
pub(super) fn validate(session: &CommandContext, args: &ValidateArgs) -> u8 {
    let surroundings = match RunContext::read(session, &args.variables, None) {
        Ok(surroundings) => surroundings,
        Err(code) => return code,
    };
    let every = async {
        let mut checked: Vec<ValidatedFile> = Vec::new();
        for source in &args.sources {
            checked.push(check(session, &surroundings, source, args).await);
        }
        checked
    };
    let checked = match session.to_its_end(every) {
        Ok(checked) => checked,
        Err(code) => return code,
    };
    let text = match args.output {
        RunOutputFormat::Text => checked.iter().map(text).collect(),
        RunOutputFormat::Json => pretty(&answer(&checked)),
        RunOutputFormat::Yaml => serde_yaml::to_string(&answer(&checked)).unwrap_or_default(),
        RunOutputFormat::Agent => checked.iter().map(|checked| pretty(&agent(checked))).collect(),
    };
    let invalid = checked.iter().any(|checked| is_invalid(&checked.faults));
    let exit = if invalid { ExitStatus::Invalid } else { ExitStatus::Fine };
    match session.terminal.result(&text) {
        Ok(()) => session.code(exit),
        Err(error) => session
            .refuse(exit.worst(ExitStatus::NotWritten), format!("the result cannot be written: {error}")),
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
            terminal.say(&ConsoleLine::new(LineLevel::Error, fault.message.clone()));
            return ValidatedFile {
                source: shown(source),
                title: Value::Null,
                faults: vec![fault],
                stage: "load",
            };
        }
    };
    let notifier = Notifier::new(session, &surroundings.settings);
    // what nobody hears need not be made
    let told = if notifier.is_heard() { without_secrets(&document.root.to_value()) } else { Value::Null };
    notifier.tell("validate-started", "validate", &told, None).await;
    terminal.say(&ConsoleLine::new(LineLevel::Info, "Validating the experiment's syntax"));
    let mut faults = surroundings.faults(&document, session.global.strict);
    let given = !surroundings.variables.is_empty();
    if let Some(experiment) = given.then(|| Experiment::read(&document)).and_then(Result::ok) {
        faults.extend(undeclared_warnings(&experiment, &surroundings.variables).into_iter().map(|message| {
            Diagnostic { severity: Severity::Warning, ..Diagnostic::for_file(shown(source), message) }
        }));
    }
    tell_inherited(terminal, &faults);
    match faults.iter().find(|fault| fault.severity == Severity::Error) {
        Some(first) => {
            terminal.say(&ConsoleLine::new(LineLevel::Error, first.message.clone()));
            notifier.tell("validate-failed", "validate", &told, Some(&first.message)).await;
        }
        None => {
            terminal.say(&ConsoleLine::new(LineLevel::Info, "Experiment looks valid"));
            notifier.tell("validate-completed", "validate", &told, None).await;
            terminal.say(&ConsoleLine::new(LineLevel::Info, "experiment syntax and semantic look valid"));
        }
    }
    let title = document.root.get("title").map(SpannedValue::to_value).unwrap_or_default();
    ValidatedFile { source: shown(source), title, faults, stage: "validation" }
}

/// Every fault with its place, then what they come to.
fn text(checked: &ValidatedFile) -> String {
    let mut out = String::new();
    for fault in &checked.faults {
        for line in fault.to_string().split('\n') {
            out += &crate::console::sanitize(line);
            out.push('\n');
        }
    }
    let count = |severity| checked.faults.iter().filter(|fault| fault.severity == severity).count();
    let several = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let found = match (errors, warnings) {
        (0, 0) => "valid".to_owned(),
        (0, _) => format!("valid, with {}", several(warnings, "warning")),
        (_, 0) => several(errors, "error"),
        (..) => format!("{}, {}", several(errors, "error"), several(warnings, "warning")),
    };
    out + &crate::console::sanitize(&checked.source) + ": " + &found + "\n"
}

fn answer(checked: &[ValidatedFile]) -> Json {
    let file = |checked: &ValidatedFile| {
        json!({
            "source": checked.source,
            "title": serde_json::to_value(&checked.title).unwrap_or_default(),
            "valid": !is_invalid(&checked.faults),
            "diagnostics": checked.faults,
        })
    };
    let valid = checked.iter().all(|checked| !is_invalid(&checked.faults));
    json!({"schema": SCHEMA, "valid": valid, "files": checked.iter().map(file).collect::<Vec<_>>()})
}

/// The Chaos Toolkit's report for agents, which knows one fault.
fn agent(checked: &ValidatedFile) -> Json {
    let first = checked.faults.iter().find(|fault| fault.severity == Severity::Error);
    let error = first
        .map(|fault| json!({"stage": checked.stage, "type": "InvalidExperiment", "message": fault.message}));
    let source = if checked.source.contains("://") {
        checked.source.clone()
    } else {
        std::path::absolute(&checked.source)
            .map_or_else(|_| checked.source.clone(), |path| path.display().to_string())
    };
    json!({
        "schema": AGENT_SCHEMA,
        "command": "validate",
        "valid": first.is_none(),
        "source": source,
        "title": serde_json::to_value(&checked.title).unwrap_or_default(),
        "error": error,
    })
}

fn pretty(document: &Json) -> String {
    serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
}
