//! How a response becomes the output of a probe.

use serde_json::{Value, json};

use super::{get, run};
use crate::harness::{Response, Sandbox, Server, action, probe, with};

/// The output for a response with exactly these bytes.
fn answered(text: impl Into<Vec<u8>>) -> super::Probed {
    let bytes = text.into();
    let server = Server::start(move |_| Response(bytes.clone()));
    get(&server.url("/"))
}

/// A response with this body.
fn answer(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn output_contains_status_headers_and_body() {
    let server = Server::start(|_| Response::new(200, "text/plain", "fine"));
    let probed = get(&server.url("/"));
    let headers = json!({"Content-Type": "text/plain", "Content-Length": "4", "Connection": "close"});
    assert_eq!(*probed.output(), json!({"status": 200, "headers": headers, "body": "fine"}));
    assert_eq!(probed.entry()["status"], "succeeded");
    assert_eq!(probed.finished.code, Some(0));
}

#[test]
fn body_is_parsed_only_for_exact_json_content_type() {
    let check = |content_type: &str, body: &[u8], expected: Value| {
        let header =
            if content_type.is_empty() { String::new() } else { format!("Content-Type: {content_type}\r\n") };
        let probed = answered(answer(&header, body));
        assert_eq!(probed.output()["body"], expected, "{content_type}: {}", probed.finished.stderr);
        assert_eq!(probed.finished.code, Some(0));
    };
    let document = br#"{"a": [1, 2.50, null, "\u00fc"]}"#;
    check("application/json", document, json!({"a": [1, 2.5, null, "ü"]}));
    check("application/json", b"12345678901234567890", json!(12_345_678_901_234_567_890_u64));
    let text = json!(r#"{"a": 1}"#);
    for other in ["application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json", ""] {
        check(other, br#"{"a": 1}"#, text.clone());
    }
}

#[test]
fn body_is_decoded_by_charset() {
    let check = |content_type: &str, body: &[u8], expected: &str| {
        let probed = answered(answer(&format!("Content-Type: {content_type}\r\n"), body));
        assert_eq!(probed.output()["body"], expected, "{content_type}");
    };
    check("text/plain", b"caf\xe9", "café");
    check("text/plain", "é".as_bytes(), "Ã©");
    check("text/html; charset=utf-8", "é".as_bytes(), "é");
    check("text/plain; charset=\"windows-1252\"", b"\x80", "€");
    check("application/octet-stream", "é".as_bytes(), "é");
    check("application/octet-stream", b"a\xff\0b", "a\u{fffd}\0b");
}

#[test]
fn invalid_json_body_counts_as_text() {
    let check = |body: &str, warned: bool| {
        let probed = answered(answer("Content-Type: application/json\r\n", body.as_bytes()));
        assert_eq!((&probed.output()["status"], &probed.output()["body"]), (&json!(200), &json!(body)));
        assert_eq!(probed.finished.stderr.contains("counts as text"), warned, "{}", probed.finished.stderr);
        assert_eq!(probed.finished.code, Some(0));
    };
    check("{\"a\": ", true);
    check("<html>", true);
    check("", false);
}

#[test]
fn repeated_headers_are_joined() {
    let headers =
        "Set-Cookie: a=1; Path=/\r\nx-b3-traceid: t\r\nset-cookie: b=2\r\nX-Latin: caf\u{e9}\r\nX-None:\r\n";
    let bytes: Vec<u8> = headers.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect();
    let message = [b"HTTP/1.1 200 OK\r\n", bytes.as_slice(), b"Content-Length: 0\r\n\r\n"].concat();
    let probed = answered(message);
    let expected = json!({"Set-Cookie": "a=1; Path=/, b=2", "X-B3-Traceid": "t", "X-Latin": "café",
        "X-None": "", "Content-Length": "0"});
    assert_eq!(probed.output()["headers"], expected);
    assert_eq!(probed.output()["body"], "");
}

#[test]
fn too_many_headers_fail_probe() {
    let message = |count: usize| {
        let headers: Vec<String> = (0..count).map(|i| format!("X-H{i}: {i}\r\n")).collect();
        answer(&headers.concat(), b"")
    };
    let probed = answered(message(90));
    assert_eq!(probed.output()["headers"]["X-H89"], "89");
    assert_eq!(probed.output()["headers"].as_object().map(serde_json::Map::len), Some(91));
    let error = answered(message(1000));
    assert!(error.error().contains("failed to connect to "), "{}", error.error());
}

#[test]
fn chunked_body_is_decoded() {
    let probed = answered(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
         5;note=x\r\n{\"a\":\r\n3\r\n 1}\r\n0\r\nX-Trailer: t\r\n\r\n",
    );
    assert_eq!(probed.output()["body"], json!({"a": 1}));
}

#[test]
fn body_without_length_ends_with_connection() {
    let probed = answered("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nup to the end");
    assert_eq!(probed.output()["body"], "up to the end");
}

#[test]
fn gzip_body_is_decompressed() {
    // {"a": 1}, by gzip
    let packed = [
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0x4a, 0x54, 0xb2, 0x52, 0x30,
        0xac, 0x05, 0x00, 0x97, 0x8e, 0xa1, 0xfb, 0x08, 0x00, 0x00, 0x00,
    ];
    let headers = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
    let probed = answered(answer(headers, &packed));
    assert_eq!(probed.output()["body"], json!({"a": 1}), "{}", probed.finished.stderr);
    // a body that claims to be compressed and is not fails
    let probed = answered(answer(headers, b"{\"a\": 1}"));
    assert!(probed.error().contains("the answer broke off: "), "{}", probed.error());
}

#[test]
fn empty_response_body_is_accepted() {
    let probed = answered("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(*probed.output(), json!({"status": 204, "headers": {}, "body": ""}));
}

const WARNING: &str = "This HTTP call returned a response with a HTTP status code above 400.";

#[test]
fn error_status_succeeds_with_warning() {
    for status in [400, 404, 500, 503] {
        let server = Server::start(move |_| Response::new(status, "text/plain", "no"));
        let probed = get(&server.url("/"));
        assert_eq!(probed.entry()["status"], "succeeded");
        assert_eq!((&probed.output()["status"], &probed.output()["body"]), (&json!(status), &json!("no")));
        probed.finished.exits(0).reports(&format!("WARNING] {WARNING}"));
        assert_eq!(server.requests().len(), 1);
    }
    let server = Server::start(|_| Response::new(399, "text/plain", ""));
    let said = get(&server.url("/")).finished.exits(0).stderr;
    assert!(!said.contains(WARNING), "{said}");
}

#[test]
fn error_status_within_tolerance_causes_no_warning() {
    let server = Server::start(|_| Response::new(404, "text/plain", "gone"));
    let provider = json!({"type": "http", "url": server.url("/")});
    let hypothesis = json!({"title": "It is gone", "probes": [
        {"type": "probe", "name": "gone", "tolerance": 404, "provider": provider}]});
    let experiment = with(probe(&provider), &json!({"method": [], "steady-state-hypothesis": hypothesis}));
    let said = Sandbox::new().experiment(&experiment, [""; 0]).exits(0).stderr;
    assert!(!said.contains(WARNING), "{said}");
}

#[test]
fn error_status_marks_action_without_effect() {
    let check = |status: u16, flags: &[&str], code: i32, state: &str| {
        let server = Server::start(move |_| Response::new(status, "text/plain", ""));
        let sandbox = Sandbox::new();
        let provider = json!({"type": "http", "url": server.url("/"), "method": "POST"});
        let finished = sandbox.experiment(&action(&provider), flags).exits(code);
        let journal = sandbox.journal();
        assert_eq!(journal["run"][0]["status"], "succeeded");
        let effect = &journal["kubectl-chaos"]["activities"][0]["effect"];
        assert_eq!(effect["state"], state, "{status}");
        assert_eq!(effect["detail"], format!("answered with {status}"));
        if code == 5 {
            finished.reports(&format!("Warning: action 'act' did not take effect: answered with {status}"));
        }
    };
    check(200, &[], 0, "confirmed");
    check(204, &[], 0, "confirmed");
    check(403, &[], 5, "mismatch");
    check(500, &[], 5, "mismatch");
    check(500, &["--strict=false"], 0, "mismatch");
}

#[test]
fn unreachable_server_fails_action() {
    let sandbox = Sandbox::new();
    let provider = json!({"type": "http", "url": super::nowhere()});
    sandbox.experiment(&action(&provider), [""; 0]).exits(5);
    let journal = sandbox.journal();
    assert_eq!((&journal["run"][0]["status"], &journal["status"]), (&json!("failed"), &json!("completed")));
    assert_eq!(journal["kubectl-chaos"]["activities"][0]["effect"]["state"], "mismatch");
}

#[test]
fn tolerances_evaluate_response() {
    let check = |tolerance: Value, met: bool| {
        let server = Server::start(|_| {
            Response::with(
                201,
                &[("Content-Type", "application/json"), ("X-Kind", "a")],
                r#"{"items": [{"id": 1}, {"id": 2}], "load": 0.5}"#,
            )
        });
        let provider = json!({"type": "http", "url": server.url("/")});
        let hypothesis = json!({"title": "It is well", "probes": [
            {"type": "probe", "name": "look", "tolerance": tolerance, "provider": provider}]});
        let experiment =
            with(probe(&provider), &json!({"method": [], "steady-state-hypothesis": hypothesis}));
        let sandbox = Sandbox::new();
        sandbox.experiment(&experiment, [""; 0]).exits(if met { 0 } else { 8 });
        let state = &sandbox.journal()["steady_states"]["before"];
        assert_eq!(state["steady_state_met"], met, "{tolerance}");
    };
    check(json!(201), true);
    check(json!(200), false);
    check(json!([200, 201]), true);
    check(json!([200, 300]), false);
    check(json!({"type": "jsonpath", "path": "$.items[*].id", "target": "body", "expect": [1, 2]}), true);
    check(json!({"type": "jsonpath", "path": "$.items[*].id", "target": "body", "count": 3}), false);
    check(json!({"type": "range", "range": [100, 201], "target": "status"}), true);
}

#[test]
fn cookies_of_a_redirect_are_sent_to_its_target() {
    let server = Server::start(|request| match (request.path.as_str(), request.header("cookie")) {
        ("/login", _) => {
            Response::with(302, &[("Location", "/app"), ("Set-Cookie", "session=7; Path=/; HttpOnly")], "")
        }
        ("/app", Some("session=7")) => Response::new(200, "text/plain", "welcome"),
        _ => Response::new(401, "text/plain", "who?"),
    });
    let probe = |path: &str| run(&Sandbox::new(), &json!({"type": "http", "url": server.url(path)}));
    assert_eq!(probe("/login").output()["body"], "welcome");
    // the next request starts without cookies
    assert_eq!(probe("/app").output()["status"], 401);
}
