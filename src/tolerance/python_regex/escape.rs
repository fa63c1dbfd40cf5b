//! Escapes and character classes.
//!
//! Verbatim: Python 3.12 (error messages of `re`)

use std::fmt::Write as _;

use super::{MatchWidth, RegexFlags, RegexItem, RegexReader, escape_code_point};

/// The meaning of an escape.
enum Escape {
    Char(char),
    /// A lone surrogate, which no text contains.
    Nothing,
    /// A category such as `\d`, as the content of a class.
    Class(String),
    Anchor(&'static str),
    Group(usize),
}

impl RegexReader {
    pub(super) fn escape_item(&mut self, flags: RegexFlags) -> Result<RegexItem, String> {
        Ok(match self.escape(flags, false)? {
            Escape::Char(c) => RegexItem::literal(c),
            Escape::Nothing => RegexItem::plain("[^\\s\\S]", MatchWidth::ONE),
            Escape::Class(class) => RegexItem::plain(format!("[{class}]"), MatchWidth::ONE),
            Escape::Anchor(text) => RegexItem::anchor(text),
            Escape::Group(group) => self.reference(group)?,
        })
    }

    fn escape(&mut self, flags: RegexFlags, in_class: bool) -> Result<Escape, String> {
        let c = self.next().ok_or("bad escape (end of pattern)")?;
        let anchor = |unicode, ascii| Escape::Anchor(if flags.ascii { ascii } else { unicode });
        Ok(match c {
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => Escape::Class(category(c, flags.ascii)),
            'b' if in_class => Escape::Char('\u{8}'),
            'A' if !in_class => Escape::Anchor("\\A"),
            'Z' if !in_class => Escape::Anchor("\\z"),
            'b' if !in_class => anchor("\\b", "(?-u:\\b)"),
            'B' if !in_class => anchor("\\B", "(?-u:\\B)"),
            'a' => Escape::Char('\u{7}'),
            'f' => Escape::Char('\u{c}'),
            'n' => Escape::Char('\n'),
            'r' => Escape::Char('\r'),
            't' => Escape::Char('\t'),
            'v' => Escape::Char('\u{b}'),
            'x' => self.hexadecimal('x', 2)?,
            'u' => self.hexadecimal('u', 4)?,
            'U' => self.hexadecimal('U', 8)?,
            'N' => return Err("named characters (\\N{…}) are not supported".to_owned()),
            '0' => self.octal(0, 2)?,
            '1'..='7' if in_class => self.octal(u32::from(c) - 48, 2)?,
            '1'..='9' if !in_class => self.numbered(c)?,
            c if c.is_ascii_alphabetic() => return Err(format!("bad escape \\{c}")),
            c => Escape::Char(c),
        })
    }

    fn hexadecimal(&mut self, letter: char, length: usize) -> Result<Escape, String> {
        let start = self.at;
        while self.at < start + length && self.peek().is_some_and(|c| c.is_ascii_hexdigit()) {
            self.at += 1;
        }
        let digits: String = self.chars[start..self.at].iter().collect();
        if digits.len() < length {
            return Err(format!("incomplete escape \\{letter}{digits}"));
        }
        match u32::from_str_radix(&digits, 16) {
            Ok(code) if (0xd800..0xe000).contains(&code) => Ok(Escape::Nothing),
            Ok(code) => {
                char::from_u32(code).map(Escape::Char).ok_or_else(|| format!("bad escape \\{letter}{digits}"))
            }
            Err(_) => Err(format!("bad escape \\{letter}{digits}")),
        }
    }

    /// Parses up to `more` further octal digits.
    fn octal(&mut self, first: u32, more: usize) -> Result<Escape, String> {
        let mut code = first;
        for _ in 0..more {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else { break };
            code = code * 8 + digit;
            self.at += 1;
        }
        match char::from_u32(code) {
            Some(c) if code <= 0o377 => Ok(Escape::Char(c)),
            _ => Err(format!("octal escape value \\{code:o} outside of range 0-0o377")),
        }
    }

    /// Parses a reference to a group, or three octal digits.
    fn numbered(&mut self, first: char) -> Result<Escape, String> {
        let Some(second) = self.peek().filter(char::is_ascii_digit) else {
            return Ok(Escape::Group(first.to_digit(10).unwrap_or(0) as usize));
        };
        self.at += 1;
        let third = self.peek().filter(|c| c.is_digit(8));
        if let (Some(a), Some(b), Some(_)) = (first.to_digit(8), second.to_digit(8), third) {
            return self.octal(a * 8 + b, 1);
        }
        let number: String = [first, second].iter().collect();
        Ok(Escape::Group(number.parse().unwrap_or(0)))
    }

    pub(super) fn class(&mut self, flags: RegexFlags) -> Result<RegexItem, String> {
        let unterminated = || "unterminated character set".to_owned();
        let mut text = String::from(if self.eat('^') { "[^" } else { "[" });
        let start = self.at;
        loop {
            let from = self.at;
            let c = self.next().ok_or_else(unterminated)?;
            if c == ']' && from > start {
                break;
            }
            let low = self.member(c, flags)?;
            let middle = self.at;
            if self.peek() == Some('-') && self.chars.get(middle + 1).is_some_and(|c| *c != ']') {
                self.at += 1;
                let c = self.next().ok_or_else(unterminated)?;
                let high = self.member(c, flags)?;
                let written = |from: usize, to: usize| self.chars[from..to].iter().collect::<String>();
                match (low, high) {
                    (Escape::Char(low), Escape::Char(high)) if low <= high => {
                        let _ = write!(text, "{}-{}", escape_code_point(low), escape_code_point(high));
                    }
                    _ => {
                        let (low, high) = (written(from, middle), written(middle + 1, self.at));
                        return Err(format!("bad character range {low}-{high}"));
                    }
                }
                continue;
            }
            if self.peek() == Some('-') && self.chars.get(middle + 1).is_none() {
                return Err(unterminated());
            }
            match low {
                Escape::Char(c) => text.push_str(&escape_code_point(c)),
                Escape::Class(class) => text.push_str(&class),
                _ => {}
            }
        }
        text.push(']');
        // the class had only lone surrogates
        let text = match text.as_str() {
            "[]" => "[^\\s\\S]".to_owned(),
            "[^]" => "(?s:.)".to_owned(),
            _ => text,
        };
        Ok(RegexItem::plain(text, MatchWidth::ONE))
    }

    fn member(&mut self, c: char, flags: RegexFlags) -> Result<Escape, String> {
        if c == '\\' {
            if self.peek().is_none() {
                return Err("bad escape (end of pattern)".to_owned());
            }
            return self.escape(flags, true);
        }
        Ok(Escape::Char(c))
    }
}

/// Returns the content of the class of a category.
fn category(c: char, ascii: bool) -> String {
    let (positive, negated) = match (c.to_ascii_lowercase(), ascii) {
        ('d', false) => ("\\d", "\\D"),
        ('d', true) => ("0-9", "[^0-9]"),
        ('w', false) => ("\\w", "\\W"),
        ('w', true) => ("a-zA-Z0-9_", "[^a-zA-Z0-9_]"),
        // Python's whitespace includes the four ASCII separators
        (_, false) => ("\\s\\x1c-\\x1f", "[^\\s\\x1c-\\x1f]"),
        (_, true) => (" \\t\\n\\r\\x0c\\x0b", "[^ \\t\\n\\r\\x0c\\x0b]"),
    };
    if c.is_ascii_lowercase() { positive.to_owned() } else { negated.to_owned() }
}
