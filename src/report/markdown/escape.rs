//! Escapes untrusted text in Markdown.
//!
//! On GitHub, text can mention users, refer to issues, link, become HTML or break a table. Markdown characters get a
//! backslash. An invisible character interrupts what has a meaning without them: mentions, references, commits, URLs.

use crate::text::{is_invisible, replace_invisible};

/// An invisible character that interrupts `@name`, so that it does not mention a user.
const WORD_JOINER: char = '\u{2060}';
/// The minimum number of hexadecimal digits that GitHub takes for a commit.
const MIN_COMMIT_DIGITS: usize = 7;

/// Returns the positions before which a text is interrupted, so that no word is a commit.
fn commit_breaks(text: &[char]) -> Vec<bool> {
    let mut found = vec![false; text.len()];
    let mut from = 0;
    while from < text.len() {
        let length = text[from..].iter().take_while(|c| c.is_ascii_alphanumeric()).count();
        if length >= MIN_COMMIT_DIGITS && text[from..from + length].iter().all(char::is_ascii_hexdigit) {
            (from + MIN_COMMIT_DIGITS - 1..from + length)
                .step_by(MIN_COMMIT_DIGITS - 1)
                .for_each(|at| found[at] = true);
        }
        from += length.max(1);
    }
    found
}

/// Escapes a text within a line.
pub fn escape_inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    let chars: Vec<char> = text.trim().chars().collect();
    for (at, (c, breaks)) in chars.iter().copied().zip(commit_breaks(&chars)).enumerate() {
        if breaks {
            out.push(WORD_JOINER);
        }
        match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' | '\u{85}' => out.push(' '),
            c if is_invisible(c) || c.is_control() => out.push('\u{fffd}'),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '!' | '|' | '~' | '$' | '^'
            | '=' => {
                out.push('\\');
                out.push(c);
            }
            // mentions, references, URLs, emoji
            '@' | '#' | ':' => {
                out.push(c);
                out.push(WORD_JOINER);
            }
            // the start of a list or a rule
            '+' | '-' if before == ' ' => {
                out.push('\\');
                out.push(c);
            }
            // GH-1 refers to an issue; ABC-1 is a link if the repository configures it
            '-' if matches!(before, 'h' | 'H')
                || before.is_ascii_uppercase() && chars.get(at + 1).is_some_and(char::is_ascii_digit) =>
            {
                out.push(c);
                out.push(WORD_JOINER);
            }
            // GitHub links www.example.com
            '.' if out.len() >= 3 && out.as_bytes()[out.len() - 3..].eq_ignore_ascii_case(b"www") => {
                out.push(WORD_JOINER);
                out.push(c);
            }
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// Escapes a text in an HTML element, where Markdown characters have no meaning.
pub fn escape_element(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let chars: Vec<char> = text.trim().chars().collect();
    for (c, breaks) in chars.iter().copied().zip(commit_breaks(&chars)) {
        if breaks {
            out.push(WORD_JOINER);
        }
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' => out.push_str("&#92;"),
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' | '\u{85}' => out.push(' '),
            c if is_invisible(c) || c.is_control() => out.push('\u{fffd}'),
            '@' | '#' | ':' | '.' | '-' => {
                out.push(c);
                out.push(WORD_JOINER);
            }
            c => out.push(c),
        }
    }
    out
}

/// Escapes a value that users copy: as code if it would be interrupted otherwise.
pub(super) fn copyable_value(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-');
    let chars: Vec<char> = text.chars().collect();
    if text.chars().all(plain) && commit_breaks(&chars).contains(&true) {
        format!("`{text}`")
    } else {
        escape_inline(text)
    }
}

/// Escapes a text in a cell of a table.
pub fn escape_cell(text: &str) -> String {
    escape_inline(text)
}

/// Creates a code block with a longer fence than any in the text. No line starts an HTML comment.
pub fn code_block(text: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest.max(2) + 1);
    let shown = replace_invisible(text).replace("<!", &format!("<{WORD_JOINER}!"));
    format!("{fence}console\n{shown}\n{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_text_is_escaped() {
        let check = |text: &str, expected: &str| assert_eq!(escape_inline(text), expected, "{text:?}");
        check("plain text, 95 % of it", "plain text, 95 % of it");
        check("@everyone", "@\u{2060}everyone");
        check("fixes #1 and a/b#2", "fixes #\u{2060}1 and a/b#\u{2060}2");
        check("GH-1 - high-level", "GH-\u{2060}1 \\- high-\u{2060}level");
        check("<script>alert(1)</script>", "&lt;script&gt;alert\\(1\\)&lt;/script&gt;");
        check("a|b\nc", "a\\|b c");
        check(
            "`x` *y* _z_ ~~w~~ [l](u) ![i](u)",
            "\\`x\\` \\*y\\* \\_z\\_ \\~\\~w\\~\\~ \\[l\\]\\(u\\) \\!\\[i\\]\\(u\\)",
        );
        check("https://x.y/ :tada:", "https:\u{2060}//x.y/ :\u{2060}tada:\u{2060}");
        check("www.example.com", "www\u{2060}.example.com");
        check("\u{202e}evil\u{0}", "\u{fffd}evil\u{fffd}");
        check("&amp;", "&amp;amp;");
        // commits, and references that a repository can configure
        check("0123456 7", "012345\u{2060}6 7");
        check("(a1b2c3d4e5f60)", "\\(a1b2c3\u{2060}d4e5f6\u{2060}0\\)");
        check("eve/web@abcdef0", "eve/web@\u{2060}abcdef\u{2060}0");
        check("defaced", "deface\u{2060}d");
        check("012345 web-7d9f8c6b5d-x 0123456x", "012345 web-7d9f8c\u{2060}6b5d-x 0123456x");
        check("ABC-12, web-0, A-b", "ABC-\u{2060}12, web-0, A-b");
    }

    #[test]
    fn generated_values_stay_copyable() {
        let hash = format!("sha256:{}", "0123456789abcdef".repeat(4));
        assert_eq!(copyable_value(&hash), format!("`{hash}`"));
        assert_eq!(
            copyable_value("1f2e3d4c-0000-4000-8000-000000000000"),
            "`1f2e3d4c-0000-4000-8000-000000000000`"
        );
        assert_eq!(copyable_value("kind-kind"), "kind-kind");
        assert_eq!(copyable_value("0123456` x"), "012345\u{2060}6\\` x");
    }

    #[test]
    fn element_text_is_escaped() {
        assert_eq!(escape_element("a-b </summary>@x\n"), "a-\u{2060}b &lt;/summary&gt;@\u{2060}x");
        assert_eq!(escape_element("0123456"), "012345\u{2060}6");
    }

    #[test]
    fn code_fence_is_longer_than_its_content() {
        assert_eq!(code_block("a"), "```console\na\n```\n");
        assert!(code_block("```` x").starts_with("`````console\n"));
        assert_eq!(code_block("a\n<!-- x -->\u{202e}"), "```console\na\n<\u{2060}!-- x -->\u{fffd}\n```\n");
    }
}
