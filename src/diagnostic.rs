//! Diagnostics of a document: position, message and hint.

use std::fmt;

use serde::Serialize;

/// The severity of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Prevents the run.
    Error,
    /// Does not prevent the run.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// A position in a file. Line and column count from 1; columns are characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// An error or warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// The file or URL.
    pub file: String,
    /// The position in the file, if it has one.
    #[serde(flatten)]
    pub position: Option<Position>,
    /// The JSON pointer of the value (RFC 6901); empty for the whole document.
    pub path: String,
    pub message: String,
    /// The expected value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What the user can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether the Chaos Toolkit has the same warning; the console then shows it in the same form.
    #[serde(skip)]
    pub inherited: bool,
}

impl Diagnostic {
    /// Creates an error of the whole file.
    pub fn for_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: file.into(),
            position: None,
            path: String::new(),
            message: message.into(),
            expected: None,
            hint: None,
            inherited: false,
        }
    }

    /// Adds the position.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    /// Returns position and message on one line, as a cause of another error: `file:line:column: message`.
    pub fn summary(&self) -> String {
        let position = self.position.map(|position| format!(":{position}")).unwrap_or_default();
        let message: Vec<&str> = self.message.lines().map(str::trim).collect();
        format!("{}{position}: {}", self.file, message.join(", "))
    }

    /// Returns the hint, or what is expected if there is none.
    pub fn advice(&self) -> Option<String> {
        let expected = || self.expected.as_ref().map(|expected| format!("expected: {expected}"));
        self.hint.clone().or_else(expected)
    }

    /// Adds the hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Formats as `file:line:column: error: message`, followed by path, expected value and hint on separate lines.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let Some(position) = self.position {
            write!(f, "{position}:")?;
        }
        write!(f, " {}: {}", self.severity, self.message)?;
        if !self.path.is_empty() {
            write!(f, "\n    at: {}", self.path)?;
        }
        if let Some(expected) = &self.expected {
            write!(f, "\n    expected: {expected}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n    hint: {hint}")?;
        }
        Ok(())
    }
}

/// Returns the candidate that is most similar to `word`, if `word` looks like a typo.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |text: &str| text.to_lowercase().replace('_', "-");
    let folded = fold(word);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns the hint `did you mean "…"?` for a typo.
pub fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    did_you_mean(word, candidates).map(|candidate| format!("did you mean \"{candidate}\"?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_get_suggestions_and_other_words_do_not() {
        let known = ["title", "description", "method", "steady-state-hypothesis", "rollbacks"];
        let check = |word: &str, expected: Option<&str>| assert_eq!(did_you_mean(word, known), expected);
        check("tilte", Some("title"));
        check("Title", Some("title"));
        check("steady_state_hypothesis", Some("steady-state-hypothesis"));
        check("rollback", Some("rollbacks"));
        check("methods", Some("method"));
        check("owner", None);
        check("x", None);
    }

    #[test]
    fn display_has_position_message_and_hint() {
        let mut diagnostic =
            Diagnostic::for_file("e.json", "it is wrong").at(Position { line: 3, column: 7 }).hint("mend it");
        diagnostic.path = "/method/0".to_owned();
        diagnostic.expected = Some("a list".to_owned());
        assert_eq!(
            diagnostic.to_string(),
            "e.json:3:7: error: it is wrong\n    at: /method/0\n    expected: a list\n    hint: mend it"
        );
    }
}
