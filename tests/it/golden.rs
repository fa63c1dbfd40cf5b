//! Golden cases: the exact output and files of the binary.
//!
//! Each directory of `tests/cases` is one command: `args` (one argument per line), its input files, and the
//! results:
//! `exit`, `stdout`, `stderr`, `journal.json`. Times, durations and host names are replaced by their kind.
//! With
//! `UPDATE_GOLDEN=1` the test rewrites the results. Review the diff.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{Sandbox, redact, redact_values};

/// The result files of a command. A file is missing if it would be empty.
const RESULTS: [&str; 4] = ["exit", "stdout", "stderr", "journal.json"];

#[test]
fn command_output_matches_golden_cases() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = String::new();
    let cases = cases();
    assert!(!cases.is_empty());
    for case in cases {
        let actual = run(&case);
        for (name, actual) in RESULTS.into_iter().zip(actual) {
            let path = case.join(name);
            if update {
                match &actual {
                    Some(text) => fs::write(&path, text).unwrap(),
                    None => drop(fs::remove_file(&path)),
                }
            }
            let expected = fs::read_to_string(&path).ok();
            if expected != actual {
                let none = || "(nothing)".to_owned();
                let (expected, actual) = (expected.unwrap_or_else(none), actual.unwrap_or_else(none));
                writeln!(wrong, "== {}: expected\n{expected}\n-- but was\n{actual}", path.display()).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}\nUPDATE_GOLDEN=1 rewrites the results");
}

/// Runs a case in a copy of its directory.
fn run(case: &Path) -> [Option<String>; 4] {
    let sandbox = Sandbox::new();
    let arguments = lay_out(case, &sandbox);
    let finished = sandbox.run(&arguments);
    let folder = sandbox.path("");
    let redact = |text: &str| redact(&text.replace(folder.to_str().unwrap().trim_end_matches('/'), "FOLDER"));
    let journal = sandbox.path("journal.json").exists().then(|| {
        let mut journal = sandbox.journal();
        redact_values(&mut journal);
        redact(&(serde_json::to_string_pretty(&journal).unwrap() + "\n"))
    });
    let text = |text: &str| (!text.is_empty()).then(|| redact(text));
    let exit = format!("{}\n", finished.code.expect("an exit code"));
    [Some(exit), text(&finished.stdout), text(&finished.stderr), journal]
}

/// Copies the input files of a case to the sandbox. Returns the arguments of the command.
pub fn lay_out(case: &Path, sandbox: &Sandbox) -> Vec<String> {
    let mut arguments = Vec::new();
    for file in fs::read_dir(case).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if name == "args" {
            arguments = fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
        } else if !RESULTS.contains(&name.as_str()) {
            sandbox.write(&name, fs::read(&file).unwrap());
        }
    }
    arguments
}

/// The directories of all cases.
pub fn cases() -> Vec<PathBuf> {
    let parent = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut found: Vec<PathBuf> = fs::read_dir(parent)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}
