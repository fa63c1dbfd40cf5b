//! The cluster of the contract: one in this process, or a real one, with a namespace for the test.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kubectl_chaos::demo_app::{Application, DemoResponse as Said};
use kubectl_chaos::embedded::{
    ContainerRuntime, EmbeddedCluster, EmbeddedHandle, EmbeddedOptions, NoopRuntime, StartFuture,
};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::harness::listens;

/// The time limit for what a cluster does by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster and a namespace for the test.
pub struct World {
    client: kube::Client,
    pub namespace: String,
    /// Whether the cluster runs in this process.
    pub is_embedded: bool,
    /// Cluster-scoped objects that are deleted after the test.
    made: RefCell<Vec<String>>,
}

/// Containers of the test image listen if their command says so, like the file server of busybox.
struct Busybox;

/// The path that exists: in containers of a real cluster, a file.
struct Files;

impl Application for Files {
    async fn respond(&self, path: &str) -> Option<Said> {
        if path == "/slow" {
            std::future::pending::<()>().await;
        }
        (path == "/hostname").then(|| Said::text(200, "x"))
    }
}

impl ContainerRuntime for Busybox {
    fn start<'a>(
        &'a self,
        cluster: &'a Arc<EmbeddedCluster>,
        pod: &'a Value,
        container: &'a Value,
        end: oneshot::Receiver<()>,
    ) -> StartFuture<'a> {
        if container["command"][1] != "httpd" {
            return NoopRuntime.start(cluster, pod, container, end);
        }
        listens(Files, end)
    }
}

/// A response of the API server.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub body: Value,
}

impl Answer {
    /// Asserts success, and returns the object.
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.code), "{self:?}");
        self.body
    }

    /// Asserts an error with this code, reason and message.
    pub fn refused(&self, code: u16, reason: &str, message: &str) {
        let said = self.body["message"].as_str().unwrap_or_default();
        assert_eq!((self.code, self.body["reason"].as_str()), (code, Some(reason)), "{said}");
        assert_eq!(self.body["code"], code);
        assert!(said.contains(message), "{said:?} lacks {message:?}");
    }
}

impl World {
    /// Runs a test on a new cluster in this process.
    pub fn embedded(test: impl AsyncFnOnce(&World)) {
        Self::with(Self::options(), &unique(), test);
    }

    /// Runs a test on a new cluster with these options and a namespace of this name.
    pub fn with(options: EmbeddedOptions, namespace: &str, test: impl AsyncFnOnce(&World)) {
        Self::hold(test, namespace, async || {
            let handle = EmbeddedCluster::start(options);
            let client = kube::Client::new(handle.service(), "default");
            (client, Some(handle))
        });
    }

    /// The default options of these clusters.
    pub fn options() -> EmbeddedOptions {
        EmbeddedOptions { workloads: Box::new(Busybox), ..EmbeddedOptions::default() }
    }

    /// Runs a test on the cluster of `KUBECTL_CHAOS_TEST_CONTEXT`.
    pub fn real(test: impl AsyncFnOnce(&World)) {
        Self::hold(test, &unique(), async || {
            let context = std::env::var("KUBECTL_CHAOS_TEST_CONTEXT").expect("a context to test on");
            (client(Kubeconfig::read().expect("a kubeconfig"), Some(context)).await, None)
        });
    }

    /// Runs a test on a cluster that the binary serves, through its kubeconfig.
    pub fn served(kubeconfig: &Path, test: impl AsyncFnOnce(&World)) {
        Self::hold(test, &unique(), async || {
            (client(Kubeconfig::read_from(kubeconfig).expect("a kubeconfig"), None).await, None)
        });
    }

    fn hold(
        test: impl AsyncFnOnce(&World),
        namespace: &str,
        connect: impl AsyncFnOnce() -> (kube::Client, Option<EmbeddedHandle>),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (client, handle) = connect().await;
            let (is_embedded, made) = (handle.is_some(), RefCell::default());
            let world = World { client, namespace: namespace.to_owned(), is_embedded, made };
            let namespace =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace}});
            world.post("/api/v1/namespaces", &namespace).await.ok();
            if handle.is_none() {
                // a real cluster rejects Pods until the service account exists
                let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"},
                    "spec": {"containers": [{"name": "x", "image": "x"}]}});
                let path = world.at("v1", "pods?dryRun=All");
                let begun = Instant::now();
                while world.post(&path, &pod).await.code != 201 {
                    assert!(begun.elapsed() < PATIENCE, "{path}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            let held = std::panic::AssertUnwindSafe(test(&world));
            let held = futures_util::FutureExt::catch_unwind(held).await;
            for made in world.made.take() {
                world.delete(&made, &json!({"gracePeriodSeconds": 0})).await;
            }
            world.delete(&format!("/api/v1/namespaces/{}", world.namespace), &json!({})).await;
            if let Err(panic) = held {
                std::panic::resume_unwind(panic);
            }
        });
    }

    /// Deletes the object at the end, even if the test fails.
    pub fn forgets(&self, path: &str) {
        self.made.borrow_mut().push(path.to_owned());
    }

    /// The address of objects of a resource in the namespace: `core/v1`-style groups are spelled as they are.
    pub fn at(&self, group: &str, rest: &str) -> String {
        let root = if group.contains('/') { "apis" } else { "api" };
        format!("/{root}/{group}/namespaces/{}/{rest}", self.namespace)
    }

    pub async fn ask(&self, method: Method, path: &str, content_type: &str, body: Option<&Value>) -> Answer {
        self.asked(method, path, content_type, body, "application/json").await
    }

    pub async fn asked(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
        accept: &str,
    ) -> Answer {
        let request = Request::builder().method(method).uri(path).header("Accept", accept);
        let request = request
            .header("Content-Type", if content_type.is_empty() { "application/json" } else { content_type });
        let body = body.map(Value::to_string).unwrap_or_default();
        let answer =
            self.client.send(request.body(Body::from(body.into_bytes())).unwrap()).await.expect("an answer");
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.expect("a body").to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
        Answer { code, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, "", None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, "", Some(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::PUT, path, "", Some(body)).await
    }

    /// Patches an object with `json`, `merge` or `strategic-merge`.
    pub async fn patch(&self, how: &str, path: &str, body: &Value) -> Answer {
        self.ask(Method::PATCH, path, &format!("application/{how}-patch+json"), Some(body)).await
    }

    pub async fn delete(&self, path: &str, options: &Value) -> Answer {
        self.ask(Method::DELETE, path, "", Some(options)).await
    }

    /// Reads an object until it fulfils a condition.
    pub async fn until(&self, path: &str, is: impl Fn(&Answer) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.get(path).await;
            if is(&answer) {
                return answer.body;
            }
            assert!(begun.elapsed() < PATIENCE, "{path}: {answer:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A unique name for a namespace.
fn unique() -> String {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    format!("contract-{}-{nanos:x}", std::process::id())
}

async fn client(kubeconfig: Kubeconfig, context: Option<String>) -> kube::Client {
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("the context");
    // an error status is a valid result
    config.default_retry = false;
    kube::Client::try_from(config).expect("a client")
}
