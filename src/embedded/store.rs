//! The objects of the embedded cluster: one revision for all, indexes, and a bounded change history.
//!
//! Each object is stored twice: as a tree for the controllers, and as text for clients, which takes a tenth of the
//! memory. The history has text only.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::json_fields::{entries, owners, text, uid};
use super::status::ApiStatus;

/// The size limit of the change history, which serves watches that start in the past.
const MAX_HISTORY_BYTES: usize = 8 << 20;

/// The key of an object: resource, namespace (empty if cluster-scoped), name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ObjectKey {
    /// `group/plural`; the core group is empty.
    pub(super) resource: Arc<str>,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl ObjectKey {
    pub(super) fn new(resource: impl Into<Arc<str>>, namespace: &str, name: &str) -> Self {
        Self { resource: resource.into(), namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// A stored object, as a tree and as text.
#[derive(Clone, Debug)]
pub(super) struct StoredObject {
    pub(super) tree: Arc<Json>,
    /// The object without `kind` and `apiVersion`, which depend on the requested version.
    pub(super) text: Arc<str>,
}

impl StoredObject {
    fn new(object: Json) -> Self {
        let text = serde_json::to_string(&ObjectBody(&object)).unwrap_or_default();
        Self { tree: Arc::new(shrink(object)), text: text.into() }
    }
}

/// Rebuilds a value without spare capacity.
fn shrink(value: Json) -> Json {
    match value {
        Json::Object(fields) => fields.into_iter().map(|(field, value)| (field, shrink(value))).collect(),
        Json::Array(items) => items.into_iter().map(shrink).collect(),
        other => other,
    }
}

/// Serializes an object without `kind` and `apiVersion`.
struct ObjectBody<'a>(&'a Json);

impl Serialize for ObjectBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            entries(self.0).filter(|(field, _)| !matches!(field.as_str(), "kind" | "apiVersion")),
        )
    }
}

/// A secondary index of the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum IndexKey {
    /// The object with this UID.
    Uid(String),
    /// The dependents of an owner, by its UID.
    Owner(String),
    /// The Pods of a Node; the empty name stands for unscheduled Pods.
    Node(String),
    /// The Pods of a namespace with a label: namespace, name, value.
    Label(String, String, String),
}

/// Returns the index keys of an object.
fn index_keys(key: &ObjectKey, object: &Json) -> Vec<IndexKey> {
    let mut keys = vec![IndexKey::Uid(uid(object).to_owned())];
    keys.extend(owners(object).map(|owner| IndexKey::Owner(text(&owner["uid"]).to_owned())));
    if &*key.resource == "/pods" {
        keys.push(IndexKey::Node(text(&object["spec"]["nodeName"]).to_owned()));
        let labels = entries(&object["metadata"]["labels"]);
        keys.extend(labels.map(|(name, value)| key.label_key(name, value)));
    }
    keys
}

impl ObjectKey {
    /// Returns the index key of a label in the namespace of this object.
    pub(super) fn label_key(&self, name: &str, value: &Json) -> IndexKey {
        IndexKey::Label(self.namespace.clone(), name.to_owned(), text(value).to_owned())
    }
}

/// An entry of the change history.
#[derive(Clone, Debug)]
pub(super) struct StoreChange {
    /// The revision of the change.
    pub(super) revision: u64,
    pub(super) key: Arc<ObjectKey>,
    /// The object before; nothing for a new object.
    pub(super) before: Option<Arc<str>>,
    /// The object after; nothing for a deleted object.
    pub(super) after: Option<Arc<str>>,
}

impl StoreChange {
    fn size(&self) -> usize {
        let texts = self.before.iter().chain(&self.after);
        texts.map(|text| text.len()).sum::<usize>() + size_of::<Self>()
    }
}

/// What a write changed, for the work queue.
#[derive(Clone, Debug)]
pub(super) struct ObjectChange {
    pub(super) key: ObjectKey,
    /// The object before; nothing for a new object.
    pub(super) before: Option<Arc<Json>>,
    /// The object after, or a deleted object with its last resource version.
    pub(super) object: Arc<Json>,
    pub(super) is_deleted: bool,
}

/// The objects of the cluster, with a change history.
#[derive(Debug)]
pub(super) struct ObjectStore {
    objects: BTreeMap<Arc<ObjectKey>, StoredObject>,
    index: HashMap<IndexKey, BTreeSet<Arc<ObjectKey>>>,
    revision: watch::Sender<u64>,
    changes: VecDeque<StoreChange>,
    history_bytes: usize,
}

impl Default for ObjectStore {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            index: HashMap::new(),
            // a resource version of 0 means "any" in requests
            revision: watch::Sender::new(1),
            changes: VecDeque::new(),
            history_bytes: 0,
        }
    }
}

impl ObjectStore {
    /// Returns the revision of the last change.
    pub(super) fn revision(&self) -> u64 {
        *self.revision.borrow()
    }

    /// Returns a receiver of the current revision.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    pub(super) fn get(&self, key: &ObjectKey) -> Option<&Arc<Json>> {
        self.objects.get(key).map(|stored| &stored.tree)
    }

    /// Lists a resource by namespace and name, in one namespace or (if empty) in all.
    pub(super) fn list<'a>(
        &'a self,
        resource: &'a str,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Arc<ObjectKey>, &'a Arc<Json>)> {
        let all = self.list_after(ObjectKey::new(resource, namespace, ""), namespace);
        all.map(|(key, stored)| (key, &stored.tree))
    }

    /// Lists the stored objects after a key: a page of a list starts there.
    pub(super) fn list_after<'a>(
        &'a self,
        start: ObjectKey,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Arc<ObjectKey>, &'a StoredObject)> {
        let resource = Arc::clone(&start.resource);
        self.objects.range::<ObjectKey, _>((Bound::Excluded(start), Bound::Unbounded)).take_while(
            move |(key, _)| key.resource == resource && (namespace.is_empty() || key.namespace == namespace),
        )
    }

    /// Lists the objects of an index key.
    pub(super) fn find_indexed<'a>(
        &'a self,
        index_key: &IndexKey,
    ) -> impl Iterator<Item = (&'a Arc<ObjectKey>, &'a Arc<Json>)> + use<'a> {
        let keys = self.index.get(index_key).into_iter().flatten();
        keys.filter_map(|key| Some((key, self.get(key)?)))
    }

    /// Counts the objects of an index key.
    pub(super) fn count_indexed(&self, index_key: &IndexKey) -> usize {
        self.index.get(index_key).map_or(0, BTreeSet::len)
    }

    /// Returns all objects in a namespace.
    pub(super) fn list_namespace(&self, namespace: &str) -> Vec<Arc<Json>> {
        let in_namespace = self.objects.iter().filter(|(key, _)| key.namespace == namespace);
        in_namespace.map(|(_, stored)| Arc::clone(&stored.tree)).collect()
    }

    /// Stores an object with the next resource version.
    pub(super) fn put(&mut self, key: &ObjectKey, mut object: Json) -> ObjectChange {
        object["metadata"]["resourceVersion"] = json!((self.revision() + 1).to_string());
        let existing = self.objects.get_key_value(key).map(|(key, _)| Arc::clone(key));
        let (key, stored) = (existing.unwrap_or_else(|| Arc::new(key.clone())), StoredObject::new(object));
        let before = self.objects.insert(Arc::clone(&key), stored.clone());
        let change = ObjectChange {
            key: ObjectKey::clone(&key),
            before: before.as_ref().map(|stored| Arc::clone(&stored.tree)),
            object: Arc::clone(&stored.tree),
            is_deleted: false,
        };
        self.update_index(&key, change.before.as_deref(), Some(&change.object));
        self.record_change(key, before, Some(stored));
        change
    }

    /// Removes an object. The change holds it with the resource version of its deletion.
    pub(super) fn remove(&mut self, key: &ObjectKey) -> Option<ObjectChange> {
        let (key, before) = self.objects.remove_entry(key)?;
        let mut last = Json::clone(&before.tree);
        last["metadata"]["resourceVersion"] = json!((self.revision() + 1).to_string());
        let last = StoredObject::new(last);
        let change = ObjectChange {
            key: ObjectKey::clone(&key),
            before: Some(Arc::clone(&last.tree)),
            object: Arc::clone(&last.tree),
            is_deleted: true,
        };
        self.update_index(&key, Some(&change.object), None);
        self.record_change(key, Some(last), None);
        Some(change)
    }

    fn update_index(&mut self, key: &Arc<ObjectKey>, before: Option<&Json>, after: Option<&Json>) {
        let keys_of = |tree: Option<&Json>| tree.map(|tree| index_keys(key, tree)).unwrap_or_default();
        let (old, new) = (keys_of(before), keys_of(after));
        for index_key in old.iter().filter(|index_key| !new.contains(index_key)) {
            if let Some(keys) = self.index.get_mut(index_key) {
                keys.remove(key);
                if keys.is_empty() {
                    self.index.remove(index_key);
                }
            }
        }
        for index_key in new.into_iter().filter(|index_key| !old.contains(index_key)) {
            self.index.entry(index_key).or_default().insert(Arc::clone(key));
        }
    }

    fn record_change(
        &mut self,
        key: Arc<ObjectKey>,
        before: Option<StoredObject>,
        after: Option<StoredObject>,
    ) {
        let revision = self.revision() + 1;
        let text = |stored: Option<StoredObject>| stored.map(|stored| stored.text);
        let change = StoreChange { revision, key, before: text(before), after: text(after) };
        self.history_bytes += change.size();
        self.changes.push_back(change);
        while self.history_bytes > MAX_HISTORY_BYTES
            && let Some(oldest) = self.changes.pop_front()
        {
            self.history_bytes -= oldest.size();
        }
        self.revision.send_replace(revision);
    }

    /// Returns the changes after a revision, or an error if the history is too short.
    pub(super) fn changes_since(&self, revision: u64) -> Result<Vec<StoreChange>, ApiStatus> {
        let oldest = self.changes.front().map_or(self.revision(), |change| change.revision - 1);
        if revision < oldest {
            return Err(ApiStatus::expired(revision, oldest));
        }
        let first = self.changes.partition_point(|change| change.revision <= revision);
        Ok(self.changes.range(first..).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revision_is_global_and_history_is_bounded() {
        let mut store = ObjectStore::default();
        let start = store.revision();
        for (namespace, name) in [("b", "x"), ("a", "y"), ("a", "z")] {
            store.put(&ObjectKey::new("/pods", namespace, name), json!({"metadata": {"name": name}}));
        }
        let node = ObjectKey::new("/nodes", "", "n");
        store.put(&node, json!({"metadata": {}}));
        let names =
            |namespace| store.list("/pods", namespace).map(|(key, _)| key.name.clone()).collect::<Vec<_>>();
        assert_eq!(
            (names(""), names("a")),
            (vec!["y".into(), "z".into(), "x".into()], vec!["y".to_owned(), "z".into()])
        );
        let removed = store.remove(&ObjectKey::new("/pods", "a", "y")).unwrap();
        assert_eq!(removed.object["metadata"]["resourceVersion"], (start + 5).to_string());
        let changes: Vec<(u64, bool)> = store
            .changes_since(start + 3)
            .unwrap()
            .iter()
            .map(|change| (change.revision, change.after.is_some()))
            .collect();
        assert_eq!(changes, [(start + 4, true), (start + 5, false)]);
        // each change holds two of these, except the first
        let large = "x".repeat(MAX_HISTORY_BYTES / 7);
        for index in 0..4 {
            store.put(&node, json!({"kind": "Node", "metadata": {"index": index, "large": large}}));
        }
        assert_eq!(store.changes_since(start + 5).unwrap_err().reason, "Expired");
        let last = store.changes_since(start + 6).unwrap();
        assert_eq!(last.len(), 3);
        assert!(last[0].after.as_ref().unwrap().starts_with(r#"{"metadata":{"index":1,"#));
    }

    #[test]
    fn index_follows_object_changes() {
        let mut store = ObjectStore::default();
        let key = ObjectKey::new("/pods", "a", "x");
        let pod = |node: &str, app: &str| {
            json!({"metadata": {"uid": "u", "labels": {"app": app}, "ownerReferences": [{"uid": "o"}]},
                "spec": {"nodeName": node}})
        };
        store.put(&key, pod("", "web"));
        let (none, web) = (IndexKey::Node(String::new()), key.label_key("app", &json!("web")));
        let counts = |store: &ObjectStore| {
            [
                &none,
                &IndexKey::Node("n".into()),
                &web,
                &IndexKey::Owner("o".into()),
                &IndexKey::Uid("u".into()),
            ]
            .map(|index_key| store.count_indexed(index_key))
        };
        assert_eq!(counts(&store), [1, 0, 1, 1, 1]);
        store.put(&key, pod("n", "api"));
        assert_eq!(counts(&store), [0, 1, 0, 1, 1]);
        store.remove(&key);
        assert_eq!(counts(&store), [0; 5]);
        assert!(store.index.is_empty(), "nothing is left of what is gone");
    }
}
