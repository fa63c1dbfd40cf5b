//! Which targets a call selects: everything, nothing, or a bounded number.

use super::at_argument;
use crate::chaosk8s::arguments::is_bounded;
use crate::chaosk8s::catalogue::{ArgumentDefault, Function, FunctionId};
use crate::experiment::{DeferredNames, ValidationFinding};
use crate::value::{Map, Value};

/// Arguments that select targets.
const SELECTORS: [&str; 5] = ["name", "label_selector", "name_pattern", "pod_label_selector", "all"];

fn takes(function: &Function, name: &str) -> bool {
    function.arguments.iter().any(|argument| argument.name == name)
}

fn is_set(given: &Map, name: &str) -> bool {
    given.get(name).is_some_and(Value::is_truthy)
}

/// Finds actions without a selector, which would target everything.
pub(super) fn check_selector(
    function: &Function,
    given: &Map,
    deferred: &DeferredNames,
) -> Option<ValidationFinding> {
    if !function.is_action || !takes(function, "label_selector") {
        return None;
    }
    let is_optional = |name: &&str| {
        function
            .arguments
            .iter()
            .any(|optional| optional.name == *name && optional.default != ArgumentDefault::Required)
    };
    let optional: Vec<&str> = SELECTORS.into_iter().filter(is_optional).collect();
    // a required name is a selector
    let is_named = function.arguments.iter().any(|optional| {
        let empty = given.get("name").is_some_and(|name| !name.is_truthy());
        optional.name == "name" && optional.default == ArgumentDefault::Required && !empty
    });
    let selects = |name: &&str| match *name {
        // without the namespace of the Pods it is ignored
        "pod_label_selector" => is_set(given, name) && is_set(given, "pod_namespace"),
        _ => is_set(given, name),
    };
    let is_selected = optional.iter().any(selects);
    let is_unknown = given.get("mode").is_some_and(|mode| deferred.affect(mode));
    if is_named || is_selected || is_bounded(function, given) && !is_unknown {
        return None;
    }
    let mut choices: Vec<&str> = optional.into_iter().filter(|name| *name != "all").collect();
    let is_bounded_with_namespace = {
        let mut given = given.clone();
        given.entry("ns".to_owned()).or_insert_with(|| "default".into());
        is_bounded(function, &given)
    };
    if is_bounded_with_namespace {
        choices.push("ns");
    }
    let message = format!("{} has no selector, so it could affect everything", function.name);
    let hint = format!("set one of {}, or pass --allow-all", describe(&choices));
    Some(ValidationFinding::at("arguments", message).hint(hint).doubtful())
}

fn describe(choices: &[&str]) -> String {
    let describe = |name: &&str| match *name {
        "pod_label_selector" => "pod_label_selector with pod_namespace".to_owned(),
        name => name.to_owned(),
    };
    choices.iter().map(describe).collect::<Vec<_>>().join(", ")
}

/// Finds arguments that another one makes ineffective.
pub(super) fn check_ineffective(function: &Function, given: &Map) -> Vec<ValidationFinding> {
    let mut findings = Vec::new();
    if function.is_action && takes(function, "all") && is_set(given, "all") {
        for name in ["qty", "rand", "mode", "count"] {
            if takes(function, name) && given.contains_key(name) {
                let message = format!("argument '{name}' has no effect: \"all\" selects every match");
                let hint = format!("remove \"all\" or \"{name}\"");
                findings.push(at_argument(name, message).hint(hint).warning());
            }
        }
    }
    for (name, other) in [("pod_label_selector", "pod_namespace"), ("pod_namespace", "pod_label_selector")] {
        if takes(function, name) && is_set(given, name) && !is_set(given, other) {
            let message = format!("argument '{name}' has no effect without '{other}'");
            findings.push(at_argument(name, message).hint(format!("set {other}")).doubtful());
        }
    }
    findings
}

/// Finds calls without one of several arguments, which always fail.
pub(super) fn check_needed(function: &Function, given: &Map) -> Option<ValidationFinding> {
    use FunctionId as F;
    let choices: &[&str] = match function.id {
        F::RolloutDeployment => &["name"],
        F::CreateNamespace => &["name", "spec_path"],
        F::CreateNetworkPolicy => &["spec", "spec_path"],
        F::CreateNode => &["meta"],
        F::ExecInPods => &["container_name"],
        F::ReadPodLogs => &["name", "label_selector"],
        F::AddLatency => &["latency"],
        F::CorruptPackets => &["corrupt"],
        F::DuplicatePackets => &["duplicate"],
        F::ReorderPackets => &["reorder"],
        F::SetLoss => &["loss"],
        F::StressMemory => &["workers"],
        F::ApplyFromJson | F::ApplyFromYaml => &["resource"],
        F::CreateCustomObject
        | F::CreateClusterCustomObject
        | F::PatchCustomObject
        | F::PatchClusterCustomObject
        | F::ReplaceCustomObject
        | F::ReplaceClusterCustomObject => &["resource", "resource_as_yaml_file"],
        _ => return None,
    };
    // empty text and null mean "not given"
    let is_given = |name: &&str| {
        given.get(*name).is_some_and(|value| *value != Value::Null && value.as_text() != Some(""))
    };
    if choices.iter().any(is_given) {
        return None;
    }
    let message = format!("{} needs {}", function.name, choices.join(" or "));
    let hint = format!("set {}", choices.join(" or "));
    Some(ValidationFinding::at("arguments", message).hint(hint).doubtful())
}
