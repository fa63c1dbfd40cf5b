//! The network of the embedded cluster: Pods listen on loopback, Services forward the connections that network policies
//! let in.
//!
//! Verbatim: Kubernetes API server

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
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::EmbeddedCluster;
use super::json_fields::{is_ready, is_terminating, items, text};
use super::network_policy::{NetworkSource, PodLabels, is_admitted};
use super::store::ObjectKey;

/// The time and size limits of a response that is forwarded from a Pod.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_RESPONSE_BYTES: usize = 8 * 1024 * 1024;
/// How long a connection that network policies deny gets no answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a request is read from a client before its connection is admitted.
const MAX_EARLY_BYTES: usize = 64 * 1024;

/// A port of a Pod: its cluster address, and its real one.
#[derive(Clone, Copy, Debug)]
pub(super) struct NetworkEndpoint {
    /// The address in the cluster.
    pub(super) address: PodAddress,
    /// The loopback address; nothing for simulated Pods.
    pub(super) real: Option<SocketAddr>,
}

/// A ready Pod of a Service, and the port that the Service forwards to.
#[derive(Clone, Debug)]
pub(super) struct ServiceEndpoint {
    pub(super) pod: ObjectKey,
    pub(super) endpoint: NetworkEndpoint,
}

/// A Pod address and port in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PodAddress(pub(super) Ipv4Addr, pub(super) u16);

impl std::fmt::Display for PodAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.0, self.1)
    }
}

/// Why no Pod of a Service can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnreachableService {
    /// No Pod is ready.
    NoEndpoints,
    /// The Service has no such port.
    NoPort,
}

/// Why a Pod cannot be reached, in the words of Go's network library.
#[derive(Debug, thiserror::Error)]
pub(super) enum PodRequestError {
    #[error("dial tcp {address}: connect: connection refused")]
    NotListening { address: PodAddress },
    // the source is part of the message: both end up in one field of a `Status`
    #[error("dial tcp {address}: connect: {error}")]
    Connect { address: PodAddress, error: io::Error },
    #[error("dial tcp {address}: i/o timeout")]
    ConnectTimeout { address: PodAddress },
    #[error(transparent)]
    Request(#[from] http::Error),
    #[error(transparent)]
    Host(#[from] http::header::InvalidHeaderValue),
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error("{0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("i/o timeout")]
    Timeout,
}

/// Maps cluster addresses to loopback addresses.
#[derive(Default)]
pub(super) struct ClusterNetwork {
    /// The running Pods, by their cluster address.
    pods: Mutex<HashMap<PodAddress, SocketAddr>>,
    /// The loopback addresses of Services.
    service_listeners: Mutex<HashMap<ServiceListenerKey, SocketAddr>>,
    next_index: AtomicUsize,
}

/// A Service port as Pods with the same labels see it: network policies distinguish clients by their labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ServiceListenerKey {
    namespace: String,
    service: String,
    port: u16,
    source: PodLabels,
}

impl ClusterNetwork {
    /// Adds a listening Pod.
    pub(super) fn register(&self, pod_address: PodAddress, real: SocketAddr) {
        self.pods.lock().insert(pod_address, real);
    }

    /// Removes a Pod.
    pub(super) fn unregister(&self, pod_address: PodAddress) {
        self.pods.lock().remove(&pod_address);
    }

    /// Returns whether a port of the Pod listens.
    fn has_listener(&self, address: Ipv4Addr) -> bool {
        self.pods.lock().keys().any(|pod_address| pod_address.0 == address)
    }

    /// Returns the loopback address of a Pod.
    pub(super) fn find(&self, pod_address: PodAddress) -> Option<SocketAddr> {
        self.pods.lock().get(&pod_address).copied()
    }
}

impl EmbeddedCluster {
    /// Returns a ready endpoint of a Service, round robin. The port is a number or a name; empty for the only
    /// port.
    pub(super) fn next_endpoint(
        &self,
        namespace: &str,
        service: &str,
        port: &str,
    ) -> Result<ServiceEndpoint, UnreachableService> {
        let mut ready = self.ready_endpoints(namespace, service, port)?;
        if ready.is_empty() {
            return Err(UnreachableService::NoEndpoints);
        }
        let turn = self.network.next_index.fetch_add(1, Ordering::Relaxed);
        let (pod, address) = ready.swap_remove(turn % ready.len());
        Ok(ServiceEndpoint { pod, endpoint: NetworkEndpoint { address, real: self.network.find(address) } })
    }

    fn is_admitted(&self, source: &NetworkSource, to: &ServiceEndpoint) -> bool {
        is_admitted(&self.api.lock(), source, &to.pod, to.endpoint.address.1)
    }

    /// Waits until the network policies let a connection in. A denied connection is not refused: it gets no answer.
    pub(super) async fn wait_until_admitted(
        &self,
        source: &NetworkSource,
        to: &ServiceEndpoint,
    ) -> Result<(), PodRequestError> {
        let mut changed = self.api.subscribe();
        let admission = async { while !self.is_admitted(source, to) && changed.changed().await.is_ok() {} };
        let address = to.endpoint.address;
        tokio::time::timeout(CONNECT_TIMEOUT, admission)
            .await
            .map_err(|_| PodRequestError::ConnectTimeout { address })
    }

    /// Waits until the network policies deny a connection that they let in.
    pub(super) async fn wait_until_denied(&self, source: &NetworkSource, to: &ServiceEndpoint) {
        let mut changed = self.api.subscribe();
        while self.is_admitted(source, to) && changed.changed().await.is_ok() {}
    }

    /// Explains why a Pod refuses connections, if its image is simulated.
    pub(super) fn simulated_image_note(&self, namespace: &str, address: PodAddress) -> Option<String> {
        if self.network.has_listener(address.0) {
            return None;
        }
        let state = self.api.lock();
        let mut pods = state.store.list("/pods", namespace).map(|(_, pod)| pod);
        let pod = pods.find(|pod| pod["status"]["podIP"] == address.0.to_string())?;
        let image = text(&pod["spec"]["containers"][0]["image"]);
        Some(format!(" (image {image} is simulated; nothing listens)"))
    }

    fn ready_endpoints(
        &self,
        namespace: &str,
        service: &str,
        port: &str,
    ) -> Result<Vec<(ObjectKey, PodAddress)>, UnreachableService> {
        let state = self.api.lock();
        let find = |resource: &str| state.store.get(&ObjectKey::new(resource, namespace, service));
        let object = find("/services").ok_or(UnreachableService::NoPort)?;
        let ports: Vec<&Json> = items(&object["spec"]["ports"]).collect();
        let named = |one: &&&Json| {
            one["name"] == port || one["port"].as_u64().is_some_and(|number| port.parse() == Ok(number))
        };
        let service_port = match ports.as_slice() {
            [only] if port.is_empty() => only,
            ports => ports.iter().find(named).ok_or(UnreachableService::NoPort)?,
        };
        let Some(endpoints) = find("/endpoints") else { return Ok(Vec::new()) };
        let mut addresses = Vec::new();
        for subset in items(&endpoints["subsets"]) {
            let port = items(&subset["ports"]).find(|one| one["name"] == service_port["name"]);
            let number = port.and_then(|one| u16::try_from(one["port"].as_u64()?).ok());
            let Some(number) = number else { continue };
            for address in items(&subset["addresses"]) {
                // the Endpoints object may be outdated
                let key = ObjectKey::new("/pods", namespace, text(&address["targetRef"]["name"]));
                let pod = state.store.get(&key);
                if !pod.is_some_and(|pod| is_ready(pod) && !is_terminating(pod)) {
                    continue;
                }
                if let Some(ip) = address["ip"].as_str().and_then(|ip| ip.parse().ok()) {
                    addresses.push((key, PodAddress(ip, number)));
                }
            }
        }
        Ok(addresses)
    }

    /// Returns the loopback address of a Service, which forwards connections of Pods with these labels to ready Pods.
    fn service_address(self: &Arc<Self>, key: ServiceListenerKey) -> io::Result<SocketAddr> {
        if let Some(existing) = self.network.service_listeners.lock().get(&key) {
            return Ok(*existing);
        }
        let socket = bind_socket(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = socket.local_addr()?;
        self.network.service_listeners.lock().insert(key.clone(), address);
        let cluster = Arc::clone(self);
        self.spawn(async move { cluster.forward_service(socket, address, &key).await });
        Ok(address)
    }

    /// Returns the loopback address of the Service that a host name means, seen from a Pod.
    /// Names are `NAME`, `NAME.NAMESPACE`, and the longer forms of cluster DNS.
    pub(super) fn resolve(
        self: &Arc<Self>,
        host: &str,
        port: u16,
        source: PodLabels,
    ) -> Option<io::Result<SocketAddr>> {
        let (service, namespace) = match host.split('.').collect::<Vec<_>>().as_slice() {
            [name] if *name != "localhost" => (*name, source.namespace()),
            [name, namespace] | [name, namespace, "svc"] | [name, namespace, "svc", "cluster", "local"] => {
                (*name, *namespace)
            }
            _ => return None,
        };
        let (service, namespace) = (service.to_owned(), namespace.to_owned());
        Some(self.service_address(ServiceListenerKey { namespace, service, port, source }))
    }

    /// Forwards connections to ready Pods, and refuses them if there are none. A socket that is bound but
    /// does not listen refuses connections and reserves its port.
    async fn forward_service(
        self: Arc<Self>,
        mut socket: TcpSocket,
        address: SocketAddr,
        key: &ServiceListenerKey,
    ) {
        let ServiceListenerKey { namespace, service, port, source } = key;
        let (port, source) = (port.to_string(), NetworkSource::Pod(source.clone()));
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
                        if let Ok((stream, _)) = accepted
                            && let Ok(to) = self.next_endpoint(namespace, service, &port)
                        {
                            self.spawn(Arc::clone(&self).pipe_to_pod(stream, source.clone(), to));
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

    /// Copies data between a client and a Pod until one of them closes the connection, or policies deny it.
    async fn pipe_to_pod(self: Arc<Self>, mut from: TcpStream, source: NetworkSource, to: ServiceEndpoint) {
        let mut early = Vec::new();
        tokio::select! {
            biased;
            admitted = self.wait_until_admitted(&source, &to) => if admitted.is_err() { return },
            // the client gave up
            () = read_until_closed(&mut from, &mut early) => return,
        }
        let Some(real) = to.endpoint.real else { return };
        let Ok(mut pod) = TcpStream::connect(real).await else { return };
        if pod.write_all(&early).await.is_ok() {
            tokio::select! {
                // closing both streams tells the other side
                _ = tokio::io::copy_bidirectional(&mut from, &mut pod) => {}
                () = self.wait_until_denied(&source, &to) => {}
            }
        }
    }
}

/// Reads what a client sends until it closes the connection; ends early for no other reason.
async fn read_until_closed(client: &mut TcpStream, received: &mut Vec<u8>) {
    while received.len() < MAX_EARLY_BYTES {
        if !client.read_buf(received).await.is_ok_and(|count| count > 0) {
            return;
        }
    }
    std::future::pending::<()>().await;
}

fn bind_socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Connects to a Pod.
pub(super) async fn connect(endpoint: NetworkEndpoint) -> Result<TcpStream, PodRequestError> {
    let NetworkEndpoint { address, real } = endpoint;
    let real = real.ok_or(PodRequestError::NotListening { address })?;
    TcpStream::connect(real).await.map_err(|error| PodRequestError::Connect { address, error })
}

/// Sends a request to a Pod, and reads the whole response.
pub(super) async fn send_request(
    endpoint: NetworkEndpoint,
    mut request: Request<Bytes>,
) -> Result<Response<Bytes>, PodRequestError> {
    let host = HeaderValue::from_str(&endpoint.address.to_string())?;
    request.headers_mut().entry(HOST).or_insert(host);
    let request = request.map(Full::new);
    let exchange = async {
        let stream = connect(endpoint).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let response = async {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body =
                Limited::new(body, MAX_RESPONSE_BYTES).collect().await.map_err(PodRequestError::Body)?;
            // the body is complete now: transfer headers no longer apply
            let mut response = Response::new(body.to_bytes());
            *response.status_mut() = head.status;
            if let Some(content_type) = head.headers.get(CONTENT_TYPE) {
                response.headers_mut().insert(CONTENT_TYPE, content_type.clone());
            }
            Ok::<_, PodRequestError>(response)
        };
        let mut response = std::pin::pin!(response);
        tokio::select! {
            response = &mut response => response,
            // if the connection ends first, the response future returns the reason
            _ = connection => response.await,
        }
    };
    tokio::time::timeout(REQUEST_TIMEOUT, exchange).await.map_err(|_| PodRequestError::Timeout)?
}
