//! Tells the channels of the settings what happens, over HTTP. Floor 3.

use std::time::Duration;

use serde::Serialize;

use super::CommandContext;
use crate::clock::Timestamp;
use crate::config::{NotificationChannel, Settings};
use crate::console::{ConsoleLine, LineLevel};
use crate::experiment::resolve::Verification;
use crate::http_client::{self, ClientOptions, describe};
use crate::substitution::{Redactor, Scope};
use crate::value::{Map, Value};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(7);

/// The channels, and where to say that one could not be told.
pub(super) struct Notifier<'a> {
    session: &'a CommandContext,
    channels: &'a [NotificationChannel],
}

impl<'a> Notifier<'a> {
    /// Channels that cannot be told over HTTP are named once.
    pub(super) fn new(session: &'a CommandContext, settings: &'a Settings) -> Self {
        Self { session, channels: &settings.channels }
    }

    /// Whether anybody is told: what nobody hears need not be made.
    pub(super) fn is_heard(&self) -> bool {
        self.channels.iter().any(|channel| channel.kind == "http")
    }

    /// Says which channels are of no use here.
    pub(super) fn warn(&self) {
        for channel in self.channels.iter().filter(|channel| channel.kind != "http") {
            let kind = &channel.kind;
            let message =
                format!("the notification channel of type '{kind}' is passed over: only http ones are told");
            self.session.terminal.say(&ConsoleLine::note(LineLevel::Warning, message));
        }
    }

    /// Tells of one event. Nothing that goes wrong here matters to the run.
    pub(super) async fn tell(&self, event: &str, phase: &str, payload: &impl Serialize, error: Option<&str>) {
        for channel in self.channels.iter().filter(|channel| channel.kind == "http" && channel.wants(event)) {
            let verification = if channel.verify_tls {
                http_client::trust(|name| self.session.environment.get(name))
            } else {
                Verification::None
            };
            if let Err(error) = post(channel, &verification, event, phase, payload, error).await {
                let message = format!("a notification of {event} was not delivered: {error}");
                self.session.terminal.say(&ConsoleLine::note(LineLevel::Debug, message));
            }
        }
    }
}

async fn post(
    channel: &NotificationChannel,
    verification: &Verification,
    event: &str,
    phase: &str,
    payload: &impl Serialize,
    error: Option<&str>,
) -> Result<(), String> {
    let url = channel.url.as_deref().ok_or("the channel has no url")?;
    let options = ClientOptions {
        connect_timeout: Some(CONNECT_TIMEOUT),
        timeout: Some(TIMEOUT),
        ..ClientOptions::default()
    };
    let client = http_client::build(verification, options)?;
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
        let body = serde_json::to_string(&message).map_err(|error| error.to_string())?;
        if !channel.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
            request = request.header("Content-Type", "application/json");
        }
        request = request.body(body);
    }
    let response = request.send().await.map_err(|error| describe(&error.without_url()))?;
    response.error_for_status().map(drop).map_err(|error| describe(&error.without_url()))
}

/// An experiment as it may be sent: secrets written into it are masked.
pub(super) fn without_secrets(experiment: &Value) -> Value {
    let secrets = experiment.get("secrets").and_then(Value::as_map).cloned().unwrap_or_default();
    let inline: Map = secrets.iter().map(|(group, value)| (group.clone(), inline(value))).collect();
    Redactor::new(&Scope::new(Map::new(), inline)).redact_value(experiment)
}

/// What is written out of a secret; names of variables and paths in Vault are none.
fn inline(value: &Value) -> Value {
    let fetched = matches!(value.get("type").and_then(Value::as_text), Some("env" | "vault"));
    match value {
        _ if fetched => Value::Null,
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
    fn secrets_in_the_file_are_masked_and_their_sources_are_not() {
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
