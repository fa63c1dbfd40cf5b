//! Manifests of `--apply`: which workloads a run waits for, how probes reach them, and what is left out.

use serde_json::{Value, json};

use super::run::example;
use crate::harness::Sandbox;

const IMAGE: &str = "ghcr.io/kubectl-chaos/kubectl-chaos:0.1.0";

/// A Pod of the demo provider; its template has a name, which Deployments ignore.
fn provider_template() -> Value {
    json!({"metadata": {"name": "ignored", "namespace": "ignored", "labels": {"app": "web"}}, "spec": {"containers": [
        {"name": "c", "image": IMAGE, "args": ["sample-app", "provider"], "ports": [{"containerPort": 8080}]}]}})
}

fn deployment(replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": replicas,
        "selector": {"matchLabels": {"app": "web"}}, "template": provider_template()}})
}

fn service() -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}})
}

/// Writes manifests that `--apply k8s` applies.
fn with_manifests(manifests: &[Value]) -> Sandbox {
    let sandbox = Sandbox::new();
    for (index, manifest) in manifests.iter().enumerate() {
        sandbox.write(&format!("k8s/{index}.json"), manifest.to_string());
    }
    sandbox
}

fn request(provider: Value) -> Value {
    let mut provider = provider;
    provider["type"] = json!("http");
    json!({"type": "probe", "name": "answers", "tolerance": 200, "provider": provider})
}

fn python(kind: &str, module: &str, function: &str, arguments: &Value) -> Value {
    json!({"type": kind, "name": function,
        "provider": {"type": "python", "module": module, "func": function, "arguments": arguments}})
}

fn experiment(probes: &[Value], method: &[Value]) -> Value {
    json!({"title": "t", "description": "d", "method": method,
        "steady-state-hypothesis": {"title": "h", "probes": probes}})
}

fn count_pods(selector: &str, tolerance: &Value) -> Value {
    let arguments = json!({"label_selector": selector});
    let mut probe = python("probe", "chaosk8s.pod.probes", "count_pods", &arguments);
    probe["tolerance"] = tolerance.clone();
    probe
}

const APPLY: [&str; 3] = ["--embedded", "--apply", "k8s"];

#[test]
fn name_in_pod_template_is_ignored() {
    let sandbox = with_manifests(&[deployment(2)]);
    sandbox.experiment(&experiment(&[count_pods("app=web", &json!(2))], &[]), APPLY).exits(0);
}

#[test]
fn pods_and_replica_sets_without_controller_are_awaited() {
    let mut pod = provider_template();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"] = json!({"name": "one", "labels": {"app": "web"}});
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "set"}, "spec": {"replicas": 2,
        "selector": {"matchLabels": {"set": "yes"}}, "template": {"metadata": {"labels": {"set": "yes"}},
        "spec": {"containers": [{"name": "c", "image": "nginx"}]}}}});
    let sandbox = with_manifests(&[pod, set, service()]);
    let phase = |selector: &str| {
        let arguments = json!({"label_selector": selector, "phase": "Running"});
        let mut probe = python("probe", "chaosk8s.pod.probes", "pods_in_phase", &arguments);
        probe["tolerance"] = json!(true);
        probe
    };
    let probes = [phase("app=web"), phase("set=yes"), request(json!({"url": "http://web.default.svc/"}))];
    sandbox.experiment(&experiment(&probes, &[]), APPLY).exits(0);
    let broken = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "broken"},
        "spec": {"containers": [{"name": "c", "image": "embedded/no-such-image"}]}});
    let why = "Pod default/broken (not ready: ImagePullBackOff (image embedded/no-such-image))";
    with_manifests(&[broken]).experiment(&experiment(&[], &[]), APPLY).exits(4).reports(why);
}

#[test]
fn requests_that_the_proxy_cannot_pass_reach_a_pod() {
    let sandbox = with_manifests(&[deployment(1), service()]);
    let url = "http://web.default.svc/";
    // the demo application answers other methods than GET with 405
    let mut post = request(json!({"url": url, "method": "POST", "arguments": {"a": 1}}));
    post["tolerance"] = json!(405);
    let probes = [
        request(json!({"url": url, "headers": {"Host": "a.example.com"}})),
        post,
        request(json!({"url": url, "headers": {"Authorization": "Bearer x"}})),
        request(json!({"url": url})),
    ];
    sandbox.experiment(&experiment(&probes, &[]), APPLY).exits(0);
    let routes = sandbox.journal()["kubectl-chaos"]["services"].clone();
    assert_eq!(
        (&routes[0]["access"], &routes[1]["access"]),
        (&json!("port-forward"), &json!("proxy")),
        "{routes}"
    );
    // the demo application has no certificate: the connection itself is not refused
    let https = request(json!({"url": "https://web.default.svc/", "timeout": 5}));
    let sandbox = with_manifests(&[deployment(1), service()]);
    sandbox.experiment(&experiment(&[], &[https]), APPLY);
    let told = sandbox.journal()["run"][0]["exception"].to_string();
    assert!(!told.contains("501") && !told.contains("not support") && !told.contains("refused"), "{told}");
    // a simulated image listens on nothing
    let mut simulated = deployment(1);
    simulated["spec"]["template"]["spec"]["containers"][0]["image"] = json!("nginx:1.27");
    let sandbox = with_manifests(&[simulated, service()]);
    let post = request(json!({"url": url, "method": "POST"}));
    sandbox.experiment(&experiment(&[], &[post]), APPLY);
    let told = sandbox.journal()["run"][0]["exception"].to_string();
    let why = "connect: connection refused (image nginx:1.27 is simulated; nothing listens)";
    assert!(told.contains(why), "{told}");
}

#[test]
fn left_out_objects_are_named() {
    let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
        "spec": {}});
    let custom = json!({"apiVersion": "shop.example/v1", "kind": "Widget", "metadata": {"name": "w"}});
    let workload = |version: &str, kind: &str| {
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": {"serviceName": "x",
            "selector": {"matchLabels": {"x": "x"}}, "template": {"metadata": {"labels": {"x": "x"}}, "spec":
            {"restartPolicy": "Never", "containers": [{"name": "c", "image": "nginx"}]}}}})
    };
    let manifests = [
        scaler,
        custom,
        workload("apps/v1", "StatefulSet"),
        workload("apps/v1", "DaemonSet"),
        workload("batch/v1", "Job"),
        deployment(1),
    ];
    let sandbox = with_manifests(&manifests);
    let finished = sandbox.experiment(&experiment(&[count_pods("app=web", &json!(1))], &[]), APPLY).exits(0);
    for text in [
        "HorizontalPodAutoscaler \"web\": skipped; the embedded cluster does not serve HorizontalPodAutoscaler \
         (autoscaling/v2)",
        "Widget \"w\": skipped; the embedded cluster does not serve Widget (shop.example/v1)",
        "StatefulSet \"x\": the embedded cluster has no controller for this kind: no Pods are created",
        "DaemonSet \"x\": the embedded cluster has no controller",
        "Job \"x\": the embedded cluster has no controller",
    ] {
        assert!(finished.stderr.contains(text), "{text}\n{}", finished.stderr);
    }
    assert_eq!(finished.stderr.matches("the embedded cluster").count(), 5, "{}", finished.stderr);
}

#[test]
fn nodes_have_architecture_and_zone() {
    let nodes = |selector: &str| {
        let mut probe =
            python("probe", "chaosk8s.node.probes", "get_nodes", &json!({"label_selector": selector}));
        probe["tolerance"] = json!({"type": "jsonpath", "path": "$.items[*].metadata.name", "count": 1});
        probe
    };
    let probes = [
        nodes("topology.kubernetes.io/zone=embedded-a"),
        nodes(
            "failure-domain.beta.kubernetes.io/zone=embedded-b,kubernetes.io/arch=amd64,beta.kubernetes.io/os=linux",
        ),
    ];
    Sandbox::new().experiment(&experiment(&probes, &[]), ["--embedded"]).exits(0);
}

/// Runs an experiment that denies the ingress of the demo provider, with this request as its only probe.
fn deny_ingress(provider: Value) -> (Sandbox, Option<i32>) {
    let sandbox = with_manifests(&[deployment(1), service()]);
    let deny = python(
        "action",
        "chaosk8s.networking.actions",
        "deny_all_ingress",
        &json!({"label_selectors": {"app": "web"}}),
    );
    let allow = python("action", "chaosk8s.networking.actions", "remove_deny_all_ingress", &json!({}));
    let mut experiment = experiment(&[request(provider.clone())], &[deny]);
    experiment["rollbacks"] = json!([allow, request(provider)]);
    let code = sandbox.experiment(&experiment, APPLY.into_iter().chain(["--rollback-strategy=always"])).code;
    (sandbox, code)
}

#[test]
fn denied_ingress_is_enforced_until_it_is_removed() {
    let url = "http://web.default.svc/";
    // by the proxy, and by port-forward
    for headers in [json!({}), json!({"Host": "a.example.com"})] {
        let provider = json!({"url": url, "timeout": 2, "headers": headers});
        let (sandbox, code) = deny_ingress(provider.clone());
        let journal = sandbox.journal();
        assert_eq!((code, &journal["deviated"]), (Some(1), &json!(true)), "{provider}");
        let after = &journal["steady_states"]["after"]["probes"][0];
        assert!(after["exception"].to_string().contains("took too long"), "{provider}: {after}");
        assert_eq!(journal["rollbacks"][1]["output"]["status"], 200, "{provider}");
    }
}

#[test]
fn denied_egress_stops_the_calls_of_a_pod() {
    let sandbox = Sandbox::new();
    let (services, manifests) = (example("services"), example("01-before"));
    let apply = ["--embedded", "--apply", &services, "--apply", &manifests];
    let call = request(json!({"url": "http://my-consumer-service.default.svc/invokeConsumedService"}));
    let deny = python(
        "action",
        "chaosk8s.networking.actions",
        "deny_all_egress",
        &json!({"label_selectors": {"service": "my-consumer-service"}}),
    );
    sandbox.experiment(&experiment(std::slice::from_ref(&call), &[deny]), apply).exits(1);
    let seen = sandbox.journal()["steady_states"]["after"]["probes"][0]["output"].to_string();
    assert!(seen.contains("timed out executing GET"), "{seen}");
}

/// Writes a program called kubectl that prints a Deployment, and leaves the file `called`.
fn with_kubectl(kustomization: &str) -> Sandbox {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::new();
    let manifest = sandbox.write("built.json", deployment(1).to_string());
    let called = sandbox.path("called");
    let script = format!(
        "#!/bin/sh\necho \"$@\" > {}\nfor last; do :; done\n[ -e \"$last/broken\" ] && echo 'error: https://me:secret@h/x is broken' >&2 && exit 1\ncat {}\n",
        called.display(),
        manifest.display()
    );
    let program = sandbox.write("bin/kubectl", script);
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.write("k8s/kustomization.yaml", kustomization);
    let path = format!("{}:{}", sandbox.path("bin").display(), std::env::var("PATH").unwrap());
    sandbox.env("PATH", path)
}

#[test]
fn kustomization_is_built_by_kubectl() {
    let run = || experiment(&[count_pods("app=web", &json!(1))], &[]);
    let sandbox = with_kubectl("resources: [web.yaml]");
    sandbox.experiment(&run(), APPLY).exits(0);
    let k8s = sandbox.path("k8s").canonicalize().unwrap();
    assert_eq!(sandbox.read("called").trim_end(), format!("kustomize -- {}", k8s.display()));
    // the file stands for its directory
    sandbox.experiment(&run(), ["--embedded", "--apply", "k8s/kustomization.yaml"]).exits(0);
    // a message of kubectl is shown without credentials
    sandbox.write("k8s/broken", "");
    sandbox
        .experiment(&run(), APPLY)
        .exits(2)
        .reports("cannot build kustomization k8s: https://***@h/x is broken");
    // without kubectl
    let sandbox = sandbox.env("PATH", "/nowhere");
    let refused = sandbox.experiment(&run(), APPLY).exits(2);
    assert!(refused.stderr.contains("kubectl is not in PATH"), "{}", refused.stderr);
    assert!(refused.stderr.contains("kubectl kustomize k8s > manifests.yaml"), "{}", refused.stderr);
}

#[test]
fn remote_part_of_kustomization_is_named_and_refused_in_ci() {
    let remote = "resources: ['https://me:secret@example.com/base?ref=v1']";
    let sandbox = with_kubectl(remote);
    let run = experiment(&[count_pods("app=web", &json!(1))], &[]);
    let told = sandbox.experiment(&run, APPLY).exits(0);
    let why = "fetching 'https://***@example.com/base?ref=v1' from the network";
    assert!(told.stderr.contains(why) && !told.stderr.contains("secret"), "{}", told.stderr);
    std::fs::remove_file(sandbox.path("called")).unwrap();
    let refused =
        sandbox.run(["ci", "--experiment", "experiment.json", "--embedded", "--apply", "k8s"]).exits(2);
    let why = "refusing to fetch 'https://***@example.com/base?ref=v1' of kustomization k8s from the network";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
    assert!(!sandbox.path("called").exists());
}

#[test]
fn helm_chart_is_named_with_the_command_that_renders_it() {
    let sandbox = Sandbox::new();
    sandbox.write("chart/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n");
    let refused = sandbox.experiment(&experiment(&[], &[]), ["--embedded", "--apply", "chart"]).exits(2);
    assert!(refused.stderr.contains("chart is a Helm chart"), "{}", refused.stderr);
    assert!(refused.stderr.contains("helm template chart > manifests.yaml"), "{}", refused.stderr);
}

#[test]
fn inputs_with_byte_order_mark_are_read() {
    let sandbox = Sandbox::new();
    let mark = |text: String| format!("\u{feff}{text}");
    sandbox.write("k8s/web.yaml", mark(deployment(1).to_string()));
    let mut experiment = experiment(&[count_pods("${selector}", &json!(1))], &[]);
    experiment["configuration"] = json!({"selector": "app=none"});
    sandbox.write("e.json", mark(experiment.to_string()));
    sandbox.write("e.yaml", mark(experiment.to_string()));
    sandbox.write("vars.yaml", mark("configuration: {selector: app=web}\n".to_owned()));
    sandbox.write("settings.yaml", mark("notifications: {}\n".to_owned()));
    for file in ["e.json", "e.yaml"] {
        let flags = ["--var-file", "vars.yaml", "--settings", "settings.yaml"];
        let finished = sandbox.run(["run", file].into_iter().chain(APPLY).chain(flags)).exits(0);
        assert!(
            !finished.stderr.contains("settings") && !finished.stderr.contains("vars"),
            "{}",
            finished.stderr
        );
    }
}

#[test]
fn trial_names_what_the_embedded_cluster_leaves_out() {
    let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}});
    let set = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"}, "spec": {"selector":
        {"matchLabels": {"x": "x"}}, "template": {"metadata": {"labels": {"x": "x"}}, "spec": {"containers": [
        {"name": "c", "image": "nginx"}]}}}});
    let sandbox = with_manifests(&[deployment(1), scaler, set]);
    sandbox.write("experiment.json", experiment(&[count_pods("app=web", &json!(1))], &[]).to_string());
    // its runs are void at once
    let trial = sandbox.run([
        "trial",
        "experiment.json",
        "--embedded",
        "--before",
        "k8s",
        "--after",
        "k8s",
        "--ready-timeout",
        "1ms",
        "--repeat",
        "1",
    ]);
    for text in [
        "does not serve HorizontalPodAutoscaler (autoscaling/v2)",
        "DaemonSet \"agent\": the embedded cluster",
    ] {
        assert!(trial.stderr.contains(text), "{text}\n{}", trial.stderr);
    }
    assert!(trial.stderr.contains("2 runs, 1 per arm"), "{}", trial.stderr);
}
