//! The base branch's copy of an experiment: whether a pull request has changed what is measured. Floor 3.

use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::experiment::document::{self, MAX_BYTES};
use crate::experiment::{hash_experiment, json, yaml};

/// What is known of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExperimentHash(Option<String>);

/// Reads the identity of an experiment. One that is not there has none. An error says why it cannot be read.
pub(super) fn hash_of(path: &Path) -> Result<ExperimentHash, String> {
    let shown = path.display().to_string();
    if !path.exists() {
        return Ok(ExperimentHash(None));
    }
    let document = read(path, &shown).map_err(|fault| fault.to_string())?;
    Ok(ExperimentHash(Some(hash_experiment(&document.root.to_value()))))
}

/// Reads an experiment from a file.
pub(super) fn read(path: &Path, shown: &str) -> Result<document::Document, Diagnostic> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| Diagnostic::for_file(shown, format!("cannot be read: {error}"));
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    let text = document::decode(&bytes, shown)?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    if is_json { json::read(text, shown) } else { yaml::read(text, shown) }
}

/// Whose copy it is that others are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HashReference {
    /// The branch that a pull request is for.
    Base,
    /// The branch that a workflow runs for which publishes for others: as a rule the default one, whatever their pull
    /// requests are for.
    Publisher,
}

impl ExperimentHash {
    /// What there is to say where another one is not the same.
    pub(super) fn changed_by(&self, other: &Self, whose: HashReference) -> Option<String> {
        let (branch, or_else) = match whose {
            HashReference::Base => ("the base branch", ""),
            HashReference::Publisher => {
                ("the branch that this was published from", ", or it is for a branch that has another one")
            }
        };
        match (&self.0, &other.0) {
            (Some(base), Some(ours)) if base == ours => None,
            (None, _) => {
                Some(format!("the experiment is not on {branch}: this pull request brings it along{or_else}"))
            }
            _ => Some(format!(
                "the experiment is not the one of {branch}: this pull request changes what is done or \
                 measured{or_else}"
            )),
        }
    }

    /// The same of what a journal says.
    pub(super) fn of_a_journal(hash: String) -> Self {
        Self(Some(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_done_or_measured_counts() {
        let folder = tempfile::tempdir().unwrap();
        let identity = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            hash_of(&path).unwrap()
        };
        let base = identity("a.json", r#"{"title": "t", "method": [{"name": "a"}]}"#);
        let same = identity("b.yaml", "title: other\nmethod: [{name: a}]\n");
        let other = identity("c.yaml", "title: t\nmethod: [{name: b}]\n");
        let none = hash_of(&folder.path().join("none")).unwrap();
        for (whose, branch) in
            [(HashReference::Base, "the base branch"), (HashReference::Publisher, "published from")]
        {
            assert_eq!(base.changed_by(&same, whose), None);
            let changed = base.changed_by(&other, whose).unwrap();
            assert!(
                changed.contains(branch) && changed.contains("changes what is done or measured"),
                "{changed}"
            );
            let added = none.changed_by(&base, whose).unwrap();
            assert!(added.contains(branch) && added.contains("brings it along"), "{added}");
        }
        std::fs::write(folder.path().join("broken.json"), "{").unwrap();
        assert!(hash_of(&folder.path().join("broken.json")).unwrap_err().contains("broken JSON"));
    }
}
