//! Formats comparisons. All reports share these texts.

use super::{
    AfterOutcome, ArmCounts, ArmStats, Arms, Basis, CensoredValue, ComparisonVerdict, Confounder,
    ConfounderKind, EffectScale, Metric, MetricResult, MetricVerdict, Replication, RunComparison,
    RunOutcomeKind, StopRule,
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

    /// Returns the verdict in the words of a sentence: no difference was seen, which shows nothing.
    pub fn label(self) -> &'static str {
        match self {
            Self::NoDifference => "no difference seen",
            other => other.name(),
        }
    }
}

impl Basis {
    pub fn name(self) -> &'static str {
        match self {
            Self::Outcome => "outcome",
            Self::Rows => "rows",
        }
    }
}

impl StopRule {
    pub fn name(self) -> &'static str {
        match self {
            Self::CleanSplit => "clean-split",
            Self::Lead => "lead",
            Self::SameOutcome => "same-outcome",
            Self::Unlikely => "unlikely",
            Self::MaxPairs => "max-pairs",
        }
    }
}

impl Confounder {
    /// Returns the word before the text: only a difference besides the change is a confounder.
    pub fn heading(&self) -> &'static str {
        if self.kind == ConfounderKind::Design { "note" } else { "confounder" }
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
            Self::Cluster => "cluster",
            Self::Images => "images",
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
            Self::Slowdown => "times",
            other => other.unit(),
        }
    }

    /// Returns the unit of differences in reports.
    fn difference_unit(self) -> &'static str {
        match self {
            Self::SuccessRatio => "points",
            other => other.display_unit(),
        }
    }

    fn format_censored(self, observed: CensoredValue) -> String {
        match (observed.value, observed.lower_bound) {
            (Some(value), _) => self.format_value(value),
            (None, Some(above)) => format!("> {}", self.format_value(above)),
            (None, None) if observed.too_few_samples => "too few".to_owned(),
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

    /// Formats the interval of the failure rate: `0 to 71 %`; none without valid runs.
    pub fn format_failed_interval(&self) -> Option<String> {
        let (low, high) = self.failed_interval?;
        Some(format!("{} to {} %", format_whole_percent(low), format_whole_percent(high)))
    }
}

impl RunComparison {
    /// Formats the headline: `fixed, seen once (after: holds)`.
    pub fn headline(&self) -> String {
        let once = if self.is_unreplicated() { ", seen once" } else { "" };
        format!("{}{once} (after: {})", self.verdict.label(), self.after.name())
    }

    /// Returns whether a fixed or broken verdict has fewer than [`super::MIN_RUNS_PER_ARM`] valid runs per arm.
    pub fn is_unreplicated(&self) -> bool {
        matches!(self.verdict, ComparisonVerdict::Fixed | ComparisonVerdict::Broken)
            && self.evidence == Replication::Single
    }

    /// Formats the runs that failed, with 95 % confidence intervals of the failure rate.
    ///
    /// For example `failed in 3 of 3 valid runs before (95 % interval: 29 to 100 %), 0 of 3 after (95 % interval: 0 to
    /// 71 %)`.
    pub fn format_counts(&self) -> String {
        let arm = |arm: &ArmCounts, what: &str| {
            let limits = arm
                .format_failed_interval()
                .map(|limits| format!(" (95 % interval: {limits})"))
                .unwrap_or_default();
            format!("{}{what}{limits}", arm.format_failed())
        };
        let Arms { before, after } = &self.arms;
        format!("failed in {}, {}", arm(before, " valid runs before"), arm(after, " after"))
    }

    /// Formats the limit of the failure rate: `after: fails in at most 63 % of runs (95 % confidence)`.
    ///
    /// None without valid runs, and if every run after failed.
    pub fn format_failure_limit(&self) -> Option<String> {
        let limit = self.after_failure_limit.filter(|_| self.arms.after.held > 0)?;
        Some(format!("after: fails in at most {} % of runs (95 % confidence)", format_whole_percent(limit)))
    }

    /// Formats what these runs could have shown; none unless no difference was seen.
    ///
    /// For example `as many runs show a change of the failure rate from 0 to 93 % in 8 of 10 comparisons`.
    pub fn format_detectable(&self) -> Option<String> {
        let change = self.detectable?;
        Some(format!(
            "as many runs show a change of the failure rate from {} to {} % in 8 of 10 comparisons",
            format_whole_percent(change.from),
            format_whole_percent(change.to)
        ))
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
            "level {}, margins failures={}%,ratio={}%,slowdown={}%,time={}%,time-min={}ms, seed {}",
            self.level,
            format_significant(margin.failures * 100.0),
            format_significant(margin.ratio * 100.0),
            format_significant(margin.slowdown * 100.0),
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

    /// Formats the effect: `+97.5 points`, `-1.2 s`, `×0.55`; a dash if it is unknown.
    pub fn format_difference(&self) -> String {
        match (self.estimate, self.effect) {
            (None, _) => "–".to_owned(),
            (Some(factor), EffectScale::Factor) => format_factor(factor),
            (Some(value), EffectScale::Difference) => {
                format!("{} {}", self.format_signed(value), self.metric.difference_unit())
            }
        }
    }

    /// Formats the interval of the effect: `+90 to +98 points`, `×0.5 to ×0.6`, or the reason why there is none.
    pub fn format_interval(&self) -> String {
        match (self.interval, &self.interval_note, self.effect) {
            (Some((low, high)), _, EffectScale::Factor) => {
                format!("{} to {}", format_factor(low), format_factor(high))
            }
            (Some((low, high)), _, EffectScale::Difference) => {
                let unit = self.metric.difference_unit();
                format!("{} to {} {unit}", self.format_signed(low), self.format_signed(high))
            }
            (None, Some(note), _) => note.clone(),
            (None, None, _) => "–".to_owned(),
        }
    }

    /// Formats the adjusted p-value: `0.008`; a dash if the metric was not tested.
    pub fn format_p(&self) -> String {
        match self.p_adjusted {
            None => "–".to_owned(),
            Some(p) if p < 0.001 => "< 0.001".to_owned(),
            Some(p) => format_significant(p),
        }
    }

    /// Formats the result: `better`, `not significant`, `not compared: too few successes`.
    pub fn format_result(&self) -> String {
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
            text if side.median.minimum().is_none() => text,
            number => format!("{number} {}", self.metric.display_unit()),
        }
    }

    fn format_arm(&self, side: &ArmStats) -> String {
        let centre = self.format_median(side);
        let sorted: Vec<CensoredValue> =
            side.values.iter().copied().filter(|value| !value.is_unknown()).collect();
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

/// Formats a factor: `×1.8`.
fn format_factor(factor: f64) -> String {
    format!("×{}", format_significant(factor))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        row = MetricResult {
            metric: Metric::Slowdown,
            before: sorted(&[1.5], 1.5),
            after: side(&[CensoredValue::too_few(), CensoredValue::exact(3.0)], CensoredValue::too_few()),
            effect: EffectScale::Factor,
            estimate: Some(2.04),
            interval: Some((1.5, 2.5)),
            ..row
        };
        assert_eq!(
            (row.format_before().as_str(), row.format_after().as_str()),
            ("1.5 times", "too few (too few, 3)")
        );
        assert_eq!(
            (row.format_difference().as_str(), row.format_interval().as_str()),
            ("×2.04", "×1.5 to ×2.5")
        );
    }
}
