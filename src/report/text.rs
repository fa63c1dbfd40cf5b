//! A report for a terminal. Floor 1.
//!
//! What comes from journals is written so that it cannot move the cursor or colour anything.

use super::ReportSummary;
use super::summary::{ProbeCheck, RunSummary, SummaryStep, counts, reaction, seconds_shown};
use crate::console::sanitize;

/// The report. A comparison stands above the runs, in the words of `kubectl chaos compare`.
pub fn render(summary: &ReportSummary) -> String {
    let mut out = String::new();
    for (index, run) in summary.runs.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        one(run, &mut out);
    }
    out
}

fn one(run: &RunSummary, out: &mut String) {
    let mut line = |text: String| {
        *out += sanitize(&text).trim_end();
        out.push('\n');
    };
    line(format!("{}: {}", run.shown(), run.title));
    line(format!("{}: {}", run.verdict, run.reason));
    let begun = run.start.as_deref().map(|start| format!("begun {start}"));
    let took = run.duration.map(|seconds| format!("took {}", seconds_shown(seconds)));
    let known: Vec<String> = begun.into_iter().chain(took).collect();
    if !known.is_empty() {
        line(known.join(", "));
    }
    for (name, value) in &run.environment {
        line(format!("  {name}: {value}"));
    }
    if !run.probes.is_empty() {
        line("steady state".to_owned());
    }
    for probe in &run.probes {
        line(format!("  {} (tolerated: {})", probe.name, probe.tolerated));
        line(format!("    before: {}", looked(&probe.before)));
        if let Some(during) = &probe.during {
            let (looks, unmet) = during.looks;
            line(format!("    during: {}; {unmet} of {looks} looks not met", looked(during)));
        }
        line(format!("    after: {}", looked(&probe.after)));
    }
    for (name, steps) in [("method", &run.method), ("rollbacks", &run.rollbacks)] {
        if !steps.is_empty() {
            line(name.to_owned());
        }
        for step in steps {
            line(format!("  {}: {}", step.name, stepped(step)));
            for (target, done) in &step.targets {
                let refused = if *done == Some(false) { " (not done)" } else { "" };
                line(format!("    {target}{refused}"));
            }
        }
    }
    if !run.samples.is_empty() {
        line("samples".to_owned());
    }
    for series in &run.samples {
        let unsettled = if series.settled { "" } else { " (did not settle before the run began)" };
        line(format!("  {}{unsettled}", series.probe));
        for seen in &series.phases {
            let latency = seen.latency.as_ref();
            let latency =
                latency.map(|l| format!("; p50 {:.1} ms, p95 {:.1} ms", l.p50, l.p95)).unwrap_or_default();
            line(format!("    {}: {}{latency}", seen.phase.name(), counts(seen)));
        }
        for text in reaction(series) {
            line(format!("    {text}"));
        }
    }
}

fn looked(look: &ProbeCheck) -> String {
    with(look.state.shown(), &look.observed)
}

fn stepped(step: &SummaryStep) -> String {
    with(step.state.shown(), &step.detail)
}

fn with(what: &str, more: &str) -> String {
    if more.is_empty() { what.to_owned() } else { format!("{what}: {more}") }
}
