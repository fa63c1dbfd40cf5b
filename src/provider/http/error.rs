//! Reasons why a request has no answer.

use super::ActivityError;
use crate::error_code::{ErrorCode, message_chain};
use crate::http_client::{BoxError, InvalidProxy, display_url};
use crate::series::SampleOutcome;

/// Verbatim: the Chaos Toolkit's message for an answer that does not come in time.
pub(super) const TOO_LONG: &str = "activity took too long to complete";
/// How much of an answer is read, in bytes.
pub(super) const MAX_BODY: usize = 16 * 1024 * 1024;

/// Error of a request.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// No connection was made, so nothing was sent.
    #[error("{cause}")]
    Connection { cause: BoxError, outcome: SampleOutcome },
    /// The proxy of the environment does not connect.
    #[error("the proxy {proxy} ({setting}) does not connect: {cause}")]
    Proxy { proxy: String, setting: &'static str, cause: Box<SendError> },
    #[error("{0}")]
    InvalidProxy(InvalidProxy),
    /// The connection broke before an answer began.
    #[error("{cause}")]
    Broken { cause: BoxError, outcome: SampleOutcome },
    /// No answer began in time.
    #[error("{TOO_LONG}")]
    Timeout,
    /// The answer began, and did not end in time.
    #[error("{TOO_LONG}")]
    SlowBody,
    #[error("the answer broke off: {0}")]
    BrokenBody(BoxError),
    #[error("the answer is larger than {} MiB", MAX_BODY / 1024 / 1024)]
    LargeBody,
    /// Verbatim: the message of Python's `requests`.
    #[error("Exceeded {0} redirects.")]
    TooManyRedirects(usize),
    #[error("{0}")]
    InvalidRequest(BoxError),
    #[error("invalid address {0}")]
    InvalidAddress(String),
    /// The client cannot use the API server, which says nothing about the Service.
    #[error("{cause}")]
    Tool { code: ErrorCode, cause: BoxError },
}

impl SendError {
    /// Returns how samples count the error.
    pub(super) fn outcome(&self) -> SampleOutcome {
        match self {
            Self::Connection { outcome, .. } | Self::Broken { outcome, .. } => *outcome,
            Self::Proxy { cause, .. } => cause.outcome(),
            Self::Timeout => SampleOutcome::Timeout,
            _ => SampleOutcome::Other,
        }
    }

    /// Returns the error of the activity that sent a request to an address.
    pub(super) fn into_activity_error(self, url: &str) -> ActivityError {
        let text = message_chain(&self);
        match self {
            Self::Connection { .. } | Self::Broken { .. } => {
                ActivityError::Failed(format!("failed to connect to {url}: {text}"))
            }
            // the proxy belongs to this machine: its failure says nothing about the service
            Self::Proxy { .. } | Self::InvalidProxy(_) => ActivityError::Tool {
                code: ErrorCode::ClientProxy,
                message: format!("failed to connect to {url}: {text}"),
            },
            Self::Tool { code, .. } => ActivityError::Tool { code, message: text },
            // the request itself was checked before; what fails now depends on the server, such as a redirect
            Self::Timeout
            | Self::SlowBody
            | Self::BrokenBody(_)
            | Self::LargeBody
            | Self::TooManyRedirects(_)
            | Self::InvalidRequest(_)
            | Self::InvalidAddress(_) => ActivityError::Failed(text),
        }
    }
}

/// Error of an activity that no request can be made of.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidRequest {
    /// Verbatim: the message of Python's `requests`.
    #[error("cannot encode objects that are not 2-tuples")]
    NotPairs,
    #[error("the arguments of a request are a mapping or a text, not {0}")]
    InvalidArguments(&'static str),
    #[error("Invalid URL '{}': {source}", display_url(url))]
    InvalidUrl { url: String, source: url::ParseError },
    #[error("Invalid URL '{}': '{scheme}' is neither http nor https", display_url(url))]
    InvalidScheme { url: String, scheme: String },
    #[error("invalid HTTP method '{0}'")]
    InvalidMethod(String),
    #[error("invalid header name '{0}'")]
    InvalidHeaderName(String),
    #[error("invalid value of header {0}")]
    InvalidHeaderValue(String),
    #[error("{0}")]
    InvalidJson(BoxError),
}
