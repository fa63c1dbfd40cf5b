//! Runs an experiment.
//!
//! What follows what is decided by [`next_stage`], a pure function; this module carries the stages out, emits
//! an event for everything that happens, and owns the four steps of every activity: prepare, record, apply,
//! confirm. An activity that fails is data and never ends a run by way of an error.

mod activity;
mod configuration;
mod control;
mod event_bus;
mod hypothesis;
mod interrupts;
mod safeguards;
mod steps;
mod strategy;
mod validation_rules;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

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

use control::Controls;

/// What a run is to be like, beyond what the experiment says.
pub struct RunOptions {
    /// What is done when.
    pub plan: RunPlan,
    /// What a dry run skips.
    pub dry: Option<DryRun>,
    /// Seconds between two looks at the hypothesis during the method.
    pub frequency: f64,
    /// Whether a deviation during the method ends it.
    pub fail_fast: bool,
    /// How long an action is watched for its effect.
    pub effect_timeout: Duration,
    /// How long the run may take, rollbacks not counted.
    pub timeout: Option<Duration>,
    /// The controls of every run.
    pub controls: Vec<Declared>,
    /// Whether outputs are written down as they came, secrets included.
    pub plain: bool,
    /// Where what is to be touched is written down.
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

/// A run: everything its parts share.
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
    /// Effects that are still being watched for.
    watched: Mutex<JoinSet<()>>,
    /// Whether they are watched for no longer.
    given_up: watch::Sender<bool>,
}

/// From outside: what may interrupt a run.
#[derive(Clone)]
pub struct InterruptHandle {
    bus: Arc<EventBus>,
    board: Arc<InterruptLog>,
}

impl InterruptHandle {
    /// Takes in a signal. A second one is more urgent than the first.
    pub fn signal(&self, signal: Signal) {
        let first = self.board.find(0, |interrupt| interrupt.signal.is_some()).is_none();
        self.bus.emit(&RunEvent::SignalReceived { signal });
        self.board.raise(Interrupt::signal(signal, first));
    }

    /// Ends when somebody asks for the end, or has asked already, with the signal.
    pub async fn wait_for_signal(&self) -> Signal {
        let interrupt = self.board.wait(0, Interrupt::cuts_rollbacks).await;
        match interrupt.signal {
            Some(signal) => signal,
            // nothing else cuts rollbacks
            None => std::future::pending().await,
        }
    }

    /// The first signal that came, if one did.
    pub fn first_signal(&self) -> Option<Signal> {
        self.board.find(0, Interrupt::cuts_rollbacks).and_then(|interrupt| interrupt.signal)
    }
}

impl Engine {
    /// A run of an experiment whose configuration is complete.
    pub fn new(
        experiment: Arc<Experiment>,
        options: RunOptions,
        scope: Scope,
        providers: Providers,
        bus: Arc<EventBus>,
    ) -> Arc<Self> {
        let redactor = if options.plain { Redactor::default() } else { Redactor::new(&scope) };
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
                watched: Mutex::new(JoinSet::new()),
                given_up: watch::Sender::new(false),
            }
        })
    }

    /// What may interrupt this run.
    pub fn handle(&self) -> InterruptHandle {
        InterruptHandle { bus: Arc::clone(&self.bus), board: Arc::clone(&self.board) }
    }

    /// Runs it to its end, whatever that is.
    pub async fn run(self: &Arc<Self>) -> RunState {
        self.emit(&RunEvent::RunStarted(Box::new(self.start())));
        let deadline = self.options.timeout.map(|limit| {
            let board = Arc::clone(&self.board);
            tokio::spawn(async move {
                tokio::time::sleep(limit).await;
                board.raise(Interrupt::timeout(limit.as_secs_f64()));
            })
        });
        if let Err(interrupt) = self.controls.apply(&ControlPoint::before(ControlScope::Experiment)).await {
            self.record_interrupt(RunPhase::Before, interrupt);
        }
        let mut done = None;
        loop {
            self.check_interrupts(done);
            let stage = self.next(done);
            if matches!(stage, RunStage::Rollbacks | RunStage::End) && done != Some(RunStage::Rollbacks) {
                // the time that was given is not for what puts things back, nor for looking at what was done
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

    /// An interrupt that came too late to cut anything still ends the run. Rollbacks see to their own.
    fn check_interrupts(&self, done: Option<RunStage>) {
        let phase = match done {
            None | Some(RunStage::Before) => RunPhase::Before,
            Some(RunStage::Method) => RunPhase::Method,
            Some(RunStage::After) => RunPhase::After,
            Some(RunStage::Rollbacks | RunStage::End) => return,
        };
        if self.state.lock().status != Some(RunStatus::Interrupted)
            && let Some(interrupt) = self.board.find(0, Interrupt::cuts)
        {
            self.record_interrupt(phase, interrupt);
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

    /// What is undecided when everything is over is completed.
    fn final_state(&self) -> RunState {
        let mut state = self.state.lock();
        state.status.get_or_insert(RunStatus::Completed);
        *state
    }

    fn emit(&self, event: &RunEvent) {
        self.bus.emit(event);
    }

    fn id(&self) -> ActivityId {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// A phase was cut short. What a control asked for is put up, so that everything knows.
    fn record_interrupt(&self, phase: RunPhase, interrupt: Interrupt) {
        self.state.lock().status = Some(RunStatus::Interrupted);
        if !self.board.contains(&interrupt) {
            self.board.raise(interrupt.clone());
        }
        self.emit(&RunEvent::Interrupted { phase, interrupt });
    }

    /// An unexpected error ended a phase.
    fn record_abort(&self, phase: RunPhase, error: &str) {
        self.state.lock().status = Some(RunStatus::Aborted);
        self.emit(&RunEvent::Aborted { phase, error: self.redactor.redact_text(error).into_owned() });
    }

    /// Waits until every effect was seen or its time is up. A signal ends the wait; so does one that came before, where
    /// somebody does not want anything to be waited for.
    async fn await_effects(&self) {
        let mut watched = std::mem::take(&mut *self.watched.lock());
        let known = self.board.count();
        let all = async { while watched.join_next().await.is_some() {} };
        tokio::pin!(all);
        let ended = tokio::select! {
            () = &mut all => false,
            _ = self.board.wait(known, Interrupt::cuts_rollbacks) => true,
            _ = self.board.wait(0, Interrupt::waits_for_nothing) => true,
        };
        if ended {
            self.given_up.send_replace(true);
            all.await;
        }
    }
}
