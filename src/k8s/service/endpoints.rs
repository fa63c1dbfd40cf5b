//! Endpoints of Services: `EndpointSlices`, and `Endpoints` on servers older than 1.21.
//!
//! Kubernetes 1.33 deprecates `Endpoints`, and warns of each use.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::{PodEndpoint, ResolvedService};
use crate::k8s::client::ClusterClient;
use crate::k8s::error::{Error, ServiceError};
use crate::k8s::request::{ApiRequest, ObjectSelector};
use crate::k8s::resource::{ENDPOINT_SLICES, ENDPOINTS};

/// Label of a slice with the name of its Service.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// The first minor version of Kubernetes 1 that has `EndpointSlices` of the version v1.
const FIRST_WITH_SLICES: u32 = 21;

/// Returns the permission that reading the endpoints of a Service needs. A server that does not answer counts as new.
pub async fn endpoint_permission(cluster: Option<&ClusterClient>) -> &'static str {
    let version = match cluster {
        Some(cluster) => cluster.version().await.unwrap_or_default(),
        None => String::new(),
    };
    match minor(&version) {
        Some(minor) if minor < FIRST_WITH_SLICES => "get endpoints",
        _ => "list endpointslices.discovery.k8s.io",
    }
}

/// Returns the 20 of `v1.20.2`.
fn minor(version: &str) -> Option<u32> {
    let rest = version.trim_start_matches('v').strip_prefix("1.")?;
    rest.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

/// Lists the ready Pods of a Service; none is an error.
pub async fn endpoints(cluster: &ClusterClient, found: &ResolvedService) -> Result<Vec<PodEndpoint>, Error> {
    let selection = ObjectSelector::labels(Some(&format!("{SERVICE_LABEL}={}", found.name)));
    let (pods, others) = match slices(cluster, Some(&found.namespace), &selection).await? {
        Some(slices) => ready_of_slices(&slices, &found.port_name),
        None => {
            let call = ApiRequest::get(&ENDPOINTS, Some(&found.namespace), &found.name);
            match cluster.json(&call).await {
                Ok(listed) => ready(&listed, &found.port_name),
                Err(failure) if failure.status() == Some(404) => (Vec::new(), 0),
                Err(failure) => return Err(failure),
            }
        }
    };
    match (pods.is_empty(), others) {
        (false, _) => Ok(pods),
        (true, 0) => Err(ServiceError::NoEndpoints(found.display_name()).into()),
        (true, _) => Err(ServiceError::NotPods(found.display_name()).into()),
    }
}

/// Lists the UIDs of Pods that are ready endpoints of a Service of the namespace.
///
/// Without the permission there are none: only the state of the Pods themselves counts.
pub(in crate::k8s) async fn serving_pods(
    cluster: &ClusterClient,
    namespace: Option<&str>,
) -> Result<HashSet<String>, Error> {
    let uid = |target: &Json| target["uid"].as_str().map(str::to_owned);
    if let Some(slices) = slices(cluster, namespace, &ObjectSelector::default()).await? {
        let endpoints = slices.iter().flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
        return Ok(endpoints
            .filter(|endpoint| is_ready(endpoint))
            .filter_map(|endpoint| uid(&endpoint["targetRef"]))
            .collect());
    }
    let lists: Vec<Json> = match cluster.list(&ENDPOINTS, namespace, &ObjectSelector::default(), false).await
    {
        Ok(lists) => lists,
        Err(failure) if failure.status() == Some(403) => return Ok(HashSet::new()),
        Err(failure) => return Err(failure),
    };
    let subsets = lists.iter().flat_map(|list| list["subsets"].as_array().into_iter().flatten());
    let addresses = subsets.flat_map(|subset| subset["addresses"].as_array().into_iter().flatten());
    Ok(addresses.filter_map(|address| uid(&address["targetRef"])).collect())
}

/// Lists slices; `None` if the server has none, or does not allow it.
async fn slices(
    cluster: &ClusterClient,
    namespace: Option<&str>,
    selection: &ObjectSelector,
) -> Result<Option<Vec<Json>>, Error> {
    if cluster.is_without_slices() {
        return Ok(None);
    }
    match cluster.list(&ENDPOINT_SLICES, namespace, selection, false).await {
        Ok(slices) => Ok(Some(slices)),
        Err(failure) if failure.status() == Some(404) => {
            cluster.mark_without_slices();
            Ok(None)
        }
        // roles that were made for older servers allow to read Endpoints
        Err(failure) if failure.status() == Some(403) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Whether an endpoint of a slice is ready. An absent condition means yes.
fn is_ready(endpoint: &Json) -> bool {
    endpoint.pointer("/conditions/ready").and_then(Json::as_bool).unwrap_or(true)
}

/// Returns the ready Pods in slices with a port, and the number of endpoints that are not Pods.
fn ready_of_slices(slices: &[Json], port_name: &str) -> (Vec<PodEndpoint>, usize) {
    let mut pods: Vec<PodEndpoint> = Vec::new();
    let mut not_pods = 0;
    for slice in slices {
        let Some(port) = port(&slice["ports"], port_name) else { continue };
        let endpoints = slice["endpoints"].as_array().into_iter().flatten();
        for endpoint in endpoints.filter(|endpoint| is_ready(endpoint)) {
            let target = &endpoint["targetRef"];
            match target["name"].as_str().filter(|_| target["kind"] == "Pod") {
                // a Pod with addresses of both families is in two slices
                Some(pod) if pods.iter().any(|known| known.pod == pod) => {}
                Some(pod) => pods.push(PodEndpoint { pod: pod.to_owned(), port }),
                None => not_pods += 1,
            }
        }
    }
    (pods, not_pods)
}

/// Returns the ready Pods of an Endpoints object with a port, and the number of addresses that are not Pods.
fn ready(endpoints: &Json, port_name: &str) -> (Vec<PodEndpoint>, usize) {
    let mut pods = Vec::new();
    let mut not_pods = 0;
    for subset in endpoints["subsets"].as_array().into_iter().flatten() {
        let Some(port) = port(&subset["ports"], port_name) else { continue };
        for address in subset["addresses"].as_array().into_iter().flatten() {
            let target = &address["targetRef"];
            match target["name"].as_str().filter(|_| target["kind"] == "Pod") {
                Some(pod) => pods.push(PodEndpoint { pod: pod.to_owned(), port }),
                None => not_pods += 1,
            }
        }
    }
    (pods, not_pods)
}

fn port(ports: &Json, name: &str) -> Option<u16> {
    let mut ports = ports.as_array().into_iter().flatten();
    let port = ports.find(|port| port["name"].as_str().unwrap_or_default() == name)?;
    u16::try_from(port["port"].as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn expected(pods: &[(&str, u16)]) -> Vec<PodEndpoint> {
        pods.iter().map(|(pod, port)| PodEndpoint { pod: (*pod).to_owned(), port: *port }).collect()
    }

    #[test]
    fn minor_version_is_parsed() {
        assert_eq!((minor("v1.20.2"), minor("1.36+"), minor("unknown")), (Some(20), Some(36), None));
    }

    #[test]
    fn only_ready_pods_with_that_port_are_endpoints() {
        let pod = |name: &str| json!({"ip": "10.0.0.1", "targetRef": {"kind": "Pod", "name": name}});
        let endpoints = json!({"subsets": [
            {"addresses": [pod("a"), pod("b"), {"ip": "192.0.2.1"}], "notReadyAddresses": [pod("c")],
             "ports": [{"name": "http", "port": 8080}, {"name": "admin", "port": 9000}]},
            {"addresses": [pod("d")], "ports": [{"name": "http", "port": 8081}]},
            {"notReadyAddresses": [pod("e")], "ports": [{"name": "http", "port": 8080}]}]});
        let check = |port: &str, pods: &[(&str, u16)], others: usize| {
            assert_eq!(ready(&endpoints, port), (expected(pods), others), "{port}");
        };
        check("http", &[("a", 8080), ("b", 8080), ("d", 8081)], 1);
        check("admin", &[("a", 9000), ("b", 9000)], 1);
        check("", &[], 0);
        assert_eq!(ready(&Json::Null, ""), (Vec::new(), 0));
    }

    #[test]
    fn only_ready_pods_of_slices_are_endpoints() {
        let pod = |name: &str, conditions: Json| {
            json!({"addresses": ["10.0.0.1"], "conditions": conditions,
                "targetRef": {"kind": "Pod", "name": name}})
        };
        let slices = [
            json!({"ports": [{"name": "http", "port": 8080}, {"name": "admin", "port": 9000}], "endpoints": [
                pod("a", json!({"ready": true})), pod("b", json!({})), pod("c", json!({"ready": false})),
                {"addresses": ["192.0.2.1"], "conditions": {"ready": true}}]}),
            json!({"ports": [{"name": "http", "port": 8081}], "endpoints": [
                pod("d", json!({"ready": true})), pod("a", json!({"ready": true}))]}),
            json!({"ports": [{"name": "http", "port": 1}], "endpoints": null}),
        ];
        let check = |port: &str, pods: &[(&str, u16)], others: usize| {
            assert_eq!(ready_of_slices(&slices, port), (expected(pods), others), "{port}");
        };
        check("http", &[("a", 8080), ("b", 8080), ("d", 8081)], 1);
        check("admin", &[("a", 9000), ("b", 9000)], 1);
        check("", &[], 0);
    }
}
