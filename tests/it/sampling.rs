//! Sampling: the probes of the hypothesis run often in all phases, and each sample has an outcome.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{NONE, Response, Sandbox, Server, TlsServer, distrustful, finish, signal, wait_until};

fn probe(name: &str, url: &str, tolerance: &Value) -> Value {
    json!({"type": "probe", "name": name, "tolerance": tolerance,
        "provider": {"type": "http", "url": url, "timeout": 0.5}})
}

fn experiment(probes: &[Value], method: &Value) -> Value {
    json!({"title": "t", "description": "d", "method": method,
        "steady-state-hypothesis": {"title": "h", "probes": probes}})
}

fn samples(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.journal()["kubectl-chaos"]["samples"].as_array().unwrap().clone()
}

fn phase<'a>(series: &'a Value, name: &str) -> &'a Value {
    let phases = series["phases"].as_array().unwrap();
    phases.iter().find(|seen| seen["phase"] == name).unwrap_or_else(|| panic!("no {name} in {series:#}"))
}

#[test]
fn sample_outcomes_are_counted_by_kind() {
    let server = Server::start(|request| match request.path.as_str() {
        "/busy" => Response::new(503, "text/plain", "busy"),
        "/cut" => Response::nothing(),
        "/slow" => {
            std::thread::sleep(Duration::from_secs(1));
            Response::nothing()
        }
        _ => Response::new(200, "text/plain", "hello"),
    });
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let distrusted = TlsServer::start(|_| Response::new(200, "text/plain", "in secret"));
    let body = json!({"type": "regex", "target": "body", "pattern": "bye"});
    let probes = [
        ("ok", server.url("/"), json!(200)),
        ("unmet", server.url("/"), body),
        ("status", server.url("/busy"), json!(200)),
        ("refused", closed, json!(200)),
        ("refused", server.url("/cut"), json!(200)),
        ("timeout", server.url("/slow"), json!(200)),
        ("dns", "http://no-such-host.invalid/".to_owned(), json!(200)),
        ("tls", distrusted.url("/"), json!(200)),
    ];
    let written: Vec<Value> =
        probes.iter().map(|(name, url, tolerance)| probe(name, url, tolerance)).collect();
    let sandbox = distrustful();
    let arguments = ["--sample=50ms", "--settle", "2s"];
    sandbox.experiment(&experiment(&written, &json!([])), arguments).exits(8).reports("which did not settle");
    let samples = samples(&sandbox);
    assert_eq!(samples.len(), probes.len());
    for (series, (expected, ..)) in samples.iter().zip(&probes) {
        let baseline = phase(series, "baseline");
        let outcomes = baseline["outcomes"].as_object().unwrap();
        // a slow DNS failure may become a timeout
        let others =
            outcomes.keys().filter(|key| key != expected && !(*expected == "dns" && *key == "timeout"));
        assert_eq!(others.count(), 0, "{expected}: {series:#}");
        assert!(outcomes[*expected].as_u64().unwrap() > 10, "{expected}: {series:#}");
        assert_eq!(baseline["latency"].is_null(), *expected != "ok");
        assert_eq!(series["settled"], *expected == "ok", "{expected}");
    }
}

/// A server that responds with 200 until a request to `/down`, and again after one to `/up`.
fn switched() -> Server {
    let down = AtomicBool::new(false);
    Server::start(move |request| {
        match request.path.as_str() {
            "/down" => down.store(true, Ordering::Relaxed),
            "/up" => down.store(false, Ordering::Relaxed),
            _ if down.load(Ordering::Relaxed) => return Response::new(500, "text/plain", "down"),
            _ => {}
        }
        Response::new(200, "text/plain", "fine")
    })
}

#[test]
fn phases_contain_their_own_samples() {
    let server = switched();
    let turn = |name: &str, pause: f64| {
        json!({"type": "action", "name": name, "pauses": {"after": pause},
            "provider": {"type": "http", "url": server.url(&format!("/{name}"))}})
    };
    let mut document =
        experiment(&[probe("answers", &server.url("/"), &json!(200))], &json!([turn("down", 1.0)]));
    document["rollbacks"] = json!([turn("up", 0.0)]);
    let sandbox = Sandbox::new();
    sandbox.experiment(&document, ["--sample=20ms"]).exits(1).reports("recovered after");
    let samples = samples(&sandbox);
    let [series] = samples.as_slice() else { panic!("{samples:#?}") };
    assert_eq!((&series["probe"], &series["provider"]), (&json!("answers"), &json!("http")));
    let baseline = phase(series, "baseline");
    // a sample that is due just before the fault may observe it
    let others = baseline["due"].as_u64().unwrap() - baseline["outcomes"]["ok"].as_u64().unwrap();
    assert!(others <= 2, "{series:#}");
    assert!(baseline["to"].as_f64().unwrap() - baseline["from"].as_f64().unwrap() >= 3.0);
    let fault = &phase(series, "fault")["outcomes"];
    assert!(fault["status"].as_u64().unwrap() > 10 * fault["ok"].as_u64().unwrap_or(0), "{series:#}");
    assert!(phase(series, "recovery")["outcomes"]["ok"].as_u64().unwrap() >= 10, "{series:#}");
    assert!(series["detected_after"].as_f64().unwrap() < 1.0, "{series:#}");
    assert!(series["recovered_after"].as_f64().unwrap() < series["recovery_watched"].as_f64().unwrap());
    let raw = series["raw"].as_array().unwrap();
    let counted: u64 = ["baseline", "fault", "recovery"]
        .iter()
        .flat_map(|name| phase(series, name)["outcomes"].as_object().unwrap().values())
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(raw.len() as u64, counted);
    assert!(
        raw.windows(2).all(|pair| pair[0][0].as_f64() < pair[1][0].as_f64()),
        "in the order of their slots"
    );
}

#[test]
fn only_safe_or_named_probes_are_sampled() {
    let server = Server::start(|_| Response::new(200, "text/plain", "fine"));
    let mut post = probe("post", &server.url("/post"), &json!(200));
    post["provider"]["method"] = json!("POST");
    let process = json!({"type": "probe", "name": "process", "tolerance": 0,
        "provider": {"type": "process", "path": "true"}});
    let get = probe("get", &server.url("/get"), &json!(200));
    let document = experiment(&[get, post, process], &json!([]));
    let names = |arguments: &[&str]| {
        let sandbox = Sandbox::new();
        sandbox.experiment(&document, arguments).exits(0);
        samples(&sandbox)
            .iter()
            .map(|series| series["probe"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&["--sample=50ms"]), ["get"]);
    assert_eq!(
        names(&["--sample=50ms", "--sample-probe", "process", "--sample-probe", "post"]),
        ["post", "process"]
    );
    assert!(names(&[]).is_empty());
    let refused = Sandbox::new();
    let error = "invalid --sample-probe 'other': expected a probe of the hypothesis";
    let finished = refused.experiment(&document, ["--sample-probe", "other"]).exits(2).reports(error);
    finished.reports("choose one of: get, post, process");
    assert!(!refused.path("journal.json").exists());
    let dry = Sandbox::new();
    dry.experiment(&document, ["--sample", "--dry", "actions"]).exits(0).reports("dry runs are not sampled");
    assert!(samples(&dry).is_empty());
    Sandbox::new().experiment(&document, NONE).exits(0);
}

/// A server that responds until a request to `/down`, and then keeps requests open until the flag is set.
fn hanging(over: &Arc<AtomicBool>) -> Server {
    let (down, over) = (AtomicBool::new(false), Arc::clone(over));
    Server::start(move |request| {
        if request.path == "/down" {
            down.store(true, Ordering::Relaxed);
        } else {
            while down.load(Ordering::Relaxed) && !over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        Response::new(200, "text/plain", "fine")
    })
}

#[test]
fn signal_ends_recovery_and_sets_exit_code() {
    // during recovery, and while pending samples are awaited after it
    for recovery in ["1h", "100ms"] {
        let over = Arc::new(AtomicBool::new(false));
        let server = hanging(&over);
        let mut answers = probe("answers", &server.url("/"), &json!(200));
        answers["provider"]["timeout"] = json!(3600);
        let down = json!([{"type": "action", "name": "down",
            "provider": {"type": "http", "url": server.url("/down")}}]);
        let sandbox = Sandbox::new();
        sandbox.write("experiment.json", experiment(&[answers], &down).to_string());
        let mut arguments = vec!["run", "experiment.json", "--sample=50ms", "--recovery", recovery];
        arguments.extend([
            "--hypothesis-strategy",
            "before-method-only",
            "--events-file",
            "events",
            "-o",
            "json",
        ]);
        let child = sandbox.start(arguments);
        let is_over =
            || std::fs::read_to_string(sandbox.path("events")).is_ok_and(|e| e.contains("run-finished"));
        wait_until("the end of the run", is_over);
        std::thread::sleep(Duration::from_millis(500));
        signal(child.id(), Signal::INT);
        let finished = finish(child).exits(130).reports("stopped by SIGINT");
        over.store(true, Ordering::Relaxed);
        assert_eq!(finished.json()["exit_code"], 130);
        let journal = sandbox.journal();
        let own = &journal["kubectl-chaos"];
        assert_eq!(
            (&own["verdict"], &own["exit_code"], &journal["status"]),
            (&json!("held"), &json!(130), &json!("completed"))
        );
        assert!(phase(&samples(&sandbox)[0], "baseline")["outcomes"]["ok"].as_u64().unwrap() > 10);
    }
}

#[test]
fn run_timeout_excludes_recovery() {
    let server = switched();
    let turn = |name: &str, pause: f64| {
        json!({"type": "action", "name": name, "pauses": {"before": pause},
            "provider": {"type": "http", "url": server.url(&format!("/{name}"))}})
    };
    let mut document =
        experiment(&[probe("answers", &server.url("/"), &json!(200))], &json!([turn("down", 0.0)]));
    // the timeout expires during the rollbacks
    document["rollbacks"] = json!([turn("up", 6.0)]);
    let sandbox = Sandbox::new();
    sandbox.experiment(&document, ["--sample=20ms", "--timeout", "5s"]).exits(1).reports("recovered after");
}

#[test]
fn signal_ends_baseline() {
    let server = Server::start(|_| Response::new(500, "text/plain", "never fine"));
    let sandbox = Sandbox::new();
    let touch = json!([{"type": "action", "name": "touch",
        "provider": {"type": "process", "path": "touch", "arguments": ["touched"]}}]);
    let document = experiment(&[probe("answers", &server.url("/"), &json!(200))], &touch);
    sandbox.write("experiment.json", document.to_string());
    let mut command = sandbox.command(["run", "experiment.json", "--sample", "--settle", "1h"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the first samples", || server.requests().len() > 2);
    signal(child.id(), Signal::INT);
    finish(child).exits(130);
    assert!(!sandbox.path("touched").exists());
    assert_eq!(sandbox.journal()["status"], "interrupted");
}

#[test]
fn sampling_without_effect_causes_warning() {
    let sandbox = Sandbox::new();
    let steady = json!({"type": "probe", "name": "steady", "tolerance": 0,
        "provider": {"type": "process", "path": "true"}});
    let nothing = "Warning: no probe is sampled: the hypothesis has no read-only HTTP or Kubernetes probe";
    let finished =
        sandbox.experiment(&experiment(&[steady], &json!([])), ["--sample"]).exits(0).reports(nothing);
    assert!(!finished.stderr.contains("measuring the baseline"), "{}", finished.stderr);
    sandbox
        .run(["run", "--sample", "100ms", "experiment.json"])
        .exits(3)
        .reports("write the period as --sample=100ms");
    let server = Server::start(|_| Response::new(200, "text/plain", "hello"));
    let asked = experiment(&[probe("asked", &server.url("/"), &json!(200))], &json!([]));
    let short =
        "--settle 0.2 s is too short: 10 consecutive successful samples every 0.1 s take more than 0.9 s";
    sandbox.experiment(&asked, ["--sample", "--settle", "200ms", "--recovery", "2s"]).exits(0).reports(short);
}
