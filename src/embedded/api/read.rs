//! Getting, listing and watching. Floor 1.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::{ApiServer, ObjectPath, Shape};
use crate::clock::Timestamp;
use crate::embedded::json_fields::text;
use crate::embedded::selector::LabelSelector;
use crate::embedded::status::ApiStatus;
use crate::embedded::store::{ObjectKey, StoreChange, StoredObject};

/// How often a watch that asked for bookmarks is told how far it is.
const BOOKMARKS: Duration = Duration::from_secs(60);

/// Which objects of a kind are asked for.
#[derive(Clone, Debug, Default)]
pub(in crate::embedded) struct Listing {
    /// Which ones.
    pub(in crate::embedded) selector: LabelSelector,
    /// How many at once; 0 for all.
    pub(in crate::embedded) limit: usize,
    /// Where the list goes on: what the last part said.
    pub(in crate::embedded) from: String,
}

/// Objects of a kind, as they were at one moment.
#[derive(Debug)]
pub(in crate::embedded) struct Listed {
    /// What was asked for.
    pub(in crate::embedded) at: ObjectPath,
    /// The metadata of the list.
    pub(in crate::embedded) metadata: Json,
    /// The objects.
    pub(in crate::embedded) items: Vec<(Arc<ObjectKey>, StoredObject)>,
}

impl ApiServer {
    /// One object.
    pub(in crate::embedded) fn get(&self, at: &ObjectPath) -> Result<Json, ApiStatus> {
        let state = self.lock();
        let object = state.store.get(&at.key()).ok_or_else(|| ApiStatus::not_found(&at.kind, &at.name))?;
        Ok(at.shown(object))
    }

    /// Objects of a kind.
    pub(in crate::embedded) fn list(&self, at: &ObjectPath, listing: &Listing) -> Result<Listed, ApiStatus> {
        let state = self.lock();
        let (start, revision) = match listing.from.as_str() {
            "" => (ObjectKey::new(Arc::clone(&at.kind.resource), &at.namespace, ""), state.store.revision()),
            from => resume(&at.kind.resource, from)?,
        };
        let meant = |(_, stored): &(&Arc<ObjectKey>, &StoredObject)| listing.selector.matches(&stored.tree);
        let mut found = state.store.after(start, &at.namespace).filter(meant);
        let limit = if listing.limit == 0 { usize::MAX } else { listing.limit };
        let items: Vec<(Arc<ObjectKey>, StoredObject)> =
            found.by_ref().take(limit).map(|(key, stored)| (Arc::clone(key), stored.clone())).collect();
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        let left = found.count();
        if let Some((last, _)) = items.last().filter(|_| left > 0) {
            metadata["continue"] = json!(resumption(revision, last));
            if listing.selector.is_everything() {
                metadata["remainingItemCount"] = json!(left);
            }
        }
        Ok(Listed { at: at.clone(), metadata, items })
    }

    /// What happens to objects of a kind from a revision on; from now on, after telling what there is, where no
    /// revision is given. One that is no longer known ends the watch with an event that says so.
    pub(in crate::embedded) fn watch(
        self: &Arc<Self>,
        at: ObjectPath,
        selector: LabelSelector,
        revision: &str,
        bookmarks: bool,
        timeout: Option<Duration>,
    ) -> Result<Watch, ApiStatus> {
        let asked: u64 = match revision {
            "" => 0,
            number => number.parse().map_err(|_| {
                ApiStatus::bad_request(format!("Invalid value: \"{number}\": resourceVersion: Invalid value"))
            })?,
        };
        let changed = self.changes();
        let mut ready = VecDeque::new();
        let mut seen = asked;
        if asked == 0 {
            let there = self.list(&at, &Listing { selector: selector.clone(), ..Listing::default() })?;
            seen = text(&there.metadata["resourceVersion"]).parse().unwrap_or(0);
            ready.extend(
                there.items.into_iter().map(|(_, stored)| ("ADDED", WatchEventKind::Object(stored.text))),
            );
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

fn resumption(revision: u64, key: &ObjectKey) -> String {
    let document = json!({"rv": revision, "namespace": key.namespace, "name": key.name});
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(document.to_string())
}

fn resume(resource: &Arc<str>, text: &str) -> Result<(ObjectKey, u64), ApiStatus> {
    let read = || {
        let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let document: Json = serde_json::from_slice(&bytes).ok()?;
        let (namespace, name) = (document["namespace"].as_str()?, document["name"].as_str()?);
        Some((ObjectKey::new(Arc::clone(resource), namespace, name), document["rv"].as_u64()?))
    };
    read().ok_or_else(|| ApiStatus::bad_request(format!("continue key is not valid: {text}")))
}

/// A watch: events as they come.
pub(in crate::embedded) struct Watch {
    api: Arc<ApiServer>,
    at: ObjectPath,
    selector: LabelSelector,
    changed: tokio::sync::watch::Receiver<u64>,
    ready: VecDeque<(&'static str, WatchEventKind)>,
    seen: u64,
    bookmark: Option<Instant>,
    end: Option<Instant>,
    over: bool,
}

/// What an event tells of.
enum WatchEventKind {
    /// An object of the kind, as it is kept.
    Object(Arc<str>),
    /// Something else, as it is sent.
    Other(Json),
}

impl Watch {
    /// The next event as it is sent, its object in this form; nothing when the watch is over.
    pub(in crate::embedded) async fn next(&mut self, shape: Shape) -> Option<String> {
        let (what, told) = self.event().await?;
        let object = match told {
            WatchEventKind::Other(document) => document.to_string(),
            WatchEventKind::Object(text) => shape.text(&self.at, &text, self.api.time()),
        };
        Some(format!("{{\"type\":\"{what}\",\"object\":{object}}}\n"))
    }

    async fn event(&mut self) -> Option<(&'static str, WatchEventKind)> {
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
            self.ready.push_back(("BOOKMARK", WatchEventKind::Other(self.at.shown(&object))));
        }
    }

    fn catch_up(&mut self) {
        let state = self.api.lock();
        match state.store.since(self.seen) {
            Ok(changes) => {
                // a revision of the future is waited for
                self.seen = self.seen.max(state.store.revision());
                drop(state);
                let events: Vec<_> = changes.iter().filter_map(|change| self.seen(change)).collect();
                self.ready.extend(events);
            }
            Err(status) => {
                self.ready.push_back(("ERROR", WatchEventKind::Other(status.to_json())));
                self.over = true;
            }
        }
    }

    /// What a change is to those who see only what the selector lets them see.
    fn seen(&self, change: &StoreChange) -> Option<(&'static str, WatchEventKind)> {
        let ObjectKey { resource, namespace, .. } = &*change.key;
        if *resource != self.at.kind.resource
            || (!self.at.namespace.is_empty() && *namespace != self.at.namespace)
        {
            return None;
        }
        let read = |text: &str| serde_json::from_str::<Json>(text).unwrap_or_default();
        let is_meant = |text: &&Arc<str>| self.selector.is_everything() || self.selector.matches(&read(text));
        let (before, after) =
            (change.before.as_ref().filter(is_meant), change.after.as_ref().filter(is_meant));
        let (what, text) = match (before, after) {
            (None, None) => return None,
            (None, Some(text)) => ("ADDED", Arc::clone(text)),
            (Some(_), Some(text)) => ("MODIFIED", Arc::clone(text)),
            (Some(last), None) if change.after.is_none() => ("DELETED", Arc::clone(last)),
            (Some(last), None) => {
                // what is no longer selected goes with the revision that took it out
                let mut last = read(last);
                last["metadata"]["resourceVersion"] = json!(change.revision.to_string());
                ("DELETED", last.to_string().into())
            }
        };
        Some((what, WatchEventKind::Object(text)))
    }
}

impl Listed {
    /// The list as it is sent, its objects in this form.
    pub(in crate::embedded) fn text(&self, shape: Shape, now: Timestamp) -> String {
        shape.list(&self.at, &self.metadata, self.items.iter().map(|(_, stored)| stored), now)
    }
}
