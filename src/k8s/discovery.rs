//! Discovery: the resources of the API server.
//!
//! The discovery of `kube` has no deadline, does not retry, and its errors lack the body that messages quote.

use std::collections::HashMap;

use http::Method;
use serde_json::Value as Json;

use super::client::ClusterClient;
use super::error::Error;
use super::metadata::PartialObject;
use super::request::{ApiRequest, ObjectSelector};
use super::resource::{NAMESPACES, Resource};

/// Kind that the server has, and its scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredKind {
    pub resource: Resource,
    pub namespaced: bool,
    /// Whether the server can list and delete its objects.
    pub deletable: bool,
}

/// Kinds of a server. Each version of a group is requested once.
#[derive(Debug, Default)]
pub struct DiscoveredKinds {
    lists: HashMap<(String, String), Vec<DiscoveredKind>>,
}

impl DiscoveredKinds {
    /// Returns the kind for an `apiVersion` and a `kind`.
    pub async fn of(
        &mut self,
        cluster: &ClusterClient,
        api_version: &str,
        kind: &str,
    ) -> Result<DiscoveredKind, Error> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let key = (group.to_owned(), version.to_owned());
        if !self.lists.contains_key(&key) {
            let list = list(cluster, group, version).await?;
            self.lists.insert(key.clone(), list);
        }
        let kind_found = self.lists[&key].iter().find(|candidate| candidate.resource.kind == kind);
        kind_found
            .cloned()
            .ok_or_else(|| Error::UnknownKind { kind: kind.to_owned(), api_version: api_version.to_owned() })
    }
}

/// Lists the kinds of one version of a group.
async fn list(cluster: &ClusterClient, group: &str, version: &str) -> Result<Vec<DiscoveredKind>, Error> {
    let group_version = Resource {
        group: group.to_owned().into(),
        version: version.to_owned().into(),
        plural: "".into(),
        kind: "".into(),
    };
    let list = cluster.json(&ApiRequest::new(Method::GET, "get", &group_version, None)).await?;
    let parse = |entry: &Json| {
        let (name, kind) = (entry["name"].as_str()?, entry["kind"].as_str()?);
        let verbs = entry["verbs"].as_array();
        let may = |verb: &str| verbs.is_some_and(|verbs| verbs.iter().any(|listed| listed == verb));
        (!name.contains('/')).then(|| DiscoveredKind {
            resource: Resource {
                plural: name.to_owned().into(),
                kind: kind.to_owned().into(),
                ..group_version.clone()
            },
            namespaced: entry["namespaced"] == true,
            deletable: may("list") && may("delete"),
        })
    };
    Ok(list["resources"].as_array().into_iter().flatten().filter_map(parse).collect())
}

/// Lists every kind whose objects can be listed and deleted, in the preferred version of the server.
pub async fn list_deletable_kinds(cluster: &ClusterClient) -> Result<Vec<DiscoveredKind>, Error> {
    let groups = ApiRequest { path: Some("/apis"), ..ApiRequest::new(Method::GET, "get", &NAMESPACES, None) };
    let groups = cluster.json(&groups).await?;
    let mut kinds = list(cluster, "", "v1").await?;
    for group in groups["groups"].as_array().into_iter().flatten() {
        let text = |value: &Json| value.as_str().map(str::to_owned);
        let (Some(name), Some(version)) = (text(&group["name"]), text(&group["preferredVersion"]["version"]))
        else {
            continue;
        };
        match list(cluster, &name, &version).await {
            Ok(listed) => kinds.extend(listed),
            // the aggregated API server of the group is unavailable
            Err(failure) if failure.status().is_some() => {}
            Err(failure) => return Err(failure),
        }
    }
    kinds.retain(|kind| kind.deletable);
    Ok(kinds)
}

/// Lists the names of all namespaces.
pub async fn list_namespaces(cluster: &ClusterClient) -> Result<Vec<String>, Error> {
    let all: Vec<PartialObject> = cluster.list(&NAMESPACES, None, &ObjectSelector::default(), true).await?;
    Ok(all.into_iter().map(|object| object.metadata.name).collect())
}

/// Reads an object by its kind, namespace and name; `None` if it does not exist.
pub async fn get_object(
    cluster: &ClusterClient,
    kind: &DiscoveredKind,
    object: &Json,
) -> Result<Option<Json>, Error> {
    let text = |key: &str| object["metadata"][key].as_str();
    let namespace = text("namespace").filter(|_| kind.namespaced);
    match cluster.json(&ApiRequest::get(&kind.resource, namespace, text("name").unwrap_or_default())).await {
        Ok(object) => Ok(Some(object)),
        Err(failure) if failure.status() == Some(404) => Ok(None),
        Err(failure) => Err(failure),
    }
}
