//! Invalid journals, and journals that cannot be compared or published.

use serde_json::{Value, json};

use super::{Transcript, folder};
use crate::compare::{Seen, journal};

#[test]
fn journal_errors_match() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    let fine = journal("1", "held", &[("p", Seen::FINE)]);
    let change = |change: &dyn Fn(&mut Value)| {
        let mut journal = fine.clone();
        change(&mut journal);
        journal.to_string()
    };
    let other = journal("2", "held", &[]);
    let strategy = |journal: &Value| {
        let mut journal = journal.clone();
        journal["kubectl-chaos"]["hypothesis_strategy"] = json!("continuously");
        journal.to_string()
    };
    let files = [
        ("fine.json", fine.to_string()),
        ("other.json", other.to_string()),
        ("strategy.json", strategy(&other)),
        (
            "experiment.json",
            change(&|j| {
                j["kubectl-chaos"]["run_id"] = json!("3");
                j["kubectl-chaos"]["experiment_hash"] = json!("sha256:other");
            }),
        ),
        ("newer.json", change(&|j| j["kubectl-chaos"]["schema"] = json!(99))),
        ("list.json", "[]".to_owned()),
        ("mapping.json", "{}".to_owned()),
        ("title.json", r#"{"experiment": 5}"#.to_owned()),
        ("text", "no JSON".to_owned()),
    ];
    for (name, text) in &files {
        sandbox.write(name, text);
    }
    sandbox.write("bytes", [0xff, 0xfe, 0xfd]);
    for (name, _) in &files[4..] {
        said.call(&sandbox, &format!("report {name}"));
    }
    said.calls(
        &sandbox,
        &[
            "report nowhere.json",
            "report .",
            "report bytes",
            "report fine.json --html nowhere/x",
            "compare fine.json nowhere.json",
            "compare fine.json e.json",
            "compare text fine.json",
            "compare fine.json .",
            "compare fine.json fine.json",
            "compare fine.json experiment.json",
            "compare fine.json strategy.json",
            "compare fine.json newer.json",
            "compare fine.json other.json",
            "compare fine.json other.json --fail-on inconclusive",
            "compare fine.json other.json --exit-code chaostoolkit",
        ],
    );
    said.check("errors-journals");
}

#[test]
fn implausible_journal_errors_match() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    let fine = journal("1", "held", &[("p", Seen::FINE)]);
    let own = |key: &'static str, value: Value| move |j: &mut Value| j["kubectl-chaos"][key] = value.clone();
    let phase = |key: &'static str, value: Value| {
        move |j: &mut Value| j["kubectl-chaos"]["samples"][0]["phases"][0][key] = value.clone()
    };
    let long = "x".repeat(100_000);
    type Change = Box<dyn Fn(&mut Value)>;
    let changes: Vec<(&str, Change)> = vec![
        ("status", Box::new(|j| j["status"] = json!("odd"))),
        ("no key", Box::new(|j| drop(j.as_object_mut().unwrap().shift_remove("kubectl-chaos")))),
        (
            "title",
            Box::new({
                let long = long.clone();
                move |j| j["experiment"]["title"] = json!(long)
            }),
        ),
        ("identity", Box::new(own("run_id", json!(long)))),
        ("hash", Box::new(own("experiment_hash", json!(long)))),
        ("replicas", Box::new(own("environment", json!({"nodes": 1, "replicas": {"a": 1_000_000_000}})))),
        ("phase", Box::new(phase("phase", json!("recovery")))),
        ("from", Box::new(phase("from", json!(7.0)))),
        ("due", Box::new(phase("due", json!(7)))),
        ("outcomes", Box::new(phase("outcomes", json!({"ok": 5})))),
        ("period", Box::new(|j| j["kubectl-chaos"]["samples"][0]["period"] = json!(-1))),
        ("deadline", Box::new(|j| j["kubectl-chaos"]["samples"][0]["deadline"] = json!(1e300))),
        ("recovered", Box::new(|j| j["kubectl-chaos"]["samples"][0]["recovered_after"] = json!(-5))),
        (
            "latency",
            Box::new(|j| j["kubectl-chaos"]["samples"][0]["phases"][0]["latency"]["p50"] = json!(99)),
        ),
        ("provider", Box::new(|j| j["kubectl-chaos"]["samples"][0]["provider"] = json!("x".repeat(9999)))),
        ("activity", Box::new(|j| j["run"][0]["activity"]["name"] = json!("x".repeat(99_999)))),
        ("duration", Box::new(|j| j["run"][0]["duration"] = json!(-1))),
    ];
    for (name, change) in changes {
        let mut journal = fine.clone();
        change(&mut journal);
        sandbox.write("j.json", journal.to_string());
        said.heading(name);
        said.call(&sandbox, "publish --workflow-run --comment never --dry-run j.json");
    }
    said.check("errors-journals-of-artifacts");
}
