//! Every function that an experiment can call, through the binary and a kubeconfig. The suite runs on an
//! embedded cluster per test with every `cargo test`, and on a real one if `KUBECTL_CHAOS_TEST_CONTEXT`
//! names it. If the two differ, the embedded one is wrong.
//!
//! Features that the embedded cluster does not have are tested on the real one alone (`real`): commands in
//! Pods
//! (`exec_in_pods`) and permissions. It has no controllers for `StatefulSets` and `DaemonSets`: the tests set
//! the
//! status that these controllers would set.

mod custom;
mod nodes;
mod pods;
mod real;
mod resources;
mod services;
mod steps;
mod workloads;

use std::collections::BTreeSet;

use kubectl_chaos::chaosk8s::catalogue::functions;
use serde_json::{Value, json};

use crate::harness::{Site, object, pod_spec};

/// Runs each part on its own cluster or namespace.
macro_rules! suite {
    (both: $($of:ident :: $part:ident),+; here: $($of_here:ident :: $here:ident),+ $(,)?) => {
        /// On an embedded cluster.
        mod on_embedded {
            $(#[test]
            fn $part() {
                super::$of::$part(&super::Site::embedded());
            })+
            $(#[test]
            fn $here() {
                super::$of_here::$here(&super::Site::embedded());
            })+
        }
        /// On a real cluster.
        mod on_real {
            $(#[test]
            #[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
            fn $part() {
                super::$of::$part(&super::Site::real());
            })+
        }
    };
}

suite!(
    both:
    custom::custom_objects_are_created_patched_and_deleted,
    custom::chaos_mesh_faults_are_created_and_deleted,
    nodes::nodes_are_drained_by_eviction_rules,
    nodes::node_conditions_are_probed,
    nodes::nodes_are_created_cordoned_and_deleted,
    pods::pod_logs_are_read_and_searched,
    pods::pods_are_selected_by_every_argument,
    pods::pods_are_counted_and_checked_for_readiness,
    resources::events_are_listed,
    resources::namespaces_are_created_and_deleted,
    resources::network_policies_are_created_and_deleted,
    resources::secrets_and_ingresses_are_created_and_deleted,
    resources::services_are_created_and_deleted,
    services::service_without_pods_reports_no_endpoints,
    workloads::daemon_sets_are_created_patched_and_awaited,
    workloads::deployments_are_created_scaled_and_awaited,
    workloads::stateful_sets_are_created_scaled_and_awaited,
    workloads::deprecated_functions_behave_like_replacements;
    // the real cluster has one node with other Pods on it, and no image that listens
    here:
    nodes::disruption_budget_blocks_drain,
    services::service_is_reached_through_its_pods,
);

/// A workload with one container. Its labels `app` and `name` have the value of its name.
fn workload(kind: &str, name: &str, replicas: u32, image: &str) -> Value {
    let mut spec = json!({"selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name, "name": name}}, "spec": pod_spec(image)}});
    if kind != "DaemonSet" {
        spec["replicas"] = json!(replicas);
    }
    if kind == "StatefulSet" {
        spec["serviceName"] = json!(name);
    }
    let metadata = json!({"name": name, "labels": {"name": name}});
    object("apps/v1", kind, name, &json!({"metadata": metadata, "spec": spec}))
}

#[test]
fn every_function_is_tested() {
    let parts = [
        include_str!("custom.rs"),
        include_str!("nodes.rs"),
        include_str!("pods.rs"),
        include_str!("resources.rs"),
        include_str!("workloads.rs"),
    ];
    let is_called = |name: &str| parts.iter().any(|part| part.contains(&format!("\"{name}\"")));
    // an alias is the same function
    let mut seen = BTreeSet::new();
    let own = functions().filter(|function| seen.insert((function.about, function.name)));
    let left_out: Vec<String> = own
        .map(|function| format!("{}.{}", function.module.trim_start_matches("chaosk8s."), function.name))
        .filter(|name| !is_called(name))
        .collect();
    // tested on the real cluster, which has containers
    assert_eq!(left_out, ["pod.actions.exec_in_pods"]);
}
