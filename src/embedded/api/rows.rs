//! What the tables of `kubectl get` show of objects: columns and cells, as a real API server gives them. Floor 1.

use serde_json::{Value as Json, json};

use super::subresource::count;
use crate::clock::Timestamp;

/// A column: its title, its type, and whether it is only wanted in wide tables.
pub(super) type Column = (&'static str, &'static str, bool);

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
const SETS: &[Column] = &[
    ("Name", "string", false),
    ("Desired", "integer", false),
    ("Current", "integer", false),
    ("Ready", "integer", false),
    ("Age", "string", false),
    ("Containers", "string", true),
    ("Images", "string", true),
    ("Selector", "string", true),
];
const STATEFUL_SETS: &[Column] = &[
    ("Name", "string", false),
    ("Ready", "string", false),
    ("Age", "string", false),
    ("Containers", "string", true),
    ("Images", "string", true),
];
const NODES: &[Column] = &[
    ("Name", "string", false),
    ("Status", "string", false),
    ("Roles", "string", false),
    ("Age", "string", false),
    ("Version", "string", false),
    ("Internal-IP", "string", true),
    ("External-IP", "string", true),
    ("OS-Image", "string", true),
    ("Kernel-Version", "string", true),
    ("Container-Runtime", "string", true),
];
const ENDPOINTS: &[Column] =
    &[("Name", "string", false), ("Endpoints", "string", false), ("Age", "string", false)];
const CONFIG_MAPS: &[Column] =
    &[("Name", "string", false), ("Data", "string", false), ("Age", "string", false)];
const SECRETS: &[Column] = &[
    ("Name", "string", false),
    ("Type", "string", false),
    ("Data", "string", false),
    ("Age", "string", false),
];
const NAMESPACES: &[Column] =
    &[("Name", "string", false), ("Status", "string", false), ("Age", "string", false)];
const DEFINITIONS: &[Column] = &[("Name", "string", false), ("Created At", "date", false)];
const OTHERS: &[Column] = &[("Name", "string", false), ("Age", "string", false)];

/// The cells of one object.
pub(super) type Cells = fn(&Json, Timestamp) -> Vec<Json>;

/// What is shown of a kind.
pub(super) fn of(api_version: &str, kind: &str) -> (&'static [Column], Cells) {
    match (api_version, kind) {
        ("v1", "Pod") => (PODS, pod),
        ("v1", "Service") => (SERVICES, service),
        ("v1", "Endpoints") => (ENDPOINTS, endpoints),
        ("v1", "Namespace") => (NAMESPACES, namespace),
        ("v1", "Node") => (NODES, node),
        ("v1", "ConfigMap") => (CONFIG_MAPS, config_map),
        ("v1", "Secret") => (SECRETS, secret),
        ("v1", "ReplicationController") | ("apps/v1", "ReplicaSet") => (SETS, set),
        ("apps/v1", "Deployment") => (DEPLOYMENTS, deployment),
        ("apps/v1", "StatefulSet") => (STATEFUL_SETS, stateful_set),
        ("apiextensions.k8s.io/v1", _) => (DEFINITIONS, definition),
        _ => (OTHERS, other),
    }
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
    vec![
        deployment["metadata"]["name"].clone(),
        json!(format!("{}/{}", number(&status["readyReplicas"]), number(&spec["replicas"]))),
        json!(number(&status["updatedReplicas"])),
        json!(number(&status["availableReplicas"])),
        age(deployment, now),
        containers(spec, "name"),
        containers(spec, "image"),
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

/// A field of all containers of a workload.
fn containers(spec: &Json, field: &str) -> Json {
    let all = spec["template"]["spec"]["containers"].as_array().into_iter().flatten();
    json!(all.map(|one| one[field].as_str().unwrap_or_default()).collect::<Vec<_>>().join(","))
}

fn number(value: &Json) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn set(set: &Json, now: Timestamp) -> Vec<Json> {
    let (spec, status) = (&set["spec"], &set["status"]);
    vec![
        set["metadata"]["name"].clone(),
        json!(number(&spec["replicas"])),
        json!(number(&status["replicas"])),
        json!(number(&status["readyReplicas"])),
        age(set, now),
        containers(spec, "name"),
        containers(spec, "image"),
        json!(labels(&spec["selector"]["matchLabels"])),
    ]
}

fn stateful_set(set: &Json, now: Timestamp) -> Vec<Json> {
    let (spec, status) = (&set["spec"], &set["status"]);
    vec![
        set["metadata"]["name"].clone(),
        json!(format!("{}/{}", number(&status["readyReplicas"]), number(&spec["replicas"]))),
        age(set, now),
        containers(spec, "name"),
        containers(spec, "image"),
    ]
}

fn node(node: &Json, now: Timestamp) -> Vec<Json> {
    const ROLE: &str = "node-role.kubernetes.io/";
    let (status, info) = (&node["status"], &node["status"]["nodeInfo"]);
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    let mut shown = match conditions.find(|one| one["type"] == "Ready").map(|one| &one["status"]) {
        Some(ready) if ready == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if node["spec"]["unschedulable"] == true {
        shown += ",SchedulingDisabled";
    }
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    let roles: Vec<&str> = labels.filter_map(|(label, _)| label.strip_prefix(ROLE)).collect();
    let address = |of: &str| {
        let mut all = status["addresses"].as_array().into_iter().flatten();
        json!(text(&all.find(|one| one["type"] == of).map_or(Json::Null, |one| one["address"].clone())))
    };
    let known =
        |field: &str| json!(info[field].as_str().filter(|text| !text.is_empty()).unwrap_or("<unknown>"));
    vec![
        node["metadata"]["name"].clone(),
        json!(shown),
        json!(if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") }),
        age(node, now),
        json!(info["kubeletVersion"].as_str().unwrap_or_default()),
        address("InternalIP"),
        address("ExternalIP"),
        known("osImage"),
        known("kernelVersion"),
        known("containerRuntimeVersion"),
    ]
}

fn endpoints(endpoints: &Json, now: Timestamp) -> Vec<Json> {
    /// How many are shown.
    const SHOWN: usize = 3;
    let mut all = Vec::new();
    for subset in endpoints["subsets"].as_array().into_iter().flatten() {
        for port in subset["ports"].as_array().into_iter().flatten() {
            let addresses = subset["addresses"].as_array().into_iter().flatten();
            let shown =
                |one: &Json| format!("{}:{}", one["ip"].as_str().unwrap_or_default(), number(&port["port"]));
            all.extend(addresses.map(shown));
        }
    }
    let mut shown = all.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(",");
    if all.len() > SHOWN {
        shown += &format!(" + {} more...", all.len() - SHOWN);
    }
    let shown = if all.is_empty() { "<none>".to_owned() } else { shown };
    vec![endpoints["metadata"]["name"].clone(), json!(shown), age(endpoints, now)]
}

/// How many entries the data of an object have.
fn entries(object: &Json) -> Json {
    let length = |field: &str| object[field].as_object().map_or(0, serde_json::Map::len);
    json!(count(length("data") + length("binaryData")))
}

fn config_map(map: &Json, now: Timestamp) -> Vec<Json> {
    vec![map["metadata"]["name"].clone(), entries(map), age(map, now)]
}

fn secret(secret: &Json, now: Timestamp) -> Vec<Json> {
    vec![secret["metadata"]["name"].clone(), json!(text(&secret["type"])), entries(secret), age(secret, now)]
}

fn namespace(namespace: &Json, now: Timestamp) -> Vec<Json> {
    vec![namespace["metadata"]["name"].clone(), namespace["status"]["phase"].clone(), age(namespace, now)]
}

fn definition(definition: &Json, _: Timestamp) -> Vec<Json> {
    let metadata = &definition["metadata"];
    vec![metadata["name"].clone(), metadata["creationTimestamp"].clone()]
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
