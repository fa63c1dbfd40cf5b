//! Rights: which ones a call needs, whether somebody has them, roles that give them. Floor 1.
//!
//! The server is asked by a review of access, which changes nothing and is kept nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value as Json, json};

use super::arguments::Arguments;
use super::catalogue::Function;
use super::cluster::{ApiRequest, ClusterClient};
use super::error::ClusterError;
use super::resource::{SELF_REVIEWS, SELF_SUBJECT_ACCESS_REVIEWS};
use crate::value::Map;

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

impl Function {
    /// The rights that it needs, in the catalogue's words; those to see that it took effect among them.
    pub fn rights(&self) -> Vec<String> {
        let mut all: Vec<String> = self.needs.iter().map(|need| (*need).to_owned()).collect();
        for need in self.needs.iter().filter(|_| self.is_action) {
            let (verb, of) = need.split_once(' ').unwrap_or((need, ""));
            let look = match verb {
                _ if of.contains('/') => continue,
                // what is gone is missing in a list, what was changed is read
                "delete" => format!("list {of}"),
                "create" | "patch" | "update" => format!("get {of}"),
                _ => continue,
            };
            if !all.contains(&look) {
                all.push(look);
            }
        }
        all
    }
}

/// The rights that a call of a function needs. An error says why they are not known beforehand.
pub fn needed(function: &Function, given: &Map, namespace: &str) -> Result<Vec<Permission>, String> {
    let bound = Arguments::bind(function, given, namespace).map_err(|failure| failure.words())?;
    let takes_namespace = function.arguments.iter().any(|argument| argument.name == "ns");
    let own = bound.text("ns").unwrap_or_else(|| namespace.to_owned());
    let (kind, of_the_object) = match (bound.text("group"), bound.text("plural"), bound.text("resource")) {
        (Some(group), Some(plural), _) => (Some((plural, group)), None),
        (_, _, Some(text)) if !takes_namespace => kind_of(&text)?,
        _ => (None, None),
    };
    let place = of_the_object.unwrap_or(own);
    let mut rights = Vec::new();
    for need in function.rights() {
        let mut right = Permission::parse(&need, &place);
        if right.resource == "*" {
            let Some((plural, group)) = &kind else {
                return Err("the kind of the object is not known beforehand".to_owned());
            };
            (right.resource, right.group) = (plural.clone(), group.clone());
        }
        let open = [Some(&right.resource), Some(&right.group), right.namespace.as_ref()];
        if open.into_iter().flatten().any(|text| text.contains('$')) {
            return Err("its namespace or its kind is not known beforehand".to_owned());
        }
        rights.push(right);
    }
    Ok(rights)
}

type ResourceScope = (Option<(String, String)>, Option<String>);

/// The kind of an object that is written out, in the plural that kinds usually have, and its group and namespace.
fn kind_of(text: &str) -> Result<ResourceScope, String> {
    let object: Json = serde_yaml::from_str(text).map_err(|error| format!("the object: {error}"))?;
    let word = |at: &str| object.pointer(at).and_then(Json::as_str).map(str::to_owned);
    let (Some(version), Some(kind)) = (word("/apiVersion"), word("/kind")) else {
        return Err("the object has no apiVersion and kind".to_owned());
    };
    let group = version.split_once('/').map_or("", |(group, _)| group).to_owned();
    let kind = kind.to_lowercase();
    let plural = if kind.ends_with('s') {
        kind + "es"
    } else if let Some(stem) = kind.strip_suffix('y') {
        format!("{stem}ies")
    } else {
        kind + "s"
    };
    Ok((Some((plural, group)), word("/metadata/namespace")))
}

/// Whether the one who asks has a right. The reason is the server's, where it has one.
pub async fn is_granted(
    cluster: &ClusterClient,
    right: &Permission,
) -> Result<(bool, Option<String>), ClusterError> {
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
    use crate::kubernetes::catalogue::{functions, lookup};
    use crate::value::Value;

    fn rights(module: &str, name: &str, given: Json) -> Result<Vec<String>, String> {
        let function = lookup(&format!("chaosk8s.{module}"), name).unwrap();
        let given = Value::from(given).as_map().unwrap().clone();
        needed(&function, &given, "shop").map(|rights| rights.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_a_call_needs() {
        let check = |module: &str, name: &str, given: Json, expected: &[&str]| {
            assert_eq!(rights(module, name, given).unwrap(), expected, "{name}");
        };
        check("pod.actions", "terminate_pods", json!({}), &["list pods -n shop", "delete pods -n shop"]);
        check("pod.probes", "count_pods", json!({"label_selector": "a=b", "ns": "x"}), &["list pods -n x"]);
        // to see that it is scaled, it has to be read
        let scale = json!({"name": "web", "replicas": 0});
        let expected = ["patch deployments.apps -n shop", "get deployments.apps -n shop"];
        check("deployment.actions", "scale_deployment", scale, &expected);
        let cordon = ["list nodes -A", "patch nodes -A", "get nodes -A"];
        check("node.actions", "cordon_node", json!({"name": "n"}), &cordon);
        let object = json!({"group": "g.io", "version": "v1", "plural": "things", "name": "x"});
        check("crd.probes", "get_custom_object", object, &["get things.g.io -n shop"]);
        let object = json!({"resource": "{apiVersion: g.io/v1, kind: Policy, metadata: {namespace: x}}"});
        check(
            "crd.actions",
            "apply_from_yaml",
            object,
            &["create policies.g.io -n x", "get policies.g.io -n x"],
        );
        let logs = ["list pods -n shop", "get pods --subresource=log -n shop"];
        check("pod.probes", "read_pod_logs", json!({"name": "web"}), &logs);
        check("pod.probes", "should_be_found_in_logs", json!({"pattern": "x"}), &[]);
    }

    #[test]
    fn what_is_not_known_beforehand_is_said() {
        let check = |module: &str, name: &str, given: Json, text: &str| {
            let why = rights(module, name, given).unwrap_err();
            assert!(why.contains(text), "{why}");
        };
        check("pod.actions", "terminate_pods", json!({"ns": "${where}"}), "not known beforehand");
        check("crd.actions", "apply_from_yaml", json!({}), "not known beforehand");
        check("crd.actions", "apply_from_json", json!({"resource": "{}"}), "no apiVersion");
        check("pod.actions", "terminate_pods", json!({"what": 1}), "unexpected keyword");
    }

    #[test]
    fn every_need_of_the_catalogue_is_understood() {
        for function in functions() {
            for need in function.rights() {
                let right = Permission::parse(&need, "shop");
                let words = need.split(' ').count();
                assert!(
                    matches!(words, 2 | 3) && !right.verb.is_empty() && !right.resource.is_empty(),
                    "{need}"
                );
                assert_eq!(right.namespace.is_none(), words == 3, "{need}");
            }
        }
    }

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
