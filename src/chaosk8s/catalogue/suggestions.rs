//! Suggestions for names that are not in the catalogue.
//!
//! A suggestion never names a deprecated function: the next validation would refer to another one.

use super::{Function, LookupError, functions};
use crate::diagnostic::did_you_mean;

/// The package whose functions are built in.
const PACKAGE: &str = "chaosk8s";

/// Names that users expect, and the functions that do the work.
const EXPECTED_NAMES: &[(&str, &str)] = &[
    ("restart_deployment", "rollout_deployment"),
    ("rollout_restart", "rollout_deployment"),
    ("restart_pods", "terminate_pods"),
    ("delete_pod", "terminate_pods"),
    ("delete_pods", "terminate_pods"),
    ("kill_pod", "terminate_pods"),
    ("kill_pods", "terminate_pods"),
    ("remove_pods", "terminate_pods"),
    ("exec_in_pod", "exec_in_pods"),
    ("drain_node", "drain_nodes"),
    ("delete_node", "delete_nodes"),
    ("cordon_nodes", "cordon_node"),
    ("uncordon_nodes", "uncordon_node"),
    ("scale", "scale_deployment"),
    ("delete_statefulset", "remove_statefulset"),
    ("deployment_is_available", "deployment_available_and_healthy"),
    ("pods_healthy", "all_pods_healthy"),
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
    let siblings: Vec<&str> = current_functions()
        .filter(|function| function.module == module)
        .map(|function| function.name)
        .collect();
    let expected = expected_name(name);
    if let Some(expected) = expected.filter(|expected| siblings.contains(expected)) {
        return Some(meant(expected));
    }
    let same_name = find_home(expected.unwrap_or(name));
    same_name.or_else(|| did_you_mean(name, siblings).map(meant)).or_else(|| {
        // a typo of a deprecated name
        let old = functions().filter(|function| function.module == module).map(|function| function.name);
        did_you_mean(name, old).map(|old| find_home(old).unwrap_or_else(|| meant(old)))
    })
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
    EXPECTED_NAMES.iter().find(|(from, _)| *from == name).map(|(_, to)| *to)
}

/// Whether a package is the built-in one, perhaps with a typo.
fn is_similar(package: &str) -> bool {
    strsim::damerau_levenshtein(package, PACKAGE) <= 1
}

/// Returns where a function is, or the one that replaces it.
fn find_home(name: &str) -> Option<String> {
    let replacement = || {
        let old = functions().find(|function| function.name == name)?.deprecated_for?;
        let (module, name) = old.rsplit_once('.')?;
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
        for (from, to) in EXPECTED_NAMES {
            assert!(current_functions().any(|function| function.name == *to), "{from} -> {to}");
            assert!(!current_functions().any(|function| function.name == *from), "{from}");
        }
    }
}
