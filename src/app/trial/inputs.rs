//! Reads and checks the inputs of a trial before it creates anything.

use std::path::PathBuf;
use std::sync::Arc;

use super::{NAMESPACE_VARIABLE, TrialRequest};
use crate::app::embedded_cluster::warn;
use crate::app::manifest_files::read_manifests;
use crate::app::run_context::{RunContext, is_invalid, read_control_files, show_diagnostics};
use crate::app::{AppContext, AppError, Outcome, Reporter};
use crate::compare::PrimaryMetric;
use crate::console::{ConsoleLine, LineLevel};
use crate::embedded::EmbeddedLimitation;
use crate::error_code::ErrorCode;
use crate::experiment::configuration::{is_dynamic, resolve_configuration, undeclared_warnings};
use crate::experiment::{Experiment, MethodStep, hash_experiment};
use crate::k8s;
use crate::k8s::{ClusterClient, DiscoveredKinds};
use crate::sampling::{sampling_warnings, select_probes};
use crate::source;
use crate::substitution::Scope;
use crate::text::quote;
use crate::trial::manifest::{Manifest, referenced_namespaces};
use crate::trial::{
    AllowedScopes, Arm, IsolationContext, IsolationViolation, ReachedScope, ResolvedManifest, TrialCluster,
    find_violations,
};
use crate::value::{Map, Value};

/// Manifests of a trial.
pub(super) struct ManifestSet {
    pub(super) common: Vec<Manifest>,
    pub(super) before: Vec<Manifest>,
    pub(super) after: Vec<Manifest>,
}

/// Inputs of a trial.
pub(super) struct TrialInputs {
    pub(super) experiment: Experiment,
    pub(super) hash: String,
    pub(super) manifests: ManifestSet,
    pub(super) allowed: AllowedScopes,
}

fn invalid(error: impl Into<String>) -> AppError {
    AppError::new(ErrorCode::ExperimentInvalid, error)
}

/// Reads the experiment and the manifests.
pub(super) async fn read_inputs(
    context: &AppContext,
    request: &TrialRequest,
    run_context: &RunContext,
) -> Result<TrialInputs, AppError> {
    let reporter = &*context.reporter;
    let document = source::read(&request.source, &run_context.settings, &run_context.environment, true)
        .await
        .map_err(|diagnostic| AppError::from_diagnostic(ErrorCode::ExperimentNotReadable, &diagnostic))?;
    let diagnostics = run_context.faults(&document, context.is_strict());
    if is_invalid(&diagnostics) {
        show_diagnostics(reporter, &diagnostics);
        return Err(invalid(format!("experiment '{}' is invalid", request.source)));
    }
    let experiment = Experiment::read(&document)
        .map_err(|diagnostic| AppError::from_diagnostic(ErrorCode::ExperimentInvalid, &diagnostic))?;
    let sampled = select_probes(&experiment, &request.sampling.probes)?;
    if let Some(primary) = &request.rules.primary {
        check_primary(primary, &sampled)?;
    }
    let doubts = sampling_warnings(&sampled, &request.sampling);
    for warning in doubts.into_iter().chain(undeclared_warnings(&experiment, &run_context.variables)) {
        reporter.show(&ConsoleLine::note(LineLevel::Warning, warning));
    }
    let load =
        |paths: &[PathBuf]| Ok::<_, AppError>(drop_namespaces(reporter, read_manifests(context, paths)?));
    let manifests = ManifestSet {
        common: load(&request.common)?,
        before: load(&request.before)?,
        after: load(&request.after)?,
    };
    for (flag, arm) in [("--before", &manifests.before), ("--after", &manifests.after)] {
        if arm.is_empty() {
            let message = format!("{flag} has no manifest to deploy");
            return Err(AppError::new(ErrorCode::TrialManifest, message));
        }
    }
    let hash = hash_experiment(&experiment.document);
    Ok(TrialInputs {
        hash,
        experiment,
        manifests,
        allowed: AllowedScopes::new(request.allow_outside.iter().cloned()),
    })
}

/// Checks that the probe of the primary metric is sampled, before the runs take their time.
fn check_primary(primary: &PrimaryMetric, sampled: &[&MethodStep]) -> Result<(), AppError> {
    let names = || sampled.iter().filter_map(|step| Some(step.activity.as_ref().ok()?.name.as_str()));
    if names().any(|name| name == primary.probe) {
        return Ok(());
    }
    let message = format!("no sampled probe is named {}", quote(&primary.probe));
    let error = AppError::new(ErrorCode::UsageInvalid, message);
    let names: Vec<String> = names().map(quote).collect();
    Err(match names.as_slice() {
        [] => error.with_hint("select a probe to sample with --sample-probe NAME"),
        names => error.with_hint(format!("choose one of: {}", names.join(", "))),
    })
}

/// Skips Namespace manifests, because every run has its own namespace.
fn drop_namespaces(reporter: &dyn Reporter, manifests: Vec<Manifest>) -> Vec<Manifest> {
    let is_namespace = |one: &Manifest| one.object["kind"] == "Namespace" && one.object["apiVersion"] == "v1";
    let (namespaces, others): (Vec<_>, Vec<_>) = manifests.into_iter().partition(is_namespace);
    for one in namespaces {
        let text = format!("{}: skipped; every run has its own namespace", one.place);
        reporter.show(&ConsoleLine::note(LineLevel::Warning, text));
    }
    others
}

/// Refuses an experiment or manifests that reach outside the namespace of a run.
pub(super) fn check_isolation(
    context: &AppContext,
    request: &TrialRequest,
    run_context: &RunContext,
    inputs: &TrialInputs,
    namespace: &str,
) -> Result<(), AppError> {
    let mut environment = (*run_context.environment).clone();
    environment.set(NAMESPACE_VARIABLE, namespace);
    let get = |key: &str| environment.get(key);
    let experiment = &inputs.experiment;
    let known = resolve_configuration(&experiment.configuration, &run_context.variables.configuration, &get);
    let known: Map = known
        .map_err(|error| invalid(error.to_string()))?
        .into_iter()
        .filter(|(_, entry)| !is_dynamic(entry))
        .collect();
    let mut controls = run_context.settings.controls.clone();
    controls.extend(read_control_files(context, &request.control_files)?);
    let scope = Scope::new(known, Map::new());
    let mut secrets = experiment.secrets.clone();
    for (name, group) in &run_context.variables.secrets {
        if secrets.contains_key(name) && *group != Value::Null {
            secrets.insert(name.clone(), group.clone());
        }
    }
    let isolation = IsolationContext {
        namespace,
        aliases: &context.connection.service_aliases,
        scope: &scope,
        secrets: &secrets,
        controls: &controls,
    };
    let mut violations = find_violations(experiment, &isolation);
    let ManifestSet { common, before, after } = &inputs.manifests;
    for manifest in common.iter().chain(before).chain(after) {
        for name in referenced_namespaces(&manifest.object) {
            let scope = ReachedScope::Namespace(name);
            let violation = IsolationViolation { subject: manifest.place.clone(), scope };
            if !violations.contains(&violation) {
                violations.push(violation);
            }
        }
    }
    violations.retain(|violation| !inputs.allowed.allows(&violation.scope));
    for violation in &violations {
        let error =
            AppError::new(ErrorCode::TrialIsolation, violation.to_string()).with_hint(violation.hint());
        context.reporter.show(&error.sanitized().line());
    }
    let targets = match violations.len() {
        0 => return Ok(()),
        1 => "1 target".to_owned(),
        count => format!("{count} targets"),
    };
    let message = format!("{targets} outside the namespace of the run; nothing was created");
    Err(AppError::new(ErrorCode::TrialIsolation, message))
}

/// Manifests with the kinds that the API server knows.
pub(super) struct ResolvedManifests {
    pub(super) cluster_scoped: Vec<ResolvedManifest>,
    common: Vec<ResolvedManifest>,
    before: Vec<ResolvedManifest>,
    after: Vec<ResolvedManifest>,
}

impl ResolvedManifests {
    /// Returns the manifests of an arm, with the common ones.
    pub(super) fn for_arm(&self, arm: Arm) -> Vec<&ResolvedManifest> {
        let own = match arm {
            Arm::Before => &self.before,
            Arm::After => &self.after,
        };
        self.common.iter().chain(own).collect()
    }
}

/// Looks up the kinds of all manifests. Only common manifests may be cluster-scoped.
pub(super) async fn resolve_manifests(
    context: &AppContext,
    request: &TrialRequest,
    cluster: &TrialCluster,
    manifests: &ManifestSet,
) -> Result<ResolvedManifests, AppError> {
    let mut kinds = DiscoveredKinds::default();
    let mut resolve = async |manifests: &[Manifest]| {
        let served;
        let manifests = if request.embedded {
            served = drop_unserved(&*context.reporter, cluster, &mut kinds, manifests).await?;
            &served
        } else {
            manifests
        };
        let resolved = cluster.resolve(&mut kinds, manifests).await;
        resolved.map_err(|error| AppError::from(error).with_outcome(Outcome::Usage))
    };
    let common = resolve(&manifests.common).await?;
    let (before, after) = (resolve(&manifests.before).await?, resolve(&manifests.after).await?);
    if let Some(one) = before.iter().chain(&after).find(|one| !one.kind.namespaced) {
        let message = format!("{}: cluster-scoped object in one arm", one.manifest.place);
        return Err(AppError::new(ErrorCode::TrialManifest, message).with_hint("move it to --common"));
    }
    let (common, cluster_scoped) = common.into_iter().partition(|one| one.kind.namespaced);
    Ok(ResolvedManifests { cluster_scoped, common, before, after })
}

/// Skips manifests of kinds that the embedded cluster does not serve, and names what else it leaves out.
async fn drop_unserved(
    reporter: &dyn Reporter,
    cluster: &TrialCluster,
    kinds: &mut DiscoveredKinds,
    manifests: &[Manifest],
) -> Result<Vec<Manifest>, AppError> {
    let mut served = Vec::new();
    for manifest in manifests {
        let Manifest { place, object } = manifest;
        let limitation = if cluster.serves(kinds, manifest).await? {
            served.push(manifest.clone());
            EmbeddedLimitation::of_stored(place, object)
        } else {
            Some(EmbeddedLimitation::not_served(place, object))
        };
        if let Some(limitation) = limitation {
            warn(reporter, &limitation);
        }
    }
    Ok(served)
}

/// Connects to the cluster and checks that it answers.
pub(crate) async fn connect(run_context: &RunContext) -> Result<Arc<ClusterClient>, AppError> {
    let mut location = String::new();
    let connected = async {
        let cluster = run_context.kubernetes.cluster(&Map::new()).await?;
        location = format!(" at {} ({})", cluster.address, cluster.source);
        cluster.version().await?;
        Ok::<_, k8s::Error>(cluster)
    };
    let connected = connected.await;
    connected.map_err(|error| {
        // connection errors name the address themselves
        let location = if error.status().is_some() { location.as_str() } else { "" };
        let mut error = AppError::from(error).with_outcome(Outcome::Unreachable);
        error.message = format!("cannot use the cluster{location}: {}", error.message);
        error
    })
}
