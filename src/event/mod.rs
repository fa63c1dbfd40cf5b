//! Events of a run.
//!
//! The engine emits [`RunEvent`]s; the journal, the console and the events file are folds over them. Watchers
//! match every variant: a new variant does not compile until each watcher handles it. Secrets are masked
//! before an event is emitted.

mod interrupt;
mod stage;

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error_code::ErrorCode;
use crate::experiment::{Activity, DryRun, ProviderKind, RollbackStrategy};
use crate::mutation::{Effect, ServiceRoute, Target};
use crate::tolerance::ToleranceResult;
use crate::value::Value;

pub use interrupt::{Interrupt, InterruptPriority, NOT_READY, Signal};
pub use stage::{
    HypothesisOutcome, RunPhase, RunPlan, RunStage, RunState, RunStatus, next_stage, plays_rollbacks,
};

/// Identifies an activity within a run.
pub type ActivityId = u64;

/// Event of a run.
#[derive(Debug)]
pub enum RunEvent {
    /// An activity outside the steps ran: a dynamic configuration probe, or a judge of another output.
    ActivityCalled {
        activity: Arc<Activity>,
        name: String,
        /// The outcome.
        outcome: ActivityOutcome,
    },
    /// The configuration is resolved.
    ConfigurationResolved {
        /// Dynamic entries without a value; their placeholders stay unresolved.
        failed: Vec<String>,
    },
    /// The run starts.
    RunStarted(Box<RunStarted>),
    /// Continuous checks of the hypothesis start.
    ContinuousStarted {
        /// Seconds between the end of a check and the start of the next.
        frequency: Value,
    },
    /// A check of the hypothesis starts.
    HypothesisStarted {
        /// Before, during or after the method.
        phase: RunPhase,
        title: String,
    },
    /// A check of the hypothesis ended.
    HypothesisFinished {
        /// Before, during or after the method.
        phase: RunPhase,
        /// Iteration number, from 1.
        iteration: u64,
        /// The outcome; absent if the check was interrupted or aborted.
        outcome: Option<HypothesisOutcome>,
        /// The name of the deciding probe: the last one that ran.
        probe: String,
    },
    /// Fail-fast ends the method after the running activity.
    FailedFast {
        /// The share of unmet checks, in percent.
        ratio: f64,
    },
    /// Continuous checks of the hypothesis ended.
    ContinuousFinished {
        /// The unexpected error that ended it, and the run.
        error: Option<String>,
    },
    /// The method starts.
    MethodStarted {
        /// The number of activities.
        activities: usize,
    },
    /// The method and its background activities ended.
    MethodFinished,
    /// Whether rollbacks run is decided.
    RollbacksDecided {
        /// The strategy.
        strategy: RollbackStrategy,
        /// Whether rollbacks run.
        played: bool,
        /// The number of rollbacks.
        declared: usize,
    },
    /// Rollbacks start.
    RollbacksStarted {
        /// The number of rollbacks.
        activities: usize,
    },
    /// The next rollback is about to start.
    RollbackReached {
        /// Its name; a reference has none.
        name: Option<String>,
    },
    /// Rollbacks ended.
    RollbacksFinished,
    /// A pause starts.
    PauseStarted {
        /// The name of the activity.
        name: String,
        /// Before the activity, or after.
        before: bool,
        /// The length in seconds, as written.
        seconds: Value,
        /// Whether the run sleeps; dry runs do not.
        slept: bool,
    },
    /// A pause ended.
    PauseFinished {
        /// The name of the activity.
        name: String,
    },
    /// An activity starts.
    ActivityStarted(ActivityStarted),
    /// The targets of an action, before any change.
    TargetsRecorded {
        id: ActivityId,
        /// All targets.
        targets: Vec<Target>,
    },
    /// The result for one target is known.
    TargetDone {
        id: ActivityId,
        /// The index of the target, from 0.
        target: usize,
        /// Whether the change succeeded; else it was refused.
        done: bool,
    },
    /// A fact about an activity that the user needs, such as why it waits.
    ActivityNoted { name: String, text: String },
    /// A request was sent to a Service of the cluster.
    ServiceReached {
        id: ActivityId,
        name: String,
        /// The Service and the route.
        reached: ServiceRoute,
    },
    /// An activity ended.
    ActivityFinished(Box<ActivityFinished>),
    /// The effect of an action was checked.
    EffectObserved {
        id: ActivityId,
        name: String,
        /// The effect.
        effect: Effect,
    },
    /// The output of a probe was compared with its tolerance.
    ToleranceChecked {
        id: ActivityId,
        /// The result; absent if the probe failed and has no output.
        verdict: Option<ToleranceResult>,
        /// The output, if another activity judged it and received it as an argument.
        judged: Option<Value>,
    },
    /// The output of a probe of the method was compared with its tolerance.
    MethodToleranceChecked {
        id: ActivityId,
        name: String,
        /// The result; absent if the probe failed and has no output.
        verdict: Option<ToleranceResult>,
    },
    /// The run waits for background activities.
    BackgroundAwaited {
        /// The number of activities.
        activities: usize,
    },
    /// A signal arrived. Later events show what it cancels.
    SignalReceived { signal: Signal },
    /// A phase was interrupted.
    Interrupted {
        phase: RunPhase,
        /// The cause.
        interrupt: Interrupt,
    },
    /// An unexpected error ended a phase.
    Aborted {
        phase: RunPhase,
        error: String,
        /// The stable code, if this program or its connection failed.
        code: Option<ErrorCode>,
    },
    /// The run ended; the last event.
    RunFinished {
        status: RunStatus,
        /// Whether it deviated.
        deviated: bool,
        at: Timestamp,
    },
}

/// Start of a run.
#[derive(Debug)]
pub struct RunStarted {
    /// The experiment as written, its title resolved and its `dry` set.
    pub experiment: Arc<Value>,
    pub title: String,
    /// The plan of the run.
    pub plan: RunPlan,
    /// What a dry run skips.
    pub dry: Option<DryRun>,
    pub at: Timestamp,
}

/// Start of an activity.
#[derive(Debug)]
pub struct ActivityStarted {
    pub id: ActivityId,
    pub activity: Arc<Activity>,
    /// The activity as written, with secrets masked.
    pub document: Arc<Value>,
    /// The phase.
    pub phase: RunPhase,
    /// Whether the activity runs in the background.
    pub background: bool,
    pub at: Timestamp,
}

/// End of an activity.
#[derive(Debug)]
pub struct ActivityFinished {
    pub id: ActivityId,
    pub activity: Arc<Activity>,
    /// The outcome.
    pub outcome: ActivityOutcome,
    /// Whether a dry run skipped the activity.
    pub dry: bool,
    pub at: Timestamp,
}

/// Nominal success that is probably a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuspiciousOutput {
    /// A process with a nonzero exit code.
    ExitCode,
    /// A response with a status above 399.
    HttpStatus,
}

impl SuspiciousOutput {
    /// Checks the output of an activity that has no tolerance.
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

/// Outcome of an activity.
#[derive(Clone, Debug, PartialEq)]
pub enum ActivityOutcome {
    /// The activity succeeded with this output.
    Succeeded(Value),
    /// An expected failure.
    Failed(String),
    /// An unexpected error, which ends the phase.
    Errored(String),
    /// The activity was cancelled.
    Cut,
}
