//! Runs with every possible end, and the documents that they write.

use std::path::Path;
use std::process::Child;
use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kubectl_chaos::journal::Record;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::golden;
use crate::harness::{
    ProcessResult, Response, Sandbox, Server, finish, function, is_written, kubeconfig, signal, wait_until,
};

/// A kind of document with a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The key `kubectl-chaos` of a journal.
    Extension,
    /// A line of an events file.
    Events,
    /// `validate -o json`.
    Validate,
    /// `run -o json`.
    Run,
    /// `compare -o json`.
    Comparison,
    /// `doctor -o json`.
    Doctor,
    /// `recover -o json`.
    Recover,
    /// Any command with `-o json` that fails.
    Error,
}

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::Extension,
        Self::Events,
        Self::Validate,
        Self::Run,
        Self::Comparison,
        Self::Doctor,
        Self::Recover,
        Self::Error,
    ];

    /// The file of its schema.
    pub fn file(self) -> &'static str {
        match self {
            Self::Extension => "journal-extension.v1.json",
            Self::Events => "events.v1.json",
            Self::Validate => "validate.v1.json",
            Self::Run => "run.v1.json",
            Self::Comparison => "comparison.v1.json",
            Self::Doctor => "doctor.v1.json",
            Self::Recover => "recover.v1.json",
            Self::Error => "error.v1.json",
        }
    }
}

/// A document written by a run.
pub struct Produced {
    pub kind: Kind,
    /// The run that wrote it.
    pub from: String,
    pub document: Value,
}

/// Runs everything.
pub fn produce() -> Vec<Produced> {
    let mut found = Vec::new();
    for (name, experiment, arguments) in experiments() {
        let sandbox = Sandbox::new();
        sandbox.write("experiment.json", experiment.to_string());
        collect(name, &sandbox, Some(&sandbox.run(arguments_of(&arguments))), &mut found);
    }
    for (name, sent) in [
        ("SIGINT", Signal::INT),
        ("SIGTERM", Signal::TERM),
        // a parent process may ignore it, which the test cannot detect
        #[cfg(target_os = "linux")]
        ("SIGHUP", Signal::HUP),
        ("SIGUSR1", Signal::USR1),
        ("SIGUSR2", Signal::USR2),
    ] {
        let (sandbox, child) = under_way();
        signal(child.id(), sent);
        collect(name, &sandbox, Some(&finish(child)), &mut found);
    }
    killed(&mut found);
    refused(&mut found);
    on_a_cluster(&mut found);
    validated(&mut found);
    looked_at(&mut found);
    left_behind(&mut found);
    failed(&mut found);
    found.extend(crate::compare::spread().into_iter().map(|(from, document)| Produced {
        kind: Kind::Comparison,
        from,
        document,
    }));
    for case in golden::cases() {
        let sandbox = Sandbox::new();
        let mut arguments = golden::lay_out(&case, &sandbox);
        let has = |word: &str| arguments.iter().any(|argument| argument == word);
        if (has("run") || has("validate")) && !has("-o") {
            arguments.extend(["-o", "json"].map(str::to_owned));
        }
        let finished = sandbox.run(&arguments);
        // other output formats have other schemas
        let json = arguments.last().is_some_and(|last| last == "json");
        collect(&case.display().to_string(), &sandbox, json.then_some(&finished), &mut found);
    }
    found
}

/// A run that samples a Service and kills a Pod, which disturbs the Service.
fn on_a_cluster(found: &mut Vec<Produced>) {
    let killed = std::sync::Mutex::new(None);
    let api = Server::start(move |request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": "v1.30.0"})),
        "/api/v1/namespaces/kube-system" => Response::json(&json!({"metadata": {"uid": "of-the-cluster"}})),
        "/api/v1/namespaces/shop/services/web" => Response::json(&json!({"spec": {"ports": [{"port": 80}]}})),
        path if path.contains("/services/web:80/proxy") => {
            let suffers = killed.lock().unwrap().is_some_and(|at: Instant| at.elapsed().as_millis() < 300);
            Response::new(if suffers { 500 } else { 200 }, "text/plain", "hello")
        }
        _ if request.method == "DELETE" => {
            *killed.lock().unwrap() = Some(Instant::now());
            Response::json(&json!({}))
        }
        _ => {
            let mut pod = json!({"metadata": {"name": "a", "namespace": "shop", "uid": "of-a"}});
            if killed.lock().unwrap().is_some() {
                pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }
            Response::json(&json!({"items": [pod]}))
        }
    });
    let sandbox = Sandbox::new();
    let config = kubeconfig(&sandbox, &api.url(""), &json!({}));
    let ask = json!({"type": "probe", "name": "ask", "provider": {"type": "http", "url": "http://web.svc/"}});
    let mut kill = function("action", "pod.actions", "terminate_pods", &json!({"label_selector": "app=web"}));
    kill["pauses"] = json!({"after": 0.6});
    let mut experiment = without_hypothesis(&json!([ask, kill]));
    let mut probe = ask;
    probe["tolerance"] = json!(200);
    probe["name"] = json!("answers");
    experiment["steady-state-hypothesis"] = json!({"title": "t", "probes": [probe]});
    sandbox.write("experiment.json", experiment.to_string());
    let sampling = ["--kubeconfig", &config, "--sample=20ms", "--recovery", "5s"];
    let finished = sandbox.run(arguments_of(&sampling)).exits(0);
    collect("on a cluster", &sandbox, Some(&finished), found);
}

/// A machine with some problems.
fn looked_at(found: &mut Vec<Produced>) {
    let sandbox = Sandbox::new();
    let broken = sandbox.write("broken", "contexts: [");
    let look = |arguments: &[&str]| sandbox.run(["doctor", "-o", "json"].iter().chain(arguments)).json();
    let one = look(&["--kubeconfig", broken.to_str().unwrap()]);
    let other = look(&["--server", "http://127.0.0.1:1"]);
    for (from, document) in [("a broken kubeconfig", one), ("no cluster", other)] {
        found.push(Produced { kind: Kind::Doctor, from: from.to_owned(), document });
    }
}

/// Commands that fail before they have a result.
fn failed(found: &mut Vec<Produced>) {
    let sandbox = Sandbox::new();
    for (arguments, code, error) in [
        (&["compare", "none.json", "none.json", "-o", "json"][..], 3, "journal.invalid"),
        (&["compare", "none.json", "-o", "json", "--fail-no", "fixed"], 2, "usage.invalid"),
        (&["validate", "e.json", "-o", "json", "--log-file", "e.json"], 2, "file.conflict"),
    ] {
        let document = sandbox.run(arguments).exits(code).json();
        assert_eq!(document["error"]["code"], error, "{arguments:?}");
        found.push(Produced { kind: Kind::Error, from: error.to_owned(), document });
    }
}

/// Objects that trials left on a cluster.
fn left_behind(found: &mut Vec<Produced>) {
    let left = |name: &str, namespace: Value, data: Value| {
        json!({"metadata": {"name": name, "namespace": namespace, "uid": name, "labels": {"kubectl-chaos/trial": "0a"},
            "creationTimestamp": "2026-01-01T00:00:00Z"}, "data": data})
    };
    let one = json!({"api_version": "v1", "kind": "ConfigMap", "name": "settings", "original": null});
    let keeps = BASE64_STANDARD.encode(json!({"salt": "", "objects": [one]}).to_string());
    let secret = left("kubectl-chaos-trial-0a", json!("shop"), json!({"backup.json": keeps}));
    // no trial created it
    let other = left("kept", json!("shop"), json!({"backup.json": "W10="}));
    let namespace = left("chaos-trial-0a-before-1", Value::Null, Value::Null);
    let api = Server::start(move |request| match request.path.split('?').next().unwrap() {
        "/version" => Response::json(&json!({"gitVersion": "v1.30.0"})),
        "/apis" => Response::json(&json!({"groups": []})),
        "/api/v1" => Response::json(&json!({"resources": []})),
        "/api/v1/namespaces" => Response::json(&json!({"items": [namespace]})),
        _ => Response::json(&json!({"items": [secret, other]})),
    });
    let sandbox = Sandbox::new();
    let config = kubeconfig(&sandbox, &api.url(""), &json!({}));
    let document = sandbox.run(["recover", "-o", "json", "--kubeconfig", &config]).exits(0).json();
    found.push(Produced { kind: Kind::Recover, from: "a cluster".to_owned(), document });
}

fn arguments_of<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["run", "experiment.json", "-o", "json", "--events-file", "events"];
    all.extend(arguments);
    all
}

/// Checks that a run can have written a journal, and that its entries support its verdict.
fn is_derivable(from: &str, text: &str) {
    let said = Record::read(from, text.to_owned()).unwrap();
    let derived = Record::untrusted(from, text.to_owned()).unwrap_or_else(|error| panic!("{error}"));
    let verdict = |record: &Record| record.content.extension.as_ref().and_then(|own| own.verdict.clone());
    let (said, derived) = (verdict(&said), verdict(&derived));
    // entries do not show that the run was not strict
    let lenient = from.ends_with("not-strict");
    assert!(said == derived || lenient, "{from}: {said:?} {derived:?}\n{text}");
}

/// Collects what a run wrote: its journals, its events and its output.
fn collect(from: &str, sandbox: &Sandbox, finished: Option<&ProcessResult>, found: &mut Vec<Produced>) {
    let mut add = |kind, document| found.push(Produced { kind, from: from.to_owned(), document });
    for entry in std::fs::read_dir(sandbox.path("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.starts_with("journal") && sandbox.path(&name).is_file() {
            let text = sandbox.read(&name);
            is_derivable(from, &text);
            add(Kind::Extension, sandbox.json(&name)["kubectl-chaos"].take());
        }
    }
    if sandbox.path("events").exists() {
        for line in sandbox.read("events").lines() {
            add(Kind::Events, serde_json::from_str(line).unwrap_or_else(|e| panic!("{from}: {e}: {line}")));
        }
    }
    if let Some(finished) = finished.filter(|finished| !finished.stdout.is_empty()) {
        let answer = finished.json();
        let schema = answer.pointer("/0/schema").unwrap_or(&answer["schema"]);
        let kind = match schema.as_str() {
            Some("kubectl-chaos/validate/v1") => Kind::Validate,
            Some("kubectl-chaos/error/v1") => Kind::Error,
            _ => Kind::Run,
        };
        add(kind, answer);
    }
}

fn sh(kind: &str, name: &str, script: &str) -> Value {
    let provider = json!({"type": "process", "path": "sh", "arguments": ["-c", script]});
    json!({"type": kind, "name": name, "provider": provider})
}

fn with(mut activity: Value, key: &str, value: Value) -> Value {
    activity[key] = value;
    activity
}

/// A hypothesis that is met while the file `broken` is missing.
fn hypothesis() -> Value {
    json!({"title": "h", "probes": [with(sh("probe", "whole", "! test -e broken"), "tolerance", json!(0))]})
}

fn experiment(method: &Value, rollbacks: &Value) -> Value {
    json!({
        "title": "t",
        "description": "d",
        "steady-state-hypothesis": hypothesis(),
        "method": method,
        "rollbacks": rollbacks,
    })
}

fn without_hypothesis(method: &Value) -> Value {
    json!({"title": "t", "description": "d", "method": method})
}

/// Experiments that end without a signal.
fn experiments() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let none = json!([]);
    let fine = json!([sh("action", "a", "true")]);
    let breaks = json!([sh("action", "break", "touch broken")]);
    let back = json!([sh("action", "back", "rm -f broken")]);
    let paused = with(sh("probe", "p", "true"), "pauses", json!({"before": 0.01, "after": 0.01}));
    let beside = with(sh("action", "beside", "sleep 0.1"), "background", json!(true));
    let late = |kind: &str| {
        let mut activity = sh(kind, "late", "sleep 5");
        activity["provider"]["timeout"] = json!(0.05);
        activity
    };
    let judged_late = {
        let mut experiment = experiment(&fine, &none);
        experiment["steady-state-hypothesis"]["probes"] = json!([with(late("probe"), "tolerance", json!(0))]);
        experiment
    };
    let loud = |script: &str| {
        let mut experiment = experiment(&json!([sh("probe", "loud", script)]), &none);
        experiment["steady-state-hypothesis"]["probes"][0]["provider"]["arguments"][1] = json!(script);
        experiment
    };
    let to_nowhere = json!([{"type": "action", "name": "n", "provider": {"type": "http", "url": "nowhere"}}]);
    let baseline = {
        let mut experiment = experiment(&fine, &back);
        experiment["steady-state-hypothesis"]["probes"][0]["tolerance"] = json!(1);
        experiment
    };
    let guarded = {
        let mut experiment = experiment(&fine, &none);
        let probes = json!([with(sh("probe", "guard", "false"), "tolerance", json!(0))]);
        experiment["controls"] = json!([{"name": "safeguards", "provider": {
            "type": "python", "module": "chaosaddons.controls.safeguards", "arguments": {"probes": probes}}}]);
        experiment
    };
    let varied = {
        let mut experiment = experiment(&fine, &none);
        experiment["configuration"] = json!({"level": 1, "other": 2});
        experiment
    };
    let expected = with(sh("probe", "p", "echo no >&2; exit 3"), "tolerance", json!(0));
    let expects = experiment(&json!([expected]), &none);
    let count = function("probe", "pod.probes", "count_pods", &json!({"label_selector": "app=web"}));
    let nameless = experiment(&json!([count]), &none);
    let flicker = json!([sh("action", "flicker", "touch broken; sleep 0.5; rm broken")]);
    let continuously = ["--hypothesis-strategy", "continuously", "--hypothesis-frequency", "0.02"];
    let fail_fast = [&continuously[..], &["--fail-fast"]].concat();
    vec![
        ("held", experiment(&json!([paused, beside]), &back), vec!["--annotation", "ticket=1"]),
        ("explored", without_hypothesis(&fine), vec![]),
        ("given something", varied, vec!["--var", "level:int=2"]),
        ("deviated", experiment(&breaks, &back), vec![]),
        ("deviated during", experiment(&flicker, &none), continuously.to_vec()),
        ("failed fast", experiment(&flicker, &none), fail_fast),
        ("the original's codes", experiment(&breaks, &none), vec!["--exit-code=chaostoolkit"]),
        ("rollbacks left out", experiment(&breaks, &back), vec!["--rollback-strategy", "never"]),
        ("baseline not met", baseline, vec![]),
        ("a probe of the hypothesis fails", judged_late, vec![]),
        ("an action fails", experiment(&json!([late("action")]), &none), vec![]),
        ("an action ends badly", experiment(&json!([sh("action", "a", "false")]), &none), vec![]),
        ("a rollback fails", experiment(&breaks, &json!([late("action")])), vec![]),
        ("a rollback ends badly", experiment(&fine, &json!([sh("action", "r", "exit 3")])), vec![]),
        ("aborted", experiment(&to_nowhere, &back), vec!["--no-validation"]),
        ("a safeguard", guarded, vec![]),
        ("a tolerance in the method", expects, vec![]),
        ("no name", nameless, vec!["--server", "https://api.invalid:6443", "--strict=false"]),
        (
            "out of time",
            experiment(&json!([sh("action", "a", "sleep 30")]), &back),
            vec!["--timeout", "0.2s"],
        ),
        ("much output", loud("printf %05000d 0"), vec![]),
        ("dry probes", experiment(&json!([paused]), &back), vec!["--dry", "probes"]),
        ("dry actions", experiment(&fine, &back), vec!["--dry", "actions"]),
        ("dry activities", experiment(&fine, &back), vec!["--dry", "activities"]),
        ("dry pauses", experiment(&json!([paused]), &back), vec!["--dry", "pause"]),
        (
            "a name that is no text",
            without_hypothesis(&json!([with(sh("probe", "", "true"), "name", json!(7))])),
            vec!["--no-validation"],
        ),
    ]
}

/// Starts a run whose method waits for ever.
fn under_way() -> (Sandbox, Child) {
    let sandbox = Sandbox::new();
    let method = json!([sh("action", "first", "true"), sh("action", "wait", "echo > begun; sleep 300")]);
    let rollbacks = json!([sh("action", "back", "true")]);
    sandbox.write("experiment.json", experiment(&method, &rollbacks).to_string());
    let child = sandbox.start(arguments_of(&[]));
    wait_until("the method began", || is_written(&sandbox.path("begun")));
    (sandbox, child)
}

/// The unfinished journals of a killed run and of a running one.
fn killed(found: &mut Vec<Produced>) {
    let (sandbox, child) = under_way();
    wait_until("the end of the first action is on disk", || {
        sandbox.path("journal.json").exists() && sandbox.journal()["run"][0]["status"] == "succeeded"
    });
    let actions = || sandbox.journal()["kubectl-chaos"]["activities"].as_array().map_or(0, Vec::len);
    wait_until("the second action is on disk", || actions() == 2);
    collect("under way", &sandbox, None, found);
    signal(child.id(), Signal::KILL);
    assert_eq!(finish(child).code, None);
    let journal = sandbox.journal();
    assert_eq!(
        (&journal["status"], &journal["kubectl-chaos"]["finished"]),
        (&json!("interrupted"), &json!(false))
    );
    collect("killed", &sandbox, None, found);
}

/// Runs that do not start.
fn refused(found: &mut Vec<Produced>) {
    let fine = without_hypothesis(&json!([])).to_string();
    let mut check = |from: &str, text: &str, arguments: &[&str]| {
        let sandbox = Sandbox::new();
        if !text.is_empty() {
            sandbox.write("experiment.json", text);
        }
        let finished = sandbox.run(arguments_of(arguments));
        assert!(matches!(finished.code, Some(1..=3)), "{from}: {finished:?}");
        collect(from, &sandbox, Some(&finished), found);
    };
    check("a missing file", "", &[]);
    check("broken JSON", "{\"title\": }", &[]);
    check("an invalid experiment", r#"{"title": "t", "methods": []}"#, &[]);
    check("an invalid experiment, the original's codes", "{}", &["--exit-code=chaostoolkit"]);
    check("a journal in no folder", &fine, &["--journal-path", "no/such/folder/journal.json"]);
}

fn validated(found: &mut Vec<Produced>) {
    let sandbox = Sandbox::new();
    let fine = without_hypothesis(&json!([sh("action", "a", "true")]));
    sandbox.write("fine.json", fine.to_string());
    sandbox.write("doubtful.json", with(fine, "method ", json!([])).to_string());
    sandbox.write("wrong.yaml", "title: [1]\nmethod:\n- type: prob\n  name: n\n  provider: {type: proces}\n");
    sandbox.write("broken.yaml", "title: [\n");
    let files = ["fine.json", "doubtful.json", "wrong.yaml", "broken.yaml", "missing.json"];
    for file in files {
        collect(file, &sandbox, Some(&sandbox.run(["validate", "-o", "json", file])), found);
    }
    let all = ["validate", "-o", "json"].into_iter().chain(files);
    collect("several files", &sandbox, Some(&sandbox.run(all)), found);
    assert!(Path::new(&sandbox.path("fine.json")).exists());
}
