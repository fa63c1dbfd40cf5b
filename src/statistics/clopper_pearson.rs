//! Exact limits of a failure rate (Clopper and Pearson 1934, Biometrika 26).
//!
//! A limit is the rate at which the observed count, or a more extreme one, has exactly the permitted probability. The
//! coverage is never below the stated level, also for three runs.

use super::binomial::Binomial;

/// Halvings of the unit interval until the limit is as exact as a floating-point number.
const HALVINGS: u32 = 60;

/// Returns the two-sided interval of the failure rate; none without valid runs.
///
/// Each limit has half of the error: `level` is 0.95 for a 95 % interval. More failed runs than valid runs count as all.
pub fn interval(failed: u32, valid: u32, level: f64) -> Option<(f64, f64)> {
    let one_sided = f64::midpoint(1.0, level);
    Some((lower_limit(failed, valid, one_sided)?, upper_limit(failed, valid, one_sided)?))
}

/// Returns the rate that the failure rate does not exceed, with this one-sided confidence; none without valid runs.
pub fn upper_limit(failed: u32, valid: u32, confidence: f64) -> Option<f64> {
    if valid == 0 {
        return None;
    }
    if failed >= valid {
        return Some(1.0);
    }
    // the probability of at most so many failures falls with the rate
    let is_plausible = |tail: f64| tail > 1.0 - confidence;
    Some(search_rate(valid, |counts| is_plausible(counts[..=failed as usize].iter().sum())))
}

/// Returns the rate that the failure rate reaches, with this one-sided confidence; none without valid runs.
pub fn lower_limit(failed: u32, valid: u32, confidence: f64) -> Option<f64> {
    Some(1.0 - upper_limit(valid - failed.min(valid), valid, confidence)?)
}

/// Returns the rate up to which the condition on the probabilities of all counts holds.
fn search_rate(trials: u32, holds: impl Fn(&[f64]) -> bool) -> f64 {
    let distribution = Binomial::new(trials);
    let mut counts = Vec::new();
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        distribution.probabilities(middle, &mut counts);
        if holds(&counts) { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-6
    }

    #[test]
    fn interval_matches_beta_quantiles() {
        let check = |failed: u32, valid: u32, low: f64, high: f64| {
            let (a, b) = interval(failed, valid, 0.95).unwrap();
            assert!(near(a, low) && near(b, high), "{failed} of {valid}: {a} {b}");
        };
        check(0, 3, 0.0, 0.707_598);
        check(3, 3, 0.292_402, 1.0);
        check(0, 5, 0.0, 0.521_824);
        check(1, 10, 0.002_529, 0.445_016);
        check(5, 10, 0.187_086, 0.812_914);
        // more failed runs than valid runs count as all
        check(7, 3, 0.292_402, 1.0);
        assert_eq!(interval(0, 0, 0.95), None);
    }

    #[test]
    fn one_sided_limits_match_closed_forms() {
        for (valid, expected) in [(3, 0.631_597), (5, 0.450_720), (10, 0.258_866)] {
            let found = upper_limit(0, valid, 0.95).unwrap();
            assert!(near(found, expected), "{valid}: {found}");
            assert!(near(lower_limit(valid, valid, 0.95).unwrap(), 1.0 - expected));
        }
        assert!(near(upper_limit(3, 3, 0.95).unwrap(), 1.0) && near(lower_limit(0, 3, 0.95).unwrap(), 0.0));
        assert_eq!((upper_limit(0, 0, 0.95), lower_limit(0, 0, 0.95)), (None, None));
        // 1 - 0.05^(1/1000)
        assert!(near(upper_limit(0, 1000, 0.95).unwrap(), 0.002_991_25));
    }
}
