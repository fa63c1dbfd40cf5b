//! Wilson's interval of a share.

/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Returns the 95 % confidence interval of the share `counted` of `all` (Wilson); none if `all` is 0.
pub fn wilson_interval(counted: u32, all: u32) -> Option<(f64, f64)> {
    if all == 0 {
        return None;
    }
    let (n, share) = (f64::from(all), f64::from(counted.min(all)) / f64::from(all));
    let square = Z * Z;
    let middle = (share + square / (2.0 * n)) / (1.0 + square / n);
    let half = Z / (1.0 + square / n) * (share * (1.0 - share) / n + square / (4.0 * n * n)).sqrt();
    // without floating-point error at 0 and 1
    let low = if counted == 0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if counted >= all { 1.0 } else { (middle + half).min(1.0) };
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_interval_matches_reference() {
        let check = |counted: u32, all: u32, low: f64, high: f64| {
            let (a, b) = wilson_interval(counted, all).unwrap();
            assert!((a - low).abs() < 1e-6 && (b - high).abs() < 1e-6, "{counted} of {all}: {a} {b}");
        };
        check(3, 3, 0.438_503, 1.0);
        check(0, 3, 0.0, 0.561_497);
        check(1, 2, 0.094_531, 0.905_469);
        check(5, 10, 0.236_593, 0.763_407);
        assert_eq!(wilson_interval(0, 0), None);
    }
}
