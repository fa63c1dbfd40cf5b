//! Features that only a real cluster has: commands in containers, and permissions.

use std::process::Command;

use serde_json::{Value, json};

use kubectl_chaos::chaosk8s::catalogue::{ArgumentDefault as Standard, functions};

use super::steps::{Step, act, fails, play, play_with};
use crate::harness::Site;

#[test]
#[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn exec_in_pods_runs_command() {
    let site = Site::real();
    site.ready_pods(&["one"], &json!({"app": "web"}));
    let touch = json!({"cmd": "/bin/busybox touch /tmp/touched", "label_selector": "app=web", "container_name": "main"});
    play(&site, &[act("pod.actions.exec_in_pods", &touch)]);
    let context = std::env::var("KUBECTL_CHAOS_TEST_CONTEXT").unwrap();
    let mut look = Command::new("kubectl");
    look.args(["--context", &context, "-n", &site.namespace, "exec", "one", "--"]);
    let seen = look.args(["/bin/busybox", "ls", "/tmp/touched"]).output().expect("kubectl").stdout;
    assert_eq!(String::from_utf8_lossy(&seen), "/tmp/touched\n");
}

/// Without permissions every probe names the missing one, and a command that checks it.
#[test]
#[ignore = "needs a cluster: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn every_probe_names_missing_permission() {
    let steps: Vec<Step> = functions()
        .filter(|function| !function.is_action && !function.needs.is_empty())
        .map(|probe| {
            let required = probe.arguments.iter().filter(|a| a.default == Standard::Required);
            let given = required.map(|argument| {
                let value = match argument.name {
                    "conditions" => json!([{"type": "Ready", "status": "True"}]),
                    "condition_type" | "condition_status" => json!("Ready"),
                    name if name.contains("label_selector") => json!("app=web"),
                    _ => json!("web"),
                };
                (argument.name.to_owned(), value)
            });
            let arguments = Value::Object(given.collect());
            let name = format!("{}.{}", probe.module.strip_prefix("chaosk8s.").unwrap(), probe.name);
            fails(&name, &arguments, "kubectl auth can-i ")
        })
        .collect();
    assert!(steps.len() > 40, "only {} probes", steps.len());
    play_with(&Site::real(), &steps, &["--as", "without-permissions"]);
}
