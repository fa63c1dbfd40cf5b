//! The base branch's copy of an experiment: tells whether a pull request changes the experiment.

use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::error_code::{Coded, ErrorCode};
use crate::experiment::document::{self, MAX_BYTES};
use crate::experiment::{hash_experiment, json, yaml};

/// An experiment cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.summary())]
pub(crate) struct UnreadableExperiment(Box<Diagnostic>);

impl Coded for UnreadableExperiment {
    fn code(&self) -> ErrorCode {
        ErrorCode::ExperimentNotReadable
    }
}

/// Hash of an experiment; none if there is no experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExperimentHash(Option<String>);

/// Returns the hash of the experiment in a file.
pub(crate) fn hash_of(path: &Path) -> Result<ExperimentHash, UnreadableExperiment> {
    let name = path.display().to_string();
    if !path.exists() {
        return Ok(ExperimentHash(None));
    }
    let document = read(path, &name).map_err(|diagnostic| UnreadableExperiment(Box::new(diagnostic)))?;
    Ok(ExperimentHash(Some(hash_experiment(&document.root.to_value()))))
}

/// Reads an experiment from a file.
pub(crate) fn read(path: &Path, name: &str) -> Result<document::Document, Diagnostic> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| Diagnostic::for_file(name, format!("cannot read the file: {error}"));
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    let text = document::decode(&bytes, name)?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    if is_json { json::read(text, name) } else { yaml::read(text, name) }
}

/// Branch whose copy is the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HashReference {
    /// The base branch of the pull request.
    Base,
    /// The branch of the publishing workflow: usually the default branch, whatever the base of the pull request.
    Publisher,
}

impl ExperimentHash {
    /// Describes the difference to the copy of the pull request; `None` if they are equal.
    pub(crate) fn changed_by(&self, other: &Self, reference: HashReference) -> Option<String> {
        let (branch, alternative) = match reference {
            HashReference::Base => ("the base branch", ""),
            HashReference::Publisher => ("the publishing branch", ", or its base branch has another version"),
        };
        match (&self.0, &other.0) {
            (Some(base), Some(head)) if base == head => None,
            (None, _) => {
                Some(format!("the experiment is not on {branch}: this pull request adds it{alternative}"))
            }
            _ => Some(format!(
                "the experiment differs from {branch}: this pull request changes its activities or probes{alternative}"
            )),
        }
    }

    /// Creates the hash that a journal records.
    pub(crate) fn of_a_journal(hash: String) -> Self {
        Self(Some(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_by_ignores_title_and_format() {
        let dir = tempfile::tempdir().unwrap();
        let hash = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            hash_of(&path).unwrap()
        };
        let base = hash("a.json", r#"{"title": "t", "method": [{"name": "a"}]}"#);
        let unchanged = hash("b.yaml", "title: other\nmethod: [{name: a}]\n");
        let other = hash("c.yaml", "title: t\nmethod: [{name: b}]\n");
        let missing = hash_of(&dir.path().join("none")).unwrap();
        for (reference, branch) in
            [(HashReference::Base, "the base branch"), (HashReference::Publisher, "the publishing branch")]
        {
            assert_eq!(base.changed_by(&unchanged, reference), None);
            let changed = base.changed_by(&other, reference).unwrap();
            assert!(
                changed.contains(branch) && changed.contains("changes its activities or probes"),
                "{changed}"
            );
            let added = missing.changed_by(&base, reference).unwrap();
            assert!(added.contains(branch) && added.contains("adds it"), "{added}");
        }
        std::fs::write(dir.path().join("broken.json"), "{").unwrap();
        assert!(hash_of(&dir.path().join("broken.json")).unwrap_err().to_string().contains("broken JSON"));
    }
}
