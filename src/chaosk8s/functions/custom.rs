//! Custom objects: made, changed, replaced, deleted, read. Floor 1.

use crate::chaosk8s::error::{Error, PythonException, Result};
use crate::k8s;
use crate::k8s::{
    ApiRequest, DiscoveredKinds, ErrorPolicy, ExpectedState, Metadata, MutationPlan, MutationResponse,
    PatchFormat, PlannedMutation, Resource,
};
use serde_json::Value as Json;

use super::{FunctionContext, read_yaml};
use crate::chaosk8s::arguments::to_json;
use crate::value::Value;

/// What the Chaos Toolkit calls every failure of a function that does not delete, patch or replace.
const CREATE: &str = "Failed to create custom resource object: ";

/// The kind that is meant. A kind can be called anything; what it is called in addresses is what counts.
fn resource(context: &FunctionContext) -> Resource {
    let text = |name: &str| context.arguments.required(name);
    let plural = text("plural");
    Resource {
        group: text("group").into(),
        version: text("version").into(),
        kind: plural.clone().into(),
        plural: plural.into(),
    }
}

fn namespace(context: &FunctionContext, namespaced: bool) -> Option<String> {
    namespaced.then(|| context.namespace())
}

/// What was given, in the experiment or in a YAML file.
fn body(context: &FunctionContext) -> Result<Json> {
    let arguments = &context.arguments;
    match (arguments.value("resource"), arguments.some_text("resource_as_yaml_file")) {
        (Value::Null, None) => {
            Err(Error::failed("Either `body_as_object` or `body_as_yaml_file` must be set"))
        }
        (Value::Null, Some(path)) => {
            let invalid = || Error::failed(format!("Path '{path}' is not a valid resource file"));
            let text = std::fs::read_to_string(&path).map_err(|_| invalid())?;
            read_yaml(&text, &path)
        }
        (given, _) => Ok(to_json(given)),
    }
}

pub(super) fn create(context: &FunctionContext, namespaced: bool) -> Result<MutationPlan> {
    Ok(created(&resource(context), namespace(context, namespaced).as_deref(), body(context)?))
}

/// Makes one; one that is there already is no failure.
pub(super) fn created(resource: &Resource, namespace: Option<&str>, body: Json) -> MutationPlan {
    let on_error = ErrorPolicy::FailUnlessThere(CREATE.to_owned());
    MutationPlan::one(
        PlannedMutation::create(resource, namespace, body, on_error),
        MutationResponse::Response,
    )
}

pub(super) async fn delete(context: &FunctionContext, namespaced: bool) -> Result<MutationPlan> {
    deleted(context, &resource(context), namespace(context, namespaced).as_deref()).await
}

/// Deletes one of a kind that is known.
pub(super) async fn delete_known(context: &FunctionContext, resource: &Resource) -> Result<MutationPlan> {
    deleted(context, resource, Some(&context.namespace())).await
}

async fn deleted(
    context: &FunctionContext,
    resource: &Resource,
    namespace: Option<&str>,
) -> Result<MutationPlan> {
    let thing = one(context, resource, namespace).await?;
    let on_error = ErrorPolicy::FailWithBody("Failed to delete custom resource object: ".to_owned());
    let mut operation = PlannedMutation { on_error, ..PlannedMutation::delete(resource, &thing, None) };
    // the answer is the output
    operation.call.metadata_only = false;
    Ok(MutationPlan::one(operation, MutationResponse::Response))
}

/// The one that is named. If it is not there it is tried all the same: the refusal has words of its own.
async fn one(context: &FunctionContext, resource: &Resource, namespace: Option<&str>) -> Result<Metadata> {
    let name = context.arguments.required("name");
    match context.thing(resource, namespace, &name).await {
        Err(failure) if failure.status() == Some(404) => {
            Ok(Metadata { name, namespace: namespace.map(str::to_owned), ..Metadata::default() })
        }
        // where it stands is what was asked for, whatever the answer says
        found => found.map(|found| Metadata { name, namespace: namespace.map(str::to_owned), ..found }),
    }
}

/// A list is a list of changes, a mapping is merged.
pub(super) async fn patch(context: &FunctionContext, namespaced: bool) -> Result<MutationPlan> {
    let body = body(context)?;
    let format = if body.is_array() { PatchFormat::JsonPatch } else { PatchFormat::MergePatch };
    let resource = resource(context);
    let thing = one(context, &resource, namespace(context, namespaced).as_deref()).await?;
    let on_error = ErrorPolicy::FailWithBody("Failed to patch custom resource object: ".to_owned());
    Ok(MutationPlan::one(
        PlannedMutation::patch(&resource, &thing, format, body, ExpectedState::Exists, on_error),
        MutationResponse::Response,
    ))
}

pub(super) async fn replace(context: &FunctionContext, namespaced: bool) -> Result<MutationPlan> {
    let body = body(context)?;
    let resource = resource(context);
    let namespace = namespace(context, namespaced);
    let thing = one(context, &resource, namespace.as_deref()).await?;
    let call = ApiRequest::new(http::Method::PUT, "update", &resource, namespace.as_deref())
        .name(&thing.name)
        .body(PatchFormat::Document, body);
    let operation = PlannedMutation {
        call,
        target: thing.target(&resource.kind),
        expect: ExpectedState::Exists,
        on_error: ErrorPolicy::FailWithBody("Failed to replace custom resource object: ".to_owned()),
        version: thing.resource_version,
    };
    Ok(MutationPlan::one(operation, MutationResponse::Response))
}

/// How a text is written.
#[derive(Clone, Copy)]
pub(super) enum DocumentFormat {
    Json,
    Yaml,
}

/// Makes one from a text. Where its kind is kept is asked of the server.
pub(super) async fn apply_text(context: &FunctionContext, language: DocumentFormat) -> Result<MutationPlan> {
    let given = context.arguments.value("resource");
    let broken = |error: &dyn std::fmt::Display| Error::raise(PythonException::ValueError, error.to_string());
    let body: Json = match (given, language) {
        (Value::Text(text), DocumentFormat::Json) => {
            serde_json::from_str(text).map_err(|error| broken(&error))?
        }
        (Value::Text(text), DocumentFormat::Yaml) => read_yaml(text, "resource")?,
        (given, _) => to_json(given),
    };
    let text = |key: &str| {
        let found = body.get(key).and_then(Json::as_str);
        found.map(str::to_owned).ok_or_else(|| Error::failed(format!("missing {key} in resource")))
    };
    let (api_version, kind) = (text("apiVersion")?, text("kind")?);
    let known = DiscoveredKinds::default().of(&context.cluster, &api_version, &kind).await?;
    let own = body.pointer("/metadata/namespace").and_then(Json::as_str).map(str::to_owned);
    let namespace = known.namespaced.then(|| own.unwrap_or_else(|| context.cluster.namespace.clone()));
    Ok(created(&known.resource, namespace.as_deref(), body))
}

/// Adds the message that the Chaos Toolkit has for a failed read.
fn read_error(error: k8s::Error) -> Error {
    match error {
        k8s::Error::Api(answer) => {
            k8s::Error::Rejected { context: CREATE.to_owned(), with_body: true, answer }.into()
        }
        other => other.into(),
    }
}

async fn get(context: &FunctionContext, resource: &Resource, namespace: Option<&str>) -> Result<Json> {
    let name = context.arguments.required("name");
    context.cluster.json(&ApiRequest::get(resource, namespace, &name)).await.map_err(read_error)
}

async fn list(context: &FunctionContext, resource: &Resource, namespace: Option<&str>) -> Result<Json> {
    let call = ApiRequest::new(http::Method::GET, "list", resource, namespace);
    context.cluster.json(&call).await.map_err(read_error)
}

pub(super) async fn get_namespaced(context: &FunctionContext) -> Result<Json> {
    get(context, &resource(context), Some(&context.namespace())).await
}

pub(super) async fn get_cluster_wide(context: &FunctionContext) -> Result<Json> {
    get(context, &resource(context), None).await
}

pub(super) async fn list_namespaced(context: &FunctionContext) -> Result<Json> {
    list(context, &resource(context), Some(&context.namespace())).await
}

pub(super) async fn list_cluster_wide(context: &FunctionContext) -> Result<Json> {
    list(context, &resource(context), None).await
}

/// One of a kind that is known.
pub(super) async fn get_known(context: &FunctionContext, resource: &Resource) -> Result<Json> {
    get(context, resource, Some(&context.namespace())).await
}

/// All of a kind that is known.
pub(super) async fn list_known(context: &FunctionContext, resource: &Resource) -> Result<Json> {
    list(context, resource, Some(&context.namespace())).await
}
