//! The help of every command.

use std::fs;
use std::path::Path;

use super::{check_all, stable};
use crate::harness::Sandbox;

/// Commands that the help hides.
const HIDDEN: [&str; 1] = ["sample-app"];

/// The commands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.is_empty());
    let names = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

/// Collects the help of a command and its subcommands.
fn walk(sandbox: &Sandbox, path: &[String], found: &mut Vec<(String, String)>) {
    let help = sandbox.run(path.iter().map(String::as_str).chain(["--help"])).exits(0);
    assert_eq!(help.stderr, "");
    let short = sandbox.run(path.iter().map(String::as_str).chain(["-h"])).exits(0).stdout;
    let mut text = stable(sandbox, &help.stdout);
    if short != help.stdout {
        text += &format!("\n$ -h\n\n{}", stable(sandbox, &short));
    }
    let name = if path.is_empty() { "help".to_owned() } else { format!("help-{}", path.join("-")) };
    found.push((name, text));
    let hidden = if path.is_empty() { &HIDDEN[..] } else { &[] };
    let below = listed(&help.stdout).into_iter().chain(hidden.iter().map(|name| (*name).to_owned()));
    for name in below.filter(|name| name != "help") {
        walk(sandbox, &[path, &[name]].concat(), found);
    }
}

#[test]
fn help_of_every_command_matches() {
    let sandbox = Sandbox::new();
    let mut found = Vec::new();
    walk(&sandbox, &[], &mut found);
    assert!(found.len() > 20, "{} commands", found.len());
    found.push(("help-options-text".to_owned(), sandbox.run(["options"]).exits(0).stdout));
    check_all("help", &found);
}

#[test]
fn hidden_commands_are_covered() {
    fn hidden(folder: &Path) -> usize {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let count = |path: &Path| match fs::read_to_string(path) {
            Ok(text) => text.matches("#[command(hide = true").count(),
            Err(_) => 0,
        };
        entries.map(|path| if path.is_dir() { hidden(&path) } else { count(&path) }).sum()
    }
    let there = hidden(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli"));
    assert_eq!(there, HIDDEN.len(), "a hidden command has no snapshot of its help");
}
