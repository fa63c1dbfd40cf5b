//! Error responses: the Kubernetes `Status` with its codes and reasons.
//!
//! Verbatim: Kubernetes API server

use serde_json::{Value as Json, json};

use super::api_resources::ApiResource;

/// An error response.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiStatus {
    /// The HTTP status code.
    pub code: u16,
    /// The machine-readable reason.
    pub reason: &'static str,
    /// The message.
    pub message: String,
    details: Json,
}

impl ApiStatus {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Json::Null }
    }

    /// Creates an error with empty details.
    fn with_empty_details(code: u16, reason: &'static str, message: &str) -> Self {
        Self { details: json!({}), ..Self::new(code, reason, message) }
    }

    fn for_object(code: u16, reason: &'static str, kind: &ApiResource, name: &str, message: String) -> Self {
        Self { code, reason, message, details: details(kind, name) }
    }

    pub(super) fn not_found(kind: &ApiResource, name: &str) -> Self {
        Self::for_object(
            404,
            "NotFound",
            kind,
            name,
            format!("{} \"{name}\" not found", kind.qualified_name()),
        )
    }

    pub(super) fn no_such_resource() -> Self {
        Self::with_empty_details(404, "NotFound", "the server could not find the requested resource")
    }

    /// Creates the error for a path outside all API groups.
    pub(super) fn path_not_found() -> Self {
        Self::new(404, "", "404 page not found")
    }

    pub(super) fn already_exists(kind: &ApiResource, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.qualified_name());
        Self::for_object(409, "AlreadyExists", kind, name, message)
    }

    /// Creates the error for a write that is based on an outdated object.
    pub(super) fn conflict(kind: &ApiResource, name: &str, cause: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} \"{name}\": {cause}", kind.qualified_name());
        Self::for_object(409, "Conflict", kind, name, message)
    }

    /// Creates the error for invalid fields: paths and reasons.
    pub(super) fn invalid(kind: &ApiResource, name: &str, faults: &[(String, String)]) -> Self {
        let causes: Vec<String> = faults.iter().map(|(path, reason)| format!("{path}: {reason}")).collect();
        let causes = if causes.len() == 1 { causes.concat() } else { format!("[{}]", causes.join(", ")) };
        let singular =
            if kind.group.is_empty() { kind.name.clone() } else { format!("{}.{}", kind.name, kind.group) };
        let message = format!("{singular} \"{name}\" is invalid: {causes}");
        let mut status = Self::for_object(422, "Invalid", kind, name, message);
        status.details["kind"] = json!(kind.name);
        let cause = |(path, message): &(String, String)| {
            let reason = match message {
                message if message.starts_with("Required") => "FieldValueRequired",
                message if message.starts_with("Forbidden") => "FieldValueForbidden",
                _ => "FieldValueInvalid",
            };
            json!({"reason": reason, "message": message, "field": path})
        };
        status.details["causes"] = faults.iter().map(cause).collect();
        status
    }

    /// Creates the error for one invalid field.
    pub(super) fn invalid_field(kind: &ApiResource, name: &str, path: &str, cause: &str) -> Self {
        Self::invalid(kind, name, &[(path.to_owned(), cause.to_owned())])
    }

    /// Creates the error for a UID or resource version that does not match.
    pub(super) fn precondition_failed(
        kind: &ApiResource,
        name: &str,
        kind_name: &str,
        requested: &str,
        is: &str,
    ) -> Self {
        let cause = format!(
            "Precondition failed: {kind_name} in precondition: {requested}, {kind_name} in object meta: {is}"
        );
        Self::conflict(kind, name, &cause)
    }

    /// Creates the error for a patch that does not apply. A real API server gives no reason either.
    pub(super) fn unprocessable() -> Self {
        Self::with_empty_details(
            422,
            "Invalid",
            "the server rejected our request due to an error in our request",
        )
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(super) fn forbidden(kind: &ApiResource, name: &str, cause: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {cause}", kind.qualified_name());
        Self::for_object(403, "Forbidden", kind, name, message)
    }

    pub(super) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::with_empty_details(405, "MethodNotAllowed", message)
    }

    /// Creates the error for a content type that the kind does not accept.
    pub(super) fn unsupported_media_type(supported: &[&str]) -> Self {
        let unknown = "the body of the request was in an unknown format - accepted media types include";
        Self::new(415, "UnsupportedMediaType", format!("{unknown}: {}", supported.join(", ")))
    }

    /// Creates the error for a content type that no kind accepts.
    pub(super) fn unknown_media_type() -> Self {
        Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type")
    }

    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(413, "RequestEntityTooLarge", format!("Request entity too large: limit is {limit}"))
    }

    /// Creates the error for a resource version that is no longer stored.
    pub(super) fn expired(requested: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {requested} ({oldest})"))
    }

    /// Creates the error for an eviction that the `PodDisruptionBudget` does not allow.
    pub(super) fn budget_exceeded(budget: &str, needed: i64, healthy: i64) -> Self {
        let message = "Cannot evict pod as it would violate the pod's disruption budget.";
        let cause =
            format!("The disruption budget {budget} needs {needed} healthy pods and has {healthy} currently");
        let details = json!({"causes": [{"reason": "DisruptionBudget", "message": cause}]});
        Self { details, ..Self::new(429, "TooManyRequests", message) }
    }

    /// Creates the error for a Pod that several `PodDisruptionBudgets` select.
    pub(super) fn multiple_budgets() -> Self {
        let cause = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
        Self::new(500, "InternalError", cause)
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }

    /// Creates the error for a feature that the embedded cluster does not have.
    pub(super) fn not_implemented(operation: &str) -> Self {
        let cause = format!("the embedded cluster does not support {operation}; use a real cluster");
        Self::new(501, "NotImplemented", cause)
    }

    /// Returns the `Status` object.
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

/// Returns the `Status` object of a successful deletion.
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
