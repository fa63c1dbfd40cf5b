//! Reasons why no connection to the API server is made, by the types of the errors.

use std::error::Error as StdError;
use std::io;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use tower_service::Service;

use crate::http_client::causes;

// hyper-util does not export the name of this type
type TunnelError = <Tunnel<HttpConnector> as Service<Uri>>::Error;

/// Reason why no connection to an address is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// No process listens at the address.
    Refused,
    /// No answer comes in time, or no route leads to the address.
    Timeout,
    Other,
}

impl ConnectFailure {
    /// Classifies an error of a TCP connection.
    pub(super) fn classify(error: &(dyn StdError + 'static)) -> Self {
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

/// Reason why a proxy makes no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyFailure {
    /// The proxy needs a user and a password.
    Authentication,
    Other,
}

impl ProxyFailure {
    /// Classifies an error of a connection by a proxy.
    pub(super) fn classify(error: &(dyn StdError + 'static)) -> Self {
        let needs_authentication = |error: &TunnelError| matches!(error, TunnelError::ProxyAuthRequired);
        if causes(error).filter_map(|cause| cause.downcast_ref()).any(needs_authentication) {
            Self::Authentication
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::client::legacy::connect::proxy::SocksV5;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

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

    /// Returns the error of a connector that does not connect, below errors of other layers.
    async fn error<C>(mut connector: C, address: Uri) -> io::Error
    where
        C: Service<Uri, Error: StdError + Send + Sync + 'static>,
    {
        let Err(error) = connector.call(address).await else { panic!("connected") };
        io::Error::other(error)
    }

    #[tokio::test]
    async fn connect_failure_follows_from_types() {
        let refused = error(HttpConnector::new(), unused_address().await).await;
        assert_eq!(ConnectFailure::classify(&refused), ConnectFailure::Refused);
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

    #[tokio::test]
    async fn proxy_failure_follows_from_types() {
        let server: Uri = "http://api.example:80".parse().unwrap();
        for (answer, expected) in [
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", ProxyFailure::Authentication),
            ("HTTP/1.1 403 Forbidden\r\n\r\n", ProxyFailure::Other),
            ("", ProxyFailure::Other),
        ] {
            let tunnel = Tunnel::new(serve(answer).await, HttpConnector::new());
            assert_eq!(ProxyFailure::classify(&error(tunnel, server.clone()).await), expected, "{answer}");
        }
        let unreachable = Tunnel::new(unused_address().await, HttpConnector::new());
        assert_eq!(ProxyFailure::classify(&error(unreachable, server.clone()).await), ProxyFailure::Other);
        let socks = SocksV5::new(serve("\u{5}\u{7f}").await, HttpConnector::new());
        assert_eq!(ProxyFailure::classify(&error(socks, server).await), ProxyFailure::Other);
        let disguised = io::Error::other("tunnel error: proxy authorization required");
        assert_eq!(ProxyFailure::classify(&disguised), ProxyFailure::Other);
    }
}
