//! Numbers as people read them.

/// Formats a number with three significant digits, without trailing zeros.
///
/// A dash stands for a number that is not finite.
pub fn format_significant(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Formats a share as a percentage. Only the whole is 100, and only nothing is 0.
pub fn format_percent(share: f64) -> String {
    avoid_false_extremes(share, format_significant(share * 100.0), 2)
}

/// Formats a share as a percentage without decimals, unless that would round it to 0 or 100.
pub fn format_whole_percent(share: f64) -> String {
    avoid_false_extremes(share, format!("{:.0}", share * 100.0), 1)
}

/// Adds decimals to a percentage that was rounded to 0 or 100.
fn avoid_false_extremes(share: f64, rounded: String, decimals: usize) -> String {
    // a smaller distance is a floating-point error
    const TOLERANCE: f64 = 1e-12;
    let is_false = rounded == "100" && share < 1.0 - TOLERANCE || rounded == "0" && share > TOLERANCE;
    let exact = (decimals..=10).map(|decimals| format!("{:.decimals$}", share * 100.0));
    let mut exact = exact
        .filter(|text| text.trim_end_matches('0') != "100." && text.contains(|c| matches!(c, '1'..='9')));
    if is_false { exact.next().unwrap_or(rounded) } else { rounded }
}

/// Formats bytes as lowercase hexadecimal digits.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn significant_digits_drop_trailing_zeros() {
        let check = |value: f64, expected: &str| assert_eq!(format_significant(value), expected);
        check(0.0, "0");
        check(-0.0001, "0");
        check(0.0123, "0.012");
        check(1.0, "1");
        check(9.876, "9.88");
        check(98.76, "98.8");
        check(100.0, "100");
        check(1234.5, "1234");
        check(f64::NAN, "–");
    }

    #[test]
    fn percent_is_100_or_0_only_if_exact() {
        let check = |share: f64, expected: &str, whole: &str| {
            assert_eq!(
                (format_percent(share).as_str(), format_whole_percent(share).as_str()),
                (expected, whole),
                "{share}"
            );
        };
        check(1.0, "100", "100");
        check(0.0, "0", "0");
        check(0.5, "50", "50");
        check(0.9876, "98.8", "99");
        check(0.9996, "99.96", "99.96");
        check(0.99999, "99.999", "99.999");
        check(0.9983, "99.8", "99.8");
        check(0.0004, "0.04", "0.04");
        check(0.000_001, "0.0001", "0.0001");
        // floating-point errors do not count
        check(1.0 - 1e-16, "100", "100");
        check(1e-17, "0", "0");
    }

    #[test]
    fn bytes_become_hexadecimal_digits() {
        assert_eq!(to_hex(&[0, 0x0a, 0xff]), "000aff");
    }
}
