//! Splits a path into tokens.

use super::JsonPathError;

/// A token of a path.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PathToken {
    /// A symbol or keyword.
    Sign(&'static str),
    /// An unquoted name.
    Name(String),
    /// A string in double quotes; the dialect does not decode its escapes.
    Text(String),
    /// A number as written.
    Number(String),
}

/// Symbols; a longer one precedes its prefix.
const SIGNS: [&str; 20] =
    ["..", ">=", "<=", "!=", "@", "$", ".", "*", "=", ">", "<", "{", "}", "[", "]", ":", ",", "(", ")", "?"];
const WORDS: [&str; 6] = ["and", "not", "or", "true", "false", "null"];

/// Splits a path into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<PathToken>, JsonPathError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if matches!(c, ' ' | '\t' | '\n' | '\r') {
            rest = &rest[1..];
            continue;
        }
        let (token, length) = token(rest).ok_or_else(|| {
            let hint = match c {
                '\'' => " (names need double quotes)",
                '-' => " (a name with a dash is written [\"…\"])",
                _ => "",
            };
            JsonPathError::UnexpectedCharacter {
                character: c,
                position: text.chars().count() - rest.chars().count() + 1,
                hint,
            }
        })?;
        tokens.push(token);
        rest = &rest[length..];
    }
    Ok(tokens)
}

fn token(text: &str) -> Option<(PathToken, usize)> {
    if let Some(sign) = SIGNS.into_iter().find(|sign| text.starts_with(sign)) {
        return Some((PathToken::Sign(sign), sign.len()));
    }
    let word = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    if word > 0 && !text.starts_with(|c: char| c.is_ascii_digit()) {
        let name = &text[..word];
        let token = match WORDS.into_iter().find(|sign| *sign == name) {
            Some(sign) => PathToken::Sign(sign),
            None => PathToken::Name(name.to_owned()),
        };
        return Some((token, word));
    }
    if text.starts_with('"') {
        let length = text_length(text)?;
        return Some((PathToken::Text(text[1..length - 1].to_owned()), length));
    }
    let length = number_length(text)?;
    Some((PathToken::Number(text[..length].to_owned()), length))
}

/// Returns the length of the quoted string at the start of a text.
fn text_length(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some(at + 1),
            '\\' => match chars.next()?.1 {
                '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' => {}
                'u' => {
                    for _ in 0..4 {
                        chars.next().filter(|(_, c)| c.is_ascii_hexdigit())?;
                    }
                }
                _ => return None,
            },
            c if c < ' ' => return None,
            _ => {}
        }
    }
    None
}

/// Returns the length of the JSON number at the start of a text, without leading zeros even in the exponent.
fn number_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let digits =
        |from: usize| bytes[from.min(bytes.len())..].iter().take_while(|b| b.is_ascii_digit()).count();
    let whole = |from: usize| if bytes.get(from) == Some(&b'0') { 1 } else { digits(from) };
    let mut end = usize::from(text.starts_with('-'));
    match whole(end) {
        0 => return None,
        length => end += length,
    }
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = whole(end + 1 + sign);
        end += if exponent > 0 { 1 + sign + exponent } else { 0 };
    }
    Some(end)
}
