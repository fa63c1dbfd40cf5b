//! The program in a Pod: its service account, and Services by name.

use serde_json::{Value, json};

use super::Reader;
use crate::harness::{function, wait_until};

/// A Pod that runs an experiment, and the permissions of its service account.
fn manifests(namespace: &str, experiment: &Value) -> Value {
    let image = concat!("ghcr.io/kubectl-chaos/kubectl-chaos:", env!("CARGO_PKG_VERSION"));
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "chaos"}});
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "chaos"},
        "rules": [{"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "list"]}]});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "chaos"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "chaos"},
        "subjects": [{"kind": "ServiceAccount", "name": "chaos", "namespace": namespace}]});
    let files = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "chaos"},
        "data": {"experiment.json": experiment.to_string()}});
    let arguments = ["run", "/given/experiment.json", "--journal-path", "/kept/journal.json", "-o", "json"];
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "chaos"}, "spec": {
        "serviceAccountName": "chaos", "restartPolicy": "Never",
        "containers": [{"name": "chaos", "image": image, "imagePullPolicy": "IfNotPresent", "args": arguments,
            "volumeMounts": [{"name": "given", "mountPath": "/given"}, {"name": "kept", "mountPath": "/kept"}]}],
        "volumes": [{"name": "given", "configMap": {"name": "chaos"}}, {"name": "kept", "emptyDir": {}}]}});
    json!({"apiVersion": "v1", "kind": "List", "items": [account, role, binding, files, pod]})
}

#[test]
#[ignore = "needs a cluster with the image of the examples: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn pod_uses_service_account_and_reaches_services() {
    let reader = Reader::new("inside");
    reader.shell("kubectl apply -f services -f 01-before", 0);
    reader.shell("kubectl rollout status deployment/my-provider-app", 0);
    reader.shell("kubectl rollout status deployment/my-consumer-app", 0);
    reader.wait();
    let ask = |name: &str, url: &str| json!({"type": "probe", "name": name, "tolerance": 200, "provider": {"type": "http", "url": url, "timeout": 10}});
    let path = "invokeConsumedService";
    let long = format!("http://my-consumer-service.{}.svc.cluster.local:8080/{path}", reader.namespace);
    let count = json!({"label_selector": "service=my-provider-service"});
    let probes = json!([ask("short", &format!("http://my-consumer-service.svc/{path}")), ask("long", &long)]);
    // a missing permission is reported with a command that checks it
    let method = json!([
        function("probe", "pod.probes", "count_pods", &count),
        function("probe", "node.probes", "get_nodes", &json!({})),
    ]);
    let experiment = json!({"title": "inside", "description": "d", "method": method,
        "steady-state-hypothesis": {"title": "Services answer", "probes": probes}});
    reader.home.write("example/inside.json", manifests(&reader.namespace, &experiment).to_string());
    reader.shell("kubectl apply -f inside.json", 0);
    wait_until("the Pod is done", || {
        let phase = reader.shell("kubectl get pod chaos -o 'jsonpath={.status.phase}'", 0);
        matches!(phase.as_str(), "Succeeded" | "Failed")
    });
    let logs = reader.shell("kubectl logs chaos", 0);
    let answer: Value = serde_json::from_str(&logs[logs.find("\n{").expect(&logs)..]).expect(&logs);
    assert_eq!(answer["kubectl-chaos"]["verdict"], "held", "{answer:#} {logs}");
    let failed = &answer["method"]["failed"];
    assert_eq!((failed.as_array().unwrap().len(), &failed[0]["name"]), (1, &json!("get_nodes")), "{failed}");
    assert!(logs.contains("kubectl auth can-i list nodes -A"), "{logs}");
    assert!(logs.contains("the service account of this Pod"), "{logs}");
}
