//! Words of the journal format that a reader may not know.

use std::fmt;

use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use super::{DesignKind, RunVerdict};
use crate::event::{RunPhase, RunStatus};
use crate::experiment::HypothesisStrategy;
use crate::mutation::EffectState;

/// A closed set of words, as this version knows it.
pub trait Vocabulary: Copy + PartialEq + 'static {
    /// Every word of the set.
    const ALL: &'static [Self];

    /// Returns the word as the journal has it.
    fn word(self) -> &'static str;
}

/// A word of a vocabulary; readers also accept words that this version does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keyword<T> {
    /// A word that this version knows.
    Known(T),
    /// Any other word, as read.
    Unknown(String),
}

impl<T: Vocabulary> Keyword<T> {
    /// Reads a word.
    pub fn parse(word: &str) -> Self {
        let keyword = T::ALL.iter().copied().find(|keyword| keyword.word() == word);
        keyword.map_or_else(|| Self::Unknown(word.to_owned()), Self::Known)
    }

    /// Returns the word, if this version knows it.
    pub fn known(&self) -> Option<T> {
        match self {
            Self::Known(known) => Some(*known),
            Self::Unknown(_) => None,
        }
    }

    /// Whether this is the given word.
    pub fn is(&self, known: T) -> bool {
        self.known() == Some(known)
    }

    /// Returns the word as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(known) => known.word(),
            Self::Unknown(word) => word,
        }
    }
}

impl<T> Default for Keyword<T> {
    fn default() -> Self {
        Self::Unknown(String::new())
    }
}

impl<T> From<T> for Keyword<T> {
    fn from(known: T) -> Self {
        Self::Known(known)
    }
}

impl<T: Vocabulary> fmt::Display for Keyword<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<T: Vocabulary> Serialize for Keyword<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de, T: Vocabulary> Deserialize<'de> for Keyword<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Ok(match Self::parse(&word) {
            Self::Unknown(_) => Self::Unknown(word),
            known @ Self::Known(_) => known,
        })
    }
}

/// Result of an activity in its journal entry. Aborted and cancelled activities have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryStatus {
    Succeeded,
    Failed,
}

impl Vocabulary for EntryStatus {
    const ALL: &'static [Self] = &[Self::Succeeded, Self::Failed];

    fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

impl Vocabulary for RunStatus {
    const ALL: &'static [Self] = &[Self::Completed, Self::Failed, Self::Aborted, Self::Interrupted];

    fn word(self) -> &'static str {
        self.name()
    }
}

impl Vocabulary for RunPhase {
    const ALL: &'static [Self] = &[Self::Before, Self::Method, Self::During, Self::After, Self::Rollbacks];

    fn word(self) -> &'static str {
        self.name()
    }
}

impl Vocabulary for EffectState {
    const ALL: &'static [Self] = &[Self::Confirmed, Self::Mismatch, Self::Unknown];

    fn word(self) -> &'static str {
        self.name()
    }
}

impl Vocabulary for RunVerdict {
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.name()
    }
}

impl Vocabulary for HypothesisStrategy {
    const ALL: &'static [Self] = &[
        Self::Default,
        Self::BeforeMethodOnly,
        Self::AfterMethodOnly,
        Self::DuringMethodOnly,
        Self::Continuously,
        Self::Skip,
    ];

    fn word(self) -> &'static str {
        self.name()
    }
}

impl Vocabulary for DesignKind {
    const ALL: &'static [Self] = &[Self::Fixed, Self::Auto];

    fn word(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Auto => "auto",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keywords_round_trip<T: Vocabulary + fmt::Debug>() {
        for known in T::ALL {
            assert_eq!(Keyword::parse(known.word()), Keyword::Known(*known));
        }
        assert_eq!(Keyword::<T>::parse("new").as_str(), "new");
    }

    #[test]
    fn every_keyword_round_trips() {
        keywords_round_trip::<EntryStatus>();
        keywords_round_trip::<RunStatus>();
        keywords_round_trip::<RunPhase>();
        keywords_round_trip::<EffectState>();
        keywords_round_trip::<RunVerdict>();
        keywords_round_trip::<HypothesisStrategy>();
        keywords_round_trip::<DesignKind>();
    }
}
