//! Request errors, and their result: a failed activity or an aborted run.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{fine, get, nowhere, send};
use crate::harness::{Response, Sandbox, Server, probe, with};

const TOO_LONG: &str = "activity took too long to complete";

#[test]
fn connection_refused_fails_probe() {
    let url = nowhere();
    let probed = get(&url);
    let text =
        format!("failed to connect to {url}: client error (Connect): tcp connect error: Connection refused");
    assert!(probed.error().contains(&text), "{}", probed.error());
    assert_eq!((&probed.entry()["status"], &probed.entry()["output"]), (&json!("failed"), &Value::Null));
    probed.finished.exits(0).reports("ERROR]   => failed: failed to connect to ");
}

#[test]
fn failed_probe_does_not_stop_method() {
    let server = fine();
    let look = |url: &str| json!({"type": "probe", "name": "look", "provider": {"type": "http", "url": url}});
    let experiment =
        with(probe(&json!({})), &json!({"method": [look(&nowhere()), look(&server.url("/next"))]}));
    let sandbox = Sandbox::new();
    sandbox.experiment(&experiment, [""; 0]).exits(0);
    assert_eq!(server.requests().len(), 1);
    let journal = sandbox.journal();
    assert_eq!(
        (&journal["run"][0]["status"], &journal["run"][1]["status"]),
        (&json!("failed"), &json!("succeeded"))
    );
}

#[test]
fn invalid_http_response_fails_probe() {
    let check = |answer: &'static str, text: &str| {
        let server = Server::start(move |_| Response(answer.into()));
        let url = server.url("/");
        let probed = get(&url);
        let error = probed.error();
        assert!(error.contains(&format!("failed to connect to {url}: ")), "{error}");
        assert!(error.contains(text), "{error}");
        assert_eq!(server.requests().len(), 1);
    };
    check("", "connection closed before message completed");
    check("SSH-2.0-OpenSSH_9.6\r\n\r\n", "invalid HTTP version");
    check("HTTP/1.1 2x0 OK\r\n\r\n", "invalid HTTP status-code");
    check("HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", "invalid HTTP header");
    check("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "invalid content-length");
    check("HTTP/1.1 200 OK\r\nContent-Le", "connection closed before message completed");
}

#[test]
fn missing_response_times_out() {
    let partly = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart";
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-", partly] {
        for timeout in [json!(0.2), json!([50, 0.2]), json!([null, 0.2])] {
            let server = Server::holding(move |_| Response(answer.into()));
            send(&server.url("/"), &json!({"timeout": timeout})).fails(TOO_LONG);
            assert_eq!(server.requests().len(), 1);
        }
    }
}

/// A port that accepts no more connections, because its backlog is full.
struct Full {
    listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Full {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let limit = Duration::from_millis(500);
        let fill = || std::iter::from_fn(|| TcpStream::connect_timeout(&address, limit).ok());
        // a busy machine may need a second attempt
        let waiting = fill().chain(fill()).collect();
        Self { listener, _waiting: waiting }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.listener.local_addr().expect("an address"))
    }
}

#[test]
fn connect_timeout_fails_probe() {
    let full = Full::new();
    for timeout in [json!(0.3), json!([0.3, 50]), json!([0.3, null])] {
        let probed = send(&full.url(), &json!({"timeout": timeout}));
        let error = probed.error();
        assert!(error.contains(&format!("failed to connect to {}: ", full.url())), "{error}");
        // either of the two layers with a timeout may report it
        let late = ["deadline has elapsed", "operation timed out"];
        assert!(late.iter().any(|text| error.ends_with(text)), "{error}");
        assert_eq!(probed.finished.code, Some(0));
    }
}

#[test]
fn broken_connection_is_retried_for_idempotent_methods() {
    let check = |method: &str, retries: u32, breaks: usize, asked: usize, succeeds: bool| {
        let count = AtomicUsize::new(0);
        let server = Server::start(move |_| {
            let broken = count.fetch_add(1, Ordering::Relaxed) < breaks;
            if broken { Response::nothing() } else { Response::new(200, "text/plain", "at last") }
        });
        let probed = send(&server.url("/"), &json!({"method": method, "max_retries": retries}));
        let status = if succeeds { "succeeded" } else { "failed" };
        assert_eq!(probed.entry()["status"], status, "{method} {retries}: {}", probed.finished.stderr);
        assert_eq!(server.requests().len(), asked, "{method} {retries}");
    };
    check("GET", 0, 1, 1, false);
    check("GET", 2, 2, 3, true);
    check("GET", 2, 5, 3, false);
    check("PUT", 2, 2, 3, true);
    check("DELETE", 1, 1, 2, true);
    // it may have arrived, and must not arrive twice
    check("POST", 2, 1, 1, false);
    check("PATCH", 2, 1, 1, false);
}

#[test]
fn timeout_is_retried_for_idempotent_methods() {
    let check = |method: &str, asked: usize| {
        let server = Server::holding(|_| Response::nothing());
        send(&server.url("/"), &json!({"method": method, "max_retries": 2, "timeout": 0.2})).fails(TOO_LONG);
        assert_eq!(server.requests().len(), asked, "{method}");
    };
    check("GET", 3);
    check("POST", 1);
}

#[test]
fn error_status_is_not_retried() {
    let server = Server::start(|_| Response::new(503, "text/plain", ""));
    assert_eq!(send(&server.url("/"), &json!({"max_retries": 3})).output()["status"], 503);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn truncated_response_fails_probe() {
    let check = |answer: &'static str| {
        let server = Server::start(move |_| Response(answer.into()));
        let probed = send(&server.url("/"), &json!({"max_retries": 2}));
        assert!(probed.error().contains("ActivityFailed: the answer broke off: "), "{}", probed.error());
        assert_eq!(probed.finished.code, Some(0));
        assert_eq!(server.requests().len(), 1, "it has begun to answer, and is not asked again");
    };
    check("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nonly this");
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nwhat\r\n");
}

#[test]
fn oversized_response_fails_probe() {
    const MIB: usize = 1024 * 1024;
    let check = |length: usize, head: &'static str| {
        let server = Server::holding(move |_| Response([head.as_bytes(), &vec![b'x'; length]].concat()));
        get(&server.url("/"))
    };
    let endless = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n";
    check(16 * MIB + 1, endless).fails("the answer is larger than 16 MiB");
    let exact = check(16 * MIB, "HTTP/1.1 200 OK\r\nContent-Length: 16777216\r\n\r\n");
    // the journal keeps the beginning
    let body = exact.output()["body"].as_str().unwrap_or_default();
    assert!(body.len() < MIB && body.ends_with(" of 16777216 bytes)"), "{} bytes", body.len());
}

#[test]
fn redirect_loop_fails_probe() {
    let server = Server::start(|_| Response::with(302, &[("Location", "/again")], ""));
    get(&server.url("/")).fails("Exceeded 30 redirects.");
    assert_eq!(server.requests().len(), 31);
}

#[test]
fn redirect_without_location_is_returned() {
    let server = Server::start(|_| Response::with(302, &[("Content-Type", "text/plain")], "moved"));
    let probed = get(&server.url("/"));
    assert_eq!((&probed.output()["status"], &probed.output()["body"]), (&json!(302), &json!("moved")));
}

#[test]
fn invalid_request_aborts_run() {
    let server = fine();
    let check = |keys: Value, text: &str| {
        let experiment = with(
            probe(&with(json!({"type": "http", "url": server.url("/")}), &keys)),
            &json!({"configuration": {"n": 5}}),
        );
        let sandbox = Sandbox::new();
        let finished = sandbox.experiment(&experiment, ["--no-validation"]);
        super::Probed { finished, journal: sandbox.journal() }.aborts(text);
    };
    check(json!({"headers": {"X-N": [5]}}), "X-N");
    check(json!({"headers": {"X-N": ["${n}"]}}), "X-N");
    check(json!({"headers": {"X-N": "a\nb"}}), "invalid value of header X-N");
    check(json!({"headers": {"X N": "a"}}), "invalid header name 'X N'");
    check(json!({"url": "not an address"}), "Invalid URL 'not an address'");
    check(json!({"url": "ftp://127.0.0.1/"}), "'ftp' is neither http nor https");
    check(json!({"timeout": "1"}), "timeout");
    check(json!({"timeout": [1, 2, 3]}), "timeout");
    check(json!({"arguments": 5}), "the arguments of a request are a mapping or a text");
    check(json!({"method": "GE T"}), "invalid HTTP method 'GE T'");
    assert_eq!(server.requests().len(), 0, "nothing was sent");
}

#[test]
fn pending_request_can_be_interrupted() {
    let server = Server::holding(|_| Response::nothing());
    let sandbox = Sandbox::new();
    sandbox.write("experiment.json", probe(&json!({"type": "http", "url": server.url("/")})).to_string());
    let child = sandbox.start(["run", "experiment.json"]);
    crate::harness::wait_until("it asks", || !server.requests().is_empty());
    crate::harness::signal(child.id(), rustix::process::Signal::INT);
    crate::harness::finish(child).exits(130);
    assert_eq!(sandbox.journal()["status"], "interrupted");
}

#[test]
fn substituted_url_credentials_are_masked_in_errors() {
    let url = nowhere().replace("http://", "http://me:${password}@");
    let experiment = with(
        probe(&json!({"type": "http", "url": url})),
        &json!({"secrets": {"g": {"password": "s3cret-word"}}}),
    );
    let sandbox = Sandbox::new();
    let finished =
        sandbox.experiment(&experiment, [""; 0]).exits(0).reports("failed to connect to http://***@127");
    for text in [finished.stderr, finished.stdout, sandbox.read("journal.json")] {
        assert!(!text.contains("s3cret-word"), "{text}");
    }
}

#[test]
fn proxy_that_does_not_connect_is_named() {
    let check = |value: &str, url: &str, expected: &str| {
        let sandbox = Sandbox::new().env("http_proxy", value);
        let probed = super::run(&sandbox, &json!({"type": "http", "url": url}));
        assert!(probed.error().contains(expected), "{}", probed.error());
        assert!(!probed.error().contains("s3cret"), "{}", probed.error());
    };
    let closed = "the proxy http://127.0.0.1:1 (http_proxy) does not connect: ";
    check("http://me:s3cret@127.0.0.1:1", "http://service.invalid/", closed);
    check("ftp://me:s3cret@h", "http://service.invalid/", "invalid proxy 'ftp://***@h' in http_proxy");
}
