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

/// Resolves an activity. An error aborts the run, as in the Chaos Toolkit.
pub fn resolve(activity: &Activity, scope: &Scope) -> Result<ResolvedActivity, String> {
    let arguments = &activity.arguments;
    match activity.provider {
        Some(ProviderKind::Process) => resolve_process(arguments, scope).map(ResolvedActivity::Process),
        Some(ProviderKind::Http) => resolve_http(arguments, scope).map(ResolvedActivity::Http),
        Some(ProviderKind::Python) => resolve_python(arguments, scope).map(ResolvedActivity::Python),
        None => Err(match arguments.get("type") {
            Some(kind) => format!("unknown provider type '{}'", kind.python_text()),
            None => "an activity requires a provider".to_owned(),
        }),
    }
}

/// Substitutes placeholders in an argument; with an empty scope even `$$` stays.
fn fill_argument(value: Option<&Value>, scope: &Scope) -> Value {
    match value {
        None => Value::Null,
        Some(value) if scope.is_empty() => value.clone(),
        Some(value) => scope.fill(value),
    }
}

fn resolve_process(provider: &Map, scope: &Scope) -> Result<ProcessCall, String> {
    let path = match provider.get("path") {
        Some(Value::Text(path)) => path.clone(),
        Some(other) => return Err(format!("the path of a process must be a string, not {}", other.kind())),
        None => return Err("a process activity must have a path".to_owned()),
    };
    let items = |values: &mut dyn Iterator<Item = &Value>| {
        let given = values.filter(|value| !matches!(value, Value::Null) && value.as_text() != Some(""));
        ProcessArguments::List(given.map(|value| value.python_text().into_owned()).collect())
    };
    let arguments = match fill_argument(provider.get("arguments"), scope) {
        Value::Null if !provider.contains_key("arguments") => ProcessArguments::List(Vec::new()),
        Value::Text(text) => ProcessArguments::Shell(text),
        Value::List(list) => items(&mut list.iter()),
        Value::Map(map) => {
            let keys: Vec<Value> = map.keys().map(|key| Value::Text(key.clone())).collect();
            items(&mut keys.iter().zip(map.values()).flat_map(|(key, value)| [key, value]))
        }
        other => {
            return Err(format!(
                "the arguments of a process must be a list or a string, not {}",
                other.kind()
            ));
        }
    };
    let timeout = match provider.get("timeout") {
        None | Some(Value::Null) => None,
        Some(value) => Some(seconds(value).ok_or_else(|| {
            format!("the timeout of a process must be a number of seconds, not {}", value.kind())
        })?),
    };
    Ok(ProcessCall { path, arguments, timeout })
}

/// Returns a number of seconds; none for NaN.
fn seconds(value: &Value) -> Option<f64> {
    value.as_f64().filter(|seconds| !seconds.is_nan())
}

fn resolve_http(provider: &Map, scope: &Scope) -> Result<HttpCall, String> {
    let field = |key: &str| provider.get(key).filter(|value| **value != Value::Null);
    let url = match field("url").map(|url| scope.fill(url)) {
        Some(Value::Text(url)) => url,
        Some(other) => return Err(format!("the url of a request must be a string, not {}", other.kind())),
        None => return Err("a HTTP activity must have a URL".to_owned()),
    };
    let method = match provider.get("method") {
        None => "GET".to_owned(),
        Some(Value::Text(method)) => method.to_uppercase(),
        Some(other) => return Err(format!("the method of a request must be a string, not {}", other.kind())),
    };
    // `requests` verifies if it gets no value
    let verification = match field("verify_tls") {
        Some(Value::Text(path)) if !path.is_empty() => Verification::File(path.clone()),
        Some(value) if !value.is_truthy() => Verification::None,
        _ => Verification::Full,
    };
    let max_retries = match field("max_retries") {
        None => 0,
        Some(Value::Int(n)) => u32::try_from(*n).unwrap_or(0),
        Some(other) => return Err(format!("max_retries must be an integer, not {}", other.kind())),
    };
    Ok(HttpCall {
        url,
        method,
        headers: resolve_headers(field("headers").map(|headers| scope.fill(headers)))?,
        arguments: fill_argument(provider.get("arguments"), scope),
        timeout: resolve_http_timeout(field("timeout").map(|timeout| scope.fill(timeout)))?,
        verification,
        max_retries,
    })
}

fn resolve_headers(headers: Option<Value>) -> Result<Vec<(String, String)>, String> {
    let headers = match headers {
        None => return Ok(Vec::new()),
        Some(Value::Map(headers)) => headers,
        Some(other) => return Err(format!("headers must be a mapping, not {}", other.kind())),
    };
    let header = |(name, value): (String, Value)| match value {
        Value::Text(text) => Some(Ok((name, text))),
        // a null header is omitted
        Value::Null => None,
        other => Some(Err(format!(
            "Header part ({}) from ('{name}') must be of type str or bytes",
            other.python_text()
        ))),
    };
    headers.into_iter().filter_map(header).collect()
}

fn resolve_http_timeout(timeout: Option<Value>) -> Result<(Option<f64>, Option<f64>), String> {
    let part = |value: &Value| match value {
        Value::Null => Ok(None),
        value => match seconds(value) {
            Some(seconds) if seconds > 0.0 => Ok(Some(seconds)),
            Some(_) => Err("a timeout must be greater than 0 seconds".to_owned()),
            None => Err(format!("a timeout must be a number of seconds, not {}", value.kind())),
        },
    };
    match timeout {
        None => Ok((None, None)),
        Some(Value::List(parts)) => match parts.as_slice() {
            [connect, read] => Ok((part(connect)?, part(read)?)),
            _ => Err("a timeout list must be [connect, read]".to_owned()),
        },
        Some(value) => part(&value).map(|seconds| (seconds, seconds)),
    }
}

fn resolve_python(provider: &Map, scope: &Scope) -> Result<PythonCall, String> {
    let text = |key: &str| provider.get(key).and_then(Value::as_text).map(str::to_owned);
    let arguments = match fill_argument(provider.get("arguments"), scope) {
        Value::Null => Map::new(),
        Value::Map(arguments) => arguments,
        other => return Err(format!("the arguments of a function must be a mapping, not {}", other.kind())),
    };
    let mut secrets = Map::new();
    for group in provider.get("secrets").and_then(Value::as_list).unwrap_or_default() {
        let group = group.as_text().and_then(|name| scope.secrets().get(name));
        secrets.extend(group.and_then(Value::as_map).cloned().unwrap_or_default());
    }
    Ok(PythonCall {
        module: text("module").ok_or("a Python activity must have a module path")?,
        function: text("func").ok_or("a Python activity must have a function name")?,
        arguments,
        secrets,
        configuration: scope.configuration().clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn call(provider: &Json, configuration: Json) -> Result<ResolvedActivity, String> {
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
            "headers": {"A": "v${n}", "B": null}, "timeout": [1, "${half}"], "verify_tls": false,
            "arguments": {"n": "${n}"}});
        let Ok(ResolvedActivity::Http(http)) = call(&provider, json!({"n": 5, "half": 0.5})) else {
            panic!()
        };
        assert_eq!(http.url, "http://h/5");
        assert_eq!(http.method, "PATCH");
        assert_eq!(http.headers, [("A".to_owned(), "v5".to_owned())]);
        assert_eq!(http.timeout, (Some(1.0), Some(0.5)));
        assert_eq!(http.verification, Verification::None);
        assert_eq!(http.max_retries, 2);
        assert_eq!(http.arguments, json!({"n": 5}).into());
        for wrong in [
            json!({"headers": {"A": "${n}"}}),
            json!({"timeout": "1"}),
            json!({"timeout": 0}),
            json!({"url": "${n}"}),
            json!({"timeout": [1]}),
            json!({"method": 1}),
            json!({"max_retries": "2"}),
            json!({"headers": []}),
        ] {
            let mut provider = json!({"type": "http", "url": "http://h/"});
            provider.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
            assert!(call(&provider, json!({"n": 5})).is_err(), "{wrong}");
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
}
