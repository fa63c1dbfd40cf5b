//! The provider `http`: what is sent, what is made of the answer, and what a failure is called.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::harness::{Chaos, Finished, NONE, Request, Response, Server};

/// Runs one activity over HTTP, with a configuration, and gives its entry in the journal.
fn call(chaos: &Chaos, kind: &str, provider: Value, arguments: &[&str]) -> (Finished, Value) {
    let mut provider = provider;
    provider["type"] = "http".into();
    let experiment = json!({
        "title": "t", "description": "d",
        "configuration": {"word": "filled", "list": [1, "two"]},
        "method": [{"type": kind, "name": "call", "provider": provider}],
    });
    let finished = chaos.experiment(&experiment, arguments);
    let entry = chaos.journal()["run"][0].clone();
    (finished, entry)
}

fn echo() -> Server {
    Server::start(|_| Response::new(200, "text/plain", "said"))
}

/// What the server was asked, by one activity.
fn sent(mut provider: Value) -> Request {
    let server = echo();
    let path = provider["url"].as_str().unwrap_or("/").to_owned();
    provider["url"] = server.url(&path).into();
    let (finished, entry) = call(&Chaos::new(), "probe", provider, &[]);
    assert_eq!((finished.code, &entry["status"]), (Some(0), &json!("succeeded")), "{entry:#}");
    server.requests().remove(0)
}

#[test]
fn arguments_of_a_get_are_its_query() {
    let check = |url: &str, arguments: Value, expected: &str| {
        let request = sent(json!({"url": url, "arguments": arguments}));
        assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", expected));
        assert_eq!(request.body, "");
    };
    check("/p", json!({"a": "x y", "b": [1, 2.5], "c": null, "d": true}), "/p?a=x+y&b=1&b=2.5&d=True");
    check("/p?z=1", json!({"a": "${word}", "l": "${list}"}), "/p?z=1&a=filled&l=1&l=two");
    check("/$word/$$x", Value::Null, "/filled/$x");
    check("/p", json!({}), "/p");
}

#[test]
fn other_methods_have_a_form_a_document_or_a_text() {
    let check = |headers: Value, arguments: Value, content_type: Option<&str>, body: &str| {
        let request =
            sent(json!({"url": "/p", "method": "pOsT", "headers": headers, "arguments": arguments}));
        assert_eq!(request.method, "POST");
        assert_eq!((request.header("Content-Type"), request.body.as_str()), (content_type, body));
    };
    let form = Some("application/x-www-form-urlencoded");
    let document = Some("application/json");
    check(Value::Null, json!({"a": "x y", "b": [1, 2], "c": null}), form, "a=x+y&b=1&b=2");
    check(
        json!({"Content-Type": "application/json"}),
        json!({"a": [1, null]}),
        document,
        r#"{"a": [1, null]}"#,
    );
    check(json!({"Content-Type": "application/json"}), Value::Null, document, "");
    check(json!({"content-type": "application/json"}), json!({"a": 1}), document, "a=1");
    check(Value::Null, json!("plain ${word}"), None, "plain filled");
    check(Value::Null, Value::Null, None, "");
}

#[test]
fn headers_are_filled_and_netrc_never_overrides_them() {
    let request = sent(json!({"url": "/p", "headers": {"X-Word": "a ${word} b", "Accept": "text/x"}}));
    assert_eq!((request.header("x-word"), request.header("accept")), (Some("a filled b"), Some("text/x")));
    let server = echo();
    for (own, expected) in [(None, "Basic bWU6c2VjcmV0LXdvcmQ="), (Some("Bearer mine"), "Bearer mine")] {
        let chaos = Chaos::new();
        let host = server.host();
        let host = host.split(':').next().unwrap();
        chaos.write(".netrc", format!("machine {host} login me password secret-word\n"));
        let headers = own.map(|own| json!({"Authorization": own}));
        call(&chaos, "probe", json!({"url": server.url("/"), "headers": headers}), &[]).0.exits(0);
        assert_eq!(server.requests().last().unwrap().header("authorization"), Some(expected));
    }
}

/// The output that an answer becomes.
fn output(response: Vec<u8>) -> Value {
    let server = Server::start(move |_| Response(response.clone()));
    let (_, entry) = call(&Chaos::new(), "probe", json!({"url": server.url("/")}), &[]);
    assert_eq!(entry["status"], "succeeded", "{entry:#}");
    entry["output"].clone()
}

#[test]
fn bodies_are_read_by_their_content_type() {
    let check = |content_type: &str, body: &[u8], expected: Value| {
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        answer.extend_from_slice(body);
        assert_eq!(output(answer)["body"], expected, "{content_type}");
    };
    check("application/json", br#"{"a": [1, "x"]}"#, json!({"a": [1, "x"]}));
    check("application/json; charset=utf-8", br#"{"a": 1}"#, json!(r#"{"a": 1}"#));
    check("text/plain", b"caf\xe9", json!("café"));
    check("text/plain; charset=utf-8", "café".as_bytes(), json!("café"));
    check("application/octet-stream", "café".as_bytes(), json!("café"));
}

#[test]
fn answers_keep_their_status_and_headers() {
    let answer = b"HTTP/1.1 404 Not Found\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 2\r\n\r\nno".to_vec();
    let output = output(answer);
    assert_eq!((&output["status"], &output["headers"]["X-A"]), (&json!(404), &json!("1, 2")));
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".to_vec();
    assert_eq!(self::output(chunked)["body"], "abcde");
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00\x00\x00";
    let mut packed =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", gzip.len())
            .into_bytes();
    packed.extend_from_slice(gzip);
    assert_eq!(self::output(packed)["body"], "hello");
}

#[test]
fn an_action_that_is_answered_with_an_error_had_no_effect() {
    let server = Server::start(|_| Response::new(503, "text/plain", "busy"));
    let chaos = Chaos::new();
    let (finished, entry) = call(&chaos, "action", json!({"url": server.url("/")}), &[]);
    finished.exits(5).says("This HTTP call returned a response with a HTTP status code above 400");
    assert_eq!((&entry["status"], &entry["output"]["status"]), (&json!("succeeded"), &json!(503)));
    let effect = &chaos.journal()["kubectl-chaos"]["activities"][0]["effect"];
    assert_eq!((&effect["state"], &effect["detail"]), (&json!("mismatch"), &json!("answered with 503")));
    call(&Chaos::new(), "action", json!({"url": server.url("/")}), &["--strict=false"]).0.exits(0);
    call(&Chaos::new(), "probe", json!({"url": server.url("/")}), &[]).0.exits(0);
}

#[test]
fn redirects_are_followed_and_a_post_becomes_a_get() {
    let server = Server::start(|request| match request.path.as_str() {
        "/from" => Response::with(302, &[("Location", "/to")], ""),
        "/round" => Response::with(302, &[("Location", "/round")], ""),
        _ => Response::new(200, "text/plain", "there"),
    });
    let provider = json!({"url": server.url("/from"), "method": "POST", "arguments": {"a": 1}});
    let (_, entry) = call(&Chaos::new(), "probe", provider, &[]);
    assert_eq!(entry["output"]["body"], "there");
    let asked: Vec<_> =
        server.requests().into_iter().map(|r| r.method + " " + &r.path + " " + &r.body).collect();
    assert_eq!(asked, ["POST /from a=1", "GET /to "]);
    let (finished, entry) = call(&Chaos::new(), "probe", json!({"url": server.url("/round")}), &[]);
    finished.exits(9).says("Exceeded 30 redirects.");
    assert_eq!(entry.get("status"), None);
}

/// How an activity fails: its status, and the last line of its exception.
fn failure(provider: Value) -> (Option<String>, String, Option<i32>) {
    let (finished, entry) = call(&Chaos::new(), "probe", provider, &[]);
    let last = entry["exception"].as_array().and_then(|lines| lines.last()).cloned().unwrap_or_default();
    (entry["status"].as_str().map(str::to_owned), last.as_str().unwrap_or_default().to_owned(), finished.code)
}

#[track_caller]
fn fails(provider: Value, text: &str) {
    let (status, last, code) = failure(provider);
    assert_eq!((status.as_deref(), code), (Some("failed"), Some(0)), "{last}");
    assert!(last.starts_with("chaoslib.exceptions.ActivityFailed: ") && last.contains(text), "{last}");
}

#[track_caller]
fn aborts(provider: Value) {
    let (status, _, code) = failure(provider.clone());
    assert_eq!((status, code), (None, Some(9)), "{provider}");
}

/// An address where nothing listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

#[test]
fn failures_are_told_apart() {
    fails(json!({"url": nobody()}), "failed to connect to http://127.0.0.1:");
    let silent = Server::start(|_| {
        std::thread::sleep(std::time::Duration::from_secs(30));
        Response::nothing()
    });
    fails(json!({"url": silent.url("/"), "timeout": 0.2}), "activity took too long to complete");
    fails(json!({"url": silent.url("/"), "timeout": [5, 0.2]}), "activity took too long to complete");
    let broken = Server::start(|_| Response(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".to_vec()));
    fails(json!({"url": broken.url("/")}), "the answer broke off");
    let nonsense = Server::start(|_| Response(b"SPDY/9 what\r\n\r\n".to_vec()));
    fails(json!({"url": nonsense.url("/")}), "failed to connect to");
    let huge = Server::start(|_| {
        let mut answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
        answer.resize(17 * 1024 * 1024, b'x');
        Response(answer)
    });
    fails(json!({"url": huge.url("/")}), "the answer is larger than 16 MiB");
    let liar = Server::start(|_| Response::new(200, "application/json", "{not json"));
    aborts(json!({"url": liar.url("/")}));
    aborts(json!({"url": liar.url("/"), "headers": {"X-Number": 5}}));
    aborts(json!({"url": liar.url("/"), "timeout": "1"}));
}

#[test]
fn connections_that_fail_are_tried_again_as_often_as_was_said() {
    let count = std::sync::Arc::new(AtomicU32::new(0));
    let counted = std::sync::Arc::clone(&count);
    let server = Server::start(move |_| match counted.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Response::nothing(),
        _ => Response::new(200, "text/plain", "at last"),
    });
    let (_, entry) = call(&Chaos::new(), "probe", json!({"url": server.url("/"), "max_retries": 2}), &[]);
    assert_eq!(entry["output"]["body"], "at last");
    assert_eq!(count.load(Ordering::Relaxed), 3);
    count.store(0, Ordering::Relaxed);
    fails(json!({"url": server.url("/"), "max_retries": 1}), "failed to connect to");
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[test]
fn a_connection_that_does_not_come_about_has_its_own_limit() {
    // a listener whose queue is full does not answer to new connections
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    for _ in 0..300 {
        match std::net::TcpStream::connect_timeout(&address, std::time::Duration::from_millis(100)) {
            Ok(stream) => held.push(stream),
            Err(_) => break,
        }
    }
    if held.len() < 300 {
        fails(json!({"url": format!("http://{address}/"), "timeout": [0.3, 60]}), "failed to connect to");
    }
}

#[test]
fn proxies_of_the_environment_are_used() {
    let proxy = Server::start(|_| Response::new(200, "text/plain", "by proxy"));
    let chaos = Chaos::new().env("HTTP_PROXY", proxy.url("")).env("NO_PROXY", "127.0.0.1");
    let (_, entry) = call(&chaos, "probe", json!({"url": "http://service.invalid/p?q=1"}), &[]);
    assert_eq!(entry["output"]["body"], "by proxy");
    assert_eq!(proxy.requests()[0].path, "http://service.invalid/p?q=1");
    let server = echo();
    let (_, entry) = call(&chaos, "probe", json!({"url": server.url("/")}), &[]);
    assert_eq!(entry["output"]["body"], "said", "NO_PROXY is obeyed");
}

#[test]
fn certificates_are_checked_unless_the_activity_says_otherwise() {
    let (url, authority) = tls_server();
    let chaos = Chaos::new();
    let (_, entry) = call(&chaos, "probe", json!({"url": url}), &[]);
    assert_eq!(entry["status"], "failed");
    let why = entry["exception"].to_string();
    assert!(why.contains("certificate"), "{why}");
    let (_, entry) = call(&chaos, "probe", json!({"url": url, "verify_tls": false}), &[]);
    assert_eq!(entry["output"]["body"], "secret place");
    for variable in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"] {
        let chaos = Chaos::new();
        let bundle = chaos.write("authority.pem", &authority).to_str().unwrap().to_owned();
        let (_, entry) = call(&chaos.env(variable, bundle), "probe", json!({"url": url}), &[]);
        assert_eq!(entry["output"]["body"], "secret place", "{variable}: {entry:#}");
    }
}

/// A session that is taken up again would not be verified again.
#[test]
fn every_request_begins_a_tls_session_of_its_own() {
    let (url, _) = tls_server();
    let probe =
        json!({"type": "probe", "name": "p", "provider": {"type": "http", "url": url, "verify_tls": false}});
    let experiment = json!({"title": "t", "description": "d", "method": [probe, probe, probe]});
    let chaos = Chaos::new();
    chaos.experiment(&experiment, NONE).exits(0);
    for entry in chaos.journal()["run"].as_array().unwrap() {
        assert_eq!(entry["output"]["headers"]["Handshake"], "Full");
    }
}

/// A server behind TLS: its address, and the certificate that vouches for it.
fn tls_server() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = std::sync::Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut connection = rustls::ServerConnection::new(std::sync::Arc::clone(&config)).unwrap();
            let mut tls = rustls::Stream::new(&mut connection, &mut stream);
            let mut asked = [0; 4096];
            // a client that does not trust us leaves in the handshake
            if tls.read(&mut asked).is_ok() {
                let handshake = tls.conn.handshake_kind().unwrap();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 12\r\nHandshake: {handshake:?}\r\n");
                let _ = tls.write_all((head + "Connection: close\r\n\r\nsecret place").as_bytes());
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        }
    });
    (format!("https://localhost:{port}/"), made.cert.pem())
}
