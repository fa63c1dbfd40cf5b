//! The action, the workflows, the krew manifest and the documents agree: platforms, pins, links.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fancy_regex::Regex;
use serde_yaml::Value;

use crate::harness::Sandbox;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: impl AsRef<Path>) -> Value {
    serde_yaml::from_str(&read(path)).unwrap()
}

/// Every match of the first group.
fn all(pattern: &str, text: &str) -> Vec<String> {
    Regex::new(pattern).unwrap().captures_iter(text).map(|found| found.unwrap()[1].to_owned()).collect()
}

/// Lists the files below a directory with this ending.
fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()) {
        let shown = entry.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        if entry.is_dir() {
            found.extend(files(&shown, end));
        } else if shown.ends_with(end) {
            found.push(PathBuf::from(shown));
        }
    }
    found.sort();
    found
}

/// The files that GitHub executes: the action, the workflows, and the workflows that users copy.
fn executed() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("action.yml")];
    found.extend(files(".github/workflows", ".yml"));
    found.extend(files("examples/github-actions", ".yml"));
    assert!(found.len() > 6, "{found:?}");
    found
}

/// Collects every value of this key, at any depth.
fn under<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Mapping(map) => {
            for (name, value) in map {
                if name.as_str() == Some(key) {
                    found.push(value);
                }
                under(value, key, found);
            }
        }
        Value::Sequence(list) => list.iter().for_each(|value| under(value, key, found)),
        _ => {}
    }
}

#[test]
fn workflow_scripts_contain_no_expressions() {
    for path in executed() {
        let document = yaml(&path);
        let mut scripts = Vec::new();
        under(&document, "run", &mut scripts);
        for script in scripts.into_iter().filter_map(Value::as_str) {
            assert!(!script.contains("${{"), "{}: {script}", path.display());
        }
    }
}

#[test]
fn third_party_actions_are_pinned_by_commit() {
    let pinned = Regex::new(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$").unwrap();
    let mut seen = 0;
    for path in executed() {
        for used in all(r"(?m)^\s*(?:- )?uses: (.+)$", &read(&path)) {
            seen += 1;
            let example = path.starts_with("examples") && used == "kubectl-chaos/kubectl-chaos@v1";
            let own = path.starts_with(".github") && used.starts_with("./ #");
            assert!(example || own || pinned.is_match(&used).unwrap(), "{}: {used}", path.display());
        }
    }
    assert!(seen > 20, "only {seen} were found");
}

#[test]
fn workflow_permissions_are_minimal_and_explained() {
    for path in executed().into_iter().filter(|path| !path.ends_with("action.yml")) {
        let document = yaml(&path);
        let shown = path.display();
        assert_eq!(
            document["permissions"],
            Value::Mapping(serde_yaml::Mapping::new()),
            "{shown}: of all its jobs"
        );
        for (name, job) in document["jobs"].as_mapping().unwrap() {
            assert!(job["permissions"].is_mapping(), "{shown}: {name:?} does not say its permissions");
            assert!(job["timeout-minutes"].is_number(), "{shown}: {name:?} has no timeout");
        }
        let text = read(&path);
        let silent = text.lines().find(|line| line.trim_end().ends_with(": write"));
        assert_eq!(silent, None, "{shown}: what for?");
        let checkouts = text.matches("uses: actions/checkout@").count();
        assert_eq!(text.matches("persist-credentials: false").count(), checkouts, "{shown}");
    }
}

#[test]
fn action_passes_every_input_as_env_variable() {
    let action = yaml("action.yml");
    let inputs: BTreeSet<&str> =
        action["inputs"].as_mapping().unwrap().keys().filter_map(Value::as_str).collect();
    let mut handed = BTreeSet::new();
    for step in action["runs"]["steps"].as_sequence().unwrap() {
        for (name, value) in step["env"].as_mapping().unwrap() {
            let (name, value) = (name.as_str().unwrap(), value.as_str().unwrap());
            let Some(input) = value.strip_prefix("${{ inputs.").and_then(|rest| rest.strip_suffix(" }}"))
            else {
                continue;
            };
            // the alternative if it is empty
            let input = input.split_once(" || ").map_or(input, |(input, _)| input);
            if input.contains(' ') {
                assert_eq!((name, input), ("KUBECTL_CHAOS_INPUT_WORKFLOW_RUN", "mode == 'publish'"));
                continue;
            }
            assert!(inputs.contains(input), "{input} is no input");
            handed.insert(input);
            if let Some(asked) = name.strip_prefix("KUBECTL_CHAOS_INPUT_") {
                assert_eq!(asked, input.to_uppercase().replace('-', "_"));
            }
        }
        let shell = step["shell"].as_str().unwrap();
        assert_eq!(
            shell, "bash --noprofile --norc -p -eo pipefail {0}",
            "no function of the environment counts"
        );
        let script = step["run"].as_str().unwrap();
        assert!(script.trim_end().lines().last().unwrap().starts_with("exec "), "{script}");
    }
    assert_eq!(handed, inputs.iter().copied().collect(), "every input is handed on");
}

/// The long flags of a command.
fn flags(command: &str) -> BTreeSet<String> {
    let help = Sandbox::new().run([command, "--help"]).exits(0).stdout;
    all(r"(?m)^ +(?:-\w, )?--([a-z][\w-]*)", &help).into_iter().collect()
}

#[test]
fn action_inputs_match_flags_of_ci_and_publish() {
    let action = yaml("action.yml");
    let mut inputs: BTreeSet<String> =
        action["inputs"].as_mapping().unwrap().keys().map(|name| name.as_str().unwrap().to_owned()).collect();
    // these select the program, its source, the mode and the token
    for own in ["mode", "version", "binary", "download-url", "github-token"] {
        assert!(inputs.remove(own), "{own}");
    }
    // global flags are no inputs, except those that select the cluster
    let of_every_command = flags("discover");
    let own = |command: &str| -> BTreeSet<String> {
        flags(command).difference(&of_every_command).cloned().collect()
    };
    let mut known: BTreeSet<String> = own("ci").union(&own("publish")).cloned().collect();
    known.extend(["kubeconfig", "context", "namespace", "seed"].map(str::to_owned));
    // the event contains the first one, and an action does not need the second
    for left_out in ["workflow-run", "dry-run"] {
        assert!(known.remove(left_out), "{left_out}");
    }
    // an input that no command reads is ignored, so it may exist before `publish` reads it
    let ahead = !known.contains("html") && inputs.remove("html");
    assert_eq!(inputs, known);
    // each step gets the inputs of its command
    for (step, command) in [("run", "ci"), ("publish", "publish")] {
        let steps = action["runs"]["steps"].as_sequence().unwrap();
        let step = steps.iter().find(|one| one["id"] == step).unwrap();
        let given: BTreeSet<String> = step["env"]
            .as_mapping()
            .unwrap()
            .keys()
            .filter_map(|name| name.as_str().unwrap().strip_prefix("KUBECTL_CHAOS_INPUT_"))
            .map(|name| name.to_lowercase().replace('_', "-"))
            .filter(|name| !(ahead && name == "html"))
            .collect();
        let mut takes: BTreeSet<String> = own(command).intersection(&inputs).cloned().collect();
        // a repeated comparison needs no cluster
        let everywhere: &[&str] =
            if command == "ci" { &["kubeconfig", "context", "namespace", "seed"] } else { &["seed"] };
        takes.extend(everywhere.iter().map(|flag| (*flag).to_owned()));
        // `publish` reads the folder that `ci` writes
        takes.insert("output-dir".to_owned());
        // and derives its kind from the mode
        takes.extend((command == "publish").then(|| "workflow-run".to_owned()));
        assert_eq!(given, takes, "{command}");
    }
}

#[test]
fn action_document_lists_inputs_and_outputs() {
    let action = yaml("action.yml");
    let document = read("docs/action.md");
    let told = |heading: &str| -> Vec<String> {
        let section =
            document.split(&format!("\n## {heading}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
        section.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect()
    };
    let row = |(name, of): (&Value, &Value)| {
        let description = of["description"].as_str().unwrap().replace('*', "\\*");
        let default = match of.get("default").and_then(Value::as_str) {
            Some(default) => format!("| `{default}` "),
            None if of.get("value").is_none() => "| ".to_owned(),
            None => String::new(),
        };
        format!("| `{}` | {description} {default}|", name.as_str().unwrap())
    };
    let rows = |key: &str| action[key].as_mapping().unwrap().iter().map(row).collect::<Vec<_>>();
    assert_eq!(told("Inputs"), rows("inputs"));
    assert_eq!(told("Outputs"), rows("outputs"));
}

/// The release platforms in every file that lists them.
#[test]
fn release_platforms_match_in_all_files() {
    let krew = yaml("krew-manifest.yaml");
    let version = concat!("v", env!("CARGO_PKG_VERSION"));
    assert_eq!(krew["spec"]["version"], version);
    let mut platforms = BTreeSet::new();
    for platform in krew["spec"]["platforms"].as_sequence().unwrap() {
        let labels = &platform["selector"]["matchLabels"];
        let name = format!("{}-{}", labels["os"].as_str().unwrap(), labels["arch"].as_str().unwrap());
        let (end, bin) = if name.starts_with("windows") {
            ("zip", "kubectl-chaos.exe")
        } else {
            ("tar.gz", "kubectl-chaos")
        };
        let uri = format!(
            "{}/releases/download/{version}/kubectl-chaos-{version}-{name}.{end}",
            env!("CARGO_PKG_REPOSITORY")
        );
        assert_eq!((&platform["uri"], &platform["bin"]), (&uri.into(), &bin.into()));
        platforms.insert(name);
    }
    let of = |list: Vec<String>| list.into_iter().collect::<BTreeSet<_>>();
    let release = yaml(".github/workflows/release.yml");
    let matrix = release["jobs"]["build"]["strategy"]["matrix"]["include"].as_sequence().unwrap();
    let built = matrix.iter().map(|one| one["platform"].as_str().unwrap().to_owned()).collect();
    assert_eq!(of(built), platforms, "release.yml");
    let list = all(r"(?m)^PLATFORMS = \[(.+)\]$", &read(".github/release/release.py"));
    assert_eq!(of(all(r#""([\w-]+)""#, &list[0])), platforms, "release.py");
    // the alternatives of one `case`
    let cases = all(r"(?m)^\t([a-z0-9 |-]+)\) end=", &read(".github/action/install.sh"));
    assert_eq!(
        cases.iter().flat_map(|case| case.split(" | ")).map(str::to_owned).collect::<BTreeSet<_>>(),
        platforms
    );
    let table =
        all(r"(?m)^[0-9a-f]{64}  kubectl-chaos-v[^-]+-(\w+-\w+)\.", &read(".github/action/checksums.txt"));
    assert_eq!(of(table), platforms, "checksums.txt");
    // the URLs that cargo-binstall uses, for the targets in Cargo.toml
    let named = all(r#"(?m)^pkg-url = .*-(\w+-\w+)\.(?:tar\.gz|zip)"$"#, &read("Cargo.toml"));
    assert!(of(named.clone()).is_subset(&platforms), "Cargo.toml: {named:?}");
    let denied = read(".github/deny.toml");
    for target in matrix.iter().map(|one| one["target"].as_str().unwrap()) {
        assert!(denied.contains(&format!("\"{target}\"")), "deny.toml: {target}");
    }
}

#[test]
fn relative_links_in_documents_resolve() {
    let mut documents = vec![PathBuf::from("README.md"), PathBuf::from("CHANGELOG.md")];
    for folder in ["docs", "examples", ".github"] {
        documents.extend(files(folder, ".md"));
    }
    let mut seen = 0;
    for document in documents {
        // fenced and inline code contains no links
        let text = read(&document);
        let text = Regex::new(r"(?s)```.*?```|`[^`\n]*`").unwrap().replace_all(&text, "");
        for link in all(r"\]\(([^)\s]+)\)", &text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            assert!(root().join(&target).exists(), "{}: {link}", document.display());
            if !anchor.is_empty() {
                let headings = all(r"(?m)^#+ (.+)$", &read(&target));
                let anchors: Vec<String> = headings.iter().map(|heading| anchor_of(heading)).collect();
                assert!(
                    anchors.iter().any(|one| one == anchor),
                    "{}: {link}: {anchors:?}",
                    document.display()
                );
            }
        }
    }
    assert!(seen > 20, "only {seen} were found");
}

/// The anchor that GitHub gives to a heading.
fn anchor_of(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
