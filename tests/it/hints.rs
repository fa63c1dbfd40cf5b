//! Following the hints of `validate`, one by one, leads to a valid experiment that does no more than the first one.

use serde_json::{Value, json};

use crate::harness::{Sandbox, experiment};

fn function(module: &str, name: &str, arguments: &Value) -> Value {
    json!({"type": "action", "name": "a", "provider":
        {"type": "python", "module": module, "func": name, "arguments": arguments}})
}

/// An experiment whose hypothesis has a probe with this path.
fn with_path(path: &str) -> Value {
    let mut whole = experiment(&json!([]));
    let probe = json!({"type": "probe", "name": "p", "provider": {"type": "process", "path": "true"},
        "tolerance": {"type": "jsonpath", "path": path, "count": 1, "target": "stdout"}});
    whole["steady-state-hypothesis"] = json!({"title": "h", "probes": [probe]});
    whole
}

/// The parent of a place, and the last key.
fn split(path: &str) -> (&str, String) {
    let (parent, key) = path.rsplit_once('/').unwrap();
    (parent, key.replace("~1", "/").replace("~0", "~"))
}

/// The text between the first pair of quotation marks, and the rest.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once('"')?;
    rest.split_once('"')
}

/// Removes the entry at a path, and returns it.
fn take(whole: &mut Value, path: &str) -> Value {
    let (parent, key) = split(path);
    whole.pointer_mut(parent).and_then(|parent| parent.as_object_mut()?.remove(&key)).unwrap()
}

fn put(whole: &mut Value, path: &str, value: Value) {
    let (parent, key) = split(path);
    if whole.pointer(parent).is_none() {
        put(whole, parent, json!({}));
    }
    match whole.pointer_mut(parent).unwrap() {
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        parent => drop(parent.as_object_mut().unwrap().insert(key, value)),
    }
}

/// Does what a hint says. Panics if it says nothing that can be done.
fn follow(whole: &mut Value, diagnostic: &Value) {
    let path = diagnostic["path"].as_str().unwrap();
    let hint = diagnostic["hint"].as_str().unwrap_or_else(|| panic!("no hint: {diagnostic:#}"));
    let message = diagnostic["message"].as_str().unwrap();
    let (parent, _) = split(path);
    let is_key = message.contains("unknown key") || message.contains("is not part of the function");
    if let Some(rest) = hint.strip_prefix("did you mean ") {
        let name = quoted(rest).unwrap().0;
        if is_key {
            let value = take(whole, path);
            put(whole, &format!("{parent}/{name}"), value);
        } else {
            put(whole, path, json!(name));
        }
    } else if let Some((name, module)) = hint.strip_prefix("use ").and_then(|hint| hint.split_once(" of ")) {
        put(whole, &format!("{parent}/func"), json!(quoted(name).unwrap().0));
        put(whole, &format!("{parent}/module"), json!(quoted(module).unwrap().0));
    } else if let Some((name, rest)) = hint.strip_prefix("use ").and_then(quoted) {
        let value = take(whole, path);
        let value = rest.strip_prefix(": ").map_or(value, |text| serde_json::from_str(text).unwrap());
        put(whole, &format!("{parent}/{name}"), value);
    } else if let Some(value) = hint.strip_prefix("write ") {
        let value = value.trim_end_matches(" without quotes");
        put(whole, path, serde_json::from_str(value).unwrap_or_else(|_| json!(value)));
    } else if let Some(rest) = hint.strip_prefix("set one of ") {
        let first = rest.split([',', ' ']).next().unwrap();
        put(whole, &format!("{path}/{first}"), json!("app=web"));
    } else if let Some(name) = hint.strip_prefix("set ") {
        put(whole, &format!("{path}/{}", name.split(' ').next().unwrap()), json!("web"));
    } else if hint.starts_with("move it into the provider") {
        let value = take(whole, path);
        let (_, key) = split(path);
        put(whole, &format!("{parent}/provider/{key}"), value);
    } else if hint.starts_with("move it into the arguments") {
        let value = take(whole, path);
        let (_, key) = split(path);
        let arguments = format!("{parent}/arguments");
        if whole.pointer(&arguments).is_none() {
            put(whole, &arguments, json!({}));
        }
        put(whole, &format!("{arguments}/{key}"), value);
    } else if let Some(name) =
        hint.strip_prefix("declare ").and_then(|rest| rest.strip_suffix(" in the configuration"))
    {
        whole["configuration"][name] = json!("http://127.0.0.1:1/");
    } else if hint.starts_with("remove") {
        take(whole, path);
    } else {
        panic!("{hint:?} of {diagnostic:#}");
    }
}

/// Follows the hints until the experiment is valid.
fn follow_all(mut whole: Value) -> Value {
    let sandbox = Sandbox::new();
    for _ in 0..6 {
        sandbox.write("e.json", whole.to_string());
        let report = sandbox.run(["validate", "-o", "json", "e.json"]).json();
        let diagnostics = report["files"][0]["diagnostics"].as_array().unwrap().clone();
        match diagnostics.iter().find(|diagnostic| diagnostic["severity"] == "error") {
            None => return whole,
            Some(error) => follow(&mut whole, error),
        }
    }
    panic!("still invalid: {whole:#}");
}

#[test]
fn followed_hints_lead_to_a_valid_experiment() {
    let provider =
        |provider: Value| experiment(&json!([{"type": "action", "name": "a", "provider": provider}]));
    let kill = |arguments: Value| {
        experiment(&json!([function("chaosk8s.pod.actions", "terminate_pods", &arguments)]))
    };
    let http = |entries: Value| {
        let mut request = json!({"type": "http", "url": "http://127.0.0.1:1/"});
        request.as_object_mut().unwrap().extend(entries.as_object().unwrap().clone());
        provider(request)
    };
    let misplaced = |key: &str, value: Value| {
        let mut action =
            function("chaosk8s.pod.actions", "terminate_pods", &json!({"label_selector": "app=web"}));
        if key == "arguments" {
            action["provider"].as_object_mut().unwrap().remove("arguments");
        }
        action[key] = value;
        let mut whole = experiment(&json!([action]));
        whole["secrets"] = json!({"k8s": {"KUBERNETES_CONTEXT": "staging"}});
        whole
    };
    let mistakes = [
        kill(json!({"rand": true, "qty": 1})),
        kill(json!({})),
        kill(json!({"name": "web"})),
        kill(json!({"namespace": "shop", "labels": "app=web"})),
        kill(json!({"label_selector": "app=web", "order": "odlest", "mode": "fixd"})),
        experiment(&json!([function(
            "chaosk8s.pod.action",
            "terminate_pods",
            &json!({"label_selector": "a"})
        )])),
        experiment(&json!([function(
            "chaosk8s.deployment.actions",
            "restart_deployment",
            &json!({"name": "a"})
        )])),
        experiment(&json!([function("chaosk8s.pod.actions", "delete_pod", &json!({"name": "a"}))])),
        experiment(&json!([function(
            "chaosk8s.node.actions",
            "delete_nodes",
            &json!({"count": 1, "rand": true})
        )])),
        experiment(&json!([function("chaosk8s.deployment.actions", "rollout_deployment", &json!({}))])),
        experiment(&json!([{"type": "probe", "name": "p", "provider": {"type": "python",
            "module": "chaosk8s.utils.probes", "func": "deployment_is_fully_available", "arguments": {"name": "a"}}}])),
        misplaced("secrets", json!(["k8s"])),
        misplaced("arguments", json!({"label_selector": "app=web", "ns": "shop"})),
        provider(json!({"type": "python", "module": "chaosk8s.pod.actions", "func": "terminate_pods",
            "label_selector": "app=web", "ns": "shop"})),
        provider(json!({"type": "process", "path": "true", "argument": ["x"], "timeout": "3s"})),
        http(json!({"url": "$unknown"})),
        http(json!({"url": "http://http://127.0.0.1:1/"})),
        http(json!({"verify_tls": "false"})),
        http(json!({"verify_tls": 1})),
        http(json!({"headers": ""})),
        http(json!({"header": {"A": "b"}})),
        with_path("$.items[?name=='x']"),
        with_path("$.items[?name==\"x\"]"),
        with_path("items[0].a-b"),
    ];
    for mistake in mistakes {
        let sandbox = Sandbox::new();
        sandbox.write("e.json", mistake.to_string());
        sandbox.run(["validate", "e.json"]).exits(3);
        let mended = follow_all(mistake.clone());
        let arguments = &mended["method"][0]["provider"]["arguments"];
        assert!(arguments["all"].is_null(), "the hints select every Pod: {mended:#}");
        let given = &mistake["method"][0]["provider"]["arguments"];
        for bound in ["qty", "rand", "count"] {
            assert_eq!(arguments[bound], given[bound], "{mended:#}");
        }
    }
}

#[test]
fn foreign_document_is_named_with_the_way_out() {
    let sandbox = Sandbox::new();
    let check = |document: &Value, what: &str, hint: &str| {
        sandbox.write("e.json", document.to_string());
        let report = sandbox.run(["validate", "-o", "json", "e.json"]).exits(3).json();
        let diagnostics = report["files"][0]["diagnostics"].as_array().unwrap();
        assert_eq!(diagnostics.len(), 1, "{report:#}");
        assert_eq!(diagnostics[0]["message"], format!("this is {what}, not an experiment"));
        assert!(diagnostics[0]["hint"].as_str().unwrap().contains(hint), "{report:#}");
    };
    let manifest =
        |version: &str, kind: &str| json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}});
    check(
        &manifest("litmuschaos.io/v1alpha1", "ChaosEngine"),
        "a ChaosEngine of LitmusChaos",
        "kubectl chaos init",
    );
    check(
        &manifest("chaos-mesh.org/v1alpha1", "PodChaos"),
        "a PodChaos of Chaos Mesh",
        "create_custom_object",
    );
    check(&manifest("apps/v1", "Deployment"), "a Kubernetes manifest of kind Deployment", "kubectl");
    let mut map = manifest("v1", "ConfigMap");
    map["data"] = json!({"experiment.json": "{\"title\": \"t\", \"method\": [{\"provider\": {}}]}"});
    check(&map, "a ConfigMap that contains an experiment", "'experiment.json'");
    check(&json!({"configuration": {"a": 1}}), "a variable file", "--var-file");
    check(&json!({"schema": "kubectl-chaos/comparison/v1"}), "a comparison of kubectl-chaos", "experiment");
    check(&json!({"resources": ["a.yaml"]}), "a kustomization", "kubectl apply -k");
    check(&json!({"replicaCount": 1, "image": {}}), "a file of Helm values", "helm");
    sandbox.write("ok.json", experiment(&json!([])).to_string());
    sandbox.run(["run", "ok.json", "--events-file", "events.jsonl"]).exits(0);
    check(&sandbox.journal(), "a journal", "kubectl chaos report");
    // texts that are not one document, in every command that reads an experiment
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";
    sandbox.write("pods.yaml", format!("{pod}---\n{pod}"));
    sandbox.write("chart.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Values.name }}}\n");
    sandbox.write("both.yaml", format!("{pod}---\ntitle: t\nmethod: []\n"));
    for (file, what, hint) in [
        ("pods.yaml", "a file with 2 Kubernetes manifests", "kubectl chaos init"),
        ("chart.yaml", "a template", "helm"),
        ("both.yaml", "a file with 2 documents, one of them an experiment", "a file of its own"),
        ("events.jsonl", "an events file", "pass the experiment itself"),
        ("journal.json", "a journal", "kubectl chaos report"),
    ] {
        let message = format!("this is {what}, not an experiment");
        for command in [vec!["validate", file], vec!["run", "--journal-path", "x.json", file]] {
            let finished = sandbox.run(&command).exits(3);
            let shown = finished.stdout + &finished.stderr;
            assert_eq!(shown.matches(&message).count(), 1, "{command:?}: {shown}");
            assert!(shown.contains(hint), "{command:?}: {shown}");
        }
    }
}

#[test]
fn file_that_is_not_a_journal_is_named_with_the_way_out() {
    let sandbox = Sandbox::new();
    sandbox.write("ok.json", experiment(&json!([])).to_string());
    sandbox.run(["run", "ok.json", "--events-file", "events.jsonl", "--html", "r.html"]).exits(0);
    sandbox.write("ok.yaml", "title: t\ndescription: d\nmethod: []\n");
    sandbox.run(["run", "ok.json", "--journal-path", "second.json"]).exits(0);
    let compared = sandbox.run(["compare", "journal.json", "second.json", "-o", "json"]).exits(8).stdout;
    sandbox.write("comparison.json", compared);
    for (file, what, hint) in [
        ("ok.json", "an experiment", "run it with `kubectl chaos run`"),
        ("ok.yaml", "an experiment", "run it with `kubectl chaos run`"),
        ("events.jsonl", "an events file", "journal.json"),
        ("comparison.json", "a comparison of kubectl-chaos", "the journals of the runs"),
        ("r.html", "an HTML or XML file", "journal.json"),
    ] {
        let message = format!("{file}: this is {what}, not a journal");
        for command in [vec!["report", file], vec!["compare", "journal.json", file]] {
            let finished = sandbox.run(&command).exits(3).reports(&message);
            assert!(finished.stderr.contains(hint), "{command:?}: {}", finished.stderr);
        }
    }
}

#[test]
fn json_with_comments_is_valid_as_yaml() {
    let text = "{\n  \"title\": \"t\", # a comment\n  \"description\": \"d\",\n  \"method\": []\n}\n";
    let sandbox = Sandbox::new();
    sandbox.write("e.json", text);
    let report = sandbox.run(["validate", "-o", "json", "e.json"]).exits(3).json();
    let diagnostic = &report["files"][0]["diagnostics"][0];
    assert_eq!((&diagnostic["line"], &diagnostic["column"]), (&json!(2), &json!(17)), "{report:#}");
    assert!(diagnostic["hint"].as_str().unwrap().starts_with("save the file as .yaml"), "{report:#}");
    sandbox.write("e.yaml", text);
    sandbox.run(["validate", "e.yaml"]).exits(0);
    sandbox.write("e.json", "{\"title\": \"t\" // a comment\n}");
    let report = sandbox.run(["validate", "-o", "json", "e.json"]).exits(3).json();
    let hint = &report["files"][0]["diagnostics"][0]["hint"];
    assert_eq!(hint, "remove the comments: JSON has none");
}

#[test]
fn first_error_of_validate_is_shown_once() {
    let sandbox = Sandbox::new();
    sandbox.write("e.json", json!({"description": "d", "method": []}).to_string());
    let count = |finished: &crate::harness::ProcessResult| {
        (finished.stdout.clone() + &finished.stderr).matches("experiment requires a title").count()
    };
    assert_eq!(count(&sandbox.run(["validate", "e.json"]).exits(3)), 1);
    assert_eq!(count(&sandbox.run(["run", "e.json"]).exits(3)), 1);
    let trial = ["trial", "e.json", "--embedded", "--before", "e.json", "--after", "e.json"];
    assert_eq!(count(&sandbox.run(trial).exits(3)), 1);
    assert_eq!(count(&sandbox.run(["doctor", "e.json"]).exits(3)), 1);
    // tools of the Chaos Toolkit search for its line
    for command in ["validate", "run"] {
        assert_eq!(count(&sandbox.run([command, "e.json", "--exit-code=chaostoolkit"]).exits(1)), 2);
    }
}

#[test]
fn invalid_variable_file_is_refused_before_anything_runs() {
    let sandbox = Sandbox::new();
    let touch = json!([{"type": "action", "name": "a",
        "provider": {"type": "process", "path": "touch", "arguments": ["touched"]}}]);
    sandbox.write("e.json", experiment(&touch).to_string());
    for (name, text, shows) in [
        ("v.json", "{\"configuration\": ", "broken JSON"),
        ("v.yaml", "configuration: [", "v.yaml:"),
        ("v.json", "{\"a\": \"1\"}", "unknown key \"a\" in a variable file"),
        ("v.json", "[1]", "a variable file cannot be a list"),
        ("v.json", "{\"Configuration\": {}}", "did you mean \"configuration\"?"),
        ("v.env", "A", "expected NAME=value"),
    ] {
        sandbox.write(name, text);
        sandbox.run(["run", "e.json", "--var-file", name]).exits(3).reports(shows);
        assert!(!sandbox.path("touched").exists() && !sandbox.path("journal.json").exists(), "{text}");
        sandbox.run(["validate", "e.json", "--var-file", name]).exits(3);
    }
    // as the Chaos Toolkit
    sandbox.write("v.json", "{\"a\": \"1\"}");
    sandbox
        .run(["run", "e.json", "--var-file", "v.json", "--strict=false"])
        .exits(0)
        .reports("v.json:1:2: unknown key");
}

#[test]
fn dynamic_configuration_needs_no_name() {
    let sandbox = Sandbox::new();
    let mut whole = experiment(&json!([{"type": "probe", "name": "say", "provider":
        {"type": "process", "path": "echo", "arguments": ["${greeting}"]}}]));
    whole["configuration"] = json!({"greeting": {"type": "probe", "provider":
        {"type": "process", "path": "echo", "arguments": ["-n", "hi"]}}});
    sandbox.experiment(&whole, crate::harness::NONE).exits(0);
    assert_eq!(sandbox.journal()["run"][0]["output"]["stdout"], "hi\n");
}
