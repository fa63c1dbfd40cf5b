//! The sequential design of outcomes: a trial that runs pairs until the answer is known.
//!
//! After every pair the failed runs of both arms are compared with limits. A limit depends on the two counts only: one
//! arm leads by so many failed runs (or by so many held runs) over the other arm. The chance that any limit is reached
//! without a difference is 4.74 % for 20 pairs, at any constant failure rate, and 4.91 % at any drift that both runs of
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
    /// They are in the order of the pairs; of the same pair, significant results come first. Empty if it stops now.
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
        stops.sort_by_key(|stop| (stop.pairs, !stop.reason.is_significant()));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(outcome: LeadOutcome, more: u32, fewer: u32) -> StopReason {
        StopReason::Lead(LeadLimit { outcome, more, fewer })
    }

    #[test]
    fn trial_stops_at_the_limits() {
        let race = Race::new(20);
        let check = |pairs: u32, before: u32, after: u32, expected: Option<StopReason>| {
            assert_eq!(race.stop(pairs, before, after), expected, "{pairs}; {before}, {after}");
            // exchanged arms stop alike
            assert_eq!(race.stop(pairs, after, before), expected, "{pairs}; {after}, {before}");
        };
        use LeadOutcome::{Failed, Held};
        for pairs in 0..3 {
            check(pairs, pairs, 0, None);
        }
        check(3, 3, 0, Some(StopReason::CleanSplit));
        check(3, 2, 0, None);
        check(4, 4, 0, None);
        check(5, 5, 0, Some(lead(Failed, 5, 0)));
        check(7, 5, 0, Some(lead(Failed, 5, 0)));
        // five runs of one arm held, and none of the other
        check(7, 7, 2, Some(lead(Held, 5, 0)));
        check(10, 9, 1, Some(lead(Failed, 9, 1)));
        check(12, 11, 2, Some(lead(Failed, 11, 2)));
        check(15, 12, 3, Some(lead(Failed, 12, 3)));
        check(16, 13, 4, Some(lead(Failed, 13, 4)));
        check(17, 14, 5, Some(lead(Failed, 14, 5)));
        check(19, 16, 7, Some(lead(Held, 12, 3)));
        check(4, 0, 0, None);
        check(5, 0, 0, Some(StopReason::SameOutcome));
        check(5, 5, 5, Some(StopReason::SameOutcome));
        check(5, 1, 1, Some(StopReason::Unlikely));
        check(5, 1, 0, None);
        check(6, 2, 2, Some(StopReason::Unlikely));
        check(9, 8, 9, Some(StopReason::Unlikely));
        check(19, 4, 0, None);
        check(20, 4, 0, Some(StopReason::MaxPairs));
        check(20, 20, 20, Some(StopReason::SameOutcome));
        check(20, 5, 0, Some(lead(Failed, 5, 0)));
    }

    #[test]
    fn smaller_maximum_keeps_the_limits() {
        let race = Race::new(8);
        assert_eq!(race.stop(3, 0, 3), Some(StopReason::CleanSplit));
        assert_eq!(race.stop(8, 5, 0), Some(lead(LeadOutcome::Failed, 5, 0)));
        assert_eq!(race.stop(8, 4, 0), Some(StopReason::MaxPairs));
        assert_eq!(race.lead_limits(), [(5, 0)]);
        assert_eq!(Race::new(20).lead_limits(), [(5, 0), (9, 1), (11, 2), (12, 3), (13, 4), (14, 5)]);
        assert_eq!(Race::new(1).stop(1, 1, 0), Some(StopReason::MaxPairs));
        assert_eq!(Race::new(3).stop(3, 3, 0), Some(StopReason::CleanSplit));
        assert_eq!((Race::new(0).max_pairs(), Race::new(99).max_pairs()), (1, 20));
    }

    #[test]
    fn chance_of_a_result_matches_reference() {
        let race = Race::new(20);
        let check = |pairs: u32, before: u32, after: u32, expected: f64| {
            let found = race.value(pairs, before, after);
            assert!((found - expected).abs() < 6e-5, "{pairs}; {before}, {after}: {found}");
            assert!((race.value(pairs, after, before) - found).abs() < 1e-12);
            // failed and held runs are alike
            assert!((race.value(pairs, pairs - before, pairs - after) - found).abs() < 1e-12);
        };
        check(3, 2, 0, 0.7843);
        check(3, 3, 0, 1.0);
        check(5, 0, 0, 0.0826);
        check(5, 1, 1, 0.0557);
        check(5, 1, 0, 0.2997);
        check(5, 2, 0, 0.6415);
        check(5, 3, 1, 0.4161);
        check(6, 2, 2, 0.0374);
        check(7, 2, 1, 0.0586);
        check(8, 3, 1, 0.1483);
        check(9, 8, 9, 0.0987);
        check(10, 3, 0, 0.6583);
        check(10, 4, 1, 0.2062);
        check(10, 5, 3, 0.0472);
        check(15, 4, 0, 0.7149);
        check(19, 4, 0, 0.2194);
        check(20, 4, 0, 0.0);
    }

    #[test]
    fn only_limits_are_significant() {
        assert!(StopReason::CleanSplit.is_significant() && lead(LeadOutcome::Held, 9, 1).is_significant());
        for reason in [StopReason::SameOutcome, StopReason::Unlikely, StopReason::MaxPairs] {
            assert!(!reason.is_significant() && reason.limit().is_none());
        }
        let words = |reason: StopReason| reason.limit().map(|limit| limit.to_string());
        assert_eq!(words(StopReason::CleanSplit).as_deref(), Some("3 to none"));
        assert_eq!(words(lead(LeadOutcome::Failed, 5, 0)).as_deref(), Some("5 to none"));
        assert_eq!(words(lead(LeadOutcome::Held, 9, 1)).as_deref(), Some("9 to 1"));
    }

    #[test]
    fn next_stops_are_the_earliest_of_each_kind() {
        let race = Race::new(10);
        let stops = race.next_stops(2, 2, 0);
        let stop = |pairs, failed_before, failed_after, reason| NextStop {
            pairs,
            failed_before,
            failed_after,
            reason,
        };
        assert_eq!(stops[0], stop(3, 3, 0, StopReason::CleanSplit));
        assert!(stops.contains(&stop(6, 5, 0, lead(LeadOutcome::Failed, 5, 0))), "{stops:?}");
        assert!(stops.iter().all(|stop| stop.pairs > 2 && stop.pairs <= 10));
        assert!(stops.is_sorted_by_key(|stop| stop.pairs));
        // one more failed run ends it
        assert_eq!(race.next_stops(7, 4, 0)[0], stop(8, 5, 0, lead(LeadOutcome::Failed, 5, 0)));
        // every stop is one, and none comes before it on the way
        for next in race.next_stops(0, 0, 0) {
            assert_eq!(race.stop(next.pairs, next.failed_before, next.failed_after), Some(next.reason));
        }
        assert_eq!(race.next_stops(5, 0, 0), []);
    }
}
