//! Checks the installation, the cluster and the permissions, and suggests fixes.
//!
//! ```text
//!  programs      PATH: this program, programs of the same name, kubectl, completion
//!  cluster       kubeconfig files, the context, the connection, the server version
//!  permissions   what experiments or a trial need, and what is missing
//!  check_result  the result of each check                                   ─► an outcome
//! ```

mod check_result;
mod cluster;
mod permissions;
mod programs;

use std::time::Duration;

use serde_json::Value as Json;

use super::context::AppContext;
use super::error::AppError;
use super::outcome::Outcome;
use super::run_context::{RunContext, VariableInputs, is_invalid};
use crate::chaosk8s::is_module;
use crate::console::{ConsoleLine, LineLevel};
use crate::diagnostic::Diagnostic;
use crate::error_code::ErrorCode;
use crate::experiment::Experiment;
use crate::k8s::rbac::{current_user, roles};
use crate::k8s::service::endpoint_permission;
use crate::k8s::{ConnectionFlags, connect};
use crate::source;
use crate::value::Map;

use permissions::PermissionScope;

pub(crate) use check_result::{CheckResult, CheckState};
pub(crate) use programs::PluginInfo;

/// The default time limit for requests to the cluster.
const CLUSTER_TIMEOUT: Duration = Duration::from_secs(10);

/// What to check.
#[derive(Clone, Debug, Default)]
pub(crate) struct DoctorRequest {
    pub(crate) plugin: PluginInfo,
    /// Experiments whose permissions are checked; those of a trial if there are none.
    pub(crate) sources: Vec<String>,
    pub(crate) variables: VariableInputs,
}

/// The results of all checks.
pub(crate) struct DoctorOutcome {
    pub(crate) findings: Vec<CheckResult>,
}

impl DoctorOutcome {
    pub(crate) fn outcome(&self) -> Outcome {
        check_result::outcome_of(&self.findings)
    }
}

/// Why nothing was checked. It is not shown yet.
pub(crate) enum DoctorFailure {
    Error(AppError),
    /// An experiment is invalid or cannot be read.
    InvalidExperiment {
        code: ErrorCode,
        diagnostics: Vec<Diagnostic>,
    },
}

impl From<AppError> for DoctorFailure {
    fn from(error: AppError) -> Self {
        Self::Error(error)
    }
}

/// Settings, experiments and connection of a request.
struct DoctorInputs {
    run_context: RunContext,
    experiments: Vec<Experiment>,
    flags: ConnectionFlags,
}

impl DoctorInputs {
    /// Reads settings, variables and experiments, up to the first invalid one.
    async fn read(context: &AppContext, request: &DoctorRequest) -> Result<Self, DoctorFailure> {
        let run_context = RunContext::read(context, &request.variables)?;
        let invalid = |code: ErrorCode| {
            move |diagnostic| DoctorFailure::InvalidExperiment { code, diagnostics: vec![diagnostic] }
        };
        let mut experiments = Vec::new();
        for source in &request.sources {
            let document = source::read(source, &run_context.settings, &run_context.environment, true).await;
            let document = document.map_err(invalid(ErrorCode::ExperimentNotReadable))?;
            let diagnostics = run_context.faults(&document, context.is_strict());
            if is_invalid(&diagnostics) {
                let code = ErrorCode::ExperimentInvalid;
                return Err(DoctorFailure::InvalidExperiment { code, diagnostics });
            }
            experiments.push(Experiment::read(&document).map_err(invalid(ErrorCode::ExperimentInvalid))?);
        }
        let flags = context.connection.flags.clone();
        let request_timeout = flags.request_timeout.or(Some(CLUSTER_TIMEOUT));
        Ok(Self { run_context, experiments, flags: ConnectionFlags { request_timeout, ..flags } })
    }
}

/// Runs all checks.
pub(crate) async fn check(
    context: &AppContext,
    request: &DoctorRequest,
) -> Result<DoctorOutcome, DoctorFailure> {
    let DoctorInputs { run_context, experiments, flags } = DoctorInputs::read(context, request).await?;
    let mut findings = programs::check_programs(&request.plugin, &context.environment).await;
    let (results, cluster) = cluster::check_cluster(&flags, &run_context.environment).await;
    findings.extend(results);
    let Some(cluster) = cluster else {
        if !experiments.is_empty() && !experiments.iter().any(|one| needs_cluster(&run_context, one)) {
            findings.iter_mut().for_each(CheckResult::downgrade);
        }
        return Ok(DoctorOutcome { findings });
    };
    if experiments.is_empty() {
        findings.push(permissions::check_trial(&cluster).await);
    } else {
        let endpoints = endpoint_permission(Some(&cluster)).await;
        let (namespace, in_cluster) = (cluster.namespace.as_str(), cluster.in_cluster);
        let scope = PermissionScope { namespace, in_cluster, endpoints };
        let needed = permissions::collect_needed(&context.connection, &run_context, &experiments, scope);
        findings.extend(permissions::check_needed(&cluster, &needed).await);
    }
    Ok(DoctorOutcome { findings })
}

fn needs_cluster(run_context: &RunContext, experiment: &Experiment) -> bool {
    experiment.functions().any(|(module, _)| is_module(module))
        || experiment.addresses().any(|address| run_context.services.has(address))
}

/// Returns RBAC roles with the permissions that the experiments need.
///
/// The cluster is only asked for the current user, and need not answer.
pub(crate) async fn needed_roles(
    context: &AppContext,
    request: &DoctorRequest,
) -> Result<Vec<Json>, DoctorFailure> {
    let DoctorInputs { run_context, experiments, flags } = DoctorInputs::read(context, request).await?;
    let cluster = connect(&flags, &run_context.environment, &Map::new()).await.ok();
    let scope = cluster.as_ref().map(|cluster| (cluster.namespace.clone(), cluster.in_cluster));
    let (namespace, in_cluster) =
        scope.unwrap_or_else(|| (flags.namespace.clone().unwrap_or_else(|| "default".to_owned()), false));
    let endpoints = endpoint_permission(cluster.as_ref()).await;
    let scope = PermissionScope { namespace: &namespace, in_cluster, endpoints };
    let needed = permissions::collect_needed(&context.connection, &run_context, &experiments, scope);
    let warn = |text: String| context.reporter.show(&ConsoleLine::note(LineLevel::Warning, text));
    for function in &needed.unknown {
        warn(format!("the role lacks permissions: {function}"));
    }
    let user = match (&flags.impersonate, &cluster) {
        (Some(user), _) => Some(user.clone()),
        (None, Some(cluster)) => current_user(cluster).await,
        (None, None) => None,
    };
    if user.is_none() {
        warn("current user is unknown; pass --as USER to generate a RoleBinding".to_owned());
    }
    let documents = roles(&needed.permissions, user.as_deref());
    if documents.is_empty() {
        warn("no permissions are needed".to_owned());
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::context::tests::context;

    #[tokio::test]
    async fn roles_have_the_permissions_of_the_experiments() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("e.json").display().to_string();
        let kill = serde_json::json!({"type": "action", "name": "kill", "provider": {"type": "python",
            "module": "chaosk8s.pod.actions", "func": "terminate_pods",
            "arguments": {"label_selector": "app=web", "ns": "shop"}}});
        let experiment = serde_json::json!({"title": "t", "description": "d", "method": [kill]});
        std::fs::write(&source, experiment.to_string()).unwrap();
        let request = DoctorRequest { sources: vec![source], ..DoctorRequest::default() };
        let Ok(documents) = needed_roles(&context(), &request).await else { panic!("no roles") };
        let role = &documents[0];
        assert_eq!((&role["kind"], &role["metadata"]["namespace"]), (&"Role".into(), &"shop".into()));
        assert!(role["rules"].to_string().contains("delete"), "{role:#}");
    }

    #[tokio::test]
    async fn experiment_that_cannot_be_read_prevents_all_checks() {
        let missing = "missing.json".to_owned();
        let request = DoctorRequest { sources: vec![missing], ..DoctorRequest::default() };
        let checked = check(&context(), &request).await;
        let Err(DoctorFailure::InvalidExperiment { code, diagnostics }) = checked else { panic!("checked") };
        assert_eq!((code, diagnostics.len()), (ErrorCode::ExperimentNotReadable, 1), "{diagnostics:?}");
    }
}
