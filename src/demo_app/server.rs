//! The HTTP server of the demo application.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;

/// The health check path.
const HEALTH_PATH: &str = "/health";
/// How long open requests may take after shutdown begins.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// The time limit for request headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// An application that the server runs.
pub trait Application: Send + Sync + 'static {
    /// Responds to a GET request; nothing means 404.
    fn respond(&self, path: &str) -> impl Future<Output = Option<DemoResponse>> + Send;
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoResponse {
    status: u16,
    content_type: &'static str,
    body: String,
}

impl DemoResponse {
    /// Creates a plain text response.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    /// Creates a JSON response.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { status, content_type: "application/json", body: body.to_string() }
    }
}

impl From<DemoResponse> for Response<String> {
    fn from(source: DemoResponse) -> Self {
        let mut response = Self::new(source.body);
        *response.status_mut() = StatusCode::from_u16(source.status).unwrap_or_default();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(source.content_type));
        response
    }
}

/// An HTTP server.
pub struct DemoServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl DemoServer {
    /// Binds an address; port 0 selects a free port.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Returns the bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then completes open requests.
    pub async fn serve(self, application: impl Application, shutdown: impl Future) {
        let application = Arc::new(application);
        let open = GracefulShutdown::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = &mut shutdown => break,
            };
            let Ok((stream, _)) = accepted else {
                // too many open files: try again soon
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            let application = Arc::clone(&application);
            let service = service_fn(move |request| handle_request(Arc::clone(&application), request));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            let connection = open.watch(http.serve_connection(TokioIo::new(stream), service));
            // a client may disconnect at any time
            tokio::spawn(async move { drop(connection.await) }.boxed());
        }
        drop(self.listener);
        let _ = tokio::time::timeout(SHUTDOWN_GRACE, open.shutdown()).await;
    }
}

async fn handle_request<A: Application>(
    application: Arc<A>,
    request: Request<Incoming>,
) -> Result<Response<String>, Infallible> {
    let path = request.uri().path();
    let response = match (request.method(), path) {
        (&Method::GET | &Method::HEAD, HEALTH_PATH) => Some(DemoResponse::text(200, "up")),
        (&Method::GET | &Method::HEAD, path) => application.respond(path).await,
        _ => Some(DemoResponse::text(405, "only GET and HEAD are allowed")),
    };
    Ok(response.unwrap_or_else(|| DemoResponse::text(404, "not found")).into())
}
