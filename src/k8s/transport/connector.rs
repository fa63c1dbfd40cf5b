//! Opens connections: name resolution, proxy, TLS. Each phase has an error of its own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use http::header::HeaderValue;
use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiResolver, Name};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::{TransportOptions, TransportSettings};
use crate::http_client::{BoxError, ProxyAddress, server_verifier};
use crate::k8s::error::{Cause, ConnectError, SettingsProblem};
use crate::k8s::login::{IdentityResolver, basic_authorization};

/// Host that cannot be resolved.
#[derive(Debug, thiserror::Error)]
#[error("cannot resolve {host}")]
struct UnknownHost {
    host: String,
    source: io::Error,
}

/// Resolver whose errors have a type.
#[derive(Clone)]
struct Resolver(GaiResolver);

impl Service<Name> for Resolver {
    type Response = GaiAddrs;
    type Error = UnknownHost;
    type Future = BoxFuture<'static, Result<GaiAddrs, UnknownHost>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), UnknownHost>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let host = name.to_string();
        let addresses = self.0.call(name);
        Box::pin(async move { addresses.await.map_err(|source| UnknownHost { host, source }) })
    }
}

/// Connector to one API server.
#[derive(Clone)]
pub(super) struct Connector {
    tcp: HttpConnector<Resolver>,
    tls: TlsConnector,
    server_name: Option<ServerName<'static>>,
    proxy: Option<ProxyAddress>,
    limit: Duration,
}

impl Connector {
    pub(super) fn new(
        settings: TransportSettings,
        options: &TransportOptions,
    ) -> Result<Self, SettingsProblem> {
        let cannot = |error: &(dyn std::error::Error + 'static)| {
            SettingsProblem::InvalidAuthority(Cause::new(error, &options.secrets))
        };
        let verifier = server_verifier(settings.trusted).map_err(|error| cannot(&error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| cannot(&error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(IdentityResolver {
                fixed: settings.identity,
                login: Arc::clone(&options.login),
            }));
        let mut tcp = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Ok(Self {
            tcp,
            tls: TlsConnector::from(Arc::new(config)),
            server_name: settings.server_name,
            proxy: settings.proxy,
            limit: options.connect_timeout,
        })
    }

    async fn connect(mut self, destination: Uri) -> Result<TokioIo<ApiStream>, ConnectError> {
        let stream = match self.proxy.clone() {
            None => self.dial(destination.clone()).await?,
            Some(proxy) => self.connect_by_proxy(&proxy, destination.clone()).await.map_err(|source| {
                ConnectError::Proxy { proxy: proxy.display_url(), origin: proxy.origin, source }
            })?,
        };
        if destination.scheme_str() != Some("https") {
            return Ok(stream);
        }
        let name = self.server_name.clone();
        let name = name.or_else(|| server_name(&destination));
        let invalid = || ConnectError::Tls(io::Error::from(io::ErrorKind::InvalidInput));
        self.encrypt(stream, name.ok_or_else(invalid)?).await.map_err(ConnectError::Tls)
    }

    async fn dial(&mut self, destination: Uri) -> Result<TokioIo<ApiStream>, ConnectError> {
        match self.tcp.call(destination).await {
            Ok(stream) => Ok(TokioIo::new(ApiStream(Box::new(stream.into_inner())))),
            Err(error) => {
                let is_dns = crate::http_client::causes(&error)
                    .any(<dyn std::error::Error + 'static>::is::<UnknownHost>);
                let error = BoxError::from(error);
                Err(if is_dns { ConnectError::Dns(error) } else { ConnectError::Tcp(error) })
            }
        }
    }

    async fn encrypt(
        &self,
        stream: TokioIo<ApiStream>,
        name: ServerName<'static>,
    ) -> io::Result<TokioIo<ApiStream>> {
        let stream = self.tls.connect(name, stream.into_inner()).await?;
        Ok(TokioIo::new(ApiStream(Box::new(stream))))
    }

    async fn connect_by_proxy(
        &mut self,
        proxy: &ProxyAddress,
        destination: Uri,
    ) -> Result<TokioIo<ApiStream>, BoxError> {
        let host = proxy.url.host_str().unwrap_or_default();
        let port = proxy.url.port().unwrap_or(match proxy.url.scheme() {
            "https" => 443,
            "http" => 80,
            _ => 1080,
        });
        let address: Uri = format!("http://{host}:{port}").parse()?;
        let mut stream = self.dial(address.clone()).await?;
        if proxy.url.scheme() == "https" {
            let name = server_name(&address).ok_or("the name of the proxy is not valid in a certificate")?;
            stream = self.encrypt(stream, name).await?;
        }
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (name, password) =
            (decode(proxy.url.username()), decode(proxy.url.password().unwrap_or_default()));
        let has_login = !proxy.url.username().is_empty() || proxy.url.password().is_some();
        if proxy.url.scheme().starts_with("socks") {
            let mut socks = SocksV5::new(address, DialedConnection(Some(stream)));
            if has_login {
                socks = socks.with_auth(name, password);
            }
            return Ok(socks.call(destination).await?);
        }
        let mut tunnel = Tunnel::new(address, DialedConnection(Some(stream)));
        let login: Option<HeaderValue> = basic_authorization(&name, &password).filter(|_| has_login);
        if let Some(login) = login {
            tunnel = tunnel.with_auth(login);
        }
        Ok(tunnel.call(destination).await?)
    }
}

/// Returns the host of an address as the name in a certificate.
fn server_name(address: &Uri) -> Option<ServerName<'static>> {
    let host = address.host()?.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).ok()
}

impl Service<Uri> for Connector {
    type Response = TokioIo<ApiStream>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, ConnectError>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let (connector, limit) = (self.clone(), self.limit);
        Box::pin(async move {
            let connected = tokio::time::timeout(limit, connector.connect(destination)).await;
            connected.unwrap_or(Err(ConnectError::Timeout(limit)))
        })
    }
}

/// Connection that exists already, for the protocols of proxies.
struct DialedConnection(Option<TokioIo<ApiStream>>);

impl Service<Uri> for DialedConnection {
    type Response = TokioIo<ApiStream>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _destination: Uri) -> Self::Future {
        std::future::ready(self.0.take().ok_or_else(|| "the connection is used already".into()))
    }
}

/// Plain or encrypted connection.
pub(super) struct ApiStream(Box<dyn ByteStream>);

trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

impl Connection for ApiStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for ApiStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for ApiStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(context)
    }
}
