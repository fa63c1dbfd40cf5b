//! The cluster: kubeconfig files, the context, whether it answers, how old it is. Floor 3.

use std::sync::Arc;

use super::check_result::CheckResult;
use super::programs::minor;
use crate::config::ProcessEnv;
use crate::k8s::{
    ApiRequest, ClusterClient, ClusterError, ConnectionFlags, KubeconfigSource, NAMESPACES, connect,
    kubeconfigs,
};
use crate::value::Map;

/// Servers that are older were never tried.
const OLDEST: u32 = 20;

/// What was found, and the cluster where it answers.
pub(super) async fn look(
    flags: &ConnectionFlags,
    environment: &ProcessEnv,
) -> (Vec<CheckResult>, Option<Arc<ClusterClient>>) {
    let files = kubeconfigs(flags, environment);
    // the one in the home folder need not be there
    let listed = environment.get("KUBECONFIG").is_some_and(|list| !list.is_empty());
    let named = flags.kubeconfig.is_some();
    let told: Vec<&KubeconfigSource> = files.iter().filter(|file| file.exists || named || listed).collect();
    let mut findings = of_files(&told, named);
    let broken = files.iter().any(|file| file.names.is_err());
    let cluster = match connect(flags, environment, &Map::new()).await {
        Ok(cluster) => Arc::new(cluster),
        // what is wrong with the file stands there already
        Err(_) if broken => return (findings, None),
        Err(failure) => {
            findings.push(unknown(&failure, files.iter().any(|file| file.exists)));
            return (findings, None);
        }
    };
    let place = match &cluster.context {
        Some(context) => format!("{context}, namespace {}", cluster.namespace),
        None => format!("{}, namespace {}", cluster.source, cluster.namespace),
    };
    findings.push(CheckResult::ok("context", place));
    match cluster.version().await {
        Err(failure) => {
            findings.push(refused(&failure, environment));
            (findings, None)
        }
        Ok(version) => {
            findings.push(CheckResult::ok("cluster", format!("{} answers", cluster.address)));
            findings.push(server(&version));
            findings.extend(namespace(&cluster).await);
            (findings, Some(cluster))
        }
    }
}

/// What the files are good for.
fn of_files(files: &[&KubeconfigSource], named: bool) -> Vec<CheckResult> {
    const CHECK: &str = "kubeconfig";
    let one = |file: &&KubeconfigSource| {
        let path = file.path.display();
        match &file.names {
            Err(why) => CheckResult::wrong(
                CHECK,
                format!("{path} cannot be read: {why}"),
                "mend it, or name another one with --kubeconfig or KUBECONFIG",
            ),
            Ok(_) if !file.exists && named => CheckResult::wrong(
                CHECK,
                format!("{path} is not there"),
                "name one that is, or leave --kubeconfig out",
            ),
            Ok(_) if !file.exists => CheckResult::warning(
                CHECK,
                format!("{path} is not there"),
                "it is passed over; another one is named with --kubeconfig or KUBECONFIG",
            ),
            Ok(names) if names.contexts.is_empty() => CheckResult::warning(
                CHECK,
                format!("{path} has no contexts"),
                "see: kubectl config get-contexts",
            ),
            Ok(names) => CheckResult::ok(
                CHECK,
                format!("{path} has {} contexts", names.contexts.len()).replace(" 1 contexts", " 1 context"),
            ),
        }
    };
    files.iter().map(one).collect()
}

/// No cluster is meant.
fn unknown(failure: &ClusterError, has_files: bool) -> CheckResult {
    let advice = if has_files {
        "choose a context with --context, or for good: kubectl config use-context NAME"
    } else {
        "name a kubeconfig with --kubeconfig or KUBECONFIG; demo, --embedded and experiments of processes and \
         requests need none"
    };
    let check = if has_files { "context" } else { "cluster" };
    CheckResult { unreachable: !has_files, ..CheckResult::wrong(check, failure.words(), advice) }
}

/// A cluster that does not answer, or says no.
fn refused(failure: &ClusterError, environment: &ProcessEnv) -> CheckResult {
    let advice = advice(failure.code(), &failure.words(), environment);
    CheckResult { unreachable: true, ..CheckResult::wrong("cluster", failure.brief(), advice) }
}

/// What to do about a cluster that does not answer, or says no, by what was heard.
fn advice(code: Option<u16>, words: &str, environment: &ProcessEnv) -> String {
    // what stands before it are our own words, and the names of files
    let heard = words.rsplit_once("): ").map_or(words, |(_, heard)| heard).to_lowercase();
    let is = |signs: &[&str]| signs.iter().any(|sign| heard.contains(sign));
    let proxy = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .find(|name| environment.get(name).is_some_and(|value| !value.is_empty()));
    match code {
        Some(401) => {
            return "log in again: the credentials were not accepted; `kubectl config view --minify` shows whose \
                    they are"
                .to_owned();
        }
        Some(403) => {
            return "the user is known, and may not even ask for the version: see `kubectl auth whoami`, and ask \
                    whoever gives rights"
                .to_owned();
        }
        Some(407) => {
            return "the proxy wants to know who you are: write http://USER:PASSWORD@HOST:PORT".to_owned();
        }
        _ => {}
    }
    if is(&["tunnel", "proxy"]) {
        let name = proxy.unwrap_or("proxy-url of the kubeconfig");
        return format!(
            "the proxy of {name} does not let it through: see whether it is the right one, or put the \
             host of the cluster into NO_PROXY"
        );
    }
    let advice = if is(&["dns error", "lookup address", "name or service not known", "nodename nor servname"])
    {
        "the name of the server is not known here: is the VPN up, and the address in the kubeconfig right?"
    } else if is(&["certificate", "unknownissuer", "tls", "handshake", "received corrupt message"]) {
        "the certificate of the server is not one to trust: see certificate-authority(-data) of the kubeconfig, \
         --certificate-authority and --tls-server-name; a program in between may have put its own there"
    } else if is(&["connection refused"]) {
        "nothing listens there: is the cluster running, and the address in the kubeconfig right?"
    } else if is(&["did not answer within", "timed out", "deadline", "unreachable"]) {
        "nothing comes back from there: is the VPN up, and does a firewall let this machine through?"
    } else {
        "see what `kubectl version` says"
    };
    match proxy {
        Some(name) => format!("{advice} (it is asked by way of {name}, unless NO_PROXY names it)"),
        None => advice.to_owned(),
    }
}

fn server(version: &str) -> CheckResult {
    match minor(version) {
        Some(minor) if minor < OLDEST => CheckResult::warning(
            "server",
            format!("{version} is older than 1.{OLDEST}"),
            "it was never tried with one so old: rehearse on something that you can lose",
        ),
        _ => CheckResult::ok("server", version),
    }
}

/// Whether the namespace is there, and the credentials are good: everybody may ask for the version.
async fn namespace(cluster: &ClusterClient) -> Option<CheckResult> {
    let name = &cluster.namespace;
    let failure = cluster.json(&ApiRequest::get(&NAMESPACES, None, name)).await.err()?;
    match failure.code() {
        Some(404) => Some(CheckResult::warning(
            "namespace",
            format!("there is no namespace {name}"),
            format!("kubectl create namespace {name}, or choose another one with -n"),
        )),
        Some(401) => {
            let advice = advice(Some(401), "", &ProcessEnv::default());
            Some(CheckResult {
                unreachable: true,
                ..CheckResult::wrong("credentials", failure.brief(), advice)
            })
        }
        // who may work in a namespace need not be allowed to look at it
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_obstacle_has_its_own_advice() {
        let check = |code: Option<u16>, words: &str, variables: &[(&str, &str)], expected: &[&str]| {
            let mut environment = ProcessEnv::default();
            for (name, value) in variables {
                environment.set(name, value);
            }
            let advice = advice(code, words, &environment);
            for text in expected {
                assert!(advice.contains(text), "{text:?} is not in {advice:?} ({words})");
            }
        };
        let away =
            |why: &str| format!("https://x:6443 cannot be reached (/proxy/certificate, context a): {why}");
        check(Some(401), "", &[], &["log in again"]);
        check(Some(403), "", &[], &["kubectl auth whoami"]);
        check(None, &away("dns error: failed to lookup address information"), &[], &["VPN"]);
        check(None, &away("invalid peer certificate: UnknownIssuer"), &[], &["certificate-authority"]);
        check(None, &away("tcp connect error: Connection refused (os error 111)"), &[], &["nothing listens"]);
        check(None, "https://x did not answer within 3 seconds (f)", &[], &["firewall"]);
        let proxy = [("HTTPS_PROXY", "http://p")];
        check(None, &away("tunnel error: unsuccessful"), &proxy, &["HTTPS_PROXY", "NO_PROXY"]);
        check(None, &away("tunnel error: unsuccessful"), &[], &["proxy-url of the kubeconfig"]);
        check(None, &away("Connection refused"), &proxy, &["nothing listens", "by way of HTTPS_PROXY"]);
        check(None, &away("something else"), &[], &["kubectl version"]);
    }

    #[test]
    fn old_servers_are_told() {
        let check = |version: &str, expected: bool| {
            assert_eq!(server(version).advice.is_some(), expected, "{version}");
        };
        check("v1.19.16", true);
        check("v1.20.0", false);
        check("v1.33.0+embedded", false);
        check("unknown", false);
    }
}
