//! Targets of an action.

use serde::Serialize;

/// Object that an action is about to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The kind, such as `Pod`.
    pub kind: String,
    /// The namespace; absent for cluster-scoped objects.
    pub namespace: Option<String>,
    pub name: String,
    /// The UID: a name can be reused, a UID cannot.
    pub uid: String,
}
