//! Tracks the phase of a run by its events.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::engine::EventWatcher;
use crate::event::{ActivityId, RunEvent, RunPhase as Part};
use crate::experiment::ActivityKind;
use crate::series::SamplePhase;

/// Start times of the phases, shared by the event watcher and the samplers.
#[derive(Clone, Debug, Default)]
pub struct PhaseTracker(Arc<Mutex<PhaseTimes>>);

#[derive(Debug, Default)]
struct PhaseTimes {
    baseline: Option<Instant>,
    fault: Option<Instant>,
    recovery: Option<Instant>,
    /// Started actions of the method; they may not be applied yet.
    actions: HashSet<ActivityId>,
}

impl PhaseTracker {
    /// Returns the phase at a time; `None` before the baseline.
    pub(super) fn phase_at(&self, moment: Instant) -> Option<SamplePhase> {
        let marks = self.0.lock();
        let has_begun = |mark: Option<Instant>| mark.is_some_and(|mark| mark <= moment);
        if has_begun(marks.recovery) {
            Some(SamplePhase::Recovery)
        } else if has_begun(marks.fault) {
            Some(SamplePhase::Fault)
        } else if has_begun(marks.baseline) {
            Some(SamplePhase::Baseline)
        } else {
            None
        }
    }

    /// Returns the start and the end of a phase, at most `end`; `None` if the run did not reach the phase.
    pub(super) fn span(&self, phase: SamplePhase, end: Instant) -> Option<(Instant, Instant)> {
        let marks = self.0.lock();
        let next = |mark: Option<Instant>| mark.unwrap_or(end).min(end);
        match phase {
            SamplePhase::Baseline => {
                marks.baseline.map(|from| (from, next(marks.fault).min(next(marks.recovery))))
            }
            SamplePhase::Fault => marks.fault.map(|from| (from, next(marks.recovery))),
            SamplePhase::Recovery => marks.recovery.map(|from| (from, end)),
        }
    }

    /// Marks the start of the baseline.
    pub(super) fn begin_baseline(&self) {
        self.0.lock().baseline.get_or_insert_with(Instant::now);
    }

    /// Marks the start of the fault phase.
    #[cfg(test)]
    pub(super) fn begin_fault(&self) {
        self.0.lock().fault.get_or_insert_with(Instant::now);
    }

    /// Marks the start of the recovery, if there was a fault.
    pub(super) fn end_fault(&self) {
        let mut marks = self.0.lock();
        if marks.fault.is_some() {
            marks.recovery.get_or_insert_with(Instant::now);
        }
    }

    fn watch(&self, event: &RunEvent) {
        match event {
            RunEvent::ActivityStarted(started)
                if started.phase == Part::Method && started.activity.kind == ActivityKind::Action =>
            {
                self.0.lock().actions.insert(started.id);
            }
            // the last event before an action is applied
            RunEvent::TargetsRecorded { id, .. } => {
                let mut marks = self.0.lock();
                if marks.actions.contains(id) {
                    marks.fault.get_or_insert_with(Instant::now);
                }
            }
            // the check of the hypothesis after the method is over
            RunEvent::RollbacksDecided { .. } | RunEvent::RunFinished { .. } => self.end_fault(),
            _ => {}
        }
    }
}

impl EventWatcher for PhaseTracker {
    fn watch(&mut self, event: &RunEvent) {
        Self::watch(self, event);
    }
}
