//! The `ReplicaSet` controller: keeps the desired number of Pods.

use serde_json::{Value as Json, json};

use super::owner_reference;
use crate::embedded::EmbeddedCluster;
use crate::embedded::api::DeleteOptions;
use crate::embedded::json_fields::{entries, is_finished, is_ready, is_terminating, number, text};
use crate::embedded::store::ObjectKey;

impl EmbeddedCluster {
    /// Creates or deletes Pods of a ReplicaSet, and updates its status.
    pub(super) fn reconcile_replica_set(&self, key: &ObjectKey) {
        let Some(set) = self.get_active(key) else { return };
        let mut pods = self.list_controlled("/pods", &set);
        pods.retain(|pod| !is_terminating(pod) && !is_finished(pod));
        let desired = usize::try_from(number(&set["spec"]["replicas"])).unwrap_or(0);
        let template = &set["spec"]["template"];
        for _ in pods.len()..desired {
            let mut metadata = pod_metadata(template);
            metadata["generateName"] = json!(format!("{}-", key.name));
            metadata["namespace"] = json!(key.namespace);
            metadata["ownerReferences"] = owner_reference(&set);
            let pod =
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]});
            pods.extend(self.api.create_object(pod));
        }
        if pods.len() > desired {
            // delete unscheduled, pending, unready and young Pods first
            pods.sort_by_cached_key(|pod| {
                let placed = !pod["spec"]["nodeName"].is_null();
                let running = pod["status"]["phase"] == "Running";
                let age = text(&pod["metadata"]["creationTimestamp"]).to_owned();
                (placed, running, is_ready(pod), std::cmp::Reverse(age))
            });
            for pod in pods.drain(..pods.len() - desired) {
                self.delete_object(&pod, &DeleteOptions::default());
            }
        }
        let labels = &template["metadata"]["labels"];
        let labeled =
            |pod: &Json| entries(labels).all(|(name, value)| pod["metadata"]["labels"][name] == *value);
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        let mut status = json!({"replicas": pods.len()});
        for (field, amount) in [
            ("fullyLabeledReplicas", pods.iter().filter(|pod| labeled(pod)).count()),
            ("readyReplicas", ready),
            ("availableReplicas", ready),
        ] {
            // zero is omitted
            if amount > 0 {
                status[field] = json!(amount);
            }
        }
        status["observedGeneration"] = set["metadata"]["generation"].clone();
        self.api.modify(key, |set| set["status"] = status);
    }
}

/// Returns the metadata that Pods take from their template; its name and its namespace are ignored.
fn pod_metadata(template: &Json) -> Json {
    let mut metadata = json!({});
    for field in ["labels", "annotations", "finalizers"] {
        let value = &template["metadata"][field];
        if !value.is_null() {
            metadata[field] = value.clone();
        }
    }
    metadata
}
