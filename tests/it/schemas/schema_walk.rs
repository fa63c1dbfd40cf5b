//! Which parts of a schema describe which parts of a document.

use serde_json::{Value, json};

/// One part of a document and the part of the schema that describes it.
pub struct Described<'a> {
    /// The part of the schema.
    pub schema: &'a Value,
    /// Where in the schema: a JSON pointer.
    pub at: String,
    /// Where in the document.
    pub place: String,
    /// The part of the document.
    pub value: &'a Value,
}

/// Every part of the document that the schema describes.
pub fn described<'a>(root: &'a Value, document: &'a Value) -> Vec<Described<'a>> {
    let mut found = Vec::new();
    walk(root, root, "", document, "", &mut found);
    found
}

fn walk<'a>(
    root: &'a Value,
    schema: &'a Value,
    at: &str,
    value: &'a Value,
    place: &str,
    found: &mut Vec<Described<'a>>,
) {
    found.push(Described { schema, at: at.to_owned(), place: place.to_owned(), value });
    if let Some(pointer) = reference(schema) {
        walk(root, root.pointer(pointer).expect(pointer), pointer, value, place, found);
    }
    if let (Some(properties), Some(entries)) = (schema["properties"].as_object(), value.as_object()) {
        for (key, value) in entries {
            if let Some(property) = properties.get(key) {
                let at = format!("{at}/properties/{key}");
                walk(root, property, &at, value, &format!("{place}/{key}"), found);
            }
        }
    }
    if let (items @ Value::Object(_), Some(values)) = (&schema["items"], value.as_array()) {
        for (index, value) in values.iter().enumerate() {
            walk(root, items, &format!("{at}/items"), value, &format!("{place}/{index}"), found);
        }
    }
    for keyword in ["anyOf", "oneOf"] {
        for (index, branch) in schema[keyword].as_array().into_iter().flatten().enumerate() {
            if is_meant(root, branch, value) {
                walk(root, branch, &format!("{at}/{keyword}/{index}"), value, place, found);
            }
        }
    }
}

/// Whether a branch applies to a value, by its type and its constants.
fn is_meant(root: &Value, branch: &Value, value: &Value) -> bool {
    let branch = reference(branch).and_then(|pointer| root.pointer(pointer)).unwrap_or(branch);
    let type_fits = branch["type"].as_str().is_none_or(|kind| kind == kind_of(value));
    let constants = branch["properties"].as_object().into_iter().flatten();
    // a branch that only requires keys applies to every object with these keys
    let keys = branch["required"].as_array().filter(|_| branch.get("properties").is_none());
    type_fits
        && keys.into_iter().flatten().filter_map(Value::as_str).all(|key| value.get(key).is_some())
        && constants.filter_map(|(key, property)| Some((value.get(key)?, property))).all(
            |(value, property)| {
                property.get("const").is_none_or(|constant| constant == value)
                    && property["enum"].as_array().is_none_or(|listed| listed.contains(value))
            },
        )
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix('#')
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The place of every property that a schema describes.
pub fn properties(schema: &Value) -> Vec<String> {
    fn collect(node: &Value, at: &str, found: &mut Vec<String>) {
        match node {
            Value::Object(entries) => {
                for (key, value) in entries {
                    let here = format!("{at}/{key}");
                    if at.ends_with("/properties") {
                        found.push(here.clone());
                    }
                    collect(value, &here, found);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    collect(value, &format!("{at}/{index}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(schema, "", &mut found);
    found
}

/// Invalid variants of one part of a document: a description and the document.
pub fn broken(part: &Described, document: &Value) -> Vec<(String, Value)> {
    let mut ways = Vec::new();
    let mut way = |what: String, change: &dyn Fn(&mut Value)| {
        let mut document = document.clone();
        change(document.pointer_mut(&part.place).expect("a place in the document"));
        ways.push((format!("{what} at {:?} ({})", part.place, part.at), document));
    };
    if part.value.is_object() {
        for key in part.schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            way(format!("without {key}"), &|part| drop(part.as_object_mut().unwrap().shift_remove(key)));
        }
        if part.schema["additionalProperties"] == false {
            way("with an unknown key".to_owned(), &|part| part["unknown-key"] = json!(1));
        }
    }
    let says = |keyword: &str| part.schema.get(keyword).is_some();
    if says("type") || says("enum") || says("const") {
        let other = if part.value.is_object() { json!("text") } else { json!({"an": "object"}) };
        way("with something of another type".to_owned(), &|part| *part = other.clone());
    }
    if says("enum") || says("const") || (says("pattern") && part.value.is_string()) {
        way("with another text".to_owned(), &|part| *part = json!("another text"));
    }
    if says("minimum") && part.value.is_number() {
        way("with a number below the least".to_owned(), &|part| *part = json!(-1));
    }
    ways
}
