//! Shortening of long text.
//!
//! Every function cuts between characters, never inside one.

/// Returns at most `max` characters of a text, and `…` if there are more.
pub fn truncate(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Returns the same on one line: control characters become spaces.
pub fn truncate_line(text: &str, max: usize) -> String {
    let mut short: String = text.chars().take(max).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(max).is_some() {
        short.push('…');
    }
    short
}

/// Returns at most `max` characters of a text, and how many there are if there are more.
pub fn truncate_with_length(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} characters)", &text[..end], text.chars().count()),
    }
}

/// Returns the longest beginning of a text with at most `max` bytes.
pub fn truncate_bytes(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(truncate("short", 5), "short");
        assert_eq!(truncate("éééé", 3), "ééé…");
        assert_eq!(truncate_line("a\n\u{1b}bcd", 4), "a  b…");
        assert_eq!(truncate_line("a\tb", 3), "a b");
        assert_eq!(truncate_bytes("éé", 3), "é");
        assert_eq!(truncate_bytes("éé", 9), "éé");
    }

    #[test]
    fn truncated_text_states_its_length() {
        assert_eq!(truncate_with_length("short", 500), "short");
        let long = "é".repeat(600);
        assert_eq!(truncate_with_length(&long, 500), format!("{}… (600 characters)", "é".repeat(500)));
    }
}
