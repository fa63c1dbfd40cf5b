//! The folded details of a run: activities, samples, timeline, environment.

use std::fmt::Write as _;

use super::escape::{code_block, escape_inline};
use super::sentiment_emoji;
use super::table::{MarkdownRow, write_table};
use crate::report::summary::{
    ProbeCheck, ProbeRow, RunSummary, Sentiment, SummaryStep, TimelineEvent, format_reaction,
    format_sample_counts, format_seconds, format_success_ratio,
};
use crate::series::{RawSample, SampleOutcome, Series};
use crate::text::{pluralize, truncate};

/// The number of bars of a sparkline.
const SPARKLINE_BARS: usize = 40;
/// The bars by height.
const BAR_CHARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The number of events in the timeline.
const MAX_TIMELINE_ROWS: usize = 100;

/// Writes the checks of the steady state.
///
/// Observed values are cut to `max_observed` characters.
pub(super) fn write_probes(run: &RunSummary, max_rows: usize, max_observed: usize, out: &mut String) {
    let has_during = run.probes.iter().any(|probe| probe.during.is_some());
    let mut columns = vec!["steady state", "tolerated", "before", "during", "after"];
    columns.retain(|column| has_during || *column != "during");
    let format = |check: &ProbeCheck| format_check(check, max_observed);
    let row = |probe: &ProbeRow| {
        let mut cells = vec![probe.name.clone(), probe.tolerated.clone(), format(&probe.before)];
        if has_during {
            cells.push(probe.during.as_ref().map(format).unwrap_or_default());
        }
        cells.push(format(&probe.after));
        let mut checks =
            [Some(&probe.before), probe.during.as_ref(), Some(&probe.after)].into_iter().flatten();
        (checks.any(|check| check.state.sentiment() == Sentiment::Bad), cells)
    };
    write_table(&columns, run.probes.iter().map(row).collect(), max_rows, out);
}

fn format_check(check: &ProbeCheck, max_observed: usize) -> String {
    let mark = sentiment_emoji(check.state.sentiment());
    let shown = check.state.label();
    if check.observed.is_empty() {
        format!("{mark} {shown}")
    } else {
        format!("{mark} {shown}: {}", truncate(&check.observed, max_observed))
    }
}

pub(super) fn write_steps(run: &RunSummary, max_rows: usize, out: &mut String) {
    for (name, steps) in [("Method", &run.method), ("Rollbacks", &run.rollbacks)] {
        if steps.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n**{name}**");
        let row = |step: &SummaryStep| {
            let cells = vec![step.name.clone(), format_step(step), format_targets(step)];
            (step.state.sentiment() == Sentiment::Bad, cells)
        };
        write_table(&["step", "result", "targets"], steps.iter().map(row).collect(), max_rows, out);
    }
}

fn format_step(step: &SummaryStep) -> String {
    let shown = format!("{} {}", sentiment_emoji(step.state.sentiment()), step.state.label());
    if step.detail.is_empty() { shown } else { format!("{shown}: {}", step.detail) }
}

fn format_targets(step: &SummaryStep) -> String {
    const MAX_SHOWN: usize = 10;
    let shown = |(target, done): &(String, Option<bool>)| {
        if *done == Some(false) { format!("{target} (not changed)") } else { target.clone() }
    };
    let mut all: Vec<String> = step.targets.iter().take(MAX_SHOWN).map(shown).collect();
    if step.targets.len() > MAX_SHOWN {
        all.push(format!("and {} more", step.targets.len() - MAX_SHOWN));
    }
    all.join(", ")
}

pub(super) fn write_samples(run: &RunSummary, max_rows: usize, out: &mut String) {
    if run.samples.is_empty() {
        return;
    }
    out.push_str("\n**Samples**\n");
    let mut rows: Vec<MarkdownRow> = Vec::new();
    for series in &run.samples {
        for stats in &series.phases {
            let latency = |of: fn(&crate::series::LatencyStats) -> f64| {
                stats.latency.as_ref().map(|latency| format!("{:.1} ms", of(latency))).unwrap_or_default()
            };
            let cells = vec![
                series.probe.clone(),
                stats.phase.name().to_owned(),
                format_sample_counts(stats),
                format_success_ratio(stats).unwrap_or_default(),
                latency(|latency| latency.p50),
                latency(|latency| latency.p95),
            ];
            rows.push((stats.count(SampleOutcome::Ok) < stats.total(), cells));
        }
    }
    write_table(&["probe", "phase", "samples", "ok", "p50", "p95"], rows, max_rows, out);
    for series in &run.samples {
        let reaction = format_reaction(series).join(", ");
        let line = sparkline(series);
        let line = if line.is_empty() { line } else { format!("`{line}` ") };
        let _ = write!(out, "\n{}: {line}{}\n", escape_inline(&series.probe), escape_inline(&reaction));
    }
}

/// Draws the latency of a probe over time; × marks steps in which most samples were not good.
fn sparkline(series: &Series) -> String {
    let raw = &series.raw;
    if raw.is_empty() {
        return String::new();
    }
    let wide = raw.len().div_ceil(SPARKLINE_BARS).max(1);
    let good = |sample: &&RawSample| sample.2 == SampleOutcome::Ok;
    let height = |chunk: &[RawSample]| -> Option<f64> {
        let latencies: Vec<f64> = chunk.iter().filter(good).filter_map(|sample| sample.1).collect();
        (latencies.len() * 2 >= chunk.len() && !latencies.is_empty())
            .then(|| latencies.iter().copied().fold(0.0, f64::max))
    };
    let heights: Vec<Option<f64>> = raw.chunks(wide).map(height).collect();
    let highest = heights.iter().flatten().copied().fold(0.0, f64::max);
    let bar = |height: &Option<f64>| match height {
        None => '×',
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share of a small number
        Some(height) if highest > 0.0 => {
            BAR_CHARS[((height / highest * 7.0).round().clamp(0.0, 7.0)) as usize]
        }
        Some(_) => BAR_CHARS[0],
    };
    heights.iter().map(bar).collect()
}

pub(super) fn write_timeline(run: &RunSummary, out: &mut String) {
    if run.timeline.is_empty() {
        return;
    }
    out.push_str("\n**Timeline**\n");
    // in order of time: the reader follows what led to a failure
    let (shown, omitted) = run.timeline.split_at(run.timeline.len().min(MAX_TIMELINE_ROWS));
    let row = |event: &TimelineEvent| (false, vec![format_seconds(event.at), event.description.clone()]);
    write_table(&["time", "event"], shown.iter().map(row).collect(), usize::MAX, out);
    let omitted = omitted.len() + run.omitted_events;
    if omitted > 0 {
        let _ = write!(out, "\n_{} omitted._\n", pluralize(omitted, "event"));
    }
}

pub(super) fn write_environment(run: &RunSummary, out: &mut String) {
    out.push_str("\n**Environment and reproduction**\n\n");
    for (name, value) in &run.environment {
        let _ = writeln!(out, "- {name}: {}", escape_inline(value));
    }
    let _ = write!(out, "\n{}", code_block(&run.reproduction_commands().join("\n")));
}
