//! What a hypothesis tolerates, as written. What it means is told by [`crate::tolerance`]. Floor 0.

use super::activity::Activity;
use crate::value::Value;

/// The kinds of structured tolerances.
pub(super) const KINDS: [&str; 4] = ["probe", "regex", "jsonpath", "range"];

/// What is tolerated.
#[derive(Clone, Debug)]
pub enum Tolerance {
    /// No tolerance is declared: nothing is tolerated.
    Absent,
    /// A shape that means nothing: nothing is tolerated.
    Unsupported,
    /// The value itself.
    Bool(bool),
    /// The value itself, or the status of a process or a response.
    Int(i128),
    /// The value itself; filled first, and what it is filled with decides the kind of the tolerance.
    Text(String),
    /// A range of two, or a set; for a status always a set.
    List(Vec<Value>),
    /// A pattern is found in the value, or in one of its entries.
    Regex {
        /// The pattern, to be filled.
        pattern: Value,
        /// The entry to look at.
        target: Option<String>,
    },
    /// A path selects something in the value, or in one of its entries.
    JsonPath {
        /// The path, to be filled.
        path: Value,
        /// The entry to look at.
        target: Option<String>,
        /// How many matches there have to be.
        count: Option<Value>,
        /// What the matches have to be, to be filled; wins over the count.
        expect: Option<Value>,
    },
    /// The value, or one of its entries, is a number between two bounds, which are included.
    Range {
        /// The bounds.
        bounds: Vec<Value>,
        /// The entry to look at.
        target: Option<String>,
    },
    /// Another probe judges the value.
    Probe(Result<Box<Activity>, String>),
}

impl Tolerance {
    /// Reads what is written under `tolerance`.
    pub fn read(value: &Value, at: &str) -> Self {
        match value {
            Value::Null | Value::Float(_) => Self::Unsupported,
            Value::Bool(b) => Self::Bool(*b),
            Value::Int(i) => Self::Int(*i),
            Value::Text(t) => Self::Text(t.clone()),
            Value::List(l) => Self::List(l.clone()),
            Value::Map(entries) => {
                let target = entries.get("target").and_then(Value::as_text).map(str::to_owned);
                let entry = |key: &str| entries.get(key).cloned();
                match entries.get("type").and_then(Value::as_text) {
                    Some("regex") => Self::Regex { pattern: entry("pattern").unwrap_or_default(), target },
                    Some("jsonpath") => Self::JsonPath {
                        path: entry("path").unwrap_or_default(),
                        target,
                        count: entry("count").filter(|count| *count != Value::Null),
                        expect: entry("expect"),
                    },
                    Some("range") => Self::Range {
                        bounds: entry("range")
                            .and_then(|r| r.as_list().map(<[_]>::to_vec))
                            .unwrap_or_default(),
                        target,
                    },
                    Some("probe") => Self::Probe(Activity::from_value(value, at, &[]).map(Box::new)),
                    _ => Self::Unsupported,
                }
            }
        }
    }
}
