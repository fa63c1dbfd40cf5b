//! Values of experiments, configurations, secrets and outputs, with Python's semantics.
//!
//! The format has Python's rules: `1` and `1.0` are different texts but equal values, `true` equals `1`, and a number
//! in a text is formatted as Python does. `serde_json::Value` does not fit: it has neither infinities (`.inf` is a
//! valid bound of a range) nor integers beyond 64 bits.

mod deserialize;
mod json;
mod number;
mod order;
mod text;

use indexmap::IndexMap;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::RawValue;

pub use deserialize::from_value;
pub use json::{InvalidJson, MAX_PARSED_DEPTH, parse_json, parse_json_to_depth};
pub use order::Incomparable;
pub use text::{NotJsonCompliant, json_text};

/// A mapping in the order of its keys in the document.
pub type Map = IndexMap<String, Value>;

/// One value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`, `~`, `None`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer of up to 38 digits; parsers reject larger ones.
    Int(i128),
    /// A number with a fraction or an exponent; also `NaN` and the infinities.
    Float(f64),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Value>),
    /// A mapping.
    Map(Map),
}

/// Creates a mapping.
pub fn map<const N: usize>(entries: [(&str, Value); N]) -> Map {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

impl Value {
    /// Returns Python's truth value: null, false, zero and empty values are false.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(b) => *b,
            Self::Int(i) => *i != 0,
            Self::Float(f) => *f != 0.0,
            Self::Text(t) => !t.is_empty(),
            Self::List(l) => !l.is_empty(),
            Self::Map(m) => !m.is_empty(),
        }
    }

    /// Returns the text; none for another type.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(t) => Some(t),
            _ => None,
        }
    }

    /// Returns the mapping; none for another type.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(m) => Some(m),
            _ => None,
        }
    }

    /// Returns the items of a list; none for another type.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(l) => Some(l),
            _ => None,
        }
    }

    /// Returns the entry of a mapping; none for another type.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.get(key)
    }

    /// Returns the number as Python's arithmetic does (booleans are 0 and 1); none for another type.
    pub fn as_f64(&self) -> Option<f64> {
        #[allow(clippy::cast_precision_loss)] // what Python's float() does
        match self {
            Self::Bool(b) => Some(f64::from(u8::from(*b))),
            Self::Int(i) => Some(*i as f64),
            Self::Float(f) => Some(*f),
            _ => None,
        }
    }

    /// Returns Python's name of the type, for error messages.
    pub fn python_type(&self) -> &'static str {
        match self {
            Self::Null => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
            Self::List(_) => "list",
            Self::Map(_) => "dict",
        }
    }

    /// Returns the kind of value for messages: "a string", "a list"…
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }

    /// Calls `visit` for every text in the value, in order, without keys.
    pub fn for_each_text(&self, visit: &mut impl FnMut(&str)) {
        match self {
            Self::Text(t) => visit(t),
            Self::List(l) => l.iter().for_each(|v| v.for_each_text(visit)),
            Self::Map(m) => m.values().for_each(|v| v.for_each_text(visit)),
            _ => {}
        }
    }

    /// Returns the value with `change` applied to every text, including keys.
    #[must_use]
    pub fn map_texts(&self, change: &impl Fn(&str) -> String) -> Value {
        match self {
            Self::Text(t) => Self::Text(change(t)),
            Self::List(l) => Self::List(l.iter().map(|v| v.map_texts(change)).collect()),
            Self::Map(m) => Self::Map(m.iter().map(|(k, v)| (change(k), v.map_texts(change))).collect()),
            other => other.clone(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Int(number.into())
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(b) => Self::Bool(b),
            serde_json::Value::Number(n) => {
                n.as_i128().map_or_else(|| Self::Float(n.as_f64().unwrap_or(f64::NAN)), Self::Int)
            }
            serde_json::Value::String(t) => Self::Text(t),
            serde_json::Value::Array(a) => Self::List(a.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(o) => Self::Map(o.into_iter().map(|(k, v)| (k, v.into())).collect()),
        }
    }
}

/// Serializes as strict JSON: an infinity is `1e999`, a NaN is `null`.
///
/// Every JSON reader accepts `1e999`; Python, JavaScript and jq read an infinity or the largest number.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Int(i) => match (i64::try_from(*i), u64::try_from(*i)) {
                (Ok(small), _) => serializer.serialize_i64(small),
                (_, Ok(large)) => serializer.serialize_u64(large),
                _ => serializer.serialize_i128(*i),
            },
            Self::Float(f) if f.is_infinite() => {
                let text = if *f > 0.0 { "1e999" } else { "-1e999" };
                let raw: &RawValue = serde_json::from_str(text).map_err(serde::ser::Error::custom)?;
                raw.serialize(serializer)
            }
            Self::Float(f) => serializer.serialize_f64(*f),
            Self::Text(t) => serializer.serialize_str(t),
            Self::List(l) => {
                let mut seq = serializer.serialize_seq(Some(l.len()))?;
                l.iter().try_for_each(|v| seq.serialize_element(v))?;
                seq.end()
            }
            Self::Map(m) => {
                let mut map = serializer.serialize_map(Some(m.len()))?;
                m.iter().try_for_each(|(k, v)| map.serialize_entry(k, v))?;
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_serializes_as_strict_json() {
        let check = |value: Value, expected: &str| {
            assert_eq!(serde_json::to_string(&value).unwrap(), expected);
        };
        check(Value::Float(f64::INFINITY), "1e999");
        check(Value::Float(f64::NEG_INFINITY), "-1e999");
        check(Value::Float(f64::NAN), "null");
        check(Value::Float(1.0), "1.0");
        check(Value::Int(i128::from(u64::MAX) * 10), "184467440737095516150");
        check(Value::Int(i128::from(u64::MAX)), "18446744073709551615");
        check(Value::List(vec!["é".into(), Value::Null, true.into()]), r#"["é",null,true]"#);
    }

    #[test]
    fn truthiness_matches_python() {
        let check = |json: &str, expected: bool| {
            let value = Value::from(serde_json::from_str::<serde_json::Value>(json).unwrap());
            assert_eq!(value.is_truthy(), expected, "{json}");
        };
        for falsy in ["null", "false", "0", "0.0", "\"\"", "[]", "{}"] {
            check(falsy, false);
        }
        for truthy in ["true", "-1", "0.1", "\"0\"", "[0]", "{\"a\":null}"] {
            check(truthy, true);
        }
    }
}
