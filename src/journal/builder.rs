//! Builds the journal from the events of a run.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::bounds::{OutputBudget, bounded_text};
use super::region::{JournalRegion, RegionChange};
use super::{
    ActionRecord, ActivityRoute, CHAOSLIB_VERSION, ClusterInfo, EffectRecord, EntryStatus, Environment,
    HypothesisCheck, Interruption, Journal, JournalEntry, JournalExtension, RunVerdict, SCHEMA, TargetRecord,
    ToleranceRecord,
};
use crate::clock::Timestamp;
use crate::event::{
    ActivityFinished, ActivityId, ActivityOutcome, ActivityStarted, HypothesisOutcome, Interrupt,
    InterruptPriority, RunEvent, RunPhase, RunStatus,
};
use crate::experiment::{ActivityKind, HypothesisStrategy};
use crate::series::Series;
use crate::value::{Map, Value};

/// Facts of a journal that are known before the run.
#[derive(Clone, Debug, Default)]
pub struct JournalHeader {
    /// Kernel and architecture.
    pub platform: String,
    /// Host name.
    pub node: String,
    /// Identifies the run.
    pub run_id: String,
    /// The version of this program.
    pub version: &'static str,
    /// The identity of the experiment.
    pub experiment_hash: String,
    /// When the hypothesis is checked.
    pub hypothesis_strategy: HypothesisStrategy,
    /// Digests of the values given for the configuration, by name.
    pub variables: BTreeMap<String, String>,
    /// Notes of the caller.
    pub annotations: Map,
    /// The namespace, if the run uses a cluster.
    pub namespace: Option<String>,
    /// The cluster, if the run uses one.
    pub cluster: Option<ClusterInfo>,
    /// The observed cluster state, in a trial.
    pub environment: Option<Environment>,
}

/// Changes of the journal by one event.
#[derive(Debug, Default, PartialEq)]
pub struct JournalDelta {
    /// The parts that changed.
    pub parts: Vec<RegionChange>,
    /// Whether they must be on disk before the run continues.
    pub at_once: bool,
}

/// Location of the entry of an activity.
#[derive(Clone, Copy)]
enum EntryLocation {
    Run(usize),
    Rollbacks(usize),
    Probe(RunPhase, usize),
}

/// Builds a journal from events.
#[derive(Debug)]
pub struct JournalBuilder {
    journal: Journal,
    slots: HashMap<ActivityId, ActivityEntry>,
    /// Checks of the hypothesis that are running.
    looks: HashMap<RunPhase, HypothesisCheck>,
    began: Option<Timestamp>,
    /// How much of the outputs is kept.
    budget: OutputBudget,
}

#[derive(Debug, Clone, Copy)]
struct ActivityEntry {
    slot: EntryLocation,
    began: Timestamp,
    phase: RunPhase,
    action: bool,
    record: Option<usize>,
}

impl std::fmt::Debug for EntryLocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Run(index) => write!(f, "run {index}"),
            Self::Rollbacks(index) => write!(f, "rollbacks {index}"),
            Self::Probe(phase, index) => write!(f, "{} {index}", phase.name()),
        }
    }
}

impl JournalBuilder {
    /// Creates an empty journal.
    pub fn new(header: JournalHeader) -> Self {
        let extension = JournalExtension {
            schema: SCHEMA,
            version: header.version.to_owned(),
            run_id: header.run_id,
            experiment_hash: header.experiment_hash,
            hypothesis_strategy: Some(header.hypothesis_strategy.into()),
            variables: Some(header.variables),
            annotations: header.annotations,
            namespace: header.namespace,
            cluster: header.cluster,
            environment: header.environment,
            ..JournalExtension::default()
        };
        let journal = Journal {
            chaoslib_version: Some(CHAOSLIB_VERSION.to_owned()),
            platform: Some(header.platform),
            node: Some(header.node),
            start: Some(String::new()),
            status: RunStatus::Interrupted.into(),
            extension: Some(extension),
            ..Journal::default()
        };
        Self {
            journal,
            slots: HashMap::new(),
            looks: HashMap::new(),
            began: None,
            budget: OutputBudget::default(),
        }
    }

    /// Returns the journal so far.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Sets the sampled series.
    pub fn add_samples(&mut self, samples: Vec<Series>) {
        self.extension().samples = samples;
    }

    /// Returns the environment, which changes until the journal is finished.
    pub fn environment(&mut self) -> &mut Environment {
        self.extension().environment.get_or_insert_default()
    }

    /// Returns the journal with its verdict.
    pub fn finish(mut self, verdict: RunVerdict, reason: Option<String>, exit_code: u8) -> Journal {
        let extension = self.extension();
        extension.verdict = Some(verdict.into());
        extension.reason = reason;
        extension.exit_code = Some(exit_code);
        self.journal
    }

    fn extension(&mut self) -> &mut JournalExtension {
        self.journal.extension.get_or_insert_default()
    }

    /// Applies one event.
    pub fn record(&mut self, event: &RunEvent) -> JournalDelta {
        match event {
            RunEvent::RunStarted(run) => {
                self.journal.experiment = Arc::clone(&run.experiment);
                self.journal.start = Some(run.at.iso());
                self.began = Some(run.at);
                JournalDelta {
                    parts: vec![RegionChange { region: JournalRegion::Head, index: 0 }],
                    at_once: false,
                }
            }
            RunEvent::HypothesisStarted { phase, .. } => {
                self.looks.insert(*phase, HypothesisCheck::default());
                Self::check_changed(*phase)
            }
            RunEvent::HypothesisFinished { phase, outcome, .. } => self.record_check(*phase, *outcome),
            RunEvent::ActivityStarted(started) => self.started(started),
            RunEvent::TargetsRecorded { id, targets } => {
                let Some(record) = self.record_of(*id) else { return JournalDelta::default() };
                record.targets = targets.iter().map(TargetRecord::from).collect();
                let at_once = !targets.is_empty();
                JournalDelta { at_once, ..self.record_changed(*id) }
            }
            RunEvent::TargetDone { id, target, done } => {
                let record = self.action_record(*id).and_then(|record| record.targets.get_mut(*target));
                let Some(record) = record else { return JournalDelta::default() };
                record.done = Some(*done);
                self.record_changed(*id)
            }
            RunEvent::ServiceReached { name, reached, .. } => {
                let route = ActivityRoute::new(name, reached);
                let services = &mut self.extension().services;
                if services.contains(&route) {
                    return JournalDelta::default();
                }
                services.push(route);
                Self::extension_changed()
            }
            RunEvent::ActivityFinished(finished) => self.finished(finished),
            RunEvent::EffectObserved { id, effect, .. } => {
                let Some(record) = self.action_record(*id) else { return JournalDelta::default() };
                let mut effect_record = EffectRecord::from(effect);
                effect_record.detail = bounded_text(effect_record.detail);
                record.effect = Some(effect_record);
                let at_once = !record.targets.is_empty();
                JournalDelta { at_once, ..self.record_changed(*id) }
            }
            RunEvent::ToleranceChecked { id, verdict, judged } => {
                let judged = judged.as_ref().map(|value| self.budget.bound(value));
                let Some(entry) = self.entry(*id) else { return JournalDelta::default() };
                entry.tolerance_met = Some(verdict.as_ref().is_some_and(|verdict| verdict.met));
                if let Some(value) = judged {
                    entry.activity = Arc::new(with_judged_value(&entry.activity, &value));
                }
                self.entry_changed(*id)
            }
            RunEvent::MethodToleranceChecked { id, verdict, .. } => {
                let Some(slot) = self.slots.get(id).copied() else { return JournalDelta::default() };
                let record = ToleranceRecord {
                    at: self.pointer(slot),
                    met: verdict.as_ref().is_some_and(|verdict| verdict.met),
                    expected: verdict.as_ref().map(|verdict| bounded_text(verdict.expected.clone())),
                };
                self.extension().tolerances.push(record);
                Self::extension_changed()
            }
            RunEvent::Interrupted { interrupt, .. } => {
                self.record_interrupt(interrupt);
                JournalDelta::default()
            }
            RunEvent::RunFinished { status, deviated, at } => {
                self.journal.status = (*status).into();
                self.journal.deviated = *deviated;
                self.journal.end = Some(at.iso());
                self.journal.duration = self.began.map(|began| at.since(began));
                self.extension().finished = true;
                JournalDelta {
                    parts: vec![RegionChange { region: JournalRegion::Head, index: 0 }],
                    at_once: false,
                }
            }
            RunEvent::RollbacksStarted { .. } => {
                self.journal.unwritten.rollbacks_begun = true;
                JournalDelta::default()
            }
            RunEvent::Aborted { error, code, .. } => {
                self.journal.unwritten.abortion.get_or_insert_with(|| bounded_text(error.clone()));
                if self.extension().finished {
                    // the run has ended, and its recovery is still sampled
                    self.journal.status = RunStatus::Aborted.into();
                }
                let Some(code) = code else { return JournalDelta::default() };
                self.extension().error_code.get_or_insert_with(|| code.name().to_owned());
                Self::extension_changed()
            }
            RunEvent::ContinuousFinished { error: Some(error) } => {
                self.journal.unwritten.abortion.get_or_insert_with(|| error.clone());
                JournalDelta::default()
            }
            RunEvent::ActivityCalled { .. }
            | RunEvent::ActivityNoted { .. }
            | RunEvent::ConfigurationResolved { .. }
            | RunEvent::ContinuousStarted { .. }
            | RunEvent::FailedFast { .. }
            | RunEvent::ContinuousFinished { .. }
            | RunEvent::MethodStarted { .. }
            | RunEvent::MethodFinished
            | RunEvent::RollbacksDecided { .. }
            | RunEvent::RollbackReached { .. }
            | RunEvent::RollbacksFinished
            | RunEvent::PauseStarted { .. }
            | RunEvent::PauseFinished { .. }
            | RunEvent::BackgroundAwaited { .. }
            | RunEvent::SignalReceived { .. } => JournalDelta::default(),
        }
    }

    /// Keeps the most urgent interrupt. Failing fast is not one: it ends the method, not the run.
    fn record_interrupt(&mut self, interrupt: &Interrupt) {
        let current = self.journal.unwritten.interrupt.as_ref();
        if interrupt.urgency == InterruptPriority::FailFast
            || current.is_some_and(|current| current.urgency >= interrupt.urgency)
        {
            return;
        }
        self.journal.interruption = Interruption::written(interrupt);
        self.journal.unwritten.interrupt = Some(interrupt.clone());
    }

    fn started(&mut self, started: &ActivityStarted) -> JournalDelta {
        let entry = JournalEntry {
            activity: Arc::clone(&started.document),
            start: Some(started.at.iso()),
            ..JournalEntry::default()
        };
        let slot = match started.phase {
            RunPhase::Method => {
                self.journal.run.push(entry);
                EntryLocation::Run(self.journal.run.len() - 1)
            }
            RunPhase::Rollbacks => {
                self.journal.rollbacks.push(entry);
                EntryLocation::Rollbacks(self.journal.rollbacks.len() - 1)
            }
            phase => {
                let look = self.looks.entry(phase).or_default();
                look.probes.push(entry);
                EntryLocation::Probe(phase, look.probes.len() - 1)
            }
        };
        let action = started.activity.kind == ActivityKind::Action;
        self.slots.insert(
            started.id,
            ActivityEntry { slot, began: started.at, phase: started.phase, action, record: None },
        );
        if action {
            self.record_of(started.id);
        }
        self.entry_changed(started.id)
    }

    fn finished(&mut self, finished: &ActivityFinished) -> JournalDelta {
        let Some(slot) = self.slots.get(&finished.id).copied() else { return JournalDelta::default() };
        let output = match &finished.outcome {
            ActivityOutcome::Succeeded(output) => self.budget.bound(output),
            _ => Value::Null,
        };
        let Some(entry) = self.entry(finished.id) else { return JournalDelta::default() };
        entry.end = Some(finished.at.iso());
        entry.duration = Some(finished.at.since(slot.began));
        match &finished.outcome {
            ActivityOutcome::Succeeded(_) => {
                entry.output = output;
                entry.status = Some(EntryStatus::Succeeded.into());
            }
            ActivityOutcome::Failed(error) => {
                entry.status = Some(EntryStatus::Failed.into());
                let error = bounded_text(error.clone());
                entry.exception = Some(vec![format!("chaoslib.exceptions.ActivityFailed: {error}\n")]);
            }
            ActivityOutcome::Errored(_) | ActivityOutcome::Cut => {}
        }
        JournalDelta { at_once: slot.action, ..self.entry_changed(finished.id) }
    }

    fn record_check(&mut self, phase: RunPhase, outcome: Option<HypothesisOutcome>) -> JournalDelta {
        let Some(mut state) = self.looks.remove(&phase) else { return JournalDelta::default() };
        let Some(outcome) = outcome else {
            // an interrupted check has no result
            return Self::check_changed(phase);
        };
        state.steady_state_met = Some(outcome == HypothesisOutcome::Met);
        let states = &mut self.journal.steady_states;
        match phase {
            RunPhase::Before => states.before = Some(state),
            RunPhase::After => {
                self.journal.deviated |= state.is_unmet();
                states.after = Some(state);
            }
            _ => {
                states.during.push(state);
                let index = states.during.len() - 1;
                return JournalDelta {
                    parts: vec![RegionChange { region: JournalRegion::During, index }],
                    at_once: false,
                };
            }
        }
        let mut changes = Self::check_changed(phase);
        changes.parts.push(RegionChange { region: JournalRegion::Head, index: 0 });
        changes
    }

    /// Returns the running or finished check of a phase.
    pub(super) fn state_of(&self, phase: RunPhase) -> Option<&HypothesisCheck> {
        let finished = match phase {
            RunPhase::Before => self.journal.steady_states.before.as_ref(),
            RunPhase::After => self.journal.steady_states.after.as_ref(),
            _ => None,
        };
        finished.or_else(|| self.looks.get(&phase))
    }

    fn entry(&mut self, id: ActivityId) -> Option<&mut JournalEntry> {
        match self.slots.get(&id)?.slot {
            EntryLocation::Run(index) => self.journal.run.get_mut(index),
            EntryLocation::Rollbacks(index) => self.journal.rollbacks.get_mut(index),
            EntryLocation::Probe(phase, index) => self.looks.get_mut(&phase)?.probes.get_mut(index),
        }
    }

    /// Returns the record of an action; creates it if missing.
    fn record_of(&mut self, id: ActivityId) -> Option<&mut ActionRecord> {
        let slot = *self.slots.get(&id)?;
        if slot.record.is_none() {
            let pointer = self.pointer(slot);
            let record = ActionRecord { at: pointer, phase: slot.phase.into(), ..ActionRecord::default() };
            let records = &mut self.extension().activities;
            records.push(record);
            let index = records.len() - 1;
            self.slots.get_mut(&id)?.record = Some(index);
        }
        self.action_record(id)
    }

    /// Returns the JSON pointer to the entry of an activity.
    fn pointer(&self, of: ActivityEntry) -> String {
        match of.slot {
            EntryLocation::Run(index) => format!("/run/{index}"),
            EntryLocation::Rollbacks(index) => format!("/rollbacks/{index}"),
            EntryLocation::Probe(RunPhase::During, index) => {
                let look = self.journal.steady_states.during.len();
                format!("/steady_states/during/{look}/probes/{index}")
            }
            EntryLocation::Probe(phase, index) => format!("/steady_states/{}/probes/{index}", phase.name()),
        }
    }

    fn action_record(&mut self, id: ActivityId) -> Option<&mut ActionRecord> {
        let index = self.slots.get(&id)?.record?;
        self.extension().activities.get_mut(index)
    }

    fn entry_changed(&self, id: ActivityId) -> JournalDelta {
        let Some(slot) = self.slots.get(&id) else { return JournalDelta::default() };
        let mut changes = match slot.slot {
            EntryLocation::Run(index) => JournalDelta {
                parts: vec![RegionChange { region: JournalRegion::Run, index }],
                at_once: false,
            },
            EntryLocation::Rollbacks(index) => JournalDelta {
                parts: vec![RegionChange { region: JournalRegion::Rollbacks, index }],
                at_once: false,
            },
            EntryLocation::Probe(phase, _) => Self::check_changed(phase),
        };
        changes.parts.extend(self.record_changed(id).parts);
        changes
    }

    fn record_changed(&self, id: ActivityId) -> JournalDelta {
        let record = self.slots.get(&id).and_then(|slot| slot.record);
        let change = record.map(|index| RegionChange { region: JournalRegion::Activities, index });
        JournalDelta { parts: change.into_iter().collect(), at_once: false }
    }

    fn extension_changed() -> JournalDelta {
        JournalDelta {
            parts: vec![RegionChange { region: JournalRegion::Extension, index: 0 }],
            at_once: false,
        }
    }

    /// A check during the method appears when it ends.
    fn check_changed(phase: RunPhase) -> JournalDelta {
        let region = match phase {
            RunPhase::Before => JournalRegion::Before,
            RunPhase::After => JournalRegion::After,
            _ => return JournalDelta::default(),
        };
        JournalDelta { parts: vec![RegionChange { region, index: 0 }], at_once: false }
    }
}

/// Returns the activity with the value that its judge received, as the Chaos Toolkit writes it.
fn with_judged_value(activity: &Value, value: &Value) -> Value {
    fn insert(node: &mut Value, path: &[&str], value: &Value) {
        let Value::Map(entries) = node else { return };
        match path {
            [] => {}
            [last] => {
                entries.insert((*last).to_owned(), value.clone());
            }
            [first, rest @ ..] => {
                if let Some(inner) = entries.get_mut(*first) {
                    insert(inner, rest, value);
                }
            }
        }
    }
    let mut activity = activity.clone();
    insert(&mut activity, &["tolerance", "provider", "arguments", "value"], value);
    activity
}
