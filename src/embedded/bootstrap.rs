//! Starts a cluster with a listener and initial objects.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::error::EmbeddedError;
use super::{EmbeddedCluster, EmbeddedHandle, EmbeddedOptions, Listener};

/// The time limit for Deployments to become ready.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// The interval of readiness checks.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// An object to apply, and where it comes from.
pub type SourcedObject<'a> = (&'a str, &'a Json);

impl EmbeddedHandle {
    /// Starts a cluster with a listener, applies the objects in `namespace`, and waits until Deployments are ready.
    pub async fn start_with_objects(
        options: EmbeddedOptions,
        namespace: &str,
        objects: impl IntoIterator<Item = SourcedObject<'_>>,
    ) -> Result<(Self, Listener), EmbeddedError> {
        let handle = EmbeddedCluster::start(options);
        let listener = Listener::start(&handle).await?;
        if namespace != "default" {
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            handle.apply_from("--namespace", &object, namespace)?;
        }
        handle.apply_and_wait(namespace, objects).await?;
        Ok((handle, listener))
    }

    /// Applies the objects, and waits until all Deployments are ready.
    pub async fn apply_and_wait(
        &self,
        namespace: &str,
        objects: impl IntoIterator<Item = SourcedObject<'_>>,
    ) -> Result<(), EmbeddedError> {
        for (origin, object) in objects {
            self.apply_from(origin, object, namespace)?;
        }
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            let workloads = self.unready_deployments();
            if workloads.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(EmbeddedError::NotReady { seconds: READY_TIMEOUT.as_secs(), workloads });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn apply_from(&self, origin: &str, object: &Json, namespace: &str) -> Result<(), EmbeddedError> {
        self.apply(object.clone(), namespace)
            .map_err(|status| EmbeddedError::Apply { origin: origin.to_owned(), status: Box::new(status) })
    }
}
