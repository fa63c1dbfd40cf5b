//! Vocabulary of changes: targets of an action, its progress, cancellation, and the observed effect.

mod effect;
mod progress;
mod service_route;
mod stop_token;
mod target;

pub use effect::{Effect, EffectState, NOTHING_CHANGED, NOTHING_MATCHED, ONLY_LOOKED};
pub use progress::ActivityProgress;
pub use service_route::ServiceRoute;
pub use stop_token::StopToken;
pub use target::Target;

/// Callback for the progress of an activity.
pub type ProgressCallback<'a> = dyn Fn(ActivityProgress) + Send + Sync + 'a;
