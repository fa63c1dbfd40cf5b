//! The command `embedded serve`, and the embedded cluster of `run --embedded`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::Value as Json;
use tempfile::{NamedTempFile, TempDir};

use super::CommandContext;
use super::demo_app::parse_container;
use super::error::CliError;
use super::exit_code::ExitStatus;
use super::manifest_files::read_all;
use super::report_files::reason;
use crate::console::{ConsoleLine, LineLevel};
use crate::embedded::{
    DemoAppRuntime, EmbeddedHandle, EmbeddedLimitation, EmbeddedOptions, Listener, SourcedObject,
};
use crate::error_code::ErrorCode;
use crate::trial::manifest::Manifest;

/// `embedded`.
#[derive(Debug, Subcommand)]
pub(super) enum EmbeddedCommand {
    /// Serve a new cluster until interrupted; write its kubeconfig to --kubeconfig [default: ./embedded.kubeconfig]
    Serve(ServeArgs),
}

/// `embedded serve`.
#[derive(clap::Args, Debug)]
pub(super) struct ServeArgs {
    /// Manifest file, directory (non-recursive) or kustomization to apply first. Repeatable
    #[arg(long, value_name = "PATH")]
    apply: Vec<PathBuf>,
}

/// An embedded cluster for one run.
pub(super) struct EmbeddedRun {
    /// The kubeconfig file, readable by its owner only.
    pub(super) kubeconfig: PathBuf,
    handle: EmbeddedHandle,
    _dir: TempDir,
}

impl EmbeddedRun {
    /// Starts a cluster, applies the manifests, and waits until their Deployments are ready.
    pub(super) async fn start(session: &CommandContext, manifests: &[PathBuf]) -> Result<Self, CliError> {
        let (handle, listener) = start_cluster(session, manifests).await?;
        let failed = |error: std::io::Error| {
            let message = format!("cannot write the kubeconfig of the embedded cluster: {error}");
            CliError::new(ErrorCode::FileNotWritable, message).with_status(ExitStatus::Unreachable)
        };
        let dir = tempfile::Builder::new().prefix("kubectl-chaos-").tempdir().map_err(failed)?;
        let kubeconfig = dir.path().join("kubeconfig");
        std::fs::write(&kubeconfig, listener.kubeconfig().to_string()).map_err(failed)?;
        Ok(Self { kubeconfig, handle, _dir: dir })
    }

    /// Applies more manifests, and waits until all Deployments are ready.
    pub(super) async fn apply(
        &self,
        session: &CommandContext,
        manifests: &[PathBuf],
    ) -> Result<(), CliError> {
        let manifests = read_manifests(session, manifests)?;
        let namespace = session.connection.namespace().unwrap_or("default");
        let warn = |limitation| warn(session, &limitation);
        Ok(self.handle.apply_and_wait(namespace, objects(&manifests), warn).await?)
    }
}

/// Serves until a signal arrives. Returns the exit code.
pub(super) fn embedded(session: &CommandContext, command: &EmbeddedCommand) -> u8 {
    let EmbeddedCommand::Serve(args) = command;
    match session.to_its_end(serve(session, args)) {
        Err(code) => code,
        Ok(Ok(())) => session.code(ExitStatus::Fine),
        Ok(Err(error)) => session.fail(error.with_status(ExitStatus::Usage)),
    }
}

/// Raises the limit of open files to the maximum: each listening Pod needs a file descriptor.
#[cfg(unix)]
fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // if the limit is still too low, the affected Pod reports it
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Does nothing: Windows has no such limit.
#[cfg(not(unix))]
fn raise_limit() {}

async fn serve(session: &CommandContext, args: &ServeArgs) -> Result<(), CliError> {
    raise_limit();
    let shutdown = session.signals.end()?;
    let mut shutdown = std::pin::pin!(shutdown);
    let (_handle, listener) = tokio::select! {
        started = start_cluster(session, &args.apply) => started?,
        _ = &mut shutdown => return Ok(()),
    };
    let path = session.connection.kubeconfig().unwrap_or(Path::new("embedded.kubeconfig"));
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    write_kubeconfig(&path, &listener.kubeconfig())?;
    let quoted = path.display().to_string();
    let quoted = shlex::try_quote(&quoted).map_err(|error| {
        CliError::new(ErrorCode::UsageInvalid, format!("invalid kubeconfig path '{quoted}': {error}"))
    })?;
    let output = format!("embedded cluster at https://{}\nexport KUBECONFIG={quoted}\n", listener.address);
    session.terminal.result(&output)?;
    shutdown.await;
    // the cluster is gone, so the file is useless
    let _ = std::fs::remove_file(&path);
    Ok(())
}

/// Writes a kubeconfig atomically, readable by its owner only.
fn write_kubeconfig(path: &Path, kubeconfig: &Json) -> Result<(), CliError> {
    let failed = |error: &dyn std::fmt::Display| {
        let message = format!("cannot write kubeconfig {}: {error}", path.display());
        CliError::new(ErrorCode::FileNotWritable, message)
    };
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(dir).map_err(|error| failed(&reason(&error)))?;
    let text = serde_yaml::to_string(kubeconfig).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    // never replace an existing kubeconfig
    file.persist_noclobber(path).map(drop).map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            let message = format!("kubeconfig {} already exists", path.display());
            CliError::new(ErrorCode::FileConflict, message)
                .with_hint("remove it, or choose another path with --kubeconfig")
        }
        _ => failed(&error.error),
    })
}

/// Starts a cluster with a listener, and applies the manifests.
async fn start_cluster(
    session: &CommandContext,
    manifests: &[PathBuf],
) -> Result<(EmbeddedHandle, Listener), CliError> {
    let manifests = read_manifests(session, manifests)?;
    let seed = session.connection.seed().unwrap_or_default();
    let note = format!("starting an embedded cluster, seed {seed}; no other cluster is used");
    session.terminal.say(&ConsoleLine::note(LineLevel::Info, note));
    let options = EmbeddedOptions {
        seed,
        workloads: Box::new(DemoAppRuntime::new(parse_container)),
        ..EmbeddedOptions::default()
    };
    let namespace = session.connection.namespace().unwrap_or("default");
    let warn = |limitation| warn(session, &limitation);
    Ok(EmbeddedHandle::start_with_objects(options, namespace, objects(&manifests), warn).await?)
}

/// Shows what the cluster leaves out.
pub(super) fn warn(session: &CommandContext, limitation: &EmbeddedLimitation) {
    session.terminal.say(&ConsoleLine::note(LineLevel::Warning, limitation.to_string()));
}

fn read_manifests(session: &CommandContext, paths: &[PathBuf]) -> Result<Vec<Manifest>, CliError> {
    read_all(session, paths).map_err(CliError::from)
}

fn objects(manifests: &[Manifest]) -> impl Iterator<Item = SourcedObject<'_>> {
    manifests.iter().map(|manifest| (manifest.place.as_str(), &manifest.object))
}
