//! Validates placeholders: unknown ones stay unresolved, which is easy to miss.

use super::Validator;
use crate::diagnostic::did_you_mean;
use crate::experiment::configuration::Variables;
use crate::experiment::document::{SpannedKind, SpannedValue};
use crate::experiment::model::child_pointer;
use crate::substitution::{Placeholder, placeholders};
use crate::value::Value;

/// Another consumer of text that looks like a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlaceholderConsumer {
    /// No other consumer.
    None,
    /// A shell with its own variables.
    Shell,
}

/// The names that placeholders can refer to.
#[derive(Debug, Default)]
pub(super) struct DeclaredNames {
    names: Vec<String>,
    /// Whether a group of secrets has entries that are known at runtime only.
    is_open: bool,
}

impl DeclaredNames {
    /// Collects the entries of the configuration and of the groups of secrets.
    pub(super) fn from_root(root: &SpannedValue, given: &Variables) -> Self {
        let mut declared = Self::default();
        if let Some(SpannedKind::Map(entries)) = root.get("configuration").map(|node| &node.kind) {
            declared.names.extend(entries.keys().cloned());
        }
        let Some(SpannedKind::Map(groups)) = root.get("secrets").map(|node| &node.kind) else {
            return declared;
        };
        for (name, group) in groups {
            if let Some(group) = given.secrets.get(name).and_then(Value::as_map) {
                declared.names.extend(group.keys().cloned());
            } else if group.value.get("type").and_then(SpannedValue::as_text) == Some("vault") {
                declared.is_open = true;
            } else if let SpannedKind::Map(entries) = &group.value.kind {
                declared.names.extend(entries.keys().cloned());
            }
        }
        declared
    }

    /// Returns the declared name that is most similar to a typo.
    fn nearest(&self, name: &str) -> Option<&str> {
        did_you_mean(name, self.names.iter().map(String::as_str))
    }
}

impl<'a> Validator<'a> {
    /// Warns about undeclared placeholders in every text of a part.
    pub(super) fn check_placeholders(
        &mut self,
        node: &'a SpannedValue,
        at: &str,
        reader: PlaceholderConsumer,
    ) {
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
        node: &'a SpannedValue,
        at: &str,
        found: &Placeholder<'a>,
        reader: PlaceholderConsumer,
    ) {
        let Placeholder { name, braced } = *found;
        if self.declared.names.iter().any(|known| known == name) || self.declared.is_open {
            return;
        }
        let nearest = self.declared.nearest(name).map(str::to_owned);
        let meant = match reader {
            // $word may be part of a password or pattern
            PlaceholderConsumer::None => braced || nearest.is_some(),
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
        self.warning(node, at, message).hint = Some(match nearest {
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
