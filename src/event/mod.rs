//! What happens in a run, as everything that watches it is told. Floor 0.
//!
//! The engine emits [`RunEvent`]s; the journal, the console and the events file are folds over them. Watchers
//! match every variant, so that a new one does not compile until each of them has an answer to it. Everything
//! in an event is fit to be written down: secrets are masked before it is emitted.

mod interrupt;
mod stage;

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::experiment::{Activity, DryRun, ProviderKind, RollbackStrategy};
use crate::mutation::{Effect, ServiceRoute, Target};
use crate::tolerance::ToleranceResult;
use crate::value::Value;

pub use interrupt::{Interrupt, InterruptPriority, NOT_READY, Signal};
pub use stage::{
    HypothesisOutcome, RunPhase, RunPlan, RunStage, RunState, RunStatus, next_stage, plays_rollbacks,
};

/// Tells the activities of one run apart.
pub type ActivityId = u64;

/// One thing that happened.
#[derive(Debug)]
pub enum RunEvent {
    /// An activity that is no step of the run was carried out: one that gives the configuration a value, one
    /// that judges the output of another.
    ActivityCalled {
        /// The activity.
        activity: Arc<Activity>,
        /// Its name.
        name: String,
        /// What came of it.
        outcome: ActivityOutcome,
    },
    /// The configuration is complete.
    ConfigurationResolved {
        /// The dynamic entries that could not be had: their placeholders stay as they are.
        failed: Vec<String>,
    },
    /// The run begins.
    RunStarted(Box<RunStarted>),
    /// The hypothesis is about to be looked at over and over.
    ContinuousStarted {
        /// Seconds between the end of one look and the begin of the next.
        frequency: Value,
    },
    /// The hypothesis is about to be looked at.
    HypothesisStarted {
        /// Before, during or after the method.
        phase: RunPhase,
        /// Its title.
        title: String,
    },
    /// The hypothesis was looked at.
    HypothesisFinished {
        /// Before, during or after the method.
        phase: RunPhase,
        /// The how-manieth look this was, from one.
        iteration: u64,
        /// What came of it; nothing when it was interrupted or aborted.
        outcome: Option<HypothesisOutcome>,
        /// The name of the probe that decided it: the last one that was looked at.
        probe: String,
    },
    /// Fail-fast ends the method after the activity under way.
    FailedFast {
        /// The share of looks that deviated, in percent.
        ratio: f64,
    },
    /// The hypothesis is no longer looked at over and over.
    ContinuousFinished {
        /// The unexpected error that ended it, and the run.
        error: Option<String>,
    },
    /// The method begins.
    MethodStarted {
        /// How many activities it has.
        activities: usize,
    },
    /// The method is over, background activities included.
    MethodFinished,
    /// Whether rollbacks will be played is decided.
    RollbacksDecided {
        /// By which rule.
        strategy: RollbackStrategy,
        /// Whether they will be.
        played: bool,
        /// How many there are.
        declared: usize,
    },
    /// Rollbacks begin.
    RollbacksStarted {
        /// How many there are.
        activities: usize,
    },
    /// The next rollback is reached.
    RollbackReached {
        /// Its name; a reference has none.
        name: Option<String>,
    },
    /// Rollbacks are over.
    RollbacksFinished,
    /// A pause begins.
    PauseStarted {
        /// The name of the activity.
        name: String,
        /// Before the activity, or after.
        before: bool,
        /// Its length in seconds, as it was written.
        seconds: Value,
        /// Whether it is waited out; dry runs do not.
        slept: bool,
    },
    /// A pause is over.
    PauseFinished {
        /// The name of the activity.
        name: String,
    },
    /// An activity begins.
    ActivityStarted(ActivityStarted),
    /// What an action is about to change, before it does.
    TargetsRecorded {
        /// The activity.
        id: ActivityId,
        /// All of them.
        targets: Vec<Target>,
    },
    /// What became of one of the targets is known.
    TargetDone {
        /// The activity.
        id: ActivityId,
        /// Which of its targets, from zero.
        target: usize,
        /// Whether it was done; else it was refused.
        done: bool,
    },
    /// A Service of the cluster was sent a request.
    ServiceReached {
        /// The activity.
        id: ActivityId,
        /// Its name.
        name: String,
        /// Which Service, and how.
        reached: ServiceRoute,
    },
    /// An activity is over.
    ActivityFinished(Box<ActivityFinished>),
    /// Whether an action took effect is known.
    EffectObserved {
        /// The activity.
        id: ActivityId,
        /// Its name.
        name: String,
        /// What became of it.
        effect: Effect,
    },
    /// A probe's output was held against its tolerance.
    ToleranceChecked {
        /// The activity.
        id: ActivityId,
        /// What came of it; nothing when the probe failed, so that there was no output.
        verdict: Option<ToleranceResult>,
        /// The output, where another activity judged it: that activity was given it as an argument.
        judged: Option<Value>,
    },
    /// Background activities are waited for.
    BackgroundAwaited {
        /// How many.
        activities: usize,
    },
    /// A signal arrived. What it cuts, and when, is told by what follows.
    SignalReceived {
        /// Which.
        signal: Signal,
    },
    /// A phase was cut short.
    Interrupted {
        /// Which phase.
        phase: RunPhase,
        /// By what.
        interrupt: Interrupt,
    },
    /// An unexpected error ended a phase.
    Aborted {
        /// Which phase.
        phase: RunPhase,
        /// The error.
        error: String,
    },
    /// The run is over; nothing follows.
    RunFinished {
        /// How it ended.
        status: RunStatus,
        /// Whether it deviated.
        deviated: bool,
        /// When.
        at: Timestamp,
    },
}

/// How a run begins.
#[derive(Debug)]
pub struct RunStarted {
    /// The experiment as it was written, its title filled and its `dry` set.
    pub experiment: Arc<Value>,
    /// Its title.
    pub title: String,
    /// What the run is to do.
    pub plan: RunPlan,
    /// What is left out.
    pub dry: Option<DryRun>,
    /// When.
    pub at: Timestamp,
}

/// How an activity begins.
#[derive(Debug)]
pub struct ActivityStarted {
    /// Which.
    pub id: ActivityId,
    /// What it is.
    pub activity: Arc<Activity>,
    /// As it was written, with secrets masked.
    pub document: Arc<Value>,
    /// In which phase.
    pub phase: RunPhase,
    /// Whether others run meanwhile.
    pub background: bool,
    /// When.
    pub at: Timestamp,
}

/// How an activity ends.
#[derive(Debug)]
pub struct ActivityFinished {
    /// Which.
    pub id: ActivityId,
    /// What it is.
    pub activity: Arc<Activity>,
    /// What came of it.
    pub outcome: ActivityOutcome,
    /// Whether it was left out, the run being dry.
    pub dry: bool,
    /// When.
    pub at: Timestamp,
}

/// An output that succeeded by the letter and may well be a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuspiciousOutput {
    /// A process with another exit code than zero.
    ExitCode,
    /// A response with a status above 399.
    HttpStatus,
}

impl SuspiciousOutput {
    /// The doubt about an output, of an activity that has no tolerance to judge it.
    pub fn about(activity: &Activity, outcome: &ActivityOutcome) -> Option<Self> {
        let ActivityOutcome::Succeeded(output) = outcome else { return None };
        let Some(Value::Int(status)) = output.get("status").filter(|_| !activity.has_tolerance) else {
            return None;
        };
        match activity.provider {
            Some(ProviderKind::Process) if *status > 0 => Some(Self::ExitCode),
            Some(ProviderKind::Http) if *status > 399 => Some(Self::HttpStatus),
            _ => None,
        }
    }
}

/// What came of an activity.
#[derive(Clone, Debug, PartialEq)]
pub enum ActivityOutcome {
    /// It was carried out, and this came out.
    Succeeded(Value),
    /// It could not be carried out, in a way that the format foresees.
    Failed(String),
    /// It could not be carried out, in a way that the format does not foresee: the phase ends.
    Errored(String),
    /// It was cut off.
    Cut,
}
