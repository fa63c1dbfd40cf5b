//! Values that would abort the run, or that have no effect at their place.
//!
//! Verbatim: chaostoolkit-lib 1.45 (expected messages)

use super::*;

#[test]
fn tolerance_that_is_never_met_is_an_error() {
    let check = check_tolerance;
    check(r#"{"type": "regex", "pattern": "x", "target": "stdout"}"#, &[]);
    check(
        r#"{"type": "regex", "pattern": "x"}"#,
        &["error AT a regex tolerance of a process probe needs a target"],
    );
    check(
        r#"{"type": "regex", "pattern": "x", "target": "status"}"#,
        &["error AT/target a regex tolerance cannot check 'status'"],
    );
    check(
        r#"{"type": "range", "range": [0, 1], "target": "sdtout"}"#,
        &["error AT/target a range tolerance cannot check 'sdtout'"],
    );
    check(
        r#"{"type": "range", "range": [0, 1], "target": 5}"#,
        &["error AT/target the target of a tolerance must be a string, not a number"],
    );
    check(
        r#"{"type": "range", "range": [2, 1], "target": "status"}"#,
        &["error AT/range the lower bound of the range must not be greater"],
    );
    check(
        r#"{"type": "range", "range": [NaN, 1], "target": "status"}"#,
        &["error AT/range the lower bound of the range must not be greater"],
    );
    check(r#"{"type": "jsonpath", "path": "$.a", "count": 1}"#, &[]);
    check(
        r#"{"type": "jsonpath", "path": "$.a", "target": "body"}"#,
        &["error AT/target a jsonpath tolerance cannot check 'body'"],
    );
    check(
        r#"{"type": "jsonpath", "path": "$.a", "count": "1"}"#,
        &["error AT/count the count of matches must be an integer"],
    );
}

#[test]
fn known_placeholders_are_filled_before_the_check() {
    let check = |configuration: &str, activity: &str, expected: &[&str]| {
        let text = format!(
            r#"{{"title": "t", "description": "d", "configuration": {configuration}, "method": [{activity}]}}"#
        );
        let found = diagnose(&text, &LenientRules { strict: true, ..LenientRules::default() });
        let fits = found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| f.starts_with(e));
        assert!(fits, "{activity}\nfound: {found:#?}\nexpected: {expected:#?}");
    };
    let process = |arguments: &str| {
        format!(
            r#"{{"type": "action", "name": "a", "provider": {{"type": "process", "path": "true", "arguments": {arguments}}}}}"#
        )
    };
    let at = "error /method/0/provider/arguments the arguments of a process must be a list or a string, not ";
    check(r#"{"n": ["x"]}"#, &process(r#""${n}""#), &[]);
    check(r#"{"n": 5}"#, &process(r#""${n}""#), &[&format!("{at}a number: this would abort the run")]);
    check("{}", &process("null"), &[&format!("{at}null")]);
    // the value of a probe is unknown before the run
    let probe = r#"{"n": {"type": "probe", "provider": {"type": "process", "path": "true"}}}"#;
    check(probe, &process(r#""${n}""#), &[]);
    let request = r#"{"type": "action", "name": "a", "provider": {"type": "http", "url": "http://h/",
        "headers": {"A": "${n}", "B": "${known}", "C": 5}}, "pauses": {"after": "${known}"}}"#;
    let known = r#"{"n": {"type": "probe", "provider": {"type": "process", "path": "true"}}, "known": [1]}"#;
    check(
        known,
        request,
        &[
            "error /method/0/pauses/after a pause after an activity must be a number",
            "error /method/0/provider/headers/B Header part ([1]) from ('B') must be of type str or bytes",
        ],
    );
    let probe = |tolerance: &str| {
        format!(
            r#"{{"type": "probe", "name": "p", "tolerance": {tolerance}, "provider": {{"type": "process", "path": "true"}}}}"#
        )
    };
    check(r#"{"t": 0}"#, &probe(r#""${t}""#), &[]);
    check(
        r#"{"t": {"type": "regex", "pattern": "x"}}"#,
        &probe(r#""${t}""#),
        &["error /method/0/tolerance a regex tolerance of a process probe needs a target"],
    );
}

#[test]
fn secret_of_a_placeholder_is_masked_in_messages() {
    let text = r#"{"title": "t", "description": "d", "secrets": {"s": {"list": ["hunter22"]}}, "method": [
        {"type": "action", "name": "a", "provider": {"type": "http", "url": "http://h/", "headers": {"A": "${list}"}}}]}"#;
    let found = diagnose(text, &LenientRules { strict: true, ..LenientRules::default() });
    assert!(found[0].contains("/provider/headers/A") && !found[0].contains("hunter22"), "{found:#?}");
}

#[test]
fn misplaced_keys_are_errors() {
    let function = |entries: &str, provider: &str| {
        format!(
            r#"{{"type": "action", "name": "a", {entries} "provider": {{"type": "python", "module": "m", "func": "f"{provider}}}}}"#
        )
    };
    check_activity(
        &function(r#""secrets": ["k8s"], "arguments": {},"#, ""),
        &[
            "error AT/secrets \"secrets\" has no effect outside \"provider\"",
            "error AT/arguments \"arguments\" has no effect outside \"provider\"",
        ],
    );
    check_activity(
        &function("", r#", "secret": ["k8s"]"#),
        &["error AT/provider/secret unknown key \"secret\""],
    );
    check_activity(
        &function("", r#", "secrets": "k8s""#),
        &["error AT/provider/secrets the secrets of a function must be a list of groups"],
    );
    check_activity(
        &function("", r#", "secrets": ["k8s"]"#),
        &["error AT/provider/secrets/0 unknown group of secrets 'k8s'"],
    );
    let process = r#"{"type": "action", "name": "a", "secrets": ["k8s"], "provider": {"type": "process", "path": "true"}}"#;
    check_activity(process, &["warning AT/secrets unknown key \"secrets\" is ignored"]);
    let text = format!(
        r#"{{"title": "t", "description": "d", "method": [{}]}}"#,
        function(r#""secrets": ["k8s"],"#, "")
    );
    let found = diagnose(&text, &LenientRules::default());
    assert!(found.len() == 1 && found[0].starts_with("warning "), "{found:#?}");
}
