//! Exact comparison of numbers of any size and precision, like Python's `Decimal`.

use std::cmp::Ordering;

use crate::value::Value;

/// A decimal number. Its digits have no zeros at either end; 0 has no digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decimal {
    /// `0.DIGITS * 10^exponent` with a sign.
    Finite {
        negative: bool,
        digits: Vec<u8>,
        exponent: i64,
    },
    Infinite {
        negative: bool,
    },
    /// NaN, which has no order.
    NotANumber,
}

/// The reason why a value is not a [`Decimal`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DecimalError {
    /// A string that is not a number: it is outside every range.
    Text,
    /// Neither a number nor a string: Python raises an error.
    Type,
}

impl Decimal {
    /// Converts a value exactly: a float with all its binary digits.
    pub(super) fn from_value(value: &Value) -> Result<Self, DecimalError> {
        match value {
            Value::Bool(b) => Ok(Self::finite(false, &[u8::from(*b)], 1)),
            Value::Int(number) => Self::parse(&number.to_string()).ok_or(DecimalError::Text),
            Value::Float(number) if number.is_nan() => Ok(Self::NotANumber),
            Value::Float(number) if number.is_infinite() => Ok(Self::Infinite { negative: *number < 0.0 }),
            // 1074 decimals represent every float
            Value::Float(number) => Self::parse(&format!("{number:.1074}")).ok_or(DecimalError::Text),
            Value::Text(text) => Self::parse(text).ok_or(DecimalError::Text),
            Value::Null | Value::List(_) | Value::Map(_) => Err(DecimalError::Type),
        }
    }

    /// Parses like Python's `Decimal`: surrounding blanks, underscores, any exponent.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().replace('_', "");
        let (negative, body) = match text.strip_prefix('-') {
            Some(body) => (true, body),
            None => (false, text.strip_prefix('+').unwrap_or(&text)),
        };
        match body.to_ascii_lowercase().as_str() {
            "inf" | "infinity" => return Some(Self::Infinite { negative }),
            word if word.starts_with("nan") || word.starts_with("snan") => {
                let payload = word.trim_start_matches('s').trim_start_matches("nan");
                return payload.bytes().all(|b| b.is_ascii_digit()).then_some(Self::NotANumber);
            }
            _ => {}
        }
        let (mantissa, exponent) = match body.split_once(['e', 'E']) {
            None => (body, 0),
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let digits: Vec<u8> = digits.into_iter().map(|digit| digit - b'0').collect();
        let point = i64::try_from(whole.len()).ok()?;
        Some(Self::finite(negative, &digits, exponent.saturating_add(point)))
    }

    fn finite(negative: bool, digits: &[u8], exponent: i64) -> Self {
        let leading = digits.iter().take_while(|digit| **digit == 0).count();
        let trailing = digits[leading..].iter().rev().take_while(|digit| **digit == 0).count();
        let digits = digits[leading..digits.len() - trailing].to_vec();
        let exponent = exponent.saturating_sub(i64::try_from(leading).unwrap_or(i64::MAX));
        Self::Finite {
            negative: negative && !digits.is_empty(),
            exponent: if digits.is_empty() { 0 } else { exponent },
            digits,
        }
    }

    /// Compares exactly; `None` for a NaN.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::NotANumber, _) | (_, Self::NotANumber) => None,
            (Self::Infinite { negative: a }, Self::Infinite { negative: b }) => Some(b.cmp(a)),
            (Self::Infinite { negative }, _) => {
                Some(if *negative { Ordering::Less } else { Ordering::Greater })
            }
            (_, Self::Infinite { negative }) => {
                Some(if *negative { Ordering::Greater } else { Ordering::Less })
            }
            (
                Self::Finite { negative: a_negative, digits: a, exponent: a_exponent },
                Self::Finite { negative: b_negative, digits: b, exponent: b_exponent },
            ) => {
                let magnitude = match (a.is_empty(), b.is_empty()) {
                    (false, false) => a_exponent.cmp(b_exponent).then_with(|| a.cmp(b)),
                    (a_zero, b_zero) => b_zero.cmp(&a_zero),
                };
                Some(match (a_negative, b_negative) {
                    (false, false) => magnitude,
                    (true, true) => magnitude.reverse(),
                    (true, false) => Ordering::Less,
                    (false, true) => Ordering::Greater,
                })
            }
        }
    }
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse::<i64>().unwrap_or(i64::MAX / 2);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_order_is_exact() {
        let check = |a: Value, b: Value, expected: Option<Ordering>| {
            let order = Decimal::from_value(&a).unwrap().compare(&Decimal::from_value(&b).unwrap());
            assert_eq!(order, expected, "{a:?} <=> {b:?}");
        };
        let text = |t: &str| Value::from(t);
        use Ordering::{Equal, Greater, Less};
        check(text("75\n"), 75.into(), Some(Equal));
        check(text("0.1"), Value::Float(0.1), Some(Less));
        check(text("+1e2"), Value::Int(100), Some(Equal));
        check(text("1_000.50"), Value::Float(1000.5), Some(Equal));
        check(text("-0"), Value::Int(0), Some(Equal));
        check(text("-5"), Value::Int(3), Some(Less));
        check(text("-5"), Value::Int(-6), Some(Greater));
        check(text("1e999999999999999999999"), Value::Float(1e308), Some(Greater));
        check(text("1e-999999999999999999999"), Value::Float(5e-324), Some(Less));
        check(text("0e99"), Value::Int(0), Some(Equal));
        check(text(".5"), Value::Float(0.5), Some(Equal));
        check(text("5."), Value::Int(5), Some(Equal));
        check(text("-Infinity"), Value::Float(f64::NEG_INFINITY), Some(Equal));
        check(text("Inf"), Value::Float(1e300), Some(Greater));
        check(text("nan"), Value::Int(1), None);
        check(text("NaN123"), Value::Int(1), None);
        check(true.into(), Value::Int(1), Some(Equal));
        check(Value::Float(5e-324), Value::Int(0), Some(Greater));
        check(Value::Int(i128::MAX), Value::Float(1.701_411_834_604_692_3e38), Some(Less));
    }

    #[test]
    fn invalid_decimals_have_their_error_kind() {
        for no_number in ["many", "", "1e", "0x10", "1,5", "1 2", "--1", "e5", ".", "naN x"] {
            assert_eq!(Decimal::from_value(&no_number.into()), Err(DecimalError::Text), "{no_number}");
        }
        for other in [Value::Null, Value::List(Vec::new())] {
            assert_eq!(Decimal::from_value(&other), Err(DecimalError::Type));
        }
    }
}
