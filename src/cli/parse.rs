//! Parsers of flag values.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::duration::parse_duration;
use crate::experiment::configuration::{VARIABLE_TYPES, parse_var};
use crate::sampling::{LONGEST_PERIOD, SHORTEST_PERIOD};
use crate::value::Value;

/// Parses `NAME[:TYPE]=VALUE`.
pub(super) fn parse_variable(text: &str) -> Result<(String, Value), String> {
    parse_var(text).map_err(|error| format!("{error} (types: {})", VARIABLE_TYPES.join(", ")))
}

/// Parses `KEY=VALUE`; the key is not empty.
pub(super) fn parse_key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// Parses `NAME=VALUE`; the name is not empty.
pub(super) fn parse_annotation(text: &str) -> Result<(String, String), String> {
    parse_key_value(text).map_err(|_| "expected NAME=VALUE".to_owned())
}

/// Parses the path of an existing file or directory.
pub(super) fn existing_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.exists() { Ok(path) } else { Err(format!("Path '{text}' does not exist.")) }
}

/// Parses the path of the log file. `-` is refused: log lines are on standard error already.
pub(super) fn parse_log_file(text: &str) -> Result<PathBuf, String> {
    match text {
        "" | "-" => Err("expected a file: log lines are always written to standard error".to_owned()),
        path => Ok(PathBuf::from(path)),
    }
}

/// Returns a parser of integers in a range.
pub(super) fn integer_in<T>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + Display + Copy + Send + Sync + 'static,
{
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            let (min, max) = (range.start(), range.end().to_string());
            // the maximum of the type is no useful limit to name
            if max.len() > 9 {
                format!("expected an integer >= {min}")
            } else {
                format!("expected an integer from {min} to {max}")
            }
        })
    }
}

/// Parses a sampling period.
pub(super) fn parse_sampling_period(text: &str) -> Result<Duration, String> {
    let period = parse_duration(text)?;
    if (SHORTEST_PERIOD..=LONGEST_PERIOD).contains(&period) {
        Ok(period)
    } else {
        Err("sampling period must be between 1ms and 1h".to_owned())
    }
}

/// Parses the seconds between two checks of the steady state.
pub(super) fn parse_frequency(text: &str) -> Result<f64, String> {
    const MIN: f64 = 0.001;
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds >= MIN => Ok(seconds),
        _ => Err(format!("must be at least {MIN} seconds")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampling_period_outside_the_range_is_rejected() {
        let period = |text: &str| parse_sampling_period(text).ok().map(|period| period.as_millis());
        assert_eq!((period("1ms"), period("0.1"), period("1h")), (Some(1), Some(100), Some(3_600_000)));
        for invalid in ["0", "0.5ms", "1e19", "61m", "-1", "nan", "x"] {
            assert_eq!(period(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn frequency_below_a_millisecond_is_rejected() {
        assert_eq!((parse_frequency("0.05"), parse_frequency("2")), (Ok(0.05), Ok(2.0)));
        for invalid in ["0", "-0.0", "1e-9", "-1", "nan", "NaN", "inf", "x"] {
            assert!(parse_frequency(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn integer_outside_the_range_is_rejected() {
        let parse = integer_in(1..=100_u32);
        assert_eq!((parse("1"), parse("100")), (Ok(1), Ok(100)));
        for invalid in ["", "0", "101", "zwei", "1.5", "-1"] {
            assert_eq!(parse(invalid).unwrap_err(), "expected an integer from 1 to 100", "{invalid}");
        }
    }
}
