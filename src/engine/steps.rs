//! Sequences of activities: the method and the rollbacks.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Engine;
use super::activity::{Cancellation, ExecutionSite, PhaseError, StepResult};
use super::control::{ControlPoint, ControlScope};
use crate::error_code::ErrorCode;
use crate::event::{Interrupt, RunEvent, RunPhase};
use crate::experiment::MethodStep;

/// Result of a sequence of steps.
enum SequenceResult {
    Finished,
    Interrupted(Interrupt),
    Aborted(PhaseError),
}

impl Engine {
    /// Runs the method, and checks the hypothesis concurrently if the strategy requires it.
    pub(super) async fn method(self: &Arc<Self>) {
        let (stop, stopped) = watch::channel(false);
        let plan = &self.options.plan;
        let mut continuous = None;
        if plan.has_hypothesis && plan.hypothesis.checks_during() {
            let mut watching = Arc::clone(self).watch_continuously(stopped).boxed();
            if begin(&mut watching).await.is_pending() {
                continuous = Some(tokio::spawn(watching));
            }
        }
        let experiment = Arc::clone(&self.experiment);
        self.emit(&RunEvent::MethodStarted { activities: experiment.method.len() });
        let cancellation = Cancellation { ignored: 0, matches: Interrupt::cancels };
        let result =
            self.sequence(&experiment.method, RunPhase::Method, ControlScope::Method, cancellation).await;
        stop.send_replace(true);
        if let SequenceResult::Aborted(error) = &result {
            self.record_abort(RunPhase::Method, error);
        }
        if let Some(continuous) = continuous {
            // ends after the current check; an interrupt cancels that check as well
            if continuous.await.is_err_and(|error| error.is_panic()) {
                let message = "the checks during the method met a bug; please report it (internal.panic)";
                let code = Some(ErrorCode::InternalPanic);
                self.record_abort(RunPhase::Method, &PhaseError { message: message.to_owned(), code });
            }
        }
        self.emit(&RunEvent::MethodFinished);
        // a control or a safeguard may have interrupted the method in the background
        let interrupt = self.board.find(0, Interrupt::cancels);
        match (result, interrupt) {
            (SequenceResult::Interrupted(interrupt), _) | (SequenceResult::Finished, Some(interrupt)) => {
                self.record_interrupt(RunPhase::Method, interrupt);
            }
            _ => {}
        }
    }

    /// Runs the rollbacks.
    pub(super) async fn rollbacks(self: &Arc<Self>) {
        let experiment = Arc::clone(&self.experiment);
        self.puts_back.store(true, Ordering::Relaxed);
        self.emit(&RunEvent::RollbacksStarted { activities: experiment.rollbacks.len() });
        let cancellation =
            Cancellation { ignored: self.board.count(), matches: Interrupt::cancels_rollbacks };
        let ended = self
            .sequence(&experiment.rollbacks, RunPhase::Rollbacks, ControlScope::Rollbacks, cancellation)
            .await;
        self.emit(&RunEvent::RollbacksFinished);
        match ended {
            SequenceResult::Finished => {}
            SequenceResult::Interrupted(interrupt) => self.record_interrupt(RunPhase::Rollbacks, interrupt),
            SequenceResult::Aborted(error) => self.record_abort(RunPhase::Rollbacks, &error),
        }
    }

    async fn sequence(
        self: &Arc<Self>,
        steps: &[MethodStep],
        phase: RunPhase,
        level: ControlScope<'_>,
        cancellation: Cancellation,
    ) -> SequenceResult {
        if let Err(interrupt) = self.controls.apply(&ControlPoint::before(level)).await {
            return SequenceResult::Interrupted(interrupt);
        }
        let mut background = JoinSet::new();
        let mut result = self.steps(steps, phase, cancellation, &mut background).await;
        self.await_background(background).await;
        if let Err(interrupt) = self.controls.apply(&ControlPoint::after(level)).await
            && matches!(result, SequenceResult::Finished)
        {
            result = SequenceResult::Interrupted(interrupt);
        }
        result
    }

    async fn steps(
        self: &Arc<Self>,
        steps: &[MethodStep],
        phase: RunPhase,
        cancellation: Cancellation,
        background: &mut JoinSet<()>,
    ) -> SequenceResult {
        // a failure of this program in one rollback must not prevent the others
        let mut failed = None;
        for step in steps {
            if let Some(interrupt) = self.board.find(cancellation.ignored, cancellation.matches) {
                return SequenceResult::Interrupted(interrupt);
            }
            if phase == RunPhase::Rollbacks {
                let name =
                    step.name.as_ref().filter(|_| step.activity.as_ref().is_ok_and(|a| a.at == step.at));
                let name = name.map(|name| self.redactor.redact_text(name).into_owned());
                self.emit(&RunEvent::RollbackReached { name });
            }
            if step.background {
                let engine = Arc::clone(self);
                let step = step.clone();
                let ignored = self.board.count();
                // only urgent interrupts abandon background activities
                let cancellation = Cancellation { ignored, matches: Interrupt::abandons_background };
                let activity = async move {
                    let site = ExecutionSite { phase, background: true, cancellation };
                    // an unexpected error of a background activity leaves its entry without a status
                    if let StepResult::Errored(PhaseError { message, code: Some(code) }) =
                        engine.execute_step(&step, site).await
                    {
                        engine.board.raise(Interrupt::tool_failure(
                            code,
                            step.name.clone().unwrap_or_default(),
                            engine.redactor.redact_text(&message),
                        ));
                    }
                };
                let mut activity = activity.boxed();
                if begin(&mut activity).await.is_pending() {
                    background.spawn(activity);
                }
            } else {
                match self.execute_step(step, ExecutionSite { phase, background: false, cancellation }).await
                {
                    StepResult::Finished(_) => {}
                    StepResult::Errored(error) if phase == RunPhase::Rollbacks && error.code.is_some() => {
                        failed.get_or_insert(error);
                    }
                    StepResult::Errored(error) => return SequenceResult::Aborted(error),
                    StepResult::Cut(interrupt) => return SequenceResult::Interrupted(interrupt),
                }
            }
            // the concurrent check of the hypothesis may have ended the method
            if phase == RunPhase::Method && !self.state.lock().should_continue() {
                break;
            }
        }
        failed.map_or(SequenceResult::Finished, SequenceResult::Aborted)
    }

    /// Executes a step, and judges the tolerance of a probe of the method.
    async fn execute_step(self: &Arc<Self>, step: &MethodStep, site: ExecutionSite) -> StepResult {
        match self.execute(step, site).await {
            StepResult::Finished(finished) if site.phase == RunPhase::Method && self.options.strict => {
                self.judge_method_probe(step, finished, site.cancellation).await
            }
            other => other,
        }
    }

    async fn await_background(&self, mut background: JoinSet<()>) {
        if background.is_empty() {
            return;
        }
        self.emit(&RunEvent::BackgroundAwaited { activities: background.len() });
        while let Some(ended) = background.join_next().await {
            if ended.is_err_and(|error| error.is_panic()) {
                let reason = "a background activity met a bug; please report it (internal.panic)";
                self.board.raise(Interrupt::tool_failure(ErrorCode::InternalPanic, "background", reason));
            }
        }
    }
}

/// Polls a background future once, so that it starts before the steps that follow.
async fn begin(future: &mut BoxFuture<'static, ()>) -> Poll<()> {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}
