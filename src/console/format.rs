//! Formats console lines: for a terminal, a log file, or as JSON.

use std::fmt::Write as _;

use owo_colors::OwoColorize as _;
use serde_json::json;

use super::{ConsoleLine, LineLevel, LinePrefix};
use crate::clock::Timestamp;
use crate::text::sanitize;

/// The format of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineStyle {
    /// Plain text.
    Text {
        /// Whether levels are coloured.
        colour: bool,
    },
    /// One JSON object per line.
    Json {
        /// Identifies the execution of the program.
        context: String,
        /// The process id.
        process: u32,
    },
}

/// Formats a line, with a line break at its end.
pub fn format_line(line: &ConsoleLine, time: Timestamp, style: &LineStyle) -> String {
    match style {
        LineStyle::Text { colour } => format_text(line, time, *colour),
        LineStyle::Json { context, process } => {
            let mut object = json!({
                "process": process,
                "asctime": time.local_millis(),
                "levelname": line.level.name(),
                "message": line.text,
                "context_id": context,
                "timestamp": time.iso(),
            });
            if let Some(code) = line.code {
                object["code"] = code.name().into();
            }
            if let Some(hint) = &line.hint {
                object["hint"] = hint.as_str().into();
            }
            format!("{object}\n")
        }
    }
}

fn format_text(line: &ConsoleLine, time: Timestamp, colour: bool) -> String {
    let head = match (line.prefix, line.level) {
        (LinePrefix::Time, level) => format!("[{} {}]", time.local(), level.name()),
        (LinePrefix::None, _) | (LinePrefix::Level, LineLevel::Debug | LineLevel::Info) => String::new(),
        (LinePrefix::Level, LineLevel::Warning) => "Warning:".to_owned(),
        (LinePrefix::Level, LineLevel::Error | LineLevel::Critical) => "error:".to_owned(),
    };
    let head = match line.level {
        _ if !colour || head.is_empty() => head,
        LineLevel::Debug => head.cyan().to_string(),
        LineLevel::Info => head.green().to_string(),
        LineLevel::Warning => head.yellow().to_string(),
        LineLevel::Error | LineLevel::Critical => head.red().to_string(),
    };
    let mut out = String::new();
    for (index, part) in line.text.split('\n').enumerate() {
        let part = sanitize(part);
        let separator = if index > 0 {
            "\n    "
        } else if head.is_empty() {
            ""
        } else {
            " "
        };
        let _ = write!(out, "{}{separator}{part}", if index == 0 { head.as_str() } else { "" });
    }
    out.push('\n');
    if let Some(hint) = &line.hint {
        let _ = writeln!(out, "hint: {}", sanitize(hint));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &ConsoleLine, style: &LineStyle, expected: &str) {
        let at = Timestamp::from_micros(1_795_415_512_211_695);
        let got = format_line(line, at, style).replace(&at.local(), "TIME");
        assert_eq!(got, expected);
    }

    #[test]
    fn text_lines_have_prefix_and_colour() {
        let plain = LineStyle::Text { colour: false };
        check(&ConsoleLine::new(LineLevel::Info, "Probe: h"), &plain, "[TIME INFO] Probe: h\n");
        check(&ConsoleLine::new(LineLevel::Critical, "one\ntwo"), &plain, "[TIME CRITICAL] one\n    two\n");
        check(&ConsoleLine::note(LineLevel::Warning, "look"), &plain, "Warning: look\n");
        check(&ConsoleLine::note(LineLevel::Critical, "bad\nworse"), &plain, "error: bad\n    worse\n");
        check(&ConsoleLine::note(LineLevel::Info, "said"), &plain, "said\n");
        check(&ConsoleLine::new(LineLevel::Error, ""), &plain, "[TIME ERROR] \n");
        let colour = LineStyle::Text { colour: true };
        check(&ConsoleLine::new(LineLevel::Info, "x"), &colour, "\u{1b}[32m[TIME INFO]\u{1b}[39m x\n");
    }

    #[test]
    fn json_lines_have_all_fields() {
        let at = Timestamp::from_micros(1_795_415_512_211_695);
        let style = LineStyle::Json { context: "id".to_owned(), process: 7 };
        let text = format_line(&ConsoleLine::new(LineLevel::Warning, "a\n\u{1b}[31m\"b\""), at, &style);
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["message"], "a\n\u{1b}[31m\"b\"");
        assert_eq!(
            (&object["levelname"], &object["process"], &object["context_id"]),
            (&json!("WARNING"), &json!(7), &json!("id"))
        );
        assert_eq!(object["timestamp"], "2026-11-23T06:31:52.211695+00:00");
        assert!(object["asctime"].as_str().unwrap().ends_with(",211"));
        assert_eq!(text.matches('\n').count(), 1);
    }
}
