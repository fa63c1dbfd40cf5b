//! Custom objects: made, changed, replaced, deleted, read. Floor 1.

use serde_json::Value as Json;

use super::{Context, change, creation, deletion, read_yaml};
use crate::kubernetes::arguments::to_json;
use crate::kubernetes::cluster::{Call, Format};
use crate::kubernetes::discovery::Kinds;
use crate::kubernetes::failure::Failure;
use crate::kubernetes::plan::{Answer, Expect, OnError, Operation, Plan};
use crate::kubernetes::resource::Resource;
use crate::kubernetes::select::Metadata;
use crate::value::Value;

/// What the Chaos Toolkit calls every failure of a function that does not delete, patch or replace.
const CREATE: &str = "Failed to create custom resource object: ";

/// The kind that is meant. A kind can be called anything; what it is called in addresses is what counts.
fn resource(context: &Context) -> Resource {
    let text = |name: &str| context.arguments.required(name);
    let plural = text("plural");
    Resource {
        group: text("group").into(),
        version: text("version").into(),
        kind: plural.clone().into(),
        plural: plural.into(),
    }
}

fn namespace(context: &Context, namespaced: bool) -> Option<String> {
    namespaced.then(|| context.namespace())
}

/// What was given, in the experiment or in a YAML file.
fn body(context: &Context) -> Result<Json, Failure> {
    let arguments = &context.arguments;
    match (arguments.value("resource"), arguments.some_text("resource_as_yaml_file")) {
        (Value::Null, None) => {
            Err(Failure::failed("Either `body_as_object` or `body_as_yaml_file` must be set"))
        }
        (Value::Null, Some(path)) => {
            let invalid = || Failure::failed(format!("Path '{path}' is not a valid resource file"));
            let text = std::fs::read_to_string(&path).map_err(|_| invalid())?;
            read_yaml(&text, &path)
        }
        (given, _) => Ok(to_json(given)),
    }
}

pub(super) fn create(context: &Context, namespaced: bool) -> Result<Plan, Failure> {
    Ok(created(&resource(context), namespace(context, namespaced).as_deref(), body(context)?))
}

/// Makes one; one that is there already is no failure.
pub(super) fn created(resource: &Resource, namespace: Option<&str>, body: Json) -> Plan {
    let on_error = OnError::FailUnlessThere(CREATE.to_owned());
    Plan::one(creation(resource, namespace, body, on_error), Answer::Response)
}

pub(super) async fn delete(context: &Context, namespaced: bool) -> Result<Plan, Failure> {
    deleted(context, &resource(context), namespace(context, namespaced).as_deref()).await
}

/// Deletes one of a kind that is known.
pub(super) async fn delete_known(context: &Context, resource: &Resource) -> Result<Plan, Failure> {
    deleted(context, resource, Some(&context.namespace())).await
}

async fn deleted(context: &Context, resource: &Resource, namespace: Option<&str>) -> Result<Plan, Failure> {
    let thing = one(context, resource, namespace).await?;
    let on_error = OnError::FailWithBody("Failed to delete custom resource object: ".to_owned());
    let mut operation = Operation { on_error, ..deletion(resource, &thing, None) };
    // the answer is the output
    operation.call.metadata_only = false;
    Ok(Plan::one(operation, Answer::Response))
}

/// The one that is named. If it is not there it is tried all the same: the refusal has words of its own.
async fn one(context: &Context, resource: &Resource, namespace: Option<&str>) -> Result<Metadata, Failure> {
    let name = context.arguments.required("name");
    match context.thing(resource, namespace, &name).await {
        Err(failure) if failure.code() == Some(404) => {
            Ok(Metadata { name, namespace: namespace.map(str::to_owned), ..Metadata::default() })
        }
        // where it stands is what was asked for, whatever the answer says
        found => found.map(|found| Metadata { name, namespace: namespace.map(str::to_owned), ..found }),
    }
}

/// A list is a list of changes, a mapping is merged.
pub(super) async fn patch(context: &Context, namespaced: bool) -> Result<Plan, Failure> {
    let body = body(context)?;
    let format = if body.is_array() { Format::JsonPatch } else { Format::MergePatch };
    let resource = resource(context);
    let thing = one(context, &resource, namespace(context, namespaced).as_deref()).await?;
    let on_error = OnError::FailWithBody("Failed to patch custom resource object: ".to_owned());
    Ok(Plan::one(change(&resource, &thing, format, body, Expect::Exists, on_error), Answer::Response))
}

pub(super) async fn replace(context: &Context, namespaced: bool) -> Result<Plan, Failure> {
    let body = body(context)?;
    let resource = resource(context);
    let namespace = namespace(context, namespaced);
    let thing = one(context, &resource, namespace.as_deref()).await?;
    let call = Call::new(http::Method::PUT, "update", &resource, namespace.as_deref())
        .name(&thing.name)
        .body(Format::Document, body);
    let operation = Operation {
        call,
        target: thing.target(&resource.kind),
        expect: Expect::Exists,
        on_error: OnError::FailWithBody("Failed to replace custom resource object: ".to_owned()),
        version: thing.resource_version,
    };
    Ok(Plan::one(operation, Answer::Response))
}

/// How a text is written.
#[derive(Clone, Copy)]
pub(super) enum Language {
    Json,
    Yaml,
}

/// Makes one from a text. Where its kind is kept is asked of the server.
pub(super) async fn apply_text(context: &Context, language: Language) -> Result<Plan, Failure> {
    let given = context.arguments.value("resource");
    let broken = |error: &dyn std::fmt::Display| Failure::Raised("ValueError", error.to_string());
    let body: Json = match (given, language) {
        (Value::Text(text), Language::Json) => serde_json::from_str(text).map_err(|error| broken(&error))?,
        (Value::Text(text), Language::Yaml) => read_yaml(text, "resource")?,
        (given, _) => to_json(given),
    };
    let text = |key: &str| {
        let found = body.get(key).and_then(Json::as_str);
        found.map(str::to_owned).ok_or_else(|| Failure::failed(format!("missing {key} in resource")))
    };
    let (api_version, kind) = (text("apiVersion")?, text("kind")?);
    let known = Kinds::default().of(&context.cluster, &api_version, &kind).await?;
    let own = body.pointer("/metadata/namespace").and_then(Json::as_str).map(str::to_owned);
    let namespace = known.namespaced.then(|| own.unwrap_or_else(|| context.cluster.namespace.clone()));
    Ok(created(&known.resource, namespace.as_deref(), body))
}

/// A failure to read, in the words that the Chaos Toolkit has for it.
fn read_failure(failure: Failure) -> Failure {
    match failure {
        Failure::Refused(refusal) => Failure::failed(format!("{CREATE}{}", refusal.quoted())),
        other => other,
    }
}

async fn get(context: &Context, resource: &Resource, namespace: Option<&str>) -> Result<Json, Failure> {
    let name = context.arguments.required("name");
    context.cluster.json(&Call::get(resource, namespace, &name)).await.map_err(read_failure)
}

async fn list(context: &Context, resource: &Resource, namespace: Option<&str>) -> Result<Json, Failure> {
    let call = Call::new(http::Method::GET, "list", resource, namespace);
    context.cluster.json(&call).await.map_err(read_failure)
}

pub(super) async fn get_namespaced(context: &Context) -> Result<Json, Failure> {
    get(context, &resource(context), Some(&context.namespace())).await
}

pub(super) async fn get_cluster_wide(context: &Context) -> Result<Json, Failure> {
    get(context, &resource(context), None).await
}

pub(super) async fn list_namespaced(context: &Context) -> Result<Json, Failure> {
    list(context, &resource(context), Some(&context.namespace())).await
}

pub(super) async fn list_cluster_wide(context: &Context) -> Result<Json, Failure> {
    list(context, &resource(context), None).await
}

/// One of a kind that is known.
pub(super) async fn get_known(context: &Context, resource: &Resource) -> Result<Json, Failure> {
    get(context, resource, Some(&context.namespace())).await
}

/// All of a kind that is known.
pub(super) async fn list_known(context: &Context, resource: &Resource) -> Result<Json, Failure> {
    list(context, resource, Some(&context.namespace())).await
}
