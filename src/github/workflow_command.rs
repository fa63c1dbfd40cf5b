//! Workflow commands, annotations and outputs of GitHub Actions, as text. Pure.
//!
//! The runner interprets a line that starts with `::`, after spaces too, and `##[` anywhere. Untrusted text must not
//! become a command, and must not end the command that contains it.

use std::borrow::Cow;

use ring::rand::SecureRandom as _;

use crate::text::{replace_invisible, truncate};

/// Invisible character that breaks a command.
const JOINER: char = '\u{2060}';
const MAX_MESSAGE_LENGTH: usize = 1_000;
const MAX_TITLE_LENGTH: usize = 200;

/// Level of an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnnotationLevel {
    Error,
    Warning,
    Notice,
}

/// Annotation that GitHub shows for a file or for the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    pub level: AnnotationLevel,
    /// Path from the root of the repository.
    pub file: Option<String>,
    pub line: Option<u32>,
    /// Untrusted.
    pub title: String,
    /// Untrusted.
    pub message: String,
}

impl Annotation {
    /// Creates an annotation of the job.
    pub fn new(level: AnnotationLevel, title: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level, file: None, line: None, title: title.into(), message: message.into() }
    }

    /// Returns the workflow command, without a line break.
    pub fn command(&self) -> String {
        let name = match self.level {
            AnnotationLevel::Error => "error",
            AnnotationLevel::Warning => "warning",
            AnnotationLevel::Notice => "notice",
        };
        let mut properties = Vec::new();
        if let Some(file) = &self.file {
            properties.push(format!("file={}", escape_property(file)));
            properties.extend(self.line.map(|line| format!("line={line}")));
        }
        if !self.title.is_empty() {
            properties.push(format!("title={}", escape_property(&shorten(&self.title, MAX_TITLE_LENGTH))));
        }
        let gap = if properties.is_empty() { "" } else { " " };
        format!(
            "::{name}{gap}{}::{}",
            properties.join(","),
            escape_data(&shorten(&self.message, MAX_MESSAGE_LENGTH))
        )
    }
}

/// Shortens a text, and replaces what controls a terminal, a log or the runner.
fn shorten(text: &str, max: usize) -> String {
    neutralize(&replace_invisible(&truncate(text, max)).replace('\t', " ")).into_owned()
}

/// Escapes the message of a command.
pub fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property of a command.
pub fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Breaks everything in a text that the runner would interpret as a command.
pub fn neutralize(text: &str) -> Cow<'_, str> {
    if !text.contains("::") && !text.contains("##[") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['\n', '\r']).map_or(rest.len(), |at| at + 1);
        let (line, next) = rest.split_at(end);
        let trimmed = line.trim_start();
        if trimmed.starts_with("::") {
            out.push_str(&line[..line.len() - trimmed.len()]);
            out.push(':');
            out.push(JOINER);
            out.push_str(&trimmed[1..].replace("##[", &format!("##{JOINER}[")));
        } else {
            out.push_str(&line.replace("##[", &format!("##{JOINER}[")));
        }
        rest = next;
    }
    Cow::Owned(out)
}

/// Pair of commands between which the runner ignores other commands.
#[derive(Debug)]
pub struct StopCommands(String);

impl StopCommands {
    /// Creates a pair with a random token.
    pub fn new() -> Self {
        Self(format!("kubectl-chaos-{}", random_hex()))
    }

    /// Returns the line that disables commands.
    pub fn begin(&self) -> String {
        format!("::stop-commands::{}", self.0)
    }

    /// Returns the line that enables commands.
    pub fn end(&self) -> String {
        format!("::{}::", self.0)
    }
}

impl Default for StopCommands {
    fn default() -> Self {
        Self::new()
    }
}

/// Formats outputs of a step for its file. Each value ends with a random delimiter that it does not contain.
pub fn format_outputs(pairs: &[(&str, String)]) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        let delimiter = choose_delimiter(value, random_hex);
        out += &format!("{name}<<{delimiter}\n{value}\n{delimiter}\n");
    }
    out
}

fn choose_delimiter(value: &str, mut draw: impl FnMut() -> String) -> String {
    loop {
        let delimiter = format!("ghadelimiter_{}", draw());
        if !value.contains(&delimiter) {
            return delimiter;
        }
    }
}

/// Returns 32 random hexadecimal digits.
fn random_hex() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let mut bytes = [0_u8; 16];
    if ring::rand::SystemRandom::new().fill(&mut bytes).is_err() {
        // fallback: the random keys of hash maps
        bytes[..8].copy_from_slice(&RandomState::new().hash_one(std::process::id()).to_be_bytes());
        bytes[8..].copy_from_slice(&RandomState::new().hash_one(std::process::id()).to_be_bytes());
    }
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether the runner would interpret a command.
    fn is_interpreted(text: &str) -> bool {
        text.split(['\n', '\r']).any(|line| line.trim_start().starts_with("::") || line.contains("##["))
    }

    #[test]
    fn annotation_escapes_its_parts() {
        let check = |annotation: Annotation, expected: &str| assert_eq!(annotation.command(), expected);
        let annotation_at = |file: &str, title: &str, message: &str| Annotation {
            file: Some(file.to_owned()),
            line: Some(3),
            ..Annotation::new(AnnotationLevel::Error, title, message)
        };
        check(annotation_at("a.json", "t", "m"), "::error file=a.json,line=3,title=t::m");
        check(
            annotation_at("a,b:c%.json", "t::x,y=1", "100 %\nnext\r"),
            "::error file=a%2Cb%3Ac%25.json,line=3,title=t%3A%3Ax%2Cy=1::100 %25%0Anext\u{fffd}",
        );
        check(Annotation::new(AnnotationLevel::Notice, "", "plain"), "::notice::plain");
        check(
            Annotation::new(AnnotationLevel::Warning, "t", "a ##[error] b"),
            "::warning title=t::a ##\u{2060}[error] b",
        );
        let long = Annotation::new(AnnotationLevel::Error, "é".repeat(1000), "é".repeat(5000)).command();
        assert!(long.chars().count() < 1_300, "{long}");
    }

    #[test]
    fn commands_in_text_are_broken() {
        let check = |text: &str, expected: &str| assert_eq!(neutralize(text), expected, "{text:?}");
        check("plain :: text", "plain :: text");
        check("::error::x", ":\u{2060}:error::x");
        check("  \t::set-output name=a::b\nfine", "  \t:\u{2060}:set-output name=a::b\nfine");
        check("fine\r::add-mask::x", "fine\r:\u{2060}:add-mask::x");
        check("see ##[error]x ##[y]", "see ##\u{2060}[error]x ##\u{2060}[y]");
        check("\u{a0}::error::x", "\u{a0}:\u{2060}:error::x");
    }

    #[test]
    fn stop_commands_token_is_random() {
        let (one, other) = (StopCommands::new(), StopCommands::new());
        assert_ne!(one.end(), other.end());
        let name = one.begin().strip_prefix("::stop-commands::").unwrap().to_owned();
        assert_eq!(one.end(), format!("::{name}::"));
    }

    #[test]
    fn output_delimiter_is_not_in_the_value() {
        let text = format_outputs(&[("verdict", "fixed".to_owned()), ("journals", "a\nb".to_owned())]);
        let lines: Vec<&str> = text.lines().collect();
        let delimiter = lines[0].strip_prefix("verdict<<").unwrap();
        assert_eq!(lines[1..3], ["fixed", delimiter]);
        assert_eq!(lines[4..6], ["a", "b"]);
        let other = lines[3].strip_prefix("journals<<").unwrap();
        assert!(other == lines[6] && other != delimiter && lines.len() == 7);
        // a delimiter in the value is not used
        let mut drawn = ["known", "new"].into_iter();
        let delimiter = delimiter_of("x\nghadelimiter_known\ny", &mut drawn);
        assert_eq!(delimiter, "ghadelimiter_new");
    }

    fn delimiter_of(value: &str, drawn: &mut dyn Iterator<Item = &'static str>) -> String {
        choose_delimiter(value, || drawn.next().unwrap().to_owned())
    }

    proptest! {
        #[test]
        fn no_text_becomes_a_command(text in "[:# \\[\\n\\r\\ta-c\u{2028}\u{85}\u{a0}]{0,40}") {
            prop_assert!(!is_interpreted(&neutralize(&text)), "{:?}", neutralize(&text));
            let command = Annotation::new(AnnotationLevel::Error, text.clone(), text.clone()).command();
            prop_assert_eq!(command.lines().count(), 1);
            // the title ends at the first :: after it, and what follows is the message
            let title = command.strip_prefix("::error").unwrap().split("::").next().unwrap();
            prop_assert!(!title.contains(':'), "{}", command);
            prop_assert!(!command.contains("##["), "{}", command);
        }
    }
}
