//! Masks secrets in all output.

use std::borrow::Cow;
use std::sync::Arc;

use super::Scope;
use crate::value::{Map, Value, json_text};

/// The replacement of a secret.
const MASK: &str = "***";
/// The minimum length, in characters, of secrets that are masked within a text.
///
/// Shorter secrets are masked only if they are the whole text. Otherwise they would mask half the journal, and hide
/// nothing that could not be guessed.
const MIN_PART_LENGTH: usize = 4;
/// The configuration keys that the Chaos Toolkit treats as secrets.
const SECRET_CONFIGURATION: [&str; 2] = ["vault_token", "vault_role_secret"];

/// Masks the values of secrets in texts and values.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first: a secret that contains another is masked completely.
    parts: Vec<String>,
    wholes: Vec<String>,
}

impl Redactor {
    /// Creates a redactor for all secrets of a scope.
    pub fn new(scope: &Scope) -> Self {
        let mut secrets = Vec::new();
        collect_secrets(&Value::Map(scope.secrets().clone()), &mut secrets);
        let configuration = SECRET_CONFIGURATION.iter().filter_map(|key| scope.configuration().get(*key));
        configuration.for_each(|value| collect_secrets(value, &mut secrets));
        Self::from_secrets(&secrets)
    }

    fn from_secrets(secrets: &[String]) -> Self {
        let mut redactor = Self::default();
        for secret in secrets {
            if secret.chars().count() < MIN_PART_LENGTH {
                redactor.wholes.push(secret.clone());
                continue;
            }
            redactor.parts.push(secret.clone());
            redactor.parts.extend(encoded_forms(secret));
            if secret.trim().contains('\n') {
                // a key that is printed line by line is also secret
                let lines = secret.lines().map(str::trim).filter(|line| line.len() >= 2 * MIN_PART_LENGTH);
                redactor.parts.extend(lines.map(str::to_owned));
            }
        }
        redactor.parts.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        redactor.parts.dedup();
        redactor
    }

    /// Returns whether there are no secrets.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.wholes.is_empty()
    }

    /// Masks every secret in a text.
    pub fn redact_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.wholes.iter().any(|whole| whole == text.trim()) {
            return Cow::Borrowed(MASK);
        }
        let mut out = Cow::Borrowed(text);
        for part in &self.parts {
            if out.contains(part.as_str()) {
                out = Cow::Owned(out.replace(part.as_str(), MASK));
            }
        }
        out
    }

    /// Masks every secret in a value that the caller owns.
    pub fn redact_owned(&self, value: Value) -> Value {
        if self.is_empty() { value } else { self.redact_value(&value) }
    }

    /// Masks every secret in a shared value.
    pub fn redact_shared(&self, value: &Arc<Value>) -> Arc<Value> {
        if self.is_empty() { Arc::clone(value) } else { Arc::new(self.redact_value(value)) }
    }

    /// Masks every secret in the texts, numbers and keys of a value.
    pub fn redact_value(&self, value: &Value) -> Value {
        if self.is_empty() {
            return value.clone();
        }
        match value {
            Value::Text(text) => Value::Text(self.redact_text(text).into_owned()),
            Value::Int(_) | Value::Float(_) => {
                let text = value.python_text();
                // short numbers stay: a secret 1 must not mask every status 1
                if self.parts.iter().any(|secret| *secret == text) {
                    Value::from(MASK)
                } else {
                    value.clone()
                }
            }
            Value::List(items) => Value::List(items.iter().map(|item| self.redact_value(item)).collect()),
            Value::Map(entries) => Value::Map(self.redact_map(entries)),
            other => other.clone(),
        }
    }

    fn redact_map(&self, entries: &Map) -> Map {
        entries
            .iter()
            .map(|(key, item)| (self.redact_text(key).into_owned(), self.redact_value(item)))
            .collect()
    }
}

/// Collects the texts and numbers of a secret. Booleans and null are not secret.
fn collect_secrets(value: &Value, secrets: &mut Vec<String>) {
    match value {
        Value::Text(text) if !text.trim().is_empty() => secrets.push(text.trim().to_owned()),
        Value::Int(_) | Value::Float(_) => secrets.push(value.python_text().into_owned()),
        Value::List(items) => items.iter().for_each(|item| collect_secrets(item, secrets)),
        Value::Map(entries) => entries.values().for_each(|item| collect_secrets(item, secrets)),
        _ => {}
    }
}

/// Returns the encodings of a secret in JSON and in URLs.
fn encoded_forms(secret: &str) -> Vec<String> {
    let unquote = |json: String| json[1..json.len() - 1].to_owned();
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let mut forms = vec![encoded.replace('+', "%20"), encoded];
    forms.extend(json_text(&Value::from(secret)).ok().map(unquote));
    forms.extend(serde_json::to_string(secret).ok().map(unquote));
    forms.retain(|form| form != secret);
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        let group = secrets.iter().enumerate().map(|(i, s)| (format!("k{i}"), Value::from(*s))).collect();
        Redactor::new(&Scope::new(Map::new(), Map::from_iter([("g".to_owned(), Value::Map(group))])))
    }

    #[test]
    fn secrets_are_masked_in_every_encoding() {
        let check = |secrets: &[&str], text: &str, expected: &str| {
            assert_eq!(redactor(secrets).redact_text(text), expected, "{text}");
        };
        check(&["s3cret"], "token s3cret, again s3cret", "token ***, again ***");
        check(&["s3cret", "s3cret-and-more"], "s3cret-and-more", "***");
        check(&["a b/c"], "http://h/?t=a+b%2Fc&u=a%20b%2Fc", "http://h/?t=***&u=***");
        check(&["qu\"ote"], r#"{"t": "qu\"ote"}"#, r#"{"t": "***"}"#);
        check(&["zü≠rich"], r#""z\u00fc\u2260rich""#, "\"***\"");
        check(&["-----BEGIN-----\nabcdefgh\n-----END-----\n"], "line abcdefgh", "line ***");
        check(&["ab"], "ab cab", "ab cab");
        check(&["ab"], " ab\n", "***");
        check(&["", " "], "nothing", "nothing");
    }

    #[test]
    fn secrets_in_values_and_keys_are_masked() {
        let scope = Scope::new(
            Map::from_iter([
                ("vault_token".to_owned(), "hvs.token".into()),
                ("open".to_owned(), "open".into()),
            ]),
            Map::from_iter([(
                "g".to_owned(),
                Value::Map(Map::from_iter([("pin".to_owned(), 12_345.into())])),
            )]),
        );
        let value: Value =
            serde_json::json!({"hvs.token": ["x hvs.token", 12345, 1.5, true], "open": "pin 12345 open"})
                .into();
        let expected: Value =
            serde_json::json!({"***": ["x ***", "***", 1.5, true], "open": "pin *** open"}).into();
        assert_eq!(Redactor::new(&scope).redact_value(&value), expected);
    }
}
