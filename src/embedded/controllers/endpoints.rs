//! Endpoints: which Pods a Service sends to. Floor 1.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::number;
use crate::embedded::Cluster;
use crate::embedded::api::{Deletion, Writing, is_ready};
use crate::embedded::selector::Selector;
use crate::embedded::store::Key;

/// When what led to the last change happened.
const CHANGED: &str = "endpoints.kubernetes.io/last-change-trigger-time";

impl Cluster {
    /// Writes down which Pods a Service has; takes the list away with the Service.
    pub(super) fn point(&self, key: &Key) {
        let at = Key::new(&"/endpoints".into(), &key.namespace, &key.name);
        let Some(at) = self.here(&at) else { return };
        let Some(service) = self.current(key) else {
            let _ = self.api.delete(&at, &Deletion::default());
            return;
        };
        let Some(selector) = Selector::of_service(&service["spec"]["selector"]) else { return };
        // Pods that have the same ports stand together
        let mut subsets: BTreeMap<String, (Json, Vec<Json>, Vec<Json>)> = BTreeMap::new();
        {
            let state = self.api.lock();
            let resource = "/pods".into();
            for (_, pod) in state.store.list(&resource, &key.namespace) {
                let runs = pod["status"]["phase"] == "Running" && pod["status"]["podIP"].is_string();
                let stays = pod["metadata"]["deletionTimestamp"].is_null();
                if !runs || !stays || !selector.matches_labels(&pod["metadata"]["labels"]) {
                    continue;
                }
                let ports = ports(&service, pod);
                let address = json!({
                    "ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"],
                    "targetRef": {
                        "kind": "Pod", "namespace": key.namespace, "name": pod["metadata"]["name"],
                        "uid": pod["metadata"]["uid"], "resourceVersion": pod["metadata"]["resourceVersion"],
                    },
                });
                let subset = subsets.entry(ports.to_string()).or_insert((ports, Vec::new(), Vec::new()));
                if is_ready(pod) { subset.1.push(address) } else { subset.2.push(address) }
            }
        }
        let subset = |(ports, ready, waiting): (Json, Vec<Json>, Vec<Json>)| {
            let mut subset = json!({});
            for (field, addresses) in [("addresses", ready), ("notReadyAddresses", waiting)] {
                if !addresses.is_empty() {
                    subset[field] = json!(addresses);
                }
            }
            subset["ports"] = ports;
            subset
        };
        let subsets: Vec<Json> = subsets.into_values().map(subset).collect();
        let mut endpoints = json!({
            "apiVersion": "v1", "kind": "Endpoints",
            "metadata": {"name": key.name, "namespace": key.namespace, "annotations": {CHANGED: self.api.now()}},
        });
        if let labels @ Json::Object(_) = &service["metadata"]["labels"] {
            endpoints["metadata"]["labels"] = labels.clone();
        }
        if !subsets.is_empty() {
            endpoints["subsets"] = json!(subsets);
        }
        match self.api.get(&at) {
            Ok(old) if same(&old["subsets"], &endpoints["subsets"]) => {}
            Ok(_) => drop(self.api.update(&at, endpoints, &Writing::default())),
            Err(_) => drop(self.api.create_object(endpoints)),
        }
    }
}

/// Whether the same Pods are meant: their revisions change more often than they matter.
fn same(old: &Json, new: &Json) -> bool {
    let plain = |subsets: &Json| {
        let mut plain = subsets.clone();
        for subset in plain.as_array_mut().into_iter().flatten() {
            for list in ["addresses", "notReadyAddresses"] {
                for address in subset.get_mut(list).and_then(Json::as_array_mut).into_iter().flatten() {
                    address["targetRef"]["resourceVersion"] = Json::Null;
                }
            }
        }
        plain
    };
    plain(old) == plain(new)
}

/// The ports of a Service as a Pod has them.
fn ports(service: &Json, pod: &Json) -> Json {
    let containers = || pod["spec"]["containers"].as_array().into_iter().flatten();
    let named = |name: &str| {
        let all = || containers().flat_map(|one| one["ports"].as_array().into_iter().flatten());
        all().find(|port| port["name"] == name).map(|port| number(&port["containerPort"]))
    };
    let mut ports = Vec::new();
    for port in service["spec"]["ports"].as_array().into_iter().flatten() {
        let target = match port["targetPort"].as_str() {
            Some(name) => named(name),
            None => Some(number(&port["targetPort"])),
        };
        let Some(target) = target else { continue };
        let mut one = json!({"port": target, "protocol": port["protocol"]});
        if port["name"].is_string() {
            one["name"] = port["name"].clone();
        }
        ports.push(one);
    }
    json!(ports)
}
