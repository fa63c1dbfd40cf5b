//! Functions on a real cluster, read back with kubectl in the same run: those that the recorded cases of `.ci/run` do
//! not show from every side (`.ci/coverage` holds both together against the list of all).

use serde_json::{Value, json};

use kubectl_chaos::kubernetes::catalogue::{Default as Standard, functions};

use crate::harness::{Chaos, experiment, function};
use crate::kubernetes::{Namespace, kubectl};

/// One step of a method, and what has to come of it: a status, and a text in its output or its error.
struct Step {
    activity: Value,
    status: &'static str,
    shows: String,
}

fn step(kind: &str, name: &str, arguments: &Value, status: &'static str, shows: &str) -> Step {
    let (module, name) = name.rsplit_once('.').unwrap();
    Step { activity: function(kind, module, name, arguments), status, shows: shows.to_owned() }
}

fn act(name: &str, arguments: &Value) -> Step {
    step("action", name, arguments, "succeeded", "")
}

fn holds(name: &str, arguments: &Value, shows: &str) -> Step {
    step("probe", name, arguments, "succeeded", shows)
}

fn fails(name: &str, arguments: &Value, shows: &str) -> Step {
    step("probe", name, arguments, "failed", shows)
}

/// What kubectl says at this point of the run.
fn reads(command: &str, shows: &str) -> Step {
    let words: Vec<&str> = command.split(' ').collect();
    let provider = json!({"type": "process", "path": "kubectl", "arguments": words});
    let activity = json!({"type": "probe", "name": command, "provider": provider});
    Step { activity, status: "succeeded", shows: shows.to_owned() }
}

/// Runs the steps in one run, in a namespace, and holds each against what it has to come to.
fn play(chaos: &Chaos, namespace: &str, steps: &[Step], flags: &[&str]) {
    let method: Vec<Value> = steps.iter().map(|step| step.activity.clone()).collect();
    let context = std::env::var("KUBECTL_CHAOS_TEST_CONTEXT").expect("a context to test on");
    // kubectl in the run is to mean the same cluster and namespace
    let view = kubectl(&["config", "view", "--raw", "--flatten", "--minify", "-o", "json"]);
    let mut config: Value = serde_json::from_str(&view).unwrap();
    config["contexts"][0]["context"]["namespace"] = namespace.into();
    config["current-context"] = context.into();
    let config = chaos.write("config", config.to_string()).display().to_string();
    let file = chaos.write("experiment.json", experiment(&Value::from(method)).to_string());
    let mut command = chaos.command(["run", file.to_str().unwrap(), "--strict=false"]);
    let finished = command.args(flags).env("KUBECONFIG", config).output().unwrap();
    let journal = chaos.journal();
    let said = String::from_utf8_lossy(&finished.stderr).into_owned();
    for (index, step) in steps.iter().enumerate() {
        let entry = &journal["run"][index];
        let came = if step.status == "failed" { &entry["exception"] } else { &entry["output"] };
        let text = came["stdout"].as_str().map_or_else(|| came.to_string(), str::to_owned);
        let what = format!("step {index}, {}: {entry:#}\n{said}", entry["activity"]["name"]);
        assert_eq!(entry["status"], step.status, "{what}");
        let fits = if step.shows == "nothing" { text.is_empty() } else { text.contains(&step.shows) };
        assert!(fits, "{:?} is not in {text:?}; {what}", step.shows);
    }
    for activity in journal["kubectl-chaos"]["activities"].as_array().unwrap() {
        let failed = journal.pointer(activity["at"].as_str().unwrap()).unwrap()["status"] == "failed";
        let state = if failed { "mismatch" } else { "confirmed" };
        assert_eq!(activity["effect"]["state"], state, "{activity:#}");
    }
}

/// A definition of custom resources of any shape.
fn definition(group: &str, kind: &str, plural: &str, scope: &str) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}})
}

/// Definitions that go with the test.
struct Definitions(Vec<String>);

impl Definitions {
    fn apply(chaos: &Chaos, definitions: &[Value]) -> Self {
        let names = definitions.iter().map(|d| d["metadata"]["name"].as_str().unwrap().to_owned()).collect();
        for (index, definition) in definitions.iter().enumerate() {
            let file = chaos.write(&format!("definition-{index}.json"), definition.to_string());
            kubectl(&["apply", "-f", file.to_str().unwrap()]);
            let name = format!("crd/{}", definition["metadata"]["name"].as_str().unwrap());
            kubectl(&["wait", "--for=condition=established", &name, "--timeout=30s"]);
        }
        Self(names)
    }
}

impl Drop for Definitions {
    fn drop(&mut self) {
        for name in &self.0 {
            kubectl(&["delete", "crd", name, "--wait=false"]);
        }
    }
}

/// A Node that goes with the test, if it is still there.
struct Made(String);

impl Drop for Made {
    fn drop(&mut self) {
        kubectl(&["delete", "node", &self.0, "--ignore-not-found"]);
    }
}

#[test]
#[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn custom_objects_come_change_and_go() {
    let (chaos, namespace) = (Chaos::new(), Namespace::new());
    let group = format!("{}.example.com", namespace.0);
    let _definitions = Definitions::apply(
        &chaos,
        &[
            definition(&group, "Gear", "gears", "Cluster"),
            definition(&group, "Widget", "widgets", "Namespaced"),
        ],
    );
    let kind = |plural: &str| json!({"group": group, "version": "v1", "plural": plural});
    let with = |mut base: Value, more: Value| {
        base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        base
    };
    let object = |kind: &str, size: u8| {
        json!({"resource": {"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {"name": "one"},
            "spec": {"size": size}}})
    };
    let size = |plural: &str| format!("get {plural}.{group} one -o jsonpath={{.spec.size}}");
    let left = |plural: &str| format!("get {plural}.{group} -o name");
    let one = |plural: &str| with(kind(plural), json!({"name": "one"}));
    let mut two = object("Gear", 1)["resource"].clone();
    two["metadata"]["name"] = "two".into();
    let file = chaos.write("two.json", two.to_string());
    let version = ["create", "-f", file.to_str().unwrap(), "-o", "jsonpath={.metadata.resourceVersion}"];
    two["metadata"]["resourceVersion"] = kubectl(&version).into();
    two["spec"]["size"] = 2.into();
    let versioned = json!({"resource": two});
    let replaced = |object: &Value| {
        let name = json!({"name": object["resource"]["metadata"]["name"]});
        act("crd.actions.replace_cluster_custom_object", &with(with(kind("gears"), name), object.clone()))
    };
    let steps = [
        act("crd.actions.create_cluster_custom_object", &with(kind("gears"), object("Gear", 1))),
        reads(&size("gears"), "1"),
        holds("crd.probes.list_cluster_custom_objects", &kind("gears"), "\"size\":1"),
        fails("crd.probes.list_cluster_custom_objects", &kind("wheels"), "not found"),
        // a replacement has to say which version it replaces
        Step { status: "failed", shows: "resourceVersion".to_owned(), ..replaced(&object("Gear", 2)) },
        replaced(&versioned),
        reads(&format!("get gears.{group} two -o jsonpath={{.spec.size}}"), "2"),
        act("crd.actions.delete_cluster_custom_object", &one("gears")),
        reads(&format!("get gears.{group} one --ignore-not-found -o name"), "nothing"),
        act("crd.actions.create_custom_object", &with(kind("widgets"), object("Widget", 3))),
        reads(&size("widgets"), "3"),
        holds("crd.probes.list_custom_objects", &kind("widgets"), "\"size\":3"),
        fails("crd.probes.list_custom_objects", &kind("wheels"), "not found"),
        act("crd.actions.delete_custom_object", &one("widgets")),
        reads(&left("widgets"), "nothing"),
    ];
    play(&chaos, &namespace.0, &steps, &[]);
}

#[test]
#[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn faults_of_chaos_mesh_are_asked_for_and_taken_back() {
    let (chaos, namespace) = (Chaos::new(), Namespace::new());
    let named = |kind: &str, plural: &str| {
        let mut definition = definition("chaos-mesh.org", kind, plural, "Namespaced");
        definition["spec"]["versions"][0]["name"] = "v1alpha1".into();
        definition
    };
    let known = kubectl(&["get", "crd", "-o", "name"]);
    let wanted = [named("NetworkChaos", "networkchaos"), named("StressChaos", "stresschaos")];
    let missing: Vec<Value> = wanted
        .into_iter()
        .filter(|definition| !known.contains(definition["metadata"]["name"].as_str().unwrap()))
        .collect();
    let _definitions = Definitions::apply(&chaos, &missing);
    let network = "get networkchaos.chaos-mesh.org -o jsonpath={.items[*].spec.action}";
    let stress = "get stresschaos.chaos-mesh.org -o jsonpath={.items[*].spec.stressors.cpu.workers}";
    let latency = json!({"name": "slow", "latency": "10ms", "label_selectors": "app=web"});
    let busy = json!({"name": "busy", "workers": 2, "load": 10, "label_selectors": "app=web"});
    let steps = [
        act("chaosmesh.network.actions.add_latency", &latency),
        reads(network, "delay"),
        holds("chaosmesh.network.probes.get_network_faults", &json!({}), "slow"),
        act("chaosmesh.network.actions.delete_network_fault", &json!({"name": "slow"})),
        reads(network, "nothing"),
        act("chaosmesh.stress.actions.stress_cpu", &busy),
        reads(stress, "2"),
        holds("chaosmesh.stress.probes.get_stressors", &json!({}), "busy"),
        act("chaosmesh.stress.actions.delete_stressor", &json!({"name": "busy"})),
        reads(stress, "nothing"),
    ];
    play(&chaos, &namespace.0, &steps, &[]);
}

#[test]
#[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn the_rest_is_seen_from_its_other_side() {
    let (chaos, namespace) = (Chaos::new(), Namespace::new());
    let container = json!({"name": "main", "image": "testbed/busybox:1", "imagePullPolicy": "IfNotPresent"});
    let template = |name: &str, container: &Value| {
        json!({"metadata": {"labels": {"name": name, "app": name}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}})
    };
    let workload = |kind: &str, name: &str, container: &Value| {
        json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "labels": {"name": name}}, "spec": {
            "replicas": 1, "serviceName": name, "selector": {"matchLabels": {"app": name}},
            "template": template(name, container)}})
    };
    let mut deployment = workload("Deployment", "web", &container);
    deployment["spec"].as_object_mut().unwrap().remove("serviceName");
    let absent = json!({"name": "main", "image": "nowhere.invalid/none:1"});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "there"}});
    let mut late = workload("Deployment", "late", &absent);
    late["spec"].as_object_mut().unwrap().remove("serviceName");
    let list = json!({"apiVersion": "v1", "kind": "List",
        "items": [deployment, late, workload("StatefulSet", "stuck", &absent), secret]});
    let file = chaos.write("list.json", list.to_string());
    kubectl(&["-n", &namespace.0, "apply", "-f", file.to_str().unwrap()]);
    kubectl(&["-n", &namespace.0, "rollout", "status", "deployment/web", "--timeout=60s"]);
    let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "door"},
        "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}});
    chaos.write("ingress.json", ingress.to_string());
    let node = &namespace.0;
    let meta = json!({"meta": {"name": node, "labels": {"made-for": node}}});
    let ready = json!({"type": "Ready", "status": "False", "reason": "Made", "message": "nobody runs it"});
    let status = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": {"made-for": node}},
        "status": {"conditions": [ready]}});
    chaos.write("node.json", status.to_string());
    let _made = Made(node.clone());
    let label = |selector: &str| json!({"label_selector": selector});
    let touch = json!({"cmd": "/bin/busybox touch /tmp/touched", "label_selector": "app=web", "container_name": "main"});
    let web = |more: Value| {
        let mut arguments = json!({"name": "web"});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let none = json!({});
    let steps = [
        act("networking.actions.create_ingress", &json!({"spec_path": "ingress.json"})),
        reads("get ingress -o jsonpath={.items[*].metadata.name}", "door"),
        act("networking.actions.delete_ingress", &json!({"name": "door"})),
        reads("get ingress -o name", "nothing"),
        act("pod.actions.exec_in_pods", &touch),
        reads("exec deployment/web -- /bin/busybox ls /tmp/touched", "/tmp/touched"),
        act("node.actions.create_node", &meta),
        reads(&format!("get node {node} -o name"), node),
        holds("node.probes.get_nodes", &label(&format!("made-for={node}")), node),
        reads(&format!("replace --raw /api/v1/nodes/{node}/status -f node.json"), node),
        holds(
            "node.probes.all_nodes_must_be_ready_to_schedule",
            &label(&format!("made-for={node}")),
            "false",
        ),
        act("node.actions.delete_nodes", &label(&format!("made-for={node}"))),
        reads(&format!("get nodes -l made-for={node} -o name"), "nothing"),
        fails("node.probes.get_nodes", &label("a b"), "unable to parse"),
        holds("node.probes.get_all_node_status_conditions", &none, "Ready"),
        fails("node.probes.get_all_node_status_conditions", &label("a b"), "unable to parse"),
        holds("event.probes.get_events", &json!({"limit": 5}), "\"items\""),
        fails("event.probes.get_events", &label("a b"), "unable to parse"),
        holds("probes.deployment_is_not_fully_available", &json!({"name": "late", "timeout": 5}), ""),
        fails("probes.deployment_is_not_fully_available", &web(json!({"timeout": 1})), "web"),
        holds("probes.microservice_is_not_available", &json!({"name": "absent"}), "true"),
        fails("probes.microservice_is_not_available", &web(json!({})), "is actually running"),
        holds("probes.deployment_not_fully_available", &json!({"name": "late", "timeout": 5}), ""),
        holds("probes.read_microservices_logs", &web(json!({})), "web"),
        fails("probes.read_microservices_logs", &web(json!({"from_previous": true})), "previous"),
        holds("probes.secret_exists", &json!({"name": "there"}), "true"),
        holds("probes.secret_exists", &json!({"name": "absent"}), "false"),
        holds(
            "statefulset.probes.statefulset_not_fully_available",
            &json!({"name": "stuck", "timeout": 5}),
            "true",
        ),
    ];
    play(&chaos, &namespace.0, &steps, &[]);
}

/// Whoever may do nothing is told so by every probe, with what shows it.
#[test]
#[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn every_probe_says_which_right_is_missing() {
    let (chaos, namespace) = (Chaos::new(), Namespace::new());
    let steps: Vec<Step> = functions()
        .filter(|function| !function.is_action && !function.needs.is_empty())
        .map(|probe| {
            let required = probe.arguments.iter().filter(|a| a.default == Standard::Required);
            let given = required.map(|argument| {
                let value = match argument.name {
                    "conditions" => json!([{"type": "Ready", "status": "True"}]),
                    "condition_type" | "condition_status" => json!("Ready"),
                    name if name.contains("label_selector") => json!("app=web"),
                    _ => json!("web"),
                };
                (argument.name.to_owned(), value)
            });
            let arguments = Value::Object(given.collect());
            let name = format!("{}.{}", probe.module.strip_prefix("chaosk8s.").unwrap(), probe.name);
            fails(&name, &arguments, "kubectl auth can-i ")
        })
        .collect();
    assert!(steps.len() > 40, "only {} probes", steps.len());
    play(&chaos, &namespace.0, &steps, &["--as", "nobody-in-particular"]);
}
