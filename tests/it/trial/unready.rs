//! Runs that do not start or do not complete: they are void, and the trial reports the others.

use kubectl_chaos::compare::{CompareOptions, compare};
use kubectl_chaos::journal::Record;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{example, kill, providers, trial};
use crate::harness::{Sandbox, finish, signal, wait_until};
use crate::schemas;

/// The provider, and a workload that does not become ready.
fn unready(sandbox: &Sandbox) -> [String; 2] {
    let [with, _] = providers(sandbox);
    let provider = std::fs::read_to_string(&with).unwrap();
    let late = "readinessProbe:\n            initialDelaySeconds: 1000\n";
    let never = provider.replace("my-provider-app", "never").replace("my-provider-service", "never");
    let never = never.replace("readinessProbe:\n", late);
    assert!(never.contains(late), "{never}");
    let unready = sandbox.write("unready.yaml", format!("{provider}---\n{never}"));
    [with, unready.to_str().unwrap().to_owned()]
}

fn reasons(comparison: &Value, arm: &str) -> Vec<String> {
    let runs = comparison["runs"].as_array().unwrap().iter().filter(|run| run["arm"] == arm);
    runs.map(|run| format!("{}: {}", run["outcome"].as_str().unwrap(), run["reason"].as_str().unwrap()))
        .collect()
}

#[test]
fn unready_arm_is_void_and_reported() {
    let sandbox = Sandbox::new();
    let [ready, unready] = unready(&sandbox);
    let mut experiment = kill();
    experiment["title"] = json!("what ${whose} does");
    experiment["configuration"] = json!({"whose": "everybody"});
    experiment["secrets"] = json!({"s": {"token": "hush-hush"}});
    let experiment = sandbox.write("kill.json", experiment.to_string());
    let more = ["--repeat", "3", "--ready-timeout", "1s", "--seed", "1", "--var", "whose=someone"];
    let ended = trial(&sandbox, experiment.to_str().unwrap(), &ready, &unready, &more).exits(8);
    ended.reports("two runs after the change in a row do not count: the workloads did not become ready");
    let answer = sandbox.json("out/comparison.json");
    assert_eq!(
        (&answer["verdict"], &answer["after"]),
        (&json!("inconclusive"), &json!("unknown")),
        "{answer:#}"
    );
    let said = reasons(&answer, "after");
    let why = "void: after: workloads are not ready after 1 s: ";
    assert!(
        said.len() == 2 && said.iter().all(|said| said.starts_with(why) && said.contains("never")),
        "{said:?}"
    );
    assert!(reasons(&answer, "before").iter().all(|said| !said.starts_with("void")), "{answer:#}");
    for name in ["junit.xml", "summary.md", "report.html"] {
        assert!(sandbox.read(&format!("out/{name}")).contains("workloads are not ready"), "{name}");
    }
    assert_eq!(sandbox.json("out/trial.json")["state"], "finished");
    // its journal is valid, has the known facts, and masks secrets
    let journal = sandbox.json("out/after/journal-1.json");
    assert_eq!((&journal["status"], &journal["run"]), (&json!("interrupted"), &json!([])));
    assert_eq!(journal["experiment"]["title"], "what someone does");
    let own = &journal["kubectl-chaos"];
    assert_eq!((&own["verdict"], &own["finished"]), (&json!("stopped"), &json!(true)));
    assert_eq!((&own["environment"]["arm"], &own["environment"]["repeat"]), (&json!("after"), &json!(1)));
    let other = sandbox.json("out/before/journal-1.json")["kubectl-chaos"].take();
    assert_eq!(
        (&own["experiment_hash"], &own["variables"]),
        (&other["experiment_hash"], &other["variables"])
    );
    for one in [own, &other] {
        assert_eq!(schemas::faults(schemas::Kind::Extension, one), Vec::<String>::new());
    }
    let text = sandbox.read("out/after/journal-1.json");
    assert!(!text.contains("hush-hush"), "{text}");
    sandbox.run(["report", "out/after/journal-1.json"]).exits(0);
    sandbox.run(["compare", "out/before/journal-1.json", "out/after/journal-1.json"]).exits(8);
    // the untrusted reader derives the same
    let read = |name: &str| vec![Record::untrusted(name, sandbox.read(name)).unwrap()];
    let (before, after) = (read("out/before/journal-1.json"), read("out/after/journal-1.json"));
    let answer = compare(&before, &after, &CompareOptions::default()).unwrap();
    assert!(answer.runs[1].reason.starts_with("after: workloads are not ready"), "{}", answer.runs[1].reason);
}

#[test]
fn fail_on_inconclusive_applies_when_no_arm_is_ready() {
    let sandbox = Sandbox::new();
    let [_, unready] = unready(&sandbox);
    let experiment = sandbox.write("kill.json", kill().to_string());
    let more = ["--repeat", "1", "--ready-timeout", "1s", "--fail-on", "inconclusive"];
    trial(&sandbox, experiment.to_str().unwrap(), &unready, &unready, &more).exits(1);
    let answer = sandbox.json("out/comparison.json");
    assert_eq!((&answer["arms"]["before"]["void"], &answer["arms"]["after"]["void"]), (&json!(1), &json!(1)));
}

#[test]
fn interrupted_run_is_counted() {
    let sandbox = Sandbox::new();
    let [with, _] = providers(&sandbox);
    let mut experiment = kill();
    let script = "if test -e first; then echo > second; sleep 300; else echo > first; fi";
    let provider = json!({"type": "process", "path": "sh", "arguments": ["-c", script]});
    experiment["method"] = json!([{"type": "action", "name": "wait", "provider": provider}]);
    let experiment = sandbox.write("wait.json", experiment.to_string());
    let (experiment, services) = (experiment.to_str().unwrap(), example("services"));
    let given = ["trial", experiment, "--before", &with, "--after", &with, "--common", &services];
    let more = ["--embedded", "--sample=20ms", "--recovery", "300ms", "--output-dir", "out", "--repeat", "2"];
    let child =
        sandbox.start(given.iter().chain(&more).chain(&["--allow-outside", "process", "--seed", "1"]));
    wait_until("the second run waits", || sandbox.path("second").exists());
    signal(child.id(), Signal::TERM);
    finish(child).exits(143);
    let answer = sandbox.json("out/comparison.json");
    let runs: Vec<String> = ["before", "after"].iter().flat_map(|arm| reasons(&answer, arm)).collect();
    assert!(runs.contains(&"void: the run was interrupted: received SIGTERM".to_owned()), "{runs:?}");
    assert_eq!((runs.len(), &answer["verdict"]), (2, &json!("inconclusive")), "{answer:#}");
    assert!(sandbox.read("out/summary.md").contains("received SIGTERM"));
}
