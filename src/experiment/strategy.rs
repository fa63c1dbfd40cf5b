//! The strategies of a run, by their names in files and on the command line. Floor 0.

use std::fmt;

/// When the steady-state hypothesis is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HypothesisStrategy {
    /// Before the method, as a gate, and after it.
    #[default]
    Default,
    /// Before the method only.
    BeforeMethodOnly,
    /// After the method only.
    AfterMethodOnly,
    /// Over and over while the method runs.
    DuringMethodOnly,
    /// Before, during and after.
    Continuously,
    /// Not at all; files and settings may say so, the command line may not.
    Skip,
}

impl HypothesisStrategy {
    /// Every strategy that the command line takes.
    pub const ON_COMMAND_LINE: [Self; 5] = [
        Self::Default,
        Self::BeforeMethodOnly,
        Self::AfterMethodOnly,
        Self::DuringMethodOnly,
        Self::Continuously,
    ];

    /// The strategy of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ON_COMMAND_LINE.into_iter().chain([Self::Skip]).find(|strategy| strategy.name() == name)
    }

    /// Its name in files and on the command line.
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

    /// Whether the hypothesis is a gate before the method.
    pub fn checks_before(self) -> bool {
        matches!(self, Self::Default | Self::BeforeMethodOnly | Self::Continuously)
    }

    /// Whether it is looked at while the method runs.
    pub fn checks_during(self) -> bool {
        matches!(self, Self::DuringMethodOnly | Self::Continuously)
    }

    /// Whether it is looked at after the method.
    pub fn checks_after(self) -> bool {
        matches!(self, Self::Default | Self::AfterMethodOnly | Self::Continuously)
    }
}

/// The name that the console shows, which differs from the one in files for one strategy.
impl fmt::Display for HypothesisStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Continuously { "continuous" } else { self.name() })
    }
}

/// When rollbacks are played.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RollbackStrategy {
    /// Unless the run failed or was interrupted.
    #[default]
    Default,
    /// Always.
    Always,
    /// Never.
    Never,
    /// When the run deviated.
    Deviated,
    /// A name that means nothing, kept as it was written: rollbacks are not played.
    Unknown(String),
}

impl RollbackStrategy {
    /// Every strategy there is.
    pub const ALL: [Self; 4] = [Self::Default, Self::Always, Self::Never, Self::Deviated];

    /// The strategy of that name; an unknown one is kept as such.
    pub fn from_name(name: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.name() == name)
            .unwrap_or_else(|| Self::Unknown(name.to_owned()))
    }

    /// Its name.
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

/// What a dry run leaves out.
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
    /// Every kind there is.
    pub const ALL: [Self; 4] = [Self::Probes, Self::Actions, Self::Activities, Self::Pause];

    /// Its name on the command line and in the journal.
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
