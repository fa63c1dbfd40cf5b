//! Reports: written atomically to the requested path, with the same content from a run and from its journal.

pub mod golden;
mod visible_lines;

use serde_json::{Value, json};

use crate::harness::{NONE, Sandbox};

/// A run that deviates: its method removes a file.
fn deviating() -> Value {
    let process = |name: &str, path: &str, arguments: &[&str]| {
        json!({"type": "probe", "name": name, "tolerance": 0,
            "provider": {"type": "process", "path": path, "arguments": arguments}})
    };
    let mut remove = process("remove", "rm", &["it"]);
    remove["type"] = json!("action");
    remove.as_object_mut().unwrap().shift_remove("tolerance");
    json!({"title": "a <b>title</b> @everyone", "description": "d", "method": [remove],
        "steady-state-hypothesis": {"title": "h", "probes": [process("it is there", "test", &["-e", "it"])]}})
}

fn folder() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("it", "");
    sandbox
}

#[test]
fn run_and_report_write_identical_reports() {
    let sandbox = folder();
    sandbox.experiment(&deviating(), ["--junit", "a.xml", "--markdown", "a.md", "--html", "a.html"]).exits(1);
    let again = sandbox
        .run(["report", "./journal.json", "--junit", "b.xml", "--markdown", "b.md", "--html", "b.html"])
        .exits(0);
    for (one, other) in [("a.xml", "b.xml"), ("a.md", "b.md"), ("a.html", "b.html")] {
        assert_eq!(sandbox.read(one), sandbox.read(other));
    }
    let markdown = sandbox.read("a.md");
    assert!(markdown.starts_with("### ❌ a &lt;b&gt;title&lt;/b&gt; `@everyone`: deviated\n"), "{markdown}");
    assert!(markdown.contains("| it is there | 0 | ✅ met"), "{markdown}");
    let junit = sandbox.read("a.xml");
    assert!(junit.contains("<failure type=\"ToleranceNotMet\" message=\"observed: exit code 1"), "{junit}");
    assert!(junit.contains("name=\"remove took effect\""), "{junit}");
    let text = again.stdout;
    assert!(text.contains("deviated: probe 'it is there' was not within its tolerance"), "{text}");
    assert!(text.contains("after: not met: exit code 1") && text.contains("remove: took effect"), "{text}");
}

#[test]
fn several_runs_are_combined_in_one_report() {
    let sandbox = folder();
    sandbox.write("one.json", deviating().to_string());
    sandbox.write("two.json", json!({"title": "two", "description": "d", "method": []}).to_string());
    sandbox.run(["run", "one.json", "two.json", "--junit", "-"]).exits(1);
    let ended = sandbox.run(["report", "journal-1-one.json", "journal-2-two.json", "--junit", "-"]).exits(0);
    assert_eq!(ended.stdout.matches("<testsuite ").count(), 2, "{}", ended.stdout);
}

#[test]
fn unwritable_report_path_is_detected_before_run() {
    let refused = |arguments: &[&str], why: &str| {
        let sandbox = folder();
        sandbox.experiment(&deviating(), arguments).exits(2).reports(why);
        assert!(sandbox.path("it").exists() && !sandbox.path("journal.json").exists(), "nothing ran");
    };
    refused(&["--junit", "no/such/folder/x.xml"], "cannot write no/such/folder/x.xml");
    refused(&["--markdown", "."], "is a directory");
    refused(&["--junit", "-", "--markdown", "-"], "cannot write two results to standard output");
    refused(&["-o", "json", "--junit", "-"], "cannot write two results to standard output");
}

#[test]
fn existing_report_is_replaced_atomically() {
    let sandbox = folder();
    sandbox.write("report.md", "x".repeat(1_000_000));
    sandbox.experiment(&deviating(), ["--markdown", "report.md"]).exits(1);
    assert!(sandbox.read("report.md").len() < 10_000);
    let names = std::fs::read_dir(sandbox.path("")).unwrap().map(|one| one.unwrap().file_name());
    assert_eq!(names.filter(|name| name.to_string_lossy().starts_with(".tmp")).count(), 0);
}

#[test]
fn invalid_journal_is_rejected() {
    let sandbox = Sandbox::new();
    sandbox.write("x.json", "{}");
    sandbox.run(["report", "x.json"]).exits(3).reports("x.json: invalid journal");
    sandbox.run(["report", "gone.json"]).exits(3).reports("gone.json");
    sandbox.run(["report"].iter().chain(&NONE)).exits(2);
}
