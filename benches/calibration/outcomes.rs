//! Exact properties of the tests of outcomes: probabilities of counts, without simulation.

use std::collections::HashMap;

use kubectl_chaos::statistics::{OUTCOME_LEVEL, Race, RejectionRegion, StopReason, clopper_pearson};

/// The failure rates over which an error is maximal, denser near 0 and 1.
const RATES: u32 = 2_000;
/// The level of rows where outcomes cannot tell the arms apart, and elsewhere.
const ROW_LEVELS: (f64, f64) = (0.05, 0.005);

/// A rule that decides from the failed runs of two arms whether their failure rates differ.
pub trait OutcomeRule {
    fn is_significant(&mut self, runs: (u32, u32), failed: (u32, u32)) -> bool;
}

/// The rule of `compare` for a fixed number of runs.
#[derive(Default)]
pub struct Boschloo {
    regions: HashMap<(u32, u32), RejectionRegion>,
}

impl OutcomeRule for Boschloo {
    fn is_significant(&mut self, runs: (u32, u32), failed: (u32, u32)) -> bool {
        let region =
            self.regions.entry(runs).or_insert_with(|| RejectionRegion::new(runs.0, runs.1, OUTCOME_LEVEL));
        runs.0.min(runs.1) >= 3 && region.contains(failed.0, failed.1)
    }
}

/// The rule of earlier versions: every run of one arm failed, and every run of the other held.
pub struct CleanSplitOnly;

impl OutcomeRule for CleanSplitOnly {
    fn is_significant(&mut self, runs: (u32, u32), failed: (u32, u32)) -> bool {
        runs.0.min(runs.1) >= 3 && (failed == (runs.0, 0) || failed == (0, runs.1))
    }
}

/// Returns the probabilities of 0 to `runs` failed runs.
pub fn binomial(runs: u32, rate: f64) -> Vec<f64> {
    let mut found = vec![1.0];
    for _ in 0..runs {
        let mut next = vec![0.0; found.len() + 1];
        for (failed, probability) in found.iter().enumerate() {
            next[failed] += probability * (1.0 - rate);
            next[failed + 1] += probability * rate;
        }
        found = next;
    }
    found
}

/// Returns the expectation of a function of the failed runs of both arms.
pub fn expectation(runs: (u32, u32), rates: (f64, f64), mut of: impl FnMut(u32, u32) -> f64) -> f64 {
    let (before, after) = (binomial(runs.0, rates.0), binomial(runs.1, rates.1));
    let mut sum = 0.0;
    for (failed_before, p) in (0..).zip(&before) {
        for (failed_after, q) in (0..).zip(&after) {
            sum += p * q * of(failed_before, failed_after);
        }
    }
    sum
}

/// Returns the probability that a rule finds a difference.
pub fn power(rule: &mut dyn OutcomeRule, runs: u32, rates: (f64, f64)) -> f64 {
    expectation((runs, runs), rates, |before, after| {
        f64::from(u8::from(rule.is_significant((runs, runs), (before, after))))
    })
}

/// Returns the greatest value of a function of the common failure rate, and its rate.
pub fn supremum(mut of: impl FnMut(f64) -> f64) -> (f64, f64) {
    let rates = (0..=RATES).map(|step| {
        let angle = std::f64::consts::FRAC_PI_2 * f64::from(step) / f64::from(RATES);
        angle.sin().powi(2)
    });
    rates
        .map(|rate| (of(rate), rate))
        .fold((0.0, 0.0), |best, found| if found.0 > best.0 { found } else { best })
}

/// Returns the maximum error of a rule for outcomes.
pub fn maximum_error(rule: &mut dyn OutcomeRule, runs: u32) -> f64 {
    supremum(|rate| power(rule, runs, (rate, rate))).0
}

/// Returns the maximum error of outcomes and rows together, if every test of rows uses its level fully.
pub fn maximum_family_error(rule: &mut dyn OutcomeRule, runs: (u32, u32)) -> f64 {
    let all = runs.0 + runs.1;
    let mut errors = HashMap::new();
    let mut error = |before: u32, after: u32| {
        *errors.entry((before, after)).or_insert_with(|| {
            let failed = before + after;
            if rule.is_significant(runs, (before, after)) {
                1.0
            } else if failed <= 1 || failed + 1 >= all {
                ROW_LEVELS.0
            } else {
                ROW_LEVELS.1
            }
        })
    };
    supremum(|rate| expectation(runs, (rate, rate), &mut error)).0
}

/// The results of an automatic trial: probabilities, and the expected number of pairs.
#[derive(Clone, Copy, Debug, Default)]
pub struct AutoResult {
    pub fixed: f64,
    pub improved: f64,
    pub broken: f64,
    pub regressed: f64,
    /// All runs had the same outcome.
    pub same: f64,
    pub pairs: f64,
}

impl AutoResult {
    pub fn claims(&self) -> f64 {
        self.fixed + self.improved + self.broken + self.regressed
    }
}

/// Which stops an automatic trial obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stops {
    All,
    /// Only those with a significant result: the error must not depend on the others.
    Significant,
}

/// Computes an automatic trial with a failure rate of each arm in each pair.
pub fn automatic(race: &Race, stops: Stops, rates: &[(f64, f64)]) -> AutoResult {
    let mut result = AutoResult::default();
    walk(race, stops, rates, |pairs, before, after, reason, probability| {
        result.pairs += f64::from(pairs) * probability;
        let share = match (reason.is_significant(), before > after) {
            (true, true) if after == 0 => &mut result.fixed,
            (true, true) => &mut result.improved,
            (true, false) if before == 0 => &mut result.broken,
            (true, false) => &mut result.regressed,
            (false, _) if before + after == 0 || before + after == 2 * pairs => &mut result.same,
            (false, _) => return,
        };
        *share += probability;
    });
    result
}

/// Computes an automatic trial with constant failure rates.
pub fn automatic_at(race: &Race, stops: Stops, rates: (f64, f64)) -> AutoResult {
    automatic(race, stops, &vec![rates; race.max_pairs() as usize])
}

/// Visits every point at which an automatic trial can stop, with its probability.
fn walk(
    race: &Race,
    stops: Stops,
    rates: &[(f64, f64)],
    mut visit: impl FnMut(u32, u32, u32, StopReason, f64),
) {
    let mut open = vec![vec![1.0]];
    for (pairs, (rate_before, rate_after)) in (1..=race.max_pairs()).zip(rates) {
        let mut next = vec![vec![0.0; pairs as usize + 1]; pairs as usize + 1];
        for (before, row) in open.iter().enumerate() {
            for (after, probability) in row.iter().enumerate().filter(|(_, probability)| **probability > 0.0)
            {
                for (more_before, p) in [(0, 1.0 - rate_before), (1, *rate_before)] {
                    for (more_after, q) in [(0, 1.0 - rate_after), (1, *rate_after)] {
                        next[before + more_before][after + more_after] += probability * p * q;
                    }
                }
            }
        }
        for (before, row) in (0..).zip(&mut next) {
            for (after, probability) in (0..).zip(row).filter(|(_, probability)| **probability > 0.0) {
                let counts = |reason: &StopReason| {
                    stops == Stops::All || reason.is_significant() || pairs == race.max_pairs()
                };
                if let Some(reason) = race.stop(pairs, before, after).filter(counts) {
                    visit(pairs, before, after, reason, *probability);
                    *probability = 0.0;
                }
            }
        }
        open = next;
    }
}

/// Returns the maximum error of an automatic trial for a constant failure rate, and that rate.
pub fn maximum_auto_error(race: &Race, stops: Stops) -> (f64, f64) {
    supremum(|rate| automatic_at(race, stops, (rate, rate)).claims())
}

/// Returns the maximum error of outcomes and rows of an automatic trial.
///
/// Rows decide only if all runs had the same outcome. Outcomes are counted as if a trial went on after a stop without
/// a significant result.
pub fn maximum_auto_family_error(race: &Race) -> f64 {
    let error = |rate: f64| {
        let outcomes = automatic_at(race, Stops::Significant, (rate, rate)).claims();
        outcomes + ROW_LEVELS.0 * automatic_at(race, Stops::All, (rate, rate)).same
    };
    supremum(error).0
}

/// The error of an automatic trial whose failure rate drifts: the same for both runs of a pair.
#[derive(Clone, Copy, Debug)]
pub struct DriftError {
    /// The maximum over rates that are multiples of 4 %, shifted by 2 %.
    pub coarse: f64,
    /// The maximum over all rates.
    pub fine: f64,
}

/// Searches the drift with the greatest error: coordinate ascent over the failure rates of the pairs.
pub fn maximum_drift_error(race: &Race, starts: &[f64]) -> DriftError {
    let grid: Vec<f64> = (0..25).map(|step| 0.02 + 0.04 * f64::from(step)).chain([0.0, 1.0]).collect();
    let error = |rates: &[f64]| {
        let rates: Vec<(f64, f64)> = rates.iter().map(|rate| (*rate, *rate)).collect();
        automatic(race, Stops::Significant, &rates).claims()
    };
    // one pass over all pairs; returns whether it gained
    let improve = |rates: &mut [f64], best: &mut f64, candidates: &dyn Fn(f64) -> Vec<f64>| {
        let begun = *best;
        for pair in 0..rates.len() {
            let mut chosen = rates[pair];
            for candidate in candidates(chosen) {
                rates[pair] = candidate;
                let found = error(rates);
                if found > *best {
                    (*best, chosen) = (found, candidate);
                }
            }
            rates[pair] = chosen;
        }
        *best - begun > 1e-8
    };
    let mut greatest = DriftError { coarse: 0.0, fine: 0.0 };
    for start in starts {
        let mut rates = vec![*start; race.max_pairs() as usize];
        let mut best = error(&rates);
        while improve(&mut rates, &mut best, &|_| grid.clone()) {}
        greatest.coarse = greatest.coarse.max(best);
        for step in [0.02, 0.01, 0.005, 0.002_5, 0.001] {
            let near =
                |rate: f64| [-2.0, -1.0, 1.0, 2.0].map(|by| (rate + by * step).clamp(0.0, 1.0)).to_vec();
            while improve(&mut rates, &mut best, &near) {}
        }
        greatest.fine = greatest.fine.max(best);
    }
    greatest
}

/// Returns the maximum error of a rule that is applied repeatedly, after each of these numbers of pairs.
pub fn maximum_peeking_error(rule: &mut dyn OutcomeRule, looks: &[u32]) -> f64 {
    let last = looks.iter().max().copied().unwrap_or(0);
    let mut significant = HashMap::new();
    for pairs in looks {
        for (before, after) in (0..=*pairs).flat_map(|before| (0..=*pairs).map(move |after| (before, after)))
        {
            let found = rule.is_significant((*pairs, *pairs), (before, after));
            significant.insert((*pairs, before as usize, after as usize), found);
        }
    }
    let error = |rate: f64| {
        let (mut open, mut crossed) = (vec![vec![1.0]], 0.0);
        for pairs in 1..=last {
            let mut next = vec![vec![0.0; pairs as usize + 1]; pairs as usize + 1];
            for (before, row) in open.iter().enumerate() {
                for (after, probability) in row.iter().enumerate() {
                    for (more_before, p) in [(0, 1.0 - rate), (1, rate)] {
                        for (more_after, q) in [(0, 1.0 - rate), (1, rate)] {
                            next[before + more_before][after + more_after] += probability * p * q;
                        }
                    }
                }
            }
            for (before, row) in next.iter_mut().enumerate() {
                for (after, probability) in row.iter_mut().enumerate() {
                    if significant.get(&(pairs, before, after)) == Some(&true) {
                        crossed += *probability;
                        *probability = 0.0;
                    }
                }
            }
            open = next;
        }
        crossed
    };
    supremum(error).0
}

/// The greatest probabilities that an interval of the rate after the change misses it, in an automatic trial.
#[derive(Clone, Copy, Debug, Default)]
pub struct Misses {
    /// The two-sided interval, 95 %.
    pub two_sided: f64,
    /// The one-sided upper limit, 95 %.
    pub upper: f64,
}

/// Computes how often the intervals of an automatic trial miss the true rate.
pub fn maximum_misses(race: &Race) -> Misses {
    let mut greatest = Misses::default();
    for (before, after) in (0..=20).flat_map(|before| (0..=20).map(move |after| (before, after))) {
        let (before, after) = (f64::from(before) / 20.0, f64::from(after) / 20.0);
        let mut misses = Misses::default();
        let rates = vec![(before, after); race.max_pairs() as usize];
        walk(race, Stops::All, &rates, |pairs, _, failed, _, probability| {
            let (low, high) = clopper_pearson::interval(failed, pairs, 0.95).unwrap();
            let upper = clopper_pearson::upper_limit(failed, pairs, 0.95).unwrap();
            let missed = |missed: bool| if missed { probability } else { 0.0 };
            misses.two_sided += missed(high < after - 1e-12 || low > after + 1e-12);
            misses.upper += missed(upper < after - 1e-12);
        });
        greatest.two_sided = greatest.two_sided.max(misses.two_sided);
        greatest.upper = greatest.upper.max(misses.upper);
    }
    greatest
}
