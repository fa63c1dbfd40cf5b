//! `kubectl chaos init`: writes a runnable experiment, from flags or from prompts.
//!
//! ```text
//!  InitArgs   flags ──────────────►  spec      a complete specification, or the missing flags
//!  prompt     questions to the user    │
//!  generate   the experiment  ◄────────┘
//! ```
//!
//! The experiment is validated before it is written. It affects only the named target, and its rollbacks restore what
//! Kubernetes does not restore itself.

mod generate;
mod prompt;
mod spec;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::Value as Json;

use super::CommandContext;
use super::parse::integer_in;
use super::path_conflicts::PathSet;
use crate::app::AppError;
use crate::app::atomic_file::replace;
use crate::app::run_context::{RunContext, VariableInputs, is_invalid, show_diagnostics};
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::error_code::{Coded, ErrorCode, message_chain};
use crate::experiment::document::Document;
use crate::experiment::{json, yaml};
use crate::k8s;
use crate::k8s::get_object;
use crate::k8s::{ClusterClient, DiscoveredKinds};
use crate::trial::manifest::{Manifest, ManifestError, localise, parse};
use crate::value::Map;
use prompt::Prompter;
use spec::{ExperimentSpec, FaultSpec};

const STANDARD_OUTPUT: &str = "-";
/// The time limit for reading the target from the cluster.
const CLUSTER_TIMEOUT: Duration = Duration::from_secs(10);

/// `init`. Missing values are prompted for at a terminal.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct InitArgs {
    /// Title of the experiment, as a question
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// URL that must respond with status 200
    #[arg(long, value_name = "URL", conflicts_with = "service")]
    url: Option<String>,
    /// Service that must respond with status 200, as NAME[:PORT][/PATH]; it need not be exposed
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Fault to inject
    #[arg(long, value_enum, value_name = "FAULT")]
    fault: Option<FaultArg>,
    /// kill-pods: label selector; one of the selected Pods is killed
    #[arg(short = 'l', long, visible_alias = "selector", value_name = "SELECTOR")]
    label_selector: Option<String>,
    /// scale-to-zero: name of the Deployment; delete-service: name of the Service
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// scale-to-zero: replicas to restore [default: the current number]
    #[arg(long, value_name = "N", value_parser = integer_in(1..=u32::MAX))]
    replicas: Option<u32>,
    /// delete-service: manifest to recreate the Service from [default: read from the cluster]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// process: command that injects the fault
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// process: command that undoes the fault
    #[arg(long, value_name = "COMMAND", conflicts_with = "no_undo")]
    undo: Option<String>,
    /// process: the fault needs no undo
    #[arg(long)]
    no_undo: bool,
    /// File to write (.json, .yaml or .yml); - is standard output
    #[arg(long, alias = "experiment-path", value_name = "FILE", default_value = "experiment.json")]
    output: PathBuf,
    /// Overwrite existing files
    #[arg(long)]
    force: bool,
}

impl InitArgs {
    /// Returns the files that the command reads and writes.
    pub(super) fn files(&self) -> PathSet {
        PathSet::default().reads("the manifest", &self.manifest).writes("the experiment", [&self.output])
    }
}

/// The fault of the new experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FaultArg {
    /// Kill a Pod
    KillPods,
    /// Scale a Deployment to zero
    ScaleToZero,
    /// Delete a Service
    DeleteService,
    /// Run a command
    Process,
}

impl FaultArg {
    /// Returns the name on the command line.
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Why no experiment was written.
#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("{} already exists", .path.display())]
    Exists { path: PathBuf, alternative: &'static str },
    #[error("cannot read manifest {}", .path.display())]
    ManifestNotReadable { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    ManifestInvalid(#[from] ManifestError),
    #[error("{}: expected only the manifest of Service {service}", .path.display())]
    ManifestMismatch { path: PathBuf, service: String },
    #[error("invalid file extension '.{0}': expected .json, .yaml or .yml")]
    Extension(String),
    #[error("cannot write the experiment as YAML")]
    Yaml(#[source] serde_yaml::Error),
    #[error("{message}")]
    NotReadable { message: String },
    #[error("the experiment would be invalid; nothing was written")]
    Invalid,
}

impl Coded for InitError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Exists { .. } => ErrorCode::FileConflict,
            Self::ManifestNotReadable { .. } => ErrorCode::FileNotReadable,
            Self::ManifestInvalid(_) | Self::ManifestMismatch { .. } | Self::Extension(_) | Self::Yaml(_) => {
                ErrorCode::InitInput
            }
            Self::NotReadable { .. } | Self::Invalid => ErrorCode::ExperimentInvalid,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Exists { alternative, .. } => Some(format!("overwrite it with --force, or {alternative}")),
            _ => None,
        }
    }
}

/// Writes an experiment. Returns the exit code.
pub(super) fn init(session: &CommandContext, args: &InitArgs) -> u8 {
    match session.to_its_end(create_experiment(session, args)) {
        Err(code) => code,
        Ok(Ok(text)) => session.answer(&text),
        Ok(Err(error)) => session.fail(error),
    }
}

async fn create_experiment(session: &CommandContext, args: &InitArgs) -> Result<String, AppError> {
    let file = Some(args.output.as_path()).filter(|file| *file != Path::new(STANDARD_OUTPUT));
    if let Some(file) = file {
        check_overwrite(file, args.force, "choose another file with --output")?;
    }
    let mut args = args.clone();
    let mut prompter = std::io::stdin().is_terminal().then(Prompter::from_stdin);
    if let Some(prompter) = &mut prompter {
        prompter.fill_missing(&mut args)?;
    }
    let run_context = RunContext::read(&session.app, &VariableInputs::default())?;
    let namespace = session.app.connection.namespace();
    let details = fetch_target_details(&run_context, &args).await;
    let lacks_replicas =
        args.fault == Some(FaultArg::ScaleToZero) && args.replicas.or(details.replicas).is_none();
    if let Some(prompter) = prompter.as_mut().filter(|_| lacks_replicas) {
        if let Some(reason) = &details.unavailable_reason {
            session.terminal.say(&ConsoleLine::note(LineLevel::Warning, sanitize(reason)));
        }
        prompter.ask_replicas(&mut args)?;
    }
    let mut spec = ExperimentSpec::from_args(&args, namespace, &details)?;
    let manifest = prepare_manifest(&args, &mut spec, details.service, file)?;
    let text = serialize(&generate::build_experiment(&spec), file)?;
    validate(session, &run_context, &text, file)?;
    let mut report = String::new();
    if let Some((path, manifest)) = manifest {
        check_overwrite(&path, args.force, "use it with --manifest")?;
        replace(&path, manifest.as_bytes())?;
        report = format!("wrote {} (recreates the Service)\n", sanitize(&path.display().to_string()));
    }
    let Some(file) = file else {
        if !report.is_empty() {
            session.terminal.say(&ConsoleLine::note(LineLevel::Info, report.trim_end()));
        }
        return Ok(text);
    };
    replace(file, text.as_bytes())?;
    let path_text = file.display().to_string();
    let word = shlex::try_quote(&path_text).unwrap_or_default();
    Ok(format!("{report}wrote {}\nnext: {} run {}\n", sanitize(&path_text), session.shown, sanitize(&word)))
}

/// Checks that writing a file overwrites nothing, unless forced.
fn check_overwrite(path: &Path, force: bool, alternative: &'static str) -> Result<(), InitError> {
    if path.symlink_metadata().is_ok() && !force {
        return Err(InitError::Exists { path: path.to_owned(), alternative });
    }
    Ok(())
}

/// What the cluster knows about the target of the fault.
#[derive(Default)]
struct TargetDetails {
    replicas: Option<u32>,
    service: Option<Json>,
    /// Why the cluster could not be asked, or does not know.
    unavailable_reason: Option<String>,
}

/// Reads what the flags omit: the replicas of a Deployment, or the manifest of a Service.
async fn fetch_target_details(run_context: &RunContext, args: &InitArgs) -> TargetDetails {
    let (version, kind) = match args.fault {
        Some(FaultArg::ScaleToZero) if args.replicas.is_none() => ("apps/v1", "Deployment"),
        Some(FaultArg::DeleteService) if args.manifest.is_none() => ("v1", "Service"),
        _ => return TargetDetails::default(),
    };
    let Some(name) = args.target.as_deref() else { return TargetDetails::default() };
    let mut namespace = String::new();
    let read = async {
        let cluster = run_context.kubernetes.cluster(&Map::new()).await?;
        cluster.namespace.clone_into(&mut namespace);
        let object = fetch_object(&cluster, version, kind, name).await?;
        Ok::<_, k8s::Error>(object)
    };
    let Ok(result) = tokio::time::timeout(CLUSTER_TIMEOUT, read).await else {
        let reason = format!("no response from the cluster within {} s", CLUSTER_TIMEOUT.as_secs());
        return TargetDetails { unavailable_reason: Some(reason), ..TargetDetails::default() };
    };
    match result {
        Err(failure) => {
            TargetDetails { unavailable_reason: Some(message_chain(&failure)), ..TargetDetails::default() }
        }
        Ok(None) => TargetDetails {
            unavailable_reason: Some(format!("{kind} {name} does not exist in namespace {namespace}")),
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
                    unavailable_reason: Some(format!("{kind} {name} is scaled to zero")),
                    ..TargetDetails::default()
                },
            }
        }
    }
}

async fn fetch_object(
    cluster: &ClusterClient,
    version: &str,
    kind: &str,
    name: &str,
) -> Result<Option<Json>, k8s::Error> {
    let kind = DiscoveredKinds::default().of(cluster, version, kind).await?;
    let bare = serde_json::json!({"metadata": {"name": name, "namespace": cluster.namespace}});
    get_object(cluster, &kind, &bare).await
}

/// Prepares the manifest that recreates the Service: the given file, or a new file next to the experiment.
fn prepare_manifest(
    args: &InitArgs,
    spec: &mut ExperimentSpec,
    service: Option<Json>,
    file: Option<&Path>,
) -> Result<Option<(PathBuf, String)>, InitError> {
    let FaultSpec::DeleteService { name, manifest } = &mut spec.fault else { return Ok(None) };
    if let Some(path) = &args.manifest {
        let text = std::fs::read_to_string(path)
            .map_err(|source| InitError::ManifestNotReadable { path: path.clone(), source })?;
        let manifests = parse(&path.display().to_string(), &text)?;
        let is_service =
            |one: &Manifest| one.object["kind"] == "Service" && one.object["metadata"]["name"] == *name;
        if manifests.len() != 1 || !is_service(&manifests[0]) {
            return Err(InitError::ManifestMismatch { path: path.clone(), service: name.clone() });
        }
        *manifest = path.display().to_string();
        return Ok(None);
    }
    let Some(object) = service else { return Ok(None) };
    let mut object = localise(&Manifest { place: String::new(), object }, "");
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.shift_remove("namespace");
    }
    let dir = file.and_then(Path::parent).unwrap_or(Path::new(""));
    let path = dir.join(format!("{name}-service.json"));
    *manifest = path.display().to_string();
    Ok(Some((path, serde_json::to_string_pretty(&object).unwrap_or_default() + "\n")))
}

/// Serializes the experiment in the format of the file.
fn serialize(experiment: &Json, file: Option<&Path>) -> Result<String, InitError> {
    if is_yaml(file) {
        return serde_yaml::to_string(experiment).map_err(InitError::Yaml);
    }
    let extension =
        file.and_then(Path::extension).map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        None | Some("json") => Ok(serde_json::to_string_pretty(experiment).unwrap_or_default() + "\n"),
        Some(other) => Err(InitError::Extension(other.to_owned())),
    }
}

fn is_yaml(file: Option<&Path>) -> bool {
    file.and_then(Path::extension).is_some_and(|extension| {
        extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml")
    })
}

/// Validates the text as `run` would: flag values may not fit into an experiment.
fn validate(
    session: &CommandContext,
    run_context: &RunContext,
    text: &str,
    file: Option<&Path>,
) -> Result<(), InitError> {
    let name = file.map_or_else(|| STANDARD_OUTPUT.to_owned(), |file| file.display().to_string());
    let document = if is_yaml(file) { yaml::read(text, &name) } else { json::read(text, &name) };
    let document: Document =
        document.map_err(|diagnostic| InitError::NotReadable { message: diagnostic.to_string() })?;
    let diagnostics = run_context.faults(&document, true);
    if is_invalid(&diagnostics) {
        show_diagnostics(&*session.terminal, &diagnostics);
        return Err(InitError::Invalid);
    }
    Ok(())
}
