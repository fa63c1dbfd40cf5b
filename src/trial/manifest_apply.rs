//! What a trial creates in a cluster, as plans: namespaces, objects of manifests, Secrets.
//!
//! Everything is looked at before it is done, and nothing is done but by [`MutationPlan::apply`].

use serde_json::{Value as Json, json};

use crate::k8s::{
    ApiRequest, DiscoveredKind, ErrorPolicy, ExpectedState, Metadata, MutationPlan, MutationResponse,
    NAMESPACES, PatchFormat, PlannedMutation, SECRETS,
};

/// Who the server is told applies manifests.
const MANAGER: &str = "kubectl-chaos";
/// What every namespace of a trial bears: which trial it belongs to.
pub(super) const TRIAL_LABEL: &str = "kubectl-chaos/trial";

/// Marks an object, under `labels` or `annotations`.
pub(super) fn mark(object: &mut Json, under: &str, key: &str, value: &str) {
    let Some(metadata) = object.get_mut("metadata").and_then(Json::as_object_mut) else { return };
    let entries = metadata.entry(under).or_insert_with(|| json!({}));
    // an empty entry of a manifest is a null
    if !entries.is_object() {
        *entries = json!({});
    }
    entries[key] = value.into();
}

/// A namespace that is to be made.
pub(super) fn plan_namespace(name: &str, trial: &str, arm: &str) -> MutationPlan {
    let labels =
        json!({"app.kubernetes.io/managed-by": MANAGER, TRIAL_LABEL: trial, "kubectl-chaos/arm": arm});
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    MutationPlan::one(
        PlannedMutation::create(&NAMESPACES, None, body, ErrorPolicy::Raise),
        MutationResponse::Response,
    )
}

/// Objects that are to be applied, server-side and as if nobody else had a say.
pub(super) fn plan_apply(objects: &[(DiscoveredKind, Json)]) -> MutationPlan {
    MutationPlan::of(
        objects.iter().map(|(known, object)| applied(known, object)).collect(),
        MutationResponse::Null,
    )
}

fn applied(known: &DiscoveredKind, object: &Json) -> PlannedMutation {
    let text = |key: &str| object["metadata"][key].as_str().map(str::to_owned);
    let namespace = text("namespace").filter(|_| known.namespaced);
    let name = text("name").unwrap_or_default();
    let mut call =
        ApiRequest::patch(&known.resource, namespace.as_deref(), &name, PatchFormat::Apply, object.clone());
    call.query = vec![("fieldManager", MANAGER.to_owned()), ("force", "true".to_owned())];
    let target = Metadata { name, namespace, ..Metadata::default() };
    PlannedMutation {
        target: target.target(&known.resource.kind),
        call,
        expect: ExpectedState::Exists,
        on_error: ErrorPolicy::Raise,
        version: None,
    }
}

/// An object that is to become what it was: it is put in place of what stands there.
pub(super) fn plan_restore(known: &DiscoveredKind, object: &Json) -> PlannedMutation {
    let operation = applied(known, object);
    let mut call = ApiRequest { method: http::Method::PUT, verb: "update", ..operation.call };
    call.query = vec![("fieldManager", MANAGER.to_owned())];
    call.body = Some((PatchFormat::Document, object.clone()));
    PlannedMutation { call, ..operation }
}

/// An object that is to be there again.
pub(super) fn plan_recreate(known: &DiscoveredKind, namespace: &str, object: &Json) -> PlannedMutation {
    PlannedMutation::create(
        &known.resource,
        known.namespaced.then_some(namespace),
        object.clone(),
        ErrorPolicy::Raise,
    )
}

/// A Secret of a trial.
pub(super) fn plan_secret(name: &str, namespace: &str, trial: &str, data: Json) -> MutationPlan {
    let labels = json!({"app.kubernetes.io/managed-by": MANAGER, TRIAL_LABEL: trial});
    let metadata = json!({"name": name, "namespace": namespace, "labels": labels});
    let body =
        json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data});
    MutationPlan::one(
        PlannedMutation::create(&SECRETS, Some(namespace), body, ErrorPolicy::Raise),
        MutationResponse::Response,
    )
}
