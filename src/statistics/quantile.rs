//! Quantiles and medians.

/// Returns the quantile of values, interpolated linearly as `NumPy` and R do by default.
///
/// Without values there is no quantile; between two infinities it is NaN.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    quantile_of_sorted(&values, share)
}

/// Returns the median.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// Returns the median of sorted values.
pub(super) fn median_of_sorted(values: &[f64]) -> Option<f64> {
    quantile_of_sorted(values, 0.5)
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // places in a list
fn quantile_of_sorted(values: &[f64], share: f64) -> Option<f64> {
    let place = values.len().checked_sub(1)? as f64 * share.clamp(0.0, 1.0);
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    let (low, high) = (*values.get(below)?, *values.get(above)?);
    let part = place - place.floor();
    Some(if below == above || low.total_cmp(&high).is_eq() {
        low
    } else if low.is_finite() && high.is_finite() {
        low + part * (high - low)
    } else {
        low * (1.0 - part) + high * part
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantile_interpolates_between_neighbours() {
        let check = |values: &[f64], share: f64, expected: Option<f64>| {
            assert_eq!(quantile(values, share), expected, "{values:?} {share}");
        };
        check(&[], 0.5, None);
        check(&[7.0], 0.95, Some(7.0));
        check(&[3.0, 1.0, 2.0], 0.5, Some(2.0));
        check(&[4.0, 1.0, 2.0, 3.0], 0.5, Some(2.5));
        check(&[0.0, 10.0], 0.25, Some(2.5));
        check(&[0.0, 10.0], 1.5, Some(10.0));
        check(&[1.0, f64::INFINITY, f64::INFINITY], 0.5, Some(f64::INFINITY));
        check(&[1.0, f64::INFINITY], 0.5, Some(f64::INFINITY));
        check(&[1.0, f64::NEG_INFINITY], 0.5, Some(f64::NEG_INFINITY));
        assert_eq!(median(&[1.0, 5.0]), Some(3.0));
        assert!(median(&[f64::NEG_INFINITY, f64::INFINITY]).unwrap().is_nan());
    }
}
