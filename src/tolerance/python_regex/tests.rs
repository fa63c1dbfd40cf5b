//! Tables of matches and error messages of Python.

use super::*;

#[test]
fn patterns_match_like_python() {
    // each line was run through Python's re.search
    let check = |pattern: &str, text: &str, expected: bool| {
        let compiled = Pattern::compile(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
        assert_eq!(
            compiled.search(text).unwrap(),
            expected,
            "{pattern:?} in {text:?} ({})",
            compiled.0.as_str()
        );
    };
    for (pattern, text, expected) in [
        ("[0-9]{4}", "build 1234 done", true),
        ("^hello .*corpus$", "hello from corpus", true),
        ("^[0-9]+$", "42\n", true),
        ("^[0-9]+$", "42\n\n", false),
        ("^[0-9]+\\Z", "42\n", false),
        ("a$", "a\nb", false),
        ("(?m)a$", "a\nb", true),
        ("(?m)^b", "a\nb", true),
        (".", "\n", false),
        ("(?s)a.b", "a\nb", true),
        ("(?i)HELLO", "say hello", true),
        ("(?i:H)ello", "HELLO", false),
        ("(?i)a(?-i:b)", "AB", false),
        ("(ab)\\1", "abab", true),
        ("(?P<w>\\w+) (?P=w)", "the the", true),
        ("(a)(b)\\2\\1", "abba", true),
        ("(a)\\1[0]", "aa0", true),
        ("(a)\\060", "a0", true),
        ("foo(?=bar)", "foobar", true),
        ("foo(?!bar)", "foobar", false),
        ("(?<=\\$)\\d+", "cost $42", true),
        ("(?<!un)happy", "unhappy", false),
        ("(a)?(?(1)b|c)", "ab", true),
        ("^(a)?(?(1)b|c)$", "ac", false),
        ("x*+x", "xxx", false),
        ("(?>a+)b", "aab", true),
        ("a{,2}b", "aab", true),
        ("^a{2}$", "aaa", false),
        ("a{", "a{", true),
        ("{}", "{}", true),
        ("a{x}", "a{x}", true),
        ("[a&&b]", "&", true),
        ("[[]", "[", true),
        ("[]a]", "]", true),
        ("[^]a]", "b", true),
        ("[a-]", "-", true),
        ("[\\w.-]+@", "a.b-c@", true),
        ("[\\b]", "\u{8}", true),
        ("\\bword\\b", "a word.", true),
        ("\\d", "٣", true),
        ("(?a)\\d", "٣", false),
        ("\\w", "é", true),
        ("(?a)\\w", "é", false),
        ("\\s", "\u{1f}", true),
        ("\\S", "\u{1f}", false),
        ("[\\S]", " ", false),
        ("(?x) a b  # a comment\n c", "abc", true),
        ("(?x)a\\ b", "a b", true),
        ("(?#nothing)a", "a", true),
        ("\\x41\\u00e9\\U0001F389\\101", "Aé🎉A", true),
        ("\\ud83c", "🎉", false),
        ("\\.\\-\\/\\<", ".-/<", true),
        ("a|", "zzz", true),
        ("", "", true),
        ("(?:)*", "", true),
        ("(?=a)*b", "b", true),
        ("é+", "ÉÉé", true),
        ("(?i)É", "é", true),
        ("~#!", "~#!", true),
        ("^$", "\n", true),
        ("^.$", "a\n", true),
        ("a.c", "a\rc", true),
    ] {
        check(pattern, text, expected);
    }
}

#[test]
fn pattern_errors_match_python() {
    let check = |pattern: &str, expected: &str| {
        assert_eq!(Pattern::compile(pattern).err().unwrap().to_string(), expected, "{pattern}");
    };
    for (pattern, complaint) in [
        ("(", "missing ), unterminated subpattern"),
        (")", "unbalanced parenthesis"),
        ("*a", "nothing to repeat"),
        ("a**", "multiple repeat"),
        ("x{2}{3}", "multiple repeat"),
        ("^*", "nothing to repeat"),
        ("\\b+", "nothing to repeat"),
        ("|*", "nothing to repeat"),
        ("[a", "unterminated character set"),
        ("[]", "unterminated character set"),
        ("[a-", "unterminated character set"),
        ("[b-a]", "bad character range b-a"),
        ("[a-\\d]", "bad character range a-\\d"),
        ("[\\d-z]", "bad character range \\d-z"),
        ("\\q", "bad escape \\q"),
        ("[\\q]", "bad escape \\q"),
        ("\\", "bad escape (end of pattern)"),
        ("(?<a)", "unknown extension ?<a"),
        ("(?z)", "unknown extension ?z"),
        ("(?P>a)", "unknown extension ?P>"),
        ("(?", "unexpected end of pattern"),
        ("(?P<1>x)", "bad character in group name '1'"),
        ("(?P<a b>x)", "bad character in group name 'a b'"),
        ("(?P<a", "missing >, unterminated name"),
        ("(?P<>x)", "missing group name"),
        ("(?P<a>x)(?P<a>y)", "redefinition of group name 'a' as group 2; was group 1"),
        ("(?P=x)", "unknown group name 'x'"),
        ("\\1", "invalid group reference 1"),
        ("\\8", "invalid group reference 8"),
        ("(a\\1)", "cannot refer to an open group"),
        ("(?(1)a)", "invalid group reference 1"),
        ("(?(0)a)", "bad group number"),
        ("(x)(?(1)a|b|c)", "conditional backref with more than two branches"),
        ("a{3,2}", "min repeat greater than max repeat"),
        ("a{99999999999}", "the repetition number is too large"),
        ("(?<=a+)b", "look-behind requires fixed-width pattern"),
        ("(?<=a|bc)d", "look-behind requires fixed-width pattern"),
        ("a(?i)b", "global flags not at the start of the expression"),
        ("(?i", "missing -, : or )"),
        ("(?-:a)", "missing flag"),
        ("(?i-i:a)", "bad inline flags: flag turned on and off"),
        ("(?-u:a)", "bad inline flags: cannot turn off flags 'a', 'u' and 'L'"),
        ("(?au:a)", "bad inline flags: flags 'a', 'u' and 'L' are incompatible"),
        ("(?iz:a)", "unknown flag"),
        ("\\x1", "incomplete escape \\x1"),
        ("\\400", "octal escape value \\400 outside of range 0-0o377"),
        ("(?#", "missing ), unterminated comment"),
    ] {
        check(pattern, complaint);
    }
    assert!(Pattern::compile(&"(".repeat(10_000)).err().unwrap().to_string().contains("nested"));
}

#[test]
fn endless_search_is_aborted() {
    let pattern = Pattern::compile("^(?:(a|aa)+)\\1b?$").unwrap();
    let text = "a".repeat(60) + "!";
    assert!(pattern.search(&text).is_err_and(|error| matches!(error, PatternError::Aborted(_))));
}
