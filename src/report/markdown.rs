//! Markdown, for pull requests and job summaries.
//!
//! Confounders and the verdict come first and are never omitted. If the report is too long, sections are omitted in a
//! fixed order, and a note lists them. Before a table is omitted, its rows are cut: failures stay longest, and a count
//! replaces the rest. `escape` escapes all untrusted text.

mod escape;

use std::fmt::Write as _;

use super::ReportSummary;
use super::summary::{
    ProbeCheck, ProbeRow, RunSummary, Sentiment, SummaryStep, TimelineEvent, format_reaction,
    format_sample_counts, format_seconds, format_success_ratio,
};
use crate::compare::{ComparedRun, MetricResult, MetricVerdict, RunComparison, RunOutcomeKind};
use crate::series::{RawSample, SampleOutcome, Series};
use crate::text::pluralize;

pub use escape::{code_block, escape_cell, escape_element, escape_inline};

/// The maximum size of a comment on GitHub, with a reserve.
pub const MAX_COMMENT_BYTES: usize = 65_000;
/// The number of bars of a sparkline.
const SPARKLINE_BARS: usize = 40;
/// The bars by height.
const BAR_CHARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The number of events in the timeline.
const MAX_TIMELINE_ROWS: usize = 100;
/// The fewest rows to which all tables are cut before a section is omitted.
const MIN_ROWS: usize = 10;

/// Sections that can be omitted, in the order of omission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum OptionalSection {
    Environment,
    Timeline,
    Samples,
    Runs,
    Steps,
    Table,
    Reason,
}

impl OptionalSection {
    const ALL: [Self; 7] = [
        Self::Environment,
        Self::Timeline,
        Self::Samples,
        Self::Runs,
        Self::Steps,
        Self::Table,
        Self::Reason,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Environment => "the environment",
            Self::Timeline => "the timeline",
            Self::Samples => "the samples",
            Self::Runs => "the runs",
            Self::Steps => "the activities",
            Self::Table => "the table",
            Self::Reason => "the reason",
        }
    }
}

/// Renders the report with at most `limit` bytes.
///
/// Sections are omitted one by one until it fits. Confounders and headline always stay, truncated if necessary.
pub fn render(summary: &ReportSummary, limit: usize) -> String {
    for left_out in 0..=OptionalSection::ALL.len() {
        let text = render_without(summary, left_out, usize::MAX);
        if text.len() <= limit {
            return text;
        }
        let fewest_rows = match OptionalSection::ALL.get(left_out) {
            Some(OptionalSection::Runs | OptionalSection::Steps) => MIN_ROWS,
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
    let mut best = Some(render_without(summary, left_out, fewest)).filter(|text| text.len() <= limit)?;
    // a row has more than one byte, so the limit is too many
    let (mut fitting, mut excess) = (fewest, limit.max(fewest));
    while excess - fitting > 1 {
        let rows = fitting + (excess - fitting) / 2;
        let text = render_without(summary, left_out, rows);
        if text.len() <= limit {
            (fitting, best) = (rows, text);
        } else {
            excess = rows;
        }
    }
    Some(best)
}

/// Renders the report without the first sections, and with at most some rows in each table.
fn render_without(summary: &ReportSummary, left_out: usize, max_rows: usize) -> String {
    let has = |part: OptionalSection| !OptionalSection::ALL[..left_out].contains(&part);
    let mut out = confounder_lines(summary, false) + &format_headline(summary);
    if has(OptionalSection::Reason) {
        write_reason(summary, &mut out);
    }
    match &summary.comparison {
        Some(comparison) if has(OptionalSection::Table) => write_metrics(comparison, max_rows, &mut out),
        None if has(OptionalSection::Table) => {
            summary.runs.iter().for_each(|run| write_probes(run, max_rows, &mut out));
        }
        _ => {}
    }
    if let Some(comparison) = summary.comparison.as_ref().filter(|_| has(OptionalSection::Runs)) {
        write_runs(comparison, max_rows, &mut out);
    }
    for run in &summary.runs {
        let mut details = String::new();
        if has(OptionalSection::Steps) {
            write_steps(run, max_rows, &mut details);
        }
        if has(OptionalSection::Samples) {
            write_samples(run, max_rows, &mut details);
        }
        if has(OptionalSection::Timeline) {
            write_timeline(run, &mut details);
        }
        if has(OptionalSection::Environment) {
            write_environment(run, &mut details);
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
    if left_out > 0 {
        let names: Vec<&str> = OptionalSection::ALL[..left_out].iter().map(|part| part.name()).collect();
        let _ = write!(out, "\n_Omitted to fit the size limit: {}._\n", names.join(", "));
    }
    out
}

/// Formats the confounders; in brief, only their kinds.
fn confounder_lines(summary: &ReportSummary, in_brief: bool) -> String {
    let labels =
        summary.comparison.as_ref().map(|comparison| comparison.confounders.as_slice()).unwrap_or_default();
    let line = |text: &str| format!("> **Confounder:** {text}\n\n");
    if labels.is_empty() {
        String::new()
    } else if in_brief {
        line(&labels.iter().map(|label| label.kind.name()).collect::<Vec<_>>().join(", "))
    } else {
        labels.iter().map(|label| line(&escape_inline(&label.text))).collect()
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

fn write_reason(summary: &ReportSummary, out: &mut String) {
    let text = summary.reason();
    if !text.is_empty() {
        let _ = write!(out, "\n{}\n", escape_inline(&text));
    }
    if let Some(comparison) = &summary.comparison {
        let _ = write!(out, "\n{}\n", escape_inline(&comparison.format_counts()));
        if comparison.is_unreplicated() {
            out.push_str(
                "\nSeen once: with fewer than 3 valid runs in an arm, this shows what can happen, not how often.\n",
            );
        }
        if let Some(needed) = &comparison.required_runs {
            let _ = write!(out, "\n{}\n", escape_inline(&needed.reason));
        }
    }
}

/// A row of a table: whether it shows a failure, and its cells.
type MarkdownRow = (bool, Vec<String>);

/// Writes a table. If it has too many rows, failures come first, and a count replaces the rest.
fn write_table(columns: &[&str], mut rows: Vec<MarkdownRow>, max_rows: usize, out: &mut String) {
    if rows.is_empty() {
        return;
    }
    let _ = write!(out, "\n| {} |\n{}|\n", columns.join(" | "), "|---".repeat(columns.len()));
    let omitted = if rows.len() > max_rows {
        rows.sort_by_key(|(is_failure, _)| !is_failure);
        rows.split_off(max_rows)
    } else {
        Vec::new()
    };
    for (_, cells) in &rows {
        for text in cells {
            let _ = write!(out, "| {} ", escape_cell(text));
        }
        out.push_str("|\n");
    }
    if !omitted.is_empty() {
        let failures = omitted.iter().filter(|(is_failure, _)| *is_failure).count();
        let failures = if failures > 0 { format!(", {failures} with failures") } else { String::new() };
        let _ = write!(out, "\n_{} omitted{failures}._\n", pluralize(omitted.len(), "row"));
    }
}

fn write_metrics(comparison: &RunComparison, max_rows: usize, out: &mut String) {
    let columns = ["probe", "metric", "before", "after", "difference", "95 % interval", "result"];
    let row = |row: &MetricResult| {
        let cells = vec![
            row.probe.clone(),
            row.metric.label().to_owned(),
            row.format_before(),
            row.format_after(),
            row.format_difference(),
            row.format_interval(),
            row.format_result(),
        ];
        (row.result == MetricVerdict::Worse, cells)
    };
    write_table(&columns, comparison.metrics.iter().map(row).collect(), max_rows, out);
}

fn write_runs(comparison: &RunComparison, max_rows: usize, out: &mut String) {
    let row = |run: &ComparedRun| {
        let name = format!("{} {}", run.arm.name(), run.repeat);
        (run.outcome != RunOutcomeKind::Held, vec![name, run.outcome.name().to_owned(), run.reason.clone()])
    };
    let rows = comparison.runs.iter().map(row).collect();
    write_table(&["run", "outcome", "reason"], rows, max_rows, out);
}

fn write_probes(run: &RunSummary, max_rows: usize, out: &mut String) {
    let has_during = run.probes.iter().any(|probe| probe.during.is_some());
    let mut columns = vec!["steady state", "tolerated", "before", "during", "after"];
    columns.retain(|column| has_during || *column != "during");
    let row = |probe: &ProbeRow| {
        let mut cells = vec![probe.name.clone(), probe.tolerated.clone(), format_check(&probe.before)];
        if has_during {
            cells.push(probe.during.as_ref().map(format_check).unwrap_or_default());
        }
        cells.push(format_check(&probe.after));
        let mut checks =
            [Some(&probe.before), probe.during.as_ref(), Some(&probe.after)].into_iter().flatten();
        (checks.any(|check| check.state.sentiment() == Sentiment::Bad), cells)
    };
    write_table(&columns, run.probes.iter().map(row).collect(), max_rows, out);
}

fn format_check(check: &ProbeCheck) -> String {
    let mark = sentiment_emoji(check.state.sentiment());
    let shown = check.state.label();
    if check.observed.is_empty() {
        format!("{mark} {shown}")
    } else {
        format!("{mark} {shown}: {}", check.observed)
    }
}

fn write_steps(run: &RunSummary, max_rows: usize, out: &mut String) {
    for (name, steps) in [("Method", &run.method), ("Rollbacks", &run.rollbacks)] {
        if steps.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n**{name}**");
        let row = |step: &SummaryStep| {
            let cells = vec![step.name.clone(), format_step(step), format_targets(step)];
            (step.state.sentiment() == Sentiment::Bad, cells)
        };
        write_table(&["step", "result", "targets"], steps.iter().map(row).collect(), max_rows, out);
    }
}

fn format_step(step: &SummaryStep) -> String {
    let shown = format!("{} {}", sentiment_emoji(step.state.sentiment()), step.state.label());
    if step.detail.is_empty() { shown } else { format!("{shown}: {}", step.detail) }
}

fn format_targets(step: &SummaryStep) -> String {
    const MAX_SHOWN: usize = 10;
    let shown = |(target, done): &(String, Option<bool>)| {
        if *done == Some(false) { format!("{target} (not changed)") } else { target.clone() }
    };
    let mut all: Vec<String> = step.targets.iter().take(MAX_SHOWN).map(shown).collect();
    if step.targets.len() > MAX_SHOWN {
        all.push(format!("and {} more", step.targets.len() - MAX_SHOWN));
    }
    all.join(", ")
}

fn write_samples(run: &RunSummary, max_rows: usize, out: &mut String) {
    if run.samples.is_empty() {
        return;
    }
    out.push_str("\n**Samples**\n");
    let mut rows: Vec<MarkdownRow> = Vec::new();
    for series in &run.samples {
        for stats in &series.phases {
            let latency = |of: fn(&crate::series::LatencyStats) -> f64| {
                stats.latency.as_ref().map(|latency| format!("{:.1} ms", of(latency))).unwrap_or_default()
            };
            let cells = vec![
                series.probe.clone(),
                stats.phase.name().to_owned(),
                format_sample_counts(stats),
                format_success_ratio(stats).unwrap_or_default(),
                latency(|latency| latency.p50),
                latency(|latency| latency.p95),
            ];
            rows.push((stats.count(SampleOutcome::Ok) < stats.total(), cells));
        }
    }
    write_table(&["probe", "phase", "samples", "ok", "p50", "p95"], rows, max_rows, out);
    for series in &run.samples {
        let reaction = format_reaction(series).join(", ");
        let line = sparkline(series);
        let line = if line.is_empty() { line } else { format!("`{line}` ") };
        let _ = write!(out, "\n{}: {line}{}\n", escape_inline(&series.probe), escape_inline(&reaction));
    }
}

/// Draws the latency of a probe over time; × marks steps in which most samples were not good.
fn sparkline(series: &Series) -> String {
    let raw = &series.raw;
    if raw.is_empty() {
        return String::new();
    }
    let wide = raw.len().div_ceil(SPARKLINE_BARS).max(1);
    let good = |sample: &&RawSample| sample.2 == SampleOutcome::Ok;
    let height = |chunk: &[RawSample]| -> Option<f64> {
        let latencies: Vec<f64> = chunk.iter().filter(good).filter_map(|sample| sample.1).collect();
        (latencies.len() * 2 >= chunk.len() && !latencies.is_empty())
            .then(|| latencies.iter().copied().fold(0.0, f64::max))
    };
    let heights: Vec<Option<f64>> = raw.chunks(wide).map(height).collect();
    let highest = heights.iter().flatten().copied().fold(0.0, f64::max);
    let bar = |height: &Option<f64>| match height {
        None => '×',
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share of a small number
        Some(height) if highest > 0.0 => {
            BAR_CHARS[((height / highest * 7.0).round().clamp(0.0, 7.0)) as usize]
        }
        Some(_) => BAR_CHARS[0],
    };
    heights.iter().map(bar).collect()
}

fn write_timeline(run: &RunSummary, out: &mut String) {
    if run.timeline.is_empty() {
        return;
    }
    out.push_str("\n**Timeline**\n");
    // in order of time: the reader follows what led to a failure
    let (shown, omitted) = run.timeline.split_at(run.timeline.len().min(MAX_TIMELINE_ROWS));
    let row = |event: &TimelineEvent| (false, vec![format_seconds(event.at), event.description.clone()]);
    write_table(&["time", "event"], shown.iter().map(row).collect(), usize::MAX, out);
    let omitted = omitted.len() + run.omitted_events;
    if omitted > 0 {
        let _ = write!(out, "\n_{} omitted._\n", pluralize(omitted, "event"));
    }
}

fn write_environment(run: &RunSummary, out: &mut String) {
    out.push_str("\n**Environment and reproduction**\n\n");
    for (name, value) in &run.environment {
        let _ = writeln!(out, "- {name}: {}", escape_inline(value));
    }
    let _ = write!(out, "\n{}", code_block(&run.reproduction_commands().join("\n")));
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
        for limit in [whole.len() - 1, 600, 400, 300, 200] {
            let text = render(&summary, limit);
            assert!(text.len() <= limit, "{} > {limit}", text.len());
            assert!(text.starts_with("### ❌ deviated: deviated"), "{text}");
            assert!(
                limit < 300 || text.contains("Omitted to fit the size limit: the environment"),
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
                "tolerance_met": index + 1 < count, "output": {"status": 200, "headers": {}, "body": "hello ".repeat(9)}})
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
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| the shop")).collect();
        assert!(rows[0].contains("path 999 ") && rows[0].contains("❌ not met"), "{}", rows[0]);
        assert!(rows[1].contains("path 0 ") && rows.len() > 100, "{} rows", rows.len());
        assert!(text.contains(&format!("\n_{} rows omitted._\n", 1000 - rows.len())), "{text}");
        let steps: Vec<&str> = text.lines().filter(|line| line.starts_with("| step ")).collect();
        assert!(steps[1].starts_with("| step 999 | ❌ failed"), "{steps:?}");
        // what is not cut keeps its order
        let text = render(&large_run(20), MAX_COMMENT_BYTES);
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| the shop")).collect();
        assert!(rows.len() == 20 && rows[0].contains("path 0 ") && !text.contains("omitted"), "{text}");
        // the smallest limits name the failure alone
        let text = render(&large_run(1000), 600);
        assert!(text.contains("path 999 ") && text.contains("_999 rows omitted._"), "{text}");
    }

    #[test]
    fn count_of_omitted_rows_includes_failures() {
        let mut out = String::new();
        let rows = [false, true, true].map(|failed| (failed, vec![failed.to_string()])).to_vec();
        write_table(&["a"], rows, 1, &mut out);
        assert_eq!(out, "\n| a |\n|---|\n| true |\n\n_2 rows omitted, 1 with failures._\n");
    }

    /// Returns the text outside code blocks that no backslash escapes.
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
        let mut chars = shown.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => drop(chars.next()),
                c => out.push(c),
            }
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
            let plain = render(&summary("x"), MAX_COMMENT_BYTES);
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
