//! Measures the embedded cluster: the time until 1,000 Pods are ready, and the memory of its process.
//!
//! ```console
//! cargo bench --bench embedded                 # five rounds of each row
//! cargo bench --bench embedded -- --quick      # one round
//! cargo bench --bench embedded -- --only NAME  # the rows whose name contains NAME
//! cargo bench --bench embedded -- --json FILE  # the results as JSON
//! ```
//!
//! Each round starts `embedded serve` of the release binary and uses it through its TLS listener: create, wait until
//! all Pods are ready, list. Times are medians; memory is the peak of the server's process (`VmHWM`) in the worst round.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing benchmark reports the reason"
)]
#![allow(clippy::print_stdout, reason = "the output is for people")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Endpoints, Pod, Service};
use kube::api::{ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// The number of Pods in every row.
const PODS: usize = 1000;
/// The targets: seconds until all Pods are ready, and MiB.
const TARGET: (f64, f64) = (3.0, 60.0);
/// The timeout of a round.
const ROUND_TIMEOUT: Duration = Duration::from_secs(120);

/// One row of the table.
struct Case {
    name: &'static str,
    deployments: usize,
    services: bool,
    container: Value,
}

/// The results of one round.
#[derive(Clone, Copy)]
struct Figures {
    ready: f64,
    listed: f64,
    mebibytes: f64,
}

fn cases() -> Vec<Case> {
    let plain = json!({"name": "main", "image": "registry.example/web:1"});
    let listens = json!({
        "name": "main", "image": "ghcr.io/kubectl-chaos/kubectl-chaos:0.1.0", "args": ["sample-app", "provider"],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 1},
    });
    vec![
        Case { name: "1 Deployment of 1,000", deployments: 1, services: false, container: plain.clone() },
        Case { name: "20 of 50, with Services", deployments: 20, services: true, container: plain },
        Case { name: "1 of 1,000 that listen", deployments: 1, services: true, container: listens.clone() },
        Case { name: "20 of 50 that listen", deployments: 20, services: true, container: listens },
    ]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let rounds = if arguments.iter().any(|argument| argument == "--quick") { 1 } else { 5 };
    let only = value("--only").unwrap_or_default();
    println!("{:<34}{:>12}{:>12}{:>12}", format!("{PODS} Pods"), "ready", "listed", "MiB");
    let cases = cases().into_iter().filter(|case| case.name.contains(&only));
    let rows: Vec<Value> = cases.map(|case| row(&case, rounds)).collect();
    let (seconds, mebibytes) = TARGET;
    let worst = |of: &str| rows.iter().filter_map(|row| row[of].as_f64()).fold(0.0, f64::max);
    let (slowest, most) = (worst("seconds"), worst("mebibytes"));
    println!("\ntarget: {seconds} s and {mebibytes} MiB; worst row: {slowest:.2} s and {most:.1} MiB");
    if let Some(file) = value("--json") {
        std::fs::write(&file, format!("{:#}\n", Value::from(rows))).unwrap();
    }
}

/// Measures a case and prints its row.
fn row(case: &Case, rounds: usize) -> Value {
    let rounds: Vec<Figures> = (0..rounds).map(|_| round(case)).collect();
    let middle = |of: fn(&Figures) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let (ready, listed) = (middle(|round| round.ready), middle(|round| round.listed));
    let mebibytes = rounds.iter().map(|round| round.mebibytes).fold(0.0, f64::max);
    let mark = |figure: f64, target: f64| if figure <= target { "+" } else { "-" };
    println!(
        "{:<34}{:>12}{:>12}{:>12}",
        case.name,
        format!("{ready:.2} s {}", mark(ready, TARGET.0)),
        format!("{:.0} ms", listed * 1e3),
        format!("{mebibytes:.1} {}", mark(mebibytes, TARGET.1)),
    );
    json!({"name": case.name, "seconds": ready, "list_seconds": listed, "mebibytes": mebibytes,
        "target": {"seconds": TARGET.0, "mebibytes": TARGET.1}})
}

/// A server process that ends when dropped.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::INT);
        let _ = self.0.wait();
    }
}

fn round(case: &Case) -> Figures {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let mut serving = Command::new(env!("CARGO_BIN_EXE_kubectl-chaos"));
    serving.args(["embedded", "serve", "--kubeconfig"]).arg(&kubeconfig).current_dir(folder.path());
    let mut server = Served(serving.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let first_line = BufReader::new(server.0.stdout.take().unwrap()).lines().next();
    assert!(first_line.is_some_and(|line| line.is_ok()), "the cluster did not start");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (ready, listed) = runtime.block_on(async {
        let kubeconfig = Kubeconfig::read_from(&kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let using = use_it(Client::try_from(config).unwrap(), case);
        tokio::time::timeout(ROUND_TIMEOUT, using).await.expect("the round does not finish in time")
    });
    Figures { ready, listed, mebibytes: peak(server.0.id()) }
}

/// Uses the cluster. Returns the seconds until all Pods are ready, and the seconds of a list request.
async fn use_it(client: Client, case: &Case) -> (f64, f64) {
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    let services: Api<Service> = Api::default_namespaced(client.clone());
    let endpoints: Api<Endpoints> = Api::default_namespaced(client.clone());
    let pods: Api<Pod> = Api::default_namespaced(client);
    let each = PODS / case.deployments;
    let names: Vec<String> = (0..case.deployments).map(|index| format!("web-{index}")).collect();
    let begun = Instant::now();
    for name in &names {
        let deployment = json!({"metadata": {"name": name}, "spec": {
            "replicas": each, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [case.container]}}}});
        deployments
            .create(&PostParams::default(), &serde_json::from_value(deployment).unwrap())
            .await
            .unwrap();
        if case.services {
            let service = json!({"metadata": {"name": name},
                "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}});
            services.create(&PostParams::default(), &serde_json::from_value(service).unwrap()).await.unwrap();
        }
    }
    for name in &names {
        let available = async || {
            let status = deployments.get(name).await.unwrap().status.unwrap_or_default();
            status.available_replicas == i32::try_from(each).ok()
        };
        let listed = async || {
            let subsets = endpoints.get(name).await.unwrap().subsets.unwrap_or_default();
            subsets.iter().flat_map(|one| &one.addresses).map(Vec::len).sum::<usize>() == each
        };
        while !available().await || (case.services && !listed().await) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let ready = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let all = pods.list(&ListParams::default()).await.unwrap().items;
    let listed = begun.elapsed().as_secs_f64();
    let is_ready = |pod: &Pod| {
        let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.into_iter().any(|one| one.type_ == "Ready" && one.status == "True")
    };
    assert_eq!(all.iter().filter(|pod| is_ready(pod)).count(), PODS);
    (ready, listed)
}

/// Returns the peak memory of a process, in MiB.
fn peak(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("/proc of Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
