//! `kubectl chaos demo`: the whole learning loop on an embedded cluster. Floor 3.

mod scenario;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Parser as _};
use serde_json::Value as Json;

use super::args::{Cli, Command, RunArgs};
use super::embedded::EmbeddedRun;
use super::exit_code::ExitStatus;
use super::report_files::reason;
use super::{CommandContext, compare, load_journals, new_run_id, run, trial};
use crate::compare::{CompareOptions, RunComparison, compare as judge};
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::event::Signal;
use crate::journal::Record;
use crate::trial::Arm;
use scenario::{DemoScenario, SERVICES, ScenarioSpec};

/// Where it leaves what it showed.
const FOLDER: &str = "chaos-demo";
/// By this file a folder of an earlier demo is known.
const MARK: &str = ".kubectl-chaos-demo";

/// `demo`.
#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// What to show
    #[arg(long, value_enum, value_name = "NAME", default_value_t = DemoScenario::CircuitBreaker)]
    scenario: DemoScenario,
    /// Keep the cluster in the foreground afterwards, for kubectl
    #[arg(long)]
    keep: bool,
}

/// Why the demo ended early.
enum DemoError {
    Failed(ExitStatus, String),
    Signal(Signal),
}

/// Shows a scenario. Gives the exit code.
pub(super) fn demo(session: &CommandContext, args: &DemoArgs) -> u8 {
    match session.to_its_end(show(session, args)) {
        Err(code) => code,
        Ok(Ok(())) => session.code(ExitStatus::Fine),
        Ok(Err(DemoError::Failed(exit, why))) => session.refuse(exit, why),
        Ok(Err(DemoError::Signal(signal))) => {
            session.refuse(ExitStatus::Signal(signal), format!("interrupted by {signal}: nothing was kept"))
        }
    }
}

async fn show(session: &CommandContext, args: &DemoArgs) -> Result<(), DemoError> {
    let story = args.scenario.story();
    let unwritten = |error: &dyn std::fmt::Display| {
        DemoError::Failed(ExitStatus::Usage, format!("the demo cannot write to this folder: {error}"))
    };
    let end = session.signals.end().map_err(|error| unwritten(&error))?;
    let mut end = std::pin::pin!(end);
    let place = Path::new(FOLDER);
    if place.exists() && !place.join(MARK).exists() {
        let why =
            format!("./{FOLDER} is here already, and no demo made it: move it, or go to another folder");
        return Err(DemoError::Failed(ExitStatus::Usage, why));
    }
    // until all is there it stands aside, and goes with whatever ends the demo
    let folder = tempfile::Builder::new()
        .prefix(".chaos-demo-")
        .tempdir_in(".")
        .map_err(|error| unwritten(&reason(&error)))?;
    let root = std::path::absolute(folder.path()).map_err(|error| unwritten(&error))?;
    let no_settings = root.join("settings.yaml");
    write(&no_settings, "{}\n").map_err(|error| unwritten(&error))?;
    let more = [("experiment.json", story.experiment), (MARK, "")];
    for (path, text) in SERVICES.iter().chain(story.files).chain(&more) {
        write(&root.join(path), text).map_err(|error| unwritten(&error))?;
    }
    let session = &stranger(session, &no_settings);
    let say = |text: String| session.terminal.say(&ConsoleLine::note(LineLevel::Info, text));
    say(format!("\n1. Before: {}", story.before));
    let manifests = [root.join("services"), root.join("01-before")];
    let cluster = tokio::select! {
        cluster = EmbeddedRun::start(session, &manifests) => cluster.map_err(|(exit, error)| DemoError::Failed(exit, error))?,
        signal = &mut end => return Err(DemoError::Signal(signal)),
    };
    let before = arm(session, &cluster, &root, &story, Arm::Before).await?;
    // a run that was through takes no signal for its own
    tokio::select! {
        biased;
        signal = &mut end => return Err(DemoError::Signal(signal)),
        () = std::future::ready(()) => {}
    }
    say(format!("\n2. After: {}", story.after));
    let changed = [root.join("03-after")];
    tokio::select! {
        applied = cluster.apply(session, &changed) => {
            applied.map_err(|error| DemoError::Failed(ExitStatus::Unreachable, error))?;
        }
        signal = &mut end => return Err(DemoError::Signal(signal)),
    }
    let after = arm(session, &cluster, &root, &story, Arm::After).await?;
    let comparison = report(session, &root, &before, &after)?;
    let _ = fs::remove_file(&no_settings);
    if place.exists() {
        fs::remove_dir_all(place).map_err(|error| unwritten(&error))?;
    }
    fs::rename(folder.keep(), place).map_err(|error| unwritten(&error))?;
    let unsaid = |error: String| DemoError::Failed(ExitStatus::NotWritten, error);
    session.terminal.result(&summary(&story, &before, &after, &comparison)).map_err(unsaid)?;
    if args.keep {
        session.terminal.result(&things_to_try(&cluster.kubeconfig)).map_err(unsaid)?;
        end.await;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

/// A session that knows nothing of who started the demo: no settings, no cluster, no leniency.
fn stranger(session: &CommandContext, settings: &Path) -> CommandContext {
    let mut stranger = session.clone();
    stranger.global.settings = settings.display().to_string();
    stranger.global.strict = true;
    stranger.global.exit_code = super::args::ExitCodeStyle::Precise;
    stranger.connection = super::connection_args::ConnectionArgs::default();
    stranger
}

/// Runs the experiment once, and gives its journal when it ended as it was to end.
async fn arm(
    session: &CommandContext,
    cluster: &EmbeddedRun,
    root: &Path,
    story: &ScenarioSpec,
    arm: Arm,
) -> Result<Record, DemoError> {
    let wrong = |why: String| {
        DemoError::Failed(ExitStatus::Stopped, format!("the demo did not show what it promises: {why}"))
    };
    let (name, expected) = match arm {
        Arm::Before => (arm.name(), ExitStatus::Deviated.code()),
        Arm::After => (arm.name(), story.second),
    };
    let journal = root.join(name).join("journal-1.json");
    fs::create_dir_all(root.join(name)).map_err(|error| wrong(error.to_string()))?;
    let args = arguments(&root.join("experiment.json"), &journal, story).map_err(&wrong)?;
    // both are runs of their own, and a comparison insists on it
    let mut session = session.clone();
    session.run_id = new_run_id();
    let code = run::run_all(&session, &args, Some(&cluster.kubeconfig)).await;
    match code {
        130 => return Err(DemoError::Signal(Signal::Int)),
        143 => return Err(DemoError::Signal(Signal::Term)),
        129 => return Err(DemoError::Signal(Signal::Hup)),
        code if code == expected => {}
        code => {
            return Err(wrong(format!("the run {name} the change ended with {code}, not with {expected}")));
        }
    }
    let mut record = load_journals::one(&journal).map_err(wrong)?;
    // where it will be when somebody reads the reports
    record.source = format!("{FOLDER}/{name}/journal-1.json");
    Ok(record)
}

/// What `run` would be given on the command line. The probe is sampled often enough for one run to show when the users
/// were hit, and for how long.
fn arguments(experiment: &Path, journal: &Path, story: &ScenarioSpec) -> Result<RunArgs, String> {
    let mut line: Vec<PathBuf> = ["kubectl-chaos", "run", "--journal-path"].map(PathBuf::from).to_vec();
    line.push(journal.to_owned());
    line.extend(["--sample=50ms", "--recovery=4s", "--sample-probe", story.probe].map(PathBuf::from));
    line.extend(story.variables.iter().flat_map(|variable| ["--var".into(), variable.into()]));
    line.push(experiment.to_owned());
    match Cli::try_parse_from(line).map_err(|error| error.to_string())?.command {
        Command::Run(mut run) => {
            run.silent = true;
            Ok(*run)
        }
        _ => Err("the command line is not that of run".to_owned()),
    }
}

/// Compares both runs, and leaves the reports that a trial leaves.
fn report(
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
    let comparison = judge(&before, &after, &options)
        .map_err(|error| DemoError::Failed(ExitStatus::Stopped, error.to_string()))?;
    match trial::leave(session, root, &[before, after].concat(), &comparison).into_iter().next() {
        Some(error) => Err(DemoError::Failed(ExitStatus::NotWritten, error)),
        None => Ok(comparison),
    }
}

fn summary(story: &ScenarioSpec, before: &Record, after: &Record, comparison: &RunComparison) -> String {
    let mut text = String::from("\n3. The answer\n");
    for (name, record) in [("before", before), ("after", after)] {
        let journal: Json = serde_json::from_str(&record.text).unwrap_or_default();
        let verdict = &journal["kubectl-chaos"]["verdict"];
        let verdict = verdict.as_str().unwrap_or_default();
        let _ = writeln!(text, "{name:<8}{verdict}: the users got {}", seen(&journal));
    }
    let _ = write!(
        text,
        "\n{}\n{}\n\n\
         To open first: ./{FOLDER}/report.html, in a browser. As it would stand on a pull request: ./{FOLDER}/summary.md.\n\
         Beside it: the journal of each run, comparison.json, and junit.xml for a CI server.\n\
         To do the same on your own cluster: kubectl chaos trial ./{FOLDER}/experiment.json --common ./{FOLDER}/services \
         --before ./{FOLDER}/01-before --after ./{FOLDER}/03-after\n",
        compare::CompareFormat::Text.write(comparison),
        story.learnt
    );
    text
}

/// What the last probe of the last look at the steady state saw.
fn seen(journal: &Json) -> String {
    let probes = journal["steady_states"]["after"]["probes"].as_array();
    let Some(probe) = probes.and_then(|probes| probes.last()) else { return "nothing".to_owned() };
    let output = &probe["output"];
    let body = &output["body"];
    let said = body["message"].as_str().or(body.as_str()).unwrap_or_default();
    let text = match output["status"].as_u64() {
        Some(status) => format!("{status} \"{said}\""),
        None => {
            probe["exception"].as_array().and_then(|lines| lines.last()).and_then(Json::as_str).map_or_else(
                || "no answer".to_owned(),
                |why| {
                    let why = why.trim();
                    let why = why.split_once("ActivityFailed: ").map_or(why, |(_, why)| why);
                    format!("no answer: {why}")
                },
            )
        }
    };
    sanitize(&text)
}

fn things_to_try(kubeconfig: &Path) -> String {
    let path = kubeconfig.display();
    format!(
        "\nThe cluster stays until Ctrl-C. In another terminal:\n\n\
         export KUBECONFIG={path}\n\
         kubectl get pods -o wide\n\
         kubectl scale deployment/my-provider-app --replicas=3\n\
         kubectl delete pod --selector service=my-provider-service\n\
         kubectl get --raw /api/v1/namespaces/default/services/my-provider-service/proxy/\n\
         kubectl chaos run {FOLDER}/experiment.json\n"
    )
}
