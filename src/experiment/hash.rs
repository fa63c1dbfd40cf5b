//! Hashes that identify an experiment and the given variables.

use ring::digest;

use std::collections::BTreeMap;

use crate::text::to_hex;
use crate::value::{Map, Value};

/// The keys that decide what a run does and measures.
///
/// Titles, descriptions, tags, contributions and extensions do not identify an experiment. Secrets must not be part of
/// a published digest.
const HASHED_KEYS: [&str; 6] =
    ["configuration", "controls", "method", "rollbacks", "runtime", "steady-state-hypothesis"];

/// Returns `sha256:` and the digest of the hashed keys, as JSON with sorted keys.
pub fn hash_experiment(experiment: &Value) -> String {
    let mut text = String::new();
    for key in HASHED_KEYS {
        if let Some(section) = experiment.get(key) {
            text.push_str(key);
            write_canonical(section, &mut text);
        }
    }
    "sha256:".to_owned() + &to_hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

/// The bytes of a variable's digest: enough to distinguish values, too few to confirm a guess.
const VARIABLE_DIGEST_BYTES: usize = 4;

/// Returns a digest of each variable that replaces a declaration, by name.
///
/// The value may be secret, so only a short digest is stored. Variables without a declaration have no effect.
pub fn variable_digests(declared: &Map, given: &Map) -> BTreeMap<String, String> {
    let digest = |(name, value): (&String, &Value)| {
        let mut text = name.clone() + "=";
        write_canonical(value, &mut text);
        let digest = digest::digest(&digest::SHA256, text.as_bytes());
        (name.clone(), to_hex(&digest.as_ref()[..VARIABLE_DIGEST_BYTES]))
    };
    given.iter().filter(|(name, _)| declared.contains_key(*name)).map(digest).collect()
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::List(items) => {
            out.push('[');
            for item in items {
                write_canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Map(entries) => {
            let mut keys: Vec<&String> = entries.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for key in keys {
                write_canonical(&Value::Text(key.clone()), out);
                out.push(':');
                write_canonical(&entries[key], out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Text(_) => out.push_str(&serde_json::to_string(value).unwrap_or_default()),
        other => out.push_str(&other.python_text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> String {
        hash_experiment(&serde_json::from_str::<serde_json::Value>(json).unwrap().into())
    }

    #[test]
    fn only_hashed_keys_change_the_hash() {
        let base = of(r#"{"title": "t", "method": [{"name": "a", "type": "probe"}], "dry": null}"#);
        let same =
            of(r#"{"method": [{"type": "probe", "name": "a"}], "title": "other", "secrets": {"s": {}}}"#);
        let other = of(r#"{"title": "t", "method": [{"name": "b", "type": "probe"}]}"#);
        assert_eq!(base, same);
        assert_ne!(base, other);
        assert_eq!(base.len(), "sha256:".len() + 64);
    }

    #[test]
    fn variable_digests_differ_and_hide_values() {
        let given = |json: serde_json::Value| {
            let declared = Map::from_iter([("a".to_owned(), Value::Int(0)), ("b".to_owned(), Value::Null)]);
            let Value::Map(given) = json.into() else { panic!("a map") };
            variable_digests(&declared, &given)
        };
        let digests = given(serde_json::json!({"a": "secret", "b": {"x": 1, "y": 2}, "undeclared": 1}));
        assert_eq!(digests.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert!(
            digests.values().all(|digest| digest.len() == 8 && digest.chars().all(|c| c.is_ascii_hexdigit()))
        );
        assert_eq!(digests, given(serde_json::json!({"b": {"y": 2, "x": 1}, "a": "secret"})));
        let other = given(serde_json::json!({"a": "secre7", "b": "secret"}));
        assert!(digests["a"] != other["a"] && digests["b"] != other["b"] && other["b"] != digests["a"]);
        assert_ne!(given(serde_json::json!({"a": 1})), given(serde_json::json!({"a": "1"})));
    }

    #[test]
    fn adjacent_values_hash_differently() {
        assert_ne!(of(r#"{"method": ["a", "b"]}"#), of(r#"{"method": ["ab"]}"#));
        assert_ne!(of(r#"{"method": [1]}"#), of(r#"{"method": ["1"]}"#));
    }
}
