//! Whatever a run writes is read again: by its own reports, by `report`, `compare` and `publish`.

use serde_json::{Value, json};

use crate::github::Job;
use crate::harness::{ProcessResult, Response, Sandbox, Server, with};

/// An experiment with one probe, in the hypothesis and in the method.
fn experiment(provider: &Value, tolerance: &Value) -> Value {
    let probe = json!({"type": "probe", "name": "look", "tolerance": tolerance, "provider": provider});
    json!({"title": "t", "description": "d", "steady-state-hypothesis": {"title": "h", "probes": [probe]},
        "method": [probe]})
}

/// Runs an experiment with all reports, and reads its journal with every command that does.
fn reads_back(sandbox: &Sandbox, text: &str, name: &str) -> Value {
    sandbox.write(name, text);
    let reports = |prefix: &str| -> Vec<String> {
        [("--junit", "xml"), ("--markdown", "md"), ("--html", "html")]
            .iter()
            .flat_map(|(flag, end)| [(*flag).to_owned(), format!("{prefix}.{end}")])
            .collect()
    };
    let fine = |finished: ProcessResult| {
        let finished = finished.exits(0);
        let has_error = finished.stderr.lines().any(|line| line.to_lowercase().starts_with("error:"));
        assert!(!has_error, "{}", finished.stderr);
    };
    fine(sandbox.run(["run".to_owned(), name.to_owned()].into_iter().chain(reports("run"))));
    fine(
        sandbox.run(["report".to_owned(), "./journal.json".to_owned()].into_iter().chain(reports("report"))),
    );
    for end in ["xml", "md", "html"] {
        assert_eq!(sandbox.read(&format!("run.{end}")), sandbox.read(&format!("report.{end}")), "{end}");
    }
    fine(sandbox.run(["run", name, "--journal-path", "again.json"]));
    // its method is no fault, so the runs do not count; they are read
    let compared = sandbox.run(["compare", "journal.json", "again.json"]).exits(8);
    assert!(compared.stdout.starts_with("inconclusive"), "{}", compared.stdout);
    let written = sandbox.read("journal.json");
    assert!(written.len() < 10 * 1024 * 1024, "{} bytes", written.len());
    // the artifact of a pull request is untrusted
    let job = Job::of_a_pull_request();
    job.sandbox.write("chaos-results/journal.json", &written);
    let published = job.publish(&["--comment-id", "none"]);
    assert!(!published.stderr.contains("invalid"), "{}", published.stderr);
    // a reader without infinities sees a valid document
    serde_json::from_str(&written.replace("-1e999", "null").replace("1e999", "null")).unwrap()
}

#[test]
fn infinities_of_an_answer_are_read_back() {
    let server = Server::start(|_| {
        Response::new(
            200,
            "application/json",
            r#"{"load": Infinity, "low": -Infinity, "none": NaN, "v": 1e400}"#,
        )
    });
    let provider = json!({"type": "http", "url": server.url("/")});
    let sandbox = Sandbox::new();
    reads_back(&sandbox, &experiment(&provider, &json!(200)).to_string(), "experiment.json");
    let text = sandbox.read("journal.json");
    assert!(text.contains("1e999") && text.contains("-1e999"), "{text}");
}

#[test]
fn infinities_of_the_experiment_are_read_back() {
    let text = "title: t\ndescription: d\nconfiguration: {limit: .inf, none: .nan}\nmethod:\n- type: probe\n  name: p\n  \
                tolerance: {type: range, range: [0, .inf], target: status}\n  provider: {type: process, path: 'true'}\n\
                steady-state-hypothesis:\n  title: h\n  probes:\n  - {type: probe, name: q, tolerance: 0, provider: {type: process, path: 'true'}}\n";
    reads_back(&Sandbox::new(), text, "experiment.yaml");
}

#[test]
fn large_and_deep_outputs_are_read_back() {
    let process = |script: &str| json!({"type": "process", "path": "sh", "arguments": ["-c", script]});
    let flood = process("head -c 10000000 /dev/zero; head -c 10000000 /dev/zero >&2");
    let journal = reads_back(&Sandbox::new(), &experiment(&flood, &json!(0)).to_string(), "experiment.json");
    let output = &journal["run"][0]["output"];
    assert!(output["stdout"].as_str().unwrap().ends_with(" of 10000000 bytes)"));
    let deep = format!(r#"{{"deep": {}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let server = Server::start(move |_| Response::new(200, "application/json", &deep));
    let provider = json!({"type": "http", "url": server.url("/")});
    reads_back(&Sandbox::new(), &experiment(&provider, &json!(200)).to_string(), "experiment.json");
}

#[test]
fn long_errors_are_read_back() {
    // a probe of the method without a tolerance may fail
    let server = Server::start(|request| {
        let target = format!("http://127.0.0.1:1/{}", "x".repeat(60_000));
        if request.path == "/" {
            Response::with(302, &[("Location", &target)], "")
        } else {
            Response::nothing()
        }
    });
    let ok = json!({"type": "process", "path": "true"});
    let failing =
        json!([{"type": "probe", "name": "p", "provider": {"type": "http", "url": server.url("/")}}]);
    let experiment = with(experiment(&ok, &json!(0)), &json!({"method": failing}));
    let journal = reads_back(&Sandbox::new(), &experiment.to_string(), "experiment.json");
    assert_eq!(journal["run"][0]["status"], "failed");
}
