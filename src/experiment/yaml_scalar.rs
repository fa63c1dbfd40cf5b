//! Resolves plain YAML scalars with the rules of YAML 1.1, as PyYAML does.
//!
//! Verbatim: PyYAML 6.0 (message about constructors)

use crate::value::Value;

/// An error of a scalar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScalarError {
    #[error("the number {0} has more than 38 digits")]
    TooManyDigits(String),
    #[error("invalid value {text:?}: expected type !!{tag}")]
    WrongType { text: String, tag: String },
    #[error("invalid date {0}")]
    InvalidDate(String),
    /// PyYAML's message.
    #[error("could not determine a constructor for the tag 'tag:yaml.org,2002:{0}'")]
    UnknownTag(String),
    /// PyYAML's message.
    #[error("could not determine a constructor for the tag '{0}'")]
    UnsupportedTag(String),
}

/// Resolves a plain scalar without a tag.
pub(super) fn resolve(text: &str) -> Result<Value, ScalarError> {
    if let Some(value) = null(text).or_else(|| boolean(text)) {
        return Ok(value);
    }
    if !text.starts_with(['-', '+', '.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) {
        return Ok(Value::from(text));
    }
    if let Some(value) = float(text) {
        return Ok(value);
    }
    match integer(text) {
        Some(whole) => whole.map(Value::Int).ok_or_else(|| ScalarError::TooManyDigits(text.to_owned())),
        None => timestamp(text).unwrap_or_else(|| Ok(Value::from(text))),
    }
}

/// Resolves a scalar with a standard tag such as `!!int`.
pub(super) fn construct(tag: &str, text: &str) -> Result<Value, ScalarError> {
    let fits = |value: Option<Value>| {
        value.ok_or_else(|| ScalarError::WrongType { text: text.to_owned(), tag: tag.to_owned() })
    };
    match tag {
        "str" => Ok(Value::from(text)),
        "null" => Ok(Value::Null),
        "bool" => fits(boolean(text)),
        "int" => fits(integer(text).flatten().map(Value::Int)),
        "float" => fits(
            float(text)
                .or_else(|| integer(text).flatten().and_then(|i| Value::Int(i).as_f64()).map(Value::Float)),
        ),
        "timestamp" => fits(timestamp(text).transpose()?),
        _ => Err(ScalarError::UnknownTag(tag.to_owned())),
    }
}

fn null(text: &str) -> Option<Value> {
    matches!(text, "" | "~" | "null" | "Null" | "NULL").then_some(Value::Null)
}

fn boolean(text: &str) -> Option<Value> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(Value::Bool(true)),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(Value::Bool(false)),
        _ => None,
    }
}

/// Splits off a sign.
fn signed(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn all(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(|b| b == b'_' || allowed(b))
}

fn decimal_digit(b: u8) -> bool {
    b.is_ascii_digit()
}

/// Parses an integer in base 2, 8, 10, 16 or 60; the inner `None` means that it is too large.
fn integer(text: &str) -> Option<Option<i128>> {
    let (negative, digits) = signed(text);
    let (base, digits) = if let Some(digits) = digits.strip_prefix("0b") {
        (2, digits)
    } else if let Some(digits) = digits.strip_prefix("0x") {
        (16, digits)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    if digits.is_empty() {
        return None;
    }
    if base == 10 {
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        if digits.contains(':') {
            return (!digits.starts_with('0')).then(|| sexagesimal(digits, negative)).flatten();
        }
    }
    if !all(digits, |b| char::from(b).is_digit(base)) {
        return None;
    }
    let digits = digits.replace('_', "");
    if digits.is_empty() {
        // "0_" and "0x_": PyYAML resolves them as numbers and then fails, except that "0_" is 0
        return (base == 8).then_some(Some(0));
    }
    Some(i128::from_str_radix(&digits, base).ok().map(|n| if negative { -n } else { n }))
}

/// Parses digits in base 60, as in YAML 1.1: `1:30` is 90.
fn sexagesimal(digits: &str, negative: bool) -> Option<Option<i128>> {
    let mut parts = digits.split(':');
    let first = parts.next()?;
    if !all(first, decimal_digit) {
        return None;
    }
    let mut value = first.replace('_', "").parse::<i128>().ok();
    for part in parts {
        let fits = matches!(part.len(), 1 | 2) && part.bytes().all(decimal_digit) && part < "60"
            || part.len() == 1 && part.bytes().all(decimal_digit);
        if !fits {
            return None;
        }
        let digit = part.parse::<i128>().ok()?;
        value = value.and_then(|v| v.checked_mul(60)).and_then(|v| v.checked_add(digit));
    }
    Some(value.map(|v| if negative { -v } else { v }))
}

/// Parses a number with a point. An exponent needs a sign, so `1e3` is a string.
fn float(text: &str) -> Option<Value> {
    let (negative, body) = signed(text);
    let sign = if negative { -1.0 } else { 1.0 };
    match body {
        ".inf" | ".Inf" | ".INF" => return Some(Value::Float(sign * f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" => return (body == text).then_some(Value::Float(f64::NAN)),
        _ => {}
    }
    let (whole, rest) = body.split_once('.')?;
    if whole.contains(':') {
        return sexagesimal_float(whole, rest, sign);
    }
    let (fraction, exponent) = match rest.find(['e', 'E']) {
        Some(index) => (&rest[..index], Some(&rest[index + 1..])),
        None => (rest, None),
    };
    let whole_fits = if whole.is_empty() {
        // a number that starts with its point has no sign and at least one digit
        body == text && fraction.starts_with(|c: char| c.is_ascii_digit())
    } else {
        whole.starts_with(|c: char| c.is_ascii_digit()) && all(whole, decimal_digit)
    };
    let exponent_fits = exponent.is_none_or(|e| {
        e.strip_prefix(['+', '-']).is_some_and(|d| !d.is_empty() && d.bytes().all(decimal_digit))
    });
    if !whole_fits || !exponent_fits || !all(fraction, decimal_digit) {
        return None;
    }
    body.replace('_', "").parse::<f64>().ok().map(|f| Value::Float(sign * f))
}

fn sexagesimal_float(whole: &str, fraction: &str, sign: f64) -> Option<Value> {
    if !whole.starts_with(|c: char| c.is_ascii_digit()) || !all(fraction, decimal_digit) {
        return None;
    }
    // unlike in integers, the first digit may be 0
    let seconds = sexagesimal(whole, false)??;
    let fraction: f64 = format!("0.{}", fraction.replace('_', "")).parse().unwrap_or(0.0);
    Value::Int(seconds).as_f64().map(|s| Value::Float(sign * (s + fraction)))
}

/// Parses a date or time to ISO 8601 text, as in the Chaos Toolkit's journal.
fn timestamp(text: &str) -> Option<Result<Value, ScalarError>> {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        bytes.get(range).is_some_and(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
    };
    if !digits(0..4) || bytes.get(4) != Some(&b'-') {
        return None;
    }
    let (date, time) = match text.find(['T', 't', ' ', '\t']) {
        None => (text, None),
        Some(index) => (&text[..index], Some(&text[index..])),
    };
    let mut fields = date[5..].split('-');
    let (month, day) = (fields.next()?, fields.next()?);
    let short = |field: &str| matches!(field.len(), 1 | 2) && field.bytes().all(decimal_digit);
    if fields.next().is_some() || !short(month) || !short(day) {
        return None;
    }
    if time.is_none() && (month.len() != 2 || day.len() != 2) {
        return None;
    }
    let date = format!("{}-{month:0>2}-{day:0>2}", &date[..4]);
    let time = match time {
        None => String::new(),
        Some(time) => iso_time(time)?,
    };
    let iso = date.clone() + &time;
    if !is_date(&date) || !is_time(&time) {
        return Some(Err(ScalarError::InvalidDate(text.to_owned())));
    }
    Some(Ok(Value::Text(iso)))
}

/// Formats the part after a date as `T03:04:05.100000+00:00`; `None` if it is not a time.
fn iso_time(text: &str) -> Option<String> {
    let body = match text.strip_prefix(['T', 't']) {
        Some(body) => body,
        None => text.trim_start_matches([' ', '\t']),
    };
    let clock_end = body.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(body.len());
    let mut fields = body[..clock_end].split(':');
    let (hour, minute, second) = (fields.next()?, fields.next()?, fields.next()?);
    let fits =
        matches!(hour.len(), 1 | 2) && minute.len() == 2 && second.len() == 2 && fields.next().is_none();
    if !fits {
        return None;
    }
    let mut rest = &body[clock_end..];
    let mut out = format!("T{hour:0>2}:{minute}:{second}");
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
        let micros = format!("{:0<6}", &fraction[..end.min(6)]);
        if micros != "000000" {
            out += &format!(".{micros}");
        }
        rest = &fraction[end..];
    }
    let zone = rest.trim_start_matches([' ', '\t']);
    match zone {
        "" if rest.is_empty() => {}
        "Z" => out += "+00:00",
        _ => {
            let (sign, offset) = zone.split_at_checked(1).filter(|(sign, _)| matches!(*sign, "+" | "-"))?;
            let (hours, minutes) = offset.split_once(':').unwrap_or((offset, "00"));
            let digits = |field: &str| field.bytes().all(decimal_digit);
            if !matches!(hours.len(), 1 | 2) || minutes.len() != 2 || !digits(hours) || !digits(minutes) {
                return None;
            }
            out += &format!("{sign}{hours:0>2}:{minutes}");
        }
    }
    Some(out)
}

fn is_date(date: &str) -> bool {
    let field = |range| date.get(range).and_then(|f: &str| f.parse::<u32>().ok()).unwrap_or(0);
    let (year, month, day) = (field(0..4), field(5..7), field(8..10));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 0,
    };
    year > 0 && (1..=days).contains(&day)
}

fn is_time(time: &str) -> bool {
    let below =
        |range, limit| time.get(range).and_then(|f: &str| f.parse::<u32>().ok()).is_some_and(|n| n < limit);
    time.is_empty() || below(1..3, 24) && below(4..6, 60) && below(7..9, 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_match_pyyaml() {
        let check = |text: &str, expected: &str| {
            let resolved = resolve(text).map(|v| serde_json::to_string(&v).unwrap());
            assert_eq!(resolved.as_deref(), Ok(expected), "{text}");
        };
        for (text, expected) in [
            // booleans and null
            ("yes", "true"),
            ("No", "false"),
            ("ON", "true"),
            ("oFF", "\"oFF\""),
            ("y", "\"y\""),
            ("n", "\"n\""),
            ("~", "null"),
            ("Null", "null"),
            ("", "null"),
            ("nUll", "\"nUll\""),
            // whole numbers
            ("0", "0"),
            ("010", "8"),
            ("08", "\"08\""),
            ("0o10", "\"0o10\""),
            ("0x1F", "31"),
            ("0b101", "5"),
            ("1_000", "1000"),
            ("-7", "-7"),
            ("+7", "7"),
            ("-010", "-8"),
            ("_1", "\"_1\""),
            ("1:30", "90"),
            ("12:30:45", "45045"),
            ("1:60", "\"1:60\""),
            ("01:30", "\"01:30\""),
            ("-1:30", "-90"),
            ("0_", "0"),
            ("0x", "\"0x\""),
            ("-", "\"-\""),
            ("1 2", "\"1 2\""),
            ("0b12", "\"0b12\""),
            ("10:5", "605"),
            // numbers with a point
            ("1.5", "1.5"),
            ("1.50", "1.5"),
            ("1.", "1.0"),
            (".5", "0.5"),
            ("-.5", "\"-.5\""),
            ("1e3", "\"1e3\""),
            ("1.0e+3", "1000.0"),
            ("1.0e3", "\"1.0e3\""),
            ("1_0.5", "10.5"),
            (".inf", "1e999"),
            ("-.inf", "-1e999"),
            (".nan", "null"),
            ("+.nan", "\"+.nan\""),
            ("1:30.5", "90.5"),
            ("1.2.3", "\"1.2.3\""),
            (".", "\".\""),
            ("._5", "\"._5\""),
            ("1.5e-7", "1.5e-7"),
            // dates
            ("2024-01-02", "\"2024-01-02\""),
            ("2024-1-2", "\"2024-1-2\""),
            ("2024-01-02T03:04:05Z", "\"2024-01-02T03:04:05+00:00\""),
            ("2024-1-2 3:04:05.1 +2", "\"2024-01-02T03:04:05.100000+02:00\""),
            ("2024-01-02t03:04:05", "\"2024-01-02T03:04:05\""),
            ("2024-01-02T03:04", "\"2024-01-02T03:04\""),
            // texts
            ("hello", "\"hello\""),
            ("2024", "2024"),
            ("1.2.3.4", "\"1.2.3.4\""),
            ("-x", "\"-x\""),
            ("=", "\"=\""),
        ] {
            check(text, expected);
        }
        assert!(resolve("2024-02-30").is_err());
        assert!(resolve(&"9".repeat(60)).is_err());
    }

    #[test]
    fn standard_tags_set_the_type() {
        let check = |tag: &str, text: &str, expected: Option<Value>| {
            assert_eq!(construct(tag, text).ok(), expected, "!!{tag} {text}");
        };
        check("str", "1", Some("1".into()));
        check("int", "0x10", Some(16.into()));
        check("int", "ten", None);
        check("float", "1", Some(Value::Float(1.0)));
        check("bool", "maybe", None);
        check("null", "anything", Some(Value::Null));
        check("binary", "aGk=", None);
    }
}
