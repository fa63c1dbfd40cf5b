//! Comments are short: what is not folded has at most 40 lines.

use std::fs;
use std::path::{Path, PathBuf};

/// The maximum number of lines that are not folded, without empty and hidden ones.
const MAX_VISIBLE_LINES: usize = 40;

/// Counts the lines that a reader sees without opening anything.
fn count_visible_lines(markdown: &str) -> usize {
    let (mut depth, mut visible) = (0_usize, 0);
    for line in markdown.lines().map(str::trim) {
        let is_hidden = line.is_empty() || line.starts_with("<!--");
        if line.starts_with("<details") {
            // the summary is visible
            visible += usize::from(depth == 0);
            depth += 1;
        } else if line == "</details>" {
            depth -= 1;
        } else if depth == 0 && !is_hidden {
            visible += 1;
        }
    }
    assert_eq!(depth, 0, "a section is not closed: {markdown}");
    visible
}

/// Returns the comments and summaries of a transcript.
fn comments(transcript: &str) -> Vec<String> {
    let sections = transcript.split("\n-- ").skip(1);
    let is_comment = |section: &&str| {
        section.starts_with("comment on pull request")
            || section.starts_with("job summary")
            || section.starts_with("r.md")
    };
    sections
        .filter(is_comment)
        .map(|section| section.split_once('\n').map_or("", |(_, text)| text))
        .map(|text| text.split("\n$ kubectl-chaos ").next().unwrap_or_default().to_owned())
        .collect()
}

fn files(folder: &str, wanted: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| wanted(path.file_name().unwrap().to_str().unwrap())).collect()
}

#[test]
fn folded_and_hidden_lines_do_not_count() {
    let text = "<!-- a -->\n### b\n\n| c |\n<details><summary>d</summary>\n\ne\n\n<details><summary>f</summary>\ng\n\
                </details>\nh\n</details>\n\ni\n";
    assert_eq!(count_visible_lines(text), 4);
    let transcript = "$ kubectl-chaos x\n-- stderr\ny\n\n-- comment on pull request 5\na\nb\n\n-- r.md\nc\n\n$ kubectl-chaos z\n";
    assert_eq!(comments(transcript), ["a\nb\n", "c\n"]);
}

#[test]
fn reports_have_at_most_40_visible_lines() {
    let mut checked = 0;
    let mut check = |path: &Path, text: &str| {
        let lines = count_visible_lines(text);
        assert!(lines <= MAX_VISIBLE_LINES, "{}: {lines} visible lines:\n{text}", path.display());
        checked += 1;
    };
    for case in files("tests/reports", &|_| true) {
        let path = case.join("report.md");
        check(&path, &fs::read_to_string(&path).unwrap());
    }
    let is_snapshot = |name: &str| {
        Path::new(name).extension().is_some_and(|extension| extension == "snap")
            && ["comment", "compare-", "report-"].iter().any(|start| name.starts_with(start))
    };
    for path in files("tests/it/snapshots/snapshots", &is_snapshot) {
        for text in comments(&fs::read_to_string(&path).unwrap()) {
            check(&path, &text);
        }
    }
    assert!(checked > 50, "only {checked} reports were found");
}
