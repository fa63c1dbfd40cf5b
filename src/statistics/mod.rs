//! Statistics over a handful of runs: how often chance alone gives as much, and within which limits a value lies.
//! Plain numbers in, plain numbers out. Floor 0.
//!
//! ```text
//!  rank          how two groups stand to each other: an exact test over all ways of splitting the runs
//!  shift         by how much: an estimate, and an interval that is that test turned round
//!  several       what is left of it where several things are tested at once
//!  proportion    an interval for a share
//!  quantile      medians
//! ```

mod hodges_lehmann;
mod holm;
mod permutation;
mod quantile;
mod wilson;

pub use hodges_lehmann::{shift, shift_interval};
pub use holm::holm_adjust;
pub use permutation::{GroupSplits, MAX_SPLITS, can_differ, min_p_value, required_group_size};
pub use quantile::{median, quantile};
pub use wilson::wilson_interval;
