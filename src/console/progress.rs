//! The progress line of a run.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::event::{ActivityId, RunEvent, RunPhase};

/// Folds events into the current activity, a countdown of the pause, and the background activities.
#[derive(Debug, Default)]
pub struct ProgressState {
    foreground: Option<(ActivityId, String, Timestamp)>,
    background: BTreeMap<ActivityId, String>,
    pause: Option<(String, Timestamp, f64)>,
    /// The checks of the hypothesis during the method: all, and those that were not met.
    checks: Option<(u64, u64)>,
    interrupted: bool,
    finished: bool,
}

impl ProgressState {
    /// Applies an event.
    pub fn update(&mut self, event: &RunEvent, now: Timestamp) {
        match event {
            RunEvent::ActivityStarted(started) => {
                // the name of the document, in which secrets are masked
                let name = super::activity_name(&started.document);
                let activity = format!("{} {name}", started.activity.kind);
                if started.background {
                    self.background.insert(started.id, name);
                } else if started.phase != RunPhase::During {
                    self.foreground = Some((started.id, activity, now));
                }
            }
            RunEvent::ActivityFinished(finished) => {
                self.background.remove(&finished.id);
                if self.foreground.as_ref().is_some_and(|(id, ..)| *id == finished.id) {
                    self.foreground = None;
                }
            }
            RunEvent::PauseStarted { name, seconds, slept: true, .. } => {
                let length = seconds.as_f64().filter(|length| *length > 0.0);
                self.pause = length.map(|length| (name.clone(), now, length));
            }
            RunEvent::PauseFinished { name } => {
                if self.pause.as_ref().is_some_and(|(paused, ..)| paused == name) {
                    self.pause = None;
                }
            }
            RunEvent::ContinuousStarted { .. } => self.checks = Some((0, 0)),
            RunEvent::ContinuousFinished { .. } => self.checks = None,
            RunEvent::HypothesisFinished { phase: RunPhase::During, outcome, .. } => {
                if let Some((looks, unmet)) = &mut self.checks {
                    *looks += 1;
                    *unmet += u64::from(*outcome != Some(crate::event::HypothesisOutcome::Met));
                }
            }
            RunEvent::SignalReceived { .. } => self.interrupted = true,
            RunEvent::RunFinished { .. } => self.finished = true,
            RunEvent::ActivityCalled { .. }
            | RunEvent::ConfigurationResolved { .. }
            | RunEvent::RunStarted(_)
            | RunEvent::HypothesisStarted { .. }
            | RunEvent::HypothesisFinished { .. }
            | RunEvent::FailedFast { .. }
            | RunEvent::MethodStarted { .. }
            | RunEvent::MethodFinished
            | RunEvent::RollbacksDecided { .. }
            | RunEvent::RollbacksStarted { .. }
            | RunEvent::RollbackReached { .. }
            | RunEvent::RollbacksFinished
            | RunEvent::PauseStarted { .. }
            | RunEvent::TargetsRecorded { .. }
            | RunEvent::ActivityNoted { .. }
            | RunEvent::MethodToleranceChecked { .. }
            | RunEvent::TargetDone { .. }
            | RunEvent::ServiceReached { .. }
            | RunEvent::EffectObserved { .. }
            | RunEvent::ToleranceChecked { .. }
            | RunEvent::BackgroundAwaited { .. }
            | RunEvent::Interrupted { .. }
            | RunEvent::Aborted { .. } => {}
        }
    }

    /// Returns the progress line; none if nothing is running.
    pub fn line(&self, now: Timestamp) -> Option<String> {
        if self.finished {
            return None;
        }
        let mut parts = Vec::new();
        match (&self.pause, &self.foreground) {
            (Some((name, since, length)), _) => {
                let remaining = (length - now.since(*since)).max(0.0);
                parts.push(format!("pause {name}: {remaining:.0} s left"));
            }
            (None, Some((_, activity, since))) => {
                parts.push(format!("{activity}: {:.1} s", now.since(*since)));
            }
            (None, None) => {}
        }
        if let Some((looks, unmet)) = self.checks.filter(|(looks, _)| *looks > 0) {
            parts.push(format!("steady state met {} of {looks} times", looks - unmet));
        }
        if !self.background.is_empty() {
            let names: Vec<&str> = self.background.values().map(String::as_str).collect();
            let insist = if self.interrupted { " (Ctrl-C again: do not wait)" } else { "" };
            parts.push(format!("in background: {}{insist}", names.join(", ")));
        }
        (!parts.is_empty()).then(|| super::sanitize(&parts.join(" · ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Signal;

    #[test]
    fn pause_counts_down_until_it_ends() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let mut progress = ProgressState::default();
        assert_eq!(progress.line(at(0)), None);
        let pause =
            RunEvent::PauseStarted { name: "a".to_owned(), before: true, seconds: 10.into(), slept: true };
        progress.update(&pause, at(0));
        assert_eq!(progress.line(at(3)).as_deref(), Some("pause a: 7 s left"));
        assert_eq!(progress.line(at(30)).as_deref(), Some("pause a: 0 s left"));
        progress.background.insert(1, "bg".to_owned());
        progress.update(&RunEvent::SignalReceived { signal: Signal::Int }, at(4));
        assert_eq!(
            progress.line(at(4)).as_deref(),
            Some("pause a: 6 s left · in background: bg (Ctrl-C again: do not wait)")
        );
        progress.update(&RunEvent::PauseFinished { name: "a".to_owned() }, at(5));
        progress.background.clear();
        assert_eq!(progress.line(at(5)), None);
    }
}
