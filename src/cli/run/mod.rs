//! `kubectl chaos run`. Floor 3.

mod not_started;
mod prepare;
mod rejected;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::CommandContext;
use super::args::{DryRunArg, ExitCodeStyle, RunArgs, RunOutputFormat};
use super::console_watcher::{ConsoleWatcher, LiveProgress};
use super::embedded::EmbeddedRun;
use super::events_file::EventsFile;
use super::exit_code::{ExitStatus, toolkit_code};
use super::notify::Notifier;
use super::run_context::{RunContext, control_files};
use super::terminal::Terminal;
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::engine::{Engine, EventBus, EventWatcher, RunOptions, configure};
use crate::error_code::message_chain;
use crate::event::{RunStatus, Signal};
use crate::experiment::{DryRun, Experiment};
use crate::http_client;
use crate::journal::{Journal, Keyword, OutputContext, Record, RunDocument, Strictness, answer, judge};
use crate::sampling::{PhaseTracker, Sampling, sampled};
use crate::series::Series;
use crate::substitution::Scope;
use crate::value::Value;
pub(super) use prepare::journal_paths;
use prepare::{PreparedRun, check_keys, prepare};
use rejected::RejectedRun;

pub(super) use not_started::not_begun;

/// Runs experiments one after the other. Gives the exit code.
pub(super) fn run(session: &CommandContext, args: &RunArgs) -> u8 {
    session.to_its_end(run_all(session, args, None)).unwrap_or_else(|code| code)
}

/// How a run ended.
struct FinishedRun {
    exit: ExitStatus,
    /// The exit code by the rules that were asked for.
    code: u8,
    journal: Journal,
    journal_path: PathBuf,
    source: String,
}

/// The same, within what runs already; on a cluster that is there already, by its kubeconfig.
pub(super) async fn run_all(session: &CommandContext, args: &RunArgs, there: Option<&Path>) -> u8 {
    let rehearsal = if args.embedded {
        match rehearse(session, args).await {
            Ok(rehearsal) => Some(rehearsal),
            Err(refused) => return refuse(session, args, &refused, &args.sources[0]),
        }
    } else {
        None
    };
    if let Err(error) = args.reports.check(args.output != RunOutputFormat::Text) {
        let refused = RejectedRun::new(&session.terminal, ExitStatus::Usage, "runtime", error);
        return refuse(session, args, &refused, &args.sources[0]);
    }
    let kubeconfig = rehearsal.as_ref().map(|rehearsal| rehearsal.kubeconfig.as_path()).or(there);
    let surroundings = match RunContext::read(session, &args.variables, kubeconfig) {
        Ok(surroundings) => surroundings,
        Err(code) => return code,
    };
    Notifier::new(session, &surroundings.settings).warn();
    // nothing runs unless everything can
    let mut ready = Vec::new();
    for (index, source) in args.sources.iter().enumerate() {
        match prepare(session, args, &surroundings, index).await {
            Ok(one) => ready.push(one),
            Err(refused) => return refuse(session, args, &refused, source),
        }
    }
    // one for all of them, as they are told in one file
    let events = match args.events_file.as_deref().map(EventsFile::open).transpose() {
        Ok(events) => events,
        Err(error) => {
            let refused = RejectedRun::new(&session.terminal, ExitStatus::Usage, "runtime", error);
            return refuse(session, args, &refused, &args.sources[0]);
        }
    };
    let mut ended: Vec<FinishedRun> = Vec::new();
    let mut left_out: Option<SkippedRun> = None;
    for one in ready {
        let source = one.source.clone();
        match carry_out(session, args, &surroundings, events.as_ref(), one).await {
            Ok(one) => ended.push(one),
            Err(refused) if ended.is_empty() => return refuse(session, args, &refused, &source),
            Err(refused) => {
                left_out = Some(SkippedRun::new(session, refused, source));
                break;
            }
        }
        let last = ended.last().map(|one| (one.exit, one.journal.status.known()));
        let over = matches!(
            last,
            Some(
                (ExitStatus::RollbackIncomplete | ExitStatus::Signal(_), _)
                    | (_, Some(RunStatus::Interrupted))
            )
        );
        if over {
            break;
        }
    }
    let codes = ended.iter().map(|one| (one.exit.gravity(), one.code));
    let codes = codes.chain(left_out.iter().map(|one| (one.refused.exit.gravity(), one.code)));
    let code = codes.max().map_or(0, |(_, code)| code);
    let mut failed = reported(session, args, &ended);
    failed.extend(tell(session, args, &ended, left_out.as_ref()).err());
    let refused = failed.into_iter().map(|error| session.refuse(ExitStatus::NotWritten, error)).max();
    if code == 0 { refused.unwrap_or(code) } else { code }
}

/// An experiment that could not be run when others had been.
struct SkippedRun {
    refused: RejectedRun,
    source: String,
    code: u8,
}

impl SkippedRun {
    /// By then something may have been touched: no exit code may say that nothing was.
    fn new(session: &CommandContext, mut refused: RejectedRun, source: String) -> Self {
        if matches!(refused.exit, ExitStatus::Usage | ExitStatus::Invalid | ExitStatus::Unreachable) {
            refused.exit = ExitStatus::Stopped;
        }
        let code = session.code(refused.exit);
        Self { refused, source, code }
    }
}

/// Writes the reports of all runs. What could not be written is told.
fn reported(session: &CommandContext, args: &RunArgs, ended: &[FinishedRun]) -> Vec<String> {
    let read =
        |one: &FinishedRun| Record::read(&one.journal_path.display().to_string(), one.journal.to_json());
    match ended.iter().map(read).collect::<Result<Vec<_>, _>>() {
        Ok(records) => args.reports.write(&session.terminal, &records, None),
        Err(error) => vec![format!("the reports cannot be written: {}", message_chain(&error))],
    }
}

/// A cluster of its own to rehearse on.
async fn rehearse(session: &CommandContext, args: &RunArgs) -> Result<EmbeddedRun, RejectedRun> {
    let terminal = &session.terminal;
    let interrupted = session.signals.end().map_err(|error| {
        RejectedRun::new(terminal, ExitStatus::Usage, "runtime", format!("signals cannot be heard: {error}"))
    })?;
    tokio::select! {
        started = EmbeddedRun::start(session, &args.apply) => {
            started.map_err(|(exit, error)| RejectedRun::new(terminal, exit, "runtime", error))
        }
        signal = interrupted => {
            let why = format!("interrupted by {signal} before the run began");
            Err(RejectedRun::new(terminal, ExitStatus::Signal(signal), "runtime", why))
        }
    }
}

/// Writes the answer of a run that did not begin; why it did not was said already.
fn refuse(session: &CommandContext, args: &RunArgs, refused: &RejectedRun, source: &str) -> u8 {
    let code = session.code(refused.exit);
    let written = match args.output {
        RunOutputFormat::Text => Ok(()),
        output => session.terminal.result(&written(output, &refused.answer(source, code, output))),
    };
    if let Err(error) = written {
        session
            .terminal
            .say(&ConsoleLine::note(LineLevel::Error, format!("the answer cannot be written: {error}")));
    }
    code
}

/// Runs one experiment, and writes its journal.
async fn carry_out(
    session: &CommandContext,
    args: &RunArgs,
    surroundings: &RunContext,
    events: Option<&EventsFile>,
    ready: PreparedRun,
) -> Result<FinishedRun, RejectedRun> {
    let terminal = &session.terminal;
    let unable = |error: String| RejectedRun::new(terminal, ExitStatus::Usage, "runtime", error);
    // as a whole the original's way: then outputs are written down as they came, too
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
    let sampled = args.sampling.options().filter(|_| may_be_sampled(terminal, args, &ready.experiment));
    let phases = PhaseTracker::default();
    if sampled.is_some() {
        watchers.push(Box::new(phases.clone()));
    }
    let bus = Arc::new(EventBus::new(watchers));
    // processes may be under way for the configuration: whoever interrupts them wants them to end, too
    let interrupted =
        session.signals.end().map_err(|error| unable(format!("signals cannot be heard: {error}")))?;
    let scope = tokio::select! {
        scope = configured(session, surroundings, &ready.experiment, &bus, plain) => scope,
        signal = interrupted => {
            let why = format!("interrupted by {signal} before the run began");
            return Err(RejectedRun::new(terminal, ExitStatus::Signal(signal), "runtime", why));
        }
    };
    let scope = scope.map_err(|error| RejectedRun::new(terminal, ExitStatus::Invalid, "runtime", error))?;
    check_keys(session, surroundings, &ready.experiment, &scope).await?;
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
    let hearing = session
        .signals
        .hand_to(move |signal| handle.signal(signal))
        .map_err(|error| unable(format!("signals cannot be received: {error}")))?;
    match sampled {
        None => drop(engine.run().await),
        Some(sampled) => {
            let sampling =
                Sampling::start(&ready.experiment, &scope, &surroundings.providers, phases, sampled)
                    .map_err(|error| RejectedRun::new(terminal, ExitStatus::Usage, "runtime", error))?;
            ready.journal.sampled(beside(terminal, &engine, sampling).await);
        }
    }
    drop(hearing);
    drop(live);
    let signal = engine.handle().signal_so_far();
    let ended = finish(session, ready, signal, events.and_then(EventsFile::failure));
    tell_channels(session, surroundings, &ended.journal).await;
    Ok(ended)
}

/// Whether sampling makes sense.
fn may_be_sampled(terminal: &Terminal, args: &RunArgs, experiment: &Experiment) -> bool {
    if args.dry.is_some() {
        terminal.say(&ConsoleLine::note(LineLevel::Warning, "a dry run is not sampled"));
        return false;
    }
    sampled(experiment, &args.sampling.sample_probes).is_ok_and(|sampled| !sampled.is_empty())
}

/// Runs it, with sampling beside it: a baseline before, the recovery after.
async fn beside(terminal: &Terminal, engine: &Arc<Engine>, sampling: Sampling) -> Vec<Series> {
    let handle = engine.handle();
    let note = |text: &str| terminal.say(&ConsoleLine::note(LineLevel::Info, text));
    note("sampling: a baseline is taken before anything is done");
    tokio::select! {
        () = sampling.baseline() => {}
        _ = handle.signalled() => {}
    }
    let state = engine.run().await;
    let hurried = async {
        // what ended the run leaves no time to look on
        if state.status != Some(RunStatus::Interrupted) {
            let signal = handle.signalled().await;
            note(&format!("sampling: {signal} ends it; what was seen until then is kept"));
        }
    };
    tokio::pin!(hurried);
    let in_haste = tokio::select! {
        biased;
        () = &mut hurried => true,
        () = sampling.recovery() => false,
    };
    let samples =
        if in_haste { sampling.finish(std::future::ready(())).await } else { sampling.finish(hurried).await };
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
) -> Result<Scope, String> {
    let RunContext { variables, environment, providers, .. } = surroundings;
    let configured = configure(experiment, variables, environment, providers, bus, plain).await?;
    for warning in configured.warnings {
        session.terminal.say(&ConsoleLine::note(LineLevel::Warning, warning));
    }
    if plain && !configured.scope.secrets().is_empty() {
        let text =
            "--strict=false with --exit-code=chaostoolkit writes outputs as they came, secrets included";
        session.terminal.say(&ConsoleLine::note(LineLevel::Warning, text));
    }
    Ok(configured.scope)
}

/// Judges the run and writes its journal for good. A signal that came when there was nothing left to cut ends the
/// program no less; the run was what it was.
fn finish(
    session: &CommandContext,
    ready: PreparedRun,
    signal: Option<Signal>,
    events_failure: Option<String>,
) -> FinishedRun {
    let strictness = if session.global.strict { Strictness::Strict } else { Strictness::Lenient };
    let look = |journal: &Journal| (judge(journal, strictness), journal.signal(), toolkit_code(journal));
    let ((verdict, reason), interrupted_by, toolkit) = ready.journal.look(look);
    let by = |exit: ExitStatus| match session.global.exit_code {
        ExitCodeStyle::Precise => exit.code(),
        ExitCodeStyle::Chaostoolkit => {
            toolkit.max(u8::from(matches!(exit, ExitStatus::NotWritten | ExitStatus::Signal(_))))
        }
    };
    let mut exit = ExitStatus::of(verdict, interrupted_by);
    if let Some(signal) = signal {
        exit = exit.worst(ExitStatus::Signal(signal));
    }
    let (journal, written) = ready.journal.finish(verdict, Some(reason), by(exit));
    for error in written.err().into_iter().chain(events_failure) {
        session.terminal.say(&ConsoleLine::note(LineLevel::Error, error));
        exit = exit.worst(ExitStatus::NotWritten);
    }
    hint_at_rollbacks(session, &journal);
    FinishedRun { exit, code: by(exit), journal, journal_path: ready.journal_path, source: ready.source }
}

/// What was not put back is said, where somebody may have expected it.
fn hint_at_rollbacks(session: &CommandContext, journal: &Journal) {
    let declared = journal.experiment.get("rollbacks").and_then(Value::as_list).map_or(0, <[_]>::len);
    let cut = !journal.status.is(RunStatus::Completed);
    if cut && declared > 0 && !journal.run.is_empty() && !journal.unwritten.rollbacks_begun {
        let text = "the rollbacks were not played; --rollback-strategy=always plays them whatever happens";
        session.terminal.say(&ConsoleLine::note(LineLevel::Warning, text));
    }
}

async fn tell_channels(session: &CommandContext, surroundings: &RunContext, journal: &Journal) {
    let notifier = Notifier::new(session, &surroundings.settings);
    let completed = journal.status.is(RunStatus::Completed);
    notifier.tell(if completed { "run-completed" } else { "run-failed" }, "run", journal, None).await;
    if journal.deviated {
        notifier.tell("run-deviated", "run", journal, None).await;
    }
}

/// Writes what the runs came to, in the format that was asked for.
fn tell(
    session: &CommandContext,
    args: &RunArgs,
    ended: &[FinishedRun],
    left_out: Option<&SkippedRun>,
) -> Result<(), String> {
    let text = match args.output {
        RunOutputFormat::Text if args.silent || args.reports.is_on_standard_output() => return Ok(()),
        RunOutputFormat::Text => ended.iter().map(sentence).collect(),
        output => {
            let mut answers: Vec<RunDocument> = ended.iter().map(|one| answered(args, one)).collect();
            answers.extend(left_out.map(|one| one.refused.answer(&one.source, one.code, output)));
            let document = match answers.len() {
                1 => answers.remove(0),
                _ => Value::List(answers),
            };
            written(output, &document)
        }
    };
    session.terminal.result(&text).map_err(|error| format!("the answer cannot be written: {error}"))
}

/// What a run came to, for a person.
fn sentence(ended: &FinishedRun) -> String {
    let extension = ended.journal.extension.as_ref();
    let verdict = extension.and_then(|extension| extension.verdict.as_ref()).map_or("", Keyword::as_str);
    let reason = extension.and_then(|extension| extension.reason.as_ref());
    let reason = reason.map(|reason| format!(": {}", sanitize(reason))).unwrap_or_default();
    format!("{verdict}{reason}\njournal: {}\n", sanitize(&ended.journal_path.display().to_string()))
}

fn answered(args: &RunArgs, ended: &FinishedRun) -> RunDocument {
    let place = OutputContext {
        source: location(&ended.source),
        journal_path: location(&ended.journal_path.display().to_string()),
        events_path: args.events_file.as_ref().map(|path| location(&path.display().to_string())),
        exit_code: ended.code,
        agent: args.output == RunOutputFormat::Agent,
    };
    answer(&ended.journal, &place)
}

fn written(output: RunOutputFormat, document: &Value) -> String {
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

/// An address as it may be shown, a path as an absolute one.
fn location(source: &str) -> String {
    if source.contains("://") || source == "-" {
        return http_client::shown(source);
    }
    std::path::absolute(source).map_or_else(|_| source.to_owned(), |path| path.display().to_string())
}
