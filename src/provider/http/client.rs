//! Sends one request.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http_body_util::BodyExt as _;
use reqwest::{Client, Request};
use tokio::sync::watch;

use super::error::SendError;
use super::response::HttpResponse;
use crate::http_client::{ConnectionCount, MAX_REDIRECTS, causes, describe, is_dns_error};
use crate::series::SampleOutcome;

/// Sends a request, and waits for the head of the answer.
pub(super) async fn execute(
    client: &Client,
    request: Request,
    read: Option<Duration>,
) -> Result<HttpResponse, SendError> {
    let connections = ConnectionCount::default();
    let made = connections.subscribe();
    tokio::select! {
        // on a busy machine both may be ready: an answer that came counts
        biased;
        answer = connections.count(client.execute(request)) => {
            answer.map(into_response).map_err(classify)
        }
        () = too_long(made, read) => Err(SendError::Timeout),
    }
}

/// Ends when an answer is overdue: the limit starts with the last connection.
///
/// Connecting has a limit of its own.
async fn too_long(mut made: watch::Receiver<u64>, limit: Option<Duration>) {
    let Some(limit) = limit else { return std::future::pending().await };
    if made.changed().await.is_err() {
        return std::future::pending().await;
    }
    loop {
        tokio::select! {
            biased;
            // a redirect may need another connection, which restarts the limit
            changed = made.changed() => if changed.is_err() {
                tokio::time::sleep(limit).await;
                return;
            },
            () = tokio::time::sleep(limit) => return,
        }
    }
}

fn into_response(response: reqwest::Response) -> HttpResponse {
    let response: http::Response<reqwest::Body> = response.into();
    HttpResponse::new(response.map(|body| body.map_err(Transport)))
}

fn classify(error: reqwest::Error) -> SendError {
    if error.is_redirect() {
        return SendError::TooManyRedirects(MAX_REDIRECTS);
    }
    if error.is_builder() {
        return SendError::InvalidRequest(Transport(error).into());
    }
    if error.is_connect() {
        let outcome = connect_outcome(&error);
        return SendError::Connection { cause: Transport(error).into(), outcome };
    }
    let outcome = if error.is_timeout() { SampleOutcome::Timeout } else { SampleOutcome::Refused };
    SendError::Broken { cause: Transport(error).into(), outcome }
}

/// Returns how samples count a failed connection, by its causes.
fn connect_outcome(error: &reqwest::Error) -> SampleOutcome {
    use std::io::ErrorKind as Io;
    if error.is_timeout() {
        return SampleOutcome::Timeout;
    }
    if is_dns_error(error) {
        return SampleOutcome::Dns;
    }
    for cause in causes(error).skip(1) {
        if cause.is::<rustls::Error>() {
            return SampleOutcome::Tls;
        }
        match cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
            Some(Io::ConnectionRefused | Io::ConnectionReset | Io::ConnectionAborted | Io::UnexpectedEof) => {
                return SampleOutcome::Refused;
            }
            Some(Io::TimedOut) => return SampleOutcome::Timeout,
            _ => {}
        }
    }
    SampleOutcome::Other
}

/// Error of the HTTP client, shown without the address: it is known, and may hold secrets.
#[derive(Debug)]
struct Transport(reqwest::Error);

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Error::source(&self.0).map_or_else(|| self.0.to_string(), describe))
    }
}

impl Error for Transport {}
