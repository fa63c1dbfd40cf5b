//! The findings of `doctor` for each cause.

use serde_json::{Value, json};

use super::Transcript;
use crate::doctor::{api, experiment, machine, mode, script};
use crate::harness::{Chaos, Request, Response, Server, TlsServer, kubeconfig, refused};

/// Runs `doctor` against a cluster.
fn look(said: &mut Transcript, chaos: &Chaos, server: &str, more: &str) {
    let config = kubeconfig(chaos, server, &json!({}));
    said.call(chaos, &format!("doctor {more} --kubeconfig {config}"));
}

#[test]
fn doctor_program_checks_match() {
    let (api, mut said) = (api("v1.30.0", &[]), Transcript::new());
    let url = api.url("");
    said.heading("a machine without faults");
    look(&mut said, &machine(&["own"]), &url, "");
    look(&mut said, &machine(&["own"]), &url, "-o wide");
    said.heading("another program comes first on PATH");
    let chaos = machine(&["other", "own"]);
    script(&chaos, "other/kubectl-chaos", "echo kubectl-chaos v0.1.1");
    look(&mut said, &chaos, &url, "");
    said.heading("another program comes last on PATH");
    let chaos = machine(&["own", "other"]);
    script(&chaos, "other/kubectl-chaos", "echo kubectl-chaos v0.1.1");
    look(&mut said, &chaos, &url, "");
    said.heading("another version comes first on PATH");
    let chaos = machine(&["other", "own"]);
    let version = "echo 'kubectl chaos 0.0.9 (commit abcdef1, x86_64-unknown-linux-musl)'";
    script(&chaos, "other/kubectl-chaos", version);
    look(&mut said, &chaos, &url, "");
    said.heading("everybody can write into the folder");
    let chaos = machine(&["other", "own"]);
    script(&chaos, "other/kubectl-chaos", "exit 0");
    mode(&chaos, "other", 0o777);
    look(&mut said, &chaos, &url, "");
    said.heading("the current folder is on PATH");
    mode(&chaos, "other", 0o755);
    let here = chaos.path("other").display().to_string();
    let path = format!(".:{}", chaos.path("own").display());
    let chaos = chaos.env("PATH", path);
    look(&mut said, &chaos, &url, &format!("--change-dir {here}"));
    said.heading("plugins below this one, no completion, an old kubectl");
    let chaos = machine(&["own"]);
    script(&chaos, "own/kubectl-chaos-run", "exit 0");
    std::fs::remove_file(chaos.path("own/kubectl_complete-chaos")).unwrap();
    script(&chaos, "own/kubectl", "echo '{\"clientVersion\": {\"gitVersion\": \"v1.24.0\"}}'");
    look(&mut said, &chaos, &url, "");
    said.heading("a kubectl that does not say its version");
    script(&chaos, "own/kubectl", "exit 1");
    look(&mut said, &chaos, &url, "");
    said.heading("no kubectl");
    std::fs::remove_file(chaos.path("own/kubectl")).unwrap();
    look(&mut said, &chaos, &url, "");
    said.heading("this program is not on PATH");
    std::fs::remove_file(chaos.path("own/kubectl-chaos")).unwrap();
    look(&mut said, &chaos, &url, "");
    said.check("doctor-programs");
}

#[test]
fn doctor_kubeconfig_checks_match() {
    let (api, mut said) = (api("v1.30.0", &[]), Transcript::new());
    let chaos = machine(&["own"]);
    said.heading("no kubeconfig");
    said.call(&chaos, "doctor");
    let broken = chaos.write("broken", "contexts: [").display().to_string();
    let good = kubeconfig(&chaos, &api.url(""), &json!({}));
    said.heading("one file is broken");
    let chaos = chaos.env("KUBECONFIG", format!("{good}:{broken}"));
    said.call(&chaos, "doctor");
    said.heading("one file is missing");
    let chaos = chaos.env("KUBECONFIG", format!("{good}:nowhere"));
    said.calls(&chaos, &["doctor", "doctor --context two", "doctor --kubeconfig nowhere"]);
    said.heading("no context");
    chaos.write("empty", "apiVersion: v1\nkind: Config\n");
    said.call(&chaos, "doctor --kubeconfig empty");
    said.check("doctor-kubeconfig");
}

#[test]
fn doctor_cluster_checks_match() {
    let mut said = Transcript::new();
    let chaos = machine(&["own"]);
    said.heading("nothing listens");
    look(&mut said, &chaos, "http://127.0.0.1:1", "");
    said.heading("an unknown host");
    look(&mut said, &chaos, "https://nowhere.invalid:6443", "");
    said.heading("an unknown certificate");
    let stranger = TlsServer::start(|_| Response::json(&json!({})));
    look(&mut said, &chaos, &stranger.url(""), "");
    said.heading("no answer");
    let silent = Server::holding(|_| Response::nothing());
    look(&mut said, &chaos, &silent.url(""), "--request-timeout 200ms");
    for code in [401, 403, 500] {
        said.heading(&format!("the status {code}"));
        let api = Server::start(move |_| refused(code, "you may not", &Value::Null));
        look(&mut said, &chaos, &api.url(""), "");
    }
    for code in [407, 502] {
        said.heading(&format!("a proxy that answers {code}"));
        let proxy = Server::start(move |_| Response::new(code, "text/plain", "no"));
        let chaos = machine(&["own"]).env("HTTPS_PROXY", proxy.url(""));
        look(&mut said, &chaos, "https://nowhere.invalid:6443", "");
    }
    said.heading("an old server");
    let old = api("v1.19.16", &[]);
    look(&mut said, &chaos, &old.url(""), "");
    said.heading("a missing namespace");
    let gone = |request: &Request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": "v1.30.0"})),
        path if path.starts_with("/api/v1/namespaces/") => refused(404, "not found", &Value::Null),
        _ => Response::json(&json!({"status": {"allowed": true}})),
    };
    let gone = Server::start(gone);
    look(&mut said, &chaos, &gone.url(""), "");
    said.heading("expired credentials");
    let expired = Server::start(|request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": "v1.30.0"})),
        _ => refused(401, "Unauthorized", &Value::Null),
    });
    look(&mut said, &chaos, &expired.url(""), "");
    said.check("doctor-cluster");
}

#[test]
fn doctor_permission_checks_match() {
    let mut said = Transcript::new();
    let chaos = machine(&["own"]);
    chaos.write("e.json", experiment().to_string());
    let less = api("v1.30.0", &["delete pods shop", "list pods shelf"]);
    said.heading("rights that the experiment needs are missing");
    look(&mut said, &chaos, &less.url(""), "e.json");
    said.heading("all rights are there");
    let whole = api("v1.30.0", &[]);
    look(&mut said, &chaos, &whole.url(""), "e.json --var where=other -n third");
    said.heading("an experiment without a cluster");
    let none = json!({"title": "t", "description": "d", "method": [
        {"type": "probe", "name": "p", "provider": {"type": "http", "url": "http://127.0.0.1:1/"}}]});
    chaos.write("none.json", none.to_string());
    look(&mut said, &chaos, &whole.url(""), "none.json");
    look(&mut said, &chaos, "http://127.0.0.1:1", "none.json");
    said.heading("a namespace from a probe");
    let mut unknown = experiment();
    unknown["configuration"]["where"] =
        json!({"type": "probe", "name": "w", "provider": {"type": "http", "url": "http://127.0.0.1:1/"}});
    chaos.write("unknown.json", unknown.to_string());
    look(&mut said, &chaos, &whole.url(""), "unknown.json");
    look(&mut said, &chaos, &whole.url(""), "unknown.json --role");
    said.heading("keys of its own");
    let mut keys = experiment();
    keys["method"][0]["provider"]["secrets"] = json!(["k8s"]);
    keys["secrets"] = json!({"k8s": {"KUBERNETES_HOST": "http://127.0.0.1:1"}});
    chaos.write("keys.json", keys.to_string());
    look(&mut said, &chaos, &whole.url(""), "keys.json");
    said.heading("rights that a trial needs are missing");
    let less = api("v1.30.0", &["create namespaces", "list pods"]);
    look(&mut said, &chaos, &less.url(""), "");
    said.heading("a role");
    look(&mut said, &chaos, &whole.url(""), "e.json --role");
    look(&mut said, &chaos, &whole.url(""), "e.json --role --as system:serviceaccount:ci:runner");
    look(&mut said, &chaos, &whole.url(""), "none.json --role");
    said.calls(&chaos, &["doctor e.json --role -n here", "doctor --role"]);
    chaos.write("broken.json", "{");
    said.call(&chaos, "doctor broken.json");
    said.check("doctor-rights");
}
