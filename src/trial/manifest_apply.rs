//! Plans of the objects that a trial creates: namespaces, objects of manifests, Secrets.
//!
//! Only [`MutationPlan::apply`] changes the cluster.

use serde_json::{Value as Json, json};

use crate::k8s::{
    ApiRequest, DiscoveredKind, ErrorPolicy, ExpectedState, Metadata, MutationPlan, MutationResponse,
    NAMESPACES, PatchFormat, PlannedMutation, SECRETS,
};

/// Field manager of the requests.
const MANAGER: &str = "kubectl-chaos";
/// Label with the trial ID, on everything that a trial creates.
pub(super) const TRIAL_LABEL: &str = "kubectl-chaos/trial";

/// Sets an entry of `labels` or `annotations`.
pub(super) fn mark(object: &mut Json, under: &str, key: &str, value: &str) {
    let Some(metadata) = object.get_mut("metadata").and_then(Json::as_object_mut) else { return };
    let entries = metadata.entry(under).or_insert_with(|| json!({}));
    // an empty mapping in YAML is null
    if !entries.is_object() {
        *entries = json!({});
    }
    entries[key] = value.into();
}

/// Plans to create a namespace.
pub(super) fn plan_namespace(name: &str, trial: &str, arm: &str) -> MutationPlan {
    let labels =
        json!({"app.kubernetes.io/managed-by": MANAGER, TRIAL_LABEL: trial, "kubectl-chaos/arm": arm});
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    MutationPlan::single(
        PlannedMutation::create(&NAMESPACES, None, body, ErrorPolicy::Raise),
        MutationResponse::Response,
    )
}

/// Plans server-side apply with `force`.
pub(super) fn plan_apply(objects: &[(DiscoveredKind, Json)]) -> MutationPlan {
    MutationPlan::new(
        objects.iter().map(|(kind, object)| applied(kind, object)).collect(),
        MutationResponse::Null,
    )
}

fn applied(kind: &DiscoveredKind, object: &Json) -> PlannedMutation {
    let text = |key: &str| object["metadata"][key].as_str().map(str::to_owned);
    let namespace = text("namespace").filter(|_| kind.namespaced);
    let name = text("name").unwrap_or_default();
    let mut call =
        ApiRequest::patch(&kind.resource, namespace.as_deref(), &name, PatchFormat::Apply, object.clone());
    call.query = vec![("fieldManager", MANAGER.to_owned()), ("force", "true".to_owned())];
    let target = Metadata { name, namespace, ..Metadata::default() };
    PlannedMutation {
        target: target.target(&kind.resource.kind),
        call,
        expect: ExpectedState::Exists,
        on_error: ErrorPolicy::Raise,
        version: None,
        was_terminating: false,
    }
}

/// Plans to replace an object with its original.
pub(super) fn plan_restore(kind: &DiscoveredKind, object: &Json) -> PlannedMutation {
    let operation = applied(kind, object);
    let mut call = ApiRequest { method: http::Method::PUT, verb: "update", ..operation.call };
    call.query = vec![("fieldManager", MANAGER.to_owned())];
    call.body = Some((PatchFormat::Document, object.clone()));
    PlannedMutation { call, ..operation }
}

/// Plans to create a missing original.
pub(super) fn plan_recreate(kind: &DiscoveredKind, namespace: &str, object: &Json) -> PlannedMutation {
    PlannedMutation::create(
        &kind.resource,
        kind.namespaced.then_some(namespace),
        object.clone(),
        ErrorPolicy::Raise,
    )
}

/// Plans to create a labelled Secret.
pub(super) fn plan_secret(name: &str, namespace: &str, trial: &str, data: Json) -> MutationPlan {
    let labels = json!({"app.kubernetes.io/managed-by": MANAGER, TRIAL_LABEL: trial});
    let metadata = json!({"name": name, "namespace": namespace, "labels": labels});
    let body =
        json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data});
    MutationPlan::single(
        PlannedMutation::create(&SECRETS, Some(namespace), body, ErrorPolicy::Raise),
        MutationResponse::Response,
    )
}
