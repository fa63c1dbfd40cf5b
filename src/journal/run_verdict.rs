//! The verdict of a run: one word, from which the exit code follows.

/// The verdict of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunVerdict {
    /// Every check met the hypothesis, and every action took effect.
    Held,
    /// The run has no hypothesis; every action took effect.
    Explored,
    /// The run skipped activities; what it ran succeeded.
    Dry,
    /// The hypothesis was not met during or after the method.
    Deviated,
    /// The hypothesis was not met, or could not be measured, before the method.
    BaselineNotMet,
    /// An action failed, or its effect was not observed.
    ActionNotConfirmed,
    /// An unexpected error ended the run.
    Aborted,
    /// A control, a safeguard or the timeout stopped the run.
    Stopped,
    /// A signal ended the run.
    Interrupted,
    /// Rollbacks began, and not all of them succeeded.
    RollbackIncomplete,
    /// The entries of the journal do not decide. No run of this program ends so.
    Undecided,
}

impl RunVerdict {
    /// Every verdict.
    pub const ALL: [Self; 11] = [
        Self::Held,
        Self::Explored,
        Self::Dry,
        Self::Deviated,
        Self::BaselineNotMet,
        Self::ActionNotConfirmed,
        Self::Aborted,
        Self::Stopped,
        Self::Interrupted,
        Self::RollbackIncomplete,
        Self::Undecided,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Explored => "explored",
            Self::Dry => "dry",
            Self::Deviated => "deviated",
            Self::BaselineNotMet => "baseline-not-met",
            Self::ActionNotConfirmed => "action-not-confirmed",
            Self::Aborted => "aborted",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
            Self::RollbackIncomplete => "rollback-incomplete",
            Self::Undecided => "undecided",
        }
    }
}
