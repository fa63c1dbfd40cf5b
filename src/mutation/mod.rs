//! Vocabulary of changes: targets of an action, cancellation, and the observed effect.

mod effect;
mod service_route;
mod stop_token;
mod target;

pub use effect::{Effect, EffectState, NOTHING_CHANGED, NOTHING_MATCHED, ONLY_LOOKED};
pub use service_route::ServiceRoute;
pub use stop_token::StopToken;
pub use target::Target;

/// Callback for the progress per target: index, and whether the change succeeded.
pub type ProgressCallback<'a> = dyn Fn(usize, bool) + Send + Sync + 'a;
