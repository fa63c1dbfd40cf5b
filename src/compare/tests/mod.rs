//! Verdicts, metrics and confounders of simulated runs.

mod metrics;
mod properties;
mod rules;

use serde_json::{Value as Json, json};

use super::*;
use crate::mutation::{NOTHING_CHANGED, NOTHING_MATCHED, ONLY_LOOKED};

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
fn run_is_void_without_baseline_or_confirmed_fault() {
    let check = |change: Json, outcome: RunOutcomeKind, reason: &str| {
        let row =
            outcome::classify_run(&record("r", &FixtureRun { change: change.clone(), samples: vec![] }));
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
    let change = json!({"status": "interrupted", "interruption": unready});
    let row = outcome::classify_run(&record("r", &FixtureRun { change, samples: vec![] }));
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

#[test]
fn confounders_are_listed() {
    let with =
        |change: Json| vec![FixtureRun { change: json!({"kubectl-chaos": change}), samples: vec![] }; 3];
    let check = |before: Json, after: Json, expected: &[(ConfounderKind, &str)]| {
        let found = compared(&with(before), &with(after)).confounders;
        let found: Vec<(ConfounderKind, &str)> = found
            .iter()
            .filter(|label| label.kind != ConfounderKind::Design)
            .map(|label| (label.kind, label.text.as_str()))
            .collect();
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
    // cluster and images are differences between trials; within one, images may be the change
    let trial = |trial: &str, uid: &str, image: &str| json!({"cluster": {"uid": uid}, "environment": {"trial": trial, "images": {"Deployment/a": image}}});
    let found = compared(&with(trial("t", "u", "a:1")), &with(trial("t", "v", "a:2"))).confounders;
    let is_of_trials = |kind| matches!(kind, ConfounderKind::Cluster | ConfounderKind::Images);
    assert!(!found.iter().any(|label| is_of_trials(label.kind)), "{found:?}");
    check(
        trial("t", "u", "a:1"),
        trial("s", "v", "a:2"),
        &[
            (ConfounderKind::Cluster, "cluster: u before, v after"),
            (ConfounderKind::Images, "images of Deployment/a: a:1 before, a:2 after"),
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
        (0..11)
            .map(|at| FixtureRun {
                samples: vec![series("p", seen(at), Some(seen(at)), seen(at) * 50.0)],
                ..run("held")
            })
            .collect()
    };
    let before = records("b", &of(&|at| 0.5 + f64::from(at * 7 % 11) / 30.0));
    let after = records("a", &of(&|at| 0.55 + f64::from(at * 3 % 11) / 30.0));
    let of = |seed: u64| {
        let options = CompareOptions { seed, ..CompareOptions::default() };
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
