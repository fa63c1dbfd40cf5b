//! The API server without the network: requests on objects, and their responses.

mod read;
mod rows;
mod subresource;
mod table;
mod write;

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::api_resources::{ApiResource, ApiResources};
use super::json_fields::{name, namespace};
use super::schema;
use super::status::ApiStatus;
use super::store::{ObjectKey, ObjectStore};
use super::work_queue::WorkQueue;
use crate::clock::Timestamp;
use crate::rng::SeededRng;

pub(super) use read::{ListOptions, ListResult, Watch};
pub(super) use subresource::{compute_budget_status, resolve_int_or_percent};
pub(super) use table::RequestedForm;
pub(super) use write::{DeleteOptions, FOREGROUND, ORPHAN, WriteOptions, remove_object};

/// The state of the API server. One lock guards it; no code waits while it holds the lock.
pub(super) struct ApiState {
    pub(super) store: ObjectStore,
    pub(super) queue: WorkQueue,
    pub(super) resources: ApiResources,
    /// The source of random UIDs and names.
    pub(super) rng: SeededRng,
    /// How many addresses of Services and Pods are in use.
    allocated_addresses: u32,
}

/// The API server.
pub(super) struct ApiServer {
    state: Mutex<ApiState>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// The object or collection that a request names.
#[derive(Clone, Debug)]
pub(super) struct ObjectPath {
    pub(super) kind: Arc<ApiResource>,
    pub(super) version: String,
    /// Empty for all namespaces and for cluster-scoped kinds.
    pub(super) namespace: String,
    /// Empty for a collection.
    pub(super) name: String,
}

impl ObjectPath {
    /// Returns the key of the object.
    pub(super) fn key(&self) -> ObjectKey {
        ObjectKey::new(Arc::clone(&self.kind.resource), &self.namespace, &self.name)
    }

    /// Returns the `apiVersion` of the request.
    pub(super) fn api_version(&self) -> String {
        self.kind.api_version(&self.version)
    }

    /// Returns the object in the version of the request.
    pub(super) fn to_requested_version(&self, object: &Json) -> Json {
        let mut converted = object.clone();
        converted["apiVersion"] = json!(self.api_version());
        converted["kind"] = json!(self.kind.name);
        if self.kind.group == schema::EVENTS_GROUP {
            schema::rename_to_events_group(&mut converted);
        }
        converted
    }
}

impl ApiServer {
    /// Creates an API server that has only the namespaces of every cluster.
    pub(super) fn new(seed: u64, clock: Arc<dyn Fn() -> Timestamp + Send + Sync>) -> Self {
        let state = ApiState {
            store: ObjectStore::default(),
            queue: WorkQueue::default(),
            resources: ApiResources::default(),
            rng: SeededRng::new(seed),
            allocated_addresses: 0,
        };
        let api = Self { state: Mutex::new(state), clock };
        for name in ["default", "kube-system"] {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            // a valid object: creation cannot fail
            drop(api.create_object(namespace));
        }
        api
    }

    /// Locks the state.
    pub(super) fn lock(&self) -> MutexGuard<'_, ApiState> {
        self.state.lock()
    }

    /// Returns a receiver of the current revision.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.lock().store.subscribe()
    }

    /// Returns the current time.
    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Returns the current time as objects show it: whole seconds in UTC.
    pub(super) fn now_text(&self) -> String {
        format_seconds(self.now())
    }

    /// Returns the time in some seconds, as objects show it.
    pub(super) fn text_after(&self, after: i64) -> String {
        let micros = self.now().as_seconds() * 1e6;
        #[allow(clippy::cast_possible_truncation)] // microseconds of this age fit
        format_seconds(Timestamp::from_micros(micros as i64 + after * 1_000_000))
    }

    /// Returns the path of an object from its own fields; the default namespace is `default`.
    pub(super) fn locate(&self, object: &Json) -> Result<ObjectPath, ApiStatus> {
        let (kind, version) =
            self.lock().resources.find_for_object(object).ok_or_else(ApiStatus::no_such_resource)?;
        let namespace = match namespace(object) {
            _ if !kind.namespaced => "",
            "" => "default",
            named => named,
        };
        Ok(ObjectPath { namespace: namespace.to_owned(), name: name(object).to_owned(), kind, version })
    }
}

fn format_seconds(time: Timestamp) -> String {
    format!("{}Z", &time.iso()[..19])
}

impl ApiState {
    /// Stores an object, and queues the work that follows.
    pub(super) fn put(&mut self, key: &ObjectKey, object: Json) -> Arc<Json> {
        let change = self.store.put(key, object);
        let stored = Arc::clone(&change.object);
        self.queue.enqueue(&self.store, change);
        stored
    }

    /// Removes an object, and queues the work that follows. Returns its last state.
    pub(super) fn remove(&mut self, key: &ObjectKey) -> Option<Arc<Json>> {
        let change = self.store.remove(key)?;
        let last = Arc::clone(&change.object);
        self.queue.enqueue(&self.store, change);
        Some(last)
    }

    /// Generates a UID.
    pub(super) fn generate_uid(&mut self) -> String {
        let mut digits = |digits: usize| {
            let number = self.rng.below(1 << 32);
            format!("{number:08x}")[..digits].to_owned()
        };
        format!("{}-{}-4{}-a{}-{}{}", digits(8), digits(4), digits(3), digits(3), digits(8), digits(4))
    }

    /// Generates a name with this prefix.
    pub(super) fn generate_name(&mut self, prefix: &str) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let letter = |lot: &mut SeededRng| char::from(LETTERS[lot.below(LETTERS.len())]);
        let ending: String = (0..5).map(|_| letter(&mut self.rng)).collect();
        format!("{prefix}{ending}")
    }

    /// Allocates an IP address. The caller gives the first two of the four numbers.
    pub(super) fn allocate_address(&mut self, network: &str) -> String {
        self.allocated_addresses += 1;
        format!("{network}.{}.{}", self.allocated_addresses / 254 % 256, self.allocated_addresses % 254 + 1)
    }
}
