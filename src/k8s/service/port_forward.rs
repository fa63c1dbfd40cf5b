//! Connections to the Pods of a Service, by port-forward.
//!
//! An HTTP client reaches them through a local SOCKS proxy, so that host name and certificate stay unchanged.
//! Each request has a secret ticket: other users of the machine cannot use the proxy.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Weak};

use base64::Engine as _;
use futures_util::FutureExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::{PodEndpoint, ResolvedService, RoundRobin, ServiceAlias, endpoints, find, named};
use crate::k8s::client::ClusterClient;
use crate::k8s::error::{DialError, Error, ServiceError};

/// Constants of SOCKS 5 and its authentication (RFC 1928, RFC 1929).
const SOCKS: u8 = 5;
const LOGIN: u8 = 1;
const BY_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const REFUSED: u8 = 5;

/// SOCKS proxy. Dropping it stops it.
pub struct PortForward {
    address: SocketAddr,
    shared: Arc<PortForwardState>,
    accepting: tokio::task::JoinHandle<()>,
}

struct PortForwardState {
    cluster: Arc<ClusterClient>,
    aliases: Vec<ServiceAlias>,
    tickets: Mutex<HashMap<String, Weak<PortForwardResult>>>,
    turns: RoundRobin,
}

/// Result of the connections of one request.
#[derive(Debug, Default)]
struct PortForwardResult {
    /// The last error.
    failure: Mutex<Option<Error>>,
    /// The last connection.
    reached: Mutex<Option<(ResolvedService, PodEndpoint)>>,
}

/// Permission to connect for the time of one request.
pub struct ForwardGuard {
    secret: String,
    address: SocketAddr,
    outcome: Arc<PortForwardResult>,
    shared: Arc<PortForwardState>,
}

impl Drop for PortForward {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Drop for ForwardGuard {
    fn drop(&mut self) {
        self.shared.tickets.lock().remove(&self.secret);
    }
}

impl ForwardGuard {
    /// Returns the address of the proxy, with the ticket.
    pub fn proxy(&self) -> String {
        format!("socks5h://ticket:{}@{}", self.secret, self.address)
    }

    /// Takes the error of the last connection.
    pub fn take_error(&self) -> Option<Error> {
        self.outcome.failure.lock().take()
    }

    /// Returns the Service and the Pod of the last connection.
    pub fn destination(&self) -> Option<(ResolvedService, PodEndpoint)> {
        self.outcome.reached.lock().clone()
    }
}

impl PortForward {
    /// Starts the proxy.
    pub async fn open(cluster: Arc<ClusterClient>, aliases: Vec<ServiceAlias>) -> Result<Self, ServiceError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(ServiceError::Listen)?;
        let address = listener.local_addr().map_err(ServiceError::Listen)?;
        let shared = Arc::new(PortForwardState {
            cluster,
            aliases,
            tickets: Mutex::default(),
            turns: RoundRobin::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)).boxed());
        Ok(Self { address, shared, accepting })
    }

    /// Creates a ticket for one request.
    pub fn guard(&self) -> Result<ForwardGuard, Error> {
        let mut bytes = [0_u8; 16];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
            .map_err(|_| ServiceError::NoRandomness)?;
        let secret = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let outcome = Arc::new(PortForwardResult::default());
        self.shared.tickets.lock().insert(secret.clone(), Arc::downgrade(&outcome));
        Ok(ForwardGuard { secret, address: self.address, outcome, shared: Arc::clone(&self.shared) })
    }
}

async fn accept(listener: TcpListener, shared: Arc<PortForwardState>) {
    loop {
        // a failed connection does not end the others
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        // the ticket holds the result of a connection
        tokio::spawn(async move { drop(shared.serve(stream).await) }.boxed());
    }
}

impl PortForwardState {
    async fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let Some(outcome) = self.admit(&mut client).await? else { return Ok(()) };
        let Some(url) = read_destination(&mut client).await? else { return Ok(()) };
        let (forwarder, found, endpoint) = match self.forward(&url).await {
            Ok(opened) => opened,
            Err(failure) => {
                *outcome.failure.lock() = Some(failure);
                return answer(&mut client, REFUSED).await;
            }
        };
        *outcome.reached.lock() = Some((found, endpoint.clone()));
        answer(&mut client, 0).await?;
        if let Err(failure) = pump(forwarder, &endpoint, &mut client).await {
            *outcome.failure.lock() = Some(failure);
        }
        client.shutdown().await
    }

    /// Authenticates a client by its ticket.
    async fn admit(&self, client: &mut TcpStream) -> io::Result<Option<Arc<PortForwardResult>>> {
        let [version, methods] = read(client).await?;
        let offered = read_many(client, methods.into()).await?;
        if version != SOCKS || !offered.contains(&BY_PASSWORD) {
            client.write_all(&[SOCKS, 0xff]).await?;
            return Ok(None);
        }
        client.write_all(&[SOCKS, BY_PASSWORD]).await?;
        let [_, length] = read(client).await?;
        read_many(client, length.into()).await?;
        let [length] = read(client).await?;
        let secret = read_many(client, length.into()).await?;
        let secret = String::from_utf8_lossy(&secret).into_owned();
        let outcome = self.tickets.lock().get(&secret).and_then(Weak::upgrade);
        client.write_all(&[LOGIN, u8::from(outcome.is_none())]).await?;
        Ok(outcome)
    }

    /// Connects to the next Pod of the Service that an address means.
    async fn forward(
        &self,
        url: &Url,
    ) -> Result<(kube::api::Portforwarder, ResolvedService, PodEndpoint), Error> {
        let service = named(url, &self.aliases).ok_or_else(|| ServiceError::NotAService(url.clone()))?;
        let found = find(&self.cluster, &service).await?;
        let ready = endpoints(&self.cluster, &found).await?;
        let endpoint =
            self.turns.next(&ready).ok_or_else(|| ServiceError::NoEndpoints(found.display_name()))?.clone();
        let pods: Api<Pod> = Api::namespaced(self.cluster.client(), &found.namespace);
        let forwarder = pods.portforward(&endpoint.pod, &[endpoint.port]).await;
        match forwarder {
            Ok(forwarder) => Ok((forwarder, found, endpoint)),
            Err(error) => Err(self.cluster.upgrade_refused("pods/portforward", &found.namespace, error)),
        }
    }
}

/// Reads the destination that the client requests.
async fn read_destination(client: &mut TcpStream) -> io::Result<Option<Url>> {
    let [version, command, _, kind] = read(client).await?;
    let host = match kind {
        1 => Ipv4Addr::from(read::<4>(client).await?).to_string(),
        4 => format!("[{}]", Ipv6Addr::from(read::<16>(client).await?)),
        _ => {
            let [length] = read(client).await?;
            String::from_utf8_lossy(&read_many(client, length.into()).await?).into_owned()
        }
    };
    let port = u16::from_be_bytes(read(client).await?);
    // default ports of schemes may mean the only port of the Service
    let scheme = if port == 443 { "https" } else { "http" };
    let url = Url::parse(&format!("{scheme}://{host}:{port}/")).ok();
    Ok(url.filter(|_| version == SOCKS && command == CONNECT))
}

async fn answer(client: &mut TcpStream, code: u8) -> io::Result<()> {
    client.write_all(&[SOCKS, code, 0, 1, 0, 0, 0, 0, 0, 0]).await
}

async fn read<const N: usize>(client: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn read_many(client: &mut TcpStream, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Copies bytes in both directions until one side ends, or the kubelet reports an error.
async fn pump(
    mut forwarder: kube::api::Portforwarder,
    endpoint: &PodEndpoint,
    client: &mut TcpStream,
) -> Result<(), Error> {
    let PodEndpoint { pod, port } = endpoint;
    let (Some(stream), Some(error)) = (forwarder.take_stream(*port), forwarder.take_error(*port)) else {
        return Err(ServiceError::NotForwarded(pod.clone()).into());
    };
    let (mut from_pod, mut to_pod) = tokio::io::split(stream);
    let (mut from_client, mut to_client) = client.split();
    let broken = async {
        match error.await {
            Some(error) => error,
            // the channel closes with the connection
            None => std::future::pending().await,
        }
    };
    let error = tokio::select! {
        biased;
        error = broken => Some(error),
        _ = copy(&mut from_pod, &mut to_client) => None,
        _ = copy(&mut from_client, &mut to_pod) => None,
    };
    forwarder.abort();
    match error {
        Some(error) => {
            let error = DialError::parse(&error);
            Err(ServiceError::Forwarded { pod: pod.clone(), port: *port, error }.into())
        }
        None => Ok(()),
    }
}
