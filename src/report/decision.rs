//! The decision of a report in one sentence, in the experiment's own words.
//!
//! Every report begins with this sentence. It states what was seen, with the counts of runs, and what follows from it.
//! It claims no more than the verdict does.

use super::phrase::Phrase;
use super::summary::{ProbeCheck, ReportSummary, RunSummary, Sentiment, StepStatus};
use crate::compare::{
    Arm, Basis, ComparedRun, ComparisonVerdict, DesignKind, Metric, MetricResult, MetricVerdict, Replication,
    RunComparison, RunOutcomeKind,
};
use crate::journal::RunVerdict;
use crate::text::{format_significant, pluralize, truncate_line};

/// The number of metrics that a sentence names.
const MAX_NAMED: usize = 2;
/// The maximum length of an observed value in a sentence, in characters.
const MAX_OBSERVED: usize = 60;
/// What every valid run has in common: its fault was confirmed.
const WITH_FAULT: &str = "With the fault in place, ";

/// Returns the decision of a report.
pub fn decide(summary: &ReportSummary) -> Phrase {
    match (&summary.comparison, summary.runs.as_slice()) {
        (Some(comparison), _) => decide_comparison(comparison),
        (None, [run]) => decide_run(run),
        (None, []) => Phrase::new("There are no runs."),
        (None, runs) => {
            let held = runs.iter().filter(|run| run.sentiment == Sentiment::Good).count();
            Phrase::new(format!("{held} of {} passed.", pluralize(runs.len(), "run")))
        }
    }
}

/// Returns the decision of a comparison.
pub fn decide_comparison(comparison: &RunComparison) -> Phrase {
    let (before, after) = (&comparison.arms.before, &comparison.arms.after);
    let outcomes = || Phrase::new(WITH_FAULT).then(describe_outcomes(comparison));
    match comparison.verdict {
        _ if before.valid == 0 || after.valid == 0 => describe_missing_arm(comparison),
        ComparisonVerdict::Fixed | ComparisonVerdict::Broken
            if comparison.evidence == Replication::Single =>
        {
            outcomes().text("; seen once, it can be chance.")
        }
        ComparisonVerdict::Fixed => {
            outcomes().then(describe_contrary(comparison, MetricVerdict::Worse)).text(".")
        }
        ComparisonVerdict::Broken => {
            outcomes().then(describe_contrary(comparison, MetricVerdict::Better)).text(".")
        }
        ComparisonVerdict::Improved if comparison.basis == Some(Basis::Outcome) => outcomes()
            .text(": it fails less often than before, and it still fails")
            .then(describe_contrary(comparison, MetricVerdict::Worse))
            .text("."),
        ComparisonVerdict::Regressed if comparison.basis == Some(Basis::Outcome) => outcomes()
            .text(": it fails more often than before")
            .then(describe_contrary(comparison, MetricVerdict::Better))
            .text("."),
        ComparisonVerdict::Improved => describe_metric_change(comparison, MetricVerdict::Better),
        ComparisonVerdict::Regressed => describe_metric_change(comparison, MetricVerdict::Worse),
        ComparisonVerdict::Equivalent => {
            let margin = format_significant(comparison.margin.failures * 100.0);
            outcomes().text(format!(
                "; it is shown that the failure rates differ by less than {margin} points, and every measure by less \
                 than its margin."
            ))
        }
        ComparisonVerdict::NoDifference => {
            outcomes().text(": no difference was seen, which does not show that there is none.")
        }
        ComparisonVerdict::Inconclusive => describe_inconclusive(comparison, outcomes()),
    }
}

/// `'p' failed in 3 of 3 runs before this change and in 0 of 3 after it`.
fn describe_outcomes(comparison: &RunComparison) -> Phrase {
    let (before, after) = (&comparison.arms.before, &comparison.arms.after);
    let count = |count: u32, valid: u32| format!("{count} of {}", pluralize(valid as usize, "run"));
    if before.failed + after.failed == 0 {
        let (first, second) =
            (count(before.held, before.valid), format!("{} of {}", after.held, after.valid));
        return Phrase::new(format!(
            "the steady state was met in {first} before this change and in {second} after it"
        ));
    }
    let subject = match deciding_probe(comparison) {
        Some(probe) => Phrase::default().name(probe).text(" failed"),
        None => Phrase::new("the steady state was not met"),
    };
    let (first, second) =
        (count(before.failed, before.valid), format!("{} of {}", after.failed, after.valid));
    subject.text(format!(" in {first} before this change and in {second} after it"))
}

/// Returns the probe that decided every failed run; none if there is no such run, or if several probes did.
pub fn deciding_probe(comparison: &RunComparison) -> Option<&str> {
    let failed = comparison.runs.iter().filter(|run| run.outcome == RunOutcomeKind::Failed && !run.surplus);
    let mut probes = failed.map(|run| run.probe.as_deref());
    let first = probes.next()??;
    probes.all(|probe| probe == Some(first)).then_some(first)
}

/// Describes an arm in which no run counts, with the reason of its first run.
fn describe_missing_arm(comparison: &RunComparison) -> Phrase {
    let (before, after) = (&comparison.arms.before, &comparison.arms.after);
    let (which, runs): (&str, Vec<&ComparedRun>) = match (before.valid, after.valid) {
        (0, 0) => ("No run", comparison.void_runs().collect()),
        (0, _) => ("No run before this change", void_runs_of(comparison, Arm::Before)),
        _ => ("No run after this change", void_runs_of(comparison, Arm::After)),
    };
    let reason = runs.first().map(|run| run.reason.as_str()).filter(|reason| !reason.is_empty());
    let others = match runs.iter().filter(|run| Some(run.reason.as_str()) != reason).count() {
        0 => String::new(),
        others => format!(", and {} for another reason", pluralize(others, "run")),
    };
    let reason = reason.map(|reason| format!(" ({reason}{others})")).unwrap_or_default();
    Phrase::new(format!("{which} counts{reason}, so nothing is known about this change."))
}

fn void_runs_of(comparison: &RunComparison, arm: Arm) -> Vec<&ComparedRun> {
    comparison.void_runs().filter(|run| run.arm == arm).collect()
}

/// Names the metrics that point the other way: `, but worse: the p95 latency of 'p'`.
fn describe_contrary(comparison: &RunComparison, result: MetricVerdict) -> Phrase {
    let rows = rows_with(comparison, result);
    let Some(names) = list_metrics(&rows) else { return Phrase::default() };
    let word = if result == MetricVerdict::Worse { "worse" } else { "better" };
    Phrase::new(format!(", but {word}: ")).then(names)
}

fn rows_with(comparison: &RunComparison, result: MetricVerdict) -> Vec<&MetricResult> {
    comparison.metrics.iter().filter(|row| row.result == result).collect()
}

/// `the success ratio of 'p' and 2 more measures`; none without rows.
fn list_metrics(rows: &[&MetricResult]) -> Option<Phrase> {
    let (named, others) = rows.split_at(rows.len().min(MAX_NAMED));
    let mut phrase = Phrase::default();
    for (index, row) in named.iter().enumerate() {
        let separator = match (index, others.is_empty()) {
            (0, _) => "",
            (_, true) => " and ",
            (_, false) => ", ",
        };
        phrase = phrase.text(separator).then(metric_name(row));
    }
    if !others.is_empty() {
        phrase = phrase.text(format!(" and {}", pluralize(others.len(), "more measure")));
    }
    (!rows.is_empty()).then_some(phrase)
}

/// `the p95 latency of 'p'`.
fn metric_name(row: &MetricResult) -> Phrase {
    Phrase::new(format!("the {} of ", row.metric.label())).name(&row.probe)
}

/// `the p95 latency of 'p' fell from 80 ms before this change to 20 ms after it`.
fn describe_metric(row: &MetricResult) -> Phrase {
    let improves = row.result == MetricVerdict::Better;
    let verb = if improves == row.metric.is_higher_better() { "rose" } else { "fell" };
    let (before, after) = (row.format_before_median(), row.format_after_median());
    metric_name(row).text(format!(" {verb} from {before} before this change to {after} after it"))
}

/// Describes a verdict that the metrics decide: the first of them, the number of others, and the outcomes.
fn describe_metric_change(comparison: &RunComparison, result: MetricVerdict) -> Phrase {
    let rows = rows_with(comparison, result);
    let Some(first) = rows.first() else {
        return Phrase::new(WITH_FAULT).then(describe_outcomes(comparison)).text(".");
    };
    let begin = if first.metric == Metric::TimeToRecover { "After the fault, " } else { WITH_FAULT };
    let word = if result == MetricVerdict::Better { "better" } else { "worse" };
    let others = match rows.len() - 1 {
        0 => String::new(),
        1 => format!(", one more measure is {word}"),
        others => format!(", {others} more measures are {word}"),
    };
    Phrase::new(begin)
        .then(describe_metric(first))
        .text(others)
        .text(format!(", and {}.", count_failed(comparison)))
}

/// `no run failed`, `every run failed`, `2 of 3 runs failed before and 1 of 3 after`.
fn count_failed(comparison: &RunComparison) -> String {
    let (before, after) = (&comparison.arms.before, &comparison.arms.after);
    match before.failed + after.failed {
        0 => "no run failed".to_owned(),
        all if all == before.valid + after.valid => "every run failed, before and after".to_owned(),
        _ => format!(
            "{} of {} failed before and {} of {} after",
            before.failed,
            pluralize(before.valid as usize, "run"),
            after.failed,
            after.valid
        ),
    }
}

fn describe_inconclusive(comparison: &RunComparison, outcomes: Phrase) -> Phrase {
    let (before, after) = (&comparison.arms.before, &comparison.arms.after);
    let (better, worse) =
        (rows_with(comparison, MetricVerdict::Better), rows_with(comparison, MetricVerdict::Worse));
    let needed = comparison.required_runs.as_ref().map(|needed| needed.repeats);
    if before.valid.min(after.valid) < crate::compare::MIN_RUNS_PER_ARM {
        let needed = needed.unwrap_or(crate::compare::MIN_RUNS_PER_ARM);
        let void = describe_void(comparison);
        return outcomes
            .text(format!("{void}; an answer takes at least {needed} runs before and {needed} after."));
    }
    match (better.first(), worse.first()) {
        (Some(better), Some(worse)) => Phrase::new(WITH_FAULT)
            .then(describe_metric(better))
            .text(", but ")
            .then(describe_metric(worse))
            .text(": one is better, the other worse."),
        (Some(better), None) => outcomes
            .text("; ")
            .then(metric_name(better))
            .text(" is better, but more runs failed after: no clear answer."),
        _ if comparison.design.kind == DesignKind::Auto && comparison.design.stop.is_none() => {
            let void = describe_void(comparison);
            outcomes.text(format!("{void}; the trial ended before its answer was known."))
        }
        _ => {
            let more = match needed {
                Some(needed) => format!("about {needed} runs before and {needed} after would answer it"),
                None => "more runs would hardly answer it".to_owned(),
            };
            outcomes.text(format!("; this can be chance, and {more}."))
        }
    }
}

/// `; 2 runs do not count (the fault had no target)`; empty without void runs.
fn describe_void(comparison: &RunComparison) -> String {
    let void: Vec<&ComparedRun> = comparison.void_runs().collect();
    let Some(first) = void.first() else { return String::new() };
    let verb = if void.len() == 1 { "does" } else { "do" };
    let reason = if first.reason.is_empty() { String::new() } else { format!(" ({})", first.reason) };
    format!("; {} {verb} not count{reason}", pluralize(void.len(), "run"))
}

/// Returns the decision of a single run.
pub fn decide_run(run: &RunSummary) -> Phrase {
    let has_fault = run.method.iter().any(|step| step.is_action);
    let subject = || match run.probes.as_slice() {
        [probe] => Phrase::default().name(&probe.name).text(" was within its tolerance"),
        _ => Phrase::new("the steady state was met"),
    };
    let because = |text: &str| {
        let reason = run.reason.trim_end_matches('.');
        if reason.is_empty() {
            Phrase::new(format!("{text}."))
        } else {
            Phrase::new(format!("{text}: {reason}."))
        }
    };
    match run.kind {
        Some(RunVerdict::Held) if has_fault => Phrase::new(WITH_FAULT).then(subject()).text("."),
        Some(RunVerdict::Held) => Phrase::new("Before and after the method, ").then(subject()).text("."),
        Some(RunVerdict::Deviated) => describe_deviation(run, has_fault),
        Some(RunVerdict::Explored) => {
            Phrase::new("Every action took effect; the experiment has no steady state to judge.")
        }
        Some(RunVerdict::Dry) => because("The run was dry, so it shows nothing"),
        Some(RunVerdict::BaselineNotMet) => {
            because("The steady state was not met before the fault, so the run shows nothing")
        }
        Some(RunVerdict::ActionNotConfirmed) => {
            because("The fault was not confirmed, so the run shows nothing about it")
        }
        Some(RunVerdict::Aborted | RunVerdict::Stopped | RunVerdict::Interrupted) => {
            because("The run ended early, so it shows nothing")
        }
        Some(RunVerdict::RollbackIncomplete) => {
            because("Not every rollback succeeded, so the system may still be changed")
        }
        Some(RunVerdict::Undecided) | None => because("The run has no result"),
    }
}

/// Names the first probe that was not met, and what it observed.
fn describe_deviation(run: &RunSummary, has_fault: bool) -> Phrase {
    let begin = if has_fault { WITH_FAULT } else { "After the method, " };
    let is_bad = |check: &&ProbeCheck| check.state.sentiment() == Sentiment::Bad;
    let of_hypothesis = run.probes.iter().find_map(|probe| {
        let check = probe.during.as_ref().filter(is_bad).or(Some(&probe.after).filter(is_bad))?;
        Some((probe.name.as_str(), check.observed.as_str()))
    });
    let is_failed = |state: StepStatus| matches!(state, StepStatus::Unmet | StepStatus::Failed);
    let of_method = || {
        let step = run.method.iter().find(|step| step.is_judged && is_failed(step.state))?;
        Some((step.name.as_str(), step.detail.as_str()))
    };
    match of_hypothesis.or_else(of_method) {
        Some((name, observed)) => {
            let sentence = Phrase::new(begin).name(name).text(" was not within its tolerance");
            let observed = truncate_line(observed, MAX_OBSERVED);
            if observed.is_empty() {
                sentence.text(".")
            } else {
                sentence.text(": ").name(&observed).text(".")
            }
        }
        None => Phrase::new(begin).text("the steady state was not met."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::RequiredRuns;
    use crate::report::fixture::{Outcomes, comparison, metric, summary_with_text};

    /// Changes a comparison of the table.
    type Change = fn(&mut RunComparison);

    fn decide_with(verdict: ComparisonVerdict, before: Outcomes, after: Outcomes, change: Change) -> String {
        let mut comparison = comparison(verdict, before, after);
        change(&mut comparison);
        decide_comparison(&comparison).to_plain_text()
    }

    fn by_outcome(comparison: &mut RunComparison) {
        comparison.basis = Some(Basis::Outcome);
    }

    fn p95(comparison: &mut RunComparison, values: [f64; 2], result: MetricVerdict) {
        comparison.metrics.push(metric("q", Metric::P95Latency, values, result));
    }

    #[test]
    fn every_verdict_has_its_sentence() {
        let check = |verdict: ComparisonVerdict,
                     before: Outcomes,
                     after: Outcomes,
                     change: Change,
                     expected: &str| {
            assert_eq!(decide_with(verdict, before, after, change), expected);
        };
        let fault = "With the fault in place, ";
        check(
            ComparisonVerdict::Fixed,
            [0, 3, 0],
            [3, 0, 0],
            |_| {},
            &format!("{fault}'p' failed in 3 of 3 runs before this change and in 0 of 3 after it."),
        );
        check(
            ComparisonVerdict::Fixed,
            [1, 6, 1],
            [7, 0, 0],
            |it| p95(it, [20.0, 90.0], MetricVerdict::Worse),
            &format!(
                "{fault}'p' failed in 6 of 7 runs before this change and in 0 of 7 after it, but worse: the p95 \
                 latency of 'q'."
            ),
        );
        check(
            ComparisonVerdict::Fixed,
            [0, 1, 0],
            [2, 0, 0],
            |_| {},
            &format!(
                "{fault}'p' failed in 1 of 1 run before this change and in 0 of 2 after it; seen once, it can be \
                 chance."
            ),
        );
        check(
            ComparisonVerdict::Broken,
            [3, 0, 0],
            [0, 3, 0],
            |_| {},
            &format!("{fault}'p' failed in 0 of 3 runs before this change and in 3 of 3 after it."),
        );
        check(
            ComparisonVerdict::Improved,
            [1, 9, 0],
            [9, 1, 0],
            by_outcome,
            &format!(
                "{fault}'p' failed in 9 of 10 runs before this change and in 1 of 10 after it: it fails less often \
                 than before, and it still fails."
            ),
        );
        check(
            ComparisonVerdict::Improved,
            [6, 0, 0],
            [6, 0, 0],
            |it| {
                it.metrics.push(metric("q", Metric::SuccessRatio, [0.8, 0.99], MetricVerdict::Better));
                p95(it, [90.0, 20.0], MetricVerdict::Better);
            },
            &format!(
                "{fault}the success ratio of 'q' rose from 80 % before this change to 99 % after it, one more measure \
                 is better, and no run failed."
            ),
        );
        check(
            ComparisonVerdict::Regressed,
            [9, 1, 0],
            [1, 9, 0],
            by_outcome,
            &format!(
                "{fault}'p' failed in 1 of 10 runs before this change and in 9 of 10 after it: it fails more often \
                 than before."
            ),
        );
        check(
            ComparisonVerdict::Regressed,
            [0, 6, 0],
            [0, 6, 0],
            |it| it.metrics.push(metric("q", Metric::TimeToRecover, [1.0, 4.0], MetricVerdict::Worse)),
            "After the fault, the time to recover of 'q' rose from 1 s before this change to 4 s after it, and every \
             run failed, before and after.",
        );
        check(
            ComparisonVerdict::Equivalent,
            [10, 0, 0],
            [10, 0, 0],
            |_| {},
            &format!(
                "{fault}the steady state was met in 10 of 10 runs before this change and in 10 of 10 after it; it is \
                 shown that the failure rates differ by less than 50 points, and every measure by less than its \
                 margin."
            ),
        );
        check(
            ComparisonVerdict::NoDifference,
            [0, 3, 0],
            [0, 3, 0],
            |_| {},
            &format!(
                "{fault}'p' failed in 3 of 3 runs before this change and in 3 of 3 after it: no difference was seen, \
                 which does not show that there is none."
            ),
        );
    }

    #[test]
    fn inconclusive_sentence_says_what_is_missing() {
        let check = |before: Outcomes, after: Outcomes, change: Change, expected: &str| {
            assert_eq!(decide_with(ComparisonVerdict::Inconclusive, before, after, change), expected);
        };
        let needed: Change =
            |it| it.required_runs = Some(RequiredRuns { repeats: 15, reason: String::new() });
        let outcomes =
            "With the fault in place, 'p' failed in 2 of 3 runs before this change and in 0 of 3 after it";
        check(
            [1, 2, 0],
            [3, 0, 0],
            needed,
            &format!(
                "{outcomes}; this can be chance, and about 15 runs before and 15 after would answer it."
            ),
        );
        check(
            [1, 2, 0],
            [3, 0, 0],
            |_| {},
            &format!("{outcomes}; this can be chance, and more runs would hardly answer it."),
        );
        check(
            [1, 0, 0],
            [2, 0, 0],
            |_| {},
            "With the fault in place, the steady state was met in 1 of 1 run before this change and in 2 of 2 after \
             it; an answer takes at least 3 runs before and 3 after.",
        );
        check(
            [0, 2, 1],
            [2, 0, 2],
            |_| {},
            "With the fault in place, 'p' failed in 2 of 2 runs before this change and in 0 of 2 after it; 3 runs do \
             not count (the fault had no target); an answer takes at least 3 runs before and 3 after.",
        );
        check(
            [1, 2, 0],
            [3, 0, 0],
            |it| it.design.kind = DesignKind::Auto,
            &format!("{outcomes}; the trial ended before its answer was known."),
        );
        check(
            [0, 3, 0],
            [0, 0, 2],
            |_| {},
            "No run after this change counts (the fault had no target), so nothing is known about this change.",
        );
        check(
            [0, 0, 2],
            [3, 0, 0],
            |it| it.runs[1].reason = "other".to_owned(),
            "No run before this change counts (the fault had no target, and 1 run for another reason), so nothing is \
             known about this change.",
        );
        check(
            [0, 0, 1],
            [0, 0, 1],
            |it| it.runs.iter_mut().for_each(|run| run.reason.clear()),
            "No run counts, so nothing is known about this change.",
        );
        check(
            [6, 0, 0],
            [6, 0, 0],
            |it| {
                it.metrics.push(metric("q", Metric::SuccessRatio, [0.8, 0.99], MetricVerdict::Better));
                p95(it, [20.0, 90.0], MetricVerdict::Worse);
            },
            "With the fault in place, the success ratio of 'q' rose from 80 % before this change to 99 % after it, but \
             the p95 latency of 'q' rose from 20 ms before this change to 90 ms after it: one is better, the other \
             worse.",
        );
        check(
            [2, 2, 0],
            [1, 3, 0],
            |it| p95(it, [90.0, 20.0], MetricVerdict::Better),
            "With the fault in place, 'p' failed in 2 of 4 runs before this change and in 3 of 4 after it; the p95 \
             latency of 'q' is better, but more runs failed after: no clear answer.",
        );
    }

    #[test]
    fn probe_is_named_only_if_it_decided_every_failed_run() {
        let mut it = comparison(ComparisonVerdict::Fixed, [0, 3, 0], [3, 0, 0]);
        assert_eq!(deciding_probe(&it), Some("p"));
        it.runs[1].probe = Some("q".to_owned());
        assert_eq!(deciding_probe(&it), None);
        let sentence = decide_comparison(&it).to_plain_text();
        assert!(sentence.contains("the steady state was not met in 3 of 3 runs before"), "{sentence}");
        // a run that does not count decides nothing
        it.runs[1].surplus = true;
        assert_eq!(deciding_probe(&it), Some("p"));
    }

    #[test]
    fn single_run_has_its_sentence() {
        let mut run = summary_with_text("x").runs.remove(0);
        run.reason = "why.".to_owned();
        let check = |run: &mut RunSummary, kind: Option<RunVerdict>, expected: &str| {
            run.kind = kind;
            assert_eq!(decide_run(run).to_plain_text(), expected);
        };
        check(
            &mut run,
            Some(RunVerdict::Deviated),
            "With the fault in place, 'x' was not within its tolerance: 'status 500: x'.",
        );
        check(&mut run, Some(RunVerdict::Held), "With the fault in place, 'x' was within its tolerance.");
        check(
            &mut run,
            Some(RunVerdict::BaselineNotMet),
            "The steady state was not met before the fault, so the run shows nothing: why.",
        );
        check(
            &mut run,
            Some(RunVerdict::ActionNotConfirmed),
            "The fault was not confirmed, so the run shows nothing about it: why.",
        );
        check(&mut run, Some(RunVerdict::Stopped), "The run ended early, so it shows nothing: why.");
        check(&mut run, None, "The run has no result: why.");
        run.reason.clear();
        run.method.clear();
        check(&mut run, Some(RunVerdict::Held), "Before and after the method, 'x' was within its tolerance.");
        check(&mut run, Some(RunVerdict::Dry), "The run was dry, so it shows nothing.");
        // the probe of the method decided
        run.probes.clear();
        check(&mut run, Some(RunVerdict::Deviated), "After the method, the steady state was not met.");
    }
}
