//! The comparison: short table, runs over time, latency by phase, statistics.

use maud::{Markup, html};

use super::latency_overlay::latency_overlays;
use super::run_strips::{run_marks, run_timelines, value_strip};
use super::svg::{phrase, scroll_region, table, term};
use crate::compare::RunComparison;
use crate::report::ReportSummary;
use crate::report::key_rows::{DIFFERENCE_MARK, KeyRow, MARK_MEANING, define_metric, key_rows};
use crate::text::replace_invisible;

/// The definitions of the columns of the statistics.
const INTERVAL_MEANING: &str =
    "In 95 % of such comparisons, an interval like this contains the true difference.";
const P_MEANING: &str = "The probability of a difference at least as large if the change made none, corrected for the \
                         number of tested metrics (Westfall-Young).";
const DIFFERENCE_MEANING: &str = "The median of all differences between a run after and a run before (Hodges-Lehmann); for times, a factor.";

/// Renders the comparison.
pub(super) fn comparison_section(summary: &ReportSummary, comparison: &RunComparison) -> Markup {
    html! {
        section aria-labelledby="comparison" {
            h2 #comparison { "Before and after" }
            (run_marks(comparison))
            (short_table(&key_rows(comparison)))
            (run_timelines(summary))
            (latency_overlays(summary, comparison))
        }
        section aria-labelledby="statistics" {
            details {
                summary { h2 #statistics { "Statistics" } span .why { "differences, intervals, margins" } }
                (statistics(comparison))
            }
        }
        section aria-labelledby="runs" {
            details {
                summary { h2 #runs { "Runs" } span .why { "outcomes and reasons" } }
                (run_table(comparison))
            }
        }
    }
}

/// Renders the short table. A hint defines each number; for readers without a pointer, so does a list.
fn short_table(rows: &[KeyRow]) -> Markup {
    html! {
        (scroll_region("before and after", &html! {
            table .short {
                thead { tr { td {} th scope="col" { "before" } th scope="col" { "after" } } }
                tbody {
                    @for row in rows {
                        tr {
                            th scope="row" { (term(&phrase(&row.label), row.definition)) }
                            td { (row.before) }
                            td {
                                (row.after)
                                @if row.is_difference { " " span .difference { (DIFFERENCE_MARK) } }
                            }
                        }
                    }
                }
            }
        }))
        @if rows.iter().any(|row| row.is_difference) {
            p .key { span .difference { (DIFFERENCE_MARK) } " " (MARK_MEANING) }
        }
        details .meaning {
            summary { "What these numbers mean" }
            dl { @for row in rows { dt { (phrase(&row.label)) } dd { (row.definition) } } }
        }
    }
}

fn statistics(comparison: &RunComparison) -> Markup {
    let heads = [
        ("probe", ""),
        ("metric", ""),
        ("before", "The median of the runs, and each run."),
        ("after", "The median of the runs, and each run."),
        ("runs", "One mark for each run."),
        ("difference", DIFFERENCE_MEANING),
        ("95 % interval", INTERVAL_MEANING),
        ("p", P_MEANING),
        ("result", "Better and worse: significant, and by more than the margin as estimated."),
    ];
    html! {
        p { (replace_invisible(&comparison.reason)) }
        p { (comparison.format_counts()) "." }
        @for text in [comparison.format_failure_limit(), comparison.format_detectable()].into_iter().flatten() {
            p { (text) "." }
        }
        @if let Some(needed) = &comparison.required_runs { p .note { (replace_invisible(&needed.reason)) } }
        @if !comparison.metrics.is_empty() {
            (scroll_region("metrics", &html! {
                table {
                    thead { tr { @for (head, meaning) in heads {
                        th scope="col" {
                            @if meaning.is_empty() { (head) } @else { (term(&html! { (head) }, meaning)) }
                        }
                    } } }
                    tbody {
                        @for row in &comparison.metrics {
                            tr {
                                th scope="row" { (replace_invisible(&row.probe)) }
                                td { (term(&html! { (row.metric.label()) }, define_metric(row.metric))) }
                                td { (row.format_before()) }
                                td { (row.format_after()) }
                                td { (value_strip(row)) }
                                td { (row.format_difference()) }
                                td { (row.format_interval()) }
                                td { (row.format_p()) }
                                td { (replace_invisible(&row.format_result())) }
                            }
                        }
                    }
                }
            }))
            p .key {
                svg .strip .inline viewBox="0 0 12 12" aria-hidden="true" { circle .before cx="6" cy="6" r="4.5" {} } " before  "
                svg .strip .inline viewBox="0 0 12 12" aria-hidden="true" { circle .after cx="6" cy="6" r="4.5" {} } " after, one mark for each run. The run is the unit of every test."
            }
            dl {
                @for (head, meaning) in heads.iter().filter(|(_, meaning)| !meaning.is_empty()) {
                    dt { (head) } dd { (meaning) }
                }
            }
        }
        p .note { (comparison.format_settings()) "." }
    }
}

fn run_table(comparison: &RunComparison) -> Markup {
    table(
        "runs",
        &["run", "outcome", "reason", "journal"],
        &html! {
            @for run in &comparison.runs {
                tr {
                    th scope="row" { (run.arm.name()) " " (run.repeat) }
                    td { (run.outcome.name()) @if run.surplus { ", does not count" } }
                    td { (replace_invisible(&run.reason)) }
                    td { (replace_invisible(&run.source)) }
                }
            }
        },
    )
}
