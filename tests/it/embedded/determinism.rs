//! Reproducibility: callers set the seed and the clock, and the output contains the seed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use kubectl_chaos::clock::Timestamp;
use kubectl_chaos::embedded::EmbeddedOptions;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::contract::{deployment, is_ready, is_rolled_out};
use super::fixture::World;
use super::tables::table;
use crate::harness::{Sandbox, finish, is_written, signal, wait_until};

/// 2026-11-23T06:31:52Z, in seconds.
const THEN: i64 = 1_795_415_512;

/// The names and UIDs of a Deployment and its Pods in a cluster with this seed and a fixed clock.
fn made(seed: u64) -> BTreeSet<String> {
    let clock = Arc::new(|| Timestamp::from_micros(THEN * 1_000_000));
    let mut made = BTreeSet::new();
    World::with(EmbeddedOptions { seed, clock, ..EmbeddedOptions::default() }, "again", async |world| {
        world.post(&world.at("apps/v1", "deployments"), &deployment("web", 3)).await.ok();
        world.until(&world.at("apps/v1", "deployments/web"), is_rolled_out).await;
        for (version, plural) in [("v1", "pods"), ("apps/v1", "replicasets"), ("apps/v1", "deployments")] {
            let list = world.get(&world.at(version, plural)).await.ok();
            for item in list["items"].as_array().unwrap() {
                let metadata = &item["metadata"];
                assert_eq!(metadata["creationTimestamp"], "2026-11-23T06:31:52Z");
                made.insert(format!("{} {}", metadata["name"], metadata["uid"]));
            }
        }
    });
    assert_eq!(made.len(), 5);
    made
}

#[test]
fn generated_names_depend_on_seed() {
    let seven = made(7);
    assert_eq!(seven, made(7));
    assert!(seven.is_disjoint(&made(8)));
}

#[test]
fn timestamps_come_from_clock() {
    let now = Arc::new(AtomicI64::new(THEN));
    let shown = Arc::clone(&now);
    let clock = Arc::new(move || Timestamp::from_micros(shown.load(Ordering::Relaxed) * 1_000_000));
    World::with(EmbeddedOptions { clock, ..World::options() }, "again", async |world| {
        let mut listens = super::contract::pod("one", &json!({}));
        listens["spec"]["containers"][0]["command"] = json!(["/bin/busybox", "httpd"]);
        world.post(&world.at("v1", "pods"), &listens).await.ok();
        let one = world.at("v1", "pods/one");
        let ready = world.until(&one, |answer| is_ready(&answer.body)).await;
        let started = &ready["status"]["containerStatuses"][0]["state"]["running"]["startedAt"];
        let then = json!("2026-11-23T06:31:52Z");
        assert_eq!((started, &ready["status"]["startTime"]), (&then, &then));
        now.fetch_add(125, Ordering::Relaxed);
        assert_eq!(table(world, &one).await.1[4], "2m5s");
        // the log line has the time of the clock
        let log = async |since: u32| {
            world.get(&format!("{one}/log?timestamps=true&sinceSeconds={since}")).await.body
        };
        let Value::String(said) = log(126).await else { panic!("a text") };
        assert!(said.starts_with("2026-11-23T06:31:52Z listening on "), "{said}");
        assert_eq!(log(124).await, "");
        let leaving = world.delete(&one, &Value::Null).await.ok();
        assert_eq!(leaving["metadata"]["deletionTimestamp"], "2026-11-23T06:33:58Z", "a second to end in");
    });
}

#[test]
fn embedded_run_prints_seed() {
    let sandbox = Sandbox::new();
    let line = |seed: &str| format!("starting an embedded cluster, seed {seed};");
    let experiment = json!({"title": "t", "description": "d", "method": []});
    sandbox.experiment(&experiment, ["--embedded"]).exits(0).reports(&line("0"));
    sandbox.experiment(&experiment, ["--embedded", "--seed", "7"]).exits(0).reports(&line("7"));
    let trial =
        ["trial", "experiment.json", "--embedded", "--before", "none", "--after", "none", "--seed", "8"];
    assert!(sandbox.run(trial).stderr.contains(&line("8")));
    let serve = sandbox.start(["embedded", "serve", "--kubeconfig", "config", "--seed", "9"]);
    wait_until("the kubeconfig", || is_written(&sandbox.path("config")));
    signal(serve.id(), Signal::INT);
    assert!(finish(serve).exits(0).stderr.contains(&line("9")));
}
