//! What is published has a schema, and keeps to it: journals, events, answers, faults.

use std::collections::BTreeSet;
use std::path::Path;

use jsonschema::Validator;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Chaos, NONE, finish, signal, wait_until};

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas").join(name);
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

/// A schema, and what of it was seen in documents.
struct Checker {
    validator: Validator,
    properties: BTreeSet<String>,
    seen: BTreeSet<String>,
}

impl Checker {
    fn new(name: &str) -> Self {
        let schema = schema(name);
        let mut properties = BTreeSet::new();
        declared(&schema, &mut properties);
        Self { validator: jsonschema::validator_for(&schema).unwrap(), properties, seen: BTreeSet::new() }
    }

    #[track_caller]
    fn check(&mut self, document: &Value) {
        let faults: Vec<String> = self
            .validator
            .iter_errors(document)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{faults:#?}\n{document:#}");
        present(document, &mut self.seen);
    }

    /// Every property of the schema was seen, but for those that are told to be rare.
    fn complete(&self, rare: &[&str]) {
        let missing: Vec<_> =
            self.properties.difference(&self.seen).filter(|name| !rare.contains(&name.as_str())).collect();
        assert!(missing.is_empty(), "never seen: {missing:?}");
    }
}

/// The names of all properties that a schema declares.
fn declared(schema: &Value, found: &mut BTreeSet<String>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        found.extend(properties.keys().cloned());
    }
    match schema {
        Value::Object(entries) => entries.values().for_each(|value| declared(value, found)),
        Value::Array(items) => items.iter().for_each(|value| declared(value, found)),
        _ => {}
    }
}

fn present(document: &Value, found: &mut BTreeSet<String>) {
    match document {
        Value::Object(entries) => {
            found.extend(entries.keys().cloned());
            entries.values().for_each(|value| present(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| present(value, found)),
        _ => {}
    }
}

/// Experiments that come to everything that a run can come to, with their arguments.
fn spread() -> Vec<(Value, Vec<&'static str>)> {
    let shell = |kind: &str, name: &str, script: &str| {
        json!({"type": kind, "name": name, "tolerance": 0,
        "provider": {"type": "process", "path": "sh", "arguments": ["-c", script], "timeout": 2}})
    };
    let base = |method: Value, probes: Value| {
        json!({"title": "t", "description": "d", "method": method,
        "steady-state-hypothesis": {"title": "h", "probes": probes},
        "rollbacks": [shell("action", "undo", "rm -f done")]})
    };
    let act = || shell("action", "act", "touch done");
    let with = |mut experiment: Value, key: &str, value: Value| {
        experiment[key] = value;
        experiment
    };
    let look = || json!([shell("probe", "look", "test ! -e done")]);
    let calm = || json!([shell("probe", "look", "true")]);
    let mut behind = shell("action", "behind", "sleep 0.2");
    behind["background"] = true.into();
    let mut paused = shell("probe", "rest", "true");
    paused["pauses"] = json!({"before": 0.05, "after": -1});
    let long = shell("probe", "long", "head -c 9000 /dev/zero | tr '\\0' x");
    let hang = json!({"type": "action", "name": "hang", "provider":
        {"type": "process", "path": "sleep", "arguments": ["60"], "timeout": 0.2}});
    let slow = json!([{"type": "probe", "name": "slow", "tolerance": 0, "provider":
        {"type": "process", "path": "sleep", "arguments": ["60"], "timeout": 0.2}}]);
    let guard = |probe: Value| {
        json!([{"name": "guard", "provider": {"type": "python",
        "module": "chaosaddons.controls.safeguards", "arguments": {"probes": [probe]}}}])
    };
    let continuous = vec!["--hypothesis-strategy", "continuously", "--hypothesis-frequency", "0.05"];
    vec![
        (base(json!([act(), behind]), calm()), vec!["--annotation", "who=me"]),
        (base(json!([act()]), look()), vec![]),
        (base(json!([act(), shell("probe", "wait", "sleep 0.3")]), look()), continuous.clone()),
        (
            base(json!([act(), shell("probe", "wait", "sleep 0.3")]), look()),
            [continuous, vec!["--fail-fast"]].concat(),
        ),
        (base(json!([act()]), json!([shell("probe", "look", "false")])), vec![]),
        (base(json!([act()]), json!([long])), vec!["--dry", "actions"]),
        (base(json!([paused]), calm()), vec![]),
        (base(json!([hang.clone()]), calm()), vec!["--rollback-strategy", "never"]),
        (base(json!([act()]), slow), vec![]),
        (with(base(json!([]), calm()), "rollbacks", json!([hang.clone()])), vec![]),
        (base(json!([hang]), calm()), vec!["--timeout", "0.1s"]),
        (with(base(json!([act()]), calm()), "controls", guard(shell("probe", "guard", "false"))), vec![]),
        (json!({"title": "", "method": [], "descripton": "d"}), vec![]),
    ]
}

#[test]
fn everything_that_is_written_keeps_to_its_schema() {
    let mut journals = Checker::new("journal-extension.v1.json");
    let mut events = Checker::new("events.v1.json");
    let mut answers = Checker::new("run.v1.json");
    let mut faults = Checker::new("validate.v1.json");
    for (experiment, arguments) in spread() {
        let chaos = Chaos::new();
        let always = ["-o", "json", "--events-file", "events"];
        let finished = chaos.experiment(&experiment, arguments.iter().chain(&always));
        answers.check(&finished.json());
        faults.check(&chaos.run(["validate", "-o", "json", "experiment.json"]).json());
        if chaos.path("journal.json").exists() {
            journals.check(&chaos.journal()["kubectl-chaos"]);
            for line in chaos.read("events").lines() {
                events.check(&line.parse().unwrap());
            }
        }
    }
    for line in interrupted().lines() {
        events.check(&line.parse().unwrap());
    }
    let killed = unfinished();
    assert_eq!(killed["finished"], false);
    journals.check(&killed);
    // things in a cluster are not hit by processes
    journals.complete(&["kind", "uid", "name"]);
    events.complete(&["kind", "uid", "namespace", "targets"]);
    answers.complete(&[]);
    faults.complete(&[]);
}

/// A run that hangs, once it does.
fn hanging(chaos: &Chaos) -> std::process::Child {
    let experiment = json!({"title": "t", "description": "d", "method": [{"type": "action", "name": "a",
        "provider": {"type": "process", "path": "sh", "arguments": ["-c", "touch begun; sleep 60"]}}]});
    chaos.write("experiment.json", experiment.to_string());
    let child = chaos.start(["run", "experiment.json", "--events-file", "events"]);
    wait_until("it begins", || chaos.path("begun").exists() && chaos.path("journal.json").exists());
    wait_until("the action is in the journal", || chaos.read("journal.json").contains("/run/0"));
    child
}

/// The events of a run that a signal ended.
fn interrupted() -> String {
    let chaos = Chaos::new();
    let child = hanging(&chaos);
    signal(child.id(), Signal::TERM);
    finish(child).exits(143);
    chaos.read("events")
}

/// What a killed run leaves behind.
fn unfinished() -> Value {
    let chaos = Chaos::new();
    let mut child = hanging(&chaos);
    signal(child.id(), Signal::KILL);
    child.wait().unwrap();
    chaos.journal()["kubectl-chaos"].clone()
}

#[test]
fn schemas_refuse_what_is_not_theirs() {
    let chaos = Chaos::new();
    let experiment = json!({"title": "t", "description": "d", "method": [
        {"type": "action", "name": "a", "provider": {"type": "process", "path": "true"}}]});
    chaos.experiment(&experiment, NONE).exits(0);
    let validator = jsonschema::validator_for(&schema("journal-extension.v1.json")).unwrap();
    let good = chaos.journal()["kubectl-chaos"].clone();
    assert!(validator.is_valid(&good));
    for (pointer, wrong) in [
        ("/schema", json!(2)),
        ("/run_id", json!("7")),
        ("/verdict", json!("fine")),
        ("/activities/0/effect/state", json!("perhaps")),
        ("/activities/0/effect/asked_at", json!("yesterday")),
        ("/experiment_hash", json!("sha256:0")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator.is_valid(&bad), "{pointer}");
    }
    for name in ["events.v1.json", "run.v1.json", "validate.v1.json"] {
        let validator = jsonschema::validator_for(&schema(name)).unwrap();
        assert!(!validator.is_valid(&json!({"type": "run-exploded", "schema": "other"})), "{name}");
    }
}
