//! Checks the hypothesis once, or repeatedly while the method runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Engine;
use super::activity::{Cancellation, CompletedActivity, ExecutionSite, PhaseError, StepResult};
use super::control::{ControlPoint, ControlScope};
use super::standard_error::last_lines;
use crate::error_code::Coded as _;
use crate::event::{ActivityOutcome, HypothesisOutcome, Interrupt, RunEvent, RunPhase, RunStatus};
use crate::experiment::{ActivityKind, DryRun, Hypothesis, MethodStep, ProviderKind, Tolerance};
use crate::panic_guard;
use crate::provider::ActivityError;
use crate::tolerance::{Evaluation, ToleranceResult, evaluate};
use crate::value::Value;

/// Result of a check of the hypothesis.
enum HypothesisResult {
    Decided(HypothesisOutcome, String),
    Interrupted(Interrupt),
    Aborted(PhaseError),
}

impl Engine {
    /// Checks the hypothesis before or after the method.
    pub(super) async fn check_hypothesis(self: &Arc<Self>, phase: RunPhase) {
        let experiment = Arc::clone(&self.experiment);
        let Some(hypothesis) = experiment.checked_hypothesis() else { return };
        let cancellation = Cancellation { ignored: 0, matches: Interrupt::cancels };
        match self.check_once(hypothesis, phase, 1, cancellation).await {
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
            let cancellation = Cancellation { ignored: 0, matches: Interrupt::cancels };
            match self.check_once(hypothesis, RunPhase::During, iteration, cancellation).await {
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
                // the same: a failure of this program cancels the method as well
                HypothesisResult::Aborted(PhaseError { message, code: Some(code) }) => {
                    let reason = self.redactor.redact_text(&message).into_owned();
                    self.board.raise(Interrupt::tool_failure(code, "hypothesis", reason));
                    break;
                }
                HypothesisResult::Aborted(unexpected) => {
                    self.state.lock().status = Some(RunStatus::Aborted);
                    error = Some(self.redactor.redact_text(&unexpected.message).into_owned());
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
        cancellation: Cancellation,
    ) -> HypothesisResult {
        let title = self.redactor.redact_text(&hypothesis.title).into_owned();
        self.emit(&RunEvent::HypothesisStarted { phase, title });
        let mut look =
            match self.controls.apply(&ControlPoint::before(ControlScope::Hypothesis(hypothesis))).await {
                Ok(()) => self.run_probes(hypothesis, phase, cancellation).await,
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
        cancellation: Cancellation,
    ) -> HypothesisResult {
        let mut last = String::new();
        for step in &hypothesis.probes {
            let site = ExecutionSite { phase, background: false, cancellation };
            let finished = match self.execute(step, site).await {
                StepResult::Finished(finished) => finished,
                StepResult::Errored(error) => return HypothesisResult::Aborted(error),
                StepResult::Cut(interrupt) => return HypothesisResult::Interrupted(interrupt),
            };
            last.clone_from(&finished.activity.name);
            let Some(output) = finished.output.as_ref() else {
                self.emit(&RunEvent::ToleranceChecked { id: finished.id, verdict: None, judged: None });
                return HypothesisResult::Decided(HypothesisOutcome::Failed, last);
            };
            match self.check_tolerance(&step.tolerance, &finished, output, cancellation).await {
                Ok(checked) => {
                    let met = checked.verdict.met;
                    let ToleranceCheck { verdict, judged } = checked;
                    self.emit(&RunEvent::ToleranceChecked {
                        id: finished.id,
                        verdict: Some(verdict),
                        judged,
                    });
                    if !met {
                        self.note_standard_error(&finished);
                        return HypothesisResult::Decided(HypothesisOutcome::Unmet, last);
                    }
                }
                Err(error) => return error,
            }
        }
        HypothesisResult::Decided(HypothesisOutcome::Met, last)
    }

    /// Judges a probe of the method that has a tolerance of its own; the Chaos Toolkit ignores it.
    pub(super) async fn judge_method_probe(
        &self,
        step: &MethodStep,
        finished: CompletedActivity,
        cancellation: Cancellation,
    ) -> StepResult {
        let activity = &finished.activity;
        let is_judged = match &step.tolerance {
            Tolerance::Absent => false,
            // `tolerance: null` is the same as none
            Tolerance::Unsupported => activity.document["tolerance"] != Value::Null,
            _ => true,
        };
        if activity.kind != ActivityKind::Probe || self.is_dry(activity) {
            return StepResult::Finished(finished);
        }
        if !is_judged {
            self.note_standard_error(&finished);
            return StepResult::Finished(finished);
        }
        let name = self.redactor.redact_text(&activity.name).into_owned();
        let id = finished.id;
        let verdict = match &finished.output {
            None => None,
            Some(output) => {
                match self.check_tolerance(&step.tolerance, &finished, output, cancellation).await {
                    Ok(checked) => Some(checked.verdict),
                    Err(HypothesisResult::Interrupted(interrupt)) => return StepResult::Cut(interrupt),
                    Err(HypothesisResult::Aborted(error)) => return StepResult::Errored(error),
                    Err(HypothesisResult::Decided(..)) => return StepResult::Finished(finished),
                }
            }
        };
        let is_unmet = verdict.as_ref().is_some_and(|verdict| !verdict.met);
        if verdict.as_ref().is_none_or(|verdict| !verdict.met) {
            self.state.lock().method_unmet = true;
        }
        self.emit(&RunEvent::MethodToleranceChecked { id, name, verdict });
        if is_unmet {
            self.note_standard_error(&finished);
        }
        StepResult::Finished(finished)
    }

    /// Tells the last lines that a failed process wrote to standard error: they say why it failed.
    fn note_standard_error(&self, finished: &CompletedActivity) {
        if finished.activity.provider != Some(ProviderKind::Process) {
            return;
        }
        // masked before it is cut: a part of a secret would not be recognised
        let output = finished.output.as_ref().map(|output| self.redactor.redact_value(output));
        if let Some(lines) = output.as_ref().and_then(last_lines) {
            self.note(&finished.activity, &lines);
        }
    }

    /// Compares the output of a probe with its tolerance.
    async fn check_tolerance(
        &self,
        tolerance: &Tolerance,
        finished: &CompletedActivity,
        output: &Value,
        cancellation: Cancellation,
    ) -> Result<ToleranceCheck, HypothesisResult> {
        let checked = |verdict: ToleranceResult, judged: Option<Value>| ToleranceCheck {
            verdict: ToleranceResult {
                met: verdict.met,
                expected: self.redactor.redact_text(&verdict.expected).into_owned(),
                actual: self.redactor.redact_value(&verdict.actual),
            },
            judged,
        };
        if matches!(self.options.dry, Some(DryRun::Probes | DryRun::Activities)) {
            let expected = "any value, because of the dry run".to_owned();
            return Ok(checked(ToleranceResult { met: true, expected, actual: Value::Null }, None));
        }
        let aborted = |error: PhaseError| {
            HypothesisResult::Aborted(error.in_activity(&format!("probe '{}'", finished.activity.name)))
        };
        let evaluated = panic_guard::catch(|| evaluate(tolerance, output, &self.scope))
            .map_err(|panic| aborted(PhaseError { message: panic.to_string(), code: Some(panic.code()) }))?;
        let judge = match evaluated.map_err(|error| aborted(error.to_string().into()))? {
            Evaluation::Verdict(verdict) => return Ok(checked(verdict, None)),
            Evaluation::Judge(judge) => judge,
        };
        let judged = tokio::select! {
            judged = self.call(&judge) => judged,
            interrupt = self.board.wait(cancellation.ignored, cancellation.matches) => return Err(HypothesisResult::Interrupted(interrupt)),
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
            Err(ActivityError::Unexpected(error)) => return Err(aborted(error.into())),
            Err(ActivityError::Tool { code, message }) => {
                return Err(aborted(PhaseError { message, code: Some(code) }));
            }
        };
        let judged = self.redactor.redact_value(output);
        Ok(checked(ToleranceResult { met, expected, actual: output.clone() }, Some(judged)))
    }
}

/// Result of a tolerance, with secrets masked.
struct ToleranceCheck {
    verdict: ToleranceResult,
    /// The output, if another activity judged it.
    judged: Option<Value>,
}
