//! Syntax of names and selectors of Kubernetes.

/// Checks a DNS label (RFC 1123).
pub(super) fn check_label(text: &str) -> Result<(), &'static str> {
    const EXPECTED: &str = "a DNS label: lowercase letters, digits and -, at most 63 characters";
    if text.len() <= 63 && is_dns_label(text) { Ok(()) } else { Err(EXPECTED) }
}

fn is_dns_label(text: &str) -> bool {
    let is_alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.bytes().all(|b| is_alphanumeric(b) || b == b'-')
        && text.bytes().next().is_some_and(is_alphanumeric)
        && text.bytes().last().is_some_and(is_alphanumeric)
}

/// Checks a DNS subdomain (RFC 1123), the name of most objects.
pub(super) fn check_subdomain(text: &str) -> Result<(), &'static str> {
    const EXPECTED: &str = "a DNS subdomain: lowercase letters, digits, - and ., at most 253 characters";
    if text.len() <= 253 && text.split('.').all(is_dns_label) { Ok(()) } else { Err(EXPECTED) }
}

/// Checks the value of a label, which may be empty.
pub(super) fn check_label_value(text: &str) -> Result<(), &'static str> {
    const EXPECTED: &str = "a label value: letters, digits, -, _ and ., at most 63 characters";
    if text.is_empty() || is_qualified(text) { Ok(()) } else { Err(EXPECTED) }
}

fn is_qualified(text: &str) -> bool {
    text.len() <= 63
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().last().is_some_and(|b| b.is_ascii_alphanumeric())
}

/// Checks the key of a label: a name, perhaps after a DNS subdomain and `/`.
pub(super) fn check_label_key(text: &str) -> Result<(), &'static str> {
    const EXPECTED: &str = "a label key: letters, digits, -, _ and ., at most 63 characters, perhaps after a DNS subdomain and /";
    if is_key(text) { Ok(()) } else { Err(EXPECTED) }
}

fn is_key(text: &str) -> bool {
    match text.split_once('/') {
        None => is_qualified(text),
        Some((prefix, name)) => check_subdomain(prefix).is_ok() && is_qualified(name),
    }
}

/// Checks a field selector.
pub(super) fn check_field_selector(text: &str) -> Result<(), &'static str> {
    let is_term =
        |term: &str| term.split_once('=').is_some_and(|(field, _)| !field.trim_end_matches('!').is_empty());
    if text.split(',').all(is_term) { Ok(()) } else { Err("a field selector such as reason=Killing") }
}

/// Error of a label selector.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SelectorError {
    #[error("an empty requirement")]
    Empty,
    #[error("invalid label key '{0}'")]
    Key(String),
    #[error("invalid label value '{0}'")]
    Value(String),
    #[error("expected values in parentheses after '{0}'")]
    Values(String),
    #[error("invalid requirement '{0}'")]
    Requirement(String),
    #[error("a parenthesis is not closed")]
    Parenthesis,
    #[error("expected an integer after '{0}'")]
    Number(String),
}

/// Checks a label selector, as the API server does.
pub(super) fn check_label_selector(text: &str) -> Result<(), SelectorError> {
    if text.trim().is_empty() {
        return Ok(());
    }
    split_requirements(text)?.into_iter().try_for_each(check_requirement)
}

/// Splits at the commas outside parentheses.
fn split_requirements(text: &str) -> Result<Vec<&str>, SelectorError> {
    let (mut parts, mut start, mut is_inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '(' if is_inside => return Err(SelectorError::Parenthesis),
            '(' => is_inside = true,
            ')' if !is_inside => return Err(SelectorError::Parenthesis),
            ')' => is_inside = false,
            ',' if !is_inside => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if is_inside {
        return Err(SelectorError::Parenthesis);
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn check_requirement(term: &str) -> Result<(), SelectorError> {
    let term = term.trim();
    if term.is_empty() {
        return Err(SelectorError::Empty);
    }
    let check_key = |key: &str| if is_key(key) { Ok(()) } else { Err(SelectorError::Key(key.to_owned())) };
    let check_value = |value: &str| match check_label_value(value) {
        Ok(()) => Ok(()),
        Err(_) => Err(SelectorError::Value(value.to_owned())),
    };
    if let Some(key) = term.strip_prefix('!') {
        return check_key(key.trim());
    }
    // sets: KEY in (A, B)
    if let Some((before, after)) = term.split_once('(') {
        let values = after.strip_suffix(')').ok_or(SelectorError::Parenthesis)?;
        let mut words = before.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(key), Some("in" | "notin"), None) => {
                check_key(key)?;
                values.split(',').map(str::trim).try_for_each(check_value)
            }
            _ => Err(SelectorError::Requirement(term.to_owned())),
        };
    }
    for operator in ["==", "!=", "=", ">", "<"] {
        if let Some((key, value)) = term.split_once(operator) {
            check_key(key.trim())?;
            let value = value.trim();
            if matches!(operator, ">" | "<") && value.parse::<i64>().is_err() {
                return Err(SelectorError::Number(operator.to_owned()));
            }
            return check_value(value);
        }
    }
    match term.split_once(char::is_whitespace) {
        Some((_, operator @ ("in" | "notin"))) => Err(SelectorError::Values(operator.to_owned())),
        Some(_) => Err(SelectorError::Requirement(term.to_owned())),
        None => check_key(term),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_selectors_follow_the_grammar() {
        for valid in [
            "",
            "app=web",
            "app == web",
            "app!=web",
            "app",
            "!app",
            "example.com/tier=a_b.c",
            "a in (b, c),d notin (e)",
            "a in ()",
            "a=",
            "x>1,y<2",
            "name in (web)",
        ] {
            assert_eq!(check_label_selector(valid), Ok(()), "{valid}");
        }
        for (invalid, expected) in [
            ("a in (b", SelectorError::Parenthesis),
            ("a=b)", SelectorError::Parenthesis),
            ("a,,b", SelectorError::Empty),
            ("a b", SelectorError::Requirement("a b".to_owned())),
            ("a in", SelectorError::Values("in".to_owned())),
            ("a of (b)", SelectorError::Requirement("a of (b)".to_owned())),
            ("-a=b", SelectorError::Key("-a".to_owned())),
            ("app: web", SelectorError::Requirement("app: web".to_owned())),
            ("a=b c", SelectorError::Value("b c".to_owned())),
            ("name in ({name})", SelectorError::Value("{name}".to_owned())),
            ("a>b", SelectorError::Number(">".to_owned())),
        ] {
            assert_eq!(check_label_selector(invalid), Err(expected), "{invalid}");
        }
    }

    #[test]
    fn names_follow_rfc_1123() {
        assert!(check_label("shop-1").is_ok() && check_subdomain("a.b-c.d").is_ok());
        for invalid in ["", "Bad_NS", "-a", "a-", "a.b", &"a".repeat(64)] {
            assert!(check_label(invalid).is_err(), "{invalid}");
        }
        for invalid in ["", "A", "a..b", ".a", "a_b"] {
            assert!(check_subdomain(invalid).is_err(), "{invalid}");
        }
        assert!(check_label_value("").is_ok() && check_label_value("A_b.c").is_ok());
        assert!(check_label_value("a b").is_err() && check_label_value("_a").is_err());
        assert!(check_field_selector("a=b,c!=d").is_ok() && check_field_selector("a").is_err());
    }
}
