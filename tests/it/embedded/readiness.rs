//! Readiness: the part of the contract about it, and the readiness probes of the demo application.

use std::process::Child;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::contract::{is_ready, is_rolled_out, pod};
use super::fixture::{Answer, World};
use super::run::example;
use crate::harness::{Sandbox, is_written, signal, wait_until};

fn condition(object: &Value, of: &str) -> Value {
    let all = object["status"]["conditions"].as_array().into_iter().flatten();
    all.into_iter().find(|one| one["type"] == of).cloned().unwrap_or_default()
}

/// The names of the ready and unready Pods of a Service.
fn served(endpoints: &Value) -> (Vec<String>, Vec<String>) {
    let names = |list: &str| {
        let subsets = endpoints["subsets"].as_array().into_iter().flatten();
        let all = subsets.flat_map(|subset| subset[list].as_array().into_iter().flatten());
        let mut names: Vec<String> =
            all.map(|one| one["targetRef"]["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    (names("addresses"), names("notReadyAddresses"))
}

fn service(port: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": port}]}})
}

pub async fn unready_pod_states_reason(world: &World) {
    world.post(&world.at("v1", "services"), &service(&json!("http"))).await.ok();
    let get = |path: &str| json!({"httpGet": {"path": path, "port": "http"}});
    for (name, mut probe) in [
        ("right", get("/hostname")),
        ("wrong", get("/nothing")),
        ("refused", json!({"tcpSocket": {"port": 81}})),
        ("nowhere", json!({"httpGet": {"port": 81}})),
        ("late", json!({"tcpSocket": {"port": 8080}, "initialDelaySeconds": 1000})),
        ("connects", json!({"tcpSocket": {"port": 8080}})),
    ] {
        probe["periodSeconds"] = json!(1);
        let mut one = pod(name, &json!({"app": "web"}));
        let container = &mut one["spec"]["containers"][0];
        container["command"] = json!(["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/etc"]);
        container["ports"] = json!([{"name": "http", "containerPort": 8080}]);
        container["readinessProbe"] = probe;
        world.post(&world.at("v1", "pods"), &one).await.ok();
    }
    for name in ["right", "connects"] {
        let ready = world.until(&world.at("v1", &format!("pods/{name}")), |one| is_ready(&one.body)).await;
        assert_eq!(condition(&ready, "ContainersReady")["status"], "True");
        assert!(condition(&ready, "Ready")["reason"].is_null(), "{ready:#}");
    }
    for name in ["wrong", "refused", "nowhere", "late"] {
        let runs = |one: &Answer| one.body["status"]["containerStatuses"][0]["state"]["running"].is_object();
        let pod = world.until(&world.at("v1", &format!("pods/{name}")), runs).await;
        for of in ["Ready", "ContainersReady"] {
            let condition = condition(&pod, of);
            let said = [&condition["status"], &condition["reason"], &condition["message"]];
            let unready = "containers with unready status: [main]";
            assert_eq!(said, ["False", "ContainersNotReady", unready], "{name} {of}");
        }
        for of in ["Initialized", "PodScheduled"] {
            assert_eq!(condition(&pod, of)["status"], "True", "{name} {of}");
        }
        let status = &pod["status"]["containerStatuses"][0];
        assert_eq!((&status["ready"], &status["started"]), (&json!(false), &json!(true)), "{name}");
    }
    // each failure has a cause; a probe within its initial delay has not failed
    for (name, why) in [
        ("wrong", "Readiness probe failed: HTTP probe failed with statuscode: 404"),
        ("refused", ":81: connect: connection refused"),
        ("nowhere", ":81: connect: connection refused"),
        ("late", ""),
    ] {
        let path =
            world.at("v1", &format!("events?fieldSelector=involvedObject.name%3D{name},reason%3DUnhealthy"));
        let told = |answer: &Answer| answer.body["items"][0]["message"].as_str().map(str::to_owned);
        if why.is_empty() {
            assert_eq!(told(&world.get(&path).await), None, "{name}");
        } else {
            let found = world.until(&path, |answer| told(answer).is_some()).await;
            let message = found["items"][0]["message"].as_str().unwrap();
            let opening =
                if name == "nowhere" { "Readiness probe failed: Get " } else { "Readiness probe failed: " };
            assert!(message.starts_with(opening) && message.ends_with(why), "{message}");
        }
    }
    let expected = (
        vec!["connects".into(), "right".into()],
        ["late", "nowhere", "refused", "wrong"].map(String::from).to_vec(),
    );
    world.until(&world.at("v1", "endpoints/web"), |answer| served(&answer.body) == expected).await;
}

/// The Pods of an unready Node keep their status; those of an unreachable Node become unready.
pub async fn pods_on_unreachable_nodes_are_not_ready(world: &World) {
    let name = format!("{}-silent", world.namespace);
    let (node, nodes) = (format!("/api/v1/nodes/{name}"), "/api/v1/nodes");
    world.forgets(&node);
    // Pods of other tests must not be scheduled here
    let taints = json!([{"key": "contract", "value": "yes", "effect": "NoSchedule"}]);
    world
        .post(nodes, &json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"taints": taints}}))
        .await
        .ok();
    let tell = async |status: &str| {
        let now = kubectl_chaos::clock::Timestamp::now().iso();
        let now = format!("{}Z", &now[..19]);
        let ready = json!({"type": "Ready", "status": status, "reason": "Contract", "message": "made up",
            "lastHeartbeatTime": now, "lastTransitionTime": now});
        world
            .patch("strategic-merge", &format!("{node}/status"), &json!({"status": {"conditions": [ready]}}))
            .await
            .ok();
    };
    tell("True").await;
    world.post(&world.at("v1", "services"), &service(&json!(80))).await.ok();
    let mut tenant = pod("tenant", &json!({"app": "web"}));
    tenant["spec"]["nodeName"] = json!(name);
    world.post(&world.at("v1", "pods"), &tenant).await.ok();
    let tenant = world.at("v1", "pods/tenant");
    world.forgets(&tenant);
    if !world.is_embedded {
        // no kubelet runs it: this is the status that a kubelet would set
        let holds =
            |of: &str| json!({"type": of, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let conditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map(holds);
        let status = json!({"phase": "Running", "podIP": "10.99.0.1", "podIPs": [{"ip": "10.99.0.1"}],
            "conditions": conditions});
        world.patch("merge", &format!("{tenant}/status"), &json!({"status": status})).await.ok();
    }
    world.until(&tenant, |answer| is_ready(&answer.body)).await;
    let (mine, none) = (vec!["tenant".to_owned()], Vec::new());
    let endpoints = world.at("v1", "endpoints/web");
    world.until(&endpoints, |answer| served(&answer.body) == (mine.clone(), none.clone())).await;
    // an unready kubelet still manages its Pods
    tell("False").await;
    tokio::time::sleep(Duration::from_secs(if world.is_embedded { 1 } else { 8 })).await;
    assert!(is_ready(&world.get(&tenant).await.ok()));
    tell("True").await;
    if world.is_embedded {
        tell("Unknown").await;
    }
    // a real cluster waits this long for the kubelet
    world.until(&node, |answer| condition(&answer.body, "Ready")["status"] == "Unknown").await;
    let lost = world.until(&tenant, |answer| !is_ready(&answer.body)).await;
    assert_eq!(condition(&lost, "Ready")["status"], "False");
    assert!(condition(&lost, "Ready")["reason"].is_null(), "{lost:#}");
    assert_eq!(
        (&condition(&lost, "ContainersReady")["status"], &lost["status"]["phase"]),
        (&json!("True"), &json!("Running"))
    );
    world.until(&endpoints, |answer| served(&answer.body) == (none.clone(), mine.clone())).await;
    // without a kubelet no Pod terminates
    world.delete(&tenant, &Value::Null).await.ok();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(world.get(&tenant).await.ok()["metadata"]["deletionTimestamp"].is_string());
}

/// The embedded cluster manages the Pods of every Node.
#[test]
fn pods_become_ready_with_their_node() {
    World::embedded(async |world| {
        let service = service(&json!(80));
        world.post(&world.at("v1", "services"), &service).await.ok();
        world.post(&world.at("v1", "pods"), &pod("one", &json!({"app": "web"}))).await.ok();
        let one = world.at("v1", "pods/one");
        let there = world.until(&one, |answer| is_ready(&answer.body)).await;
        let node = format!("/api/v1/nodes/{}/status", there["spec"]["nodeName"].as_str().unwrap());
        let tell = async |status: &str| {
            let ready = json!({"type": "Ready", "status": status});
            world.patch("strategic-merge", &node, &json!({"status": {"conditions": [ready]}})).await.ok();
        };
        tell("Unknown").await;
        world.until(&one, |answer| !is_ready(&answer.body)).await;
        // meanwhile the other Pod receives the requests
        world.post(&world.at("v1", "pods"), &pod("two", &json!({"app": "web"}))).await.ok();
        let two = world.until(&world.at("v1", "pods/two"), |answer| is_ready(&answer.body)).await;
        assert_ne!(two["spec"]["nodeName"], there["spec"]["nodeName"]);
        world.delete(&one, &json!({})).await.ok();
        tell("True").await;
        world.until(&one, |answer| answer.code == 404).await;
        world.post(&world.at("v1", "pods"), &pod("one", &json!({"app": "web"}))).await.ok();
        let again = world.until(&one, |answer| is_ready(&answer.body)).await;
        assert_eq!(again["spec"]["nodeName"], there["spec"]["nodeName"], "the one with fewer Pods");
        tell("Unknown").await;
        world.until(&one, |answer| !is_ready(&answer.body)).await;
        tell("True").await;
        let back = world.until(&one, |answer| is_ready(&answer.body)).await;
        assert_eq!(back["metadata"]["uid"], again["metadata"]["uid"]);
        let both = (vec!["one".to_owned(), "two".to_owned()], Vec::new());
        world.until(&world.at("v1", "endpoints/web"), |answer| served(&answer.body) == both).await;
    });
}

/// A container with a readiness probe that gets no response.
fn slow(name: &str, patience: u32) -> Value {
    let mut slow = pod(name, &json!({}));
    let container = &mut slow["spec"]["containers"][0];
    container["command"] = json!(["/bin/busybox", "httpd"]);
    container["readinessProbe"] = json!({"httpGet": {"path": "/slow", "port": 8080}, "periodSeconds": 1,
        "timeoutSeconds": patience});
    slow
}

#[test]
fn readiness_probe_respects_timeout() {
    World::embedded(async |world| {
        for (name, patience) in [("short", 1), ("long", 1000)] {
            world.post(&world.at("v1", "pods"), &slow(name, patience)).await.ok();
        }
        let told = |answer: &Answer| answer.body["items"][0]["message"].is_string();
        let events = world.until(&world.at("v1", "events"), told).await;
        let why = "Readiness probe failed: context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
        assert_eq!(
            (&events["items"][0]["message"], events["items"].as_array().unwrap().len()),
            (&json!(why), 1)
        );
        for name in ["short", "long"] {
            let path = world.at("v1", &format!("pods/{name}"));
            assert!(!is_ready(&world.get(&path).await.ok()));
            let begun = std::time::Instant::now();
            world.delete(&path, &Value::Null).await.ok();
            world.until(&path, |answer| answer.code == 404).await;
            assert!(begun.elapsed() < Duration::from_secs(1), "{name}");
        }
    });
}

/// A process that ends with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        signal(self.0.id(), Signal::INT);
        let _ = self.0.wait();
    }
}

fn manifest(file: &str) -> Value {
    serde_yaml::from_str(&std::fs::read_to_string(example(file)).unwrap()).unwrap()
}

/// A Deployment of the example with a readiness probe on this path.
fn deployment(part: &str, path: &str) -> Value {
    let mut deployment = manifest(&format!("01-before/{part}-deployment.yaml"));
    deployment["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["httpGet"]["path"] =
        json!(path);
    deployment
}

#[test]
fn readiness_probe_reaches_demo_app() {
    let sandbox = Sandbox::new();
    let _server = Served(sandbox.start(["embedded", "serve", "--kubeconfig", "config"]));
    wait_until("the kubeconfig", || is_written(&sandbox.path("config")));
    World::served(&sandbox.path("config"), async |world| {
        for part in ["consumer", "provider"] {
            let service = manifest(&format!("services/{part}-service.yaml"));
            world.post(&world.at("v1", "services"), &service).await.ok();
        }
        let at = |part: &str| world.at("apps/v1", &format!("deployments/my-{part}-app"));
        for (part, path) in [("provider", "/nothing"), ("consumer", "/invokeConsumedService")] {
            world.post(&world.at("apps/v1", "deployments"), &deployment(part, path)).await.ok();
        }
        for (part, status) in [("provider", 404), ("consumer", 500)] {
            let is_told = |event: &Value| {
                let name = event["involvedObject"]["name"].as_str().unwrap();
                let message = format!("Readiness probe failed: HTTP probe failed with statuscode: {status}");
                name.starts_with(&format!("my-{part}-app-"))
                    && event["message"] == message
                    && event["count"] == 3
            };
            let told = |all: &Answer| all.body["items"].as_array().unwrap().iter().any(is_told);
            world.until(&world.at("v1", "events?fieldSelector=reason%3DUnhealthy"), told).await;
            assert!(world.get(&at(part)).await.ok()["status"]["availableReplicas"].is_null(), "{part}");
        }
        // the consumer is ready while it can reach a provider
        world.patch("strategic-merge", &at("provider"), &deployment("provider", "/health")).await.ok();
        world.until(&at("provider"), is_rolled_out).await;
        world.until(&at("consumer"), is_rolled_out).await;
        let proxy = world.at("v1", "services/my-consumer-service:http/proxy/invokeConsumedService");
        assert_eq!(world.get(&proxy).await.ok(), "Hello from the provider!");
        let endpoints = world.at("v1", "endpoints/my-consumer-service");
        let (consumer, none) = served(&world.get(&endpoints).await.ok());
        assert_eq!((consumer.len(), none.len()), (1, 0));
        let scale = async |replicas: u32| {
            world.patch("merge", &at("provider"), &json!({"spec": {"replicas": replicas}})).await.ok();
        };
        scale(0).await;
        world.until(&endpoints, |answer| served(&answer.body) == (vec![], consumer.clone())).await;
        world.get(&proxy).await.refused(503, "ServiceUnavailable", "no endpoints available for service");
        assert!(world.get(&at("consumer")).await.ok()["status"]["availableReplicas"].is_null());
        scale(1).await;
        world.until(&endpoints, |answer| served(&answer.body) == (consumer.clone(), vec![])).await;
        world.until(&at("consumer"), is_rolled_out).await;
    });
}
