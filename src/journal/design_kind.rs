//! The design of a trial, as a word of the journal.

use serde::Serialize;

/// Whether the number of runs depends on their outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DesignKind {
    /// The number is decided before the first run.
    Fixed,
    /// The trial ends with the pair after which the answer is known.
    Auto,
}
