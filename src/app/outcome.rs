//! How a use case ends.

use crate::compare::{ComparisonVerdict, RunComparison};
use crate::event::Signal;
use crate::journal::RunVerdict;

/// How a use case ends. The command line maps it to an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The steady state was met, or the use case succeeded.
    Success,
    /// The steady state was not met during or after the method, the verdict is one of `--fail-on`, or a check failed.
    Deviated,
    /// The command line is invalid. Nothing was changed.
    Usage,
    /// The experiment is invalid or cannot be read. Nothing was changed.
    Invalid,
    /// An action failed, or its effect was not observed.
    ActionNotConfirmed,
    /// A rollback is incomplete.
    RollbackIncomplete,
    /// A file could not be written.
    NotWritten,
    /// The cluster is unreachable or denies a request.
    Unreachable,
    /// The steady state was not met, or could not be measured, before the method; or too few runs met it.
    BaselineNotMet,
    /// A control, a safeguard or a timeout stopped the run, or an unexpected error aborted it.
    Stopped,
    /// A signal interrupted the run.
    Signal(Signal),
}

impl Outcome {
    /// Returns the outcome of a verdict; an interrupted run has the one of its signal.
    pub(crate) fn from_verdict(verdict: RunVerdict, signal: Option<Signal>) -> Self {
        match verdict {
            RunVerdict::Held | RunVerdict::Explored | RunVerdict::Dry => Self::Success,
            RunVerdict::Deviated => Self::Deviated,
            RunVerdict::BaselineNotMet => Self::BaselineNotMet,
            RunVerdict::ActionNotConfirmed => Self::ActionNotConfirmed,
            RunVerdict::Aborted | RunVerdict::Stopped | RunVerdict::Undecided => Self::Stopped,
            RunVerdict::Interrupted => signal.map_or(Self::Stopped, Self::Signal),
            RunVerdict::RollbackIncomplete => Self::RollbackIncomplete,
        }
    }

    /// Returns the outcome of a comparison. The verdicts in `fail_on` are a deviation.
    pub(crate) fn of_comparison(comparison: &RunComparison, fail_on: &[ComparisonVerdict]) -> Self {
        if fail_on.contains(&comparison.verdict) {
            Self::Deviated
        } else if comparison.has_too_few_runs() {
            Self::BaselineNotMet
        } else {
            Self::Success
        }
    }

    /// Returns the precedence among several outcomes. The order is that of the help.
    pub(crate) fn severity(self) -> u8 {
        match self {
            Self::Usage => 10,
            Self::Invalid | Self::Unreachable => 9,
            Self::RollbackIncomplete => 8,
            Self::Signal(_) => 7,
            Self::Stopped => 6,
            Self::ActionNotConfirmed => 5,
            Self::BaselineNotMet => 4,
            Self::Deviated => 3,
            Self::NotWritten => 2,
            Self::Success => 0,
        }
    }

    /// Returns the outcome with the higher precedence.
    pub(crate) fn worst(self, other: Self) -> Self {
        if other.severity() > self.severity() { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worst_outcome_follows_the_precedence() {
        assert_eq!(Outcome::Success.worst(Outcome::NotWritten), Outcome::NotWritten);
        assert_eq!(Outcome::Deviated.worst(Outcome::NotWritten), Outcome::Deviated);
        assert_eq!(Outcome::Deviated.worst(Outcome::RollbackIncomplete), Outcome::RollbackIncomplete);
        assert_eq!(
            Outcome::RollbackIncomplete.worst(Outcome::Signal(Signal::Int)),
            Outcome::RollbackIncomplete
        );
    }
}
