//! Failures of the client: the login program, the name and the proxy of the API server. They are no findings.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::api;
use crate::harness::{Response, Sandbox, experiment, function, kubeconfig, kubeconfig_of, with};
use crate::http::nowhere;

fn count() -> Value {
    let mut probe = function("probe", "pod.probes", "count_pods", &json!({"label_selector": "app=web"}));
    probe["tolerance"] = json!(2);
    probe
}

/// Rollbacks ran, and the run says nothing about the cluster.
#[track_caller]
fn is_void(sandbox: &Sandbox, code: &str) {
    let journal = sandbox.journal();
    assert_eq!(journal["kubectl-chaos"]["error_code"], code, "{journal:#}");
    assert_eq!(journal["kubectl-chaos"]["verdict"], "aborted");
    assert_eq!(journal["rollbacks"][0]["status"], "succeeded");
}

fn undo() -> Value {
    json!([{"type": "action", "name": "undo", "provider": {"type": "process", "path": "true"}}])
}

#[test]
fn login_that_fails_during_the_run_makes_it_void() {
    let server =
        api(|request| request.path.contains("/pods").then(|| Response::json(&super::pods(&["a", "b"]))));
    let sandbox = Sandbox::new();
    // it expires at once, so that every request asks the login program again
    let credential = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": "of-the-plugin", "expirationTimestamp": "2020-01-01T00:00:00Z"}});
    let script =
        format!("#!/bin/sh\ntest ! -e '{}' && echo '{credential}'\n", sandbox.path("broken").display());
    let login = sandbox.write("login", script);
    std::fs::set_permissions(&login, std::fs::Permissions::from_mode(0o755)).unwrap();
    let user = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": login, "args": [],
        "interactiveMode": "Never"}});
    let config = kubeconfig_of(&sandbox, &server, &user);
    let script = "if [ -e go ]; then touch broken; fi";
    let act = json!([{"type": "action", "name": "act",
        "provider": {"type": "process", "path": "sh", "arguments": ["-c", script]}}]);
    let run = |code: i32| {
        let hypothesis = json!({"title": "h", "probes": [count()]});
        let document =
            with(experiment(&act), &json!({"steady-state-hypothesis": hypothesis, "rollbacks": undo()}));
        sandbox.experiment(&document, ["--kubeconfig", &config]).exits(code)
    };
    run(0);
    std::fs::copy(sandbox.path("journal.json"), sandbox.path("fine.json")).unwrap();
    sandbox.write("go", "");
    run(9);
    is_void(&sandbox, "client.login");
    let compared = sandbox.run(["compare", "fine.json", "journal.json"]).exits(8);
    assert!(compared.stdout.contains("inconclusive"), "{}", compared.stdout);
}

#[test]
fn name_and_proxy_of_the_server_are_no_findings() {
    let check = |sandbox: Sandbox, server: &str, code: &str| {
        let user = json!({"token": "of-the-cluster"});
        let config = kubeconfig(&sandbox, server, &user);
        let document = with(experiment(&json!([count()])), &json!({"rollbacks": undo()}));
        // strict runs find it before they start
        sandbox.experiment(&document, ["--kubeconfig", &config, "--strict=false"]).exits(9);
        is_void(&sandbox, code);
    };
    check(Sandbox::new(), "https://api.invalid:6443", "client.dns");
    let dead = nowhere();
    check(
        Sandbox::new().env("HTTPS_PROXY", dead.trim_end_matches('/')),
        // no proxy is used for a loopback address
        "https://192.0.2.1:6443",
        "client.proxy",
    );
}

/// A process that leaves a file, a probe of the cluster, and a rollback that uses the cluster with these secrets.
fn with_secrets(secrets: &Value, place: &str) -> Value {
    let act = json!({"type": "action", "name": "act", "provider":
        {"type": "process", "path": "touch", "arguments": ["acted"]}});
    let mut probe = count();
    probe["provider"]["secrets"] = json!(["k8s"]);
    let (method, hypothesis, rollbacks) = match place {
        "method" => (json!([act, probe]), Value::Null, undo()),
        "rollbacks" => (json!([act]), Value::Null, json!([probe])),
        _ => (json!([act]), json!({"title": "h", "probes": [probe]}), undo()),
    };
    let mut document =
        with(experiment(&method), &json!({"secrets": {"k8s": secrets}, "rollbacks": rollbacks}));
    if !hypothesis.is_null() {
        document["steady-state-hypothesis"] = hypothesis;
    }
    document
}

#[test]
fn invalid_connection_of_an_activity_is_known_before_the_run() {
    let server =
        api(|request| request.path.contains("/pods").then(|| Response::json(&super::pods(&["a", "b"]))));
    let check = |secrets: Value, with_config: bool, expected: &str| {
        for place in ["method", "rollbacks", "hypothesis"] {
            let run = |flags: &[&str]| {
                let sandbox = Sandbox::new();
                let config = kubeconfig_of(&sandbox, &server, &json!({"token": "t"}));
                let sandbox = if with_config { sandbox.env("KUBECONFIG", config) } else { sandbox };
                let finished = sandbox.experiment(&with_secrets(&secrets, place), flags);
                assert!(!finished.stderr.contains("s3cret"), "{}", finished.stderr);
                (sandbox, finished)
            };
            let (sandbox, finished) = run(&[]);
            finished.exits(4).reports(expected);
            assert!(!sandbox.path("acted").exists(), "{place}");
            // in a lenient run only the activity fails, as in the Chaos Toolkit
            let (_, finished) = run(&["--strict=false"]);
            finished.exits(match place {
                "rollbacks" => 6,
                "hypothesis" => 8,
                _ => 0,
            });
        }
    };
    check(json!({"KUBERNETES_CONTEXT": "nowhere"}), true, "object with name nowhere");
    let token = json!({"KUBERNETES_HOST": server.url(""), "KUBERNETES_API_KEY": "s3cret\ns3cret"});
    check(token, false, "the token has characters that an HTTP header cannot have");
    let file = json!({"KUBERNETES_HOST": server.url(""), "KUBERNETES_CERT_FILE": "/nowhere", "KUBERNETES_KEY_FILE": "/nowhere"});
    check(file, false, "cannot read /nowhere");
}

/// The activities in a tolerance are not checked before the run.
#[test]
fn invalid_connection_of_a_tolerance_makes_the_run_void() {
    let judge = json!({"type": "probe", "name": "judge", "provider": {"type": "python",
        "module": "chaosk8s.pod.probes", "func": "should_be_found_in_logs", "arguments": {"pattern": "x"},
        "secrets": ["k8s"]}});
    let probe = json!({"type": "probe", "name": "seen", "tolerance": judge,
        "provider": {"type": "process", "path": "true"}});
    let more = json!({"secrets": {"k8s": {"KUBERNETES_CONTEXT": "nowhere"}}, "rollbacks": undo(),
        "steady-state-hypothesis": {"title": "h", "probes": [probe]}});
    let sandbox = Sandbox::new();
    let config = kubeconfig(&sandbox, "https://127.0.0.1:1", &json!({"token": "t"}));
    let given = ["--kubeconfig", &config, "--rollback-strategy=always"];
    sandbox.experiment(&with(experiment(&json!([])), &more), given).exits(9);
    is_void(&sandbox, "client.config");
}

#[test]
fn refused_credentials_and_login_pages_during_the_run_make_it_void() {
    fn refused() -> Response {
        crate::harness::refused(401, "Unauthorized", &Value::Null)
    }
    fn page() -> Response {
        Response::new(200, "text/html", "<html>sign in</html>")
    }
    fn forbidden_page() -> Response {
        Response::new(403, "text/html", "<html>sign in</html>")
    }
    fn redirect() -> Response {
        Response::with(302, &[("Location", "https://login.invalid/")], "")
    }
    let kill = json!({"label_selector": "app=web", "all": true});
    let kill = function("action", "pod.actions", "terminate_pods", &kill);
    let check = |answer: fn() -> Response, code: &str, second: &Value| {
        let is_over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let over = std::sync::Arc::clone(&is_over);
        let server = api(move |request| match request.path.as_str() {
            "/expire" => {
                over.store(true, std::sync::atomic::Ordering::Relaxed);
                Some(Response::json(&json!({})))
            }
            path if path.contains("/pods") && over.load(std::sync::atomic::Ordering::Relaxed) => {
                Some(answer())
            }
            path if path.contains("/pods") => Some(Response::json(&super::pods(&["a", "b"]))),
            _ => None,
        });
        let sandbox = Sandbox::new();
        let config = kubeconfig_of(&sandbox, &server, &json!({"token": "t"}));
        let expire = json!({"type": "action", "name": "expire", "provider":
            {"type": "http", "url": server.url("/expire"), "verify_tls": false}});
        let run = |method: &Value, code: i32| {
            let hypothesis = json!({"title": "h", "probes": [count()]});
            let more = json!({"steady-state-hypothesis": hypothesis, "rollbacks": undo()});
            let document = with(experiment(method), &more);
            sandbox.experiment(&document, ["--kubeconfig", &config, "--effect-timeout=1s"]).exits(code)
        };
        run(&json!([]), 0);
        run(&json!([expire, second]), 9);
        is_void(&sandbox, code);
    };
    let look = count();
    for (answer, code) in [
        (refused as fn() -> Response, "client.unauthorized"),
        (page, "client.answer"),
        (forbidden_page, "client.answer"),
        (redirect, "client.answer"),
    ] {
        check(answer, code, &look);
        check(answer, code, &kill);
    }
}

#[test]
fn login_that_fails_after_the_run_makes_its_samples_void() {
    let expired_at = std::sync::Arc::new(std::sync::Mutex::new(None::<std::time::Instant>));
    let at = std::sync::Arc::clone(&expired_at);
    let server = api(move |request| {
        let mut at = at.lock().unwrap();
        if request.path == "/expire" {
            at.get_or_insert_with(std::time::Instant::now);
            return Some(Response::json(&json!({})));
        }
        // the run ends first
        let is_over = at.is_some_and(|at| at.elapsed() > std::time::Duration::from_millis(500));
        match request.path.contains("/pods") {
            true if is_over => Some(crate::harness::refused(401, "Unauthorized", &Value::Null)),
            true => Some(Response::json(&super::pods(&["a", "b"]))),
            false => None,
        }
    });
    let sandbox = Sandbox::new();
    let config = kubeconfig_of(&sandbox, &server, &json!({"token": "t"}));
    let act = json!({"type": "action", "name": "act", "provider": {"type": "http", "url": server.url("/expire"), "verify_tls": false}});
    let hypothesis = json!({"title": "h", "probes": [count()]});
    let more = json!({"steady-state-hypothesis": hypothesis, "rollbacks": undo()});
    let document = with(experiment(&json!([act])), &more);
    let given = ["--kubeconfig", &config, "--sample=200ms", "--sample-probe=count_pods"];
    sandbox.experiment(&document, given).exits(9).reports("client.unauthorized");
    is_void(&sandbox, "client.unauthorized");
    assert_eq!(sandbox.journal()["status"], "aborted");
}
