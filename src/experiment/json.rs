//! Parses JSON into a document with positions.
//!
//! It accepts what Python's `json` accepts, which includes `NaN`, `Infinity` and `-Infinity`. Of duplicate keys the
//! last one wins, with a warning.

use std::cell::Cell;

use indexmap::IndexMap;

use super::document::{Document, MAX_DEPTH, MAX_NODES, SpannedEntry, SpannedKind, SpannedValue, clamp};
use crate::diagnostic::{Diagnostic, Position};
use crate::value::Value;

/// Parses a text as one JSON document.
pub fn read(text: &str, source: &str) -> Result<Document, Diagnostic> {
    let mut reader = JsonReader {
        text,
        at: 0,
        line: 1,
        line_start: 0,
        counted: Cell::default(),
        depth: 0,
        nodes: 0,
        source,
        warnings: Vec::new(),
    };
    reader.skip_blanks();
    if reader.peek().is_none() {
        return Err(Diagnostic::for_file(source, "empty document")
            .hint("an experiment needs a title, a description and a method"));
    }
    let root = reader.value()?;
    reader.skip_blanks();
    match reader.peek() {
        None => Ok(Document { source: source.to_owned(), root, warnings: reader.warnings }),
        Some(_) if starts_comment(&text[reader.at..]) => Err(reader.unexpected_error("nothing more")),
        Some(_) => Err(reader.error("text after the end of the document", "nothing more")),
    }
}

struct JsonReader<'a> {
    text: &'a str,
    /// The byte offset of the next character.
    at: usize,
    line: usize,
    /// The byte offset of the line.
    line_start: usize,
    /// The last counted offset of the line, and the number of characters before it.
    ///
    /// A document may be one long line. Counting from its start for each value would take quadratic time.
    counted: Cell<(usize, usize)>,
    depth: usize,
    nodes: usize,
    source: &'a str,
    warnings: Vec<Diagnostic>,
}

impl JsonReader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        if c == '\n' {
            self.line += 1;
            self.line_start = self.at;
        }
        Some(c)
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.next();
        }
    }

    fn position(&self) -> Position {
        let (from, before) = match self.counted.get() {
            counted if (self.line_start..=self.at).contains(&counted.0) => counted,
            _ => (self.line_start, 0),
        };
        let count = before + self.text[from..self.at].chars().count();
        self.counted.set((self.at, count));
        Position { line: clamp(self.line), column: clamp(count + 1) }
    }

    fn error(&self, message: impl Into<String>, expected: &str) -> Diagnostic {
        let mut diagnostic =
            Diagnostic::for_file(self.source, format!("broken JSON: {}", message.into())).at(self.position());
        diagnostic.expected = Some(expected.to_owned());
        diagnostic
    }

    /// Creates the error for an unexpected character.
    fn unexpected_error(&self, expected: &str) -> Diagnostic {
        if starts_comment(&self.text[self.at..]) {
            return self.error("a comment", expected).hint("remove the comments: JSON has none");
        }
        match self.peek() {
            None => self.error("unexpected end of text", expected),
            Some(c) => self.error(format!("unexpected {c:?}"), expected),
        }
    }

    fn value(&mut self) -> Result<SpannedValue, Diagnostic> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(self.error(format!("more than {MAX_NODES} values"), "a smaller document"));
        }
        let position = self.position();
        let kind = match self.peek() {
            Some('{') => self.nested(Self::map)?,
            Some('[') => self.nested(Self::list)?,
            Some('"') => SpannedKind::Scalar(Value::Text(self.string()?)),
            Some('-' | '0'..='9') => SpannedKind::Scalar(self.number()?),
            Some(c) if c.is_ascii_alphabetic() => SpannedKind::Scalar(self.word()?),
            _ => return Err(self.unexpected_error("a value")),
        };
        Ok(SpannedValue { position, kind })
    }

    fn nested(
        &mut self,
        read: fn(&mut Self) -> Result<SpannedKind, Diagnostic>,
    ) -> Result<SpannedKind, Diagnostic> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(format!("nested more than {MAX_DEPTH} deep"), "a flatter document"));
        }
        self.depth += 1;
        self.next();
        self.skip_blanks();
        let kind = read(self);
        self.depth -= 1;
        kind
    }

    fn list(&mut self) -> Result<SpannedKind, Diagnostic> {
        let mut items = Vec::new();
        if self.peek() == Some(']') {
            self.next();
            return Ok(SpannedKind::List(items));
        }
        loop {
            items.push(self.value()?);
            self.skip_blanks();
            match self.peek() {
                Some(',') => self.next(),
                Some(']') => {
                    self.next();
                    return Ok(SpannedKind::List(items));
                }
                _ => return Err(self.unexpected_error("',' or ']'")),
            };
            self.skip_blanks();
        }
    }

    fn map(&mut self) -> Result<SpannedKind, Diagnostic> {
        let mut entries: IndexMap<String, SpannedEntry> = IndexMap::new();
        if self.peek() == Some('}') {
            self.next();
            return Ok(SpannedKind::Map(entries));
        }
        loop {
            let key_position = self.position();
            if self.peek() != Some('"') {
                return Err(self.unexpected_error("a key in double quotes"));
            }
            let key = self.string()?;
            self.skip_blanks();
            if self.peek() != Some(':') {
                return Err(self.unexpected_error("':'"));
            }
            self.next();
            self.skip_blanks();
            let value = self.value()?;
            if let Some(earlier) = entries.get(&key) {
                self.warnings.push(duplicate_key(self.source, &key, earlier.key, key_position));
            }
            entries.insert(key, SpannedEntry { key: key_position, value });
            self.skip_blanks();
            match self.peek() {
                Some(',') => self.next(),
                Some('}') => {
                    self.next();
                    // documents stay in memory: release the unused capacity
                    entries.shrink_to_fit();
                    return Ok(SpannedKind::Map(entries));
                }
                _ => return Err(self.unexpected_error("',' or '}'")),
            };
            self.skip_blanks();
        }
    }

    fn string(&mut self) -> Result<String, Diagnostic> {
        self.next();
        let mut out = String::new();
        loop {
            match self.peek() {
                None => return Err(self.unexpected_error("a closing '\"'")),
                Some('"') => {
                    self.next();
                    return Ok(out);
                }
                Some('\\') => out.push(self.escape()?),
                Some(c) if c < ' ' => {
                    return Err(self.error("a control character in a string", "an escape such as \\n or \\t"));
                }
                Some(c) => {
                    self.next();
                    out.push(c);
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Diagnostic> {
        self.next();
        let Some(c) = self.peek() else { return Err(self.unexpected_error("an escape")) };
        let plain = match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                self.next();
                return self.unicode_escape();
            }
            _ => return Err(self.unexpected_error("one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u")),
        };
        self.next();
        Ok(plain)
    }

    fn unicode_escape(&mut self) -> Result<char, Diagnostic> {
        let first = self.hex4()?;
        let code = if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            let second = self.hex4()?;
            if (0xdc00..0xe000).contains(&second) {
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            } else {
                first
            }
        } else {
            first
        };
        char::from_u32(code)
            .ok_or_else(|| self.error(format!("lone surrogate (\\u{first:04x})"), "a surrogate pair"))
    }

    fn hex4(&mut self) -> Result<u32, Diagnostic> {
        let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(digits) = digits else { return Err(self.unexpected_error("four hexadecimal digits")) };
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| self.unexpected_error("four hexadecimal digits"))
    }

    fn word(&mut self) -> Result<Value, Diagnostic> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let value = match &rest[..length] {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "NaN" => Value::Float(f64::NAN),
            "Infinity" => Value::Float(f64::INFINITY),
            word => {
                return Err(self.error(format!("unexpected {word:?}"), "a value; strings need double quotes"));
            }
        };
        self.at += length;
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, Diagnostic> {
        let rest = &self.text[self.at..];
        if rest.starts_with("-Infinity") {
            self.at += "-Infinity".len();
            return Ok(Value::Float(f64::NEG_INFINITY));
        }
        let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
        let start = usize::from(rest.starts_with('-'));
        let integer_digits = if rest[start..].starts_with('0') { 1 } else { digits(start) };
        if integer_digits == 0 {
            self.at += start;
            return Err(self.unexpected_error("a digit"));
        }
        let mut end = start + integer_digits;
        let integer = end;
        if rest[end..].starts_with('.') && digits(end + 1) > 0 {
            end += 1 + digits(end + 1);
        }
        if rest[end..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
            let exponent = digits(end + 1 + sign);
            end += if exponent > 0 { 1 + sign + exponent } else { 0 };
        }
        let token = &rest[..end];
        let value = if end == integer { whole_number(token) } else { token.parse().ok().map(Value::Float) };
        let value =
            value.ok_or_else(|| self.error("a number with more than 38 digits", "a smaller number"))?;
        self.at += end;
        Ok(value)
    }
}

/// Returns whether a text starts with a comment of another language.
fn starts_comment(text: &str) -> bool {
    ["#", "//", "/*"].iter().any(|start| text.starts_with(start))
}

/// Returns whether the text at a position is a comment of YAML.
pub fn is_yaml_comment(text: &str, position: Position) -> bool {
    let line = text.lines().nth(position.line.saturating_sub(1) as usize).unwrap_or_default();
    line.chars().nth(position.column.saturating_sub(1) as usize) == Some('#')
}

/// Parses an integer; none if it is too large.
pub(super) fn whole_number(token: &str) -> Option<Value> {
    token.parse().ok().map(Value::Int)
}

/// Creates the warning about a duplicate key.
pub(super) fn duplicate_key(source: &str, key: &str, earlier: Position, later: Position) -> Diagnostic {
    let mut diagnostic =
        Diagnostic::for_file(source, format!("duplicate key \"{key}\": the value at {earlier} is ignored"))
            .at(later);
    diagnostic.severity = crate::diagnostic::Severity::Warning;
    diagnostic
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let document = read(text, "f").unwrap();
        assert_eq!(serde_json::to_string(&document.root.to_value()).unwrap(), expected, "{text}");
    }

    fn refused(text: &str, line: u32, column: u32, excerpt: &str) {
        let diagnostic = read(text, "f").unwrap_err();
        assert_eq!(diagnostic.position, Some(Position { line, column }), "{text}: {diagnostic}");
        assert!(diagnostic.to_string().contains(excerpt), "{text}: {diagnostic}");
    }

    #[test]
    fn json_accepts_what_python_accepts() {
        check(" {\"a\" : [1, -2, 2.50, 1e3, true, null]} \n", r#"{"a":[1,-2,2.5,1000.0,true,null]}"#);
        check(r#""\u00e9\ud83c\udf89\n\/""#, "\"é🎉\\n/\"");
        check("[NaN, Infinity, -Infinity, 1e400]", "[null,1e999,-1e999,1e999]");
        check("{\"a\": 1, \"a\": 2}", r#"{"a":2}"#);
        check("170141183460469231731687303715884105727", "170141183460469231731687303715884105727");
        check("[[], {}, \"\"]", "[[],{},\"\"]");
        check("-0", "0");
    }

    #[test]
    fn json_errors_have_a_position() {
        refused("{\"title\": \"t\",}", 1, 15, "a key in double quotes");
        refused("{\n  \"a\": tru\n}", 2, 8, "unexpected \"tru\"");
        refused("[1, 2", 1, 6, "',' or ']'");
        refused("{\"é\" 1}", 1, 6, "':'");
        refused("\"abc", 1, 5, "unexpected end of text");
        refused("\"a\nb\"", 1, 3, "control character");
        refused("[1] 2", 1, 5, "nothing more");
        refused("\"\\ud800x\"", 1, 8, "lone surrogate");
        refused("\"\\q\"", 1, 3, "'q'");
        refused("\"\\u12\"", 1, 4, "four hexadecimal digits");
        refused("-x", 1, 2, "a digit");
        refused("01", 1, 2, "nothing more");
        refused(&"1".repeat(60), 1, 1, "38 digits");
        refused(&"[".repeat(10_000), 1, 101, "nested more than 100 deep");
        assert!(read(" \n", "f").unwrap_err().message.contains("empty"));
    }

    #[test]
    fn comment_is_named_with_a_hint() {
        let check = |text: &str, line: u32, column: u32, is_yaml: bool| {
            let fault = read(text, "f").unwrap_err();
            assert_eq!(fault.message, "broken JSON: a comment", "{text}");
            assert_eq!(fault.hint.as_deref(), Some("remove the comments: JSON has none"), "{text}");
            assert_eq!(fault.position, Some(Position { line, column }), "{text}");
            assert_eq!(is_yaml_comment(text, Position { line, column }), is_yaml, "{text}");
        };
        check("{\"a\": 1, # why\n\"b\": 2}", 1, 10, true);
        check("// why\n{}", 1, 1, false);
        check("[1,\n/* why */ 2]", 2, 1, false);
        check("[1 // why\n]", 1, 4, false);
        check("{} # end", 1, 4, true);
    }

    #[test]
    fn duplicate_json_key_is_a_warning() {
        let document = read("{\"a\": 1,\n \"a\": 2}", "f").unwrap();
        assert_eq!(document.warnings.len(), 1);
        assert_eq!(document.warnings[0].position, Some(Position { line: 2, column: 2 }));
    }
}
