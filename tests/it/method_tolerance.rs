//! Probes of the method that have a tolerance: they are judged, which the Chaos Toolkit does not do.

use serde_json::{Value, json};

use crate::harness::{NONE, Sandbox};

fn shell(name: &str, script: &str, tolerance: &Value) -> Value {
    let mut probe = json!({"type": "probe", "name": name,
        "provider": {"type": "process", "path": "sh", "arguments": ["-c", script], "timeout": 20}});
    if *tolerance != json!("none") {
        probe["tolerance"] = tolerance.clone();
    }
    probe
}

fn experiment(method: &Value) -> Value {
    json!({"title": "t", "description": "d",
        "steady-state-hypothesis": {"title": "h", "probes": [shell("steady", "true", &json!(0))]},
        "method": method, "rollbacks": [{"type": "action", "name": "undo",
            "provider": {"type": "process", "path": "touch", "arguments": ["undone"]}}]})
}

#[test]
fn deviated_strategy_rolls_back_after_unmet_tolerance_in_the_method() {
    let check = |expected: i64, code: i32, rolled_back: bool| {
        let sandbox = Sandbox::new();
        let probe = shell("p", "exit 3", &json!(expected));
        sandbox.experiment(&experiment(&json!([probe])), ["--rollback-strategy=deviated"]).exits(code);
        assert_eq!(sandbox.path("undone").exists(), rolled_back, "{expected}");
    };
    check(0, 1, true);
    check(3, 0, false);
}

#[test]
fn unmet_tolerance_in_the_method_deviates() {
    let check = |probe: Value, code: i32, met: Option<bool>| {
        let sandbox = Sandbox::new();
        let finished = sandbox.experiment(&experiment(&json!([probe])), NONE).exits(code);
        let journal = sandbox.journal();
        // the keys of the Chaos Toolkit stay
        assert_eq!(
            (&journal["status"], &journal["deviated"]),
            (&json!("completed"), &json!(false)),
            "{probe}"
        );
        assert_eq!(journal["run"][0].get("tolerance_met"), None, "{probe}");
        let recorded = &journal["kubectl-chaos"]["tolerances"];
        match met {
            None => assert_eq!(recorded, &Value::Null, "{probe}"),
            Some(met) => {
                assert_eq!((&recorded[0]["at"], &recorded[0]["met"]), (&json!("/run/0"), &json!(met)));
            }
        }
        assert!(sandbox.path("undone").exists());
        if code == 1 {
            assert!(finished.stdout.starts_with("deviated: probe 'p' "), "{}", finished.stdout);
            assert!(finished.stdout.contains("in the method"), "{}", finished.stdout);
            // a reader comes to the same verdict
            sandbox.run(["report", "journal.json", "--junit", "-"]).exits(0);
        }
    };
    check(shell("p", "exit 3", &json!(0)), 1, Some(false));
    check(shell("p", "exit 3", &json!(3)), 0, Some(true));
    check(shell("p", "exit 3", &json!("none")), 0, None);
    check(shell("p", "exit 3", &json!(null)), 0, None);
    check(
        shell("p", "echo 5", &json!({"type": "range", "range": [6, 9], "target": "stdout"})),
        1,
        Some(false),
    );
    let judge = |script: &str| {
        json!({"type": "probe", "name": "judge", "provider":
            {"type": "process", "path": script, "arguments": {"x": 1}}})
    };
    // the output of a process is always true for Python
    check(shell("p", "exit 3", &judge("false")), 0, Some(true));
    let mut slow = shell("p", "sleep 60", &json!(0));
    slow["provider"]["timeout"] = json!(0.2);
    check(slow, 1, Some(false));
    let mut background = shell("p", "exit 3", &json!(0));
    background["background"] = json!(true);
    check(background, 1, Some(false));
    // a reference to a probe of the hypothesis has no tolerance of its own
    check(json!({"ref": "steady"}), 0, None);
}

#[test]
fn tolerances_in_the_method_are_ignored_without_strict() {
    let sandbox = Sandbox::new();
    let method = json!([shell("p", "exit 3", &json!(0))]);
    sandbox.experiment(&experiment(&method), ["--strict=false"]).exits(0);
    assert_eq!(sandbox.journal()["kubectl-chaos"]["tolerances"], Value::Null);
    for dry in ["probes", "activities"] {
        sandbox.experiment(&experiment(&method), ["--dry", dry]).exits(0);
    }
}

#[test]
fn standard_error_of_a_failed_process_is_shown() {
    let said = "its standard error ends with: two / three / four";
    let script = "echo one >&2; echo two >&2; echo three >&2; echo four >&2; exit 3";
    let mut action = shell("act", script, &json!("none"));
    action["type"] = json!("action");
    let sandbox = Sandbox::new();
    let finished = sandbox.experiment(&experiment(&json!([action])), NONE).exits(5).reports(said);
    assert!(finished.stdout.contains(said), "{}", finished.stdout);
    // of a probe in the method, with and without a tolerance, and of one in the hypothesis
    sandbox.experiment(&experiment(&json!([shell("p", script, &json!(0))])), NONE).exits(1).reports(said);
    sandbox
        .experiment(&experiment(&json!([shell("p", script, &json!("none"))])), NONE)
        .exits(0)
        .reports(said);
    let mut steady = experiment(&json!([]));
    steady["steady-state-hypothesis"]["probes"] = json!([shell("p", script, &json!(0))]);
    sandbox.experiment(&steady, NONE).exits(8).reports(said);
}

#[test]
fn secret_in_standard_error_is_masked() {
    let mut action = shell("act", "echo the password is $PASS_X >&2; exit 1", &json!("none"));
    action["type"] = json!("action");
    let mut experiment = experiment(&json!([action]));
    experiment["secrets"] = json!({"s": {"pass": {"type": "env", "key": "PASS_X"}}});
    let sandbox = Sandbox::new().env("PASS_X", "hunter2-hunter2");
    let finished =
        sandbox.experiment(&experiment, NONE).exits(5).reports("its standard error is: the password is");
    for text in [&finished.stdout, &finished.stderr, &sandbox.read("journal.json")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}
