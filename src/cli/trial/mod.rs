//! `kubectl chaos trial`: the same experiment before and after a change, and what the change came to. Floor 3.

pub(super) mod args;
mod prepare;
mod recover;
mod runner;
mod state_file;

use std::path::Path;

use super::CommandContext;
use super::embedded::EmbeddedRun;
use super::error::error_text;
use super::exit_code::ExitStatus;
use super::report_files::{ReportArgs, replace};
use super::shared_args::ExitCodeStyle;
use crate::compare::{RunComparison, compare};
use crate::console::{ConsoleLine, LineLevel};
use crate::event::Signal;
use crate::journal::Record;
use crate::trial::Arm;
use args::Trial;
use runner::{TrialRuns, conduct};

pub(super) use recover::recover;
pub(super) use state_file::NAME as RECORD;

/// The variable that tells processes and configurations the namespace of their run.
pub(super) const NAMESPACE_VARIABLE: &str = "KUBECTL_CHAOS_NAMESPACE";

/// Conducts a trial. Gives the exit code.
pub(super) fn trial(session: &CommandContext, args: &Trial) -> u8 {
    session.to_its_end(whole(session, args)).unwrap_or_else(|code| code)
}

async fn whole(session: &CommandContext, args: &Trial) -> u8 {
    if let Err(error) = args.reports.check(args.output.is_for_machines()) {
        return session.fail(error);
    }
    let rehearsal = if args.embedded {
        match rehearse(session).await {
            Ok(rehearsal) => Some(rehearsal),
            Err((exit, why)) => return session.refuse(exit, why),
        }
    } else {
        None
    };
    let kubeconfig = rehearsal.as_ref().map(|rehearsal| rehearsal.kubeconfig.as_path());
    match on_a_cluster(session, args, kubeconfig).await {
        Ok(code) => code,
        Err((exit, why)) => session.refuse(exit, why),
    }
}

/// An empty cluster of its own.
async fn rehearse(session: &CommandContext) -> Result<EmbeddedRun, prepare::TrialRefusal> {
    let interrupted = session
        .signals
        .end()
        .map_err(|error| (ExitStatus::Usage, format!("signals cannot be heard: {error}")))?;
    tokio::select! {
        started = EmbeddedRun::start(session, &[]) => started.map_err(|error| (error.status, error.message)),
        signal = interrupted => Err((ExitStatus::Signal(signal), format!("interrupted by {signal}"))),
    }
}

/// The whole trial on a cluster that is there.
async fn on_a_cluster(
    session: &CommandContext,
    args: &Trial,
    kubeconfig: Option<&Path>,
) -> Result<u8, prepare::TrialRefusal> {
    // runs have their own exit codes, whose meaning the trial has to know
    let mut inner = session.clone();
    inner.global.exit_code = ExitCodeStyle::Precise;
    let TrialRuns { records, exit } = conduct(&inner, args, kubeconfig).await?;
    let (before, after): (Vec<_>, Vec<_>) = records.into_iter().partition(|seen| seen.arm == Arm::Before);
    let of = |seen: Vec<TrialJournal>| seen.into_iter().map(|seen| seen.record).collect::<Vec<_>>();
    let (before, after) = (of(before), of(after));
    if before.is_empty() || after.is_empty() {
        if exit == ExitStatus::Fine {
            let why = "there are no runs of both arms, so that there is nothing to compare";
            session.terminal.say(&ConsoleLine::note(LineLevel::Error, why));
        }
        return Ok(session.code(exit.worst(ExitStatus::BaselineNotMet)));
    }
    let comparison = compare(&before, &after, &args.rules.options(session.connection.seed()))
        .map_err(|error| (ExitStatus::Invalid, error.to_string()))?;
    let mut exit = exit.worst(super::compare::exit(&comparison, &args.fail_on));
    let records = [before, after].concat();
    let mut failed = leave(session, &args.output_dir, &records, &comparison);
    let errors = args.reports.write(&session.terminal, &records, Some(&comparison));
    failed.extend(errors.into_iter().map(error_text));
    if !args.reports.is_on_standard_output() {
        let written = session.terminal.result(&args.output.write(&comparison));
        failed.extend(written.err().map(error_text));
    }
    for error in failed {
        session.terminal.say(&ConsoleLine::note(LineLevel::Error, error));
        exit = exit.worst(ExitStatus::NotWritten);
    }
    Ok(session.code(exit))
}

/// Leaves the answer and the usual reports in the folder of a trial. What could not be written is told.
pub(super) fn leave(
    session: &CommandContext,
    folder: &Path,
    records: &[Record],
    comparison: &RunComparison,
) -> Vec<String> {
    let text = serde_json::to_string_pretty(comparison).unwrap_or_default() + "\n";
    let failed = replace(&folder.join("comparison.json"), text.as_bytes()).err().map(error_text);
    let errors = usual(folder).write(&session.terminal, records, Some(comparison));
    failed.into_iter().chain(errors.into_iter().map(error_text)).collect()
}

/// The reports that every trial leaves in its folder.
pub(super) fn usual(folder: &Path) -> ReportArgs {
    let file = |name: &str| Some(folder.join(name));
    ReportArgs { junit: file("junit.xml"), markdown: file("summary.md"), html: file("report.html") }
}

/// A journal of a run, and whose it is.
pub(super) struct TrialJournal {
    pub(super) arm: Arm,
    pub(super) record: Record,
}

/// The signal that an exit code of a run stands for.
fn signal_of(code: u8) -> Option<Signal> {
    match code {
        129 => Some(Signal::Hup),
        130 => Some(Signal::Int),
        138 => Some(Signal::Usr1),
        140 => Some(Signal::Usr2),
        143 => Some(Signal::Term),
        _ => None,
    }
}
