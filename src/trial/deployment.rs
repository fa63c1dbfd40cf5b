//! Namespaces and objects of the runs of a trial: create, apply, wait, delete.
//!
//! Each change takes four steps: a [`PlannedChange`] is prepared, the caller records it, it is applied, and its effect
//! is observed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value as Json;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::Backup;
use super::capacity::SeparationCause;
use super::error::Error;
use super::manifest::{Manifest, localise};
use super::manifest_apply::TRIAL_LABEL;
use super::planned_change::{PlannedChange, ResolvedManifest};
use super::readiness::Workload;
use super::{capacity, leftovers, manifest_apply, readiness};
use crate::error_code::message_chain;
use crate::k8s;
use crate::k8s::{
    ClusterClient, DiscoveredKind, DiscoveredKinds, Metadata, MutationPlan, NAMESPACES, Resource, get_object,
};
use crate::mutation::{EffectState, StopToken};

/// Interval between two checks of readiness or deletion.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Time allowed until a change is observed.
const OBSERVE_TIMEOUT: Duration = Duration::from_secs(15);

/// Cluster in which the runs of a trial take place.
pub struct TrialCluster {
    cluster: Arc<ClusterClient>,
    /// Trial ID.
    trial: String,
    /// Held by the change in flight.
    in_flight: Arc<AsyncMutex<()>>,
    /// Stops the change in flight before its next operation.
    stop: Mutex<StopToken>,
}

impl TrialCluster {
    pub fn new(cluster: Arc<ClusterClient>, trial: String) -> Self {
        Self { cluster, trial, in_flight: Arc::default(), stop: Mutex::default() }
    }

    /// Captures a backup of the objects that manifests would replace in a namespace.
    pub async fn capture_backup(
        &self,
        namespace: &str,
        resolved: &[&ResolvedManifest],
    ) -> Result<Backup, Error> {
        let trial = self.trial.clone();
        Backup::capture(Arc::clone(&self.cluster), trial, namespace.to_owned(), resolved).await
    }

    /// Looks up the kinds of manifests. An error names the manifest with an unknown kind.
    pub async fn resolve(
        &self,
        kinds: &mut DiscoveredKinds,
        manifests: &[Manifest],
    ) -> Result<Vec<ResolvedManifest>, Error> {
        let mut resolved = Vec::new();
        for manifest in manifests {
            let text = |key: &str| manifest.object[key].as_str().unwrap_or_default();
            let kind = kinds.of(&self.cluster, text("apiVersion"), text("kind")).await;
            let kind = kind.map_err(|error| Error::from(error).of_object("apply", &manifest.place))?;
            resolved.push(ResolvedManifest { kind, manifest: manifest.clone() });
        }
        Ok(resolved)
    }

    /// Returns whether the server serves the kind of a manifest.
    pub async fn serves(&self, kinds: &mut DiscoveredKinds, manifest: &Manifest) -> Result<bool, Error> {
        let text = |key: &str| manifest.object[key].as_str().unwrap_or_default();
        match kinds.of(&self.cluster, text("apiVersion"), text("kind")).await {
            Ok(_) => Ok(true),
            Err(k8s::Error::UnknownKind { .. }) => Ok(false),
            // the whole group is unknown
            Err(error) if error.status() == Some(404) => Ok(false),
            Err(error) => Err(Error::from(error).of_object("apply", &manifest.place)),
        }
    }

    /// Plans to create the namespace of a run.
    pub fn namespace_plan(&self, name: &str, arm: &str) -> PlannedChange {
        PlannedChange::new(manifest_apply::plan_namespace(name, &self.trial, arm))
    }

    /// Plans to apply manifests in a namespace.
    pub fn application_plan(resolved: &[&ResolvedManifest], namespace: &str) -> PlannedChange {
        let localised = |one: &&ResolvedManifest| (one.kind.clone(), localise(&one.manifest, namespace));
        PlannedChange::new(manifest_apply::plan_apply(&resolved.iter().map(localised).collect::<Vec<_>>()))
    }

    /// Plans to create cluster-scoped objects, labelled with the trial. Existing objects are refused.
    pub async fn cluster_scoped_plan(&self, resolved: &[&ResolvedManifest]) -> Result<PlannedChange, Error> {
        let mut objects = Vec::new();
        for one in resolved {
            let mut object = one.manifest.object.clone();
            super::manifest::remove_server_fields(&mut object);
            let existing = get_object(&self.cluster, &one.kind, &object).await;
            match existing {
                Ok(None) => {}
                Ok(Some(_)) => {
                    return Err(Error::ClusterScopedExists { object: one.manifest.place.clone() });
                }
                Err(error) => return Err(Error::from(error).of_object("read", &one.manifest.place)),
            }
            manifest_apply::mark(&mut object, "labels", TRIAL_LABEL, &self.trial);
            objects.push((one.kind.clone(), object));
        }
        Ok(PlannedChange::new(manifest_apply::plan_apply(&objects)))
    }

    /// Applies a recorded change and waits until it is observed.
    ///
    /// Dropping the future does not cancel the request: [`Self::wait_for_inflight`] waits for it.
    pub async fn apply(&self, change: PlannedChange) -> Result<(), Error> {
        let plan = change.into_plan();
        if plan.operations.is_empty() {
            return Ok(());
        }
        let guard = Arc::clone(&self.in_flight).lock_owned().await;
        let stop = StopToken::default();
        *self.stop.lock() = stop.clone();
        let (cluster, requested) = (Arc::clone(&self.cluster), plan.clone());
        let task = tokio::spawn(async move {
            let applied = send_change(&requested, &cluster, &stop).await;
            drop(guard);
            applied
        });
        task.await.unwrap_or_else(|error| Err(Error::Aborted { reason: error.to_string() }))?;
        // boxed: the future is large
        let observation = Box::pin(plan.confirm(Arc::clone(&self.cluster)));
        let observed = tokio::time::timeout(OBSERVE_TIMEOUT, observation).await;
        match observed {
            Ok((EffectState::Confirmed, _)) => Ok(()),
            Ok((_, reason)) => Err(Error::NotObserved { reason }),
            Err(_) => Err(Error::ObserveTimeout { seconds: OBSERVE_TIMEOUT.as_secs() }),
        }
    }

    /// Stops an abandoned change before its next operation and waits for its requests.
    ///
    /// Returns whether they completed within the limit. Otherwise they can still take effect.
    pub async fn wait_for_inflight(&self, limit: Duration) -> bool {
        self.stop.lock().ask();
        tokio::time::timeout(limit, self.in_flight.lock()).await.is_ok()
    }

    /// Waits until everything in a namespace, or these workloads, are ready.
    pub async fn wait_until_ready(
        &self,
        namespace: &str,
        only: Option<&BTreeSet<Workload>>,
        limit: Duration,
    ) -> Result<(), Error> {
        let begin = Instant::now();
        loop {
            let pending = match readiness::list_unready(&self.cluster, namespace, only).await {
                Ok(unready) if unready.is_empty() => return Ok(()),
                Ok(unready) => unready.join(", "),
                Err(error) => message_chain(&Error::from(error)),
            };
            if begin.elapsed() >= limit {
                return Err(Error::NotReady { seconds: limit.as_secs_f64(), pending });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Returns why the Pods of both arms may not fit in the cluster at the same time, if so.
    pub async fn find_separation(
        &self,
        before: &[&ResolvedManifest],
        after: &[&ResolvedManifest],
    ) -> Option<SeparationCause> {
        let requests = |arm| capacity::find_exclusive(arm).map_or_else(|| capacity::read_requests(arm), Err);
        let (before, after) = match (requests(before), requests(after)) {
            (Ok(before), Ok(after)) => (before, after),
            (Err(cause), _) | (_, Err(cause)) => return Some(cause),
        };
        match capacity::read_room(&self.cluster).await {
            Ok(room) => (!room.holds(before, after)).then_some(SeparationCause::NoRoom),
            Err(cause) => Some(cause),
        }
    }

    /// Whether objects of these manifests use something that exists once, so that two namespaces cannot have it.
    pub fn is_exclusive(manifests: &[&ResolvedManifest]) -> bool {
        capacity::find_exclusive(manifests).is_some()
    }

    /// Counts the nodes; `None` if they cannot be listed.
    pub async fn count_nodes(&self) -> Option<u32> {
        readiness::count_nodes(&self.cluster).await
    }

    /// Lists the existing namespaces of this trial.
    pub async fn list_namespaces(&self) -> Result<Vec<Metadata>, Error> {
        Ok(leftovers::list_namespaces(&self.cluster, Some(&self.trial)).await?)
    }

    /// Plans to delete objects, each with its UID as a precondition.
    pub fn deletion_plan(objects: &[(Resource, Metadata)]) -> PlannedChange {
        PlannedChange::new(leftovers::plan_removal(objects))
    }

    /// Plans to delete namespaces.
    pub fn namespace_deletion_plan(namespaces: &[Metadata]) -> PlannedChange {
        let objects: Vec<_> = namespaces.iter().map(|namespace| (NAMESPACES, namespace.clone())).collect();
        Self::deletion_plan(&objects)
    }

    /// Waits until none of these namespaces of the trial exists, or none at all without names. Returns whether that
    /// happened within the limit.
    pub async fn wait_until_deleted(&self, names: Option<&[String]>, limit: Duration) -> bool {
        let begin = Instant::now();
        let is_awaited = |namespace: &Metadata| names.is_none_or(|names| names.contains(&namespace.name));
        loop {
            if self.list_namespaces().await.is_ok_and(|namespaces| !namespaces.iter().any(is_awaited)) {
                return true;
            }
            if begin.elapsed() >= limit {
                return false;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Lists cluster-scoped objects of these kinds that carry the label of this trial.
    pub async fn list_cluster_scoped(
        &self,
        kinds: &[DiscoveredKind],
    ) -> Result<Vec<(Resource, Metadata)>, Error> {
        let mut found = Vec::new();
        for kind in kinds {
            let objects =
                leftovers::list_labelled(&self.cluster, &kind.resource, None, Some(&self.trial)).await?;
            found.extend(objects.into_iter().map(|object| (kind.resource.clone(), object)));
        }
        Ok(found)
    }
}

/// Sends the requests of a change, once the service accounts of its Pods exist.
async fn send_change(plan: &MutationPlan, cluster: &ClusterClient, stop: &StopToken) -> Result<(), Error> {
    readiness::wait_for_service_accounts(plan, cluster, stop).await;
    plan.apply(cluster, stop, &|_| {}).await?;
    Ok(())
}

/// Returns the images of workloads in manifests, by kind and name.
pub fn workload_images<'a>(
    manifests: impl Iterator<Item = &'a Json>,
) -> std::collections::BTreeMap<String, String> {
    manifests.filter_map(super::manifest::images).collect()
}

/// Returns the replicas of workloads in manifests, by kind and name.
pub fn replica_counts<'a>(
    manifests: impl Iterator<Item = &'a Json>,
) -> std::collections::BTreeMap<String, i64> {
    manifests.filter_map(super::manifest::replica_count).collect()
}
