//! The item of kubectl-chaos in the `extensions` of an experiment.
//!
//! ```json
//! {"name": "kubectl-chaos", "activities": {"kill the canary": {"allow-empty": true}}}
//! ```

use std::collections::BTreeSet;

use crate::value::Value;

/// The name of the item.
pub(super) const EXTENSION_NAME: &str = "kubectl-chaos";
/// The key that allows an activity without targets.
pub(super) const ALLOW_EMPTY: &str = "allow-empty";

/// The settings of the item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExperimentExtension {
    may_be_empty: BTreeSet<String>,
}

impl ExperimentExtension {
    /// Reads the item of an experiment; unknown entries are ignored.
    pub(super) fn read(experiment: &Value) -> Self {
        let items = experiment.get("extensions").and_then(Value::as_list).unwrap_or_default();
        let ours =
            items.iter().filter(|item| item.get("name").and_then(Value::as_text) == Some(EXTENSION_NAME));
        let activities = ours.filter_map(|item| item.get("activities")?.as_map()).flatten();
        let allowed = activities.filter(|(_, said)| said.get(ALLOW_EMPTY).is_some_and(Value::is_truthy));
        Self { may_be_empty: allowed.map(|(name, _)| name.clone()).collect() }
    }

    /// Returns whether an activity may have no targets.
    pub fn allows_empty(&self, activity: &str) -> bool {
        self.may_be_empty.contains(activity)
    }
}
