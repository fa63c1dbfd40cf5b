//! The words of the project: `tests/data/words.txt` lists those it does not use.

use std::fmt::Write as _;
use std::path::PathBuf;

use fancy_regex::Regex;

use crate::harness::source_tree::{files_below, is_verbatim, read, relative, root};

/// Where the words are searched.
const FILES: [&str; 2] = ["README.md", "action.yml"];
const DIRECTORIES: [&str; 7] = ["src", "docs", "examples", "tests/it", "tests/action", ".github", ".ci"];

/// Files that name the words which they reject.
const EXEMPT: [&str; 2] = ["docs/STYLE.md", "tests/it/style.rs"];

/// A word or phrase that is not used, and what to write instead.
struct Rule {
    pattern: Regex,
    replacement: String,
}

/// All of them, and one pattern for every text that may use one: most files use none, and are read once.
struct Rules {
    any: Regex,
    rules: Vec<Rule>,
}

#[test]
fn texts_use_none_of_the_listed_words() {
    let rules = Rules::parse(&read(&root().join("tests/data/words.txt")));
    assert!(rules.rules.len() > 10, "only {} rules were found", rules.rules.len());
    let mut report = String::new();
    let paths = paths();
    assert!(paths.len() > 300, "only {} files were found", paths.len());
    for path in paths {
        // some examples are no text
        let Ok(text) = String::from_utf8(std::fs::read(&path).unwrap()) else { continue };
        if !is_verbatim(&text) {
            report += &matches(&relative(&path), &text, &rules);
        }
    }
    assert!(report.is_empty(), "{} lines use listed words:\n{report}", report.lines().count());
}

#[test]
fn listed_words_are_found_with_their_line() {
    let rules =
        Rules::parse("# comment\n\nanew\tagain\n(?<!there )(?-i:is none)\tis missing\nput back\trestore\n");
    let check = |text: &str, expected: &str| assert_eq!(matches("f", text, &rules), expected, "{text}");
    check("fine\nIt begins Anew.\n", "f:2: `Anew`: use again\n");
    check("renewed canew anew_\n", "");
    check("if there is none, one IS none; a name that is none\n", "f:1: `is none`: use is missing\n");
    // a phrase may continue on the next line of a comment
    check("/// what was put\n/// back\n", "f:1: `put back`: use restore\n");
}

impl Rules {
    fn parse(list: &str) -> Self {
        let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let pairs: Vec<(&str, &str)> =
            lines.map(|line| line.split_once('\t').unwrap_or_else(|| panic!("no tab in {line:?}"))).collect();
        let words = |pattern: &str| Regex::new(&format!(r"(?i)\b(?:{pattern})\b")).unwrap();
        let rules = pairs.iter().map(|(pattern, replacement)| Rule {
            pattern: words(pattern),
            replacement: (*replacement).to_owned(),
        });
        let look_around = Regex::new(r"\(\?<?[!=][^)]*\)").unwrap();
        let patterns: Vec<_> =
            pairs.iter().map(|(pattern, _)| look_around.replace_all(pattern, "")).collect();
        Self { any: words(&patterns.join("|")), rules: rules.collect() }
    }
}

fn paths() -> Vec<PathBuf> {
    let all = DIRECTORIES.iter().flat_map(|directory| files_below(&root().join(directory), &[""]));
    let is_searched = |path: &PathBuf| {
        let name = relative(path);
        // snapshots show what src says, some of it verbatim
        let is_output = path.extension().is_some_and(|ending| ending == "snap" || ending == "pyc");
        !is_output && !EXEMPT.contains(&name.as_str())
    };
    FILES.iter().map(|file| root().join(file)).chain(all).filter(is_searched).collect()
}

/// One line of the report for each use of a listed word.
fn matches(name: &str, text: &str, rules: &Rules) -> String {
    let (joined, starts) = join_lines(text);
    let mut report = String::new();
    if !rules.any.is_match(joined.as_str()).unwrap() {
        return report;
    }
    for rule in &rules.rules {
        for found in rule.pattern.find_iter(joined.as_str()).map(Result::unwrap) {
            let line = starts.partition_point(|&start| start <= found.start());
            writeln!(report, "{name}:{line}: `{}`: use {}", found.as_str(), rule.replacement).unwrap();
        }
    }
    report
}

/// The lines without indentation and comment signs, joined by spaces so that phrases are found across them, and where
/// each of them starts. An empty line ends a phrase.
fn join_lines(text: &str) -> (String, Vec<usize>) {
    let (mut joined, mut starts) = (String::new(), Vec::new());
    for line in text.lines() {
        starts.push(joined.len());
        let words = line.trim().trim_start_matches(['/', '!', '#']).trim();
        joined += if words.is_empty() { "\n" } else { words };
        joined.push(' ');
    }
    (joined, starts)
}
