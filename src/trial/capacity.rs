//! Whether both arms of a pair fit in the cluster at the same time.
//!
//! Two runs at once share the noise of the cluster, but only if neither takes the resources of the other. Requests are
//! the only promise of that. Node selectors and affinity are not evaluated: a Pod that finds no node makes its run wait.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;

use super::planned_change::ResolvedManifest;
use crate::k8s;
use crate::k8s::{ClusterClient, NODES, ObjectSelector, PODS};

/// Cluster resources of a Pod or a node: CPU in cores and memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ResourceAmounts {
    cpu: f64,
    memory: f64,
}

impl ResourceAmounts {
    fn plus(self, other: Self) -> Self {
        Self { cpu: self.cpu + other.cpu, memory: self.memory + other.memory }
    }

    fn minus(self, other: Self) -> Self {
        Self { cpu: self.cpu - other.cpu, memory: self.memory - other.memory }
    }

    fn maximum(self, other: Self) -> Self {
        Self { cpu: self.cpu.max(other.cpu), memory: self.memory.max(other.memory) }
    }

    fn fits_in(self, other: Self) -> bool {
        self.cpu <= other.cpu && self.memory <= other.memory
    }
}

/// Why the runs of a pair do not take place at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeparationCause {
    /// A container requests nothing.
    NoRequest { place: String, container: String, resource: &'static str },
    /// The Pods of an object are unknown before the API server creates them.
    UnknownPods { place: String },
    /// An object uses something that exists once.
    Exclusive { place: String, what: &'static str },
    /// Nodes or Pods cannot be listed.
    NotListed { kind: &'static str, reason: String },
    /// The requests of both arms exceed what is allocatable.
    NoRoom,
    /// The experiment reaches outside the namespace of its run.
    ReachesOutside,
}

impl fmt::Display for SeparationCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRequest { place, container, resource } => {
                write!(f, "{place}: container {container} requests no {resource}")
            }
            Self::UnknownPods { place } => write!(f, "{place}: the Pods of this object are unknown"),
            Self::Exclusive { place, what } => write!(f, "{place} uses {what}"),
            Self::NotListed { kind, reason } => write!(f, "cannot list {kind}: {reason}"),
            Self::NoRoom => write!(f, "the requests of both arms exceed the allocatable resources"),
            Self::ReachesOutside => write!(f, "the experiment reaches outside the namespace of its run"),
        }
    }
}

/// Pods of an arm: what each requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ArmRequests {
    pods: Vec<ResourceAmounts>,
    /// Pods that every node has.
    on_each_node: Vec<ResourceAmounts>,
}

impl ArmRequests {
    fn and(mut self, other: Self) -> Self {
        self.pods.extend(other.pods);
        self.on_each_node.extend(other.on_each_node);
        self
    }
}

/// Maximum number of Pods of one workload that are placed one by one; more never fit together.
const MAX_REPLICAS: i64 = 10_000;

/// Reads what the Pods of manifests request.
pub(super) fn read_requests(manifests: &[&ResolvedManifest]) -> Result<ArmRequests, SeparationCause> {
    let mut requests = ArmRequests::default();
    for resolved in manifests {
        let (object, place) = (&resolved.manifest.object, &resolved.manifest.place);
        let spec = &object["spec"];
        let count = |key: &str| spec[key].as_i64().unwrap_or(1).clamp(0, MAX_REPLICAS);
        let (pod, replicas) = match object["kind"].as_str().unwrap_or_default() {
            "Pod" => (spec, 1),
            "Deployment" | "StatefulSet" | "ReplicaSet" | "ReplicationController" => {
                (&spec["template"]["spec"], count("replicas"))
            }
            "Job" => (&spec["template"]["spec"], count("parallelism")),
            "CronJob" => (&spec["jobTemplate"]["spec"]["template"]["spec"], 1),
            "DaemonSet" => (&spec["template"]["spec"], 0),
            "HorizontalPodAutoscaler" => return Err(SeparationCause::UnknownPods { place: place.clone() }),
            _ if is_custom(&resolved.kind.resource.group) => {
                return Err(SeparationCause::UnknownPods { place: place.clone() });
            }
            _ => continue,
        };
        let amounts = pod_requests(pod, place)?;
        if object["kind"] == "DaemonSet" {
            requests.on_each_node.push(amounts);
        }
        requests.pods.extend((0..replicas).map(|_| amounts));
    }
    Ok(requests)
}

/// Whether objects of a group are defined by a custom resource definition, whose controller may create Pods.
fn is_custom(group: &str) -> bool {
    group.contains('.') && !group.ends_with(".k8s.io")
}

/// Returns the first object that uses something that exists once in a cluster or on a node.
pub(super) fn find_exclusive(manifests: &[&ResolvedManifest]) -> Option<SeparationCause> {
    manifests.iter().find_map(|resolved| {
        let object = &resolved.manifest.object;
        let spec = &object["spec"];
        let pod = match object["kind"].as_str().unwrap_or_default() {
            "Pod" => spec,
            "CronJob" => &spec["jobTemplate"]["spec"]["template"]["spec"],
            _ => &spec["template"]["spec"],
        };
        let what = if object["kind"] == "PersistentVolumeClaim" && spec["volumeName"].is_string() {
            "a volume by its name"
        } else if pod["hostNetwork"] == true {
            "the network of its node"
        } else if containers(pod).any(has_host_port) {
            "a port of its node"
        } else {
            return None;
        };
        Some(SeparationCause::Exclusive { place: resolved.manifest.place.clone(), what })
    })
}

fn has_host_port(container: &Json) -> bool {
    let ports = container["ports"].as_array().into_iter().flatten();
    ports.into_iter().any(|port| port["hostPort"].as_i64().is_some_and(|port| port > 0))
}

fn containers(pod: &Json) -> impl Iterator<Item = &Json> {
    ["containers", "initContainers"].into_iter().flat_map(|key| pod[key].as_array().into_iter().flatten())
}

/// Returns what a Pod requests; every container has to request CPU and memory.
fn pod_requests(pod: &Json, place: &str) -> Result<ResourceAmounts, SeparationCause> {
    for container in containers(pod) {
        for resource in ["cpu", "memory"] {
            if requested(container, resource).is_none() {
                return Err(SeparationCause::NoRequest {
                    place: place.to_owned(),
                    container: container["name"].as_str().unwrap_or_default().to_owned(),
                    resource,
                });
            }
        }
    }
    Ok(effective_requests(pod))
}

/// Returns what the scheduler reserves for a Pod. What a container does not request counts as 0.
fn effective_requests(pod: &Json) -> ResourceAmounts {
    let of = |container: &Json| ResourceAmounts {
        cpu: requested(container, "cpu").unwrap_or_default(),
        memory: requested(container, "memory").unwrap_or_default(),
    };
    let list = |key: &str| pod[key].as_array().into_iter().flatten();
    // a sidecar starts before the other init containers, and keeps running
    let is_sidecar = |container: &&Json| container["restartPolicy"] == "Always";
    let sidecars = list("initContainers")
        .filter(is_sidecar)
        .map(of)
        .fold(ResourceAmounts::default(), ResourceAmounts::plus);
    let running = list("containers").map(of).fold(sidecars, ResourceAmounts::plus);
    let first = list("initContainers").filter(|one| !is_sidecar(one)).map(|one| of(one).plus(sidecars));
    let amounts = first.fold(running, ResourceAmounts::maximum);
    let overhead =
        |resource: &str| pod["overhead"][resource].as_str().and_then(parse_quantity).unwrap_or(0.0);
    amounts.plus(ResourceAmounts { cpu: overhead("cpu"), memory: overhead("memory") })
}

/// Returns the request of a container. The API server takes a limit without a request for both.
fn requested(container: &Json, resource: &str) -> Option<f64> {
    let resources = &container["resources"];
    [&resources["requests"], &resources["limits"]]
        .into_iter()
        .find_map(|amounts| quantity(&amounts[resource]))
}

/// Reads a quantity, which YAML may have read as a number.
fn quantity(value: &Json) -> Option<f64> {
    value.as_f64().or_else(|| parse_quantity(value.as_str()?))
}

/// Parses a quantity of Kubernetes, such as `250m`, `64Mi` or `1e3`.
fn parse_quantity(text: &str) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 13] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
    ];
    let suffix = SUFFIXES.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)));
    let (number, factor) = suffix.unwrap_or((text, 1.0));
    let number: f64 = number.parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number * factor)
}

/// What is free on a node for new Pods.
#[derive(Clone, Copy, Debug, PartialEq)]
struct NodeRoom {
    free: ResourceAmounts,
    pods: i64,
}

/// Resources of a cluster that no running Pod has requested.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ClusterRoom {
    nodes: Vec<NodeRoom>,
    /// Pods that wait for a node.
    waiting: Vec<ResourceAmounts>,
}

impl ClusterRoom {
    /// Computes the free resources from all nodes and all Pods.
    fn compute(nodes: &[Json], pods: &[Json]) -> Self {
        let mut rooms = BTreeMap::new();
        for node in nodes.iter().filter(|node| accepts_pods(node)) {
            let allocatable =
                |resource: &str| quantity(&node["status"]["allocatable"][resource]).unwrap_or(0.0);
            let free = ResourceAmounts { cpu: allocatable("cpu"), memory: allocatable("memory") };
            #[allow(clippy::cast_possible_truncation)] // a number of Pods
            let room = NodeRoom { free, pods: allocatable("pods") as i64 };
            rooms.insert(node["metadata"]["name"].as_str().unwrap_or_default(), room);
        }
        let mut waiting = Vec::new();
        let is_over = |pod: &&Json| matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        for pod in pods.iter().filter(|pod| !is_over(pod)) {
            let amounts = effective_requests(&pod["spec"]);
            match pod["spec"]["nodeName"].as_str() {
                None => waiting.push(amounts),
                Some(name) => {
                    if let Some(room) = rooms.get_mut(name) {
                        *room = NodeRoom { free: room.free.minus(amounts), pods: room.pods - 1 };
                    }
                }
            }
        }
        Self { nodes: rooms.into_values().collect(), waiting }
    }

    /// Whether the Pods of both arms find a node, the largest first.
    pub(super) fn holds(mut self, before: ArmRequests, after: ArmRequests) -> bool {
        let ArmRequests { mut pods, on_each_node } = before.and(after);
        for room in &mut self.nodes {
            for amounts in &on_each_node {
                *room = NodeRoom { free: room.free.minus(*amounts), pods: room.pods - 1 };
            }
        }
        let zero = ResourceAmounts::default();
        if !on_each_node.is_empty() && self.nodes.iter().any(|room| room.pods < 0 || !zero.fits_in(room.free))
        {
            return false;
        }
        pods.append(&mut self.waiting);
        pods.sort_by(|one, other| other.cpu.total_cmp(&one.cpu).then(other.memory.total_cmp(&one.memory)));
        pods.into_iter().all(|amounts| {
            let room = self.nodes.iter_mut().find(|room| room.pods > 0 && amounts.fits_in(room.free));
            room.is_some_and(|room| {
                *room = NodeRoom { free: room.free.minus(amounts), pods: room.pods - 1 };
                true
            })
        })
    }
}

/// Whether new Pods without tolerations can be scheduled to a node.
fn accepts_pods(node: &Json) -> bool {
    let taints = node["spec"]["taints"].as_array().into_iter().flatten();
    let is_tainted =
        taints.into_iter().any(|taint| matches!(taint["effect"].as_str(), Some("NoSchedule" | "NoExecute")));
    let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
    let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready");
    node["spec"]["unschedulable"] != true
        && !is_tainted
        && ready.is_none_or(|ready| ready["status"] == "True")
}

/// Reads the free resources of a cluster.
pub(super) async fn read_room(cluster: &ClusterClient) -> Result<ClusterRoom, SeparationCause> {
    let not_listed = |kind| {
        move |error: k8s::Error| SeparationCause::NotListed {
            kind,
            reason: crate::error_code::message_chain(&error),
        }
    };
    let all = ObjectSelector::default();
    let nodes: Vec<Json> = cluster.list(&NODES, None, &all, false).await.map_err(not_listed("nodes"))?;
    let pods: Vec<Json> = cluster.list(&PODS, None, &all, false).await.map_err(not_listed("Pods"))?;
    Ok(ClusterRoom::compute(&nodes, &pods))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::k8s::DiscoveredKind;
    use crate::k8s::Resource;
    use crate::trial::manifest::Manifest;

    fn resolved(group: &str, object: Json) -> ResolvedManifest {
        let kind = object["kind"].as_str().unwrap().to_owned();
        let resource = Resource {
            group: group.to_owned().into(),
            version: "v1".into(),
            plural: kind.to_lowercase().into(),
            kind: kind.clone().into(),
        };
        let kind_of_object = DiscoveredKind { resource, namespaced: true, deletable: true };
        ResolvedManifest { kind: kind_of_object, manifest: Manifest { place: format!("f: {kind}"), object } }
    }

    fn workload(kind: &str, replicas: i64, pod: Json) -> Json {
        json!({"kind": kind, "spec": {"replicas": replicas, "template": {"spec": pod}}})
    }

    fn container(cpu: &str, memory: &str) -> Json {
        json!({"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}})
    }

    #[test]
    fn quantities_have_suffixes() {
        let check = |text: &str, expected: Option<f64>| assert_eq!(parse_quantity(text), expected, "{text}");
        check("250m", Some(0.25));
        check("2", Some(2.0));
        check("1.5", Some(1.5));
        check("64Mi", Some(67_108_864.0));
        check("128M", Some(128_000_000.0));
        check("1e3", Some(1_000.0));
        check("", None);
        check("-1", None);
        check("inf", None);
        check("many", None);
    }

    #[test]
    fn every_container_has_to_request_cpu_and_memory() {
        let check = |group: &str, object: Json, expected: Result<usize, &str>| {
            let resolved = resolved(group, object.clone());
            let found = read_requests(&[&resolved]).map(|requests| requests.pods.len());
            assert_eq!(found.map_err(|cause| cause.to_string()), expected.map_err(str::to_owned), "{object}");
        };
        let pod = |containers: Json| json!({"containers": containers});
        check("apps", workload("Deployment", 3, pod(json!([container("1", "1Mi")]))), Ok(3));
        check("apps", workload("DaemonSet", 3, pod(json!([container("1", "1Mi")]))), Ok(0));
        check("", json!({"kind": "Pod", "spec": pod(json!([container("1", "1Mi")]))}), Ok(1));
        check("", json!({"kind": "ConfigMap"}), Ok(0));
        let limits = json!([{"name": "c", "resources": {"limits": {"cpu": 1, "memory": "1Mi"}}}]);
        check("apps", workload("Deployment", 1, pod(limits)), Ok(1));
        let half = json!([{"name": "c", "resources": {"requests": {"cpu": "1"}}}]);
        check(
            "apps",
            workload("Deployment", 1, pod(half)),
            Err("f: Deployment: container c requests no memory"),
        );
        let sidecar = json!({"containers": [container("1", "1Mi")], "initContainers": [{"name": "i"}]});
        check(
            "apps",
            workload("StatefulSet", 1, sidecar),
            Err("f: StatefulSet: container i requests no cpu"),
        );
        check(
            "example.com",
            json!({"kind": "Database"}),
            Err("f: Database: the Pods of this object are unknown"),
        );
        check("networking.k8s.io", json!({"kind": "Ingress"}), Ok(0));
        check(
            "autoscaling",
            json!({"kind": "HorizontalPodAutoscaler"}),
            Err("f: HorizontalPodAutoscaler: the Pods of this object are unknown"),
        );
    }

    #[test]
    fn init_containers_run_before_the_others_and_sidecars_beside_them() {
        let check = |pod: Json, cpu: f64| assert!((effective_requests(&pod).cpu - cpu).abs() < 1e-9, "{pod}");
        let (one, two, three) = (container("1", "1"), container("2", "1"), container("3", "1"));
        let mut sidecar = one.clone();
        sidecar["restartPolicy"] = json!("Always");
        check(json!({"containers": [one, two]}), 3.0);
        check(json!({"containers": [one], "initContainers": [three]}), 3.0);
        check(json!({"containers": [two], "initContainers": [sidecar]}), 3.0);
        check(json!({"containers": [one], "initContainers": [sidecar, three]}), 4.0);
        check(json!({"containers": [one], "overhead": {"cpu": "500m"}}), 1.5);
    }

    #[test]
    fn exclusive_resources_are_found() {
        let check = |object: Json, expected: Option<&str>| {
            let resolved = resolved("", object.clone());
            let found = find_exclusive(&[&resolved]).map(|cause| cause.to_string());
            assert_eq!(found.as_deref(), expected, "{object}");
        };
        let port = |port: Json| json!({"containers": [{"ports": [port]}]});
        check(workload("Deployment", 1, port(json!({"containerPort": 80}))), None);
        check(
            workload("Deployment", 1, port(json!({"hostPort": 80}))),
            Some("f: Deployment uses a port of its node"),
        );
        check(
            json!({"kind": "Pod", "spec": {"hostNetwork": true}}),
            Some("f: Pod uses the network of its node"),
        );
        check(
            json!({"kind": "PersistentVolumeClaim", "spec": {"volumeName": "v"}}),
            Some("f: PersistentVolumeClaim uses a volume by its name"),
        );
    }

    fn node(name: &str, cpu: &str, pods: &str) -> Json {
        json!({"metadata": {"name": name}, "spec": {}, "status": {
            "allocatable": {"cpu": cpu, "memory": "1Gi", "pods": pods},
            "conditions": [{"type": "Ready", "status": "True"}]}})
    }

    #[test]
    fn both_arms_need_room_beside_running_pods() {
        let arm = |pods: &[f64]| ArmRequests {
            pods: pods.iter().map(|cpu| ResourceAmounts { cpu: *cpu, memory: 1.0 }).collect(),
            on_each_node: Vec::new(),
        };
        let check = |nodes: &[Json], pods: &[Json], before: &[f64], after: &[f64], expected: bool| {
            let room = ClusterRoom::compute(nodes, pods);
            assert_eq!(room.holds(arm(before), arm(after)), expected, "{pods:?} {before:?} {after:?}");
        };
        let pod = |node: Json, phase: &str| json!({"spec": {"nodeName": node, "containers": [container("1", "1")]}, "status": {"phase": phase}});
        let nodes = [node("a", "2", "10"), node("b", "2", "10")];
        check(&nodes, &[], &[1.0, 1.0], &[1.0, 1.0], true);
        check(&nodes, &[pod(json!("a"), "Running")], &[1.0, 1.0], &[1.0, 1.0], false);
        check(&nodes, &[pod(json!("a"), "Succeeded")], &[1.0, 1.0], &[1.0, 1.0], true);
        check(&nodes, &[pod(Json::Null, "Pending")], &[1.0, 1.0], &[1.0, 1.0], false);
        // enough in total, and on no node
        check(&nodes, &[], &[1.5], &[1.5, 1.0], false);
        // the largest first
        check(&nodes, &[], &[0.5, 0.5], &[1.5, 1.5], true);
        check(&[node("a", "9", "1")], &[], &[1.0], &[1.0], false);
        let mut tainted = node("a", "9", "10");
        tainted["spec"]["taints"] = json!([{"effect": "NoSchedule"}]);
        check(&[tainted], &[], &[1.0], &[1.0], false);
        let mut cordoned = node("a", "9", "10");
        cordoned["spec"]["unschedulable"] = json!(true);
        check(&[cordoned], &[], &[1.0], &[1.0], false);
        let each = ArmRequests { on_each_node: arm(&[1.5]).pods, ..ArmRequests::default() };
        assert!(!ClusterRoom::compute(&nodes, &[]).holds(each.clone(), each.clone()));
        assert!(ClusterRoom::compute(&nodes, &[]).holds(each, ArmRequests::default()));
    }
}
