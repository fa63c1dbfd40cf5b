//! A journal that was read from a file: ours, or the Chaos Toolkit's. Floor 0.
//!
//! Reports and comparisons are made of it. What is not known here stays in the text, which is kept. Nothing in it
//! can be trusted: it may come from a pull request.

mod derived;
mod plausible;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::SCHEMA;
use crate::experiment::json;
use crate::series::Series;
use crate::value::Value;

/// A journal, and the text that it was read from.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where it came from, for messages.
    pub source: String,
    /// The text, with everything that is not known here.
    pub text: String,
    /// What is known.
    pub content: Content,
}

/// What is known of a journal. Everything but the experiment and the status may be missing.
#[derive(Clone, Debug, Deserialize)]
pub struct Content {
    /// The version of `chaostoolkit-lib`.
    #[serde(default, rename = "chaoslib-version")]
    pub chaoslib_version: Option<String>,
    /// Where it ran.
    #[serde(default)]
    pub platform: Option<String>,
    /// On which machine.
    #[serde(default)]
    pub node: Option<String>,
    /// The experiment.
    pub experiment: Json,
    /// When it began, ISO 8601.
    #[serde(default)]
    pub start: Option<String>,
    /// How it ended: `completed`, `failed`, `interrupted`, `aborted`.
    pub status: String,
    /// Whether it deviated.
    #[serde(default)]
    pub deviated: bool,
    /// The hypothesis.
    #[serde(default)]
    pub steady_states: Looks,
    /// The activities of the method.
    #[serde(default)]
    pub run: Vec<Played>,
    /// The rollbacks.
    #[serde(default)]
    pub rollbacks: Vec<Played>,
    /// When it ended, ISO 8601.
    #[serde(default)]
    pub end: Option<String>,
    /// How long it took, in seconds.
    #[serde(default)]
    pub duration: Option<f64>,
    /// What cut it short.
    #[serde(default)]
    pub interruption: Option<Cut>,
    /// What is ours; none in a journal of the Chaos Toolkit.
    #[serde(default, rename = "kubectl-chaos")]
    pub own: Option<Own>,
}

/// What the hypothesis came to.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Looks {
    /// Before the method.
    #[serde(default)]
    pub before: Option<Look>,
    /// After it.
    #[serde(default)]
    pub after: Option<Look>,
    /// While it ran.
    #[serde(default)]
    pub during: Vec<Look>,
}

/// One look at the hypothesis.
#[derive(Clone, Debug, Deserialize)]
pub struct Look {
    /// Whether it was met; none where that was not found out.
    #[serde(default)]
    pub steady_state_met: Option<bool>,
    /// The probes, up to the one that decided.
    #[serde(default)]
    pub probes: Vec<Played>,
}

/// One activity that was begun.
#[derive(Clone, Debug, Deserialize)]
pub struct Played {
    /// As it was written.
    #[serde(default)]
    pub activity: Json,
    /// What came out of it.
    #[serde(default)]
    pub output: Json,
    /// When it began, ISO 8601.
    #[serde(default)]
    pub start: Option<String>,
    /// `succeeded`, `failed`, `aborted`.
    #[serde(default)]
    pub status: Option<String>,
    /// Why it failed: lines whose last one names the error.
    #[serde(default)]
    pub exception: Option<Vec<String>>,
    /// When it ended, ISO 8601.
    #[serde(default)]
    pub end: Option<String>,
    /// How long it took, in seconds.
    #[serde(default)]
    pub duration: Option<f64>,
    /// Whether its output was tolerated; probes of the hypothesis only.
    #[serde(default)]
    pub tolerance_met: Option<bool>,
}

impl Played {
    /// Its name.
    pub fn name(&self) -> &str {
        self.activity["name"].as_str().unwrap_or("(no name)")
    }

    /// Whether it is an action.
    pub fn is_action(&self) -> bool {
        self.activity["type"] == "action"
    }

    /// Whether it was carried out.
    pub fn succeeded(&self) -> bool {
        self.status.as_deref() == Some("succeeded")
    }

    /// The error that it failed with: the last line that says something, without the name of the exception's class
    /// where it is the one that every failed activity has.
    pub fn error(&self) -> Option<&str> {
        let lines = self.exception.as_ref()?;
        let last = lines.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty())?;
        Some(last.strip_prefix("chaoslib.exceptions.ActivityFailed: ").unwrap_or(last))
    }
}

/// What cut a run short.
#[derive(Clone, Debug, Deserialize)]
pub struct Cut {
    /// The kind of interruption.
    #[serde(default)]
    pub kind: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// What stands under the key that is ours.
#[derive(Clone, Debug, Deserialize)]
pub struct Own {
    /// The version of what stands here.
    pub schema: u32,
    /// The version of the program.
    #[serde(default)]
    pub version: String,
    /// Tells runs apart.
    #[serde(default)]
    pub run_id: String,
    /// Whether the run came to its end.
    #[serde(default)]
    pub finished: bool,
    /// Why it came to what it came to.
    #[serde(default)]
    pub reason: Option<String>,
    /// What it came to, by name.
    #[serde(default)]
    pub verdict: Option<String>,
    /// The exit code that followed from it.
    #[serde(default)]
    pub exit_code: Option<u8>,
    /// The namespace of the run.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The cluster.
    #[serde(default)]
    pub cluster: Option<Site>,
    /// The Services that requests were sent to, and how.
    #[serde(default)]
    pub services: Vec<Way>,
    /// The identity of the experiment.
    #[serde(default)]
    pub experiment_hash: String,
    /// When the hypothesis was looked at, by the name of the strategy; older journals do not say.
    #[serde(default)]
    pub hypothesis_strategy: Option<String>,
    /// What was given for the configuration beside the experiment: a digest of each value, by its name. Older journals
    /// do not say.
    #[serde(default)]
    pub variables: Option<std::collections::BTreeMap<String, String>>,
    /// What the caller wanted to be noted.
    #[serde(default)]
    pub annotations: serde_json::Map<String, Json>,
    /// The actions: what they were aimed at, and whether they took effect.
    #[serde(default)]
    pub activities: Vec<Acted>,
    /// What sampling saw.
    #[serde(default)]
    pub samples: Vec<Series>,
    /// What the run stood in, where that was looked at: a trial does.
    #[serde(default)]
    pub environment: Option<Environment>,
}

/// The cluster of a run.
#[derive(Clone, Debug, Deserialize)]
pub struct Site {
    /// The context of the kubeconfig.
    #[serde(default)]
    pub context: Option<String>,
    /// The UID of the namespace `kube-system`.
    #[serde(default)]
    pub uid: Option<String>,
    /// The version of the API server.
    #[serde(default)]
    pub version: Option<String>,
}

/// How the requests of an activity reached a Service.
#[derive(Clone, Debug, Deserialize)]
pub struct Way {
    /// The name of the activity.
    #[serde(default)]
    pub activity: String,
    /// `NAMESPACE/NAME:PORT`.
    #[serde(default)]
    pub service: String,
    /// `proxy`, `port-forward`, `direct`.
    #[serde(default)]
    pub access: String,
}

/// What is known of an action beyond its entry.
#[derive(Clone, Debug, Deserialize)]
pub struct Acted {
    /// The entry that it belongs to: a JSON pointer into the journal.
    #[serde(default)]
    pub at: String,
    /// In which phase.
    #[serde(default)]
    pub phase: String,
    /// What it was aimed at.
    #[serde(default)]
    pub targets: Vec<Hit>,
    /// What became of it, where that is known.
    #[serde(default)]
    pub effect: Option<Came>,
}

impl Acted {
    /// Whether it was seen to take effect.
    pub fn is_confirmed(&self) -> bool {
        self.effect.as_ref().is_some_and(|effect| effect.state == "confirmed")
    }
}

/// A target.
#[derive(Clone, Debug, Deserialize)]
pub struct Hit {
    /// Its kind.
    #[serde(default)]
    pub kind: String,
    /// Its namespace.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its identity.
    #[serde(default)]
    pub uid: String,
    /// Whether it was done, where that is known.
    #[serde(default)]
    pub done: Option<bool>,
}

/// What became of an action.
#[derive(Clone, Debug, Deserialize)]
pub struct Came {
    /// `confirmed`, `mismatch`, `unknown`.
    #[serde(default)]
    pub state: String,
    /// When it was asked for, ISO 8601.
    #[serde(default)]
    pub asked_at: Option<String>,
    /// When it was seen, ISO 8601.
    #[serde(default)]
    pub effective_at: Option<String>,
    /// What was seen.
    #[serde(default)]
    pub detail: String,
}

/// What a run stood in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The arm of a trial: `before`, `after`.
    #[serde(default)]
    pub arm: Option<String>,
    /// Which of the runs of its arm, from one.
    #[serde(default)]
    pub repeat: Option<u32>,
    /// How many nodes the cluster had; none where they may not be listed.
    #[serde(default)]
    pub nodes: Option<u32>,
    /// How many replicas each workload was to have, by kind and name.
    #[serde(default)]
    pub replicas: std::collections::BTreeMap<String, i64>,
}

impl Record {
    /// Reads a journal. An error says what is wrong with it.
    pub fn read(source: &str, text: String) -> Result<Self, String> {
        let content = Self::content(source, &text)?;
        if let Some(own) = content.own.as_ref().filter(|own| own.schema > SCHEMA) {
            return Err(format!(
                "{source}: the journal is of version {} of its format, and this program knows {SCHEMA}: \
                 use a newer kubectl-chaos",
                own.schema
            ));
        }
        if !content.experiment.is_object() {
            return Err(format!("{source}: this is no journal: its experiment is no object"));
        }
        Ok(Self { source: source.to_owned(), text, content })
    }

    /// Reads a journal of an unknown hand: one that no run writes is refused, and what it came to follows from its
    /// entries, whatever it says itself.
    pub fn untrusted(source: &str, text: String) -> Result<Self, String> {
        // a message may repeat what is wrong, which may be long
        let mut record =
            Self::read(source, text).map_err(|error| error.chars().take(500).collect::<String>())?;
        plausible::check(&record.content)
            .map_err(|what| format!("{source}: no run writes such a journal: {what}"))?;
        derived::derive(&mut record.content);
        Ok(record)
    }

    fn content(source: &str, text: &str) -> Result<Content, String> {
        let fault = |error: serde_json::Error| {
            let what = if error.is_data() { "this is no journal" } else { "this is no JSON" };
            format!("{source}: {what}: {error}")
        };
        let error = match serde_json::from_str(text) {
            Ok(content) => return Ok(content),
            Err(error) => error,
        };
        // Python writes NaN and Infinity, which standard JSON has not
        if error.is_data() || !(text.contains("NaN") || text.contains("Infinity")) {
            return Err(fault(error));
        }
        let Ok(document) = json::read(text, source) else { return Err(fault(error)) };
        serde_json::from_value(standard(document.root.to_value())).map_err(fault)
    }

    /// The title of the experiment.
    pub fn title(&self) -> &str {
        self.content.experiment["title"].as_str().unwrap_or("(no title)")
    }

    /// What was left out, where the run was dry.
    pub fn dry(&self) -> Option<&str> {
        self.content.experiment["dry"].as_str()
    }

    /// What is known of the action whose entry stands there.
    pub fn acted(&self, at: &str) -> Option<&Acted> {
        self.content.own.as_ref()?.activities.iter().find(|acted| acted.at == at)
    }
}

/// What standard JSON can say of a value: numbers that it has not become null.
fn standard(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => value.into(),
        Value::Int(value) => i64::try_from(value).map_or_else(|_| Json::from(value.to_string()), Json::from),
        Value::Float(value) => value.into(),
        Value::Text(value) => value.into(),
        Value::List(items) => items.into_iter().map(standard).collect(),
        Value::Map(entries) => entries.into_iter().map(|(key, value)| (key, standard(value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Record, String> {
        Record::read("j.json", text.to_owned())
    }

    #[test]
    fn journals_of_both_kinds_are_read() {
        let theirs = read(
            r#"{"chaoslib-version": "1.0", "platform": "p", "node": "n", "experiment": {"title": "t", "x": 1},
                "start": "2026-01-01T00:00:00", "status": "completed", "deviated": true, "steady_states":
                {"before": {"steady_state_met": true, "probes": [{"activity": {"name": "p", "type": "probe"},
                "output": 200, "status": "succeeded", "tolerance_met": true}]}, "after": null, "during": []},
                "run": [{"activity": {"type": "action", "name": "a"}, "status": "failed",
                "exception": ["Traceback\n", "chaoslib.exceptions.ActivityFailed: no\n"]}], "unknown": [1]}"#,
        )
        .unwrap();
        assert_eq!((theirs.title(), theirs.content.deviated), ("t", true));
        assert_eq!(theirs.content.run[0].error(), Some("no"));
        assert!(theirs.content.own.is_none() && theirs.text.contains("unknown"));
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
        assert!(ours.acted("/run/0").unwrap().is_confirmed());
        let series = &ours.content.own.as_ref().unwrap().samples[0];
        assert_eq!(series.seen(crate::series::SamplePhase::Fault).unwrap().total(), 19);
    }

    #[test]
    fn what_python_writes_is_read() {
        let read = read(
            r#"{"experiment": {}, "status": "completed", "run": [{"output": [NaN, 1e999, -Infinity]}]}"#,
        );
        assert_eq!(read.unwrap().content.run[0].output[0], Json::Null);
    }

    #[test]
    fn what_is_no_journal_is_refused_by_name() {
        let check = |text: &str, expected: &str| {
            let error = read(text).unwrap_err();
            assert!(error.starts_with("j.json: ") && error.contains(expected), "{error}");
        };
        check("{", "this is no JSON: EOF");
        check("NaN", "this is no journal");
        check("[]", "this is no journal");
        check(r#"{"status": "completed"}"#, "missing field `experiment`");
        check(r#"{"experiment": 1, "status": "completed"}"#, "its experiment is no object");
        check(r#"{"experiment": {}, "status": "failed", "run": {}}"#, "this is no journal: invalid type");
        let newer = r#"{"experiment": {}, "status": "failed", "kubectl-chaos": {"schema": 2}}"#;
        check(newer, "version 2 of its format, and this program knows 1");
    }
}
