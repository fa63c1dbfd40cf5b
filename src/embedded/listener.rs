//! Serves the cluster on a loopback port with TLS and a token, for `kubectl` and other clients with a kubeconfig.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use http::header::AUTHORIZATION;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ring::rand::SecureRandom as _;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::error::EmbeddedError;
use super::status::ApiStatus;
use super::{EmbeddedCluster, EmbeddedHandle};

/// The time limit for the TLS handshake and for request headers.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);
/// The name of the cluster, the user and the context in the kubeconfig.
pub const NAME: &str = "embedded";

/// A TLS listener on loopback that serves the cluster.
pub struct Listener {
    pub address: SocketAddr,
    certificate: String,
    token: String,
}

impl Listener {
    /// Listens on a free loopback port for as long as the cluster runs.
    pub async fn start(handle: &EmbeddedHandle) -> Result<Self, EmbeddedError> {
        let names = vec!["localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string()];
        let certified = rcgen::generate_simple_self_signed(names).map_err(EmbeddedError::Certificate)?;
        let certificate = certified.cert.pem();
        let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key)
            })
            .map_err(EmbeddedError::Tls)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(EmbeddedError::Listen)?;
        let address = listener.local_addr().map_err(EmbeddedError::Listen)?;
        let token = generate_token().ok_or(EmbeddedError::Token)?;
        let cluster = Arc::clone(&handle.cluster);
        let expected: Arc<str> = format!("Bearer {token}").into();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        handle.cluster.spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    // too many open files: try again soon
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                let (acceptor, expected) = (acceptor.clone(), Arc::clone(&expected));
                let served = Arc::clone(&cluster);
                cluster.spawn(async move {
                    let Ok(Ok(stream)) = tokio::time::timeout(CLIENT_TIMEOUT, acceptor.accept(stream)).await
                    else {
                        return;
                    };
                    let service =
                        service_fn(move |request| serve(Arc::clone(&served), Arc::clone(&expected), request));
                    let mut http = http1::Builder::new();
                    http.timer(TokioTimer::new()).header_read_timeout(CLIENT_TIMEOUT);
                    // a client may disconnect at any time
                    let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
                });
            }
        });
        Ok(Self { address, certificate, token })
    }

    /// Returns a kubeconfig with the only user.
    pub fn kubeconfig(&self) -> Json {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": NAME, "preferences": {},
            "clusters": [{"name": NAME, "cluster": {
                "server": format!("https://{}", self.address),
                "certificate-authority-data": base64::prelude::BASE64_STANDARD.encode(&self.certificate),
            }}],
            "users": [{"name": NAME, "user": {"token": self.token}}],
            "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": "default"}}],
        })
    }
}

async fn serve(
    cluster: Arc<EmbeddedCluster>,
    expected: Arc<str>,
    request: Request<Incoming>,
) -> Result<http::Response<super::ApiBody>, Infallible> {
    let authorization =
        request.headers().get(AUTHORIZATION).map(http::HeaderValue::as_bytes).unwrap_or_default();
    if authorization != expected.as_bytes() {
        return Ok(super::http::error_response(&ApiStatus::unauthorized()));
    }
    Ok(cluster.handle_request(request).await)
}

fn generate_token() -> Option<String> {
    let mut bytes = [0_u8; 24];
    ring::rand::SystemRandom::new().fill(&mut bytes).ok()?;
    Some(base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
