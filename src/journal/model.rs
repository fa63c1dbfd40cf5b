//! The journal of a run: one model for writing and for reading.
//!
//! Keys and their order are those of the Chaos Toolkit; what this program adds is in [`JournalExtension`].
//! A run fills every field. A journal that is read may lack everything but `experiment` and `status`: the
//! Chaos Toolkit writes no extension, and older versions wrote fewer keys. Unknown keys are ignored.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::design_kind::DesignKind;
use super::keyword::{EntryStatus, Keyword};
use super::run_verdict::RunVerdict;
use crate::clock::Timestamp;
use crate::event::{Interrupt, RunPhase, RunStatus, Signal};
use crate::experiment::HypothesisStrategy;
use crate::mutation::{Effect, EffectState, ServiceRoute, Target};
use crate::series::Series;
use crate::value::{Map, Value};

/// The journal of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    #[serde(default, rename = "chaoslib-version")]
    pub chaoslib_version: Option<String>,
    /// Kernel and architecture.
    #[serde(default)]
    pub platform: Option<String>,
    /// Host name.
    #[serde(default)]
    pub node: Option<String>,
    /// The experiment as written, its title resolved and its `dry` set.
    #[serde(with = "shared")]
    pub experiment: Arc<Value>,
    /// ISO 8601.
    #[serde(default)]
    pub start: Option<String>,
    /// `interrupted` until the run ends.
    pub status: Keyword<RunStatus>,
    /// Whether the hypothesis was not met after the method.
    #[serde(default)]
    pub deviated: bool,
    #[serde(default)]
    pub steady_states: SteadyStates,
    /// The activities of the method, in the order in which they started.
    #[serde(default)]
    pub run: Vec<JournalEntry>,
    /// The rollbacks, in the order in which they started.
    #[serde(default)]
    pub rollbacks: Vec<JournalEntry>,
    /// ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interruption: Option<Interruption>,
    /// Absent in journals of the Chaos Toolkit.
    #[serde(default, rename = "kubectl-chaos", skip_serializing_if = "Option::is_none")]
    pub extension: Option<JournalExtension>,
    #[serde(skip)]
    pub unwritten: UnwrittenFacts,
}

/// What the process knows about its own run beyond the file; the default for a journal that was read.
///
/// The Chaos Toolkit has no keys for these facts, and the keys of the journal are its contract.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnwrittenFacts {
    /// The most urgent interrupt. The Chaos Toolkit does not write down SIGUSR1 and SIGUSR2.
    pub interrupt: Option<Interrupt>,
    /// The unexpected error that ended the run; the file has it inside the reason.
    pub abortion: Option<String>,
    /// Whether rollbacks began, even if none of them started. A reader infers it from the verdict.
    pub rollbacks_begun: bool,
}

/// The checks of the steady-state hypothesis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SteadyStates {
    pub before: Option<HypothesisCheck>,
    pub after: Option<HypothesisCheck>,
    pub during: Vec<HypothesisCheck>,
}

/// One check of the steady-state hypothesis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HypothesisCheck {
    /// Absent while the check runs.
    pub steady_state_met: Option<bool>,
    /// The probes, up to the one that decided.
    pub probes: Vec<JournalEntry>,
}

/// One activity that was started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JournalEntry {
    /// The activity as written, with secrets masked.
    #[serde(with = "shared")]
    pub activity: Arc<Value>,
    pub output: Value,
    /// ISO 8601.
    pub start: Option<String>,
    /// Absent after an unexpected error and after a cancellation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Keyword<EntryStatus>>,
    /// Lines of a Python traceback; the last one names the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<Vec<String>>,
    /// ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// Only for probes of the hypothesis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance_met: Option<bool>,
}

/// What interrupted a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interruption {
    /// `signal`, `timeout`, `control`, `safeguard`…
    pub kind: String,
    pub name: String,
    pub reason: String,
}

impl Interruption {
    /// Returns what the journal says of an interrupt; nothing of the two signals that the Chaos Toolkit leaves out.
    pub fn written(interrupt: &Interrupt) -> Option<Self> {
        let is_written = interrupt.signal.is_none_or(|signal| signal.toolkit_code().is_none());
        is_written.then(|| Self {
            kind: interrupt.kind.to_owned(),
            name: interrupt.name.clone(),
            reason: interrupt.reason.clone(),
        })
    }
}

/// What this program adds to the journal, under [`EXTENSION_KEY`](super::EXTENSION_KEY).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JournalExtension {
    /// The version of the extension's format.
    pub schema: u32,
    /// The version of this program.
    #[serde(default)]
    pub version: String,
    #[serde(default)]
    pub run_id: String,
    /// Whether the run ended, with any result.
    #[serde(default)]
    pub finished: bool,
    /// Why the run has its verdict.
    #[serde(default)]
    pub reason: Option<String>,
    /// Absent until the run is judged.
    #[serde(default)]
    pub verdict: Option<Keyword<RunVerdict>>,
    #[serde(default)]
    pub exit_code: Option<u8>,
    /// Absent if the run does not use a cluster.
    #[serde(default)]
    pub namespace: Option<String>,
    #[serde(default)]
    pub cluster: Option<ClusterInfo>,
    /// How requests reached Services; each route once.
    #[serde(default)]
    pub services: Vec<ActivityRoute>,
    #[serde(default)]
    pub experiment_hash: String,
    /// Absent in older journals.
    #[serde(default)]
    pub hypothesis_strategy: Option<Keyword<HypothesisStrategy>>,
    /// Digests of the values given for the configuration, by name. Absent in older journals.
    #[serde(default)]
    pub variables: Option<BTreeMap<String, String>>,
    /// Notes of the caller: who, which ticket, which commit.
    #[serde(default, with = "mapping")]
    pub annotations: Map,
    /// Absent outside a trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The stable code of a failure of this program or its connection, which aborted the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The tolerances of probes of the method. The Chaos Toolkit ignores them, and its format has no key for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerances: Vec<ToleranceRecord>,
    #[serde(default)]
    pub activities: Vec<ActionRecord>,
    /// What sampling measured; known when the run is over.
    #[serde(default)]
    pub samples: Vec<Series>,
}

/// The cluster of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterInfo {
    /// The kubeconfig context; absent without a kubeconfig.
    pub context: Option<String>,
    /// The UID of the namespace `kube-system`, which identifies a cluster; absent without permission.
    pub uid: Option<String>,
    /// The version of the API server.
    pub version: Option<String>,
}

/// How the requests of an activity reached a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActivityRoute {
    /// The name of the activity.
    pub activity: String,
    /// `NAMESPACE/NAME:PORT`.
    pub service: String,
    /// `proxy`, `port-forward` or `direct`.
    pub access: String,
}

impl ActivityRoute {
    /// Creates the record of a route. The Pod is left out: it changes from one connection to the next.
    pub fn new(activity: &str, route: &ServiceRoute) -> Self {
        Self {
            activity: activity.to_owned(),
            service: route.service.clone(),
            access: route.access.to_owned(),
        }
    }
}

/// The cluster state that a trial observed before the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// The arm of the trial: `before` or `after`.
    pub arm: Option<String>,
    /// The number of the run within its arm, from 1.
    pub repeat: Option<u32>,
    /// Identifies the trial, so that runs of several trials are not taken for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<String>,
    /// The pair of the run, from 1. A run that repeats a void one has the same pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pair: Option<u32>,
    /// How the trial decides its number of runs. Absent in older journals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub design: Option<TrialDesign>,
    /// The ids of the runs that ran at the same time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overlaps: Vec<String>,
    /// The number of nodes; absent without permission to list them.
    pub nodes: Option<u32>,
    /// The desired replicas of each workload, by kind and name.
    pub replicas: BTreeMap<String, i64>,
}

/// How a trial decides its number of runs, recorded before the first run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrialDesign {
    pub kind: Keyword<DesignKind>,
    /// The pairs of runs: all of a fixed trial, the maximum of an automatic one.
    pub max_pairs: Option<u32>,
}

/// The targets and the effect of an action.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActionRecord {
    /// JSON pointer to the entry of the action.
    pub at: String,
    pub phase: Keyword<RunPhase>,
    pub targets: Vec<TargetRecord>,
    /// Absent until it is known.
    pub effect: Option<EffectRecord>,
}

impl ActionRecord {
    /// Whether the effect of the action was observed.
    pub fn is_confirmed(&self) -> bool {
        self.effect.as_ref().is_some_and(|effect| effect.state.is(EffectState::Confirmed))
    }

    /// Whether the action was checked and its effect was not observed.
    pub fn is_unconfirmed(&self) -> bool {
        self.effect.is_some() && !self.is_confirmed()
    }

    /// Whether the action is a rollback.
    pub fn is_rollback(&self) -> bool {
        self.at.starts_with("/rollbacks/")
    }
}

/// The result of the tolerance of a probe of the method.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ToleranceRecord {
    /// JSON pointer to the entry of the probe.
    pub at: String,
    /// Whether the probe has an output, and it is within the tolerance.
    pub met: bool,
    /// The expected value, for people; absent if the probe failed.
    pub expected: Option<String>,
}

/// A target of an action.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetRecord {
    pub kind: String,
    /// Absent for cluster-scoped objects.
    pub namespace: Option<String>,
    pub name: String,
    pub uid: String,
    /// Whether the change was made; absent until known, so that a killed run shows how far it came.
    pub done: Option<bool>,
}

impl From<&Target> for TargetRecord {
    fn from(target: &Target) -> Self {
        let Target { kind, namespace, name, uid } = target.clone();
        Self { kind, namespace, name, uid, done: None }
    }
}

/// Whether an action took effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EffectRecord {
    pub state: Keyword<EffectState>,
    /// ISO 8601.
    pub asked_at: Option<String>,
    /// ISO 8601.
    pub effective_at: Option<String>,
    pub detail: String,
}

impl From<&Effect> for EffectRecord {
    fn from(effect: &Effect) -> Self {
        Self {
            state: effect.state.into(),
            asked_at: Some(effect.asked_at.iso()),
            effective_at: effect.effective_at.map(Timestamp::iso),
            detail: effect.detail.clone(),
        }
    }
}

impl Journal {
    /// Renders the file: JSON, indented by two spaces like the Chaos Toolkit's.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    pub fn title(&self) -> &str {
        self.experiment["title"].as_text().unwrap_or("(no title)")
    }

    /// Returns the dry strategy of a dry run.
    pub fn dry(&self) -> Option<&str> {
        self.experiment["dry"].as_text()
    }

    /// Returns the checks of the hypothesis in their order, each with its phase.
    pub fn checks(&self) -> impl Iterator<Item = (&HypothesisCheck, RunPhase)> {
        let states = &self.steady_states;
        let before = states.before.iter().map(|check| (check, RunPhase::Before));
        let during = states.during.iter().map(|check| (check, RunPhase::During));
        before.chain(during).chain(states.after.iter().map(|check| (check, RunPhase::After)))
    }

    /// Returns what is recorded of actions.
    pub fn actions(&self) -> &[ActionRecord] {
        self.extension.as_ref().map_or(&[], |extension| &extension.activities)
    }

    /// Returns the results of the tolerances of the method.
    pub fn method_tolerances(&self) -> &[ToleranceRecord] {
        self.extension.as_ref().map_or(&[], |extension| &extension.tolerances)
    }

    /// Returns the first probe of the method that failed or was not within its own tolerance, and which of the two.
    pub fn unmet_method_probe(&self) -> Option<(&str, &'static str)> {
        let unmet = self.method_tolerances().iter().find(|tolerance| !tolerance.met)?;
        let entry = self.entry(&unmet.at);
        let has_failed = entry.is_some_and(JournalEntry::failed);
        let what = if has_failed { "could not be measured" } else { "was not within its tolerance" };
        Some((entry.map_or(UNNAMED, JournalEntry::name), what))
    }

    /// Returns the record of the action whose entry is at the given pointer.
    pub fn action(&self, at: &str) -> Option<&ActionRecord> {
        self.actions().iter().find(|action| action.at == at)
    }

    /// Returns the name of a recorded action.
    pub fn action_name(&self, action: &ActionRecord) -> &str {
        self.entry(&action.at).map_or(UNNAMED, JournalEntry::name)
    }

    /// Returns the type of the provider of a recorded action.
    pub fn provider_of(&self, action: &ActionRecord) -> Option<&str> {
        self.entry(&action.at)?.activity["provider"]["type"].as_text()
    }

    /// Returns the entry at a JSON pointer, such as `/run/0` or `/steady_states/after/probes/1`.
    fn entry(&self, at: &str) -> Option<&JournalEntry> {
        let keys: Vec<&str> = at.strip_prefix('/')?.split('/').collect();
        let states = &self.steady_states;
        let (list, index) = match keys[..] {
            ["run", index] => (&self.run, index),
            ["rollbacks", index] => (&self.rollbacks, index),
            ["steady_states", "before", "probes", index] => (&states.before.as_ref()?.probes, index),
            ["steady_states", "after", "probes", index] => (&states.after.as_ref()?.probes, index),
            ["steady_states", "during", check, "probes", index] => {
                (&states.during.get(check.parse::<usize>().ok()?)?.probes, index)
            }
            _ => return None,
        };
        list.get(index.parse::<usize>().ok()?)
    }

    /// Returns what sampling measured.
    pub fn samples(&self) -> &[Series] {
        self.extension.as_ref().map_or(&[], |extension| &extension.samples)
    }

    /// Returns the signal that interrupted the run, if the run is this process's own.
    pub fn signal(&self) -> Option<Signal> {
        self.unwritten.interrupt.as_ref()?.signal
    }
}

const UNNAMED: &str = "(no name)";

impl JournalEntry {
    pub fn name(&self) -> &str {
        self.activity["name"].as_text().unwrap_or(UNNAMED)
    }

    pub fn is_action(&self) -> bool {
        self.activity["type"].as_text() == Some("action")
    }

    pub fn succeeded(&self) -> bool {
        self.has_status(EntryStatus::Succeeded)
    }

    pub fn failed(&self) -> bool {
        self.has_status(EntryStatus::Failed)
    }

    fn has_status(&self, status: EntryStatus) -> bool {
        self.status.as_ref().is_some_and(|known| known.is(status))
    }

    /// Returns the error: the last line of the exception that is not empty.
    ///
    /// The class that every failed activity has is left out.
    pub fn error(&self) -> Option<&str> {
        let lines = self.exception.as_ref()?;
        let last = lines.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty())?;
        Some(last.strip_prefix("chaoslib.exceptions.ActivityFailed: ").unwrap_or(last))
    }
}

impl HypothesisCheck {
    pub fn is_met(&self) -> bool {
        self.steady_state_met == Some(true)
    }

    pub fn is_unmet(&self) -> bool {
        self.steady_state_met == Some(false)
    }
}

/// Documents that a journal shares with the run that writes it.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::value::Value;

    pub(super) fn serialize<S: Serializer>(value: &Arc<Value>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Value>, D::Error> {
        Value::deserialize(deserializer).map(Arc::new)
    }
}

/// Mappings that keep the order of their keys.
mod mapping {
    use serde::de::{Error, Unexpected};
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::value::{Map, Value};

    pub(super) fn serialize<S: Serializer>(entries: &Map, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(entries)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Map(entries) => Ok(entries),
            other => Err(Error::invalid_type(Unexpected::Other(other.kind()), &"a mapping")),
        }
    }
}
