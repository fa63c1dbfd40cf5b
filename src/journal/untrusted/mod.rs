//! Untrusted journals: limits on what they contain, and a verdict that follows from their entries alone.

mod limits;
mod recompute;

pub use limits::LimitError;
pub(super) use limits::check_limits;
pub(super) use recompute::recompute;
