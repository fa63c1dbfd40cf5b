//! Permissions that a call of a function needs.

use serde_json::Value as Json;

use super::arguments::Arguments;
use super::catalogue::Function;
use super::error::Error;
use crate::k8s::rbac::Permission;
use crate::value::Map;

impl Function {
    /// Lists the permissions, including those that confirm the effect.
    pub fn permissions(&self) -> Vec<String> {
        let mut all: Vec<String> = self.needs.iter().map(|need| (*need).to_owned()).collect();
        for need in self.needs.iter().filter(|_| self.is_action) {
            let (verb, of) = need.split_once(' ').unwrap_or((need, ""));
            let look = match verb {
                _ if of.contains('/') => continue,
                // the effect of a deletion is confirmed by a list, that of a change by a read
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

/// Reason why the permissions of a call are not known before the run.
#[derive(Debug, thiserror::Error)]
pub enum UnknownPermissions {
    #[error(transparent)]
    InvalidArguments(#[from] Error),
    #[error("the kind of the object is known only during the run")]
    Kind,
    #[error("the namespace or the kind is known only during the run")]
    Placeholder,
    #[error("invalid object")]
    InvalidObject(#[from] serde_yaml::Error),
    #[error("the object has no apiVersion or no kind")]
    NoTypeMeta,
}

/// Returns the permissions that a call of a function needs.
pub fn needed_permissions(
    function: &Function,
    given: &Map,
    namespace: &str,
) -> Result<Vec<Permission>, UnknownPermissions> {
    let bound = Arguments::bind(function, given, namespace)?;
    let takes_namespace = function.arguments.iter().any(|argument| argument.name == "ns");
    let own_namespace = bound.text("ns").unwrap_or_else(|| namespace.to_owned());
    let (kind, object_namespace) = match (bound.text("group"), bound.text("plural"), bound.text("resource")) {
        (Some(group), Some(plural), _) => (Some((plural, group)), None),
        (_, _, Some(text)) if !takes_namespace => kind_of(&text)?,
        _ => (None, None),
    };
    let namespace_of_target = object_namespace.unwrap_or(own_namespace);
    let mut permissions = Vec::new();
    for need in function.permissions() {
        let mut permission = Permission::parse(&need, &namespace_of_target);
        if permission.resource == "*" {
            let Some((plural, group)) = &kind else {
                return Err(UnknownPermissions::Kind);
            };
            (permission.resource, permission.group) = (plural.clone(), group.clone());
        }
        let open = [Some(&permission.resource), Some(&permission.group), permission.namespace.as_ref()];
        if open.into_iter().flatten().any(|text| text.contains('$')) {
            return Err(UnknownPermissions::Placeholder);
        }
        permissions.push(permission);
    }
    Ok(permissions)
}

type ResourceScope = (Option<(String, String)>, Option<String>);

/// Parses resource, group and namespace of a written object; the plural is derived from the kind.
fn kind_of(text: &str) -> Result<ResourceScope, UnknownPermissions> {
    let object: Json = serde_yaml::from_str(text)?;
    let word = |at: &str| object.pointer(at).and_then(Json::as_str).map(str::to_owned);
    let (Some(version), Some(kind)) = (word("/apiVersion"), word("/kind")) else {
        return Err(UnknownPermissions::NoTypeMeta);
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use crate::chaosk8s::catalogue::{functions, lookup};
    use crate::value::Value;

    fn required_permissions(
        module: &str,
        name: &str,
        given: Json,
    ) -> Result<Vec<String>, UnknownPermissions> {
        let function = lookup(&format!("chaosk8s.{module}"), name).unwrap();
        let given = Value::from(given).as_map().unwrap().clone();
        needed_permissions(&function, &given, "shop")
            .map(|rights| rights.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn calls_need_listed_permissions() {
        let check = |module: &str, name: &str, given: Json, expected: &[&str]| {
            assert_eq!(required_permissions(module, name, given).unwrap(), expected, "{name}");
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
    fn unknown_permissions_have_reasons() {
        let check = |module: &str, name: &str, given: Json, text: &str| {
            let reason = required_permissions(module, name, given).unwrap_err().to_string();
            assert!(reason.contains(text), "{reason}");
        };
        check("pod.actions", "terminate_pods", json!({"ns": "${where}"}), "known only during the run");
        check("crd.actions", "apply_from_yaml", json!({}), "known only during the run");
        check("crd.actions", "apply_from_json", json!({"resource": "{}"}), "no apiVersion or no kind");
        check("pod.actions", "terminate_pods", json!({"what": 1}), "unexpected keyword");
    }

    #[test]
    fn catalogue_permissions_are_valid() {
        for function in functions() {
            for need in function.permissions() {
                let permission = Permission::parse(&need, "shop");
                let words = need.split(' ').count();
                assert!(
                    matches!(words, 2 | 3) && !permission.verb.is_empty() && !permission.resource.is_empty(),
                    "{need}"
                );
                assert_eq!(permission.namespace.is_none(), words == 3, "{need}");
            }
        }
    }
}
