//! The few endpoints of GitHub that are used: bounded answers, bounded patience, one host. Floor 1.
//!
//! An error names the method, the path and the status, and never the token.

mod link;
mod retry;

use std::fmt;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use url::Url;

use super::Repository;
use crate::experiment::resolve::Verification;
use crate::http_client::{self, ClientOptions, describe};
use retry::{RetryBudget, RetryDecision};

/// The version of the API.
const VERSION: &str = "2022-11-28";
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A hundred comments of the greatest length, and something to spare.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// A hundred things each: nobody reads a pull request with more comments.
const MAX_PAGES: usize = 100;
/// How many things stand on a page.
const PER_PAGE: &str = "100";
/// What stands where the token would.
const MASK: &str = "***";

/// GitHub, as far as it is used.
pub struct GithubApi {
    client: reqwest::Client,
    base: Url,
    token: String,
    authorization: HeaderValue,
    retry_budget: RetryBudget,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError {
    /// `GET`, `POST`, `PATCH`.
    pub method: String,
    /// The path, without a query.
    pub path: String,
    /// What kind of thing happened.
    pub kind: RequestErrorKind,
    /// What GitHub says of it. May be anybody's.
    pub message: String,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestErrorKind {
    /// It cannot be reached, or broke off.
    Unreachable,
    /// It says no, or that it cannot.
    Status(u16),
    /// There were too many requests, for longer than is waited.
    RateLimited,
    /// The answer is none that is understood, or too large.
    InvalidResponse,
}

impl RequestError {
    /// The status, where there was one.
    pub fn status(&self) -> Option<u16> {
        match self.kind {
            RequestErrorKind::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Whether it may have been done nevertheless.
    pub fn is_ambiguous(&self) -> bool {
        match self.kind {
            RequestErrorKind::Unreachable | RequestErrorKind::InvalidResponse => true,
            RequestErrorKind::Status(status) => status >= 500,
            RequestErrorKind::RateLimited => false,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.method, self.path)?;
        match self.kind {
            RequestErrorKind::Unreachable => write!(f, "GitHub cannot be reached")?,
            RequestErrorKind::Status(status) => {
                let phrase = StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
                write!(f, "{status} {}", phrase.unwrap_or_default())?;
            }
            RequestErrorKind::RateLimited => write!(f, "there are too many requests")?,
            RequestErrorKind::InvalidResponse => write!(f, "the answer is not understood")?,
        }
        if self.message.is_empty() { Ok(()) } else { write!(f, " ({})", self.message) }
    }
}

/// An answer.
struct GithubResponse {
    headers: HeaderMap,
    body: Vec<u8>,
}

impl GithubApi {
    /// GitHub at that address, with that token. An error is about the token or the certificates.
    pub fn new(base: &Url, token: &str, verification: &Verification) -> Result<Self, String> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| "the token has characters that no token has".to_owned())?;
        authorization.set_sensitive(true);
        let options = ClientOptions {
            connect_timeout: Some(CONNECT_TIMEOUT),
            timeout: Some(TIMEOUT),
            // a token goes where it was meant to go, and nowhere else
            stay: true,
            ..ClientOptions::default()
        };
        let client = http_client::build(verification, options)?;
        Ok(Self {
            client,
            base: base.clone(),
            token: token.to_owned(),
            authorization,
            retry_budget: RetryBudget::new(Instant::now()),
        })
    }

    /// Everything on all pages.
    pub(super) async fn get_all<T: DeserializeOwned>(
        &self,
        repository: &Repository,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, RequestError> {
        let mut url = self.url(repository, path);
        url.query_pairs_mut().extend_pairs(query).append_pair("per_page", PER_PAGE);
        let path = url.path().to_owned();
        let failed = |said: &str| RequestError {
            method: "GET".to_owned(),
            path: path.clone(),
            kind: RequestErrorKind::InvalidResponse,
            message: said.to_owned(),
        };
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let answer = self.send(&Method::GET, &url, None).await?;
            let page: Vec<T> = self.parse_body(&Method::GET, &url, &answer.body)?;
            found.extend(page);
            let Some(next) = link::next_page(&answer.headers) else { return Ok(found) };
            let next = Url::parse(&next).map_err(|_| failed("its next page has no address"))?;
            if next.origin() != self.base.origin() {
                return Err(failed("its next page is on another host, which is not asked"));
            }
            url = next;
        }
        Err(failed("there are too many pages"))
    }

    /// Sends a document, and reads what comes of it.
    pub(super) async fn send_document<T: DeserializeOwned>(
        &self,
        method: Method,
        repository: &Repository,
        path: &[&str],
        body: &Json,
    ) -> Result<T, RequestError> {
        let url = self.url(repository, path);
        let answer = self.send(&method, &url, Some(body)).await?;
        self.parse_body(&method, &url, &answer.body)
    }

    /// Waits before something is tried anew, if there is time for it.
    pub(super) async fn wait_before_retry(&self, tried: u32) -> bool {
        match self.retry_budget.backoff(tried) {
            Some(time) => {
                tokio::time::sleep(time).await;
                true
            }
            None => false,
        }
    }

    fn url(&self, repository: &Repository, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["repos", &repository.owner, &repository.name]).extend(path);
        }
        url
    }

    fn parse_body<T: DeserializeOwned>(
        &self,
        method: &Method,
        url: &Url,
        body: &[u8],
    ) -> Result<T, RequestError> {
        serde_json::from_slice(body).map_err(|error| {
            self.request_error(method, url, RequestErrorKind::InvalidResponse, &error.to_string())
        })
    }

    fn request_error(
        &self,
        method: &Method,
        url: &Url,
        trouble: RequestErrorKind,
        said: &str,
    ) -> RequestError {
        let said = said.replace(&self.token, MASK);
        let said = said.trim().chars().take(300).collect();
        RequestError { method: method.to_string(), path: url.path().to_owned(), kind: trouble, message: said }
    }

    /// Sends a request, again where that is of use and cannot do it twice.
    async fn send(
        &self,
        method: &Method,
        url: &Url,
        body: Option<&Json>,
    ) -> Result<GithubResponse, RequestError> {
        let again = *method != Method::POST;
        let mut tried = 0;
        loop {
            tried += 1;
            let (failure, next) = match self.send_once(method, url, body).await {
                Err((trouble, said)) => {
                    let next = if again && trouble == RequestErrorKind::Unreachable {
                        self.retry_budget.backoff(tried).map_or(RetryDecision::GiveUp, RetryDecision::Wait)
                    } else {
                        RetryDecision::GiveUp
                    };
                    (self.request_error(method, url, trouble, &said), next)
                }
                Ok((status, answer)) if status.is_success() => return Ok(answer),
                Ok((status, answer)) => {
                    let said = error_message(&answer.body);
                    let limited = retry::is_rate_limited(status, &answer.headers, &said);
                    let trouble = if limited {
                        RequestErrorKind::RateLimited
                    } else {
                        RequestErrorKind::Status(status.as_u16())
                    };
                    let next = self.retry_budget.decide(status, &answer.headers, &said, tried, again);
                    (self.request_error(method, url, trouble, &said), next)
                }
            };
            match next {
                RetryDecision::Wait(time) => tokio::time::sleep(time).await,
                RetryDecision::GiveUp => return Err(failure),
            }
        }
    }

    async fn send_once(
        &self,
        method: &Method,
        url: &Url,
        body: Option<&Json>,
    ) -> Result<(StatusCode, GithubResponse), (RequestErrorKind, String)> {
        let broken = |error: reqwest::Error| (RequestErrorKind::Unreachable, describe(&error.without_url()));
        let mut response = self.request(method, url, body).send().await.map_err(broken)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if bytes.len() + chunk.len() > MAX_BYTES {
                return Err((RequestErrorKind::InvalidResponse, "it is too large".to_owned()));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((status, GithubResponse { headers, body: bytes }))
    }

    fn request(&self, method: &Method, url: &Url, body: Option<&Json>) -> RequestBuilder {
        let request = self
            .client
            .request(method.clone(), url.clone())
            .header(AUTHORIZATION, self.authorization.clone())
            .header("Accept", "application/vnd.github+json")
            .header("X-GitHub-Api-Version", VERSION);
        match body {
            None => request,
            Some(body) => request.header("Content-Type", "application/json").body(body.to_string()),
        }
    }
}

/// What GitHub says of an error: its message, else the beginning of what it sent.
fn error_message(body: &[u8]) -> String {
    let document: Option<Json> = serde_json::from_slice(body).ok();
    let message = document.as_ref().and_then(|document| document.get("message")?.as_str());
    let text =
        message.map_or_else(|| String::from_utf8_lossy(&body[..body.len().min(300)]).into(), str::to_owned);
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(base: &str) -> GithubApi {
        GithubApi::new(&Url::parse(base).unwrap(), "tok-en", &Verification::Full).unwrap()
    }

    #[test]
    fn addresses_stand_below_that_of_the_api() {
        let repository = Repository::parse("shop/web").unwrap();
        let check = |base: &str, expected: &str| {
            let url = api(base).url(&repository, &["issues", "5", "comments"]);
            assert_eq!(url.as_str(), expected);
        };
        check("https://api.github.com", "https://api.github.com/repos/shop/web/issues/5/comments");
        check("https://h/api/v3/", "https://h/api/v3/repos/shop/web/issues/5/comments");
        check("https://h/api/v3", "https://h/api/v3/repos/shop/web/issues/5/comments");
    }

    #[test]
    fn errors_name_everything_but_the_token() {
        let api = api("https://h");
        let url = Url::parse("https://h/repos/a/b?head=x").unwrap();
        let failure =
            api.request_error(&Method::GET, &url, RequestErrorKind::Status(404), "Not Found, tok-en\n");
        assert_eq!(failure.to_string(), "GET /repos/a/b: 404 Not Found (Not Found, ***)");
        let failure = api.request_error(&Method::POST, &url, RequestErrorKind::RateLimited, "");
        assert_eq!(failure.to_string(), "POST /repos/a/b: there are too many requests");
        assert!(GithubApi::new(&url, "a\nb", &Verification::Full).is_err());
    }

    #[test]
    fn messages_are_found_and_cut() {
        assert_eq!(error_message(br#"{"message": "no", "documentation_url": "u"}"#), "no");
        assert_eq!(error_message(b"<html>"), "<html>");
        assert_eq!(error_message(&vec![b'x'; 10_000]).len(), 300);
    }
}
