//! Checks the types of fields.
//!
//! A real API server decodes bodies into typed structures, and rejects others. The controllers rely on this: text
//! fields of stored objects are text, and lists are lists.
//!
//! Verbatim: Kubernetes API server

use serde_json::{Map, Value as Json, json};

use super::api_resources::ApiResource;
use super::field_types::check_type;
use super::status::ApiStatus;

/// Checks that an object matches the type of its kind. Other kinds only need valid metadata.
pub(super) fn check_types(kind: &ApiResource, object: &Json) -> Result<(), ApiStatus> {
    let checked = match (kind.group.as_str(), kind.name.as_str()) {
        ("", "Pod") => check_type("Pod", object),
        ("", "Service") => check_type("Service", object),
        ("", "Endpoints") => check_type("Endpoints", object),
        ("", "Namespace") => check_type("Namespace", object),
        ("", "Node") => check_type("Node", object),
        ("", "ConfigMap") => check_type("ConfigMap", object),
        ("", "Secret") => check_type("Secret", object),
        ("", "ReplicationController") => check_type("ReplicationController", object),
        ("apps", "Deployment") => check_type("Deployment", object),
        ("apps", "ReplicaSet") => check_type("ReplicaSet", object),
        ("apps", "StatefulSet") => check_type("StatefulSet", object),
        ("apps", "DaemonSet") => check_type("DaemonSet", object),
        ("batch", "Job") => check_type("Job", object),
        // `v1beta1` has the same fields
        ("policy", _) => check_type("PodDisruptionBudget", object),
        ("networking.k8s.io", "NetworkPolicy") => check_type("NetworkPolicy", object),
        ("apiextensions.k8s.io", _) => check_type("CustomResourceDefinition", object),
        _ => Ok(()),
    };
    let metadata = &object["metadata"];
    let checked_metadata = if metadata.is_null() { Ok(()) } else { check_type("ObjectMeta", metadata) };
    checked.and(checked_metadata).map_err(|error| {
        let version = object["apiVersion"].as_str().and_then(|version| version.rsplit('/').next());
        let (version, name) = (version.unwrap_or_default(), &kind.name);
        ApiStatus::bad_request(format!(
            "{name} in version \"{version}\" cannot be handled as a {name}: {error}"
        ))
    })
}

/// The group in which events have newer field names. Events are stored with the core names.
pub(super) const EVENTS_GROUP: &str = "events.k8s.io";
/// The core name and the newer name of each field.
const EVENT_FIELDS: [(&str, &str); 6] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// Renames the fields of an event to the newer names.
pub(super) fn rename_to_events_group(event: &mut Json) {
    for (old, new) in EVENT_FIELDS {
        rename_field(event, old, new);
    }
}

/// Renames the fields of an event to the stored names.
pub(super) fn rename_to_core_group(event: &mut Json) {
    for (old, new) in EVENT_FIELDS {
        rename_field(event, new, old);
    }
}

fn rename_field(object: &mut Json, from: &str, to: &str) {
    if let Some(object) = object.as_object_mut()
        && let Some(value) = object.shift_remove(from)
    {
        object.insert(to.to_owned(), value);
    }
}

/// Converts quantities such as `cpu: 1` to text, the form in which they are stored.
pub(super) fn normalize_quantities(value: &mut Json) {
    match value {
        Json::Object(object) => {
            for (name, value) in object.iter_mut() {
                if matches!(name.as_str(), "limits" | "requests")
                    && let Some(amounts) = value.as_object_mut()
                {
                    quantities_to_text(amounts);
                }
                normalize_quantities(value);
            }
        }
        Json::Array(items) => items.iter_mut().for_each(normalize_quantities),
        _ => {}
    }
}

fn quantities_to_text(amounts: &mut Map<String, Json>) {
    for amount in amounts.values_mut().filter(|amount| amount.is_number()) {
        *amount = json!(amount.to_string());
    }
}
