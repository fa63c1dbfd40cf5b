//! Everything about a trial that is read and checked before anything is made. Floor 3.

use std::sync::Arc;

use super::args::Trial;
use crate::cli::CommandContext;
use crate::cli::error::error_text;
use crate::cli::exit_code::ExitStatus;
use crate::cli::manifest_files::read_all;
use crate::cli::run_context::{RunContext, control_files, is_invalid, tell_faults};
use crate::cli::shared_args::SamplingArgs;
use crate::console::{ConsoleLine, LineLevel};
use crate::experiment::configuration::{is_dynamic, resolve_configuration, undeclared_warnings};
use crate::experiment::{Experiment, hash_experiment};
use crate::k8s;
use crate::k8s::{ClusterClient, DiscoveredKinds};
use crate::sampling::{doubts, sampled};
use crate::source;
use crate::substitution::Scope;
use crate::trial::manifest::{Manifest, named_namespaces};
use crate::trial::{
    AllowedScopes, Arm, IsolationContext, IsolationViolation, ReachedScope, ResolvedManifest, TrialCluster,
    outside,
};
use crate::value::Map;

/// Why a trial does not begin, or ends: what was said, and the exit code.
pub(super) type TrialRefusal = (ExitStatus, String);

/// The manifests of a trial.
pub(super) struct ManifestSet {
    pub(super) common: Vec<Manifest>,
    pub(super) before: Vec<Manifest>,
    pub(super) after: Vec<Manifest>,
}

/// What was read.
pub(super) struct TrialInputs {
    pub(super) experiment: Experiment,
    pub(super) hash: String,
    pub(super) manifests: ManifestSet,
    pub(super) allowed: AllowedScopes,
}

/// Reads the experiment and the manifests.
pub(super) async fn read(
    session: &CommandContext,
    args: &Trial,
    surroundings: &RunContext,
) -> Result<TrialInputs, TrialRefusal> {
    let document = source::read(&args.source, &surroundings.settings, &surroundings.environment, true)
        .await
        .map_err(|fault| (ExitStatus::Invalid, fault.to_string()))?;
    let faults = surroundings.faults(&document, session.global.strict);
    if is_invalid(&faults) {
        tell_faults(&session.terminal, &faults);
        return Err((ExitStatus::Invalid, format!("{} is not valid", args.source)));
    }
    let experiment = Experiment::read(&document).map_err(|fault| (ExitStatus::Invalid, fault.to_string()))?;
    let sampled =
        sampled(&experiment, &args.sampling.sample_probes).map_err(|error| (ExitStatus::Usage, error))?;
    // every run is sampled, whether somebody says so or not
    let options = SamplingArgs { sample: Some(args.sampling.sample.flatten()), ..args.sampling.clone() };
    let doubts = options.options().map(|options| doubts(&sampled, &options)).unwrap_or_default();
    for doubt in doubts.into_iter().chain(undeclared_warnings(&experiment, &surroundings.variables)) {
        session.terminal.say(&ConsoleLine::note(LineLevel::Warning, doubt));
    }
    let all = |paths: &[std::path::PathBuf]| {
        let manifests = read_all(session, paths).map_err(|error| (ExitStatus::Usage, error_text(error)))?;
        Ok::<_, TrialRefusal>(without_namespaces(session, manifests))
    };
    let manifests =
        ManifestSet { common: all(&args.common)?, before: all(&args.before)?, after: all(&args.after)? };
    for (flag, arm) in [("--before", &manifests.before), ("--after", &manifests.after)] {
        if arm.is_empty() {
            return Err((
                ExitStatus::Usage,
                format!("{flag} names nothing that could be deployed for a run"),
            ));
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

/// Every run has a namespace of its own: those of the manifests are passed over.
fn without_namespaces(session: &CommandContext, manifests: Vec<Manifest>) -> Vec<Manifest> {
    let is_namespace = |one: &Manifest| one.object["kind"] == "Namespace" && one.object["apiVersion"] == "v1";
    let (namespaces, others): (Vec<_>, Vec<_>) = manifests.into_iter().partition(is_namespace);
    for one in namespaces {
        let text = format!("{}: passed over, as every run has a namespace of its own", one.place);
        session.terminal.say(&ConsoleLine::note(LineLevel::Warning, text));
    }
    others
}

/// Refuses what the experiment would touch or measure outside the namespace of its run.
pub(super) fn check_bounds(
    session: &CommandContext,
    args: &Trial,
    surroundings: &RunContext,
    read: &TrialInputs,
    namespace: &str,
) -> Result<(), TrialRefusal> {
    let mut environment = (*surroundings.environment).clone();
    environment.set(super::NAMESPACE_VARIABLE, namespace);
    let get = |key: &str| environment.get(key);
    let known =
        resolve_configuration(&read.experiment.configuration, &surroundings.variables.configuration, &get)
            .map_err(|error| (ExitStatus::Invalid, error))?;
    let known: Map = known.into_iter().filter(|(_, entry)| !is_dynamic(entry)).collect();
    let (_, aliases) = session.connection.services();
    let mut controls = surroundings.settings.controls.clone();
    controls.extend(control_files(session, &args.control_files));
    let scope = Scope::new(known, Map::new());
    let bounds = IsolationContext { namespace, aliases: &aliases, scope: &scope, controls: &controls };
    let mut found = outside(&read.experiment, &bounds);
    let ManifestSet { common, before, after } = &read.manifests;
    for manifest in common.iter().chain(before).chain(after) {
        for name in named_namespaces(&manifest.object) {
            let one =
                IsolationViolation { who: manifest.place.clone(), place: ReachedScope::Namespace(name) };
            if !found.contains(&one) {
                found.push(one);
            }
        }
    }
    found.retain(|one| !read.allowed.allows(&one.place));
    for one in &found {
        session
            .terminal
            .say(&ConsoleLine::note(LineLevel::Error, crate::console::sanitize(&one.to_string())));
    }
    match found.len() {
        0 => Ok(()),
        1 => {
            Err((ExitStatus::Invalid, "that is outside the namespace of a run: nothing was made".to_owned()))
        }
        count => Err((
            ExitStatus::Invalid,
            format!("these {count} are outside the namespace of a run: nothing was made"),
        )),
    }
}

/// The manifests, with what the server knows of their kinds.
pub(super) struct ResolvedManifests {
    pub(super) of_the_cluster: Vec<ResolvedManifest>,
    common: Vec<ResolvedManifest>,
    before: Vec<ResolvedManifest>,
    after: Vec<ResolvedManifest>,
}

impl ResolvedManifests {
    /// What an arm has.
    pub(super) fn of(&self, arm: Arm) -> Vec<&ResolvedManifest> {
        let own = match arm {
            Arm::Before => &self.before,
            Arm::After => &self.after,
        };
        self.common.iter().chain(own).collect()
    }
}

/// Asks the server for the kinds. Things of the whole cluster may only be common ones.
pub(super) async fn resolve(
    stage: &TrialCluster,
    manifests: &ManifestSet,
) -> Result<ResolvedManifests, TrialRefusal> {
    let mut kinds = DiscoveredKinds::default();
    let mut all = async |manifests: &[Manifest]| {
        stage.resolve(&mut kinds, manifests).await.map_err(|error| (ExitStatus::Usage, error))
    };
    let (common, before, after) =
        (all(&manifests.common).await?, all(&manifests.before).await?, all(&manifests.after).await?);
    if let Some(one) = before.iter().chain(&after).find(|one| !one.known.namespaced) {
        let why = format!(
            "{}: it is a thing of the whole cluster, which both arms would share: put it into --common",
            one.manifest.place
        );
        return Err((ExitStatus::Usage, why));
    }
    let (common, of_the_cluster) = common.into_iter().partition(|one| one.known.namespaced);
    Ok(ResolvedManifests { of_the_cluster, common, before, after })
}

/// The cluster.
pub(super) async fn reach(surroundings: &RunContext) -> Result<Arc<ClusterClient>, TrialRefusal> {
    let mut place = String::new();
    let reached = async {
        let cluster = surroundings.kubernetes.cluster(&Map::new()).await?;
        place = format!(" at {} ({})", cluster.address, cluster.source);
        cluster.version().await?;
        Ok::<_, k8s::Error>(cluster)
    };
    let reached = reached.await;
    reached.map_err(|failure| {
        // of one that cannot be reached it is said where it is
        let place = if failure.status().is_some() { place.as_str() } else { "" };
        (ExitStatus::Unreachable, format!("the cluster{place} cannot be used: {}", failure.summary()))
    })
}
