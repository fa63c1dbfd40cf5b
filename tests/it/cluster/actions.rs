//! Actions against a mock: their requests, and actions that match nothing.

use std::sync::Mutex;

use k8s_openapi::api::policy::v1::Eviction;
use serde_json::{Value, json};

use super::{api, asked, pods, run};
use crate::harness::{Response, Sandbox, experiment, function, kubeconfig_of, with};

fn kill(labels: &str) -> Value {
    function("action", "pod.actions", "terminate_pods", &json!({"label_selector": labels}))
}

#[test]
fn action_without_matching_pods_fails_unless_allowed() {
    let api = api(|request| request.path.contains("/pods").then(|| Response::json(&pods(&[]))));
    let sandbox = Sandbox::new();
    let config = kubeconfig_of(&sandbox, &api, &json!({}));
    let run = |extensions: &Value, code: i32| {
        let experiment = with(experiment(&json!([kill("a=b")])), &json!({"extensions": extensions}));
        sandbox.experiment(&experiment, ["--kubeconfig", &config]).exits(code)
    };
    let allowed = |name: &str, value: Value| json!([{"name": "kubectl-chaos", "activities": {name: {"allow-empty": value}}}]);
    run(&json!([]), 5).reports("no target matched");
    run(&allowed("terminate_pods", false.into()), 5);
    run(&allowed("terminate_pods", true.into()), 0);
    assert_eq!(sandbox.journal()["kubectl-chaos"]["activities"][0]["effect"]["state"], "confirmed");
    run(&allowed("terminate_pod", true.into()), 3).reports("did you mean \"terminate_pods\"?");
    run(&allowed("terminate_pods", "yes".into()), 3).reports("true or false");
    run(&json!([{"name": "kubectl-chaos", "activities": []}]), 3).reports("a mapping by activity name");
    let typo = json!([{"name": "kubectl-chaos", "activity": {}}]);
    run(&typo, 5).reports("unknown key \"activity\"");
}

#[test]
fn mutating_probe_is_rejected_or_treated_as_action() {
    let mut probe = kill("app=web");
    probe["type"] = "probe".into();
    let gone = Mutex::new(false);
    let api = api(move |request| {
        let mut gone = gone.lock().unwrap();
        *gone |= request.method == "DELETE";
        let left = if *gone { pods(&[]) } else { pods(&["a"]) };
        request.path.contains("/pods").then(|| Response::json(&left))
    });
    let sandbox = Sandbox::new();
    run(&sandbox, &api, &json!([probe]), &[])
        .exits(3)
        .reports("changes the cluster, so it cannot be a probe");
    assert_eq!(asked(&api), [""; 0]);
    run(&sandbox, &api, &json!([probe]), &["--strict=false"]).exits(0);
    let record = &sandbox.journal()["kubectl-chaos"]["activities"][0];
    assert_eq!((&record["at"], &record["targets"][0]["uid"]), (&json!("/run/0"), &json!("uid-a")));
    assert_eq!(record["effect"]["state"], "confirmed", "{record}");
    let look = function("action", "pod.probes", "count_pods", &json!({"label_selector": "a"}));
    run(&sandbox, &api, &json!([look]), &["--dry", "activities"]).reports("only reads");
}

#[test]
fn deprecated_function_names_cause_warning() {
    let sandbox = Sandbox::new();
    let old = function("action", "actions", "kill_microservice", &json!({"name": "web"}));
    sandbox.write("old.json", experiment(&json!([old])).to_string());
    let told = sandbox.run(["validate", "old.json", "-o", "json"]).exits(0).json();
    let warning = &told["files"][0]["diagnostics"][0];
    assert_eq!(
        (&warning["severity"], &warning["path"]),
        (&json!("warning"), &json!("/method/0/provider/func")),
        "{told:#}"
    );
    assert!(warning["hint"].as_str().unwrap().contains("delete_deployment"), "{warning}");
}

#[test]
fn action_records_outcome_of_each_target() {
    let api = api(|request| match (request.method.as_str(), request.path.as_str()) {
        ("DELETE", path) if path.ends_with("/b") => {
            Some(crate::harness::refused(500, "something broke", &Value::Null))
        }
        ("DELETE", _) => Some(Response::json(&json!({}))),
        (_, path) => path.contains("/pods").then(|| Response::json(&pods(&["a", "b", "c"]))),
    });
    let sandbox = Sandbox::new();
    let all = json!({"label_selector": "app=web", "all": true});
    run(&sandbox, &api, &json!([function("action", "pod.actions", "terminate_pods", &all)]), &[]).exits(5);
    let targets = sandbox.journal()["kubectl-chaos"]["activities"][0]["targets"].clone();
    let done: Vec<_> = targets.as_array().unwrap().iter().map(|target| target["done"].clone()).collect();
    // no request follows an error
    assert_eq!(done, [json!(true), json!(false), Value::Null], "{targets}");
    assert!(!asked(&api).iter().any(|line| line.starts_with("DELETE") && line.ends_with("/c")));
}

#[test]
fn pod_deletion_requires_matching_uid() {
    let api = api(|request| match request.method.as_str() {
        "DELETE" => {
            Some(crate::harness::refused(409, "the UID in the precondition does not match", &Value::Null))
        }
        _ => request.path.contains("/pods").then(|| Response::json(&pods(&["a"]))),
    });
    let sandbox = Sandbox::new();
    run(&sandbox, &api, &json!([kill("app=web")]), &[]).exits(5);
    let delete = api.requests().into_iter().find(|request| request.method == "DELETE").unwrap();
    let body: Value = serde_json::from_str(&delete.body).unwrap();
    assert_eq!(
        (delete.path.as_str(), &body["preconditions"]["uid"]),
        ("/api/v1/namespaces/shop/pods/a", &json!("uid-a"))
    );
}

/// Kubernetes 1.22 and later accept evictions in `policy/v1`; the test cluster has only the version before.
#[test]
fn eviction_uses_api_version_of_server() {
    for version in ["v1", "v1beta1"] {
        let evicted = Mutex::new(false);
        let api = api(move |request| {
            let mut evicted = evicted.lock().unwrap();
            let pod = json!({"metadata": {"name": "a", "namespace": "shop", "uid": "uid-a",
                "ownerReferences": [{"kind": "ReplicaSet", "controller": true, "name": "r", "uid": "r", "apiVersion": "apps/v1"}]}});
            let node = json!({"metadata": {"name": "n", "uid": "uid-n"}, "spec": {"unschedulable": true}});
            match (request.method.as_str(), request.path.as_str()) {
                ("GET", "/api/v1") => Some(json!({"resources": [
                    {"name": "pods"}, {"name": "pods/eviction", "group": "policy", "version": version, "kind": "Eviction"}]})),
                ("POST", path) if path.ends_with("/eviction") => {
                    *evicted = true;
                    Some(json!({"kind": "Status", "status": "Success"}))
                }
                ("GET", path) if path.starts_with("/api/v1/pods?") => {
                    Some(json!({"items": if *evicted { json!([]) } else { json!([pod]) }}))
                }
                ("GET", path) if path.starts_with("/api/v1/nodes?") => Some(json!({"items": [node]})),
                (_, path) if path.starts_with("/api/v1/nodes/n") => Some(node),
                _ => None,
            }
            .map(|answer| Response::json(&answer))
        });
        let sandbox = Sandbox::new();
        let drain = function("action", "node.actions", "drain_nodes", &json!({"name": "n", "timeout": 5}));
        run(&sandbox, &api, &json!([drain]), &[]).exits(0);
        let ours = &sandbox.journal()["kubectl-chaos"]["activities"][0];
        let targets: Vec<_> =
            ours["targets"].as_array().unwrap().iter().map(|target| target["kind"].clone()).collect();
        assert_eq!(
            (targets, &ours["effect"]["state"]),
            (vec![json!("Node"), json!("Pod")], &json!("confirmed"))
        );
        let posted = api.requests().into_iter().find(|request| request.method == "POST").unwrap();
        let body: Value = serde_json::from_str(&posted.body).unwrap();
        assert_eq!(body["apiVersion"], format!("policy/{version}"));
        if version == "v1" {
            let eviction: Eviction = serde_json::from_value(body.clone()).unwrap();
            assert_eq!(eviction.metadata.name.as_deref(), Some("a"));
            let uid = eviction.delete_options.unwrap().preconditions.unwrap().uid;
            assert_eq!(uid.as_deref(), Some("uid-a"));
            // and it has only keys of the schema
            assert_eq!(
                serde_json::to_value(serde_json::from_value::<Eviction>(body.clone()).unwrap()).unwrap(),
                body
            );
        }
    }
}

#[test]
fn drain_names_the_budget_that_blocks_it() {
    let budget = "The disruption budget web needs 3 healthy pods and has 3 currently";
    let api = api(move |request| {
        let pod = json!({"metadata": {"name": "a", "namespace": "shop", "uid": "uid-a",
            "ownerReferences": [{"kind": "ReplicaSet", "controller": true, "name": "r", "uid": "r", "apiVersion": "apps/v1"}]}});
        let node = json!({"metadata": {"name": "n", "uid": "uid-n"}, "spec": {"unschedulable": true}});
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/api/v1") => Some(json!({"resources": []})),
            ("POST", path) if path.ends_with("/eviction") => {
                let details = json!({"causes": [{"reason": "DisruptionBudget", "message": budget}]});
                let status = json!({"kind": "Status", "status": "Failure", "reason": "TooManyRequests", "code": 429,
                    "message": "Cannot evict pod as it would violate the pod's disruption budget.", "details": details});
                return Some(Response::with(429, &[("Content-Type", "application/json")], &status.to_string()));
            }
            ("GET", path) if path.starts_with("/api/v1/pods?") => Some(json!({"items": [pod]})),
            ("GET", path) if path.ends_with("/pods/a") => Some(pod),
            ("GET", path) if path.starts_with("/api/v1/nodes?") => Some(json!({"items": [node]})),
            (_, path) if path.starts_with("/api/v1/nodes/n") => Some(node),
            _ => None,
        }
        .map(|answer| Response::json(&answer))
    });
    let sandbox = Sandbox::new();
    let drain = function("action", "node.actions", "drain_nodes", &json!({"name": "n", "timeout": 2}));
    let finished = run(&sandbox, &api, &json!([drain]), &[]).exits(5);
    let waits = format!("'drain_nodes': waits to evict Pod a: {budget}");
    assert_eq!(finished.stderr.matches(&waits).count(), 1, "{}", finished.stderr);
    let journal = sandbox.journal();
    let error = journal["run"][0]["exception"][0].as_str().unwrap();
    assert!(error.contains("Remaining pods are:\na\n") && error.contains(budget), "{error}");
}
