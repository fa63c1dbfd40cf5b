//! The requests that the provider sends.

use serde_json::{Value, json};

use super::{fine, first, send};
use crate::harness::{Request, Response, Sandbox, Server, probe, with};

/// The request that a provider with these keys sends.
fn asked(path: &str, keys: &Value) -> Request {
    let server = fine();
    send(&server.url(path), keys).finished.exits(0);
    first(&server)
}

#[test]
fn get_arguments_become_query() {
    let check = |path: &str, arguments: Value, expected: &str| {
        let request = asked(path, &json!({"arguments": arguments}));
        assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", expected));
        assert_eq!((request.header("content-type"), request.body.as_str()), (None, ""));
    };
    check("/p", json!({"b": 1, "a": "x y&z=ü"}), "/p?b=1&a=x+y%26z%3D%C3%BC");
    check("/p", json!({"a": [1, "two", null], "b": null, "c": 2.5}), "/p?a=1&a=two&c=2.5");
    check("/p", json!({"yes": true, "no": false}), "/p?yes=True&no=False");
    check("/p?x=1", json!({"a": 1}), "/p?x=1&a=1");
    check("/p?x=1", json!({}), "/p?x=1");
    check("/p", json!("a=b"), "/p?a=b");
    check("/p", json!(null), "/p");
}

#[test]
fn post_arguments_become_form_json_or_text() {
    let form = Some("application/x-www-form-urlencoded");
    let document = Some("application/json");
    let check = |keys: Value, content_type: Option<&str>, body: &str| {
        let request = asked("/p", &with(json!({"method": "post"}), &keys));
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/p"), "{keys}");
        assert_eq!((request.header("content-type"), request.body.as_str()), (content_type, body), "{keys}");
        assert_eq!(request.header("content-length"), Some(body.len().to_string().as_str()), "{keys}");
    };
    let map = json!({"a": "x y", "l": [1, 2], "n": null, "t": true});
    check(json!({"arguments": map}), form, "a=x+y&l=1&l=2&t=True");
    check(
        json!({"arguments": map, "headers": {"Content-Type": "application/json"}}),
        document,
        r#"{"a": "x y", "l": [1, 2], "n": null, "t": true}"#,
    );
    // the name and the value must be exactly that
    let parameter = "application/json; charset=utf-8";
    check(json!({"arguments": {"a": 1}, "headers": {"Content-Type": parameter}}), Some(parameter), "a=1");
    check(json!({"arguments": {"a": 1}, "headers": {"content-type": "application/json"}}), document, "a=1");
    check(json!({"arguments": null, "headers": {"Content-Type": "application/json"}}), document, "");
    check(json!({"arguments": [], "headers": {"Content-Type": "application/json"}}), document, "[]");
    check(json!({"arguments": "raw text=1"}), None, "raw text=1");
    check(json!({"arguments": {}}), None, "");
    check(json!({}), None, "");
}

#[test]
fn method_is_sent_in_upper_case() {
    let check = |method: &str, expected: &str| {
        assert_eq!(asked("/", &json!({"method": method})).method, expected);
    };
    check("get", "GET");
    check("Patch", "PATCH");
    check("dElEtE", "DELETE");
    check("purge", "PURGE");
    assert_eq!(asked("/", &json!({})).method, "GET");
}

#[test]
fn default_headers_are_sent() {
    let request = asked("/", &json!({"headers": {"X-Mine": "is here", "Accept": "text/html"}}));
    assert_eq!(request.header("user-agent"), Some(concat!("kubectl-chaos/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(request.header("accept-encoding"), Some("gzip,deflate"));
    assert_eq!(request.header("accept"), Some("text/html"));
    assert_eq!(request.header("x-mine"), Some("is here"));
    assert_eq!(asked("/", &json!({})).header("accept"), Some("*/*"));
    let own = asked("/", &json!({"headers": {"User-Agent": "me", "Host": "example.test"}}));
    assert_eq!((own.header("user-agent"), own.header("host")), (Some("me"), Some("example.test")));
}

#[test]
fn placeholders_in_provider_are_substituted() {
    let server = fine();
    let provider = json!({"type": "http", "url": format!("{}/${{path}}?q=$$", server.url("")),
        "method": "post", "headers": {"X-Token": "Bearer $token", "Content-Type": "application/json"},
        "timeout": "${seconds}", "arguments": {"n": "${count}", "t": "is ${count}", "l": "${list}", "${count}": "$$"}});
    let experiment = with(
        probe(&provider),
        &json!({"configuration": {"path": "a/b", "count": 3, "seconds": 30.5, "list": [1, {"x": null}]},
                "secrets": {"g": {"token": "t0ken"}}}),
    );
    Sandbox::new().experiment(&experiment, [""; 0]).exits(0);
    let request = first(&server);
    assert_eq!((request.path.as_str(), request.header("x-token")), ("/a/b?q=$", Some("Bearer t0ken")));
    let body: Value = serde_json::from_str(&request.body).expect("JSON");
    assert_eq!(body, json!({"n": 3, "t": "is 3", "l": [1, {"x": null}], "${count}": "$"}));
}

#[test]
fn only_url_and_headers_unescape_without_configuration() {
    let request = asked("/$$x", &json!({"headers": {"A": "$$"}, "arguments": {"a": "$$"}}));
    assert_eq!((request.path.as_str(), request.header("a")), ("/$x?a=%24%24", Some("$")));
}

#[test]
fn url_credentials_are_sent_as_authorization() {
    let server = fine();
    let url = server.url("/p").replace("http://", "http://me:p%40ss@");
    for headers in [json!({}), json!({"Authorization": "Bearer mine"})] {
        send(&url, &json!({"headers": headers})).finished.exits(0);
    }
    let sent: Vec<_> = server.requests();
    for request in &sent {
        // base64 of me:p@ss
        assert_eq!(request.header("authorization"), Some("Basic bWU6cEBzcw=="));
        let named = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        assert_eq!(named.count(), 1);
    }
    assert_eq!(sent.len(), 2);
}

#[test]
fn redirects_change_method_like_browsers() {
    let check = |status: u16, method: &str, expected: [&str; 3]| {
        let server = Server::start(move |request| match request.path.as_str() {
            "/old" | "/old?a=1" => Response::with(status, &[("Location", "/new?x=1")], ""),
            _ => Response::new(200, "text/plain", "there"),
        });
        let probed = send(
            &server.url("/old"),
            &json!({"method": method, "arguments": {"a": 1}, "headers": {"X": "y"}}),
        );
        probed.finished.exits(0);
        let [asked, followed] = &server.requests()[..] else { panic!("{:?}", server.requests()) };
        assert_eq!(asked.method, method);
        let came = [followed.method.as_str(), followed.path.as_str(), followed.body.as_str()];
        assert_eq!(came, expected, "{status} {method}");
        assert_eq!(followed.header("x"), Some("y"));
    };
    for status in [301, 302, 303] {
        check(status, "POST", ["GET", "/new?x=1", ""]);
    }
    for status in [307, 308] {
        check(status, "POST", ["POST", "/new?x=1", "a=1"]);
    }
    check(302, "GET", ["GET", "/new?x=1", ""]);
}

#[test]
fn authorization_is_dropped_on_cross_host_redirect() {
    let other = fine();
    let elsewhere = other.url("/there");
    let server = Server::start(move |_| Response::with(302, &[("Location", &elsewhere)], ""));
    let headers = json!({"Authorization": "Bearer t0ken", "Cookie": "c", "X-Kept": "k"});
    send(&server.url("/"), &json!({"headers": headers})).finished.exits(0);
    assert_eq!(first(&server).header("authorization"), Some("Bearer t0ken"));
    let followed = first(&other);
    assert_eq!((followed.path.as_str(), followed.header("x-kept")), ("/there", Some("k")));
    assert_eq!(followed.header("authorization"), None);
}
