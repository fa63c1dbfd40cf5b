//! Provider of HTTP requests to servers and Services, as Python's `requests` sends them.

mod activity;
mod body;
mod check;
mod client;
mod cookies;
mod error;
mod netrc;
mod response;
mod routing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request};
use url::Url;

use self::activity::PreparedHttp;
use self::body::{add_query, form};
use self::error::InvalidRequest;
use super::process::duration;
use super::{ActivityError, PreparedActivity, Provider};
use crate::config::ProcessEnv;
use crate::error_code::message_chain;
use crate::experiment::resolve::{HttpCall, ResolvedActivity, Verification};
use crate::experiment::{ProviderUsage, ValidationFinding};
use crate::http_client::{self, ClientOptions};
use crate::value::{Map, Value, json_text};

pub use routing::{ServiceAccess, ServiceRouter};

/// Provider of HTTP requests.
pub struct HttpProvider {
    environment: Arc<ProcessEnv>,
    trust: Verification,
    /// Building a client takes longer than a request. Clients keep no connections.
    clients: Mutex<HashMap<(Verification, Option<Duration>), Client>>,
    /// Routes to the Services of a cluster.
    services: Option<Arc<ServiceRouter>>,
}

impl HttpProvider {
    /// Creates a provider. The environment sets trusted certificates and the `.netrc` file.
    pub fn new(environment: Arc<ProcessEnv>) -> Self {
        let trust = http_client::trust(|name| environment.get(name));
        Self { environment, trust, clients: Mutex::default(), services: None }
    }

    /// Adds routes to the Services of a cluster.
    #[must_use]
    pub fn with_services(self, services: Arc<ServiceRouter>) -> Self {
        Self { services: Some(services), ..self }
    }

    /// Returns the `Authorization` header for a host from the `.netrc` file.
    fn credentials(&self, url: &Url) -> Option<HeaderValue> {
        let host = url.host_str()?;
        let path =
            self.environment.get("NETRC").or_else(|| Some(self.environment.get("HOME")? + "/.netrc"))?;
        let (login, password) = netrc::lookup(&std::fs::read_to_string(path).ok()?, host)?;
        basic(&[login.as_bytes(), b":", password.as_bytes()].concat())
    }

    /// Returns a client with these options.
    fn client(
        &self,
        verification: &Verification,
        connect_timeout: Option<Duration>,
    ) -> Result<Client, http_client::Error> {
        let mut clients = self.clients.lock();
        let key = (verification.clone(), connect_timeout);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let options = ClientOptions { connect_timeout, stay: true, ..ClientOptions::default() };
        let client = http_client::build(verification, options)?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    fn request(&self, call: &HttpCall) -> Result<Request, InvalidRequest> {
        let mut url = parse_url(&call.url)?;
        let method = Method::from_bytes(call.method.as_bytes())
            .map_err(|_| InvalidRequest::InvalidMethod(call.method.clone()))?;
        let mut headers = headers(&call.headers)?;
        let json =
            call.headers.iter().any(|(name, value)| name == "Content-Type" && value == "application/json");
        let mut body = None;
        if method == Method::GET {
            add_query(&mut url, &call.arguments)?;
        } else if json {
            body = Some(&call.arguments)
                .filter(|a| **a != Value::Null)
                .map(json_text)
                .transpose()
                .map_err(|error| InvalidRequest::InvalidJson(error.into()))?;
        } else {
            body = form(&call.arguments)?;
            let is_form = body.is_some() && call.arguments.as_text().is_none();
            if is_form && !headers.contains_key(CONTENT_TYPE) {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            }
        }
        if body.is_none() && !matches!(method, Method::GET | Method::HEAD) {
            // some servers refuse the request without it
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if let Some(credentials) = take_credentials(&mut url) {
            headers.insert(AUTHORIZATION, credentials);
        } else if !headers.contains_key(AUTHORIZATION)
            && let Some(credentials) = self.credentials(&url)
        {
            headers.insert(AUTHORIZATION, credentials);
        }
        let mut request = Request::new(method, url);
        *request.headers_mut() = headers;
        *request.body_mut() = body.map(Into::into);
        Ok(request)
    }
}

impl Provider for HttpProvider {
    fn check(&self, usage: ProviderUsage<'_>, provider: &Map) -> Vec<ValidationFinding> {
        check::find_faults(usage, provider)
    }

    fn prepare(
        &self,
        call: ResolvedActivity,
    ) -> BoxFuture<'_, Result<Box<dyn PreparedActivity>, ActivityError>> {
        Box::pin(async move {
            let ResolvedActivity::Http(call) = call else {
                return Err(ActivityError::Unexpected("not a request".to_owned()));
            };
            let request =
                self.request(&call).map_err(|error| ActivityError::Unexpected(error.to_string()))?;
            let verification = match &call.verification {
                Verification::Full => self.trust.clone(),
                other => other.clone(),
            };
            if let Verification::File(path) = &call.verification {
                // the activity itself names the file, so this is not a finding about the server
                http_client::check_bundle(path)
                    .map_err(|error| ActivityError::Unexpected(message_chain(&error)))?;
            }
            let connect = call.timeout.0.map(duration);
            let client = self
                .client(&verification, connect)
                .map_err(|error| ActivityError::Unexpected(message_chain(&error)))?;
            let destination = match &self.services {
                None => None,
                Some(services) => services
                    .destination(&request, &verification, connect)
                    .await
                    .map_err(ActivityError::from)?,
            };
            let prepared: Box<dyn PreparedActivity> = Box::new(PreparedHttp {
                request,
                call,
                client,
                destination,
                failing: None,
                invalid_body: None,
            });
            Ok(prepared)
        })
    }
}

fn parse_url(text: &str) -> Result<Url, InvalidRequest> {
    let url = Url::parse(text.trim())
        .map_err(|source| InvalidRequest::InvalidUrl { url: text.to_owned(), source })?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        scheme => Err(InvalidRequest::InvalidScheme { url: text.to_owned(), scheme: scheme.to_owned() }),
    }
}

/// Removes user and password from an address. They override the headers.
fn take_credentials(url: &mut Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let (login, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
    url.set_username("").and_then(|()| url.set_password(None)).ok()?;
    basic(&[&login, b":".as_slice(), &password].concat())
}

fn basic(credentials: &[u8]) -> Option<HeaderValue> {
    let encoded = base64::prelude::BASE64_STANDARD.encode(credentials);
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn headers(given: &[(String, String)]) -> Result<HeaderMap, InvalidRequest> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| InvalidRequest::InvalidHeaderName(name.clone()))?;
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| InvalidRequest::InvalidHeaderValue(name.clone()))?;
        headers.insert(key, value);
    }
    Ok(headers)
}
