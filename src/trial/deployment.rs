//! Where the runs of a trial take place: a namespace that comes, is filled, becomes ready, and goes. Floor 2.
//!
//! Each change of the cluster has its four steps: it is a [`Plan`](crate::k8s::Plan) that was prepared from
//! what is there, the caller records it, it is applied, and it is looked at whether it took effect.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value as Json;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::Backup;
use super::manifest::{Manifest, localise};
use super::manifest_apply::TRIAL_LABEL;
use super::readiness::Workload;
use super::{leftovers, manifest_apply, readiness};
use crate::k8s::{
    ClusterClient, DiscoveredKind, DiscoveredKinds, Metadata, MutationPlan, NAMESPACES, Resource, get_object,
};
use crate::mutation::{EffectState, StopToken, Target};

/// How often it is looked whether something is ready, or gone.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long it may take until something that was done is to be seen.
const SEEN: Duration = Duration::from_secs(15);

/// A manifest, and what the server knows of its kind.
#[derive(Clone, Debug)]
pub struct ResolvedManifest {
    /// What the server knows.
    pub known: DiscoveredKind,
    /// The manifest.
    pub manifest: Manifest,
}

/// A cluster on which trials take place.
pub struct TrialCluster {
    cluster: Arc<ClusterClient>,
    /// Tells trials apart.
    trial: String,
    /// Held by the change that is under way.
    changing: Arc<AsyncMutex<()>>,
    /// What ends that change early.
    halt: Mutex<StopToken>,
}

/// A change that is known, and was not made yet: to be recorded first.
pub struct PlannedChange(MutationPlan);

impl PlannedChange {
    pub(super) fn new(plan: MutationPlan) -> Self {
        Self(plan)
    }

    /// What it will touch.
    pub fn targets(&self) -> Vec<Target> {
        self.0.targets()
    }
}

impl TrialCluster {
    /// Trials of that name, on that cluster.
    pub fn new(cluster: Arc<ClusterClient>, trial: String) -> Self {
        Self { cluster, trial, changing: Arc::default(), halt: Mutex::default() }
    }

    /// What stands under the names of manifests in a namespace.
    pub async fn standing(&self, namespace: &str, resolved: &[&ResolvedManifest]) -> Result<Backup, String> {
        let trial = self.trial.clone();
        Backup::look(Arc::clone(&self.cluster), trial, namespace.to_owned(), resolved).await
    }

    /// What the server knows of the kinds of manifests. An error names the one that it does not know.
    pub async fn resolve(
        &self,
        kinds: &mut DiscoveredKinds,
        manifests: &[Manifest],
    ) -> Result<Vec<ResolvedManifest>, String> {
        let mut resolved = Vec::new();
        for manifest in manifests {
            let text = |key: &str| manifest.object[key].as_str().unwrap_or_default();
            let known = kinds.of(&self.cluster, text("apiVersion"), text("kind")).await;
            let known = known.map_err(|failure| format!("{}: {}", manifest.place, failure.summary()))?;
            resolved.push(ResolvedManifest { known, manifest: manifest.clone() });
        }
        Ok(resolved)
    }

    /// A namespace for a run.
    pub fn namespace(&self, name: &str, arm: &str) -> PlannedChange {
        PlannedChange(manifest_apply::plan_namespace(name, &self.trial, arm))
    }

    /// Objects in a namespace.
    pub fn objects(resolved: &[&ResolvedManifest], namespace: &str) -> PlannedChange {
        let fit = |one: &&ResolvedManifest| (one.known.clone(), localise(&one.manifest, namespace));
        PlannedChange(manifest_apply::plan_apply(&resolved.iter().map(fit).collect::<Vec<_>>()))
    }

    /// Objects of the whole cluster, marked as this trial's. What is there already is refused: it is somebody's.
    pub async fn of_the_cluster(&self, resolved: &[&ResolvedManifest]) -> Result<PlannedChange, String> {
        let mut objects = Vec::new();
        for one in resolved {
            let mut object = one.manifest.object.clone();
            super::manifest::clean(&mut object);
            let there = get_object(&self.cluster, &one.known, &object).await;
            match there {
                Ok(None) => {}
                Ok(Some(_)) => {
                    return Err(format!(
                        "{}: it is in the cluster already, and a trial would change it for everybody: leave it out",
                        one.manifest.place
                    ));
                }
                Err(failure) => {
                    return Err(format!("{}: {}", one.manifest.place, failure.summary()));
                }
            }
            manifest_apply::mark(&mut object, "labels", TRIAL_LABEL, &self.trial);
            objects.push((one.known.clone(), object));
        }
        Ok(PlannedChange(manifest_apply::plan_apply(&objects)))
    }

    /// Makes a change that was recorded, and waits until it is to be seen. Whoever does not wait that long cuts
    /// nothing off that was sent: [`Stage::settle`] waits for it.
    pub async fn make(&self, intent: PlannedChange) -> Result<(), String> {
        let PlannedChange(plan) = intent;
        if plan.operations.is_empty() {
            return Ok(());
        }
        let held = Arc::clone(&self.changing).lock_owned().await;
        let halt = StopToken::default();
        *self.halt.lock() = halt.clone();
        let (cluster, asked) = (Arc::clone(&self.cluster), plan.clone());
        let applied = tokio::spawn(async move {
            let applied = apply(&asked, &cluster, &halt).await;
            drop(held);
            applied
        });
        applied.await.unwrap_or_else(|error| Err(format!("the change broke off: {error}")))?;
        let seen = tokio::time::timeout(SEEN, plan.confirm(Arc::clone(&self.cluster))).await;
        match seen {
            Ok((EffectState::Confirmed, _)) => Ok(()),
            Ok((_, why)) => Err(why),
            Err(_) => Err(format!("it is not to be seen after {} s", SEEN.as_secs())),
        }
    }

    /// Lets a change that nobody waits for any more begin nothing else, and waits for what it has asked for. Whether
    /// that came to its end in time: what did not may come about later.
    pub async fn settle(&self, limit: Duration) -> bool {
        self.halt.lock().ask();
        tokio::time::timeout(limit, self.changing.lock()).await.is_ok()
    }

    /// Waits until everything in a namespace, or these workloads, are complete. An error says what is not.
    pub async fn ready(
        &self,
        namespace: &str,
        only: Option<&BTreeSet<Workload>>,
        limit: Duration,
    ) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let unfinished = readiness::list_unready(&self.cluster, namespace, only).await;
            let why = match unfinished {
                Ok(unfinished) if unfinished.is_empty() => return Ok(()),
                Ok(unfinished) => unfinished.join(", "),
                Err(failure) => failure.summary(),
            };
            if begun.elapsed() >= limit {
                return Err(format!("not complete after {} s: {why}", limit.as_secs_f64()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// How many nodes there are; nothing where they may not be listed.
    pub async fn nodes(&self) -> Option<u32> {
        readiness::count_nodes(&self.cluster).await
    }

    /// The namespaces of this trial that are there.
    pub async fn namespaces(&self) -> Result<Vec<Metadata>, String> {
        let all = leftovers::list_namespaces(&self.cluster, Some(&self.trial)).await;
        all.map_err(|failure| failure.summary())
    }

    /// Things that are to go, each only as long as it is the one that was found.
    pub fn removal(things: &[(Resource, Metadata)]) -> PlannedChange {
        PlannedChange(leftovers::plan_removal(things))
    }

    /// The same of namespaces.
    pub fn removal_of(namespaces: &[Metadata]) -> PlannedChange {
        let things: Vec<_> = namespaces.iter().map(|one| (NAMESPACES, one.clone())).collect();
        Self::removal(&things)
    }

    /// Waits until no namespace of the trial is there any more. Whether that came about in time.
    pub async fn gone(&self, limit: Duration) -> bool {
        let begun = Instant::now();
        loop {
            if self.namespaces().await.is_ok_and(|left| left.is_empty()) {
                return true;
            }
            if begun.elapsed() >= limit {
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Things of the whole cluster that bear the mark of this trial, of these kinds.
    pub async fn marked(&self, kinds: &[DiscoveredKind]) -> Result<Vec<(Resource, Metadata)>, String> {
        let mut found = Vec::new();
        for kind in kinds {
            let things =
                leftovers::list_labelled(&self.cluster, &kind.resource, None, Some(&self.trial)).await;
            let things = things.map_err(|failure| failure.summary())?;
            found.extend(things.into_iter().map(|thing| (kind.resource.clone(), thing)));
        }
        Ok(found)
    }
}

/// Applies a change, once the service accounts of its Pods exist.
async fn apply(plan: &MutationPlan, cluster: &ClusterClient, halt: &StopToken) -> Result<(), String> {
    readiness::wait_for_service_accounts(plan, cluster, halt).await;
    plan.apply(cluster, halt, &|_, _| {}).await.map(drop).map_err(|error| error.summary())
}

/// The replicas that manifests ask for.
pub fn replicas<'a>(manifests: impl Iterator<Item = &'a Json>) -> std::collections::BTreeMap<String, i64> {
    manifests.filter_map(super::manifest::replicas).collect()
}
