//! Variables of `--var` and `--var-file`.

use std::path::Path;

use super::ProcessEnv;
use crate::diagnostic::Diagnostic;
use crate::experiment::configuration::Variables;
use crate::experiment::{document, json, yaml};
use crate::value::{Map, Value};

/// Content of a `--var-file`.
pub struct VariableFile {
    /// The path; its extension selects the format.
    pub path: String,
    pub bytes: Vec<u8>,
}

/// Merges files and single variables.
///
/// Later files override earlier ones, single variables override files. Other files than JSON and YAML have
/// `NAME=value` lines, which become environment variables. Invalid files are skipped, as in the Chaos Toolkit, and
/// returned as diagnostics.
pub fn read_variables(
    files: &[VariableFile],
    single: Map,
    environment: &mut ProcessEnv,
) -> (Variables, Vec<Diagnostic>) {
    let mut variables = Variables::default();
    let mut faults = Vec::new();
    for file in files {
        if let Err(fault) = read_file(file, &mut variables, environment) {
            faults.push(fault);
        }
    }
    variables.configuration.extend(single);
    (variables, faults)
}

fn read_file(
    file: &VariableFile,
    variables: &mut Variables,
    environment: &mut ProcessEnv,
) -> Result<(), Diagnostic> {
    let text = document::decode(&file.bytes, &file.path)?;
    let extension = Path::new(&file.path).extension().map(|e| e.to_string_lossy().to_lowercase());
    let parsed = match extension.as_deref() {
        _ if text.trim().is_empty() => return Ok(()),
        Some("json") => json::read(text, &file.path)?.root.to_value(),
        Some("yaml" | "yml") => yaml::read(text, &file.path)?.root.to_value(),
        _ => Value::Null,
    };
    if !parsed.is_truthy() {
        return read_lines(text, &file.path, environment);
    }
    for (key, into) in [("configuration", &mut variables.configuration), ("secrets", &mut variables.secrets)]
    {
        into.extend(parsed.get(key).and_then(Value::as_map).cloned().unwrap_or_default());
    }
    Ok(())
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
            file("b.YML", "configuration: {b: no, c: [1]}\nsecrets: {s: {k: two}}\nother: ignored\n"),
            file("vars.env", "# comment\n\n NAME = hello=there \nOTHER=\n"),
            file("empty.json", " "),
            file("null.yaml", "~"),
        ];
        let mut environment = ProcessEnv::default();
        let single = Map::from_iter([("a".to_owned(), Value::from("cli"))]);
        let (variables, faults) = read_variables(&files, single, &mut environment);
        let expected: Value = serde_json::json!({"a": "cli", "b": false, "c": [1]}).into();
        assert_eq!(Value::Map(variables.configuration), expected);
        assert_eq!(Value::Map(variables.secrets), serde_json::json!({"s": {"k": "two"}}).into());
        assert_eq!(environment.get("NAME ").as_deref(), Some(" hello=there"));
        assert_eq!(environment.get("OTHER").as_deref(), Some(""));
        assert_eq!(faults.len(), 1, "a tilde is no NAME=value line: {faults:?}");
    }

    #[test]
    fn invalid_files_are_reported_with_position() {
        let check = |path: &str, text: &str, expected: &str| {
            let (_, faults) = read_variables(&[file(path, text)], Map::new(), &mut ProcessEnv::default());
            assert!(faults[0].to_string().starts_with(expected), "{}", faults[0]);
        };
        check("v.json", "{", "v.json:1:2: error: broken JSON");
        check("v.yaml", "a: [", "v.yaml:");
        check("v.env", "A=1\nB\n", "v.env:2:1: error: invalid line: expected NAME=value");
    }
}
