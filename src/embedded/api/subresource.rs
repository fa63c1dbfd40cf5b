//! The subresources `scale` and `eviction`.
//!
//! Verbatim: Kubernetes API server

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::write::{DeleteOptions, WriteOptions};
use super::{ApiServer, ApiState, ObjectPath};
use crate::embedded::json_fields::{
    controller_owner, format_labels, is_ready, is_terminating, name, namespace, number, text, to_i64, uid,
};
use crate::embedded::selector::LabelSelector;
use crate::embedded::status::ApiStatus;
use crate::embedded::store::IndexKey;

/// The computed status of a `PodDisruptionBudget`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::embedded) struct DisruptionBudgetStatus {
    /// The expected number of Pods.
    pub(in crate::embedded) expected: i64,
    /// The minimum number of healthy Pods.
    pub(in crate::embedded) desired: i64,
    /// The number of healthy Pods.
    pub(in crate::embedded) healthy: i64,
}

impl DisruptionBudgetStatus {
    /// Returns how many Pods may be evicted now.
    pub(in crate::embedded) fn allowed_disruptions(self) -> i64 {
        if self.expected <= 0 { 0 } else { (self.healthy - self.desired).max(0) }
    }
}

impl ApiServer {
    /// Returns the `Scale` of a workload.
    pub(in crate::embedded) fn get_scale(&self, path: &ObjectPath) -> Result<Json, ApiStatus> {
        Ok(scale_document(path, &self.get(path)?))
    }

    /// Sets the replicas of a workload. `change` returns the new `Scale` for the current one.
    pub(in crate::embedded) fn update_scale(
        &self,
        path: &ObjectPath,
        change: impl FnOnce(&Json) -> Result<Json, ApiStatus>,
        dry_run: bool,
    ) -> Result<Json, ApiStatus> {
        let workload = self.get(path)?;
        let scale = change(&scale_document(path, &workload))?;
        let requested = &scale["spec"]["replicas"];
        // missing replicas mean zero, as in Kubernetes
        let replicas = if requested.is_null() { 0 } else { requested.as_i64().unwrap_or(-1) };
        if replicas < 0 {
            let message = format!("Invalid value: {requested}: must be greater than or equal to 0");
            return Err(ApiStatus::invalid_field(&path.kind, &path.name, "spec.replicas", &message));
        }
        let mut scaled = workload;
        scaled["spec"]["replicas"] = json!(replicas);
        scaled["metadata"]["resourceVersion"] = scale["metadata"]["resourceVersion"].clone();
        let updated = self.update(path, scaled, &WriteOptions { dry_run, status: false })?;
        Ok(scale_document(path, &updated))
    }

    /// Evicts a Pod if its disruption budget allows it.
    pub(in crate::embedded) fn evict(&self, path: &ObjectPath, eviction: &Json) -> Result<Json, ApiStatus> {
        let options = DeleteOptions::parse(&eviction["deleteOptions"])?;
        let mut state = self.lock();
        let pod = state
            .store
            .get(&path.key())
            .cloned()
            .ok_or_else(|| ApiStatus::not_found(&path.kind, &path.name))?;
        if pod["status"]["phase"] == "Running" && !is_terminating(&pod) {
            let budgets = find_budgets(&state, &path.namespace, &pod);
            if budgets.len() > 1 {
                return Err(ApiStatus::multiple_budgets());
            }
            if let Some(object) = budgets.first() {
                let budget = compute_budget_status(&state, object);
                if budget.allowed_disruptions() == 0 {
                    return Err(ApiStatus::budget_exceeded(name(object), budget.desired, budget.healthy));
                }
            }
        }
        self.delete_locked(&mut state, path, &options)?;
        Ok(json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}))
    }
}

fn scale_document(path: &ObjectPath, workload: &Json) -> Json {
    let metadata = &workload["metadata"];
    let selector = format_labels(&workload["spec"]["selector"]["matchLabels"]);
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": path.name, "namespace": path.namespace, "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {"replicas": workload["spec"]["replicas"]},
        "status": {"replicas": number(&workload["status"]["replicas"]), "selector": selector},
    })
}

fn find_budgets(state: &ApiState, namespace: &str, pod: &Json) -> Vec<Arc<Json>> {
    let budgets = state.store.list("policy/poddisruptionbudgets", namespace).map(|(_, budget)| budget);
    let concerns = |budget: &&Arc<Json>| budget_selector(budget).matches_labels(&pod["metadata"]["labels"]);
    budgets.filter(concerns).cloned().collect()
}

fn budget_selector(budget: &Json) -> LabelSelector {
    LabelSelector::from_object(&budget["spec"]["selector"])
}

/// Computes the status of a disruption budget.
pub(in crate::embedded) fn compute_budget_status(state: &ApiState, budget: &Json) -> DisruptionBudgetStatus {
    let (selector, spec) = (budget_selector(budget), &budget["spec"]);
    let pods = state.store.list("/pods", namespace(budget)).map(|(_, pod)| pod);
    let pods: Vec<&Arc<Json>> =
        pods.filter(|pod| selector.matches_labels(&pod["metadata"]["labels"])).collect();
    let healthy = to_i64(pods.iter().filter(|pod| is_ready(pod) && !is_terminating(pod)).count());
    let (expected, desired) = match (&spec["minAvailable"], &spec["maxUnavailable"]) {
        (min_available @ Json::Number(_), _) => (to_i64(pods.len()), number(min_available)),
        (min_available @ Json::String(_), _) => {
            let expected = count_expected_pods(state, &pods);
            (expected, resolve_int_or_percent(min_available, expected, true))
        }
        (_, most) => {
            let expected = count_expected_pods(state, &pods);
            (expected, (expected - resolve_int_or_percent(most, expected, true)).max(0))
        }
    };
    DisruptionBudgetStatus { expected, desired, healthy }
}

/// Sums the replicas of the workloads that own these Pods; each workload counts once.
fn count_expected_pods(state: &ApiState, pods: &[&Arc<Json>]) -> i64 {
    let owner = |object: &Json| {
        let mark = IndexKey::Uid(text(&controller_owner(object)?["uid"]).to_owned());
        state.store.find_indexed(&mark).map(|(_, owner)| owner).next()
    };
    let mut workloads = BTreeMap::new();
    for set in pods.iter().filter_map(|pod| owner(pod)) {
        let workload = owner(set).unwrap_or(set);
        workloads.insert(uid(workload), workload["spec"]["replicas"].as_i64().unwrap_or(1));
    }
    workloads.values().sum()
}

/// Returns a number, or a percentage of `of`, rounded up or down.
pub(in crate::embedded) fn resolve_int_or_percent(value: &Json, of: i64, up: bool) -> i64 {
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
