//! Sends notifications to the channels of the settings, over HTTP.

use std::time::Duration;

use serde::Serialize;

use super::context::AppContext;
use crate::clock::Timestamp;
use crate::config::{NotificationChannel, Settings};
use crate::console::{ConsoleLine, LineLevel};
use crate::error_code::message_chain;
use crate::experiment::resolve::Verification;
use crate::http_client::{self, ClientOptions, describe};
use crate::substitution::{Redactor, Scope};
use crate::value::{Map, Value};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(7);

/// Sends notifications.
pub(crate) struct Notifier<'a> {
    context: &'a AppContext,
    channels: &'a [NotificationChannel],
}

impl<'a> Notifier<'a> {
    pub(crate) fn new(context: &'a AppContext, settings: &'a Settings) -> Self {
        Self { context, channels: &settings.channels }
    }

    /// Returns whether there is a channel of type http.
    pub(crate) fn has_channels(&self) -> bool {
        self.channels.iter().any(|channel| channel.kind == "http")
    }

    /// Warns about channels of other types.
    pub(crate) fn warn_about_other_channels(&self) {
        for channel in self.channels.iter().filter(|channel| channel.kind != "http") {
            let kind = &channel.kind;
            let message = format!("ignoring notification channel of type '{kind}': only http is supported");
            self.context.reporter.show(&ConsoleLine::note(LineLevel::Warning, message));
        }
    }

    /// Sends one event. Errors do not affect the run.
    pub(crate) async fn send(&self, event: &str, phase: &str, payload: &impl Serialize, error: Option<&str>) {
        for channel in self.channels.iter().filter(|channel| channel.kind == "http" && channel.wants(event)) {
            let verification = if channel.verify_tls {
                http_client::trust(|name| self.context.environment.get(name))
            } else {
                Verification::None
            };
            if let Err(error) = post(channel, &verification, event, phase, payload, error).await {
                let message = format!("failed to send notification {event}: {error}");
                self.context.reporter.show(&ConsoleLine::note(LineLevel::Debug, message));
            }
        }
    }
}

/// A notification cannot be sent.
#[derive(Debug, thiserror::Error)]
enum NotifyError {
    #[error("the channel has no url")]
    NoUrl,
    #[error("cannot create the HTTP client: {0}")]
    Client(String),
    #[error("cannot encode the payload")]
    Payload(#[from] serde_json::Error),
    #[error("{0}")]
    Request(String),
}

async fn post(
    channel: &NotificationChannel,
    verification: &Verification,
    event: &str,
    phase: &str,
    payload: &impl Serialize,
    error: Option<&str>,
) -> Result<(), NotifyError> {
    let url = channel.url.as_deref().ok_or(NotifyError::NoUrl)?;
    let options = ClientOptions {
        connect_timeout: Some(CONNECT_TIMEOUT),
        timeout: Some(TIMEOUT),
        ..ClientOptions::default()
    };
    let client = http_client::build(verification, options)
        .map_err(|error| NotifyError::Client(message_chain(&error)))?;
    let mut request = if channel.with_payload { client.post(url) } else { client.get(url) };
    for (name, value) in &channel.headers {
        request = request.header(name, value.python_text().as_ref());
    }
    if channel.with_payload {
        #[derive(Serialize)]
        struct NotificationPayload<'a, P> {
            name: &'a str,
            payload: &'a P,
            phase: &'a str,
            ts: f64,
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<&'a str>,
        }
        let message =
            NotificationPayload { name: event, payload, phase, ts: Timestamp::now().as_seconds(), error };
        let body = serde_json::to_string(&message)?;
        if !channel.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
            request = request.header("Content-Type", "application/json");
        }
        request = request.body(body);
    }
    let failed = |error: reqwest::Error| NotifyError::Request(describe(&error.without_url()));
    request.send().await.and_then(reqwest::Response::error_for_status).map(drop).map_err(failed)
}

/// Returns the experiment with inline secrets masked.
pub(crate) fn without_secrets(experiment: &Value) -> Value {
    let secrets = experiment.get("secrets").and_then(Value::as_map).cloned().unwrap_or_default();
    let inline: Map = secrets.iter().map(|(group, value)| (group.clone(), inline(value))).collect();
    Redactor::new(&Scope::new(Map::new(), inline)).redact_value(experiment)
}

/// Returns the inline values of a secret; references to variables and Vault are none.
fn inline(value: &Value) -> Value {
    let is_reference = matches!(value.get("type").and_then(Value::as_text), Some("env" | "vault"));
    match value {
        _ if is_reference => Value::Null,
        Value::Map(entries) => {
            Value::Map(entries.iter().map(|(key, value)| (key.clone(), inline(value))).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_secrets_are_masked_and_references_are_not() {
        let experiment: Value = serde_json::json!({
            "title": "uses hunter2",
            "secrets": {"a": {"inline": "hunter2", "env": {"type": "env", "key": "HOME_TOKEN"}}},
        })
        .into();
        let expected: Value = serde_json::json!({
            "title": "uses ***",
            "secrets": {"a": {"inline": "***", "env": {"type": "env", "key": "HOME_TOKEN"}}},
        })
        .into();
        assert_eq!(without_secrets(&experiment), expected);
    }
}
