//! Executes one activity in four steps.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt as _;

use super::control::{ControlPoint, ControlScope};
use super::standard_error::last_lines;
use super::{Engine, InterruptLog};
use crate::clock::Timestamp;
use crate::error_code::{Coded, ErrorCode, message_chain};
use crate::event::{
    ActivityFinished, ActivityId, ActivityOutcome, ActivityStarted, Interrupt, RunEvent, RunPhase,
};
use crate::experiment::{Activity, ActivityKind, DeclarationError, DryRun, MethodStep, ProviderKind};
use crate::mutation::{ActivityProgress, Effect, EffectState, NOTHING_CHANGED, NOTHING_MATCHED, StopToken};
use crate::panic_guard;
use crate::provider::{ActivityError, EffectCheck, PreparedActivity};
use crate::value::Value;

/// Grace period for in-flight mutations after an interrupt.
const INFLIGHT_GRACE_PERIOD: Duration = Duration::from_secs(3);

/// Condition that cancels an activity.
#[derive(Clone, Copy)]
pub(super) struct Cancellation {
    /// The number of interrupts that do not count: they precede the phase.
    pub(super) ignored: usize,
    /// Whether an interrupt cancels the activity.
    pub(super) matches: fn(&Interrupt) -> bool,
}

impl Cancellation {
    async fn wait(self, board: &InterruptLog) -> Interrupt {
        board.wait(self.ignored, self.matches).await
    }
}

/// Result of a step.
pub(super) enum StepResult {
    /// The activity succeeded, or failed in an expected way.
    Finished(CompletedActivity),
    /// An unexpected error, which ends the phase.
    Errored(PhaseError),
    /// An interrupt or a control ended the step.
    Cut(Interrupt),
}

/// Unexpected error that ends a phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PhaseError {
    pub(super) message: String,
    /// The stable code, if this program or its connection failed.
    pub(super) code: Option<ErrorCode>,
}

impl From<String> for PhaseError {
    fn from(message: String) -> Self {
        Self { message, code: None }
    }
}

impl PhaseError {
    /// Names the activity in which the error occurred.
    pub(super) fn in_activity(self, name: &str) -> Self {
        Self { message: format!("{name}: {}", self.message), ..self }
    }
}

/// Activity that ended.
pub(super) struct CompletedActivity {
    pub(super) id: ActivityId,
    pub(super) activity: Arc<Activity>,
    /// The output, not redacted; absent if the activity failed.
    pub(super) output: Option<Value>,
}

/// Phase and mode in which an activity runs.
#[derive(Clone, Copy)]
pub(super) struct ExecutionSite {
    pub(super) phase: RunPhase,
    pub(super) background: bool,
    pub(super) cancellation: Cancellation,
}

/// Error of a pause; the texts are those of Python.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum PauseError {
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    #[error("'{0}' object cannot be interpreted as an integer")]
    Type(&'static str),
    #[error("Invalid value NaN (not a number)")]
    NotANumber,
    #[error("sleep length must be non-negative")]
    Negative,
    #[error("timestamp too large to convert")]
    TooLong,
}

/// Requested pause.
struct PauseRequest {
    seconds: Value,
    length: Result<Duration, PauseError>,
}

impl Engine {
    /// Executes one step with its pauses and controls.
    pub(super) async fn execute(self: &Arc<Self>, step: &MethodStep, site: ExecutionSite) -> StepResult {
        let activity = match &step.activity {
            Ok(activity) => Arc::clone(activity),
            Err(error) => return StepResult::Errored(error.to_string().into()),
        };
        if let Err(interrupt) =
            self.controls.apply(&ControlPoint::before(ControlScope::Activity(&activity))).await
        {
            return StepResult::Cut(interrupt);
        }
        let executed = self.execute_with_pauses(&activity, site).await;
        match (self.controls.apply(&ControlPoint::after(ControlScope::Activity(&activity))).await, executed) {
            (Err(interrupt), StepResult::Finished(_)) => StepResult::Cut(interrupt),
            (_, StepResult::Errored(error)) => StepResult::Errored(error.in_activity(&format!(
                "{} '{}'",
                activity.kind.name(),
                activity.name
            ))),
            (_, executed) => executed,
        }
    }

    async fn execute_with_pauses(
        self: &Arc<Self>,
        activity: &Arc<Activity>,
        site: ExecutionSite,
    ) -> StepResult {
        let dry = self.is_dry(activity);
        let slept = !dry && (self.options.dry != Some(DryRun::Pause) || activity.ignores_dry);
        let (before, after) = match self.resolve_pauses(activity) {
            Ok(pauses) => pauses,
            Err(error) => return StepResult::Errored(error.to_string().into()),
        };
        if let Some(result) = self.wait_for_pause(activity, before, true, slept, site).await {
            return result;
        }
        let executed = self.execute_activity(activity, dry, site).await;
        if matches!(executed, StepResult::Cut(_)) {
            return executed;
        }
        self.wait_for_pause(activity, after, false, slept, site).await.unwrap_or(executed)
    }

    pub(super) fn is_dry(&self, activity: &Activity) -> bool {
        match self.options.dry.filter(|_| !activity.ignores_dry) {
            Some(DryRun::Activities) => true,
            Some(DryRun::Actions) => activity.kind == ActivityKind::Action,
            Some(DryRun::Probes) => activity.kind == ActivityKind::Probe,
            Some(DryRun::Pause) | None => false,
        }
    }

    /// Resolves the pauses before and after.
    fn resolve_pauses(
        &self,
        activity: &Activity,
    ) -> Result<(Option<PauseRequest>, Option<PauseRequest>), PauseError> {
        let pauses = activity.pauses.clone()?;
        let Some(pauses) = pauses else { return Ok((None, None)) };
        let pause = |name: &str| {
            let seconds = self.scope.fill(pauses.get(name)?);
            seconds.is_truthy().then(|| PauseRequest { length: parse_pause(&seconds), seconds })
        };
        Ok((pause("before"), pause("after")))
    }

    async fn wait_for_pause(
        &self,
        activity: &Activity,
        pause: Option<PauseRequest>,
        before: bool,
        slept: bool,
        site: ExecutionSite,
    ) -> Option<StepResult> {
        let pause = pause?;
        let name = || self.redactor.redact_text(&activity.name).into_owned();
        let seconds = self.redactor.redact_value(&pause.seconds);
        // the run ends with a failure in any case, and the fault should not last longer than necessary
        if slept && site.phase == RunPhase::Method && self.has_failed_action.load(Ordering::Relaxed) {
            let position = if before { "before" } else { "after" };
            let text =
                format!("the pause of {}s {position} it is skipped: an action failed", seconds.python_text());
            self.emit(&RunEvent::ActivityNoted { name: name(), text });
            return None;
        }
        self.emit(&RunEvent::PauseStarted { name: name(), before, seconds, slept });
        if !slept {
            return None;
        }
        let result = match pause.length {
            Err(error) => Some(StepResult::Errored(error.to_string().into())),
            Ok(length) => tokio::select! {
                () = tokio::time::sleep(length) => None,
                interrupt = site.cancellation.wait(&self.board) => Some(StepResult::Cut(interrupt)),
            },
        };
        self.emit(&RunEvent::PauseFinished { name: name() });
        result
    }

    async fn execute_activity(
        self: &Arc<Self>,
        activity: &Arc<Activity>,
        dry: bool,
        site: ExecutionSite,
    ) -> StepResult {
        let id = self.id();
        let time = Timestamp::now();
        self.emit(&RunEvent::ActivityStarted(ActivityStarted {
            id,
            activity: Arc::clone(activity),
            document: self.redactor.redact_shared(&activity.document),
            phase: site.phase,
            background: site.background,
            at: time,
        }));
        if dry {
            self.emit_finished(id, activity, ActivityOutcome::Succeeded(Value::Null), true);
            return StepResult::Finished(CompletedActivity {
                id,
                activity: Arc::clone(activity),
                output: Some(Value::Null),
            });
        }
        let (mut prepared, halt) = (None, OnceLock::new());
        let mut applying = Box::pin(self.apply(id, activity, &mut prepared, &halt));
        let applied = tokio::select! {
            biased;
            interrupt = site.cancellation.wait(&self.board) => {
                let last = drain_inflight(applying, halt.get()).await;
                self.emit_finished(id, activity, ActivityOutcome::Cut, false);
                match last {
                    InFlightResult::Done(applied) => {
                        self.check_effect(id, activity, site.phase, prepared, &applied, time);
                    }
                    InFlightResult::UnderWay => {
                        let name = self.redactor.redact_text(&activity.name).into_owned();
                        let detail = "interrupted during a request, which may still take effect";
                        self.emit_effect(id, name, EffectState::Unknown, detail, time);
                    }
                    InFlightResult::Dropped => {}
                }
                return StepResult::Cut(interrupt);
            }
            applied = &mut applying => applied,
        };
        drop(applying);
        let redact = |error: &str| self.redactor.redact_text(error).into_owned();
        let (outcome, executed) = match &applied {
            Ok(output) => (
                ActivityOutcome::Succeeded(self.redactor.redact_value(output)),
                StepResult::Finished(CompletedActivity {
                    id,
                    activity: Arc::clone(activity),
                    output: Some(output.clone()),
                }),
            ),
            Err(ActivityError::Failed(error)) => (
                ActivityOutcome::Failed(redact(error)),
                StepResult::Finished(CompletedActivity { id, activity: Arc::clone(activity), output: None }),
            ),
            Err(ActivityError::Unexpected(error)) => {
                (ActivityOutcome::Errored(redact(error)), StepResult::Errored(error.clone().into()))
            }
            Err(ActivityError::Tool { code, message }) => (
                ActivityOutcome::Failed(redact(message)),
                StepResult::Errored(PhaseError { message: message.clone(), code: Some(*code) }),
            ),
        };
        self.emit_finished(id, activity, outcome, false);
        // a probe that changes something is checked as well
        if activity.kind == ActivityKind::Action || prepared.as_ref().is_some_and(|step| step.changes_state())
        {
            let has_no_effect = self.check_effect(id, activity, site.phase, prepared, &applied, time);
            if self.options.strict && site.phase == RunPhase::Method && (applied.is_err() || has_no_effect) {
                self.has_failed_action.store(true, Ordering::Relaxed);
            }
        }
        executed
    }

    /// Prepare, record, apply.
    async fn apply(
        &self,
        id: ActivityId,
        activity: &Activity,
        prepared: &mut Option<Box<dyn PreparedActivity>>,
        halt: &OnceLock<StopToken>,
    ) -> Result<Value, ActivityError> {
        let mut step = self.providers.prepare(activity, &self.scope).await?;
        if activity.kind == ActivityKind::Action || step.changes_state() {
            self.emit(&RunEvent::TargetsRecorded { id, targets: step.targets().to_vec() });
        }
        if step.changes_state() {
            self.require_journal_flushed()?;
        }
        if let Some(token) = step.stop_token() {
            let _ = halt.set(token);
        }
        let applied = {
            let report = |progress| match progress {
                ActivityProgress::TargetDone { target, done } => {
                    self.emit(&RunEvent::TargetDone { id, target, done });
                }
                ActivityProgress::Note(text) => self.note(activity, &text),
            };
            step.apply(&report).await
        };
        if let Some(text) = step.remark() {
            self.note(activity, &text);
        }
        if let Some(reached) = step.service_route() {
            let name = self.redactor.redact_text(&activity.name).into_owned();
            self.emit(&RunEvent::ServiceReached { id, name, reached });
        }
        *prepared = Some(step);
        applied
    }

    /// Requires that targets are on disk before a change; rollbacks are never held up.
    fn require_journal_flushed(&self) -> Result<(), ActivityError> {
        let Some(record) = self.options.record.as_ref().filter(|_| !self.puts_back.load(Ordering::Relaxed))
        else {
            return Ok(());
        };
        record.flush().map_err(|error| {
            ActivityError::Failed(format!(
                "not applied: cannot record its targets: {}",
                message_chain(&error)
            ))
        })
    }

    /// Executes an activity outside the steps: a judge, a safeguard.
    pub(super) async fn call(&self, activity: &Activity) -> Result<Value, ActivityError> {
        self.providers.run_probe(activity, &self.scope).await
    }

    /// Tells the user a fact about an activity.
    pub(super) fn note(&self, activity: &Activity, text: &str) {
        let name = self.redactor.redact_text(&activity.name).into_owned();
        self.emit(&RunEvent::ActivityNoted { name, text: self.redactor.redact_text(text).into_owned() });
    }

    fn emit_finished(&self, id: ActivityId, activity: &Arc<Activity>, outcome: ActivityOutcome, dry: bool) {
        let (activity, at) = (Arc::clone(activity), Timestamp::now());
        self.emit(&RunEvent::ActivityFinished(Box::new(ActivityFinished { id, activity, outcome, dry, at })));
    }

    /// Checks whether an action took effect: immediately if known, else in the background.
    ///
    /// Returns whether it is known already that it took none.
    fn check_effect(
        self: &Arc<Self>,
        id: ActivityId,
        activity: &Arc<Activity>,
        phase: RunPhase,
        prepared: Option<Box<dyn PreparedActivity>>,
        applied: &Result<Value, ActivityError>,
        asked_at: Timestamp,
    ) -> bool {
        let name = self.redactor.redact_text(&activity.name).into_owned();
        let confirm = || match (prepared, applied) {
            (Some(prepared), Ok(_))
                if prepared.changes_state() && self.may_be_empty(activity, &*prepared) =>
            {
                EffectCheck::Known(EffectState::Confirmed, NOTHING_MATCHED.to_owned())
            }
            // rollbacks may be no-ops; a method action must change something
            (Some(prepared), Ok(_)) if !prepared.changed() && phase == RunPhase::Method => {
                let allowed = self.experiment.extension.allows_empty(&activity.name);
                let state = if allowed { EffectState::Confirmed } else { EffectState::Mismatch };
                EffectCheck::Known(state, NOTHING_CHANGED.to_owned())
            }
            (Some(prepared), applied) => prepared.confirm(applied.as_ref()),
            (None, Err(error)) => EffectCheck::Known(EffectState::Mismatch, error.text().to_owned()),
            (None, Ok(_)) => EffectCheck::Known(EffectState::Unknown, "nothing was applied".to_owned()),
        };
        let reason = applied.as_ref().ok().filter(|_| activity.provider == Some(ProviderKind::Process));
        // masked before it is cut: a part of a secret would not be recognised
        let reason = reason.and_then(|output| last_lines(&self.redactor.redact_value(output)));
        let confirmation = panic_guard::catch(confirm).unwrap_or_else(|panic| {
            self.raise_tool_failure(panic.code(), &activity.name, &panic.to_string());
            EffectCheck::Known(EffectState::Unknown, panic.to_string())
        });
        match confirmation {
            EffectCheck::Known(state, detail) => {
                let detail = reason.map_or(detail.clone(), |reason| format!("{detail}; {reason}"));
                self.emit_effect(id, name, state, &detail, asked_at);
                state == EffectState::Mismatch
            }
            EffectCheck::Watched(watch) => {
                let engine = Arc::clone(self);
                let limit = self.options.effect_timeout;
                let mut given_up = self.given_up.subscribe();
                let confirm = async move {
                    let (state, detail) = tokio::select! {
                        // an effect that was observed counts, even if the run ends at the same time
                        biased;
                        result = tokio::time::timeout(limit, panic_guard::catch_async(watch)) => match result {
                            Ok(Ok(confirmation)) => confirmation,
                            Ok(Err(panic)) => {
                                engine.raise_tool_failure(panic.code(), &name, &panic.to_string());
                                (EffectState::Unknown, panic.to_string())
                            }
                            Err(_) => {
                                (EffectState::Unknown, format!("no confirmation within {} s", limit.as_secs_f64()))
                            }
                        },
                        _ = given_up.wait_for(|given_up| *given_up) => {
                            (EffectState::Unknown, "the run ended before the effect was observed".to_owned())
                        }
                    };
                    engine.emit_effect(id, name, state, &detail, asked_at);
                };
                self.watched.lock().spawn(confirm.boxed());
                false
            }
        }
    }

    fn may_be_empty(&self, activity: &Activity, prepared: &dyn PreparedActivity) -> bool {
        prepared.targets().is_empty() && self.experiment.extension.allows_empty(&activity.name)
    }

    fn emit_effect(
        &self,
        id: ActivityId,
        name: String,
        state: EffectState,
        detail: &str,
        asked_at: Timestamp,
    ) {
        let effective_at = (state == EffectState::Confirmed).then(Timestamp::now);
        let detail = self.redactor.redact_text(detail).into_owned();
        self.emit(&RunEvent::EffectObserved {
            id,
            name,
            effect: Effect { state, asked_at, effective_at, detail },
        });
    }
}

/// Result of draining a cancelled activity.
enum InFlightResult<T> {
    /// The activity ended.
    Done(T),
    /// A request is still in flight and may take effect.
    UnderWay,
    /// The activity sent no change.
    Dropped,
}

/// Cancels an activity. One that changes something sends no further request and has a grace period to end.
///
/// An abandoned request could still take effect, after the rollback.
async fn drain_inflight<T>(applying: impl Future<Output = T>, halt: Option<&StopToken>) -> InFlightResult<T> {
    let Some(halt) = halt else { return InFlightResult::Dropped };
    halt.ask();
    tokio::time::timeout(INFLIGHT_GRACE_PERIOD, applying)
        .await
        .map_or(InFlightResult::UnderWay, InFlightResult::Done)
}

/// Parses the length of a pause like Python's `time.sleep`.
fn parse_pause(seconds: &Value) -> Result<Duration, PauseError> {
    match seconds.as_f64() {
        None => Err(PauseError::Type(seconds.python_type())),
        Some(number) if number.is_nan() => Err(PauseError::NotANumber),
        Some(number) if number < 0.0 => Err(PauseError::Negative),
        Some(number) => Duration::try_from_secs_f64(number).map_err(|_| PauseError::TooLong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_numbers_that_are_not_negative() {
        assert_eq!(parse_pause(&Value::Float(0.5)), Ok(Duration::from_millis(500)));
        assert_eq!(parse_pause(&true.into()), Ok(Duration::from_secs(1)));
        for (wrong, error) in [
            (Value::Int(-1), PauseError::Negative),
            ("0.1".into(), PauseError::Type("str")),
            (Value::Float(f64::NAN), PauseError::NotANumber),
            (Value::Float(f64::INFINITY), PauseError::TooLong),
        ] {
            assert_eq!(parse_pause(&wrong), Err(error), "{wrong:?}");
        }
    }
}
