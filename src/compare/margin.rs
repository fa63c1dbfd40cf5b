//! The margin: differences that are too small to matter.

use serde::Serialize;

use super::Metric;

/// The largest differences that are too small to matter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Margin {
    /// For ratios, as a share: 0.01 is one percentage point.
    pub ratio: f64,
    /// For times, as a share of the time before.
    pub time: f64,
    /// For times, in seconds: the minimum margin.
    pub time_min: f64,
}

impl Default for Margin {
    fn default() -> Self {
        Self { ratio: 0.01, time: 0.1, time_min: 0.005 }
    }
}

impl Margin {
    /// Returns the margin of a metric with the value `before`, in the unit of the metric.
    pub fn for_metric(&self, measure: Metric, before: f64) -> f64 {
        let least = match measure {
            Metric::SuccessRatio => return self.ratio,
            Metric::Slowdown => return self.time * before,
            Metric::TimeToRecover => self.time_min,
            Metric::P95Latency | Metric::P99Latency => self.time_min * 1000.0,
        };
        (self.time * before).max(least)
    }

    /// Parses text such as `ratio=2%,time=20%,time-min=10ms`; other margins keep their defaults.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut margin = Self::default();
        for part in text.split(',') {
            let invalid = || {
                format!(
                    "invalid margin '{part}': expected ratio=PERCENT%, time=PERCENT% or time-min=MILLISECONDSms"
                )
            };
            let (name, value) = part.split_once('=').ok_or_else(invalid)?;
            let (target, unit, scale) = match name.trim() {
                "ratio" => (&mut margin.ratio, "%", 100.0),
                "time" => (&mut margin.time, "%", 100.0),
                "time-min" => (&mut margin.time_min, "ms", 1000.0),
                _ => return Err(invalid()),
            };
            let number = value.trim().strip_suffix(unit).ok_or_else(invalid)?.trim_end();
            let number: f64 = number.parse().map_err(|_| invalid())?;
            if !number.is_finite() || number < 0.0 {
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
        let check = |text: &str, expected: Option<(f64, f64, f64)>| {
            let read = Margin::parse(text).ok();
            let expected =
                expected.map(|(ratio, time, time_least)| Margin { ratio, time, time_min: time_least });
            assert_eq!(read, expected, "{text}");
        };
        check("ratio=2%", Some((0.02, 0.1, 0.005)));
        check("ratio=0.5%, time=20%,time-min=10ms", Some((0.005, 0.2, 0.01)));
        check("time=0%,time-min=0 ms", Some((0.01, 0.0, 0.0)));
        for wrong in ["", "ratio", "ratio=2", "ratio=-1%", "time=x%", "time-min=5", "ratio=inf%", "rows=1%"] {
            check(wrong, None);
        }
    }

    #[test]
    fn time_margin_scales_with_value_above_minimum() {
        let margin = Margin::default();
        let check = |measure: Metric, before: f64, expected: f64| {
            assert!((margin.for_metric(measure, before) - expected).abs() < 1e-12, "{measure:?} {before}");
        };
        check(Metric::SuccessRatio, 0.5, 0.01);
        check(Metric::P95Latency, 20.0, 5.0);
        check(Metric::P99Latency, 200.0, 20.0);
        check(Metric::TimeToRecover, 0.0, 0.005);
        check(Metric::TimeToRecover, 3.0, 0.3);
    }
}
