//! `kubectl chaos embedded serve`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::Value as Json;
use tempfile::NamedTempFile;

use super::CommandContext;
use crate::app::atomic_file::reason;
use crate::app::embedded_cluster::start_cluster;
use crate::app::{AppError, Outcome};
use crate::error_code::ErrorCode;

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

/// Serves until a signal arrives. Returns the exit code.
pub(super) fn embedded(session: &CommandContext, command: &EmbeddedCommand) -> u8 {
    let EmbeddedCommand::Serve(args) = command;
    match session.block_on(serve(session, args)) {
        Err(code) => code,
        Ok(Ok(())) => session.code(Outcome::Success),
        Ok(Err(error)) => session.fail(error.with_outcome(Outcome::Usage)),
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

async fn serve(session: &CommandContext, args: &ServeArgs) -> Result<(), AppError> {
    raise_limit();
    let shutdown = session.app.signals.end()?;
    let mut shutdown = std::pin::pin!(shutdown);
    let (_handle, listener) = tokio::select! {
        started = start_cluster(&session.app, &args.apply) => started?,
        _ = &mut shutdown => return Ok(()),
    };
    let path = session.app.connection.flags.kubeconfig.as_deref().unwrap_or(Path::new("embedded.kubeconfig"));
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    write_kubeconfig(&path, &listener.kubeconfig())?;
    let quoted = path.display().to_string();
    let quoted = shlex::try_quote(&quoted).map_err(|error| {
        AppError::new(ErrorCode::UsageInvalid, format!("invalid kubeconfig path '{quoted}': {error}"))
    })?;
    let output = format!("embedded cluster at https://{}\nexport KUBECONFIG={quoted}\n", listener.address);
    session.terminal.write_result(&output)?;
    shutdown.await;
    // the cluster is gone, so the file is useless
    let _ = std::fs::remove_file(&path);
    Ok(())
}

/// Writes a kubeconfig atomically, readable by its owner only.
fn write_kubeconfig(path: &Path, kubeconfig: &Json) -> Result<(), AppError> {
    let failed = |error: &dyn std::fmt::Display| {
        let message = format!("cannot write kubeconfig {}: {error}", path.display());
        AppError::new(ErrorCode::FileNotWritable, message)
    };
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(dir).map_err(|error| failed(&reason(&error)))?;
    let text = serde_yaml::to_string(kubeconfig).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    // never replace an existing kubeconfig
    file.persist_noclobber(path).map(drop).map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            let message = format!("kubeconfig {} already exists", path.display());
            AppError::new(ErrorCode::FileConflict, message)
                .with_hint("remove it, or choose another path with --kubeconfig")
        }
        _ => failed(&error.error),
    })
}
