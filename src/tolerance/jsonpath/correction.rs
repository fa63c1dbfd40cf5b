//! Corrections of paths that look like those of other dialects.

use super::JsonPath;

/// Words that are operators or values, not names of fields.
const WORDS: [&str; 6] = ["and", "or", "not", "true", "false", "null"];

/// Returns a similar path that is valid.
pub(in crate::tolerance) fn correct(path: &str) -> Option<String> {
    let path = path.trim();
    let rooted = match path.chars().next()? {
        '$' => path.to_owned(),
        '.' | '[' => format!("${path}"),
        '@' => format!("${}", &path[1..]),
        _ => format!("$.{path}"),
    };
    let quoted = quote_names(&rooted);
    let candidates = [rewrite_filters(&rooted), rewrite_filters(&quoted), quoted, rooted.clone()];
    // a name before a parenthesis would become a field
    let contains = rewrite_contains(&rooted).into_iter();
    contains.chain(candidates).find(|candidate| candidate != path && JsonPath::parse(candidate).is_ok())
}

/// Writes names with a dash in brackets: `$.a-b` becomes `$["a-b"]`.
fn quote_names(path: &str) -> String {
    let (mut out, mut rest, mut depth) = (String::new(), path, 0_usize);
    while let Some(c) = rest.chars().next() {
        let name = rest.strip_prefix('.').filter(|_| depth == 0).unwrap_or_default();
        let length = name.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').unwrap_or(name.len());
        if name[..length].contains('-') {
            out += &format!("[\"{}\"]", &name[..length]);
            rest = &name[length..];
            continue;
        }
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// Writes a filter for a part of a text as a search: `[?contains(@.name, 'x')]` becomes `[?search(@.name, 'x')]`.
fn rewrite_contains(path: &str) -> Option<String> {
    let start = path.find("[?")?;
    let inner = &path[start + 2..];
    let length = filter_length(inner)?;
    let expression = strip_parentheses(inner[..length].trim());
    let (field, text) = if let Some(arguments) = expression.strip_prefix("contains(") {
        arguments.strip_suffix(')')?.split_once(',')?
    } else if let Some((field, argument)) = expression.split_once(".contains(") {
        (field, argument.strip_suffix(')')?)
    } else {
        expression.split_once(" contains ")?
    };
    let field = field.trim();
    let field = if field.starts_with(['@', '$']) { field.to_owned() } else { format!("@.{field}") };
    let text = text.trim();
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let text = text[1..].strip_suffix(quote)?;
    // the standard filters the children of a node, so a wildcard before the filter would be one too many
    let before = path[..start].trim_end_matches("[*]").trim_end_matches(".*");
    Some(format!("{before}[?search({field}, '{}')]{}", literal_pattern(text)?, &inner[length + 1..]))
}

/// Returns a regular expression for a text; none for characters that cannot be in brackets.
fn literal_pattern(text: &str) -> Option<String> {
    let mut pattern = String::new();
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' | '^' | '[' | ']' => return None,
            '.' | '*' | '+' | '?' | '(' | ')' | '{' | '}' | '|' | '$' => pattern += &format!("[{c}]"),
            c => pattern.push(c),
        }
    }
    Some(pattern)
}

/// Writes filters such as `[?name=='x']` as `[?(@.name=='x')]`.
fn rewrite_filters(path: &str) -> String {
    let (mut out, mut rest) = (String::new(), path);
    while let Some(at) = rest.find("[?") {
        out += &rest[..at];
        let inner = &rest[at + 2..];
        let Some(length) = filter_length(inner) else { break };
        // after a wildcard the dialect of jsonpath2 filters the nodes themselves
        let is_own = out.ends_with("[*]") || out.ends_with(".*");
        out += &format!("[?({})]", rewrite_expression(strip_parentheses(inner[..length].trim()), is_own));
        rest = &inner[length + 1..];
    }
    out + rest
}

/// Returns the length of a filter up to its closing bracket.
fn filter_length(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(at),
            (None, ']') => depth -= 1,
            // other characters, and everything in quotes
            _ => {}
        }
    }
    None
}

fn strip_parentheses(text: &str) -> &str {
    text.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).map_or(text, str::trim)
}

/// Adds `@.` to names of fields, and replaces operators by those of the dialect.
fn rewrite_expression(text: &str, is_own: bool) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        let (length, written) = match c {
            '\'' | '"' => {
                let end = rest[1..].find(c).map_or(rest.len(), |end| end + 2);
                let content = rest[1..end].trim_end_matches(c);
                (end, if is_own { format!("\"{content}\"") } else { rest[..end].to_owned() })
            }
            '=' => {
                let length = rest.bytes().take_while(|b| *b == b'=').count();
                (length, if is_own { "=" } else { "==" }.to_owned())
            }
            '!' | '<' | '>' if rest[1..].starts_with('=') => (2, rest[..2].to_owned()),
            c if c.is_alphabetic() || c == '_' => {
                let length = rest
                    .find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.'))
                    .unwrap_or(rest.len());
                (length, rewrite_word(&rest[..length], &out, is_own))
            }
            c => (c.len_utf8(), c.to_string()),
        };
        out += &written;
        rest = &rest[length..];
    }
    out
}

fn rewrite_word(word: &str, before: &str, is_own: bool) -> String {
    match word {
        "and" if !is_own => "&&".to_owned(),
        "or" if !is_own => "||".to_owned(),
        "not" if !is_own => "!".to_owned(),
        word if WORDS.contains(&word) || before.ends_with(['@', '.', '$']) => word.to_owned(),
        word => format!("@.{word}"),
    }
}
