//! Rights: what experiments need, or a trial does, and which of it is missing. Floor 3.

use std::collections::BTreeSet;

use url::Url;

use super::check_result::CheckResult;
use crate::cli::CommandContext;
use crate::cli::run_context::RunContext;
use crate::experiment::Experiment;
use crate::experiment::configuration::{is_dynamic, resolve_configuration};
use crate::experiment::resolve::{HttpCall, PythonCall, ResolvedActivity, resolve};
use crate::kubernetes::ClusterClient;
use crate::kubernetes::catalogue::lookup;
use crate::kubernetes::rbac::{Permission, is_granted, needed};
use crate::kubernetes::service::named;
use crate::provider::ServiceAccess;
use crate::substitution::Scope;
use crate::trial::activities;
use crate::value::Map;

const CHECK: &str = "rights";

/// What a trial does: namespaces that come and go, manifests that are applied in them, what becomes of it.
const OF_A_TRIAL: [&str; 8] = [
    "create namespaces *",
    "get namespaces *",
    "list namespaces *",
    "delete namespaces *",
    "patch deployments.apps *",
    "get deployments.apps *",
    "patch services *",
    "list pods *",
];

/// What experiments need.
#[derive(Default)]
pub(super) struct NeededPermissions {
    pub(super) rights: BTreeSet<Permission>,
    /// Of what it is not known: activities, and why.
    pub(super) unknown: Vec<String>,
}

/// What experiments need in a namespace. Nothing is run to find out.
pub(super) fn of_experiments(
    session: &CommandContext,
    surroundings: &RunContext,
    experiments: &[Experiment],
    (namespace, inside): (&str, bool),
) -> NeededPermissions {
    let mut all = NeededPermissions::default();
    for experiment in experiments {
        let get = |key: &str| surroundings.environment.get(key);
        let declared = &experiment.configuration;
        let known = match resolve_configuration(declared, &surroundings.variables.configuration, &get) {
            Ok(known) => known.into_iter().filter(|(_, entry)| !is_dynamic(entry)).collect(),
            Err(why) => {
                all.unknown.push(why);
                Map::new()
            }
        };
        let scope = Scope::new(known, Map::new());
        for activity in activities(experiment, &surroundings.settings.controls) {
            let found = match resolve(&activity, &scope) {
                Err(why) => Err(why),
                // it may do anything, with whatever rights it has
                Ok(ResolvedActivity::Process(_)) => Ok(Vec::new()),
                Ok(ResolvedActivity::Http(call)) => Ok(of_request(session, &call, namespace, inside)),
                Ok(ResolvedActivity::Python(call)) => of_function(&call, namespace),
            };
            match found {
                Ok(rights) => all.rights.extend(rights),
                Err(why) => all.unknown.push(format!("'{}': {why}", activity.name)),
            }
        }
    }
    all.unknown.dedup();
    all
}

fn of_function(call: &PythonCall, namespace: &str) -> Result<Vec<Permission>, String> {
    if !call.secrets.is_empty() {
        return Err("it has keys of its own, for whatever cluster they mean".to_owned());
    }
    let function = lookup(&call.module, &call.function)
        .map_err(|_| format!("{}.{} is not built in", call.module, call.function))?;
    needed(&function, &call.arguments, namespace)
}

/// What a request to a Service needs, by the way that it goes.
fn of_request(session: &CommandContext, call: &HttpCall, namespace: &str, inside: bool) -> Vec<Permission> {
    let (access, aliases) = session.connection.services();
    let Some((url, wanted)) =
        Url::parse(call.url.trim()).ok().and_then(|url| named(&url, &aliases).map(|wanted| (url, wanted)))
    else {
        return Vec::new();
    };
    let plain = call.method == "GET" && url.scheme() == "http";
    let needs: &[&str] = match access {
        ServiceAccess::Direct => &[],
        ServiceAccess::Auto if inside => &["get services"],
        ServiceAccess::Auto | ServiceAccess::Proxy if plain => &["get services", "get services/proxy"],
        ServiceAccess::Auto | ServiceAccess::Proxy | ServiceAccess::PortForward => {
            &["get services", "get endpoints", "get pods/portforward", "create pods/portforward"]
        }
    };
    let place = wanted.namespace.as_deref().unwrap_or(namespace);
    needs.iter().map(|need| Permission::parse(need, place)).collect()
}

/// Which rights of the experiments are missing.
pub(super) async fn of(cluster: &ClusterClient, needed: &NeededPermissions) -> Vec<CheckResult> {
    let mut findings = Vec::new();
    let mut missing = 0;
    for right in &needed.rights {
        match is_granted(cluster, right).await {
            Ok((true, _)) => {}
            Ok((false, why)) => {
                missing += 1;
                let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
                let advice =
                    "ask whoever gives rights; `doctor EXPERIMENT --role` writes a role that has them all";
                findings.push(CheckResult::wrong(CHECK, format!("may not: {right}{why}"), advice));
            }
            Err(failure) => {
                findings.push(unanswered(&failure.brief()));
                return findings;
            }
        }
    }
    for what in &needed.unknown {
        let advice = "it has to be looked at by hand, or given a value with --var";
        findings.push(CheckResult::warning(CHECK, format!("not known beforehand: {what}"), advice));
    }
    match needed.rights.len() {
        0 if findings.is_empty() => findings.push(CheckResult::ok(CHECK, "none is needed")),
        count if missing == 0 && count > 0 => {
            findings.push(CheckResult::ok(CHECK, format!("all {count} that are needed are there")));
        }
        _ => {}
    }
    findings
}

/// Whether trials can be held.
pub(super) async fn of_a_trial(cluster: &ClusterClient) -> CheckResult {
    let mut missing = Vec::new();
    for need in OF_A_TRIAL {
        let right = Permission::parse(need, "");
        match is_granted(cluster, &right).await {
            Ok((true, _)) => {}
            Ok((false, _)) => missing.push(right.to_string()),
            Err(failure) => return unanswered(&failure.brief()),
        }
    }
    if missing.is_empty() {
        return CheckResult::ok(CHECK, "trials can make namespaces, deploy and remove them");
    }
    CheckResult::warning(
        CHECK,
        format!("trials in namespaces of their own lack: {}", missing.join(", ")),
        "hold them in one that is there (trial --in-place), or ask for these; what an experiment needs is told by \
         `doctor EXPERIMENT`",
    )
}

fn unanswered(why: &str) -> CheckResult {
    CheckResult::warning(CHECK, format!("the server does not say: {why}"), "see `kubectl auth can-i --list`")
}
