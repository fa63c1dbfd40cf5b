//! The acceptance table: each number that the calibration must reproduce, beside what it found.

use std::fmt::Write as _;

/// One line of the table.
#[derive(Clone, Debug)]
struct Check {
    name: String,
    wanted: String,
    found: String,
    is_ok: bool,
}

/// The checks, in groups.
#[derive(Clone, Debug, Default)]
pub struct Acceptance {
    groups: Vec<(String, Vec<Check>)>,
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A share, as a percentage with so many decimals.
    Percent(usize),
    /// A number with so many decimals.
    Number(usize),
}

impl Form {
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Percent(decimals) => format!("{:.decimals$} %", value * 100.0),
            Self::Number(decimals) => format!("{value:.decimals$}"),
        }
    }

    /// Returns half of the last decimal: numbers within it are written alike.
    fn half_decimal(self) -> f64 {
        let (decimals, scale) = match self {
            Self::Percent(decimals) => (decimals, 0.01),
            Self::Number(decimals) => (decimals, 1.0),
        };
        0.5 * scale * 0.1_f64.powi(i32::try_from(decimals).unwrap())
    }
}

impl Acceptance {
    /// Starts a group of checks.
    pub fn group(&mut self, name: &str) {
        self.groups.push((name.to_owned(), Vec::new()));
    }

    /// Checks that a number has the wanted value, to its last decimal.
    pub fn near(&mut self, name: impl Into<String>, wanted: f64, found: f64, form: Form) {
        // a wanted value that ends in 5 was rounded itself
        let is_ok = (wanted - found).abs() <= form.half_decimal() * 1.000_1;
        self.push(name, form.text(wanted), form.text(found), is_ok);
    }

    /// Checks that a number does not exceed a limit.
    pub fn at_most(&mut self, name: impl Into<String>, limit: f64, found: f64, form: Form) {
        self.push(name, format!("at most {}", form.text(limit)), form.text(found), found <= limit);
    }

    /// Checks that a number reaches a limit.
    pub fn at_least(&mut self, name: impl Into<String>, limit: f64, found: f64, form: Form) {
        self.push(name, format!("at least {}", form.text(limit)), form.text(found), found >= limit);
    }

    /// Checks that a text is the wanted one.
    pub fn equal(&mut self, name: impl Into<String>, wanted: impl Into<String>, found: impl Into<String>) {
        let (wanted, found) = (wanted.into(), found.into());
        let is_ok = wanted == found;
        self.push(name, wanted, found, is_ok);
    }

    fn push(&mut self, name: impl Into<String>, wanted: String, found: String, is_ok: bool) {
        let check = Check { name: name.into(), wanted, found, is_ok };
        self.groups.last_mut().expect("a group").1.push(check);
    }

    /// Returns the number of checks, and how many of them failed.
    pub fn counts(&self) -> (usize, usize) {
        let checks = || self.groups.iter().flat_map(|(_, checks)| checks);
        (checks().count(), checks().filter(|check| !check.is_ok).count())
    }

    /// Formats the table as Markdown.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (name, checks) in &self.groups {
            let _ = writeln!(out, "\n**{name}**\n\n| number | wanted | printed | |\n|---|---|---|---|");
            for Check { name, wanted, found, is_ok } in checks {
                let _ =
                    writeln!(out, "| {name} | {wanted} | {found} | {} |", if *is_ok { "ok" } else { "FAIL" });
            }
        }
        out
    }
}
