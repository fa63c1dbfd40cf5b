//! Completion, lists and small commands.

use std::os::unix::fs::symlink;

use super::{Transcript, folder};
use crate::harness::{Chaos, kubeconfig};

#[test]
fn completion_errors_match() {
    let mut said = Transcript::new();
    let chaos = Chaos::new();
    said.calls(&chaos, &["completion bash", "completion zsh", "completion fish"]);
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
        said.call(&chaos, &format!("__complete {line}"));
    }
    said.call(&chaos, "completion install --dir nowhere");
    said.call(&chaos, "completion install");
    let bin = chaos.path("bin");
    std::fs::create_dir(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_kubectl-chaos"), bin.join("kubectl-chaos")).unwrap();
    said.call(&chaos, "completion install --dir bin");
    let chaos = chaos.env("PATH", bin.to_str().unwrap());
    said.calls(&chaos, &["completion install --dir bin", "completion install"]);
    chaos.write("bin/kubectl_complete-chaos", "mine");
    said.call(&chaos, "completion install --dir bin");
    said.check("completion");
}

#[test]
fn list_errors_match() {
    let (chaos, mut said) = (folder(), Transcript::new());
    said.calls(
        &chaos,
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
    let config = kubeconfig(&chaos, "http://127.0.0.1:1", &serde_json::json!({}));
    said.call(&chaos, &format!("doctor --kubeconfig {config} --role e.json --as jane"));
    said.check("errors-lists");
}
