//! Services as destinations of requests.
//!
//! ```text
//!  address       a host such as web.shop.svc, or an alias of --connect-to  ─► ServiceRef
//!  lookup        its port                                                  ─► ResolvedService
//!  endpoints     ready Pods, from EndpointSlices                           ─► PodEndpoint
//!  port_forward  connections to an endpoint
//! ```

mod address;
mod endpoints;
mod port_forward;

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value as Json;

use super::client::ClusterClient;
use super::error::{DialError, Error, ServiceError};
use super::request::ApiRequest;
use super::resource::{Resource, SERVICES};

pub use address::{AliasError, ServiceAlias, ServiceRef, named};
pub(super) use endpoints::serving_pods;
pub use endpoints::{endpoint_permission, endpoints};
pub use port_forward::{ForwardGuard, PortForward};

/// Existing Service, and one of its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedService {
    pub namespace: String,
    pub name: String,
    pub port: u16,
    /// The name of the port; empty if the Service has only one.
    port_name: String,
}

/// Ready Pod of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodEndpoint {
    pub pod: String,
    pub port: u16,
}

impl ResolvedService {
    /// Formats the Service as `shop/web:8080`.
    pub fn display_name(&self) -> String {
        format!("{}/{}:{}", self.namespace, self.name, self.port)
    }

    /// Returns the path prefix of the API server's service proxy.
    pub fn proxy_path(&self) -> String {
        // the port is part of the name
        let name = SERVICES.path(Some(&self.namespace), Some(&self.name));
        format!("{name}:{}/proxy", self.port)
    }
}

/// Looks up a Service and its port.
pub async fn find(cluster: &ClusterClient, service_ref: &ServiceRef) -> Result<ResolvedService, Error> {
    let namespace = service_ref.namespace.clone().unwrap_or_else(|| cluster.namespace.clone());
    let name = &service_ref.name;
    let call = ApiRequest::get(&SERVICES, Some(&namespace), name);
    let service = match cluster.json(&call).await {
        Ok(service) => service,
        Err(failure) if failure.status() == Some(404) => {
            return Err(ServiceError::NotFound { namespace, name: name.clone() }.into());
        }
        Err(failure) => return Err(failure),
    };
    if service.pointer("/spec/type").and_then(Json::as_str) == Some("ExternalName") {
        return Err(ServiceError::ExternalName { namespace, name: name.clone() }.into());
    }
    let ports =
        service.pointer("/spec/ports").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    match choose(ports, service_ref) {
        Some((port, port_name)) => Ok(ResolvedService { namespace, name: name.clone(), port, port_name }),
        None => {
            let port = service_ref.port.clone().unwrap_or_default();
            let ports_of_service = ports.iter().filter_map(port_number).collect();
            Err(ServiceError::UnknownPort { namespace, name: name.clone(), port, known: ports_of_service }
                .into())
        }
    }
}

/// Finds the port in the ports of a Service, and its name.
fn choose(ports: &[Json], wanted: &ServiceRef) -> Option<(u16, String)> {
    let name = |port: &Json| port["name"].as_str().unwrap_or_default().to_owned();
    let fits = |port: &&Json| {
        wanted.port.as_ref().is_some_and(|wanted| {
            port_number(port).is_some_and(|port| port.to_string() == *wanted) || name(port) == *wanted
        })
    };
    let only = || if let [only] = ports { Some(only).filter(|_| !wanted.exactly) } else { None };
    let chosen = ports.iter().find(fits).or_else(only)?;
    Some((port_number(chosen)?, name(chosen)))
}

fn port_number(port: &Json) -> Option<u16> {
    port["port"].as_u64().and_then(|port| u16::try_from(port).ok())
}

/// Selects endpoints in turn.
#[derive(Debug, Default)]
struct RoundRobin(AtomicUsize);

impl RoundRobin {
    fn next<'a>(&self, endpoints: &'a [PodEndpoint]) -> Option<&'a PodEndpoint> {
        let turn = self.0.fetch_add(1, Ordering::Relaxed);
        endpoints.get(turn.checked_rem(endpoints.len())?)
    }
}

/// Returns the error of the API server's service proxy itself, if the answer is not the Service's.
pub fn proxy_refusal(found: &ResolvedService, code: u16, body: &[u8]) -> Option<Error> {
    let status: Json = serde_json::from_slice(body).ok()?;
    if status["kind"] != "Status" || status["apiVersion"] != "v1" || status["status"] != "Failure" {
        return None;
    }
    let message = status["message"].as_str().unwrap_or_default();
    if code == 503 && message.starts_with("no endpoints available for service") {
        return Some(ServiceError::NoEndpoints(found.display_name()).into());
    }
    // 1.20 says 503, later ones 502
    if matches!(code, 502 | 503) && message.starts_with("error trying to reach service") {
        return Some(ServiceError::Proxy(DialError::parse(message)).into());
    }
    // the API server says nothing about the Service before it knows the user
    let is_login = code == 401 && status["reason"] == "Unauthorized" && status["code"] == 401;
    let about = &status["details"];
    let is_its_own = matches!(code, 401 | 403 | 404)
        && (about["kind"] == "services" || about["kind"] == "endpoints")
        && about["name"].as_str().is_some_and(|name| name.split(':').next() == Some(&found.name));
    (is_its_own || is_login).then(|| {
        let resource = Resource { plural: "services/proxy".into(), ..SERVICES };
        super::client::refused_as("get", resource, Some(&found.namespace), code, body)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wanted(port: Option<&str>, exactly: bool) -> ServiceRef {
        ServiceRef { name: "web".into(), namespace: None, port: port.map(str::to_owned), exactly }
    }

    #[test]
    fn port_is_chosen_by_name_or_number() {
        let one = [json!({"port": 8080, "targetPort": "http"})];
        let two = [json!({"name": "http", "port": 80}), json!({"name": "admin", "port": 9000})];
        let check = |ports: &[Json], port: Option<&str>, exactly: bool, expected: Option<(u16, &str)>| {
            let chosen = choose(ports, &wanted(port, exactly));
            assert_eq!(chosen, expected.map(|(port, name)| (port, name.to_owned())), "{port:?} {ports:?}");
        };
        check(&one, Some("8080"), true, Some((8080, "")));
        // an address without a port means the only one
        check(&one, Some("80"), false, Some((8080, "")));
        check(&one, None, false, Some((8080, "")));
        check(&one, Some("81"), true, None);
        check(&two, Some("80"), false, Some((80, "http")));
        check(&two, Some("admin"), true, Some((9000, "admin")));
        check(&two, Some("443"), false, None);
        check(&two, None, false, None);
        check(&[], Some("80"), false, None);
    }

    #[test]
    fn endpoints_take_turns() {
        let turns = RoundRobin::default();
        let all: Vec<_> =
            ["a", "b"].into_iter().map(|pod| PodEndpoint { pod: pod.to_owned(), port: 1 }).collect();
        let order: Vec<_> =
            (0..3).filter_map(|_| turns.next(&all)).map(|endpoint| endpoint.pod.as_str()).collect();
        assert_eq!(order, ["a", "b", "a"]);
        assert_eq!(turns.next(&[]), None);
    }

    #[test]
    fn proxy_errors_differ_from_responses_of_the_service() {
        let found = ResolvedService {
            namespace: "shop".into(),
            name: "web".into(),
            port: 8080,
            port_name: String::new(),
        };
        let status = |code: u16, message: &str, details: Json| {
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                "message": message, "details": details})
            .to_string()
        };
        let check = |code: u16, body: &str, expected: Option<&str>| {
            let summary = proxy_refusal(&found, code, body.as_bytes()).map(|error| error.summary());
            match (&summary, expected) {
                (Some(summary), Some(expected)) => assert!(summary.contains(expected), "{summary}"),
                _ => assert_eq!(summary.is_some(), expected.is_some(), "{code} {body}"),
            }
        };
        let none = "no endpoints available for service \"web:8080\"";
        check(503, &status(503, none, Json::Null), Some("Service shop/web:8080 has no ready endpoints"));
        let refused = "error trying to reach service: dial tcp 10.0.0.1:8080: connect: connection refused";
        check(503, &status(503, refused, Json::Null), Some("connection refused"));
        check(502, &status(502, refused, Json::Null), Some("connection refused"));
        let about = json!({"name": "web:8080", "kind": "services"});
        check(
            403,
            &status(403, "forbidden", about.clone()),
            Some("kubectl auth can-i get services/proxy -n shop"),
        );
        check(
            404,
            &status(404, "services \"web\" not found", json!({"name": "web", "kind": "services"})),
            Some("404"),
        );
        let login = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 401,
            "message": "Unauthorized", "reason": "Unauthorized"});
        check(401, &login.to_string(), Some("the credentials were rejected"));
        // what the Service itself answers is an answer
        check(401, "{\"status\": 401}", None);
        check(503, "{\"status\": 503}", None);
        check(503, "busy", None);
        check(404, &status(404, "pods \"x\" not found", json!({"name": "x", "kind": "pods"})), None);
        check(500, &status(500, none, about), None);
    }
}
