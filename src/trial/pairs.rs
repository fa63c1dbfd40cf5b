//! Runs of a trial and their results, by pair. Pure.

use crate::arm::Arm;
use crate::compare::LastingCause;

/// Run of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduledRun {
    /// Number of the pair, from 1. A run that replaces a void one has the same pair.
    pub pair: u32,
    pub arm: Arm,
    /// Number of the run within its arm, from 1.
    pub repeat: u32,
}

/// Result of a run, as far as the schedule depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunResult {
    Held,
    Failed,
    /// With the cause if the next run of the arm is likely void for the same one.
    Void(Option<LastingCause>),
}

impl RunResult {
    /// Whether the run counts in the comparison.
    pub fn is_valid(self) -> bool {
        !matches!(self, Self::Void(_))
    }
}

/// One attempt to get a valid run; without a result it is in progress.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    run: ScheduledRun,
    result: Option<RunResult>,
}

/// Attempts of one pair.
#[derive(Clone, Debug, Default)]
pub(super) struct Pair {
    attempts: Vec<Attempt>,
    /// Arms whose next attempt has not started.
    waiting: Vec<Arm>,
}

impl Pair {
    /// Creates a pair whose arms run in this order.
    pub(super) fn new(arms: Vec<Arm>) -> Self {
        Self { waiting: arms, ..Self::default() }
    }

    /// Starts the next attempt; `None` if no arm waits.
    pub(super) fn start(&mut self, pair: u32, mut repeat: impl FnMut(Arm) -> u32) -> Option<ScheduledRun> {
        if self.waiting.is_empty() {
            return None;
        }
        let arm = self.waiting.remove(0);
        let run = ScheduledRun { pair, arm, repeat: repeat(arm) };
        self.attempts.push(Attempt { run, result: None });
        Some(run)
    }

    /// Repeats the run of an arm.
    pub(super) fn replay(&mut self, arm: Arm) {
        self.waiting.push(arm);
    }

    /// Returns the number of runs of an arm that repeat a void one, with those that wait.
    pub(super) fn replays(&self, arm: Arm) -> u32 {
        let attempts = self.results(arm).count() + self.waiting.iter().filter(|other| **other == arm).count();
        u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// Records the result of a run of this pair.
    pub(super) fn record(&mut self, run: ScheduledRun, result: RunResult) {
        if let Some(attempt) = self.attempts.iter_mut().find(|attempt| attempt.run == run) {
            attempt.result = Some(result);
        }
    }

    /// Returns the number of runs in progress.
    pub(super) fn in_progress(&self) -> usize {
        self.attempts.iter().filter(|attempt| attempt.result.is_none()).count()
    }

    /// Whether no run is in progress and none waits.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.in_progress() == 0
    }

    /// Returns the results of an arm in order; `None` for a run in progress.
    pub(super) fn results(&self, arm: Arm) -> impl Iterator<Item = Option<RunResult>> + '_ {
        self.attempts.iter().filter(move |attempt| attempt.run.arm == arm).map(|attempt| attempt.result)
    }

    /// Returns the valid result of an arm.
    pub(super) fn valid(&self, arm: Arm) -> Option<RunResult> {
        self.results(arm).flatten().find(|result| result.is_valid())
    }
}

/// Counts of the complete pairs: those with a valid run of each arm, up to the first that is incomplete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairCounts {
    pub pairs: u32,
    pub failed_before: u32,
    pub failed_after: u32,
}

impl PairCounts {
    /// Adds a pair, if it is complete.
    pub(super) fn with(self, pair: &Pair) -> Option<Self> {
        let failed = |arm| pair.valid(arm).map(|result| u32::from(result == RunResult::Failed));
        Some(Self {
            pairs: self.pairs + 1,
            failed_before: self.failed_before + failed(Arm::Before)?,
            failed_after: self.failed_after + failed(Arm::After)?,
        })
    }
}
