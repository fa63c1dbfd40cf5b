//! A sentence whose names are marked, so that each report can show them in its own way.

/// A part of a [`Phrase`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhrasePart {
    /// Words, and values of journals.
    Text(String),
    /// A name that a reader may copy, such as that of a probe. Untrusted.
    Name(String),
}

/// A sentence, or a part of one. Nothing in it is escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phrase(Vec<PhrasePart>);

impl Phrase {
    /// Creates a phrase of words.
    pub fn new(text: impl Into<String>) -> Self {
        Self::default().text(text)
    }

    /// Appends words.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        let text = text.into();
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(PhrasePart::Text(last)) => last.push_str(&text),
            _ => self.0.push(PhrasePart::Text(text)),
        }
        self
    }

    /// Appends a name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.0.push(PhrasePart::Name(name.to_owned()));
        self
    }

    /// Appends another phrase.
    #[must_use]
    pub fn then(self, other: Self) -> Self {
        other.0.into_iter().fold(self, |phrase, part| match part {
            PhrasePart::Text(text) => phrase.text(text),
            PhrasePart::Name(name) => phrase.name(&name),
        })
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the parts in order.
    pub fn parts(&self) -> &[PhrasePart] {
        &self.0
    }

    /// Renders the phrase for a terminal: names are in single quotes.
    pub fn to_plain_text(&self) -> String {
        let part = |part: &PhrasePart| match part {
            PhrasePart::Text(text) => text.clone(),
            PhrasePart::Name(name) => crate::text::quote(name),
        };
        self.0.iter().map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_in_plain_text() {
        let phrase = Phrase::new("the ").text("probe ").name("a b").then(Phrase::new("").text(" failed"));
        assert_eq!(phrase.to_plain_text(), "the probe 'a b' failed");
        assert_eq!(phrase.parts().len(), 3);
        assert!(Phrase::new("").is_empty());
    }
}
