//! Routes of requests to Services, inside and outside the cluster.
//!
//! Inside the cluster DNS resolves the name. From outside, plain GETs use the API server's service proxy, and all
//! other requests use a port-forward to a Pod. Credentials of the API server go only to the API server: a client
//! without credentials follows redirects to other servers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, COOKIE, HOST, LOCATION};
use http::{HeaderMap, Method};
use reqwest::{Client, Proxy, Request};
use tokio::sync::OnceCell;
use url::Url;

use super::client::execute;
use super::cookies::CookieJar;
use super::error::SendError;
use super::response::HttpResponse;
use crate::error_code::message_chain;
use crate::experiment::resolve::Verification;
use crate::http_client::{self, ClientOptions, MAX_REDIRECTS};
use crate::k8s;
use crate::k8s::service::{
    PortForward, ResolvedService, ServiceAlias, ServiceRef, find, named, proxy_refusal,
};
use crate::k8s::{ClusterClient, DialErrorKind, ServiceError};
use crate::mutation::ServiceRoute;
use crate::provider::{ActivityError, KubernetesProvider};
use crate::series::SampleOutcome;
use crate::value::Map;

/// Route to Services that the user selects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceAccess {
    /// Direct inside the cluster, else the service proxy if possible, else port-forward.
    #[default]
    Auto,
    /// The service proxy of the API server.
    Proxy,
    /// Port-forward to one of the Pods.
    PortForward,
    /// The DNS name, as for any other server.
    Direct,
}

/// Route of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Proxy,
    PortForward,
    Direct,
}

impl Route {
    fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::PortForward => "port-forward",
            Self::Direct => "direct",
        }
    }
}

/// Routes requests to the Services of a cluster.
pub struct ServiceRouter {
    kubernetes: Arc<KubernetesProvider>,
    access: ServiceAccess,
    aliases: Vec<ServiceAlias>,
    tunnel: OnceCell<Arc<PortForward>>,
}

/// Request to a Service, and its route.
pub(super) struct RoutedRequest {
    services: Arc<ServiceRouter>,
    cluster: Arc<ClusterClient>,
    service: ServiceRef,
    route: Route,
    /// Options of the client for port-forward.
    pub(super) verification: Verification,
    pub(super) connect_timeout: Option<Duration>,
    /// Where the last request went.
    pub(super) reached: Option<ServiceRoute>,
}

impl ServiceRouter {
    /// Creates a router for the cluster of the functions.
    pub fn new(
        kubernetes: Arc<KubernetesProvider>,
        access: ServiceAccess,
        aliases: Vec<ServiceAlias>,
    ) -> Arc<Self> {
        Arc::new(Self { kubernetes, access, aliases, tunnel: OnceCell::new() })
    }

    /// Whether an address means a Service.
    pub fn has(&self, url: &str) -> bool {
        Url::parse(url.trim()).is_ok_and(|url| named(&url, &self.aliases).is_some())
    }

    /// Returns the route of a request; `None` if it is not for a Service.
    pub(super) async fn destination(
        self: &Arc<Self>,
        request: &Request,
        verification: &Verification,
        connect_timeout: Option<Duration>,
    ) -> Result<Option<RoutedRequest>, RoutingError> {
        let Some(service) = named(request.url(), &self.aliases) else { return Ok(None) };
        let cluster = self.kubernetes.cluster(&Map::new()).await;
        let cluster =
            cluster.map_err(|source| RoutingError::Cluster { service: service.to_string(), source })?;
        let route = choose(self.access, cluster.in_cluster, request)?;
        Ok(Some(RoutedRequest {
            services: Arc::clone(self),
            cluster,
            service,
            route,
            verification: verification.clone(),
            connect_timeout,
            reached: None,
        }))
    }

    async fn tunnel(&self, cluster: &Arc<ClusterClient>) -> Result<Arc<PortForward>, k8s::Error> {
        let open = async || PortForward::open(Arc::clone(cluster), self.aliases.clone()).await.map(Arc::new);
        Ok(self.tunnel.get_or_try_init(open).await.cloned()?)
    }
}

/// Error of the choice of a route.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoutingError {
    #[error("cannot use the cluster of {service}")]
    Cluster { service: String, source: k8s::Error },
    #[error("{0}, so it cannot use the service proxy: use --service-access=port-forward")]
    NotByProxy(ProxyLimit),
}

impl From<RoutingError> for ActivityError {
    fn from(error: RoutingError) -> Self {
        let message = message_chain(&error);
        match error {
            RoutingError::Cluster { source, .. } => match source.tool_failure() {
                Some(code) => Self::Tool { code, message },
                None => Self::Failed(message),
            },
            RoutingError::NotByProxy(_) => Self::Failed(message),
        }
    }
}

/// Reason why the API server's service proxy cannot pass a request on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProxyLimit {
    #[error("the request is not a plain GET")]
    NotPlainGet,
    #[error("the request uses https")]
    Https,
    #[error("the request has a header that the API server interprets itself")]
    ReservedHeader,
}

/// Chooses the route of a request.
fn choose(access: ServiceAccess, in_cluster: bool, request: &Request) -> Result<Route, RoutingError> {
    match (access, proxy_obstacle(request)) {
        (ServiceAccess::Direct, _) => Ok(Route::Direct),
        (ServiceAccess::Auto, _) if in_cluster => Ok(Route::Direct),
        (ServiceAccess::Auto | ServiceAccess::Proxy, None) => Ok(Route::Proxy),
        (ServiceAccess::Auto | ServiceAccess::PortForward, _) => Ok(Route::PortForward),
        (ServiceAccess::Proxy, Some(reason)) => Err(RoutingError::NotByProxy(reason)),
    }
}

/// Returns why the service proxy cannot pass a request on unchanged.
///
/// The API server interprets some headers itself, and does not verify certificates of Services.
fn proxy_obstacle(request: &Request) -> Option<ProxyLimit> {
    let its_own = |name: &str| {
        [AUTHORIZATION, COOKIE, HOST].iter().any(|own| own == name)
            || name.starts_with("impersonate-")
            || name.starts_with("x-remote-")
    };
    if request.method() != Method::GET || request.body().is_some() {
        Some(ProxyLimit::NotPlainGet)
    } else if request.url().scheme() != "http" {
        Some(ProxyLimit::Https)
    } else if request.headers().keys().any(|name| its_own(name.as_str())) {
        Some(ProxyLimit::ReservedHeader)
    } else {
        None
    }
}

impl RoutedRequest {
    /// Sends a request there.
    pub(super) async fn send(
        &mut self,
        client: &Client,
        request: Request,
        read: Option<Duration>,
    ) -> Result<HttpResponse, SendError> {
        self.reached = None;
        match self.route {
            Route::Direct => self.send_directly(client, request, read).await,
            Route::Proxy => self.send_by_proxy(request, read).await,
            Route::PortForward => self.send_forwarded(request, read).await,
        }
    }

    fn record_route(&mut self, service: String, route: Route, pod: Option<String>) {
        self.reached = Some(ServiceRoute { service, access: route.name(), pod });
    }

    async fn send_directly(
        &mut self,
        client: &Client,
        mut request: Request,
        read: Option<Duration>,
    ) -> Result<HttpResponse, SendError> {
        let namespace = self.service.namespace.clone().unwrap_or_else(|| self.cluster.namespace.clone());
        let host = format!("{}.{namespace}.svc", self.service.name);
        let port = match find(&self.cluster, &self.service).await {
            Ok(found) => found.port.to_string(),
            // without the read permission the address decides
            Err(failure) if failure.status() == Some(403) => self.service.port.clone().unwrap_or_default(),
            Err(failure) => return Err(connection(failure)),
        };
        let url = request.url_mut();
        let fits = url.set_host(Some(&host)).is_ok() && url.set_port(port.parse().ok()).is_ok();
        if !fits {
            return Err(SendError::InvalidAddress(format!("{host}:{port}")));
        }
        self.record_route(format!("{namespace}/{}:{port}", self.service.name), Route::Direct, None);
        execute(client, request, read, true).await
    }

    async fn send_by_proxy(
        &mut self,
        request: Request,
        read: Option<Duration>,
    ) -> Result<HttpResponse, SendError> {
        let found = find(&self.cluster, &self.service).await.map_err(connection)?;
        self.record_route(found.display_name(), Route::Proxy, None);
        let mut target = path_and_query(request.url());
        let mut cookies = CookieJar::default();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.ask_by_proxy(&found, &target, request.headers(), read).await?;
            if let Ok(url) = request.url().join(&target) {
                cookies.store(&url, &answer.headers);
            }
            let location = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok());
            let is_redirect = matches!(answer.status, 301 | 302 | 303 | 307 | 308);
            let Some(location) = location.filter(|_| is_redirect) else { return Ok(answer) };
            match service_redirect(&self.cluster.address, &found.proxy_path(), location) {
                Some(RedirectTarget::Same(path)) => {
                    let url = request.url().join(&path);
                    let next = url.ok().and_then(|url| Some((cookies.header(&url)?, url)));
                    // the API server interprets cookies itself, so a request with a cookie cannot pass its proxy
                    if let Some((cookie, url)) = next {
                        let mut next = Request::new(Method::GET, url);
                        next.headers_mut().clone_from(request.headers());
                        next.headers_mut().insert(COOKIE, cookie);
                        return self.send_forwarded(next, read).await;
                    }
                    target = path;
                }
                Some(RedirectTarget::Elsewhere(url)) => {
                    let mut next = Request::new(Method::GET, url);
                    next.headers_mut().clone_from(request.headers());
                    return self.send_forwarded(next, read).await;
                }
                None => return Ok(answer),
            }
        }
        Err(SendError::TooManyRedirects(MAX_REDIRECTS))
    }

    async fn ask_by_proxy(
        &self,
        found: &ResolvedService,
        target: &str,
        headers: &HeaderMap,
        read: Option<Duration>,
    ) -> Result<HttpResponse, SendError> {
        let uri = found.proxy_path() + target;
        let request = http::Request::builder().method(Method::GET).uri(uri).body(Vec::new());
        let mut request = request.map_err(|error| SendError::InvalidRequest(error.into()))?;
        request.headers_mut().clone_from(headers);
        let passed = self.cluster.forward(request);
        let response = match read {
            None => passed.await,
            Some(limit) => tokio::time::timeout(limit, passed).await.map_err(|_| SendError::Timeout)?,
        };
        let mut answer = HttpResponse::new(response.map_err(connection)?);
        if matches!(answer.status, 401 | 403 | 404 | 502 | 503) {
            let bytes = answer.read(read).await?;
            if let Some(error) = proxy_refusal(found, answer.status, &bytes) {
                return Err(connection(error));
            }
            answer = answer.with_body(bytes);
        }
        Ok(answer)
    }

    async fn send_forwarded(
        &mut self,
        request: Request,
        read: Option<Duration>,
    ) -> Result<HttpResponse, SendError> {
        let tunnel = self.services.tunnel(&self.cluster).await.map_err(connection)?;
        let guard = tunnel.guard().map_err(connection)?;
        let (proxy, aliases) = (guard.proxy(), self.services.aliases.clone());
        // redirects to other servers bypass the port-forward
        let proxy = Proxy::custom(move |url| named(url, &aliases).map(|_| proxy.clone()));
        let options = ClientOptions {
            connect_timeout: self.connect_timeout,
            proxy: Some(proxy),
            stay: true,
            ..ClientOptions::default()
        };
        let client = http_client::build(&self.verification, options)
            .map_err(|error| SendError::InvalidRequest(message_chain(&error).into()))?;
        let answer = execute(&client, request, read, false).await;
        if let Some((found, endpoint)) = guard.destination() {
            self.record_route(found.display_name(), Route::PortForward, Some(endpoint.pod));
        }
        match answer {
            Err(SendError::Connection { .. } | SendError::Broken { .. }) => match guard.take_error() {
                Some(error) => Err(connection(error)),
                None => answer,
            },
            answer => answer,
        }
    }
}

/// Returns the error of a request that did not reach the Service.
fn connection(error: k8s::Error) -> SendError {
    if let Some(code) = error.tool_failure() {
        return SendError::Tool { code, cause: Box::new(ServiceUnreachable(error)) };
    }
    let outcome = outcome(&error);
    SendError::Connection { cause: Box::new(ServiceUnreachable(error)), outcome }
}

/// Error on the way to a Service, shown on one line with its hint.
#[derive(Debug)]
struct ServiceUnreachable(k8s::Error);

impl fmt::Display for ServiceUnreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.summary())
    }
}

impl std::error::Error for ServiceUnreachable {}

/// Returns how samples count an error on the way to a Service.
fn outcome(error: &k8s::Error) -> SampleOutcome {
    match error {
        k8s::Error::Service(ServiceError::NoEndpoints(_)) => SampleOutcome::NoEndpoints,
        // the API server's own connection to the Pod
        k8s::Error::Service(ServiceError::Proxy(error) | ServiceError::Forwarded { error, .. }) => {
            match error.kind {
                DialErrorKind::Refused => SampleOutcome::Refused,
                DialErrorKind::Timeout => SampleOutcome::Timeout,
                DialErrorKind::Other => SampleOutcome::Other,
            }
        }
        _ => SampleOutcome::Other,
    }
}

fn path_and_query(url: &Url) -> String {
    url[url::Position::BeforePath..url::Position::AfterQuery].to_owned()
}

/// Target of a redirect.
#[derive(Debug, PartialEq)]
enum RedirectTarget {
    /// Another path of the same Service.
    Same(String),
    /// Another server.
    Elsewhere(Url),
}

/// Resolves a redirect behind the service proxy, which prefixes paths of the Service with its own address.
fn service_redirect(server: &str, proxy_path: &str, location: &str) -> Option<RedirectTarget> {
    let base = Url::parse(&format!("{server}{proxy_path}/")).ok()?;
    let url = base.join(location).ok()?;
    if url.origin() != base.origin() {
        return matches!(url.scheme(), "http" | "https").then_some(RedirectTarget::Elsewhere(url));
    }
    // never follow redirects to other API server paths
    let path = path_and_query(&url);
    let rest = path.strip_prefix(proxy_path)?;
    rest.starts_with(['/', '?']).then(|| RedirectTarget::Same(rest.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, url: &str, headers: &[(&'static str, &'static str)]) -> Request {
        let mut request = Request::new(method, Url::parse(url).unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        request
    }

    #[test]
    fn routes_follow_access_and_request() {
        let get = || request(Method::GET, "http://web.svc/", &[("Accept", "*/*")]);
        let check = |access, in_cluster, request: Request, expected: Option<Route>| {
            assert_eq!(choose(access, in_cluster, &request).ok(), expected, "{access:?} {request:?}");
        };
        check(ServiceAccess::Auto, false, get(), Some(Route::Proxy));
        check(ServiceAccess::Auto, true, get(), Some(Route::Direct));
        check(ServiceAccess::Proxy, true, get(), Some(Route::Proxy));
        check(ServiceAccess::PortForward, true, get(), Some(Route::PortForward));
        check(ServiceAccess::Direct, false, get(), Some(Route::Direct));
        let unfit = || {
            let with = |name| request(Method::GET, "http://web.svc/", &[(name, "x")]);
            [
                request(Method::POST, "http://web.svc/", &[]),
                request(Method::HEAD, "http://web.svc/", &[]),
                request(Method::GET, "https://web.svc/", &[]),
                with("Authorization"),
                with("Cookie"),
                with("Host"),
                with("Impersonate-User"),
                with("X-Remote-User"),
            ]
        };
        for request in unfit() {
            check(ServiceAccess::Auto, false, request, Some(Route::PortForward));
        }
        for request in unfit() {
            check(ServiceAccess::Proxy, false, request, None);
        }
    }

    #[test]
    fn redirects_stay_in_the_service() {
        let check = |location: &str, expected: Option<RedirectTarget>| {
            let path = "/api/v1/namespaces/shop/services/web:80/proxy";
            assert_eq!(service_redirect("https://10.0.0.1:6443", path, location), expected, "{location}");
        };
        let same_service = |path: &str| Some(RedirectTarget::Same(path.to_owned()));
        check(
            "https://10.0.0.1:6443/api/v1/namespaces/shop/services/web:80/proxy/new?a=b",
            same_service("/new?a=b"),
        );
        check("/api/v1/namespaces/shop/services/web:80/proxy/", same_service("/"));
        let other = Url::parse("http://other.svc/x").unwrap();
        check("http://other.svc/x", Some(RedirectTarget::Elsewhere(other)));
        // a Service cannot redirect the client to other paths of the API server
        check("https://10.0.0.1:6443/api/v1/namespaces/kube-system/secrets", None);
        check("/api/v1/namespaces/shop/services/web:80/proxy/../../../secrets", None);
        check("/api/v1/namespaces/shop/services/web:80/proxyx", None);
        check("ftp://other/", None);
    }
}
