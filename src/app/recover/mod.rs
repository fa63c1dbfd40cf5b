//! Finds leftovers of killed trials, and deletes or restores them.

mod leftovers;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::ci::context_allowlist;
use super::context::AppContext;
use super::error::AppError;
use super::outcome::Outcome;
use super::run_context::{RunContext, VariableInputs};
use super::trial::state_file::{InPlaceBackup, RecoveredState, TrialProgress, lock_ended_trial};
use super::trial::{connect, restore_with_retry};
use crate::error_code::{ErrorCode, message_chain};
use crate::github::WorkflowJob;
use crate::k8s::{ClusterClient, Metadata, Resource};
use crate::mutation::{EffectState, StopToken};
use crate::trial::{
    self, Backup, BackupProof, InvalidBackup, RestoreAction, RestorePlan, TrialCluster, list_leftovers,
    plan_removal,
};
use leftovers::foreign_reason;

pub(crate) use leftovers::{Disposition, Leftover};

/// Time allowed until deleted objects are terminating or gone.
const DELETION_TIMEOUT: Duration = Duration::from_secs(60);

/// What to clean up.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecoverRequest {
    /// Trial ID; all trials if `None`.
    pub(crate) trial: Option<String>,
    /// Directory of the trial.
    pub(crate) from: Option<PathBuf>,
    /// Patterns of allowed contexts, besides those of disposable clusters.
    pub(crate) allow_context: Vec<String>,
}

/// What was found. Nothing was changed.
pub(crate) enum Recovery {
    /// The directory says that nothing is left, with the reason.
    NothingLeft(&'static str),
    Found(Box<FoundLeftovers>),
}

/// Leftovers of a trial or of all trials on a cluster.
pub(crate) struct FoundLeftovers {
    pub(crate) leftovers: Vec<Leftover>,
    trial: Option<String>,
    cluster: Arc<ClusterClient>,
    backups: Vec<(Backup, Vec<RestorePlan>)>,
    objects: Vec<(Resource, Metadata)>,
}

/// What a cleanup did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CleanupResult {
    /// Objects are deleted or terminating.
    Deleted,
    /// There was nothing to delete.
    Restored,
}

/// Reads the state of the trial that wrote a directory, or the reason why nothing is left of it.
fn read_state(dir: &Path) -> Result<Result<RecoveredState, &'static str>, AppError> {
    let state =
        RecoveredState::read(dir).map_err(|error| AppError::from(error).with_outcome(Outcome::Usage))?;
    Ok(match state {
        None => Err("the directory has no trial"),
        Some(state) if state.state == TrialProgress::Finished => Err("the trial cleaned up everything"),
        Some(state) if state.embedded => Err("the embedded cluster of the trial ended with its process"),
        Some(state) => Ok(state),
    })
}

/// Trial and cluster to clean up.
#[derive(Default)]
struct CleanupScope<'a> {
    /// Trial ID; all trials if `None`.
    trial: Option<&'a str>,
    /// Expected address of the cluster.
    address: Option<&'a str>,
    /// Backup according to the trial directory.
    in_place: Option<&'a InPlaceBackup>,
    /// Whether the directory is untrusted, because a CI job may have it from a pull request.
    is_ci_job: bool,
}

/// Finds the leftovers. An error is not shown yet, and may contain untrusted text.
pub(crate) async fn find(context: &AppContext, request: &RecoverRequest) -> Result<Recovery, AppError> {
    let (mut context, is_ci_job) = restrict_contexts(context, request)?;
    let Some(dir) = &request.from else {
        let scope = CleanupScope { trial: request.trial.as_deref(), ..CleanupScope::default() };
        return find_in_cluster(&context, scope).await;
    };
    // a trial that is running cleans up itself
    let _lock = lock_ended_trial(dir)?;
    match read_state(dir)? {
        Err(reason) => Ok(Recovery::NothingLeft(reason)),
        Ok(state) => {
            if let (None, Some(name)) = (&context.connection.flags.context, &state.context) {
                context.connection = context.connection.for_context(name);
            }
            let scope = CleanupScope {
                trial: Some(&state.trial),
                address: Some(&state.cluster),
                in_place: state.in_place.as_ref(),
                is_ci_job,
            };
            find_in_cluster(&context, scope).await
        }
    }
}

/// Applies the context policy of `ci` in a CI job, where a pull request can supply the directory, and on request.
///
/// Returns whether the directory is untrusted.
fn restrict_contexts(context: &AppContext, request: &RecoverRequest) -> Result<(AppContext, bool), AppError> {
    let job = WorkflowJob::from_env(|name| context.environment.get(name))?;
    let mut restricted = context.clone();
    let is_ci_job = request.from.is_some() && job.event.is_some();
    if is_ci_job || !request.allow_context.is_empty() {
        let allowlist = context_allowlist(&*context.reporter, &job, &request.allow_context);
        restricted.connection = context.connection.restricted(allowlist);
    }
    Ok((restricted, is_ci_job))
}

fn unreachable(error: impl Into<trial::Error>) -> AppError {
    AppError::from(error.into()).with_outcome(Outcome::Unreachable)
}

/// Finds the leftovers of one trial or of all; only on the expected cluster, if it is known.
async fn find_in_cluster(context: &AppContext, scope: CleanupScope<'_>) -> Result<Recovery, AppError> {
    let run_context = RunContext::read(context, &VariableInputs::default())?;
    let cluster = connect(&run_context).await?;
    if let Some(expected) = scope.address.filter(|address| *address != cluster.address) {
        let message = format!("the trial ran on {expected}, but the current cluster is {}", cluster.address);
        return Err(AppError::new(ErrorCode::RecoverRefused, message)
            .with_hint("pass the --kubeconfig and --context of the trial"));
    }
    let (found, invalid) = find_backups(&cluster, &scope).await?;
    let objects = list_leftovers(&cluster, scope.trial).await.map_err(unreachable)?;
    let mut backups = Vec::new();
    for backup in found {
        let plans = backup.preview().await;
        backups.push((backup, plans));
    }
    let leftovers: Vec<Leftover> = objects
        .iter()
        .map(|(resource, metadata)| Leftover::from_object(resource, metadata))
        .chain(backups.iter().flat_map(|(backup, plans)| Leftover::from_backup(backup, plans)))
        .chain(invalid.iter().map(Leftover::from_invalid_backup))
        .collect();
    let trial = scope.trial.map(str::to_owned);
    Ok(Recovery::Found(Box::new(FoundLeftovers { leftovers, trial, cluster, backups, objects })))
}

impl FoundLeftovers {
    /// Returns the address of the cluster.
    pub(crate) fn address(&self) -> &str {
        &self.cluster.address
    }

    /// Returns whether a cleanup changes something.
    pub(crate) fn has_changes(&self) -> bool {
        self.leftovers.iter().any(|one| one.action.changes_cluster())
    }

    /// Describes that nothing is left, and which other trials have leftovers.
    pub(crate) async fn describe_none(&self) -> Result<String, AppError> {
        let subject =
            self.trial.as_ref().map_or_else(|| "trials".to_owned(), |trial| format!("trial {trial}"));
        let mut text = format!("no leftovers of {subject} on {}", self.cluster.address);
        if self.trial.is_some() {
            let others = list_trials(&self.cluster).await?;
            if !others.is_empty() {
                text += &format!("; other trials with leftovers: {}", others.join(", "));
            }
        }
        Ok(text)
    }

    /// Deletes or restores the leftovers, except those that are skipped.
    pub(crate) async fn clean_up(mut self) -> Result<CleanupResult, AppError> {
        let mut failed = Vec::new();
        for (backup, plans) in &self.backups {
            failed.extend(restore_backup(&self.cluster, backup, plans).await);
        }
        self.objects.retain(|(resource, metadata)| foreign_reason(resource, metadata).is_none());
        failed.extend(delete_leftovers(self.cluster, &self.objects).await.err());
        let mut messages: Vec<String> = failed.iter().map(|error| message_chain(error)).collect();
        let skipped = self.leftovers.iter().filter(|one| one.action == Disposition::Skip).count();
        if skipped > 0 {
            messages.push(format!("skipped {skipped} of {} leftovers", self.leftovers.len()));
        }
        match messages.as_slice() {
            [] if self.objects.is_empty() => Ok(CleanupResult::Restored),
            [] => Ok(CleanupResult::Deleted),
            messages => {
                let message = format!("cleanup incomplete: {}", messages.join("; "));
                Err(AppError::new(ErrorCode::TrialCleanup, message))
            }
        }
    }
}

/// Restores the objects of a backup as listed, and deletes the Secret if nothing is left to do. Returns the failures.
async fn restore_backup(
    cluster: &Arc<ClusterClient>,
    backup: &Backup,
    plans: &[RestorePlan],
) -> Vec<trial::Error> {
    // the backup holds the trial ID
    let cluster = TrialCluster::new(cluster.clone(), String::new());
    let mut failed = Vec::new();
    let is_change =
        |plan: &&RestorePlan| !matches!(plan.action, RestoreAction::None | RestoreAction::Skip(_));
    for plan in plans.iter().filter(is_change) {
        let mut others = backup.workloads();
        others.remove(&(plan.kind.clone(), plan.name.clone()));
        if let Err(error) = restore_with_retry(&cluster, backup, &others).await {
            let object = format!("{} {} in namespace {}", plan.kind, plan.name, backup.namespace());
            failed.push(error.of_object("restore", object));
        }
    }
    if failed.is_empty() && !plans.iter().any(|plan| matches!(plan.action, RestoreAction::Skip(_))) {
        let deleted = async { cluster.apply(backup.deletion_plan().await?).await };
        let name = format!("Secret {}", backup.secret_name());
        failed.extend(deleted.await.err().map(|error| error.of_object("delete", name)));
    }
    failed
}

/// Deletes objects, and waits until they are terminating or gone.
async fn delete_leftovers(
    cluster: Arc<ClusterClient>,
    objects: &[(Resource, Metadata)],
) -> Result<(), trial::Error> {
    if objects.is_empty() {
        return Ok(());
    }
    let plan = plan_removal(objects);
    plan.apply(&cluster, &StopToken::default(), &|_| {}).await?;
    match tokio::time::timeout(DELETION_TIMEOUT, plan.confirm(cluster)).await {
        Ok((EffectState::Confirmed, _)) => Ok(()),
        Ok((_, reason)) => Err(trial::Error::NotObserved { reason }),
        Err(_) => Err(trial::Error::ObserveTimeout { seconds: DELETION_TIMEOUT.as_secs() }),
    }
}

/// Lists the trials with leftovers, by their labels.
async fn list_trials(cluster: &ClusterClient) -> Result<Vec<String>, AppError> {
    let objects = list_leftovers(cluster, None).await.map_err(unreachable)?;
    let trials: BTreeSet<String> =
        objects.iter().filter_map(|(_, metadata)| metadata.trial().map(str::to_owned)).collect();
    Ok(trials.into_iter().collect())
}

/// Finds backups in all namespaces, or in one if Secrets cannot be listed in all.
async fn find_backups(
    cluster: &Arc<ClusterClient>,
    scope: &CleanupScope<'_>,
) -> Result<(Vec<Backup>, Vec<InvalidBackup>), AppError> {
    // an untrusted directory cannot choose the namespace of the backup that it confirms
    let state = scope.in_place.filter(|state| !scope.is_ci_job || state.namespace == cluster.namespace);
    let proof = state.and_then(|state| {
        Some(BackupProof { namespace: state.namespace.clone(), digest: state.digest.clone()? })
    });
    let namespace = state.map_or(&cluster.namespace, |state| &state.namespace);
    let backup_result = match Backup::find(cluster, None, scope.trial, proof.as_ref()).await {
        Ok(backup_result) => Ok(backup_result),
        Err(_) => Backup::find(cluster, Some(namespace), scope.trial, proof.as_ref()).await,
    };
    backup_result.map_err(unreachable)
}
