//! Client of the GitHub API: bounded responses, bounded retries, one host.
//!
//! An error names the method, the path and the status, never the token.

mod link;
mod refusal;
mod retry;

use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use url::Url;

use super::{Error, Repository, RequestError, RequestErrorKind};
use crate::experiment::resolve::Verification;
use crate::http_client::{self, ClientOptions, describe};
use crate::text::truncate;
use retry::{RetryBudget, RetryDecision};

/// Version of the API.
const VERSION: &str = "2022-11-28";
/// Time limit of a request.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Time limit of a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of a response: 100 comments of maximum length fit.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Maximum number of pages.
const MAX_PAGES: usize = 100;
const PER_PAGE: &str = "100";
/// Maximum number of redirects of a request.
const MAX_REDIRECTS: usize = 5;
/// Maximum length of a message of GitHub, in characters.
const MAX_MESSAGE_LENGTH: usize = 300;
/// Replacement for the token in messages.
const MASK: &str = "***";

/// Client of the GitHub API.
pub struct GithubApi {
    client: reqwest::Client,
    base: Url,
    token: String,
    authorization: HeaderValue,
    retry_budget: RetryBudget,
}

/// Error of one attempt to send a request.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error("{}", describe(.0))]
    Unreachable(reqwest::Error),
    #[error("response too large")]
    ResponseTooLarge,
}

impl AttemptError {
    fn kind(&self) -> RequestErrorKind {
        match self {
            Self::Unreachable(_) => RequestErrorKind::Unreachable,
            Self::ResponseTooLarge => RequestErrorKind::InvalidResponse,
        }
    }
}

struct GithubResponse {
    headers: HeaderMap,
    body: Vec<u8>,
}

impl GithubApi {
    /// GitHub at that address, with that token. An error is about the token or the certificates.
    pub fn new(base: &Url, token: &str, verification: &Verification) -> Result<Self, Error> {
        // variables from files end with a line break
        let token = token.trim();
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Error::InvalidToken)?;
        authorization.set_sensitive(true);
        let options = ClientOptions {
            connect_timeout: Some(CONNECT_TIMEOUT),
            timeout: Some(TIMEOUT),
            // redirects are followed within the host only: the token must not go elsewhere
            stay: true,
            ..ClientOptions::default()
        };
        let client = http_client::build(verification, options).map_err(Error::Client)?;
        Ok(Self {
            client,
            base: base.clone(),
            token: token.to_owned(),
            authorization,
            retry_budget: RetryBudget::new(Instant::now()),
        })
    }

    /// Gets the items of all pages.
    pub(super) async fn get_all<T: DeserializeOwned>(
        &self,
        repository: &Repository,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, RequestError> {
        let mut url = self.url(repository, path);
        url.query_pairs_mut().extend_pairs(query).append_pair("per_page", PER_PAGE);
        let path = url.path().to_owned();
        let failed = |message: &str| RequestError {
            method: "GET".to_owned(),
            path: path.clone(),
            kind: RequestErrorKind::InvalidResponse,
            message: message.to_owned(),
        };
        let mut items = Vec::new();
        for _ in 0..MAX_PAGES {
            let response = self.send(&Method::GET, &url, None).await?;
            let page: Vec<T> = self.parse_body(&Method::GET, &url, &response.body)?;
            items.extend(page);
            let Some(next) = link::next_page(&response.headers) else { return Ok(items) };
            let next = Url::parse(&next).map_err(|_| failed("invalid URL of the next page"))?;
            if next.origin() != self.base.origin() {
                return Err(failed("the next page is on another host"));
            }
            url = next;
        }
        Err(failed("too many pages"))
    }

    /// Sends a document and parses the response.
    pub(super) async fn send_document<T: DeserializeOwned>(
        &self,
        method: Method,
        repository: &Repository,
        path: &[&str],
        body: &Json,
    ) -> Result<T, RequestError> {
        let url = self.url(repository, path);
        let response = self.send(&method, &url, Some(body)).await?;
        self.parse_body(&method, &url, &response.body)
    }

    /// Waits before the next attempt. Returns whether the retry budget allows one.
    pub(super) async fn wait_before_retry(&self, attempts: u32) -> bool {
        match self.retry_budget.backoff(attempts) {
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
        kind: RequestErrorKind,
        message: &str,
    ) -> RequestError {
        let message = message.replace(&self.token, MASK);
        let message = truncate(message.trim(), MAX_MESSAGE_LENGTH);
        RequestError { method: method.to_string(), path: url.path().to_owned(), kind, message }
    }

    /// Sends a request. Retries it if that can help and cannot repeat an effect.
    ///
    /// Follows redirects within the host, which GitHub answers for a renamed repository; they have no effect.
    async fn send(
        &self,
        method: &Method,
        url: &Url,
        body: Option<&Json>,
    ) -> Result<GithubResponse, RequestError> {
        let is_idempotent = *method != Method::POST;
        let (mut attempts, mut redirects) = (0, 0);
        let mut url = url.clone();
        loop {
            attempts += 1;
            let answer = self.send_once(method, &url, body).await;
            if let Ok((status, response)) = &answer
                && redirects < MAX_REDIRECTS
                && let Some(target) = redirect_target(&url, *status, &response.headers)
            {
                redirects += 1;
                attempts -= 1;
                url = target;
                continue;
            }
            let (error, decision) = match answer {
                Err(error) => {
                    let kind = error.kind();
                    let wait = if is_idempotent && kind == RequestErrorKind::Unreachable {
                        self.retry_budget.backoff(attempts)
                    } else {
                        None
                    };
                    (
                        self.request_error(method, &url, kind, &error.to_string()),
                        wait.map_or(RetryDecision::GiveUp, RetryDecision::Wait),
                    )
                }
                Ok((status, response)) if status.is_success() => return Ok(response),
                Ok((status, response)) => {
                    let message = error_message(&response.body);
                    let kind = refusal::classify(status, &response.headers, &message);
                    let decision = self.retry_budget.decide(kind, &response.headers, attempts, is_idempotent);
                    (self.request_error(method, &url, kind, &message), decision)
                }
            };
            match decision {
                RetryDecision::Wait(time) => tokio::time::sleep(time).await,
                RetryDecision::GiveUp => return Err(error),
            }
        }
    }

    async fn send_once(
        &self,
        method: &Method,
        url: &Url,
        body: Option<&Json>,
    ) -> Result<(StatusCode, GithubResponse), AttemptError> {
        let unreachable = |error: reqwest::Error| AttemptError::Unreachable(error.without_url());
        let mut response = self.request(method, url, body).send().await.map_err(unreachable)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > MAX_BYTES {
                return Err(AttemptError::ResponseTooLarge);
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

/// Returns the target of a redirect, if it is on the same host.
fn redirect_target(url: &Url, status: StatusCode, headers: &HeaderMap) -> Option<Url> {
    if !matches!(status.as_u16(), 301 | 302 | 307 | 308) {
        return None;
    }
    let target = url.join(headers.get(LOCATION)?.to_str().ok()?).ok()?;
    (target.origin() == url.origin()).then_some(target)
}

/// Returns the message of an error response, or the beginning of its body.
fn error_message(body: &[u8]) -> String {
    let document: Option<Json> = serde_json::from_slice(body).ok();
    let message = document.as_ref().and_then(|document| document.get("message")?.as_str());
    let text = message.map_or_else(
        || String::from_utf8_lossy(&body[..body.len().min(4 * MAX_MESSAGE_LENGTH)]).into(),
        str::to_owned,
    );
    truncate(&text, MAX_MESSAGE_LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(base: &str) -> GithubApi {
        GithubApi::new(&Url::parse(base).unwrap(), "tok-en", &Verification::Full).unwrap()
    }

    #[test]
    fn urls_extend_the_path_of_the_api() {
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
    fn redirects_are_followed_within_the_host() {
        let check = |status: u16, location: &str, expected: Option<&str>| {
            let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(location).unwrap())]);
            let url = Url::parse("https://h/repos/a/b").unwrap();
            let target = redirect_target(&url, StatusCode::from_u16(status).unwrap(), &headers);
            assert_eq!(target.as_ref().map(Url::as_str), expected, "{status} {location}");
        };
        check(301, "https://h/repositories/7", Some("https://h/repositories/7"));
        check(307, "/repositories/7", Some("https://h/repositories/7"));
        check(301, "http://h/repositories/7", None);
        check(301, "https://h:8443/repositories/7", None);
        check(301, "https://other/repositories/7", None);
        check(200, "https://h/repositories/7", None);
        check(404, "https://h/repositories/7", None);
    }

    #[test]
    fn error_masks_the_token() {
        let api = api("https://h");
        let url = Url::parse("https://h/repos/a/b?head=x").unwrap();
        let failure =
            api.request_error(&Method::GET, &url, RequestErrorKind::Status(404), "Not Found, tok-en\n");
        assert_eq!(failure.to_string(), "GET /repos/a/b: 404 Not Found (Not Found, ***)");
        let failure = api.request_error(&Method::POST, &url, RequestErrorKind::RateLimited, "");
        assert_eq!(failure.to_string(), "POST /repos/a/b: rate limit exceeded");
        assert!(GithubApi::new(&url, "a\nb", &Verification::Full).is_err());
    }

    #[test]
    fn error_message_is_found_and_truncated() {
        assert_eq!(error_message(br#"{"message": "no", "documentation_url": "u"}"#), "no");
        assert_eq!(error_message(b"<html>"), "<html>");
        assert_eq!(error_message(&vec![b'x'; 10_000]).chars().count(), MAX_MESSAGE_LENGTH + 1);
    }
}
