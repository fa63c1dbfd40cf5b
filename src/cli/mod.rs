//! What the user types, and what comes back: composition, files, the terminal, exit codes. Floor 3.

mod args;
mod base_experiment;
mod ci;
mod command_line;
mod compare;
mod completion;
mod connection_args;
mod console_watcher;
mod demo;
mod demo_app;
mod discover;
mod doctor;
mod duration;
mod embedded;
mod env_inputs;
mod error;
mod events_file;
mod exit_code;
mod init;
mod journal_file;
mod load_journals;
mod manifest_files;
mod notify;
mod path_conflicts;
mod publish;
mod report;
mod report_files;
mod results_dir;
mod run;
mod run_context;
mod search_path;
mod signals;
mod table;
mod terminal;
mod trial;
mod unknown_command;
mod validate;
mod version;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::error::ErrorKind;

use crate::config::ProcessEnv;
use crate::console::{ConsoleLine, LineLevel};
use crate::github;
use crate::github::workflow_command::{Annotation, neutralize};
use args::{Cli, Command, GlobalArgs};
use connection_args::ConnectionArgs;
use error::CliError;
use exit_code::ExitStatus;
use path_conflicts::PathSet;
use signals::Signals;
use terminal::Terminal;

/// The program: reads the command line, does what it says, and gives the exit code.
pub fn main() -> ExitCode {
    let environment = ProcessEnv::of_process();
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(words) = completion::asked(&words) {
        completion::answer(words, &environment);
        return ExitCode::SUCCESS;
    }
    let shown = command_line::shown_as(words.first());
    // nothing is to be faster
    if words.len() == 2 && (words[1] == "--version" || words[1] == "-V") {
        let _ = writeln!(std::io::stdout(), "{shown} {}", version::VERSION.as_str());
        return ExitCode::from(ExitStatus::Fine.code());
    }
    let command = command_line::command_of(&words);
    let cli = match command_line::parse(words, &environment) {
        Ok(cli) => cli,
        // help and versions go to standard output and are no error; who says nothing is helped, as by kubectl
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = write!(std::io::stdout(), "{}", error.render());
            return ExitCode::from(ExitStatus::Fine.code());
        }
        Err(error) => {
            if !error.use_stderr() {
                let _ = error.print();
                return ExitCode::from(ExitStatus::Fine.code());
            }
            // it repeats what was given, and a runner may listen
            if environment.get("GITHUB_ACTIONS").is_some() {
                let text = error.render().to_string();
                let _ = write!(std::io::stderr(), "{}", neutralize(&text));
                unread(&command, &environment, &text, ExitStatus::Usage.code());
            } else {
                let _ = error.print();
            }
            return ExitCode::from(ExitStatus::Usage.code());
        }
    };
    let run_id = new_run_id();
    let terminal = match prepare(&cli, &environment, &run_id) {
        Ok(terminal) => terminal,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            let code = ExitStatus::Usage.by(cli.global.exit_code);
            unread(&command, &environment, &error, code);
            return ExitCode::from(code);
        }
    };
    let Cli { global, connection, command } = cli;
    let signals = Signals::default();
    let session = CommandContext { shown, global, connection, environment, terminal, run_id, signals };
    let code = match command {
        Command::Run(args) => run::run(&session, &args),
        Command::Ci(args) => ci::ci(&session, &args),
        Command::Compare(args) => compare::compare(&session, &args),
        Command::Completion(args) => completion::completion(&session, &args),
        Command::Demo(args) => demo::demo(&session, &args),
        Command::Discover(args) => discover::discover(&session, &args),
        Command::Doctor(args) => doctor::doctor(&session, &args),
        Command::Embedded { command } => embedded::embedded(&session, &command),
        Command::Init(args) => init::init(&session, &args),
        Command::Options => session.answer(&command_line::options()),
        Command::SampleApp { part } => demo_app::sample_app(&session, &part),
        Command::Validate(args) => validate::validate(&session, &args),
        Command::Publish(args) => publish::publish(&session, &args),
        Command::Recover(args) => trial::recover(&session, &args),
        Command::Report(args) => report::report(&session, &args),
        Command::Trial(args) => trial::trial(&session, &args),
        Command::Other(words) => unknown_command::refuse(&session, &words),
    };
    ExitCode::from(code)
}

/// Tells a job of GitHub that one of the commands made for it did not even begin: by an annotation, and of what would
/// have run by the exit code.
fn unread(command: &str, environment: &ProcessEnv, why: &str, code: u8) {
    let job = github::WorkflowJob::from_env(|name| environment.get(name));
    let Some(job) = job.ok().filter(|job| job.is_on_github && ["ci", "publish"].contains(&command)) else {
        return;
    };
    let why = why.trim().trim_start_matches("error: ");
    let said =
        Annotation::new(github::workflow_command::AnnotationLevel::Error, "kubectl-chaos", why).command();
    let _ = writeln!(std::io::stdout(), "{said}");
    if let Some(file) = job.outputs.filter(|_| command == "ci") {
        // that they are not written is the least of it
        let _ = ci::append_outputs(&file, &[("exit-code", code.to_string())]);
    }
}

/// What every command works with.
#[derive(Clone)]
struct CommandContext {
    /// How the program is known: `kubectl chaos`.
    shown: String,
    global: GlobalArgs,
    connection: ConnectionArgs,
    environment: ProcessEnv,
    terminal: Arc<Terminal>,
    /// Tells runs of the program apart.
    run_id: String,
    signals: Signals,
}

impl CommandContext {
    /// The exit code by the rules that were asked for.
    fn code(&self, exit: ExitStatus) -> u8 {
        exit.by(self.global.exit_code)
    }

    /// The name of the program as a file: `kubectl-chaos`.
    fn program(&self) -> String {
        self.shown.replace(' ', "-")
    }

    /// The name of the plugin: `chaos`.
    fn plugin(&self) -> String {
        self.shown.strip_prefix("kubectl ").unwrap_or(&self.shown).to_owned()
    }

    /// Writes the answer to standard output, and gives the exit code for it.
    fn answer(&self, text: &str) -> u8 {
        match self.terminal.result(text) {
            Ok(()) => self.code(ExitStatus::Fine),
            Err(error) => {
                self.refuse(ExitStatus::NotWritten, format!("the answer cannot be written: {error}"))
            }
        }
    }

    /// Works until something is through. An error is the exit code of a program that cannot start; it was said why.
    ///
    /// One thread: nearly all the time it waits, and waking another one for each step of a request takes longer than
    /// the step. What still goes on at the end is not waited for: it was cut, or nobody asked for it.
    fn to_its_end<T>(&self, work: impl Future<Output = T>) -> Result<T, u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime
            .map_err(|error| self.refuse(ExitStatus::Usage, format!("the program cannot start: {error}")))?;
        let done = runtime.block_on(work);
        runtime.shutdown_timeout(Duration::from_millis(100));
        Ok(done)
    }

    /// Shows an error that ends the command, and returns the exit code.
    fn fail(&self, error: impl Into<CliError>) -> u8 {
        let error = error.into();
        self.terminal.say(&error.line());
        self.code(error.status)
    }

    /// Says why nothing was done, and gives the exit code for it.
    fn refuse(&self, exit: ExitStatus, why: impl Into<String>) -> u8 {
        self.terminal.say(&ConsoleLine::note(LineLevel::Error, why));
        self.code(exit)
    }
}

/// Goes where the flags say, and opens what they name, where that loses nothing.
fn prepare(cli: &Cli, environment: &ProcessEnv, run_id: &str) -> Result<Arc<Terminal>, String> {
    let global = &cli.global;
    if let Some(folder) = &global.change_dir {
        std::env::set_current_dir(folder)
            .map_err(|error| format!("the folder {} cannot be gone to: {error}", folder.display()))?;
    }
    PathSet::of(cli).check()?;
    let terminal = Terminal::new(global, environment, run_id)?;
    if let Some(folder) = &global.change_dir {
        terminal.say(&ConsoleLine::new(LineLevel::Warning, format!("Moving to {}", folder.display())));
    }
    Ok(terminal)
}

/// Nobody of the same user reads this process's memory and environment, in which there may be a token: not even what
/// an experiment left running. Where the system has no such thing, or the user may do everything, it does not help.
fn shield() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Returns a random identifier of a run: a version 4 UUID.
fn new_run_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
