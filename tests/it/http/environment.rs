//! Request settings from the environment: proxies, and credentials by host.

use serde_json::{Value, json};

use super::{fine, first, nowhere, run};
use crate::harness::{Response, Sandbox, Server};

/// A proxy that responds to every request.
fn proxy() -> Server {
    Server::start(|_| Response::new(200, "text/plain", "by proxy"))
}

#[test]
fn proxy_from_environment_is_used() {
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let proxy = proxy();
        let sandbox = Sandbox::new().env(variable, proxy.url(""));
        let probed = run(&sandbox, &json!({"type": "http", "url": "http://far.example.test/p?q=1"}));
        assert_eq!(probed.output()["body"], "by proxy", "{variable}: {}", probed.finished.stderr);
        let request = first(&proxy);
        assert_eq!(request.path, "http://far.example.test/p?q=1");
        assert_eq!(request.header("host"), Some("far.example.test"));
    }
}

#[test]
fn proxy_url_credentials_are_sent_to_proxy() {
    let proxy = proxy();
    let sandbox = Sandbox::new().env("HTTP_PROXY", proxy.url("").replace("http://", "http://me:pass@"));
    run(&sandbox, &json!({"type": "http", "url": "http://far.example.test/"})).finished.exits(0);
    // base64 of me:pass
    assert_eq!(first(&proxy).header("proxy-authorization"), Some("Basic bWU6cGFzcw=="));
}

#[test]
fn no_proxy_hosts_bypass_proxy() {
    let (proxy, server) = (proxy(), fine());
    let sandbox = Sandbox::new().env("HTTP_PROXY", proxy.url("")).env("NO_PROXY", "localhost,127.0.0.1");
    assert_eq!(run(&sandbox, &json!({"type": "http", "url": server.url("/")})).output()["body"], "fine");
    assert_eq!(proxy.requests().len(), 0);
}

#[test]
fn http_proxy_is_not_used_for_https() {
    let proxy = proxy();
    let sandbox = Sandbox::new().env("HTTP_PROXY", proxy.url(""));
    let url = nowhere().replace("http:", "https:");
    let probed = run(&sandbox, &json!({"type": "http", "url": url}));
    assert!(probed.error().contains("Connection refused"), "{}", probed.error());
    assert_eq!(proxy.requests().len(), 0);
}

#[test]
fn refused_proxy_tunnel_fails_probe() {
    let proxy = Server::start(|_| Response::new(403, "text/plain", "no"));
    let sandbox = Sandbox::new().env("HTTPS_PROXY", proxy.url(""));
    let probed = run(&sandbox, &json!({"type": "http", "url": "https://far.example.test/"}));
    assert!(
        probed.error().contains("failed to connect to https://far.example.test/: "),
        "{}",
        probed.error()
    );
    let request = first(&proxy);
    assert_eq!((request.method.as_str(), request.path.as_str()), ("CONNECT", "far.example.test:443"));
}

#[test]
fn unreachable_proxy_fails_probe() {
    let sandbox = Sandbox::new().env("HTTP_PROXY", nowhere());
    let server = fine();
    let probed = run(&sandbox, &json!({"type": "http", "url": server.url("/")}));
    assert!(probed.error().contains("failed to connect to "), "{}", probed.error());
    assert_eq!(server.requests().len(), 0);
}

const NETRC: &str =
    "machine 127.0.0.1 login me password pa55word\nmachine other.test login you password no\n";
/// base64 of me:pa55word
const BASIC: &str = "Basic bWU6cGE1NXdvcmQ=";

#[test]
fn netrc_provides_credentials() {
    let check = |file: &str, variable: Option<&str>, keys: Value, expected: Option<&str>| {
        let server = fine();
        let mut sandbox = Sandbox::new();
        let path = sandbox.write(file, NETRC);
        if let Some(variable) = variable {
            sandbox = sandbox.env(variable, path.display().to_string());
        }
        let provider = crate::harness::with(json!({"type": "http", "url": server.url("/")}), &keys);
        run(&sandbox, &provider).finished.exits(0);
        assert_eq!(first(&server).header("authorization"), expected, "{file} {keys}");
    };
    check(".netrc", None, json!({}), Some(BASIC));
    check("elsewhere", Some("NETRC"), json!({}), Some(BASIC));
    check("elsewhere", None, json!({}), None);
    // headers in the experiment are never replaced
    check(".netrc", None, json!({"headers": {"Authorization": "Bearer mine"}}), Some("Bearer mine"));
    check(".netrc", None, json!({"headers": {"authorization": "Bearer mine"}}), Some("Bearer mine"));
}

#[test]
fn netrc_credentials_are_sent_only_to_their_host() {
    let sandbox = Sandbox::new();
    sandbox.write(".netrc", NETRC.replace("127.0.0.1", "elsewhere.test"));
    let server = fine();
    run(&sandbox, &json!({"type": "http", "url": server.url("/")})).finished.exits(0);
    assert_eq!(first(&server).header("authorization"), None);
}
