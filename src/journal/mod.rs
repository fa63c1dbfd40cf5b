//! The journal: what a run did and found, key for key as the Chaos Toolkit writes it, with what is ours under
//! one key beside it. Floor 0.
//!
//! A [`Recorder`] folds the events of a run into a [`Journal`]; [`Live`] lays the growing journal out as a file
//! that can be kept up to date at a cost that stays linear; [`judge`] says what the whole came to.

mod builder;
mod event_lines;
mod live_layout;
pub mod record;
mod run_document;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::event::{Interrupt, RunPhase, RunStatus};
use crate::experiment::HypothesisStrategy;
use crate::mutation::{Effect, EffectState, ServiceRoute, Target};
use crate::series::Series;
use crate::value::{Map, Value};

pub use crate::event::NOT_READY;
pub use builder::{JournalBuilder, JournalDelta, JournalHeader};
pub use event_lines::EventSerializer;
pub use live_layout::{FilePatch, JournalRegion, LiveLayout, RegionChange};
pub use record::{Environment, Record};
pub use run_document::{OutputContext, RUN_SCHEMA, RunDocument, TOOLKIT_RUN_SCHEMA, answer};
pub use verdict::{RunVerdict, judge};

/// The version of `chaostoolkit-lib` whose journal ours is, key for key.
pub const CHAOSLIB_VERSION: &str = "1.45.1";
/// The version of what stands under [`EXTENSION_KEY`].
pub const SCHEMA: u32 = 1;
/// The one key that is ours.
pub const EXTENSION_KEY: &str = "kubectl-chaos";

/// A whole run.
#[derive(Debug)]
pub struct Journal {
    /// Where it ran: kernel, machine.
    pub platform: String,
    /// On which machine.
    pub node: String,
    /// The experiment as it was written, its title filled and its `dry` set.
    pub experiment: Arc<Value>,
    /// When it began, ISO 8601.
    pub start: String,
    /// How it ended; one that has not ended reads as interrupted.
    pub status: Option<RunStatus>,
    /// Whether the hypothesis was not met after the method.
    pub deviated: bool,
    /// What the hypothesis came to.
    pub steady_states: SteadyStates,
    /// The activities of the method, in the order in which they began.
    pub run: Vec<JournalEntry>,
    /// The rollbacks, likewise.
    pub rollbacks: Vec<JournalEntry>,
    /// When it ended, ISO 8601.
    pub end: Option<String>,
    /// How long it took, in seconds.
    pub duration: Option<f64>,
    /// What cut it short, where something did.
    pub interruption: Option<Interrupt>,
    /// The unexpected error that ended it, where one did. Not part of the journal but as the reason.
    pub abortion: Option<String>,
    /// What is ours.
    pub extension: JournalExtension,
}

/// What the hypothesis came to, look by look.
#[derive(Debug, Default)]
pub struct SteadyStates {
    /// Before the method.
    pub before: Option<HypothesisCheck>,
    /// After it.
    pub after: Option<HypothesisCheck>,
    /// While it ran.
    pub during: Vec<HypothesisCheck>,
}

/// One look at the hypothesis.
#[derive(Debug, Default)]
pub struct HypothesisCheck {
    /// Whether it was met; nothing while it is looked at.
    pub met: Option<bool>,
    /// The probes, up to the one that decided.
    pub probes: Vec<JournalEntry>,
}

/// One activity that was begun.
#[derive(Clone, Debug, Default)]
pub struct JournalEntry {
    /// As it was written.
    pub activity: Arc<Value>,
    /// What came out of it.
    pub output: Value,
    /// When it began, ISO 8601.
    pub start: String,
    /// `succeeded` or `failed`; an unexpected error and a cut leave none.
    pub status: Option<&'static str>,
    /// Why it failed, as lines of a Python traceback whose last one names the error.
    pub exception: Option<Vec<String>>,
    /// When it ended, ISO 8601.
    pub end: Option<String>,
    /// How long it took, in seconds.
    pub duration: Option<f64>,
    /// Whether its output was tolerated; probes of the hypothesis only.
    pub tolerance_met: Option<bool>,
    /// Whether it was not carried out, the run being dry. Not part of the journal.
    pub dry: bool,
}

/// What stands under [`EXTENSION_KEY`].
#[derive(Debug, Default)]
pub struct JournalExtension {
    /// The version of this program.
    pub version: &'static str,
    /// Tells runs apart.
    pub run_id: String,
    /// Whether the run came to its end, however it ended.
    pub finished: bool,
    /// Why it came to what it came to; nothing while it runs.
    pub reason: Option<String>,
    /// What it came to.
    pub verdict: Option<RunVerdict>,
    /// The exit code that followed from it.
    pub exit_code: Option<u8>,
    /// The namespace of the run, when it touched a cluster.
    pub namespace: Option<String>,
    /// The cluster that it touched.
    pub cluster: Option<ClusterInfo>,
    /// The Services that requests were sent to.
    pub services: Vec<ActivityRoute>,
    /// The identity of the experiment.
    pub experiment_hash: String,
    /// When the hypothesis is looked at.
    pub hypothesis_strategy: HypothesisStrategy,
    /// What was given for the configuration beside the experiment: a digest of each value, by its name.
    pub variables: BTreeMap<String, String>,
    /// What the caller wanted to be noted: who, which ticket, which commit.
    pub annotations: Map,
    /// Whether rollbacks were begun. Not part of the journal, whose list of them may be empty either way.
    pub rollbacks_begun: bool,
    /// The actions: what they were aimed at, and whether they took effect.
    pub activities: Vec<ActionRecord>,
    /// What the run stood in, where that was looked at.
    pub environment: Option<Environment>,
    /// What sampling saw; known when the run is over.
    pub samples: Vec<Series>,
}

/// Which cluster it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterInfo {
    /// The context of the kubeconfig; none where there is no kubeconfig.
    pub context: Option<String>,
    /// The UID of the namespace `kube-system`, which no two clusters share; none where it may not be read.
    pub uid: Option<String>,
    /// The version of the API server.
    pub version: String,
}

/// How the requests of an activity reached a Service. Each way is told once.
#[derive(Clone, Debug, Serialize)]
pub struct ActivityRoute {
    /// The name of the activity.
    pub activity: String,
    /// Which Service, and how.
    #[serde(flatten)]
    pub reached: ServiceRoute,
}

/// A target, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct TargetRecord {
    /// The target.
    #[serde(flatten)]
    pub target: Target,
    /// Whether it was done, once that is known: a run that was killed in the middle shows how far it came.
    pub done: Option<bool>,
}

impl From<Target> for TargetRecord {
    fn from(target: Target) -> Self {
        Self { target, done: None }
    }
}

/// What is known of an action beyond its entry.
#[derive(Debug)]
pub struct ActionRecord {
    /// The entry it belongs to: a JSON pointer into the journal.
    pub at: String,
    /// Its name. Not part of the journal, where the entry has it.
    pub name: String,
    /// In which phase.
    pub phase: RunPhase,
    /// What it was aimed at, and what became of each.
    pub targets: Vec<TargetRecord>,
    /// What became of it, once that is known.
    pub effect: Option<Effect>,
}

impl ActionRecord {
    /// Whether the action was watched and not seen to take effect.
    pub fn is_unconfirmed(&self) -> bool {
        self.effect.as_ref().is_some_and(|effect| effect.state != EffectState::Confirmed)
    }
}

impl Journal {
    /// The journal as a file: JSON with two blanks of indentation, as the Chaos Toolkit writes it.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The keys that stand before the lists.
    fn serialize_head<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("chaoslib-version", CHAOSLIB_VERSION)?;
        map.serialize_entry("platform", &self.platform)?;
        map.serialize_entry("node", &self.node)?;
        map.serialize_entry("experiment", &*self.experiment)?;
        map.serialize_entry("start", &self.start)?;
        map.serialize_entry("status", self.status.unwrap_or(RunStatus::Interrupted).name())?;
        map.serialize_entry("deviated", &self.deviated)
    }
}

impl Serialize for Journal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.serialize_head(&mut map)?;
        map.serialize_entry("steady_states", &self.steady_states)?;
        map.serialize_entry("run", &self.run)?;
        map.serialize_entry("rollbacks", &self.rollbacks)?;
        if let Some(end) = &self.end {
            map.serialize_entry("end", end)?;
        }
        if let Some(duration) = &self.duration {
            map.serialize_entry("duration", duration)?;
        }
        // two of its own signals the Chaos Toolkit does not tell of
        let told =
            |interrupt: &&Interrupt| interrupt.signal.is_none_or(|signal| signal.toolkit_code().is_none());
        if let Some(interrupt) = self.interruption.as_ref().filter(told) {
            map.serialize_entry("interruption", &Interruption(interrupt))?;
        }
        map.serialize_entry(EXTENSION_KEY, &self.extension)?;
        map.end()
    }
}

struct Interruption<'a>(&'a Interrupt);

impl Serialize for Interruption<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("kind", self.0.kind)?;
        map.serialize_entry("name", &self.0.name)?;
        map.serialize_entry("reason", &self.0.reason)?;
        map.end()
    }
}

impl Serialize for SteadyStates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("before", &self.before)?;
        map.serialize_entry("after", &self.after)?;
        map.serialize_entry("during", &self.during)?;
        map.end()
    }
}

impl Serialize for HypothesisCheck {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("steady_state_met", &self.met)?;
        map.serialize_entry("probes", &self.probes)?;
        map.end()
    }
}

impl Serialize for JournalEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("activity", &*self.activity)?;
        map.serialize_entry("output", &self.output)?;
        map.serialize_entry("start", &self.start)?;
        if let Some(status) = self.status {
            map.serialize_entry("status", status)?;
        }
        if let Some(exception) = &self.exception {
            map.serialize_entry("exception", exception)?;
        }
        if let Some(end) = &self.end {
            map.serialize_entry("end", end)?;
        }
        if let Some(duration) = &self.duration {
            map.serialize_entry("duration", duration)?;
        }
        if let Some(met) = &self.tolerance_met {
            map.serialize_entry("tolerance_met", met)?;
        }
        map.end()
    }
}

impl JournalExtension {
    /// Everything but the activities, as entries of a JSON object.
    fn serialize_head<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("schema", &SCHEMA)?;
        map.serialize_entry("version", self.version)?;
        map.serialize_entry("run_id", &self.run_id)?;
        map.serialize_entry("finished", &self.finished)?;
        map.serialize_entry("reason", &self.reason)?;
        map.serialize_entry("verdict", &self.verdict.map(RunVerdict::name))?;
        map.serialize_entry("exit_code", &self.exit_code)?;
        map.serialize_entry("namespace", &self.namespace)?;
        map.serialize_entry("cluster", &self.cluster)?;
        map.serialize_entry("services", &self.services)?;
        map.serialize_entry("experiment_hash", &self.experiment_hash)?;
        map.serialize_entry("hypothesis_strategy", self.hypothesis_strategy.name())?;
        map.serialize_entry("variables", &self.variables)?;
        map.serialize_entry("annotations", &Value::Map(self.annotations.clone()))?;
        match &self.environment {
            Some(environment) => map.serialize_entry("environment", environment),
            None => Ok(()),
        }
    }
}

impl Serialize for JournalExtension {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.serialize_head(&mut map)?;
        map.serialize_entry("activities", &self.activities)?;
        map.serialize_entry("samples", &self.samples)?;
        map.end()
    }
}

impl Serialize for ActionRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("at", &self.at)?;
        map.serialize_entry("phase", &self.phase)?;
        map.serialize_entry("targets", &self.targets)?;
        map.serialize_entry("effect", &self.effect.as_ref().map(Seen))?;
        map.end()
    }
}

struct Seen<'a>(&'a Effect);

impl Serialize for Seen<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("state", &self.0.state)?;
        map.serialize_entry("asked_at", &self.0.asked_at.iso())?;
        map.serialize_entry("effective_at", &self.0.effective_at.map(crate::clock::Timestamp::iso))?;
        map.serialize_entry("detail", &self.0.detail)?;
        map.end()
    }
}
