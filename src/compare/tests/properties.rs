//! Property tests: what exchanging arms or outcomes changes, and the order of p values.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// The outcome, the success ratio, the time to recover and the 95th percentile of a run.
type RunValues = (&'static str, f64, Option<f64>, f64);

fn run_values() -> impl Strategy<Value = RunValues> {
    let outcome = prop_oneof![5 => Just("held"), 3 => Just("failed"), 1 => Just("void")];
    let recovered = select(vec![Some(0.0), Some(0.5), Some(2.0), Some(4.0), None]);
    (
        outcome,
        select(vec![0.05, 0.2, 0.5, 0.8, 0.9, 1.0]),
        recovered,
        select(vec![0.0, 1.0, 20.0, 60.0, 200.0]),
    )
}

/// An arm whose runs tend to one outcome or to a shifted value, so that significant results occur.
fn arm_values() -> impl Strategy<Value = Vec<RunValues>> {
    let usual = proptest::collection::vec(run_values(), 1..8);
    let alike = (proptest::collection::vec(run_values(), 1..8), run_values())
        .prop_map(|(runs, same)| runs.into_iter().map(|run| (same.0, same.1, run.2, same.3)).collect());
    prop_oneof![usual, alike]
}

fn fixture(values: &[RunValues]) -> Vec<FixtureRun> {
    let one = |(outcome, ratio, recovered, p95): &RunValues| FixtureRun {
        samples: vec![series("p", *ratio, *recovered, *p95)],
        ..run(outcome)
    };
    values.iter().map(one).collect()
}

fn mirrored(verdict: ComparisonVerdict) -> ComparisonVerdict {
    match verdict {
        ComparisonVerdict::Fixed => ComparisonVerdict::Broken,
        ComparisonVerdict::Broken => ComparisonVerdict::Fixed,
        ComparisonVerdict::Improved => ComparisonVerdict::Regressed,
        ComparisonVerdict::Regressed => ComparisonVerdict::Improved,
        other => other,
    }
}

/// Returns whether metrics are worse and fewer runs after failed, which counts as regressed; the mirror image is open.
fn is_worse_with_fewer_failures(comparison: &RunComparison) -> bool {
    let Arms { before, after } = &comparison.arms;
    comparison.verdict == ComparisonVerdict::Regressed
        && comparison.basis == Some(Basis::Rows)
        && after.failed * before.valid < before.failed * after.valid
}

/// Adjusts p values for the number of tests (Holm).
fn holm(ps: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..ps.len()).collect();
    order.sort_by(|a, b| ps[*a].total_cmp(&ps[*b]));
    let (mut adjusted, mut least) = (vec![1.0; ps.len()], 0.0_f64);
    let mut left = f64::from(u32::try_from(ps.len()).unwrap());
    for place in order {
        least = least.max((ps[place] * left).min(1.0));
        adjusted[place] = least;
        left -= 1.0;
    }
    adjusted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn exchanged_arms_mirror_the_verdict(before in arm_values(), after in arm_values()) {
        let found = compared(&fixture(&before), &fixture(&after));
        let exchanged = compared(&fixture(&after), &fixture(&before));
        let expected = if is_worse_with_fewer_failures(&exchanged) {
            ComparisonVerdict::Inconclusive
        } else {
            mirrored(exchanged.verdict)
        };
        if is_worse_with_fewer_failures(&found) {
            prop_assert_eq!(exchanged.verdict, ComparisonVerdict::Inconclusive);
        } else {
            prop_assert_eq!(found.verdict, expected, "{} | {}", found.reason, exchanged.reason);
        }
        prop_assert_eq!(found.outcome_test, exchanged.outcome_test);
        for (row, mirror) in found.metrics.iter().zip(&exchanged.metrics) {
            prop_assert_eq!((row.metric, row.p, row.p_adjusted), (mirror.metric, mirror.p, mirror.p_adjusted));
        }
    }

    #[test]
    fn exchanged_outcomes_leave_p_and_significance(before in arm_values(), after in arm_values()) {
        let exchange = |values: &[RunValues]| -> Vec<RunValues> {
            let outcome = |outcome: &'static str| match outcome {
                "held" => "failed",
                "failed" => "held",
                other => other,
            };
            values.iter().map(|run| (outcome(run.0), run.1, run.2, run.3)).collect()
        };
        let found = compared(&fixture(&before), &fixture(&after));
        let exchanged = compared(&fixture(&exchange(&before)), &fixture(&exchange(&after)));
        prop_assert_eq!(found.outcome_test.significant, exchanged.outcome_test.significant);
        if let (Some(p), Some(other)) = (found.outcome_test.p, exchanged.outcome_test.p) {
            prop_assert!((p - other).abs() < 1e-9, "{p} {other}");
        }
    }

    #[test]
    fn adjusted_p_is_between_p_and_holm(before in arm_values(), after in arm_values()) {
        let found = compared(&fixture(&before), &fixture(&after));
        let tested: Vec<_> = found.metrics.iter().filter(|row| row.tested).collect();
        let ps: Vec<f64> = tested.iter().filter_map(|row| row.p).collect();
        prop_assert_eq!(ps.len(), tested.len());
        for ((row, p), holm) in tested.iter().zip(&ps).zip(holm(&ps)) {
            let adjusted = row.p_adjusted.unwrap();
            prop_assert!(*p <= adjusted + 1e-12 && adjusted <= holm + 1e-12, "{p} {adjusted} {holm}");
        }
    }

    #[test]
    fn constant_probe_costs_nothing(before in arm_values(), after in arm_values()) {
        let with_constant = |values: &[RunValues]| {
            let mut runs = fixture(values);
            for run in &mut runs {
                run.samples.insert(0, series("constant", 1.0, Some(0.0), 5.0));
            }
            runs
        };
        let found = compared(&fixture(&before), &fixture(&after));
        let more = compared(&with_constant(&before), &with_constant(&after));
        let rows = |comparison: &RunComparison| -> Vec<_> {
            let rows = comparison.metrics.iter().filter(|row| row.probe == "p");
            rows.map(|row| (row.metric, row.tested, row.p_adjusted, row.result)).collect()
        };
        prop_assert_eq!(rows(&found), rows(&more));
        if found.verdict != ComparisonVerdict::NoDifference && found.verdict != ComparisonVerdict::Equivalent {
            prop_assert_eq!(found.verdict, more.verdict);
        }
    }
}

#[test]
fn thousand_runs_per_arm_are_compared_quickly() {
    let arm = |failed: usize| -> Vec<FixtureRun> {
        (0..1000).map(|at| run(if at < failed { "failed" } else { "held" })).collect()
    };
    let (before, after) = (records("b", &arm(520)), records("a", &arm(450)));
    let start = std::time::Instant::now();
    let found = compare(&before, &after, &CompareOptions::default()).unwrap();
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    assert_eq!((found.verdict, found.basis), (ComparisonVerdict::Improved, Some(Basis::Outcome)));
}
