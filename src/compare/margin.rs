//! The margin: differences that are too small to matter.

use serde::Serialize;

/// The largest differences that are too small to matter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Margin {
    /// For failure rates, as a share: 0.5 is 50 percentage points.
    pub failures: f64,
    /// For success ratios, as a share: 0.01 is one percentage point.
    pub ratio: f64,
    /// For slowdowns, as a share: 0.1 means up to a factor of 1.1.
    pub slowdown: f64,
    /// For times, as a share: 0.1 means up to a factor of 1.1.
    pub time: f64,
    /// For times, in seconds: the minimum difference.
    pub time_min: f64,
}

impl Default for Margin {
    fn default() -> Self {
        Self { failures: 0.5, ratio: 0.01, slowdown: 0.1, time: 0.1, time_min: 0.005 }
    }
}

/// Why a text is not a margin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid margin '{part}': expected failures=PERCENT%, ratio=PERCENT%, slowdown=PERCENT%, time=PERCENT% or \
     time-min=MILLISECONDSms"
)]
pub struct MarginError {
    part: String,
}

impl Margin {
    /// Parses text such as `ratio=2%,time=20%,time-min=10ms`; other margins keep their defaults.
    pub fn parse(text: &str) -> Result<Self, MarginError> {
        let mut margin = Self::default();
        for part in text.split(',') {
            let invalid = || MarginError { part: part.to_owned() };
            let (name, value) = part.split_once('=').ok_or_else(invalid)?;
            let (target, unit, scale) = match name.trim() {
                "failures" => (&mut margin.failures, "%", 100.0),
                "ratio" => (&mut margin.ratio, "%", 100.0),
                "slowdown" => (&mut margin.slowdown, "%", 100.0),
                "time" => (&mut margin.time, "%", 100.0),
                "time-min" => (&mut margin.time_min, "ms", 1000.0),
                _ => return Err(invalid()),
            };
            let number = value.trim().strip_suffix(unit).ok_or_else(invalid)?.trim_end();
            let number: f64 = number.parse().map_err(|_| invalid())?;
            if !number.is_finite() || number < 0.0 {
                return Err(invalid());
            }
            // rates always differ by less than 100 points
            if name.trim() == "failures" && number >= 100.0 {
                return Err(invalid());
            }
            *target = number / scale;
        }
        Ok(margin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margin_text_parses_or_is_rejected() {
        let check = |text: &str, expected: Option<Margin>| {
            assert_eq!(Margin::parse(text).ok(), expected, "{text}");
        };
        let default = Margin::default();
        check("ratio=2%", Some(Margin { ratio: 0.02, ..default }));
        let all = "failures=30%, ratio=0.5%, slowdown=25%, time=20%,time-min=10ms";
        let expected = Margin { failures: 0.3, ratio: 0.005, slowdown: 0.25, time: 0.2, time_min: 0.01 };
        check(all, Some(expected));
        check("time=0%,time-min=0 ms", Some(Margin { time: 0.0, time_min: 0.0, ..default }));
        for wrong in [
            "",
            "ratio",
            "ratio=2",
            "ratio=-1%",
            "time=x%",
            "time-min=5",
            "ratio=inf%",
            "rows=1%",
            "failures=100%",
        ] {
            check(wrong, None);
        }
    }
}
