//! Computes the metrics of both arms.

use std::collections::{HashMap, HashSet};

use super::metric::{ArmStats, CensoredValue, EffectScale, Metric, MetricResult, MetricVerdict};
use super::{Error, Margin, PrimaryMetric};
use crate::journal::Record;
use crate::series::{LatencyStats, PhaseStats, SamplePhase, Series};
use crate::statistics::median;

/// The good samples per run that a 95th percentile needs.
const MIN_SAMPLES_FOR_P95: u64 = 100;
/// The good samples per run that a 99th percentile needs.
const MIN_SAMPLES_FOR_P99: u64 = 1000;
/// The good samples before the fault that the median of a slowdown needs.
const MIN_SAMPLES_OF_BASELINE: u64 = 30;
/// The inverse of the greatest share of runs that may rank last because they have too few good samples.
const MAX_LAST_SHARE: usize = 4;
/// The maximum number of sampled probes.
const MAX_PROBES: usize = 1000;

/// The samples of one run, by probe.
type SampledSeries<'a> = HashMap<&'a str, &'a Series>;

/// Computes the metrics of the valid runs of both arms, without their tests, in the order of priority.
///
/// The primary metric comes first, then every metric over the probes in the order of the first run that sampled them.
pub(super) fn compute_metrics(
    before: &[&Record],
    after: &[&Record],
    margin: Margin,
    primary: Option<&PrimaryMetric>,
) -> Result<Vec<MetricResult>, Error> {
    let mut probes: Vec<&str> = Vec::new();
    let mut measured = HashSet::new();
    for series in before.iter().chain(after).flat_map(|record| series_of(record)) {
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
    for metric in Metric::ALL {
        for probe in &probes {
            rows.extend(compute_metric(probe, metric, &before, &after, margin));
        }
    }
    let is_primary = |row: &MetricResult| {
        primary.is_some_and(|first| first.metric == row.metric && first.probe == row.probe)
    };
    rows.sort_by_key(|row| !is_primary(row));
    Ok(rows)
}

/// Returns the series of a journal.
pub(super) fn series_of(record: &Record) -> &[Series] {
    record.content.extension.as_ref().map_or(&[], |extension| extension.samples.as_slice())
}

fn index_by_probe(record: &Record) -> SampledSeries<'_> {
    // of two series with the same name the first counts
    series_of(record).iter().rev().map(|series| (series.probe.as_str(), series)).collect()
}

/// Computes one row; none if the metric needs more samples than there are.
fn compute_metric(
    probe: &str,
    metric: Metric,
    before: &[SampledSeries],
    after: &[SampledSeries],
    margin: Margin,
) -> Option<MetricResult> {
    let before: Vec<Option<&Series>> = before.iter().map(|sampled| sampled.get(probe).copied()).collect();
    let after: Vec<Option<&Series>> = after.iter().map(|sampled| sampled.get(probe).copied()).collect();
    let all = || before.iter().chain(&after).copied();
    let last = all().filter(|series| series.is_none_or(|series| has_too_few_samples(series, metric))).count();
    let may_rank_last = last * MAX_LAST_SHARE <= all().count();
    if metric == Metric::P99Latency && (before.is_empty() || after.is_empty() || !may_rank_last) {
        return None;
    }
    let observed = |runs: &[Option<&Series>]| {
        let value = |series: &Series| {
            if may_rank_last && has_too_few_samples(series, metric) {
                CensoredValue::too_few()
            } else {
                measured_value(series, metric)
            }
        };
        arm_stats(runs.iter().map(|series| series.map_or_else(CensoredValue::default, value)).collect())
    };
    let (before_side, after_side) = (observed(&before), observed(&after));
    let is_unknown = || before_side.values.iter().chain(&after_side.values).any(|value| value.is_unknown());
    let lacks_baseline = |series: &Series| {
        latency(series, SamplePhase::Baseline).is_none_or(|seen| seen.samples < MIN_SAMPLES_OF_BASELINE)
    };
    let reason = if before.is_empty() || after.is_empty() {
        Some("an arm has no valid run")
    } else if all().any(|series| series.is_none()) {
        Some("not sampled in every run")
    } else if !may_rank_last {
        Some("too few successes")
    } else if metric == Metric::Slowdown && all().flatten().any(lacks_baseline) {
        Some("too few successes before the fault")
    } else if metric.is_latency() && !all_equal(all().flatten().map(|series| series.route.as_deref())) {
        Some("requests had different routes")
    } else if is_unknown() {
        Some("not measured in every run")
    } else {
        None
    };
    // the sampling period is the resolution of the time to recover
    let periods = all().flatten().map(|series| series.period).filter(|period| period.is_finite());
    let min_difference = match metric {
        Metric::SuccessRatio | Metric::Slowdown => None,
        Metric::TimeToRecover => Some(periods.fold(margin.time_min, f64::max)),
        Metric::P95Latency | Metric::P99Latency => Some(margin.time_min * 1000.0),
    };
    Some(MetricResult {
        probe: probe.to_owned(),
        metric,
        unit: metric.unit(),
        before: before_side,
        after: after_side,
        effect: EffectScale::Difference,
        estimate: None,
        interval: None,
        interval_note: None,
        margin: None,
        min_difference,
        p: None,
        p_adjusted: None,
        tested: false,
        result: MetricVerdict::NotCompared,
        reason: reason.map(str::to_owned),
    })
}

/// Returns the latency of the good samples of a phase.
fn latency(series: &Series, phase: SamplePhase) -> Option<&LatencyStats> {
    series.seen(phase)?.latency.as_ref()
}

/// Returns whether a run has too few good samples during the fault for a percentile.
fn has_too_few_samples(series: &Series, metric: Metric) -> bool {
    let needed = match metric {
        Metric::SuccessRatio | Metric::TimeToRecover => return false,
        Metric::Slowdown | Metric::P95Latency => MIN_SAMPLES_FOR_P95,
        Metric::P99Latency => MIN_SAMPLES_FOR_P99,
    };
    latency(series, SamplePhase::Fault).is_none_or(|seen| seen.samples < needed)
}

fn all_equal<T: PartialEq>(mut values: impl Iterator<Item = T>) -> bool {
    let first = values.next();
    values.all(|value| Some(value) == first)
}

fn measured_value(series: &Series, metric: Metric) -> CensoredValue {
    let fault = latency(series, SamplePhase::Fault);
    let value = match metric {
        Metric::SuccessRatio => series.seen(SamplePhase::Fault).and_then(PhaseStats::success_ratio),
        Metric::Slowdown => {
            let usual =
                latency(series, SamplePhase::Baseline).map(|seen| seen.p50).filter(|usual| *usual > 0.0);
            fault.zip(usual).map(|(fault, usual)| fault.p95 / usual)
        }
        Metric::P95Latency => fault.map(|seen| seen.p95),
        Metric::P99Latency => fault.map(|seen| seen.p99),
        Metric::TimeToRecover => match (series.recovered_after, series.seen(SamplePhase::Recovery)) {
            (None, Some(_)) => return CensoredValue::censored(series.recovery_watched),
            (recovered_after, _) => recovered_after,
        },
    };
    CensoredValue { value, ..CensoredValue::default() }
}

fn arm_stats(values: Vec<CensoredValue>) -> ArmStats {
    let median = censored_median(&values);
    ArmStats { values, median }
}

/// Returns the median with right-censored values: exact if both bounds agree, otherwise a lower bound.
fn censored_median(values: &[CensoredValue]) -> CensoredValue {
    let measured = || values.iter().filter(|value| !value.is_unknown());
    let least: Vec<f64> = measured().map(|value| value.minimum().unwrap_or(f64::INFINITY)).collect();
    let most: Vec<f64> = measured().map(|value| value.value.unwrap_or(f64::INFINITY)).collect();
    match (median(&least), median(&most)) {
        (Some(least), _) if least.is_infinite() => CensoredValue::too_few(),
        (Some(least), Some(most)) if least.total_cmp(&most).is_eq() => CensoredValue::exact(least),
        (Some(least), _) => CensoredValue::censored(least),
        (None, _) => CensoredValue::default(),
    }
}
