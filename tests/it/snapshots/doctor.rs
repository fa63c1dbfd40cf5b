//! The findings of `doctor` for each cause.

use serde_json::{Value, json};

use super::Transcript;
use crate::doctor::{api, experiment, machine, mode, script};
use crate::harness::{Request, Response, Sandbox, Server, TlsServer, kubeconfig, refused};

/// Runs `doctor` against a cluster.
fn look(said: &mut Transcript, sandbox: &Sandbox, server: &str, more: &str) {
    let config = kubeconfig(sandbox, server, &json!({}));
    said.call(sandbox, &format!("doctor {more} --kubeconfig {config}"));
}

#[test]
fn doctor_program_checks_match() {
    let (api, mut said) = (api("v1.30.0", &[]), Transcript::new());
    let url = api.url("");
    said.heading("a machine without faults");
    look(&mut said, &machine(&["own"]), &url, "");
    look(&mut said, &machine(&["own"]), &url, "-o wide");
    said.heading("another program comes first on PATH");
    let sandbox = machine(&["other", "own"]);
    script(&sandbox, "other/kubectl-chaos", "echo kubectl-chaos v0.1.1");
    look(&mut said, &sandbox, &url, "");
    said.heading("another program comes last on PATH");
    let sandbox = machine(&["own", "other"]);
    script(&sandbox, "other/kubectl-chaos", "echo kubectl-chaos v0.1.1");
    look(&mut said, &sandbox, &url, "");
    said.heading("another version comes first on PATH");
    let sandbox = machine(&["other", "own"]);
    let version = "echo 'kubectl chaos 0.0.9 (commit abcdef1, x86_64-unknown-linux-musl)'";
    script(&sandbox, "other/kubectl-chaos", version);
    look(&mut said, &sandbox, &url, "");
    said.heading("everybody can write into the folder");
    let sandbox = machine(&["other", "own"]);
    script(&sandbox, "other/kubectl-chaos", "exit 0");
    mode(&sandbox, "other", 0o777);
    look(&mut said, &sandbox, &url, "");
    said.heading("the current folder is on PATH");
    mode(&sandbox, "other", 0o755);
    let here = sandbox.path("other").display().to_string();
    let path = format!(".:{}", sandbox.path("own").display());
    let sandbox = sandbox.env("PATH", path);
    look(&mut said, &sandbox, &url, &format!("--change-dir {here}"));
    said.heading("plugins below this one, no completion, an old kubectl");
    let sandbox = machine(&["own"]);
    script(&sandbox, "own/kubectl-chaos-run", "exit 0");
    std::fs::remove_file(sandbox.path("own/kubectl_complete-chaos")).unwrap();
    script(&sandbox, "own/kubectl", "echo '{\"clientVersion\": {\"gitVersion\": \"v1.24.0\"}}'");
    look(&mut said, &sandbox, &url, "");
    said.heading("a kubectl that does not say its version");
    script(&sandbox, "own/kubectl", "exit 1");
    look(&mut said, &sandbox, &url, "");
    said.heading("no kubectl");
    std::fs::remove_file(sandbox.path("own/kubectl")).unwrap();
    look(&mut said, &sandbox, &url, "");
    said.heading("this program is not on PATH");
    std::fs::remove_file(sandbox.path("own/kubectl-chaos")).unwrap();
    look(&mut said, &sandbox, &url, "");
    said.check("doctor-programs");
}

#[test]
fn doctor_kubeconfig_checks_match() {
    let (api, mut said) = (api("v1.30.0", &[]), Transcript::new());
    let sandbox = machine(&["own"]);
    said.heading("no kubeconfig");
    said.call(&sandbox, "doctor");
    let broken = sandbox.write("broken", "contexts: [").display().to_string();
    let good = kubeconfig(&sandbox, &api.url(""), &json!({}));
    said.heading("one file is broken");
    let sandbox = sandbox.env("KUBECONFIG", format!("{good}:{broken}"));
    said.call(&sandbox, "doctor");
    said.heading("one file is missing");
    let sandbox = sandbox.env("KUBECONFIG", format!("{good}:nowhere"));
    said.calls(&sandbox, &["doctor", "doctor --context two", "doctor --kubeconfig nowhere"]);
    said.heading("no context");
    sandbox.write("empty", "apiVersion: v1\nkind: Config\n");
    said.call(&sandbox, "doctor --kubeconfig empty");
    said.check("doctor-kubeconfig");
}

#[test]
fn doctor_cluster_checks_match() {
    let mut said = Transcript::new();
    let sandbox = machine(&["own"]);
    said.heading("nothing listens");
    look(&mut said, &sandbox, "http://127.0.0.1:1", "");
    said.heading("an unknown host");
    look(&mut said, &sandbox, "https://nowhere.invalid:6443", "");
    said.heading("an unknown certificate");
    let stranger = TlsServer::start(|_| Response::json(&json!({})));
    look(&mut said, &sandbox, &stranger.url(""), "");
    said.heading("no answer");
    let silent = Server::holding(|_| Response::nothing());
    look(&mut said, &sandbox, &silent.url(""), "--request-timeout 200ms");
    for code in [401, 403, 500] {
        said.heading(&format!("the status {code}"));
        let api = Server::start(move |_| refused(code, "you may not", &Value::Null));
        look(&mut said, &sandbox, &api.url(""), "");
    }
    for code in [407, 502] {
        said.heading(&format!("a proxy that answers {code}"));
        let proxy = Server::start(move |_| Response::new(code, "text/plain", "no"));
        let sandbox = machine(&["own"]).env("HTTPS_PROXY", proxy.url(""));
        look(&mut said, &sandbox, "https://nowhere.invalid:6443", "");
    }
    said.heading("an old server");
    let old = api("v1.19.16", &[]);
    look(&mut said, &sandbox, &old.url(""), "");
    said.heading("a missing namespace");
    let gone = |request: &Request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": "v1.30.0"})),
        path if path.starts_with("/api/v1/namespaces/") => refused(404, "not found", &Value::Null),
        _ => Response::json(&json!({"status": {"allowed": true}})),
    };
    let gone = Server::start(gone);
    look(&mut said, &sandbox, &gone.url(""), "");
    said.heading("expired credentials");
    let expired = Server::start(|request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": "v1.30.0"})),
        _ => refused(401, "Unauthorized", &Value::Null),
    });
    look(&mut said, &sandbox, &expired.url(""), "");
    said.check("doctor-cluster");
}

#[test]
fn doctor_permission_checks_match() {
    let mut said = Transcript::new();
    let sandbox = machine(&["own"]);
    sandbox.write("e.json", experiment().to_string());
    let less = api("v1.30.0", &["delete pods shop", "list pods shelf"]);
    said.heading("rights that the experiment needs are missing");
    look(&mut said, &sandbox, &less.url(""), "e.json");
    said.heading("all rights are there");
    let whole = api("v1.30.0", &[]);
    look(&mut said, &sandbox, &whole.url(""), "e.json --var where=other -n third");
    said.heading("an experiment without a cluster");
    let none = json!({"title": "t", "description": "d", "method": [
        {"type": "probe", "name": "p", "provider": {"type": "http", "url": "http://127.0.0.1:1/"}}]});
    sandbox.write("none.json", none.to_string());
    look(&mut said, &sandbox, &whole.url(""), "none.json");
    look(&mut said, &sandbox, "http://127.0.0.1:1", "none.json");
    said.heading("a namespace from a probe");
    let mut unknown = experiment();
    unknown["configuration"]["where"] =
        json!({"type": "probe", "name": "w", "provider": {"type": "http", "url": "http://127.0.0.1:1/"}});
    sandbox.write("unknown.json", unknown.to_string());
    look(&mut said, &sandbox, &whole.url(""), "unknown.json");
    look(&mut said, &sandbox, &whole.url(""), "unknown.json --role");
    said.heading("keys of its own");
    let mut keys = experiment();
    keys["method"][0]["provider"]["secrets"] = json!(["k8s"]);
    keys["secrets"] = json!({"k8s": {"KUBERNETES_HOST": "http://127.0.0.1:1"}});
    sandbox.write("keys.json", keys.to_string());
    look(&mut said, &sandbox, &whole.url(""), "keys.json");
    said.heading("rights that a trial needs are missing");
    let less = api("v1.30.0", &["create namespaces", "list pods"]);
    look(&mut said, &sandbox, &less.url(""), "");
    said.heading("a role");
    look(&mut said, &sandbox, &whole.url(""), "e.json --role");
    look(&mut said, &sandbox, &whole.url(""), "e.json --role --as system:serviceaccount:ci:runner");
    look(&mut said, &sandbox, &whole.url(""), "none.json --role");
    said.calls(&sandbox, &["doctor e.json --role -n here", "doctor --role"]);
    sandbox.write("broken.json", "{");
    said.call(&sandbox, "doctor broken.json");
    said.check("doctor-rights");
}
