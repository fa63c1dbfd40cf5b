//! Groups: captures, lookarounds, conditions, flags.
//!
//! Verbatim: Python 3.12 (error messages of `re`)

use super::{MAX_DEPTH, MatchWidth, RegexFlags, RegexGroup, RegexItem, RegexReader};

impl RegexReader {
    /// Parses the text after an opening parenthesis; `None` for a comment or flags.
    pub(super) fn group(
        &mut self,
        flags: &mut RegexFlags,
        beginning: bool,
    ) -> Result<Option<RegexItem>, String> {
        if !self.eat('?') {
            return self.capture(None, *flags).map(Some);
        }
        let c = self.next().ok_or("unexpected end of pattern")?;
        match c {
            'P' => match self.next().ok_or("unexpected end of pattern")? {
                '<' => {
                    let name = self.name('>')?;
                    self.capture(Some(name), *flags).map(Some)
                }
                '=' => {
                    let name = self.name(')')?;
                    let group = self.named(&name)?;
                    self.reference(group).map(Some)
                }
                other => Err(format!("unknown extension ?P{other}")),
            },
            ':' => self.enclosed("(?:", *flags).map(Some),
            '>' => self.enclosed("(?>", *flags).map(Some),
            '#' => loop {
                match self.next() {
                    None => return Err("missing ), unterminated comment".to_owned()),
                    Some(')') => return Ok(None),
                    Some(_) => {}
                }
            },
            '=' => self.lookaround("(?=", *flags).map(Some),
            '!' => self.lookaround("(?!", *flags).map(Some),
            '<' => match self.next().ok_or("unexpected end of pattern")? {
                '=' => self.lookaround("(?<=", *flags).map(Some),
                '!' => self.lookaround("(?<!", *flags).map(Some),
                other => Err(format!("unknown extension ?<{other}")),
            },
            '(' => self.conditional(*flags).map(Some),
            c if c == '-' || "aiLmsux".contains(c) => self.flags(c, flags, beginning),
            other => Err(format!("unknown extension ?{other}")),
        }
    }

    /// Parses the rest of a group up to its closing parenthesis.
    fn inside(&mut self, flags: RegexFlags) -> Result<RegexItem, String> {
        if self.depth == MAX_DEPTH {
            return Err(format!("groups nested more than {MAX_DEPTH} deep"));
        }
        self.depth += 1;
        let item = self.alternatives(flags, false)?;
        self.depth -= 1;
        if self.eat(')') { Ok(item) } else { Err("missing ), unterminated subpattern".to_owned()) }
    }

    fn enclosed(&mut self, opening: &str, flags: RegexFlags) -> Result<RegexItem, String> {
        let item = self.inside(flags)?;
        Ok(RegexItem::plain(format!("{opening}{})", item.text), item.width))
    }

    fn lookaround(&mut self, opening: &str, flags: RegexFlags) -> Result<RegexItem, String> {
        let item = self.enclosed(opening, flags)?;
        if opening.contains('<') && item.width.most != Some(item.width.least) {
            return Err("look-behind requires fixed-width pattern".to_owned());
        }
        Ok(RegexItem::plain(item.text, MatchWidth::ZERO))
    }

    fn capture(&mut self, name: Option<String>, flags: RegexFlags) -> Result<RegexItem, String> {
        if let Some(name) = &name
            && let Some(earlier) = self.groups.iter().position(|group| group.name.as_ref() == Some(name))
        {
            let number = self.groups.len() + 1;
            let earlier = earlier + 1;
            return Err(format!(
                "redefinition of group name '{name}' as group {number}; was group {earlier}"
            ));
        }
        self.groups.push(RegexGroup { name, width: None });
        let index = self.groups.len() - 1;
        let item = self.enclosed("(", flags)?;
        self.groups[index].width = Some(item.width);
        Ok(item)
    }

    /// Parses a group name up to `end`.
    fn until(&mut self, end: char) -> Result<String, String> {
        let mut name = String::new();
        loop {
            match self.next() {
                None if name.is_empty() => return Err("missing group name".to_owned()),
                None => return Err(format!("missing {end}, unterminated name")),
                Some(c) if c == end && name.is_empty() => return Err("missing group name".to_owned()),
                Some(c) if c == end => return Ok(name),
                Some(c) => name.push(c),
            }
        }
    }

    fn name(&mut self, end: char) -> Result<String, String> {
        let name = self.until(end)?;
        if is_identifier(&name) { Ok(name) } else { Err(format!("bad character in group name '{name}'")) }
    }

    /// Returns the number of the group with a name.
    fn named(&self, name: &str) -> Result<usize, String> {
        let index = self.groups.iter().position(|group| group.name.as_deref() == Some(name));
        index.map(|index| index + 1).ok_or_else(|| format!("unknown group name '{name}'"))
    }

    /// Creates a reference to a closed group by its number.
    pub(super) fn reference(&self, group: usize) -> Result<RegexItem, String> {
        let group_state = group.checked_sub(1).and_then(|index| self.groups.get(index));
        match group_state.map(|group| group.width) {
            None => Err(format!("invalid group reference {group}")),
            Some(None) => Err("cannot refer to an open group".to_owned()),
            Some(Some(width)) => Ok(RegexItem::plain(format!("(?:\\{group})"), width)),
        }
    }

    fn conditional(&mut self, flags: RegexFlags) -> Result<RegexItem, String> {
        let name = self.until(')')?;
        let group = if is_identifier(&name) {
            self.named(&name)?
        } else if name.bytes().all(|b| b.is_ascii_digit()) {
            match name.parse::<usize>() {
                Ok(0) => return Err("bad group number".to_owned()),
                Ok(group) => group,
                Err(_) => return Err(format!("invalid group reference {name}")),
            }
        } else {
            return Err(format!("bad character in group name '{name}'"));
        };
        self.pending_groups.push(group);
        let yes = self.sequence(&mut flags.clone(), false)?;
        let no = if self.eat('|') {
            self.sequence(&mut flags.clone(), false)?
        } else {
            RegexItem::plain("", MatchWidth::ZERO)
        };
        if self.peek() == Some('|') {
            return Err("conditional backref with more than two branches".to_owned());
        }
        if !self.eat(')') {
            return Err("missing ), unterminated subpattern".to_owned());
        }
        let text = format!("(?({group})(?:{})|(?:{}))", yes.text, no.text);
        Ok(RegexItem::plain(text, yes.width.or(no.width)))
    }

    /// Parses `(?i)`, `(?i:…)` or `(?i-s:…)`; `first` is the letter or dash already consumed.
    fn flags(
        &mut self,
        first: char,
        flags: &mut RegexFlags,
        beginning: bool,
    ) -> Result<Option<RegexItem>, String> {
        const KNOWN: &str = "aiLmsux";
        let mut inner = *flags;
        let (mut on, mut off) = (String::new(), String::new());
        let mut c = first;
        while c != '-' {
            if c == 'L' {
                return Err("bad inline flags: cannot use 'L' flag with a str pattern".to_owned());
            }
            on.push(c);
            if on.contains('a') && on.contains('u') {
                return Err("bad inline flags: flags 'a', 'u' and 'L' are incompatible".to_owned());
            }
            c = self.next().ok_or("missing -, : or )")?;
            match c {
                ')' => {
                    if !beginning {
                        return Err("global flags not at the start of the expression".to_owned());
                    }
                    on.chars().for_each(|flag| flags.set(flag, true));
                    self.global = *flags;
                    return Ok(None);
                }
                ':' | '-' => break,
                c if KNOWN.contains(c) => {}
                c if c.is_alphabetic() => return Err("unknown flag".to_owned()),
                _ => return Err("missing -, : or )".to_owned()),
            }
        }
        if c == '-' {
            let error = |c: Option<char>, missing: &str| match c {
                Some(c) if c.is_alphabetic() => Err("unknown flag".to_owned()),
                _ => Err(missing.to_owned()),
            };
            let mut c = self.next();
            if !c.is_some_and(|c| KNOWN.contains(c)) {
                return error(c, "missing flag");
            }
            while let Some(flag) = c.filter(|c| *c != ':') {
                if "aLu".contains(flag) {
                    return Err("bad inline flags: cannot turn off flags 'a', 'u' and 'L'".to_owned());
                }
                off.push(flag);
                c = self.next();
                if !c.is_some_and(|c| c == ':' || KNOWN.contains(c)) {
                    return error(c, "missing :");
                }
            }
        }
        if on.chars().any(|flag| off.contains(flag)) {
            return Err("bad inline flags: flag turned on and off".to_owned());
        }
        on.chars().for_each(|flag| inner.set(flag, true));
        off.chars().for_each(|flag| inner.set(flag, false));
        let opening = if inner.ignore_case { "(?i:" } else { "(?-i:" };
        self.enclosed(opening, inner).map(Some)
    }
}

fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}
