//! Placeholders and secrets.

use kubectl_chaos::experiment::configuration::{resolve_configuration, resolve_secrets, vault_secrets};
use kubectl_chaos::substitution::{Redactor, Scope};
use kubectl_chaos::value::{Map, Value, map};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::fuzz;
use super::strategies::{pieces, text, tree, value};

const SIGNS: [&str; 14] =
    ["$", "$$", "${", "}", "${a}", "$a", "$b_1", "${b.c}", "${ a }", "${é}", "a", "_", "{", "\n"];

fn entries() -> impl Strategy<Value = Map> {
    let name = prop_oneof![select(&["a", "b", "b_1", "c"][..]).prop_map(str::to_owned), text()];
    vec((name, value()), 0..4).prop_map(|entries| entries.into_iter().collect())
}

#[test]
fn substitution_handles_any_text() {
    let cases = || (pieces(&SIGNS, 12), value(), entries(), entries());
    fuzz("substitution", cases, |(text, value, configuration, secrets)| {
        let grouped = map([("group", Value::Map(secrets.clone()))]);
        let scope = Scope::new(configuration.clone(), grouped);
        let filled = scope.fill_text(&text);
        if !text.contains('$') {
            prop_assert_eq!(&filled, &Value::Text(text.clone()));
        }
        for name in configuration.keys().filter(|name| ["a", "b", "b_1", "c"].contains(&name.as_str())) {
            // the value itself, NaN included
            let (got, given) = (scope.fill_text(&format!("${{{name}}}")), &configuration[name]);
            prop_assert_eq!(format!("{got:?}"), format!("{given:?}"));
        }
        scope.fill(&value);
        // without placeholders only the escaped sign changes
        let empty = Scope::default().fill_text(&text);
        prop_assert_eq!(empty, Value::Text(text.replace("$$", "$")));
        Ok(())
    });
}

#[test]
fn configuration_handles_any_declaration() {
    let word = select(&["env", "vault", "probe", "static", "json", "int", "A", "B", "path/to/it"][..]);
    let word = prop_oneof![3 => word.prop_map(str::to_owned), 1 => text()].boxed();
    let key = select(&["type", "key", "default", "env_var_type", "path", "provider", "name", "a"][..]);
    let key = prop_oneof![6 => key.prop_map(str::to_owned), 1 => text()].boxed();
    let declared = move || {
        let value = tree(word.clone().prop_map(Value::Text).boxed(), key.clone());
        vec((select(&["a", "b", "c"][..]), value), 0..4)
            .prop_map(|all| all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map>())
    };
    let cases = move || (declared(), declared(), declared());
    fuzz("declarations", cases, |(declared, given, fetched)| {
        let environment = |name: &str| (name == "A").then(|| "1".to_owned());
        if let Ok(resolved) = resolve_configuration(&declared, &given, &environment) {
            prop_assert!(resolved.keys().eq(declared.keys()));
        }
        let wanted = vault_secrets(&declared, &given);
        prop_assert!(wanted.iter().all(|secret| secret.at.starts_with('/')));
        let answered = wanted.iter().zip(fetched.values().cycle());
        let fetched: Map = answered.map(|(secret, value)| (secret.at.clone(), value.clone())).collect();
        let _ = resolve_secrets(&declared, &given, &environment, &fetched);
        Ok(())
    });
}

#[test]
fn secrets_are_masked_in_any_text() {
    // the mask itself is no secret; shorter secrets are masked only if they are the whole text
    let secret = prop_oneof![
        "[!-)+-~]{4,20}",
        "[!-)+-~][ -)+-~é\n\"\\\\]{3,20}[!-)+-~]",
        "[0-9]{5,30}",
        any::<String>()
    ];
    let secret = secret.prop_filter("a secret of four characters without the mask", |secret| {
        secret.trim().chars().count() >= 4 && !secret.contains('*') && !secret.trim().is_empty()
    });
    let secret = secret.boxed();
    let cases = move || (secret.clone(), secret.clone(), text(), text(), value());
    fuzz("redaction", cases, |(first, second, before, after, other)| {
        prop_assume!(!before.contains('*') && !after.contains('*'));
        let group =
            map([("a", Value::from(first.as_str())), ("b", Value::List(vec![second.as_str().into()]))]);
        let redactor = Redactor::new(&Scope::new(Map::new(), map([("group", Value::Map(group))])));
        for secret in [first.trim(), second.trim()] {
            let text = format!("{before}{secret}{after}{secret}");
            prop_assert!(
                !redactor.redact_text(&text).contains(secret),
                "{:?} shows in {:?}",
                secret,
                redactor.redact_text(&text)
            );
            let within = Value::Map(map([("k", Value::from(text.as_str())), (text.as_str(), other.clone())]));
            let masked = redactor.redact_value(&Value::List(vec![within, other.clone()]));
            let mut shown = false;
            masked.for_each_text(&mut |text| shown |= text.contains(secret));
            prop_assert!(!shown, "{secret:?} shows in {masked:?}");
            let key = masked.as_list().unwrap()[0].as_map().unwrap().keys().any(|key| key.contains(secret));
            prop_assert!(!key, "{secret:?} shows in a key of {masked:?}");
            let written = serde_json::to_string(&Value::from(text.as_str())).unwrap();
            let escaped = serde_json::to_string(secret).unwrap();
            let escaped = &escaped[1..escaped.len() - 1];
            prop_assert!(
                !redactor.redact_text(&written).contains(escaped),
                "{:?} shows in JSON {:?}",
                secret,
                redactor.redact_text(&written)
            );
        }
        Ok(())
    });
}
