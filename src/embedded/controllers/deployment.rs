//! The Deployment controller: one `ReplicaSet` per template, and rolling updates.
//!
//! Verbatim: Kubernetes API server

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{owner_reference, updated_condition};
use crate::embedded::EmbeddedCluster;
use crate::embedded::api::{DeleteOptions, resolve_int_or_percent};
use crate::embedded::json_fields::{condition, items, name, number, text};
use crate::embedded::store::ObjectKey;
use crate::sort;

/// Identifies the Pods of one template.
const HASH_LABEL: &str = "pod-template-hash";
/// The revision of a ReplicaSet's template.
const REVISION_ANNOTATION: &str = "deployment.kubernetes.io/revision";
/// The desired replicas of the Deployment, and the maximum during a rollout.
const DESIRED_ANNOTATION: &str = "deployment.kubernetes.io/desired-replicas";
const MAX_ANNOTATION: &str = "deployment.kubernetes.io/max-replicas";

/// How many Pods a rollout may add, and how many may be unavailable.
struct RolloutBounds {
    surge: i64,
    unavailable: i64,
}

impl EmbeddedCluster {
    /// Performs the next step of a rollout, and updates the status.
    pub(super) fn reconcile_deployment(&self, key: &ObjectKey) {
        let Some(deployment) = self.get_active(key) else { return };
        let mut sets = self.list_controlled("apps/replicasets", &deployment);
        let template = template_without_hash(&deployment);
        let new = sets
            .iter()
            .position(|set| template_without_hash(set) == template)
            .map(|index| sets.swap_remove(index));
        sort::sort_by_key(&mut sets, |set| revision(set));
        let paused = deployment["spec"]["paused"] == true;
        let desired = number(&deployment["spec"]["replicas"]);
        let last = sets.iter().chain(new.as_ref()).map(|set| revision(set)).max().unwrap_or(0);
        let recreate = deployment["spec"]["strategy"]["type"] == "Recreate";
        let old_replicas: i64 = sets.iter().map(|set| number(&set["spec"]["replicas"])).sum();
        let bounds = rollout_bounds(&deployment, desired);
        let new = match new {
            Some(new) => Some(new),
            None if paused => None,
            None => {
                let old_pods: i64 = sets.iter().map(|set| number(&set["status"]["replicas"])).sum();
                // create it at its first size: a later scale would count as a change
                let first = match recreate {
                    true if old_replicas + old_pods > 0 => 0,
                    true => desired,
                    false => (desired + bounds.surge - old_replicas).clamp(0, desired),
                };
                self.create_replica_set(&deployment, &template, first, last + 1)
            }
        };
        if let Some(new) = &new {
            // a ReplicaSet that is current again gets the newest revision
            let newest = if revision(new) < last { last + 1 } else { revision(new).max(1) };
            self.set_revision(&deployment, new, newest);
            if sets.iter().all(|set| number(&set["spec"]["replicas"]) == 0) && !recreate {
                self.scale_replica_set(new, desired);
            } else if recreate {
                for set in &sets {
                    self.scale_replica_set(set, 0);
                }
                if sets.iter().all(|set| number(&set["status"]["replicas"]) == 0) {
                    self.scale_replica_set(new, desired);
                }
            } else if !paused {
                self.advance_rollout(&sets, new, desired, old_replicas, &bounds);
            }
        }
        self.update_deployment_status(key);
        self.delete_old_replica_sets(&deployment, &sets);
    }

    /// Performs one step of a rolling update: scale up within the surge, scale down what is not needed.
    fn advance_rollout(
        &self,
        old: &[Arc<Json>],
        new: &Json,
        desired: i64,
        old_replicas: i64,
        bounds: &RolloutBounds,
    ) {
        let new_replicas = number(&new["spec"]["replicas"]);
        let room = desired + bounds.surge - old_replicas - new_replicas;
        if new_replicas > desired {
            self.scale_replica_set(new, desired);
        } else if room > 0 && new_replicas < desired {
            self.scale_replica_set(new, new_replicas + room.min(desired - new_replicas));
        }
        let min_available = desired - bounds.unavailable;
        let available = |set: &Json| number(&set["status"]["availableReplicas"]);
        let waiting = (new_replicas - available(new)).max(0);
        let mut spare = old_replicas + new_replicas - min_available - waiting;
        // remove unavailable replicas first: that reduces nothing
        let mut sizes: Vec<i64> = old.iter().map(|set| number(&set["spec"]["replicas"])).collect();
        for (set, size) in old.iter().zip(&mut sizes) {
            let broken = (*size - available(set)).clamp(0, spare.max(0));
            *size -= broken;
            spare -= broken;
        }
        let all: i64 = old.iter().map(|set| available(set)).sum::<i64>() + available(new);
        let mut spare = spare.min(all - min_available).max(0);
        for (set, size) in old.iter().zip(&mut sizes) {
            let less = (*size).min(spare);
            *size -= less;
            spare -= less;
            self.scale_replica_set(set, *size);
        }
    }

    fn create_replica_set(
        &self,
        deployment: &Json,
        template: &Json,
        replicas: i64,
        revision: i64,
    ) -> Option<Arc<Json>> {
        let mut hasher = DefaultHasher::new();
        template.to_string().hash(&mut hasher);
        let hash = format!("{:010x}", hasher.finish() & 0xff_ffff_ffff);
        let metadata = &deployment["metadata"];
        let mut labels = template["metadata"]["labels"].clone();
        labels[HASH_LABEL] = json!(hash);
        let mut selector = deployment["spec"]["selector"].clone();
        selector["matchLabels"][HASH_LABEL] = json!(hash);
        let mut of_pods = template.clone();
        of_pods["metadata"]["labels"] = labels.clone();
        let set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": format!("{}-{hash}", name(deployment)),
                "namespace": metadata["namespace"], "labels": labels,
                "annotations": {REVISION_ANNOTATION: revision.to_string()},
                "ownerReferences": owner_reference(deployment),
            },
            "spec": {"replicas": replicas, "selector": selector, "template": of_pods},
        });
        self.api.create_object(set).ok()
    }

    /// Writes the revision to the newest ReplicaSet and to the Deployment.
    fn set_revision(&self, deployment: &Json, set: &Json, revision: i64) {
        let desired = number(&deployment["spec"]["replicas"]);
        let most = desired + rollout_bounds(deployment, desired).surge;
        let set_annotations = |object: &mut Json, annotations: &[(&str, i64)]| {
            for (annotation, number) in annotations {
                object["metadata"]["annotations"][annotation] = json!(number.to_string());
            }
        };
        self.modify_object(set, |set| {
            set_annotations(
                set,
                &[(REVISION_ANNOTATION, revision), (DESIRED_ANNOTATION, desired), (MAX_ANNOTATION, most)],
            );
        });
        self.modify_object(deployment, |deployment| {
            set_annotations(deployment, &[(REVISION_ANNOTATION, revision)]);
        });
    }

    fn scale_replica_set(&self, set: &Json, replicas: i64) {
        self.modify_object(set, |set| set["spec"]["replicas"] = json!(replicas));
    }

    fn update_deployment_status(&self, key: &ObjectKey) {
        let Some(current) = self.get_active(key) else { return };
        let sets = self.list_controlled("apps/replicasets", &current);
        let sum = |part: &str, field: &str| sets.iter().map(|set| number(&set[part][field])).sum::<i64>();
        let template = template_without_hash(&current);
        let new = sets.iter().find(|set| template_without_hash(set) == template);
        let updated = new.map_or(0, |set| number(&set["status"]["replicas"]));
        let (replicas, available) = (sum("status", "replicas"), sum("status", "availableReplicas"));
        let desired = number(&current["spec"]["replicas"]);
        let mut status = json!({"observedGeneration": current["metadata"]["generation"]});
        for (field, amount) in [
            ("replicas", replicas),
            ("updatedReplicas", updated),
            ("readyReplicas", sum("status", "readyReplicas")),
            ("availableReplicas", available),
            ("unavailableReplicas", sum("spec", "replicas") - available),
        ] {
            if amount > 0 {
                status[field] = json!(amount);
            }
        }
        let (holds, available_reason, available_message) =
            if available >= desired - rollout_bounds(&current, desired).unavailable {
                ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
            } else {
                ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
            };
        let set = new.map_or("", |set| name(set));
        let complete = updated == desired && replicas == desired && available == desired;
        let before = |entry: &Json| condition(&current, text(&entry["type"]));
        // a complete Deployment stays complete while it is scaled
        let progress = condition(&current, "Progressing").map(|entry| &entry["reason"]);
        let was_complete =
            progress.is_some_and(|reason| reason == "NewReplicaSetAvailable") && replicas == updated;
        let (reason, message) = if complete || was_complete {
            ("NewReplicaSetAvailable", format!("ReplicaSet \"{set}\" has successfully progressed."))
        } else {
            ("ReplicaSetUpdated", format!("ReplicaSet \"{set}\" is progressing."))
        };
        let now = self.api.now_text();
        let mut conditions = [
            updated_condition(&now, &current, "Available", holds, available_reason, available_message),
            updated_condition(&now, &current, "Progressing", "True", reason, &message),
        ];
        let find_unchanged = |entry: &Json| {
            before(entry).filter(|old| old["status"] == entry["status"] && old["reason"] == entry["reason"])
        };
        for entry in &mut conditions {
            let updated = find_unchanged(entry).map(|old| old["lastUpdateTime"].clone());
            entry["lastUpdateTime"] = updated.unwrap_or_else(|| json!(now));
        }
        // the condition that changed last comes last
        let position_of = |entry: &Json| {
            items(&current["status"]["conditions"]).position(|old| old["type"] == entry["type"])
        };
        sort::sort_by_key(&mut conditions, |entry| {
            find_unchanged(entry).and_then(|_| position_of(entry)).unwrap_or(usize::MAX)
        });
        status["conditions"] = json!(conditions);
        self.api.modify(key, |deployment| deployment["status"] = status);
    }

    /// Deletes old empty `ReplicaSet`s beyond the revision history limit.
    fn delete_old_replica_sets(&self, deployment: &Json, old: &[Arc<Json>]) {
        let empty: Vec<&Arc<Json>> = old
            .iter()
            .filter(|set| number(&set["spec"]["replicas"]) == 0 && number(&set["status"]["replicas"]) == 0)
            .collect();
        let limit = usize::try_from(number(&deployment["spec"]["revisionHistoryLimit"])).unwrap_or(0);
        for set in empty.iter().take(empty.len().saturating_sub(limit)) {
            self.delete_object(set, &DeleteOptions::default());
        }
    }
}

fn rollout_bounds(deployment: &Json, desired: i64) -> RolloutBounds {
    let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
    if !rolling.is_object() {
        return RolloutBounds { surge: 0, unavailable: 0 };
    }
    let surge = resolve_int_or_percent(&rolling["maxSurge"], desired, true);
    let unavailable = resolve_int_or_percent(&rolling["maxUnavailable"], desired, false).min(desired);
    // if both are zero, no rollout can make progress
    RolloutBounds { surge, unavailable: if surge == 0 && unavailable == 0 { 1 } else { unavailable } }
}

fn revision(set: &Json) -> i64 {
    text(&set["metadata"]["annotations"][REVISION_ANNOTATION]).parse().unwrap_or(0)
}

/// Returns the Pod template without the hash label.
fn template_without_hash(object: &Json) -> Json {
    let mut template = object["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.shift_remove(HASH_LABEL);
    }
    template
}
