//! The identity of an experiment, for those who compare runs of it. Floor 0.

use ring::digest;

use crate::value::Value;

/// The parts that decide what a run does and measures. Titles, descriptions, tags, contributions and
/// extensions may change without making it another experiment; secrets have no place in a published digest.
const WHAT_MATTERS: [&str; 6] =
    ["configuration", "controls", "method", "rollbacks", "runtime", "steady-state-hypothesis"];

/// `sha256:` and the digest of what matters in an experiment, written as JSON with sorted keys.
pub fn hash(experiment: &Value) -> String {
    let mut text = String::new();
    for key in WHAT_MATTERS {
        if let Some(part) = experiment.get(key) {
            text.push_str(key);
            canonical(part, &mut text);
        }
    }
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref().iter().fold("sha256:".to_owned(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::List(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Map(entries) => {
            let mut keys: Vec<&String> = entries.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for key in keys {
                canonical(&Value::Text(key.clone()), out);
                out.push(':');
                canonical(&entries[key], out);
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
        hash(&serde_json::from_str::<serde_json::Value>(json).unwrap().into())
    }

    #[test]
    fn only_what_matters_changes_it() {
        let base = of(r#"{"title": "t", "method": [{"name": "a", "type": "probe"}], "dry": null}"#);
        let same =
            of(r#"{"method": [{"type": "probe", "name": "a"}], "title": "other", "secrets": {"s": {}}}"#);
        let other = of(r#"{"title": "t", "method": [{"name": "b", "type": "probe"}]}"#);
        assert_eq!(base, same);
        assert_ne!(base, other);
        assert_eq!(base.len(), "sha256:".len() + 64);
    }

    #[test]
    fn neighbours_do_not_run_into_each_other() {
        assert_ne!(of(r#"{"method": ["a", "b"]}"#), of(r#"{"method": ["ab"]}"#));
        assert_ne!(of(r#"{"method": [1]}"#), of(r#"{"method": ["1"]}"#));
    }
}
