//! The HTTP server of the sample application. Floor 1.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;

/// Where it is seen that the server is up.
const HEALTH_PATH: &str = "/health";
/// How long requests that are under way may take when the server ends.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// How long a client may take to say what it wants.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// What answers requests.
pub trait Application: Send + Sync + 'static {
    /// The answer to a GET; nothing where there is nothing.
    fn respond(&self, path: &str) -> impl Future<Output = Option<DemoResponse>> + Send;
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoResponse {
    status: u16,
    content_type: &'static str,
    body: String,
}

impl DemoResponse {
    /// A text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    /// A document.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { status, content_type: "application/json", body: body.to_string() }
    }
}

impl From<DemoResponse> for Response<String> {
    fn from(answer: DemoResponse) -> Self {
        let mut response = Self::new(answer.body);
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
        response
    }
}

/// A server that listens.
pub struct DemoServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl DemoServer {
    /// Listens on an address; port 0 chooses one.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `end`, then lets requests that are under way have their answers.
    pub async fn serve(self, application: impl Application, end: impl Future) {
        let application = Arc::new(application);
        let open = GracefulShutdown::new();
        let mut end = std::pin::pin!(end);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = &mut end => break,
            };
            let Ok((stream, _)) = accepted else {
                // too many open files, for a moment
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            let application = Arc::clone(&application);
            let service = service_fn(move |request| handle_request(Arc::clone(&application), request));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            let connection = open.watch(http.serve_connection(TokioIo::new(stream), service));
            // a client that goes away is its own business
            tokio::spawn(async move { drop(connection.await) });
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
    let answer = match (request.method(), path) {
        (&Method::GET | &Method::HEAD, HEALTH_PATH) => Some(DemoResponse::text(200, "up")),
        (&Method::GET | &Method::HEAD, path) => application.respond(path).await,
        _ => Some(DemoResponse::text(405, "only GET is answered")),
    };
    Ok(answer.unwrap_or_else(|| DemoResponse::text(404, "there is nothing here")).into())
}
