//! Metrics of simulated runs: values, tests, effects and margins.

use super::*;

#[test]
fn metric_result_needs_significance_and_margin() {
    let steady = |ratio: f64, p95: f64| -> Vec<(f64, Option<f64>, f64)> {
        (0..6)
            .map(|at| {
                (
                    ratio - f64::from(at) / 1000.0,
                    Some(1.0 + f64::from(at) / 1000.0),
                    p95 + f64::from(at) / 10.0,
                )
            })
            .collect()
    };
    let check = |before: &[(f64, Option<f64>, f64)],
                 after: &[(f64, Option<f64>, f64)],
                 verdict: ComparisonVerdict,
                 standings: [&str; 4]| {
        let found = compared(&sampled("held", before), &sampled("held", after));
        let shown: Vec<String> = found.metrics.iter().map(MetricResult::format_result).collect();
        assert_eq!(
            (found.verdict, shown),
            (verdict, standings.map(str::to_owned).to_vec()),
            "{}",
            found.reason
        );
    };
    let base = steady(0.95, 100.0);
    let (same, slower) = ("equivalent", "worse");
    check(&base, &base, ComparisonVerdict::Equivalent, [same; 4]);
    check(&base, &steady(1.0, 100.0), ComparisonVerdict::Improved, ["better", same, same, same]);
    check(&base, &steady(0.9, 100.0), ComparisonVerdict::Regressed, [slower, same, same, same]);
    check(&base, &steady(0.95, 150.0), ComparisonVerdict::Regressed, [same, slower, same, slower]);
    check(&base, &steady(1.0, 150.0), ComparisonVerdict::Inconclusive, ["better", slower, same, slower]);
    // by less than the margin
    let within = "different, within the margin";
    check(&base, &steady(0.959, 100.0), ComparisonVerdict::NoDifference, [within, same, same, same]);
    check(&base, &steady(0.95, 109.0), ComparisonVerdict::Equivalent, [same; 4]);
    // less than 5 ms is too small to matter, whatever the factor
    check(&steady(0.95, 2.0), &steady(0.95, 4.0), ComparisonVerdict::Regressed, [same, slower, same, same]);
    // runs that did not recover rank last
    let late: Vec<_> = base.iter().map(|(ratio, _, p95)| (*ratio, None, *p95)).collect();
    check(&late, &base, ComparisonVerdict::Improved, [same, same, "better", same]);
    check(&base, &late, ComparisonVerdict::Regressed, [same, same, slower, same]);
    check(&late, &late, ComparisonVerdict::NoDifference, [same, same, "not significant", same]);
    // the sampling period is the resolution
    let back = |after: f64| -> Vec<_> {
        base.iter()
            .map(|(ratio, recovered, p95)| (*ratio, recovered.map(|seen| seen - 1.0 + after), *p95))
            .collect()
    };
    check(&back(0.5), &back(0.42), ComparisonVerdict::Equivalent, [same; 4]);
    check(&back(0.5), &back(0.35), ComparisonVerdict::Improved, [same, same, "better", same]);
    // a quickly refused connection has no latency
    let none: Vec<_> = base.iter().map(|(_, recovered, _)| (0.05, *recovered, 1.0)).collect();
    let few = "not compared: too few successes";
    check(&base, &none, ComparisonVerdict::Regressed, [slower, few, same, few]);
}

#[test]
fn effect_of_times_is_a_factor_unless_a_value_is_zero() {
    let seen = |recovered: f64, p95: f64| sampled("held", &[(1.0, Some(recovered), p95); 4]);
    let check = |before: &[FixtureRun], after: &[FixtureRun], expected: [&str; 4]| {
        let found = compared(before, after);
        let shown: Vec<String> = found.metrics[..4].iter().map(MetricResult::format_difference).collect();
        assert_eq!(shown, expected);
    };
    check(&seen(2.0, 100.0), &seen(5.0, 150.0), ["0 points", "×1.5", "×2.5", "×1.5"]);
    check(&seen(5.0, 150.0), &seen(2.0, 100.0), ["0 points", "×0.667", "×0.4", "×0.667"]);
    check(&seen(0.0, 100.0), &seen(3.0, 100.0), ["0 points", "×1", "+3 s", "×1"]);
}

#[test]
fn run_with_too_few_successes_ranks_last() {
    let runs = |few: usize| {
        let seen = |at: usize| (if at < few { 0.05 } else { 0.5 }, Some(1.0), 100.0);
        sampled("held", &(0..6).map(seen).collect::<Vec<_>>())
    };
    let result = |few: usize| {
        let found = compared(&runs(0), &runs(few));
        let row = found.metrics.iter().find(|row| row.metric == Metric::P95Latency).unwrap();
        (row.format_after(), row.p.is_some())
    };
    assert_eq!(result(0), ("100 ms (100 to 100)".to_owned(), true));
    // at most a quarter of all runs
    assert_eq!(result(3), ("too few (100 to too few)".to_owned(), true));
    assert_eq!(result(4), ("100 ms (100 to 100)".to_owned(), false));
    // the median of too short a baseline is no basis
    let mut short = runs(0);
    short[0].samples[0]["phases"][0]["latency"]["samples"] = json!(29);
    let found = compared(&runs(0), &short);
    assert_eq!(found.metrics[1].format_result(), "not compared: too few successes before the fault");
    assert_eq!(found.metrics[3].format_result(), "equivalent");
}

#[test]
fn primary_metric_is_tested_first() {
    // with 5 runs per arm and the level of mixed outcomes, no metric can be tested; with 6, only the first ones
    let probe = |name: &str, at: u32, shift: f64| {
        let part = f64::from(at);
        series(name, 0.5 + part / 100.0 + shift, Some(5.0 + f64::from(at * 5 % 7) + shift), 100.0)
    };
    let arm = |shift: f64, failed: u32| -> Vec<FixtureRun> {
        let one = |at: u32| FixtureRun {
            samples: vec![probe("p", at, shift), probe("q", at * 2 % 7, -shift)],
            ..run(if at < failed { "failed" } else { "held" })
        };
        (0..6).map(one).collect()
    };
    let (before, after) = (records("b", &arm(0.0, 2)), records("a", &arm(0.003, 2)));
    let tested = |primary: Option<&str>| -> Vec<String> {
        let primary = primary.map(|text| PrimaryMetric::parse(text).unwrap());
        let found = compare(&before, &after, &CompareOptions { primary, ..CompareOptions::default() });
        let rows = found.unwrap().metrics.into_iter().filter(|row| row.tested && row.p != Some(1.0));
        rows.map(|row| format!("{}:{}", row.probe, row.metric.name())).collect()
    };
    assert_eq!(tested(None), ["p:success-ratio", "q:success-ratio"]);
    assert_eq!(tested(Some("q:time-to-recover")), ["q:time-to-recover", "p:success-ratio"]);
    let options = CompareOptions {
        primary: Some(PrimaryMetric::parse("other:slowdown").unwrap()),
        ..CompareOptions::default()
    };
    let error = compare(&before, &after, &options).unwrap_err();
    assert_eq!(
        error,
        Error::PrimaryNotSampled { probe: "'other'".to_owned(), probes: "'p', 'q'".to_owned() }
    );
}

#[test]
fn metric_shows_censored_values_and_missing_intervals() {
    let late =
        sampled("held", &[(1.0, None, 1.0), (0.5, None, 1.0), (0.75, Some(3.0), 1.0), (1.0, Some(2.0), 1.0)]);
    let fine = sampled("held", &[(1.0, Some(0.0), 1.0); 4]);
    let found = compared(&late, &fine);
    let row = &found.metrics[2];
    assert_eq!(row.format_before(), "> 7.5 s (> 12, > 12, 3, 2)");
    assert_eq!(row.format_after(), "0 s (0, 0, 0, 0)");
    assert_eq!(row.format_interval(), "no 95 % interval: recovery not observed in 2 runs");
    assert_eq!((row.estimate, row.p, row.result), (None, Some(2.0 / 70.0), MetricVerdict::Better));
    let found = compared(&late[..3], &fine[..3]);
    assert_eq!(found.metrics[0].format_before(), "75 % (100, 50, 75)");
    assert_eq!(found.metrics[0].format_interval(), "no 95 % interval from 3 runs");
    assert_eq!(found.metrics[2].format_result(), "not tested: testing 2 metrics takes 5 runs per arm");
    assert_eq!(found.required_runs.unwrap().repeats, 5);
    assert_eq!(
        found.reason,
        "0 of 3 valid runs before failed, and 0 of 3 after: no difference seen; no metric is better or worse, and \
         1 of 4 were not tested."
    );
    let found = compared(&late[..2], &fine);
    assert_eq!(found.metrics[0].format_interval(), "no 95 % interval from 2 and 4 runs");
    assert_eq!(found.metrics[2].format_result(), "not tested: too few runs");
    // a censored value below an observed one may be the median
    let mut mixed = sampled("held", &[(1.0, Some(5.0), 1.0), (1.0, Some(30.0), 1.0), (1.0, None, 1.0)]);
    mixed[2].samples[0]["recovery_watched"] = json!(10);
    assert_eq!(compared(&mixed, &fine).metrics[2].format_before(), "> 10 s (5, 30, > 10)");
    mixed[1] = mixed[0].clone();
    assert_eq!(compared(&mixed, &fine).metrics[2].format_before(), "5 s (5, 5, > 10)");
}

#[test]
fn unequal_arms_need_fewer_runs_in_the_smaller_arm() {
    let held = |ratio: f64, runs: usize| sampled("held", &vec![(ratio, Some(1.0), 100.0); runs]);
    let same = compared(&held(0.9, 3), &held(0.9, 10));
    assert_eq!(
        (same.verdict, same.required_runs),
        (ComparisonVerdict::NoDifference, None),
        "{}",
        same.reason
    );
    assert!(same.reason.ends_with("no metric is better or worse."), "{}", same.reason);
    let different = compared(&held(0.5, 3), &held(0.9, 10));
    assert_eq!((different.verdict, different.basis), (ComparisonVerdict::Improved, Some(Basis::Rows)));
    // fewer than three runs decide nothing, whatever the other arm has
    let few = compared(&held(0.5, 2), &held(0.9, 10));
    assert_eq!((few.verdict, few.evidence), (ComparisonVerdict::Inconclusive, Replication::Single));
    assert_eq!((few.row_level, few.required_runs.unwrap().repeats), (None, 3));
}

#[test]
fn unrecovered_runs_count_as_observation_window() {
    let of = |from: Option<f64>| {
        let one = |at: u32| (1.0, from.map(|from| from + f64::from(at) / 100.0), 100.0);
        sampled("held", &(0..6).map(one).collect::<Vec<_>>())
    };
    let check = |before: Option<f64>, after: Option<f64>, expected: &str| {
        let found = compared(&of(before), &of(after));
        assert_eq!(found.metrics[2].format_result(), expected, "{before:?} {after:?}");
        assert!(found.metrics[2].p_adjusted.unwrap() <= SIGNIFICANCE_LEVEL);
    };
    // the recovery window is 12 s; the margin is 10 % of the time before
    check(Some(8.0), None, "worse");
    check(None, Some(8.0), "better");
    let unknown = "not significant: recovery window too short to decide against the margin";
    check(Some(11.5), None, unknown);
    check(None, Some(11.5), unknown);
}

#[test]
fn metric_without_fair_comparison_is_not_compared() {
    let fine = |change: &dyn Fn(&mut Json)| -> Vec<FixtureRun> {
        let mut one = series("p", 1.0, Some(0.0), 1.0);
        change(&mut one);
        vec![FixtureRun { samples: vec![one], ..run("held") }; 4]
    };
    let same = fine(&|_| ());
    let standings = |after: &[FixtureRun]| -> Vec<String> {
        compared(&same, after).metrics.iter().map(MetricResult::format_result).collect()
    };
    let way = "not compared: requests had different routes";
    // a 99th percentile needs 1,000 good samples per run
    assert_eq!(standings(&same), ["equivalent"; 5]);
    assert_eq!(
        standings(&fine(&|one| one["route"] = json!("direct"))),
        ["equivalent", way, "equivalent", way, way]
    );
    let unsampled = standings(&runs("held held held held"));
    assert!(unsampled.iter().all(|shown| shown == "not compared: not sampled in every run"), "{unsampled:?}");
    let unseen = standings(&fine(&|one| one["phases"] = json!([])));
    assert_eq!(unseen[0], "not compared: not measured in every run");
    assert_eq!(unseen[3], "not compared: too few successes");
    assert_eq!(standings(&runs("void"))[0], "not compared: an arm has no valid run");
}
