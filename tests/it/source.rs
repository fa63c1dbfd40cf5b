//! Experiments from a URL.

use serde_json::{Value, json};

use crate::harness::{
    DEADLINE, Request, Response, Sandbox, Server, TlsServer, distrustful, experiment, finish, is_written,
    signal, wait_until,
};
use crate::http::nowhere;

const JSON: &str = "application/json";

/// An experiment that does nothing.
fn document() -> String {
    experiment(&json!([])).to_string()
}

const YAML: &str = "title: A test\ndescription: What a test looks at.\nmethod: []\n";

/// A server that returns an experiment for every request.
fn library() -> Server {
    Server::start(|_| Response::new(200, JSON, &document()))
}

/// Asserts that an experiment is rejected for this reason before anything runs.
#[track_caller]
fn refused(sandbox: &Sandbox, url: &str, text: &str) {
    let finished = sandbox.run(["run", "--output=json", url]).exits(3).reports(text);
    let answer = finished.json();
    assert_eq!((&answer["outcome"], &answer["error"]["stage"]), (&json!("error"), &json!("load")));
    let first = text.lines().next().expect("a line");
    assert!(answer["error"]["message"].as_str().is_some_and(|said| said.contains(first)), "{answer}");
    assert!(!is_written(&sandbox.path("journal.json")), "there is no journal of what did not run");
}

#[test]
fn content_type_decides_experiment_format() {
    let check = |headers: &'static [(&str, &str)], body: String| {
        let server = Server::start(move |_| Response::with(200, headers, &body));
        let sandbox = Sandbox::new();
        sandbox.run(["run", &server.url("/e")]).exits(0);
        assert_eq!(sandbox.journal()["experiment"]["title"], "A test", "{headers:?}");
        let requests = server.requests();
        let [request] = requests.as_slice() else { panic!("{requests:?}") };
        assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/e"));
        assert_eq!(request.header("accept"), Some("application/json, application/x-yaml"));
        assert_eq!(request.header("authorization"), None);
    };
    check(&[("Content-Type", "application/json")], document());
    check(&[("Content-Type", "application/json; charset=utf-8")], document());
    check(&[("Content-Type", "application/x-yaml")], YAML.to_owned());
    check(&[("Content-Type", "application/yaml")], YAML.to_owned());
    check(&[("Content-Type", "text/yaml; charset=utf-8")], YAML.to_owned());
    check(&[("Content-Type", "text/plain")], document());
    check(&[("Content-Type", "text/plain; charset=utf-8")], YAML.to_owned());
    check(&[], document());
    check(&[], YAML.to_owned());
}

#[test]
fn unreadable_response_is_rejected() {
    let check = |status: u16, content_type: &'static str, body: &'static str, text: &str| {
        let server = Server::start(move |_| Response::new(status, content_type, body));
        refused(&Sandbox::new(), &server.url("/e"), text);
    };
    check(200, "text/html", "<html>", "the server sent text/html, which is neither JSON nor YAML");
    check(200, JSON, "{\"title\": ", "broken JSON");
    check(200, "application/x-yaml", "a: [", "Failed parsing YAML experiment: ");
    check(404, JSON, "not here", "Failed to fetch the experiment: not here\n");
    check(404, JSON, "", "Failed to fetch the experiment: 404 Not Found\n");
    check(404, "text/html", "<html>not here</html>", "Failed to fetch the experiment: 404 Not Found\n");
    check(500, JSON, "{}", "Failed to fetch the experiment: {}\n");
    check(204, JSON, "", "Failed to fetch the experiment: 204 No Content\n");
    check(401, "text/plain", "who are you?", "Failed to fetch the experiment: who are you?\n");
}

#[test]
fn unreachable_source_is_rejected() {
    let url = nowhere();
    refused(&Sandbox::new(), &url, "Failed to fetch the experiment: ");
    refused(&Sandbox::new(), &url, "Connection refused");
    let silent = Server::start(|_| Response::nothing());
    refused(&Sandbox::new(), &silent.url("/"), "connection closed before message completed");
    let cut = Server::start(|_| Response(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{".to_vec()));
    refused(&Sandbox::new(), &cut.url("/"), "Failed to fetch the experiment: ");
}

#[test]
fn oversized_experiment_is_rejected() {
    const SIZE: usize = 10 * 1024 * 1024;
    let endless = Server::holding(|_| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n".to_vec();
        Response([head, vec![b' '; SIZE + 1]].concat())
    });
    refused(&Sandbox::new(), &endless.url("/"), "larger than 10 MiB");
}

/// A server that accepts a request and sends no response.
fn silent() -> Server {
    Server::holding(|_| Response::nothing())
}

#[test]
fn pending_experiment_request_can_be_interrupted() {
    let server = silent();
    let sandbox = Sandbox::new();
    let child = sandbox.start(["run", &server.url("/e")]);
    wait_until("it asks", || !server.requests().is_empty());
    // not SIGINT: shells make background processes ignore it
    signal(child.id(), rustix::process::Signal::TERM);
    let finished = finish(child);
    // ended by the signal, which shells report as 143
    assert!(matches!(finished.code, None | Some(143)), "{finished:?}");
    assert!(!is_written(&sandbox.path("journal.json")));
}

#[test]
#[ignore = "it waits half a minute"]
fn experiment_request_times_out() {
    assert!(DEADLINE.as_secs() > 30);
    refused(
        &Sandbox::new(),
        &silent().url("/e"),
        "Failed to fetch the experiment: no answer within 30 seconds",
    );
}

#[test]
fn redirects_are_followed() {
    let server = Server::start(|request| match request.path.as_str() {
        "/latest" => Response::with(302, &[("Location", "/v2/e.json")], ""),
        "/v2/e.json" => Response::new(200, JSON, &document()),
        _ => Response::with(302, &[("Location", "/again")], ""),
    });
    let sandbox = Sandbox::new();
    sandbox.run(["run", &server.url("/latest")]).exits(0);
    assert_eq!(sandbox.journal()["experiment"]["title"], "A test");
    refused(&Sandbox::new(), &server.url("/loop"), "too many redirects");
}

#[test]
fn bearer_token_from_environment_is_sent() {
    let check = |token: &str, settings: bool, expected: Option<&str>| {
        let server = library();
        let sandbox = Sandbox::new().env("CHAOSTOOLKIT_LOADER_AUTH_BEARER_TOKEN", token);
        if settings {
            let auths = json!({"auths": {server.host(): {"type": "digest", "value": "from settings"}}});
            sandbox.write(".chaostoolkit/settings.yaml", auths.to_string());
        }
        let finished = sandbox.run(["run", &server.url("/e"), "--verbose"]).exits(0);
        assert_eq!(server.requests()[0].header("authorization"), expected, "{token:?}");
        assert!(token.trim().is_empty() || !finished.stderr.contains(token.trim()));
    };
    check("t0ken-of-the-loader", false, Some("bearer t0ken-of-the-loader"));
    check(" t0ken-of-the-loader\n", false, Some("bearer t0ken-of-the-loader"));
    check("t0ken-of-the-loader", true, Some("bearer t0ken-of-the-loader"));
    check("", true, Some("digest from settings"));
    check("", false, None);
}

#[test]
fn settings_credentials_match_host_and_port() {
    let check = |host: &dyn Fn(&Server) -> String, expected: Option<&str>| {
        let server = library();
        let sandbox = Sandbox::new();
        let auths = json!({"auths": {host(&server): {"type": "basic", "value": "Zm9vOmJhcg=="}}});
        sandbox.write("mine.yaml", auths.to_string());
        sandbox.run(["run", "--settings=mine.yaml", &server.url("/e")]).exits(0);
        assert_eq!(server.requests()[0].header("authorization"), expected);
        sandbox.run(["validate", "--settings=mine.yaml", &server.url("/e")]).exits(0);
        assert_eq!(server.requests()[1].header("authorization"), expected);
    };
    check(&Server::host, Some("basic Zm9vOmJhcg=="));
    check(&|_| "127.0.0.1".to_owned(), None);
    check(&|_| "example.test".to_owned(), None);
}

#[test]
fn authorization_is_dropped_on_cross_host_redirect() {
    let other = library();
    let elsewhere = other.url("/e");
    let server = Server::start(move |_| Response::with(302, &[("Location", &elsewhere)], ""));
    let sandbox = Sandbox::new().env("CHAOSTOOLKIT_LOADER_AUTH_BEARER_TOKEN", "t0ken");
    sandbox.run(["run", &server.url("/")]).exits(0);
    assert_eq!(server.requests()[0].header("authorization"), Some("bearer t0ken"));
    assert_eq!(other.requests()[0].header("authorization"), None);
}

#[test]
fn url_credentials_are_sent_and_masked() {
    let authorizations = |request: &Request| -> Vec<String> {
        let named = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        named.map(|(_, value)| value.clone()).collect()
    };
    let with_user = |url: String| url.replace("http://", "http://me:pa55word@");
    let server = Server::start(|request| match request.path.as_str() {
        "/e.json" => Response::new(200, JSON, &document()),
        "/broken" => Response::new(200, JSON, "{"),
        _ => Response::new(404, JSON, "not here"),
    });
    for path in ["/e.json", "/broken", "/none"] {
        for verb in ["run", "validate"] {
            for format in ["text", "json", "agent"] {
                // base64 of me:pa55word
                let sandbox = Sandbox::new().env("CHAOSTOOLKIT_LOADER_AUTH_BEARER_TOKEN", "another");
                let url = with_user(server.url(path));
                let finished = sandbox.run([verb, "--output", format, "--verbose", &url]);
                let journal = sandbox.path("journal.json").exists().then(|| sandbox.read("journal.json"));
                for text in [finished.stdout, finished.stderr, journal.unwrap_or_default()] {
                    assert!(!text.contains("pa55word"), "{verb} {path} {format}: {text}");
                }
            }
        }
    }
    for request in server.requests() {
        assert_eq!(authorizations(&request), ["Basic bWU6cGE1NXdvcmQ="]);
    }
    for url in [with_user(nowhere()), "ftp://me:pa55word@127.0.0.1/e".to_owned()] {
        let finished = Sandbox::new().run(["run", "--output=json", &url]).exits(3);
        assert!(
            !finished.stderr.contains("pa55word") && !finished.stdout.contains("pa55word"),
            "{finished:?}"
        );
    }
}

#[test]
fn server_certificate_is_verified() {
    let server = TlsServer::start(|_| Response::new(200, JSON, &document()));
    refused(&distrustful(), &server.url("/e"), "invalid peer certificate: UnknownIssuer");
    assert_eq!(server.requests().len(), 0);
    distrustful().run(["run", "--no-verify-tls", &server.url("/e")]).exits(0);
    distrustful().run(["validate", "--no-verify-tls", &server.url("/e")]).exits(0);
    distrustful().run(["validate", &server.url("/e")]).exits(3);
    for variable in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"] {
        let mut sandbox = Sandbox::new();
        let path = sandbox.write("authority.pem", server.authority());
        sandbox = sandbox.env(variable, path.display().to_string());
        sandbox.run(["run", &server.url("/e")]).exits(0);
    }
}

#[test]
fn all_experiments_are_loaded_before_first_run() {
    let server = Server::start(|request| match request.path.as_str() {
        "/first.json" => Response::new(200, JSON, &document()),
        _ => Response::new(404, JSON, "not here"),
    });
    let sandbox = Sandbox::new();
    let said = sandbox.run(["run", &server.url("/first.json"), &server.url("/second.json")]).exits(3);
    assert!(!said.stderr.contains("Running experiment"), "{}", said.stderr);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn unsupported_url_scheme_is_rejected() {
    let check = |source: &str, text: &str| {
        refused(&Sandbox::new(), source, text);
        let answer = Sandbox::new().run(["validate", "--output=json", source]).exits(3).json();
        assert_eq!(answer["files"][0]["valid"], Value::Bool(false));
    };
    check("file:///etc/hostname", "'file' is not a supported source scheme.");
    check("no-such-file.json", "Path \"no-such-file.json\" does not exist.");
}
