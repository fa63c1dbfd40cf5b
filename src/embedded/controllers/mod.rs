//! The controllers: they bring the cluster to the state that its objects describe.
//!
//! One task processes the work queue, each item once per round. Each Pod has a task of its own (`pod`).

mod deployment;
mod endpoints;
mod garbage;
mod pod;
mod probe;
mod replica_set;

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::EmbeddedCluster;
use super::api::{DeleteOptions, compute_budget_status};
use super::json_fields::{condition, controller_owner, is_terminating, uid};
use super::store::{IndexKey, ObjectKey};
use super::work_queue::Reconcile;

pub(super) use pod::UNHEALTHY_REASON;
pub use pod::{CRASHING_IMAGE_PREFIX, MISSING_IMAGE_PREFIX};

/// The maximum number of rounds without a pause.
const MAX_ROUNDS: usize = 10;

impl EmbeddedCluster {
    /// Runs the controllers until the cluster ends.
    pub(super) async fn run_controllers(self: Arc<Self>) {
        let mut changed = self.api.subscribe();
        // reconcile the initial objects
        changed.mark_changed();
        while changed.changed().await.is_ok() {
            let start = Instant::now();
            // the work of one controller may queue work for the next
            for _ in 0..MAX_ROUNDS {
                changed.mark_unchanged();
                let todo = self.api.lock().queue.take();
                for work in todo {
                    self.reconcile(work);
                }
            }
            // leave other tasks as much time; their changes are handled together
            tokio::time::sleep(start.elapsed()).await;
        }
    }

    fn reconcile(self: &Arc<Self>, work: Reconcile) {
        match work {
            Reconcile::Namespace(name) => self.reconcile_namespace(&name),
            Reconcile::Orphans(uid) => self.collect_orphans(&uid),
            Reconcile::Terminating(key) => self.finalize_deletion(&key),
            Reconcile::Pod(key, uid) => self.notify_pod(key, uid),
            Reconcile::Node(name) => self.notify_pods_of_node(&name),
            Reconcile::Deployment(key) => self.reconcile_deployment(&key),
            Reconcile::ReplicaSet(key) => self.reconcile_replica_set(&key),
            Reconcile::Endpoints(key) => self.reconcile_endpoints(&key),
            Reconcile::Budgets(namespace) => self.reconcile_budgets(&namespace),
        }
    }

    /// Returns an object unless it is terminating.
    fn get_active(&self, key: &ObjectKey) -> Option<Arc<Json>> {
        self.api.lock().store.get(key).filter(|object| !is_terminating(object)).cloned()
    }

    /// Lists the objects of a resource that `by` controls.
    fn list_controlled(&self, resource: &str, owner_object: &Json) -> Vec<Arc<Json>> {
        let state = self.api.lock();
        let index_key = IndexKey::Owner(uid(owner_object).to_owned());
        let controlled = state.store.find_indexed(&index_key).filter(|(key, object)| {
            let acts =
                controller_owner(object).is_some_and(|owner| owner["uid"] == owner_object["metadata"]["uid"]);
            &*key.resource == resource && acts
        });
        controlled.map(|(_, object)| Arc::clone(object)).collect()
    }

    /// Modifies the current state of an object.
    fn modify_object(&self, object: &Json, change: impl FnOnce(&mut Json)) {
        if let Ok(path) = self.api.locate(object) {
            self.api.modify(&path.key(), change);
        }
    }

    fn delete_object(&self, object: &Json, options: &DeleteOptions) {
        if let Ok(path) = self.api.locate(object) {
            // the object may be gone already
            let _ = self.api.delete(&path, options);
        }
    }

    fn reconcile_budgets(&self, namespace: &str) {
        let counted: Vec<(Arc<ObjectKey>, Json)> = {
            let state = self.api.lock();
            let count = |object: &Json| {
                let budget = compute_budget_status(&state, object);
                json!({
                    "observedGeneration": object["metadata"]["generation"], "disruptionsAllowed": budget.allowed_disruptions(),
                    "currentHealthy": budget.healthy, "desiredHealthy": budget.desired, "expectedPods": budget.expected,
                })
            };
            let budgets = state.store.list("policy/poddisruptionbudgets", namespace);
            budgets.map(|(key, object)| (Arc::clone(key), count(object))).collect()
        };
        for (key, status) in counted {
            self.api.modify(&key, |budget| budget["status"] = status);
        }
    }
}

/// Returns the owner references of a dependent.
fn owner_reference(owner: &Json) -> Json {
    json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    }])
}

/// Returns a condition; its transition time stays if the status is unchanged. An empty reason is omitted.
fn updated_condition(now: &str, old: &Json, of: &str, status: &str, reason: &str, message: &str) -> Json {
    let before = condition(old, of);
    let transition_time = before
        .filter(|previous| previous["status"] == status)
        .map(|previous| previous["lastTransitionTime"].clone());
    let transition_time = transition_time.unwrap_or_else(|| json!(now));
    let mut condition = json!({"type": of, "status": status, "lastTransitionTime": transition_time});
    if !reason.is_empty() {
        condition["reason"] = json!(reason);
        condition["message"] = json!(message);
    }
    condition
}
