//! Drains Nodes: cordons them and evicts their Pods.

use crate::chaosk8s::error::{Error, Result};
use crate::k8s;
use crate::k8s::{
    ApiError, ApiRequest, AppliedMutation, ClusterClient, Metadata, MutationPlan, MutationResponse, NODES,
    ObjectSelector, PODS, PatchFormat, Resource,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value as Json, json};

use super::{FunctionContext, nodes};
use crate::mutation::{ActivityProgress, EffectState, ProgressCallback, StopToken, Target};

/// How often remaining Pods and refused evictions are checked.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Name of a Pod that no controller would recreate.
#[derive(Clone, Debug, PartialEq, Eq)]
struct UnmanagedPod(String);

/// Planned drain of Nodes.
#[derive(Clone, Debug)]
pub struct Drain {
    nodes: Vec<Metadata>,
    /// The Pods to evict, by Node; or the name of a Pod without a controller.
    pods: Vec<Result<Vec<Metadata>, UnmanagedPod>>,
    with_local_storage: bool,
    timeout: Duration,
    seconds: i64,
    /// Facts that the user needs before the drain.
    warnings: Vec<String>,
}

pub(super) async fn prepare(context: &FunctionContext) -> Result<Drain> {
    let arguments = &context.arguments;
    let candidates = nodes::candidates(context).await?;
    let seconds = arguments.number("timeout")?.unwrap_or(120);
    let with_local_storage = arguments.flag("delete_pods_with_local_storage");
    let (nodes, warning) = nodes::select_random(context, candidates, arguments.number("count")?);
    let mut pods = Vec::new();
    for node in &nodes {
        pods.push(evictable(&context.cluster, node, with_local_storage).await?);
    }
    Ok(Drain {
        nodes,
        pods,
        with_local_storage,
        timeout: Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
        seconds,
        warnings: warning.into_iter().collect(),
    })
}

/// Lists the Pods of a Node to evict; or the name of the first without a controller.
async fn evictable(
    cluster: &ClusterClient,
    node: &Metadata,
    with_local_storage: bool,
) -> Result<Result<Vec<Metadata>, UnmanagedPod>> {
    let on_node = ObjectSelector { labels: String::new(), fields: format!("spec.nodeName={}", node.name) };
    let pods: Vec<Json> = cluster.list(&PODS, None, &on_node, false).await?;
    let mut evicted = Vec::new();
    for pod in &pods {
        let metadata: Metadata = serde_json::from_value(pod["metadata"].clone()).unwrap_or_default();
        match decide(pod, with_local_storage) {
            EvictionDecision::Stays => {}
            EvictionDecision::Evicted => evicted.push(metadata),
            EvictionDecision::Unmanaged => return Ok(Err(UnmanagedPod(metadata.name))),
        }
    }
    Ok(Ok(evicted))
}

/// Decision about a Pod when its Node is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EvictionDecision {
    Stays,
    Evicted,
    /// No controller would recreate it.
    Unmanaged,
}

fn decide(pod: &Json, with_local_storage: bool) -> EvictionDecision {
    if pod.pointer("/metadata/annotations/kubernetes.io~1config.mirror").is_some() {
        return EvictionDecision::Stays;
    }
    let volumes = pod.pointer("/spec/volumes").and_then(Json::as_array);
    if volumes.into_iter().flatten().any(|volume| volume.get("emptyDir").is_some_and(|dir| !dir.is_null())) {
        return if with_local_storage { EvictionDecision::Evicted } else { EvictionDecision::Stays };
    }
    if matches!(pod.pointer("/status/phase").and_then(Json::as_str), Some("Succeeded" | "Failed")) {
        return EvictionDecision::Evicted;
    }
    let owners = pod.pointer("/metadata/ownerReferences").and_then(Json::as_array);
    for owner in owners.into_iter().flatten() {
        if owner["kind"] == "DaemonSet" {
            return EvictionDecision::Stays;
        }
        if owner["controller"] == true {
            return EvictionDecision::Evicted;
        }
    }
    EvictionDecision::Unmanaged
}

impl Drain {
    /// Returns the Nodes and the Pods to evict.
    pub fn targets(&self) -> Vec<Target> {
        let nodes = self.nodes.iter().map(|node| node.target(&NODES.kind));
        nodes.chain(self.evicted().map(|pod| pod.target(&PODS.kind))).collect()
    }

    /// Whether a Pod is evicted that was not terminating before.
    fn evicts_living_pod(&self) -> bool {
        self.evicted().any(|pod| pod.deletion_timestamp.is_none())
    }

    fn evicted(&self) -> impl Iterator<Item = &Metadata> {
        self.pods.iter().flatten().flatten()
    }

    /// Cordons all Nodes, then evicts the Pods Node by Node.
    pub async fn apply(
        &self,
        cluster: &Arc<ClusterClient>,
        halt: &StopToken,
        progress: &ProgressCallback<'_>,
    ) -> Result<AppliedMutation> {
        let cordons = self.nodes.iter().map(|node| nodes::cordon_node(node, true)).collect();
        let plan = MutationPlan::new(cordons, MutationResponse::Null);
        let plan = MutationPlan { warnings: self.warnings.clone(), ..plan };
        let closed = plan.apply(cluster, halt, progress).await?;
        let version = if self.evicted().next().is_some() { eviction_version(cluster).await? } else { None };
        // the Pods follow the nodes among the targets
        let mut first = self.nodes.len();
        for (node, pods) in self.nodes.iter().zip(&self.pods) {
            match pods {
                Ok(pods) => {
                    let report = |step: ActivityProgress| {
                        progress(match step {
                            ActivityProgress::TargetDone { target, done } => {
                                ActivityProgress::TargetDone { target: first + target, done }
                            }
                            note @ ActivityProgress::Note(_) => note,
                        });
                    };
                    self.empty(cluster, pods, version.as_deref(), halt, &report).await?;
                    first += pods.len();
                }
                Err(UnmanagedPod(pod)) => {
                    return Err(Error::failed(format!(
                        "Pod '{pod}' on node '{}' is unmanaged, cannot drain this node. Delete it manually first?",
                        node.name
                    )));
                }
            }
        }
        let answer = self.nodes.iter().map(|node| Json::from(node.name.clone())).collect();
        Ok(AppliedMutation { answer, changed: closed.changed || self.evicts_living_pod() })
    }

    async fn empty(
        &self,
        cluster: &ClusterClient,
        evicted: &[Metadata],
        version: Option<&str>,
        halt: &StopToken,
        report: &(impl Fn(ActivityProgress) + Sync),
    ) -> Result<()> {
        let start = Instant::now();
        // a disruption budget may allow an eviction later, once other Pods are ready
        let mut forbidden: Vec<(usize, &Metadata)> = evicted.iter().enumerate().collect();
        // each refusal is told once: the text names the budget
        let mut refusals = BTreeSet::new();
        loop {
            let mut refused = Vec::new();
            let mut blocked_by = BTreeSet::new();
            for (index, pod) in forbidden {
                if halt.is_asked() {
                    return Err(Error::failed("interrupted before all Pods were evicted"));
                }
                match evict(cluster, pod, version).await {
                    Ok(EvictionResult::Evicted) => {
                        report(ActivityProgress::TargetDone { target: index, done: true });
                    }
                    Ok(EvictionResult::Refused(reason)) => {
                        refused.push((index, pod));
                        if refusals.insert(reason.clone()) {
                            let text = format!("waits to evict Pod {}: {reason}", pod.name);
                            report(ActivityProgress::Note(text));
                        }
                        blocked_by.insert(reason);
                    }
                    Err(failure) => {
                        if !failure.is_ambiguous() {
                            report(ActivityProgress::TargetDone { target: index, done: false });
                        }
                        return Err(failure);
                    }
                }
            }
            forbidden = refused;
            let remaining = remaining(cluster, evicted).await;
            if remaining.is_empty() && forbidden.is_empty() {
                return Ok(());
            }
            if start.elapsed() >= self.timeout {
                // verbatim, and then the budgets
                let blocked: Vec<String> = blocked_by.iter().map(|reason| format!("\n{reason}")).collect();
                return Err(Error::failed(format!(
                    "Draining nodes did not completed within {}s. Remaining pods are:\n{}{}",
                    self.seconds,
                    remaining.join("\n"),
                    blocked.concat()
                )));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Checks that the Nodes are cordoned and the Pods evicted.
    pub async fn confirm(self, cluster: Arc<ClusterClient>) -> (EffectState, String) {
        let cordons = self.nodes.iter().map(|node| nodes::cordon_node(node, true)).collect();
        let (state, detail) =
            MutationPlan::new(cordons, MutationResponse::Null).confirm(Arc::clone(&cluster)).await;
        if state != EffectState::Confirmed {
            return (state, detail);
        }
        // Pods that came before the cordon were not announced as targets, and stay
        for node in &self.nodes {
            if let Ok(Ok(remaining)) = evictable(&cluster, node, self.with_local_storage).await
                && let Some(pod) = remaining.first()
            {
                let text = format!("Pod {} was scheduled to Node {} before the cordon", pod.name, node.name);
                return (EffectState::Mismatch, text);
            }
        }
        (state, format!("{} Nodes are cordoned, and the evicted Pods are deleted", self.nodes.len()))
    }
}

/// Returns the version of evictions: `policy/v1`, or `policy/v1beta1` before Kubernetes 1.22.
///
/// The versions of the group do not tell: the resource of Pods does.
async fn eviction_version(cluster: &ClusterClient) -> Result<Option<String>> {
    let call = ApiRequest { path: Some("/api/v1"), ..ApiRequest::new(Method::GET, "get", &PODS, None) };
    let resource_list = cluster.json(&call).await?;
    let mut resources = resource_list["resources"].as_array().into_iter().flatten();
    let eviction = resources.find(|resource| resource["name"] == "pods/eviction");
    let version = eviction.and_then(|found| Some((found["group"].as_str()?, found["version"].as_str()?)));
    Ok(version.map(|(group, version)| format!("{group}/{version}")))
}

/// Result of a requested eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
enum EvictionResult {
    Evicted,
    /// A disruption budget refuses it for now, for this reason.
    Refused(String),
}

/// Returns why an eviction is refused: the causes name the budgets.
fn refusal(answer: &ApiError) -> String {
    let status: Json = serde_json::from_str(&answer.body).unwrap_or_default();
    let causes = status.pointer("/details/causes").and_then(Json::as_array);
    let causes: Vec<&str> =
        causes.into_iter().flatten().filter_map(|cause| cause["message"].as_str()).collect();
    if causes.is_empty() { answer.message() } else { causes.join("; ") }
}

/// Requests an eviction. A deleted Pod counts as evicted.
async fn evict(cluster: &ClusterClient, pod: &Metadata, version: Option<&str>) -> Result<EvictionResult> {
    let mut call = ApiRequest::new(Method::POST, "create", &PODS, pod.namespace.as_deref()).name(&pod.name);
    call.resource = Resource { plural: "pods".into(), ..PODS };
    call.subresource = Some("eviction");
    let mut body = json!({
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": {"preconditions": {"uid": pod.uid}},
    });
    // without a version the server uses its own
    if let Some(version) = version {
        body["apiVersion"] = version.into();
        body["kind"] = "Eviction".into();
    }
    call.body = Some((PatchFormat::Document, body));
    // here 429 is the answer of a disruption budget
    call.repeatable = false;
    match cluster.send(&call).await {
        Ok(_) => Ok(EvictionResult::Evicted),
        // refused credentials are no answer about the Pod
        Err(error) if error.tool_failure().is_some() => Err(error.into()),
        Err(k8s::Error::Api(answer)) => match answer.code {
            429 => Ok(EvictionResult::Refused(refusal(&answer))),
            // it is gone, or a new Pod has its name
            404 | 409 => Ok(EvictionResult::Evicted),
            _ => Err(Error::failed(format!("Failed to evict pod {}: {}", pod.name, answer.body))),
        },
        Err(error) => Err(error.into()),
    }
}

/// Lists the names of Pods that still exist.
async fn remaining(cluster: &ClusterClient, pods: &[Metadata]) -> Vec<String> {
    let mut remaining = Vec::new();
    for pod in pods {
        let response = cluster.json(&ApiRequest::get(&PODS, pod.namespace.as_deref(), &pod.name)).await;
        let is_gone = match response {
            Ok(response) => response.pointer("/metadata/uid").and_then(Json::as_str) != Some(&pod.uid),
            Err(failure) => failure.status() == Some(404),
        };
        if !is_gone {
            remaining.push(pod.name.clone());
        }
    }
    remaining
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_evicted_by_owner_and_storage() {
        let check = |pod: Json, with_local_storage: bool, expected: EvictionDecision| {
            assert_eq!(decide(&pod, with_local_storage), expected, "{pod} {with_local_storage}");
        };
        let owned =
            |kind: &str| json!({"metadata": {"ownerReferences": [{"kind": kind, "controller": true}]}});
        check(owned("ReplicaSet"), false, EvictionDecision::Evicted);
        check(owned("DaemonSet"), false, EvictionDecision::Stays);
        check(json!({"metadata": {}}), false, EvictionDecision::Unmanaged);
        check(json!({"status": {"phase": "Succeeded"}}), false, EvictionDecision::Evicted);
        check(
            json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}),
            true,
            EvictionDecision::Stays,
        );
        let mut local = owned("DaemonSet");
        local["spec"] = json!({"volumes": [{"name": "v", "emptyDir": {}}]});
        check(local.clone(), false, EvictionDecision::Stays);
        check(local, true, EvictionDecision::Evicted);
    }

    #[test]
    fn refusals_name_the_budget() {
        let check = |body: Json, expected: &str| {
            let answer = ApiError {
                code: 429,
                body: body.to_string(),
                verb: "create",
                resource: PODS,
                namespace: None,
                is_without_credentials: false,
            };
            assert_eq!(refusal(&answer), expected);
        };
        let cause = "The disruption budget web needs 3 healthy pods and has 3 currently";
        let message = "Cannot evict pod as it would violate the pod's disruption budget.";
        let causes = json!([{"reason": "DisruptionBudget", "message": cause}]);
        check(json!({"message": message, "details": {"causes": causes}}), cause);
        check(json!({"message": message}), message);
    }
}
