//! `kubectl chaos run`. Floor 3.

mod not_begun;
mod prepare;
mod refused;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Session;
use super::args::{DryArg, ExitCodes, Output, Run};
use super::embedded::Rehearsal;
use super::events_file::EventsFile;
use super::exit_code::{Exit, toolkit_code};
use super::input::{Surroundings, control_files};
use super::notify::Notifier;
use super::terminal::Terminal;
use super::watchers::{Console, LiveProgress};
use crate::console::{Level, Line, sanitize};
use crate::engine::{Bus, Engine, Options, Watcher, configure};
use crate::event::{Signal, Status};
use crate::experiment::{Dry, Experiment};
use crate::http_client;
use crate::journal::{Answer, Journal, Place, Record, answer, judge};
use crate::sample::Series;
use crate::sampling::{Phases, Sampling, sampled};
use crate::substitution::Scope;
use crate::value::Value;
pub(super) use prepare::journal_paths;
use prepare::{Ready, check_keys, prepare};
use refused::Refused;

pub(super) use not_begun::not_begun;

/// Runs experiments one after the other. Gives the exit code.
pub(super) fn run(session: &Session, args: &Run) -> u8 {
    session.to_its_end(run_all(session, args, None)).unwrap_or_else(|code| code)
}

/// How a run ended.
struct Ended {
    exit: Exit,
    /// The exit code by the rules that were asked for.
    code: u8,
    journal: Journal,
    journal_path: PathBuf,
    source: String,
}

/// The same, within what runs already; on a cluster that is there already, by its kubeconfig.
pub(super) async fn run_all(session: &Session, args: &Run, there: Option<&Path>) -> u8 {
    let rehearsal = if args.embedded {
        match rehearse(session, args).await {
            Ok(rehearsal) => Some(rehearsal),
            Err(refused) => return refuse(session, args, &refused, &args.sources[0]),
        }
    } else {
        None
    };
    if let Err(error) = args.reports.check(args.output != Output::Text) {
        let refused = Refused::new(&session.terminal, Exit::Usage, "runtime", error);
        return refuse(session, args, &refused, &args.sources[0]);
    }
    let kubeconfig = rehearsal.as_ref().map(|rehearsal| rehearsal.kubeconfig.as_path()).or(there);
    let surroundings = match Surroundings::read(session, &args.variables, kubeconfig) {
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
            let refused = Refused::new(&session.terminal, Exit::Usage, "runtime", error);
            return refuse(session, args, &refused, &args.sources[0]);
        }
    };
    let mut ended: Vec<Ended> = Vec::new();
    let mut left_out: Option<LeftOut> = None;
    for one in ready {
        let source = one.source.clone();
        match carry_out(session, args, &surroundings, events.as_ref(), one).await {
            Ok(one) => ended.push(one),
            Err(refused) if ended.is_empty() => return refuse(session, args, &refused, &source),
            Err(refused) => {
                left_out = Some(LeftOut::new(session, refused, source));
                break;
            }
        }
        let last = ended.last().map(|one| (one.exit, one.journal.status));
        let over = matches!(
            last,
            Some((Exit::RollbackIncomplete | Exit::Signal(_), _) | (_, Some(Status::Interrupted)))
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
    let refused = failed.into_iter().map(|error| session.refuse(Exit::NotWritten, error)).max();
    if code == 0 { refused.unwrap_or(code) } else { code }
}

/// An experiment that could not be run when others had been.
struct LeftOut {
    refused: Refused,
    source: String,
    code: u8,
}

impl LeftOut {
    /// By then something may have been touched: no exit code may say that nothing was.
    fn new(session: &Session, mut refused: Refused, source: String) -> Self {
        if matches!(refused.exit, Exit::Usage | Exit::Invalid | Exit::Unreachable) {
            refused.exit = Exit::Stopped;
        }
        let code = session.code(refused.exit);
        Self { refused, source, code }
    }
}

/// Writes the reports of all runs. What could not be written is told.
fn reported(session: &Session, args: &Run, ended: &[Ended]) -> Vec<String> {
    let read = |one: &Ended| Record::read(&one.journal_path.display().to_string(), one.journal.to_json());
    match ended.iter().map(read).collect::<Result<Vec<_>, _>>() {
        Ok(records) => args.reports.write(&session.terminal, &records, None),
        Err(error) => vec![format!("the reports cannot be written: {error}")],
    }
}

/// A cluster of its own to rehearse on.
async fn rehearse(session: &Session, args: &Run) -> Result<Rehearsal, Refused> {
    let terminal = &session.terminal;
    let interrupted = session.signals.end().map_err(|error| {
        Refused::new(terminal, Exit::Usage, "runtime", format!("signals cannot be heard: {error}"))
    })?;
    tokio::select! {
        started = Rehearsal::start(session, &args.apply) => {
            started.map_err(|(exit, error)| Refused::new(terminal, exit, "runtime", error))
        }
        signal = interrupted => {
            let why = format!("interrupted by {signal} before the run began");
            Err(Refused::new(terminal, Exit::Signal(signal), "runtime", why))
        }
    }
}

/// Writes the answer of a run that did not begin; why it did not was said already.
fn refuse(session: &Session, args: &Run, refused: &Refused, source: &str) -> u8 {
    let code = session.code(refused.exit);
    let written = match args.output {
        Output::Text => Ok(()),
        output => session.terminal.result(&written(output, &refused.answer(source, code, output))),
    };
    if let Err(error) = written {
        session.terminal.say(&Line::note(Level::Error, format!("the answer cannot be written: {error}")));
    }
    code
}

/// Runs one experiment, and writes its journal.
async fn carry_out(
    session: &Session,
    args: &Run,
    surroundings: &Surroundings,
    events: Option<&EventsFile>,
    ready: Ready,
) -> Result<Ended, Refused> {
    let terminal = &session.terminal;
    let unable = |error: String| Refused::new(terminal, Exit::Usage, "runtime", error);
    // as a whole the original's way: then outputs are written down as they came, too
    let plain = !session.global.strict && session.global.exit_code == ExitCodes::Chaostoolkit;
    let mut watchers: Vec<Box<dyn Watcher>> =
        vec![Box::new(ready.journal.watcher()), Box::new(Console(Arc::clone(terminal)))];
    if let Some(events) = events {
        watchers.push(Box::new(events.watcher()));
    }
    let live = LiveProgress::start(terminal);
    if let Some(live) = &live {
        watchers.push(Box::new(live.watcher()));
    }
    let sampled = args.sampling.options().filter(|_| may_be_sampled(terminal, args, &ready.experiment));
    let phases = Phases::default();
    if sampled.is_some() {
        watchers.push(Box::new(phases.clone()));
    }
    let bus = Arc::new(Bus::new(watchers));
    // processes may be under way for the configuration: whoever interrupts them wants them to end, too
    let interrupted =
        session.signals.end().map_err(|error| unable(format!("signals cannot be heard: {error}")))?;
    let scope = tokio::select! {
        scope = configured(session, surroundings, &ready.experiment, &bus, plain) => scope,
        signal = interrupted => {
            let why = format!("interrupted by {signal} before the run began");
            return Err(Refused::new(terminal, Exit::Signal(signal), "runtime", why));
        }
    };
    let scope = scope.map_err(|error| Refused::new(terminal, Exit::Invalid, "runtime", error))?;
    check_keys(session, surroundings, &ready.experiment, &scope).await?;
    let mut controls = surroundings.settings.controls.clone();
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
                    .map_err(|error| Refused::new(terminal, Exit::Usage, "runtime", error))?;
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
fn may_be_sampled(terminal: &Terminal, args: &Run, experiment: &Experiment) -> bool {
    if args.dry.is_some() {
        terminal.say(&Line::note(Level::Warning, "a dry run is not sampled"));
        return false;
    }
    sampled(experiment, &args.sampling.sample_probes).is_ok_and(|sampled| !sampled.is_empty())
}

/// Runs it, with sampling beside it: a baseline before, the recovery after.
async fn beside(terminal: &Terminal, engine: &Arc<Engine>, sampling: Sampling) -> Vec<Series> {
    let handle = engine.handle();
    let note = |text: &str| terminal.say(&Line::note(Level::Info, text));
    note("sampling: a baseline is taken before anything is done");
    tokio::select! {
        () = sampling.baseline() => {}
        _ = handle.signalled() => {}
    }
    let state = engine.run().await;
    let hurried = async {
        // what ended the run leaves no time to look on
        if state.status != Some(Status::Interrupted) {
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
        let level = if series.settled { Level::Info } else { Level::Warning };
        terminal.say(&Line::note(level, sanitize(&series.to_string())));
    }
    samples
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

/// Judges the run and writes its journal for good. A signal that came when there was nothing left to cut ends the
/// program no less; the run was what it was.
fn finish(session: &Session, ready: Ready, signal: Option<Signal>, events_failure: Option<String>) -> Ended {
    let strict = session.global.strict;
    let look = |journal: &Journal| (judge(journal, strict), toolkit_code(journal));
    let ((verdict, reason), toolkit) = ready.journal.look(look);
    let by = |exit: Exit| match session.global.exit_code {
        ExitCodes::Precise => exit.code(),
        ExitCodes::Chaostoolkit => toolkit.max(u8::from(matches!(exit, Exit::NotWritten | Exit::Signal(_)))),
    };
    let mut exit = Exit::of(verdict);
    if let Some(signal) = signal {
        exit = exit.worst(Exit::Signal(signal));
    }
    let (journal, written) = ready.journal.finish(verdict, reason, by(exit));
    for error in written.err().into_iter().chain(events_failure) {
        session.terminal.say(&Line::note(Level::Error, error));
        exit = exit.worst(Exit::NotWritten);
    }
    hint_at_rollbacks(session, &journal);
    Ended { exit, code: by(exit), journal, journal_path: ready.journal_path, source: ready.source }
}

/// What was not put back is said, where somebody may have expected it.
fn hint_at_rollbacks(session: &Session, journal: &Journal) {
    let declared = journal.experiment.get("rollbacks").and_then(Value::as_list).map_or(0, <[_]>::len);
    let cut = journal.status != Some(Status::Completed);
    if cut && declared > 0 && !journal.run.is_empty() && !journal.extension.rollbacks_begun {
        let text = "the rollbacks were not played; --rollback-strategy=always plays them whatever happens";
        session.terminal.say(&Line::note(Level::Warning, text));
    }
}

async fn tell_channels(session: &Session, surroundings: &Surroundings, journal: &Journal) {
    let notifier = Notifier::new(session, &surroundings.settings);
    let completed = journal.status == Some(Status::Completed);
    notifier.tell(if completed { "run-completed" } else { "run-failed" }, "run", journal, None).await;
    if journal.deviated {
        notifier.tell("run-deviated", "run", journal, None).await;
    }
}

/// Writes what the runs came to, in the format that was asked for.
fn tell(session: &Session, args: &Run, ended: &[Ended], left_out: Option<&LeftOut>) -> Result<(), String> {
    let text = match args.output {
        Output::Text if args.silent || args.reports.is_on_standard_output() => return Ok(()),
        Output::Text => ended.iter().map(sentence).collect(),
        output => {
            let mut answers: Vec<Answer> = ended.iter().map(|one| answered(args, one)).collect();
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
fn sentence(ended: &Ended) -> String {
    let extension = &ended.journal.extension;
    let verdict = extension.verdict.map(crate::journal::Verdict::name).unwrap_or_default();
    let reason =
        extension.reason.as_ref().map(|reason| format!(": {}", sanitize(reason))).unwrap_or_default();
    format!("{verdict}{reason}\njournal: {}\n", sanitize(&ended.journal_path.display().to_string()))
}

fn answered(args: &Run, ended: &Ended) -> Answer {
    let place = Place {
        source: location(&ended.source),
        journal_path: location(&ended.journal_path.display().to_string()),
        events_path: args.events_file.as_ref().map(|path| location(&path.display().to_string())),
        exit_code: ended.code,
        agent: args.output == Output::Agent,
    };
    answer(&ended.journal, &place)
}

fn written(output: Output, document: &Value) -> String {
    match output {
        Output::Yaml => serde_yaml::to_string(document).unwrap_or_default(),
        Output::Text | Output::Json | Output::Agent => {
            serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
        }
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

/// An address as it may be shown, a path as an absolute one.
fn location(source: &str) -> String {
    if source.contains("://") || source == "-" {
        return http_client::shown(source);
    }
    std::path::absolute(source).map_or_else(|_| source.to_owned(), |path| path.display().to_string())
}
