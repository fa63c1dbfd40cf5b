//! Masks secrets in all output.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Scope;
use super::userinfo::{find_userinfo, mask_userinfo};
use crate::sort;
use crate::value::{Map, Value, json_text};

/// The replacement of a secret.
const MASK: &str = "***";
/// The minimum length, in characters, of secrets that are masked within a text.
///
/// Shorter secrets are masked only if they are the whole text. Otherwise they would mask half the journal, and hide
/// nothing that could not be guessed.
const MIN_PART_LENGTH: usize = 4;
/// The minimum length of a part of base64 that is masked: a shorter one may be an ordinary word.
const MIN_BASE64_LENGTH: usize = 7;
/// The lengths of lines of base64, in characters: in PEM, in MIME.
const BASE64_LINES: [usize; 2] = [64, 76];
/// The characters that RFC 3986 never encodes.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The characters that Python's `quote` does not encode.
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');
/// The configuration keys that the Chaos Toolkit treats as secrets.
const SECRET_CONFIGURATION: [&str; 2] = ["vault_token", "vault_role_secret"];
/// The keys of secrets that select a cluster, and whose values are no secrets. Masking `true` would mask half the
/// journal.
const PUBLIC_SECRETS: [&str; 6] = [
    "KUBERNETES_CONTEXT",
    "KUBERNETES_VERIFY_SSL",
    "KUBERNETES_API_KEY_PREFIX",
    "KUBERNETES_CA_CERT_FILE",
    "KUBERNETES_CERT_FILE",
    "KUBERNETES_KEY_FILE",
];
/// The headers of requests that carry credentials, in lower case.
const SECRET_HEADERS: [&str; 10] = [
    "api-key",
    "apikey",
    "authorization",
    "cookie",
    "private-token",
    "proxy-authorization",
    "x-api-key",
    "x-auth-token",
    "x-amz-security-token",
    "x-vault-token",
];

/// Masks the values of secrets in texts and values. The default masks nothing.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Whether users and passwords in addresses are masked.
    addresses: bool,
    /// Longest first: a secret that contains another is masked completely.
    parts: Vec<String>,
    wholes: Vec<String>,
}

impl Redactor {
    /// Creates a redactor for all secrets of a scope.
    pub fn new(scope: &Scope) -> Self {
        Self::from_secrets(&scope_secrets(scope))
    }

    /// Creates a redactor for all secrets of a scope, and for the credentials that an experiment contains in clear: in
    /// addresses, and in headers of requests.
    pub fn of_experiment(scope: &Scope, document: &Value) -> Self {
        let mut secrets = scope_secrets(scope);
        collect_credentials(document, &mut secrets);
        Self::from_secrets(&secrets)
    }

    /// Creates a redactor for these texts.
    pub fn of_texts(texts: impl IntoIterator<Item = String>) -> Self {
        let trimmed = texts.into_iter().map(|text| text.trim().to_owned());
        let secrets: Vec<String> = trimmed.filter(|text| !text.is_empty()).collect();
        Self::from_secrets(&secrets)
    }

    fn from_secrets(secrets: &[String]) -> Self {
        let mut redactor = Self { addresses: true, ..Self::default() };
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
        sort::sort_by(&mut redactor.parts, |a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        redactor.parts.dedup();
        redactor
    }

    /// Returns whether nothing is masked.
    pub fn is_empty(&self) -> bool {
        !self.addresses && self.parts.is_empty() && self.wholes.is_empty()
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
        if !self.addresses {
            return out;
        }
        match out {
            Cow::Borrowed(text) => mask_userinfo(text),
            Cow::Owned(text) => Cow::Owned(mask_userinfo(&text).into_owned()),
        }
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

/// Collects the secrets of a scope.
fn scope_secrets(scope: &Scope) -> Vec<String> {
    let mut secrets = Vec::new();
    for group in scope.secrets().values() {
        match group {
            Value::Map(entries) => {
                let secret = entries.iter().filter(|(key, _)| !PUBLIC_SECRETS.contains(&key.as_str()));
                secret.for_each(|(_, value)| collect_secrets(value, &mut secrets));
            }
            other => collect_secrets(other, &mut secrets),
        }
    }
    let configuration = SECRET_CONFIGURATION.iter().filter_map(|key| scope.configuration().get(*key));
    configuration.for_each(|value| collect_secrets(value, &mut secrets));
    secrets
}

/// Collects the credentials in addresses and headers of a document. Placeholders are no secrets.
fn collect_credentials(value: &Value, secrets: &mut Vec<String>) {
    let literal = |text: &str| !text.contains('$');
    match value {
        Value::Text(text) => {
            for userinfo in find_userinfo(text).into_iter().filter(|userinfo| literal(userinfo)) {
                let decoded = percent_encoding::percent_decode_str(userinfo).decode_utf8_lossy();
                secrets.push(base64::prelude::BASE64_STANDARD.encode(decoded.as_bytes()));
                let password = |text: &str| text.split_once(':').map(|(_, password)| password.to_owned());
                secrets.extend([password(userinfo), password(&decoded)].into_iter().flatten());
            }
        }
        Value::List(items) => items.iter().for_each(|item| collect_credentials(item, secrets)),
        Value::Map(entries) => {
            let headers = entries.get("headers").and_then(Value::as_map).into_iter().flatten();
            for (name, value) in headers {
                let is_secret = SECRET_HEADERS.contains(&name.to_ascii_lowercase().as_str());
                if let Some(text) = value.as_text().filter(|text| is_secret && literal(text)) {
                    secrets.push(text.trim().to_owned());
                    // without the scheme, such as `Bearer`
                    secrets.extend(text.trim().split_once(' ').map(|(_, secret)| secret.trim().to_owned()));
                }
            }
            entries.values().for_each(|item| collect_credentials(item, secrets));
        }
        _ => {}
    }
    secrets.retain(|secret| !secret.is_empty());
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

/// Returns the encodings of a secret in JSON, in URLs and in base64.
fn encoded_forms(secret: &str) -> Vec<String> {
    let unquote = |json: String| json[1..json.len() - 1].to_owned();
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let mut forms = vec![form.replace('+', "%20"), form];
    for kept in [NON_ALPHANUMERIC, UNRESERVED, PATH] {
        forms.push(utf8_percent_encode(secret, kept).to_string());
    }
    let lower: Vec<String> = forms.iter().map(|form| lower_hexadecimal(form)).collect();
    forms.extend(lower);
    forms.extend(json_text(&Value::from(secret)).ok().map(unquote));
    let json = serde_json::to_string(secret).ok().map(unquote);
    // as the JSON of Go
    let go = |json: &String| json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    forms.extend(json.as_ref().map(go));
    forms.extend(json);
    forms.extend(base64_forms(secret.as_bytes()));
    forms.retain(|form| form != secret);
    forms
}

/// Writes the digits of percent-encoded bytes in lower case.
fn lower_hexadecimal(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        lower += "%";
        lower += &digits.to_ascii_lowercase();
        lower += rest;
    }
    lower
}

/// Returns the base64 of a secret: alone, and within a longer text, where it starts at any of three places in a group of
/// three bytes. Programs also break long base64 into lines.
fn base64_forms(secret: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for engine in [base64::prelude::BASE64_STANDARD, base64::prelude::BASE64_URL_SAFE] {
        let whole = engine.encode(secret);
        forms.push(whole.trim_end_matches('=').to_owned());
        forms.push(whole);
        for before in 0..3 {
            let text: Vec<u8> = std::iter::repeat_n(0, before).chain(secret.iter().copied()).collect();
            // only these characters depend on nothing but the secret
            let (start, end) = ((before * 8).div_ceil(6), text.len() * 8 / 6);
            let encoded = engine.encode(&text);
            let Some(part) = encoded.get(start..end).filter(|part| part.len() >= MIN_BASE64_LENGTH) else {
                continue;
            };
            if before == 0 {
                for width in BASE64_LINES.into_iter().filter(|width| part.len() > *width) {
                    let lines = part.as_bytes().chunks(width).map(String::from_utf8_lossy);
                    forms.extend(lines.filter(|line| line.len() >= MIN_BASE64_LENGTH).map(Cow::into_owned));
                }
            }
            forms.push(part.to_owned());
        }
    }
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
        check(&["a b/c"], "a%20b/c a%20b%2fc", "*** ***");
        check(&["a-b~c d"], "a-b~c%20d a%2Db%7Ec%20d", "*** ***");
        check(&["a<b>&c"], r#""a\u003cb\u003e\u0026c""#, "\"***\"");
        check(&["qu\"ote"], r#"{"t": "qu\"ote"}"#, r#"{"t": "***"}"#);
        check(&["zü≠rich"], r#""z\u00fc\u2260rich""#, "\"***\"");
        check(&["-----BEGIN-----\nabcdefgh\n-----END-----\n"], "line abcdefgh", "line ***");
        check(&["ab"], "ab cab", "ab cab");
        check(&["ab"], " ab\n", "***");
        check(&["", " "], "nothing", "nothing");
    }

    #[test]
    fn base64_of_a_secret_is_masked_wherever_it_starts() {
        use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
        let secret = "s3cret>of~mine?";
        let redactor = redactor(&[secret]);
        let check = |text: &str, expected: &str| assert_eq!(redactor.redact_text(text), expected, "{text}");
        check(&BASE64_STANDARD.encode(secret), "***");
        check(&BASE64_URL_SAFE_NO_PAD.encode(secret), "***");
        // characters that also depend on the text around the secret stay
        check(&BASE64_STANDARD.encode(format!("x{secret}")), "eH***w==");
        check(&BASE64_STANDARD.encode(format!("xy{secret}\n")), "eHl***8K");
        check(&BASE64_URL_SAFE_NO_PAD.encode(format!("xyz{secret}abc")), "eHl6***YWJj");
        check("s3cret of another", "s3cret of another");
        // in lines, as the program base64 prints them
        let long = "0123456789-of-a-long-secret-".repeat(4);
        let encoded = BASE64_STANDARD.encode(&long);
        let redactor = self::redactor(&[&long]);
        for width in [64, 76] {
            let lines: Vec<&str> =
                encoded.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
            let masked = redactor.redact_text(&lines.join("\n")).into_owned();
            assert!(!lines.iter().any(|line| masked.contains(&line[..8])), "{masked}");
        }
    }

    #[test]
    fn credentials_in_an_experiment_are_masked() {
        let document: Value = serde_json::json!({"method": [{"provider": {
            "url": "http://me:p%40ssw0rd@h/", "headers": {
                "Authorization": "Bearer t0ken-of-mine", "X-API-Key": "k3y-of-mine", "Accept": "text/plain",
                "Cookie": "${cookie}"}}}]})
        .into();
        let redactor = Redactor::of_experiment(&Scope::default(), &document);
        let check = |text: &str, expected: &str| assert_eq!(redactor.redact_text(text), expected, "{text}");
        check("http://me:p%40ssw0rd@h/", "http://***@h/");
        check("p%40ssw0rd p@ssw0rd bWU6cEBzc3cwcmQ=", "*** *** ***");
        check("Bearer t0ken-of-mine, t0ken-of-mine, k3y-of-mine", "***, ***, ***");
        check("text/plain ${cookie} Bearer me", "text/plain ${cookie} Bearer me");
        // in addresses that are not part of the experiment
        check("see https://you:other@h:81/x?y@z", "see https://***@h:81/x?y@z");
        assert_eq!(Redactor::default().redact_text("http://me:p@h"), "http://me:p@h");
    }

    #[test]
    fn settings_beside_secrets_are_not_masked() {
        let scope = Scope::new(
            Map::new(),
            Map::from_iter([(
                "k8s".to_owned(),
                serde_json::json!({"KUBERNETES_CONTEXT": "prod-1", "KUBERNETES_VERIFY_SSL": "true",
                    "KUBERNETES_API_KEY_PREFIX": "Bearer", "KUBERNETES_API_KEY": "t0ken"})
                .into(),
            )]),
        );
        let text = "context prod-1 is true, Bearer t0ken";
        assert_eq!(Redactor::new(&scope).redact_text(text), "context prod-1 is true, Bearer ***");
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
