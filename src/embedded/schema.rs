//! Whether objects have the types that they should have. Floor 1.
//!
//! A real API server reads bodies into structures, and refuses what does not fit. Everything else here relies on it:
//! what was stored has text where text belongs, and lists where lists do.

use k8s_openapi::api::{apps, batch, core, networking, policy};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::api_resources::ApiResource;
use super::status::ApiStatus;

/// Whether an object fits its kind; of kinds that are stored as they are, whether its metadata do.
pub(super) fn check(kind: &ApiResource, object: &Json) -> Result<(), ApiStatus> {
    let fits = match (kind.group.as_str(), kind.name.as_str()) {
        ("", "Pod") => fits::<core::v1::Pod>(object),
        ("", "Service") => fits::<core::v1::Service>(object),
        ("", "Endpoints") => fits::<core::v1::Endpoints>(object),
        ("", "Namespace") => fits::<core::v1::Namespace>(object),
        ("", "Node") => fits::<core::v1::Node>(object),
        ("", "ConfigMap") => fits::<core::v1::ConfigMap>(object),
        ("", "Secret") => fits::<core::v1::Secret>(object),
        ("", "ReplicationController") => fits::<core::v1::ReplicationController>(object),
        ("apps", "Deployment") => fits::<apps::v1::Deployment>(object),
        ("apps", "ReplicaSet") => fits::<apps::v1::ReplicaSet>(object),
        ("apps", "StatefulSet") => fits::<apps::v1::StatefulSet>(object),
        ("apps", "DaemonSet") => fits::<apps::v1::DaemonSet>(object),
        ("batch", "Job") => fits::<batch::v1::Job>(object),
        // in its older version it has the same fields
        ("policy", _) => fits::<policy::v1::PodDisruptionBudget>(&renamed(object, "policy/v1")),
        ("networking.k8s.io", "NetworkPolicy") => fits::<networking::v1::NetworkPolicy>(object),
        ("apiextensions.k8s.io", _) => fits::<apiextensions::v1::CustomResourceDefinition>(object),
        _ => Ok(()),
    };
    let metadata = if object["metadata"].is_null() { Ok(()) } else { fits_metadata(&object["metadata"]) };
    fits.and(metadata).map_err(|why| {
        let version = object["apiVersion"].as_str().and_then(|version| version.rsplit('/').next());
        let (version, name) = (version.unwrap_or_default(), &kind.name);
        ApiStatus::bad_request(format!(
            "{name} in version \"{version}\" cannot be handled as a {name}: {why}"
        ))
    })
}

fn fits<'a, T: Deserialize<'a>>(object: &'a Json) -> Result<(), String> {
    T::deserialize(object).map(drop).map_err(|error| error.to_string())
}

fn fits_metadata(metadata: &Json) -> Result<(), String> {
    fits::<meta::v1::ObjectMeta>(metadata)
}

fn renamed(object: &Json, api_version: &str) -> Json {
    let mut renamed = object.clone();
    if let Some(object) = renamed.as_object_mut() {
        object.insert("apiVersion".to_owned(), json!(api_version));
    }
    renamed
}

/// The group in which events have newer names for what is in them. They are kept under the older ones.
pub(super) const EVENTS: &str = "events.k8s.io";
/// The older name, and the newer one.
const RENAMED: [(&str, &str); 6] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// Gives an event its newer names.
pub(super) fn show_event(event: &mut Json) {
    for (old, new) in RENAMED {
        rename(event, old, new);
    }
}

/// Gives an event the names under which it is kept.
pub(super) fn settle_event(event: &mut Json) {
    for (old, new) in RENAMED {
        rename(event, new, old);
    }
}

fn rename(object: &mut Json, from: &str, to: &str) {
    if let Some(object) = object.as_object_mut()
        && let Some(value) = object.shift_remove(from)
    {
        object.insert(to.to_owned(), value);
    }
}

/// Writes amounts such as `cpu: 1` as text: both may be said, and text is what is kept.
pub(super) fn settle_amounts(value: &mut Json) {
    match value {
        Json::Object(object) => {
            for (name, value) in object.iter_mut() {
                if matches!(name.as_str(), "limits" | "requests")
                    && let Some(amounts) = value.as_object_mut()
                {
                    amounts_as_text(amounts);
                }
                settle_amounts(value);
            }
        }
        Json::Array(items) => items.iter_mut().for_each(settle_amounts),
        _ => {}
    }
}

fn amounts_as_text(amounts: &mut Map<String, Json>) {
    for amount in amounts.values_mut().filter(|amount| amount.is_number()) {
        *amount = json!(amount.to_string());
    }
}
