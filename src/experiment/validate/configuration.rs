//! Validates configuration and secrets.
//!
//! Verbatim: chaostoolkit-lib 1.45 (messages that chaoslib has)

use super::{Validator, activity};
use crate::experiment::configuration::{is_dynamic, resolve_configuration_entry};
use crate::experiment::document::{SpannedKind, SpannedValue};
use crate::experiment::model::child_pointer;
use crate::value::Value;

impl Validator<'_> {
    pub(super) fn check_configuration(&mut self, root: &SpannedValue) {
        let Some(configuration) = root.get("configuration") else { return };
        let SpannedKind::Map(entries) = &configuration.kind else {
            self.report_wrong_shape(configuration, "/configuration", "configuration", "a mapping");
            return;
        };
        let rules = self.rules;
        for (name, entry) in entries {
            let given = rules.variables().configuration.get(name);
            let declaration = entry.value.to_value();
            let resolved =
                resolve_configuration_entry(given.unwrap_or(&declaration), &|key| rules.environment(key));
            let at = child_pointer("/configuration", name);
            if let Err(error) = resolved {
                let hint = format!("set the environment variable, add a default, or pass --var {name}=VALUE");
                self.error(&entry.value, &at, error.to_string()).hint = Some(hint);
            }
            if given.is_none() && is_dynamic(&declaration) {
                self.check_activity(&entry.value, &at, activity::ActivityPosition::Configuration);
            }
        }
    }

    pub(super) fn check_secrets(&mut self, root: &SpannedValue) {
        let Some(secrets) = root.get("secrets") else { return };
        let SpannedKind::Map(groups) = &secrets.kind else {
            self.report_wrong_shape(secrets, "/secrets", "secrets", "a mapping of groups");
            return;
        };
        for (name, entry) in groups {
            let given = self.rules.variables().secrets.get(name);
            if given.is_none_or(|value| *value == Value::Null) {
                let at = child_pointer("/secrets", name);
                if !matches!(entry.value.kind, SpannedKind::Map(_)) {
                    self.error(&entry.value, &at, "a group of secrets must be a mapping").hint =
                        Some(format!(
                            "put it into a group: \"{name}\": {{\"KEY\": …}}, and refer to it as ${{KEY}}"
                        ));
                }
                self.check_secret(&entry.value, &at);
            }
        }
    }

    fn check_secret(&mut self, node: &SpannedValue, at: &str) {
        let SpannedKind::Map(entries) = &node.kind else { return };
        let text = |key: &str| node.get(key).and_then(SpannedValue::as_text);
        match text("type") {
            Some("env") => match text("key") {
                None => self.report_wrong_shape(
                    node,
                    at,
                    "a secret of type env without a key",
                    "\"key\": the name of an environment variable",
                ),
                Some(key) if self.rules.environment(key).is_none() => {
                    self.error(
                        node,
                        at,
                        format!("Secrets make reference to an environment key that does not exist: {key}"),
                    )
                    .hint =
                        Some("set the environment variable, or pass the group in a --var-file".to_owned());
                }
                Some(_) => {}
            },
            Some("vault") if text("path").is_none() => {
                let message = "Vault secrets must now specify the `path` property. The `key` property is now a key of \
                               a Vault secret rather than the actual path. For instance: {'my-key': {'type': 'vault', \
                               'key': 'foo'}} now becomes: {'my-key': {'type': 'vault', 'path': 'foo'}}";
                let inherited = text("key").is_some();
                self.warning(node, at, message).inherited = inherited;
                self.defer_last();
            }
            Some("vault") => {}
            _ => entries
                .iter()
                .for_each(|(name, entry)| self.check_secret(&entry.value, &child_pointer(at, name))),
        }
    }
}
