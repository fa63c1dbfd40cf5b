//! Scaling, and evicting under budgets. Floor 1.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::write::{Deletion, Writing};
use super::{ApiServer, ApiState, ObjectPath};
use crate::embedded::json_fields::{
    controller, count, is_leaving, is_ready, labels, name, namespace, number, text, uid,
};
use crate::embedded::selector::LabelSelector;
use crate::embedded::status::ApiStatus;
use crate::embedded::store::IndexKey;

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

impl ApiServer {
    /// The `Scale` of a workload.
    pub(in crate::embedded) fn scale(&self, at: &ObjectPath) -> Result<Json, ApiStatus> {
        Ok(scale_of(at, &self.get(at)?))
    }

    /// Sets the replicas of a workload as a whole `Scale` says, or as one that is changed by `change` says.
    pub(in crate::embedded) fn rescale(
        &self,
        at: &ObjectPath,
        change: impl FnOnce(&Json) -> Result<Json, ApiStatus>,
        dry_run: bool,
    ) -> Result<Json, ApiStatus> {
        let workload = self.get(at)?;
        let scale = change(&scale_of(at, &workload))?;
        let asked = &scale["spec"]["replicas"];
        // what is left out is zero, as ever in Kubernetes
        let replicas = if asked.is_null() { 0 } else { asked.as_i64().unwrap_or(-1) };
        if replicas < 0 {
            let why = format!("Invalid value: {asked}: must be greater than or equal to 0");
            return Err(ApiStatus::invalid_field(&at.kind, &at.name, "spec.replicas", &why));
        }
        let mut scaled = workload;
        scaled["spec"]["replicas"] = json!(replicas);
        scaled["metadata"]["resourceVersion"] = scale["metadata"]["resourceVersion"].clone();
        let written = self.update(at, scaled, &Writing { dry_run, status: false })?;
        Ok(scale_of(at, &written))
    }

    /// Evicts a Pod, if its budget allows that now.
    pub(in crate::embedded) fn evict(&self, at: &ObjectPath, eviction: &Json) -> Result<Json, ApiStatus> {
        let how = Deletion::read(&eviction["deleteOptions"])?;
        let mut state = self.lock();
        let pod =
            state.store.get(&at.key()).cloned().ok_or_else(|| ApiStatus::not_found(&at.kind, &at.name))?;
        if pod["status"]["phase"] == "Running" && !is_leaving(&pod) {
            let budgets = budgets_of(&state, &at.namespace, &pod);
            if budgets.len() > 1 {
                return Err(ApiStatus::several_budgets());
            }
            if let Some(object) = budgets.first() {
                let budget = budget(&state, object);
                if budget.allowed() == 0 {
                    return Err(ApiStatus::over_budget(name(object), budget.desired, budget.healthy));
                }
            }
        }
        self.delete_within(&mut state, at, &how)?;
        Ok(json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}))
    }
}

fn scale_of(at: &ObjectPath, workload: &Json) -> Json {
    let metadata = &workload["metadata"];
    let selector = labels(&workload["spec"]["selector"]["matchLabels"]);
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": at.name, "namespace": at.namespace, "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {"replicas": workload["spec"]["replicas"]},
        "status": {"replicas": number(&workload["status"]["replicas"]), "selector": selector},
    })
}

fn budgets_of(state: &ApiState, namespace: &str, pod: &Json) -> Vec<Arc<Json>> {
    let budgets = state.store.list("policy/poddisruptionbudgets", namespace).map(|(_, budget)| budget);
    let concerns = |budget: &&Arc<Json>| selector_of(budget).matches_labels(&pod["metadata"]["labels"]);
    budgets.filter(concerns).cloned().collect()
}

fn selector_of(budget: &Json) -> LabelSelector {
    LabelSelector::of(&budget["spec"]["selector"])
}

/// What a budget comes to now.
pub(in crate::embedded) fn budget(state: &ApiState, budget: &Json) -> Budget {
    let (selector, spec) = (selector_of(budget), &budget["spec"]);
    let pods = state.store.list("/pods", namespace(budget)).map(|(_, pod)| pod);
    let pods: Vec<&Arc<Json>> =
        pods.filter(|pod| selector.matches_labels(&pod["metadata"]["labels"])).collect();
    let healthy = count(pods.iter().filter(|pod| is_ready(pod) && !is_leaving(pod)).count());
    let (expected, desired) = match (&spec["minAvailable"], &spec["maxUnavailable"]) {
        (least @ Json::Number(_), _) => (count(pods.len()), number(least)),
        (least @ Json::String(_), _) => {
            let expected = wanted(state, &pods);
            (expected, share(least, expected, true))
        }
        (_, most) => {
            let expected = wanted(state, &pods);
            (expected, (expected - share(most, expected, true)).max(0))
        }
    };
    Budget { expected, desired, healthy }
}

/// How many Pods the workloads want to which these belong, each counted once.
fn wanted(state: &ApiState, pods: &[&Arc<Json>]) -> i64 {
    let owner = |object: &Json| {
        let mark = IndexKey::Uid(text(&controller(object)?["uid"]).to_owned());
        state.store.marked(&mark).map(|(_, owner)| owner).next()
    };
    let mut workloads = BTreeMap::new();
    for set in pods.iter().filter_map(|pod| owner(pod)) {
        let workload = owner(set).unwrap_or(set);
        workloads.insert(uid(workload), workload["spec"]["replicas"].as_i64().unwrap_or(1));
    }
    workloads.values().sum()
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
