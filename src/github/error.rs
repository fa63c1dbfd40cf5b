//! Errors of GitHub jobs: the environment, the event file, the API.

use std::io;
use std::path::PathBuf;

use super::request_error::RequestError;
use crate::error_code::{Coded, ErrorCode};
use crate::http_client;

/// Error of a GitHub job.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("invalid {name} '{value}': expected {expected}")]
    InvalidVariable { name: &'static str, value: String, expected: &'static str },
    #[error("cannot read event file {}", .path.display())]
    ReadEvent {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot parse event file {}", .path.display())]
    ParseEvent {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("event file {} is larger than {maximum} bytes", .path.display())]
    LargeEvent { path: PathBuf, maximum: u64 },
    #[error("cannot write the file of {variable}: {}", .path.display())]
    WriteFile {
        /// The environment variable that names the file.
        variable: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("invalid token: it has characters that no HTTP header allows")]
    InvalidToken,
    #[error("cannot create the HTTP client")]
    Client(#[source] http_client::Error),
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidVariable { .. }
            | Self::ReadEvent { .. }
            | Self::ParseEvent { .. }
            | Self::LargeEvent { .. } => ErrorCode::GithubEvent,
            Self::WriteFile { .. } => ErrorCode::FileNotWritable,
            Self::InvalidToken | Self::Client(_) | Self::Request(_) => ErrorCode::GithubApi,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Request(error) => error.hint(),
            _ => None,
        }
    }
}
