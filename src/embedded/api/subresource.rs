//! Scaling, and evicting under budgets. Floor 1.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::write::{Deletion, Writing};
use super::{Api, At, State};
use crate::embedded::selector::Selector;
use crate::embedded::status::Status;
use crate::embedded::store::{Key, owners};

/// What a budget comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::embedded) struct Budget {
    /// How many Pods there should be.
    pub(in crate::embedded) expected: i64,
    /// How many have to be healthy.
    pub(in crate::embedded) desired: i64,
    /// How many are.
    pub(in crate::embedded) healthy: i64,
}

impl Budget {
    /// How many may go now.
    pub(in crate::embedded) fn allowed(self) -> i64 {
        if self.expected <= 0 { 0 } else { (self.healthy - self.desired).max(0) }
    }
}

impl Api {
    /// The `Scale` of a workload.
    pub(in crate::embedded) fn scale(&self, at: &At) -> Result<Json, Status> {
        Ok(scale_of(at, &self.get(at)?))
    }

    /// Sets the replicas of a workload as a whole `Scale` says, or as one that is changed by `change` says.
    pub(in crate::embedded) fn rescale(
        &self,
        at: &At,
        change: impl FnOnce(&Json) -> Result<Json, Status>,
        dry_run: bool,
    ) -> Result<Json, Status> {
        let workload = self.get(at)?;
        let scale = change(&scale_of(at, &workload))?;
        let asked = &scale["spec"]["replicas"];
        // what is left out is zero, as ever in Kubernetes
        let replicas = if asked.is_null() { 0 } else { asked.as_i64().unwrap_or(-1) };
        if replicas < 0 {
            let why = format!("Invalid value: {asked}: must be greater than or equal to 0");
            return Err(Status::invalid(&at.kind, &at.name, &[("spec.replicas".to_owned(), why)]));
        }
        let mut scaled = workload;
        scaled["spec"]["replicas"] = json!(replicas);
        scaled["metadata"]["resourceVersion"] = scale["metadata"]["resourceVersion"].clone();
        let written = self.update(at, scaled, &Writing { dry_run, status: false })?;
        Ok(scale_of(at, &written))
    }

    /// Evicts a Pod, if its budget allows that now.
    pub(in crate::embedded) fn evict(&self, at: &At, eviction: &Json) -> Result<Json, Status> {
        let how = Deletion::read(&eviction["deleteOptions"])?;
        let mut state = self.lock();
        let pod = state.store.get(&at.key()).cloned().ok_or_else(|| Status::not_found(&at.kind, &at.name))?;
        let phase = pod["status"]["phase"].as_str();
        let counts = phase == Some("Running") && pod["metadata"]["deletionTimestamp"].is_null();
        if counts {
            let budgets = budgets_of(&state, &at.namespace, &pod);
            if budgets.len() > 1 {
                return Err(Status::several_budgets());
            }
            if let Some((key, object)) = budgets.first() {
                let budget = budget(&state, object);
                if budget.allowed() == 0 {
                    return Err(Status::over_budget(&key.name, budget.desired, budget.healthy));
                }
            }
        }
        self.delete_within(&mut state, at, &how)?;
        self.tell(&state);
        Ok(json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}))
    }
}

fn scale_of(at: &At, workload: &Json) -> Json {
    let metadata = &workload["metadata"];
    let labels = workload["spec"]["selector"]["matchLabels"].as_object().cloned().unwrap_or_default();
    let labels: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": at.name, "namespace": at.namespace, "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {"replicas": workload["spec"]["replicas"]},
        "status": {"replicas": workload["status"]["replicas"].as_i64().unwrap_or(0), "selector": labels.join(",")},
    })
}

fn budgets_of(state: &State, namespace: &str, pod: &Json) -> Vec<(Key, Arc<Json>)> {
    let Some(kind) = state.kinds.of_resource("policy/poddisruptionbudgets") else { return Vec::new() };
    let concerns =
        |(_, budget): &(&Key, &Arc<Json>)| selector_of(budget).matches_labels(&pod["metadata"]["labels"]);
    let concerned = state.store.list(&kind.resource, namespace).filter(concerns);
    concerned.map(|(key, budget)| (key.clone(), Arc::clone(budget))).collect()
}

fn selector_of(budget: &Json) -> Selector {
    Selector::of(&budget["spec"]["selector"])
}

/// What a budget comes to now.
pub(in crate::embedded) fn budget(state: &State, budget: &Json) -> Budget {
    let namespace = budget["metadata"]["namespace"].as_str().unwrap_or_default();
    let selector = selector_of(budget);
    let pods: Vec<&Arc<Json>> = match state.kinds.of_resource("/pods") {
        Some(kind) => state
            .store
            .list(&kind.resource, namespace)
            .map(|(_, pod)| pod)
            .filter(|pod| selector.matches_labels(&pod["metadata"]["labels"]))
            .collect(),
        None => Vec::new(),
    };
    let is_healthy = |pod: &&&Arc<Json>| is_ready(pod) && pod["metadata"]["deletionTimestamp"].is_null();
    let healthy = count(pods.iter().filter(is_healthy).count());
    let spec = &budget["spec"];
    let (expected, desired) = match (&spec["minAvailable"], &spec["maxUnavailable"]) {
        (Json::Number(least), _) => (count(pods.len()), least.as_i64().unwrap_or(0)),
        (least @ Json::String(_), _) => {
            let expected = wanted(state, namespace, &pods);
            (expected, share(least, expected, true))
        }
        (_, most) => {
            let expected = wanted(state, namespace, &pods);
            (expected, (expected - share(most, expected, true)).max(0))
        }
    };
    Budget { expected, desired, healthy }
}

/// How many Pods the workloads want to which these belong, each counted once.
fn wanted(state: &State, namespace: &str, pods: &[&Arc<Json>]) -> i64 {
    let mut seen = Vec::new();
    let mut wanted = 0;
    for pod in pods {
        let Some(set) = controller(state, namespace, pod) else { continue };
        let workload = controller(state, namespace, &set).unwrap_or(set);
        if !seen.contains(&workload["metadata"]["uid"]) {
            wanted += workload["spec"]["replicas"].as_i64().unwrap_or(1);
            seen.push(workload["metadata"]["uid"].clone());
        }
    }
    wanted
}

fn controller(state: &State, namespace: &str, object: &Json) -> Option<Arc<Json>> {
    let owner = owners(object).find(|owner| owner["controller"] == true)?;
    let (kind, _) = state.kinds.of(owner)?;
    state.store.get(&Key::new(&kind.resource, namespace, owner["name"].as_str()?)).cloned()
}

/// A number, or a percentage of another one.
pub(in crate::embedded) fn share(value: &Json, of: i64, up: bool) -> i64 {
    match value
        .as_str()
        .and_then(|text| text.strip_suffix('%'))
        .and_then(|percent| percent.parse::<i64>().ok())
    {
        Some(percent) if up => (percent * of + 99) / 100,
        Some(percent) => percent * of / 100,
        None => value.as_i64().unwrap_or(0),
    }
}

/// Whether a Pod is ready.
pub(in crate::embedded) fn is_ready(pod: &Json) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

pub(in crate::embedded) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
