//! The network of the embedded cluster: Pods that listen on loopback, Services that pass connections on. Floor 1.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::Value as Json;
use tokio::net::{TcpSocket, TcpStream};

use super::EmbeddedCluster;
use super::json_fields::{is_ready, is_terminating, items, text};
use super::store::ObjectKey;

/// How long a Pod may take to answer what is passed on to it, and how much it may say.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_RESPONSE_BYTES: usize = 8 * 1024 * 1024;

/// One port of one Pod: where it is for the cluster, and where it really is.
#[derive(Clone, Copy, Debug)]
pub(super) struct NetworkEndpoint {
    /// Its address in the cluster.
    pub(super) address: PodAddress,
    /// Where it listens; nothing for Pods that only seem to run.
    pub(super) real: Option<SocketAddr>,
}

/// An address of a Pod in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PodAddress(pub(super) Ipv4Addr, pub(super) u16);

impl std::fmt::Display for PodAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.0, self.1)
    }
}

/// Why a Service is not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RouteError {
    /// No Pod is ready.
    NoEndpoints,
    /// It has no such port.
    NoPort,
}

/// What listens where.
#[derive(Default)]
pub(super) struct ClusterNetwork {
    /// Pods that run, by their address in the cluster.
    pods: Mutex<HashMap<PodAddress, SocketAddr>>,
    /// The loopback addresses of Services, by namespace, name and port.
    service_listeners: Mutex<HashMap<(String, String, u16), SocketAddr>>,
    next_index: AtomicUsize,
}

impl ClusterNetwork {
    /// A Pod listens from now on.
    pub(super) fn register(&self, shown: PodAddress, real: SocketAddr) {
        self.pods.lock().insert(shown, real);
    }

    /// It does not any more.
    pub(super) fn unregister(&self, shown: PodAddress) {
        self.pods.lock().remove(&shown);
    }

    /// Whether anything of a Pod listens.
    fn has_listener(&self, address: Ipv4Addr) -> bool {
        self.pods.lock().keys().any(|shown| shown.0 == address)
    }

    /// Where it really listens.
    pub(super) fn find(&self, shown: PodAddress) -> Option<SocketAddr> {
        self.pods.lock().get(&shown).copied()
    }
}

impl EmbeddedCluster {
    /// A ready endpoint of a Service, another one each time. The port is a number or a name; none for the only one.
    pub(super) fn next_endpoint(
        &self,
        namespace: &str,
        service: &str,
        port: &str,
    ) -> Result<NetworkEndpoint, RouteError> {
        let ready = self.ready_endpoints(namespace, service, port)?;
        if ready.is_empty() {
            return Err(RouteError::NoEndpoints);
        }
        let turn = self.network.next_index.fetch_add(1, Ordering::Relaxed);
        let shown = ready[turn % ready.len()];
        Ok(NetworkEndpoint { address: shown, real: self.network.find(shown) })
    }

    /// What to know of a Pod that refuses connections: its image may be one that only seems to run.
    pub(super) fn simulated_image_note(&self, namespace: &str, at: PodAddress) -> Option<String> {
        if self.network.has_listener(at.0) {
            return None;
        }
        let state = self.api.lock();
        let mut pods = state.store.list("/pods", namespace).map(|(_, pod)| pod);
        let pod = pods.find(|pod| pod["status"]["podIP"] == at.0.to_string())?;
        let image = text(&pod["spec"]["containers"][0]["image"]);
        Some(format!(" (Pods of the image {image} only seem to run here)"))
    }

    fn ready_endpoints(
        &self,
        namespace: &str,
        service: &str,
        port: &str,
    ) -> Result<Vec<PodAddress>, RouteError> {
        let state = self.api.lock();
        let find = |resource: &str| state.store.get(&ObjectKey::new(resource, namespace, service));
        let object = find("/services").ok_or(RouteError::NoPort)?;
        let ports: Vec<&Json> = items(&object["spec"]["ports"]).collect();
        let named = |one: &&&Json| {
            one["name"] == port || one["port"].as_u64().is_some_and(|number| port.parse() == Ok(number))
        };
        let wanted = match ports.as_slice() {
            [only] if port.is_empty() => only,
            ports => ports.iter().find(named).ok_or(RouteError::NoPort)?,
        };
        let Some(endpoints) = find("/endpoints") else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for subset in items(&endpoints["subsets"]) {
            let port = items(&subset["ports"]).find(|one| one["name"] == wanted["name"]);
            let number = port.and_then(|one| u16::try_from(one["port"].as_u64()?).ok());
            let Some(number) = number else { continue };
            for address in items(&subset["addresses"]) {
                // the list may be a moment behind
                let pod =
                    state.store.get(&ObjectKey::new("/pods", namespace, text(&address["targetRef"]["name"])));
                if !pod.is_some_and(|pod| is_ready(pod) && !is_terminating(pod)) {
                    continue;
                }
                if let Some(ip) = address["ip"].as_str().and_then(|ip| ip.parse().ok()) {
                    found.push(PodAddress(ip, number));
                }
            }
        }
        Ok(found)
    }

    /// The loopback address of a Service: it passes connections on to ready Pods, and refuses them when there are
    /// none. It is the same as long as the cluster lives, whether the Service is there or not.
    pub fn service_address(
        self: &Arc<Self>,
        namespace: &str,
        service: &str,
        port: u16,
    ) -> io::Result<SocketAddr> {
        let key = (namespace.to_owned(), service.to_owned(), port);
        if let Some(known) = self.network.service_listeners.lock().get(&key) {
            return Ok(*known);
        }
        let socket = bind_socket(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = socket.local_addr()?;
        self.network.service_listeners.lock().insert(key.clone(), address);
        let cluster = Arc::clone(self);
        self.spawn(async move { cluster.forward_service(socket, address, &key).await });
        Ok(address)
    }

    /// The loopback address that a host name has for a Pod of a namespace: `NAME`, `NAME.NAMESPACE`, and what may
    /// stand behind those. Nothing for what is no name of a Service.
    pub fn resolve(
        self: &Arc<Self>,
        host: &str,
        port: u16,
        namespace: &str,
    ) -> Option<io::Result<SocketAddr>> {
        let (service, namespace) = match host.split('.').collect::<Vec<_>>().as_slice() {
            [name] if *name != "localhost" => (*name, namespace),
            [name, namespace] | [name, namespace, "svc"] | [name, namespace, "svc", "cluster", "local"] => {
                (*name, *namespace)
            }
            _ => return None,
        };
        Some(self.service_address(namespace, service, port))
    }

    /// A socket that is bound and does not listen refuses connections, and keeps its port from others.
    async fn forward_service(
        self: Arc<Self>,
        mut socket: TcpSocket,
        address: SocketAddr,
        key: &(String, String, u16),
    ) {
        let (namespace, service, port) = (&key.0, &key.1, key.2.to_string());
        let is_open = || self.ready_endpoints(namespace, service, &port).is_ok_and(|ready| !ready.is_empty());
        let mut changed = self.api.subscribe();
        loop {
            while !is_open() {
                if changed.changed().await.is_err() {
                    return;
                }
            }
            let Ok(listener) = socket.listen(1024) else { return };
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        if let Ok((stream, _)) = accepted {
                            let endpoint = self.next_endpoint(namespace, service, &port);
                            self.spawn(pipe_to_pod(stream, endpoint.ok().and_then(|endpoint| endpoint.real)));
                        }
                    }
                    changed = changed.changed() => {
                        if changed.is_err() { return }
                        if !is_open() { break }
                    }
                }
            }
            drop(listener);
            socket = loop {
                match bind_socket(address) {
                    Ok(socket) => break socket,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            };
        }
    }
}

fn bind_socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Joins a connection with a Pod, until one of them ends it.
async fn pipe_to_pod(mut from: TcpStream, to: Option<SocketAddr>) {
    if let Some(to) = to
        && let Ok(mut pod) = TcpStream::connect(to).await
    {
        // whose end it was is told to the other by closing
        let _ = tokio::io::copy_bidirectional(&mut from, &mut pod).await;
    }
}

/// Connects with a Pod.
pub(super) async fn connect(endpoint: NetworkEndpoint) -> Result<TcpStream, String> {
    let NetworkEndpoint { address: shown, real } = endpoint;
    let real = real.ok_or_else(|| format!("dial tcp {shown}: connect: connection refused"))?;
    TcpStream::connect(real).await.map_err(|error| format!("dial tcp {shown}: connect: {error}"))
}

/// Sends a request to a Pod.
pub(super) async fn send_request(
    endpoint: NetworkEndpoint,
    mut request: Request<Bytes>,
) -> Result<Response<Bytes>, String> {
    let shown = HeaderValue::from_str(&endpoint.address.to_string()).map_err(|error| error.to_string())?;
    request.headers_mut().entry(HOST).or_insert(shown);
    let request = request.map(Full::new);
    let asking = async {
        let stream = connect(endpoint).await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        let answer = async {
            let (head, body) =
                sender.send_request(request).await.map_err(|error| error.to_string())?.into_parts();
            let body =
                Limited::new(body, MAX_RESPONSE_BYTES).collect().await.map_err(|error| error.to_string())?;
            // this answer has all its bytes; how they came is nobody's business
            let mut answer = Response::new(body.to_bytes());
            *answer.status_mut() = head.status;
            if let Some(content_type) = head.headers.get(CONTENT_TYPE) {
                answer.headers_mut().insert(CONTENT_TYPE, content_type.clone());
            }
            Ok::<_, String>(answer)
        };
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer,
            // an end of the connection is an end of the answer, which says why
            _ = connection => answer.await,
        }
    };
    tokio::time::timeout(REQUEST_TIMEOUT, asking).await.map_err(|_| "i/o timeout".to_owned())?
}
