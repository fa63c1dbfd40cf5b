//! API server client: requests with a deadline, paged lists, watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::answer::{describe_answer, explain_missing};
use super::error::{ApiError, Cause, Endpoint, Error, body_error, describe_client_error};
use super::login::Login;
use super::request::{ApiRequest, ObjectSelector};
use super::resource::{NAMESPACES, Resource};
use super::secrets::ConnectionSecrets;
use super::transport::ApiTransport;
use crate::http_client::BoxError;

/// Page size of lists.
const PAGE: usize = 500;
/// Attempts for a request that the server asks to repeat later.
const TRIES: u32 = 4;
/// Limit for the `Retry-After` of the server.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Version of a server that does not tell it.
const UNKNOWN_VERSION: &str = "unknown";

/// Authenticated API server client.
pub struct ClusterClient {
    client: kube::Client,
    login: Arc<Login>,
    secrets: Arc<ConnectionSecrets>,
    /// Whether the server has no `EndpointSlices`, or does not allow to list them.
    without_slices: AtomicBool,
    pub address: String,
    /// Where the connection is configured: a file and a context, or the environment.
    pub source: String,
    /// The context of the kubeconfig, if the connection uses one.
    pub context: Option<String>,
    /// The default namespace.
    pub namespace: String,
    /// Whether this program runs in a Pod of the cluster.
    pub in_cluster: bool,
    timeout: Option<Duration>,
    withholds_credentials: bool,
}

/// Connection settings of a client.
pub(super) struct ConnectionInfo {
    pub(super) address: String,
    pub(super) source: String,
    pub(super) context: Option<String>,
    pub(super) namespace: String,
    pub(super) in_cluster: bool,
    /// Whether there are credentials that are not sent.
    pub(super) withholds_credentials: bool,
}

/// Page of a list.
#[derive(Deserialize)]
struct Page<T> {
    #[serde(default)]
    metadata: PageMetadata,
    /// The server returns null for an empty list of metadata.
    #[serde(default = "Option::default")]
    items: Option<Vec<T>>,
}

#[derive(Deserialize, Default)]
struct PageMetadata {
    #[serde(rename = "continue", default)]
    next: Option<String>,
}

impl ClusterClient {
    /// Creates a client.
    pub(super) fn new(
        transport: ApiTransport,
        login: Arc<Login>,
        secrets: Arc<ConnectionSecrets>,
        found: ConnectionInfo,
        timeout: Option<Duration>,
    ) -> Self {
        let ConnectionInfo { address, source, context, namespace, in_cluster, withholds_credentials } = found;
        let client = kube::Client::new(transport, namespace.clone());
        let without_slices = AtomicBool::new(false);
        Self {
            client,
            login,
            secrets,
            without_slices,
            address,
            source,
            context,
            namespace,
            in_cluster,
            timeout,
            withholds_credentials,
        }
    }

    /// Reads the version of the API server; `unknown` without the permission, which no function needs.
    pub async fn version(&self) -> Result<String, Error> {
        let call =
            ApiRequest { path: Some("/version"), ..ApiRequest::new(Method::GET, "get", &NAMESPACES, None) };
        match self.json(&call).await {
            Ok(version) => Ok(version["gitVersion"].as_str().unwrap_or(UNKNOWN_VERSION).to_owned()),
            Err(failure) if failure.status() == Some(403) => Ok(UNKNOWN_VERSION.to_owned()),
            Err(failure) => Err(failure),
        }
    }

    /// Reads the UID of the cluster: that of `kube-system`; `None` without permission.
    pub async fn identity(&self) -> Option<String> {
        let system = self.json(&ApiRequest::get(&NAMESPACES, None, "kube-system")).await.ok()?;
        Some(system.pointer("/metadata/uid")?.as_str()?.to_owned())
    }

    /// Returns the client of `kube`, for requests that are upgraded: commands, port-forward.
    pub fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// Sends a request unchanged to a path of the API server, and returns the unread answer.
    ///
    /// Only the head of the answer has a deadline.
    pub async fn forward(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = BoxError> + use<>>, Error> {
        let response = async {
            let response = self.client.send(request.map(Body::from)).await;
            response.map_err(|error| self.transport_error(error))
        };
        Ok(self.in_time(response).await?.map(|body| body.map_err(body_error)))
    }

    /// Sends a request, and returns the body of the answer.
    pub async fn send(&self, call: &ApiRequest) -> Result<Vec<u8>, Error> {
        self.in_time(self.send_patiently(call)).await
    }

    /// Limits a request to the request timeout. A login before it has its own limit.
    pub async fn in_time<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        // boxed: it is part of every request, and makes the futures of trials large
        let ready = Box::pin(self.login.authorization()).await;
        ready.map_err(|source| Error::login(self.endpoint(), source))?;
        match self.timeout {
            None => request.await,
            Some(limit) => tokio::time::timeout(limit, request)
                .await
                .unwrap_or_else(|_| Err(Error::Timeout { endpoint: self.endpoint(), limit })),
        }
    }

    /// Repeats a request while the server is busy, if it can be repeated.
    async fn send_patiently(&self, call: &ApiRequest) -> Result<Vec<u8>, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let response =
                self.client.send(call.request()?).await.map_err(|error| self.transport_error(error))?;
            let status = response.status();
            let wait = response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok())
                .map(Duration::from_secs);
            let body = response.into_body().collect().await.map_err(|error| self.transport_error(error))?;
            let body = body.to_bytes();
            if status.is_success() {
                return Ok(body.to_vec());
            }
            let is_overloaded = status == StatusCode::TOO_MANY_REQUESTS
                || status == StatusCode::SERVICE_UNAVAILABLE && call.method == Method::GET;
            match wait {
                Some(wait) if is_overloaded && call.repeatable && tries < TRIES => {
                    tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
                }
                _ => return Err(self.refused(call, status, &body)),
            }
        }
    }

    /// Sends a request, and parses the answer as JSON.
    pub async fn json(&self, call: &ApiRequest) -> Result<Json, Error> {
        let body = self.send(call).await?;
        self.parse(&body)
    }

    /// Lists the selected objects of a kind, page by page.
    pub async fn list<T: DeserializeOwned>(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selection: &ObjectSelector,
        metadata_only: bool,
    ) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut call = ApiRequest::new(Method::GET, "list", resource, namespace);
            call.metadata_only = metadata_only;
            call.query = selection.query();
            call.query.push(("limit", PAGE.to_string()));
            if let Some(next) = &next {
                call.query.push(("continue", next.clone()));
            }
            let body = match self.send(&call).await {
                // the list expired while it was read: start again
                Err(failure) if failure.status() == Some(410) && next.is_some() => {
                    items.clear();
                    next = None;
                    continue;
                }
                answer => answer?,
            };
            let page: Page<T> = self.parse(&body)?;
            items.extend(page.items.into_iter().flatten());
            match page.metadata.next.filter(|next| !next.is_empty()) {
                None => return Ok(items),
                following => next = following,
            }
        }
    }

    /// Watches the selected objects, from their current state on.
    ///
    /// Ends with the first value that `judge` returns for a state, or with `None` after `limit`.
    pub async fn watch<T>(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selection: &ObjectSelector,
        limit: Duration,
        mut judge: impl FnMut(&Json) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let mut call = ApiRequest::new(Method::GET, "watch", resource, namespace);
        call.query = selection.query();
        call.query.push(("watch", "true".to_owned()));
        let mut is_from_cache = false;
        let watching = async {
            loop {
                match self.watch_once(&call, &mut judge).await? {
                    WatchEnd::Found(found) => return Ok(Some(found)),
                    // a watch from any version needs no answer of etcd about the newest one
                    WatchEnd::CacheBehind if !is_from_cache => {
                        is_from_cache = true;
                        call.query.push(("resourceVersion", "0".to_owned()));
                        continue;
                    }
                    WatchEnd::CacheBehind | WatchEnd::Ended => {}
                }
                // the server ends watches regularly; the next one starts with the current state
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(limit, watching).await.unwrap_or(Ok(None))
    }

    async fn watch_once<T>(
        &self,
        call: &ApiRequest,
        judge: &mut impl FnMut(&Json) -> Option<T>,
    ) -> Result<WatchEnd<T>, Error> {
        let response =
            self.client.send(call.request()?).await.map_err(|error| self.transport_error(error))?;
        let status = response.status();
        let mut body = response.into_body();
        if !status.is_success() {
            let body = body.collect().await.map_err(|error| self.transport_error(error))?;
            return Err(self.refused(call, status, &body.to_bytes()));
        }
        let mut pending = Vec::new();
        while let Some(frame) = body.frame().await {
            // a broken watch is started again
            let Ok(frame) = frame else { return Ok(WatchEnd::Ended) };
            let Ok(data) = frame.into_data() else { continue };
            pending.extend_from_slice(&data);
            while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                let event: Json = self.parse(&line)?;
                if event["type"] == "ERROR" {
                    let is_timeout = event["object"]["code"] == StatusCode::GATEWAY_TIMEOUT.as_u16();
                    return Ok(if is_timeout { WatchEnd::CacheBehind } else { WatchEnd::Ended });
                }
                if let Some(value) = judge(&event["object"]) {
                    return Ok(WatchEnd::Found(value));
                }
            }
        }
        Ok(WatchEnd::Ended)
    }

    /// Creates the error of a refused upgrade: of a command, of a port-forward.
    pub fn upgrade_refused(&self, subresource: &'static str, namespace: &str, error: kube::Error) -> Error {
        use kube::client::UpgradeConnectionError::ProtocolSwitch;
        let code = match &error {
            kube::Error::UpgradeConnection(ProtocolSwitch(status)) => status.as_u16(),
            kube::Error::Api(status) => status.code,
            _ => return self.transport_error(error),
        };
        let resource = Resource { plural: subresource.into(), ..super::resource::PODS };
        let message = match &error {
            kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
            other => describe_client_error(other),
        };
        let body = self.secrets.mask(&format!("Handshake status {code}: {message}"));
        refused_as("create", resource, Some(namespace), code, body.as_bytes())
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint { address: self.address.clone(), origin: self.source.clone() }
    }

    /// Returns the error of the transport, which classified it already.
    fn transport_error(&self, error: kube::Error) -> Error {
        let error = match error {
            kube::Error::Service(boxed) => match boxed.downcast::<Error>() {
                Ok(error) => return *error,
                Err(other) => kube::Error::Service(other),
            },
            other => other,
        };
        let cause = describe_client_error(&error);
        Error::Broken { endpoint: self.endpoint(), source: Cause::from_text(&cause, &self.secrets) }
    }

    fn refused(&self, call: &ApiRequest, status: StatusCode, body: &[u8]) -> Error {
        let text = String::from_utf8_lossy(body);
        let body = match status {
            StatusCode::NOT_FOUND if call.path.is_none() => explain_missing(&call.resource, &text),
            _ => None,
        };
        let body = body.unwrap_or_else(|| self.secrets.mask(&text));
        let namespace = call.namespace.as_deref();
        let refused =
            refused_as(call.verb, call.resource.clone(), namespace, status.as_u16(), body.as_bytes());
        match refused {
            Error::Api(mut answer) => {
                answer.is_without_credentials = self.withholds_credentials;
                Error::Api(answer)
            }
            other => other,
        }
    }

    /// Parses an answer as JSON.
    pub(super) fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(body)
            .map_err(|_| Error::InvalidAnswer { endpoint: self.endpoint(), found: describe_answer(body) })
    }

    /// Whether `EndpointSlices` were not found before.
    pub(super) fn is_without_slices(&self) -> bool {
        self.without_slices.load(Ordering::Relaxed)
    }

    /// Remembers that the server has no `EndpointSlices`.
    pub(super) fn mark_without_slices(&self) {
        self.without_slices.store(true, Ordering::Relaxed);
    }
}

/// How one watch request ended.
enum WatchEnd<T> {
    Found(T),
    /// The server closed the watch, or the connection broke.
    Ended,
    /// The watch cache of the server did not reach the newest version of etcd in time.
    ///
    /// Kubernetes 1.31 and later answer so to a watch without a version if etcd reports no progress (before 3.4.25
    /// and 3.5.8).
    CacheBehind,
}

/// Creates the error of an answer of the API server.
pub(super) fn refused_as(
    verb: &'static str,
    resource: Resource,
    namespace: Option<&str>,
    code: u16,
    body: &[u8],
) -> Error {
    Error::Api(Box::new(ApiError {
        code,
        body: String::from_utf8_lossy(body).into_owned(),
        verb,
        resource,
        namespace: namespace.map(str::to_owned),
        is_without_credentials: false,
    }))
}
