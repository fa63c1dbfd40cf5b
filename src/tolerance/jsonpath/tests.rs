//! Compares the dialect with recorded results of `jsonpath2`, and checks the fallback.

use super::*;

fn recorded() -> (Value, Vec<(String, Value)>) {
    let data: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/data/jsonpath.json")).unwrap();
    let case =
        |case: &serde_json::Value| (case[0].as_str().unwrap().to_owned(), Value::from(case[1].clone()));
    (data["document"].clone().into(), data["cases"].as_array().unwrap().iter().map(case).collect())
}

#[test]
fn selection_matches_jsonpath2() {
    let (document, cases) = recorded();
    assert!(cases.len() > 100);
    for (path, expected) in cases {
        let parsed = parser::parse(&path);
        match &expected {
            Value::Null => assert!(parsed.is_err(), "{path} is refused"),
            Value::Text(_) => assert!(evaluate::select(&parsed.unwrap(), &document).is_err(), "{path} fails"),
            _ => {
                let nodes =
                    evaluate::select(&parsed.unwrap_or_else(|e| panic!("{path}: {e}")), &document).unwrap();
                assert!(
                    Value::List(nodes.clone()).equals(&expected),
                    "{path}: {nodes:?} instead of {expected:?}"
                );
            }
        }
    }
}

#[test]
fn rfc_9535_paths_are_accepted_as_fallback() {
    let (document, _) = recorded();
    let check = |path: &str, expected: &str| {
        let path = JsonPath::parse(path).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert!(matches!(path, JsonPath::Standard(_)), "{path:?}");
        let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
        assert_eq!(Value::List(path.select(&document).unwrap()), expected.into(), "{path:?}");
    };
    check("$.items[?(@.state == 'up')].id", "[1, 3]");
    check("$.items[?@.load > 50].id", "[2, 3]");
    check("$['name']", "[\"corpus\"]");
    check("$.é", "[]");
}

#[test]
fn invalid_paths_are_rejected_with_their_position() {
    let check =
        |path: &str, expected: &str| assert_eq!(JsonPath::parse(path).unwrap_err().to_string(), expected);
    check("count", "unexpected \"count\": expected \"$\"; a path starts with $, as in $.count");
    check("$.", "unexpected end of path: expected a name or *");
    check("$.a-b", "unexpected '-' at character 4 (a name with a dash is written [\"…\"])");
    check("$.items[0", "unexpected end of path: expected \"]\"");
    check("$.items[01]", "unexpected \"1\": expected \"]\"");
    check(
        "$.name.upper()",
        "unknown function upper(): expected one of charAt, entries, keys, length, substring, values",
    );
    check(&format!("${}", "[?(@".repeat(500)), "nested more than 60 deep");
}

#[test]
fn path_names_are_listed() {
    let path = JsonPath::parse("$.headers[\"X-A\", 0]..b[?(@.c)]").unwrap();
    assert_eq!(path.names(), ["headers", "X-A", "b"]);
}

#[test]
fn path_that_selects_too_much_is_rejected() {
    let wide = Value::List(vec![Value::List(vec![Value::Null; 60]); 60]);
    let path = JsonPath::parse(&format!("${}", "..*".repeat(3))).unwrap();
    assert!(path.select(&wide).is_ok());
    let path = JsonPath::parse("$..*[?(@..* = $..*)]").unwrap();
    assert_eq!(path.select(&wide).unwrap_err(), JsonPathError::TooManyNodes);
}

#[test]
fn corrected_path_selects_the_intended_nodes() {
    let check = |path: &str, expected: Option<&str>| {
        let corrected = correct(path);
        assert_eq!(corrected.as_deref(), expected, "{path}");
        assert!(corrected.is_none_or(|path| JsonPath::parse(&path).is_ok()), "{path}");
    };
    check("$.items[?name=='x']", Some("$.items[?(@.name=='x')]"));
    check("$.items[?name==\"x\"]", Some("$.items[?(@.name==\"x\")]"));
    check("$.items[?(name='x')].id", Some("$.items[?(@.name=='x')].id"));
    check("$.items[*][?name='x']", Some("$.items[*][?(@.name=\"x\")]"));
    check("$.items[?a.b > 5 and c == 'and']", Some("$.items[?(@.a.b > 5 && @.c == 'and')]"));
    check("items[0].name", Some("$.items[0].name"));
    check(".items", Some("$.items"));
    check("[0]", Some("$[0]"));
    check("$.a-b.c", Some("$[\"a-b\"].c"));
    check("$.items[0", None);
    check("", None);
    check("$", None);
    let (document, _) = recorded();
    let path = correct("$.items[?state=='up'].id").unwrap();
    let found = JsonPath::parse(&path).unwrap().select(&document).unwrap();
    assert_eq!(Value::List(found), serde_json::json!([1, 3]).into());
}

#[test]
fn filter_for_a_part_of_a_text_becomes_a_search() {
    let expected = "$.items[?search(@.name, 'web')].id";
    for path in [
        "$.items[?contains(@.name, 'web')].id",
        "$.items[?(contains(@.name,\"web\"))].id",
        "$.items[?(@.name contains 'web')].id",
        "$.items[?(@.name.contains('web'))].id",
        "$.items[*][?(name contains 'web')].id",
        "items[?contains(name, 'web')].id",
    ] {
        assert!(JsonPath::parse(path).is_err(), "{path}");
        assert_eq!(correct(path).as_deref(), Some(expected), "{path}");
    }
    assert_eq!(correct("$[?contains(@.a, 'b.c')]").as_deref(), Some("$[?search(@.a, 'b[.]c')]"));
    let document = serde_json::json!({"items": [{"name": "web-1", "id": 1}, {"name": "db", "id": 2}]}).into();
    let found = JsonPath::parse(expected).unwrap().select(&document).unwrap();
    assert_eq!(Value::List(found), serde_json::json!([1]).into());
    // a number is no text, and this is no part of a filter
    assert_eq!(correct("$.items[?contains(@.name, 5)]"), None);
    assert_eq!(correct("$.name.contains('web')"), None);
}
