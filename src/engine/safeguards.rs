//! Safeguards: probes during the run that stop it when they are not met.
//!
//! The control of the module `chaosaddons.controls.safeguards`: an experiment must not continue in a system that
//! has other problems.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::Engine;
use super::control::{ControlPoint, ControlScope, RunControl};
use crate::error_code::{Coded as _, ErrorCode, message_chain};
use crate::event::Interrupt;
use crate::experiment::{Activity, ControlDeclaration as Declared, ControlSide, DeclarationError, Tolerance};
use crate::panic_guard::{self, CaughtPanic};
use crate::provider::ActivityError;
use crate::tolerance::{Evaluation, ToleranceError, evaluate};
use crate::value::Value;

/// Probe with a tolerance and a schedule.
struct Safeguard {
    activity: Result<Activity, DeclarationError>,
    tolerance: Tolerance,
    when: CheckSchedule,
}

/// Why a safeguard ends the run.
#[derive(Debug, thiserror::Error)]
enum SafeguardError {
    #[error("could not be measured")]
    Measurement(#[source] ActivityError),
    #[error("could not be evaluated")]
    Evaluation(#[source] ToleranceError),
    /// The evaluation met a bug of this program.
    #[error("could not be evaluated")]
    Bug(#[source] CaughtPanic),
    /// The probe of the tolerance failed.
    #[error("could not be evaluated")]
    Judgement(#[source] ActivityError),
    #[error("was not met: expected {expected}")]
    NotMet { expected: String },
    /// The probe of the tolerance returned a false value.
    #[error("was not met")]
    Rejected,
}

impl SafeguardError {
    /// Returns the code if this program or its connection failed.
    fn tool_failure(&self) -> Option<ErrorCode> {
        match self {
            Self::Measurement(ActivityError::Tool { code, .. })
            | Self::Judgement(ActivityError::Tool { code, .. }) => Some(*code),
            Self::Bug(panic) => Some(panic.code()),
            _ => None,
        }
    }
}

#[derive(Clone, Copy)]
enum CheckSchedule {
    /// Once, before the run continues.
    First,
    /// Once, in the background.
    Background,
    /// Repeatedly, with a pause between the checks.
    Repeatedly(Duration),
}

/// Control that checks the safeguards.
pub(super) struct Safeguards {
    engine: Weak<Engine>,
    guards: Arc<Vec<Safeguard>>,
    running: Mutex<JoinSet<()>>,
}

impl Safeguards {
    pub(super) fn new(declared: &Declared, engine: Weak<Engine>) -> Self {
        let probes = declared.arguments.get("probes").and_then(Value::as_list).unwrap_or_default();
        let guard = |(index, probe): (usize, &Value)| {
            let pointer = format!("{}/provider/arguments/probes/{index}", declared.at);
            let frequency = probe.get("frequency").and_then(Value::as_f64).filter(|seconds| *seconds > 0.0);
            Safeguard {
                activity: Activity::from_value(probe, &pointer, &[]),
                tolerance: Tolerance::read(probe.get("tolerance").unwrap_or(&Value::Null), &pointer),
                when: match frequency.map(Duration::try_from_secs_f64) {
                    Some(Ok(pause)) => CheckSchedule::Repeatedly(pause),
                    Some(Err(_)) => CheckSchedule::Background,
                    None if probe.get("background").is_some_and(Value::is_truthy) => {
                        CheckSchedule::Background
                    }
                    None => CheckSchedule::First,
                },
            }
        };
        let guards = Arc::new(probes.iter().enumerate().map(guard).collect());
        Self { engine, guards, running: Mutex::new(JoinSet::new()) }
    }

    async fn start_checks(&self) -> Result<(), Interrupt> {
        let Some(engine) = self.engine.upgrade() else { return Ok(()) };
        for (index, guard) in self.guards.iter().enumerate() {
            match guard.when {
                // the run waits, but interrupts are handled
                CheckSchedule::First => tokio::select! {
                    checked = guard.check(&engine) => checked?,
                    interrupt = engine.board.wait(0, Interrupt::cancels) => return Err(interrupt),
                },
                CheckSchedule::Background => self.spawn_check(&engine, index, None),
                CheckSchedule::Repeatedly(pause) => self.spawn_check(&engine, index, Some(pause)),
            }
        }
        Ok(())
    }

    fn spawn_check(&self, engine: &Arc<Engine>, index: usize, pause: Option<Duration>) {
        let (engine, guards) = (Arc::downgrade(engine), Arc::clone(&self.guards));
        let check = async move {
            loop {
                let Some(engine) = engine.upgrade() else { return };
                if let Err(interrupt) = guards[index].check(&engine).await {
                    engine.board.raise(interrupt);
                    return;
                }
                drop(engine);
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return,
                }
            }
        };
        self.running.lock().spawn(check.boxed());
    }
}

impl RunControl for Safeguards {
    fn apply<'a>(&'a self, moment: &'a ControlPoint<'a>) -> BoxFuture<'a, Result<(), Interrupt>> {
        Box::pin(async move {
            match (moment.level, moment.side) {
                (ControlScope::Experiment, ControlSide::Before) => self.start_checks().await,
                (ControlScope::Experiment, ControlSide::After) => {
                    self.running.lock().abort_all();
                    Ok(())
                }
                _ => Ok(()),
            }
        })
    }
}

impl Safeguard {
    /// Checks the probe once. A probe that cannot run protects nothing, and ends the run as well.
    async fn check(&self, engine: &Engine) -> Result<(), Interrupt> {
        let redact = |text: &str| engine.redactor.redact_text(text).into_owned();
        let activity = self
            .activity
            .as_ref()
            .map_err(|error| Interrupt::safeguard("safeguard", redact(&error.to_string())))?;
        self.evaluate(activity, engine).await.map_err(|error| {
            let name = redact(&activity.name);
            let reason = format!("safeguard '{name}' {}", redact(&message_chain(&error)));
            match error.tool_failure() {
                Some(code) => Interrupt::tool_failure(code, name, reason),
                None => Interrupt::safeguard(name, reason),
            }
        })
    }

    async fn evaluate(&self, activity: &Activity, engine: &Engine) -> Result<(), SafeguardError> {
        let output = engine.call(activity).await.map_err(SafeguardError::Measurement)?;
        let evaluated = panic_guard::catch(|| evaluate(&self.tolerance, &output, &engine.scope));
        match evaluated.map_err(SafeguardError::Bug)?.map_err(SafeguardError::Evaluation)? {
            Evaluation::Verdict(verdict) if verdict.met => Ok(()),
            Evaluation::Verdict(verdict) => Err(SafeguardError::NotMet { expected: verdict.expected }),
            Evaluation::Judge(judge) => {
                let accepted = engine.call(&judge).await.map_err(SafeguardError::Judgement)?.is_truthy();
                if accepted { Ok(()) } else { Err(SafeguardError::Rejected) }
            }
        }
    }
}
