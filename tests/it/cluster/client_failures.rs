//! Failures of the client: the login program, the name and the proxy of the API server. They are no findings.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::api;
use crate::harness::{Response, Sandbox, experiment, function, kubeconfig, with};
use crate::http::nowhere;

fn count() -> Value {
    let mut probe = function("probe", "pod.probes", "count_pods", &json!({"label_selector": "app=web"}));
    probe["tolerance"] = json!(2);
    probe
}

/// Rollbacks ran, and the run says nothing about the cluster.
#[track_caller]
fn is_void(sandbox: &Sandbox, code: &str) {
    let journal = sandbox.journal();
    assert_eq!(journal["kubectl-chaos"]["error_code"], code, "{journal:#}");
    assert_eq!(journal["kubectl-chaos"]["verdict"], "aborted");
    assert_eq!(journal["rollbacks"][0]["status"], "succeeded");
}

fn undo() -> Value {
    json!([{"type": "action", "name": "undo", "provider": {"type": "process", "path": "true"}}])
}

#[test]
fn login_that_fails_during_the_run_makes_it_void() {
    let server =
        api(|request| request.path.contains("/pods").then(|| Response::json(&super::pods(&["a", "b"]))));
    let sandbox = Sandbox::new();
    // it expires at once, so that every request asks the login program again
    let credential = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": "of-the-plugin", "expirationTimestamp": "2020-01-01T00:00:00Z"}});
    let script =
        format!("#!/bin/sh\ntest ! -e '{}' && echo '{credential}'\n", sandbox.path("broken").display());
    let login = sandbox.write("login", script);
    std::fs::set_permissions(&login, std::fs::Permissions::from_mode(0o755)).unwrap();
    let user = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": login, "args": [],
        "interactiveMode": "Never"}});
    let config = kubeconfig(&sandbox, &server.url(""), &user);
    let script = "if [ -e go ]; then touch broken; fi";
    let act = json!([{"type": "action", "name": "act",
        "provider": {"type": "process", "path": "sh", "arguments": ["-c", script]}}]);
    let run = |code: i32| {
        let hypothesis = json!({"title": "h", "probes": [count()]});
        let document =
            with(experiment(&act), &json!({"steady-state-hypothesis": hypothesis, "rollbacks": undo()}));
        sandbox.experiment(&document, ["--kubeconfig", &config]).exits(code)
    };
    run(0);
    std::fs::copy(sandbox.path("journal.json"), sandbox.path("fine.json")).unwrap();
    sandbox.write("go", "");
    run(9);
    is_void(&sandbox, "client.login");
    let compared = sandbox.run(["compare", "fine.json", "journal.json"]).exits(8);
    assert!(compared.stdout.contains("inconclusive"), "{}", compared.stdout);
}

#[test]
fn name_and_proxy_of_the_server_are_no_findings() {
    let check = |sandbox: Sandbox, server: &str, code: &str| {
        let user = json!({"token": "of-the-cluster"});
        let config = kubeconfig(&sandbox, server, &user);
        let document = with(experiment(&json!([count()])), &json!({"rollbacks": undo()}));
        // strict runs find it before they start
        sandbox.experiment(&document, ["--kubeconfig", &config, "--strict=false"]).exits(9);
        is_void(&sandbox, code);
    };
    check(Sandbox::new(), "https://api.invalid:6443", "client.dns");
    let dead = nowhere();
    check(
        Sandbox::new().env("HTTPS_PROXY", dead.trim_end_matches('/')),
        // no proxy is used for a loopback address
        "https://192.0.2.1:6443",
        "client.proxy",
    );
}
