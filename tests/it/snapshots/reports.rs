//! Comparisons and reports for every verdict. `tests/reports` has those of fixed journals.

use serde_json::{Value, json};

use super::{Transcript, check_all};
use crate::compare::{Seen, journal, kinds, write};
use crate::harness::Sandbox;
use crate::reports::golden::without_bulk;

/// The text of a page, one line per text node.
fn read(page: &str) -> String {
    let mut text = String::new();
    let mut is_tag = false;
    for c in without_bulk(page).chars() {
        match c {
            '<' => {
                is_tag = true;
                text.push('\n');
            }
            '>' if is_tag => is_tag = false,
            c if !is_tag => text.push(c),
            _ => {}
        }
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "…");
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn comparisons_of_every_verdict_match() {
    let mut all = Vec::new();
    for (name, before, after) in kinds() {
        let (sandbox, mut said) = (Sandbox::new(), Transcript::new());
        let files =
            [write(&sandbox, "before", &before).join(" "), write(&sandbox, "after", &after).join(" ")];
        let line = format!("compare --before {} --after {}", files[0], files[1]);
        let reports = "-o wide --markdown r.md --html r.html --junit r.xml";
        said.call(&sandbox, &line);
        said.call(&sandbox, &format!("{line} {reports}"));
        for name in ["r.md", "r.xml"] {
            said.text(&sandbox, name, &sandbox.read(name));
        }
        if ["broken", "elsewhere", "regressed"].contains(&name) {
            said.text(&sandbox, "text of r.html", &read(&sandbox.read("r.html")));
        }
        all.push((format!("compare-{}", name.replace(' ', "-")), said.text));
    }
    assert!(all.len() > 10);
    check_all("compare-", &all);
}

/// Verdicts that `tests/reports` does not contain.
#[test]
fn single_run_reports_match() {
    let sandbox = Sandbox::new();
    let mut said = Transcript::new();
    let of = |verdict: &str, reason: &str, change: &dyn Fn(&mut Value)| {
        let mut journal = journal("a", "held", &[]);
        journal["kubectl-chaos"]["verdict"] = verdict.into();
        journal["kubectl-chaos"]["reason"] = reason.into();
        change(&mut journal);
        (verdict.to_owned(), journal)
    };
    let effect = |journal: &mut Value, state: &str, detail: &str| {
        journal["kubectl-chaos"]["activities"][0]["effect"] = json!({"state": state, "detail": detail});
    };
    let unsettled = Seen { ok: 900, recovered: None, p95: 20.0 };
    let sampled = journal("f", "failed", &[("p", unsettled)])["kubectl-chaos"]["samples"].clone();
    let runs = [
        of("held", "the steady state was met at every look", &|j| {
            j["kubectl-chaos"]["samples"] = sampled.clone();
        }),
        of("explored", "there was no steady state to judge", &|j| j["steady_states"] = json!({})),
        of("aborted", "an unexpected error ended the run", &|j| j["status"] = json!("aborted")),
        of("stopped", "the safeguard 'guard' was not met", &|j| j["status"] = json!("interrupted")),
        of("rollback-incomplete", "rollback 'undo' was not carried out", &|_| ()),
        of("action-not-confirmed", "", &|j| effect(j, "unconfirmed", "not seen within 45 seconds")),
        of("action-not-confirmed", "", &|j| effect(j, "mismatch", "2 of 3 replicas")),
        of("action-not-confirmed", "", &|j| effect(j, "unknown", "")),
        of("unfinished", "", &|j| drop(j["kubectl-chaos"].as_object_mut().unwrap().shift_remove("verdict"))),
    ];
    for (name, journal) in runs {
        sandbox.write("j.json", journal.to_string());
        said.heading(&name);
        said.call(&sandbox, "report j.json --markdown r.md --html r.html --junit r.xml");
        for name in ["r.md", "r.xml"] {
            said.text(&sandbox, name, &sandbox.read(name));
        }
        said.text(&sandbox, "text of r.html", &read(&sandbox.read("r.html")));
    }
    said.check("report-single-runs");
}
