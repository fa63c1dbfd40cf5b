//! The files of a module use each other in one direction.
//!
//! The table in `src/lib.rs` orders the top modules. Below them, the same holds for the children of every module: two
//! of them, each with everything below it, do not use each other. A parent and its child may.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fancy_regex::Regex;

use crate::harness::source_tree::{code, files_below, root};

/// Cycles that exist, and why. The list only shrinks: a member that is in no cycle any more fails the test.
const KNOWN: &[(&[&str], &str)] = &[];

/// The path of a module below the crate, such as `["engine", "steps"]`.
type Module = Vec<String>;

#[test]
fn children_of_a_module_have_no_cycles() {
    let found = SourceGraph::read().cycles();
    let is_known = |cycle: &&Vec<String>| {
        KNOWN.iter().any(|(members, _)| cycle.iter().all(|member| members.contains(&member.as_str())))
    };
    let new: Vec<_> = found.iter().filter(|cycle| !is_known(cycle)).collect();
    assert!(new.is_empty(), "these modules use each other; let one of them import the other: {new:#?}");
    let known = KNOWN.iter().flat_map(|(members, _)| members.iter());
    let gone: Vec<_> = known.filter(|member| !found.iter().flatten().any(|name| name == **member)).collect();
    assert!(gone.is_empty(), "these are in no cycle any more; remove them from KNOWN: {gone:#?}");
}

#[test]
fn cycle_between_files_is_found() {
    let graph = SourceGraph {
        sources: [
            ("a", "pub use b::B;\nmod b;\nmod c;\n"),
            ("a::b", "use super::c::C;\nuse super::parent;\n"),
            ("a::c", "fn f(b: super::B) {}\n"),
            ("a::d", "use super::c::{self, C};\nuse std::fmt;\n"),
        ]
        .map(|(path, text)| (segments(path), Source::parse(text)))
        .into(),
    };
    assert_eq!(graph.cycles(), BTreeSet::from([vec!["a::b".to_owned(), "a::c".to_owned()]]));
}

/// One name that a file imports: the path it stands for, and the name it has in the file (`*` for all names).
struct Import {
    path: Vec<String>,
    name: String,
}

/// What the graph needs of a source file.
struct Source {
    imports: Vec<Import>,
    /// The paths in its code that begin in this crate.
    paths: BTreeSet<Vec<String>>,
    /// The names of the items in it.
    items: BTreeSet<String>,
}

/// The source files of the crate by module path.
struct SourceGraph {
    sources: BTreeMap<Module, Source>,
}

impl SourceGraph {
    fn read() -> Self {
        let test_module = Regex::new(r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))? )?mod (\w+);").unwrap();
        let source = root().join("src");
        let mut sources = BTreeMap::new();
        let mut tests = BTreeSet::new();
        for path in files_below(&source, &[".rs"]) {
            let module = module_of(path.strip_prefix(&source).unwrap());
            let code = code(&path);
            for name in test_module.captures_iter(code.as_str()).map(|found| found.unwrap()[1].to_owned()) {
                tests.insert([module.clone(), vec![name]].concat());
            }
            sources.insert(module, Source::parse(&code));
        }
        sources.retain(|module, _| !tests.contains(module) && *module != ["main"]);
        Self { sources }
    }

    /// The strongly connected components among the children of each module.
    fn cycles(&self) -> BTreeSet<Vec<String>> {
        let mut edges: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
        for (from, to) in self.uses() {
            let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            // a module and what is below it
            if shared < from.len() && shared < to.len() {
                edges.entry(from[..=shared].to_vec()).or_default().insert(to[..=shared].to_vec());
            }
        }
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            edges.keys().map(|module| (module, reachable(&edges, module))).collect();
        let mut cycles = BTreeSet::new();
        for (module, others) in &reached {
            let members: BTreeSet<&Module> = others
                .iter()
                .filter(|other| reached.get(**other).is_some_and(|back| back.contains(module)))
                .copied()
                .collect();
            if members.contains(module) {
                cycles.insert(members.into_iter().map(|member| member.join("::")).collect());
            }
        }
        cycles
    }

    /// Which module uses which other.
    fn uses(&self) -> BTreeSet<(Module, Module)> {
        let mut uses = BTreeSet::new();
        for (module, source) in &self.sources {
            for path in source.imports.iter().map(|import| &import.path).chain(&source.paths) {
                if let Some(target) = self.resolve(module, path, 0).filter(|target| target != module) {
                    uses.insert((module.clone(), target));
                }
            }
        }
        uses
    }

    /// The module that defines what a path in a module names; `None` for other crates.
    fn resolve(&self, module: &Module, path: &[String], depth: usize) -> Option<Module> {
        let mut at = module.clone();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => drop(at.pop()),
            first => {
                let child = [module.clone(), vec![first.to_owned()]].concat();
                if !self.sources.contains_key(&child) {
                    return None;
                }
                at = child;
            }
        }
        rest = &rest[1..];
        while let Some(next) = rest.first() {
            let child = [at.clone(), vec![next.clone()]].concat();
            match next.as_str() {
                "super" => drop(at.pop()),
                "self" => {}
                _ if self.sources.contains_key(&child) => at = child,
                // an item: defined here, or re-exported from where it is defined
                name => return Some(self.origin(&at, name, depth).unwrap_or(at)),
            }
            rest = &rest[1..];
        }
        Some(at)
    }

    /// Where the name that a module re-exports is defined.
    fn origin(&self, module: &Module, name: &str, depth: usize) -> Option<Module> {
        if depth > 8 {
            return None;
        }
        let Source { imports, items, .. } = self.sources.get(module)?;
        if let Some(import) = imports.iter().find(|import| import.name == name) {
            return self.resolve(module, &import.path, depth + 1);
        }
        if items.contains(name) {
            return Some(module.clone());
        }
        let globs = imports.iter().filter(|import| import.name == "*");
        let defines =
            |module: &Module| self.sources.get(module).is_some_and(|source| source.items.contains(name));
        globs.filter_map(|import| self.resolve(module, &import.path, depth + 1)).find(defines)
    }
}

impl Source {
    fn parse(code: &str) -> Self {
        let statement = Regex::new(r"\buse [^;]+;").unwrap();
        let path = Regex::new(r"\b(?:crate|super|self)(?:::\w+)+").unwrap();
        let item = Regex::new(r"\b(?:fn|struct|enum|trait|type|const|static|union) (\w+)").unwrap();
        let rest = statement.replace_all(code, "");
        Self {
            imports: imports(code),
            paths: path.find_iter(&*rest).map(|found| segments(found.unwrap().as_str())).collect(),
            items: item.captures_iter(&*rest).map(|found| found.unwrap()[1].to_owned()).collect(),
        }
    }
}

/// The modules that one leads to, over one edge or more.
fn reachable<'a>(edges: &'a BTreeMap<Module, BTreeSet<Module>>, from: &Module) -> BTreeSet<&'a Module> {
    let mut seen = BTreeSet::new();
    let mut left: Vec<&Module> = edges.get(from).into_iter().flatten().collect();
    while let Some(module) = left.pop() {
        if seen.insert(module) {
            left.extend(edges.get(module).into_iter().flatten());
        }
    }
    seen
}

/// `engine/mod.rs` is `engine`, `engine/steps.rs` is `engine::steps`, `lib.rs` is the crate.
fn module_of(path: &Path) -> Module {
    let mut module: Module =
        path.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
        module.pop();
    }
    module
}

/// What the `use` statements of a file import.
fn imports(text: &str) -> Vec<Import> {
    let statement = Regex::new(r"\buse ([^;]+);").unwrap();
    let mut imports = Vec::new();
    for found in statement.captures_iter(text).map(Result::unwrap) {
        let tree: String = found[1].split_whitespace().collect::<Vec<_>>().join(" ");
        flatten(&tree, &[], &mut imports);
    }
    imports
}

/// Takes a use tree apart: `a::{b, c::d as e}` imports `a::b` and `a::c::d`.
fn flatten(tree: &str, before: &[String], imports: &mut Vec<Import>) {
    let tree = tree.trim().trim_start_matches("::");
    if let Some((head, group)) = tree.split_once('{') {
        let before = [before, &segments(head)].concat();
        let inner = group.rsplit_once('}').map_or(group, |(inner, _)| inner);
        let mut depth = 0;
        let separators = |sign: char| {
            match sign {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            sign == ',' && depth == 0
        };
        for part in inner.split(separators).filter(|part| !part.trim().is_empty()) {
            flatten(part, &before, imports);
        }
        return;
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias)));
    let mut path = [before, &segments(path)].concat();
    let mut name = path.last().cloned().unwrap_or_default();
    if name == "*" || (name == "self" && path.len() > 1) {
        path.pop();
        if name == "self" {
            name = path.last().cloned().unwrap_or_default();
        }
    }
    imports.push(Import { name: alias.map_or(name, |alias| alias.trim().to_owned()), path });
}

fn segments(path: &str) -> Vec<String> {
    path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}
