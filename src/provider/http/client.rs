//! Sends one request, and follows its redirects.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http_body_util::BodyExt as _;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, LOCATION, TRANSFER_ENCODING};
use reqwest::{Client, Method, Request};
use tokio::sync::watch;
use url::Url;

use super::cookies::CookieJar;
use super::error::SendError;
use super::response::HttpResponse;
use crate::http_client::{
    ConnectionCount, MAX_REDIRECTS, ProxyAddress, causes, describe, is_dns_error, proxy_for,
};
use crate::series::SampleOutcome;

/// Sends a request, follows its redirects, and waits for the head of the last answer.
///
/// The client follows no redirects itself: it would lose the cookies that they set. `by_environment` says whether it uses
/// the proxies of the environment.
pub(super) async fn execute(
    client: &Client,
    mut request: Request,
    read: Option<Duration>,
    by_environment: bool,
) -> Result<HttpResponse, SendError> {
    let mut cookies = CookieJar::default();
    for _ in 0..=MAX_REDIRECTS {
        let proxy = if by_environment { environment_proxy(request.url())? } else { None };
        // a body that cannot be sent twice is not sent to the target of a redirect
        let copy = request.try_clone();
        let (url, method) = (request.url().clone(), request.method().clone());
        let answer = send(client, request, read).await;
        let answer = answer.map_err(|error| match (&error, proxy) {
            (SendError::Connection { outcome, .. }, Some(proxy)) if *outcome != SampleOutcome::Tls => {
                SendError::Proxy { proxy: proxy.display_url(), setting: proxy.origin, cause: Box::new(error) }
            }
            _ => error,
        })?;
        cookies.store(&url, &answer.headers);
        let (Some(target), Some(copy)) = (redirect_target(&url, &answer), copy) else { return Ok(answer) };
        request = redirected(copy, &method, answer.status, target);
        if let Some(header) = cookies.header(request.url()) {
            request.headers_mut().insert(COOKIE, header);
        }
    }
    Err(SendError::TooManyRedirects(MAX_REDIRECTS))
}

/// Returns the proxy that the client uses for an address.
fn environment_proxy(url: &Url) -> Result<Option<ProxyAddress>, SendError> {
    proxy_for(url, |name| std::env::var(name).ok()).map_err(SendError::InvalidProxy)
}

/// Returns the target of a redirect.
fn redirect_target(url: &Url, answer: &HttpResponse) -> Option<Url> {
    if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = answer.headers.get(LOCATION)?.as_bytes();
    let target = url.join(std::str::from_utf8(location).ok()?).ok()?;
    matches!(target.scheme(), "http" | "https").then_some(target)
}

/// Returns the request for the target of a redirect, as Python's `requests` makes it.
fn redirected(mut request: Request, method: &Method, status: u16, target: Url) -> Request {
    let becomes_get = match status {
        301 => *method == Method::POST,
        302 | 303 => *method != Method::HEAD,
        _ => false,
    };
    if becomes_get {
        *request.method_mut() = Method::GET;
    }
    if !matches!(status, 307 | 308) {
        *request.body_mut() = None;
        for name in [CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING] {
            request.headers_mut().remove(name);
        }
    }
    if !keeps_authorization(request.url(), &target) {
        request.headers_mut().remove(AUTHORIZATION);
    }
    // the cookies of the answers replace it
    request.headers_mut().remove(COOKIE);
    *request.url_mut() = target;
    request
}

/// Whether credentials go to the target: to the same host and port, or from http to https on the standard ports.
fn keeps_authorization(from: &Url, to: &Url) -> bool {
    let port = Url::port_or_known_default;
    let upgrades =
        (from.scheme(), to.scheme()) == ("http", "https") && (port(from), port(to)) == (Some(80), Some(443));
    from.host_str() == to.host_str() && (upgrades || port(from) == port(to) && from.scheme() == to.scheme())
}

/// Sends a request without its redirects, and waits for the head of the answer.
async fn send(client: &Client, request: Request, read: Option<Duration>) -> Result<HttpResponse, SendError> {
    let connections = ConnectionCount::default();
    let connections_made = connections.subscribe();
    tokio::select! {
        // on a busy machine both may be ready: an answer that came counts
        biased;
        answer = connections.count(client.execute(request)) => {
            answer.map(into_response).map_err(classify)
        }
        () = too_long(connections_made, read) => Err(SendError::Timeout),
    }
}

/// Ends when an answer is overdue: the limit starts with the last connection.
///
/// Connecting has a limit of its own.
async fn too_long(mut connections_made: watch::Receiver<u64>, limit: Option<Duration>) {
    let Some(limit) = limit else { return std::future::pending().await };
    if connections_made.changed().await.is_err() {
        return std::future::pending().await;
    }
    loop {
        tokio::select! {
            biased;
            // a redirect may need another connection, which restarts the limit
            changed = connections_made.changed() => if changed.is_err() {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(method: Method, status: u16, from: &str, to: &str) -> Request {
        let mut request = Request::new(method.clone(), Url::parse(from).unwrap());
        *request.body_mut() = Some("x".into());
        for name in [AUTHORIZATION, COOKIE, CONTENT_TYPE] {
            request.headers_mut().insert(name, "x".parse().unwrap());
        }
        redirected(request, &method, status, Url::parse(to).unwrap())
    }

    #[test]
    fn redirects_change_the_request_as_in_python() {
        let check = |method: Method, status: u16, expected: Method, has_body: bool| {
            let request = follow(method.clone(), status, "http://h/a", "http://h/b");
            let method_and_body = (request.method().clone(), request.body().is_some());
            assert_eq!(method_and_body, (expected, has_body), "{method} {status}");
            assert_eq!(request.headers().contains_key(CONTENT_TYPE), has_body);
            assert!(!request.headers().contains_key(COOKIE));
        };
        check(Method::POST, 301, Method::GET, false);
        check(Method::PUT, 301, Method::PUT, false);
        check(Method::PUT, 302, Method::GET, false);
        check(Method::HEAD, 303, Method::HEAD, false);
        check(Method::POST, 307, Method::POST, true);
        check(Method::POST, 308, Method::POST, true);
    }

    #[test]
    fn credentials_stay_at_their_host() {
        let check = |from: &str, to: &str, expected: bool| {
            let request = follow(Method::GET, 302, from, to);
            assert_eq!(request.headers().contains_key(AUTHORIZATION), expected, "{from} {to}");
        };
        check("http://h/a", "http://h/b", true);
        check("http://h/a", "https://h/b", true);
        check("https://h/a", "http://h/b", false);
        check("http://h:81/a", "https://h/b", false);
        check("http://h:81/a", "http://h:82/b", false);
        check("http://h/a", "http://other/b", false);
    }
}
