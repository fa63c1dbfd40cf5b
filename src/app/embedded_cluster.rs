//! An embedded cluster in this process, for one run, one trial, or until a signal arrives.

use std::path::PathBuf;

use tempfile::TempDir;

use super::context::AppContext;
use super::error::AppError;
use super::manifest_files::read_manifests;
use super::outcome::Outcome;
use super::reporter::Reporter;
use crate::console::{ConsoleLine, LineLevel};
use crate::embedded::{
    DemoAppRuntime, EmbeddedHandle, EmbeddedLimitation, EmbeddedOptions, Listener, SourcedObject,
};
use crate::error_code::ErrorCode;
use crate::trial::manifest::Manifest;

/// An embedded cluster for one run.
pub(crate) struct EmbeddedRun {
    /// The kubeconfig file, readable by its owner only.
    pub(crate) kubeconfig: PathBuf,
    handle: EmbeddedHandle,
    _dir: TempDir,
}

impl EmbeddedRun {
    /// Starts a cluster, applies the manifests, and waits until their workloads are ready.
    pub(crate) async fn start(context: &AppContext, manifests: &[PathBuf]) -> Result<Self, AppError> {
        let (handle, listener) = start_cluster(context, manifests).await?;
        let failed = |error: std::io::Error| {
            let message = format!("cannot write the kubeconfig of the embedded cluster: {error}");
            AppError::new(ErrorCode::FileNotWritable, message).with_outcome(Outcome::Unreachable)
        };
        let dir = tempfile::Builder::new().prefix("kubectl-chaos-").tempdir().map_err(failed)?;
        let kubeconfig = dir.path().join("kubeconfig");
        std::fs::write(&kubeconfig, listener.kubeconfig().to_string()).map_err(failed)?;
        Ok(Self { kubeconfig, handle, _dir: dir })
    }

    /// Applies more manifests, and waits until all workloads are ready.
    pub(crate) async fn apply(&self, context: &AppContext, manifests: &[PathBuf]) -> Result<(), AppError> {
        let manifests = read_manifests(context, manifests)?;
        let namespace = context.connection.namespace().unwrap_or("default");
        let warn = |limitation| warn(&*context.reporter, &limitation);
        Ok(self.handle.apply_and_wait(namespace, objects(&manifests), warn).await?)
    }
}

/// Shows what the cluster leaves out.
pub(super) fn warn(reporter: &dyn Reporter, limitation: &EmbeddedLimitation) {
    reporter.show(&ConsoleLine::note(LineLevel::Warning, limitation.to_string()));
}

/// Starts a cluster with a listener, and applies the manifests.
pub(crate) async fn start_cluster(
    context: &AppContext,
    manifests: &[PathBuf],
) -> Result<(EmbeddedHandle, Listener), AppError> {
    let manifests = read_manifests(context, manifests)?;
    let seed = context.connection.seed.unwrap_or_default();
    let note = format!("starting an embedded cluster, seed {seed}; no other cluster is used");
    context.reporter.show(&ConsoleLine::note(LineLevel::Info, note));
    let options = EmbeddedOptions {
        seed,
        workloads: Box::new(DemoAppRuntime::new(context.parse_container)),
        ..EmbeddedOptions::default()
    };
    let namespace = context.connection.namespace().unwrap_or("default");
    let warn = |limitation| warn(&*context.reporter, &limitation);
    Ok(EmbeddedHandle::start_with_objects(options, namespace, objects(&manifests), warn).await?)
}

fn objects(manifests: &[Manifest]) -> impl Iterator<Item = SourcedObject<'_>> {
    manifests.iter().map(|manifest| (manifest.place.as_str(), &manifest.object))
}
