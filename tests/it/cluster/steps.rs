//! The four steps of what changes a cluster, on a mock: nothing is changed outside them.

use serde_json::{Value, json};

use super::{api, asked, pods};
use crate::harness::{Chaos, Response, Server, experiment, function, kubeconfig, with};

fn kill(kind: &str, labels: &str) -> Value {
    function(kind, "pod.actions", "terminate_pods", &json!({"label_selector": labels}))
}

fn process(name: &str, script: &str) -> Value {
    json!({"type": "action", "name": name, "provider":
        {"type": "process", "path": "sh", "arguments": ["-c", script]}})
}

/// A Pod that stays, whatever is asked of it.
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
fn what_is_no_step_only_looks() {
    let guard = with(kill("probe", "a=b"), &json!({"tolerance": true}));
    let control = |probe: &Value| {
        json!({"controls": [{"name": "s", "provider": {"type": "python", "arguments": {"probes": [probe]},
            "module": "chaosaddons.controls.safeguards"}}]})
    };
    let touch = experiment(&json!([process("touch", "touch touched")]));
    let api = stubborn();
    let chaos = Chaos::new();
    let config = kubeconfig(&chaos, &api.url(""), &json!({}));
    let run = |more: &Value, arguments: &[&str], code: i32| {
        let given = ["--kubeconfig", &config].into_iter().chain(arguments.iter().copied());
        let finished = chaos.experiment(&with(touch.clone(), more), given).exits(code);
        assert_eq!(deletions(&api), [""; 0], "{more}");
        finished
    };
    run(&control(&guard), &[], 3).says("changes the cluster, so that it is no probe");
    run(&control(&with(guard.clone(), &json!({"type": "action"}))), &[], 3).says("a safeguard only looks");
    let told = "calls terminate_pods, which changes the cluster, where a probe only looks";
    for lenient in ["--strict=false", "--no-validation"] {
        run(&control(&guard), &[lenient], 9).says(told);
    }
    assert!(!chaos.path("touched").exists());
    let asking = json!({"configuration": {"answer": kill("probe", "a=b")}});
    run(&asking, &[], 3);
    run(&asking, &["--strict=false", "-v", "4"], 0).says(told);
}
