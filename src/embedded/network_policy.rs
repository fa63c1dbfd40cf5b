//! Network policies: decide whether a connection to a Pod is let in.
//!
//! As in Kubernetes, a Pod that no policy selects accepts all connections. Otherwise at least one rule of a policy that
//! selects it must allow the connection; policies for egress do the same for the Pod that opens it.

use std::net::Ipv4Addr;

use serde_json::Value as Json;

use super::api::ApiState;
use super::json_fields::{items, namespace, number, resolve_port, text};
use super::selector::LabelSelector;
use super::store::ObjectKey;

/// The resource of network policies.
const NETWORK_POLICIES: &str = "networking.k8s.io/networkpolicies";
/// The address of the API server and of other clients outside the cluster.
const OUTSIDE_ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// The first address of the network of the Pods. It stands for all Pods in an `ipBlock`.
const POD_NETWORK: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 0);

/// The client of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum NetworkSource {
    /// The API server, or another client outside the cluster.
    Outside,
    /// A Pod with these labels in this namespace.
    Pod(PodLabels),
}

/// The namespace and the labels of a Pod: policies distinguish Pods by nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PodLabels {
    namespace: String,
    labels: Json,
}

impl PodLabels {
    pub(super) fn from_pod(pod: &Json) -> Self {
        Self { namespace: namespace(pod).to_owned(), labels: pod["metadata"]["labels"].clone() }
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }
}

/// The direction of traffic, seen from the Pod that a policy selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TrafficDirection {
    Ingress,
    Egress,
}

impl TrafficDirection {
    /// Returns the policy type, the field of the rules, and the field of the peers in a rule.
    fn fields(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Ingress => ("Ingress", "ingress", "from"),
            Self::Egress => ("Egress", "egress", "to"),
        }
    }
}

/// Returns whether the policies let a connection in to a port of a Pod. A Pod that is gone accepts nothing anyway.
pub(super) fn is_admitted(state: &ApiState, source: &NetworkSource, target: &ObjectKey, port: u16) -> bool {
    // most clusters have no policy: connections check this at every change of the store
    if state.store.list(NETWORK_POLICIES, "").next().is_none() {
        return true;
    }
    let Some(pod) = state.store.get(target) else { return true };
    let target = NetworkSource::Pod(PodLabels::from_pod(pod));
    admits(state, TrafficDirection::Ingress, &target, source, pod, port)
        && admits(state, TrafficDirection::Egress, source, &target, pod, port)
}

/// Returns whether the policies that select `selected` allow traffic with `peer`. The port is one of `target`.
fn admits(
    state: &ApiState,
    direction: TrafficDirection,
    selected: &NetworkSource,
    peer: &NetworkSource,
    target: &Json,
    port: u16,
) -> bool {
    let NetworkSource::Pod(selected) = selected else { return true };
    let policies = state.store.list(NETWORK_POLICIES, &selected.namespace).map(|(_, policy)| &**policy);
    let mut effective = policies
        .filter(|policy| applies(policy, direction))
        .filter(|policy| {
            LabelSelector::from_object(&policy["spec"]["podSelector"]).matches_labels(&selected.labels)
        })
        .peekable();
    if effective.peek().is_none() {
        return true;
    }
    let (_, rules, peers) = direction.fields();
    effective.any(|policy| {
        items(&policy["spec"][rules]).any(|rule| {
            let matches_peer = |port: &Json| matches_peer(state, port, &selected.namespace, peer);
            is_empty_or_any(&rule[peers], matches_peer)
                && is_empty_or_any(&rule["ports"], |allowed| matches_port(allowed, target, port))
        })
    })
}

/// Returns whether a policy restricts a direction. Without `policyTypes`, the rules for egress decide about egress.
fn applies(policy: &Json, direction: TrafficDirection) -> bool {
    let (policy_type, rules, _) = direction.fields();
    let mut types = items(&policy["spec"]["policyTypes"]).peekable();
    if types.peek().is_none() {
        return direction == TrafficDirection::Ingress || items(&policy["spec"][rules]).next().is_some();
    }
    types.any(|one| one == policy_type)
}

/// Returns whether a list is missing or empty, which allows everything, or one of its items matches.
fn is_empty_or_any(list: &Json, matches: impl Fn(&Json) -> bool) -> bool {
    items(list).next().is_none() || items(list).any(matches)
}

fn matches_peer(state: &ApiState, rule: &Json, policy_namespace: &str, peer: &NetworkSource) -> bool {
    if rule["ipBlock"].is_object() {
        let address = match peer {
            NetworkSource::Outside => OUTSIDE_ADDRESS,
            NetworkSource::Pod(_) => POD_NETWORK,
        };
        return matches_block(&rule["ipBlock"], address);
    }
    let NetworkSource::Pod(pod) = peer else { return false };
    let (namespaces, pods) = (&rule["namespaceSelector"], &rule["podSelector"]);
    let matches_namespace = if namespaces.is_object() {
        let namespace = state.store.get(&ObjectKey::new("/namespaces", "", &pod.namespace));
        namespace.is_some_and(|namespace| LabelSelector::from_object(namespaces).matches(namespace))
    } else {
        pod.namespace == policy_namespace
    };
    let has_selector = namespaces.is_object() || pods.is_object();
    has_selector && matches_namespace && LabelSelector::from_object(pods).matches_labels(&pod.labels)
}

fn matches_block(block: &Json, address: Ipv4Addr) -> bool {
    let contains = |cidr: &Json| contains_address(text(cidr), address);
    contains(&block["cidr"]) && !items(&block["except"]).any(contains)
}

/// Returns whether an IPv4 network contains an address. A network of IPv6 contains none.
fn contains_address(cidr: &str, address: Ipv4Addr) -> bool {
    let Some((network, length)) = cidr.split_once('/') else { return false };
    let (Ok(network), Ok(length)) = (network.parse::<Ipv4Addr>(), length.parse::<u32>()) else {
        return false;
    };
    let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length)).unwrap_or(0);
    length <= 32 && network.to_bits() & mask == address.to_bits() & mask
}

fn matches_port(rule: &Json, target: &Json, port: u16) -> bool {
    // all connections of this network are TCP
    if !matches!(text(&rule["protocol"]), "" | "TCP") {
        return false;
    }
    if rule["port"].is_null() {
        return true;
    }
    let Some(first) = resolve_port(target, &rule["port"]) else { return false };
    let last = u16::try_from(number(&rule["endPort"])).unwrap_or(0).max(first);
    (first..=last).contains(&port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::embedded::api::ApiServer;
    use serde_json::json;
    use std::sync::Arc;

    fn pod(namespace: &str, name: &str, app: &str) -> Json {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": name,
            "labels": {"app": app}}, "spec": {"containers": [{"name": "main", "image": "x",
            "ports": [{"name": "http", "containerPort": 8080}]}]}})
    }

    /// Returns whether the policies of the namespace `shop` let connections in to the port 8080 of the Pod `web`: from
    /// outside, from the Pod `cart` in `shop`, and from the Pod `cart` in `other`.
    fn admitted(specs: &[Json]) -> [bool; 3] {
        let api = ApiServer::new(1, Arc::new(Timestamp::now));
        for name in ["shop", "other"] {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            api.create_object(namespace).unwrap();
        }
        api.create_object(pod("shop", "web", "web")).unwrap();
        for (index, spec) in specs.iter().enumerate() {
            let metadata = json!({"namespace": "shop", "name": format!("policy-{index}")});
            let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "metadata": metadata, "spec": spec});
            api.create_object(policy).unwrap();
        }
        let source =
            |namespace: &str| NetworkSource::Pod(PodLabels::from_pod(&pod(namespace, "cart", "cart")));
        [NetworkSource::Outside, source("shop"), source("other")]
            .map(|source| is_admitted(&api.lock(), &source, &ObjectKey::new("/pods", "shop", "web"), 8080))
    }

    #[test]
    fn policies_decide_who_reaches_a_pod() {
        let web = json!({"matchLabels": {"app": "web"}});
        let cart = json!({"matchLabels": {"app": "cart"}});
        let ingress = |rules: Json| json!({"podSelector": web, "ingress": rules});
        let check = |specs: &[Json], expected: [bool; 3]| assert_eq!(admitted(specs), expected, "{specs:?}");
        let (all, none) = ([true; 3], [false; 3]);
        check(&[], all);
        check(&[json!({"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"]})], all);
        check(&[json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": []})], none);
        check(&[ingress(json!([]))], none);
        check(&[ingress(json!([{}]))], all);
        check(&[ingress(json!([])), ingress(json!([{}]))], all);
        check(&[ingress(json!([{"from": [{"podSelector": cart}]}]))], [false, true, false]);
        check(&[ingress(json!([{"from": [{"namespaceSelector": {}}]}]))], [false, true, true]);
        let other = json!({"matchLabels": {"kubernetes.io/metadata.name": "other"}});
        let from_other = json!([{"from": [{"namespaceSelector": other, "podSelector": cart}]}]);
        check(&[ingress(from_other)], [false, false, true]);
        check(&[ingress(json!([{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]))], all);
        let block = json!({"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]});
        check(&[ingress(json!([{"from": [{"ipBlock": block}]}]))], [true, false, false]);
        check(&[ingress(json!([{"from": [{}]}]))], none);
    }

    #[test]
    fn policies_decide_by_port() {
        let ports = |ports: Json| json!({"podSelector": {}, "ingress": [{"ports": ports}]});
        let check = |rule: Json, expected: bool| {
            assert_eq!(admitted(&[ports(json!([rule.clone()]))]), [expected; 3], "{rule}");
        };
        check(json!({"port": 8080}), true);
        check(json!({"port": "http", "protocol": "TCP"}), true);
        check(json!({"port": 8000, "endPort": 8100}), true);
        check(json!({"protocol": "TCP"}), true);
        check(json!({"port": 8081}), false);
        check(json!({"port": "admin"}), false);
        check(json!({"port": 8080, "protocol": "UDP"}), false);
        assert_eq!(admitted(&[ports(json!([{"port": 1}, {"port": 8080}]))]), [true; 3]);
    }

    #[test]
    fn policies_for_egress_stop_the_pods_they_select() {
        let cart = json!({"matchLabels": {"app": "cart"}});
        let check = |spec: Json, expected: [bool; 3]| {
            assert_eq!(admitted(std::slice::from_ref(&spec)), expected, "{spec}");
        };
        check(json!({"podSelector": cart, "policyTypes": ["Egress"]}), [true, false, true]);
        check(json!({"podSelector": cart, "policyTypes": ["Egress"], "egress": [{}]}), [true; 3]);
        check(json!({"podSelector": cart, "egress": [{"ports": [{"port": 53}]}]}), [true, false, true]);
        let web = json!({"podSelector": {"matchLabels": {"app": "web"}}});
        check(json!({"podSelector": cart, "policyTypes": ["Egress"], "egress": [{"to": [web]}]}), [true; 3]);
    }

    #[test]
    fn network_contains_its_addresses() {
        let check = |cidr: &str, expected: bool| {
            assert_eq!(contains_address(cidr, Ipv4Addr::new(10, 1, 2, 3)), expected, "{cidr}");
        };
        check("10.0.0.0/8", true);
        check("10.1.2.3/32", true);
        check("0.0.0.0/0", true);
        check("10.1.2.4/32", false);
        check("::/0", false);
        check("10.0.0.0/33", false);
        check("10.0.0.0", false);
    }
}
