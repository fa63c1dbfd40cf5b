//! Signals sent to the real process, at every stage of a run.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{ProcessResult, Sandbox, finish, is_running_in, is_written, signal, wait_until};

const SIGNALS: &[(Signal, i32)] = &[
    (Signal::INT, 130),
    (Signal::TERM, 143),
    (Signal::USR1, 138),
    (Signal::USR2, 140),
    // a parent process may ignore it, which the test cannot detect
    #[cfg(target_os = "linux")]
    (Signal::HUP, 129),
];

/// A shell activity that writes its process id to `started`, and that of its child to `child`, and then
/// hangs.
fn hang(name: &str, kind: &str) -> Value {
    json!({"type": kind, "name": name, "tolerance": 0, "provider": {"type": "process", "path": "sh", "arguments":
        ["-c", "sleep 300 & echo $! > child; echo $$ > started.new; mv started.new started; wait"]}})
}

fn quick(name: &str, command: &str) -> Value {
    json!({"type": "action", "name": name, "tolerance": 0, "provider": {"type": "process", "path": "sh",
        "arguments": ["-c", command]}})
}

fn experiment(hypothesis: &[Value], method: &[Value], rollbacks: &[Value]) -> Value {
    let mut experiment = json!({"title": "t", "description": "d", "method": method, "rollbacks": rollbacks});
    if !hypothesis.is_empty() {
        experiment["steady-state-hypothesis"] = json!({"title": "h", "probes": hypothesis});
    }
    experiment
}

/// Starts a run, waits for the file `started`, sends the signal, and waits for the end.
fn interrupted(sandbox: &Sandbox, experiment: &Value, arguments: &[&str], sent: Signal) -> ProcessResult {
    sandbox.write("experiment.json", experiment.to_string());
    let child = sandbox.start(["run", "experiment.json"].iter().chain(arguments));
    wait_until("the activity starts", || is_written(&sandbox.path("started")));
    signal(child.id(), sent);
    finish(child)
}

fn names(entries: &Value) -> Vec<&str> {
    entries.as_array().unwrap().iter().map(|entry| entry["activity"]["name"].as_str().unwrap()).collect()
}

#[test]
fn every_signal_interrupts_every_stage() {
    let after_method = quick("make", "touch made");
    let late = json!({"type": "probe", "name": "look", "tolerance": 0, "provider": {"type": "process", "path": "sh",
        "arguments": ["-c", "if [ -e made ]; then echo $$ > child; cp child started; sleep 300; fi"]}});
    let pause = json!({"type": "action", "name": "rest", "pauses": {"after": 300}, "provider":
        {"type": "process", "path": "sh", "arguments": ["-c", "echo $$ > child; cp child started"]}});
    let stages = [
        ("before", experiment(&[hang("look", "probe")], &[quick("never", "touch never")], &[]), None),
        (
            "method",
            experiment(&[], &[hang("act", "action"), quick("never", "touch never")], &[]),
            Some(vec!["act"]),
        ),
        ("pause", experiment(&[], &[pause, quick("never", "touch never")], &[]), Some(vec!["rest"])),
        ("after", experiment(&[late], &[after_method], &[]), Some(vec!["make"])),
    ];
    for (stage, experiment, run) in &stages {
        for &(sent, code) in SIGNALS {
            let sandbox = Sandbox::new();
            let finished = interrupted(&sandbox, experiment, &[], sent).exits(code);
            let journal = sandbox.journal();
            assert_eq!(journal["status"], "interrupted", "{stage} {sent:?}\n{}", finished.stderr);
            assert_eq!(names(&journal["run"]), run.clone().unwrap_or_default(), "{stage} {sent:?}");
            assert!(!sandbox.path("never").exists(), "{stage} {sent:?}");
            wait_until("the process ends", || !is_running_in(&sandbox.path("child")));
            assert!(finished.stdout.starts_with("interrupted: "), "{}", finished.stdout);
            let told = !matches!(sent, Signal::USR1 | Signal::USR2);
            assert_eq!(journal.get("interruption").is_some(), told, "{stage} {sent:?}");
        }
    }
}

#[test]
fn signal_ends_configuration_probe() {
    for (sent, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let sandbox = Sandbox::new();
        let mut asking = experiment(&[], &[quick("never", "touch never")], &[]);
        let mut probe = hang("ask", "probe");
        probe.as_object_mut().unwrap().remove("tolerance");
        asking["configuration"] = json!({"answer": probe});
        let finished = interrupted(&sandbox, &asking, &["-o", "json"], sent).exits(code);
        wait_until("the process ends", || !is_running_in(&sandbox.path("child")));
        assert_eq!(finished.json()["exit_code"], code);
        assert!(!sandbox.path("never").exists());
        finished.reports("before the run started");
    }
}

#[test]
fn journal_and_console_name_the_signal() {
    let check = |sent: Signal, name: &str, line: &str| {
        let sandbox = Sandbox::new();
        let hanging = experiment(&[], &[hang("act", "action")], &[]);
        let finished = interrupted(&sandbox, &hanging, &["--exit-code=chaostoolkit"], sent).exits(1);
        finished.reports(line);
        let expected = json!({"kind": "signal", "name": name, "reason": format!("received {name}")});
        let journal = sandbox.journal();
        if !name.is_empty() {
            assert_eq!(journal["interruption"], expected);
        }
        assert_eq!(journal["run"][0].get("status"), None, "an activity that was cut has no status");
    };
    check(Signal::INT, "SIGINT", "Received a termination signal (Ctrl-C)...");
    check(Signal::TERM, "SIGTERM", "Caught SIGTERM signal, interrupting experiment now");
    check(Signal::USR1, "", "Received the exit signal: 20");
    check(Signal::USR2, "", "Ignoring rollbacks as per signal");
}

#[test]
fn rollback_strategy_applies_after_signal_except_usr2() {
    let method = [hang("act", "action")];
    let rollbacks = [quick("undo", "touch undone")];
    for strategy in ["default", "always", "never", "deviated"] {
        for &(sent, code) in SIGNALS {
            let sandbox = Sandbox::new();
            let arguments = ["--rollback-strategy", strategy];
            interrupted(&sandbox, &experiment(&[], &method, &rollbacks), &arguments, sent).exits(code);
            let played = strategy == "always" && sent != Signal::USR2;
            assert_eq!(sandbox.path("undone").exists(), played, "{strategy} {sent:?}");
            assert_eq!(names(&sandbox.journal()["rollbacks"]).len(), usize::from(played));
        }
    }
}

#[test]
fn signal_during_rollbacks_skips_the_rest() {
    let rollbacks = [hang("undo", "action"), quick("never", "touch never")];
    for &(sent, _) in SIGNALS {
        let sandbox = Sandbox::new();
        interrupted(&sandbox, &experiment(&[], &[], &rollbacks), &[], sent).exits(6);
        let journal = sandbox.journal();
        assert_eq!((&journal["status"], names(&journal["rollbacks"])), (&json!("interrupted"), vec!["undo"]));
        assert!(!sandbox.path("never").exists());
        wait_until("the process ends", || !is_running_in(&sandbox.path("child")));
    }
}

#[test]
fn background_is_awaited_unless_usr2_or_second_signal() {
    // the background activity ends when the file `go` exists
    let mut background =
        quick("behind", "echo $$ > behind; while [ ! -e go ]; do sleep 0.02; done; touch done");
    background["background"] = true.into();
    let method = [background, hang("act", "action")];
    let start = |sandbox: &Sandbox| {
        sandbox.write("experiment.json", experiment(&[], &method, &[]).to_string());
        let child = sandbox.start(["run", "experiment.json"]);
        wait_until("both start", || {
            is_written(&sandbox.path("started")) && is_written(&sandbox.path("behind"))
        });
        child
    };
    let sandbox = Sandbox::new();
    let child = start(&sandbox);
    signal(child.id(), Signal::INT);
    wait_until("the foreground is cut", || !is_running_in(&sandbox.path("child")));
    assert!(is_running_in(&sandbox.path("behind")));
    sandbox.write("go", "");
    finish(child).exits(130);
    assert!(sandbox.path("done").exists());
    assert_eq!(sandbox.journal()["run"][0]["status"], "succeeded");

    let sandbox = Sandbox::new();
    let child = start(&sandbox);
    signal(child.id(), Signal::USR2);
    finish(child).exits(140);
    assert!(!sandbox.path("done").exists());
    wait_until("the process ends", || !is_running_in(&sandbox.path("behind")));

    let sandbox = Sandbox::new();
    let child = start(&sandbox);
    signal(child.id(), Signal::INT);
    wait_until("the foreground is cut", || !is_running_in(&sandbox.path("child")));
    signal(child.id(), Signal::INT);
    finish(child).exits(130);
    assert!(!sandbox.path("done").exists());
    wait_until("the process ends", || !is_running_in(&sandbox.path("behind")));
    assert_eq!(sandbox.journal()["kubectl-chaos"]["finished"], true);
}

#[test]
fn signal_ends_continuous_hypothesis() {
    let sandbox = Sandbox::new();
    let look = json!({"type": "probe", "name": "look", "tolerance": 0, "provider":
        {"type": "process", "path": "true"}});
    let arguments = ["--hypothesis-strategy", "continuously", "--hypothesis-frequency", "0.05"];
    let experiment = experiment(&[look], &[hang("act", "action")], &[]);
    interrupted(&sandbox, &experiment, &arguments, Signal::INT).exits(130);
    assert_eq!(sandbox.journal()["steady_states"]["after"], Value::Null);
}

#[test]
fn signal_during_configuration_ends_run() {
    let sandbox = Sandbox::new();
    let mut asking = experiment(&[], &[quick("never", "touch never")], &[]);
    asking["configuration"] = json!({"answer": {"type": "probe", "name": "ask", "provider": {"type": "process",
        "path": "sh", "arguments": ["-c", "echo $$ > started; while [ ! -e go ]; do sleep 0.02; done"]}}});
    sandbox.write("experiment.json", asking.to_string());
    let child = sandbox.start(["run", "experiment.json"]);
    wait_until("the configuration is asked for", || is_written(&sandbox.path("started")));
    signal(child.id(), Signal::USR1);
    sandbox.write("go", "");
    finish(child).exits(138);
    assert_eq!(sandbox.journal()["status"], "interrupted");
    assert!(!sandbox.path("never").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn sighup_ends_run_with_rollbacks() {
    let sandbox = Sandbox::new();
    let undone = [quick("undo", "touch undone")];
    let arguments = ["--rollback-strategy", "always"];
    let hanging = experiment(&[], &[hang("act", "action")], &undone);
    interrupted(&sandbox, &hanging, &arguments, Signal::HUP).exits(129).reports("SIGHUP signal received");
    assert!(sandbox.path("undone").exists());
    wait_until("the process ends", || !is_running_in(&sandbox.path("child")));

    // a process under nohup must ignore SIGHUP
    let sandbox = Sandbox::new();
    let waits = quick("wait", "echo $$ > started; while [ ! -e go ]; do sleep 0.02; done");
    sandbox.write("experiment.json", experiment(&[], &[waits], &[]).to_string());
    let binary = env!("CARGO_BIN_EXE_kubectl-chaos");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("trap '' HUP; exec '{binary}' run experiment.json")]);
    shell.current_dir(sandbox.path("")).env("HOME", sandbox.path(""));
    let child =
        shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    wait_until("the activity starts", || is_written(&sandbox.path("started")));
    signal(child.id(), Signal::HUP);
    sandbox.write("go", "");
    finish(child).exits(0);
    assert_eq!(sandbox.journal()["status"], "completed");
}

#[test]
fn signal_affects_only_the_current_run() {
    let sandbox = Sandbox::new();
    sandbox.write("first.json", experiment(&[], &[quick("act", "true")], &[]).to_string());
    sandbox.write("second.json", experiment(&[], &[hang("act", "action")], &[]).to_string());
    let child = sandbox.start(["run", "first.json", "second.json", "--events-file", "events"]);
    wait_until("the activity starts", || is_written(&sandbox.path("started")));
    signal(child.id(), Signal::INT);
    finish(child).exits(130);
    // complete lines of both runs, and the signal once
    let events = sandbox.read("events");
    let events: Vec<Value> =
        events.lines().map(|line| line.parse().unwrap_or_else(|e| panic!("{e}: {line:?}"))).collect();
    let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    let counts = ["run-started", "run-finished", "signal-received"].map(count);
    assert_eq!(counts, [2, 2, 1], "{events:#?}");
}

#[test]
fn timeout_does_not_await_background() {
    let sandbox = Sandbox::new();
    let mut behind = hang("behind", "action");
    behind["background"] = true.into();
    let experiment = experiment(&[], &[behind], &[quick("undo", "touch undone")]);
    sandbox.experiment(&experiment, ["--timeout", "1s", "--rollback-strategy", "always"]).exits(9);
    assert_eq!(sandbox.journal()["run"][0].get("status"), None);
    assert!(sandbox.path("undone").exists());
    wait_until("the process ends", || !is_running_in(&sandbox.path("child")));
}

#[test]
fn timeout_ends_run_like_signal() {
    let sandbox = Sandbox::new();
    let rollbacks = [quick("undo", "touch undone")];
    let experiment = experiment(&[], &[hang("act", "action")], &rollbacks);
    let finished =
        sandbox.experiment(&experiment, ["--timeout", "1s", "--rollback-strategy", "always"]).exits(9);
    assert!(finished.stdout.starts_with("stopped: "), "{}", finished.stdout);
    assert!(sandbox.path("undone").exists());
    wait_until("the process ends", || !is_running_in(&sandbox.path("child")));
}
