//! `doctor`: reports each problem with a hint.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::{Value, json};

use crate::harness::{
    ProcessResult, Request, Response, Sandbox, Server, Site, TlsServer, function, kubeconfig, refused,
};

/// Creates directories on `PATH`, in this order; the first one has this program and a kubectl.
pub fn machine(folders: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    script(&sandbox, "own/kubectl", "echo '{\"clientVersion\": {\"gitVersion\": \"v1.30.1\"}}'");
    script(&sandbox, "own/kubectl_complete-chaos", "exit 0");
    symlink(env!("CARGO_BIN_EXE_kubectl-chaos"), sandbox.path("own/kubectl-chaos")).unwrap();
    for folder in folders {
        std::fs::create_dir_all(sandbox.path(folder)).unwrap();
    }
    let path = std::env::join_paths(folders.iter().map(|folder| sandbox.path(folder))).unwrap();
    sandbox.env("PATH", path.to_str().unwrap())
}

/// Writes an executable script.
pub fn script(sandbox: &Sandbox, name: &str, text: &str) {
    let path = sandbox.write(name, format!("#!/bin/sh\n{text}\n"));
    mode(sandbox, name, 0o755);
    let folder = path.parent().unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

pub fn mode(sandbox: &Sandbox, name: &str, mode: u32) {
    std::fs::set_permissions(sandbox.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
}

fn findings_of(finished: &ProcessResult) -> Vec<Value> {
    finished.json()["findings"].as_array().unwrap().clone()
}

/// Asserts that a finding of the check has these words in its message or hint.
#[track_caller]
fn has(findings: &[Value], check: &str, state: &str, words: &[&str]) {
    let all = |finding: &Value| format!("{} {}", finding["message"], finding["hint"]);
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

/// An API server with this version that allows everything except `refuses`.
pub fn api(version: &'static str, refuses: &'static [&'static str]) -> Server {
    Server::start(move |request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": version})),
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => {
            let review: Value = serde_json::from_str(&request.body).unwrap();
            let asked = &review["spec"]["resourceAttributes"];
            let word = |key: &str| asked[key].as_str().unwrap_or_default().to_owned();
            let permission = format!("{} {} {}", word("verb"), word("resource"), word("namespace"));
            let allowed = !refuses.contains(&permission.trim());
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

/// Runs `doctor` on a cluster.
fn look(sandbox: &Sandbox, server: &str, code: i32, more: &[&str]) -> Vec<Value> {
    let config = kubeconfig(sandbox, server, &json!({}));
    let given = ["doctor", "-o", "json", "--kubeconfig", &config];
    findings_of(&sandbox.run(given.iter().chain(more)).exits(code))
}

#[test]
fn healthy_machine_passes_all_checks() {
    let (sandbox, api) = (machine(&["own"]), api("v1.30.0", &[]));
    let config = kubeconfig(&sandbox, &api.url(""), &json!({}));
    let finished = sandbox.run(["doctor", "--kubeconfig", &config]).exits(0);
    let (own, folder) = (env!("CARGO_BIN_EXE_kubectl-chaos"), sandbox.path("own"));
    let states: Vec<&str> =
        finished.stdout.lines().skip(1).map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(states, ["ok"; 9], "{}", finished.stdout);
    assert!(finished.stdout.starts_with("CHECK         STATE   MESSAGE\n"), "{}", finished.stdout);
    for text in
        [own, &format!("kubectl runs {}/kubectl-chaos", folder.display()), "v1.30.1", "one, namespace shop"]
    {
        assert!(finished.stdout.contains(text), "{text:?} is not in {}", finished.stdout);
    }
    assert_eq!(finished.stderr, "");
    let names = sandbox.run(["doctor", "--kubeconfig", &config, "-o", "name"]).exits(0).stdout;
    let expected =
        "program\nplugin\nkubectl\ncompletion\nkubeconfig\ncontext\ncluster\nserver\npermissions\n";
    assert_eq!(names, expected);
    let bare = sandbox.run(["doctor", "--kubeconfig", &config, "--no-headers"]).exits(0).stdout;
    assert!(bare.starts_with("program"), "{bare}");
}

#[test]
fn duplicate_plugin_on_path_is_reported() {
    let api = api("v1.30.0", &[]);
    let sandbox = machine(&["other", "own"]);
    script(&sandbox, "other/kubectl-chaos", "echo kubectl-chaos v0.1.1");
    let findings = look(&sandbox, &api.url(""), 1, &[]);
    let words =
        ["other/kubectl-chaos, which is another program", "kubectl-chaos v0.1.1", "krew uninstall chaos"];
    has(&findings, "plugin", "error", &words);
    has(&findings, "plugin", "warning", &["own/kubectl-chaos", "never runs"]);
    // in the other order nothing is wrong
    let sandbox = machine(&["own", "other"]);
    script(&sandbox, "other/kubectl-chaos", "echo kubectl-chaos v0.1.1");
    let findings = look(&sandbox, &api.url(""), 0, &[]);
    has(&findings, "plugin", "warning", &["other/kubectl-chaos, another program", "never runs"]);
    // another copy of this program is recognised
    let sandbox = machine(&["other", "own"]);
    script(
        &sandbox,
        "other/kubectl-chaos",
        "echo 'kubectl chaos 0.0.9 (commit abcdef1, x86_64-unknown-linux-musl)'",
    );
    let findings = look(&sandbox, &api.url(""), 0, &[]);
    has(&findings, "plugin", "warning", &["other/kubectl-chaos, another copy (version 0.0.9)"]);
}

#[test]
fn program_in_world_writable_folder_is_not_executed() {
    let api = api("v1.30.0", &[]);
    let sandbox = machine(&["other", "own"]);
    let mark = sandbox.path("started");
    script(&sandbox, "other/kubectl-chaos", &format!("touch {}", mark.display()));
    mode(&sandbox, "other", 0o777);
    let findings = look(&sandbox, &api.url(""), 1, &[]);
    has(&findings, "plugin", "error", &["its version was not checked", "from PATH"]);
    // nor a program in the current directory, however PATH names it
    mode(&sandbox, "other", 0o755);
    let here = sandbox.path("other").display().to_string();
    let sandbox =
        sandbox.env("PATH", format!(".:{}", std::path::Path::new(&here).with_file_name("own").display()));
    let config = kubeconfig(&sandbox, &api.url(""), &json!({}));
    let given = ["--change-dir", &here, "doctor", "-o", "json", "--kubeconfig", &config];
    let findings = findings_of(&sandbox.run(given).exits(1));
    has(&findings, "plugin", "error", &["its version was not checked"]);
    assert!(!mark.exists());
}

#[test]
fn shadowing_plugins_and_missing_files_are_reported() {
    let api = api("v1.30.0", &[]);
    let sandbox = machine(&["own"]);
    script(&sandbox, "own/kubectl-chaos-run", "exit 0");
    script(&sandbox, "own/kubectl-chaos-mesh", "exit 0");
    std::fs::remove_file(sandbox.path("own/kubectl_complete-chaos")).unwrap();
    script(&sandbox, "own/kubectl", "echo '{\"clientVersion\": {\"gitVersion\": \"v1.24.0\"}}'");
    let findings = look(&sandbox, &api.url(""), 1, &[]);
    has(&findings, "plugin", "error", &["own/kubectl-chaos-run instead of the command run"]);
    has(&findings, "completion", "warning", &["kubectl chaos completion install"]);
    has(&findings, "kubectl", "warning", &["v1.24.0", "1.26 or later"]);
    assert!(!findings.iter().any(|finding| finding["message"].to_string().contains("mesh")));
    std::fs::remove_file(sandbox.path("own/kubectl")).unwrap();
    has(&look(&sandbox, &api.url(""), 1, &[]), "kubectl", "warning", &["kubectl is not on PATH"]);
}

#[test]
fn kubeconfig_files_are_checked_individually() {
    let sandbox = machine(&["own"]);
    let doctor =
        |sandbox: &Sandbox, code: i32| findings_of(&sandbox.run(["doctor", "-o", "json"]).exits(code));
    has(&doctor(&sandbox, 4), "cluster", "error", &["--kubeconfig or KUBECONFIG"]);
    let broken = sandbox.write("broken", "contexts: [").display().to_string();
    let api = api("v1.30.0", &[]);
    let good = kubeconfig(&sandbox, &api.url(""), &json!({}));
    let sandbox = sandbox.env("KUBECONFIG", format!("{good}:{broken}"));
    let findings = doctor(&sandbox, 1);
    has(&findings, "kubeconfig", "error", &["cannot read", "broken"]);
    has(&findings, "kubeconfig", "ok", &["config has 1 context"]);
    let sandbox = sandbox.env("KUBECONFIG", format!("{good}:nowhere"));
    let findings = doctor(&sandbox, 0);
    has(&findings, "kubeconfig", "warning", &["nowhere does not exist"]);
    has(&findings, "cluster", "ok", &["answers"]);
    let finished = sandbox.run(["doctor", "-o", "json", "--context", "two"]).exits(1);
    has(&findings_of(&finished), "context", "error", &["two", "kubectl config use-context"]);
    let finished = sandbox.run(["doctor", "-o", "json", "--kubeconfig", "nowhere"]).exits(1);
    has(&findings_of(&finished), "kubeconfig", "error", &["nowhere does not exist"]);
}

#[test]
fn each_connection_failure_has_its_own_hint() {
    let sandbox = machine(&["own"]);
    let check =
        |server: &str, words: &[&str]| has(&look(&sandbox, server, 4, &[]), "cluster", "error", words);
    check("http://127.0.0.1:1", &["nothing listens"]);
    check("https://nowhere.invalid:6443", &["cannot resolve the host", "VPN"]);
    let stranger = TlsServer::start(|_| Response::json(&json!({})));
    check(&stranger.url(""), &["certificate-authority"]);
    let silent = Server::holding(|_| Response::nothing());
    let findings = look(&sandbox, &silent.url(""), 4, &["--request-timeout", "200ms"]);
    has(&findings, "cluster", "error", &["no response"]);
    let api = Server::start(|_| refused(401, "you may not", &Value::Null));
    check(&api.url(""), &["log in again", "you may not"]);
    // the version is not needed, so only the permissions are unknown
    let api = Server::start(|_| refused(403, "you may not", &Value::Null));
    has(&look(&sandbox, &api.url(""), 0, &[]), "permissions", "warning", &["you may not"]);
    let proxy = Server::start(|_| Response::new(502, "text/plain", "no"));
    let sandbox = machine(&["own"]).env("HTTPS_PROXY", proxy.url(""));
    let findings = look(&sandbox, "https://nowhere.invalid:6443", 4, &[]);
    has(&findings, "cluster", "error", &["HTTPS_PROXY", "NO_PROXY"]);
    // an unreachable cluster does not hide other errors
    script(&sandbox, "own/kubectl-chaos-run", "exit 0");
    look(&sandbox, "https://nowhere.invalid:6443", 1, &[]);
}

#[test]
fn old_server_and_missing_namespace_are_reported() {
    let sandbox = machine(&["own"]);
    let old = api("v1.19.16", &[]);
    has(&look(&sandbox, &old.url(""), 0, &[]), "server", "warning", &["older than 1.20"]);
    let gone = |request: &Request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": "v1.30.0"})),
        path if path.starts_with("/api/v1/namespaces/") => refused(404, "not found", &Value::Null),
        _ => Response::json(&json!({"status": {"allowed": true}})),
    };
    let gone = Server::start(gone);
    let findings = look(&sandbox, &gone.url(""), 0, &[]);
    has(
        &findings,
        "namespace",
        "warning",
        &["namespace shop does not exist", "kubectl create namespace shop"],
    );
    // `/version` needs no credentials; later requests do
    let expired = Server::start(|request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": "v1.30.0"})),
        _ => refused(401, "Unauthorized", &Value::Null),
    });
    has(&look(&sandbox, &expired.url(""), 4, &[]), "credentials", "error", &["log in again"]);
}

/// An experiment that kills Pods, requests a Service, and probes a namespace that a variable names.
pub fn experiment() -> Value {
    json!({"title": "t", "description": "d", "configuration": {"where": "shelf"}, "method": [
        function("action", "pod.actions", "terminate_pods", &json!({"label_selector": "app=web"})),
        function("probe", "pod.probes", "count_pods", &json!({"label_selector": "app=web", "ns": "${where}"})),
        {"type": "probe", "name": "ask", "provider": {"type": "http", "url": "http://web.svc/"}}]})
}

#[test]
fn permissions_of_experiment_are_checked() {
    let sandbox = machine(&["own"]);
    sandbox.write("e.json", experiment().to_string());
    let api = api("v1.30.0", &["delete pods shop", "list pods shelf"]);
    let findings = look(&sandbox, &api.url(""), 1, &["e.json"]);
    let permissions: Vec<&Value> =
        findings.iter().filter(|finding| finding["check"] == "permissions").collect();
    assert_eq!(permissions.len(), 2, "{permissions:#?}");
    has(&findings, "permissions", "error", &["not allowed: delete pods -n shop (no role)", "--role"]);
    has(&findings, "permissions", "error", &["not allowed: list pods -n shelf"]);
    let findings = look(&sandbox, &api.url(""), 0, &["e.json", "--var", "where=other", "-n", "third"]);
    has(&findings, "permissions", "ok", &["all 5 needed permissions are granted"]);
    // an experiment without cluster activities needs neither permissions nor a cluster
    let none = json!({"title": "t", "description": "d", "method": [
        {"type": "probe", "name": "p", "provider": {"type": "http", "url": "http://127.0.0.1:1/"}}]});
    sandbox.write("none.json", none.to_string());
    has(&look(&sandbox, &api.url(""), 0, &["none.json"]), "permissions", "ok", &["none needed"]);
    let findings = look(&sandbox, "http://127.0.0.1:1", 0, &["none.json"]);
    has(&findings, "cluster", "warning", &["the experiment needs no cluster"]);
    // unknown permissions are a warning; an invalid experiment is an error
    let mut unknown = experiment();
    unknown["configuration"]["where"] =
        json!({"type": "probe", "name": "w", "provider": {"type": "http", "url": "http://127.0.0.1:1/"}});
    sandbox.write("unknown.json", unknown.to_string());
    let findings = look(&sandbox, &api.url(""), 1, &["unknown.json"]);
    has(&findings, "permissions", "warning", &["cannot be determined"]);
    sandbox.write("broken.json", "{");
    sandbox.run(["doctor", "broken.json"]).exits(3).reports("broken.json");
}

#[test]
fn permissions_of_trial_are_checked_without_experiment() {
    let (sandbox, api) = (machine(&["own"]), api("v1.30.0", &["create namespaces", "list pods"]));
    let findings = look(&sandbox, &api.url(""), 0, &[]);
    has(&findings, "permissions", "warning", &["create namespaces -A, list pods -A", "--in-place"]);
    let table = sandbox.run(["doctor", "--kubeconfig", sandbox.path("config").to_str().unwrap()]).exits(0);
    assert!(table.stdout.contains("\n\npermissions (warning): use `trial --in-place`"), "{}", table.stdout);
}

#[test]
fn doctor_writes_role_with_needed_permissions() {
    let sandbox = machine(&["own"]);
    sandbox.write("e.json", experiment().to_string());
    let read = |finished: &ProcessResult| -> Vec<Value> {
        finished.stdout.split("---\n").map(|text| serde_yaml::from_str(text).unwrap()).collect()
    };
    let api = api("v1.30.0", &[]);
    let config = kubeconfig(&sandbox, &api.url(""), &json!({}));
    let finished = sandbox.run(["doctor", "e.json", "--role", "--kubeconfig", &config]).exits(0);
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
    // no cluster is needed
    let finished = sandbox.run(["doctor", "e.json", "--role", "-n", "here"]).exits(0).reports("--as USER");
    assert_eq!(read(&finished)[0]["metadata"]["namespace"], "here");
    let account =
        ["doctor", "e.json", "--role", "--as", "system:serviceaccount:ci:runner", "--kubeconfig", &config];
    let finished = sandbox.run(account).exits(0);
    let subject = json!([{"kind": "ServiceAccount", "name": "runner", "namespace": "ci"}]);
    assert_eq!(read(&finished)[1]["subjects"], subject);
    sandbox.run(["doctor", "--role"]).exits(2);
}

/// The tests are administrators of the real cluster; the embedded one allows everything.
fn cluster_is_checked(site: &Site) {
    let sandbox = machine(&["own"]);
    sandbox.write("e.json", experiment().to_string());
    let look = |more: &[&str]| {
        let given = ["doctor", "-o", "json", "--kubeconfig", &site.config];
        findings_of(&sandbox.run(given.iter().chain(more)).exits(0))
    };
    let findings = look(&[]);
    has(&findings, "cluster", "ok", &["answers"]);
    has(&findings, "permissions", "ok", &["trials can create"]);
    has(&look(&["e.json"]), "permissions", "ok", &["are granted"]);
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
