//! Tables of calls with their findings.

use super::*;
use crate::experiment::DeferredNames;
use serde_json::{Value as Json, json};

fn find(module: &str, func: &str, arguments: Json, allow_all: bool) -> Vec<ValidationFinding> {
    let provider = json!({"type": "python", "module": module, "func": func, "arguments": arguments});
    find_in(provider, allow_all)
}

fn find_in(provider: Json, allow_all: bool) -> Vec<ValidationFinding> {
    let provider = Value::from(provider).as_map().unwrap().clone();
    let deferred = DeferredNames::default();
    let usage = ProviderUsage {
        activity: "a",
        kind: None,
        position: ProviderPosition::Activity,
        deferred: &deferred,
    };
    find_faults(usage, &provider, allow_all)
}

/// Asserts that each argument has a finding, and no other one has.
fn check(call: &str, arguments: Json, expected: &[&str]) {
    let (module, func) = call.rsplit_once('.').unwrap();
    let found = find(module, func, arguments.clone(), false);
    let found: Vec<String> = found.iter().map(|f| format!("{} {}", f.at.join("/"), f.message)).collect();
    let fits = found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| f.starts_with(e));
    assert!(fits, "{call} {arguments}\nfound: {found:#?}\nexpected: {expected:#?}");
}

#[test]
fn values_that_the_function_refuses_are_found() {
    let kill = "chaosk8s.pod.actions.terminate_pods";
    let with = |name: &str, value: Json| {
        let mut arguments = json!({"label_selector": "app=web"});
        arguments[name] = value;
        arguments
    };
    check(kill, with("qty", json!(3)), &[]);
    for (name, value) in [
        ("qty", json!(-1)),
        ("qty", json!(0)),
        ("qty", json!(null)),
        ("mode", json!("half")),
        ("mode", json!("")),
        ("order", json!("newest")),
        ("name_pattern", json!("(")),
        ("label_selector", json!("a in (b")),
        ("ns", json!("Bad_NS")),
        ("ns", json!("")),
        ("ns", json!(null)),
        ("grace_period", json!("5")),
        ("grace_period", json!(null)),
    ] {
        check(kill, with(name, value), &[&format!("arguments/{name} ")]);
    }
    let scale = "chaosk8s.deployment.actions.scale_deployment";
    check(scale, json!({"name": "web", "replicas": 0}), &[]);
    check(scale, json!({"name": "web", "replicas": -1}), &["arguments/replicas "]);
    check(scale, json!({"name": "Web", "replicas": 1}), &["arguments/name "]);
    check(scale, json!({"name": "", "replicas": 1}), &["arguments/name "]);
    let drain = "chaosk8s.node.actions.drain_nodes";
    check(drain, json!({"name": "n", "count": 0, "timeout": 0}), &["arguments/timeout ", "arguments/count "]);
    let policy = "chaosk8s.networking.actions.deny_all_ingress";
    check(policy, json!({"label_selectors": {"app": 5}}), &["arguments/label_selectors "]);
    check(
        "chaosk8s.pod.probes.count_pods",
        json!({"label_selector": "a", "phase": "Runing"}),
        &["arguments/phase "],
    );
    check(
        "chaosk8s.node.probes.verify_nodes_condition",
        json!({"condition_value": true}),
        &["arguments/condition_value "],
    );
    let conditions = "chaosk8s.pod.probes.pods_in_conditions";
    check(
        conditions,
        json!({"label_selector": "a", "conditions": [{"type": "Ready", "status": "True"}]}),
        &[],
    );
    check(
        conditions,
        json!({"label_selector": "a", "conditions": [{"type": "Ready"}]}),
        &["arguments/conditions "],
    );
    let exec = "chaosk8s.pod.actions.exec_in_pods";
    let command = |cmd: Json| json!({"label_selector": "a", "container_name": "web", "cmd": cmd});
    check(exec, command(json!(["ls", "/"])), &[]);
    check(exec, command(json!("echo 'a")), &["arguments/cmd "]);
    check(exec, command(json!("")), &["arguments/cmd "]);
    check(
        exec,
        json!({"label_selector": "a", "cmd": "ls"}),
        &["arguments exec_in_pods needs container_name"],
    );
    check("chaosk8s.pod.probes.read_pod_logs", json!({"name": "web", "last": "soon"}), &["arguments/last "]);
    check(
        "chaosk8s.pod.probes.read_pod_logs",
        json!({}),
        &["arguments read_pod_logs needs name or label_selector"],
    );
    check(
        "chaosk8s.deployment.actions.create_deployment",
        json!({"spec_path": "a.txt"}),
        &["arguments/spec_path "],
    );
    check(
        "chaosk8s.deployment.actions.rollout_deployment",
        json!({}),
        &["arguments rollout_deployment needs name"],
    );
    let apply = "chaosk8s.crd.actions.apply_from_json";
    check(apply, json!({"resource": "{\"apiVersion\": \"v1\", \"kind\": \"A\"}"}), &[]);
    check(apply, json!({"resource": "{"}), &["arguments/resource "]);
    check(apply, json!({"resource": "{}"}), &["arguments/resource "]);
    let latency = "chaosk8s.chaosmesh.network.actions.add_latency";
    check(latency, json!({"name": "l", "latency": "100ms", "jitter": "1m30s", "correlation": "25"}), &[]);
    check(
        latency,
        json!({"name": "l", "latency": "100", "mode": "some", "direction": "out", "correlation": "x", "label_selectors": "app"}),
        &[
            "arguments/label_selectors ",
            "arguments/mode ",
            "arguments/direction ",
            "arguments/latency ",
            "arguments/correlation ",
        ],
    );
}

#[test]
fn numbers_as_text_are_accepted_where_python_reads_them() {
    let wait = "chaosk8s.deployment.probes.deployment_fully_available";
    check(wait, json!({"name": "web", "timeout": "2", "label_selector": "name in ({name})"}), &[]);
    check(wait, json!({"name": "web", "timeout": "soon"}), &["arguments/timeout "]);
    check(wait, json!({"name": "web", "label_selector": "name in ({nme})"}), &["arguments/label_selector "]);
    check(
        "chaosk8s.node.actions.delete_nodes",
        json!({"label_selector": "a", "grace_period_seconds": "5"}),
        &[],
    );
    check("chaosk8s.node.actions.drain_nodes", json!({"name": "n", "timeout": "5"}), &["arguments/timeout "]);
}

#[test]
fn action_without_selector_is_refused_unless_it_is_bounded() {
    let check = |call: &str, arguments: Json, expected: Option<&str>| {
        let (module, func) = call.rsplit_once('.').unwrap();
        let found = find(module, func, arguments.clone(), false);
        let found: Vec<_> = found.iter().filter(|f| f.message.contains("has no selector")).collect();
        assert_eq!(found.first().and_then(|f| f.hint.as_deref()), expected, "{call} {arguments}");
        let allowed = find(module, func, arguments, true);
        assert!(!allowed.iter().any(|finding| finding.message.contains("has no selector")));
    };
    let kill = "chaosk8s.pod.actions.terminate_pods";
    let hint = Some("set one of label_selector, name_pattern, or pass --allow-all");
    check(kill, json!({}), hint);
    check(kill, json!({"ns": "shop"}), hint);
    check(kill, json!({"rand": true, "qty": 1, "ns": "shop"}), None);
    check(kill, json!({"rand": true, "ns": "shop"}), None);
    check(
        kill,
        json!({"rand": true, "qty": 1}),
        Some("set one of label_selector, name_pattern, ns, or pass --allow-all"),
    );
    check(kill, json!({"mode": "percentage", "qty": 50, "ns": "shop"}), hint);
    check(kill, json!({"all": true}), None);
    let nodes = "chaosk8s.node.actions.delete_nodes";
    let hint = Some("set one of label_selector, pod_label_selector with pod_namespace, or pass --allow-all");
    check(nodes, json!({"count": 1, "rand": true}), hint);
    check(nodes, json!({"pod_label_selector": "app=web"}), hint);
    check(nodes, json!({"pod_label_selector": "app=web", "pod_namespace": "shop"}), None);
    check(
        "chaosk8s.deployment.actions.delete_deployment",
        json!({"name": ""}),
        Some("set one of name, label_selector, or pass --allow-all"),
    );
}

#[test]
fn ineffective_and_misplaced_arguments_are_found() {
    check(
        "chaosk8s.pod.actions.terminate_pods",
        json!({"all": true, "qty": 1, "rand": true}),
        &["arguments/qty argument 'qty' has no effect", "arguments/rand argument 'rand' has no effect"],
    );
    check(
        "chaosk8s.node.actions.drain_nodes",
        json!({"name": "n", "pod_namespace": "shop"}),
        &["arguments/pod_namespace argument 'pod_namespace' has no effect without"],
    );
    let provider = json!({"module": "chaosk8s.pod.actions", "func": "terminate_pods", "label_selector": "a=b", "ns": "shop"});
    let found = find_in(provider, true);
    let places: Vec<_> = found.iter().map(|finding| finding.at.join("/")).collect();
    assert_eq!(places, ["label_selector", "ns"]);
}

#[test]
fn argument_hints_name_the_argument_of_the_function() {
    let hint = |call: &str, arguments: Json| {
        let (module, func) = call.rsplit_once('.').unwrap();
        let found = find(module, func, arguments, true);
        found.first().and_then(|finding| finding.hint.clone()).unwrap_or_default()
    };
    let kill = "chaosk8s.pod.actions.terminate_pods";
    assert_eq!(hint(kill, json!({"name": "web.1"})), "use \"name_pattern\": \"^web\\\\.1$\"");
    assert_eq!(hint(kill, json!({"namespace": "shop"})), "use \"ns\"");
    assert_eq!(hint(kill, json!({"label_selectors": "a=b"})), "did you mean \"label_selector\"?");
    assert_eq!(
        hint(
            "chaosk8s.deployment.actions.scale_deployment",
            json!({"name": "a", "replicas": 1, "deployment": "a"})
        ),
        "use \"name\""
    );
    assert_eq!(
        hint(kill, json!({"secrets": ["k8s"]})),
        "move the groups into the provider: \"provider\": {…, \"secrets\": […]}"
    );
}
