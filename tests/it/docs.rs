//! The documents name tests that exist.

use std::collections::BTreeSet;
use std::path::Path;

use fancy_regex::Regex;

#[test]
fn tests_cited_in_compatibility_document_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/compatibility.md")).unwrap();
    let name = Regex::new(r"`((?:it::|cases/|[a-z_/]+::)[\w/:-]+)`").unwrap();
    let mut missing = BTreeSet::new();
    let mut found = 0;
    for named in name.captures_iter(text.as_str()).map(|found| found.unwrap()[1].to_owned()) {
        let exists = match (named.strip_prefix("cases/"), named.strip_prefix("it::")) {
            (Some(case), _) => root.join("tests/cases").join(case).is_dir(),
            (_, Some(test)) => is_there(&root.join("tests/it"), test),
            _ => is_there(&root.join("src"), &named),
        };
        found += 1;
        if !exists {
            missing.insert(named);
        }
    }
    assert!(found > 100, "only {found} names were found");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn tests_named_in_nextest_config_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join(".config/nextest.toml")).unwrap();
    let name = Regex::new(r"test\(=([\w:]+)\)").unwrap();
    let named: Vec<_> = name.captures_iter(text.as_str()).map(|found| found.unwrap()[1].to_owned()).collect();
    assert!(!named.is_empty(), "no names were found");
    let is_missing = |test: &&String| !is_there(&root.join("tests/it"), test);
    assert_eq!(named.iter().filter(is_missing).collect::<Vec<_>>(), [""; 0]);
}

/// Whether `path/to/module::test` is a test in that file, or the file itself.
fn is_there(folder: &Path, named: &str) -> bool {
    let (module, test) = named.rsplit_once("::").unwrap_or((named, ""));
    let module = module.replace("::", "/");
    let files = [format!("{module}.rs"), format!("{module}/mod.rs")];
    let Some(text) = files.iter().find_map(|file| std::fs::read_to_string(folder.join(file)).ok()) else {
        return false;
    };
    test.is_empty() || text.contains(&format!("fn {test}("))
}
