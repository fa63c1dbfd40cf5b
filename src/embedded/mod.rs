//! A small Kubernetes in this process: to try experiments on, and to test against. Floor 1.
//!
//! ```text
//!  http         addresses to requests, answers to bytes ◄── a tower::Service, or a listener with TLS
//!  api          get, list, watch, create, update, patch, delete, scale, evict: pure, under one lock
//!  │  kinds     which kinds there are     defaults   what is filled in, what is refused
//!  │  selector  which objects are meant   patch      four ways of changing one
//!  │  protobuf  the few bodies that come so
//!  │  shape     whether objects have the types that they should have
//!  store        objects, one revision for all, what changed lately             fields   how objects are read
//!  └─ work      what a change leaves to do
//!  controllers  Deployments, ReplicaSets, Endpoints, budgets, namespaces, garbage; the life of each Pod
//!  network      Pods that listen on loopback, Services that pass connections on     logs   what Pods said
//! ```
//!
//! Chance goes by a seed, and the time that objects, tables and logs tell by a clock; both are given from outside.
//! Delays pass by the runtime's own time. What is kept of the past is bounded in bytes. A change of one Pod makes its
//! set and its Services look at their Pods, and nothing at all Pods but the budgets of its namespace.
//!
//! Pods of the sample application run: they listen, and their readiness probes (`httpGet`, `tcpSocket`) are asked.
//! Pods with other images are Pods in name only: nothing listens, and they are ready as soon as their probes would
//! ask for the first time.
//!
//! Nothing beats the heart of a Node: whoever writes into its `Ready` condition decides. One that is `Unknown` stands
//! for a Node of which nothing is heard: its Pods are not ready, and do not end, until it is heard of again. One that
//! is `False` takes no Pods and begins none, and those that run stay as they are, as in a real cluster.
//!
//! It is a means, and stays small. What a real cluster has and this one has not: users and rights (everything is
//! allowed), managers of fields (server-side apply merges), admission beyond defaults, validation beyond what the
//! controllers rely on, controllers of any other workload, adoption of Pods, exec, attach and port-forward, logs that
//! go on while they are read, schemas (`kubectl explain`), lists in pages that show one moment, what controllers put
//! into every namespace (accounts, tokens, certificates), network policies, volumes, containers. Containers do not
//! end by themselves, and are not started again: liveness and startup probes are kept and not asked, and readiness
//! probes by `exec` or `grpc` count as passed; a redirection passes, and is not followed. Events are told of readiness
//! probes that fail, and of nothing else. Taints are kept, and neither set nor heeded, so that no Pod is evicted from
//! a Node that is not ready; Pods of a Node that was deleted stay; room and requests are not reckoned with; a Pod is
//! available as soon as it is ready (`minReadySeconds`, `progressDeadlineSeconds` do nothing). Of what kubectl sends
//! in protobuf it reads `ConfigMaps`, Secrets, Deployments, Services, namespaces, accounts, budgets, evictions and
//! questions about rights; other kinds are created from files.

mod api;
mod api_resources;
mod controllers;
mod defaults;
mod http;
mod json_fields;
mod listener;
mod logs;
mod network;
mod patch;
mod protobuf;
mod schema;
mod selector;
mod status;
mod store;
mod work_queue;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::{Request, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use crate::clock::Timestamp;
use api::ApiServer;
use controllers::UNHEALTHY_REASON;
use json_fields::{number, text};
use logs::PodLogs;
use network::ClusterNetwork;
use store::ObjectKey;

pub use controllers::{CRASHING_IMAGE_PREFIX, MISSING_IMAGE_PREFIX};
pub use http::ApiBody;
pub use listener::{Listener, NAME};
pub use status::ApiStatus;

/// How many containers are looked at at once: each takes two ends of a connection.
const MAX_CONCURRENT_PROBES: usize = 50;

/// What comes of starting a container: nothing for an image that only seems to run. An error says why it cannot run.
pub type StartFuture<'a> = BoxFuture<'a, Result<Option<PortBinding>, String>>;

/// Where something that runs for a container listens: the port that it has in its Pod, and the real address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortBinding {
    /// The port in the Pod.
    pub port: u16,
    /// On loopback.
    pub real: SocketAddr,
}

/// What runs for containers.
pub trait ContainerRuntime: Send + Sync {
    /// Starts what a container asks for, until `end`.
    fn start<'a>(
        &'a self,
        cluster: &'a Arc<EmbeddedCluster>,
        namespace: &'a str,
        container: &'a Json,
        end: oneshot::Receiver<()>,
    ) -> StartFuture<'a>;
}

/// Workloads of which none runs.
pub struct NoopRuntime;

impl ContainerRuntime for NoopRuntime {
    fn start<'a>(
        &'a self,
        _: &'a Arc<EmbeddedCluster>,
        _: &'a str,
        _: &'a Json,
        _: oneshot::Receiver<()>,
    ) -> StartFuture<'a> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// How a cluster begins.
pub struct EmbeddedOptions {
    /// What is left to chance goes by it.
    pub seed: u64,
    /// How many nodes there are.
    pub nodes: usize,
    /// What time it is.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// What runs for containers.
    pub workloads: Box<dyn ContainerRuntime>,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self { seed: 0, nodes: 2, clock: Arc::new(Timestamp::now), workloads: Box::new(NoopRuntime) }
    }
}

/// A cluster. It lives as long as its handle.
pub struct EmbeddedCluster {
    api: Arc<ApiServer>,
    network: ClusterNetwork,
    logs: PodLogs,
    workloads: Box<dyn ContainerRuntime>,
    tasks: Mutex<JoinSet<()>>,
    /// What tells the task of a Pod that something changed, by the UIDs of the Pods.
    pod_tasks: Mutex<HashMap<String, Arc<Notify>>>,
    /// Lets so many containers be looked at at once.
    probe_permits: Semaphore,
}

/// Keeps a cluster alive; with it everything ends that runs in the cluster.
pub struct EmbeddedHandle {
    cluster: Arc<EmbeddedCluster>,
    control: AbortHandle,
}

impl Drop for EmbeddedHandle {
    fn drop(&mut self) {
        self.control.abort();
        self.cluster.tasks.lock().abort_all();
    }
}

impl EmbeddedCluster {
    /// Starts a cluster.
    pub fn start(options: EmbeddedOptions) -> EmbeddedHandle {
        let EmbeddedOptions { seed, nodes, clock, workloads } = options;
        let api = Arc::new(ApiServer::new(seed, clock));
        for number in 1..=nodes {
            // nothing of it can be wrong
            let _ = api.create_object(node_object(&format!("embedded-{number}"), &api.now_text()));
        }
        let tasks = Mutex::new(JoinSet::new());
        let cluster = Arc::new(Self {
            api,
            network: ClusterNetwork::default(),
            logs: PodLogs::default(),
            workloads,
            tasks,
            pod_tasks: Mutex::default(),
            probe_permits: Semaphore::new(MAX_CONCURRENT_PROBES),
        });
        let control = cluster.tasks.lock().spawn(Arc::clone(&cluster).run_controllers());
        EmbeddedHandle { cluster, control }
    }

    /// Lets something run as long as the cluster.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock();
        // those that ended are forgotten here: nobody waits for them
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

impl EmbeddedHandle {
    /// The cluster.
    pub fn cluster(&self) -> &Arc<EmbeddedCluster> {
        &self.cluster
    }

    /// The cluster as what answers requests.
    pub fn service(&self) -> EmbeddedService {
        EmbeddedService(Arc::clone(&self.cluster))
    }

    /// Applies an object, as `kubectl apply --server-side` does; what has no namespace goes to `namespace`.
    pub fn apply(&self, mut object: Json, namespace: &str) -> Result<(), ApiStatus> {
        let api = &self.cluster.api;
        if object["metadata"]["namespace"].is_null() && api.locate(&object)?.kind.namespaced {
            object["metadata"]["namespace"] = json!(namespace);
        }
        let at = api.locate(&object)?;
        api.patch(&at, patch::ApiPatchType::Apply, &object, &api::WriteOptions::default()).map(drop)
    }

    /// What keeps Deployments from being complete: each that is not, with how far it is and what was told of its Pods.
    pub fn unready_deployments(&self) -> Vec<String> {
        let state = self.cluster.api.lock();
        let mut unfinished = Vec::new();
        for (key, object) in state.store.list("apps/deployments", "") {
            let (wanted, status) = (number(&object["spec"]["replicas"]), &object["status"]);
            let counted = ["replicas", "updatedReplicas", "availableReplicas"];
            let seen = number(&status["observedGeneration"]) == number(&object["metadata"]["generation"]);
            if !seen || counted.iter().any(|field| number(&status[field]) != wanted) {
                let ObjectKey { namespace, name, .. } = &**key;
                let available = number(&status["availableReplicas"]);
                let of_it =
                    |event: &Json| text(&event["involvedObject"]["name"]).starts_with(&format!("{name}-"));
                let mut events = state.store.list("/events", namespace).map(|(_, event)| event);
                let why = events.find(|event| event["reason"] == UNHEALTHY_REASON && of_it(event));
                let why = why.map(|event| format!(": {}", text(&event["message"]))).unwrap_or_default();
                unfinished
                    .push(format!("Deployment {namespace}/{name} ({available} of {wanted} available{why})"));
            }
        }
        unfinished
    }
}

/// A cluster as a `tower::Service`: what a `kube::Client` talks to, without a port.
#[derive(Clone)]
pub struct EmbeddedService(Arc<EmbeddedCluster>);

impl<B> tower_service::Service<Request<B>> for EmbeddedService
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<ApiBody>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let cluster = Arc::clone(&self.0);
        Box::pin(async move { Ok(cluster.handle_request(request).await) })
    }
}

fn node_object(name: &str, now: &str) -> Json {
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "it seems to run",
        "lastHeartbeatTime": now, "lastTransitionTime": now,
    });
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
        "spec": {},
        "status": {
            "conditions": [condition], "addresses": [{"type": "Hostname", "address": name}],
            "capacity": {"cpu": "4", "memory": "8Gi", "pods": "1100"},
            "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "1100"},
            "nodeInfo": {"kubeletVersion": "v1.33.0+embedded", "operatingSystem": "linux", "architecture": ""},
        },
    })
}
