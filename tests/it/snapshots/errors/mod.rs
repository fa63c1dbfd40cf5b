//! Errors and warnings for invalid inputs of each area.

mod clusters;
mod experiments;
mod functions;
mod github;
mod others;
mod results;
mod running;
mod trials;
mod usage;

use serde_json::{Value, json};

use super::Transcript;
use crate::harness::Sandbox;

/// A sandbox with a small experiment, `e.json`, and a manifest, `m.yaml`.
fn folder() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("e.json", sound().to_string());
    sandbox.write("m.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n");
    sandbox
}

/// A valid experiment that needs no cluster.
fn sound() -> Value {
    json!({"title": "t", "description": "d", "configuration": {"declared": "x"}, "method": [
        {"type": "action", "name": "a", "provider": {"type": "process", "path": "true"}}]})
}

/// The snapshots contain many different messages.
#[test]
fn error_snapshots_hold_many_messages() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots/snapshots");
    let mut seen = std::collections::BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap();
        if name.starts_with("errors-") && file.extension().is_some_and(|extension| extension == "snap") {
            let text = std::fs::read_to_string(&file).unwrap();
            let is_message = |line: &&str| line.contains("error: ") || line.contains("warning: ");
            seen.extend(text.lines().filter(is_message).map(str::to_owned));
        }
    }
    assert!(seen.len() > 200, "{} messages", seen.len());
}
