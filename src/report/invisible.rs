//! Texts of others, as far as it concerns every format. Floor 1.

/// Whether a character turns the direction of a text, or is there without being seen: it could make a text look like
/// another one.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A text without such characters, and without those that control anything: what stood there can be seen.
pub(super) fn replace_invisible(text: &str) -> String {
    let shown =
        |c: char| if is_invisible(c) || c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_replaced() {
        let check = |text: &str, expected: &str| assert_eq!(replace_invisible(text), expected, "{text:?}");
        check("plain\ttext\n", "plain\ttext\n");
        check("\u{202e}txt.exe", "\u{fffd}txt.exe");
        check("a\u{0}b\u{1b}[31m\u{85}", "a\u{fffd}b\u{fffd}[31m\u{fffd}");
        check("soft\u{ad}hyphen\u{200d}", "soft\u{fffd}hyphen\u{fffd}");
        check("naïve 😀", "naïve 😀");
    }
}
