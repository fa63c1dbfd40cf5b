//! Every field of two full experiments with values of every other kind: validation refuses the value with its place,
//! or the run neither aborts nor fails for a reason that is visible in the file.
//!
//! `cargo test` runs a fixed tenth of the cases; `.ci/full` runs all of them.

use serde_json::{Value, json};

use crate::harness::{Response, Sandbox, Server, Site, function, object, pod_spec};

/// The values, as JSON. The parser accepts `NaN` and `Infinity`, as Python does.
const VALUES: [&str; 17] = [
    "null",
    "true",
    "false",
    "2",
    "0",
    "-1",
    "1.5",
    "NaN",
    "Infinity",
    "\"text\"",
    "\"\"",
    "\"${number}\"",
    "\"$unknown\"",
    "[]",
    "[[]]",
    "{}",
    "{\"a\": {}}",
];
/// A text that a value replaces.
const MARK: &str = "@value@";
/// Errors of an activity whose reason is in the file.
const VISIBLE: [&str; 14] = [
    "TypeError",
    "ValueError",
    "AttributeError",
    "KeyError",
    "re.error",
    "ApiValueError",
    "(400)",
    "(422)",
    "is invalid",
    "is negative",
    "invalid name",
    "cannot process",
    "cannot encode",
    "took too long",
];

fn process(arguments: &Value) -> Value {
    json!({"type": "process", "path": "echo", "arguments": arguments})
}

fn probe(name: &str, tolerance: &Value, provider: &Value) -> Value {
    json!({"type": "probe", "name": name, "tolerance": tolerance, "provider": provider})
}

/// An experiment with processes, requests, and every kind of tolerance.
fn general(server: &Server) -> Value {
    let request = json!({"type": "http", "url": server.url("/"), "timeout": 5});
    let full_request = json!({"type": "http", "url": server.url("/"), "method": "POST", "timeout": [2, 5],
        "headers": {"X-Text": "x", "X-Secret": "${key}"}, "arguments": {"a": 1}, "verify_tls": true, "max_retries": 1});
    let guard = json!({"type": "probe", "name": "guard", "tolerance": 0, "frequency": 5, "background": true,
        "provider": process(&json!(["x"]))});
    json!({
        "title": "t", "description": "d", "tags": ["x"],
        "configuration": {"number": 5, "status": 0, "env": {"type": "env", "key": "HOME", "default": "x"},
            "dynamic": {"type": "probe", "name": "ask", "provider": process(&json!(["1"]))}},
        "secrets": {"group": {"key": "secret", "env": {"type": "env", "key": "HOME"}}},
        "controls": [{"name": "c", "scope": "before", "automatic": true, "provider": {"type": "python",
            "module": "chaosaddons.controls.safeguards", "arguments": {"probes": [guard]}}}],
        "extensions": [{"name": "kubectl-chaos", "activities": {"act": {"allow-empty": true}}}],
        "runtime": {"hypothesis": {"strategy": "default"}, "rollbacks": {"strategy": "default"}},
        "steady-state-hypothesis": {"title": "h", "probes": [
            probe("status", &json!("${status}"), &process(&json!("x"))),
            probe("set", &json!([200, 201]), &request),
            probe("regex", &json!({"type": "regex", "pattern": "^x", "target": "stdout"}), &process(&json!(["x"]))),
            probe("path", &json!({"type": "jsonpath", "path": "$.a", "target": "body", "count": 1, "expect": [1]}), &request),
            probe("range", &json!({"type": "range", "range": [0, 5], "target": "stdout"}), &process(&json!([4]))),
        ]},
        "method": [
            {"type": "action", "name": "act", "provider": {"type": "process", "path": "echo",
                "arguments": ["${dynamic}"], "timeout": 5}, "pauses": {"before": 0, "after": 0}, "background": false},
            {"type": "probe", "name": "ask", "provider": full_request},
            {"ref": "act"},
        ],
        "rollbacks": [{"type": "action", "name": "undo", "provider": process(&json!({"--flag": "x"}))}],
    })
}

/// An experiment with functions, which passes on the site.
fn with_functions(site: &Site) -> Value {
    let ns = &site.namespace;
    let count = function(
        "probe",
        "pod.probes",
        "count_pods",
        &json!({"label_selector": "app=web", "phase": "Running", "ns": ns}),
    );
    let wait = function(
        "probe",
        "deployment.probes",
        "deployment_fully_available",
        &json!({"name": "web", "ns": ns, "timeout": 5, "label_selector": "app=web"}),
    );
    let judge = json!({"type": "probe", "name": "judge", "provider": {"type": "python",
        "module": "chaosk8s.pod.probes", "func": "should_be_found_in_logs",
        "arguments": {"pattern": ".", "all_containers": false}}});
    let tolerated = |mut activity: Value, tolerance: Value| {
        activity["tolerance"] = tolerance;
        activity
    };
    let mut kill = function(
        "action",
        "pod.actions",
        "terminate_pods",
        &json!({"label_selector": "app=web", "name_pattern": "web", "mode": "fixed", "qty": 1, "rand": false,
            "all": false, "order": "oldest", "grace_period": 0, "ns": ns}),
    );
    kill["provider"]["secrets"] = json!(["k8s"]);
    json!({
        "title": "t", "description": "d", "configuration": {"number": 1}, "secrets": {"k8s": {"unused": "x"}},
        "extensions": [{"name": "kubectl-chaos", "activities": {"scale_deployment": {"allow-empty": true}}}],
        "steady-state-hypothesis": {"title": "h", "probes": [
            tolerated(wait, json!(true)),
            tolerated(count, json!([1, 4])),
            probe("judged", &judge, &process(&json!(["x"]))),
        ]},
        "method": [
            function("action", "deployment.actions", "scale_deployment", &json!({"name": "web", "replicas": 2, "ns": ns})),
            kill,
        ],
    })
}

/// Every place in a document as a JSON pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(entries) => {
            entries.iter().for_each(|(key, value)| places(value, &format!("{at}/{key}"), found));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, value)| places(value, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

/// A place, a value, and the experiment that has it.
struct Case {
    name: String,
    text: String,
}

/// Returns the experiment with every value at every place below the root.
fn cases(experiment: &Value) -> Vec<Case> {
    let mut all = Vec::new();
    places(experiment, "", &mut all);
    let case = |place: &String, value: &str| {
        let mut changed = experiment.clone();
        *changed.pointer_mut(place).unwrap() = json!(MARK);
        let text = changed.to_string().replace(&format!("\"{MARK}\""), value);
        Case { name: format!("{place} = {value}"), text }
    };
    all[1..]
        .iter()
        .flat_map(|place| VALUES.iter().map(|value| case(place, value)).collect::<Vec<_>>())
        .collect()
}

/// Why a case that validation accepts is a fault; `None` if it is not.
fn find_fault(case: &Case, sandbox: &Sandbox, site: Option<&Site>) -> Option<String> {
    sandbox.write("case.json", &case.text);
    let _ = std::fs::remove_file(sandbox.path("journal.json"));
    let mut command = sandbox.command(["run", "case.json", "--timeout", "20s", "--effect-timeout", "1s"]);
    if let Some(site) = site {
        command.env("KUBECONFIG", &site.config);
    }
    let piped = std::process::Stdio::piped;
    let finished = crate::harness::finish(command.stdout(piped()).stderr(piped()).spawn().unwrap());
    let journal = std::fs::read_to_string(sandbox.path("journal.json")).unwrap_or_default();
    let journal: Value = serde_json::from_str(&journal).unwrap_or_default();
    let failed = |activity: &Value| {
        let text = activity["exception"].to_string();
        VISIBLE.iter().any(|visible| text.contains(visible)).then_some(text)
    };
    let lists = ["/run", "/rollbacks", "/steady_states/before/probes", "/steady_states/after/probes"];
    let visible = lists.iter().filter_map(|at| journal.pointer(at)?.as_array()).flatten().find_map(failed);
    // a safeguard that is measured, and not met, may end the run
    let is_guarded = case.name.starts_with("/controls") && finished.stderr.contains("was not met");
    match finished.code {
        Some(0 | 1 | 5 | 6 | 8) if visible.is_none() => None,
        Some(9) if is_guarded => None,
        _ => Some(format!("{}: exit {:?}, {visible:?}\n{}", case.name, finished.code, finished.stderr)),
    }
}

/// Validates cases, runs the valid ones, and returns the number of cases and the faults.
fn check(all: &[Case], sandbox: &Sandbox, site: Option<&Site>) -> Vec<String> {
    let paths: Vec<String> = (0..all.len()).map(|index| format!("{index}.json")).collect();
    for (path, case) in paths.iter().zip(all) {
        sandbox.write(path, &case.text);
    }
    let arguments = ["validate", "-o", "json"].into_iter().map(str::to_owned).chain(paths);
    let report = sandbox.run(arguments).json();
    let mut faults = Vec::new();
    for (checked, case) in report["files"].as_array().unwrap().iter().zip(all) {
        if checked["valid"] == true {
            if let Some(fault) = find_fault(case, sandbox, site) {
                // all cases take minutes
                println!("{fault}");
                faults.push(fault);
            }
            continue;
        }
        for diagnostic in checked["diagnostics"].as_array().unwrap() {
            if !diagnostic["line"].is_u64() || diagnostic["message"] == "" {
                faults.push(format!("{}: a diagnostic has no place: {diagnostic}", case.name));
            }
        }
    }
    faults
}

/// Checks a part of the cases: every one of `step`.
fn check_part(step: usize) {
    let server = Server::start(|_| Response::json(&json!({"a": 1})));
    let part = |all: Vec<Case>| all.into_iter().step_by(step).collect::<Vec<_>>();
    let sandbox = Sandbox::new();
    let base = general(&server);
    sandbox.write("base.json", base.to_string());
    sandbox.run(["run", "base.json"]).exits(0);
    let all = part(cases(&base));
    let mut faults = check(&all, &sandbox, None);

    let site = Site::embedded();
    let labels = json!({"app": "web"});
    let web = object(
        "apps/v1",
        "Deployment",
        "web",
        &json!({
        "metadata": {"name": "web", "labels": labels},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec(crate::harness::LISTENS)}}}),
    );
    site.create(&site.at("apps/v1", "deployments"), &web);
    site.until(&site.at("apps/v1", "deployments/web"), |answer| answer.body["status"]["readyReplicas"] == 2);
    let base = with_functions(&site);
    sandbox.write("base.json", base.to_string());
    let mut command = sandbox.command(["run", "base.json"]);
    let piped = std::process::Stdio::piped;
    command.env("KUBECONFIG", &site.config).stdout(piped()).stderr(piped());
    crate::harness::finish(command.spawn().unwrap()).exits(0);
    let functions = part(cases(&base));
    faults.extend(check(&functions, &sandbox, Some(&site)));
    let tried = all.len() + functions.len();
    println!("{tried} cases tried, {} faults", faults.len());
    assert!(faults.is_empty(), "{} faults of {tried} cases:\n{}", faults.len(), faults.join("\n"));
    assert!(tried * step > 1500, "{tried} cases");
}

#[test]
fn changed_field_is_refused_or_runs() {
    // a prime number, so that the part has every value
    check_part(11);
}

#[test]
#[ignore = "takes minutes: .ci/full runs it"]
fn every_changed_field_is_refused_or_runs() {
    check_part(1);
}
