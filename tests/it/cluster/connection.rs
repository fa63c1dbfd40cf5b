//! The cluster and the user of a run, by the rules of kubectl.

use std::path::Path;

use serde_json::{Value, json};

use super::api;
use crate::harness::{
    NONE, Request, Response, Sandbox, Server, experiment, function, kubeconfig, kubeconfig_of,
};

fn server() -> Server {
    api(|_| Some(Response::json(&super::pods(&["a", "b"]))))
}

/// The same without TLS.
fn plain_server() -> Server {
    Server::start(|request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": "v1.30.0"})),
        _ => Response::json(&super::pods(&["a", "b"])),
    })
}

/// An experiment that counts Pods.
fn count() -> Value {
    experiment(&json!([function("probe", "pod.probes", "count_pods", &json!({"label_selector": "app=web"}))]))
}

/// Counts Pods, and returns the request.
fn counted(sandbox: &Sandbox, server: &Server, arguments: &[&str]) -> Request {
    sandbox.experiment(&count(), arguments).exits(0);
    assert_eq!(sandbox.journal()["run"][0]["output"], 2);
    server.requests().into_iter().rfind(|request| request.path.contains("/pods?")).expect("a count")
}

fn bearer(request: &Request) -> Option<&str> {
    request.header("authorization")
}

#[test]
fn kubeconfig_files_are_merged_with_first_value_winning() {
    let (server, other) = (server(), server());
    let sandbox = Sandbox::new();
    let file = |name: &str, content: Value| sandbox.write(name, content.to_string()).display().to_string();
    let cluster = |name: &str, server: &Server| json!([{"name": name, "cluster": {"server": server.url(""), "insecure-skip-tls-verify": true}}]);
    let first = file(
        "first/config",
        json!({"current-context": "one", "clusters": cluster("c", &server),
            "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}]}),
    );
    sandbox.write("second/secret", "from-a-file");
    let second = file(
        "second/config",
        json!({"current-context": "two", "clusters": [
                {"name": "c", "cluster": {"server": "http://127.0.0.1:1"}},
                {"name": "d", "cluster": {"server": other.url(""), "insecure-skip-tls-verify": true}}],
            // relative to the kubeconfig file
            "users": [{"name": "u", "user": {"tokenFile": "secret"}}, {"name": "v", "user": {"token": "other"}}],
            "contexts": [{"name": "two", "context": {"cluster": "d", "user": "v", "namespace": "shop"}}]}),
    );
    let list = std::env::join_paths([Path::new("nowhere"), Path::new(&first), Path::new(&second)]).unwrap();
    let sandbox = sandbox.env("KUBECONFIG", list.to_str().unwrap());
    let request = counted(&sandbox, &server, &[]);
    assert_eq!(bearer(&request), Some("Bearer from-a-file"));
    assert!(request.path.starts_with("/api/v1/namespaces/default/pods?"), "{}", request.path);
    let request = counted(&sandbox, &other, &["--context", "two"]);
    assert_eq!(bearer(&request), Some("Bearer other"));
    assert!(request.path.starts_with("/api/v1/namespaces/shop/pods?"), "{}", request.path);
    assert_eq!(sandbox.journal()["kubectl-chaos"]["cluster"]["context"], "two");
    let request = counted(&sandbox, &other, &["--cluster", "d", "--user", "v"]);
    assert_eq!(bearer(&request), Some("Bearer other"));
}

#[test]
fn connection_flags_override_kubeconfig() {
    let (server, sandbox) = (server(), Sandbox::new());
    let config = kubeconfig(&sandbox, "http://127.0.0.1:1", &json!({"token": "of-the-file"}));
    let address = server.url("");
    let given = [
        "--kubeconfig",
        &config,
        "--server",
        &address,
        "--token",
        "mine",
        "-n",
        "other",
        "--insecure-skip-tls-verify",
    ];
    let request = counted(&sandbox, &server, &given);
    assert_eq!(bearer(&request), Some("Bearer mine"));
    assert!(request.path.starts_with("/api/v1/namespaces/other/pods?"), "{}", request.path);
    assert_eq!(sandbox.journal()["kubectl-chaos"]["namespace"], "other");
    // the namespace of an activity overrides both
    let pods = json!({"label_selector": "a=b", "ns": "third"});
    let method = json!([function("probe", "pod.probes", "count_pods", &pods)]);
    sandbox.experiment(&experiment(&method), given).exits(0);
    assert!(server.requests().last().unwrap().path.starts_with("/api/v1/namespaces/third/pods?"));
}

#[test]
fn impersonation_flags_set_request_headers() {
    let (server, sandbox) = (server(), Sandbox::new());
    let config = kubeconfig_of(&sandbox, &server, &json!({"token": "t"}));
    let mut given = vec!["--kubeconfig", &config, "--as", "jane", "--as-group", "dev", "--as-group", "ops"];
    given.extend(["--as-uid", "7", "--as-user-extra", "reason=test", "--as-user-extra", "reason=again"]);
    let request = counted(&sandbox, &server, &given);
    assert_eq!(request.header("impersonate-user"), Some("jane"));
    assert_eq!(request.header("impersonate-uid"), Some("7"));
    let extra =
        request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("impersonate-extra-reason"));
    assert_eq!(extra.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["test", "again"]);
    let groups = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("impersonate-group"));
    assert_eq!(groups.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["dev", "ops"]);
    sandbox.experiment(&count(), ["--kubeconfig", &config, "--as-group", "dev"]).exits(4).reports("--as");
    let alone = ["--kubeconfig", &config, "--as-user-extra", "a=b"];
    sandbox.experiment(&count(), alone).exits(4).reports("need --as");
}

#[test]
#[cfg(unix)]
fn exec_credential_plugin_provides_token() {
    let (server, sandbox) = (server(), Sandbox::new());
    let credential = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": "of-the-plugin"}});
    let plugin = |script: String| {
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
            "args": ["-c", script], "interactiveMode": "Never", "env": [{"name": "WHO", "value": "me"}]}})
    };
    let config = kubeconfig_of(&sandbox, &server, &plugin(format!("test $WHO = me && echo '{credential}'")));
    let request = counted(&sandbox, &server, &["--kubeconfig", &config]);
    assert_eq!(bearer(&request), Some("Bearer of-the-plugin"));
    let config = kubeconfig_of(&sandbox, &server, &plugin("echo no luck >&2; exit 7".to_owned()));
    let finished = sandbox.experiment(&count(), ["--kubeconfig", &config]).exits(4);
    assert!(finished.stderr.contains("context one"), "{}", finished.stderr);
}

#[test]
fn cluster_requests_use_configured_proxy() {
    // a proxy that refuses every connection: only the request to it matters
    let proxy = || Server::start(|_| Response::new(502, "text/plain", "no"));
    let check = |config: &dyn Fn(&Sandbox, &Server) -> Value, variables: &[&str], asked: bool| {
        let (proxy, sandbox) = (proxy(), Sandbox::new());
        let path = sandbox.write("config", config(&sandbox, &proxy).to_string()).display().to_string();
        let sandbox = variables.iter().fold(sandbox, |sandbox, name| match *name {
            "NO_PROXY" => sandbox.env(name, "api.invalid"),
            name => sandbox.env(name, proxy.url("")),
        });
        sandbox.experiment(&count(), ["--kubeconfig", &path]).exits(4).reports("https://api.invalid:6443");
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
    let (server, sandbox) = (server(), Sandbox::new());
    let sandbox = sandbox.env("KUBERNETES_HOST", server.url("")).env("KUBERNETES_API_KEY", "of-the-keys");
    assert_eq!(bearer(&counted(&sandbox, &server, &[])), Some("Bearer of-the-keys"));
    // as secrets of only one activity
    let sandbox = Sandbox::new();
    let mut experiment = count();
    experiment["method"][0]["provider"]["secrets"] = json!(["k8s"]);
    experiment["secrets"] = json!({"k8s": {"KUBERNETES_HOST": server.url(""), "KUBERNETES_API_KEY": "hidden",
        "KUBERNETES_API_KEY_PREFIX": "Token"}});
    sandbox.experiment(&experiment, NONE).exits(0);
    let requests = server.requests();
    assert_eq!(bearer(requests.last().unwrap()), Some("Token hidden"));
    assert!(!sandbox.read("journal.json").contains("hidden"));
}

#[test]
fn token_with_line_break_is_trimmed() {
    let check = |user: Value, flags: &[&str], variable: Option<&str>| {
        let (server, sandbox) = (server(), Sandbox::new());
        let config = kubeconfig_of(&sandbox, &server, &user);
        let (sandbox, config) = match variable {
            Some(key) => (
                Sandbox::new().env("KUBERNETES_HOST", server.url("")).env("KUBERNETES_API_KEY", key),
                Vec::new(),
            ),
            None => (sandbox, vec!["--kubeconfig", config.as_str()]),
        };
        let request = counted(&sandbox, &server, &[&config, flags].concat());
        assert_eq!(bearer(&request), Some("Bearer mine"), "{user} {flags:?}");
    };
    for end in ["\n", "\r\n", " \n"] {
        let token = format!("mine{end}");
        check(json!({"token": token}), &[], None);
        check(json!({"token": "other"}), &["--token", &token], None);
        check(json!({}), &[], Some(&token));
    }
    // a line break inside is refused before the run
    let sandbox = Sandbox::new();
    let config = kubeconfig(&sandbox, "https://127.0.0.1:1", &json!({"token": "a\nb"}));
    let finished = sandbox.experiment(&count(), ["--kubeconfig", &config]).exits(4);
    assert!(
        finished.stderr.contains("the token has characters that an HTTP header cannot have"),
        "{finished:?}"
    );
}

#[test]
fn server_flag_needs_no_scheme() {
    let (server, sandbox) = (plain_server(), Sandbox::new());
    let config = kubeconfig(&sandbox, "http://127.0.0.1:1", &json!({"token": "t"}));
    let address = server.host();
    counted(&sandbox, &server, &["--kubeconfig", &config, "--server", &address]);
    for invalid in ["ftp://h", "http://", "h/path", "a b"] {
        let given = ["--kubeconfig", &config, "--server", invalid];
        sandbox.experiment(&count(), given).exits(4).reports(&format!("invalid --server '{invalid}'"));
    }
}

#[test]
fn empty_flags_are_absent() {
    let (server, sandbox) = (server(), Sandbox::new());
    let config = kubeconfig_of(&sandbox, &server, &json!({"token": "t"}));
    let sandbox = sandbox.env("KUBECONFIG", config);
    let names = [
        "kubeconfig",
        "context",
        "cluster",
        "user",
        "namespace",
        "server",
        "token",
        "as",
        "as-uid",
        "certificate-authority",
        "client-certificate",
        "client-key",
        "tls-server-name",
    ];
    let flags: Vec<String> = names.iter().map(|name| format!("--{name}=")).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let request = counted(&sandbox, &server, &flags);
    assert!(request.path.starts_with("/api/v1/namespaces/shop/pods?"), "{}", request.path);
    assert_eq!(bearer(&request), Some("Bearer t"));
    assert_eq!(request.header("impersonate-user"), None);
}

#[test]
fn version_is_not_needed() {
    let server = Server::start(|request| match request.path.as_str() {
        path if path.contains("/pods") => Response::json(&super::pods(&["a", "b"])),
        _ => crate::harness::refused(403, "forbidden", &Value::Null),
    });
    let sandbox = Sandbox::new();
    let config = kubeconfig_of(&sandbox, &server, &json!({"token": "t"}));
    counted(&sandbox, &server, &["--kubeconfig", &config]);
    assert_eq!(sandbox.journal()["kubectl-chaos"]["cluster"]["version"], "unknown");
}

#[test]
fn login_page_is_named_with_its_address() {
    let server = Server::start(|_| Response::new(200, "text/html", "<html>sign in</html>"));
    let sandbox = Sandbox::new();
    let config = kubeconfig_of(&sandbox, &server, &json!({"token": "t"}));
    let finished = sandbox.experiment(&count(), ["--kubeconfig", &config]).exits(4);
    let expected = format!("{} (", server.url(""));
    assert!(finished.stderr.contains(&expected), "{}", finished.stderr);
    finished.reports("did not answer as an API server: expected JSON, not an HTML page");
}

#[test]
fn failures_of_this_side_are_named() {
    let check = |cluster: Value, user: Value, variable: Option<(&str, &str)>, expected: &[&str]| {
        let mut sandbox = Sandbox::new();
        if let Some((name, value)) = variable {
            sandbox = sandbox.env(name, value);
        }
        let config = json!({"current-context": "one", "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}]});
        let path = sandbox.write("config", config.to_string()).display().to_string();
        let finished = sandbox.experiment(&count(), ["--kubeconfig", &path]).exits(4);
        for text in expected {
            assert!(finished.stderr.contains(text), "{text:?} is not in\n{}", finished.stderr);
        }
    };
    let server = || json!({"server": "https://api.invalid:6443"});
    let user = || json!({"token": "t"});
    check(server(), user(), None, &["cannot resolve the host of https://api.invalid:6443 ("]);
    let closed = "by the proxy http://127.0.0.1:1";
    let proxy = Some(("HTTPS_PROXY", "http://me:pw@127.0.0.1:1"));
    check(server(), user(), proxy, &[closed, "(HTTPS_PROXY): ", "check the proxy in HTTPS_PROXY"]);
    let own = json!({"server": "https://api.invalid:6443", "proxy-url": "http://127.0.0.1:1"});
    check(own, user(), None, &[closed, "(proxy-url): ", "check the proxy-url of the cluster"]);
    let senseless = Some(("HTTPS_PROXY", "ftp://proxy"));
    check(server(), user(), senseless, &["invalid proxy 'ftp://proxy' in HTTPS_PROXY"]);
    let gcp = json!({"auth-provider": {"name": "gcp"}});
    let expected =
        ["auth-provider 'gcp' cannot be used: Kubernetes 1.26 removed it", "gke-gcloud-auth-plugin"];
    check(server(), gcp, None, &expected);
}

#[test]
fn broken_kubeconfig_is_named_by_its_place() {
    let check = |text: &str, expected: &str| {
        let sandbox = Sandbox::new();
        let path = sandbox.write("config", text).display().to_string();
        let finished = sandbox.experiment(&count(), ["--kubeconfig", &path]).exits(4);
        assert!(finished.stderr.contains(&format!("{path}: {expected}")), "{}", finished.stderr);
        assert!(!finished.stderr.contains("s3cret"), "{}", finished.stderr);
    };
    check("users:\n- name: u\n  user:\n    token: s3cret: s3cret\n", "line 4, column 18: invalid YAML");
    check(
        "users:\n- name: u\n  user:\n    token: [s3cret]\n",
        "line 4, column 12: users[0].user.token: expected a text",
    );
}

#[test]
fn warnings_of_the_server_are_shown_once() {
    let server = Server::start(|request| {
        let pods = request.path.contains("/pods");
        let answer = if pods { super::pods(&["a", "b"]) } else { json!({"gitVersion": "v1.36.0"}) };
        let warning = "299 - \"v1 Pods is deprecated\", 299 - \"unknown field \\\"x\\\"\"";
        let headers = [("Content-Type", "application/json"), ("Warning", warning)];
        Response::with(200, &headers[..if pods { 2 } else { 1 }], &answer.to_string())
    });
    let sandbox = Sandbox::new();
    let config = kubeconfig_of(&sandbox, &server, &json!({"token": "t"}));
    let look = function("probe", "pod.probes", "count_pods", &json!({"label_selector": "app=web"}));
    let finished = sandbox.experiment(&experiment(&json!([look, look])), ["--kubeconfig", &config]).exits(0);
    for text in ["the API server warns: v1 Pods is deprecated", "the API server warns: unknown field \"x\""] {
        assert_eq!(finished.stderr.matches(text).count(), 1, "{}", finished.stderr);
    }
}

#[test]
fn missing_chaos_mesh_is_named() {
    let server = Server::start(|request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": "v1.36.0"})),
        _ => Response::new(404, "text/plain", "404 page not found\n"),
    });
    let sandbox = Sandbox::new();
    let config = kubeconfig_of(&sandbox, &server, &json!({"token": "t"}));
    let arguments = json!({"name": "slow", "namespaces_selectors": "shop", "mode": "all", "latency": "1s",
        "correlation": "0", "jitter": "0ms"});
    let method = json!([function("action", "chaosmesh.network.actions", "add_latency", &arguments)]);
    let finished = sandbox.experiment(&experiment(&method), ["--kubeconfig", &config]).exits(5);
    finished.reports("Chaos Mesh is not installed in the cluster: the API server has no networkchaos");
}

#[test]
#[cfg(unix)]
fn login_program_runs_again_when_its_token_is_rejected() {
    let server = Server::secure(|request| match request.header("authorization") {
        Some("Bearer token-1") if request.path != "/version" => {
            crate::harness::refused(401, "Unauthorized", &Value::Null)
        }
        _ if request.path == "/version" => Response::json(&json!({"gitVersion": "v1.36.0"})),
        _ => Response::json(&super::pods(&["a", "b"])),
    });
    let sandbox = Sandbox::new();
    let counter = sandbox.path("runs").display().to_string();
    let script = format!(
        "echo x >> {counter}; echo '{{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \
         \"status\": {{\"token\": \"token-'$(wc -l < {counter})'\"}}}}'"
    );
    let user = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
        "args": ["-c", script], "interactiveMode": "Never"}});
    let config = kubeconfig_of(&sandbox, &server, &user);
    let look = function("probe", "pod.probes", "count_pods", &json!({"label_selector": "app=web"}));
    sandbox.experiment(&experiment(&json!([look, look, look])), ["--kubeconfig", &config]).exits(0);
    let runs: Vec<String> =
        sandbox.journal()["run"].as_array().unwrap().iter().map(|run| run["status"].to_string()).collect();
    assert_eq!(sandbox.read("runs").lines().count(), 2, "{runs:?}");
}

/// The expected requests are those of kubectl 1.32: an address without a scheme means http, whatever the TLS settings are,
/// and without TLS only a password in the address is sent.
#[test]
fn plain_http_gets_no_credentials() {
    let sandbox = Sandbox::new();
    let (authority, certificate, key) = certificates(&sandbox);
    let check = |cluster: Value, user: Value, flags: &[&str], expected: Option<&str>| {
        let server = plain_server();
        let with_host = |text: &str| text.replace("HOST", &server.host());
        let config = json!({"current-context": "one", "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}]});
        let path = sandbox.write("config", with_host(&config.to_string())).display().to_string();
        let flags: Vec<String> = flags.iter().map(|flag| with_host(flag)).collect();
        let given = ["--kubeconfig", &path].map(str::to_owned).into_iter().chain(flags.clone());
        sandbox.experiment(&count(), given).exits(0);
        let request = server.requests().into_iter().rfind(|request| request.path.contains("/pods?"));
        let request = request.unwrap_or_else(|| panic!("no request: {config} {flags:?}"));
        assert_eq!(bearer(&request), expected, "{config} {flags:?}");
    };
    let ran = sandbox.path("ran");
    let program = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch",
        "args": [ran], "interactiveMode": "Never"}});
    let users = [
        json!({"token": "t"}),
        json!({"username": "me", "password": "pw"}),
        json!({"client-certificate": certificate, "client-key": key}),
        json!({"tokenFile": "nowhere"}),
        json!({"token": "a\nb"}),
        program,
    ];
    let tls = [
        json!({}),
        json!({"certificate-authority": authority}),
        json!({"insecure-skip-tls-verify": true}),
        json!({"certificate-authority": authority, "insecure-skip-tls-verify": true}),
    ];
    for address in ["HOST", "http://HOST"] {
        for more in &tls {
            for user in &users {
                let cluster = crate::harness::with(json!({"server": address}), more);
                check(cluster.clone(), user.clone(), &[], None);
                let server = format!("--server={address}");
                let other = crate::harness::with(cluster, &json!({"server": "https://127.0.0.1:1"}));
                check(other, user.clone(), &[&server], None);
            }
        }
        let server = format!("--server={address}");
        let cluster = json!({"server": "https://127.0.0.1:1"});
        for flags in [
            vec!["--token=mine"],
            vec!["--token=mine", "--insecure-skip-tls-verify"],
            vec!["--insecure-skip-tls-verify"],
        ] {
            let flags: Vec<&str> = [server.as_str()].into_iter().chain(flags).collect();
            check(cluster.clone(), users[0].clone(), &flags, None);
        }
    }
    assert!(!ran.exists(), "the login program ran");
    // the password of an address is part of the request
    for address in ["me:pw@HOST", "http://me:pw@HOST"] {
        check(json!({"server": address}), users[0].clone(), &[], Some("Basic bWU6cHc="));
    }
    // host and key of the Chaos Toolkit belong together; the address of a flag replaces the host
    let (named, other) = (plain_server(), plain_server());
    let sandbox =
        Sandbox::new().env("KUBERNETES_HOST", named.url("")).env("KUBERNETES_API_KEY", "of-the-keys");
    assert_eq!(bearer(&counted(&sandbox, &named, &[])), Some("Bearer of-the-keys"));
    assert_eq!(bearer(&counted(&sandbox, &other, &["--server", &other.url("")])), None);
}

/// Files with an authority, a certificate and its key.
fn certificates(sandbox: &Sandbox) -> (String, String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["me".to_owned()]).unwrap().self_signed(&key).unwrap();
    let file = |name: &str, pem: String| sandbox.write(name, pem).display().to_string();
    (
        file("ca.pem", certificate.pem()),
        file("user.pem", certificate.pem()),
        file("key.pem", key.serialize_pem()),
    )
}

#[test]
fn refusal_without_credentials_names_the_reason() {
    let server = Server::start(|_| crate::harness::refused(401, "Unauthorized", &Value::Null));
    let sandbox = Sandbox::new();
    let config = kubeconfig_of(&sandbox, &server, &json!({"token": "t"}));
    let finished = sandbox.experiment(&count(), ["--kubeconfig", &config]).exits(4);
    finished.reports("hint: use an https address: credentials are not sent over plain http");
}

/// The expected tokens are those that kubectl 1.32 sends.
#[test]
fn token_counts_while_its_file_is_missing_or_empty() {
    let (server, sandbox) = (server(), Sandbox::new());
    sandbox.write("empty", "");
    sandbox.write("blank", " \n");
    sandbox.write("token", "of-the-file\n");
    let config = |user: Value| kubeconfig_of(&sandbox, &server, &user);
    for (file, expected) in [
        ("nowhere", "Bearer of-the-config"),
        ("empty", "Bearer of-the-config"),
        ("blank", "Bearer of-the-config"),
        ("token", "Bearer of-the-file"),
    ] {
        let config = config(json!({"token": "of-the-config", "tokenFile": file}));
        assert_eq!(bearer(&counted(&sandbox, &server, &["--kubeconfig", &config])), Some(expected), "{file}");
    }
    for (file, expected) in [("nowhere", "cannot read"), ("empty", "is empty"), ("blank", "is empty")] {
        let config = config(json!({"tokenFile": file}));
        sandbox.experiment(&count(), ["--kubeconfig", &config]).exits(4).reports(expected);
    }
    let config = config(json!({"tokenFile": "token", "username": "me", "password": "pw"}));
    let finished = sandbox.experiment(&count(), ["--kubeconfig", &config]).exits(4);
    finished.reports("the user has a token file and a password: only one is allowed");
}

/// As in the Chaos Toolkit, a kubeconfig comes first; a run on another cluster than the secrets name is refused.
#[test]
fn secrets_beside_a_kubeconfig_are_not_ignored_silently() {
    let (server, other) = (server(), server());
    let run = |secrets: Value, flags: &[&str]| {
        let sandbox = Sandbox::new();
        let config = kubeconfig_of(&sandbox, &server, &json!({"token": "t"}));
        let sandbox = sandbox.env("KUBECONFIG", &config);
        let mut experiment = count();
        experiment["method"][0]["provider"]["secrets"] = json!(["k8s"]);
        experiment["secrets"] = json!({"k8s": secrets});
        let flags: Vec<&str> =
            flags.iter().map(|flag| if *flag == "CONFIG" { &config } else { *flag }).collect();
        let finished = sandbox.experiment(&experiment, flags);
        assert!(!finished.stderr.contains("s3cret"), "{}", finished.stderr);
        finished
    };
    let elsewhere = || json!({"KUBERNETES_HOST": other.url(""), "KUBERNETES_API_KEY": "s3cret"});
    let refused = run(elsewhere(), &[]).exits(3);
    let keys = "KUBERNETES_HOST, KUBERNETES_API_KEY in the secrets of 'count_pods'";
    assert!(refused.stderr.contains(&format!("cannot use {keys}: ")), "{}", refused.stderr);
    assert!(server.requests().is_empty() && other.requests().is_empty());
    // what the flags select, and what the Chaos Toolkit does, is used with a warning
    for flags in [&["--kubeconfig", "CONFIG"][..], &["--context", "one"], &["--strict=false"]] {
        let finished = run(elsewhere(), flags).exits(0);
        assert!(finished.stderr.contains(&format!("Warning: ignoring {keys}: ")), "{}", finished.stderr);
    }
    // the same cluster, and a context that is named as well
    run(json!({"KUBERNETES_HOST": server.url(""), "KUBERNETES_API_KEY": "s3cret"}), &[]).exits(0);
    let mut named = elsewhere();
    named["KUBERNETES_CONTEXT"] = "one".into();
    let finished = run(named, &[]).exits(0);
    assert!(finished.stderr.contains("Warning: ignoring KUBERNETES_HOST"), "{}", finished.stderr);
    // nothing is said about empty values
    let finished = run(json!({"KUBERNETES_HOST": "", "KUBERNETES_CONTEXT": "one"}), &[]).exits(0);
    assert!(!finished.stderr.contains("ignoring"), "{}", finished.stderr);
    assert!(other.requests().is_empty());
}

#[test]
fn request_timeout_is_that_of_kubectl() {
    let slow = api(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1500));
        Some(Response::json(&super::pods(&["a", "b"])))
    });
    let sandbox = Sandbox::new();
    let config = kubeconfig_of(&sandbox, &slow, &json!({"token": "t"}));
    let run = |flag: &str| sandbox.experiment(&count(), ["--kubeconfig", &config, flag]);
    for endless in ["", "0", "0s", "-1s", "60"] {
        run(&format!("--request-timeout={endless}")).exits(0);
        assert_eq!(sandbox.journal()["run"][0]["status"], "succeeded", "{endless}");
    }
    for short in ["1", "1s"] {
        run(&format!("--request-timeout={short}"));
        assert_eq!(sandbox.journal()["run"][0]["status"], "failed", "{short}");
    }
    for invalid in ["abc", "-1", "1.5", "1d"] {
        run(&format!("--request-timeout={invalid}")).exits(2).reports("invalid timeout");
    }
}
