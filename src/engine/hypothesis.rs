//! Checks the hypothesis once, or repeatedly while the method runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Engine;
use super::activity::{Cancellation, CompletedActivity, ExecutionSite, StepResult};
use super::control::{ControlPoint, ControlScope};
use crate::event::{ActivityOutcome, HypothesisOutcome, Interrupt, RunEvent, RunPhase, RunStatus};
use crate::experiment::{DryRun, Hypothesis, Tolerance};
use crate::provider::ActivityError;
use crate::tolerance::{Evaluation, ToleranceResult, evaluate};
use crate::value::Value;

/// Result of a check of the hypothesis.
enum HypothesisResult {
    Decided(HypothesisOutcome, String),
    Interrupted(Interrupt),
    Aborted(String),
}

impl Engine {
    /// Checks the hypothesis before or after the method.
    pub(super) async fn check_hypothesis(self: &Arc<Self>, phase: RunPhase) {
        let experiment = Arc::clone(&self.experiment);
        let Some(hypothesis) = experiment.checked_hypothesis() else { return };
        let cut = Cancellation { known: 0, by: Interrupt::cuts };
        match self.check_once(hypothesis, phase, 1, cut).await {
            HypothesisResult::Decided(outcome, _) => self.state.lock().hypothesis(phase, outcome),
            HypothesisResult::Interrupted(interrupt) => self.record_interrupt(phase, interrupt),
            HypothesisResult::Aborted(error) => self.record_abort(phase, &error),
        }
    }

    /// Checks the hypothesis repeatedly until `stop` is set.
    pub(super) async fn watch_continuously(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let experiment = Arc::clone(&self.experiment);
        let Some(hypothesis) = experiment.checked_hypothesis() else { return };
        let frequency = self.options.frequency;
        self.emit(&RunEvent::ContinuousStarted { frequency: Value::Float(frequency) });
        let wait = Duration::try_from_secs_f64(frequency.max(0.0)).unwrap_or(Duration::MAX);
        let mut iteration = 0_u64;
        let mut deviated = 0_u64;
        let mut error = None;
        while !*stop.borrow() && self.state.lock().should_continue() && self.board.count() == 0 {
            iteration += 1;
            let cut = Cancellation { known: 0, by: Interrupt::cuts };
            match self.check_once(hypothesis, RunPhase::During, iteration, cut).await {
                HypothesisResult::Decided(HypothesisOutcome::Met, _) => {}
                HypothesisResult::Decided(..) => {
                    deviated += 1;
                    if self.options.fail_fast {
                        #[allow(clippy::cast_precision_loss)] // a percentage for a person
                        let ratio = deviated as f64 * 100.0 / iteration as f64;
                        self.emit(&RunEvent::FailedFast { ratio });
                        self.state.lock().status = Some(RunStatus::Failed);
                        self.board.raise(Interrupt::fail_fast());
                        break;
                    }
                }
                // the same interrupt cancels the method, which reports it
                HypothesisResult::Interrupted(interrupt) => {
                    if self.board.count() == 0 {
                        self.board.raise(interrupt);
                    }
                    break;
                }
                HypothesisResult::Aborted(unexpected) => {
                    self.state.lock().status = Some(RunStatus::Aborted);
                    error = Some(self.redactor.redact_text(&unexpected).into_owned());
                    break;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stop.changed() => {}
                _ = self.board.wait(0, |_| true) => {}
            }
        }
        self.emit(&RunEvent::ContinuousFinished { error });
    }

    async fn check_once(
        self: &Arc<Self>,
        hypothesis: &Hypothesis,
        phase: RunPhase,
        iteration: u64,
        cut: Cancellation,
    ) -> HypothesisResult {
        let title = self.redactor.redact_text(&hypothesis.title).into_owned();
        self.emit(&RunEvent::HypothesisStarted { phase, title });
        let mut look =
            match self.controls.apply(&ControlPoint::before(ControlScope::Hypothesis(hypothesis))).await {
                Ok(()) => self.run_probes(hypothesis, phase, cut).await,
                Err(interrupt) => HypothesisResult::Interrupted(interrupt),
            };
        if let Err(interrupt) =
            self.controls.apply(&ControlPoint::after(ControlScope::Hypothesis(hypothesis))).await
        {
            look = HypothesisResult::Interrupted(interrupt);
        }
        let (outcome, probe) = match &look {
            HypothesisResult::Decided(outcome, probe) => {
                (Some(*outcome), self.redactor.redact_text(probe).into_owned())
            }
            _ => (None, String::new()),
        };
        self.emit(&RunEvent::HypothesisFinished { phase, iteration, outcome, probe });
        look
    }

    /// Runs the probes in order, up to the first one that is not met.
    async fn run_probes(
        self: &Arc<Self>,
        hypothesis: &Hypothesis,
        phase: RunPhase,
        cut: Cancellation,
    ) -> HypothesisResult {
        let mut last = String::new();
        for step in &hypothesis.probes {
            let place = ExecutionSite { phase, background: false, cut };
            let finished = match self.execute(step, place).await {
                StepResult::Finished(finished) => finished,
                StepResult::Errored(error) => return HypothesisResult::Aborted(error),
                StepResult::Cut(interrupt) => return HypothesisResult::Interrupted(interrupt),
            };
            last.clone_from(&finished.activity.name);
            let Some(output) = finished.output.as_ref() else {
                self.emit(&RunEvent::ToleranceChecked { id: finished.id, verdict: None, judged: None });
                return HypothesisResult::Decided(HypothesisOutcome::Failed, last);
            };
            match self.check_tolerance(&step.tolerance, &finished, output, cut).await {
                Ok(true) => {}
                Ok(false) => return HypothesisResult::Decided(HypothesisOutcome::Unmet, last),
                Err(error) => return error,
            }
        }
        HypothesisResult::Decided(HypothesisOutcome::Met, last)
    }

    /// Returns whether the output of a probe is within its tolerance, and emits the result.
    async fn check_tolerance(
        &self,
        tolerance: &Tolerance,
        finished: &CompletedActivity,
        output: &Value,
        cut: Cancellation,
    ) -> Result<bool, HypothesisResult> {
        let id = finished.id;
        let tell = |verdict: ToleranceResult, judged: Option<Value>| {
            let met = verdict.met;
            let verdict = ToleranceResult {
                met,
                expected: self.redactor.redact_text(&verdict.expected).into_owned(),
                actual: self.redactor.redact_value(&verdict.actual),
            };
            self.emit(&RunEvent::ToleranceChecked { id, verdict: Some(verdict), judged });
            met
        };
        if matches!(self.options.dry, Some(DryRun::Probes | DryRun::Activities)) {
            let expected = "any value, because of the dry run".to_owned();
            return Ok(tell(ToleranceResult { met: true, expected, actual: Value::Null }, None));
        }
        let aborted = |error: &dyn std::error::Error| {
            HypothesisResult::Aborted(format!("probe '{}': {error}", finished.activity.name))
        };
        let judge = match evaluate(tolerance, output, &self.scope).map_err(|error| aborted(&error))? {
            Evaluation::Verdict(verdict) => return Ok(tell(verdict, None)),
            Evaluation::Judge(judge) => judge,
        };
        let judged = tokio::select! {
            judged = self.call(&judge) => judged,
            interrupt = self.board.wait(cut.known, cut.by) => return Err(HypothesisResult::Interrupted(interrupt)),
        };
        let outcome = match &judged {
            Ok(result) => ActivityOutcome::Succeeded(self.redactor.redact_value(result)),
            Err(error) => ActivityOutcome::Failed(self.redactor.redact_text(error.text()).into_owned()),
        };
        let name = self.redactor.redact_text(&judge.name).into_owned();
        let expected = format!("a value that probe '{name}' accepts");
        self.emit(&RunEvent::ActivityCalled { activity: Arc::new(*judge), name, outcome });
        let met = match judged {
            Ok(result) => result.is_truthy(),
            Err(ActivityError::Failed(_)) => false,
            Err(error @ ActivityError::Unexpected(_)) => return Err(aborted(&error)),
        };
        let judged = self.redactor.redact_value(output);
        Ok(tell(ToleranceResult { met, expected, actual: output.clone() }, Some(judged)))
    }
}
