//! The rule of earlier versions, to show what it missed.
//!
//! Outcomes differ if all runs of one arm failed and all runs of the other held. Otherwise outcomes must agree in all
//! runs, and rows decide after Holm's correction.

/// Adjusts p values for the number of tests (Holm).
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
