//! The order of a run for every strategy and every outcome, as its events show.

use serde_json::{Value, json};

use crate::harness::{NONE, Sandbox, finish, wait_until};

/// The events of a run, in short: `h before`, `+look`, `-look`, `m`, `/m`, `r`, `/r`, `end completed`.
fn trace(sandbox: &Sandbox) -> String {
    let events = sandbox.read("events");
    let mut words = Vec::new();
    for line in events.lines() {
        let event: Value = line.parse().unwrap();
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        words.push(
            match event["type"].as_str().or(event["event"].as_str()).or(event["name"].as_str()).unwrap() {
                _ if event.get("status").is_some() && event.get("deviated").is_some() => {
                    format!(
                        "end {}{}",
                        text("status"),
                        if event["deviated"] == true { " deviated" } else { "" }
                    )
                }
                kind => match kind {
                    "hypothesis-started" => format!("h {}", text("phase")),
                    "hypothesis-completed" => (if event["met"] == true { "met" } else { "unmet" }).to_owned(),
                    "method-started" => "m".to_owned(),
                    "method-completed" => "/m".to_owned(),
                    "rollbacks-started" => "r".to_owned(),
                    "rollbacks-completed" => "/r".to_owned(),
                    "activity-completed" => event["name"].as_str().unwrap().to_owned(),
                    _ => continue,
                },
            },
        );
    }
    words.join(" ")
}

fn shell(kind: &str, name: &str, script: &str) -> Value {
    json!({"type": kind, "name": name, "tolerance": 0, "provider": {"type": "process", "path": "sh",
        "arguments": ["-c", script], "timeout": 5}})
}

/// An experiment with one of the outcomes in the table.
fn experiment(outcome: &str) -> Value {
    let look = |script: &str| shell("probe", "look", script);
    let slow = json!({"type": "probe", "name": "look", "tolerance": 0, "provider": {"type": "process", "path": "sh",
        "arguments": ["-c", "if [ -e done ]; then sleep 60; fi"], "timeout": 0.3}});
    let look = match outcome {
        "deviates" => look("test ! -e done"),
        "unmet" => look("false"),
        "fails" => slow,
        _ => look("true"),
    };
    let mut act = shell("action", "act", "touch done");
    if outcome == "aborts" {
        act["pauses"] = json!({"after": "${pause}"});
    }
    json!({"title": "t", "description": "d", "configuration": {"pause": -1},
        "steady-state-hypothesis": {"title": "h", "probes": [look]},
        "method": [act, shell("probe", "see", "true")],
        "rollbacks": [shell("action", "undo", "rm done")]})
}

#[test]
fn strategies_and_outcomes_select_executed_steps() {
    let check = |outcome: &str, hypothesis: &str, rollbacks: &str, expected: &str| {
        let sandbox = Sandbox::new();
        let arguments = [
            "--events-file",
            "events",
            "--hypothesis-strategy",
            hypothesis,
            "--rollback-strategy",
            rollbacks,
        ];
        // validation finds the pause that aborts
        let unchecked = (outcome == "aborts").then_some("--no-validation");
        sandbox.experiment(&experiment(outcome), arguments.into_iter().chain(unchecked));
        assert_eq!(trace(&sandbox), expected, "{outcome} {hypothesis} {rollbacks}");
    };
    let before = "h before look met";
    let method = "m act see /m";
    let after = "h after look met";
    let undone = "r undo /r";
    let fine = "end completed";
    check("holds", "default", "default", &format!("{before} {method} {after} {undone} {fine}"));
    check("holds", "before-method-only", "default", &format!("{before} {method} {undone} {fine}"));
    check("holds", "after-method-only", "default", &format!("{method} {after} {undone} {fine}"));
    check("holds", "default", "always", &format!("{before} {method} {after} {undone} {fine}"));
    check("holds", "default", "never", &format!("{before} {method} {after} {fine}"));
    check("holds", "default", "deviated", &format!("{before} {method} {after} {fine}"));
    let deviated = format!("{before} {method} h after look unmet");
    check("deviates", "default", "default", &format!("{deviated} {undone} {fine} deviated"));
    check("deviates", "default", "deviated", &format!("{deviated} {undone} {fine} deviated"));
    check("deviates", "default", "never", &format!("{deviated} {fine} deviated"));
    check("deviates", "before-method-only", "deviated", &format!("{before} {method} {fine}"));
    let unmet = "h before look unmet";
    check("unmet", "default", "default", &format!("{unmet} {undone} {fine}"));
    check("unmet", "default", "deviated", &format!("{unmet} {fine}"));
    check(
        "unmet",
        "after-method-only",
        "default",
        &format!("{method} h after look unmet {undone} {fine} deviated"),
    );
    let failed = format!("{before} {method} h after look unmet");
    check("fails", "default", "default", &format!("{failed} end failed deviated"));
    check("fails", "default", "always", &format!("{failed} {undone} end failed deviated"));
    let aborted = format!("{before} m act /m");
    check("aborts", "default", "default", &format!("{aborted} {undone} end aborted"));
    check("aborts", "default", "never", &format!("{aborted} end aborted"));
    check("aborts", "default", "deviated", &format!("{aborted} end aborted"));
}

#[test]
fn continuous_hypothesis_fail_fast_stops_method() {
    let mut experiment = experiment("deviates");
    experiment["rollbacks"] = json!([]);
    // each waits for the other: neither could end if they did not run concurrently
    experiment["steady-state-hypothesis"]["probes"] =
        json!([shell("probe", "look", "if [ -e begun ]; then touch seen; exit 1; fi")]);
    experiment["method"] = json!([
        shell("action", "act", "touch begun; while [ ! -e seen ]; do sleep 0.01; done; rm begun; sleep 0.2"),
        shell("action", "never", "touch never"),
    ]);
    let arguments = |fail_fast: bool| {
        let mut arguments = vec![
            "--hypothesis-strategy",
            "during-method-only",
            "--hypothesis-frequency",
            "0.02",
            "--events-file",
            "events",
        ];
        if fail_fast {
            arguments.push("--fail-fast");
        }
        arguments
    };
    let sandbox = Sandbox::new();
    sandbox.experiment(&experiment, arguments(true)).exits(1);
    assert!(!sandbox.path("never").exists(), "the method ends after the activity that was under way");
    assert_eq!(sandbox.journal()["status"], "failed");
    let sandbox = Sandbox::new();
    sandbox.experiment(&experiment, arguments(false)).exits(1);
    assert!(sandbox.path("never").exists());
    let journal = sandbox.journal();
    assert_eq!((&journal["status"], &journal["deviated"]), (&json!("completed"), &json!(false)));
    let looks = journal["steady_states"]["during"].as_array().unwrap();
    assert!(looks.iter().any(|look| look["steady_state_met"] == false));
}

#[test]
fn background_activities_end_before_final_hypothesis() {
    let meet = |mine: &str, other: &str| {
        let script = format!("touch {mine}; while [ ! -e {other} ]; do sleep 0.01; done; echo {mine} >> met");
        let mut activity = shell("action", mine, &script);
        activity["background"] = true.into();
        activity
    };
    let experiment = json!({"title": "t", "description": "d",
        "steady-state-hypothesis": {"title": "h", "probes": [shell("probe", "look", "cat met 2>/dev/null; true")]},
        // three that wait for each other, one of them in the foreground
        "method": [meet("one", "two"), meet("two", "three"), shell("action", "three",
            "touch three; while [ ! -e one ]; do sleep 0.01; done")]});
    let sandbox = Sandbox::new();
    sandbox.experiment(&experiment, NONE).exits(0);
    let journal = sandbox.journal();
    let seen = journal["steady_states"]["after"]["probes"][0]["output"]["stdout"].as_str().unwrap();
    let mut seen: Vec<_> = seen.lines().collect();
    seen.sort_unstable();
    assert_eq!(seen, ["one", "two"], "both had ended by then");
    let order: Vec<_> =
        journal["run"].as_array().unwrap().iter().map(|entry| &entry["activity"]["name"]).collect();
    assert_eq!(order, ["one", "two", "three"], "entries are in the order of their start");
}

#[test]
fn dry_run_reports_but_skips_pauses_and_activities() {
    let mut experiment = experiment("holds");
    experiment["method"][0]["pauses"] = json!({"before": 300, "after": "${length}"});
    experiment["configuration"] = json!({"length": 300});
    for (dry, touched, outputs) in [
        ("pause", true, true),
        ("activities", false, false),
        ("actions", false, true),
        ("probes", true, false),
    ] {
        if matches!(dry, "probes") {
            experiment["method"][0]["pauses"] = json!({"before": 0.01});
        }
        let sandbox = Sandbox::new();
        experiment["rollbacks"] = json!([]);
        sandbox
            .experiment(&experiment, ["--dry", dry])
            .exits(0)
            .reports(&format!("Running experiment with dry {dry}"));
        assert_eq!(sandbox.path("done").exists(), touched, "{dry}");
        let journal = sandbox.journal();
        assert_eq!(journal["experiment"]["dry"], dry);
        let looked = !journal["steady_states"]["before"]["probes"][0]["output"].is_null();
        assert_eq!(looked, outputs, "{dry}");
    }
}

#[test]
fn later_invalid_experiment_keeps_earlier_results() {
    let sandbox = Sandbox::new();
    sandbox.write("good.json", experiment("deviates").to_string());
    let mut bad = experiment("holds");
    bad["configuration"] = json!({"missing": {"type": "env", "key": "NOT_SET"}});
    sandbox.write("bad.json", bad.to_string());
    let all = ["--no-validation", "--junit", "m.xml", "-o", "json"];
    let finished =
        sandbox.run(["run", "good.json", "bad.json"].iter().chain(&all)).exits(9).reports("NOT_SET");
    let answers = finished.json();
    let codes: Vec<_> =
        answers.as_array().unwrap().iter().map(|answer| answer["exit_code"].as_i64().unwrap()).collect();
    assert_eq!(codes, [1, 9], "{answers:#}");
    assert!(sandbox.read("m.xml").contains("look"), "{}", sandbox.read("m.xml"));
    sandbox.run(["run", "bad.json", "good.json"].iter().chain(&all)).exits(3);
    let arguments = all.iter().chain(&["--exit-code=chaostoolkit"]);
    sandbox.run(["run", "good.json", "bad.json"].iter().chain(arguments)).exits(1);
}

#[test]
fn pause_lasts_its_length_and_ends_on_signal() {
    let sandbox = Sandbox::new();
    let mut act = shell("action", "act", "date +%s%N > acted");
    act["pauses"] = json!({"before": 0.4});
    let experiment = json!({"title": "t", "description": "d", "method": [shell("probe", "first", "date +%s%N > first"), act]});
    sandbox.write("experiment.json", experiment.to_string());
    let child = sandbox.start(["run", "experiment.json"]);
    wait_until("the first", || sandbox.path("first").exists());
    finish(child).exits(0).reports("Pausing before next activity for 0.4s...");
    let at = |name: &str| sandbox.read(name).trim().parse::<u128>().unwrap_or(0);
    assert!(at("acted") >= at("first") + 400_000_000, "not shorter than asked for");
}
