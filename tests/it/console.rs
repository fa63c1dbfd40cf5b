//! Console output: colour, progress, levels, log files, and JSON lines.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use crate::harness::{NONE, Sandbox, finish};

fn experiment() -> Value {
    json!({"title": "t", "description": "d", "method": [
        {"type": "probe", "name": "look", "provider": {"type": "process", "path": "true"}},
        {"type": "action", "name": "rest", "pauses": {"after": 2.2}, "provider": {"type": "process", "path": "true"}},
        {"type": "action", "name": "behind", "background": true, "provider":
            {"type": "process", "path": "sleep", "arguments": ["0.6"]}},
        {"type": "probe", "name": "wait", "provider": {"type": "process", "path": "sleep", "arguments": ["0.7"]}},
    ]})
}

fn quick() -> Value {
    json!({"title": "t", "description": "d", "method": [
        {"type": "probe", "name": "look", "provider": {"type": "process", "path": "false"}}]})
}

#[test]
fn colour_is_used_on_terminals_or_when_forced() {
    let coloured = |sandbox: Sandbox, arguments: &[&str]| {
        let finished = sandbox.experiment(&quick(), arguments).exits(0);
        assert!(!finished.stdout.contains('\u{1b}'));
        finished.stderr.contains("\u{1b}[32m[") && finished.stderr.contains("\u{1b}[33m[")
    };
    assert!(!coloured(Sandbox::new(), &[]));
    assert!(coloured(Sandbox::new(), &["--color=always"]));
    assert!(coloured(Sandbox::new().env("NO_COLOR", "1"), &["--color", "always"]), "the flag wins");
    assert!(coloured(Sandbox::new().env("FORCE_COLOR", "1"), &[]));
    assert!(!coloured(Sandbox::new().env("FORCE_COLOR", "1").env("NO_COLOR", "1"), &[]));
    assert!(!coloured(Sandbox::new().env("FORCE_COLOR", "1"), &["--no-color"]));
}

/// Runs the binary with a terminal as its standard error, and returns everything written to it.
fn on_a_terminal(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let size = rustix::termios::Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&controller, size).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    sandbox.write("experiment.json", experiment().to_string());
    let mut command = sandbox.command(["run", "experiment.json"].iter().chain(arguments));
    let child = command.env("TERM", "xterm").stdout(Stdio::piped()).stderr(terminal).spawn().unwrap();
    drop(command);
    let mut reader = File::from(controller);
    let reading = std::thread::spawn(move || {
        let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
        // a closed terminal causes a read error
        while let Ok(count) = reader.read(&mut buffer) {
            if count == 0 {
                break;
            }
            seen.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    });
    finish(child).exits(0);
    reading.join().unwrap()
}

#[test]
fn terminal_shows_running_activities() {
    let seen = on_a_terminal(&Sandbox::new(), &[]);
    assert!(seen.contains("\u{1b}[32m["), "colour: {seen:?}");
    assert!(seen.contains("Pausing"), "{seen:?}");
    assert!(seen.contains("look") && seen.contains("wait"), "the running activity: {seen:?}");
    assert!(seen.contains("background"), "the background activity: {seen:?}");
    for left in ["2 s left", "1 s left"] {
        assert!(seen.contains(&format!("pause rest: {left}")), "a countdown: {seen:?}");
    }
    // every line of the progress display is erased
    let stays: Vec<&str> =
        seen.split(['\n', '\r']).map(|part| part.trim_start_matches("\u{1b}[2K").trim()).collect();
    let shown: Vec<&&str> =
        stays.iter().filter(|part| part.contains("left") || part.contains("Probe wait:")).collect();
    assert!(!shown.is_empty() && seen.matches("\u{1b}[2K").count() >= shown.len(), "{seen:?}");
    assert!(seen.trim_end().ends_with("\u{1b}[2K") || seen.trim_end().ends_with("completed"), "{seen:?}");
    let quiet = on_a_terminal(&Sandbox::new(), &["-q", "--color=never"]);
    assert!(!quiet.contains("Probe: look") && !quiet.contains("\u{1b}[32m"), "{quiet:?}");
}

#[test]
fn verbosity_flags_select_log_lines() {
    let lines = |arguments: &[&str]| Sandbox::new().experiment(&quick(), arguments).exits(0).stderr;
    assert_eq!(lines(&["-q"]), "");
    assert!(!lines(&[]).contains("DEBUG"));
    for flag in ["-v=4", "-v4", "--v=9", "--verbose"] {
        assert!(lines(&[flag]).contains(" DEBUG]   => succeeded with"), "{flag}");
    }
    assert!(!lines(&["-v", "3"]).contains("DEBUG"));
}

#[test]
fn global_flags_work_before_and_after_command() {
    let sandbox = Sandbox::new();
    sandbox.write("e.json", quick().to_string());
    let before = sandbox.run(["-q", "--strict=false", "--log-format", "json", "run", "e.json"]).exits(0);
    let after = sandbox.run(["run", "-q", "e.json", "--strict=false", "--log-format", "json"]).exits(0);
    assert_eq!((before.stderr, before.stdout), (after.stderr, after.stdout));
}

#[test]
fn boolean_flags_accept_go_syntax_and_last_wins() {
    let sandbox = Sandbox::new();
    sandbox.write("e.json", quick().to_string());
    let lines = |arguments: &[&str]| sandbox.run(["run", "e.json"].iter().chain(arguments)).exits(0).stderr;
    assert_eq!(lines(&["--quiet=true"]), "");
    assert!(!lines(&["--quiet=false"]).is_empty() && !lines(&["-q", "--quiet=F"]).is_empty());
    assert!(lines(&["-v=0", "-v=6"]).contains("DEBUG"));
    sandbox.run(["run", "e.json", "--quiet=perhaps"]).exits(2);
    let connected = ["--cache-dir", "x", "--disable-compression", "--disable-compression=false"];
    sandbox.run(["run", "e.json"].iter().chain(&connected)).exits(0);
}

#[test]
fn version_output_names_release_and_platform() {
    let said = |arguments: &[&str]| Sandbox::new().run(arguments).exits(0).stdout;
    let version = said(&["--version"]);
    let form = fancy_regex::Regex::new(
        r"^kubectl chaos \d+\.\d+\.\d+\S* \((commit [0-9a-f]{7,12}, )?\w+-[\w-]+\)\n$",
    );
    assert!(form.unwrap().is_match(&version).unwrap(), "{version}");
    assert_eq!((said(&["-V"]), said(&["--quiet", "--version"])), (version.clone(), version));
}

#[test]
fn log_file_contains_debug_lines_and_is_appended() {
    let sandbox = Sandbox::new();
    sandbox.experiment(&quick(), ["-q", "--log-file", "log"]).exits(0);
    let once = sandbox.read("log");
    assert!(once.starts_with(&"#".repeat(79)), "{once}");
    assert!(once.contains("DEBUG") && once.contains("Probe: look") && !once.contains('\u{1b}'), "{once}");
    sandbox
        .experiment(&quick(), ["--log-file", "log", "--log-file-level", "warning", "--color=always"])
        .exits(0);
    let more = sandbox.read("log");
    let added = more.strip_prefix(&once).expect("it is appended to");
    assert!(added.contains("WARNING") && !added.contains("INFO") && !added.contains('\u{1b}'), "{added}");
}

#[test]
fn json_log_lines_are_valid_objects() {
    let finished = Sandbox::new().experiment(&quick(), ["--log-format", "json"]).exits(0);
    let lines: Vec<Value> = finished.stderr.lines().map(|line| line.parse().unwrap()).collect();
    assert!(lines.len() > 5);
    for line in &lines {
        assert!(line["levelname"].is_string() && line["timestamp"].is_string() && line["process"].is_u64());
        assert_eq!(line["context_id"], lines[0]["context_id"]);
    }
    assert!(lines.iter().any(|line| line["message"] == "Probe: look"));
}

#[test]
fn closed_output_pipe_causes_no_panic() {
    let sandbox = Sandbox::new();
    sandbox.write("e.json", quick().to_string());
    for arguments in
        [&["run", "e.json"][..], &["run", "-o", "json", "e.json"], &["--help"], &["validate", "e.json"]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = sandbox.command(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let finished = finish(child);
        assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
        assert!(finished.code.is_some(), "{arguments:?}");
    }
    // the lines are not read either
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = sandbox.command(["run", "e.json"]).stdout(Stdio::piped()).stderr(writer).spawn().unwrap();
    finish(child).exits(0);
    assert_eq!(sandbox.journal()["status"], "completed");
}

#[test]
fn control_characters_in_experiment_are_escaped() {
    let mut experiment = quick();
    experiment["title"] = "\u{1b}[2J\u{1b}]0;owned\u{7}t\rx\u{202e}".into();
    let finished = Sandbox::new().experiment(&experiment, NONE).exits(0);
    for hidden in ['\u{1b}', '\u{7}', '\r', '\u{202e}'] {
        assert!(!finished.stderr.contains(hidden) && !finished.stdout.contains(hidden));
    }
    assert!(finished.stderr.contains("^[[2J"), "{}", finished.stderr);
}

#[test]
fn annotations_and_events_file_are_written() {
    let sandbox = Sandbox::new();
    let arguments = ["--annotation", "who=me", "--annotation", "ticket=A-1=2", "--events-file", "events"];
    sandbox.experiment(&quick(), arguments).exits(0);
    assert_eq!(sandbox.journal()["kubectl-chaos"]["annotations"], json!({"who": "me", "ticket": "A-1=2"}));
    let events: Vec<Value> = sandbox.read("events").lines().map(|line| line.parse().unwrap()).collect();
    assert!(events.iter().all(|event| event["timestamp"].is_string()));
    assert!(events.len() >= 6);
}

#[test]
fn change_dir_flag_sets_working_directory() {
    let sandbox = Sandbox::new();
    sandbox.write("there/e.json", quick().to_string());
    sandbox.run(["run", "e.json", "--change-dir", "there"]).exits(0).reports("Moving to there");
    assert!(sandbox.path("there/journal.json").exists());
}
