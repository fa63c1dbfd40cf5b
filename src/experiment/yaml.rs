//! Parses YAML into a document with positions.
//!
//! `saphyr-parser` parses the syntax. This module interprets its events like PyYAML's safe loader: YAML 1.1 scalars
//! (see [`super::yaml_scalar`]), `<<` merges, one document, only standard tags. Aliases are expanded and counted: a
//! "YAML bomb" reaches [`MAX_NODES`] before it exhausts memory.
//!
//! Verbatim: PyYAML 6.0 (messages that start with `while`, `found`, `expected`, `mapping` or `could not`)

use std::borrow::Cow;
use std::collections::HashMap;

use indexmap::IndexMap;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::document::{Document, MAX_DEPTH, MAX_NODES, SpannedEntry, SpannedKind, SpannedValue, clamp};
use super::json::duplicate_key;
use super::yaml_scalar::{self, ScalarError};
use crate::diagnostic::{Diagnostic, Position};
use crate::value::Value;

/// The start of every error message.
pub const BROKEN: &str = "broken YAML: ";

/// Parses a text as one YAML document.
pub fn read(text: &str, source: &str) -> Result<Document, Diagnostic> {
    let mut builder = YamlBuilder::new(text, source);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| builder.syntax(&error))?;
        // the parser appends a missing line break, and can report positions after it
        let location = position(span).min(builder.end);
        builder.event(event, location)?;
    }
    // an empty document, or one with comments only, is null
    let root = builder.root.unwrap_or_else(|| SpannedValue {
        position: Position { line: 1, column: 1 },
        kind: SpannedKind::Scalar(Value::Null),
    });
    Ok(Document { source: source.to_owned(), root, warnings: builder.warnings })
}

fn position(span: Span) -> Position {
    Position { line: clamp(span.start.line()), column: clamp(span.start.col() + 1) }
}

/// Returns the position after the last character.
fn end(text: &str) -> Position {
    let breaks = text.matches(['\n', '\r']).count() - text.matches("\r\n").count();
    let last = text.rsplit(['\n', '\r']).next().unwrap_or_default();
    Position { line: clamp(breaks + 1), column: clamp(last.chars().count() + 1) }
}

/// A collection that is being parsed.
struct YamlFrame {
    position: Position,
    anchor: usize,
    part: YamlPart,
}

enum YamlPart {
    List(Vec<SpannedValue>),
    Map { pairs: Vec<(YamlKey, Position, SpannedValue)>, pending: Option<(YamlKey, Position)> },
}

enum YamlKey {
    /// A plain `<<`.
    Merge,
    Text(String),
}

/// The size of an anchored node, to reject an alias before its expansion.
#[derive(Clone, Copy)]
struct ExpansionSize {
    nodes: usize,
    height: usize,
}

struct YamlBuilder<'a> {
    text: &'a str,
    /// The position of the end.
    end: Position,
    source: &'a str,
    frames: Vec<YamlFrame>,
    anchors: HashMap<usize, (SpannedValue, ExpansionSize)>,
    nodes: usize,
    documents: usize,
    root: Option<SpannedValue>,
    warnings: Vec<Diagnostic>,
}

impl<'a> YamlBuilder<'a> {
    fn new(text: &'a str, source: &'a str) -> Self {
        Self {
            text,
            end: end(text),
            source,
            frames: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            documents: 0,
            root: None,
            warnings: Vec::new(),
        }
    }

    fn fault(&self, position: Position, message: impl std::fmt::Display) -> Diagnostic {
        Diagnostic::for_file(self.source, format!("{BROKEN}{message}")).at(self.clamp_to_text(position))
    }

    /// Clamps a position to its line: in directives the parser counts bytes.
    fn clamp_to_text(&self, position: Position) -> Position {
        let position = position.min(self.end);
        let text = self.text.replace("\r\n", "\n").replace('\r', "\n");
        let line = text.split('\n').nth(position.line.saturating_sub(1) as usize).unwrap_or_default();
        Position { column: position.column.min(clamp(line.chars().count() + 1)), ..position }
    }

    /// Returns the rest of the line at a position.
    fn text_at(&self, position: Position) -> &str {
        let line = self.text.lines().nth(position.line.saturating_sub(1) as usize).unwrap_or_default();
        line.char_indices()
            .nth(position.column.saturating_sub(1) as usize)
            .map_or("", |(position, _)| &line[position..])
    }

    /// Returns the first tab in the indentation of a line after a position.
    fn first_tab_from(&self, position: Position) -> Position {
        (1..)
            .zip(self.text.lines())
            .skip(position.line as usize)
            .find_map(|(line, text)| {
                let blank = &text[..text.len() - text.trim_start().len()];
                blank.find('\t').map(|column| Position { line, column: clamp(column + 1) })
            })
            .unwrap_or(position)
    }

    /// Converts an error of the parser to PyYAML's message, which users may search for.
    fn syntax(&self, error: &ScanError) -> Diagnostic {
        let marker = error.marker();
        let mut position = Position { line: clamp(marker.line()), column: clamp(marker.col() + 1) };
        let message = match error.info() {
            // the parser reports the start of the scalar; the tab is the problem
            info @ "while scanning a plain scalar, found a tab" => {
                position = self.first_tab_from(position);
                format!("while scanning for the next token, {info}")
            }
            "mapping values are not allowed in this context" => {
                "mapping values are not allowed here".to_owned()
            }
            "simple key expected" | "simple key expect ':'" => {
                "while scanning a simple key, could not find expected ':'".to_owned()
            }
            info if info.starts_with("unexpected character: `") => {
                format!("while scanning for the next token, {info}")
            }
            // the only cause: a key after line breaks within brackets
            info @ "illegal placement of ':' indicator" => {
                let open = self.frames.last().map(|frame| &frame.part);
                let collection =
                    if matches!(open, Some(YamlPart::Map { .. })) { "mapping" } else { "sequence" };
                format!("while parsing a flow {collection}, {info}")
            }
            "while parsing node, found unknown anchor" => {
                let alias = self.text_at(position).trim_start_matches('*');
                let end =
                    alias.find(|c: char| c.is_whitespace() || ",[]{}".contains(c)).unwrap_or(alias.len());
                format!("found undefined alias '{}'", &alias[..end])
            }
            "while parsing a node, did not find expected node content" => {
                let open = self.frames.last().map(|frame| self.text_at(frame.position));
                let flow = open.is_some_and(|text| text.starts_with(['[', '{']));
                format!(
                    "while parsing a {} node, did not find expected node content",
                    if flow { "flow" } else { "block" }
                )
            }
            "invalid indentation in quoted scalar" => {
                "while scanning a quoted scalar, it is not closed, or not indented".to_owned()
            }
            info if info.contains("tab") => format!("while scanning for the next token, {info}"),
            "recursion limit exceeded" => format!("nested more than {MAX_DEPTH} deep"),
            info => info.to_owned(),
        };
        let has_tab = message.contains("tab");
        let diagnostic = self.fault(position, message);
        match self.frames.last() {
            _ if has_tab => diagnostic.hint("indent with spaces, not with tabs"),
            Some(frame) if frame.position.line < position.line => {
                diagnostic.hint(format!("the collection that starts at {} may be incomplete", frame.position))
            }
            _ => diagnostic,
        }
    }

    fn event(&mut self, event: Event<'_>, position: Position) -> Result<(), Diagnostic> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(self
                        .fault(position, "expected a single document in the stream")
                        .hint("remove everything after the second \"---\""));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, anchor, tag.as_deref(), position)
            }
            Event::Alias(anchor) => self.alias(anchor, position),
            Event::SequenceStart(anchor, tag) => {
                self.open(YamlPart::List(Vec::new()), anchor, tag, "seq", position)
            }
            Event::MappingStart(anchor, tag) => {
                self.open(YamlPart::Map { pairs: Vec::new(), pending: None }, anchor, tag, "map", position)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        position: Position,
    ) -> Result<(), Diagnostic> {
        let plain = style == ScalarStyle::Plain;
        if text == "<<" && plain && tag.is_none() && self.wants_key() {
            self.key(YamlKey::Merge, position);
            return Ok(());
        }
        let value = match tag {
            None if plain => yaml_scalar::resolve(text),
            None => Ok(Value::from(text)),
            Some(tag) => match standard(tag) {
                Some(name) => yaml_scalar::construct(name, text),
                None => Err(unknown_tag(tag)),
            },
        };
        let value = value.map_err(|message| self.fault(position, message))?;
        self.finish(
            SpannedValue { position, kind: SpannedKind::Scalar(value) },
            anchor,
            ExpansionSize { nodes: 1, height: 0 },
        )
    }

    fn alias(&mut self, anchor: usize, position: Position) -> Result<(), Diagnostic> {
        let Some((_, size)) = self.anchors.get(&anchor) else {
            return Err(self.fault(position, "alias within its own anchor").hint("write out the value"));
        };
        let size = *size;
        if self.nodes + size.nodes > MAX_NODES || self.frames.len() + size.height > MAX_DEPTH {
            return Err(self.too_large(position));
        }
        let Some((node, _)) = self.anchors.get(&anchor).cloned() else { return Ok(()) };
        self.finish(node, 0, size)
    }

    fn too_large(&self, position: Position) -> Diagnostic {
        self.fault(position, format!("more than {MAX_NODES} values, or nested more than {MAX_DEPTH} deep"))
            .hint("each use of an alias counts")
    }

    fn open(
        &mut self,
        part: YamlPart,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
        expected: &str,
        position: Position,
    ) -> Result<(), Diagnostic> {
        if let Some(tag) = tag
            && standard(&tag) != Some(expected)
        {
            return Err(self.fault(position, unknown_tag(&tag)));
        }
        if self.wants_key() {
            return Err(self
                .fault(position, "while constructing a mapping, found unhashable key")
                .hint("quote a key that starts with {, [ or ${"));
        }
        if self.frames.len() == MAX_DEPTH {
            return Err(self.too_large(position));
        }
        self.frames.push(YamlFrame { position, anchor, part });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Diagnostic> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let kind = match frame.part {
            YamlPart::List(items) => SpannedKind::List(items),
            YamlPart::Map { pairs, .. } => SpannedKind::Map(self.map(pairs)?),
        };
        let node = SpannedValue { position: frame.position, kind };
        let size = if frame.anchor > 0 { measure(&node) } else { ExpansionSize { nodes: 1, height: 0 } };
        if frame.anchor > 0 {
            self.anchors.insert(frame.anchor, (node.clone(), size));
        }
        self.finish(node, 0, ExpansionSize { nodes: 1, ..size })
    }

    /// Returns the entries in PyYAML's order: merged ones first, then the mapping's own, which replace them.
    fn map(
        &mut self,
        pairs: Vec<(YamlKey, Position, SpannedValue)>,
    ) -> Result<IndexMap<String, SpannedEntry>, Diagnostic> {
        let mut merged: IndexMap<String, SpannedEntry> = IndexMap::new();
        let mut own_entries: IndexMap<String, SpannedEntry> = IndexMap::new();
        for (key, position, value) in pairs {
            match key {
                YamlKey::Text(key) => {
                    if let Some(earlier) = own_entries.get(&key) {
                        self.warnings.push(duplicate_key(self.source, &key, earlier.key, position));
                    }
                    own_entries.insert(key, SpannedEntry { key: position, value });
                }
                YamlKey::Merge => {
                    let sources = match value.kind {
                        SpannedKind::List(items) => items.into_iter().rev().collect(),
                        kind => vec![SpannedValue { position: value.position, kind }],
                    };
                    for source in sources {
                        let SpannedKind::Map(entries) = source.kind else {
                            return Err(self.fault(
                                source.position,
                                "while constructing a mapping, expected a mapping or list of mappings for merging",
                            ));
                        };
                        merged.extend(entries);
                    }
                }
            }
        }
        merged.extend(own_entries);
        merged.shrink_to_fit();
        Ok(merged)
    }

    fn wants_key(&self) -> bool {
        matches!(self.frames.last(), Some(YamlFrame { part: YamlPart::Map { pending: None, .. }, .. }))
    }

    fn key(&mut self, key: YamlKey, position: Position) {
        self.nodes += 1;
        if let Some(YamlFrame { part: YamlPart::Map { pending, .. }, .. }) = self.frames.last_mut() {
            *pending = Some((key, position));
        }
    }

    /// Adds a complete node to its parent.
    fn finish(&mut self, node: SpannedValue, anchor: usize, size: ExpansionSize) -> Result<(), Diagnostic> {
        self.nodes += size.nodes;
        if self.nodes > MAX_NODES {
            return Err(self.too_large(node.position));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        if self.wants_key() {
            let SpannedKind::Scalar(value) = &node.kind else {
                return Err(self.fault(node.position, "while constructing a mapping, found unhashable key"));
            };
            self.key(YamlKey::Text(key_text(value)), node.position);
            return Ok(());
        }
        match self.frames.last_mut().map(|frame| &mut frame.part) {
            None => self.root = Some(node),
            Some(YamlPart::List(items)) => items.push(node),
            Some(YamlPart::Map { pairs, pending }) => {
                if let Some((key, position)) = pending.take() {
                    pairs.push((key, position, node));
                }
            }
        }
        Ok(())
    }
}

/// Formats a key like JSON, as the Chaos Toolkit's journal does for keys that are not strings.
fn key_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        other => other.python_text().into_owned(),
    }
}

/// Returns the name of a standard tag; `!` alone means a string or a plain collection.
fn standard(tag: &Tag) -> Option<&str> {
    if tag.is_yaml_core_schema() {
        Some(tag.suffix.as_str())
    } else if tag.handle.is_empty() && tag.suffix == "!" {
        Some("str")
    } else {
        tag.suffix.strip_prefix("tag:yaml.org,2002:")
    }
}

fn unknown_tag(tag: &Tag) -> ScalarError {
    let name = if tag.is_yaml_core_schema() {
        format!("tag:yaml.org,2002:{}", tag.suffix)
    } else {
        format!("{}{}", tag.handle, tag.suffix)
    };
    ScalarError::UnsupportedTag(name)
}

fn measure(node: &SpannedValue) -> ExpansionSize {
    let parts: Vec<ExpansionSize> = match &node.kind {
        SpannedKind::Scalar(_) => Vec::new(),
        SpannedKind::List(items) => items.iter().map(measure).collect(),
        SpannedKind::Map(entries) => entries.values().map(|entry| measure(&entry.value)).collect(),
    };
    ExpansionSize {
        nodes: 1 + parts.iter().map(|size| size.nodes).sum::<usize>(),
        height: parts.iter().map(|size| size.height + 1).max().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let document = read(text, "f").unwrap_or_else(|d| panic!("{text}: {d}"));
        assert_eq!(serde_json::to_string(&document.root.to_value()).unwrap(), expected, "{text}");
    }

    fn refused(text: &str, line: u32, part: &str) {
        let diagnostic = read(text, "f").unwrap_err();
        assert_eq!(diagnostic.position.map(|p| p.line), Some(line), "{text}: {diagnostic}");
        assert!(diagnostic.to_string().contains(part), "{text}: {diagnostic}");
    }

    #[test]
    fn unquoted_scalars_follow_yaml_1_1() {
        check("[no, 'no', \"010\", 010, 1:30, 1_000, ~, yes]", r#"[false,"no","010",8,90,1000,null,true]"#);
        check("a: |\n  1\n", r#"{"a":"1\n"}"#);
        check("a: !!str 1\nb: !!int '7'\nc: ! 5", r#"{"a":"1","b":7,"c":"5"}"#);
        check("1: a\nyes: b\n~: c\n1.5: d", r#"{"1":"a","true":"b","null":"c","1.5":"d"}"#);
        check("\u{feff}a: 1", r#"{"a":1}"#);
    }

    #[test]
    fn merges_and_aliases_are_applied() {
        check("b: &b {x: 1, y: 2}\nc:\n  y: 3\n  <<: *b", r#"{"b":{"x":1,"y":2},"c":{"x":1,"y":3}}"#);
        check(
            "- &a {x: 1}\n- &b {x: 2, y: 2}\n- {<<: [*a, *b], z: 3}",
            r#"[{"x":1},{"x":2,"y":2},{"x":1,"y":2,"z":3}]"#,
        );
        check("{'<<': {a: 1}}", r#"{"<<":{"a":1}}"#);
        check("- &n name\n- {*n : 1}", r#"["name",{"name":1}]"#);
        check("x: &a [1, 2]\ny: *a", r#"{"x":[1,2],"y":[1,2]}"#);
    }

    #[test]
    fn yaml_errors_have_a_position() {
        refused("title: [t\ndescription: d\n", 2, "while parsing a flow sequence");
        refused("a: b: c", 1, "mapping values are not allowed here");
        refused("a: 1\n---\nb: 2", 2, "single document");
        refused("a: !python/object:os.system x", 1, "could not determine a constructor for the tag");
        refused("a: !!binary aGk=", 1, "tag:yaml.org,2002:binary");
        refused("a: *nope", 1, "found undefined alias 'nope'");
        refused("a: [", 1, "while parsing a flow node");
        refused("a: [\n", 2, "while parsing a flow node");
        let warnings = read("? \r\n? ", "f").unwrap().warnings;
        assert_eq!(warnings[0].position, Some(Position { line: 2, column: 3 }));
        let error = read("%\u{16b50} = \0", "f").unwrap_err();
        assert_eq!(error.position, Some(Position { line: 1, column: 7 }));
        refused("a: \"b\nc: d\n", 1, "while scanning a quoted scalar");
        refused("a: b\n\tc: d\n", 2, "while scanning for the next token");
        refused("a: &a [*a]", 1, "within its own anchor");
        refused("{[1, 2]: x}", 1, "unhashable");
        refused("<<: 5", 1, "merging");
        refused(&"[".repeat(10_000), 1, "nested more than 100 deep");
        refused(
            &(0..200).map(|depth| " ".repeat(depth) + "a:\n").collect::<String>(),
            101,
            "nested more than 100 deep",
        );
        check("# nothing\n", "null");
        check("", "null");
    }

    #[test]
    fn yaml_bombs_are_rejected() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb += &format!("a{level}: &a{level} [{aliases}]\n");
        }
        assert!(read(&bomb, "f").unwrap_err().to_string().contains("more than 500000 values"));
        let mut ladder = "a0: &a0 [x]\n".to_owned();
        for level in 1..5000 {
            ladder += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
        }
        assert!(read(&ladder, "f").unwrap_err().to_string().contains("nested more than 100 deep"));
    }

    #[test]
    fn duplicate_yaml_key_is_a_warning() {
        let document = read("a: 1\nb: 2\na: 3\n", "f").unwrap();
        assert_eq!(document.warnings[0].position, Some(Position { line: 3, column: 1 }));
    }
}
