//! Completion, lists and small commands.

use std::os::unix::fs::symlink;

use super::{Transcript, folder};
use crate::harness::{Sandbox, kubeconfig};

#[test]
fn completion_errors_match() {
    let mut said = Transcript::new();
    let sandbox = Sandbox::new();
    said.calls(&sandbox, &["completion bash", "completion zsh", "completion fish"]);
    for line in [
        "''",
        "--",
        "run --",
        "trial --",
        "ci --",
        "run --output ''",
        "compare --fail-on ''",
        "init --fault ''",
    ] {
        said.call(&sandbox, &format!("__complete {line}"));
    }
    said.call(&sandbox, "completion install --dir nowhere");
    said.call(&sandbox, "completion install");
    let bin = sandbox.path("bin");
    std::fs::create_dir(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_kubectl-chaos"), bin.join("kubectl-chaos")).unwrap();
    said.call(&sandbox, "completion install --dir bin");
    let sandbox = sandbox.env("PATH", bin.to_str().unwrap());
    said.calls(&sandbox, &["completion install --dir bin", "completion install"]);
    sandbox.write("bin/kubectl_complete-chaos", "mine");
    said.call(&sandbox, "completion install --dir bin");
    said.check("completion");
}

#[test]
fn list_errors_match() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    said.calls(
        &sandbox,
        &[
            "discover chaosaws",
            "discover terminate_pod",
            "discover pod.action",
            "discover nothing",
            "discover chaosk8s.none",
            "doctor nowhere.json",
            "doctor e.json --role",
            "run --help nothing",
            "options",
            "--version",
        ],
    );
    let config = kubeconfig(&sandbox, "http://127.0.0.1:1", &serde_json::json!({}));
    said.call(&sandbox, &format!("doctor --kubeconfig {config} --role e.json --as jane"));
    said.check("errors-lists");
}
