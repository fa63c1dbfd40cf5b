//! What an action was aimed at, and whether it was seen to take effect. Floor 0.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::clock::Timestamp;

/// One thing that an action is about to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Its kind, such as `Pod`.
    pub kind: String,
    /// Its namespace; things of the whole cluster have none.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its identity: a name can come back, a UID cannot.
    pub uid: String,
}

/// Who hears what became of the targets, one by one: which of them, and whether it was done.
pub type ProgressCallback<'a> = dyn Fn(usize, bool) + Send + Sync + 'a;

/// Asks what changes several things to end before the next one. A change that was sent is not cut off: it may come
/// about all the same, and overtake what puts things back.
#[derive(Clone, Debug, Default)]
pub struct StopToken(Arc<AtomicBool>);

impl StopToken {
    /// Asks for it.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A Service that a request was sent to, and the way it took.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ServiceRoute {
    /// `NAMESPACE/NAME:PORT`.
    pub service: String,
    /// `proxy`, `port-forward` or `direct`.
    pub access: &'static str,
    /// The Pod, where one was chosen.
    #[serde(skip)]
    pub pod: Option<String>,
}

/// The detail of an action that found things as they were to become.
pub const NOTHING_CHANGED: &str = "it was so already, so that nothing was changed";

/// The detail of an action that changes nothing, whatever it calls itself.
pub const ONLY_LOOKED: &str = "it only looked";

/// The detail of an effect that is confirmed because the experiment allows that there is nothing to hit.
pub const NOTHING_MATCHED: &str = "nothing matched, which the experiment allows";

/// Whether an action took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EffectState {
    /// It was seen to.
    Confirmed,
    /// It was seen not to.
    Mismatch,
    /// It was not seen, within the time there was.
    Unknown,
}

impl EffectState {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Mismatch => "mismatch",
            Self::Unknown => "unknown",
        }
    }
}

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Whether it took effect.
    pub state: EffectState,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When it was seen.
    pub effective_at: Option<Timestamp>,
    /// What was seen.
    pub detail: String,
}
