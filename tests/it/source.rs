//! Experiments that come from a server.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Chaos, Finished, Request, Response, Server, finish, signal, wait_until};

fn experiment() -> Value {
    json!({"title": "from afar", "description": "d", "method": []})
}

fn run(chaos: &Chaos, url: &str) -> Finished {
    chaos.run(["run", url])
}

#[test]
fn the_content_type_says_what_it_is() {
    let server = Server::start(|request| {
        let yaml = "title: from afar\ndescription: d\nmethod: []\n";
        match request.path.as_str() {
            "/json" => Response::json(&experiment()),
            "/yaml" => Response::new(200, "application/x-yaml", yaml),
            "/text" => Response::new(200, "text/plain; charset=utf-8", yaml),
            "/none" => Response::with(200, &[], &experiment().to_string()),
            "/moved" => Response::with(302, &[("Location", "/json")], ""),
            "/html" => Response::new(200, "text/html", "<p>"),
            "/broken" => Response::new(200, "application/json", "{"),
            "/large" => Response::new(200, "application/json", &" ".repeat(11 * 1024 * 1024)),
            _ => Response::new(404, "text/plain", "nobody has it"),
        }
    });
    for path in ["/json", "/yaml", "/text", "/none", "/moved"] {
        let chaos = Chaos::new();
        run(&chaos, &server.url(path)).exits(0).says("Running experiment: from afar");
        assert_eq!(chaos.journal()["experiment"]["title"], "from afar");
    }
    assert_eq!(server.requests()[0].header("accept"), Some("application/json, application/x-yaml"));
    let refused = |path: &str, text: &str| {
        let chaos = Chaos::new();
        run(&chaos, &server.url(path)).exits(3).says(text);
        assert!(!chaos.path("journal.json").exists());
    };
    refused("/html", "neither JSON nor YAML");
    refused("/broken", "broken JSON");
    refused("/large", "larger than 10 MiB");
    refused("/gone", "Failed to fetch the experiment: nobody has it");
}

#[test]
fn credentials_come_from_the_environment_or_the_settings() {
    let server = Server::start(|_| Response::json(&experiment()));
    let settings = format!("auths:\n  {}:\n    type: basic\n    value: bWU6cHc=\n", server.host());
    let chaos = Chaos::new();
    chaos.write(".chaostoolkit/settings.yaml", settings);
    run(&chaos, &server.url("/")).exits(0);
    let chaos = chaos.env("CHAOSTOOLKIT_LOADER_AUTH_BEARER_TOKEN", " token-of-mine ");
    run(&chaos, &server.url("/")).exits(0);
    run(&Chaos::new(), &server.url("/")).exits(0);
    let sent: Vec<_> =
        server.requests().iter().map(|request| request.header("authorization").map(str::to_owned)).collect();
    assert_eq!(sent, [Some("basic bWU6cHc=".to_owned()), Some("bearer token-of-mine".to_owned()), None]);
}

#[test]
fn credentials_do_not_follow_to_another_host() {
    let other = Server::start(|_| Response::json(&experiment()));
    let elsewhere = other.url("/");
    let server = Server::start(move |_| Response::with(302, &[("Location", &elsewhere)], ""));
    let chaos = Chaos::new().env("CHAOSTOOLKIT_LOADER_AUTH_BEARER_TOKEN", "token-of-mine");
    run(&chaos, &server.url("/")).exits(0);
    assert!(server.requests()[0].header("authorization").is_some());
    assert_eq!(other.requests()[0].header("authorization"), None);
}

#[test]
fn servers_that_are_away_or_silent_are_told() {
    run(&Chaos::new(), "http://127.0.0.1:1/x.json").exits(3).says("Failed to fetch the experiment: ");
    run(&Chaos::new(), "ftp://127.0.0.1/x.json").exits(3).says("'ftp' is not a supported source scheme.");
    let silent = Server::start(|_: &Request| {
        std::thread::sleep(std::time::Duration::from_secs(120));
        Response::nothing()
    });
    let chaos = Chaos::new();
    let child = chaos.start(["run", &silent.url("/x.json")]);
    wait_until("the request arrives", || !silent.requests().is_empty());
    signal(child.id(), Signal::INT);
    let finished = finish(child);
    // nothing has begun, so the signal simply ends the program
    assert!(matches!(finished.code, None | Some(130)), "{finished:?}");
    assert!(!chaos.path("journal.json").exists());
}

#[test]
fn an_address_is_shown_without_its_credentials() {
    let finished = run(&Chaos::new(), "http://me:pass-word@127.0.0.1:1/x.json").exits(3);
    assert!(!finished.stderr.contains("pass-word"), "{}", finished.stderr);
}
