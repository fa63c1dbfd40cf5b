//! The strategies of a run, and their names in documents and on the command line.

use std::fmt;

/// When the steady-state hypothesis is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HypothesisStrategy {
    /// Before the method, as a gate, and after it.
    #[default]
    Default,
    /// Before the method only.
    BeforeMethodOnly,
    /// After the method only.
    AfterMethodOnly,
    /// Repeatedly while the method runs.
    DuringMethodOnly,
    /// Before, during and after.
    Continuously,
    /// Never; only documents and settings can set it.
    Skip,
}

impl HypothesisStrategy {
    /// The strategies of the command line.
    pub const ON_COMMAND_LINE: [Self; 5] = [
        Self::Default,
        Self::BeforeMethodOnly,
        Self::AfterMethodOnly,
        Self::DuringMethodOnly,
        Self::Continuously,
    ];

    /// Returns the strategy with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ON_COMMAND_LINE.into_iter().chain([Self::Skip]).find(|strategy| strategy.name() == name)
    }

    /// Returns the name in documents and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::BeforeMethodOnly => "before-method-only",
            Self::AfterMethodOnly => "after-method-only",
            Self::DuringMethodOnly => "during-method-only",
            Self::Continuously => "continuously",
            Self::Skip => "skip",
        }
    }

    /// Returns whether the hypothesis is checked before the method.
    pub fn checks_before(self) -> bool {
        matches!(self, Self::Default | Self::BeforeMethodOnly | Self::Continuously)
    }

    /// Returns whether the hypothesis is checked while the method runs.
    pub fn checks_during(self) -> bool {
        matches!(self, Self::DuringMethodOnly | Self::Continuously)
    }

    /// Returns whether the hypothesis is checked after the method.
    pub fn checks_after(self) -> bool {
        matches!(self, Self::Default | Self::AfterMethodOnly | Self::Continuously)
    }
}

/// Formats the name for the console, which differs for one strategy.
impl fmt::Display for HypothesisStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Continuously { "continuous" } else { self.name() })
    }
}

/// When rollbacks run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RollbackStrategy {
    /// Unless the run failed or was interrupted.
    #[default]
    Default,
    /// Always.
    Always,
    /// Never.
    Never,
    /// If the run deviated.
    Deviated,
    /// An unknown name: rollbacks do not run.
    Unknown(String),
}

impl RollbackStrategy {
    /// All known strategies.
    pub const ALL: [Self; 4] = [Self::Default, Self::Always, Self::Never, Self::Deviated];

    /// Returns the strategy with a name, or [`Self::Unknown`].
    pub fn from_name(name: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.name() == name)
            .unwrap_or_else(|| Self::Unknown(name.to_owned()))
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        match self {
            Self::Default => "default",
            Self::Always => "always",
            Self::Never => "never",
            Self::Deviated => "deviated",
            Self::Unknown(name) => name,
        }
    }
}

/// What a dry run skips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// Probes.
    Probes,
    /// Actions.
    Actions,
    /// Both.
    Activities,
    /// Pauses; every activity runs.
    Pause,
}

impl DryRun {
    pub const ALL: [Self; 4] = [Self::Probes, Self::Actions, Self::Activities, Self::Pause];

    /// Returns the name on the command line and in the journal.
    pub fn name(self) -> &'static str {
        match self {
            Self::Probes => "probes",
            Self::Actions => "actions",
            Self::Activities => "activities",
            Self::Pause => "pause",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategy_names_round_trip() {
        for strategy in HypothesisStrategy::ON_COMMAND_LINE {
            assert_eq!(HypothesisStrategy::from_name(strategy.name()), Some(strategy));
        }
        assert_eq!(HypothesisStrategy::from_name("skip"), Some(HypothesisStrategy::Skip));
        assert_eq!(HypothesisStrategy::from_name("continuous"), None);
        for strategy in RollbackStrategy::ALL {
            assert_eq!(RollbackStrategy::from_name(strategy.name()), strategy);
        }
        assert_eq!(RollbackStrategy::from_name("sometimes").name(), "sometimes");
    }
}
