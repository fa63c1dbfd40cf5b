//! What processes are not given: the credentials of this program and of the CI system around it.

use serde_json::{Value, json};

use crate::harness::{Chaos, experiment, with};

fn sh(script: &str) -> Value {
    json!({"type": "process", "path": "sh", "arguments": ["-c", script]})
}

#[test]
fn tokens_of_this_program_and_of_the_ci_system_do_not_reach_processes() {
    const WITHHELD: [&str; 13] = [
        "CHAOSTOOLKIT_LOADER_AUTH_BEARER_TOKEN",
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "INPUT_GITHUB-TOKEN",
        "INPUT_GITHUB_TOKEN",
        "KUBECTL_CHAOS_TOKEN",
        "ACTIONS_RUNTIME_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "GITHUB_ENV",
        "GITHUB_PATH",
        "GITHUB_OUTPUT",
        "GITHUB_STEP_SUMMARY",
    ];
    let mut chaos = Chaos::new().env("MY_OWN_TOKEN", "mine").env("GITHUB_SHA", "abc");
    for name in WITHHELD {
        chaos = chaos.env(name, "kept-from-processes");
    }
    // in the method, as the shell's text, in a hypothesis, for the configuration, in a rollback, in a judge
    let dump = |file: &str| sh(&format!("env > {file}"));
    let whole = json!({
        "configuration": {"c": {"type": "probe", "name": "c", "provider": dump("configuration")}},
        "steady-state-hypothesis": {"title": "t", "probes": [
            {"type": "probe", "name": "h", "tolerance": 0, "provider": dump("hypothesis")}]},
        "method": [
            {"type": "action", "name": "m", "provider": dump("method")},
            {"type": "action", "name": "s", "provider": {"type": "process", "path": "env", "arguments": "> shell"}}],
        "rollbacks": [{"type": "action", "name": "r", "provider": dump("rollback")}],
    });
    chaos.experiment(&with(experiment(&json!([])), &whole), [""; 0]).exits(0);
    for file in ["configuration", "hypothesis", "method", "shell", "rollback"] {
        let environment = chaos.read(file);
        assert!(!environment.contains("kept-from-processes"), "{file}: {environment}");
        for passed in ["MY_OWN_TOKEN=mine\n", "GITHUB_SHA=abc\n", "PATH=", "HOME="] {
            assert!(environment.contains(passed), "{file} lacks {passed}: {environment}");
        }
    }
}
