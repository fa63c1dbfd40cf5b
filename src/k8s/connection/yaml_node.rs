//! YAML as a tree of nodes with positions, in which each scalar keeps its text.
//!
//! Like the parser of kubectl it accepts duplicate keys, of which the last one wins, and `!!binary`. Its errors have a
//! position and no text of the file: the file contains credentials.

use std::collections::HashMap;

use base64::Engine as _;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::{Number, Value as Json};

use crate::k8s::error::Place;

/// Limits of a kubeconfig, counting each use of an alias.
const MAX_NODES: usize = 200_000;
const MAX_DEPTH: usize = 100;

/// Why a text is not accepted as YAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InvalidYaml {
    pub(super) at: Place,
    pub(super) reason: &'static str,
}

/// Node of a document.
#[derive(Clone)]
pub(super) struct YamlNode {
    pub(super) at: Place,
    content: NodeContent,
}

#[derive(Clone)]
enum NodeContent {
    Scalar { text: String, form: ScalarForm },
    List(Vec<YamlNode>),
    Map(Vec<(String, YamlNode)>),
}

/// How a scalar is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ScalarForm {
    /// Without quotes: its text decides about its type.
    Plain,
    Text,
    /// Base64 that is decoded.
    Binary,
}

/// Parses a text. Returns its documents.
pub(super) fn read(text: &str) -> Result<Vec<YamlNode>, InvalidYaml> {
    let mut composer = Composer::default();
    let end = end(text);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| syntax(&error, end))?;
        composer.accept(event, place(span))?;
    }
    Ok(composer.documents)
}

/// Returns the place after the last character that is not white space. The parser reports what is missing after it.
fn end(text: &str) -> Place {
    let text = text.trim_end();
    let last = text.rsplit('\n').next().unwrap_or_default();
    Place { line: text.matches('\n').count() + 1, column: last.chars().count() + 1 }
}

fn syntax(error: &ScanError, end: Place) -> InvalidYaml {
    let marker = error.marker();
    let reason = if error.info().contains("tab") { "a tab in the indentation" } else { "invalid YAML" };
    InvalidYaml { at: Place { line: marker.line().max(1), column: marker.col() + 1 }.min(end), reason }
}

fn place(span: Span) -> Place {
    Place { line: span.start.line().max(1), column: span.start.col() + 1 }
}

/// Collection that is not closed yet.
struct OpenNode {
    at: Place,
    anchor: usize,
    items: Vec<YamlNode>,
    /// The keys of a mapping; `None` for a list.
    keys: Option<Vec<(String, bool)>>,
}

#[derive(Default)]
struct Composer {
    open: Vec<OpenNode>,
    anchors: HashMap<usize, (YamlNode, usize)>,
    documents: Vec<YamlNode>,
    nodes: usize,
}

impl Composer {
    fn accept(&mut self, event: Event<'_>, at: Place) -> Result<(), InvalidYaml> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let form = form(style, tag.as_deref());
                let content = NodeContent::Scalar { text: text.into_owned(), form };
                self.add(YamlNode { at, content }, anchor, 1)
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    return Err(InvalidYaml { at, reason: "an alias within its own anchor" });
                };
                self.add(node, 0, size)
            }
            Event::SequenceStart(anchor, _) => self.open(at, anchor, None),
            Event::MappingStart(anchor, _) => self.open(at, anchor, Some(Vec::new())),
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            _ => Ok(()),
        }
    }

    fn open(
        &mut self,
        at: Place,
        anchor: usize,
        keys: Option<Vec<(String, bool)>>,
    ) -> Result<(), InvalidYaml> {
        if self.open.len() == MAX_DEPTH {
            return Err(InvalidYaml { at, reason: "too many levels" });
        }
        if self.wants_key() {
            return Err(InvalidYaml { at, reason: "a key that is not a text" });
        }
        self.open.push(OpenNode { at, anchor, items: Vec::new(), keys });
        Ok(())
    }

    fn wants_key(&self) -> bool {
        let last = self.open.last().and_then(|open| Some((open.keys.as_ref()?.len(), open.items.len())));
        last.is_some_and(|(keys, items)| keys == items)
    }

    fn close(&mut self) -> Result<(), InvalidYaml> {
        let Some(OpenNode { at, anchor, items, keys }) = self.open.pop() else { return Ok(()) };
        let content = match keys {
            None => NodeContent::List(items),
            Some(keys) => NodeContent::Map(entries(keys, items)),
        };
        let node = YamlNode { at, content };
        if anchor > 0 {
            let size = node.size();
            self.anchors.insert(anchor, (node.clone(), size));
        }
        self.add(node, 0, 1)
    }

    fn add(&mut self, node: YamlNode, anchor: usize, size: usize) -> Result<(), InvalidYaml> {
        self.nodes += size;
        if self.nodes > MAX_NODES {
            return Err(InvalidYaml { at: node.at, reason: "too many values" });
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        if self.wants_key() {
            let NodeContent::Scalar { text, form } = node.content else {
                return Err(InvalidYaml { at: node.at, reason: "a key that is not a text" });
            };
            let is_merge = text == "<<" && form == ScalarForm::Plain;
            if let Some(keys) = self.open.last_mut().and_then(|open| open.keys.as_mut()) {
                keys.push((text, is_merge));
            }
            return Ok(());
        }
        match self.open.last_mut() {
            Some(open) => open.items.push(node),
            None => self.documents.push(node),
        }
        Ok(())
    }
}

/// Returns the entries of a mapping: merged ones first, then its own, which replace them.
fn entries(keys: Vec<(String, bool)>, values: Vec<YamlNode>) -> Vec<(String, YamlNode)> {
    let mut merged_entries: Vec<(String, YamlNode)> = Vec::new();
    let mut set =
        |key: String, value: YamlNode| match merged_entries.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => merged_entries.push((key, value)),
        };
    let (merges, own): (Vec<_>, Vec<_>) =
        keys.into_iter().zip(values).partition(|((_, is_merge), _)| *is_merge);
    for (_, merged) in merges {
        let sources = match merged.content {
            NodeContent::List(items) => items.into_iter().rev().collect(),
            content => vec![YamlNode { at: merged.at, content }],
        };
        for source in sources {
            if let NodeContent::Map(entries) = source.content {
                for (key, value) in entries {
                    set(key, value);
                }
            }
        }
    }
    for ((key, _), value) in own {
        set(key, value);
    }
    merged_entries
}

fn form(style: ScalarStyle, tag: Option<&Tag>) -> ScalarForm {
    match tag.map(|tag| tag.suffix.as_str()) {
        Some("binary" | "tag:yaml.org,2002:binary") => ScalarForm::Binary,
        None if style == ScalarStyle::Plain => ScalarForm::Plain,
        _ => ScalarForm::Text,
    }
}

impl YamlNode {
    fn size(&self) -> usize {
        match &self.content {
            NodeContent::Scalar { .. } => 1,
            NodeContent::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            NodeContent::Map(entries) => 1 + entries.iter().map(|(_, node)| node.size()).sum::<usize>(),
        }
    }

    /// Whether it is null, or an empty text without quotes.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.content, NodeContent::Scalar { text, form: ScalarForm::Plain }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Returns the text of a scalar, whatever its type; `None` for a collection, and for broken `!!binary`.
    pub(super) fn as_text(&self) -> Option<String> {
        match &self.content {
            NodeContent::Scalar { text, form: ScalarForm::Binary } => {
                String::from_utf8(decode_base64(text)?).ok()
            }
            NodeContent::Scalar { text, .. } => Some(text.clone()),
            _ => None,
        }
    }

    /// Returns the bytes of a scalar that is written in base64. Line breaks in it do not count, as in Go.
    pub(super) fn as_bytes(&self) -> Option<Vec<u8>> {
        match &self.content {
            NodeContent::Scalar { text, form: ScalarForm::Binary } => {
                let once = decode_base64(text)?;
                // the tag is one encoding, the field is another one; some tools write only the first
                if once.starts_with(b"-----BEGIN") {
                    return Some(once);
                }
                decode_base64(std::str::from_utf8(&once).ok()?)
            }
            NodeContent::Scalar { text, .. } => decode_base64(text),
            _ => None,
        }
    }

    /// Returns a boolean; `None` for another type. Quoted text is not one.
    pub(super) fn as_bool(&self) -> Option<bool> {
        match &self.content {
            NodeContent::Scalar { text, form: ScalarForm::Plain } => match text.to_ascii_lowercase().as_str()
            {
                "true" | "yes" | "on" | "y" => Some(true),
                "false" | "no" | "off" | "n" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the items of a list.
    pub(super) fn as_list(&self) -> Option<&[YamlNode]> {
        match &self.content {
            NodeContent::List(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the entries of a mapping.
    pub(super) fn as_map(&self) -> Option<&[(String, YamlNode)]> {
        match &self.content {
            NodeContent::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// Returns the value of a key that is present and not null.
    pub(super) fn get(&self, key: &str) -> Option<&YamlNode> {
        let entry = self.as_map()?.iter().find(|(entry_key, _)| entry_key == key)?;
        Some(&entry.1).filter(|node| !node.is_null())
    }

    /// Converts to JSON, as kubectl passes extensions on.
    pub(super) fn to_json(&self) -> Json {
        match &self.content {
            NodeContent::List(items) => items.iter().map(Self::to_json).collect(),
            NodeContent::Map(entries) => {
                entries.iter().map(|(key, node)| (key.clone(), node.to_json())).collect()
            }
            NodeContent::Scalar { .. } if self.is_null() => Json::Null,
            NodeContent::Scalar { text, form: ScalarForm::Plain } => {
                let number = || text.parse::<i64>().map(Number::from).ok();
                let float = || text.parse::<f64>().ok().and_then(Number::from_f64);
                match self.as_bool() {
                    Some(boolean) => Json::Bool(boolean),
                    None => number().or_else(float).map_or_else(|| text.as_str().into(), Json::Number),
                }
            }
            NodeContent::Scalar { .. } => self.as_text().unwrap_or_default().into(),
        }
    }
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    base64::prelude::BASE64_STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_becomes_nodes_as_in_kubectl() {
        let check = |text: &str, expected: &str| {
            let documents = read(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            let json: Vec<String> = documents.iter().map(|node| node.to_json().to_string()).collect();
            assert_eq!(json.join(" "), expected, "{text}");
        };
        check("a: 1\nb: [x, yes, ~, 1.5, '2']", r#"{"a":1,"b":["x",true,null,1.5,"2"]}"#);
        check("a: 1\nb: 2\na: 3", r#"{"a":3,"b":2}"#);
        check("{\"a\": {\"b\": null}}", r#"{"a":{"b":null}}"#);
        check("x: &x {a: 1}\ny: {<<: *x, b: 2}", r#"{"x":{"a":1},"y":{"a":1,"b":2}}"#);
        check("a: !!binary aGk=\nb: !!str 5", r#"{"a":"hi","b":"5"}"#);
        check("a: 1\n---\nb: 2", r#"{"a":1} {"b":2}"#);
        check("", "");
    }

    #[test]
    fn binary_data_is_decoded_in_every_form() {
        let check = |text: &str, expected: Option<&[u8]>| {
            let actual = read(text).unwrap()[0].get("d").and_then(YamlNode::as_bytes);
            assert_eq!(actual.as_deref(), expected, "{text}");
        };
        check("d: aGVsbG8=", Some(b"hello"));
        check("d: |\n  aGVs\n  bG8=\n", Some(b"hello"));
        check("d: \"aGVs\\nbG8=\"", Some(b"hello"));
        check("d: !!binary YUdWc2JHOD0=", Some(b"hello"));
        check("d: !!binary |\n  YUdWc2JH\n  OD0=\n", Some(b"hello"));
        check("d: !!binary LS0tLS1CRUdJTg==", Some(b"-----BEGIN"));
        check("d: '%'", None);
        check("d: []", None);
    }

    #[test]
    fn errors_have_a_position_and_no_content() {
        let check = |text: &str, line: usize, column: usize| {
            let error = read(text).err().unwrap_or_else(|| panic!("{text}"));
            assert_eq!((error.at.line, error.at.column), (line, column), "{text}: {error:?}");
        };
        check("users:\n- user: {token: s3cret", 2, 23);
        check("a: b: c", 1, 5);
        check("token: &a [*a]", 1, 12);
        check("a: *b", 1, 4);
        check("{[1]: 2}", 1, 2);
        let deep = "[".repeat(200);
        assert!(read(&deep).is_err());
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb += &format!("a{level}: &a{level} [{aliases}]\n");
        }
        assert_eq!(read(&bomb).err().map(|error| error.reason), Some("too many values"));
    }
}
