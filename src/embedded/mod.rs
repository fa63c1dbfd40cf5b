//! An embedded Kubernetes cluster: rehearses experiments in this process, and serves as a test double.
//!
//! ```text
//!  http            routes requests, encodes responses ◄── a tower::Service, or a listener with TLS
//!  api             get, list, watch, create, update, patch, delete, scale, evict: pure, under one lock
//!  │  api_resources  the kinds                        defaults  defaults and validation
//!  │  selector       label and field selectors        patch     the four patch types
//!  │  protobuf       the few protobuf bodies          schema    type checks of objects
//!  ├─ work_queue   the work that follows from a change
//!  └─ store        objects, one revision for all, the change history          json_fields  accessors
//!  controllers     Deployments, ReplicaSets, Endpoints, budgets, namespaces, garbage; the lifecycle of Pods
//!  network         Pods that listen on loopback, Services that forward connections    logs  logs of Pods
//!  ├─ network_policy  which connections are let in
//!  └─ port_forward    connections of clients outside the cluster
//! ```
//!
//! The caller provides the seed of all random values and the clock of all timestamps. Delays use the time of the
//! runtime. The change history is bounded in bytes. A change of one Pod reconciles its `ReplicaSet`, its Services,
//! and the disruption budgets of its namespace; no other work reads all Pods.
//!
//! Pods of the demo application run: they listen, and their readiness probes (`httpGet`, `tcpSocket`) are executed.
//! Pods of other images are simulated: nothing listens, and they are ready after the initial delay of their probes.
//!
//! There are no kubelet heartbeats: the condition `Ready` of a Node is whatever was written to it. `Unknown` stands
//! for a lost Node: its Pods are not ready and do not terminate until the condition changes. `False` keeps new Pods
//! away; running Pods stay as they are, as in a real cluster.
//!
//! Network policies decide which connections are let in, by their selectors and ports. Clients outside the cluster have the
//! address of the Node. Unlike in a real cluster, policies also apply to port-forward: it stands for a direct connection.
//!
//! It is a test double and stays small. Compared with a real cluster, it lacks:
//!
//! - Access: users and RBAC (all requests are allowed), field managers (server-side apply merges), admission beyond
//!   defaults, validation beyond the needs of the controllers.
//! - API: exec, attach, port-forward by SPDY, following logs, schemas (`kubectl explain`), consistent paging, volumes,
//!   the objects that controllers add to each namespace (accounts, tokens, certificates).
//! - Controllers: those of other workloads, and the adoption of Pods.
//! - Containers: they do not exit or restart. Liveness and startup probes are stored but not run. `exec` and `grpc`
//!   readiness probes pass. A redirect passes and is not followed.
//! - Events: only those of failed readiness probes.
//! - Scheduling: taints are stored but ignored, so no Pod is evicted from a Node that is not ready. Pods of a deleted
//!   Node stay. Capacity and resource requests are ignored.
//! - Availability: a Pod is available once it is ready (`minReadySeconds` and `progressDeadlineSeconds` are ignored).
//! - Protobuf: only `ConfigMaps`, Secrets, Deployments, Services, namespaces, service accounts, disruption budgets,
//!   evictions and access reviews; kubectl creates other kinds from files only.

mod api;
mod api_resources;
mod bootstrap;
mod controllers;
mod defaults;
mod demo_runtime;
mod error;
mod field_types;
mod http;
mod json_fields;
mod limitation;
mod listener;
mod logs;
mod network;
mod network_policy;
mod patch;
mod port_forward;
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
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use crate::clock::Timestamp;
use api::ApiServer;
use logs::PodLogs;
use network::ClusterNetwork;

pub use bootstrap::SourcedObject;
pub use controllers::{CRASHING_IMAGE_PREFIX, MISSING_IMAGE_PREFIX};
pub use demo_runtime::{DemoAppRuntime, ParseArguments};
pub use error::{ContainerError, EmbeddedError};
pub use http::ApiBody;
pub use limitation::EmbeddedLimitation;
pub use listener::{Listener, NAME};
pub use status::ApiStatus;

/// The architecture of the simulated Nodes, in Go's words. It is the same on all machines: a seed repeats a run.
const NODE_ARCHITECTURE: &str = "amd64";
/// The region and the zones of the Nodes.
const REGION: &str = "embedded";
const ZONES: [&str; 3] = ["embedded-a", "embedded-b", "embedded-c"];
/// How many readiness probes run at once: each takes two file descriptors.
const MAX_CONCURRENT_PROBES: usize = 50;

/// The result of starting a container: the port that it listens on, or nothing for a simulated image.
pub type StartFuture<'a> = BoxFuture<'a, Result<Option<PortBinding>, ContainerError>>;

/// A container port, and the loopback address that really listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortBinding {
    /// The port in the Pod.
    pub port: u16,
    /// The loopback address.
    pub real: SocketAddr,
}

/// Runs containers.
pub trait ContainerRuntime: Send + Sync {
    /// Starts a container of a Pod; it runs until `end`.
    fn start<'a>(
        &'a self,
        cluster: &'a Arc<EmbeddedCluster>,
        pod: &'a Json,
        container: &'a Json,
        end: oneshot::Receiver<()>,
    ) -> StartFuture<'a>;
}

/// Runs nothing: all containers are simulated.
pub struct NoopRuntime;

impl ContainerRuntime for NoopRuntime {
    fn start<'a>(
        &'a self,
        _: &'a Arc<EmbeddedCluster>,
        _: &'a Json,
        _: &'a Json,
        _: oneshot::Receiver<()>,
    ) -> StartFuture<'a> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// The options of a new cluster.
pub struct EmbeddedOptions {
    /// The seed of the random numbers.
    pub seed: u64,
    /// The number of Nodes.
    pub nodes: usize,
    /// The clock of timestamps in objects, tables and logs.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    pub workloads: Box<dyn ContainerRuntime>,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self { seed: 0, nodes: 2, clock: Arc::new(Timestamp::now), workloads: Box::new(NoopRuntime) }
    }
}

/// The cluster. It runs for as long as its handle exists.
pub struct EmbeddedCluster {
    api: Arc<ApiServer>,
    network: ClusterNetwork,
    logs: PodLogs,
    workloads: Box<dyn ContainerRuntime>,
    tasks: Mutex<JoinSet<()>>,
    /// Wakes the task of a Pod, by the UID of the Pod.
    pod_tasks: Mutex<HashMap<String, Arc<Notify>>>,
    /// Limits how many readiness probes run at once.
    probe_permits: Semaphore,
}

/// Keeps the cluster running; dropping it ends all its tasks.
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
            // a valid object: creation cannot fail
            let name = format!("embedded-{number}");
            let _ = api.create_object(node_object(&name, zone_of(number), &api.now_text()));
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
        let control = cluster.tasks.lock().spawn(Arc::clone(&cluster).run_controllers().boxed());
        EmbeddedHandle { cluster, control }
    }

    /// Runs a task until the cluster ends.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock();
        // remove the finished tasks; their results are not needed
        while tasks.try_join_next().is_some() {}
        // boxed, because tokio compiles its part of a task for every type of future
        tasks.spawn(task.boxed());
    }
}

impl EmbeddedHandle {
    pub fn cluster(&self) -> &Arc<EmbeddedCluster> {
        &self.cluster
    }

    /// Returns the cluster as a `tower::Service`.
    pub fn service(&self) -> EmbeddedService {
        EmbeddedService(Arc::clone(&self.cluster))
    }

    /// Applies an object like `kubectl apply --server-side`. Objects without a namespace go to `namespace`.
    pub fn apply(&self, mut object: Json, namespace: &str) -> Result<(), ApiStatus> {
        let api = &self.cluster.api;
        if object["metadata"]["namespace"].is_null() && api.locate(&object)?.kind.namespaced {
            object["metadata"]["namespace"] = json!(namespace);
        }
        let at = api.locate(&object)?;
        api.patch(&at, patch::ApiPatchType::Apply, &object, &api::WriteOptions::default()).map(drop)
    }
}

/// The cluster as a `tower::Service`, which a `kube::Client` can use without a port.
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

fn node_object(name: &str, zone: &str, now: &str) -> Json {
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "the Node is simulated",
        "lastHeartbeatTime": now, "lastTransitionTime": now,
    });
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": node_labels(name, zone)},
        "spec": {},
        "status": {
            "conditions": [condition], "addresses": [{"type": "Hostname", "address": name}],
            "capacity": {"cpu": "4", "memory": "8Gi", "pods": "1100"},
            "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "1100"},
            "nodeInfo": {"kubeletVersion": "v1.33.0+embedded", "operatingSystem": "linux",
                "architecture": NODE_ARCHITECTURE},
        },
    })
}

/// Returns the zone of a Node: the Nodes take turns.
fn zone_of(number: usize) -> &'static str {
    ZONES[(number - 1) % ZONES.len()]
}

/// Returns the labels that a cloud provider and a kubelet set, with their deprecated names.
fn node_labels(name: &str, zone: &str) -> Json {
    json!({
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux", "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": NODE_ARCHITECTURE, "beta.kubernetes.io/arch": NODE_ARCHITECTURE,
        "topology.kubernetes.io/region": REGION, "failure-domain.beta.kubernetes.io/region": REGION,
        "topology.kubernetes.io/zone": zone, "failure-domain.beta.kubernetes.io/zone": zone,
    })
}
