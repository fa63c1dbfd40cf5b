//! What a failed process wrote to standard error.

use crate::text::truncate;
use crate::value::Value;

/// The number of lines.
const MAX_LINES: usize = 3;
/// The longest line, in characters.
const MAX_LINE: usize = 200;

/// Returns the last lines of the standard error of a process that failed; none if it wrote nothing.
pub(super) fn last_lines(output: &Value) -> Option<String> {
    let Some(Value::Int(status)) = output.get("status") else { return None };
    let text = output.get("stderr").and_then(Value::as_text).filter(|_| *status != 0)?;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last: Vec<String> = lines
        .iter()
        .skip(lines.len().saturating_sub(MAX_LINES))
        .map(|line| truncate(line, MAX_LINE))
        .collect();
    let verb = if lines.len() > MAX_LINES { "ends with" } else { "is" };
    (!last.is_empty()).then(|| format!("its standard error {verb}: {}", last.join(" / ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn last_lines_are_those_of_a_failed_process() {
        let check = |status: i32, text: &str, expected: Option<&str>| {
            let output = json!({"status": status, "stdout": "out", "stderr": text}).into();
            assert_eq!(last_lines(&output).as_deref(), expected, "{status} {text:?}");
        };
        check(1, "no such table\n", Some("its standard error is: no such table"));
        check(-9, "a\n\n  b\nc\nd\n", Some("its standard error ends with: b / c / d"));
        check(0, "a warning", None);
        check(1, " \n", None);
        let long = "x".repeat(500);
        check(1, &long, Some(&format!("its standard error is: {}…", "x".repeat(200))));
        assert_eq!(last_lines(&json!({"status": 503, "body": ""}).into()), None);
        assert_eq!(last_lines(&json!([]).into()), None);
    }
}
