//! Lines as text: for a terminal, a file, or a machine. Floor 1, pure.

use std::fmt::Write as _;

use owo_colors::OwoColorize as _;
use serde_json::json;

use super::{Head, Level, Line};
use crate::clock::Timestamp;

/// How lines are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Style {
    /// For people.
    Text {
        /// Whether levels have their colour.
        colour: bool,
    },
    /// One JSON object each.
    Json {
        /// Tells runs of the program apart.
        context: String,
        /// The number of the process.
        process: u32,
    },
}

/// A line as text, with a line break at its end.
pub fn format(line: &Line, at: Timestamp, style: &Style) -> String {
    match style {
        Style::Text { colour } => text(line, at, *colour),
        Style::Json { context, process } => {
            let object = json!({
                "process": process,
                "asctime": at.local_millis(),
                "levelname": line.level.name(),
                "message": line.text,
                "context_id": context,
                "timestamp": at.iso(),
            });
            format!("{object}\n")
        }
    }
}

fn text(line: &Line, at: Timestamp, colour: bool) -> String {
    let head = match (line.head, line.level) {
        (Head::Time, level) => format!("[{} {}]", at.local(), level.name()),
        (Head::None, _) | (Head::Level, Level::Debug | Level::Info) => String::new(),
        (Head::Level, Level::Warning) => "Warning:".to_owned(),
        (Head::Level, Level::Error | Level::Critical) => "error:".to_owned(),
    };
    let head = match line.level {
        _ if !colour || head.is_empty() => head,
        Level::Debug => head.cyan().to_string(),
        Level::Info => head.green().to_string(),
        Level::Warning => head.yellow().to_string(),
        Level::Error | Level::Critical => head.red().to_string(),
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
    out
}

/// Text that cannot steer a terminal: whatever an experiment, a process or a server says is not trusted.
/// Escapes, other control characters and characters that turn the direction of writing are made visible.
pub fn sanitize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push(c),
            '\u{1b}' => out.push_str("^["),
            '\r' => out.push_str("\\r"),
            c if c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}') =>
            {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// The same for a text of several lines.
pub fn sanitize_lines(text: &str) -> String {
    text.split('\n').map(sanitize).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &Line, style: &Style, expected: &str) {
        let at = Timestamp::from_micros(1_795_415_512_211_695);
        let got = format(line, at, style).replace(&at.local(), "TIME");
        assert_eq!(got, expected);
    }

    #[test]
    fn lines_for_people() {
        let plain = Style::Text { colour: false };
        check(&Line::new(Level::Info, "Probe: h"), &plain, "[TIME INFO] Probe: h\n");
        check(&Line::new(Level::Critical, "one\ntwo"), &plain, "[TIME CRITICAL] one\n    two\n");
        check(&Line::note(Level::Warning, "look"), &plain, "Warning: look\n");
        check(&Line::note(Level::Critical, "bad\nworse"), &plain, "error: bad\n    worse\n");
        check(&Line::note(Level::Info, "said"), &plain, "said\n");
        check(&Line::new(Level::Error, ""), &plain, "[TIME ERROR] \n");
        let colour = Style::Text { colour: true };
        check(&Line::new(Level::Info, "x"), &colour, "\u{1b}[32m[TIME INFO]\u{1b}[39m x\n");
    }

    #[test]
    fn lines_for_machines() {
        let at = Timestamp::from_micros(1_795_415_512_211_695);
        let style = Style::Json { context: "id".to_owned(), process: 7 };
        let text = format(&Line::new(Level::Warning, "a\n\u{1b}[31m\"b\""), at, &style);
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

    #[test]
    fn foreign_text_cannot_steer_a_terminal() {
        assert_eq!(sanitize("a\u{1b}[31mb\rc\u{7}\t\u{202e}é🎉"), "a^[[31mb\\rc\\u{7}\t\\u{202e}é🎉");
    }
}
