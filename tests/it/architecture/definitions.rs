//! What the code defines: each type name once, and errors that have a type.

use std::collections::{BTreeMap, BTreeSet};

use fancy_regex::Regex;

use crate::harness::source_tree::{code, files_below, is_verbatim, read, relative, root};

/// Names that every module may define: `module::Error` reads well at the place of use.
const SHARED_NAMES: [&str; 2] = ["Error", "Args"];

#[test]
fn type_names_are_defined_once() {
    // an indented `type` is associated with a trait
    let definition = Regex::new(
        r"(?m)^(?:\s*(?:pub(?:\([^)]*\))? )?(?:struct|enum|trait|union)|(?:pub(?:\([^)]*\))? )?type) (\w+)",
    )
    .unwrap();
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in files_below(&root().join("src"), &[".rs"]) {
        for found in definition.captures_iter(code(&path).as_str()).map(Result::unwrap) {
            places.entry(found[1].to_owned()).or_default().push(relative(&path));
        }
    }
    assert!(places.len() > 100, "only {} types were found", places.len());
    places.retain(|name, files| files.len() > 1 && !SHARED_NAMES.contains(&name.as_str()));
    assert!(places.is_empty(), "these names are defined more than once: {places:#?}");
}

#[test]
fn errors_are_typed_outside_value_parsers() {
    let sources: BTreeMap<String, (String, String)> = files_below(&root().join("src"), &[".rs"])
        .iter()
        .map(|path| (relative(path), (read(path), code(path))))
        .collect();
    let parser = Regex::new(r"value_parser = (?:\w+::)*(\w+)").unwrap();
    let parsers: BTreeSet<String> = sources
        .values()
        .flat_map(|(_, code)| parser.captures_iter(code.as_str()).map(|found| found.unwrap()[1].to_owned()))
        .collect();
    assert!(parsers.len() > 5, "only {parsers:?} were found");
    let function = Regex::new(r"\bfn (\w+)").unwrap();
    let mut untyped = Vec::new();
    for (name, (text, code)) in &sources {
        let is_parser = name.starts_with("src/cli/parse") || name == "src/cli/duration.rs";
        if is_parser || is_verbatim(text) {
            continue;
        }
        for at in untyped_results(code) {
            let before = function.captures_iter(&code[..at]).last();
            let function = before.map_or_else(String::new, |found| found.unwrap()[1].to_owned());
            if !parsers.contains(&function) {
                let line = code[..at].matches('\n').count() + 1;
                untyped.push(format!("{name}:{line}: {function}"));
            }
        }
    }
    assert!(
        untyped.is_empty(),
        "{} results have a text as their error:\n{}",
        untyped.len(),
        untyped.join("\n")
    );
}

#[test]
fn untyped_result_is_found() {
    assert_eq!(untyped_results("Result<Vec<(A, B)>, String>").len(), 1);
    assert_eq!(untyped_results("Result<(), (Exit, String)>").len(), 1);
    assert_eq!(untyped_results("Result<Result<A, String>, Error>").len(), 1);
    assert_eq!(untyped_results("Result<String, Error>, Result<String>, Map<A, String>").len(), 0);
}

/// Where a `Result` begins whose error is a text, or a tuple with one.
fn untyped_results(code: &str) -> Vec<usize> {
    let start = Regex::new(r"\bResult<").unwrap();
    let mut found = Vec::new();
    for begin in start.find_iter(code).map(Result::unwrap) {
        let (mut depth, mut comma, mut end) = (1, None, code.len());
        let mut previous = ' ';
        for (at, sign) in code[begin.end()..].char_indices() {
            match sign {
                '<' | '(' | '[' => depth += 1,
                // not the end of an arrow
                '>' if previous == '-' => {}
                '>' | ')' | ']' => depth -= 1,
                ',' if depth == 1 => comma = Some(begin.end() + at + 1),
                _ => {}
            }
            if depth == 0 {
                end = begin.end() + at;
                break;
            }
            previous = sign;
        }
        let error = comma.map_or("", |comma| code[comma..end].trim());
        let is_tuple_with_text =
            error.starts_with('(') && error.trim_end_matches([')', ' ', ',']).ends_with(" String");
        if error == "String" || is_tuple_with_text {
            found.push(begin.start());
        }
    }
    found
}
