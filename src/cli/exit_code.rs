//! The exit codes, in one place. Floor 3.

use crate::event::Signal;
use crate::journal::{Journal, RunVerdict};

use super::args::ExitCodeStyle;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExitStatus {
    /// Everything held.
    Fine,
    /// The steady state was not met during or after the method; or the answer is one to fail on;
    /// or something is wrong that was looked for.
    Deviated,
    /// The command line is wrong. Nothing was touched.
    Usage,
    /// The experiment is invalid, or cannot be read. Nothing was touched.
    Invalid,
    /// An action failed, or was not seen to take effect.
    ActionNotConfirmed,
    /// A rollback is incomplete.
    RollbackIncomplete,
    /// A file could not be written.
    NotWritten,
    /// The cluster cannot be reached, or refuses.
    Unreachable,
    /// The steady state was not met, or could not be measured, to begin with; or there are too few runs in which
    /// it was.
    BaselineNotMet,
    /// Something stopped the run, or an unexpected error aborted it.
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

    /// The number.
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

    /// The number by the Chaos Toolkit's rules: 2 for the command line, 1 for everything else that is not fine.
    pub(super) fn toolkit_code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Usage => 2,
            _ => 1,
        }
    }

    /// The number by the rules that were asked for.
    pub(super) fn by(self, codes: ExitCodeStyle) -> u8 {
        match codes {
            ExitCodeStyle::Precise => self.code(),
            ExitCodeStyle::Chaostoolkit => self.toolkit_code(),
        }
    }

    /// How serious it is: of several, the more serious one counts. The order is the one of the help.
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

    /// Of several, the one that counts.
    pub(super) fn worst(self, other: Self) -> Self {
        if other.gravity() > self.gravity() { other } else { self }
    }
}

/// The exit code of a finished run by the Chaos Toolkit's rules: what its status and its deviation say.
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
    fn every_code_is_its_own() {
        let mut codes: Vec<u8> = ALL.iter().map(|exit| exit.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ALL.len());
        assert!(ALL.iter().all(|exit| exit.toolkit_code() <= 2));
    }

    #[test]
    fn the_more_serious_counts() {
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
