//! What a trial does to a cluster, as plans: namespaces that come and go, manifests that are applied. Floor 1.
//!
//! Everything is looked at before it is done, and nothing is done but by [`Plan::apply`].

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::cluster::{ApiRequest, ClusterClient, ObjectSelector, PatchFormat};
use super::discovery::{DiscoveredKind, removable};
use super::error::ClusterError;
use super::functions::{creation, deletion};
use super::mutation::{ErrorPolicy, ExpectedState, MutationPlan, MutationResponse, PlannedMutation};
use super::resource::{DAEMON_SETS, DEPLOYMENTS, NAMESPACES, NODES, PODS, Resource, SECRETS, STATEFUL_SETS};
use super::targets::{Metadata, PartialObject};

/// Who the server is told applies manifests.
const MANAGER: &str = "kubectl-chaos";
/// What every namespace of a trial bears: which trial it belongs to.
pub const TRIAL_LABEL: &str = "kubectl-chaos/trial";

/// Marks an object, under `labels` or `annotations`.
pub fn mark(object: &mut Json, under: &str, key: &str, value: &str) {
    let Some(metadata) = object.get_mut("metadata").and_then(Json::as_object_mut) else { return };
    let entries = metadata.entry(under).or_insert_with(|| json!({}));
    // an empty entry of a manifest is a null
    if !entries.is_object() {
        *entries = json!({});
    }
    entries[key] = value.into();
}

/// A namespace that is to be made.
pub fn namespace(name: &str, trial: &str, arm: &str) -> MutationPlan {
    let labels =
        json!({"app.kubernetes.io/managed-by": MANAGER, TRIAL_LABEL: trial, "kubectl-chaos/arm": arm});
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    MutationPlan::one(creation(&NAMESPACES, None, body, ErrorPolicy::Raise), MutationResponse::Response)
}

/// Objects that are to be applied, server-side and as if nobody else had a say.
pub fn application(objects: &[(DiscoveredKind, Json)]) -> MutationPlan {
    MutationPlan::of(
        objects.iter().map(|(known, object)| applied(known, object)).collect(),
        MutationResponse::Null,
    )
}

fn applied(known: &DiscoveredKind, object: &Json) -> PlannedMutation {
    let text = |key: &str| object["metadata"][key].as_str().map(str::to_owned);
    let namespace = text("namespace").filter(|_| known.namespaced);
    let name = text("name").unwrap_or_default();
    let mut call =
        ApiRequest::patch(&known.resource, namespace.as_deref(), &name, PatchFormat::Apply, object.clone());
    call.query = vec![("fieldManager", MANAGER.to_owned()), ("force", "true".to_owned())];
    let target = Metadata { name, namespace, ..Metadata::default() };
    PlannedMutation {
        target: target.target(&known.resource.kind),
        call,
        expect: ExpectedState::Exists,
        on_error: ErrorPolicy::Raise,
        version: None,
    }
}

/// Things that are to be deleted, each by its UID.
pub fn removal(things: &[(Resource, Metadata)]) -> MutationPlan {
    let operations = things.iter().map(|(resource, thing)| PlannedMutation {
        on_error: ErrorPolicy::RaiseUnlessGone,
        ..deletion(resource, thing, None)
    });
    MutationPlan::of(operations.collect(), MutationResponse::Null)
}

/// An object that is to become what it was: it is put in place of what stands there.
pub fn restoration(known: &DiscoveredKind, object: &Json) -> PlannedMutation {
    let operation = applied(known, object);
    let mut call = ApiRequest { method: http::Method::PUT, verb: "update", ..operation.call };
    call.query = vec![("fieldManager", MANAGER.to_owned())];
    call.body = Some((PatchFormat::Document, object.clone()));
    PlannedMutation { call, ..operation }
}

/// An object that is to be there again.
pub fn recreation(known: &DiscoveredKind, namespace: &str, object: &Json) -> PlannedMutation {
    creation(&known.resource, known.namespaced.then_some(namespace), object.clone(), ErrorPolicy::Raise)
}

/// A Secret of a trial.
pub fn secret(name: &str, namespace: &str, trial: &str, data: Json) -> MutationPlan {
    let labels = json!({"app.kubernetes.io/managed-by": MANAGER, TRIAL_LABEL: trial});
    let metadata = json!({"name": name, "namespace": namespace, "labels": labels});
    let body =
        json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data});
    MutationPlan::one(
        creation(&SECRETS, Some(namespace), body, ErrorPolicy::Raise),
        MutationResponse::Response,
    )
}

/// Secrets of trials, in a namespace or in all of them.
pub async fn kept(
    cluster: &ClusterClient,
    namespace: Option<&str>,
    trial: Option<&str>,
) -> Result<Vec<(Metadata, Json)>, ClusterError> {
    let labels = label(trial);
    let all: Vec<Json> =
        cluster.list(&SECRETS, namespace, &ObjectSelector::labels(Some(&labels)), false).await?;
    let metadata = |secret: &Json| serde_json::from_value(secret["metadata"].clone()).unwrap_or_default();
    Ok(all.into_iter().map(|secret| (metadata(&secret), secret)).collect())
}

/// Secrets of trials that are no longer needed.
pub fn forgetting(secrets: &[Metadata]) -> MutationPlan {
    removal(&secrets.iter().map(|one| (SECRETS, one.clone())).collect::<Vec<_>>())
}

fn label(trial: Option<&str>) -> String {
    trial.map_or_else(|| TRIAL_LABEL.to_owned(), |trial| format!("{TRIAL_LABEL}={trial}"))
}

/// The namespaces of trials: of one, or of all.
pub async fn trial_namespaces(
    cluster: &ClusterClient,
    trial: Option<&str>,
) -> Result<Vec<Metadata>, ClusterError> {
    labelled(cluster, &NAMESPACES, None, trial).await
}

/// The names of trials that left something where it is quickly found: namespaces, and Secrets in the one that is
/// meant. What may not be looked at is passed over.
pub async fn trial_names(cluster: &ClusterClient) -> Result<Vec<String>, ClusterError> {
    let namespaces = trial_namespaces(cluster, None).await;
    let secrets = labelled(cluster, &SECRETS, Some(&cluster.namespace), None).await;
    let all = namespaces.unwrap_or_default().into_iter().chain(secrets.unwrap_or_default());
    let names: BTreeSet<String> = all.filter_map(|one| one.trial().map(str::to_owned)).collect();
    Ok(names.into_iter().collect())
}

/// Things of a kind that bear the label of trials.
pub async fn labelled(
    cluster: &ClusterClient,
    resource: &Resource,
    namespace: Option<&str>,
    trial: Option<&str>,
) -> Result<Vec<Metadata>, ClusterError> {
    let labels = label(trial);
    let things: Vec<PartialObject> =
        cluster.list(resource, namespace, &ObjectSelector::labels(Some(&labels)), true).await?;
    Ok(things.into_iter().map(|thing| thing.metadata).collect())
}

/// Everything that bears the label of trials: namespaces, and things of the whole cluster. Kinds that may not be
/// listed are passed over.
pub async fn remains(
    cluster: &ClusterClient,
    trial: Option<&str>,
) -> Result<Vec<(Resource, Metadata)>, ClusterError> {
    let namespaces = match trial_namespaces(cluster, trial).await {
        // who may not list them has made none
        Err(failure) if failure.code() == Some(403) => Vec::new(),
        namespaces => namespaces?,
    };
    let mut found: Vec<_> = namespaces.into_iter().map(|one| (NAMESPACES, one)).collect();
    for known in removable(cluster).await? {
        if known.namespaced || known.resource == NAMESPACES {
            continue;
        }
        match labelled(cluster, &known.resource, None, trial).await {
            Ok(things) => found.extend(things.into_iter().map(|thing| (known.resource.clone(), thing))),
            Err(failure) if failure.code().is_some() => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(found)
}

/// What there is of an object now; nothing where it is not there.
pub async fn present(
    cluster: &ClusterClient,
    known: &DiscoveredKind,
    object: &Json,
) -> Result<Option<Json>, ClusterError> {
    let text = |key: &str| object["metadata"][key].as_str();
    let namespace = text("namespace").filter(|_| known.namespaced);
    match cluster.json(&ApiRequest::get(&known.resource, namespace, text("name").unwrap_or_default())).await {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.code() == Some(404) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// How many nodes there are; nothing where they may not be listed.
pub async fn nodes(cluster: &ClusterClient) -> Option<u32> {
    let nodes: Vec<PartialObject> =
        cluster.list(&NODES, None, &ObjectSelector::default(), true).await.ok()?;
    u32::try_from(nodes.len()).ok()
}

/// A workload, by its kind and its name.
pub type Workload = (String, String);

/// What in a namespace is not complete yet, each with how far it is; of everything, or of these workloads.
pub async fn unfinished(
    cluster: &ClusterClient,
    namespace: &str,
    only: Option<&BTreeSet<Workload>>,
) -> Result<Vec<String>, ClusterError> {
    let mut unfinished = Vec::new();
    for (resource, lacks) in [
        (&DEPLOYMENTS, lacks_replicas as fn(&Json) -> Option<String>),
        (&STATEFUL_SETS, lacks_replicas),
        (&DAEMON_SETS, lacks_on_nodes),
        (&PODS, lacks_readiness),
    ] {
        let all: Vec<Json> =
            cluster.list(resource, Some(namespace), &ObjectSelector::default(), false).await?;
        for one in &all {
            let name = one["metadata"]["name"].as_str().unwrap_or_default();
            let counts = only.is_none_or(|only| only.contains(&(resource.kind.to_string(), name.to_owned())));
            if let Some(what) = lacks(one).filter(|_| counts) {
                unfinished.push(format!("{} {name} ({what})", resource.kind));
            }
        }
    }
    Ok(unfinished)
}

fn number(value: &Json) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn is_seen(object: &Json) -> bool {
    number(&object["status"]["observedGeneration"]) >= number(&object["metadata"]["generation"])
}

fn lacks_replicas(object: &Json) -> Option<String> {
    let (wanted, status) = (object["spec"]["replicas"].as_i64().unwrap_or(1), &object["status"]);
    // a StatefulSet tells of available replicas in newer versions only
    let available = status["availableReplicas"].as_i64().unwrap_or(number(&status["readyReplicas"]));
    let met = is_seen(object)
        && number(&status["replicas"]) == wanted
        && number(&status["updatedReplicas"]) == wanted
        && available == wanted;
    (!met).then(|| format!("{available} of {wanted} available"))
}

fn lacks_on_nodes(object: &Json) -> Option<String> {
    let status = &object["status"];
    let wanted = number(&status["desiredNumberScheduled"]);
    let available = number(&status["numberAvailable"]);
    let met = is_seen(object) && number(&status["updatedNumberScheduled"]) == wanted && available == wanted;
    (!met).then(|| format!("{available} of {wanted} available"))
}

/// Why a Pod does not run that is to; one that ran to its end, or that is on its way out, keeps nobody waiting.
fn lacks_readiness(pod: &Json) -> Option<String> {
    let status = &pod["status"];
    if status["phase"] == "Succeeded" || !pod["metadata"]["deletionTimestamp"].is_null() {
        return None;
    }
    let conditions = status["conditions"].as_array();
    let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
    if ready.is_some_and(|ready| ready["status"] == "True") {
        return None;
    }
    let containers = status["containerStatuses"].as_array();
    let waiting = containers.into_iter().flatten().find_map(|one| one["state"]["waiting"]["reason"].as_str());
    let scheduled = || {
        let conditions = status["conditions"].as_array().into_iter().flatten();
        let mut refused = conditions.filter(|one| one["type"] == "PodScheduled" && one["status"] == "False");
        refused.find_map(|one| one["message"].as_str())
    };
    let why = waiting.or_else(scheduled).unwrap_or("not ready");
    Some(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_complete_says_how_far_it_is() {
        let check = |lacks: fn(&Json) -> Option<String>, object: Json, expected: Option<&str>| {
            assert_eq!(lacks(&object).as_deref(), expected, "{object}");
        };
        let deployment = |seen: i64, replicas: i64, updated: i64, available: i64| {
            json!({"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": {"observedGeneration": seen,
                "replicas": replicas, "updatedReplicas": updated, "availableReplicas": available}})
        };
        check(lacks_replicas, deployment(2, 2, 2, 2), None);
        check(lacks_replicas, deployment(1, 2, 2, 2), Some("2 of 2 available"));
        check(lacks_replicas, deployment(2, 3, 2, 2), Some("2 of 2 available"));
        check(lacks_replicas, deployment(2, 2, 2, 1), Some("1 of 2 available"));
        check(lacks_replicas, json!({"spec": {}}), Some("0 of 1 available"));
        check(lacks_replicas, json!({"spec": {"replicas": 0}}), None);
        let pod = |ready: &str, waiting: Json| {
            json!({"metadata": {}, "status": {"phase": "Pending", "conditions": [{"type": "Ready", "status": ready}],
                "containerStatuses": [{"state": waiting}]}})
        };
        check(lacks_readiness, pod("True", json!({})), None);
        check(
            lacks_readiness,
            pod("False", json!({"waiting": {"reason": "ImagePullBackOff"}})),
            Some("ImagePullBackOff"),
        );
        check(lacks_readiness, pod("False", json!({})), Some("not ready"));
        check(lacks_readiness, json!({"status": {"phase": "Succeeded"}, "metadata": {}}), None);
        let set = json!({"status": {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1}});
        check(lacks_on_nodes, set, Some("1 of 2 available"));
    }
}
