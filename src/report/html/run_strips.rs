//! The runs of both arms, side by side.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::axis::{Axis, format_coordinate, format_moment, round_up_scale};
use super::svg::scroll_region;
use crate::compare::{Arm, CensoredValue, ComparedRun, Metric, MetricResult, RunComparison, RunOutcomeKind};
use crate::report::ReportSummary;
use crate::report::buckets::{attribute_to_fault, bucket_count, bucket_samples};
use crate::report::summary::RunSummary;
use crate::series::{SampleOutcome as Sampled, SamplePhase, Series};
use crate::text::replace_invisible;

/// The maximum number of drawn runs.
const MAX_RUNS: usize = 40;
/// The maximum number of drawn probes.
const MAX_PROBES: usize = 10;
/// The width of a chart, and the height of the line of a run.
const WIDTH: f64 = 960.0;
const LINE: f64 = 24.0;
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
    const STRIP_WIDTH: f64 = 130.0;
    let value = |value: &CensoredValue| value.value.or(value.lower_bound);
    let all = || row.before.values.iter().chain(&row.after.values).filter_map(value);
    let greatest = all().filter(|value| value.is_finite()).fold(0.0, f64::max);
    if all().next().is_none() {
        return html! {};
    }
    let to = if row.metric == Metric::SuccessRatio { 1.0 } else { round_up_scale(greatest) };
    let axis = Axis { from: 0.0, to, start: 8.0, end: STRIP_WIDTH - 8.0 };
    let label = format!("before {}, after {}", row.format_before(), row.format_after());
    html! {
        svg .strip viewBox=(format!("0 0 {STRIP_WIDTH} 32")) role="img" aria-label=(label) {
            line .grid x1="8" x2=(format_coordinate(STRIP_WIDTH - 8.0)) y1="16" y2="16" {}
            @for (side, y, class) in [(&row.before, "9", "before"), (&row.after, "23", "after")] {
                @for value in side.values.iter().filter_map(value) {
                    circle .(class) cx=(format_coordinate(axis.position(value))) cy=(y) r="4.5" {}
                }
            }
        }
    }
}

/// A sampled probe, and its series in each run.
type ProbeRuns<'a> = (&'a str, Vec<(&'a RunSummary, &'a Series)>);

/// Returns the sampled probes of compared runs, those with the most bad samples first.
pub(super) fn probes_over_runs(summary: &ReportSummary) -> Vec<ProbeRuns<'_>> {
    let runs = summary.runs.iter().filter(|run| run.arm.is_some()).take(MAX_RUNS);
    let mut probes: Vec<ProbeRuns> = Vec::new();
    for (run, series) in runs.flat_map(|run| run.samples.iter().map(move |series| (run, series))) {
        match probes.iter_mut().find(|(probe, _)| *probe == series.probe) {
            Some((_, all)) => all.push((run, series)),
            None => probes.push((&series.probe, vec![(run, series)])),
        }
    }
    let bad = |(_, all): &ProbeRuns| {
        let samples = all.iter().flat_map(|(_, series)| &series.raw);
        std::cmp::Reverse(samples.filter(|sample| sample.2 != Sampled::Ok).count())
    };
    probes.sort_by_key(bad);
    probes.truncate(MAX_PROBES);
    probes
}

/// Draws the outcomes of every run over time, for each sampled probe.
///
/// All charts have one time axis, and 0 is the start of the fault.
pub(super) fn run_timelines(summary: &ReportSummary) -> Markup {
    let probes = probes_over_runs(summary);
    let all = probes.iter().flat_map(|(_, runs)| runs).map(|(_, series)| series_ends(series));
    let all = all.filter(|(from, to)| from.is_finite() && to.is_finite());
    let (from, to) = all.fold((0.0_f64, 0.0_f64), |(a, b), (from, to)| (a.min(from), b.max(to)));
    if to <= from {
        return html! {};
    }
    let time = Axis { from, to, start: 100.0, end: WIDTH - 12.0 };
    html! {
        h3 { "Every run over time" }
        p .key {
            "Each line is a run; the shaded part is the time of its fault. Low and green: all samples were good. High and red: some or all were not. No line: not sampled."
        }
        @for (probe, runs) in &probes { (probe_runs_chart(probe, runs, &time)) }
    }
}

/// Returns the first and the last time of a series, from the start of the fault.
fn series_ends(series: &Series) -> (f64, f64) {
    let begin = fault_start(series);
    let last = series.phases.last().map_or(begin, |phase| phase.to);
    let first = series.phases.first().map_or(begin, |phase| phase.from);
    (first - begin, last - begin)
}

/// Returns the time to align a run at: the start of the fault, or else the end of the last phase.
fn fault_start(series: &Series) -> f64 {
    let begin = series.phase_stats(SamplePhase::Fault).map(|fault| fault.from);
    begin.or(series.phases.last().map(|phase| phase.to)).filter(|at| at.is_finite()).unwrap_or(0.0)
}

fn probe_runs_chart(probe: &str, runs: &[(&RunSummary, &Series)], time: &Axis) -> Markup {
    #[allow(clippy::cast_precision_loss)] // a few runs
    let top = |number: usize| 18.0 + LINE * number as f64;
    let bottom = top(runs.len()) + 2.0;
    let label = format!("outcomes of {probe} in {} runs over time", runs.len());
    html! {
        h4 { code { (replace_invisible(probe)) } }
        (scroll_region("every run over time", &html! {
            svg .chart viewBox=(format!("0 0 {WIDTH} {}", bottom + 22.0)) role="img" aria-label=(replace_invisible(&label)) {
                @for tick in time.ticks(9) {
                    @let x = format_coordinate(time.position(tick));
                    line .grid x1=(x) x2=(x) y1="18" y2=(format_coordinate(bottom)) {}
                    text .small text-anchor="middle" x=(x) y=(format_coordinate(bottom + 14.0)) { (format_moment(tick, "+")) }
                }
                @for (number, (run, series)) in runs.iter().enumerate() {
                    (fault_span(series, time, top(number)))
                    text .small text-anchor="end" x="94" y=(format_coordinate(top(number) + 16.0)) { (replace_invisible(&run.label())) }
                    @let (fine, poor) = outcome_paths(series, time, top(number) + LINE - 4.0);
                    path .fine d=(fine) {}
                    path .poor d=(poor) {}
                }
                @let x = format_coordinate(time.position(0.0));
                line .mark .action x1=(x) x2=(x) y1="14" y2=(format_coordinate(bottom)) {}
                text .small text-anchor="middle" x=(x) y="11" { "the fault begins" }
            }
        }))
    }
}

/// Shades the time of the fault in the line of a run.
fn fault_span(series: &Series, time: &Axis, top: f64) -> Markup {
    let Some(fault) = series.phase_stats(SamplePhase::Fault) else { return html! {} };
    let (from, to) = (time.position(0.0), time.position(fault.to - fault.from));
    html! {
        rect .band .fault x=(format_coordinate(from)) y=(format_coordinate(top + 1.0)) width=(format_coordinate((to - from).max(0.0))) height=(format_coordinate(LINE - 2.0)) {}
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
    for (number, bucket) in (0_u16..).zip(bucket_samples(&attribute_to_fault(series), first, last, count)) {
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
