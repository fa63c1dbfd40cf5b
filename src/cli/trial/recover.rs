//! `kubectl chaos recover`: finds what killed trials left behind, and removes it. Floor 3.

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::args::Recover;
use super::conduct::put_back;
use super::prepare::{Refusal, reach};
use super::record::{Left as Noted, State};
use crate::cli::Session;
use crate::cli::args::VariableArgs;
use crate::cli::ci::guard;
use crate::cli::exit_code::Exit;
use crate::cli::input::Surroundings;
use crate::cli::table::{Line as Row, List};
use crate::console::{Level, Line, sanitize};
use crate::effect::EffectState;
use crate::github::Job;
use crate::kubernetes::deploy::{remains, removal};
use crate::kubernetes::{Cluster, Metadata, Resource};
use crate::trial::{Stage, Standing};

/// The schema of the answer.
const SCHEMA: &str = "kubectl-chaos/recover/v1";
/// How long it may take until what was removed is to be seen to go.
const SEEN: Duration = Duration::from_secs(60);

/// Finds and removes. Gives the exit code.
pub(in crate::cli) fn recover(session: &Session, args: &Recover) -> u8 {
    match session.to_its_end(find_and_remove(session, args)) {
        Err(code) => code,
        Ok(Ok(())) => session.code(Exit::Fine),
        Ok(Err((exit, why))) => session.refuse(exit, sanitize(&why)),
    }
}

/// Which trial is meant, and where it was, as its folder says; nothing where it has left nothing behind.
fn noted(folder: &Path) -> Result<Result<Noted, &'static str>, Refusal> {
    let left = Noted::read(folder).map_err(|error| (Exit::Usage, error))?;
    Ok(match left {
        None => Err("there was no trial"),
        Some(left) if left.state == State::Finished => Err("the trial has removed everything"),
        Some(left) if left.embedded => {
            Err("the trial's cluster was part of the program, and is gone with it")
        }
        Some(left) => Ok(left),
    })
}

async fn find_and_remove(session: &Session, args: &Recover) -> Result<(), Refusal> {
    let mut session = within_bounds(session, args)?;
    let Some(folder) = &args.from else {
        return remove(&session, args, args.trial.as_deref(), None).await;
    };
    match noted(folder)? {
        Err(why) => {
            let text = if args.list.output.is_for_machines() {
                args.list.write(list(&[]), || document("", &[]))
            } else {
                format!("nothing to do: {why}\n")
            };
            let written = session.terminal.result(&text);
            written.map_err(|error| (Exit::NotWritten, format!("the answer cannot be written: {error}")))
        }
        Ok(left) => {
            if let (None, Some(context)) = (session.connection.context(), &left.context) {
                session.connection = session.connection.of_context(context);
            }
            remove(&session, args, Some(&left.trial), Some(&left.cluster)).await
        }
    }
}

/// The folder of a job may be one that a pull request has brought along: there only the clusters are touched that `ci`
/// may touch, and where that is asked for.
fn within_bounds(session: &Session, args: &Recover) -> Result<Session, Refusal> {
    let job = Job::of(|name| session.environment.get(name)).map_err(|error| (Exit::Usage, error))?;
    let mut bound = session.clone();
    if args.from.is_some() && job.event.is_some() || !args.allow_context.is_empty() {
        bound.connection = session.connection.guarded(guard(session, &job, &args.allow_context));
    }
    Ok(bound)
}

/// Removes what is left of one trial, or of all; where it is said on which cluster, on no other.
async fn remove(
    session: &Session,
    args: &Recover,
    trial: Option<&str>,
    address: Option<&str>,
) -> Result<(), Refusal> {
    let surroundings = Surroundings::read(session, &VariableArgs::default(), None)
        .map_err(|_| (Exit::Usage, "the settings cannot be used".to_owned()))?;
    let cluster = reach(&surroundings).await?;
    if let Some(address) = address.filter(|address| *address != cluster.address) {
        let why = format!(
            "the trial was on {address}, and this is {}: name its --kubeconfig and --context",
            cluster.address
        );
        return Err((Exit::Usage, why));
    }
    let standing = standing(&cluster, trial).await?;
    let found = remains(&cluster, trial).await.map_err(|failure| (Exit::Unreachable, failure.brief()))?;
    let for_machines = args.list.output.is_for_machines();
    let result = |text: &str| {
        if for_machines {
            // the answer is the list, and nothing stands beside it
            session.terminal.say(&Line::note(Level::Info, text.trim_end()));
            return Ok(());
        }
        let written = session.terminal.result(text);
        written.map_err(|error| (Exit::NotWritten, format!("the answer cannot be written: {error}")))
    };
    let left = left(&found, &standing);
    let text = args.list.write(list(&left), || document(&cluster.address, &left));
    let written = session.terminal.result(&text);
    written.map_err(|error| (Exit::NotWritten, format!("the answer cannot be written: {error}")))?;
    if left.is_empty() {
        let of = trial.map_or_else(|| "a trial".to_owned(), |trial| format!("the trial {trial}"));
        let mut text = format!("nothing of {of} is left on {}", cluster.address);
        let others = if trial.is_some() { others(&cluster).await? } else { Vec::new() };
        if !others.is_empty() {
            text += &format!("; of others there is: {}", others.join(", "));
        }
        let text = sanitize(&text);
        session.terminal.say(&Line::note(Level::Info, text));
        return Ok(());
    }
    if !args.yes {
        if for_machines {
            return Ok(());
        }
        if !confirmed(session)? {
            return result("nothing was removed\n");
        }
    }
    for one in &standing {
        // each has the trial's own name in what it keeps
        let stage = Stage::new(cluster.clone(), String::new());
        put_back(&stage, one).await.map_err(|error| {
            (Exit::RollbackIncomplete, format!("{} could not be put back: {error}", one.namespace()))
        })?;
    }
    if found.is_empty() {
        return result("put back\n");
    }
    let plan = removal(&found);
    plan.apply(&cluster, &|_, _| {}).await.map_err(|failure| (Exit::RollbackIncomplete, failure.brief()))?;
    match tokio::time::timeout(SEEN, plan.confirm(cluster)).await {
        Ok((EffectState::Confirmed, _)) => result("removed, or on its way out\n"),
        Ok((_, why)) => Err((Exit::RollbackIncomplete, why)),
        Err(_) => Err((Exit::RollbackIncomplete, format!("not seen to go within {} s", SEEN.as_secs()))),
    }
}

/// The trials of which something is left.
async fn others(cluster: &Arc<Cluster>) -> Result<Vec<String>, Refusal> {
    let standing = standing(cluster, None).await?;
    let found = remains(cluster, None).await.map_err(|failure| (Exit::Unreachable, failure.brief()))?;
    let trials: BTreeSet<String> = left(&found, &standing).into_iter().map(|one| one.trial).collect();
    Ok(trials.into_iter().collect())
}

/// What trials in place replaced: in all namespaces, or in the one that is meant where not all may be looked at.
async fn standing(cluster: &Arc<Cluster>, trial: Option<&str>) -> Result<Vec<Standing>, Refusal> {
    let found = match Standing::left(cluster, None, trial).await {
        Ok(found) => Ok(found),
        Err(_) => Standing::left(cluster, Some(&cluster.namespace), trial).await,
    };
    found.map_err(|error| (Exit::Unreachable, error))
}

/// What becomes of something that was left.
const REMOVED: &str = "removed";
const PUT_BACK: &str = "put back";

/// Something that was left of a trial.
#[derive(Serialize)]
struct Left {
    kind: String,
    name: String,
    namespace: Option<String>,
    trial: String,
    since: Option<String>,
    /// What becomes of it, or of what it keeps.
    becomes: &'static str,
    /// Its kind and its name, as kubectl takes them.
    #[serde(skip)]
    named: String,
}

/// Everything that was left, as it is listed.
fn left(found: &[(Resource, Metadata)], standing: &[Standing]) -> Vec<Left> {
    let made = found.iter().map(|(resource, thing)| {
        let kind = resource.kind.to_lowercase();
        let group = if resource.group.is_empty() { String::new() } else { format!(".{}", resource.group) };
        Left {
            kind: resource.kind.to_string(),
            name: thing.name.clone(),
            namespace: thing.namespace.clone(),
            trial: thing.trial().unwrap_or_default().to_owned(),
            since: thing.creation_timestamp.clone(),
            becomes: REMOVED,
            named: format!("{kind}{group}/{}", thing.name),
        }
    });
    let kept = standing.iter().map(|one| Left {
        kind: "Secret".to_owned(),
        name: one.name(),
        namespace: Some(one.namespace().to_owned()),
        trial: one.trial().to_owned(),
        since: one.since().map(str::to_owned),
        becomes: PUT_BACK,
        named: format!("secret/{}", one.name()),
    });
    made.chain(kept).collect()
}

fn list(left: &[Left]) -> List {
    let line = |one: &Left| Row {
        name: one.named.clone(),
        cells: vec![
            one.kind.clone(),
            one.name.clone(),
            one.namespace.clone().unwrap_or_default(),
            one.trial.clone(),
            one.since.clone().unwrap_or_default(),
        ],
        wide_cells: vec![one.becomes.to_owned()],
    };
    List {
        heads: &["KIND", "NAME", "NAMESPACE", "TRIAL", "SINCE"],
        wide_heads: &["BECOMES"],
        lines: left.iter().map(line).collect(),
    }
}

fn document(address: &str, left: &[Left]) -> Json {
    json!({"schema": SCHEMA, "cluster": address, "left": left})
}

/// Asks a person. Whoever cannot be asked has to say so beforehand.
fn confirmed(session: &Session) -> Result<bool, Refusal> {
    if !std::io::stdin().is_terminal() {
        let why =
            "a trial may be under way, so that this is done with --yes only, or by somebody who can be asked";
        return Err((Exit::Usage, why.to_owned()));
    }
    let asked =
        session.terminal.result("remove all of it? A trial that is under way would be destroyed. [y/N] ");
    asked.map_err(|error| (Exit::NotWritten, error))?;
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    Ok(read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes"))
}
