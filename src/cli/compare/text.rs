//! A comparison as text for the terminal.

use crate::compare::{ComparedRun, RunComparison};
use crate::console::sanitize;

/// Maximum width of a table cell.
const MAX_WIDTH: usize = 60;

/// Renders confounders, verdict, metrics and void runs; with `wide` all runs.
pub(super) fn text(comparison: &RunComparison, wide: bool) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        out += &sanitize(text);
        out.push('\n');
    };
    for label in &comparison.confounders {
        line(&format!("{}: {}", label.heading(), label.text));
    }
    line(&comparison.headline());
    line(&comparison.reason);
    line(&comparison.format_counts());
    let more = [comparison.format_failure_limit(), comparison.format_detectable()];
    more.iter().flatten().for_each(|text| line(text));
    if let Some(needed) = &comparison.required_runs {
        line(&needed.reason);
    }
    if wide {
        line(&comparison.format_settings());
    }
    out += &rows(comparison, wide);
    let listed: Vec<&ComparedRun> =
        if wide { comparison.runs.iter().collect() } else { comparison.void_runs().collect() };
    out += &runs(&listed);
    out
}

fn rows(comparison: &RunComparison, wide: bool) -> String {
    if comparison.metrics.is_empty() {
        return String::new();
    }
    let mut head = vec!["PROBE", "METRIC", "BEFORE", "AFTER", "DIFFERENCE", "95 % INTERVAL", "RESULT"];
    if wide {
        head.push("P-VALUE");
    }
    let cells = comparison.metrics.iter().map(|row| {
        let mut cells = vec![
            row.probe.clone(),
            row.metric.label().to_owned(),
            row.format_before(),
            row.format_after(),
            row.format_difference(),
            row.format_interval(),
            row.format_result(),
        ];
        if wide {
            cells.push(row.format_p());
        }
        cells
    });
    table(&head, cells.collect())
}

fn runs(runs: &[&ComparedRun]) -> String {
    if runs.is_empty() {
        return String::new();
    }
    let cells = runs.iter().map(|run| {
        vec![
            format!("{} {}", run.arm.name(), run.repeat),
            run.source.clone(),
            run.outcome.name().to_owned(),
            run.reason.clone(),
        ]
    });
    table(&["RUN", "JOURNAL", "OUTCOME", "REASON"], cells.collect())
}

/// Renders an empty line and a table; truncates long cells, except in the last column.
fn table(heads: &[&str], lines: Vec<Vec<String>>) -> String {
    let truncate = |text: String, last: bool| {
        let text = sanitize(&text);
        if last || text.chars().count() <= MAX_WIDTH {
            return text;
        }
        text.chars().take(MAX_WIDTH - 1).chain(['…']).collect()
    };
    let truncated = lines.into_iter().map(|line| {
        let last = line.len() - 1;
        line.into_iter().enumerate().map(|(at, cell)| truncate(cell, at == last)).collect()
    });
    "\n".to_owned() + &crate::cli::table::table(heads, truncated.collect())
}
