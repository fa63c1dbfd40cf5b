//! How many instructions a command executes, counted by callgrind. The count hardly depends on the machine.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Commands and the limit for each, in millions of instructions.
const LIMITS: [(&str, &[&str], f64); 3] = [
    ("instructions, --version", &["--version"], 1.0),
    ("instructions, validate", &["validate", "trivial.json"], 5.0),
    ("instructions, trivial run", &["run", "trivial.json"], 7.0),
];

/// Counts the instructions of the commands whose name contains `only`. `folder` has the trivial experiment.
pub(super) fn bench(only: &str, folder: &Path) -> Vec<Value> {
    let limits: Vec<_> = LIMITS.iter().filter(|(name, ..)| name.contains(only)).collect();
    let valgrind = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    if limits.is_empty() {
        return Vec::new();
    }
    if !valgrind.is_ok_and(|status| status.success()) {
        println!("\nNOT RUN: instruction counts: valgrind is not installed");
        return Vec::new();
    }
    println!("\n{:<34}{:>12}{:>12}", "callgrind", "million", "limit");
    let rows = limits.into_iter().map(|(name, arguments, limit)| {
        let millions = count(arguments, folder);
        println!("{name:<34}{millions:>12.2}{limit:>12.2}");
        assert!(millions <= *limit, "{name}: {millions:.2} million instructions, over the limit of {limit}");
        json!({"name": name, "million_instructions": millions, "limit": limit})
    });
    rows.collect()
}

/// Millions of instructions that one command executes.
fn count(arguments: &[&str], folder: &Path) -> f64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env!("CARGO_BIN_EXE_kubectl-chaos"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} failed in valgrind: {log}");
    let collected =
        log.lines().filter_map(|line| line.split_once("Collected : ")?.1.trim().parse::<f64>().ok());
    collected.reduce(f64::max).unwrap_or_else(|| panic!("no count for {arguments:?}: {log}")) / 1e6
}
