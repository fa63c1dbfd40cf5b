//! What changed between two sets of runs of one experiment, and how sure that is. Floor 1.
//!
//! ```text
//!  Record ─► outcome   held, failed, or void and why        ─┐
//!         ─► labels    what else was different               ├─► verdict ─► Comparison
//!         ─► rows      per probe: how far, and is it chance ─┘
//! ```
//!
//! The run is the unit: no test is fed with samples, which hang together within a run. What is found is the same
//! for the same journals and the same seed.

mod comparison;
mod margin;
mod row;
mod wording;

pub use comparison::{
    AfterState, Arm, ArmCount, Arms, Comparison, Evidence, Label, LabelKind, Needed, Outcome, RunRow, Verdict,
};
pub use margin::Margin;
pub use row::{Measure, Observed, Row, Side, Standing};

/// The name of the schema of a [`Comparison`] as JSON.
pub const SCHEMA: &str = "kubectl-chaos/comparison/v1";
/// The level of every test: what is called a difference comes by chance in at most this share of comparisons.
pub const LEVEL: f64 = 0.05;
/// From how many valid runs per arm on an answer is more than seen once.
pub const ENOUGH_RUNS: u32 = 3;

/// How to compare.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What draws by chance begin with, where there are too many splits to go through.
    pub seed: u64,
    /// Which differences are too small to matter.
    pub margin: Margin,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, margin: Margin::default() }
    }
}
