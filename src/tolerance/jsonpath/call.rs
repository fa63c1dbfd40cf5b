//! The functions of the JSON path dialect.

use crate::value::Value;

/// A function in a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::tolerance) enum PathFunction {
    CharAt,
    Entries,
    Keys,
    Length,
    Substring,
    Values,
}

impl PathFunction {
    pub(super) const ALL: [Self; 6] =
        [Self::CharAt, Self::Entries, Self::Keys, Self::Length, Self::Substring, Self::Values];

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CharAt => "charAt",
            Self::Entries => "entries",
            Self::Keys => "keys",
            Self::Length => "length",
            Self::Substring => "substring",
            Self::Values => "values",
        }
    }

    /// Applies the function to a node; none for an unsupported node or argument.
    pub(super) fn call(self, node: &Value, arguments: &[Value]) -> Option<Value> {
        let numbers: Option<Vec<i128>> = arguments.iter().map(as_whole_number).collect();
        match (self, node, numbers?.as_slice()) {
            (Self::CharAt, Value::Text(text), [at]) => {
                let chars: Vec<char> = text.chars().collect();
                let length = i128::try_from(chars.len()).ok()?;
                let at = if *at < 0 { at + length } else { *at };
                let c = usize::try_from(at).ok().and_then(|at| chars.get(at))?;
                Some(Value::Text(c.to_string()))
            }
            (Self::Substring, Value::Text(text), [start]) => Some(substring(text, *start, None)),
            (Self::Substring, Value::Text(text), [start, end]) => Some(substring(text, *start, Some(*end))),
            (Self::Entries, Value::Map(map), []) => {
                let pair = |(key, value): (&String, &Value)| {
                    Value::List(vec![Value::Text(key.clone()), value.clone()])
                };
                Some(Value::List(map.iter().map(pair).collect()))
            }
            (Self::Entries, Value::List(list), []) => {
                let pair = |(index, value): (Value, &Value)| Value::List(vec![index, value.clone()]);
                Some(Value::List(indexes(list).zip(list).map(pair).collect()))
            }
            (Self::Keys, Value::Map(map), []) => {
                Some(Value::List(map.keys().cloned().map(Value::Text).collect()))
            }
            (Self::Keys, Value::List(list), []) => Some(Value::List(indexes(list).collect())),
            (Self::Values, Value::Map(map), []) => Some(Value::List(map.values().cloned().collect())),
            (Self::Values, Value::List(_), []) => Some(node.clone()),
            (Self::Length, Value::List(list), []) => i128::try_from(list.len()).ok().map(Value::Int),
            (Self::Length, Value::Text(text), []) => {
                i128::try_from(text.chars().count()).ok().map(Value::Int)
            }
            _ => None,
        }
    }
}

fn indexes(list: &[Value]) -> impl Iterator<Item = Value> {
    (0..list.len()).map(|index| Value::Int(index as i128))
}

/// Returns an integer; as in Python, a boolean is one.
pub(super) fn as_whole_number(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Bool(b) => Some((*b).into()),
        _ => None,
    }
}

/// Implements Python's `text[start:end]`.
fn substring(text: &str, start: i128, end: Option<i128>) -> Value {
    let chars: Vec<char> = text.chars().collect();
    let length = chars.len() as i128;
    let bound =
        |at: i128| usize::try_from(if at < 0 { at + length } else { at }.clamp(0, length)).unwrap_or(0);
    let (start, end) = (bound(start), bound(end.unwrap_or(length)));
    Value::Text(chars.get(start..end).unwrap_or_default().iter().collect())
}
