//! Rights: which ones a call needs, whether somebody has them, roles that give them. Floor 1.
//!
//! The server is asked by a review of access, which changes nothing and is kept nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value as Json, json};

use super::client::{ApiRequest, ClusterClient};
use super::error::Error;
use super::resource::{SELF_REVIEWS, SELF_SUBJECT_ACCESS_REVIEWS};

/// What every role is called that is proposed here.
const NAME: &str = "kubectl-chaos";
/// The group of roles.
const RBAC: &str = "rbac.authorization.k8s.io";

/// A right. The order is that of lists: the whole cluster first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// Where; nothing for the whole cluster.
    pub namespace: Option<String>,
    /// The group of the kind; empty for the core.
    pub group: String,
    /// The kind in the plural, a subresource after a slash: `pods/eviction`.
    pub resource: String,
    /// To do what.
    pub verb: String,
}

impl Permission {
    /// As the catalogue has it: `verb resource[.group]`, a star after it where the whole cluster is meant.
    pub fn parse(need: &str, namespace: &str) -> Self {
        let mut words = need.split(' ');
        let verb = words.next().unwrap_or_default().to_owned();
        let (resource, group) = split(words.next().unwrap_or_default());
        let namespace = words.next().is_none().then(|| namespace.to_owned());
        Self { namespace, group, resource, verb }
    }
}

/// `pods/eviction`, `deployments.apps`: the kind, and its group.
fn split(text: &str) -> (String, String) {
    let (resource, group) = text.split_once('.').unwrap_or((text, ""));
    (resource.to_owned(), group.to_owned())
}

/// As `kubectl auth can-i` takes it.
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

/// Whether the one who asks has a right. The reason is the server's, where it has one.
pub async fn is_granted(
    cluster: &ClusterClient,
    right: &Permission,
) -> Result<(bool, Option<String>), Error> {
    let (plural, subresource) = right.resource.split_once('/').unwrap_or((&right.resource, ""));
    let body = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "namespace": right.namespace,
            "verb": right.verb,
            "group": right.group,
            "resource": plural,
            "subresource": subresource,
        }},
    });
    let answer = cluster.json(&ApiRequest::create(&SELF_SUBJECT_ACCESS_REVIEWS, None, body)).await?;
    let status = &answer["status"];
    let reason = status["reason"].as_str().filter(|reason| !reason.is_empty()).map(str::to_owned);
    Ok((status["allowed"] == true, reason))
}

/// Who the one who asks is, as far as the server says: it does since 1.28.
pub async fn who(cluster: &ClusterClient) -> Option<String> {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let answer = cluster.json(&ApiRequest::create(&SELF_REVIEWS, None, body)).await.ok()?;
    Some(answer.pointer("/status/userInfo/username")?.as_str()?.to_owned())
}

/// Roles that give these rights and no others, bound to a user where one is known.
pub fn roles(rights: &BTreeSet<Permission>, user: Option<&str>) -> Vec<Json> {
    let mut places: BTreeMap<Option<&str>, Vec<&Permission>> = BTreeMap::new();
    for right in rights {
        places.entry(right.namespace.as_deref()).or_default().push(right);
    }
    let mut found = Vec::new();
    for (namespace, rights) in places {
        let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
        let mut metadata = json!({"name": NAME});
        if let Some(namespace) = namespace {
            metadata["namespace"] = namespace.into();
        }
        let version = format!("{RBAC}/v1");
        found.push(
            json!({"apiVersion": version, "kind": kind, "metadata": metadata, "rules": rules(&rights)}),
        );
        if let Some(user) = user {
            found.push(json!({
                "apiVersion": version,
                "kind": format!("{kind}Binding"),
                "metadata": metadata,
                "roleRef": {"apiGroup": RBAC, "kind": kind, "name": NAME},
                "subjects": [subject(user)],
            }));
        }
    }
    found
}

/// The rules of a role: kinds of one group to which the same may be done are one.
fn rules(rights: &[&Permission]) -> Vec<Json> {
    let mut verbs: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for right in rights {
        verbs.entry((&right.group, &right.resource)).or_default().insert(&right.verb);
    }
    let mut rules: BTreeMap<(&str, BTreeSet<&str>), Vec<&str>> = BTreeMap::new();
    for ((group, resource), verbs) in verbs {
        rules.entry((group, verbs)).or_default().push(resource);
    }
    let rule =
        |((group, verbs), resources)| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    rules.into_iter().map(rule).collect()
}

/// Whom a role is bound to.
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
    fn roles_give_what_is_needed_and_nothing_else() {
        let needs =
            ["list pods", "delete pods", "patch deployments.apps", "get deployments.apps", "list nodes *"];
        let rights = needs.iter().map(|need| Permission::parse(need, "shop")).collect();
        let found = roles(&rights, Some("system:serviceaccount:ci:runner"));
        let kinds: Vec<&str> = found.iter().map(|role| role["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]);
        assert_eq!(
            found[0]["rules"],
            json!([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}])
        );
        let expected = json!([
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["delete", "list"]},
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]},
        ]);
        assert_eq!((&found[2]["rules"], &found[2]["metadata"]["namespace"]), (&expected, &json!("shop")));
        let account = json!([{"kind": "ServiceAccount", "name": "runner", "namespace": "ci"}]);
        assert_eq!(found[3]["subjects"], account);
        assert_eq!(roles(&rights, None).len(), 2);
        assert_eq!(roles(&rights, Some("jane"))[1]["subjects"][0]["kind"], "User");
    }
}
