//! Resolves an activity: substitutes its placeholders and types its arguments for the provider.
//!
//! Verbatim: chaostoolkit-lib 1.45 and requests 2.32 (messages that they have)

use super::model::{Activity, ProviderKind};
use crate::substitution::Scope;
use crate::value::{Map, Value};

/// A resolved activity. It may contain secrets, so it has neither `Debug` nor `PartialEq`.
pub enum ResolvedActivity {
    Process(ProcessCall),
    Http(HttpCall),
    Python(PythonCall),
}

/// A process to start.
pub struct ProcessCall {
    /// The program: a name or a path, without placeholders.
    pub path: String,
    pub arguments: ProcessArguments,
    /// The timeout in seconds. Zero or less: immediately.
    pub timeout: Option<f64>,
}

/// The arguments of a process.
pub enum ProcessArguments {
    /// Arguments that are passed unchanged.
    List(Vec<String>),
    /// A command line for a shell, after the path.
    Shell(String),
}

/// A request to send.
pub struct HttpCall {
    pub url: String,
    /// The method, in upper case.
    pub method: String,
    /// The headers in the order of the document.
    pub headers: Vec<(String, String)>,
    /// The arguments: query, form or JSON, depending on method and headers; null if none.
    pub arguments: Value,
    /// The timeouts in seconds of the connection, and of each read.
    pub timeout: (Option<f64>, Option<f64>),
    pub verification: Verification,
    /// The number of retries of a failed connection.
    pub max_retries: u32,
}

/// How the certificate of a server is verified.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verification {
    /// With the trusted certificates of the system.
    Full,
    None,
    /// With the certificates in a file.
    File(String),
}

/// A function to call.
pub struct PythonCall {
    /// The module.
    pub module: String,
    /// The function.
    pub function: String,
    pub arguments: Map,
    /// The merged groups of secrets that the provider names.
    pub secrets: Map,
    /// The whole configuration.
    pub configuration: Map,
}

/// Error of an activity that cannot be resolved. It aborts the run, so validation looks for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    #[error("an activity requires a provider")]
    NoProvider,
    #[error("unknown provider type '{0}'")]
    UnknownProvider(String),
    /// A required key is missing; the message is that of the Chaos Toolkit.
    #[error("{message}")]
    Missing { key: &'static str, message: &'static str },
    /// A value has the wrong type.
    #[error("{subject} must be {expected}, not {found}")]
    WrongType { key: &'static str, subject: &'static str, expected: &'static str, found: &'static str },
    /// A header has a value that is not a scalar; the message is that of Python's `requests`.
    #[error("Header part ({value}) from ('{name}') must be of type str or bytes")]
    Header { name: String, value: String },
    #[error("a timeout must be greater than 0 seconds")]
    TimeoutNotPositive,
    #[error("a timeout list must be [connect, read]")]
    TimeoutList,
}

impl ResolveError {
    /// Returns the path from the provider to the value, key by key.
    pub(super) fn path(&self) -> Vec<&str> {
        match self {
            Self::NoProvider | Self::UnknownProvider(_) => vec!["type"],
            Self::Missing { key, .. } | Self::WrongType { key, .. } => vec![key],
            Self::Header { name, .. } => vec!["headers", name],
            Self::TimeoutNotPositive | Self::TimeoutList => vec!["timeout"],
        }
    }

    /// Returns the expected value.
    pub(super) fn expected(&self) -> Option<&'static str> {
        match self {
            Self::WrongType { expected, .. } => Some(expected),
            Self::Header { .. } => Some("a string, a number, or true or false"),
            Self::TimeoutNotPositive => Some("a number of seconds"),
            Self::TimeoutList => Some("two numbers of seconds"),
            _ => None,
        }
    }
}

/// Resolves an activity. An error aborts the run, as in the Chaos Toolkit.
pub fn resolve(activity: &Activity, scope: &Scope) -> Result<ResolvedActivity, ResolveError> {
    let arguments = &activity.arguments;
    match activity.provider {
        Some(ProviderKind::Process) => resolve_process(arguments, scope).map(ResolvedActivity::Process),
        Some(ProviderKind::Http) => resolve_http(arguments, scope).map(ResolvedActivity::Http),
        Some(ProviderKind::Python) => resolve_python(arguments, scope).map(ResolvedActivity::Python),
        None => Err(match arguments.get("type") {
            Some(kind) => ResolveError::UnknownProvider(kind.python_text().into_owned()),
            None => ResolveError::NoProvider,
        }),
    }
}

/// Returns every error of the keys of a provider. Missing keys are not checked.
pub(super) fn find_errors(kind: ProviderKind, provider: &Map, scope: &Scope) -> Vec<ResolveError> {
    let field = |key: &str| provider.get(key).filter(|value| **value != Value::Null);
    let mut errors = Vec::new();
    let mut check = |error: Option<ResolveError>| errors.extend(error);
    match kind {
        ProviderKind::Process => {
            check(process_arguments(provider.get("arguments"), scope).err());
            check(process_timeout(provider).err());
        }
        ProviderKind::Http => {
            check(field("url").and_then(|_| http_url(provider, scope).err()));
            check(http_method(provider).err());
            check(max_retries(provider).err());
            check(resolve_http_timeout(field("timeout").map(|timeout| scope.fill(timeout))).err());
            match field("headers").map(|headers| scope.fill(headers)) {
                Some(Value::Map(headers)) => {
                    headers.into_iter().for_each(|header| check(resolve_header(header).err()));
                }
                headers => check(resolve_headers(headers).err()),
            }
        }
        ProviderKind::Python => check(function_arguments(provider, scope).err()),
    }
    errors
}

/// Substitutes placeholders in an argument; with an empty scope even `$$` stays.
pub(super) fn fill_argument(value: Option<&Value>, scope: &Scope) -> Value {
    match value {
        None => Value::Null,
        Some(value) if scope.is_empty() => value.clone(),
        Some(value) => scope.fill(value),
    }
}

/// Creates the error of a value with the wrong type.
fn wrong_type(
    key: &'static str,
    subject: &'static str,
    expected: &'static str,
    found: &Value,
) -> ResolveError {
    ResolveError::WrongType { key, subject, expected, found: found.kind() }
}

fn resolve_process(provider: &Map, scope: &Scope) -> Result<ProcessCall, ResolveError> {
    let path = match provider.get("path") {
        Some(Value::Text(path)) => path.clone(),
        Some(other) => return Err(wrong_type("path", "the path of a process", "a string", other)),
        None => {
            return Err(ResolveError::Missing {
                key: "path",
                message: "a process activity must have a path",
            });
        }
    };
    Ok(ProcessCall {
        path,
        arguments: process_arguments(provider.get("arguments"), scope)?,
        timeout: process_timeout(provider)?,
    })
}

fn process_arguments(values_given: Option<&Value>, scope: &Scope) -> Result<ProcessArguments, ResolveError> {
    let items = |values: &mut dyn Iterator<Item = &Value>| {
        let values_given =
            values.filter(|value| !matches!(value, Value::Null) && value.as_text() != Some(""));
        ProcessArguments::List(values_given.map(|value| value.python_text().into_owned()).collect())
    };
    match fill_argument(values_given, scope) {
        Value::Null if values_given.is_none() => Ok(ProcessArguments::List(Vec::new())),
        Value::Text(text) => Ok(ProcessArguments::Shell(text)),
        Value::List(list) => Ok(items(&mut list.iter())),
        Value::Map(map) => {
            let keys: Vec<Value> = map.keys().map(|key| Value::Text(key.clone())).collect();
            Ok(items(&mut keys.iter().zip(map.values()).flat_map(|(key, value)| [key, value])))
        }
        other => Err(wrong_type("arguments", "the arguments of a process", "a list or a string", &other)),
    }
}

fn process_timeout(provider: &Map) -> Result<Option<f64>, ResolveError> {
    match provider.get("timeout") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => seconds(value)
            .map(Some)
            .ok_or_else(|| wrong_type("timeout", "the timeout of a process", "a number of seconds", value)),
    }
}

/// Returns a number of seconds; none for NaN.
fn seconds(value: &Value) -> Option<f64> {
    value.as_f64().filter(|seconds| !seconds.is_nan())
}

fn resolve_http(provider: &Map, scope: &Scope) -> Result<HttpCall, ResolveError> {
    let field = |key: &str| provider.get(key).filter(|value| **value != Value::Null);
    let verification = match provider.get("verify_tls") {
        Some(Value::Text(path)) if !path.is_empty() => Verification::File(path.clone()),
        // null is the default
        Some(value) if *value != Value::Null && !value.is_truthy() => Verification::None,
        _ => Verification::Full,
    };
    Ok(HttpCall {
        url: http_url(provider, scope)?,
        method: http_method(provider)?,
        headers: resolve_headers(field("headers").map(|headers| scope.fill(headers)))?,
        arguments: fill_argument(provider.get("arguments"), scope),
        timeout: resolve_http_timeout(field("timeout").map(|timeout| scope.fill(timeout)))?,
        verification,
        max_retries: max_retries(provider)?,
    })
}

fn http_url(provider: &Map, scope: &Scope) -> Result<String, ResolveError> {
    match provider.get("url").filter(|url| **url != Value::Null).map(|url| scope.fill(url)) {
        Some(Value::Text(url)) => Ok(url),
        Some(other) => Err(wrong_type("url", "the url of a request", "a string", &other)),
        None => Err(ResolveError::Missing { key: "url", message: "a HTTP activity must have a URL" }),
    }
}

fn http_method(provider: &Map) -> Result<String, ResolveError> {
    match provider.get("method") {
        None => Ok("GET".to_owned()),
        Some(Value::Text(method)) => Ok(method.to_uppercase()),
        Some(other) => Err(wrong_type("method", "the method of a request", "a string", other)),
    }
}

fn max_retries(provider: &Map) -> Result<u32, ResolveError> {
    match provider.get("max_retries") {
        None | Some(Value::Null) => Ok(0),
        Some(Value::Int(number)) => Ok(u32::try_from(*number).unwrap_or(0)),
        Some(other) => Err(wrong_type("max_retries", "max_retries", "an integer", other)),
    }
}

fn resolve_headers(headers: Option<Value>) -> Result<Vec<(String, String)>, ResolveError> {
    match headers {
        None => Ok(Vec::new()),
        Some(Value::Map(headers)) => {
            headers.into_iter().filter_map(|header| resolve_header(header).transpose()).collect()
        }
        // the Chaos Toolkit sends no headers
        Some(other) if !other.is_truthy() => Ok(Vec::new()),
        Some(other) => Err(wrong_type("headers", "headers", "a mapping", &other)),
    }
}

/// Returns a header as text; null is omitted.
///
/// YAML reads `X-Api-Version: 2` as a number, so a number or a boolean is text as in JSON.
fn resolve_header((name, value): (String, Value)) -> Result<Option<(String, String)>, ResolveError> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some((name, text))),
        Value::Bool(flag) => Ok(Some((name, flag.to_string()))),
        Value::Int(_) | Value::Float(_) => Ok(Some((name, value.python_text().into_owned()))),
        other => Err(ResolveError::Header { name, value: other.python_text().into_owned() }),
    }
}

fn resolve_http_timeout(timeout: Option<Value>) -> Result<(Option<f64>, Option<f64>), ResolveError> {
    let part = |value: &Value| match value {
        Value::Null => Ok(None),
        value => match seconds(value) {
            Some(seconds) if seconds > 0.0 => Ok(Some(seconds)),
            Some(_) => Err(ResolveError::TimeoutNotPositive),
            None => Err(wrong_type("timeout", "a timeout", "a number of seconds", value)),
        },
    };
    match timeout {
        None => Ok((None, None)),
        Some(Value::List(parts)) => match parts.as_slice() {
            [connect, read] => Ok((part(connect)?, part(read)?)),
            _ => Err(ResolveError::TimeoutList),
        },
        Some(value) => part(&value).map(|seconds| (seconds, seconds)),
    }
}

fn resolve_python(provider: &Map, scope: &Scope) -> Result<PythonCall, ResolveError> {
    let text = |key: &'static str, message: &'static str| {
        let text = provider.get(key).and_then(Value::as_text).map(str::to_owned);
        text.ok_or(ResolveError::Missing { key, message })
    };
    let mut arguments = function_arguments(provider, scope)?;
    // the argument of that name is the function's parameter for secrets
    let given = arguments.shift_remove("secrets");
    let secrets = match provider.get("secrets") {
        Some(groups) => merge_groups(groups, scope),
        None => match given {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Map(secrets)) => secrets,
            Some(other) => {
                return Err(wrong_type("arguments", "the argument 'secrets'", "a mapping", &other));
            }
        },
    };
    Ok(PythonCall {
        module: text("module", "a Python activity must have a module path")?,
        function: text("func", "a Python activity must have a function name")?,
        arguments,
        secrets,
        configuration: scope.configuration().clone(),
    })
}

/// Merges the groups of secrets that a provider names.
fn merge_groups(groups: &Value, scope: &Scope) -> Map {
    let mut secrets = Map::new();
    for group in groups.as_list().unwrap_or_default() {
        let group = group.as_text().and_then(|name| scope.secrets().get(name));
        secrets.extend(group.and_then(Value::as_map).cloned().unwrap_or_default());
    }
    secrets
}

fn function_arguments(provider: &Map, scope: &Scope) -> Result<Map, ResolveError> {
    match fill_argument(provider.get("arguments"), scope) {
        Value::Null => Ok(Map::new()),
        Value::Map(arguments) => Ok(arguments),
        other => Err(wrong_type("arguments", "the arguments of a function", "a mapping", &other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn call(provider: &Json, configuration: Json) -> Result<ResolvedActivity, ResolveError> {
        let document = json!({"type": "probe", "name": "p", "provider": provider}).into();
        let activity = Activity::from_value(&document, "/method/0", &[]).unwrap();
        let configuration = Value::from(configuration).as_map().unwrap().clone();
        let secrets = Value::from(json!({"a": {"x": 1, "y": 1}, "b": {"y": 2}})).as_map().unwrap().clone();
        let secrets = if configuration.is_empty() { Map::new() } else { secrets };
        resolve(&activity, &Scope::new(configuration, secrets))
    }

    #[test]
    fn process_arguments_become_strings() {
        let check = |arguments: Json, expected: &[&str]| {
            let provider = json!({"type": "process", "path": "echo", "arguments": arguments});
            match call(&provider, json!({"l": ["x", "y z", 3], "s": "a b", "n": 5})) {
                Ok(ResolvedActivity::Process(ProcessCall {
                    arguments: ProcessArguments::List(list),
                    ..
                })) => {
                    assert_eq!(list, expected, "{arguments}");
                }
                Ok(ResolvedActivity::Process(ProcessCall {
                    arguments: ProcessArguments::Shell(text),
                    ..
                })) => {
                    assert_eq!(["sh", text.as_str()], expected, "{arguments}");
                }
                _ => panic!("{arguments}"),
            }
        };
        check(
            json!([1, 2.5, 1.0, true, "a b", null, "", "$HOME"]),
            &["1", "2.5", "1.0", "True", "a b", "$HOME"],
        );
        check(json!([["b", "c"], {"d": 1}]), &["['b', 'c']", "{'d': 1}"]);
        check(
            json!({"--flag": "v", "-n": null, "--x": "", "--y": 3}),
            &["--flag", "v", "-n", "--x", "--y", "3"],
        );
        check(json!("one | two"), &["sh", "one | two"]);
        check(json!(""), &["sh", ""]);
        check(json!("${l}"), &["x", "y z", "3"]);
        check(json!("${s}"), &["sh", "a b"]);
        check(json!(["${n}", "n=$n"]), &["5", "n=5"]);
        check(json!([]), &[]);
    }

    #[test]
    fn invalid_process_arguments_are_rejected() {
        let check = |provider: Json, configuration: Json| {
            assert!(call(&provider, configuration).is_err(), "{provider}");
        };
        check(json!({"type": "process", "path": "echo", "arguments": 5}), json!({}));
        check(json!({"type": "process", "path": "echo", "arguments": null}), json!({}));
        check(json!({"type": "process", "path": "echo", "arguments": "${n}"}), json!({"n": 5}));
        check(json!({"type": "process", "path": "echo", "timeout": "1"}), json!({}));
        check(json!({"type": "process", "path": 5}), json!({}));
        check(json!({"type": "process"}), json!({}));
        check(json!({"type": "grpc"}), json!({}));
    }

    #[test]
    fn arguments_stay_unchanged_with_an_empty_scope() {
        let Ok(ResolvedActivity::Http(http)) =
            call(&json!({"type": "http", "url": "http://h/$$", "arguments": {"a": "$$"}}), json!({}))
        else {
            panic!()
        };
        assert_eq!((http.url.as_str(), &http.arguments), ("http://h/$", &json!({"a": "$$"}).into()));
    }

    #[test]
    fn http_fields_resolve_with_their_types() {
        let provider = json!({"type": "http", "url": "http://h/${n}", "method": "pAtCh", "max_retries": 2,
            "headers": {"A": "v${n}", "B": null, "C": 2, "D": true, "E": "${n}"}, "timeout": [1, "${half}"], "verify_tls": false,
            "arguments": {"n": "${n}"}});
        let Ok(ResolvedActivity::Http(http)) = call(&provider, json!({"n": 5, "half": 0.5})) else {
            panic!()
        };
        assert_eq!(http.url, "http://h/5");
        assert_eq!(http.method, "PATCH");
        let headers: Vec<_> =
            http.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(headers, [("A", "v5"), ("C", "2"), ("D", "true"), ("E", "5")]);
        assert_eq!(http.timeout, (Some(1.0), Some(0.5)));
        assert_eq!(http.verification, Verification::None);
        assert_eq!(http.max_retries, 2);
        assert_eq!(http.arguments, json!({"n": 5}).into());
        for invalid in [
            json!({"headers": {"A": ["${n}"]}}),
            json!({"timeout": "1"}),
            json!({"timeout": 0}),
            json!({"url": "${n}"}),
            json!({"timeout": [1]}),
            json!({"method": 1}),
            json!({"max_retries": "2"}),
            json!({"headers": [1]}),
        ] {
            let mut provider = json!({"type": "http", "url": "http://h/"});
            provider.as_object_mut().unwrap().extend(invalid.as_object().unwrap().clone());
            assert!(call(&provider, json!({"n": 5})).is_err(), "{invalid}");
        }
    }

    #[test]
    fn python_call_merges_secret_groups() {
        let provider = json!({"type": "python", "module": "m", "func": "f", "arguments": {"a": "${n}"}, "secrets": ["a", "b", "none"]});
        let Ok(ResolvedActivity::Python(python)) = call(&provider, json!({"n": 5})) else { panic!() };
        assert_eq!(Value::Map(python.arguments), json!({"a": 5}).into());
        assert_eq!(Value::Map(python.secrets), json!({"x": 1, "y": 2}).into());
        assert_eq!(Value::Map(python.configuration), json!({"n": 5}).into());
    }

    #[test]
    fn secrets_argument_is_taken_unless_groups_are_named() {
        let check = |entries: Json, expected: Result<Json, &str>| {
            let mut provider = json!({"type": "python", "module": "m", "func": "f"});
            provider.as_object_mut().unwrap().extend(entries.as_object().unwrap().clone());
            let resolved = match call(&provider, json!({"n": 5})) {
                Ok(ResolvedActivity::Python(python)) => {
                    assert!(!python.arguments.contains_key("secrets"), "{provider}");
                    Ok(Value::Map(python.secrets))
                }
                Ok(_) => panic!("{provider}"),
                Err(error) => Err(error.to_string()),
            };
            assert_eq!(resolved, expected.map(Value::from).map_err(str::to_owned), "{provider}");
        };
        check(json!({"arguments": {"secrets": {"k": "${n}"}}}), Ok(json!({"k": 5})));
        check(json!({"arguments": {"secrets": null}}), Ok(json!({})));
        check(json!({"arguments": {"secrets": {"k": 1}}, "secrets": ["b"]}), Ok(json!({"y": 2})));
        check(
            json!({"arguments": {"secrets": ["b"]}}),
            Err("the argument 'secrets' must be a mapping, not a list"),
        );
    }

    #[test]
    fn null_verify_tls_verifies() {
        for (given, expected) in [
            (json!(null), Verification::Full),
            (json!(true), Verification::Full),
            (json!(false), Verification::None),
            (json!(0), Verification::None),
            (json!("ca.pem"), Verification::File("ca.pem".to_owned())),
        ] {
            let provider = json!({"type": "http", "url": "http://h/", "verify_tls": given});
            let Ok(ResolvedActivity::Http(http)) = call(&provider, json!({})) else { panic!("{given}") };
            assert_eq!(http.verification, expected, "{given}");
        }
    }

    #[test]
    fn every_error_of_a_provider_is_found() {
        let found = |kind: ProviderKind, provider: Json| {
            let provider = Value::from(provider).as_map().unwrap().clone();
            let errors = find_errors(kind, &provider, &Scope::default());
            errors.iter().map(|error| error.path().join("/")).collect::<Vec<_>>()
        };
        assert_eq!(
            found(
                ProviderKind::Http,
                json!({"url": 5, "method": null, "max_retries": 1.5, "timeout": [1], "headers": {"A": [], "B": {}}})
            ),
            ["url", "method", "max_retries", "timeout", "headers/A", "headers/B"]
        );
        assert_eq!(
            found(ProviderKind::Process, json!({"arguments": 5, "timeout": "x"})),
            ["arguments", "timeout"]
        );
        assert_eq!(found(ProviderKind::Python, json!({"arguments": []})), ["arguments"]);
        assert!(found(ProviderKind::Http, json!({"url": "u", "headers": ""})).is_empty());
    }
}
