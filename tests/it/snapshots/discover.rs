//! The built-in functions, in lists and in detail.

use std::collections::BTreeMap;

use super::{Transcript, check_all};
use crate::harness::Sandbox;

#[test]
fn discover_lists_match() {
    let sandbox = Sandbox::new();
    let mut said = Transcript::new();
    said.calls(&sandbox, &["discover", "discover -o name", "discover --no-headers pod.probes"]);
    said.check("discover");
}

#[test]
fn discover_pages_match() {
    let sandbox = Sandbox::new();
    let names = sandbox.run(["discover", "-o", "name"]).exits(0).stdout;
    let mut modules: BTreeMap<String, Transcript> = BTreeMap::new();
    for name in names.lines() {
        let (module, _) = name.rsplit_once('.').unwrap_or_else(|| panic!("{name}"));
        let module = module.trim_start_matches("chaosk8s.").replace('.', "-");
        let said = modules.entry(module).or_insert_with(Transcript::new);
        said.call(&sandbox, &format!("discover {name}")).exits(0);
    }
    let texts = modules.into_iter().map(|(module, said)| (format!("discover-{module}"), said.text));
    let texts: Vec<_> = texts.collect();
    assert!(texts.len() > 5, "{} modules", texts.len());
    check_all("discover-", &texts);
}
