//! Errors of a connection attempt.

use std::io;
use std::time::Duration;

use crate::http_client::BoxError;

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
pub(in crate::k8s) enum ConnectError {
    #[error("the host is unknown")]
    Dns(#[source] BoxError),
    #[error("no connection")]
    Tcp(#[source] BoxError),
    /// The proxy did not connect, or could not be reached.
    #[error("no connection by the proxy {proxy} ({origin})")]
    Proxy { proxy: String, origin: &'static str, source: BoxError },
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    #[error("no connection within {} seconds", .0.as_secs_f64())]
    Timeout(Duration),
}
