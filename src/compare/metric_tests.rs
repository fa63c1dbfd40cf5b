//! Tests whether the metrics of both arms differ.
//!
//! All rows share the splits of the runs. The rows that the runs can test are selected by their priority, and their
//! p values are corrected for each other.

use super::metric::{ArmStats, CensoredValue, EffectScale, Metric, MetricResult, MetricVerdict};
use super::{Margin, SIGNIFICANCE_LEVEL};
use crate::statistics::{
    GroupSplits, RankedRow, adjusted_p, median, required_group_size, select_rows, shift, shift_interval,
};
use crate::text::pluralize;

/// The runs per arm that an interval needs.
const MIN_RUNS_FOR_INTERVAL: usize = 4;
/// The error of the interval that shows equivalence: two one-sided tests at the significance level.
const EQUIVALENCE_ERROR: f64 = 2.0 * SIGNIFICANCE_LEVEL;
/// An effect that exceeds the margin by no more than this share is a rounding error.
const ROUNDING_TOLERANCE: f64 = 1e-9;

/// The inputs of the tests.
pub(super) struct TestConfig<'a> {
    pub(super) margin: Margin,
    pub(super) splits: &'a GroupSplits,
    /// The level of all rows together, or why rows decide nothing.
    pub(super) level: Result<f64, UntestedCause>,
    /// Whether to compute intervals.
    pub(super) intervals: bool,
}

/// Why no row is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UntestedCause {
    /// An arm has fewer valid runs than a comparison needs.
    TooFewRuns,
    /// The outcomes of an automatic trial are mixed, and decided when it ended.
    MixedOutcomes,
}

impl UntestedCause {
    fn describe(self) -> &'static str {
        match self {
            Self::TooFewRuns => "too few runs",
            Self::MixedOutcomes => "an automatic trial with mixed outcomes has no error left for metrics",
        }
    }
}

/// A row with its values, ready to be tested.
struct PreparedRow<'a> {
    row: &'a mut MetricResult,
    ranked: RankedRow,
    /// The values that the ranks are based on.
    values: (Vec<f64>, Vec<f64>),
    /// The values on the scale of the effect: logarithms, if it is a factor.
    scaled: (Vec<f64>, Vec<f64>),
    /// The shift between the arms, on that scale; may be infinite.
    effect: f64,
    /// The margin on that scale.
    margin: f64,
}

/// Tests the rows, which are in the order of priority.
///
/// Returns the valid runs per arm that are needed to test every row; none if every row is tested, or metrics decide
/// nothing.
pub(super) fn test_metrics(rows: &mut [MetricResult], config: &TestConfig) -> Option<u32> {
    let compared = rows.iter_mut().filter(|row| row.reason.is_none());
    let mut prepared: Vec<PreparedRow> = compared.filter_map(|row| PreparedRow::new(row, config)).collect();
    let ranked: Vec<&RankedRow> = prepared.iter().map(|row| &row.ranked).collect();
    let tested = match config.level {
        Ok(level) => select_rows(config.splits, &ranked, level),
        Err(_) => vec![false; ranked.len()],
    };
    let selected: Vec<&RankedRow> =
        ranked.iter().zip(&tested).filter(|(_, tested)| **tested).map(|(row, _)| *row).collect();
    let mut adjusted = adjusted_p(config.splits, &selected).into_iter();
    let (mut varying, mut required) = (0, None);
    for (row, tested) in prepared.iter_mut().zip(tested) {
        varying += usize::from(row.varies());
        let p_adjusted = if tested { adjusted.next() } else { None };
        row.measure(config);
        row.judge(p_adjusted, config);
        let untested = !tested && row.row.result != MetricVerdict::Equivalent;
        match config.level {
            Err(cause) if untested => row.row.reason = Some(cause.describe().to_owned()),
            Ok(level) if untested => {
                let runs = required_group_size(varying, level);
                required = u32::try_from(runs).ok();
                let metrics = pluralize(varying, "metric");
                row.row.reason = Some(format!("testing {metrics} takes {runs} runs per arm"));
            }
            _ => {}
        }
    }
    required
}

impl<'a> PreparedRow<'a> {
    /// Ranks the values of a row; none if the arms have other sizes than the splits.
    fn new(row: &'a mut MetricResult, config: &TestConfig) -> Option<Self> {
        let values = rank_values(row);
        if (values.0.len(), values.1.len()) != config.splits.sizes() {
            return None;
        }
        let ranked = config.splits.rank(&values.0, &values.1);
        row.effect = effect_scale(row.metric, &values);
        let margin = scaled_margin(row, config.margin);
        let scaled = match row.effect {
            EffectScale::Difference => values.clone(),
            EffectScale::Factor => (logarithms(&values.0), logarithms(&values.1)),
        };
        let effect = shift(&scaled.0, &scaled.1)?;
        Some(Self { row, ranked, values, scaled, effect, margin })
    }

    /// Returns whether the values differ at all.
    #[allow(clippy::float_cmp)] // ties
    fn varies(&self) -> bool {
        let (before, after) = &self.values;
        before.iter().chain(after).any(|value| *value != before[0])
    }

    /// Converts from the scale of the effect.
    fn unscaled(&self, effect: f64) -> f64 {
        match self.row.effect {
            EffectScale::Difference => effect,
            EffectScale::Factor => effect.exp(),
        }
    }

    /// Estimates the effect and its interval.
    fn measure(&mut self, config: &TestConfig) {
        self.row.p = Some(self.ranked.p());
        // the values of the arms show an infinite effect
        self.row.estimate =
            Some(self.effect).filter(|effect| effect.is_finite()).map(|effect| self.unscaled(effect));
        self.row.margin = Some(self.unscaled(self.margin)).filter(|margin| margin.is_finite());
        if !config.intervals {
            return;
        }
        let (before, after) = (self.values.0.len(), self.values.1.len());
        if before.min(after) < MIN_RUNS_FOR_INTERVAL {
            let sizes = if before == after {
                pluralize(before, "run")
            } else {
                format!("{before} and {}", pluralize(after, "run"))
            };
            self.row.interval_note = Some(format!("no 95 % interval from {sizes}"));
            return;
        }
        self.row.interval = shift_interval(&self.scaled.0, &self.scaled.1, config.splits, SIGNIFICANCE_LEVEL)
            .map(|(low, high)| (self.unscaled(low), self.unscaled(high)));
        if self.row.interval.is_none() {
            let values = || self.row.before.values.iter().chain(&self.row.after.values);
            let censored = values().filter(|value| value.lower_bound.is_some()).count();
            self.row.interval_note = Some(if censored > 0 {
                format!("no 95 % interval: recovery not observed in {}", pluralize(censored, "run"))
            } else {
                "no 95 % interval from these values".to_owned()
            });
        }
    }

    /// Assigns the result. A row without an adjusted p value was not tested.
    fn judge(&mut self, p_adjusted: Option<f64>, config: &TestConfig) {
        self.row.p_adjusted = p_adjusted;
        self.row.tested = p_adjusted.is_some();
        let level = config.level.unwrap_or(0.0) * (1.0 + ROUNDING_TOLERANCE);
        let significant = p_adjusted.is_some_and(|p| p <= level);
        let is_better = (self.effect > 0.0) == self.row.metric.is_higher_better();
        self.row.result = if significant && self.exceeds_margin() {
            if is_better { MetricVerdict::Better } else { MetricVerdict::Worse }
        } else if self.is_equivalent(config) {
            MetricVerdict::Equivalent
        } else if p_adjusted.is_none() {
            MetricVerdict::NotTested
        } else if significant && (self.row.effect == EffectScale::Factor || self.is_within(self.effect)) {
            MetricVerdict::WithinMargin
        } else {
            if significant {
                let reason = "recovery window too short to decide against the margin";
                self.row.reason = Some(reason.to_owned());
            }
            MetricVerdict::NotSignificant
        };
    }

    /// Returns whether an effect is within the margin.
    fn is_within(&self, effect: f64) -> bool {
        effect.abs() <= self.margin * (1.0 + ROUNDING_TOLERANCE)
    }

    /// Returns whether the estimate exceeds the margin.
    fn exceeds_margin(&self) -> bool {
        match self.row.effect {
            EffectScale::Difference => {
                least_difference(self.row, &self.values).is_some_and(|effect| !self.is_within(effect))
            }
            EffectScale::Factor => {
                let medians = median(&self.values.0).zip(median(&self.values.1));
                let gap = medians.map_or(0.0, |(before, after)| (after - before).abs());
                let is_noticeable = |least: f64| gap > least * (1.0 + ROUNDING_TOLERANCE);
                !self.is_within(self.effect) && self.row.min_difference.is_none_or(is_noticeable)
            }
        }
    }

    /// Returns whether the interval of the two one-sided tests lies within the margin.
    fn is_equivalent(&self, config: &TestConfig) -> bool {
        let is_small = self.values.0.len().min(self.values.1.len()) < super::MIN_RUNS_PER_ARM as usize;
        if !config.intervals || is_small {
            return false;
        }
        let lies_within = |(before, after): &(Vec<f64>, Vec<f64>), margin: f64| {
            let edge = margin * (1.0 + ROUNDING_TOLERANCE);
            // the interval is expensive, and contains the estimate
            shift(before, after).is_some_and(|effect| effect.abs() <= edge)
                && shift_interval(before, after, config.splits, EQUIVALENCE_ERROR)
                    .is_some_and(|(low, high)| -edge <= low && high <= edge)
        };
        lies_within(&self.scaled, self.margin)
            || self.row.effect == EffectScale::Factor
                && self.row.min_difference.is_some_and(|least| lies_within(&self.values, least))
    }
}

/// Returns the values that the ranks are based on.
///
/// A run that did not recover ranks last, and so does one that took longer than the shortest observation window of such
/// a run. A run with too few good samples ranks last, too.
fn rank_values(row: &MetricResult) -> (Vec<f64>, Vec<f64>) {
    let all = row.before.values.iter().chain(&row.after.values);
    let watched = all.filter_map(|value| value.lower_bound).fold(f64::INFINITY, f64::min);
    let ranks = |side: &ArmStats| {
        let values = side.values.iter().map(|value| value.value.filter(|value| *value <= watched));
        values.map(|value| value.unwrap_or(f64::INFINITY)).collect::<Vec<_>>()
    };
    (ranks(&row.before), ranks(&row.after))
}

/// Returns the scale of the effect: times multiply, unless a value is zero or unknown.
fn effect_scale(metric: Metric, (before, after): &(Vec<f64>, Vec<f64>)) -> EffectScale {
    let has_logarithm = |value: &f64| *value > 0.0 && (value.is_finite() || metric.is_latency());
    if metric != Metric::SuccessRatio && before.iter().chain(after).all(has_logarithm) {
        EffectScale::Factor
    } else {
        EffectScale::Difference
    }
}

fn logarithms(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| value.ln()).collect()
}

/// Returns the margin on the scale of the effect.
fn scaled_margin(row: &MetricResult, margin: Margin) -> f64 {
    let share = match row.metric {
        Metric::SuccessRatio => return margin.ratio,
        Metric::Slowdown => margin.slowdown,
        Metric::TimeToRecover | Metric::P95Latency | Metric::P99Latency => margin.time,
    };
    match row.effect {
        EffectScale::Factor => share.ln_1p(),
        EffectScale::Difference => {
            // like a factor, it does not depend on which arm is the slower one
            let medians = [row.before.median, row.after.median].map(CensoredValue::minimum);
            let smaller = medians.into_iter().flatten().fold(f64::INFINITY, f64::min);
            (share * smaller).max(row.min_difference.unwrap_or(0.0))
        }
    }
}

/// Returns the least difference of the arms.
///
/// A run that did not recover is censored at the end of its observation window. Two runs that share the last rank do
/// not differ.
fn least_difference(row: &MetricResult, (before, after): &(Vec<f64>, Vec<f64>)) -> Option<f64> {
    if row.metric != Metric::TimeToRecover {
        return shift(before, after);
    }
    let measured =
        |side: &ArmStats| side.values.iter().map(|value| value.minimum()).collect::<Option<Vec<_>>>();
    let (low, high) = (measured(&row.before)?, measured(&row.after)?);
    let differences: Vec<f64> =
        low.iter()
            .zip(before)
            .flat_map(|(x, x_rank)| {
                high.iter().zip(after).map(move |(y, y_rank)| {
                    if x_rank.is_infinite() && y_rank.is_infinite() { 0.0 } else { y - x }
                })
            })
            .collect();
    median(&differences)
}
