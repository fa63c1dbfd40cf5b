//! Exit codes of all commands.

use crate::event::Signal;
use crate::journal::{Journal, RunVerdict};

use super::shared_args::ExitCodeStyle;

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
  1    deviated: the steady state was not met during or after the method
  7    a journal or another file could not be written
  0    none of these: the steady state, if checked, was met";

/// Result of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExitStatus {
    /// The steady state was met, or the command succeeded.
    Fine,
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

impl ExitStatus {
    /// Returns the exit status of a verdict; an interrupted run has the one of its signal.
    pub(super) fn of(verdict: RunVerdict, signal: Option<Signal>) -> Self {
        match verdict {
            RunVerdict::Held | RunVerdict::Explored | RunVerdict::Dry => Self::Fine,
            RunVerdict::Deviated => Self::Deviated,
            RunVerdict::BaselineNotMet => Self::BaselineNotMet,
            RunVerdict::ActionNotConfirmed => Self::ActionNotConfirmed,
            RunVerdict::Aborted | RunVerdict::Stopped | RunVerdict::Undecided => Self::Stopped,
            RunVerdict::Interrupted => signal.map_or(Self::Stopped, Self::Signal),
            RunVerdict::RollbackIncomplete => Self::RollbackIncomplete,
        }
    }

    /// Returns the precise exit code.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Deviated => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::Unreachable => 4,
            Self::ActionNotConfirmed => 5,
            Self::RollbackIncomplete => 6,
            Self::NotWritten => 7,
            Self::BaselineNotMet => 8,
            Self::Stopped => 9,
            Self::Signal(Signal::Hup) => 129,
            Self::Signal(Signal::Int) => 130,
            Self::Signal(Signal::Usr1) => 138,
            Self::Signal(Signal::Usr2) => 140,
            Self::Signal(Signal::Term) => 143,
        }
    }

    /// Returns the Chaos Toolkit's exit code: 2 for an invalid command line, 1 for every other failure.
    pub(super) fn toolkit_code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Usage => 2,
            _ => 1,
        }
    }

    /// Returns the exit code in the requested style.
    pub(super) fn by(self, codes: ExitCodeStyle) -> u8 {
        match codes {
            ExitCodeStyle::Precise => self.code(),
            ExitCodeStyle::Chaostoolkit => self.toolkit_code(),
        }
    }

    /// Returns the precedence among several results. The order is that of the help.
    pub(super) fn gravity(self) -> u8 {
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
            Self::Fine => 0,
        }
    }

    /// Returns the status with the higher precedence.
    pub(super) fn worst(self, other: Self) -> Self {
        if other.gravity() > self.gravity() { other } else { self }
    }
}

/// Returns the Chaos Toolkit's exit code of a finished run, from its status and its deviation.
pub(super) fn toolkit_code(journal: &Journal) -> u8 {
    let completed = journal.status.is(crate::event::RunStatus::Completed);
    u8::from(!completed || journal.deviated)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ExitStatus; 15] = [
        ExitStatus::Fine,
        ExitStatus::Deviated,
        ExitStatus::Usage,
        ExitStatus::Invalid,
        ExitStatus::Unreachable,
        ExitStatus::ActionNotConfirmed,
        ExitStatus::RollbackIncomplete,
        ExitStatus::NotWritten,
        ExitStatus::BaselineNotMet,
        ExitStatus::Stopped,
        ExitStatus::Signal(Signal::Int),
        ExitStatus::Signal(Signal::Term),
        ExitStatus::Signal(Signal::Hup),
        ExitStatus::Signal(Signal::Usr1),
        ExitStatus::Signal(Signal::Usr2),
    ];

    #[test]
    fn exit_codes_are_unique() {
        let mut codes: Vec<u8> = ALL.iter().map(|exit| exit.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ALL.len());
        assert!(ALL.iter().all(|exit| exit.toolkit_code() <= 2));
    }

    #[test]
    fn worst_status_follows_the_precedence() {
        assert_eq!(ExitStatus::Fine.worst(ExitStatus::NotWritten), ExitStatus::NotWritten);
        assert_eq!(ExitStatus::Deviated.worst(ExitStatus::NotWritten), ExitStatus::Deviated);
        assert_eq!(
            ExitStatus::Deviated.worst(ExitStatus::RollbackIncomplete),
            ExitStatus::RollbackIncomplete
        );
        assert_eq!(
            ExitStatus::RollbackIncomplete.worst(ExitStatus::Signal(Signal::Int)),
            ExitStatus::RollbackIncomplete
        );
    }
}
