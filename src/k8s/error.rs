//! Errors of the Kubernetes client.

mod config;
mod connect;
mod connect_failure;
mod dial;
mod kube_client;
mod login;
mod service;
mod settings;

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value as Json;

use super::answer::{AnswerFormat, describe_answer};
use super::resource::Resource;
use super::secrets::ConnectionSecrets;
use crate::error_code::{Coded, ErrorCode, message_chain};
use crate::http_client::{causes, describe};

pub(super) use config::RefusedCluster;
pub use config::{ConfigError, KubeconfigError, Place, RefusedContext};
pub(super) use connect::ConnectError;
pub use connect_failure::{ConnectFailure, ProxyFailure};
pub use dial::{DialError, DialErrorKind};
pub(super) use kube_client::{body_error, describe_client_error};
pub use login::LoginError;
pub use service::ServiceError;
pub use settings::SettingsProblem;

/// The hint for an answer of another server.
const LOGIN_PAGE: &str = "check the address of the server in the kubeconfig; a login page may be in between";

/// Error of the Kubernetes client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server answered with an error.
    #[error(transparent)]
    Api(Box<ApiError>),
    /// The API server refused a planned change that has an error message of its own.
    #[error("{}", context.trim_end_matches([':', ' ']))]
    Rejected {
        /// The message, with the separator to the server's answer.
        context: String,
        /// Whether the message quotes the whole body of the answer.
        with_body: bool,
        #[source]
        answer: Box<ApiError>,
    },
    /// No connection was made, so nothing was sent.
    #[error("cannot reach {endpoint}")]
    Connect { endpoint: Endpoint, failure: ConnectFailure, source: Cause },
    /// The host of the API server cannot be resolved, so nothing was sent.
    #[error("cannot resolve the host of {endpoint}")]
    Dns { endpoint: Endpoint, source: Cause },
    /// The proxy failed, so nothing was sent.
    #[error("cannot reach {endpoint} by the proxy {proxy} ({setting})")]
    Proxy {
        endpoint: Endpoint,
        /// The address of the proxy, without credentials.
        proxy: String,
        /// The variable or the field that names the proxy.
        setting: &'static str,
        failure: ProxyFailure,
        source: Cause,
    },
    /// The TLS handshake failed, so nothing was sent.
    #[error("cannot verify the certificate of {endpoint}")]
    Tls { endpoint: Endpoint, source: Cause },
    /// The credentials could not be obtained, so nothing was sent.
    #[error("cannot log in to {endpoint}")]
    Login { endpoint: Endpoint, source: Box<LoginError> },
    /// The connection failed after the request may have been sent.
    #[error("lost the connection to {endpoint}")]
    Broken { endpoint: Endpoint, source: Cause },
    /// The request was sent, and no answer came in time.
    #[error("{} did not answer within {} seconds ({})", endpoint.address, limit.as_secs_f64(), endpoint.origin)]
    Timeout { endpoint: Endpoint, limit: Duration },
    /// Something else than an API server answered, such as a login page.
    #[error("{endpoint} did not answer as an API server: expected JSON, not {found}")]
    InvalidAnswer { endpoint: Endpoint, found: AnswerFormat },
    #[error("invalid request")]
    InvalidRequest(#[source] http::Error),
    /// A name that would address the whole collection, or another path.
    #[error("cannot {verb} {kind} '{name}': expected the name of one object")]
    InvalidName { verb: &'static str, kind: String, name: String },
    #[error("the API server has no kind {kind} in {api_version}")]
    UnknownKind { kind: String, api_version: String },
    #[error("interrupted before all changes were requested")]
    Interrupted,
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Address of an API server, and where it was configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub address: String,
    /// A file and a context, or the name of another source.
    pub origin: String,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.address, self.origin)
    }
}

/// Text of another library, with all its causes. Credentials of the connection are masked in it.
///
/// Its messages repeat those of their sources, so the chain is flattened here.
#[derive(Debug)]
pub struct Cause(String);

impl Cause {
    pub(super) fn new(error: &(dyn StdError + 'static), secrets: &ConnectionSecrets) -> Self {
        Self(secrets.mask(&describe(error)))
    }

    /// Masks a text that [`describe`] made.
    pub(super) fn from_text(text: &str, secrets: &ConnectionSecrets) -> Self {
        Self(secrets.mask(text))
    }

    #[cfg(test)]
    pub(crate) fn of_text(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Cause {}

/// Error status that the API server returned.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// The HTTP status code.
    pub code: u16,
    /// The body of the answer.
    pub body: String,
    /// The verb of the request, such as `delete`.
    pub verb: &'static str,
    pub resource: Resource,
    /// The namespace of the request; `None` if it was cluster-scoped.
    pub namespace: Option<String>,
    /// Whether the credentials were not sent, because the address of the server is plain http.
    pub is_without_credentials: bool,
}

impl Error {
    /// Classifies an error of the HTTP client by what had happened until then.
    pub(super) fn transport(
        endpoint: Endpoint,
        error: &(dyn StdError + 'static),
        secrets: &ConnectionSecrets,
    ) -> Self {
        // only this error is certain to come before the request
        let connect = causes(error).find_map(|cause| cause.downcast_ref::<ConnectError>());
        let Some(connect) = connect else {
            return Self::Broken { endpoint, source: Cause::new(error, secrets) };
        };
        let cause = |error: &(dyn StdError + 'static)| Cause::new(error, secrets);
        match connect {
            ConnectError::Dns(source) => Self::Dns { endpoint, source: cause(source.as_ref()) },
            ConnectError::Proxy { proxy, origin, source } => {
                let failure = ProxyFailure::classify(source.as_ref());
                let (proxy, source) = (proxy.clone(), cause(proxy_cause(source.as_ref())));
                Self::Proxy { endpoint, proxy, setting: origin, failure, source }
            }
            ConnectError::Tls(source) => Self::Tls { endpoint, source: cause(source) },
            ConnectError::Tcp(source) => {
                let failure = ConnectFailure::classify(source.as_ref());
                Self::Connect { endpoint, failure, source: cause(source.as_ref()) }
            }
            ConnectError::Timeout(_) => {
                Self::Connect { endpoint, failure: ConnectFailure::Timeout, source: cause(connect) }
            }
        }
    }

    /// Creates the error of a login.
    pub(super) fn login(endpoint: Endpoint, source: LoginError) -> Self {
        Self::Login { endpoint, source: Box::new(source) }
    }

    /// Whether the server may have carried out the request: it was sent, and no answer came.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Broken { .. } | Self::Timeout { .. })
    }

    /// Returns the code of a failure of this machine or its way to the API server: the configuration, the credentials,
    /// DNS, the proxy.
    ///
    /// Such a failure says nothing about the cluster.
    pub fn tool_failure(&self) -> Option<ErrorCode> {
        match (self.code(), self) {
            (code, _) if code.is_of_client() => Some(code),
            (_, Self::Config(_)) => Some(ErrorCode::ClientConfig),
            _ => None,
        }
    }

    /// Returns the error status of the API server, if it answered with one.
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(answer) | Self::Rejected { answer, .. } => Some(answer),
            _ => None,
        }
    }

    /// Returns the HTTP status code of the API server, if it answered with an error.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api(answer) => Some(answer.code),
            _ => None,
        }
    }

    /// Returns the message with its causes and the hint, on one line.
    pub fn summary(&self) -> String {
        let chain = message_chain(self);
        match self.hint() {
            Some(hint) => format!("{chain}; {hint}"),
            None => chain,
        }
    }
}

/// Returns the cause of a failed connection to a proxy, without the words about the phase.
fn proxy_cause<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    match error.downcast_ref::<ConnectError>() {
        Some(ConnectError::Dns(source) | ConnectError::Tcp(source)) => source.as_ref(),
        _ => error,
    }
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Api(answer) | Self::Rejected { answer, .. } => answer.error_code(),
            Self::Connect { .. } | Self::Broken { .. } => ErrorCode::ClusterUnreachable,
            Self::Tls { .. } => ErrorCode::ClusterTls,
            Self::Dns { .. } => ErrorCode::ClientDns,
            Self::Proxy { .. } => ErrorCode::ClientProxy,
            Self::Login { .. } => ErrorCode::ClientLogin,
            Self::Timeout { .. } => ErrorCode::ClusterTimeout,
            // JSON may come from an API server of another version
            Self::InvalidAnswer { found, .. } if *found != AnswerFormat::OtherJson => ErrorCode::ClientAnswer,
            Self::InvalidAnswer { .. } | Self::InvalidRequest(_) | Self::InvalidName { .. } => {
                ErrorCode::ClusterApi
            }
            Self::UnknownKind { .. } => ErrorCode::ClusterNotFound,
            Self::Interrupted => ErrorCode::RunInterrupted,
            Self::Config(error) => error.code(),
            Self::Service(_) => ErrorCode::ClusterService,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Api(answer) | Self::Rejected { answer, .. } => answer.hint(),
            Self::Config(error) => error.hint(),
            Self::Service(error) => error.hint(),
            Self::Login { source, .. } => source.hint(),
            Self::Dns { .. } => {
                Some("check the address of the server in the kubeconfig, and the VPN".to_owned())
            }
            Self::Proxy { setting, failure: ProxyFailure::Authentication, .. } => Some(format!(
                "the proxy requires authentication: use http://USER:PASSWORD@HOST:PORT in {setting}"
            )),
            Self::Proxy { setting, .. } => Some(match *setting {
                "proxy-url" => "check the proxy-url of the cluster in the kubeconfig".to_owned(),
                variable => {
                    format!("check the proxy in {variable}, or add the host of the API server to NO_PROXY")
                }
            }),
            Self::InvalidAnswer { .. } => Some(LOGIN_PAGE.to_owned()),
            _ => None,
        }
    }
}

impl ApiError {
    fn error_code(&self) -> ErrorCode {
        match self.code {
            // a redirect, or a page instead of a refusal, comes from a login service in between
            200..=399 => ErrorCode::ClientAnswer,
            403 if describe_answer(self.body.as_bytes()) == AnswerFormat::Html => ErrorCode::ClientAnswer,
            401 => ErrorCode::ClientUnauthorized,
            403 => ErrorCode::ClusterForbidden,
            404 => ErrorCode::ClusterNotFound,
            409 => ErrorCode::ClusterConflict,
            _ => ErrorCode::ClusterApi,
        }
    }

    fn status(&self) -> Option<Json> {
        serde_json::from_str(&self.body).ok()
    }

    /// Returns the message of the server; the whole body if it has none.
    pub fn message(&self) -> String {
        let status = self.status();
        let message = status.as_ref().and_then(|status| status.get("message")?.as_str());
        message.map_or_else(|| self.body.trim().to_owned(), str::to_owned)
    }

    /// Returns the reason of the server, such as `NotFound`; else the phrase of HTTP.
    pub fn reason(&self) -> String {
        let status = self.status();
        let reason = status.as_ref().and_then(|status| status.get("reason")?.as_str());
        reason.unwrap_or_else(|| self.phrase()).to_owned()
    }

    /// Returns the phrase that HTTP has for the status code.
    pub fn phrase(&self) -> &'static str {
        StatusCode::from_u16(self.code).ok().and_then(|code| code.canonical_reason()).unwrap_or("Unknown")
    }

    /// Returns what the user can do, in the imperative.
    pub fn hint(&self) -> Option<String> {
        match self.code {
            401 | 403 if self.is_without_credentials => {
                Some("use an https address: credentials are not sent over plain http, as by kubectl".to_owned())
            }
            _ if self.error_code() == ErrorCode::ClientAnswer => Some(LOGIN_PAGE.to_owned()),
            401 => Some(
                "the credentials were rejected (token expired?): log in again, or check the user with `kubectl \
                 config view --minify`"
                    .to_owned(),
            ),
            403 => {
                let scope = match &self.namespace {
                    Some(namespace) => format!("-n {namespace}"),
                    None => "-A".to_owned(),
                };
                let (verb, resource) = (self.verb, self.resource.with_group());
                Some(format!("check the permission with `kubectl auth can-i {verb} {resource} {scope}`"))
            }
            _ => None,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {})", self.message(), self.code, self.phrase())
    }
}

impl StdError for ApiError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint { address: "https://10.0.0.1:6443".into(), origin: "config, context one".into() }
    }

    #[test]
    fn only_errors_after_sending_are_ambiguous() {
        let secrets = ConnectionSecrets::default();
        secrets.add(["s3cret".to_owned()]);
        let classify = |error: &(dyn StdError + 'static)| Error::transport(endpoint(), error, &secrets);
        let broken = classify(&std::io::Error::other("reset of s3cret"));
        assert!(broken.is_ambiguous() && matches!(broken, Error::Broken { .. }));
        assert_eq!(message_chain(&broken).rsplit_once(": ").unwrap().1, "reset of ***");
        assert!(Error::Timeout { endpoint: endpoint(), limit: Duration::from_secs(1) }.is_ambiguous());
        let login = Error::login(endpoint(), LoginError::InvalidToken);
        assert!(!login.is_ambiguous() && login.code() == ErrorCode::ClientLogin, "{login:?}");
        let check = |error: ConnectError, code: ErrorCode| {
            let error = classify(&std::io::Error::other(error));
            assert!(!error.is_ambiguous() && error.code() == code, "{error:?}");
        };
        check(ConnectError::Dns("no".into()), ErrorCode::ClientDns);
        let (proxy, origin) = ("http://p".to_owned(), "HTTPS_PROXY");
        check(ConnectError::Proxy { proxy, origin, source: "no".into() }, ErrorCode::ClientProxy);
        check(ConnectError::Tcp("no".into()), ErrorCode::ClusterUnreachable);
        check(ConnectError::Timeout(Duration::from_secs(1)), ErrorCode::ClusterUnreachable);
        check(ConnectError::Tls(std::io::Error::other("no")), ErrorCode::ClusterTls);
        // a text that names a phase decides nothing
        let disguised = classify(&std::io::Error::other("client error (Connect)"));
        assert!(disguised.is_ambiguous());
        assert!(!Error::Interrupted.is_ambiguous());
    }

    #[test]
    fn api_errors_have_codes_and_hints() {
        let error = |code: u16| {
            let body = r#"{"message": "no", "reason": "Why"}"#.to_owned();
            let resource = super::super::resource::PODS;
            let namespace = Some("shop".to_owned());
            let is_without_credentials = false;
            Error::Api(Box::new(ApiError {
                code,
                body,
                verb: "list",
                resource,
                namespace,
                is_without_credentials,
            }))
        };
        assert_eq!(error(404).code(), ErrorCode::ClusterNotFound);
        assert_eq!(error(409).code(), ErrorCode::ClusterConflict);
        assert_eq!(error(500).code(), ErrorCode::ClusterApi);
        let expected = "no (403 Forbidden); check the permission with `kubectl auth can-i list pods -n shop`";
        assert_eq!(error(403).summary(), expected);
    }
}
