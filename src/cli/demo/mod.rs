//! `kubectl chaos demo`: shows an experiment before and after a fix, on an embedded cluster.

mod scenario;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Parser as _};
use serde_json::Value as Json;

use super::command::{Cli, Command};
use super::embedded::EmbeddedRun;
use super::error::CliError;
use super::exit_code::ExitStatus;
use super::report_files::reason;
use super::run::args::RunArgs;
use super::{CommandContext, compare, load_journals, new_run_id, run, trial};
use crate::compare::{CompareOptions, RunComparison, compare as judge};
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::error_code::ErrorCode;
use crate::event::Signal;
use crate::journal::Record;
use crate::trial::Arm;
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
    Failed(CliError),
    Signal(Signal),
}

/// Runs a scenario. Returns the exit code.
pub(super) fn demo(session: &CommandContext, args: &DemoArgs) -> u8 {
    match session.to_its_end(run_demo(session, args)) {
        Err(code) => code,
        Ok(Ok(())) => session.code(ExitStatus::Fine),
        Ok(Err(DemoError::Failed(error))) => session.fail(error),
        Ok(Err(DemoError::Signal(signal))) => {
            let message = format!("interrupted by {signal}; no output was kept");
            session.fail(
                CliError::new(ErrorCode::RunInterrupted, message).with_status(ExitStatus::Signal(signal)),
            )
        }
    }
}

async fn run_demo(session: &CommandContext, args: &DemoArgs) -> Result<(), DemoError> {
    let scenario = args.scenario.spec();
    let unwritten = |error: &dyn std::fmt::Display| {
        let message = format!("cannot write to the current directory: {error}");
        DemoError::Failed(CliError::new(ErrorCode::FileNotWritable, message).with_status(ExitStatus::Usage))
    };
    let end = session.signals.end().map_err(|error| {
        let message = format!("failed to install signal handler: {error}");
        DemoError::Failed(CliError::new(ErrorCode::InternalRuntime, message))
    })?;
    let mut end = std::pin::pin!(end);
    let place = Path::new(OUTPUT_DIR);
    if place.exists() && !place.join(MARKER_FILE).exists() {
        let message = format!("./{OUTPUT_DIR} exists and was not written by the demo");
        let error = CliError::new(ErrorCode::FileConflict, message)
            .with_hint("move it, or change to another directory");
        return Err(DemoError::Failed(error));
    }
    // the output stays in a temporary directory until it is complete
    let folder = tempfile::Builder::new()
        .prefix(".chaos-demo-")
        .tempdir_in(".")
        .map_err(|error| unwritten(&reason(&error)))?;
    let root = std::path::absolute(folder.path()).map_err(|error| unwritten(&error))?;
    let no_settings = root.join("settings.yaml");
    write_file(&no_settings, "{}\n").map_err(|error| unwritten(&error))?;
    let more = [("experiment.json", scenario.experiment), (MARKER_FILE, "")];
    for (path, text) in SERVICES.iter().chain(scenario.files).chain(&more) {
        write_file(&root.join(path), text).map_err(|error| unwritten(&error))?;
    }
    let session = &isolated_context(session, &no_settings);
    let say = |text: String| session.terminal.say(&ConsoleLine::note(LineLevel::Info, text));
    say(format!("\n1. Before: {}", scenario.before));
    let manifests = [root.join("services"), root.join("01-before")];
    let cluster = tokio::select! {
        cluster = EmbeddedRun::start(session, &manifests) => cluster.map_err(DemoError::Failed)?,
        signal = &mut end => return Err(DemoError::Signal(signal)),
    };
    let before = run_arm(session, &cluster, &root, &scenario, Arm::Before).await?;
    // check for a signal that the first run did not handle
    tokio::select! {
        biased;
        signal = &mut end => return Err(DemoError::Signal(signal)),
        () = std::future::ready(()) => {}
    }
    say(format!("\n2. After: {}", scenario.after));
    let changed = [root.join("03-after")];
    tokio::select! {
        applied = cluster.apply(session, &changed) => {
            applied.map_err(|error| DemoError::Failed(error.with_status(ExitStatus::Unreachable)))?;
        }
        signal = &mut end => return Err(DemoError::Signal(signal)),
    }
    let after = run_arm(session, &cluster, &root, &scenario, Arm::After).await?;
    let comparison = write_reports(session, &root, &before, &after)?;
    let _ = fs::remove_file(&no_settings);
    if place.exists() {
        fs::remove_dir_all(place).map_err(|error| unwritten(&error))?;
    }
    fs::rename(folder.keep(), place).map_err(|error| unwritten(&error))?;
    let failed = |error: &dyn std::fmt::Display| {
        let message = format!("failed to write output: {error}");
        DemoError::Failed(CliError::new(ErrorCode::FileNotWritable, message))
    };
    session
        .terminal
        .result(&format_summary(&scenario, &before, &after, &comparison))
        .map_err(|error| failed(&error))?;
    if args.keep {
        session.terminal.result(&format_next_steps(&cluster.kubeconfig)).map_err(|error| failed(&error))?;
        end.await;
    }
    Ok(())
}

fn write_file(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

/// Returns a context without the settings, the cluster and the leniency of the caller.
fn isolated_context(session: &CommandContext, settings: &Path) -> CommandContext {
    let mut stranger = session.clone();
    stranger.global.settings = settings.display().to_string();
    stranger.global.strict = true;
    stranger.global.exit_code = super::shared_args::ExitCodeStyle::Precise;
    stranger.connection = super::connection_args::ConnectionArgs::default();
    stranger
}

/// Runs the experiment once. Returns its journal if the exit code is the expected one.
async fn run_arm(
    session: &CommandContext,
    cluster: &EmbeddedRun,
    root: &Path,
    scenario: &ScenarioSpec,
    arm: Arm,
) -> Result<Record, DemoError> {
    let failed = |reason: &dyn std::fmt::Display| {
        let message = format!("the demo did not show the expected result: {reason}");
        DemoError::Failed(CliError::new(ErrorCode::DemoFailed, message).with_status(ExitStatus::Stopped))
    };
    let (name, expected) = match arm {
        Arm::Before => (arm.name(), ExitStatus::Deviated.code()),
        Arm::After => (arm.name(), scenario.after_exit_code),
    };
    let journal = root.join(name).join("journal-1.json");
    fs::create_dir_all(root.join(name)).map_err(|error| failed(&error))?;
    let args = run_args(&root.join("experiment.json"), &journal, scenario).map_err(|error| failed(&error))?;
    // each run needs its own id: the comparison checks it
    let mut session = session.clone();
    session.run_id = new_run_id();
    let code = run::run_all(&session, &args, Some(&cluster.kubeconfig)).await;
    match code {
        130 => return Err(DemoError::Signal(Signal::Int)),
        143 => return Err(DemoError::Signal(Signal::Term)),
        129 => return Err(DemoError::Signal(Signal::Hup)),
        code if code == expected => {}
        code => {
            let reason = format!("the run {name} the change has exit code {code}, expected {expected}");
            return Err(failed(&reason));
        }
    }
    let mut record = load_journals::one(&journal).map_err(|error| failed(&error))?;
    // the final path, for the reports
    record.source = format!("{OUTPUT_DIR}/{name}/journal-1.json");
    Ok(record)
}

/// Returns the arguments of `run`. The sampling period is short, so that one run shows when users were
/// affected and for how long.
fn run_args(experiment: &Path, journal: &Path, scenario: &ScenarioSpec) -> Result<RunArgs, clap::Error> {
    let mut line: Vec<PathBuf> = ["kubectl-chaos", "run", "--journal-path"].map(PathBuf::from).to_vec();
    line.push(journal.to_owned());
    line.extend(["--sample=50ms", "--recovery=4s", "--sample-probe", scenario.probe].map(PathBuf::from));
    line.extend(scenario.variables.iter().flat_map(|variable| ["--var".into(), variable.into()]));
    line.push(experiment.to_owned());
    match Cli::try_parse_from(line)?.command {
        Command::Run(mut run) => {
            run.silent = true;
            Ok(*run)
        }
        _ => Err(clap::Error::new(clap::error::ErrorKind::InvalidSubcommand)),
    }
}

/// Compares both runs, and writes the reports of a trial.
fn write_reports(
    session: &CommandContext,
    root: &Path,
    before: &Record,
    after: &Record,
) -> Result<RunComparison, DemoError> {
    let (before, after) = (vec![before.clone()], vec![after.clone()]);
    let options = CompareOptions {
        seed: session.connection.seed().unwrap_or(CompareOptions::default().seed),
        ..CompareOptions::default()
    };
    let comparison = judge(&before, &after, &options).map_err(|error| {
        DemoError::Failed(
            CliError::new(ErrorCode::DemoFailed, error.to_string()).with_status(ExitStatus::Stopped),
        )
    })?;
    match trial::write_results(session, root, &[before, after].concat(), &comparison).into_iter().next() {
        Some(error) => Err(DemoError::Failed(CliError::new(ErrorCode::FileNotWritable, error.to_string()))),
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
    let said = body["message"].as_str().or(body.as_str()).unwrap_or_default();
    let text = match output["status"].as_u64() {
        Some(status) => format!("{status} \"{said}\""),
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
