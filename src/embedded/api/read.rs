//! Getting, listing and watching. Floor 1.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::{Api, At};
use crate::embedded::selector::Selector;
use crate::embedded::status::Status;
use crate::embedded::store::{Change, Key};

/// How often a watch that asked for bookmarks is told how far it is.
const BOOKMARKS: Duration = Duration::from_secs(60);

/// Which objects of a kind are asked for.
#[derive(Clone, Debug, Default)]
pub(in crate::embedded) struct Listing {
    /// Which ones.
    pub(in crate::embedded) selector: Selector,
    /// How many at once; 0 for all.
    pub(in crate::embedded) limit: usize,
    /// Where the list goes on: what the last part said.
    pub(in crate::embedded) from: String,
}

impl Api {
    /// One object.
    pub(in crate::embedded) fn get(&self, at: &At) -> Result<Json, Status> {
        let state = self.lock();
        let object = state.store.get(&at.key()).ok_or_else(|| Status::not_found(&at.kind, &at.name))?;
        Ok(at.shown(object))
    }

    /// Objects of a kind.
    pub(in crate::embedded) fn list(&self, at: &At, listing: &Listing) -> Result<Json, Status> {
        let state = self.lock();
        let resource = &at.kind.resource;
        let (start, revision) = match listing.from.as_str() {
            "" => (Key::new(resource, &at.namespace, ""), state.store.revision()),
            from => resume(resource, from)?,
        };
        let mut found = state
            .store
            .after(start, resource, &at.namespace)
            .filter(|(_, object)| listing.selector.matches(object))
            .peekable();
        let limit = if listing.limit == 0 { usize::MAX } else { listing.limit };
        let mut items = Vec::new();
        let mut last = None;
        while let Some((key, object)) = found.next_if(|_| items.len() < limit) {
            let mut item = at.shown(object);
            // in a list what all have in common is said once
            if !at.kind.custom
                && let Some(item) = item.as_object_mut()
            {
                item.shift_remove("kind");
                item.shift_remove("apiVersion");
            }
            items.push(item);
            last = Some(key);
        }
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if let (Some(last), Some(_)) = (last, found.peek()) {
            metadata["continue"] = json!(resumption(revision, last));
            if listing.selector.is_everything() {
                metadata["remainingItemCount"] = json!(found.count());
            }
        }
        Ok(json!({
            "kind": format!("{}List", at.kind.name), "apiVersion": at.kind.api_version(&at.version),
            "metadata": metadata, "items": items,
        }))
    }

    /// What happens to objects of a kind from a revision on; from now on, after telling what there is, where no
    /// revision is given. One that is no longer known ends the watch with an event that says so.
    pub(in crate::embedded) fn watch(
        self: &Arc<Self>,
        at: At,
        selector: Selector,
        revision: &str,
        bookmarks: bool,
        timeout: Option<Duration>,
    ) -> Result<Watch, Status> {
        let asked: u64 = match revision {
            "" => 0,
            number => number.parse().map_err(|_| {
                Status::bad_request(format!("Invalid value: \"{number}\": resourceVersion: Invalid value"))
            })?,
        };
        let changed = self.changes();
        let mut ready = VecDeque::new();
        let mut seen = asked;
        if asked == 0 {
            let state = self.lock();
            seen = state.store.revision();
            let there = state.store.list(&at.kind.resource, &at.namespace);
            let there = there.filter(|(_, object)| selector.matches(object));
            ready.extend(there.map(|(_, object)| ("ADDED", at.shown(object))));
        }
        let now = Instant::now();
        Ok(Watch {
            api: Arc::clone(self),
            at,
            selector,
            changed,
            ready,
            seen,
            bookmark: bookmarks.then(|| now + BOOKMARKS),
            end: timeout.map(|timeout| now + timeout),
            over: false,
        })
    }
}

fn resumption(revision: u64, key: &Key) -> String {
    let document = json!({"rv": revision, "namespace": key.namespace, "name": key.name});
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(document.to_string())
}

fn resume(resource: &Arc<str>, text: &str) -> Result<(Key, u64), Status> {
    let read = || {
        let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let document: Json = serde_json::from_slice(&bytes).ok()?;
        let key = Key::new(resource, document["namespace"].as_str()?, document["name"].as_str()?);
        Some((key, document["rv"].as_u64()?))
    };
    read().ok_or_else(|| Status::bad_request(format!("continue key is not valid: {text}")))
}

/// A watch: events as they come.
pub(in crate::embedded) struct Watch {
    api: Arc<Api>,
    at: At,
    selector: Selector,
    changed: tokio::sync::watch::Receiver<u64>,
    ready: VecDeque<(&'static str, Json)>,
    seen: u64,
    bookmark: Option<Instant>,
    end: Option<Instant>,
    over: bool,
}

impl Watch {
    /// The next event: what happened, and the object; nothing when the watch is over.
    pub(in crate::embedded) async fn next(&mut self) -> Option<(&'static str, Json)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            self.changed.mark_unchanged();
            self.catch_up();
            if !self.ready.is_empty() || self.over {
                continue;
            }
            let first = [self.bookmark, self.end].into_iter().flatten().min();
            let wait = async {
                match first {
                    Some(first) => tokio::time::sleep_until(first).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = self.changed.changed() => {}
                () = wait => self.clock_struck(),
            }
        }
    }

    fn clock_struck(&mut self) {
        let now = Instant::now();
        self.over = self.end.is_some_and(|end| end <= now);
        if let Some(due) = self.bookmark.filter(|due| *due <= now || self.over) {
            self.bookmark = Some(due.max(now) + BOOKMARKS);
            let revision = self.seen.to_string();
            let object = json!({"metadata": {"resourceVersion": revision, "creationTimestamp": null}});
            self.ready.push_back(("BOOKMARK", self.at.shown(&object)));
        }
    }

    fn catch_up(&mut self) {
        let state = self.api.lock();
        match state.store.since(self.seen) {
            Ok(changes) => {
                // a revision of the future is waited for
                self.seen = self.seen.max(state.store.revision());
                drop(state);
                let events: Vec<_> = changes.iter().filter_map(|change| self.event(change)).collect();
                self.ready.extend(events);
            }
            Err(status) => {
                self.ready.push_back(("ERROR", status.to_json()));
                self.over = true;
            }
        }
    }

    /// What a change is to those who see only what the selector lets them see.
    fn event(&self, change: &Change) -> Option<(&'static str, Json)> {
        let Key { resource, namespace, .. } = &change.key;
        if *resource != self.at.kind.resource
            || (!self.at.namespace.is_empty() && *namespace != self.at.namespace)
        {
            return None;
        }
        let seen = |object: &Option<Arc<Json>>| {
            object.as_ref().filter(|object| self.selector.matches(object)).cloned()
        };
        let (what, object) = match (seen(&change.before), seen(&change.after)) {
            (None, None) => return None,
            (None, Some(object)) => ("ADDED", object),
            (Some(_), Some(object)) => ("MODIFIED", object),
            (Some(last), None) => {
                // what is no longer selected goes with the revision that took it out
                let mut last = Json::clone(&last);
                last["metadata"]["resourceVersion"] = json!(change.revision.to_string());
                ("DELETED", Arc::new(last))
            }
        };
        Some((what, self.at.shown(&object)))
    }
}
