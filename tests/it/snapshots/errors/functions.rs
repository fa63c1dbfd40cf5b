//! Functions that fail on an embedded cluster.

use serde_json::{Value, json};

use super::Transcript;
use crate::harness::{Site, experiment, function};

#[test]
fn function_errors_match() {
    let site = Site::embedded();
    let mut said = Transcript::new();
    let mut run = |kind: &str, module: &str, name: &str, arguments: Value| {
        let method = json!([function(kind, module, name, &arguments)]);
        site.sandbox.write("e.json", experiment(&method).to_string());
        said.heading(&format!("{kind} {module}.{name} {arguments}"));
        let flags = "--no-validation --effect-timeout 1s --exit-code precise";
        said.call(&site.sandbox, &format!("run e.json {flags} --kubeconfig {}", site.config));
    };
    let mut action = |module: &str, name: &str, arguments: Value| run("action", module, name, arguments);
    action("pod.actions", "terminate_pods", json!({}));
    action("pod.actions", "terminate_pods", json!({"label_selector": "a=b", "qty": -1}));
    action("pod.actions", "terminate_pods", json!({"label_selector": "a=b", "mode": "odd"}));
    action("pod.actions", "terminate_pods", json!({"label_selector": "a=b", "order": "odd"}));
    action("pod.actions", "terminate_pods", json!({"label_selector": "a=b", "unknown": 1}));
    action("pod.actions", "terminate_pods", json!({"label_selector": "a=b", "ns": "none"}));
    action("pod.actions", "terminate_pods", json!({"label_selector": "a b c"}));
    action("pod.actions", "terminate_pods", json!({"name_pattern": "("}));
    action("pod.actions", "terminate_pods", json!({"label_selector": "a=b", "qty": "many"}));
    action("pod.actions", "exec_in_pods", json!({"label_selector": "a=b"}));
    action(
        "pod.actions",
        "exec_in_pods",
        json!({"label_selector": "a=b", "cmd": "true", "container_name": "c"}),
    );
    action("pod.actions", "none", json!({}));
    action("none.actions", "none", json!({}));
    action("deployment.actions", "scale_deployment", json!({"name": "none", "replicas": 1}));
    action("deployment.actions", "scale_deployment", json!({"name": "none"}));
    action("deployment.actions", "scale_deployment", json!({"name": "none", "replicas": "x"}));
    action("deployment.actions", "delete_deployment", json!({}));
    action("deployment.actions", "delete_deployment", json!({"name": "none"}));
    action("deployment.actions", "rollout_deployment", json!({"name": "none"}));
    action("deployment.actions", "create_deployment", json!({"spec_path": "nowhere"}));
    action("statefulset.actions", "scale_statefulset", json!({"name": "none", "replicas": 1}));
    action("statefulset.actions", "remove_statefulset", json!({}));
    action("service.actions", "delete_service", json!({"name": "none"}));
    action("service.actions", "delete_service", json!({"name": ""}));
    action("service.actions", "create_service_endpoint", json!({"spec_path": "nowhere"}));
    action("node.actions", "cordon_node", json!({}));
    action("node.actions", "cordon_node", json!({"name": "none"}));
    action("node.actions", "drain_nodes", json!({"name": "none"}));
    action("node.actions", "delete_nodes", json!({}));
    action("namespace.actions", "delete_namespace", json!({"name": "none"}));
    action("namespace.actions", "create_namespace", json!({}));
    action("networking.actions", "create_network_policy", json!({}));
    action("networking.actions", "remove_network_policy", json!({"name": "none"}));
    action("secret.actions", "create_secret", json!({}));
    action("crd.actions", "create_custom_object", json!({"group": "g", "version": "v1", "plural": "p"}));
    action(
        "crd.actions",
        "delete_custom_object",
        json!({"group": "g", "version": "v1", "plural": "p", "name": "n"}),
    );
    let mut probe = |module: &str, name: &str, arguments: Value| run("probe", module, name, arguments);
    probe("pod.actions", "terminate_pods", json!({"label_selector": "a=b"}));
    probe("pod.probes", "pods_in_phase", json!({"label_selector": "a=b"}));
    probe("pod.probes", "pods_in_conditions", json!({"label_selector": "a=b"}));
    probe("pod.probes", "read_pod_logs", json!({"name": "none", "last": "lately"}));
    probe("pod.probes", "read_pod_logs", json!({"label_selector": "a=b"}));
    probe("deployment.probes", "deployment_fully_available", json!({"name": "none", "timeout": 1}));
    probe("deployment.probes", "deployment_available_and_healthy", json!({"name": "none"}));
    probe("statefulset.probes", "statefulset_fully_available", json!({"name": "none", "timeout": 1}));
    probe("service.probes", "service_is_initialized", json!({"name": "none"}));
    probe("probes", "service_endpoint_is_initialized", json!({"name": "none"}));
    probe("probes", "all_microservices_healthy", json!({"ns": "none"}));
    probe("node.probes", "get_nodes", json!({"label_selector": "a b c"}));
    probe(
        "crd.probes",
        "get_custom_object",
        json!({"group": "g", "version": "v1", "plural": "p", "name": "n"}),
    );
    said.check("errors-functions");
}
