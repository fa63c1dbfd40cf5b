//! The published schemas: every written document conforms to them, and they describe nothing else.

mod corpus;
mod schema_walk;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use corpus::Produced;
use schema_walk::{broken, described, properties};

pub use corpus::Kind;

/// The documents of many runs, created once for all tests.
static PRODUCED: LazyLock<Vec<Produced>> = LazyLock::new(corpus::produce);

/// Properties that no run here produces, or only as null, and why.
const RARE: [(Kind, &str, &str); 3] = [
    (Kind::Events, "/oneOf/15/properties/pod", "nothing is forwarded to on the mock of a cluster"),
    (Kind::Extension, "/properties/environment", "trials look at it"),
    (Kind::Extension, "/properties/environment/", "trials look at it"),
];

fn schema(kind: Kind) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas").join(kind.file());
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

fn validator(kind: Kind) -> Validator {
    jsonschema::draft202012::new(&schema(kind)).expect("a schema")
}

/// The schema errors of a document.
pub fn faults(kind: Kind, document: &Value) -> Vec<String> {
    let validator = validator(kind);
    validator.iter_errors(document).map(|fault| format!("{fault} at {}", fault.instance_path())).collect()
}

fn produced(kind: Kind) -> impl Iterator<Item = &'static Produced> {
    PRODUCED.iter().filter(move |produced| produced.kind == kind)
}

#[test]
fn schemas_are_valid_and_describe_every_property() {
    for kind in Kind::ALL {
        let schema = schema(kind);
        assert!(jsonschema::draft202012::meta::is_valid(&schema), "{kind:?}");
        let address = format!("{}/blob/main/docs/schemas/{}", env!("CARGO_PKG_REPOSITORY"), kind.file());
        assert_eq!(schema["$id"], address);
        for at in properties(&schema) {
            let property = schema.pointer(&at).unwrap();
            let referred = property["$ref"].as_str().map(|reference| &reference[1..]);
            let explained = property.get("description").is_some()
                || referred.is_some_and(|at| schema.pointer(at).unwrap().get("description").is_some());
            assert!(explained, "{kind:?} does not explain {at}");
        }
    }
}

#[test]
fn written_documents_match_their_schema() {
    for kind in Kind::ALL {
        let validator = validator(kind);
        for produced in produced(kind) {
            let faults: Vec<String> = validator
                .iter_errors(&produced.document)
                .map(|fault| format!("{fault} at {}", fault.instance_path()))
                .collect();
            let Produced { from, document, .. } = produced;
            assert!(faults.is_empty(), "{kind:?} of {from}: {faults:#?}\n{document:#}");
        }
    }
}

#[test]
fn corpus_covers_every_outcome() {
    let values = |kind: Kind, pointer: &str| -> BTreeSet<String> {
        let found = produced(kind).filter_map(|produced| produced.document.pointer(pointer));
        found.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect()
    };
    let listed = |kind: Kind, pointer: &str| -> BTreeSet<String> {
        let schema = schema(kind);
        let values = schema.pointer(pointer).unwrap().as_array().unwrap();
        values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect()
    };
    assert_eq!(values(Kind::Extension, "/verdict"), listed(Kind::Extension, "/properties/verdict/enum"));
    let mut codes = listed(Kind::Extension, "/properties/exit_code/enum");
    if !cfg!(target_os = "linux") {
        codes.remove("129");
    }
    assert_eq!(values(Kind::Extension, "/exit_code"), codes);
    assert_eq!(values(Kind::Extension, "/finished"), ["false", "true"].map(str::to_owned).into());
    let mut outcomes = listed(Kind::Run, "/$defs/ran/properties/outcome/enum");
    outcomes.insert("error".to_owned());
    assert_eq!(values(Kind::Run, "/outcome"), outcomes);
    assert_eq!(
        values(Kind::Run, "/error/stage"),
        listed(Kind::Run, "/$defs/refused/properties/error/properties/stage/enum")
    );
    for (pointer, list) in [
        ("/verdict", "/properties/verdict/enum"),
        ("/after", "/properties/after/enum"),
        ("/evidence", "/properties/evidence/enum"),
    ] {
        assert_eq!(values(Kind::Comparison, pointer), listed(Kind::Comparison, list));
    }
    let among = |key: &str, field: &str| -> BTreeSet<String> {
        let lists =
            produced(Kind::Comparison).flat_map(|produced| produced.document[key].as_array().unwrap());
        lists.map(|item| item[field].as_str().unwrap().to_owned()).collect()
    };
    for (key, part, field) in [
        ("metrics", "metric", "metric"),
        ("metrics", "metric", "unit"),
        ("metrics", "metric", "result"),
        ("runs", "run", "outcome"),
        ("runs", "run", "arm"),
        ("confounders", "confounder", "kind"),
    ] {
        let list = listed(Kind::Comparison, &format!("/$defs/{part}/properties/{field}/enum"));
        assert_eq!(among(key, field), list, "{key} {field}");
    }
}

#[test]
fn corpus_covers_every_property_or_lists_it_as_rare() {
    let mut wrong = Vec::new();
    for kind in Kind::ALL {
        let schema = schema(kind);
        let seen: BTreeSet<String> = produced(kind)
            .flat_map(|produced| described(&schema, &produced.document))
            .filter(|part| !part.value.is_null() || part.schema["type"] == "null")
            .map(|part| part.at)
            .collect();
        for at in properties(&schema) {
            let rare = RARE.iter().any(|(of, rare, _)| {
                *of == kind && (at == *rare || rare.ends_with('/') && at.starts_with(rare))
            });
            match (seen.contains(&at), rare) {
                (false, false) => wrong.push(format!("{kind:?}: {at} never occurs")),
                (true, true) => wrong.push(format!("{kind:?}: {at} is listed as rare, and occurs")),
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn schemas_reject_unknown_values() {
    for kind in Kind::ALL {
        let (schema, validator) = (schema(kind), validator(kind));
        // one place in a document for each place in the schema is enough
        let mut places = BTreeMap::new();
        for produced in produced(kind) {
            for part in described(&schema, &produced.document) {
                if !part.value.is_null() {
                    places.entry(part.at.clone()).or_insert((part, &produced.document));
                }
            }
        }
        let ways: Vec<(String, Value)> =
            places.into_values().flat_map(|(part, document)| broken(&part, document)).collect();
        assert!(ways.len() > 12, "{kind:?}: {}", ways.len());
        for (what, document) in ways {
            assert!(!validator.is_valid(&document), "{kind:?} lets it pass: {what}\n{document:#}");
        }
    }
}
