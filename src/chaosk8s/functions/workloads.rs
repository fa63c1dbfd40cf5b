//! Functions for Deployments, `ReplicaSets`, `DaemonSets` and `StatefulSets`.

use crate::chaosk8s::error::Result;
use crate::k8s::{
    DAEMON_SETS, DEPLOYMENTS, ErrorPolicy, ExpectedState, Metadata, MutationPlan, MutationResponse,
    ObjectSelector, PatchFormat, PlannedMutation, Resource,
};
use serde_json::{Value as Json, json};

use super::FunctionContext;
use super::pods::fail_or_false;
use crate::clock::Timestamp;

/// Deletes by name, else by labels.
pub(super) async fn delete(context: &FunctionContext, resource: &Resource) -> Result<MutationPlan> {
    let selection = context.by_name_or_labels();
    context.require_selector(&selection, &format!("every {} of the namespace", resource.kind))?;
    let targets = context.list_metadata(resource, &selection).await?;
    let operations = targets.iter().map(|target| PlannedMutation::delete(resource, target, None)).collect();
    let (name, labels) = (context.arguments.some_text("name"), context.arguments.some_text("label_selector"));
    let labels = labels.filter(|_| name.is_none());
    let selected_by = context.describe_selection(labels.as_deref(), ("name", name.as_deref()));
    Ok(MutationPlan::new(operations, MutationResponse::Null).selected_by(selected_by))
}

/// Reads the object to change. The change of a missing object is requested too: its error has its own message.
async fn read_target(context: &FunctionContext, resource: &Resource, name: &str) -> Result<Metadata> {
    let namespace = context.namespace();
    match context.get_metadata(resource, Some(&namespace), name).await {
        Err(failure) if failure.status() == Some(404) => {
            Ok(Metadata { name: name.to_owned(), namespace: Some(namespace), ..Metadata::default() })
        }
        found => found,
    }
}

pub(super) async fn scale(context: &FunctionContext, resource: &Resource) -> Result<MutationPlan> {
    let name = context.arguments.required("name");
    let replicas = context.arguments.json("replicas");
    let replica_count = context.arguments.required("replicas");
    let target = read_target(context, resource, &name).await?;
    let operation = PlannedMutation::patch(
        resource,
        &target,
        PatchFormat::StrategicPatch,
        json!({"spec": {"replicas": replicas}}),
        ExpectedState::Holds(vec![
            ("/spec/replicas", replicas.clone()),
            ("/status/replicas", replicas.clone()),
        ]),
        ErrorPolicy::Fail(format!("failed to scale '{name}' to {replica_count} replicas: ")),
    );
    Ok(MutationPlan::single(operation, MutationResponse::Null))
}

pub(super) async fn rollout(context: &FunctionContext) -> Result<MutationPlan> {
    const AT: &str = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
    let name = context.arguments.required("name");
    let target = read_target(context, &DEPLOYMENTS, &name).await?;
    let time = Timestamp::now().iso();
    let annotations = json!({"kubectl.kubernetes.io/restartedAt": time});
    let operation = PlannedMutation::patch(
        &DEPLOYMENTS,
        &target,
        PatchFormat::StrategicPatch,
        json!({"spec": {"template": {"metadata": {"annotations": annotations}}}}),
        ExpectedState::Holds(vec![(AT, time.into())]),
        ErrorPolicy::Fail(format!("failed to rollout the deployment '{name}'! Error: ")),
    );
    Ok(MutationPlan::single(operation, MutationResponse::Null))
}

/// Patches an object: a mapping is merged, a list is a JSON patch.
pub(super) async fn update(context: &FunctionContext, resource: &Resource) -> Result<MutationPlan> {
    let name = context.arguments.required("name");
    let body = context.arguments.json("spec");
    let format = if body.is_array() { PatchFormat::JsonPatch } else { PatchFormat::StrategicPatch };
    let target = read_target(context, resource, &name).await?;
    let operation = PlannedMutation {
        // the result cannot be compared with the patch: the server adds defaults and merges lists
        expect: ExpectedState::Accepted,
        ..PlannedMutation::patch(
            resource,
            &target,
            format,
            body,
            ExpectedState::Accepted,
            ErrorPolicy::Fail(format!("failed to update {} '{name}': ", kind_name(resource))),
        )
    };
    Ok(MutationPlan::single(operation, MutationResponse::Null))
}

fn kind_name(resource: &Resource) -> &'static str {
    if *resource == DAEMON_SETS { "daemon set" } else { "ingress" }
}

/// Finds an object by its name and, if given, labels.
async fn find(context: &FunctionContext, resource: &Resource) -> Result<Option<Json>> {
    let mut selection = ObjectSelector::name(&context.arguments.required("name"));
    selection.labels = context.arguments.some_text("label_selector").unwrap_or_default();
    let objects: Vec<Json> =
        context.cluster.list(resource, Some(&context.namespace()), &selection, false).await?;
    Ok(objects.into_iter().next())
}

/// Returns a number of an object. The server omits zeros.
pub(super) fn number(document: &Json, pointer: &str) -> i64 {
    document.pointer(pointer).and_then(Json::as_i64).unwrap_or(0)
}

async fn deployment(context: &FunctionContext, flag: &str) -> Result<Result<Json, Json>> {
    let name = context.arguments.required("name");
    match find(context, &DEPLOYMENTS).await? {
        Some(deployment) => Ok(Ok(deployment)),
        None => fail_or_false(context, flag, format!("Deployment '{name}' was not found")).map(Err),
    }
}

pub(super) async fn deployment_healthy(context: &FunctionContext) -> Result<Json> {
    const FLAG: &str = "raise_on_unavailable";
    let deployment = match deployment(context, FLAG).await? {
        Ok(deployment) => deployment,
        Err(answer) => return Ok(answer),
    };
    if number(&deployment, "/status/availableReplicas") == number(&deployment, "/spec/replicas") {
        return Ok(true.into());
    }
    fail_or_false(
        context,
        FLAG,
        format!("Deployment '{}' is not healthy", context.arguments.required("name")),
    )
}

pub(super) async fn deployment_partially(context: &FunctionContext) -> Result<Json> {
    const FLAG: &str = "raise_on_not_partially_available";
    let deployment = match deployment(context, FLAG).await? {
        Ok(deployment) => deployment,
        Err(answer) => return Ok(answer),
    };
    if number(&deployment, "/status/availableReplicas") >= 1 {
        return Ok(true.into());
    }
    fail_or_false(
        context,
        FLAG,
        format!("Deployment '{}' is not healthy", context.arguments.required("name")),
    )
}

pub(super) async fn daemon_set_healthy(context: &FunctionContext) -> Result<Json> {
    let daemon_set = find(context, &DAEMON_SETS).await?;
    let ready =
        |set: &Json| number(set, "/status/numberReady") == number(set, "/status/desiredNumberScheduled");
    Ok(daemon_set.is_some_and(|set| ready(&set)).into())
}

pub(super) async fn daemon_set_partially(context: &FunctionContext) -> Result<Json> {
    let daemon_set = find(context, &DAEMON_SETS).await?;
    Ok(daemon_set.is_some_and(|set| number(&set, "/status/numberReady") >= 1).into())
}
