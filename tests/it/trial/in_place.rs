//! `trial --in-place`: the trial replaces existing objects, and restores them however it ends.

use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{
    ProcessResult, Response, Server, Site, finish, kubeconfig, object, pod_spec, signal, wait_until,
};

/// A Deployment with this number of replicas.
pub(super) fn deployment(replicas: u32, note: &str) -> Value {
    let labels = json!({"app": "web"});
    let template = json!({"metadata": {"labels": labels}, "spec": pod_spec("testbed/busybox:1")});
    let spec = json!({"replicas": replicas, "selector": {"matchLabels": labels}, "template": template});
    let mut deployment = object("apps/v1", "Deployment", "web", &json!({"spec": spec}));
    deployment["metadata"]["annotations"] = json!({"note": note});
    deployment
}

pub(super) fn settings(name: &str, value: &str) -> Value {
    object("v1", "ConfigMap", name, &json!({"data": {"a": value}}))
}

fn list(items: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

/// Creates the workload of a user in the namespace.
pub(super) fn furnish(site: &Site) {
    site.create(&site.at("apps/v1", "deployments"), &deployment(1, "mine"));
    site.create(&site.at("v1", "configmaps"), &settings("settings", "1"));
    site.until(&site.at("apps/v1", "deployments/web"), |answer| {
        answer.body["status"]["availableReplicas"] == 1
    });
}

/// Starts a trial that replaces the workload, and adds an object after the change.
pub(super) fn begin(site: &Site, more: &[&str]) -> Child {
    begin_with(site, &site.config, more)
}

/// Starts the trial with this kubeconfig.
fn begin_with(site: &Site, config: &str, more: &[&str]) -> Child {
    let before =
        site.sandbox.write("before.json", list(&[deployment(1, "before"), settings("settings", "2")]));
    let after = site.sandbox.write(
        "after.json",
        list(&[deployment(2, "after"), settings("settings", "3"), settings("extra", "4")]),
    );
    // the state of the replacement Pod does not matter, so that the result does not depend on the load of the
    // cluster
    let count = json!({"type": "python", "module": "chaosk8s.pod.probes", "func": "count_pods",
        "arguments": {"label_selector": "app=web"}});
    let kill = json!({"type": "python", "module": "chaosk8s.pod.actions", "func": "terminate_pods",
        "arguments": {"label_selector": "app=web", "qty": 1, "grace_period": 0}});
    let experiment = json!({"title": "t", "description": "d", "steady-state-hypothesis": {"title": "h", "probes": [
            {"type": "probe", "name": "runs", "tolerance": {"type": "range", "range": [0, 4]}, "provider": count}]},
        "method": [{"type": "action", "name": "kill", "provider": kill, "pauses": {"after": 1}}]});
    let experiment = site.sandbox.write("experiment.json", experiment.to_string());
    let mut command = site.sandbox.command(["trial", "--in-place", "--repeat", "1", "--output-dir", "out"]);
    command.arg(experiment).arg("--before").arg(before).arg("--after").arg(after);
    command.args(["--recovery", "1s", "--ready-timeout", "3m"]).args(more);
    command.env("KUBECONFIG", config).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("a started process")
}

/// A proxy to the cluster that delays the first change of the Deployment, even if the client has left.
fn slow(site: &Arc<Site>, time: Duration) -> (Server, Arc<AtomicBool>) {
    let asked = Arc::new(AtomicBool::new(false));
    let (site, first) = (Arc::clone(site), Arc::clone(&asked));
    let server = Server::start(move |request| {
        let path = request.path.as_str();
        let is_change = request.method == "PATCH" && path.contains("/deployments/web");
        if is_change && !first.swap(true, Ordering::Relaxed) {
            std::thread::sleep(time);
        }
        let method = request.method.parse().unwrap();
        let content_type = request.header("content-type").unwrap_or("application/json");
        let answer = site.pass(method, path, content_type, request.body.clone());
        Response::new(answer.code, "application/json", &answer.body.to_string())
    });
    (server, asked)
}

/// Interrupts a trial during a change, and waits until the change is applied.
fn cut_in_the_middle(time: Duration) -> (Arc<Site>, ProcessResult) {
    let site = Arc::new(Site::embedded());
    furnish(&site);
    let (server, asked) = slow(&site, time);
    let through = kubeconfig(&site.sandbox, &server.url(""), &json!({}));
    let child = begin_with(&site, &through, &["--settle", "1h", "--sample=1h", "-n", &site.namespace]);
    wait_until("a change", || asked.load(Ordering::Relaxed));
    signal(child.id(), Signal::TERM);
    let ended = finish(child);
    std::thread::sleep(time);
    drop(server);
    (site, ended)
}

#[test]
fn inflight_change_is_restored() {
    let (site, ended) = cut_in_the_middle(Duration::from_millis(1500));
    ended.exits(143);
    stands_again(&site);
    assert_eq!(site.sandbox.json("out/trial.json")["state"], "finished");
}

#[test]
fn pending_change_is_left_to_recover() {
    let (site, ended) = cut_in_the_middle(Duration::from_secs(5));
    ended.reports("a request is still in flight and may yet be applied");
    assert_eq!(site.sandbox.json("out/trial.json")["state"], "cleanup_incomplete");
    recover(&site, &["--yes"]).exits(0);
    stands_again(&site);
}

pub(super) fn recover(site: &Site, more: &[&str]) -> ProcessResult {
    let mut command = site.sandbox.command(["recover"]);
    command.args(more).env("KUBECONFIG", &site.config).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command.spawn().expect("a started process"))
}

/// Asserts that the original objects exist again, and no others.
pub(super) fn stands_again(site: &Site) {
    let web = site.read(&site.at("apps/v1", "deployments/web")).body;
    assert_eq!(
        (&web["spec"]["replicas"], &web["metadata"]["annotations"]["note"]),
        (&json!(1), &json!("mine"))
    );
    assert_eq!(site.read(&site.at("v1", "configmaps/settings")).body["data"], json!({"a": "1"}));
    assert_eq!(site.read(&site.at("v1", "configmaps/extra")).code, 404);
    let secrets = site.read(&site.at("v1", "secrets")).body;
    let names = secrets["items"].as_array().unwrap().iter().map(|one| one["metadata"]["name"].to_string());
    assert_eq!(names.filter(|name| name.contains("kubectl-chaos-trial")).count(), 0, "{secrets}");
}

fn all_objects_are_restored(site: &Site) {
    furnish(site);
    // one run of each variant is too little for a conclusion
    let ended = finish(begin(site, &["--sample=100ms"])).exits(8);
    for text in ["replaces Deployment web", "adds ConfigMap extra", "in place"] {
        assert!(ended.stderr.contains(text), "{text:?} is not in\n{}", ended.stderr);
    }
    let record = site.sandbox.json("out/trial.json");
    assert_eq!(
        (&record["state"], &record["in_place"]["namespace"]),
        (&json!("finished"), &json!(site.namespace))
    );
    for arm in ["before", "after"] {
        let own = site.sandbox.json(&format!("out/{arm}/journal-1.json"))["kubectl-chaos"].take();
        assert_eq!(own["namespace"], site.namespace, "{own}");
        assert_eq!(own["activities"][0]["effect"]["state"], "confirmed", "{own:#}");
    }
    stands_again(site);
}

fn signal_restores_all_objects(site: &Site) {
    furnish(site);
    let child = begin(site, &["--settle", "1h", "--sample=1h"]);
    wait_until("a replaced workload", || {
        site.read(&site.at("v1", "configmaps/settings")).body["data"]["a"] != "1"
    });
    signal(child.id(), Signal::TERM);
    finish(child).exits(143);
    stands_again(site);
}

fn recover_restores_objects_of_killed_trial(site: &Site) {
    furnish(site);
    let child = begin(site, &["--settle", "1h", "--sample=1h"]);
    wait_until("a replaced workload", || {
        site.read(&site.at("v1", "configmaps/settings")).body["data"]["a"] != "1"
    });
    signal(child.id(), Signal::KILL);
    finish(child);
    let trial = site.sandbox.json("out/trial.json")["trial"].as_str().unwrap().to_owned();
    let listed = recover(site, &[&trial]).exits(2);
    assert!(listed.stdout.contains("\nSecret       kubectl-chaos-trial-"), "{}", listed.stdout);
    let listed = recover(site, &[&trial, "-o", "json"]).exits(0).json()["left"].clone();
    let shown: Vec<_> = listed.as_array().unwrap().iter().map(|one| (&one["kind"], &one["action"])).collect();
    assert_eq!(shown[0], (&json!("Secret"), &json!("delete")));
    assert!(shown.contains(&(&json!("Deployment"), &json!("restore"))), "{listed:#}");
    recover(site, &[&trial, "--yes"]).exits(0);
    stands_again(site);
}

macro_rules! suite {
    ($($part:ident),+ $(,)?) => {
        mod on_embedded {
            use crate::harness::Site;
            $(#[test]
            fn $part() {
                super::$part(&Site::embedded());
            })+
        }
        mod on_real {
            use crate::harness::Site;
            $(#[test]
            #[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT"]
            fn $part() {
                super::$part(&Site::real());
            })+
        }
    };
}

suite!(all_objects_are_restored, signal_restores_all_objects, recover_restores_objects_of_killed_trial);
