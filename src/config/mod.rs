//! Inputs besides the experiment: settings file, variables, environment, Vault.

mod environment;
mod variables;
pub mod vault;

use crate::diagnostic::Diagnostic;
use crate::experiment::document::{self, Document};
use crate::experiment::{ControlDeclaration, yaml};
use crate::value::{Map, Value};

pub use environment::ProcessEnv;
pub use variables::{VariableFile, read_variables};

/// Path of the settings file, relative to the home directory.
pub const DEFAULT_PATH: &str = ".chaostoolkit/settings.yaml";

/// Settings of the Chaos Toolkit that have an effect here.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub hypothesis_strategy: Option<String>,
    pub rollback_strategy: Option<String>,
    /// `(host[:port], authorization header)` for experiments from servers.
    pub authorizations: Vec<(String, String)>,
    pub controls: Vec<ControlDeclaration>,
    pub channels: Vec<NotificationChannel>,
}

/// Receiver of notifications.
#[derive(Clone, Debug, PartialEq)]
pub struct NotificationChannel {
    /// The address; channels without an HTTP address are ignored.
    pub url: Option<String>,
    pub headers: Map,
    /// Whether the server certificate is verified.
    pub verify_tls: bool,
    /// Whether the event is sent by POST; otherwise an empty GET is sent.
    pub with_payload: bool,
    /// The events to send; `None` for all.
    pub events: Option<Vec<String>>,
    /// The type as written.
    pub kind: String,
}

impl Settings {
    /// Parses a settings file.
    pub fn read(bytes: &[u8], source: &str) -> Result<Self, Diagnostic> {
        let text = document::decode(bytes, source)?;
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let Document { root, .. } = yaml::read(text, source)?;
        Ok(Self::from_value(&root.to_value()))
    }

    fn from_value(settings: &Value) -> Self {
        let strategy = |section: &str| {
            let strategy = settings.get("runtime")?.get(section)?.get("strategy")?;
            Some(strategy.python_text().into_owned())
        };
        let authorization = |(host, entry): (&String, &Value)| {
            let kind = entry.get("type")?.python_text();
            let value = entry.get("value")?.python_text();
            Some((host.clone(), format!("{kind} {value}")))
        };
        let entries = |key: &str| settings.get(key).and_then(Value::as_map).cloned().unwrap_or_default();
        let channels = settings.get("notifications").and_then(Value::as_list).unwrap_or_default();
        Self {
            hypothesis_strategy: strategy("hypothesis"),
            rollback_strategy: strategy("rollbacks"),
            authorizations: entries("auths").iter().filter_map(authorization).collect(),
            controls: ControlDeclaration::read_named(&entries("controls")),
            channels: channels.iter().map(NotificationChannel::from_value).collect(),
        }
    }

    /// Returns the authorization header for a host, with the port if the address has one.
    pub fn authorization(&self, host: &str) -> Option<&str> {
        self.authorizations.iter().find(|(known, _)| known == host).map(|(_, header)| header.as_str())
    }
}

impl NotificationChannel {
    fn from_value(channel: &Value) -> Self {
        let events = channel.get("events").and_then(Value::as_list).filter(|events| !events.is_empty());
        Self {
            url: channel.get("url").and_then(Value::as_text).map(str::to_owned),
            headers: channel.get("headers").and_then(Value::as_map).cloned().unwrap_or_default(),
            verify_tls: channel.get("verify_tls").is_none_or(Value::is_truthy),
            with_payload: channel.get("forward_event_payload").is_none_or(Value::is_truthy),
            events: events.map(|events| events.iter().map(|e| e.python_text().into_owned()).collect()),
            kind: channel.get("type").map(|kind| kind.python_text().into_owned()).unwrap_or_default(),
        }
    }

    /// Whether it receives an event.
    pub fn wants(&self, event: &str) -> bool {
        self.events.as_ref().is_none_or(|events| events.iter().any(|wanted| wanted == event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_settings_are_parsed() {
        let text = "
runtime:
  rollbacks: {strategy: always}
  hypothesis: {strategy: continuously}
auths:
  example.com: {type: basic, value: Zm9v}
  localhost:8081: {type: bearer, value: token}
controls:
  tracing: {provider: {type: python, module: some.module}}
notifications:
  - {type: http, url: http://h/, headers: {A: b}, events: [run-failed]}
  - {type: http, url: http://h/, forward_event_payload: false, verify_tls: false}
  - {type: plugin, module: m}
";
        let settings = Settings::read(text.as_bytes(), "s").unwrap();
        assert_eq!(settings.rollback_strategy.as_deref(), Some("always"));
        assert_eq!(settings.hypothesis_strategy.as_deref(), Some("continuously"));
        assert_eq!(settings.authorization("localhost:8081"), Some("bearer token"));
        assert_eq!(settings.authorization("localhost"), None);
        assert_eq!(settings.controls[0].name, "tracing");
        assert_eq!(settings.controls[0].module.as_deref(), Some("some.module"));
        let [first, second, third] = settings.channels.as_slice() else { panic!() };
        assert!(first.wants("run-failed") && !first.wants("run-started"));
        assert!(second.wants("run-started") && !second.with_payload && !second.verify_tls);
        assert_eq!(third.kind, "plugin");
    }

    #[test]
    fn empty_settings_are_valid() {
        assert!(Settings::read(b"", "s").unwrap().channels.is_empty());
        assert!(Settings::read(b"runtime: 5\nauths: [x]\n", "s").unwrap().authorizations.is_empty());
        assert!(Settings::read(b"a: [", "s").is_err());
    }
}
