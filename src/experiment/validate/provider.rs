//! Validates the provider of an activity, with the values that are known before the run.
//!
//! Verbatim: chaostoolkit-lib 1.45 (messages that chaoslib has)

use super::activity::ActivityPosition;
use super::placeholder::PlaceholderConsumer;
use super::{ProviderPosition, ProviderUsage, Validator};
use crate::diagnostic::{Severity, did_you_mean, suggestion};
use crate::experiment::document::{SpannedKind, SpannedValue};
use crate::experiment::model::child_pointer;
use crate::experiment::resolve::{fill_argument, find_errors};
use crate::experiment::{ActivityKind, ProviderKind};
use crate::value::{Map, Value};

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

/// Returns the keys of a provider.
fn provider_keys(kind: ProviderKind) -> &'static [&'static str] {
    match kind {
        ProviderKind::Process => &PROCESS_KEYS,
        ProviderKind::Http => &HTTP_KEYS,
        ProviderKind::Python => &PYTHON_KEYS,
    }
}

impl Validator<'_> {
    pub(super) fn check_provider(
        &mut self,
        kind: ProviderKind,
        activity: &SpannedValue,
        provider: &SpannedValue,
        at: &str,
        place: ActivityPosition,
    ) {
        let at = child_pointer(at, "provider");
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
                if let Some(headers) = provider.get("headers").filter(|headers| !headers.is_null())
                    && !matches!(headers.kind, SpannedKind::Map(_))
                {
                    let (at, message) =
                        (child_pointer(&at, "headers"), "a HTTP activities expect headers as a mapping");
                    // the Chaos Toolkit ignores an empty value
                    if headers.is_truthy() {
                        self.error(headers, &at, message);
                    } else {
                        self.doubt(headers, &at, message).hint = Some("remove the headers".to_owned());
                    }
                }
            }
            ProviderKind::Python => {
                self.check_required(provider, &at, "module", "a Python activity must have a module path");
                self.check_required(provider, &at, "func", "a Python activity must have a function name");
                self.check_secret_groups(provider, &at);
            }
        }
        let name = activity.get("name").map(|n| n.to_value().python_text().into_owned()).unwrap_or_default();
        let acts = activity.get("type").and_then(SpannedValue::as_text).and_then(ActivityKind::from_name);
        let position = match place {
            ActivityPosition::Tolerance => ProviderPosition::Tolerance,
            _ => ProviderPosition::Activity,
        };
        let mut filled = self.fill_provider(kind, provider);
        if let (ProviderKind::Python, Some(arguments)) = (kind, activity.get("arguments")) {
            // misplaced arguments have a message of their own
            filled.entry("arguments".to_owned()).or_insert_with(|| arguments.to_value());
        }
        let usage =
            ProviderUsage { activity: &name, kind: acts, position, deferred: self.declared.deferred() };
        let mut findings = self.rules.provider(kind, usage, &filled);
        for finding in &mut findings {
            finding.message = self.declared.redact(&finding.message);
            finding.hint = finding.hint.as_deref().map(|hint| self.declared.redact(hint));
        }
        self.add_findings(provider, &at, findings);
        self.check_provider_timeout(kind, provider, &at);
        self.check_resolution(kind, provider, &at);
        self.check_filled_arguments(kind, provider, &at);
        self.warn_unknown_provider_keys(kind, provider, &at);
    }

    /// Substitutes the placeholders that are known before the run.
    fn fill_provider(&self, kind: ProviderKind, provider: &SpannedValue) -> Map {
        let Value::Map(mut filled) = provider.to_value() else { return Map::new() };
        for (key, value) in &mut filled {
            match (kind, key.as_str()) {
                (_, "arguments") => *value = fill_argument(Some(value), self.declared.scope()),
                (ProviderKind::Http, "url" | "headers" | "timeout") => {
                    *value = self.declared.scope().fill(value);
                }
                _ => {}
            }
        }
        filled
    }

    /// Reports what would abort the run when the activity is resolved.
    fn check_resolution(&mut self, kind: ProviderKind, provider: &SpannedValue, at: &str) {
        let Value::Map(mut known) = provider.to_value() else { return };
        // a header that is known at runtime only does not hide the others
        if let (ProviderKind::Http, Some(Value::Map(headers))) = (kind, known.get_mut("headers")) {
            headers.retain(|_, value| !self.declared.deferred().affect(value));
        }
        known.retain(|_, value| !self.declared.deferred().affect(value));
        for error in find_errors(kind, &known, self.declared.scope()) {
            let (mut at, mut node) = (at.to_owned(), provider);
            for key in error.path() {
                at = child_pointer(&at, key);
                node = node.get(key).unwrap_or(node);
            }
            if !self.is_reported(&at) {
                let message = self.declared.redact(&format!("{error}: this would abort the run"));
                self.doubt(node, &at, message).expected = error.expected().map(str::to_owned);
            }
        }
    }

    /// Checks the groups of secrets that a function gets. An unknown group would leave the cluster to the context.
    fn check_secret_groups(&mut self, provider: &SpannedValue, at: &str) {
        let Some(groups) = provider.get("secrets").filter(|groups| !groups.is_null()) else { return };
        let at = child_pointer(at, "secrets");
        let SpannedKind::List(names) = &groups.kind else {
            let message =
                format!("the secrets of a function must be a list of groups, not {}", groups.kind_name());
            self.doubt(groups, &at, message).hint = Some(match groups.as_text() {
                Some(name) => format!("write [\"{name}\"]"),
                None => "name groups of the experiment's secrets, as in [\"k8s\"]".to_owned(),
            });
            return;
        };
        let declared: Vec<&str> = match self.document.root.get("secrets").map(|secrets| &secrets.kind) {
            Some(SpannedKind::Map(groups)) => groups.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        for (index, node) in names.iter().enumerate() {
            let name = node.to_value().python_text().into_owned();
            if node.as_text().is_some_and(|name| declared.contains(&name)) {
                continue;
            }
            let hint = suggestion(&name, declared.iter().copied()).unwrap_or_else(|| {
                format!("declare the group in the experiment: \"secrets\": {{\"{name}\": {{…}}}}")
            });
            self.doubt(
                node,
                &child_pointer(&at, &index.to_string()),
                format!("unknown group of secrets '{name}'"),
            )
            .hint = Some(hint);
        }
    }

    /// Reports keys of the provider that are beside it, where they have no effect.
    pub(super) fn check_misplaced_keys(
        &mut self,
        kind: ProviderKind,
        activity: &SpannedValue,
        provider: &SpannedValue,
        at: &str,
    ) {
        let SpannedKind::Map(entries) = &activity.kind else { return };
        for (key, entry) in entries {
            let belongs =
                !matches!(key.as_str(), "type" | "timeout") && provider_keys(kind).contains(&key.as_str());
            // groups of secrets matter to functions only
            if !belongs || key == "secrets" && kind != ProviderKind::Python {
                continue;
            }
            let hint = match provider.get(key) {
                None => format!("move it into the provider: \"provider\": {{…, \"{key}\": …}}"),
                Some(_) => format!("remove it: the provider has \"{key}\""),
            };
            let message = format!("\"{key}\" has no effect outside \"provider\"");
            let severity = if self.rules.strict() { Severity::Error } else { Severity::Warning };
            self.report(severity, entry.key, &child_pointer(at, key), message).hint = Some(hint);
        }
    }

    /// Reports unknown keys of a provider; a typo of a known key, which the run would ignore, is an error.
    fn warn_unknown_provider_keys(&mut self, kind: ProviderKind, provider: &SpannedValue, at: &str) {
        let SpannedKind::Map(entries) = &provider.kind else { return };
        let known = provider_keys(kind);
        for (key, entry) in entries {
            let meant = did_you_mean(key, known.iter().copied());
            let at = child_pointer(at, key);
            if let Some(meant) = meant.filter(|_| !known.contains(&key.as_str()) && self.rules.strict())
                && provider.get(meant).is_none()
                && !self.is_reported(&at)
            {
                self.report(Severity::Error, entry.key, &at, format!("unknown key \"{key}\" is ignored"))
                    .hint = Some(format!("did you mean \"{meant}\"?"));
            }
        }
        self.warn_unknown_keys(provider, at, known);
    }

    /// Checks the placeholders of substituted keys. Of a process these are the arguments, in which a shell may have its own.
    fn check_filled_arguments(&mut self, kind: ProviderKind, provider: &SpannedValue, at: &str) {
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

    fn check_required(&mut self, provider: &SpannedValue, at: &str, key: &str, message: &str) {
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
}
