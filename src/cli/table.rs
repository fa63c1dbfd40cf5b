//! Tables like kubectl's: no borders, `-o json|yaml|wide|name`.

use clap::{Args, ValueEnum};
use serde_json::Value as Json;
use unicode_width::UnicodeWidthStr as _;

use crate::console::sanitize;

/// Minimum gap between columns, and minimum width of a column with its gap.
const GAP: usize = 3;
const MIN_WIDTH: usize = 6;

#[derive(Args, Clone, Debug)]
pub(super) struct TableArgs {
    /// Format of standard output
    #[arg(short, long, value_enum, value_name = "FORMAT", ignore_case = true, default_value_t = TableFormat::Table)]
    pub(super) output: TableFormat,
    /// Omit the header row of tables
    #[arg(long)]
    pub(super) no_headers: bool,
}

/// Format of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TableFormat {
    /// A table.
    #[value(alias = "text")]
    Table,
    /// A table with more columns.
    Wide,
    /// Names, one per line.
    Name,
    /// The full document as JSON.
    #[value(alias = "agent")]
    Json,
    /// The full document as YAML.
    Yaml,
}

impl TableFormat {
    /// Returns whether a program reads it: no prompts, nothing else on standard output.
    pub(super) fn is_for_machines(self) -> bool {
        matches!(self, Self::Name | Self::Json | Self::Yaml)
    }
}

/// A table, with additional columns for `-o wide`.
pub(super) struct Table {
    pub(super) heads: &'static [&'static str],
    pub(super) wide_heads: &'static [&'static str],
    pub(super) lines: Vec<TableRow>,
}

pub(super) struct TableRow {
    /// Name for `-o name`.
    pub(super) name: String,
    pub(super) cells: Vec<String>,
    pub(super) wide_cells: Vec<String>,
}

impl TableArgs {
    /// Renders the table in the requested format; `document` is the JSON or YAML form.
    pub(super) fn write(&self, list: Table, document: impl FnOnce() -> Json) -> String {
        let (heads, lines): (Vec<&str>, Vec<Vec<String>>) = match self.output {
            TableFormat::Json => return serde_json::to_string_pretty(&document()).unwrap_or_default() + "\n",
            TableFormat::Yaml => return serde_yaml::to_string(&document()).unwrap_or_default(),
            TableFormat::Name => return list.lines.iter().map(|line| cell(&line.name) + "\n").collect(),
            TableFormat::Table => {
                (list.heads.to_vec(), list.lines.into_iter().map(|line| line.cells).collect())
            }
            TableFormat::Wide => (
                [list.heads, list.wide_heads].concat(),
                list.lines.into_iter().map(|line| [line.cells, line.wide_cells].concat()).collect(),
            ),
        };
        match (lines.is_empty(), self.no_headers) {
            (true, _) => String::new(),
            (false, true) => table(&[], lines),
            (false, false) => table(&heads, lines),
        }
    }
}

/// Renders an optional header row and rows, with columns as wide as their widest cell.
pub(super) fn table(heads: &[&str], lines: Vec<Vec<String>>) -> String {
    let heads = (!heads.is_empty()).then(|| heads.iter().map(|head| (*head).to_owned()).collect());
    let all: Vec<Vec<String>> = heads
        .into_iter()
        .chain(lines)
        .map(|line: Vec<String>| line.iter().map(|text| cell(text)).collect())
        .collect();
    let columns = all.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let widest = all.iter().filter_map(|line| line.get(column)).map(|cell| cell.width()).max();
        (widest.unwrap_or(0) + GAP).max(MIN_WIDTH)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for line in &all {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            text += cell;
            text += &" ".repeat(width.saturating_sub(cell.width()));
        }
        out += text.trim_end();
        out.push('\n');
    }
    out
}

/// Returns the first line of a text without terminal control characters.
fn cell(text: &str) -> String {
    let mut lines = text.trim().split(['\n', '\u{c}']);
    let first = sanitize(&lines.next().unwrap_or_default().replace('\t', " "));
    if lines.next().is_some() { first + "…" } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn list() -> Table {
        let line = |name: &str, about: &str| TableRow {
            name: name.to_owned(),
            cells: vec!["x".to_owned(), name.to_owned()],
            wide_cells: vec![about.to_owned()],
        };
        Table {
            heads: &["A", "NAME"],
            wide_heads: &["ABOUT"],
            lines: vec![line("one", "first"), line("another\u{1b}[2J", "")],
        }
    }

    #[test]
    fn table_looks_like_kubectl() {
        let check = |output: TableFormat, no_headers: bool, expected: &str| {
            assert_eq!(TableArgs { output, no_headers }.write(list(), || json!({"a": 1})), expected);
        };
        check(TableFormat::Table, false, "A     NAME\nx     one\nx     another^[[2J\n");
        check(TableFormat::Table, true, "x     one\nx     another^[[2J\n");
        check(
            TableFormat::Wide,
            false,
            "A     NAME           ABOUT\nx     one            first\nx     another^[[2J\n",
        );
        check(TableFormat::Name, false, "one\nanother^[[2J\n");
        check(TableFormat::Json, false, "{\n  \"a\": 1\n}\n");
        check(TableFormat::Yaml, false, "a: 1\n");
        let nothing = Table { lines: Vec::new(), ..list() };
        assert_eq!(
            TableArgs { output: TableFormat::Table, no_headers: false }.write(nothing, || json!(null)),
            ""
        );
    }

    #[test]
    fn cell_is_one_sanitized_line() {
        let check = |text: &str, expected: &str| assert_eq!(cell(text), expected, "{text:?}");
        check("a\nb", "a…");
        check("a\u{c}b", "a…");
        check("a\r\tb\n", "a\\r b");
        check("\u{1b}]0;x\u{7}", "^[]0;x\\u{7}");
        check("", "");
    }

    #[test]
    fn column_width_is_the_display_width() {
        let check = |cell: &str, expected: &str| {
            let lines = vec![vec![cell.to_owned(), "d".to_owned()]];
            assert_eq!(table(&["B", "C"], lines), expected);
        };
        check("é", "B     C\né     d\n");
        // one character and an accent that combines with it: one column
        check("abcde\u{301}", "B       C\nabcde\u{301}   d\n");
        // two columns each
        check("日本語", "B        C\n日本語   d\n");
        check("🦀🦀", "B      C\n🦀🦀   d\n");
    }
}
