//! Statistics of small samples: exact tests, effect size, intervals. Plain numbers in, plain numbers out.
//!
//! ```text
//!  outcomes  boschloo         exact test of two failure rates, for a fixed number of runs
//!            race             limits and stops of a trial that runs pairs until the answer is known
//!            clopper_pearson  exact limits of a failure rate
//!            required         runs that would show the difference that was seen
//!            detectable       difference that these runs could have shown
//!            binomial         distributions of counts, for the above
//!  rows      permutation      exact rank test of two groups over all splits of the runs
//!            westfall_young   correction for several rows, and the choice of the rows to test
//!            hodges_lehmann   estimate of the difference, and an interval that inverts the test
//!            quantile         quantiles and medians
//! ```

mod binomial;
mod boschloo;
pub mod clopper_pearson;
mod detectable;
mod hodges_lehmann;
mod permutation;
mod quantile;
mod race;
mod required;
mod westfall_young;

pub use boschloo::{OUTCOME_LEVEL, OutcomeCounts, OutcomeTest, RejectionRegion, boschloo};
pub use detectable::detectable_rate;
pub use hodges_lehmann::{shift, shift_interval};
pub use permutation::{
    GroupSplits, MAX_ENUMERATED_SPLITS, RankedRow, SAMPLED_SPLITS, min_p_value, required_group_size,
};
pub use quantile::{median, quantile};
pub use race::{
    CLEAN_SPLIT_PAIRS, LEAD_LIMITS, LeadLimit, LeadOutcome, MAX_PAIRS, MIN_CHANCE, MIN_PAIRS_WITHOUT_RESULT,
    NextStop, Race, StopReason,
};
pub use required::{MAX_REQUIRED_RUNS, POWER, required_runs};
pub use westfall_young::{adjusted_p, select_rows};
