//! Faults in Kubernetes: on an embedded cluster, and on a real one if `KUBECTL_CHAOS_TEST_CONTEXT` names it,
//! never on
//! the current context by accident. Each test has its own namespace.

use serde_json::{Value, json};

use crate::harness::{NONE, Sandbox, Server, Site, experiment, function, object, pod_spec};

#[test]
fn unreachable_cluster_is_detected_before_run() {
    let look = function("probe", "pod.probes", "count_pods", &json!({"label_selector": "app=web"}));
    let touch = json!({"type": "action", "name": "touch", "provider":
        {"type": "process", "path": "touch", "arguments": ["touched"]}});
    let method = json!([touch, look]);
    let refused = |sandbox: Sandbox, arguments: &[&str], text: &str| {
        sandbox.experiment(&experiment(&method), arguments).exits(4).reports(text);
        assert!(!sandbox.path("touched").exists() && !sandbox.path("journal.json").exists());
    };
    refused(Sandbox::new(), &[], "no cluster configured: no kubeconfig at");
    refused(Sandbox::new(), &["--server", "http://127.0.0.1:1"], "cannot reach http://127.0.0.1:1");
    let described = |server: &str| {
        json!({"apiVersion": "v1", "kind": "Config", "current-context": "one",
            "clusters": [{"name": "c", "cluster": {"server": server}}], "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}]})
        .to_string()
    };
    let sandbox = Sandbox::new();
    let file = sandbox.write("config", described("http://127.0.0.1:1")).to_str().unwrap().to_owned();
    refused(sandbox, &["--kubeconfig", &file, "--context", "two"], "Expected object with name two");
    let sandbox = Sandbox::new();
    let list = format!("nowhere:{}", sandbox.write("config", described("http://127.0.0.1:1")).display());
    refused(sandbox.env("KUBECONFIG", list), &[], "context one");
    // errors in flags name the flag and the valid values
    let with_config = |arguments: &[&str], text: &str| {
        let sandbox = Sandbox::new();
        sandbox.write("config", described("http://127.0.0.1:1"));
        sandbox.write("none", "a: b\n");
        refused(sandbox, arguments, text);
    };
    let config = |more: &[&'static str]| [&["--kubeconfig", "config"], more].concat();
    with_config(&config(&["--cluster", "nope"]), "--cluster nope: config has no such cluster");
    with_config(&config(&["--user", "nope"]), "--user nope: config has no such user");
    let authority = config(&["--certificate-authority", "nope.pem"]);
    with_config(&authority, "--certificate-authority nope.pem: cannot read the file: ");
    with_config(&["--kubeconfig", "nope"], "cannot use the cluster: cannot read nope: No such file");
    with_config(&["--kubeconfig", "none"], "check that the file is a kubeconfig");
    with_config(
        &config(&[]),
        "cannot use the cluster: cannot reach http://127.0.0.1:1 (config, context one): ",
    );
    let server = Server::start(|_| crate::harness::refused(401, "Unauthorized", &Value::Null));
    let sandbox = Sandbox::new();
    sandbox.write("config", described(&server.url("")));
    let named = format!("cannot use the cluster at {} (config, context one): ", server.url(""));
    refused(sandbox, &config(&[]), &named);
    with_config(&["--server", "http://127.0.0.1:1"], "(--server)");
    // runs that are not strict detect it during the activity, like the Chaos Toolkit
    let sandbox = Sandbox::new();
    sandbox.experiment(&experiment(&method), ["--strict=false"]).exits(0);
    assert_eq!(sandbox.journal()["run"][1]["status"], "failed");
    // an experiment without Kubernetes activities needs no cluster
    Sandbox::new().experiment(&experiment(&json!([])), NONE).exits(0);
}

/// A killed Pod is confirmed gone and replaced; an action without targets is no success.
fn killed_pod_is_confirmed_gone(site: &Site) {
    let path = site.at("apps/v1", "deployments/web");
    let spec = json!({"replicas": 2, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod_spec("testbed/busybox:1")}});
    site.create(
        &site.at("apps/v1", "deployments"),
        &object("apps/v1", "Deployment", "web", &json!({"spec": spec})),
    );
    site.until(&path, |answer| answer.body["status"]["availableReplicas"] == 2);
    let run = |method: Value, code: i32| {
        let finished = site.run(&method, &["-o", "json"]).exits(code);
        (finished, site.sandbox.journal()["kubectl-chaos"].clone())
    };
    let kill = |labels: &str| {
        function("action", "pod.actions", "terminate_pods", &json!({"label_selector": labels}))
    };
    let wait = function("probe", "deployment.probes", "deployment_fully_available", &json!({"name": "web"}));
    let (_, told) = run(json!([kill("app=web"), wait]), 0);
    let action = &told["activities"][0];
    assert_eq!(action["effect"]["state"], "confirmed", "{told:#}");
    assert_eq!((&action["targets"][0]["kind"], &told["namespace"]), (&json!("Pod"), &json!(site.namespace)));
    assert!(told["cluster"]["uid"].is_string());
    let uid = &action["targets"][0]["uid"];
    let pods = site.read(&site.at("v1", "pods?labelSelector=app%3Dweb")).body;
    let stays =
        |pod: &Value| pod["metadata"]["uid"] == *uid && pod["metadata"]["deletionTimestamp"].is_null();
    assert!(uid.is_string() && !pods["items"].as_array().unwrap().iter().any(stays), "{uid} in {pods:#}");

    // no Pod matched: nothing was attempted, and nothing is proven
    let (_, told) = run(json!([kill("app=absent")]), 5);
    assert_eq!(told["activities"][0]["effect"]["state"], "mismatch");

    // scaling is confirmed, too
    let scale =
        function("action", "deployment.actions", "scale_deployment", &json!({"name": "web", "replicas": 1}));
    let (_, told) = run(json!([scale]), 0);
    assert_eq!(told["activities"][0]["effect"]["state"], "confirmed", "{told:#}");
    assert_eq!(site.read(&path).body["status"]["replicas"], 1);
}

/// Two Deployments with the same two deprecated fields, of which Kubernetes 1.20 reports none.
fn warnings_are_shown_once_each(site: &Site) {
    let create = |name: &str| {
        let mut spec = pod_spec("testbed/busybox:1");
        spec["nodeSelector"] = json!({"beta.kubernetes.io/arch": "amd64"});
        spec["volumes"] = json!([{"name": "v", "gitRepo": {"repository": "https://git.invalid/x.git"}}]);
        let labels = json!({"app": name});
        let spec = json!({"replicas": 0, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec}});
        let deployment = object("apps/v1", "Deployment", name, &json!({"spec": spec}));
        let path = site.sandbox.write(&format!("{name}.json"), deployment.to_string());
        function("action", "deployment.actions", "create_deployment", &json!({"spec_path": path}))
    };
    let finished = site.run(&json!([create("one"), create("two")]), &[]).exits(0);
    let shown: Vec<&str> = finished
        .stderr
        .lines()
        .filter_map(|line| line.split_once("the API server warns: "))
        .map(|w| w.1)
        .collect();
    let version = site.read("/version").body["minor"].as_str().map(str::to_owned).expect("a version");
    let is_old = version.trim_end_matches('+').parse::<u32>().expect("a number") < 25;
    let expected: &[&str] = &[
        "spec.template.spec.nodeSelector[beta.kubernetes.io/arch]: deprecated since v1.14",
        "spec.template.spec.volumes[0].gitRepo: deprecated in v1.11",
    ];
    let expected = if is_old { &[] } else { expected };
    assert_eq!(shown.len(), expected.len(), "{}", finished.stderr);
    for text in expected {
        assert_eq!(shown.iter().filter(|warning| warning.starts_with(text)).count(), 1, "{text}: {shown:?}");
    }
}

mod on_embedded {
    #[test]
    fn killed_pod_is_confirmed_gone() {
        super::killed_pod_is_confirmed_gone(&super::Site::embedded());
    }
}

mod on_real {
    #[test]
    #[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
    fn killed_pod_is_confirmed_gone() {
        super::killed_pod_is_confirmed_gone(&super::Site::real());
    }

    #[test]
    #[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
    fn warnings_of_the_api_server_are_shown_once_each() {
        super::warnings_are_shown_once_each(&super::Site::real());
    }
}
