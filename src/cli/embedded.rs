//! The embedded cluster: `embedded serve`, and what `run --embedded` rehearses on. Floor 3.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde_json::{Value as Json, json};
use tempfile::{NamedTempFile, TempDir};
use tokio::sync::oneshot;
use url::Url;

use super::CommandContext;
use super::demo_app::{DEFAULT_PROVIDER, DemoAppCommand, PROVIDER_ENV};
use super::exit_code::ExitStatus;
use super::manifest_files::read_all;
use super::report_files::reason;
use crate::console::{ConsoleLine, LineLevel};
use crate::demo_app::{Application, DemoProvider, DemoServer};
use crate::embedded::{
    ContainerRuntime, EmbeddedCluster, EmbeddedHandle, EmbeddedOptions, Listener, PortBinding, StartFuture,
};
use crate::trial::manifest::Manifest;

/// The image whose containers run: the sample application's.
const IMAGE: &str = "ghcr.io/kubectl-chaos/kubectl-chaos";
/// How long Deployments may take that are there from the beginning.
const READY: Duration = Duration::from_secs(30);

/// `embedded`.
#[derive(Debug, Subcommand)]
pub(super) enum EmbeddedCommand {
    /// Serve a fresh cluster until a signal comes; its kubeconfig goes to --kubeconfig, else ./embedded.kubeconfig
    Serve(ServeArgs),
}

/// `embedded serve`.
#[derive(clap::Args, Debug)]
pub(super) struct ServeArgs {
    /// Manifests that the cluster begins with: a file, or a folder without its subfolders; may be repeated
    #[arg(long, value_name = "DIR")]
    apply: Vec<PathBuf>,
}

/// A cluster of its own for a run, which ends with it.
pub(super) struct EmbeddedRun {
    /// Its kubeconfig. Nobody else can read it.
    pub(super) kubeconfig: PathBuf,
    handle: EmbeddedHandle,
    _folder: TempDir,
}

impl EmbeddedRun {
    /// Starts a cluster with manifests, and waits until their Deployments are complete. An error says why not, with the
    /// exit code for it.
    pub(super) async fn start(
        session: &CommandContext,
        manifests: &[PathBuf],
    ) -> Result<Self, (ExitStatus, String)> {
        let (handle, listener) = cluster(session, manifests).await?;
        let failed = |error: std::io::Error| {
            let why = format!("the kubeconfig of the embedded cluster cannot be written: {error}");
            (ExitStatus::Unreachable, why)
        };
        let folder = tempfile::Builder::new().prefix("kubectl-chaos-").tempdir().map_err(failed)?;
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, listener.kubeconfig().to_string()).map_err(failed)?;
        Ok(Self { kubeconfig, handle, _folder: folder })
    }

    /// Applies more, and waits until the Deployments are complete.
    pub(super) async fn apply(&self, session: &CommandContext, manifests: &[PathBuf]) -> Result<(), String> {
        let objects = read_all(session, manifests)?;
        for manifest in &objects {
            apply(&self.handle, manifest, session.connection.namespace().unwrap_or("default"))?;
        }
        complete(&self.handle).await
    }
}

/// Serves until a signal comes. Gives the exit code.
pub(super) fn embedded(session: &CommandContext, command: &EmbeddedCommand) -> u8 {
    let EmbeddedCommand::Serve(args) = command;
    match session.to_its_end(serve(session, args)) {
        Err(code) => code,
        Ok(Ok(())) => session.code(ExitStatus::Fine),
        Ok(Err(error)) => session.refuse(ExitStatus::Usage, error),
    }
}

/// Raises the limit of open files to the maximum: each Pod that listens needs a descriptor.
#[cfg(unix)]
fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // where there are too few in the end, the Pod that has none says so
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Does nothing: Windows has no such limit.
#[cfg(not(unix))]
fn raise_limit() {}

async fn serve(session: &CommandContext, args: &ServeArgs) -> Result<(), String> {
    raise_limit();
    let mut end =
        std::pin::pin!(session.signals.end().map_err(|error| format!("signals cannot be heard: {error}"))?);
    let started = tokio::select! {
        started = cluster(session, &args.apply) => started.map_err(|(_, error)| error)?,
        _ = &mut end => return Ok(()),
    };
    let (_handle, listener) = started;
    let path = session.connection.kubeconfig().unwrap_or(Path::new("embedded.kubeconfig"));
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    write(&path, &listener.kubeconfig())?;
    let told = format!(
        "an embedded cluster is at https://{}\nexport KUBECONFIG={}\n",
        listener.address,
        shlex::try_quote(&path.display().to_string()).map_err(|error| error.to_string())?
    );
    session.terminal.result(&told).map_err(|error| format!("the answer cannot be written: {error}"))?;
    end.await;
    // nobody can use it any more
    let _ = std::fs::remove_file(&path);
    Ok(())
}

/// Writes a kubeconfig that only its owner can read, whole or not at all.
fn write(path: &Path, kubeconfig: &Json) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| {
        format!("the kubeconfig {} cannot be written: {error}", path.display())
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder).map_err(|error| failed(&reason(&error)))?;
    let text = serde_yaml::to_string(kubeconfig).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    // somebody's own kubeconfig stays what it is
    file.persist_noclobber(path).map(drop).map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            format!(
                "the kubeconfig {} is there already: remove it, or name another one with --kubeconfig",
                path.display()
            )
        }
        _ => failed(&error.error),
    })
}

/// A cluster that listens and has what manifests say.
async fn cluster(
    session: &CommandContext,
    manifests: &[PathBuf],
) -> Result<(EmbeddedHandle, Listener), (ExitStatus, String)> {
    let wrong = |error: String| (ExitStatus::Usage, error);
    let failed = |error: String| (ExitStatus::Unreachable, error);
    let objects = read_all(session, manifests).map_err(wrong)?;
    let seed = session.connection.seed().unwrap_or_default();
    let note = |text: String| session.terminal.say(&ConsoleLine::note(LineLevel::Info, text));
    note(format!("a fresh embedded cluster, seed {seed}: nothing else is touched"));
    let handle = EmbeddedCluster::start(EmbeddedOptions {
        seed,
        workloads: Box::new(DemoAppRuntime),
        ..EmbeddedOptions::default()
    });
    let listener = Listener::start(&handle).await.map_err(failed)?;
    let namespace = session.connection.namespace().unwrap_or("default");
    if namespace != "default" {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        apply(&handle, &Manifest { place: "--namespace".to_owned(), object }, namespace).map_err(wrong)?;
    }
    for manifest in &objects {
        apply(&handle, manifest, namespace).map_err(wrong)?;
    }
    complete(&handle).await.map_err(failed)?;
    Ok((handle, listener))
}

/// Waits until all Deployments are complete.
async fn complete(handle: &EmbeddedHandle) -> Result<(), String> {
    let end = tokio::time::Instant::now() + READY;
    loop {
        let unfinished = handle.unready_deployments();
        if unfinished.is_empty() {
            return Ok(());
        }
        if tokio::time::Instant::now() >= end {
            return Err(format!("not complete after {} s: {}", READY.as_secs(), unfinished.join(", ")));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn apply(handle: &EmbeddedHandle, manifest: &Manifest, namespace: &str) -> Result<(), String> {
    let applied = handle.apply(manifest.object.clone(), namespace);
    applied.map_err(|status| format!("{}: {} ({})", manifest.place, status.message, status.reason))
}

/// Containers of the sample application run, others only seem to.
struct DemoAppRuntime;

/// The arguments of a container, read as this program's own.
#[derive(Parser)]
struct ContainerCommandLine {
    #[command(subcommand)]
    command: ContainerCommand,
}

#[derive(Subcommand)]
enum ContainerCommand {
    SampleApp {
        #[command(subcommand)]
        part: DemoAppCommand,
    },
}

impl ContainerRuntime for DemoAppRuntime {
    fn start<'a>(
        &'a self,
        cluster: &'a Arc<EmbeddedCluster>,
        namespace: &'a str,
        container: &'a Json,
        end: oneshot::Receiver<()>,
    ) -> StartFuture<'a> {
        Box::pin(async move {
            let image = container["image"].as_str().unwrap_or_default();
            if image.split([':', '@']).next() != Some(IMAGE) {
                return Ok(None);
            }
            let words = container["args"].as_array().into_iter().flatten().filter_map(Json::as_str);
            let arguments =
                ContainerCommandLine::try_parse_from(std::iter::once("kubectl-chaos").chain(words));
            let ContainerCommand::SampleApp { part } = arguments.map_err(|error| error.to_string())?.command;
            let port = part.listen_address().port();
            match part {
                DemoAppCommand::Provider { .. } => listen(port, DemoProvider, end).await,
                DemoAppCommand::Consumer(args) => {
                    let provider = provider(cluster, namespace, container)?;
                    listen(port, args.build_consumer(&provider)?, end).await
                }
            }
        })
    }
}

/// The provider that a container is told to ask, as an address on loopback when it is a Service.
fn provider(cluster: &Arc<EmbeddedCluster>, namespace: &str, container: &Json) -> Result<String, String> {
    let mut variables = container["env"].as_array().into_iter().flatten();
    let given = variables.find(|variable| variable["name"] == PROVIDER_ENV);
    let text = given.and_then(|variable| variable["value"].as_str()).unwrap_or(DEFAULT_PROVIDER);
    let mut url = Url::parse(text).map_err(|error| format!("{PROVIDER_ENV}={text}: {error}"))?;
    let (Some(url::Host::Domain(host)), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return Ok(text.to_owned());
    };
    let Some(address) = cluster.resolve(host, port, namespace) else { return Ok(text.to_owned()) };
    let address = address.map_err(|error| format!("{text}: {error}"))?;
    let changed = url.set_ip_host(address.ip()).and_then(|()| url.set_port(Some(address.port())));
    changed.map_err(|()| format!("{text} has no place for a port"))?;
    Ok(url.into())
}

async fn listen(
    port: u16,
    application: impl Application,
    end: oneshot::Receiver<()>,
) -> Result<Option<PortBinding>, String> {
    let server = DemoServer::bind(([127, 0, 0, 1], 0).into())
        .await
        .map_err(|error| format!("cannot listen: {error}"))?;
    let real = server.address();
    tokio::spawn(server.serve(application, end));
    Ok(Some(PortBinding { port, real }))
}
