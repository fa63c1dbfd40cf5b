//! The difference that a number of runs could have shown.

use super::boschloo::{OUTCOME_LEVEL, RejectionRegion};
use super::required::{POWER, equal_arms_region};

/// Halvings of the unit interval until the rate is exact enough for a percentage.
const HALVINGS: u32 = 40;

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
