//! The four patch types.
//!
//! A strategic merge patch merges lists of objects by a key that depends on the type; the keys here are those of
//! workloads, Services and Nodes. Server-side apply works like such a merge: fields have no managers here. So nothing
//! conflicts, and fields that are missing in the patch stay.

use serde_json::{Map, Value as Json};

use super::api_resources::ApiResource;
use super::status::ApiStatus;
use crate::sort;

/// The type of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ApiPatchType {
    Json,
    Merge,
    Strategic,
    Apply,
}

impl ApiPatchType {
    /// Reads the type from the content type.
    pub(super) fn from_content_type(content_type: &str) -> Result<Self, ApiStatus> {
        const TAKEN: [&str; 4] = [
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/strategic-merge-patch+json",
            "application/apply-patch+yaml",
        ];
        match TAKEN
            .iter()
            .position(|taken| *taken == content_type.split(';').next().unwrap_or_default().trim())
        {
            Some(0) => Ok(Self::Json),
            Some(1) => Ok(Self::Merge),
            Some(2) => Ok(Self::Strategic),
            Some(_) => Ok(Self::Apply),
            None => Err(ApiStatus::unknown_media_type()),
        }
    }
}

/// Applies a patch to a copy of the object.
pub(super) fn apply_patch(
    kind: &ApiResource,
    format: ApiPatchType,
    object: &Json,
    patch: &Json,
) -> Result<Json, ApiStatus> {
    let mut patched = object.clone();
    match format {
        ApiPatchType::Json => {
            let changes: json_patch::Patch = serde_json::from_value(patch.clone())
                .map_err(|error| ApiStatus::bad_request(error.to_string()))?;
            json_patch::patch(&mut patched, &changes).map_err(|_| ApiStatus::unprocessable())?;
        }
        ApiPatchType::Merge => json_patch::merge(&mut patched, patch),
        // the types of custom resources declare no merge keys
        ApiPatchType::Strategic if kind.custom => {
            let supported = [
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/apply-patch+yaml",
            ];
            return Err(ApiStatus::unsupported_media_type(&supported));
        }
        ApiPatchType::Apply if kind.custom => json_patch::merge(&mut patched, patch),
        ApiPatchType::Strategic | ApiPatchType::Apply => merge_strategic(&mut patched, patch, ""),
    }
    Ok(patched)
}

/// Returns the key that identifies the items of a list; nothing for lists that are replaced.
fn merge_key(list: &str, items: &[Json]) -> Option<&'static str> {
    Some(match list {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "secrets" => "name",
        "volumeMounts" => "mountPath",
        "volumeDevices" => "devicePath",
        // Service ports merge by `port`, container ports by `containerPort`
        "ports" if items.iter().any(|item| item.get("containerPort").is_some()) => "containerPort",
        "ports" => "port",
        "conditions" | "addresses" => "type",
        "ownerReferences" => "uid",
        "hostAliases" => "ip",
        "topologySpreadConstraints" => "topologyKey",
        _ => return None,
    })
}

/// Returns whether the list of plain values merges as a set.
fn is_set_list(list: &str) -> bool {
    matches!(list, "finalizers" | "podCIDRs")
}

fn merge_strategic(target: &mut Json, patch: &Json, field: &str) {
    match (patch, &mut *target) {
        (Json::Object(changes), Json::Object(object)) => {
            if changes.get("$patch").is_some_and(|how| how == "replace") {
                *target = Json::Object(strip_directives(changes));
                return;
            }
            if changes.get("$patch").is_some_and(|how| how == "delete") {
                object.clear();
                return;
            }
            if let Some(retained) = changes.get("$retainKeys").and_then(Json::as_array) {
                object.retain(|name, _| retained.iter().any(|item| item == name));
            }
            for (name, removed) in changes {
                let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") else { continue };
                if let (Some(list), Some(removed)) =
                    (object.get_mut(list).and_then(Json::as_array_mut), removed.as_array())
                {
                    list.retain(|item| !removed.contains(item));
                }
            }
            for (name, value) in changes.iter().filter(|(name, _)| !name.starts_with('$')) {
                match object.get_mut(name) {
                    _ if value.is_null() => drop(object.shift_remove(name)),
                    Some(old) => merge_strategic(old, value, name),
                    None => drop(object.insert(name.clone(), strip_value(value))),
                }
            }
            for (name, order) in changes {
                let Some(list) = name.strip_prefix("$setElementOrder/") else { continue };
                if let (Some(items), Some(order)) =
                    (object.get_mut(list).and_then(Json::as_array_mut), order.as_array())
                {
                    reorder(items, order, list);
                }
            }
        }
        (Json::Array(changes), Json::Array(items)) => merge_lists(items, changes, field),
        _ => *target = strip_value(patch),
    }
}

fn merge_lists(items: &mut Vec<Json>, changes: &[Json], field: &str) {
    if changes.iter().any(|change| change["$patch"] == "replace") {
        *items = changes.iter().filter(|change| change.get("$patch").is_none()).map(strip_value).collect();
        return;
    }
    let Some(key) = merge_key(field, if changes.is_empty() { items } else { changes }) else {
        if is_set_list(field) {
            let new: Vec<Json> = changes.iter().filter(|change| !items.contains(change)).cloned().collect();
            items.extend(new);
        } else {
            *items = changes.iter().map(strip_value).collect();
        }
        return;
    };
    for change in changes {
        let is_same = |item: &Json| item[key] == change[key] && !change[key].is_null();
        if change["$patch"] == "delete" {
            items.retain(|item| !is_same(item));
        } else if let Some(item) = items.iter_mut().find(|item| is_same(item)) {
            merge_strategic(item, change, "");
        } else {
            items.push(strip_value(change));
        }
    }
}

/// Sorts a list in the given order; other items keep their place at the end.
fn reorder(items: &mut [Json], order: &[Json], list: &str) {
    let key = merge_key(list, items);
    let position_of = |item: &Json| {
        let is_same = |expected: &Json| match key {
            Some(key) => expected[key] == item[key],
            None => expected == item,
        };
        order.iter().position(is_same).unwrap_or(usize::MAX)
    };
    sort::sort_by_key(items, position_of);
}

fn strip_directives(object: &Map<String, Json>) -> Map<String, Json> {
    let retained = object.iter().filter(|(name, value)| !name.starts_with('$') && !value.is_null());
    retained.map(|(name, value)| (name.clone(), strip_value(value))).collect()
}

/// Removes the patch directives from a new value.
fn strip_value(value: &Json) -> Json {
    match value {
        Json::Object(object) => Json::Object(strip_directives(object)),
        Json::Array(items) => {
            items.iter().filter(|item| item["$patch"] != "delete").map(strip_value).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strategic_patch_merges_lists_by_key() {
        let check = |object: Json, patch: Json, expected: Json| {
            let mut merged = object;
            merge_strategic(&mut merged, &patch, "");
            assert_eq!(merged, expected, "{patch}");
        };
        check(
            json!({"containers": [{"name": "a", "image": "1"}, {"name": "b"}]}),
            json!({"containers": [{"name": "a", "image": "2"}, {"name": "c"}]}),
            json!({"containers": [{"name": "a", "image": "2"}, {"name": "b"}, {"name": "c"}]}),
        );
        check(
            json!({"containers": [{"name": "a"}, {"name": "b"}]}),
            json!({"containers": [{"name": "a", "$patch": "delete"}], "$setElementOrder/containers": [{"name": "b"}]}),
            json!({"containers": [{"name": "b"}]}),
        );
        check(
            json!({"ports": [{"port": 80, "targetPort": 1}]}),
            json!({"ports": [{"port": 80, "targetPort": 2}]}),
            json!({"ports": [{"port": 80, "targetPort": 2}]}),
        );
        check(json!({"args": ["a", "b"], "x": 1}), json!({"args": ["c"], "x": null}), json!({"args": ["c"]}));
        check(
            json!({"finalizers": ["a"]}),
            json!({"finalizers": ["b", "a"]}),
            json!({"finalizers": ["a", "b"]}),
        );
        check(
            json!({"finalizers": ["a", "b"]}),
            json!({"$deleteFromPrimitiveList/finalizers": ["a"]}),
            json!({"finalizers": ["b"]}),
        );
        check(
            json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}),
            json!({"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}),
            json!({"strategy": {"type": "Recreate"}}),
        );
        check(
            json!({"labels": {"a": "1"}}),
            json!({"labels": {"$patch": "replace", "b": "2"}}),
            json!({"labels": {"b": "2"}}),
        );
        check(json!({}), json!({"labels": {"a": null, "b": "2"}}), json!({"labels": {"b": "2"}}));
        check(
            json!({"conditions": [{"type": "Ready", "status": "True"}]}),
            json!({"conditions": [{"type": "Ready", "status": "False"}]}),
            json!({"conditions": [{"type": "Ready", "status": "False"}]}),
        );
    }

    #[test]
    fn patch_type_follows_content_type() {
        assert_eq!(
            ApiPatchType::from_content_type("application/merge-patch+json; charset=utf-8"),
            Ok(ApiPatchType::Merge)
        );
        assert_eq!(ApiPatchType::from_content_type("application/json").unwrap_err().code, 415);
    }
}
