//! Replaces values that differ from run to run by their kind, so that the rest can be compared exactly.

use fancy_regex::Regex;
use serde_json::Value;

/// Replaces times, ids and durations in a text.
pub fn redact(text: &str) -> String {
    let rules = [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", "TIME"),
        (r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", "[TIME "),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
        (r#""duration": [\d.e-]+"#, "\"duration\": DURATION"),
        (r"\bduration: [\d.e-]+", "duration: DURATION"),
        (r#""process":\d+,"asctime":"[^"]+""#, "\"process\":ID,\"asctime\":\"TIME\""),
    ];
    replace(text, &rules)
}

/// Replaces the matches of patterns one after the other.
pub fn replace(text: &str, rules: &[(&str, &str)]) -> String {
    rules.iter().fold(text.to_owned(), |text, (pattern, kind)| {
        Regex::new(pattern).unwrap().replace_all(&text, *kind).into_owned()
    })
}

/// Replaces such values in a JSON document.
pub fn redact_values(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                match key.as_str() {
                    "duration" | "platform" | "node" | "run_id" | "chaoslib-version" | "version"
                        if !value.is_null() =>
                    {
                        *value = key.to_uppercase().into();
                    }
                    _ => redact_values(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact_values),
        _ => {}
    }
}
