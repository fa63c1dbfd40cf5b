//! What a trial changes in the cluster besides its runs, and how it deletes or restores everything.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::runner::{TrialRunner, refused};
use super::shutdown_signal;
use super::state_file::TrialProgress;
use crate::app::{AppError, Outcome};
use crate::error_code::{ErrorCode, message_chain};
use crate::k8s::{Metadata, Resource};
use crate::trial::{self, Arm, Backup, ScheduledRun, TrialCluster, Workload};

/// Time allowed until namespaces are deleted.
const DELETION_TIMEOUT: Duration = Duration::from_secs(120);
/// Time allowed until all namespaces are deleted after a signal.
const INTERRUPTED_DELETION_TIMEOUT: Duration = Duration::from_secs(3);
/// Time allowed for requests in flight before cleanup.
const INFLIGHT_TIMEOUT: Duration = Duration::from_secs(3);

/// Attempts to restore objects that controllers change concurrently.
const MAX_RESTORE_ATTEMPTS: u32 = 10;

impl TrialRunner<'_> {
    /// Creates what all runs share, and saves what a trial in place replaces.
    pub(super) async fn prepare_cluster(&self) -> Result<(), AppError> {
        self.create_cluster_scoped().await?;
        self.save_backup().await
    }

    /// Creates the cluster-scoped objects that both arms share.
    async fn create_cluster_scoped(&self) -> Result<(), AppError> {
        let unreachable = |error: trial::Error| AppError::from(error).with_outcome(Outcome::Unreachable);
        let all: Vec<_> = self.manifests.cluster_scoped.iter().collect();
        let planned = self.cluster.cluster_scoped_plan(&all);
        let plan = self.or_interrupted(async { planned.await.map_err(unreachable) }).await?;
        let object = |target: crate::mutation::Target| format!("{} {}", target.kind, target.name);
        let objects = plan.targets().into_iter().map(object).collect();
        self.save_state(|content| content.common = objects)?;
        self.or_interrupted(async { self.cluster.apply(plan).await.map_err(unreachable) }).await
    }

    /// Saves the originals of a trial in place before it changes them.
    async fn save_backup(&self) -> Result<(), AppError> {
        let Some(backup) = &self.backup else { return Ok(()) };
        self.log(&format!(
            "in namespace {}: {}; originals will be restored",
            backup.namespace(),
            backup.describe_changes().join(", ")
        ));
        let saved = self.cluster.apply(backup.creation_plan());
        let name = format!("backup Secret {}", backup.secret_name());
        self.or_interrupted(async { saved.await.map_err(refused("create", name)) }).await
    }

    /// Deploys an arm in place, after it restores the objects that only the other arm changes.
    pub(super) async fn deploy_in_place(&self, arm: Arm) -> Result<(), AppError> {
        let Some(backup) = &self.backup else { return Ok(()) };
        let manifests = self.manifests.for_arm(arm);
        let own = self.manifests.workloads(arm);
        restore_with_retry(&self.cluster, backup, &own).await.map_err(refused("restore", "the originals"))?;
        let applied = self.cluster.apply(backup.application_plan(&manifests)).await;
        applied.map_err(refused("apply", format!("the manifests of {}", arm.name())))
    }

    /// Removes the namespaces of runs that ended. Returns how long each took.
    pub(super) async fn remove_namespaces(
        &self,
        ended: Vec<(ScheduledRun, String)>,
    ) -> Result<Vec<Duration>, AppError> {
        let names: Vec<String> = ended.iter().map(|(_, name)| name.clone()).collect();
        let begun = Instant::now();
        let removed = if names.is_empty() {
            Ok(())
        } else {
            self.or_interrupted(async {
                self.delete_namespaces(Some(&names)).await.map_err(cleanup_incomplete)?;
                self.save_state(|_| {})?;
                if !self.cluster.wait_until_deleted(Some(&names), DELETION_TIMEOUT).await {
                    let seconds = DELETION_TIMEOUT.as_secs();
                    self.warn(&format!("namespace still terminating after {seconds} s; continuing"));
                }
                Ok(())
            })
            .await
        };
        // runs wait for it, whatever the result
        self.removing.send_modify(|removing| removing.retain(|name| !names.contains(name)));
        removed?;
        let time = begun.elapsed();
        self.save_state(|content| {
            let is_ended = |arm: &str, repeat: u32| {
                ended.iter().any(|(run, _)| run.arm.name() == arm && run.repeat == repeat)
            };
            for run in content.runs.iter_mut().filter(|run| is_ended(run.arm, run.repeat)) {
                run.removal = Some((time.as_secs_f64() * 1e3).round() / 1e3);
            }
        })?;
        Ok(names.iter().map(|_| time).collect())
    }

    /// Requests the deletion of these namespaces of the trial, or of all.
    async fn delete_namespaces(&self, names: Option<&[String]>) -> Result<(), trial::Error> {
        let mut existing: Vec<Metadata> = self.cluster.list_namespaces().await?;
        existing.retain(|namespace| names.is_none_or(|names| names.contains(&namespace.name)));
        self.cluster.apply(TrialCluster::namespace_deletion_plan(&existing)).await?;
        for namespace in &mut self.state_file.lock().content.namespaces {
            namespace.removed |= existing.iter().any(|one| one.name == namespace.name);
        }
        Ok(())
    }

    /// Deletes or restores everything that the trial changed.
    pub(super) async fn clean_up(&self, is_interrupted: bool) -> Result<(), AppError> {
        let settled = self.cluster.wait_for_inflight(INFLIGHT_TIMEOUT).await;
        let cleaned = self.delete_all(is_interrupted, settled).await;
        let cleaned =
            cleaned.and_then(|()| if settled { Ok(()) } else { Err(trial::Error::InFlight.into()) });
        let state = if cleaned.is_ok() { TrialProgress::Finished } else { TrialProgress::CleanupIncomplete };
        let saved = self.save_state(|content| content.state = state);
        cleaned.map_err(|error| {
            AppError::new(ErrorCode::TrialCleanup, format!("cleanup incomplete: {}", error.message))
                .with_hint(format!("run `kubectl chaos recover {}`", self.trial))
        })?;
        saved
    }

    /// Deletes the cluster-scoped objects that both arms share.
    async fn delete_cluster_scoped(&self) -> Result<(), trial::Error> {
        let kinds: Vec<_> = self.manifests.cluster_scoped.iter().map(|one| one.kind.clone()).collect();
        let objects: Vec<(Resource, Metadata)> = self.cluster.list_cluster_scoped(&kinds).await?;
        self.cluster.apply(TrialCluster::deletion_plan(&objects)).await
    }

    async fn delete_all(&self, is_interrupted: bool, settled: bool) -> Result<(), AppError> {
        let first = match &self.backup {
            Some(backup) => restore_backup(&self.cluster, backup, settled).await,
            None => self.delete_namespaces(None).await,
        };
        // a failure must not prevent the remaining cleanup
        let common = self.delete_cluster_scoped().await;
        let mut failed: Vec<trial::Error> = [first, common].into_iter().filter_map(Result::err).collect();
        match failed.len() {
            0 => {}
            1 => return Err(failed.remove(0).into()),
            _ => return Err(trial::Error::Several(failed).into()),
        }
        if self.backup.is_some() {
            return Ok(());
        }
        // a signal that already ended the trial counts as much as a new one
        let shutdown = shutdown_signal(self.context)?;
        let (deleted, limit) = tokio::select! {
            biased;
            () = async { if !is_interrupted { shutdown.await; } } => {
                let limit = INTERRUPTED_DELETION_TIMEOUT;
                (self.cluster.wait_until_deleted(None, limit).await, limit)
            }
            deleted = self.cluster.wait_until_deleted(None, DELETION_TIMEOUT) => (deleted, DELETION_TIMEOUT),
        };
        if deleted {
            return Ok(());
        }
        // interrupted: do not wait for namespaces that are already terminating
        let left = self.cluster.list_namespaces().await?;
        let is_terminating = left.iter().all(|one| one.deletion_timestamp.is_some());
        if limit == INTERRUPTED_DELETION_TIMEOUT && is_terminating {
            self.log("namespaces are terminating; the cluster finishes the deletion");
            return Ok(());
        }
        Err(trial::Error::StillTerminating { seconds: limit.as_secs() }.into())
    }
}

fn cleanup_incomplete(error: trial::Error) -> AppError {
    AppError::new(ErrorCode::TrialCleanup, message_chain(&error))
}

/// Restores the originals, except those of these workloads. Repeats on conflicts.
pub(crate) async fn restore_with_retry(
    cluster: &TrialCluster,
    backup: &Backup,
    except: &BTreeSet<Workload>,
) -> Result<(), trial::Error> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match cluster.apply(backup.restoration_plan(except).await?).await {
            // a controller changed the object at the same time
            Err(error) if error.is_conflict() && attempts < MAX_RESTORE_ATTEMPTS => {}
            applied => return applied,
        }
    }
}

/// Restores the originals and, if `delete` is set, deletes the backup.
async fn restore_backup(cluster: &TrialCluster, backup: &Backup, delete: bool) -> Result<(), trial::Error> {
    restore_with_retry(cluster, backup, &BTreeSet::new()).await?;
    if delete { cluster.apply(backup.deletion_plan().await?).await } else { Ok(()) }
}
