//! The events of a run as lines of JSON, with the names and keys of the Chaos Toolkit's events file, and some
//! more of ours. Floor 0.

use std::collections::HashMap;

use super::run_document::bounded;
use crate::clock::Timestamp;
use crate::event::{
    ActivityFinished, ActivityId, ActivityOutcome, ActivityStarted, HypothesisOutcome, RunEvent, RunPhase,
    Signal,
};
use crate::value::{Map, Value, map};

/// A fold over events: a look at the hypothesis is told as a whole when it is over.
#[derive(Debug, Default)]
pub struct EventSerializer {
    /// Looks that are under way: their probes.
    looks: HashMap<RunPhase, Vec<(ActivityId, Map)>>,
    began: HashMap<ActivityId, StartedActivity>,
}

/// How an activity began.
#[derive(Debug)]
struct StartedActivity {
    at: Timestamp,
    phase: RunPhase,
    name: Value,
}

impl EventSerializer {
    /// The lines of an event, each with a line break at its end.
    pub fn lines(&mut self, event: &RunEvent) -> String {
        let told = self.told(event, Timestamp::now());
        told.into_iter().fold(String::new(), |lines, object| {
            lines + &serde_json::to_string(&Value::Map(object)).unwrap_or_default() + "\n"
        })
    }

    fn told(&mut self, event: &RunEvent, now: Timestamp) -> Option<Map> {
        let object = |kind: &str, at: Timestamp, entries: Map| Some(object(kind, at, entries));
        match event {
            RunEvent::RunStarted(run) => {
                object("run-started", run.at, map([("title", run.title.as_str().into())]))
            }
            RunEvent::ContinuousStarted { frequency } => {
                let entries =
                    map([("phase", RunPhase::During.name().into()), ("frequency", frequency.clone())]);
                object("hypothesis-started", now, entries)
            }
            RunEvent::HypothesisStarted { phase, .. } => {
                self.looks.insert(*phase, Vec::new());
                // one event for all the looks during the method, as they begin
                let told = *phase != RunPhase::During;
                told.then(|| object("hypothesis-started", now, map([("phase", phase.name().into())])))
                    .flatten()
            }
            RunEvent::HypothesisFinished { phase, iteration, outcome, .. } => {
                let probes = self.looks.remove(phase).unwrap_or_default();
                let mut entries = map([("phase", phase.name().into())]);
                if *phase == RunPhase::During {
                    entries.insert("iteration".to_owned(), Value::Int((*iteration).into()));
                }
                let met = (*outcome)?;
                entries.insert("met".to_owned(), (met == HypothesisOutcome::Met).into());
                let probes = probes.into_iter().map(|(_, probe)| Value::Map(probe)).collect();
                entries.insert("probes".to_owned(), Value::List(probes));
                object("hypothesis-completed", now, entries)
            }
            RunEvent::MethodStarted { .. } => object("method-started", now, Map::new()),
            RunEvent::MethodFinished => object("method-completed", now, Map::new()),
            RunEvent::RollbacksStarted { .. } => object("rollbacks-started", now, Map::new()),
            RunEvent::RollbacksFinished => object("rollbacks-completed", now, Map::new()),
            RunEvent::ActivityStarted(started) => Some(self.started(started)),
            RunEvent::ActivityFinished(finished) => Some(self.finished(finished)),
            RunEvent::ToleranceChecked { id, verdict, .. } => {
                let met = verdict.as_ref().is_some_and(|verdict| verdict.met);
                for look in self.looks.values_mut() {
                    if let Some((_, probe)) = look.iter_mut().find(|(probe, _)| probe == id) {
                        probe.insert("tolerance_met".to_owned(), met.into());
                    }
                }
                None
            }
            RunEvent::Interrupted { interrupt, .. } => {
                // the Chaos Toolkit takes SIGTERM for an interruption, and other signals that it knows for exits
                let exits =
                    interrupt.signal.is_some_and(|signal| !matches!(signal, Signal::Term | Signal::Hup));
                let kind = if exits { "run-signal-exit" } else { "run-interrupted" };
                let entries = map([
                    ("name", interrupt.name.as_str().into()),
                    ("reason", interrupt.reason.as_str().into()),
                ]);
                object(kind, now, entries)
            }
            RunEvent::RunFinished { status, deviated, at } => {
                let entries = map([("status", status.name().into()), ("deviated", (*deviated).into())]);
                object("run-finished", *at, entries)
            }
            // ours
            RunEvent::PauseStarted { name, before, seconds, slept } => {
                let entries = map([
                    ("name", name.as_str().into()),
                    ("when", if *before { "before" } else { "after" }.into()),
                    ("seconds", seconds.clone()),
                    ("slept", (*slept).into()),
                ]);
                object("pause-started", now, entries)
            }
            RunEvent::PauseFinished { name } => {
                object("pause-completed", now, map([("name", name.as_str().into())]))
            }
            RunEvent::TargetsRecorded { targets, .. } if targets.is_empty() => None,
            RunEvent::TargetsRecorded { targets, .. } => {
                let target = |t: &crate::mutation::Target| {
                    Value::Map(map([
                        ("kind", t.kind.as_str().into()),
                        ("namespace", t.namespace.as_deref().map_or(Value::Null, Value::from)),
                        ("name", t.name.as_str().into()),
                        ("uid", t.uid.as_str().into()),
                    ]))
                };
                let targets = Value::List(targets.iter().map(target).collect());
                object("targets-recorded", now, map([("targets", targets)]))
            }
            RunEvent::ServiceReached { name, reached, .. } => {
                let entries = map([
                    ("name", name.as_str().into()),
                    ("service", reached.service.as_str().into()),
                    ("access", reached.access.into()),
                    ("pod", reached.pod.as_deref().map_or(Value::Null, Value::from)),
                ]);
                object("service-reached", now, entries)
            }
            RunEvent::EffectObserved { name, effect, .. } => {
                let entries = map([
                    ("name", name.as_str().into()),
                    ("state", effect.state.name().into()),
                    ("detail", effect.detail.as_str().into()),
                ]);
                object("effect-observed", now, entries)
            }
            RunEvent::RollbacksDecided { strategy, played, declared } => {
                let entries = map([
                    ("strategy", strategy.name().into()),
                    ("played", (*played).into()),
                    ("declared", Value::Int(*declared as i128)),
                ]);
                object("rollbacks-decided", now, entries)
            }
            RunEvent::Aborted { phase, error } => {
                let entries = map([("phase", phase.name().into()), ("error", error.as_str().into())]);
                object("run-aborted", now, entries)
            }
            RunEvent::SignalReceived { signal } => {
                object("signal-received", now, map([("signal", signal.to_string().into())]))
            }
            RunEvent::ActivityCalled { .. }
            | RunEvent::TargetDone { .. }
            | RunEvent::ConfigurationResolved { .. }
            | RunEvent::FailedFast { .. }
            | RunEvent::ContinuousFinished { .. }
            | RunEvent::RollbackReached { .. }
            | RunEvent::BackgroundAwaited { .. } => None,
        }
    }

    fn started(&mut self, started: &ActivityStarted) -> Map {
        let name = started.document.get("name").cloned().unwrap_or_default();
        if let Some(look) = self.looks.get_mut(&started.phase) {
            look.push((started.id, map([("name", name.clone())])));
        }
        self.began
            .insert(started.id, StartedActivity { at: started.at, phase: started.phase, name: name.clone() });
        let entries = map([
            ("name", name),
            ("activity_type", started.activity.kind.name().into()),
            ("background", started.activity.background.into()),
            ("phase", started.phase.name().into()),
        ]);
        object("activity-started", started.at, entries)
    }

    fn finished(&mut self, finished: &ActivityFinished) -> Map {
        let began = self.began.remove(&finished.id);
        let (status, output, error) = match &finished.outcome {
            ActivityOutcome::Succeeded(output) => ("succeeded".into(), output.clone(), None),
            ActivityOutcome::Failed(error) => ("failed".into(), Value::Null, Some(error)),
            ActivityOutcome::Errored(error) => (Value::Null, Value::Null, Some(error)),
            ActivityOutcome::Cut => (Value::Null, Value::Null, None),
        };
        let output = bounded(&output);
        if let Some(probe) = began.as_ref().and_then(|began| self.probe(began.phase, finished.id)) {
            probe.insert("status".to_owned(), status.clone());
            probe.insert("tolerance_met".to_owned(), Value::Null);
            probe.extend(output.clone());
        }
        let duration = began.as_ref().map_or(0.0, |began| finished.at.since(began.at));
        let mut entries = map([
            ("name", began.map(|began| began.name).unwrap_or_default()),
            ("activity_type", finished.activity.kind.name().into()),
            ("status", status),
            ("duration", Value::Float(duration)),
        ]);
        entries.extend(output);
        if let Some(error) = error {
            entries.insert("error".to_owned(), format!("chaoslib.exceptions.ActivityFailed: {error}").into());
        }
        object("activity-completed", finished.at, entries)
    }

    fn probe(&mut self, phase: RunPhase, id: ActivityId) -> Option<&mut Map> {
        self.looks.get_mut(&phase)?.iter_mut().find(|(probe, _)| *probe == id).map(|(_, probe)| probe)
    }
}

fn object(kind: &str, at: Timestamp, entries: Map) -> Map {
    let head = map([("type", kind.into()), ("timestamp", at.iso().into())]);
    head.into_iter().chain(entries).collect()
}
