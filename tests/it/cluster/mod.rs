//! Communication with a cluster, against a mock of its API server: cases that are hard to produce on a real
//! cluster, or that its version does not have.

mod actions;
mod api_etiquette;
mod client_failures;
mod connection;
mod mutations;
mod steps;

use serde_json::{Value, json};

use crate::harness::{ProcessResult, Request, Response, Sandbox, Server, experiment, kubeconfig_of, refused};

/// An API server with a version. `more` answers other requests.
fn api(more: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static) -> Server {
    Server::secure(move |request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": "v1.30.0"})),
        _ => more(request).unwrap_or_else(|| refused(404, "not found", &Value::Null)),
    })
}

/// A list of Pods of these names, with their UIDs.
fn pods(names: &[&str]) -> Value {
    let pod =
        |name: &&str| json!({"metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}")}});
    json!({"metadata": {}, "items": names.iter().map(pod).collect::<Vec<_>>()})
}

/// Runs a method on the mock.
fn run(sandbox: &Sandbox, api: &Server, method: &Value, arguments: &[&str]) -> ProcessResult {
    let config = kubeconfig_of(sandbox, api, &json!({"token": "of-the-cluster"}));
    let given = ["--kubeconfig", &config, "--effect-timeout", "2s"];
    sandbox.experiment(&experiment(method), given.iter().chain(arguments))
}

/// The requests to a server, without those of every run.
fn asked(api: &Server) -> Vec<String> {
    let requests = api.requests().into_iter();
    let own = |path: &str| path == "/version" || path.ends_with("/namespaces/kube-system");
    requests
        .filter(|request| !own(&request.path))
        .map(|request| request.method + " " + &request.path)
        .collect()
}
