//! `kubectl chaos init`: writes an experiment that runs, from flags or by asking. Floor 3.
//!
//! ```text
//!  args     what was said                  wish      what is wanted: complete, or what is missing of it
//!  ask      questions to a person            │
//!  compose  an experiment of a wish  ◄───────┘
//! ```
//!
//! What it writes is validated before it is written; it hits what was named and nothing else, and it puts back what
//! nobody else does.

mod generate;
mod prompt;
mod spec;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::Value as Json;

use super::CommandContext;
use super::args::{VariableArgs, whole};
use super::exit_code::ExitStatus;
use super::path_conflicts::PathSet;
use super::report_files::replace;
use super::run_context::{RunContext, is_invalid, tell_faults};
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::experiment::document::Document;
use crate::experiment::{json, yaml};
use crate::k8s::get_object;
use crate::k8s::{ClusterClient, DiscoveredKinds};
use crate::trial::manifest::{Manifest, localise, parse};
use crate::value::Map;
use prompt::Prompter;
use spec::{ExperimentSpec, FaultSpec};

/// The name of standard output.
const STANDARD_OUTPUT: &str = "-";
/// How long the cluster may take to say what it has.
const PATIENCE: Duration = Duration::from_secs(10);

/// `init`. What is missing is asked for at a terminal.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct InitArgs {
    /// The question that the experiment answers
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// The address that has to go on answering with 200
    #[arg(long, value_name = "URL", conflicts_with = "service")]
    url: Option<String>,
    /// The Service that has to, as NAME[:PORT][/PATH]; nothing has to be exposed for it
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// What is to go wrong
    #[arg(long, value_enum, value_name = "FAULT")]
    fault: Option<FaultArg>,
    /// Of kill-pods: the Pods, one of which is killed
    #[arg(short = 'l', long, visible_alias = "selector", value_name = "SELECTOR")]
    label_selector: Option<String>,
    /// Of scale-to-zero: the Deployment; of delete-service: the Service
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Of scale-to-zero: how many replicas it has again afterwards; else as many as it has now
    #[arg(long, value_name = "N", value_parser = whole(1..=u32::MAX))]
    replicas: Option<u32>,
    /// Of delete-service: the manifest of the Service, by which it is made again; else it is read from the cluster
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Of process: the command that makes it go wrong
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// Of process: the command that puts it back
    #[arg(long, value_name = "COMMAND", conflicts_with = "no_undo")]
    undo: Option<String>,
    /// Of process: nothing has to be put back
    #[arg(long)]
    no_undo: bool,
    /// The file to write, JSON or YAML by its ending; - is standard output
    #[arg(long, alias = "experiment-path", value_name = "FILE", default_value = "experiment.json")]
    output: PathBuf,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

impl InitArgs {
    /// The files that it names.
    pub(super) fn files(&self) -> PathSet {
        PathSet::default().reads("the manifest", &self.manifest).writes("the experiment", [&self.output])
    }
}

/// What is to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FaultArg {
    /// A Pod is killed.
    KillPods,
    /// A Deployment is scaled to zero.
    ScaleToZero,
    /// A Service is deleted.
    DeleteService,
    /// A command is run.
    Process,
}

impl FaultArg {
    /// What it is called.
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Why nothing was written.
type InitRefusal = (ExitStatus, String);

/// Writes an experiment. Gives the exit code.
pub(super) fn init(session: &CommandContext, args: &InitArgs) -> u8 {
    match session.to_its_end(write(session, args)) {
        Err(code) => code,
        Ok(Ok(text)) => session.answer(&text),
        Ok(Err((exit, why))) => session.refuse(exit, sanitize(&why)),
    }
}

async fn write(session: &CommandContext, args: &InitArgs) -> Result<String, InitRefusal> {
    let file = Some(args.output.as_path()).filter(|file| *file != Path::new(STANDARD_OUTPUT));
    if let Some(file) = file {
        may_be_written(file, args.force, "--output names another one")?;
    }
    let mut args = args.clone();
    let mut person = std::io::stdin().is_terminal().then(Prompter::at_the_terminal);
    if let Some(person) = &mut person {
        person.fill(&mut args).map_err(|why| (ExitStatus::Usage, why))?;
    }
    let surroundings = RunContext::read(session, &VariableArgs::default(), None)
        .map_err(|_| (ExitStatus::Usage, "the settings cannot be used".to_owned()))?;
    let namespace = session.connection.namespace();
    let beside = look(&surroundings, &args).await;
    let unsaid = args.fault == Some(FaultArg::ScaleToZero) && args.replicas.or(beside.replicas).is_none();
    if let Some(person) = person.as_mut().filter(|_| unsaid) {
        if let Some(why) = &beside.why_not {
            session.terminal.say(&ConsoleLine::note(LineLevel::Warning, sanitize(why)));
        }
        person.about_replicas(&mut args).map_err(|why| (ExitStatus::Usage, why))?;
    }
    let mut wish = ExperimentSpec::of(&args, namespace, &beside).map_err(|why| (ExitStatus::Usage, why))?;
    let kept = keep(&args, &mut wish, beside.service, file)?;
    let experiment = generate::experiment(&wish);
    let text = written(&experiment, file)?;
    validated(session, &surroundings, &text, file)?;
    let mut beside = String::new();
    if let Some((path, manifest)) = kept {
        let else_what = "--manifest takes it as it is";
        may_be_written(&path, args.force, else_what)?;
        replace(&path, manifest.as_bytes()).map_err(|error| (ExitStatus::NotWritten, error))?;
        beside =
            format!("wrote {}, by which the Service is made again\n", sanitize(&path.display().to_string()));
    }
    let Some(file) = file else {
        if !beside.is_empty() {
            session.terminal.say(&ConsoleLine::note(LineLevel::Info, beside.trim_end()));
        }
        return Ok(text);
    };
    replace(file, text.as_bytes()).map_err(|error| (ExitStatus::NotWritten, error))?;
    let shown = file.display().to_string();
    let word = shlex::try_quote(&shown).unwrap_or_default();
    Ok(format!("{beside}wrote {}\nnext: {} run {}\n", sanitize(&shown), session.shown, sanitize(&word)))
}

/// Whether nothing is lost by writing a file. What else could be done is said.
fn may_be_written(file: &Path, force: bool, else_what: &str) -> Result<(), InitRefusal> {
    if file.symlink_metadata().is_ok() && !force {
        let why = format!("{} is there already: --force replaces it, {else_what}", file.display());
        return Err((ExitStatus::Usage, why));
    }
    Ok(())
}

/// What the cluster says of the target of the fault, where somebody has to know.
#[derive(Default)]
struct TargetDetails {
    replicas: Option<u32>,
    service: Option<Json>,
    /// Why it says nothing.
    why_not: Option<String>,
}

/// Asks the cluster what was not said: how many replicas a Deployment has, what a Service is.
async fn look(surroundings: &RunContext, args: &InitArgs) -> TargetDetails {
    let (version, kind) = match args.fault {
        Some(FaultArg::ScaleToZero) if args.replicas.is_none() => ("apps/v1", "Deployment"),
        Some(FaultArg::DeleteService) if args.manifest.is_none() => ("v1", "Service"),
        _ => return TargetDetails::default(),
    };
    let Some(name) = args.target.as_deref() else { return TargetDetails::default() };
    let mut namespace = String::new();
    let found = async {
        let cluster = surroundings.kubernetes.cluster(&Map::new()).await?;
        cluster.namespace.clone_into(&mut namespace);
        let object = stands(&cluster, version, kind, name).await?;
        Ok::<_, crate::k8s::ClusterError>(object)
    };
    let found = tokio::time::timeout(PATIENCE, found).await;
    let found = found.unwrap_or_else(|_| {
        let why = format!("the cluster did not answer within {} s", PATIENCE.as_secs());
        Err(crate::k8s::ClusterError::failed(why))
    });
    match found {
        Err(failure) => TargetDetails { why_not: Some(failure.brief()), ..TargetDetails::default() },
        Ok(None) => TargetDetails {
            why_not: Some(format!("there is no {kind} {name} in the namespace {namespace}")),
            ..TargetDetails::default()
        },
        Ok(Some(object)) if kind == "Service" => {
            TargetDetails { service: Some(object), ..TargetDetails::default() }
        }
        Ok(Some(object)) => {
            let replicas = object["spec"]["replicas"].as_u64().and_then(|count| u32::try_from(count).ok());
            match replicas.filter(|count| *count > 0) {
                Some(count) => TargetDetails { replicas: Some(count), ..TargetDetails::default() },
                None => TargetDetails {
                    why_not: Some(format!("{kind} {name} has no replicas now")),
                    ..TargetDetails::default()
                },
            }
        }
    }
}

async fn stands(
    cluster: &ClusterClient,
    version: &str,
    kind: &str,
    name: &str,
) -> Result<Option<Json>, crate::k8s::ClusterError> {
    let known = DiscoveredKinds::default().of(cluster, version, kind).await?;
    let bare = serde_json::json!({"metadata": {"name": name, "namespace": cluster.namespace}});
    get_object(cluster, &known, &bare).await
}

/// The manifest by which a Service is made again: the one that was named, or one to be written beside the experiment.
fn keep(
    args: &InitArgs,
    wish: &mut ExperimentSpec,
    service: Option<Json>,
    file: Option<&Path>,
) -> Result<Option<(PathBuf, String)>, InitRefusal> {
    let FaultSpec::DeleteService { name, manifest } = &mut wish.fault else { return Ok(None) };
    if let Some(path) = &args.manifest {
        let text = std::fs::read_to_string(path)
            .map_err(|error| (ExitStatus::Usage, format!("{} cannot be read: {error}", path.display())))?;
        let found = parse(&path.display().to_string(), &text)
            .map_err(|error| (ExitStatus::Usage, crate::error_code::message_chain(&error)))?;
        let is_it =
            |one: &Manifest| one.object["kind"] == "Service" && one.object["metadata"]["name"] == *name;
        if found.len() != 1 || !is_it(&found[0]) {
            let why = format!(
                "{} has to be the manifest of the Service {name}, and of nothing else",
                path.display()
            );
            return Err((ExitStatus::Usage, why));
        }
        *manifest = path.display().to_string();
        return Ok(None);
    }
    let Some(object) = service else { return Ok(None) };
    let mut object = localise(&Manifest { place: String::new(), object }, "");
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.shift_remove("namespace");
    }
    let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
    let path = folder.join(format!("{name}-service.json"));
    *manifest = path.display().to_string();
    Ok(Some((path, serde_json::to_string_pretty(&object).unwrap_or_default() + "\n")))
}

/// The experiment as text.
fn written(experiment: &Json, file: Option<&Path>) -> Result<String, InitRefusal> {
    if is_yaml(file) {
        return serde_yaml::to_string(experiment).map_err(|error| (ExitStatus::Usage, error.to_string()));
    }
    let ending = file.and_then(Path::extension).map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        None | Some("json") => Ok(serde_json::to_string_pretty(experiment).unwrap_or_default() + "\n"),
        Some(other) => Err((
            ExitStatus::Usage,
            format!("an experiment is a .json, .yaml or .yml file, and not a .{other} file"),
        )),
    }
}

fn is_yaml(file: Option<&Path>) -> bool {
    file.and_then(Path::extension)
        .is_some_and(|ending| ending.eq_ignore_ascii_case("yaml") || ending.eq_ignore_ascii_case("yml"))
}

/// Reads it as it will be read. What was said may be of a kind that no experiment can have.
fn validated(
    session: &CommandContext,
    surroundings: &RunContext,
    text: &str,
    file: Option<&Path>,
) -> Result<(), InitRefusal> {
    let name = file.map_or_else(|| STANDARD_OUTPUT.to_owned(), |file| file.display().to_string());
    let read = if is_yaml(file) { yaml::read(text, &name) } else { json::read(text, &name) };
    let document: Document = read.map_err(|fault| (ExitStatus::Invalid, fault.to_string()))?;
    let faults = surroundings.faults(&document, true);
    if is_invalid(&faults) {
        tell_faults(&session.terminal, &faults);
        return Err((
            ExitStatus::Invalid,
            "the experiment would not be valid, and was not written".to_owned(),
        ));
    }
    Ok(())
}
