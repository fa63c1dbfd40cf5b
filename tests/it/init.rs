//! `init`: the experiment is valid, runs, affects the named target, and is rolled back.

use std::fs::File;
use std::io::Write as _;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use crate::harness::{Response, Sandbox, Server, Site, finish, object, pod_spec};

fn example(rest: &str) -> String {
    format!("{}/examples/service-down-not-visible-to-users/{rest}", env!("CARGO_MANIFEST_DIR"))
}

/// The endpoint of the example's users.
const CONSUMER: [&str; 2] = ["--service", "my-consumer-service:8080/invokeConsumedService"];

/// Writes an experiment with these flags, and validates it.
fn init(sandbox: &Sandbox, flags: &[&str]) -> Value {
    let finished = sandbox.run(["init"].iter().chain(flags)).exits(0);
    assert_eq!(finished.stderr, "");
    assert!(finished.stdout.contains("next: kubectl chaos run experiment.json"), "{}", finished.stdout);
    sandbox.run(["validate", "experiment.json"]).exits(0);
    sandbox.json("experiment.json")
}

/// Rehearses the experiment on the example's application. Every action takes effect.
fn rehearse(sandbox: &Sandbox, arm: &str, code: i32) -> Value {
    let given = ["run", "experiment.json", "--embedded", "--var", "settle_seconds:float=0.4"];
    let (services, arm) = (example("services"), example(arm));
    sandbox.run(given.iter().chain(&["--apply", &services, "--apply", &arm])).exits(code);
    let journal = sandbox.journal();
    let own = journal["kubectl-chaos"]["activities"].as_array().unwrap();
    let effects: Vec<&Value> =
        own.iter().filter(|one| !one["effect"].is_null()).map(|one| &one["effect"]["state"]).collect();
    assert!(!effects.is_empty() && effects.iter().all(|state| *state == "confirmed"), "{own:#?}");
    journal
}

#[test]
fn scale_to_zero_experiment_deviates_and_restores() {
    let sandbox = Sandbox::new();
    let fault = ["--fault", "scale-to-zero", "--target", "my-provider-app", "--replicas", "1"];
    let experiment = init(&sandbox, &[CONSUMER.as_slice(), &fault].concat());
    assert_eq!(experiment["title"], "Does my-consumer-service stay available when my-provider-app is down?");
    let before = rehearse(&sandbox, "01-before", 1);
    assert_eq!(before["rollbacks"][0]["status"], "succeeded");
    rehearse(&sandbox, "03-after", 0);
}

#[test]
fn kill_pods_experiment_holds_when_pods_are_replaced() {
    let sandbox = Sandbox::new();
    let fault = ["--fault", "kill-pods", "-l", "service=my-provider-service"];
    init(&sandbox, &[CONSUMER.as_slice(), &fault].concat());
    let journal = rehearse(&sandbox, "03-after", 0);
    let targets = journal["kubectl-chaos"]["activities"][0]["targets"].as_array().cloned();
    let hit = targets.iter().flatten().filter(|target| target["kind"] == "Pod").count();
    assert_eq!(hit, 1, "{:#}", journal["kubectl-chaos"]["activities"]);
}

#[test]
fn delete_service_experiment_restores_from_manifest() {
    let sandbox = Sandbox::new();
    let manifest = example("services/provider-service.yaml");
    let fault = ["--fault", "delete-service", "--target", "my-provider-service", "--manifest", &manifest];
    init(&sandbox, &[CONSUMER.as_slice(), &fault].concat());
    rehearse(&sandbox, "01-before", 1);
    // the manifest must be that of the Service
    let wrong = example("services/consumer-service.yaml");
    let fault = ["--fault", "delete-service", "--target", "my-provider-service", "--manifest", &wrong];
    let refused = sandbox.run(["init", "--force"].iter().chain(&CONSUMER).chain(&fault)).exits(2);
    assert!(refused.stderr.contains("my-provider-service"), "{refused:?}");
}

#[test]
fn init_reads_missing_values_from_cluster() {
    let site = Site::embedded();
    let spec = json!({"replicas": 3, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod_spec("suite/inert:1")}});
    let deployment = object("apps/v1", "Deployment", "web", &json!({"spec": spec}));
    site.create(&site.at("apps/v1", "deployments"), &deployment);
    let spec = json!({"spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
    let was = site.create(&site.at("v1", "services"), &object("v1", "Service", "web", &spec));
    let init = |flags: &[&str], code: i32| {
        let given = ["init", "--kubeconfig", &site.config, "--url", "http://127.0.0.1:1/", "--force"];
        site.sandbox.run(given.iter().chain(flags)).exits(code)
    };
    init(&["--fault", "scale-to-zero", "--target", "web"], 0);
    assert_eq!(site.sandbox.json("experiment.json")["configuration"]["replicas"], 3);
    init(&["--fault", "scale-to-zero", "--target", "other"], 2)
        .reports(&format!("Deployment other does not exist in namespace {}", site.namespace));
    init(&["--fault", "delete-service", "--target", "other"], 2)
        .reports("--manifest (cannot read it from the cluster: ");
    // the Service is restored from the manifest that was read
    let ok = Server::start(|_| Response::new(200, "text/plain", "hello"));
    let url = ok.url("/");
    let given = ["init", "--kubeconfig", &site.config, "--url", &url, "--force", "-n", &site.namespace];
    let deletes = ["--fault", "delete-service", "--target", "web"];
    let finished = site.sandbox.run(given.iter().chain(&deletes)).exits(0);
    let made = "wrote web-service.json (recreates the Service)\n";
    assert!(finished.stdout.starts_with(&format!("{made}wrote experiment.json\n")), "{}", finished.stdout);
    // standard output has only the experiment
    let finished =
        site.sandbox.run(given.iter().chain(&deletes).chain(&["--output", "-"])).exits(0).reports(made);
    assert!(finished.stdout.starts_with('{'), "{}", finished.stdout);
    let clash =
        given.iter().filter(|flag| **flag != "--force").chain(&deletes).chain(&["--output", "e.json"]);
    site.sandbox.run(clash).exits(2).reports("web-service.json already exists");
    let manifest = site.sandbox.json("web-service.json");
    assert_eq!((&manifest["spec"]["clusterIP"], &manifest["metadata"]["uid"]), (&Value::Null, &Value::Null));
    let run = ["run", "experiment.json", "--kubeconfig", &site.config, "--var", "settle_seconds:float=0.1"];
    site.sandbox.run(run).exits(0);
    let now = site.read(&site.at("v1", "services/web")).body;
    assert_ne!(now["metadata"]["uid"], was["metadata"]["uid"], "it was deleted");
    assert_eq!(now["spec"]["ports"][0]["port"], 80, "and recreated: {now:#}");
}

#[test]
fn command_fault_runs_and_rolls_back_as_given() {
    let server = Server::start(|_| Response::new(200, "text/plain", "hello"));
    let sandbox = Sandbox::new();
    let url = server.url("/health");
    let given = ["init", "--url", &url, "--output", "e.yaml", "--title", "no: 1e3 # \"really\"?"];
    let command = [
        "--fault",
        "process",
        "--command",
        "sh -c 'echo \"$0 ${url} $HOME\" >done' x",
        "--undo",
        "rm done.not",
    ];
    sandbox.run(given.iter().chain(&command)).exits(0);
    sandbox.run(["validate", "e.yaml"]).exits(0);
    let run = ["run", "e.yaml", "--var", "settle_seconds:int=0", "-o", "json"];
    // the undo command fails here, which is reported
    let finished = sandbox.run(run).exits(6);
    assert_eq!(
        sandbox.read("done"),
        format!("x  {}\n", sandbox.path("").display().to_string().trim_end_matches('/'))
    );
    assert_eq!(finished.json()["experiment"]["title"], "no: 1e3 # \"really\"?");
    assert_eq!(server.requests()[0].path, "/health");
    let none = ["--fault", "process", "--command", "true", "--no-undo", "--force"];
    sandbox.run(given.iter().chain(&none)).exits(0);
    sandbox.run(run).exits(0);
}

#[test]
fn init_names_missing_flags_and_keeps_existing_file() {
    let sandbox = Sandbox::new();
    let check = |flags: &[&str], words: &[&str]| {
        let refused = sandbox.run(["init"].iter().chain(flags)).exits(2);
        for word in words {
            assert!(refused.stderr.contains(word), "{word:?} is not in {}", refused.stderr);
        }
        assert!(!sandbox.path("experiment.json").exists());
    };
    check(&[], &["--url or --service", "--fault (kill-pods"]);
    check(&["--url", "http://x/", "--fault", "kill-pods"], &["--label-selector"]);
    check(&["--url", "http://x/", "--fault", "kill-pods", "-l", "a!=b"], &["does not limit the Pods"]);
    check(&["--url", "http://x/", "--fault", "kill-pods", "-l", ""], &["invalid label selector"]);
    check(&["--url", "x", "--fault", "kill-pods", "-l", "a=b"], &["invalid URL 'x'"]);
    check(
        &["--service", "web", "--fault", "scale-to-zero", "--target", "web"],
        &["--replicas (cannot read it from the cluster: "],
    );
    check(
        &["--service", "web", "--fault", "delete-service", "--target", "web"],
        &["--manifest (cannot read it from the cluster: "],
    );
    check(&["--url", "http://x/", "--fault", "process"], &["--command", "--undo or --no-undo"]);
    check(
        &["--url", "http://x/", "--fault", "process", "--command", "'", "--no-undo"],
        &["missing quotation mark"],
    );
    let whole = ["init", "--url", "http://x/", "--fault", "kill-pods", "-l", "a=b"];
    check(
        &["--url", "http://x/", "--fault", "kill-pods", "-l", "a=b", "--output", "e.txt"],
        &["'.txt'", ".json, .yaml or .yml"],
    );
    sandbox.write("mine.json", "precious");
    sandbox.run(whole.iter().chain(&["--output", "mine.json"])).exits(2).reports("--force");
    assert_eq!(sandbox.read("mine.json"), "precious");
    let printed = sandbox.run(whole.iter().chain(&["--output", "-"])).exits(0);
    assert_eq!(printed.json()["configuration"]["label_selector"], "a=b");
}

#[test]
fn generated_experiment_stays_in_trial_namespace() {
    let sandbox = Sandbox::new();
    let fault = ["--fault", "kill-pods", "-l", "service=my-provider-service", "-n", "shop"];
    let experiment = init(&sandbox, &[CONSUMER.as_slice(), &fault].concat());
    assert_eq!(experiment["configuration"]["namespace"]["default"], "shop");
    // no activity reaches beyond the namespace of a run
    let (services, arm) = (example("services"), example("03-after"));
    let given =
        ["trial", "experiment.json", "--embedded", "--before", &arm, "--after", &arm, "--common", &services];
    let short =
        ["--repeat", "1", "--sample=50ms", "--recovery", "300ms", "--var", "settle_seconds:float=0.2"];
    sandbox.run(given.iter().chain(&short)).exits(8);
    assert_eq!(sandbox.json("chaos-trial/trial.json")["state"], "finished");
}

#[test]
fn init_prompts_on_terminal() {
    let sandbox = Sandbox::new();
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut command = sandbox.command(["init", "--title", "t"]);
    command.stdin(terminal.try_clone().unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    drop(command);
    let mut typed = File::from(controller);
    typed.write_all(b"web:8080/health\nscale-to-nil\nscale-to-zero\nweb\n3\n").unwrap();
    let finished = finish(child).exits(0);
    for question in [
        "Which endpoint must stay available?",
        "Which fault?",
        "[kill-pods]",
        "Which Deployment?",
        "Replicas to restore",
    ] {
        assert!(finished.stderr.contains(question), "{question:?} is not in {}", finished.stderr);
    }
    assert!(finished.stderr.contains("scale-to-nil"), "{}", finished.stderr);
    let experiment = sandbox.json("experiment.json");
    assert_eq!(experiment["configuration"]["replicas"], 3);
    assert_eq!(
        experiment["steady-state-hypothesis"]["probes"][0]["provider"]["url"],
        "http://web.svc:8080/health"
    );
    drop(terminal);
}
