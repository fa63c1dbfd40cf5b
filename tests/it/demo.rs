//! The demo: it shows what it promises, and leaves only its output directory.

use std::fs;

use rustix::process::Signal;

use crate::harness::{Sandbox, finish, signal, wait_until};

/// A working directory with its own temporary directory.
fn home() -> Sandbox {
    let sandbox = Sandbox::new();
    let temporary = sandbox.path("tmp");
    fs::create_dir(&temporary).unwrap();
    sandbox.env("TMPDIR", temporary.to_str().unwrap().to_owned())
}

fn names(sandbox: &Sandbox, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(sandbox.path(folder)).unwrap();
    let mut names: Vec<String> = entries.map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Runs a scenario, and checks the description of both runs, their verdicts, and the comparison.
fn show(scenario: &str, before: &str, after: &str, verdicts: [&str; 2], answer: &str) {
    let sandbox = home();
    let shown = sandbox.run(["demo", "--scenario", scenario]).exits(0).stdout;
    let line = |name: &str| shown.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("before  deviated: ").contains(before), "{shown}");
    assert!(line(&format!("after   {}: ", verdicts[1])).contains(after), "{shown}");
    for (name, verdict) in ["before", "after"].into_iter().zip(verdicts) {
        let journal = sandbox.json(&format!("chaos-demo/{name}/journal-1.json"));
        assert_eq!(journal["kubectl-chaos"]["verdict"], verdict, "{name}");
        // the fault took effect in both runs
        let effect = &journal["kubectl-chaos"]["activities"][0]["effect"]["state"];
        assert_eq!(effect, "confirmed", "{}", journal["kubectl-chaos"]);
    }
    let comparison = sandbox.json("chaos-demo/comparison.json");
    assert_eq!(comparison["verdict"], answer, "{comparison:#}");
    assert!(shown.contains(&format!("\n{answer}")), "{shown}");
    let row = comparison["metrics"].as_array().unwrap().iter().find(|row| row["metric"] == "success-ratio");
    let side = |name: &str| row.unwrap()[name]["median"]["value"].as_f64().unwrap();
    // a sample may fall on a phase boundary
    let helped = verdicts[1] == "held";
    assert!(side("before") < 0.1 && (side("after") > 0.9) == helped, "{comparison:#}");
    // the layout is that of a trial, and no report names the temporary directory
    for report in ["junit.xml", "summary.md"] {
        let text = sandbox.read(&format!("chaos-demo/{report}"));
        assert!(text.contains("before 1") && !text.contains(".chaos-demo-"), "{report}:\n{text}");
    }
    assert!(names(&sandbox, "tmp").is_empty(), "{:?}", names(&sandbox, "tmp"));
    // the suggested command uses files that exist
    let next =
        shown.split_once("on your own cluster: kubectl chaos trial ").unwrap().1.lines().next().unwrap();
    let named: Vec<&str> = next.split(' ').filter(|word| word.starts_with("./chaos-demo/")).collect();
    assert_eq!(named.len(), 4, "{next}");
    assert!(named.iter().all(|path| sandbox.path(path).exists()), "{next}");
    // a second demo replaces the first
    sandbox.run(["validate", "chaos-demo/experiment.json"]).exits(0);
    sandbox.run(["demo", "--scenario", scenario]).exits(0);
}

#[test]
fn circuit_breaker_demo_reports_fixed() {
    show("circuit-breaker", "500 \"", "200 \"Hmm, no one available", ["deviated", "held"], "fixed");
}

#[test]
fn unread_switch_demo_reports_inconclusive() {
    show("unread-switch", "500 \"", "500 \"", ["deviated", "deviated"], "inconclusive");
    let shown = home().run(["demo", "--scenario", "unread-switch"]).exits(0).stdout;
    assert!(shown.contains("did NOT help"), "{shown}");
}

#[test]
fn killed_pod_demo_reports_fixed() {
    show("killed-pod", "no response: ", "200 \"Hello from the provider!\"", ["deviated", "held"], "fixed");
}

#[test]
fn interrupted_demo_removes_its_files() {
    let sandbox = home();
    let child = sandbox.start(["demo"]);
    let begun = || {
        names(&sandbox, "").iter().any(|name| {
            name.starts_with(".chaos-demo-") && sandbox.path(name).join("before/journal-1.json").exists()
        })
    };
    wait_until("the first run", begun);
    signal(child.id(), Signal::INT);
    let ended = finish(child).exits(130).reports("interrupted by SIGINT");
    assert!(!ended.stderr.contains("2. After"), "{}", ended.stderr);
    assert_eq!((names(&sandbox, ""), names(&sandbox, "tmp")), (vec!["tmp".to_owned()], vec![]));
}

#[test]
fn demo_keep_serves_cluster_until_signal() {
    let sandbox = home();
    let child = sandbox.start(["demo", "--scenario", "killed-pod", "--keep"]);
    let kubeconfig = || {
        let folder = names(&sandbox, "tmp").first().cloned()?;
        fs::read_to_string(sandbox.path("tmp").join(folder).join("kubeconfig")).ok()
    };
    wait_until("the folder", || sandbox.path("chaos-demo").exists());
    let server = kubeconfig().expect("a kubeconfig");
    assert!(server.contains("https://127.0.0.1:"), "{server}");
    signal(child.id(), Signal::INT);
    let ended = finish(child);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("export KUBECONFIG="), "{}", ended.stdout);
    assert!(names(&sandbox, "tmp").is_empty());
}

#[test]
fn second_demo_in_the_same_directory_is_refused() {
    let sandbox = home();
    let first = sandbox.start(["demo", "--scenario", "killed-pod"]);
    wait_until("the first demo starts", || sandbox.path(".chaos-demo.lock").exists());
    sandbox.run(["demo"]).exits(2).reports("./chaos-demo is being written by another demo");
    signal(first.id(), Signal::INT);
    finish(first);
    assert!(!sandbox.path("chaos-demo").exists() && !sandbox.path(".chaos-demo.lock").exists());
}

#[test]
fn demo_does_not_overwrite_foreign_folder() {
    let sandbox = home();
    fs::create_dir(sandbox.path("chaos-demo")).unwrap();
    sandbox.write("chaos-demo/mine", "x");
    sandbox.run(["demo"]).exits(2).reports("chaos-demo");
    assert_eq!(sandbox.read("chaos-demo/mine"), "x");
}
