//! Processes do not get the credentials of this program and of the CI system.

use serde_json::{Value, json};

use crate::harness::{Response, Sandbox, Server, experiment, function, kubeconfig_of, with};

/// Variables of the job that no experiment may read.
const WITHHELD: [&str; 22] = [
    "CHAOSTOOLKIT_LOADER_AUTH_BEARER_TOKEN",
    "GITHUB_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GH_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "INPUT_GITHUB-TOKEN",
    "INPUT_GITHUB_TOKEN",
    "KUBECTL_CHAOS_INPUT_GITHUB_TOKEN",
    "KUBECTL_CHAOS_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_RUNTIME_URL",
    "ACTIONS_RESULTS_URL",
    "ACTIONS_CACHE_URL",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_WHATEVER_COMES_NEXT",
    "Actions_In_Any_Case",
    "GITHUB_ENV",
    "GITHUB_PATH",
    "GITHUB_OUTPUT",
    "GITHUB_STEP_SUMMARY",
    "GITHUB_STATE",
];

/// A sandbox with all these variables, and with variables that are passed on.
fn job() -> Sandbox {
    let sandbox = Sandbox::new().env("MY_OWN_TOKEN", "mine").env("GITHUB_SHA", "abc");
    WITHHELD.iter().fold(sandbox, |sandbox, name| sandbox.env(name, "kept-from-processes"))
}

fn sh(script: &str) -> Value {
    json!({"type": "process", "path": "sh", "arguments": ["-c", script]})
}

#[test]
fn ci_tokens_are_removed_from_process_environment() {
    let sandbox = job();
    // in the method, as a shell command, in a hypothesis, in the configuration, in a rollback, in a tolerance
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
    sandbox.experiment(&with(experiment(&json!([])), &whole), [""; 0]).exits(0);
    for file in ["configuration", "hypothesis", "method", "shell", "rollback"] {
        let environment = sandbox.read(file);
        assert!(!environment.contains("kept-from-processes"), "{file}: {environment}");
        for passed in ["MY_OWN_TOKEN=mine\n", "GITHUB_SHA=abc\n", "PATH=", "HOME="] {
            assert!(environment.contains(passed), "{file} lacks {passed}: {environment}");
        }
    }
}

/// The author of an experiment may choose the credential plugins of a kubeconfig.
#[test]
#[cfg(unix)]
fn ci_tokens_are_removed_from_credential_plugins() {
    let server = Server::secure(|request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": "v1.30.0"})),
        _ => Response::json(&json!({"metadata": {}, "items": []})),
    });
    let sandbox = job();
    let credential = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": "t"}});
    let script = format!("env > {}; echo '{credential}'", sandbox.path("plugin").display());
    let plugin = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
        "args": ["-c", script], "interactiveMode": "Never", "env": [{"name": "WHO", "value": "me"}]}});
    let config = kubeconfig_of(&sandbox, &server, &plugin);
    let method = json!([function("probe", "pod.probes", "count_pods", &json!({"label_selector": "a=b"}))]);
    sandbox.experiment(&experiment(&method), ["--kubeconfig", &config]).exits(0);
    let environment = sandbox.read("plugin");
    assert!(!environment.contains("kept-from-processes"), "{environment}");
    for passed in ["WHO=me\n", "MY_OWN_TOKEN=mine\n", "GITHUB_SHA=abc\n", "PATH="] {
        assert!(environment.contains(passed), "{passed} is missing: {environment}");
    }
}
