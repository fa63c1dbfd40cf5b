//! Leftovers of trials in a cluster: found by their label, and deleted.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::manifest_apply::TRIAL_LABEL;
use crate::k8s;
use crate::k8s::{
    ClusterClient, ErrorPolicy, Metadata, MutationPlan, MutationResponse, NAMESPACES, ObjectSelector,
    PartialObject, PlannedMutation, Resource, SECRETS, list_deletable_kinds,
};

impl Metadata {
    /// Returns the trial that created the object, by its label.
    pub fn trial(&self) -> Option<&str> {
        self.labels.get(TRIAL_LABEL)
    }
}

/// Plans to delete objects, each with its UID as a precondition.
pub fn plan_removal(objects: &[(Resource, Metadata)]) -> MutationPlan {
    let operations = objects.iter().map(|(resource, object)| PlannedMutation {
        on_error: ErrorPolicy::RaiseUnlessGone,
        ..PlannedMutation::delete(resource, object, None)
    });
    MutationPlan::new(operations.collect(), MutationResponse::Null)
}

/// Lists labelled Secrets of trials, in one namespace or in all.
pub(super) async fn list_secrets(
    cluster: &ClusterClient,
    namespace: Option<&str>,
    trial: Option<&str>,
) -> Result<Vec<(Metadata, Json)>, k8s::Error> {
    let labels = label(trial);
    let all: Vec<Json> =
        cluster.list(&SECRETS, namespace, &ObjectSelector::labels(Some(&labels)), false).await?;
    let metadata = |secret: &Json| serde_json::from_value(secret["metadata"].clone()).unwrap_or_default();
    Ok(all.into_iter().map(|secret| (metadata(&secret), secret)).collect())
}

/// Plans to delete Secrets.
pub(super) fn plan_secret_removal(secrets: &[Metadata]) -> MutationPlan {
    plan_removal(&secrets.iter().map(|one| (SECRETS, one.clone())).collect::<Vec<_>>())
}

fn label(trial: Option<&str>) -> String {
    trial.map_or_else(|| TRIAL_LABEL.to_owned(), |trial| format!("{TRIAL_LABEL}={trial}"))
}

/// Lists the namespaces of one trial or of all.
pub(super) async fn list_namespaces(
    cluster: &ClusterClient,
    trial: Option<&str>,
) -> Result<Vec<Metadata>, k8s::Error> {
    list_labelled(cluster, &NAMESPACES, None, trial).await
}

/// Lists trial IDs by namespaces, and by Secrets in the current namespace. Skips kinds that cannot be listed.
pub async fn list_trial_names(cluster: &ClusterClient) -> Result<Vec<String>, k8s::Error> {
    let namespaces = list_namespaces(cluster, None).await;
    let secrets = list_labelled(cluster, &SECRETS, Some(&cluster.namespace), None).await;
    let all = namespaces.unwrap_or_default().into_iter().chain(secrets.unwrap_or_default());
    let names: BTreeSet<String> = all.filter_map(|one| one.trial().map(str::to_owned)).collect();
    Ok(names.into_iter().collect())
}

/// Lists labelled objects of a kind.
pub(super) async fn list_labelled(
    cluster: &ClusterClient,
    resource: &Resource,
    namespace: Option<&str>,
    trial: Option<&str>,
) -> Result<Vec<Metadata>, k8s::Error> {
    let labels = label(trial);
    let objects: Vec<PartialObject> =
        cluster.list(resource, namespace, &ObjectSelector::labels(Some(&labels)), true).await?;
    Ok(objects.into_iter().map(|object| object.metadata).collect())
}

/// Lists labelled namespaces and cluster-scoped objects. Skips kinds that cannot be listed.
pub async fn list_leftovers(
    cluster: &ClusterClient,
    trial: Option<&str>,
) -> Result<Vec<(Resource, Metadata)>, k8s::Error> {
    let namespaces = match list_namespaces(cluster, trial).await {
        // without the permission to list namespaces, the user has created none
        Err(failure) if failure.status() == Some(403) => Vec::new(),
        namespaces => namespaces?,
    };
    let mut found: Vec<_> = namespaces.into_iter().map(|one| (NAMESPACES, one)).collect();
    for kind in list_deletable_kinds(cluster).await? {
        if kind.namespaced || kind.resource == NAMESPACES {
            continue;
        }
        match list_labelled(cluster, &kind.resource, None, trial).await {
            Ok(objects) => found.extend(objects.into_iter().map(|object| (kind.resource.clone(), object))),
            Err(failure) if failure.status().is_some() => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(found)
}
