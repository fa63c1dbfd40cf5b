//! The faults of our own item of the extensions. Floor 0.

use std::collections::BTreeSet;

use super::Validator;
use crate::diagnostic::suggestion;
use crate::experiment::activity::{Activity, child, items};
use crate::experiment::document::{SpannedKind, SpannedValue};
use crate::experiment::extension::{ALLOW_EMPTY, NAME};
use crate::value::Value;

impl<'a> Validator<'a> {
    pub(super) fn extension(&mut self, root: &'a SpannedValue) {
        let Some(SpannedKind::List(extensions)) = root.get("extensions").map(|node| &node.kind) else {
            return;
        };
        for (index, item) in extensions.iter().enumerate() {
            if item.get("name").and_then(SpannedValue::as_text) == Some(NAME) {
                self.our_item(root, item, &format!("/extensions/{index}"));
            }
        }
    }

    fn our_item(&mut self, root: &'a SpannedValue, item: &'a SpannedValue, at: &str) {
        self.unknown_keys(item, at, &["name", "activities"]);
        let Some(activities) = item.get("activities") else { return };
        let at = child(at, "activities");
        let SpannedKind::Map(entries) = &activities.kind else {
            self.wrong_shape(activities, &at, "activities", "a mapping of names of activities");
            return;
        };
        let known = named(root);
        for (name, entry) in entries {
            let at = child(&at, name);
            if !known.contains(name) {
                let hint = suggestion(name, known.iter().map(String::as_str));
                let message = format!("there is no activity '{name}' in the experiment");
                self.error(&entry.value, &at, message).hint = hint;
            }
            self.unknown_keys(&entry.value, &at, &[ALLOW_EMPTY]);
            let said = entry.value.get(ALLOW_EMPTY);
            if let Some(said) = said.filter(|said| !matches!(said.kind, SpannedKind::Scalar(Value::Bool(_))))
            {
                self.wrong_shape(said, &child(&at, ALLOW_EMPTY), ALLOW_EMPTY, "true or false");
            }
        }
    }
}

/// The names of all activities.
fn named(root: &SpannedValue) -> BTreeSet<String> {
    let probes = root.get("steady-state-hypothesis").map(|hypothesis| items(hypothesis, "probes"));
    let lists = [items(root, "method"), items(root, "rollbacks"), probes.unwrap_or_default()];
    lists.into_iter().flatten().filter_map(Activity::name_of).collect()
}
