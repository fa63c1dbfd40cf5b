//! Trials of the example on a real cluster: their verdicts are those on the embedded cluster.

use serde_json::{Value, json};

use super::Reader;

/// Runs a short trial, and checks that it leaves nothing on the cluster. Returns its comparison.
fn trial(reader: &Reader, experiment: &str, arms: &str, flags: &str, code: i32) -> Value {
    let short = "--sample=50ms --recovery 3s --output-dir out";
    reader.shell(&format!("kubectl chaos trial {experiment} {arms} --common services {short} {flags}"), code);
    let record = reader.journal("out/trial.json");
    assert_eq!(record["state"], "finished");
    let trial = record["trial"].as_str().unwrap();
    let left = reader.shell(&format!("kubectl get namespaces -o name -l kubectl-chaos/trial={trial}"), 0);
    assert!(left.trim().is_empty(), "{left}");
    reader.journal("out/comparison.json")
}

/// Runs a short trial of the example, and samples its consumer.
fn of_the_example(reader: &Reader, arms: &str, repeat: u32, code: i32) -> Value {
    let probe = "--sample-probe consumer-service-must-still-respond --var settle_seconds:int=3";
    trial(reader, "experiment.json", arms, &format!("{probe} --repeat {repeat}"), code)
}

fn said(answer: &Value) -> (&Value, &Value) {
    (&answer["verdict"], &answer["after"])
}

#[test]
#[ignore = "needs a cluster with the image of the examples: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn circuit_breaker_is_a_fix_on_real_cluster() {
    let reader = Reader::new("trial-fix");
    let answer = of_the_example(&reader, "--before 01-before --after 03-after", 1, 0);
    assert_eq!(said(&answer), (&json!("fixed"), &json!("holds")), "{answer:#}");
    assert_eq!(answer["evidence"], "single");
    let ratio = |side: &str| answer["metrics"][0][side]["median"]["value"].as_f64().unwrap();
    assert!(ratio("before") < 0.5 && ratio("after") > 0.95, "{answer:#}");
}

#[test]
#[ignore = "needs a cluster with the image of the examples: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn identical_arms_show_no_difference_on_real_cluster() {
    let reader = Reader::new("trial-same");
    let answer = of_the_example(&reader, "--before 01-before --after 01-before", 3, 0);
    assert_eq!(said(&answer), (&json!("no-difference"), &json!("fails")), "{answer:#}");
}

#[test]
#[ignore = "needs a cluster with the image of the examples: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn ineffective_change_is_no_fix_on_real_cluster() {
    let reader = Reader::new("trial-unread");
    let consumer = include_str!("../../../src/app/demo/consumer-with-an-unread-switch.yaml");
    reader.home.write("example/unread/consumer.yaml", consumer);
    reader.shell("cp 01-before/provider-deployment.yaml unread/", 0);
    let answer = of_the_example(&reader, "--before 01-before --after unread", 1, 8);
    assert_eq!(said(&answer), (&json!("inconclusive"), &json!("fails")), "{answer:#}");
}

#[test]
#[ignore = "needs a cluster with the image of the examples: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn fault_without_target_is_no_fix_on_real_cluster() {
    let reader = Reader::new("trial-nothing");
    let provider = json!({"type": "python", "module": "chaosk8s.pod.actions", "func": "terminate_pods",
        "arguments": {"label_selector": "may-die=yes", "grace_period": 0}});
    let answers = json!({"type": "probe", "name": "answers", "tolerance": 200,
        "provider": {"type": "http", "url": "http://my-provider-service.svc/"}});
    let experiment = json!({"title": "t", "description": "d",
        "steady-state-hypothesis": {"title": "h", "probes": [answers]},
        "method": [{"type": "action", "name": "kill", "provider": provider, "pauses": {"after": 3}}]});
    reader.home.write("example/kill.json", experiment.to_string());
    let labels = "s/labels: {name: my-provider-app,/labels: {may-die: \"yes\", name: my-provider-app,/";
    reader.shell(&format!("sed '{labels}' 01-before/provider-deployment.yaml > with.yaml"), 0);
    reader.shell("grep -q may-die with.yaml && cp 01-before/provider-deployment.yaml without.yaml", 0);
    let answer = trial(&reader, "kill.json", "--before with.yaml --after without.yaml", "--repeat 1", 8);
    assert_eq!(said(&answer), (&json!("inconclusive"), &json!("unknown")), "{answer:#}");
    assert_eq!(answer["arms"]["after"]["void"], 1, "{answer:#}");
}
