//! Errors of comparisons.

use super::{Arm, MAX_RUNS};
use crate::error_code::{Coded, ErrorCode};

/// A reason why two sets of runs cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("there is no run {} the change", .0.name())]
    NoRuns(Arm),
    #[error("too many runs {} the change: {count}, expected at most {MAX_RUNS}", arm.name())]
    TooManyRuns { arm: Arm, count: usize },
    #[error("{first} and {second} are journals of the same run")]
    SameRun { first: String, second: String },
    #[error(
        "{first} and {second} checked the steady state at different times \
         (--hypothesis-strategy {first_strategy} and {second_strategy})"
    )]
    DifferentStrategies { first: String, second: String, first_strategy: String, second_strategy: String },
    #[error("{first} ({first_title}) and {second} ({second_title}) are runs of different experiments")]
    DifferentExperiments { first: String, second: String, first_title: String, second_title: String },
    #[error("no run sampled probe {probe} of the primary metric")]
    PrimaryNotSampled { probe: String, probes: String },
    #[error("the journals have samples of too many probes: {0}")]
    TooManyProbes(usize),
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        ErrorCode::CompareInput
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoRuns(_) => "pass at least one journal before and one after the change",
            Self::SameRun { .. } => "pass each run once",
            Self::DifferentStrategies { .. } => "compare runs with the same --hypothesis-strategy",
            Self::DifferentExperiments { .. } => "compare runs of one version of one experiment",
            Self::PrimaryNotSampled { probes, .. } => {
                return Some(format!("choose one of the sampled probes: {probes}"));
            }
            Self::TooManyRuns { .. } | Self::TooManyProbes(_) => return None,
        };
        Some(hint.to_owned())
    }
}
