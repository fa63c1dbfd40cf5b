//! Clusters that are missing, unreachable, or return errors.

use serde_json::{Value, json};

use super::Transcript;
use crate::harness::{Request, Response, Sandbox, Server, experiment, function, kubeconfig, refused};

/// An experiment that counts Pods.
fn count() -> Value {
    experiment(&json!([function("probe", "pod.probes", "count_pods", &json!({"label_selector": "app=web"}))]))
}

/// An experiment that kills all Pods with a label.
fn kill() -> Value {
    let arguments = json!({"label_selector": "app=web", "all": true});
    experiment(&json!([function("action", "pod.actions", "terminate_pods", &arguments)]))
}

/// A sandbox with both experiments.
fn folder() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("count.json", count().to_string());
    sandbox.write("kill.json", kill().to_string());
    sandbox
}

#[test]
fn kubeconfig_errors_match() {
    let mut said = Transcript::new();
    let sandbox = folder();
    let config = |name: &str, content: Value| drop(sandbox.write(name, content.to_string()));
    let whole = json!({"current-context": "one",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}, {"name": "empty", "cluster": {}}],
        "users": [{"name": "u", "user": {}}, {"name": "file", "user": {"tokenFile": "nowhere"}},
            {"name": "cert", "user": {"client-certificate": "nowhere", "client-key": "nowhere"}},
            {"name": "exec", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1",
                "command": "nothing-of-this-name", "interactiveMode": "Never"}}},
            {"name": "provider", "user": {"auth-provider": {"name": "gcp"}}}],
        "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}},
            {"name": "lost", "context": {"cluster": "none", "user": "u"}},
            {"name": "other", "context": {"cluster": "c", "user": "none"}}]});
    config("config", whole.clone());
    // one invalid value makes a whole file invalid, as for kubectl
    let mut data = whole.clone();
    data["users"][0]["user"] = json!({"client-certificate-data": "!", "client-key-data": "!"});
    config("data", data);
    let mut none = whole.clone();
    none.as_object_mut().unwrap().shift_remove("current-context");
    config("none", none);
    config("empty", json!({}));
    sandbox.write("broken", "contexts: [");
    sandbox.write("text", "text");
    said.call(&sandbox, "run count.json");
    for flags in [
        "nowhere",
        ".",
        "empty",
        "broken",
        "text",
        "none",
        "config",
        "config --context two",
        "config --context lost",
        "config --context other",
        "config --cluster two",
        "config --cluster empty",
        "config --user two",
        "config --user file",
        "config --user cert",
        "data",
        "config --user exec",
        "config --user provider",
        "config --as-group dev",
        "config --as-uid 7",
        "config --server nonsense",
        "config --server h:80",
        "config --server ftp://h",
        "config --token 'a\nb'",
        "config --certificate-authority nowhere",
        "config --client-certificate nowhere --client-key nowhere",
    ] {
        said.call(&sandbox, &format!("run count.json --kubeconfig {flags}"));
    }
    said.check("errors-kubeconfig");
}

/// Runs against a server with these responses.
fn against(
    said: &mut Transcript,
    heading: &str,
    line: &str,
    answer: impl Fn(&Request) -> Response + Send + Sync + 'static,
) {
    let sandbox = folder();
    let api = Server::start(answer);
    let config = kubeconfig(&sandbox, &api.url(""), &json!({}));
    said.heading(heading);
    said.call(&sandbox, &format!("{line} --kubeconfig {config} --effect-timeout 1s"));
}

/// The version that every server reports.
fn version() -> Response {
    Response::json(&json!({"gitVersion": "v1.30.0"}))
}

fn pods() -> Response {
    let pod =
        |name: &str| json!({"metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}")}});
    Response::json(&json!({"metadata": {}, "items": [pod("a"), pod("b")]}))
}

#[test]
fn api_server_errors_match() {
    let mut said = Transcript::new();
    for code in [401, 403, 404, 500, 503] {
        against(&mut said, &format!("every request is answered with {code}"), "run count.json", move |_| {
            refused(code, "you may not", &Value::Null)
        });
        against(&mut said, &format!("a look is answered with {code}"), "run count.json", move |request| {
            match request.path.as_str() {
                "/version" => version(),
                _ => refused(code, "you may not", &Value::Null),
            }
        });
        against(&mut said, &format!("a deletion is answered with {code}"), "run kill.json", move |request| {
            match (request.method.as_str(), request.path.as_str()) {
                (_, "/version") => version(),
                ("DELETE", _) => refused(code, "you may not", &Value::Null),
                (_, path) if path.contains("/pods") => pods(),
                _ => Response::json(&json!({"metadata": {"uid": "u"}})),
            }
        });
    }
    against(&mut said, "no JSON", "run count.json", |_| Response::new(200, "text/html", "<html>"));
    against(&mut said, "another version", "run count.json", |_| Response::json(&json!({"a": 1})));
    against(&mut said, "no answer", "run count.json", |_| Response::nothing());
    against(&mut said, "no effect", "run kill.json", |request| {
        match (request.method.as_str(), request.path.as_str()) {
            (_, "/version") => version(),
            ("GET", path) if path.contains("/pods?") => pods(),
            ("GET", path) if path.contains("/pods/") => {
                let name = path.rsplit('/').next().unwrap();
                Response::json(&json!({"metadata": {"name": name, "uid": format!("uid-{name}")}}))
            }
            _ => Response::json(&json!({"metadata": {"uid": "u"}})),
        }
    });
    against(&mut said, "nothing matches", "run kill.json", |request| match request.path.as_str() {
        "/version" => version(),
        path if path.contains("/pods") => Response::json(&json!({"metadata": {}, "items": []})),
        _ => Response::json(&json!({"metadata": {"uid": "u"}})),
    });
    said.check("errors-cluster");
}

#[test]
fn service_errors_match() {
    let mut said = Transcript::new();
    let service = |spec: Value| Response::json(&json!({"spec": spec}));
    for (url, flags, code, body) in [
        ("http://web.svc/", "", 404, "not found"),
        ("http://web.svc/", "", 403, "you may not"),
        ("http://web.svc:81/", "", 200, "port"),
        ("http://web.svc/", "", 200, "external"),
        ("http://web.svc/", "", 200, "none"),
        ("http://web.svc/", "", 200, "two"),
        ("http://web.svc/", "", 200, "port"),
        ("https://web.svc/", "--service-access proxy", 200, "port"),
        ("http://web.svc/", "--service-access port-forward", 200, "port"),
        ("http://web.svc/", "--service-access direct", 200, "port"),
    ] {
        let sandbox = Sandbox::new();
        let provider = json!({"type": "http", "url": url, "timeout": 2});
        let probe = json!({"type": "probe", "name": "ask", "tolerance": 200, "provider": provider});
        let one = json!({"title": "t", "description": "d", "method": [],
            "steady-state-hypothesis": {"title": "h", "probes": [probe]}});
        sandbox.write("e.json", one.to_string());
        let api = Server::start(move |request| match request.path.as_str() {
            "/version" => version(),
            path if path.ends_with("/services/web") && code != 200 => refused(code, body, &Value::Null),
            path if path.ends_with("/services/web") => match body {
                "external" => service(json!({"type": "ExternalName", "externalName": "h"})),
                "none" => service(json!({"ports": []})),
                "two" => service(json!({"ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "b"}]})),
                _ => service(json!({"ports": [{"port": 80}], "selector": {"a": "b"}})),
            },
            path if path.contains("/proxy") => {
                refused(503, "no endpoints available for service \"web\"", &Value::Null)
            }
            _ => refused(404, "not found", &Value::Null),
        });
        let config = kubeconfig(&sandbox, &api.url(""), &json!({}));
        said.heading(&format!("{url} {flags}: {code} {body}"));
        said.call(&sandbox, format!("run e.json --kubeconfig {config} {flags}").trim_end());
    }
    said.check("errors-services");
}
