//! Functions for custom objects.

use crate::chaosk8s::error::{Error, PythonException, Result};
use crate::k8s;
use crate::k8s::{
    ApiRequest, DiscoveredKinds, ErrorPolicy, ExpectedState, Metadata, MutationPlan, MutationResponse,
    PatchFormat, PlannedMutation, Resource,
};
use serde_json::Value as Json;

use super::{FunctionContext, read_text, read_yaml};
use crate::chaosk8s::arguments::to_json;
use crate::value::Value;

/// Verbatim: the message of the Chaos Toolkit, which it also uses for failed reads.
const CREATE: &str = "Failed to create custom resource object: ";

/// Returns the resource of the arguments. Only the plural identifies it.
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

/// Returns the object of the experiment or of a YAML file.
fn body(context: &FunctionContext) -> Result<Json> {
    let arguments = &context.arguments;
    match (arguments.value("resource"), arguments.some_text("resource_as_yaml_file")) {
        (Value::Null, None) => {
            Err(Error::failed("Either `body_as_object` or `body_as_yaml_file` must be set"))
        }
        (Value::Null, Some(path)) => {
            let invalid = || Error::failed(format!("Path '{path}' is not a valid resource file"));
            let text = read_text(&path).map_err(|_| invalid())?;
            read_yaml(&text, &path)
        }
        (given, _) => Ok(to_json(given)),
    }
}

pub(super) fn create(context: &FunctionContext, namespaced: bool) -> Result<MutationPlan> {
    Ok(created(&resource(context), namespace(context, namespaced).as_deref(), body(context)?))
}

/// Plans the creation; an existing object is not an error.
pub(super) fn created(resource: &Resource, namespace: Option<&str>, body: Json) -> MutationPlan {
    let on_error = ErrorPolicy::FailUnlessThere(CREATE.to_owned());
    MutationPlan::single(
        PlannedMutation::create(resource, namespace, body, on_error),
        MutationResponse::Response,
    )
}

pub(super) async fn delete(context: &FunctionContext, namespaced: bool) -> Result<MutationPlan> {
    deleted(context, &resource(context), namespace(context, namespaced).as_deref()).await
}

/// Deletes an object of a known kind.
pub(super) async fn delete_known(context: &FunctionContext, resource: &Resource) -> Result<MutationPlan> {
    deleted(context, resource, Some(&context.namespace())).await
}

async fn deleted(
    context: &FunctionContext,
    resource: &Resource,
    namespace: Option<&str>,
) -> Result<MutationPlan> {
    let target = read_target(context, resource, namespace).await?;
    let on_error = ErrorPolicy::FailWithBody("Failed to delete custom resource object: ".to_owned());
    let mut operation = PlannedMutation { on_error, ..PlannedMutation::delete(resource, &target, None) };
    // the answer is the output
    operation.call.metadata_only = false;
    Ok(MutationPlan::single(operation, MutationResponse::Response))
}

/// Reads the named object. The request for a missing object is sent too: its error has its own message.
async fn read_target(
    context: &FunctionContext,
    resource: &Resource,
    namespace: Option<&str>,
) -> Result<Metadata> {
    let name = context.arguments.required("name");
    match context.get_metadata(resource, namespace, &name).await {
        Err(failure) if failure.status() == Some(404) => {
            Ok(Metadata { name, namespace: namespace.map(str::to_owned), ..Metadata::default() })
        }
        // the requested name and namespace count, not those of the answer
        found => found.map(|found| Metadata { name, namespace: namespace.map(str::to_owned), ..found }),
    }
}

/// Patches an object: a list is a JSON patch, a mapping is merged.
pub(super) async fn patch(context: &FunctionContext, namespaced: bool) -> Result<MutationPlan> {
    let body = body(context)?;
    let format = if body.is_array() { PatchFormat::JsonPatch } else { PatchFormat::MergePatch };
    let resource = resource(context);
    let target = read_target(context, &resource, namespace(context, namespaced).as_deref()).await?;
    let on_error = ErrorPolicy::FailWithBody("Failed to patch custom resource object: ".to_owned());
    Ok(MutationPlan::single(
        PlannedMutation::patch(&resource, &target, format, body, ExpectedState::Exists, on_error),
        MutationResponse::Response,
    ))
}

pub(super) async fn replace(context: &FunctionContext, namespaced: bool) -> Result<MutationPlan> {
    let body = body(context)?;
    let resource = resource(context);
    let namespace = namespace(context, namespaced);
    let target = read_target(context, &resource, namespace.as_deref()).await?;
    let call = ApiRequest::new(http::Method::PUT, "update", &resource, namespace.as_deref())
        .name(&target.name)
        .body(PatchFormat::Document, body);
    let operation = PlannedMutation {
        call,
        target: target.target(&resource.kind),
        expect: ExpectedState::Exists,
        on_error: ErrorPolicy::FailWithBody("Failed to replace custom resource object: ".to_owned()),
        version: target.resource_version,
        was_terminating: false,
    };
    Ok(MutationPlan::single(operation, MutationResponse::Response))
}

/// Format of a written object.
#[derive(Clone, Copy)]
pub(super) enum ObjectFormat {
    Json,
    Yaml,
}

/// Creates an object from text. The server is asked for its resource.
pub(super) async fn apply_text(context: &FunctionContext, language: ObjectFormat) -> Result<MutationPlan> {
    let resource_argument = context.arguments.value("resource");
    let broken = |error: &dyn std::fmt::Display| Error::raise(PythonException::ValueError, error.to_string());
    let body: Json = match (resource_argument, language) {
        (Value::Text(text), ObjectFormat::Json) => {
            serde_json::from_str(text).map_err(|error| broken(&error))?
        }
        (Value::Text(text), ObjectFormat::Yaml) => read_yaml(text, "resource")?,
        (resource_argument, _) => to_json(resource_argument),
    };
    let text = |key: &str| {
        let field = body.get(key).and_then(Json::as_str);
        field.map(str::to_owned).ok_or_else(|| Error::failed(format!("missing {key} in resource")))
    };
    let (api_version, kind) = (text("apiVersion")?, text("kind")?);
    let discovered = DiscoveredKinds::default().of(&context.cluster, &api_version, &kind).await?;
    let object_namespace = body.pointer("/metadata/namespace").and_then(Json::as_str).map(str::to_owned);
    let namespace =
        discovered.namespaced.then(|| object_namespace.unwrap_or_else(|| context.cluster.namespace.clone()));
    Ok(created(&discovered.resource, namespace.as_deref(), body))
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

/// Reads an object of a known kind.
pub(super) async fn get_known(context: &FunctionContext, resource: &Resource) -> Result<Json> {
    get(context, resource, Some(&context.namespace())).await
}

/// Lists the objects of a known kind.
pub(super) async fn list_known(context: &FunctionContext, resource: &Resource) -> Result<Json> {
    list(context, resource, Some(&context.namespace())).await
}
