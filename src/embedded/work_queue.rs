//! What a change leaves to do: it is noted with the change, and done by the controllers. Floor 1.

use std::sync::Arc;

use serde_json::Value as Json;

use super::json_fields::{controller_owner, entries, is_terminating, owners, text, uid};
use super::store::{IndexKey, ObjectKey, ObjectStore};

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reconcile {
    /// What a namespace holds that is about to go.
    Namespace(String),
    /// What was owned by an object that is gone, by its UID.
    Orphans(String),
    /// An object that may wait for its dependents.
    Leaving(ObjectKey),
    /// A Pod, by its UID as well: another one may have its name.
    Pod(ObjectKey, String),
    /// The Pods of a Node, and those that have none.
    Node(String),
    /// A Deployment.
    Deployment(ObjectKey),
    /// A `ReplicaSet`.
    ReplicaSet(ObjectKey),
    /// The endpoints of a Service.
    Endpoints(ObjectKey),
    /// The budgets of a namespace.
    Budgets(String),
}

impl ObjectStore {
    /// Notes what a change leaves to do. Each thing is done once, however many changes ask for it.
    pub(super) fn note(&mut self, key: &Arc<ObjectKey>, before: Option<&Json>, after: Option<&Json>) {
        let Some(object) = after.or(before) else { return };
        let mut todo = Vec::new();
        let key = ObjectKey::clone(key);
        if after.is_none() {
            todo.push(Reconcile::Orphans(uid(object).to_owned()));
            for owner in owners(object) {
                let owner = self.find_indexed(&IndexKey::Uid(text(&owner["uid"]).to_owned()));
                todo.extend(owner.map(|(key, _)| Reconcile::Leaving(ObjectKey::clone(key))));
            }
            todo.push(Reconcile::Namespace(key.namespace.clone()));
        } else if is_terminating(object) {
            todo.push(Reconcile::Leaving(key.clone()));
        }
        let both = || before.into_iter().chain(after);
        let owner = |resource: &str, kind: &str| {
            let mine = both().filter_map(controller_owner).filter(|owner| owner["kind"] == kind);
            mine.map(|owner| ObjectKey::new(resource, &key.namespace, text(&owner["name"])))
                .collect::<Vec<_>>()
        };
        match &*key.resource {
            "/namespaces" => todo.push(Reconcile::Namespace(key.name)),
            "/nodes" => todo.push(Reconcile::Node(key.name)),
            "/pods" => {
                todo.extend(owner("apps/replicasets", "ReplicaSet").into_iter().map(Reconcile::ReplicaSet));
                let selects = |service: &Json| {
                    both().any(|pod| is_meant(&service["spec"]["selector"], &pod["metadata"]["labels"]))
                };
                let services = self.list("/services", &key.namespace).filter(|(_, service)| selects(service));
                todo.extend(services.map(|(key, _)| Reconcile::Endpoints(ObjectKey::clone(key))));
                todo.push(Reconcile::Budgets(key.namespace.clone()));
                todo.push(Reconcile::Pod(key, uid(object).to_owned()));
            }
            "/services" => todo.push(Reconcile::Endpoints(key)),
            "policy/poddisruptionbudgets" => todo.push(Reconcile::Budgets(key.namespace)),
            "apps/deployments" => todo.push(Reconcile::Deployment(key)),
            "apps/replicasets" => {
                todo.extend(owner("apps/deployments", "Deployment").into_iter().map(Reconcile::Deployment));
                todo.push(Reconcile::ReplicaSet(key));
            }
            _ => {}
        }
        self.todo.extend(todo);
    }
}

/// Whether a Service that selects so means a Pod with these labels. Without a selector it means none.
pub(super) fn is_meant(selector: &Json, labels: &Json) -> bool {
    entries(selector).next().is_some() && entries(selector).all(|(name, value)| labels[name] == *value)
}
