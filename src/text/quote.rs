//! Names, sentences and plurals in messages.

use super::truncate_line;

/// The longest untrusted text in a sentence, in characters.
const MAX_IN_SENTENCE: usize = 120;

/// Shortens an untrusted text for a sentence, on one line.
pub fn shorten(text: &str) -> String {
    truncate_line(text, MAX_IN_SENTENCE)
}

/// Puts an untrusted name into single quotes, shortened and on one line.
pub fn quote(name: &str) -> String {
    format!("'{}'", shorten(name))
}

/// Formats a count with its noun: `1 run`, `3 runs`.
pub fn pluralize(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Makes a sentence of a phrase: a capital letter and a full stop.
pub fn to_sentence(phrase: &str) -> String {
    if phrase.is_empty() { String::new() } else { capitalize(phrase) + "." }
}

/// Makes the first letter a capital.
pub fn capitalize(phrase: &str) -> String {
    let mut letters = phrase.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_name_is_short_and_on_one_line() {
        assert_eq!(quote("a\nb"), "'a b'");
        assert_eq!(quote(&"x".repeat(121)), format!("'{}…'", "x".repeat(120)));
    }

    #[test]
    fn counts_have_their_plural() {
        assert_eq!([0, 1, 2].map(|count| pluralize(count, "run")), ["0 runs", "1 run", "2 runs"]);
    }

    #[test]
    fn sentence_has_capital_and_full_stop() {
        assert_eq!(to_sentence("all 3 runs held"), "All 3 runs held.");
        assert_eq!(to_sentence("éa"), "Éa.");
        assert_eq!(to_sentence(""), "");
    }
}
