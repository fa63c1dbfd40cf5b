//! Exit codes of all commands.

use super::shared_args::ExitCodeStyle;
use crate::app::{JournalExitCode, Outcome};
use crate::event::{RunStatus, Signal};
use crate::journal::Journal;

/// Exit codes of runs, as the help shows them.
pub(super) const EXIT_CODE_HELP: &str = "\
Exit codes of `run`, by precedence; 2, 3 and 4 guarantee that nothing was changed
(other commands: see their --help):
  2    the command line is invalid
  3    the experiment is invalid or cannot be read
  4    the cluster is unreachable, or rejects the connection before the run
  6    a rollback is incomplete
  130  interrupted by SIGINT (143 by SIGTERM, 129 by SIGHUP)
  9    stopped by a control, a safeguard or --timeout, or aborted by an unexpected error
  5    an action failed, or its effect was not observed
  8    the steady state was not met, or could not be measured, before the method
  1    deviated: the steady state (during or after the method), or a tolerance in the method, was not met
  7    a journal or another file could not be written
  0    none of these: the steady state, if checked, was met";

/// Returns the precise exit code.
pub(super) fn precise_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Success => 0,
        Outcome::Deviated => 1,
        Outcome::Usage => 2,
        Outcome::Invalid => 3,
        Outcome::Unreachable => 4,
        Outcome::ActionNotConfirmed => 5,
        Outcome::RollbackIncomplete => 6,
        Outcome::NotWritten => 7,
        Outcome::BaselineNotMet => 8,
        Outcome::Stopped => 9,
        Outcome::Signal(Signal::Hup) => 129,
        Outcome::Signal(Signal::Int) => 130,
        Outcome::Signal(Signal::Usr1) => 138,
        Outcome::Signal(Signal::Usr2) => 140,
        Outcome::Signal(Signal::Term) => 143,
    }
}

/// Returns the Chaos Toolkit's exit code: 2 for an invalid command line, 1 for every other failure.
fn toolkit_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Success => 0,
        Outcome::Usage => 2,
        _ => 1,
    }
}

impl ExitCodeStyle {
    /// Returns the exit code of an outcome.
    pub(super) fn code(self, outcome: Outcome) -> u8 {
        match self {
            Self::Precise => precise_code(outcome),
            Self::Chaostoolkit => toolkit_code(outcome),
        }
    }

    /// Returns the exit code of a run, from its journal and its outcome.
    pub(super) fn journal_exit_code(self) -> JournalExitCode {
        match self {
            Self::Precise => |_, outcome| precise_code(outcome),
            Self::Chaostoolkit => toolkit_journal_code,
        }
    }
}

/// Returns the Chaos Toolkit's exit code of a finished run, from its status and its deviation.
fn toolkit_journal_code(journal: &Journal, outcome: Outcome) -> u8 {
    let is_failure = !journal.status.is(RunStatus::Completed) || journal.deviated;
    u8::from(is_failure || matches!(outcome, Outcome::NotWritten | Outcome::Signal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Outcome; 15] = [
        Outcome::Success,
        Outcome::Deviated,
        Outcome::Usage,
        Outcome::Invalid,
        Outcome::Unreachable,
        Outcome::ActionNotConfirmed,
        Outcome::RollbackIncomplete,
        Outcome::NotWritten,
        Outcome::BaselineNotMet,
        Outcome::Stopped,
        Outcome::Signal(Signal::Int),
        Outcome::Signal(Signal::Term),
        Outcome::Signal(Signal::Hup),
        Outcome::Signal(Signal::Usr1),
        Outcome::Signal(Signal::Usr2),
    ];

    #[test]
    fn exit_codes_are_unique() {
        let mut codes: Vec<u8> = ALL.iter().map(|outcome| precise_code(*outcome)).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ALL.len());
        assert!(ALL.iter().all(|outcome| toolkit_code(*outcome) <= 2));
    }
}
