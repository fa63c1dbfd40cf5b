//! `kubectl chaos run`. Floor 3.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Session;
use super::args::{DryArg, ExitCodes, HypothesisArg, Output, RollbackArg, Run};
use super::events_file::EventsFile;
use super::exit_code::{Exit, toolkit_code};
use super::input::{Surroundings, control_files, is_invalid, tell_faults, tell_inherited};
use super::journal_file::JournalFile;
use super::notify::{Notifier, without_secrets};
use super::signals;
use super::watchers::{Console, LiveProgress};
use crate::console::{Level, Line};
use crate::diagnostic::Diagnostic;
use crate::engine::{self, Asked, Bus, Engine, Options, Watcher, configure, undeclared};
use crate::event::{Plan, Status};
use crate::experiment::document::Document;
use crate::experiment::{Dry, Experiment, HypothesisStrategy, RollbackStrategy, hash};
use crate::journal::{Answer, Header, Journal, Place, answer, judge};
use crate::source;
use crate::substitution::Scope;
use crate::value::{Value, map};

/// Runs experiments one after the other. Gives the exit code.
pub(super) fn run(session: Session, args: &Run) -> u8 {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return session.refuse(Exit::Usage, format!("the program cannot start: {error}")),
    };
    let code = runtime.block_on(run_all(&session, args));
    // nothing that is still going on is waited for: it was cut, or nobody asked for it
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

/// An experiment that can be run: everything about it was read and checked.
struct Ready {
    source: String,
    experiment: Arc<Experiment>,
    plan: Plan,
    journal: JournalFile,
    journal_path: PathBuf,
    run_id: String,
}

/// How a run ended.
struct Ended {
    exit: Exit,
    code: u8,
    answer: Answer,
    interrupted: bool,
}

async fn run_all(session: &Session, args: &Run) -> u8 {
    let surroundings = match Surroundings::read(session, &args.variables) {
        Ok(surroundings) => surroundings,
        Err(code) => return code,
    };
    Notifier::new(session, &surroundings.settings).warn();
    // nothing runs unless everything can
    let mut ready = Vec::new();
    for (index, source) in args.sources.iter().enumerate() {
        match prepare(session, args, &surroundings, source, index).await {
            Ok(one) => ready.push(one),
            Err(refused) => return refused.tell(session, args, source),
        }
    }
    let several = ready.len() > 1;
    let mut exit = Exit::Fine;
    let mut code = 0;
    let mut answers = Vec::new();
    for one in ready {
        let ended = match carry_out(session, args, &surroundings, one).await {
            Ok(ended) => ended,
            Err((refused, source)) => return refused.tell(session, args, &source),
        };
        if ended.exit.gravity() >= exit.gravity() {
            exit = ended.exit;
            code = code.max(ended.code);
            if session.global.exit_code == ExitCodes::Precise {
                code = ended.code;
            }
        }
        answers.push(ended.answer);
        if ended.interrupted || ended.exit == Exit::RollbackIncomplete {
            break;
        }
    }
    let document = if several { Value::List(answers) } else { answers.pop().unwrap_or_default() };
    match write_answer(session, args, &document) {
        Ok(()) => code,
        Err(error) if code == 0 => session.refuse(Exit::NotWritten, error),
        Err(error) => {
            session.terminal.say(&Line::note(Level::Error, error));
            code
        }
    }
}

/// Why a run does not begin.
struct Refused {
    exit: Exit,
    stage: &'static str,
    faults: Vec<Diagnostic>,
    message: String,
}

impl Refused {
    fn new(exit: Exit, stage: &'static str, message: impl Into<String>) -> Self {
        Self { exit, stage, faults: Vec::new(), message: message.into() }
    }

    /// Writes the answer of a run that did not begin. What is wrong was said already, or is said here.
    fn tell(self, session: &Session, args: &Run, source: &str) -> u8 {
        if self.faults.is_empty() {
            session.terminal.say(&Line::note(Level::Error, self.message.clone()));
        }
        let code = session.code(self.exit);
        if matches!(args.output, Output::Json | Output::Yaml | Output::Agent) {
            let document = self.answer(source, code, args.output == Output::Agent);
            if let Err(error) = write_answer(session, args, &document) {
                session.terminal.say(&Line::note(Level::Error, error));
            }
        }
        code
    }

    fn answer(&self, source: &str, code: u8, agent: bool) -> Value {
        let null = [
            "journal_path",
            "events_path",
            "experiment",
            "journal",
            "steady_state",
            "method",
            "rollbacks",
            "interrupted_by",
        ];
        let schema = if agent { "chaostoolkit/agent/run/v1" } else { "kubectl-chaos/run/v1" };
        let mut document = map([
            ("schema", schema.into()),
            ("command", "run".into()),
            ("outcome", "error".into()),
            ("conclusive", false.into()),
            ("verdict", "The experiment was not run.".into()),
            ("exit_code", Value::Int(code.into())),
            ("source", location(source).into()),
        ]);
        document.extend(null.map(|key| (key.to_owned(), Value::Null)));
        document.insert("warnings".to_owned(), Value::List(Vec::new()));
        let error = map([
            ("stage", self.stage.into()),
            ("type", "InvalidExperiment".into()),
            ("message", self.message.as_str().into()),
        ]);
        document.insert("error".to_owned(), Value::Map(error));
        if !agent {
            let faults = serde_json::to_value(&self.faults).unwrap_or_default();
            document.insert("kubectl-chaos".to_owned(), Value::Map(map([("diagnostics", faults.into())])));
        }
        Value::Map(document)
    }
}

/// Reads and checks everything about one experiment. Nothing is touched.
async fn prepare(
    session: &Session,
    args: &Run,
    surroundings: &Surroundings,
    source: &str,
    index: usize,
) -> Result<Ready, Refused> {
    let terminal = &session.terminal;
    let settings = &surroundings.settings;
    let document = source::read(source, settings, &surroundings.environment, !args.no_verify_tls).await;
    let document = document.map_err(|fault| {
        terminal.say(&Line::new(Level::Error, fault.message.clone()));
        terminal.say(&Line::note(Level::Info, fault.to_string()));
        let message = fault.message.clone();
        Refused { exit: Exit::Invalid, stage: "load", faults: vec![fault], message }
    })?;
    let notifier = Notifier::new(session, settings);
    notifier.tell("run-started", "run", &without_secrets(&document.root.to_value()), None).await;
    if !args.no_validation {
        check(session, surroundings, &document)?;
    }
    let experiment = Experiment::read(&document).map_err(|fault| invalid(session, vec![fault]))?;
    for message in undeclared(&experiment, &surroundings.variables) {
        terminal.say(&Line::note(Level::Warning, message));
    }
    if args.hypothesis_strategy == Some(HypothesisArg::Continously) {
        let text = "\n\"continously\" is an old misspelling: say --hypothesis-strategy=continuously";
        terminal.say(&Line::new(Level::Warning, text));
    }
    let plan = engine::plan(&experiment, settings, &asked(args))
        .map_err(|error| Refused::new(Exit::Invalid, "validation", error))?;
    let journal_path = journal_path(&args.journal_path, args.sources.len(), index, source);
    let run_id = if index == 0 { session.run_id.clone() } else { super::new_run_id() };
    let annotations =
        args.annotations.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let header = Header {
        platform: platform(),
        node: node(),
        run_id: run_id.clone(),
        version: env!("CARGO_PKG_VERSION"),
        experiment_hash: hash(&experiment.document),
        annotations,
    };
    let journal = JournalFile::open(&journal_path, header)
        .map_err(|error| Refused::new(Exit::Usage, "runtime", error))?;
    let experiment = Arc::new(experiment);
    Ok(Ready { source: source.to_owned(), experiment, plan, journal, journal_path, run_id })
}

/// Validates, and tells what was found.
fn check(session: &Session, surroundings: &Surroundings, document: &Document) -> Result<(), Refused> {
    let terminal = &session.terminal;
    terminal.say(&Line::new(Level::Info, "Validating the experiment's syntax"));
    let faults = surroundings.faults(document, session.global.strict);
    tell_inherited(terminal, &faults);
    if is_invalid(&faults) {
        return Err(invalid(session, faults));
    }
    terminal.say(&Line::new(Level::Info, "Experiment looks valid"));
    tell_faults(terminal, &faults);
    Ok(())
}

fn invalid(session: &Session, faults: Vec<Diagnostic>) -> Refused {
    tell_faults(&session.terminal, &faults);
    let first = faults.iter().find(|fault| fault.severity == crate::diagnostic::Severity::Error);
    let message = first.map(|fault| fault.message.clone()).unwrap_or_default();
    Refused { exit: Exit::Invalid, stage: "validation", faults, message }
}

/// Runs one experiment, and writes its journal.
async fn carry_out(
    session: &Session,
    args: &Run,
    surroundings: &Surroundings,
    ready: Ready,
) -> Result<Ended, (Refused, String)> {
    let refused = |exit, error: String| (Refused::new(exit, "runtime", error), ready.source.clone());
    // as a whole the original's way: then outputs are written down as they came, too
    let plain = !session.global.strict && session.global.exit_code == ExitCodes::Chaostoolkit;
    let mut watchers: Vec<Box<dyn Watcher>> =
        vec![Box::new(ready.journal.watcher()), Box::new(Console(Arc::clone(&session.terminal)))];
    let mut events_failure = None;
    if let Some(path) = &args.events_file {
        let (file, failure) = EventsFile::open(path).map_err(|error| refused(Exit::Usage, error))?;
        watchers.push(Box::new(file));
        events_failure = Some(failure);
    }
    let live = LiveProgress::start(&session.terminal);
    if let Some(live) = &live {
        watchers.push(Box::new(live.watcher()));
    }
    let bus = Arc::new(Bus::new(watchers));
    let scope = configured(session, surroundings, &ready.experiment, &bus, plain).await;
    let scope = scope.map_err(|error| refused(Exit::Invalid, error))?;
    let settings = &surroundings.settings;
    let mut controls = settings.controls.clone();
    controls.extend(control_files(session, &args.control_files));
    let options = Options {
        plan: ready.plan.clone(),
        dry: args.dry.map(dry),
        frequency: args.hypothesis_frequency,
        fail_fast: args.fail_fast,
        effect_timeout: args.effect_timeout,
        timeout: args.timeout,
        controls,
        plain,
    };
    let experiment = Arc::clone(&ready.experiment);
    let engine = Engine::new(experiment, options, scope, surroundings.providers.clone(), Arc::clone(&bus));
    signals::listen(&engine.handle())
        .map_err(|error| refused(Exit::Usage, format!("no signals: {error}")))?;
    engine.run().await;
    drop(live);
    Ok(finish(session, args, surroundings, ready, events_failure.and_then(|failure| failure.lock().take()))
        .await)
}

async fn configured(
    session: &Session,
    surroundings: &Surroundings,
    experiment: &Experiment,
    bus: &Bus,
    plain: bool,
) -> Result<Scope, String> {
    let Surroundings { variables, environment, providers, .. } = surroundings;
    let configured = configure(experiment, variables, environment, providers, bus, plain).await?;
    for warning in configured.warnings {
        session.terminal.say(&Line::note(Level::Warning, warning));
    }
    if plain && !configured.scope.secrets().is_empty() {
        let text =
            "--strict=false with --exit-code=chaostoolkit writes outputs as they came, secrets included";
        session.terminal.say(&Line::note(Level::Warning, text));
    }
    Ok(configured.scope)
}

/// Judges the run, writes its journal, tells who wants to be told.
async fn finish(
    session: &Session,
    args: &Run,
    surroundings: &Surroundings,
    ready: Ready,
    events_failure: Option<String>,
) -> Ended {
    let terminal = &session.terminal;
    let ((verdict, reason), toolkit) =
        ready.journal.look(|journal| (judge(journal, session.global.strict), toolkit_code(journal)));
    let exit = Exit::of(verdict);
    let by = |exit: Exit| match session.global.exit_code {
        ExitCodes::Precise => exit.code(),
        ExitCodes::Chaostoolkit => toolkit.max(u8::from(exit == Exit::NotWritten)),
    };
    let code = by(exit);
    let (journal, written) = ready.journal.finish(verdict, reason.clone(), code);
    let mut exit = exit;
    for error in written.err().into_iter().chain(events_failure) {
        terminal.say(&Line::note(Level::Error, error));
        exit = exit.worst(Exit::NotWritten);
    }
    let code = by(exit);
    tell_end(session, surroundings, &journal).await;
    let place = Place {
        source: location(&ready.source),
        journal_path: location(&ready.journal_path.display().to_string()),
        events_path: args.events_file.as_ref().map(|path| location(&path.display().to_string())),
        agent: args.output == Output::Agent,
    };
    let mut answer = answer(&journal, &place);
    if let Value::Map(entries) = &mut answer {
        entries.insert("exit_code".to_owned(), Value::Int(code.into()));
        if args.output == Output::Text {
            let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
            let text = format!("{}{reason}\njournal: {}\n", verdict.name(), ready.journal_path.display());
            entries.insert("text".to_owned(), text.into());
        }
    }
    hint_at_rollbacks(session, &journal);
    let _ = ready.run_id;
    Ended { exit, code, answer, interrupted: journal.status == Some(Status::Interrupted) }
}

/// What was not put back is said, where somebody may have expected it.
fn hint_at_rollbacks(session: &Session, journal: &Journal) {
    let declared = journal.experiment.get("rollbacks").and_then(Value::as_list).map_or(0, <[_]>::len);
    let acted = !journal.run.is_empty();
    if acted && declared > 0 && journal.rollbacks.is_empty() && journal.status != Some(Status::Completed) {
        let text = "the rollbacks were not played; --rollback-strategy=always plays them whatever happens";
        session.terminal.say(&Line::note(Level::Warning, text));
    }
}

async fn tell_end(session: &Session, surroundings: &Surroundings, journal: &Journal) {
    let notifier = Notifier::new(session, &surroundings.settings);
    let completed = journal.status == Some(Status::Completed);
    notifier.tell(if completed { "run-completed" } else { "run-failed" }, "run", journal, None).await;
    if journal.deviated {
        notifier.tell("run-deviated", "run", journal, None).await;
    }
}

/// Writes the answer to standard output, in the format that was asked for.
fn write_answer(session: &Session, args: &Run, document: &Answer) -> Result<(), String> {
    let text = match args.output {
        Output::Text => {
            let each = match document {
                Value::List(answers) => answers.iter().collect(),
                one => vec![one],
            };
            each.iter()
                .filter_map(|answer| answer.get("text")?.as_text())
                .map(crate::console::sanitize_lines)
                .collect()
        }
        Output::Json | Output::Agent => serde_json::to_string_pretty(document).unwrap_or_default() + "\n",
        Output::Yaml => serde_yaml::to_string(document).unwrap_or_default(),
    };
    session.terminal.result(&text).map_err(|error| format!("the answer cannot be written: {error}"))
}

fn asked(args: &Run) -> Asked {
    Asked {
        hypothesis: args.hypothesis_strategy.map(|strategy| match strategy {
            HypothesisArg::Default => HypothesisStrategy::Default,
            HypothesisArg::BeforeMethodOnly => HypothesisStrategy::BeforeMethodOnly,
            HypothesisArg::AfterMethodOnly => HypothesisStrategy::AfterMethodOnly,
            HypothesisArg::DuringMethodOnly => HypothesisStrategy::DuringMethodOnly,
            HypothesisArg::Continuously | HypothesisArg::Continously => HypothesisStrategy::Continuously,
        }),
        rollbacks: args.rollback_strategy.map(|strategy| match strategy {
            RollbackArg::Default => RollbackStrategy::Default,
            RollbackArg::Always => RollbackStrategy::Always,
            RollbackArg::Never => RollbackStrategy::Never,
            RollbackArg::Deviated => RollbackStrategy::Deviated,
        }),
    }
}

fn dry(dry: DryArg) -> Dry {
    match dry {
        DryArg::Probes => Dry::Probes,
        DryArg::Actions => Dry::Actions,
        DryArg::Activities => Dry::Activities,
        DryArg::Pause => Dry::Pause,
    }
}

/// The journal of one experiment among several: its own name is put before the extension.
fn journal_path(path: &Path, experiments: usize, index: usize, source: &str) -> PathBuf {
    if experiments == 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
    let name: String = Path::new(source)
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .chars()
        .map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
        .collect();
    path.with_file_name(format!("{stem}-{}-{name}{extension}", index + 1))
}

/// An address as it is, a path as an absolute one.
fn location(source: &str) -> String {
    if source.contains("://") || source == "-" {
        return source.to_owned();
    }
    std::path::absolute(source).map_or_else(|_| source.to_owned(), |path| path.display().to_string())
}

#[cfg(unix)]
fn platform() -> String {
    let system = rustix::system::uname();
    let part = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    format!("{}-{}-{}", part(system.sysname()), part(system.release()), part(system.machine()))
}

#[cfg(not(unix))]
fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

#[cfg(unix)]
fn node() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn node() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}
