//! The provider `process`: how it starts programs, reads their output, and ends them.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::harness::{NONE, ProcessResult, Sandbox, is_running_in, wait_until};

fn run(sandbox: &Sandbox, provider: &Value, arguments: &[&str]) -> (ProcessResult, Value) {
    let mut provider = provider.clone();
    provider["type"] = "process".into();
    let experiment = json!({"title": "t", "description": "d", "configuration": {"list": ["a", "b c"], "word": "w"},
        "method": [{"type": "probe", "name": "p", "provider": provider}]});
    let finished = sandbox.experiment(&experiment, arguments);
    let entry = sandbox.journal()["run"][0].clone();
    (finished, entry)
}

fn output(provider: &Value) -> Value {
    let (finished, entry) = run(&Sandbox::new(), provider, &[]);
    finished.exits(0);
    entry["output"].clone()
}

#[test]
fn arguments_may_be_list_mapping_or_text() {
    let check = |arguments: Value, expected: &str| {
        let provider = json!({"path": "printf", "arguments": arguments});
        assert_eq!(output(&provider)["stdout"], expected, "{provider}");
    };
    check(json!(["%s|", 1, 2.5, true, null, "", "a b", ["x"], {"d": 1}]), "1|2.5|True|a b|['x']|{'d': 1}|");
    check(json!({"%s-%s|": "a", "b": null, "c": "d"}), "a-b|c-d|");
    check(json!("'%s.' a 'b c' \"$ORDINARY\" | tr . ,; echo $((1 + 1))"), "a,b c,,2\n");
    check(json!(["%s|", "${word}", "$word.", "$$"]), "w|w.|$|");
    check(json!("${list}"), "a");
}

#[test]
fn exit_code_and_streams_are_output() {
    let shell = |script: &str| output(&json!({"path": "sh", "arguments": ["-c", script]}));
    assert_eq!(
        shell("echo out; echo err >&2; exit 3"),
        json!({"status": 3, "stdout": "out\n", "stderr": "err\n"})
    );
    assert_eq!(shell("kill -9 $$$$")["status"], -9);
    assert_eq!(shell("printf '\\377ok\\303\\251'")["stdout"], "\u{fffd}ok\u{e9}");
    assert_eq!(shell("cat; echo end")["stdout"], "end\n", "standard input is empty");
}

#[test]
fn non_zero_exit_without_tolerance_causes_warning() {
    let sandbox = Sandbox::new();
    let provider = json!({"path": "false"});
    run(&sandbox, &provider, &[]).0.exits(0).reports("This process returned a non-zero exit code.");
    let experiment = json!({"title": "t", "description": "d", "method": [
        {"type": "probe", "name": "p", "tolerance": 1, "provider": {"type": "process", "path": "false"}}]});
    let finished = sandbox.experiment(&experiment, NONE).exits(0);
    assert!(!finished.stderr.contains("non-zero"), "{}", finished.stderr);
}

#[test]
fn timeout_kills_process_group() {
    let sandbox = Sandbox::new();
    for arguments in
        [json!(["-c", "sleep 300 & echo $! > child; wait"]), json!("-c 'sleep 300 & echo $! > child; wait'")]
    {
        let (_, entry) = run(&sandbox, &json!({"path": "sh", "arguments": arguments, "timeout": 0.5}), &[]);
        let last = entry["exception"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last, "chaoslib.exceptions.ActivityFailed: process activity took too long to complete\n");
        wait_until("the grandchild ends", || !is_running_in(&sandbox.path("child")));
    }
}

#[test]
fn output_is_truncated_at_limit() {
    let flood = json!({"path": "sh", "arguments": ["-c", "head -c 20000000 /dev/zero | tr '\\0' x"]});
    let output = output(&flood);
    let stdout = output["stdout"].as_str().unwrap();
    // the journal keeps the beginning of what was read
    assert!(output["status"] == 0 && stdout.ends_with(" of 16777216 bytes)"), "{} bytes", stdout.len());
}

#[test]
fn program_is_resolved_when_activity_starts() {
    let sandbox = Sandbox::new();
    let program = sandbox.write("bin/tool", "#!/bin/sh\necho tool in $(pwd)\n");
    let home = json!({"path": "~/bin/tool"});
    let (_, entry) = run(&sandbox, &home, &["--no-validation"]);
    assert_eq!(entry.get("status"), None, "a file that is not executable cannot be started");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (finished, entry) = run(&sandbox, &home, &["--no-validation"]);
    finished.exits(0);
    let folder = std::fs::canonicalize(sandbox.path("")).unwrap();
    assert_eq!(entry["output"]["stdout"], format!("tool in {}\n", folder.display()));
    let (finished, _) = run(&sandbox, &json!({"path": "no-such-program"}), &["--no-validation"]);
    finished.exits(9).reports("no-such-program");
}
