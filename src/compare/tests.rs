//! Verdicts, metrics and confounders of simulated runs.

use serde_json::{Value as Json, json};

use super::*;

/// A run with samples of its probe.
#[derive(Clone)]
struct FixtureRun {
    /// The difference from a run that held.
    change: Json,
    samples: Vec<Json>,
}

/// Creates a run that held, failed or was void.
fn run(what: &str) -> FixtureRun {
    let change = match what {
        "held" => json!({}),
        "failed" => json!({"steady_states": {"after": check_of(false)}}),
        "void" => json!({"steady_states": {"before": check_of(false), "after": null}}),
        other => panic!("{other}"),
    };
    FixtureRun { change, samples: Vec::new() }
}

fn runs(what: &str) -> Vec<FixtureRun> {
    what.split_whitespace().map(run).collect()
}

fn check_of(met: bool) -> Json {
    json!({"steady_state_met": met, "probes": [{"activity": {"name": "p", "type": "probe"},
        "output": 200, "status": "succeeded", "tolerance_met": met}]})
}

/// Creates the samples of a probe: success ratio, time to recover, 95th percentile.
fn series(probe: &str, ratio: f64, recovered: Option<f64>, p95: f64) -> Json {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let ok = (ratio * 1000.0).round() as u64;
    let latency = json!({"samples": ok, "min": 1, "p50": 2, "p90": 3, "p95": p95, "p99": p95 * 2.0, "max": 9,
        "histogram": []});
    let seen = |phase: &str| {
        json!({"phase": phase, "from": 0, "to": 1, "due": 1000, "missed": 0,
        "outcomes": {"ok": ok, "refused": 1000 - ok}, "latency": if ok > 0 { latency.clone() } else { Json::Null }})
    };
    json!({"probe": probe, "provider": "http", "period": 0.1, "deadline": 2, "route": "proxy", "settled": true,
        "phases": [seen("baseline"), seen("fault"), seen("recovery")], "detected_after": null,
        "recovered_after": recovered, "recovery_watched": 12, "raw": [], "raw_dropped": 0})
}

fn merge(into: &mut Json, change: &Json) {
    match change {
        Json::Object(entries) if into.is_object() => {
            for (key, value) in entries {
                merge(&mut into[key], value);
            }
        }
        value => *into = value.clone(),
    }
}

fn record(id: &str, run: &FixtureRun) -> Record {
    let action = json!({"type": "action", "name": "kill", "provider": {"type": "python"}});
    let mut journal = json!({
        "experiment": {"title": "t", "method": [action]},
        "status": "completed",
        "steady_states": {"before": check_of(true), "after": check_of(true), "during": []},
        "run": [{"activity": action, "status": "succeeded"}],
        "kubectl-chaos": {"schema": 1, "run_id": id, "finished": true, "experiment_hash": "sha256:1",
            "activities": [{"at": "/run/0", "phase": "method", "targets": [],
                "effect": {"state": "confirmed", "detail": "gone"}}],
            "samples": run.samples},
    });
    merge(&mut journal, &run.change);
    Record::read(&format!("{id}.json"), journal.to_string()).unwrap()
}

fn records(arm: &str, runs: &[FixtureRun]) -> Vec<Record> {
    runs.iter().enumerate().map(|(at, run)| record(&format!("{arm}-{at}"), run)).collect()
}

fn compared(before: &[FixtureRun], after: &[FixtureRun]) -> RunComparison {
    compare(&records("b", before), &records("a", after), &CompareOptions::default()).unwrap()
}

#[test]
fn verdict_follows_from_run_outcomes() {
    let check = |before: &str,
                 after: &str,
                 expected: (ComparisonVerdict, AfterOutcome, Replication),
                 needed: Option<u32>| {
        let found = compared(&runs(before), &runs(after));
        let message = (found.verdict, found.after, found.evidence);
        assert_eq!(message, expected, "{before} | {after}: {}", found.reason);
        assert_eq!(found.required_runs.map(|needed| needed.repeats), needed, "{before} | {after}");
    };
    use AfterOutcome::{Fails, Holds, Mixed, Unknown};
    use ComparisonVerdict::{Broken, Fixed, Inconclusive, Unchanged};
    use Replication::{Repeated, Single};
    let (held, failed) = ("held held held", "failed failed failed");
    check(failed, held, (Fixed, Holds, Repeated), None);
    check(held, failed, (Broken, Fails, Repeated), None);
    // seen once
    check("failed", "held", (Fixed, Holds, Single), Some(3));
    check("failed failed", held, (Fixed, Holds, Single), Some(3));
    check("held", "failed failed failed", (Broken, Fails, Single), Some(3));
    // void runs are not counted
    check("failed failed failed void", "held void held held", (Fixed, Holds, Repeated), None);
    check("failed failed failed", "held void held", (Fixed, Holds, Single), Some(3));
    // A against A
    check(held, held, (Unchanged, Holds, Repeated), None);
    check(failed, failed, (Unchanged, Fails, Repeated), None);
    check("held held", held, (Inconclusive, Holds, Single), Some(3));
    check("failed", "failed", (Inconclusive, Fails, Single), Some(3));
    check(held, "held held void", (Inconclusive, Holds, Single), Some(3));
    // mixed outcomes within an arm: more repeats do not change that
    check("failed failed held", held, (Inconclusive, Holds, Repeated), None);
    check(failed, "held held failed", (Inconclusive, Mixed, Repeated), None);
    check("failed held", "failed held", (Inconclusive, Mixed, Single), None);
    // a fault without effect never gives the verdict fixed
    check(failed, "void void void", (Inconclusive, Unknown, Single), Some(3));
    check("void", "void", (Inconclusive, Unknown, Single), Some(3));
    check("void void void", held, (Inconclusive, Holds, Single), Some(3));
}

#[test]
fn reason_states_run_counts() {
    let check = |before: &str, after: &str, expected: &str| {
        assert_eq!(compared(&runs(before), &runs(after)).reason, expected);
    };
    check("failed failed failed", "held held held", "All 3 valid runs before failed, and all 3 after held.");
    check("failed void", "held", "The one valid run before failed, and the one after held.");
    check(
        "held held failed",
        "held held held",
        "2 of 3 valid runs before held, and all 3 after held: outcomes within an arm are mixed.",
    );
    check("held", "void void", "1 of 1 run before and 0 of 2 runs after are valid, and both arms need one.");
    check(
        "held held held",
        "held held held",
        "All 3 valid runs before held, and all 3 after held; nothing was sampled.",
    );
    let found = compared(&runs("failed"), &runs("held"));
    assert_eq!(found.headline(), "fixed, seen once (after: holds)");
    assert_eq!(
        found.format_counts(),
        "held in 0 of 1 valid runs before (95 % interval: 0 to 79 %), 1 of 1 after (95 % interval: 21 to 100 %)"
    );
    assert!(!found.has_too_few_runs());
    // mixed outcomes are a result; an arm without a valid run is not
    assert!(!compared(&runs("held failed"), &runs("held held")).has_too_few_runs());
    assert!(compared(&runs("held failed"), &runs("void")).has_too_few_runs());
    let found = compared(&runs("held void"), &runs("held"));
    assert!(found.has_too_few_runs());
    assert_eq!(found.format_void().unwrap(), "1 of 2 runs before and 0 of 1 after were void");
    assert_eq!(found.arms.before.format_held_interval().unwrap(), "21 to 100 %");
}

#[test]
fn run_is_void_without_baseline_or_confirmed_fault() {
    let check = |change: Json, outcome: RunOutcomeKind, reason: &str| {
        let row = &classify_runs(
            Arm::Before,
            &[record("r", &FixtureRun { change: change.clone(), samples: vec![] })],
        )[0];
        assert_eq!(row.outcome, outcome, "{change}: {}", row.reason);
        assert!(row.reason.contains(reason), "{change}: {}", row.reason);
    };
    let own = |change: Json| json!({"kubectl-chaos": change});
    let effect = |effect: Json| own(json!({"activities": [{"at": "/run/0", "effect": effect}]}));
    let states = |change: Json| json!({"steady_states": change});
    use RunOutcomeKind::{Failed, Held, Void};
    check(json!({}), Held, "met before and after");
    check(states(json!({"after": check_of(false)})), Failed, "probe 'p' was not within its tolerance after");
    check(states(json!({"during": [check_of(true), check_of(false)]})), Failed, "during the method");
    // failing fast skips the check after the method
    let fast = json!({"status": "failed", "steady_states": {"during": [check_of(false)], "after": null}});
    check(fast, Failed, "during the method");
    check(json!({"experiment": {"dry": "actions"}}), Void, "dry run: 'actions' skipped");
    check(json!({"experiment": {"dry": "pause"}}), Void, "dry run");
    check(own(json!({"finished": false})), Void, "unfinished");
    check(json!({"status": "aborted"}), Void, "an unexpected error");
    let stopped = json!({"status": "interrupted", "interruption": {"kind": "k", "name": "n", "reason": "out\nof time"}});
    check(stopped, Void, "interrupted: out of time");
    check(json!({"status": "interrupted"}), Void, "interrupted");
    let unready = json!({"kind": "not-ready", "name": "trial", "reason": "after did not become ready: no"});
    let row = &classify_runs(
        Arm::Before,
        &[record(
            "r",
            &FixtureRun {
                change: json!({"status": "interrupted", "interruption": unready}),
                samples: vec![],
            },
        )],
    )[0];
    assert_eq!((row.outcome, row.reason.as_str()), (Void, "after did not become ready: no"));
    check(json!({"status": "fine"}), Void, "unknown status 'fine'");
    check(states(json!({"before": check_of(false)})), Void, "before the method");
    check(states(json!({"before": null})), Void, "not checked before");
    check(states(json!({"before": {"probes": []}})), Void, "the hypothesis has no probes");
    check(states(json!({"before": {"steady_state_met": null}})), Void, "before the method is incomplete");
    check(states(json!({"after": null})), Void, "not checked after");
    check(states(json!({"after": {"steady_state_met": null}})), Void, "not checked after");
    check(
        effect(json!({"state": "mismatch", "detail": "still there"})),
        Void,
        "did not take effect: still there",
    );
    check(effect(json!({"state": "unknown", "detail": "late"})), Void, "was not observed: late");
    check(effect(Json::Null), Void, "unknown whether action 'kill' took effect");
    check(own(json!({"activities": []})), Void, "unknown whether");
    check(effect(json!({"state": "confirmed", "detail": NOTHING_MATCHED})), Void, "had no target");
    check(json!({"run": []}), Void, "no action of the method started");
    check(json!({"kubectl-chaos": null}), Void, "not a journal of kubectl-chaos");
    let action = json!({"type": "action", "name": "kill"});
    check(
        json!({"run": [{"activity": action, "status": "failed", "exception": ["no way"]}]}),
        Void,
        "no way",
    );
    check(json!({"experiment": {"method": [action, action]}}), Void, "only 1 of 2 actions");
    let mut unsettled = series("p", 1.0, None, 1.0);
    unsettled["settled"] = json!(false);
    check(own(json!({"samples": [unsettled]})), Void, "probe 'p' did not settle");
    // one action without targets, one with a target
    let both = json!({"run": [{"activity": action, "status": "succeeded"}, {"activity": action, "status": "succeeded"}],
        "kubectl-chaos": {"activities": [
            {"at": "/run/0", "effect": {"state": "confirmed", "detail": NOTHING_MATCHED}},
            {"at": "/run/1", "targets": [{"kind": "Pod", "name": "a"}], "effect": {"state": "confirmed", "detail": "gone"}}]}});
    check(both, Held, "met");
    // a command counts as the fault only if no other action failed to find a target
    for (first, second, outcome, reason) in [
        (NOTHING_MATCHED, "exit status 0", Void, "had no target"),
        (NOTHING_CHANGED, "exit status 0", Void, "had no target"),
        (ONLY_LOOKED, "exit status 0", Held, "met"),
        (ONLY_LOOKED, ONLY_LOOKED, Void, "only reads"),
    ] {
        let beside = json!({"run": [{"activity": action, "status": "succeeded"}, {"activity": action, "status": "succeeded"}],
            "kubectl-chaos": {"activities": [
                {"at": "/run/0", "effect": {"state": "confirmed", "detail": first}},
                {"at": "/run/1", "effect": {"state": "confirmed", "detail": second}}]}});
        check(beside, outcome, reason);
    }
}

use crate::mutation::{NOTHING_CHANGED, NOTHING_MATCHED, ONLY_LOOKED};

#[test]
fn incomparable_journals_are_rejected() {
    let check = |before: &[Record], after: &[Record], expected: &str| {
        let error = compare(before, after, &CompareOptions::default()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let one = |id: &str| record(id, &run("held"));
    let other = |id: &str| {
        record(
            id,
            &FixtureRun { change: json!({"kubectl-chaos": {"experiment_hash": "x"}}), samples: vec![] },
        )
    };
    check(&[], &[one("a")], "no run before the change");
    check(&[one("a")], &[], "no run after the change");
    check(&[one("a")], &[one("a")], "a.json and a.json are journals of the same run");
    check(&[one("a"), one("b"), one("a")], &[one("c")], "journals of the same run");
    check(&[one("a")], &[other("b")], "a.json ('t') and b.json ('t') are runs of different experiments");
    // a journal of the Chaos Toolkit has no run id, but its experiment has a hash
    let theirs = |id: &str, name: &str| {
        let change = json!({"kubectl-chaos": null, "node": id, "experiment": {"method": [{"name": name}]}});
        record(id, &FixtureRun { change, samples: vec![] })
    };
    check(&[theirs("a", "x")], &[theirs("a", "x")], "journals of the same run");
    check(&[theirs("a", "x")], &[theirs("b", "y")], "different experiments");
    // runs with different strategies cannot be compared; older journals have no strategy
    let looking = |id: &str, strategy: Json| {
        let change = json!({"kubectl-chaos": {"hypothesis_strategy": strategy}});
        record(id, &FixtureRun { change, samples: vec![] })
    };
    let (gate, through) = (looking("a", json!("default")), looking("b", json!("continuously")));
    let message = "a.json and b.json checked the steady state at different times (--hypothesis-strategy default and \
                continuously)";
    check(&[gate.clone(), looking("c", Json::Null)], std::slice::from_ref(&through), message);
    compare(&[gate], &[looking("c", Json::Null), looking("d", json!("default"))], &CompareOptions::default())
        .unwrap();
    compare(&[one("e")], &[through], &CompareOptions::default()).unwrap();
    let found = compare(&[theirs("a", "x")], &[theirs("b", "x")], &CompareOptions::default()).unwrap();
    assert_eq!((found.verdict, found.arms.before.void), (ComparisonVerdict::Inconclusive, 1));
    assert!(found.experiment_hash.starts_with("sha256:"));
}

/// Creates runs with one sampled probe: success ratio, time to recover, 95th percentile.
fn sampled(what: &str, seen: &[(f64, Option<f64>, f64)]) -> Vec<FixtureRun> {
    seen.iter()
        .map(|(ratio, recovered, p95)| FixtureRun {
            samples: vec![series("p", *ratio, *recovered, *p95)],
            ..run(what)
        })
        .collect()
}

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
                 standings: [&str; 3]| {
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
    check(&base, &base, ComparisonVerdict::Unchanged, ["equivalent"; 3]);
    check(&base, &steady(1.0, 100.0), ComparisonVerdict::Improved, ["better", "equivalent", "equivalent"]);
    check(&base, &steady(0.9, 100.0), ComparisonVerdict::Regressed, ["worse", "equivalent", "equivalent"]);
    check(&base, &steady(0.95, 150.0), ComparisonVerdict::Regressed, ["equivalent", "equivalent", "worse"]);
    check(&base, &steady(1.0, 150.0), ComparisonVerdict::Inconclusive, ["better", "equivalent", "worse"]);
    // by less than the margin
    check(
        &base,
        &steady(0.958, 100.0),
        ComparisonVerdict::Unchanged,
        ["different, within the margin", "equivalent", "equivalent"],
    );
    // runs that did not recover rank last
    let late: Vec<_> = base.iter().map(|(ratio, _, p95)| (*ratio, None, *p95)).collect();
    check(&late, &base, ComparisonVerdict::Improved, ["equivalent", "better", "equivalent"]);
    check(&base, &late, ComparisonVerdict::Regressed, ["equivalent", "worse", "equivalent"]);
    check(&late, &late, ComparisonVerdict::Unchanged, ["equivalent", "not significant", "equivalent"]);
    // the sampling period is the resolution
    let back = |after: f64| -> Vec<_> {
        base.iter()
            .map(|(ratio, recovered, p95)| (*ratio, recovered.map(|seen| seen - 1.0 + after), *p95))
            .collect()
    };
    check(&back(0.5), &back(0.42), ComparisonVerdict::Unchanged, ["equivalent", "equivalent", "equivalent"]);
    check(&back(0.5), &back(0.35), ComparisonVerdict::Improved, ["equivalent", "better", "equivalent"]);
    // a quickly refused connection has no latency
    let none: Vec<_> = base.iter().map(|(_, recovered, _)| (0.05, *recovered, 1.0)).collect();
    check(
        &base,
        &none,
        ComparisonVerdict::Regressed,
        ["worse", "equivalent", "not compared: too few successes"],
    );
}

#[test]
fn metric_shows_censored_values_and_missing_intervals() {
    let late =
        sampled("held", &[(1.0, None, 1.0), (0.5, None, 1.0), (0.75, Some(3.0), 1.0), (1.0, Some(2.0), 1.0)]);
    let fine = sampled("held", &[(1.0, Some(0.0), 1.0); 4]);
    let found = compared(&late, &fine);
    let row = &found.metrics[1];
    assert_eq!(row.format_before(), "> 7.5 s (> 12, > 12, 3, 2)");
    assert_eq!(row.format_after(), "0 s (0, 0, 0, 0)");
    assert_eq!(row.format_interval(), "no 95 % interval: recovery not observed in 2 runs");
    assert_eq!((row.difference, row.p), (None, Some(2.0 / 70.0)));
    assert_eq!(found.required_runs.unwrap().repeats, 5);
    let found = compared(&late[..3], &fine[..3]);
    assert_eq!(found.metrics[0].format_before(), "75 % (100, 50, 75)");
    assert_eq!(found.metrics[0].format_interval(), "no 95 % interval from 3 runs");
    assert_eq!(found.metrics[0].format_result(), "too few runs to compare: needs 5 per arm");
    assert_eq!(
        found.reason,
        "All 3 valid runs before held, and all 3 after held; too few runs to detect a difference in a metric."
    );
    let found = compared(&late[..2], &fine);
    assert_eq!(found.metrics[0].format_interval(), "no 95 % interval from 2 and 4 runs");
    // a censored value below an observed one may be the median
    let mut mixed = sampled("held", &[(1.0, Some(5.0), 1.0), (1.0, Some(30.0), 1.0), (1.0, None, 1.0)]);
    mixed[2].samples[0]["recovery_watched"] = json!(10);
    assert_eq!(compared(&mixed, &fine).metrics[1].format_before(), "> 10 s (5, 30, > 10)");
    mixed[1] = mixed[0].clone();
    assert_eq!(compared(&mixed, &fine).metrics[1].format_before(), "5 s (5, 5, > 10)");
}

#[test]
fn unequal_arms_need_fewer_runs_in_the_smaller_arm() {
    let held = |ratio: f64, runs: usize| sampled("held", &vec![(ratio, Some(1.0), 100.0); runs]);
    let same = compared(&held(0.9, 3), &held(0.9, 10));
    assert_eq!((same.verdict, same.required_runs), (ComparisonVerdict::Unchanged, None), "{}", same.reason);
    assert!(same.reason.ends_with("no metric is better or worse."), "{}", same.reason);
    assert_eq!(same.metrics[0].format_result(), "not significant");
    assert_eq!(compared(&held(0.5, 3), &held(0.9, 10)).verdict, ComparisonVerdict::Improved);
    // two runs against ten are enough for three metrics, but not for more
    let few = compared(&held(0.5, 2), &held(0.9, 10));
    assert_eq!(
        (few.verdict, few.evidence, few.is_unreplicated()),
        (ComparisonVerdict::Improved, Replication::Single, false)
    );
    let required = few.required_runs.unwrap();
    assert!(required.repeats == 3 && !required.reason.contains("3.1 %"), "{}", required.reason);
    let fixed = compared(&runs("failed failed"), &runs("held"));
    assert!(fixed.is_unreplicated() && fixed.required_runs.unwrap().reason.contains("3.1 %"));
}

#[test]
fn unrecovered_runs_count_as_observation_window() {
    let of = |from: Option<f64>| {
        let one = |at: u32| (1.0, from.map(|from| from + f64::from(at) / 100.0), 100.0);
        sampled("held", &(0..6).map(one).collect::<Vec<_>>())
    };
    let check = |before: Option<f64>, after: Option<f64>, expected: &str| {
        let found = compared(&of(before), &of(after));
        assert_eq!(found.metrics[1].format_result(), expected, "{before:?} {after:?}");
        assert!(found.metrics[1].p_adjusted.unwrap() <= SIGNIFICANCE_LEVEL);
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
    assert_eq!(standings(&same), ["equivalent"; 4]);
    assert_eq!(
        standings(&fine(&|one| one["route"] = json!("direct"))),
        ["equivalent", "equivalent", way, way]
    );
    let unsampled = standings(&runs("held held held held"));
    assert!(unsampled.iter().all(|shown| shown == "not compared: not sampled in every run"), "{unsampled:?}");
    let unseen = fine(&|one| one["phases"] = json!([]));
    assert_eq!(standings(&unseen)[0], "not compared: not measured in every run");
    assert_eq!(standings(&unseen)[2], "not compared: too few successes");
    assert_eq!(standings(&runs("void"))[0], "not compared: an arm has no valid run");
}

#[test]
fn confounders_are_listed() {
    let with =
        |change: Json| vec![FixtureRun { change: json!({"kubectl-chaos": change}), samples: vec![] }; 3];
    let check = |before: Json, after: Json, expected: &[(ConfounderKind, &str)]| {
        let found = compared(&with(before), &with(after)).confounders;
        let found: Vec<(ConfounderKind, &str)> =
            found.iter().map(|label| (label.kind, label.text.as_str())).collect();
        assert_eq!(found, expected);
    };
    let version = |version: &str| json!({"cluster": {"version": version}});
    check(version("v1.30.0"), version("v1.30.0"), &[]);
    check(
        version("v1.30.0"),
        version("v1.31.0"),
        &[(ConfounderKind::KubernetesVersion, "Kubernetes: v1.30.0 before, v1.31.0 after")],
    );
    // a value that is known for one arm only may differ
    let half = "the version of Kubernetes is known for one arm only";
    check(version("v1.30.0"), json!({}), &[(ConfounderKind::KubernetesVersion, half)]);
    check(json!({}), json!({}), &[]);
    let void = FixtureRun {
        change: json!({"status": "aborted", "kubectl-chaos": version("v1.31.0")}),
        samples: vec![],
    };
    assert_eq!(compared(&with(version("v1.30.0")), &[void]).confounders, []);
    let environment =
        |nodes: u32, replicas: Json| json!({"environment": {"nodes": nodes, "replicas": replicas}});
    check(
        environment(3, json!({"Deployment/a": 1, "Deployment/b": 2})),
        environment(1, json!({"Deployment/a": 3, "Deployment/b": 2, "Deployment/c": 1})),
        &[
            (ConfounderKind::Nodes, "nodes: 3 before, 1 after"),
            (
                ConfounderKind::Replicas,
                "replicas of Deployment/a: 1 before, 3 after; replicas of Deployment/c: none before, 1 after",
            ),
        ],
    );
    check(
        json!({}),
        environment(1, json!({"Deployment/a": 3, "Deployment/b": 2})),
        &[
            (ConfounderKind::Nodes, "the number of nodes is known for one arm only"),
            (ConfounderKind::Replicas, "the number of replicas is known for one arm only"),
        ],
    );
    let given = |variables: Json| json!({"variables": variables});
    let label = |text| [(ConfounderKind::Variables, text)];
    check(given(json!({"url": "1"})), given(json!({"url": "1"})), &[]);
    check(given(json!({"url": "1"})), json!({}), &[]);
    check(given(json!({"url": "1"})), given(json!({"url": "2"})), &label("values of variable 'url' differ"));
    check(
        given(json!({"a": "1", "b": "1", "c": "1"})),
        given(json!({"a": "1", "b": "2"})),
        &label("values of variables 'b', 'c' differ"),
    );
    let samples = |period: f64, route: &str| {
        let mut series = series("p", 1.0, None, 1.0);
        series["period"] = json!(period);
        series["route"] = json!(route);
        json!({"samples": [series], "services": [{"activity": "q", "access": route}]})
    };
    check(
        samples(0.1, "proxy"),
        samples(1.0, "direct"),
        &[
            (
                ConfounderKind::Sampling,
                "sampling of 'p': every 0.1 s for up to 2 s before, every 1 s for up to 2 s after",
            ),
            (
                ConfounderKind::Route,
                "route of 'p': proxy before, direct after; route of 'q': proxy before, direct after",
            ),
        ],
    );
    let mut nowhere = samples(0.1, "proxy");
    nowhere["samples"][0]["route"] = Json::Null;
    let message = "route of 'p': proxy before, unknown after";
    check(samples(0.1, "proxy"), nowhere, &[(ConfounderKind::Route, message)]);
    let many = |way: &str| {
        let services: Vec<Json> =
            (0..9).map(|at| json!({"activity": format!("{at}"), "access": way})).collect();
        json!({"services": services})
    };
    let found = compared(&with(many("proxy")), &with(many("direct"))).confounders;
    assert!(found[0].text.ends_with("; and 6 more"), "{}", found[0].text);
}

#[test]
fn comparison_is_reproducible_for_a_seed() {
    let of = |seen: &dyn Fn(u32) -> f64| -> Vec<FixtureRun> {
        (0..10)
            .map(|at| FixtureRun {
                samples: vec![series("p", seen(at), Some(seen(at)), seen(at) * 50.0)],
                ..run("held")
            })
            .collect()
    };
    let before = records("b", &of(&|at| 0.5 + f64::from(at * 7 % 10) / 30.0));
    let after = records("a", &of(&|at| 0.55 + f64::from(at * 3 % 10) / 30.0));
    let of = |seed: u64| {
        let options = CompareOptions { seed, margin: Margin::default() };
        (compare(&before, &after, &options).unwrap(), Comparer::new(options).without_intervals())
    };
    let ((first, mut quick), (again, _), (other, _)) = (of(1), of(1), of(2));
    assert_eq!(serde_json::to_string(&first).unwrap(), serde_json::to_string(&again).unwrap());
    assert_ne!(first.metrics[0].p, other.metrics[0].p);
    // no verdict depends on intervals
    let quick = quick.compare(&before, &after).unwrap();
    assert_eq!((quick.verdict, quick.metrics[0].p_adjusted), (first.verdict, first.metrics[0].p_adjusted));
    assert!(quick.metrics[0].interval.is_none() && first.metrics[0].interval.is_some());
}

#[test]
fn untrusted_text_is_truncated() {
    let long = "x".repeat(1_000_000);
    let change = json!({"run": [{"activity": {"type": "action", "name": long}, "status": "failed", "exception": [long]}]});
    let found = compared(&[FixtureRun { change, samples: vec![] }], &runs("held"));
    assert!(found.runs[0].reason.len() < 600, "{}", found.runs[0].reason.len());
}
