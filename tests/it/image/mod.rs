//! Tests on a real cluster that has the image of the program, which the examples use.

mod in_cluster;
mod learning_loop;
mod trial;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::harness::{Sandbox, wait_until};

const LOOP: &str = "examples/service-down-not-visible-to-users";

/// A shell in a copy of the example, with the plugin on its PATH and its own namespace.
pub struct Reader {
    /// The sandbox: the example is in its directory `example`.
    pub home: Sandbox,
    /// The namespace.
    pub namespace: String,
}

impl Reader {
    pub fn new(name: &str) -> Self {
        let context = std::env::var("KUBECTL_CHAOS_TEST_CONTEXT").expect("a context to test on");
        let home = Sandbox::new();
        let namespace = format!("kubectl-chaos-test-{name}-{}", std::process::id());
        home.write("bin/.keep", "");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kubectl-chaos"), home.path("bin/kubectl-chaos"))
            .unwrap();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(LOOP), &home.path("example"));
        let reader = Self { home, namespace };
        let view = ["config", "view", "--raw", "--flatten", "--minify", "--context", &context];
        let config = Command::new("kubectl").args(view).output().unwrap();
        reader.home.write("config", config.stdout);
        reader.shell("kubectl config set-context --current --namespace=default", 0);
        reader.shell(&format!("kubectl create namespace {}", reader.namespace), 0);
        reader.shell(&format!("kubectl config set-context --current --namespace={}", reader.namespace), 0);
        reader
    }

    /// Runs a command.
    pub fn run(&self, command: &str) -> Output {
        self.command(command).output().unwrap()
    }

    /// Starts a command.
    pub fn start(&self, command: &str) -> Child {
        self.command(command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn command(&self, command: &str) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", command])
            .current_dir(self.home.path("example"))
            .env("KUBECONFIG", self.home.path("config"))
            .env("PATH", format!("{}:{path}", self.home.path("bin").display()));
        shell
    }

    /// Runs a command that must end with this exit code. Returns its output.
    #[track_caller]
    pub fn shell(&self, command: &str, code: i32) -> String {
        let output = self.run(command);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = format!("{command}: {said}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{text}");
        said
    }

    /// Waits until the consumer responds.
    pub fn wait(&self) {
        let path = format!("/api/v1/namespaces/{}/services/my-consumer-service:8080/proxy", self.namespace);
        let ask = format!("kubectl get --raw {path}/invokeConsumedService");
        wait_until("the consumer says hello", || {
            String::from_utf8_lossy(&self.run(&ask).stdout).starts_with("Hello")
        });
    }

    /// Reads a journal in the example.
    pub fn journal(&self, name: &str) -> Value {
        self.home.json(&format!("example/{name}"))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.run(&format!("kubectl delete namespace {} --wait=false", self.namespace));
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let target: PathBuf = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            std::fs::copy(&entry, &target).unwrap();
        }
    }
}
