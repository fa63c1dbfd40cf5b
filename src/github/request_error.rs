//! Errors of requests to the GitHub API.
//!
//! An error names the method, the path and the status, never the token.

use std::fmt;

use reqwest::StatusCode;

use crate::error_code::{Coded, ErrorCode};

/// Error of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError {
    pub method: String,
    /// Path of the URL, without the query.
    pub path: String,
    pub kind: RequestErrorKind,
    /// Message of GitHub; untrusted.
    pub message: String,
}

/// Kind of a request error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestErrorKind {
    /// No connection, or the connection broke.
    Unreachable,
    /// Error status without a more specific kind.
    Status(u16),
    /// Status 403: the conversation of the pull request is locked.
    Locked,
    /// Rate limit exceeded for longer than the retry budget.
    RateLimited,
    /// Response that cannot be parsed, or is too large.
    InvalidResponse,
}

impl RequestError {
    pub fn status(&self) -> Option<u16> {
        match self.kind {
            RequestErrorKind::Status(status) => Some(status),
            RequestErrorKind::Locked => Some(403),
            _ => None,
        }
    }

    /// Whether the request may have taken effect.
    pub fn is_ambiguous(&self) -> bool {
        match self.kind {
            RequestErrorKind::Unreachable | RequestErrorKind::InvalidResponse => true,
            RequestErrorKind::Status(status) => status >= 500,
            RequestErrorKind::Locked | RequestErrorKind::RateLimited => false,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.method, self.path)?;
        match (self.kind, self.status()) {
            (_, Some(status)) => {
                let phrase = StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
                write!(f, "{status} {}", phrase.unwrap_or_default())?;
            }
            (RequestErrorKind::Unreachable, _) => write!(f, "cannot reach GitHub")?,
            (RequestErrorKind::RateLimited, _) => write!(f, "rate limit exceeded")?,
            _ => write!(f, "invalid response")?,
        }
        if self.message.is_empty() { Ok(()) } else { write!(f, " ({})", self.message) }
    }
}

impl std::error::Error for RequestError {}

impl Coded for RequestError {
    fn code(&self) -> ErrorCode {
        ErrorCode::GithubApi
    }

    fn hint(&self) -> Option<String> {
        let hint = match self.kind {
            RequestErrorKind::Status(401) => {
                "pass a valid token in GITHUB_TOKEN; this one is invalid or expired"
            }
            RequestErrorKind::Locked => "unlock the conversation of the pull request",
            RequestErrorKind::Status(403) => {
                "grant `permissions: pull-requests: write`; for forks and Dependabot the token is always read-only: \
                 publish with `on: workflow_run` (docs/github.md)"
            }
            RequestErrorKind::Status(404) => {
                "check the pull-request number and that the token can read it (`permissions: pull-requests: write`)"
            }
            RequestErrorKind::Status(410) => "enable issues and comments for the repository",
            RequestErrorKind::Status(422) if self.method == "GET" => return None,
            RequestErrorKind::Status(422) => {
                "check the reason that GitHub gives; the comment was also rejected when shortened"
            }
            RequestErrorKind::RateLimited => "run the job again later",
            RequestErrorKind::Status(status) if status >= 500 => {
                "run the job again later; GitHub has a problem"
            }
            RequestErrorKind::Unreachable => "check GITHUB_API_URL and the network of the runner",
            RequestErrorKind::Status(_) | RequestErrorKind::InvalidResponse => {
                "check that GITHUB_API_URL is the API of GitHub"
            }
        };
        Some(hint.to_owned())
    }
}
