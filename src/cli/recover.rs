//! `kubectl chaos recover`: lists leftovers of killed trials, and cleans them up after a confirmation.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde_json::{Value as Json, json};

use super::CommandContext;
use super::table::{Table, TableArgs, TableFormat, TableRow};
use crate::app::recover::{CleanupResult, Leftover, RecoverRequest, Recovery, find};
use crate::app::trial::state_file::is_trial_id;
use crate::app::{AppError, Outcome};
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::error_code::ErrorCode;

const SCHEMA: &str = "kubectl-chaos/recover/v1";

/// Parses a trial ID, which becomes part of a label selector.
fn parse_trial_id(text: &str) -> Result<String, String> {
    if is_trial_id(text) { Ok(text.to_owned()) } else { Err("expected hexadecimal digits".to_owned()) }
}

#[derive(Args, Clone, Debug)]
pub(super) struct RecoverArgs {
    /// Clean up only this trial
    #[arg(value_name = "TRIAL", value_parser = parse_trial_id)]
    trial: Option<String>,
    /// Clean up only the trial that wrote this directory; does nothing if it left nothing
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "trial")]
    from: Option<PathBuf>,
    /// Use only contexts that `ci` may use and those that match this pattern. Repeatable [default: any context; for
    /// --from in a CI job: only those of `ci`]
    #[arg(long, value_name = "PATTERN")]
    allow_context: Vec<String>,
    /// Skip the confirmation; required to change anything with -o json|yaml|name
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    list: TableArgs,
}

/// Lists leftovers, and deletes or restores them. Returns the exit code.
pub(super) fn recover(session: &CommandContext, args: &RecoverArgs) -> u8 {
    match session.block_on(list_and_clean_up(session, args)) {
        Err(code) => code,
        Ok(Ok(())) => session.code(Outcome::Success),
        Ok(Err(error)) => session.fail(error.sanitized()),
    }
}

async fn list_and_clean_up(session: &CommandContext, args: &RecoverArgs) -> Result<(), AppError> {
    let request = RecoverRequest {
        trial: args.trial.clone(),
        from: args.from.clone(),
        allow_context: args.allow_context.clone(),
    };
    let for_machines = args.list.output.is_for_machines();
    let outcome = match find(&session.app, &request).await? {
        Recovery::Found(outcome) => outcome,
        Recovery::NothingLeft(reason) => {
            let text = if for_machines {
                args.list.write(to_table(&[], false), || to_document("", &[]))
            } else {
                format!("nothing to do: {reason}\n")
            };
            return Ok(session.terminal.write_result(&text)?);
        }
    };
    let leftovers = &outcome.leftovers;
    let only_names = args.list.output == TableFormat::Name;
    let table = to_table(leftovers, only_names);
    let text = args.list.write(table, || to_document(outcome.address(), leftovers));
    session.terminal.write_result(&text)?;
    if leftovers.is_empty() {
        let text = outcome.describe_none().await?;
        session.terminal.show(&ConsoleLine::note(LineLevel::Info, sanitize(&text)));
        return Ok(());
    }
    for (leftover, reason) in
        leftovers.iter().filter_map(|leftover| Some((leftover, leftover.reason.as_ref()?)))
    {
        let text = sanitize(&format!("{} {} skipped: {reason}", leftover.kind, leftover.name));
        session.terminal.show(&ConsoleLine::note(LineLevel::Warning, text));
    }
    if for_machines && !args.yes {
        return Ok(());
    }
    let report = |text: &str| {
        if for_machines {
            // standard output holds only the list
            session.terminal.show(&ConsoleLine::note(LineLevel::Info, text));
            return Ok(());
        }
        Ok(session.terminal.write_result(&format!("{text}\n"))?)
    };
    if outcome.has_changes() && !args.yes && !confirm(session)? {
        return report("nothing was changed");
    }
    match outcome.clean_up().await? {
        CleanupResult::Deleted => report("deleted or terminating"),
        CleanupResult::Restored => report("restored"),
    }
}

/// Asks for confirmation. Without a terminal, this is an error.
fn confirm(session: &CommandContext) -> Result<bool, AppError> {
    if !std::io::stdin().is_terminal() {
        let message = "cannot ask for confirmation without a terminal; a trial may still be running";
        return Err(AppError::new(ErrorCode::RecoverRefused, message).with_hint("pass --yes"));
    }
    session.terminal.write_result("Proceed? Any trial still running will be destroyed. [y/N] ")?;
    let mut answer = String::new();
    let line = std::io::stdin().lock().read_line(&mut answer);
    Ok(line.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Returns the table of leftovers. With `only_names`, it omits objects that existed before the trial.
fn to_table(leftovers: &[Leftover], only_names: bool) -> Table {
    let row = |leftover: &Leftover| TableRow {
        name: qualified_name(leftover),
        cells: vec![
            leftover.kind.clone(),
            leftover.name.clone(),
            leftover.namespace.clone().unwrap_or_default(),
            leftover.trial.clone(),
            leftover.created.clone().unwrap_or_default(),
            leftover.action.name().to_owned(),
        ],
        wide_cells: vec![leftover.reason.clone().unwrap_or_default()],
    };
    let is_listed = |leftover: &&Leftover| !only_names || leftover.backup_secret.is_none();
    Table {
        heads: &["KIND", "NAME", "NAMESPACE", "TRIAL", "CREATED", "ACTION"],
        wide_heads: &["REASON"],
        lines: leftovers.iter().filter(is_listed).map(row).collect(),
    }
}

/// Returns the name that kubectl accepts: `kind.group/name`.
fn qualified_name(leftover: &Leftover) -> String {
    let group = if leftover.group.is_empty() { String::new() } else { format!(".{}", leftover.group) };
    format!("{}{group}/{}", leftover.kind.to_lowercase(), leftover.name)
}

/// Returns the output of `-o json` and `-o yaml`.
fn to_document(address: &str, leftovers: &[Leftover]) -> Json {
    let entry = |leftover: &Leftover| {
        json!({"kind": leftover.kind, "name": leftover.name, "namespace": leftover.namespace, "trial": leftover.trial,
            "created": leftover.created, "action": leftover.action.name(), "reason": leftover.reason,
            "backup_secret": leftover.backup_secret})
    };
    let entries: Vec<Json> = leftovers.iter().map(entry).collect();
    json!({"schema": SCHEMA, "cluster": address, "left": entries})
}
