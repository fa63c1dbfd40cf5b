//! The experiments that tests are about, without what every experiment has.

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

/// The value with other entries put into it.
pub fn with(mut value: Value, entries: &Value) -> Value {
    let (Some(into), Some(from)) = (value.as_object_mut(), entries.as_object()) else {
        panic!("two mappings: {value} and {entries}");
    };
    into.extend(from.clone());
    value
}
