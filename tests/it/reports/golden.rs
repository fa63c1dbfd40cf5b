//! The exact reports of fixed journals.
//!
//! Each directory of `tests/reports` has journals (`before-N.json` and `after-N.json` are compared) and their
//! reports:
//! `report.txt`, `junit.xml`, `report.md`, `report.html.txt` (the page without its style and the journal's text). With
//! `UPDATE_GOLDEN=1` the test rewrites the reports. Review the diff.

use std::fs;
use std::path::{Path, PathBuf};

use fancy_regex::Regex;

use crate::harness::Sandbox;

/// The placeholder in journals for a text of one megabyte.
const LONG: &str = "@1MB@";
const REPORTS: [&str; 4] = ["report.txt", "junit.xml", "report.md", "report.html"];

fn journals(case: &Path, prefix: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(case).unwrap().map(|entry| entry.unwrap().path());
    let is_one = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(prefix) && path.extension().is_some_and(|extension| extension == "json")
    };
    let mut found: Vec<PathBuf> = all.filter(is_one).collect();
    found.sort();
    found
}

/// Copies the journals of a case into a directory. Returns the command that renders them.
fn command(case: &Path, sandbox: &Sandbox) -> Vec<String> {
    let lay = |paths: Vec<PathBuf>| -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        for path in &paths {
            let text = fs::read_to_string(path).unwrap().replace(LONG, &"long ".repeat(200_000));
            sandbox.write(&name(path), text);
        }
        paths.iter().map(name).collect()
    };
    let before = lay(journals(case, "before"));
    let mut words: Vec<String> = if before.is_empty() {
        let all = lay(journals(case, "journal"));
        ["report".to_owned()].into_iter().chain(all).collect()
    } else {
        let after = lay(journals(case, "after"));
        let of =
            |flag: &str, files: Vec<String>| [flag.to_owned()].into_iter().chain(files).collect::<Vec<_>>();
        [vec!["compare".to_owned()], of("--before", before), of("--after", after)].concat()
    };
    for (flag, file) in [("--junit", "junit.xml"), ("--markdown", "report.md"), ("--html", "report.html")] {
        words.extend([flag.to_owned(), file.to_owned()]);
    }
    words
}

/// Removes the style and the embedded journals from a page.
pub fn without_bulk(page: &str) -> String {
    let style = Regex::new("(?s)<style>.*?</style>").unwrap();
    let journal =
        Regex::new(r#"(?s)(<details class="journal"><summary>.*?</summary><pre[^>]*>).*?</pre>"#).unwrap();
    let page = style.replace_all(page, "<style>…</style>");
    // one line per element, so that a diff is readable
    journal.replace_all(&page, "$1…</pre>").replace("><", ">\n<")
}

#[test]
fn reports_match_golden_files() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reports");
    let mut cases: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 18, "{cases:?}");
    let mut wrong = Vec::new();
    for case in cases {
        let sandbox = Sandbox::new();
        let words = command(&case, &sandbox);
        let told = sandbox.run(&words);
        assert!(matches!(told.code, Some(0 | 8)), "{}: {}", case.display(), told.stderr);
        sandbox.write("report.txt", &told.stdout);
        for name in REPORTS {
            let actual = sandbox.read(name);
            let actual = if name == "report.html" { without_bulk(&actual) } else { actual };
            // for texts of any length
            assert!(actual.len() < 250_000, "{}: {name} has {} bytes", case.display(), actual.len());
            let path = case.join(if name == "report.html" { "report.html.txt" } else { name });
            if update {
                fs::write(&path, &actual).unwrap();
            }
            if fs::read_to_string(&path).unwrap_or_default() != actual {
                wrong.push(path);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?} differ; UPDATE_GOLDEN=1 rewrites them, for git diff");
}
