//! A table of kubeconfigs is tried with kubectl and with this program on a real cluster: the two agree, or the table says
//! why they differ.
//!
//! `KUBECONFIG` names the cluster, whose user may create service accounts.

mod base;
mod cases;
mod connect_proxy;
mod servers;

use std::process::{Command, Stdio};

use base::Base;
use cases::{Case, all};
use kubectl_chaos::config::ProcessEnv;
use kubectl_chaos::k8s::{ConnectionFlags, connect, rbac};
use kubectl_chaos::value::Map;

/// Result of a connection: the user and the default namespace, or an error.
type Connected = Result<(String, String), String>;

#[test]
#[ignore = "needs kubectl and a cluster in KUBECONFIG"]
fn table_agrees_with_kubectl() {
    let base = Base::new();
    let cases = all(&base);
    let mut faults = Vec::new();
    let (mut agreements, mut differences) = (0, 0);
    for case in &cases {
        let (ours, kubectl) = (connect_as_plugin(&base, case), connect_with_kubectl(&base, case));
        let fits = match case.difference {
            None => match (&ours, &kubectl) {
                (Ok(ours), Ok(kubectl)) => ours == kubectl,
                (Err(_), Err(_)) => true,
                _ => false,
            },
            Some(_) => ours.is_ok() && kubectl.is_err(),
        };
        match (fits, case.difference) {
            (false, _) => faults.push(format!("{}\n  plugin:  {ours:?}\n  kubectl: {kubectl:?}", case.name)),
            (true, None) => agreements += 1,
            (true, Some(_)) => differences += 1,
        }
        for secret in base.secrets() {
            let text = ours.as_ref().err().map(String::as_str).unwrap_or_default();
            assert!(!text.contains(secret.as_str()), "{}: the error contains a secret: {text}", case.name);
        }
    }
    assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), cases.len(), faults.join("\n"));
    println!(
        "{} kubeconfigs: {agreements} agree, {differences} connect here only, for a listed reason",
        cases.len()
    );
    for case in &cases {
        if let Some(difference) = case.difference {
            println!("  {}: {difference}", case.name);
        }
    }
    assert!(cases.len() >= 60);
}

fn connect_as_plugin(base: &Base, case: &Case) -> Connected {
    let mut environment = ProcessEnv::default();
    for (name, value) in base.environment(case) {
        environment.set(&name, &value);
    }
    let flags = flags(&case.flags);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let cluster = connect(&flags, &environment, &Map::new()).await.map_err(|error| error.summary())?;
        // the answer of a user without the permission is a refusal
        cluster.version().await.map_err(|error| error.summary())?;
        match rbac::current_user(&cluster).await {
            Some(user) if case.has_namespace => Ok((user, cluster.namespace.clone())),
            Some(user) => Ok((user, "default".to_owned())),
            None => Err("the server does not tell the user".to_owned()),
        }
    })
}

fn connect_with_kubectl(base: &Base, case: &Case) -> Connected {
    let ask = |words: &[&str]| {
        let output = Command::new("kubectl")
            .args(&case.flags)
            .args(words)
            .env_clear()
            .envs(base.environment(case))
            .current_dir(base.directory())
            .stdin(Stdio::null())
            .output()
            .expect("kubectl");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    };
    let user = ask(&["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"])?;
    if !case.has_namespace {
        return Ok((user, "default".to_owned()));
    }
    let namespace = ask(&["get", "configmaps", "kube-root-ca.crt", "-o", "jsonpath={.metadata.namespace}"])?;
    Ok((user, namespace))
}

/// Parses the flags as the command line does.
fn flags(given: &[String]) -> ConnectionFlags {
    let mut flags = ConnectionFlags::default();
    for flag in given {
        let (name, value) = flag.split_once('=').unwrap_or((flag, "true"));
        let (text, path) = (Some(value.to_owned()), Some(value.into()));
        match name {
            "--kubeconfig" => flags.kubeconfig = path,
            "--context" => flags.context = text,
            "--cluster" => flags.cluster = text,
            "--user" => flags.user = text,
            "--namespace" => flags.namespace = text,
            "--server" => flags.server = text,
            "--token" => flags.token = text,
            "--as" => flags.impersonate = text,
            "--as-group" => flags.impersonate_groups.push(value.to_owned()),
            "--certificate-authority" => flags.certificate_authority = path,
            "--client-certificate" => flags.client_certificate = path,
            "--client-key" => flags.client_key = path,
            "--tls-server-name" => flags.tls_server_name = text,
            "--insecure-skip-tls-verify" => flags.insecure = value == "true",
            other => panic!("unknown flag {other}"),
        }
    }
    flags
}
