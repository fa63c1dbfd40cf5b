//! The code keeps to the picture in `src/lib.rs`: who uses whom, what a floor may know, what heads a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use fancy_regex::Regex;

/// What floor 0 must not know: it is pure.
const WORLD: [&str; 13] = [
    "tokio",
    "reqwest",
    "clap",
    "kube",
    "k8s_openapi",
    "rustix",
    "indicatif",
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "std::io::std",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below a folder with one of these endings.
fn files(folder: &Path, ends: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files(&entry, ends));
        } else if ends.iter().any(|end| entry.to_str().unwrap().ends_with(end)) {
            found.push(entry);
        }
    }
    found.sort();
    found
}

/// The table of `src/lib.rs`: module, floor, what it may use.
fn table() -> BTreeMap<String, (u8, Option<BTreeSet<String>>)> {
    let row = Regex::new(r"(?m)^//! \| (\w+) \| (\d) \| (.+) \|$").unwrap();
    let text = read(&root().join("src/lib.rs"));
    let mut table = BTreeMap::new();
    for found in row.captures_iter(text.as_str()).map(Result::unwrap) {
        let uses = match &found[3] {
            "everything" => None,
            "–" => Some(BTreeSet::new()),
            list => Some(list.split(", ").map(str::to_owned).collect()),
        };
        table.insert(found[1].to_owned(), (found[2].parse().unwrap(), uses));
    }
    table
}

/// The files of a module.
fn files_of(module: &str) -> Vec<PathBuf> {
    let single = root().join(format!("src/{module}.rs"));
    if single.exists() { vec![single] } else { files(&root().join("src").join(module), &[".rs"]) }
}

/// The code of a file, without its comments.
fn code(path: &Path) -> String {
    read(path).lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let table = table();
    let declared: BTreeSet<String> = read(&root().join("src/lib.rs"))
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';').map(str::to_owned))
        .collect();
    assert_eq!(declared, table.keys().cloned().collect(), "the table names every module and no other");
    let used = Regex::new(r"\bcrate::(\{|\w+)").unwrap();
    for (module, (floor, allowed)) in &table {
        for path in files_of(module) {
            for found in used.captures_iter(code(&path).as_str()).map(Result::unwrap) {
                let other = &found[1];
                let shown = path.display();
                assert_ne!(other, "{{", "{shown}: one line per module, so that this test can read it");
                if other == module {
                    continue;
                }
                if let Some(allowed) = allowed {
                    assert!(allowed.contains(other), "{shown}: {module} may not use {other}");
                }
                assert!(table[other].0 <= *floor, "{shown}: {module} uses {other}, which is above it");
            }
        }
    }
}

#[test]
fn modules_have_no_cyclic_dependencies() {
    let table = table();
    // a module may only use what stands before it in some order: take away what is free until nothing is left
    let mut left: BTreeMap<_, BTreeSet<String>> = table
        .iter()
        .map(|(module, (_, uses))| {
            let all = || table.keys().filter(|other| *other != module).cloned().collect();
            (module.clone(), uses.clone().unwrap_or_else(all))
        })
        .collect();
    while !left.is_empty() {
        let free: Vec<String> =
            left.iter().filter(|(_, uses)| uses.is_empty()).map(|(module, _)| module.clone()).collect();
        assert!(!free.is_empty(), "in a circle: {left:?}");
        for module in free {
            left.remove(&module);
            for uses in left.values_mut() {
                uses.remove(&module);
            }
        }
    }
}

#[test]
fn floor_0_performs_no_io() {
    for (module, _) in table().iter().filter(|(_, (floor, _))| *floor == 0) {
        for path in files_of(module) {
            let code = code(&path);
            for word in WORLD {
                assert!(!code.contains(&format!("{word}::")), "{}: {word} on floor 0", path.display());
            }
        }
    }
}

#[test]
fn source_files_have_module_docs_and_600_lines() {
    for path in files(&root().join("src"), &[".rs"]) {
        let text = read(&path);
        let shown = path.display();
        assert!(text.starts_with("//! "), "{shown}: begins with no `//!`");
        let lines = text.lines().count();
        assert!(lines <= 600, "{shown}: {lines} lines ask for a split");
    }
}

#[test]
fn binstall_overrides_match_release_archives() {
    let manifest = read(&root().join("Cargo.toml"));
    let block = Regex::new(r"(?m)^\[package\.metadata\.binstall\.overrides\.(.+)\]\n((?:.+\n)+)").unwrap();
    let mut told = 0;
    for found in block.captures_iter(manifest.as_str()).map(Result::unwrap) {
        let (target, block) = (&found[1], &found[2]);
        let machine = if target.starts_with("x86_64-") { "amd64" } else { "arm64" };
        let system =
            ["linux", "darwin", "windows"].into_iter().find(|system| target.contains(system)).unwrap();
        let (ending, format) =
            if system == "windows" { ("zip", "\npkg-fmt = \"zip\"") } else { ("tar.gz", "") };
        let place = "{ repo }/releases/download/v{ version }/kubectl-chaos-v{ version }";
        let expected = format!("pkg-url = \"{place}-{system}-{machine}.{ending}\"{format}\n");
        assert_eq!(block, expected, "{target}");
        told += 1;
    }
    assert_eq!(told, 7);
}

#[test]
fn repository_url_matches_in_all_files() {
    let manifest: Vec<String> = read(&root().join("Cargo.toml")).lines().map(str::to_owned).collect();
    let address = manifest
        .iter()
        .find_map(|line| line.strip_prefix("repository = \"")?.strip_suffix('"'))
        .expect("an address in Cargo.toml");
    assert!(manifest.contains(&format!("homepage = \"{address}\"")));
    // wherever it is repeated, because the place cannot read Cargo.toml, it is the same
    let other = Regex::new(r"github\.com/[\w.-]+/kubectl-chaos[\w-]*").unwrap();
    let mut texts = files(&root().join("src"), &[".rs"]);
    for folder in ["docs", "examples", ".github"] {
        texts.extend(files(
            &root().join(folder),
            &[".md", ".json", ".yaml", ".yml", ".sh", ".py", ".txt", ".toml"],
        ));
    }
    texts.extend(
        ["README.md", "CHANGELOG.md", "krew-manifest.yaml", "action.yml", "Dockerfile"]
            .map(|name| root().join(name)),
    );
    for path in texts {
        let text = read(&path);
        for found in other.find_iter(text.as_str()).map(Result::unwrap) {
            assert_eq!(format!("https://{}", found.as_str()), address, "{}", path.display());
        }
    }
}
