//! Reads manifests from files, as `kubectl apply -f` does. Floor 3.

use std::path::{Path, PathBuf};

use super::CommandContext;
use crate::console::{ConsoleLine, LineLevel};
use crate::error_code::message_chain;
use crate::trial::manifest::{Manifest, modernise, parse};

/// Files that are larger are no manifests.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Reads all of them, each a file or a folder: of a folder the .json, .yaml and .yml files, without its subfolders.
/// What others live in comes first. Objects of old versions are made new ones, with a warning.
pub(super) fn read_all(session: &CommandContext, paths: &[PathBuf]) -> Result<Vec<Manifest>, String> {
    let mut found = Vec::new();
    for path in paths {
        found.extend(read(path)?);
    }
    for manifest in &mut found {
        if let Some(warning) = modernise(manifest) {
            session.terminal.say(&ConsoleLine::note(LineLevel::Warning, warning));
        }
    }
    found.sort_by_key(|manifest| match manifest.object["kind"].as_str() {
        Some("Namespace" | "CustomResourceDefinition") => 0,
        _ => 1,
    });
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<Manifest>, String> {
    let failed = |path: &Path, error: &dyn std::fmt::Display| {
        format!("the manifests in {} cannot be read: {error}", path.display())
    };
    let mut files = Vec::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).map_err(|error| failed(path, &error))? {
            let file = entry.map_err(|error| failed(path, &error))?.path();
            let extension = file.extension().unwrap_or_default().to_string_lossy().into_owned();
            if file.is_file() && matches!(extension.as_str(), "json" | "yaml" | "yml") {
                files.push(file);
            }
        }
        files.sort();
        if files.is_empty() {
            return Err(format!("{} has no .json, .yaml or .yml files", path.display()));
        }
    } else {
        files.push(path.to_owned());
    }
    let mut found = Vec::new();
    for file in &files {
        let size = std::fs::metadata(file).map_err(|error| failed(file, &error))?.len();
        if size > LARGEST {
            return Err(failed(file, &"it is larger than 64 MiB"));
        }
        let text = std::fs::read_to_string(file).map_err(|error| failed(file, &error))?;
        found.extend(parse(&file.display().to_string(), &text).map_err(|error| message_chain(&error))?);
    }
    if found.is_empty() {
        return Err(format!("there is no manifest in {}: experiments are none", path.display()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn folders_are_read_as_kubectl_reads_them() {
        let folder = TempDir::new().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("b.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n");
        write("a.json", r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}"#);
        write("experiment.json", r#"{"title": "t", "description": "d", "method": []}"#);
        write("notes.txt", "{");
        std::fs::create_dir(folder.path().join("sub.yaml")).unwrap();
        let kinds: Vec<_> =
            read(folder.path()).unwrap().iter().map(|one| one.object["kind"].clone()).collect();
        assert_eq!(kinds, ["ConfigMap", "Service"]);
        // what is named itself is not passed over
        let why = read(&folder.path().join("experiment.json")).err().unwrap();
        assert!(why.contains("there is no manifest in") && why.contains("experiment.json"), "{why}");
        write("z.yaml", "a: [");
        assert!(read(folder.path()).err().unwrap().contains("z.yaml"));
        assert!(read(&folder.path().join("gone")).is_err());
        let empty = TempDir::new().unwrap();
        assert!(read(empty.path()).err().unwrap().contains("has no .json"));
    }
}
