//! `kubectl chaos recover`: finds what killed trials left behind, and removes it. Floor 3.

mod leftovers;

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::args::Recover;
use super::prepare::{TrialRefusal, reach};
use super::runner::restore;
use super::state_file::{InPlaceBackup, RecoveredState as Noted, TrialProgress};
use crate::cli::CommandContext;
use crate::cli::ci::guard;
use crate::cli::error::error_text;
use crate::cli::exit_code::ExitStatus;
use crate::cli::run_context::RunContext;
use crate::cli::shared_args::VariableArgs;
use crate::cli::table::TableFormat;
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::github::WorkflowJob;
use crate::k8s::{ClusterClient, Metadata, Resource};
use crate::mutation::{EffectState, StopToken};
use crate::trial::{Backup, BackupProof, InvalidBackup, RestoreAction, RestorePlan, TrialCluster};
use crate::trial::{list_leftovers, plan_removal};
use leftovers::{Disposition, Leftover, document, foreign, list};

/// How long it may take until what was removed is to be seen to go.
const SEEN: Duration = Duration::from_secs(60);

/// Finds and removes. Gives the exit code.
pub(in crate::cli) fn recover(session: &CommandContext, args: &Recover) -> u8 {
    match session.to_its_end(find_and_remove(session, args)) {
        Err(code) => code,
        Ok(Ok(())) => session.code(ExitStatus::Fine),
        Ok(Err((exit, why))) => session.refuse(exit, sanitize(&why)),
    }
}

/// Which trial is meant, and where it was, as its folder says; nothing where it has left nothing behind.
fn noted(folder: &Path) -> Result<Result<Noted, &'static str>, TrialRefusal> {
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
    is_of_a_job: bool,
}

async fn find_and_remove(session: &CommandContext, args: &Recover) -> Result<(), TrialRefusal> {
    let (mut session, is_of_a_job) = within_bounds(session, args)?;
    let Some(folder) = &args.from else {
        return remove(
            &session,
            args,
            CleanupScope { trial: args.trial.as_deref(), ..CleanupScope::default() },
        )
        .await;
    };
    match noted(folder)? {
        Err(why) => {
            let text = if args.list.output.is_for_machines() {
                args.list.write(list(&[], false), || document("", &[]))
            } else {
                format!("nothing to do: {why}\n")
            };
            written(&session, &text)
        }
        Ok(left) => {
            if let (None, Some(context)) = (session.connection.context(), &left.context) {
                session.connection = session.connection.of_context(context);
            }
            let meant = CleanupScope {
                trial: Some(&left.trial),
                address: Some(&left.cluster),
                in_place: left.in_place.as_ref(),
                is_of_a_job,
            };
            remove(&session, args, meant).await
        }
    }
}

/// The folder of a job may be one that a pull request has brought along: there only the clusters are touched that `ci`
/// may touch, and where that is asked for. And whether it is such a folder.
fn within_bounds(session: &CommandContext, args: &Recover) -> Result<(CommandContext, bool), TrialRefusal> {
    let job =
        WorkflowJob::of(|name| session.environment.get(name)).map_err(|error| (ExitStatus::Usage, error))?;
    let mut bound = session.clone();
    let is_of_a_job = args.from.is_some() && job.event.is_some();
    if is_of_a_job || !args.allow_context.is_empty() {
        bound.connection = session.connection.guarded(guard(session, &job, &args.allow_context));
    }
    Ok((bound, is_of_a_job))
}

fn written(session: &CommandContext, text: &str) -> Result<(), TrialRefusal> {
    let written = session.terminal.result(text);
    written.map_err(|error| (ExitStatus::NotWritten, error_text(error)))
}

/// Removes what is left of one trial, or of all; where it is said on which cluster, on no other.
async fn remove(
    session: &CommandContext,
    args: &Recover,
    meant: CleanupScope<'_>,
) -> Result<(), TrialRefusal> {
    let surroundings = RunContext::read(session, &VariableArgs::default(), None)
        .map_err(|error| (error.status, error.message))?;
    let cluster = reach(&surroundings).await?;
    if let Some(address) = meant.address.filter(|address| *address != cluster.address) {
        let why = format!(
            "the trial was on {address}, and this is {}: name its --kubeconfig and --context",
            cluster.address
        );
        return Err((ExitStatus::Usage, why));
    }
    let (standing, misfits) = standing(&cluster, &meant).await?;
    let found = list_leftovers(&cluster, meant.trial).await;
    let mut found = found.map_err(|failure| (ExitStatus::Unreachable, failure.summary()))?;
    let mut kept = Vec::new();
    for one in standing {
        let outlook = one.outlook().await;
        kept.push((one, outlook));
    }
    let left: Vec<Leftover> = found
        .iter()
        .map(|(resource, thing)| Leftover::made(resource, thing))
        .chain(kept.iter().flat_map(|(standing, outlook)| Leftover::kept(standing, outlook)))
        .chain(misfits.iter().map(Leftover::misfit))
        .collect();
    let for_machines = args.list.output.is_for_machines();
    let names = args.list.output == TableFormat::Name;
    written(session, &args.list.write(list(&left, names), || document(&cluster.address, &left)))?;
    if left.is_empty() {
        let of = meant.trial.map_or_else(|| "a trial".to_owned(), |trial| format!("the trial {trial}"));
        let mut text = format!("nothing of {of} is left on {}", cluster.address);
        let others = if meant.trial.is_some() { others(&cluster).await? } else { Vec::new() };
        if !others.is_empty() {
            text += &format!("; of others there is: {}", others.join(", "));
        }
        session.terminal.say(&ConsoleLine::note(LineLevel::Info, sanitize(&text)));
        return Ok(());
    }
    for (one, why) in left.iter().filter_map(|one| Some((one, one.why.as_ref()?))) {
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
        written(session, text)
    };
    if left.iter().any(|one| one.becomes.is_a_change()) && !args.yes && !confirmed(session)? {
        return result("nothing was removed\n");
    }
    let mut failed = Vec::new();
    for (standing, outlook) in &kept {
        failed.extend(put_back(&cluster, standing, outlook).await);
    }
    found.retain(|(resource, thing)| foreign(resource, thing).is_none());
    let is_removal = !found.is_empty();
    failed.extend(take_away(cluster, &found).await.err());
    let alone = left.iter().filter(|one| one.becomes == Disposition::LeftAlone).count();
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
async fn put_back(cluster: &Arc<ClusterClient>, standing: &Backup, outlook: &[RestorePlan]) -> Vec<String> {
    // each has the trial's own name in what it keeps
    let stage = TrialCluster::new(cluster.clone(), String::new());
    let mut failed = Vec::new();
    for one in
        outlook.iter().filter(|one| !matches!(one.fate, RestoreAction::Stays | RestoreAction::LeftAlone(_)))
    {
        let mut others = standing.workloads();
        others.remove(&(one.kind.clone(), one.name.clone()));
        if let Err(error) = restore(&stage, standing, &others).await {
            failed.push(format!(
                "{} {} in {} could not be put back: {error}",
                one.kind,
                one.name,
                standing.namespace()
            ));
        }
    }
    if failed.is_empty() && !outlook.iter().any(|one| matches!(one.fate, RestoreAction::LeftAlone(_))) {
        let forgotten = async { stage.make(standing.forget().await?).await };
        let forgotten =
            forgotten.await.map_err(|error| format!("{} could not be removed: {error}", standing.name()));
        failed.extend(forgotten.err());
    }
    failed
}

/// Removes things, and waits until they are seen to go.
async fn take_away(cluster: Arc<ClusterClient>, things: &[(Resource, Metadata)]) -> Result<(), String> {
    if things.is_empty() {
        return Ok(());
    }
    let plan = plan_removal(things);
    plan.apply(&cluster, &StopToken::default(), &|_, _| {}).await.map_err(|failure| failure.summary())?;
    match tokio::time::timeout(SEEN, plan.confirm(cluster)).await {
        Ok((EffectState::Confirmed, _)) => Ok(()),
        Ok((_, why)) => Err(why),
        Err(_) => Err(format!("not seen to go within {} s", SEEN.as_secs())),
    }
}

/// The trials of which something is left, as their labels say.
async fn others(cluster: &ClusterClient) -> Result<Vec<String>, TrialRefusal> {
    let found = list_leftovers(cluster, None)
        .await
        .map_err(|failure| (ExitStatus::Unreachable, failure.summary()))?;
    let trials: BTreeSet<String> =
        found.iter().filter_map(|(_, thing)| thing.trial().map(str::to_owned)).collect();
    Ok(trials.into_iter().collect())
}

/// What trials in place replaced: in all namespaces, or in the one that is meant where not all may be looked at.
async fn standing(
    cluster: &Arc<ClusterClient>,
    meant: &CleanupScope<'_>,
) -> Result<(Vec<Backup>, Vec<InvalidBackup>), TrialRefusal> {
    // whoever brought the folder along may not say for which namespace it vouches
    let place = meant.in_place.filter(|place| !meant.is_of_a_job || place.namespace == cluster.namespace);
    let voucher = place.and_then(|place| {
        Some(BackupProof { namespace: place.namespace.clone(), digest: place.digest.clone()? })
    });
    let namespace = place.map_or(&cluster.namespace, |place| &place.namespace);
    let found = match Backup::left(cluster, None, meant.trial, voucher.as_ref()).await {
        Ok(found) => Ok(found),
        Err(_) => Backup::left(cluster, Some(namespace), meant.trial, voucher.as_ref()).await,
    };
    found.map_err(|error| (ExitStatus::Unreachable, error))
}

/// Asks a person. Whoever cannot be asked has to say so beforehand.
fn confirmed(session: &CommandContext) -> Result<bool, TrialRefusal> {
    if !std::io::stdin().is_terminal() {
        let why =
            "a trial may be under way, so that this is done with --yes only, or by somebody who can be asked";
        return Err((ExitStatus::Usage, why.to_owned()));
    }
    let asked =
        session.terminal.result("do all of this? A trial that is under way would be destroyed. [y/N] ");
    asked.map_err(|error| (ExitStatus::NotWritten, error_text(error)))?;
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    Ok(read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes"))
}
