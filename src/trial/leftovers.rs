//! Objects that trials left in a cluster: found by their label, and deleted.

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

/// Plans the deletion of objects; each UID is a precondition.
pub fn plan_removal(things: &[(Resource, Metadata)]) -> MutationPlan {
    let operations = things.iter().map(|(resource, thing)| PlannedMutation {
        on_error: ErrorPolicy::RaiseUnlessGone,
        ..PlannedMutation::delete(resource, thing, None)
    });
    MutationPlan::of(operations.collect(), MutationResponse::Null)
}

/// Lists Secrets of trials, in one namespace or in all.
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

/// Plans the deletion of Secrets.
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

/// Lists the names of trials with namespaces, or with Secrets in the current namespace.
///
/// Resources without the list permission are skipped.
pub async fn list_trial_names(cluster: &ClusterClient) -> Result<Vec<String>, k8s::Error> {
    let namespaces = list_namespaces(cluster, None).await;
    let secrets = list_labelled(cluster, &SECRETS, Some(&cluster.namespace), None).await;
    let all = namespaces.unwrap_or_default().into_iter().chain(secrets.unwrap_or_default());
    let names: BTreeSet<String> = all.filter_map(|one| one.trial().map(str::to_owned)).collect();
    Ok(names.into_iter().collect())
}

/// Lists objects of a kind with the label of trials.
pub(super) async fn list_labelled(
    cluster: &ClusterClient,
    resource: &Resource,
    namespace: Option<&str>,
    trial: Option<&str>,
) -> Result<Vec<Metadata>, k8s::Error> {
    let labels = label(trial);
    let things: Vec<PartialObject> =
        cluster.list(resource, namespace, &ObjectSelector::labels(Some(&labels)), true).await?;
    Ok(things.into_iter().map(|thing| thing.metadata).collect())
}

/// Lists every object with the label of trials: namespaces, and cluster-scoped objects.
///
/// Kinds without the list permission are skipped.
pub async fn list_leftovers(
    cluster: &ClusterClient,
    trial: Option<&str>,
) -> Result<Vec<(Resource, Metadata)>, k8s::Error> {
    let namespaces = match list_namespaces(cluster, trial).await {
        // a user without the permission has created none
        Err(failure) if failure.status() == Some(403) => Vec::new(),
        namespaces => namespaces?,
    };
    let mut found: Vec<_> = namespaces.into_iter().map(|one| (NAMESPACES, one)).collect();
    for known in list_deletable_kinds(cluster).await? {
        if known.namespaced || known.resource == NAMESPACES {
            continue;
        }
        match list_labelled(cluster, &known.resource, None, trial).await {
            Ok(things) => found.extend(things.into_iter().map(|thing| (known.resource.clone(), thing))),
            Err(failure) if failure.status().is_some() => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(found)
}
