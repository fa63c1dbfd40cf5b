//! What goes with something else: dependents, and what a namespace holds. Floor 1.

use serde_json::{Value as Json, json};

use crate::embedded::Cluster;
use crate::embedded::api::{Deletion, FOREGROUND, ORPHAN, is_let_go, remove};
use crate::embedded::store::{Key, owners};

impl Cluster {
    /// Deletes what an object owned that is gone, where nobody else owns it.
    pub(super) fn collect(&self, uid: &str) {
        let dependents = self.api.lock().store.owned_by(uid);
        for (_, object) in dependents {
            let lives = |owner: &Json| self.is_there(&object, owner);
            if !owners(&object).any(lives) {
                self.delete(&object, &Deletion::default());
            }
        }
    }

    fn is_there(&self, dependent: &Json, owner: &Json) -> bool {
        let state = self.api.lock();
        let Some((kind, _)) = state.kinds.of(owner) else { return false };
        let namespace = if kind.namespaced { dependent["metadata"]["namespace"].as_str() } else { None };
        let name = owner["name"].as_str().unwrap_or_default();
        let key = Key::new(&kind.resource, namespace.unwrap_or_default(), name);
        state.store.get(&key).is_some_and(|there| there["metadata"]["uid"] == owner["uid"])
    }

    /// Does what an object that is about to go waits for, and takes it away when nothing holds it.
    pub(super) fn let_go(&self, key: &Key) {
        let Some(object) = self.api.lock().store.get(key).cloned() else { return };
        let finalizers: Vec<&str> = object["metadata"]["finalizers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
            .collect();
        let uid = super::uid(&object);
        let dependents = self.api.lock().store.owned_by(uid);
        let mut done = None;
        if finalizers.contains(&ORPHAN) {
            for (_, dependent) in dependents {
                let mut free = Json::clone(&dependent);
                let left: Vec<Json> =
                    owners(&dependent).filter(|owner| owner["uid"] != uid).cloned().collect();
                free["metadata"]["ownerReferences"] = json!(left);
                self.write(free, false);
            }
            done = Some(ORPHAN);
        } else if finalizers.contains(&FOREGROUND) {
            let blocks = |object: &Json| {
                owners(object).any(|owner| owner["uid"] == uid && owner["blockOwnerDeletion"] == true)
            };
            if !dependents.iter().any(|(_, dependent)| blocks(dependent)) {
                done = Some(FOREGROUND);
            }
            let how = Deletion { propagation: Some("Foreground".to_owned()), ..Deletion::default() };
            let staying = dependents.iter().filter(|(_, one)| one["metadata"]["deletionTimestamp"].is_null());
            // a Pod owns nothing
            let plainly = Deletion::default();
            staying.for_each(|(key, one)| {
                self.delete(one, if &*key.resource == "/pods" { &plainly } else { &how });
            });
        }
        if let Some(done) = done {
            let mut state = self.api.lock();
            let Some(object) = state.store.get(key).cloned() else { return };
            let mut freed = Json::clone(&object);
            if let Some(finalizers) = freed["metadata"]["finalizers"].as_array_mut() {
                finalizers.retain(|one| one != done);
            }
            let stored = state.store.put(key.clone(), freed);
            if is_let_go(&stored) {
                remove(&mut state, key);
            }
            self.api.tell(&state);
        }
    }

    /// Deletes what is in a namespace that is to go, and the namespace when it is empty.
    pub(super) fn empty_namespace(&self, name: &str) {
        let namespaces = "/namespaces".into();
        let key = Key::new(&namespaces, "", name);
        let inside = {
            let mut state = self.api.lock();
            match state.store.get(&key) {
                Some(namespace) if namespace["status"]["phase"] == "Terminating" => {}
                _ => return,
            }
            let inside = state.store.within(name);
            if inside.is_empty() {
                state.store.remove(&key);
                self.api.tell(&state);
                return;
            }
            inside
        };
        for (_, object) in inside.iter().filter(|(_, one)| one["metadata"]["deletionTimestamp"].is_null()) {
            self.delete(object, &Deletion::default());
        }
    }

    /// Who waits in the foreground for an object that went.
    pub(super) fn waiting_for(&self, gone: &Json) -> Vec<Key> {
        let state = self.api.lock();
        let namespace = gone["metadata"]["namespace"].as_str().unwrap_or_default();
        let key = |owner: &Json| {
            let (kind, _) = state.kinds.of(owner)?;
            let namespace = if kind.namespaced { namespace } else { "" };
            Some(Key::new(&kind.resource, namespace, owner["name"].as_str()?))
        };
        owners(gone).filter_map(key).collect()
    }
}
