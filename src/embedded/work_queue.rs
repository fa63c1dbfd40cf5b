//! The work queue of the controllers: derives the work that follows from a change of the store.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::json_fields::{controller_owner, is_terminating, owners, text, uid};
use super::selector::service_selects;
use super::store::{IndexKey, ObjectChange, ObjectKey, ObjectStore};

/// A piece of work for the controllers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reconcile {
    /// Delete the contents of a terminating namespace.
    Namespace(String),
    /// Delete the dependents of a deleted owner, by its UID.
    Orphans(String),
    /// Continue a deletion that may wait for dependents.
    Terminating(ObjectKey),
    /// Update a Pod; the UID tells it from a later Pod of the same name.
    Pod(ObjectKey, String),
    /// Update the Pods of a Node, and the unscheduled Pods.
    Node(String),
    Deployment(ObjectKey),
    ReplicaSet(ObjectKey),
    /// Update the endpoints of a Service.
    Endpoints(ObjectKey),
    /// Update the disruption budgets of a namespace.
    Budgets(String),
}

/// The pending work. Each item is queued once, however many changes ask for it.
#[derive(Debug, Default)]
pub(super) struct WorkQueue(BTreeSet<Reconcile>);

impl WorkQueue {
    /// Takes all pending work.
    pub(super) fn take(&mut self) -> BTreeSet<Reconcile> {
        std::mem::take(&mut self.0)
    }

    /// Queues the work that follows from a change.
    pub(super) fn enqueue(&mut self, store: &ObjectStore, change: ObjectChange) {
        let ObjectChange { key, before, object, is_deleted } = change;
        let after = (!is_deleted).then_some(&*object);
        if is_deleted {
            self.0.insert(Reconcile::Orphans(uid(&object).to_owned()));
            for owner in owners(&object) {
                let owner = store.find_indexed(&IndexKey::Uid(text(&owner["uid"]).to_owned()));
                self.0.extend(owner.map(|(key, _)| Reconcile::Terminating(ObjectKey::clone(key))));
            }
            self.0.insert(Reconcile::Namespace(key.namespace.clone()));
        } else if is_terminating(&object) {
            self.0.insert(Reconcile::Terminating(key.clone()));
        }
        let states = || before.as_deref().into_iter().chain(after);
        let controllers = |resource: &str, kind: &str| {
            let owners = states().filter_map(controller_owner).filter(|owner| owner["kind"] == kind);
            owners
                .map(|owner| ObjectKey::new(resource, &key.namespace, text(&owner["name"])))
                .collect::<Vec<_>>()
        };
        match &*key.resource {
            "/namespaces" => self.0.extend([Reconcile::Namespace(key.name)]),
            "/nodes" => self.0.extend([Reconcile::Node(key.name)]),
            "/pods" => {
                let replica_sets = controllers("apps/replicasets", "ReplicaSet");
                self.0.extend(replica_sets.into_iter().map(Reconcile::ReplicaSet));
                let is_selected = |service: &Json| {
                    states()
                        .any(|pod| service_selects(&service["spec"]["selector"], &pod["metadata"]["labels"]))
                };
                let services =
                    store.list("/services", &key.namespace).filter(|(_, service)| is_selected(service));
                self.0.extend(services.map(|(key, _)| Reconcile::Endpoints(ObjectKey::clone(key))));
                self.0.insert(Reconcile::Budgets(key.namespace.clone()));
                self.0.insert(Reconcile::Pod(key, uid(&object).to_owned()));
            }
            "/services" => self.0.extend([Reconcile::Endpoints(key)]),
            "policy/poddisruptionbudgets" => self.0.extend([Reconcile::Budgets(key.namespace)]),
            "apps/deployments" => self.0.extend([Reconcile::Deployment(key)]),
            "apps/replicasets" => {
                let deployments = controllers("apps/deployments", "Deployment");
                self.0.extend(deployments.into_iter().map(Reconcile::Deployment));
                self.0.insert(Reconcile::ReplicaSet(key));
            }
            _ => {}
        }
    }
}
