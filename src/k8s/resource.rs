//! API resources and their paths.

use std::borrow::Cow;
use std::fmt::Write as _;

/// API resource: group, version, plural and kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The group; empty for the core group.
    pub group: Cow<'static, str>,
    pub version: Cow<'static, str>,
    /// The plural in paths.
    pub plural: Cow<'static, str>,
    pub kind: Cow<'static, str>,
}

const fn core(plural: &'static str, kind: &'static str) -> Resource {
    resource("", "v1", plural, kind)
}

const fn resource(
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
) -> Resource {
    Resource {
        group: Cow::Borrowed(group),
        version: Cow::Borrowed(version),
        plural: Cow::Borrowed(plural),
        kind: Cow::Borrowed(kind),
    }
}

pub const PODS: Resource = core("pods", "Pod");
pub const NODES: Resource = core("nodes", "Node");
pub const NAMESPACES: Resource = core("namespaces", "Namespace");
pub const ENDPOINTS: Resource = core("endpoints", "Endpoints");
pub const ENDPOINT_SLICES: Resource = resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice");
pub const SERVICES: Resource = core("services", "Service");
pub const SECRETS: Resource = core("secrets", "Secret");
pub const SERVICE_ACCOUNTS: Resource = core("serviceaccounts", "ServiceAccount");
pub const DEPLOYMENTS: Resource = resource("apps", "v1", "deployments", "Deployment");
pub const REPLICA_SETS: Resource = resource("apps", "v1", "replicasets", "ReplicaSet");
pub const DAEMON_SETS: Resource = resource("apps", "v1", "daemonsets", "DaemonSet");
pub const STATEFUL_SETS: Resource = resource("apps", "v1", "statefulsets", "StatefulSet");
pub const INGRESSES: Resource = resource("networking.k8s.io", "v1", "ingresses", "Ingress");
pub const NETWORK_POLICIES: Resource =
    resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy");
pub const EVENTS: Resource = resource("events.k8s.io", "v1", "events", "Event");
pub const NETWORK_CHAOS: Resource = resource("chaos-mesh.org", "v1alpha1", "networkchaos", "NetworkChaos");
pub const STRESS_CHAOS: Resource = resource("chaos-mesh.org", "v1alpha1", "stresschaos", "StressChaos");

pub const SELF_SUBJECT_ACCESS_REVIEWS: Resource =
    resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview");
pub const SELF_REVIEWS: Resource =
    resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview");

impl Resource {
    /// Returns the path of the collection or of one object.
    ///
    /// Names are escaped, so that they cannot change the path.
    pub fn path(&self, namespace: Option<&str>, name: Option<&str>) -> String {
        let mut path = if self.group.is_empty() {
            format!("/api/{}", segment(&self.version))
        } else {
            format!("/apis/{}/{}", segment(&self.group), segment(&self.version))
        };
        if let Some(namespace) = namespace {
            path += &format!("/namespaces/{}", segment(namespace));
        }
        path += &format!("/{}", segment(&self.plural));
        if let Some(name) = name {
            path += &format!("/{}", segment(name));
        }
        path
    }

    /// Returns the name for `kubectl`: `deployments.apps`.
    pub fn with_group(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_string()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// Returns the `apiVersion`: `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// Escapes one segment of a path. Segments of dots would change the path, so they are escaped too.
fn segment(text: &str) -> String {
    let dots = text.bytes().all(|byte| byte == b'.');
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') || byte == b'.' && !dots {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_escape_their_segments() {
        assert_eq!(PODS.path(Some("shop"), None), "/api/v1/namespaces/shop/pods");
        assert_eq!(NODES.path(None, Some("one")), "/api/v1/nodes/one");
        assert_eq!(
            DEPLOYMENTS.path(Some("shop"), Some("web")),
            "/apis/apps/v1/namespaces/shop/deployments/web"
        );
        assert_eq!(PODS.path(Some(".."), Some("a/b?c")), "/api/v1/namespaces/%2E%2E/pods/a%2Fb%3Fc");
        assert_eq!(DEPLOYMENTS.with_group(), "deployments.apps");
    }
}
