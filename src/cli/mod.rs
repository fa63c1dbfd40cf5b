//! The command line interface: flags, files, the terminal, exit codes.

mod ci;
mod command;
mod command_line;
mod compare;
mod completion;
mod connection_args;
mod demo;
mod demo_app;
mod discover;
mod doctor;
#[cfg(test)]
mod documentation;
mod duration;
mod embedded;
mod env_inputs;
mod error_document;
mod exit_code;
mod init;
mod parse;
mod path_conflicts;
mod publish;
mod recover;
mod repetition;
mod report;
mod report_args;
mod run;
mod shared_args;
mod signal_handlers;
mod table;
mod terminal;
mod trial;
mod unknown_command;
mod usage_error;
mod validate;
mod version;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::CommandFactory as _;

use crate::app::ci::append_outputs;
use crate::app::{AppContext, AppError, Outcome, Signals, new_run_id};
use crate::config::ProcessEnv;
use crate::console::{ConsoleLine, LineLevel};
use crate::error_code::ErrorCode;
use crate::github;
use crate::github::workflow_command::Annotation;
use crate::journal::Strictness;
use command::{Cli, Command};
use error_document::{DocumentFormat, error_document};
use shared_args::{ExitCodeStyle, GlobalArgs};
use terminal::Terminal;

/// Runs the program. Returns its exit code.
pub fn main() -> ExitCode {
    let environment = ProcessEnv::of_process();
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(words) = completion::completion_words(&words) {
        completion::print_candidates(Cli::command(), words, &environment);
        return ExitCode::SUCCESS;
    }
    let plugin_name = command_line::display_name(words.first());
    // fast path without clap
    if words.len() == 2 && (words[1] == "--version" || words[1] == "-V") {
        let _ = writeln!(std::io::stdout(), "{plugin_name} {}", version::VERSION.as_str());
        return ExitCode::SUCCESS;
    }
    match command_line::parse(words.clone(), &environment) {
        Ok((cli, document)) => ExitCode::from(run_command(plugin_name, cli, document, environment, &words)),
        Err(error) => ExitCode::from(usage_error::report(&error, &words, &environment)),
    }
}

fn run_command(
    shown: String,
    cli: Cli,
    document: Option<DocumentFormat>,
    environment: ProcessEnv,
    words: &[OsString],
) -> u8 {
    let run_id = new_run_id();
    let mut terminal = Terminal::new(&cli.global, &environment, &run_id);
    let prepared = prepare(&cli, &mut terminal);
    let Cli { global, connection, command } = cli;
    let terminal = Arc::new(terminal);
    let app = AppContext {
        connection: connection.into_options(),
        embedded_kubeconfig: None,
        settings_path: global.settings.clone(),
        strictness: if global.strict { Strictness::Strict } else { Strictness::Lenient },
        // with both flags of the Chaos Toolkit's behaviour
        has_plain_outputs: !global.strict && global.exit_code == ExitCodeStyle::Chaostoolkit,
        journal_exit_code: global.exit_code.journal_exit_code(),
        environment,
        run_id,
        signals: Signals::new(signal_handlers::install),
        reporter: Arc::clone(&terminal) as _,
        output_lock: None,
        parse_container: demo_app::parse_container,
    };
    let session = CommandContext { shown, global, app, terminal, document };
    if let Err(error) = prepared {
        let message = error.message.clone();
        let code = session.fail(error);
        annotate_failure(&command_line::command_name(words), &session.app.environment, &message, code);
        return code;
    }
    match command {
        Command::Run(args) => run::run(&session, &args),
        Command::Ci(args) => ci::ci(&session, &args),
        Command::Compare(args) => compare::compare(&session, &args),
        Command::Completion(args) => completion::completion(&session, &args, Cli::command()),
        Command::Demo(args) => demo::demo(&session, &args),
        Command::Discover(args) => discover::discover(&session, &args),
        Command::Doctor(args) => doctor::doctor(&session, &args, &Cli::command()),
        Command::Embedded { command } => embedded::embedded(&session, &command),
        Command::Init(args) => init::init(&session, &args),
        Command::Options => session.write_result(&command_line::options()),
        Command::SampleApp { part } => demo_app::sample_app(&session, &part),
        Command::Validate(args) => validate::validate(&session, &args),
        Command::Publish(args) => publish::publish(&session, &args),
        Command::Recover(args) => recover::recover(&session, &args),
        Command::Report(args) => report::report(&session, &args),
        Command::Trial(args) => trial::trial(&session, &args),
        Command::Other(words) => unknown_command::refuse(&session, &words),
    }
}

/// Reports to a GitHub job that `ci` or `publish` could not start: an annotation, and for `ci` the step output
/// `exit-code`.
fn annotate_failure(command: &str, environment: &ProcessEnv, message: &str, code: u8) {
    let job = github::WorkflowJob::from_env(|name| environment.get(name));
    let Some(job) = job.ok().filter(|job| job.is_on_github && ["ci", "publish"].contains(&command)) else {
        return;
    };
    let message = message.trim().trim_start_matches("error: ");
    let annotation =
        Annotation::new(github::workflow_command::AnnotationLevel::Error, "kubectl-chaos", message).command();
    let _ = writeln!(std::io::stdout(), "{annotation}");
    if let Some(file) = job.outputs.filter(|_| command == "ci") {
        // the job fails anyway
        let _ = append_outputs(&file, &[("exit-code", code.to_string())]);
    }
}

/// Everything that a command works with.
#[derive(Clone)]
struct CommandContext {
    /// Name of the program as shown: `kubectl chaos`.
    shown: String,
    global: GlobalArgs,
    /// What the application works with. It reports to the same terminal.
    app: AppContext,
    terminal: Arc<Terminal>,
    /// Machine-readable format of standard output, if one was requested.
    document: Option<DocumentFormat>,
}

impl CommandContext {
    /// Returns the exit code in the requested style.
    fn code(&self, outcome: Outcome) -> u8 {
        self.global.exit_code.code(outcome)
    }

    /// Returns a copy whose results go to the log of a CI job.
    fn for_a_log(&self) -> Self {
        let terminal = self.terminal.for_a_log();
        let app = AppContext { reporter: Arc::clone(&terminal) as _, ..self.app.clone() };
        Self { app, terminal, ..self.clone() }
    }

    /// Returns the context of runs that belong together: their journals have precise exit codes.
    fn precise_app(&self) -> AppContext {
        AppContext {
            has_plain_outputs: false,
            journal_exit_code: ExitCodeStyle::Precise.journal_exit_code(),
            ..self.app.clone()
        }
    }

    /// Returns the name of the program as a file: `kubectl-chaos`.
    fn program(&self) -> String {
        self.shown.replace(' ', "-")
    }

    /// Returns the name of the plugin: `chaos`.
    fn plugin(&self) -> String {
        self.shown.strip_prefix("kubectl ").unwrap_or(&self.shown).to_owned()
    }

    /// Writes the result to standard output. Returns the exit code.
    fn write_result(&self, text: &str) -> u8 {
        match self.terminal.write_result(text) {
            Ok(()) => self.code(Outcome::Success),
            Err(error) => self.fail(error),
        }
    }

    /// Runs a future to completion. An error is an exit code, and already shown.
    ///
    /// One thread: the program waits nearly all the time, and waking another thread for each step of a request takes
    /// longer than the step. Tasks that still run at the end are dropped.
    fn block_on<T>(&self, work: impl Future<Output = T>) -> Result<T, u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            let message = format!("failed to start async runtime: {error}");
            self.fail(AppError::new(ErrorCode::InternalRuntime, message))
        })?;
        let result = runtime.block_on(work);
        runtime.shutdown_timeout(Duration::from_millis(100));
        Ok(result)
    }

    /// Shows an error that ends the command. Returns the exit code.
    ///
    /// With `-o json` or `-o yaml` an error document takes the place of the result, unless there is one.
    fn fail(&self, error: impl Into<AppError>) -> u8 {
        let error = error.into();
        let code = self.show_error(&error);
        self.write_error_document(&error);
        code
    }

    /// Writes the document of an error that is shown already, if a machine-readable result was requested and there is
    /// none.
    fn write_error_document(&self, error: &AppError) {
        if let Some(format) = self.document.filter(|_| !self.terminal.has_result()) {
            // the exit code reports the failure already
            let _ = self.terminal.write_result(&error_document(error, format));
        }
    }

    /// Shows an error on standard error. Returns the exit code.
    fn show_error(&self, error: &AppError) -> u8 {
        self.terminal.show(&error.line());
        self.code(error.outcome)
    }
}

/// Changes the directory, checks the paths of the command line and opens the log file.
fn prepare(cli: &Cli, terminal: &mut Terminal) -> Result<(), AppError> {
    let global = &cli.global;
    if let Some(dir) = &global.change_dir {
        std::env::set_current_dir(dir).map_err(|error| {
            let message = format!("cannot change to directory {}: {error}", dir.display());
            AppError::new(ErrorCode::FileNotReadable, message)
        })?;
    }
    cli.paths().check()?;
    // nothing was changed yet
    let opened = terminal.open_log(global);
    opened.map_err(|error| AppError::from(error).with_outcome(Outcome::Usage))?;
    if let Some(dir) = &global.change_dir {
        terminal.show(&ConsoleLine::new(LineLevel::Warning, format!("Moving to {}", dir.display())));
    }
    Ok(())
}

/// Prevents same-user ptrace and /proc access, since the environment may contain a token.
///
/// Protects against processes that an experiment left running. Has no effect on other systems or against root.
fn shield() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
