//! Port-forward by WebSocket: gives clients outside the cluster a connection to a Pod.
//!
//! Each port has two channels, an even one for data and an odd one for an error. The first byte of a message is its
//! channel, and the first message of each channel names the port.
//!
//! Verbatim: Kubernetes API server

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    UPGRADE,
};
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::EmbeddedCluster;
use super::http::ApiBody;
use super::json_fields::{text, uid};
use super::network::{NetworkEndpoint, PodAddress, PodRequestError, ServiceEndpoint, connect};
use super::network_policy::NetworkSource;
use super::status::ApiStatus;
use super::store::ObjectKey;

/// The only supported protocol. `kubectl port-forward` uses SPDY.
const PROTOCOL: &str = "v4.channel.k8s.io";
/// The maximum number of ports: channels are numbered in one byte.
const MAX_PORTS: usize = 100;
/// How many messages wait for a slow reader.
const MAX_QUEUED_MESSAGES: usize = 16;
/// How many bytes of a Pod are sent in one message.
const MESSAGE_BYTES: usize = 16 * 1024;

/// A port of a Pod that is forwarded, and its channels.
struct ForwardedPort {
    pod_uid: String,
    to: ServiceEndpoint,
    data_channel: u8,
}

impl EmbeddedCluster {
    /// Accepts a request to forward ports of a Pod, and serves the connection that follows.
    pub(super) fn forward_ports(
        self: &Arc<Self>,
        pod: &Json,
        key: &ObjectKey,
        ports: &str,
        headers: &HeaderMap,
        upgrade: Option<OnUpgrade>,
    ) -> Result<Response<ApiBody>, ApiStatus> {
        let response = accept(headers)?;
        let upgrade = upgrade.ok_or_else(|| ApiStatus::not_implemented("port-forward without a listener"))?;
        let ip = text(&pod["status"]["podIP"]).parse();
        let ip =
            ip.map_err(|_| ApiStatus::bad_request("unable to upgrade connection: pod is not running"))?;
        let mut forwarded = Vec::new();
        for (index, port) in parse_ports(ports)?.into_iter().enumerate() {
            let address = PodAddress(ip, port);
            let endpoint = NetworkEndpoint { address, real: self.network.find(address) };
            let to = ServiceEndpoint { pod: key.clone(), endpoint };
            let data_channel = u8::try_from(index * 2).unwrap_or(u8::MAX);
            forwarded.push(ForwardedPort { pod_uid: uid(pod).to_owned(), to, data_channel });
        }
        let cluster = Arc::clone(self);
        self.spawn(async move {
            // the client may have left
            if let Ok(upgraded) = upgrade.await {
                cluster.serve_forwarded(upgraded, forwarded).await;
            }
        });
        Ok(response)
    }

    /// Passes messages on until the client or all Pods close their connections.
    async fn serve_forwarded(self: Arc<Self>, upgraded: Upgraded, ports: Vec<ForwardedPort>) {
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        let (mut sink, mut stream) = socket.split();
        let (outgoing, mut messages) = mpsc::channel(MAX_QUEUED_MESSAGES);
        let mut pods = Vec::new();
        for port in ports {
            let number = port.to.endpoint.address.1.to_le_bytes();
            for channel in [port.data_channel, port.data_channel + 1] {
                if sink.send(message(channel, &number)).await.is_err() {
                    return;
                }
            }
            let (to_pod, from_client) = mpsc::channel(MAX_QUEUED_MESSAGES);
            pods.push(to_pod);
            self.spawn(Arc::clone(&self).forward_port(port, from_client, outgoing.clone()));
        }
        drop(outgoing);
        let write = async {
            while let Some(message) = messages.recv().await {
                if sink.send(message).await.is_err() {
                    return;
                }
            }
            // the client may have closed the connection already
            let _ = sink.close().await;
        };
        let read = async {
            while let Some(Ok(message)) = stream.next().await {
                let Message::Binary(mut bytes) = message else { continue };
                if bytes.is_empty() {
                    continue;
                }
                let channel = bytes.split_to(1)[0];
                if let Some(pod) = pods.get(usize::from(channel / 2)).filter(|_| channel % 2 == 0) {
                    // the Pod may have closed its connection
                    let _ = pod.send(bytes).await;
                }
            }
        };
        tokio::select! {
            () = write => {}
            () = read => {}
        }
    }

    async fn forward_port(
        self: Arc<Self>,
        port: ForwardedPort,
        from_client: mpsc::Receiver<Bytes>,
        outgoing: mpsc::Sender<Message>,
    ) {
        let passed = tokio::select! {
            passed = self.pass_bytes(&port, from_client, &outgoing) => passed,
            () = outgoing.closed() => return,
        };
        if let Err(error) = passed {
            let PodAddress(_, number) = port.to.endpoint.address;
            let note = self.simulated_image_note(&port.to.pod.namespace, port.to.endpoint.address);
            let text = format!(
                "error forwarding port {number} to pod {}, uid : {error}{}",
                port.pod_uid,
                note.unwrap_or_default()
            );
            // the client may have left
            let _ = outgoing.send(message(port.data_channel + 1, text.as_bytes())).await;
        }
    }

    /// Copies bytes between a client and a Pod until one of them closes the connection, or policies deny it.
    async fn pass_bytes(
        &self,
        port: &ForwardedPort,
        mut from_client: mpsc::Receiver<Bytes>,
        outgoing: &mpsc::Sender<Message>,
    ) -> Result<(), PodRequestError> {
        self.wait_until_admitted(&NetworkSource::Outside, &port.to).await?;
        let (mut from_pod, mut to_pod) = connect(port.to.endpoint).await?.into_split();
        let read = async {
            let mut bytes = vec![0; MESSAGE_BYTES];
            while let Ok(count @ 1..) = from_pod.read(&mut bytes).await {
                if outgoing.send(message(port.data_channel, &bytes[..count])).await.is_err() {
                    return;
                }
            }
        };
        let write = async {
            while let Some(bytes) = from_client.recv().await {
                if to_pod.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = read => {}
            () = write => {}
            () = self.wait_until_denied(&NetworkSource::Outside, &port.to) => {}
        }
        Ok(())
    }
}

fn message(channel: u8, bytes: &[u8]) -> Message {
    Message::binary([&[channel], bytes].concat())
}

/// Returns the response that switches the protocol.
fn accept(headers: &HeaderMap) -> Result<Response<ApiBody>, ApiStatus> {
    let header =
        |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let offers = header(SEC_WEBSOCKET_PROTOCOL).split(',').any(|one| one.trim() == PROTOCOL);
    if !header(UPGRADE).eq_ignore_ascii_case("websocket") || !offers {
        return Err(ApiStatus::not_implemented("port-forward by SPDY"));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    let key = key.ok_or_else(|| ApiStatus::bad_request("unable to upgrade: no Sec-WebSocket-Key"))?;
    let mut response = Response::new(Empty::new().boxed());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accepted = HeaderValue::from_str(&derive_accept_key(key));
    let accepted = accepted.map_err(|error| ApiStatus::bad_request(error.to_string()))?;
    let fields = [
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL)),
        (SEC_WEBSOCKET_ACCEPT, accepted),
    ];
    response.headers_mut().extend(fields);
    Ok(response)
}

/// Parses the list of ports: `80,443`.
fn parse_ports(text: &str) -> Result<Vec<u16>, ApiStatus> {
    let invalid = || ApiStatus::bad_request(format!("query parameter \"ports\" is invalid: \"{text}\""));
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(invalid);
    let ports: Vec<u16> = text.split(',').map(port).collect::<Result<_, _>>()?;
    if ports.len() > MAX_PORTS { Err(invalid()) } else { Ok(ports) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_list_is_parsed() {
        let check = |text: &str, expected: Option<&[u16]>| {
            assert_eq!(parse_ports(text).ok().as_deref(), expected, "{text}");
        };
        check("80", Some(&[80]));
        check("80,8080", Some(&[80, 8080]));
        check("", None);
        check("0", None);
        check("80,", None);
        check("65536", None);
        check(&["1"; 101].join(","), None);
    }

    #[test]
    fn other_protocols_are_not_implemented() {
        let request = |fields: &[(&'static str, &'static str)]| {
            let fields = fields
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
            accept(&fields.collect()).map(|response| response.status().as_u16()).map_err(|status| status.code)
        };
        let (upgrade, key) = (("upgrade", "websocket"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="));
        let protocol = |name| ("sec-websocket-protocol", name);
        assert_eq!(request(&[upgrade, key, protocol("v5.channel.k8s.io, v4.channel.k8s.io")]), Ok(101));
        assert_eq!(request(&[upgrade, key, protocol("SPDY/3.1+portforward.k8s.io")]), Err(501));
        assert_eq!(request(&[("upgrade", "SPDY/3.1")]), Err(501));
        assert_eq!(request(&[upgrade, protocol(PROTOCOL)]), Err(400));
    }
}
