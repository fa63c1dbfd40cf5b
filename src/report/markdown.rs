//! Markdown, for pull requests and job summaries.
//!
//! ```text
//!  confounders, verdict, decision, short table, a few runs over time   always visible, at most 40 lines
//!  other runs over time, statistics, details of every run              folded
//! ```
//!
//! Confounders and the verdict come first and are never omitted. If the report is too long, sections are omitted in a
//! fixed order, and a note lists them. Before a table is omitted, its rows are cut: failures stay longest, and a count
//! replaces the rest. `escape` escapes all untrusted text.

mod escape;
mod over_time;
mod run_details;
mod statistics;
mod table;

use std::fmt::Write as _;

use super::ReportSummary;
use super::decision::decide;
use super::key_rows::{DIFFERENCE_MARK, KeyRow, MARK_MEANING, key_rows};
use super::summary::{RunSummary, Sentiment};
use crate::compare::{Confounder, RunComparison};
use crate::text::{capitalize, pluralize};

pub use escape::{code_block, escape_cell, escape_element, escape_inline};

/// The maximum size of a comment on GitHub, with a reserve.
pub const MAX_COMMENT_BYTES: usize = 65_000;
/// The maximum number of rows of a table that is not folded.
const MAX_VISIBLE_ROWS: usize = 8;
/// The maximum length of an observed value that is not folded, in characters.
const MAX_VISIBLE_TEXT: usize = 60;
/// The fewest rows to which all tables are cut before a section is omitted.
const MIN_ROWS: usize = 10;

/// Sections that can be omitted, in the order of omission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum OptionalSection {
    Environment,
    Timeline,
    Samples,
    OtherStrips,
    Steps,
    Runs,
    Statistics,
    Strips,
    Table,
    Decision,
}

impl OptionalSection {
    const ALL: [Self; 10] = [
        Self::Environment,
        Self::Timeline,
        Self::Samples,
        Self::OtherStrips,
        Self::Steps,
        Self::Runs,
        Self::Statistics,
        Self::Strips,
        Self::Table,
        Self::Decision,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Environment => "the environment",
            Self::Timeline => "the timeline",
            Self::Samples => "the samples",
            Self::OtherStrips => "the other runs over time",
            Self::Steps => "the activities",
            Self::Runs => "the runs",
            Self::Statistics => "the statistics",
            Self::Strips => "the runs over time",
            Self::Table => "the table",
            Self::Decision => "the decision",
        }
    }
}

/// The sections of a report, and the maximum number of rows in each table.
#[derive(Clone, Copy, Debug)]
struct Selection {
    /// How many sections are left out, in the order of omission.
    left_out: usize,
    max_rows: usize,
}

impl Selection {
    fn has(self, section: OptionalSection) -> bool {
        OptionalSection::ALL.iter().skip(self.left_out).any(|kept| *kept == section)
    }
}

/// Renders the report with at most `limit` bytes.
///
/// Sections are omitted one by one until it fits. Confounders and headline always stay, truncated if necessary.
pub fn render(summary: &ReportSummary, limit: usize) -> String {
    for left_out in 0..=OptionalSection::ALL.len() {
        let text = render_selection(summary, Selection { left_out, max_rows: usize::MAX });
        if text.len() <= limit {
            return text;
        }
        let fewest_rows = match OptionalSection::ALL.get(left_out) {
            Some(OptionalSection::Steps | OptionalSection::Runs | OptionalSection::Statistics) => MIN_ROWS,
            Some(OptionalSection::Table) => 1,
            _ => continue,
        };
        if let Some(text) = cut_rows(summary, left_out, fewest_rows, limit) {
            return text;
        }
    }
    // only the kinds of confounders are left: they must not displace the verdict
    let mut text = confounder_lines(summary, true) + &format_headline(summary);
    while text.len() > limit {
        text.pop();
    }
    text
}

/// Renders the report with as many rows in each table as fit; `None` if even the fewest do not fit.
fn cut_rows(summary: &ReportSummary, left_out: usize, fewest: usize, limit: usize) -> Option<String> {
    let mut best = Some(render_selection(summary, Selection { left_out, max_rows: fewest }))
        .filter(|text| text.len() <= limit)?;
    // a row has more than one byte, so the limit is too many
    let (mut fitting, mut excess) = (fewest, limit.max(fewest));
    while excess - fitting > 1 {
        let rows = fitting + (excess - fitting) / 2;
        let text = render_selection(summary, Selection { left_out, max_rows: rows });
        if text.len() <= limit {
            (fitting, best) = (rows, text);
        } else {
            excess = rows;
        }
    }
    Some(best)
}

/// Renders the report with the selected sections.
fn render_selection(summary: &ReportSummary, selection: Selection) -> String {
    let mut out = confounder_lines(summary, false) + &format_headline(summary);
    if selection.has(OptionalSection::Decision) {
        let decision = escape::escape_phrase(&decide(summary), false);
        if !decision.is_empty() {
            let _ = write!(out, "\n{decision}\n");
        }
    }
    match &summary.comparison {
        Some(comparison) => write_comparison(summary, comparison, selection, &mut out),
        None => match summary.runs.as_slice() {
            [run] => write_single_run(run, selection, &mut out),
            runs => write_several_runs(runs, selection, &mut out),
        },
    }
    if selection.left_out > 0 {
        let omitted = OptionalSection::ALL.iter().take(selection.left_out);
        let names: Vec<&str> = omitted.map(|section| section.name()).collect();
        let _ = write!(out, "\n_Omitted to fit the size limit: {}._\n", names.join(", "));
    }
    out
}

fn write_comparison(
    summary: &ReportSummary,
    comparison: &RunComparison,
    selection: Selection,
    out: &mut String,
) {
    if selection.has(OptionalSection::Table) {
        write_key_rows(&key_rows(comparison), out);
    }
    if selection.has(OptionalSection::Strips) {
        over_time::write_selected_runs(summary, comparison, out);
    }
    let mut other = String::new();
    if selection.has(OptionalSection::OtherStrips) {
        over_time::write_other_runs(summary, comparison, selection.max_rows, &mut other);
    }
    write_details("Other runs and probes over time", &other, out);
    let mut numbers = String::new();
    if selection.has(OptionalSection::Statistics) {
        statistics::write_statistics(comparison, selection.max_rows, &mut numbers);
    }
    write_details("Statistics: differences, intervals, margins", &numbers, out);
    let mut runs = String::new();
    if selection.has(OptionalSection::Runs) {
        statistics::write_runs(comparison, selection.max_rows, &mut runs);
    }
    for run in &summary.runs {
        write_run_details(run, selection, &mut runs);
    }
    let title =
        format!("{}: reasons, targets, environment, reproduction", pluralize(summary.runs.len(), "run"));
    write_details(&title, &runs, out);
}

fn write_single_run(run: &RunSummary, selection: Selection, out: &mut String) {
    let checks =
        run.probes.iter().flat_map(|probe| [Some(&probe.before), probe.during.as_ref(), Some(&probe.after)]);
    let is_long = checks.flatten().any(|check| check.observed.chars().count() > MAX_VISIBLE_TEXT);
    let is_cut = is_long || run.probes.len() > MAX_VISIBLE_ROWS;
    if selection.has(OptionalSection::Table) {
        let max_rows = selection.max_rows.min(MAX_VISIBLE_ROWS);
        run_details::write_probes(run, max_rows, MAX_VISIBLE_TEXT, out);
    }
    if selection.has(OptionalSection::Strips) {
        over_time::write_probes_of_run(run, out);
    }
    if is_cut && selection.has(OptionalSection::Runs) {
        let mut probes = String::new();
        run_details::write_probes(run, selection.max_rows, usize::MAX, &mut probes);
        write_details("The steady state in full", &probes, out);
    }
    write_run_details(run, selection, out);
}

fn write_several_runs(runs: &[RunSummary], selection: Selection, out: &mut String) {
    let row = |run: &RunSummary| {
        let cells = vec![run.label(), run.verdict.clone(), run.reason.clone()];
        (run.sentiment == Sentiment::Bad, cells)
    };
    let rows: Vec<_> = runs.iter().map(row).collect();
    if selection.has(OptionalSection::Table) {
        let visible = selection.max_rows.min(2 * MAX_VISIBLE_ROWS);
        table::write_table(&["run", "verdict", "reason"], rows, visible, out);
    }
    let mut details = String::new();
    for run in runs {
        write_run_details(run, selection, &mut details);
    }
    let title = format!("{}: checks, targets, environment, reproduction", pluralize(runs.len(), "run"));
    write_details(&title, &details, out);
}

/// Writes a folded section, unless it is empty.
fn write_details(title: &str, content: &str, out: &mut String) {
    if !content.is_empty() {
        let _ =
            write!(out, "\n<details><summary>{}</summary>\n{content}\n</details>\n", escape_element(title));
    }
}

/// Writes the folded details of a run.
fn write_run_details(run: &RunSummary, selection: Selection, out: &mut String) {
    let mut details = String::new();
    if selection.has(OptionalSection::Runs) && run.arm.is_some() {
        run_details::write_probes(run, selection.max_rows, usize::MAX, &mut details);
    }
    if selection.has(OptionalSection::Steps) {
        run_details::write_steps(run, selection.max_rows, &mut details);
    }
    if selection.has(OptionalSection::Samples) {
        run_details::write_samples(run, selection.max_rows, &mut details);
    }
    if selection.has(OptionalSection::Timeline) {
        run_details::write_timeline(run, &mut details);
    }
    if selection.has(OptionalSection::Environment) {
        run_details::write_environment(run, &mut details);
    }
    if !details.is_empty() {
        let _ = write!(
            out,
            "\n<details><summary>{} <b>{}</b>: {}</summary>\n{details}\n</details>\n",
            sentiment_emoji(run.sentiment),
            escape_element(&run.label()),
            escape_element(&run.verdict)
        );
    }
}

/// Writes the short table, and the meaning of its mark if a row has it.
fn write_key_rows(rows: &[KeyRow], out: &mut String) {
    let cells = |row: &KeyRow| {
        let mark = if row.is_difference { format!(" {DIFFERENCE_MARK}") } else { String::new() };
        vec![
            escape::escape_phrase(&row.label, true),
            escape_cell(&row.before),
            format!("{}{mark}", escape_cell(&row.after)),
        ]
    };
    table::write_cells(&["", "before", "after"], &rows.iter().map(cells).collect::<Vec<_>>(), out);
    if rows.iter().any(|row| row.is_difference) {
        let _ = write!(out, "\n{DIFFERENCE_MARK} {MARK_MEANING}\n");
    }
}

/// Formats the confounders; in brief, only their kinds.
fn confounder_lines(summary: &ReportSummary, in_brief: bool) -> String {
    let labels =
        summary.comparison.as_ref().map(|comparison| comparison.confounders.as_slice()).unwrap_or_default();
    let line = |label: &Confounder, text: &str| format!("> **{}:** {text}\n\n", capitalize(label.heading()));
    match labels {
        [] => String::new(),
        [first, ..] if in_brief => {
            line(first, &labels.iter().map(|label| label.kind.name()).collect::<Vec<_>>().join(", "))
        }
        labels => labels.iter().map(|label| line(label, &escape_inline(&label.text))).collect(),
    }
}

fn format_headline(summary: &ReportSummary) -> String {
    format!(
        "### {} {}: {}\n",
        sentiment_emoji(summary.sentiment()),
        escape_inline(&summary.title()),
        escape_inline(&summary.headline())
    )
}

fn sentiment_emoji(tone: Sentiment) -> &'static str {
    match tone {
        Sentiment::Good => "✅",
        Sentiment::Bad => "❌",
        Sentiment::Unclear => "⚪",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Record;
    use crate::report::fixture::summary_with_text as summary;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    #[test]
    fn verdict_comes_first_at_every_limit() {
        let summary = summary("deviated");
        let whole = render(&summary, MAX_COMMENT_BYTES);
        assert!(whole.starts_with("### "), "{whole}");
        assert!(whole.contains("**Timeline**") && !whole.contains("Omitted"), "{whole}");
        for limit in [whole.len() - 1, 600, 400, 300, 250] {
            let text = render(&summary, limit);
            assert!(text.len() <= limit, "{} > {limit}", text.len());
            assert!(text.starts_with("### ❌ deviated: deviated"), "{text}");
            assert!(
                limit < 400 || text.contains("Omitted to fit the size limit: the environment"),
                "{limit}: {text}"
            );
        }
        assert!(render(&summary, 10).len() <= 10);
    }

    #[test]
    fn confounders_precede_verdict_at_every_limit() {
        let summary = crate::report::fixture::comparison_with_confounder("x");
        let whole = render(&summary, MAX_COMMENT_BYTES);
        let beginning = "> **Confounder:** Kubernetes:";
        assert!(
            whole.starts_with(beginning) && whole.contains("v1.31 x after\n\n### ⚪ x: inconclusive"),
            "{whole}"
        );
        assert!(!whole.contains("fewer than 3 valid runs"), "{whole}");
        for limit in [whole.len() - 1, 300] {
            let text = render(&summary, limit);
            assert!(
                text.len() <= limit && text.starts_with(beginning) && text.contains("### ⚪ x: inconclusive"),
                "{text}"
            );
        }
        // a long confounder is reduced to its kind
        let text = render(&crate::report::fixture::comparison_with_confounder(&"long ".repeat(20)), 250);
        let beginning = "> **Confounder:** kubernetes-version\n\n### ⚪ long";
        assert!(text.starts_with(beginning) && text.len() <= 250, "{text}");
    }

    /// Creates a run with many probes and steps, of which the last of each failed.
    fn large_run(count: usize) -> ReportSummary {
        let name = |index: usize| format!("the shop answers on path {index} within two seconds");
        let probe = |index: usize| {
            json!({"activity": {"type": "probe", "name": name(index)}, "status": "succeeded",
                "tolerance_met": index + 1 < count, "output": {"status": 200, "headers": {}, "body": "hello ".repeat(7)}})
        };
        let step = |index: usize| {
            json!({"activity": {"type": "probe", "name": format!("step {index}")},
                "status": if index + 1 < count { "succeeded" } else { "failed" }})
        };
        let declared: Vec<Json> =
            (0..count).map(|index| json!({"name": name(index), "tolerance": 200})).collect();
        let probes: Vec<Json> = (0..count).map(probe).collect();
        let journal = json!({"experiment": {"title": "t", "method": [], "steady-state-hypothesis": {"probes": declared}},
            "status": "completed", "deviated": true, "run": (0..count).map(step).collect::<Vec<_>>(),
            "steady_states": {"after": {"steady_state_met": false, "probes": probes}}});
        ReportSummary::from_records(&[Record::read("j.json", journal.to_string()).unwrap()], None)
    }

    #[test]
    fn rows_are_cut_and_failures_come_first() {
        let text = render(&large_run(1000), MAX_COMMENT_BYTES);
        assert!(text.len() <= MAX_COMMENT_BYTES && text.len() > MAX_COMMENT_BYTES - 1000, "{}", text.len());
        // the first rows are visible, and all of them are folded
        let (visible, folded) = text.split_once("<details>").unwrap();
        let rows: Vec<&str> = visible.lines().filter(|line| line.starts_with("| the shop")).collect();
        assert!(rows.len() == MAX_VISIBLE_ROWS && rows[0].contains("path 999 "), "{rows:?}");
        let rows: Vec<&str> = folded.lines().filter(|line| line.starts_with("| the shop")).collect();
        assert!(rows[0].contains("path 999 ") && rows[0].contains("❌ not met"), "{}", rows[0]);
        assert!(rows[1].contains("path 0 ") && rows.len() > 100, "{} rows", rows.len());
        assert!(folded.contains(&format!("\n_{} rows omitted._\n", 1000 - rows.len())), "{text}");
        let steps: Vec<&str> = text.lines().filter(|line| line.starts_with("| step ")).collect();
        assert!(steps[1].starts_with("| step 999 | ❌ failed"), "{steps:?}");
        // what is not cut keeps its order
        let text = render(&large_run(MAX_VISIBLE_ROWS), MAX_COMMENT_BYTES);
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| the shop")).collect();
        assert!(
            rows.len() == MAX_VISIBLE_ROWS && rows[0].contains("path 0 ") && !text.contains("omitted"),
            "{text}"
        );
        // the smallest limits name the failure alone
        let text = render(&large_run(1000), 700);
        assert!(text.contains("path 999 ") && text.contains("_999 rows omitted._"), "{text}");
    }

    /// Returns the text after a code span that starts with some backticks.
    fn end_of_code_span(text: &str, ticks: usize) -> Option<&str> {
        let mut at = 0;
        while let Some(found) = text[at..].find('`') {
            let from = at + found;
            let run = text[from..].len() - text[from..].trim_start_matches('`').len();
            at = from + run;
            if run == ticks {
                return Some(&text[at..]);
            }
        }
        None
    }

    /// Appends the text of a line outside code spans that no backslash escapes.
    fn push_live(line: &str, out: &mut String) {
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let ticks = rest.len() - rest.trim_start_matches('`').len();
            let after = &rest[ticks.max(c.len_utf8())..];
            rest = match c {
                '\\' => after.chars().next().map_or(after, |escaped| &after[escaped.len_utf8()..]),
                // a code span ends at as many backticks; otherwise it is text
                '`' => end_of_code_span(after, ticks).unwrap_or(after),
                c => {
                    out.push(c);
                    after
                }
            };
        }
    }

    /// Returns the text outside code that no backslash escapes.
    fn live(text: &str) -> String {
        let mut out = String::new();
        let mut fence: Option<String> = None;
        let mut shown = String::new();
        for line in text.split('\n') {
            let ticks: String = line.chars().take_while(|c| *c == '`').collect();
            match &fence {
                Some(open) if *open == line => fence = None,
                Some(_) => {}
                None if ticks.len() >= 3 => fence = Some(ticks),
                None => {
                    shown += line;
                    shown.push('\n');
                }
            }
        }
        for line in shown.lines() {
            // Markdown has no meaning in the lines of HTML elements
            if line.starts_with('<') {
                out += line;
            } else {
                push_live(line, &mut out);
            }
            out.push('\n');
        }
        out
    }

    /// A hidden marker in untrusted text would make this comment look like another one.
    #[test]
    fn untrusted_text_adds_no_html_comment() {
        let line = "<!-- kubectl-chaos:comment:other -->";
        for text in
            [line.to_owned(), format!("x\n{line}\ny"), format!("'\r\n{line}\r\n"), format!("```\n{line}")]
        {
            let whole = render(&summary(&text), MAX_COMMENT_BYTES);
            assert!(!whole.contains("<!"), "{whole}");
            assert!(whole.contains("comment:"), "{whole}");
        }
    }

    proptest! {
        #[test]
        fn untrusted_text_adds_no_table_cell_or_element(text in ".*|[@#<>|`\\[\\]!*_~&:\\n\\r ]{0,40}(https?://|www\\.|@a|#1|a/b#1|GH-1)?.{0,10}") {
            // as long as the text: long values have a second, folded table
            let plain = render(&summary(&"x".repeat(text.chars().count())), MAX_COMMENT_BYTES);
            let whole = render(&summary(&text), MAX_COMMENT_BYTES);
            // the same number of table rows and cells
            let shape = |text: &str| live(text).lines().filter(|line| line.starts_with('|'))
                .map(|line| line.matches('|').count()).collect::<Vec<_>>();
            prop_assert_eq!(shape(&whole), shape(&plain), "{}", whole);
            // only the elements of the report itself
            let elements = |text: &str| {
                live(text).replace("<code>", "").replace("</code>", "").matches('<').count()
            };
            prop_assert_eq!(elements(&whole), elements(&plain), "{}", whole);
            prop_assert!(!whole.contains('\u{2060}'), "{}", whole);
            prop_assert!(!whole.contains("<!"), "{}", whole);
        }
    }
}
