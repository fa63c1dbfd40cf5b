//! Size of a journal: outputs are cut when they are written, so that every journal can be read again.

use std::borrow::Cow;

use crate::value::{MAX_PARSED_DEPTH, Map, Value};

/// The largest output, in bytes of JSON.
pub(super) const MAX_OUTPUT: usize = 512 * 1024;
/// The sum of all outputs up to which an output may have that size.
pub(super) const MAX_OUTPUTS: usize = 2 * 1024 * 1024;
/// The largest output after that.
pub(super) const MAX_LATE_OUTPUT: usize = 256;
/// The longest error or detail, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// Size that is left for the outputs of a journal.
#[derive(Debug)]
pub(super) struct OutputBudget {
    remaining: usize,
}

impl Default for OutputBudget {
    fn default() -> Self {
        Self { remaining: MAX_OUTPUTS }
    }
}

impl OutputBudget {
    /// Returns an output, cut to the size that is left for it.
    pub(super) fn bound(&mut self, output: &Value) -> Value {
        let limit = MAX_OUTPUT.min(self.remaining).max(MAX_LATE_OUTPUT);
        let mut remaining = limit;
        let bounded = bound(output, MAX_PARSED_DEPTH, &mut remaining);
        self.remaining = self.remaining.saturating_sub(limit - remaining);
        bounded
    }
}

/// Cuts a text to the length of an error or detail.
pub(super) fn bounded_text(text: String) -> String {
    if text.len() <= MAX_TEXT { text } else { cut(&text, MAX_TEXT).into_owned() }
}

/// Copies a value as far as `left` bytes allow, and as deep as a reader of JSON can follow.
fn bound(value: &Value, depth: usize, remaining: &mut usize) -> Value {
    match value {
        Value::Text(text) => {
            let fitting = cut(text, *remaining);
            *remaining = remaining.saturating_sub(json_length(&fitting) + 2);
            Value::Text(fitting.into_owned())
        }
        Value::List(_) | Value::Map(_) if depth == 0 => {
            let text = serde_json::to_string(value).unwrap_or_default();
            bound(&Value::Text(text), depth, remaining)
        }
        Value::List(items) => {
            let mut bounded_items = Vec::new();
            for (index, item) in items.iter().enumerate() {
                if *remaining == 0 {
                    bounded_items.push(Value::Text(format!("… {} more", items.len() - index)));
                    break;
                }
                bounded_items.push(bound(item, depth - 1, remaining));
                *remaining = remaining.saturating_sub(1);
            }
            Value::List(bounded_items)
        }
        Value::Map(entries) => {
            let mut bounded_entries = Map::new();
            for (index, (key, item)) in entries.iter().enumerate() {
                if *remaining == 0 {
                    bounded_entries
                        .insert("…".to_owned(), Value::Text(format!("{} more", entries.len() - index)));
                    break;
                }
                *remaining = remaining.saturating_sub(json_length(key) + 4);
                bounded_entries.insert(key.clone(), bound(item, depth - 1, remaining));
            }
            Value::Map(bounded_entries)
        }
        other => {
            *remaining = remaining.saturating_sub(8);
            other.clone()
        }
    }
}

/// Returns the beginning of a text with at most `limit` bytes of JSON, and how long the text is.
fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    let mut length = 0;
    let end = text.char_indices().find(|(_, c)| {
        length += escaped_length(*c);
        length > limit
    });
    let Some((end, _)) = end else { return Cow::Borrowed(text) };
    let prefix = &text[..end];
    Cow::Owned(format!("{prefix}… ({} of {} bytes)", prefix.len(), text.len()))
}

/// Returns the length of a text in JSON, without quotes.
fn json_length(text: &str) -> usize {
    text.chars().map(escaped_length).sum()
}

fn escaped_length(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if c < ' ' => 6,
        c => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn size(value: &Value) -> usize {
        serde_json::to_string(value).unwrap().len()
    }

    #[test]
    fn small_outputs_are_kept() {
        let output: Value = json!({"status": 200, "body": {"items": [1, "é\n", null]}, "headers": {}}).into();
        assert_eq!(OutputBudget::default().bound(&output), output);
    }

    #[test]
    fn large_outputs_are_cut_to_their_limit() {
        let check = |output: Value| {
            let bounded = OutputBudget::default().bound(&output);
            assert!(size(&bounded) <= MAX_OUTPUT + 200, "{}", size(&bounded));
            assert!(size(&bounded) > MAX_OUTPUT / 2, "{}", size(&bounded));
            bounded
        };
        let stdout = check(json!({"status": 0, "stdout": "x".repeat(10_000_000), "stderr": ""}).into());
        assert!(stdout["stdout"].as_text().unwrap().ends_with(" of 10000000 bytes)"));
        assert_eq!(stdout["status"], Value::Int(0));
        check("\u{1}".repeat(10_000_000).as_str().into());
        check(json!(vec!["some text"; 1_000_000]).into());
        check(Value::Map((0..500_000).map(|n| (n.to_string(), Value::Null)).collect()));
    }

    #[test]
    fn outputs_of_a_journal_are_limited_in_sum() {
        let mut budget = OutputBudget::default();
        let output: Value = "x".repeat(2_000_000).as_str().into();
        let sizes: Vec<usize> = (0..200).map(|_| size(&budget.bound(&output))).collect();
        assert!(sizes[0] > MAX_OUTPUT / 2 && sizes[199] < 2 * MAX_LATE_OUTPUT, "{sizes:?}");
        assert!(sizes.iter().sum::<usize>() < MAX_OUTPUTS + 200 * 2 * MAX_LATE_OUTPUT);
    }

    #[test]
    fn deep_outputs_can_be_read_again() {
        let mut output = Value::Null;
        for _ in 0..300 {
            output = Value::List(vec![output]);
        }
        let text = serde_json::to_string(&OutputBudget::default().bound(&output)).unwrap();
        assert!(serde_json::from_str::<Value>(&text).is_ok());
        assert!(text.contains("\"[[["));
        assert_eq!(bounded_text("a".repeat(MAX_TEXT)).len(), MAX_TEXT);
        assert!(bounded_text("a".repeat(MAX_TEXT + 1)).ends_with("bytes)"));
    }
}
