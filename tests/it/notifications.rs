//! Channels that are told of runs and validations.

use serde_json::{Value, json};

use crate::harness::{Chaos, NONE, Response, Server};

/// A server that listens, and a home whose settings name it. `%URL%` is its address.
fn listening(channels: &str) -> (Server, Chaos) {
    let server = Server::start(|_| Response::new(200, "text/plain", ""));
    let chaos = Chaos::new();
    let channels = channels.replace("%URL%", &server.url("/told"));
    chaos.write(".chaostoolkit/settings.yaml", format!("notifications:\n{channels}"));
    (server, chaos)
}

fn told(server: &Server) -> Vec<Value> {
    server.requests().iter().map(|request| request.body.parse().unwrap()).collect()
}

fn names(server: &Server) -> Vec<String> {
    told(server).iter().map(|message| message["name"].as_str().unwrap().to_owned()).collect()
}

const CHANNEL: &str = "- {type: http, url: '%URL%', headers: {X-Team: chaos}}\n";

fn experiment(tolerance: i32, timeout: f64) -> Value {
    json!({
        "title": "t", "description": "d", "secrets": {"a": {"key": "hunter2-and-more"}},
        "steady-state-hypothesis": {"title": "h", "probes": [{"type": "probe", "name": "p", "tolerance": tolerance,
            "provider": {"type": "process", "path": "sh", "timeout": timeout,
                "arguments": ["-c", "if [ -e broken ]; then sleep $1; exit 1; fi", "sh", "0"]}}]},
        "method": [{"type": "action", "name": "break ${key}", "provider": {"type": "process", "path": "touch",
            "arguments": ["broken", "${key}"]}}],
    })
}

#[test]
fn a_run_tells_how_it_began_and_how_it_ended() {
    let (server, chaos) = listening(CHANNEL);
    chaos.experiment(&json!({"title": "t", "description": "d", "method": []}), NONE).exits(0);
    assert_eq!(names(&server), ["run-started", "run-completed"]);
    let messages = told(&server);
    assert_eq!((&messages[0]["phase"], &messages[0]["payload"]["title"]), (&json!("run"), &json!("t")));
    assert_eq!(messages[1]["payload"]["status"], "completed");
    assert!(messages[1]["ts"].is_f64());
    assert_eq!(server.requests()[0].header("x-team"), Some("chaos"));
}

#[test]
fn deviations_and_failures_are_told_and_secrets_are_not() {
    let (server, chaos) = listening(CHANNEL);
    chaos.experiment(&experiment(0, 5.0), NONE).exits(1);
    let ends: Vec<_> = names(&server).split_off(1);
    assert_eq!(ends, ["run-completed", "run-deviated"]);
    for request in server.requests() {
        assert!(!request.body.contains("hunter2"), "{}", request.body);
    }
    let (server, chaos) = listening(CHANNEL);
    let failing = json!({"title": "t", "description": "d", "method": [{"type": "action", "name": "a",
        "pauses": {"before": -1}, "provider": {"type": "process", "path": "true"}}]});
    chaos.experiment(&failing, NONE).exits(9);
    assert_eq!(names(&server).last().unwrap(), "run-failed");
}

#[test]
fn validations_are_told() {
    let (server, chaos) = listening(CHANNEL);
    chaos.write("good.json", json!({"title": "t", "description": "d", "method": []}).to_string());
    chaos.write("bad.json", "{}");
    chaos.run(["validate", "good.json"]).exits(0);
    chaos.run(["validate", "bad.json"]).exits(3);
    assert_eq!(
        names(&server),
        ["validate-started", "validate-completed", "validate-started", "validate-failed"]
    );
    assert_eq!(told(&server)[3]["error"], "an empty experiment is not an experiment");
}

#[test]
fn a_channel_gets_what_it_asked_for() {
    let channels = "- {type: http, url: '%URL%', events: [run-completed], forward_event_payload: false}\n\
                    - {type: plugin, module: mine}\n\
                    - {type: http, url: 'http://127.0.0.1:1/'}\n";
    let (server, chaos) = listening(channels);
    let experiment = json!({"title": "t", "description": "d", "method": []});
    // channels that are away, or cannot be told, change nothing
    chaos.experiment(&experiment, NONE).exits(0).says("channel of type 'plugin' is passed over");
    let asked: Vec<_> = server.requests().into_iter().map(|request| (request.method, request.body)).collect();
    assert_eq!(asked, [("GET".to_owned(), String::new())]);
}
