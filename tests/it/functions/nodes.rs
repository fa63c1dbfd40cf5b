//! Nodes: created, cordoned, probed, drained, deleted. The tests create their own, without kubelets.

use ::http::Method;
use serde_json::{Value, json};

use super::steps::{act, came_to, fails, gone, holds, play, reads, refused};
use crate::harness::{Site, object, pod};

/// Nodes with a label of this test. They are deleted when the value is dropped.
struct Nodes<'a>(&'a Site, Vec<String>);

impl<'a> Nodes<'a> {
    fn create(site: &'a Site, names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| format!("{}-{name}", site.namespace)).collect();
        for name in &names {
            // Pods of other tests must not be scheduled here
            let taint = json!({"key": "suite", "value": "yes", "effect": "NoSchedule"});
            let metadata = json!({"name": name, "labels": {"made-for": site.namespace}});
            site.create(
                "/api/v1/nodes",
                &object("v1", "Node", name, &json!({"metadata": metadata, "spec": {"taints": [taint]}})),
            );
        }
        Self(site, names)
    }

    fn path(&self, index: usize) -> String {
        format!("/api/v1/nodes/{}", self.1[index])
    }

    fn label(&self, more: &Value) -> Value {
        let mut arguments = json!({"label_selector": format!("made-for={}", self.0.namespace)});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    }

    /// Sets the conditions of a node like a kubelet.
    fn tell(&self, index: usize, conditions: &[(&str, &str)]) {
        let condition = |(of, status): &(&str, &str)| {
            json!({"type": of, "status": status, "reason": "Suite", "message": "made up",
                "lastHeartbeatTime": "2126-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        let conditions: Vec<Value> = conditions.iter().map(condition).collect();
        let path = format!("{}/status", self.path(index));
        let answer = self.0.ask(Method::PATCH, &path, &json!({"status": {"conditions": conditions}}));
        assert_eq!(answer.code, 200, "{}", answer.body);
    }
}

impl Drop for Nodes<'_> {
    fn drop(&mut self) {
        for index in 0..self.1.len() {
            self.0.forget(&self.path(index));
        }
    }
}

pub fn nodes_are_created_cordoned_and_deleted(site: &Site) {
    let made = format!("{}-made", site.namespace);
    let path = format!("/api/v1/nodes/{made}");
    let nodes = Nodes::create(site, &["a", "b"]);
    let listed = format!("/api/v1/nodes?labelSelector=made-for%3D{}", site.namespace);
    let meta = json!({"meta": {"name": made, "labels": {"made-for": site.namespace}}, "spec": {"unschedulable": true}});
    let none = json!({"label_selector": "made-for=absent"});
    let steps = [
        act("node.actions.cordon_node", &json!({"name": nodes.1[0]})),
        reads(nodes.path(0), "/spec/unschedulable", json!(true)),
        reads(nodes.path(1), "/spec/unschedulable", Value::Null),
        came_to("mismatch", "node.actions.cordon_node", &json!({"name": nodes.1[0]})),
        act("node.actions.uncordon_node", &nodes.label(&json!({}))),
        reads(nodes.path(0), "/spec/unschedulable", Value::Null),
        refused("node.actions.cordon_node", &none, "failed to find a node"),
        refused("node.actions.uncordon_node", &none, "failed to find a node"),
        act("node.actions.create_node", &meta),
        reads(&path, "/spec/unschedulable", json!(true)),
        refused("node.actions.create_node", &meta, "already exists"),
        holds("node.probes.get_nodes", &nodes.label(&json!({})), &made),
        fails("node.probes.get_nodes", &json!({"label_selector": "a b"}), "unable to parse"),
        act("node.actions.delete_nodes", &nodes.label(&json!({"count": 1}))),
    ];
    play(site, &steps);
    let left =
        site.until(&listed, |answer| answer.body["items"].as_array().is_some_and(|all| all.len() == 2));
    let one = super::steps::names(&left)[0].as_str().unwrap().to_owned();
    let steps = [
        act("node.actions.delete_nodes", &nodes.label(&json!({"all": true, "grace_period_seconds": 0}))),
        gone(format!("/api/v1/nodes/{one}")),
        reads(listed, "names", json!([])),
        refused("node.actions.delete_nodes", &none, "failed to find a node"),
    ];
    play(site, &steps);
}

pub fn node_conditions_are_probed(site: &Site) {
    let nodes = Nodes::create(site, &["a", "b"]);
    for index in 0..2 {
        nodes.tell(index, &[("Ready", "True"), ("PIDPressure", "False"), ("KernelDeadlock", "False")]);
    }
    let label = nodes.label(&json!({}));
    let boolean = nodes.label(&json!({"condition_value": false}));
    let deadlock = nodes.label(&json!({"condition_type": "KernelDeadlock", "condition_value": "False"}));
    let wrong = json!({"label_selector": "a b"});
    let steps = [
        holds("node.probes.all_nodes_must_be_ready_to_schedule", &label, "true"),
        holds("node.probes.nodes_must_be_healthy", &label, "true"),
        holds("node.probes.verify_nodes_condition", &label, "true"),
        holds("node.probes.verify_nodes_condition", &deadlock, "true"),
        // a boolean is not the text of a status
        holds("node.probes.verify_nodes_condition", &boolean, "false"),
        holds("node.probes.get_all_node_status_conditions", &label, r#""KernelDeadlock":"False""#),
        fails("node.probes.get_all_node_status_conditions", &wrong, "unable to parse"),
        fails("node.probes.nodes_must_be_healthy", &wrong, "unable to parse"),
    ];
    play(site, &steps);
    nodes.tell(1, &[("Ready", "False"), ("PIDPressure", "True"), ("KernelDeadlock", "True")]);
    let steps = [
        holds("node.probes.all_nodes_must_be_ready_to_schedule", &label, "false"),
        holds("node.probes.nodes_must_be_healthy", &label, "false"),
        holds("node.probes.verify_nodes_condition", &label, "false"),
        holds("node.probes.verify_nodes_condition", &deadlock, "false"),
    ];
    play(site, &steps);
}

/// A Pod bound to a node without a scheduler.
fn tenant(node: &str, name: &str, more: &Value) -> Value {
    let mut tenant = pod(name);
    tenant["spec"]["nodeName"] = json!(node);
    tenant["spec"]["terminationGracePeriodSeconds"] = json!(0);
    tenant["metadata"]["labels"] = json!({"app": name});
    for (field, value) in more.as_object().unwrap() {
        let target = if field == "volumes" { &mut tenant["spec"] } else { &mut tenant["metadata"] };
        target[field] = value.clone();
    }
    tenant
}

pub fn nodes_are_drained_by_eviction_rules(site: &Site) {
    let nodes = Nodes::create(site, &["a", "b"]);
    let pods = site.at("v1", "pods");
    // an owner without a controller
    let owner = object("v1", "ConfigMap", "tenant", &json!({}));
    let owner = site.create(&site.at("v1", "configmaps"), &owner);
    let owned = json!({"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "tenant",
        "uid": owner["metadata"]["uid"], "controller": true}]});
    let drain = |more: Value| {
        let mut arguments = json!({"name": nodes.1[0], "timeout": 20});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let node = &nodes.1[0];
    // Pods with local storage stay unless the arguments allow their deletion
    site.create(&pods, &tenant(node, "files", &json!({"volumes": [{"name": "v", "emptyDir": {}}]})));
    let steps = [
        act("node.actions.drain_nodes", &drain(json!({}))),
        reads(nodes.path(0), "/spec/unschedulable", json!(true)),
        reads(nodes.path(1), "/spec/unschedulable", Value::Null),
        reads(&pods, "names", json!(["files"])),
        act("node.actions.drain_nodes", &drain(json!({"delete_pods_with_local_storage": true}))),
        reads(&pods, "names", json!([])),
    ];
    play(site, &steps);
    // Pods without a controller are not evicted
    site.create(&pods, &tenant(node, "lone", &json!({})));
    let steps = [
        refused("node.actions.drain_nodes", &drain(json!({})), "is unmanaged, cannot drain this node"),
        reads(&pods, "names", json!(["lone"])),
        act("pod.actions.terminate_pods", &json!({"name_pattern": "lone"})),
        reads(&pods, "names", json!([])),
        refused("node.actions.drain_nodes", &json!({"name": "no-such-node"}), "failed to find a node"),
    ];
    play(site, &steps);
    site.create(&pods, &tenant(node, "mine", &owned));
    let by_pod = json!({"pod_label_selector": "app=mine", "pod_namespace": site.namespace, "timeout": 20});
    play(site, &[act("node.actions.drain_nodes", &by_pod), reads(&pods, "names", json!([]))]);
}

/// A disruption budget blocks a drain until it allows the eviction. Pods of `DaemonSets` stay.
pub fn disruption_budget_blocks_drain(site: &Site) {
    site.create(
        &site.at("apps/v1", "deployments"),
        &super::workload("Deployment", "web", 2, "testbed/busybox:1"),
    );
    let deployment = site.at("apps/v1", "deployments/web");
    site.until(&deployment, |answer| answer.body["status"]["availableReplicas"] == 2);
    let budget = json!({"spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}});
    let budgets = site.at("policy/v1", "poddisruptionbudgets");
    site.create(&budgets, &object("policy/v1", "PodDisruptionBudget", "web", &budget));
    site.until(&format!("{budgets}/web"), |answer| answer.body["status"]["currentHealthy"] == 2);
    let pods = site.read(&site.at("v1", "pods?labelSelector=app%3Dweb")).body;
    let node = pods["items"][0]["spec"]["nodeName"].clone();
    let set =
        site.create(&site.at("apps/v1", "daemonsets"), &super::workload("DaemonSet", "agent", 0, "x:1"));
    let owned = json!({"ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent",
        "uid": set["metadata"]["uid"], "controller": true}]});
    site.create(&site.at("v1", "pods"), &tenant(node.as_str().unwrap(), "agent", &owned));
    let drain = json!({"name": node, "timeout": 1});
    play(site, &[refused("node.actions.drain_nodes", &drain, "Remaining pods are")]);
    site.ask(Method::PATCH, &format!("{budgets}/web"), &json!({"spec": {"minAvailable": 1}}));
    site.until(&format!("{budgets}/web"), |answer| answer.body["status"]["disruptionsAllowed"] == 1);
    play(site, &[act("node.actions.drain_nodes", &json!({"name": node, "timeout": 20}))]);
    let on_it = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{}", node.as_str().unwrap());
    play(
        site,
        &[reads(on_it, "names", json!(["agent"])), reads(deployment, "/status/availableReplicas", json!(2))],
    );
}
