//! What the tables of `kubectl get` show of objects: columns and cells, as a real API server gives them. Floor 1.

use serde_json::{Value as Json, json};

use crate::clock::Timestamp;
use crate::embedded::json_fields::{
    condition, containers, count, entries, is_leaving, items, labels, number, text,
};

/// The columns of a kind; those behind the bar are only wanted in wide tables.
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
const OTHERS: &str = "Name,Age";
/// How many addresses of endpoints are shown.
const SHOWN: usize = 3;

/// The table of a kind.
#[derive(Clone, Copy)]
pub(super) struct ResourceTable<'a> {
    kind: &'a str,
    columns: &'static str,
}

impl<'a> ResourceTable<'a> {
    /// What is shown of a kind.
    pub(super) fn of(api_version: &str, kind: &'a str) -> Self {
        let name = format!("{api_version} {kind}");
        let known = TABLES.iter().find(|(known, _)| *known == name);
        Self { kind, columns: known.map_or(OTHERS, |(_, columns)| *columns) }
    }

    /// The definitions of its columns.
    pub(super) fn columns(self) -> Vec<Json> {
        let (always, wide) = self.columns.split_once('|').unwrap_or((self.columns, ""));
        let column = |name: &str, priority: i32| {
            let of = match name {
                "Restarts" | "Desired" | "Current" => "integer",
                "Ready" if self.is_set() => "integer",
                "Created At" => "date",
                _ => "string",
            };
            let format = if name == "Name" { "name" } else { "" };
            json!({"name": name, "type": of, "format": format, "description": "", "priority": priority})
        };
        let wide = wide.split(',').filter(|name| !name.is_empty()).map(|name| column(name, 1));
        always.split(',').map(|name| column(name, 0)).chain(wide).collect()
    }

    /// The cells of one object.
    pub(super) fn cells(self, object: &Json, now: Timestamp) -> Vec<Json> {
        self.columns.split([',', '|']).map(|column| self.cell(column, object, now)).collect()
    }

    fn is_set(self) -> bool {
        matches!(self.kind, "ReplicaSet" | "ReplicationController")
    }

    fn cell(self, column: &str, object: &Json, now: Timestamp) -> Json {
        let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
        match column {
            "Name" => metadata["name"].clone(),
            "Age" => json!(age(object, now)),
            "Created At" => metadata["creationTimestamp"].clone(),
            "Ready" if self.kind == "Pod" => {
                let ready = items(&status["containerStatuses"]).filter(|one| one["ready"] == true).count();
                json!(format!("{ready}/{}", containers(object).count()))
            }
            "Ready" if self.is_set() => json!(number(&status["readyReplicas"])),
            "Ready" => json!(format!("{}/{}", number(&status["readyReplicas"]), number(&spec["replicas"]))),
            "Status" if self.kind == "Pod" => json!(pod_status(object)),
            "Status" if self.kind == "Node" => json!(node_status(object)),
            "Status" => status["phase"].clone(),
            "Restarts" => {
                json!(
                    items(&status["containerStatuses"]).map(|one| number(&one["restartCount"])).sum::<i64>()
                )
            }
            "IP" => shown(&status["podIP"]),
            "Node" => shown(&spec["nodeName"]),
            "Up-to-date" => json!(number(&status["updatedReplicas"])),
            "Available" => json!(number(&status["availableReplicas"])),
            "Desired" => json!(number(&spec["replicas"])),
            "Current" => json!(number(&status["replicas"])),
            "Containers" => containers_of(spec, "name"),
            "Images" => containers_of(spec, "image"),
            "Selector" if self.kind == "Service" => some(labels(&spec["selector"])),
            "Selector" => some(labels(&spec["selector"]["matchLabels"])),
            "Type" if self.kind == "Secret" => shown(&object["type"]),
            "Type" => shown(&spec["type"]),
            "Cluster-IP" => shown(&spec["clusterIP"]),
            "External-IP" if self.kind == "Service" => shown(&spec["externalName"]),
            "Port(s)" => some(items(&spec["ports"]).map(port).collect::<Vec<_>>().join(",")),
            "Endpoints" => some(endpoints(object)),
            "Data" => json!(count(entries(&object["data"]).count() + entries(&object["binaryData"]).count())),
            "Roles" => {
                let roles = entries(&metadata["labels"]);
                let roles = roles.filter_map(|(label, _)| label.strip_prefix("node-role.kubernetes.io/"));
                some(roles.collect::<Vec<_>>().join(","))
            }
            "Version" => json!(text(&status["nodeInfo"]["kubeletVersion"])),
            "Internal-IP" => address(object, "InternalIP"),
            "External-IP" => address(object, "ExternalIP"),
            "OS-Image" => known(object, "osImage"),
            "Kernel-Version" => known(object, "kernelVersion"),
            "Container-Runtime" => known(object, "containerRuntimeVersion"),
            _ => json!("<none>"),
        }
    }
}

/// A text, or that there is none.
fn some(text: String) -> Json {
    json!(if text.is_empty() { "<none>".to_owned() } else { text })
}

fn shown(value: &Json) -> Json {
    some(text(value).to_owned())
}

fn age(object: &Json, now: Timestamp) -> String {
    match text(&object["metadata"]["creationTimestamp"]).parse::<jiff::Timestamp>() {
        #[allow(clippy::cast_possible_truncation)] // seconds of this age
        Ok(created) => human(now.as_seconds() as i64 - created.as_second()),
        Err(_) => "<unknown>".to_owned(),
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

fn pod_status(pod: &Json) -> &str {
    let states = items(&pod["status"]["containerStatuses"]).map(|one| &one["state"]);
    let reasons = states.flat_map(|state| [&state["waiting"], &state["terminated"]]);
    match reasons.filter_map(|state| state["reason"].as_str()).last() {
        _ if is_leaving(pod) => "Terminating",
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

fn port(port: &Json) -> String {
    let outside = port["nodePort"].as_i64().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{outside}/{}", number(&port["port"]), port["protocol"].as_str().unwrap_or("TCP"))
}

/// A field of all containers of a workload.
fn containers_of(spec: &Json, field: &str) -> Json {
    json!(containers(&spec["template"]).map(|one| text(&one[field])).collect::<Vec<_>>().join(","))
}

fn address(node: &Json, of: &str) -> Json {
    let found = items(&node["status"]["addresses"]).find(|one| one["type"] == of);
    shown(found.map_or(&Json::Null, |one| &one["address"]))
}

fn known(node: &Json, field: &str) -> Json {
    let known = text(&node["status"]["nodeInfo"][field]);
    json!(if known.is_empty() { "<unknown>" } else { known })
}

fn endpoints(endpoints: &Json) -> String {
    let mut all = Vec::new();
    for subset in items(&endpoints["subsets"]) {
        for port in items(&subset["ports"]) {
            let shown = |one: &Json| format!("{}:{}", text(&one["ip"]), number(&port["port"]));
            all.extend(items(&subset["addresses"]).map(shown));
        }
    }
    let more = all.len().saturating_sub(SHOWN);
    all.truncate(SHOWN);
    if more == 0 { all.join(",") } else { format!("{} + {more} more...", all.join(",")) }
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
