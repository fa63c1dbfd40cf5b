//! The API server: what may be asked of the objects, and what comes back. No network here. Floor 1.

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
use crate::clock::Timestamp;
use crate::rng::SeededRng;

pub(super) use read::{Listed, Listing, Watch};
pub(super) use subresource::{budget, share};
pub(super) use table::Shape;
pub(super) use write::{Deletion, FOREGROUND, ORPHAN, Writing, remove};

/// What the API server works on. Everything happens under one lock, and nothing waits while it is held.
pub(super) struct ApiState {
    /// The objects.
    pub(super) store: ObjectStore,
    /// The kinds that there are.
    pub(super) kinds: ApiResources,
    /// What is left to chance: UIDs, names that are made up.
    pub(super) lot: SeededRng,
    /// How many addresses of Services and Pods were given out.
    addresses: u32,
}

/// The API server.
pub(super) struct ApiServer {
    state: Mutex<ApiState>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// Which object or objects a request is about.
#[derive(Clone, Debug)]
pub(super) struct ObjectPath {
    /// The kind.
    pub(super) kind: Arc<ApiResource>,
    /// In which of its versions.
    pub(super) version: String,
    /// The namespace; empty for all, or for what has none.
    pub(super) namespace: String,
    /// The name; empty for all.
    pub(super) name: String,
}

impl ObjectPath {
    /// The key of the one object.
    pub(super) fn key(&self) -> ObjectKey {
        ObjectKey::new(Arc::clone(&self.kind.resource), &self.namespace, &self.name)
    }

    /// The version that is asked for, as objects have it.
    pub(super) fn api_version(&self) -> String {
        self.kind.api_version(&self.version)
    }

    /// An object of the kind, as this version shows it.
    pub(super) fn shown(&self, object: &Json) -> Json {
        let mut shown = object.clone();
        shown["apiVersion"] = json!(self.api_version());
        shown["kind"] = json!(self.kind.name);
        if self.kind.group == schema::EVENTS {
            schema::show_event(&mut shown);
        }
        shown
    }
}

impl ApiServer {
    /// An API server with nothing but the namespaces that every cluster has. The seed decides what is left to
    /// chance, the clock what time it is.
    pub(super) fn new(seed: u64, clock: Arc<dyn Fn() -> Timestamp + Send + Sync>) -> Self {
        let state = ApiState {
            store: ObjectStore::default(),
            kinds: ApiResources::default(),
            lot: SeededRng::new(seed),
            addresses: 0,
        };
        let api = Self { state: Mutex::new(state), clock };
        for name in ["default", "kube-system"] {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            // nothing of it can be wrong
            drop(api.create_object(namespace));
        }
        api
    }

    /// Everything, alone.
    pub(super) fn lock(&self) -> MutexGuard<'_, ApiState> {
        self.state.lock()
    }

    /// Says when something has changed.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.lock().store.watch()
    }

    /// What time it is.
    pub(super) fn time(&self) -> Timestamp {
        (self.clock)()
    }

    /// The time as objects have it: whole seconds, in UTC.
    pub(super) fn now(&self) -> String {
        seconds(self.time())
    }

    /// The time some seconds from now.
    pub(super) fn later(&self, after: i64) -> String {
        let micros = self.time().as_seconds() * 1e6;
        #[allow(clippy::cast_possible_truncation)] // microseconds of this age fit
        seconds(Timestamp::from_micros(micros as i64 + after * 1_000_000))
    }

    /// What and where an object says that it is; in `default` where it says nothing.
    pub(super) fn at(&self, object: &Json) -> Result<ObjectPath, ApiStatus> {
        let (kind, version) = self.lock().kinds.of(object).ok_or_else(ApiStatus::no_such_resource)?;
        let namespace = match namespace(object) {
            _ if !kind.namespaced => "",
            "" => "default",
            named => named,
        };
        Ok(ObjectPath { namespace: namespace.to_owned(), name: name(object).to_owned(), kind, version })
    }
}

fn seconds(time: Timestamp) -> String {
    format!("{}Z", &time.iso()[..19])
}

impl ApiState {
    /// A UID that nothing else has.
    pub(super) fn uid(&mut self) -> String {
        let mut part = |digits: usize| {
            let number = self.lot.below(1 << 32);
            format!("{number:08x}")[..digits].to_owned()
        };
        format!("{}-{}-4{}-a{}-{}{}", part(8), part(4), part(3), part(3), part(8), part(4))
    }

    /// A name that begins so, and that nothing else has.
    pub(super) fn name(&mut self, prefix: &str) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let letter = |lot: &mut SeededRng| char::from(LETTERS[lot.below(LETTERS.len())]);
        let ending: String = (0..5).map(|_| letter(&mut self.lot)).collect();
        format!("{prefix}{ending}")
    }

    /// An address in a network of 65,536 that nothing else has; the first two numbers are given.
    pub(super) fn address(&mut self, network: &str) -> String {
        self.addresses += 1;
        format!("{network}.{}.{}", self.addresses / 254 % 256, self.addresses % 254 + 1)
    }
}
