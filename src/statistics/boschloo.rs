//! Boschloo's exact test of two failure rates.
//!
//! The p value of Fisher's exact test orders the outcomes. The p value is the greatest probability, over all common
//! failure rates, of an outcome that is at least as extreme. The test is never weaker than Fisher's, and its error does
//! not exceed its level, whatever the failure rate is (Boschloo 1970, Statistica Neerlandica 24).

use super::binomial::{Binomial, Hypergeometric};

/// The level of the test of outcomes: p values up to it are significant.
///
/// The measured rows of a comparison have the rest of 5 %.
pub const OUTCOME_LEVEL: f64 = 0.045;

/// The number of failure rates at which the test searches for the maximum.
const RATES: u32 = 1_001;
/// Tail probabilities within this share of each other are equal: floating-point error.
const TIE_TOLERANCE: f64 = 1e-9;
/// The width at which the search for the maximum ends.
const RATE_TOLERANCE: f64 = 1e-10;
/// The ratio of the golden section.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// The outcomes of the valid runs of an arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutcomeCounts {
    /// The number of valid runs.
    pub valid: u32,
    /// The number of valid runs that failed.
    pub failed: u32,
}

impl OutcomeCounts {
    /// Returns the failure rate of the arm, shrunk to the middle: (failed + 1/2) / (valid + 1).
    pub(super) fn shrunk_rate(self) -> f64 {
        (f64::from(self.failed.min(self.valid)) + 0.5) / (f64::from(self.valid) + 1.0)
    }
}

/// The p values of a test of two failure rates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutcomeTest {
    /// The two-sided p value: twice the smaller one-sided p value, at most 1.
    pub p: f64,
    /// The one-sided p value for a greater failure rate before.
    pub p_greater: f64,
    /// The one-sided p value for a smaller failure rate before.
    pub p_less: f64,
}

/// Tests whether the failure rates of two arms differ (Boschloo).
///
/// Without valid runs in an arm, all p values are 1. More failed runs than valid runs count as all runs.
pub fn boschloo(before: OutcomeCounts, after: OutcomeCounts) -> OutcomeTest {
    let p_greater = one_sided_p(before, after);
    let p_less = one_sided_p(after, before);
    OutcomeTest { p: (2.0 * p_greater.min(p_less)).min(1.0), p_greater, p_less }
}

/// Returns the one-sided p value for a greater failure rate of the first arm.
fn one_sided_p(first: OutcomeCounts, second: OutcomeCounts) -> f64 {
    if first.valid == 0 || second.valid == 0 {
        return 1.0;
    }
    let tails = Hypergeometric::new(first.valid, second.valid);
    let observed = tails.upper_tail(first.failed.min(first.valid), second.failed.min(second.valid));
    OneSidedRegion::new((first.valid, second.valid), &tails, observed).supremum()
}

/// The counts of two arms whose tail probability does not exceed a threshold.
#[derive(Clone, Debug)]
struct OneSidedRegion {
    /// For each count of the first arm, the number of counts of the second arm; these begin at 0.
    widths: Vec<u32>,
    first: Binomial,
    second: Binomial,
}

impl OneSidedRegion {
    fn new(sizes: (u32, u32), tails: &Hypergeometric, threshold: f64) -> Self {
        let limit = threshold * (1.0 + TIE_TOLERANCE);
        // the tail grows with the second count and falls with the first: each width continues from the previous one
        let mut width = 0;
        let widths = (0..=sizes.0).map(|count| {
            while width <= sizes.1 && tails.upper_tail(count, width) <= limit {
                width += 1;
            }
            width
        });
        Self { widths: widths.collect(), first: Binomial::new(sizes.0), second: Binomial::new(sizes.1) }
    }

    fn contains(&self, first: u32, second: u32) -> bool {
        self.widths.get(first as usize).is_some_and(|width| second < *width)
    }

    /// Returns the probability of the region if the arms have these failure rates.
    fn probability(&self, rates: (f64, f64), buffers: &mut [Vec<f64>; 2]) -> f64 {
        let [first, second] = buffers;
        self.first.probabilities(rates.0, first);
        self.second.probabilities(rates.1, second);
        let (mut from, mut below, mut sum) = (0, 0.0, 0.0);
        for (width, probability) in self.widths.iter().zip(first) {
            let width = *width as usize;
            below += second[from..width].iter().sum::<f64>();
            from = width;
            sum += *probability * below;
        }
        sum.min(1.0)
    }

    /// Returns the greatest probability of the region over all common failure rates.
    fn supremum(&self) -> f64 {
        let mut buffers = [Vec::new(), Vec::new()];
        let mut at = |rate: f64| self.probability((rate, rate), &mut buffers);
        let step = 1.0 / f64::from(RATES - 1);
        let (mut best, mut greatest) = (0, 0.0);
        for place in 0..RATES {
            let found = at(f64::from(place) * step);
            if found > greatest {
                (best, greatest) = (place, found);
            }
        }
        let (mut low, mut high) =
            (f64::from(best.saturating_sub(1)) * step, (f64::from(best + 1) * step).min(1.0));
        let (mut left, mut right) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
        let (mut at_left, mut at_right) = (at(left), at(right));
        while high - low > RATE_TOLERANCE {
            greatest = greatest.max(at_left).max(at_right);
            if at_left > at_right {
                (high, right, at_right) = (right, left, at_left);
                left = high - GOLDEN * (high - low);
                at_left = at(left);
            } else {
                (low, left, at_left) = (left, right, at_right);
                right = low + GOLDEN * (high - low);
                at_right = at(right);
            }
        }
        greatest
    }
}

/// All counts of failed runs that are significant for two arms of given sizes.
///
/// It contains the counts for which [`boschloo`] returns a p value up to the level.
#[derive(Clone, Debug)]
pub struct RejectionRegion {
    /// More failed runs before.
    greater: Option<OneSidedRegion>,
    /// More failed runs after; the arms are exchanged.
    less: Option<OneSidedRegion>,
}

impl RejectionRegion {
    /// Creates the region for the valid runs per arm. The time grows with the cube of the sizes.
    pub fn new(before: u32, after: u32, level: f64) -> Self {
        let greater = largest_region((before, after), level / 2.0);
        let less =
            if before == after { greater.clone() } else { largest_region((after, before), level / 2.0) };
        Self { greater, less }
    }

    /// Returns whether these counts of failed runs are significant.
    pub fn contains(&self, failed_before: u32, failed_after: u32) -> bool {
        self.greater.as_ref().is_some_and(|region| region.contains(failed_before, failed_after))
            || self.less.as_ref().is_some_and(|region| region.contains(failed_after, failed_before))
    }

    /// Returns the probability of a significant result if the arms have these failure rates.
    pub fn probability(&self, rate_before: f64, rate_after: f64) -> f64 {
        let mut buffers = [Vec::new(), Vec::new()];
        let mut of = |region: &Option<OneSidedRegion>, rates| {
            region.as_ref().map_or(0.0, |region| region.probability(rates, &mut buffers))
        };
        of(&self.greater, (rate_before, rate_after)) + of(&self.less, (rate_after, rate_before))
    }
}

/// Returns the largest region whose probability does not exceed the level at any common failure rate.
fn largest_region(sizes: (u32, u32), level: f64) -> Option<OneSidedRegion> {
    let tails = Hypergeometric::new(sizes.0, sizes.1);
    let mut thresholds = tails.all_upper_tails();
    thresholds.sort_unstable_by(f64::total_cmp);
    // the greatest of equal thresholds stands for all of them
    thresholds.dedup_by(|next, kept| {
        let is_tie = *next <= *kept * (1.0 + TIE_TOLERANCE);
        if is_tie {
            *kept = *next;
        }
        is_tie
    });
    let region = |threshold: f64| OneSidedRegion::new(sizes, &tails, threshold);
    let fits = thresholds.partition_point(|threshold| region(*threshold).supremum() <= level);
    fits.checked_sub(1).map(|place| region(thresholds[place]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(before: (u32, u32), after: (u32, u32)) -> OutcomeTest {
        let counts = |(failed, valid)| OutcomeCounts { valid, failed };
        boschloo(counts(before), counts(after))
    }

    #[test]
    fn p_matches_reference() {
        let check = |before: (u32, u32), after: (u32, u32), expected: f64| {
            let found = test(before, after).p;
            assert!((found - expected).abs() < 6e-6, "{before:?} {after:?}: {found}");
        };
        // scipy.stats.boschloo_exact with n=256
        check((1, 1), (0, 1), 0.5);
        check((2, 2), (0, 2), 0.125);
        check((3, 3), (0, 2), 0.069_12);
        check((3, 3), (0, 3), 0.031_25);
        check((2, 3), (0, 3), 0.218_75);
        check((3, 3), (1, 3), 0.218_75);
        check((4, 4), (0, 4), 0.007_81);
        check((3, 4), (0, 4), 0.070_31);
        check((4, 5), (0, 5), 0.021_48);
        check((5, 5), (1, 5), 0.021_48);
        check((3, 5), (0, 5), 0.061_85);
        check((4, 5), (1, 5), 0.109_38);
        check((4, 10), (0, 10), 0.042_19);
        check((9, 10), (1, 10), 0.000_40);
        check((5, 10), (1, 10), 0.062_31);
        check((6, 10), (1, 10), 0.022_78);
        check((7, 10), (2, 10), 0.041_39);
        check((5, 20), (0, 20), 0.022_53);
        check((4, 20), (0, 20), 0.060_99);
        check((10, 20), (4, 20), 0.053_26);
        check((3, 3), (0, 10), 0.001_78);
        check((3, 3), (2, 10), 0.022_45);
        check((5, 5), (2, 8), 0.010_27);
        check((6, 30), (1, 30), 0.056_08);
    }

    #[test]
    fn p_without_difference_or_runs_is_1() {
        for (before, after) in
            [((0, 3), (0, 3)), ((3, 3), (3, 3)), ((0, 0), (0, 3)), ((2, 2), (0, 0)), ((0, 0), (0, 0))]
        {
            assert!((test(before, after).p - 1.0).abs() < 1e-12, "{before:?} {after:?}");
        }
        // more failed runs than valid runs count as all
        assert_eq!(test((9, 3), (0, 3)), test((3, 3), (0, 3)));
    }

    #[test]
    fn exchanged_arms_exchange_the_one_sided_p_values() {
        for (before, after) in [((3, 3), (0, 2)), ((7, 10), (2, 10)), ((1, 4), (6, 9)), ((2, 5), (2, 5))] {
            let (found, exchanged) = (test(before, after), test(after, before));
            assert!((found.p_greater - exchanged.p_less).abs() < 1e-12, "{found:?} {exchanged:?}");
            assert!((found.p_less - exchanged.p_greater).abs() < 1e-12, "{found:?} {exchanged:?}");
            let held = |(failed, valid)| (valid - failed, valid);
            let opposite = test(held(before), held(after));
            assert!((found.p - opposite.p).abs() < 1e-9, "{found:?} {opposite:?}");
        }
    }

    #[test]
    fn thousand_runs_have_a_p_value() {
        // far apart, and equal
        assert!(test((900, 1000), (100, 1000)).p < 1e-100);
        assert!(test((500, 1000), (500, 1000)).p > 0.95);
        // a normal approximation gives 0.0067
        let p = test((400, 1000), (341, 1000)).p;
        assert!((0.006..0.0075).contains(&p), "{p}");
    }

    /// Lists, for each count of one arm, the least significant count of the other arm that fails more.
    fn least_counts(runs: u32) -> String {
        let region = RejectionRegion::new(runs, runs, OUTCOME_LEVEL);
        let least = |fewer: u32| (fewer + 1..=runs).find(|more| region.contains(*more, fewer));
        let counts = (0..runs).filter_map(|fewer| Some(format!("{}:{fewer}", least(fewer)?)));
        counts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn least_significant_counts_match_reference() {
        let check = |runs: u32, expected: &str| assert_eq!(least_counts(runs), expected, "{runs}");
        check(1, "");
        check(3, "3:0");
        check(4, "4:0");
        check(5, "4:0 5:1");
        check(6, "4:0 5:1 6:2");
        check(7, "4:0 6:1 7:2 7:3");
        check(8, "4:0 6:1 7:2 8:3 8:4");
        check(10, "4:0 6:1 7:2 8:3 9:4 10:5 10:6");
        check(11, "5:0 6:1 7:2 9:3 9:4 10:5 11:6");
        check(15, "4:0 6:1 8:2 9:3 10:4 11:5 12:6 13:7 14:8 14:9 15:10 15:11");
        check(20, "5:0 7:1 8:2 9:3 11:4 12:5 13:6 14:7 15:8 16:9 17:10 17:11 18:12 19:13 20:14 20:15");
    }

    #[test]
    fn region_contains_the_counts_whose_p_is_significant() {
        for (before, after) in [(2, 2), (3, 2), (3, 10), (5, 8), (7, 7), (10, 4)] {
            let region = RejectionRegion::new(before, after, OUTCOME_LEVEL);
            for (x, y) in (0..=before).flat_map(|x| (0..=after).map(move |y| (x, y))) {
                let p = test((x, before), (y, after)).p;
                assert_eq!(region.contains(x, y), p <= OUTCOME_LEVEL, "{x}/{before} {y}/{after}: {p}");
            }
            assert!(!region.contains(before + 1, 0) && !region.contains(0, after + 1));
        }
    }

    #[test]
    fn probability_of_the_region_matches_reference() {
        let check = |runs: u32, rates: (f64, f64), expected: f64| {
            let found = RejectionRegion::new(runs, runs, OUTCOME_LEVEL).probability(rates.0, rates.1);
            assert!((found - expected).abs() < 5e-4, "{runs} {rates:?}: {found}");
        };
        check(3, (0.5, 0.5), 0.0313);
        check(3, (0.9, 0.1), 0.531);
        check(5, (0.9, 0.1), 0.736);
        check(10, (0.5, 0.0), 0.828);
        check(10, (0.5, 0.5), 0.042);
        check(20, (0.2, 0.02), 0.273);
        check(10, (0.0, 0.0), 0.0);
        check(10, (1.0, 0.0), 1.0);
    }
}
