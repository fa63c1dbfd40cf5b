//! The journal file: valid at any time, at most a moment behind, and write errors are reported.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Sandbox, finish, is_written, signal, wait_until};

fn step(index: usize, kind: &str) -> Value {
    json!({"type": kind, "name": format!("step {index}"), "provider": {"type": "process", "path": "sh",
        "arguments": ["-c", format!("echo {index} > step-{index}; echo output {index}")]}})
}

fn experiment(steps: usize, kind: &str) -> Value {
    let steps: Vec<Value> = (0..steps).map(|index| step(index, kind)).collect();
    json!({"title": "t", "description": "d", "method": steps})
}

#[test]
fn killed_run_leaves_valid_recent_journal() {
    for kill_at in [0_usize, 3, 17, 40, 90] {
        let sandbox = Sandbox::new();
        let mut experiment = experiment(120, "probe");
        // the run waits when it is killed, so that the missing part is known
        experiment["method"][kill_at + 1]["pauses"] = json!({"before": 60});
        sandbox.write("experiment.json", experiment.to_string());
        let mut child = sandbox.start(["run", "experiment.json"]);
        wait_until("the step", || sandbox.path(&format!("step-{kill_at}")).exists());
        std::thread::sleep(Duration::from_millis(400));
        signal(child.id(), Signal::KILL);
        child.wait().unwrap();
        let journal = sandbox.journal();
        assert_eq!(
            (&journal["status"], &journal["kubectl-chaos"]["finished"]),
            (&json!("interrupted"), &json!(false))
        );
        let run = journal["run"].as_array().unwrap();
        assert_eq!(run.len(), kill_at + 1);
        assert!(run.iter().all(|entry| entry["status"] == "succeeded"), "{run:?}");
        // leftovers of the killed run do not affect the next one
        std::fs::remove_file(sandbox.path("experiment.json")).unwrap();
        let next = json!({"title": "t", "description": "d", "method": []});
        sandbox.experiment(&next, crate::harness::NONE).exits(0);
        assert_eq!(sandbox.journal()["kubectl-chaos"]["finished"], true);
        assert_eq!(leftovers(&sandbox), Vec::<String>::new());
    }
}

/// The hidden files in the directory.
fn leftovers(sandbox: &Sandbox) -> Vec<String> {
    let entries = std::fs::read_dir(sandbox.path("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.')).collect()
}

#[test]
fn journal_file_is_valid_json_at_any_time() {
    let sandbox = Sandbox::new();
    sandbox.write("experiment.json", experiment(150, "action").to_string());
    let mut child = sandbox.start(["run", "experiment.json"]);
    let (mut looks, mut most) = (0, 0);
    while child.try_wait().unwrap().is_none() {
        if let Ok(text) = std::fs::read_to_string(sandbox.path("journal.json")) {
            let journal: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}:\n{text}"));
            most = most.max(journal["run"].as_array().unwrap().len());
            looks += 1;
        }
    }
    finish(child).exits(0);
    assert!(looks > 10 && most > 1, "{looks} looks, {most} activities at most");
    assert_eq!(sandbox.journal()["run"].as_array().unwrap().len(), 150);
    assert_eq!(leftovers(&sandbox), Vec::<String>::new());
}

#[test]
fn end_of_action_is_written_immediately() {
    let sandbox = Sandbox::new();
    let mut experiment = experiment(2, "action");
    experiment["method"][1]["pauses"] = json!({"before": 60});
    sandbox.write("experiment.json", experiment.to_string());
    let mut child = sandbox.start(["run", "experiment.json"]);
    wait_until("the end of the action is in the journal", || {
        let text = std::fs::read_to_string(sandbox.path("journal.json")).unwrap_or_default();
        let journal: Value = text.parse().unwrap_or_default();
        let effect = &journal["kubectl-chaos"]["activities"][0]["effect"]["state"];
        journal["run"][0]["status"] == "succeeded" && *effect == "confirmed"
    });
    signal(child.id(), Signal::KILL);
    child.wait().unwrap();
    let journal = sandbox.journal();
    let record = &journal["kubectl-chaos"]["activities"][0];
    assert_eq!((&record["at"], &record["effect"]["state"]), (&json!("/run/0"), &json!("confirmed")));
}

/// Asserts that a run does not start, and that the message names the path.
#[track_caller]
fn does_not_begin(sandbox: &Sandbox, path: &str) {
    sandbox.write("experiment.json", experiment(1, "action").to_string());
    let finished = sandbox.run(["run", "experiment.json", "--journal-path", path]);
    assert!(matches!(finished.code, Some(2 | 7)), "{finished:?}");
    assert!(finished.stderr.contains(path.rsplit('/').next().unwrap()), "{}", finished.stderr);
    assert!(!sandbox.path("step-0").exists(), "nothing was touched");
}

#[test]
fn unwritable_journal_path_is_detected_before_run() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("folder")).unwrap();
    does_not_begin(&sandbox, "folder");
    does_not_begin(&sandbox, "nowhere/journal.json");
    sandbox.write("file", "");
    does_not_begin(&sandbox, "file/journal.json");
    if !rustix::process::geteuid().is_root() {
        std::fs::set_permissions(sandbox.path("folder"), Permissions::from_mode(0o500)).unwrap();
        does_not_begin(&sandbox, "folder/journal.json");
    }
    #[cfg(target_os = "linux")]
    does_not_begin(&sandbox, "/proc/journal.json");
}

#[test]
fn earlier_journal_is_kept_until_replaced() {
    let sandbox = Sandbox::new();
    sandbox.experiment(&experiment(1, "action"), crate::harness::NONE).exits(0);
    let earlier = sandbox.read("journal.json");
    sandbox.write("experiment.json", "{}");
    sandbox.run(["run", "experiment.json"]).exits(3);
    assert_eq!(sandbox.read("journal.json"), earlier, "an experiment that is refused leaves it alone");
}

#[test]
fn full_disk_is_reported_and_rollbacks_are_executed() {
    let sandbox = Sandbox::new();
    let mut experiment = experiment(60, "action");
    experiment["rollbacks"] = json!([step(99, "action")]);
    sandbox.write("experiment.json", experiment.to_string());
    // files are limited to 32 KiB: writes beyond fail, like on a full disk
    let binary = env!("CARGO_BIN_EXE_kubectl-chaos");
    let command = format!("trap '' XFSZ; ulimit -f 64; exec '{binary}' run experiment.json");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &command]).current_dir(sandbox.path("")).env("HOME", sandbox.path(""));
    let child =
        shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let finished = finish(child).exits(7).reports("journal.json");
    assert!(finished.stderr.contains("error: "), "{}", finished.stderr);
    assert!(
        sandbox.path("step-59").exists() && sandbox.path("step-99").exists(),
        "the run went on to its end"
    );
    let journal = sandbox.journal();
    assert_eq!(journal["kubectl-chaos"]["finished"], false, "what could be written is valid");
    assert!(is_written(&sandbox.path("journal.json")));
}
