//! Transport of requests to the API server: address, headers, login, connection.

mod connector;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use http_body_util::combinators::MapErr;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use kube::client::Body;
use rustls::pki_types::ServerName;
use tower_service::Service;
use url::Url;

use super::error::{Endpoint, Error, SettingsProblem, body_error};
use super::login::{ClientIdentity, Login, LoginMethod};
use super::secrets::ConnectionSecrets;
use super::warnings::WarningHandler;
use crate::http_client::{BoxError, ProxyAddress, TrustedCertificates};
use connector::Connector;

/// Checked settings of a connection.
pub(super) struct TransportSettings {
    pub(super) server: Url,
    pub(super) trusted: TrustedCertificates,
    /// The name in the certificate of the server.
    pub(super) server_name: Option<ServerName<'static>>,
    pub(super) identity: Option<ClientIdentity>,
    pub(super) login: LoginMethod,
    /// Whether there are credentials that are not sent: the address is plain http.
    pub(super) withholds_credentials: bool,
    pub(super) headers: HeaderMap,
    pub(super) proxy: Option<ProxyAddress>,
}

/// What the transport needs beside the settings.
pub(super) struct TransportOptions {
    pub(super) endpoint: Endpoint,
    pub(super) login: Arc<Login>,
    pub(super) secrets: Arc<ConnectionSecrets>,
    pub(super) warnings: WarningHandler,
    /// Limit for one connection attempt.
    pub(super) connect_timeout: Duration,
}

/// Body of a request of `kube`, with an error of this program.
type RequestBody = MapErr<Body, fn(kube::Error) -> BoxError>;

/// Service that sends requests to an API server, for `kube::Client`.
#[derive(Clone)]
pub(super) struct ApiTransport {
    client: Client<Connector, RequestBody>,
    shared: Arc<TransportState>,
}

struct TransportState {
    scheme: Scheme,
    authority: Authority,
    /// The path of the API server, without a slash at its end.
    prefix: String,
    headers: HeaderMap,
    options: TransportOptions,
}

impl ApiTransport {
    pub(super) fn new(
        settings: TransportSettings,
        options: TransportOptions,
    ) -> Result<Self, SettingsProblem> {
        let address: Uri = settings
            .server
            .as_str()
            .parse()
            .map_err(|_| SettingsProblem::InvalidServer(settings.server.to_string()))?;
        let parts = address.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(SettingsProblem::InvalidServer(settings.server.to_string()));
        };
        let mut headers = settings.headers.clone();
        let agent = format!(
            "kubectl-chaos/{} ({}/{})",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH
        );
        let agent = HeaderValue::from_str(&agent).map_err(|_| SettingsProblem::InvalidHeader("agent"))?;
        headers.insert(USER_AGENT, agent);
        let prefix = settings.server.path().trim_end_matches('/').to_owned();
        let connector = Connector::new(settings, &options)?;
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let shared = Arc::new(TransportState { scheme, authority, prefix, headers, options });
        Ok(Self { client, shared })
    }
}

impl TransportState {
    /// Completes a request: its address and the headers of the connection.
    fn complete(&self, request: &mut Request<Body>) {
        let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(format!("{}{path}", self.prefix))
            .build();
        // the path comes from a valid address, and so does the prefix
        if let Ok(uri) = uri {
            *request.uri_mut() = uri;
        }
        for name in self.headers.keys() {
            request.headers_mut().remove(name);
        }
        for (name, value) in &self.headers {
            request.headers_mut().append(name.clone(), value.clone());
        }
    }

    async fn send(
        &self,
        client: &Client<Connector, RequestBody>,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, Error> {
        let TransportOptions { endpoint, login, secrets, warnings, .. } = &self.options;
        self.complete(&mut request);
        let authorization = login.authorization().await;
        let authorization = authorization.map_err(|source| Error::login(endpoint.clone(), source))?;
        if let Some(authorization) = authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        let request = request.map(|body| body.map_err(body_error as fn(kube::Error) -> BoxError));
        let response = client.request(request).await;
        let response = response.map_err(|error| Error::transport(endpoint.clone(), &error, secrets))?;
        if response.status() == StatusCode::UNAUTHORIZED {
            login.reject().await;
        }
        warnings.handle(response.headers(), |text| secrets.mask(text));
        Ok(response)
    }
}

impl Service<Request<Body>> for ApiTransport {
    type Response = Response<Incoming>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (client, shared) = (self.client.clone(), Arc::clone(&self.shared));
        Box::pin(async move { shared.send(&client, request).await })
    }
}
