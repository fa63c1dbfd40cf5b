//! The Endpoints controller: lists the Pods of a Service.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::embedded::EmbeddedCluster;
use crate::embedded::api::DeleteOptions;
use crate::embedded::json_fields::{
    entries, is_ready, is_terminating, items, name, resolve_port, set, set_list, uid,
};
use crate::embedded::selector::service_selects;
use crate::embedded::store::ObjectKey;

/// When the trigger of the last change happened.
const CHANGE_TIME_ANNOTATION: &str = "endpoints.kubernetes.io/last-change-trigger-time";

impl EmbeddedCluster {
    /// Updates the endpoints of a Service, or deletes them with the Service.
    pub(super) fn reconcile_endpoints(&self, key: &ObjectKey) {
        let list = ObjectKey::new("/endpoints", &key.namespace, &key.name);
        let Some(service) = self.get_active(key) else {
            let existing = self.api.lock().store.get(&list).cloned();
            return existing
                .into_iter()
                .for_each(|existing| self.delete_object(&existing, &DeleteOptions::default()));
        };
        let selector = &service["spec"]["selector"];
        let Some((label, value)) = entries(selector).next() else { return };
        // Pods with the same ports share a subset
        let mut subsets: BTreeMap<String, (Json, Vec<Json>, Vec<Json>)> = BTreeMap::new();
        {
            let state = self.api.lock();
            for (_, pod) in state.store.find_indexed(&key.label_key(label, value)) {
                let runs = pod["status"]["phase"] == "Running" && pod["status"]["podIP"].is_string();
                if !runs || is_terminating(pod) || !service_selects(selector, &pod["metadata"]["labels"]) {
                    continue;
                }
                let ports = endpoint_ports(&service, pod);
                let address = json!({
                    "ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"],
                    "targetRef": {
                        "kind": "Pod", "namespace": key.namespace, "name": name(pod), "uid": uid(pod),
                        "resourceVersion": pod["metadata"]["resourceVersion"],
                    },
                });
                let subset = subsets.entry(ports.to_string()).or_insert((ports, Vec::new(), Vec::new()));
                if is_ready(pod) { subset.1.push(address) } else { subset.2.push(address) }
            }
        }
        let subset = |(ports, ready, waiting): (Json, Vec<Json>, Vec<Json>)| {
            let mut subset = json!({});
            set_list(&mut subset, "addresses", ready);
            set_list(&mut subset, "notReadyAddresses", waiting);
            subset["ports"] = ports;
            subset
        };
        let subsets: Vec<Json> = subsets.into_values().map(subset).collect();
        let mut endpoints = json!({
            "apiVersion": "v1", "kind": "Endpoints",
            "metadata": {"name": key.name, "namespace": key.namespace, "annotations": {CHANGE_TIME_ANNOTATION: self.api.now_text()}},
        });
        set(&mut endpoints["metadata"], "labels", service["metadata"]["labels"].clone());
        set_list(&mut endpoints, "subsets", subsets);
        let exists = self.api.modify(&list, |old| {
            if !is_equivalent(&old["subsets"], &endpoints["subsets"]) {
                for field in ["annotations", "labels"] {
                    set(&mut old["metadata"], field, endpoints["metadata"][field].take());
                }
                set(old, "subsets", endpoints["subsets"].take());
            }
        });
        if !exists {
            // a terminating namespace rejects new objects
            let _ = self.api.create_object(endpoints);
        }
    }
}

/// Returns whether two lists name the same Pods; resource versions do not matter.
fn is_equivalent(old: &Json, new: &Json) -> bool {
    match (old, new) {
        (Json::Object(old), Json::Object(new)) => {
            let is_same = |(field, value): (&String, &Json)| {
                field == "resourceVersion" || new.get(field).is_some_and(|new| is_equivalent(value, new))
            };
            old.len() == new.len() && old.iter().all(is_same)
        }
        (Json::Array(old), Json::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| is_equivalent(old, new))
        }
        _ => old == new,
    }
}

/// Resolves the ports of a Service for a Pod.
fn endpoint_ports(service: &Json, pod: &Json) -> Json {
    let mut ports = Vec::new();
    for port in items(&service["spec"]["ports"]) {
        let Some(target) = resolve_port(pod, &port["targetPort"]) else { continue };
        let mut endpoint_port = json!({"port": target, "protocol": port["protocol"]});
        if port["name"].is_string() {
            endpoint_port["name"] = port["name"].clone();
        }
        ports.push(endpoint_port);
    }
    json!(ports)
}
