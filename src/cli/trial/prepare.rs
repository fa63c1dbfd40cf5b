//! Reads and checks the inputs of a trial before it creates anything.

use std::sync::Arc;

use super::args::Trial;
use crate::cli::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitStatus;
use crate::cli::manifest_files::read_all;
use crate::cli::run_context::{RunContext, control_files, is_invalid, tell_faults};
use crate::cli::shared_args::SamplingArgs;
use crate::console::{ConsoleLine, LineLevel};
use crate::error_code::ErrorCode;
use crate::experiment::configuration::{is_dynamic, resolve_configuration, undeclared_warnings};
use crate::experiment::{Experiment, hash_experiment};
use crate::k8s;
use crate::k8s::{ClusterClient, DiscoveredKinds};
use crate::sampling::{sampling_warnings, select_probes};
use crate::source;
use crate::substitution::Scope;
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

fn invalid(error: impl Into<String>) -> CliError {
    CliError::new(ErrorCode::ExperimentInvalid, error)
}

/// Reads the experiment and the manifests.
pub(super) async fn read_inputs(
    session: &CommandContext,
    args: &Trial,
    context: &RunContext,
) -> Result<TrialInputs, CliError> {
    let document = source::read(&args.source, &context.settings, &context.environment, true)
        .await
        .map_err(|diagnostic| CliError::from_diagnostic(ErrorCode::ExperimentNotReadable, &diagnostic))?;
    let diagnostics = context.faults(&document, session.global.strict);
    if is_invalid(&diagnostics) {
        tell_faults(&session.terminal, &diagnostics);
        return Err(invalid(format!("experiment '{}' is invalid", args.source)));
    }
    let experiment = Experiment::read(&document)
        .map_err(|diagnostic| CliError::from_diagnostic(ErrorCode::ExperimentInvalid, &diagnostic))?;
    let sampled = select_probes(&experiment, &args.sampling.sample_probes)?;
    // runs of a trial are always sampled
    let options = SamplingArgs { sample: Some(args.sampling.sample.flatten()), ..args.sampling.clone() };
    let doubts = options.options().map(|options| sampling_warnings(&sampled, &options)).unwrap_or_default();
    for warning in doubts.into_iter().chain(undeclared_warnings(&experiment, &context.variables)) {
        session.terminal.say(&ConsoleLine::note(LineLevel::Warning, warning));
    }
    let load =
        |paths: &[std::path::PathBuf]| Ok::<_, CliError>(drop_namespaces(session, read_all(session, paths)?));
    let manifests =
        ManifestSet { common: load(&args.common)?, before: load(&args.before)?, after: load(&args.after)? };
    for (flag, arm) in [("--before", &manifests.before), ("--after", &manifests.after)] {
        if arm.is_empty() {
            let message = format!("{flag} has no manifest to deploy");
            return Err(CliError::new(ErrorCode::TrialManifest, message));
        }
    }
    let hash = hash_experiment(&experiment.document);
    Ok(TrialInputs {
        hash,
        experiment,
        manifests,
        allowed: AllowedScopes::new(args.allow_outside.iter().cloned()),
    })
}

/// Skips Namespace manifests, because every run has its own namespace.
fn drop_namespaces(session: &CommandContext, manifests: Vec<Manifest>) -> Vec<Manifest> {
    let is_namespace = |one: &Manifest| one.object["kind"] == "Namespace" && one.object["apiVersion"] == "v1";
    let (namespaces, others): (Vec<_>, Vec<_>) = manifests.into_iter().partition(is_namespace);
    for one in namespaces {
        let text = format!("{}: skipped; every run has its own namespace", one.place);
        session.terminal.say(&ConsoleLine::note(LineLevel::Warning, text));
    }
    others
}

/// Refuses an experiment or manifests that reach outside the namespace of a run.
pub(super) fn check_isolation(
    session: &CommandContext,
    args: &Trial,
    context: &RunContext,
    inputs: &TrialInputs,
    namespace: &str,
) -> Result<(), CliError> {
    let mut environment = (*context.environment).clone();
    environment.set(super::NAMESPACE_VARIABLE, namespace);
    let get = |key: &str| environment.get(key);
    let experiment = &inputs.experiment;
    let known = resolve_configuration(&experiment.configuration, &context.variables.configuration, &get);
    let known: Map = known
        .map_err(|error| invalid(error.to_string()))?
        .into_iter()
        .filter(|(_, entry)| !is_dynamic(entry))
        .collect();
    let (_, aliases) = session.connection.services();
    let mut controls = context.settings.controls.clone();
    controls.extend(control_files(session, &args.control_files));
    let scope = Scope::new(known, Map::new());
    let mut secrets = experiment.secrets.clone();
    for (name, group) in &context.variables.secrets {
        if secrets.contains_key(name) && *group != Value::Null {
            secrets.insert(name.clone(), group.clone());
        }
    }
    let isolation = IsolationContext {
        namespace,
        aliases: &aliases,
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
            CliError::new(ErrorCode::TrialIsolation, violation.to_string()).with_hint(violation.hint());
        session.terminal.say(&super::sanitized(error).line());
    }
    let targets = match violations.len() {
        0 => return Ok(()),
        1 => "1 target".to_owned(),
        count => format!("{count} targets"),
    };
    let message = format!("{targets} outside the namespace of the run; nothing was created");
    Err(CliError::new(ErrorCode::TrialIsolation, message))
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
    cluster: &TrialCluster,
    manifests: &ManifestSet,
) -> Result<ResolvedManifests, CliError> {
    let mut kinds = DiscoveredKinds::default();
    let mut resolve = async |manifests: &[Manifest]| {
        let resolved = cluster.resolve(&mut kinds, manifests).await;
        resolved.map_err(|error| CliError::from(error).with_status(ExitStatus::Usage))
    };
    let common = resolve(&manifests.common).await?;
    let (before, after) = (resolve(&manifests.before).await?, resolve(&manifests.after).await?);
    if let Some(one) = before.iter().chain(&after).find(|one| !one.kind.namespaced) {
        let message = format!("{}: cluster-scoped object in one arm", one.manifest.place);
        return Err(CliError::new(ErrorCode::TrialManifest, message).with_hint("move it to --common"));
    }
    let (common, cluster_scoped) = common.into_iter().partition(|one| one.kind.namespaced);
    Ok(ResolvedManifests { cluster_scoped, common, before, after })
}

/// Connects to the cluster and checks that it answers.
pub(super) async fn connect(context: &RunContext) -> Result<Arc<ClusterClient>, CliError> {
    let mut location = String::new();
    let connected = async {
        let cluster = context.kubernetes.cluster(&Map::new()).await?;
        location = format!(" at {} ({})", cluster.address, cluster.source);
        cluster.version().await?;
        Ok::<_, k8s::Error>(cluster)
    };
    let connected = connected.await;
    connected.map_err(|error| {
        // connection errors name the address themselves
        let location = if error.status().is_some() { location.as_str() } else { "" };
        let mut error = CliError::from(error).with_status(ExitStatus::Unreachable);
        error.message = format!("cannot use the cluster{location}: {}", error.message);
        error
    })
}
