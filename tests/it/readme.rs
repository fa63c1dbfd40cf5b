//! What the README says is what the program does: its commands, its options, its links.

use std::collections::BTreeMap;
use std::path::Path;

use fancy_regex::Regex;

use crate::harness::Chaos;

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
fn it_begins_with_two_commands_of_cargo() {
    let blocks = all(r"(?s)```console\n(.*?)```", &readme());
    let commands: Vec<&str> = blocks[0].lines().collect();
    assert_eq!(commands.len(), 2);
    assert!(commands.iter().all(|command| command.starts_with("cargo ")), "{commands:?}");
    assert_eq!(commands[1], "cargo test");
}

#[test]
fn its_commands_work() {
    let chaos = Chaos::new();
    let folder = chaos.path("").to_str().unwrap().to_owned();
    let chaos = chaos.env("TMPDIR", folder);
    let journal = chaos.path("journal.json").to_str().unwrap().to_owned();
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
            // it writes where it is started
            chaos.run([command]).exits(code);
            continue;
        }
        let words = ["--change-dir", root().to_str().unwrap()].into_iter().chain(command.split(' '));
        chaos.run(words.chain(["--journal-path", &journal])).exits(code);
    }
}

#[test]
fn its_experiment_is_valid() {
    let yaml = &all(r"(?s)```yaml\n(.*?)```", &readme())[0];
    let chaos = Chaos::new();
    chaos.write("experiment.yaml", yaml);
    assert_eq!(chaos.run(["validate", "experiment.yaml"]).exits(0).stdout, "experiment.yaml: valid\n");
}

/// Long options and their first sentence, from one section of the help.
fn options(help: &str, heading: &str) -> Vec<(String, String)> {
    let section = help.split(heading).nth(1).expect("the section").split("\n\n\n").next().unwrap();
    let section = Regex::new(r"(?m)^\S").unwrap().splitn(section, 2).next().unwrap().unwrap();
    Regex::new(r"(?m)^ +(?:-\w, )?(--\S.*)\n +(\S.*)$")
        .unwrap()
        .captures_iter(section)
        .map(Result::unwrap)
        .map(|found| (found[1].to_owned(), found[2].to_owned()))
        .filter(|(option, _)| !matches!(option.as_str(), "--help" | "--version"))
        .collect()
}

#[test]
fn its_options_are_those_of_the_program() {
    let run = Chaos::new().run(["run", "--help"]).exits(0).stdout;
    let all = Chaos::new().run(["options"]).exits(0).stdout;
    let readme = readme();
    for (heading, help, sections) in [
        ("Options of `run`", &run, ["\nOptions:", "\nSampling:", "\nReports:"].as_slice()),
        ("Options of every command\n", &all, &["\nGlobal options:"]),
        ("Options of every command that reaches a cluster", &all, &["\nCluster options:"]),
    ] {
        let table = readme.split(&format!("## {heading}")).nth(1).unwrap().split("\n## ").next().unwrap();
        let told: Vec<(String, String)> = Regex::new(r"(?m)^\| `(--.+?)` \| (.+) \|$")
            .unwrap()
            .captures_iter(table)
            .map(Result::unwrap)
            .map(|found| (found[1].to_owned(), found[2].to_owned()))
            .collect();
        let known: Vec<_> = sections.iter().flat_map(|section| options(help, section)).collect();
        assert_eq!(told, known, "{heading}");
    }
}

#[test]
fn its_exit_codes_are_those_of_the_program() {
    let help = Chaos::new().run(["--help"]).exits(0).stdout;
    let codes = help.split("Exit codes").nth(1).unwrap();
    let known = all(r"(?m)^  (\d+) ", codes);
    let readme = readme();
    let section = readme.split("## What comes of a run").nth(1).unwrap().split("\n## ").next().unwrap();
    for code in known {
        assert!(
            Regex::new(&format!(r"\b{code}\b")).unwrap().is_match(section).unwrap(),
            "{code} is not told"
        );
    }
}
#[test]
fn its_links_lead_somewhere() {
    for link in all(r"\]\(([^)#]+)\)", &readme()) {
        assert!(link.starts_with("https://") || root().join(&link).exists(), "{link}");
    }
}
