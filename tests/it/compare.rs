//! `kubectl chaos compare`: runs before a change against runs after it.

use serde_json::{Value, json};

use crate::harness::{ProcessResult, Sandbox};

fn look(met: bool) -> Value {
    json!({"steady_state_met": met, "probes": [{"activity": {"name": "whole", "type": "probe"},
        "output": 0, "status": "succeeded", "tolerance_met": met}]})
}

/// The sampled values of a probe.
#[derive(Clone, Copy)]
pub struct Seen {
    /// The number of good samples per thousand.
    pub ok: u64,
    /// The time until recovery.
    pub recovered: Option<f64>,
    pub p95: f64,
}

impl Seen {
    /// All samples are good.
    pub const FINE: Self = Self { ok: 1000, recovered: Some(0.0), p95: 20.0 };

    fn series(self, probe: &str) -> Value {
        let Self { ok, recovered, p95 } = self;
        let latency = json!({"samples": ok, "min": 1.0, "p50": 2.0, "p90": 3.0, "p95": p95, "p99": p95,
            "max": p95.max(9.0), "histogram": []});
        let seen = |phase: &str| {
            json!({"phase": phase, "from": 0.0, "to": 1.0, "due": 1000, "missed": 0,
                "outcomes": {"ok": ok, "refused": 1000 - ok}, "latency": latency})
        };
        json!({"probe": probe, "provider": "http", "period": 0.1, "deadline": 2.0, "route": "proxy",
            "settled": true, "phases": [seen("baseline"), seen("fault"), seen("recovery")],
            "detected_after": null, "recovered_after": recovered, "recovery_watched": 12.0, "raw": [],
            "raw_dropped": 0})
    }
}

/// The journal of a run that held, failed or was void.
pub fn journal(id: &str, what: &str, seen: &[(&str, Seen)]) -> Value {
    let action = json!({"type": "action", "name": "break it", "provider": {"type": "process", "path": "sh"}});
    let samples: Vec<Value> = seen.iter().map(|(probe, seen)| seen.series(probe)).collect();
    json!({
        "experiment": {"title": "Lose a replica", "method": [action]},
        "start": "2026-01-01T00:00:00+00:00",
        "status": "completed",
        "deviated": what == "failed",
        "steady_states": {"before": look(what != "void"), "after": look(what == "held"), "during": []},
        "run": [{"activity": action, "status": "succeeded"}],
        "kubectl-chaos": {"schema": 1, "run_id": id, "finished": true, "experiment_hash": "sha256:same",
            "cluster": {"version": "v1.30.0"},
            "activities": [{"at": "/run/0", "phase": "method", "targets": [],
                "effect": {"state": "confirmed", "detail": "exit status 0"}}],
            "samples": samples},
    })
}

/// Writes journals, and returns their names.
pub fn write(sandbox: &Sandbox, arm: &str, journals: &[Value]) -> Vec<String> {
    let names = (0..journals.len()).map(|at| format!("{arm}-{at}.json"));
    let write = |(name, journal): (String, &Value)| {
        sandbox.write(&name, journal.to_string());
        name
    };
    names.zip(journals).map(write).collect()
}

fn runs(arm: &str, what: &str, seen: &[(&str, Seen)]) -> Vec<Value> {
    what.split(' ').enumerate().map(|(at, what)| journal(&format!("{arm}{at}"), what, seen)).collect()
}

fn compare(before: &[Value], after: &[Value], arguments: &[&str]) -> ProcessResult {
    let sandbox = Sandbox::new();
    let (before, after) = (write(&sandbox, "before", before), write(&sandbox, "after", after));
    let mut words = vec!["compare", "--before"];
    words.extend(before.iter().map(String::as_str));
    words.push("--after");
    words.extend(after.iter().map(String::as_str));
    words.extend(arguments);
    sandbox.run(words)
}

/// A comparison with every verdict, and one with every design.
pub fn spread() -> Vec<(String, Value)> {
    let answer = |(name, before, after): (&'static str, Vec<Value>, Vec<Value>)| {
        let primary: &[&str] = if name == "improved" { &["--primary", "p:p95-latency"] } else { &[] };
        let finished = compare(&before, &after, &[&["-o", "json"], primary].concat());
        assert!(matches!(finished.code, Some(0 | 8)), "{name}: {finished:?}");
        (name.to_owned(), finished.json())
    };
    kinds().into_iter().chain(trials()).map(answer).collect()
}

/// The journals of automatic trials, one for each reason to stop, and of two fixed trials at different times.
fn trials() -> Vec<(&'static str, Vec<Value>, Vec<Value>)> {
    let arm = |arm: &str, outcomes: &str, max_pairs: u32| -> Vec<Value> {
        let mut runs = runs(arm, outcomes, &[]);
        for (pair, journal) in (1..).zip(&mut runs) {
            let design = json!({"kind": "auto", "max_pairs": max_pairs});
            journal["kubectl-chaos"]["environment"] =
                json!({"trial": "0a1b2c3d", "pair": pair, "design": design, "overlaps": ["other"]});
        }
        runs
    };
    let auto = |name: &'static str, before: &str, after: &str, max_pairs: u32| {
        (name, arm("b", before, max_pairs), arm("a", after, max_pairs))
    };
    let of_trial = |journals: &mut Vec<Value>, trial: &str| {
        for journal in journals {
            let own = &mut journal["kubectl-chaos"];
            own["cluster"]["uid"] = json!(format!("cluster of {trial}"));
            own["environment"] =
                json!({"trial": trial, "images": {"Deployment/a": format!("image of {trial}")}});
        }
    };
    let mut earlier = runs("b", "failed failed failed", &[]);
    of_trial(&mut earlier, "0a1b2c3d");
    let mut later = runs("a", "held held held", &[]);
    of_trial(&mut later, "4e5f6a7b");
    for journal in &mut later {
        journal["start"] = json!("2026-01-02T00:00:00+00:00");
    }
    vec![
        auto("clean split", "failed failed failed failed", "held held held held", 10),
        auto(
            "lead",
            "failed held failed failed held held failed held failed",
            "held held held held held held held held held",
            20,
        ),
        auto("same outcome", "held held held held held", "held held held held held", 10),
        auto("unlikely", "failed held held held held", "failed held held held held", 10),
        auto("all pairs", "failed failed held failed", "held held held held", 4),
        ("different times", earlier, later),
    ]
}

/// The journals of a comparison with every verdict, and its name.
pub fn kinds() -> Vec<(&'static str, Vec<Value>, Vec<Value>)> {
    let steps = |ok: u64, p95: f64, recovered: Option<f64>| -> Vec<Seen> {
        let step = |at: u64| {
            #[allow(clippy::cast_precision_loss)]
            let part = at as f64 / 100.0;
            Seen { ok: ok - at, recovered: recovered.map(|time| time + part), p95: p95 + part }
        };
        (0..6).map(step).collect()
    };
    let with = |arm: &str, what: &str, seen: &[Seen]| -> Vec<Value> {
        let one = |(at, seen): (usize, &Seen)| journal(&format!("{arm}{at}"), what, &[("p", *seen)]);
        seen.iter().enumerate().map(one).collect()
    };
    let (base, late) = (steps(950, 20.0, Some(1.0)), steps(950, 20.0, None));
    let mut found = Vec::new();
    let mut add = |name: &'static str, before: &[Value], after: &[Value]| {
        found.push((name, before.to_vec(), after.to_vec()));
    };
    let plain = |arm: &str, what: &str| runs(arm, what, &[]);
    add("fixed", &plain("b", "failed failed failed"), &plain("a", "held held held"));
    add("broken", &plain("b", "held"), &plain("a", "failed failed"));
    add("nothing counts", &plain("b", "void"), &plain("a", "void void"));
    add("mixed", &plain("b", "held"), &plain("a", "failed held"));
    add("improved", &with("b", "held", &base), &with("a", "held", &steps(1000, 20.0, Some(1.0))));
    add("regressed", &with("b", "held", &base), &with("a", "held", &steps(990, 90.0, Some(1.0))));
    add("recovered late", &with("b", "held", &base), &with("a", "held", &late));
    add("equivalent", &with("b", "held", &base), &with("a", "held", &base));
    add("no difference", &plain("b", "failed failed failed"), &plain("a", "failed failed failed"));
    add(
        "by less than the margin",
        &with("b", "held", &base),
        &with("a", "held", &steps(959, 20.0, Some(1.0))),
    );
    let few = Seen { ok: 60, ..base[0] };
    add("too few successes", &with("b", "held", &base), &with("a", "held", &[&base[..5], &[few]].concat()));
    add("too few for an interval", &with("b", "held", &base[..3]), &with("a", "held", &late[..3]));
    add("a 99th percentile", &with("b", "held", &[Seen::FINE; 4]), &with("a", "held", &[Seen::FINE; 4]));
    let mut theirs = journal("", "held", &[]);
    theirs.as_object_mut().unwrap().remove("kubectl-chaos");
    let mut again = theirs.clone();
    again["start"] = Value::Null;
    add("journals of the Chaos Toolkit", &[theirs], &[again]);
    let environment = |replicas: u32| json!({"nodes": replicas, "replicas": {"Deployment/web": replicas}});
    let mut elsewhere = with("a", "held", &base);
    for journal in &mut elsewhere {
        let own = &mut journal["kubectl-chaos"];
        own["cluster"]["version"] = json!("v1.31.0");
        own["environment"] = environment(3);
        own["samples"][0]["period"] = json!(1.0);
        own["samples"][0]["route"] = json!("direct");
        own["variables"] = json!({"url": "00000001"});
    }
    let mut here = with("b", "held", &base);
    for journal in &mut here {
        journal["kubectl-chaos"]["environment"] = environment(1);
        journal["kubectl-chaos"]["variables"] = json!({});
    }
    add("elsewhere", &here, &elsewhere);
    found
}

#[test]
fn compare_of_real_runs_reports_fixed() {
    let script = |script: &str| json!({"type": "process", "path": "sh", "arguments": ["-c", script]});
    let experiment = json!({
        "title": "Lose a replica",
        "description": "Whether users see it.",
        "steady-state-hypothesis": {"title": "whole", "probes": [
            {"type": "probe", "name": "whole", "tolerance": 0, "provider": script("! test -e broken")}]},
        "method": [{"type": "action", "name": "break it", "provider": script("test -e breaker || touch broken")}],
        "rollbacks": [{"type": "action", "name": "mend it", "provider": script("rm -f broken")}],
    });
    let sandbox = Sandbox::new();
    let run = |journal: &str, code: i32| {
        sandbox
            .experiment(&experiment, ["--journal-path", journal, "--rollback-strategy", "always"])
            .exits(code);
    };
    run("before-1.json", 1);
    run("before-2.json", 1);
    sandbox.write("breaker", "");
    run("after-1.json", 0);
    run("after-2.json", 0);
    let labels = "confounder: arms at different times: the 5 % does not cover drift between them\n\
                  note: 5 % holds if the number of runs was not chosen by looking at them\n";
    let answer = sandbox.run(["compare", "before-1.json", "after-1.json"]).exits(0);
    let first = format!("{labels}fixed, seen once (after: holds)\n");
    assert!(answer.stdout.starts_with(&first), "{}", answer.stdout);
    let answer =
        sandbox.run(["compare", "after-1.json", "before-1.json", "--fail-on", "regressed,broken"]).exits(1);
    let first = format!("{labels}broken, seen once (after: fails)\n");
    assert!(answer.stdout.starts_with(&first), "{}", answer.stdout);
    let both =
        ["--before", "before-1.json", "before-2.json", "--after", "after-1.json", "--after", "after-2.json"];
    let answer = sandbox.run(["compare", "-o", "json"].into_iter().chain(both)).exits(0).json();
    assert_eq!((&answer["verdict"], &answer["arms"]["after"]["held"]), (&json!("fixed"), &json!(2)));
    // a comparison of a run with itself is inconclusive
    sandbox.run(["compare", "before-1.json", "before-2.json"]).exits(8);
    sandbox.run(["compare", "before-1.json", "before-1.json"]).exits(3).reports("journals of the same run");
    // different experiments cannot be compared
    let other = json!({"title": "t", "description": "d", "method": []});
    sandbox.experiment(&other, ["--journal-path", "other.json"]).exits(0);
    sandbox.run(["compare", "before-1.json", "other.json"]).exits(3).reports("runs of different experiments");
}

#[test]
fn compare_exit_code_reflects_verdict() {
    let check = |before: &str, after: &str, arguments: &[&str], code: i32| {
        compare(&runs("b", before, &[]), &runs("a", after, &[]), arguments).exits(code);
    };
    let (held, failed) = ("held held held", "failed failed failed");
    check(failed, held, &[], 0);
    check(failed, held, &["--fail-on", "broken"], 0);
    check(failed, held, &["--fail-on", "broken,fixed"], 1);
    check(held, held, &["--fail-on", "regressed", "--fail-on", "unchanged"], 1);
    check(held, held, &["--fail-on", "no-difference"], 1);
    check(held, held, &["--fail-on", "equivalent"], 0);
    check("held held failed", held, &[], 0);
    check("held held failed", held, &["--fail-on", "inconclusive"], 1);
    check(failed, "void void void", &[], 8);
    check(failed, "void void void", &["--fail-on", "inconclusive"], 1);
    check(failed, "void void void", &["--fail-on", "broken"], 8);
    check(held, "held held", &["--exit-code=chaostoolkit"], 1);
    check("held failed", "held held", &[], 8);
    check("held failed", "void", &[], 8);
}

#[test]
fn compare_rejects_incomparable_journals_by_name() {
    let sandbox = Sandbox::new();
    sandbox.write("fine.json", journal("1", "held", &[]).to_string());
    sandbox.write("experiment.json", r#"{"title": "t", "method": []}"#);
    sandbox.write("text", "no JSON");
    sandbox.write("bytes", [0xff, 0xfe, 0xfd]);
    let check = |arguments: &[&str], code: i32, says: &str| {
        sandbox.run(["compare"].iter().chain(arguments)).exits(code).reports(says);
    };
    check(&["fine.json", "missing.json"], 3, "cannot read journal missing.json");
    check(&["fine.json", "experiment.json"], 3, "experiment.json: this is an experiment, not a journal");
    check(&["text", "fine.json"], 3, "text: invalid JSON");
    check(&["bytes", "fine.json"], 3, "bytes");
    check(&["fine.json", "."], 3, "cannot read journal .");
    check(&[], 2, "required");
    check(&["fine.json"], 2, "required");
    check(&["fine.json", "fine.json", "--before", "fine.json", "--after", "fine.json"], 2, "cannot be used");
    check(&["--before", "fine.json"], 2, "required");
    check(&["fine.json", "fine.json", "--margin", "ratio=lots"], 2, "invalid margin 'ratio=lots'");
    check(&["fine.json", "fine.json", "--fail-on", "worse"], 2, "invalid value");
    check(&["fine.json", "fine.json", "--primary", "p:p95"], 2, "invalid metric 'p:p95'");
    sandbox.write("sampled.json", journal("2", "held", &[("p", Seen::FINE)]).to_string());
    check(&["fine.json", "sampled.json", "--primary", "q:slowdown"], 3, "no run sampled probe 'q'");
}

#[test]
fn compare_text_shows_verdict_and_table() {
    let slow = Seen { p95: 300.0, recovered: None, ok: 900 };
    let before = runs("b", "held held held held held", &[("ask", slow)]);
    let after =
        [runs("a", "held held held held held", &[("ask", Seen::FINE)]), runs("c", "void", &[])].concat();
    let text = compare(&before, &after, &[]).exits(0).stdout;
    let expected = "\
note: 5 % holds if the number of runs was not chosen by looking at them
improved (after: holds)
With the fault in place, the success ratio of 'ask' rose from 90 % before this change to 100 % after it, 3 more \
measures are better, and no run failed.

MEASURE                               BEFORE      AFTER
runs that held                        5 of 5      5 of 5
failing runs in the long term, at most (95 % confidence)               45 %
success while the fault lasted        90 %        100 % ◆
time to recover                       > 12 s      0 s ◆
p95 latency while the fault lasted    300 ms      20 ms ◆
slowdown by the fault                 150 times   10 times ◆
◆ marks a clear difference, better or worse. If nothing differed, at most 5 % of comparisons would have any mark. Values without it may differ by chance.
";
    // the words of the table, without the widths of its columns
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert!(words(&text).starts_with(&words(expected)), "{text}");
    assert!(text.contains(
        "after 6   after-5.json   void      probe 'whole' was not within its tolerance before the method\n"
    ));
    assert!(!text.contains("before 1") && !text.contains("seed"), "{text}");
    let wide =
        compare(&before, &after, &["-o", "wide", "--margin", "time=5%", "--seed", "7"]).exits(0).stdout;
    assert!(wide.contains("before 1   before-0.json   held      the hypothesis was met"), "{wide}");
    assert!(
        wide.contains("margins failures=50%,ratio=1%,slowdown=10%,time=5%,time-min=5ms, seed 7\n"),
        "{wide}"
    );
    assert!(wide.contains(" 0.008\n"), "{wide}");
}

#[test]
fn compare_reports_confounders_above_verdict() {
    let mut after = runs("a", "held held held", &[]);
    for journal in &mut after {
        journal["kubectl-chaos"]["cluster"]["version"] = json!("v1.31.0");
    }
    let text = compare(&runs("b", "failed failed failed", &[]), &after, &[]).exits(0).stdout;
    let first: Vec<&str> = text.lines().take(3).collect();
    let note = "note: 5 % holds if the number of runs was not chosen by looking at them";
    assert_eq!(
        first,
        ["confounder: Kubernetes: v1.30.0 before, v1.31.0 after", note, "fixed (after: holds)"]
    );
}

#[test]
fn compare_detects_different_variables_and_strategy() {
    let script = |script: &str| json!({"type": "process", "path": "sh", "arguments": ["-c", script]});
    let experiment = json!({
        "title": "t",
        "description": "d",
        "configuration": {"pin": "0000", "other": "x"},
        "steady-state-hypothesis": {"title": "whole", "probes": [
            {"type": "probe", "name": "whole", "tolerance": 0, "provider": script("true")}]},
        "method": [{"type": "action", "name": "wait", "provider": script("sleep 0.1")}],
    });
    let sandbox = Sandbox::new();
    sandbox.write("given.json", r#"{"configuration": {"pin": "hush-4711", "undeclared": 1}}"#);
    let run = |journal: &str, more: &[&str]| {
        sandbox.experiment(&experiment, ["--journal-path", journal].iter().chain(more)).exits(0);
        sandbox.json(journal)["kubectl-chaos"].take()
    };
    let plain = run("plain.json", &[]);
    assert_eq!((&plain["variables"], &plain["hypothesis_strategy"]), (&json!({}), &json!("default")));
    let from_a_file = run("file.json", &["--var-file", "given.json"]);
    assert_eq!(from_a_file["variables"].as_object().unwrap().keys().collect::<Vec<_>>(), ["pin"]);
    assert!(!from_a_file.to_string().contains("4711"), "{from_a_file:#}");
    // the source of the value does not matter
    assert_eq!(run("flag.json", &["--var", "pin=hush-4711"])["variables"], from_a_file["variables"]);
    run("other.json", &["--var", "pin=hush-4712", "--var", "other=x"]);
    let first = |before: &str, after: &str| -> String {
        let told = sandbox.run(["compare", before, after]).exits(8).stdout;
        told.lines().next().unwrap().to_owned()
    };
    assert_eq!(first("plain.json", "file.json"), "confounder: values of variable 'pin' differ");
    assert_eq!(first("file.json", "other.json"), "confounder: values of variables 'other', 'pin' differ");
    assert_eq!(
        first("file.json", "flag.json"),
        "confounder: arms at different times: the 5 % does not cover drift between them"
    );
    run("through.json", &["--hypothesis-strategy", "continuously"]);
    let refused = sandbox.run(["compare", "plain.json", "through.json"]).exits(3);
    refused.reports("plain.json and through.json checked the steady state at different times");
}

#[test]
fn compare_formats_agree_and_escape_untrusted_text() {
    let hostile = "p\u{1b}[31m\n\u{202e}<script>";
    let (before, after) = (runs("b", "held held", &[(hostile, Seen::FINE)]), runs("a", "held", &[]));
    let of = |format: &str| compare(&before, &after, &["-o", format]).exits(8).stdout;
    let json: Value = serde_json::from_str(&of("json")).unwrap();
    assert_eq!(json["metrics"][0]["probe"], hostile);
    let yaml = of_yaml(&of("YAML"));
    assert_eq!(json, yaml);
    for text in [of("text"), of("wide")] {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
        assert!(text.lines().any(|line| line.contains("p [31m") && line.contains("success")), "{text:?}");
    }
}

/// Parses YAML to JSON.
fn of_yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}
