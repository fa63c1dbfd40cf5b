//! The Holm-Bonferroni correction for several tests.

/// Adjusts p values for the number of tests (Holm).
///
/// At any level, the probability of at least one false alarm among all tests is at most that level.
pub fn holm_adjust(ps: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..ps.len()).collect();
    order.sort_by(|a, b| ps[*a].total_cmp(&ps[*b]));
    let mut adjusted = vec![1.0; ps.len()];
    let mut least = 0.0_f64;
    for (done, place) in order.into_iter().enumerate() {
        let left = f64::from(u32::try_from(ps.len() - done).unwrap_or(u32::MAX));
        least = least.max((ps[place] * left).min(1.0));
        adjusted[place] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_adjustment_matches_reference() {
        let check = |ps: &[f64], expected: &[f64]| {
            let found = holm_adjust(ps);
            assert_eq!(found.len(), expected.len());
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{ps:?}: {found:?}");
        };
        check(&[], &[]);
        check(&[0.04], &[0.04]);
        check(&[0.01, 0.04, 0.03], &[0.03, 0.06, 0.06]);
        check(&[0.02, 0.02], &[0.04, 0.04]);
        check(&[0.5, 0.001, 0.9], &[1.0, 0.003, 1.0]);
    }
}
