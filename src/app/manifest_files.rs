//! Reads manifests from files, as `kubectl apply -f` does, and builds kustomizations.

use std::path::{Path, PathBuf};

use super::context::AppContext;
use super::kustomize::{KustomizeError, build, is_chart, kustomization_dir, quote};
use crate::console::{ConsoleLine, LineLevel};
use crate::error_code::{Coded, ErrorCode};
use crate::sort;
use crate::trial::manifest::{Manifest, ManifestError, modernise, parse};

const MAX_MIB: u64 = 64;

/// Manifests cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestFileError {
    #[error("cannot read manifests in {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("manifest file {} is larger than {MAX_MIB} MiB", path.display())]
    TooLarge { path: PathBuf },
    #[error("no .json, .yaml or .yml file in {}", path.display())]
    NoFiles { path: PathBuf },
    #[error("no manifest in {}", path.display())]
    NoManifests { path: PathBuf },
    #[error("{} is a Helm chart, which is not rendered", dir.display())]
    HelmChart { dir: PathBuf },
    #[error("manifest file {} is a template, which is not rendered", path.display())]
    Template { path: PathBuf, source: ManifestError },
    #[error(transparent)]
    Kustomize(#[from] KustomizeError),
    #[error(transparent)]
    Invalid(#[from] ManifestError),
}

impl Coded for ManifestFileError {
    fn code(&self) -> ErrorCode {
        ErrorCode::TrialManifest
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoManifests { .. } => {
                Some("a manifest has apiVersion and kind; experiments are not manifests".to_owned())
            }
            Self::HelmChart { dir } => {
                Some(format!("render it first: helm template {} > manifests.yaml", quote(dir)))
            }
            Self::Template { .. } => Some("render it first, for example with helm template".to_owned()),
            Self::Kustomize(error) => error.hint(),
            _ => None,
        }
    }
}

/// Reads manifest files; of a directory the .json, .yaml and .yml files, not its subdirectories. Builds kustomizations.
///
/// Returns namespaces and custom resource definitions first. Converts objects of removed API versions, with a warning.
pub(crate) fn read_manifests(
    context: &AppContext,
    paths: &[PathBuf],
) -> Result<Vec<Manifest>, ManifestFileError> {
    let mut manifests = Vec::new();
    for path in paths {
        manifests.extend(read(context, path)?);
    }
    for manifest in &mut manifests {
        if let Some(warning) = modernise(manifest) {
            context.reporter.show(&ConsoleLine::note(LineLevel::Warning, warning));
        }
    }
    sort::sort_by_key(&mut manifests, |manifest| match manifest.object["kind"].as_str() {
        Some("Namespace" | "CustomResourceDefinition") => 0,
        _ => 1,
    });
    Ok(manifests)
}

fn read(context: &AppContext, path: &Path) -> Result<Vec<Manifest>, ManifestFileError> {
    let Some(dir) = kustomization_dir(path) else { return read_files(path) };
    let manifests = parse(&dir.display().to_string(), &build(context, dir)?)?;
    if manifests.is_empty() {
        return Err(ManifestFileError::NoManifests { path: path.to_owned() });
    }
    Ok(manifests)
}

fn read_files(path: &Path) -> Result<Vec<Manifest>, ManifestFileError> {
    use ManifestFileError as Error;
    if is_chart(path) {
        return Err(Error::HelmChart { dir: path.to_owned() });
    }
    let failed = |path: &Path, source| Error::Read { path: path.to_owned(), source };
    let mut files = Vec::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).map_err(|error| failed(path, error))? {
            let file = entry.map_err(|error| failed(path, error))?.path();
            let extension = file.extension().unwrap_or_default().to_string_lossy().into_owned();
            if file.is_file() && matches!(extension.as_str(), "json" | "yaml" | "yml") {
                files.push(file);
            }
        }
        sort::sort(&mut files);
        if files.is_empty() {
            return Err(Error::NoFiles { path: path.to_owned() });
        }
    } else {
        files.push(path.to_owned());
    }
    let mut manifests = Vec::new();
    for file in &files {
        let size = std::fs::metadata(file).map_err(|error| failed(file, error))?.len();
        if size > MAX_MIB * 1024 * 1024 {
            return Err(Error::TooLarge { path: file.clone() });
        }
        let text = std::fs::read_to_string(file).map_err(|error| failed(file, error))?;
        manifests.extend(parse(&file.display().to_string(), &text).map_err(|source| {
            let is_template = text.contains("{{");
            if is_template { Error::Template { path: file.clone(), source } } else { source.into() }
        })?);
    }
    if manifests.is_empty() {
        return Err(Error::NoManifests { path: path.to_owned() });
    }
    Ok(manifests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn directory_is_read_without_subdirectories_and_other_files() {
        let dir = TempDir::new().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("b.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n");
        write("a.json", r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}"#);
        write("experiment.json", r#"{"title": "t", "description": "d", "method": []}"#);
        write("notes.txt", "{");
        std::fs::create_dir(dir.path().join("sub.yaml")).unwrap();
        let kinds: Vec<_> =
            read_files(dir.path()).unwrap().iter().map(|manifest| manifest.object["kind"].clone()).collect();
        assert_eq!(kinds, ["ConfigMap", "Service"]);
        // a file that is named itself is not skipped
        let error = read_files(&dir.path().join("experiment.json")).err().unwrap();
        assert!(matches!(error, ManifestFileError::NoManifests { .. }), "{error}");
        write("z.yaml", "a: [");
        assert!(read_files(dir.path()).err().unwrap().to_string().contains("z.yaml"));
        assert!(read_files(&dir.path().join("gone")).is_err());
        let empty = TempDir::new().unwrap();
        assert!(matches!(read_files(empty.path()), Err(ManifestFileError::NoFiles { .. })));
    }

    #[test]
    fn charts_and_templates_are_named() {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("chart")).unwrap();
        std::fs::write(dir.path().join("chart/Chart.yaml"), "apiVersion: v2\nname: shop\n").unwrap();
        let error = read_files(&dir.path().join("chart")).err().unwrap();
        assert!(matches!(error, ManifestFileError::HelmChart { .. }), "{error}");
        let hint = error.hint().unwrap();
        assert!(hint.starts_with("render it first: helm template "), "{hint}");
        let path = dir.path().join("web.yaml");
        std::fs::write(&path, "metadata:\n  name: {{ .Values.name }}\n").unwrap();
        assert!(matches!(read_files(&path), Err(ManifestFileError::Template { .. })));
    }
}
