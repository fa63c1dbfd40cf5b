//! The runs of both arms, side by side.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::axis::{Axis, format_coordinate, format_moment, round_up_scale};
use super::buckets::{bucket_count, bucket_samples};
use super::svg::scroll_region;
use crate::compare::{Arm, CensoredValue, ComparedRun, Metric, MetricResult, RunComparison, RunOutcomeKind};
use crate::report::ReportSummary;
use crate::report::summary::RunSummary;
use crate::series::{SampleOutcome as Sampled, SamplePhase, Series};
use crate::text::replace_invisible;

/// The maximum number of drawn runs.
const MAX_RUNS: usize = 40;
/// The maximum number of drawn probes.
const MAX_PROBES: usize = 10;
/// The maximum number of time steps of a run.
const STEPS: u16 = 160;

/// Renders a mark with the outcome of each run.
pub(super) fn run_marks(comparison: &RunComparison) -> Markup {
    html! {
        div .arms {
            @for arm in [Arm::Before, Arm::After] {
                p {
                    span .arm { (arm.name()) }
                    @for run in comparison.runs_in_arm(arm).take(MAX_RUNS) {
                        @let (class, sign) = outcome_symbol(run);
                        " " span .(format!("dot {class}")) title=(replace_invisible(&run.reason)) { (sign) " " (run.outcome.name()) }
                    }
                }
            }
        }
    }
}

fn outcome_symbol(run: &ComparedRun) -> (&'static str, &'static str) {
    match run.outcome {
        RunOutcomeKind::Held => ("good", "✓"),
        RunOutcomeKind::Failed => ("bad", "✗"),
        RunOutcomeKind::Void => ("unclear", "–"),
    }
}

/// Draws the values of a metric, one mark per run: before above, after below.
pub(super) fn value_strip(row: &MetricResult) -> Markup {
    const WIDTH: f64 = 130.0;
    let value = |value: &CensoredValue| value.value.or(value.lower_bound);
    let all = || row.before.values.iter().chain(&row.after.values).filter_map(value);
    let greatest = all().filter(|value| value.is_finite()).fold(0.0, f64::max);
    if all().next().is_none() {
        return html! {};
    }
    let to = if row.metric == Metric::SuccessRatio { 1.0 } else { round_up_scale(greatest) };
    let axis = Axis { from: 0.0, to, start: 8.0, end: WIDTH - 8.0 };
    let label = format!("before {}, after {}", row.format_before(), row.format_after());
    html! {
        svg .strip viewBox=(format!("0 0 {WIDTH} 32")) role="img" aria-label=(label) {
            line .grid x1="8" x2=(format_coordinate(WIDTH - 8.0)) y1="16" y2="16" {}
            @for (side, y, class) in [(&row.before, "9", "before"), (&row.after, "23", "after")] {
                @for value in side.values.iter().filter_map(value) {
                    circle .(class) cx=(format_coordinate(axis.position(value))) cy=(y) r="4.5" {}
                }
            }
        }
    }
}

/// Draws the outcomes of every run over time, for each sampled probe, aligned at the start of the fault.
pub(super) fn run_timelines(summary: &ReportSummary) -> Markup {
    let runs: Vec<&RunSummary> = summary
        .runs
        .iter()
        .filter(|run| run.arm.is_some() && !run.samples.is_empty())
        .take(MAX_RUNS)
        .collect();
    let mut probes: Vec<&str> = Vec::new();
    for series in runs.iter().flat_map(|run| &run.samples) {
        if !probes.contains(&series.probe.as_str()) {
            probes.push(&series.probe);
        }
    }
    // probes with the most bad samples first
    let wrong = |probe: &&str| {
        let series = runs.iter().flat_map(|run| &run.samples).filter(|series| series.probe == *probe);
        std::cmp::Reverse(series.flat_map(|one| &one.raw).filter(|sample| sample.2 != Sampled::Ok).count())
    };
    probes.sort_by_key(wrong);
    html! {
        @for probe in probes.into_iter().take(MAX_PROBES) {
            @let series: Vec<(&RunSummary, &Series)> = runs.iter().filter_map(|run| {
                Some((*run, run.samples.iter().find(|series| series.probe == probe)?))
            }).collect();
            (probe_runs_chart(probe, &series))
        }
        @if !runs.is_empty() {
            p .key { "Each line is a run. Low and green: all samples were good. High and red: some or all were not." }
        }
    }
}

/// Returns the time to align a run at: the start of the fault, or else the end of the last phase.
fn fault_start(series: &Series) -> f64 {
    let begin = series.phase_stats(SamplePhase::Fault).map(|fault| fault.from);
    begin.or(series.phases.last().map(|phase| phase.to)).filter(|at| at.is_finite()).unwrap_or(0.0)
}

fn probe_runs_chart(probe: &str, runs: &[(&RunSummary, &Series)]) -> Markup {
    const WIDTH: f64 = 960.0;
    const LINE: f64 = 24.0;
    let ends = |series: &Series| {
        let begin = fault_start(series);
        let last = series.phases.last().map_or(begin, |phase| phase.to);
        let first = series.phases.first().map_or(begin, |phase| phase.from);
        (first - begin, last - begin)
    };
    let all = runs.iter().map(|(_, series)| ends(series)).filter(|(a, b)| a.is_finite() && b.is_finite());
    let (from, to) = all.fold((0.0_f64, 0.0_f64), |(a, b), (from, to)| (a.min(from), b.max(to)));
    if to <= from {
        return html! {};
    }
    let time = Axis { from, to, start: 84.0, end: WIDTH - 12.0 };
    #[allow(clippy::cast_precision_loss)] // a few runs
    let top = |number: usize| 18.0 + LINE * number as f64;
    let bottom = top(runs.len()) + 2.0;
    let label = format!("outcomes of {probe} in {} runs over time", runs.len());
    html! {
        h3 { (replace_invisible(probe)) }
        (scroll_region("every run over time", &html! {
            svg .chart viewBox=(format!("0 0 {WIDTH} {}", bottom + 22.0)) role="img" aria-label=(replace_invisible(&label)) {
                @for (number, (run, series)) in runs.iter().enumerate() {
                    text .small text-anchor="end" x="78" y=(format_coordinate(top(number) + 14.0)) { (replace_invisible(&run.label())) }
                    @let (fine, poor) = outcome_paths(series, &time, top(number) + LINE - 5.0);
                    path .fine d=(fine) {}
                    path .poor d=(poor) {}
                }
                line .mark .action x1=(format_coordinate(time.position(0.0))) x2=(format_coordinate(time.position(0.0))) y1="14" y2=(format_coordinate(bottom)) {}
                text .small text-anchor="middle" x=(format_coordinate(time.position(0.0))) y="11" { "start of the fault" }
                @for tick in time.ticks(9) {
                    text .small text-anchor="middle" x=(format_coordinate(time.position(tick))) y=(format_coordinate(bottom + 14.0)) { (format_moment(tick, "+")) }
                }
            }
        }))
    }
}

/// Draws the steps with good samples only, and the others, whose height is the share of bad samples.
fn outcome_paths(series: &Series, time: &Axis, bottom: f64) -> (String, String) {
    let begin = fault_start(series);
    let (mut fine, mut poor) = (String::new(), String::new());
    let first = series.phases.first().map_or(0.0, |phase| phase.from);
    let last = series.phases.last().map_or(0.0, |phase| phase.to);
    let count = bucket_count(series, last - first, STEPS);
    let step = (last - first) / f64::from(count);
    for (number, bucket) in (0_u16..).zip(bucket_samples(&series.raw, first, last, count)) {
        let total = bucket.good + bucket.bad;
        if total == 0 {
            continue;
        }
        let at = first + f64::from(number) * step - begin;
        let (x, next) = (time.position(at), time.position(at + step));
        let share = f64::from(bucket.bad) / f64::from(total);
        let height = if bucket.bad > 0 { 6.0 + 10.0 * share } else { 3.0 };
        let path = if bucket.bad > 0 { &mut poor } else { &mut fine };
        let width = format_coordinate((next - x).max(0.8) + 0.2);
        let _ = write!(
            path,
            "M{} {}h{width}v-{}h-{width}z",
            format_coordinate(x),
            format_coordinate(bottom),
            format_coordinate(height)
        );
    }
    (fine, poor)
}
