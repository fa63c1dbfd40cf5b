//! Validates the item of kubectl-chaos in the extensions.

use std::collections::BTreeSet;

use super::Validator;
use crate::diagnostic::suggestion;
use crate::experiment::document::{SpannedKind, SpannedValue};
use crate::experiment::extension::{ALLOW_EMPTY, EXTENSION_NAME};
use crate::experiment::model::{Activity, child_pointer, list_items};
use crate::value::Value;

impl Validator<'_> {
    pub(super) fn check_own_extension(&mut self, root: &SpannedValue) {
        let Some(SpannedKind::List(extensions)) = root.get("extensions").map(|node| &node.kind) else {
            return;
        };
        for (index, item) in extensions.iter().enumerate() {
            if item.get("name").and_then(SpannedValue::as_text) == Some(EXTENSION_NAME) {
                self.check_own_item(root, item, &format!("/extensions/{index}"));
            }
        }
    }

    fn check_own_item(&mut self, root: &SpannedValue, item: &SpannedValue, at: &str) {
        self.warn_unknown_keys(item, at, &["name", "activities"]);
        let Some(activities) = item.get("activities") else { return };
        let at = child_pointer(at, "activities");
        let SpannedKind::Map(entries) = &activities.kind else {
            self.report_wrong_shape(activities, &at, "activities", "a mapping by activity name");
            return;
        };
        let known = activity_names(root);
        for (name, entry) in entries {
            let at = child_pointer(&at, name);
            if !known.contains(name) {
                let hint = suggestion(name, known.iter().map(String::as_str));
                let message = format!("unknown activity '{name}'");
                self.error(&entry.value, &at, message).hint = hint;
            }
            if !matches!(entry.value.kind, SpannedKind::Map(_)) {
                let expected = format!("a mapping with \"{ALLOW_EMPTY}\"");
                self.report_wrong_shape(&entry.value, &at, "the settings of an activity", &expected);
            }
            self.warn_unknown_keys(&entry.value, &at, &[ALLOW_EMPTY]);
            let allowed = entry.value.get(ALLOW_EMPTY);
            if let Some(allowed) =
                allowed.filter(|allowed| !matches!(allowed.kind, SpannedKind::Scalar(Value::Bool(_))))
            {
                self.report_wrong_shape(
                    allowed,
                    &child_pointer(&at, ALLOW_EMPTY),
                    ALLOW_EMPTY,
                    "true or false",
                );
            }
        }
    }
}

/// Returns the names of all activities.
fn activity_names(root: &SpannedValue) -> BTreeSet<String> {
    let probes = root.get("steady-state-hypothesis").map(|hypothesis| list_items(hypothesis, "probes"));
    let lists = [list_items(root, "method"), list_items(root, "rollbacks"), probes.unwrap_or_default()];
    lists.into_iter().flatten().filter_map(Activity::name_of).collect()
}
