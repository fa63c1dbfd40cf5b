//! Requests to the API server as data, and the selection of objects.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request};
use kube::client::Body;
use serde_json::Value as Json;

use super::error::Error;
use super::resource::Resource;

/// Content types for metadata only: of a list, of one object.
const METADATA_ONLY: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;q=0.9";
const METADATA_OF_ONE: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;q=0.9";

/// Selects objects of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectSelector {
    /// Label selector, as for `kubectl -l`; empty for any.
    pub labels: String,
    /// Field selector, as for `kubectl --field-selector`; empty for any.
    pub fields: String,
}

impl ObjectSelector {
    /// Selects by labels; `None` and an empty text select any.
    pub fn labels(labels: Option<&str>) -> Self {
        Self { labels: labels.unwrap_or_default().to_owned(), fields: String::new() }
    }

    /// Selects by name.
    pub fn name(name: &str) -> Self {
        Self { labels: String::new(), fields: format!("metadata.name={name}") }
    }

    /// Whether it selects every object of the kind.
    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = Vec::new();
        if !self.labels.is_empty() {
            query.push(("labelSelector", self.labels.clone()));
        }
        if !self.fields.is_empty() {
            query.push(("fieldSelector", self.fields.clone()));
        }
        query
    }
}

/// Format of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchFormat {
    /// A whole object.
    Document,
    StrategicPatch,
    MergePatch,
    JsonPatch,
    /// Server-side apply.
    Apply,
}

impl PatchFormat {
    fn content_type(self) -> &'static str {
        match self {
            Self::Document => "application/json",
            Self::StrategicPatch => "application/strategic-merge-patch+json",
            Self::MergePatch => "application/merge-patch+json",
            Self::JsonPatch => "application/json-patch+json",
            // JSON is YAML, too
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

/// Request to the API server.
#[derive(Clone, Debug)]
pub struct ApiRequest {
    pub method: Method,
    /// The Kubernetes verb, such as `list`; it names the permission that is needed.
    pub verb: &'static str,
    pub resource: Resource,
    /// The namespace; `None` for cluster-scoped requests.
    pub namespace: Option<String>,
    /// The name of the object; `None` for the collection.
    pub name: Option<String>,
    /// The whole path, if it is not the path of a resource.
    pub path: Option<&'static str>,
    /// The subresource: `log`, `eviction`.
    pub subresource: Option<&'static str>,
    pub query: Vec<(&'static str, String)>,
    pub body: Option<(PatchFormat, Json)>,
    /// Whether the server returns only metadata.
    pub metadata_only: bool,
    /// Whether the request can be repeated when the server is busy.
    pub repeatable: bool,
}

impl ApiRequest {
    /// Creates a request without query and body.
    pub fn new(method: Method, verb: &'static str, resource: &Resource, namespace: Option<&str>) -> Self {
        Self {
            method,
            verb,
            resource: resource.clone(),
            namespace: namespace.map(str::to_owned),
            name: None,
            path: None,
            subresource: None,
            query: Vec::new(),
            body: None,
            metadata_only: false,
            repeatable: true,
        }
    }

    /// Sets the name of the object.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, format: PatchFormat, body: Json) -> Self {
        self.body = Some((format, body));
        self
    }

    /// Creates a request that reads one object.
    pub fn get(resource: &Resource, namespace: Option<&str>, name: &str) -> Self {
        Self::new(Method::GET, "get", resource, namespace).name(name)
    }

    /// Creates a request that creates an object.
    pub fn create(resource: &Resource, namespace: Option<&str>, body: Json) -> Self {
        Self::new(Method::POST, "create", resource, namespace).body(PatchFormat::Document, body)
    }

    /// Creates a request that changes an object.
    pub fn patch(
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        format: PatchFormat,
        body: Json,
    ) -> Self {
        Self::new(Method::PATCH, "patch", resource, namespace).name(name).body(format, body)
    }

    /// Creates a request that deletes an object; a UID in the options is a precondition.
    pub fn delete(resource: &Resource, namespace: Option<&str>, name: &str, options: Json) -> Self {
        Self::new(Method::DELETE, "delete", resource, namespace)
            .name(name)
            .body(PatchFormat::Document, options)
    }

    fn uri(&self) -> String {
        if let Some(path) = self.path {
            return path.to_owned();
        }
        let mut uri = self.resource.path(self.namespace.as_deref(), self.name.as_deref());
        if let Some(subresource) = self.subresource {
            uri += "/";
            uri += subresource;
        }
        if !self.query.is_empty() {
            let query =
                url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.query).finish();
            uri += "?";
            uri += &query;
        }
        uri
    }

    /// Rejects empty or path-like names: they would address the whole collection.
    fn check_name(&self) -> Result<(), Error> {
        let changes = self.method != Method::GET;
        let is_invalid = match self.name.as_deref() {
            None => changes && self.method != Method::POST,
            Some("") => true,
            Some(name) => changes && (matches!(name, "." | "..") || name.contains(['/', '%'])),
        };
        if !is_invalid {
            return Ok(());
        }
        Err(Error::InvalidName {
            verb: self.verb,
            kind: self.resource.kind.to_string(),
            name: self.name.clone().unwrap_or_default(),
        })
    }

    /// Returns the HTTP request.
    ///
    /// # Errors
    ///
    /// The name is empty or a path, or the request is invalid.
    pub(super) fn request(&self) -> Result<Request<Body>, Error> {
        self.check_name()?;
        let mut request = Request::builder().method(self.method.clone()).uri(self.uri());
        if self.metadata_only {
            let accepted = if self.name.is_some() { METADATA_OF_ONE } else { METADATA_ONLY };
            request = request.header(ACCEPT, accepted);
        }
        let body = match &self.body {
            None => Vec::new(),
            Some((format, body)) => {
                request = request.header(CONTENT_TYPE, format.content_type());
                serde_json::to_vec(body).unwrap_or_default()
            }
        };
        request.body(Body::from(body)).map_err(Error::InvalidRequest)
    }
}
