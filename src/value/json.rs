//! Parses JSON that the system under test wrote, as leniently as Python's `json` does.
//!
//! It accepts `NaN` and `Infinity`. An unpaired surrogate becomes a replacement character, and an integer of more
//! than 38 digits a float. A value that is nested too deeply stays text: what is above it can still be judged.

use super::{Map, Value};

/// The deepest level that is parsed by [`parse_json`]; deeper values stay text.
pub const MAX_PARSED_DEPTH: usize = 100;

/// A text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid JSON at byte {at}")]
pub struct InvalidJson {
    /// The offset of the first invalid byte.
    pub at: usize,
}

/// Parses a JSON document.
pub fn parse_json(text: &str) -> Result<Value, InvalidJson> {
    parse_json_to_depth(text, MAX_PARSED_DEPTH)
}

/// Parses a JSON document of which values beyond a depth stay text.
pub fn parse_json_to_depth(text: &str, depth: usize) -> Result<Value, InvalidJson> {
    let mut parser = JsonParser { text, at: 0, depth_left: depth };
    parser.skip_blanks();
    let value = parser.value()?;
    parser.skip_blanks();
    if parser.at == text.len() { Ok(value) } else { Err(parser.invalid()) }
}

struct JsonParser<'a> {
    text: &'a str,
    /// The offset of the next byte.
    at: usize,
    /// The levels that may still be entered.
    depth_left: usize,
}

impl<'a> JsonParser<'a> {
    fn invalid(&self) -> InvalidJson {
        InvalidJson { at: self.at }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Consumes a byte if it is the next one.
    fn takes(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), InvalidJson> {
        if self.takes(byte) { Ok(()) } else { Err(self.invalid()) }
    }

    fn value(&mut self) -> Result<Value, InvalidJson> {
        const WORDS: [(&str, Value); 6] = [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Float(f64::NAN)),
            ("Infinity", Value::Float(f64::INFINITY)),
            ("-Infinity", Value::Float(f64::NEG_INFINITY)),
        ];
        match self.peek() {
            Some(b'{' | b'[') if self.depth_left == 0 => self.skipped(),
            Some(b'{') => self.nested(Self::map),
            Some(b'[') => self.nested(Self::list),
            Some(b'"') => self.string().map(Value::Text),
            _ => {
                let rest = self.rest();
                if let Some((keyword, value)) =
                    WORDS.into_iter().find(|(keyword, _)| rest.starts_with(keyword))
                {
                    self.at += keyword.len();
                    return Ok(value);
                }
                self.number()
            }
        }
    }

    fn nested(&mut self, parse: fn(&mut Self) -> Result<Value, InvalidJson>) -> Result<Value, InvalidJson> {
        self.at += 1;
        self.depth_left -= 1;
        self.skip_blanks();
        let value = parse(self);
        self.depth_left += 1;
        value
    }

    fn list(&mut self) -> Result<Value, InvalidJson> {
        let mut items = Vec::new();
        if self.takes(b']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value()?);
            self.skip_blanks();
            if self.takes(b']') {
                return Ok(Value::List(items));
            }
            self.expect(b',')?;
            self.skip_blanks();
        }
    }

    fn map(&mut self) -> Result<Value, InvalidJson> {
        let mut entries = Map::new();
        if self.takes(b'}') {
            return Ok(Value::Map(entries));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.invalid());
            }
            let key = self.string()?;
            self.skip_blanks();
            self.expect(b':')?;
            self.skip_blanks();
            let value = self.value()?;
            entries.insert(key, value);
            self.skip_blanks();
            if self.takes(b'}') {
                return Ok(Value::Map(entries));
            }
            self.expect(b',')?;
            self.skip_blanks();
        }
    }

    /// Returns a list or mapping as the text that it is written as. Only strings and brackets are checked.
    fn skipped(&mut self) -> Result<Value, InvalidJson> {
        let start = self.at;
        let mut open = Vec::new();
        loop {
            match self.peek() {
                None => return Err(self.invalid()),
                Some(b'"') => {
                    self.string()?;
                    continue;
                }
                Some(b'[') => open.push(b']'),
                Some(b'{') => open.push(b'}'),
                Some(byte @ (b']' | b'}')) if open.pop() != Some(byte) => return Err(self.invalid()),
                Some(_) => {}
            }
            self.at += 1;
            if open.is_empty() {
                return Ok(Value::Text(self.text[start..self.at].to_owned()));
            }
        }
    }

    fn string(&mut self) -> Result<String, InvalidJson> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let plain =
                rest.find(|c: char| c == '"' || c == '\\' || c < ' ').ok_or_else(|| self.invalid())?;
            out.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return Err(self.invalid()),
            }
        }
    }

    fn escape(&mut self) -> Result<char, InvalidJson> {
        self.at += 1;
        let c = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.invalid()),
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode_escape(&mut self) -> Result<char, InvalidJson> {
        let first = self.hex4()?;
        let mut code = first;
        if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
            let back = self.at;
            self.at += 2;
            let second = self.hex4()?;
            if (0xdc00..0xe000).contains(&second) {
                code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            } else {
                self.at = back;
            }
        }
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Result<u32, InvalidJson> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.invalid())?;
        self.at += 4;
        Ok(code)
    }

    fn number(&mut self) -> Result<Value, InvalidJson> {
        let bytes = self.rest().as_bytes();
        let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
        let start = usize::from(bytes.first() == Some(&b'-'));
        let whole = if bytes.get(start) == Some(&b'0') { 1 } else { digits(start) };
        if whole == 0 {
            return Err(self.invalid());
        }
        let integer_end = start + whole;
        let mut end = integer_end;
        if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
            end += 1 + digits(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end + 1 + sign);
            end += if exponent > 0 { 1 + sign + exponent } else { 0 };
        }
        let token = &self.rest()[..end];
        let whole_number = (end == integer_end).then(|| token.parse().ok().map(Value::Int)).flatten();
        let number = whole_number.or_else(|| token.parse().ok().map(Value::Float));
        let number = number.ok_or_else(|| self.invalid())?;
        self.at += end;
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_parsed_as_python_does() {
        let check = |text: &str, expected: &str| {
            let value = parse_json(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(value.python_text(), expected, "{text}");
        };
        check(" {\"a\" : [1, -2, 2.50, 1e3, true, null]} \n", "{'a': [1, -2, 2.5, 1000.0, True, None]}");
        check(r#""\u00e9\ud83c\udf89\n\/""#, "é🎉\n/");
        check("[NaN, Infinity, -Infinity, 1e400]", "[nan, inf, -inf, inf]");
        check("{\"a\": 1, \"a\": 2}", "{'a': 2}");
        check("[[], {}, \"\"]", "[[], {}, '']");
        check(r#"["\ud800x", "\udc00", "\ud800\u0041"]"#, "['\u{fffd}x', '\u{fffd}', '\u{fffd}A']");
        check("1234567890123456789012345678901234567890", "1.2345678901234568e+39");
        check("-0", "0");
    }

    #[test]
    fn other_text_is_not_json() {
        for text in [
            "",
            " ",
            "<html>",
            "{\"a\": ",
            "{\"a\": 1,}",
            "[1, 2",
            "[1] 2",
            "tru",
            "-",
            "01",
            "\"\n\"",
            "\"\\q\"",
            "\"\\u12\"",
            "{a: 1}",
            "'a'",
            "\"abc",
            "[1,,2]",
            "{\"a\" 1}",
        ] {
            assert!(parse_json(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn deep_values_stay_text() {
        let nested = |depth: usize| format!("{}\"]\"{}", "[".repeat(depth), "]".repeat(depth));
        let mut value = &parse_json(&nested(102)).unwrap();
        let mut depth = 0;
        while let Some([inner]) = value.as_list() {
            (value, depth) = (inner, depth + 1);
        }
        assert_eq!((depth, value), (100, &Value::from(nested(2).as_str())));
        assert!(parse_json(&nested(100_000)).is_ok());
        assert!(parse_json(&"[".repeat(100_000)).is_err());
        assert!(parse_json(&format!("{}{{]{}", "[".repeat(100), "]".repeat(100))).is_err());
    }
}
