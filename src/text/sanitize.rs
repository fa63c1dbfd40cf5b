//! Text that cannot control a terminal.

use std::fmt::Write as _;

/// Makes control characters and bidirectional overrides of a text visible.
///
/// Text from experiments, processes and servers is untrusted: it could move the cursor, or look like other text.
pub fn sanitize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push(c),
            '\u{1b}' => out.push_str("^["),
            '\r' => out.push_str("\\r"),
            c if c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}') =>
            {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Sanitizes a text of several lines; its line breaks stay.
pub fn sanitize_lines(text: &str) -> String {
    text.split('\n').map(sanitize).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sanitized_text_has_no_control_characters() {
        assert_eq!(sanitize("a\u{1b}[31mb\rc\u{7}\t\u{202e}é🎉"), "a^[[31mb\\rc\\u{7}\t\\u{202e}é🎉");
        assert_eq!(sanitize_lines("a\u{7}\nb"), "a\\u{7}\nb");
    }
}
