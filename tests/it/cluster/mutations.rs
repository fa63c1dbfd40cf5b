//! Mutations without effect, without a response, interrupted ones, and those with too many targets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{api, asked, run};
use crate::harness::{
    Response, Sandbox, Server, experiment, finish, function, kubeconfig_of, signal, wait_until, with,
};

fn scale(replicas: u32) -> Value {
    function(
        "action",
        "deployment.actions",
        "scale_deployment",
        &json!({"name": "web", "replicas": replicas}),
    )
}

/// A server with one Deployment that is slow for every change, and logs the changes.
fn slow(time: Duration, log: &Arc<Mutex<Vec<String>>>) -> Server {
    let (log, state) = (Arc::clone(log), Mutex::new((0, 2)));
    api(move |request| {
        if !request.path.contains("/deployments/web") {
            return None;
        }
        if request.method == "PATCH" {
            let body: Value = serde_json::from_str(&request.body).unwrap();
            let wanted = body["spec"]["replicas"].as_i64().unwrap();
            log.lock().unwrap().push(format!("asked for {wanted}"));
            std::thread::sleep(time);
            let mut state = state.lock().unwrap();
            if state.1 != wanted {
                *state = (state.0 + 1, wanted);
            }
            log.lock().unwrap().push(format!("has {wanted}"));
        }
        let (version, replicas) = *state.lock().unwrap();
        Some(Response::json(&json!({"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop",
            "uid": "uid-web", "resourceVersion": version.to_string()},
            "spec": {"replicas": replicas}, "status": {"replicas": replicas}})))
    })
}

#[test]
fn fault_already_present_has_no_effect() {
    let log = Arc::default();
    let api = slow(Duration::ZERO, &log);
    let sandbox = Sandbox::new();
    let config = kubeconfig_of(&sandbox, &api, &json!({}));
    let run = |method: Value, more: Value, code: i32| {
        let experiment = with(experiment(&method), &more);
        sandbox.experiment(&experiment, ["--kubeconfig", &config, "--effect-timeout", "2s"]).exits(code)
    };
    run(json!([scale(2)]), json!({}), 5).reports("already in the requested state");
    let allowed =
        json!([{"name": "kubectl-chaos", "activities": {"scale_deployment": {"allow-empty": true}}}]);
    run(json!([scale(2)]), json!({"extensions": allowed}), 0);
    // a rollback succeeds if there is nothing to restore
    run(json!([scale(0), scale(2)]), json!({"rollbacks": [scale(2)]}), 0);
}

#[test]
fn inflight_mutation_completes_before_rollback() {
    let log = Arc::default();
    let api = slow(Duration::from_millis(1500), &log);
    let sandbox = Sandbox::new();
    let config = kubeconfig_of(&sandbox, &api, &json!({}));
    let experiment = with(experiment(&json!([scale(0)])), &json!({"rollbacks": [scale(2)]}));
    sandbox.write("experiment.json", experiment.to_string());
    let line = ["run", "experiment.json", "--rollback-strategy", "always", "--kubeconfig", &config];
    let child = sandbox.start(line);
    wait_until("a change", || !log.lock().unwrap().is_empty());
    signal(child.id(), Signal::INT);
    finish(child).exits(130);
    assert_eq!(*log.lock().unwrap(), ["asked for 0", "has 0", "asked for 2", "has 2"]);
    let fault = &sandbox.journal()["kubectl-chaos"]["activities"][0];
    assert_eq!(fault["targets"][0]["done"], true, "{fault:#}");
}

#[test]
fn mutation_without_response_is_confirmed_by_reading() {
    let log = Arc::default();
    let api = slow(Duration::from_millis(1500), &log);
    let sandbox = Sandbox::new();
    let ended =
        run(&sandbox, &api, &json!([scale(5)]), &["--request-timeout", "1s", "--effect-timeout", "10s"]);
    let acted = &sandbox.journal()["kubectl-chaos"]["activities"][0];
    assert_eq!(
        (&acted["targets"][0]["done"], &acted["effect"]["state"]),
        (&Value::Null, &json!("confirmed")),
        "{acted:#}\n{}",
        ended.stderr
    );
}

#[test]
fn empty_name_is_rejected() {
    let api = api(|_| Some(Response::json(&json!({"metadata": {}, "items": []}))));
    let sandbox = Sandbox::new();
    let custom = |name: &str| {
        let deployments = json!({"group": "apps", "version": "v1", "plural": "deployments", "name": name});
        function("action", "crd.actions", "delete_custom_object", &deployments)
    };
    let secret = |name: &str| function("action", "secret.actions", "delete_secret", &json!({"name": name}));
    for method in [custom(""), secret(""), custom("../services"), secret("..")] {
        run(&sandbox, &api, &json!([method]), &[]).exits(3).reports("name");
        run(&sandbox, &api, &json!([method]), &["--no-validation"]).exits(5).reports("name");
    }
    let everything =
        function("action", "actions", "kill_microservice", &json!({"name": "", "label_selector": ""}));
    run(&sandbox, &api, &json!([everything]), &["--no-validation"]).reports("no selector: this would affect");
    run(&sandbox, &api, &json!([everything]), &[]).exits(3).reports("has no selector");
    assert!(!asked(&api).iter().any(|line| line.starts_with("DELETE")), "{:?}", asked(&api));
}

#[test]
fn chaos_mesh_fault_is_confirmed_by_conditions() {
    for (conditions, code) in [
        (json!([{"type": "Selected", "status": "True"}, {"type": "AllInjected", "status": "True"}]), 0),
        (json!([{"type": "Selected", "status": "False"}, {"type": "AllInjected", "status": "True"}]), 5),
        (json!([{"type": "Selected", "status": "True"}, {"type": "AllInjected", "status": "False"}]), 5),
        (json!(null), 5),
    ] {
        let api = api(move |request| {
            request.path.contains("/networkchaos").then(|| {
                Response::json(
                    &json!({"kind": "NetworkChaos", "metadata": {"name": "late", "resourceVersion": "1"},
                    "status": {"conditions": conditions}}),
                )
            })
        });
        let sandbox = Sandbox::new();
        let fault = json!({"name": "late", "label_selectors": "app=web", "latency": "10ms"});
        let fault = function("action", "chaosmesh.network.actions", "add_latency", &fault);
        run(&sandbox, &api, &json!([fault]), &["--effect-timeout", "300ms"]).exits(code);
    }
}
