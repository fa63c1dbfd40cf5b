//! The binomial and the hypergeometric distribution, for counts of failed runs.

/// A binomial distribution with a fixed number of trials.
#[derive(Clone, Debug)]
pub(super) struct Binomial {
    /// For each count, the weight of the next count relative to it, without the odds; and its inverse.
    ratios: Vec<(f64, f64)>,
}

impl Binomial {
    pub(super) fn new(trials: u32) -> Self {
        let ratio = |count: u32| f64::from(trials - count) / f64::from(count + 1);
        Self { ratios: (0..trials).map(|count| (ratio(count), ratio(count).recip())).collect() }
    }

    /// Replaces the content of `out` with the probability of every count from 0 to the number of trials.
    ///
    /// The weights are relative to the most probable count: no factorial, and no overflow.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // a count
    pub(super) fn probabilities(&self, rate: f64, out: &mut Vec<f64>) {
        let trials = self.ratios.len();
        out.clear();
        out.resize(trials + 1, 0.0);
        if rate <= 0.0 || rate >= 1.0 {
            out[if rate <= 0.0 { 0 } else { trials }] = 1.0;
            return;
        }
        let (odds, inverse_odds) = (rate / (1.0 - rate), (1.0 - rate) / rate);
        let mode = (((trials + 1) as f64 * rate) as usize).min(trials);
        out[mode] = 1.0;
        let mut weight = 1.0;
        for count in mode..trials {
            weight *= self.ratios[count].0 * odds;
            out[count + 1] = weight;
        }
        weight = 1.0;
        for count in (0..mode).rev() {
            weight *= self.ratios[count].1 * inverse_odds;
            out[count] = weight;
        }
        let scale = out.iter().sum::<f64>().recip();
        for weight in out {
            *weight *= scale;
        }
    }
}

/// Hypergeometric tails: how the failed runs of two arms are distributed if all splits are equally likely.
#[derive(Clone, Debug)]
pub(super) struct Hypergeometric {
    before: u32,
    after: u32,
    ln_factorials: Vec<f64>,
}

impl Hypergeometric {
    pub(super) fn new(before: u32, after: u32) -> Self {
        let mut ln_factorials = vec![0.0];
        let mut sum = 0.0_f64;
        for factor in 1..=before + after {
            sum += f64::from(factor).ln();
            ln_factorials.push(sum);
        }
        Self { before, after, ln_factorials }
    }

    /// Returns the probability that, of these failed runs, at least `before` are in the first arm.
    pub(super) fn upper_tail(&self, before: u32, after: u32) -> f64 {
        let failed = before + after;
        let mut term = (self.ln_choose(self.before, before) + self.ln_choose(self.after, after)
            - self.ln_choose(self.before + self.after, failed))
        .exp();
        let mut sum = term;
        for count in before..self.before.min(failed) {
            let (here, there) = (f64::from(count), f64::from(failed - count));
            let held_here = f64::from(self.before) - here;
            let held_there = f64::from(self.after) - there;
            term *= held_here / (here + 1.0) * there / (held_there + 1.0);
            sum += term;
            if term < sum * 1e-18 {
                break;
            }
        }
        sum
    }

    /// Returns the upper tails of all counts, in no particular order.
    pub(super) fn all_upper_tails(&self) -> Vec<f64> {
        let mut tails = Vec::new();
        for failed in 0..=self.before + self.after {
            let ln_all = self.ln_choose(self.before + self.after, failed);
            let mut sum = 0.0;
            for before in (failed.saturating_sub(self.after)..=self.before.min(failed)).rev() {
                let ln = self.ln_choose(self.before, before) + self.ln_choose(self.after, failed - before);
                sum += (ln - ln_all).exp();
                tails.push(sum);
            }
        }
        tails
    }

    fn ln_choose(&self, all: u32, chosen: u32) -> f64 {
        let ln = |count: u32| self.ln_factorials[count as usize];
        ln(all) - ln(chosen) - ln(all - chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binomial_probabilities_match_reference() {
        let check = |trials: u32, rate: f64, expected: &[f64]| {
            let mut found = Vec::new();
            Binomial::new(trials).probabilities(rate, &mut found);
            assert_eq!(found.len(), expected.len());
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        };
        check(0, 0.3, &[1.0]);
        check(3, 0.0, &[1.0, 0.0, 0.0, 0.0]);
        check(3, 1.0, &[0.0, 0.0, 0.0, 1.0]);
        check(3, 0.5, &[0.125, 0.375, 0.375, 0.125]);
        check(4, 0.1, &[0.6561, 0.2916, 0.0486, 0.0036, 0.0001]);
        let mut many = Vec::new();
        Binomial::new(1000).probabilities(0.5, &mut many);
        assert!((many[500] - 0.025_225_018_178_360_1).abs() < 1e-12, "{}", many[500]);
    }

    #[test]
    fn hypergeometric_tails_match_reference() {
        let check = |sizes: (u32, u32), counts: (u32, u32), expected: f64| {
            let found = Hypergeometric::new(sizes.0, sizes.1).upper_tail(counts.0, counts.1);
            assert!((found - expected).abs() < 1e-12, "{sizes:?} {counts:?}: {found}");
        };
        check((3, 3), (3, 0), 1.0 / 20.0);
        check((3, 3), (0, 3), 1.0);
        check((3, 3), (2, 1), 10.0 / 20.0);
        check((3, 2), (3, 0), 1.0 / 10.0);
        // 4 of 5 against 1 of 5: (5 · 5 + 1) / 252
        check((5, 5), (4, 1), 26.0 / 252.0);
        check((5, 5), (0, 0), 1.0);
    }

    #[test]
    fn all_tails_are_the_tails_of_every_count() {
        let tails = Hypergeometric::new(4, 6);
        let mut single: Vec<f64> =
            (0..=4).flat_map(|x| (0..=6).map(move |y| (x, y))).map(|(x, y)| tails.upper_tail(x, y)).collect();
        let mut all = tails.all_upper_tails();
        single.sort_unstable_by(f64::total_cmp);
        all.sort_unstable_by(f64::total_cmp);
        assert_eq!(all.len(), single.len());
        assert!(all.iter().zip(&single).all(|(a, b)| (a - b).abs() < 1e-12), "{all:?} {single:?}");
    }
}
