//! `run --embedded`: an experiment is rehearsed on a cluster of its own.

use serde_json::json;

use crate::harness::{Chaos, NONE};

pub fn example(rest: &str) -> String {
    format!("{}/examples/service-down-not-visible-to-users/{rest}", env!("CARGO_MANIFEST_DIR"))
}

/// Rehearses the example with these manifests.
fn rehearse(chaos: &Chaos, manifests: &str, code: i32) {
    let (services, manifests) = (example("services"), example(manifests));
    let arguments =
        ["--embedded", "--apply", &services, "--apply", &manifests, "--var", "settle_seconds:float=0.3"];
    let file = example("experiment.json");
    chaos.run(["run", file.as_str()].into_iter().chain(arguments)).exits(code);
}

#[test]
fn the_weakness_shows_before_and_is_gone_after() {
    // proxies that lead nowhere: nothing of this leaves the machine
    let nowhere = "http://127.0.0.1:1";
    let before = Chaos::new().env("HTTPS_PROXY", nowhere).env("http_proxy", nowhere);
    rehearse(&before, "01-before", 1);
    let journal = before.journal();
    assert_eq!(journal["deviated"], true);
    let seen = &journal["steady_states"]["after"]["probes"][1]["output"];
    assert_eq!((&seen["status"], &seen["body"]["error"]), (&json!(500), &json!("Internal Server Error")));
    assert!(seen["body"]["message"].as_str().unwrap().contains("Connection refused"), "{seen}");
    let after = Chaos::new();
    rehearse(&after, "03-after", 0);
    let journal = after.journal();
    let seen = &journal["steady_states"]["after"]["probes"][1]["output"];
    assert_eq!(seen["status"], 200);
    assert!(seen["body"].as_str().unwrap().starts_with("Hmm, no one available"), "{seen}");
}

#[test]
fn a_rehearsal_that_cannot_begin_says_why() {
    let chaos = Chaos::new();
    let text = std::fs::read_to_string(example("01-before/provider-deployment.yaml")).unwrap();
    let wrong =
        chaos.write("provider.yaml", text.replace("path: /health", "path: /helth")).display().to_string();
    let experiment = json!({"title": "t", "description": "d", "method": []});
    let why = "Deployment default/my-provider-app (0 of 1 available: Readiness probe failed: HTTP probe failed with \
               statuscode: 404)";
    chaos.experiment(&experiment, ["--embedded", "--apply", &wrong]).exits(4).says(why);
}

#[test]
fn what_a_rehearsal_starts_sees_the_same_cluster_and_no_other() {
    let chaos = Chaos::new().env("KUBECONFIG", "/nowhere");
    let look = json!({"title": "t", "description": "d", "method": [{"type": "probe", "name": "p", "provider":
        {"type": "process", "path": "sh", "arguments": ["-c", "cat \"$KUBECONFIG\""]}}]});
    chaos.experiment(&look, ["--embedded"]).exits(0);
    let seen = chaos.journal()["run"][0]["output"]["stdout"].to_string();
    assert!(seen.contains("https://127.0.0.1:") && seen.contains("embedded"), "{seen}");
}

#[test]
fn a_rehearsal_names_no_other_cluster() {
    let experiment = json!({"title": "t", "description": "d", "method": []});
    Chaos::new()
        .experiment(&experiment, ["--embedded", "--context", "x"])
        .exits(2)
        .says("cannot be used with");
    Chaos::new().experiment(&experiment, ["--apply", "x"]).exits(2).says("--embedded");
    Chaos::new().experiment(&experiment, ["--embedded", "--apply", "nowhere"]).exits(4).says("nowhere");
    Chaos::new().experiment(&experiment, NONE).exits(0);
}
