//! The folded statistics of a comparison, and its runs.

use std::fmt::Write as _;

use super::escape::escape_inline;
use super::table::write_table;
use crate::compare::{ComparedRun, MetricResult, MetricVerdict, RunComparison, RunOutcomeKind};

/// Writes the reason of the verdict, the counts with their intervals, and every metric.
pub(super) fn write_statistics(comparison: &RunComparison, max_rows: usize, out: &mut String) {
    let needed = comparison.required_runs.as_ref().map(|needed| needed.reason.as_str());
    let counts = comparison.format_counts();
    let settings = comparison.format_settings();
    let limit = comparison.format_failure_limit();
    let detectable = comparison.format_detectable();
    let texts = [
        Some(comparison.reason.as_str()),
        Some(&counts),
        limit.as_deref(),
        detectable.as_deref(),
        needed,
        Some(&settings),
    ];
    for text in texts.into_iter().flatten() {
        let _ = write!(out, "\n{}\n", escape_inline(text));
    }
    let columns = ["probe", "metric", "before", "after", "difference", "95 % interval", "p", "result"];
    let row = |row: &MetricResult| {
        let cells = vec![
            row.probe.clone(),
            row.metric.label().to_owned(),
            row.format_before(),
            row.format_after(),
            row.format_difference(),
            row.format_interval(),
            row.format_p(),
            row.format_result(),
        ];
        (row.result == MetricVerdict::Worse, cells)
    };
    write_table(&columns, comparison.metrics.iter().map(row).collect(), max_rows, out);
}

/// Writes the outcome of every run, and its reason.
pub(super) fn write_runs(comparison: &RunComparison, max_rows: usize, out: &mut String) {
    let row = |run: &ComparedRun| {
        let name = format!("{} {}", run.arm.name(), run.repeat);
        let surplus = if run.surplus { ", does not count" } else { "" };
        let cells = vec![name, format!("{}{surplus}", run.outcome.name()), run.reason.clone()];
        (run.outcome != RunOutcomeKind::Held, cells)
    };
    let rows = comparison.runs.iter().map(row).collect();
    write_table(&["run", "outcome", "reason"], rows, max_rows, out);
}
