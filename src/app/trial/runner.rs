//! Executes the schedule of a trial: starts its runs, removes what they leave, and cleans up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::baseline::{BaselineRuns, read_baseline};
use super::inputs::{ResolvedManifests, check_isolation, connect, read_inputs, resolve_manifests};
use super::overlaps::OverlapTracker;
use super::progress::{self, PhaseTotals};
use super::state_file::{DesignState, InPlaceState, TrialProgress, TrialStateContent, TrialStateFile};
use super::{ParallelMode, RunEnd, TrialJournal, TrialRequest, interrupted, shutdown_signal};
use crate::app::atomic_file::replace;
use crate::app::{AppContext, AppError, Outcome, RunContext, new_run_id};
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::event::Signal;
use crate::journal::Record;
use crate::trial::{
    self, Arm, Backup, Concurrency, Repetition, Schedule, ScheduledRun, SeparationCause, TrialCluster,
};

/// Result of the runs.
pub(super) struct TrialRuns {
    /// Journals in the order of the pairs.
    pub(super) records: Vec<TrialJournal>,
    /// Worst outcome of runs and cleanup.
    pub(super) outcome: Outcome,
}

/// Trial in progress.
pub(super) struct TrialRunner<'a> {
    pub(super) context: &'a AppContext,
    pub(super) request: &'a TrialRequest,
    pub(super) cluster: TrialCluster,
    pub(super) manifests: ResolvedManifests,
    /// Backup of a trial in place.
    pub(super) backup: Option<Backup>,
    pub(super) state_file: Mutex<TrialStateFile>,
    /// Trial ID.
    pub(super) trial: String,
    pub(super) repetition: Repetition,
    pub(super) concurrency: Concurrency,
    /// Whether an arm uses something that two namespaces cannot have, so that a namespace has to be gone before the
    /// next one is created.
    pub(super) is_exclusive: bool,
    /// Copy of the experiment that every run reads.
    pub(super) experiment: PathBuf,
    /// Runs in progress, to record which of them overlap.
    pub(super) overlaps: OverlapTracker,
    /// Namespaces that are being removed.
    pub(super) removing: watch::Sender<BTreeSet<String>>,
}

/// Runs the trial and cleans up. An error means that nothing was created.
pub(super) async fn execute(context: &AppContext, request: &TrialRequest) -> Result<TrialRuns, AppError> {
    let trial = new_run_id()[..8].to_owned();
    // the ID is random and hexadecimal
    let seed = context.connection.seed.or_else(|| u64::from_str_radix(&trial, 16).ok()).unwrap_or_default();
    let shutdown = shutdown_signal(context)?;
    let prepared = prepare(context, request, &trial, seed);
    let (runner, schedule, baseline) = tokio::select! {
        prepared = prepared => prepared?,
        signal = shutdown => {
            let mut error = interrupted(signal);
            error.message += "; nothing was created";
            return Err(error);
        }
    };
    let mut records = baseline.into_journals(&request.output_dir);
    let result = match runner.prepare_cluster().await {
        Ok(()) => Box::pin(runner.run_schedule(schedule, &mut records)).await,
        Err(error) => Err(error),
    };
    let mut outcome = match result {
        Ok(()) => Outcome::Success,
        Err(error) => {
            let outcome = error.outcome;
            context.reporter.show(&error.sanitized().line());
            outcome
        }
    };
    if let Err(error) = runner.clean_up(matches!(outcome, Outcome::Signal(_))).await {
        context.reporter.show(&error.sanitized().line());
        outcome = outcome.worst(Outcome::RollbackIncomplete);
    }
    records.sort_by_key(|journal| journal.order);
    Ok(TrialRuns { records, outcome })
}

async fn prepare<'a>(
    context: &'a AppContext,
    request: &'a TrialRequest,
    trial: &str,
    seed: u64,
) -> Result<(TrialRunner<'a>, Schedule, BaselineRuns), AppError> {
    let run_context = RunContext::read(context, &request.variables)?;
    let inputs = read_inputs(context, request, &run_context).await?;
    let baseline = match &request.baseline {
        Some(dir) => read_baseline(dir, &inputs.hash)?,
        None => BaselineRuns::default(),
    };
    let client = connect(&run_context).await?;
    let namespace =
        if request.in_place { client.namespace.clone() } else { run_namespace(trial, Arm::Before, 1) };
    let is_isolated = check_isolation(context, request, &run_context, &inputs, &namespace)?;
    let log = |text: String| context.reporter.show(&ConsoleLine::note(LineLevel::Info, text));
    log(format!("cluster: {} ({})", client.address, client.source));
    let cluster = TrialCluster::new(client.clone(), trial.to_owned());
    let manifests = resolve_manifests(context, request, &cluster, &inputs.manifests).await?;
    let (concurrency, reason) = choose_concurrency(request, &cluster, &manifests, is_isolated).await;
    let backup = if request.in_place {
        let all = [manifests.for_arm(Arm::Before), manifests.for_arm(Arm::After)].concat();
        let backup = cluster.capture_backup(&namespace, &all).await;
        Some(backup.map_err(|error| AppError::from(error).with_outcome(Outcome::Unreachable))?)
    } else {
        None
    };
    let (repetition, schedule) = match baseline.count() {
        0 => (request.repetition, Schedule::new(request.repetition, concurrency, seed)),
        runs => (Repetition::Fixed(runs), Schedule::after_only(runs, concurrency)),
    };
    let content = TrialStateContent {
        schema: "kubectl-chaos/trial/v1",
        trial: trial.to_owned(),
        experiment_hash: inputs.hash,
        cluster: client.address.clone(),
        context: client.context.clone(),
        embedded: request.embedded,
        seed,
        state: TrialProgress::Running,
        design: DesignState::new(repetition, concurrency),
        runs: Vec::new(),
        pairs: 0,
        end: None,
        common: Vec::new(),
        namespaces: Vec::new(),
        in_place: backup.as_ref().map(|backup| InPlaceState {
            namespace: backup.namespace().to_owned(),
            secret: backup.secret_name(),
            digest: backup.digest().to_owned(),
            changes: backup.describe_changes(),
        }),
    };
    let usage = |error: AppError| error.with_outcome(Outcome::Usage);
    let state_file =
        TrialStateFile::create(&request.output_dir, content).map_err(|error| usage(error.into()))?;
    // every run reads this copy, so later changes of the source have no effect
    let experiment = request.output_dir.join(super::EXPERIMENT_FILE);
    let text = serde_json::to_string_pretty(&inputs.experiment.document).unwrap_or_default() + "\n";
    replace(&experiment, text.as_bytes()).map_err(|error| usage(error.into()))?;
    baseline.copy_to(&request.output_dir).map_err(usage)?;
    log(progress::describe_plan(trial, repetition, concurrency, &baseline, seed, &request.output_dir));
    if let Some(reason) = reason {
        log(sanitize(&reason));
    }
    let all = [manifests.for_arm(Arm::Before), manifests.for_arm(Arm::After)].concat();
    let runner = TrialRunner {
        context,
        request,
        is_exclusive: TrialCluster::is_exclusive(&all),
        cluster,
        manifests,
        backup,
        state_file: Mutex::new(state_file),
        trial: trial.to_owned(),
        repetition,
        concurrency,
        experiment,
        overlaps: OverlapTracker::default(),
        removing: watch::Sender::default(),
    };
    Ok((runner, schedule, baseline))
}

/// Decides how many runs take place at once. Returns the reason for the default.
async fn choose_concurrency(
    request: &TrialRequest,
    cluster: &TrialCluster,
    manifests: &ResolvedManifests,
    is_isolated: bool,
) -> (Concurrency, Option<String>) {
    if request.in_place {
        let is_asked = matches!(request.parallel, ParallelMode::Pairs(_));
        let reason = is_asked.then(|| "one run after the other: the trial is in place".to_owned());
        return (Concurrency::Sequential, reason);
    }
    match request.parallel {
        ParallelMode::None => (Concurrency::Sequential, None),
        ParallelMode::Pairs(pairs) => (Concurrency::Pairs(pairs), None),
        // a trial with earlier runs before the change has no second arm
        ParallelMode::Auto if request.baseline.is_some() => (Concurrency::Sequential, None),
        ParallelMode::Auto => {
            let (before, after) = (manifests.for_arm(Arm::Before), manifests.for_arm(Arm::After));
            let cause = if is_isolated {
                cluster.find_separation(&before, &after).await
            } else {
                Some(SeparationCause::ReachesOutside)
            };
            match cause {
                None => {
                    let reason = "both runs of a pair at the same time: every container has requests, and both \
                                  arms fit in the cluster";
                    (Concurrency::Pairs(1), Some(reason.to_owned()))
                }
                Some(cause) => (Concurrency::Sequential, Some(format!("one run after the other: {cause}"))),
            }
        }
    }
}

/// Returns the name of the namespace of a run.
pub(super) fn run_namespace(trial: &str, arm: Arm, repeat: u32) -> String {
    format!("chaos-trial-{trial}-{}-{repeat}", arm.name())
}

/// Adds the operation and its object to an error of the cluster. The exit status says that the cluster refuses.
pub(super) fn refused(
    verb: &'static str,
    object: impl Into<String>,
) -> impl FnOnce(trial::Error) -> AppError {
    move |error| AppError::from(error.of_object(verb, object)).with_outcome(Outcome::Unreachable)
}

/// Runs of a pair that are in progress, and the namespaces of those that ended.
#[derive(Default)]
struct OpenPair {
    in_progress: usize,
    ended: Vec<(ScheduledRun, String)>,
}

impl TrialRunner<'_> {
    pub(super) fn log(&self, text: &str) {
        self.context.reporter.show(&ConsoleLine::note(LineLevel::Info, sanitize(text)));
    }

    pub(super) fn warn(&self, text: &str) {
        self.context.reporter.show(&ConsoleLine::note(LineLevel::Warning, sanitize(text)));
    }

    /// Changes the state file and writes it.
    pub(super) fn save_state(&self, change: impl FnOnce(&mut TrialStateContent)) -> Result<(), AppError> {
        let mut state_file = self.state_file.lock();
        change(&mut state_file.content);
        state_file.write().map_err(|error| AppError::from(error).with_outcome(Outcome::NotWritten))
    }

    /// Executes all runs. An error ends the trial, after the runs in progress.
    async fn run_schedule(
        &self,
        mut schedule: Schedule,
        records: &mut Vec<TrialJournal>,
    ) -> Result<(), AppError> {
        let mut running = FuturesUnordered::new();
        let mut removals = FuturesUnordered::new();
        let mut pairs: BTreeMap<u32, OpenPair> = BTreeMap::new();
        let mut totals = PhaseTotals::default();
        let mut failure: Option<AppError> = None;
        let mut shown_pairs = 0;
        loop {
            if failure.is_none() {
                for run in schedule.next_runs() {
                    pairs.entry(run.pair).or_default().in_progress += 1;
                    running.push(Box::pin(self.execute_run(run)));
                }
            } else if running.is_empty() {
                break;
            }
            tokio::select! {
                Some(end) = running.next() => {
                    let RunEnd { run, namespace, journal, result } = end;
                    if let Some(journal) = journal {
                        totals.add_run(&journal.record);
                        records.push(journal);
                    }
                    match result {
                        Ok(result) => schedule.record(run, result),
                        Err(error) => drop(failure.get_or_insert(error)),
                    }
                    let pair = pairs.entry(run.pair).or_default();
                    pair.in_progress -= 1;
                    pair.ended.extend(namespace.map(|namespace| (run, namespace)));
                    if pair.in_progress == 0 && failure.is_none() {
                        // earlier than the next deployment, which it overlaps
                        let ended = std::mem::take(&mut pair.ended);
                        self.removing
                            .send_modify(|names| names.extend(ended.iter().map(|(_, name)| name.clone())));
                        removals.push(Box::pin(self.remove_namespaces(ended)));
                    }
                    if schedule.counts().pairs > shown_pairs || schedule.end().is_some() {
                        shown_pairs = self.show_progress(&schedule, shown_pairs);
                    }
                }
                Some(removal) = removals.next() => {
                    match removal {
                        Ok(times) => times.into_iter().for_each(|time| totals.add_removal(time)),
                        Err(error) => drop(failure.get_or_insert(error)),
                    }
                }
                else => break,
            }
        }
        self.log(&totals.summary());
        failure.map_or(Ok(()), Err)
    }

    /// Shows what is known after a pair, or why the trial ends. Returns the number of pairs shown.
    fn show_progress(&self, schedule: &Schedule, shown_pairs: u32) -> u32 {
        let counts = schedule.counts();
        let text = match schedule.end() {
            Some(end) => progress::describe_end(end, self.repetition),
            None => schedule.race().map(|race| progress::describe_pairs(race, counts)),
        };
        let is_new = counts.pairs > shown_pairs || self.state_file.lock().content.end.is_none();
        if let Some(text) = text.filter(|_| is_new) {
            self.log(&text);
            let end = schedule.end().map(|_| text);
            let saved = self.save_state(|content| {
                content.pairs = counts.pairs;
                content.end = end;
            });
            if let Err(error) = saved {
                self.warn(&error.message);
            }
        }
        counts.pairs
    }

    /// Awaits the work, or stops with an error when a signal arrives.
    pub(super) async fn or_interrupted<T>(
        &self,
        work: impl Future<Output = Result<T, AppError>>,
    ) -> Result<T, AppError> {
        let shutdown: Pin<Box<dyn Future<Output = Signal>>> = Box::pin(shutdown_signal(self.context)?);
        tokio::select! {
            biased;
            signal = shutdown => Err(interrupted(signal)),
            result = work => result,
        }
    }
}

/// Reads the journal of a run.
pub(super) fn read_journal(path: &Path) -> Result<Record, AppError> {
    let record = crate::app::load_journals::load_one(path);
    record.map_err(|error| AppError::from(error).with_outcome(Outcome::NotWritten))
}
