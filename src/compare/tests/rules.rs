//! The verdict for every rule, and the design that selects the rule.

use super::*;

/// What a comparison is expected to be.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Expected {
    verdict: ComparisonVerdict,
    basis: Option<Basis>,
    /// The valid runs per arm that a clearer verdict needs.
    needed: Option<u32>,
    reason: &'static str,
}

fn check_rule(name: &str, found: &RunComparison, expected: Expected) {
    let needed = found.required_runs.as_ref().map(|needed| needed.repeats);
    let summary = (found.verdict, found.basis, needed, found.reason.as_str());
    let Expected { verdict, basis, needed, reason } = expected;
    assert_eq!(summary, (verdict, basis, needed, reason), "{name}");
}

/// Creates the runs of an arm, of which the first ones failed.
fn arm(failed: usize, valid: usize) -> Vec<FixtureRun> {
    (0..valid).map(|at| run(if at < failed { "failed" } else { "held" })).collect()
}

/// Creates the runs of an arm, of which the first ones failed, with a latency and a success ratio.
fn measured_arm(failed: usize, valid: usize, ratio: f64, p95: f64) -> Vec<FixtureRun> {
    #[allow(clippy::cast_precision_loss)] // a few runs
    let part = |at: usize| at as f64 / 1000.0;
    let one = |(at, run): (usize, FixtureRun)| FixtureRun {
        samples: vec![series("p", ratio - part(at), Some(1.0 + part(at)), p95 + part(at))],
        ..run
    };
    arm(failed, valid).into_iter().enumerate().map(one).collect()
}

#[test]
fn verdict_follows_from_first_rule_that_applies() {
    use ComparisonVerdict::{Broken, Equivalent, Fixed, Improved, Inconclusive, NoDifference, Regressed};
    let check = |name: &str,
                 before: &[FixtureRun],
                 after: &[FixtureRun],
                 (verdict, basis, needed): (ComparisonVerdict, Option<Basis>, Option<u32>),
                 reason: &'static str| {
        check_rule(name, &compared(before, after), Expected { verdict, basis, needed, reason });
    };
    let (outcome, rows) = (Some(Basis::Outcome), Some(Basis::Rows));
    check(
        "an arm without valid runs",
        &arm(3, 3),
        &runs("void void"),
        (Inconclusive, None, Some(3)),
        "3 of 3 runs before and 0 of 2 runs after are valid, and both arms need one.",
    );
    check(
        "significant, no failure after",
        &arm(3, 3),
        &arm(0, 3),
        (Fixed, outcome, None),
        "3 of 3 valid runs before failed, and 0 of 3 after: the failure rate is lower (p = 0.031).",
    );
    check(
        "significant, some failures after",
        &arm(9, 10),
        &arm(1, 10),
        (Improved, outcome, None),
        "9 of 10 valid runs before failed, and 1 of 10 after: the failure rate is lower, but not 0 (p < 0.001).",
    );
    check(
        "significant, no failure before",
        &arm(0, 5),
        &arm(4, 5),
        (Broken, outcome, None),
        "0 of 5 valid runs before failed, and 4 of 5 after: the failure rate is higher (p = 0.021).",
    );
    check(
        "significant, some failures before",
        &arm(1, 5),
        &arm(5, 5),
        (Regressed, outcome, None),
        "1 of 5 valid runs before failed, and 5 of 5 after: the failure rate is higher, and was not 0 (p = 0.021).",
    );
    check(
        "significant, and a metric is worse",
        &measured_arm(6, 6, 0.9, 100.0),
        &measured_arm(0, 6, 0.9, 150.0),
        (Fixed, outcome, None),
        "6 of 6 valid runs before failed, and 0 of 6 after: the failure rate is lower (p < 0.001); but worse: \
         slowdown of 'p' (×1.5), p95 latency of 'p' (×1.5).",
    );
    check(
        "seen once",
        &arm(1, 1),
        &arm(0, 1),
        (Fixed, outcome, Some(3)),
        "1 of 1 valid run before failed, and 0 of 1 after: seen once (p = 0.5).",
    );
    check(
        "seen once, three against two",
        &arm(0, 3),
        &arm(2, 2),
        (Broken, outcome, Some(3)),
        "0 of 3 valid runs before failed, and 2 of 2 after: seen once (p = 0.069).",
    );
    check(
        "too few runs",
        &arm(1, 2),
        &arm(0, 3),
        (Inconclusive, None, Some(3)),
        "1 of 2 valid runs before failed, and 0 of 3 after: too few runs to compare.",
    );
    check(
        "a metric better, another worse",
        &measured_arm(0, 6, 0.9, 100.0),
        &measured_arm(0, 6, 0.95, 150.0),
        (Inconclusive, None, None),
        "0 of 6 valid runs before failed, and 0 of 6 after; better: success ratio of 'p' (+5 points); worse: \
         slowdown of 'p' (×1.5), p95 latency of 'p' (×1.5).",
    );
    check(
        "a metric better",
        &measured_arm(0, 6, 0.9, 100.0),
        &measured_arm(0, 6, 0.95, 100.0),
        (Improved, rows, None),
        "0 of 6 valid runs before failed, and 0 of 6 after; better: success ratio of 'p' (+5 points).",
    );
    check(
        "a metric better, and more failures",
        &measured_arm(0, 6, 0.9, 100.0),
        &measured_arm(1, 6, 0.95, 100.0),
        (Inconclusive, None, None),
        "0 of 6 valid runs before failed, and 1 of 6 after; better: success ratio of 'p' (+5 points); but more runs \
         after failed, which may be chance.",
    );
    check(
        "a metric worse, and fewer failures",
        &measured_arm(1, 6, 0.95, 100.0),
        &measured_arm(0, 6, 0.9, 100.0),
        (Regressed, rows, None),
        "1 of 6 valid runs before failed, and 0 of 6 after; worse: success ratio of 'p' (-5 points).",
    );
    check(
        "near, and every metric within its margin",
        &measured_arm(0, 6, 0.9, 100.0),
        &measured_arm(0, 6, 0.9, 100.0),
        (Equivalent, None, None),
        "0 of 6 valid runs before failed, and 0 of 6 after: the failure rates differ by less than 50 points, and \
         every compared metric lies within its margin.",
    );
    check(
        "the same outcome, not near",
        &measured_arm(5, 5, 0.9, 100.0),
        &measured_arm(5, 5, 0.9, 100.0),
        (NoDifference, None, None),
        "5 of 5 valid runs before failed, and 5 of 5 after: no difference seen; no metric is better or worse.",
    );
    check(
        "near, nothing sampled",
        &arm(1, 20),
        &arm(1, 20),
        (NoDifference, None, None),
        "1 of 20 valid runs before failed, and 1 of 20 after: no difference seen, and the failure rates differ by \
         less than 50 points; nothing was sampled.",
    );
    check(
        "a difference that may be chance",
        &arm(2, 3),
        &arm(0, 3),
        (Inconclusive, None, Some(15)),
        "2 of 3 valid runs before failed, and 0 of 3 after: a difference may be chance (p = 0.219).",
    );
    check(
        "a difference that more runs would not show",
        &arm(4, 10),
        &arm(2, 10),
        (Inconclusive, None, None),
        "4 of 10 valid runs before failed, and 2 of 10 after: a difference may be chance (p = 0.401); more runs would \
         hardly show a difference.",
    );
}

#[test]
fn void_runs_count_nowhere() {
    let found = compared(&runs("failed failed failed void"), &runs("held void held held"));
    assert_eq!((found.verdict, found.evidence), (ComparisonVerdict::Fixed, Replication::Repeated));
    assert_eq!(found.arms.before.void, 1);
    assert_eq!(found.format_void().unwrap(), "1 of 4 runs before and 1 of 4 after were void");
    // a fault without effect never gives the verdict fixed
    let found = compared(&runs("failed failed failed"), &runs("void void void"));
    assert_eq!((found.verdict, found.after), (ComparisonVerdict::Inconclusive, AfterOutcome::Unknown));
}

#[test]
fn facts_beside_the_verdict_follow_from_the_counts() {
    let found = compared(&arm(1, 1), &arm(0, 1));
    assert_eq!(found.headline(), "fixed, seen once (after: holds)");
    assert!(!found.has_too_few_runs() && compared(&arm(1, 2), &arm(0, 3)).has_too_few_runs());
    assert!(compared(&arm(1, 1), &runs("void")).has_too_few_runs());
    assert!(!compared(&arm(2, 3), &arm(0, 3)).has_too_few_runs());
    let found = compared(&arm(3, 3), &arm(0, 3));
    assert_eq!(
        found.format_counts(),
        "failed in 3 of 3 valid runs before (95 % interval: 29 to 100 %), 0 of 3 after (95 % interval: 0 to 71 %)"
    );
    let limit = "after: fails in at most 63 % of runs (95 % confidence)";
    assert_eq!(found.format_failure_limit().unwrap(), limit);
    assert_eq!(found.format_detectable(), None);
    let found = compared(&arm(3, 3), &arm(3, 3));
    assert_eq!(
        (found.headline().as_str(), found.format_failure_limit()),
        ("no difference seen (after: fails)", None)
    );
    let detectable = "as many runs show a change of the failure rate from 100 to 7 % in 8 of 10 comparisons";
    assert_eq!(found.format_detectable().unwrap(), detectable);
    let found = compared(&arm(0, 10), &arm(0, 10));
    let detectable = "as many runs show a change of the failure rate from 0 to 48 % in 8 of 10 comparisons";
    assert_eq!(found.format_detectable().unwrap(), detectable);
}

#[test]
fn outcomes_and_metrics_share_the_error() {
    let level = |before: (usize, usize), after: (usize, usize)| {
        compared(&arm(before.0, before.1), &arm(after.0, after.1)).row_level
    };
    assert_eq!(level((0, 4), (0, 4)), Some(0.05));
    assert_eq!(level((1, 4), (0, 4)), Some(0.05));
    assert_eq!(level((4, 4), (3, 4)), Some(0.05));
    assert_eq!(level((2, 4), (0, 4)), Some(0.005));
    assert_eq!(level((0, 2), (0, 4)), None);
}

/// Creates an arm of a trial: the outcomes of its pairs, in order.
fn trial_arm(outcomes: &str, trial: &str, kind: &str, max_pairs: u32) -> Vec<FixtureRun> {
    let place = |(pair, what): (u32, &str)| {
        // `2:void` is a run of pair 2
        let (pair, what) =
            what.split_once(':').map_or((pair, what), |(pair, what)| (pair.parse().unwrap(), what));
        let design = json!({"kind": kind, "max_pairs": max_pairs});
        let environment = json!({"trial": trial, "pair": pair, "design": design});
        let mut found = run(what);
        merge(&mut found.change, &json!({"kubectl-chaos": {"environment": environment}}));
        found
    };
    (1..).zip(outcomes.split_whitespace()).map(place).collect()
}

fn auto(before: &str, after: &str, max_pairs: u32) -> RunComparison {
    compared(&trial_arm(before, "t", "auto", max_pairs), &trial_arm(after, "t", "auto", max_pairs))
}

#[test]
fn automatic_trial_is_judged_by_its_limits() {
    use ComparisonVerdict::{Broken, Fixed, Inconclusive, NoDifference};
    let check = |before: &str,
                 after: &str,
                 max_pairs: u32,
                 expected: (ComparisonVerdict, Option<StopRule>, u32),
                 reason: &str| {
        let found = auto(before, after, max_pairs);
        assert_eq!(found.design.kind, DesignKind::Auto);
        let summary = (found.verdict, found.design.stop, found.design.pairs.unwrap());
        assert_eq!(summary, expected, "{}", found.reason);
        assert_eq!((found.outcome_test.p, found.reason.as_str()), (None, reason));
        assert!(found.confounders.is_empty(), "{:?}", found.confounders);
    };
    let repeat = |what: &str, count: usize| vec![what; count].join(" ");
    check(
        &repeat("failed", 3),
        &repeat("held", 3),
        10,
        (Fixed, Some(StopRule::CleanSplit), 3),
        "3 of 3 valid runs before failed, and 0 of 3 after: the failure rate is lower (3 to none after 3 pairs).",
    );
    // the before arm fails in runs 1, 3, 4, 7 and 9
    let flaky = "failed held failed failed held held failed held failed";
    check(
        flaky,
        &repeat("held", 9),
        20,
        (Fixed, Some(StopRule::Lead), 9),
        "5 of 9 valid runs before failed, and 0 of 9 after: the failure rate is lower (5 to none after 9 pairs).",
    );
    check(
        &repeat("held", 9),
        flaky,
        20,
        (Broken, Some(StopRule::Lead), 9),
        "0 of 9 valid runs before failed, and 5 of 9 after: the failure rate is higher (5 to none after 9 pairs).",
    );
    check(
        &repeat("held", 5),
        &repeat("held", 5),
        10,
        (NoDifference, Some(StopRule::SameOutcome), 5),
        "0 of 5 valid runs before failed, and 0 of 5 after: no difference seen; nothing was sampled.",
    );
    check(
        "failed held held held held",
        "failed held held held held",
        10,
        (Inconclusive, Some(StopRule::Unlikely), 5),
        "1 of 5 valid runs before failed, and 1 of 5 after: a difference may be chance, and more pairs were unlikely \
         to show it; more runs would hardly show a difference.",
    );
    check(
        "failed failed held failed",
        "held held held held",
        4,
        (Inconclusive, Some(StopRule::MaxPairs), 4),
        "3 of 4 valid runs before failed, and 0 of 4 after: a difference may be chance: no limit was reached in 4 \
         pairs.",
    );
    // interrupted before a stop: not significant, although a fixed trial would be
    check(
        "failed failed failed held failed",
        "held failed held held",
        10,
        (Inconclusive, None, 4),
        "3 of 4 valid runs before failed, and 1 of 4 after: the trial ended before its answer was known.",
    );
    // two runs of an arm in a row without a target
    let mut after = trial_arm("held held held held", "t", "auto", 10);
    for run in &mut after[2..] {
        let effect = json!({"state": "confirmed", "detail": NOTHING_MATCHED});
        merge(
            &mut run.change,
            &json!({"kubectl-chaos": {"activities": [{"at": "/run/0", "effect": effect}]}}),
        );
    }
    let found = compared(&trial_arm("held held held held", "t", "auto", 10), &after);
    assert_eq!(
        found.reason,
        "0 of 2 valid runs before failed, and 0 of 2 after: the trial ended because 2 runs after in a row were void: \
         the fault had no target."
    );
}

#[test]
fn runs_beyond_the_stop_are_surplus() {
    let found = auto("failed failed failed failed", "held held held", 10);
    let surplus: Vec<_> =
        found.runs.iter().filter(|run| run.surplus).map(|run| (run.arm, run.pair)).collect();
    assert_eq!((found.verdict, surplus), (ComparisonVerdict::Fixed, vec![(Arm::Before, Some(4))]));
    let counts = &found.arms.before;
    assert_eq!((counts.runs, counts.valid, counts.surplus), (4, 3, 1));
    // a void run is repeated with the number of its pair, and may be listed last
    let found = auto("failed failed 2:void 3:failed", "1:held 3:held 2:held", 10);
    assert_eq!((found.verdict, found.design.pairs), (ComparisonVerdict::Fixed, Some(3)));
}

#[test]
fn metrics_of_an_automatic_trial_decide_only_for_equal_outcomes() {
    let with_samples = |outcomes: &str, ratio: f64| {
        let mut runs = trial_arm(outcomes, "t", "auto", 10);
        for (run, measured) in runs.iter_mut().zip(measured_arm(0, 5, ratio, 100.0)) {
            run.samples = measured.samples;
        }
        runs
    };
    let held = "held held held held held";
    let found = compared(&with_samples(held, 0.5), &with_samples(held, 0.9));
    assert_eq!((found.verdict, found.row_level), (ComparisonVerdict::Improved, Some(0.05)));
    let mixed = "held failed held held held";
    let found = compared(&with_samples(mixed, 0.5), &with_samples(held, 0.9));
    assert_eq!((found.verdict, found.row_level), (ComparisonVerdict::Inconclusive, None));
    assert_eq!((found.metrics[0].result, found.metrics[0].tested), (MetricVerdict::NotTested, false));
    assert!(found.metrics[0].p.is_some());
}

#[test]
fn journals_that_do_not_state_their_design_are_fixed() {
    let check = |before: &[FixtureRun], after: &[FixtureRun], kind: DesignKind, stated: bool| {
        let found = compared(before, after);
        assert_eq!((found.design.kind, found.design.stated), (kind, stated), "{:?}", found.design);
        let notes = found.confounders.iter().filter(|label| label.kind == ConfounderKind::Design);
        let notes: Vec<_> = notes.map(|label| (label.heading(), label.text.as_str())).collect();
        let note = ("note", "5 % holds if the number of runs was not chosen by looking at them");
        assert_eq!(notes, if stated { vec![] } else { vec![note] });
    };
    let three = "held held held";
    let of = |trial: &str, kind: &str, max_pairs: u32| trial_arm(three, trial, kind, max_pairs);
    let (fixed, auto) = (DesignKind::Fixed, DesignKind::Auto);
    check(&runs(three), &runs(three), fixed, false);
    check(&of("t", "fixed", 3), &of("t", "fixed", 3), fixed, true);
    // pairs are missing: the user may have chosen them
    check(&of("t", "fixed", 4), &of("t", "fixed", 4), fixed, false);
    check(&of("t", "auto", 10), &of("t", "auto", 10), auto, true);
    check(&of("t", "auto", 10), &of("u", "auto", 10), fixed, false);
    check(&of("t", "auto", 10), &of("t", "auto", 12), fixed, false);
    check(&of("t", "auto", 21), &of("t", "auto", 21), fixed, false);
    check(&of("t", "later", 10), &of("t", "later", 10), fixed, false);
    check(&of("", "auto", 10), &of("", "auto", 10), fixed, false);
    let gap = trial_arm("1:held 2:held 4:held", "t", "auto", 10);
    check(&of("t", "auto", 10), &gap, fixed, false);
    check(&of("t", "auto", 10), &runs(three), fixed, false);
    // the runs before are the baseline of an earlier trial
    check(&of("t", "auto", 10), &of("u", "fixed", 3), fixed, true);
}

#[test]
fn arms_at_different_times_and_overlapping_runs_are_labelled() {
    let with = |trial: &str, start: &str, overlaps: &dyn Fn(usize) -> Vec<String>| {
        let mut runs = trial_arm("held held held", trial, "fixed", 3);
        for (at, run) in runs.iter_mut().enumerate() {
            let environment = json!({"overlaps": overlaps(at)});
            let start = start.replace('#', &at.to_string());
            merge(&mut run.change, &json!({"start": start, "kubectl-chaos": {"environment": environment}}));
        }
        runs
    };
    let check = |before: &[FixtureRun], after: &[FixtureRun], expected: &[(ConfounderKind, &str)]| {
        let found = compared(before, after).confounders;
        let found: Vec<_> = found.iter().map(|label| (label.kind, label.text.as_str())).collect();
        assert_eq!(found, expected);
    };
    let alone = |_: usize| Vec::new();
    let (morning, noon) = ("2026-01-01T08:0#:00+00:00", "2026-01-01T12:0#:00+00:00");
    let label = (ConfounderKind::Time, "arms at different times: the 5 % does not cover drift between them");
    check(&with("t", morning, &alone), &with("u", noon, &alone), &[label]);
    check(&with("t", noon, &alone), &with("u", morning, &alone), &[label]);
    check(&with("t", morning, &alone), &with("u", morning, &alone), &[]);
    check(&with("t", morning, &alone), &with("t", noon, &alone), &[]);
    // records() names the runs b-0, a-0 and so on
    let partner = |arm: &'static str| move |at: usize| vec![format!("{arm}-{at}")];
    let label = (ConfounderKind::Overlap, "the two runs of each pair ran at the same time");
    check(&with("t", morning, &partner("a")), &with("t", morning, &partner("b")), &[label]);
    let text = "3 of 3 runs before and 0 of 3 after ran at the same time as other runs";
    let label = (ConfounderKind::Overlap, text);
    check(&with("t", morning, &partner("a")), &with("t", morning, &alone), &[label]);
}
