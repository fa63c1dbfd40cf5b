//! Checks kubeconfig files, the context, the connection, and the server version.

use std::sync::Arc;

use super::check_result::CheckResult;
use super::programs::parse_minor;
use crate::config::ProcessEnv;
use crate::error_code::{Coded as _, message_chain};
use crate::k8s;
use crate::k8s::{
    ApiRequest, ClusterClient, ConnectFailure, ConnectionFlags, KubeconfigSource, NAMESPACES, connect,
    kubeconfigs,
};
use crate::value::Map;

/// Older servers are untested.
const MIN_TESTED_MINOR: u32 = 20;

const INVALID_CREDENTIALS: &str =
    "log in again: the credentials were rejected; `kubectl config view --minify` shows the user";
const PROXY_CREDENTIALS: &str = "the proxy requires authentication: use http://USER:PASSWORD@HOST:PORT";

/// Checks the connection. Returns the results, and the cluster if it answers.
pub(super) async fn check_cluster(
    flags: &ConnectionFlags,
    environment: &ProcessEnv,
) -> (Vec<CheckResult>, Option<Arc<ClusterClient>>) {
    let files = kubeconfigs(flags, environment);
    // the default kubeconfig file need not exist
    let has_variable = environment.get("KUBECONFIG").is_some_and(|list| !list.is_empty());
    let has_flag = flags.kubeconfig.is_some();
    let relevant: Vec<&KubeconfigSource> =
        files.iter().filter(|file| file.exists || has_flag || has_variable).collect();
    let mut findings = check_kubeconfigs(&relevant, has_flag);
    let broken = files.iter().any(|file| file.names.is_err());
    let cluster = match connect(flags, environment, &Map::new()).await {
        Ok(cluster) => Arc::new(cluster),
        // the kubeconfig error is reported already
        Err(_) if broken => return (findings, None),
        Err(error) => {
            findings.push(missing_cluster(&error, files.iter().any(|file| file.exists)));
            return (findings, None);
        }
    };
    let location = match &cluster.context {
        Some(context) => format!("{context}, namespace {}", cluster.namespace),
        None => format!("{}, namespace {}", cluster.source, cluster.namespace),
    };
    findings.push(CheckResult::ok("context", location));
    match cluster.version().await {
        Err(error) => {
            findings.push(connection_error(&error, environment));
            (findings, None)
        }
        Ok(version) => {
            findings.push(CheckResult::ok("cluster", format!("{} answers", cluster.address)));
            findings.push(check_version(&version));
            findings.extend(check_namespace(&cluster).await);
            (findings, Some(cluster))
        }
    }
}

/// Checks the kubeconfig files.
fn check_kubeconfigs(files: &[&KubeconfigSource], named: bool) -> Vec<CheckResult> {
    const CHECK: &str = "kubeconfig";
    let check_file = |file: &&KubeconfigSource| {
        let path = file.path.display();
        match &file.names {
            Err(error) => CheckResult::error(
                CHECK,
                message_chain(error),
                "fix it, or select another file with --kubeconfig or KUBECONFIG",
            ),
            Ok(_) if !file.exists && named => CheckResult::error(
                CHECK,
                format!("{path} does not exist"),
                "pass an existing file, or omit --kubeconfig",
            ),
            Ok(_) if !file.exists => CheckResult::warning(
                CHECK,
                format!("{path} does not exist"),
                "it is ignored; select another file with --kubeconfig or KUBECONFIG",
            ),
            Ok(names) if names.contexts.is_empty() => CheckResult::warning(
                CHECK,
                format!("{path} has no contexts"),
                "run: kubectl config get-contexts",
            ),
            Ok(names) => CheckResult::ok(
                CHECK,
                format!("{path} has {} contexts", names.contexts.len()).replace(" 1 contexts", " 1 context"),
            ),
        }
    };
    files.iter().map(check_file).collect()
}

/// Reports that no cluster is configured, or that the context does not exist.
fn missing_cluster(error: &k8s::Error, has_files: bool) -> CheckResult {
    let hint = if has_files {
        let choice = error.hint().unwrap_or_else(|| "select a context with --context".to_owned());
        format!("{choice}; to select one permanently: kubectl config use-context NAME")
    } else {
        "pass a kubeconfig with --kubeconfig or KUBECONFIG; demo, --embedded, and experiments without cluster \
         activities need none"
            .to_owned()
    };
    let check = if has_files { "context" } else { "cluster" };
    CheckResult { unreachable: !has_files, ..CheckResult::error(check, message_chain(error), hint) }
}

/// Reports that the cluster does not answer, or rejects the request.
fn connection_error(error: &k8s::Error, environment: &ProcessEnv) -> CheckResult {
    let hint = connection_hint(error, environment);
    CheckResult { unreachable: true, ..CheckResult::error("cluster", message_chain(error), hint) }
}

/// Returns the hint for a connection error.
fn connection_hint(error: &k8s::Error, environment: &ProcessEnv) -> String {
    if let k8s::Error::Api(answer) = error
        && answer.code == 401
        && !answer.is_without_credentials
    {
        return INVALID_CREDENTIALS.to_owned();
    }
    // a failure of this machine has a hint of its own
    if let Some(hint) = error.tool_failure().and(error.hint()) {
        return hint;
    }
    let proxy = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .find(|name| environment.get(name).is_some_and(|value| !value.is_empty()));
    let hint = match error {
        k8s::Error::Api(answer) if answer.code == 403 => {
            return "authenticated but not authorized to read /version; check `kubectl auth whoami` and ask your \
                    administrator"
                .to_owned();
        }
        k8s::Error::Api(answer) if answer.code == 407 => return PROXY_CREDENTIALS.to_owned(),
        k8s::Error::Connect { failure: ConnectFailure::Refused, .. } => {
            "nothing listens at this address: check that the cluster runs, and the server address in the kubeconfig"
        }
        k8s::Error::Connect { failure: ConnectFailure::Timeout, .. } | k8s::Error::Timeout { .. } => {
            "no response: check the VPN, and the firewalls between this machine and the cluster"
        }
        k8s::Error::Tls { .. } => {
            "server certificate is not trusted: check certificate-authority(-data) in the kubeconfig, \
             --certificate-authority and --tls-server-name; a TLS-intercepting proxy may be in between"
        }
        _ => "compare with the output of `kubectl version`",
    };
    match proxy {
        Some(name) => {
            format!("{hint} (the request uses the proxy of {name}, unless NO_PROXY lists the host)")
        }
        None => hint.to_owned(),
    }
}

fn check_version(version: &str) -> CheckResult {
    match parse_minor(version) {
        Some(minor) if minor < MIN_TESTED_MINOR => CheckResult::warning(
            "server",
            format!("{version} is older than 1.{MIN_TESTED_MINOR}"),
            "untested with this version; try a disposable cluster first",
        ),
        _ => CheckResult::ok("server", version),
    }
}

/// Checks that the namespace exists and that the credentials are valid: `/version` needs none.
async fn check_namespace(cluster: &ClusterClient) -> Option<CheckResult> {
    let name = &cluster.namespace;
    let error = cluster.json(&ApiRequest::get(&NAMESPACES, None, name)).await.err()?;
    match error.status() {
        Some(404) => Some(CheckResult::warning(
            "namespace",
            format!("namespace {name} does not exist"),
            format!("run: kubectl create namespace {name}, or select another one with -n"),
        )),
        Some(401) => Some(CheckResult {
            unreachable: true,
            ..CheckResult::error("credentials", message_chain(&error), INVALID_CREDENTIALS)
        }),
        // working in a namespace does not require the permission to read it
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::{Endpoint, ProxyFailure};

    #[test]
    fn connection_errors_have_specific_hints() {
        // the endpoint names what a search in the text would find
        let endpoint = || Endpoint { address: "https://proxy:6443".into(), origin: "certificate".into() };
        let check = |error: &k8s::Error, variables: &[(&str, &str)], expected: &[&str]| {
            let mut environment = ProcessEnv::default();
            for (name, value) in variables {
                environment.set(name, value);
            }
            let hint = connection_hint(error, &environment);
            for text in expected {
                assert!(hint.contains(text), "{text:?} is not in {hint:?} ({error})");
            }
        };
        let connect = |failure: ConnectFailure| k8s::Error::Connect {
            endpoint: endpoint(),
            failure,
            source: k8s::Cause::of_text("tls handshake: connection refused"),
        };
        let answer = |code: u16| {
            k8s::Error::Api(Box::new(k8s::ApiError {
                code,
                body: String::new(),
                verb: "get",
                resource: NAMESPACES,
                namespace: None,
                is_without_credentials: false,
            }))
        };
        check(&answer(401), &[], &["log in again"]);
        check(&answer(403), &[], &["kubectl auth whoami"]);
        check(&answer(407), &[], &["http://USER:PASSWORD@HOST:PORT"]);
        check(&answer(500), &[], &["kubectl version"]);
        check(&connect(ConnectFailure::Refused), &[], &["nothing listens"]);
        check(&connect(ConnectFailure::Timeout), &[], &["firewall"]);
        check(&connect(ConnectFailure::Other), &[], &["kubectl version"]);
        let limit = std::time::Duration::from_secs(3);
        check(&k8s::Error::Timeout { endpoint: endpoint(), limit }, &[], &["firewall"]);
        let source = || k8s::Cause::of_text("x");
        check(&k8s::Error::Tls { endpoint: endpoint(), source: source() }, &[], &["certificate-authority"]);
        let proxy = [("HTTPS_PROXY", "http://p")];
        check(&k8s::Error::Dns { endpoint: endpoint(), source: source() }, &[], &["VPN", "kubeconfig"]);
        let by_proxy = |setting: &'static str, failure: ProxyFailure| k8s::Error::Proxy {
            endpoint: endpoint(),
            proxy: "http://p".to_owned(),
            setting,
            failure,
            source: source(),
        };
        check(&by_proxy("HTTPS_PROXY", ProxyFailure::Other), &proxy, &["HTTPS_PROXY", "NO_PROXY"]);
        check(&by_proxy("proxy-url", ProxyFailure::Other), &[], &["proxy-url of the cluster"]);
        let unauthenticated = by_proxy("HTTPS_PROXY", ProxyFailure::Authentication);
        check(&unauthenticated, &proxy, &["HTTPS_PROXY", "http://USER:PASSWORD@HOST:PORT"]);
        let refused = connect(ConnectFailure::Refused);
        check(&refused, &proxy, &["nothing listens", "uses the proxy of HTTPS_PROXY"]);
    }

    #[test]
    fn old_server_gives_a_warning() {
        let check = |version: &str, expected: bool| {
            assert_eq!(check_version(version).hint.is_some(), expected, "{version}");
        };
        check("v1.19.16", true);
        check("v1.20.0", false);
        check("v1.33.0+embedded", false);
        check("unknown", false);
    }
}
