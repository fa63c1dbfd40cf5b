//! Fields of objects, as everything here reads them: what is not there, or is something else, is empty. Floor 1.

use serde_json::Value as Json;

/// A text.
pub(super) fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

/// A number.
pub(super) fn number(value: &Json) -> i64 {
    value.as_i64().unwrap_or(0)
}

/// How many, as a number.
pub(super) fn to_i64(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What is in a list.
pub(super) fn items(value: &Json) -> impl Iterator<Item = &Json> {
    value.as_array().into_iter().flatten()
}

/// What is in a list, to be changed.
pub(super) fn items_mut(value: Option<&mut Json>) -> impl Iterator<Item = &mut Json> {
    value.and_then(Json::as_array_mut).into_iter().flatten()
}

/// Sets a field of an object; one that would be empty is taken away.
pub(super) fn set(object: &mut Json, field: &str, value: Json) {
    match object.as_object_mut() {
        Some(object) if value.is_null() => drop(object.shift_remove(field)),
        _ => object[field] = value,
    }
}

/// Sets a list; an empty one is taken away.
pub(super) fn set_list(object: &mut Json, field: &str, list: Vec<Json>) {
    set(object, field, if list.is_empty() { Json::Null } else { Json::Array(list) });
}

/// The entries of an object: labels, above all.
pub(super) fn entries(value: &Json) -> impl Iterator<Item = (&String, &Json)> {
    value.as_object().into_iter().flatten()
}

/// Labels as they are written in selectors, with what stands between them.
pub(super) fn format_labels(value: &Json) -> String {
    entries(value).map(|(name, value)| format!("{name}={}", text(value))).collect::<Vec<_>>().join(",")
}

/// The name of an object.
pub(super) fn name(object: &Json) -> &str {
    text(&object["metadata"]["name"])
}

/// Its namespace; empty for what has none.
pub(super) fn namespace(object: &Json) -> &str {
    text(&object["metadata"]["namespace"])
}

/// Its UID.
pub(super) fn uid(object: &Json) -> &str {
    text(&object["metadata"]["uid"])
}

/// The owners that it names.
pub(super) fn owners(object: &Json) -> impl Iterator<Item = &Json> {
    items(&object["metadata"]["ownerReferences"])
}

/// The one of them that acts for it.
pub(super) fn controller_owner(object: &Json) -> Option<&Json> {
    owners(object).find(|owner| owner["controller"] == true)
}

/// Whether it is about to go.
pub(super) fn is_terminating(object: &Json) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// Whether something keeps it from going.
pub(super) fn has_finalizers(object: &Json) -> bool {
    items(&object["metadata"]["finalizers"]).next().is_some()
}

/// A condition in its status.
pub(super) fn condition<'a>(object: &'a Json, of: &str) -> Option<&'a Json> {
    items(&object["status"]["conditions"]).find(|one| one["type"] == of)
}

/// Whether a Pod or a Node is ready.
pub(super) fn is_ready(object: &Json) -> bool {
    condition(object, "Ready").is_some_and(|one| one["status"] == "True")
}

/// Whether a Pod has ended by itself.
pub(super) fn is_finished(pod: &Json) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// The containers of a Pod.
pub(super) fn containers(pod: &Json) -> impl Iterator<Item = &Json> {
    items(&pod["spec"]["containers"])
}

/// The number of a port of a Pod: it may be said by the name that a container gives it.
pub(super) fn resolve_port(pod: &Json, port: &Json) -> Option<u16> {
    let named = |name| {
        let mut all = containers(pod).flat_map(|one| items(&one["ports"]));
        all.find(|one| one["name"] == name).map(|one| number(&one["containerPort"]))
    };
    let number = if port.is_string() { named(port.clone())? } else { number(port) };
    u16::try_from(number).ok()
}
