//! The four steps of a mutation, against a mock: nothing changes outside them.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{api, asked, pods};
use crate::harness::{
    Response, Sandbox, Server, experiment, finish, function, is_written, kubeconfig_of, signal, wait_until,
    with,
};

fn kill(kind: &str, labels: &str) -> Value {
    function(kind, "pod.actions", "terminate_pods", &json!({"label_selector": labels}))
}

fn process(name: &str, script: &str) -> Value {
    json!({"type": "action", "name": name, "provider":
        {"type": "process", "path": "sh", "arguments": ["-c", script]}})
}

/// A server with a Pod that no request deletes.
fn stubborn() -> Server {
    api(|request| match request.method.as_str() {
        "DELETE" => Some(Response::json(&json!({}))),
        _ if request.path.contains("/pods/") => Some(Response::json(&pods(&["a"])["items"][0])),
        _ => request.path.contains("/pods").then(|| Response::json(&pods(&["a"]))),
    })
}

fn deletions(api: &Server) -> Vec<String> {
    asked(api).into_iter().filter(|asked| asked.starts_with("DELETE ")).collect()
}

#[test]
fn safeguards_and_dynamic_config_cannot_mutate() {
    let guard = with(kill("probe", "a=b"), &json!({"tolerance": true}));
    let control = |probe: &Value| {
        json!({"controls": [{"name": "s", "provider": {"type": "python", "arguments": {"probes": [probe]},
            "module": "chaosaddons.controls.safeguards"}}]})
    };
    let touch = experiment(&json!([process("touch", "touch touched")]));
    let api = stubborn();
    let sandbox = Sandbox::new();
    let config = kubeconfig_of(&sandbox, &api, &json!({}));
    let run = |more: &Value, arguments: &[&str], code: i32| {
        let given = ["--kubeconfig", &config].into_iter().chain(arguments.iter().copied());
        let finished = sandbox.experiment(&with(touch.clone(), more), given).exits(code);
        assert_eq!(deletions(&api), [""; 0], "{more}");
        finished
    };
    run(&control(&guard), &[], 3).reports("changes the cluster, so it cannot be a probe");
    run(&control(&with(guard.clone(), &json!({"type": "action"}))), &[], 3)
        .reports("a safeguard must be a probe");
    let told = "calls terminate_pods, which changes the cluster; only read-only probes are allowed here";
    for lenient in ["--strict=false", "--no-validation"] {
        run(&control(&guard), &[lenient], 9).reports(told);
    }
    assert!(!sandbox.path("touched").exists());
    let asking = json!({"configuration": {"answer": kill("probe", "a=b")}});
    run(&asking, &[], 3);
    run(&asking, &["--strict=false", "-v", "4"], 0).reports(told);
}

#[test]
fn unwritable_journal_skips_actions_but_rolls_back() {
    let gone = AtomicBool::new(false);
    let api = api(move |request| {
        let first = request.path.contains("first");
        gone.fetch_or(request.method == "DELETE", Ordering::Relaxed);
        let there = match (first, gone.load(Ordering::Relaxed)) {
            (true, _) => pods(&["first"]),
            (false, false) => pods(&["second"]),
            (false, true) => pods(&[]),
        };
        request.path.contains("/pods").then(|| Response::json(&there))
    });
    let sandbox = Sandbox::new();
    let config = kubeconfig_of(&sandbox, &api, &json!({}));
    // files are limited to 32 KiB: writes beyond fail, like on a full disk
    let fill = process("fill", "head -c 100000 /dev/zero | tr '\\0' x");
    let rollbacks = json!({"rollbacks": [kill("action", "app=second")]});
    let experiment = with(experiment(&json!([fill, kill("action", "app=first")])), &rollbacks);
    sandbox.write("experiment.json", experiment.to_string());
    let binary = env!("CARGO_BIN_EXE_kubectl-chaos");
    let command = format!(
        "trap '' XFSZ; ulimit -f 64; exec '{binary}' run experiment.json --kubeconfig '{config}' --effect-timeout 2s"
    );
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &command]).current_dir(sandbox.path("")).env("HOME", sandbox.path(""));
    let child = shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let told = "not applied: cannot record its targets: cannot write journal ";
    let finished = finish(child).reports(told);
    let [only] = &deletions(&api)[..] else { panic!("{:#?}\n{}", deletions(&api), finished.stderr) };
    assert!(only.ends_with("/second"), "{only}");
}

#[test]
fn urgent_signal_skips_effect_confirmation() {
    let hang = |name: &str| process(name, &format!("echo $$ > {name}; sleep 300"));
    let start = |sandbox: &Sandbox, api: &Server, method: &Value| {
        let config = kubeconfig_of(sandbox, api, &json!({}));
        sandbox.write("experiment.json", experiment(method).to_string());
        let child =
            sandbox.start(["run", "experiment.json", "--kubeconfig", &config, "--effect-timeout", "1h"]);
        wait_until("the activity starts", || is_written(&sandbox.path("hang")));
        child
    };
    let api = stubborn();
    let sandbox = Sandbox::new();
    let child = start(&sandbox, &api, &json!([kill("action", "a=b"), hang("hang")]));
    signal(child.id(), Signal::USR2);
    finish(child).exits(140).reports("the run ended before the effect was observed");

    let sandbox = Sandbox::new();
    let behind = with(hang("behind"), &json!({"background": true}));
    let child = start(&sandbox, &api, &json!([kill("action", "a=b"), behind, hang("hang")]));
    signal(child.id(), Signal::INT);
    wait_until("the activity is cut", || {
        let text = std::fs::read_to_string(sandbox.path("journal.json")).unwrap_or_default();
        let journal: Value = text.parse().unwrap_or_default();
        journal["run"][2].get("end").is_some()
    });
    signal(child.id(), Signal::INT);
    finish(child).exits(130);
}
