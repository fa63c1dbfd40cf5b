//! Nodes that are drained: no new Pods, and those that are there evicted. Floor 1.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value as Json, json};

use super::{Context, nodes};
use crate::effect::{EffectState, Target};
use crate::kubernetes::cluster::{Call, Cluster, Format, Selection};
use crate::kubernetes::failure::Failure;
use crate::kubernetes::plan::{Answer, Plan};
use crate::kubernetes::resource::{NODES, PODS, Resource};
use crate::kubernetes::select::Metadata;

/// How often it is looked whether Pods are gone, and whether a disruption budget allows an eviction by now.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The nodes, and how to drain them.
#[derive(Clone, Debug)]
pub struct Drain {
    nodes: Vec<Metadata>,
    with_local_storage: bool,
    timeout: Duration,
    seconds: i64,
}

pub(super) async fn prepare(context: &Context) -> Result<Drain, Failure> {
    let arguments = &context.arguments;
    let candidates = nodes::candidates(context).await?;
    let seconds = arguments.number("timeout")?.unwrap_or(120);
    Ok(Drain {
        nodes: nodes::drawn(context, candidates, arguments.number("count")?),
        with_local_storage: arguments.flag("delete_pods_with_local_storage"),
        timeout: Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
        seconds,
    })
}

/// What becomes of a Pod when its node is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    Evicted,
    /// Nobody would make another one.
    Unmanaged,
}

fn fate(pod: &Json, with_local_storage: bool) -> Fate {
    if pod.pointer("/metadata/annotations/kubernetes.io~1config.mirror").is_some() {
        return Fate::Stays;
    }
    let volumes = pod.pointer("/spec/volumes").and_then(Json::as_array);
    if volumes.into_iter().flatten().any(|volume| volume.get("emptyDir").is_some_and(|dir| !dir.is_null())) {
        return if with_local_storage { Fate::Evicted } else { Fate::Stays };
    }
    if matches!(pod.pointer("/status/phase").and_then(Json::as_str), Some("Succeeded" | "Failed")) {
        return Fate::Evicted;
    }
    let owners = pod.pointer("/metadata/ownerReferences").and_then(Json::as_array);
    for owner in owners.into_iter().flatten() {
        if owner["kind"] == "DaemonSet" {
            return Fate::Stays;
        }
        if owner["controller"] == true {
            return Fate::Evicted;
        }
    }
    Fate::Unmanaged
}

impl Drain {
    /// The nodes.
    pub fn targets(&self) -> Vec<Target> {
        self.nodes.iter().map(|node| node.target(&NODES.kind)).collect()
    }

    /// Cordons all of them, then empties one after the other.
    pub async fn apply(&self, cluster: &Arc<Cluster>) -> Result<Json, Failure> {
        let cordons = self.nodes.iter().map(|node| nodes::cordoning(node, true)).collect();
        Plan::of(cordons, Answer::Null).apply(cluster).await?;
        for node in &self.nodes {
            self.empty(cluster, node).await?;
        }
        Ok(self.nodes.iter().map(|node| Json::from(node.name.clone())).collect())
    }

    async fn empty(&self, cluster: &Cluster, node: &Metadata) -> Result<(), Failure> {
        let on_node = Selection { labels: String::new(), fields: format!("spec.nodeName={}", node.name) };
        let pods: Vec<Json> = cluster.list(&PODS, None, &on_node, false).await?;
        let mut evicted = Vec::new();
        for pod in &pods {
            let metadata: Metadata = serde_json::from_value(pod["metadata"].clone()).unwrap_or_default();
            match fate(pod, self.with_local_storage) {
                Fate::Stays => {}
                Fate::Evicted => evicted.push(metadata),
                Fate::Unmanaged => {
                    return Err(Failure::failed(format!(
                        "Pod '{}' on node '{}' is unmanaged, cannot drain this node. Delete it manually first?",
                        metadata.name, node.name
                    )));
                }
            }
        }
        let end = Instant::now() + self.timeout;
        // what a disruption budget forbids now, it may allow when other Pods are back
        let mut forbidden = evicted.clone();
        loop {
            let mut still = Vec::new();
            for pod in forbidden {
                if !evict(cluster, &pod).await? {
                    still.push(pod);
                }
            }
            forbidden = still;
            let remaining = remaining(cluster, &evicted).await;
            if remaining.is_empty() && forbidden.is_empty() {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(Failure::failed(format!(
                    "Draining nodes did not completed within {}s. Remaining pods are:\n{}",
                    self.seconds,
                    remaining.join("\n")
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether the nodes are closed and empty, as far as they were to be.
    pub async fn confirm(self, cluster: Arc<Cluster>) -> (EffectState, String) {
        let cordons = self.nodes.iter().map(|node| nodes::cordoning(node, true)).collect();
        let (state, detail) = Plan::of(cordons, Answer::Null).confirm(Arc::clone(&cluster)).await;
        if state != EffectState::Confirmed {
            return (state, detail);
        }
        (state, format!("{} Nodes are closed, and what was evicted is gone", self.nodes.len()))
    }
}

/// Asks for an eviction. Not granted: a budget forbids it for now. A Pod that is gone is as good as evicted.
async fn evict(cluster: &Cluster, pod: &Metadata) -> Result<bool, Failure> {
    let mut call = Call::new(Method::POST, "create", &PODS, pod.namespace.as_deref()).name(&pod.name);
    call.resource = Resource { plural: "pods".into(), ..PODS };
    call.subresource = Some("eviction");
    // without an apiVersion the server takes the one it has: policy/v1 or policy/v1beta1
    let body = json!({
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": {"preconditions": {"uid": pod.uid}},
    });
    call.body = Some((Format::Document, body));
    // here 429 is an answer, not a plea for patience
    call.repeatable = false;
    match cluster.send(&call).await {
        Ok(_) => Ok(true),
        Err(failure) => match &failure {
            Failure::Refused(refusal) if refusal.code == 429 => Ok(false),
            // it is gone, or another one bears its name
            Failure::Refused(refusal) if refusal.code == 404 || refusal.code == 409 => Ok(true),
            Failure::Refused(refusal) => {
                Err(Failure::failed(format!("Failed to evict pod {}: {}", pod.name, refusal.body)))
            }
            Failure::Failed(_) | Failure::Raised(..) => Err(failure),
        },
    }
}

/// The names of those that are still there.
async fn remaining(cluster: &Cluster, pods: &[Metadata]) -> Vec<String> {
    let mut remaining = Vec::new();
    for pod in pods {
        let found = cluster.json(&Call::get(&PODS, pod.namespace.as_deref(), &pod.name)).await;
        let gone = match found {
            Ok(found) => found.pointer("/metadata/uid").and_then(Json::as_str) != Some(&pod.uid),
            Err(failure) => failure.code() == Some(404),
        };
        if !gone {
            remaining.push(pod.name.clone());
        }
    }
    remaining
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates() {
        let check = |pod: Json, with_local_storage: bool, expected: Fate| {
            assert_eq!(fate(&pod, with_local_storage), expected, "{pod} {with_local_storage}");
        };
        let owned =
            |kind: &str| json!({"metadata": {"ownerReferences": [{"kind": kind, "controller": true}]}});
        check(owned("ReplicaSet"), false, Fate::Evicted);
        check(owned("DaemonSet"), false, Fate::Stays);
        check(json!({"metadata": {}}), false, Fate::Unmanaged);
        check(json!({"status": {"phase": "Succeeded"}}), false, Fate::Evicted);
        check(json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}), true, Fate::Stays);
        let mut local = owned("DaemonSet");
        local["spec"] = json!({"volumes": [{"name": "v", "emptyDir": {}}]});
        check(local.clone(), false, Fate::Stays);
        check(local, true, Fate::Evicted);
    }
}
