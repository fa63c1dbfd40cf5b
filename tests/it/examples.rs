//! The examples run with the documented results.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::{ProcessResult, Response, Sandbox, Server};

/// Runs an example from the root of the repository, with its own temporary directory.
fn run(sandbox: &Sandbox, example: &str, arguments: &[&str]) -> ProcessResult {
    let journal = sandbox.path("journal.json");
    let root = env!("CARGO_MANIFEST_DIR");
    let given = ["--change-dir", root, "run", example, "--journal-path", journal.to_str().unwrap()];
    sandbox.run(given.iter().chain(arguments))
}

/// A sandbox with its own temporary directory.
fn home() -> Sandbox {
    let sandbox = Sandbox::new();
    let folder = sandbox.path("").to_str().unwrap().to_owned();
    sandbox.env("TMPDIR", folder)
}

#[test]
fn interrupted_save_deviates_only_when_written_in_place() {
    let sandbox = home();
    let cured = run(&sandbox, "examples/interrupted-save.json", &[]).exits(0);
    assert!(cured.stdout.starts_with("held: "), "{}", cured.stdout);
    let weak = run(&sandbox, "examples/interrupted-save.json", &["--var", "writer=in-place"]).exits(1);
    assert!(weak.stdout.starts_with("deviated: "), "{}", weak.stdout);
    let journal = sandbox.journal();
    assert_eq!(journal["run"][0]["output"]["stdout"], "killed\n", "the writer was really killed");
    assert!(
        journal["steady_states"]["after"]["probes"][0]["output"]["stdout"]
            .as_str()
            .unwrap()
            .starts_with("torn")
    );
    run(&sandbox, "examples/interrupted-save.json", &["--var", "writer=none"]).exits(5);
    assert!(!sandbox.path("kubectl-chaos-example-state").exists(), "the rollback removed it");
}

#[test]
fn busy_machine_is_probed_during_method() {
    let sandbox = home();
    run(&sandbox, "examples/busy-machine.yaml", &["--var", "seconds:int=1"]).exits(0);
    let journal = sandbox.journal();
    assert!(!journal["steady_states"]["during"].as_array().unwrap().is_empty());
    assert_eq!(journal["run"].as_array().unwrap().len(), 3);
}

#[test]
fn lost_settings_are_restored() {
    let sandbox = home();
    run(&sandbox, "examples/lost-settings.yaml", &[]).exits(0);
    let journal = sandbox.journal();
    assert_eq!(
        journal["run"][1]["output"]["stdout"], "5\n",
        "the settings were in use before they were lost"
    );
    assert_eq!(journal["steady_states"]["after"]["probes"][1]["output"]["stdout"], "3\n");
}

#[test]
fn failing_service_deviates() {
    let broken = AtomicBool::new(false);
    let server = Server::start(move |request| {
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/admin/fail") => broken.store(true, Ordering::Relaxed),
            ("POST", "/admin/mend") => broken.store(false, Ordering::Relaxed),
            _ => {}
        }
        let status = if broken.load(Ordering::Relaxed) && request.method == "GET" { 503 } else { 200 };
        Response::new(status, "text/plain", "said")
    });
    let sandbox = home();
    let url = format!("url={}", server.url(""));
    run(&sandbox, "examples/http-service.yaml", &["--var", &url]).exits(1);
    let asked: Vec<_> =
        server.requests().into_iter().map(|request| request.method + " " + &request.path).collect();
    assert_eq!(asked, ["GET /health", "POST /admin/fail", "GET /health", "POST /admin/mend"]);
}

/// The directories of the learning loop. `image` applies their manifests to a real cluster.
const LOOP: &str = "examples/service-down-not-visible-to-users";

#[test]
fn learning_loop_files_are_consistent() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let experiment = format!("{LOOP}/experiment.json");
    let arguments = ["--change-dir", root.to_str().unwrap(), "validate", &experiment, "-o", "json"];
    Sandbox::new().run(arguments).exits(0);
    let image = concat!("ghcr.io/kubectl-chaos/kubectl-chaos:", env!("CARGO_PKG_VERSION"));
    let read = |name: &str| std::fs::read_to_string(root.join(LOOP).join(name)).unwrap();
    for arm in ["01-before", "03-after"] {
        for part in ["consumer", "provider"] {
            assert!(read(&format!("{arm}/{part}-deployment.yaml")).contains(image), "{arm} {part}");
        }
    }
    // the variants differ only in the change under test
    assert_eq!(read("01-before/provider-deployment.yaml"), read("03-after/provider-deployment.yaml"));
    let after = read("03-after/consumer-deployment.yaml");
    assert_eq!(read("01-before/consumer-deployment.yaml"), after.replace(", --circuit-breaker", ""));
    assert!(after.contains("[sample-app, consumer, --circuit-breaker]"));
}

#[test]
fn every_example_is_valid_and_linked_in_readme() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    for entry in std::fs::read_dir(root.join("examples")).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            let name = entry.file_name().unwrap().to_str().unwrap();
            assert!(readme.contains(&format!("(examples/{name})")), "{name} is not in the README");
            let example = format!("examples/{name}");
            let checked =
                Sandbox::new().run(["--change-dir", root.to_str().unwrap(), "validate", &example]).exits(0);
            assert_eq!(checked.stdout, format!("{example}: valid\n"));
        }
    }
}
