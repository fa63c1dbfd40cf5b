//! Computes the metrics of both arms, and tests whether they differ.

use std::collections::HashMap;

use super::metric::{ArmStats, CensoredValue, EffectScale, Metric, MetricResult, MetricVerdict};
use super::{Error, Margin, SIGNIFICANCE_LEVEL};
use crate::journal::Record;
use crate::series::{SamplePhase, Series};
use crate::statistics::{
    GroupSplits, can_differ, holm_adjust, median, required_group_size, shift, shift_interval,
};
use crate::text::pluralize;

/// The good samples per run that a 95th percentile needs.
const MIN_SAMPLES_FOR_P95: u64 = 100;
const MIN_SAMPLES_FOR_P99: u64 = 1000;
/// The beginning of the reason of a metric that cannot be significant with these runs.
pub(super) const TOO_FEW_RUNS: &str = "too few runs to compare";
/// The runs per arm that an interval needs.
const MIN_RUNS_FOR_INTERVAL: usize = 4;
/// The maximum number of sampled probes.
const MAX_PROBES: usize = 1000;
/// A difference that exceeds the margin by no more than this share is a rounding error.
const ROUNDING_TOLERANCE: f64 = 1e-9;

/// The inputs of the tests.
pub(super) struct MetricConfig<'a> {
    pub(super) margin: Margin,
    pub(super) splits: &'a GroupSplits,
    /// Whether to compute intervals.
    pub(super) intervals: bool,
}

/// The samples of one run, by probe.
type SampledSeries<'a> = HashMap<&'a str, &'a Series>;

/// Computes the metrics of the valid runs of both arms.
pub(super) fn compute_metrics(
    before: &[&Record],
    after: &[&Record],
    rules: &MetricConfig,
) -> Result<Vec<MetricResult>, Error> {
    let all = || before.iter().chain(after).flat_map(|record| series_of(record));
    let mut probes: Vec<&str> = Vec::new();
    let mut measured = std::collections::HashSet::new();
    for series in all() {
        if measured.insert(series.probe.as_str()) {
            probes.push(&series.probe);
        }
    }
    if probes.len() > MAX_PROBES {
        return Err(Error::TooManyProbes(probes.len()));
    }
    let before: Vec<SampledSeries> = before.iter().map(|record| index_by_probe(record)).collect();
    let after: Vec<SampledSeries> = after.iter().map(|record| index_by_probe(record)).collect();
    let mut rows = Vec::new();
    for probe in probes {
        for metric in Metric::ALL {
            rows.extend(compute_metric(probe, metric, &before, &after, rules));
        }
    }
    assign_results(&mut rows);
    Ok(rows)
}

fn series_of(record: &Record) -> &[Series] {
    record.content.extension.as_ref().map_or(&[], |extension| extension.samples.as_slice())
}

fn index_by_probe(record: &Record) -> SampledSeries<'_> {
    // of two series with the same name the first counts
    series_of(record).iter().rev().map(|series| (series.probe.as_str(), series)).collect()
}

/// One row, not yet judged; none where the metric needs more samples than there are.
fn compute_metric(
    probe: &str,
    metric: Metric,
    before: &[SampledSeries],
    after: &[SampledSeries],
    rules: &MetricConfig,
) -> Option<MetricResult> {
    let before: Vec<Option<&Series>> = before.iter().map(|sampled| sampled.get(probe).copied()).collect();
    let after: Vec<Option<&Series>> = after.iter().map(|sampled| sampled.get(probe).copied()).collect();
    let all = || before.iter().chain(&after).copied();
    let least =
        all().map(|series| count_good_samples(series?)).map(Option::unwrap_or_default).min().unwrap_or(0);
    if metric == Metric::P99Latency && least < MIN_SAMPLES_FOR_P99 {
        return None;
    }
    let observed = |runs: &[Option<&Series>]| -> Vec<CensoredValue> {
        runs.iter()
            .map(|series| series.map_or_else(CensoredValue::default, |series| measured_value(series, metric)))
            .collect()
    };
    let (before_side, after_side) = (arm_stats(observed(&before)), arm_stats(observed(&after)));
    let reason = if before.is_empty() || after.is_empty() {
        Some("an arm has no valid run".to_owned())
    } else if all().any(|series| series.is_none()) {
        Some("not sampled in every run".to_owned())
    } else if metric.is_latency() && least < MIN_SAMPLES_FOR_P95 {
        Some("too few successes".to_owned())
    } else if metric.is_latency() && !all_equal(all().flatten().map(|series| series.route.as_deref())) {
        Some("requests had different routes".to_owned())
    } else if before_side
        .values
        .iter()
        .chain(&after_side.values)
        .any(|value| *value == CensoredValue::default())
    {
        Some("not measured in every run".to_owned())
    } else {
        None
    };
    // the sampling period is the resolution of the time to recover
    let grid = all().flatten().map(|series| series.period).filter(|period| period.is_finite());
    let grid = if metric == Metric::TimeToRecover { grid.fold(0.0, f64::max) } else { 0.0 };
    let mut row = MetricResult {
        probe: probe.to_owned(),
        metric,
        unit: metric.unit(),
        margin: before_side
            .median
            .value
            .or(before_side.median.lower_bound)
            .map(|value| rules.margin.for_metric(metric, value).max(grid)),
        before: before_side,
        after: after_side,
        effect: EffectScale::Difference,
        estimate: None,
        min_difference: None,
        tested: true,
        interval: None,
        interval_note: None,
        p: None,
        p_adjusted: None,
        result: MetricVerdict::NotCompared,
        reason,
    };
    if row.reason.is_none() {
        run_test(&mut row, rules);
    }
    Some(row)
}

/// Counts the good samples during the fault.
fn count_good_samples(series: &Series) -> Option<u64> {
    Some(series.seen(SamplePhase::Fault)?.latency.as_ref()?.samples)
}

fn all_equal<T: PartialEq>(mut values: impl Iterator<Item = T>) -> bool {
    let first = values.next();
    values.all(|value| Some(value) == first)
}

fn measured_value(series: &Series, metric: Metric) -> CensoredValue {
    let fault = series.seen(SamplePhase::Fault);
    let latency = || fault.and_then(|seen| seen.latency.as_ref());
    let value = match metric {
        Metric::SuccessRatio => fault.and_then(crate::series::PhaseStats::success_ratio),
        Metric::Slowdown => latency().zip(baseline_median(series)).map(|(fault, before)| fault.p95 / before),
        Metric::P95Latency => latency().map(|latency| latency.p95),
        Metric::P99Latency => latency().map(|latency| latency.p99),
        Metric::TimeToRecover => match (series.recovered_after, series.seen(SamplePhase::Recovery)) {
            (None, Some(_)) => return CensoredValue::censored(series.recovery_watched),
            (recovered_after, _) => recovered_after,
        },
    };
    CensoredValue { value, lower_bound: None }
}

/// Returns the median latency of the baseline, in milliseconds.
fn baseline_median(series: &Series) -> Option<f64> {
    series.seen(SamplePhase::Baseline)?.latency.as_ref().map(|latency| latency.p50)
}

fn arm_stats(values: Vec<CensoredValue>) -> ArmStats {
    let centre = censored_median(&values);
    ArmStats { values, median: centre }
}

/// Returns the median with right-censored values: exact if both bounds agree, otherwise a lower bound.
fn censored_median(values: &[CensoredValue]) -> CensoredValue {
    let measured = || values.iter().filter(|value| **value != CensoredValue::default());
    let least: Vec<f64> = measured().filter_map(|value| value.minimum()).collect();
    let most: Vec<f64> = measured().map(|value| value.value.unwrap_or(f64::INFINITY)).collect();
    match (median(&least), median(&most)) {
        (Some(least), Some(most)) if least.total_cmp(&most).is_eq() => CensoredValue::exact(least),
        (Some(least), _) => CensoredValue::censored(least),
        (None, _) => CensoredValue::default(),
    }
}

/// Returns the values that the ranks are based on, and the number of censored ones.
///
/// A run that did not recover ranks last, and so does one that took longer than the shortest observation window
/// of such a run.
fn rank_values(row: &MetricResult) -> (Vec<f64>, Vec<f64>, usize) {
    let all = || row.before.values.iter().chain(&row.after.values);
    let watched = all().filter_map(|value| value.lower_bound).fold(f64::INFINITY, f64::min);
    let rank = |value: &CensoredValue| value.value.filter(|value| *value <= watched).unwrap_or(f64::INFINITY);
    let ranks = |side: &ArmStats| side.values.iter().map(rank).collect::<Vec<_>>();
    (ranks(&row.before), ranks(&row.after), all().filter(|value| value.lower_bound.is_some()).count())
}

/// Returns the minimum difference of the arms.
///
/// A run that did not recover is censored at the end of its observation window. Two runs that share the last rank
/// do not differ.
fn min_difference(row: &MetricResult) -> Option<f64> {
    let (before, after, _) = rank_values(row);
    let measured =
        |side: &ArmStats| side.values.iter().map(|value| value.minimum()).collect::<Option<Vec<_>>>();
    let (low, high) = (measured(&row.before)?, measured(&row.after)?);
    let differences: Vec<f64> = low
        .iter()
        .zip(&before)
        .flat_map(|(x, x_rank)| {
            high.iter().zip(&after).map(move |(y, y_rank)| {
                if x_rank.is_infinite() && y_rank.is_infinite() { 0.0 } else { y - x }
            })
        })
        .collect();
    median(&differences)
}

/// Computes the difference, its p value and its interval.
fn run_test(row: &mut MetricResult, rules: &MetricConfig) {
    let (before, after, censored) = rank_values(row);
    row.p = Some(rules.splits.p_value(&before, &after));
    row.result = MetricVerdict::NotSignificant;
    row.estimate = shift(&before, &after);
    if !rules.intervals {
        return;
    }
    let (fewer, more) = (before.len().min(after.len()), before.len().max(after.len()));
    if fewer < MIN_RUNS_FOR_INTERVAL {
        let sizes = if fewer == more {
            pluralize(fewer, "run")
        } else {
            format!("{} and {}", before.len(), pluralize(after.len(), "run"))
        };
        row.interval_note = Some(format!("no 95 % interval from {sizes}"));
        return;
    }
    row.interval = shift_interval(&before, &after, rules.splits, SIGNIFICANCE_LEVEL);
    if row.interval.is_none() {
        row.interval_note = Some(if censored > 0 {
            format!("no 95 % interval: recovery not observed in {}", pluralize(censored, "run"))
        } else {
            "no 95 % interval from these values".to_owned()
        });
    }
}

/// Assigns the results, corrected for the number of metrics.
fn assign_results(rows: &mut [MetricResult]) {
    let (places, ps): (Vec<usize>, Vec<f64>) =
        rows.iter().enumerate().filter_map(|(place, row)| Some((place, row.p?))).unzip();
    let needed = required_group_size(ps.len(), SIGNIFICANCE_LEVEL);
    for (place, p) in places.into_iter().zip(holm_adjust(&ps)) {
        let row = &mut rows[place];
        row.p_adjusted = Some(p);
        row.result = classify_metric(row, p);
        let (before, after) = (row.before.values.len(), row.after.values.len());
        if row.result == MetricVerdict::NotSignificant {
            row.reason = if p <= SIGNIFICANCE_LEVEL {
                Some("recovery window too short to decide against the margin".to_owned())
            } else if !can_differ(before, after, ps.len(), SIGNIFICANCE_LEVEL) && before.min(after) < needed {
                Some(format!("{TOO_FEW_RUNS}: needs {needed} per arm"))
            } else {
                None
            };
        }
        // the values of the arms show an infinite difference
        row.estimate = row.estimate.filter(|difference| difference.is_finite());
    }
}

fn classify_metric(row: &MetricResult, p: f64) -> MetricVerdict {
    let (Some(difference), Some(margin)) = (row.estimate, row.margin) else {
        return MetricVerdict::NotSignificant;
    };
    let edge = margin * (1.0 + ROUNDING_TOLERANCE);
    let significant = p <= SIGNIFICANCE_LEVEL;
    let within = row.interval.is_some_and(|(low, high)| -edge <= low && high <= edge);
    let beyond = min_difference(row).is_some_and(|least| least.abs() > edge);
    if significant && beyond {
        if (difference > 0.0) == row.metric.is_higher_better() {
            MetricVerdict::Better
        } else {
            MetricVerdict::Worse
        }
    } else if within {
        MetricVerdict::Equivalent
    } else if significant && difference.abs() <= edge {
        MetricVerdict::WithinMargin
    } else {
        MetricVerdict::NotSignificant
    }
}
