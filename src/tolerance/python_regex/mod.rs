//! Regular expressions with the syntax of Python's `re`.
//!
//! A pattern is parsed with Python's grammar and error messages, and translated for `fancy-regex`. That crate has
//! lookarounds and backreferences, but another dialect: `$` does not match before a final line break, `[a&&b]` is an
//! intersection, and `{` is never literal.
//!
//! Verbatim: Python 3.12 (error messages of `re`)

mod escape;
mod group;

use fancy_regex::{Regex, RegexBuilder};

/// The maximum nesting of groups.
const MAX_DEPTH: usize = 100;
/// The maximum count of a repetition.
const MAX_REPEAT: u64 = 4_294_967_295;
/// The maximum number of backtracking steps; Python has no limit.
const BACKTRACK_LIMIT: usize = 5_000_000;

/// Error of a pattern, or of the search for it.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// The syntax is wrong, in Python's words.
    #[error("{0}")]
    Syntax(String),
    #[error("the pattern is too large or uses an unsupported feature: {0}")]
    Unsupported(Box<fancy_regex::Error>),
    #[error("the search was aborted: {0}")]
    Aborted(Box<fancy_regex::Error>),
}

/// A compiled pattern.
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles a pattern; an error has Python's message if Python has one.
    pub fn compile(pattern: &str) -> Result<Self, PatternError> {
        let translated = translate(pattern).map_err(PatternError::Syntax)?;
        let regex = RegexBuilder::new(&translated).backtrack_limit(BACKTRACK_LIMIT).build();
        regex.map(Self).map_err(|error| PatternError::Unsupported(Box::new(error)))
    }

    /// Returns whether the text contains a match.
    pub fn search(&self, text: &str) -> Result<bool, PatternError> {
        self.0.is_match(text).map_err(|error| PatternError::Aborted(Box::new(error)))
    }
}

/// Translates the pattern to the dialect of `fancy-regex`.
fn translate(pattern: &str) -> Result<String, String> {
    let mut reader = RegexReader {
        chars: pattern.chars().collect(),
        at: 0,
        groups: Vec::new(),
        pending_groups: Vec::new(),
        depth: 0,
        global: RegexFlags::default(),
    };
    let body = reader.alternatives(RegexFlags::default(), true)?;
    if reader.at < reader.chars.len() {
        return Err("unbalanced parenthesis".to_owned());
    }
    if let Some(group) = reader.pending_groups.iter().find(|group| **group > reader.groups.len()) {
        return Err(format!("invalid group reference {group}"));
    }
    let prefix = if reader.global.ignore_case { "(?i)" } else { "" };
    Ok(prefix.to_owned() + &body.text)
}

#[derive(Clone, Copy, Default)]
struct RegexFlags {
    ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
    verbose: bool,
    ascii: bool,
}

impl RegexFlags {
    fn set(&mut self, flag: char, on: bool) {
        match flag {
            'i' => self.ignore_case = on,
            'm' => self.multi_line = on,
            's' => self.dot_all = on,
            'x' => self.verbose = on,
            'a' => self.ascii = on,
            'u' => self.ascii = false,
            _ => {}
        }
    }
}

/// The minimum and maximum length of a match; `None` means no maximum.
#[derive(Clone, Copy)]
struct MatchWidth {
    least: u64,
    most: Option<u64>,
}

impl MatchWidth {
    const ZERO: Self = Self { least: 0, most: Some(0) };
    const ONE: Self = Self { least: 1, most: Some(1) };

    fn then(self, next: Self) -> Self {
        let most = self.most.zip(next.most).map(|(a, b)| a.saturating_add(b));
        Self { least: self.least.saturating_add(next.least), most }
    }

    fn or(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.zip(other.most).map(|(a, b)| a.max(b)) }
    }

    fn times(self, least: u64, most: Option<u64>) -> Self {
        let most = match (self.most, most) {
            (Some(0), _) | (_, Some(0)) => Some(0),
            (Some(width), Some(count)) => Some(width.saturating_mul(count)),
            _ => None,
        };
        Self { least: self.least.saturating_mul(least), most }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum RegexItemKind {
    Plain,
    /// A position such as `^`, which cannot be repeated.
    Anchor,
    /// A repetition, which cannot be repeated either.
    Repeat,
}

struct RegexItem {
    text: String,
    width: MatchWidth,
    kind: RegexItemKind,
}

impl RegexItem {
    fn plain(text: impl Into<String>, width: MatchWidth) -> Self {
        Self { text: text.into(), width, kind: RegexItemKind::Plain }
    }

    fn anchor(text: &str) -> Self {
        Self { text: text.to_owned(), width: MatchWidth::ZERO, kind: RegexItemKind::Anchor }
    }

    fn literal(c: char) -> Self {
        Self::plain(escape_literal(c), MatchWidth::ONE)
    }
}

struct RegexGroup {
    name: Option<String>,
    /// The width, known after the group is closed.
    width: Option<MatchWidth>,
}

struct RegexReader {
    chars: Vec<char>,
    at: usize,
    groups: Vec<RegexGroup>,
    /// Groups that conditions refer to before they exist.
    pending_groups: Vec<usize>,
    depth: usize,
    /// The flags of the whole pattern.
    global: RegexFlags,
}

impl RegexReader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    fn alternatives(&mut self, flags: RegexFlags, outermost: bool) -> Result<RegexItem, String> {
        let mut flags = flags;
        let first = self.sequence(&mut flags, outermost)?;
        let (mut text, mut width) = (first.text, first.width);
        while self.eat('|') {
            let next = self.sequence(&mut flags.clone(), false)?;
            text = text + "|" + &next.text;
            width = width.or(next.width);
        }
        Ok(RegexItem::plain(text, width))
    }

    /// Parses one alternative. Only the start of the pattern may set global flags.
    fn sequence(&mut self, flags: &mut RegexFlags, beginning: bool) -> Result<RegexItem, String> {
        let mut items: Vec<RegexItem> = Vec::new();
        while let Some(c) = self.peek().filter(|c| !matches!(c, '|' | ')')) {
            self.at += 1;
            if flags.verbose && (c.is_ascii_whitespace() || c == '\u{b}') {
                continue;
            }
            if flags.verbose && c == '#' {
                while self.next().is_some_and(|c| c != '\n') {}
                continue;
            }
            let item = match c {
                '\\' => self.escape_item(*flags)?,
                '[' => self.class(*flags)?,
                '.' if flags.dot_all => RegexItem::plain("(?s:.)", MatchWidth::ONE),
                '.' => RegexItem::plain(".", MatchWidth::ONE),
                '^' if flags.multi_line => RegexItem::anchor("(?m:^)"),
                '^' => RegexItem::anchor("\\A"),
                '$' if flags.multi_line => RegexItem::anchor("(?m:$)"),
                '$' => RegexItem::anchor("(?=\\n?\\z)"),
                '(' => match self.group(flags, beginning && items.is_empty())? {
                    Some(item) => item,
                    None => continue,
                },
                '?' | '*' | '+' | '{' => match self.bounds(c)? {
                    Some((least, most)) => self.repeat_item(items.pop(), least, most)?,
                    None => RegexItem::literal('{'),
                },
                c => RegexItem::literal(c),
            };
            items.push(item);
        }
        let width = items.iter().fold(MatchWidth::ZERO, |width, item| width.then(item.width));
        Ok(RegexItem::plain(items.into_iter().map(|item| item.text).collect::<String>(), width))
    }

    /// Parses the bounds of a repetition; `None` if a brace is literal.
    fn bounds(&mut self, c: char) -> Result<Option<(u64, Option<u64>)>, String> {
        match c {
            '?' => return Ok(Some((0, Some(1)))),
            '*' => return Ok(Some((0, None))),
            '+' => return Ok(Some((1, None))),
            _ => {}
        }
        let start = self.at;
        let low = self.digits();
        let high = if self.eat(',') { self.digits() } else { low.clone() };
        if self.at == start || !self.eat('}') {
            self.at = start;
            return Ok(None);
        }
        let count = |digits: &str| match digits.parse::<u64>() {
            Ok(count) if count < MAX_REPEAT => Ok(Some(count)),
            _ if digits.is_empty() => Ok(None),
            _ => Err("the repetition number is too large".to_owned()),
        };
        let (least, most) = (count(&low)?.unwrap_or(0), count(&high)?);
        if most.is_some_and(|most| most < least) {
            return Err("min repeat greater than max repeat".to_owned());
        }
        Ok(Some((least, most)))
    }

    fn digits(&mut self) -> String {
        let mut digits = String::new();
        while let Some(c) = self.peek().filter(char::is_ascii_digit) {
            digits.push(c);
            self.at += 1;
        }
        digits
    }

    fn repeat_item(
        &mut self,
        item: Option<RegexItem>,
        least: u64,
        most: Option<u64>,
    ) -> Result<RegexItem, String> {
        let item = item.filter(|item| item.kind != RegexItemKind::Anchor).ok_or("nothing to repeat")?;
        if item.kind == RegexItemKind::Repeat {
            return Err("multiple repeat".to_owned());
        }
        // repeating an item without width has no effect, and fancy-regex rejects it
        let mut text = match (item.width.most, least) {
            (Some(0), 0) => format!("(?:{}|)", item.text),
            (Some(0), _) => format!("(?:{})", item.text),
            _ => {
                let most = most.map(|most| most.to_string()).unwrap_or_default();
                format!("(?:{}){{{least},{most}}}", item.text)
            }
        };
        if item.width.most == Some(0) {
            self.at += usize::from(matches!(self.peek(), Some('?' | '+')));
        } else if self.eat('?') {
            text.push('?');
        } else if self.eat('+') {
            text = format!("(?>{text})");
        }
        Ok(RegexItem { text, width: item.width.times(least, most), kind: RegexItemKind::Repeat })
    }
}

/// Escapes a character so that it is literal everywhere.
fn escape_literal(c: char) -> String {
    if c.is_ascii_alphanumeric() || (!c.is_ascii() && c.is_alphabetic()) {
        c.to_string()
    } else {
        escape_code_point(c)
    }
}

fn escape_code_point(c: char) -> String {
    format!("\\x{{{:x}}}", u32::from(c))
}

#[cfg(test)]
mod tests;
