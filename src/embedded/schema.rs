//! Checks the types of fields.
//!
//! A real API server decodes bodies into typed structures, and rejects others. The controllers rely on this: text
//! fields of stored objects are text, and lists are lists.
//!
//! Verbatim: Kubernetes API server

use k8s_openapi::api::{apps, batch, core, networking, policy};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::api_resources::ApiResource;
use super::status::ApiStatus;

/// Checks that an object matches the type of its kind. Other kinds only need valid metadata.
pub(super) fn check_types(kind: &ApiResource, object: &Json) -> Result<(), ApiStatus> {
    let fits = match (kind.group.as_str(), kind.name.as_str()) {
        ("", "Pod") => check_type::<core::v1::Pod>(object),
        ("", "Service") => check_type::<core::v1::Service>(object),
        ("", "Endpoints") => check_type::<core::v1::Endpoints>(object),
        ("", "Namespace") => check_type::<core::v1::Namespace>(object),
        ("", "Node") => check_type::<core::v1::Node>(object),
        ("", "ConfigMap") => check_type::<core::v1::ConfigMap>(object),
        ("", "Secret") => check_type::<core::v1::Secret>(object),
        ("", "ReplicationController") => check_type::<core::v1::ReplicationController>(object),
        ("apps", "Deployment") => check_type::<apps::v1::Deployment>(object),
        ("apps", "ReplicaSet") => check_type::<apps::v1::ReplicaSet>(object),
        ("apps", "StatefulSet") => check_type::<apps::v1::StatefulSet>(object),
        ("apps", "DaemonSet") => check_type::<apps::v1::DaemonSet>(object),
        ("batch", "Job") => check_type::<batch::v1::Job>(object),
        // `v1beta1` has the same fields
        ("policy", _) => {
            check_type::<policy::v1::PodDisruptionBudget>(&with_api_version(object, "policy/v1"))
        }
        ("networking.k8s.io", "NetworkPolicy") => check_type::<networking::v1::NetworkPolicy>(object),
        ("apiextensions.k8s.io", _) => check_type::<apiextensions::v1::CustomResourceDefinition>(object),
        _ => Ok(()),
    };
    let metadata =
        if object["metadata"].is_null() { Ok(()) } else { check_metadata_type(&object["metadata"]) };
    fits.and(metadata).map_err(|error| {
        let version = object["apiVersion"].as_str().and_then(|version| version.rsplit('/').next());
        let (version, name) = (version.unwrap_or_default(), &kind.name);
        ApiStatus::bad_request(format!(
            "{name} in version \"{version}\" cannot be handled as a {name}: {error}"
        ))
    })
}

fn check_type<'a, T: Deserialize<'a>>(object: &'a Json) -> Result<(), serde_json::Error> {
    T::deserialize(object).map(drop)
}

fn check_metadata_type(metadata: &Json) -> Result<(), serde_json::Error> {
    check_type::<meta::v1::ObjectMeta>(metadata)
}

fn with_api_version(object: &Json, api_version: &str) -> Json {
    let mut renamed = object.clone();
    if let Some(object) = renamed.as_object_mut() {
        object.insert("apiVersion".to_owned(), json!(api_version));
    }
    renamed
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
