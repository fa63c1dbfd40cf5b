//! Trials: the same experiment before and after a change, each run in a namespace of its own. Floor 2.
//!
//! ```text
//!  manifest   what is deployed, made fit for the namespace of a run
//!  outside    what an experiment would touch or measure beyond it
//!  order      in which order the runs come
//!  standing   what stands where a trial in place puts its own
//!  kept       what a Secret says of it, and how far that is believed
//!  stage      the namespace of a run: made, filled, ready, removed
//! ```

mod kept;
pub mod manifest;
mod order;
mod outside;
mod stage;
mod standing;

pub use kept::Fate;
pub use order::{Arm, order};
pub use outside::{Allowed, Bounds, Outside, Place, activities, outside};
pub use stage::{Intent, Resolved, Stage, replicas};
pub use standing::{Misfit, Outlook, Standing, Voucher};
