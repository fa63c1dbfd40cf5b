//! `kubectl chaos ci`: a run or a trial as part of a job, within the bounds that a job has. Floor 3.
//!
//! What a pull request may do is decided before anything is read of a cluster.

pub(super) mod args;
mod bounds;

use std::path::{Path, PathBuf};

use clap::Parser as _;
use serde_json::Value as Json;

use super::Session;
use super::args::{Cli, Command};
use super::exit_code::Exit;
use super::results::{ARMS, Hand, REPORTS, look};
use super::{base, run, trial};
use crate::console::{Level, Line, sanitize};
use crate::github::Job;
use crate::github::command::{self, Annotation, Silence};
use crate::journal::Record;
use args::Ci;
use bounds::bounds;
pub(super) use bounds::guard;

/// Where everything goes where nothing is said.
pub(super) const OUTPUT_DIR: &str = "chaos-results";
/// The journal of a single run.
const JOURNAL: &str = "journal.json";
/// What a trial came to.
const COMPARISON: &str = "comparison.json";

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
    let code = match begin(&inner, &job, args) {
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
    match tell(&job, args, code) {
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

/// Removes what an earlier run or trial left in the folder: nobody is to take that for what this one came to. What
/// cleaning up after a killed trial takes stays.
fn clear(args: &Ci) -> Result<(), String> {
    let folder = &args.output_dir;
    let failed = |error: std::io::Error| format!("{} cannot be written: {error}", folder.display());
    let gone = |removed: std::io::Result<()>| match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    };
    let of_a_trial = folder.join(trial::RECORD).is_file();
    if of_a_trial && !args.is_trial() {
        return Err(format!(
            "{} has the results of a trial in it: name another folder with --output-dir",
            folder.display()
        ));
    }
    if args.is_trial() && !of_a_trial {
        // the trial itself refuses a folder that has anything in it
        return Ok(());
    }
    for arm in ARMS.iter().filter(|_| of_a_trial) {
        gone(std::fs::remove_dir_all(folder.join(arm)))?;
    }
    let reports = REPORTS.map(|(_, name)| name).into_iter();
    reports.chain([JOURNAL, COMPARISON]).try_for_each(|name| gone(std::fs::remove_file(folder.join(name))))
}

/// Says when the experiment is not the one of the base branch.
fn note_base(session: &Session, args: &Ci) {
    let (Some(base), Some(experiment)) = (&args.base_experiment, &args.experiment) else { return };
    let note = match base::hash_of(base).and_then(|base| Ok((base, base::hash_of(Path::new(experiment))?))) {
        Ok((base, ours)) => base.changed_by(&ours),
        Err(error) => Some(error),
    };
    if let Some(note) = note {
        let said = Annotation::new(command::Level::Warning, "kubectl-chaos", note.clone());
        session.terminal.command(&said.command());
        session.terminal.say(&Line::note(Level::Warning, sanitize(&note)));
    }
}

/// Writes the outputs of the step.
fn tell(job: &Job, args: &Ci, code: u8) -> Result<(), String> {
    let Some(file) = &job.outputs else { return Ok(()) };
    let folder = &args.output_dir;
    let journals = look(folder, Hand::Known).map(|found| found.all()).unwrap_or_default();
    let (verdict, after) = outcome(folder, &journals);
    let shown = |path: &Path| if path.is_file() { path.display().to_string() } else { String::new() };
    let listed: Vec<String> = journals.iter().map(|path| path.display().to_string()).collect();
    let mut pairs = vec![
        ("verdict", verdict),
        ("after", after),
        ("exit-code", code.to_string()),
        ("journals", listed.join("\n")),
        ("output-dir", folder.display().to_string()),
    ];
    pairs.extend(REPORTS.map(|(name, report)| (name, shown(&folder.join(report)))));
    append_outputs(file, &pairs)
}

/// Appends outputs to their file.
pub(super) fn append_outputs(file: &Path, pairs: &[(&str, String)]) -> Result<(), String> {
    use std::io::Write as _;
    let opened = std::fs::File::options().create(true).append(true).open(file);
    let written = opened.and_then(|mut opened| opened.write_all(command::outputs(pairs).as_bytes()));
    written.map_err(|error| format!("the outputs cannot be written to {}: {error}", file.display()))
}

/// The verdict of a trial and how it ends with the change; of a run its verdict alone. Nothing where it came to none.
fn outcome(folder: &Path, journals: &[PathBuf]) -> (String, String) {
    let comparison = std::fs::read_to_string(folder.join(COMPARISON));
    let comparison: Option<Json> = comparison.ok().and_then(|text| serde_json::from_str(&text).ok());
    if let Some(comparison) = comparison {
        let text = |key: &str| comparison[key].as_str().unwrap_or_default().to_owned();
        return (text("verdict"), text("after"));
    }
    let [journal] = journals else { return Default::default() };
    let record = std::fs::read_to_string(journal).ok().and_then(|text| Record::read("", text).ok());
    let verdict = record.and_then(|record| record.content.own?.verdict);
    (verdict.unwrap_or_default(), String::new())
}
