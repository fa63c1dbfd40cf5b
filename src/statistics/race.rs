//! The sequential design of outcomes: a trial that runs pairs until the answer is known.
//!
//! After every pair the failed runs of both arms are compared with limits. A limit depends on the two counts only: one
//! arm leads by so many failed runs (or by so many held runs) over the other arm. The chance that any limit is reached
//! without a difference is 4.74 % for 20 pairs, at any constant failure rate, and 4.89 % at any drift that both runs of
//! a pair share. It is smaller for fewer pairs.

use std::fmt;

/// The maximum number of pairs of a trial. For more pairs the limits are too low to keep the error below 5 %.
pub const MAX_PAIRS: u32 = 20;
/// The count that the leading arm needs, by the count of the other arm.
pub const LEAD_LIMITS: [u32; 6] = [5, 9, 11, 12, 13, 14];
/// The number of pairs after which all failed runs in one arm, and none in the other, are significant.
pub const CLEAN_SPLIT_PAIRS: u32 = 3;
/// The number of pairs from which a trial ends without a significant result.
pub const MIN_PAIRS_WITHOUT_RESULT: u32 = 5;
/// The predicted chance of a significant result below which a trial ends.
pub const MIN_CHANCE: f64 = 0.1;

/// Why a trial ends after a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// After three pairs, all runs of one arm failed and all runs of the other held.
    CleanSplit,
    /// One arm leads by a limit.
    Lead(LeadLimit),
    /// All runs of both arms had the same outcome.
    SameOutcome,
    /// A significant result within the maximum number of pairs is unlikely.
    Unlikely,
    /// The maximum number of pairs is reached.
    MaxPairs,
}

impl StopReason {
    /// Returns whether the failure rates of the arms differ significantly.
    pub fn is_significant(self) -> bool {
        matches!(self, Self::CleanSplit | Self::Lead(_))
    }

    /// Returns the limit that the counts reached; none without a significant result.
    pub fn limit(self) -> Option<LeadLimit> {
        match self {
            Self::CleanSplit => {
                Some(LeadLimit { outcome: LeadOutcome::Failed, more: CLEAN_SPLIT_PAIRS, fewer: 0 })
            }
            Self::Lead(limit) => Some(limit),
            Self::SameOutcome | Self::Unlikely | Self::MaxPairs => None,
        }
    }
}

/// The outcome of the runs that a lead counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeadOutcome {
    /// Runs that failed.
    Failed,
    /// Runs that held.
    Held,
}

/// A limit: so many runs of one arm and so many of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeadLimit {
    /// The outcome of the counted runs.
    pub outcome: LeadOutcome,
    /// The count of the leading arm.
    pub more: u32,
    /// The count of the other arm.
    pub fewer: u32,
}

/// Writes `5 to none`.
impl fmt::Display for LeadLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fewer {
            0 => write!(f, "{} to none", self.more),
            fewer => write!(f, "{} to {fewer}", self.more),
        }
    }
}

/// A stop that later pairs can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextStop {
    /// The pairs after which the trial would stop.
    pub pairs: u32,
    /// The failed runs before at that point.
    pub failed_before: u32,
    /// The failed runs after at that point.
    pub failed_after: u32,
    /// Why it would stop.
    pub reason: StopReason,
}

/// The design of a trial with a maximum number of pairs.
#[derive(Clone, Debug)]
pub struct Race {
    max_pairs: u32,
    /// For each number of pairs, the chance of a significant result by the counts of failed runs.
    chances: Vec<Vec<f64>>,
}

impl Race {
    /// Creates the design. A maximum outside 1 to 20 pairs becomes the nearest of them.
    pub fn new(max_pairs: u32) -> Self {
        let max_pairs = max_pairs.clamp(1, MAX_PAIRS);
        let mut chances: Vec<Vec<f64>> = (0..=max_pairs)
            .map(|pairs| {
                let counts = (0..=pairs).flat_map(|before| (0..=pairs).map(move |after| (before, after)));
                let is_over = |(before, after)| reached_limit(pairs, before, after).is_some();
                counts.map(|counts| if is_over(counts) { 1.0 } else { 0.0 }).collect()
            })
            .collect();
        for pairs in (0..max_pairs).rev() {
            let rate = |failed: u32| (f64::from(failed) + 0.5) / (f64::from(pairs) + 1.0);
            for before in 0..=pairs {
                for after in 0..=pairs {
                    if reached_limit(pairs, before, after).is_some() {
                        continue;
                    }
                    let next = |more_before: u32, more_after: u32| {
                        chances[pairs as usize + 1]
                            [place(pairs + 1, before + more_before, after + more_after)]
                    };
                    let (fails_before, fails_after) = (rate(before), rate(after));
                    let if_held = (1.0 - fails_after) * next(0, 0) + fails_after * next(0, 1);
                    let if_failed = (1.0 - fails_after) * next(1, 0) + fails_after * next(1, 1);
                    let chance = (1.0 - fails_before) * if_held + fails_before * if_failed;
                    chances[pairs as usize][place(pairs, before, after)] = chance;
                }
            }
        }
        Self { max_pairs, chances }
    }

    /// Returns the maximum number of pairs.
    pub fn max_pairs(&self) -> u32 {
        self.max_pairs
    }

    /// Returns why the trial stops after these pairs; none if another pair follows.
    ///
    /// The counts are those of the failed runs among the first `pairs` valid runs of each arm.
    pub fn stop(&self, pairs: u32, failed_before: u32, failed_after: u32) -> Option<StopReason> {
        let (before, after) = (failed_before.min(pairs), failed_after.min(pairs));
        if let Some(reason) = reached_limit(pairs, before, after) {
            return Some(reason);
        }
        let failed = before + after;
        if pairs >= MIN_PAIRS_WITHOUT_RESULT {
            if failed == 0 || failed == 2 * pairs {
                return Some(StopReason::SameOutcome);
            }
            if pairs < self.max_pairs && self.value(pairs, before, after) < MIN_CHANCE {
                return Some(StopReason::Unlikely);
            }
        }
        (pairs >= self.max_pairs).then_some(StopReason::MaxPairs)
    }

    /// Predicts the chance of a significant result, from 0 to 1.
    ///
    /// The prediction takes the failure rate of each arm as (failed + 1/2) / (pairs + 1), again after every pair. Stops
    /// without a significant result are not part of it.
    pub fn value(&self, pairs: u32, failed_before: u32, failed_after: u32) -> f64 {
        let pairs = pairs.min(self.max_pairs);
        self.chances[pairs as usize][place(pairs, failed_before.min(pairs), failed_after.min(pairs))]
    }

    /// Returns the limits of a lead that the maximum number of pairs can reach, the clearest first.
    pub fn lead_limits(&self) -> Vec<(u32, u32)> {
        (0..)
            .zip(LEAD_LIMITS)
            .map(|(fewer, more)| (more, fewer))
            .filter(|(more, _)| *more <= self.max_pairs)
            .collect()
    }

    /// Returns the earliest points at which the trial can stop, one for each reason and leading arm.
    ///
    /// Empty if it stops now.
    pub fn next_stops(&self, pairs: u32, failed_before: u32, failed_after: u32) -> Vec<NextStop> {
        let mut stops: Vec<NextStop> = Vec::new();
        let mut open = vec![(failed_before.min(pairs), failed_after.min(pairs))];
        if self.stop(pairs, failed_before, failed_after).is_some() {
            return stops;
        }
        for pairs in pairs + 1..=self.max_pairs {
            let mut reachable: Vec<(u32, u32)> = open
                .iter()
                .flat_map(|(before, after)| {
                    [(0, 0), (0, 1), (1, 0), (1, 1)].map(|more| (before + more.0, after + more.1))
                })
                .collect();
            reachable.sort_unstable();
            reachable.dedup();
            open.clear();
            for (before, after) in reachable {
                let Some(reason) = self.stop(pairs, before, after) else {
                    open.push((before, after));
                    continue;
                };
                let is_known = stops.iter().any(|stop| {
                    stop.reason == reason && stop.failed_before.cmp(&stop.failed_after) == before.cmp(&after)
                });
                if !is_known {
                    stops.push(NextStop { pairs, failed_before: before, failed_after: after, reason });
                }
            }
        }
        stops
    }
}

/// Returns the limit that the counts reach.
fn reached_limit(pairs: u32, before: u32, after: u32) -> Option<StopReason> {
    let (high, low) = (before.max(after), before.min(after));
    if pairs == CLEAN_SPLIT_PAIRS && high == pairs && low == 0 {
        return Some(StopReason::CleanSplit);
    }
    let lead = |outcome: LeadOutcome, more: u32, fewer: u32| {
        let limit = *LEAD_LIMITS.get(fewer as usize)?;
        (more >= limit).then_some(StopReason::Lead(LeadLimit { outcome, more: limit, fewer }))
    };
    lead(LeadOutcome::Failed, high, low).or_else(|| lead(LeadOutcome::Held, pairs - low, pairs - high))
}

/// Returns the place of two counts in the table of a number of pairs.
fn place(pairs: u32, before: u32, after: u32) -> usize {
    (before * (pairs + 1) + after) as usize
}
