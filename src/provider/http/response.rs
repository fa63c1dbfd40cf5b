//! What comes out of an answer. Floor 1.

use std::time::Duration;

use http::HeaderMap;
use http_body_util::BodyExt as _;

use super::body::{decode, title_case};
use super::client::{SendError, causes};
use crate::experiment::json;
use crate::value::{Map, Value};

/// How much of an answer is read, in bytes.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// The words for an answer that does not come in time; the Chaos Toolkit's.
pub(super) const TOO_LONG: &str = "activity took too long to complete";

/// An answer whose beginning is there.
pub(super) struct HttpResponse {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) rest: BodySource,
}

/// What is still to come.
pub(super) enum BodySource {
    /// From the server itself.
    Server(reqwest::Response),
    /// Through the API server.
    Cluster(kube::client::Body),
}

impl From<reqwest::Response> for HttpResponse {
    fn from(mut response: reqwest::Response) -> Self {
        let headers = std::mem::take(response.headers_mut());
        Self { status: response.status().as_u16(), headers, rest: BodySource::Server(response) }
    }
}

impl BodySource {
    /// Appends the next piece; false at the end.
    async fn next(&mut self, bytes: &mut Vec<u8>) -> Result<bool, String> {
        match self {
            Self::Server(response) => {
                let chunk = response.chunk().await.map_err(|error| causes(&error))?;
                bytes.extend_from_slice(chunk.as_deref().unwrap_or_default());
                Ok(chunk.is_some())
            }
            Self::Cluster(body) => match body.frame().await {
                None => Ok(false),
                Some(frame) => {
                    let frame = frame.map_err(|error| error.to_string())?;
                    bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
                    Ok(true)
                }
            },
        }
    }

    /// All of it; each piece within the limit.
    pub(super) async fn read(&mut self, limit: Option<Duration>) -> Result<Vec<u8>, SendError> {
        let mut bytes = Vec::new();
        loop {
            let next = self.next(&mut bytes);
            let more = match limit {
                None => next.await,
                Some(limit) => tokio::time::timeout(limit, next)
                    .await
                    .map_err(|_| SendError::Failed(TOO_LONG.to_owned()))?,
            };
            if !more.map_err(|error| SendError::Failed(format!("the answer broke off: {error}")))? {
                return Ok(bytes);
            }
            if bytes.len() > MAX_BODY {
                let text = format!("the answer is larger than {} MiB", MAX_BODY / 1024 / 1024);
                return Err(SendError::Failed(text));
            }
        }
    }
}

/// The output of an activity: status, headers and body.
pub(super) async fn output(mut answer: HttpResponse, limit: Option<Duration>) -> Result<Value, SendError> {
    let bytes = answer.rest.read(limit).await?;
    let mut headers = Map::new();
    for name in answer.headers.keys() {
        let values = answer.headers.get_all(name).iter();
        let values: Vec<String> =
            values.map(|v| v.as_bytes().iter().map(|b| char::from(*b)).collect()).collect();
        headers.insert(title_case(name.as_str()), Value::Text(values.join(", ")));
    }
    let content_type = headers.get("Content-Type").and_then(Value::as_text);
    let text = decode(&bytes, content_type);
    let body = if content_type == Some("application/json") {
        let document =
            json::read(&text, "the body").map_err(|fault| SendError::Unexpected(fault.to_string()))?;
        document.root.to_value()
    } else {
        Value::Text(text)
    };
    let status = Value::Int(answer.status.into());
    let entries = [("status", status), ("headers", Value::Map(headers)), ("body", body)];
    Ok(Value::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
}
