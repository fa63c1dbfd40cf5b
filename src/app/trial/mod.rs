//! Runs the same experiment before and after a change, and compares the runs.

mod baseline;
mod cleanup;
mod inputs;
mod overlaps;
mod progress;
mod run_execution;
mod run_reporter;
mod runner;
pub(crate) mod state_file;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::atomic_file::replace;
use super::comparison::{ComparisonRules, compare_records};
use super::context::AppContext;
use super::embedded_cluster::EmbeddedRun;
use super::error::AppError;
use super::outcome::Outcome;
use super::report_files::ReportFiles;
use super::run::EFFECT_TIMEOUT;
use super::run_context::VariableInputs;
use crate::compare::{ComparisonVerdict, RunComparison};
use crate::error_code::ErrorCode;
use crate::event::Signal;
use crate::experiment::RollbackStrategy;
use crate::journal::Record;
use crate::sampling::SamplingOptions;
use crate::trial::{Arm, Repetition, RunResult, ScheduledRun};
use runner::{TrialRuns, execute};
use state_file::lock_output_dir;

pub(crate) use cleanup::restore_with_retry;
pub(crate) use inputs::connect;

/// Environment variable with the namespace of the run, for processes and configuration.
pub(crate) const NAMESPACE_VARIABLE: &str = "KUBECTL_CHAOS_NAMESPACE";
/// File with the comparison, in the output directory.
pub(crate) const COMPARISON_FILE: &str = "comparison.json";
/// File with the copy of the experiment, in the output directory.
pub(crate) const EXPERIMENT_FILE: &str = "experiment.json";

/// Maximum number of pairs of an automatic design.
pub(crate) const DEFAULT_MAX_PAIRS: u32 = 10;

/// Which runs take place at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParallelMode {
    /// Both runs of a pair if they fit in the cluster, else one after the other.
    Auto,
    /// One run after the other.
    None,
    /// The runs of this number of pairs.
    Pairs(u32),
}

/// What to try, and how.
#[derive(Clone, Debug)]
pub(crate) struct TrialRequest {
    /// Experiment: a file, a URL, or `-` for standard input.
    pub(crate) source: String,
    /// Manifests of each arm, and of both.
    pub(crate) before: Vec<PathBuf>,
    pub(crate) after: Vec<PathBuf>,
    pub(crate) common: Vec<PathBuf>,
    /// Output directory of an earlier trial, whose runs before the change replace those of this one.
    pub(crate) baseline: Option<PathBuf>,
    pub(crate) repetition: Repetition,
    pub(crate) parallel: ParallelMode,
    /// Whether a fresh embedded cluster is used, and no other.
    pub(crate) embedded: bool,
    /// Whether both arms are deployed into the existing namespace.
    pub(crate) in_place: bool,
    /// Time allowed for workloads to become ready.
    pub(crate) ready_timeout: Duration,
    /// Allowed targets outside the namespace of the run.
    pub(crate) allow_outside: Vec<String>,
    pub(crate) output_dir: PathBuf,
    pub(crate) variables: VariableInputs,
    pub(crate) control_files: Vec<PathBuf>,
    pub(crate) rollback_strategy: Option<RollbackStrategy>,
    /// Maximum duration of a run, without rollbacks.
    pub(crate) timeout: Option<Duration>,
    pub(crate) effect_timeout: Duration,
    pub(crate) sampling: SamplingOptions,
    /// Verdicts that are a deviation.
    pub(crate) fail_on: Vec<ComparisonVerdict>,
    pub(crate) rules: ComparisonRules,
}

impl Default for TrialRequest {
    fn default() -> Self {
        Self {
            source: String::new(),
            before: Vec::new(),
            after: Vec::new(),
            common: Vec::new(),
            baseline: None,
            repetition: Repetition::Auto { max_pairs: DEFAULT_MAX_PAIRS },
            parallel: ParallelMode::Auto,
            embedded: false,
            in_place: false,
            ready_timeout: Duration::from_secs(120),
            allow_outside: Vec::new(),
            output_dir: PathBuf::from("chaos-trial"),
            variables: VariableInputs::default(),
            control_files: Vec::new(),
            rollback_strategy: None,
            timeout: None,
            effect_timeout: EFFECT_TIMEOUT,
            sampling: SamplingOptions::default(),
            fail_on: Vec::new(),
            rules: ComparisonRules::default(),
        }
    }
}

/// What came of a trial.
pub(crate) struct TrialOutcome {
    pub(crate) outcome: Outcome,
    /// Journals of the arm before the change, then those of the other.
    pub(crate) records: Vec<Record>,
    /// The comparison; none if an arm has no runs.
    pub(crate) comparison: Option<RunComparison>,
    /// Errors of the files in the output directory, not shown yet.
    pub(crate) errors: Vec<AppError>,
}

/// Runs a trial. An error is not shown yet, and may contain untrusted text.
pub(crate) async fn trial(context: &AppContext, request: &TrialRequest) -> Result<TrialOutcome, AppError> {
    // held until the results are written
    let _lock = match &context.output_lock {
        Some(lock) => lock.clone(),
        None => lock_output_dir(&request.output_dir)?,
    };
    if !request.embedded {
        return run_on_cluster(context, request).await;
    }
    let shutdown = shutdown_signal(context)?;
    let embedded = tokio::select! {
        started = EmbeddedRun::start(context, &[]) => started?,
        signal = shutdown => return Err(interrupted(signal)),
    };
    run_on_cluster(&context.for_embedded_cluster(&embedded.kubeconfig), request).await
}

/// Installs the signal handler. The future completes with the first signal that ends the program.
fn shutdown_signal(context: &AppContext) -> Result<impl Future<Output = Signal> + use<>, AppError> {
    context.signals.end().map_err(|error| {
        AppError::new(ErrorCode::InternalRuntime, format!("failed to install signal handler: {error}"))
    })
}

fn interrupted(signal: Signal) -> AppError {
    AppError::new(ErrorCode::RunInterrupted, format!("interrupted by {signal}"))
        .with_outcome(Outcome::Signal(signal))
}

/// Runs a trial on an existing cluster.
async fn run_on_cluster(context: &AppContext, request: &TrialRequest) -> Result<TrialOutcome, AppError> {
    let TrialRuns { records, outcome } = execute(context, request).await?;
    let (before, after): (Vec<_>, Vec<_>) =
        records.into_iter().partition(|journal| journal.arm == Arm::Before);
    let records_of =
        |arm: Vec<TrialJournal>| arm.into_iter().map(|journal| journal.record).collect::<Vec<_>>();
    let (before, after) = (records_of(before), records_of(after));
    if before.is_empty() || after.is_empty() {
        let mut errors = Vec::new();
        if outcome == Outcome::Success {
            errors.push(AppError::new(ErrorCode::CompareInput, "cannot compare: an arm has no runs"));
        }
        let outcome = outcome.worst(Outcome::BaselineNotMet);
        return Ok(TrialOutcome { outcome, records: [before, after].concat(), comparison: None, errors });
    }
    let comparison = compare_records(context, &before, &after, &request.rules)
        .map_err(|error| error.with_outcome(Outcome::Invalid))?;
    let outcome = outcome.worst(Outcome::of_comparison(&comparison, &request.fail_on));
    let records = [before, after].concat();
    let errors = write_results(&request.output_dir, &records, &comparison);
    Ok(TrialOutcome { outcome, records, comparison: Some(comparison), errors })
}

/// Writes the comparison and the default reports to the directory of a trial. Returns the errors.
pub(crate) fn write_results(dir: &Path, records: &[Record], comparison: &RunComparison) -> Vec<AppError> {
    let text = serde_json::to_string_pretty(comparison).unwrap_or_default() + "\n";
    let failed = replace(&dir.join(COMPARISON_FILE), text.as_bytes()).err().map(AppError::from);
    let reports = ReportFiles::in_directory(dir);
    failed.into_iter().chain(reports.write(records, Some(comparison), &|_| Ok(()))).collect()
}

/// Journal of a run, with its arm.
struct TrialJournal {
    arm: Arm,
    /// Number of the pair, and of the run within its arm.
    order: (u32, u32),
    record: Record,
}

/// How a run of a trial ended.
struct RunEnd {
    run: ScheduledRun,
    /// Namespace that was created for the run.
    namespace: Option<String>,
    /// The journal; an interrupted run may have one, too.
    journal: Option<TrialJournal>,
    /// Result of the run; an error ends the trial.
    result: Result<RunResult, AppError>,
}
