//! Experiments of any shape: validated and parsed, with placeholders substituted.

use std::sync::Arc;

use kubectl_chaos::config::{ProcessEnv, Settings};
use kubectl_chaos::diagnostic::Severity;
use kubectl_chaos::engine::{RunRules, StrategyOverrides, resolve_strategies};
use kubectl_chaos::experiment::configuration::Variables;
use kubectl_chaos::experiment::configuration::undeclared_warnings;
use kubectl_chaos::experiment::resolve::resolve;
use kubectl_chaos::experiment::{Experiment, ProviderKind, hash_experiment, json, validate};
use kubectl_chaos::provider::{HttpProvider, ProcessProvider, Providers};
use kubectl_chaos::substitution::{Redactor, Scope};
use kubectl_chaos::tolerance::evaluate;
use kubectl_chaos::value::{Map, Value, map};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::fuzz;
use super::strategies::{number, text, tree};

const KEYS: [&str; 58] = [
    "title",
    "description",
    "version",
    "tags",
    "contributions",
    "extensions",
    "configuration",
    "secrets",
    "controls",
    "steady-state-hypothesis",
    "method",
    "rollbacks",
    "runtime",
    "dry",
    "type",
    "name",
    "provider",
    "tolerance",
    "pauses",
    "before",
    "after",
    "background",
    "ref",
    "timeout",
    "path",
    "arguments",
    "url",
    "headers",
    "module",
    "func",
    "verify_tls",
    "max_retries",
    "expected_status",
    "probes",
    "strategy",
    "hypothesis",
    "scope",
    "automatic",
    "key",
    "default",
    "env_var_type",
    "target",
    "pattern",
    "count",
    "expect",
    "range",
    "value",
    "frequency",
    "allow-empty",
    "activities",
    "a",
    "b",
    "kubectl-chaos",
    "Content-Type",
    "python",
    "dependencies",
    "methods",
    "titel",
];
const WORDS: [&str; 30] = [
    "probe",
    "action",
    "process",
    "http",
    "python",
    "true",
    "sh",
    "http://127.0.0.1:1/",
    "https://[::1]/x?y",
    "nowhere",
    "GET",
    "application/json",
    "${a}",
    "$b",
    "${",
    "env",
    "vault",
    "regex",
    "jsonpath",
    "range",
    "default",
    "continuously",
    "always",
    "chaosaddons.controls.safeguards",
    "chaosk8s.pod.actions",
    "terminate_pods",
    "a",
    "b",
    "before",
    "-1",
];

fn part() -> impl Strategy<Value = Value> {
    let word = prop_oneof![6 => select(&WORDS[..]).prop_map(str::to_owned), 1 => text()];
    let key = prop_oneof![9 => select(&KEYS[..]).prop_map(str::to_owned), 1 => text()];
    tree(word.prop_map(Value::Text).boxed(), key.boxed())
}

/// Keys that are present in most cases, with a valid or an arbitrary value.
fn shaped(keys: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let entries: Vec<_> = keys
        .into_iter()
        .map(|(key, good)| {
            let value = prop_oneof![6 => good, 1 => part()];
            (Just(key), proptest::option::weighted(0.8, value))
        })
        .collect();
    let odd = (select(&KEYS[..]), part());
    (entries, proptest::option::weighted(0.3, odd))
        .prop_map(|(entries, odd)| {
            let entries = entries.into_iter().filter_map(|(key, value)| Some((key, value?)));
            Value::Map(entries.chain(odd).map(|(key, value)| (key.to_owned(), value)).collect::<Map>())
        })
        .boxed()
}

fn word(of: &'static [&'static str]) -> BoxedStrategy<Value> {
    select(of).prop_map(Value::from).boxed()
}

fn list(of: &BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    vec(of.clone(), 0..4).prop_map(Value::List).boxed()
}

fn activity() -> BoxedStrategy<Value> {
    let process = shaped(vec![
        ("type", word(&["process"])),
        ("path", word(&["true", "sh", "nowhere", "${a}"])),
        ("arguments", part().boxed()),
        ("timeout", number().boxed()),
    ]);
    let http = shaped(vec![
        ("type", word(&["http"])),
        ("url", word(&["http://127.0.0.1:1/", "${a}", "nowhere", "http://[", "https://é/ b"])),
        ("method", word(&["GET", "post", "${b}", "A B"])),
        (
            "headers",
            shaped(vec![("Content-Type", word(&["application/json", "${a}"])), ("a", part().boxed())]),
        ),
        ("arguments", part().boxed()),
        ("timeout", prop_oneof![number(), vec(number(), 0..4).prop_map(Value::List)].boxed()),
        ("max_retries", number().boxed()),
    ]);
    let pauses = shaped(vec![("before", number().boxed()), ("after", word(&["${a}", "1"]))]);
    let tolerance = prop_oneof![
        number(),
        part(),
        shaped(vec![
            ("type", word(&["regex", "jsonpath", "range", "probe"])),
            ("pattern", word(&["a", "("])),
            ("path", word(&["$.a", "$["])),
            ("range", list(&number().boxed())),
            ("target", word(&["body", "a"]))
        ]),
    ];
    prop_oneof![
        8 => shaped(vec![
            ("type", word(&["probe", "action"])),
            ("name", word(&["a", "b", "c"])),
            ("provider", prop_oneof![process, http].boxed()),
            ("tolerance", tolerance.boxed()),
            ("pauses", pauses),
            ("background", any::<bool>().prop_map(Value::Bool).boxed()),
        ]),
        1 => shaped(vec![("ref", word(&["a", "b", "absent"]))]),
        1 => part(),
    ]
    .boxed()
}

fn experiment() -> impl Strategy<Value = Value> {
    let activities = list(&activity());
    let hypothesis = shaped(vec![("title", word(&["h"])), ("probes", activities.clone())]);
    let strategies = shaped(vec![("strategy", word(&["default", "always", "continuously"]))]);
    shaped(vec![
        ("title", word(&["t", "${a}"])),
        ("description", word(&["d"])),
        ("tags", list(&word(&["x"]))),
        ("configuration", part().boxed()),
        ("secrets", part().boxed()),
        ("controls", list(&part().boxed())),
        ("steady-state-hypothesis", hypothesis),
        ("method", activities.clone()),
        ("rollbacks", activities),
        ("runtime", shaped(vec![("hypothesis", strategies.clone()), ("rollbacks", strategies)])),
        ("extensions", list(&part().boxed())),
    ])
}

#[test]
fn experiments_of_any_shape_are_handled() {
    let cases = || (experiment(), part(), part(), any::<bool>());
    fuzz("experiments", cases, |(document, first, second, strict)| {
        let text = serde_json::to_string_pretty(&document).unwrap();
        let document = json::read(&text, "f").map_err(|fault| TestCaseError::fail(fault.to_string()))?;
        let environment = Arc::new(ProcessEnv::default());
        let providers = Providers::default()
            .with(ProviderKind::Process, ProcessProvider::new(Arc::clone(&environment)))
            .with(ProviderKind::Http, HttpProvider::new(Arc::clone(&environment)));
        let variables = Variables { configuration: map([("a", first.clone())]), ..Variables::default() };
        let rules =
            RunRules { environment: &environment, variables: &variables, providers: &providers, strict };
        let faults = validate(&document, &rules);
        let lines: Vec<&str> = text.split('\n').collect();
        for fault in &faults {
            prop_assert!(!fault.message.is_empty());
            let Some(place) = fault.position else {
                return Err(TestCaseError::fail(format!("no place: {fault}")));
            };
            let line = lines.get(place.line as usize - 1);
            let inside =
                line.is_some_and(|line| (1..=line.chars().count() + 1).contains(&(place.column as usize)));
            prop_assert!(inside, "not in the text: {fault}");
        }
        let valid = faults.iter().all(|fault| fault.severity != Severity::Error);
        let read = match Experiment::read(&document) {
            Ok(read) => read,
            Err(fault) => {
                prop_assert!(!valid, "valid, and cannot be read: {fault}");
                prop_assert!(fault.position.is_some());
                return Ok(());
            }
        };
        let _ = resolve_strategies(&read, &Settings::default(), &StrategyOverrides::default());
        undeclared_warnings(&read, &variables);
        prop_assert_eq!(hash_experiment(&read.document), hash_experiment(&document.root.to_value()));
        let scope = Scope::new(map([("a", first.clone()), ("b", second.clone())]), read.secrets.clone());
        Redactor::new(&scope).redact_value(&read.document);
        let probes = read.hypothesis.iter().flat_map(|hypothesis| &hypothesis.probes);
        for step in read.method.iter().chain(&read.rollbacks).chain(probes) {
            let _ = evaluate(&step.tolerance, &second, &scope);
            if let Ok(activity) = &step.activity {
                let _ = resolve(activity, &scope);
            }
        }
        Ok(())
    });
}
