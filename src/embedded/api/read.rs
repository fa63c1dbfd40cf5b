//! Get, list and watch.
//!
//! Verbatim: Kubernetes API server

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::{ApiServer, ObjectPath, RequestedForm};
use crate::clock::Timestamp;
use crate::embedded::json_fields::text;
use crate::embedded::selector::LabelSelector;
use crate::embedded::status::ApiStatus;
use crate::embedded::store::{ObjectKey, StoreChange, StoredObject};

/// How often a watch sends a bookmark, if the client asked for bookmarks.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(60);

/// The options of a list request.
#[derive(Clone, Debug, Default)]
pub(in crate::embedded) struct ListOptions {
    pub(in crate::embedded) selector: LabelSelector,
    /// Page size; 0 for all.
    pub(in crate::embedded) limit: usize,
    /// The continue token of the previous page.
    pub(in crate::embedded) continue_token: String,
}

/// A list of objects at one revision.
#[derive(Debug)]
pub(in crate::embedded) struct ListResult {
    pub(in crate::embedded) path: ObjectPath,
    pub(in crate::embedded) metadata: Json,
    pub(in crate::embedded) items: Vec<(Arc<ObjectKey>, StoredObject)>,
}

impl ApiServer {
    /// Returns an object.
    pub(in crate::embedded) fn get(&self, path: &ObjectPath) -> Result<Json, ApiStatus> {
        let state = self.lock();
        let object =
            state.store.get(&path.key()).ok_or_else(|| ApiStatus::not_found(&path.kind, &path.name))?;
        Ok(path.to_requested_version(object))
    }

    /// Lists the objects of a kind.
    pub(in crate::embedded) fn list(
        &self,
        path: &ObjectPath,
        listing: &ListOptions,
    ) -> Result<ListResult, ApiStatus> {
        let state = self.lock();
        let (start, revision) = match listing.continue_token.as_str() {
            "" => {
                (ObjectKey::new(Arc::clone(&path.kind.resource), &path.namespace, ""), state.store.revision())
            }
            from => decode_continue(&path.kind.resource, from)?,
        };
        let is_selected =
            |(_, stored): &(&Arc<ObjectKey>, &StoredObject)| listing.selector.matches(&stored.tree);
        let mut selected = state.store.list_after(start, &path.namespace).filter(is_selected);
        let limit = if listing.limit == 0 { usize::MAX } else { listing.limit };
        let items: Vec<(Arc<ObjectKey>, StoredObject)> =
            selected.by_ref().take(limit).map(|(key, stored)| (Arc::clone(key), stored.clone())).collect();
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        let remaining = selected.count();
        if let Some((last, _)) = items.last().filter(|_| remaining > 0) {
            metadata["continue"] = json!(encode_continue(revision, last));
            if listing.selector.is_empty() {
                metadata["remainingItemCount"] = json!(remaining);
            }
        }
        Ok(ListResult { path: path.clone(), metadata, items })
    }

    /// Watches objects of a kind from a revision on. Without a revision, the watch starts with the existing
    /// objects. A revision that is too old ends the watch with an error event.
    pub(in crate::embedded) fn watch(
        self: &Arc<Self>,
        path: ObjectPath,
        selector: LabelSelector,
        revision: &str,
        bookmarks: bool,
        timeout: Option<Duration>,
    ) -> Result<Watch, ApiStatus> {
        let requested: u64 = match revision {
            "" => 0,
            number => number.parse().map_err(|_| {
                ApiStatus::bad_request(format!("Invalid value: \"{number}\": resourceVersion: Invalid value"))
            })?,
        };
        let changed = self.subscribe();
        let mut ready = VecDeque::new();
        let mut start = requested;
        if requested == 0 {
            let existing =
                self.list(&path, &ListOptions { selector: selector.clone(), ..ListOptions::default() })?;
            start = text(&existing.metadata["resourceVersion"]).parse().unwrap_or(0);
            ready.extend(
                existing.items.into_iter().map(|(_, stored)| ("ADDED", WatchPayload::Object(stored.text))),
            );
        }
        let now = Instant::now();
        Ok(Watch {
            api: Arc::clone(self),
            at: path,
            selector,
            changed,
            queued: ready,
            revision: start,
            bookmark: bookmarks.then(|| now + BOOKMARK_PERIOD),
            deadline: timeout.map(|timeout| now + timeout),
            has_ended: false,
        })
    }
}

fn encode_continue(revision: u64, key: &ObjectKey) -> String {
    let document = json!({"rv": revision, "namespace": key.namespace, "name": key.name});
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(document.to_string())
}

fn decode_continue(resource: &Arc<str>, text: &str) -> Result<(ObjectKey, u64), ApiStatus> {
    let read = || {
        let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let document: Json = serde_json::from_slice(&bytes).ok()?;
        let (namespace, name) = (document["namespace"].as_str()?, document["name"].as_str()?);
        Some((ObjectKey::new(Arc::clone(resource), namespace, name), document["rv"].as_u64()?))
    };
    read().ok_or_else(|| ApiStatus::bad_request(format!("continue key is not valid: {text}")))
}

/// A watch: a stream of events.
pub(in crate::embedded) struct Watch {
    api: Arc<ApiServer>,
    at: ObjectPath,
    selector: LabelSelector,
    changed: tokio::sync::watch::Receiver<u64>,
    queued: VecDeque<(&'static str, WatchPayload)>,
    revision: u64,
    bookmark: Option<Instant>,
    deadline: Option<Instant>,
    has_ended: bool,
}

/// The object of an event.
enum WatchPayload {
    /// A stored object of the kind.
    Object(Arc<str>),
    /// A bookmark or an error, complete.
    Other(Json),
}

impl Watch {
    /// Returns the next event in the requested form; nothing when the watch ends.
    pub(in crate::embedded) async fn next(&mut self, shape: RequestedForm) -> Option<String> {
        let (what, payload) = self.next_event().await?;
        let object = match payload {
            WatchPayload::Other(document) => document.to_string(),
            WatchPayload::Object(text) => shape.format_stored(&self.at, &text, self.api.now()),
        };
        Some(format!("{{\"type\":\"{what}\",\"object\":{object}}}\n"))
    }

    async fn next_event(&mut self) -> Option<(&'static str, WatchPayload)> {
        loop {
            if let Some(event) = self.queued.pop_front() {
                return Some(event);
            }
            if self.has_ended {
                return None;
            }
            self.changed.mark_unchanged();
            self.read_changes();
            if !self.queued.is_empty() || self.has_ended {
                continue;
            }
            let first = [self.bookmark, self.deadline].into_iter().flatten().min();
            let wait = async {
                match first {
                    Some(first) => tokio::time::sleep_until(first).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = self.changed.changed() => {}
                () = wait => self.handle_timer(),
            }
        }
    }

    fn handle_timer(&mut self) {
        let now = Instant::now();
        self.has_ended = self.deadline.is_some_and(|end| end <= now);
        if let Some(due) = self.bookmark.filter(|due| *due <= now || self.has_ended) {
            self.bookmark = Some(due.max(now) + BOOKMARK_PERIOD);
            let revision = self.revision.to_string();
            let object = json!({"metadata": {"resourceVersion": revision, "creationTimestamp": null}});
            self.queued.push_back(("BOOKMARK", WatchPayload::Other(self.at.to_requested_version(&object))));
        }
    }

    fn read_changes(&mut self) {
        let state = self.api.lock();
        match state.store.changes_since(self.revision) {
            Ok(changes) => {
                // the client may ask for a future revision
                self.revision = self.revision.max(state.store.revision());
                drop(state);
                let events: Vec<_> = changes.iter().filter_map(|change| self.event_for(change)).collect();
                self.queued.extend(events);
            }
            Err(status) => {
                self.queued.push_back(("ERROR", WatchPayload::Other(status.to_json())));
                self.has_ended = true;
            }
        }
    }

    /// Returns the event that a change is for a client that sees only selected objects.
    fn event_for(&self, change: &StoreChange) -> Option<(&'static str, WatchPayload)> {
        let ObjectKey { resource, namespace, .. } = &*change.key;
        if *resource != self.at.kind.resource
            || (!self.at.namespace.is_empty() && *namespace != self.at.namespace)
        {
            return None;
        }
        let read = |text: &str| serde_json::from_str::<Json>(text).unwrap_or_default();
        let is_meant = |text: &&Arc<str>| self.selector.is_empty() || self.selector.matches(&read(text));
        let (before, after) =
            (change.before.as_ref().filter(is_meant), change.after.as_ref().filter(is_meant));
        let (what, text) = match (before, after) {
            (None, None) => return None,
            (None, Some(text)) => ("ADDED", Arc::clone(text)),
            (Some(_), Some(text)) => ("MODIFIED", Arc::clone(text)),
            (Some(last), None) if change.after.is_none() => ("DELETED", Arc::clone(last)),
            (Some(last), None) => {
                // an object that the selector no longer matches is deleted at this revision
                let mut last = read(last);
                last["metadata"]["resourceVersion"] = json!(change.revision.to_string());
                ("DELETED", last.to_string().into())
            }
        };
        Some((what, WatchPayload::Object(text)))
    }
}

impl ListResult {
    /// Formats the list in the requested form.
    pub(in crate::embedded) fn format(&self, shape: RequestedForm, now: Timestamp) -> String {
        shape.format_list(&self.path, &self.metadata, self.items.iter().map(|(_, stored)| stored), now)
    }
}
