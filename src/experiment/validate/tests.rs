//! Tables of documents with all their diagnostics, in order.
//!
//! Verbatim: chaostoolkit-lib 1.45 (expected messages)

mod values;

use super::*;
use crate::experiment::json;

#[derive(Default)]
struct LenientRules {
    variables: Variables,
    strict: bool,
}

impl ValidationRules for LenientRules {
    fn environment(&self, key: &str) -> Option<String> {
        (key == "SET").then(|| "7".to_owned())
    }

    fn variables(&self) -> &Variables {
        &self.variables
    }

    fn regex(&self, pattern: &str) -> Result<(), String> {
        if pattern.contains('(') { Err("unbalanced".to_owned()) } else { Ok(()) }
    }

    fn json_path(&self, path: &str) -> Result<(), String> {
        if path.starts_with('$') { Ok(()) } else { Err("no root".to_owned()) }
    }

    fn provider(
        &self,
        kind: ProviderKind,
        usage: ProviderUsage<'_>,
        provider: &Map,
    ) -> Vec<ValidationFinding> {
        match provider.get("path").and_then(Value::as_text) {
            Some("missing") if kind == ProviderKind::Process => {
                vec![ValidationFinding::at(
                    "path",
                    format!("path 'missing' cannot be found, in activity '{}'", usage.activity),
                )]
            }
            _ => Vec::new(),
        }
    }

    fn control(&self, module: &str) -> bool {
        module == "native"
    }

    fn strict(&self) -> bool {
        self.strict
    }
}

/// The faults as "severity path message", or for a whole run of them.
fn diagnose(text: &str, rules: &LenientRules) -> Vec<String> {
    let document = json::read(text, "f").unwrap();
    let line = |d: Diagnostic| format!("{} {} {}", d.severity, d.path, d.message);
    validate(&document, rules).into_iter().map(line).collect()
}

/// The faults of an experiment with these entries added to a sound one.
fn check(entries: &str, expected: &[&str]) {
    let sound = r#""title": "t", "description": "d", "method": []"#;
    let text = format!("{{{sound}{}{entries}}}", if entries.is_empty() { "" } else { ", " });
    let found = diagnose(&text, &LenientRules { strict: true, ..LenientRules::default() });
    let matches = found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| f.starts_with(e));
    assert!(matches, "{entries}\nfound: {found:#?}\nexpected: {expected:#?}");
}

fn check_activity(activity: &str, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|e| e.replace("AT", "/rollbacks/0")).collect();
    check(&format!(r#""rollbacks": [{activity}]"#), &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

fn check_tolerance(tolerance: &str, expected: &[&str]) {
    let probe = r#""type": "probe", "name": "p", "provider": {"type": "process", "path": "true"}"#;
    let hypothesis = format!(
        r#""steady-state-hypothesis": {{"title": "h", "probes": [{{{probe}, "tolerance": {tolerance}}}]}}"#
    );
    let at = "/steady-state-hypothesis/probes/0/tolerance";
    let expected: Vec<String> = expected.iter().map(|e| e.replace("AT", at)).collect();
    check(&hypothesis, &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn whole_document_is_checked() {
    let strict = LenientRules { strict: true, ..LenientRules::default() };
    assert_eq!(diagnose("{}", &strict), ["error  an empty experiment is not an experiment"]);
    assert_eq!(diagnose("null", &strict), ["error  an empty experiment is not an experiment"]);
    assert_eq!(diagnose("[1]", &strict), ["error  an experiment cannot be a list"]);
    assert_eq!(
        diagnose(r#"{"title": "", "methods": []}"#, &strict),
        [
            "error /title experiment requires a title",
            "error /description experiment requires a description",
            "error /method an experiment requires a method, which can be empty for only checking steady state hypothesis ",
            "warning /methods unknown key \"methods\" is ignored",
        ]
    );
    check("", &[]);
    check(r#""x-anything": 1, "dry": 1, "version": "1", "contributions": 5"#, &[]);
}

#[test]
fn experiment_keys_are_checked() {
    check(r#""tags": ["a", "", 5, true]"#, &["error /tags/1 exp", "error /tags/2 exp", "error /tags/3 exp"]);
    check(r#""tags": "abc""#, &["warning /tags tags must be a list"]);
    check(r#""tags": 5"#, &["error /tags tags cannot be a number"]);
    check(r#""tags": null"#, &[]);
    check(
        r#""extensions": [{"name": "x"}, {"name": " "}, 5]"#,
        &["error /extensions/1 All", "error /extensions/2 All"],
    );
    check(r#""extensions": {"name": "x"}"#, &["error /extensions extensions cannot be a mapping"]);
    check(r#""rollbacks": null"#, &["error /rollbacks rollbacks cannot be null"]);
    check(
        r#""steady-state-hypothesis": null"#,
        &["error /steady-state-hypothesis a steady-state-hypothesis cannot be null"],
    );
    check(
        r#""steady-state-hypothesis": {"probes": []}"#,
        &["error /steady-state-hypothesis hypothesis requires a title"],
    );
    check(
        r#""steady-state-hypothesis": {"title": "h", "probes": 5}"#,
        &["error /steady-state-hypothesis/probes probes cannot"],
    );
    check(r#""steady-state-hypothesis": {"title": "h", "probes": null}"#, &[]);
    check(
        r#""runtime": {"hypothesis": {"strategy": "continuous"}, "rollbacks": {"strategy": "allways"}, "python": {}, "fast": 1}"#,
        &[
            "warning /runtime/fast unknown key",
            "warning /runtime/python runtime.python is ignored",
            "error /runtime/hypothesis/strategy unknown hypothesis strategy 'continuous'",
            "error /runtime/rollbacks/strategy unknown rollback strategy 'allways'",
        ],
    );
    check(
        r#""runtime": {"hypothesis": {"fail_fast": true, "frequency": 5}}"#,
        &[
            "warning /runtime/hypothesis/fail_fast \"fail_fast\" has no effect in an experiment",
            "warning /runtime/hypothesis/frequency \"frequency\" has no effect in an experiment",
        ],
    );
    check(
        r#""runtime": {"hypothesis": "skip"}"#,
        &["error /runtime/hypothesis runtime.hypothesis cannot be a string"],
    );
}

#[test]
fn configuration_and_secrets_are_checked() {
    let none = r#"{"type": "env", "key": "NONE"}"#;
    check(
        &format!(
            r#""configuration": {{"a": {none}, "b": {{"type": "env", "key": "SET", "env_var_type": "int"}}, "c": {{"type": "env"}}}}"#
        ),
        &[
            "error /configuration/a Configuration makes reference to an environment key that does not exist: NONE",
            "error /configuration/c an entry of type env needs a key",
        ],
    );
    check(
        r#""configuration": {"d": {"type": "probe", "name": "d", "provider": {"type": "process", "path": "missing"}}}"#,
        &["error /configuration/d/provider/path path 'missing' cannot be found, in activity 'd'"],
    );
    check(
        &format!(
            r#""secrets": {{"s": {{"k": {none}, "deep": {{"er": {none}}}}}, "bare": "x", "v": {{"t": {{"type": "vault", "key": "k"}}}}}}"#
        ),
        &[
            "error /secrets/s/k Secrets make reference to an environment key that does not exist: NONE",
            "error /secrets/s/deep/er Secrets make reference",
            "error /secrets/bare a group of secrets must be a mapping",
            "warning /secrets/v/t Vault secrets must now",
        ],
    );
    check(
        r#""secrets": [], "configuration": 5"#,
        &["error /configuration conf", "error /secrets secrets cannot be a list"],
    );
}

#[test]
fn given_variables_replace_declarations() {
    let variables = Variables {
        configuration: Map::from_iter([("a".to_owned(), "given".into())]),
        secrets: Map::from_iter([("s".to_owned(), Value::Map(Map::new()))]),
    };
    let text = r#"{"title": "t", "description": "d", "method": [],
        "configuration": {"a": {"type": "env", "key": "NONE"}}, "secrets": {"s": {"k": {"type": "env", "key": "NONE"}}}}"#;
    assert_eq!(diagnose(text, &LenientRules { variables, strict: true }), Vec::<String>::new());
}

#[test]
fn activities_are_checked() {
    check_activity(
        r#"{"type": "action", "name": "a", "provider": {"type": "process", "path": "true"}}"#,
        &[],
    );
    check_activity("{}", &["error AT empty activity is no activity"]);
    check_activity("null", &["error AT empty activity is no activity"]);
    check_activity("\"a\"", &["error AT an activity cannot be a string"]);
    check_activity(
        r#"{"typ": "action"}"#,
        &[
            "error AT/type an activity must have a type",
            "error AT/name an activity must have a name",
            "error AT/provider an activity requires a provider",
            "warning AT/typ unknown key \"typ\"",
        ],
    );
    let with = |entry: &str| {
        format!(
            r#"{{"type": "action", "name": "a", "provider": {{"type": "process", "path": "true"}}, {entry}}}"#
        )
    };
    check_activity(
        &with(r#""background": "yes""#),
        &["error AT/background activity background must be a boolean"],
    );
    check_activity(
        &with(r#""background": null"#),
        &["error AT/background activity background must be a boolean"],
    );
    check_activity(
        &with(r#""timeout": "5""#),
        &["error AT/timeout activity timeout", "warning AT/timeout \"timeout\" has no"],
    );
    check_activity(
        &with(r#""pauses": {"before": "5", "after": "${w}", "between": 1}"#),
        &[
            "error AT/pauses/before activity before pause must be a number",
            "error AT/pauses/after unresolved placeholder ${w}",
            "warning AT/pauses/between unknown key",
        ],
    );
    check_activity(&with(r#""pauses": null"#), &["error AT/pauses pauses cannot be null"]);
    check_activity(&with(r#""pauses": 5"#), &["error AT/pauses pauses cannot be a number"]);
    check_activity(&with(r#""tolerance": 0"#), &["warning AT/tolerance \"tolerance\" has no effect here"]);
    check_activity(&with(r#""dry": null, "controls": []"#), &[]);
}

#[test]
fn providers_are_checked() {
    let provider = |provider: &str| format!(r#"{{"type": "action", "name": "a", "provider": {provider}}}"#);
    check_activity(&provider("5"), &["error AT/provider a provider cannot be a number"]);
    check_activity(&provider("{\"path\": \"x\"}"), &["error AT/provider a provider must have a type"]);
    check_activity(
        &provider("{\"type\": \"procces\"}"),
        &["error AT/provider/type unknown provider type 'procces'"],
    );
    check_activity(
        &provider(r#"{"type": "process"}"#),
        &["error AT/provider/path a process activity must have a path"],
    );
    check_activity(
        &provider(r#"{"type": "process", "path": 5}"#),
        &["error AT/provider/path \"path\" cannot be a number"],
    );
    check_activity(
        &provider(r#"{"type": "process", "path": "missing", "env": {}}"#),
        &[
            "error AT/provider/path path 'missing' cannot be found, in activity 'a'",
            "warning AT/provider/env unknown key",
        ],
    );
    check_activity(
        &provider(r#"{"type": "process", "path": "x", "arguments": {}}"#),
        &["warning AT/provider/arguments Process"],
    );
    check_activity(
        &provider(r#"{"type": "http"}"#),
        &["error AT/provider/url a HTTP activity must have a URL"],
    );
    check_activity(
        &provider(r#"{"type": "http", "url": "u", "headers": [1]}"#),
        &["error AT/provider/headers a HTTP"],
    );
    check_activity(
        &provider(r#"{"type": "python"}"#),
        &["error AT/provider/module a Python activity", "error AT/provider/func a Python activity"],
    );
}

#[test]
fn references_are_checked() {
    let activity = r#"{"type": "probe", "name": "known", "provider": {"type": "process", "path": "true"}}"#;
    let check = |steps: &str, expected: &[&str]| {
        let text = format!(r#"{{"title": "t", "description": "d", "method": [{activity}, {steps}]}}"#);
        let found = diagnose(&text, &LenientRules::default());
        assert!(
            found.iter().zip(expected).all(|(f, e)| f.starts_with(e)) && found.len() == expected.len(),
            "{found:#?}"
        );
    };
    check(r#"{"ref": "known"}"#, &[]);
    check(r#"{"ref": "known", "background": true}"#, &[]);
    check(
        r#"{"ref": "knwon"}"#,
        &["error /method/1/ref referenced activity 'knwon' could not be found in the experiment"],
    );
    check(
        r#"{"ref": "known", "pauses": {}}"#,
        &["warning /method/1/pauses \"pauses\" next to \"ref\" is ignored"],
    );
    check(r#"{"ref": "known", "type": "probe"}"#, &[]);
    check(r#"{"ref": "known", "type": 5}"#, &["warning /method/1/type \"type\" next to \"ref\" is ignored"]);
    check(r#"{"ref": ""}"#, &["error /method/1/ref reference to activity must be non-empty strings"]);
    check(r#"{"ref": 5}"#, &["error /method/1/ref reference to activity must be non-empty strings"]);
}

#[test]
fn tolerances_are_checked() {
    for fine in ["0", "[1]", "[1, 2]"] {
        check_tolerance(fine, &[]);
    }
    check_tolerance("true", &["error AT a boolean is never met by a process probe"]);
    check_tolerance("\"x\"", &["error AT a string is never met by a process probe"]);
    check_tolerance("[]", &["error AT an empty list is never met"]);
    check_tolerance("[\"0\"]", &["error AT a list without numbers is never met by a process probe"]);
    check_tolerance("null", &["error AT hypothesis probe tolerance must either be"]);
    check_tolerance("200.0", &["error AT hypothesis probe tolerance must either be"]);
    check_tolerance(
        r#"{"type": "regexp"}"#,
        &["error AT/type hypothesis probe tolerance type 'regexp' is unsupported"],
    );
    check_tolerance(
        r#"{"type": "regex", "target": "stdout"}"#,
        &["error AT hypothesis regex probe tolerance must have a `pattern` key"],
    );
    check_tolerance(
        r#"{"type": "regex", "pattern": "(", "target": "stdout"}"#,
        &["error AT/pattern hypothesis probe tolerance pattern ( seems invalid: unbalanced"],
    );
    check_tolerance(
        r#"{"type": "regex", "pattern": 5, "target": "stdout"}"#,
        &["error AT/pattern hypothesis probe tolerance pattern 5 has an invalid type"],
    );
    check_tolerance(
        r#"{"type": "jsonpath", "path": "x", "expected": 1}"#,
        &[
            "error AT/path hypothesis probe tolerance JSON path x is invalid",
            "warning AT/expected unknown key",
        ],
    );
    check_tolerance(
        r#"{"type": "jsonpath", "path": " "}"#,
        &["error AT/path hypothesis probe tolerance JSON path cannot be empty"],
    );
    check_tolerance(
        r#"{"type": "range", "range": [1, "2"], "target": "stdout"}"#,
        &["error AT/range/1 hypothesis range upper boundary must be a number"],
    );
    check_tolerance(
        r#"{"type": "range", "range": 5, "target": "stdout"}"#,
        &["error AT/range hypothesis range must be a sequence"],
    );
    check_tolerance(
        r#"{"type": "range", "range": [1], "target": "stdout"}"#,
        &["error AT/range hypothesis range sequence must be made of two values"],
    );
    check_tolerance(
        r#"{"type": "probe", "name": "j", "provider": {"type": "process", "path": "missing"}}"#,
        &[
            "error AT/provider/path path 'missing'",
            "error AT/provider/arguments a tolerance probe needs a mapping of arguments",
            "warning AT a process or http probe as a tolerance is always met",
        ],
    );
}

#[test]
fn controls_are_checked() {
    check(
        r#""controls": [{"provider": {"type": "python", "module": "native"}}, {"name": "b"},
            {"name": "c", "scope": "post", "provider": {"type": "python", "module": "native"}},
            {"name": "d", "provider": {"type": "python"}}, {"name": "e", "provider": {"type": "python", "module": "other"}},
            {"name": "f", "provider": {"type": "bash"}}, {"ref": "c"}, {"ref": "z"}]"#,
        &[
            "error /controls/0 A control must have a `name` property",
            "error /controls/1 Control 'b' must have a `provider` property",
            "error /controls/2/scope Control 'c' scope property must be 'before' or 'after' only",
            "error /controls/3/provider Control 'd' must have a module path",
            "error /controls/4/provider control 'e' needs Python module 'other'",
            "warning /controls/5/provider control 'f' has no effect: its provider",
            "error /controls/7 Control reference 'z' declaration cannot be found",
        ],
    );
}

#[test]
fn safeguards_are_checked() {
    let guards = |probes: &str| {
        format!(
            r#""controls": [{{"name": "s", "provider": {{"type": "python", "module": "{}", "arguments": {probes}}}}}]"#,
            crate::experiment::SAFEGUARDS
        )
    };
    let check = |probes: &str, expected: &[&str]| {
        let expected: Vec<String> =
            expected.iter().map(|e| e.replace("AT", "/controls/0/provider/arguments/probes")).collect();
        check(&guards(probes), &expected.iter().map(String::as_str).collect::<Vec<_>>());
    };
    let runs = |path: &str| format!(r#""name": "g", "provider": {{"type": "process", "path": "{path}"}}"#);
    let (fine, missing) = (runs("true"), runs("missing"));
    check(
        &format!(
            r#"{{"probes": [{{"type": "probe", {fine}, "tolerance": 0, "frequency": 0.5, "background": true}}]}}"#
        ),
        &[],
    );
    check(
        &format!(
            r#"{{"probes": [{{"type": "action", {missing}, "tolerance": 0.5, "frequency": "1"}}, {{"ref": "other"}},
                {{"type": "probe", {fine}}}, {{"type": "probe", "name": "n", "tolerance": 0, "odd": 1}}, 5]}}"#
        ),
        &[
            "error AT/0/provider/path path 'missing' cannot be found, in activity 'g'",
            "error AT/0/type a safeguard must be a probe",
            "error AT/0/tolerance hypothesis probe tolerance must",
            "error AT/0/frequency the frequency of a safeguard must be a number",
            "error AT/1/ref a safeguard cannot refer to another probe",
            "error AT/2/tolerance a safeguard needs a tolerance",
            "error AT/3/provider an activity requires a provider",
            "warning AT/3/odd unknown key \"odd\"",
            "error AT/4 an activity cannot be a number",
        ],
    );
    check("{}", &["error AT control 's' has no effect: it has no list of probes"]);
    check(r#"{"probes": "probes"}"#, &["error AT control 's' has no effect: it has no list of probes"]);
    let text = format!(r#"{{"title": "t", "description": "d", "method": [], {}}}"#, guards("{}"));
    let found = diagnose(&text, &LenientRules::default());
    assert!(found.len() == 1 && found[0].starts_with("warning "), "{found:#?}");
}

#[test]
fn without_strict_ignored_features_are_warnings() {
    let text = r#"{"title": "t", "description": "d", "method": [], "runtime": {"rollbacks": {"strategy": "sometimes"}},
        "controls": [{"name": "c", "provider": {"type": "python", "module": "other"}}]}"#;
    assert_eq!(
        diagnose(text, &LenientRules::default()),
        [
            "warning /controls/0/provider Could not find Python module 'other' in control 'c'. Did you install the Python \
             module? The experiment will carry on running nonetheless.",
            "warning /runtime/rollbacks/strategy unknown rollback strategy 'sometimes': rollbacks would never run",
        ]
    );
}

#[test]
fn invalid_seconds_are_errors() {
    let process = |timeout: &str| {
        format!(
            r#"{{"type": "action", "name": "a", "provider": {{"type": "process", "path": "true", "timeout": {timeout}}}}}"#
        )
    };
    let request = |timeout: &str| {
        format!(
            r#"{{"type": "action", "name": "a", "provider": {{"type": "http", "url": "http://h/", "timeout": {timeout}}}}}"#
        )
    };
    let no_process = "error AT/provider/timeout the timeout of a process must be a number of seconds, not a ";
    let no_request = "error AT/provider/timeout the timeout of a request must be a number of seconds, not a ";
    for fine in ["null", "1", "0.5", "true"] {
        check_activity(&process(fine), &[]);
    }
    check_activity(&process("0"), &["error AT/provider/timeout a timeout must be greater than 0 seconds"]);
    for wrong in ["\"3s\"", "\"3\"", "\"${n}\"", "[1, 2]", "{}"] {
        check_activity(&process(wrong), &[no_process]);
    }
    for fine in ["null", "1", "[1, 0.5]", "[null, 2]"] {
        check_activity(&request(fine), &[]);
    }
    for wrong in ["\"3s\"", "\"3\"", "{}"] {
        check_activity(&request(wrong), &[no_request]);
    }
    check_activity(&request("\"$n\""), &["error AT/provider/timeout a timeout must be a number of seconds"]);
    check_activity(&request("0"), &["error AT/provider/timeout a timeout must be greater than 0"]);
    check_activity(&request("[1]"), &["error AT/provider/timeout a timeout list must be"]);
    check_activity(&request("[1, -1]"), &["error AT/provider/timeout/1 a timeout must be greater than 0"]);
    let pauses = |pauses: &str| {
        format!(
            r#"{{"type": "action", "name": "a", "provider": {{"type": "process", "path": "true"}}, "pauses": {pauses}}}"#
        )
    };
    check_activity(&pauses(r#"{"before": 0, "after": 1.5}"#), &[]);
    let negative = "error AT/pauses/after a pause after an activity must not be negative";
    check_activity(&pauses(r#"{"before": true, "after": -3}"#), &[negative]);
    // what the Chaos Toolkit lets pass, leniency lets pass, too
    let lenient = diagnose(
        &format!(r#"{{"title": "t", "description": "d", "method": [{}]}}"#, process("\"3s\"")),
        &LenientRules::default(),
    );
    assert_eq!(
        lenient,
        [
            "warning /method/0/provider/timeout the timeout of a process must be a number of seconds, not a string: this would abort the run"
        ]
    );
}

#[test]
fn duration_text_gets_a_hint_in_seconds() {
    let check = |text: &str, expected: &str| {
        let text = format!(
            r#"{{"title": "t", "description": "d", "method": [{{"type": "action", "name": "a", "provider":
                {{"type": "process", "path": "true", "timeout": "{text}"}}}}]}}"#
        );
        let document = json::read(&text, "f").unwrap();
        let found = validate(&document, &LenientRules::default());
        assert_eq!(found[0].hint.as_deref(), Some(expected));
    };
    check("3s", "write 3");
    check("3", "write 3");
    check("1.5 min", "write 90");
    check("200ms", "write 0.2");
    check("soon", "write a number, such as 3");
    check("infs", "write a number, such as 3");
}

#[test]
fn undeclared_placeholders_are_warnings() {
    let check_with = |declared: &str, activity: &str, expected: &[&str]| {
        let text = format!(r#"{{"title": "t", "description": "d", "method": [{activity}], {declared}}}"#);
        let found = diagnose(&text, &LenientRules::default());
        let fits = found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| f.starts_with(e));
        assert!(fits, "{activity}\nfound: {found:#?}\nexpected: {expected:#?}");
    };
    let declared = r#""configuration": {"name": "x", "port": 1}, "secrets": {"s": {"token": "t"}}"#;
    let request = |entries: &str| {
        format!(r#"{{"type": "action", "name": "a", "provider": {{"type": "http", {entries}}}}}"#)
    };
    let process = |arguments: &str| {
        format!(
            r#"{{"type": "action", "name": "a", "provider": {{"type": "process", "path": "sh", "arguments": {arguments}}}}}"#
        )
    };
    let url = "warning /method/0/provider/url unresolved placeholder ${nmae}: neither configuration nor secrets declare nmae";
    let check = |activity: &str, expected: &[&str]| check_with(declared, activity, expected);
    check(&request(r#""url": "http://${name}:$port/$$${token}$${nmae}$$nmae""#), &[]);
    check(&request(r#""url": "http://${nmae}/${nmae}""#), &[url]);
    // a word after a dollar sign is a typo only if it is similar to a declared name
    check(
        &request(r#""url": "http://h/", "headers": {"A": "pa$word", "B": "$toekn"}"#),
        &["warning /method/0/provider/headers/B unresolved placeholder $toekn"],
    );
    check(
        &request(r#""url": "http://h/", "arguments": {"a": ["${other}"]}"#),
        &["warning /method/0/provider/arguments/a/0 unresolved placeholder ${other}"],
    );
    // a shell has variables of its own
    check(&process(r#"["-c", "echo ${HOME} $0 $other ${NAME} ${name}"]"#), &[]);
    check(&process(r#"["-c", "nam=1; echo $nam"]"#), &[]);
    check(&process(r#"["-c", "for nam in a; do echo $nam; done; read tokn; echo $tokn"]"#), &[]);
    check(
        &process(r#"["-c", "echo ${nmae}"]"#),
        &["warning /method/0/provider/arguments/1 unresolved placeholder ${nmae}"],
    );
    check(
        &process(r#""echo $nmae""#),
        &["warning /method/0/provider/arguments unresolved placeholder $nmae"],
    );
    let function = r#"{"type": "action", "name": "a", "provider": {"type": "python", "module": "m", "func": "f",
        "arguments": {"name": "${nmae}", "cmd": "echo ${other}"}}}"#;
    check(function, &["warning /method/0/provider/arguments/name unresolved placeholder ${nmae}"]);
    let paused = r#"{"type": "action", "name": "a", "provider": {"type": "process", "path": "true"},
        "pauses": {"after": "${prot}"}}"#;
    check(paused, &["warning /method/0/pauses/after unresolved placeholder ${prot}"]);
    // what Vault has is known when it is asked
    let vault = r#""secrets": {"s": {"type": "vault", "path": "p"}}"#;
    check_with(vault, &request(r#""url": "http://${host}/""#), &[]);
    let titled = r#"{"title": "${who}", "description": "d", "method": []}"#;
    let found = diagnose(titled, &LenientRules::default());
    let title = "warning /title unresolved placeholder ${who}: neither configuration nor secrets declare who";
    assert_eq!(found, [title]);
    check_tolerance(
        "\"${x}\"",
        &["warning AT unresolved placeholder ${x}", "error AT a string is never met by a process probe"],
    );
    check_tolerance(
        r#"{"type": "regex", "pattern": "^${x}$", "target": "stdout"}"#,
        &["warning AT/pattern unresolved placeholder ${x}"],
    );
    check_tolerance(
        r#"{"type": "jsonpath", "path": "$.a", "expect": ["${x}"]}"#,
        &["warning AT/expect/0 unresolved placeholder ${x}"],
    );
}
