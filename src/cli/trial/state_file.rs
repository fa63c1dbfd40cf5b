//! What a trial is about to do, on disk before it does it: `trial.json`. Floor 3.
//!
//! Who cleans up after a trial that was killed finds its name there.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::error::error_text;
use crate::cli::report_files::replace;

/// The name of the file; a folder that has it was made by a trial.
pub(in crate::cli) const NAME: &str = "trial.json";

/// The file, and what it says.
#[derive(Debug)]
pub(super) struct TrialStateFile {
    path: PathBuf,
    pub(super) content: TrialStateContent,
}

/// What the file says.
#[derive(Debug, Serialize)]
pub(super) struct TrialStateContent {
    pub(super) schema: &'static str,
    /// Tells trials apart; the label of everything that it makes has it.
    pub(super) trial: String,
    pub(super) experiment_hash: String,
    pub(super) cluster: String,
    pub(super) context: Option<String>,
    /// Whether the cluster was part of the program, and went with it.
    pub(super) embedded: bool,
    pub(super) seed: u64,
    pub(super) state: TrialProgress,
    /// Things of the whole cluster: kind and name.
    pub(super) common: Vec<String>,
    pub(super) namespaces: Vec<TrialNamespace>,
    /// In place of namespaces: what is replaced or added, and the Secret that keeps what stood there.
    pub(super) in_place: Option<InPlaceState>,
}

/// What cleaning up takes of it.
#[derive(Debug, Deserialize)]
pub(super) struct RecoveredState {
    pub(super) trial: String,
    pub(super) cluster: String,
    pub(super) context: Option<String>,
    #[serde(default)]
    pub(super) embedded: bool,
    pub(super) state: TrialProgress,
    #[serde(default)]
    pub(super) in_place: Option<InPlaceBackup>,
}

/// What cleaning up takes of a trial in place.
#[derive(Debug, Deserialize)]
pub(super) struct InPlaceBackup {
    pub(super) namespace: String,
    pub(super) digest: Option<String>,
}

/// The longest file that a trial writes, and more.
const MOST_BYTES: u64 = 10 * 1024 * 1024;

impl RecoveredState {
    /// Reads the file of a folder; nothing where there is none. An error says why it cannot be used.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, String> {
        let path = folder.join(NAME);
        let failed = |error: &dyn std::fmt::Display| format!("{} cannot be read: {error}", path.display());
        let file = match std::fs::File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| failed(&error))?,
        };
        let mut text = String::new();
        file.take(MOST_BYTES).read_to_string(&mut text).map_err(|error| failed(&error))?;
        let left: Self = serde_json::from_str(&text).map_err(|error| failed(&error))?;
        // it becomes part of a selector
        let fits = !left.trial.is_empty() && left.trial.chars().all(|c| c.is_ascii_hexdigit());
        if fits { Ok(Some(left)) } else { Err(failed(&"its trial has a name that no trial has")) }
    }
}

/// A trial in place.
#[derive(Debug, Serialize)]
pub(super) struct InPlaceState {
    pub(super) namespace: String,
    pub(super) secret: String,
    /// The digest of what the Secret keeps: by it `recover` knows that it is still what the trial wrote.
    pub(super) digest: String,
    pub(super) changes: Vec<String>,
}

/// How far a trial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TrialProgress {
    /// It goes on, or was killed.
    Running,
    /// Everything that it made is gone.
    Finished,
    /// Something that it made may still be there.
    Left,
}

/// A namespace.
#[derive(Debug, Serialize)]
pub(super) struct TrialNamespace {
    pub(super) name: String,
    pub(super) arm: &'static str,
    pub(super) repeat: u32,
    /// Whether its removal was asked for, and taken.
    pub(super) removed: bool,
}

impl TrialStateFile {
    /// Makes the folder, and the file in it. A folder of an earlier trial is emptied first; any other that has
    /// something in it is refused.
    pub(super) fn create(folder: &Path, content: TrialStateContent) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{} cannot be written: {error}", folder.display());
        let is_used = folder.exists() && std::fs::read_dir(folder).map_err(failed)?.next().is_some();
        if is_used && !folder.join(NAME).is_file() {
            return Err(format!(
                "{} has something in it that is of no trial: name another folder with --output-dir",
                folder.display()
            ));
        }
        if is_used {
            std::fs::remove_dir_all(folder).map_err(failed)?;
        }
        for arm in ["before", "after"] {
            std::fs::create_dir_all(folder.join(arm)).map_err(failed)?;
        }
        let file = Self { path: folder.join(NAME), content };
        file.write()?;
        Ok(file)
    }

    /// Writes what it says now, whole or not at all.
    pub(super) fn write(&self) -> Result<(), String> {
        let mut text = serde_json::to_string_pretty(&self.content).unwrap_or_default();
        text.push('\n');
        replace(&self.path, text.as_bytes()).map_err(error_text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> TrialStateContent {
        TrialStateContent {
            schema: "x",
            trial: "t".to_owned(),
            experiment_hash: String::new(),
            cluster: String::new(),
            context: None,
            embedded: false,
            seed: 1,
            state: TrialProgress::Running,
            common: Vec::new(),
            namespaces: Vec::new(),
            in_place: None,
        }
    }

    #[test]
    fn only_folders_of_trials_are_replaced() {
        let parent = tempfile::TempDir::new().unwrap();
        let folder = parent.path().join("chaos-trial");
        TrialStateFile::create(&folder, content()).unwrap();
        std::fs::write(folder.join("before/journal-1.json"), "old").unwrap();
        let mut again = TrialStateFile::create(&folder, content()).unwrap();
        assert!(!folder.join("before/journal-1.json").exists());
        again.content.state = TrialProgress::Finished;
        again.write().unwrap();
        assert!(std::fs::read_to_string(folder.join(NAME)).unwrap().contains("\"state\": \"finished\""));
        std::fs::remove_file(folder.join(NAME)).unwrap();
        std::fs::write(folder.join("mine"), "precious").unwrap();
        assert!(TrialStateFile::create(&folder, content()).unwrap_err().contains("of no trial"));
        assert!(folder.join("mine").exists());
    }

    #[test]
    fn what_was_written_is_read_again() {
        let parent = tempfile::TempDir::new().unwrap();
        let folder = parent.path().join("chaos-trial");
        assert!(RecoveredState::read(&folder).unwrap().is_none());
        let mut file =
            TrialStateFile::create(&folder, TrialStateContent { trial: "0a1b2c3d".to_owned(), ..content() })
                .unwrap();
        let left = RecoveredState::read(&folder).unwrap().unwrap();
        assert_eq!((left.trial.as_str(), left.state), ("0a1b2c3d", TrialProgress::Running));
        for name in ["", "a,b", "a=b", "../x", "*"] {
            file.content.trial = name.to_owned();
            file.write().unwrap();
            assert!(
                RecoveredState::read(&folder).unwrap_err().contains("a name that no trial has"),
                "{name}"
            );
        }
        std::fs::write(folder.join(NAME), "{}").unwrap();
        assert!(RecoveredState::read(&folder).unwrap_err().contains("trial.json cannot be read"));
    }
}
