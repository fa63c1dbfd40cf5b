//! `run --embedded`: an experiment runs on an in-process cluster.

use serde_json::json;

use crate::harness::{NONE, Sandbox};

pub fn example(rest: &str) -> String {
    format!("{}/examples/service-down-not-visible-to-users/{rest}", env!("CARGO_MANIFEST_DIR"))
}

/// Runs the example on an embedded cluster with these manifests.
fn rehearse(sandbox: &Sandbox, manifests: &str, code: i32) {
    let (services, manifests) = (example("services"), example(manifests));
    let arguments =
        ["--embedded", "--apply", &services, "--apply", &manifests, "--var", "settle_seconds:float=0.3"];
    let file = example("experiment.json");
    sandbox.run(["run", file.as_str()].into_iter().chain(arguments)).exits(code);
}

#[test]
fn example_deviates_before_and_holds_after_fix() {
    // unreachable proxies: no request may leave the machine
    let nowhere = "http://127.0.0.1:1";
    let before = Sandbox::new().env("HTTPS_PROXY", nowhere).env("http_proxy", nowhere);
    rehearse(&before, "01-before", 1);
    let journal = before.journal();
    assert_eq!(journal["deviated"], true);
    let seen = &journal["steady_states"]["after"]["probes"][1]["output"];
    assert_eq!((&seen["status"], &seen["body"]["error"]), (&json!(500), &json!("Internal Server Error")));
    assert!(seen["body"]["message"].as_str().unwrap().contains("Connection refused"), "{seen}");
    let after = Sandbox::new();
    rehearse(&after, "03-after", 0);
    let journal = after.journal();
    let seen = &journal["steady_states"]["after"]["probes"][1]["output"];
    assert_eq!(seen["status"], 200);
    assert!(seen["body"].as_str().unwrap().starts_with("Hmm, no one available"), "{seen}");
}

#[test]
fn invalid_manifest_reports_cause() {
    let sandbox = Sandbox::new();
    let text = std::fs::read_to_string(example("01-before/provider-deployment.yaml")).unwrap();
    let wrong =
        sandbox.write("provider.yaml", text.replace("path: /health", "path: /helth")).display().to_string();
    let experiment = json!({"title": "t", "description": "d", "method": []});
    let why = "Deployment default/my-provider-app (0 of 1 available: Readiness probe failed: HTTP probe failed with \
               statuscode: 404)";
    sandbox.experiment(&experiment, ["--embedded", "--apply", &wrong]).exits(4).reports(why);
}

#[test]
fn child_process_gets_embedded_kubeconfig() {
    let sandbox = Sandbox::new().env("KUBECONFIG", "/nowhere");
    let look = json!({"title": "t", "description": "d", "method": [{"type": "probe", "name": "p", "provider":
        {"type": "process", "path": "sh", "arguments": ["-c", "cat \"$KUBECONFIG\""]}}]});
    sandbox.experiment(&look, ["--embedded"]).exits(0);
    let seen = sandbox.journal()["run"][0]["output"]["stdout"].to_string();
    assert!(seen.contains("https://127.0.0.1:") && seen.contains("embedded"), "{seen}");
}

#[test]
fn embedded_flag_conflicts_with_cluster_flags() {
    let experiment = json!({"title": "t", "description": "d", "method": []});
    Sandbox::new()
        .experiment(&experiment, ["--embedded", "--context", "x"])
        .exits(2)
        .reports("cannot be used with");
    Sandbox::new().experiment(&experiment, ["--apply", "x"]).exits(2).reports("--embedded");
    Sandbox::new().experiment(&experiment, ["--embedded", "--apply", "nowhere"]).exits(2).reports("nowhere");
    Sandbox::new().experiment(&experiment, NONE).exits(0);
}

#[test]
fn malformed_manifest_exits_with_usage_error() {
    let sandbox = Sandbox::new();
    let experiment = json!({"title": "t", "description": "d", "method": []});
    sandbox.write("tab.yaml", "kind:\tService\n\tx: 1\n");
    sandbox.write("no-kind.yaml", "apiVersion: v1\nmetadata: {name: x}\n");
    let refuses = |manifest: &str, text: &str| {
        sandbox.experiment(&experiment, ["--embedded", "--apply", manifest]).exits(2).reports(text);
    };
    refuses("experiment.json", "experiment.json");
    refuses("tab.yaml", "tab.yaml");
    refuses("no-kind.yaml", "without apiVersion or kind");
    sandbox.write("namespace.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n");
    let trial = ["trial", "experiment.json", "--embedded", "--before", "namespace.yaml", "--after"];
    sandbox.run(trial.into_iter().chain(["namespace.yaml"])).exits(2).reports("--before");
}

#[test]
fn unsupported_image_is_named_in_connection_error() {
    let sandbox = Sandbox::new();
    let labels = json!({"app": "web"});
    let pod = json!({"metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": "nginx:1.27", "ports": [{"containerPort": 80}]}]}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod}});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": labels, "ports": [{"port": 80}]}});
    sandbox.write("k8s/web.json", deployment.to_string());
    sandbox.write("k8s/service.json", service.to_string());
    let look = json!({"title": "t", "description": "d", "method": [{"type": "probe", "name": "p", "provider":
        {"type": "http", "url": "http://web.default.svc/"}}]});
    let finished = sandbox.experiment(&look, ["--embedded", "--apply", "k8s"]);
    let told = sandbox.journal()["run"][0].to_string();
    assert!(told.contains("(image nginx:1.27 is simulated; nothing listens)"), "{told}\n{}", finished.stderr);
}

#[test]
fn existing_kubeconfig_is_not_overwritten() {
    let sandbox = Sandbox::new();
    sandbox.write("mine", "precious");
    let why = "mine already exists";
    sandbox.run(["embedded", "serve", "--kubeconfig", "mine"]).exits(2).reports(why);
    assert_eq!(sandbox.read("mine"), "precious");
}
