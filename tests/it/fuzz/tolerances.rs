//! Tolerances: patterns, paths, ranges, and any other shape.

use kubectl_chaos::experiment::Tolerance;
use kubectl_chaos::substitution::Scope;
use kubectl_chaos::tolerance::{Evaluation, ToleranceError, check_json_path, check_regex, evaluate};
use kubectl_chaos::value::{Map, Value, map};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::strategies::{number, pieces, text, tree, value};
use super::{fuzz, fuzz_cases};

const REGEX_SIGNS: [&str; 60] = [
    "a",
    "b",
    "é",
    "0",
    "_",
    " ",
    "\n",
    ".",
    "*",
    "+",
    "?",
    "*?",
    "+?",
    "??",
    "{",
    "}",
    "{2}",
    "{2,}",
    "{,3}",
    "{2,3}?",
    "|",
    "(",
    ")",
    "(?:",
    "(?P<n>",
    "(?P=n)",
    "(?P>n)",
    "(?=",
    "(?!",
    "(?<=",
    "(?<!",
    "(?i)",
    "(?i:",
    "(?-i:",
    "(?x)",
    "(?#c)",
    "(?(1)a|b)",
    "(?>",
    "*+",
    "[",
    "]",
    "[^",
    "[]a]",
    "[a-b]",
    "[\\d-z]",
    "[[:alpha:]]",
    "^",
    "$",
    "\\A",
    "\\Z",
    "\\b",
    "\\B",
    "\\d",
    "\\w",
    "\\s",
    "\\1",
    "\\x41",
    "\\u0041",
    "\\N{DIGIT ONE}",
    "\\",
];
const PATH_SIGNS: [&str; 52] = [
    "$",
    "@",
    ".",
    "..",
    "*",
    "a",
    "b",
    "items",
    "\"a b\"",
    "\"",
    "'a'",
    "[",
    "]",
    "[*]",
    "[0]",
    "[-1]",
    "[1:]",
    "[:2]",
    "[::2]",
    "[::0]",
    "[0,1]",
    "[?",
    "[?(",
    "?",
    "(",
    ")",
    "{",
    "}",
    "=",
    "==",
    "!=",
    ">",
    "<",
    ">=",
    "<=",
    "and",
    "or",
    "not",
    "true",
    "null",
    "1",
    "-1",
    "1.5",
    "99999999999999999999",
    ":",
    ",",
    " ",
    "length()",
    "entries()",
    "charAt(0)",
    "substring(0, 1)",
    "[?(@.a=1)]",
];

/// Evaluates without a scope.
fn held(tolerance: &Value, value: &Value) -> Result<Evaluation, ToleranceError> {
    evaluate(&Tolerance::read(tolerance, "/tolerance"), value, &Scope::default())
}

fn met(evaluated: Result<Evaluation, ToleranceError>) -> Option<bool> {
    match evaluated {
        Ok(Evaluation::Verdict(verdict)) => Some(verdict.met),
        Ok(Evaluation::Judge(_)) | Err(_) => None,
    }
}

#[test]
fn regex_handles_any_pattern() {
    // long runs of one character cause backtracking
    let looked_at = prop_oneof![
        text(),
        ("[ab0 ]", 1..400_usize).prop_map(|(one, times)| one.repeat(times) + "!"),
        pieces(&["a", "b", "ab", "0", "\n", "é"], 40),
    ];
    let looked_at = looked_at.boxed();
    let cases = move || (pieces(&REGEX_SIGNS, 10), looked_at.clone(), value());
    fuzz("patterns", cases, |(pattern, text, other)| {
        let good = check_regex(&pattern).is_ok();
        let tolerance = Value::Map(map([("type", "regex".into()), ("pattern", pattern.as_str().into())]));
        let evaluated = held(&tolerance, &Value::Text(text));
        // a placeholder may change the pattern, and the number of attempts may be limited
        prop_assert!(
            good || pattern.contains('$') || evaluated.is_err(),
            "{pattern:?} is refused, and tried"
        );
        let _ = held(&tolerance, &other);
        Ok(())
    });
}

#[test]
fn regex_with_excessive_backtracking_is_aborted() {
    let piece = select(
        &[
            "(a+)+",
            "(a*)*",
            "(a|a)*",
            "(a|aa)+",
            "(.*)*",
            "(\\w+\\s?)*",
            "(?:a?){20}",
            "(a+)+\\1",
            "(?=a+)a*",
        ][..],
    );
    let cases = move || (vec(piece.clone(), 1..4), 20..3000_usize);
    fuzz_cases("patterns that backtrack", 10, cases, |(pieces, length)| {
        let pattern = format!("^{}$", pieces.concat());
        let tolerance = Value::Map(map([("type", "regex".into()), ("pattern", pattern.into())]));
        // the time limit of a case is the assertion
        let _ = held(&tolerance, &Value::Text("a".repeat(length) + "!"));
        Ok(())
    });
}

#[test]
fn jsonpath_handles_any_path() {
    let key = || {
        prop_oneof![4 => select(&["a", "b", "items", "a b"][..]).prop_map(str::to_owned), 1 => text()].boxed()
    };
    let documents = move || tree(key().prop_map(Value::Text).boxed(), key());
    let cases = move || (pieces(&PATH_SIGNS, 14), documents(), number(), documents());
    fuzz("paths", cases, |(path, document, count, expect)| {
        let good = check_json_path(&path).is_ok();
        let entries = [("type", Value::from("jsonpath")), ("path", path.as_str().into())];
        for more in [vec![], vec![("count", count)], vec![("expect", expect)]] {
            let all = entries.iter().cloned().chain(more).map(|(key, value)| (key.to_owned(), value));
            let tolerance = Value::Map(all.collect::<Map>());
            for value in [document.clone(), Value::Text(serde_json::to_string(&document).unwrap())] {
                let evaluated = held(&tolerance, &value);
                prop_assert!(
                    good || path.contains('$') || evaluated.is_err(),
                    "{path:?} is refused, and tried"
                );
            }
        }
        Ok(())
    });
}

#[test]
fn range_handles_any_bounds() {
    let written = pieces(
        &["0", "1", "9", "00", ".", "-", "+", "e", "E", "_", "inf", "nan", "Infinity", "٣", " ", "999999999"],
        8,
    );
    let bound = prop_oneof![number(), written.prop_map(Value::Text), value()].boxed();
    let cases = move || (vec(bound.clone(), 0..4), bound.clone(), any::<[i64; 3]>());
    fuzz("ranges", cases, |(bounds, value, [low, high, between])| {
        let range =
            |bounds: Vec<Value>| Value::Map(map([("type", "range".into()), ("range", Value::List(bounds))]));
        let _ = held(&range(bounds.clone()), &value);
        let _ = held(&Value::List(bounds), &value);
        let whole = |number: i64| Value::Int(number.into());
        let text = |number: i64| Value::Text(number.to_string());
        let expected = Some((low..=high).contains(&between));
        prop_assert_eq!(met(held(&range(vec![whole(low), whole(high)]), &whole(between))), expected);
        prop_assert_eq!(met(held(&range(vec![whole(low), whole(high)]), &text(between))), expected);
        Ok(())
    });
}

#[test]
fn tolerances_of_any_shape_are_handled() {
    let word = select(
        &[
            "regex", "jsonpath", "range", "probe", "process", "http", "$.a", "a+", "status", "body", "${a}",
            "stdout",
        ][..],
    );
    let word = prop_oneof![4 => word.prop_map(str::to_owned), 1 => text()].boxed();
    let key = select(
        &[
            "type",
            "target",
            "path",
            "pattern",
            "count",
            "expect",
            "range",
            "name",
            "provider",
            "arguments",
            "status",
            "body",
            "headers",
            "stdout",
            "value",
        ][..],
    );
    let key = prop_oneof![6 => key.prop_map(str::to_owned), 1 => text()].boxed();
    let shaped = move || tree(word.clone().prop_map(Value::Text).boxed(), key.clone());
    let cases = move || (shaped(), shaped(), shaped());
    fuzz("tolerances", cases, |(tolerance, value, filled)| {
        let scope = Scope::new(map([("a", filled)]), Map::new());
        let read = Tolerance::read(&tolerance, "/tolerance");
        let first = met(evaluate(&read, &value, &scope));
        prop_assert_eq!(first, met(evaluate(&read, &value, &scope)), "not the same twice");
        if let Value::Bool(_) = tolerance {
            prop_assert_eq!(met(held(&tolerance, &tolerance)), Some(true));
        }
        Ok(())
    });
}
