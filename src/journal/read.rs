//! Reads journals: our own, and the Chaos Toolkit's.
//!
//! Reports and comparisons use them. Their texts are not trusted: a journal may come from a pull request.

use serde_json::Value as Json;

use super::untrusted::{self, LimitError};
use super::{ActionRecord, Journal, RunVerdict, SCHEMA};
use crate::error_code::{Coded, ErrorCode};
use crate::experiment::json;
use crate::value::Value;

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The text is not JSON.
    #[error("{path}: invalid JSON")]
    Json { path: String, source: serde_json::Error },
    /// The text is JSON, and does not have the form of a journal.
    #[error("{path}: invalid journal")]
    Form { path: String, source: serde_json::Error },
    /// The experiment in the journal is not an object.
    #[error("{path}: invalid journal: `experiment` is not an object")]
    Experiment { path: String },
    /// A newer version of this program wrote the journal.
    #[error("{path}: unsupported journal schema {schema}: this version reads up to {SCHEMA}")]
    NewerSchema { path: String, schema: u32 },
    /// No run writes such a journal.
    #[error("{path}: invalid untrusted journal")]
    Untrusted { path: String, source: LimitError },
    /// An untrusted journal that cannot be read; its message may repeat long texts of the file, and is cut.
    #[error("{0}")]
    Shortened(String),
}

impl Coded for JournalError {
    fn code(&self) -> ErrorCode {
        ErrorCode::JournalInvalid
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::NewerSchema { .. }).then(|| "use a newer kubectl-chaos".to_owned())
    }
}

/// The longest message about a journal that cannot be read, in characters.
const MAX_MESSAGE: usize = 500;

/// A journal, and the text that it was read from.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where it came from, for messages.
    pub source: String,
    /// The text, with the keys that the model does not know.
    pub text: String,
    pub content: Journal,
}

impl Record {
    /// Reads a journal.
    pub fn read(source: &str, text: String) -> Result<Self, JournalError> {
        let mut content = parse(source, &text)?;
        let path = || source.to_owned();
        if let Some(extension) = content.extension.as_ref().filter(|extension| extension.schema > SCHEMA) {
            return Err(JournalError::NewerSchema { path: path(), schema: extension.schema });
        }
        if content.experiment.as_map().is_none() {
            return Err(JournalError::Experiment { path: path() });
        }
        infer_unwritten(&mut content);
        Ok(Self { source: path(), text, content })
    }

    /// Reads an untrusted journal: enforces limits, and recomputes the verdict from the entries.
    pub fn untrusted(source: &str, text: String) -> Result<Self, JournalError> {
        let mut record = Self::read(source, text).map_err(|error| {
            let message = crate::error_code::message_chain(&error);
            JournalError::Shortened(message.chars().take(MAX_MESSAGE).collect())
        })?;
        untrusted::check_limits(&record.content)
            .map_err(|error| JournalError::Untrusted { path: source.to_owned(), source: error })?;
        untrusted::recompute(&mut record.content);
        Ok(record)
    }

    pub fn title(&self) -> &str {
        self.content.title()
    }

    /// Returns the dry strategy of a dry run.
    pub fn dry(&self) -> Option<&str> {
        self.content.dry()
    }

    /// Returns the record of the action whose entry is at the given pointer.
    pub fn action(&self, at: &str) -> Option<&ActionRecord> {
        self.content.action(at)
    }
}

/// Infers that rollbacks began and none of them started: only then is the verdict what it is.
///
/// This holds for untrusted journals, too: no verdict is more serious, so it hides nothing.
fn infer_unwritten(journal: &mut Journal) {
    let verdict = journal.extension.as_ref().and_then(|extension| extension.verdict.as_ref()?.known());
    journal.unwritten.rollbacks_begun =
        journal.rollbacks.is_empty() && verdict == Some(RunVerdict::RollbackIncomplete);
}

fn parse(source: &str, text: &str) -> Result<Journal, JournalError> {
    let failed = |error: serde_json::Error| {
        let path = source.to_owned();
        if error.is_data() {
            JournalError::Form { path, source: error }
        } else {
            JournalError::Json { path, source: error }
        }
    };
    let error = match serde_json::from_str(text) {
        Ok(journal) => return Ok(journal),
        Err(error) => error,
    };
    // Python writes NaN and Infinity, and this program 1e999: numbers that standard JSON does not have
    let is_extended = ["NaN", "Infinity", "1e999"].iter().any(|number| text.contains(number));
    if error.is_data() || !is_extended {
        return Err(failed(error));
    }
    let Ok(document) = json::read(text, source) else { return Err(failed(error)) };
    serde_json::from_value(standard_json(document.root.to_value())).map_err(failed)
}

/// Converts a value to standard JSON: numbers that it does not have become null.
fn standard_json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => value.into(),
        Value::Int(value) => i64::try_from(value).map_or_else(|_| Json::from(value.to_string()), Json::from),
        Value::Float(value) => value.into(),
        Value::Text(value) => value.into(),
        Value::List(items) => items.into_iter().map(standard_json).collect(),
        Value::Map(entries) => entries.into_iter().map(|(key, value)| (key, standard_json(value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_code::message_chain;

    fn read(text: &str) -> Result<Record, JournalError> {
        Record::read("j.json", text.to_owned())
    }

    #[test]
    fn journals_of_both_programs_are_read() {
        let toolkit = read(
            r#"{"chaoslib-version": "1.0", "platform": "p", "node": "n", "experiment": {"title": "t", "x": 1},
                "start": "2026-01-01T00:00:00", "status": "completed", "deviated": true, "steady_states":
                {"before": {"steady_state_met": true, "probes": [{"activity": {"name": "p", "type": "probe"},
                "output": 200, "status": "succeeded", "tolerance_met": true}]}, "after": null, "during": []},
                "run": [{"activity": {"type": "action", "name": "a"}, "status": "failed",
                "exception": ["Traceback\n", "chaoslib.exceptions.ActivityFailed: no\n"]}], "unknown": [1]}"#,
        )
        .unwrap();
        assert_eq!((toolkit.title(), toolkit.content.deviated), ("t", true));
        assert_eq!(toolkit.content.run[0].error(), Some("no"));
        assert!(toolkit.content.extension.is_none() && toolkit.text.contains("unknown"));
        let ours = read(
            r#"{"experiment": {}, "status": "interrupted", "kubectl-chaos": {"schema": 1, "activities":
                [{"at": "/run/0", "phase": "method", "targets": [], "effect": {"state": "confirmed"}}],
                "samples": [{"probe": "p", "provider": "http", "period": 0.1, "deadline": 2, "route": null,
                "settled": true, "phases": [{"phase": "fault", "from": 3, "to": 5, "due": 20, "missed": 1,
                "outcomes": {"ok": 4, "no-endpoints": 15}, "latency": null}], "detected_after": 0.1,
                "recovered_after": null, "recovery_watched": 10, "raw": [[3.0, 1.5, "ok"], [3.1, null,
                "saturated"]], "raw_dropped": 17}]}}"#,
        )
        .unwrap();
        assert!(ours.action("/run/0").unwrap().is_confirmed());
        let series = &ours.content.samples()[0];
        assert_eq!(series.seen(crate::series::SamplePhase::Fault).unwrap().total(), 19);
    }

    #[test]
    fn numbers_beyond_json_become_null() {
        for number in ["NaN", "-Infinity", "1e999", "-1e999"] {
            let text = format!(
                r#"{{"experiment": {{}}, "status": "completed", "run": [{{"output": [{number}, 1]}}]}}"#
            );
            let output = read(&text).unwrap().content.run[0].output.clone();
            assert_eq!(output, Value::List(vec![Value::Null, Value::Int(1)]), "{number}");
        }
    }

    #[test]
    fn text_that_is_not_a_journal_is_refused() {
        let check = |text: &str, expected: &str| {
            let error = message_chain(&read(text).unwrap_err());
            assert!(error.starts_with("j.json: ") && error.contains(expected), "{error}");
        };
        check("{", "invalid JSON: EOF");
        check("NaN", "invalid journal");
        check("[]", "invalid journal");
        check(r#"{"status": "completed"}"#, "missing field `experiment`");
        check(r#"{"experiment": 1, "status": "completed"}"#, "`experiment` is not an object");
        check(r#"{"experiment": {}, "status": "failed", "run": {}}"#, "invalid journal: invalid type");
        check(r#"{"experiment": {}, "status": 1}"#, "invalid journal: invalid type");
        let newer = r#"{"experiment": {}, "status": "failed", "kubectl-chaos": {"schema": 2}}"#;
        check(newer, "unsupported journal schema 2");
    }
}
