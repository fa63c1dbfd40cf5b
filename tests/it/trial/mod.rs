//! `trial`: deploys, runs and removes both variants, and compares the runs.

#[macro_use]
mod in_place;
mod recover;
mod unready;

use std::process::Child;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{ProcessResult, Sandbox, finish, signal, wait_until};

pub fn example(rest: &str) -> String {
    format!("{}/examples/service-down-not-visible-to-users/{rest}", env!("CARGO_MANIFEST_DIR"))
}

/// A short trial of an experiment on an embedded cluster.
fn trial(sandbox: &Sandbox, experiment: &str, before: &str, after: &str, more: &[&str]) -> ProcessResult {
    let services = example("services");
    let given = ["trial", experiment, "--before", before, "--after", after, "--common", &services];
    let short = ["--embedded", "--sample=20ms", "--recovery", "300ms", "--output-dir", "out"];
    sandbox.run(given.iter().chain(&short).chain(more))
}

/// The example with a short fault.
fn of_the_example(sandbox: &Sandbox, before: &str, after: &str, repeat: &str, more: &[&str]) -> Value {
    let probe = ["--sample-probe", "consumer-service-must-still-respond"];
    let given = ["--var", "settle_seconds:float=0.5", "--repeat", repeat];
    let more: Vec<&str> = probe.iter().chain(&given).chain(more).copied().collect();
    trial(sandbox, &example("experiment.json"), before, after, &more).exits(0);
    sandbox.json("out/comparison.json")
}

fn ratios(comparison: &Value, side: &str) -> Vec<f64> {
    let rows = comparison["metrics"].as_array().unwrap();
    let row = rows.iter().find(|row| row["metric"] == "success-ratio").unwrap();
    let values = row[side]["values"].as_array().unwrap();
    values.iter().map(|value| value["value"].as_f64().or(value.as_f64()).unwrap()).collect()
}

#[test]
fn circuit_breaker_is_a_fix() {
    let sandbox = Sandbox::new();
    let answer = of_the_example(&sandbox, &example("01-before"), &example("03-after"), "3", &[]);
    assert_eq!(
        (&answer["verdict"], &answer["after"], &answer["evidence"]),
        (&json!("fixed"), &json!("holds"), &json!("repeated")),
        "{answer:#}"
    );
    assert!(ratios(&answer, "before").iter().all(|ratio| *ratio < 0.2), "{answer:#}");
    assert!(ratios(&answer, "after").iter().all(|ratio| *ratio > 0.9), "{answer:#}");
    assert_eq!(answer["confounders"], json!([]), "{answer:#}");
    let record = sandbox.json("out/trial.json");
    assert_eq!((&record["state"], record["namespaces"].as_array().unwrap().len()), (&json!("finished"), 6));
    for (arm, repeat) in ["before", "after"].into_iter().flat_map(|arm| [(arm, 1), (arm, 2), (arm, 3)]) {
        let own = sandbox.json(&format!("out/{arm}/journal-{repeat}.json"))["kubectl-chaos"].take();
        let stood = &own["environment"];
        assert_eq!(
            (&stood["arm"], &stood["repeat"], &stood["nodes"]),
            (&json!(arm), &json!(repeat), &json!(2))
        );
        assert_eq!(own["activities"][0]["effect"]["state"], "confirmed", "{own:#}");
        let namespace = own["namespace"].as_str().unwrap();
        assert!(namespace.starts_with("chaos-trial-") && namespace.ends_with(&format!("-{arm}-{repeat}")));
        assert_eq!(own["activities"][0]["targets"][0]["namespace"], namespace);
    }
}

#[test]
fn identical_arms_show_no_difference() {
    let sandbox = Sandbox::new();
    let before = example("01-before");
    let answer =
        of_the_example(&sandbox, &before, &before, "3", &["--fail-on", "fixed,broken,improved,regressed"]);
    // it still fails, which the output shows, too
    assert_eq!(
        (&answer["verdict"], &answer["after"]),
        (&json!("no-difference"), &json!("fails")),
        "{answer:#}"
    );
}

#[test]
fn primary_metric_of_unsampled_probe_is_refused() {
    let sandbox = Sandbox::new();
    let before = example("01-before");
    let of = |primary: &str| {
        let more = ["--sample-probe", "consumer-service-must-still-respond", "--primary", primary];
        trial(&sandbox, &example("experiment.json"), &before, &before, &more)
    };
    of("consumer:slowdown").exits(2).reports("no sampled probe is named 'consumer'");
    of("consumer-service-must-still-respond:speed").exits(2).reports("invalid metric");
}

#[test]
fn ineffective_change_is_no_fix() {
    let sandbox = Sandbox::new();
    let after = sandbox.path("after");
    std::fs::create_dir(&after).unwrap();
    let consumer = include_str!("../../../src/app/demo/consumer-with-an-unread-switch.yaml");
    sandbox.write("after/consumer.yaml", consumer);
    let provider = std::fs::read_to_string(example("01-before/provider-deployment.yaml")).unwrap();
    sandbox.write("after/provider.yaml", provider);
    let after = after.to_str().unwrap();
    let probe =
        ["--sample-probe", "consumer-service-must-still-respond", "--var", "settle_seconds:float=0.5"];
    let more = [probe.as_slice(), &["--repeat", "1"]].concat();
    // one run of each variant is too little for a conclusion
    let ended = trial(&sandbox, &example("experiment.json"), &example("01-before"), after, &more).exits(8);
    assert!(
        ended.stdout.contains("inconclusive") && ended.stdout.contains("after: fails"),
        "{}",
        ended.stdout
    );
    let answer = sandbox.json("out/comparison.json");
    assert_eq!((&answer["verdict"], &answer["after"]), (&json!("inconclusive"), &json!("fails")));
}

/// An experiment that kills the Pods with a label.
pub fn kill() -> Value {
    json!({"title": "t", "description": "d", "steady-state-hypothesis": {"title": "h", "probes": [
            {"type": "probe", "name": "answers", "tolerance": 200,
                "provider": {"type": "http", "url": "http://my-provider-service.svc/"}}]},
        "method": [{"type": "action", "name": "kill", "provider": {"type": "python", "module": "chaosk8s.pod.actions",
            "func": "terminate_pods", "arguments": {"label_selector": "may-die=yes", "grace_period": 0}}}]})
}

/// The provider with and without Pods that have this label.
pub fn providers(sandbox: &Sandbox) -> [String; 2] {
    let without = std::fs::read_to_string(example("01-before/provider-deployment.yaml")).unwrap();
    let with = without.replace(
        "      labels: {name: my-provider-app,",
        "      labels: {may-die: \"yes\", name: my-provider-app,",
    );
    assert_ne!(with, without);
    [("with.yaml", with), ("without.yaml", without)]
        .map(|(name, text)| sandbox.write(name, text).to_str().unwrap().to_owned())
}

#[test]
fn fault_without_target_is_no_fix() {
    let sandbox = Sandbox::new();
    let [with, without] = providers(&sandbox);
    let experiment = sandbox.write("kill.json", kill().to_string());
    let ended = trial(&sandbox, experiment.to_str().unwrap(), &with, &without, &["--repeat", "1"]).exits(8);
    let answer = sandbox.json("out/comparison.json");
    assert_eq!(answer["verdict"], "inconclusive", "{}", ended.stdout);
    assert_eq!(
        (&answer["after"], &answer["arms"]["after"]["void"]),
        (&json!("unknown"), &json!(1)),
        "{answer:#}"
    );
    let after = answer["runs"].as_array().unwrap().iter().find(|run| run["arm"] == "after").unwrap();
    assert_eq!(after["outcome"], "void");
    assert!(after["reason"].as_str().unwrap().contains("kill"), "{after}");
}

#[test]
fn experiment_outside_namespace_is_rejected_before_setup() {
    let check = |change: &dyn Fn(&mut Value), manifest: &str, code: i32, said: &[&str]| {
        let sandbox = Sandbox::new();
        let [with, without] = providers(&sandbox);
        let mut experiment = kill();
        change(&mut experiment);
        let experiment = sandbox.write("kill.json", experiment.to_string());
        let extra = sandbox.write("extra.yaml", manifest);
        let more: Vec<&str> =
            if manifest.is_empty() { vec![] } else { vec!["--after", extra.to_str().unwrap()] };
        let ended = trial(&sandbox, experiment.to_str().unwrap(), &with, &without, &more).exits(code);
        for text in said {
            assert!(ended.stderr.contains(text), "{text:?} is not in\n{}", ended.stderr);
        }
        assert!(!sandbox.path("out").exists(), "nothing was made");
    };
    let nothing = |_: &mut Value| {};
    check(
        &|experiment| {
            experiment["method"][0]["provider"]["arguments"]["ns"] = json!("default");
            experiment["steady-state-hypothesis"]["probes"][0]["provider"]["url"] =
                json!("http://localhost:1/");
        },
        "",
        3,
        &[
            "'kill' reaches namespace default",
            "or pass --allow-outside default",
            "'answers' reaches localhost:1, which is not a Service of the trial",
            "2 targets outside the namespace of the run; nothing was created",
        ],
    );
    check(
        &|experiment| {
            experiment["secrets"] = json!({"k8s": {"KUBERNETES_CONTEXT": "production"}});
            experiment["method"][0]["provider"]["secrets"] = json!(["k8s"]);
        },
        "",
        3,
        &["'kill' uses its own cluster credentials", "pass --allow-outside credentials to permit it"],
    );
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\n";
    check(
        &nothing,
        role,
        2,
        &["ClusterRole \"r\": cluster-scoped object in one arm", "hint: move it to --common"],
    );
    let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {url: http://web.shop.svc/}\n";
    check(&nothing, other, 3, &["ConfigMap \"c\" reaches namespace shop"]);
    check(&|experiment| drop(experiment.as_object_mut().unwrap().shift_remove("method")), "", 3, &["method"]);
}

#[test]
fn foreign_output_folder_is_not_changed() {
    let sandbox = Sandbox::new();
    let [with, without] = providers(&sandbox);
    let experiment = sandbox.write("kill.json", kill().to_string());
    std::fs::create_dir(sandbox.path("out")).unwrap();
    sandbox.write("out/mine", "precious");
    let ended = trial(&sandbox, experiment.to_str().unwrap(), &with, &without, &[]).exits(2);
    assert!(
        ended.stderr.contains("is not empty and contains files that are not of a trial"),
        "{}",
        ended.stderr
    );
    assert_eq!(sandbox.read("out/mine"), "precious");
}

/// An embedded cluster that runs longer than a trial.
struct Site {
    sandbox: Sandbox,
    server: Option<Child>,
}

impl Site {
    fn start() -> Self {
        let sandbox = Sandbox::new();
        let server = sandbox.start(["embedded", "serve", "--kubeconfig", "config"]);
        wait_until("the kubeconfig", || sandbox.path("config").exists());
        Self { sandbox, server: Some(server) }
    }

    /// Starts a trial that stays in its first baseline.
    fn begin(&self) -> Child {
        let [with, _] = providers(&self.sandbox);
        let experiment = self.sandbox.write("kill.json", kill().to_string());
        let services = example("services");
        let child = self.sandbox.start([
            "trial",
            experiment.to_str().unwrap(),
            "--before",
            &with,
            "--after",
            &with,
            "--common",
            &services,
            "--kubeconfig",
            "config",
            "--output-dir",
            "out",
            "--sample=1h",
            "--settle",
            "1h",
        ]);
        wait_until("a namespace with a run in it", || self.left().contains("chaos-trial-") && self.runs());
        child
    }

    fn runs(&self) -> bool {
        ["out/before/.journal-1.json.live-a", "out/after/.journal-1.json.live-a"]
            .iter()
            .any(|name| self.sandbox.path(name).exists())
    }

    fn recover(&self, more: &[&str]) -> ProcessResult {
        self.sandbox.run(["recover", "--kubeconfig", "config"].iter().chain(more))
    }

    /// The output of `recover`.
    fn left(&self) -> String {
        self.recover(&["-o", "name"]).stdout
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let server = self.server.take().unwrap();
        signal(server.id(), Signal::INT);
        finish(server);
    }
}

#[test]
fn signal_removes_deployed_objects() {
    let site = Site::start();
    let child = site.begin();
    signal(child.id(), Signal::INT);
    finish(child).exits(130);
    assert_eq!(site.sandbox.json("out/trial.json")["state"], "finished");
    assert!(site.left().is_empty(), "{}", site.left());
}

#[test]
fn recover_removes_leftovers_of_killed_trial() {
    let site = Site::start();
    let child = site.begin();
    signal(child.id(), Signal::KILL);
    assert_eq!(finish(child).code, None);
    assert_eq!(site.sandbox.json("out/trial.json")["state"], "running");
    // without a prompt nothing is removed
    let unsaid = site.recover(&[]).exits(2);
    assert!(
        unsaid.stdout.contains("\nNamespace   chaos-trial-") && unsaid.stderr.contains("--yes"),
        "{unsaid:?}"
    );
    let other = site.recover(&["abc", "--yes"]).exits(0);
    let name = site.sandbox.json("out/trial.json")["trial"].as_str().unwrap().to_owned();
    assert!(
        other.stdout.is_empty() && other.stderr.starts_with("no leftovers of trial abc on "),
        "{other:?}"
    );
    assert!(other.stderr.ends_with(&format!("; other trials with leftovers: {name}\n")), "{other:?}");
    // a list removes nothing
    let listed = site.recover(&["-o", "json"]).exits(0).json();
    let one = &listed["left"][0];
    assert_eq!(
        (&one["kind"], &one["trial"], &one["action"]),
        (&json!("Namespace"), &json!(name), &json!("delete"))
    );
    assert!(site.left().starts_with("namespace/chaos-trial-"), "{}", site.left());
    let removed = site.recover(&[&name, "--yes", "-o", "name"]).exits(0);
    assert!(removed.stdout.starts_with("namespace/") && removed.stderr.contains("deleted"), "{removed:?}");
    wait_until("the namespace to be gone", || site.left().is_empty());
}

#[test]
fn recover_reads_leftovers_from_trial_folder() {
    let site = Site::start();
    let child = site.begin();
    signal(child.id(), Signal::KILL);
    finish(child);
    // objects of another cluster are skipped
    let mut other = site.sandbox.json("out/trial.json");
    other["cluster"] = json!("https://127.0.0.1:1");
    site.sandbox.write("other/trial.json", other.to_string());
    let refused = site.recover(&["--from", "other", "--yes"]).exits(2);
    assert!(
        refused.stderr.contains("the trial ran on https://127.0.0.1:1, but the current cluster is"),
        "{refused:?}"
    );
    // so are those of another trial
    other["cluster"] = site.sandbox.json("out/trial.json")["cluster"].clone();
    other["trial"] = json!("00000000");
    site.sandbox.write("other/trial.json", other.to_string());
    let nothing = site.recover(&["--from", "other", "--yes"]).exits(0);
    assert!(nothing.stderr.starts_with("no leftovers of trial 00000000 on"), "{nothing:?}");
    assert!(site.left().starts_with("namespace/chaos-trial-"), "{}", site.left());
    site.recover(&["--from", "out", "--yes"]).exits(0);
    wait_until("the namespace to be gone", || site.left().is_empty());
}

#[test]
fn recover_without_leftovers_does_nothing() {
    let check = |record: Option<Value>, expected: &str| {
        // it needs no cluster: there is none
        let sandbox = Sandbox::new();
        if let Some(record) = record {
            sandbox.write("out/trial.json", record.to_string());
        }
        let ended = sandbox.run(["recover", "--from", "out", "--yes"]).exits(0);
        assert!(ended.stdout.starts_with("nothing to do: ") && ended.stdout.contains(expected), "{ended:?}");
    };
    let record = |state: &str, embedded: bool| {
        Some(json!({"trial": "0a1b2c3d", "cluster": "https://h", "context": "kind-a", "embedded": embedded,
            "state": state}))
    };
    check(None, "the directory has no trial");
    check(record("finished", false), "the trial cleaned up everything");
    check(record("running", true), "ended with its process");
    let sandbox = Sandbox::new();
    sandbox.write("out/trial.json", record("running", false).unwrap().to_string().replace("0a1b2c3d", "a,b"));
    sandbox.run(["recover", "--from", "out", "--yes"]).exits(2).reports("invalid trial ID 'a,b'");
    sandbox.write("out/trial.json", record("running", false).unwrap().to_string());
    sandbox.run(["recover", "--from", "out", "--yes"]).exits(4).reports("no cluster configured");
    sandbox.run(["recover", "x", "--from", "out"]).exits(2);
}
