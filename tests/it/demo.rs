//! The demo: it shows what it promises, says so, and leaves nothing but its folder.

use std::fs;

use rustix::process::Signal;

use crate::harness::{Chaos, finish, signal, wait_until};

/// A folder with temporary files of its own.
fn home() -> Chaos {
    let chaos = Chaos::new();
    let temporary = chaos.path("tmp");
    fs::create_dir(&temporary).unwrap();
    chaos.env("TMPDIR", temporary.to_str().unwrap().to_owned())
}

fn names(chaos: &Chaos, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(chaos.path(folder)).unwrap();
    let mut names: Vec<String> = entries.map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Shows a scenario: what it says of both runs, the verdicts of their journals, and the answer.
fn show(scenario: &str, before: &str, after: &str, verdicts: [&str; 2], answer: &str) {
    let chaos = home();
    let shown = chaos.run(["demo", "--scenario", scenario]).exits(0).stdout;
    let line = |name: &str| shown.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("before  deviated: ").contains(before), "{shown}");
    assert!(line(&format!("after   {}: ", verdicts[1])).contains(after), "{shown}");
    for (name, verdict) in ["before", "after"].into_iter().zip(verdicts) {
        let journal = chaos.json(&format!("chaos-demo/{name}/journal-1.json"));
        assert_eq!(journal["kubectl-chaos"]["verdict"], verdict, "{name}");
        // the fault was seen to take effect, both times
        let effect = &journal["kubectl-chaos"]["activities"][0]["effect"]["state"];
        assert_eq!(effect, "confirmed", "{}", journal["kubectl-chaos"]);
    }
    let comparison = chaos.json("chaos-demo/comparison.json");
    assert_eq!(comparison["verdict"], answer, "{comparison:#}");
    assert!(shown.contains(&format!("\n{answer}")), "{shown}");
    let row = comparison["metrics"].as_array().unwrap().iter().find(|row| row["metric"] == "success-ratio");
    let side = |name: &str| row.unwrap()[name]["median"]["value"].as_f64().unwrap();
    // a sample may fall on the border of two phases
    let helped = verdicts[1] == "held";
    assert!(side("before") < 0.1 && (side("after") > 0.9) == helped, "{comparison:#}");
    // the layout is that of a trial, and no report names the folder that it stood in until it was whole
    for report in ["junit.xml", "summary.md"] {
        let text = chaos.read(&format!("chaos-demo/{report}"));
        assert!(text.contains("before 1") && !text.contains(".chaos-demo-"), "{report}:\n{text}");
    }
    assert!(names(&chaos, "tmp").is_empty(), "{:?}", names(&chaos, "tmp"));
    // what it says to do next can be done
    let next =
        shown.split_once("on your own cluster: kubectl chaos trial ").unwrap().1.lines().next().unwrap();
    let named: Vec<&str> = next.split(' ').filter(|word| word.starts_with("./chaos-demo/")).collect();
    assert_eq!(named.len(), 4, "{next}");
    assert!(named.iter().all(|path| chaos.path(path).exists()), "{next}");
    // a second one takes its place
    chaos.run(["validate", "chaos-demo/experiment.json"]).exits(0);
    chaos.run(["demo", "--scenario", scenario]).exits(0);
}

#[test]
fn a_circuit_breaker_helps() {
    show("circuit-breaker", "500 \"", "200 \"Hmm, no one available", ["deviated", "held"], "fixed");
}

#[test]
fn a_circuit_breaker_that_does_not_help_is_called_one() {
    show("unread-switch", "500 \"", "500 \"", ["deviated", "deviated"], "inconclusive");
    let shown = home().run(["demo", "--scenario", "unread-switch"]).exits(0).stdout;
    assert!(shown.contains("did NOT help"), "{shown}");
}

#[test]
fn a_second_pod_keeps_a_service_there() {
    show("killed-pod", "no answer: ", "200 \"Hello from the provider!\"", ["deviated", "held"], "fixed");
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    let chaos = home();
    let child = chaos.start(["demo"]);
    let begun = || {
        names(&chaos, "").iter().any(|name| {
            name.starts_with(".chaos-demo-") && chaos.path(name).join("before/journal-1.json").exists()
        })
    };
    wait_until("the first run", begun);
    signal(child.id(), Signal::INT);
    let ended = finish(child).exits(130).says("interrupted by SIGINT: nothing was kept");
    assert!(!ended.stderr.contains("2. After"), "{}", ended.stderr);
    assert_eq!((names(&chaos, ""), names(&chaos, "tmp")), (vec!["tmp".to_owned()], vec![]));
}

#[test]
fn a_kept_cluster_stays_until_a_signal() {
    let chaos = home();
    let child = chaos.start(["demo", "--scenario", "killed-pod", "--keep"]);
    let kubeconfig = || {
        let folder = names(&chaos, "tmp").first().cloned()?;
        fs::read_to_string(chaos.path("tmp").join(folder).join("kubeconfig")).ok()
    };
    wait_until("the folder", || chaos.path("chaos-demo").exists());
    let server = kubeconfig().expect("a kubeconfig");
    assert!(server.contains("https://127.0.0.1:"), "{server}");
    signal(child.id(), Signal::INT);
    let ended = finish(child);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("export KUBECONFIG="), "{}", ended.stdout);
    assert!(names(&chaos, "tmp").is_empty());
}

#[test]
fn a_folder_of_somebody_else_stays_what_it_is() {
    let chaos = home();
    fs::create_dir(chaos.path("chaos-demo")).unwrap();
    chaos.write("chaos-demo/mine", "x");
    chaos.run(["demo"]).exits(2).says("no demo made it");
    assert_eq!(chaos.read("chaos-demo/mine"), "x");
}
