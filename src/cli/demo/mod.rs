//! `kubectl chaos demo`: shows an experiment before and after a fix, on an embedded cluster.

mod scenario;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde_json::Value as Json;

use super::exit_code::precise_code;
use super::terminal::OutputError;
use super::{CommandContext, compare};
use crate::app::atomic_file::reason;
use crate::app::embedded_cluster::EmbeddedRun;
use crate::app::run::{RunRequest, run};
use crate::app::trial::write_results;
use crate::app::{
    AppContext, AppError, ConnectionOptions, Outcome, VariableInputs, load_journals, new_run_id,
};
use crate::compare::{CompareOptions, RunComparison, compare as judge};
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::error_code::ErrorCode;
use crate::event::Signal;
use crate::journal::{Record, Strictness};
use crate::sampling::SamplingOptions;
use crate::trial::Arm;
use crate::value::Value;
use scenario::{DemoScenario, SERVICES, ScenarioSpec};

/// The output directory.
const OUTPUT_DIR: &str = "chaos-demo";
/// Identifies the output directory of an earlier demo.
const MARKER_FILE: &str = ".kubectl-chaos-demo";

/// `demo`.
#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// Scenario to run
    #[arg(long, value_enum, value_name = "NAME", default_value_t = DemoScenario::CircuitBreaker)]
    scenario: DemoScenario,
    /// Keep the embedded cluster running afterwards, for use with kubectl
    #[arg(long)]
    keep: bool,
}

/// Why the demo ended early.
enum DemoError {
    Failed(AppError),
    Signal(Signal),
}

/// Runs a scenario. Returns the exit code.
pub(super) fn demo(session: &CommandContext, args: &DemoArgs) -> u8 {
    match session.to_its_end(run_demo(session, args)) {
        Err(code) => code,
        Ok(Ok(())) => session.code(Outcome::Success),
        Ok(Err(DemoError::Failed(error))) => session.fail(error),
        Ok(Err(DemoError::Signal(signal))) => {
            let message = format!("interrupted by {signal}; no output was kept");
            session
                .fail(AppError::new(ErrorCode::RunInterrupted, message).with_outcome(Outcome::Signal(signal)))
        }
    }
}

async fn run_demo(session: &CommandContext, args: &DemoArgs) -> Result<(), DemoError> {
    let scenario = args.scenario.spec();
    let unwritten = |error: &dyn std::fmt::Display| {
        let message = format!("cannot write to the current directory: {error}");
        DemoError::Failed(AppError::new(ErrorCode::FileNotWritable, message).with_outcome(Outcome::Usage))
    };
    let shutdown = session.app.signals.end().map_err(|error| DemoError::Failed(error.into()))?;
    let mut shutdown = std::pin::pin!(shutdown);
    let output_dir = Path::new(OUTPUT_DIR);
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
    let more = [("experiment.json", scenario.experiment), (MARKER_FILE, "")];
    for (path, text) in SERVICES.iter().chain(scenario.files).chain(&more) {
        write_file(&root.join(path), text).map_err(|error| unwritten(&error))?;
    }
    let app = isolated(session, &no_settings);
    let say = |text: String| session.terminal.say(&ConsoleLine::note(LineLevel::Info, text));
    say(format!("\n1. Before: {}", scenario.before));
    let manifests = [root.join("services"), root.join("01-before")];
    let cluster = tokio::select! {
        cluster = EmbeddedRun::start(&app, &manifests) => cluster.map_err(DemoError::Failed)?,
        signal = &mut shutdown => return Err(DemoError::Signal(signal)),
    };
    let app = app.for_embedded_cluster(&cluster.kubeconfig);
    let before = run_arm(session, &app, &root, &scenario, Arm::Before).await?;
    // check for a signal that the first run did not handle
    tokio::select! {
        biased;
        signal = &mut shutdown => return Err(DemoError::Signal(signal)),
        () = std::future::ready(()) => {}
    }
    say(format!("\n2. After: {}", scenario.after));
    let changed = [root.join("03-after")];
    tokio::select! {
        applied = cluster.apply(&app, &changed) => {
            applied.map_err(|error| DemoError::Failed(error.with_outcome(Outcome::Unreachable)))?;
        }
        signal = &mut shutdown => return Err(DemoError::Signal(signal)),
    }
    let after = run_arm(session, &app, &root, &scenario, Arm::After).await?;
    let comparison = write_reports(&root, &before, &after)?;
    let _ = fs::remove_file(&no_settings);
    if output_dir.exists() {
        fs::remove_dir_all(output_dir).map_err(|error| unwritten(&error))?;
    }
    fs::rename(temp_dir.keep(), output_dir).map_err(|error| unwritten(&error))?;
    let failed = |error: OutputError| DemoError::Failed(error.into());
    session.terminal.result(&format_summary(&scenario, &before, &after, &comparison)).map_err(failed)?;
    if args.keep {
        session.terminal.result(&format_next_steps(&cluster.kubeconfig)).map_err(failed)?;
        shutdown.await;
    }
    Ok(())
}

fn write_file(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text)
}

/// Returns a context without the settings, the cluster and the leniency of the caller.
fn isolated(session: &CommandContext, settings: &Path) -> AppContext {
    AppContext {
        connection: ConnectionOptions::default(),
        settings_path: settings.display().to_string(),
        strictness: Strictness::Strict,
        ..session.precise_app()
    }
}

/// Runs the experiment once. Returns its journal if the outcome is the expected one.
async fn run_arm(
    session: &CommandContext,
    app: &AppContext,
    root: &Path,
    scenario: &ScenarioSpec,
    arm: Arm,
) -> Result<Record, DemoError> {
    let failed = |reason: &dyn std::fmt::Display| {
        let message = format!("the demo did not show the expected result: {reason}");
        DemoError::Failed(AppError::new(ErrorCode::DemoFailed, message).with_outcome(Outcome::Stopped))
    };
    let (name, expected) = match arm {
        Arm::Before => (arm.name(), Outcome::Deviated),
        Arm::After => (arm.name(), scenario.outcome_after),
    };
    let journal = root.join(name).join("journal-1.json");
    fs::create_dir_all(root.join(name)).map_err(|error| failed(&error))?;
    let request = run_request(&root.join("experiment.json"), &journal, scenario);
    // each run needs its own id: the comparison checks it
    let run = run(&AppContext { run_id: new_run_id(), ..app.clone() }, &request).await;
    if let Some(rejected) = &run.rejected {
        rejected.show(&*session.terminal);
    }
    match run.worst() {
        Outcome::Signal(signal) => return Err(DemoError::Signal(signal)),
        outcome if outcome == expected => {}
        outcome => {
            let (code, expected) = (precise_code(outcome), precise_code(expected));
            let reason = format!("the run {name} the change has exit code {code}, expected {expected}");
            return Err(failed(&reason));
        }
    }
    let mut record = load_journals::one(&journal).map_err(|error| failed(&AppError::from(error)))?;
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
    let comparison = judge(&before, &after, &CompareOptions::default()).map_err(|error| {
        DemoError::Failed(
            AppError::new(ErrorCode::DemoFailed, error.to_string()).with_outcome(Outcome::Stopped),
        )
    })?;
    match write_results(root, &[before, after].concat(), &comparison).into_iter().next() {
        Some(error) => Err(DemoError::Failed(error)),
        None => Ok(comparison),
    }
}

fn format_summary(
    scenario: &ScenarioSpec,
    before: &Record,
    after: &Record,
    comparison: &RunComparison,
) -> String {
    let mut text = String::from("\n3. Result\n");
    for (name, record) in [("before", before), ("after", after)] {
        let journal: Json = serde_json::from_str(&record.text).unwrap_or_default();
        let verdict = &journal["kubectl-chaos"]["verdict"];
        let verdict = verdict.as_str().unwrap_or_default();
        let _ = writeln!(text, "{name:<8}{verdict}: users got {}", describe_last_probe(&journal));
    }
    let _ = write!(
        text,
        "\n{}\n{}\n\n\
         Report: ./{OUTPUT_DIR}/report.html (open it in a browser), ./{OUTPUT_DIR}/summary.md (as on a pull request).\n\
         Data: the journal of each run, comparison.json, and junit.xml for CI servers.\n\
         To repeat it on your own cluster: kubectl chaos trial ./{OUTPUT_DIR}/experiment.json --common \
         ./{OUTPUT_DIR}/services --before ./{OUTPUT_DIR}/01-before --after ./{OUTPUT_DIR}/03-after\n",
        compare::CompareFormat::Text.write(comparison),
        scenario.lesson
    );
    text
}

/// Describes the result of the last probe after the method.
fn describe_last_probe(journal: &Json) -> String {
    let probes = journal["steady_states"]["after"]["probes"].as_array();
    let Some(probe) = probes.and_then(|probes| probes.last()) else { return "nothing".to_owned() };
    let output = &probe["output"];
    let body = &output["body"];
    let message = body["message"].as_str().or(body.as_str()).unwrap_or_default();
    let text = match output["status"].as_u64() {
        Some(status) => format!("{status} \"{message}\""),
        None => {
            probe["exception"].as_array().and_then(|lines| lines.last()).and_then(Json::as_str).map_or_else(
                || "no response".to_owned(),
                |line| {
                    let line = line.trim();
                    let cause = line.split_once("ActivityFailed: ").map_or(line, |(_, cause)| cause);
                    format!("no response: {cause}")
                },
            )
        }
    };
    sanitize(&text)
}

fn format_next_steps(kubeconfig: &Path) -> String {
    let path = kubeconfig.display();
    format!(
        "\nThe cluster runs until Ctrl-C. In another terminal:\n\n\
         export KUBECONFIG={path}\n\
         kubectl get pods -o wide\n\
         kubectl scale deployment/my-provider-app --replicas=3\n\
         kubectl delete pod --selector service=my-provider-service\n\
         kubectl get --raw /api/v1/namespaces/default/services/my-provider-service/proxy/\n\
         kubectl chaos run {OUTPUT_DIR}/experiment.json\n"
    )
}
