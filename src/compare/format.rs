//! Formats comparisons. All reports share these texts.

use super::metrics::TOO_FEW_RUNS;
use super::{
    AfterOutcome, ArmCounts, ArmStats, Arms, CensoredValue, ComparisonVerdict, ConfounderKind, Metric,
    MetricResult, MetricVerdict, Replication, RunComparison, RunOutcomeKind,
};
use crate::text::{format_percent, format_significant, format_whole_percent};

/// The number of values from which only their range is shown.
const MAX_LISTED_VALUES: usize = 6;

impl ComparisonVerdict {
    pub const ALL: [Self; 7] = [
        Self::Fixed,
        Self::Broken,
        Self::Improved,
        Self::Regressed,
        Self::Equivalent,
        Self::NoDifference,
        Self::Inconclusive,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Broken => "broken",
            Self::Improved => "improved",
            Self::Regressed => "regressed",
            Self::Equivalent => "equivalent",
            Self::NoDifference => "no-difference",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl AfterOutcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Mixed => "mixed",
            Self::Unknown => "unknown",
        }
    }
}

impl Replication {
    pub fn name(self) -> &'static str {
        match self {
            Self::Repeated => "repeated",
            Self::Single => "single",
        }
    }
}

impl RunOutcomeKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Void => "void",
        }
    }
}

impl ConfounderKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::KubernetesVersion => "kubernetes-version",
            Self::Nodes => "nodes",
            Self::Replicas => "replicas",
            Self::Sampling => "sampling",
            Self::Route => "route",
            Self::Variables => "variables",
            Self::Time => "time",
            Self::Overlap => "overlap",
            Self::Design => "design",
        }
    }
}

impl MetricVerdict {
    pub fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Equivalent => "equivalent",
            Self::WithinMargin => "within-margin",
            Self::NotSignificant => "not-significant",
            Self::NotTested => "not-tested",
            Self::NotCompared => "not-compared",
        }
    }
}

impl Metric {
    pub fn name(self) -> &'static str {
        match self {
            Self::SuccessRatio => "success-ratio",
            Self::Slowdown => "slowdown",
            Self::TimeToRecover => "time-to-recover",
            Self::P95Latency => "p95-latency",
            Self::P99Latency => "p99-latency",
        }
    }

    /// Returns the label in reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::SuccessRatio => "success ratio",
            Self::Slowdown => "slowdown",
            Self::TimeToRecover => "time to recover",
            Self::P95Latency => "p95 latency",
            Self::P99Latency => "p99 latency",
        }
    }

    /// Formats a value without its unit.
    fn format_value(self, value: f64) -> String {
        match self {
            Self::SuccessRatio => format_percent(value),
            _ => format_significant(value),
        }
    }

    /// Formats a difference without its unit and sign.
    fn format_magnitude(self, value: f64) -> String {
        match self {
            Self::SuccessRatio => format_significant(value * 100.0),
            _ => format_significant(value),
        }
    }

    /// Returns the unit of values in reports.
    fn display_unit(self) -> &'static str {
        match self {
            Self::SuccessRatio => "%",
            other => other.unit(),
        }
    }

    /// Returns the unit of differences in reports.
    fn difference_unit(self) -> &'static str {
        match self {
            Self::SuccessRatio => "points",
            other => other.unit(),
        }
    }

    fn format_censored(self, observed: CensoredValue) -> String {
        match (observed.value, observed.lower_bound) {
            (Some(value), _) => self.format_value(value),
            (None, Some(above)) => format!("> {}", self.format_value(above)),
            (None, None) => "–".to_owned(),
        }
    }
}

impl ArmCounts {
    /// Formats the valid runs that held: `3 of 3`.
    pub fn format_held(&self) -> String {
        format!("{} of {}", self.held, self.valid)
    }

    /// Formats the valid runs that failed: `0 of 3`.
    pub fn format_failed(&self) -> String {
        format!("{} of {}", self.failed, self.valid)
    }

    /// Formats the interval of the share of runs that hold: `44 to 100 %`; none without valid runs.
    pub fn format_failed_interval(&self) -> Option<String> {
        let (low, high) = self.failed_interval?;
        Some(format!("{} to {} %", format_whole_percent(low), format_whole_percent(high)))
    }
}

impl RunComparison {
    /// Formats the headline: `fixed, seen once (after: holds)`.
    pub fn headline(&self) -> String {
        let once = if self.is_unreplicated() { ", seen once" } else { "" };
        format!("{}{once} (after: {})", self.verdict.name(), self.after.name())
    }

    /// Returns whether a fixed or broken verdict has fewer than [`super::MIN_RUNS_PER_ARM`] valid runs per arm.
    pub fn is_unreplicated(&self) -> bool {
        matches!(self.verdict, ComparisonVerdict::Fixed | ComparisonVerdict::Broken)
            && self.evidence == Replication::Single
    }

    /// Formats the runs that held, with 95 % confidence intervals.
    ///
    /// For example `held in 0 of 3 valid runs before (95 % interval: 0 to 56 %), 3 of 3 after (95 % interval: 44 to
    /// 100 %)`.
    pub fn format_counts(&self) -> String {
        let arm = |arm: &ArmCounts, what: &str| {
            let limits = arm
                .format_failed_interval()
                .map(|limits| format!(" (95 % interval: {limits})"))
                .unwrap_or_default();
            format!("{}{what}{limits}", arm.format_held())
        };
        let Arms { before, after } = &self.arms;
        format!("held in {}, {}", arm(before, " valid runs before"), arm(after, " after"))
    }

    /// Formats the void runs: `1 of 4 runs before and 0 of 3 after were void`; none without void runs.
    pub fn format_void(&self) -> Option<String> {
        let Arms { before, after } = &self.arms;
        (before.void + after.void > 0).then(|| {
            format!(
                "{} of {} runs before and {} of {} after were void",
                before.void, before.runs, after.void, after.runs
            )
        })
    }

    /// Formats level, margins and seed, which reproduce the result.
    pub fn format_settings(&self) -> String {
        let margin = &self.margin;
        format!(
            "level {}, margins ratio={}%,time={}%,time-min={}ms, seed {}",
            self.level,
            format_significant(margin.ratio * 100.0),
            format_significant(margin.time * 100.0),
            format_significant(margin.time_min * 1000.0),
            self.seed
        )
    }
}

impl MetricResult {
    /// Formats the values before: `98.5 % (97.2, 98.5, 99.1)`, the median and the runs.
    pub fn format_before(&self) -> String {
        self.format_arm(&self.before)
    }

    /// Formats the values after.
    pub fn format_after(&self) -> String {
        self.format_arm(&self.after)
    }

    /// Formats the median before: `98.5 %`.
    pub fn format_before_median(&self) -> String {
        self.format_median(&self.before)
    }

    /// Formats the median after.
    pub fn format_after_median(&self) -> String {
        self.format_median(&self.after)
    }

    /// Formats the difference: `+97.5 points`, `-12 ms`; a dash if it is unknown.
    pub fn format_difference(&self) -> String {
        let unit = self.metric.difference_unit();
        self.estimate.map_or_else(|| "–".to_owned(), |value| format!("{} {unit}", self.format_signed(value)))
    }

    /// Formats the interval of the difference: `+90 to +98 points`, or the reason why there is none.
    pub fn format_interval(&self) -> String {
        let unit = self.metric.difference_unit();
        match (self.interval, &self.interval_note) {
            (Some((low, high)), _) => {
                format!("{} to {} {unit}", self.format_signed(low), self.format_signed(high))
            }
            (None, Some(note)) => note.clone(),
            (None, None) => "–".to_owned(),
        }
    }

    /// Formats the adjusted p-value: `0.008`; a dash if the metric was not compared.
    pub fn format_p(&self) -> String {
        match self.p_adjusted {
            None => "–".to_owned(),
            Some(p) if p < 0.001 => "< 0.001".to_owned(),
            Some(p) => format_significant(p),
        }
    }

    /// Returns whether the metric cannot be significant with these runs.
    pub fn has_too_few_runs(&self) -> bool {
        self.result == MetricVerdict::NotSignificant
            && self.reason.as_ref().is_some_and(|reason| reason.starts_with(TOO_FEW_RUNS))
    }

    /// Formats the result: `better`, `not significant`, `not compared: too few successes`.
    pub fn format_result(&self) -> String {
        if self.has_too_few_runs() {
            return self.reason.clone().unwrap_or_default();
        }
        let name = match self.result {
            MetricVerdict::Better => "better",
            MetricVerdict::Worse => "worse",
            MetricVerdict::Equivalent => "equivalent",
            MetricVerdict::WithinMargin => "different, within the margin",
            MetricVerdict::NotSignificant => "not significant",
            MetricVerdict::NotTested => "not tested",
            MetricVerdict::NotCompared => "not compared",
        };
        self.reason.as_ref().map_or_else(|| name.to_owned(), |reason| format!("{name}: {reason}"))
    }

    fn format_signed(&self, value: f64) -> String {
        let number = self.metric.format_magnitude(value.abs());
        // 0 has no sign
        let sign = if number == "0" {
            ""
        } else if value < 0.0 {
            "-"
        } else {
            "+"
        };
        format!("{sign}{number}")
    }

    fn format_median(&self, side: &ArmStats) -> String {
        match self.metric.format_censored(side.median) {
            dash if dash == "–" => dash,
            number => format!("{number} {}", self.metric.display_unit()),
        }
    }

    fn format_arm(&self, side: &ArmStats) -> String {
        let centre = self.format_median(side);
        let sorted: Vec<CensoredValue> =
            side.values.iter().copied().filter(|value| *value != CensoredValue::default()).collect();
        if sorted.len() < 2 {
            return centre;
        }
        let shown = |value: &CensoredValue| self.metric.format_censored(*value);
        if side.values.len() < MAX_LISTED_VALUES {
            let all: Vec<String> = side.values.iter().map(shown).collect();
            return format!("{centre} ({})", all.join(", "));
        }
        let rank = |value: &CensoredValue| value.value.unwrap_or(f64::INFINITY);
        let mut ends = sorted;
        ends.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
        match (ends.first(), ends.last()) {
            (Some(least), Some(most)) => format!("{centre} ({} to {})", shown(least), shown(most)),
            _ => centre,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::EffectScale;

    #[test]
    fn metric_formats_values_difference_and_result() {
        let side = |values: &[CensoredValue], centre| ArmStats { values: values.to_vec(), median: centre };
        let sorted = |values: &[f64], centre| {
            side(
                &values.iter().map(|value| CensoredValue::exact(*value)).collect::<Vec<_>>(),
                CensoredValue::exact(centre),
            )
        };
        let late = CensoredValue::censored(12.0);
        let mut row = MetricResult {
            probe: "p".to_owned(),
            metric: Metric::SuccessRatio,
            unit: "ratio",
            before: sorted(&[0.0, 0.025, 0.05], 0.025),
            after: sorted(&[1.0, 0.99, 0.98, 0.97, 0.96, 0.95], 0.975),
            effect: EffectScale::Difference,
            estimate: Some(0.95),
            min_difference: None,
            tested: true,
            interval: None,
            interval_note: Some("no 95 % interval from 3 runs".to_owned()),
            margin: Some(0.01),
            p: Some(0.0119),
            p_adjusted: Some(0.0357),
            result: MetricVerdict::Better,
            reason: None,
        };
        assert_eq!(row.format_before(), "2.5 % (0, 2.5, 5)");
        assert_eq!(row.format_after(), "97.5 % (95 to 100)");
        assert_eq!(row.format_difference(), "+95 points");
        assert_eq!(row.format_interval(), "no 95 % interval from 3 runs");
        assert_eq!((row.format_p().as_str(), row.format_result().as_str()), ("0.036", "better"));
        row = MetricResult {
            metric: Metric::TimeToRecover,
            before: side(&[late, CensoredValue::default(), CensoredValue::exact(3.0)], late),
            after: sorted(&[0.5], 0.5),
            estimate: None,
            interval: Some((-3.0, 0.0)),
            result: MetricVerdict::NotCompared,
            reason: Some("too few".to_owned()),
            p_adjusted: Some(0.0001),
            ..row
        };
        assert_eq!(row.format_before(), "> 12 s (> 12, –, 3)");
        assert_eq!((row.format_after().as_str(), row.format_after_median().as_str()), ("0.5 s", "0.5 s"));
        assert_eq!((row.format_difference().as_str(), row.format_interval().as_str()), ("–", "-3 to 0 s"));
        assert_eq!(row.format_result(), "not compared: too few");
        assert_eq!(row.format_p(), "< 0.001");
    }
}
