//! What stands where a trial in place puts its own: kept in the cluster, and put back afterwards. Floor 2.
//!
//! It is kept in a Secret, as there may be Secrets among it, and where `recover` finds it when this program was
//! killed. What did not stand there is removed again.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value as Json, json};

use super::backup_entry::{self, BackupEntry, Provenance, RestoreAction, TrialMark};
use super::deployment::{PlannedChange, ResolvedManifest};
use super::manifest::{clean, localise};
use super::readiness::Workload;
use super::{leftovers, manifest_apply};
use crate::k8s::{
    ClusterClient, DiscoveredKind, DiscoveredKinds, Metadata, MutationPlan, MutationResponse,
    PlannedMutation, get_object,
};

/// What stood in a namespace, under the names that a trial uses.
pub struct Backup {
    cluster: Arc<ClusterClient>,
    trial: String,
    namespace: String,
    kept: Vec<BackupEntry>,
    /// Of what is kept: what the trial puts in place bears it.
    digest: String,
    source: BackupSource,
}

/// Where it is known from: that decides how far it is believed.
enum BackupSource {
    /// This process looked at it: what the Secret is to have, and what was put in place since.
    Own { data: Json, applied: Mutex<BTreeSet<Workload>> },
    /// It was read from a Secret, for which the folder of the trial vouches or not.
    Secret { metadata: Metadata, is_vouched: bool },
}

/// What the folder of a trial knows of the Secret that the trial has written.
pub struct BackupProof {
    /// The namespace of the trial in place.
    pub namespace: String,
    /// The digest of what it keeps.
    pub digest: String,
}

/// A Secret that passes for one of a trial, and is none.
pub struct InvalidBackup {
    /// What it is.
    pub metadata: Metadata,
    /// By what it is seen.
    pub why: String,
}

/// What becomes of one object that is kept.
pub struct RestorePlan {
    /// Its version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub fate: RestoreAction,
}

impl Backup {
    /// Looks at what stands there. Nothing is changed.
    pub async fn look(
        cluster: Arc<ClusterClient>,
        trial: String,
        namespace: String,
        resolved: &[&ResolvedManifest],
    ) -> Result<Self, String> {
        let mut kept: Vec<BackupEntry> = Vec::new();
        for one in resolved {
            let object = localise(&one.manifest, &namespace);
            let (kind, name) = workload(one);
            let api_version = one.known.resource.api_version();
            if kept.iter().any(|known| (&known.kind, &known.name) == (&kind, &name)) {
                continue;
            }
            let found = get_object(&cluster, &one.known, &object).await;
            let mut original =
                found.map_err(|failure| format!("{}: {}", one.manifest.place, failure.summary()))?;
            let uid =
                original.as_ref().and_then(|found| found["metadata"]["uid"].as_str()).map(str::to_owned);
            original.iter_mut().for_each(clean);
            kept.push(BackupEntry { api_version, kind, name, original, uid });
        }
        if kept.len() > backup_entry::MOST_OBJECTS {
            return Err(format!("a trial in place replaces {} objects at most", backup_entry::MOST_OBJECTS));
        }
        let (data, digest) = backup_entry::write(&kept)?;
        let source = BackupSource::Own { data, applied: Mutex::default() };
        Ok(Self { cluster, trial, namespace, kept, digest, source })
    }

    /// What trials in place left behind in a namespace, or in all of them: of one trial, or of all. What only looks
    /// like it stands beside.
    pub async fn left(
        cluster: &Arc<ClusterClient>,
        namespace: Option<&str>,
        trial: Option<&str>,
        voucher: Option<&BackupProof>,
    ) -> Result<(Vec<Self>, Vec<InvalidBackup>), String> {
        let secrets =
            leftovers::list_secrets(cluster, namespace, trial).await.map_err(|failure| failure.summary())?;
        let (mut found, mut misfits) = (Vec::new(), Vec::new());
        for (metadata, secret) in secrets.into_iter().filter(|(_, secret)| backup_entry::is_keeper(secret)) {
            let namespace = metadata.namespace.clone().unwrap_or_default();
            let voucher = voucher.filter(|voucher| voucher.namespace == namespace);
            let vouched = |(kept, digest): (Vec<BackupEntry>, String)| match voucher {
                Some(voucher) if voucher.digest != digest => {
                    Err("it keeps something else than the folder of the trial says".to_owned())
                }
                _ => Ok((kept, digest)),
            };
            match backup_entry::read(&secret).and_then(vouched) {
                Err(why) => misfits.push(InvalidBackup { metadata, why }),
                Ok((kept, digest)) => found.push(Self {
                    cluster: Arc::clone(cluster),
                    trial: metadata.trial().unwrap_or_default().to_owned(),
                    namespace,
                    kept,
                    digest,
                    source: BackupSource::Secret { metadata, is_vouched: voucher.is_some() },
                }),
            }
        }
        Ok((found, misfits))
    }

    /// The name of what it is kept in.
    pub fn name(&self) -> String {
        backup_entry::secret_name(&self.trial)
    }

    /// The trial that replaced it.
    pub fn trial(&self) -> &str {
        &self.trial
    }

    /// Since when it is kept, where that is known.
    pub fn since(&self) -> Option<&str> {
        match &self.source {
            BackupSource::Own { .. } => None,
            BackupSource::Secret { metadata, .. } => metadata.creation_timestamp.as_deref(),
        }
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The digest of what is kept. It says nothing of it to those who do not know it.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What will be replaced, and what will be new there: kinds and names.
    pub fn shown(&self) -> Vec<String> {
        let what = |one: &BackupEntry| if one.original.is_some() { "replaces" } else { "adds" };
        self.kept.iter().map(|one| format!("{} {} {}", what(one), one.kind, one.name)).collect()
    }

    /// Everything that is kept, by kind and name.
    pub fn workloads(&self) -> BTreeSet<Workload> {
        self.kept.iter().map(named).collect()
    }

    /// Keeps it in the cluster.
    pub fn keep(&self) -> PlannedChange {
        let data = match &self.source {
            BackupSource::Own { data, .. } => data.clone(),
            // it is there already, and is refused
            BackupSource::Secret { .. } => json!({}),
        };
        PlannedChange::new(manifest_apply::plan_secret(&self.name(), &self.namespace, &self.trial, data))
    }

    /// Objects that are put in place. They bear the mark by which it is seen later on that they are the trial's.
    pub fn objects(&self, resolved: &[&ResolvedManifest]) -> PlannedChange {
        if let BackupSource::Own { applied, .. } = &self.source {
            applied.lock().extend(resolved.iter().map(|one| workload(one)));
        }
        let marked = |one: &&ResolvedManifest| {
            let mut object = localise(&one.manifest, &self.namespace);
            backup_entry::mark(&mut object, &self.trial, &self.digest);
            (one.known.clone(), object)
        };
        PlannedChange::new(manifest_apply::plan_apply(&resolved.iter().map(marked).collect::<Vec<_>>()))
    }

    /// What will become of each object. Nothing is changed.
    pub async fn outlook(&self) -> Vec<RestorePlan> {
        let mut kinds = DiscoveredKinds::default();
        let mut found = Vec::new();
        for one in &self.kept {
            let fate = match self.see(&mut kinds, one).await {
                Ok((known, now)) => self.fate(one, &known, now.as_ref()),
                Err(why) => RestoreAction::LeftAlone(why),
            };
            let (kind, name) = named(one);
            found.push(RestorePlan { api_version: one.api_version.clone(), kind, name, fate });
        }
        found
    }

    /// Puts back what stood there; only what is not among the names that are to stay as they are. Where the trial is
    /// about to put its own under those names, it is an error that somebody else has made something there since.
    pub async fn put_back(&self, but: &BTreeSet<Workload>) -> Result<PlannedChange, String> {
        let mut kinds = DiscoveredKinds::default();
        let mut operations = Vec::new();
        for one in &self.kept {
            let stays = but.contains(&named(one));
            if stays && !self.is_to_come(one) {
                continue;
            }
            let seen = self.see(&mut kinds, one).await;
            let (known, now) = seen.map_err(|error| format!("{} {}: {error}", one.kind, one.name))?;
            if !stays {
                operations.extend(self.back(one, &known, now.as_ref()));
            } else if !backup_entry::is_the_same(one, now.as_ref()) {
                return Err(format!(
                    "{} {}: somebody has made it since the trial began, so that it is left as it is",
                    one.kind, one.name
                ));
            }
        }
        Ok(PlannedChange::new(MutationPlan::of(operations, MutationResponse::Null)))
    }

    /// What the server knows of a kind, and what stands there now.
    async fn see(
        &self,
        kinds: &mut DiscoveredKinds,
        one: &BackupEntry,
    ) -> Result<(DiscoveredKind, Option<Json>), String> {
        let known = kinds.of(&self.cluster, &one.api_version, &one.kind).await;
        let known = known.map_err(|failure| failure.summary())?;
        let bare = json!({"metadata": {"name": one.name, "namespace": self.namespace}});
        let now = get_object(&self.cluster, &known, &bare).await;
        Ok((known, now.map_err(|failure| failure.summary())?))
    }

    /// Whether the trial has yet to put something there.
    fn is_to_come(&self, one: &BackupEntry) -> bool {
        matches!(&self.source, BackupSource::Own { applied, .. } if !applied.lock().contains(&named(one)))
    }

    fn fate(&self, one: &BackupEntry, known: &DiscoveredKind, now: Option<&Json>) -> RestoreAction {
        let mark = now.map_or(TrialMark::None, |now| backup_entry::mark_of(now, &self.trial, &self.digest));
        let (mark, belief) = match &self.source {
            // an experiment may have made it anew, without the mark
            BackupSource::Own { applied, .. } if applied.lock().contains(&named(one)) => {
                (TrialMark::Own, Provenance::Seen)
            }
            BackupSource::Own { .. } => (mark, Provenance::Seen),
            BackupSource::Secret { is_vouched: true, .. } => (mark, Provenance::Vouched),
            BackupSource::Secret { is_vouched: false, .. } => (mark, Provenance::Said),
        };
        backup_entry::fate(one, known, now, mark, belief)
    }

    fn back(&self, one: &BackupEntry, known: &DiscoveredKind, now: Option<&Json>) -> Option<PlannedMutation> {
        match (self.fate(one, known, now), &one.original, now) {
            (RestoreAction::Removed, _, Some(now)) => {
                let uid = now["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
                let namespace = Some(self.namespace.clone());
                let thing = Metadata { name: one.name.clone(), namespace, uid, ..Metadata::default() };
                leftovers::plan_removal(&[(known.resource.clone(), thing)]).operations.into_iter().next()
            }
            (RestoreAction::PutBack, Some(original), Some(now)) => {
                let mut object = original.clone();
                // whoever changes it at the same moment is not overruled
                object["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
                Some(manifest_apply::plan_restore(known, &object))
            }
            (RestoreAction::MadeAgain, Some(original), _) => {
                Some(manifest_apply::plan_recreate(known, &self.namespace, original))
            }
            _ => None,
        }
    }

    /// Forgets it, once it stands there again.
    pub async fn forget(&self) -> Result<PlannedChange, String> {
        let secrets = match &self.source {
            BackupSource::Secret { metadata, .. } => vec![metadata.clone()],
            BackupSource::Own { .. } => {
                let found =
                    leftovers::list_secrets(&self.cluster, Some(&self.namespace), Some(&self.trial)).await;
                let found = found.map_err(|failure| failure.summary())?.into_iter();
                found.map(|(metadata, _)| metadata).filter(|one| one.name == self.name()).collect()
            }
        };
        Ok(PlannedChange::new(leftovers::plan_secret_removal(&secrets)))
    }
}

fn named(one: &BackupEntry) -> Workload {
    (one.kind.clone(), one.name.clone())
}

fn workload(one: &ResolvedManifest) -> Workload {
    let name = one.manifest.object["metadata"]["name"].as_str().unwrap_or_default();
    (one.known.resource.kind.to_string(), name.to_owned())
}
