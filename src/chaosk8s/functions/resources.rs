//! Functions for namespaces, Services, Secrets, Ingresses and network policies.

use crate::chaosk8s::error::{Error, PythonException, Result};
use crate::k8s::{
    ApiRequest, EVENTS, ErrorPolicy, ExpectedState, INGRESSES, MutationPlan, MutationResponse, NAMESPACES,
    NETWORK_POLICIES, ObjectSelector, PODS, PartialObject, PlannedMutation, Resource, SECRETS, SERVICES,
};
use serde_json::{Value as Json, json};

use super::pods::fail_or_false;
use super::{FunctionContext, read_document, read_document_by_suffix};
use crate::value::Value;

/// Creates an object from the file `spec_path`.
pub(super) fn create(context: &FunctionContext, resource: &Resource) -> Result<MutationPlan> {
    let body = read_document(&context.arguments.required("spec_path"))?;
    Ok(plan_creation(context, resource, body))
}

/// Creates an Ingress from a file. The Chaos Toolkit reads a file that is called `json` as JSON here.
pub(super) fn create_ingress(context: &FunctionContext) -> Result<MutationPlan> {
    let body = read_document_by_suffix(&context.arguments.required("spec_path"))?;
    Ok(plan_creation(context, &INGRESSES, body))
}

fn plan_creation(context: &FunctionContext, resource: &Resource, body: Json) -> MutationPlan {
    MutationPlan::single(
        PlannedMutation::create(resource, Some(&context.namespace()), body, ErrorPolicy::Raise),
        MutationResponse::Null,
    )
}

/// Deletes an object by its name.
pub(super) async fn delete(context: &FunctionContext, resource: &Resource) -> Result<MutationPlan> {
    plan_deletion(context, resource, &context.arguments.required("name")).await
}

async fn plan_deletion(context: &FunctionContext, resource: &Resource, name: &str) -> Result<MutationPlan> {
    let target = context.get_metadata(resource, Some(&context.namespace()), name).await?;
    Ok(MutationPlan::single(PlannedMutation::delete(resource, &target, None), MutationResponse::Null))
}

pub(super) fn create_namespace(context: &FunctionContext) -> Result<MutationPlan> {
    let arguments = &context.arguments;
    let body = match (arguments.some_text("spec_path"), arguments.some_text("name")) {
        (Some(path), _) => read_document(&path)?,
        (None, Some(name)) => {
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        }
        (None, None) => return Err(Error::failed("You need to either specify name or spec_path")),
    };
    Ok(MutationPlan::single(
        PlannedMutation::create(&NAMESPACES, None, body, ErrorPolicy::Raise),
        MutationResponse::Null,
    ))
}

pub(super) async fn delete_namespace(context: &FunctionContext) -> Result<MutationPlan> {
    let target = context.get_metadata(&NAMESPACES, None, &context.arguments.required("name")).await?;
    Ok(MutationPlan::single(PlannedMutation::delete(&NAMESPACES, &target, None), MutationResponse::Null))
}

/// Whether any object is selected.
async fn any_exists(
    context: &FunctionContext,
    resource: &Resource,
    namespace: Option<&str>,
    selection: &ObjectSelector,
) -> Result<bool> {
    let objects: Vec<PartialObject> = context.cluster.list(resource, namespace, selection, true).await?;
    Ok(!objects.is_empty())
}

/// Selects by name, by labels, or by both.
fn name_and_labels(context: &FunctionContext) -> ObjectSelector {
    let mut selection = match context.arguments.some_text("name") {
        Some(name) => ObjectSelector::name(&name),
        None => ObjectSelector::default(),
    };
    let labels = context.arguments.some_text("label_selector");
    // an old name of this function has an unfilled selector as default: the name selects
    selection.labels = labels.filter(|labels| labels != "name in ({name})").unwrap_or_default();
    selection
}

pub(super) async fn namespace_exists(context: &FunctionContext) -> Result<Json> {
    let selection = ObjectSelector::name(&context.arguments.required("name"));
    Ok(any_exists(context, &NAMESPACES, None, &selection).await?.into())
}

pub(super) async fn service_is_initialized(context: &FunctionContext) -> Result<Json> {
    if any_exists(context, &SERVICES, Some(&context.namespace()), &name_and_labels(context)).await? {
        return Ok(true.into());
    }
    let name = context.arguments.text("name").unwrap_or_else(|| "None".to_owned());
    fail_or_false(context, "raise_if_service_not_initialized", format!("service '{name}' is not initialized"))
}

pub(super) async fn secret_exists(context: &FunctionContext) -> Result<Json> {
    Ok(any_exists(context, &SECRETS, Some(&context.namespace()), &name_and_labels(context)).await?.into())
}

pub(super) async fn ingress_exists(context: &FunctionContext) -> Result<Json> {
    let selection = ObjectSelector::name(&context.arguments.required("name"));
    Ok(any_exists(context, &INGRESSES, Some(&context.namespace()), &selection).await?.into())
}

/// Lists the first page of the events of all namespaces.
pub(super) async fn events(context: &FunctionContext) -> Result<Json> {
    let arguments = &context.arguments;
    let mut call = ApiRequest::new(http::Method::GET, "list", &EVENTS, None);
    for (name, key) in
        [("labelSelector", "label_selector"), ("fieldSelector", "field_selector"), ("limit", "limit")]
    {
        if let Some(value) = arguments.some_text(key) {
            call.query.push((name, value));
        }
    }
    Ok(context.cluster.json(&call).await?)
}

/// Creates a network policy from a file, if it exists, else from the arguments.
pub(super) async fn create_network_policy(context: &FunctionContext) -> Result<MutationPlan> {
    let arguments = &context.arguments;
    let path = arguments.some_text("spec_path").filter(|path| std::path::Path::new(path).exists());
    let body = match (path, arguments.value("spec")) {
        (Some(path), _) => read_document(&path)?,
        (None, Value::Null) => {
            return Err(Error::raise(
                PythonException::ValueError,
                "missing argument: expected spec or spec_path".to_owned(),
            ));
        }
        (None, _) => arguments.json("spec"),
    };
    policy(context, body).await
}

/// Plans a network policy. A policy without selected Pods has no effect.
async fn policy(context: &FunctionContext, body: Json) -> Result<MutationPlan> {
    let selector = selection(&body["spec"]["podSelector"]);
    let selected = match context.list_metadata(&PODS, &selector).await {
        Ok(pods) => !pods.is_empty(),
        // unknown without the permission
        Err(failure) if failure.status() == Some(403) => true,
        // the creation reports the invalid selector
        Err(failure) if failure.status() == Some(400) => true,
        Err(failure) => return Err(failure),
    };
    let mut operation =
        PlannedMutation::create(&NETWORK_POLICIES, Some(&context.namespace()), body, ErrorPolicy::Raise);
    if !selected {
        let by = context.describe_selection(Some(&selector.labels), ("", None));
        operation.expect =
            ExpectedState::Nothing(format!("the policy selects no Pod, so it has no effect: {by}"));
    }
    Ok(MutationPlan::single(operation, MutationResponse::Null))
}

/// Converts a label selector to the form of queries.
fn selection(selector: &Json) -> ObjectSelector {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let labels = labels.map(|(key, value)| format!("{key}={}", text(value)));
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten().map(|expression| {
        let key = text(&expression["key"]);
        let values: Vec<String> = expression["values"].as_array().into_iter().flatten().map(text).collect();
        match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({})", values.join(",")),
            Some("NotIn") => format!("{key} notin ({})", values.join(",")),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key,
        }
    });
    ObjectSelector::labels(Some(&labels.chain(expressions).collect::<Vec<_>>().join(",")))
}

/// Policies with fixed names.
#[derive(Clone, Copy)]
pub(super) enum BuiltinPolicy {
    DenyIngress,
    DenyEgress,
    AllowDns,
}

impl BuiltinPolicy {
    fn name(self) -> &'static str {
        match self {
            Self::DenyIngress => "chaostoolkit-deny-all-ingress",
            Self::DenyEgress => "chaostoolkit-deny-all-egress",
            Self::AllowDns => "chaostoolkit-allow-dns",
        }
    }
}

pub(super) async fn deny(context: &FunctionContext, fixed: BuiltinPolicy) -> Result<MutationPlan> {
    let labels = context.arguments.json("label_selectors");
    let selector = if labels.as_object().is_some_and(|labels| !labels.is_empty()) {
        json!({"matchLabels": labels})
    } else {
        json!({})
    };
    let rules = match fixed {
        BuiltinPolicy::DenyIngress => json!({"policyTypes": ["Ingress"], "ingress": []}),
        BuiltinPolicy::DenyEgress => json!({"policyTypes": ["Egress"]}),
        BuiltinPolicy::AllowDns => json!({"policyTypes": ["Egress"], "egress": [{
            "to": [{"namespaceSelector": {}}],
            "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
        }]}),
    };
    let mut body = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": fixed.name()},
        "spec": {"podSelector": selector},
    });
    for (key, value) in rules.as_object().into_iter().flatten() {
        body["spec"][key] = value.clone();
    }
    policy(context, body).await
}

pub(super) async fn allow(context: &FunctionContext, policy: BuiltinPolicy) -> Result<MutationPlan> {
    plan_deletion(context, &NETWORK_POLICIES, policy.name()).await
}
