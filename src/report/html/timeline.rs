//! The timeline of a run as a chart: phases, actions, and each probe's latency and outcomes.
//!
//! One chart has everything, so that simultaneous events are aligned. Time is in seconds since the start of the run;
//! sampling starts earlier.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::axis::{Axis, format_coordinate, format_moment, round_up_scale};
use super::svg::sentiment_class;
use crate::clock::Timestamp;
use crate::report::buckets::{TimeBucket, bucket_count, bucket_samples};
use crate::report::summary::{RunSummary, TimelineEventKind, format_seconds, format_success_ratio};
use crate::series::{SamplePhase, Series};
use crate::text::replace_invisible;

/// The width of the chart.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 948.0;
/// The lower end of the lane of actions.
const ACTION_LANE_END: f64 = 56.0;
/// The height of a probe's lane, including its name.
const LANE_HEIGHT: f64 = 150.0;
/// The parts of a probe's lane: latency and outcomes.
const LATENCY: (f64, f64) = (28.0, 112.0);
const OUTCOME: (f64, f64) = (118.0, 134.0);
/// The maximum number of drawn probes.
const MAX_LANES: usize = 20;
/// The maximum number of numbered events.
const MAX_MARKS: usize = 40;
/// The maximum number of time steps.
const STEPS: u16 = 220;

/// A numbered event of the chart.
pub(super) struct TimelineMark {
    pub(super) number: usize,
    at: f64,
    kind: TimelineEventKind,
}

/// Returns the numbered events of a run, by their index in its timeline.
pub(super) fn numbered_events(run: &RunSummary) -> Vec<(usize, TimelineMark)> {
    let is_done = |kind: TimelineEventKind| {
        matches!(kind, TimelineEventKind::Action | TimelineEventKind::Effect | TimelineEventKind::Rollback)
    };
    let done = run.timeline.iter().enumerate().filter(|(_, moment)| is_done(moment.kind));
    (1..)
        .zip(done.take(MAX_MARKS))
        .map(|(number, (index, moment))| (index, TimelineMark { number, at: moment.at, kind: moment.kind }))
        .collect()
}

/// Returns the seconds from the start of sampling to the start of the run.
fn sampling_lead(run: &RunSummary, series: &Series) -> f64 {
    let moment = |text: Option<&str>| text.and_then(Timestamp::parse);
    if let (Some(run), Some(sampling)) = (moment(run.start.as_deref()), moment(series.began.as_deref())) {
        return run.since(sampling);
    }
    // without a timestamp: the fault starts with the first action
    let first = run.timeline.iter().find(|moment| moment.kind == TimelineEventKind::Action);
    match (series.phase_stats(SamplePhase::Fault), first) {
        (Some(fault), Some(action)) => fault.from - action.at,
        _ => series.phases.first().map_or(0.0, |phase| phase.to),
    }
}

/// Renders the chart; empty without known times.
pub(super) fn timeline_chart(run: &RunSummary) -> Markup {
    let end = run.timeline.last().map_or(0.0, |moment| moment.at).max(run.duration.unwrap_or(0.0));
    let lanes: Vec<&Series> = run.samples.iter().take(MAX_LANES).collect();
    let leads: Vec<f64> = lanes.iter().map(|series| sampling_lead(run, series)).collect();
    let phases = || {
        lanes
            .iter()
            .zip(&leads)
            .flat_map(|(series, lead)| series.phases.iter().map(move |stats| (stats, *lead)))
    };
    let from = phases().map(|(stats, lead)| stats.from - lead).fold(0.0, f64::min);
    let to = phases().map(|(stats, lead)| stats.to - lead).fold(end, f64::max);
    if !(to > from && (to - from).is_finite()) {
        return html! {};
    }
    let time = Axis { from, to, start: LEFT, end: RIGHT };
    #[allow(clippy::cast_precision_loss)] // a few lanes
    let lane = |number: usize| ACTION_LANE_END + LANE_HEIGHT * number as f64;
    let height = lane(lanes.len()) + 24.0;
    let marks = numbered_events(run);
    html! {
        div .scroll tabindex="0" role="group" aria-label="timeline" {
            svg .chart viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(chart_description(run)) {
                @if let (Some(series), Some(lead)) = (lanes.first(), leads.first()) {
                    (phase_bands(series, *lead, &time, height - 24.0))
                }
                @for (_, mark) in &marks { (event_mark(mark, &time, height - 24.0)) }
                @for moment in run.timeline.iter().filter(|moment| moment.kind == TimelineEventKind::HypothesisCheck) {
                    path .(sentiment_class(moment.sentiment)) d=(diamond(time.position(moment.at), ACTION_LANE_END - 10.0)) {
                        title { (replace_invisible(&moment.description)) ", at " (format_seconds(moment.at)) }
                    }
                }
                @for (number, (series, lead)) in lanes.iter().zip(&leads).enumerate() {
                    (probe_lane(series, *lead, &time, lane(number)))
                }
                (time_axis(&time, height - 24.0))
            }
        }
    }
}

/// Describes the chart for screen readers.
fn chart_description(run: &RunSummary) -> String {
    let mut text = format!("{}: {}.", run.label(), run.verdict);
    for series in run.samples.iter().take(MAX_LANES) {
        for stats in &series.phases {
            if let Some(ratio) = format_success_ratio(stats) {
                let _ = write!(text, " {}, {}: {ratio} ok.", series.probe, stats.phase.name());
            }
        }
    }
    replace_invisible(&text)
}

fn phase_bands(series: &Series, lead: f64, time: &Axis, bottom: f64) -> Markup {
    html! {
        @for stats in &series.phases {
            @let (from, to) = (time.position(stats.from - lead), time.position(stats.to - lead));
            rect .(format!("band {}", stats.phase.name())) x=(format_coordinate(from)) y="0" width=(format_coordinate((to - from).max(0.0))) height=(format_coordinate(bottom)) {}
            @if to - from > 48.0 {
                text .small x=(format_coordinate(from + 4.0)) y="12" { (stats.phase.name()) }
            }
        }
    }
}

fn event_mark(mark: &TimelineMark, time: &Axis, bottom: f64) -> Markup {
    let x = time.position(mark.at);
    // neighbours alternate between two lines
    let y = 26.0 + 11.0 * [0.0, 1.0][mark.number % 2];
    let kind = match mark.kind {
        TimelineEventKind::Rollback => "rollback",
        TimelineEventKind::Effect => "effect",
        _ => "action",
    };
    html! {
        line .(format!("mark {kind}")) x1=(format_coordinate(x)) x2=(format_coordinate(x)) y1=(format_coordinate(y)) y2=(format_coordinate(bottom)) {}
        text .number x=(format_coordinate(x + 2.0)) y=(format_coordinate(y)) { (mark.number) }
    }
}

fn diamond(x: f64, y: f64) -> String {
    format!("M{} {}l5 5 -5 5 -5 -5z", format_coordinate(x), format_coordinate(y - 5.0))
}

fn time_axis(time: &Axis, y: f64) -> Markup {
    html! {
        line .axis x1=(format_coordinate(LEFT)) x2=(format_coordinate(RIGHT)) y1=(format_coordinate(y)) y2=(format_coordinate(y)) {}
        @for tick in time.ticks(9) {
            line .axis x1=(format_coordinate(time.position(tick))) x2=(format_coordinate(time.position(tick))) y1=(format_coordinate(y)) y2=(format_coordinate(y + 4.0)) {}
            text .small text-anchor="middle" x=(format_coordinate(time.position(tick))) y=(format_coordinate(y + 17.0)) {
                (format_moment(tick, ""))
            }
        }
    }
}

/// Draws the lane of a probe: its name, range and median of the latency of good samples, and the share of bad ones.
fn probe_lane(series: &Series, lead: f64, time: &Axis, top: f64) -> Markup {
    let span = (series.raw.iter().map(|sample| sample.0)).filter(|due| due.is_finite());
    let (from, to) = span.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), due| (a.min(due), b.max(due)));
    let to = to + series.period.max(1e-3);
    let count = bucket_count(series, to - from, STEPS);
    let steps = bucket_samples(&series.raw, from, to, count);
    let greatest = steps.iter().filter_map(|step| step.latencies.last()).copied().fold(0.0, f64::max);
    let most = round_up_scale(greatest);
    let height = Axis { from: 0.0, to: most, start: top + LATENCY.1, end: top + LATENCY.0 };
    let width = (to - from) / f64::from(count);
    let (mut range, mut middle, mut bad, mut good) =
        (String::new(), String::new(), String::new(), String::new());
    let mut drawing = false;
    for (number, step) in (0_u16..).zip(&steps) {
        let begin = from + f64::from(number) * width;
        let (x, next) = (time.position(begin - lead), time.position(begin + width - lead));
        let total = step.good + step.bad;
        if total == 0 {
            continue;
        }
        append_outcome(
            step,
            x,
            (next - x).max(0.6) + 0.2,
            top,
            if step.bad > 0 { &mut bad } else { &mut good },
        );
        let (Some(least), Some(median), Some(most)) =
            (step.latencies.first(), step.median(), step.latencies.last())
        else {
            drawing = false;
            continue;
        };
        let at = format_coordinate(x.midpoint(next));
        let _ = write!(
            range,
            "M{at} {}V{}",
            format_coordinate(height.position(*least)),
            format_coordinate(height.position(*most))
        );
        let _ = write!(
            middle,
            "{}{at} {}",
            if drawing { 'L' } else { 'M' },
            format_coordinate(height.position(median))
        );
        drawing = true;
    }
    html! {
        text .name x=(format_coordinate(LEFT)) y=(format_coordinate(top + 16.0)) { (replace_invisible(&series.probe)) }
        @for tick in [0.0, most / 2.0, most] {
            line .grid x1=(format_coordinate(LEFT)) x2=(format_coordinate(RIGHT)) y1=(format_coordinate(height.position(tick))) y2=(format_coordinate(height.position(tick))) {}
            text .small text-anchor="end" x=(format_coordinate(LEFT - 6.0)) y=(format_coordinate(height.position(tick) + 3.5)) { (format_latency(tick)) }
        }
        path .range d=(range) {}
        path .middle d=(middle) {}
        path .fine d=(good) {}
        path .poor d=(bad) {}
        text .small text-anchor="end" x=(format_coordinate(LEFT - 6.0)) y=(format_coordinate(top + OUTCOME.1 - 3.0)) { "ok" }
    }
}

/// Appends one step of the outcome strip: low if all samples were good, and higher with more bad ones.
fn append_outcome(step: &TimeBucket, x: f64, width: f64, top: f64, path: &mut String) {
    let (begin, end) = (top + OUTCOME.0, top + OUTCOME.1);
    let share = f64::from(step.bad) / f64::from(step.good + step.bad);
    let height = if step.bad > 0 { 5.0 + share * (end - begin - 5.0) } else { 3.0 };
    let _ = write!(
        path,
        "M{} {}h{w}v{}h-{w}z",
        format_coordinate(x),
        format_coordinate(end),
        format_coordinate(-height),
        w = format_coordinate(width)
    );
}

/// Formats a latency at an axis.
fn format_latency(value: f64) -> String {
    if value >= 1000.0 { format_seconds(value / 1000.0) } else { format!("{} ms", format_coordinate(value)) }
}
