//! The exact output of the program: help, errors, lists, findings, reports, comments.
//!
//! Each area has a snapshot file in `snapshots/`. A changed word is a changed line there, to be reviewed before
//! it is merged. `INSTA_UPDATE=always cargo test --test it snapshots` rewrites them; without it a difference fails
//! the test, and is written to a `.snap.new` file next to the snapshot (unless `INSTA_UPDATE=no` or `CI` is set).

mod comments;
mod discover;
mod doctor;
mod errors;
mod help;
mod reports;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use crate::harness::{ProcessResult, Sandbox, redact, replace};

/// Commands and their results in the form of a snapshot.
struct Transcript {
    text: String,
}

impl Transcript {
    /// Starts an empty transcript.
    fn new() -> Self {
        Self { text: String::new() }
    }

    /// Adds a heading for the commands that follow.
    fn heading(&mut self, text: &str) {
        self.text += &format!("\n# {text}\n");
    }

    /// Runs the program, and adds the command and its result. The command line is split like in a shell.
    fn call(&mut self, sandbox: &Sandbox, line: &str) -> ProcessResult {
        let words = shlex::split(line).unwrap_or_else(|| panic!("{line}"));
        let finished = sandbox.run(&words);
        self.record(sandbox, line, &finished);
        finished
    }

    /// Runs several command lines.
    fn calls(&mut self, sandbox: &Sandbox, lines: &[&str]) {
        for line in lines {
            self.call(sandbox, line);
        }
    }

    /// Adds the result of a command.
    fn record(&mut self, sandbox: &Sandbox, line: &str, finished: &ProcessResult) {
        let code = finished.code.map_or("none".to_owned(), |code| code.to_string());
        let line = stable(sandbox, line);
        self.text += &format!("\n$ kubectl-chaos {line}\nexit {code}\n");
        for (name, text) in [("stdout", &finished.stdout), ("stderr", &finished.stderr)] {
            assert!(!text.contains("panicked at"), "{text}");
            // the log of a run has the words of the Chaos Toolkit, which `tests/cases` contains
            let text = stable(sandbox, text);
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("[TIME INFO] ")).collect();
            if !lines.is_empty() {
                self.text += &format!("-- {name}\n{}\n", lines.join("\n"));
            }
        }
    }

    /// Adds the text of a file or a message.
    fn text(&mut self, sandbox: &Sandbox, name: &str, text: &str) {
        self.text += &format!("\n-- {name}\n{}\n", stable(sandbox, text).trim_end());
    }

    /// Compares the transcript with the snapshot.
    fn check(&self, name: &str) {
        check(name, &self.text);
    }
}

/// Compares a text with the snapshot of this name.
fn check(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text.trim_start_matches('\n')));
}

/// Compares all texts with their snapshots before it fails. No other snapshot may have a name that
/// starts like theirs.
fn check_all(prefix: &str, all: &[(String, String)]) {
    let each = all.iter().map(|(name, text)| catch_unwind(AssertUnwindSafe(|| check(name, text))));
    let failed: Vec<_> = each.collect::<Vec<_>>().into_iter().filter_map(Result::err).collect();
    if let Some(first) = failed.into_iter().next() {
        resume_unwind(first);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots/snapshots");
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        let name = file.trim_end_matches(".new").trim_end_matches(".snap");
        let is_known = !name.starts_with(prefix) || all.iter().any(|(known, _)| known == name);
        assert!(is_known, "the snapshot {file} belongs to nothing: remove it");
    }
}

/// Replaces values that differ between runs and machines.
fn stable(sandbox: &Sandbox, text: &str) -> String {
    let folder = sandbox.path("");
    let folder = folder.to_str().unwrap().trim_end_matches('/');
    let version = format!(r"{}(-dirty)? \(commit [^)]*\)", env!("CARGO_PKG_VERSION").replace('.', r"\."));
    let text = text
        .replace(folder, "FOLDER")
        .replace(env!("CARGO_BIN_EXE_kubectl-chaos"), "PROGRAM")
        .replace(env!("CARGO_MANIFEST_DIR"), "SOURCE");
    let rules = [
        (version.as_str(), "VERSION"),
        (r"\b(kubectl[ -]chaos) v?\d+\.\d+\.\d+\b", "$1 VERSION"),
        (r"127\.0\.0\.1:(?!1\b)\d+", "127.0.0.1:PORT"),
        (r"localhost:\d{4,}", "localhost:PORT"),
        (r"suite-\d+-[0-9a-f]+", "NAMESPACE"),
        (r"chaos-trial-[0-9a-f]{8}", "chaos-trial-TRIAL"),
        (r"\btrial [0-9a-f]{8}\b", "trial TRIAL"),
        (r"seed \d{3,}", "seed SEED"),
        (r"kubectl-chaos-[0-9a-f]{32}", "kubectl-chaos-TOKEN"),
        (r"\(os error \d+\)", "(os error N)"),
        (r"(failed to lookup address information): [^:;,)\n]+", "$1: CAUSE"),
        (r"/[^\s()]+/(kubectl-chaos-|\.tmp)\w{6}\b", "TEMPORARY"),
        (r"sha256:[0-9a-f]{64}", "sha256:HASH"),
        // the column is as wide as the path of the program
        (r"(?m)^(CHECK .*MESSAGE) +HINT$", "$1   HINT"),
    ];
    replace(&redact(&text), &rules)
}
