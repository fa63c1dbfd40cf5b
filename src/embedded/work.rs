//! What a change leaves to do: it is noted with the change, and done by the controllers. Floor 1.

use std::sync::Arc;

use serde_json::Value as Json;

use super::fields::{controller, entries, is_leaving, owners, text, uid};
use super::store::{Key, Mark, Store};

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    /// What a namespace holds that is about to go.
    Namespace(String),
    /// What was owned by an object that is gone, by its UID.
    Orphans(String),
    /// An object that may wait for its dependents.
    Leaving(Key),
    /// A Pod, by its UID as well: another one may have its name.
    Pod(Key, String),
    /// The Pods of a Node, and those that have none.
    Node(String),
    /// A Deployment.
    Deployment(Key),
    /// A `ReplicaSet`.
    ReplicaSet(Key),
    /// The endpoints of a Service.
    Endpoints(Key),
    /// The budgets of a namespace.
    Budgets(String),
}

impl Store {
    /// Notes what a change leaves to do. Each thing is done once, however many changes ask for it.
    pub(super) fn note(&mut self, key: &Arc<Key>, before: Option<&Json>, after: Option<&Json>) {
        let Some(object) = after.or(before) else { return };
        let mut todo = Vec::new();
        let key = Key::clone(key);
        if after.is_none() {
            todo.push(Work::Orphans(uid(object).to_owned()));
            for owner in owners(object) {
                let owner = self.marked(&Mark::Uid(text(&owner["uid"]).to_owned()));
                todo.extend(owner.map(|(key, _)| Work::Leaving(Key::clone(key))));
            }
            todo.push(Work::Namespace(key.namespace.clone()));
        } else if is_leaving(object) {
            todo.push(Work::Leaving(key.clone()));
        }
        let both = || before.into_iter().chain(after);
        let owner = |resource: &str, kind: &str| {
            let mine = both().filter_map(controller).filter(|owner| owner["kind"] == kind);
            mine.map(|owner| Key::new(resource, &key.namespace, text(&owner["name"]))).collect::<Vec<_>>()
        };
        match &*key.resource {
            "/namespaces" => todo.push(Work::Namespace(key.name)),
            "/nodes" => todo.push(Work::Node(key.name)),
            "/pods" => {
                todo.extend(owner("apps/replicasets", "ReplicaSet").into_iter().map(Work::ReplicaSet));
                let selects = |service: &Json| {
                    both().any(|pod| is_meant(&service["spec"]["selector"], &pod["metadata"]["labels"]))
                };
                let services = self.list("/services", &key.namespace).filter(|(_, service)| selects(service));
                todo.extend(services.map(|(key, _)| Work::Endpoints(Key::clone(key))));
                todo.push(Work::Budgets(key.namespace.clone()));
                todo.push(Work::Pod(key, uid(object).to_owned()));
            }
            "/services" => todo.push(Work::Endpoints(key)),
            "policy/poddisruptionbudgets" => todo.push(Work::Budgets(key.namespace)),
            "apps/deployments" => todo.push(Work::Deployment(key)),
            "apps/replicasets" => {
                todo.extend(owner("apps/deployments", "Deployment").into_iter().map(Work::Deployment));
                todo.push(Work::ReplicaSet(key));
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
