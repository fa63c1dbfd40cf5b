//! Trials of the example on a real cluster: their verdicts are those on the embedded cluster.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::Reader;
use crate::harness::{object, signal, wait_until};

/// Runs a short trial, and checks that it leaves nothing on the cluster. Returns its comparison.
fn trial(reader: &Reader, experiment: &str, arms: &str, flags: &str, code: i32) -> Value {
    let short = "--recovery 3s --output-dir out";
    reader.shell(&format!("kubectl chaos trial {experiment} {arms} {short} {flags}"), code);
    leaves_nothing(reader);
    reader.journal("out/comparison.json")
}

/// Checks that the trial in `out` is over and has left no namespace.
fn leaves_nothing(reader: &Reader) {
    let record = reader.journal("out/trial.json");
    assert_eq!(record["state"], "finished");
    let trial = record["trial"].as_str().unwrap();
    let list = format!("kubectl get namespaces -o name -l kubectl-chaos/trial={trial}");
    wait_until("the namespaces to be gone", || reader.shell(&list, 0).trim().is_empty());
}

/// Runs a trial of the example with pauses of six seconds, and samples its consumer.
fn of_the_example(reader: &Reader, arms: &str, flags: &str, code: i32) -> Value {
    let probe = "--sample-probe consumer-service-must-still-respond --var settle_seconds:int=6";
    trial(reader, "experiment.json", &format!("{arms} --common services"), &format!("{probe} {flags}"), code)
}

fn said(answer: &Value) -> (&Value, &Value) {
    (&answer["verdict"], &answer["after"])
}

#[test]
#[ignore = "needs a cluster with the image of the examples: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn circuit_breaker_is_a_fix_on_real_cluster() {
    let reader = Reader::new("trial-fix");
    let begun = Instant::now();
    let answer = of_the_example(&reader, "--before 01-before --after 03-after", "", 0);
    let took = begun.elapsed();
    assert_eq!(said(&answer), (&json!("fixed"), &json!("holds")), "{answer:#}");
    let state = reader.journal("out/trial.json");
    assert_eq!((&answer["evidence"], &state["pairs"]), (&json!("repeated"), &json!(3)), "{state:#}");
    // a busy machine has no bound in time
    if std::env::var_os("KUBECTL_CHAOS_TEST_IDLE").is_some() {
        assert!(took < Duration::from_secs(90), "{took:?}: {state:#}");
    }
    let ratio = |side: &str| answer["metrics"][0][side]["median"]["value"].as_f64().unwrap();
    assert!(ratio("before") < 0.5 && ratio("after") > 0.95, "{answer:#}");
}

#[test]
#[ignore = "needs a cluster with the image of the examples: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn identical_arms_show_no_difference_on_real_cluster() {
    let reader = Reader::new("trial-same");
    let answer = of_the_example(&reader, "--before 01-before --after 01-before", "", 0);
    assert_eq!(said(&answer), (&json!("no-difference"), &json!("fails")), "{answer:#}");
}

#[test]
#[ignore = "needs a cluster with the image of the examples: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn ineffective_change_is_no_fix_on_real_cluster() {
    let reader = Reader::new("trial-unread");
    let consumer = include_str!("../../../src/app/demo/consumer-with-an-unread-switch.yaml");
    reader.home.write("example/unread/consumer.yaml", consumer);
    reader.shell("cp 01-before/provider-deployment.yaml unread/", 0);
    let answer = of_the_example(&reader, "--before 01-before --after unread", "", 0);
    assert_eq!(said(&answer), (&json!("no-difference"), &json!("fails")), "{answer:#}");
}

#[test]
#[ignore = "needs a cluster with the image of the examples: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn fault_without_target_is_no_fix_on_real_cluster() {
    let reader = Reader::new("trial-nothing");
    let provider = json!({"type": "python", "module": "chaosk8s.pod.actions", "func": "terminate_pods",
        "arguments": {"label_selector": "may-die=yes", "grace_period": 0}});
    let answers = json!({"type": "probe", "name": "answers", "tolerance": 200,
        "provider": {"type": "http", "url": "http://my-provider-service.svc/"}});
    let experiment = json!({"title": "t", "description": "d",
        "steady-state-hypothesis": {"title": "h", "probes": [answers]},
        "method": [{"type": "action", "name": "kill", "provider": provider, "pauses": {"after": 3}}]});
    reader.home.write("example/kill.json", experiment.to_string());
    let labels = "s/labels: {name: my-provider-app,/labels: {may-die: \"yes\", name: my-provider-app,/";
    reader.shell(&format!("sed '{labels}' 01-before/provider-deployment.yaml > with.yaml"), 0);
    reader.shell("grep -q may-die with.yaml && cp 01-before/provider-deployment.yaml without.yaml", 0);
    let arms = "--before with.yaml --after without.yaml --common services";
    let answer = trial(&reader, "kill.json", arms, "--sample=50ms", 8);
    assert_eq!(said(&answer), (&json!("inconclusive"), &json!("unknown")), "{answer:#}");
    assert_eq!(answer["arms"]["after"]["void"], 2, "{answer:#}");
}

/// An application that answers 500 in some runs, but only while its backend is gone: it knows the run by the
/// namespace that its Pod sees.
fn write_listed_application(reader: &Reader, name: &str, arms: &str) {
    let script = format!(
        "mkdir -p /tmp/www/cgi-bin; cat > /tmp/www/cgi-bin/answer <<'END'\n\
         #!/bin/busybox sh\n\
         if ! /bin/busybox nc -w 2 $BACKEND_SERVICE_HOST 8080 </dev/null >/dev/null 2>&1; then\n\
           case $POD_NAMESPACE in {}) echo 'Status: 500 Internal Server Error'; esac\n\
         fi\n\
         echo 'Content-Type: text/plain'; echo; echo answer\n\
         END\n\
         chmod +x /tmp/www/cgi-bin/answer; exec /bin/busybox httpd -f -p 8080 -h /tmp/www",
        [1, 3, 4, 7, 9].map(|number| format!("*-{arms}-{number}")).join("|")
    );
    let backend = "mkdir -p /tmp/www; echo backend > /tmp/www/index.html; \
                   exec /bin/busybox httpd -f -p 8080 -h /tmp/www";
    let workload = |name: &str, script: &str, path: &str| {
        let labels = json!({"app": name});
        let namespace = json!({"name": "POD_NAMESPACE", "valueFrom":
            {"fieldRef": {"fieldPath": "metadata.namespace"}}});
        let container = json!({"name": name, "image": "testbed/busybox:1", "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/busybox", "sh", "-c", script], "env": [namespace],
            "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}},
            "readinessProbe": {"httpGet": {"path": path, "port": 8080}, "periodSeconds": 1, "timeoutSeconds": 5}});
        let pod = json!({"terminationGracePeriodSeconds": 0, "containers": [container]});
        let template = json!({"metadata": {"labels": labels}, "spec": pod});
        let deployment = json!({"selector": {"matchLabels": labels}, "template": template});
        let service = json!({"selector": labels, "ports": [{"port": 8080}]});
        [
            object("apps/v1", "Deployment", name, &json!({"spec": deployment})),
            object("v1", "Service", name, &json!({"spec": service})),
        ]
    };
    let front = workload("front", &script, "/cgi-bin/answer");
    // a Pod knows the address of a Service that exists before it; a static program cannot use DNS
    let mut items = [front, workload("backend", backend, "/index.html")].concat();
    items.sort_by_key(|item| item["kind"] != "Service");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    reader.home.write(&format!("example/{name}.json"), list.to_string());
}

/// Stops the backend for a moment.
fn write_backend_experiment(reader: &Reader) {
    let answers = json!({"type": "probe", "name": "front-answers", "tolerance": 200,
        "provider": {"type": "http", "url": "http://front.svc:8080/cgi-bin/answer", "timeout": 5}});
    let stop = json!({"type": "action", "name": "stop-backend", "provider": {"type": "python",
        "module": "chaosk8s.deployment.actions", "func": "scale_deployment",
        "arguments": {"name": "backend", "replicas": 0}}, "pauses": {"after": 2}});
    let experiment = json!({"title": "t", "description": "d",
        "steady-state-hypothesis": {"title": "h", "probes": [answers]}, "method": [stop]});
    reader.home.write("example/backend.json", experiment.to_string());
}

#[test]
#[ignore = "needs a cluster with the image of the examples: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn flaky_application_is_fixed_after_nine_pairs_on_real_cluster() {
    let reader = Reader::new("trial-list");
    write_backend_experiment(&reader);
    write_listed_application(&reader, "flaky", "before");
    // the same application fails in no run after the change: the list names runs before it
    let answer =
        trial(&reader, "backend.json", "--before flaky.json --after flaky.json", "--max-repeat 20", 0);
    let state = reader.journal("out/trial.json");
    assert_eq!((said(&answer).0, &state["pairs"]), (&json!("fixed"), &json!(9)), "{state:#}");
}

#[test]
#[ignore = "needs a cluster with the image of the examples: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn flaky_arms_are_no_claim_on_real_cluster() {
    let reader = Reader::new("trial-lists");
    write_backend_experiment(&reader);
    write_listed_application(&reader, "flaky", "*");
    let arms = "--before flaky.json --after flaky.json";
    let flags = "--max-repeat 20 --fail-on fixed,broken,improved,regressed";
    let answer = trial(&reader, "backend.json", arms, flags, 0);
    let verdict = said(&answer).0.as_str().unwrap();
    assert!(matches!(verdict, "no-difference" | "inconclusive"), "{answer:#}");
}

#[test]
#[ignore = "needs a cluster with the image of the examples: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn signal_amid_both_runs_leaves_nothing_on_real_cluster() {
    let reader = Reader::new("trial-signal");
    let flags = "--common services --var settle_seconds:int=60 --output-dir out \
                 --sample-probe consumer-service-must-still-respond";
    let mut child = reader.start(&format!(
        "exec kubectl-chaos trial experiment.json --before 01-before --after 03-after {flags}"
    ));
    let provider = |namespace: &str| {
        let replicas = "jsonpath={.spec.replicas}";
        let read = format!("kubectl get deployment my-provider-app -n {namespace} -o {replicas}");
        String::from_utf8_lossy(&reader.run(&read).stdout).into_owned()
    };
    // two namespaces at once, each with its own fault
    wait_until("the fault in both namespaces", || {
        if !reader.home.path("example/out/trial.json").exists() {
            return false;
        }
        let state = reader.journal("out/trial.json");
        let namespaces = state["namespaces"].as_array().unwrap().clone();
        namespaces.len() == 2 && namespaces.iter().all(|one| provider(one["name"].as_str().unwrap()) == "0")
    });
    signal(child.id(), Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    leaves_nothing(&reader);
    // each run was interrupted, and undid its own fault before its namespace was deleted
    for arm in ["before", "after"] {
        let journal = reader.journal(&format!("out/{arm}/journal-1.json"));
        assert_eq!(journal["kubectl-chaos"]["verdict"], "interrupted", "{journal:#}");
        let target = &journal["kubectl-chaos"]["activities"][0]["targets"][0];
        assert_eq!(target["namespace"], journal["kubectl-chaos"]["namespace"]);
    }
}

#[test]
#[ignore = "needs a cluster with the image of the examples: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn earlier_runs_save_an_arm_on_real_cluster() {
    let reader = Reader::new("trial-baseline");
    of_the_example(&reader, "--before 01-before --after 01-before", "--repeat 3", 0);
    reader.shell("mv out earlier", 0);
    let answer = of_the_example(&reader, "--baseline earlier --after 03-after", "", 0);
    assert_eq!(said(&answer), (&json!("fixed"), &json!("holds")), "{answer:#}");
    let labels: Vec<&str> =
        answer["confounders"].as_array().unwrap().iter().map(|one| one["text"].as_str().unwrap()).collect();
    let time = "arms at different times: the 5 % does not cover drift between them";
    assert!(labels.contains(&time), "{labels:?}");
}
