//! Shows an experiment before and after a fix, on an embedded cluster.

mod scenario;

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::atomic_file::reason;
use super::context::{AppContext, ConnectionOptions, new_run_id};
use super::embedded_cluster::EmbeddedRun;
use super::error::AppError;
use super::load_journals;
use super::outcome::Outcome;
use super::output_lock::{OutputInUse, OutputLock};
use super::run::{RunRequest, run};
use super::run_context::VariableInputs;
use super::trial::write_results;
use crate::compare::{CompareOptions, RunComparison, compare};
use crate::console::{ConsoleLine, LineLevel};
use crate::error_code::ErrorCode;
use crate::event::Signal;
use crate::journal::{Record, Strictness};
use crate::sampling::SamplingOptions;
use crate::trial::Arm;
use crate::value::Value;
use scenario::{SERVICES, ScenarioSpec};

pub(crate) use scenario::DemoScenario;

/// The output directory, in the current directory.
pub(crate) const OUTPUT_DIR: &str = "chaos-demo";
/// Identifies the output directory of an earlier demo.
const MARKER_FILE: &str = ".kubectl-chaos-demo";

/// What came of a demo.
pub(crate) struct DemoOutcome {
    /// The cluster, which runs until it is dropped.
    pub(crate) cluster: EmbeddedRun,
    pub(crate) before: Record,
    pub(crate) after: Record,
    pub(crate) comparison: RunComparison,
    /// What the scenario shows.
    pub(crate) lesson: &'static str,
}

/// Why the demo ended early. No output was kept.
pub(crate) enum DemoError {
    Failed(AppError),
    /// A run has another outcome than the scenario.
    OtherOutcome {
        arm: Arm,
        outcome: Outcome,
        expected: Outcome,
    },
    /// The results of a run cannot be written or read.
    Unexpected(String),
    Signal(Signal),
}

/// Runs a scenario without the settings, the cluster and the leniency of the caller.
pub(crate) async fn demo(context: &AppContext, scenario: DemoScenario) -> Result<DemoOutcome, DemoError> {
    let scenario = scenario.spec();
    let unwritten = |error: &dyn std::fmt::Display| {
        let message = format!("cannot write to the current directory: {error}");
        DemoError::Failed(AppError::new(ErrorCode::FileNotWritable, message).with_outcome(Outcome::Usage))
    };
    let shutdown = context.signals.end().map_err(|error| DemoError::Failed(error.into()))?;
    let mut shutdown = std::pin::pin!(shutdown);
    let output_dir = Path::new(OUTPUT_DIR);
    // held until the output is complete
    let _lock = OutputLock::acquire(output_dir).map_err(|OutputInUse| {
        let message = format!("./{OUTPUT_DIR} is being written by another demo");
        let error = AppError::new(ErrorCode::FileConflict, message);
        DemoError::Failed(error.with_hint("wait for it, or change to another directory"))
    })?;
    if output_dir.exists() && !output_dir.join(MARKER_FILE).exists() {
        let message = format!("./{OUTPUT_DIR} exists and was not written by the demo");
        let error = AppError::new(ErrorCode::FileConflict, message)
            .with_hint("move it, or change to another directory");
        return Err(DemoError::Failed(error));
    }
    // the output stays in a temporary directory until it is complete
    let temp_dir = tempfile::Builder::new()
        .prefix(".chaos-demo-")
        .tempdir_in(".")
        .map_err(|error| unwritten(&reason(&error)))?;
    let root = std::path::absolute(temp_dir.path()).map_err(|error| unwritten(&error))?;
    let no_settings = root.join("settings.yaml");
    write_file(&no_settings, "{}\n").map_err(|error| unwritten(&error))?;
    let extra_files = [("experiment.json", scenario.experiment), (MARKER_FILE, "")];
    for (path, text) in SERVICES.iter().chain(scenario.files).chain(&extra_files) {
        write_file(&root.join(path), text).map_err(|error| unwritten(&error))?;
    }
    let context = &AppContext {
        connection: ConnectionOptions::default(),
        settings_path: no_settings.display().to_string(),
        strictness: Strictness::Strict,
        ..context.clone()
    };
    let say = |text: String| context.reporter.show(&ConsoleLine::note(LineLevel::Info, text));
    say(format!("\n1. Before: {}", scenario.before));
    let manifests = [root.join("services"), root.join("01-before")];
    let cluster = tokio::select! {
        cluster = EmbeddedRun::start(context, &manifests) => cluster.map_err(DemoError::Failed)?,
        signal = &mut shutdown => return Err(DemoError::Signal(signal)),
    };
    let context = &context.for_embedded_cluster(&cluster.kubeconfig);
    let before = run_arm(context, &root, &scenario, Arm::Before).await?;
    // check for a signal that the first run did not handle
    tokio::select! {
        biased;
        signal = &mut shutdown => return Err(DemoError::Signal(signal)),
        () = std::future::ready(()) => {}
    }
    say(format!("\n2. After: {}", scenario.after));
    let changed = [root.join("03-after")];
    tokio::select! {
        applied = cluster.apply(context, &changed) => {
            applied.map_err(|error| DemoError::Failed(error.with_outcome(Outcome::Unreachable)))?;
        }
        signal = &mut shutdown => return Err(DemoError::Signal(signal)),
    }
    let after = run_arm(context, &root, &scenario, Arm::After).await?;
    let comparison = write_reports(&root, &before, &after)?;
    let _ = fs::remove_file(&no_settings);
    if output_dir.exists() {
        fs::remove_dir_all(output_dir).map_err(|error| unwritten(&error))?;
    }
    fs::rename(temp_dir.keep(), output_dir).map_err(|error| unwritten(&error))?;
    Ok(DemoOutcome { cluster, before, after, comparison, lesson: scenario.lesson })
}

fn write_file(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text)
}

/// Runs the experiment once. Returns its journal if the outcome is the expected one.
async fn run_arm(
    context: &AppContext,
    root: &Path,
    scenario: &ScenarioSpec,
    arm: Arm,
) -> Result<Record, DemoError> {
    let failed = |error: &dyn std::fmt::Display| DemoError::Unexpected(error.to_string());
    let (name, expected) = match arm {
        Arm::Before => (arm.name(), Outcome::Deviated),
        Arm::After => (arm.name(), scenario.outcome_after),
    };
    let journal = root.join(name).join("journal-1.json");
    fs::create_dir_all(root.join(name)).map_err(|error| failed(&error))?;
    let request = run_request(&root.join("experiment.json"), &journal, scenario);
    // each run needs its own id: the comparison checks it
    let run = run(&AppContext { run_id: new_run_id(), ..context.clone() }, &request).await;
    if let Some(rejected) = &run.rejected {
        rejected.show(&*context.reporter);
    }
    match run.worst() {
        Outcome::Signal(signal) => return Err(DemoError::Signal(signal)),
        outcome if outcome == expected => {}
        outcome => return Err(DemoError::OtherOutcome { arm, outcome, expected }),
    }
    let mut record = load_journals::load_one(&journal).map_err(|error| failed(&AppError::from(error)))?;
    // the final path, for the reports
    record.source = format!("{OUTPUT_DIR}/{name}/journal-1.json");
    Ok(record)
}

/// Returns the request of one run. The sampling period is short, so that one run shows when users were affected and
/// for how long.
fn run_request(experiment: &Path, journal: &Path, scenario: &ScenarioSpec) -> RunRequest {
    let variables = scenario.variables.iter().map(|(name, value)| ((*name).to_owned(), Value::Int(*value)));
    RunRequest {
        sources: vec![experiment.display().to_string()],
        journal_path: journal.to_owned(),
        variables: VariableInputs { variables: variables.collect(), files: Vec::new() },
        sampling: Some(SamplingOptions {
            period: Some(Duration::from_millis(50)),
            recovery: Some(Duration::from_secs(4)),
            probes: vec![scenario.probe.to_owned()],
            ..SamplingOptions::default()
        }),
        ..RunRequest::default()
    }
}

/// Compares both runs, and writes the reports of a trial.
fn write_reports(root: &Path, before: &Record, after: &Record) -> Result<RunComparison, DemoError> {
    let (before, after) = (vec![before.clone()], vec![after.clone()]);
    let comparison = compare(&before, &after, &CompareOptions::default()).map_err(|error| {
        let error = AppError::new(ErrorCode::DemoFailed, error.to_string());
        DemoError::Failed(error.with_outcome(Outcome::Stopped))
    })?;
    match write_results(root, &[before, after].concat(), &comparison).into_iter().next() {
        Some(error) => Err(DemoError::Failed(error)),
        None => Ok(comparison),
    }
}
