//! Writes a runnable experiment, from a request and the answers of the user.
//!
//! ```text
//!  InitRequest ──────────────►  spec      a complete specification, or what is missing
//!  InitPrompts  missing values    │
//!  generate     the experiment  ◄─┘
//! ```
//!
//! The experiment is validated before it is written. It affects only the named target, and its rollbacks restore what
//! Kubernetes does not restore itself.

mod generate;
pub(crate) mod spec;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value as Json;

use super::atomic_file::replace;
use super::context::AppContext;
use super::error::AppError;
use super::output_lock::{OutputInUse, OutputLock};
use super::run_context::{RunContext, VariableInputs, is_invalid, show_diagnostics};
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::error_code::{Coded, ErrorCode, message_chain};
use crate::experiment::document::Document;
use crate::experiment::{json, yaml};
use crate::k8s;
use crate::k8s::get_object;
use crate::k8s::{ClusterClient, DiscoveredKinds};
use crate::trial::manifest::{Manifest, ManifestError, localise, parse};
use crate::value::Map;
use spec::{ExperimentSpec, FaultSpec};

/// Name of an experiment that is not written to a file, in diagnostics.
const STANDARD_OUTPUT: &str = "-";
/// The way out if the file cannot be written.
const OTHER_OUTPUT: &str = "choose another file with --output";
/// The time limit for reading the target from the cluster.
const CLUSTER_TIMEOUT: Duration = Duration::from_secs(10);

/// The experiment to write. Values that are missing may be asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InitRequest {
    /// Title, as a question.
    pub(crate) title: Option<String>,
    /// URL that must respond with status 200.
    pub(crate) url: Option<String>,
    /// Service that must respond with status 200, as `NAME[:PORT][/PATH]`.
    pub(crate) service: Option<String>,
    pub(crate) fault: Option<FaultKind>,
    /// Selects the Pods of which one is killed.
    pub(crate) label_selector: Option<String>,
    /// Name of the Deployment that is scaled, or of the Service that is deleted.
    pub(crate) target: Option<String>,
    /// Replicas to restore; by default the current number.
    pub(crate) replicas: Option<u32>,
    /// Manifest to recreate the Service from; by default it is read from the cluster.
    pub(crate) manifest: Option<PathBuf>,
    /// Command that injects the fault.
    pub(crate) command: Option<String>,
    /// Command that undoes the fault.
    pub(crate) undo: Option<String>,
    /// Whether the fault needs no undo.
    pub(crate) needs_no_undo: bool,
    /// File to write; `None` only returns the text.
    pub(crate) output: Option<PathBuf>,
    /// Whether existing files are overwritten.
    pub(crate) force: bool,
}

/// The fault of the new experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    KillPods,
    ScaleToZero,
    DeleteService,
    Process,
}

impl FaultKind {
    pub(crate) const ALL: [Self; 4] = [Self::KillPods, Self::ScaleToZero, Self::DeleteService, Self::Process];

    /// Returns the name that users write.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::KillPods => "kill-pods",
            Self::ScaleToZero => "scale-to-zero",
            Self::DeleteService => "delete-service",
            Self::Process => "process",
        }
    }
}

/// Asks the user for values that a request lacks. A terminal implements it.
pub(crate) trait InitPrompts {
    /// Asks for all missing values, except those that the cluster may know.
    fn fill_missing(&mut self, request: &mut InitRequest) -> Result<(), AppError>;

    /// Asks for the number of replicas, which the cluster does not know.
    fn ask_replicas(&mut self, request: &mut InitRequest) -> Result<(), AppError>;
}

/// What was written.
#[derive(Debug)]
pub(crate) struct InitOutcome {
    /// The experiment.
    pub(crate) text: String,
    /// The file with the experiment, if the request names one.
    pub(crate) path: Option<PathBuf>,
    /// A new file with the manifest of the Service.
    pub(crate) manifest: Option<PathBuf>,
}

/// Why no experiment was written.
#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("{} already exists", .path.display())]
    Exists { path: PathBuf, alternative: &'static str },
    #[error("{} is being written by another command", .path.display())]
    InUse { path: PathBuf },
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
            Self::Exists { .. } | Self::InUse { .. } => ErrorCode::FileConflict,
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
            Self::InUse { .. } => Some(OTHER_OUTPUT.to_owned()),
            _ => None,
        }
    }
}

/// Writes an experiment. Without prompts, missing values are an error.
pub(crate) async fn init(
    context: &AppContext,
    mut request: InitRequest,
    mut prompts: Option<&mut dyn InitPrompts>,
) -> Result<InitOutcome, AppError> {
    // held until the file is written
    let _lock = request.output.as_deref().map(lock_output).transpose()?;
    if let Some(file) = &request.output {
        check_overwrite(file, request.force, OTHER_OUTPUT)?;
    }
    if let Some(prompts) = &mut prompts {
        prompts.fill_missing(&mut request)?;
    }
    let run_context = RunContext::read(context, &VariableInputs::default())?;
    let details = fetch_target_details(&run_context, &request).await;
    let lacks_replicas =
        request.fault == Some(FaultKind::ScaleToZero) && request.replicas.or(details.replicas).is_none();
    if let Some(prompts) = prompts.filter(|_| lacks_replicas) {
        if let Some(reason) = &details.unavailable_reason {
            context.reporter.show(&ConsoleLine::note(LineLevel::Warning, sanitize(reason)));
        }
        prompts.ask_replicas(&mut request)?;
    }
    let file = request.output.as_deref();
    let mut spec = ExperimentSpec::from_request(&request, context.connection.namespace(), &details)?;
    let manifest = prepare_manifest(&request, &mut spec, details.service)?;
    let text = serialize(&generate::build_experiment(&spec), file)?;
    validate(context, &run_context, &text, file)?;
    if let Some((path, manifest)) = &manifest {
        check_overwrite(path, request.force, "use it with --manifest")?;
        replace(path, manifest.as_bytes())?;
    }
    if let Some(file) = file {
        replace(file, text.as_bytes())?;
    }
    Ok(InitOutcome { text, path: request.output, manifest: manifest.map(|(path, _)| path) })
}

/// Keeps other commands from writing the file.
fn lock_output(path: &Path) -> Result<OutputLock, InitError> {
    OutputLock::acquire(path).map_err(|OutputInUse| InitError::InUse { path: path.to_owned() })
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
async fn fetch_target_details(run_context: &RunContext, request: &InitRequest) -> TargetDetails {
    let (version, kind) = match request.fault {
        Some(FaultKind::ScaleToZero) if request.replicas.is_none() => ("apps/v1", "Deployment"),
        Some(FaultKind::DeleteService) if request.manifest.is_none() => ("v1", "Service"),
        _ => return TargetDetails::default(),
    };
    let Some(name) = request.target.as_deref() else { return TargetDetails::default() };
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
    let reference = serde_json::json!({"metadata": {"name": name, "namespace": cluster.namespace}});
    get_object(cluster, &kind, &reference).await
}

/// Prepares the manifest that recreates the Service: the given file, or a new file next to the experiment.
fn prepare_manifest(
    request: &InitRequest,
    spec: &mut ExperimentSpec,
    service: Option<Json>,
) -> Result<Option<(PathBuf, String)>, InitError> {
    let FaultSpec::DeleteService { name, manifest } = &mut spec.fault else { return Ok(None) };
    if let Some(path) = &request.manifest {
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
    let dir = request.output.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
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
    context: &AppContext,
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
        show_diagnostics(&*context.reporter, &diagnostics);
        return Err(InitError::Invalid);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::context::tests::context;

    /// Prompts that give the same answers each time. Without answers, nothing may be asked.
    struct GivenAnswers(Option<InitRequest>);

    impl InitPrompts for GivenAnswers {
        fn fill_missing(&mut self, request: &mut InitRequest) -> Result<(), AppError> {
            *request = self.0.clone().expect("no prompt");
            Ok(())
        }

        fn ask_replicas(&mut self, request: &mut InitRequest) -> Result<(), AppError> {
            request.replicas = Some(3);
            Ok(())
        }
    }

    fn kill_pods() -> InitRequest {
        InitRequest {
            url: Some("http://x/".to_owned()),
            fault: Some(FaultKind::KillPods),
            label_selector: Some("app=web".to_owned()),
            ..InitRequest::default()
        }
    }

    #[tokio::test]
    async fn file_that_another_command_writes_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("experiment.json");
        let _lock = OutputLock::acquire(&file).unwrap();
        let request = InitRequest { output: Some(file.clone()), force: true, ..kill_pods() };
        let error = init(&context(), request, None).await.unwrap_err();
        assert_eq!((error.code, error.hint.as_deref()), (ErrorCode::FileConflict, Some(OTHER_OUTPUT)));
        assert!(!file.exists());
    }

    #[tokio::test]
    async fn experiment_is_written_to_the_file_of_the_request() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("e.yaml");
        let request = InitRequest { output: Some(path.clone()), ..kill_pods() };
        let outcome = init(&context(), request.clone(), None).await.unwrap();
        assert_eq!((outcome.path.as_deref(), outcome.manifest), (Some(path.as_path()), None));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), outcome.text);
        // an existing file is refused before anything is asked
        let error = init(&context(), request, Some(&mut GivenAnswers(None))).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::FileConflict);
    }

    #[tokio::test]
    async fn prompts_supply_what_the_request_lacks() {
        let error = init(&context(), InitRequest::default(), None).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::InitInput);
        let mut prompts = GivenAnswers(Some(kill_pods()));
        let outcome = init(&context(), InitRequest::default(), Some(&mut prompts)).await.unwrap();
        assert!(outcome.path.is_none() && outcome.text.contains("\"kill-a-pod\""), "{}", outcome.text);
        // the cluster does not know the replicas
        let answers = InitRequest {
            fault: Some(FaultKind::ScaleToZero),
            label_selector: None,
            target: Some("web".to_owned()),
            ..kill_pods()
        };
        let mut prompts = GivenAnswers(Some(answers));
        let outcome = init(&context(), InitRequest::default(), Some(&mut prompts)).await.unwrap();
        assert!(outcome.text.contains("\"replicas\": 3"), "{}", outcome.text);
    }
}
