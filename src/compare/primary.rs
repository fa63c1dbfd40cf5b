//! The metric that is tested first.

use serde::Serialize;

use super::Metric;

/// The metric that has the first place in the order of the tests, decided before the runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PrimaryMetric {
    /// The name of the probe.
    pub probe: String,
    pub metric: Metric,
}

/// Why a text does not name a primary metric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid metric '{text}': expected PROBE:MEASURE, where MEASURE is one of {}", metric_names())]
pub struct PrimaryError {
    text: String,
}

fn metric_names() -> String {
    Metric::ALL.map(Metric::name).join(", ")
}

impl PrimaryMetric {
    /// Parses text such as `shop-answers:p95-latency`. The name of a probe may contain colons.
    pub fn parse(text: &str) -> Result<Self, PrimaryError> {
        let invalid = || PrimaryError { text: text.to_owned() };
        let (probe, name) = text.rsplit_once(':').ok_or_else(invalid)?;
        let metric = Metric::ALL.into_iter().find(|metric| metric.name() == name.trim());
        match metric {
            Some(metric) if !probe.is_empty() => Ok(Self { probe: probe.to_owned(), metric }),
            _ => Err(invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primary_metric_parses_or_is_rejected() {
        let check = |text: &str, expected: Option<(&str, Metric)>| {
            let read = PrimaryMetric::parse(text).ok();
            let expected = expected.map(|(probe, metric)| PrimaryMetric { probe: probe.to_owned(), metric });
            assert_eq!(read, expected, "{text}");
        };
        check("ask:p95-latency", Some(("ask", Metric::P95Latency)));
        check("http://shop:80: slowdown", Some(("http://shop:80", Metric::Slowdown)));
        for wrong in ["", "ask", ":slowdown", "ask:", "ask:p95", "slowdown:ask"] {
            check(wrong, None);
        }
        let message = PrimaryMetric::parse("ask:p95").unwrap_err().to_string();
        assert!(message.contains("'ask:p95'") && message.contains("time-to-recover"), "{message}");
    }
}
