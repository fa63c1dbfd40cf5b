//! `kubectl chaos recover`: finds what killed trials left behind, and removes it. Floor 3.

mod leftovers;

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::args::Recover;
use super::prepare::{TrialRefusal, connect};
use super::runner::restore_with_retry;
use super::state_file::{InPlaceBackup, RecoveredState as Noted, TrialProgress};
use crate::cli::CommandContext;
use crate::cli::args::VariableArgs;
use crate::cli::ci::context_allowlist;
use crate::cli::exit_code::ExitStatus;
use crate::cli::run_context::RunContext;
use crate::cli::table::TableFormat;
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::github::WorkflowJob;
use crate::k8s::{ClusterClient, Metadata, Resource};
use crate::mutation::{EffectState, StopToken};
use crate::trial::{Backup, BackupProof, InvalidBackup, RestoreAction, RestorePlan, TrialCluster};
use crate::trial::{list_leftovers, plan_removal};
use leftovers::{Disposition, Leftover, foreign_reason, to_document, to_table};

/// How long it may take until what was removed is to be seen to go.
const DELETION_TIMEOUT: Duration = Duration::from_secs(60);

/// Finds and removes. Gives the exit code.
pub(in crate::cli) fn recover(session: &CommandContext, args: &Recover) -> u8 {
    match session.to_its_end(find_and_remove(session, args)) {
        Err(code) => code,
        Ok(Ok(())) => session.code(ExitStatus::Fine),
        Ok(Err((exit, why))) => session.refuse(exit, sanitize(&why)),
    }
}

/// Which trial is meant, and where it was, as its folder says; nothing where it has left nothing behind.
fn read_state(folder: &Path) -> Result<Result<Noted, &'static str>, TrialRefusal> {
    let left = Noted::read(folder).map_err(|error| (ExitStatus::Usage, error))?;
    Ok(match left {
        None => Err("there was no trial"),
        Some(left) if left.state == TrialProgress::Finished => Err("the trial has removed everything"),
        Some(left) if left.embedded => {
            Err("the trial's cluster was part of the program, and is gone with it")
        }
        Some(left) => Ok(left),
    })
}

/// What of which trial is meant.
#[derive(Default)]
struct CleanupScope<'a> {
    /// The trial; else all of them.
    trial: Option<&'a str>,
    /// The cluster, and no other.
    address: Option<&'a str>,
    /// What the folder of the trial says of what it kept.
    in_place: Option<&'a InPlaceBackup>,
    /// Whether the folder may be somebody else's, who may not say in which namespace.
    is_ci_job: bool,
}

async fn find_and_remove(session: &CommandContext, args: &Recover) -> Result<(), TrialRefusal> {
    let (mut session, is_of_a_job) = restrict_contexts(session, args)?;
    let Some(folder) = &args.from else {
        return clean_up(
            &session,
            args,
            CleanupScope { trial: args.trial.as_deref(), ..CleanupScope::default() },
        )
        .await;
    };
    match read_state(folder)? {
        Err(why) => {
            let text = if args.list.output.is_for_machines() {
                args.list.write(to_table(&[], false), || to_document("", &[]))
            } else {
                format!("nothing to do: {why}\n")
            };
            write_output(&session, &text)
        }
        Ok(left) => {
            if let (None, Some(context)) = (session.connection.context(), &left.context) {
                session.connection = session.connection.of_context(context);
            }
            let meant = CleanupScope {
                trial: Some(&left.trial),
                address: Some(&left.cluster),
                in_place: left.in_place.as_ref(),
                is_ci_job: is_of_a_job,
            };
            clean_up(&session, args, meant).await
        }
    }
}

/// The folder of a job may be one that a pull request has brought along: there only the clusters are touched that `ci`
/// may touch, and where that is asked for. And whether it is such a folder.
fn restrict_contexts(
    session: &CommandContext,
    args: &Recover,
) -> Result<(CommandContext, bool), TrialRefusal> {
    let job = WorkflowJob::from_env(|name| session.environment.get(name))
        .map_err(|error| (ExitStatus::Usage, error))?;
    let mut bound = session.clone();
    let is_of_a_job = args.from.is_some() && job.event.is_some();
    if is_of_a_job || !args.allow_context.is_empty() {
        bound.connection = session.connection.guarded(context_allowlist(session, &job, &args.allow_context));
    }
    Ok((bound, is_of_a_job))
}

fn write_output(session: &CommandContext, text: &str) -> Result<(), TrialRefusal> {
    let written = session.terminal.result(text);
    written.map_err(|error| (ExitStatus::NotWritten, format!("the answer cannot be written: {error}")))
}

/// Removes what is left of one trial, or of all; where it is said on which cluster, on no other.
async fn clean_up(
    session: &CommandContext,
    args: &Recover,
    meant: CleanupScope<'_>,
) -> Result<(), TrialRefusal> {
    let surroundings = RunContext::read(session, &VariableArgs::default(), None)
        .map_err(|_| (ExitStatus::Usage, "the settings cannot be used".to_owned()))?;
    let cluster = connect(&surroundings).await?;
    if let Some(address) = meant.address.filter(|address| *address != cluster.address) {
        let why = format!(
            "the trial was on {address}, and this is {}: name its --kubeconfig and --context",
            cluster.address
        );
        return Err((ExitStatus::Usage, why));
    }
    let (standing, misfits) = find_backups(&cluster, &meant).await?;
    let found = list_leftovers(&cluster, meant.trial).await;
    let mut found = found.map_err(|failure| (ExitStatus::Unreachable, failure.brief()))?;
    let mut kept = Vec::new();
    for one in standing {
        let outlook = one.preview().await;
        kept.push((one, outlook));
    }
    let left: Vec<Leftover> = found
        .iter()
        .map(|(resource, thing)| Leftover::from_object(resource, thing))
        .chain(kept.iter().flat_map(|(standing, outlook)| Leftover::from_backup(standing, outlook)))
        .chain(misfits.iter().map(Leftover::from_invalid_backup))
        .collect();
    let for_machines = args.list.output.is_for_machines();
    let names = args.list.output == TableFormat::Name;
    write_output(session, &args.list.write(to_table(&left, names), || to_document(&cluster.address, &left)))?;
    if left.is_empty() {
        let of = meant.trial.map_or_else(|| "a trial".to_owned(), |trial| format!("the trial {trial}"));
        let mut text = format!("nothing of {of} is left on {}", cluster.address);
        let others = if meant.trial.is_some() { list_trials(&cluster).await? } else { Vec::new() };
        if !others.is_empty() {
            text += &format!("; of others there is: {}", others.join(", "));
        }
        session.terminal.say(&ConsoleLine::note(LineLevel::Info, sanitize(&text)));
        return Ok(());
    }
    for (one, why) in left.iter().filter_map(|one| Some((one, one.reason.as_ref()?))) {
        let text = sanitize(&format!("{} {} is left alone: {why}", one.kind, one.name));
        session.terminal.say(&ConsoleLine::note(LineLevel::Warning, text));
    }
    if for_machines && !args.yes {
        return Ok(());
    }
    let result = |text: &str| {
        if for_machines {
            // the answer is the list, and nothing stands beside it
            session.terminal.say(&ConsoleLine::note(LineLevel::Info, text.trim_end()));
            return Ok(());
        }
        write_output(session, text)
    };
    if left.iter().any(|one| one.action.changes_cluster()) && !args.yes && !confirm(session)? {
        return result("nothing was removed\n");
    }
    let mut failed = Vec::new();
    for (standing, outlook) in &kept {
        failed.extend(restore_backup(&cluster, standing, outlook).await);
    }
    found.retain(|(resource, thing)| foreign_reason(resource, thing).is_none());
    let is_removal = !found.is_empty();
    failed.extend(delete_leftovers(cluster, &found).await.err());
    let alone = left.iter().filter(|one| one.action == Disposition::Skip).count();
    if alone > 0 {
        failed.push(format!("{alone} of {} left alone, each for the reason above", left.len()));
    }
    if failed.is_empty() {
        return result(if is_removal { "removed, or on its way out\n" } else { "put back\n" });
    }
    Err((ExitStatus::RollbackIncomplete, failed.join("; ")))
}

/// Puts back what a Secret keeps, each object by itself and only as it was shown, and removes the Secret if nothing of
/// it is left to do. Gives what went wrong.
async fn restore_backup(
    cluster: &Arc<ClusterClient>,
    standing: &Backup,
    outlook: &[RestorePlan],
) -> Vec<String> {
    // each has the trial's own name in what it keeps
    let stage = TrialCluster::new(cluster.clone(), String::new());
    let mut failed = Vec::new();
    for one in
        outlook.iter().filter(|one| !matches!(one.action, RestoreAction::None | RestoreAction::Skip(_)))
    {
        let mut others = standing.workloads();
        others.remove(&(one.kind.clone(), one.name.clone()));
        if let Err(error) = restore_with_retry(&stage, standing, &others).await {
            failed.push(format!(
                "{} {} in {} could not be put back: {error}",
                one.kind,
                one.name,
                standing.namespace()
            ));
        }
    }
    if failed.is_empty() && !outlook.iter().any(|one| matches!(one.action, RestoreAction::Skip(_))) {
        let forgotten = async { stage.apply(standing.deletion_plan().await?).await };
        let forgotten = forgotten
            .await
            .map_err(|error| format!("{} could not be removed: {error}", standing.secret_name()));
        failed.extend(forgotten.err());
    }
    failed
}

/// Removes things, and waits until they are seen to go.
async fn delete_leftovers(
    cluster: Arc<ClusterClient>,
    things: &[(Resource, Metadata)],
) -> Result<(), String> {
    if things.is_empty() {
        return Ok(());
    }
    let plan = plan_removal(things);
    plan.apply(&cluster, &StopToken::default(), &|_, _| {}).await.map_err(|failure| failure.brief())?;
    match tokio::time::timeout(DELETION_TIMEOUT, plan.confirm(cluster)).await {
        Ok((EffectState::Confirmed, _)) => Ok(()),
        Ok((_, why)) => Err(why),
        Err(_) => Err(format!("not seen to go within {} s", DELETION_TIMEOUT.as_secs())),
    }
}

/// The trials of which something is left, as their labels say.
async fn list_trials(cluster: &ClusterClient) -> Result<Vec<String>, TrialRefusal> {
    let found =
        list_leftovers(cluster, None).await.map_err(|failure| (ExitStatus::Unreachable, failure.brief()))?;
    let trials: BTreeSet<String> =
        found.iter().filter_map(|(_, thing)| thing.trial().map(str::to_owned)).collect();
    Ok(trials.into_iter().collect())
}

/// What trials in place replaced: in all namespaces, or in the one that is meant where not all may be looked at.
async fn find_backups(
    cluster: &Arc<ClusterClient>,
    meant: &CleanupScope<'_>,
) -> Result<(Vec<Backup>, Vec<InvalidBackup>), TrialRefusal> {
    // whoever brought the folder along may not say for which namespace it vouches
    let place = meant.in_place.filter(|place| !meant.is_ci_job || place.namespace == cluster.namespace);
    let voucher = place.and_then(|place| {
        Some(BackupProof { namespace: place.namespace.clone(), digest: place.digest.clone()? })
    });
    let namespace = place.map_or(&cluster.namespace, |place| &place.namespace);
    let found = match Backup::find(cluster, None, meant.trial, voucher.as_ref()).await {
        Ok(found) => Ok(found),
        Err(_) => Backup::find(cluster, Some(namespace), meant.trial, voucher.as_ref()).await,
    };
    found.map_err(|error| (ExitStatus::Unreachable, error))
}

/// Asks a person. Whoever cannot be asked has to say so beforehand.
fn confirm(session: &CommandContext) -> Result<bool, TrialRefusal> {
    if !std::io::stdin().is_terminal() {
        let why =
            "a trial may be under way, so that this is done with --yes only, or by somebody who can be asked";
        return Err((ExitStatus::Usage, why.to_owned()));
    }
    let asked =
        session.terminal.result("do all of this? A trial that is under way would be destroyed. [y/N] ");
    asked.map_err(|error| (ExitStatus::NotWritten, error))?;
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    Ok(read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes"))
}
