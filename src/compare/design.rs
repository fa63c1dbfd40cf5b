//! How the number of runs was decided, which determines the rule of the comparison.

use serde::Serialize;

use crate::journal::DesignKind;

/// How the number of runs was decided.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Design {
    pub kind: DesignKind,
    /// The planned pairs of runs, of an automatic trial the maximum; none if the journals do not state it.
    pub max_pairs: Option<u32>,
    /// The pairs that count in an automatic trial.
    pub pairs: Option<u32>,
    /// Whether every journal states the design. If not, it is unknown whether the outcomes decided the number of runs.
    pub stated: bool,
    /// Why an automatic trial ended; none if it ended before its answer was known.
    pub stop: Option<StopRule>,
}

/// Why an automatic trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopRule {
    /// After three pairs, every run of one arm had failed and every run of the other had held.
    CleanSplit,
    /// One arm was so far ahead of the other that chance rarely explains it.
    Lead,
    /// After five pairs or more, every run had the same outcome.
    SameOutcome,
    /// An answer within the maximum number of pairs had become unlikely.
    Unlikely,
    /// The maximum number of pairs was reached.
    MaxPairs,
}
