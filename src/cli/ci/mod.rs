//! `kubectl chaos ci`: a run or a trial as part of a job, within the bounds that a job has. Floor 3.
//!
//! What a pull request may do is decided before anything is read of a cluster.

pub(super) mod args;
mod policy;
mod results_dir;

use std::path::Path;

use clap::Parser as _;

use super::CommandContext;
use super::base_experiment::HashReference;
use super::command::{Cli, Command};
use super::error::error_text;
use super::exit_code::ExitStatus;
use super::{base_experiment, run, trial};
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::github::WorkflowJob;
use crate::github::workflow_command::{self, Annotation, StopCommands};
use args::Ci;
use policy::bounds;
pub(super) use policy::guard;
use results_dir::{StepOutputs, clear};

/// Where everything goes where nothing is said.
pub(super) const OUTPUT_DIR: &str = "chaos-results";

/// Why it does not begin: the exit code, and what was said.
type CiRefusal = (ExitStatus, String);

/// Runs, and tells the step what came of it. Gives the exit code.
pub(super) fn ci(session: &CommandContext, args: &Ci) -> u8 {
    super::shield();
    let job = match WorkflowJob::of(|name| session.environment.get(name)) {
        Ok(job) => job,
        Err(error) => return session.refuse(ExitStatus::Usage, error),
    };
    let mut inner = session.clone();
    inner.terminal = session.terminal.for_a_log();
    let ready = begin(&inner, &job, args);
    let has_begun = ready.is_ok();
    let code = match ready {
        Ok(ready) => {
            // whatever an experiment makes somebody say, the runner takes for no command
            let silence = StopCommands::new();
            inner.terminal.command(&silence.begin());
            let code = ready.carry_out();
            inner.terminal.command(&silence.end());
            code
        }
        Err((exit, why)) => {
            inner.terminal.command(
                &Annotation::new(workflow_command::AnnotationLevel::Error, "kubectl-chaos", &why).command(),
            );
            inner.refuse(exit, why)
        }
    };
    match tell(&job, args, code, has_begun) {
        Ok(()) => code,
        Err(error) => {
            let not_written = inner.refuse(ExitStatus::NotWritten, error);
            if code == 0 { not_written } else { code }
        }
    }
}

/// What is to be carried out.
struct PreparedJob {
    session: CommandContext,
    command: Command,
}

/// Checks everything that can be checked before a cluster is known.
fn begin(session: &CommandContext, job: &WorkflowJob, args: &Ci) -> Result<PreparedJob, CiRefusal> {
    clear(args).map_err(|error| (ExitStatus::Usage, error))?;
    let words = args.words().map_err(|error| (ExitStatus::Usage, error))?;
    let guard = bounds(session, job, &args.allow_context)?;
    let mut inner = session.clone();
    inner.connection = session.connection.guarded(guard);
    // what comes from a pull request is not to read it by its configuration either
    inner.environment = session.environment.clone().without_withheld();
    note_base(session, args);
    let parsed = Cli::try_parse_from(words);
    let wrong =
        |error: clap::Error| (ExitStatus::Usage, error.to_string().trim_start_matches("error: ").to_owned());
    let mut command = parsed.map_err(wrong)?.command;
    if let Command::Run(run) = &mut command {
        std::fs::create_dir_all(&args.output_dir).map_err(|error| {
            (ExitStatus::Usage, format!("{} cannot be written: {error}", args.output_dir.display()))
        })?;
        run.reports = trial::usual(&args.output_dir);
    }
    Ok(PreparedJob { session: inner, command })
}

impl PreparedJob {
    fn carry_out(&self) -> u8 {
        match &self.command {
            Command::Run(args) => run::run(&self.session, args),
            Command::Trial(args) => trial::trial(&self.session, args),
            _ => self.session.code(ExitStatus::Usage),
        }
    }
}

/// Says when the experiment is not the one of the base branch.
fn note_base(session: &CommandContext, args: &Ci) {
    let (Some(base), Some(experiment)) = (&args.base_experiment, &args.experiment) else { return };
    let note = match base_experiment::hash_of(base)
        .and_then(|base| Ok((base, base_experiment::hash_of(Path::new(experiment))?)))
    {
        Ok((base, ours)) => base.changed_by(&ours, HashReference::Base),
        Err(error) => Some(error_text(error)),
    };
    if let Some(note) = note {
        let said = Annotation::new(workflow_command::AnnotationLevel::Warning, "kubectl-chaos", note.clone());
        session.terminal.command(&said.command());
        session.terminal.say(&ConsoleLine::note(LineLevel::Warning, sanitize(&note)));
    }
}

/// Writes the outputs of the step. Of what did not begin there is nothing to tell but its exit code, whatever the folder
/// has in it: a pull request may have brought it along.
fn tell(job: &WorkflowJob, args: &Ci, code: u8, has_begun: bool) -> Result<(), String> {
    let Some(file) = &job.outputs else { return Ok(()) };
    let outcome = if has_begun { StepOutputs::read(args) } else { StepOutputs::default() };
    let mut pairs = outcome.outputs();
    pairs.push(("exit-code", code.to_string()));
    pairs.push(("output-dir", args.output_dir.display().to_string()));
    append_outputs(file, &pairs)
}

/// Appends outputs to their file.
pub(super) fn append_outputs(file: &Path, pairs: &[(&str, String)]) -> Result<(), String> {
    use std::io::Write as _;
    let opened = std::fs::File::options().create(true).append(true).open(file);
    let written = opened.and_then(|mut opened| opened.write_all(workflow_command::outputs(pairs).as_bytes()));
    written.map_err(|error| format!("the outputs cannot be written to {}: {error}", file.display()))
}
