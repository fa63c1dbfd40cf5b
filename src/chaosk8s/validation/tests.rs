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
    check(latency, json!({"name": "l"}), &["arguments add_latency needs latency"]);
    check(latency, json!({"name": "l", "latency": "-5ms"}), &["arguments/latency "]);
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

/// Every argument of the functions that create faults of Chaos Mesh.
#[test]
fn arguments_of_chaos_mesh_faults_are_checked() {
    let latency = "chaosk8s.chaosmesh.network.actions.add_latency";
    let with = |base: Json, name: &str, value: &Json| {
        let mut arguments = base;
        arguments[name] = value.clone();
        arguments
    };
    let base = json!({"name": "l", "latency": "1ms"});
    check(
        latency,
        json!({"name": "l", "ns": "shop", "namespaces_selectors": "shop,cart", "label_selectors": "app=web,a.b/c=d",
            "annotations_selectors": {"a.b/c": "d"}, "mode": "fixed-percent", "mode_value": "50", "direction": "both",
            "latency": "1.5s", "correlation": "0", "jitter": "0", "target_mode": "fixed", "target_mode_value": 2,
            "target_namespaces_selectors": ["shop"], "target_label_selectors": {"app": "web"},
            "target_annotations_selectors": null}),
        &[],
    );
    check(latency, with(base.clone(), "external_targets", &json!(["1.1.1.1", "example.com:80"])), &[]);
    for (name, value) in [
        ("namespaces_selectors", json!("Shop")),
        ("namespaces_selectors", json!(["shop", 5])),
        ("target_namespaces_selectors", json!("shop, cart")),
        ("label_selectors", json!("-app=web")),
        ("label_selectors", json!({"app": "we b"})),
        ("target_label_selectors", json!({"a/b/c": "d"})),
        ("annotations_selectors", json!("app=we b")),
        ("target_annotations_selectors", json!({"app": 1})),
        ("mode", json!("fixed")),
        ("target_mode", json!("fixed-percent")),
        ("mode_value", json!(3)),
        ("direction", json!("up")),
        ("correlation", json!("101")),
        ("correlation", json!(" 5")),
        ("jitter", json!("5")),
        ("external_targets", json!("https://example.com")),
    ] {
        check(latency, with(base.clone(), name, &value), &[&format!("arguments/{name} ")]);
    }
    check(
        latency,
        json!({"name": "l", "latency": "1ms", "direction": "from", "external_targets": ["1.1.1.1"]}),
        &["arguments/external_targets argument 'external_targets' cannot be used with direction from"],
    );
    check(
        latency,
        json!({"name": "l", "latency": "1ms", "mode": "fixed-percent", "mode_value": "150"}),
        &["arguments/mode_value "],
    );
    let network = "chaosk8s.chaosmesh.network.actions.";
    for (func, name) in
        [("set_loss", "loss"), ("corrupt_packets", "corrupt"), ("duplicate_packets", "duplicate")]
    {
        let call = format!("{network}{func}");
        check(&call, json!({"name": "l", name: "12.5"}), &[]);
        check(&call, json!({"name": "l", name: "-1"}), &[&format!("arguments/{name} ")]);
        check(&call, json!({"name": "l"}), &[&format!("arguments {func} needs {name}")]);
    }
    let reorder = format!("{network}reorder_packets");
    check(&reorder, json!({"name": "l", "reorder": "10", "gap": 3}), &[]);
    check(&reorder, json!({"name": "l", "reorder": "10", "gap": "3"}), &[]);
    check(&reorder, json!({"name": "l", "reorder": "10", "gap": "x"}), &["arguments/gap "]);
    check(&reorder, json!({"name": "l", "reorder": "10", "gap": -1}), &["arguments/gap "]);
    check(&reorder, json!({"name": "l", "reorder": "10"}), &["arguments reorder_packets needs gap"]);
    let bandwidth = format!("{network}set_bandwidth");
    let base = json!({"name": "l", "rate": "1mbps", "limit": 20_971_520, "buffer": 10000});
    check(&bandwidth, with(with(base.clone(), "peakrate", &json!(0)), "minburst", &json!(0)), &[]);
    for (name, value) in [
        ("rate", json!("fast")),
        ("rate", json!("")),
        ("limit", json!(0)),
        ("limit", json!(4_294_967_296_i64)),
        ("buffer", json!(0)),
        ("peakrate", json!(-1)),
        ("minburst", json!(-1)),
        ("minburst", json!(4_294_967_296_i64)),
    ] {
        check(&bandwidth, with(base.clone(), name, &value), &[&format!("arguments/{name} ")]);
    }
    let stress = "chaosk8s.chaosmesh.stress.actions.";
    let cpu = format!("{stress}stress_cpu");
    let base = json!({"name": "l", "workers": 1, "load": 100});
    check(&cpu, with(base.clone(), "container_names", &json!("web,app")), &[]);
    for (name, value) in [
        ("workers", json!(0)),
        ("workers", json!(8193)),
        ("load", json!(101)),
        ("duration", json!("30")),
        ("container_names", json!(["Web"])),
    ] {
        check(&cpu, with(base.clone(), name, &value), &[&format!("arguments/{name} ")]);
    }
    let memory = format!("{stress}stress_memory");
    let base = json!({"name": "l", "workers": 1});
    check(
        &memory,
        json!({"name": "l", "workers": 1, "size": "50%", "oom_score": -1000, "time_to_get_to_size": "10min"}),
        &[],
    );
    check(&memory, json!({"name": "l"}), &["arguments stress_memory needs workers"]);
    for (name, value) in [
        ("size", json!("big")),
        ("size", json!("101%")),
        ("oom_score", json!(1001)),
        ("time_to_get_to_size", json!("soon")),
        ("workers", json!(-1)),
    ] {
        check(&memory, with(base.clone(), name, &value), &[&format!("arguments/{name} ")]);
    }
}

#[test]
fn labels_in_selectors_and_objects_are_checked() {
    let deny = "chaosk8s.networking.actions.deny_all_ingress";
    check(deny, json!({"label_selectors": {"example.com/app": "web"}}), &[]);
    for selector in
        [json!({"a b": "web"}), json!({"app": "we b"}), json!({"": "web"}), json!({"a/b/c": "web"})]
    {
        for func in ["deny_all_ingress", "deny_all_egress", "allow_dns_access"] {
            let call = format!("chaosk8s.networking.actions.{func}");
            check(&call, json!({"label_selectors": selector}), &["arguments/label_selectors "]);
        }
    }
    let policy = |labels: Json| json!({"spec": {"metadata": {"name": "p"}, "spec": {"podSelector": {"matchLabels": labels}}}});
    let create = "chaosk8s.networking.actions.create_network_policy";
    check(create, policy(json!({"app": "web"})), &[]);
    check(create, policy(json!({"app": "-web"})), &["arguments/spec "]);
    let node = "chaosk8s.node.actions.create_node";
    check(node, json!({"meta": {"name": "n", "labels": {"a": "b"}}}), &[]);
    check(node, json!({"meta": {"name": "n", "labels": {"a b": "c"}}}), &["arguments/meta "]);
    let object = "chaosk8s.crd.actions.create_custom_object";
    let resource = |labels: Json| json!({"group": "a.b", "version": "v1", "plural": "things", "resource": {"metadata": {"labels": labels}}});
    check(object, resource(json!({"a": "b"})), &[]);
    check(object, resource(json!({"a": "b c"})), &["arguments/resource "]);
    let apply = json!({"resource": "apiVersion: a.b/v1\nkind: A\nmetadata: {labels: {a b: c}}\n"});
    check("chaosk8s.crd.actions.apply_from_yaml", apply, &["arguments/resource "]);
}

#[test]
fn manifest_path_has_the_extension_that_the_function_reads() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| {
        std::fs::write(dir.path().join(name), "{}").unwrap();
        json!({"spec_path": dir.path().join(name)})
    };
    for call in ["deployment.actions.create_deployment", "networking.actions.create_network_policy"] {
        let call = format!("chaosk8s.{call}");
        check(&call, path("x.json"), &[]);
        check(&call, path("x.yml"), &[]);
        for name in ["json", ".json", "x.JSON", "x.txt", "x.json.bak"] {
            check(&call, path(name), &["arguments/spec_path invalid argument 'spec_path': cannot process"]);
        }
    }
    // this function reads the text after the last dot
    let ingress = "chaosk8s.networking.actions.create_ingress";
    check(ingress, path(".json"), &[]);
    check(ingress, path("x.txt"), &["arguments/spec_path "]);
    let missing = json!({"spec_path": dir.path().join("missing.yaml")});
    let found = find("chaosk8s.deployment.actions", "create_deployment", missing, false);
    assert_eq!(found.len(), 1, "{found:?}");
    let warning = ValidationFinding::default().warning().weight;
    assert!(found[0].message.contains("there is no file") && found[0].weight == warning, "{found:?}");
}

#[test]
fn numbers_as_text_are_accepted_where_python_reads_them() {
    let wait = "chaosk8s.deployment.probes.deployment_fully_available";
    check(wait, json!({"name": "web", "timeout": "2", "label_selector": "name in ({name})"}), &[]);
    check(wait, json!({"name": "web", "timeout": "soon"}), &["arguments/timeout "]);
    check(wait, json!({"name": "web", "timeout": ""}), &["arguments/timeout "]);
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
