//! Kinds of things in a cluster, and where they are found. Floor 1, pure.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A kind of thing: where the API server keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its group; empty for the core.
    pub group: Cow<'static, str>,
    /// The version of the group.
    pub version: Cow<'static, str>,
    /// The plural that stands in addresses; a subresource after a slash is asked for by [`Resource::path`].
    pub plural: Cow<'static, str>,
    /// The kind of one.
    pub kind: Cow<'static, str>,
}

const fn core(plural: &'static str, kind: &'static str) -> Resource {
    known("", "v1", plural, kind)
}

const fn known(
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

/// Pods.
pub const PODS: Resource = core("pods", "Pod");
/// Nodes.
pub const NODES: Resource = core("nodes", "Node");
/// Namespaces.
pub const NAMESPACES: Resource = core("namespaces", "Namespace");
/// What stands behind Services.
pub const ENDPOINTS: Resource = core("endpoints", "Endpoints");
/// Services.
pub const SERVICES: Resource = core("services", "Service");
/// Secrets.
pub const SECRETS: Resource = core("secrets", "Secret");
/// Service accounts.
pub const SERVICE_ACCOUNTS: Resource = core("serviceaccounts", "ServiceAccount");
/// Deployments.
pub const DEPLOYMENTS: Resource = known("apps", "v1", "deployments", "Deployment");
/// `ReplicaSets`.
pub const REPLICA_SETS: Resource = known("apps", "v1", "replicasets", "ReplicaSet");
/// `DaemonSets`.
pub const DAEMON_SETS: Resource = known("apps", "v1", "daemonsets", "DaemonSet");
/// `StatefulSets`.
pub const STATEFUL_SETS: Resource = known("apps", "v1", "statefulsets", "StatefulSet");
/// Ingresses.
pub const INGRESSES: Resource = known("networking.k8s.io", "v1", "ingresses", "Ingress");
/// Network policies.
pub const NETWORK_POLICIES: Resource = known("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy");
/// Events.
pub const EVENTS: Resource = known("events.k8s.io", "v1", "events", "Event");
/// Chaos Mesh's faults of the network.
pub const NETWORK_CHAOS: Resource = known("chaos-mesh.org", "v1alpha1", "networkchaos", "NetworkChaos");
/// Chaos Mesh's stressors.
pub const STRESS_CHAOS: Resource = known("chaos-mesh.org", "v1alpha1", "stresschaos", "StressChaos");

/// Questions whether one has a right.
pub const SELF_SUBJECT_ACCESS_REVIEWS: Resource =
    known("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview");
/// Questions who one is.
pub const SELF_REVIEWS: Resource =
    known("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview");

impl Resource {
    /// Where things of this kind are: in a namespace or in the whole cluster, all of them, one, or a
    /// subresource of one. Names from outside cannot lead elsewhere: they are escaped.
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

    /// As `kubectl` takes it: `deployments.apps`.
    pub fn with_group(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_string()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// A text as one segment of a path. One made of dots alone would be taken for a folder, and is escaped too.
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
    fn paths() {
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
