//! Statistics of small samples: permutation test, effect size, intervals. Plain numbers in, plain numbers out.
//!
//! ```text
//!  permutation     exact rank test of two groups over all splits of the runs
//!  hodges_lehmann  estimate of the difference, and an interval that inverts the test
//!  holm            correction for several tests
//!  wilson          interval of a share
//!  quantile        quantiles and medians
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
