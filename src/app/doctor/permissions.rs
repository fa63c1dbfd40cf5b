//! Checks the permissions that experiments or a trial need.

use std::collections::BTreeSet;

use url::Url;

use super::check_result::CheckResult;
use crate::app::{ConnectionOptions, RunContext};
use crate::chaosk8s::catalogue::lookup;
use crate::chaosk8s::needed_permissions;
use crate::error_code::message_chain;
use crate::experiment::Experiment;
use crate::experiment::configuration::{is_dynamic, resolve_configuration};
use crate::experiment::resolve::{HttpCall, PythonCall, ResolvedActivity, resolve};
use crate::k8s::ClusterClient;
use crate::k8s::rbac::{Permission, is_granted};
use crate::k8s::service::named;
use crate::provider::ServiceAccess;
use crate::substitution::Scope;
use crate::trial::list_activities;
use crate::value::Map;

const CHECK: &str = "permissions";

/// The permissions of a trial that creates its own namespaces.
const TRIAL_PERMISSIONS: [&str; 8] = [
    "create namespaces *",
    "get namespaces *",
    "list namespaces *",
    "delete namespaces *",
    "patch deployments.apps *",
    "get deployments.apps *",
    "patch services *",
    "list pods *",
];

/// The permissions that experiments need.
#[derive(Default)]
pub(super) struct NeededPermissions {
    pub(super) permissions: BTreeSet<Permission>,
    /// Activities whose permissions cannot be determined, and why.
    pub(super) unknown: Vec<String>,
}

/// Why the permissions of an activity cannot be determined.
#[derive(Debug, thiserror::Error)]
enum UndeterminedPermissions {
    #[error("it uses its own cluster credentials")]
    OwnCredentials,
    #[error("{module}.{function} is not built in")]
    NotBuiltIn { module: String, function: String },
    #[error("{0}")]
    Unresolved(String),
}

/// Collects the permissions that experiments need. Runs nothing.
pub(super) fn collect_needed(
    connection: &ConnectionOptions,
    run_context: &RunContext,
    experiments: &[Experiment],
    permission_scope: PermissionScope<'_>,
) -> NeededPermissions {
    let mut all = NeededPermissions::default();
    for experiment in experiments {
        let get = |key: &str| run_context.environment.get(key);
        let declared = &experiment.configuration;
        let values = match resolve_configuration(declared, &run_context.variables.configuration, &get) {
            Ok(values) => values.into_iter().filter(|(_, entry)| !is_dynamic(entry)).collect(),
            Err(reason) => {
                all.unknown.push(reason.to_string());
                Map::new()
            }
        };
        let scope = Scope::new(values, Map::new());
        for activity in list_activities(experiment, &run_context.settings.controls) {
            let permissions = match resolve(&activity, &scope) {
                Err(error) => Err(UndeterminedPermissions::Unresolved(error.to_string())),
                // its permissions cannot be known
                Ok(ResolvedActivity::Process(_)) => Ok(Vec::new()),
                Ok(ResolvedActivity::Http(call)) => {
                    Ok(request_permissions(connection, &call, permission_scope))
                }
                Ok(ResolvedActivity::Python(call)) => function_permissions(&call, permission_scope.namespace),
            };
            match permissions {
                Ok(permissions) => all.permissions.extend(permissions),
                Err(reason) => all.unknown.push(format!("'{}': {reason}", activity.name)),
            }
        }
    }
    all.unknown.dedup();
    all
}

/// Where the permissions are needed.
#[derive(Clone, Copy)]
pub(super) struct PermissionScope<'a> {
    pub(super) namespace: &'a str,
    /// Whether this program runs in a Pod of the cluster.
    pub(super) in_cluster: bool,
    /// The permission to read the endpoints of a Service.
    pub(super) endpoints: &'static str,
}

fn function_permissions(
    call: &PythonCall,
    namespace: &str,
) -> Result<Vec<Permission>, UndeterminedPermissions> {
    if !call.secrets.is_empty() {
        return Err(UndeterminedPermissions::OwnCredentials);
    }
    let function = lookup(&call.module, &call.function).map_err(|_| UndeterminedPermissions::NotBuiltIn {
        module: call.module.clone(),
        function: call.function.clone(),
    })?;
    needed_permissions(&function, &call.arguments, namespace)
        .map_err(|error| UndeterminedPermissions::Unresolved(message_chain(&error)))
}

/// Returns the permissions of a request to a Service, which depend on the service access.
fn request_permissions(
    connection: &ConnectionOptions,
    call: &HttpCall,
    permission_scope: PermissionScope<'_>,
) -> Vec<Permission> {
    let (access, aliases) = (connection.service_access, &connection.service_aliases);
    let Some((url, service)) =
        Url::parse(call.url.trim()).ok().and_then(|url| named(&url, aliases).map(|service| (url, service)))
    else {
        return Vec::new();
    };
    let plain = call.method == "GET" && url.scheme() == "http";
    let needs: &[&str] = match access {
        ServiceAccess::Direct => &[],
        ServiceAccess::Auto if permission_scope.in_cluster => &["get services"],
        ServiceAccess::Auto | ServiceAccess::Proxy if plain => &["get services", "get services/proxy"],
        ServiceAccess::Auto | ServiceAccess::Proxy | ServiceAccess::PortForward => {
            &["get services", permission_scope.endpoints, "get pods/portforward", "create pods/portforward"]
        }
    };
    let namespace = service.namespace.as_deref().unwrap_or(permission_scope.namespace);
    needs.iter().map(|need| Permission::parse(need, namespace)).collect()
}

/// Checks the permissions of the experiments.
pub(super) async fn check_needed(cluster: &ClusterClient, needed: &NeededPermissions) -> Vec<CheckResult> {
    let mut findings = Vec::new();
    let mut missing = 0;
    for permission in &needed.permissions {
        match is_granted(cluster, permission).await {
            Ok((true, _)) => {}
            Ok((false, reason)) => {
                missing += 1;
                let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
                let hint = "ask your cluster administrator; `doctor EXPERIMENT --role` writes a role with exactly the \
                            permissions this experiment needs";
                findings.push(CheckResult::error(CHECK, format!("not allowed: {permission}{reason}"), hint));
            }
            Err(failure) => {
                findings.push(no_answer(&failure.summary()));
                return findings;
            }
        }
    }
    for function in &needed.unknown {
        let hint = "check it manually, or set the value with --var";
        findings.push(CheckResult::warning(CHECK, format!("cannot be determined: {function}"), hint));
    }
    match needed.permissions.len() {
        0 if findings.is_empty() => findings.push(CheckResult::ok(CHECK, "none needed")),
        count if missing == 0 && count > 0 => {
            findings.push(CheckResult::ok(CHECK, format!("all {count} needed permissions are granted")));
        }
        _ => {}
    }
    findings
}

/// Checks the permissions of a trial.
pub(super) async fn check_trial(cluster: &ClusterClient) -> CheckResult {
    let mut missing = Vec::new();
    for need in TRIAL_PERMISSIONS {
        let permission = Permission::parse(need, "");
        match is_granted(cluster, &permission).await {
            Ok((true, _)) => {}
            Ok((false, _)) => missing.push(permission.to_string()),
            Err(failure) => return no_answer(&failure.summary()),
        }
    }
    if missing.is_empty() {
        return CheckResult::ok(CHECK, "trials can create, use and delete namespaces");
    }
    CheckResult::warning(
        CHECK,
        format!("trials in their own namespaces lack: {}", missing.join(", ")),
        "use `trial --in-place`, or request these permissions; `doctor EXPERIMENT` lists the needs of an experiment",
    )
}

fn no_answer(reason: &str) -> CheckResult {
    CheckResult::warning(
        CHECK,
        format!("cannot check permissions: {reason}"),
        "run: kubectl auth can-i --list",
    )
}
