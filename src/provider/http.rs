//! HTTP requests, as Python's `requests` would send them. Floor 1.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use parking_lot::Mutex;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request, Response};
use tokio::sync::watch;
use url::Url;

use super::http_body::{add_query, decode, form, title_case};
use super::process::duration;
use super::{ActivityError, Confirmation, Pending, Prepared, Provider, netrc};
use crate::effect::{EffectState, Target};
use crate::experiment::Finding;
use crate::experiment::json;
use crate::experiment::resolve::{Call, HttpCall, Verification};
use crate::http_client::{self, Connections, MAX_REDIRECTS, Options, describe};
use crate::settings::Environment;
use crate::value::{Map, Value, json_text};

/// How much of an answer is read, in bytes.
const MAX_BODY: usize = 16 * 1024 * 1024;
const TOO_LONG: &str = "activity took too long to complete";

/// The provider.
pub struct Http {
    environment: Arc<Environment>,
    trust: Verification,
    /// Making one takes longer than a request. They keep no connections: each activity makes its own.
    clients: Mutex<HashMap<(Verification, Option<Duration>), Client>>,
}

impl Http {
    /// The environment says which certificates are trusted and where credentials are kept.
    pub fn new(environment: Arc<Environment>) -> Self {
        let trust = http_client::trust(|name| environment.get(name));
        Self { environment, trust, clients: Mutex::default() }
    }

    /// What an `Authorization` header says to a host by the `.netrc` file.
    fn credentials(&self, url: &Url) -> Option<HeaderValue> {
        let host = url.host_str()?;
        let path =
            self.environment.get("NETRC").or_else(|| Some(self.environment.get("HOME")? + "/.netrc"))?;
        let (login, password) = netrc::lookup(&std::fs::read_to_string(path).ok()?, host)?;
        basic(&[login.as_bytes(), b":", password.as_bytes()].concat())
    }

    /// A client with these manners.
    fn client(
        &self,
        verification: &Verification,
        connect_timeout: Option<Duration>,
    ) -> Result<Client, String> {
        let mut clients = self.clients.lock();
        let key = (verification.clone(), connect_timeout);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = http_client::build(verification, Options { connect_timeout, ..Options::default() })?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    fn request(&self, call: &HttpCall) -> Result<Request, String> {
        let mut url = parse_url(&call.url)?;
        let method = Method::from_bytes(call.method.as_bytes())
            .map_err(|_| format!("'{}' is no HTTP method", call.method))?;
        let mut headers = headers(&call.headers)?;
        let json =
            call.headers.iter().any(|(name, value)| name == "Content-Type" && value == "application/json");
        let mut body = None;
        if method == Method::GET {
            add_query(&mut url, &call.arguments)?;
        } else if json {
            body = Some(&call.arguments).filter(|a| **a != Value::Null).map(json_text).transpose()?;
        } else {
            body = form(&call.arguments)?;
            let is_form = body.is_some() && call.arguments.as_text().is_none();
            if is_form && !headers.contains_key(CONTENT_TYPE) {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            }
        }
        if body.is_none() && !matches!(method, Method::GET | Method::HEAD) {
            // without which some servers refuse the request
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if let Some(own) = take_credentials(&mut url) {
            headers.insert(AUTHORIZATION, own);
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

impl Provider for Http {
    fn check(&self, _activity: &str, provider: &Map) -> Vec<Finding> {
        let url = provider.get("url").and_then(Value::as_text).filter(|url| !url.contains('$'));
        match url.map(parse_url) {
            Some(Err(fault)) => {
                vec![Finding::at("url", fault).doubtful().hint("an address begins with http:// or https://")]
            }
            _ => Vec::new(),
        }
    }

    fn prepare(&self, call: Call) -> Pending<'_, Result<Box<dyn Prepared>, ActivityError>> {
        Box::pin(async move {
            let Call::Http(call) = call else {
                return Err(ActivityError::Unexpected("not a request".to_owned()));
            };
            let request = self.request(&call).map_err(ActivityError::Unexpected)?;
            let verification = match &call.verification {
                Verification::Full => self.trust.clone(),
                other => other.clone(),
            };
            if let Verification::File(path) = &call.verification {
                // asked for by the activity itself, so that it is no finding about the server
                http_client::check_bundle(path).map_err(ActivityError::Unexpected)?;
            }
            let client = self.client(&verification, call.timeout.0.map(duration));
            let client = client.map_err(ActivityError::Unexpected)?;
            let prepared: Box<dyn Prepared> = Box::new(PreparedHttp { request, call, client });
            Ok(prepared)
        })
    }
}

fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| format!("Invalid URL '{text}': {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        scheme => Err(format!("Invalid URL '{text}': '{scheme}' is neither http nor https")),
    }
}

/// Takes the user and the password out of an address, which say who asks whatever the headers say.
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

fn headers(given: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("'{name}' is no name of a header"))?;
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| format!("the value of the header {name} cannot be sent"))?;
        headers.insert(key, value);
    }
    Ok(headers)
}

struct PreparedHttp {
    request: Request,
    call: HttpCall,
    client: Client,
}

impl Prepared for PreparedHttp {
    fn targets(&self) -> &[Target] {
        &[]
    }

    fn apply(&mut self) -> Pending<'_, Result<Value, ActivityError>> {
        Box::pin(async {
            let mut tries = 0;
            loop {
                let fault = match self.send().await {
                    Ok(output) => return Ok(output),
                    Err(fault) => fault,
                };
                if tries < self.call.max_retries && self.may_be_repeated(&fault) {
                    tries += 1;
                    continue;
                }
                return Err(match fault {
                    Fault::Connection(error) | Fault::Broken(error) => {
                        ActivityError::Failed(format!("failed to connect to {}: {error}", self.call.url))
                    }
                    Fault::Timeout => ActivityError::Failed(TOO_LONG.to_owned()),
                    Fault::Failed(error) => ActivityError::Failed(error),
                    Fault::Unexpected(error) => ActivityError::Unexpected(error),
                });
            }
        })
    }

    fn confirm(self: Box<Self>, outcome: Result<&Value, &ActivityError>) -> Confirmation {
        let (state, detail) = match outcome.map(|output| output.get("status").cloned().unwrap_or_default()) {
            Ok(Value::Int(status)) if status < 400 => {
                (EffectState::Confirmed, format!("answered with {status}"))
            }
            Ok(status) => (EffectState::Mismatch, format!("answered with {}", status.python_text())),
            Err(error) => (EffectState::Mismatch, error.text().to_owned()),
        };
        Confirmation::Known(state, detail)
    }
}

/// Why there is no answer.
enum Fault {
    /// No connection: nothing was sent.
    Connection(String),
    /// The connection broke before there was an answer.
    Broken(String),
    /// No answer began in time.
    Timeout,
    /// The answer cannot be used, and that is a finding about the server.
    Failed(String),
    /// The answer is not what it says it is.
    Unexpected(String),
}

impl PreparedHttp {
    /// Whether sending it again does no harm: what was sent may have arrived, and a second POST may do what the
    /// first one did once more.
    fn may_be_repeated(&self, fault: &Fault) -> bool {
        match fault {
            Fault::Connection(_) => true,
            Fault::Broken(_) | Fault::Timeout => self.request.method().is_idempotent(),
            Fault::Failed(_) | Fault::Unexpected(_) => false,
        }
    }

    async fn send(&self) -> Result<Value, Fault> {
        let connections = Connections::default();
        let made = connections.subscribe();
        let request = self
            .request
            .try_clone()
            .ok_or_else(|| Fault::Unexpected("the request cannot be sent".to_owned()))?;
        let read = self.call.timeout.1.map(duration);
        let response = tokio::select! {
            answer = connections.count(self.client.execute(request)) => answer.map_err(|error| classify(&error))?,
            () = too_long(made, read) => return Err(Fault::Timeout),
        };
        output(response, read).await
    }
}

/// Ends when an answer is overdue: that long after the last connection was made. The time that connecting
/// takes does not count, it has its own limit.
async fn too_long(mut made: watch::Receiver<u64>, limit: Option<Duration>) {
    let Some(limit) = limit else { return std::future::pending().await };
    if made.changed().await.is_err() {
        return std::future::pending().await;
    }
    loop {
        tokio::select! {
            () = tokio::time::sleep(limit) => return,
            // a redirect may lead to another connection, and begins the wait anew
            changed = made.changed() => if changed.is_err() {
                tokio::time::sleep(limit).await;
                return;
            },
        }
    }
}

fn classify(error: &reqwest::Error) -> Fault {
    let text = causes(error);
    if error.is_redirect() {
        Fault::Unexpected(format!("Exceeded {MAX_REDIRECTS} redirects."))
    } else if error.is_builder() {
        Fault::Unexpected(text)
    } else if error.is_connect() {
        Fault::Connection(text)
    } else {
        Fault::Broken(text)
    }
}

async fn output(mut response: Response, read: Option<Duration>) -> Result<Value, Fault> {
    let status = response.status().as_u16();
    let mut headers = Map::new();
    for name in response.headers().keys() {
        let values = response.headers().get_all(name).iter();
        let values: Vec<String> =
            values.map(|v| v.as_bytes().iter().map(|b| char::from(*b)).collect()).collect();
        headers.insert(title_case(name.as_str()), Value::Text(values.join(", ")));
    }
    let mut bytes = Vec::new();
    loop {
        let chunk = match read {
            None => response.chunk().await,
            Some(limit) => tokio::time::timeout(limit, response.chunk())
                .await
                .map_err(|_| Fault::Failed(TOO_LONG.to_owned()))?,
        };
        match chunk {
            Ok(None) => break,
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Err(error) => {
                return Err(Fault::Failed(format!("the answer broke off: {}", causes(&error))));
            }
        }
        if bytes.len() > MAX_BODY {
            return Err(Fault::Failed(format!("the answer is larger than {} MiB", MAX_BODY / 1024 / 1024)));
        }
    }
    let content_type = headers.get("Content-Type").and_then(Value::as_text);
    let text = decode(&bytes, content_type);
    let body = if content_type == Some("application/json") {
        let document = json::read(&text, "the body").map_err(|fault| Fault::Unexpected(fault.to_string()))?;
        document.root.to_value()
    } else {
        Value::Text(text)
    };
    let entries = [("status", Value::Int(status.into())), ("headers", Value::Map(headers)), ("body", body)];
    Ok(Value::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
}

/// The causes of an error without the address in them: the address is said already, and may hold secrets.
fn causes(error: &reqwest::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), describe)
}
