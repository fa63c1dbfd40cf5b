//! The kinds of objects that the embedded cluster serves: a table of built-in kinds, and custom kinds.

use std::sync::Arc;

use serde_json::{Value as Json, json};

/// A kind of object, as discovery describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiResource {
    /// Empty for the core group.
    pub(super) group: String,
    /// The preferred version first.
    pub(super) versions: Vec<String>,
    /// The kind: `Pod`.
    pub(super) name: String,
    /// The name in URLs: `pods`.
    pub(super) plural: String,
    /// Short names for the command line.
    pub(super) short: Vec<String>,
    pub(super) namespaced: bool,
    /// Whether `/status` is a subresource.
    pub(super) status: bool,
    /// Whether it has the subresource `/scale`.
    pub(super) scale: bool,
    /// Whether a `CustomResourceDefinition` defines it.
    pub(super) custom: bool,
    /// `group/plural`, the first part of object keys.
    pub(super) resource: Arc<str>,
}

impl ApiResource {
    /// Returns the resource with its group: `deployments.apps`.
    pub(super) fn qualified_name(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Returns the `apiVersion` of objects in this version.
    pub(super) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// Returns whether the kind belongs to this version of the group.
    fn serves(&self, group: &str, version: &str) -> bool {
        self.group == group && self.versions.iter().any(|served| served == version)
    }

    /// Returns whether changes of `spec` increment `metadata.generation`.
    pub(super) fn has_generation(&self) -> bool {
        !matches!(
            self.group.as_str(),
            "" | "apiextensions.k8s.io" | "events.k8s.io" | "rbac.authorization.k8s.io"
        )
    }

    /// Reads the kind that a `CustomResourceDefinition` defines.
    pub(super) fn from_definition(definition: &Json) -> Option<Self> {
        let spec = &definition["spec"];
        let names = &spec["names"];
        let text = |value: &Json| value.as_str().map(str::to_owned);
        let versions = spec["versions"].as_array()?;
        let served = versions.iter().filter(|version| version["served"] == true);
        let group = text(&spec["group"])?;
        let plural = text(&names["plural"])?;
        Some(Self {
            versions: served.filter_map(|version| text(&version["name"])).collect(),
            name: text(&names["kind"])?,
            short: names["shortNames"].as_array().into_iter().flatten().filter_map(text).collect(),
            namespaced: spec["scope"] == "Namespaced",
            status: versions.iter().any(|version| version["subresources"]["status"].is_object()),
            scale: false,
            custom: true,
            resource: format!("{group}/{plural}").into(),
            group,
            plural,
        })
    }
}

/// Group, versions, kind, plural, short names, and flags: `n`amespaced, has `s`tatus, has s`c`ale.
type ResourceRow = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

const TABLE: &[ResourceRow] = &[
    ("", "v1", "Pod", "pods", "po", "ns"),
    ("", "v1", "Service", "services", "svc", "ns"),
    ("", "v1", "Endpoints", "endpoints", "ep", "n"),
    ("", "v1", "Namespace", "namespaces", "ns", "s"),
    ("", "v1", "Node", "nodes", "no", "s"),
    ("", "v1", "Event", "events", "ev", "n"),
    ("events.k8s.io", "v1", "Event", "events", "ev", "n"),
    ("", "v1", "ConfigMap", "configmaps", "cm", "n"),
    ("", "v1", "Secret", "secrets", "", "n"),
    ("", "v1", "ServiceAccount", "serviceaccounts", "sa", "n"),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", "ns"),
    ("", "v1", "ReplicationController", "replicationcontrollers", "rc", "nsc"),
    ("apps", "v1", "Deployment", "deployments", "deploy", "nsc"),
    ("apps", "v1", "ReplicaSet", "replicasets", "rs", "nsc"),
    ("apps", "v1", "StatefulSet", "statefulsets", "sts", "nsc"),
    ("apps", "v1", "DaemonSet", "daemonsets", "ds", "ns"),
    ("batch", "v1", "Job", "jobs", "", "ns"),
    ("batch", "v1 v1beta1", "CronJob", "cronjobs", "cj", "ns"),
    ("policy", "v1 v1beta1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", "ns"),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "netpol", "n"),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", "ing", "ns"),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", "", "n"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "", "n"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", "", ""),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", "", ""),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", "crd crds", "s"),
];

/// The group of access reviews: they are answered, not stored.
const AUTHORIZATION_GROUP: &str = "authorization.k8s.io";
/// A subresource: which kinds have it, its name, the kind of its body (with group and version), its verbs.
type SubresourceRow = (fn(&ApiResource) -> bool, &'static str, &'static str, &'static str);
const SUBRESOURCES: &[SubresourceRow] = &[
    (|kind| kind.status, "status", "", "get patch update"),
    (|kind| kind.scale, "scale", "autoscaling/v1/Scale", "get patch update"),
    (|kind| kind.name == "Pod", "eviction", "policy/v1/Eviction", "create"),
    (|kind| kind.name == "Pod", "log", "Pod", "get"),
    (|kind| kind.name == "Pod", "portforward", "PodPortForwardOptions", "create get"),
    (|kind| kind.name == "Service", "proxy", "ServiceProxyOptions", "get"),
];

/// The kinds that the cluster serves.
#[derive(Clone, Debug)]
pub(super) struct ApiResources(Vec<Arc<ApiResource>>);

impl Default for ApiResources {
    fn default() -> Self {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        let kind = |(group, versions, kind, plural, short, flags): &ResourceRow| {
            Arc::new(ApiResource {
                group: (*group).to_owned(),
                versions: words(versions),
                name: (*kind).to_owned(),
                plural: (*plural).to_owned(),
                short: words(short),
                namespaced: flags.contains('n'),
                status: flags.contains('s'),
                scale: flags.contains('c'),
                custom: false,
                // both event groups serve the same objects
                resource: if *kind == "Event" {
                    "/events".into()
                } else {
                    format!("{group}/{plural}").into()
                },
            })
        };
        Self(TABLE.iter().map(kind).collect())
    }
}

impl ApiResources {
    /// Finds a kind by its name in URLs.
    pub(super) fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<ApiResource>> {
        self.0.iter().find(|kind| kind.plural == plural && kind.serves(group, version)).cloned()
    }

    /// Returns whether the version of a group belongs to built-in kinds.
    pub(super) fn is_built_in(&self, group: &str, version: &str) -> bool {
        self.0.iter().any(|kind| !kind.custom && kind.serves(group, version))
    }

    /// Finds the kind of an object by its `apiVersion` and `kind`.
    pub(super) fn find_for_object(&self, object: &Json) -> Option<(Arc<ApiResource>, String)> {
        let api_version = object["apiVersion"].as_str()?;
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let is = |kind: &&Arc<ApiResource>| object["kind"] == kind.name && kind.serves(group, version);
        self.0.iter().find(is).map(|kind| (Arc::clone(kind), version.to_owned()))
    }

    /// Finds the kind of a resource, given as `group/plural`.
    pub(super) fn find_by_resource(&self, resource: &str) -> Option<&Arc<ApiResource>> {
        self.0.iter().find(|kind| &*kind.resource == resource)
    }

    /// Adds a custom kind, or replaces its earlier definition.
    pub(super) fn define(&mut self, kind: ApiResource) {
        self.undefine(&kind.resource);
        self.0.push(Arc::new(kind));
    }

    /// Removes a custom kind. Built-in kinds stay.
    pub(super) fn undefine(&mut self, resource: &str) {
        self.0.retain(|kind| !kind.custom || &*kind.resource != resource);
    }

    /// Returns the discovery document of a path below `/api` or `/apis`.
    pub(super) fn discovery_document(&self, path: &str) -> Option<Json> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            ["api"] => {
                Some(json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}))
            }
            ["api", version] => self.resource_list("", version),
            ["apis"] => {
                let groups: Vec<Json> =
                    self.groups().iter().map(|group| self.group_document(group)).collect();
                Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
            }
            ["apis", group] if self.groups().contains(group) => {
                let mut document = self.group_document(group);
                document["kind"] = json!("APIGroup");
                document["apiVersion"] = json!("v1");
                Some(document)
            }
            ["apis", group, version] => self.resource_list(group, version),
            _ => None,
        }
    }

    fn groups(&self) -> Vec<&str> {
        let groups = self.0.iter().map(|kind| kind.group.as_str()).filter(|group| !group.is_empty());
        unique(std::iter::once(AUTHORIZATION_GROUP).chain(groups))
    }

    fn group_document(&self, group: &str) -> Json {
        let versions = self.0.iter().filter(|kind| kind.group == group).flat_map(|kind| &kind.versions);
        let mut versions = unique(versions.map(String::as_str));
        if versions.is_empty() {
            versions.push("v1");
        }
        let entry =
            |version: &&str| json!({"groupVersion": format!("{group}/{version}"), "version": version});
        let all: Vec<Json> = versions.iter().map(entry).collect();
        json!({"name": group, "versions": all, "preferredVersion": all[0]})
    }

    fn resource_list(&self, group: &str, version: &str) -> Option<Json> {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut resources = Vec::new();
        for kind in self.0.iter().filter(|kind| kind.serves(group, version)) {
            let entry = |name: &str, of: &str, verbs: &str| json!({"name": name, "singularName": "", "namespaced": kind.namespaced, "kind": of, "verbs": words(verbs)});
            let mut resource =
                entry(&kind.plural, &kind.name, "create delete deletecollection get list patch update watch");
            if kind.custom {
                resource["singularName"] = json!(kind.name.to_lowercase());
            }
            if matches!(group, "apps" | "batch")
                || matches!(kind.name.as_str(), "Pod" | "Service" | "ReplicationController")
            {
                resource["categories"] = json!(["all"]);
            }
            if !kind.short.is_empty() {
                resource["shortNames"] = json!(kind.short);
            }
            resources.push(resource);
            for (_, name, of, verbs) in SUBRESOURCES.iter().filter(|(has, ..)| has(kind)) {
                let (group, of) = of.rsplit_once('/').unwrap_or(("", of));
                let of = if of.is_empty() { kind.name.as_str() } else { of };
                let mut subresource = entry(&format!("{}/{name}", kind.plural), of, verbs);
                if let Some((group, version)) = group.split_once('/') {
                    subresource["group"] = json!(group);
                    subresource["version"] = json!(version);
                }
                resources.push(subresource);
            }
        }
        if (group, version) == (AUTHORIZATION_GROUP, "v1") {
            resources.push(json!({
                "name": "selfsubjectaccessreviews", "singularName": "", "namespaced": false,
                "kind": "SelfSubjectAccessReview", "verbs": ["create"],
            }));
        }
        let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        (!resources.is_empty()).then(
            || json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": resources}),
        )
    }
}

/// Removes duplicates and keeps the order.
fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut unique = Vec::new();
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discovery_lists_served_resources() {
        let kinds = ApiResources::default();
        let names = |path: &str| {
            let document = kinds.discovery_document(path)?;
            let list = document["resources"].as_array()?;
            Some(list.iter().filter_map(|one| one["name"].as_str().map(str::to_owned)).collect::<Vec<_>>())
        };
        assert!(names("/api/v1").unwrap().contains(&"pods/eviction".to_owned()));
        assert!(names("/apis/apps/v1/").unwrap().contains(&"deployments/scale".to_owned()));
        assert_eq!(names("/apis/apps/v2"), None);
        assert_eq!(kinds.discovery_document("/apis/policy").unwrap()["preferredVersion"]["version"], "v1");
        for (group, version, plural, served) in [
            ("", "v1", "pods", true),
            ("policy", "v1beta1", "poddisruptionbudgets", true),
            ("", "v2", "pods", false),
        ] {
            assert_eq!(kinds.find(group, version, plural).is_some(), served, "{group} {version} {plural}");
        }
    }

    #[test]
    fn custom_definitions_are_added_and_removed() {
        let mut kinds = ApiResources::default();
        let definition = json!({"spec": {
            "group": "shop.example", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "subresources": {"status": {}}}, {"name": "v0", "served": false}],
        }});
        let kind = ApiResource::from_definition(&definition).unwrap();
        assert_eq!((kind.namespaced, kind.status, kind.versions.len()), (true, true, 1));
        kinds.define(kind);
        assert!(kinds.find("shop.example", "v1", "widgets").is_some());
        kinds.undefine("shop.example/widgets");
        kinds.undefine("/pods");
        assert!(
            kinds.find("shop.example", "v1", "widgets").is_none() && kinds.find("", "v1", "pods").is_some()
        );
        assert_eq!(ApiResource::from_definition(&json!({"spec": {}})), None);
    }
}
