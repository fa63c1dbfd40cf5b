//! The code follows the table in `src/lib.rs`: dependencies of modules, I/O per floor, docs and length of
//! files.

mod cycles;
mod definitions;
mod walks;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use fancy_regex::Regex;

use crate::harness::source_tree::{code, files_below, read, relative, root};

/// Crates and modules that floor 0 must not use.
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

/// The table of `src/lib.rs`: module, floor, and the modules that it may use.
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
    if single.exists() { vec![single] } else { files_below(&root().join("src").join(module), &[".rs"]) }
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
    // topological order: remove modules without dependencies until none is left
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
    for path in files_below(&root().join("src"), &[".rs"]) {
        let text = read(&path);
        let shown = path.display();
        assert!(text.starts_with("//! "), "{shown}: begins with no `//!`");
        let lines = text.lines().count();
        assert!(lines <= 600, "{shown}: {lines} lines ask for a split");
    }
}

#[test]
fn only_cli_uses_clap_prints_and_knows_exit_codes() {
    let clap = Regex::new(r"\bclap(?:_\w+)?::").unwrap();
    let exit_code = Regex::new(r"\bprocess::(?:\{[^}]*\b)?(?:ExitCode|exit|abort)\b").unwrap();
    // a macro that prints, or a standard stream taken to write to
    let printing = Regex::new(
        r"\b(?:e?print(?:ln)?|dbg)!|\bio::std(?:out|err)\b|\bcli::terminal\b|: &?(?:mut )?Terminal\b",
    )
    .unwrap();
    for path in files_below(&root().join("src"), &[".rs"]) {
        let name = relative(&path);
        if name.starts_with("src/cli/") || name == "src/main.rs" {
            continue;
        }
        let code = code(&path);
        for (pattern, use_) in [(&clap, "clap"), (&printing, "the terminal"), (&exit_code, "exit codes")] {
            if let Some(found) = pattern.find(code.as_str()).unwrap() {
                panic!("{name} uses {use_}, which only src/cli may: {}", found.as_str());
            }
        }
    }
}

/// Files that parse words: the command line, the arguments of a container, the flags before a word to complete.
const PARSING_FILES: [&str; 4] = [
    "src/cli/command_line.rs",
    "src/cli/command_line/one_command.rs",
    "src/cli/completion/dynamic.rs",
    "src/cli/demo_app.rs",
];

#[test]
fn commands_call_each_other_without_argument_lists() {
    let parsing = Regex::new(r"\b(?:try_parse_from|parse_from|(?:try_)?get_matches\w*)\b").unwrap();
    let files = files_below(&root().join("src"), &[".rs"]);
    let parsing_files: BTreeSet<String> = files
        .iter()
        .filter(|path| parsing.is_match(code(path).as_str()).unwrap())
        .map(|path| relative(path))
        .collect();
    assert_eq!(
        parsing_files,
        PARSING_FILES.map(str::to_owned).into(),
        "call the use case of the other command in src/app"
    );
}

#[test]
fn kubernetes_client_knows_no_experiments() {
    // the client of the API can be used without the rest
    let above = ["chaosk8s", "engine", "experiment", "provider", "trial"];
    let Some((_, uses)) = table().remove("k8s") else { return };
    let uses = uses.expect("a list of modules");
    assert!(above.iter().all(|module| !uses.contains(*module)), "k8s uses {uses:?}");
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
    // files that cannot read Cargo.toml repeat it
    let other = Regex::new(r"github\.com/[\w.-]+/kubectl-chaos[\w-]*").unwrap();
    let mut texts = files_below(&root().join("src"), &[".rs"]);
    for folder in ["docs", "examples", ".github"] {
        texts.extend(files_below(
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
