//! Backup of the objects that a trial in place replaces, and their restoration.
//!
//! The backup is a Secret, because originals can be Secrets and `recover` needs them after a killed trial. Objects
//! without an original are deleted.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value as Json, json};

use super::backup_entry::{
    self, BackupDefect, BackupEntry, Provenance, RestoreAction, SkipReason, TrialMark,
};
use super::error::Error;
use super::manifest::{localise, remove_server_fields};
use super::planned_change::{PlannedChange, ResolvedManifest};
use super::readiness::Workload;
use super::{leftovers, manifest_apply};
use crate::error_code::message_chain;
use crate::k8s::{
    ClusterClient, DiscoveredKind, DiscoveredKinds, Metadata, MutationPlan, MutationResponse,
    PlannedMutation, get_object,
};

/// Backup of the objects in a namespace that a trial replaces.
pub struct Backup {
    cluster: Arc<ClusterClient>,
    trial: String,
    namespace: String,
    entries: Vec<BackupEntry>,
    /// Digest of the backup; objects of the trial carry it.
    digest: String,
    source: BackupSource,
}

/// Origin of a backup, which determines trust.
enum BackupSource {
    /// Captured by this process: the content of the Secret, and the workloads applied since.
    Live { data: Json, applied: Mutex<BTreeSet<Workload>> },
    /// Read from a Secret, which the trial directory confirms or not.
    Secret { metadata: Metadata, is_confirmed: bool },
}

/// Digest of a backup according to the trial directory.
pub struct BackupProof {
    pub namespace: String,
    pub digest: String,
}

/// Secret labelled as a backup that fails validation.
pub struct InvalidBackup {
    pub metadata: Metadata,
    pub reason: BackupDefect,
}

/// Action for one object of a backup.
pub struct RestorePlan {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub action: RestoreAction,
}

impl Backup {
    /// Reads the current objects. Changes nothing.
    pub async fn capture(
        cluster: Arc<ClusterClient>,
        trial: String,
        namespace: String,
        resolved: &[&ResolvedManifest],
    ) -> Result<Self, Error> {
        let mut entries: Vec<BackupEntry> = Vec::new();
        for one in resolved {
            let object = localise(&one.manifest, &namespace);
            let (kind, name) = manifest_workload(one);
            let api_version = one.kind.resource.api_version();
            if entries.iter().any(|entry| (&entry.kind, &entry.name) == (&kind, &name)) {
                continue;
            }
            let current = get_object(&cluster, &one.kind, &object).await;
            let mut original =
                current.map_err(|error| Error::from(error).of_object("read", &one.manifest.place))?;
            let uid =
                original.as_ref().and_then(|object| object["metadata"]["uid"].as_str()).map(str::to_owned);
            original.iter_mut().for_each(remove_server_fields);
            entries.push(BackupEntry { api_version, kind, name, original, uid });
        }
        if entries.len() > backup_entry::MAX_OBJECTS {
            return Err(Error::TooManyObjects { maximum: backup_entry::MAX_OBJECTS });
        }
        let (data, digest) = backup_entry::encode(&entries)?;
        let source = BackupSource::Live { data, applied: Mutex::default() };
        Ok(Self { cluster, trial, namespace, entries, digest, source })
    }

    /// Lists backups of one trial or of all, in one namespace or in all; invalid ones separately.
    pub async fn find(
        cluster: &Arc<ClusterClient>,
        namespace: Option<&str>,
        trial: Option<&str>,
        proof: Option<&BackupProof>,
    ) -> Result<(Vec<Self>, Vec<InvalidBackup>), Error> {
        let secrets = leftovers::list_secrets(cluster, namespace, trial).await?;
        let (mut backups, mut invalid) = (Vec::new(), Vec::new());
        for (metadata, secret) in secrets.into_iter().filter(|(_, secret)| backup_entry::is_backup(secret)) {
            let namespace = metadata.namespace.clone().unwrap_or_default();
            let proof = proof.filter(|proof| proof.namespace == namespace);
            let check_digest = |(entries, digest): (Vec<BackupEntry>, String)| match proof {
                Some(proof) if proof.digest != digest => Err(BackupDefect::DigestMismatch),
                _ => Ok((entries, digest)),
            };
            match backup_entry::decode(&secret).and_then(check_digest) {
                Err(reason) => invalid.push(InvalidBackup { metadata, reason }),
                Ok((entries, digest)) => backups.push(Self {
                    cluster: Arc::clone(cluster),
                    trial: metadata.trial().unwrap_or_default().to_owned(),
                    namespace,
                    entries,
                    digest,
                    source: BackupSource::Secret { metadata, is_confirmed: proof.is_some() },
                }),
            }
        }
        Ok((backups, invalid))
    }

    /// Returns the name of the Secret.
    pub fn secret_name(&self) -> String {
        backup_entry::secret_name(&self.trial)
    }

    pub fn trial(&self) -> &str {
        &self.trial
    }

    /// Returns the creation time of the Secret, if it was read from the cluster.
    pub fn created(&self) -> Option<&str> {
        match &self.source {
            BackupSource::Live { .. } => None,
            BackupSource::Secret { metadata, .. } => metadata.creation_timestamp.as_deref(),
        }
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the digest of the content. It reveals nothing about the content.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Lists the objects that the trial replaces or adds: `replaces Deployment web`.
    pub fn describe_changes(&self) -> Vec<String> {
        let verb = |entry: &BackupEntry| if entry.original.is_some() { "replaces" } else { "adds" };
        self.entries.iter().map(|entry| format!("{} {} {}", verb(entry), entry.kind, entry.name)).collect()
    }

    /// Returns kind and name of every object.
    pub fn workloads(&self) -> BTreeSet<Workload> {
        self.entries.iter().map(entry_workload).collect()
    }

    /// Plans to create the Secret.
    pub fn creation_plan(&self) -> PlannedChange {
        let data = match &self.source {
            BackupSource::Live { data, .. } => data.clone(),
            // exists already: the API server refuses it
            BackupSource::Secret { .. } => json!({}),
        };
        PlannedChange::new(manifest_apply::plan_secret(
            &self.secret_name(),
            &self.namespace,
            &self.trial,
            data,
        ))
    }

    /// Plans to apply the objects of an arm, marked as objects of the trial.
    pub fn application_plan(&self, resolved: &[&ResolvedManifest]) -> PlannedChange {
        if let BackupSource::Live { applied, .. } = &self.source {
            applied.lock().extend(resolved.iter().map(|one| manifest_workload(one)));
        }
        let marked = |one: &&ResolvedManifest| {
            let mut object = localise(&one.manifest, &self.namespace);
            backup_entry::mark(&mut object, &self.trial, &self.digest);
            (one.kind.clone(), object)
        };
        PlannedChange::new(manifest_apply::plan_apply(&resolved.iter().map(marked).collect::<Vec<_>>()))
    }

    /// Determines the action for each object. Changes nothing.
    pub async fn preview(&self) -> Vec<RestorePlan> {
        let mut kinds = DiscoveredKinds::default();
        let mut plans = Vec::new();
        for entry in &self.entries {
            let action = match self.read_live(&mut kinds, entry).await {
                Ok((kind, live)) => self.restore_action(entry, &kind, live.as_ref()),
                Err(error) => RestoreAction::Skip(SkipReason::Unreadable(message_chain(&error))),
            };
            let (kind, name) = entry_workload(entry);
            plans.push(RestorePlan { api_version: entry.api_version.clone(), kind, name, action });
        }
        plans
    }

    /// Plans to restore all objects except `except`, which the trial applies next.
    ///
    /// An object in `except` that another user created after the trial began is an error.
    pub async fn restoration_plan(&self, except: &BTreeSet<Workload>) -> Result<PlannedChange, Error> {
        let mut kinds = DiscoveredKinds::default();
        let mut operations = Vec::new();
        for entry in &self.entries {
            let is_excepted = except.contains(&entry_workload(entry));
            if is_excepted && !self.is_not_applied(entry) {
                continue;
            }
            let live = self.read_live(&mut kinds, entry).await;
            let (kind, live) =
                live.map_err(|error| error.of_object("read", format!("{} {}", entry.kind, entry.name)))?;
            if !is_excepted {
                operations.extend(self.restore_mutation(entry, &kind, live.as_ref()));
            } else if !backup_entry::is_original(entry, live.as_ref()) {
                return Err(Error::ReplacedByOther { kind: entry.kind.clone(), name: entry.name.clone() });
            }
        }
        Ok(PlannedChange::new(MutationPlan::new(operations, MutationResponse::Null)))
    }

    /// Reads the kind and the live object.
    async fn read_live(
        &self,
        kinds: &mut DiscoveredKinds,
        entry: &BackupEntry,
    ) -> Result<(DiscoveredKind, Option<Json>), Error> {
        let kind = kinds.of(&self.cluster, &entry.api_version, &entry.kind).await?;
        let bare = json!({"metadata": {"name": entry.name, "namespace": self.namespace}});
        let live = get_object(&self.cluster, &kind, &bare).await?;
        Ok((kind, live))
    }

    /// Whether this process has not applied the object yet.
    fn is_not_applied(&self, entry: &BackupEntry) -> bool {
        matches!(&self.source, BackupSource::Live { applied, .. } if !applied.lock().contains(&entry_workload(entry)))
    }

    fn restore_action(
        &self,
        entry: &BackupEntry,
        kind: &DiscoveredKind,
        live: Option<&Json>,
    ) -> RestoreAction {
        let mark =
            live.map_or(TrialMark::None, |live| backup_entry::read_mark(live, &self.trial, &self.digest));
        let (mark, provenance) = match &self.source {
            // an experiment can recreate the object without the mark
            BackupSource::Live { applied, .. } if applied.lock().contains(&entry_workload(entry)) => {
                (TrialMark::Own, Provenance::Observed)
            }
            BackupSource::Live { .. } => (mark, Provenance::Observed),
            BackupSource::Secret { is_confirmed: true, .. } => (mark, Provenance::Confirmed),
            BackupSource::Secret { is_confirmed: false, .. } => (mark, Provenance::Unverified),
        };
        backup_entry::restore_action(entry, kind, live, mark, provenance)
    }

    fn restore_mutation(
        &self,
        entry: &BackupEntry,
        kind: &DiscoveredKind,
        live: Option<&Json>,
    ) -> Option<PlannedMutation> {
        match (self.restore_action(entry, kind, live), &entry.original, live) {
            (RestoreAction::Delete, _, Some(live)) => {
                let uid = live["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
                let namespace = Some(self.namespace.clone());
                let metadata = Metadata { name: entry.name.clone(), namespace, uid, ..Metadata::default() };
                let plan = leftovers::plan_removal(&[(kind.resource.clone(), metadata)]);
                plan.operations.into_iter().next()
            }
            (RestoreAction::Restore, Some(original), Some(live)) => {
                let mut object = original.clone();
                // a concurrent change of another client is a conflict, not overwritten
                object["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
                Some(manifest_apply::plan_restore(kind, &object))
            }
            (RestoreAction::Recreate, Some(original), _) => {
                Some(manifest_apply::plan_recreate(kind, &self.namespace, original))
            }
            _ => None,
        }
    }

    /// Plans to delete the Secret.
    pub async fn deletion_plan(&self) -> Result<PlannedChange, Error> {
        let secrets = match &self.source {
            BackupSource::Secret { metadata, .. } => vec![metadata.clone()],
            BackupSource::Live { .. } => {
                let secrets =
                    leftovers::list_secrets(&self.cluster, Some(&self.namespace), Some(&self.trial)).await?;
                let all = secrets.into_iter().map(|(metadata, _)| metadata);
                all.filter(|metadata| metadata.name == self.secret_name()).collect()
            }
        };
        Ok(PlannedChange::new(leftovers::plan_secret_removal(&secrets)))
    }
}

fn entry_workload(entry: &BackupEntry) -> Workload {
    (entry.kind.clone(), entry.name.clone())
}

fn manifest_workload(one: &ResolvedManifest) -> Workload {
    let name = one.manifest.object["metadata"]["name"].as_str().unwrap_or_default();
    (one.kind.resource.kind.to_string(), name.to_owned())
}
