//! Every function that an experiment can call, through the shipped binary and a kubeconfig: one suite, held on an
//! embedded cluster of each test's own with every `cargo test`, and on a real one where `KUBECTL_CHAOS_TEST_CONTEXT`
//! names it. Where the two differ, the embedded one is wrong.
//!
//! What the embedded cluster does not claim to do is held on the real one alone (`real`): commands in Pods
//! (`exec_in_pods`) and rights. Nothing counts the Pods of its `StatefulSets` and `DaemonSets`: there the test says
//! what their controllers would.

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

/// Holds each part on a site of its own.
macro_rules! suite {
    (both: $($of:ident :: $part:ident),+; here: $($of_here:ident :: $here:ident),+ $(,)?) => {
        /// On an embedded cluster.
        mod here {
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
        mod there {
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
    custom::custom_objects_come_change_and_go,
    custom::faults_of_chaos_mesh_are_asked_for_and_taken_back,
    nodes::nodes_are_emptied_by_the_rules,
    nodes::nodes_are_looked_at,
    nodes::nodes_are_made_closed_and_deleted,
    pods::logs_are_read_and_searched,
    pods::pods_are_chosen_in_every_way,
    pods::pods_are_counted_and_judged,
    resources::events_are_listed,
    resources::namespaces_come_and_go,
    resources::network_policies_come_and_go,
    resources::secrets_and_ingresses_come_and_go,
    resources::services_come_and_go,
    services::services_without_pods_say_so,
    workloads::daemon_sets_are_made_changed_and_waited_for,
    workloads::deployments_are_made_scaled_and_waited_for,
    workloads::stateful_sets_are_made_scaled_and_waited_for,
    workloads::the_old_names_do_the_same;
    // Pods that run on the real cluster are on its one node, where they are not alone; and nothing listens there
    here:
    nodes::budgets_hold_a_drain_back,
    services::services_answer_through_their_pods,
);

/// A workload with one container; name, `app` and `name` labels are the same.
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
fn every_function_is_in_the_suite() {
    let parts = [
        include_str!("custom.rs"),
        include_str!("nodes.rs"),
        include_str!("pods.rs"),
        include_str!("resources.rs"),
        include_str!("workloads.rs"),
    ];
    let is_called = |name: &str| parts.iter().any(|part| part.contains(&format!("\"{name}\"")));
    // an alias is the same function once more
    let mut seen = BTreeSet::new();
    let own = functions().filter(|function| seen.insert((function.about, function.name)));
    let left_out: Vec<String> = own
        .map(|function| format!("{}.{}", function.module.trim_start_matches("chaosk8s."), function.name))
        .filter(|name| !is_called(name))
        .collect();
    // held on the real cluster, where there are containers
    assert_eq!(left_out, ["pod.actions.exec_in_pods"]);
}
