//! Our own item of the format's `extensions`: what an experiment says to this program alone. Floor 0.
//!
//! ```json
//! {"name": "kubectl-chaos", "activities": {"kill the canary": {"allow-empty": true}}}
//! ```

use std::collections::BTreeSet;

use crate::value::Value;

/// The name of the item.
pub(super) const EXTENSION_NAME: &str = "kubectl-chaos";
/// The key with which an activity may match nothing.
pub(super) const ALLOW_EMPTY: &str = "allow-empty";

/// What the item says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExperimentExtension {
    may_be_empty: BTreeSet<String>,
}

impl ExperimentExtension {
    /// Reads it out of an experiment; what is not understood is passed over.
    pub(super) fn read(experiment: &Value) -> Self {
        let items = experiment.get("extensions").and_then(Value::as_list).unwrap_or_default();
        let ours =
            items.iter().filter(|item| item.get("name").and_then(Value::as_text) == Some(EXTENSION_NAME));
        let activities = ours.filter_map(|item| item.get("activities")?.as_map()).flatten();
        let allowed = activities.filter(|(_, said)| said.get(ALLOW_EMPTY).is_some_and(Value::is_truthy));
        Self { may_be_empty: allowed.map(|(name, _)| name.clone()).collect() }
    }

    /// Whether an activity that matches nothing is as good as one that does something.
    pub fn allows_empty(&self, activity: &str) -> bool {
        self.may_be_empty.contains(activity)
    }
}
