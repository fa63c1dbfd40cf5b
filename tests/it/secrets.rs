//! Secrets are used, and shown nowhere.

use serde_json::{Value, json};

use crate::harness::{Chaos, NONE};

const SECRET: &str = "tr0ub4dor&3";

/// An experiment in which a secret goes wherever it could leak.
fn experiment(secret: &Value) -> Value {
    let shout = |name: &str, kind: &str| {
        json!({"type": kind, "name": name, "provider": {"type": "process", "path": "sh", "arguments":
            ["-c", "printf %s \"$1\" > used; echo $1; echo $1 >&2; exit 3", "sh", "${key}"]}})
    };
    let with = |mut activity: Value, key: &str, value: Value| {
        activity[key] = value;
        activity
    };
    json!({
        "title": "a title of ${key}", "description": "d",
        "secrets": {"group": {"key": secret}},
        "steady-state-hypothesis": {"title": "h", "probes": [
            with(shout("judged", "probe"), "tolerance", json!({"type": "regex", "pattern": "${key}", "target": "stdout"})),
        ]},
        "method": [
            shout("shout", "action"),
            {"type": "probe", "name": "fail", "provider": {"type": "http", "url": "http://127.0.0.1:1/${key}"}},
            {"type": "probe", "name": "abort", "pauses": {"before": "${key}"}, "provider":
                {"type": "process", "path": "true"}},
        ],
        "rollbacks": [shout("shout again", "action")],
    })
}

#[test]
fn whatever_their_source_they_are_masked_wherever_something_is_written() {
    let sources = [json!(SECRET), json!({"type": "env", "key": "THE_KEY"})];
    for source in sources {
        let chaos = Chaos::new().env("THE_KEY", SECRET);
        let arguments = ["--events-file", "events", "--log-file", "log", "-v", "8", "-o", "json"];
        let finished = chaos.experiment(&experiment(&source), arguments);
        assert_eq!(chaos.read("used"), SECRET, "it was used");
        let places = [
            ("journal", chaos.read("journal.json")),
            ("events", chaos.read("events")),
            ("log", chaos.read("log")),
            ("stdout", finished.stdout),
            ("stderr", finished.stderr),
        ];
        for (name, place) in places {
            assert!(!place.contains(SECRET), "{name}:\n{place}");
            assert!(name == "stdout" || place.contains("***"), "{name} has masks:\n{place}");
        }
    }
}

#[test]
fn both_flags_of_parity_together_leave_outputs_as_they_are_and_say_so() {
    let chaos = Chaos::new();
    let experiment = json!({"title": "t", "description": "d", "secrets": {"group": {"key": SECRET}}, "method": [
        {"type": "probe", "name": "p", "provider": {"type": "process", "path": "echo", "arguments": ["${key}"]}}]});
    let arguments = ["--exit-code=chaostoolkit", "--strict=false"];
    chaos.experiment(&experiment, arguments).exits(0).says("secrets included");
    assert_eq!(chaos.journal()["run"][0]["output"]["stdout"], format!("{SECRET}\n"));
}

#[test]
fn processes_do_not_see_the_tokens_of_this_program() {
    let tokens = [
        "CHAOSTOOLKIT_LOADER_AUTH_BEARER_TOKEN",
        "GITHUB_TOKEN",
        "GITHUB_OUTPUT",
        "GITHUB_ENV",
        "ACTIONS_RUNTIME_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    ];
    let chaos = tokens.iter().fold(Chaos::new(), |chaos, name| chaos.env(name, "withheld-value"));
    let chaos = chaos.env("ORDINARY", "ordinary-value");
    let experiment = json!({"title": "t", "description": "d", "method": [
        {"type": "probe", "name": "p", "provider": {"type": "process", "path": "env"}}]});
    chaos.experiment(&experiment, NONE).exits(0);
    let journal = chaos.read("journal.json");
    assert!(journal.contains("ordinary-value") && !journal.contains("withheld-value"), "{journal}");
}
