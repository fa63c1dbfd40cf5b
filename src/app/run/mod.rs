//! Runs experiments one after the other.

mod connections;
mod not_started;
mod prepare;
mod rejected;
mod trial_part;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::context::AppContext;
use super::embedded_cluster::EmbeddedRun;
use super::error::AppError;
use super::events_file::EventsFile;
use super::notify::Notifier;
use super::outcome::Outcome;
use super::report_files::STANDARD_OUTPUT;
use super::reporter::{Reporter, ReportingWatcher};
use super::run_context::{RunContext, VariableInputs, read_control_files};
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::engine::{Engine, EventBus, EventWatcher, RunOptions, StrategyOverrides, configure};
use crate::error_code::ErrorCode;
use crate::event::{RunStatus, Signal};
use crate::experiment::configuration::is_dynamic;
use crate::experiment::{DryRun, Experiment};
use crate::http_client;
use crate::journal::{Environment, Journal, judge};
use crate::sampling::{PhaseTracker, Sampling, SamplingOptions, select_probes};
use crate::series::Series;
use crate::substitution::Scope;
use crate::value::Value;
use connections::check_connections;
use prepare::{PreparedRun, prepare};
use trial_part::PauseWatcher;

pub(crate) use rejected::RejectedRun;
pub(crate) use trial_part::{NotReady, TrialPart};

/// Time allowed to observe the effect of an action, by default.
pub(crate) const EFFECT_TIMEOUT: Duration = Duration::from_secs(45);

/// What to run, and how.
#[derive(Clone, Debug)]
pub(crate) struct RunRequest {
    /// Experiments: files, URLs, or `-` for standard input. At least one.
    pub(crate) sources: Vec<String>,
    /// Journal; those of several experiments get a number and a name.
    pub(crate) journal_path: PathBuf,
    /// Whether a fresh embedded cluster is used, and no other.
    pub(crate) embedded: bool,
    /// Manifests for the embedded cluster.
    pub(crate) apply: Vec<PathBuf>,
    pub(crate) dry: Option<DryRun>,
    pub(crate) is_validated: bool,
    /// Whether the certificate of the server that an experiment is loaded from is verified.
    pub(crate) verifies_tls: bool,
    pub(crate) variables: VariableInputs,
    pub(crate) control_files: Vec<PathBuf>,
    pub(crate) strategies: StrategyOverrides,
    /// Whether the hypothesis strategy has the misspelling that the Chaos Toolkit accepts.
    pub(crate) is_strategy_misspelled: bool,
    /// Seconds between two checks of the steady state during the method.
    pub(crate) hypothesis_frequency: f64,
    pub(crate) fail_fast: bool,
    /// Maximum duration of a run, without rollbacks.
    pub(crate) timeout: Option<Duration>,
    pub(crate) effect_timeout: Duration,
    pub(crate) events_file: Option<PathBuf>,
    /// Metadata for the journal.
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) sampling: Option<SamplingOptions>,
    /// Environment that a trial observed, if the run is part of a trial.
    pub(crate) environment: Option<Environment>,
}

impl Default for RunRequest {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            journal_path: PathBuf::from("./journal.json"),
            embedded: false,
            apply: Vec::new(),
            dry: None,
            is_validated: true,
            verifies_tls: true,
            variables: VariableInputs::default(),
            control_files: Vec::new(),
            strategies: StrategyOverrides::default(),
            is_strategy_misspelled: false,
            hypothesis_frequency: 1.0,
            fail_fast: false,
            timeout: None,
            effect_timeout: EFFECT_TIMEOUT,
            events_file: None,
            annotations: Vec::new(),
            sampling: None,
            environment: None,
        }
    }
}

impl RunRequest {
    /// Returns the journal paths of all experiments.
    pub(crate) fn journal_paths(&self) -> Vec<PathBuf> {
        let path = |(index, source): (usize, &String)| {
            journal_path(&self.journal_path, self.sources.len(), index, source)
        };
        self.sources.iter().enumerate().map(path).collect()
    }

    /// Returns whether the journal goes to standard output. The caller writes it.
    pub(crate) fn has_journal_on_standard_output(&self) -> bool {
        self.journal_path == Path::new(STANDARD_OUTPUT)
    }

    /// Returns the names of the probes to sample; empty for all that are sampled by default.
    fn sampled_probes(&self) -> &[String] {
        self.sampling.as_ref().map_or(&[], |sampling| &sampling.probes)
    }
}

/// Returns the journal path of one experiment: among several, number and name precede the extension.
fn journal_path(path: &Path, experiments: usize, index: usize, source: &str) -> PathBuf {
    if experiments == 1 || path == Path::new(STANDARD_OUTPUT) {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
    let source = http_client::display_url(source);
    let name = Path::new(&source).file_stem().unwrap_or_default().to_string_lossy();
    let replace = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = name.chars().map(replace).collect();
    path.with_file_name(format!("{stem}-{}-{name}{extension}", index + 1))
}

/// What came of a request.
#[derive(Default)]
pub(crate) struct RunOutcome {
    /// Runs that ended, in order.
    pub(crate) finished: Vec<FinishedRun>,
    /// The experiment that was not run. It ends the sequence, and is not shown yet.
    pub(crate) rejected: Option<RejectedRun>,
}

/// A run that ended. Its journal is written, or the outcome says that it is not.
pub(crate) struct FinishedRun {
    pub(crate) source: String,
    pub(crate) outcome: Outcome,
    pub(crate) journal: Journal,
    pub(crate) journal_path: PathBuf,
}

impl RunOutcome {
    /// Returns the worst outcome of the runs.
    pub(crate) fn worst(&self) -> Outcome {
        let finished = self.finished.iter().map(|run| run.outcome);
        let rejected = self.rejected.iter().map(|run| run.error.outcome);
        finished.chain(rejected).fold(Outcome::Success, Outcome::worst)
    }
}

impl From<RejectedRun> for RunOutcome {
    fn from(rejected: RejectedRun) -> Self {
        Self { finished: Vec::new(), rejected: Some(rejected) }
    }
}

/// Runs the experiments. No run starts unless all can.
pub(crate) async fn run(context: &AppContext, request: &RunRequest) -> RunOutcome {
    run_all(context, request, None).await
}

/// Runs one experiment as a run of a trial: its workloads may become ready while its probes settle.
pub(crate) async fn run_in_trial(
    context: &AppContext,
    request: &RunRequest,
    trial: TrialPart<'_>,
) -> RunOutcome {
    run_all(context, request, Some(trial)).await
}

async fn run_all(context: &AppContext, request: &RunRequest, mut trial: Option<TrialPart<'_>>) -> RunOutcome {
    let first = &request.sources[0];
    let embedded = if request.embedded {
        match start_embedded(context, request).await {
            Ok(embedded) => Some(embedded),
            Err(error) => return RejectedRun::new(first, "runtime", error).into(),
        }
    } else {
        None
    };
    let context = &match &embedded {
        Some(embedded) => context.for_embedded_cluster(&embedded.kubeconfig),
        None => context.clone(),
    };
    let run_context = match RunContext::read(context, &request.variables) {
        Ok(run_context) => run_context,
        Err(error) => return RejectedRun::new(first, "load", error).into(),
    };
    Notifier::new(context, &run_context.settings).warn_about_other_channels();
    let mut ready = Vec::new();
    for index in 0..request.sources.len() {
        match prepare(context, request, &run_context, index).await {
            Ok(prepared) => ready.push(prepared),
            Err(rejected) => return rejected.into(),
        }
    }
    // all runs share the file
    let events = match request.events_file.as_deref().map(EventsFile::open).transpose() {
        Ok(events) => events,
        Err(error) => {
            // nothing was changed yet
            let error = AppError::from(error).with_outcome(Outcome::Usage);
            return RejectedRun::new(first, "runtime", error).into();
        }
    };
    let mut outcome = RunOutcome::default();
    for run in ready {
        match execute(context, request, &run_context, events.as_ref(), run, trial.take()).await {
            Ok(run) => outcome.finished.push(run),
            Err(rejected) if outcome.finished.is_empty() => return rejected.into(),
            Err(rejected) => {
                outcome.rejected = Some(rejected.after_other_runs());
                break;
            }
        }
        let is_over = outcome.finished.last().is_some_and(|run| {
            matches!(run.outcome, Outcome::RollbackIncomplete | Outcome::Signal(_))
                || run.journal.status.is(RunStatus::Interrupted)
        });
        if is_over {
            break;
        }
    }
    outcome
}

async fn start_embedded(context: &AppContext, request: &RunRequest) -> Result<EmbeddedRun, AppError> {
    let interrupted = context.signals.end()?;
    tokio::select! {
        started = EmbeddedRun::start(context, &request.apply) => started,
        signal = interrupted => Err(interrupted_by(signal)),
    }
}

fn interrupted_by(signal: Signal) -> AppError {
    AppError::new(ErrorCode::RunInterrupted, format!("interrupted by {signal} before the run started"))
        .with_outcome(Outcome::Signal(signal))
}

/// Runs one experiment, and writes its journal.
async fn execute(
    context: &AppContext,
    request: &RunRequest,
    run_context: &RunContext,
    events: Option<&EventsFile>,
    ready: PreparedRun,
    mut trial: Option<TrialPart<'_>>,
) -> Result<FinishedRun, RejectedRun> {
    let reporter = &context.reporter;
    let source = ready.source.clone();
    let reject = |error: AppError| RejectedRun::new(&source, "runtime", error);
    let mut watchers: Vec<Box<dyn EventWatcher>> =
        vec![Box::new(ready.journal.watcher()), Box::new(ReportingWatcher(Arc::clone(reporter)))];
    if let Some(events) = events {
        watchers.push(Box::new(events.watcher()));
    }
    let progress = Arc::clone(reporter).start_progress();
    if let Some(progress) = &progress {
        watchers.push(progress.watcher());
    }
    let sampled =
        request.sampling.clone().filter(|_| can_be_sampled(&**reporter, request, &ready.experiment));
    let phases = PhaseTracker::default();
    if sampled.is_some() {
        watchers.push(Box::new(phases.clone()));
    }
    let pauses = PauseWatcher::default();
    watchers.push(Box::new(pauses.clone()));
    let bus = Arc::new(EventBus::new(watchers));
    // dynamic configuration may read the workloads, and without sampling nothing else waits for them
    let is_dynamic = ready.experiment.configuration.values().any(is_dynamic);
    let waits = trial.as_mut().filter(|_| is_dynamic || sampled.is_none());
    // dynamic configuration may run processes: a signal ends them, too
    let interrupted = context.signals.end().map_err(|error| reject(error.into()))?;
    let configured = async {
        if let Some(trial) = waits
            && let Err(not_ready) = trial.wait_until_ready().await
        {
            return Ok(Err(not_ready));
        }
        configure_scope(context, run_context, &ready.experiment, &bus).await.map(Ok)
    };
    let scope = tokio::select! {
        scope = configured => scope,
        signal = interrupted => Err(interrupted_by(signal)),
    };
    let scope = match scope.map_err(reject)? {
        Ok(scope) => scope,
        Err(not_ready) => return not_started::finish(context, run_context, ready, trial, not_ready).await,
    };
    check_connections(context, run_context, &ready.source, &ready.experiment, &scope).await?;
    let mut controls = run_context.settings.controls.clone();
    controls.extend(read_control_files(context, &request.control_files).map_err(reject)?);
    let options = RunOptions {
        plan: ready.plan.clone(),
        dry: request.dry,
        frequency: request.hypothesis_frequency,
        fail_fast: request.fail_fast,
        effect_timeout: request.effect_timeout,
        timeout: request.timeout,
        controls,
        strict: context.is_strict(),
        plain: context.has_plain_outputs,
        record: Some(Box::new(ready.journal.record())),
    };
    let experiment = Arc::clone(&ready.experiment);
    let engine = Engine::new(experiment, options, scope.clone(), run_context.providers.clone(), bus);
    let handle = engine.handle();
    let forwarder = context.signals.forward_to(move |signal| handle.signal(signal));
    let forwarder = forwarder.map_err(|error| reject(error.into()))?;
    match sampled {
        None => drop(TrialPart::measure(trial.as_mut(), engine.run()).await),
        Some(sampled) => {
            let sampling = Sampling::start(
                &ready.experiment,
                &scope,
                &run_context.providers,
                phases,
                &engine.handle(),
                sampled,
            )
            .map_err(|error| reject(error.into()))?;
            match run_with_sampling(&**reporter, &engine, sampling, trial.as_mut()).await {
                Ok(samples) => ready.journal.add_samples(samples),
                Err(not_ready) => {
                    return not_started::finish(context, run_context, ready, trial, not_ready).await;
                }
            }
        }
    }
    drop(forwarder);
    drop(progress);
    if let Some(trial) = trial {
        ready.journal.complete_environment(|environment| trial.complete(environment, pauses.total()));
    }
    let signal = engine.handle().first_signal();
    let finished = finish(context, ready, signal, events.and_then(EventsFile::error));
    notify(context, run_context, &finished.journal).await;
    Ok(finished)
}

/// Returns whether there is something to sample.
fn can_be_sampled(reporter: &dyn Reporter, request: &RunRequest, experiment: &Experiment) -> bool {
    if request.dry.is_some() {
        reporter.show(&ConsoleLine::note(LineLevel::Warning, "dry runs are not sampled"));
        return false;
    }
    select_probes(experiment, request.sampled_probes()).is_ok_and(|sampled| !sampled.is_empty())
}

/// Runs the experiment while sampling: the baseline first, the recovery afterwards.
///
/// In a trial the workloads become ready meanwhile; an error says that they did not, and nothing ran.
async fn run_with_sampling(
    reporter: &dyn Reporter,
    engine: &Arc<Engine>,
    sampling: Sampling,
    mut trial: Option<&mut TrialPart<'_>>,
) -> Result<Vec<Series>, NotReady> {
    let handle = engine.handle();
    let note = |text: &str| reporter.show(&ConsoleLine::note(LineLevel::Info, text));
    note("sampling: measuring the baseline before the run");
    let baseline = async {
        if let Some(trial) = trial.as_deref_mut() {
            trial.wait_until_ready().await?;
        }
        sampling.settle().await;
        if let Some(trial) = trial.as_deref_mut() {
            trial.has_settled();
        }
        sampling.measure_baseline().await;
        Ok(())
    };
    tokio::select! {
        measured = baseline => measured?,
        _ = handle.wait_for_signal() => {}
    }
    let state = TrialPart::measure(trial, engine.run()).await;
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
    // samples of the recovery count in a comparison
    engine.check_late_failures();
    for series in &samples {
        let level = if series.settled { LineLevel::Info } else { LineLevel::Warning };
        reporter.show(&ConsoleLine::note(level, sanitize(&series.to_string())));
    }
    Ok(samples)
}

/// Reads configuration and secrets.
async fn configure_scope(
    context: &AppContext,
    run_context: &RunContext,
    experiment: &Experiment,
    bus: &EventBus,
) -> Result<Scope, AppError> {
    let plain = context.has_plain_outputs;
    let RunContext { variables, environment, providers, .. } = run_context;
    let configured = configure(experiment, variables, environment, providers, bus, plain).await?;
    for warning in configured.warnings {
        context.reporter.show(&ConsoleLine::note(LineLevel::Warning, warning));
    }
    if plain && !configured.scope.secrets().is_empty() {
        let text = "--strict=false with --exit-code=chaostoolkit does not redact secrets in outputs";
        context.reporter.show(&ConsoleLine::note(LineLevel::Warning, text));
    }
    Ok(configured.scope)
}

/// Judges the run and writes the final journal.
///
/// A signal that arrives after the last step sets the outcome; the verdict stays.
fn finish(
    context: &AppContext,
    ready: PreparedRun,
    signal: Option<Signal>,
    events_error: Option<AppError>,
) -> FinishedRun {
    let judge = |journal: &Journal| {
        let (verdict, reason) = judge(journal, context.strictness);
        let mut outcome = Outcome::from_verdict(verdict, journal.signal());
        if let Some(signal) = signal {
            outcome = outcome.worst(Outcome::Signal(signal));
        }
        (verdict, reason, outcome, (context.journal_exit_code)(journal, outcome))
    };
    let (verdict, reason, mut outcome, exit_code) = ready.journal.with_journal(judge);
    let (journal, written) = ready.journal.finish(verdict, Some(reason), exit_code);
    for error in written.err().map(AppError::from).into_iter().chain(events_error) {
        context.reporter.show(&error.line());
        outcome = outcome.worst(Outcome::NotWritten);
    }
    warn_about_rollbacks(context, &journal);
    FinishedRun { source: ready.source, outcome, journal, journal_path: ready.journal_path }
}

/// Warns if declared rollbacks did not run.
fn warn_about_rollbacks(context: &AppContext, journal: &Journal) {
    let declared = journal.experiment.get("rollbacks").and_then(Value::as_list).map_or(0, <[_]>::len);
    let is_incomplete = !journal.status.is(RunStatus::Completed);
    if is_incomplete && declared > 0 && !journal.run.is_empty() && !journal.unwritten.rollbacks_begun {
        let text = "rollbacks did not run; use --rollback-strategy=always to run them in any case";
        context.reporter.show(&ConsoleLine::note(LineLevel::Warning, text));
    }
}

async fn notify(context: &AppContext, run_context: &RunContext, journal: &Journal) {
    let notifier = Notifier::new(context, &run_context.settings);
    let completed = journal.status.is(RunStatus::Completed);
    notifier.send(if completed { "run-completed" } else { "run-failed" }, "run", journal, None).await;
    if journal.deviated {
        notifier.send("run-deviated", "run", journal, None).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journal_path_of_several_experiments_has_number_and_name() {
        let check = |experiments: usize, index: usize, source: &str, expected: &str| {
            assert_eq!(
                journal_path(Path::new("out/journal.json"), experiments, index, source),
                Path::new(expected)
            );
        };
        check(1, 0, "a.json", "out/journal.json");
        check(2, 0, "dir/a b.json", "out/journal-1-a-b.json");
        check(2, 1, "http://h/x.yaml?y=1", "out/journal-2-x.json");
    }
}
