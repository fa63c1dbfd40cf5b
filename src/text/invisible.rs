//! Characters that hide or reorder text.

/// Returns whether a character is invisible or changes the direction of text.
///
/// Such a character can make a text look like another one.
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Replaces invisible and control characters by U+FFFD; tabs and line breaks stay.
pub fn replace_invisible(text: &str) -> String {
    let visible =
        |c: char| if is_invisible(c) || c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    text.chars().map(visible).collect()
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
