//! A comparison as text for the terminal.

use crate::compare::{ComparedRun, RunComparison};
use crate::console::sanitize;
use crate::report::decision::decide_comparison;
use crate::report::key_rows::{DIFFERENCE_MARK, KeyRow, MARK_MEANING, key_rows};

/// Maximum width of a table cell.
const MAX_WIDTH: usize = 60;

/// Renders confounders, verdict, decision, the short table and void runs; with `wide` also the statistics and all runs.
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
    line(&decide_comparison(comparison).to_plain_text());
    if wide {
        line(&comparison.reason);
        line(&comparison.format_counts());
        let more = [comparison.format_failure_limit(), comparison.format_detectable()];
        more.iter().flatten().for_each(|text| line(text));
        if let Some(needed) = &comparison.required_runs {
            line(&needed.reason);
        }
        line(&comparison.format_settings());
    }
    out += &short_table(&key_rows(comparison));
    if wide {
        out += &statistics(comparison);
    }
    let listed_runs: Vec<&ComparedRun> =
        if wide { comparison.runs.iter().collect() } else { comparison.void_runs().collect() };
    out += &runs(&listed_runs);
    out
}

fn short_table(rows: &[KeyRow]) -> String {
    let cells = rows.iter().map(|row| {
        let mark = if row.is_difference { format!(" {DIFFERENCE_MARK}") } else { String::new() };
        vec![row.label.to_plain_text(), row.before.clone(), format!("{}{mark}", row.after)]
    });
    let mut out = table(&["MEASURE", "BEFORE", "AFTER"], cells.collect());
    if rows.iter().any(|row| row.is_difference) {
        out += &format!("{DIFFERENCE_MARK} {MARK_MEANING}\n");
    }
    out
}

fn statistics(comparison: &RunComparison) -> String {
    if comparison.metrics.is_empty() {
        return String::new();
    }
    let head = ["PROBE", "METRIC", "BEFORE", "AFTER", "DIFFERENCE", "95 % INTERVAL", "RESULT", "P-VALUE"];
    let cells = comparison.metrics.iter().map(|row| {
        vec![
            row.probe.clone(),
            row.metric.label().to_owned(),
            row.format_before(),
            row.format_after(),
            row.format_difference(),
            row.format_interval(),
            row.format_result(),
            row.format_p(),
        ]
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
