//! Runs an experiment.
//!
//! The pure function [`next_stage`] decides the order of the stages. This module executes them, emits an event for
//! every step, and executes the four steps of an activity: prepare, record, apply, confirm. A failed activity is a
//! result, not an error of the run.

mod activity;
mod configuration;
mod control;
mod controls;
mod event_bus;
mod hypothesis;
mod interrupts;
mod safeguards;
mod standard_error;
mod steps;
mod strategy;
mod validation_rules;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Timestamp;
use crate::error_code::{Coded, ErrorCode};
use crate::event::{
    ActivityId, Interrupt, RunEvent, RunPhase, RunPlan, RunStage, RunStarted, RunState, RunStatus, Signal,
    next_stage, plays_rollbacks,
};
use crate::experiment::{ControlDeclaration as Declared, DryRun, Experiment};
use crate::provider::Providers;
use crate::substitution::{Redactor, Scope};
use crate::value::Value;

pub use configuration::{ConfigurationError, ResolvedConfiguration, configure};
pub use control::{ControlPoint, ControlScope, RunControl};
pub use event_bus::{EventBus, EventWatcher};
pub use interrupts::InterruptLog;
pub use strategy::{StrategyError, StrategyOverrides, resolve_strategies};
pub use validation_rules::RunRules;

use activity::PhaseError;
use controls::Controls;

/// Options of a run.
pub struct RunOptions {
    /// The strategies.
    pub plan: RunPlan,
    /// What a dry run skips.
    pub dry: Option<DryRun>,
    /// Seconds between two checks of the hypothesis during the method.
    pub frequency: f64,
    /// Whether a deviation during the method ends it.
    pub fail_fast: bool,
    /// Maximum time to wait for the effect of an action.
    pub effect_timeout: Duration,
    /// Maximum duration of the run, without rollbacks.
    pub timeout: Option<Duration>,
    /// The global controls.
    pub controls: Vec<Declared>,
    /// Whether failed actions fail the run, and tolerances of the method count; the Chaos Toolkit does neither.
    pub strict: bool,
    /// Whether outputs are recorded without redaction.
    pub plain: bool,
    /// The journal, which records targets before a mutation.
    pub record: Option<Box<dyn JournalSync>>,
}

/// Journal that is flushed to disk before a mutation.
pub trait JournalSync: Send + Sync {
    /// Writes all events so far to disk.
    fn flush(&self) -> Result<(), JournalSyncError>;
}

/// The journal cannot be flushed to disk.
#[derive(Debug, thiserror::Error)]
#[error("cannot write journal {}", path.display())]
pub struct JournalSyncError {
    pub path: PathBuf,
    pub source: std::io::Error,
}

impl Coded for JournalSyncError {
    fn code(&self) -> ErrorCode {
        ErrorCode::FileNotWritable
    }
}

/// A run, with the state that its parts share.
pub struct Engine {
    experiment: Arc<Experiment>,
    options: RunOptions,
    scope: Scope,
    redactor: Redactor,
    providers: Providers,
    bus: Arc<EventBus>,
    board: Arc<InterruptLog>,
    state: Mutex<RunState>,
    controls: Controls,
    ids: AtomicU64,
    /// Whether rollbacks run.
    puts_back: AtomicBool,
    /// Whether an action of the method failed, so that the run is a failure.
    has_failed_action: AtomicBool,
    /// Tasks that wait for effects.
    watched: Mutex<JoinSet<()>>,
    /// Whether these tasks must end.
    given_up: watch::Sender<bool>,
}

/// Handle to interrupt a run.
#[derive(Clone)]
pub struct InterruptHandle {
    bus: Arc<EventBus>,
    board: Arc<InterruptLog>,
}

impl InterruptHandle {
    /// Interrupts the run by a signal. A second signal has a higher priority.
    pub fn signal(&self, signal: Signal) {
        let first = self.board.find(0, |interrupt| interrupt.signal.is_some()).is_none();
        self.bus.emit(&RunEvent::SignalReceived { signal });
        self.board.raise(Interrupt::signal(signal, first));
    }

    /// Aborts the run, because this program or its connection failed. Rollbacks run.
    pub fn abort(&self, code: ErrorCode, name: &str, reason: &str) {
        self.board.raise_once(Interrupt::tool_failure(code, name, reason));
    }

    /// Waits for a signal, and returns it. Returns immediately if one arrived already.
    pub async fn wait_for_signal(&self) -> Signal {
        let interrupt = self.board.wait(0, Interrupt::cancels_rollbacks).await;
        match interrupt.signal {
            Some(signal) => signal,
            // only signals cancel rollbacks
            None => std::future::pending().await,
        }
    }

    /// Returns the first signal, if one arrived.
    pub fn first_signal(&self) -> Option<Signal> {
        self.board.find(0, Interrupt::cancels_rollbacks).and_then(|interrupt| interrupt.signal)
    }
}

impl Engine {
    /// Creates the run of an experiment with resolved configuration.
    pub fn new(
        experiment: Arc<Experiment>,
        options: RunOptions,
        scope: Scope,
        providers: Providers,
        bus: Arc<EventBus>,
    ) -> Arc<Self> {
        let redactor = if options.plain {
            Redactor::default()
        } else {
            Redactor::of_experiment(&scope, &experiment.document)
        };
        let board = Arc::new(InterruptLog::default());
        Arc::new_cyclic(|engine| {
            let controls = Controls::new(&experiment, &options.controls, engine);
            Self {
                experiment,
                options,
                scope,
                redactor,
                providers,
                bus,
                board,
                state: Mutex::new(RunState::default()),
                controls,
                ids: AtomicU64::new(0),
                puts_back: AtomicBool::new(false),
                has_failed_action: AtomicBool::new(false),
                watched: Mutex::new(JoinSet::new()),
                given_up: watch::Sender::new(false),
            }
        })
    }

    /// Returns a handle to interrupt this run.
    pub fn handle(&self) -> InterruptHandle {
        InterruptHandle { bus: Arc::clone(&self.bus), board: Arc::clone(&self.board) }
    }

    /// Executes the run, and returns its final state.
    pub async fn run(self: &Arc<Self>) -> RunState {
        self.emit(&RunEvent::RunStarted(Box::new(self.start())));
        let deadline = self.options.timeout.map(|limit| {
            let board = Arc::clone(&self.board);
            let raise = async move {
                tokio::time::sleep(limit).await;
                board.raise(Interrupt::timeout(limit.as_secs_f64()));
            };
            tokio::spawn(raise.boxed())
        });
        if let Err(interrupt) = self.controls.apply(&ControlPoint::before(ControlScope::Experiment)).await {
            self.record_interrupt(RunPhase::Before, interrupt);
        }
        let mut done = None;
        loop {
            self.check_interrupts(done);
            let stage = self.next(done);
            if matches!(stage, RunStage::Rollbacks | RunStage::End) && done != Some(RunStage::Rollbacks) {
                // the timeout applies neither to rollbacks nor to the confirmation of effects
                if let Some(deadline) = &deadline {
                    deadline.abort();
                }
                self.decide_rollbacks();
            }
            match stage {
                RunStage::Before => self.check_hypothesis(RunPhase::Before).await,
                RunStage::Method => self.method().await,
                RunStage::After => self.check_hypothesis(RunPhase::After).await,
                RunStage::Rollbacks => self.rollbacks().await,
                RunStage::End => break,
            }
            done = Some(stage);
        }
        self.await_effects().await;
        self.check_late_failures();
        let state = self.final_state();
        let _ = self.controls.apply(&ControlPoint::after(ControlScope::Experiment)).await;
        let status = state.status.unwrap_or(RunStatus::Completed);
        self.emit(&RunEvent::RunFinished { status, deviated: state.deviated, at: Timestamp::now() });
        state
    }

    fn start(&self) -> RunStarted {
        let title = self.scope.fill(&self.experiment.title);
        let mut document = self.experiment.document.clone();
        if let Value::Map(entries) = &mut document {
            entries.insert("title".to_owned(), title.clone());
            entries.insert("dry".to_owned(), self.options.dry.map_or(Value::Null, |dry| dry.name().into()));
        }
        RunStarted {
            experiment: Arc::new(self.redactor.redact_owned(document)),
            title: self.redactor.redact_text(&title.python_text()).into_owned(),
            plan: self.options.plan.clone(),
            dry: self.options.dry,
            at: Timestamp::now(),
        }
    }

    /// Records an interrupt that arrived after the last activity of a stage. Rollbacks handle their own.
    fn check_interrupts(&self, done: Option<RunStage>) {
        let phase = match done {
            None | Some(RunStage::Before) => RunPhase::Before,
            Some(RunStage::Method) => RunPhase::Method,
            Some(RunStage::After) => RunPhase::After,
            Some(RunStage::Rollbacks | RunStage::End) => return,
        };
        let status = self.state.lock().status;
        if status != Some(RunStatus::Interrupted)
            && let Some(interrupt) = self.board.find(0, Interrupt::cancels)
            && !(status == Some(RunStatus::Aborted) && interrupt.aborts())
        {
            self.record_interrupt(phase, interrupt);
        }
    }

    /// Records a failure of this program that arrived after the rollbacks began; also after the run, while its recovery
    /// is sampled.
    pub fn check_late_failures(&self) {
        let is_recorded =
            matches!(self.state.lock().status, Some(RunStatus::Interrupted | RunStatus::Aborted));
        if !is_recorded && let Some(interrupt) = self.board.find(0, Interrupt::aborts) {
            self.record_interrupt(RunPhase::Rollbacks, interrupt);
        }
    }

    fn next(&self, done: Option<RunStage>) -> RunStage {
        next_stage(done, &self.options.plan, *self.state.lock(), self.board.worst().as_ref())
    }

    fn decide_rollbacks(&self) {
        let worst = self.board.worst();
        if worst.as_ref().is_some_and(Interrupt::forbids_rollbacks) {
            return;
        }
        let plan = &self.options.plan;
        let played = plays_rollbacks(&plan.rollbacks, *self.state.lock(), worst.as_ref());
        let strategy = plan.rollbacks.clone();
        self.emit(&RunEvent::RollbacksDecided { strategy, played, declared: plan.declared_rollbacks });
    }

    /// Returns the final state; a run without a status is completed.
    fn final_state(&self) -> RunState {
        let mut state = self.state.lock();
        state.status.get_or_insert(RunStatus::Completed);
        *state
    }

    fn emit(&self, event: &RunEvent) {
        self.bus.emit(event);
        if let Some(panic) = self.bus.take_panic() {
            self.raise_tool_failure(panic.code(), "events", &panic.to_string());
        }
    }

    fn id(&self) -> ActivityId {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Records the interrupt of a phase, and raises it if a control returned it.
    fn record_interrupt(&self, phase: RunPhase, interrupt: Interrupt) {
        if let Some(code) = interrupt.code {
            if !self.board.contains(&interrupt) {
                self.board.raise(interrupt.clone());
            }
            return self.record_abort(phase, &PhaseError { message: interrupt.reason, code: Some(code) });
        }
        self.state.lock().status = Some(RunStatus::Interrupted);
        if !self.board.contains(&interrupt) {
            self.board.raise(interrupt.clone());
        }
        self.emit(&RunEvent::Interrupted { phase, interrupt });
    }

    /// Records an unexpected error that ended a phase.
    fn record_abort(&self, phase: RunPhase, error: &PhaseError) {
        self.state.lock().status = Some(RunStatus::Aborted);
        let message = self.redactor.redact_text(&error.message).into_owned();
        self.emit(&RunEvent::Aborted { phase, error: message, code: error.code });
    }

    /// Interrupts the run, because this program or its connection failed outside the steps.
    fn raise_tool_failure(&self, code: ErrorCode, name: &str, reason: &str) {
        let redact = |text: &str| self.redactor.redact_text(text).into_owned();
        let (name, reason) = (redact(name), redact(reason));
        let reason = format!("'{name}': {reason}");
        self.board.raise_once(Interrupt::tool_failure(code, name, reason));
    }

    /// Waits until every effect was observed or its timeout expired.
    ///
    /// A new signal ends the wait; so does an earlier urgent one.
    async fn await_effects(&self) {
        let mut watched = std::mem::take(&mut *self.watched.lock());
        let ignored = self.board.count();
        let all = async { while watched.join_next().await.is_some() {} };
        tokio::pin!(all);
        let interrupted = tokio::select! {
            // an effect that was observed counts, even if a signal arrived meanwhile
            biased;
            () = &mut all => false,
            _ = self.board.wait(ignored, Interrupt::cancels_rollbacks) => true,
            _ = self.board.wait(0, Interrupt::stops_waiting) => true,
        };
        if interrupted {
            self.given_up.send_replace(true);
            all.await;
        }
    }
}
