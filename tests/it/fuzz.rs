//! Whatever is given to the readers, the substitution, the JSON paths and the tolerances, nothing panics.
//!
//! `cargo test` tries a few hundred cases of each kind; `KUBECTL_CHAOS_FUZZ_SECONDS=600 cargo test --test it fuzz
//! -- --nocapture` goes on for that long, with new cases.

use std::time::{Duration, Instant};

use kubectl_chaos::engine::Preflight;
use kubectl_chaos::experiment::configuration::Variables;
use kubectl_chaos::experiment::resolve::resolve;
use kubectl_chaos::experiment::{Experiment, Tolerance, document, hash, json as reader, validate, yaml};
use kubectl_chaos::provider::{Http, Process, Providers};
use kubectl_chaos::settings::{Environment, Settings};
use kubectl_chaos::substitution::{Redactor, Scope};
use kubectl_chaos::tolerance::{check_json_path, check_regex, evaluate};
use kubectl_chaos::value::Value;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};

/// How many kinds of cases share the time.
const KINDS: u64 = 6;
/// Longer than any case may take.
const SLOW: Duration = Duration::from_secs(20);

/// Tries cases of one kind, each in bounded time.
fn fuzz<S: Strategy>(name: &str, strategy: S, test: impl Fn(S::Value)) {
    let seconds = std::env::var("KUBECTL_CHAOS_FUZZ_SECONDS").ok().and_then(|text| text.parse::<u64>().ok());
    let until =
        seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds) / u32::try_from(KINDS).unwrap());
    let mut cases = 0;
    loop {
        let config = Config { cases: 256, failure_persistence: None, ..Config::default() };
        let tried = TestRunner::new(config).run(&strategy, |case| {
            let begun = Instant::now();
            test(case);
            prop_assert!(begun.elapsed() < SLOW, "took {:?}", begun.elapsed());
            Ok(())
        });
        if let Err(failure) = tried {
            panic!("{name}: {failure}");
        }
        cases += 256;
        if until.is_none_or(|until| Instant::now() >= until) {
            break;
        }
    }
    println!("{name}: no panic in {cases} cases");
}

/// Words that mean something somewhere, and some that mean nothing.
fn word() -> impl Strategy<Value = String> {
    let known = [
        "title",
        "description",
        "method",
        "rollbacks",
        "steady-state-hypothesis",
        "probes",
        "configuration",
        "secrets",
        "controls",
        "runtime",
        "extensions",
        "tags",
        "type",
        "name",
        "provider",
        "probe",
        "action",
        "process",
        "http",
        "python",
        "path",
        "arguments",
        "timeout",
        "url",
        "headers",
        "tolerance",
        "regex",
        "jsonpath",
        "range",
        "pattern",
        "target",
        "count",
        "expect",
        "pauses",
        "before",
        "after",
        "background",
        "dry",
        "ref",
        "env",
        "key",
        "default",
        "env_var_type",
        "int",
        "float",
        "bool",
        "json",
        "bytes",
        "vault",
        "module",
        "func",
        "scope",
        "strategy",
        "hypothesis",
        "${a}",
        "$b",
        "$$",
        "${",
        "status",
        "stdout",
        "body",
        "kubectl-chaos",
        "activities",
        "=",
        "<<",
        "~",
        "no",
        "010",
        "1:30",
        "1e3",
        "1_000",
        ".inf",
        "0x1f",
        "2026-01-01",
        "sh",
        "true",
    ];
    prop_oneof![4 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => ".{0,12}"]
}

/// JSON of any shape, made of such words.
fn tree() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        word().prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            proptest::collection::vec((word(), inner), 0..8)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

/// Something like an experiment, with something odd in it.
fn experiment() -> impl Strategy<Value = Json> {
    let activity = || {
        (word(), tree(), tree(), tree()).prop_map(|(name, arguments, tolerance, extra)| {
            json!({"type": "probe", "name": name, "tolerance": tolerance, "pauses": extra, "provider":
                {"type": "process", "path": "true", "arguments": arguments}})
        })
    };
    let activities =
        || proptest::collection::vec(prop_oneof![3 => activity().boxed(), 1 => tree().boxed()], 0..4);
    let whole = (activities(), activities(), activities(), tree(), tree(), tree()).prop_map(
        |(probes, method, rollbacks, configuration, secrets, controls)| {
            json!({"title": "t", "description": "d", "configuration": configuration, "secrets": secrets,
                "controls": controls, "steady-state-hypothesis": {"title": "h", "probes": probes},
                "method": method, "rollbacks": rollbacks})
        },
    );
    prop_oneof![4 => whole, 1 => tree()]
}

/// Text near to a document: one with a piece cut out, or put in twice, or replaced.
fn broken_text() -> impl Strategy<Value = String> {
    let text = experiment().prop_flat_map(|tree| {
        let yaml = serde_yaml::to_string(&tree).unwrap_or_default();
        prop_oneof![Just(tree.to_string()), Just(yaml)]
    });
    let broken = (text, any::<(u16, u16, u8)>(), ".{0,6}").prop_map(|(text, (from, length, how), put)| {
        let chars: Vec<char> = text.chars().collect();
        let from = usize::from(from) % (chars.len() + 1);
        let to = (from + usize::from(length) % 40).min(chars.len());
        let piece: String = chars[from..to].iter().collect();
        let middle = match how % 4 {
            0 => String::new(),
            1 => piece.repeat(3),
            2 => put,
            _ => format!("{put}{piece}"),
        };
        let (head, tail): (String, String) = (chars[..from].iter().collect(), chars[to..].iter().collect());
        head + &middle + &tail
    });
    prop_oneof![6 => broken, 1 => any::<String>()]
}

/// Validates an experiment, makes it ready, and fills every activity of it.
fn digest(document: &document::Document) {
    let variables = Variables::default();
    let environment = std::sync::Arc::new(Environment::default());
    let providers = Providers::default()
        .with(kubectl_chaos::experiment::ProviderKind::Process, Process::new(environment.clone()))
        .with(kubectl_chaos::experiment::ProviderKind::Http, Http::new(environment.clone()));
    for strict in [true, false] {
        let rules =
            Preflight { environment: &environment, variables: &variables, providers: &providers, strict };
        for fault in validate(document, &rules) {
            assert!(!fault.to_string().is_empty());
        }
    }
    let root = document.root.to_value();
    let _ = hash(&root);
    let map = |key: &str| root.get(key).and_then(Value::as_map).cloned().unwrap_or_default();
    let scope = Scope::new(map("configuration"), map("secrets"));
    let redactor = Redactor::new(&scope);
    let _ = redactor.value(&root);
    if let Ok(experiment) = Experiment::read(document) {
        let hypothesis = experiment.hypothesis.iter().flat_map(|hypothesis| &hypothesis.probes);
        for step in hypothesis.chain(&experiment.method).chain(&experiment.rollbacks) {
            let _ = evaluate(&step.tolerance, &root, &scope);
            if let Ok(activity) = &step.activity {
                let _ = resolve(activity, &scope);
            }
        }
    }
}

#[test]
fn texts() {
    fuzz("texts", broken_text(), |text| {
        for read in [reader::read(&text, "f"), yaml::read(&text, "f")] {
            match read {
                Ok(document) => digest(&document),
                Err(fault) => {
                    let lines = u32::try_from(text.split(['\n', '\r']).count()).unwrap();
                    assert!(fault.position.is_none_or(|position| position.line <= lines + 1), "{fault}");
                }
            }
        }
        let _ = Settings::read(text.as_bytes(), "f");
        let _ = document::decode(text.as_bytes(), "f");
    });
}

#[test]
fn documents() {
    fuzz("documents", experiment(), |tree| {
        let text = tree.to_string();
        let document = reader::read(&text, "f").unwrap();
        let value = document.root.to_value();
        assert_eq!(serde_json::to_value(&value).unwrap(), tree, "what is read is what is written");
        digest(&document);
        if let Ok(document) = yaml::read(&text, "f") {
            digest(&document);
        }
    });
}

#[test]
fn substitutions() {
    fuzz("substitutions", (tree(), tree(), tree(), ".{0,40}"), |(configuration, secrets, value, text)| {
        let map = |tree: Json| Value::from(tree).as_map().cloned().unwrap_or_default();
        let scope = Scope::new(map(configuration), map(secrets));
        let _ = scope.fill(&value.into());
        let filled = scope.fill_text(&text);
        if !text.contains('$') {
            assert_eq!(filled, Value::from(text.as_str()));
        }
        let _ = Redactor::new(&scope).text(&text);
    });
}

#[test]
fn secrets() {
    // blanks around a secret are no part of it
    let hidden = "[a-zA-Z0-9$é][a-zA-Z0-9 ${}\\\"'é]{2,14}[a-zA-Z0-9{}é]";
    fuzz("secrets", (hidden, ".{0,20}", ".{0,20}"), |(secret, before, after)| {
        let secrets = Value::from(json!({"group": {"key": secret}})).as_map().unwrap().clone();
        let redactor = Redactor::new(&Scope::new(kubectl_chaos::value::Map::new(), secrets));
        let text = format!("{before}{secret}{after}");
        // what is left may only hold the secret where the text around it spells it too
        let masked = redactor.text(&text).into_owned();
        assert!(!masked.contains(&secret) || "***".contains(&secret), "{secret:?} in {masked:?}");
        let value = Value::from(json!({"key": [text.clone()], "other": {text: 1}}));
        let shown = serde_json::to_value(redactor.value(&value)).unwrap();
        assert!(!shown["key"][0].as_str().unwrap().contains(&secret));
    });
}

#[test]
fn json_paths() {
    let step = prop_oneof![
        Just(".*".to_owned()),
        Just("[*]".to_owned()),
        Just("..".to_owned()),
        Just(".length()".to_owned()),
        Just("[?(@.a = 1 and not $.b)]".to_owned()),
        "\\.[a-z]{1,3}",
        "\\[-?[0-9]{1,20}\\]",
        "\\[-?[0-9]{0,3}:-?[0-9]{0,3}:-?[0-9]{0,2}\\]",
        "\\[\"[a-z]\"\\]",
        "\\[\\?\\(@[.=<>!a-z0-9 ()\"]{0,12}\\)\\]",
        ".{0,4}",
    ];
    let path = proptest::collection::vec(step, 0..8).prop_map(|steps| format!("${}", steps.concat()));
    fuzz(
        "json paths",
        (prop_oneof![8 => path, 1 => any::<String>()], tree(), tree()),
        |(path, value, expect)| {
            if check_json_path(&path).is_ok() {
                for tolerance in [
                    json!({"type": "jsonpath", "path": path}),
                    json!({"type": "jsonpath", "path": path, "count": 1}),
                    json!({"type": "jsonpath", "path": path, "expect": expect}),
                ] {
                    let tolerance = Tolerance::read(&tolerance.into(), "/t");
                    let _ = evaluate(&tolerance, &value.clone().into(), &Scope::default());
                }
            }
        },
    );
}

#[test]
fn tolerances() {
    let piece = prop_oneof![
        Just("(?P<a>".to_owned()),
        Just("(?:".to_owned()),
        Just("(?=".to_owned()),
        Just("(?<!".to_owned()),
        Just("(?i)".to_owned()),
        Just(")".to_owned()),
        Just("\\1".to_owned()),
        Just("(?P=a)".to_owned()),
        Just("*".to_owned()),
        Just("+?".to_owned()),
        Just("{2,3}".to_owned()),
        Just("|".to_owned()),
        Just("$".to_owned()),
        "[a-c.^]{1,2}",
        "\\[[^\\]]{0,4}\\]",
        "\\\\.",
    ];
    let pattern = proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat());
    fuzz("tolerances", (pattern, "[abc\n]{0,40}", tree(), tree()), |(pattern, text, tolerance, value)| {
        let _ = check_regex(&pattern);
        let regex = json!({"type": "regex", "pattern": pattern, "target": "stdout"});
        let output = json!({"status": 0, "stdout": text, "stderr": ""});
        for (tolerance, value) in [
            (regex, output.clone()),
            (tolerance.clone(), output),
            (tolerance.clone(), value.clone()),
            (json!({"type": "range", "range": [tolerance, 2.5]}), value),
        ] {
            let tolerance = Tolerance::read(&tolerance.into(), "/t");
            let _ = evaluate(&tolerance, &value.into(), &Scope::default());
        }
    });
}
