//! Outputs of a run: two at once do not share one, and standard output takes one result.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Sandbox, finish, is_written, signal, wait_until};

/// Creates the file `started`, and waits until `go` exists. It ends by itself if a test fails.
const WAIT: &str = "echo 1 > started.new; mv started.new started; i=0; \
    until [ -e go ] || [ $i -gt 800 ]; do i=$((i+1)); sleep 0.05; done";

/// An experiment that creates the file `started`, and waits until `go` exists.
fn waiting() -> Value {
    json!({"title": "t", "description": "d", "method": [{"type": "action", "name": "wait", "provider":
        {"type": "process", "path": "sh", "arguments": ["-c", WAIT]}}]})
}

fn trivial() -> Value {
    json!({"title": "t", "description": "d", "method": []})
}

#[test]
fn second_run_with_the_same_journal_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("experiment.json", waiting().to_string());
    sandbox.write("other.json", trivial().to_string());
    let first = sandbox.start(["run", "experiment.json", "--events-file", "events.jsonl"]);
    wait_until("the first run starts", || is_written(&sandbox.path("started")));
    let events = ["run", "other.json", "--journal-path", "x.json", "--events-file", "events.jsonl"];
    sandbox.run(events).exits(2).reports("choose another file with --events-file");
    let refused = sandbox.run(["run", "other.json"]).exits(2);
    assert!(refused.stderr.contains("journal.json is being written by another run"), "{}", refused.stderr);
    assert!(refused.stderr.contains("choose another file with --journal-path"), "{}", refused.stderr);
    // another way to the same file, and another file
    let absolute = sandbox.path("journal.json").display().to_string();
    sandbox.run(["run", "other.json", "--journal-path", &absolute]).exits(2);
    sandbox.run(["run", "other.json", "--journal-path", "other-journal.json"]).exits(0);
    sandbox.write("go", "");
    finish(first).exits(0);
    assert_eq!(sandbox.journal()["run"][0]["activity"]["name"], "wait");
    assert!(!sandbox.path(".journal.json.lock").exists());
    sandbox.run(["run", "other.json"]).exits(0);
}

#[test]
fn report_file_of_a_running_command_is_refused_everywhere() {
    let sandbox = Sandbox::new();
    sandbox.write("experiment.json", waiting().to_string());
    sandbox.write("other.json", trivial().to_string());
    sandbox.run(["run", "other.json", "--journal-path", "j.json"]).exits(0);
    let reports = ["--junit", "r.xml", "--markdown", "r.md", "--html", "r.html"];
    let first = sandbox.start(["run", "experiment.json"].iter().chain(&reports));
    wait_until("the first run starts", || is_written(&sandbox.path("started")));
    for (flag, path) in [("--junit", "r.xml"), ("--markdown", "r.md"), ("--html", "./r.html")] {
        for command in [
            vec!["run", "other.json", "--journal-path", "x.json"],
            vec!["report", "j.json"],
            vec!["compare", "j.json", "j.json"],
            vec!["trial", "other.json", "--embedded", "--before", "other.json", "--after", "other.json"],
            vec!["publish", "j.json"],
        ] {
            let refused = sandbox.run(command.iter().chain(&[flag, path])).exits(2);
            let expected = format!("report file {path} is being written by another command");
            assert!(refused.stderr.contains(&expected), "{command:?}: {}", refused.stderr);
            let hint = format!("choose another file with {flag}");
            assert!(refused.stderr.contains(&hint), "{command:?}: {}", refused.stderr);
        }
    }
    assert!(!sandbox.path("x.json").exists() && !sandbox.path("chaos-trial").exists());
    sandbox.write("go", "");
    finish(first).exits(0);
    sandbox.run(["report", "j.json"].iter().chain(&reports)).exits(0);
    let left = std::fs::read_dir(sandbox.path(".")).unwrap().flatten();
    assert!(!left.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().ends_with(".lock")));
}

#[test]
fn journal_of_a_killed_run_is_not_locked() {
    let sandbox = Sandbox::new();
    sandbox.write("experiment.json", waiting().to_string());
    sandbox.write("other.json", trivial().to_string());
    let first = sandbox.start(["run", "experiment.json"]);
    wait_until("the first run starts", || is_written(&sandbox.path("started")));
    signal(first.id(), Signal::KILL);
    finish(first);
    assert!(sandbox.path(".journal.json.lock").exists(), "the killed run leaves its lock file");
    sandbox.run(["run", "other.json"]).exits(0);
    sandbox.write("go", "");
}

/// Starts a trial or a job whose first run waits, and returns the arguments of the command.
fn directory_is_locked(arguments: &[&str]) {
    let sandbox = Sandbox::new();
    let probe = json!({"type": "probe", "name": "wait", "tolerance": 0, "provider":
        {"type": "process", "path": "sh", "arguments": ["-c", WAIT]}});
    let experiment = json!({"title": "t", "description": "d", "method": [],
        "steady-state-hypothesis": {"title": "h", "probes": [probe]}});
    sandbox.write("experiment.json", experiment.to_string());
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
    sandbox.write("map.json", map.to_string());
    let first = sandbox.start(arguments);
    wait_until("the first one starts", || is_written(&sandbox.path("started")));
    let refused = sandbox.run(arguments).exits(2);
    assert!(refused.stderr.contains("out is being written by another run or trial"), "{}", refused.stderr);
    assert!(refused.stderr.contains("choose another --output-dir"), "{}", refused.stderr);
    assert!(sandbox.path("out").is_dir());
    if arguments[0] == "trial" {
        sandbox
            .run(["recover", "--from", "out"])
            .exits(2)
            .reports("the trial in directory out is still running");
    }
    signal(first.id(), Signal::KILL);
    finish(first);
    sandbox.write("go", "");
    let again = sandbox.run(arguments);
    assert!(!again.stderr.contains("is being written"), "{}", again.stderr);
}

#[test]
fn second_trial_in_the_same_directory_is_refused() {
    directory_is_locked(&[
        "trial",
        "experiment.json",
        "--embedded",
        "--before",
        "map.json",
        "--after",
        "map.json",
        "--repeat",
        "1",
        "--allow-outside",
        "process",
        "--output-dir",
        "out",
    ]);
}

#[test]
fn second_job_in_the_same_directory_is_refused() {
    directory_is_locked(&["ci", "--experiment", "experiment.json", "--output-dir", "out"]);
}

#[test]
fn journal_is_written_to_standard_output() {
    let sandbox = Sandbox::new();
    let finished = sandbox.experiment(&trivial(), ["--journal-path", "-"]).exits(0);
    let journal = finished.json();
    assert_eq!((&journal["status"], &journal["experiment"]["title"]), (&json!("completed"), &json!("t")));
    assert_eq!(journal["kubectl-chaos"]["finished"], true);
    assert!(!sandbox.path("-").exists() && !sandbox.path("journal.json").exists());
    // reports go to files
    let finished = sandbox.experiment(&trivial(), ["--journal-path=-", "--markdown", "report.md"]).exits(0);
    finished.json();
    assert!(
        sandbox.read("report.md").contains("jq .experiment ./journal.json"),
        "{}",
        sandbox.read("report.md")
    );
}

#[test]
fn standard_output_takes_one_result() {
    let sandbox = Sandbox::new();
    for arguments in [
        ["--journal-path=-", "--output=json"],
        ["--journal-path=-", "--junit=-"],
        ["--journal-path=-", "experiment.json"],
    ] {
        let why = "cannot write two results to standard output";
        sandbox.experiment(&trivial(), arguments).exits(2).reports(why);
    }
    sandbox
        .experiment(&trivial(), ["--events-file=-"])
        .exits(2)
        .reports("cannot write events to standard output");
    assert!(!sandbox.path("-").exists());
}

#[test]
fn time_limit_of_zero_means_no_limit() {
    let sandbox = Sandbox::new();
    let quick = json!({"title": "t", "description": "d", "method": [{"type": "action", "name": "wait", "provider":
        {"type": "process", "path": "sleep", "arguments": ["0.2"]}}]});
    sandbox.experiment(&quick, ["--timeout", "0", "--effect-timeout", "0"]).exits(0);
    assert_eq!(sandbox.journal()["status"], "completed");
}

#[test]
fn log_file_named_like_a_stream_is_refused() {
    let sandbox = Sandbox::new();
    for name in ["-", ""] {
        let flag = format!("--log-file={name}");
        sandbox
            .run([flag.as_str(), "discover"])
            .exits(2)
            .reports("log lines are always written to standard error");
    }
    assert!(!sandbox.path("-").exists());
}

#[test]
fn doctor_writes_an_error_document() {
    let sandbox = Sandbox::new();
    sandbox.write("invalid.json", "{}");
    for (source, code) in
        [("missing.json", "experiment.not-readable"), ("invalid.json", "experiment.invalid")]
    {
        let document = sandbox.run(["doctor", source, "-o", "json"]).exits(3).json();
        assert_eq!(document["schema"], "kubectl-chaos/error/v1", "{document:#}");
        assert_eq!(document["error"]["code"], code, "{document:#}");
        let text = sandbox.run(["doctor", source, "-o", "yaml"]).exits(3).stdout;
        assert!(text.contains(&format!("code: {code}")), "{text}");
        assert_eq!(sandbox.run(["doctor", source]).exits(3).stdout, "");
    }
}
