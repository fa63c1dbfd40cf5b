//! `doctor`: what is in the way is found, and said with what to do.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::{Value, json};

use crate::harness::{
    Chaos, Finished, Request, Response, Server, Site, TlsServer, function, kubeconfig, refused,
};

/// A folder on `PATH` per name, in this order; the first of them has this program and a kubectl.
pub fn machine(folders: &[&str]) -> Chaos {
    let chaos = Chaos::new();
    script(&chaos, "own/kubectl", "echo '{\"clientVersion\": {\"gitVersion\": \"v1.30.1\"}}'");
    script(&chaos, "own/kubectl_complete-chaos", "exit 0");
    symlink(env!("CARGO_BIN_EXE_kubectl-chaos"), chaos.path("own/kubectl-chaos")).unwrap();
    for folder in folders {
        std::fs::create_dir_all(chaos.path(folder)).unwrap();
    }
    let path = std::env::join_paths(folders.iter().map(|folder| chaos.path(folder))).unwrap();
    chaos.env("PATH", path.to_str().unwrap())
}

/// Writes a script that everybody can start.
pub fn script(chaos: &Chaos, name: &str, text: &str) {
    let path = chaos.write(name, format!("#!/bin/sh\n{text}\n"));
    mode(chaos, name, 0o755);
    let folder = path.parent().unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

pub fn mode(chaos: &Chaos, name: &str, mode: u32) {
    std::fs::set_permissions(chaos.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The findings.
fn found(finished: &Finished) -> Vec<Value> {
    finished.json()["findings"].as_array().unwrap().clone()
}

/// Insists on a finding of a check with these words in what was seen or is to be done.
#[track_caller]
fn has(findings: &[Value], check: &str, state: &str, words: &[&str]) {
    let all = |finding: &Value| format!("{} {}", finding["seen"], finding["advice"]);
    let fits = |finding: &&Value| {
        finding["check"] == check
            && finding["state"] == state
            && words.iter().all(|word| all(finding).contains(word))
    };
    assert!(
        findings.iter().any(|finding| fits(&finding)),
        "{check} {state} {words:?} is not in {findings:#?}"
    );
}

/// An API server of a version, where all is allowed but what `refuses` names.
pub fn api(version: &'static str, refuses: &'static [&'static str]) -> Server {
    Server::start(move |request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": version})),
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => {
            let review: Value = serde_json::from_str(&request.body).unwrap();
            let asked = &review["spec"]["resourceAttributes"];
            let word = |key: &str| asked[key].as_str().unwrap_or_default().to_owned();
            let right = format!("{} {} {}", word("verb"), word("resource"), word("namespace"));
            let allowed = !refuses.contains(&right.trim());
            Response::json(
                &json!({"status": {"allowed": allowed, "reason": if allowed { "" } else { "no role" }}}),
            )
        }
        "/apis/authentication.k8s.io/v1/selfsubjectreviews" => {
            Response::json(&json!({"status": {"userInfo": {"username": "jane"}}}))
        }
        path if path.starts_with("/api/v1/namespaces/") => {
            Response::json(&json!({"metadata": {"name": "shop"}}))
        }
        _ => refused(404, "not found", &Value::Null),
    })
}

/// Looks at a cluster.
fn look(chaos: &Chaos, server: &str, code: i32, more: &[&str]) -> Vec<Value> {
    let config = kubeconfig(chaos, server, &json!({}));
    let given = ["doctor", "-o", "json", "--kubeconfig", &config];
    found(&chaos.run(given.iter().chain(more)).exits(code))
}

#[test]
fn healthy_machine_passes_all_checks() {
    let (chaos, api) = (machine(&["own"]), api("v1.30.0", &[]));
    let config = kubeconfig(&chaos, &api.url(""), &json!({}));
    let finished = chaos.run(["doctor", "--kubeconfig", &config]).exits(0);
    let (own, folder) = (env!("CARGO_BIN_EXE_kubectl-chaos"), chaos.path("own"));
    let states: Vec<&str> =
        finished.stdout.lines().skip(1).map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(states, ["ok"; 9], "{}", finished.stdout);
    assert!(finished.stdout.starts_with("CHECK        STATE   SEEN\n"), "{}", finished.stdout);
    for text in
        [own, &format!("kubectl starts {}/kubectl-chaos", folder.display()), "v1.30.1", "one, namespace shop"]
    {
        assert!(finished.stdout.contains(text), "{text:?} is not in {}", finished.stdout);
    }
    assert_eq!(finished.stderr, "");
    let names = chaos.run(["doctor", "--kubeconfig", &config, "-o", "name"]).exits(0).stdout;
    let expected = "program\nplugin\nkubectl\ncompletion\nkubeconfig\ncontext\ncluster\nserver\nrights\n";
    assert_eq!(names, expected);
    let bare = chaos.run(["doctor", "--kubeconfig", &config, "--no-headers"]).exits(0).stdout;
    assert!(bare.starts_with("program"), "{bare}");
}

#[test]
fn duplicate_plugin_on_path_is_reported() {
    let api = api("v1.30.0", &[]);
    let chaos = machine(&["other", "own"]);
    script(&chaos, "other/kubectl-chaos", "echo kubectl-chaos v0.1.1");
    let findings = look(&chaos, &api.url(""), 1, &[]);
    let words =
        ["other/kubectl-chaos, which is another program", "kubectl-chaos v0.1.1", "krew uninstall chaos"];
    has(&findings, "plugin", "wrong", &words);
    has(&findings, "plugin", "warning", &["own/kubectl-chaos", "is never started"]);
    // the other way round nothing is wrong
    let chaos = machine(&["own", "other"]);
    script(&chaos, "other/kubectl-chaos", "echo kubectl-chaos v0.1.1");
    let findings = look(&chaos, &api.url(""), 0, &[]);
    has(&findings, "plugin", "warning", &["other/kubectl-chaos, another program", "is never started"]);
    // one of our own is no stranger
    let chaos = machine(&["other", "own"]);
    script(
        &chaos,
        "other/kubectl-chaos",
        "echo 'kubectl chaos 0.0.9 (commit abcdef1, x86_64-unknown-linux-musl)'",
    );
    let findings = look(&chaos, &api.url(""), 0, &[]);
    has(&findings, "plugin", "warning", &["other/kubectl-chaos, another copy, of version 0.0.9"]);
}

#[test]
fn program_in_world_writable_folder_is_not_executed() {
    let api = api("v1.30.0", &[]);
    let chaos = machine(&["other", "own"]);
    let mark = chaos.path("started");
    script(&chaos, "other/kubectl-chaos", &format!("touch {}", mark.display()));
    mode(&chaos, "other", 0o777);
    let findings = look(&chaos, &api.url(""), 1, &[]);
    has(&findings, "plugin", "wrong", &["it is world-writable", "off PATH"]);
    // nor what stands in the folder that one happens to be in, under whatever name PATH has it
    mode(&chaos, "other", 0o755);
    let here = chaos.path("other").display().to_string();
    let chaos =
        chaos.env("PATH", format!(".:{}", std::path::Path::new(&here).with_file_name("own").display()));
    let config = kubeconfig(&chaos, &api.url(""), &json!({}));
    let given = ["--change-dir", &here, "doctor", "-o", "json", "--kubeconfig", &config];
    let findings = found(&chaos.run(given).exits(1));
    has(&findings, "plugin", "wrong", &["it is in the current folder"]);
    assert!(!mark.exists());
}

#[test]
fn shadowing_plugins_and_missing_files_are_reported() {
    let api = api("v1.30.0", &[]);
    let chaos = machine(&["own"]);
    script(&chaos, "own/kubectl-chaos-run", "exit 0");
    script(&chaos, "own/kubectl-chaos-mesh", "exit 0");
    std::fs::remove_file(chaos.path("own/kubectl_complete-chaos")).unwrap();
    script(&chaos, "own/kubectl", "echo '{\"clientVersion\": {\"gitVersion\": \"v1.24.0\"}}'");
    let findings = look(&chaos, &api.url(""), 1, &[]);
    has(&findings, "plugin", "wrong", &["own/kubectl-chaos-run in place of the command run"]);
    has(&findings, "completion", "warning", &["kubectl chaos completion install"]);
    has(&findings, "kubectl", "warning", &["v1.24.0", "1.26 and later do"]);
    assert!(!findings.iter().any(|finding| finding["seen"].to_string().contains("mesh")));
    std::fs::remove_file(chaos.path("own/kubectl")).unwrap();
    has(&look(&chaos, &api.url(""), 1, &[]), "kubectl", "warning", &["no kubectl is on PATH"]);
}

#[test]
fn kubeconfig_files_are_checked_individually() {
    let chaos = machine(&["own"]);
    let doctor = |chaos: &Chaos, code: i32| found(&chaos.run(["doctor", "-o", "json"]).exits(code));
    has(&doctor(&chaos, 4), "cluster", "wrong", &["no cluster is known", "--kubeconfig or KUBECONFIG"]);
    let broken = chaos.write("broken", "contexts: [").display().to_string();
    let api = api("v1.30.0", &[]);
    let good = kubeconfig(&chaos, &api.url(""), &json!({}));
    let chaos = chaos.env("KUBECONFIG", format!("{good}:{broken}"));
    let findings = doctor(&chaos, 1);
    has(&findings, "kubeconfig", "wrong", &["broken cannot be read"]);
    has(&findings, "kubeconfig", "ok", &["config has 1 context"]);
    let chaos = chaos.env("KUBECONFIG", format!("{good}:nowhere"));
    let findings = doctor(&chaos, 0);
    has(&findings, "kubeconfig", "warning", &["nowhere is not there"]);
    has(&findings, "cluster", "ok", &["answers"]);
    let finished = chaos.run(["doctor", "-o", "json", "--context", "two"]).exits(1);
    has(&found(&finished), "context", "wrong", &["two", "kubectl config use-context"]);
    let finished = chaos.run(["doctor", "-o", "json", "--kubeconfig", "nowhere"]).exits(1);
    has(&found(&finished), "kubeconfig", "wrong", &["nowhere is not there"]);
}

#[test]
fn each_connection_failure_has_its_own_hint() {
    let chaos = machine(&["own"]);
    let check = |server: &str, words: &[&str]| has(&look(&chaos, server, 4, &[]), "cluster", "wrong", words);
    check("http://127.0.0.1:1", &["nothing listens there"]);
    check("https://nowhere.invalid:6443", &["is not known here"]);
    let stranger = TlsServer::start(|_| Response::json(&json!({})));
    check(&stranger.url(""), &["certificate-authority"]);
    let silent = Server::holding(|_| Response::nothing());
    let findings = look(&chaos, &silent.url(""), 4, &["--request-timeout", "200ms"]);
    has(&findings, "cluster", "wrong", &["nothing comes back"]);
    for (code, words) in [(401, "log in again"), (403, "kubectl auth whoami")] {
        let api = Server::start(move |_| refused(code, "you may not", &Value::Null));
        check(&api.url(""), &[words, "you may not"]);
    }
    let proxy = Server::start(|_| Response::new(502, "text/plain", "no"));
    let chaos = machine(&["own"]).env("HTTPS_PROXY", proxy.url(""));
    let findings = look(&chaos, "https://nowhere.invalid:6443", 4, &[]);
    has(&findings, "cluster", "wrong", &["HTTPS_PROXY", "NO_PROXY"]);
    // what is wrong beside it is not hidden by a cluster that is away
    script(&chaos, "own/kubectl-chaos-run", "exit 0");
    look(&chaos, "https://nowhere.invalid:6443", 1, &[]);
}

#[test]
fn old_server_and_missing_namespace_are_reported() {
    let chaos = machine(&["own"]);
    let old = api("v1.19.16", &[]);
    has(&look(&chaos, &old.url(""), 0, &[]), "server", "warning", &["older than 1.20"]);
    let gone = |request: &Request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": "v1.30.0"})),
        path if path.starts_with("/api/v1/namespaces/") => refused(404, "not found", &Value::Null),
        _ => Response::json(&json!({"status": {"allowed": true}})),
    };
    let gone = Server::start(gone);
    let findings = look(&chaos, &gone.url(""), 0, &[]);
    has(&findings, "namespace", "warning", &["no namespace shop", "kubectl create namespace shop"]);
    // everybody may ask for the version; who one is shows afterwards
    let expired = Server::start(|request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": "v1.30.0"})),
        _ => refused(401, "Unauthorized", &Value::Null),
    });
    has(&look(&chaos, &expired.url(""), 4, &[]), "credentials", "wrong", &["log in again"]);
}

/// An experiment that kills Pods, asks a Service, and looks at another namespace that a variable names.
pub fn experiment() -> Value {
    json!({"title": "t", "description": "d", "configuration": {"where": "shelf"}, "method": [
        function("action", "pod.actions", "terminate_pods", &json!({"label_selector": "app=web"})),
        function("probe", "pod.probes", "count_pods", &json!({"label_selector": "app=web", "ns": "${where}"})),
        {"type": "probe", "name": "ask", "provider": {"type": "http", "url": "http://web.svc/"}}]})
}

#[test]
fn permissions_of_experiment_are_checked() {
    let chaos = machine(&["own"]);
    chaos.write("e.json", experiment().to_string());
    let api = api("v1.30.0", &["delete pods shop", "list pods shelf"]);
    let findings = look(&chaos, &api.url(""), 1, &["e.json"]);
    let rights: Vec<&Value> = findings.iter().filter(|finding| finding["check"] == "rights").collect();
    assert_eq!(rights.len(), 2, "{rights:#?}");
    has(&findings, "rights", "wrong", &["may not: delete pods -n shop (no role)", "--role"]);
    has(&findings, "rights", "wrong", &["may not: list pods -n shelf"]);
    let findings = look(&chaos, &api.url(""), 0, &["e.json", "--var", "where=other", "-n", "third"]);
    has(&findings, "rights", "ok", &["all 5 that are needed are there"]);
    // one that touches no cluster needs none, and no cluster either
    let none = json!({"title": "t", "description": "d", "method": [
        {"type": "probe", "name": "p", "provider": {"type": "http", "url": "http://127.0.0.1:1/"}}]});
    chaos.write("none.json", none.to_string());
    has(&look(&chaos, &api.url(""), 0, &["none.json"]), "rights", "ok", &["none is needed"]);
    let findings = look(&chaos, "http://127.0.0.1:1", 0, &["none.json"]);
    has(&findings, "cluster", "warning", &["the experiment needs no cluster"]);
    // what is not known is said, and an experiment that is none ends it
    let mut unknown = experiment();
    unknown["configuration"]["where"] =
        json!({"type": "probe", "name": "w", "provider": {"type": "http", "url": "http://127.0.0.1:1/"}});
    chaos.write("unknown.json", unknown.to_string());
    let findings = look(&chaos, &api.url(""), 1, &["unknown.json"]);
    has(&findings, "rights", "warning", &["not known beforehand"]);
    chaos.write("broken.json", "{");
    chaos.run(["doctor", "broken.json"]).exits(3).says("broken.json");
}

#[test]
fn permissions_of_trial_are_checked_without_experiment() {
    let (chaos, api) = (machine(&["own"]), api("v1.30.0", &["create namespaces", "list pods"]));
    let findings = look(&chaos, &api.url(""), 0, &[]);
    has(&findings, "rights", "warning", &["create namespaces -A, list pods -A", "--in-place"]);
    let table = chaos.run(["doctor", "--kubeconfig", chaos.path("config").to_str().unwrap()]).exits(0);
    assert!(
        table.stdout.contains("\n\nrights (warning): hold them in one that is there"),
        "{}",
        table.stdout
    );
}

#[test]
fn doctor_writes_role_with_needed_permissions() {
    let chaos = machine(&["own"]);
    chaos.write("e.json", experiment().to_string());
    let read = |finished: &Finished| -> Vec<Value> {
        finished.stdout.split("---\n").map(|text| serde_yaml::from_str(text).unwrap()).collect()
    };
    let api = api("v1.30.0", &[]);
    let config = kubeconfig(&chaos, &api.url(""), &json!({}));
    let finished = chaos.run(["doctor", "e.json", "--role", "--kubeconfig", &config]).exits(0);
    assert_eq!(finished.stderr, "");
    let roles = read(&finished);
    let named = |role: &Value| format!("{} {}", role["kind"], role["metadata"]["namespace"]).replace('"', "");
    let kinds: Vec<String> = roles.iter().map(named).collect();
    assert_eq!(kinds, ["Role shelf", "RoleBinding shelf", "Role shop", "RoleBinding shop"]);
    assert_eq!(roles[1]["subjects"][0]["name"], "jane");
    let expected = json!([
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["delete", "list"]},
        {"apiGroups": [""], "resources": ["services", "services/proxy"], "verbs": ["get"]}]);
    assert_eq!(roles[2]["rules"], expected);
    // a cluster need not be there
    let finished = chaos.run(["doctor", "e.json", "--role", "-n", "here"]).exits(0).says("--as USER");
    assert_eq!(read(&finished)[0]["metadata"]["namespace"], "here");
    let account =
        ["doctor", "e.json", "--role", "--as", "system:serviceaccount:ci:runner", "--kubeconfig", &config];
    let finished = chaos.run(account).exits(0);
    let subject = json!([{"kind": "ServiceAccount", "name": "runner", "namespace": "ci"}]);
    assert_eq!(read(&finished)[1]["subjects"], subject);
    chaos.run(["doctor", "--role"]).exits(2);
}

/// On a real cluster the tests are its master, on an embedded one everything is allowed.
fn cluster_is_checked(site: &Site) {
    let chaos = machine(&["own"]);
    chaos.write("e.json", experiment().to_string());
    let look = |more: &[&str]| {
        let given = ["doctor", "-o", "json", "--kubeconfig", &site.config];
        found(&chaos.run(given.iter().chain(more)).exits(0))
    };
    let findings = look(&[]);
    has(&findings, "cluster", "ok", &["answers"]);
    has(&findings, "rights", "ok", &["trials can make namespaces"]);
    has(&look(&["e.json"]), "rights", "ok", &["are there"]);
}

mod on_embedded {
    #[test]
    fn cluster_is_checked() {
        super::cluster_is_checked(&super::Site::embedded());
    }
}

mod on_real {
    #[test]
    #[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
    fn cluster_is_checked() {
        super::cluster_is_checked(&super::Site::real());
    }
}
