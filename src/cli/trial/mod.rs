//! `kubectl chaos trial`: runs the same experiment before and after a change, and compares the runs.

pub(super) mod args;
mod prepare;
mod recover;
mod runner;
mod state_file;

use std::path::Path;

use super::CommandContext;
use super::embedded::EmbeddedRun;
use super::error::CliError;
use super::exit_code::ExitStatus;
use super::output_lock::OutputLock;
use super::report_files::{ReportArgs, replace};
use super::shared_args::ExitCodeStyle;
use crate::compare::{RunComparison, compare};
use crate::console::sanitize;
use crate::error_code::ErrorCode;
use crate::event::Signal;
use crate::journal::Record;
use crate::trial::Arm;
use args::Trial;
use runner::{TrialRuns, execute};

pub(super) use recover::recover;
pub(super) use state_file::{FILE_NAME as STATE_FILE, lock_output_dir};

/// Environment variable with the namespace of the run, for processes and configuration.
pub(super) const NAMESPACE_VARIABLE: &str = "KUBECTL_CHAOS_NAMESPACE";

/// Runs a trial. The caller may have locked the output directory. Returns the exit code.
pub(super) fn trial(session: &CommandContext, args: &Trial, lock: Option<OutputLock>) -> u8 {
    session.to_its_end(run_trial(session, args, lock)).unwrap_or_else(|code| code)
}

async fn run_trial(session: &CommandContext, args: &Trial, lock: Option<OutputLock>) -> u8 {
    match try_trial(session, args, lock).await {
        Ok(code) => code,
        Err(error) => session.fail(sanitized(error)),
    }
}

async fn try_trial(session: &CommandContext, args: &Trial, lock: Option<OutputLock>) -> Result<u8, CliError> {
    args.reports.check(args.output.is_for_machines())?;
    // held until the results are written
    let _lock = lock.map_or_else(|| lock_output_dir(&args.output_dir), Ok)?;
    let embedded = if args.embedded { Some(start_embedded(session).await?) } else { None };
    run_on_cluster(session, args, embedded.as_ref().map(|embedded| embedded.kubeconfig.as_path())).await
}

/// Starts an empty embedded cluster for this trial.
async fn start_embedded(session: &CommandContext) -> Result<EmbeddedRun, CliError> {
    let shutdown = shutdown_signal(session)?;
    tokio::select! {
        started = EmbeddedRun::start(session, &[]) => started,
        signal = shutdown => Err(interrupted(signal)),
    }
}

/// Installs the signal handler. The future completes with the first signal that ends the program.
fn shutdown_signal(session: &CommandContext) -> Result<impl Future<Output = Signal> + use<>, CliError> {
    session.signals.end().map_err(|error| {
        CliError::new(ErrorCode::InternalRuntime, format!("failed to install signal handler: {error}"))
    })
}

fn interrupted(signal: Signal) -> CliError {
    CliError::new(ErrorCode::RunInterrupted, format!("interrupted by {signal}"))
        .with_status(ExitStatus::Signal(signal))
}

/// Escapes untrusted text in the message, so that it cannot control the terminal.
fn sanitized(mut error: CliError) -> CliError {
    error.message = sanitize(&error.message);
    error.hint = error.hint.map(|hint| sanitize(&hint));
    error
}

/// Runs a trial on an existing cluster.
async fn run_on_cluster(
    session: &CommandContext,
    args: &Trial,
    kubeconfig: Option<&Path>,
) -> Result<u8, CliError> {
    // the trial interprets the exit codes of its runs, so they must be precise
    let mut inner = session.clone();
    inner.global.exit_code = ExitCodeStyle::Precise;
    let TrialRuns { records, exit } = execute(&inner, args, kubeconfig).await?;
    let (before, after): (Vec<_>, Vec<_>) =
        records.into_iter().partition(|journal| journal.arm == Arm::Before);
    let records_of =
        |arm: Vec<TrialJournal>| arm.into_iter().map(|journal| journal.record).collect::<Vec<_>>();
    let (before, after) = (records_of(before), records_of(after));
    if before.is_empty() || after.is_empty() {
        if exit == ExitStatus::Fine {
            let error = CliError::new(ErrorCode::CompareInput, "cannot compare: an arm has no runs");
            session.terminal.say(&error.line());
        }
        return Ok(session.code(exit.worst(ExitStatus::BaselineNotMet)));
    }
    let comparison = compare(&before, &after, &args.rules.options(session.connection.seed()))
        .map_err(|error| CliError::from(error).with_status(ExitStatus::Invalid))?;
    let mut exit = exit.worst(super::compare::exit(&comparison, &args.fail_on));
    let records = [before, after].concat();
    let mut failed = write_results(session, &args.output_dir, &records, &comparison);
    failed.extend(args.reports.write(&session.terminal, &records, Some(&comparison)));
    if !args.reports.is_on_standard_output() {
        let written = session.terminal.result(&args.output.write(&comparison));
        failed.extend(written.err().map(CliError::from));
    }
    for error in failed {
        session.terminal.say(&error.line());
        exit = exit.worst(ExitStatus::NotWritten);
    }
    Ok(session.code(exit))
}

/// Writes the comparison and the default reports to the directory of a trial. Returns the failures.
pub(super) fn write_results(
    session: &CommandContext,
    dir: &Path,
    records: &[Record],
    comparison: &RunComparison,
) -> Vec<CliError> {
    let text = serde_json::to_string_pretty(comparison).unwrap_or_default() + "\n";
    let failed = replace(&dir.join("comparison.json"), text.as_bytes()).err().map(CliError::from);
    failed
        .into_iter()
        .chain(default_reports(dir).write(&session.terminal, records, Some(comparison)))
        .collect()
}

/// Returns the reports that every trial writes to its directory.
pub(super) fn default_reports(dir: &Path) -> ReportArgs {
    let file = |name: &str| Some(dir.join(name));
    ReportArgs { junit: file("junit.xml"), markdown: file("summary.md"), html: file("report.html") }
}

/// Journal of a run, with its arm.
pub(super) struct TrialJournal {
    pub(super) arm: Arm,
    pub(super) record: Record,
}

/// Returns the signal that interrupted a run, by its exit code.
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
