//! The cluster and the user of a run, by the rules of kubectl.

use std::path::Path;

use serde_json::{Value, json};

use super::api;
use crate::harness::{Chaos, NONE, Request, Response, Server, experiment, function, kubeconfig};

fn server() -> Server {
    api(|_| Some(Response::json(&super::pods(&["a", "b"]))))
}

/// An experiment that counts Pods.
fn count() -> Value {
    experiment(&json!([function("probe", "pod.probes", "count_pods", &json!({"label_selector": "app=web"}))]))
}

/// Counts Pods, and returns the request.
fn counted(chaos: &Chaos, server: &Server, arguments: &[&str]) -> Request {
    chaos.experiment(&count(), arguments).exits(0);
    assert_eq!(chaos.journal()["run"][0]["output"], 2);
    server.requests().into_iter().rfind(|request| request.path.contains("/pods?")).expect("a count")
}

fn bearer(request: &Request) -> Option<&str> {
    request.header("authorization")
}

#[test]
fn kubeconfig_files_are_merged_with_first_value_winning() {
    let (server, other) = (server(), server());
    let chaos = Chaos::new();
    let file = |name: &str, content: Value| chaos.write(name, content.to_string()).display().to_string();
    let cluster =
        |name: &str, server: &Server| json!([{"name": name, "cluster": {"server": server.url("")}}]);
    let first = file(
        "first/config",
        json!({"current-context": "one", "clusters": cluster("c", &server),
            "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}]}),
    );
    chaos.write("second/secret", "from-a-file");
    let second = file(
        "second/config",
        json!({"current-context": "two", "clusters": [
                {"name": "c", "cluster": {"server": "http://127.0.0.1:1"}},
                {"name": "d", "cluster": {"server": other.url("")}}],
            // relative to the kubeconfig file
            "users": [{"name": "u", "user": {"tokenFile": "secret"}}, {"name": "v", "user": {"token": "other"}}],
            "contexts": [{"name": "two", "context": {"cluster": "d", "user": "v", "namespace": "shop"}}]}),
    );
    let list = std::env::join_paths([Path::new("nowhere"), Path::new(&first), Path::new(&second)]).unwrap();
    let chaos = chaos.env("KUBECONFIG", list.to_str().unwrap());
    let request = counted(&chaos, &server, &[]);
    assert_eq!(bearer(&request), Some("Bearer from-a-file"));
    assert!(request.path.starts_with("/api/v1/namespaces/default/pods?"), "{}", request.path);
    let request = counted(&chaos, &other, &["--context", "two"]);
    assert_eq!(bearer(&request), Some("Bearer other"));
    assert!(request.path.starts_with("/api/v1/namespaces/shop/pods?"), "{}", request.path);
    assert_eq!(chaos.journal()["kubectl-chaos"]["cluster"]["context"], "two");
    let request = counted(&chaos, &other, &["--cluster", "d", "--user", "v"]);
    assert_eq!(bearer(&request), Some("Bearer other"));
}

#[test]
fn connection_flags_override_kubeconfig() {
    let (server, chaos) = (server(), Chaos::new());
    let config = kubeconfig(&chaos, "http://127.0.0.1:1", &json!({"token": "of-the-file"}));
    let address = server.url("");
    let given = ["--kubeconfig", &config, "--server", &address, "--token", "mine", "-n", "other"];
    let request = counted(&chaos, &server, &given);
    assert_eq!(bearer(&request), Some("Bearer mine"));
    assert!(request.path.starts_with("/api/v1/namespaces/other/pods?"), "{}", request.path);
    assert_eq!(chaos.journal()["kubectl-chaos"]["namespace"], "other");
    // the namespace of an activity overrides both
    let pods = json!({"label_selector": "a=b", "ns": "third"});
    let method = json!([function("probe", "pod.probes", "count_pods", &pods)]);
    chaos.experiment(&experiment(&method), given).exits(0);
    assert!(server.requests().last().unwrap().path.starts_with("/api/v1/namespaces/third/pods?"));
}

#[test]
fn impersonation_flags_set_request_headers() {
    let (server, chaos) = (server(), Chaos::new());
    let config = kubeconfig(&chaos, &server.url(""), &json!({"token": "t"}));
    let mut given = vec!["--kubeconfig", &config, "--as", "jane", "--as-group", "dev", "--as-group", "ops"];
    given.extend(["--as-uid", "7", "--as-user-extra", "reason=test", "--as-user-extra", "reason=again"]);
    let request = counted(&chaos, &server, &given);
    assert_eq!(request.header("impersonate-user"), Some("jane"));
    assert_eq!(request.header("impersonate-uid"), Some("7"));
    let extra =
        request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("impersonate-extra-reason"));
    assert_eq!(extra.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["test", "again"]);
    let groups = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("impersonate-group"));
    assert_eq!(groups.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["dev", "ops"]);
    chaos.experiment(&count(), ["--kubeconfig", &config, "--as-group", "dev"]).exits(4).says("--as");
    let alone = ["--kubeconfig", &config, "--as-user-extra", "a=b"];
    chaos.experiment(&count(), alone).exits(4).says("need --as");
}

#[test]
#[cfg(unix)]
fn exec_credential_plugin_provides_token() {
    let (server, chaos) = (server(), Chaos::new());
    let credential = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": "of-the-plugin"}});
    let plugin = |script: String| {
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
            "args": ["-c", script], "interactiveMode": "Never", "env": [{"name": "WHO", "value": "me"}]}})
    };
    let config =
        kubeconfig(&chaos, &server.url(""), &plugin(format!("test $WHO = me && echo '{credential}'")));
    let request = counted(&chaos, &server, &["--kubeconfig", &config]);
    assert_eq!(bearer(&request), Some("Bearer of-the-plugin"));
    let config = kubeconfig(&chaos, &server.url(""), &plugin("echo no luck >&2; exit 7".to_owned()));
    let finished = chaos.experiment(&count(), ["--kubeconfig", &config]).exits(4);
    assert!(finished.stderr.contains("context one"), "{}", finished.stderr);
}

#[test]
fn cluster_requests_use_configured_proxy() {
    // a proxy that refuses every connection: only the request to it matters
    let proxy = || Server::start(|_| Response::new(502, "text/plain", "no"));
    let check = |config: &dyn Fn(&Chaos, &Server) -> Value, variables: &[&str], asked: bool| {
        let (proxy, chaos) = (proxy(), Chaos::new());
        let path = chaos.write("config", config(&chaos, &proxy).to_string()).display().to_string();
        let chaos = variables.iter().fold(chaos, |chaos, name| match *name {
            "NO_PROXY" => chaos.env(name, "api.invalid"),
            name => chaos.env(name, proxy.url("")),
        });
        chaos.experiment(&count(), ["--kubeconfig", &path]).exits(4).says("https://api.invalid:6443");
        let requests = proxy.requests();
        let connects = requests.iter().any(|r| r.method == "CONNECT" && r.path == "api.invalid:6443");
        assert_eq!(connects, asked, "{variables:?} {requests:?}");
    };
    let config = |own: Option<&Server>| {
        let mut cluster = json!({"server": "https://api.invalid:6443"});
        if let Some(proxy) = own {
            cluster["proxy-url"] = proxy.url("").into();
        }
        json!({"current-context": "one", "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}]})
    };
    check(&|_, _| config(None), &[], false);
    check(&|_, _| config(None), &["HTTPS_PROXY"], true);
    check(&|_, _| config(None), &["HTTPS_PROXY", "NO_PROXY"], false);
    check(&|_, proxy| config(Some(proxy)), &[], true);
    check(&|_, proxy| config(Some(proxy)), &["NO_PROXY"], true);
}

#[test]
fn chaos_toolkit_keys_configure_cluster() {
    let (server, chaos) = (server(), Chaos::new());
    let chaos = chaos.env("KUBERNETES_HOST", server.url("")).env("KUBERNETES_API_KEY", "of-the-keys");
    assert_eq!(bearer(&counted(&chaos, &server, &[])), Some("Bearer of-the-keys"));
    // as secrets of only one activity
    let chaos = Chaos::new();
    let mut experiment = count();
    experiment["method"][0]["provider"]["secrets"] = json!(["k8s"]);
    experiment["secrets"] = json!({"k8s": {"KUBERNETES_HOST": server.url(""), "KUBERNETES_API_KEY": "hidden",
        "KUBERNETES_API_KEY_PREFIX": "Token"}});
    chaos.experiment(&experiment, NONE).exits(0);
    let requests = server.requests();
    assert_eq!(bearer(requests.last().unwrap()), Some("Token hidden"));
    assert!(!chaos.read("journal.json").contains("hidden"));
}
