//! Arguments of a function call.

use crate::chaosk8s::error::{Error, PythonException, Result};
use serde_json::Value as Json;

use super::catalogue::{ArgumentDefault, Function};
use crate::value::{Map, Value};

/// Every argument of a function, with its default if it was not given.
#[derive(Clone, Debug)]
pub struct Arguments {
    values: Map,
    /// Whether the call names its namespace and a number of targets there.
    is_bounded: bool,
}

impl Arguments {
    /// Binds the given values and the defaults. The default namespace is that of the run.
    pub fn bind(function: &Function, given: &Map, namespace: &str) -> Result<Self> {
        let mut bound = Map::new();
        for argument in function.arguments {
            let value = match (given.get(argument.name), argument.default) {
                // null would mean every namespace
                (Some(Value::Null), _) if argument.name == "ns" => {
                    let message = "Missing the required parameter `namespace`".to_owned();
                    return Err(Error::raise(PythonException::ApiValueError, message));
                }
                (Some(value), _) => value.clone(),
                (None, ArgumentDefault::Text("default")) if argument.name == "ns" => namespace.into(),
                (None, default) => default.value().ok_or_else(|| {
                    let message = format!(
                        "{}() missing 1 required positional argument: '{}'",
                        function.name, argument.name
                    );
                    Error::raise(PythonException::TypeError, message)
                })?,
            };
            bound.insert(argument.name.to_owned(), value);
        }
        if let Some(unknown) = given.keys().find(|name| !bound.contains_key(*name)) {
            let message = format!("{}() got an unexpected keyword argument '{unknown}'", function.name);
            return Err(Error::raise(PythonException::TypeError, message));
        }
        Ok(Self { values: bound, is_bounded: is_bounded(function, given) })
    }

    /// Returns an argument; null if there is none of that name.
    pub fn value(&self, name: &str) -> &Value {
        const NULL: &Value = &Value::Null;
        self.values.get(name).unwrap_or(NULL)
    }

    /// Whether the call cannot target everything, even without a selector.
    pub(super) fn is_bounded(&self) -> bool {
        self.is_bounded
    }

    /// Returns an argument as an integer, as Python's `int()` reads it; `None` for null.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>> {
        python_int(self.value(name))
    }

    /// Returns an argument as JSON.
    pub fn json(&self, name: &str) -> Json {
        to_json(self.value(name))
    }

    /// Returns an argument as text; `None` for null.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.value(name) {
            Value::Null => None,
            value => Some(value.python_text().into_owned()),
        }
    }

    /// Returns an argument as text; `None` for null and for empty text.
    pub fn some_text(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// Returns a required argument as text.
    pub fn required(&self, name: &str) -> String {
        self.text(name).unwrap_or_default()
    }

    /// Whether an argument is true by Python's rules.
    pub fn flag(&self, name: &str) -> bool {
        self.value(name).is_truthy()
    }

    /// Whether a probe fails instead of returning false. Old names of probes have no such flag: they fail.
    pub fn raises(&self, flag: &str) -> bool {
        self.values.get(flag).is_none_or(Value::is_truthy)
    }

    /// Returns an argument as an integer, truncated; `None` for null.
    ///
    /// Text is rejected: a guess could select the wrong targets.
    pub fn number(&self, name: &str) -> Result<Option<i64>> {
        if *self.value(name) == Value::Null { Ok(None) } else { self.amount(name).map(Some) }
    }

    /// Returns a required argument as an integer, truncated.
    pub fn amount(&self, name: &str) -> Result<i64> {
        let value = self.value(name);
        let number = value.as_f64().filter(|number| number.is_finite() && value.as_text().is_none());
        #[allow(clippy::cast_possible_truncation)] // Python's int() cuts as well
        number.map(|number| number as i64).ok_or_else(|| {
            let message =
                format!("invalid argument '{name}': expected a number, not {}", value.python_type());
            Error::raise(PythonException::TypeError, message)
        })
    }

    /// Returns the label selector with `{name}` filled in.
    pub fn selector(&self, name: &str) -> Result<String> {
        match self.text("label_selector") {
            Some(selector) => fill_name(&selector, name),
            None => {
                let message = "'NoneType' object has no attribute 'format'".to_owned();
                Err(Error::raise(PythonException::AttributeError, message))
            }
        }
    }

    pub fn namespace(&self) -> String {
        self.required("ns")
    }

    /// Returns the items of a list, or of text with commas; `None` if there are none.
    pub fn items(&self, name: &str) -> Option<Vec<Json>> {
        match self.value(name) {
            Value::Text(text) if !text.is_empty() => Some(text.split(',').map(Json::from).collect()),
            Value::List(items) if !items.is_empty() => Some(items.iter().map(to_json).collect()),
            _ => None,
        }
    }

    /// Returns the pairs of a mapping, or of text with `key=value` and commas; `None` if there are none.
    pub fn pairs(&self, name: &str) -> Result<Option<Json>> {
        match self.value(name) {
            Value::Text(text) if !text.is_empty() => {
                let pair = |item: &str| match item.split_once('=') {
                    Some((key, value)) => Ok((key.to_owned(), Json::from(value))),
                    None => Err(Error::raise(
                        PythonException::ValueError,
                        format!("argument '{name}': invalid item \"{item}\": expected key=value"),
                    )),
                };
                let pairs: serde_json::Map<String, Json> =
                    text.split(',').map(pair).collect::<Result<_, _>>()?;
                Ok(Some(pairs.into()))
            }
            value @ Value::Map(pairs) if !pairs.is_empty() => Ok(Some(to_json(value))),
            _ => Ok(None),
        }
    }
}

/// Whether a call names its namespace and a number of targets there, so that it cannot target everything.
pub(super) fn is_bounded(function: &Function, given: &Map) -> bool {
    let is_set = |name: &str| given.get(name).is_some_and(Value::is_truthy);
    let is_fixed = given.get("mode").is_none_or(|mode| mode.as_text() == Some("fixed"));
    let counts = given.contains_key("qty") || is_set("rand");
    let takes_quantity = function.arguments.iter().any(|argument| argument.name == "qty");
    takes_quantity && is_set("ns") && is_fixed && counts && !is_set("all")
}

/// Reads an integer as Python's `int()` does; `None` for null.
pub(super) fn python_int(value: &Value) -> Result<Option<i64>> {
    let invalid = |exception, message: String| Err(Error::raise(exception, message));
    match value {
        Value::Null => Ok(None),
        Value::Text(text) => match text.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => {
                let message = format!("invalid literal for int() with base 10: '{text}'");
                invalid(PythonException::ValueError, message)
            }
        },
        #[allow(clippy::cast_possible_truncation)] // Python's int() cuts as well
        number => match number.as_f64().filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number as i64)),
            None => {
                let message = format!(
                    "int() argument must be a string, a bytes-like object or a real number, not '{}'",
                    value.python_type()
                );
                invalid(PythonException::TypeError, message)
            }
        },
    }
}

/// Converts a value to JSON.
pub fn to_json(value: &Value) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}

/// Fills `{name}` in a selector, as Python's `str.format` does.
pub(super) fn fill_name(selector: &str, name: &str) -> Result<String> {
    let mut out = String::new();
    let mut rest = selector;
    while let Some(position) = rest.find(['{', '}']) {
        out += &rest[..position];
        rest = &rest[position..];
        if let Some(after) = rest.strip_prefix("{name}") {
            out += name;
            rest = after;
        } else if let Some(after) = rest.strip_prefix("{{") {
            out.push('{');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("}}") {
            out.push('}');
            rest = after;
        } else {
            let message = format!("invalid selector \"{selector}\": expected only {{name}} in braces");
            return Err(Error::raise(PythonException::KeyError, message));
        }
    }
    Ok(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaosk8s::catalogue::lookup;
    use serde_json::json;

    fn bind(given: Json) -> Result<Arguments> {
        let function = lookup("chaosk8s.pod.actions", "terminate_pods").unwrap();
        let given = Value::from(given).as_map().unwrap().clone();
        Arguments::bind(&function, &given, "shop")
    }

    #[test]
    fn missing_arguments_have_defaults() {
        let bound = bind(json!({"qty": 3.9, "rand": 1, "label_selector": ""})).unwrap();
        assert_eq!((bound.number("qty").unwrap(), bound.flag("rand")), (Some(3), true));
        assert_eq!((bound.namespace().as_str(), bound.required("mode").as_str()), ("shop", "fixed"));
        assert_eq!(bound.some_text("label_selector"), None);
        for invalid in [json!("3"), json!([3]), json!(null)] {
            assert!(bind(json!({"qty": invalid})).unwrap().amount("qty").is_err(), "{invalid}");
        }
        // null would mean every namespace
        assert!(bind(json!({"ns": null})).unwrap_err().to_string().contains("`namespace`"));
        assert!(
            bind(json!({"quantity": 1}))
                .unwrap_err()
                .to_string()
                .contains("unexpected keyword argument 'quantity'")
        );
    }

    #[test]
    fn integers_are_read_as_python_does() {
        let check = |value: Json, expected: Option<Option<i64>>| {
            assert_eq!(python_int(&value.clone().into()).ok(), expected, "{value}");
        };
        check(json!(null), Some(None));
        check(json!(" 2 "), Some(Some(2)));
        check(json!(2.9), Some(Some(2)));
        check(json!(true), Some(Some(1)));
        check(json!("2.5"), None);
        check(json!([2]), None);
        let error = python_int(&"soon".into()).unwrap_err().to_string();
        assert_eq!(error, "invalid literal for int() with base 10: 'soon'");
    }

    #[test]
    fn selector_placeholders_are_replaced() {
        assert_eq!(fill_name("name in ({name})", "web").unwrap(), "name in (web)");
        assert_eq!(fill_name("a={{x}}", "web").unwrap(), "a={x}");
        assert!(fill_name("a={x}", "web").is_err());
    }
}
