//! Errors of the embedded cluster.

use std::error::Error as StdError;
use std::io;

use super::status::ApiStatus;
use crate::demo_app::DemoAppError;
use crate::error_code::{Coded, ErrorCode};

/// Why the embedded cluster cannot start, or cannot apply an object.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error("cannot create the certificate of the embedded cluster")]
    Certificate(#[source] rcgen::Error),
    #[error("cannot configure TLS for the embedded cluster")]
    Tls(#[source] rustls::Error),
    #[error("cannot listen on loopback")]
    Listen(#[source] io::Error),
    #[error("cannot create the token of the embedded cluster: the system has no random numbers")]
    Token,
    #[error("cannot apply {origin}: {message} ({reason})", message = .status.message, reason = .status.reason)]
    Apply { origin: String, status: Box<ApiStatus> },
    #[error("not ready after {seconds} s: {}", .workloads.join(", "))]
    NotReady { seconds: u64, workloads: Vec<String> },
}

impl Coded for EmbeddedError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Apply { .. } => ErrorCode::EmbeddedManifest,
            _ => ErrorCode::EmbeddedFailed,
        }
    }
}

/// Why a container of the demo application does not start. The status of its Pod shows it.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    #[error("invalid container arguments")]
    Arguments(#[source] Box<dyn StdError + Send + Sync>),
    #[error("cannot listen on loopback")]
    Listen(#[source] io::Error),
    #[error("invalid {variable} '{value}'")]
    InvalidUrl { variable: &'static str, value: String, source: url::ParseError },
    #[error("cannot resolve the Service of {url}")]
    Resolve { url: String, source: io::Error },
    #[error("{url} cannot have a port")]
    NoPort { url: String },
    #[error(transparent)]
    DemoApp(#[from] DemoAppError),
}
