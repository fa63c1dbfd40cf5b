//! Readiness probes of running containers, as a kubelet runs them.
//!
//! Verbatim: Kubernetes API server

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde_json::Value as Json;
use tokio::time::{Instant, timeout};

use crate::embedded::json_fields::{items, number, resolve_port, text};
use crate::embedded::network::{
    ClusterNetwork, NetworkEndpoint, PodAddress, PodRequestError, connect, send_request,
};

/// Why a readiness probe failed, in the words of a kubelet.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    #[error("http: server gave HTTP response to HTTPS client")]
    Https,
    #[error("{0}")]
    InvalidRequest(http::Error),
    #[error("Get \"http://{address}{path}\": {error}")]
    Get { address: PodAddress, path: String, error: PodRequestError },
    #[error("HTTP probe failed with statuscode: {0}")]
    Status(u16),
    #[error("{0}")]
    Connect(PodRequestError),
    #[error("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")]
    GetTimeout,
    #[error("dial tcp {0}: i/o timeout")]
    ConnectTimeout(PodAddress),
}

/// A running container and its readiness.
#[derive(Debug)]
pub(super) struct ProbedContainer {
    pub(super) is_ready: bool,
    /// When the next probe is due; nothing if readiness cannot change.
    pub(super) next_probe: Option<Instant>,
    probe: Option<ReadinessProbe>,
    /// The last result, and how many times in a row it occurred.
    streak: (bool, i64),
}

/// A readiness probe.
#[derive(Debug)]
struct ReadinessProbe {
    action: ProbeAction,
    port: PodAddress,
    period: Duration,
    timeout: Duration,
    successes: i64,
    failures: i64,
}

#[derive(Debug)]
enum ProbeAction {
    /// A GET request; a status below 400 passes.
    Get(Json),
    /// A TCP connection.
    Connect,
}

impl ProbedContainer {
    /// Creates the state of a started container. Without a listener or a supported probe, it is ready after
    /// its initial delay.
    pub(super) fn new(pod: &Json, container: &Json, address: Ipv4Addr, listens: bool) -> Self {
        let spec = &container["readinessProbe"];
        let delay = Duration::from_secs(number(&spec["initialDelaySeconds"]).try_into().unwrap_or(0));
        let probe = if listens { ReadinessProbe::from_spec(pod, spec, address) } else { None };
        Self { is_ready: false, next_probe: Some(Instant::now() + delay), probe, streak: (false, 0) }
    }

    /// Runs the probe.
    pub(super) async fn run_probe(&mut self, network: &ClusterNetwork) -> Result<(), ProbeError> {
        let Some(probe) = &self.probe else {
            (self.is_ready, self.next_probe) = (true, None);
            return Ok(());
        };
        let result = probe.run(network).await;
        self.next_probe = Some(Instant::now() + probe.period);
        let enough = if result.is_ok() { probe.successes } else { probe.failures };
        self.record_result(result.is_ok(), enough);
        result
    }

    /// Records a result; `enough` equal results in a row change the readiness.
    fn record_result(&mut self, passed: bool, enough: i64) {
        let before = if self.streak.0 == passed { self.streak.1 } else { 0 };
        self.streak = (passed, before + 1);
        if self.streak.1 >= enough {
            self.is_ready = passed;
        }
    }
}

impl ReadinessProbe {
    fn from_spec(pod: &Json, spec: &Json, address: Ipv4Addr) -> Option<Self> {
        let (get, connect) = (&spec["httpGet"], &spec["tcpSocket"]);
        let action = if get.is_object() { ProbeAction::Get(get.clone()) } else { ProbeAction::Connect };
        // `exec` and `grpc` probes are not supported: nothing could answer them
        let handler = [get, connect].into_iter().find(|handler| handler.is_object())?;
        let seconds = |field: &str| Duration::from_secs(number(&spec[field]).max(1).unsigned_abs());
        Some(Self {
            action,
            // an unknown port name becomes port 0, which nothing listens on
            port: PodAddress(address, resolve_port(pod, &handler["port"]).unwrap_or(0)),
            period: seconds("periodSeconds"),
            timeout: seconds("timeoutSeconds"),
            successes: number(&spec["successThreshold"]),
            failures: number(&spec["failureThreshold"]),
        })
    }

    async fn run(&self, network: &ClusterNetwork) -> Result<(), ProbeError> {
        let endpoint = NetworkEndpoint { address: self.port, real: network.find(self.port) };
        let attempt = async {
            match &self.action {
                ProbeAction::Get(get) => {
                    let request = build_request(get)?;
                    let path = request.uri().to_string();
                    let response = send_request(endpoint, request)
                        .await
                        .map_err(|error| ProbeError::Get { address: self.port, path, error })?;
                    match response.status().as_u16() {
                        200..400 => Ok(()),
                        status => Err(ProbeError::Status(status)),
                    }
                }
                ProbeAction::Connect => connect(endpoint).await.map(drop).map_err(ProbeError::Connect),
            }
        };
        let timed_out = |_| match &self.action {
            ProbeAction::Get(_) => Err(ProbeError::GetTimeout),
            ProbeAction::Connect => Err(ProbeError::ConnectTimeout(self.port)),
        };
        timeout(self.timeout, attempt).await.unwrap_or_else(timed_out)
    }
}

/// Builds the request of an `httpGet` probe.
fn build_request(get: &Json) -> Result<Request<Bytes>, ProbeError> {
    if get["scheme"] == "HTTPS" {
        return Err(ProbeError::Https);
    }
    let path = text(&get["path"]);
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut request = Request::get(format!("{slash}{path}")).header("User-Agent", "kube-probe/1.33");
    for header in items(&get["httpHeaders"]) {
        request = request.header(text(&header["name"]), text(&header["value"]));
    }
    request.body(Bytes::new()).map_err(ProbeError::InvalidRequest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn http_probe_request_follows_its_spec() {
        let check = |get: Json, expected: Result<&str, &str>| {
            let path = build_request(&get).map(|request| request.uri().to_string());
            let path = path.map_err(|error| error.to_string());
            assert_eq!(path.as_deref().map_err(String::as_str), expected, "{get}");
        };
        check(json!({"path": "/health?deep=1", "port": 1}), Ok("/health?deep=1"));
        check(json!({"path": "health"}), Ok("/health"));
        check(json!({"scheme": "HTTPS"}), Err("http: server gave HTTP response to HTTPS client"));
        check(json!({"path": "/a b"}), Err("invalid uri character"));
        let headers = json!([{"name": "Host", "value": "shop.example"}, {"name": "X", "value": "1"}]);
        let request = build_request(&json!({"path": "/", "httpHeaders": headers})).unwrap();
        assert_eq!(
            (&request.headers()["host"], &request.headers()["x"]),
            (&"shop.example".parse().unwrap(), &"1".parse().unwrap())
        );
    }

    #[test]
    fn consecutive_results_change_readiness() {
        let check = |looks: &str, successes: i64, failures: i64, expected: &str| {
            let mut container =
                ProbedContainer { is_ready: false, next_probe: None, probe: None, streak: (false, 0) };
            let after = |look: char| {
                let passed = look == '+';
                container.record_result(passed, if passed { successes } else { failures });
                if container.is_ready { '+' } else { '-' }
            };
            assert_eq!(
                looks.chars().map(after).collect::<String>(),
                expected,
                "{looks} {successes} {failures}"
            );
        };
        check("-+--+---+", 1, 3, "-++++++-+");
        check("++-++", 2, 1, "-+--+");
        check("+-+-++", 2, 3, "-----+");
        check("---", 1, 1, "---");
    }

    #[test]
    fn probe_spec_is_parsed() {
        let pod = json!({"spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]}});
        let check = |spec: Json, expected: Option<u16>| {
            let probe = ReadinessProbe::from_spec(&pod, &spec, Ipv4Addr::LOCALHOST);
            assert_eq!(probe.map(|probe| probe.port.1), expected, "{spec}");
        };
        check(json!({"httpGet": {"port": "http"}}), Some(8080));
        check(json!({"tcpSocket": {"port": 81}}), Some(81));
        check(json!({"tcpSocket": {"port": "unknown"}}), Some(0));
        check(json!({"exec": {"command": ["true"]}}), None);
        check(Json::Null, None);
    }
}
