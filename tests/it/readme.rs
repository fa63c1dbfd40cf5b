//! Checks the README against the program: commands, flags, exit codes, links, length.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fancy_regex::Regex;

use crate::harness::Sandbox;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// Every match of the first group.
fn all(pattern: &str, text: &str) -> Vec<String> {
    Regex::new(pattern).unwrap().captures_iter(text).map(|found| found.unwrap()[1].to_owned()).collect()
}

#[test]
fn readme_has_at_most_220_lines() {
    let lines = readme().lines().count();
    assert!(lines <= 220, "{lines} lines: move details to docs/");
}

#[test]
fn readme_starts_with_two_cargo_commands() {
    let blocks = all(r"(?s)```console\n(.*?)```", &readme());
    let commands: Vec<&str> = blocks[0].lines().collect();
    assert_eq!(commands.len(), 2);
    assert!(commands.iter().all(|command| command.starts_with("cargo ")), "{commands:?}");
    assert_eq!(commands[1], "cargo test");
}

#[test]
fn readme_commands_work() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path("").to_str().unwrap().to_owned();
    let sandbox = sandbox.env("TMPDIR", folder);
    let journal = sandbox.path("journal.json").to_str().unwrap().to_owned();
    let expected = BTreeMap::from([
        ("demo", 0),
        ("run examples/interrupted-save.json", 0),
        ("run examples/interrupted-save.json --var writer=in-place", 1),
    ]);
    let commands = all(r"(?m)^cargo run --quiet -- (.+)$", &readme());
    assert_eq!(commands.len(), expected.len());
    for command in commands {
        let code = *expected.get(command.as_str()).unwrap_or_else(|| panic!("no expectation for {command}"));
        if command == "demo" {
            // it writes to its working directory
            sandbox.run([command]).exits(code);
            continue;
        }
        let words = ["--change-dir", root().to_str().unwrap()].into_iter().chain(command.split(' '));
        sandbox.run(words.chain(["--journal-path", &journal])).exits(code);
    }
}

#[test]
fn readme_experiment_is_valid() {
    let yaml = &all(r"(?s)```yaml\n(.*?)```", &readme())[0];
    let sandbox = Sandbox::new();
    sandbox.write("experiment.yaml", yaml);
    assert_eq!(sandbox.run(["validate", "experiment.yaml"]).exits(0).stdout, "experiment.yaml: valid\n");
}

/// Every long flag in the help of a command.
fn flags(command: &[&str]) -> BTreeSet<String> {
    let help = Sandbox::new().run(command).exits(0).stdout;
    all(r"(?m)^ +(?:-\w, )?--([a-z][\w-]*)", &help).into_iter().collect()
}

#[test]
fn readme_flags_exist() {
    let top = Sandbox::new().run(["--help"]).exits(0).stdout;
    let section = top.split("\nCommands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands = all(r"(?m)^  ([a-z]\S*)", section);
    assert!(commands.len() > 10, "{commands:?}");
    let mut known = flags(&["options"]);
    for command in commands.iter().filter(|command| *command != "options") {
        known.extend(flags(&[command, "--help"]));
    }
    // flags of cargo, krew and kind
    known.extend(["path", "manifest-url", "wait"].map(str::to_owned));
    let named: BTreeSet<String> = all(r"(?<![\w-])--([a-z][a-z-]*)", &readme()).into_iter().collect();
    assert!(named.len() > 15, "{named:?}");
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn readme_exit_codes_match_help() {
    let help = Sandbox::new().run(["--help"]).exits(0).stdout;
    let codes = help.split("Exit codes").nth(1).unwrap();
    let known = all(r"(?m)^  (\d+) ", codes);
    let readme = readme();
    let section = readme.split("## Results").nth(1).unwrap().split("\n## ").next().unwrap();
    for code in known {
        assert!(
            Regex::new(&format!(r"\b{code}\b")).unwrap().is_match(section).unwrap(),
            "{code} is not in the table"
        );
    }
}

#[test]
fn readme_links_resolve() {
    for link in all(r"\]\(([^)#]+)\)", &readme()) {
        assert!(link.starts_with("https://") || root().join(&link).exists(), "{link}");
    }
}
