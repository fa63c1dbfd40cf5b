//! The page: what stands where, and the tables. Floor 1.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::latency_chart::spread;
use super::run_strips::{courses, marks, strip};
use super::timeline::{self, of, timeline};
use crate::compare::RunComparison;
use crate::report::ReportSummary;
use crate::report::invisible::visible;
use crate::report::summary::{ProbeCheck, ProbeRow, RunSummary, Sentiment, SummaryStep, seconds_shown};

const STYLE: &str = include_str!("style.css");
/// Nothing is loaded, nothing runs, nothing is sent; the style stands in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The whole page.
pub(super) fn page(summary: &ReportSummary) -> Markup {
    let title = format!("{}: {}", summary.headline(), summary.title());
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                title { (visible(&title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header .(of(summary.tone())) {
                    @if let Some(comparison) = &summary.comparison {
                        @for label in &comparison.labels {
                            p .label { strong { "Not the same on both sides: " } (visible(&label.text)) }
                        }
                    }
                    p .verdict { span .sign aria-hidden="true" { (sign(summary.tone())) } " " (visible(&summary.headline())) }
                    h1 { (visible(&summary.title())) }
                    @let reason = summary.reason();
                    @if !reason.is_empty() { p { (visible(&reason)) } }
                }
                main {
                    @if let Some(comparison) = &summary.comparison { (compared(summary, comparison)) }
                    @let alone = summary.runs.len() == 1;
                    @for (number, run) in (1..).zip(&summary.runs) { (one(run, number, alone)) }
                }
                footer { p { "Written by kubectl-chaos. Everything that is known of a run stands in its journal." } }
            }
        }
    }
}

fn sign(tone: Sentiment) -> &'static str {
    match tone {
        Sentiment::Good => "✓",
        Sentiment::Bad => "✗",
        Sentiment::Unclear => "○",
    }
}

/// A table or a drawing that may be wider than the window; whoever has only keys can scroll it, too.
pub(super) fn scrolling(label: &str, content: &Markup) -> Markup {
    html! { div .scroll tabindex="0" role="group" aria-label=(label) { (content) } }
}

fn table(label: &str, heads: &[&str], rows: &Markup) -> Markup {
    scrolling(
        label,
        &html! {
            table {
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody { (rows) }
            }
        },
    )
}

/// What the comparison came to.
fn compared(summary: &ReportSummary, comparison: &RunComparison) -> Markup {
    html! {
        section aria-labelledby="comparison" {
            h2 #comparison { "Before and after" }
            (marks(comparison))
            p { (comparison.shown_counts()) "." }
            @if comparison.is_seen_once() {
                p .note { "That was seen once: it shows what can happen, and not how often it does." }
            }
            @if let Some(needed) = &comparison.needed { p .note { (visible(&needed.reason)) } }
            (courses(summary))
            @if !comparison.rows.is_empty() {
                h3 { "What was measured" }
                @let heads = ["probe", "measure", "before", "after", "run by run", "difference", "95 % interval", "chance", "so it is"];
                (table("what was measured", &heads, &html! {
                    @for row in &comparison.rows {
                        tr {
                            th scope="row" { (visible(&row.probe)) }
                            td { (row.measure.shown()) }
                            td { (row.shown_before()) }
                            td { (row.shown_after()) }
                            td { (strip(row)) }
                            td { (row.shown_difference()) }
                            td { (row.shown_interval()) }
                            td { (row.shown_p()) }
                            td { (visible(&row.shown_standing())) }
                        }
                    }
                }))
                p .key {
                    svg .strip .inline viewBox="0 0 12 12" aria-hidden="true" { circle .before cx="6" cy="6" r="4.5" {} } " before  "
                    svg .strip .inline viewBox="0 0 12 12" aria-hidden="true" { circle .after cx="6" cy="6" r="4.5" {} } " after, one mark for each run. The run is the unit of every test."
                }
            }
            h3 { "Runs" }
            (table("runs", &["run", "outcome", "why", "journal"], &html! {
                @for run in &comparison.runs {
                    tr {
                        th scope="row" { (run.arm.name()) " " (run.repeat) }
                        td { (run.outcome.name()) }
                        td { (visible(&run.reason)) }
                        td { (visible(&run.source)) }
                    }
                }
            }))
            p .note { (comparison.shown_settings()) "." }
        }
    }
}

/// One run: open where it is the only one.
fn one(run: &RunSummary, number: usize, alone: bool) -> Markup {
    let head = html! {
        span .(format!("sign {}", of(run.tone))) aria-hidden="true" { (sign(run.tone)) }
        " " (visible(&run.shown())) ": " (visible(&run.verdict))
    };
    let id = format!("run-{number}");
    html! {
        section aria-labelledby=(id) {
            @if alone {
                h2 #(id) { (head) }
                (content(run))
            } @else {
                details {
                    summary { h2 #(id) { (head) } span .why { (visible(&run.reason)) } }
                    (content(run))
                }
            }
        }
    }
}

fn content(run: &RunSummary) -> Markup {
    html! {
        p {
            (visible(&run.reason)) "."
            @if let Some(start) = &run.start { " Begun " (visible(start)) "." }
            @if let Some(seconds) = run.duration { " Took " (seconds_shown(seconds)) "." }
        }
        (probes(run))
        h3 { "What happened when" }
        (timeline(run))
        p .key {
            "Lines: an action (red), its effect as it was seen (dotted), a rollback (green), by the numbers of the table. Diamonds: looks at the steady state. For each probe that was sampled the latency of good answers, their range and median; below it a thin strip where all were good, a high one where they were not."
        }
        (moments(run))
        @if !run.samples.is_empty() {
            h3 { "How long good answers took" }
            @for series in &run.samples { (spread(series)) }
        }
        @for (name, list) in [("What was done", &run.method), ("Rollbacks", &run.rollbacks)] {
            @if !list.is_empty() {
                h3 { (name) }
                (table(name, &["step", "what became of it", "hit"], &html! { @for step in list { (step_row(step)) } }))
            }
        }
        h3 { "Where" }
        dl {
            @for (name, value) in &run.environment { dt { (name) } dd { (visible(value)) } }
        }
        h3 { "How to do it again" }
        pre tabindex="0" { (visible(&run.reproduce().join("\n"))) }
        details .journal {
            summary { "The journal (" (run.journal.len() / 1024 + 1) " KiB)" }
            pre tabindex="0" { (visible(&run.journal)) }
        }
    }
}

fn probes(run: &RunSummary) -> Markup {
    if run.probes.is_empty() {
        return html! {};
    }
    let during = run.probes.iter().any(|probe| probe.during.is_some());
    let mut heads = vec!["probe", "tolerated", "before", "after"];
    if during {
        heads.insert(3, "during");
    }
    let row = |probe: &ProbeRow| {
        html! {
            tr {
                th scope="row" { (visible(&probe.name)) }
                td { code { (visible(&probe.tolerated)) } }
                (looked(&probe.before))
                @if during {
                    @if let Some(look) = &probe.during { (looked(look)) } @else { td {} }
                }
                (looked(&probe.after))
            }
        }
    };
    html! {
        h3 { "Steady state" }
        (table("steady state", &heads, &html! { @for probe in &run.probes { (row(probe)) } }))
    }
}

fn looked(look: &ProbeCheck) -> Markup {
    stated(look.state.tone(), look.state.shown(), &look.observed)
}

/// A cell that says how something is, and what was seen.
fn stated(tone: Sentiment, shown: &str, more: &str) -> Markup {
    html! {
        td {
            span .(format!("sign {}", of(tone))) aria-hidden="true" { (sign(tone)) } " " (shown)
            @if !more.is_empty() { ": " span .seen { (visible(more)) } }
        }
    }
}

fn step_row(step: &SummaryStep) -> Markup {
    html! {
        tr {
            th scope="row" { (visible(&step.name)) }
            (stated(step.state.tone(), step.state.shown(), &step.detail))
            td {
                @if !step.targets.is_empty() {
                    ul { @for (target, done) in &step.targets {
                        li { (visible(target)) @if *done == Some(false) { " (not done)" } }
                    } }
                }
            }
        }
    }
}

/// The timeline as a table, with the numbers of the drawing.
fn moments(run: &RunSummary) -> Markup {
    if run.timeline.is_empty() {
        return html! {};
    }
    let marks = timeline::marks(run);
    let number = |index: usize| marks.iter().find(|(at, _)| *at == index).map(|(_, mark)| mark.number);
    table(
        "what happened when",
        &["no.", "after", "what"],
        &html! {
            @for (index, moment) in run.timeline.iter().enumerate() {
                tr {
                    td .number { @if let Some(number) = number(index) { (number) } }
                    td .number { (seconds_shown(moment.at)) }
                    td {
                        @if moment.tone != Sentiment::Unclear {
                            span .(format!("sign {}", of(moment.tone))) aria-hidden="true" { (sign(moment.tone)) } " "
                        }
                        (visible(&moment.what))
                    }
                }
            }
        },
    )
}
