//! Resolves declared configuration and secrets.
//!
//! It is pure: the environment is a function, values of HashiCorp Vault are arguments, and the engine resolves dynamic
//! entries, whose probes it runs.
//!
//! Verbatim: chaostoolkit-lib 1.45 (messages about environment keys, variable types and `--var`)

use super::document::pointer_token;
use super::{Experiment, json};
use crate::diagnostic::{Diagnostic, suggestion};
use crate::value::{Map, Value};

/// Returns the value of an environment variable.
pub type EnvironmentLookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Given values that replace declarations of the experiment.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    /// Configuration entries by name: values or declarations.
    pub configuration: Map,
    /// Groups of secrets by name; each replaces the whole group.
    pub secrets: Map,
}

impl Variables {
    pub fn is_empty(&self) -> bool {
        self.configuration.is_empty() && self.secrets.is_empty()
    }
}

/// The types of `env_var_type` and `--var name:type=value`.
pub const VARIABLE_TYPES: [&str; 9] =
    ["str", "string", "int", "integer", "float", "number", "bytes", "bool", "json"];

/// Error of a variable, a configuration entry or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    #[error("Configuration makes reference to an environment key that does not exist: {0}")]
    UnsetConfiguration(String),
    #[error("Secrets make reference to an environment key that does not exist: {0}")]
    UnsetSecret(String),
    #[error("an entry of type env needs a key with the name of an environment variable")]
    MissingKey,
    #[error("environment key {key}: {source}")]
    InvalidEnvironment { key: String, source: ConversionError },
    #[error("var needs to be in the format name[:type]=value")]
    InvalidSyntax,
    #[error(transparent)]
    InvalidValue(#[from] ConversionError),
}

/// Error of a value that does not have the declared type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConversionError {
    /// The value, quoted.
    #[error("invalid value {value}: expected {expected}")]
    WrongType { value: String, expected: &'static str },
    #[error("{}", .0.message)]
    InvalidJson(Diagnostic),
    #[error("variable type can only be: bool, str, int, float, bytes or json")]
    UnknownType,
}

/// Resolves the configuration; dynamic entries stay as declared.
pub fn resolve_configuration(
    declared: &Map,
    variables: &Map,
    environment: &EnvironmentLookup<'_>,
) -> Result<Map, VariableError> {
    let resolve = |(name, declaration): (&String, &Value)| {
        let declaration = variables.get(name).unwrap_or(declaration);
        resolve_configuration_entry(declaration, environment).map(|value| (name.clone(), value))
    };
    declared.iter().map(resolve).collect()
}

/// Resolves one configuration entry.
pub(super) fn resolve_configuration_entry(
    declaration: &Value,
    environment: &EnvironmentLookup<'_>,
) -> Result<Value, VariableError> {
    if declaration.get("type").and_then(Value::as_text) != Some("env") {
        return Ok(declaration.clone());
    }
    let key = environment_key(declaration)?;
    let value = match (environment(&key), declaration.get("default")) {
        (Some(text), _) => Value::Text(text),
        (None, Some(default)) => default.clone(),
        (None, None) => return Err(VariableError::UnsetConfiguration(key)),
    };
    match declaration.get("env_var_type").filter(|t| **t != Value::Null) {
        None => Ok(value),
        Some(kind) => convert(&kind.python_text(), &value)
            .map_err(|source| VariableError::InvalidEnvironment { key, source }),
    }
}

/// Returns whether a configuration entry is a probe.
pub fn is_dynamic(entry: &Value) -> bool {
    entry.get("type").and_then(Value::as_text) == Some("probe")
}

/// A secret in HashiCorp Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultSecret {
    /// The JSON pointer of the declaration below `secrets`.
    pub at: String,
    /// The path in the store; without one the secret is empty, with a warning.
    pub path: Option<String>,
    /// The field; the whole payload if none.
    pub field: Option<String>,
}

/// Returns the secrets to fetch from Vault before [`resolve_secrets`].
pub fn vault_secrets(declared: &Map, variables: &Map) -> Vec<VaultSecret> {
    let mut secrets = Vec::new();
    for (name, declaration) in declared {
        if !is_replaced(variables, name) {
            collect_vault_secrets(declaration, &format!("/{}", pointer_token(name)), &mut secrets);
        }
    }
    secrets
}

fn collect_vault_secrets(declaration: &Value, pointer: &str, found: &mut Vec<VaultSecret>) {
    let Some(entries) = declaration.as_map() else { return };
    let text = |key: &str| entries.get(key).map(|v| v.python_text().into_owned());
    match entries.get("type").and_then(Value::as_text) {
        Some("env") => {}
        Some("vault") => {
            found.push(VaultSecret { at: pointer.to_owned(), path: text("path"), field: text("key") });
        }
        _ => entries.iter().for_each(|(name, inner)| {
            collect_vault_secrets(inner, &format!("{pointer}/{}", pointer_token(name)), found);
        }),
    }
}

/// Resolves the secrets. `fetched` has the values of Vault by the pointer of the declaration.
pub fn resolve_secrets(
    declared: &Map,
    variables: &Map,
    environment: &EnvironmentLookup<'_>,
    fetched: &Map,
) -> Result<Map, VariableError> {
    let resolve = |(name, declaration): (&String, &Value)| {
        let value = match variables.get(name) {
            Some(given) if is_replaced(variables, name) => given.clone(),
            _ => resolve_secret(declaration, &format!("/{}", pointer_token(name)), environment, fetched)?,
        };
        Ok((name.clone(), value))
    };
    declared.iter().map(resolve).collect()
}

/// Returns whether a variable replaces a group; null does not.
fn is_replaced(variables: &Map, name: &str) -> bool {
    variables.get(name).is_some_and(|value| *value != Value::Null)
}

fn resolve_secret(
    declaration: &Value,
    pointer: &str,
    environment: &EnvironmentLookup<'_>,
    fetched: &Map,
) -> Result<Value, VariableError> {
    let Some(entries) = declaration.as_map() else { return Ok(declaration.clone()) };
    match entries.get("type").and_then(Value::as_text) {
        Some("env") => {
            let key = environment_key(declaration)?;
            environment(&key).map(Value::Text).ok_or(VariableError::UnsetSecret(key))
        }
        Some("vault") => Ok(fetched.get(pointer).cloned().unwrap_or_else(|| Value::Map(Map::new()))),
        _ => entries
            .iter()
            .map(|(name, inner)| {
                resolve_secret(inner, &format!("{pointer}/{}", pointer_token(name)), environment, fetched)
                    .map(|value| (name.clone(), value))
            })
            .collect::<Result<Map, VariableError>>()
            .map(Value::Map),
    }
}

/// Returns the value of a secret; `None` if it is invalid, or if Vault has a part of it.
pub(super) fn resolve_known_secret(
    declaration: &Value,
    environment: &EnvironmentLookup<'_>,
) -> Option<Value> {
    let mut of_vault = Vec::new();
    collect_vault_secrets(declaration, "", &mut of_vault);
    if of_vault.is_empty() { resolve_secret(declaration, "", environment, &Map::new()).ok() } else { None }
}

fn environment_key(declaration: &Value) -> Result<String, VariableError> {
    let key = declaration.get("key").and_then(Value::as_text);
    key.map(str::to_owned).ok_or(VariableError::MissingKey)
}

/// Converts a value to one of [`VARIABLE_TYPES`] as Python does.
pub fn convert(kind: &str, value: &Value) -> Result<Value, ConversionError> {
    let text = value.as_text();
    let invalid = |expected: &'static str| {
        Err(ConversionError::WrongType { value: format!("{:?}", value.python_text()), expected })
    };
    match kind {
        "str" | "string" => Ok(value.clone()),
        "int" | "integer" => match (value, text.map(python_int)) {
            (_, Some(Some(number))) => Ok(Value::Int(number)),
            (Value::Int(_), _) => Ok(value.clone()),
            (Value::Bool(b), _) => Ok(Value::Int((*b).into())),
            #[allow(clippy::cast_possible_truncation)] // int() truncates
            (Value::Float(f), _) if f.is_finite() => Ok(Value::Int(*f as i128)),
            _ => invalid("an integer"),
        },
        "float" | "number" => match (value.as_f64(), text.map(python_float)) {
            (Some(number), _) | (_, Some(Some(number))) => Ok(Value::Float(number)),
            _ => invalid("a number"),
        },
        // an experiment can only use the text of Python's bytes
        "bytes" => match text {
            Some(text) => Ok(Value::Text(format!(
                "b{}",
                Value::List(vec![text.into()]).python_text().trim_matches(['[', ']'])
            ))),
            None => invalid("a string"),
        },
        "bool" => match (value, text) {
            (Value::Bool(_), _) => Ok(value.clone()),
            (_, Some(text)) => Ok(Value::Bool(!matches!(text.to_lowercase().as_str(), "false" | "0" | "no"))),
            _ => invalid("a string or a boolean"),
        },
        "json" => match text {
            None | Some("") => Ok(value.clone()),
            Some(text) => {
                json::read(text, "value").map(|d| d.root.to_value()).map_err(ConversionError::InvalidJson)
            }
        },
        _ => Err(ConversionError::UnknownType),
    }
}

/// Parses like Python's `int(text)`: surrounding blanks, a sign, single underscores between digits.
fn python_int(text: &str) -> Option<i128> {
    python_digits(text.trim())?.parse().ok()
}

/// Parses like Python's `float(text)`.
fn python_float(text: &str) -> Option<f64> {
    python_digits(text.trim())?.parse().ok()
}

/// Removes underscores between digits; none if there is another underscore.
fn python_digits(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit =
        |index: Option<usize>| index.and_then(|index| bytes.get(index)).is_some_and(u8::is_ascii_digit);
    let mut underscores = bytes.iter().enumerate().filter(|(_, b)| **b == b'_').map(|(index, _)| index);
    underscores
        .all(|index| digit(index.checked_sub(1)) && digit(Some(index + 1)))
        .then(|| text.replace('_', ""))
}

/// Parses a `--var`: `name=value` or `name:type=value`.
pub fn parse_var(text: &str) -> Result<(String, Value), VariableError> {
    let Some((name, value)) = text.split_once('=') else { return Err(VariableError::InvalidSyntax) };
    match name.rsplit_once(':') {
        None => Ok((name.to_owned(), value.into())),
        Some((name, kind)) => Ok((name.to_owned(), convert(kind, &value.into())?)),
    }
}

/// Returns warnings about variables that the experiment does not declare.
pub fn undeclared_warnings(experiment: &Experiment, variables: &Variables) -> Vec<String> {
    let configuration =
        variables.configuration.keys().filter(|key| !experiment.configuration.contains_key(*key));
    let secrets = variables.secrets.keys().filter(|key| !experiment.secrets.contains_key(*key));
    let warning = |section: &str, verb: &str, key: &String, declared: &Map| {
        let hint = suggestion(key, declared.keys().map(String::as_str));
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("variable '{key}' has no effect: the {section} of the experiment {verb} not declare it{hint}")
    };
    configuration
        .map(|key| warning("configuration", "does", key, &experiment.configuration))
        .chain(secrets.map(|key| warning("secrets", "do", key, &experiment.secrets)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(json: serde_json::Value) -> Map {
        Value::from(json).as_map().unwrap().clone()
    }

    fn environment(key: &str) -> Option<String> {
        let text = match key {
            "SET" => "from env",
            "EMPTY" => "",
            "SEVEN" => " 7 ",
            "JSON" => r#"[1, {"a": null}]"#,
            _ => return None,
        };
        Some(text.to_owned())
    }

    #[test]
    fn configuration_resolves_file_environment_and_variables() {
        let check = |declared: serde_json::Value,
                     variables: serde_json::Value,
                     expected: Result<serde_json::Value, &str>| {
            let resolved = resolve_configuration(&map(declared.clone()), &map(variables), &environment);
            let resolved = resolved.map(Value::Map).map_err(|error| error.to_string());
            assert_eq!(resolved, expected.map(Value::from).map_err(str::to_owned), "{declared}");
        };
        use serde_json::json;
        let env = |key: &str| json!({"type": "env", "key": key});
        check(json!({"a": [1, "x"], "b": {"k": 1}}), json!({}), Ok(json!({"a": [1, "x"], "b": {"k": 1}})));
        check(json!({"a": env("SET"), "b": env("EMPTY")}), json!({}), Ok(json!({"a": "from env", "b": ""})));
        check(
            json!({"a": env("NONE")}),
            json!({}),
            Err("Configuration makes reference to an environment key that does not exist: NONE"),
        );
        check(json!({"a": {"type": "env", "key": "NONE", "default": 5}}), json!({}), Ok(json!({"a": 5})));
        check(
            json!({"a": {"type": "env", "key": "SEVEN", "env_var_type": "int"},
                   "b": {"type": "env", "key": "NONE", "default": "no", "env_var_type": "bool"},
                   "c": {"type": "env", "key": "JSON", "env_var_type": "json"}}),
            json!({}),
            Ok(json!({"a": 7, "b": false, "c": [1, {"a": null}]})),
        );
        check(
            json!({"a": {"type": "env", "key": "SET", "env_var_type": "int"}}),
            json!({}),
            Err("environment key SET: invalid value \"from env\": expected an integer"),
        );
        // variables replace declarations, may be declarations, and cannot add any
        check(json!({"a": env("NONE")}), json!({"a": "given", "z": 1}), Ok(json!({"a": "given"})));
        check(json!({"a": 1}), json!({"a": env("SET")}), Ok(json!({"a": "from env"})));
        // any other mapping is the value itself
        check(
            json!({"a": {"type": "vault", "path": "x"}}),
            json!({}),
            Ok(json!({"a": {"type": "vault", "path": "x"}})),
        );
    }

    #[test]
    fn secrets_resolve_file_environment_vault_and_variables() {
        use serde_json::json;
        let declared = map(json!({
            "s": {"k": {"type": "env", "key": "SET"}, "inline": "x", "deep": {"er": {"type": "env", "key": "SET"}}},
            "top": {"type": "env", "key": "SET"},
            "v": {"t": {"type": "vault", "path": "foo/bar", "key": "token"}, "all": {"type": "vault", "path": "foo"}},
            "replaced": {"a": {"type": "env", "key": "NONE"}, "b": 1},
        }));
        let variables = map(json!({"replaced": {"a": "given"}, "undeclared": {"x": 1}, "s": null}));
        let secrets = vault_secrets(&declared, &variables);
        let places: Vec<_> = secrets.iter().map(|v| (v.at.as_str(), v.field.as_deref())).collect();
        assert_eq!(places, [("/v/t", Some("token")), ("/v/all", None)]);
        let fetched = map(json!({"/v/t": "hvs", "/v/all": {"a": 1}}));
        let resolved = resolve_secrets(&declared, &variables, &environment, &fetched).unwrap();
        assert_eq!(
            Value::Map(resolved),
            json!({
                "s": {"k": "from env", "inline": "x", "deep": {"er": "from env"}},
                "top": "from env", "v": {"t": "hvs", "all": {"a": 1}}, "replaced": {"a": "given"},
            })
            .into()
        );
        let missing = map(json!({"s": {"k": {"type": "env", "key": "NONE"}}}));
        assert_eq!(
            resolve_secrets(&missing, &Map::new(), &environment, &Map::new()).unwrap_err(),
            VariableError::UnsetSecret("NONE".to_owned())
        );
    }

    #[test]
    fn variable_values_convert_to_their_type() {
        let check = |text: &str, expected: Option<(&str, serde_json::Value)>| {
            let expected = expected.map(|(name, value)| (name.to_owned(), Value::from(value)));
            assert_eq!(parse_var(text).ok(), expected, "{text}");
        };
        use serde_json::json;
        check("a=1", Some(("a", json!("1"))));
        check("a=b=c", Some(("a", json!("b=c"))));
        check("a:int=5", Some(("a", json!(5))));
        check("a:int= 1_000 ", Some(("a", json!(1000))));
        check("a:int=5.0", None);
        check("a:int=_5", None);
        check("a:float=2", Some(("a", json!(2.0))));
        check("a:number=1e3", Some(("a", json!(1000.0))));
        check("a:bool=No", Some(("a", json!(false))));
        check("a:bool=off", Some(("a", json!(true))));
        check("a:bool=", Some(("a", json!(true))));
        check("a:json={\"x\": [1]}", Some(("a", json!({"x": [1]}))));
        check("a:json=", Some(("a", json!(""))));
        check("a:json={", None);
        check("a:bytes=it's", Some(("a", json!("b\"it's\""))));
        check("a:b:str=x", Some(("a:b", json!("x"))));
        check("a:date=x", None);
        check("a", None);
        check("=x", Some(("", json!("x"))));
    }
}
