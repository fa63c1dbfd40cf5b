//! Accessors for fields of JSON objects. Missing fields and fields of another type count as empty.

use serde_json::Value as Json;

/// Returns the text, or an empty one.
pub(super) fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

/// Returns the integer, or zero.
pub(super) fn number(value: &Json) -> i64 {
    value.as_i64().unwrap_or(0)
}

/// Converts a count to a JSON integer.
pub(super) fn to_i64(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Iterates over a list; other values count as empty.
pub(super) fn items(value: &Json) -> impl Iterator<Item = &Json> {
    value.as_array().into_iter().flatten()
}

/// Iterates over a list mutably; other values count as empty.
pub(super) fn items_mut(value: Option<&mut Json>) -> impl Iterator<Item = &mut Json> {
    value.and_then(Json::as_array_mut).into_iter().flatten()
}

/// Sets a field; null removes it.
pub(super) fn set(object: &mut Json, field: &str, value: Json) {
    match object.as_object_mut() {
        Some(object) if value.is_null() => drop(object.shift_remove(field)),
        _ => object[field] = value,
    }
}

/// Sets a list; an empty list removes the field.
pub(super) fn set_list(object: &mut Json, field: &str, list: Vec<Json>) {
    set(object, field, if list.is_empty() { Json::Null } else { Json::Array(list) });
}

/// Iterates over the entries of an object; other values count as empty.
pub(super) fn entries(value: &Json) -> impl Iterator<Item = (&String, &Json)> {
    value.as_object().into_iter().flatten()
}

/// Formats labels as a selector: `a=1,b=2`.
pub(super) fn format_labels(value: &Json) -> String {
    entries(value).map(|(name, value)| format!("{name}={}", text(value))).collect::<Vec<_>>().join(",")
}

pub(super) fn name(object: &Json) -> &str {
    text(&object["metadata"]["name"])
}

/// Returns the namespace; empty if the object has none.
pub(super) fn namespace(object: &Json) -> &str {
    text(&object["metadata"]["namespace"])
}

pub(super) fn uid(object: &Json) -> &str {
    text(&object["metadata"]["uid"])
}

/// Iterates over the owner references.
pub(super) fn owners(object: &Json) -> impl Iterator<Item = &Json> {
    items(&object["metadata"]["ownerReferences"])
}

/// Returns the owner reference of the controller.
pub(super) fn controller_owner(object: &Json) -> Option<&Json> {
    owners(object).find(|owner| owner["controller"] == true)
}

/// Returns whether the object has a deletion timestamp.
pub(super) fn is_terminating(object: &Json) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

pub(super) fn has_finalizers(object: &Json) -> bool {
    items(&object["metadata"]["finalizers"]).next().is_some()
}

/// Finds a condition in the status.
pub(super) fn condition<'a>(object: &'a Json, of: &str) -> Option<&'a Json> {
    items(&object["status"]["conditions"]).find(|one| one["type"] == of)
}

/// Returns whether a Pod or a Node is ready.
pub(super) fn is_ready(object: &Json) -> bool {
    condition(object, "Ready").is_some_and(|one| one["status"] == "True")
}

/// Returns whether all containers of a Pod have ended.
pub(super) fn is_finished(pod: &Json) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

pub(super) fn containers(pod: &Json) -> impl Iterator<Item = &Json> {
    items(&pod["spec"]["containers"])
}

/// Returns the number of a container port that is given by number or by name.
pub(super) fn resolve_port(pod: &Json, port: &Json) -> Option<u16> {
    let named = |name| {
        let mut all = containers(pod).flat_map(|one| items(&one["ports"]));
        all.find(|one| one["name"] == name).map(|one| number(&one["containerPort"]))
    };
    let number = if port.is_string() { named(port.clone())? } else { number(port) };
    u16::try_from(number).ok()
}
