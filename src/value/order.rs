//! Equality and order with Python's semantics.
//!
//! Verbatim: Python 3.12 (message of [`Incomparable`])

use std::cmp::Ordering;

use super::Value;

/// Two values that Python cannot order, such as a string and a number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'<=' not supported between instances of '{left}' and '{right}'")]
pub struct Incomparable {
    /// The Python type of the left value.
    pub left: &'static str,
    /// The Python type of the right value.
    pub right: &'static str,
}

impl Value {
    /// Implements Python's `==`: `1 == 1.0 == True`; the order of keys does not matter.
    pub fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(a), Self::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.equals(y)),
            (Self::Map(a), Self::Map(b)) => {
                a.len() == b.len() && a.iter().all(|(k, x)| b.get(k).is_some_and(|y| x.equals(y)))
            }
            _ => compare_numbers(self, other) == Some(Some(Ordering::Equal)),
        }
    }

    /// Implements Python's `self <= other`.
    pub fn at_most(&self, other: &Value) -> Result<bool, Incomparable> {
        let refused = Incomparable { left: self.python_type(), right: other.python_type() };
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Ok(a <= b),
            (Self::List(a), Self::List(b)) => match a.iter().zip(b).find(|(x, y)| !x.equals(y)) {
                Some((x, y)) => x.at_most(y),
                None => Ok(a.len() <= b.len()),
            },
            _ => match compare_numbers(self, other) {
                Some(order) => Ok(matches!(order, Some(Ordering::Less | Ordering::Equal))),
                None => Err(refused),
            },
        }
    }
}

/// Compares two numbers exactly: `None` if a value is not a number, `Some(None)` for a NaN.
fn compare_numbers(a: &Value, b: &Value) -> Option<Option<Ordering>> {
    #[derive(Clone, Copy)]
    enum Number {
        Whole(i128),
        Real(f64),
    }
    let number = |value: &Value| match value {
        Value::Bool(b) => Some(Number::Whole((*b).into())),
        Value::Int(i) => Some(Number::Whole(*i)),
        Value::Float(f) => Some(Number::Real(*f)),
        _ => None,
    };
    Some(match (number(a)?, number(b)?) {
        (Number::Whole(a), Number::Whole(b)) => Some(a.cmp(&b)),
        (Number::Real(a), Number::Real(b)) => a.partial_cmp(&b),
        (Number::Whole(a), Number::Real(b)) => compare_int_with_float(a, b),
        (Number::Real(a), Number::Whole(b)) => compare_int_with_float(b, a).map(Ordering::reverse),
    })
}

/// Compares an integer with a float without rounding the integer, as Python does.
fn compare_int_with_float(integer: i128, float: f64) -> Option<Ordering> {
    const LIMIT: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0; // 2^127
    if float.is_nan() {
        None
    } else if float >= LIMIT {
        Some(Ordering::Less)
    } else if float < -LIMIT {
        Some(Ordering::Greater)
    } else {
        #[allow(clippy::cast_possible_truncation)] // within the limits, and the fraction is compared below
        let floor = float.floor() as i128;
        let fraction = if float > float.floor() { Ordering::Less } else { Ordering::Equal };
        Some(integer.cmp(&floor).then(fraction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        serde_json::from_str::<serde_json::Value>(json).unwrap().into()
    }

    #[test]
    fn equality_matches_python() {
        let check = |a: &str, b: &str, expected: bool| {
            assert_eq!(value(a).equals(&value(b)), expected, "{a} == {b}");
            assert_eq!(value(b).equals(&value(a)), expected, "{b} == {a}");
        };
        check("1", "1.0", true);
        check("1", "true", true);
        check("0.0", "false", true);
        check("200", "\"200\"", false);
        check("null", "false", false);
        check("[1, 2]", "[1.0, 2]", true);
        check("[1]", "[1, 2]", false);
        check(r#"{"a": 1, "b": [true]}"#, r#"{"b": [1], "a": 1.0}"#, true);
        check(r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#, false);
        check("9007199254740993", "9007199254740992.0", false);
        check("\"a\"", "\"a\"", true);
    }

    #[test]
    fn order_matches_python() {
        let check = |a: &str, b: &str, expected: Option<bool>| {
            assert_eq!(value(a).at_most(&value(b)).ok(), expected, "{a} <= {b}");
        };
        check("1", "1.0", Some(true));
        check("1", "0.5", Some(false));
        check("-1", "-0.5", Some(true));
        check("true", "1", Some(true));
        check("\"a\"", "\"b\"", Some(true));
        check("\"10\"", "\"9\"", Some(true));
        check("\"1\"", "1", None);
        check("null", "1", None);
        check("[1, 2]", "[1, 3]", Some(true));
        check("[1, \"a\"]", "[1, 2]", None);
        check("{}", "{}", None);
        check("1", "1e300", Some(true));
        check("1", "-1e300", Some(false));
    }

    #[test]
    fn nan_is_neither_equal_nor_ordered() {
        let nan = Value::Float(f64::NAN);
        assert!(!nan.equals(&nan));
        assert_eq!(nan.at_most(&Value::Int(1)), Ok(false));
    }
}
