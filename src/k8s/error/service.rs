//! Errors of requests to Services.

use std::io;

use url::Url;

use super::dial::DialError;

/// Error of a request to a Service.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error("{0} is not the address of a Service")]
    NotAService(Url),
    #[error("Service {name} does not exist in namespace {namespace}")]
    NotFound { namespace: String, name: String },
    #[error("Service {namespace}/{name} is an ExternalName")]
    ExternalName { namespace: String, name: String },
    #[error("Service {namespace}/{name} has no port {port} (ports: {})", list(known))]
    UnknownPort { namespace: String, name: String, port: String, known: Vec<u16> },
    #[error("Service {0} has no ready endpoints")]
    NoEndpoints(String),
    #[error("Service {0} has endpoints that are not Pods")]
    NotPods(String),
    /// The API server's proxy did not reach an endpoint.
    #[error("{0}")]
    Proxy(DialError),
    #[error("cannot open a local port")]
    Listen(#[source] io::Error),
    #[error("the system provides no random numbers")]
    NoRandomness,
    #[error("cannot forward a connection to Pod {0}")]
    NotForwarded(String),
    /// The kubelet did not reach the port.
    #[error("port {port} of Pod {pod}: {error}")]
    Forwarded { pod: String, port: u16, error: DialError },
}

impl ServiceError {
    /// Returns what the user can do, in the imperative.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::ExternalName { .. } => Some("use the external name in the address".to_owned()),
            Self::NotPods(_) => Some("use --service-access=proxy or --service-access=direct".to_owned()),
            _ => None,
        }
    }
}

fn list(ports: &[u16]) -> String {
    if ports.is_empty() {
        return "none".to_owned();
    }
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}
