//! The objects of the embedded cluster: one revision for all of them, what changed lately, and what is to be done
//! about it. Floor 1.
//!
//! An object is kept twice: as a tree for those who work on it, and as text, which takes a tenth of the room, for
//! those who ask for it. What it was before is kept as text alone.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::json_fields::{entries, owners, text, uid};
use super::status::ApiStatus;
use super::work_queue::Reconcile;

/// How many bytes of changes are kept for watches that begin in the past.
const MAX_HISTORY_BYTES: usize = 8 << 20;

/// Which object: its resource as `group/plural`, its namespace (empty for the whole cluster), its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ObjectKey {
    /// `group/plural`; the core group is empty.
    pub(super) resource: Arc<str>,
    /// The namespace.
    pub(super) namespace: String,
    /// The name.
    pub(super) name: String,
}

impl ObjectKey {
    /// The key of an object of a resource.
    pub(super) fn new(resource: impl Into<Arc<str>>, namespace: &str, name: &str) -> Self {
        Self { resource: resource.into(), namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// An object as it is kept.
#[derive(Clone, Debug)]
pub(super) struct StoredObject {
    /// The whole object.
    pub(super) tree: Arc<Json>,
    /// The same without its kind and version, which depend on how it is asked for.
    pub(super) text: Arc<str>,
}

impl StoredObject {
    fn new(object: Json) -> Self {
        let text = serde_json::to_string(&ObjectBody(&object)).unwrap_or_default();
        Self { tree: Arc::new(shrink(object)), text: text.into() }
    }
}

/// The same without the room that was left for more.
fn shrink(value: Json) -> Json {
    match value {
        Json::Object(fields) => fields.into_iter().map(|(field, value)| (field, shrink(value))).collect(),
        Json::Array(items) => items.into_iter().map(shrink).collect(),
        other => other,
    }
}

/// An object without its kind and version.
struct ObjectBody<'a>(&'a Json);

impl Serialize for ObjectBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            entries(self.0).filter(|(field, _)| !matches!(field.as_str(), "kind" | "apiVersion")),
        )
    }
}

/// What objects are found by, beside their keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum IndexKey {
    /// The object itself.
    Uid(String),
    /// What an object owns, by its UID.
    Owner(String),
    /// The Pods of a Node; of none, for the empty name.
    Node(String),
    /// The Pods of a namespace that have a label: its name and its value.
    Label(String, String, String),
}

/// The marks of an object.
fn index_keys(key: &ObjectKey, object: &Json) -> Vec<IndexKey> {
    let mut marks = vec![IndexKey::Uid(uid(object).to_owned())];
    marks.extend(owners(object).map(|owner| IndexKey::Owner(text(&owner["uid"]).to_owned())));
    if &*key.resource == "/pods" {
        marks.push(IndexKey::Node(text(&object["spec"]["nodeName"]).to_owned()));
        let labels = entries(&object["metadata"]["labels"]);
        marks.extend(labels.map(|(name, value)| key.label_key(name, value)));
    }
    marks
}

impl ObjectKey {
    /// The mark of a label in the namespace.
    pub(super) fn label_key(&self, name: &str, value: &Json) -> IndexKey {
        IndexKey::Label(self.namespace.clone(), name.to_owned(), text(value).to_owned())
    }
}

/// One change of one object.
#[derive(Clone, Debug)]
pub(super) struct StoreChange {
    /// The revision that it made.
    pub(super) revision: u64,
    /// Which object.
    pub(super) key: Arc<ObjectKey>,
    /// What it was before; nothing for a new one.
    pub(super) before: Option<Arc<str>>,
    /// What it is; nothing for one that went.
    pub(super) after: Option<Arc<str>>,
}

impl StoreChange {
    fn size(&self) -> usize {
        let texts = self.before.iter().chain(&self.after);
        texts.map(|text| text.len()).sum::<usize>() + size_of::<Self>()
    }
}

/// All objects.
#[derive(Debug)]
pub(super) struct ObjectStore {
    objects: BTreeMap<Arc<ObjectKey>, StoredObject>,
    index: HashMap<IndexKey, BTreeSet<Arc<ObjectKey>>>,
    revision: watch::Sender<u64>,
    changes: VecDeque<StoreChange>,
    history_bytes: usize,
    /// What the controllers have to look at.
    pub(super) todo: BTreeSet<Reconcile>,
}

impl Default for ObjectStore {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            index: HashMap::new(),
            // no cluster begins at 0, which means "any" in requests
            revision: watch::Sender::new(1),
            changes: VecDeque::new(),
            history_bytes: 0,
            todo: BTreeSet::new(),
        }
    }
}

impl ObjectStore {
    /// The revision of the last change.
    pub(super) fn revision(&self) -> u64 {
        *self.revision.borrow()
    }

    /// Says when something has changed.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// One object.
    pub(super) fn get(&self, key: &ObjectKey) -> Option<&Arc<Json>> {
        self.objects.get(key).map(|stored| &stored.tree)
    }

    /// The objects of a resource in the order of namespace and name; in one namespace, or in all when it is empty.
    pub(super) fn list<'a>(
        &'a self,
        resource: &'a str,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Arc<ObjectKey>, &'a Arc<Json>)> {
        let all = self.list_after(ObjectKey::new(resource, namespace, ""), namespace);
        all.map(|(key, stored)| (key, &stored.tree))
    }

    /// The same as they are kept, behind a key: where a list in pages goes on.
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

    /// The objects that have a mark.
    pub(super) fn find_indexed<'a>(
        &'a self,
        mark: &IndexKey,
    ) -> impl Iterator<Item = (&'a Arc<ObjectKey>, &'a Arc<Json>)> + use<'a> {
        let keys = self.index.get(mark).into_iter().flatten();
        keys.filter_map(|key| Some((key, self.get(key)?)))
    }

    /// How many those are.
    pub(super) fn count_indexed(&self, mark: &IndexKey) -> usize {
        self.index.get(mark).map_or(0, BTreeSet::len)
    }

    /// Everything in a namespace, whatever it is.
    pub(super) fn list_namespace(&self, namespace: &str) -> Vec<Arc<Json>> {
        let inside = self.objects.iter().filter(|(key, _)| key.namespace == namespace);
        inside.map(|(_, stored)| Arc::clone(&stored.tree)).collect()
    }

    /// Writes an object down. Gives it as it now is, with its resource version.
    pub(super) fn put(&mut self, key: &ObjectKey, mut object: Json) -> Arc<Json> {
        object["metadata"]["resourceVersion"] = json!((self.revision() + 1).to_string());
        let known = self.objects.get_key_value(key).map(|(key, _)| Arc::clone(key));
        let (key, stored) = (known.unwrap_or_else(|| Arc::new(key.clone())), StoredObject::new(object));
        let before = self.objects.insert(Arc::clone(&key), stored.clone());
        let tree = Arc::clone(&stored.tree);
        self.record_change(key, before, Some(stored));
        tree
    }

    /// Takes an object away. Gives it as it was, with the resource version of its end.
    pub(super) fn remove(&mut self, key: &ObjectKey) -> Option<Arc<Json>> {
        let (key, before) = self.objects.remove_entry(key)?;
        let mut last = Json::clone(&before.tree);
        last["metadata"]["resourceVersion"] = json!((self.revision() + 1).to_string());
        let last = StoredObject::new(last);
        let tree = Arc::clone(&last.tree);
        self.record_change(key, Some(last), None);
        Some(tree)
    }

    fn record_change(
        &mut self,
        key: Arc<ObjectKey>,
        before: Option<StoredObject>,
        after: Option<StoredObject>,
    ) {
        let tree = |stored: &Option<StoredObject>| stored.as_ref().map(|stored| Arc::clone(&stored.tree));
        let (old, new) = (tree(&before), tree(&after));
        let of =
            |tree: &Option<Arc<Json>>| tree.as_ref().map(|tree| index_keys(&key, tree)).unwrap_or_default();
        let (gone, come) = (of(&old), of(&new));
        for mark in gone.iter().filter(|mark| !come.contains(mark)) {
            if let Some(keys) = self.index.get_mut(mark) {
                keys.remove(&key);
                if keys.is_empty() {
                    self.index.remove(mark);
                }
            }
        }
        for mark in come.into_iter().filter(|mark| !gone.contains(mark)) {
            self.index.entry(mark).or_default().insert(Arc::clone(&key));
        }
        self.note(&key, old.as_deref(), new.as_deref());
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

    /// What changed after a revision. An error when that is no longer known.
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
        let gone = store.remove(&ObjectKey::new("/pods", "a", "y")).unwrap();
        assert_eq!(gone["metadata"]["resourceVersion"], (start + 5).to_string());
        let seen: Vec<(u64, bool)> = store
            .changes_since(start + 3)
            .unwrap()
            .iter()
            .map(|change| (change.revision, change.after.is_some()))
            .collect();
        assert_eq!(seen, [(start + 4, true), (start + 5, false)]);
        // each change holds two of these, but for the first
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
            .map(|mark| store.count_indexed(mark))
        };
        assert_eq!(counts(&store), [1, 0, 1, 1, 1]);
        store.put(&key, pod("n", "api"));
        assert_eq!(counts(&store), [0, 1, 0, 1, 1]);
        store.remove(&key);
        assert_eq!(counts(&store), [0; 5]);
        assert!(store.index.is_empty(), "nothing is left of what is gone");
    }
}
