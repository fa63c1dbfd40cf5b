//! The documents of `run -o json|yaml|agent`.

use super::code_of;
use crate::app::run::{FinishedRun, RejectedRun, RunRequest};
use crate::cli::CommandContext;
use crate::cli::shared_args::RunOutputFormat;
use crate::http_client;
use crate::journal::{
    EXTENSION_KEY, OutputContext, RUN_SCHEMA, RunDocument, TOOLKIT_RUN_SCHEMA, run_document,
};
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

/// Returns the document of all runs: that of the only one, or a list.
pub(super) fn document_of(mut documents: Vec<RunDocument>) -> Value {
    match documents.len() {
        1 => documents.remove(0),
        _ => Value::List(documents),
    }
}

pub(super) fn to_text(output: RunOutputFormat, document: &Value) -> String {
    match output {
        RunOutputFormat::Yaml => serde_yaml::to_string(document).unwrap_or_default(),
        RunOutputFormat::Text | RunOutputFormat::Json | RunOutputFormat::Agent => {
            serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
        }
    }
}

/// Returns the document of a run that ended.
pub(super) fn of_finished(
    session: &CommandContext,
    request: &RunRequest,
    output: RunOutputFormat,
    run: &FinishedRun,
) -> RunDocument {
    let context = OutputContext {
        source: location(&run.source),
        journal_path: location(&run.journal_path.display().to_string()),
        events_path: request.events_file.as_ref().map(|path| location(&path.display().to_string())),
        exit_code: code_of(session, run),
        agent: output == RunOutputFormat::Agent,
    };
    run_document(&run.journal, &context)
}

/// Returns the document of a run that did not start.
pub(super) fn of_rejected(run: &RejectedRun, code: u8, output: RunOutputFormat) -> RunDocument {
    let agent = output == RunOutputFormat::Agent;
    let mut document = map([
        ("schema", if agent { TOOLKIT_RUN_SCHEMA } else { RUN_SCHEMA }.into()),
        ("command", "run".into()),
        ("outcome", "error".into()),
        ("conclusive", false.into()),
        ("verdict", "The experiment was not run.".into()),
        ("exit_code", Value::Int(code.into())),
        ("source", location(&run.source).into()),
    ]);
    document.extend(NULL_KEYS.map(|key| (key.to_owned(), Value::Null)));
    document.insert("warnings".to_owned(), Value::List(Vec::new()));
    let mut error = map([
        ("stage", run.stage.into()),
        ("type", "InvalidExperiment".into()),
        ("message", run.error.message.as_str().into()),
    ]);
    if !agent {
        error.insert("code".to_owned(), run.error.code.name().into());
        error.insert("hint".to_owned(), run.error.hint.as_deref().map_or(Value::Null, Value::from));
    }
    document.insert("error".to_owned(), Value::Map(error));
    if !agent {
        let diagnostics = serde_json::to_value(&run.diagnostics).unwrap_or_default();
        document.insert(EXTENSION_KEY.to_owned(), Value::Map(map([("diagnostics", diagnostics.into())])));
    }
    Value::Map(document)
}

/// Returns a URL without credentials, or a path as an absolute one.
fn location(source: &str) -> String {
    if source.contains("://") || source == "-" {
        return http_client::display_url(source);
    }
    std::path::absolute(source).map_or_else(|_| source.to_owned(), |path| path.display().to_string())
}
