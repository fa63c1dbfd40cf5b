//! Events of a run as lines of JSON, with the names and keys of the Chaos Toolkit's events file and some of our own.

use std::collections::HashMap;

use serde::Serialize;

use super::keyword::EntryStatus;
use super::run_document::BoundedOutput;
use crate::clock::Timestamp;
use crate::error_code::ErrorCode;
use crate::event::{
    ActivityFinished, ActivityId, ActivityOutcome, ActivityStarted, HypothesisOutcome, RunEvent, RunPhase,
    RunStatus, Signal,
};
use crate::mutation::Target;
use crate::value::Value;

/// One line of the events file.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum EventLine<'a> {
    RunStarted {
        timestamp: String,
        title: &'a str,
    },
    HypothesisStarted {
        timestamp: String,
        phase: RunPhase,
        /// Only for the checks during the method, which are announced once.
        #[serde(skip_serializing_if = "Option::is_none")]
        frequency: Option<&'a Value>,
    },
    HypothesisCompleted {
        timestamp: String,
        phase: RunPhase,
        /// Only for checks during the method.
        #[serde(skip_serializing_if = "Option::is_none")]
        iteration: Option<u64>,
        met: bool,
        probes: Vec<ProbeLine>,
    },
    MethodStarted {
        timestamp: String,
    },
    MethodCompleted {
        timestamp: String,
    },
    RollbacksStarted {
        timestamp: String,
    },
    RollbacksCompleted {
        timestamp: String,
    },
    ActivityStarted {
        timestamp: String,
        name: Value,
        activity_type: &'static str,
        background: bool,
        phase: RunPhase,
    },
    ActivityCompleted {
        timestamp: String,
        name: Value,
        activity_type: &'static str,
        status: Option<EntryStatus>,
        /// Seconds.
        duration: f64,
        /// `output`, or its size.
        #[serde(flatten)]
        output: BoundedOutput,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    RunSignalExit {
        timestamp: String,
        name: &'a str,
        reason: &'a str,
    },
    RunInterrupted {
        timestamp: String,
        name: &'a str,
        reason: &'a str,
    },
    RunFinished {
        timestamp: String,
        status: RunStatus,
        deviated: bool,
    },
    // the Chaos Toolkit does not have the events below
    PauseStarted {
        timestamp: String,
        name: &'a str,
        when: &'static str,
        seconds: &'a Value,
        slept: bool,
    },
    PauseCompleted {
        timestamp: String,
        name: &'a str,
    },
    TargetsRecorded {
        timestamp: String,
        targets: &'a [Target],
    },
    ServiceReached {
        timestamp: String,
        name: &'a str,
        service: &'a str,
        access: &'static str,
        pod: Option<&'a str>,
    },
    EffectObserved {
        timestamp: String,
        name: &'a str,
        state: &'static str,
        detail: &'a str,
    },
    ActivityNoted {
        timestamp: String,
        name: &'a str,
        text: &'a str,
    },
    ToleranceChecked {
        timestamp: String,
        name: &'a str,
        met: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        expected: Option<&'a str>,
    },
    RollbacksDecided {
        timestamp: String,
        strategy: &'a str,
        played: bool,
        declared: usize,
    },
    RunAborted {
        timestamp: String,
        phase: RunPhase,
        error: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<ErrorCode>,
    },
    SignalReceived {
        timestamp: String,
        signal: String,
    },
}

/// A probe in the line of a check.
#[derive(Debug, Serialize)]
struct ProbeLine {
    #[serde(skip)]
    id: ActivityId,
    name: Value,
    /// Absent until the probe ends.
    #[serde(flatten)]
    result: Option<ProbeLineResult>,
}

#[derive(Debug, Serialize)]
struct ProbeLineResult {
    status: Option<EntryStatus>,
    tolerance_met: Option<bool>,
    /// `output`, or its size.
    #[serde(flatten)]
    output: BoundedOutput,
}

/// Turns events into lines. The line of a check waits for its probes.
#[derive(Debug, Default)]
pub struct EventSerializer {
    /// The probes of the checks that are running.
    checks: HashMap<RunPhase, Vec<ProbeLine>>,
    started: HashMap<ActivityId, StartedActivity>,
}

/// The start of an activity that is running.
#[derive(Debug)]
struct StartedActivity {
    at: Timestamp,
    phase: RunPhase,
    name: Value,
}

impl EventSerializer {
    /// Returns the lines of an event, each with a line break at its end.
    pub fn lines(&mut self, event: &RunEvent) -> String {
        let Some(line) = self.line(event, Timestamp::now().iso()) else { return String::new() };
        serde_json::to_string(&line).unwrap_or_default() + "\n"
    }

    fn line<'a>(&mut self, event: &'a RunEvent, timestamp: String) -> Option<EventLine<'a>> {
        Some(match event {
            RunEvent::RunStarted(run) => EventLine::RunStarted { timestamp: run.at.iso(), title: &run.title },
            RunEvent::ContinuousStarted { frequency } => EventLine::HypothesisStarted {
                timestamp,
                phase: RunPhase::During,
                frequency: Some(frequency),
            },
            RunEvent::HypothesisStarted { phase, .. } => {
                self.checks.insert(*phase, Vec::new());
                if *phase == RunPhase::During {
                    return None;
                }
                EventLine::HypothesisStarted { timestamp, phase: *phase, frequency: None }
            }
            RunEvent::HypothesisFinished { phase, iteration, outcome, .. } => {
                let probes = self.checks.remove(phase).unwrap_or_default();
                let met = (*outcome)? == HypothesisOutcome::Met;
                let iteration = (*phase == RunPhase::During).then_some(*iteration);
                EventLine::HypothesisCompleted { timestamp, phase: *phase, iteration, met, probes }
            }
            RunEvent::MethodStarted { .. } => EventLine::MethodStarted { timestamp },
            RunEvent::MethodFinished => EventLine::MethodCompleted { timestamp },
            RunEvent::RollbacksStarted { .. } => EventLine::RollbacksStarted { timestamp },
            RunEvent::RollbacksFinished => EventLine::RollbacksCompleted { timestamp },
            RunEvent::ActivityStarted(started) => self.activity_started(started),
            RunEvent::ActivityFinished(finished) => self.activity_finished(finished),
            RunEvent::ToleranceChecked { id, verdict, .. } => {
                let met = verdict.as_ref().is_some_and(|verdict| verdict.met);
                let probes = self.checks.values_mut().filter_map(|check| probe(check, *id));
                for result in probes.filter_map(|probe| probe.result.as_mut()) {
                    result.tolerance_met = Some(met);
                }
                return None;
            }
            RunEvent::Interrupted { interrupt, .. } => {
                let (name, reason) = (interrupt.name.as_str(), interrupt.reason.as_str());
                // the Chaos Toolkit calls SIGTERM an interruption, and other signals that it handles exits
                let is_exit =
                    interrupt.signal.is_some_and(|signal| !matches!(signal, Signal::Term | Signal::Hup));
                if is_exit {
                    EventLine::RunSignalExit { timestamp, name, reason }
                } else {
                    EventLine::RunInterrupted { timestamp, name, reason }
                }
            }
            RunEvent::RunFinished { status, deviated, at } => {
                EventLine::RunFinished { timestamp: at.iso(), status: *status, deviated: *deviated }
            }
            RunEvent::PauseStarted { name, before, seconds, slept } => {
                let when = if *before { "before" } else { "after" };
                EventLine::PauseStarted { timestamp, name, when, seconds, slept: *slept }
            }
            RunEvent::PauseFinished { name } => EventLine::PauseCompleted { timestamp, name },
            RunEvent::TargetsRecorded { targets, .. } if targets.is_empty() => return None,
            RunEvent::TargetsRecorded { targets, .. } => EventLine::TargetsRecorded { timestamp, targets },
            RunEvent::ServiceReached { name, reached, .. } => EventLine::ServiceReached {
                timestamp,
                name,
                service: &reached.service,
                access: reached.access,
                pod: reached.pod.as_deref(),
            },
            RunEvent::ActivityNoted { name, text } => EventLine::ActivityNoted { timestamp, name, text },
            RunEvent::MethodToleranceChecked { name, verdict, .. } => EventLine::ToleranceChecked {
                timestamp,
                name,
                met: verdict.as_ref().is_some_and(|verdict| verdict.met),
                expected: verdict.as_ref().map(|verdict| verdict.expected.as_str()),
            },
            RunEvent::EffectObserved { name, effect, .. } => EventLine::EffectObserved {
                timestamp,
                name,
                state: effect.state.name(),
                detail: &effect.detail,
            },
            RunEvent::RollbacksDecided { strategy, played, declared } => EventLine::RollbacksDecided {
                timestamp,
                strategy: strategy.name(),
                played: *played,
                declared: *declared,
            },
            RunEvent::Aborted { phase, error, code } => {
                EventLine::RunAborted { timestamp, phase: *phase, error, code: *code }
            }
            RunEvent::SignalReceived { signal } => {
                EventLine::SignalReceived { timestamp, signal: signal.to_string() }
            }
            RunEvent::ActivityCalled { .. }
            | RunEvent::TargetDone { .. }
            | RunEvent::ConfigurationResolved { .. }
            | RunEvent::FailedFast { .. }
            | RunEvent::ContinuousFinished { .. }
            | RunEvent::RollbackReached { .. }
            | RunEvent::BackgroundAwaited { .. } => return None,
        })
    }

    fn activity_started(&mut self, started: &ActivityStarted) -> EventLine<'static> {
        let name = started.document["name"].clone();
        if let Some(check) = self.checks.get_mut(&started.phase) {
            check.push(ProbeLine { id: started.id, name: name.clone(), result: None });
        }
        let start = StartedActivity { at: started.at, phase: started.phase, name: name.clone() };
        self.started.insert(started.id, start);
        EventLine::ActivityStarted {
            timestamp: started.at.iso(),
            name,
            activity_type: started.activity.kind.name(),
            background: started.activity.background,
            phase: started.phase,
        }
    }

    fn activity_finished(&mut self, finished: &ActivityFinished) -> EventLine<'static> {
        let start = self.started.remove(&finished.id);
        let (status, output, error) = match &finished.outcome {
            ActivityOutcome::Succeeded(output) => (Some(EntryStatus::Succeeded), output, None),
            ActivityOutcome::Failed(error) => (Some(EntryStatus::Failed), &Value::Null, Some(error)),
            ActivityOutcome::Errored(error) => (None, &Value::Null, Some(error)),
            ActivityOutcome::Cut => (None, &Value::Null, None),
        };
        let output = BoundedOutput::new(output);
        let check = start.as_ref().and_then(|start| self.checks.get_mut(&start.phase));
        if let Some(probe) = check.and_then(|check| probe(check, finished.id)) {
            probe.result = Some(ProbeLineResult { status, tolerance_met: None, output: output.clone() });
        }
        EventLine::ActivityCompleted {
            timestamp: finished.at.iso(),
            activity_type: finished.activity.kind.name(),
            status,
            duration: start.as_ref().map_or(0.0, |start| finished.at.since(start.at)),
            name: start.map(|start| start.name).unwrap_or_default(),
            output,
            error: error.map(|error| format!("chaoslib.exceptions.ActivityFailed: {error}")),
        }
    }
}

fn probe(check: &mut [ProbeLine], id: ActivityId) -> Option<&mut ProbeLine> {
    check.iter_mut().find(|probe| probe.id == id)
}
