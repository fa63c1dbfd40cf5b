//! Whatever a server answers, a probe is within its tolerance, outside of it, or fails. It never aborts a run.

use std::sync::Arc;

use kubectl_chaos::config::ProcessEnv;
use kubectl_chaos::experiment::{Activity, ProviderKind, Tolerance, json};
use kubectl_chaos::provider::{ActivityError, HttpProvider, Providers};
use kubectl_chaos::substitution::Scope;
use kubectl_chaos::tolerance::{Evaluation, evaluate};
use kubectl_chaos::value::Value as Output;
use serde_json::{Value, json};

use crate::harness::{Response, Sandbox, Server, probe, with};

/// Bodies, each with whether it is JSON in which `$.ok` exists.
fn bodies() -> Vec<(&'static str, Vec<u8>, bool)> {
    let deep = format!(r#"{{"ok": true, "deep": {}1{}}}"#, "[".repeat(101), "]".repeat(101));
    let deeper = format!(r#"{{"ok": true, "deep": {}1{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
    let large = format!(r#"{{"ok": true, "text": "{}"}}"#, "x".repeat(300_000));
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("empty", Vec::new(), false),
        ("HTML", text("<html><body>ok, 5</body></html>"), false),
        ("a mapping", text(r#"{"ok": true, "load": 5, "items": [{"id": 1}]}"#), true),
        ("a list", text("[1, 2]"), false),
        ("null", text("null"), false),
        ("a number", text("5"), false),
        ("a string", text("\"ok\""), false),
        ("broken off", text("{\"ok\": tr"), false),
        ("text after the end", text("{\"ok\": true} trailer"), false),
        ("a lone surrogate", text(r#"{"ok": "\ud800"}"#), true),
        ("101 levels", deep.into_bytes(), true),
        ("50,000 levels", deeper.into_bytes(), true),
        ("39 digits", text(r#"{"ok": 123456789012345678901234567890123456789}"#), true),
        ("400 digits", text(&format!(r#"{{"ok": {}}}"#, "9".repeat(400))), true),
        ("infinities", text(r#"{"ok": Infinity, "load": NaN, "v": 1e400}"#), true),
        ("duplicate keys", text(r#"{"ok": 1, "ok": 2}"#), true),
        ("no UTF-8", b"{\"ok\": \"caf\xe9\"}".to_vec(), true),
        ("UTF-16", b"\xff\xfe{\0\"\0o\0k\0".to_vec(), false),
        ("zero bytes", vec![0; 64], false),
        ("300 kB", large.into_bytes(), true),
    ]
}

const CONTENT_TYPES: [&str; 8] = [
    "application/json",
    "application/json; charset=utf-8",
    "application/problem+json",
    "APPLICATION/JSON",
    "text/html",
    "text/plain; charset=nonsense",
    "image/png",
    "",
];
const STATUSES: [u16; 4] = [200, 301, 404, 503];
const ENCODINGS: [&str; 4] = ["", "gzip", "br", "identity"];

fn tolerances() -> Vec<Value> {
    let regex = |target: &str| json!({"type": "regex", "pattern": "ok", "target": target});
    let range = |target: &str| json!({"type": "range", "range": [0, 200], "target": target});
    let path = |path: &str, target: &str| json!({"type": "jsonpath", "path": path, "target": target});
    vec![
        json!(true),
        json!(200),
        json!("ok"),
        json!(null),
        json!(1.5),
        json!([200, 299]),
        json!([200, 404, 503]),
        json!(["a", "z"]),
        json!({"type": "xpath"}),
        regex("body"),
        regex("status"),
        regex("headers"),
        regex("absent"),
        json!({"type": "regex", "pattern": "ok"}),
        path("$.ok", "body"),
        path("$..ok", "body"),
        path("$", "status"),
        path("$['content-type']", "headers"),
        json!({"type": "jsonpath", "path": "$.body.ok"}),
        json!({"type": "jsonpath", "path": "$.items[*].id", "target": "body", "count": 1}),
        json!({"type": "jsonpath", "path": "$.ok", "target": "body", "expect": true}),
        range("body"),
        range("status"),
        range("headers"),
        range("absent"),
        json!({"type": "range", "range": [0, 200]}),
        json!({"type": "probe", "name": "judge", "provider": {"type": "process", "path": "true", "arguments": {}}}),
    ]
}

/// Sends one probe with the provider of the program.
async fn measure(providers: &Providers, url: &str, method: &str) -> Result<Output, ActivityError> {
    let document = json!({"type": "probe", "name": "look", "provider":
        {"type": "http", "url": url, "method": method, "timeout": 60}});
    let document = with(crate::harness::experiment(&json!([document])), &json!({}));
    let document = json::read(&document.to_string(), "experiment.json").unwrap();
    let experiment = kubectl_chaos::experiment::Experiment::read(&document).unwrap();
    let activity: Arc<Activity> = Arc::clone(experiment.method[0].activity.as_ref().unwrap());
    providers.run_probe(&activity, &Scope::default()).await
}

/// Whether a tolerance is met; an abort fails the test.
fn is_met(tolerance: &Value, output: &Output, case: &str) -> Option<bool> {
    match evaluate(&Tolerance::read(&tolerance.clone().into(), "/t"), output, &Scope::default()) {
        Ok(Evaluation::Verdict(verdict)) => Some(verdict.met),
        Ok(Evaluation::Judge(_)) => None,
        Err(error) => panic!("{case}: {tolerance} aborts: {error}"),
    }
}

#[tokio::test]
async fn every_answer_is_judged_by_every_tolerance() {
    let bodies = Arc::new(bodies());
    let served = Arc::clone(&bodies);
    // /BODY/TYPE/STATUS/ENCODING
    let server = Server::start(move |request| {
        let at: Vec<usize> = request.path.split('/').skip(1).map(|part| part.parse().unwrap()).collect();
        let (_, body, _) = &served[at[0]];
        let mut head = format!("HTTP/1.1 {} Said\r\nConnection: close\r\n", STATUSES[at[2]]);
        for (name, value) in [("Content-Type", CONTENT_TYPES[at[1]]), ("Content-Encoding", ENCODINGS[at[3]])]
        {
            if !value.is_empty() {
                head += &format!("{name}: {value}\r\n");
            }
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        let sent = if request.method == "HEAD" { &[][..] } else { body };
        Response([head.as_bytes(), sent].concat())
    });
    let providers =
        Providers::default().with(ProviderKind::Http, HttpProvider::new(Arc::new(ProcessEnv::default())));
    let tolerances = tolerances();
    let (mut answers, mut cases, mut failed) = (0, 0, 0);
    for (body, (name, _, has_path)) in bodies.iter().enumerate() {
        for (kind, content_type) in CONTENT_TYPES.iter().enumerate() {
            for (status_index, status) in STATUSES.iter().enumerate() {
                for (packed, encoding) in ENCODINGS.iter().enumerate() {
                    for method in ["GET", "HEAD"] {
                        // HEAD has no body that could be packed wrongly
                        if method == "HEAD" && packed > 0 {
                            continue;
                        }
                        let case = format!("{method} {name}, {content_type:?}, {status}, {encoding:?}");
                        let url = server.url(&format!("/{body}/{kind}/{status_index}/{packed}"));
                        answers += 1;
                        let output = match measure(&providers, &url, method).await {
                            Ok(output) => output,
                            Err(ActivityError::Failed(_)) => {
                                assert_eq!(
                                    *encoding, "gzip",
                                    "{case}: only a body that cannot be unpacked fails"
                                );
                                failed += 1;
                                cases += tolerances.len();
                                continue;
                            }
                            Err(error) => panic!("{case}: aborts: {error:?}"),
                        };
                        assert_eq!(output["status"], Output::Int((*status).into()), "{case}");
                        for tolerance in &tolerances {
                            cases += 1;
                            is_met(tolerance, &output, &case);
                        }
                        let met = |tolerance: Value| is_met(&tolerance, &output, &case);
                        assert_eq!(met(json!(200)), Some(*status == 200), "{case}");
                        assert_eq!(
                            met(json!({"type": "range", "range": [500, 599], "target": "status"})),
                            Some(*status == 503),
                            "{case}"
                        );
                        let path = met(json!({"type": "jsonpath", "path": "$.ok", "target": "body"}));
                        assert_eq!(path, Some(*has_path && method == "GET"), "{case}: {:?}", output["body"]);
                    }
                }
            }
        }
    }
    assert!(failed > 0 && failed < answers / 4, "{failed} of {answers} probes failed");
    println!("{answers} answers, {cases} cases of answer and tolerance, {failed} failed probes, 0 aborts");
}

/// A hypothesis with one probe of a server that answers well until the method ran.
fn run(
    sandbox: &Sandbox,
    tolerance: &Value,
    provider: &Value,
    strategy: &str,
) -> crate::harness::ProcessResult {
    let hypothesis = json!({"title": "h", "probes": [
        {"type": "probe", "name": "look", "tolerance": tolerance, "provider": provider}]});
    let touch = json!([{"type": "action", "name": "act", "provider": {"type": "process", "path": "true"}}]);
    let experiment = with(probe(provider), &json!({"method": touch, "steady-state-hypothesis": hypothesis}));
    sandbox.experiment(&experiment, ["--hypothesis-strategy", strategy])
}

#[test]
fn answers_that_cannot_be_judged_are_findings() {
    let json_type = "Content-Type: application/json\r\n";
    let answers: [(&str, String, Value); 9] = [
        (
            "an empty JSON answer",
            format!("HTTP/1.1 503 No\r\n{json_type}Content-Length: 0\r\n\r\n"),
            json!(200),
        ),
        (
            "HTML as JSON",
            format!("HTTP/1.1 503 No\r\n{json_type}Content-Length: 6\r\n\r\n<html>"),
            json!(200),
        ),
        (
            "JSON for a pattern",
            format!("HTTP/1.1 503 No\r\n{json_type}Content-Length: 13\r\n\r\n{{\"error\": 12}}"),
            json!({"type": "regex", "target": "body", "pattern": "fine"}),
        ),
        (
            "JSON for a range",
            format!("HTTP/1.1 503 No\r\n{json_type}Content-Length: 13\r\n\r\n{{\"error\": 12}}"),
            json!({"type": "range", "target": "body", "range": [0, 5]}),
        ),
        (
            "a list for a path",
            format!("HTTP/1.1 200 OK\r\n{json_type}Content-Length: 2\r\n\r\n[]"),
            json!({"type": "jsonpath", "target": "body", "path": "$.ok"}),
        ),
        (
            "a redirect loop",
            "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n".to_owned(),
            json!(200),
        ),
        (
            "a redirect to another scheme",
            "HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/\r\nContent-Length: 0\r\n\r\n".to_owned(),
            json!(200),
        ),
        ("no HTTP", "SSH-2.0-OpenSSH\r\n\r\n".to_owned(), json!(200)),
        ("nothing", String::new(), json!(200)),
    ];
    for (name, answer, tolerance) in answers {
        let server = Server::start(move |_| Response(answer.clone().into_bytes()));
        let provider = json!({"type": "http", "url": server.url("/"), "timeout": 30});
        for (strategy, code) in
            [("before-method-only", 8), ("after-method-only", 1), ("during-method-only", 1)]
        {
            let finished = run(&Sandbox::new(), &tolerance, &provider, strategy);
            assert_eq!(finished.code, Some(code), "{name}, {strategy}: {}", finished.stderr);
            assert!(!finished.stderr.contains("an experiment needs"), "{name}: {}", finished.stderr);
        }
    }
}

#[test]
fn head_is_judged_by_status_and_headers() {
    let server = Server::start(|_| {
        Response(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Ready: yes\r\nContent-Length: 20\r\n\r\n".to_vec())
    });
    let provider = json!({"type": "http", "url": server.url("/"), "method": "HEAD"});
    let header = |expected: &str| json!({"type": "jsonpath", "target": "headers", "path": "$['X-Ready']", "expect": expected});
    for (tolerance, code) in [(json!(200), 0), (header("yes"), 0), (json!(204), 8), (header("no"), 8)] {
        let finished = run(&Sandbox::new(), &tolerance, &provider, "default").exits(code);
        assert!(!finished.stderr.contains("counts as text"), "{}", finished.stderr);
    }
}
