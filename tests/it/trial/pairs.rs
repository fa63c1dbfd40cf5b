//! The number of pairs, runs at the same time, and runs of an earlier trial.

use serde_json::{Value, json};

use super::{example, kill, providers, trial};
use crate::harness::Sandbox;
use crate::schemas;

/// Runs of the list fail: the probe of the method has a tolerance, and knows the run by its namespace.
fn listed(arms: &str, failing: &[u32]) -> Value {
    let patterns: Vec<String> = failing.iter().map(|number| format!("*-{arms}-{number}")).collect();
    let script = format!("case $KUBECTL_CHAOS_NAMESPACE in {}) exit 1;; esac", patterns.join("|"));
    let process = |script: &str| json!({"type": "process", "path": "sh", "arguments": ["-c", script]});
    let mut experiment = kill();
    // a process is not sampled, so that the runs are short
    experiment["steady-state-hypothesis"]["probes"] =
        json!([{"type": "probe", "name": "ready", "tolerance": 0, "provider": process("true")}]);
    let probe = json!({"type": "probe", "name": "listed", "tolerance": 0, "provider": process(&script)});
    experiment["method"].as_array_mut().unwrap().push(probe);
    experiment
}

/// Runs the trial of a list with both arms alike, and returns its comparison and its lines.
fn of_list(experiment: &Value, more: &[&str]) -> (Sandbox, Value, String) {
    let sandbox = Sandbox::new();
    let [with, _] = providers(&sandbox);
    let experiment = sandbox.write("listed.json", experiment.to_string());
    let outside = ["--allow-outside", "process", "--fail-on", "inconclusive"];
    let more = [&outside[..], more].concat();
    let ended = trial(&sandbox, experiment.to_str().unwrap(), &with, &with, &more);
    assert!(matches!(ended.code, Some(0 | 1)), "{ended:?}");
    let comparison = sandbox.json("out/comparison.json");
    (sandbox, comparison, ended.stderr)
}

const LIST: [u32; 5] = [1, 3, 4, 7, 9];

#[test]
fn list_that_fails_before_is_fixed_after_nine_pairs() {
    let (sandbox, comparison, lines) =
        of_list(&listed("before", &LIST), &["--max-repeat", "20", "--parallel", "pair"]);
    let state = sandbox.json("out/trial.json");
    assert_eq!((&state["pairs"], state["runs"].as_array().unwrap().len()), (&json!(9), 18), "{lines}");
    assert_eq!(comparison["verdict"], "fixed", "{comparison:#}");
    let design = json!({"kind": "auto", "max_pairs": 20, "parallel": 1});
    assert_eq!(state["design"], design, "{state:#}");
    let end = state["end"].as_str().unwrap();
    assert!(end.contains("failed runs are 5 to none"), "{end}");
    for text in [
        "after 2 pairs: 1 failed before, 0 failed after; a difference is shown after pair 6 at the earliest",
        "without one the trial ends after pair 5 to 20",
        end,
    ] {
        assert!(lines.contains(text), "{text:?} is not in\n{lines}");
    }
}

#[test]
fn list_in_both_arms_is_no_claim() {
    let (sandbox, comparison, lines) =
        of_list(&listed("*", &LIST), &["--max-repeat", "20", "--parallel", "pair"]);
    let verdict = comparison["verdict"].as_str().unwrap();
    assert!(matches!(verdict, "no-difference" | "inconclusive"), "{comparison:#}");
    let pairs = sandbox.json("out/trial.json")["pairs"].as_u64().unwrap();
    assert!((5..=20).contains(&pairs), "{lines}");
}

#[test]
fn several_pairs_at_once_count_in_their_order() {
    let flags = ["--max-repeat", "20", "--parallel", "4"];
    let (sandbox, comparison, lines) = of_list(&listed("before", &LIST), &flags);
    let state = sandbox.json("out/trial.json");
    // later pairs may have run, and do not count
    assert_eq!(state["pairs"], 9, "{lines}");
    assert!(state["runs"].as_array().unwrap().len() >= 18, "{state:#}");
    assert_eq!(comparison["verdict"], "fixed", "{comparison:#}");
}

#[test]
fn fault_without_target_ends_after_two_void_runs() {
    let sandbox = Sandbox::new();
    let [with, without] = providers(&sandbox);
    let experiment = sandbox.write("kill.json", kill().to_string());
    let ended = trial(&sandbox, experiment.to_str().unwrap(), &with, &without, &[]).exits(8);
    ended.reports("two runs after the change in a row do not count: the fault had no target");
    let answer = sandbox.json("out/comparison.json");
    let void = &answer["arms"]["after"]["void"];
    assert_eq!((&answer["verdict"], void), (&json!("inconclusive"), &json!(2)), "{answer:#}");
    assert_eq!(answer["arms"]["before"]["void"], 0, "{answer:#}");
}

#[test]
fn runs_of_a_pair_overlap_in_their_own_namespaces() {
    let sandbox = Sandbox::new();
    let [with, _] = providers(&sandbox);
    let experiment = sandbox.write("kill.json", kill().to_string());
    let more = ["--repeat", "1", "--fail-on", "broken"];
    let ended = trial(&sandbox, experiment.to_str().unwrap(), &with, &with, &more);
    assert!(ended.stderr.contains("both runs of a pair at the same time"), "{}", ended.stderr);
    let [before, after] = ["before", "after"].map(|arm| sandbox.json(&format!("out/{arm}/journal-1.json")));
    let part = |journal: &Value| journal["kubectl-chaos"].clone();
    let (own, other) = (part(&before), part(&after));
    assert_eq!(own["environment"]["overlaps"], json!([other["run_id"]]), "{own:#}");
    assert_eq!(other["environment"]["overlaps"], json!([own["run_id"]]), "{other:#}");
    assert_ne!(own["namespace"], other["namespace"]);
    for one in [&own, &other] {
        // the fault of a run has only targets in its own namespace
        let targets = one["activities"][0]["targets"].as_array().unwrap();
        assert!(!targets.is_empty() && targets.iter().all(|target| target["namespace"] == one["namespace"]));
        assert_eq!(one["activities"][0]["effect"]["state"], "confirmed");
        assert_eq!(schemas::faults(schemas::Kind::Extension, one), Vec::<String>::new());
        let phases = &one["environment"]["phases"];
        assert!(phases["baseline"].as_f64().unwrap() >= 3.0, "{phases}");
        assert_eq!(one["environment"]["pair"], 1);
    }
    let time = |journal: &Value, key: &str| journal[key].as_str().unwrap().to_owned();
    assert!(time(&before, "start") < time(&after, "end") && time(&after, "start") < time(&before, "end"));
    let state = sandbox.json("out/trial.json");
    let runs = state["runs"].as_array().unwrap();
    assert!(runs.iter().all(|run| run["removal"].is_number()), "{state:#}");
    assert!(ended.stderr.contains("mean per run: deploy "), "{}", ended.stderr);
}

#[test]
fn one_run_follows_the_other_if_asked_or_needed() {
    let check = |change: &dyn Fn(String) -> String, more: &[&str], reason: &str| {
        let sandbox = Sandbox::new();
        let [with, _] = providers(&sandbox);
        let manifest = std::fs::read_to_string(&with).unwrap();
        let changed = sandbox.write("changed.yaml", change(manifest)).display().to_string();
        let experiment = sandbox.write("kill.json", kill().to_string());
        let more = [&["--repeat", "1", "--fail-on", "broken"], more].concat();
        let ended = trial(&sandbox, experiment.to_str().unwrap(), &changed, &with, &more);
        assert!(ended.stderr.contains(reason), "{reason:?} is not in\n{}", ended.stderr);
        let environment = sandbox.json("out/before/journal-1.json")["kubectl-chaos"]["environment"].take();
        assert_eq!(environment["overlaps"], Value::Null, "{environment:#}");
    };
    check(&|manifest| manifest, &["--parallel", "none"], "pair 1 of 1: ");
    check(
        &|manifest| manifest.replace("            requests: {cpu: 20m, memory: 16Mi}\n", ""),
        &[],
        "container my-provider-app requests no cpu",
    );
    check(
        &|manifest| manifest.replace("cpu: 20m", "cpu: 20"),
        &[],
        "one run after the other: the requests of both arms exceed the allocatable resources",
    );
}

#[test]
fn earlier_runs_replace_those_before_the_change() {
    let sandbox = Sandbox::new();
    let [with, _] = providers(&sandbox);
    let services = example("services");
    let run = |experiment: &str, more: &[&str]| {
        let given = ["trial", experiment, "--after", &with, "--common", &services, "--embedded"];
        let short = ["--sample=20ms", "--recovery", "300ms", "--allow-outside", "process"];
        sandbox.run(given.iter().chain(&short).chain(more))
    };
    sandbox.write("listed.json", listed("before", &[1, 2, 3, 4]).to_string());
    run("listed.json", &["--before", &with, "--repeat", "4", "--output-dir", "earlier"]).exits(0);
    // both arms of the earlier trial exist: only the runs before the change count
    let ended = run("listed.json", &["--baseline", "earlier", "--output-dir", "out"]).exits(0);
    assert!(
        ended.stderr.contains("4 runs after the change, for 4 earlier runs before it"),
        "{}",
        ended.stderr
    );
    let comparison = sandbox.json("out/comparison.json");
    assert_eq!(comparison["verdict"], "fixed", "{comparison:#}");
    let valid = |arm: &str| comparison["arms"][arm]["valid"].clone();
    assert_eq!((valid("before"), valid("after")), (json!(4), json!(4)), "{comparison:#}");
    let state = sandbox.json("out/trial.json");
    assert_eq!(state["namespaces"].as_array().unwrap().len(), 4, "{state:#}");
    // the directory is complete: its journals compare again
    assert_eq!(sandbox.read("out/before/journal-4.json"), sandbox.read("earlier/before/journal-4.json"));
    sandbox.run(["report", "out/before/journal-1.json"]).exits(0);

    let mut other = listed("before", &[1, 2, 3, 4]);
    other["method"][0]["provider"]["arguments"]["grace_period"] = json!(1);
    sandbox.write("other.json", other.to_string());
    run("other.json", &["--baseline", "earlier", "--output-dir", "new"])
        .exits(2)
        .reports("is of another experiment")
        .reports("repeat the trial of the base branch with this experiment");
    std::fs::remove_file(sandbox.path("earlier/before/journal-4.json")).unwrap();
    std::fs::remove_file(sandbox.path("earlier/before/journal-3.json")).unwrap();
    run("listed.json", &["--baseline", "earlier", "--output-dir", "new"])
        .exits(2)
        .reports("has 2 valid runs before the change: expected at least 3");
    std::fs::copy(sandbox.path("out/after/journal-1.json"), sandbox.path("earlier/before/journal-3.json"))
        .unwrap();
    run("listed.json", &["--baseline", "earlier", "--output-dir", "new"])
        .exits(2)
        .reports("is not a run before the change");
    run("listed.json", &["--baseline", "nowhere", "--output-dir", "new"]).exits(2);
    run("listed.json", &["--baseline", "out", "--output-dir", "out"]).exits(2);
    assert!(!sandbox.path("new").exists(), "nothing was made");
}
