//! RBAC permissions: access reviews, and roles that grant permissions.
//!
//! Access reviews change nothing, and the server does not store them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value as Json, json};

use super::client::ClusterClient;
use super::error::Error;
use super::request::ApiRequest;
use super::resource::{SELF_REVIEWS, SELF_SUBJECT_ACCESS_REVIEWS};

/// Name of every proposed role.
const NAME: &str = "kubectl-chaos";
/// API group of roles.
const RBAC: &str = "rbac.authorization.k8s.io";

/// Permission. Cluster-scoped permissions sort first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// The namespace; `None` for cluster-scoped permissions.
    pub namespace: Option<String>,
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural, with a subresource: `pods/eviction`.
    pub resource: String,
    pub verb: String,
}

impl Permission {
    /// Parses `verb resource[.group]`, followed by ` *` if it is cluster-scoped.
    pub fn parse(need: &str, namespace: &str) -> Self {
        let mut parts = need.split(' ');
        let verb = parts.next().unwrap_or_default().to_owned();
        let (resource, group) = split(parts.next().unwrap_or_default());
        let namespace = parts.next().is_none().then(|| namespace.to_owned());
        Self { namespace, group, resource, verb }
    }
}

/// Splits `deployments.apps` into resource and group.
fn split(text: &str) -> (String, String) {
    let (resource, group) = text.split_once('.').unwrap_or((text, ""));
    (resource.to_owned(), group.to_owned())
}

/// Formats the permission for `kubectl auth can-i`.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (plural, subresource) = self.resource.split_once('/').unwrap_or((&self.resource, ""));
        write!(f, "{} {plural}", self.verb)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if !subresource.is_empty() {
            write!(f, " --subresource={subresource}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " -n {namespace}"),
            None => f.write_str(" -A"),
        }
    }
}

/// Asks the server whether the user has a permission; with the server's reason, if it has one.
pub async fn is_granted(
    cluster: &ClusterClient,
    permission: &Permission,
) -> Result<(bool, Option<String>), Error> {
    let (plural, subresource) = permission.resource.split_once('/').unwrap_or((&permission.resource, ""));
    let body = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "namespace": permission.namespace,
            "verb": permission.verb,
            "group": permission.group,
            "resource": plural,
            "subresource": subresource,
        }},
    });
    let answer = cluster.json(&ApiRequest::create(&SELF_SUBJECT_ACCESS_REVIEWS, None, body)).await?;
    let status = &answer["status"];
    let reason = status["reason"].as_str().filter(|reason| !reason.is_empty()).map(str::to_owned);
    Ok((status["allowed"] == true, reason))
}

/// Returns the user name, which servers report since Kubernetes 1.28.
pub async fn current_user(cluster: &ClusterClient) -> Option<String> {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let answer = cluster.json(&ApiRequest::create(&SELF_REVIEWS, None, body)).await.ok()?;
    Some(answer.pointer("/status/userInfo/username")?.as_str()?.to_owned())
}

/// Creates roles that grant exactly these permissions, bound to the user if known.
pub fn roles(permissions: &BTreeSet<Permission>, user: Option<&str>) -> Vec<Json> {
    let mut namespaces: BTreeMap<Option<&str>, Vec<&Permission>> = BTreeMap::new();
    for permission in permissions {
        namespaces.entry(permission.namespace.as_deref()).or_default().push(permission);
    }
    let mut documents = Vec::new();
    for (namespace, permissions) in namespaces {
        let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
        let mut metadata = json!({"name": NAME});
        if let Some(namespace) = namespace {
            metadata["namespace"] = namespace.into();
        }
        let version = format!("{RBAC}/v1");
        documents.push(
            json!({"apiVersion": version, "kind": kind, "metadata": metadata, "rules": rules(&permissions)}),
        );
        if let Some(user) = user {
            documents.push(json!({
                "apiVersion": version,
                "kind": format!("{kind}Binding"),
                "metadata": metadata,
                "roleRef": {"apiGroup": RBAC, "kind": kind, "name": NAME},
                "subjects": [subject(user)],
            }));
        }
    }
    documents
}

/// Creates the rules of a role: resources of one group with the same verbs share a rule.
fn rules(permissions: &[&Permission]) -> Vec<Json> {
    let mut verbs: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for permission in permissions {
        verbs.entry((&permission.group, &permission.resource)).or_default().insert(&permission.verb);
    }
    let mut rules: BTreeMap<(&str, BTreeSet<&str>), Vec<&str>> = BTreeMap::new();
    for ((group, resource), verbs) in verbs {
        rules.entry((group, verbs)).or_default().push(resource);
    }
    let rule =
        |((group, verbs), resources)| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    rules.into_iter().map(rule).collect()
}

/// Creates the subject of a role binding.
fn subject(user: &str) -> Json {
    let account = user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    match account {
        Some((namespace, name)) => json!({"kind": "ServiceAccount", "name": name, "namespace": namespace}),
        None => json!({"apiGroup": RBAC, "kind": "User", "name": user}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_grant_exactly_the_needed_permissions() {
        let needs =
            ["list pods", "delete pods", "patch deployments.apps", "get deployments.apps", "list nodes *"];
        let permissions = needs.iter().map(|need| Permission::parse(need, "shop")).collect();
        let documents = roles(&permissions, Some("system:serviceaccount:ci:runner"));
        let kinds: Vec<&str> = documents.iter().map(|role| role["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]);
        assert_eq!(
            documents[0]["rules"],
            json!([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}])
        );
        let expected = json!([
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["delete", "list"]},
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]},
        ]);
        assert_eq!(
            (&documents[2]["rules"], &documents[2]["metadata"]["namespace"]),
            (&expected, &json!("shop"))
        );
        let account = json!([{"kind": "ServiceAccount", "name": "runner", "namespace": "ci"}]);
        assert_eq!(documents[3]["subjects"], account);
        assert_eq!(roles(&permissions, None).len(), 2);
        assert_eq!(roles(&permissions, Some("jane"))[1]["subjects"][0]["kind"], "User");
    }
}
