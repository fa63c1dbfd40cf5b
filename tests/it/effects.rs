//! An action is confirmed only if it changed the state that it found: on an embedded cluster, and on a real one if
//! `KUBECTL_CHAOS_TEST_CONTEXT` names it.

use ::http::Method;
use serde_json::{Value, json};

use crate::harness::{Site, experiment, function, object, pod_spec, with};

fn pods(name: &str, arguments: &Value) -> Value {
    function("action", "pod.actions", name, arguments)
}

/// The effect of the first action of the last run.
fn effect(site: &Site) -> Value {
    site.sandbox.journal()["kubectl-chaos"]["activities"][0]["effect"].clone()
}

/// Creates an object with a finalizer and deletes it, so that it is terminating until `release`.
fn terminating(site: &Site, version: &str, plural: &str, object: &Value) -> String {
    let mut object = object.clone();
    object["metadata"]["finalizers"] = json!(["suite.test/keep"]);
    let path = site.at(version, &format!("{plural}/{}", object["metadata"]["name"].as_str().unwrap()));
    site.create(&site.at(version, plural), &object);
    site.ask(Method::DELETE, &path, &Value::Null);
    site.until(&path, |answer| answer.body["metadata"]["deletionTimestamp"].is_string());
    path
}

fn release(site: &Site, path: &str) {
    let answer = site.ask(Method::PATCH, path, &json!({"metadata": {"finalizers": null}}));
    assert_eq!(answer.code, 200, "{}", answer.body);
}

/// Pods that are terminating already are no targets.
fn terminating_pod_is_no_target(site: &Site) {
    let pod = object(
        "v1",
        "Pod",
        "stuck",
        &json!({"metadata": {"name": "stuck", "labels": {"app": "stuck"}}, "spec": pod_spec("testbed/busybox:1")}),
    );
    let path = terminating(site, "v1", "pods", &pod);
    let named = format!("no target matched label selector 'app=stuck' in namespace '{}'", site.namespace);
    for action in ["terminate_pods", "delete_pods"] {
        for flags in [&[][..], &["--dry", "pause"]] {
            let finished =
                site.run(&json!([pods(action, &json!({"label_selector": "app=stuck"}))]), flags).exits(5);
            assert!(finished.stdout.contains(&named), "{action}: {}", finished.stdout);
            assert_eq!(effect(site)["state"], "mismatch", "{action}");
        }
    }
    // beside one that is alive, only that one is a target
    site.ready_pods(&["alive"], &json!({"app": "stuck"}));
    site.run(
        &json!([pods(
            "terminate_pods",
            &json!({"label_selector": "app=stuck", "all": true, "grace_period": 0})
        )]),
        &[],
    )
    .exits(0);
    let record = &site.sandbox.journal()["kubectl-chaos"]["activities"][0];
    assert_eq!(
        (&record["targets"][0]["name"], &record["targets"][1]),
        (&json!("alive"), &Value::Null),
        "{record}"
    );
    release(site, &path);
}

/// Pods that have ended are no targets.
fn ended_pod_is_no_target(site: &Site) {
    let mut spec = pod_spec("testbed/busybox:1");
    spec["restartPolicy"] = json!("Never");
    spec["containers"][0]["command"] = json!(["/bin/busybox", "true"]);
    let pod = object(
        "v1",
        "Pod",
        "done",
        &json!({"metadata": {"name": "done", "labels": {"app": "done"}}, "spec": spec}),
    );
    site.create(&site.at("v1", "pods"), &pod);
    let path = site.at("v1", "pods/done");
    for phase in ["Succeeded", "Failed"] {
        if site.is_embedded {
            let status = json!({"status": {"phase": phase}});
            assert_eq!(site.ask(Method::PATCH, &format!("{path}/status"), &status).code, 200);
        }
        let ended = ["Succeeded", "Failed"];
        site.until(&path, |answer| ended.iter().any(|phase| answer.body["status"]["phase"] == *phase));
        for action in ["terminate_pods", "delete_pods"] {
            site.run(&json!([pods(action, &json!({"label_selector": "app=done"}))]), &[])
                .exits(5)
                .reports("no target matched");
            assert!(site.read(&path).body["metadata"]["deletionTimestamp"].is_null(), "{action} {phase}");
        }
    }
}

/// An object that is terminating already is not changed by its deletion; a rollback finds what it wants.
fn terminating_object_is_not_changed(site: &Site) {
    let spec = json!({"replicas": 0, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod_spec("testbed/busybox:1")}});
    let deployment = object("apps/v1", "Deployment", "web", &json!({"spec": spec}));
    let path = terminating(site, "apps/v1", "deployments", &deployment);
    let service = object(
        "v1",
        "Service",
        "web",
        &json!({"spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}),
    );
    let service_path = terminating(site, "v1", "services", &service);
    let delete = function("action", "deployment.actions", "delete_deployment", &json!({"name": "web"}));
    let delete_service = function("action", "service.actions", "delete_service", &json!({"name": "web"}));
    for action in [&delete, &delete_service] {
        site.run(&json!([action]), &[]).exits(5).reports("nothing changed");
    }
    let method = json!([{"type": "action", "name": "act", "provider": {"type": "process", "path": "true"}}]);
    let rolled_back = with(experiment(&method), &json!({"rollbacks": [delete]}));
    site.run_experiment(&rolled_back, &[]).exits(0);
    release(site, &path);
    release(site, &service_path);
}

/// Fewer Pods than requested are told.
fn shortfall_is_a_warning(site: &Site) {
    site.ready_pods(&["a", "b"], &json!({"app": "few"}));
    let kill = |more: Value| {
        let arguments = with(json!({"label_selector": "app=few", "grace_period": 0}), &more);
        json!([pods("terminate_pods", &arguments)])
    };
    let text = "50 Pods were requested, but only 2 match";
    site.run(&kill(json!({"qty": 50})), &[]).exits(0).reports(text);
    site.ready_pods(&["c", "d"], &json!({"app": "few"}));
    let text = "150 % of the Pods were requested, but only";
    site.run(&kill(json!({"qty": 150, "mode": "percentage"})), &[]).exits(0).reports(text);
}

/// A rollback of a fault that changed nothing has nothing to restore: the cause decides.
fn rollback_without_fault_is_not_incomplete(site: &Site) {
    let node = |function_name: &str| {
        function("action", "node.actions", function_name, &json!({"label_selector": "zone=nowhere"}))
    };
    let experiment =
        with(experiment(&json!([node("drain_nodes")])), &json!({"rollbacks": [node("uncordon_node")]}));
    let finished = site.run_experiment(&experiment, &[]).exits(5);
    let said = "action-not-confirmed: action 'drain_nodes' failed";
    assert!(finished.stdout.starts_with(said), "{}", finished.stdout);
    let journal = site.sandbox.journal();
    assert!(journal["run"][0]["exception"][0].as_str().unwrap().contains("zone=nowhere"), "{journal}");
    // a command may have changed something, so its failed rollback counts
    let mut with_command = experiment;
    with_command["method"]
        .as_array_mut()
        .unwrap()
        .push(json!({"type": "action", "name": "act", "provider": {"type": "process", "path": "true"}}));
    site.run_experiment(&with_command, &[]).exits(6);
}

mod on_embedded {
    use super::Site;

    #[test]
    fn terminating_pod_is_no_target() {
        super::terminating_pod_is_no_target(&Site::embedded());
    }

    #[test]
    fn ended_pod_is_no_target() {
        super::ended_pod_is_no_target(&Site::embedded());
    }

    #[test]
    fn terminating_object_is_not_changed() {
        super::terminating_object_is_not_changed(&Site::embedded());
    }

    #[test]
    fn shortfall_is_a_warning() {
        super::shortfall_is_a_warning(&Site::embedded());
    }

    #[test]
    fn rollback_without_fault_is_not_incomplete() {
        super::rollback_without_fault_is_not_incomplete(&Site::embedded());
    }
}

mod on_real {
    use super::Site;

    #[test]
    #[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
    fn terminating_pod_is_no_target() {
        super::terminating_pod_is_no_target(&Site::real());
    }

    #[test]
    #[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
    fn ended_pod_is_no_target() {
        super::ended_pod_is_no_target(&Site::real());
    }

    #[test]
    #[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
    fn terminating_object_is_not_changed() {
        super::terminating_object_is_not_changed(&Site::real());
    }

    #[test]
    #[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
    fn shortfall_is_a_warning() {
        super::shortfall_is_a_warning(&Site::real());
    }
}
