//! Controls: the built-in safeguards, where controls are declared, and which are rejected.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{NONE, Sandbox, finish, is_written, signal, wait_until};

const SAFEGUARDS: &str = "chaosaddons.controls.safeguards";

fn shell(kind: &str, name: &str, script: &str) -> Value {
    json!({"type": kind, "name": name, "provider": {"type": "process", "path": "sh", "arguments": ["-c", script]}})
}

fn guard(script: &str, more: &Value) -> Value {
    let mut probe = shell("probe", "guard", script);
    probe["tolerance"] = 0.into();
    for (key, value) in more.as_object().unwrap() {
        probe[key] = value.clone();
    }
    json!({"name": "safe", "provider": {"type": "python", "module": SAFEGUARDS, "arguments": {"probes": [probe]}}})
}

fn experiment(controls: &Value, method: &str) -> Value {
    json!({"title": "t", "description": "d", "controls": controls,
        "method": [shell("action", "act", method), shell("action", "then", "touch then")],
        "rollbacks": [shell("action", "undo", "touch undone")]})
}

#[test]
fn unmet_safeguard_stops_run() {
    let check = |control: Value, method: &str, runs: &[&str]| {
        let sandbox = Sandbox::new();
        let finished = sandbox.experiment(&experiment(&json!([control]), method), NONE).exits(9);
        assert!(finished.stdout.starts_with("stopped: safeguard 'guard' was not met"), "{}", finished.stdout);
        let journal = sandbox.journal();
        assert_eq!(
            (&journal["status"], &journal["interruption"]["kind"]),
            (&json!("interrupted"), &json!("safeguard"))
        );
        let names: Vec<_> =
            journal["run"].as_array().unwrap().iter().map(|entry| &entry["activity"]["name"]).collect();
        assert_eq!(names, runs);
        assert!(!sandbox.path("then").exists() && !sandbox.path("undone").exists());
    };
    // before anything runs
    check(guard("false", &json!({})), "touch acted", &[]);
    // during the run: the method causes the unmet tolerance
    let wait = "touch acted; sleep 60";
    check(guard("test ! -e acted", &json!({"frequency": 0.05})), wait, &["act"]);
    check(
        guard("while [ ! -e acted ]; do sleep 0.02; done; exit 1", &json!({"background": true})),
        wait,
        &["act"],
    );
}

#[test]
fn met_safeguard_does_not_affect_run() {
    let controls = json!([guard("true", &json!({})), guard("true", &json!({"frequency": 0.02}))]);
    let sandbox = Sandbox::new();
    sandbox.experiment(&experiment(&controls, "sleep 0.1"), NONE).exits(0);
    assert!(sandbox.path("then").exists() && sandbox.path("undone").exists());
}

#[test]
fn failing_safeguard_probe_stops_run() {
    let sandbox = Sandbox::new();
    let mut control = guard("sleep 60", &json!({}));
    control["provider"]["arguments"]["probes"][0]["provider"]["timeout"] = 0.1.into();
    let finished = sandbox.experiment(&experiment(&json!([control]), "touch acted"), NONE).exits(9);
    assert!(finished.stdout.contains("could not be measured"), "{}", finished.stdout);
    assert!(!sandbox.path("acted").exists());
}

#[test]
fn hanging_safeguard_probe_is_interrupted() {
    let controls = json!([guard("echo $$ > started; sleep 300", &json!({}))]);
    let sandbox = Sandbox::new();
    sandbox.write("experiment.json", experiment(&controls, "touch acted").to_string());
    let child = sandbox.start(["run", "experiment.json"]);
    wait_until("the safeguard looks", || is_written(&sandbox.path("started")));
    signal(child.id(), Signal::INT);
    finish(child).exits(130);
    assert!(!sandbox.path("acted").exists());
    assert_eq!(sandbox.journal()["status"], "interrupted");

    let sandbox = Sandbox::new();
    let finished = sandbox.experiment(&experiment(&controls, "touch acted"), ["--timeout", "1s"]).exits(9);
    assert!(finished.stdout.starts_with("stopped: the run exceeded its timeout of"), "{}", finished.stdout);
    assert!(!sandbox.path("acted").exists());
}

#[test]
fn global_controls_are_loaded_from_files_and_settings() {
    let provider = guard("false", &json!({}))["provider"].clone();
    let sandbox = Sandbox::new();
    sandbox.write("controls.json", json!({"safe": {"provider": provider}}).to_string());
    sandbox.experiment(&experiment(&json!([]), "true"), ["--control-file", "controls.json"]).exits(9);
    let sandbox = Sandbox::new();
    let settings = json!({"controls": {"safe": {"provider": provider}}});
    sandbox.write(".chaostoolkit/settings.yaml", serde_yaml::to_string(&settings).unwrap());
    sandbox.experiment(&experiment(&json!([]), "true"), NONE).exits(9);
}

#[test]
fn unknown_control_module_is_rejected() {
    let controls = json!([{"name": "theirs", "provider": {"type": "python", "module": "theirs.control"}}]);
    let sandbox = Sandbox::new();
    sandbox.experiment(&experiment(&controls, "touch acted"), NONE).exits(3).reports("theirs.control");
    assert!(!sandbox.path("acted").exists());
    sandbox
        .experiment(&experiment(&controls, "touch acted"), ["--strict=false"])
        .exits(0)
        .reports("theirs.control");
    assert!(sandbox.path("acted").exists());
}
