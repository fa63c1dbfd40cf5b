//! Durations on the command line.

use std::time::Duration;

use jiff::SignedDuration;

/// Parses seconds, or numbers with units: `90`, `90s`, `1m30s`, `1.5h`, `200ms`, `1 hour 30 minutes`.
///
/// jiff parses the units, one term at a time: unlike jiff, Go allows units in any order, repeated, and with fractions of
/// any length.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("invalid duration '{text}': expected 90s, 5m, 1h30m, or seconds");
    let number = |digits: &str| {
        let digits = digits.trim();
        let is_unsigned = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        digits.parse::<f64>().ok().filter(|_| is_unsigned).ok_or_else(invalid)
    };
    let seconds = match text.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) if text.is_empty() => return Err(invalid()),
        Err(_) => {
            let mut rest = text;
            let mut total = 0.0;
            while !rest.is_empty() {
                let (digits, tail) = rest.split_at(rest.find(char::is_alphabetic).ok_or_else(invalid)?);
                let (unit, tail) =
                    tail.split_at(tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len()));
                let unit_length: SignedDuration = format!("1{unit}").parse().map_err(|_| invalid())?;
                total += number(digits)? * unit_length.as_secs_f64();
                rest = tail;
            }
            total
        }
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| invalid())
}

/// Value of `--request-timeout`; `None` if it is empty, which is the same as an absent flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestTimeout(pub(super) Option<Duration>);

/// Parses a request timeout as kubectl does: whole seconds, or a duration of Go. Zero and negative durations mean no limit.
pub(super) fn parse_request_timeout(text: &str) -> Result<RequestTimeout, String> {
    const UNITS: [&str; 8] = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"];
    let invalid = || format!("invalid timeout '{text}': expected whole seconds, or 30s, 5m, 1h30m");
    if text.is_empty() {
        return Ok(RequestTimeout(None));
    }
    if let Ok(seconds) = text.parse::<i64>() {
        let seconds = u64::try_from(seconds).map_err(|_| invalid())?;
        return Ok(RequestTimeout(Some(Duration::from_secs(seconds))));
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut units = unsigned.split(is_number).filter(|unit| !unit.is_empty());
    if !unsigned.starts_with(is_number) || !units.all(|unit| UNITS.contains(&unit)) {
        return Err(invalid());
    }
    let limit = parse_duration(&unsigned.replace(['µ', 'μ'], "u")).map_err(|_| invalid())?;
    // a number with a fraction needs a unit
    if unsigned.ends_with(is_number) {
        return Err(invalid());
    }
    Ok(RequestTimeout(Some(if text.starts_with('-') { Duration::ZERO } else { limit })))
}

/// Stands for no limit: no run takes ten years.
const NO_LIMIT: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Parses a time limit. As for kubectl, 0 means no limit.
pub(super) fn parse_time_limit(text: &str) -> Result<Duration, String> {
    parse_duration(text).map(|limit| if limit.is_zero() { NO_LIMIT } else { limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected results are those of kubectl 1.32.
    #[test]
    fn request_timeout_is_parsed_as_in_kubectl() {
        let millis =
            |text: &str| parse_request_timeout(text).map(|limit| limit.0.map(|l| l.as_millis())).ok();
        assert_eq!(millis(""), Some(None));
        for (text, expected) in [
            ("0", 0),
            ("00", 0),
            ("-0", 0),
            ("0s", 0),
            ("1", 1_000),
            ("+1", 1_000),
            ("1s", 1_000),
            ("1.5s", 1_500),
            (".5s", 500),
            ("1ms", 1),
            ("1h30m", 5_400_000),
            ("1m1s", 61_000),
            ("-1s", 0),
            ("-1h30m", 0),
        ] {
            assert_eq!(millis(text), Some(Some(expected)), "{text}");
        }
        for micro in ["1500us", "1500µs"] {
            assert_eq!(millis(micro), Some(Some(1)), "{micro}");
        }
        for invalid in
            ["-1", "abc", "1.5", " 1", "1 ", "1d", "1_0", "1e3", "s", "-", "1m30", "1 hour", "--1s", "1s-1s"]
        {
            assert_eq!(millis(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn zero_means_no_limit() {
        for zero in ["0", "0s", "0ms", "-0"] {
            assert_eq!(parse_time_limit(zero), Ok(NO_LIMIT), "{zero}");
        }
        assert_eq!(parse_time_limit("1ms"), Ok(Duration::from_millis(1)));
        assert!(parse_time_limit("-1").is_err());
    }

    #[test]
    fn parse_duration_takes_seconds_and_units() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(parse_duration(text).ok(), expected.map(Duration::from_nanos), "{text}");
        };
        // a number of seconds
        for (text, millis) in [
            ("90", 90_000),
            ("0.5", 500),
            (".5", 500),
            ("5.", 5_000),
            ("+5", 5_000),
            ("1e3", 1_000_000),
            ("0", 0),
            ("-0", 0),
        ] {
            check(text, Some(millis * 1_000_000));
        }
        // Go's durations: units in any order, repeated, with fractions
        for (text, millis) in [
            ("90s", 90_000),
            ("1m30s", 90_000),
            ("30s1m", 90_000),
            ("1m1m", 120_000),
            ("1.5h", 5_400_000),
            ("1.5h1.5m", 5_490_000),
            ("0.3333333333333333h", 1_200_000),
            ("200ms", 200),
            (".5s", 500),
            ("5.s", 5_000),
            ("001s", 1_000),
            ("1h2m3s4ms", 3_723_004),
            ("0s", 0),
        ] {
            check(text, Some(millis * 1_000_000));
        }
        check("3us", Some(3_000));
        check("3µs", Some(3_000));
        check("7ns", Some(7));
        check("1s7ns", Some(1_000_000_007));
        // words, as jiff knows them
        for (text, seconds) in
            [("90 seconds", 90), ("1 hour 30 minutes", 5_400), ("1h 30min", 5_400), ("2hrs", 7_200)]
        {
            check(text, Some(seconds * 1_000_000_000));
        }
        assert_eq!(parse_duration("1e19").ok(), Some(Duration::from_secs(10_000_000_000_000_000_000)));
        assert_eq!(
            parse_duration("10000000000000000000s").ok(),
            Some(Duration::from_secs(10_000_000_000_000_000_000))
        );
        for invalid in [
            "",
            " ",
            "-1",
            "-1s",
            "+1s",
            "1m-30s",
            "5x",
            "1d",
            "1w",
            "1mo",
            "1y",
            "s",
            "ms",
            "1s ago",
            "1m30",
            "1..5s",
            "1e3s",
            "inf",
            "nan",
            "infs",
            "1e400",
            "20000000000000000000s",
            "five",
            "PT1H",
            "1m 30",
        ] {
            check(invalid, None);
        }
    }
}
