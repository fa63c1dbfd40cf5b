//! `kubectl chaos ci`: a run or a trial as part of a CI job, restricted by the policy for pull requests.
//!
//! The policy is decided before any request to a cluster.

pub(super) mod args;
mod policy;
mod results_dir;

use std::path::Path;

use clap::Parser as _;

use super::CommandContext;
use super::base_experiment::HashReference;
use super::command::{Cli, Command};
use super::error::CliError;
use super::exit_code::ExitStatus;
use super::output_lock::OutputLock;
use super::publish::error_annotation;
use super::{base_experiment, run, trial};
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::error_code::{ErrorCode, message_chain};
use crate::github::workflow_command::{Annotation, AnnotationLevel, StopCommands, format_outputs};
use crate::github::{self, WorkflowJob};
use args::Ci;
use policy::check_event;
pub(super) use policy::context_allowlist;
use results_dir::{StepOutputs, clear_results};

/// Default output directory.
pub(super) const OUTPUT_DIR: &str = "chaos-results";

/// Runs the job and writes the outputs of the step. Returns the exit code.
pub(super) fn ci(session: &CommandContext, args: &Ci) -> u8 {
    super::shield();
    let job = match WorkflowJob::from_env(|name| session.environment.get(name)) {
        Ok(job) => job,
        Err(error) => return session.fail(error),
    };
    let mut inner = session.clone();
    inner.terminal = session.terminal.for_a_log();
    let prepared = prepare(&inner, &job, args);
    let has_begun = prepared.is_ok();
    // held until the outputs are written
    let lock = prepared.as_ref().ok().map(|prepared| prepared.lock.clone());
    let code = match prepared {
        Ok(prepared) => {
            // disable workflow commands while untrusted output is printed
            let stop_commands = StopCommands::new();
            inner.terminal.command(&stop_commands.begin());
            let code = prepared.run();
            inner.terminal.command(&stop_commands.end());
            code
        }
        Err(error) => {
            inner.terminal.command(&error_annotation(&error).command());
            inner.fail(error)
        }
    };
    let written = write_outputs(&job, args, code, has_begun);
    drop(lock);
    match written {
        Ok(()) => code,
        Err(error) => {
            let not_written = inner.fail(error);
            if code == 0 { not_written } else { code }
        }
    }
}

/// Run or trial that passed all checks.
struct PreparedJob {
    session: CommandContext,
    command: Command,
    /// The lock of the output directory.
    lock: OutputLock,
}

/// Checks everything that needs no cluster.
fn prepare(session: &CommandContext, job: &WorkflowJob, args: &Ci) -> Result<PreparedJob, CliError> {
    let lock = trial::lock_output_dir(&args.output_dir)?;
    clear_results(args)?;
    let command_line = args.command_line()?;
    let allowlist = check_event(session, job, &args.allow_context)?;
    let mut inner = session.clone();
    inner.connection = session.connection.guarded(allowlist);
    // configuration of an untrusted experiment must not read the credentials of the job
    inner.environment = session.environment.clone().without_withheld();
    warn_if_changed(session, args);
    let usage = |error: clap::Error| {
        CliError::new(ErrorCode::UsageInvalid, error.to_string().trim_start_matches("error: "))
    };
    let mut command = Cli::try_parse_from(command_line).map_err(usage)?.command;
    if let Command::Run(run) = &mut command {
        std::fs::create_dir_all(&args.output_dir).map_err(|error| {
            let message = format!("cannot create directory {}: {error}", args.output_dir.display());
            CliError::new(ErrorCode::FileNotWritable, message).with_status(ExitStatus::Usage)
        })?;
        run.reports = trial::default_reports(&args.output_dir);
    }
    Ok(PreparedJob { session: inner, command, lock })
}

impl PreparedJob {
    fn run(&self) -> u8 {
        match &self.command {
            Command::Run(args) => run::run(&self.session, args),
            Command::Trial(args) => trial::trial(&self.session, args, Some(self.lock.clone())),
            _ => self.session.code(ExitStatus::Usage),
        }
    }
}

/// Warns if the experiment differs from the base branch.
fn warn_if_changed(session: &CommandContext, args: &Ci) {
    let (Some(base), Some(experiment)) = (&args.base_experiment, &args.experiment) else { return };
    let hashes = base_experiment::hash_of(base)
        .and_then(|base| Ok((base, base_experiment::hash_of(Path::new(experiment))?)));
    let note = match hashes {
        Ok((base, ours)) => base.changed_by(&ours, HashReference::Base),
        Err(error) => Some(format!("cannot tell whether the experiment changed: {}", message_chain(&error))),
    };
    if let Some(note) = note {
        let annotation = Annotation::new(AnnotationLevel::Warning, "kubectl-chaos", note.clone());
        session.terminal.command(&annotation.command());
        session.terminal.say(&ConsoleLine::note(LineLevel::Warning, sanitize(&note)));
    }
}

/// Writes the outputs of the step.
///
/// A job that did not begin has only its exit code: a pull request may have supplied the files in the directory.
fn write_outputs(job: &WorkflowJob, args: &Ci, code: u8, has_begun: bool) -> Result<(), github::Error> {
    let Some(file) = &job.outputs else { return Ok(()) };
    let results = if has_begun { StepOutputs::read(args) } else { StepOutputs::default() };
    let mut pairs = results.outputs();
    pairs.push(("exit-code", code.to_string()));
    pairs.push(("output-dir", args.output_dir.display().to_string()));
    append_outputs(file, &pairs)
}

/// Appends outputs to their file.
pub(super) fn append_outputs(file: &Path, pairs: &[(&str, String)]) -> Result<(), github::Error> {
    use std::io::Write as _;
    let opened = std::fs::File::options().create(true).append(true).open(file);
    let written = opened.and_then(|mut opened| opened.write_all(format_outputs(pairs).as_bytes()));
    let variable = "GITHUB_OUTPUT";
    written.map_err(|source| github::Error::WriteFile { variable, path: file.to_owned(), source })
}
