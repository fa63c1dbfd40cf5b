//! Create, update, patch and delete.
//!
//! Verbatim: Kubernetes API server

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::read::{ListOptions, ListResult};
use super::{ApiServer, ApiState, ObjectPath};
use crate::embedded::api_resources::ApiResource;
use crate::embedded::defaults;
use crate::embedded::json_fields::{
    entries, has_finalizers, is_finished, is_terminating, namespace, number, text, uid,
};
use crate::embedded::patch::{ApiPatchType, apply_patch};
use crate::embedded::schema;
use crate::embedded::status::{ApiStatus, success};
use crate::embedded::store::ObjectKey;

/// Metadata that only the server writes.
const SERVER_FIELDS: [&str; 6] =
    ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"];
/// The finalizers of foreground deletion and of orphaning.
pub(in crate::embedded) const FOREGROUND: &str = "foregroundDeletion";
pub(in crate::embedded) const ORPHAN: &str = "orphan";

/// The options of a write request.
#[derive(Clone, Debug, Default)]
pub(in crate::embedded) struct WriteOptions {
    pub(in crate::embedded) dry_run: bool,
    /// Write only the status.
    pub(in crate::embedded) status: bool,
}

/// The options of a delete request.
#[derive(Clone, Debug, Default)]
pub(in crate::embedded) struct DeleteOptions {
    /// Grace period in seconds; nothing for the default of the Pod.
    pub(in crate::embedded) grace_period: Option<i64>,
    /// Precondition.
    pub(in crate::embedded) uid: Option<String>,
    /// Precondition.
    pub(in crate::embedded) resource_version: Option<String>,
    /// `Background`, `Foreground` or `Orphan`.
    pub(in crate::embedded) propagation: Option<String>,
    pub(in crate::embedded) dry_run: bool,
}

impl DeleteOptions {
    /// Parses `DeleteOptions`.
    pub(in crate::embedded) fn parse(options: &Json) -> Result<Self, ApiStatus> {
        let text = |value: &Json| value.as_str().map(str::to_owned);
        let propagation = text(&options["propagationPolicy"]);
        if let Some(invalid) =
            propagation.as_deref().filter(|p| !["Background", "Foreground", "Orphan"].contains(p))
        {
            return Err(ApiStatus::bad_request(format!("invalid propagationPolicy: {invalid}")));
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

impl ApiServer {
    pub(in crate::embedded) fn create(
        &self,
        path: &ObjectPath,
        object: Json,
        options: &WriteOptions,
    ) -> Result<Json, ApiStatus> {
        Ok(path.to_requested_version(&*self.create_at(path, object, options)?))
    }

    /// Creates an object at the path that its own fields give.
    pub(in crate::embedded) fn create_object(&self, object: Json) -> Result<Arc<Json>, ApiStatus> {
        let path = ObjectPath { name: String::new(), ..self.locate(&object)? };
        self.create_at(&path, object, &WriteOptions::default())
    }

    fn create_at(
        &self,
        path: &ObjectPath,
        mut object: Json,
        options: &WriteOptions,
    ) -> Result<Arc<Json>, ApiStatus> {
        let mut state = self.lock();
        check_identity(path, &object)?;
        normalize(path, &mut object)?;
        let metadata = metadata_mut(&mut object);
        let text = |field: &str| metadata.get(field).map(text).unwrap_or_default().to_owned();
        if !text("resourceVersion").is_empty() {
            return Err(ApiStatus::bad_request("resourceVersion should not be set on objects to be created"));
        }
        let (mut name, prefix) = (text("name"), text("generateName"));
        if name.is_empty() && !prefix.is_empty() {
            name = state.generate_name(&prefix);
        }
        if name.is_empty() {
            let message = "Required value: name or generateName is required";
            return Err(ApiStatus::invalid_field(&path.kind, "", "metadata.name", message));
        }
        for field in SERVER_FIELDS {
            metadata.shift_remove(field);
        }
        metadata.insert("name".to_owned(), json!(name));
        metadata.insert("uid".to_owned(), json!(state.generate_uid()));
        metadata.insert("creationTimestamp".to_owned(), json!(self.now_text()));
        if path.kind.has_generation() {
            metadata.insert("generation".to_owned(), json!(1));
        }
        if path.kind.namespaced {
            metadata.insert("namespace".to_owned(), json!(path.namespace));
            check_namespace(&state, path, &name)?;
        }
        let key = ObjectPath { name, ..path.clone() }.key();
        if state.store.get(&key).is_some() {
            return Err(ApiStatus::already_exists(&path.kind, &key.name));
        }
        if path.kind.status && path.kind.name != "Node" {
            object.as_object_mut().map(|object| object.shift_remove("status"));
        }
        defaults::apply_defaults(&path.kind, &mut object);
        set_initial_state(&path.kind, &mut object, &mut state);
        let faults = defaults::validate(&path.kind, &object);
        if !faults.is_empty() {
            return Err(ApiStatus::invalid(&path.kind, &key.name, &faults));
        }
        if options.dry_run {
            return Ok(Arc::new(object));
        }
        Ok(store_object(&mut state, &path.kind, &key, object))
    }

    pub(in crate::embedded) fn update(
        &self,
        path: &ObjectPath,
        object: Json,
        options: &WriteOptions,
    ) -> Result<Json, ApiStatus> {
        let mut state = self.lock();
        check_identity(path, &object)?;
        replace_locked(&mut state, path, object, options)
    }

    /// Patches an object. Applying a missing object creates it.
    pub(in crate::embedded) fn patch(
        &self,
        path: &ObjectPath,
        format: ApiPatchType,
        patch: &Json,
        options: &WriteOptions,
    ) -> Result<Json, ApiStatus> {
        let mut state = self.lock();
        let Some(old) = state.store.get(&path.key()).cloned() else {
            drop(state);
            if format == ApiPatchType::Apply && !options.status {
                return self.create(path, patch.clone(), options);
            }
            return Err(ApiStatus::not_found(&path.kind, &path.name));
        };
        if format == ApiPatchType::Apply {
            check_identity(path, patch)?;
        }
        let new = apply_patch(&path.kind, format, &old, patch)?;
        replace_locked(&mut state, path, new, options)
    }

    /// Modifies an object on behalf of a controller, without defaults or validation. Returns whether the
    /// object exists.
    pub(in crate::embedded) fn modify(&self, key: &ObjectKey, change: impl FnOnce(&mut Json)) -> bool {
        let mut state = self.lock();
        let (Some(old), Some(kind)) =
            (state.store.get(key).cloned(), state.resources.find_by_resource(&key.resource).cloned())
        else {
            return false;
        };
        let mut new = Json::clone(&old);
        change(&mut new);
        bump_generation(&kind, &old, &mut new);
        if new != *old {
            store_object(&mut state, &kind, key, new);
        }
        true
    }

    /// Deletes an object. Returns the object or a `Status`, like the API server.
    pub(in crate::embedded) fn delete(
        &self,
        path: &ObjectPath,
        options: &DeleteOptions,
    ) -> Result<Json, ApiStatus> {
        self.delete_locked(&mut self.lock(), path, options)
    }

    /// Deletes all objects of a list.
    pub(in crate::embedded) fn delete_collection(
        &self,
        path: &ObjectPath,
        listing: &ListOptions,
        options: &DeleteOptions,
    ) -> Result<ListResult, ApiStatus> {
        let list = self.list(path, listing)?;
        for (key, _) in &list.items {
            let object_path =
                ObjectPath { namespace: key.namespace.clone(), name: key.name.clone(), ..path.clone() };
            // the object may be gone already
            let _ = self.delete(&object_path, options);
        }
        Ok(list)
    }

    pub(super) fn delete_locked(
        &self,
        state: &mut ApiState,
        path: &ObjectPath,
        options: &DeleteOptions,
    ) -> Result<Json, ApiStatus> {
        let key = path.key();
        let object =
            state.store.get(&key).cloned().ok_or_else(|| ApiStatus::not_found(&path.kind, &path.name))?;
        let metadata = &object["metadata"];
        for (what, expected, is) in [
            ("UID", &options.uid, &metadata["uid"]),
            ("ResourceVersion", &options.resource_version, &metadata["resourceVersion"]),
        ] {
            if let Some(expected) = expected.as_ref().filter(|expected| is != expected.as_str()) {
                return Err(ApiStatus::precondition_failed(&path.kind, &path.name, what, expected, text(is)));
            }
        }
        let is_namespace = path.kind.name == "Namespace";
        if is_namespace && matches!(path.name.as_str(), "default" | "kube-system") {
            return Err(ApiStatus::forbidden(&path.kind, &path.name, "this namespace may not be deleted"));
        }
        if options.dry_run {
            return Ok(path.to_requested_version(&object));
        }
        let mut leaving = Json::clone(&object);
        let grace = grace_seconds(&path.kind, &object, options.grace_period);
        let finalizer = match options.propagation.as_deref() {
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
        if grace == 0 && !has_finalizers(&leaving) && !is_namespace {
            let last = remove_object(state, &key);
            let returns_object =
                matches!(path.kind.name.as_str(), "Pod" | "ServiceAccount" | "PersistentVolumeClaim");
            return Ok(match last.filter(|_| returns_object) {
                Some(last) => path.to_requested_version(&last),
                None => success(&path.kind, &path.name, uid(&object)),
            });
        }
        // a shorter grace period replaces a longer one, never the reverse
        let already = metadata["deletionGracePeriodSeconds"].as_i64();
        if already.is_none_or(|already| grace < already) {
            leaving["metadata"]["deletionTimestamp"] = json!(self.text_after(grace));
            leaving["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
            if let Some(generation) = metadata["generation"].as_i64().filter(|_| already.is_none()) {
                leaving["metadata"]["generation"] = json!(generation + 1);
            }
        }
        if is_namespace {
            leaving["status"]["phase"] = json!("Terminating");
            let metadata = leaving["metadata"].as_object_mut();
            metadata.map(|metadata| metadata.shift_remove("deletionGracePeriodSeconds"));
        }
        let stored = if leaving == *object { object } else { state.put(&key, leaving) };
        Ok(path.to_requested_version(&stored))
    }
}

fn replace_locked(
    state: &mut ApiState,
    path: &ObjectPath,
    mut new: Json,
    options: &WriteOptions,
) -> Result<Json, ApiStatus> {
    let key = path.key();
    let old = state.store.get(&key).cloned().ok_or_else(|| ApiStatus::not_found(&path.kind, &path.name))?;
    normalize(path, &mut new)?;
    let before = &old["metadata"];
    let after = metadata_mut(&mut new);
    let submitted = |field: &str| after.get(field).map(text).unwrap_or_default();
    match submitted("resourceVersion") {
        "" if path.kind.custom => {
            let message = "Invalid value: 0x0: must be specified for an update";
            return Err(ApiStatus::invalid_field(
                &path.kind,
                &path.name,
                "metadata.resourceVersion",
                message,
            ));
        }
        "" => {}
        version if before["resourceVersion"] != version => {
            let message =
                "the object has been modified; please apply your changes to the latest version and try again";
            return Err(ApiStatus::conflict(&path.kind, &path.name, message));
        }
        _ => {}
    }
    if !submitted("uid").is_empty() && before["uid"] != submitted("uid") {
        return Err(ApiStatus::precondition_failed(
            &path.kind,
            &path.name,
            "UID",
            submitted("uid"),
            text(&before["uid"]),
        ));
    }
    if submitted("name") != path.name && !submitted("name").is_empty() {
        let (name, expected) = (submitted("name"), &path.name);
        let message =
            format!("the name of the object ({name}) does not match the name on the URL ({expected})");
        return Err(ApiStatus::bad_request(message));
    }
    for field in SERVER_FIELDS.iter().chain(&["name", "namespace", "resourceVersion"]) {
        match before.get(*field) {
            Some(value) => drop(after.insert((*field).to_owned(), value.clone())),
            None => drop(after.shift_remove(*field)),
        }
    }
    if options.status {
        // a status update changes only the status and the metadata
        for (field, value) in
            entries(&old).filter(|(field, _)| !matches!(field.as_str(), "status" | "metadata"))
        {
            new[field] = value.clone();
        }
    } else if path.kind.status {
        match old.get("status") {
            Some(status) => new["status"] = status.clone(),
            None => drop(new.as_object_mut().map(|new| new.shift_remove("status"))),
        }
    }
    if !options.status {
        if path.kind.name == "Namespace" {
            new["spec"] = old["spec"].clone();
        } else {
            defaults::apply_defaults(&path.kind, &mut new);
        }
        let mut faults = defaults::validate(&path.kind, &new);
        faults.extend(defaults::validate_immutable(&path.kind, &old, &new));
        if !faults.is_empty() {
            return Err(ApiStatus::invalid(&path.kind, &path.name, &faults));
        }
    }
    bump_generation(&path.kind, &old, &mut new);
    // keep the stored version, so that an update in another version changes nothing else
    new["apiVersion"] = old["apiVersion"].clone();
    if options.dry_run || new == *old {
        return Ok(path.to_requested_version(&new));
    }
    Ok(path.to_requested_version(&store_object(state, &path.kind, &key, new)))
}

/// Increments `metadata.generation` if the specification changed.
fn bump_generation(kind: &ApiResource, old: &Json, new: &mut Json) {
    if kind.has_generation() && new["spec"] != old["spec"] {
        new["metadata"]["generation"] = json!(number(&old["metadata"]["generation"]) + 1);
    }
}

/// Stores an object and applies its immediate consequences.
fn store_object(state: &mut ApiState, kind: &ApiResource, key: &ObjectKey, object: Json) -> Arc<Json> {
    let stored = state.put(key, object);
    if kind.name == "CustomResourceDefinition" {
        establish_definition(state, key, &stored);
    }
    if is_deletable(&stored) {
        remove_object(state, key);
    }
    stored
}

/// Returns the grace period of a deletion, in seconds.
fn grace_seconds(kind: &ApiResource, object: &Json, expected: Option<i64>) -> i64 {
    if kind.name != "Pod" || is_finished(object) || object["spec"]["nodeName"].is_null() {
        return 0;
    }
    expected.or_else(|| object["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(30).max(0)
}

/// Returns whether a terminating object has no finalizers left. Pods end by their own lifecycle.
fn is_deletable(object: &Json) -> bool {
    is_terminating(object)
        && !has_finalizers(object)
        && object["metadata"]["deletionGracePeriodSeconds"] == 0
        && object["kind"] != "Namespace"
}

/// Removes an object from the store.
pub(in crate::embedded) fn remove_object(state: &mut ApiState, key: &ObjectKey) -> Option<Arc<Json>> {
    let last = state.remove(key)?;
    if last["kind"] == "CustomResourceDefinition"
        && let Some(kind) = ApiResource::from_definition(&last)
    {
        let objects: Vec<_> = state.store.list(&kind.resource, "").map(|(key, _)| Arc::clone(key)).collect();
        for key in objects {
            state.remove(&key);
        }
        state.resources.undefine(&kind.resource);
    }
    Some(last)
}

/// Registers a custom kind, and sets the status of its definition.
fn establish_definition(state: &mut ApiState, key: &ObjectKey, definition: &Json) {
    let Some(kind) = ApiResource::from_definition(definition) else { return };
    state.resources.define(kind);
    let condition =
        |kind: &str| json!({"type": kind, "status": "True", "reason": "NoConflicts", "message": ""});
    let status = json!({
        "acceptedNames": definition["spec"]["names"],
        "conditions": [condition("NamesAccepted"), condition("Established")],
        "storedVersions": [definition["spec"]["versions"][0]["name"]],
    });
    if definition["status"] != status {
        let mut established = definition.clone();
        established["status"] = status;
        state.put(key, established);
    }
}

/// Sets the initial status and the allocated addresses of a new object.
fn set_initial_state(kind: &ApiResource, object: &mut Json, state: &mut ApiState) {
    match kind.name.as_str() {
        "Pod" if kind.group.is_empty() => {
            object["status"] = json!({"phase": "Pending", "qosClass": "BestEffort"});
        }
        "Service" if object["spec"]["clusterIP"].is_null() && object["spec"]["type"] != "ExternalName" => {
            let address = state.allocate_address("10.96");
            object["spec"]["clusterIP"] = json!(address);
            object["spec"]["clusterIPs"] = json!([address]);
            object["status"] = json!({"loadBalancer": {}});
        }
        _ => {}
    }
}

/// Returns the metadata, created if missing, without empty fields.
fn metadata_mut(object: &mut Json) -> &mut Map<String, Json> {
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        // remove empty values
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

/// Normalizes an object, and checks the types of its fields.
fn normalize(path: &ObjectPath, object: &mut Json) -> Result<(), ApiStatus> {
    if !object.is_object() {
        return Err(ApiStatus::bad_request("the body of the request is not an object"));
    }
    object["apiVersion"] = json!(path.kind.api_version(&path.version));
    object["kind"] = json!(path.kind.name);
    if path.kind.group == schema::EVENTS_GROUP {
        schema::rename_to_core_group(object);
    }
    schema::normalize_quantities(object);
    schema::check_types(&path.kind, object)
}

/// Checks that the identity in the body matches the URL.
fn check_identity(path: &ObjectPath, object: &Json) -> Result<(), ApiStatus> {
    if !object.is_object() {
        return Err(ApiStatus::bad_request("the body of the request is not an object"));
    }
    let expected = path.kind.api_version(&path.version);
    for (field, expected) in [("apiVersion", expected.as_str()), ("kind", path.kind.name.as_str())] {
        let value = text(&object[field]);
        if !value.is_empty() && value != expected {
            let message =
                format!("the {field} in the data ({value}) does not match the expected {field} ({expected})");
            return Err(ApiStatus::bad_request(message));
        }
    }
    let namespace = namespace(object);
    if !namespace.is_empty() && namespace != path.namespace && path.kind.namespaced {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(ApiStatus::bad_request(message));
    }
    Ok(())
}

/// Checks that the namespace exists and is not terminating.
fn check_namespace(state: &ApiState, path: &ObjectPath, name: &str) -> Result<(), ApiStatus> {
    let Some(kind) = state.resources.find_by_resource("/namespaces") else { return Ok(()) };
    match state.store.get(&ObjectKey::new("/namespaces", "", &path.namespace)) {
        None => Err(ApiStatus::not_found(kind, &path.namespace)),
        Some(namespace) if namespace["status"]["phase"] == "Terminating" => {
            let message = format!(
                "unable to create new content in namespace {} because it is being terminated",
                path.namespace
            );
            Err(ApiStatus::forbidden(&path.kind, name, &message))
        }
        Some(_) => Ok(()),
    }
}
