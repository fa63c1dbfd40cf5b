//! `ReplicaSets`: as many Pods as were asked for. Floor 1.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{number, owned_by, uid};
use crate::embedded::Cluster;
use crate::embedded::api::{Deletion, count, is_ready};
use crate::embedded::store::Key;

impl Cluster {
    /// Creates and deletes Pods of a set, and says how many there are.
    pub(super) fn fill(&self, key: &Key) {
        let Some(set) = self.current(key) else { return };
        let mut pods = self.controlled("/pods", &key.namespace, uid(&set));
        pods.retain(|pod| {
            pod["metadata"]["deletionTimestamp"].is_null()
                && !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
        });
        let wanted = usize::try_from(number(&set["spec"]["replicas"])).unwrap_or(0);
        for _ in pods.len()..wanted {
            let template = &set["spec"]["template"];
            let mut metadata = template["metadata"].clone();
            metadata["generateName"] = json!(format!("{}-", key.name));
            metadata["namespace"] = json!(key.namespace);
            metadata["ownerReferences"] = owned_by(&set);
            let pod =
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]});
            if let Ok(pod) = self.api.create_object(pod) {
                pods.push(Arc::new(pod));
            }
        }
        if pods.len() > wanted {
            // first what does the least: not placed, not running, not ready, the youngest
            pods.sort_by_key(|pod| {
                let placed = !pod["spec"]["nodeName"].is_null();
                let running = pod["status"]["phase"] == "Running";
                let age = pod["metadata"]["creationTimestamp"].as_str().map(str::to_owned);
                (placed, running, is_ready(pod), std::cmp::Reverse(age))
            });
            for pod in pods.drain(..pods.len() - wanted) {
                self.delete(&pod, &Deletion::default());
            }
        }
        let labels = set["spec"]["template"]["metadata"]["labels"].as_object();
        let labeled = |pod: &&Arc<Json>| {
            labels.into_iter().flatten().all(|(name, value)| pod["metadata"]["labels"][name] == *value)
        };
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        let mut status = json!({"replicas": pods.len()});
        for (field, amount) in [
            ("fullyLabeledReplicas", pods.iter().filter(labeled).count()),
            ("readyReplicas", ready),
            ("availableReplicas", ready),
        ] {
            // zero is left out
            if amount > 0 {
                status[field] = json!(count(amount));
            }
        }
        status["observedGeneration"] = set["metadata"]["generation"].clone();
        let mut counted = Json::clone(&set);
        counted["status"] = status;
        self.write(counted, true);
    }
}
