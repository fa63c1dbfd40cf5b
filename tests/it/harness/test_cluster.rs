//! The cluster of a suite: an embedded cluster per test, or the real one of `KUBECTL_CHAOS_TEST_CONTEXT`. The
//! binary uses it through a kubeconfig, and the test through the API.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kubectl_chaos::demo_app::{Application, DemoProvider, DemoServer};
use kubectl_chaos::embedded::{
    ContainerError, ContainerRuntime, EmbeddedCluster, EmbeddedOptions, Listener, NoopRuntime, PortBinding,
    StartFuture,
};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{ProcessResult, Sandbox, experiment, wait_until};

/// The image whose containers listen on port 8080 in embedded clusters.
pub const LISTENS: &str = "suite/listens:1";

/// A cluster, a namespace for the test, and a sandbox.
pub struct Site {
    /// The sandbox of the binary.
    pub sandbox: Sandbox,
    /// The namespace.
    pub namespace: String,
    /// Whether the cluster is embedded.
    pub is_embedded: bool,
    /// The path of the kubeconfig.
    pub config: String,
    client: kube::Client,
    runtime: tokio::runtime::Handle,
    thread: Option<(oneshot::Sender<()>, std::thread::JoinHandle<()>)>,
}

/// A response of the API server.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub code: u16,
    /// The JSON document, or the text if it is not JSON.
    pub body: Value,
}

impl Site {
    /// Starts an embedded cluster that listens with TLS.
    pub fn embedded() -> Self {
        Self::start(true, async || {
            let options = EmbeddedOptions { workloads: Box::new(Listening), ..EmbeddedOptions::default() };
            let handle = EmbeddedCluster::start(options);
            let listener = Listener::start(&handle).await.expect("a listener");
            (serde_json::from_value(listener.kubeconfig()).expect("a kubeconfig"), Some(handle))
        })
    }

    /// Connects to the cluster of `KUBECTL_CHAOS_TEST_CONTEXT`.
    pub fn real() -> Self {
        Self::start(false, async || {
            let context = std::env::var("KUBECTL_CHAOS_TEST_CONTEXT").expect("a context to test on");
            let config = Kubeconfig::read().expect("a kubeconfig");
            (Kubeconfig { current_context: Some(context), ..config }, None::<()>)
        })
    }

    /// Starts the cluster, and a thread that lives as long as the value.
    fn start<T>(is_embedded: bool, cluster: impl AsyncFnOnce() -> (Kubeconfig, T) + Send + 'static) -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        let (end, ended) = oneshot::channel();
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        let namespace = format!("suite-{}-{:x}", std::process::id(), nanos);
        let named = namespace.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (mut config, _keeps_it_alive) = cluster().await;
                for context in config.contexts.iter_mut().filter_map(|named| named.context.as_mut()) {
                    context.namespace = Some(named.clone());
                }
                let options = KubeConfigOptions::default();
                let mut own =
                    kube::Config::from_custom_kubeconfig(config.clone(), &options).await.expect("a context");
                // an error status is a valid result
                own.default_retry = false;
                let client = kube::Client::try_from(own).expect("a client");
                sender.send((config, client, tokio::runtime::Handle::current())).unwrap();
                // the sender is dropped with the value
                let _ = ended.await;
            });
        });
        let (config, client, runtime) = receiver.recv().expect("a cluster");
        let sandbox = Sandbox::new();
        let config = serde_json::to_string(&config).expect("a kubeconfig");
        let config = sandbox.write("kubeconfig", config).display().to_string();
        let thread = Some((end, thread));
        let site = Self { sandbox, namespace, is_embedded, config, client, runtime, thread };
        site.create("/api/v1/namespaces", &object("v1", "Namespace", &site.namespace, &json!({})));
        if !is_embedded {
            // a real cluster rejects Pods until the service account exists
            let pods = site.at("v1", "pods?dryRun=All");
            wait_until("the service account", || site.ask(Method::POST, &pods, &pod("x")).code == 201);
        }
        site
    }

    /// The address of objects in the namespace: `v1` or `apps/v1`, then `pods/one`.
    pub fn at(&self, version: &str, rest: &str) -> String {
        let root = if version.contains('/') { "apis" } else { "api" };
        format!("/{root}/{version}/namespaces/{}/{rest}", self.namespace)
    }

    /// Sends a request, with a body unless it is null. A PATCH merges.
    pub fn ask(&self, method: Method, path: &str, body: &Value) -> Answer {
        let patch = if method == Method::PATCH { "merge-patch+" } else { "" };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.pass(method, path, &format!("application/{patch}json"), body)
    }

    /// Sends a request with these bytes.
    pub fn pass(&self, method: Method, path: &str, content_type: &str, body: String) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Accept", "application/json")
            .header("Content-Type", content_type)
            .body(kube::client::Body::from(body.into_bytes()))
            .unwrap();
        let client = self.client.clone();
        let (code, bytes) = self.runtime.block_on(async {
            let answered = async {
                let answer = client.send(request).await.expect("an answer");
                (answer.status(), answer.into_body().collect().await.expect("a body").to_bytes())
            };
            tokio::time::timeout(super::DEADLINE, answered).await.expect("an answer in time")
        });
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into());
        Answer { code: code.as_u16(), body }
    }

    /// Reads an object.
    pub fn read(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &Value::Null)
    }

    /// Creates an object.
    #[track_caller]
    pub fn create(&self, path: &str, object: &Value) -> Value {
        let answer = self.ask(Method::POST, path, object);
        assert_eq!(answer.code, 201, "{path}: {}", answer.body);
        answer.body
    }

    /// Deletes an object at the end of a test. It may be gone.
    pub fn forget(&self, path: &str) {
        let ask = || drop(self.ask(Method::DELETE, path, &Value::Null));
        drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(ask)));
    }

    /// Reads an object until it fulfils a condition.
    #[track_caller]
    pub fn until(&self, path: &str, mut is: impl FnMut(&Answer) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.read(path);
            if is(&answer) {
                return answer.body;
            }
            // a busy real cluster is slow
            let patience = super::DEADLINE * if self.is_embedded { 1 } else { 3 };
            assert!(begun.elapsed() < patience, "waited in vain: {path}: {} {}", answer.code, answer.body);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Creates Pods with these names and labels, and waits until all are ready.
    #[track_caller]
    pub fn ready_pods(&self, names: &[&str], labels: &Value) {
        for name in names {
            let mut one = pod(name);
            one["metadata"]["labels"] = labels.clone();
            self.create(&self.at("v1", "pods"), &one);
        }
        for name in names {
            self.until(&self.at("v1", &format!("pods/{name}")), |answer| is_ready(&answer.body));
        }
    }

    /// Sets the status that the controller of a workload would set. Only a real cluster has that controller:
    /// there the function waits for it.
    #[track_caller]
    pub fn comes_to(&self, path: &str, status: &Value) {
        if self.is_embedded {
            let answer =
                self.ask(Method::PATCH, &format!("{path}/status"), &json!({"status": status.clone()}));
            assert_eq!(answer.code, 200, "{}", answer.body);
        }
        let holds = |object: &Value| {
            status.as_object().unwrap().iter().all(|(field, value)| object["status"][field] == *value)
        };
        self.until(path, |answer| holds(&answer.body));
    }

    /// Runs a method in the namespace.
    pub fn run(&self, method: &Value, flags: &[&str]) -> ProcessResult {
        self.run_experiment(&experiment(method), flags)
    }

    /// Runs an experiment in the namespace.
    pub fn run_experiment(&self, experiment: &Value, flags: &[&str]) -> ProcessResult {
        let file = self.sandbox.write("experiment.json", experiment.to_string());
        // the journal of an earlier run is not a result of this run
        let _ = std::fs::remove_file(self.sandbox.path("journal.json"));
        let mut command = self.sandbox.command(["run", file.to_str().unwrap()]);
        command.args(flags).env("KUBECONFIG", &self.config);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        super::finish(command.spawn().expect("a started process"))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if !self.is_embedded {
            let path = format!("/api/v1/namespaces/{}", self.namespace);
            self.forget(&path);
        }
        if let Some((end, thread)) = self.thread.take() {
            drop(end);
            // a failed test has reported already
            let _ = thread.join();
        }
    }
}

/// An object of a kind with a name and a specification.
pub fn object(version: &str, kind: &str, name: &str, rest: &Value) -> Value {
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}});
    object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    object
}

/// A Pod that sleeps for a long time.
pub fn pod(name: &str) -> Value {
    object("v1", "Pod", name, &json!({"spec": pod_spec("testbed/busybox:1")}))
}

/// The specification of that Pod.
pub fn pod_spec(image: &str) -> Value {
    json!({"terminationGracePeriodSeconds": 1,
        "containers": [{"name": "main", "image": image, "imagePullPolicy": "IfNotPresent"}]})
}

/// Whether a Pod is ready.
pub fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

/// Containers of one image listen like the provider of the examples.
struct Listening;

impl ContainerRuntime for Listening {
    fn start<'a>(
        &'a self,
        cluster: &'a Arc<EmbeddedCluster>,
        pod: &'a Value,
        container: &'a Value,
        end: oneshot::Receiver<()>,
    ) -> StartFuture<'a> {
        if container["image"] != LISTENS {
            return NoopRuntime.start(cluster, pod, container, end);
        }
        listens(DemoProvider, end)
    }
}

/// A container that listens on port 8080.
pub fn listens<'a>(application: impl Application, end: oneshot::Receiver<()>) -> StartFuture<'a> {
    Box::pin(async {
        let server = DemoServer::bind(([127, 0, 0, 1], 0).into()).await.map_err(ContainerError::Listen)?;
        let real = server.address();
        tokio::spawn(server.serve(application, end));
        Ok(Some(PortBinding { port: 8080, real }))
    })
}
