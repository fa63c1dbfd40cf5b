//! Renders a report for a terminal.
//!
//! Text of journals is sanitized: it cannot move the cursor or set colours.

use super::ReportSummary;
use super::summary::{
    ProbeCheck, RunSummary, SummaryStep, format_reaction, format_sample_counts, format_seconds,
};
use crate::text::sanitize;

/// Renders the runs. `kubectl chaos compare` prints the comparison above them.
pub fn render(summary: &ReportSummary) -> String {
    let mut out = String::new();
    for (index, run) in summary.runs.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        write_run(run, &mut out);
    }
    out
}

fn write_run(run: &RunSummary, out: &mut String) {
    let mut line = |text: String| {
        *out += sanitize(&text).trim_end();
        out.push('\n');
    };
    line(format!("{}: {}", run.label(), run.title));
    let separator = if run.reason.is_empty() { "" } else { ": " };
    line(format!("{}{separator}{}", run.verdict, run.reason));
    let started = run.start.as_deref().map(|start| format!("started {start}"));
    let took = run.duration.map(|seconds| format!("took {}", format_seconds(seconds)));
    let times: Vec<String> = started.into_iter().chain(took).collect();
    if !times.is_empty() {
        line(times.join(", "));
    }
    for (name, value) in &run.environment {
        line(format!("  {name}: {value}"));
    }
    if !run.probes.is_empty() {
        line("steady state".to_owned());
    }
    for probe in &run.probes {
        line(format!("  {} (tolerated: {})", probe.name, probe.tolerated));
        line(format!("    before: {}", format_check(&probe.before)));
        if let Some(during) = &probe.during {
            let (checks, unmet) = during.checks;
            line(format!("    during: {}; {unmet} of {checks} checks not met", format_check(during)));
        }
        line(format!("    after: {}", format_check(&probe.after)));
    }
    for (name, steps) in [("method", &run.method), ("rollbacks", &run.rollbacks)] {
        if !steps.is_empty() {
            line(name.to_owned());
        }
        for step in steps {
            line(format!("  {}: {}", step.name, format_step(step)));
            for (target, done) in &step.targets {
                let refused = if *done == Some(false) { " (not changed)" } else { "" };
                line(format!("    {target}{refused}"));
            }
        }
    }
    if !run.samples.is_empty() {
        line("samples".to_owned());
    }
    for series in &run.samples {
        let unsettled = if series.settled { "" } else { " (did not settle before the run started)" };
        line(format!("  {}{unsettled}", series.probe));
        for stats in &series.phases {
            let latency = stats.latency.as_ref();
            let latency =
                latency.map(|l| format!("; p50 {:.1} ms, p95 {:.1} ms", l.p50, l.p95)).unwrap_or_default();
            line(format!("    {}: {}{latency}", stats.phase.name(), format_sample_counts(stats)));
        }
        for text in format_reaction(series) {
            line(format!("    {text}"));
        }
    }
}

fn format_check(check: &ProbeCheck) -> String {
    join_detail(check.state.label(), &check.observed)
}

fn format_step(step: &SummaryStep) -> String {
    join_detail(step.state.label(), &step.detail)
}

fn join_detail(what: &str, more: &str) -> String {
    if more.is_empty() { what.to_owned() } else { format!("{what}: {more}") }
}
