//! Garbage collection: dependents of deleted owners, and the contents of terminating namespaces.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::embedded::EmbeddedCluster;
use crate::embedded::api::{DeleteOptions, FOREGROUND, ORPHAN};
use crate::embedded::json_fields::{is_terminating, items, namespace, owners, set_list, text, uid};
use crate::embedded::store::{IndexKey, ObjectKey};

impl EmbeddedCluster {
    /// Deletes the dependents of a deleted owner that have no other owner.
    pub(super) fn collect_orphans(&self, uid: &str) {
        for (_, object) in self.list_dependents(uid) {
            if !owners(&object).any(|owner| self.owner_exists(&object, owner)) {
                self.delete_object(&object, &DeleteOptions::default());
            }
        }
    }

    /// Lists the objects that name this owner.
    fn list_dependents(&self, uid: &str) -> Vec<(Arc<ObjectKey>, Arc<Json>)> {
        let state = self.api.lock();
        let owned = state.store.find_indexed(&IndexKey::Owner(uid.to_owned()));
        owned.map(|(key, object)| (Arc::clone(key), Arc::clone(object))).collect()
    }

    fn owner_exists(&self, dependent: &Json, owner: &Json) -> bool {
        let state = self.api.lock();
        let mark = IndexKey::Uid(text(&owner["uid"]).to_owned());
        let mut candidates = state.store.find_indexed(&mark);
        // an owner is in the same namespace, or cluster-scoped
        candidates.any(|(key, object)| {
            let near = key.namespace.is_empty() || key.namespace == namespace(dependent);
            near && object["kind"] == owner["kind"] && key.name == text(&owner["name"])
        })
    }

    /// Performs the work of the deletion finalizers, then removes them.
    pub(super) fn finalize_deletion(&self, key: &ObjectKey) {
        let Some(object) = self.api.lock().store.get(key).cloned() else { return };
        let holds = |finalizer: &str| {
            items(&object["metadata"]["finalizers"]).any(|finalizer_name| finalizer_name == finalizer)
        };
        let uid = uid(&object);
        let dependents = self.list_dependents(uid);
        let mut done = None;
        if holds(ORPHAN) {
            for (key, dependent) in dependents {
                let remaining = owners(&dependent).filter(|owner| owner["uid"] != uid).cloned().collect();
                self.api
                    .modify(&key, |object| set_list(&mut object["metadata"], "ownerReferences", remaining));
            }
            done = Some(ORPHAN);
        } else if holds(FOREGROUND) {
            let blocks = |object: &Json| {
                owners(object).any(|owner| owner["uid"] == uid && owner["blockOwnerDeletion"] == true)
            };
            if !dependents.iter().any(|(_, dependent)| blocks(dependent)) {
                done = Some(FOREGROUND);
            }
            let how =
                DeleteOptions { propagation: Some("Foreground".to_owned()), ..DeleteOptions::default() };
            // Pods own nothing
            let default_options = DeleteOptions::default();
            for (key, dependent) in dependents.iter().filter(|(_, dependent)| !is_terminating(dependent)) {
                self.delete_object(
                    dependent,
                    if &*key.resource == "/pods" { &default_options } else { &how },
                );
            }
        }
        if let Some(done) = done {
            let finalizers = items(&object["metadata"]["finalizers"]);
            let remaining = finalizers.filter(|finalizer| *finalizer != done).cloned().collect();
            self.api.modify(key, |object| set_list(&mut object["metadata"], "finalizers", remaining));
        }
    }

    /// Deletes the contents of a terminating namespace, and the namespace once it is empty.
    pub(super) fn reconcile_namespace(&self, name: &str) {
        let key = ObjectKey::new("/namespaces", "", name);
        let objects = {
            let mut state = self.api.lock();
            if state.store.get(&key).is_none_or(|namespace| namespace["status"]["phase"] != "Terminating") {
                return;
            }
            let objects = state.store.list_namespace(name);
            if objects.is_empty() {
                state.remove(&key);
            }
            objects
        };
        for object in objects.iter().filter(|object| !is_terminating(object)) {
            self.delete_object(object, &DeleteOptions::default());
        }
    }
}
