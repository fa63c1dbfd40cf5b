//! The objects of the embedded cluster: one revision for all of them, and what changed lately. Floor 1.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::status::Status;

/// How many changes are kept for watches that begin in the past.
const KEPT: usize = 2_000;

/// Which object: its resource as `group/plural`, its namespace (empty for the whole cluster), its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    /// `group/plural`; the core group is empty.
    pub(super) resource: Arc<str>,
    /// The namespace.
    pub(super) namespace: String,
    /// The name.
    pub(super) name: String,
}

impl Key {
    /// The key of an object of a resource.
    pub(super) fn new(resource: &Arc<str>, namespace: &str, name: &str) -> Self {
        Self { resource: Arc::clone(resource), namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// One change of one object.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// The revision that it made.
    pub(super) revision: u64,
    /// Which object.
    pub(super) key: Key,
    /// What it was before; nothing for a new one.
    pub(super) before: Option<Arc<Json>>,
    /// What it is; nothing for one that went.
    pub(super) after: Option<Arc<Json>>,
}

/// All objects.
#[derive(Debug)]
pub(super) struct Store {
    objects: BTreeMap<Key, Arc<Json>>,
    revision: u64,
    changes: VecDeque<Change>,
}

impl Default for Store {
    fn default() -> Self {
        // no cluster begins at 0, which means "any" in requests
        Self { objects: BTreeMap::new(), revision: 1, changes: VecDeque::new() }
    }
}

impl Store {
    /// The revision of the last change.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// One object.
    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Json>> {
        self.objects.get(key)
    }

    /// The objects of a resource in the order of namespace and name; in one namespace, or in all when it is empty.
    pub(super) fn list<'a>(
        &'a self,
        resource: &'a Arc<str>,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Json>)> {
        self.after(Key::new(resource, namespace, ""), resource, namespace)
    }

    /// The same, behind a key: where a list in pages goes on.
    pub(super) fn after<'a>(
        &'a self,
        start: Key,
        resource: &'a Arc<str>,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Json>)> {
        self.objects.range((Bound::Excluded(start), Bound::Unbounded)).take_while(move |(key, _)| {
            key.resource == *resource && (namespace.is_empty() || key.namespace == namespace)
        })
    }

    /// Everything in a namespace, whatever it is.
    pub(super) fn within(&self, namespace: &str) -> Vec<(Key, Arc<Json>)> {
        let inside = self.objects.iter().filter(|(key, _)| key.namespace == namespace);
        inside.map(|(key, object)| (key.clone(), Arc::clone(object))).collect()
    }

    /// Everything that another object, known by its UID, owns.
    pub(super) fn owned_by(&self, uid: &str) -> Vec<(Key, Arc<Json>)> {
        let owned = self.objects.iter().filter(|(_, object)| owners(object).any(|owner| owner["uid"] == uid));
        owned.map(|(key, object)| (key.clone(), Arc::clone(object))).collect()
    }

    /// Writes an object down. Gives it as it now is, with its resource version.
    pub(super) fn put(&mut self, key: Key, mut object: Json) -> Arc<Json> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), Arc::clone(&object));
        self.keep(Change { revision: self.revision, key, before, after: Some(Arc::clone(&object)) });
        object
    }

    /// Takes an object away. Gives it as it was, with the resource version of its end.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Arc<Json>> {
        let before = self.objects.remove(key)?;
        self.revision += 1;
        let mut last = Json::clone(&before);
        last["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let last = Arc::new(last);
        self.keep(Change {
            revision: self.revision,
            key: key.clone(),
            before: Some(Arc::clone(&last)),
            after: None,
        });
        Some(last)
    }

    /// What changed after a revision. An error when that is no longer known.
    pub(super) fn since(&self, revision: u64) -> Result<Vec<Change>, Status> {
        let oldest = self.changes.front().map_or(self.revision, |change| change.revision - 1);
        if revision < oldest {
            return Err(Status::expired(revision, oldest));
        }
        let first = self.changes.partition_point(|change| change.revision <= revision);
        Ok(self.changes.range(first..).cloned().collect())
    }

    fn keep(&mut self, change: Change) {
        if self.changes.len() == KEPT {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }
}

/// The owners that an object names.
pub(super) fn owners(object: &Json) -> impl Iterator<Item = &Json> {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_revision_counts_for_all_and_the_past_is_bounded() {
        let (pods, nodes): (Arc<str>, Arc<str>) = ("/pods".into(), "/nodes".into());
        let mut store = Store::default();
        let start = store.revision();
        for (namespace, name) in [("b", "x"), ("a", "y"), ("a", "z")] {
            store.put(Key::new(&pods, namespace, name), json!({"metadata": {"name": name}}));
        }
        store.put(Key::new(&nodes, "", "n"), json!({"metadata": {}}));
        let names =
            |namespace| store.list(&pods, namespace).map(|(key, _)| key.name.clone()).collect::<Vec<_>>();
        assert_eq!(
            (names(""), names("a")),
            (vec!["y".into(), "z".into(), "x".into()], vec!["y".to_owned(), "z".into()])
        );
        let gone = store.remove(&Key::new(&pods, "a", "y")).unwrap();
        assert_eq!(gone["metadata"]["resourceVersion"], (start + 5).to_string());
        let seen: Vec<(u64, bool)> = store
            .since(start + 3)
            .unwrap()
            .iter()
            .map(|change| (change.revision, change.after.is_some()))
            .collect();
        assert_eq!(seen, [(start + 4, true), (start + 5, false)]);
        for index in 0..KEPT {
            store.put(Key::new(&nodes, "", "n"), json!({"metadata": {"index": index}}));
        }
        assert_eq!(store.since(start).unwrap_err().reason, "Expired");
        assert_eq!(store.since(start + 5).unwrap().len(), KEPT);
    }
}
