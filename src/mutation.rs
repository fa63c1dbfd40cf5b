//! Targets of an action, cancellation, and the observed effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::clock::Timestamp;

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

/// Progress of an activity while it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActivityProgress {
    /// The result for a target is known: its index, and whether the change succeeded.
    TargetDone { target: usize, done: bool },
    /// A fact that the user needs while the activity runs.
    Note(String),
}

/// Callback for the progress of an activity.
pub type ProgressCallback<'a> = dyn Fn(ActivityProgress) + Send + Sync + 'a;

/// Cooperative cancellation: stops before the next operation.
///
/// A request that was sent completes: it could still take effect, after the rollback.
#[derive(Clone, Debug, Default)]
pub struct StopToken(Arc<AtomicBool>);

impl StopToken {
    /// Requests the stop.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was requested.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Service that received a request, and the route to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ServiceRoute {
    /// `NAMESPACE/NAME:PORT`.
    pub service: String,
    /// `proxy`, `port-forward` or `direct`.
    pub access: &'static str,
    /// The Pod, if one was chosen.
    #[serde(skip)]
    pub pod: Option<String>,
}

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
