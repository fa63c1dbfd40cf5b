//! Formats numbers as Python does.

/// Formats a number like Python's `repr(float)`.
///
/// It has the shortest digits that parse as the same number. Exponents from -4 to 15 are in plain notation, others
/// have a sign and at least two digits.
pub(super) fn float_text(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf".to_owned() } else { "-inf".to_owned() };
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{number}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::float_text;

    #[test]
    fn float_text_matches_python_repr() {
        let check = |number: f64, expected: &str| assert_eq!(float_text(number), expected);
        check(1.0, "1.0");
        check(2.5, "2.5");
        check(-0.0, "-0.0");
        check(0.0001, "0.0001");
        check(0.00001, "1e-05");
        check(1.5e-7, "1.5e-07");
        check(123_456_789.125, "123456789.125");
        check(1e15, "1000000000000000.0");
        check(1e16, "1e+16");
        check(1.234e22, "1.234e+22");
        check(1e100, "1e+100");
        check(f64::NAN, "nan");
        check(f64::NEG_INFINITY, "-inf");
    }
}
