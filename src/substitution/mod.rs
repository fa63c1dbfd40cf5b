//! Substitutes placeholders, `${name}` and `$name`, with values of configuration and secrets.
//!
//! The rules are those of Python's `string.Template`, with one addition: a text that is exactly one `${name}` becomes
//! the value itself, with its type.

mod redaction;
mod userinfo;

use crate::value::{Map, Value};

pub use redaction::Redactor;
pub use userinfo::mask_userinfo;

/// The values of placeholders. It contains resolved secrets, so it has neither `Debug` nor `PartialEq`.
#[derive(Clone, Default)]
pub struct Scope {
    configuration: Map,
    secrets: Map,
}

impl Scope {
    /// Creates a scope. `secrets` maps groups; a placeholder refers to an entry of a group, never to the group.
    pub fn new(configuration: Map, secrets: Map) -> Self {
        Self { configuration, secrets }
    }

    /// Returns whether there is no value at all. Some arguments are not scanned in that case.
    pub fn is_empty(&self) -> bool {
        self.configuration.is_empty() && self.secrets.is_empty()
    }

    /// Returns the resolved configuration.
    pub fn configuration(&self) -> &Map {
        &self.configuration
    }

    /// Returns the resolved secrets, by group.
    pub fn secrets(&self) -> &Map {
        &self.secrets
    }

    /// Adds a configuration entry.
    pub fn define(&mut self, key: String, value: Value) {
        self.configuration.insert(key, value);
    }

    /// Returns the configuration value of a name, or that of the first group of secrets that has it.
    pub fn lookup(&self, name: &str) -> Option<&Value> {
        self.configuration
            .get(name)
            .or_else(|| self.secrets.values().find_map(|group| group.as_map().and_then(|g| g.get(name))))
    }

    /// Substitutes every placeholder in a value. Keys stay as they are; substituted values are not scanned again.
    pub fn fill(&self, value: &Value) -> Value {
        match value {
            Value::Text(text) => self.fill_text(text),
            Value::List(items) => Value::List(items.iter().map(|item| self.fill(item)).collect()),
            Value::Map(entries) => {
                Value::Map(entries.iter().map(|(key, item)| (key.clone(), self.fill(item))).collect())
            }
            other => other.clone(),
        }
    }

    /// Substitutes every placeholder in a text. Unknown and malformed placeholders stay as they are.
    pub fn fill_text(&self, text: &str) -> Value {
        if let Some(PlaceholderToken { length, kind: PlaceholderTokenKind::Braced(name) }) = parse_token(text)
            && length == text.len()
            && let Some(value) = self.lookup(name)
        {
            return value.clone();
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(position) = rest.find('$') {
            out.push_str(&rest[..position]);
            rest = &rest[position..];
            let length = match parse_token(rest) {
                Some(PlaceholderToken { length, kind: PlaceholderTokenKind::Dollar }) => {
                    out.push('$');
                    length
                }
                Some(PlaceholderToken {
                    length,
                    kind: PlaceholderTokenKind::Braced(name) | PlaceholderTokenKind::Named(name),
                }) => {
                    match self.lookup(name) {
                        Some(value) => out.push_str(&value.python_text()),
                        None => out.push_str(&rest[..length]),
                    }
                    length
                }
                None => {
                    out.push('$');
                    1
                }
            };
            rest = &rest[length..];
        }
        out.push_str(rest);
        Value::Text(out)
    }
}

/// A placeholder in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placeholder<'a> {
    /// The name.
    pub name: &'a str,
    /// Whether the form is `${name}` instead of `$name`.
    pub braced: bool,
}

/// Returns the placeholders of a text in order, whether or not they have a value.
pub fn placeholders(text: &str) -> Vec<Placeholder<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(position) = rest.find('$') {
        rest = &rest[position..];
        let length = match parse_token(rest) {
            Some(PlaceholderToken { length, kind: PlaceholderTokenKind::Dollar }) => length,
            Some(PlaceholderToken { length, kind: PlaceholderTokenKind::Braced(name) }) => {
                tokens.push(Placeholder { name, braced: true });
                length
            }
            Some(PlaceholderToken { length, kind: PlaceholderTokenKind::Named(name) }) => {
                tokens.push(Placeholder { name, braced: false });
                length
            }
            None => 1,
        };
        rest = &rest[length..];
    }
    tokens
}

/// A placeholder at the start of a text.
struct PlaceholderToken<'a> {
    /// In bytes.
    length: usize,
    kind: PlaceholderTokenKind<'a>,
}

enum PlaceholderTokenKind<'a> {
    /// `$$`
    Dollar,
    /// `${name}`
    Braced(&'a str),
    /// `$name`
    Named(&'a str),
}

fn parse_token(text: &str) -> Option<PlaceholderToken<'_>> {
    let rest = text.strip_prefix('$')?;
    if rest.starts_with('$') {
        return Some(PlaceholderToken { length: 2, kind: PlaceholderTokenKind::Dollar });
    }
    if let Some(inner) = rest.strip_prefix('{') {
        let name = &inner[..name_length(inner)];
        let closed = !name.is_empty() && inner[name.len()..].starts_with('}');
        return closed.then_some(PlaceholderToken {
            length: name.len() + 3,
            kind: PlaceholderTokenKind::Braced(name),
        });
    }
    let name = &rest[..name_length(rest)];
    (!name.is_empty())
        .then_some(PlaceholderToken { length: name.len() + 1, kind: PlaceholderTokenKind::Named(name) })
}

/// Returns the length of the name at the start of a text: ASCII letters, digits and underscores, no digit first.
fn name_length(text: &str) -> usize {
    let length = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    if text.starts_with(|c: char| c.is_ascii_digit()) { 0 } else { length }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        serde_json::from_str::<serde_json::Value>(json).unwrap().into()
    }

    fn scope() -> Scope {
        let map = |json| value(json).as_map().unwrap().clone();
        Scope::new(
            map(r#"{"n": 5, "s": "text", "nothing": null, "yes": true, "half": 0.5, "l": [1, "a"],
                    "m": {"k": "v"}, "both": "configuration", "loop": "${s}", "empty": ""}"#),
            map(
                r#"{"api": {"tok": "s3cret", "both": "secret", "deep": {"x": 1}}, "other": {"tok": "late", "u": "me"},
                    "bare": "not a group"}"#,
            ),
        )
    }

    #[test]
    fn placeholders_are_filled() {
        let check = |text: &str, expected: &str| {
            assert_eq!(scope().fill_text(text), value(expected), "{text}");
        };
        // a single placeholder is the value itself
        check("${n}", "5");
        check("${l}", "[1, \"a\"]");
        check("${nothing}", "null");
        check("${m}", "{\"k\": \"v\"}");
        // without braces, or within a text: the value as Python's `str()`
        check("$n", "\"5\"");
        check("$nothing", "\"None\"");
        check("v=${yes}", "\"v=True\"");
        check("${half}${n}", "\"0.55\"");
        check("${l}|${m}", "\"[1, 'a']|{'k': 'v'}\"");
        // secrets by entry; configuration first, then the first group
        check("${tok}", "\"s3cret\"");
        check("${u}", "\"me\"");
        check("${both}", "\"configuration\"");
        check("${deep}", "{\"x\": 1}");
        check("${api}", "\"${api}\"");
        check("${x}", "\"${x}\"");
        // substituted values are not scanned again
        check("${loop}", "\"${s}\"");
        check("<$loop>", "\"<${s}>\"");
        // malformed and unknown placeholders stay
        check("$$n and $$", "\"$n and $\"");
        check(
            "${nope} $nope ${n ${1} $1 $ ${} ${a-b} ${a.b}",
            "\"${nope} $nope ${n ${1} $1 $ ${} ${a-b} ${a.b}\"",
        );
        check("$nö", "\"5ö\"");
        check("$n_", "\"$n_\"");
        check("${N}", "\"${N}\"");
        check("a${empty}b", "\"ab\"");
        check("100%$", "\"100%$\"");
        check("", "\"\"");
    }

    #[test]
    fn placeholders_are_found() {
        let check = |text: &str, expected: &[(&str, bool)]| {
            let actual: Vec<_> =
                placeholders(text).iter().map(|actual| (actual.name, actual.braced)).collect();
            assert_eq!(actual, expected, "{text}");
        };
        check("", &[]);
        check("a ${b} $c$d ${b}", &[("b", true), ("c", false), ("d", false), ("b", true)]);
        check("$${a} $$b $$${c} $ ${ ${} $1 ${a-b}", &[("c", true)]);
    }

    #[test]
    fn collections_are_filled_without_their_keys() {
        let filled = scope().fill(&value(r#"{"${n}": ["${n}", {"k": "n=$n"}], "t": 1}"#));
        assert_eq!(filled, value(r#"{"${n}": [5, {"k": "n=5"}], "t": 1}"#));
    }
}
