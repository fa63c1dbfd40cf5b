//! `kubectl chaos recover`: finds leftovers of killed trials, and deletes or restores them.

mod leftovers;

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::args::Recover;
use super::prepare::connect;
use super::runner::restore_with_retry;
use super::state_file::{InPlaceBackup, RecoveredState, TrialProgress, lock_ended_trial};
use crate::cli::CommandContext;
use crate::cli::ci::context_allowlist;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitStatus;
use crate::cli::run_context::RunContext;
use crate::cli::shared_args::VariableArgs;
use crate::cli::table::TableFormat;
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::error_code::{ErrorCode, message_chain};
use crate::github::WorkflowJob;
use crate::k8s::{ClusterClient, Metadata, Resource};
use crate::mutation::{EffectState, StopToken};
use crate::trial::{
    self, Backup, BackupProof, InvalidBackup, RestoreAction, RestorePlan, TrialCluster, list_leftovers,
    plan_removal,
};
use leftovers::{Disposition, Leftover, foreign_reason, to_document, to_table};

/// Time allowed until deleted objects are terminating or gone.
const DELETION_TIMEOUT: Duration = Duration::from_secs(60);

/// Lists leftovers, and deletes or restores them. Returns the exit code.
pub(in crate::cli) fn recover(session: &CommandContext, args: &Recover) -> u8 {
    match session.to_its_end(find_and_clean_up(session, args)) {
        Err(code) => code,
        Ok(Ok(())) => session.code(ExitStatus::Fine),
        Ok(Err(error)) => session.fail(super::sanitized(error)),
    }
}

/// Reads the state of the trial that wrote a directory, or the reason why nothing is left of it.
fn read_state(dir: &Path) -> Result<Result<RecoveredState, &'static str>, CliError> {
    let state =
        RecoveredState::read(dir).map_err(|error| CliError::from(error).with_status(ExitStatus::Usage))?;
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

async fn find_and_clean_up(session: &CommandContext, args: &Recover) -> Result<(), CliError> {
    let (mut session, is_ci_job) = restrict_contexts(session, args)?;
    let Some(dir) = &args.from else {
        let scope = CleanupScope { trial: args.trial.as_deref(), ..CleanupScope::default() };
        return clean_up(&session, args, scope).await;
    };
    // a trial that is running cleans up itself
    let _lock = lock_ended_trial(dir)?;
    match read_state(dir)? {
        Err(reason) => {
            let text = if args.list.output.is_for_machines() {
                args.list.write(to_table(&[], false), || to_document("", &[]))
            } else {
                format!("nothing to do: {reason}\n")
            };
            write_output(&session, &text)
        }
        Ok(state) => {
            if let (None, Some(context)) = (session.connection.context(), &state.context) {
                session.connection = session.connection.of_context(context);
            }
            let scope = CleanupScope {
                trial: Some(&state.trial),
                address: Some(&state.cluster),
                in_place: state.in_place.as_ref(),
                is_ci_job,
            };
            clean_up(&session, args, scope).await
        }
    }
}

/// Applies the context policy of `ci` in a CI job, where a pull request can supply the directory, and on request.
///
/// Returns whether the directory is untrusted.
fn restrict_contexts(session: &CommandContext, args: &Recover) -> Result<(CommandContext, bool), CliError> {
    let job = WorkflowJob::from_env(|name| session.environment.get(name))?;
    let mut restricted = session.clone();
    let is_ci_job = args.from.is_some() && job.event.is_some();
    if is_ci_job || !args.allow_context.is_empty() {
        let allowlist = context_allowlist(session, &job, &args.allow_context);
        restricted.connection = session.connection.guarded(allowlist);
    }
    Ok((restricted, is_ci_job))
}

fn write_output(session: &CommandContext, text: &str) -> Result<(), CliError> {
    Ok(session.terminal.result(text)?)
}

fn unreachable(error: impl Into<trial::Error>) -> CliError {
    CliError::from(error.into()).with_status(ExitStatus::Unreachable)
}

/// Cleans up one trial or all; only on the expected cluster, if it is known.
async fn clean_up(session: &CommandContext, args: &Recover, scope: CleanupScope<'_>) -> Result<(), CliError> {
    let context = RunContext::read(session, &VariableArgs::default(), None)?;
    let cluster = connect(&context).await?;
    if let Some(expected) = scope.address.filter(|address| *address != cluster.address) {
        let message = format!("the trial ran on {expected}, but the current cluster is {}", cluster.address);
        return Err(CliError::new(ErrorCode::RecoverRefused, message)
            .with_hint("pass the --kubeconfig and --context of the trial"));
    }
    let (backups, invalid) = find_backups(&cluster, &scope).await?;
    let mut objects = list_leftovers(&cluster, scope.trial).await.map_err(unreachable)?;
    let mut previews = Vec::new();
    for backup in backups {
        let plans = backup.preview().await;
        previews.push((backup, plans));
    }
    let leftovers: Vec<Leftover> = objects
        .iter()
        .map(|(resource, metadata)| Leftover::from_object(resource, metadata))
        .chain(previews.iter().flat_map(|(backup, plans)| Leftover::from_backup(backup, plans)))
        .chain(invalid.iter().map(Leftover::from_invalid_backup))
        .collect();
    let for_machines = args.list.output.is_for_machines();
    let only_names = args.list.output == TableFormat::Name;
    let text =
        args.list.write(to_table(&leftovers, only_names), || to_document(&cluster.address, &leftovers));
    write_output(session, &text)?;
    if leftovers.is_empty() {
        return report_nothing_left(session, &cluster, &scope).await;
    }
    for (one, reason) in leftovers.iter().filter_map(|one| Some((one, one.reason.as_ref()?))) {
        let text = sanitize(&format!("{} {} skipped: {reason}", one.kind, one.name));
        session.terminal.say(&ConsoleLine::note(LineLevel::Warning, text));
    }
    if for_machines && !args.yes {
        return Ok(());
    }
    let report = |text: &str| {
        if for_machines {
            // standard output holds only the list
            session.terminal.say(&ConsoleLine::note(LineLevel::Info, text.trim_end()));
            return Ok(());
        }
        write_output(session, text)
    };
    if leftovers.iter().any(|one| one.action.changes_cluster()) && !args.yes && !confirm(session)? {
        return report("nothing was changed\n");
    }
    let mut failed = Vec::new();
    for (backup, plans) in &previews {
        failed.extend(restore_backup(&cluster, backup, plans).await);
    }
    objects.retain(|(resource, metadata)| foreign_reason(resource, metadata).is_none());
    let deletes = !objects.is_empty();
    failed.extend(delete_leftovers(cluster, &objects).await.err());
    let mut messages: Vec<String> = failed.iter().map(|error| message_chain(error)).collect();
    let skipped = leftovers.iter().filter(|one| one.action == Disposition::Skip).count();
    if skipped > 0 {
        messages.push(format!("skipped {skipped} of {} leftovers", leftovers.len()));
    }
    if messages.is_empty() {
        return report(if deletes { "deleted or terminating\n" } else { "restored\n" });
    }
    Err(CliError::new(ErrorCode::TrialCleanup, format!("cleanup incomplete: {}", messages.join("; "))))
}

/// Reports that nothing is left, and which other trials have leftovers.
async fn report_nothing_left(
    session: &CommandContext,
    cluster: &ClusterClient,
    scope: &CleanupScope<'_>,
) -> Result<(), CliError> {
    let subject = scope.trial.map_or_else(|| "trials".to_owned(), |trial| format!("trial {trial}"));
    let mut text = format!("no leftovers of {subject} on {}", cluster.address);
    let others = if scope.trial.is_some() { list_trials(cluster).await? } else { Vec::new() };
    if !others.is_empty() {
        text += &format!("; other trials with leftovers: {}", others.join(", "));
    }
    session.terminal.say(&ConsoleLine::note(LineLevel::Info, sanitize(&text)));
    Ok(())
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
    plan.apply(&cluster, &StopToken::default(), &|_, _| {}).await?;
    match tokio::time::timeout(DELETION_TIMEOUT, plan.confirm(cluster)).await {
        Ok((EffectState::Confirmed, _)) => Ok(()),
        Ok((_, reason)) => Err(trial::Error::NotObserved { reason }),
        Err(_) => Err(trial::Error::ObserveTimeout { seconds: DELETION_TIMEOUT.as_secs() }),
    }
}

/// Lists the trials with leftovers, by their labels.
async fn list_trials(cluster: &ClusterClient) -> Result<Vec<String>, CliError> {
    let objects = list_leftovers(cluster, None).await.map_err(unreachable)?;
    let trials: BTreeSet<String> =
        objects.iter().filter_map(|(_, metadata)| metadata.trial().map(str::to_owned)).collect();
    Ok(trials.into_iter().collect())
}

/// Finds backups in all namespaces, or in one if Secrets cannot be listed in all.
async fn find_backups(
    cluster: &Arc<ClusterClient>,
    scope: &CleanupScope<'_>,
) -> Result<(Vec<Backup>, Vec<InvalidBackup>), CliError> {
    // an untrusted directory cannot choose the namespace of the backup that it confirms
    let state = scope.in_place.filter(|state| !scope.is_ci_job || state.namespace == cluster.namespace);
    let proof = state.and_then(|state| {
        Some(BackupProof { namespace: state.namespace.clone(), digest: state.digest.clone()? })
    });
    let namespace = state.map_or(&cluster.namespace, |state| &state.namespace);
    let found = match Backup::find(cluster, None, scope.trial, proof.as_ref()).await {
        Ok(found) => Ok(found),
        Err(_) => Backup::find(cluster, Some(namespace), scope.trial, proof.as_ref()).await,
    };
    found.map_err(unreachable)
}

/// Asks for confirmation. Without a terminal, this is an error.
fn confirm(session: &CommandContext) -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() {
        let message = "cannot ask for confirmation without a terminal; a trial may still be running";
        return Err(CliError::new(ErrorCode::RecoverRefused, message).with_hint("pass --yes"));
    }
    write_output(session, "Proceed? Any trial still running will be destroyed. [y/N] ")?;
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    Ok(read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes"))
}
