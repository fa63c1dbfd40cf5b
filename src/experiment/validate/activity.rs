//! Validates activities.
//!
//! Verbatim: chaostoolkit-lib 1.45 (messages that chaoslib has)

use super::Validator;
use super::placeholder::PlaceholderConsumer;
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

impl Validator<'_> {
    pub(super) fn check_activity(&mut self, node: &SpannedValue, at: &str, place: ActivityPosition) {
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
        // the Chaos Toolkit does not validate a probe of the configuration, and its name is not used
        let is_named = place != ActivityPosition::Configuration || node.get("name").is_some();
        if is_named && !node.get("name").is_some_and(SpannedValue::is_truthy) {
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
            self.check_misplaced_keys(kind, node, provider, at);
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
    fn warn_ignored_beside_reference(&mut self, node: &SpannedValue, at: &str, place: ActivityPosition) {
        let SpannedKind::Map(entries) = &node.kind else { return };
        let kept = if place == ActivityPosition::Hypothesis { "tolerance" } else { "background" };
        // many files repeat the type of the activity
        let kind = node.get("type").and_then(SpannedValue::as_text).and_then(ActivityKind::from_name);
        let is_used = |key: &str| key == "ref" || key == kept || key == "type" && kind.is_some();
        for (key, entry) in entries.iter().filter(|(key, _)| !is_used(key)) {
            let message = format!("\"{key}\" next to \"ref\" is ignored");
            self.report(Severity::Warning, entry.key, &child_pointer(at, key), message);
        }
    }

    fn check_kind(&mut self, node: &SpannedValue, at: &str) {
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

    fn check_provider_kind<'n>(
        &mut self,
        node: &'n SpannedValue,
        at: &str,
    ) -> Option<(ProviderKind, &'n SpannedValue)> {
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

    fn check_timeout(&mut self, node: &SpannedValue, at: &str) {
        let number =
            |value: &Value| matches!(value, Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_));
        if let Some(timeout) = node.get("timeout").filter(|timeout| !number(&timeout.to_value())) {
            self.error(timeout, &child_pointer(at, "timeout"), "activity timeout must be a number");
        }
    }

    fn check_pauses(&mut self, node: &SpannedValue, at: &str) {
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
                self.check_placeholders(pause, &at, PlaceholderConsumer::Number);
                continue;
            }
            let message = format!(
                "activity {side} pause must be a number or a pattern to a variable from the configuration or secrets"
            );
            self.error(pause, &at, message).expected = Some("a number of seconds, or \"${name}\"".to_owned());
        }
        self.warn_unknown_keys(pauses, &at, &["before", "after"]);
    }

    /// Warns about keys of the format that have no effect at this place.
    fn warn_without_effect(&mut self, node: &SpannedValue, at: &str, place: ActivityPosition) {
        // with `--strict=false` only the steady state is judged, as in the Chaos Toolkit
        let is_probe = node.get("type").and_then(SpannedValue::as_text) == Some("probe");
        let is_judged = place == ActivityPosition::Method && self.rules.strict() && is_probe;
        let hint = match place {
            ActivityPosition::Method | ActivityPosition::Rollbacks
                if !is_judged && node.get("tolerance").is_some_and(|t| !t.is_null()) =>
            {
                let is_lenient = place == ActivityPosition::Method && is_probe;
                Some((
                    "tolerance",
                    if is_lenient {
                        "with --strict=false only probes of the steady-state-hypothesis are judged"
                    } else {
                        "tolerances apply to probes of the steady-state-hypothesis and of the method"
                    },
                ))
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
