//! A comparison for a person at a terminal. Floor 3.

use crate::compare::{ComparedRun, RunComparison};
use crate::console::sanitize;

/// Longer texts of others are cut in a table.
const WIDEST: usize = 60;

/// What else differs, the verdict and why, the table of what was sampled, and the runs that do not count; all runs
/// where it is to be wide.
pub(super) fn text(comparison: &RunComparison, wide: bool) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        out += &sanitize(text);
        out.push('\n');
    };
    for label in &comparison.confounders {
        line(&format!("not the same: {}", label.text));
    }
    line(&comparison.headline());
    line(&comparison.reason);
    line(&comparison.format_counts());
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
    let mut head = vec!["PROBE", "MEASURE", "BEFORE", "AFTER", "DIFFERENCE", "95 % INTERVAL", "SO IT IS"];
    if wide {
        head.push("CHANCE");
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
    table(&["RUN", "JOURNAL", "OUTCOME", "WHY"], cells.collect())
}

/// An empty line, the heads and the lines; long texts of others are cut, but in the last column.
fn table(heads: &[&str], lines: Vec<Vec<String>>) -> String {
    let clip = |text: String, last: bool| {
        let text = sanitize(&text);
        if last || text.chars().count() <= WIDEST {
            return text;
        }
        text.chars().take(WIDEST - 1).chain(['…']).collect()
    };
    let clipped = lines.into_iter().map(|line| {
        let last = line.len() - 1;
        line.into_iter().enumerate().map(|(at, cell)| clip(cell, at == last)).collect()
    });
    "\n".to_owned() + &crate::cli::table::table(heads, clipped.collect())
}
