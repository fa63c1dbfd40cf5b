//! A metric of a probe, over the runs of both arms.

use serde::Serialize;

/// A metric of a probe, measured during the fault, except for the time to recover.
///
/// The order is the order of the rows, and their priority for the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The share of samples that satisfied the tolerance, from 0 to 1. Higher is better.
    SuccessRatio,
    /// The 95th percentile of the latency of good samples during the fault, divided by the median before the fault in
    /// the same run. Lower is better.
    Slowdown,
    /// Seconds from the start of the recovery to the first of ten consecutive good samples. Lower is better.
    ///
    /// It is 0 if samples were good at the start and stayed good.
    TimeToRecover,
    /// The 95th percentile of the latency of good samples, in milliseconds. Lower is better.
    P95Latency,
    /// The 99th percentile of the latency of good samples, in milliseconds. Lower is better.
    P99Latency,
}

/// The value of a metric in one run, which may be right-censored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CensoredValue {
    /// The value; none if it is unknown.
    pub value: Option<f64>,
    /// The lower bound, if only that is known: recovery was not observed within this time.
    pub lower_bound: Option<f64>,
    /// Whether the run had too few good samples for this metric, and ranks last.
    pub too_few_samples: bool,
}

/// The values of a metric in one arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmStats {
    /// The values of the valid runs, in their order.
    pub values: Vec<CensoredValue>,
    /// The median; only a lower bound if runs that did not recover determine it.
    pub median: CensoredValue,
}

/// The result of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetricVerdict {
    /// Better after the change: significant, and by more than the margin.
    Better,
    /// Worse after the change: significant, and by more than the margin.
    Worse,
    /// The whole interval is within the margin.
    Equivalent,
    /// A significant difference that is not larger than the margin as estimated.
    WithinMargin,
    /// No significant difference.
    NotSignificant,
    /// The metric is shown and not tested: so many metrics need more runs, or metrics decide nothing here.
    NotTested,
    /// There is no fair comparison; `reason` says why.
    NotCompared,
}

/// How an effect is expressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectScale {
    /// After minus before, in the unit of the values.
    Difference,
    /// After divided by before: 1 is no effect.
    Factor,
}

/// A row of the comparison: one metric of one probe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricResult {
    /// The name of the probe. Untrusted.
    pub probe: String,
    pub metric: Metric,
    /// The unit of the values: `ratio`, `factor`, `s` or `ms`.
    pub unit: &'static str,
    /// Before the change.
    pub before: ArmStats,
    /// After it.
    pub after: ArmStats,
    /// How `estimate`, `interval` and `margin` are meant.
    pub effect: EffectScale,
    /// The Hodges-Lehmann estimate of the effect; none if it is unknown or not finite.
    pub estimate: Option<f64>,
    /// The 95 % confidence interval of the effect.
    pub interval: Option<(f64, f64)>,
    /// The reason why there is no interval.
    pub interval_note: Option<String>,
    /// The largest effect that is too small to matter: a difference, or a factor such as 1.1; none if it is unknown.
    pub margin: Option<f64>,
    /// The difference of the medians that is too small to matter, whatever the factor, in the unit of the values.
    pub min_difference: Option<f64>,
    /// The probability of a difference at least as large by chance; none if the metric was not compared.
    pub p: Option<f64>,
    /// `p` corrected for the number of tested metrics (Westfall-Young); none if the metric was not tested.
    pub p_adjusted: Option<f64>,
    /// Whether the metric is one of those that these runs can test. The others are shown and decide nothing.
    pub tested: bool,
    pub result: MetricVerdict,
    /// The reason why the metric was not compared, not tested, or is not significant.
    pub reason: Option<String>,
}

impl Metric {
    /// All metrics, in the order of the rows.
    pub const ALL: [Self; 5] =
        [Self::SuccessRatio, Self::Slowdown, Self::TimeToRecover, Self::P95Latency, Self::P99Latency];

    /// Returns whether a higher value is better.
    pub fn is_higher_better(self) -> bool {
        self == Self::SuccessRatio
    }

    /// Returns whether the metric is computed from latencies.
    pub fn is_latency(self) -> bool {
        matches!(self, Self::Slowdown | Self::P95Latency | Self::P99Latency)
    }

    /// Returns the unit of the values.
    pub fn unit(self) -> &'static str {
        match self {
            Self::SuccessRatio => "ratio",
            Self::Slowdown => "factor",
            Self::TimeToRecover => "s",
            Self::P95Latency | Self::P99Latency => "ms",
        }
    }
}

impl CensoredValue {
    /// Creates a known value.
    pub fn exact(value: f64) -> Self {
        Self { value: Some(value), ..Self::default() }
    }

    /// Creates a censored value, of which only a lower bound is known.
    pub fn censored(above: f64) -> Self {
        Self { lower_bound: Some(above), ..Self::default() }
    }

    /// Creates the value of a run with too few good samples.
    pub fn too_few() -> Self {
        Self { too_few_samples: true, ..Self::default() }
    }

    /// Returns whether nothing is known of the value.
    pub fn is_unknown(self) -> bool {
        self == Self::default()
    }

    /// Returns the value, or its lower bound.
    pub fn minimum(self) -> Option<f64> {
        self.value.or(self.lower_bound)
    }
}
