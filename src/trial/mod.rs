//! Trials: the same experiment before and after a change, each run in a namespace of its own. Floor 2.
//!
//! ```text
//!  manifest   what is deployed, made fit for the namespace of a run
//!  outside    what an experiment would touch or measure beyond it
//!  order      in which order the runs come
//! ```

pub mod manifest;
mod order;
mod outside;

pub use order::{Arm, order};
pub use outside::{Allowed, Bounds, Outside, Place, outside};
