//! Progress of an activity.

/// Progress of an activity while it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActivityProgress {
    /// The result for a target is known: its index, and whether the change succeeded.
    TargetDone { target: usize, done: bool },
    /// A fact that the user needs while the activity runs.
    Note(String),
}
