//! Answers that are no objects: Kubernetes' `Status`, with its codes and reasons. Floor 1.

use serde_json::{Value as Json, json};

use super::api_resources::ApiResource;

/// Why a request was not met.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiStatus {
    /// The HTTP status.
    pub code: u16,
    /// One word for machines.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
    details: Json,
}

impl ApiStatus {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Json::Null }
    }

    /// With details that say nothing.
    fn with_empty_details(code: u16, reason: &'static str, message: &str) -> Self {
        Self { details: json!({}), ..Self::new(code, reason, message) }
    }

    fn for_object(code: u16, reason: &'static str, kind: &ApiResource, name: &str, message: String) -> Self {
        Self { code, reason, message, details: details(kind, name) }
    }

    /// There is no such object.
    pub(super) fn not_found(kind: &ApiResource, name: &str) -> Self {
        Self::for_object(
            404,
            "NotFound",
            kind,
            name,
            format!("{} \"{name}\" not found", kind.qualified_name()),
        )
    }

    /// There is no such resource.
    pub(super) fn no_such_resource() -> Self {
        Self::with_empty_details(404, "NotFound", "the server could not find the requested resource")
    }

    /// No server is behind that address.
    pub(super) fn path_not_found() -> Self {
        Self::new(404, "", "404 page not found")
    }

    /// The name is taken.
    pub(super) fn already_exists(kind: &ApiResource, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.qualified_name());
        Self::for_object(409, "AlreadyExists", kind, name, message)
    }

    /// Somebody else was faster.
    pub(super) fn conflict(kind: &ApiResource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.qualified_name());
        Self::for_object(409, "Conflict", kind, name, message)
    }

    /// The object is not what it may be: where, and why.
    pub(super) fn invalid(kind: &ApiResource, name: &str, faults: &[(String, String)]) -> Self {
        let told: Vec<String> = faults.iter().map(|(path, why)| format!("{path}: {why}")).collect();
        let told = if told.len() == 1 { told.concat() } else { format!("[{}]", told.join(", ")) };
        let singular =
            if kind.group.is_empty() { kind.name.clone() } else { format!("{}.{}", kind.name, kind.group) };
        let message = format!("{singular} \"{name}\" is invalid: {told}");
        let mut status = Self::for_object(422, "Invalid", kind, name, message);
        status.details["kind"] = json!(kind.name);
        let cause = |(path, why): &(String, String)| {
            let reason = match why {
                why if why.starts_with("Required") => "FieldValueRequired",
                why if why.starts_with("Forbidden") => "FieldValueForbidden",
                _ => "FieldValueInvalid",
            };
            json!({"reason": reason, "message": why, "field": path})
        };
        status.details["causes"] = faults.iter().map(cause).collect();
        status
    }

    /// The same for one place.
    pub(super) fn invalid_field(kind: &ApiResource, name: &str, path: &str, why: &str) -> Self {
        Self::invalid(kind, name, &[(path.to_owned(), why.to_owned())])
    }

    /// Another object than the one that is meant.
    pub(super) fn precondition_failed(
        kind: &ApiResource,
        name: &str,
        what: &str,
        asked: &str,
        is: &str,
    ) -> Self {
        let why =
            format!("Precondition failed: {what} in precondition: {asked}, {what} in object meta: {is}");
        Self::conflict(kind, name, &why)
    }

    /// A patch that does not fit what there is. A real API server does not say why either.
    pub(super) fn unprocessable() -> Self {
        Self::with_empty_details(
            422,
            "Invalid",
            "the server rejected our request due to an error in our request",
        )
    }

    /// The request makes no sense.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// Nobody is known by these credentials.
    pub(super) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// What is not allowed, whoever asks.
    pub(super) fn forbidden(kind: &ApiResource, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", kind.qualified_name());
        Self::for_object(403, "Forbidden", kind, name, message)
    }

    /// The resource has no such verb.
    pub(super) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::with_empty_details(405, "MethodNotAllowed", message)
    }

    /// The body is in a format that is not taken here.
    pub(super) fn unsupported_media_type(taken: &[&str]) -> Self {
        let unknown = "the body of the request was in an unknown format - accepted media types include";
        Self::new(415, "UnsupportedMediaType", format!("{unknown}: {}", taken.join(", ")))
    }

    /// No resource takes a body in that format.
    pub(super) fn unknown_media_type() -> Self {
        Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type")
    }

    /// The body is too large.
    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(413, "RequestEntityTooLarge", format!("Request entity too large: limit is {limit}"))
    }

    /// That revision is no longer known.
    pub(super) fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    /// A budget does not allow it now.
    pub(super) fn over_budget(budget: &str, needed: i64, healthy: i64) -> Self {
        let message = "Cannot evict pod as it would violate the pod's disruption budget.";
        let why =
            format!("The disruption budget {budget} needs {needed} healthy pods and has {healthy} currently");
        let details = json!({"causes": [{"reason": "DisruptionBudget", "message": why}]});
        Self { details, ..Self::new(429, "TooManyRequests", message) }
    }

    /// Several budgets concern one Pod.
    pub(super) fn several_budgets() -> Self {
        let why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
        Self::new(500, "InternalError", why)
    }

    /// Nobody is there to answer.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }

    /// What this cluster does not do.
    pub(super) fn not_implemented(what: &str) -> Self {
        let why = format!("the embedded cluster has no {what}: use a real cluster for that");
        Self::new(501, "NotImplemented", why)
    }

    /// As it is sent.
    pub(super) fn to_json(&self) -> Json {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason,
        });
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status["code"] = json!(self.code);
        status
    }
}

/// That something is gone.
pub(super) fn success(kind: &ApiResource, name: &str, uid: &str) -> Json {
    let mut details = details(kind, name);
    details["uid"] = json!(uid);
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

fn details(kind: &ApiResource, name: &str) -> Json {
    let mut details = json!({"name": name, "kind": kind.plural});
    if !kind.group.is_empty() {
        details["group"] = json!(kind.group);
    }
    details
}
