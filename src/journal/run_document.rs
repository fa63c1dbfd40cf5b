//! The result of a run for machines: one document, built from the journal alone.
//!
//! Its keys are those of the Chaos Toolkit's report for agents, plus one key of this program.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{ActionRecord, EXTENSION_KEY, HypothesisCheck, Journal, JournalEntry, Keyword};
use crate::event::RunStatus;
use crate::value::{Map, Value, map};

/// The schema of the document with the key of this program.
pub const RUN_SCHEMA: &str = "kubectl-chaos/run/v1";
/// The schema of the document without that key.
pub const TOOLKIT_RUN_SCHEMA: &str = "chaostoolkit/agent/run/v1";
/// The longest output in the document, as JSON characters.
const MAX_OUTPUT: usize = 4096;

/// Facts of the document that are not in the journal.
#[derive(Clone, Debug, Default)]
pub struct OutputContext {
    /// The file or address of the experiment.
    pub source: String,
    /// The path of the journal.
    pub journal_path: String,
    /// The path of the events file.
    pub events_path: Option<String>,
    /// The exit code.
    pub exit_code: u8,
    /// Whether to write only the keys of the Chaos Toolkit.
    pub agent: bool,
}

/// Document with the result of a run.
pub type RunDocument = Value;

/// Builds the document of a finished run.
pub fn run_document(journal: &Journal, context: &OutputContext) -> RunDocument {
    let outcome = outcome(journal);
    let warnings = warnings(journal);
    let weakened = warnings.iter().any(|(code, _)| {
        matches!(
            *code,
            "dry-run" | "no-steady-state-hypothesis" | "method-activity-failed" | "action-not-confirmed"
        )
    });
    let experiment = &journal.experiment;
    let entry = |key: &str| experiment.get(key).cloned().unwrap_or_default();
    let declared = experiment.get("rollbacks").and_then(Value::as_list).map_or(0, <[_]>::len);
    let mut document = map([
        ("schema", if context.agent { TOOLKIT_RUN_SCHEMA } else { RUN_SCHEMA }.into()),
        ("command", "run".into()),
        ("outcome", outcome.into()),
        ("conclusive", (matches!(outcome, "passed" | "deviated") && !weakened).into()),
        ("verdict", sentence(outcome, journal).into()),
        ("exit_code", Value::Int(context.exit_code.into())),
        ("source", context.source.as_str().into()),
        ("journal_path", context.journal_path.as_str().into()),
        ("events_path", optional(context.events_path.as_deref())),
        ("experiment", Value::Map(map([("title", entry("title")), ("dry", entry("dry"))]))),
        (
            "journal",
            Value::Map(map([
                ("status", journal.status.as_str().into()),
                ("deviated", journal.deviated.into()),
                ("start", optional(journal.start.as_deref())),
                ("end", optional(journal.end.as_deref())),
                ("duration", journal.duration.map_or(Value::Null, Value::Float)),
            ])),
        ),
        (
            "steady_state",
            Value::Map(map([
                ("before", state(journal.steady_states.before.as_ref())),
                ("during", during(&journal.steady_states.during)),
                ("after", state(journal.steady_states.after.as_ref())),
            ])),
        ),
        ("method", Value::Map(map([("count", count(journal.run.len())), ("failed", failed(&journal.run))]))),
        (
            "rollbacks",
            Value::Map(map([
                ("declared", count(declared)),
                ("played", count(journal.rollbacks.len())),
                ("failed", failed(&journal.rollbacks)),
            ])),
        ),
        ("interrupted_by", interrupted_by(journal)),
        ("warnings", Value::List(warnings.into_iter().map(warning).collect())),
        ("error", Value::Null),
    ]);
    if !context.agent {
        document.insert(EXTENSION_KEY.to_owned(), extension(journal));
    }
    Value::Map(document)
}

/// The key that this program adds.
fn extension(journal: &Journal) -> Value {
    let Some(extension) = &journal.extension else { return Value::Null };
    let action = |action: &ActionRecord| {
        let effect = action.effect.as_ref();
        let targets = action.targets.iter().map(|t| Value::Text(format!("{}/{}", t.kind, t.name))).collect();
        Value::Map(map([
            ("name", journal.action_name(action).into()),
            ("phase", action.phase.as_str().into()),
            ("at", action.at.as_str().into()),
            ("targets", Value::List(targets)),
            ("effect", optional(effect.map(|effect| effect.state.as_str()))),
            ("detail", optional(effect.map(|effect| effect.detail.as_str()))),
        ]))
    };
    Value::Map(map([
        ("verdict", optional(extension.verdict.as_ref().map(Keyword::as_str))),
        ("reason", optional(extension.reason.as_deref())),
        ("run_id", extension.run_id.as_str().into()),
        ("experiment_hash", extension.experiment_hash.as_str().into()),
        ("annotations", Value::Map(extension.annotations.clone())),
        ("actions", Value::List(extension.activities.iter().map(action).collect())),
    ]))
}

/// Returns the outcome: the first rule that applies.
fn outcome(journal: &Journal) -> &'static str {
    match journal.status.known() {
        Some(RunStatus::Interrupted) | None => return "interrupted",
        Some(RunStatus::Aborted) => return "aborted",
        Some(RunStatus::Completed | RunStatus::Failed) => {}
    }
    if journal.checks().flat_map(|(check, _)| &check.probes).any(|probe| !probe.succeeded()) {
        "probe-error"
    } else if journal.steady_states.before.as_ref().is_some_and(HypothesisCheck::is_unmet) {
        "baseline-not-met"
    } else if deviated_phases(journal).is_empty() {
        "passed"
    } else {
        "deviated"
    }
}

fn deviated_phases(journal: &Journal) -> Vec<&'static str> {
    let states = &journal.steady_states;
    let during = states.during.iter().any(HypothesisCheck::is_unmet).then_some("during");
    let after = states.after.as_ref().is_some_and(HypothesisCheck::is_unmet).then_some("after");
    during.into_iter().chain(after).collect()
}

fn sentence(outcome: &str, journal: &Journal) -> String {
    let states = &journal.steady_states;
    match outcome {
        "passed" => {
            let phases = [
                ("before", states.before.is_some()),
                ("during", !states.during.is_empty()),
                ("after", states.after.is_some()),
            ];
            let phases: Vec<_> =
                phases.iter().filter(|(_, phases)| *phases).map(|(phase, _)| *phase).collect();
            if phases.is_empty() {
                "The run came to its end; there was no steady state to judge.".to_owned()
            } else {
                format!("The steady state was met {} the method.", join(&phases))
            }
        }
        "deviated" => {
            let unmet = join(&deviated_phases(journal));
            if states.before.is_some() {
                format!("The steady state was met before the method, and not {unmet} it.")
            } else {
                format!("The steady state was not met {unmet} the method; how it was before is not known.")
            }
        }
        "baseline-not-met" => "The steady state was not met to begin with, so nothing was done.".to_owned(),
        "probe-error" => "A probe of the steady state could not be carried out.".to_owned(),
        "aborted" => "An unexpected error ended the run.".to_owned(),
        _ => match &journal.unwritten.interrupt {
            Some(interrupt) => format!("The run was cut short: {}.", interrupt.reason),
            None => "The run was cut short.".to_owned(),
        },
    }
}

fn join(phases: &[&str]) -> String {
    match phases {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Returns what weakens the outcome: stable codes with a sentence each.
fn warnings(journal: &Journal) -> Vec<(&'static str, String)> {
    let mut warnings = Vec::new();
    let names = |entries: &[JournalEntry]| {
        let failed = entries.iter().filter(|entry| entry.failed());
        failed.map(|entry| name(entry).python_text().into_owned()).collect::<Vec<_>>().join(", ")
    };
    if let Some(dry) = journal.experiment.get("dry").and_then(Value::as_text) {
        warnings.push(("dry-run", format!("The run was dry ({dry}): not everything was carried out.")));
    }
    let probes =
        journal.experiment.get("steady-state-hypothesis").and_then(|hypothesis| hypothesis.get("probes"));
    if !probes.is_some_and(Value::is_truthy) {
        warnings.push((
            "no-steady-state-hypothesis",
            "There are no probes of a steady state: nothing was judged.".to_owned(),
        ));
    }
    let failed = names(&journal.run);
    if !failed.is_empty() {
        warnings.push(("method-activity-failed", format!("Activities of the method failed: {failed}.")));
    }
    let unconfirmed = journal.actions().iter().filter(|action| action.is_unconfirmed());
    let unconfirmed: Vec<_> = unconfirmed.map(|action| journal.action_name(action)).collect();
    if !unconfirmed.is_empty() {
        let names = unconfirmed.join(", ");
        warnings.push(("action-not-confirmed", format!("The effect of actions was not observed: {names}.")));
    }
    let declared = journal.experiment.get("rollbacks").and_then(Value::as_list).map_or(0, <[_]>::len);
    let played = journal.rollbacks.len();
    if played < declared {
        warnings.push(("rollbacks-not-played", format!("{played} of {declared} rollbacks were played.")));
    }
    let failed = names(&journal.rollbacks);
    if !failed.is_empty() {
        warnings.push(("rollback-failed", format!("Rollbacks failed: {failed}.")));
    }
    warnings
}

fn warning((code, message): (&str, String)) -> Value {
    Value::Map(map([("code", code.into()), ("message", message.into())]))
}

fn interrupted_by(journal: &Journal) -> Value {
    match &journal.unwritten.interrupt {
        Some(interrupt) if journal.status.is(RunStatus::Interrupted) => Value::Map(map([
            ("kind", interrupt.kind.into()),
            ("name", interrupt.name.as_str().into()),
            ("reason", interrupt.reason.as_str().into()),
        ])),
        _ => Value::Null,
    }
}

fn state(state: Option<&HypothesisCheck>) -> Value {
    let Some(state) = state else { return Value::Null };
    let probe = |probe: &JournalEntry| {
        let mut detail = map([
            ("name", name(probe)),
            ("status", optional(probe.status.as_ref().map(Keyword::as_str))),
            ("tolerance_met", probe.tolerance_met.map_or(Value::Null, Value::Bool)),
            ("tolerance", probe.activity.get("tolerance").cloned().unwrap_or_default()),
        ]);
        detail.extend(BoundedOutput::new(&probe.output).entries());
        if let Some(error) = error(probe) {
            detail.insert("error".to_owned(), error);
        }
        Value::Map(detail)
    };
    Value::Map(map([
        ("met", state.steady_state_met.map_or(Value::Null, Value::Bool)),
        ("probes", Value::List(state.probes.iter().map(probe).collect())),
    ]))
}

fn during(states: &[HypothesisCheck]) -> Value {
    let unmet = || states.iter().enumerate().filter(|(_, check)| check.is_unmet());
    let probes =
        unmet().flat_map(|(_, state)| &state.probes).filter(|probe| probe.tolerance_met == Some(false));
    let names: BTreeSet<String> = probes.map(|probe| name(probe).python_text().into_owned()).collect();
    Value::Map(map([
        ("iterations", count(states.len())),
        ("unmet", count(unmet().count())),
        ("first_unmet_iteration", unmet().next().map_or(Value::Null, |(index, _)| count(index + 1))),
        ("unmet_probes", Value::List(names.into_iter().map(Value::Text).collect())),
    ]))
}

fn failed(entries: &[JournalEntry]) -> Value {
    let failed = entries.iter().filter(|entry| entry.failed());
    let detail = |entry: &JournalEntry| {
        Value::Map(map([("name", name(entry)), ("error", error(entry).unwrap_or_default())]))
    };
    Value::List(failed.map(detail).collect())
}

/// The output of an activity, or its size if it is large.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum BoundedOutput {
    Whole { output: Value },
    Size { output_truncated: bool, output_size: usize },
}

impl BoundedOutput {
    pub(super) fn new(output: &Value) -> Self {
        let output_size = serde_json::to_string(output).map_or(0, |text| text.chars().count());
        if output_size > MAX_OUTPUT {
            Self::Size { output_truncated: true, output_size }
        } else {
            Self::Whole { output: output.clone() }
        }
    }

    fn entries(self) -> Map {
        match self {
            Self::Whole { output } => map([("output", output)]),
            Self::Size { output_truncated, output_size } => {
                map([("output_truncated", output_truncated.into()), ("output_size", count(output_size))])
            }
        }
    }
}

fn name(entry: &JournalEntry) -> Value {
    entry.activity.get("name").cloned().unwrap_or_default()
}

fn error(entry: &JournalEntry) -> Option<Value> {
    let text = entry.exception.as_ref()?.concat();
    text.trim().lines().last().map(Value::from)
}

fn optional(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::from)
}

fn count(number: usize) -> Value {
    Value::Int(number as i128)
}
