//! Validates placeholders: unknown ones stay unresolved, which is easy to miss.

use std::collections::BTreeSet;

use super::{ValidationRules, Validator};
use crate::diagnostic::did_you_mean;
use crate::experiment::configuration::{is_dynamic, resolve_configuration_entry, resolve_known_secret};
use crate::experiment::document::{SpannedKind, SpannedValue};
use crate::experiment::model::child_pointer;
use crate::substitution::{Placeholder, Redactor, Scope, placeholders};
use crate::value::{Map, Value};

/// Another consumer of text that looks like a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlaceholderConsumer {
    /// No other consumer.
    None,
    /// No other consumer, and the text itself is invalid.
    Number,
    /// A shell with its own variables.
    Shell,
}

/// The names that placeholders can refer to, and the values that are known before the run.
#[derive(Default)]
pub(super) struct DeclaredNames {
    names: Vec<String>,
    /// The values that are known before the run.
    scope: Scope,
    /// The names whose value a probe or Vault yields during the run.
    deferred: DeferredNames,
    /// Masks the secrets of the scope in messages.
    redactor: Redactor,
}

/// The names whose value is unknown before the run.
#[derive(Debug, Default)]
pub struct DeferredNames {
    names: BTreeSet<String>,
    /// The names with a known value; checked only if other names are possible.
    known: BTreeSet<String>,
    /// Whether a group of secrets has entries that are known at runtime only.
    is_open: bool,
}

impl DeferredNames {
    /// Returns whether a text of the value has a placeholder whose value is unknown before the run.
    pub fn affect(&self, value: &Value) -> bool {
        let is_deferred =
            |name: &str| self.names.contains(name) || self.is_open && !self.known.contains(name);
        let mut affected = false;
        value.for_each_text(&mut |text| {
            affected |= placeholders(text).iter().any(|placeholder| is_deferred(placeholder.name));
        });
        affected
    }
}

impl DeclaredNames {
    /// Collects the entries of the configuration and of the groups of secrets.
    pub(super) fn from_root(root: &SpannedValue, rules: &dyn ValidationRules) -> Self {
        let mut declared = Self::default();
        let (mut configuration, mut secrets) = (Map::new(), Map::new());
        let given = rules.variables();
        let environment = |key: &str| rules.environment(key);
        if let Some(SpannedKind::Map(entries)) = root.get("configuration").map(|node| &node.kind) {
            for (name, entry) in entries {
                let declaration =
                    given.configuration.get(name).cloned().unwrap_or_else(|| entry.value.to_value());
                let value = resolve_configuration_entry(&declaration, &environment);
                declared.add(name, value.ok().filter(|value| !is_dynamic(value)), &mut configuration);
            }
        }
        if let Some(SpannedKind::Map(groups)) = root.get("secrets").map(|node| &node.kind) {
            for (name, group) in groups {
                let replaced = given.secrets.get(name).filter(|value| **value != Value::Null);
                let Value::Map(group) = replaced.cloned().unwrap_or_else(|| group.value.to_value()) else {
                    continue;
                };
                match group.get("type").and_then(Value::as_text) {
                    Some("vault") if replaced.is_none() => declared.deferred.is_open = true,
                    Some("env") if replaced.is_none() => {}
                    _ => {
                        let mut values = Map::new();
                        for (key, entry) in &group {
                            let value = match replaced {
                                Some(_) => Some(entry.clone()),
                                None => resolve_known_secret(entry, &environment),
                            };
                            // the configuration hides a secret of the same name
                            if !configuration.contains_key(key) && !declared.names.contains(key) {
                                declared.add(key, value, &mut values);
                            } else if let Some(value) = value {
                                values.insert(key.clone(), value);
                            }
                        }
                        secrets.insert(name.clone(), Value::Map(values));
                    }
                }
            }
        }
        declared.scope = Scope::new(configuration, secrets);
        declared.redactor = Redactor::new(&declared.scope);
        declared
    }

    /// Adds a name, and its value if that is known before the run.
    fn add(&mut self, name: &str, value: Option<Value>, values: &mut Map) {
        self.names.push(name.to_owned());
        match value {
            Some(value) => {
                self.deferred.known.insert(name.to_owned());
                values.insert(name.to_owned(), value);
            }
            None => {
                self.deferred.names.insert(name.to_owned());
            }
        }
    }

    /// Returns the declared name that is most similar to a typo.
    fn nearest(&self, name: &str) -> Option<&str> {
        did_you_mean(name, self.names.iter().map(String::as_str))
    }

    /// Returns the names whose value is unknown before the run.
    pub(super) fn deferred(&self) -> &DeferredNames {
        &self.deferred
    }

    /// Returns the values that are known before the run.
    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns a value as it will be during the run; `None` if that is unknown before.
    pub(super) fn fill(&self, value: &Value) -> Option<Value> {
        (!self.deferred.affect(value)).then(|| self.scope.fill(value))
    }

    /// Masks the secrets in a message.
    pub(super) fn redact(&self, message: &str) -> String {
        self.redactor.redact_text(message).into_owned()
    }
}

impl Validator<'_> {
    /// Warns about undeclared placeholders in every text of a part.
    pub(super) fn check_placeholders(&mut self, node: &SpannedValue, at: &str, reader: PlaceholderConsumer) {
        match &node.kind {
            SpannedKind::Scalar(value) => {
                let mut told = Vec::new();
                for placeholder in value.as_text().map(placeholders).unwrap_or_default() {
                    if !told.contains(&placeholder.name) {
                        told.push(placeholder.name);
                        self.check_placeholder(node, at, &placeholder, reader);
                    }
                }
            }
            SpannedKind::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.check_placeholders(item, &child_pointer(at, &index.to_string()), reader);
                }
            }
            SpannedKind::Map(entries) => {
                for (key, entry) in entries {
                    self.check_placeholders(&entry.value, &child_pointer(at, key), reader);
                }
            }
        }
    }

    fn check_placeholder(
        &mut self,
        node: &SpannedValue,
        at: &str,
        found: &Placeholder<'_>,
        reader: PlaceholderConsumer,
    ) {
        let Placeholder { name, braced } = *found;
        if self.declared.names.iter().any(|known| known == name) || self.declared.deferred.is_open {
            return;
        }
        let nearest = self.declared.nearest(name).map(str::to_owned);
        let meant = match reader {
            // $word may be part of a password or pattern
            PlaceholderConsumer::None | PlaceholderConsumer::Number => braced || nearest.is_some(),
            PlaceholderConsumer::Shell => {
                nearest.as_deref().is_some_and(|nearest| !self.is_shell_variable(node, name, nearest))
            }
        };
        if !meant {
            return;
        }
        let written = if braced { format!("${{{name}}}") } else { format!("${name}") };
        let message =
            format!("unresolved placeholder {written}: neither configuration nor secrets declare {name}");
        let fault = if reader == PlaceholderConsumer::Number {
            self.doubt(node, at, message)
        } else {
            self.warning(node, at, message)
        };
        fault.hint = Some(match nearest {
            Some(nearest) if braced => format!("did you mean \"${{{nearest}}}\"?"),
            Some(nearest) => format!("did you mean \"${nearest}\"?"),
            None => format!("declare {name} in the configuration"),
        });
    }

    /// Returns whether a name is a shell variable.
    ///
    /// It is one of the environment, one that the text sets, or one in the upper case of environment variables.
    fn is_shell_variable(&self, node: &SpannedValue, name: &str, nearest: &str) -> bool {
        let text = node.as_text().unwrap_or_default();
        let is_set = |before: &str, after: &str| text.contains(&format!("{before}{name}{after}"));
        let is_loud = |text: &str| !text.chars().any(|c| c.is_ascii_lowercase());
        self.rules.environment(name).is_some()
            || is_set("", "=")
            || is_set("for ", " ")
            || is_set("read ", "")
            || is_set("read -r ", "")
            || is_loud(name) && !is_loud(nearest)
    }
}
