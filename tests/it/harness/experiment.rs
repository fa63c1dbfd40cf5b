//! Experiments for tests: the entries that every experiment has are added.

use serde_json::{Value, json};

/// An experiment with this method.
pub fn experiment(method: &Value) -> Value {
    json!({"title": "A test", "description": "What a test looks at.", "method": method})
}

/// An experiment of one probe.
pub fn probe(provider: &Value) -> Value {
    experiment(&json!([{"type": "probe", "name": "look", "provider": provider}]))
}

/// An experiment of one action.
pub fn action(provider: &Value) -> Value {
    experiment(&json!([{"type": "action", "name": "act", "provider": provider}]))
}

/// Returns the object with other entries added.
pub fn with(mut value: Value, entries: &Value) -> Value {
    let (Some(into), Some(from)) = (value.as_object_mut(), entries.as_object()) else {
        panic!("two mappings: {value} and {entries}");
    };
    into.extend(from.clone());
    value
}
