//! The readers of experiments, settings and variables.

use kubectl_chaos::config::{ProcessEnv, Settings, VariableFile, read_variables};
use kubectl_chaos::diagnostic::Diagnostic;
use kubectl_chaos::experiment::configuration::{VARIABLE_TYPES, convert, parse_var};
use kubectl_chaos::experiment::document::Document;
use kubectl_chaos::experiment::{json, yaml};
use kubectl_chaos::value::{Map, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseResult;
use serde_json::Value as Json;

use super::fuzz;
use super::strategies::{damaged, pieces, text, tree, value};

const JSON_SIGNS: [&str; 32] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\"a\"",
    "\"b\":",
    "null",
    "true",
    "false",
    "NaN",
    "-Infinity",
    "Infinity",
    "0",
    "-",
    "-0",
    "01",
    "1.",
    "1e5",
    "1E+400",
    "-1e-400",
    "12345678901234567890123456789012345678",
    "\\u00e9",
    "\\ud834\\udd1e",
    "\\ud834",
    "\\x",
    "\n",
    "\r\n",
    " ",
    "\t",
];
const YAML_SIGNS: [&str; 48] = [
    "- ",
    "-",
    "a: ",
    "b: ",
    "? ",
    ": ",
    ":",
    "\n",
    "\n  ",
    "\n    ",
    "\r\n",
    "\r",
    "\t",
    " ",
    "#",
    "# c",
    "---\n",
    "...\n",
    "&a ",
    "*a",
    "<<: *a",
    "<<: ",
    "!!str ",
    "!!binary ",
    "!!timestamp ",
    "!x ",
    "%YAML 1.1\n",
    "|",
    "|2-",
    ">+",
    "'",
    "\"",
    "\\x41",
    "\\U0010ffff",
    "[",
    "]",
    "{",
    "}",
    ",",
    "yes",
    "0o17",
    "010",
    "1:30",
    "1_000",
    "1e3",
    ".inf",
    "~",
    "2001-12-14t21:59:43.10-05:00",
];

/// Checks that a place is in the text: on one of its lines, and not beyond its end.
fn check_place(fault: &Diagnostic, text: &str) -> TestCaseResult {
    if fault.message == "empty document" {
        return Ok(());
    }
    let Some(place) = fault.position else {
        return Err(TestCaseError::fail(format!("no place: {fault}")));
    };
    // YAML has line breaks that JSON does not have: either way of counting is valid
    let lines: Vec<&str> = text.split('\n').collect();
    let yaml_lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let fits = |lines: &[&str]| {
        let line = usize::try_from(place.line).unwrap().checked_sub(1).and_then(|line| lines.get(line));
        line.is_some_and(|line| (1..=line.chars().count() + 1).contains(&(place.column as usize)))
    };
    prop_assert!(
        fits(&lines) || fits(&yaml_lines.split('\n').collect::<Vec<_>>()),
        "{place} is not in the text: {fault}"
    );
    Ok(())
}

fn check_read(read: &Result<Document, Diagnostic>, text: &str) -> TestCaseResult {
    match read {
        Ok(document) => document.warnings.iter().try_for_each(|fault| check_place(fault, text)),
        Err(fault) => check_place(fault, text),
    }
}

/// Compares the reader with `serde_json`, except for its limits of numbers.
fn same(theirs: &Json, ours: &Value) -> bool {
    match (theirs, ours) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(a), Value::Bool(b)) => a == b,
        (Json::String(a), Value::Text(b)) => a == b,
        (Json::Array(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((k, a), (l, b))| k == l && same(a, b))
        }
        (Json::Number(a), Value::Int(b)) => match (a.as_i64(), a.as_u64()) {
            (Some(a), _) => i128::from(a) == *b,
            (_, Some(a)) => i128::from(a) == *b,
            // serde_json's number is a float beyond 64 bits, and for -0
            _ => a.to_string().parse::<f64>().ok() == Value::Int(*b).as_f64(),
        },
        (Json::Number(a), Value::Float(b)) => a.as_f64() == Some(*b),
        _ => false,
    }
}

fn check_json(text: String) -> TestCaseResult {
    let read = json::read(&text, "f");
    check_read(&read, &text)?;
    let theirs = serde_json::from_str::<Json>(&text);
    if let Ok(theirs) = theirs {
        match &read {
            Ok(document) if document.warnings.is_empty() => {
                let ours = document.root.to_value();
                prop_assert!(same(&theirs, &ours), "{theirs:?} is not {ours:?}");
            }
            Ok(_) => {}
            Err(fault) => {
                let limit = ["nested", "digits"].iter().any(|word| fault.message.contains(word));
                prop_assert!(limit, "valid JSON is refused: {fault}");
            }
        }
    }
    Ok(())
}

#[test]
fn json_reader_handles_any_text() {
    let texts = || prop_oneof![pieces(&JSON_SIGNS, 30), damaged(&JSON_SIGNS), any::<String>()];
    fuzz("JSON texts", texts, check_json);
}

#[test]
fn values_round_trip_through_json() {
    fuzz("values to JSON and back", value, |value| {
        let text = serde_json::to_string(&value).unwrap();
        let read = json::read(&text, "f");
        let Ok(document) = read else { return Err(TestCaseError::fail(format!("{text}: {read:?}"))) };
        // NaN is not equal to itself; its text is
        prop_assert_eq!(serde_json::to_string(&document.root.to_value()).unwrap(), text.clone());
        check_json(text)
    });
}

#[test]
fn yaml_reader_handles_any_text() {
    let texts = || prop_oneof![pieces(&YAML_SIGNS, 30), damaged(&YAML_SIGNS), any::<String>()];
    fuzz("YAML texts", texts, |text| check_read(&yaml::read(&text, "f"), &text));
}

#[test]
fn values_round_trip_through_yaml() {
    // texts that are only strings in YAML 1.1; there, numbers with an exponent need a decimal point
    let plain = || "t[g-mz -]{0,12}z".boxed();
    let values = move || tree(plain().prop_map(Value::Text).boxed(), plain());
    fuzz("values to YAML and back", values, |value| {
        let written = serde_json::to_string(&value).unwrap();
        prop_assume!(!written.contains("e+") && !written.contains("e-") && !written.contains("e999"));
        let text = serde_yaml::to_string(&value).unwrap();
        let read = yaml::read(&text, "f");
        let Ok(document) = read else { return Err(TestCaseError::fail(format!("{text}: {read:?}"))) };
        prop_assert_eq!(serde_json::to_string(&document.root.to_value()).unwrap(), written);
        Ok(())
    });
}

#[test]
fn settings_and_variables_handle_any_content() {
    let signs = || pieces(&YAML_SIGNS, 20);
    let lines = vec((text(), select(&["=", " = ", "", "export ", "\n", "\"", "#"][..])), 0..8)
        .prop_map(|lines| lines.into_iter().map(|(text, sign)| text + sign).collect::<String>());
    let content = prop_oneof![
        signs().prop_map(String::into_bytes),
        damaged(&JSON_SIGNS).prop_map(String::into_bytes),
        lines.prop_map(String::into_bytes),
        vec(any::<u8>(), 0..60),
    ]
    .boxed();
    let name = select(&["v.json", "v.yaml", "v.yml", "v.env", "v"][..]);
    let kind = prop_oneof![select(&VARIABLE_TYPES[..]).prop_map(str::to_owned), text()].boxed();
    let cases = move || (content.clone(), name.clone(), kind.clone(), value(), text());
    fuzz("settings and variables", cases, |(content, name, kind, value, text)| {
        if let Err(fault) = Settings::read(&content, "settings.yaml")
            && let Ok(text) = std::str::from_utf8(&content)
        {
            check_place(&fault, text)?;
        }
        let files = [VariableFile { path: name.to_owned(), bytes: content }];
        read_variables(&files, Map::new(), &mut ProcessEnv::default());
        let _ = convert(&kind, &value);
        let given = format!("name:{kind}={text}");
        let (ours, expected) =
            (parse_var(&given), convert(kind.rsplit(':').next().unwrap(), &text.as_str().into()));
        if !kind.contains('=') {
            prop_assert_eq!(ours.is_ok(), expected.is_ok(), "{}", given);
        }
        Ok(())
    });
}
