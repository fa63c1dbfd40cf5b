//! Flags of the runs of a trial: how many, and which at the same time.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::parse::integer_in;
use crate::app::AppError;
use crate::app::trial::{DEFAULT_MAX_PAIRS, ParallelMode};
use crate::error_code::ErrorCode;
use crate::statistics::MAX_PAIRS;
use crate::trial::Repetition;

/// Maximum number of runs per arm.
const MAX_RUNS: u32 = 100;

/// Value of `--repeat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RepeatArg {
    Auto,
    Runs(u32),
}

#[derive(Args, Clone, Debug, Default)]
pub(super) struct RepetitionArgs {
    /// Number of runs per arm of a trial; auto runs pairs until the answer is known [default: auto]
    #[arg(long, value_name = "N|auto", value_parser = parse_repeat)]
    repeat: Option<RepeatArg>,
    /// Maximum number of pairs of --repeat auto, 1 to 20 [default: 10]
    #[arg(long, value_name = "N", value_parser = integer_in(1..=MAX_PAIRS))]
    max_repeat: Option<u32>,
    /// Runs of a trial at the same time: none, pair (before and after), or a number of pairs [default: pair if every
    /// container has requests and both arms fit in the cluster, otherwise none]
    #[arg(long, value_name = "none|pair|N", value_parser = parse_parallel)]
    parallel: Option<ParallelMode>,
    /// Output directory of an earlier trial of the same experiment: its runs before the change are used, and only the
    /// arm after the change runs
    #[arg(
        long,
        value_name = "DIR",
        value_hint = ValueHint::DirPath,
        conflicts_with_all = ["before", "repeat", "max_repeat"]
    )]
    baseline: Option<PathBuf>,
}

impl RepetitionArgs {
    /// Returns the first flag that is given.
    pub(super) fn first_given(&self) -> Option<&'static str> {
        let flags = [
            ("--repeat", self.repeat.is_some()),
            ("--max-repeat", self.max_repeat.is_some()),
            ("--parallel", self.parallel.is_some()),
            ("--baseline", self.baseline.is_some()),
        ];
        flags.into_iter().find_map(|(flag, is_given)| is_given.then_some(flag))
    }

    /// Rejects flags that contradict each other.
    pub(super) fn check(&self) -> Result<(), AppError> {
        match (self.repeat, self.max_repeat) {
            (Some(RepeatArg::Runs(_)), Some(_)) => {
                let message = "--max-repeat applies only to --repeat auto";
                Err(AppError::new(ErrorCode::UsageInvalid, message).with_hint("omit --max-repeat"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn repetition(&self) -> Repetition {
        match self.repeat {
            Some(RepeatArg::Runs(runs)) => Repetition::Fixed(runs),
            Some(RepeatArg::Auto) | None => {
                Repetition::Auto { max_pairs: self.max_repeat.unwrap_or(DEFAULT_MAX_PAIRS) }
            }
        }
    }

    pub(super) fn parallel(&self) -> ParallelMode {
        self.parallel.unwrap_or(ParallelMode::Auto)
    }

    pub(super) fn baseline(&self) -> Option<PathBuf> {
        self.baseline.clone()
    }
}

fn parse_repeat(text: &str) -> Result<RepeatArg, String> {
    if text == "auto" {
        return Ok(RepeatArg::Auto);
    }
    let runs = integer_in(1..=MAX_RUNS)(text);
    runs.map(RepeatArg::Runs).map_err(|error| format!("{error}, or auto"))
}

fn parse_parallel(text: &str) -> Result<ParallelMode, String> {
    match text {
        "none" => Ok(ParallelMode::None),
        "pair" => Ok(ParallelMode::Pairs(1)),
        number => {
            let pairs = integer_in(1..=MAX_PAIRS)(number);
            pairs.map(ParallelMode::Pairs).map_err(|error| format!("{error}, or none, or pair"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeat_is_a_number_or_auto() {
        assert_eq!(parse_repeat("auto"), Ok(RepeatArg::Auto));
        assert_eq!(parse_repeat("7"), Ok(RepeatArg::Runs(7)));
        for invalid in ["0", "101", "Auto", ""] {
            assert_eq!(parse_repeat(invalid).unwrap_err(), "expected an integer from 1 to 100, or auto");
        }
    }

    #[test]
    fn parallel_is_none_a_pair_or_a_number_of_pairs() {
        assert_eq!(parse_parallel("none"), Ok(ParallelMode::None));
        assert_eq!(parse_parallel("pair"), Ok(ParallelMode::Pairs(1)));
        assert_eq!(parse_parallel("3"), Ok(ParallelMode::Pairs(3)));
        for invalid in ["0", "21", "auto", ""] {
            let error = parse_parallel(invalid).unwrap_err();
            assert_eq!(error, "expected an integer from 1 to 20, or none, or pair");
        }
    }

    #[test]
    fn maximum_of_a_fixed_number_is_rejected() {
        let args = |repeat, max_repeat| RepetitionArgs { repeat, max_repeat, ..RepetitionArgs::default() };
        assert!(args(Some(RepeatArg::Runs(3)), Some(5)).check().is_err());
        assert!(args(Some(RepeatArg::Auto), Some(5)).check().is_ok());
        let auto = args(None, Some(5));
        assert!(auto.check().is_ok());
        assert_eq!(auto.repetition(), Repetition::Auto { max_pairs: 5 });
    }
}
