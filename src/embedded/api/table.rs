//! Objects as they are sent: whole, as tables the way `kubectl get` asks for them, as metadata alone. Floor 1.

use std::borrow::Cow;

use serde_json::{Value as Json, json};

use super::ObjectPath;
use super::rows::ResourceTable;
use crate::clock::Timestamp;
use crate::embedded::json_fields::text;
use crate::embedded::schema::{EVENTS, show_event};
use crate::embedded::store::StoredObject;

/// The API version of tables and of metadata.
const META: &str = "meta.k8s.io/v1";

/// In which form objects are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::embedded) enum Shape {
    /// As they are.
    #[default]
    Whole,
    /// Their metadata.
    Metadata,
    /// As rows of a table; each with its metadata.
    Table,
}

impl Shape {
    /// By what a request accepts.
    pub(in crate::embedded) fn of(accept: &str) -> Self {
        match accept.split(',').find(|one| one.contains("application/json")) {
            Some(first) if first.contains("as=Table") => Self::Table,
            Some(first) if first.contains("as=PartialObjectMetadata") => Self::Metadata,
            _ => Self::Whole,
        }
    }

    /// One object in this form, or what was answered in place of one.
    pub(in crate::embedded) fn object(self, object: Json, now: Timestamp) -> Json {
        match self {
            _ if object["kind"] == "Status" => object,
            Self::Whole => object,
            Self::Metadata => metadata_of(&object),
            Self::Table => {
                let shown = ResourceTable::of(text(&object["apiVersion"]), text(&object["kind"]));
                let mut table =
                    table(shown, &json!({"resourceVersion": object["metadata"]["resourceVersion"]}));
                table["rows"] = json!([row(shown, &object, now)]);
                table
            }
        }
    }

    /// One object as it is kept, in this form.
    pub(super) fn text(self, at: &ObjectPath, kept: &str, now: Timestamp) -> String {
        if self == Self::Whole {
            return whole(at, &told(at, kept));
        }
        let object = serde_json::from_str(kept).unwrap_or_default();
        self.object(at.shown(&object), now).to_string()
    }

    /// A list in this form. Its objects are written one after the other: together they may be many.
    pub(super) fn list<'a>(
        self,
        at: &ObjectPath,
        metadata: &Json,
        items: impl Iterator<Item = &'a StoredObject>,
        now: Timestamp,
    ) -> String {
        let (kind, api_version) = (format!("{}List", at.kind.name), at.api_version());
        let shown = ResourceTable::of(&api_version, &at.kind.name);
        let (field, mut list) = match self {
            Self::Whole => ("items", json!({"kind": kind, "apiVersion": api_version, "metadata": metadata})),
            Self::Metadata => (
                "items",
                json!({"kind": "PartialObjectMetadataList", "apiVersion": META, "metadata": metadata}),
            ),
            Self::Table => ("rows", table(shown, metadata)),
        };
        list[field] = json!([]);
        let mut written = list.to_string();
        // up to the end of the empty list, which stands last
        written.truncate(written.len() - 2);
        for (index, stored) in items.enumerate() {
            if index > 0 {
                written.push(',');
            }
            match self {
                Self::Whole if at.kind.custom => written += &whole(at, &stored.text),
                // what all have in common is said once
                Self::Whole => written += &told(at, &stored.text),
                Self::Metadata => written += &metadata_of(&stored.tree).to_string(),
                Self::Table => written += &row(shown, &stored.tree, now).to_string(),
            }
        }
        written + "]}"
    }
}

/// An object as it is kept, with the names that its group has for what is in it.
fn told<'a>(at: &ObjectPath, kept: &'a str) -> Cow<'a, str> {
    if at.kind.group != EVENTS {
        return kept.into();
    }
    let mut event = serde_json::from_str(kept).unwrap_or_default();
    show_event(&mut event);
    event.to_string().into()
}

/// An object with its kind and version.
fn whole(at: &ObjectPath, kept: &str) -> String {
    let head = format!("{{\"kind\":{},\"apiVersion\":{},", json!(at.kind.name), json!(at.api_version()));
    head + kept.strip_prefix('{').unwrap_or_default()
}

fn metadata_of(object: &Json) -> Json {
    json!({"kind": "PartialObjectMetadata", "apiVersion": META, "metadata": object["metadata"]})
}

fn row(shown: ResourceTable<'_>, object: &Json, now: Timestamp) -> Json {
    json!({"cells": shown.cells(object, now), "object": metadata_of(object)})
}

/// A table without rows.
fn table(shown: ResourceTable<'_>, metadata: &Json) -> Json {
    json!({"kind": "Table", "apiVersion": META, "metadata": metadata, "columnDefinitions": shown.columns()})
}
