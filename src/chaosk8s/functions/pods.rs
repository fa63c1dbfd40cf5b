//! Functions for Pods.

use crate::chaosk8s::error::{Error, PythonException, Result};
use crate::k8s::{
    Metadata, MutationPlan, MutationResponse, ObjectSelector, PODS, PartialObject, PlannedMutation,
};
use serde::Deserialize;
use serde_json::Value as Json;

use super::FunctionContext;
use crate::chaosk8s::targets::{TargetQuantity, TargetSelection, select};
use crate::tolerance::Pattern;
use crate::value::Value;

/// Fields of a Pod that probes read.
#[derive(Debug, Deserialize)]
struct PodDetails {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Debug, Default, Deserialize)]
struct PodStatus {
    #[serde(default)]
    phase: String,
    #[serde(default)]
    conditions: Vec<PodCondition>,
}

#[derive(Debug, Deserialize)]
struct PodCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

/// Field selector of Pods that have not ended: a fault on one that has would change nothing.
const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// The target Pods of an action.
pub(super) struct ChosenPods {
    /// In order.
    pub(super) pods: Vec<Metadata>,
    /// Notes for the journal.
    pub(super) remarks: Vec<String>,
    /// Facts that the user needs before the action.
    pub(super) warnings: Vec<String>,
    /// What selected the Pods.
    pub(super) selected_by: String,
}

/// Lists the Pods that a fault can change: neither ended nor terminating.
async fn list_living(context: &FunctionContext, labels: Option<&str>) -> Result<Vec<Metadata>> {
    let selection = ObjectSelector { fields: NOT_ENDED.to_owned(), ..ObjectSelector::labels(labels) };
    let mut pods = context.list_metadata(&PODS, &selection).await?;
    pods.retain(|pod| pod.deletion_timestamp.is_none());
    Ok(pods)
}

/// Selects the target Pods of an action.
pub(super) async fn select_targets(context: &FunctionContext) -> Result<ChosenPods> {
    let arguments = &context.arguments;
    let random = arguments.flag("rand");
    let qty = arguments.amount("qty")?;
    let quota = TargetSelection::read(
        qty,
        &arguments.required("mode"),
        &arguments.required("order"),
        arguments.flag("all"),
        random,
    )?;
    if matches!((arguments.value("qty"), quota.amount), (Value::Float(_), TargetQuantity::Fixed(_)))
        && !quota.all
    {
        return Err(Error::raise(
            PythonException::TypeError,
            "argument 'qty' has to be a whole number".to_owned(),
        ));
    }
    let labels = arguments.some_text("label_selector");
    let pattern = arguments.some_text("name_pattern");
    let selection = ObjectSelector::labels(labels.as_deref());
    if pattern.is_none() && !quota.all && !arguments.is_bounded() {
        context.require_selector(&selection, "every Pod of the namespace")?;
    }
    let mut candidates = list_living(context, labels.as_deref()).await?;
    let selected_by = context.describe_selection(labels.as_deref(), ("name pattern", pattern.as_deref()));
    if let Some(pattern) = pattern {
        let pattern = Pattern::compile(&pattern)
            .map_err(|error| Error::raise(PythonException::RegexError, error.to_string()))?;
        let mut matching = Vec::new();
        for candidate in candidates {
            if pattern
                .search(&candidate.name)
                .map_err(|error| Error::raise(PythonException::RegexError, error.to_string()))?
            {
                matching.push(candidate);
            }
        }
        candidates = matching;
    }
    let remarks =
        if random && !quota.all { vec![format!("selected with seed {}", context.seed)] } else { vec![] };
    let warnings = quota.shortfall(candidates.len(), "Pods").into_iter().collect();
    let pods = select(candidates, &quota, &mut context.rng());
    Ok(ChosenPods { pods, remarks, warnings, selected_by })
}

pub(super) async fn terminate(context: &FunctionContext) -> Result<MutationPlan> {
    let grace_period = Some(context.arguments.amount("grace_period")?).filter(|seconds| *seconds >= 0);
    let ChosenPods { pods, remarks, warnings, selected_by } = select_targets(context).await?;
    let operations = pods.iter().map(|pod| PlannedMutation::delete(&PODS, pod, grace_period)).collect();
    Ok(MutationPlan { operations, answer: MutationResponse::Names, remarks, warnings, selected_by })
}

/// Deletes one Pod whose name matches a pattern, as old experiments do.
pub(super) async fn delete(context: &FunctionContext) -> Result<MutationPlan> {
    let labels = context.arguments.some_text("label_selector");
    let name = context.arguments.some_text("name");
    if name.is_none() {
        context.require_selector(&ObjectSelector::labels(labels.as_deref()), "every Pod of the namespace")?;
    }
    let pods = first_matching(context, labels.as_deref(), name.as_deref()).await?;
    let operations = pods.iter().map(|pod| PlannedMutation::delete(&PODS, pod, None)).collect();
    let selected_by = context.describe_selection(labels.as_deref(), ("name pattern", name.as_deref()));
    Ok(MutationPlan::new(operations, MutationResponse::Names).selected_by(selected_by))
}

/// Selects the Pod that is deleted with a microservice.
pub(super) async fn select_microservice_pod(context: &FunctionContext) -> Result<Vec<Metadata>> {
    let name = context.arguments.required("name");
    let labels = context.arguments.selector(&name)?;
    first_matching(context, Some(&labels), Some(&name)).await
}

async fn first_matching(
    context: &FunctionContext,
    labels: Option<&str>,
    pattern: Option<&str>,
) -> Result<Vec<Metadata>> {
    let mut pods = list_living(context, labels).await?;
    if let Some(pattern) = pattern {
        let pattern = Pattern::compile(pattern)
            .map_err(|error| Error::raise(PythonException::RegexError, error.to_string()))?;
        pods.retain(|pod| pattern.search(&pod.name).unwrap_or(false));
    }
    pods.truncate(1);
    Ok(pods)
}

async fn list_details(context: &FunctionContext, selection: &ObjectSelector) -> Result<Vec<PodDetails>> {
    Ok(context.cluster.list(&PODS, Some(&context.namespace()), selection, false).await?)
}

/// Counts Pods. The server selects by phase and returns only metadata.
async fn count_pods(context: &FunctionContext) -> Result<usize> {
    let arguments = &context.arguments;
    let mut selection = ObjectSelector::labels(arguments.some_text("label_selector").as_deref());
    if let Some(phase) = arguments.some_text("phase") {
        // other characters cannot be a phase, and must not extend the selector
        if !phase.chars().all(char::is_alphanumeric) {
            return Ok(0);
        }
        selection.fields = format!("status.phase={phase}");
    }
    let objects: Vec<PartialObject> =
        context.cluster.list(&PODS, Some(&context.namespace()), &selection, true).await?;
    Ok(objects.len())
}

pub(super) async fn count(context: &FunctionContext) -> Result<Json> {
    Ok(count_pods(context).await?.into())
}

pub(super) async fn count_min(context: &FunctionContext) -> Result<Json> {
    let min_count = context.arguments.amount("min_count")?;
    Ok((i64::try_from(count_pods(context).await?).unwrap_or(i64::MAX) >= min_count).into())
}

/// Fails, or returns false if the flag says so.
pub(super) fn fail_or_false(context: &FunctionContext, flag: &str, reason: String) -> Result<Json> {
    if context.arguments.raises(flag) { Err(Error::failed(reason)) } else { Ok(false.into()) }
}

/// Lists Pods by the label selector; none makes the probe fail.
async fn list_or_fail(
    context: &FunctionContext,
    flag: &str,
) -> Result<Result<(String, Vec<PodDetails>), Json>> {
    let labels = context.arguments.text("label_selector").unwrap_or_else(|| "None".to_owned());
    let selection = ObjectSelector::labels(context.arguments.some_text("label_selector").as_deref());
    let pods = list_details(context, &selection).await?;
    if pods.is_empty() {
        return fail_or_false(context, flag, format!("no pods '{labels}' were found")).map(Err);
    }
    Ok(Ok((labels, pods)))
}

pub(super) async fn in_phase(context: &FunctionContext) -> Result<Json> {
    const FLAG: &str = "raise_on_invalid_phase";
    let (labels, pods) = match list_or_fail(context, FLAG).await? {
        Ok(found) => found,
        Err(answer) => return Ok(answer),
    };
    let phase = context.arguments.required("phase");
    match pods.iter().map(|pod| &pod.status.phase).find(|actual| **actual != phase) {
        None => Ok(true.into()),
        Some(actual) => fail_or_false(
            context,
            FLAG,
            format!("pod '{labels}' is in phase '{actual}' but should be '{phase}'"),
        ),
    }
}

pub(super) async fn not_in_phase(context: &FunctionContext) -> Result<Json> {
    const FLAG: &str = "raise_on_in_phase";
    let (labels, pods) = match list_or_fail(context, FLAG).await? {
        Ok(found) => found,
        Err(answer) => return Ok(answer),
    };
    let phase = context.arguments.required("phase");
    if pods.iter().any(|pod| pod.status.phase == phase) {
        return fail_or_false(context, FLAG, format!("pod '{labels}' should not be in phase '{phase}'"));
    }
    Ok(true.into())
}

pub(super) async fn in_conditions(context: &FunctionContext) -> Result<Json> {
    const FLAG: &str = "raise_on_invalid_conditions";
    let (_, pods) = match list_or_fail(context, FLAG).await? {
        Ok(found) => found,
        Err(answer) => return Ok(answer),
    };
    // as Python iterates: over the keys of a mapping, over the characters of text
    let conditions: Vec<Value> = match context.arguments.value("conditions") {
        Value::List(conditions) => conditions.clone(),
        Value::Map(conditions) => conditions.keys().map(|key| key.as_str().into()).collect(),
        Value::Text(text) => text.chars().map(|c| Value::from(c.to_string())).collect(),
        other => {
            let message = format!("'{}' object is not iterable", other.python_type());
            return Err(Error::raise(PythonException::TypeError, message));
        }
    };
    for pod in &pods {
        let missing = conditions.iter().find(|condition| !has_condition(pod, condition));
        if let Some(missing) = missing {
            let reason = format!(
                "pod {} does not match the following given condition: {}",
                pod.metadata.name,
                missing.python_text()
            );
            return fail_or_false(context, FLAG, reason);
        }
    }
    Ok(true.into())
}

/// Whether a Pod has the condition: the type and the status match, and nothing else is requested.
fn has_condition(pod: &PodDetails, expected: &Value) -> bool {
    let Some(expected) = expected.as_map() else { return false };
    let text = |key: &str| expected.get(key).and_then(Value::as_text);
    expected.len() == 2
        && pod.status.conditions.iter().any(|condition| {
            text("type") == Some(&condition.kind) && text("status") == Some(&condition.status)
        })
}

pub(super) async fn is_not_available(context: &FunctionContext) -> Result<Json> {
    let name = context.arguments.required("name");
    let labels = context.arguments.selector(&name)?;
    let selection = ObjectSelector { labels, fields: "status.phase=Running".to_owned() };
    let running: Vec<PartialObject> =
        context.cluster.list(&PODS, Some(&context.namespace()), &selection, true).await?;
    if running.is_empty() {
        return Ok(true.into());
    }
    fail_or_false(context, "raise_on_is_available", format!("pod '{name}' is actually running"))
}

/// Checks with one list that no Pod is neither running nor succeeded.
pub(super) async fn all_healthy(context: &FunctionContext) -> Result<Json> {
    let unhealthy = ObjectSelector {
        labels: String::new(),
        fields: "status.phase!=Running,status.phase!=Succeeded".to_owned(),
    };
    let pods: Vec<PartialObject> =
        context.cluster.list(&PODS, Some(&context.namespace()), &unhealthy, true).await?;
    if pods.is_empty() {
        return Ok(true.into());
    }
    fail_or_false(context, "raise_on_any_unhealthy", "the system is unhealthy".to_owned())
}
