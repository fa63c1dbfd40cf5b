//! Tables, which are cut if they have too many rows.

use std::fmt::Write as _;

use super::escape::escape_cell;
use crate::text::pluralize;

/// A row of a table: whether it shows a failure, and its cells. Nothing in it is escaped.
pub(super) type MarkdownRow = (bool, Vec<String>);

/// Writes a table. If it has too many rows, failures come first, and a count replaces the rest.
pub(super) fn write_table(columns: &[&str], mut rows: Vec<MarkdownRow>, max_rows: usize, out: &mut String) {
    if rows.is_empty() {
        return;
    }
    let omitted = if rows.len() > max_rows {
        rows.sort_by_key(|(is_failure, _)| !is_failure);
        rows.split_off(max_rows)
    } else {
        Vec::new()
    };
    let escaped = rows.iter().map(|(_, cells)| cells.iter().map(|text| escape_cell(text)).collect());
    write_cells(columns, &escaped.collect::<Vec<_>>(), out);
    if !omitted.is_empty() {
        let failures = omitted.iter().filter(|(is_failure, _)| *is_failure).count();
        let failures = if failures > 0 { format!(", {failures} with failures") } else { String::new() };
        let _ = write!(out, "\n_{} omitted{failures}._\n", pluralize(omitted.len(), "row"));
    }
}

/// Writes a table of cells that are escaped.
pub(super) fn write_cells(columns: &[&str], rows: &[Vec<String>], out: &mut String) {
    let _ = write!(out, "\n| {} |\n{}|\n", columns.join(" | "), "|---".repeat(columns.len()));
    for cells in rows {
        for text in cells {
            let _ = write!(out, "| {text} ");
        }
        out.push_str("|\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_of_omitted_rows_includes_failures() {
        let mut out = String::new();
        let rows = [false, true, true].map(|failed| (failed, vec![failed.to_string()])).to_vec();
        write_table(&["a"], rows, 1, &mut out);
        assert_eq!(out, "\n| a |\n|---|\n| true |\n\n_2 rows omitted, 1 with failures._\n");
    }
}
