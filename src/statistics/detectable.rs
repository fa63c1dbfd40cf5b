//! The difference that a number of runs could have shown.

use super::boschloo::{OUTCOME_LEVEL, RejectionRegion};
use super::required::{POWER, equal_arms_region};

/// Halvings of the unit interval until the rate is exact enough for a percentage.
const HALVINGS: u32 = 24;

/// Returns the least failure rate of one arm that these runs would show as a difference, from 0 to 1.
///
/// The other arm fails at the rate `base`. The test of outcomes is then significant with a probability of at least 80 %,
/// whichever arm fails more. None if these runs cannot show any such difference.
pub fn detectable_rate(valid_before: u32, valid_after: u32, base: f64) -> Option<f64> {
    if valid_before == 0 || valid_after == 0 {
        return None;
    }
    let computed;
    let region = match equal_arms_region(valid_before).filter(|_| valid_before == valid_after) {
        Some(region) => region,
        None => {
            computed = RejectionRegion::new(valid_before, valid_after, OUTCOME_LEVEL);
            &computed
        }
    };
    let is_seen = |rate: f64| region.probability(rate, base).min(region.probability(base, rate)) >= POWER;
    if !is_seen(1.0) {
        return None;
    }
    let (mut low, mut high) = (base, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if is_seen(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detectable_rates_match_reference() {
        let percent =
            |runs: u32, base: f64| detectable_rate(runs, runs, base).map(|rate| (rate * 100.0).round());
        let from_never = [93.0, 95.0, 83.0, 73.0, 65.0, 58.0, 48.0, 41.0, 34.0, 31.0, 21.0];
        let from_a_tenth = [0.0, 0.0, 93.0, 84.0, 86.0, 79.0, 68.0, 62.0, 57.0, 49.0, 42.0];
        for (place, runs) in [3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30].into_iter().enumerate() {
            assert_eq!(percent(runs, 0.0), Some(from_never[place]), "{runs} from 0 %");
            let expected = Some(from_a_tenth[place]).filter(|rate| *rate > 0.0);
            assert_eq!(percent(runs, 0.1), expected, "{runs} from 10 %");
        }
    }

    #[test]
    fn unequal_arms_have_the_rate_of_the_weaker_direction() {
        let rate = detectable_rate(3, 10, 0.0).unwrap();
        assert!((rate - detectable_rate(10, 3, 0.0).unwrap()).abs() < 1e-9);
        assert!(rate >= detectable_rate(10, 10, 0.0).unwrap());
        // two runs per arm are never significant
        assert_eq!(detectable_rate(2, 2, 0.0), None);
        assert_eq!(detectable_rate(0, 5, 0.0), None);
        assert_eq!(detectable_rate(0, 0, 0.0), None);
    }
}
