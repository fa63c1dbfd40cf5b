//! `kubectl chaos run`.

pub(super) mod args;
mod not_started;
mod prepare;
mod rejected;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::CommandContext;
use super::console_watcher::{ConsoleWatcher, LiveProgress};
use super::embedded::EmbeddedRun;
use super::error::CliError;
use super::events_file::EventsFile;
use super::exit_code::{ExitStatus, toolkit_code};
use super::notify::Notifier;
use super::run_context::{RunContext, control_files};
use super::shared_args::{ExitCodeStyle, RunOutputFormat};
use super::terminal::{OutputError, Terminal};
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::engine::{Engine, EventBus, EventWatcher, RunOptions, configure};
use crate::error_code::ErrorCode;
use crate::event::{RunStatus, Signal};
use crate::experiment::{DryRun, Experiment};
use crate::http_client;
use crate::journal::{Journal, Keyword, OutputContext, Record, RunDocument, Strictness, answer, judge};
use crate::sampling::{PhaseTracker, Sampling, select_probes};
use crate::series::Series;
use crate::substitution::Scope;
use crate::value::Value;
use args::{DryRunArg, RunArgs};
use prepare::{PreparedRun, check_credentials, journal_paths, prepare};
use rejected::RejectedRun;

pub(super) use not_started::not_begun;

/// The journal of a run without --journal-path.
const DEFAULT_JOURNAL: &str = "./journal.json";

/// Runs experiments one after the other. Returns the exit code.
pub(super) fn run(session: &CommandContext, args: &RunArgs) -> u8 {
    session.to_its_end(run_all(session, args, None)).unwrap_or_else(|code| code)
}

struct FinishedRun {
    exit: ExitStatus,
    /// Exit code in the requested style.
    code: u8,
    journal: Journal,
    journal_path: PathBuf,
    source: String,
}

/// Runs experiments inside an async runtime, on an embedded cluster that runs already if `kubeconfig` is given.
pub(super) async fn run_all(session: &CommandContext, args: &RunArgs, kubeconfig: Option<&Path>) -> u8 {
    let embedded = if args.embedded {
        match start_embedded(session, args).await {
            Ok(embedded) => Some(embedded),
            Err(refused) => return refuse(session, args, &refused, &args.sources[0]),
        }
    } else {
        None
    };
    if let Err(error) = args.check_outputs() {
        let refused = RejectedRun::new(&session.terminal, "runtime", error);
        return refuse(session, args, &refused, &args.sources[0]);
    }
    let kubeconfig = embedded.as_ref().map(|embedded| embedded.kubeconfig.as_path()).or(kubeconfig);
    let surroundings = match RunContext::read(session, &args.variables, kubeconfig) {
        Ok(surroundings) => surroundings,
        Err(error) => {
            let refused = RejectedRun::new(&session.terminal, "load", error);
            return refuse(session, args, &refused, &args.sources[0]);
        }
    };
    Notifier::new(session, &surroundings.settings).warn();
    // no run starts unless all can
    let mut ready = Vec::new();
    for (index, source) in args.sources.iter().enumerate() {
        match prepare(session, args, &surroundings, index).await {
            Ok(one) => ready.push(one),
            Err(refused) => return refuse(session, args, &refused, source),
        }
    }
    // all runs share the file
    let events = match args.events_file.as_deref().map(EventsFile::open).transpose() {
        Ok(events) => events,
        Err(error) => {
            // nothing was changed yet
            let error = CliError::from(error).with_status(ExitStatus::Usage);
            let refused = RejectedRun::new(&session.terminal, "runtime", error);
            return refuse(session, args, &refused, &args.sources[0]);
        }
    };
    let mut finished: Vec<FinishedRun> = Vec::new();
    let mut skipped: Option<SkippedRun> = None;
    for run in ready {
        let source = run.source.clone();
        match execute(session, args, &surroundings, events.as_ref(), run).await {
            Ok(run) => finished.push(run),
            Err(refused) if finished.is_empty() => return refuse(session, args, &refused, &source),
            Err(refused) => {
                skipped = Some(SkippedRun::new(session, refused, source));
                break;
            }
        }
        let last = finished.last().map(|run| (run.exit, run.journal.status.known()));
        let is_over = matches!(
            last,
            Some(
                (ExitStatus::RollbackIncomplete | ExitStatus::Signal(_), _)
                    | (_, Some(RunStatus::Interrupted))
            )
        );
        if is_over {
            break;
        }
    }
    let codes = finished.iter().map(|run| (run.exit.gravity(), run.code));
    let codes = codes.chain(skipped.iter().map(|run| (run.refused.error.status.gravity(), run.code)));
    let code = codes.max().map_or(0, |(_, code)| code);
    let mut errors = write_reports(session, args, &finished);
    errors.extend(write_result(session, args, &finished, skipped.as_ref()).err().map(CliError::from));
    let error_code = errors.iter().map(|error| session.show_error(error)).max();
    if code == 0 { error_code.unwrap_or(code) } else { code }
}

/// An experiment that cannot be run after others have been.
struct SkippedRun {
    refused: RejectedRun,
    source: String,
    code: u8,
}

impl SkippedRun {
    /// Replaces exit statuses that guarantee that nothing was changed: earlier runs may have changed something.
    fn new(session: &CommandContext, mut refused: RejectedRun, source: String) -> Self {
        let status = &mut refused.error.status;
        if matches!(status, ExitStatus::Usage | ExitStatus::Invalid | ExitStatus::Unreachable) {
            *status = ExitStatus::Stopped;
        }
        let code = session.code(*status);
        Self { refused, source, code }
    }
}

/// Writes the reports of all runs. Returns the errors.
fn write_reports(session: &CommandContext, args: &RunArgs, finished: &[FinishedRun]) -> Vec<CliError> {
    let name = |run: &FinishedRun| match args.has_journal_on_standard_output() {
        // where the reader may have stored it
        true => DEFAULT_JOURNAL.to_owned(),
        false => run.journal_path.display().to_string(),
    };
    let read = |run: &FinishedRun| Record::read(&name(run), run.journal.to_json());
    match finished.iter().map(read).collect::<Result<Vec<_>, _>>() {
        Ok(records) => args.reports.write(&session.terminal, &records, None),
        Err(error) => {
            vec![CliError::from(error).with_status(ExitStatus::NotWritten)]
        }
    }
}

async fn start_embedded(session: &CommandContext, args: &RunArgs) -> Result<EmbeddedRun, RejectedRun> {
    let terminal = &session.terminal;
    let interrupted = session.signals.end().map_err(|error| RejectedRun::new(terminal, "runtime", error))?;
    tokio::select! {
        started = EmbeddedRun::start(session, &args.apply) => {
            started.map_err(|error| RejectedRun::new(terminal, "runtime", error))
        }
        signal = interrupted => Err(RejectedRun::new(terminal, "runtime", interrupted_by(signal))),
    }
}

fn interrupted_by(signal: Signal) -> CliError {
    CliError::new(ErrorCode::RunInterrupted, format!("interrupted by {signal} before the run started"))
        .with_status(ExitStatus::Signal(signal))
}

/// Writes the document of a run that did not start; its error was shown already.
fn refuse(session: &CommandContext, args: &RunArgs, refused: &RejectedRun, source: &str) -> u8 {
    let code = session.code(refused.error.status);
    let written = match args.output {
        RunOutputFormat::Text => Ok(()),
        output => session.terminal.result(&to_text(output, &refused.answer(source, code, output))),
    };
    if let Err(error) = written {
        session.show_error(&error.into());
    }
    code
}

/// Runs one experiment, and writes its journal.
async fn execute(
    session: &CommandContext,
    args: &RunArgs,
    surroundings: &RunContext,
    events: Option<&EventsFile>,
    ready: PreparedRun,
) -> Result<FinishedRun, RejectedRun> {
    let terminal = &session.terminal;
    // with both flags of the Chaos Toolkit's behaviour outputs are written unredacted, too
    let plain = !session.global.strict && session.global.exit_code == ExitCodeStyle::Chaostoolkit;
    let mut watchers: Vec<Box<dyn EventWatcher>> =
        vec![Box::new(ready.journal.watcher()), Box::new(ConsoleWatcher(Arc::clone(terminal)))];
    if let Some(events) = events {
        watchers.push(Box::new(events.watcher()));
    }
    let live = LiveProgress::start(terminal);
    if let Some(live) = &live {
        watchers.push(Box::new(live.watcher()));
    }
    let sampled = args.sampling.options().filter(|_| can_be_sampled(terminal, args, &ready.experiment));
    let phases = PhaseTracker::default();
    if sampled.is_some() {
        watchers.push(Box::new(phases.clone()));
    }
    let bus = Arc::new(EventBus::new(watchers));
    // dynamic configuration may run processes: a signal ends them, too
    let interrupted = session.signals.end().map_err(|error| RejectedRun::new(terminal, "runtime", error))?;
    let scope = tokio::select! {
        scope = configured(session, surroundings, &ready.experiment, &bus, plain) => scope,
        signal = interrupted => return Err(RejectedRun::new(terminal, "runtime", interrupted_by(signal))),
    };
    let scope = scope.map_err(|error| RejectedRun::new(terminal, "runtime", error))?;
    check_credentials(session, surroundings, &ready.experiment, &scope).await?;
    let mut controls = surroundings.settings.controls.clone();
    controls.extend(control_files(session, &args.control_files));
    let options = RunOptions {
        plan: ready.plan.clone(),
        dry: args.dry.map(dry),
        frequency: args.hypothesis_frequency,
        fail_fast: args.fail_fast,
        effect_timeout: args.effect_timeout,
        timeout: args.timeout,
        controls,
        plain,
        record: Some(Box::new(ready.journal.record())),
    };
    let experiment = Arc::clone(&ready.experiment);
    let engine = Engine::new(experiment, options, scope.clone(), surroundings.providers.clone(), bus);
    let handle = engine.handle();
    let forwarder = session
        .signals
        .hand_to(move |signal| handle.signal(signal))
        .map_err(|error| RejectedRun::new(terminal, "runtime", error))?;
    match sampled {
        None => drop(engine.run().await),
        Some(sampled) => {
            let sampling =
                Sampling::start(&ready.experiment, &scope, &surroundings.providers, phases, sampled)
                    .map_err(|error| RejectedRun::new(terminal, "runtime", error))?;
            ready.journal.sampled(run_with_sampling(terminal, &engine, sampling).await);
        }
    }
    drop(forwarder);
    drop(live);
    let signal = engine.handle().first_signal();
    let finished = finish(session, ready, signal, events.and_then(EventsFile::error));
    notify(session, surroundings, &finished.journal).await;
    Ok(finished)
}

/// Returns whether there is something to sample.
fn can_be_sampled(terminal: &Terminal, args: &RunArgs, experiment: &Experiment) -> bool {
    if args.dry.is_some() {
        terminal.say(&ConsoleLine::note(LineLevel::Warning, "dry runs are not sampled"));
        return false;
    }
    select_probes(experiment, &args.sampling.sample_probes).is_ok_and(|sampled| !sampled.is_empty())
}

/// Runs the experiment while sampling: the baseline first, the recovery afterwards.
async fn run_with_sampling(terminal: &Terminal, engine: &Arc<Engine>, sampling: Sampling) -> Vec<Series> {
    let handle = engine.handle();
    let note = |text: &str| terminal.say(&ConsoleLine::note(LineLevel::Info, text));
    note("sampling: measuring the baseline before the run");
    tokio::select! {
        () = sampling.measure_baseline() => {}
        _ = handle.wait_for_signal() => {}
    }
    let state = engine.run().await;
    let interrupted = async {
        // an interrupted run is not sampled further
        if state.status != Some(RunStatus::Interrupted) {
            let signal = handle.wait_for_signal().await;
            note(&format!("sampling: stopped by {signal}; earlier samples are kept"));
        }
    };
    tokio::pin!(interrupted);
    let is_interrupted = tokio::select! {
        biased;
        () = &mut interrupted => true,
        () = sampling.wait_for_recovery() => false,
    };
    let samples = if is_interrupted {
        sampling.finish(std::future::ready(())).await
    } else {
        sampling.finish(interrupted).await
    };
    for series in &samples {
        let level = if series.settled { LineLevel::Info } else { LineLevel::Warning };
        terminal.say(&ConsoleLine::note(level, sanitize(&series.to_string())));
    }
    samples
}

async fn configured(
    session: &CommandContext,
    surroundings: &RunContext,
    experiment: &Experiment,
    bus: &EventBus,
    plain: bool,
) -> Result<Scope, CliError> {
    let RunContext { variables, environment, providers, .. } = surroundings;
    let configured = configure(experiment, variables, environment, providers, bus, plain).await?;
    for warning in configured.warnings {
        session.terminal.say(&ConsoleLine::note(LineLevel::Warning, warning));
    }
    if plain && !configured.scope.secrets().is_empty() {
        let text = "--strict=false with --exit-code=chaostoolkit does not redact secrets in outputs";
        session.terminal.say(&ConsoleLine::note(LineLevel::Warning, text));
    }
    Ok(configured.scope)
}

/// Judges the run and writes the final journal.
///
/// A signal that arrives after the last step sets the exit code; the verdict stays.
fn finish(
    session: &CommandContext,
    ready: PreparedRun,
    signal: Option<Signal>,
    events_error: Option<CliError>,
) -> FinishedRun {
    let strictness = if session.global.strict { Strictness::Strict } else { Strictness::Lenient };
    let judge = |journal: &Journal| (judge(journal, strictness), journal.signal(), toolkit_code(journal));
    let ((verdict, reason), interrupted_by, toolkit) = ready.journal.with_journal(judge);
    let code_of = |exit: ExitStatus| match session.global.exit_code {
        ExitCodeStyle::Precise => exit.code(),
        ExitCodeStyle::Chaostoolkit => {
            toolkit.max(u8::from(matches!(exit, ExitStatus::NotWritten | ExitStatus::Signal(_))))
        }
    };
    let mut exit = ExitStatus::of(verdict, interrupted_by);
    if let Some(signal) = signal {
        exit = exit.worst(ExitStatus::Signal(signal));
    }
    let (journal, written) = ready.journal.finish(verdict, Some(reason), code_of(exit));
    for error in written.err().map(CliError::from).into_iter().chain(events_error) {
        session.show_error(&error);
        exit = exit.worst(ExitStatus::NotWritten);
    }
    warn_about_rollbacks(session, &journal);
    FinishedRun { exit, code: code_of(exit), journal, journal_path: ready.journal_path, source: ready.source }
}

/// Warns if declared rollbacks did not run.
fn warn_about_rollbacks(session: &CommandContext, journal: &Journal) {
    let declared = journal.experiment.get("rollbacks").and_then(Value::as_list).map_or(0, <[_]>::len);
    let is_incomplete = !journal.status.is(RunStatus::Completed);
    if is_incomplete && declared > 0 && !journal.run.is_empty() && !journal.unwritten.rollbacks_begun {
        let text = "rollbacks did not run; use --rollback-strategy=always to run them in any case";
        session.terminal.say(&ConsoleLine::note(LineLevel::Warning, text));
    }
}

async fn notify(session: &CommandContext, surroundings: &RunContext, journal: &Journal) {
    let notifier = Notifier::new(session, &surroundings.settings);
    let completed = journal.status.is(RunStatus::Completed);
    notifier.tell(if completed { "run-completed" } else { "run-failed" }, "run", journal, None).await;
    if journal.deviated {
        notifier.tell("run-deviated", "run", journal, None).await;
    }
}

/// Writes the results of the runs in the requested format.
fn write_result(
    session: &CommandContext,
    args: &RunArgs,
    finished: &[FinishedRun],
    skipped: Option<&SkippedRun>,
) -> Result<(), OutputError> {
    let text = match args.output {
        RunOutputFormat::Text
            if args.silent
                || args.has_events_on_standard_output()
                || args.reports.is_on_standard_output() =>
        {
            return Ok(());
        }
        RunOutputFormat::Text if args.has_journal_on_standard_output() => {
            finished.iter().map(|run| run.journal.to_json()).collect()
        }
        RunOutputFormat::Text => finished.iter().map(summary).collect(),
        output => {
            let mut documents: Vec<RunDocument> =
                finished.iter().map(|run| run_document(args, run)).collect();
            documents.extend(skipped.map(|run| run.refused.answer(&run.source, run.code, output)));
            let document = match documents.len() {
                1 => documents.remove(0),
                _ => Value::List(documents),
            };
            to_text(output, &document)
        }
    };
    session.terminal.result(&text)
}

/// Returns the verdict, the reason and the journal path, as text.
fn summary(run: &FinishedRun) -> String {
    let extension = run.journal.extension.as_ref();
    let verdict = extension.and_then(|extension| extension.verdict.as_ref()).map_or("", Keyword::as_str);
    let reason = extension.and_then(|extension| extension.reason.as_ref());
    let reason = reason.map(|reason| format!(": {}", sanitize(reason))).unwrap_or_default();
    format!("{verdict}{reason}\njournal: {}\n", sanitize(&run.journal_path.display().to_string()))
}

fn run_document(args: &RunArgs, run: &FinishedRun) -> RunDocument {
    let context = OutputContext {
        source: location(&run.source),
        journal_path: location(&run.journal_path.display().to_string()),
        events_path: args.events_file.as_ref().map(|path| location(&path.display().to_string())),
        exit_code: run.code,
        agent: args.output == RunOutputFormat::Agent,
    };
    answer(&run.journal, &context)
}

fn to_text(output: RunOutputFormat, document: &Value) -> String {
    match output {
        RunOutputFormat::Yaml => serde_yaml::to_string(document).unwrap_or_default(),
        RunOutputFormat::Text | RunOutputFormat::Json | RunOutputFormat::Agent => {
            serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
        }
    }
}

fn dry(dry: DryRunArg) -> DryRun {
    match dry {
        DryRunArg::Probes => DryRun::Probes,
        DryRunArg::Actions => DryRun::Actions,
        DryRunArg::Activities => DryRun::Activities,
        DryRunArg::Pause => DryRun::Pause,
    }
}

/// Returns a URL without credentials, or a path as an absolute one.
fn location(source: &str) -> String {
    if source.contains("://") || source == "-" {
        return http_client::shown(source);
    }
    std::path::absolute(source).map_or_else(|_| source.to_owned(), |path| path.display().to_string())
}
