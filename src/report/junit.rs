//! JUnit XML, for CI servers.
//!
//! There is a suite per run, and one for a comparison. The crate that writes XML escapes attributes only. Every text
//! goes through [`sanitize_xml`] first: the output of a process cannot become a test case or break the file.

use std::collections::HashMap;
use std::fmt::Write as _;

use junit_report::{
    Duration, OffsetDateTime, Report, TestCase, TestCaseBuilder, TestSuite, TestSuiteBuilder,
};

use super::ReportSummary;
use super::summary::{
    ProbeCheck, ProbeCheckState, ProbeRow, RunSummary, StepStatus, SummaryStep, format_reaction,
    format_sample_counts, format_seconds,
};
use crate::clock::Timestamp;
use crate::compare::{ComparisonVerdict, MetricResult, MetricVerdict, RunComparison};
use crate::text::{pluralize, truncate_bytes};

/// The maximum length of `system-out`, in bytes.
const MAX_SYSTEM_OUT: usize = 64 * 1024;

/// Renders the report.
pub fn render(summary: &ReportSummary) -> String {
    let mut suites: Vec<TestSuite> = Vec::new();
    if let Some(comparison) = &summary.comparison {
        suites.push(comparison_suite(comparison));
    }
    let names = suite_names(summary);
    suites.extend(summary.runs.iter().zip(names).map(|(run, name)| run_suite(run, &name)));
    let mut report = Report::new();
    report.add_testsuites(suites);
    let mut bytes = Vec::new();
    // writing to a vector does not fail
    let _ = report.write_xml(&mut bytes);
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    text.push('\n');
    text
}

/// Returns the names of the suites: the title, with arm and number if there are several runs.
fn suite_names(summary: &ReportSummary) -> Vec<String> {
    let several = summary.runs.len() > 1;
    let name = |(index, run): (usize, &RunSummary)| match &run.arm {
        Some((arm, repeat)) => format!("{} ({arm} {repeat})", run.title),
        None if several => format!("{} ({})", run.title, index + 1),
        None => run.title.clone(),
    };
    summary.runs.iter().enumerate().map(name).collect()
}

/// The test cases of a suite; a name is unique within its class.
struct CaseCollector {
    suite: String,
    name_counts: HashMap<(String, String), usize>,
    cases: Vec<TestCase>,
}

impl CaseCollector {
    fn new(suite: &str) -> Self {
        Self { suite: sanitize_xml(suite), name_counts: HashMap::new(), cases: Vec::new() }
    }

    /// Adds a case to a section such as `before`.
    fn add(&mut self, section: &str, name: &str, result: CaseOutcome, seconds: Option<f64>) {
        let name = sanitize_xml(name);
        let count = self.name_counts.entry((section.to_owned(), name.clone())).or_default();
        *count += 1;
        let name = if *count > 1 { format!("{name} ({count})") } else { name };
        // whole milliseconds: some readers reject more digits
        #[allow(clippy::cast_possible_truncation)] // within bounds
        let time = Duration::milliseconds(
            (seconds.filter(|s| s.is_finite()).unwrap_or(0.0).clamp(0.0, 1e9) * 1e3).round() as i64,
        );
        let mut case = match &result {
            CaseOutcome::Passed => TestCaseBuilder::success(&name, time),
            CaseOutcome::Failure(kind, message) => {
                TestCaseBuilder::failure(&name, time, kind, &sanitize_xml(message))
            }
            CaseOutcome::Error(kind, message) => {
                TestCaseBuilder::error(&name, time, kind, &sanitize_xml(message))
            }
            CaseOutcome::Skipped(reason) => TestCaseBuilder::skipped_with_cause(&name, "Skipped", reason),
        };
        // readers take dots for package separators
        case.set_classname(&format!("{}.{section}", self.suite.replace('.', "\u{2024}")));
        self.cases.push(case.build());
    }

    fn suite(self, start: Option<&str>, out: &str) -> TestSuite {
        let mut suite = TestSuiteBuilder::new(&self.suite);
        suite.add_testcases(self.cases).set_timestamp(timestamp(start));
        if !out.is_empty() {
            suite.set_system_out(&escape_cdata(&truncate_output(out)));
        }
        suite.build()
    }
}

/// The outcome of a test case.
enum CaseOutcome {
    Passed,
    /// A failed expectation: its kind, and the observed value.
    Failure(&'static str, String),
    /// An error, or a missing confirmation: its kind, and the reason.
    Error(&'static str, String),
    Skipped(&'static str),
}

fn run_suite(run: &RunSummary, name: &str) -> TestSuite {
    let mut cases = CaseCollector::new(name);
    for probe in &run.probes {
        cases.add_check("steady state before", probe, &probe.before);
    }
    for step in run.method.iter().filter(|step| step.is_action) {
        cases.add_step("actions", step);
    }
    for step in run.method.iter().filter(|step| step.is_judged) {
        cases.add_step("method", step);
    }
    for probe in &run.probes {
        if let Some(during) = &probe.during {
            cases.add_check("steady state during", probe, during);
        }
    }
    for probe in &run.probes {
        cases.add_check("steady state after", probe, &probe.after);
    }
    for step in &run.rollbacks {
        cases.add_step("rollbacks", step);
    }
    cases.suite(run.start.as_deref(), &system_out(run))
}

impl CaseCollector {
    fn add_check(&mut self, section: &str, probe: &ProbeRow, check: &ProbeCheck) {
        let observation = || format!("{}, tolerated: {}", check.observed, probe.tolerated);
        let result = match check.state {
            ProbeCheckState::Met => CaseOutcome::Passed,
            ProbeCheckState::Unmet => {
                CaseOutcome::Failure("ToleranceNotMet", format!("observed: {}", observation()))
            }
            ProbeCheckState::Failed => CaseOutcome::Error("ProbeFailed", check.observed.clone()),
            ProbeCheckState::NotReached => CaseOutcome::Skipped("not checked"),
            ProbeCheckState::Dry => CaseOutcome::Skipped("skipped: dry run"),
        };
        self.add(section, &probe.name, result, check.duration);
    }

    fn add_step(&mut self, section: &str, step: &SummaryStep) {
        let name = if step.is_action { format!("{} took effect", step.name) } else { step.name.clone() };
        let reason = if step.detail.is_empty() { step.state.label().to_owned() } else { step.detail.clone() };
        let result = match step.state {
            StepStatus::TookEffect | StepStatus::Done | StepStatus::Met => CaseOutcome::Passed,
            StepStatus::Unmet => CaseOutcome::Failure("ToleranceNotMet", format!("observed: {reason}")),
            StepStatus::Unconfirmed => CaseOutcome::Error("EffectNotObserved", reason),
            StepStatus::Failed => CaseOutcome::Error("ActivityFailed", reason),
            StepStatus::Cut => CaseOutcome::Error("Interrupted", reason),
            StepStatus::NotKnown => CaseOutcome::Skipped("effect unknown"),
            StepStatus::NotReached => CaseOutcome::Skipped("not reached"),
            StepStatus::Dry => CaseOutcome::Skipped("skipped: dry run"),
        };
        self.add(section, &name, result, step.duration);
    }

    fn add_metric(&mut self, row: &MetricResult) {
        let name = format!("{}: {}", row.probe, row.metric.label());
        let what = || {
            format!(
                "{} before, {} after; difference {}; {}",
                row.format_before(),
                row.format_after(),
                row.format_difference(),
                row.format_result()
            )
        };
        let result = match row.result {
            MetricVerdict::Worse => CaseOutcome::Failure("Worse", what()),
            MetricVerdict::Better | MetricVerdict::Equivalent | MetricVerdict::WithinMargin => {
                CaseOutcome::Passed
            }
            MetricVerdict::NotSignificant => CaseOutcome::Skipped("not significant"),
            MetricVerdict::NotTested => CaseOutcome::Skipped("not tested"),
            MetricVerdict::NotCompared => CaseOutcome::Skipped("not compared"),
        };
        self.add("metrics", &name, result, None);
    }
}

fn comparison_suite(comparison: &RunComparison) -> TestSuite {
    let mut cases = CaseCollector::new(&format!("{} (before and after)", comparison.title));
    let reason = || format!("{}: {}", comparison.headline(), comparison.reason);
    let result = match comparison.verdict {
        ComparisonVerdict::Fixed
        | ComparisonVerdict::Improved
        | ComparisonVerdict::Equivalent
        | ComparisonVerdict::NoDifference => CaseOutcome::Passed,
        ComparisonVerdict::Broken | ComparisonVerdict::Regressed => CaseOutcome::Failure("Verdict", reason()),
        ComparisonVerdict::Inconclusive => CaseOutcome::Skipped("inconclusive"),
    };
    cases.add("verdict", &comparison.headline(), result, None);
    for row in &comparison.metrics {
        cases.add_metric(row);
    }
    let mut out = String::new();
    for label in &comparison.confounders {
        let _ = writeln!(out, "{}: {}", label.heading(), label.text);
    }
    let _ = write!(out, "{}\n{}\n{}\n", comparison.headline(), comparison.reason, comparison.format_counts());
    let first = comparison.runs.iter().filter_map(|run| run.start.as_deref()).min();
    cases.suite(first, &out)
}

/// Returns the details of a run for `system-out`.
fn system_out(run: &RunSummary) -> String {
    let separator = if run.reason.is_empty() { "" } else { ": " };
    let mut out = format!("{}{separator}{}\n", run.verdict, run.reason);
    for (name, value) in &run.environment {
        let _ = writeln!(out, "{name}: {value}");
    }
    for step in &run.method {
        for (target, done) in &step.targets {
            let refused = if *done == Some(false) { " (not changed)" } else { "" };
            let _ = writeln!(out, "{} targeted {target}{refused}", step.name);
        }
    }
    for series in &run.samples {
        for stats in &series.phases {
            let _ =
                writeln!(out, "{}, {}: {}", series.probe, stats.phase.name(), format_sample_counts(stats));
        }
        for text in format_reaction(series) {
            let _ = writeln!(out, "{}: {text}", series.probe);
        }
    }
    for moment in &run.timeline {
        let _ = writeln!(out, "{}: {}", format_seconds(moment.at), moment.description);
    }
    if run.omitted_events > 0 {
        let _ = writeln!(out, "{} omitted", pluralize(run.omitted_events, "event"));
    }
    out
}

/// Converts the start of a suite to whole seconds: some readers reject fractions.
fn timestamp(start: Option<&str>) -> OffsetDateTime {
    let moment = start.and_then(Timestamp::parse).map_or(0.0, Timestamp::as_seconds);
    #[allow(clippy::cast_possible_truncation)] // its fraction is cut off
    let seconds = moment.clamp(0.0, 253_402_300_799.0) as i64;
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Removes terminal colours from a text, and replaces characters that XML 1.0 forbids.
pub fn sanitize_xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
                chars.next_if(|c| matches!(c, '@'..='~'));
            }
            '\t' | '\n' | '\r' => out.push(c),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Sanitizes a text for a CDATA section.
fn escape_cdata(text: &str) -> String {
    sanitize_xml(text).replace("]]>", "]]]]><![CDATA[>")
}

/// Shortens a long text, and states by how much.
fn truncate_output(text: &str) -> String {
    let short = truncate_bytes(text, MAX_SYSTEM_OUT);
    match text.len() - short.len() {
        0 => text.to_owned(),
        rest => format!("{short}\n… {rest} more bytes are in the journal"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn xml_text_drops_characters_that_xml_forbids() {
        let check = |text: &str, expected: &str| assert_eq!(sanitize_xml(text), expected, "{text:?}");
        check("plain <&> text\n", "plain <&> text\n");
        check("\u{1b}[1;31mred\u{1b}[0m", "red");
        check("\u{1b}x\0", "\u{fffd}x\u{fffd}");
        check("\u{85}\u{fffe}é😀", "\u{fffd}\u{fffd}é😀");
        check("\u{1b}[", "");
        assert_eq!(escape_cdata("a]]>b"), "a]]]]><![CDATA[>b");
    }

    /// Counts the elements by name; none if the text is not well-formed.
    fn elements(xml: &str) -> Option<HashMap<String, usize>> {
        let mut reader = quick_xml::Reader::from_str(xml);
        let mut found = HashMap::new();
        loop {
            match reader.read_event().ok()? {
                quick_xml::events::Event::Eof => return Some(found),
                quick_xml::events::Event::Start(e) | quick_xml::events::Event::Empty(e) => {
                    if e.attributes().any(|attribute| attribute.is_err()) {
                        return None;
                    }
                    let name = String::from_utf8_lossy(e.name().as_ref()).into_owned();
                    *found.entry(name).or_default() += 1;
                }
                _ => {}
            }
        }
    }

    fn rendered(text: &str) -> String {
        let probe = json!({"activity": {"type": "probe", "name": text}, "status": "succeeded", "tolerance_met": false,
            "output": {"status": 500, "headers": {}, "body": text}});
        let failed = json!({"activity": {"type": "action", "name": text}, "status": "failed", "exception": [text, "x"]});
        let journal = json!({"experiment": {"title": text, "method": [{"name": "z"}],
                "steady-state-hypothesis": {"probes": [{"name": text, "tolerance": text}, {"name": text}]}},
            "status": "completed", "deviated": true, "steady_states": {"before": null, "during": [],
                "after": {"steady_state_met": false, "probes": [probe]}},
            "run": [failed], "rollbacks": [failed], "kubectl-chaos": {"schema": 1, "verdict": text, "reason": text,
                "annotations": {"a": text}}});
        let record = crate::journal::Record::read(text, journal.to_string()).unwrap();
        render(&ReportSummary::from_records(&[record.clone(), record], None))
    }

    #[test]
    fn confounders_precede_verdict_in_system_out() {
        let xml = render(&crate::report::fixture::comparison_with_confounder("name"));
        let (label, verdict) =
            (xml.find("confounder: Kubernetes: "), xml.find("inconclusive (after: holds)\nThe one"));
        assert!(label.is_some() && label < verdict, "{xml}");
    }

    #[test]
    fn test_cases_report_their_outcome() {
        let xml = rendered("name");
        let found = elements(&xml).unwrap();
        let count = |name: &str| found.get(name).copied().unwrap_or(0);
        // per run: two probes before and after, one action, one rollback
        assert_eq!((count("testsuite"), count("testcase")), (2, 12), "{xml}");
        assert_eq!((count("failure"), count("error"), count("skipped")), (2, 4, 6), "{xml}");
        assert!(xml.contains("observed: status 500: name, tolerated: &quot;name&quot;"), "{xml}");
    }

    proptest! {
        #[test]
        fn untrusted_text_adds_no_xml_element(text in r#".*|[\]\[<>&'"!-]{0,30}(\]\]>)?(</system-out>)?\u{1b}?\PC{0,10}"#) {
            let xml = rendered(&text);
            let found = elements(&xml);
            prop_assert_eq!(found, elements(&rendered("name")), "{}", xml);
            let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
            prop_assert!(xml.chars().all(allowed));
        }
    }

    #[test]
    fn timestamps_are_whole_seconds() {
        let check = |start: Option<&str>, expected: i64| {
            assert_eq!(timestamp(start).unix_timestamp(), expected, "{start:?}");
        };
        check(Some("2026-11-23T06:31:52.999+00:00"), 1_795_415_512);
        check(Some("never"), 0);
        check(None, 0);
        assert_eq!(timestamp(Some("2026-11-23T06:31:52.999+00:00")).nanosecond(), 0);
    }
}
