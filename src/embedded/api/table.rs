//! The forms of objects in responses: whole, as table rows (`kubectl get`), or metadata only.

use std::borrow::Cow;

use serde_json::{Value as Json, json};

use super::ObjectPath;
use super::rows::ResourceTable;
use crate::clock::Timestamp;
use crate::embedded::json_fields::text;
use crate::embedded::schema::{EVENTS_GROUP, rename_to_events_group};
use crate::embedded::store::StoredObject;

/// The API version of tables and partial metadata.
const META: &str = "meta.k8s.io/v1";

/// The form of objects that a client asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::embedded) enum RequestedForm {
    #[default]
    Whole,
    Metadata,
    /// Table rows, each with its metadata.
    Table,
}

impl RequestedForm {
    /// Reads the form from the `Accept` header.
    pub(in crate::embedded) fn from_accept(accept: &str) -> Self {
        match accept.split(',').find(|one| one.contains("application/json")) {
            Some(first) if first.contains("as=Table") => Self::Table,
            Some(first) if first.contains("as=PartialObjectMetadata") => Self::Metadata,
            _ => Self::Whole,
        }
    }

    /// Converts an object to this form; a `Status` stays as it is.
    pub(in crate::embedded) fn format_object(self, object: Json, now: Timestamp) -> Json {
        match self {
            _ if object["kind"] == "Status" => object,
            Self::Whole => object,
            Self::Metadata => partial_metadata(&object),
            Self::Table => {
                let layout = ResourceTable::for_kind(text(&object["apiVersion"]), text(&object["kind"]));
                let mut table =
                    empty_table(layout, &json!({"resourceVersion": object["metadata"]["resourceVersion"]}));
                table["rows"] = json!([table_row(layout, &object, now)]);
                table
            }
        }
    }

    /// Formats a stored object in this form.
    pub(super) fn format_stored(self, path: &ObjectPath, stored: &str, now: Timestamp) -> String {
        if self == Self::Whole {
            return with_type_meta(path, &with_group_fields(path, stored));
        }
        let object = serde_json::from_str(stored).unwrap_or_default();
        self.format_object(path.to_requested_version(&object), now).to_string()
    }

    /// Formats a list in this form. Objects are formatted one by one, because a list may be large.
    pub(super) fn format_list<'a>(
        self,
        path: &ObjectPath,
        metadata: &Json,
        items: impl Iterator<Item = &'a StoredObject>,
        now: Timestamp,
    ) -> String {
        let (kind, api_version) = (format!("{}List", path.kind.name), path.api_version());
        let layout = ResourceTable::for_kind(&api_version, &path.kind.name);
        let (field, mut list) = match self {
            Self::Whole => ("items", json!({"kind": kind, "apiVersion": api_version, "metadata": metadata})),
            Self::Metadata => (
                "items",
                json!({"kind": "PartialObjectMetadataList", "apiVersion": META, "metadata": metadata}),
            ),
            Self::Table => ("rows", empty_table(layout, metadata)),
        };
        list[field] = json!([]);
        let mut text = list.to_string();
        // reopen the empty list, which is the last field
        text.truncate(text.len() - 2);
        for (index, stored) in items.enumerate() {
            if index > 0 {
                text.push(',');
            }
            match self {
                Self::Whole if path.kind.custom => text += &with_type_meta(path, &stored.text),
                // the list declares the type of its items once
                Self::Whole => text += &with_group_fields(path, &stored.text),
                Self::Metadata => text += &partial_metadata(&stored.tree).to_string(),
                Self::Table => text += &table_row(layout, &stored.tree, now).to_string(),
            }
        }
        text + "]}"
    }
}

/// Returns a stored object with the field names of the requested group.
fn with_group_fields<'a>(path: &ObjectPath, stored: &'a str) -> Cow<'a, str> {
    if path.kind.group != EVENTS_GROUP {
        return stored.into();
    }
    let mut event = serde_json::from_str(stored).unwrap_or_default();
    rename_to_events_group(&mut event);
    event.to_string().into()
}

/// Adds kind and API version to a stored object.
fn with_type_meta(path: &ObjectPath, stored: &str) -> String {
    let head = format!("{{\"kind\":{},\"apiVersion\":{},", json!(path.kind.name), json!(path.api_version()));
    head + stored.strip_prefix('{').unwrap_or_default()
}

fn partial_metadata(object: &Json) -> Json {
    json!({"kind": "PartialObjectMetadata", "apiVersion": META, "metadata": object["metadata"]})
}

fn table_row(layout: ResourceTable<'_>, object: &Json, now: Timestamp) -> Json {
    json!({"cells": layout.cells(object, now), "object": partial_metadata(object)})
}

/// Returns a table without rows.
fn empty_table(layout: ResourceTable<'_>, metadata: &Json) -> Json {
    json!({"kind": "Table", "apiVersion": META, "metadata": metadata, "columnDefinitions": layout.columns()})
}
