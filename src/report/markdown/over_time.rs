//! Runs over time, as rows of squares.

use std::fmt::Write as _;

use super::escape::{code_span_in_table, escape_cell};
use super::sentiment_emoji;
use super::table::write_cells;
use crate::compare::RunComparison;
use crate::compare::RunOutcomeKind;
use crate::report::ReportSummary;
use crate::report::key_rows::main_probe;
use crate::report::strips::{MAX_STRIPS, StripScale, select_runs, series_of};
use crate::report::summary::{RunSummary, Sentiment};
use crate::series::{SampleOutcome, Series};
use crate::text::pluralize;

/// The maximum number of probes and of runs that are drawn.
const MAX_PROBES: usize = 10;
const MAX_RUNS: usize = 40;

/// Writes the most important probe in the most important runs.
pub(super) fn write_selected_runs(summary: &ReportSummary, comparison: &RunComparison, out: &mut String) {
    let Some(probe) = shown_probe(summary, comparison) else { return };
    let Some(scale) = common_scale(summary) else { return };
    let runs = select_runs(comparison);
    let runs = runs.iter().filter_map(|index| summary.runs.get(*index).map(|run| (*index, run)));
    let rows: Vec<Vec<String>> =
        runs.filter_map(|(index, run)| run_row(comparison, index, run, probe, &scale)).collect();
    if rows.is_empty() {
        return;
    }
    write_cells(&["", &format!("{} over time", code_span_in_table(probe))], &rows, out);
    let _ = write!(out, "\n{}\n", scale.legend());
}

/// Writes every probe in every run, except what is shown already.
pub(super) fn write_other_runs(
    summary: &ReportSummary,
    comparison: &RunComparison,
    max_rows: usize,
    out: &mut String,
) {
    let Some(scale) = common_scale(summary) else { return };
    let main = shown_probe(summary, comparison);
    let selected = select_runs(comparison);
    let mut omitted = summary.runs.len().saturating_sub(MAX_RUNS);
    for probe in probes_by_failures(&summary.runs).into_iter().take(MAX_PROBES) {
        let runs = summary.runs.iter().enumerate().take(MAX_RUNS);
        let others = runs.filter(|(index, _)| main != Some(probe) || !selected.contains(index));
        let mut rows: Vec<Vec<String>> =
            others.filter_map(|(index, run)| run_row(comparison, index, run, probe, &scale)).collect();
        omitted += rows.len().saturating_sub(max_rows);
        rows.truncate(max_rows);
        if !rows.is_empty() {
            write_cells(&["", &format!("{} over time", code_span_in_table(probe))], &rows, out);
        }
    }
    if omitted > 0 && !out.is_empty() {
        let _ = write!(out, "\n_{} omitted._\n", pluralize(omitted, "row"));
    }
}

/// Writes the probes of a single run.
pub(super) fn write_probes_of_run(run: &RunSummary, out: &mut String) {
    let Some(scale) = StripScale::new(run.samples.iter()) else { return };
    let probes = probes_by_failures(std::slice::from_ref(run));
    let series = probes.into_iter().filter_map(|probe| series_of(run, probe));
    let row = |series: &Series| Some(vec![code_span_in_table(&series.probe), scale.draw(series)?]);
    let rows: Vec<Vec<String>> = series.filter_map(row).take(MAX_STRIPS).collect();
    if rows.is_empty() {
        return;
    }
    write_cells(&["", "over time"], &rows, out);
    let _ = write!(out, "\n{}\n", scale.legend());
}

/// Returns one scale for all strips of a comparison.
fn common_scale(summary: &ReportSummary) -> Option<StripScale> {
    StripScale::new(summary.runs.iter().take(MAX_RUNS).flat_map(|run| &run.samples))
}

/// Returns the probe whose runs are always visible.
fn shown_probe<'a>(summary: &'a ReportSummary, comparison: &'a RunComparison) -> Option<&'a str> {
    let sampled = probes_by_failures(&summary.runs);
    main_probe(comparison).filter(|probe| sampled.contains(probe)).or(sampled.first().copied())
}

/// Returns the sampled probes, those with the most bad samples first.
fn probes_by_failures(runs: &[RunSummary]) -> Vec<&str> {
    let mut probes: Vec<(&str, usize)> = Vec::new();
    for series in runs.iter().flat_map(|run| &run.samples) {
        let bad = series.raw.iter().filter(|sample| sample.2 != SampleOutcome::Ok).count();
        match probes.iter_mut().find(|(probe, _)| *probe == series.probe) {
            Some((_, count)) => *count += bad,
            None => probes.push((&series.probe, bad)),
        }
    }
    probes.sort_by_key(|(_, bad)| std::cmp::Reverse(*bad));
    probes.into_iter().map(|(probe, _)| probe).collect()
}

fn run_row(
    comparison: &RunComparison,
    index: usize,
    run: &RunSummary,
    probe: &str,
    scale: &StripScale,
) -> Option<Vec<String>> {
    let tone = comparison.runs.get(index).map_or(Sentiment::Unclear, |run| match run.outcome {
        RunOutcomeKind::Held => Sentiment::Good,
        RunOutcomeKind::Failed => Sentiment::Bad,
        RunOutcomeKind::Void => Sentiment::Unclear,
    });
    let strip = scale.draw(series_of(run, probe)?)?;
    Some(vec![format!("{} {}", sentiment_emoji(tone), escape_cell(&run.label())), strip])
}
