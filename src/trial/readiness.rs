//! Readiness of the workloads in a namespace.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use crate::k8s;
use crate::k8s::{
    ApiRequest, ClusterClient, DAEMON_SETS, DEPLOYMENTS, MutationPlan, NODES, ObjectSelector, PODS,
    PartialObject, Resource, SERVICE_ACCOUNTS, STATEFUL_SETS,
};
use crate::mutation::StopToken;

/// How often a service account is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Time allowed for the service accounts of a new namespace.
const SERVICE_ACCOUNT_TIMEOUT: Duration = Duration::from_secs(15);

/// Counts the nodes; `None` if they cannot be listed.
pub(super) async fn count_nodes(cluster: &ClusterClient) -> Option<u32> {
    let nodes: Vec<PartialObject> =
        cluster.list(&NODES, None, &ObjectSelector::default(), true).await.ok()?;
    u32::try_from(nodes.len()).ok()
}

/// Waits until the service accounts of a plan's Pods exist.
///
/// A new namespace has no service account `default` yet, and the API server refuses Pods until it has.
pub(super) async fn wait_for_service_accounts(
    plan: &MutationPlan,
    cluster: &ClusterClient,
    halt: &StopToken,
) {
    let begun = Instant::now();
    for (namespace, name) in service_accounts(plan) {
        let request = ApiRequest::get(&SERVICE_ACCOUNTS, Some(&namespace), &name);
        while begun.elapsed() < SERVICE_ACCOUNT_TIMEOUT && !halt.is_asked() {
            match cluster.send(&request).await {
                Err(error) if error.status() == Some(404) => tokio::time::sleep(POLL_INTERVAL).await,
                _ => break,
            }
        }
    }
}

/// Returns the service accounts that Pods of a plan use and that the plan does not create, by namespace.
fn service_accounts(plan: &MutationPlan) -> BTreeSet<(String, String)> {
    let of_kind = |resource: Resource| {
        plan.operations.iter().filter(move |operation| operation.call.resource == resource)
    };
    let created: BTreeSet<_> = of_kind(SERVICE_ACCOUNTS)
        .map(|operation| {
            (operation.target.namespace.clone().unwrap_or_default(), operation.target.name.clone())
        })
        .collect();
    let used = of_kind(PODS).filter_map(|operation| {
        let (_, pod) = operation.call.body.as_ref()?;
        let name = pod["spec"]["serviceAccountName"].as_str().unwrap_or("default");
        Some((operation.target.namespace.clone()?, name.to_owned()))
    });
    used.filter(|account| !created.contains(account)).collect()
}

/// Kind and name of a workload.
pub type Workload = (String, String);

/// Lists what is not ready in a namespace, with its progress: everything, or only these workloads.
pub(super) async fn list_unready(
    cluster: &ClusterClient,
    namespace: &str,
    only: Option<&BTreeSet<Workload>>,
) -> Result<Vec<String>, k8s::Error> {
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
    // older API servers do not report available replicas of a StatefulSet
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

/// Returns the reason why a Pod is not ready. Completed and terminating Pods are ignored.
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
    let reason = waiting.or_else(scheduled).unwrap_or("not ready");
    Some(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::{ErrorPolicy, MutationResponse, PlannedMutation};
    use serde_json::json;

    #[test]
    fn service_accounts_of_pods_are_known_unless_the_plan_creates_them() {
        let apply = |resource: &Resource, name: &str, spec: Json| {
            let body = json!({"metadata": {"name": name}, "spec": spec});
            PlannedMutation::create(resource, Some("ns"), body, ErrorPolicy::Raise)
        };
        let plan = MutationPlan::new(
            vec![
                apply(&PODS, "a", json!({})),
                apply(&PODS, "b", json!({"serviceAccountName": "own"})),
                apply(&PODS, "c", json!({"serviceAccountName": "other"})),
                apply(&DEPLOYMENTS, "d", json!({"serviceAccountName": "ignored"})),
                apply(&SERVICE_ACCOUNTS, "own", json!({})),
            ],
            MutationResponse::Null,
        );
        let expected = ["default", "other"].map(|name| ("ns".to_owned(), name.to_owned()));
        assert_eq!(service_accounts(&plan), expected.into());
    }

    #[test]
    fn unready_workload_reports_its_progress() {
        let check = |lacks: fn(&Json) -> Option<String>, object: Json, expected: Option<&str>| {
            assert_eq!(lacks(&object).as_deref(), expected, "{object}");
        };
        let deployment = |observed: i64, replicas: i64, updated: i64, available: i64| {
            json!({"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": {"observedGeneration": observed,
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
