//! `docs/architecture.md` describes the code as it is.

use std::collections::BTreeSet;

use fancy_regex::Regex;

use super::table;
use crate::harness::source_tree::{read, root};

/// A row of a table that walks through the files.
struct Step {
    number: usize,
    floor: Option<u8>,
    file: String,
    function: String,
}

fn page() -> String {
    read(&root().join("docs/architecture.md"))
}

/// The steps of the table below a heading that begins like this.
fn walk(heading: &str) -> Vec<Step> {
    let page = page();
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).expect("the heading");
    let row = Regex::new(r"(?m)^\| (\d+) \| (?:(\d) \| )?`(src/[^`]+)` \| `(\w+)` \| [^|]+ \|$").unwrap();
    let steps: Vec<Step> = row
        .captures_iter(section)
        .map(Result::unwrap)
        .map(|found| Step {
            number: found[1].parse().unwrap(),
            floor: found.get(2).map(|floor| floor.as_str().parse().unwrap()),
            file: found[3].to_owned(),
            function: found[4].to_owned(),
        })
        .collect();
    let numbers: Vec<usize> = steps.iter().map(|step| step.number).collect();
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>(), "{heading}: a row that cannot be read");
    assert!(numbers.len() > 10, "{heading}: {} steps", numbers.len());
    steps
}

fn check_functions_exist(steps: &[Step]) {
    let missing: Vec<String> = steps
        .iter()
        .filter(|Step { file, function, .. }| {
            let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
            !Regex::new(&format!(r"\bfn {function}\b")).unwrap().is_match(text.as_str()).unwrap()
        })
        .map(|Step { number, file, function, .. }| format!("step {number}: no fn {function} in {file}"))
        .collect();
    assert!(missing.is_empty(), "docs/architecture.md: {missing:#?}");
}

#[test]
fn functions_on_the_path_of_a_run_exist() {
    check_functions_exist(&walk("One experiment"));
}

#[test]
fn path_of_a_trial_never_goes_up_a_floor() {
    let steps = walk("A trial");
    check_functions_exist(&steps);
    let table = table();
    let mut above = 4;
    for Step { number, floor, file, .. } in &steps {
        let module = file.trim_start_matches("src/").split(['/', '.']).next().unwrap();
        let actual = table[module].0;
        assert_eq!(*floor, Some(actual), "step {number}: {module} is on floor {actual}");
        assert!(actual <= above, "step {number}: {module} is above the step before");
        above = actual;
    }
    assert_eq!(above, 0, "the path ends on floor 0");
}

#[test]
fn picture_shows_every_module_on_its_floor() {
    let page = page();
    let picture = page.split("```").nth(1).expect("the picture");
    let word = Regex::new(r"\w+").unwrap();
    let mut shown = BTreeSet::new();
    for (floor, part) in [4_u8, 3, 2, 1, 0].into_iter().zip(picture.split('├')) {
        for name in word.find_iter(part).map(|found| found.unwrap().as_str()) {
            if table().get(name).is_some_and(|(actual, _)| *actual == floor) {
                shown.insert(name.to_owned());
            }
        }
    }
    assert_eq!(
        shown,
        table().into_keys().collect(),
        "the picture shows every module, on the floor of the table"
    );
}

#[test]
fn paths_in_the_architecture_page_exist() {
    let path = Regex::new(r"`((?:src|docs|tests)/[\w/.-]+)`").unwrap();
    let page = page();
    let paths: BTreeSet<&str> =
        path.captures_iter(&page).map(|found| found.unwrap().get(1).unwrap().as_str()).collect();
    assert!(paths.len() > 20, "{paths:?}");
    let missing: Vec<_> = paths.iter().filter(|path| !root().join(path).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
