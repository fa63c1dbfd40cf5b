//! Decides which run of a trial comes next, and when the trial ends. Pure.
//!
//! Pairs are interleaved, so a drift during the trial affects both arms alike. The seed draws the arm that begins, and
//! the arms alternate after that. Results count in the order of the pairs, whichever run ends first.

use super::pairs::{Pair, PairCounts, RunResult, ScheduledRun};
use crate::arm::Arm;
use crate::compare::LastingCause;
use crate::rng::SeededRng;
use crate::statistics::{Race, StopReason};

/// Attempts per pair that replace void runs.
const MAX_REPLAYS_PER_PAIR: u32 = 2;

/// How many pairs a trial has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repetition {
    /// This number of runs per arm, decided before the first run.
    Fixed(u32),
    /// As many pairs as the answer takes.
    Auto {
        /// Maximum number of pairs.
        max_pairs: u32,
    },
}

impl Repetition {
    /// Returns the maximum number of pairs.
    pub fn max_pairs(self) -> u32 {
        match self {
            Self::Fixed(pairs) | Self::Auto { max_pairs: pairs } => pairs,
        }
    }

    /// Returns how often a trial repeats void runs of one arm.
    pub fn max_replays_per_arm(self) -> u32 {
        match self {
            Self::Fixed(_) => 0,
            Self::Auto { max_pairs } => max_pairs / 2,
        }
    }
}

/// How many runs take place at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// One run after the other.
    Sequential,
    /// Both runs of this many pairs.
    Pairs(u32),
}

/// Why a trial ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialEnd {
    /// Every run of the design took place.
    AllRuns,
    /// The outcomes decide, or more pairs would not.
    Race {
        reason: StopReason,
        /// Pairs that decided.
        counts: PairCounts,
    },
    /// Two runs of an arm in a row were void for the same cause.
    RepeatedVoid { arm: Arm, cause: LastingCause },
    /// The void runs of an arm were repeated as often as the design allows.
    TooManyVoid { arm: Arm },
}

/// Schedule of a trial.
#[derive(Debug)]
pub struct Schedule {
    repetition: Repetition,
    concurrency: Concurrency,
    arms: Vec<Arm>,
    pairs: Vec<Pair>,
    race: Option<Race>,
    /// Complete pairs that were judged.
    counts: PairCounts,
    end: Option<TrialEnd>,
}

impl Schedule {
    /// Creates the schedule of a trial with both arms.
    pub fn new(repetition: Repetition, concurrency: Concurrency, seed: u64) -> Self {
        let first = if SeededRng::new(seed).below(2) == 0 { Arm::Before } else { Arm::After };
        Self::with_arms(repetition, concurrency, vec![first, first.opposite()])
    }

    /// Creates the schedule of a trial whose runs before the change took place earlier.
    pub fn after_only(runs: u32, concurrency: Concurrency) -> Self {
        Self::with_arms(Repetition::Fixed(runs), concurrency, vec![Arm::After])
    }

    fn with_arms(repetition: Repetition, concurrency: Concurrency, arms: Vec<Arm>) -> Self {
        let race = match repetition {
            Repetition::Fixed(_) => None,
            Repetition::Auto { max_pairs } => Some(Race::new(max_pairs)),
        };
        let end = (repetition.max_pairs() == 0).then_some(TrialEnd::AllRuns);
        let counts = PairCounts::default();
        Self { repetition, concurrency, arms, pairs: Vec::new(), race, counts, end }
    }

    /// Returns the runs that start now. Every one of them has to be recorded.
    ///
    /// Empty if the trial ended, or if a run in progress has to end first.
    pub fn next_runs(&mut self) -> Vec<ScheduledRun> {
        let mut runs = Vec::new();
        while let Some(run) = self.next_run() {
            runs.push(run);
        }
        runs
    }

    fn next_run(&mut self) -> Option<ScheduledRun> {
        if self.end.is_some() {
            return None;
        }
        let in_progress: usize = self.pairs.iter().map(Pair::in_progress).sum();
        let pairs_at_once = match self.concurrency {
            Concurrency::Sequential if in_progress > 0 => return None,
            Concurrency::Sequential => 1,
            Concurrency::Pairs(pairs) => pairs.max(1),
        };
        let mut started = self.started_runs();
        let mut repeat = |arm: Arm| {
            let count = &mut started[usize::from(arm == Arm::After)];
            *count += 1;
            *count
        };
        for (number, pair) in (1..).zip(&mut self.pairs) {
            if let Some(run) = pair.start(number, &mut repeat) {
                return Some(run);
            }
        }
        let open = self.pairs.iter().filter(|pair| !pair.is_idle()).count();
        let number = u32::try_from(self.pairs.len()).unwrap_or(u32::MAX).saturating_add(1);
        if number > self.repetition.max_pairs() || open >= pairs_at_once as usize {
            return None;
        }
        let mut arms = self.arms.clone();
        if number.is_multiple_of(2) {
            arms.reverse();
        }
        let mut pair = Pair::new(arms);
        let run = pair.start(number, &mut repeat);
        self.pairs.push(pair);
        run
    }

    /// Returns the number of runs that started, before and after the change.
    fn started_runs(&self) -> [u32; 2] {
        [Arm::Before, Arm::After].map(|arm| {
            let count: usize = self.pairs.iter().map(|pair| pair.results(arm).count()).sum();
            u32::try_from(count).unwrap_or(u32::MAX)
        })
    }

    /// Records the result of a run, and decides whether the trial ends.
    pub fn record(&mut self, run: ScheduledRun, result: RunResult) {
        let Some(index) = (run.pair as usize).checked_sub(1).filter(|index| *index < self.pairs.len()) else {
            return;
        };
        self.pairs[index].record(run, result);
        if self.end.is_some() {
            return;
        }
        self.end = self.repeated_void(run.arm).or_else(|| match self.repetition {
            Repetition::Fixed(pairs) => {
                let is_over = self.pairs.len() == pairs as usize && self.pairs.iter().all(Pair::is_idle);
                is_over.then_some(TrialEnd::AllRuns)
            }
            Repetition::Auto { .. } => self.judge_pairs().or_else(|| self.plan_replays(index)),
        });
    }

    /// Returns the end of the trial if two runs of an arm in a row were void for the same lasting cause.
    ///
    /// In a fixed design only the first two count: later runs are part of a number that was decided before.
    fn repeated_void(&self, arm: Arm) -> Option<TrialEnd> {
        let results: Vec<_> = self.pairs.iter().flat_map(|pair| pair.results(arm)).collect();
        let considered = match self.repetition {
            Repetition::Fixed(_) => &results[..results.len().min(2)],
            Repetition::Auto { .. } => &results[..],
        };
        considered.windows(2).find_map(|two| match two {
            [Some(RunResult::Void(Some(first))), Some(RunResult::Void(Some(second)))] if first == second => {
                Some(TrialEnd::RepeatedVoid { arm, cause: *first })
            }
            _ => None,
        })
    }

    /// Adds the complete pairs in their order, until one of them decides.
    fn judge_pairs(&mut self) -> Option<TrialEnd> {
        let race = self.race.as_ref()?;
        while let Some(counts) =
            self.pairs.get(self.counts.pairs as usize).and_then(|pair| self.counts.with(pair))
        {
            self.counts = counts;
            if let Some(reason) = race.stop(counts.pairs, counts.failed_before, counts.failed_after) {
                return Some(TrialEnd::Race { reason, counts });
            }
        }
        None
    }

    /// Repeats the void runs of a pair, once its other run ended.
    fn plan_replays(&mut self, index: usize) -> Option<TrialEnd> {
        if !self.pairs[index].is_idle() {
            return None;
        }
        for arm in self.arms.clone() {
            if self.pairs[index].valid(arm).is_some() {
                continue;
            }
            let of_arm: u32 = self.pairs.iter().map(|pair| pair.replays(arm)).sum();
            let of_pair: u32 = self.arms.iter().map(|arm| self.pairs[index].replays(*arm)).sum();
            if of_pair >= MAX_REPLAYS_PER_PAIR || of_arm >= self.repetition.max_replays_per_arm() {
                return Some(TrialEnd::TooManyVoid { arm });
            }
            self.pairs[index].replay(arm);
        }
        None
    }

    /// Returns why the trial ended; `None` while it goes on.
    pub fn end(&self) -> Option<TrialEnd> {
        self.end
    }

    /// Returns the counts of the complete pairs that were judged. A fixed design judges none.
    pub fn counts(&self) -> PairCounts {
        self.counts
    }

    /// Returns the rule that ends the trial, in an automatic design.
    pub fn race(&self) -> Option<&Race> {
        self.race.as_ref()
    }
}

#[cfg(test)]
mod tests;
