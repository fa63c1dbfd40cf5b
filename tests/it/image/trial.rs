//! A trial of the example on a real cluster: once each, which is seen once and no more.

use serde_json::json;

use super::Reader;

#[test]
#[ignore = "needs a cluster with the image of the examples: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn a_circuit_breaker_that_helps_is_a_fix_there_too() {
    let reader = Reader::new("trial");
    let flags = "--repeat 1 --var settle_seconds:int=3 --recovery 3s --output-dir out \
        --sample-probe consumer-service-must-still-respond";
    let arms = "--before 01-before --after 03-after --common services";
    reader.shell(&format!("kubectl chaos trial experiment.json {arms} {flags}"), 0);
    let answer = reader.journal("out/comparison.json");
    assert_eq!(
        (&answer["verdict"], &answer["after"], &answer["evidence"]),
        (&json!("fixed"), &json!("holds"), &json!("single")),
        "{answer:#}"
    );
    let ratio = |side: &str| answer["rows"][0][side]["centre"]["value"].as_f64().unwrap();
    assert!(ratio("before") < 0.5 && ratio("after") > 0.95, "{answer:#}");
    let record = reader.journal("out/trial.json");
    assert_eq!(record["state"], "finished");
    let trial = record["trial"].as_str().unwrap();
    let left = reader.shell(&format!("kubectl get namespaces -o name -l kubectl-chaos/trial={trial}"), 0);
    assert!(left.trim().is_empty(), "{left}");
}
