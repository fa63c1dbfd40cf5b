//! `kubectl chaos ci`.

pub(super) mod args;

use super::CommandContext;
use super::compare::CompareFormat;
use super::run::{RunOutput, run_and_report};
use super::shared_args::RunOutputFormat;
use super::trial::{TrialOutput, try_and_report};
use crate::app::ci::{CiRequest, CiTask, StepOutputs, append_outputs, clear_results};
use crate::app::report_files::ReportFiles;
use crate::app::trial::state_file::lock_output_dir;
use crate::app::{self, AppContext, AppError};
use crate::github::workflow_command::StopCommands;
use crate::github::{self, WorkflowJob};
use args::CiArgs;

/// Runs the job and writes the outputs of the step. Returns the exit code.
pub(super) fn ci(session: &CommandContext, args: &CiArgs) -> u8 {
    super::shield();
    let job = match WorkflowJob::from_env(|name| session.app.environment.get(name)) {
        Ok(job) => job,
        Err(error) => return session.fail(error),
    };
    let session = session.for_a_log();
    let prepared = prepare(&session.app, &job, args);
    let has_begun = prepared.is_ok();
    // held until the outputs are written
    let lock = prepared.as_ref().ok().and_then(|(app, _)| app.output_lock.clone());
    let code = match prepared {
        Ok((app, request)) => {
            // disable workflow commands while untrusted output is printed
            let stop_commands = StopCommands::new();
            session.terminal.command(&stop_commands.begin());
            let code = run_task(&CommandContext { app, ..session.clone() }, &request);
            session.terminal.command(&stop_commands.end());
            code
        }
        Err(error) => {
            session.terminal.command(&error.annotation().command());
            session.fail(error)
        }
    };
    let written = write_outputs(&job, args, code, has_begun);
    drop(lock);
    match written {
        Ok(()) => code,
        Err(error) => {
            let not_written = session.fail(error);
            if code == 0 { not_written } else { code }
        }
    }
}

/// Checks everything that needs no cluster.
fn prepare(app: &AppContext, job: &WorkflowJob, args: &CiArgs) -> Result<(AppContext, CiRequest), AppError> {
    let lock = lock_output_dir(&args.output_dir)?;
    // first: results of an earlier run must not remain, whatever is wrong with the flags
    clear_results(&args.output_dir, args.is_trial())?;
    let request = args.request()?;
    let app = AppContext { output_lock: Some(lock), ..app.clone() };
    Ok((app::ci::prepare(&app, job, &request)?, request))
}

/// Runs the experiment or the trial. Returns the exit code.
fn run_task(session: &CommandContext, request: &CiRequest) -> u8 {
    match &request.task {
        CiTask::Run(run) => {
            let reports = ReportFiles::in_directory(&request.output_dir);
            let format = RunOutputFormat::Text;
            run_and_report(session, run, &RunOutput { format, reports, has_sample_without_period: false })
        }
        CiTask::Trial(trial) => {
            let output = TrialOutput { format: CompareFormat::Text, reports: ReportFiles::default() };
            try_and_report(session, trial, &output)
        }
    }
}

/// Writes the outputs of the step.
///
/// A job that did not begin has only its exit code: a pull request may have supplied the files in the directory.
fn write_outputs(job: &WorkflowJob, args: &CiArgs, code: u8, has_begun: bool) -> Result<(), github::Error> {
    let Some(file) = &job.outputs else { return Ok(()) };
    let results =
        if has_begun { StepOutputs::read(&args.output_dir, args.is_trial()) } else { StepOutputs::default() };
    let mut pairs = results.to_pairs();
    pairs.push(("exit-code", code.to_string()));
    pairs.push(("output-dir", args.output_dir.display().to_string()));
    append_outputs(file, &pairs)
}
