//! Formats values like Python's `str()`, `repr()` and `json.dumps()`.
//!
//! Verbatim: Python 3.12 (formats and error messages)

use std::borrow::Cow;
use std::fmt::Write as _;

use super::Value;
use super::number::float_text;

impl Value {
    /// Formats the value like Python's `str(value)`, as in placeholders and process arguments.
    pub fn python_text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(t) => Cow::Borrowed(t),
            other => {
                let mut out = String::new();
                other.write_repr(&mut out);
                Cow::Owned(out)
            }
        }
    }

    /// Formats the value like Python's `repr(value)`.
    fn write_repr(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("None"),
            Self::Bool(true) => out.push_str("True"),
            Self::Bool(false) => out.push_str("False"),
            Self::Int(i) => out.push_str(&i.to_string()),
            Self::Float(f) => out.push_str(&float_text(*f)),
            Self::Text(t) => write_quoted(t, out),
            Self::List(l) => {
                out.push('[');
                for (i, item) in l.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    item.write_repr(out);
                }
                out.push(']');
            }
            Self::Map(m) => {
                out.push('{');
                for (i, (key, item)) in m.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    write_quoted(key, out);
                    out.push_str(": ");
                    item.write_repr(out);
                }
                out.push('}');
            }
        }
    }
}

/// Quotes a text as Python does: with double quotes only if they avoid a backslash.
fn write_quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
}

/// Implements Python's `str.isprintable` with the tables of the standard library.
///
/// Combining marks are printable; other characters that Rust's `Debug` escapes are not.
fn is_printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        c if c.is_control() || c.is_whitespace() => false,
        c => c.escape_debug().len() == 1 || c.is_alphanumeric() || format!("a{c}") == unquoted_debug(c),
    }
}

/// Formats a character after another one: `Debug` escapes a combining mark only at the start.
fn unquoted_debug(c: char) -> String {
    format!("a{c}").escape_debug().to_string()
}

/// A value with an infinity or a NaN, which `json.dumps(value, allow_nan=False)` rejects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Out of range float values are not JSON compliant")]
pub struct NotJsonCompliant;

/// Formats the value like Python's `json.dumps(value)`: a space after commas and colons, non-ASCII escaped.
///
/// An `http` activity with a JSON content type sends this. Infinities and NaN are errors.
pub fn json_text(value: &Value) -> Result<String, NotJsonCompliant> {
    let mut out = String::new();
    write_json(value, &mut out)?;
    Ok(out)
}

fn write_json(value: &Value, out: &mut String) -> Result<(), NotJsonCompliant> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(i) => out.push_str(&i.to_string()),
        Value::Float(f) if !f.is_finite() => {
            return Err(NotJsonCompliant);
        }
        Value::Float(f) => out.push_str(&float_text(*f)),
        Value::Text(t) => write_json_text(t, out),
        Value::List(l) => {
            out.push('[');
            for (i, item) in l.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                write_json(item, out)?;
            }
            out.push(']');
        }
        Value::Map(m) => {
            out.push('{');
            for (i, (key, item)) in m.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                write_json_text(key, out);
                out.push_str(": ");
                write_json(item, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn write_json_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        serde_json::from_str::<serde_json::Value>(json).unwrap().into()
    }

    #[test]
    fn text_matches_python_str() {
        let check = |json: &str, expected: &str| assert_eq!(value(json).python_text(), expected);
        check("null", "None");
        check("true", "True");
        check("1.0", "1.0");
        check("\"plain 'text'\"", "plain 'text'");
        check(r#"["b", 'c']"#.replace('\'', "\"").as_str(), "['b', 'c']");
        check(r#"{"d": 1, "e": [null, 2.50]}"#, "{'d': 1, 'e': [None, 2.5]}");
        check(r#"["it's"]"#, "[\"it's\"]");
        check(r#"["it's \"so\""]"#, r#"['it\'s "so"']"#);
        check(r#"["a\n\\\t\u0001é漢\u00a0\u200b"]"#, r"['a\n\\\t\x01é漢\xa0\u200b']");
        check("[]", "[]");
        check("{}", "{}");
        check("[\"e\u{301}🎉\"]", "['e\u{301}🎉']");
    }

    #[test]
    fn json_matches_python_dumps() {
        let check = |json: &str, expected: &str| assert_eq!(json_text(&value(json)).unwrap(), expected);
        check(r#"{"a":[1,2],"b":{"c":null}}"#, r#"{"a": [1, 2], "b": {"c": null}}"#);
        check(r#""é🎉\u007f\"""#, r#""\u00e9\ud83c\udf89\u007f\"""#);
        check("1e16", "1e+16");
        check("[]", "[]");
        assert!(json_text(&Value::Float(f64::NAN)).is_err());
    }
}
