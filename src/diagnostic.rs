//! What is wrong with something a person wrote: where, what, and what to do. Floor 0.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing runs until it is mended.
    Error,
    /// It runs; somebody should look.
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

/// A place in a file. Both count from one; the column counts characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One fault or doubt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file or address it is in.
    pub file: String,
    /// Where in the file, when it has a place there.
    #[serde(flatten)]
    pub position: Option<Position>,
    /// Where in the document: a JSON pointer (RFC 6901), empty for the whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether the Chaos Toolkit has this warning too, in these words: the console then shows it as it does.
    #[serde(skip)]
    pub inherited: bool,
}

impl Diagnostic {
    /// A fault of the file as a whole.
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

    /// The same at a place.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    /// The same with what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// `file:line:column: error: message (path)`, then what was expected and the hint, each on a line of its own.
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

/// What somebody may have meant by `word`: the nearest candidate, if it is near enough to be a slip.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |text: &str| text.to_lowercase().replace('_', "-");
    let wanted = fold(word);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean "…"?`, for a hint.
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
