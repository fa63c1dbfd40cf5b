//! Faults in Kubernetes. What needs a cluster is run where `KUBECTL_CHAOS_TEST_CONTEXT` names one: never by chance
//! on the current one. Each test has a namespace of its own.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Chaos, NONE, wait_until};

fn function(kind: &str, module: &str, name: &str, arguments: &Value) -> Value {
    json!({"type": kind, "name": name, "provider":
        {"type": "python", "module": format!("chaosk8s.{module}"), "func": name, "arguments": arguments}})
}

fn experiment(method: &Value) -> Value {
    json!({"title": "t", "description": "d", "method": method})
}

#[test]
fn a_cluster_that_cannot_be_reached_is_known_before_anything_runs() {
    let look = function("probe", "pod.probes", "count_pods", &json!({"label_selector": "app=web"}));
    let touch = json!({"type": "action", "name": "touch", "provider":
        {"type": "process", "path": "touch", "arguments": ["touched"]}});
    let method = json!([touch, look]);
    let refused = |chaos: Chaos, arguments: &[&str], text: &str| {
        chaos.experiment(&experiment(&method), arguments).exits(4).says(text);
        assert!(!chaos.path("touched").exists() && !chaos.path("journal.json").exists());
    };
    refused(Chaos::new(), &[], "no cluster is known: there is nothing in");
    refused(Chaos::new(), &["--server", "http://127.0.0.1:1"], "http://127.0.0.1:1 cannot be reached");
    let described = |server: &str| {
        json!({"apiVersion": "v1", "kind": "Config", "current-context": "one",
            "clusters": [{"name": "c", "cluster": {"server": server}}], "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}]})
        .to_string()
    };
    let chaos = Chaos::new();
    let file = chaos.write("config", described("http://127.0.0.1:1")).to_str().unwrap().to_owned();
    refused(chaos, &["--kubeconfig", &file, "--context", "two"], "Expected object with name two");
    let chaos = Chaos::new();
    let list = format!("nowhere:{}", chaos.write("config", described("http://127.0.0.1:1")).display());
    refused(chaos.env("KUBECONFIG", list), &[], "context one");
    // lenient runs find out when they get there, as in the Chaos Toolkit
    let chaos = Chaos::new();
    chaos.experiment(&experiment(&method), ["--strict=false"]).exits(0);
    assert_eq!(chaos.journal()["run"][1]["status"], "failed");
    // and an experiment that touches no cluster needs none
    Chaos::new().experiment(&experiment(&json!([])), NONE).exits(0);
}

/// kubectl, on the cluster that the tests are for.
pub fn kubectl(arguments: &[&str]) -> String {
    let context = std::env::var("KUBECTL_CHAOS_TEST_CONTEXT").expect("a context to test on");
    let output =
        Command::new("kubectl").args(["--context", &context]).args(arguments).output().expect("kubectl");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A namespace that goes with the test: its name.
pub struct Namespace(pub String);

impl Namespace {
    pub fn new() -> Self {
        let name = format!("kubectl-chaos-test-{}-{}", std::process::id(), rand_suffix());
        kubectl(&["create", "namespace", &name]);
        wait_until("the service account", || {
            kubectl(&["-n", &name, "get", "serviceaccounts", "-o", "name"]).contains("default")
        });
        Self(name)
    }
}

fn rand_suffix() -> u32 {
    use std::time::{SystemTime, UNIX_EPOCH};
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos()
}

impl Drop for Namespace {
    fn drop(&mut self) {
        kubectl(&["delete", "namespace", &self.0, "--wait=false"]);
    }
}

#[test]
#[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn a_killed_pod_is_seen_to_be_gone() {
    let context = std::env::var("KUBECTL_CHAOS_TEST_CONTEXT").expect("a context to test on");
    let config = std::env::var("KUBECONFIG").unwrap_or_default();
    let namespace = Namespace::new();
    let manifest = Chaos::new();
    let pod = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"terminationGracePeriodSeconds": 1,
        "containers": [{"name": "main", "image": "testbed/busybox:1", "imagePullPolicy": "IfNotPresent"}]}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": pod}});
    let path = manifest.write("web.json", deployment.to_string());
    kubectl(&["-n", &namespace.0, "apply", "-f", path.to_str().unwrap()]);
    kubectl(&["-n", &namespace.0, "rollout", "status", "deployment/web", "--timeout=60s"]);

    let run = |method: Value, code: i32| {
        let chaos = Chaos::new().env("KUBECONFIG", config.clone());
        let arguments = ["--context", &context, "-n", &namespace.0, "-o", "json"];
        let finished = chaos.experiment(&experiment(&method), arguments).exits(code);
        (finished, chaos.journal()["kubectl-chaos"].clone())
    };
    let kill = |labels: &str| {
        function("action", "pod.actions", "terminate_pods", &json!({"label_selector": labels}))
    };
    let wait = function("probe", "deployment.probes", "deployment_fully_available", &json!({"name": "web"}));
    let (_, told) = run(json!([kill("app=web"), wait]), 0);
    let action = &told["activities"][0];
    assert_eq!(action["effect"]["state"], "confirmed", "{told:#}");
    assert_eq!((&action["targets"][0]["kind"], &told["namespace"]), (&json!("Pod"), &json!(namespace.0)));
    assert!(told["cluster"]["uid"].is_string());
    let uid = action["targets"][0]["uid"].as_str().unwrap();
    let left = kubectl(&["-n", &namespace.0, "get", "pods", "-o", "jsonpath={.items[*].metadata.uid}"]);
    let gone = !left.contains(uid)
        || !kubectl(&[
            "-n",
            &namespace.0,
            "get",
            "pods",
            "-o",
            "jsonpath={.items[*].metadata.deletionTimestamp}",
        ])
        .is_empty();
    assert!(gone, "{uid} in {left}");

    // nothing matched: nothing was tried, and nothing is proven
    let (_, told) = run(json!([kill("app=nobody")]), 5);
    assert_eq!(told["activities"][0]["effect"]["state"], "mismatch");

    // scaling is seen, too
    let scale =
        function("action", "deployment.actions", "scale_deployment", &json!({"name": "web", "replicas": 1}));
    let (_, told) = run(json!([scale]), 0);
    assert_eq!(told["activities"][0]["effect"]["state"], "confirmed", "{told:#}");
    assert_eq!(
        kubectl(&["-n", &namespace.0, "get", "deployment", "web", "-o", "jsonpath={.status.replicas}"]),
        "1"
    );
}
