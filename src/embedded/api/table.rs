//! Objects as tables, the way `kubectl get` asks for them, and as metadata alone. Floor 1.

use serde_json::{Value as Json, json};

use super::subresource::count;
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

/// A column: its title, its type, and whether it is only wanted in wide tables.
type Column = (&'static str, &'static str, bool);

const PODS: &[Column] = &[
    ("Name", "string", false),
    ("Ready", "string", false),
    ("Status", "string", false),
    ("Restarts", "integer", false),
    ("Age", "string", false),
    ("IP", "string", true),
    ("Node", "string", true),
    ("Nominated Node", "string", true),
    ("Readiness Gates", "string", true),
];
const DEPLOYMENTS: &[Column] = &[
    ("Name", "string", false),
    ("Ready", "string", false),
    ("Up-to-date", "string", false),
    ("Available", "string", false),
    ("Age", "string", false),
    ("Containers", "string", true),
    ("Images", "string", true),
    ("Selector", "string", true),
];
const SERVICES: &[Column] = &[
    ("Name", "string", false),
    ("Type", "string", false),
    ("Cluster-IP", "string", false),
    ("External-IP", "string", false),
    ("Port(s)", "string", false),
    ("Age", "string", false),
    ("Selector", "string", true),
];
const OTHERS: &[Column] = &[("Name", "string", false), ("Age", "string", false)];

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
    type Cells = fn(&Json, Timestamp) -> Vec<Json>;
    let (columns, cells): (&[Column], Cells) = match kind {
        "Pod" => (PODS, pod),
        "Deployment" => (DEPLOYMENTS, deployment),
        "Service" => (SERVICES, service),
        _ => (OTHERS, other),
    };
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

fn text(value: &Json) -> &str {
    value.as_str().filter(|text| !text.is_empty()).unwrap_or("<none>")
}

fn age(object: &Json, now: Timestamp) -> Json {
    let created = object["metadata"]["creationTimestamp"]
        .as_str()
        .and_then(|time| time.parse::<jiff::Timestamp>().ok());
    match created {
        #[allow(clippy::cast_possible_truncation)] // seconds of this age
        Some(created) => json!(human(now.as_seconds() as i64 - created.as_second())),
        None => json!("<unknown>"),
    }
}

/// A time that passed, as kubectl writes it.
fn human(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |large: i64, unit: &str, small: i64, of: &str| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{of}"),
    };
    let units = [
        (120, format!("{}s", seconds.max(0))),
        (600, two(minutes, "m", seconds % 60, "s")),
        (10_800, format!("{minutes}m")),
        (28_800, two(hours, "h", minutes % 60, "m")),
        (172_800, format!("{hours}h")),
        (691_200, two(days, "d", hours % 24, "h")),
    ];
    let fitting = units.into_iter().find(|(below, _)| seconds < *below);
    fitting.map_or_else(|| format!("{days}d"), |(_, text)| text)
}

fn pod(pod: &Json, now: Timestamp) -> Vec<Json> {
    let status = &pod["status"];
    let all = pod["spec"]["containers"].as_array().map_or(0, Vec::len);
    let statuses: Vec<&Json> = status["containerStatuses"].as_array().into_iter().flatten().collect();
    let ready = statuses.iter().filter(|one| one["ready"] == true).count();
    let restarts: i64 = statuses.iter().filter_map(|one| one["restartCount"].as_i64()).sum();
    let reason = statuses.iter().rev().find_map(|one| {
        let state = &one["state"];
        state["waiting"]["reason"].as_str().or_else(|| state["terminated"]["reason"].as_str())
    });
    let shown = match reason {
        _ if !pod["metadata"]["deletionTimestamp"].is_null() => "Terminating",
        Some(reason) => reason,
        None => text(&status["phase"]),
    };
    vec![
        pod["metadata"]["name"].clone(),
        json!(format!("{ready}/{all}")),
        json!(shown),
        json!(restarts),
        age(pod, now),
        json!(text(&status["podIP"])),
        json!(text(&pod["spec"]["nodeName"])),
        json!("<none>"),
        json!("<none>"),
    ]
}

fn deployment(deployment: &Json, now: Timestamp) -> Vec<Json> {
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    let number = |value: &Json| value.as_i64().unwrap_or(0);
    let containers: Vec<&Json> =
        spec["template"]["spec"]["containers"].as_array().into_iter().flatten().collect();
    let all = |field: &str| {
        containers.iter().map(|one| one[field].as_str().unwrap_or_default()).collect::<Vec<_>>().join(",")
    };
    vec![
        deployment["metadata"]["name"].clone(),
        json!(format!("{}/{}", number(&status["readyReplicas"]), number(&spec["replicas"]))),
        json!(number(&status["updatedReplicas"])),
        json!(number(&status["availableReplicas"])),
        age(deployment, now),
        json!(all("name")),
        json!(all("image")),
        json!(labels(&spec["selector"]["matchLabels"])),
    ]
}

fn service(service: &Json, now: Timestamp) -> Vec<Json> {
    let spec = &service["spec"];
    let port = |port: &Json| {
        let number = count(port["port"].as_u64().and_then(|port| usize::try_from(port).ok()).unwrap_or(0));
        let outside = port["nodePort"].as_i64().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{number}{outside}/{}", port["protocol"].as_str().unwrap_or("TCP"))
    };
    let ports: Vec<String> = spec["ports"].as_array().into_iter().flatten().map(port).collect();
    let ports = if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") };
    vec![
        service["metadata"]["name"].clone(),
        json!(text(&spec["type"])),
        json!(text(&spec["clusterIP"])),
        json!(text(&spec["externalName"])),
        json!(ports),
        age(service, now),
        json!(labels(&spec["selector"])),
    ]
}

fn labels(labels: &Json) -> String {
    let labels: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    if labels.is_empty() { "<none>".to_owned() } else { labels.join(",") }
}

fn other(object: &Json, now: Timestamp) -> Vec<Json> {
    vec![object["metadata"]["name"].clone(), age(object, now)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_kubectls() {
        for (seconds, expected) in [
            (-5, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (601, "10m"),
            (10_800, "3h"),
            (10_860, "3h1m"),
            (90_000, "25h"),
            (176_400, "2d1h"),
            (700_000, "8d"),
        ] {
            assert_eq!(human(seconds), expected, "{seconds}");
        }
    }
}
