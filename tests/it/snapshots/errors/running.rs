//! Errors before and during a run: files, variables, controls, sampling, activities.

use serde_json::{Value, json};

use super::{Transcript, folder, sound};
use crate::harness::{Response, Sandbox, Server, replace, with};

fn process(path: &str, arguments: &[&str]) -> Value {
    json!({"type": "process", "path": path, "arguments": arguments})
}

#[test]
fn output_file_errors_match() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    sandbox.write("j.json", "{}");
    sandbox.write("f.json", sound().to_string());
    std::fs::create_dir(sandbox.path("folder")).unwrap();
    sandbox.write("chaos-trial/x.json", sound().to_string());
    sandbox.write("chaos-trial/trial.json", "{}");
    said.calls(
        &sandbox,
        &[
            "run e.json --journal-path e.json",
            "run e.json --html e.json",
            "run e.json --junit e.json",
            "run e.json --markdown e.json",
            "run e.json --events-file e.json",
            "run e.json --log-file e.json",
            "run e.json --html journal.json",
            "run e.json --markdown x --junit x",
            "run e.json --var-file j.json --html j.json",
            "run e.json f.json --html journal-2-f.json",
            "run e.json --html - --junit -",
            "run e.json -o json --junit -",
            "run e.json --html nowhere/x",
            "run e.json --markdown folder",
            "run e.json --journal-path nowhere/x",
            "run e.json --events-file nowhere/x",
            "run e.json --events-file folder",
            "run e.json --journal-path folder",
            "report j.json --html j.json",
            "compare j.json f.json --junit f.json",
            "trial chaos-trial/x.json --before m.yaml --after m.yaml --embedded",
            "trial e.json --before m.yaml --after m.yaml --embedded --html m.yaml",
            "trial e.json --before m.yaml --after m.yaml --embedded --html chaos-trial/junit.xml",
        ],
    );
    said.check("errors-files");
}

#[test]
fn settings_and_variable_errors_match() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    sandbox.write("broken.yaml", "a: [");
    sandbox.write("list.yaml", "- a\n");
    sandbox.write("broken.json", "{");
    sandbox.write("lines", "no assignment\n");
    sandbox.write("bytes", [0xff, 0xfe]);
    sandbox.write("good.json", r#"{"configuration": {"other": 1}, "secrets": {"g": {"k": "v"}}}"#);
    sandbox.write(
        "notify.yaml",
        "notifications: [{type: email}, {type: http}, {type: http, url: 'http://127.0.0.1:1/'}]\n",
    );
    sandbox.write("controls.yaml", "controls: [{name: c}]\n");
    sandbox.write("named.yaml", "controls: {c: {provider: {type: python, module: mine}}}\n");
    said.calls(
        &sandbox,
        &[
            "run e.json --settings broken.yaml",
            "run e.json --settings list.yaml",
            "run e.json --settings bytes",
            "run e.json --settings notify.yaml",
            "run e.json --settings controls.yaml",
            "run e.json --settings named.yaml",
            "run e.json --settings .",
            "run e.json --var-file broken.json",
            "run e.json --var-file broken.yaml",
            "run e.json --var-file list.yaml",
            "run e.json --var-file lines",
            "run e.json --var-file bytes",
            "run e.json --var-file good.json",
            "run e.json --var-file .",
            "run e.json --control-file broken.yaml",
            "run e.json --control-file list.yaml",
            "run e.json --control-file named.yaml",
            "run e.json --control-file controls.yaml",
            "run e.json --strict=false --exit-code=chaostoolkit",
        ],
    );
    said.check("errors-settings");
}

#[test]
fn vault_errors_match() {
    let mut said = Transcript::new();
    let server = Server::start(|request| match request.path.as_str() {
        path if path.contains("denied") => Response::new(403, "application/json", r#"{"errors": ["no"]}"#),
        path if path.contains("text") => Response::new(200, "text/plain", "text"),
        path if path.contains("empty") => Response::json(&json!({"data": {"data": {}}})),
        _ => Response::new(404, "application/json", r#"{"errors": []}"#),
    });
    let secret = |path: &str| json!({"g": {"k": {"type": "vault", "path": path, "key": "field"}}});
    let address = server.url("");
    for (configuration, secrets) in [
        (json!({}), secret("gone")),
        (json!({"vault_addr": address}), secret("gone")),
        (json!({"vault_addr": address, "vault_token": "t"}), secret("gone")),
        (json!({"vault_addr": address, "vault_token": "t"}), secret("denied")),
        (json!({"vault_addr": address, "vault_token": "t"}), secret("text")),
        (json!({"vault_addr": address, "vault_token": "t"}), secret("empty")),
        (json!({"vault_addr": "http://127.0.0.1:1", "vault_token": "t"}), secret("gone")),
        (json!({"vault_addr": address, "vault_role_id": "r", "vault_role_secret": "s"}), secret("gone")),
        (json!({"vault_addr": address, "vault_sa_role": "r"}), secret("gone")),
    ] {
        let sandbox = Sandbox::new();
        said.heading(&format!("{configuration} {secrets}").replace(&address, "VAULT"));
        let one = with(sound(), &json!({"configuration": configuration, "secrets": secrets}));
        sandbox.write("e.json", one.to_string());
        said.call(&sandbox, "run e.json");
    }
    said.check("errors-vault");
}

#[test]
fn sampling_errors_match() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    let probe = |name: &str, provider: Value| json!({"type": "probe", "name": name, "tolerance": 0, "provider": provider});
    let hypothesis = |probes: Value| json!({"steady-state-hypothesis": {"title": "h", "probes": probes}});
    let one = hypothesis(json!([probe("p", process("true", &[])), probe("q", process("true", &[]))]));
    sandbox.write("p.json", with(sound(), &one).to_string());
    said.calls(
        &sandbox,
        &[
            "run e.json --sample",
            "run p.json --sample",
            "run p.json --sample-probe other",
            "run p.json --sample=200ms --sample-probe p --settle 200ms --recovery 200ms",
            "run p.json --sample --dry probes",
        ],
    );
    let never = hypothesis(json!([probe("p", process("false", &[]))]));
    sandbox.write("never.json", with(sound(), &never).to_string());
    said.call(&sandbox, "run never.json --sample=20ms --sample-probe p --settle 300ms --recovery 300ms");
    // the number of samples depends on the machine
    let counts = [
        (r"\d+ of \d+ ok", "N of N ok"),
        (r", \d+ not taken in time", ""),
        (r", \d+ answered", ", N answered"),
        (r"(recovered after|not recovered within) [\d.]+ s", "$1 N s"),
    ];
    said.text = replace(&said.text, &counts);
    said.check("errors-sampling");
}

#[test]
fn run_errors_match() {
    let mut said = Transcript::new();
    let action = |provider: Value| json!({"type": "action", "name": "act", "provider": provider});
    let probe = |tolerance: Value, provider: Value| {
        let probe = json!({"type": "probe", "name": "look", "tolerance": tolerance, "provider": provider});
        json!({"steady-state-hypothesis": {"title": "h", "probes": [probe]}})
    };
    let server = Server::start(|request| match request.path.as_str() {
        "/cut" => Response(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".to_vec()),
        _ => Response::new(500, "text/plain", "no"),
    });
    let http = |path: &str| json!({"type": "http", "url": server.url(path), "timeout": 2});
    let method = |activity: Value| json!({"method": [activity]});
    let deviating = with(
        probe(json!(0), process("test", &["!", "-e", "it"])),
        &method(action(process("touch", &["it"]))),
    );
    for (name, line, entries) in [
        ("a command fails", "", method(action(process("false", &[])))),
        ("a command is missing", "--no-validation", method(action(process("nothing-of-this-name", &[])))),
        (
            "a command takes too long",
            "",
            method(action(with(process("sleep", &["9"]), &json!({"timeout": 0.2})))),
        ),
        (
            "nothing listens",
            "",
            method(action(json!({"type": "http", "url": "http://127.0.0.1:1/", "timeout": 1}))),
        ),
        ("the server fails", "", method(action(http("/")))),
        ("the answer breaks off", "", method(action(http("/cut")))),
        ("the steady state is not met", "", probe(json!(1), process("true", &[]))),
        (
            "the steady state cannot be measured",
            "",
            probe(json!(0), json!({"type": "http", "url": "http://127.0.0.1:1/", "timeout": 1})),
        ),
        (
            "the steady state cannot be judged",
            "",
            probe(json!({"type": "jsonpath", "path": "$.a", "target": "stdout"}), process("true", &[])),
        ),
        ("it deviates", "", deviating.clone()),
        ("it deviates, for agents", "-o agent", deviating.clone()),
        ("it deviates, with details", "-v 10", deviating),
        ("a rollback fails", "", json!({"rollbacks": [action(process("false", &[]))]})),
        ("it takes too long", "--timeout 300ms", method(action(process("sleep", &["9"])))),
        ("dry", "--dry activities", probe(json!(0), process("true", &[]))),
        ("dry actions", "--dry actions", json!({})),
        ("no method", "", json!({"method": []})),
        (
            "an unknown module, leniently",
            "--strict=false",
            json!({"controls": [{"name": "c", "provider": {"type": "python", "module": "mine"}}]}),
        ),
        ("an unknown reference", "--no-validation", json!({"method": [{"ref": "none"}]})),
        ("no provider", "--no-validation", method(json!({"type": "action", "name": "a"}))),
        ("no type", "--no-validation", method(json!({"name": "a"}))),
        ("a wrong path", "--no-validation", method(action(json!({"type": "process", "path": 5})))),
        (
            "wrong arguments",
            "--no-validation",
            method(action(json!({"type": "process", "path": "true", "arguments": 5}))),
        ),
        (
            "a wrong timeout",
            "--no-validation",
            method(action(json!({"type": "process", "path": "true", "timeout": "x"}))),
        ),
        ("a wrong address", "--no-validation", method(action(json!({"type": "http", "url": 5})))),
        ("no address", "--no-validation", method(action(json!({"type": "http"})))),
        (
            "wrong headers",
            "--no-validation",
            method(action(json!({"type": "http", "url": "http://127.0.0.1:1/", "headers": 5}))),
        ),
        (
            "a wrong pause",
            "--no-validation",
            method(with(action(process("true", &[])), &json!({"pauses": {"before": "x"}}))),
        ),
        (
            "pauses that are null",
            "--no-validation",
            method(with(action(process("true", &[])), &json!({"pauses": null}))),
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("e.json", with(sound(), &entries).to_string());
        said.heading(name);
        said.call(&sandbox, format!("run e.json {line}").trim_end());
    }
    said.check("errors-runs");
}

#[test]
fn safeguard_errors_match() {
    let mut said = Transcript::new();
    let guard = |name: &str, more: Value| {
        let probe = json!({"type": "probe", "name": "guard", "tolerance": 0, "provider": process(name, &[])});
        json!({"controls": [{"name": "safe", "provider": {"type": "python", "module": "chaosaddons.controls.safeguards",
            "arguments": {"probes": [with(probe, &more)]}}}]})
    };
    let path = json!({"type": "jsonpath", "path": "$.a", "target": "stdout"});
    let lasting = json!({"method": [{"type": "action", "name": "a", "provider": process("sleep", &["60"])}]});
    for (name, entries) in [
        ("not met", guard("false", json!({}))),
        // the method lasts until the safeguard stops it
        ("not met in the background", with(guard("false", json!({"background": true})), &lasting)),
        (
            "cannot be measured",
            guard("true", json!({"provider": {"type": "http", "url": "http://127.0.0.1:1/"}})),
        ),
        ("cannot be judged", guard("true", json!({"tolerance": path}))),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("e.json", with(sound(), &entries).to_string());
        said.heading(name);
        said.call(&sandbox, "run e.json");
    }
    said.check("errors-safeguards");
}
