//! Creating, replacing, patching, deleting. Floor 1.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::read::Listing;
use super::{Api, At, State};
use crate::embedded::defaults;
use crate::embedded::kinds::Kind;
use crate::embedded::patch::{Format, patched};
use crate::embedded::shape;
use crate::embedded::status::{Status, success};
use crate::embedded::store::Key;

/// Metadata that only the server writes.
const OWN: [&str; 6] =
    ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"];
/// What keeps an object until its dependents are gone, or are let go.
pub(in crate::embedded) const FOREGROUND: &str = "foregroundDeletion";
pub(in crate::embedded) const ORPHAN: &str = "orphan";

/// How something is written.
#[derive(Clone, Debug, Default)]
pub(in crate::embedded) struct Writing {
    /// Only as if.
    pub(in crate::embedded) dry_run: bool,
    /// Only the part that is written by itself: `status`.
    pub(in crate::embedded) status: bool,
}

/// How something is deleted.
#[derive(Clone, Debug, Default)]
pub(in crate::embedded) struct Deletion {
    /// How long it has to end, in seconds; nothing for its own time.
    pub(in crate::embedded) grace_period: Option<i64>,
    /// The UID that it has to have.
    pub(in crate::embedded) uid: Option<String>,
    /// The resource version that it has to have.
    pub(in crate::embedded) resource_version: Option<String>,
    /// What becomes of what it owns: `Background`, `Foreground`, `Orphan`.
    pub(in crate::embedded) propagation: Option<String>,
    /// Only as if.
    pub(in crate::embedded) dry_run: bool,
}

impl Deletion {
    /// What a request's body says.
    pub(in crate::embedded) fn read(options: &Json) -> Result<Self, Status> {
        let text = |value: &Json| value.as_str().map(str::to_owned);
        let propagation = text(&options["propagationPolicy"]);
        if let Some(wrong) =
            propagation.as_deref().filter(|p| !["Background", "Foreground", "Orphan"].contains(p))
        {
            return Err(Status::bad_request(format!("invalid propagationPolicy: {wrong}")));
        }
        Ok(Self {
            grace_period: options["gracePeriodSeconds"].as_i64(),
            uid: text(&options["preconditions"]["uid"]),
            resource_version: text(&options["preconditions"]["resourceVersion"]),
            propagation,
            dry_run: options["dryRun"].as_array().is_some_and(|dry| !dry.is_empty()),
        })
    }
}

impl Api {
    /// Creates an object.
    pub(in crate::embedded) fn create(
        &self,
        at: &At,
        mut object: Json,
        how: &Writing,
    ) -> Result<Json, Status> {
        let mut state = self.lock();
        fits(at, &object)?;
        settled(at, &mut object)?;
        let metadata = metadata(&mut object);
        if metadata.get("resourceVersion").and_then(Json::as_str).is_some_and(|version| !version.is_empty()) {
            return Err(Status::bad_request("resourceVersion should not be set on objects to be created"));
        }
        let text = |field: &str| metadata.get(field).and_then(Json::as_str).unwrap_or_default().to_owned();
        let (mut name, prefix) = (text("name"), text("generateName"));
        if name.is_empty() && !prefix.is_empty() {
            name = state.name(&prefix);
        }
        if name.is_empty() {
            let why = "Required value: name or generateName is required".to_owned();
            return Err(Status::invalid(&at.kind, "", &[("metadata.name".to_owned(), why)]));
        }
        for field in OWN {
            metadata.shift_remove(field);
        }
        metadata.insert("name".to_owned(), json!(name));
        metadata.insert("uid".to_owned(), json!(state.uid()));
        metadata.insert("creationTimestamp".to_owned(), json!(self.now()));
        if at.kind.has_generation() {
            metadata.insert("generation".to_owned(), json!(1));
        }
        if at.kind.namespaced {
            metadata.insert("namespace".to_owned(), json!(at.namespace));
            lives_in(&state, at, &name)?;
        }
        let key = Key::new(&at.kind.resource, &at.namespace, &name);
        if state.store.get(&key).is_some() {
            return Err(Status::exists(&at.kind, &name));
        }
        if at.kind.status && at.kind.name != "Node" {
            object.as_object_mut().map(|object| object.shift_remove("status"));
        }
        object["apiVersion"] = json!(at.kind.api_version(&at.version));
        object["kind"] = json!(at.kind.name);
        defaults::fill(&at.kind, &mut object);
        begin(&at.kind, &mut object, &mut state);
        let faults = defaults::faults(&at.kind, &object);
        if !faults.is_empty() {
            return Err(Status::invalid(&at.kind, &name, &faults));
        }
        if how.dry_run {
            return Ok(at.shown(&object));
        }
        let stored = state.store.put(key, object);
        if at.kind.name == "CustomResourceDefinition" {
            define(&mut state, &stored);
        }
        self.tell(&state);
        Ok(at.shown(&stored))
    }

    /// Replaces an object.
    pub(in crate::embedded) fn update(&self, at: &At, object: Json, how: &Writing) -> Result<Json, Status> {
        let mut state = self.lock();
        fits(at, &object)?;
        self.replace(&mut state, at, object, how)
    }

    /// Changes an object. One that is applied and is not there is created.
    pub(in crate::embedded) fn patch(
        &self,
        at: &At,
        format: Format,
        patch: &Json,
        how: &Writing,
    ) -> Result<Json, Status> {
        let mut state = self.lock();
        let Some(old) = state.store.get(&at.key()).cloned() else {
            drop(state);
            if format == Format::Apply && !how.status {
                return self.create(at, patch.clone(), how);
            }
            return Err(Status::not_found(&at.kind, &at.name));
        };
        if format == Format::Apply {
            fits(at, patch)?;
        }
        let new = patched(&at.kind, format, &old, patch)?;
        self.replace(&mut state, at, new, how)
    }

    fn replace(&self, state: &mut State, at: &At, mut new: Json, how: &Writing) -> Result<Json, Status> {
        let old = state.store.get(&at.key()).cloned().ok_or_else(|| Status::not_found(&at.kind, &at.name))?;
        let modified =
            "the object has been modified; please apply your changes to the latest version and try again";
        settled(at, &mut new)?;
        let before = &old["metadata"];
        let after = metadata(&mut new);
        let text = |field: &str| after.get(field).and_then(Json::as_str).unwrap_or_default();
        match text("resourceVersion") {
            "" if at.kind.custom => {
                let why = "Invalid value: 0x0: must be specified for an update".to_owned();
                return Err(Status::invalid(
                    &at.kind,
                    &at.name,
                    &[("metadata.resourceVersion".to_owned(), why)],
                ));
            }
            "" => {}
            version if before["resourceVersion"] != version => {
                return Err(Status::conflict(&at.kind, &at.name, modified));
            }
            _ => {}
        }
        if !text("uid").is_empty() && before["uid"] != text("uid") {
            let why = format!(
                "Precondition failed: UID in precondition: {}, UID in object meta: {}",
                text("uid"),
                before["uid"].as_str().unwrap_or_default()
            );
            return Err(Status::conflict(&at.kind, &at.name, &why));
        }
        if text("name") != at.name && !text("name").is_empty() {
            let why = format!(
                "the name of the object ({}) does not match the name on the URL ({})",
                text("name"),
                at.name
            );
            return Err(Status::bad_request(why));
        }
        for field in OWN.iter().chain(&["name", "namespace", "resourceVersion"]) {
            match before.get(*field) {
                Some(value) => drop(after.insert((*field).to_owned(), value.clone())),
                None => drop(after.shift_remove(*field)),
            }
        }
        new["apiVersion"] = json!(at.kind.api_version(&at.version));
        new["kind"] = json!(at.kind.name);
        if how.status {
            // everything but the status, and what labels it, stays
            for (field, value) in old.as_object().into_iter().flatten() {
                if field != "status" && field != "metadata" {
                    new[field] = value.clone();
                }
            }
        } else if at.kind.status {
            match old.get("status") {
                Some(status) => new["status"] = status.clone(),
                None => drop(new.as_object_mut().map(|new| new.shift_remove("status"))),
            }
        }
        if !how.status {
            if at.kind.name == "Namespace" {
                new["spec"] = old["spec"].clone();
            } else {
                defaults::fill(&at.kind, &mut new);
            }
            let mut faults = defaults::faults(&at.kind, &new);
            faults.extend(defaults::fixed(&at.kind, &old, &new));
            if !faults.is_empty() {
                return Err(Status::invalid(&at.kind, &at.name, &faults));
            }
        }
        if at.kind.has_generation() && new["spec"] != old["spec"] {
            new["metadata"]["generation"] = json!(before["generation"].as_i64().unwrap_or(0) + 1);
        }
        // stored under one version, so that another one changes nothing by itself
        new["apiVersion"] = old["apiVersion"].clone();
        if how.dry_run || new == *old {
            return Ok(at.shown(&new));
        }
        let stored = state.store.put(at.key(), new);
        if at.kind.name == "CustomResourceDefinition" {
            define(state, &stored);
        }
        if is_let_go(&stored) {
            remove(state, &at.key());
        }
        self.tell(state);
        Ok(at.shown(&stored))
    }

    /// Deletes an object. Gives what the server answers: the object, or that it is gone.
    pub(in crate::embedded) fn delete(&self, at: &At, how: &Deletion) -> Result<Json, Status> {
        let mut state = self.lock();
        let gone = self.delete_within(&mut state, at, how)?;
        self.tell(&state);
        Ok(gone)
    }

    /// Deletes all objects that are listed.
    pub(in crate::embedded) fn delete_all(
        &self,
        at: &At,
        listing: &Listing,
        how: &Deletion,
    ) -> Result<Json, Status> {
        let mut list = self.list(at, listing)?;
        for item in list["items"].as_array_mut().into_iter().flatten() {
            let one =
                At { name: item["metadata"]["name"].as_str().unwrap_or_default().to_owned(), ..at.clone() };
            // what went by itself in the meantime is gone as well
            let _ = self.delete(&one, how);
        }
        Ok(list)
    }

    pub(super) fn delete_within(&self, state: &mut State, at: &At, how: &Deletion) -> Result<Json, Status> {
        let key = at.key();
        let object = state.store.get(&key).cloned().ok_or_else(|| Status::not_found(&at.kind, &at.name))?;
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        for (what, asked, is) in [
            ("UID", &how.uid, uid),
            (
                "ResourceVersion",
                &how.resource_version,
                object["metadata"]["resourceVersion"].as_str().unwrap_or_default(),
            ),
        ] {
            if let Some(asked) = asked.as_ref().filter(|asked| *asked != is) {
                let why = format!(
                    "Precondition failed: {what} in precondition: {asked}, {what} in object meta: {is}"
                );
                return Err(Status::conflict(&at.kind, &at.name, &why));
            }
        }
        if at.kind.name == "Namespace" && matches!(at.name.as_str(), "default" | "kube-system") {
            return Err(Status::forbidden(&at.kind, &at.name, "this namespace may not be deleted"));
        }
        if how.dry_run {
            return Ok(at.shown(&object));
        }
        let mut leaving = Json::clone(&object);
        let grace = grace(&at.kind, &object, how.grace_period);
        let finalizer = match how.propagation.as_deref() {
            Some("Foreground") => Some(FOREGROUND),
            Some("Orphan") => Some(ORPHAN),
            _ => None,
        };
        if let Some(finalizer) = finalizer {
            let finalizers = &mut leaving["metadata"]["finalizers"];
            match finalizers.as_array_mut() {
                Some(list) if list.iter().any(|one| one == finalizer) => {}
                Some(list) => list.push(json!(finalizer)),
                None => *finalizers = json!([finalizer]),
            }
        }
        let held = !leaving["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty);
        let is_namespace = at.kind.name == "Namespace";
        if grace == 0 && !held && !is_namespace {
            let last = remove(state, &key);
            let whole = matches!(at.kind.name.as_str(), "Pod" | "ServiceAccount" | "PersistentVolumeClaim");
            return Ok(match last.filter(|_| whole) {
                Some(last) => at.shown(&last),
                None => success(&at.kind, &at.name, uid),
            });
        }
        // a shorter time takes the place of a longer one, and never the other way round
        let already = leaving["metadata"]["deletionGracePeriodSeconds"].as_i64();
        if already.is_none_or(|already| grace < already) {
            leaving["metadata"]["deletionTimestamp"] = json!(self.later(grace));
            leaving["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
            if let Some(generation) = leaving["metadata"]["generation"].as_i64().filter(|_| already.is_none())
            {
                leaving["metadata"]["generation"] = json!(generation + 1);
            }
        }
        if is_namespace {
            leaving["status"]["phase"] = json!("Terminating");
            leaving["metadata"]
                .as_object_mut()
                .map(|metadata| metadata.shift_remove("deletionGracePeriodSeconds"));
        }
        let stored = if leaving == *object { object } else { state.store.put(key, leaving) };
        Ok(at.shown(&stored))
    }
}

/// How long an object has to end.
fn grace(kind: &Kind, object: &Json, asked: Option<i64>) -> i64 {
    let over = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if kind.name != "Pod" || over || object["spec"]["nodeName"].is_null() {
        return 0;
    }
    asked.or_else(|| object["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(30).max(0)
}

/// Whether an object only waited for its finalizers, and has none any more. Pods end in their own time.
pub(in crate::embedded) fn is_let_go(object: &Json) -> bool {
    let metadata = &object["metadata"];
    let waits = metadata["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty());
    !metadata["deletionTimestamp"].is_null()
        && !waits
        && metadata["deletionGracePeriodSeconds"].as_i64() == Some(0)
        && object["kind"] != "Namespace"
}

/// Takes an object away for good.
pub(in crate::embedded) fn remove(state: &mut State, key: &Key) -> Option<Arc<Json>> {
    let last = state.store.remove(key)?;
    if last["kind"] == "CustomResourceDefinition"
        && let Some(kind) = Kind::of_definition(&last)
    {
        let there: Vec<Key> = state.store.list(&kind.resource, "").map(|(key, _)| key.clone()).collect();
        for key in there {
            state.store.remove(&key);
        }
        state.kinds.forget(&kind.resource);
    }
    Some(last)
}

/// Takes a custom definition over, and says in its status that it is.
fn define(state: &mut State, definition: &Json) {
    let Some(kind) = Kind::of_definition(definition) else { return };
    state.kinds.define(kind);
    let condition =
        |kind: &str| json!({"type": kind, "status": "True", "reason": "NoConflicts", "message": ""});
    let mut established = definition.clone();
    let status = json!({
        "acceptedNames": definition["spec"]["names"],
        "conditions": [condition("NamesAccepted"), condition("Established")],
        "storedVersions": [definition["spec"]["versions"][0]["name"]],
    });
    if established["status"] == status {
        return;
    }
    established["status"] = status;
    let name = definition["metadata"]["name"].as_str().unwrap_or_default();
    if let Some(kind) = state.kinds.of_resource("apiextensions.k8s.io/customresourcedefinitions") {
        let key = Key::new(&kind.resource, "", name);
        state.store.put(key, established);
    }
}

/// What a new object begins with that depends on chance: addresses.
fn begin(kind: &Kind, object: &mut Json, state: &mut State) {
    match kind.name.as_str() {
        "Pod" if kind.group.is_empty() => {
            object["status"] = json!({"phase": "Pending", "qosClass": "BestEffort"});
        }
        "Service" if object["spec"]["clusterIP"].is_null() && object["spec"]["type"] != "ExternalName" => {
            let address = state.address("10.96");
            object["spec"]["clusterIP"] = json!(address);
            object["spec"]["clusterIPs"] = json!([address]);
            object["status"] = json!({"loadBalancer": {}});
        }
        _ => {}
    }
}

/// The metadata of an object, which it has from here on.
fn metadata(object: &mut Json) -> &mut Map<String, Json> {
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        // what is empty is left out
        let is_empty = |value: &Json| match value {
            Json::Object(map) => map.is_empty(),
            Json::Array(list) => list.is_empty(),
            value => value.is_null(),
        };
        metadata.retain(|_, value| !is_empty(value));
    }
    match &mut object["metadata"] {
        Json::Object(metadata) => metadata,
        _ => unreachable!("it was made an object"),
    }
}

/// Brings an object into the one form that it may have, and refuses it when it cannot have it.
fn settled(at: &At, object: &mut Json) -> Result<(), Status> {
    if !object.is_object() {
        return Err(Status::bad_request("the body of the request is not an object"));
    }
    object["apiVersion"] = json!(at.kind.api_version(&at.version));
    object["kind"] = json!(at.kind.name);
    if at.kind.group == shape::EVENTS {
        shape::settle_event(object);
    }
    shape::settle_amounts(object);
    shape::check(&at.kind, object)
}

/// Whether a body is of the kind that the address says.
fn fits(at: &At, object: &Json) -> Result<(), Status> {
    if !object.is_object() {
        return Err(Status::bad_request("the body of the request is not an object"));
    }
    let expected = at.kind.api_version(&at.version);
    for (field, expected) in [("apiVersion", expected.as_str()), ("kind", at.kind.name.as_str())] {
        let given = object[field].as_str().unwrap_or_default();
        if !given.is_empty() && given != expected {
            let why =
                format!("the {field} in the data ({given}) does not match the expected {field} ({expected})");
            return Err(Status::bad_request(why));
        }
    }
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    if !namespace.is_empty() && namespace != at.namespace && at.kind.namespaced {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(why));
    }
    Ok(())
}

/// Whether there is a namespace for a new object, that will stay.
fn lives_in(state: &State, at: &At, name: &str) -> Result<(), Status> {
    let Some(kind) = state.kinds.of_resource("/namespaces") else { return Ok(()) };
    match state.store.get(&Key::new(&kind.resource, "", &at.namespace)) {
        None => Err(Status::not_found(kind, &at.namespace)),
        Some(namespace) if namespace["status"]["phase"] == "Terminating" => {
            let why = format!(
                "unable to create new content in namespace {} because it is being terminated",
                at.namespace
            );
            Err(Status::forbidden(&at.kind, name, &why))
        }
        Some(_) => Ok(()),
    }
}
