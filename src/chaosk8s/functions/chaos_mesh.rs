//! Faults of Chaos Mesh.

use crate::chaosk8s::error::Result;
use crate::k8s::{ExpectedState, MutationPlan, NETWORK_CHAOS, Resource, STRESS_CHAOS};
use serde_json::{Map as JsonMap, Value as Json, json};

use super::{FunctionContext, custom};
use crate::value::Value;

/// Modes that need a value.
const WITH_VALUE: [&str; 3] = ["fixed", "fixed-percent", "random-max-percent"];

/// Returns the selector of the arguments with a prefix.
fn selector(context: &FunctionContext, prefix: &str) -> Result<JsonMap<String, Json>> {
    let arguments = &context.arguments;
    let mut selector = JsonMap::new();
    if let Some(namespaces) = arguments.items(&format!("{prefix}namespaces_selectors")) {
        selector.insert("namespaces".to_owned(), namespaces.into());
    }
    for (key, name) in
        [("labelSelectors", "label_selectors"), ("annotationSelectors", "annotations_selectors")]
    {
        if let Some(pairs) = arguments.pairs(&format!("{prefix}{name}"))? {
            selector.insert(key.to_owned(), pairs);
        }
    }
    Ok(selector)
}

/// Returns mode and value.
fn mode(context: &FunctionContext, name: &str) -> JsonMap<String, Json> {
    let mode = context.arguments.required(name);
    let value = context.arguments.value(&format!("{name}_value"));
    let mut entries = JsonMap::new();
    if WITH_VALUE.contains(&mode.as_str()) && *value != Value::Null {
        // Chaos Mesh expects numbers as text
        entries.insert("value".to_owned(), value.python_text().into_owned().into());
    }
    entries.insert("mode".to_owned(), mode.into());
    entries
}

fn spec(context: &FunctionContext) -> Result<JsonMap<String, Json>> {
    let mut spec = mode(context, "mode");
    spec.insert("selector".to_owned(), selector(context, "")?.into());
    Ok(spec)
}

fn created(context: &FunctionContext, resource: &Resource, spec: JsonMap<String, Json>) -> MutationPlan {
    let body = json!({
        "apiVersion": resource.api_version(),
        "kind": resource.kind,
        "metadata": {"name": context.arguments.required("name")},
        "spec": spec,
    });
    let mut plan = custom::created(resource, Some(&context.namespace()), body);
    for operation in &mut plan.operations {
        // an object alone has no effect
        operation.expect = ExpectedState::Injected;
    }
    plan
}

/// Returns the named arguments that are set.
fn given_arguments(context: &FunctionContext, names: &[&str]) -> JsonMap<String, Json> {
    let given = names.iter().filter(|name| context.arguments.flag(name));
    given.map(|name| ((*name).to_owned(), context.arguments.json(name))).collect()
}

fn network_spec(context: &FunctionContext) -> Result<JsonMap<String, Json>> {
    let arguments = &context.arguments;
    let mut spec = spec(context)?;
    if let Some(direction) = arguments.some_text("direction") {
        spec.insert("direction".to_owned(), direction.into());
    }
    if let Some(targets) = arguments.items("external_targets") {
        spec.insert("externalTargets".to_owned(), targets.into());
    }
    if arguments.some_text("target_mode").is_some() {
        let mut target = mode(context, "target_mode");
        target.insert("selector".to_owned(), selector(context, "target_")?.into());
        spec.insert("target".to_owned(), target.into());
    }
    Ok(spec)
}

/// Plans a network fault.
pub(super) fn network(
    context: &FunctionContext,
    action: &str,
    block: &str,
    names: &[&str],
) -> Result<MutationPlan> {
    let mut spec = network_spec(context)?;
    spec.insert("action".to_owned(), action.into());
    spec.insert(block.to_owned(), given_arguments(context, names).into());
    Ok(created(context, &NETWORK_CHAOS, spec))
}

/// Plans reordering, which Chaos Mesh has as part of a delay.
pub(super) fn reorder(context: &FunctionContext) -> Result<MutationPlan> {
    let mut spec = network_spec(context)?;
    spec.insert("action".to_owned(), "delay".into());
    let mut how = given_arguments(context, &["reorder", "correlation"]);
    // Chaos Mesh requires an integer, which the Chaos Toolkit documents as text
    if let Some(gap) = context.arguments.integer("gap")? {
        how.insert("gap".to_owned(), gap.into());
    }
    spec.insert("delay".to_owned(), json!({"latency": "10ms", "reorder": how}));
    Ok(created(context, &NETWORK_CHAOS, spec))
}

fn stress(context: &FunctionContext, stressors: Json) -> Result<MutationPlan> {
    let arguments = &context.arguments;
    let mut spec = spec(context)?;
    if let Some(duration) = arguments.some_text("duration") {
        spec.insert("duration".to_owned(), duration.into());
    }
    if let Some(containers) = arguments.items("container_names") {
        spec.insert("containerNames".to_owned(), containers.into());
    }
    spec.insert("stressors".to_owned(), stressors);
    if let Some(text) = arguments.some_text("stressng_stressors") {
        spec.insert("stressngStressors".to_owned(), text.into());
    }
    Ok(created(context, &STRESS_CHAOS, spec))
}

pub(super) fn stress_cpu(context: &FunctionContext) -> Result<MutationPlan> {
    let mut cpu = given_arguments(context, &["workers"]);
    // a load of 0 is not the default, which is 100
    cpu.insert("load".to_owned(), context.arguments.json("load"));
    stress(context, json!({"cpu": cpu}))
}

pub(super) fn stress_memory(context: &FunctionContext) -> Result<MutationPlan> {
    let mut memory = given_arguments(context, &["workers", "size"]);
    for (key, name) in [("time", "time_to_get_to_size"), ("oomScoreAdj", "oom_score")] {
        if *context.arguments.value(name) != Value::Null {
            memory.insert(key.to_owned(), context.arguments.json(name));
        }
    }
    stress(context, json!({"memory": memory}))
}

pub(super) async fn network_fault(context: &FunctionContext) -> Result<Json> {
    custom::get_known(context, &NETWORK_CHAOS).await
}

pub(super) async fn network_faults(context: &FunctionContext) -> Result<Json> {
    custom::list_known(context, &NETWORK_CHAOS).await
}

pub(super) async fn stressor(context: &FunctionContext) -> Result<Json> {
    custom::get_known(context, &STRESS_CHAOS).await
}

pub(super) async fn stressors(context: &FunctionContext) -> Result<Json> {
    custom::list_known(context, &STRESS_CHAOS).await
}
