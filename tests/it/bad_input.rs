//! Invalid input: a clear error, the correct exit code, no panic, no lost file.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::harness::{ProcessResult, Sandbox, finish};

/// Asserts that input is rejected before anything runs.
fn refused(sandbox: &Sandbox, arguments: &[&str], code: i32, text: &str) -> ProcessResult {
    let finished = sandbox.run(arguments).exits(code).reports(text);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    assert!(!sandbox.path("journal.json").exists() && !sandbox.path("touched").exists(), "{arguments:?}");
    finished
}

fn file(name: &str, content: &[u8], text: &str) {
    let sandbox = Sandbox::new();
    sandbox.write(name, content);
    refused(&sandbox, &["run", name], 3, text);
    refused(&sandbox, &["validate", name], 3, "");
}

#[test]
fn malformed_experiment_file_is_rejected() {
    file("a.json", b"", "empty");
    file("a.yaml", b"   \n# nothing\n", "an empty experiment is not an experiment");
    file("a.json", b"{\"title\": \"x\",\n  \"method\": [}\n", "a.json:2:14: error: broken JSON");
    file("a.json", b"{\"title\": \"x\"} trailing", "broken JSON");
    file("a.yaml", b"title: x\n  description: [\n", "a.yaml:2:");
    file("a.yaml", b"a: 1\n---\nb: 2\n", "single document");
    file("a.yaml", b"title: x\nmethod:\n\t- a: 1\n", "hint: indent with spaces, not with tabs");
    file("a.json", b"{\"title\": \"\xff\xfe\"}", "UTF-8");
    file(
        "a.json",
        "{\"title\": \"x\"}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>().as_slice(),
        "",
    );
    file("a.json", b"[1, 2]", "mapping");
    file("a.json", b"\"text\"", "mapping");
    file("a.json", ("[".repeat(10_000) + &"]".repeat(10_000)).as_bytes(), "nested more than 100 deep");
    file("a.yaml", "[".repeat(10_000).as_bytes(), "nested more than 100 deep");
    file("a.json", br#"{"title": "\ud800"}"#, "surrogate");
    let bomb: String = (1..12).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |bomb, level| {
        bomb + &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(", "))
    });
    file("a.yaml", bomb.as_bytes(), "more than 500000 values");
}

#[test]
fn unreadable_experiment_path_is_rejected() {
    let sandbox = Sandbox::new();
    refused(&sandbox, &["run", "nowhere.json"], 3, "Path \"nowhere.json\" does not exist.");
    refused(&sandbox, &["run", "."], 3, "is a directory, not an experiment");
    refused(&sandbox, &["run", "/dev/zero"], 3, "larger than 10 MiB");
    refused(&sandbox, &["run", "/dev/null"], 3, "empty");
    let large = std::fs::File::create(sandbox.path("large.json")).unwrap();
    large.set_len(100 * 1024 * 1024).unwrap();
    refused(&sandbox, &["run", "large.json"], 3, "larger than 10 MiB");
    let mut child = sandbox
        .command(["run", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"{\"title\": \"from a pipe\"").unwrap();
    finish(child).exits(3).reports("broken JSON");
}

#[test]
fn experiment_encoding_variants_are_accepted() {
    let experiment = json!({"title": "t", "description": "d", "method": []}).to_string();
    for (name, content) in [
        ("marked.json", format!("\u{feff}{experiment}")),
        ("UPPER.JSON", experiment.clone()),
        ("UPPER.YML", "title: t\ndescription: d\nmethod: []\n".to_owned()),
        ("none", experiment.clone()),
        ("other.txt", "title: t\ndescription: d\nmethod: []\n".to_owned()),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write(name, content);
        sandbox.run(["run", name]).exits(0);
    }
}

/// An experiment that touches a file if it is ever run.
fn experiment() -> Value {
    let activity = |name: &str, kind: &str| {
        json!({"type": kind, "name": name, "tolerance": 0,
        "provider": {"type": "process", "path": "touch", "arguments": ["touched"]}})
    };
    let request = json!({"type": "probe", "name": "ask", "provider":
        {"type": "http", "url": "http://127.0.0.1:1/", "headers": {"X": "y"}, "timeout": 1}});
    json!({
        "title": "t", "description": "d", "tags": ["x"], "configuration": {"key": {"type": "env", "key": "HOME"}},
        "secrets": {"group": {"key": {"type": "env", "key": "HOME"}}},
        "controls": [{"name": "c", "provider": {"type": "python", "module": "chaosaddons.controls.safeguards",
            "arguments": {"probes": [activity("guard", "probe")]}}}],
        "extensions": [{"name": "mine"}],
        "runtime": {"hypothesis": {"strategy": "default"}, "rollbacks": {"strategy": "default"}},
        "steady-state-hypothesis": {"title": "h", "probes": [activity("look", "probe")]},
        "method": [activity("act", "action"), request], "rollbacks": [activity("undo", "action")],
    })
}

/// Every place in a document as a JSON pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                places(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, value)| places(value, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

#[test]
fn wrong_json_type_is_rejected_with_location_or_ignored() {
    let whole = experiment();
    let mut all = Vec::new();
    places(&whole, "", &mut all);
    assert!(all.len() > 60);
    let sandbox = Sandbox::new();
    let (mut refusals, mut files, mut names) = (0, Vec::new(), Vec::new());
    for place in &all {
        for wrong in [
            json!(null),
            json!(7),
            json!(true),
            json!("text"),
            json!([]),
            json!([[]]),
            json!({}),
            json!({"a": {}}),
        ] {
            let mut experiment = whole.clone();
            *experiment.pointer_mut(place).unwrap() = wrong.clone();
            files.push(experiment.to_string());
            names.push(format!("{place} = {wrong}"));
        }
    }
    let paths: Vec<String> = (0..files.len()).map(|index| format!("{index}.json")).collect();
    for (path, text) in paths.iter().zip(&files) {
        sandbox.write(path, text);
    }
    let finished =
        sandbox.run(["validate", "-o", "json"].into_iter().map(str::to_owned).chain(paths)).exits(3);
    assert!(!finished.stderr.contains("panicked"));
    for (checked, name) in finished.json()["files"].as_array().unwrap().iter().zip(&names) {
        if checked["valid"] == false {
            refusals += 1;
            for diagnostic in checked["diagnostics"].as_array().unwrap() {
                assert!(diagnostic["line"].is_u64() && diagnostic["column"].is_u64(), "{name}: {diagnostic}");
                assert!(!diagnostic["message"].as_str().unwrap().is_empty());
            }
        }
    }
    assert!(refusals > 200, "{refusals} of {} are refused", names.len());
    // the same at run time without validation: one of the exit codes, and no panic
    for text in files.iter().step_by(7) {
        let sandbox = Sandbox::new();
        sandbox.write("experiment.json", text);
        let finished = sandbox.run(["run", "--no-validation", "experiment.json", "--timeout", "5s"]);
        assert!(!finished.stderr.contains("panicked"), "{text}\n{}", finished.stderr);
        assert!(matches!(finished.code, Some(0..=9)), "{text}\n{finished:?}");
    }
}

#[test]
fn invalid_flags_and_input_files_are_rejected() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "e.json",
        json!({"title": "t", "description": "d", "method": [{"type": "action", "name": "a",
        "provider": {"type": "process", "path": "touch", "arguments": ["touched"]}}]})
        .to_string(),
    );
    refused(&sandbox, &["run", "e.json", "--nonsense"], 2, "unexpected argument '--nonsense'");
    refused(&sandbox, &["run"], 2, "<EXPERIMENT>");
    refused(&sandbox, &["run", "e.json", "--var", "novalue"], 2, "novalue");
    refused(&sandbox, &["run", "e.json", "--var", "n:int=x"], 2, "n:int=x");
    refused(&sandbox, &["run", "e.json", "--var", "n:odd=x"], 2, "odd");
    refused(&sandbox, &["run", "e.json", "--var-file", "nowhere"], 2, "nowhere");
    refused(&sandbox, &["run", "e.json", "--control-file", "nowhere"], 2, "nowhere");
    refused(&sandbox, &["run", "e.json", "--timeout", "soon"], 2, "soon");
    refused(&sandbox, &["run", "e.json", "--annotation", "novalue"], 2, "novalue");
    refused(&sandbox, &["run", "e.json", "--change-dir", "nowhere"], 2, "nowhere");
    refused(&sandbox, &["run", "e.json", "--hypothesis-frequency", "-1"], 2, "-1");
    refused(&sandbox, &["run", "e.json", "--hypothesis-frequency=nan"], 2, "must be at least 0.001 seconds");
    refused(&sandbox, &["run", "e.json", "--hypothesis-frequency=0"], 2, "must be at least 0.001 seconds");
    refused(&sandbox, &["run", "e.json", "--sample=1e19"], 2, "sampling period must be between 1ms and 1h");
    for flag in ["--events-file", "--log-file", "--journal-path"] {
        let finished = sandbox.run(["run", "e.json", flag, "nowhere/file"]);
        assert!(matches!(finished.code, Some(2 | 7)), "{flag}: {finished:?}");
        assert!(finished.stderr.contains("nowhere/file"), "{flag}: {}", finished.stderr);
        assert!(!sandbox.path("touched").exists(), "{flag}");
    }
    sandbox.write("settings.yaml", "a: [");
    refused(&sandbox, &["run", "e.json", "--settings", "settings.yaml"], 2, "settings.yaml:1:");
    refused(&sandbox, &["run", "e.json", "--control-file", "settings.yaml"], 2, "settings.yaml:1:");
    let lenient = ["run", "e.json", "--settings", "settings.yaml", "--strict=false"];
    sandbox.run(lenient).exits(0).reports("Failed parsing YAML settings");
}

/// Input files survive every output, under every name.
#[test]
fn output_path_equal_to_input_or_output_is_rejected() {
    let experiment = json!({"title": "t", "description": "d", "method": []}).to_string();
    let keeps = |arguments: &[&str], text: &str| {
        let sandbox = Sandbox::new();
        let files = ["e.json", "f.json", "j.json", "chaos-trial/x.json", "before/a.yaml"];
        for file in files {
            sandbox.write(file, &experiment);
        }
        sandbox.write("chaos-trial/trial.json", "{}");
        #[cfg(unix)]
        std::os::unix::fs::symlink("e.json", sandbox.path("link.html")).unwrap();
        let finished = sandbox.run(arguments).exits(2).reports(text);
        assert!(finished.stdout.is_empty(), "{}", finished.stdout);
        for file in files {
            assert_eq!(sandbox.read(file), experiment, "{arguments:?}");
        }
        assert!(!sandbox.path("x").exists(), "{arguments:?}");
    };
    let is_the_experiment = "would overwrite the experiment: ";
    for flag in ["--journal-path", "--html", "--junit", "--markdown", "--events-file", "--log-file"] {
        keeps(&["run", "e.json", flag, "./e.json"], is_the_experiment);
    }
    #[cfg(unix)]
    keeps(&["run", "e.json", "--html", "link.html"], "the HTML would overwrite the experiment: link.html");
    keeps(&["run", "e.json", "--html", "journal.json"], "the journal and the HTML would both be written to");
    keeps(&["run", "e.json", "f.json", "--html", "journal-2-f.json"], "the journal and the HTML would both");
    keeps(&["run", "e.json", "--markdown", "x", "--junit", "x"], "the JUnit XML and the Markdown would both");
    keeps(&["run", "e.json", "--var-file", "j.json", "--html", "j.json"], "would overwrite a variable file");
    keeps(&["report", "j.json", "--html", "before/../j.json"], "would overwrite a journal");
    keeps(&["compare", "j.json", "f.json", "--junit", "f.json"], "would overwrite a journal");
    keeps(&["validate", "e.json", "--log-file", "e.json"], is_the_experiment);
    keeps(&["--change-dir", "before", "run", "../e.json", "--log-file", "../e.json"], is_the_experiment);
    let trial = |experiment: &'static str, more: &[&'static str]| {
        [&["trial", experiment, "--before", "before", "--after", "before", "--embedded"], more].concat()
    };
    keeps(
        &trial("e.json", &["--html", "before/a.yaml", "--before", "before/a.yaml"]),
        "would overwrite a manifest",
    );
    keeps(&trial("chaos-trial/x.json", &[]), "is inside chaos-trial, which will be cleared");
    keeps(&trial("e.json", &["--html", "chaos-trial/junit.xml"]), "the JUnit XML and the HTML would both");
    keeps(&["ci", "--experiment", "e.json", "--log-file", "e.json"], is_the_experiment);
    // a device accepts every write
    let sandbox = Sandbox::new();
    sandbox.write("e.json", &experiment);
    #[cfg(unix)]
    sandbox.run(["run", "e.json", "--html", "/dev/null", "--junit", "/dev/null"]).exits(0);
    sandbox.run(["run", "e.json", "--html", "x", "--log-file", "y"]).exits(0);
}

#[test]
fn usage_errors_omit_hidden_commands() {
    let sandbox = Sandbox::new();
    let missing = sandbox.run(["-n", "run"]).exits(2).reports("[subcommands: run, ");
    assert!(!missing.stderr.contains("sample-app"), "{}", missing.stderr);
    let usage = sandbox.run(["compare", "--help"]).exits(0).stdout;
    assert!(usage.contains("compare [OPTIONS] <BEFORE> <AFTER>\n"), "{usage}");
    // the name of a temporary file does not matter
    sandbox.write("e.json", json!({"title": "t", "description": "d", "method": []}).to_string());
    let unwritable = sandbox.run(["run", "e.json", "--html", "nowhere/h.html"]).exits(2);
    assert!(unwritable.stderr.contains("cannot write nowhere/h.html: No such file"), "{}", unwritable.stderr);
    assert!(!unwritable.stderr.contains(" at path "), "{}", unwritable.stderr);
}
