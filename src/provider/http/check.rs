//! Checks the keys of a request before the run.

use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use super::body::form;
use super::error::InvalidRequest;
use super::parse_url;
use crate::error_code::message_chain;
use crate::experiment::{ProviderUsage, ValidationFinding};
use crate::http_client::check_bundle;
use crate::substitution::placeholders;
use crate::value::{Map, Value, json_text};

/// Finds what makes a request impossible. Keys of the wrong type have findings elsewhere.
pub(super) fn find_faults(usage: ProviderUsage<'_>, provider: &Map) -> Vec<ValidationFinding> {
    let filled = |key: &str| provider.get(key).filter(|value| !usage.deferred.affect(value));
    let text = |key: &str| filled(key).and_then(Value::as_text);
    let mut findings = Vec::new();
    findings.extend(text("url").and_then(check_url));
    let method = match provider.get("method") {
        None => Some("GET".to_owned()),
        Some(method) => method.as_text().map(str::to_uppercase),
    };
    if let Some(method) = &method
        && Method::from_bytes(method.as_bytes()).is_err()
    {
        let fault = InvalidRequest::InvalidMethod(method.clone()).to_string();
        findings
            .push(ValidationFinding::at("method", fault).hint("use a method such as GET or POST").doubtful());
    }
    let headers = provider.get("headers").and_then(Value::as_map);
    for (name, value) in headers.into_iter().flatten() {
        let fault = if HeaderName::from_bytes(name.as_bytes()).is_err() {
            InvalidRequest::InvalidHeaderName(name.clone())
        } else if !usage.deferred.affect(value)
            && value.as_text().is_some_and(|text| HeaderValue::from_bytes(text.as_bytes()).is_err())
        {
            InvalidRequest::InvalidHeaderValue(name.clone())
        } else {
            continue;
        };
        let at = vec!["headers".to_owned(), name.clone()];
        findings.push(
            ValidationFinding { at, message: fault.to_string(), ..ValidationFinding::default() }.doubtful(),
        );
    }
    let json = headers.and_then(|headers| headers.get("Content-Type")?.as_text()) == Some("application/json");
    if let (Some(method), Some(arguments)) = (&method, filled("arguments"))
        && let Err(fault) = check_body(method == "GET", json, arguments)
    {
        let finding = ValidationFinding::at("arguments", fault.to_string());
        findings.push(finding.hint("use a mapping of names and values, or a string").doubtful());
    }
    findings.extend(provider.get("verify_tls").and_then(check_verify_tls));
    if let Some(Value::Int(number)) = provider.get("max_retries")
        && u32::try_from(*number).is_err()
    {
        let message = format!("max_retries cannot be {number}: there would be no retry");
        findings
            .push(ValidationFinding::at("max_retries", message).hint("use a number, 0 or more").doubtful());
    }
    findings
}

fn check_url(text: &str) -> Option<ValidationFinding> {
    let undeclared = placeholders(text).first().map(|placeholder| placeholder.name.to_owned());
    let declare = |name: String| format!("declare {name} in the configuration");
    let url = match parse_url(text) {
        Ok(url) => url,
        Err(fault) => {
            let hint = undeclared
                .map_or_else(|| "use an address that begins with http:// or https://".to_owned(), declare);
            return Some(ValidationFinding::at("url", fault.to_string()).doubtful().hint(hint));
        }
    };
    if let Some(rest) = second_scheme(&url, text) {
        let message = format!("Invalid URL '{text}': it has two schemes");
        return Some(ValidationFinding::at("url", message).doubtful().hint(format!("write {rest}")));
    }
    let host = url.host_str().unwrap_or_default();
    let name = undeclared.filter(|_| host.contains('$'))?;
    let message = format!("Invalid URL '{text}': its host has an unresolved placeholder");
    Some(ValidationFinding::at("url", message).doubtful().hint(declare(name)))
}

/// Returns the inner address of one such as `http://http://host`, whose host would be `http`.
fn second_scheme<'a>(url: &Url, text: &'a str) -> Option<&'a str> {
    let is_scheme = matches!(url.host_str(), Some("http" | "https")) && url.path().starts_with("//");
    let (_, rest) = text.trim().split_once("://").filter(|_| is_scheme)?;
    Some(rest)
}

fn check_body(is_query: bool, is_json: bool, arguments: &Value) -> Result<(), InvalidRequest> {
    if is_json && !is_query {
        json_text(arguments).map(drop).map_err(|error| InvalidRequest::InvalidJson(error.into()))
    } else {
        form(arguments).map(drop)
    }
}

/// Checks that verification is on, off, or has a readable file.
fn check_verify_tls(value: &Value) -> Option<ValidationFinding> {
    let finding = |message: String| ValidationFinding::at("verify_tls", message).doubtful();
    match value {
        Value::Null | Value::Bool(_) => None,
        Value::Text(path) if !path.is_empty() => {
            let error = check_bundle(path).err()?;
            let hint = match path.to_lowercase().as_str() {
                "true" | "yes" | "on" => "write true without quotes".to_owned(),
                "false" | "no" | "off" => "write false without quotes".to_owned(),
                _ => "use true, false, or the path of a PEM file".to_owned(),
            };
            Some(finding(message_chain(&error)).hint(hint))
        }
        other => {
            let message =
                format!("verify_tls must be true, false, or the path of a file, not {}", other.kind());
            let hint = if other.is_truthy() { "write true" } else { "write false" };
            Some(finding(message).hint(hint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{DeferredNames, ProviderPosition};
    use serde_json::{Value as Json, json};

    fn check(entries: Json, expected: &[&str]) {
        let mut provider = json!({"type": "http", "url": "http://h/"});
        provider.as_object_mut().unwrap().extend(entries.as_object().unwrap().clone());
        let provider = Value::from(provider).as_map().unwrap().clone();
        let deferred = DeferredNames::default();
        let usage = ProviderUsage {
            activity: "a",
            kind: None,
            position: ProviderPosition::Activity,
            deferred: &deferred,
        };
        let found = find_faults(usage, &provider);
        let found: Vec<String> = found.iter().map(|f| format!("{} {}", f.at.join("/"), f.message)).collect();
        let fits = found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| f.starts_with(e));
        assert!(fits, "{entries}\nfound: {found:#?}\nexpected: {expected:#?}");
    }

    #[test]
    fn impossible_request_is_found_before_it_is_sent() {
        check(json!({}), &[]);
        check(json!({"method": "pAtCh", "arguments": {"a": 1}, "verify_tls": false, "max_retries": 0}), &[]);
        check(json!({"url": "h"}), &["url Invalid URL 'h'"]);
        check(json!({"url": "$unknown"}), &["url Invalid URL '$unknown'"]);
        check(json!({"url": "http://${unknown}/"}), &["url Invalid URL 'http://${unknown}/': its host"]);
        check(json!({"url": "http://http://host"}), &["url Invalid URL 'http://http://host': it has two"]);
        check(json!({"url": "http://h/?to=http://host"}), &[]);
        check(json!({"method": ""}), &["method invalid HTTP method ''"]);
        check(json!({"method": "A B"}), &["method invalid HTTP method 'A B'"]);
        check(
            json!({"headers": {"a b": "x", "c": "line\nbreak", "d": 5}}),
            &["headers/a b invalid header name 'a b'", "headers/c invalid value of header c"],
        );
        check(json!({"arguments": 5}), &["arguments the arguments of a request"]);
        check(json!({"arguments": [1], "method": "POST"}), &["arguments cannot encode"]);
        check(
            json!({"arguments": [1], "method": "POST", "headers": {"Content-Type": "application/json"}}),
            &[],
        );
        check(json!({"verify_tls": "false"}), &["verify_tls "]);
        check(json!({"verify_tls": 0}), &["verify_tls verify_tls must be"]);
        check(json!({"max_retries": -1}), &["max_retries max_retries cannot be -1"]);
    }

    #[test]
    fn url_hint_names_the_mistake() {
        let hint = |url: &str| check_url(url).and_then(|finding| finding.hint);
        assert_eq!(hint("$base").as_deref(), Some("declare base in the configuration"));
        assert_eq!(hint("http://http://h/x").as_deref(), Some("write http://h/x"));
        assert_eq!(hint("h").as_deref(), Some("use an address that begins with http:// or https://"));
        assert_eq!(hint("http://h/$x"), None);
    }
}
