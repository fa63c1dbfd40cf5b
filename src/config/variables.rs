//! Variables of `--var` and `--var-file`.

use std::path::Path;

use super::ProcessEnv;
use crate::diagnostic::{Diagnostic, suggestion};
use crate::experiment::configuration::Variables;
use crate::experiment::document::{SpannedKind, SpannedValue};
use crate::experiment::{document, json, yaml};
use crate::value::{Map, Value};

/// Content of a `--var-file`.
pub struct VariableFile {
    /// The path; its extension selects the format.
    pub path: String,
    pub bytes: Vec<u8>,
}

/// The shape of a variable file that is JSON or YAML.
const SHAPE: &str =
    "{\"configuration\": {\"NAME\": VALUE}, \"secrets\": {\"GROUP\": {\"KEY\": VALUE}}}, each part optional";

/// Merges files and single variables.
///
/// Later files override earlier ones, single variables override files. Other files than JSON and YAML have
/// `NAME=value` lines, which become environment variables. What is invalid in a file is not taken, and returned as
/// diagnostics.
pub fn read_variables(
    files: &[VariableFile],
    single: Map,
    environment: &mut ProcessEnv,
) -> (Variables, Vec<Diagnostic>) {
    let mut variables = Variables::default();
    let mut faults = Vec::new();
    for file in files {
        match read_file(file, &mut variables, environment) {
            Ok(more_faults) => faults.extend(more_faults),
            Err(fault) => faults.push(fault),
        }
    }
    variables.configuration.extend(single);
    (variables, faults)
}

fn read_file(
    file: &VariableFile,
    variables: &mut Variables,
    environment: &mut ProcessEnv,
) -> Result<Vec<Diagnostic>, Diagnostic> {
    let text = document::decode(&file.bytes, &file.path)?;
    let extension = Path::new(&file.path).extension().map(|e| e.to_string_lossy().to_lowercase());
    let root = match extension.as_deref() {
        // for the Chaos Toolkit, too, a file without content has no variables, whatever its format
        _ if text.is_empty() => return Ok(Vec::new()),
        Some("json") if text.trim().is_empty() => return Err(blank_json(&file.path)),
        Some("json") => json::read(text, &file.path)?.root,
        Some("yaml" | "yml") => yaml::read(text, &file.path)?.root,
        _ => return read_lines(text, &file.path, environment).map(|()| Vec::new()),
    };
    let faults = find_wrong_parts(&root, &file.path);
    let parsed = root.to_value();
    for (key, into) in [("configuration", &mut variables.configuration), ("secrets", &mut variables.secrets)]
    {
        into.extend(parsed.get(key).and_then(Value::as_map).cloned().unwrap_or_default());
    }
    Ok(faults)
}

/// Creates the error of a JSON file with white space only.
fn blank_json(path: &str) -> Diagnostic {
    Diagnostic::for_file(path, "broken JSON: the file has only white space")
        .hint("write {} for no variables, or an empty file")
}

/// Finds the parts of a variable file that would have no effect.
fn find_wrong_parts(root: &SpannedValue, path: &str) -> Vec<Diagnostic> {
    let fault = |node: &SpannedValue, message: String| {
        let mut fault = Diagnostic::for_file(path, message).at(node.position);
        fault.expected = Some(SHAPE.to_owned());
        fault
    };
    let entries = match &root.kind {
        _ if root.is_null() => return Vec::new(),
        SpannedKind::Map(entries) => entries,
        _ => return vec![fault(root, format!("a variable file cannot be {}", root.kind_name()))],
    };
    let mut faults = Vec::new();
    for (key, entry) in entries {
        let node = &entry.value;
        match (key.as_str(), &node.kind) {
            (key, _) if key.starts_with("x-") => {}
            ("configuration" | "secrets", _) if node.is_null() => {}
            ("configuration", SpannedKind::Map(_)) => {}
            ("secrets", SpannedKind::Map(groups)) => {
                let is_group =
                    |node: &SpannedValue| node.is_null() || matches!(node.kind, SpannedKind::Map(_));
                for (name, group) in groups.iter().filter(|(_, group)| !is_group(&group.value)) {
                    let kind = group.value.kind_name();
                    let message = format!("a group of secrets must be a mapping: '{name}' is {kind}");
                    faults.push(fault(&group.value, message));
                }
            }
            (key @ ("configuration" | "secrets"), _) => {
                faults.push(fault(node, format!("\"{key}\" cannot be {}", node.kind_name())));
            }
            (key, _) => {
                let mut fault = fault(node, format!("unknown key \"{key}\" in a variable file"));
                fault.position = Some(entry.key);
                fault.hint = suggestion(key, ["configuration", "secrets"]);
                faults.push(fault);
            }
        }
    }
    faults
}

fn read_lines(text: &str, path: &str, environment: &mut ProcessEnv) -> Result<(), Diagnostic> {
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            let line = u32::try_from(index + 1).unwrap_or(u32::MAX);
            return Err(Diagnostic::for_file(path, "invalid line: expected NAME=value")
                .at(crate::diagnostic::Position { line, column: 1 })
                .hint("correct the line, or rename the file to .json or .yaml"));
        };
        environment.set(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> VariableFile {
        VariableFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
    }

    #[test]
    fn later_files_and_single_variables_override() {
        let files = [
            file(
                "a.json",
                r#"{"configuration": {"a": 1, "b": 1}, "secrets": {"s": {"k": "one", "l": "lost"}}}"#,
            ),
            file(
                "b.YML",
                "configuration: {b: no, c: [1]}\nsecrets: {s: {k: two}, none: null}\nx-other: ignored\n",
            ),
            file("vars.env", "# comment\n\n NAME = hello=there \nOTHER=\n"),
            file("empty.json", ""),
            file("marked.json", "\u{feff}"),
            file("empty.yaml", ""),
            file("blank.yaml", " \n# nothing\n"),
            file("empty.env", ""),
            file("null.yaml", "~"),
            file("none.json", "{}"),
        ];
        let mut environment = ProcessEnv::default();
        let single = Map::from_iter([("a".to_owned(), Value::from("cli"))]);
        let (variables, faults) = read_variables(&files, single, &mut environment);
        let expected: Value = serde_json::json!({"a": "cli", "b": false, "c": [1]}).into();
        assert_eq!(Value::Map(variables.configuration), expected);
        let secrets = serde_json::json!({"s": {"k": "two"}, "none": null});
        assert_eq!(Value::Map(variables.secrets), secrets.into());
        assert_eq!(environment.get("NAME ").as_deref(), Some(" hello=there"));
        assert_eq!(environment.get("OTHER").as_deref(), Some(""));
        assert!(faults.is_empty(), "{faults:?}");
    }

    #[test]
    fn invalid_files_are_reported_with_position() {
        let check = |path: &str, text: &str, expected: &str| {
            let (_, faults) = read_variables(&[file(path, text)], Map::new(), &mut ProcessEnv::default());
            assert!(faults[0].to_string().starts_with(expected), "{}", faults[0]);
        };
        check("v.json", "{", "v.json:1:2: error: broken JSON");
        check("v.json", " \n", "v.json: error: broken JSON: the file has only white space");
        check("v.yaml", "a: [", "v.yaml:");
        check("v.json", r#"{"a": "1"}"#, "v.json:1:2: error: unknown key \"a\" in a variable file");
        check("v.json", "[1]", "v.json:1:1: error: a variable file cannot be a list");
        check("v.json", "0", "v.json:1:1: error: a variable file cannot be a number");
        check("v.yaml", "A=1", "v.yaml:1:1: error: a variable file cannot be a string");
        check("v.json", r#"{"Configuration": {}}"#, "v.json:1:2: error: unknown key \"Configuration\"");
        check(
            "v.json",
            r#"{"configuration": [1]}"#,
            "v.json:1:19: error: \"configuration\" cannot be a list",
        );
        check(
            "v.json",
            r#"{"secrets": {"s": "x"}}"#,
            "v.json:1:19: error: a group of secrets must be a mapping",
        );
        check("v.env", "A=1\nB\n", "v.env:2:1: error: invalid line: expected NAME=value");
    }
}
