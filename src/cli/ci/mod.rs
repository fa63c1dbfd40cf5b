//! `kubectl chaos ci`: a run or a trial as part of a job, within the bounds that a job has. Floor 3.
//!
//! What a pull request may do is decided before anything is read of a cluster.

pub(super) mod args;
mod bounds;
mod folder;

use std::path::Path;

use clap::Parser as _;

use super::Session;
use super::args::{Cli, Command};
use super::base::Whose;
use super::exit_code::Exit;
use super::{base, run, trial};
use crate::console::{Level, Line, sanitize};
use crate::github::Job;
use crate::github::command::{self, Annotation, Silence};
use args::Ci;
use bounds::bounds;
pub(super) use bounds::guard;
use folder::{Outcome, clear};

/// Where everything goes where nothing is said.
pub(super) const OUTPUT_DIR: &str = "chaos-results";

/// Why it does not begin: the exit code, and what was said.
type Refusal = (Exit, String);

/// Runs, and tells the step what came of it. Gives the exit code.
pub(super) fn ci(session: &Session, args: &Ci) -> u8 {
    super::shield();
    let job = match Job::of(|name| session.environment.get(name)) {
        Ok(job) => job,
        Err(error) => return session.refuse(Exit::Usage, error),
    };
    let mut inner = session.clone();
    inner.terminal = session.terminal.for_a_log();
    let ready = begin(&inner, &job, args);
    let has_begun = ready.is_ok();
    let code = match ready {
        Ok(ready) => {
            // whatever an experiment makes somebody say, the runner takes for no command
            let silence = Silence::new();
            inner.terminal.command(&silence.begin());
            let code = ready.carry_out();
            inner.terminal.command(&silence.end());
            code
        }
        Err((exit, why)) => {
            inner.terminal.command(&Annotation::new(command::Level::Error, "kubectl-chaos", &why).command());
            inner.refuse(exit, why)
        }
    };
    match tell(&job, args, code, has_begun) {
        Ok(()) => code,
        Err(error) => {
            let not_written = inner.refuse(Exit::NotWritten, error);
            if code == 0 { not_written } else { code }
        }
    }
}

/// What is to be carried out.
struct Ready {
    session: Session,
    command: Command,
}

/// Checks everything that can be checked before a cluster is known.
fn begin(session: &Session, job: &Job, args: &Ci) -> Result<Ready, Refusal> {
    clear(args).map_err(|error| (Exit::Usage, error))?;
    let words = args.words().map_err(|error| (Exit::Usage, error))?;
    let guard = bounds(session, job, &args.allow_context)?;
    let mut inner = session.clone();
    inner.connection = session.connection.guarded(guard);
    // what comes from a pull request is not to read it by its configuration either
    inner.environment = session.environment.clone().without_withheld();
    note_base(session, args);
    let parsed = Cli::try_parse_from(words);
    let wrong =
        |error: clap::Error| (Exit::Usage, error.to_string().trim_start_matches("error: ").to_owned());
    let mut command = parsed.map_err(wrong)?.command;
    if let Command::Run(run) = &mut command {
        std::fs::create_dir_all(&args.output_dir).map_err(|error| {
            (Exit::Usage, format!("{} cannot be written: {error}", args.output_dir.display()))
        })?;
        run.reports = trial::usual(&args.output_dir);
    }
    Ok(Ready { session: inner, command })
}

impl Ready {
    fn carry_out(&self) -> u8 {
        match &self.command {
            Command::Run(args) => run::run(&self.session, args),
            Command::Trial(args) => trial::trial(&self.session, args),
            _ => self.session.code(Exit::Usage),
        }
    }
}

/// Says when the experiment is not the one of the base branch.
fn note_base(session: &Session, args: &Ci) {
    let (Some(base), Some(experiment)) = (&args.base_experiment, &args.experiment) else { return };
    let note = match base::hash_of(base).and_then(|base| Ok((base, base::hash_of(Path::new(experiment))?))) {
        Ok((base, ours)) => base.changed_by(&ours, Whose::Base),
        Err(error) => Some(error),
    };
    if let Some(note) = note {
        let said = Annotation::new(command::Level::Warning, "kubectl-chaos", note.clone());
        session.terminal.command(&said.command());
        session.terminal.say(&Line::note(Level::Warning, sanitize(&note)));
    }
}

/// Writes the outputs of the step. Of what did not begin there is nothing to tell but its exit code, whatever the folder
/// has in it: a pull request may have brought it along.
fn tell(job: &Job, args: &Ci, code: u8, has_begun: bool) -> Result<(), String> {
    let Some(file) = &job.outputs else { return Ok(()) };
    let outcome = if has_begun { Outcome::read(args) } else { Outcome::default() };
    let mut pairs = outcome.outputs();
    pairs.push(("exit-code", code.to_string()));
    pairs.push(("output-dir", args.output_dir.display().to_string()));
    append_outputs(file, &pairs)
}

/// Appends outputs to their file.
pub(super) fn append_outputs(file: &Path, pairs: &[(&str, String)]) -> Result<(), String> {
    use std::io::Write as _;
    let opened = std::fs::File::options().create(true).append(true).open(file);
    let written = opened.and_then(|mut opened| opened.write_all(command::outputs(pairs).as_bytes()));
    written.map_err(|error| format!("the outputs cannot be written to {}: {error}", file.display()))
}
