//! The number of runs that would show the difference that was seen.

use std::sync::OnceLock;

use super::boschloo::{OUTCOME_LEVEL, OutcomeCounts, RejectionRegion};

/// The greatest number of runs per arm that is worth a recommendation.
pub const MAX_REQUIRED_RUNS: u32 = 60;
/// The probability with which a difference is to be seen.
pub const POWER: f64 = 0.8;

/// Returns the least number of valid runs per arm that would show the difference that was seen.
///
/// With so many runs, the test of outcomes is significant with a probability of 80 %, if the failure rates are those
/// that were seen, shrunk to the middle. None if that takes more than 60 runs per arm.
pub fn required_runs(before: OutcomeCounts, after: OutcomeCounts) -> Option<u32> {
    let (rate_before, rate_after) = (before.shrunk_rate(), after.shrunk_rate());
    let first = before.valid.max(after.valid).saturating_add(1);
    (first..=MAX_REQUIRED_RUNS).find(|runs| {
        equal_arms_region(*runs).is_some_and(|region| region.probability(rate_before, rate_after) >= POWER)
    })
}

/// Returns the significant counts for equal arms, computed once for each size; none above the maximum.
pub(super) fn equal_arms_region(runs: u32) -> Option<&'static RejectionRegion> {
    static REGIONS: [OnceLock<RejectionRegion>; MAX_REQUIRED_RUNS as usize + 1] =
        [const { OnceLock::new() }; MAX_REQUIRED_RUNS as usize + 1];
    let region = REGIONS.get(runs as usize)?;
    Some(region.get_or_init(|| RejectionRegion::new(runs, runs, OUTCOME_LEVEL)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_runs_match_reference() {
        let check = |runs: u32, before: u32, after: u32, expected: Option<u32>| {
            let counts = |failed| OutcomeCounts { valid: runs, failed };
            let found = required_runs(counts(before), counts(after));
            assert_eq!(found, expected, "{before}:{after} of {runs}");
            assert_eq!(required_runs(counts(after), counts(before)), expected, "{after}:{before} of {runs}");
        };
        check(3, 2, 0, Some(15));
        check(3, 3, 1, Some(15));
        check(3, 1, 0, Some(49));
        check(5, 3, 0, Some(14));
        check(5, 3, 1, Some(36));
        check(5, 2, 1, None);
        check(10, 3, 1, None);
        check(10, 4, 2, None);
        check(10, 3, 0, Some(31));
        check(60, 30, 10, None);
        check(u32::MAX, 3, 0, None);
    }
}
