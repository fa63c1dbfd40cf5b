//! Validates activities.
//!
//! Verbatim: chaostoolkit-lib 1.45 (messages that chaoslib has)

use super::placeholder::PlaceholderConsumer;
use super::{ProviderUsage, Validator};
use crate::diagnostic::{Severity, suggestion};
use crate::experiment::document::{SpannedKind, SpannedValue};
use crate::experiment::model::child_pointer;
use crate::experiment::{ActivityKind, ProviderKind};
use crate::value::Value;

/// The place of an activity, which decides which keys have an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ActivityPosition {
    Hypothesis,
    Method,
    Rollbacks,
    Configuration,
    Tolerance,
    Safeguard,
}

const ACTIVITY_KEYS: [&str; 10] =
    ["type", "name", "provider", "tolerance", "pauses", "background", "controls", "timeout", "dry", "ref"];
const PROCESS_KEYS: [&str; 5] = ["type", "path", "arguments", "timeout", "secrets"];
// the Chaos Toolkit's examples have the last two, which have no effect there either
const HTTP_KEYS: [&str; 10] = [
    "type",
    "url",
    "method",
    "headers",
    "arguments",
    "timeout",
    "verify_tls",
    "max_retries",
    "expected_status",
    "secrets",
];
/// Arguments of functions that a shell may interpret.
const SHELLS: [&str; 2] = ["cmd", "command"];
const PYTHON_KEYS: [&str; 5] = ["type", "module", "func", "arguments", "secrets"];

impl<'a> Validator<'a> {
    pub(super) fn check_activity(&mut self, node: &'a SpannedValue, at: &str, place: ActivityPosition) {
        if !matches!(node.kind, SpannedKind::Map(_)) && node.is_truthy() {
            self.report_wrong_shape(node, at, "an activity", "a mapping with a type, a name and a provider");
            return;
        }
        if !node.is_truthy() {
            self.error(node, at, "empty activity is no activity").expected =
                Some("a mapping with a type, a name and a provider".to_owned());
            return;
        }
        if let Some(reference) = node.get("ref").filter(|reference| !reference.is_null()) {
            if reference.as_text().is_none_or(str::is_empty) {
                self.error(
                    reference,
                    &child_pointer(at, "ref"),
                    "reference to activity must be non-empty strings",
                );
            }
            self.warn_ignored_beside_reference(node, at, place);
            return;
        }
        self.check_kind(node, at);
        if !node.get("name").is_some_and(SpannedValue::is_truthy) {
            self.error(
                node.get("name").unwrap_or(node),
                &child_pointer(at, "name"),
                "an activity must have a name",
            )
            .expected = Some("a non-empty string".to_owned());
        }
        let provider = self.check_provider_kind(node, at);
        self.check_timeout(node, at);
        self.check_pauses(node, at);
        if let Some(background) =
            node.get("background").filter(|b| !matches!(b.kind, SpannedKind::Scalar(Value::Bool(_))))
        {
            self.error(
                background,
                &child_pointer(at, "background"),
                "activity background must be a boolean",
            )
            .expected = Some("true or false".to_owned());
        }
        if let Some((kind, provider)) = provider {
            self.check_provider(kind, node, provider, at, place);
        }
        self.warn_without_effect(node, at, place);
        if place == ActivityPosition::Safeguard {
            self.warn_unknown_keys(node, at, &[&ACTIVITY_KEYS[..], &["frequency"]].concat());
        } else {
            self.warn_unknown_keys(node, at, &ACTIVITY_KEYS);
        }
    }

    /// Warns about keys next to a reference, which are ignored except for two keys in two places.
    fn warn_ignored_beside_reference(&mut self, node: &'a SpannedValue, at: &str, place: ActivityPosition) {
        let SpannedKind::Map(entries) = &node.kind else { return };
        let kept = if place == ActivityPosition::Hypothesis { "tolerance" } else { "background" };
        for (key, entry) in entries.iter().filter(|(key, _)| *key != "ref" && *key != kept) {
            let message = format!("\"{key}\" next to \"ref\" is ignored");
            self.report(Severity::Warning, entry.key, &child_pointer(at, key), message);
        }
    }

    fn check_kind(&mut self, node: &'a SpannedValue, at: &str) {
        let at = child_pointer(at, "type");
        match node.get("type").filter(|kind| kind.is_truthy()) {
            None => {
                self.error(node.get("type").unwrap_or(node), &at, "an activity must have a type").expected =
                    Some("\"probe\" or \"action\"".to_owned());
            }
            Some(kind) => {
                let name = kind.to_value().python_text().into_owned();
                if !matches!(kind.as_text(), Some("probe" | "action")) {
                    let fault = self.error(kind, &at, format!("'{name}' is not a supported activity type"));
                    fault.expected = Some("\"probe\" or \"action\"".to_owned());
                    fault.hint = suggestion(&name, ["probe", "action"]);
                }
            }
        }
    }

    fn check_provider_kind(
        &mut self,
        node: &'a SpannedValue,
        at: &str,
    ) -> Option<(ProviderKind, &'a SpannedValue)> {
        let known: Vec<_> = ProviderKind::ALL.into_iter().map(ProviderKind::name).collect();
        let at = child_pointer(at, "provider");
        let Some(provider) = node.get("provider").filter(|provider| provider.is_truthy()) else {
            self.error(node.get("provider").unwrap_or(node), &at, "an activity requires a provider")
                .expected = Some("a mapping with a type".to_owned());
            return None;
        };
        if !matches!(provider.kind, SpannedKind::Map(_)) {
            self.report_wrong_shape(provider, &at, "a provider", "a mapping with a type");
            return None;
        }
        let Some(kind) = provider.get("type").filter(|kind| kind.is_truthy()) else {
            self.error(provider, &at, "a provider must have a type").expected =
                Some(format!("one of {}", known.join(", ")));
            return None;
        };
        let name = kind.to_value().python_text().into_owned();
        let found = kind.as_text().and_then(ProviderKind::from_name);
        if found.is_none() {
            let fault =
                self.error(kind, &child_pointer(&at, "type"), format!("unknown provider type '{name}'"));
            fault.expected = Some(format!("one of {}", known.join(", ")));
            fault.hint = suggestion(&name, known.iter().copied());
        }
        found.map(|kind| (kind, provider))
    }

    fn check_timeout(&mut self, node: &'a SpannedValue, at: &str) {
        let number =
            |value: &Value| matches!(value, Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_));
        if let Some(timeout) = node.get("timeout").filter(|timeout| !number(&timeout.to_value())) {
            self.error(timeout, &child_pointer(at, "timeout"), "activity timeout must be a number");
        }
    }

    fn check_pauses(&mut self, node: &'a SpannedValue, at: &str) {
        let Some(pauses) = node.get("pauses") else { return };
        let at = child_pointer(at, "pauses");
        match &pauses.kind {
            SpannedKind::Map(_) => {}
            // the Chaos Toolkit accepts null and aborts the run later
            SpannedKind::Scalar(Value::Null) => {
                self.doubt(pauses, &at, "pauses cannot be null: this would abort the run").hint =
                    Some("remove the pauses".to_owned());
                return;
            }
            _ => {
                self.report_wrong_shape(pauses, &at, "pauses", "a mapping with before and after");
                return;
            }
        }
        for side in ["before", "after"] {
            let Some(pause) = pauses.get(side) else { continue };
            let at = child_pointer(&at, side);
            let fits = match &pause.kind {
                SpannedKind::Scalar(Value::Text(text)) => text.starts_with("${") && text.ends_with('}'),
                SpannedKind::Scalar(_) => true,
                _ => false,
            };
            if fits {
                self.check_pause_length(pause, &at, side);
                self.check_placeholders(pause, &at, PlaceholderConsumer::None);
                continue;
            }
            let message = format!(
                "activity {side} pause must be a number or a pattern to a variable from the configuration or secrets"
            );
            self.error(pause, &at, message).expected = Some("a number of seconds, or \"${name}\"".to_owned());
        }
        self.warn_unknown_keys(pauses, &at, &["before", "after"]);
    }

    fn check_provider(
        &mut self,
        kind: ProviderKind,
        activity: &'a SpannedValue,
        provider: &'a SpannedValue,
        at: &str,
        place: ActivityPosition,
    ) {
        let at = child_pointer(at, "provider");
        let keys: &[&str] = match kind {
            ProviderKind::Process => &PROCESS_KEYS,
            ProviderKind::Http => &HTTP_KEYS,
            ProviderKind::Python => &PYTHON_KEYS,
        };
        match kind {
            ProviderKind::Process => {
                self.check_required(provider, &at, "path", "a process activity must have a path");
                if matches!(provider.get("arguments").map(|a| &a.kind), Some(SpannedKind::Map(_))) {
                    let message = "Process arguments should now be a list to keep the ordering of the arguments. \
                                   Dictionary arguments are deprecated for process activities.";
                    let arguments = provider.get("arguments").unwrap_or(provider);
                    let warning = self.warning(arguments, &child_pointer(&at, "arguments"), message);
                    warning.inherited = !matches!(
                        place,
                        ActivityPosition::Configuration
                            | ActivityPosition::Tolerance
                            | ActivityPosition::Safeguard
                    );
                    self.defer_last();
                }
            }
            ProviderKind::Http => {
                self.check_required(provider, &at, "url", "a HTTP activity must have a URL");
                if let Some(headers) = provider.get("headers").filter(|h| h.is_truthy())
                    && !matches!(headers.kind, SpannedKind::Map(_))
                {
                    self.error(
                        headers,
                        &child_pointer(&at, "headers"),
                        "a HTTP activities expect headers as a mapping",
                    );
                }
            }
            ProviderKind::Python => {
                self.check_required(provider, &at, "module", "a Python activity must have a module path");
                self.check_required(provider, &at, "func", "a Python activity must have a function name");
            }
        }
        let name = activity.get("name").map(|n| n.to_value().python_text().into_owned()).unwrap_or_default();
        let plain = provider.to_value();
        let acts = activity.get("type").and_then(SpannedValue::as_text).and_then(ActivityKind::from_name);
        let usage = ProviderUsage { activity: &name, kind: acts };
        let findings = plain.as_map().map(|map| self.rules.provider(kind, usage, map)).unwrap_or_default();
        self.add_findings(provider, &at, findings);
        self.check_provider_timeout(kind, provider, &at);
        self.check_filled_arguments(kind, provider, &at);
        self.warn_unknown_keys(provider, &at, keys);
    }

    /// Checks the placeholders of substituted keys. Of a process these are the arguments, in which a shell may have its own.
    fn check_filled_arguments(&mut self, kind: ProviderKind, provider: &'a SpannedValue, at: &str) {
        let keys: &[&str] = match kind {
            ProviderKind::Http => &["url", "headers", "timeout", "arguments"],
            ProviderKind::Process | ProviderKind::Python => &["arguments"],
        };
        for key in keys {
            let Some(part) = provider.get(key) else { continue };
            let at = child_pointer(at, key);
            match &part.kind {
                _ if kind == ProviderKind::Process => {
                    self.check_placeholders(part, &at, PlaceholderConsumer::Shell);
                }
                SpannedKind::Map(entries) if kind == ProviderKind::Python => {
                    for (name, entry) in entries {
                        // arguments that a function passes to a shell in a Pod
                        let reader = if SHELLS.contains(&name.as_str()) {
                            PlaceholderConsumer::Shell
                        } else {
                            PlaceholderConsumer::None
                        };
                        self.check_placeholders(&entry.value, &child_pointer(&at, name), reader);
                    }
                }
                _ => self.check_placeholders(part, &at, PlaceholderConsumer::None),
            }
        }
    }

    fn check_required(&mut self, provider: &'a SpannedValue, at: &str, key: &str, message: &str) {
        match provider.get(key).filter(|value| value.is_truthy()) {
            None => {
                self.error(provider.get(key).unwrap_or(provider), &child_pointer(at, key), message);
            }
            Some(value) if value.as_text().is_none() => {
                self.report_wrong_shape(value, &child_pointer(at, key), &format!("\"{key}\""), "a string");
            }
            Some(_) => {}
        }
    }

    /// Warns about keys of the format that have no effect at this place.
    fn warn_without_effect(&mut self, node: &'a SpannedValue, at: &str, place: ActivityPosition) {
        let hint = match place {
            ActivityPosition::Method | ActivityPosition::Rollbacks
                if node.get("tolerance").is_some_and(|t| !t.is_null()) =>
            {
                Some(("tolerance", "tolerances apply only in the steady-state-hypothesis"))
            }
            ActivityPosition::Hypothesis if node.get("background").is_some_and(SpannedValue::is_truthy) => {
                Some(("background", "probes of the hypothesis run in sequence"))
            }
            _ => None,
        };
        let timeout =
            node.get("timeout").filter(|t| !t.is_null()).map(|_| ("timeout", "move it to the provider"));
        for (key, hint) in hint.into_iter().chain(timeout) {
            let target = node.get(key).unwrap_or(node);
            self.warning(target, &child_pointer(at, key), format!("\"{key}\" has no effect here")).hint =
                Some(hint.to_owned());
        }
    }
}
