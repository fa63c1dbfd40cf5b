//! Objects as tables, the way `kubectl get` asks for them, and as metadata alone. Floor 1.

use serde_json::{Value as Json, json};

use super::rows::{self, Column};
use crate::clock::Timestamp;

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

    /// An object or a list in this form.
    pub(in crate::embedded) fn shaped(self, answer: Json, now: Timestamp) -> Json {
        let is_list = answer["items"].is_array();
        match self {
            _ if answer["kind"] == "Status" => answer,
            Self::Whole => answer,
            Self::Metadata if is_list => {
                let items: Vec<Json> = items(&answer).map(metadata_of).collect();
                json!({
                    "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                    "metadata": answer["metadata"], "items": items,
                })
            }
            Self::Metadata => metadata_of(&answer),
            Self::Table => table(&answer, is_list, now),
        }
    }
}

fn items(list: &Json) -> impl Iterator<Item = &Json> {
    list["items"].as_array().into_iter().flatten()
}

fn metadata_of(object: &Json) -> Json {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

fn table(answer: &Json, is_list: bool, now: Timestamp) -> Json {
    let kind = answer["kind"].as_str().unwrap_or_default();
    let kind = if is_list { kind.strip_suffix("List").unwrap_or(kind) } else { kind };
    let (columns, cells) = rows::of(answer["apiVersion"].as_str().unwrap_or_default(), kind);
    let row = |object: &Json| json!({"cells": cells(object, now), "object": metadata_of(object)});
    let rows: Vec<Json> = if is_list { items(answer).map(row).collect() } else { vec![row(answer)] };
    let column = |(name, of, wide): &Column| {
        let format = if *name == "Name" { "name" } else { "" };
        json!({"name": name, "type": of, "format": format, "description": "", "priority": i32::from(*wide)})
    };
    let metadata = if is_list {
        answer["metadata"].clone()
    } else {
        json!({"resourceVersion": answer["metadata"]["resourceVersion"]})
    };
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns.iter().map(column).collect::<Vec<_>>(), "rows": rows,
    })
}
