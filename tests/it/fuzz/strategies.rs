//! Strategies for the inputs of the fuzz targets.

use kubectl_chaos::value::{Map, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::golden;

/// Text of any characters, some of them rare.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[ -~]{0,12}",
        2 => any::<String>(),
        1 => select(&["", " ", "\n", "\0", "\u{feff}", "\u{2028}", "é", "𝄞", "\u{1b}[31m", "$", "${", "***"][..])
            .prop_map(str::to_owned),
    ]
}

/// A sequence of pieces: with the signs of a language, most inputs get past the first character.
pub fn pieces(of: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    let piece = prop_oneof![8 => select(of).prop_map(str::to_owned), 1 => text()];
    vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

/// Numbers at the edges, and others.
pub fn number() -> impl Strategy<Value = Value> {
    let float =
        select(&[0.0, -0.0, 1e16, 1e-7, 5e-324, 1.797e308, f64::NAN, f64::INFINITY, f64::NEG_INFINITY][..]);
    // the readers accept 38 digits
    let most = 10_i128.pow(38) - 1;
    prop_oneof![
        (-3_i128..600).prop_map(Value::Int),
        any::<i64>().prop_map(|i| Value::Int(i.into())),
        (-most..=most).prop_map(Value::Int),
        float.prop_map(Value::Float),
        any::<f64>().prop_map(Value::Float),
    ]
}

/// Any value.
pub fn value() -> impl Strategy<Value = Value> {
    tree(text().prop_map(Value::Text).boxed(), text().boxed())
}

/// Any value with texts and keys from these strategies.
pub fn tree(texts: BoxedStrategy<Value>, keys: BoxedStrategy<String>) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::Bool), number(), texts];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        let map = vec((keys.clone(), inner.clone()), 0..6);
        prop_oneof![
            vec(inner, 0..6).prop_map(Value::List),
            map.prop_map(|entries| Value::Map(entries.into_iter().collect::<Map>())),
        ]
    })
}

/// Valid documents to damage.
fn good() -> Vec<String> {
    let files = golden::cases().into_iter().flat_map(|case| std::fs::read_dir(case).unwrap());
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    // a fixed order, so that the cases are the same everywhere
    paths.sort();
    let experiments = paths.into_iter().filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("experiment.") || name.starts_with("good.")
    });
    experiments.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// One way to damage a text, at a fraction of its length.
#[derive(Clone, Debug)]
enum Damage {
    Insert(f64, String),
    Remove(f64, usize),
    Repeat(f64, usize),
    Cut(f64),
}

/// A valid document with some damage.
pub fn damaged(signs: &'static [&'static str]) -> impl Strategy<Value = String> {
    let place = 0.0..1.0_f64;
    let inserted = prop_oneof![3 => select(signs).prop_map(str::to_owned), 1 => text()];
    let damage = prop_oneof![
        4 => (place.clone(), inserted).prop_map(|(at, text)| Damage::Insert(at, text)),
        4 => (place.clone(), 1..12_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        2 => (place.clone(), 1..60_usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
        1 => place.prop_map(Damage::Cut),
    ];
    (select(good()), vec(damage, 0..5)).prop_map(|(document, damages)| {
        let mut characters: Vec<char> = document.chars().collect();
        for damage in &damages {
            let (Damage::Insert(at, _) | Damage::Remove(at, _) | Damage::Repeat(at, _) | Damage::Cut(at)) =
                damage;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let at = (at * characters.len() as f64) as usize;
            let rest = characters.split_off(at);
            match damage {
                Damage::Insert(_, text) => characters.extend(text.chars().chain(rest)),
                Damage::Remove(_, length) => characters.extend(rest.into_iter().skip(*length)),
                Damage::Repeat(_, length) => {
                    let again: Vec<char> = rest.iter().take(*length).copied().collect();
                    characters.extend(again.into_iter().chain(rest));
                }
                Damage::Cut(_) => {}
            }
        }
        characters.into_iter().collect()
    })
}
