//! Evaluates tolerances: whether a probe's output is within its tolerance.
//!
//! Verbatim: Python 3.12 and chaostoolkit-lib 1.45 (errors of evaluation)

mod decimal;
mod error;
mod jsonpath;
mod python_regex;

use std::cmp::Ordering;

use decimal::{Decimal, DecimalError};
use error::{Unevaluable, UnsuitableValue};
use jsonpath::JsonPath;

use crate::experiment::{Activity, DeclarationError, Tolerance};
use crate::substitution::Scope;
use crate::value::{Map, Value, parse_json};

pub use error::ToleranceError;
pub use jsonpath::JsonPathError;
pub use python_regex::{Pattern, PatternError};

/// The result of a tolerance.
#[derive(Clone, Debug, PartialEq)]
pub struct ToleranceResult {
    pub met: bool,
    /// The expected value, for people.
    pub expected: String,
    /// The checked value, or the part of it that the tolerance selects.
    pub actual: Value,
}

/// The outcome of an evaluation.
pub enum Evaluation {
    /// The result.
    Verdict(ToleranceResult),
    /// Another activity decides: the tolerance is met if its output is true in Python.
    Judge(Box<Activity>),
}

/// Checks the pattern of a `regex` tolerance.
pub fn check_regex(pattern: &str) -> Result<(), String> {
    Pattern::compile(pattern).map(drop).map_err(|error| error.to_string())
}

/// Checks the path of a `jsonpath` tolerance. The error has a similar valid path, if there is one.
pub fn check_json_path(path: &str) -> Result<(), String> {
    JsonPath::parse(path).map(drop).map_err(|error| match jsonpath::correct(path) {
        Some(corrected) => format!("write {corrected}"),
        None => error.to_string(),
    })
}

/// Evaluates a tolerance for a probe's output.
///
/// The output comes from the system under test. If the tolerance cannot compare it, the tolerance is not met: the
/// Chaos Toolkit aborts. An error is about the tolerance alone.
pub fn evaluate(tolerance: &Tolerance, value: &Value, scope: &Scope) -> Result<Evaluation, ToleranceError> {
    match evaluate_value(tolerance, value, scope) {
        Ok(evaluation) => Ok(evaluation),
        Err(Unevaluable::Tolerance(error)) => Err(error),
        Err(Unevaluable::Value(error)) => {
            let expected = format!("a value that the tolerance can compare ({error})");
            Ok(Evaluation::Verdict(tolerance_result(false, expected, value)))
        }
    }
}

fn evaluate_value(tolerance: &Tolerance, value: &Value, scope: &Scope) -> Result<Evaluation, Unevaluable> {
    let verdict = match tolerance {
        Tolerance::Text(text) => match scope.fill_text(text) {
            Value::Text(expected) => match_value(value, &Value::Text(expected)),
            // the substituted value decides the kind
            other => return evaluate_value(&parse_filled(&other), value, scope),
        },
        Tolerance::Absent | Tolerance::Unsupported => {
            tolerance_result(false, "nothing: unsupported tolerance", value)
        }
        Tolerance::Bool(b) => match_value(value, &Value::Bool(*b)),
        Tolerance::Int(number) => {
            let checked = value.get("status").unwrap_or(value);
            match_value(checked, &Value::Int(*number))
        }
        Tolerance::List(items) => match_list(items, value)?,
        Tolerance::Regex { pattern, target } => {
            match_regex(pattern, select_target(value, target.as_deref())?, scope)?
        }
        Tolerance::JsonPath { path, target, count, expect } => {
            let folded = fold_headers(value, target.as_deref(), path, scope);
            let checked = select_target(folded.as_ref().unwrap_or(value), target.as_deref())?;
            match_json_path(path, checked, count.as_ref(), expect.as_ref(), scope)?
        }
        Tolerance::Range { bounds, target } => match_range(bounds, select_target(value, target.as_deref())?)?,
        Tolerance::Probe(judge) => return Ok(prepare_judge(judge.as_deref(), value)?),
    };
    Ok(Evaluation::Verdict(verdict))
}

fn tolerance_result(met: bool, expected: impl Into<String>, actual: &Value) -> ToleranceResult {
    ToleranceResult { met, expected: expected.into(), actual: actual.clone() }
}

fn match_value(value: &Value, expected: &Value) -> ToleranceResult {
    tolerance_result(value.equals(expected), expected.python_text(), value)
}

/// Reads a tolerance from a substituted value. Its text is not substituted again.
fn parse_filled(value: &Value) -> Tolerance {
    Tolerance::read(value, "")
}

/// Returns the entry that a tolerance selects, or the whole value if there is no such entry.
fn select_target<'a>(value: &'a Value, target: Option<&str>) -> Result<&'a Value, UnsuitableValue> {
    match (target.filter(|target| !target.is_empty()), value) {
        (None, _) => Ok(value),
        (Some(target), Value::Map(entries)) => Ok(entries.get(target).unwrap_or(value)),
        (Some(_), other) => Err(UnsuitableValue::NoEntries(other.python_type())),
    }
}

/// Matches a set of statuses if the value has a status; otherwise a range of two values, or a set.
fn match_list(items: &[Value], value: &Value) -> Result<ToleranceResult, UnsuitableValue> {
    let texts = Value::List(items.to_vec()).python_text().into_owned();
    let member = |value: &Value| items.iter().any(|item| item.equals(value));
    if let Some(status) = value.get("status") {
        return Ok(tolerance_result(member(status), format!("one of {texts}"), status));
    }
    let [low, high] = items else {
        return Ok(tolerance_result(member(value), format!("one of {texts}"), value));
    };
    let within = low.at_most(value)? && value.at_most(high)?;
    Ok(tolerance_result(within, format!("between {} and {}", low.python_text(), high.python_text()), value))
}

fn match_regex(pattern: &Value, value: &Value, scope: &Scope) -> Result<ToleranceResult, Unevaluable> {
    let Value::Text(pattern) = scope.fill(pattern) else {
        return Err(ToleranceError::PatternNotText.into());
    };
    let compiled = Pattern::compile(&pattern).map_err(ToleranceError::Pattern)?;
    let Value::Text(text) = value else {
        return Err(UnsuitableValue::NotText(value.python_type()).into());
    };
    let is_match = compiled.search(text).map_err(UnsuitableValue::Search)?;
    Ok(tolerance_result(is_match, format!("a match of {pattern}"), value))
}

fn match_json_path(
    path: &Value,
    value: &Value,
    count: Option<&Value>,
    expect: Option<&Value>,
    scope: &Scope,
) -> Result<ToleranceResult, Unevaluable> {
    let Value::Text(path) = scope.fill(path) else { return Err(ToleranceError::PathNotText.into()) };
    let compiled = JsonPath::parse(&path).map_err(ToleranceError::Path)?;
    // a string that contains JSON is parsed
    let parsed = value.as_text().and_then(|text| parse_json(text).ok());
    let nodes = compiled.select(parsed.as_ref().unwrap_or(value));
    let nodes = nodes.map_err(|error| match error {
        // an error of the path, whatever it is applied to
        JsonPathError::ZeroStep => Unevaluable::Tolerance(error.into()),
        error => Unevaluable::Value(error.into()),
    })?;
    let matches = i128::try_from(nodes.len()).unwrap_or(i128::MAX);
    let (met, expected) = match (expect.map(|expect| scope.fill(expect)), count) {
        (Some(Value::List(items)), _) => {
            let all = Value::List(items);
            (Value::List(nodes.clone()).equals(&all), format!("{} at {path}", all.python_text()))
        }
        (Some(single), _) => {
            let met = nodes.len() == 1 && nodes[0].equals(&single);
            (met, format!("{} at {path}", single.python_text()))
        }
        (None, Some(count)) => {
            (Value::Int(matches).equals(count), format!("{} matches of {path}", count.python_text()))
        }
        (None, None) => (!nodes.is_empty(), format!("a match of {path}")),
    };
    Ok(ToleranceResult { met, expected, actual: Value::List(nodes) })
}

/// Renames the headers of a response to the case in a path.
///
/// Header names are case-insensitive, but the keys of a mapping are not.
fn fold_headers(value: &Value, target: Option<&str>, path: &Value, scope: &Scope) -> Option<Value> {
    let entries =
        value.as_map().filter(|entries| entries.contains_key("status") && entries.contains_key("body"))?;
    let headers = entries.get("headers")?.as_map().filter(|_| matches!(target, None | Some("headers")))?;
    let Value::Text(path) = scope.fill(path) else { return None };
    let path = JsonPath::parse(&path).ok()?;
    let names = path.names();
    let renamed = |name: &String| {
        let requested = names.iter().find(|requested| requested.eq_ignore_ascii_case(name));
        requested.map_or_else(|| name.clone(), |requested| (*requested).to_owned())
    };
    let folded: Map = headers.iter().map(|(name, value)| (renamed(name), value.clone())).collect();
    let mut entries = entries.clone();
    entries.insert("headers".to_owned(), Value::Map(folded));
    Some(Value::Map(entries))
}

fn match_range(bounds: &[Value], value: &Value) -> Result<ToleranceResult, Unevaluable> {
    let [low, high] = bounds else { return Err(ToleranceError::MissingBound.into()) };
    let bound = |bound: &Value| match Decimal::from_value(bound) {
        Ok(Decimal::NotANumber) => Err(ToleranceError::BoundIsNan),
        Ok(number) => Ok(number),
        Err(_) => Err(ToleranceError::BoundNotANumber(bound.python_type())),
    };
    let (lowest, highest) = (bound(low)?, bound(high)?);
    let expected = format!("between {} and {}", low.python_text(), high.python_text());
    let number = match Decimal::from_value(value) {
        Ok(number) => number,
        Err(DecimalError::Text) => return Ok(tolerance_result(false, expected, value)),
        Err(DecimalError::Type) => {
            return Err(UnsuitableValue::NotANumber(value.python_type()).into());
        }
    };
    let order = |bound: &Decimal| bound.compare(&number).ok_or(UnsuitableValue::IsNan);
    let within = order(&lowest)? != Ordering::Greater && order(&highest)? != Ordering::Less;
    Ok(tolerance_result(within, expected, value))
}

/// Returns the tolerance probe with the value among its arguments.
fn prepare_judge(
    judge: Result<&Activity, &DeclarationError>,
    value: &Value,
) -> Result<Evaluation, ToleranceError> {
    let mut judge = judge.map_err(Clone::clone)?.clone();
    match judge.arguments.get_mut("arguments") {
        Some(Value::Map(arguments)) => {
            arguments.insert("value".to_owned(), value.clone());
        }
        Some(other) => return Err(ToleranceError::ArgumentsNotMapping(other.python_type())),
        None => return Err(ToleranceError::MissingArguments),
    }
    Ok(Evaluation::Judge(Box::new(judge)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn process(status: i32, stdout: &str) -> Json {
        json!({"status": status, "stdout": stdout, "stderr": ""})
    }

    fn http(body: Json) -> Json {
        json!({"status": 200, "headers": {"Content-Type": "text/plain"}, "body": body})
    }

    fn scope() -> Scope {
        let configuration = json!({"code": 201, "text": "200", "range": [1, 5], "re": {"type": "regex", "pattern": "^a", "target": "stdout"},
                   "colour": "(red|blue)", "x": "id", "want": [1, 2]});
        Scope::new(Value::from(configuration).as_map().unwrap().clone(), Map::new())
    }

    /// Returns whether the tolerance is met; `None` for an error.
    fn met(tolerance: &Json, value: &Json) -> Option<bool> {
        let tolerance = Tolerance::read(&tolerance.clone().into(), "/t");
        match evaluate(&tolerance, &value.clone().into(), &scope()) {
            Ok(Evaluation::Verdict(verdict)) => Some(verdict.met),
            Ok(Evaluation::Judge(_)) => panic!("no verdict"),
            Err(_) => None,
        }
    }

    fn check(tolerance: Json, value: Json, expected: Option<bool>) {
        assert_eq!(met(&tolerance, &value), expected, "{value} within {tolerance}");
    }

    #[test]
    fn scalar_tolerances_match() {
        check(json!(true), json!(true), Some(true));
        check(json!(true), json!(1), Some(true));
        check(json!(true), process(0, ""), Some(false));
        check(json!(false), http(json!("")), Some(false));
        check(json!(3), process(3, ""), Some(true));
        check(json!(0), process(1, ""), Some(false));
        check(json!(1), json!(true), Some(true));
        check(json!(5), json!(5.0), Some(true));
        check(json!("OK"), process(0, "OK"), Some(false));
        check(json!("OK"), json!("OK"), Some(true));
        check(json!("${code}"), json!({"status": 201}), Some(true));
        check(json!("${text}"), http(json!("")), Some(false));
        check(json!("${range}"), json!(3), Some(true));
        check(json!("${re}"), process(0, "abc"), Some(true));
        check(json!("a ${text}"), json!("a 200"), Some(true));
        check(json!(null), json!(null), Some(false));
        check(json!(1.0), json!(1.0), Some(false));
        check(json!({"type": "xpath"}), json!(1), Some(false));
    }

    #[test]
    fn list_tolerances_match() {
        check(json!([200, 503, 504]), json!({"status": 503}), Some(true));
        check(json!([200, 299]), json!({"status": 204}), Some(false));
        check(json!(["200"]), json!({"status": 200}), Some(false));
        check(json!([]), http(json!("")), Some(false));
        check(json!([1, 5]), json!(3), Some(true));
        check(json!([1, 5]), json!(5.0), Some(true));
        check(json!([1, 5]), json!(6), Some(false));
        check(json!(["a", "c"]), json!("b"), Some(true));
        check(json!([1, 5]), json!("3"), Some(false));
        check(json!([1, 5]), json!(null), Some(false));
        check(json!([5, "x"]), json!(3), Some(false));
        check(json!([1, 2, 3]), json!(2), Some(true));
        check(json!([1]), json!(1), Some(true));
        check(json!([[1, 2], 5, 6]), json!([1, 2]), Some(true));
    }

    #[test]
    fn regex_tolerances_match() {
        let regex =
            |pattern: &str, target: &str| json!({"type": "regex", "pattern": pattern, "target": target});
        check(regex("[0-9]{4}", "stdout"), process(0, "build 1234"), Some(true));
        check(regex("^[0-9]+$", "stdout"), process(0, "42\n"), Some(true));
        check(regex("v=${colour}$", "stdout"), process(0, "v=blue\n"), Some(true));
        check(regex("x", "status"), process(0, "x"), Some(false));
        check(regex("x", "nope"), process(0, "x"), Some(false));
        check(regex("x", "body"), http(json!({"x": 1})), Some(false));
        check(json!({"type": "regex", "pattern": "x"}), json!("axb"), Some(true));
        check(json!({"type": "regex", "pattern": "x"}), process(0, "x"), Some(false));
        check(regex("x", "stdout"), json!("no mapping"), Some(false));
        check(regex("(", "stdout"), process(0, "("), None);
    }

    #[test]
    fn jsonpath_tolerances_match() {
        let path = |entries: Json| {
            let mut tolerance = json!({"type": "jsonpath", "path": "$.items[*].id", "target": "body"});
            tolerance.as_object_mut().unwrap().extend(entries.as_object().unwrap().clone());
            tolerance
        };
        let body = || http(json!({"items": [{"id": 1}, {"id": 2}], "nothing": null}));
        check(path(json!({})), body(), Some(true));
        check(path(json!({"path": "$.absent"})), body(), Some(false));
        check(path(json!({"path": "$.items[*].${x}"})), body(), Some(true));
        check(path(json!({"count": 2})), body(), Some(true));
        check(path(json!({"count": 3})), body(), Some(false));
        check(path(json!({"count": null})), body(), Some(true));
        check(path(json!({"expect": [1, 2]})), body(), Some(true));
        check(path(json!({"expect": [2, 1]})), body(), Some(false));
        check(path(json!({"expect": "${want}"})), body(), Some(true));
        check(path(json!({"expect": 1})), body(), Some(false));
        check(path(json!({"path": "$.items[0].id", "expect": 1.0})), body(), Some(true));
        check(path(json!({"path": "$.nothing", "expect": null})), body(), Some(true));
        check(path(json!({"path": "$.absent", "expect": null})), body(), Some(false));
        check(path(json!({"count": 99, "expect": [1, 2]})), body(), Some(true));
        check(path(json!({"path": "items"})), body(), None);
        // a string that contains JSON
        check(
            path(json!({"target": "stdout", "count": 1})),
            process(0, r#"{"items": [{"id": 7}]}"#),
            Some(true),
        );
        check(path(json!({"target": "stdout"})), process(0, "no json"), Some(false));
        check(path(json!({"target": "stdout", "path": "$"})), process(0, "no json"), Some(true));
        check(path(json!({"target": "nope"})), json!([]), Some(false));
        // what Python's parser accepts is a document, too
        let deep = format!("{}1{}", "[".repeat(150), "]".repeat(150));
        for text in [
            r#"{"a": "\ud800", "items": [{"id": 1}]}"#,
            r#"{"items": [{"id": 123456789012345678901234567890123456789012}]}"#,
            &format!(r#"{{"deep": {deep}, "items": [{{"id": 1}}]}}"#),
        ] {
            check(path(json!({"target": "stdout", "count": 1})), process(0, text), Some(true));
        }
    }

    #[test]
    fn header_names_are_case_insensitive() {
        let path = |path: &str, target: Option<&str>| json!({"type": "jsonpath", "path": path, "target": target, "expect": "text/plain"});
        check(path("$[\"content-type\"]", Some("headers")), http(json!("")), Some(true));
        check(path("$.headers[\"CONTENT-TYPE\"]", None), http(json!("")), Some(true));
        check(path("$.headers[\"Content-Type\"]", None), http(json!("")), Some(true));
        check(path("$.Headers[\"Content-Type\"]", None), http(json!("")), Some(false));
    }

    #[test]
    fn range_tolerances_match() {
        let range = |low: Json, high: Json, target: &str| json!({"type": "range", "range": [low, high], "target": target});
        check(range(json!(75), json!(80.5), "stdout"), process(0, "75\n"), Some(true));
        check(range(json!(0), json!(8), "stdout"), process(0, "many"), Some(false));
        check(range(json!(0.1), json!(1), "stdout"), process(0, "0.1"), Some(false));
        check(range(json!(200), json!(299), "status"), http(json!("")), Some(true));
        check(range(json!(0), json!(1), "nope"), http(json!("")), Some(false));
        check(range(json!(0), json!(1), "stdout"), process(0, "nan"), Some(false));
        check(range(json!("nan"), json!(1), "stdout"), process(0, "1"), None);
        check(range(json!(null), json!(1), "stdout"), process(0, "1"), None);
        check(json!({"type": "range", "range": [1, 2]}), json!(1.5), Some(true));
        check(json!({"type": "range", "range": [1, 2]}), json!(null), Some(false));
        check(json!({"type": "range", "range": [1]}), json!(1), None);
    }

    #[test]
    fn judge_receives_the_value() {
        let tolerance = json!({"type": "probe", "name": "j", "provider": {"type": "process", "path": "true", "arguments": {"a": 1}}});
        match evaluate(&Tolerance::read(&tolerance.into(), "/t"), &json!([1]).into(), &scope()) {
            Ok(Evaluation::Judge(judge)) => {
                assert_eq!(judge.arguments["arguments"], json!({"a": 1, "value": [1]}).into());
            }
            _ => panic!("a judge"),
        }
        for arguments in [json!([]), json!("x")] {
            let tolerance = json!({"type": "probe", "name": "j", "provider": {"type": "process", "arguments": arguments}});
            assert!(evaluate(&Tolerance::read(&tolerance.into(), "/t"), &Value::Null, &scope()).is_err());
        }
    }

    #[test]
    fn result_has_expected_and_actual_values() {
        let tolerance =
            Tolerance::read(&json!({"type": "range", "range": [1, 2], "target": "status"}).into(), "/t");
        let Ok(Evaluation::Verdict(verdict)) = evaluate(&tolerance, &process(7, "").into(), &scope()) else {
            panic!()
        };
        assert_eq!(
            verdict,
            ToleranceResult { met: false, expected: "between 1 and 2".to_owned(), actual: 7.into() }
        );
    }
}
