//! Why something on a cluster did not come about, in words that tell what to do. Floor 1.
//!
//! The first words are those of the Chaos Toolkit's journal, which tools look for.

use std::fmt;

use http::StatusCode;
use serde_json::Value as Json;

use super::resource::Resource;

/// Why a function failed.
#[derive(Clone, Debug)]
pub enum ClusterError {
    /// The function itself says no.
    Failed(String),
    /// The API server does.
    Refused(Box<ApiError>),
    /// An error of another kind, with the name that the Chaos Toolkit shows for it.
    Raised(&'static str, String),
}

/// An answer of the API server that is an error.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// The status code.
    pub code: u16,
    /// The body.
    pub body: String,
    /// What was asked: `delete`.
    pub verb: &'static str,
    /// Of what.
    pub resource: Resource,
    /// Where; nothing for the whole cluster.
    pub namespace: Option<String>,
}

impl ClusterError {
    /// A function's own words.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// What went wrong, without the name that the Chaos Toolkit has for errors of its kind.
    pub fn words(&self) -> String {
        match self {
            Self::Failed(text) | Self::Raised(_, text) => text.clone(),
            Self::Refused(refusal) => refusal.to_string(),
        }
    }

    /// The same in short: what the server says, and what to do.
    pub fn brief(&self) -> String {
        match self {
            Self::Failed(text) | Self::Raised(_, text) => text.trim_end().to_owned(),
            Self::Refused(refusal) => {
                let advice = refusal.advice().map(|advice| format!("; {advice}")).unwrap_or_default();
                format!("{} ({}){advice}", refusal.message(), refusal.code)
            }
        }
    }

    /// Whether the request may have been granted all the same: it was sent, and there was no answer.
    pub fn is_unsure(&self) -> bool {
        // without a connection nothing was sent
        matches!(self, Self::Raised(class, why) if class.starts_with("urllib3.") && !why.contains("(Connect)"))
    }

    /// The server's status code, if it answered.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            Self::Failed(_) | Self::Raised(..) => None,
        }
    }
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) => write!(f, "chaoslib.exceptions.ActivityFailed: {text}"),
            Self::Raised(class, text) => write!(f, "{class}: {text}"),
            Self::Refused(refusal) => write!(f, "kubernetes.client.exceptions.ApiException: {refusal}"),
        }
    }
}

impl ApiError {
    /// What the server says, without the wrapping.
    pub fn message(&self) -> String {
        let status: Option<Json> = serde_json::from_str(&self.body).ok();
        let message = status.as_ref().and_then(|status| status.get("message")?.as_str());
        message.map_or_else(|| self.body.trim().to_owned(), str::to_owned)
    }

    /// The server's word for the error, such as `NotFound`; else HTTP's.
    pub fn reason(&self) -> String {
        let status: Option<Json> = serde_json::from_str(&self.body).ok();
        match status.as_ref().and_then(|status| status.get("reason")?.as_str()) {
            Some(reason) => reason.to_owned(),
            None => self.phrase().to_owned(),
        }
    }

    /// The reason and the body, as the Chaos Toolkit's functions quote them, and what to do.
    pub fn quoted(&self) -> String {
        let advice = self.advice().map(|advice| format!("\n{advice}")).unwrap_or_default();
        format!("'{}' {}{advice}", self.reason(), self.body.trim_end())
    }

    fn phrase(&self) -> &'static str {
        StatusCode::from_u16(self.code).ok().and_then(|code| code.canonical_reason()).unwrap_or("Unknown")
    }

    /// What to do about it, where there is something to say.
    fn advice(&self) -> Option<String> {
        match self.code {
            401 => Some(
                "the credentials were not accepted: a token may have expired; log in again, or look at \
                 `kubectl config view --minify`"
                    .to_owned(),
            ),
            403 => {
                let place = match &self.namespace {
                    Some(namespace) => format!("-n {namespace}"),
                    None => "-A".to_owned(),
                };
                let what = self.resource.with_group();
                Some(format!("not allowed; see `kubectl auth can-i {} {what} {place}`", self.verb))
            }
            _ => None,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "({})\nReason: {}\nHTTP response body: {}\n",
            self.code,
            self.phrase(),
            self.body.trim_end()
        )?;
        match self.advice() {
            Some(advice) => writeln!(f, "{advice}"),
            None => Ok(()),
        }
    }
}
