//! Users and passwords in addresses: `scheme://user:password@host`.

use std::borrow::Cow;
use std::ops::Range;

/// The replacement of a user and a password.
const MASK: &str = "***";

/// Masks the user and the password of every address in a text.
pub fn mask_userinfo(text: &str) -> Cow<'_, str> {
    let ranges = ranges(text);
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for range in ranges {
        out.push_str(&text[end..range.start]);
        out.push_str(MASK);
        end = range.end;
    }
    out.push_str(&text[end..]);
    Cow::Owned(out)
}

/// Returns the user and the password of every address in a text: `user:password`.
pub(super) fn find_userinfo(text: &str) -> Vec<&str> {
    ranges(text).into_iter().map(|range| &text[range]).collect()
}

fn ranges(text: &str) -> Vec<Range<usize>> {
    let mut actual_ranges = Vec::new();
    let mut start = 0;
    while let Some(position) = text[start..].find("://") {
        let begin = start + position + "://".len();
        let rest = &text[begin..];
        let word = &rest[..rest.find(is_delimiter).unwrap_or(rest.len())];
        let length = userinfo_length(word);
        if length > 0 {
            actual_ranges.push(begin..begin + length);
        }
        start = begin + length;
    }
    actual_ranges
}

/// Whether a character ends an address in a text.
fn is_delimiter(character: char) -> bool {
    character.is_whitespace() || matches!(character, '"' | '\'' | '<' | '>' | '`' | '\\')
}

/// Returns the length of the user and the password at the start of an address; zero if it has none.
fn userinfo_length(address: &str) -> usize {
    let authority = &address[..address.find(['/', '?', '#']).unwrap_or(address.len())];
    if let Some(position) = authority.rfind('@') {
        return position;
    }
    // a password with a slash in it: what comes before the slash is not a port
    let port = authority.rsplit_once(':').filter(|_| !authority.ends_with(']')).map(|(_, port)| port);
    match port {
        Some(port) if port.bytes().any(|byte| !byte.is_ascii_digit()) => address.rfind('@').unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn userinfo_of_addresses_is_masked() {
        let check = |text: &str, expected: &str| assert_eq!(mask_userinfo(text), expected, "{text}");
        check("http://me:pw@h:81/x", "http://***@h:81/x");
        check("'https://token@h' and socks5://a:b@p,", "'https://***@h' and socks5://***@p,");
        check("http://me:p@ss@h/", "http://***@h/");
        check("http://me:pa/ss@h/", "http://***@h/");
        check("http://me:pw@", "http://***@");
        check("[\"http://me:pw@h\"]", "[\"http://***@h\"]");
        for other in
            ["http://h/a@b", "http://h?a@b", "http://[::1]:80/@", "http://h:80/a@b", "me@h", "://", "http://"]
        {
            check(other, other);
        }
    }
}
