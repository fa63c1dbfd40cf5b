//! Measures on a cluster with many Pods, which are bound to a Node without a kubelet and do not run.

use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ServiceAccount};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use super::{Asked, Case};

/// The number of concurrent requests while Pods are created.
const AT_ONCE: usize = 40;

/// The objects of the measurement; deleted at the end.
struct Ground {
    client: Client,
    name: String,
    pods: usize,
}

/// Measures with 5,000 Pods; with 500 in quick mode.
pub(super) fn bench(asked: Asked<'_>, context: &str) -> Vec<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pods = if asked.quick { 500 } else { 5000 };
    let ground = runtime.block_on(async {
        let mut kubeconfig = Kubeconfig::read().expect("a kubeconfig");
        // the Chaos Toolkit uses the current context
        kubeconfig.current_context = Some(context.to_owned());
        std::fs::write(folder.path().join("config"), serde_json::to_string(&kubeconfig).unwrap()).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let name = format!("kubectl-chaos-bench-{}", std::process::id());
        Ground { client: Client::try_from(config).unwrap(), name, pods }
    });
    println!("\non a cluster, {pods} Pods; memory target: 30 MiB");
    runtime.block_on(ground.lay());
    let rows = asked.rows(&cases(&ground, folder.path(), asked.quick), folder.path());
    runtime.block_on(ground.clear());
    rows
}

fn cases(ground: &Ground, folder: &Path, quick: bool) -> Vec<Case> {
    let write = |name: &str, kind: &str, function: &str, arguments: Value| {
        let (module, function) = function.rsplit_once('.').unwrap();
        let provider = json!({"type": "python", "module": module, "func": function, "arguments": arguments});
        let activity = json!({"type": kind, "name": name, "provider": provider});
        let experiment = json!({"title": name, "description": "d", "method": [activity]});
        let file = format!("{name}.json");
        std::fs::write(folder.join(&file), experiment.to_string()).unwrap();
        vec!["run".to_owned(), file]
    };
    let case = |name: &str, arguments: Vec<String>, runs: usize, target: f64| Case {
        name: name.to_owned(),
        their_arguments: arguments.clone(),
        arguments,
        runs,
        compared: true,
        target: Some(target),
    };
    let (first, second, empty) = (ground.namespace("a"), ground.namespace("b"), ground.namespace("empty"));
    let count = |ns: &str| json!({"label_selector": "app=bench", "phase": "Running", "ns": ns});
    let kill = |ns: &str| json!({"label_selector": "app=bench", "all": true, "grace_period": 0, "ns": ns});
    let few = if quick { 1 } else { 3 };
    let probe = "chaosk8s.pod.probes.count_pods";
    let healthy = "chaosk8s.pod.probes.all_pods_healthy";
    let kills = "chaosk8s.pod.actions.terminate_pods";
    vec![
        case("count_pods, no Pods", write("trivial", "probe", probe, count(&empty)), 7, 40.0),
        case("all_pods_healthy", write("healthy", "probe", healthy, json!({"ns": first})), few, 10.0),
        case("count_pods", write("count", "probe", probe, count(&first)), few, 10.0),
        // each program kills its own Pods
        Case {
            their_arguments: write("kill-theirs", "action", kills, kill(&second)),
            ..case("terminate_pods", write("kill", "action", kills, kill(&first)), 1, 5.0)
        },
    ]
}

impl Ground {
    fn namespace(&self, which: &str) -> String {
        format!("{}-{which}", self.name)
    }

    async fn lay(&self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        for which in ["empty", "a", "b"] {
            let namespace = json!({"metadata": {"name": self.namespace(which)}});
            namespaces
                .create(&PostParams::default(), &serde_json::from_value(namespace).unwrap())
                .await
                .unwrap();
        }
        let nodes: Api<Node> = Api::all(self.client.clone());
        let node = json!({"metadata": {"name": self.name}, "spec": {"unschedulable": true}});
        nodes.create(&PostParams::default(), &serde_json::from_value(node).unwrap()).await.unwrap();
        for which in ["a", "b"] {
            self.fill(&self.namespace(which)).await;
        }
    }

    async fn fill(&self, namespace: &str) {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        while accounts.get_opt("default").await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let made = stream::iter(0..self.pods).map(|index| {
            let (pods, node) = (&pods, &self.name);
            async move {
                let name = format!("pod-{index:05}");
                let pod = json!({"metadata": {"name": name, "labels": {"app": "bench"}}, "spec": {
                    "nodeName": node, "automountServiceAccountToken": false, "tolerations": [{"operator": "Exists"}],
                    "containers": [{"name": "main", "image": "none"}]}});
                pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
                let status = json!({"status": {"phase": "Running"}});
                pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
            }
        });
        made.buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    async fn clear(&self) {
        let none = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        for which in ["empty", "a", "b"] {
            let namespace = self.namespace(which);
            let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
            pods.delete_collection(&none, &kube::api::ListParams::default()).await.unwrap();
            namespaces.delete(&namespace, &DeleteParams::default()).await.unwrap();
        }
        let nodes: Api<Node> = Api::all(self.client.clone());
        nodes.delete(&self.name, &DeleteParams::default()).await.unwrap();
    }
}
