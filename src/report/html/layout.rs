//! The structure of the page, and its tables.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::comparison::comparison_section;
use super::latency_chart::latency_section;
use super::svg::{phrase, sentiment_class, sentiment_symbol, table};
use super::timeline::{numbered_events, timeline_chart};
use crate::report::ReportSummary;
use crate::report::decision::decide;
use crate::report::summary::{ProbeCheck, ProbeRow, RunSummary, Sentiment, SummaryStep, format_seconds};
use crate::text::{capitalize, pluralize, replace_invisible};

const STYLE: &str = include_str!("style.css");
/// The content security policy: nothing is loaded, executed or sent; the style is inline.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Renders the page.
pub(super) fn render_page(summary: &ReportSummary) -> Markup {
    let title = format!("{}: {}", summary.headline(), summary.title());
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                title { (replace_invisible(&title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header .(sentiment_class(summary.sentiment())) {
                    @if let Some(comparison) = &summary.comparison {
                        @for label in &comparison.confounders {
                            p .label { strong { (capitalize(label.heading())) ": " } (replace_invisible(&label.text)) }
                        }
                    }
                    p .verdict { span .sign aria-hidden="true" { (sentiment_symbol(summary.sentiment())) } " " (replace_invisible(&summary.headline())) }
                    h1 { (replace_invisible(&summary.title())) }
                    p .decision { (phrase(&decide(summary))) }
                }
                main {
                    @if let Some(comparison) = &summary.comparison { (comparison_section(summary, comparison)) }
                    @let alone = summary.runs.len() == 1;
                    @for (number, run) in (1..).zip(&summary.runs) { (run_section(run, number, alone)) }
                }
                footer { p { "Written by kubectl-chaos. The journal has all details of a run." } }
            }
        }
    }
}

/// Renders a run; expanded if it is the only one.
fn run_section(run: &RunSummary, number: usize, alone: bool) -> Markup {
    let head = html! {
        span .(format!("sign {}", sentiment_class(run.sentiment))) aria-hidden="true" { (sentiment_symbol(run.sentiment)) }
        " " (replace_invisible(&run.label())) ": " (replace_invisible(&run.verdict))
    };
    let id = format!("run-{number}");
    html! {
        section aria-labelledby=(id) {
            @if alone {
                h2 #(id) { (head) }
                (run_details(run))
            } @else {
                details {
                    summary { h2 #(id) { (head) } span .why { (replace_invisible(&run.reason)) } }
                    (run_details(run))
                }
            }
        }
    }
}

fn run_details(run: &RunSummary) -> Markup {
    html! {
        p {
            @if !run.reason.is_empty() { (replace_invisible(&run.reason)) "." }
            @if let Some(start) = &run.start { " Started " (replace_invisible(start)) "." }
            @if let Some(seconds) = run.duration { " Took " (format_seconds(seconds)) "." }
        }
        (probe_table(run))
        h3 { "Timeline" }
        (timeline_chart(run))
        p .key {
            "Lines: an action (red), its confirmed effect (dotted), a rollback (green), numbered as in the table. Diamonds: checks of the steady state. For each sampled probe: range and median of the latency of good samples. Below: a low strip if all samples were good, a high one if not."
        }
        (timeline_table(run))
        @if !run.samples.is_empty() {
            h3 { "Latency of good samples" }
            @for series in &run.samples { (latency_section(series)) }
        }
        @for (name, list) in [("Method", &run.method), ("Rollbacks", &run.rollbacks)] {
            @if !list.is_empty() {
                h3 { (name) }
                (table(name, &["step", "result", "targets"], &html! { @for step in list { (step_row(step)) } }))
            }
        }
        h3 { "Environment" }
        dl {
            @for (name, value) in &run.environment { dt { (name) } dd { (replace_invisible(value)) } }
        }
        h3 { "Reproduction" }
        pre tabindex="0" { (replace_invisible(&run.reproduction_commands().join("\n"))) }
        details .journal {
            summary { "The journal (" (run.journal.len() / 1024 + 1) " KiB)" }
            pre tabindex="0" { (replace_invisible(&run.journal)) }
        }
    }
}

fn probe_table(run: &RunSummary) -> Markup {
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
                th scope="row" { (replace_invisible(&probe.name)) }
                td { code { (replace_invisible(&probe.tolerated)) } }
                (check_cell(&probe.before))
                @if during {
                    @if let Some(check) = &probe.during { (check_cell(check)) } @else { td {} }
                }
                (check_cell(&probe.after))
            }
        }
    };
    html! {
        h3 { "Steady state" }
        (table("steady state", &heads, &html! { @for probe in &run.probes { (row(probe)) } }))
    }
}

fn check_cell(check: &ProbeCheck) -> Markup {
    status_cell(check.state.sentiment(), check.state.label(), &check.observed)
}

/// Renders a cell with a symbol, a label and a detail.
fn status_cell(tone: Sentiment, shown: &str, more: &str) -> Markup {
    html! {
        td {
            span .(format!("sign {}", sentiment_class(tone))) aria-hidden="true" { (sentiment_symbol(tone)) } " " (shown)
            @if !more.is_empty() { ": " span .seen { (replace_invisible(more)) } }
        }
    }
}

fn step_row(step: &SummaryStep) -> Markup {
    html! {
        tr {
            th scope="row" { (replace_invisible(&step.name)) }
            (status_cell(step.state.sentiment(), step.state.label(), &step.detail))
            td {
                @if !step.targets.is_empty() {
                    ul { @for (target, done) in &step.targets {
                        li { (replace_invisible(target)) @if *done == Some(false) { " (not changed)" } }
                    } }
                }
            }
        }
    }
}

/// Renders the timeline as a table, with the numbers of the chart.
fn timeline_table(run: &RunSummary) -> Markup {
    if run.timeline.is_empty() {
        return html! {};
    }
    let marks = numbered_events(run);
    let number = |index: usize| marks.iter().find(|(at, _)| *at == index).map(|(_, mark)| mark.number);
    table(
        "timeline",
        &["no.", "time", "event"],
        &html! {
            @for (index, moment) in run.timeline.iter().enumerate() {
                tr {
                    td .number { @if let Some(number) = number(index) { (number) } }
                    td .number { (format_seconds(moment.at)) }
                    td {
                        @if moment.sentiment != Sentiment::Unclear {
                            span .(format!("sign {}", sentiment_class(moment.sentiment))) aria-hidden="true" { (sentiment_symbol(moment.sentiment)) } " "
                        }
                        (replace_invisible(&moment.description))
                    }
                }
            }
            @if run.omitted_events > 0 {
                tr { td {} td {} td { (pluralize(run.omitted_events, "event")) " omitted" } }
            }
        },
    )
}
