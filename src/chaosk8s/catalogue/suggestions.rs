//! Suggestions for names that are not in the catalogue.
//!
//! A suggestion never names a deprecated function: the next validation would refer to another one.

use super::{Function, LookupError, functions};
use crate::diagnostic::did_you_mean;

/// The package whose functions are built in.
const PACKAGE: &str = "chaosk8s";

/// Names that users expect, by the function that does the work. Some are from other packages and forks.
const EXPECTED_NAMES: &[(&str, &[&str])] = &[
    (
        "rollout_deployment",
        &["restart_deployment", "rollout_restart", "rollout_restart_deployment", "redeploy"],
    ),
    (
        "terminate_pods",
        &[
            // Pods of these objects are created again
            "restart_statefulset",
            "restart_stateful_set",
            "rollout_statefulset",
            "restart_daemonset",
            "restart_daemon_set",
            "restart_replicaset",
            "restart_replica_set",
            "kill_statefulset_pods",
            "restart_pods",
            "restart_pod",
            "delete_pod",
            "delete_pods",
            "kill_pod",
            "kill_pods",
            "kill_random_pod",
            "kill_random_pods",
            "terminate_random_pods",
            "remove_pod",
            "remove_pods",
            "stop_pods",
            "evict_pods",
        ],
    ),
    (
        "exec_in_pods",
        &["exec_in_pod", "exec", "exec_command", "execute_command", "run_command", "exec_in_container"],
    ),
    ("drain_nodes", &["drain", "drain_node", "reboot_node", "reboot_nodes", "restart_node", "restart_nodes"]),
    ("delete_nodes", &["delete_node", "remove_node", "remove_nodes", "kill_node", "terminate_nodes"]),
    ("cordon_node", &["cordon", "cordon_nodes", "taint_node", "taint_nodes"]),
    ("uncordon_node", &["uncordon", "uncordon_nodes", "untaint_node"]),
    ("scale_deployment", &["scale", "scale_replicas", "scale_pods", "pause_deployment", "stop_deployment"]),
    ("scale_statefulset", &["scale_stateful_set", "stop_statefulset"]),
    ("remove_statefulset", &["delete_statefulset", "delete_stateful_set", "remove_stateful_set"]),
    ("create_statefulset", &["create_stateful_set"]),
    ("create_daemon_set", &["create_daemonset"]),
    ("delete_daemon_set", &["delete_daemonset", "remove_daemonset", "remove_daemon_set"]),
    ("update_daemon_set", &["update_daemonset", "patch_daemonset"]),
    ("delete_replica_set", &["delete_replicaset", "remove_replicaset", "remove_replica_set"]),
    ("delete_deployment", &["remove_deployment", "kill_deployment"]),
    ("create_service_endpoint", &["create_service"]),
    ("delete_service", &["remove_service", "delete_service_endpoint"]),
    ("create_namespace", &["create_ns"]),
    ("delete_namespace", &["delete_ns", "remove_namespace"]),
    (
        "patch_custom_object",
        &[
            "patch_deployment",
            "update_deployment",
            "update_image",
            "set_image",
            "patch_statefulset",
            "patch_object",
        ],
    ),
    ("apply_from_yaml", &["apply", "apply_manifest", "apply_yaml", "apply_from_file"]),
    (
        "deny_all_ingress",
        &["deny_ingress", "block_ingress", "block_traffic", "isolate_pods", "network_partition"],
    ),
    ("deny_all_egress", &["deny_egress", "block_egress"]),
    (
        "add_latency",
        &["add_delay", "inject_latency", "network_delay", "network_latency", "add_network_latency"],
    ),
    ("set_loss", &["add_loss", "inject_loss", "packet_loss", "network_loss", "drop_packets"]),
    ("set_bandwidth", &["limit_bandwidth", "bandwidth_limit"]),
    ("stress_cpu", &["cpu_stress", "add_cpu_stress", "stress", "burn_cpu"]),
    ("stress_memory", &["memory_stress", "add_memory_stress", "fill_memory"]),
    (
        "pods_in_phase",
        &[
            "pod_in_phase",
            "pod_is_running",
            "pods_are_running",
            "pods_running",
            "pod_running",
            "pod_is_available",
            "pods_available",
            "all_pods_running",
        ],
    ),
    ("pods_in_conditions", &["pods_ready", "pods_are_ready", "pod_ready", "pod_is_ready"]),
    ("all_pods_healthy", &["pods_healthy", "pod_healthy", "pod_is_healthy", "pods_are_healthy"]),
    ("count_pods", &["pod_exists", "pods_exist", "pod_count", "pods_count", "get_pods", "list_pods"]),
    ("read_pod_logs", &["read_logs", "get_logs", "get_pod_logs", "pod_logs", "read_pods_logs"]),
    (
        "deployment_available_and_healthy",
        &[
            "deployment_is_available",
            "deployment_available",
            "deployment_healthy",
            "deployment_is_healthy",
            "deployment_ready",
            "deployment_is_ready",
            "deployment_exists",
        ],
    ),
    (
        "statefulset_fully_available",
        &[
            "wait_to_be_healthy",
            "statefulset_available",
            "statefulset_is_available",
            "statefulset_is_fully_available",
            "statefulset_healthy",
            "statefulset_is_healthy",
            "statefulset_ready",
            "statefulset_is_ready",
        ],
    ),
    (
        "daemon_set_available_and_healthy",
        &[
            "daemonset_available",
            "daemonset_is_ready",
            "daemonset_healthy",
            "daemonset_available_and_healthy",
        ],
    ),
    (
        "service_is_initialized",
        &["service_exists", "service_is_available", "service_available", "service_is_up"],
    ),
    (
        "nodes_must_be_healthy",
        &["nodes_ready", "node_is_ready", "nodes_are_ready", "nodes_healthy", "node_healthy"],
    ),
];

/// Modules of other packages: prefix, package, and what replaces them.
const OTHER_PACKAGES: &[(&str, &str, &str)] = &[
    ("chaosaddons", "chaostoolkit-addons", "use a safeguards control"),
    ("chaosansible", "chaostoolkit-ansible", "call ansible with a process provider"),
    ("chaosaws", "chaostoolkit-aws", "call aws with a process provider"),
    ("chaosazure", "chaostoolkit-azure", "call az with a process provider"),
    ("chaoscf", "chaostoolkit-cloud-foundry", "call cf with a process provider"),
    ("chaosdatadog", "chaostoolkit-datadog", "call the API with an http provider"),
    ("chaosdynatrace", "chaostoolkit-dynatrace", "call the API with an http provider"),
    ("chaosgandi", "chaostoolkit-gandi", "call the API with an http provider"),
    ("chaosgcp", "chaostoolkit-google-cloud-platform", "call gcloud with a process provider"),
    ("chaosgce", "chaostoolkit-google-cloud", "call gcloud with a process provider"),
    ("chaosgrafana", "chaostoolkit-grafana", "call the API with an http provider"),
    ("chaosgremlin", "chaostoolkit-gremlin", "call the API with an http provider"),
    ("chaoshumio", "chaostoolkit-humio", "call the API with an http provider"),
    ("chaosistio", "chaostoolkit-istio", "use chaosk8s.crd.actions for the objects of Istio"),
    ("chaosk6", "chaostoolkit-k6", "call k6 with a process provider"),
    ("chaoskafka", "chaostoolkit-kafka", "call the tools of Kafka with a process provider"),
    ("chaosprometheus", "chaostoolkit-prometheus", "query the API of Prometheus with an http provider"),
    ("chaosreliably", "chaostoolkit-reliably", "call the API with an http provider"),
    ("chaosservicefabric", "chaostoolkit-service-fabric", "call the API with an http provider"),
    ("chaosslack", "chaostoolkit-slack", "call the webhook with an http provider"),
    ("chaosspring", "chaostoolkit-spring", "call the actuator with an http provider"),
    ("chaosterraform", "chaostoolkit-terraform", "call terraform with a process provider"),
    ("chaostoxi", "chaostoolkit-toxiproxy", "call the API of Toxiproxy with an http provider"),
    ("chaoswm", "chaostoolkit-wiremock", "call the API of WireMock with an http provider"),
];

/// Explains why there is no such function.
pub(super) fn explain(module: &str, name: &str) -> LookupError {
    if functions().any(|function| function.module == module) {
        LookupError::Function { suggestion: suggest_function(module, name) }
    } else {
        LookupError::Module { suggestion: suggest_module(module, name) }
    }
}

/// Iterates over the functions that may be suggested.
fn current_functions() -> impl Iterator<Item = Function> {
    functions().filter(|function| function.deprecated_for.is_none() && function.listed)
}

fn suggest_function(module: &str, name: &str) -> Option<String> {
    let siblings: Vec<&'static str> = current_functions()
        .filter(|function| function.module == module)
        .map(|function| function.name)
        .collect();
    let expected = expected_name(name);
    if let Some(expected) = expected.filter(|expected| siblings.contains(expected)) {
        return Some(meant(expected));
    }
    let same_name = find_home(expected.unwrap_or(name));
    let similar = |candidates: Vec<&'static str>| {
        did_you_mean(name, candidates.into_iter().filter(|candidate| has_same_verb(name, candidate)))
    };
    let old =
        || functions().filter(|function| function.module == module).map(|function| function.name).collect();
    same_name
        .or_else(|| similar(siblings.clone()).map(meant))
        // a typo of a deprecated name
        .or_else(|| similar(old()).map(|old| find_home(old).unwrap_or_else(|| meant(old))))
        .or_else(|| (!siblings.is_empty()).then(|| format!("expected one of {}", siblings.join(", "))))
}

/// Whether two names do not differ in the first word alone, except for a typo: `restart_x` is not `remove_x`.
fn has_same_verb(name: &str, other: &str) -> bool {
    match (name.split_once('_'), other.split_once('_')) {
        (Some((verb, rest)), Some((other_verb, other_rest))) if rest == other_rest => {
            strsim::damerau_levenshtein(verb, other_verb) <= 1
        }
        _ => true,
    }
}

fn suggest_module(module: &str, name: &str) -> String {
    let package = module.split('.').next().unwrap_or_default();
    if !is_similar(package) {
        return match OTHER_PACKAGES.iter().find(|(prefix, ..)| *prefix == package) {
            Some((_, distribution, instead)) => {
                format!("{instead}, or run it with the Chaos Toolkit: Python package {distribution} is not built in")
            }
            None => "Python modules cannot be loaded, and this one is not built in: use a process or http provider"
                .to_owned(),
        };
    }
    let name = expected_name(name).unwrap_or(name);
    let has_function = |module: &str| current_functions().any(|f| f.module == module && f.name == name);
    let nearest = did_you_mean(module, current_functions().map(|function| function.module));
    match nearest.filter(|nearest| has_function(nearest)) {
        Some(nearest) => meant(nearest),
        None => find_home(name)
            .or_else(|| nearest.map(meant))
            .unwrap_or_else(|| "`kubectl chaos discover` lists every function".to_owned()),
    }
}

fn meant(name: &str) -> String {
    format!("did you mean \"{name}\"?")
}

fn expected_name(name: &str) -> Option<&'static str> {
    EXPECTED_NAMES.iter().find(|(_, names)| names.contains(&name)).map(|(function, _)| *function)
}

/// Whether a package is the built-in one, perhaps with a typo.
fn is_similar(package: &str) -> bool {
    strsim::damerau_levenshtein(package, PACKAGE) <= 1
}

/// Returns where a function is, or the one that replaces it.
fn find_home(name: &str) -> Option<String> {
    let replacement = || {
        let old = functions().find(|function| function.name == name)?.deprecated_for?;
        // of several functions the first one does most of the work
        let (module, name) = old.split(" + ").next()?.rsplit_once('.')?;
        current_functions().find(|function| function.module == module && function.name == name)
    };
    let found = current_functions().find(|function| function.name == name).or_else(replacement)?;
    Some(format!("use \"{}\" of \"{}\"", found.name, found.module))
}

#[cfg(test)]
mod tests {
    use super::super::lookup;
    use super::*;

    fn suggestion(module: &str, name: &str) -> Option<String> {
        match lookup(module, name) {
            Err(LookupError::Module { suggestion }) => Some(suggestion),
            Err(LookupError::Function { suggestion }) => suggestion,
            Ok(_) => None,
        }
    }

    #[test]
    fn unknown_names_get_a_current_suggestion() {
        let check = |module: &str, name: &str, expected: &str| {
            assert_eq!(suggestion(module, name).as_deref(), Some(expected), "{module}.{name}");
        };
        check("chaosk8s.pod.action", "terminate_pods", "did you mean \"chaosk8s.pod.actions\"?");
        check("chaosk8.pod.actions", "terminate_pods", "did you mean \"chaosk8s.pod.actions\"?");
        check("chaosk8s.pod.actions", "terminate_pod", "did you mean \"terminate_pods\"?");
        check("chaosk8s.pod.actions", "delete_pod", "did you mean \"terminate_pods\"?");
        check("chaosk8s.deployment.actions", "restart_deployment", "did you mean \"rollout_deployment\"?");
        check("chaosk8s.node.probes", "terminate_pods", "use \"terminate_pods\" of \"chaosk8s.pod.actions\"");
        check(
            "chaosk8s.utils.probes",
            "deployment_is_fully_available",
            "use \"deployment_fully_available\" of \"chaosk8s.deployment.probes\"",
        );
        check("chaosk8s.probes", "pods_in_phase", "use \"pods_in_phase\" of \"chaosk8s.pod.probes\"");
        let pods = "use \"terminate_pods\" of \"chaosk8s.pod.actions\"";
        check("chaosk8s.statefulset.actions", "restart_statefulset", pods);
        check("chaosk8s.statefulset.actions", "kill_statefulset_pods", pods);
        check("chaosk8s.statefulsets.actions", "restart_statefulset", pods);
        let deployment = "use \"delete_deployment\" of \"chaosk8s.deployment.actions\"";
        check("chaosk8s.deployment.actions", "kill_microservice", deployment);
        check("chaosk8s.microservice.actions", "kill_microservice", deployment);
        check("chaosk8s.pod.probes", "pod_is_running", "did you mean \"pods_in_phase\"?");
        check("chaosk8s.probes", "pod_is_running", "use \"pods_in_phase\" of \"chaosk8s.pod.probes\"");
        check(
            "chaosk8s.statefulset.probes",
            "wait_to_be_healthy",
            "did you mean \"statefulset_fully_available\"?",
        );
        check("chaosk8s.statefulset.actions", "delete_statefulset", "did you mean \"remove_statefulset\"?");
        // another verb is another function
        check(
            "chaosk8s.statefulset.actions",
            "resize_statefulset",
            "expected one of create_statefulset, remove_statefulset, scale_statefulset",
        );
        check("chaosk8s.statefulset.actions", "scal_statefulset", "did you mean \"scale_statefulset\"?");
        check(
            "chaosaws.ecs.actions",
            "stop_task",
            "call aws with a process provider, or run it with the Chaos Toolkit: Python package chaostoolkit-aws is not \
             built in",
        );
        check(
            "theirs",
            "break_it",
            "Python modules cannot be loaded, and this one is not built in: use a process or http provider",
        );
    }

    #[test]
    fn every_expected_name_exists() {
        let mut seen = std::collections::BTreeSet::new();
        for (function, names) in EXPECTED_NAMES {
            assert!(current_functions().any(|known| known.name == *function), "{function}");
            for name in *names {
                assert!(!current_functions().any(|known| known.name == *name), "{name}");
                assert!(seen.insert(name), "{name} has two functions");
            }
        }
    }
}
