//! The learning loop of `examples/service-down-not-visible-to-users`, by the commands of its README.

use fancy_regex::Regex;
use serde_json::{Value, json};

use super::Reader;

const FALLBACK: &str = "Hmm, no one available to say hello just yet ... maybe try later?";

/// The body of the consumer's response after the method, and the state of every effect.
fn seen(journal: &Value) -> (Value, Vec<Value>) {
    let after = &journal["steady_states"]["after"]["probes"][1]["output"]["body"];
    let effects = journal["kubectl-chaos"]["activities"].as_array().unwrap();
    (after.clone(), effects.iter().map(|activity| activity["effect"]["state"].clone()).collect())
}

#[test]
#[ignore = "needs a cluster with the image of the examples: KUBECTL_CHAOS_TEST_CONTEXT names its context"]
fn readme_commands_show_deviation_and_fix() {
    let reader = Reader::new("loop");
    let readme = std::fs::read_to_string(reader.home.path("example/README.md")).unwrap();
    let blocks = Regex::new(r"(?s)```console\n(.*?)```").unwrap();
    let commands = blocks.captures_iter(readme.as_str()).map(Result::unwrap);
    let commands: Vec<String> =
        commands.flat_map(|block| block[1].lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    assert!(commands.len() >= 10, "{commands:?}");
    let mut runs = Vec::new();
    for command in &commands {
        if command.starts_with("jq ") {
            // checked below; not every machine has it
            continue;
        }
        let code = match command.strip_prefix("kubectl chaos run experiment.json --journal-path ") {
            None => 0,
            Some(journal) => {
                runs.push(journal.to_owned());
                reader.wait();
                i32::from(journal == "before.json")
            }
        };
        reader.shell(command, code);
    }
    assert_eq!(runs, ["before.json", "after.json"]);
    let (body, effects) = seen(&reader.journal("before.json"));
    assert_eq!((&body["status"], &effects), (&json!(500), &vec![json!("confirmed"); 2]));
    assert!(body["message"].as_str().unwrap().contains("refused"), "{body}");
    assert_eq!(seen(&reader.journal("after.json")), (json!(FALLBACK), vec![json!("confirmed"); 2]));
    let way = &reader.journal("after.json")["kubectl-chaos"]["services"][0];
    assert_eq!(way["access"], "proxy");
    assert!(reader.shell("kubectl get deployments,services -o name", 0).is_empty());
}

/// The unmodified experiment of the sample, from 2017.
#[test]
#[ignore = "needs the same, and the path of that file in KUBECTL_CHAOS_TEST_SEED"]
fn original_sample_experiment_runs_unedited() {
    let seed = std::env::var("KUBECTL_CHAOS_TEST_SEED").expect("the path of the sample's experiment.json");
    let reader = Reader::new("seed");
    for (arm, access, code) in [("01-before", "proxy", 1), ("03-after", "port-forward", 0)] {
        reader.shell(&format!("kubectl apply -f services -f {arm}"), 0);
        reader.shell("kubectl rollout status deployment/my-provider-app", 0);
        reader.shell("kubectl rollout status deployment/my-consumer-app", 0);
        reader.wait();
        let alias = "192.168.39.7:31546=my-consumer-service.svc:8080";
        let flags = format!("--connect-to {alias} --service-access {access}");
        reader.shell(&format!("kubectl chaos run {seed} {flags} --journal-path {arm}.json"), code);
        let journal = reader.journal(&format!("{arm}.json"));
        let (body, effects) = seen(&journal);
        assert_eq!(effects, [json!("confirmed")]);
        if code == 0 {
            assert_eq!(body, FALLBACK);
        } else {
            assert_eq!(body["status"], 500);
        }
        assert_eq!(journal["kubectl-chaos"]["services"][0]["access"], access);
    }
}
