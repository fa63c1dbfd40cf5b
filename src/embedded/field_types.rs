//! Types of the fields of Kubernetes objects, and the check of an object against them.
//!
//! The table is a text, because the generated code of `k8s-openapi` for the same check takes half a megabyte. A test
//! writes the table from that code and compares both.

use std::collections::HashMap;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value as Json;

/// One type per line: its name, and each field with its type.
///
/// A type is a name, `[TYPE]` for a list, `{TYPE}` for a mapping of texts, or `TYPE|TYPE` for a choice.
const TABLE: &str = include_str!("field_types.txt");

/// Error of a field that does not have its type.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {path}: expected {expected}, not {found}")]
pub(super) struct FieldTypeError {
    /// The path of the field, such as `spec.containers[0].name`.
    path: String,
    expected: &'static str,
    found: &'static str,
}

/// Checks that a value has a type of the table. Fields that the table does not have are ignored.
pub(super) fn check_type(name: &'static str, value: &Json) -> Result<(), FieldTypeError> {
    check(name, value).map_err(|mut error| {
        // the path was built from the end
        error.path = error.path.trim_start_matches('.').to_owned();
        if error.path.is_empty() {
            "object".clone_into(&mut error.path);
        }
        error
    })
}

fn check(expected: &'static str, value: &Json) -> Result<(), FieldTypeError> {
    let below =
        |step: String| move |error: FieldTypeError| FieldTypeError { path: step + &error.path, ..error };
    if let Some((first, second)) = split_choice(expected) {
        return if fits_shape(first, value) { check(first, value) } else { check(second, value) };
    }
    if let Some(item) = enclosed(expected, '[', ']') {
        let Json::Array(items) = value else { return Err(mismatch("a list", value)) };
        let mut items = items.iter().enumerate();
        return items.try_for_each(|(index, value)| check(item, value).map_err(below(format!("[{index}]"))));
    }
    if let Some(entry) = enclosed(expected, '{', '}') {
        let Json::Object(entries) = value else { return Err(mismatch("a mapping", value)) };
        let mut entries = entries.iter();
        return entries.try_for_each(|(key, value)| check(entry, value).map_err(below(format!(".{key}"))));
    }
    let Some(fields) = types().get(expected) else { return check_scalar(expected, value) };
    let Json::Object(entries) = value else { return Err(mismatch(expected, value)) };
    for (name, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
        if let Some(field) = find_field(fields, name) {
            check(field, value).map_err(below(format!(".{name}")))?;
        }
    }
    Ok(())
}

fn check_scalar(expected: &'static str, value: &Json) -> Result<(), FieldTypeError> {
    let text = value.as_str();
    let fits = match expected {
        "string" => text.is_some(),
        "bool" => value.is_boolean(),
        "int32" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        "int64" => value.as_i64().is_some(),
        "float" => value.is_number(),
        "quantity" => value.is_number() || text.is_some(),
        "bytes" => value.is_null() || text.is_some_and(|text| BASE64_STANDARD.decode(text).is_ok()),
        "time" => text.is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
        _ => true,
    };
    if fits { Ok(()) } else { Err(mismatch(expected, value)) }
}

/// Whether a value can have the first type of a choice: the types of a choice differ in the kind of JSON.
fn fits_shape(expected: &'static str, value: &Json) -> bool {
    match expected {
        "int32" => value.is_number(),
        _ => value.is_object(),
    }
}

fn mismatch(expected: &'static str, value: &Json) -> FieldTypeError {
    let actual = match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "this number",
        Json::String(_) => "this text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a mapping",
    };
    FieldTypeError { path: String::new(), expected, found: actual }
}

fn split_choice(expected: &'static str) -> Option<(&'static str, &'static str)> {
    if expected.starts_with(['[', '{']) { None } else { expected.split_once('|') }
}

fn enclosed(expected: &'static str, open: char, close: char) -> Option<&'static str> {
    expected.strip_prefix(open)?.strip_suffix(close)
}

/// Returns the type of a field.
fn find_field(fields: &'static str, name: &str) -> Option<&'static str> {
    fields
        .split(' ')
        .find_map(|field| field.split_once('=').filter(|(known, _)| *known == name))
        .map(|(_, expected)| expected)
}

/// Returns the fields of each type.
fn types() -> &'static HashMap<&'static str, &'static str> {
    static TYPES: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    TYPES.get_or_init(|| TABLE.lines().filter_map(|line| line.split_once(' ')).collect())
}

#[cfg(test)]
mod tests;
