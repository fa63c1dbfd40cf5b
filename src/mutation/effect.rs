//! Effect of an action, as it was observed.

use serde::Serialize;

use crate::clock::Timestamp;

/// Detail of an action whose target was already in the requested state.
pub const NOTHING_CHANGED: &str = "nothing changed: the target was already in the requested state";

/// Detail of an action that is read-only, whatever its type says.
pub const ONLY_LOOKED: &str = "the function is read-only";

/// Detail of an effect that is confirmed because the experiment allows an action without targets.
pub const NOTHING_MATCHED: &str = "no object matched, which the experiment allows";

/// Whether an action took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EffectState {
    /// The effect was observed.
    Confirmed,
    /// The effect is missing.
    Mismatch,
    /// The effect was not observed in time.
    Unknown,
}

impl EffectState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Mismatch => "mismatch",
            Self::Unknown => "unknown",
        }
    }
}

/// Observed effect of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Whether it took effect.
    pub state: EffectState,
    /// Time of the request.
    pub asked_at: Timestamp,
    /// Time of the observation.
    pub effective_at: Option<Timestamp>,
    /// The observation.
    pub detail: String,
}
