//! The columns and cells of `kubectl get`, as a real API server returns them.
//!
//! Verbatim: Kubernetes API server

use serde_json::{Value as Json, json};

use crate::clock::Timestamp;
use crate::embedded::json_fields::{
    condition, containers, entries, format_labels, is_terminating, items, number, text, to_i64,
};

/// The columns of each kind; those after the bar are shown with `-o wide`.
const TABLES: &[(&str, &str)] = &[
    ("v1 Pod", "Name,Ready,Status,Restarts,Age|IP,Node,Nominated Node,Readiness Gates"),
    ("v1 Service", "Name,Type,Cluster-IP,External-IP,Port(s),Age|Selector"),
    ("v1 Endpoints", "Name,Endpoints,Age"),
    ("v1 Namespace", "Name,Status,Age"),
    (
        "v1 Node",
        "Name,Status,Roles,Age,Version|Internal-IP,External-IP,OS-Image,Kernel-Version,Container-Runtime",
    ),
    ("v1 ConfigMap", "Name,Data,Age"),
    ("v1 Secret", "Name,Type,Data,Age"),
    ("v1 ReplicationController", "Name,Desired,Current,Ready,Age|Containers,Images,Selector"),
    ("apps/v1 ReplicaSet", "Name,Desired,Current,Ready,Age|Containers,Images,Selector"),
    ("apps/v1 Deployment", "Name,Ready,Up-to-date,Available,Age|Containers,Images,Selector"),
    ("apps/v1 StatefulSet", "Name,Ready,Age|Containers,Images"),
    ("apiextensions.k8s.io/v1 CustomResourceDefinition", "Name,Created At"),
];
const DEFAULT_COLUMNS: &str = "Name,Age";
/// How many endpoint addresses a table shows.
const MAX_ENDPOINTS: usize = 3;

/// The columns of a kind.
#[derive(Clone, Copy)]
pub(super) struct ResourceTable<'a> {
    kind: &'a str,
    columns: &'static str,
}

impl<'a> ResourceTable<'a> {
    /// Returns the columns of a kind.
    pub(super) fn for_kind(api_version: &str, kind: &'a str) -> Self {
        let name = format!("{api_version} {kind}");
        let entry = TABLES.iter().find(|(entry, _)| *entry == name);
        Self { kind, columns: entry.map_or(DEFAULT_COLUMNS, |(_, columns)| *columns) }
    }

    /// Returns the column definitions.
    pub(super) fn columns(self) -> Vec<Json> {
        let (always, wide) = self.columns.split_once('|').unwrap_or((self.columns, ""));
        let column = |name: &str, priority: i32| {
            let of = match name {
                "Restarts" | "Desired" | "Current" => "integer",
                "Ready" if self.is_replica_set() => "integer",
                "Created At" => "date",
                _ => "string",
            };
            let format = if name == "Name" { "name" } else { "" };
            json!({"name": name, "type": of, "format": format, "description": "", "priority": priority})
        };
        let wide = wide.split(',').filter(|name| !name.is_empty()).map(|name| column(name, 1));
        always.split(',').map(|name| column(name, 0)).chain(wide).collect()
    }

    /// Returns the cells of an object.
    pub(super) fn cells(self, object: &Json, now: Timestamp) -> Vec<Json> {
        self.columns.split([',', '|']).map(|column| self.cell(column, object, now)).collect()
    }

    fn is_replica_set(self) -> bool {
        matches!(self.kind, "ReplicaSet" | "ReplicationController")
    }

    fn cell(self, column: &str, object: &Json, now: Timestamp) -> Json {
        let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
        match column {
            "Name" => metadata["name"].clone(),
            "Age" => json!(format_age(object, now)),
            "Created At" => metadata["creationTimestamp"].clone(),
            "Ready" if self.kind == "Pod" => {
                let ready = items(&status["containerStatuses"]).filter(|one| one["ready"] == true).count();
                json!(format!("{ready}/{}", containers(object).count()))
            }
            "Ready" if self.is_replica_set() => json!(number(&status["readyReplicas"])),
            "Ready" => json!(format!("{}/{}", number(&status["readyReplicas"]), number(&spec["replicas"]))),
            "Status" if self.kind == "Pod" => json!(pod_status(object)),
            "Status" if self.kind == "Node" => json!(node_status(object)),
            "Status" => status["phase"].clone(),
            "Restarts" => {
                json!(
                    items(&status["containerStatuses"]).map(|one| number(&one["restartCount"])).sum::<i64>()
                )
            }
            "IP" => value_or_none(&status["podIP"]),
            "Node" => value_or_none(&spec["nodeName"]),
            "Up-to-date" => json!(number(&status["updatedReplicas"])),
            "Available" => json!(number(&status["availableReplicas"])),
            "Desired" => json!(number(&spec["replicas"])),
            "Current" => json!(number(&status["replicas"])),
            "Containers" => containers_of(spec, "name"),
            "Images" => containers_of(spec, "image"),
            "Selector" if self.kind == "Service" => text_or_none(format_labels(&spec["selector"])),
            "Selector" => text_or_none(format_labels(&spec["selector"]["matchLabels"])),
            "Type" if self.kind == "Secret" => value_or_none(&object["type"]),
            "Type" => value_or_none(&spec["type"]),
            "Cluster-IP" => value_or_none(&spec["clusterIP"]),
            "External-IP" if self.kind == "Service" => value_or_none(&spec["externalName"]),
            "Port(s)" => text_or_none(items(&spec["ports"]).map(format_port).collect::<Vec<_>>().join(",")),
            "Endpoints" => text_or_none(format_endpoints(object)),
            "Data" => {
                json!(to_i64(entries(&object["data"]).count() + entries(&object["binaryData"]).count()))
            }
            "Roles" => {
                let roles = entries(&metadata["labels"]);
                let roles = roles.filter_map(|(label, _)| label.strip_prefix("node-role.kubernetes.io/"));
                text_or_none(roles.collect::<Vec<_>>().join(","))
            }
            "Version" => json!(text(&status["nodeInfo"]["kubeletVersion"])),
            "Internal-IP" => node_address(object, "InternalIP"),
            "External-IP" => node_address(object, "ExternalIP"),
            "OS-Image" => node_info(object, "osImage"),
            "Kernel-Version" => node_info(object, "kernelVersion"),
            "Container-Runtime" => node_info(object, "containerRuntimeVersion"),
            _ => json!("<none>"),
        }
    }
}

/// Returns the text, or `<none>`.
fn text_or_none(text: String) -> Json {
    json!(if text.is_empty() { "<none>".to_owned() } else { text })
}

fn value_or_none(value: &Json) -> Json {
    text_or_none(text(value).to_owned())
}

fn format_age(object: &Json, now: Timestamp) -> String {
    match text(&object["metadata"]["creationTimestamp"]).parse::<jiff::Timestamp>() {
        #[allow(clippy::cast_possible_truncation)] // seconds of this age
        Ok(created) => format_duration(now.as_seconds() as i64 - created.as_second()),
        Err(_) => "<unknown>".to_owned(),
    }
}

/// Formats a duration like kubectl.
fn format_duration(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two_units = |large: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{small_unit}"),
    };
    let units = [
        (120, format!("{}s", seconds.max(0))),
        (600, two_units(minutes, "m", seconds % 60, "s")),
        (10_800, format!("{minutes}m")),
        (28_800, two_units(hours, "h", minutes % 60, "m")),
        (172_800, format!("{hours}h")),
        (691_200, two_units(days, "d", hours % 24, "h")),
    ];
    let fitting = units.into_iter().find(|(below, _)| seconds < *below);
    fitting.map_or_else(|| format!("{days}d"), |(_, text)| text)
}

fn pod_status(pod: &Json) -> &str {
    let states = items(&pod["status"]["containerStatuses"]).map(|one| &one["state"]);
    let reasons = states.flat_map(|state| [&state["waiting"], &state["terminated"]]);
    match reasons.filter_map(|state| state["reason"].as_str()).last() {
        _ if is_terminating(pod) => "Terminating",
        Some(reason) => reason,
        None => text(&pod["status"]["phase"]),
    }
}

fn node_status(node: &Json) -> String {
    let ready = match condition(node, "Ready").map(|one| &one["status"]) {
        Some(ready) if ready == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let closed = if node["spec"]["unschedulable"] == true { ",SchedulingDisabled" } else { "" };
    format!("{ready}{closed}")
}

fn format_port(port: &Json) -> String {
    let node_port = port["nodePort"].as_i64().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{node_port}/{}", number(&port["port"]), port["protocol"].as_str().unwrap_or("TCP"))
}

/// Joins a field of all containers of a workload.
fn containers_of(spec: &Json, field: &str) -> Json {
    json!(containers(&spec["template"]).map(|one| text(&one[field])).collect::<Vec<_>>().join(","))
}

fn node_address(node: &Json, of: &str) -> Json {
    let entry = items(&node["status"]["addresses"]).find(|one| one["type"] == of);
    value_or_none(entry.map_or(&Json::Null, |one| &one["address"]))
}

fn node_info(node: &Json, field: &str) -> Json {
    let entry = text(&node["status"]["nodeInfo"][field]);
    json!(if entry.is_empty() { "<unknown>" } else { entry })
}

fn format_endpoints(endpoints: &Json) -> String {
    let mut all = Vec::new();
    for subset in items(&endpoints["subsets"]) {
        for port in items(&subset["ports"]) {
            let format_address = |one: &Json| format!("{}:{}", text(&one["ip"]), number(&port["port"]));
            all.extend(items(&subset["addresses"]).map(format_address));
        }
    }
    let remaining = all.len().saturating_sub(MAX_ENDPOINTS);
    all.truncate(MAX_ENDPOINTS);
    if remaining == 0 { all.join(",") } else { format!("{} + {remaining} more...", all.join(",")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_format_matches_kubectl() {
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
            assert_eq!(format_duration(seconds), expected, "{seconds}");
        }
    }
}
