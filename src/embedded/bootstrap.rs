//! Starts a cluster with a listener and initial objects.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::api::ApiState;
use super::controllers::UNHEALTHY_REASON;
use super::error::EmbeddedError;
use super::json_fields::{
    containers, controller_owner, entries, is_finished, is_ready, is_terminating, items, number, text,
};
use super::limitation::EmbeddedLimitation;
use super::selector::service_selects;
use super::store::ObjectKey;
use super::{EmbeddedCluster, EmbeddedHandle, EmbeddedOptions, Listener};

/// The time limit for workloads to become ready.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// The interval of readiness checks.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// An object to apply, and where it comes from.
pub type SourcedObject<'a> = (&'a str, &'a Json);

impl EmbeddedHandle {
    /// Starts a cluster with a listener, applies the objects in `namespace`, and waits until their workloads are ready.
    pub async fn start_with_objects(
        options: EmbeddedOptions,
        namespace: &str,
        objects: impl IntoIterator<Item = SourcedObject<'_>>,
        warn: impl FnMut(EmbeddedLimitation),
    ) -> Result<(Self, Listener), EmbeddedError> {
        let handle = EmbeddedCluster::start(options);
        let listener = Listener::start(&handle).await?;
        if namespace != "default" {
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            handle.apply_from("--namespace", &object, namespace)?;
        }
        handle.apply_and_wait(namespace, objects, warn).await?;
        Ok((handle, listener))
    }

    /// Applies the objects, and waits until all workloads are ready. Reports what the cluster leaves out.
    pub async fn apply_and_wait(
        &self,
        namespace: &str,
        objects: impl IntoIterator<Item = SourcedObject<'_>>,
        mut warn: impl FnMut(EmbeddedLimitation),
    ) -> Result<(), EmbeddedError> {
        for (origin, object) in objects {
            if self.cluster.api.locate(object).is_err() {
                warn(EmbeddedLimitation::not_served(origin, object));
                continue;
            }
            self.apply_from(origin, object, namespace)?;
            EmbeddedLimitation::of_stored(origin, object).into_iter().for_each(&mut warn);
        }
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            let workloads = self.unready_workloads();
            if workloads.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(EmbeddedError::NotReady { seconds: READY_TIMEOUT.as_secs(), workloads });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn apply_from(&self, origin: &str, object: &Json, namespace: &str) -> Result<(), EmbeddedError> {
        self.apply(object.clone(), namespace)
            .map_err(|status| EmbeddedError::Apply { origin: origin.to_owned(), status: Box::new(status) })
    }

    /// Describes every Deployment, `ReplicaSet` and Pod without a controller that is not ready, and every Service whose
    /// endpoints lack a ready Pod.
    pub fn unready_workloads(&self) -> Vec<String> {
        let state = self.cluster.api.lock();
        let deployments = state.store.list("apps/deployments", "");
        let sets =
            state.store.list("apps/replicasets", "").filter(|(_, set)| controller_owner(set).is_none());
        let workloads = deployments.map(|one| ("Deployment", one)).chain(sets.map(|one| ("ReplicaSet", one)));
        let mut unready: Vec<String> = workloads
            .filter_map(|(kind, (key, object))| describe_unready_workload(&state, kind, key, object))
            .collect();
        let pods = state.store.list("/pods", "").filter(|(_, pod)| controller_owner(pod).is_none());
        for (key, pod) in pods.filter(|(_, pod)| !is_ready(pod) && !is_finished(pod) && !is_terminating(pod))
        {
            let reason = unready_reason(&state, pod, |name| name == key.name);
            unready.push(format!("Pod {}/{} (not ready{reason})", key.namespace, key.name));
        }
        for (key, service) in state.store.list("/services", "") {
            if !has_current_endpoints(&state, key, service) {
                unready.push(format!("Service {}/{} (endpoints are outdated)", key.namespace, key.name));
            }
        }
        unready
    }
}

/// Describes a Deployment or a `ReplicaSet` that is not ready: available replicas, and the last failure of its Pods.
fn describe_unready_workload(state: &ApiState, kind: &str, key: &ObjectKey, object: &Json) -> Option<String> {
    let (desired, status) = (number(&object["spec"]["replicas"]), &object["status"]);
    let counted: &[&str] = match kind {
        "Deployment" => &["replicas", "updatedReplicas", "availableReplicas"],
        _ => &["replicas", "availableReplicas"],
    };
    let is_observed = number(&status["observedGeneration"]) == number(&object["metadata"]["generation"]);
    if is_observed && counted.iter().all(|field| number(&status[field]) == desired) {
        return None;
    }
    let ObjectKey { namespace, name, .. } = key;
    let available = number(&status["availableReplicas"]);
    let prefix = format!("{name}-");
    let belongs = |pod: &str| pod.starts_with(&prefix);
    let mut pods = state.store.list("/pods", namespace).filter(|(key, _)| belongs(&key.name));
    let reason =
        pods.find_map(|(_, pod)| Some(unready_reason(state, pod, belongs)).filter(|text| !text.is_empty()));
    let reason = reason.unwrap_or_default();
    Some(format!("{kind} {namespace}/{name} ({available} of {desired} available{reason})"))
}

/// Returns why Pods are not ready, as `: reason`: a failed readiness probe, or a container that waits. Empty if unknown.
fn unready_reason(state: &ApiState, pod: &Json, belongs: impl Fn(&str) -> bool) -> String {
    let mut events = state.store.list("/events", text(&pod["metadata"]["namespace"])).map(|(_, event)| event);
    let event = events
        .find(|event| event["reason"] == UNHEALTHY_REASON && belongs(text(&event["involvedObject"]["name"])));
    if let Some(event) = event {
        return format!(": {}", text(&event["message"]));
    }
    let waiting =
        items(&pod["status"]["containerStatuses"]).zip(containers(pod)).find_map(|(status, container)| {
            let reason = status["state"]["waiting"]["reason"].as_str()?;
            Some(format!(": {reason} (image {})", text(&container["image"])))
        });
    waiting.unwrap_or_default()
}

/// Returns whether the endpoints of a Service list all its ready Pods.
fn has_current_endpoints(state: &ApiState, key: &ObjectKey, service: &Json) -> bool {
    let selector = &service["spec"]["selector"];
    let Some((label, value)) = entries(selector).next() else { return true };
    let endpoints = state.store.get(&ObjectKey::new("/endpoints", &key.namespace, &key.name));
    let subsets = endpoints.into_iter().flat_map(|endpoints| items(&endpoints["subsets"]));
    let addresses = subsets.flat_map(|subset| items(&subset["addresses"]));
    let current: BTreeSet<&str> = addresses.map(|endpoint| text(&endpoint["targetRef"]["name"])).collect();
    let mut pods = state.store.find_indexed(&key.label_key(label, value));
    pods.all(|(pod_key, pod)| {
        let is_endpoint =
            is_ready(pod) && !is_terminating(pod) && service_selects(selector, &pod["metadata"]["labels"]);
        !is_endpoint || current.contains(&*pod_key.name)
    })
}
