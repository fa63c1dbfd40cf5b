//! A document: a tree of values with their positions in the file.

use indexmap::IndexMap;

use crate::diagnostic::{Diagnostic, Position};
use crate::value::Value;

/// The maximum size of a document, in bytes.
pub const MAX_BYTES: usize = 10 * 1024 * 1024;
/// The maximum nesting depth.
pub const MAX_DEPTH: usize = 100;
/// The maximum number of nodes, counting each use of an alias; limits "YAML bombs".
pub const MAX_NODES: usize = 500_000;

/// A value and its position.
#[derive(Clone, Debug)]
pub struct SpannedValue {
    pub position: Position,
    pub kind: SpannedKind,
}

/// The content of a node.
#[derive(Clone, Debug)]
pub enum SpannedKind {
    /// A value without children.
    Scalar(Value),
    /// A sequence.
    List(Vec<SpannedValue>),
    /// A mapping; of duplicate keys the last one wins, as in the Chaos Toolkit.
    Map(IndexMap<String, SpannedEntry>),
}

/// An entry of a mapping.
#[derive(Clone, Debug)]
pub struct SpannedEntry {
    /// The position of the key.
    pub key: Position,
    pub value: SpannedValue,
}

/// A parsed document with warnings.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file or URL.
    pub source: String,
    pub root: SpannedValue,
    /// Warnings about duplicate keys.
    pub warnings: Vec<Diagnostic>,
}

impl SpannedValue {
    /// Creates a value whose parts all have the same position.
    pub fn with_position(value: Value, position: Position) -> Self {
        let kind = match value {
            Value::List(items) => {
                SpannedKind::List(items.into_iter().map(|item| Self::with_position(item, position)).collect())
            }
            Value::Map(entries) => {
                let entry =
                    |value| SpannedEntry { key: position, value: Self::with_position(value, position) };
                SpannedKind::Map(entries.into_iter().map(|(key, value)| (key, entry(value))).collect())
            }
            scalar => SpannedKind::Scalar(scalar),
        };
        Self { position, kind }
    }

    /// Converts to a value without positions.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            SpannedKind::Scalar(value) => value.clone(),
            SpannedKind::List(items) => Value::List(items.iter().map(SpannedValue::to_value).collect()),
            SpannedKind::Map(entries) => {
                Value::Map(entries.iter().map(|(key, entry)| (key.clone(), entry.value.to_value())).collect())
            }
        }
    }

    /// Returns the entry of a mapping; none for another type.
    pub fn get(&self, key: &str) -> Option<&SpannedValue> {
        match &self.kind {
            SpannedKind::Map(entries) => entries.get(key).map(|entry| &entry.value),
            _ => None,
        }
    }

    /// Returns the kind for messages: "a string", "a list"…
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            SpannedKind::Scalar(value) => value.kind(),
            SpannedKind::List(_) => "a list",
            SpannedKind::Map(_) => "a mapping",
        }
    }

    /// Returns the text; none for another type.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            SpannedKind::Scalar(value) => value.as_text(),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.kind, SpannedKind::Scalar(Value::Null))
    }

    /// Returns Python's truth value.
    pub fn is_truthy(&self) -> bool {
        match &self.kind {
            SpannedKind::Scalar(value) => value.is_truthy(),
            SpannedKind::List(items) => !items.is_empty(),
            SpannedKind::Map(entries) => !entries.is_empty(),
        }
    }
}

/// Decodes UTF-8, with or without a byte-order mark.
pub fn decode<'a>(bytes: &'a [u8], source: &str) -> Result<&'a str, Diagnostic> {
    if bytes.len() > MAX_BYTES {
        return Err(Diagnostic::for_file(source, format!("larger than {} MiB", MAX_BYTES / 1024 / 1024))
            .hint("check that this is the experiment file"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let lines = before.iter().filter(|b| **b == b'\n').count();
        let column = String::from_utf8_lossy(&before[line_start..]).chars().count();
        Diagnostic::for_file(source, "not UTF-8 text")
            .at(Position { line: clamp(lines + 1), column: clamp(column + 1) })
            .hint("save the file as UTF-8")
    })
}

/// Converts a count to a line or column, saturating.
pub(super) fn clamp(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Escapes a key as a reference token of a JSON pointer (RFC 6901).
pub fn pointer_token(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_utf8_is_rejected_with_its_position() {
        let check = |bytes: &[u8], expected: Result<&str, (u32, u32)>| {
            let position = decode(bytes, "f").map_err(|d| d.position.map(|p| (p.line, p.column)).unwrap());
            assert_eq!(position, expected);
        };
        check(b"plain", Ok("plain"));
        check(b"\xef\xbb\xbf{}", Ok("{}"));
        check(b"a: \xff", Err((1, 4)));
        check("é\nüb\u{0}".as_bytes(), Ok("é\nüb\u{0}"));
        check(b"\xc3\xa9\n\xc3\xa9\xc3", Err((2, 2)));
        assert!(decode(&vec![b' '; MAX_BYTES + 1], "f").unwrap_err().message.contains("10 MiB"));
    }
}
