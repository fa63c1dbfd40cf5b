//! Texts of others in Markdown: they are shown, and nothing else. Floor 1.
//!
//! On GitHub a text can mention people, refer to issues, link, become HTML or break a table. Marks of Markdown get a
//! backslash; what has a meaning without marks (mentions, references, addresses) is broken up by an invisible mark.

use crate::report::foreign::{hides, visible};

/// Separates without being seen, so that `@name` is no mention.
const JOINER: char = '\u{2060}';

/// A text within a line.
pub fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    for c in text.trim().chars() {
        match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' | '\u{85}' => out.push(' '),
            c if hides(c) || c.is_control() => out.push('\u{fffd}'),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '!' | '|' | '~' | '$' | '^'
            | '=' => {
                out.push('\\');
                out.push(c);
            }
            // mentions, references, addresses, emoji
            '@' | '#' | ':' => {
                out.push(c);
                out.push(JOINER);
            }
            // the beginning of a list or a rule
            '+' | '-' if before == ' ' => {
                out.push('\\');
                out.push(c);
            }
            // GH-1 refers to an issue, by whatever Markdown it came about
            '-' if matches!(before, 'h' | 'H') => {
                out.push(c);
                out.push(JOINER);
            }
            // www.example.com would be a link
            '.' if out.len() >= 3 && out.as_bytes()[out.len() - 3..].eq_ignore_ascii_case(b"www") => {
                out.push(JOINER);
                out.push(c);
            }
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// A text in an HTML element, where marks of Markdown mean nothing.
pub fn element(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.trim().chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' => out.push_str("&#92;"),
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' | '\u{85}' => out.push(' '),
            c if hides(c) || c.is_control() => out.push('\u{fffd}'),
            '@' | '#' | ':' | '.' | '-' => {
                out.push(c);
                out.push(JOINER);
            }
            c => out.push(c),
        }
    }
    out
}

/// A text in a cell of a table.
pub fn cell(text: &str) -> String {
    inline(text)
}

/// A block of code, fenced by more backticks than there are in it. No line of it begins a comment of HTML, hidden
/// lines of ours included.
pub fn code(text: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest.max(2) + 1);
    let shown = visible(text).replace("<!", &format!("<{JOINER}!"));
    format!("{fence}console\n{shown}\n{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_more_than_text() {
        let check = |text: &str, expected: &str| assert_eq!(inline(text), expected, "{text:?}");
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
    }

    #[test]
    fn elements_hold_text_alone() {
        assert_eq!(element("a-b </summary>@x\n"), "a-\u{2060}b &lt;/summary&gt;@\u{2060}x");
    }

    #[test]
    fn fences_are_longer_than_what_they_hold() {
        assert_eq!(code("a"), "```console\na\n```\n");
        assert!(code("```` x").starts_with("`````console\n"));
        assert_eq!(code("a\n<!-- x -->\u{202e}"), "```console\na\n<\u{2060}!-- x -->\u{fffd}\n```\n");
    }
}
