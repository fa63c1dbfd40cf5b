//! Functions for Nodes.

use crate::chaosk8s::error::{Error, Result};
use crate::k8s::{
    ApiRequest, ErrorPolicy, ExpectedState, Metadata, MutationPlan, MutationResponse, NODES, ObjectSelector,
    PODS, PartialObject, PatchFormat, PlannedMutation,
};
use serde_json::{Value as Json, json};

use super::FunctionContext;
use crate::chaosk8s::targets::{TargetQuantity, TargetSelection, select};

/// Conditions of an unhealthy Node.
const BAD: [&str; 11] = [
    "FrequentKubeletRestart",
    "FrequentDockerRestart",
    "FrequentContainerdRestart",
    "ReadonlyFilesystem",
    "KernelDeadlock",
    "CorruptDockerOverlay2",
    "FrequentUnregisterNetDevice",
    "NetworkUnavailable",
    "MemoryPressure",
    "DiskPressure",
    "PIDPressure",
];

/// Lists the Nodes that an action selects, in the order of the server.
pub(super) async fn candidates(context: &FunctionContext) -> Result<Vec<Metadata>> {
    let arguments = &context.arguments;
    let mut selection = ObjectSelector::labels(arguments.some_text("label_selector").as_deref());
    if let Some(name) = arguments.some_text("name") {
        selection.fields = format!("metadata.name={name}");
    }
    let by_pods = match (arguments.some_text("pod_label_selector"), arguments.some_text("pod_namespace")) {
        (Some(labels), Some(namespace)) => Some(nodes_of_pods(context, &labels, &namespace).await?),
        _ => None,
    };
    if by_pods.is_none() && !arguments.flag("all") {
        context.require_selector(&selection, "every Node of the cluster")?;
    }
    let nodes: Vec<PartialObject> = context.cluster.list(&NODES, None, &selection, true).await?;
    let mut nodes: Vec<Metadata> = nodes.into_iter().map(|node| node.metadata).collect();
    if let Some(named) = by_pods {
        nodes.retain(|node| named.contains(&node.name));
    }
    if nodes.is_empty() {
        // verbatim, and then the selector
        let by_pods =
            arguments.some_text("pod_label_selector").map(|labels| format!("Pods with labels '{labels}'"));
        let (labels, name) = (arguments.some_text("label_selector"), arguments.some_text("name"));
        let by_nodes = super::describe_selector(labels.as_deref(), ("name", name.as_deref()));
        let parts: Vec<String> = by_nodes.into_iter().chain(by_pods).collect();
        let selector = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(" and ")) };
        return Err(Error::failed(format!("failed to find a node that matches selector{selector}")));
    }
    Ok(nodes)
}

/// Lists the names of the Nodes of selected Pods.
async fn nodes_of_pods(context: &FunctionContext, labels: &str, namespace: &str) -> Result<Vec<String>> {
    let pods: Vec<Json> =
        context.cluster.list(&PODS, Some(namespace), &ObjectSelector::labels(Some(labels)), false).await?;
    let name = |pod: &Json| pod.pointer("/spec/nodeName").and_then(Json::as_str).map(str::to_owned);
    Ok(pods.iter().filter_map(name).collect())
}

/// Selects a number of Nodes at random; all without a number. Also returns a warning if there are fewer.
pub(super) fn select_random(
    context: &FunctionContext,
    nodes: Vec<Metadata>,
    count: Option<i64>,
) -> (Vec<Metadata>, Option<String>) {
    let Some(count) = count else { return (nodes, None) };
    let amount = TargetQuantity::Fixed(usize::try_from(count).unwrap_or(0));
    let quota = TargetSelection { all: false, random: true, amount, oldest: false };
    let warning = quota.shortfall(nodes.len(), "Nodes");
    (select(nodes, &quota, &mut context.rng()), warning)
}

pub(super) async fn delete(context: &FunctionContext) -> Result<MutationPlan> {
    let arguments = &context.arguments;
    let count = arguments.number("count")?;
    let nodes = candidates(context).await?;
    let random = arguments.flag("rand");
    let (nodes, warning) = if arguments.flag("all") {
        (nodes, None)
    } else if random || count.is_some_and(|count| count >= 1) {
        select_random(context, nodes, Some(if random { 1 } else { count.unwrap_or(1) }))
    } else {
        (nodes.into_iter().take(1).collect(), None)
    };
    let grace_period = arguments.integer("grace_period_seconds")?;
    let operations = nodes.iter().map(|node| PlannedMutation::delete(&NODES, node, grace_period)).collect();
    let plan = MutationPlan::new(operations, MutationResponse::Names);
    Ok(MutationPlan { warnings: warning.into_iter().collect(), ..plan })
}

/// Converts the keys of the Python client to those of the API.
fn camel_case(value: Json) -> Json {
    let key = |key: String| {
        // exceptions: acronyms in the API
        match key.as_str() {
            "pod_cidr" => return "podCIDR".to_owned(),
            "pod_cidrs" => return "podCIDRs".to_owned(),
            "provider_id" => return "providerID".to_owned(),
            _ => {}
        }
        let mut parts = key.split('_');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |name, part| {
            let mut letters = part.chars();
            name + &letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default()
                + letters.as_str()
        })
    };
    match value {
        Json::Object(entries) => entries
            .into_iter()
            .map(|(name, value)| (key(name), value))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

pub(super) fn create(context: &FunctionContext) -> MutationPlan {
    let metadata = camel_case(context.arguments.json("meta"));
    let spec = camel_case(context.arguments.json("spec"));
    let body = json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec});
    let on_error = ErrorPolicy::FailWithBody("Creating new node failed: ".to_owned());
    MutationPlan::single(PlannedMutation::create(&NODES, None, body, on_error), MutationResponse::Response)
}

pub(super) async fn cordon(context: &FunctionContext, cordoned: bool) -> Result<MutationPlan> {
    let nodes = candidates(context).await?;
    Ok(MutationPlan::new(
        nodes.iter().map(|node| cordon_node(node, cordoned)).collect(),
        MutationResponse::Names,
    ))
}

pub(super) fn cordon_node(node: &Metadata, cordoned: bool) -> PlannedMutation {
    let verb = if cordoned { "unschedule" } else { "schedule" };
    PlannedMutation::patch(
        &NODES,
        node,
        PatchFormat::StrategicPatch,
        json!({"spec": {"unschedulable": cordoned}}),
        ExpectedState::Holds(vec![("/spec/unschedulable", cordoned.into())]),
        ErrorPolicy::FailWithBody(format!("Failed to {verb} node '{}': ", node.name)),
    )
}

pub(super) async fn list(context: &FunctionContext) -> Result<Json> {
    let mut call = ApiRequest::new(http::Method::GET, "list", &NODES, None);
    if let Some(labels) = context.arguments.some_text("label_selector") {
        call.query.push(("labelSelector", labels));
    }
    Ok(context.cluster.json(&call).await?)
}

/// Lists the name of every Node, with types and statuses of its conditions.
async fn statuses(context: &FunctionContext) -> Result<Vec<(String, Vec<(String, String)>)>> {
    let selection = ObjectSelector::labels(context.arguments.some_text("label_selector").as_deref());
    let nodes: Vec<Json> = context.cluster.list(&NODES, None, &selection, false).await?;
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let conditions = |node: &Json| {
        let conditions = node.pointer("/status/conditions").and_then(Json::as_array);
        let pair = |condition: &Json| (text(&condition["type"]), text(&condition["status"]));
        (text(&node["metadata"]["name"]), conditions.into_iter().flatten().map(pair).collect())
    };
    Ok(nodes.iter().map(conditions).collect())
}

pub(super) async fn conditions(context: &FunctionContext) -> Result<Json> {
    let all = statuses(context).await?.into_iter().map(|(name, conditions)| {
        let mut entry = serde_json::Map::from_iter([("name".to_owned(), Json::from(name))]);
        entry.extend(conditions.into_iter().map(|(kind, status)| (kind, status.into())));
        Json::from(entry)
    });
    Ok(all.collect::<Vec<_>>().into())
}

pub(super) async fn all_ready(context: &FunctionContext) -> Result<Json> {
    let unready = |(_, conditions): &(String, Vec<(String, String)>)| {
        conditions.iter().any(|(kind, status)| kind == "Ready" && status != "True")
    };
    Ok((!statuses(context).await?.iter().any(unready)).into())
}

pub(super) async fn verify_condition(context: &FunctionContext) -> Result<Json> {
    // a boolean never equals the text of a status
    let condition = context.arguments.value("condition_type").as_text();
    let condition = condition.zip(context.arguments.value("condition_value").as_text());
    let has = |conditions: &[(String, String)]| {
        conditions.iter().any(|(kind, status)| condition == Some((kind.as_str(), status.as_str())))
    };
    let all = statuses(context).await?;
    Ok(all.iter().all(|(_, conditions)| has(conditions)).into())
}

pub(super) async fn healthy(context: &FunctionContext) -> Result<Json> {
    let is_unhealthy = |(kind, status): &(String, String)| match kind.as_str() {
        "Ready" => status != "True",
        kind => BAD.contains(&kind) && status != "False",
    };
    let all = statuses(context).await?;
    Ok((!all.iter().flat_map(|(_, conditions)| conditions).any(is_unhealthy)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_keys_become_camel_case() {
        let given = json!({"pod_cidr": "10.0.0.0/24", "providerID": "x", "unschedulable": true});
        assert_eq!(
            camel_case(given),
            json!({"podCIDR": "10.0.0.0/24", "providerID": "x", "unschedulable": true})
        );
    }
}
