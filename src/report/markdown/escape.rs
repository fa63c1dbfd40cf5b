//! Escapes untrusted text in Markdown.
//!
//! On GitHub, text can mention users, refer to issues, link, become HTML or break a table. Markdown characters get a
//! backslash. Words that have a meaning without them become code: mentions, references, commits, URLs. GitHub does not
//! link code, and a reader can copy it unchanged.

use crate::report::phrase::{Phrase, PhrasePart};
use crate::text::{is_invisible, replace_invisible};

/// The minimum number of hexadecimal digits that GitHub takes for a commit.
const MIN_COMMIT_DIGITS: usize = 7;

/// Characters that stay outside code: they begin HTML, end cells and code, or separate the words of JSON.
const DELIMITERS: [char; 5] = ['<', '>', '|', '`', '"'];

/// Escapes a text within a line.
pub fn escape_inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for (index, word) in on_one_line(text).split(' ').enumerate() {
        if index > 0 {
            out.push(' ');
        }
        for part in word.split_inclusive(DELIMITERS) {
            let (part, delimiter) = match part.chars().last() {
                Some(last) if DELIMITERS.contains(&last) => (&part[..part.len() - 1], Some(last)),
                _ => (part, None),
            };
            escape_part(part, &mut out);
            if let Some(delimiter) = delimiter {
                escape_char(delimiter, ' ', &mut out);
            }
        }
    }
    out
}

/// Escapes a part of a word: as code without the punctuation around it, if GitHub gives it a meaning.
fn escape_part(part: &str, out: &mut String) {
    let from_start = part.trim_start_matches(['(', '[', '{', '\'', '"', '!', ',']);
    let core = from_start.trim_end_matches([')', ']', '}', '\'', '"', ',', ';', '!', '?', '.', ':']);
    if core.is_empty() || !has_meaning(part) {
        return escape_plain(part, out);
    }
    let start = part.len() - from_start.len();
    escape_plain(&part[..start], out);
    out.push('`');
    out.push_str(core);
    out.push('`');
    escape_plain(&part[start + core.len()..], out);
}

/// Escapes a text whose words have no meaning of their own.
fn escape_plain(text: &str, out: &mut String) {
    let mut before = ' ';
    for c in text.chars() {
        escape_char(c, before, out);
        before = c;
    }
}

fn escape_char(c: char, before: char, out: &mut String) {
    match c {
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '&' => out.push_str("&amp;"),
        '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '!' | '|' | '~' | '$' | '^' | '='
        | '#' => {
            out.push('\\');
            out.push(c);
        }
        // the start of a list or a rule
        '+' | '-' if before == ' ' => {
            out.push('\\');
            out.push(c);
        }
        c => out.push(c),
    }
}

/// Returns whether GitHub gives a word a meaning without Markdown: a mention, a reference, a commit, a URL, an emoji.
fn has_meaning(word: &str) -> bool {
    let chars: Vec<char> = word.chars().collect();
    let followed_by = |is: fn(&char) -> bool, pair: &[char]| pair.get(1).is_some_and(is);
    let in_pairs = chars.windows(2).any(|pair| match pair[0] {
        // @name and me@example.com
        '@' => followed_by(char::is_ascii_alphanumeric, pair),
        // #1 and owner/name#1
        '#' => followed_by(char::is_ascii_digit, pair),
        _ => false,
    });
    // GH-1 refers to an issue; ABC-1 is a link if the repository configures it
    let in_triples = chars.windows(3).any(|triple| {
        triple[0].is_ascii_alphabetic()
            && triple[1] == '-'
            && triple[2].is_ascii_digit()
            && (triple[0].is_ascii_uppercase() || triple[0] == 'h')
    });
    let lowercase = word.to_ascii_lowercase();
    in_pairs
        || in_triples
        || word.contains("://")
        || lowercase.contains("www.")
        || lowercase.contains("mailto:")
        || lowercase.contains("xmpp:")
        || has_emoji(word)
        || word.split(|c: char| !c.is_ascii_alphanumeric()).any(is_commit)
}

/// Returns whether a word has the name of an emoji between colons, such as `:tada:`, `:+1:` or `:100:`.
fn has_emoji(word: &str) -> bool {
    let is_name = |name: &str| {
        let has_letter = name.bytes().any(|b| b.is_ascii_alphabetic());
        let is_known = has_letter || matches!(name, "+1" | "-1" | "100" | "1234");
        is_known && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'-'))
    };
    let parts: Vec<&str> = word.split(':').collect();
    parts.len() > 2 && parts[1..parts.len() - 1].iter().any(|name| is_name(name))
}

/// Returns whether a word can be the beginning of a commit ID.
fn is_commit(word: &str) -> bool {
    word.len() >= MIN_COMMIT_DIGITS && word.chars().all(|c| c.is_ascii_hexdigit())
}

/// Replaces line breaks by spaces, and invisible and control characters by U+FFFD.
fn on_one_line(text: &str) -> String {
    let visible = |c: char| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' | '\u{85}' => ' ',
        c if is_invisible(c) || c.is_control() => '\u{fffd}',
        c => c,
    };
    text.trim().chars().map(visible).collect()
}

/// Escapes a text in an HTML element, where Markdown characters have no meaning.
pub fn escape_element(text: &str) -> String {
    let text = on_one_line(text);
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' => out.push_str("&#92;"),
            c => out.push(c),
        }
    }
    if has_meaning(&text) { format!("<code>{out}</code>") } else { out }
}

/// Escapes a text in a cell of a table.
pub fn escape_cell(text: &str) -> String {
    escape_inline(text)
}

/// Escapes a phrase; its names become code, so that a reader can copy them.
pub(super) fn escape_phrase(phrase: &Phrase, in_table: bool) -> String {
    let part = |part: &PhrasePart| match part {
        PhrasePart::Text(text) => {
            // escaping removes the spaces at both ends
            let space = |is_there: bool| if is_there { " " } else { "" };
            let (begin, end) = (space(text.starts_with(' ')), space(text.len() > 1 && text.ends_with(' ')));
            format!("{begin}{}{end}", escape_inline(text))
        }
        PhrasePart::Name(name) if in_table => code_span_in_table(name),
        PhrasePart::Name(name) => code_span(name),
    };
    phrase.parts().iter().map(part).collect()
}

/// Creates a code span with longer delimiters than any in the text.
pub(super) fn code_span(text: &str) -> String {
    // the comments of this program are found by such a beginning
    let shown = on_one_line(&crate::text::shorten(text)).replace("<!", "<\u{fffd}");
    let delimiter = "`".repeat(longest_backticks(&shown) + 1);
    match shown.as_str() {
        "" => "(no name)".to_owned(),
        text if text.starts_with('`') || text.ends_with('`') => format!("{delimiter} {text} {delimiter}"),
        text => format!("{delimiter}{text}{delimiter}"),
    }
}

/// Creates a code span in a table, whose cells end at a bar even within code.
pub(super) fn code_span_in_table(text: &str) -> String {
    code_span(text).replace('|', "\\|")
}

fn longest_backticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Creates a code block with a longer fence than any in the text. No line starts an HTML comment.
pub fn code_block(text: &str) -> String {
    let fence = "`".repeat(longest_backticks(text).max(2) + 1);
    // the comments of this program are found by such a line
    let shown = replace_invisible(text).replace("<!", "<\u{fffd}");
    format!("{fence}console\n{shown}\n{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_text_is_escaped() {
        let check = |text: &str, expected: &str| assert_eq!(escape_inline(text), expected, "{text:?}");
        check("plain text, 95 % of it", "plain text, 95 % of it");
        check("a - b + c # d @ e", "a \\- b \\+ c \\# d @ e");
        check("<script>alert(1)</script>", "&lt;script&gt;alert\\(1\\)&lt;/script&gt;");
        check("a|b\nc", "a\\|b c");
        check(
            "`x` *y* _z_ ~~w~~ [l](u) ![i](u)",
            "\\`x\\` \\*y\\* \\_z\\_ \\~\\~w\\~\\~ \\[l\\]\\(u\\) \\!\\[i\\]\\(u\\)",
        );
        check("\u{202e}evil\u{0}", "\u{fffd}evil\u{fffd}");
        check("&amp;", "&amp;amp;");
    }

    #[test]
    fn words_with_a_meaning_become_code() {
        let check = |text: &str, expected: &str| assert_eq!(escape_inline(text), expected, "{text:?}");
        check("@everyone", "`@everyone`");
        check("fixes #1 and a/b#2", "fixes `#1` and `a/b#2`");
        check("GH-1 - high-level", "`GH-1` \\- high-level");
        check("https://x.y/?a=b&c=d :tada:", "`https://x.y/?a=b&c=d` `:tada`:");
        check("GET 'http://web.shop.svc:80/': 503", "GET '`http://web.shop.svc:80/`': 503");
        check("(see www.example.com.)", "\\(see `www.example.com`.\\)");
        check("mail me@example.com", "mail `me@example.com`");
        check("web-7d9f8c6b5d-x", "`web-7d9f8c6b5d-x`");
        check("(a1b2c3d4e5f60)", "\\(`a1b2c3d4e5f60`\\)");
        check("eve/web@abcdef0", "`eve/web@abcdef0`");
        check("defaced 0123456 7", "`defaced` `0123456` 7");
        check("012345 0123456x", "012345 0123456x");
        check("ABC-12, web-0, A-b", "`ABC-12`, web-0, A-b");
        check("shop/web:8080 at 12:30", "shop/web:8080 at 12:30");
        check("from 12:30:45 on", "from 12:30:45 on");
        check(":+1: :100: a:smile:b", "`:+1`: `:100`: `a:smile:b`");
        check("$.items[0].name_x", "\\$.items\\[0\\].name\\_x");
        // what ends code, a cell or text stays outside
        check("a://b|c`d://e", "`a://b`\\|c\\``d://e`");
        check("<!--x:y:z-->", "&lt;\\!`--x:y:z--`&gt;");
        check("@a\\", "`@a\\`");
    }

    #[test]
    fn json_is_readable_and_only_its_values_become_code() {
        let check = |text: &str, expected: &str| assert_eq!(escape_inline(text), expected, "{text:?}");
        check(r#"{"status":200,"body":"down"}"#, r#"\{"status":200,"body":"down"\}"#);
        check(r#"{"a":{"b":[1,2]},"c":null}"#, r#"\{"a":\{"b":\[1,2\]\},"c":null\}"#);
        check(r#"{"url":"http://x/","id":"0123abcd"}"#, r#"\{"url":"`http://x/`","id":"`0123abcd`"\}"#);
        check(r##"{"by":"@octocat","fixes":"#1"}"##, r#"\{"by":"`@octocat`","fixes":"`#1`"\}"#);
        check(r#"["a:tada:b"]"#, r#"\["`a:tada:b`"\]"#);
    }

    #[test]
    fn element_text_is_escaped() {
        assert_eq!(escape_element("a-b </summary>\n"), "a-b &lt;/summary&gt;");
        assert_eq!(escape_element("0123456 <"), "<code>0123456 &lt;</code>");
        assert_eq!(escape_element("@x"), "<code>@x</code>");
    }

    #[test]
    fn names_become_code_spans() {
        let check = |text: &str, expected: &str| assert_eq!(code_span_in_table(text), expected, "{text:?}");
        check("a-b_c", "`a-b_c`");
        check("a`b|c", "``a`b\\|c``");
        check("`a``", "``` `a`` ```");
        check("@all <b>\nx", "`@all <b> x`");
        check("<!-- x -->", "`<\u{fffd}-- x -->`");
        check(" \n", "(no name)");
        assert_eq!(code_span("a|b"), "`a|b`");
    }

    #[test]
    fn phrase_keeps_the_spaces_around_names() {
        let phrase = Phrase::new("+ a ").name("x*").text(" b, ").name("y").text(" ").name("z");
        assert_eq!(escape_phrase(&phrase, false), "\\+ a `x*` b, `y` `z`");
    }

    #[test]
    fn code_fence_is_longer_than_its_content() {
        assert_eq!(code_block("a"), "```console\na\n```\n");
        assert!(code_block("```` x").starts_with("`````console\n"));
        assert_eq!(code_block("a\n<!-- x -->\u{202e}"), "```console\na\n<\u{fffd}-- x -->\u{fffd}\n```\n");
    }
}
