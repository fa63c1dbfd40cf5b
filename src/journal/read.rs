//! Reads journals: our own, and the Chaos Toolkit's.
//!
//! Reports and comparisons use them. Their texts are not trusted: a journal may come from a pull request.

use super::untrusted::{self, LimitError};
use super::{ActionRecord, Journal, RunVerdict, SCHEMA};
use crate::error_code::{Coded, ErrorCode};
use crate::experiment::DocumentKind;
use crate::experiment::document::MAX_BYTES;
use crate::value::{from_value, parse_json_to_depth};

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The text is not JSON.
    #[error("{path}: invalid JSON")]
    Json { path: String, source: serde_json::Error },
    /// The text is JSON, and does not have the form of a journal.
    #[error("{path}: invalid journal")]
    Form { path: String, source: serde_json::Error },
    /// The text is a file of another kind.
    #[error("{path}: this is {kind}, not a journal")]
    OtherKind { path: String, kind: DocumentKind },
    /// The experiment in the journal is not an object.
    #[error("{path}: invalid journal: `experiment` is not an object")]
    Experiment { path: String },
    /// A newer version of this program wrote the journal.
    #[error("{path}: unsupported journal schema {schema}: this version reads up to {SCHEMA}")]
    NewerSchema { path: String, schema: u32 },
    /// No run writes such a journal.
    #[error("{path}: invalid untrusted journal")]
    Untrusted { path: String, source: LimitError },
    #[error("{path}: not UTF-8 text")]
    Encoding { path: String, source: std::str::Utf8Error },
    /// An untrusted journal that cannot be read; its message may repeat long texts of the file, and is cut.
    #[error("{0}")]
    Shortened(String),
}

impl Coded for JournalError {
    fn code(&self) -> ErrorCode {
        ErrorCode::JournalInvalid
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NewerSchema { .. } => Some("use a newer kubectl-chaos".to_owned()),
            Self::OtherKind { kind, .. } => Some(kind.hint_for_journal().to_owned()),
            _ => None,
        }
    }
}

/// The deepest level of a journal that is read; a journal of this program has fewer.
const MAX_DEPTH: usize = 256;

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
    /// Reads a journal of any size from the bytes of a file: UTF-8, with or without a byte-order mark.
    pub fn from_bytes(source: &str, bytes: &[u8]) -> Result<Self, JournalError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes)
            .map_err(|error| JournalError::Encoding { path: source.to_owned(), source: error })?;
        Self::read(source, text.to_owned())
    }

    /// Reads a journal.
    pub fn read(source: &str, text: String) -> Result<Self, JournalError> {
        let mut content = parse(source, &text).map_err(|error| match recognize_other(&text) {
            Some(kind) => JournalError::OtherKind { path: source.to_owned(), kind },
            None => error,
        })?;
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

/// Recognizes a text that is not a journal. A large one is not searched: no other kind of file is as large.
fn recognize_other(text: &str) -> Option<DocumentKind> {
    let kind = if text.len() > MAX_BYTES { None } else { DocumentKind::recognize_text(text) };
    kind.filter(|kind| *kind != DocumentKind::Journal)
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
    // numbers that standard JSON does not have: Python writes NaN and Infinity, and this program 1e999
    match parse_json_to_depth(text, MAX_DEPTH) {
        Ok(document) => from_value(document).map_err(failed),
        Err(_) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_code::message_chain;
    use crate::value::Value;

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
        let journal = read(
            r#"{"experiment": {}, "status": "interrupted", "kubectl-chaos": {"schema": 1, "activities":
                [{"at": "/run/0", "phase": "method", "targets": [], "effect": {"state": "confirmed"}}],
                "samples": [{"probe": "p", "provider": "http", "period": 0.1, "deadline": 2, "route": null,
                "settled": true, "phases": [{"phase": "fault", "from": 3, "to": 5, "due": 20, "missed": 1,
                "outcomes": {"ok": 4, "no-endpoints": 15}, "latency": null}], "detected_after": 0.1,
                "recovered_after": null, "recovery_watched": 10, "raw": [[3.0, 1.5, "ok"], [3.1, null,
                "saturated"]], "raw_dropped": 17}]}}"#,
        )
        .unwrap();
        assert!(journal.action("/run/0").unwrap().is_confirmed());
        let series = &journal.content.samples()[0];
        assert_eq!(series.phase_stats(crate::series::SamplePhase::Fault).unwrap().total(), 19);
    }

    #[test]
    fn numbers_beyond_json_are_read() {
        let infinite = [("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)];
        for (number, expected) in infinite.into_iter().chain([
            ("1e999", f64::INFINITY),
            ("1e400", f64::INFINITY),
            ("-1e999", f64::NEG_INFINITY),
        ]) {
            let text = format!(
                r#"{{"experiment": {{}}, "status": "completed", "run": [{{"output": [{number}, 1]}}]}}"#
            );
            let output = read(&text).unwrap().content.run[0].output.clone();
            assert_eq!(output, Value::List(vec![Value::Float(expected), Value::Int(1)]), "{number}");
            let written_json = read(&text).unwrap().content.to_json();
            assert_eq!(read(&written_json).unwrap().content.run[0].output, output, "{number}");
        }
        let text = r#"{"experiment": {"x": [1e400]}, "status": "completed", "duration": 1.5, "deviated": true,
            "run": [{"output": NaN, "duration": 2, "exception": ["a"]}], "kubectl-chaos": {"schema": 1,
            "exit_code": 0, "activities": [{"at": "/run/0", "targets": [{"name": "n", "done": true}]}]}}"#;
        let journal = read(text).unwrap().content;
        assert_eq!((journal.duration, journal.run[0].duration), (Some(1.5), Some(2.0)));
        assert_eq!(journal.actions()[0].targets[0].done, Some(true));
        assert_eq!(journal.experiment["x"], Value::List(vec![Value::Float(f64::INFINITY)]));
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
        let check_kind = |text: &str, kind: &str, hint: &str| {
            let error = read(text).unwrap_err();
            assert_eq!(error.to_string(), format!("j.json: this is {kind}, not a journal"));
            assert!(error.hint().unwrap().contains(hint), "{:?}", error.hint());
        };
        check_kind("title: t\nmethod: []\n", "an experiment", "`kubectl chaos run`");
        check_kind(r#"{"title": "t", "method": []}"#, "an experiment", "`kubectl chaos run`");
        check_kind(
            r#"{"schema": "kubectl-chaos/comparison/v1"}"#,
            "a comparison of kubectl-chaos",
            "pass the journals",
        );
        check_kind("<testsuites/>", "an HTML or XML file", "journal.json");
        check_kind("apiVersion: v1\nkind: Pod\n", "a Kubernetes manifest of kind Pod", "journal.json");
        let newer = r#"{"experiment": {}, "status": "failed", "kubectl-chaos": {"schema": 2}}"#;
        check(newer, "unsupported journal schema 2");
    }
}
