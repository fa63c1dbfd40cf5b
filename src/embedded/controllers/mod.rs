//! What makes the cluster what its objects say. Floor 1.
//!
//! One task looks at every change and works on what it concerns, each thing once per round; each Pod has a task of
//! its own (`pod`).

mod deployment;
mod endpoints;
mod garbage;
mod pod;
mod replica_set;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::Cluster;
use super::api::{At, Deletion, State, Writing, budget};
use super::kinds::Kind;
use super::store::{Change, Key, owners};

pub use pod::{CRASHES, NO_IMAGE};

/// What has to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Namespace(String),
    /// What was owned by an object that is gone, by its UID.
    Orphans(String),
    /// An object that waits for its dependents.
    Leaving(Key),
    Deployment(Key),
    ReplicaSet(Key),
    Endpoints(Key),
    Budgets(String),
}

impl Cluster {
    /// Works until the cluster ends.
    pub(super) async fn control(self: Arc<Self>) {
        let mut changed = self.api.changes();
        let mut seen = 0;
        loop {
            let (changes, lost, now) = {
                let state = self.api.lock();
                // more happened than is kept: everything is looked at anew
                let changes = state.store.since(seen);
                let lost = changes.is_err();
                (changes.unwrap_or_else(|_| everything(&state)), lost, state.store.revision())
            };
            seen = now;
            if changes.is_empty() {
                if changed.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let mut work = BTreeSet::new();
            for change in &changes {
                self.concerns(change, &mut work);
                if lost && let Some(object) = &change.after {
                    // its owner may have gone meanwhile
                    let named = owners(object).filter_map(|owner| owner["uid"].as_str());
                    work.extend(named.map(|uid| Work::Orphans(uid.to_owned())));
                }
            }
            for one in work {
                self.work_on(&one);
            }
            // others have their turn
            tokio::task::yield_now().await;
        }
    }

    fn concerns(self: &Arc<Self>, change: &Change, work: &mut BTreeSet<Work>) {
        let Key { resource, namespace, name } = &change.key;
        let Some(object) = change.after.as_ref().or(change.before.as_ref()) else { return };
        let leaving = !object["metadata"]["deletionTimestamp"].is_null();
        match &change.after {
            None => {
                work.insert(Work::Orphans(uid(object).to_owned()));
                work.extend(self.waiting_for(object).into_iter().map(Work::Leaving));
            }
            Some(_) if leaving => drop(work.insert(Work::Leaving(change.key.clone()))),
            Some(_) => {}
        }
        let sibling = |resource: &str, name: &str| Key::new(&resource.into(), namespace, name);
        let owner = |kind: &str| {
            let mine = owners(object).find(|owner| owner["controller"] == true && owner["kind"] == kind);
            mine.and_then(|owner| owner["name"].as_str()).map(str::to_owned)
        };
        match &**resource {
            "/namespaces" if leaving => drop(work.insert(Work::Namespace(name.clone()))),
            "/pods" => {
                if change.after.is_some() {
                    self.start_pod(change.key.clone(), uid(object).to_owned());
                }
                if let Some(owner) = owner("ReplicaSet") {
                    work.insert(Work::ReplicaSet(sibling("apps/replicasets", &owner)));
                }
                let state = self.api.lock();
                if let Some(kind) = state.kinds.of_resource("/services") {
                    let services = state.store.list(&kind.resource, namespace);
                    work.extend(services.map(|(key, _)| Work::Endpoints(key.clone())));
                }
                work.insert(Work::Budgets(namespace.clone()));
            }
            "/services" => drop(work.insert(Work::Endpoints(change.key.clone()))),
            "policy/poddisruptionbudgets" => drop(work.insert(Work::Budgets(namespace.clone()))),
            "apps/deployments" => drop(work.insert(Work::Deployment(change.key.clone()))),
            "apps/replicasets" => {
                work.insert(Work::ReplicaSet(change.key.clone()));
                if let Some(owner) = owner("Deployment") {
                    work.insert(Work::Deployment(sibling("apps/deployments", &owner)));
                }
            }
            _ => {}
        }
        if change.after.is_none() && !namespace.is_empty() {
            work.insert(Work::Namespace(namespace.clone()));
        }
    }

    fn work_on(&self, work: &Work) {
        match work {
            Work::Namespace(name) => self.empty_namespace(name),
            Work::Orphans(uid) => self.collect(uid),
            Work::Leaving(key) => self.let_go(key),
            Work::Deployment(key) => self.roll(key),
            Work::ReplicaSet(key) => self.fill(key),
            Work::Endpoints(key) => self.point(key),
            Work::Budgets(namespace) => self.count_budgets(namespace),
        }
    }

    /// What an object is now, unless it is about to go.
    fn current(&self, key: &Key) -> Option<Arc<Json>> {
        let object = self.api.lock().store.get(key).cloned()?;
        object["metadata"]["deletionTimestamp"].is_null().then_some(object)
    }

    /// The objects of a resource in a namespace that are controlled by another one.
    fn controlled(&self, resource: &str, namespace: &str, by: &str) -> Vec<Arc<Json>> {
        let state = self.api.lock();
        let resource = resource.into();
        let all = state.store.list(&resource, namespace).map(|(_, object)| object);
        let mine = |object: &&Arc<Json>| {
            owners(object).any(|owner| owner["controller"] == true && owner["uid"] == by)
        };
        all.filter(mine).cloned().collect()
    }

    /// Writes what a controller found out. Somebody else who was faster brings another round.
    fn write(&self, object: Json, status: bool) {
        if let Ok(at) = self.api.at(&object) {
            let _ = self.api.update(&at, object, &Writing { dry_run: false, status });
        }
    }

    fn delete(&self, object: &Json, how: &Deletion) {
        if let Ok(at) = self.api.at(object) {
            let _ = self.api.delete(&at, how);
        }
    }

    fn count_budgets(&self, namespace: &str) {
        let counted: Vec<Json> = {
            let state = self.api.lock();
            let Some(kind) = state.kinds.of_resource("policy/poddisruptionbudgets") else { return };
            let budgets = state.store.list(&kind.resource, namespace);
            let count = |object: &Arc<Json>| {
                let budget = budget(&state, object);
                let mut counted = Json::clone(object);
                counted["status"] = json!({
                    "observedGeneration": object["metadata"]["generation"], "disruptionsAllowed": budget.allowed(),
                    "currentHealthy": budget.healthy, "desiredHealthy": budget.desired, "expectedPods": budget.expected,
                });
                counted
            };
            budgets.map(|(_, object)| count(object)).collect()
        };
        for budget in counted {
            self.write(budget, true);
        }
    }
}

/// Everything there is, as if it had just come.
fn everything(state: &State) -> Vec<Change> {
    let all = |kind: &Arc<Kind>| {
        let objects = state.store.list(&kind.resource, "");
        let change = |(key, object): (&Key, &Arc<Json>)| Change {
            revision: state.store.revision(),
            key: key.clone(),
            before: Some(Arc::clone(object)),
            after: Some(Arc::clone(object)),
        };
        objects.map(change).collect::<Vec<_>>()
    };
    state.kinds.all().flat_map(all).collect()
}

pub(super) fn uid(object: &Json) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

fn number(value: &Json) -> i64 {
    value.as_i64().unwrap_or(0)
}

/// What makes an object the dependent of another one.
fn owned_by(owner: &Json) -> Json {
    json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    }])
}

/// A condition, whose time of change is kept when it stays what it was.
fn condition(now: &str, old: &Json, of: &str, status: &str, reason: &str, message: &str) -> Json {
    let before = old["status"]["conditions"].as_array().into_iter().flatten().find(|one| one["type"] == of);
    let since = match before {
        Some(before) if before["status"] == status => before["lastTransitionTime"].clone(),
        _ => json!(now),
    };
    let updated = match before {
        Some(before) if before["status"] == status && before["reason"] == reason => {
            before["lastUpdateTime"].clone()
        }
        _ => json!(now),
    };
    json!({
        "type": of, "status": status, "lastUpdateTime": updated, "lastTransitionTime": since,
        "reason": reason, "message": message,
    })
}

impl Cluster {
    fn here(&self, key: &Key) -> Option<At> {
        let kind = self.api.lock().kinds.of_resource(&key.resource).cloned()?;
        let version = kind.versions.first()?.clone();
        Some(At { kind, version, namespace: key.namespace.clone(), name: key.name.clone() })
    }
}
