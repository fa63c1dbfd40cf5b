//! State of a trial on disk: `trial.json`. It records each change before the trial applies it.
//!
//! `recover --from` reads it to clean up after a killed trial.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::app::atomic_file::{WriteError, replace};
use crate::app::output_lock::{OutputInUse, OutputLock, is_lock_file};
use crate::app::{AppError, Outcome};
use crate::error_code::{Coded, ErrorCode};
use crate::journal::{DesignKind, RunPhaseTimes};
use crate::trial::{Concurrency, Repetition};

/// Name of the file; it identifies the directory of a trial.
pub(crate) const FILE_NAME: &str = "trial.json";

/// Error of the state file or its directory.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error("cannot read {}", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot parse {}", .path.display())]
    Parse {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{}: invalid trial ID '{trial}': expected hexadecimal digits", .path.display())]
    InvalidTrial { path: PathBuf, trial: String },
    #[error("cannot write directory {}", .dir.display())]
    Directory {
        dir: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("directory {} is not empty and contains files that are not of a trial", .dir.display())]
    ForeignDirectory { dir: PathBuf },
    #[error("directory {} is being written by another run or trial", .dir.display())]
    InUse { dir: PathBuf },
    #[error("the trial in directory {} is still running", .dir.display())]
    StillRunning { dir: PathBuf },
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Coded for StateError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Directory { .. } | Self::Write(_) => ErrorCode::FileNotWritable,
            Self::InUse { .. } | Self::StillRunning { .. } => ErrorCode::FileConflict,
            _ => ErrorCode::TrialState,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::ForeignDirectory { .. } | Self::InUse { .. } => {
                Some("choose another --output-dir".to_owned())
            }
            Self::StillRunning { .. } => Some("wait until it ends, or stop it first".to_owned()),
            _ => None,
        }
    }
}

/// The file with its content.
#[derive(Debug)]
pub(super) struct TrialStateFile {
    path: PathBuf,
    pub(super) content: TrialStateContent,
}

#[derive(Debug, Serialize)]
pub(super) struct TrialStateContent {
    pub(super) schema: &'static str,
    /// Trial ID; the value of the label on everything that the trial creates.
    pub(super) trial: String,
    pub(super) experiment_hash: String,
    pub(super) cluster: String,
    pub(super) context: Option<String>,
    /// Whether the cluster was embedded and ended with the process.
    pub(super) embedded: bool,
    pub(super) seed: u64,
    pub(super) state: TrialProgress,
    pub(super) design: DesignState,
    /// Runs that ended, in the order of their ends.
    pub(super) runs: Vec<TrialRunState>,
    /// Complete pairs of an automatic design.
    pub(super) pairs: u32,
    /// Why an automatic design ended.
    pub(super) end: Option<String>,
    /// Cluster-scoped objects: kind and name.
    pub(super) common: Vec<String>,
    pub(super) namespaces: Vec<TrialNamespace>,
    /// For a trial in place: its changes, and the Secret with the backup.
    pub(super) in_place: Option<InPlaceState>,
}

/// Part of the content that `recover` needs.
#[derive(Debug, Deserialize)]
pub(crate) struct RecoveredState {
    pub(crate) trial: String,
    pub(crate) cluster: String,
    pub(crate) context: Option<String>,
    #[serde(default)]
    pub(crate) embedded: bool,
    pub(crate) state: TrialProgress,
    #[serde(default)]
    pub(crate) in_place: Option<InPlaceBackup>,
}

/// Part of the in-place state that `recover` needs.
#[derive(Debug, Deserialize)]
pub(crate) struct InPlaceBackup {
    pub(crate) namespace: String,
    pub(crate) digest: Option<String>,
}

/// Maximum size that is read; a trial writes less.
const MAX_BYTES: u64 = 10 * 1024 * 1024;

impl RecoveredState {
    /// Reads the file of a directory; `None` if it does not exist.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, StateError> {
        let path = dir.join(FILE_NAME);
        let failed = |source: io::Error| StateError::Read { path: path.clone(), source };
        let file = match std::fs::File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let mut text = String::new();
        file.take(MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
        let state: Self =
            serde_json::from_str(&text).map_err(|source| StateError::Parse { path: path.clone(), source })?;
        // the ID becomes part of a label selector
        if is_trial_id(&state.trial) {
            Ok(Some(state))
        } else {
            Err(StateError::InvalidTrial { path, trial: state.trial })
        }
    }
}

/// Returns whether the text can be a trial ID: hexadecimal digits.
pub(crate) fn is_trial_id(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// State of a trial in place.
#[derive(Debug, Serialize)]
pub(super) struct InPlaceState {
    pub(super) namespace: String,
    pub(super) secret: String,
    /// Digest of the backup; it lets `recover` verify the Secret.
    pub(super) digest: String,
    pub(super) changes: Vec<String>,
}

/// Progress of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TrialProgress {
    /// In progress, or killed.
    Running,
    /// Everything is deleted or restored.
    Finished,
    /// Objects of the trial can still exist.
    CleanupIncomplete,
}

/// How many runs a trial has, decided before the first one.
#[derive(Debug, Serialize)]
pub(super) struct DesignState {
    kind: DesignKind,
    /// Pairs of a fixed design, or the maximum of an automatic one.
    max_pairs: u32,
    /// Pairs that run at once; 0 if one run follows the other.
    parallel: u32,
}

impl DesignState {
    pub(super) fn new(repetition: Repetition, concurrency: Concurrency) -> Self {
        Self {
            kind: match repetition {
                Repetition::Fixed(_) => DesignKind::Fixed,
                Repetition::Auto { .. } => DesignKind::Auto,
            },
            max_pairs: repetition.max_pairs(),
            parallel: match concurrency {
                Concurrency::Sequential => 0,
                Concurrency::Pairs(pairs) => pairs,
            },
        }
    }
}

/// Run that ended.
#[derive(Debug, Serialize)]
pub(super) struct TrialRunState {
    pub(super) arm: &'static str,
    pub(super) pair: u32,
    pub(super) repeat: u32,
    pub(super) run_id: String,
    /// `held`, `failed` or `void`.
    pub(super) outcome: &'static str,
    pub(super) phases: Option<RunPhaseTimes>,
    /// Seconds until the namespace was deleted.
    pub(super) removal: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(super) struct TrialNamespace {
    pub(super) name: String,
    pub(super) arm: &'static str,
    pub(super) repeat: u32,
    pub(super) pair: u32,
    /// Whether the API server accepted its deletion.
    pub(super) removed: bool,
}

/// Locks the output directory of a trial or a job, which may not exist yet.
pub(crate) fn lock_output_dir(dir: &Path) -> Result<OutputLock, AppError> {
    let failed = |source: io::Error| StateError::Directory { dir: dir.to_owned(), source };
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(|source| usage(failed(source)))?;
    }
    OutputLock::acquire(dir).map_err(|OutputInUse| usage(StateError::InUse { dir: dir.to_owned() }))
}

/// Locks the directory of a trial that has ended or was killed.
pub(crate) fn lock_ended_trial(dir: &Path) -> Result<OutputLock, AppError> {
    OutputLock::acquire(dir).map_err(|OutputInUse| usage(StateError::StillRunning { dir: dir.to_owned() }))
}

/// Nothing was changed yet.
fn usage(error: StateError) -> AppError {
    AppError::from(error).with_outcome(Outcome::Usage)
}

impl TrialStateFile {
    /// Creates the directory and the file. Empties the directory of an earlier trial; refuses any other non-empty one.
    pub(super) fn create(dir: &Path, content: TrialStateContent) -> Result<Self, StateError> {
        let failed = |source: io::Error| StateError::Directory { dir: dir.to_owned(), source };
        // a report in the directory is locked before the trial starts
        let is_result =
            |entry: io::Result<std::fs::DirEntry>| entry.is_ok_and(|e| !is_lock_file(&e.file_name()));
        let is_used = dir.exists() && std::fs::read_dir(dir).map_err(failed)?.any(is_result);
        if is_used && !dir.join(FILE_NAME).is_file() {
            return Err(StateError::ForeignDirectory { dir: dir.to_owned() });
        }
        if is_used {
            std::fs::remove_dir_all(dir).map_err(failed)?;
        }
        for arm in ["before", "after"] {
            std::fs::create_dir_all(dir.join(arm)).map_err(failed)?;
        }
        let file = Self { path: dir.join(FILE_NAME), content };
        file.write()?;
        Ok(file)
    }

    /// Replaces the file atomically with the current content.
    pub(super) fn write(&self) -> Result<(), StateError> {
        let mut text = serde_json::to_string_pretty(&self.content).unwrap_or_default();
        text.push('\n');
        Ok(replace(&self.path, text.as_bytes())?)
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
            design: DesignState::new(Repetition::Fixed(1), Concurrency::Sequential),
            runs: Vec::new(),
            pairs: 0,
            end: None,
            common: Vec::new(),
            namespaces: Vec::new(),
            in_place: None,
        }
    }

    #[test]
    fn only_directories_of_trials_are_replaced() {
        let parent = tempfile::TempDir::new().unwrap();
        let dir = parent.path().join("chaos-trial");
        TrialStateFile::create(&dir, content()).unwrap();
        std::fs::write(dir.join("before/journal-1.json"), "old").unwrap();
        let mut again = TrialStateFile::create(&dir, content()).unwrap();
        assert!(!dir.join("before/journal-1.json").exists());
        again.content.state = TrialProgress::Finished;
        again.write().unwrap();
        assert!(std::fs::read_to_string(dir.join(FILE_NAME)).unwrap().contains("\"state\": \"finished\""));
        std::fs::remove_file(dir.join(FILE_NAME)).unwrap();
        std::fs::write(dir.join("mine"), "precious").unwrap();
        let refused = TrialStateFile::create(&dir, content()).unwrap_err();
        assert!(matches!(refused, StateError::ForeignDirectory { .. }), "{refused}");
        assert!(dir.join("mine").exists());
    }

    #[test]
    fn written_state_is_read_back() {
        let parent = tempfile::TempDir::new().unwrap();
        let dir = parent.path().join("chaos-trial");
        assert!(RecoveredState::read(&dir).unwrap().is_none());
        let mut file =
            TrialStateFile::create(&dir, TrialStateContent { trial: "0a1b2c3d".to_owned(), ..content() })
                .unwrap();
        let state = RecoveredState::read(&dir).unwrap().unwrap();
        assert_eq!((state.trial.as_str(), state.state), ("0a1b2c3d", TrialProgress::Running));
        for name in ["", "a,b", "a=b", "../x", "*"] {
            file.content.trial = name.to_owned();
            file.write().unwrap();
            assert!(
                matches!(RecoveredState::read(&dir).unwrap_err(), StateError::InvalidTrial { .. }),
                "{name}"
            );
        }
        std::fs::write(dir.join(FILE_NAME), "{}").unwrap();
        assert!(matches!(RecoveredState::read(&dir).unwrap_err(), StateError::Parse { .. }));
    }
}
