//! Answers to HTTP requests.

use std::time::Duration;

use http::HeaderMap;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Bytes};

use super::body::{decode, title_case};
use super::error::{MAX_BODY, SendError};
use crate::http_client::BoxError;
use crate::value::{InvalidJson, Map, Value, parse_json};

/// Answer of which the body is not read yet.
pub(super) struct HttpResponse {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    body: UnsyncBoxBody<Bytes, BoxError>,
}

impl HttpResponse {
    /// Creates a response from a body of any source.
    pub(super) fn new<B>(response: http::Response<B>) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (head, body) = response.into_parts();
        let body = body.map_err(Into::into).boxed_unsync();
        Self { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// Reads the body; each piece within the limit.
    pub(super) async fn read(&mut self, limit: Option<Duration>) -> Result<Vec<u8>, SendError> {
        let mut bytes = Vec::new();
        loop {
            let next = self.body.frame();
            let frame = match limit {
                None => next.await,
                Some(limit) => tokio::time::timeout(limit, next).await.map_err(|_| SendError::SlowBody)?,
            };
            let Some(frame) = frame else { return Ok(bytes) };
            let frame = frame.map_err(SendError::BrokenBody)?;
            bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
            if bytes.len() > MAX_BODY {
                return Err(SendError::LargeBody);
            }
        }
    }

    /// Replaces the body with bytes that were read.
    pub(super) fn with_body(self, bytes: Vec<u8>) -> Self {
        let body = http_body_util::Full::from(bytes).map_err(|never| match never {}).boxed_unsync();
        Self { body, ..self }
    }
}

/// Output of an activity: status, headers and body.
pub(super) struct HttpOutput {
    pub(super) value: Value,
    /// Why a body that claims to be JSON stays text.
    pub(super) invalid_body: Option<InvalidJson>,
}

/// Reads the answer. A body that claims to be JSON and is not stays text: a broken server is a finding.
pub(super) async fn read_output(
    mut answer: HttpResponse,
    limit: Option<Duration>,
) -> Result<HttpOutput, SendError> {
    let bytes = answer.read(limit).await?;
    let mut headers = Map::new();
    for name in answer.headers.keys() {
        let values = answer.headers.get_all(name).iter();
        let values: Vec<String> =
            values.map(|v| v.as_bytes().iter().map(|b| char::from(*b)).collect()).collect();
        headers.insert(title_case(name.as_str()), Value::Text(values.join(", ")));
    }
    let content_type = headers.get("Content-Type").and_then(Value::as_text);
    let text = decode(&bytes, content_type);
    let is_json = content_type == Some("application/json");
    let (body, invalid_body) = match is_json.then(|| parse_json(&text)) {
        Some(Ok(document)) => (document, None),
        // the answer to HEAD has no body
        Some(Err(error)) => (Value::Text(text), Some(error).filter(|_| !bytes.is_empty())),
        None => (Value::Text(text), None),
    };
    let status = Value::Int(answer.status.into());
    let entries = [("status", status), ("headers", Value::Map(headers)), ("body", body)];
    let value = Value::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
    Ok(HttpOutput { value, invalid_body })
}
