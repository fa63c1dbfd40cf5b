//! One row of the comparison: one measure of one probe, over the runs of both arms. Floor 1.

use serde::Serialize;

/// What is measured of a probe. All of it while the fault lasts, but for the time to recover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The share of samples that were answered within the tolerance, from zero to one. More is better.
    SuccessRatio,
    /// Seconds from the begin of the recovery until samples are good again; zero where they were good when it began,
    /// and stayed so. Less is better.
    TimeToRecover,
    /// Milliseconds that 95 % of the good samples took at most. Less is better.
    P95Latency,
    /// Milliseconds that 99 % of the good samples took at most. Less is better.
    P99Latency,
}

/// What a measure was in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CensoredValue {
    /// The value; none where it is not known.
    pub value: Option<f64>,
    /// What it is more than, where that is all that is known: recovery was not seen within that time.
    pub lower_bound: Option<f64>,
}

/// What a measure was in one arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmStats {
    /// In each valid run, in their order.
    pub values: Vec<CensoredValue>,
    /// The median of them; `above` where runs that did not recover leave no more than a bound of it.
    pub median: CensoredValue,
}

/// How the arms stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetricVerdict {
    /// Better after the change: hardly by chance, and by more than the margin.
    Better,
    /// Worse after the change: hardly by chance, and by more than the margin.
    Worse,
    /// The same: the whole interval lies within the margin.
    Equivalent,
    /// Different, hardly by chance, and by no more than the margin.
    WithinMargin,
    /// What there is can be chance.
    NotSignificant,
    /// There is no fair comparison; the row's `reason` says why.
    NotCompared,
}

/// One measure of one probe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricResult {
    /// The name of the probe. Not to be trusted.
    pub probe: String,
    /// What was measured.
    pub metric: Metric,
    /// The unit of values and differences: `ratio`, `s`, `ms`.
    pub unit: &'static str,
    /// Before the change.
    pub before: ArmStats,
    /// After it.
    pub after: ArmStats,
    /// How much greater it is after than before: the median of the differences of every run with every other;
    /// none where it is not known, or beyond every number.
    pub difference: Option<f64>,
    /// Within which limits the difference lies, with 95 % confidence.
    pub interval: Option<(f64, f64)>,
    /// Why there is no interval.
    pub interval_note: Option<String>,
    /// Which difference would be too small to matter; none where that is not known.
    pub margin: Option<f64>,
    /// How often chance alone gives a difference as great or greater; none where nothing was compared.
    pub p: Option<f64>,
    /// The same with all rows in view (Holm).
    pub p_adjusted: Option<f64>,
    /// What follows.
    pub result: MetricVerdict,
    /// Why it was not compared, or could not be told apart.
    pub reason: Option<String>,
}

impl Metric {
    /// All of them, in the order of rows.
    pub const ALL: [Self; 4] = [Self::SuccessRatio, Self::TimeToRecover, Self::P95Latency, Self::P99Latency];

    /// Whether more of it is better.
    pub fn is_higher_better(self) -> bool {
        self == Self::SuccessRatio
    }

    /// Whether it is a latency.
    pub fn is_latency(self) -> bool {
        matches!(self, Self::P95Latency | Self::P99Latency)
    }

    /// The unit of its values.
    pub fn unit(self) -> &'static str {
        match self {
            Self::SuccessRatio => "ratio",
            Self::TimeToRecover => "s",
            Self::P95Latency | Self::P99Latency => "ms",
        }
    }
}

impl CensoredValue {
    /// A value that is known.
    pub fn exact(value: f64) -> Self {
        Self { value: Some(value), lower_bound: None }
    }

    /// More than a value, and nothing else is known.
    pub fn censored(above: f64) -> Self {
        Self { value: None, lower_bound: Some(above) }
    }

    /// What it is at least.
    pub fn minimum(self) -> Option<f64> {
        self.value.or(self.lower_bound)
    }
}
