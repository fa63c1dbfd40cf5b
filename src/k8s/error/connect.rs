//! Reasons why no connection to the API server is made, by the types of the errors.

use std::error::Error as StdError;
use std::io;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use tower_service::Service;

use super::is_proxy_setup;
use crate::http_client::causes;

// hyper-util does not export the names of these types
type TcpError = <HttpConnector as Service<Uri>>::Error;
type TunnelError = <Tunnel<HttpConnector> as Service<Uri>>::Error;
type SocksError = <SocksV5<HttpConnector> as Service<Uri>>::Error;

/// Reason why no connection is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// The name of the server has no address.
    Dns,
    /// No process listens at the address.
    Refused,
    /// No answer comes in time, or no route leads to the address.
    Timeout,
    /// The proxy cannot be reached, or does not make the connection.
    Proxy,
    /// The proxy needs a user and a password.
    ProxyAuthentication,
    Other,
}

impl ConnectFailure {
    /// Classifies an error of the HTTP client that precedes the request.
    pub(super) fn classify(error: &(dyn StdError + 'static)) -> Self {
        let is_dns = |cause: &(dyn StdError + 'static)| {
            cause.is::<TcpError>() && cause.source().is_some_and(is_resolver_error)
        };
        if causes(error).filter_map(|cause| cause.downcast_ref()).any(needs_authentication) {
            return Self::ProxyAuthentication;
        }
        let is_proxy = |cause: &(dyn StdError + 'static)| {
            cause.is::<TunnelError>() || cause.is::<SocksError>() || is_proxy_setup(cause)
        };
        if causes(error).any(is_proxy) {
            return Self::Proxy;
        }
        if causes(error).any(is_dns) {
            return Self::Dns;
        }
        let io = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
        let kinds = io.map(io::Error::kind).filter_map(|kind| match kind {
            io::ErrorKind::ConnectionRefused => Some(Self::Refused),
            io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown => Some(Self::Timeout),
            _ => None,
        });
        kinds.last().unwrap_or(Self::Other)
    }
}

/// Whether the cause of a TCP error comes from the resolver: those of sockets have a kind or a number.
fn is_resolver_error(cause: &(dyn StdError + 'static)) -> bool {
    let error = cause.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.raw_os_error().is_none() && error.kind() != io::ErrorKind::TimedOut)
}

fn needs_authentication(error: &TunnelError) -> bool {
    matches!(error, TunnelError::ProxyAuthRequired)
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};
    use std::task::{Context, Poll};

    use hyper_util::client::legacy::connect::dns::Name;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Resolver that knows no name.
    #[derive(Clone)]
    struct EmptyResolver;

    impl Service<Name> for EmptyResolver {
        type Response = std::vec::IntoIter<std::net::SocketAddr>;
        type Error = io::Error;
        type Future = Ready<io::Result<Self::Response>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Name) -> Self::Future {
            ready(Err(io::Error::other("connection refused by a proxy: timed out")))
        }
    }

    /// Returns the address of a server that answers one connection with these bytes, and closes it.
    async fn serve(answer: &'static str) -> Uri {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        format!("http://{address}").parse().unwrap()
    }

    async fn unused_address() -> Uri {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()
    }

    /// Returns why a connector does not connect, below errors of other layers.
    async fn failure<C>(mut connector: C, address: Uri) -> ConnectFailure
    where
        C: Service<Uri, Error: StdError + Send + Sync + 'static>,
    {
        let Err(error) = connector.call(address).await else { panic!("connected") };
        ConnectFailure::classify(&io::Error::other(error))
    }

    #[tokio::test]
    async fn connect_failure_follows_from_types() {
        let server: Uri = "http://api.example:80".parse().unwrap();
        let tcp = HttpConnector::new;
        assert_eq!(failure(tcp(), unused_address().await).await, ConnectFailure::Refused);
        let resolver = HttpConnector::new_with_resolver(EmptyResolver);
        assert_eq!(failure(resolver, server.clone()).await, ConnectFailure::Dns);
        for (answer, expected) in [
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", ConnectFailure::ProxyAuthentication),
            ("HTTP/1.1 403 Forbidden\r\n\r\n", ConnectFailure::Proxy),
            ("", ConnectFailure::Proxy),
        ] {
            let tunnel = Tunnel::new(serve(answer).await, tcp());
            assert_eq!(failure(tunnel, server.clone()).await, expected, "{answer}");
        }
        let away = Tunnel::new(unused_address().await, tcp());
        assert_eq!(failure(away, server.clone()).await, ConnectFailure::Proxy);
        let socks = SocksV5::new(serve("\u{5}\u{7f}").await, tcp());
        assert_eq!(failure(socks, server).await, ConnectFailure::Proxy);
    }

    #[test]
    fn kind_of_io_error_decides_without_connector() {
        let check = |kind: io::ErrorKind, expected: ConnectFailure| {
            assert_eq!(ConnectFailure::classify(&io::Error::from(kind)), expected, "{kind}");
        };
        check(io::ErrorKind::TimedOut, ConnectFailure::Timeout);
        check(io::ErrorKind::NetworkUnreachable, ConnectFailure::Timeout);
        check(io::ErrorKind::PermissionDenied, ConnectFailure::Other);
        // a text decides nothing
        let disguised = io::Error::other("tunnel error: connection refused");
        assert_eq!(ConnectFailure::classify(&disguised), ConnectFailure::Other);
    }
}
