//! Runs before the change of an earlier trial, which take the place of runs of this one.
//!
//! The directory may come from a cache or an artifact, so its journals are untrusted.

use std::path::{Path, PathBuf};

use super::TrialJournal;
use crate::app::AppError;
use crate::app::atomic_file::replace;
use crate::app::results_dir::{FoundJournals, ResultsDirError, Trust, find_journals, read_untrusted};
use crate::compare::run_outcome;
use crate::error_code::{Coded, ErrorCode};
use crate::journal::Record;
use crate::trial::Arm;

/// Fewer runs per arm have no error rate.
const MIN_RUNS: usize = 3;
/// Runs that are used at most; the others are left out.
const MAX_RUNS: usize = 10;

/// The runs of an earlier trial cannot be used.
#[derive(Debug, thiserror::Error)]
enum BaselineError {
    #[error("cannot use baseline {}", dir.display())]
    Unreadable { dir: PathBuf, source: ResultsDirError },
    #[error("baseline {} has {valid} valid runs before the change: expected at least {MIN_RUNS}", dir.display())]
    TooFewRuns { dir: PathBuf, valid: usize },
    #[error("baseline run {journal} is of another experiment")]
    OtherExperiment { journal: String },
    #[error("baseline run {journal} is not a run before the change")]
    OtherArm { journal: String },
}

impl Coded for BaselineError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Unreadable { source, .. } => source.code(),
            _ => ErrorCode::TrialBaseline,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreadable { source, .. } => return source.hint(),
            Self::TooFewRuns { .. } => {
                "pass the output directory of a trial with more runs, or pass --before"
            }
            Self::OtherExperiment { .. } => {
                "repeat the trial of the base branch with this experiment, or pass --before"
            }
            Self::OtherArm { .. } => "pass the output directory of a trial",
        };
        Some(hint.to_owned())
    }
}

/// Runs before the change of an earlier trial.
#[derive(Debug, Default)]
pub(super) struct BaselineRuns {
    records: Vec<Record>,
}

/// Reads the runs before the change of a trial's output directory.
pub(super) fn read_baseline(dir: &Path, experiment_hash: &str) -> Result<BaselineRuns, AppError> {
    Ok(read(dir, experiment_hash)?)
}

fn read(dir: &Path, experiment_hash: &str) -> Result<BaselineRuns, BaselineError> {
    let unreadable = |source| BaselineError::Unreadable { dir: dir.to_owned(), source };
    let paths = match find_journals(dir, Trust::Untrusted).map_err(unreadable)? {
        FoundJournals::Arms([before, _]) => before,
        FoundJournals::Runs(_) => Vec::new(),
    };
    let mut records = read_untrusted(&paths).map_err(unreadable)?;
    for record in &records {
        let extension = record.content.extension.as_ref();
        if extension.is_none_or(|extension| extension.experiment_hash != experiment_hash) {
            return Err(BaselineError::OtherExperiment { journal: record.source.clone() });
        }
        let environment = extension.and_then(|extension| extension.environment.as_ref());
        let arm = environment.and_then(|environment| environment.arm.as_deref());
        if arm != Some(Arm::Before.name()) {
            return Err(BaselineError::OtherArm { journal: record.source.clone() });
        }
    }
    records.retain(|record| run_outcome(record).is_ok());
    if records.len() < MIN_RUNS {
        return Err(BaselineError::TooFewRuns { dir: dir.to_owned(), valid: records.len() });
    }
    records.truncate(MAX_RUNS);
    Ok(BaselineRuns { records })
}

impl BaselineRuns {
    /// Returns the number of runs; 0 without a baseline.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.records.len()).unwrap_or(u32::MAX)
    }

    /// Copies the journals to the output directory of this trial, as they are.
    pub(super) fn copy_to(&self, output_dir: &Path) -> Result<(), AppError> {
        for (number, record) in (1..).zip(&self.records) {
            replace(&journal_path(output_dir, number), record.text.as_bytes())?;
        }
        Ok(())
    }

    /// Returns the journals; their sources are the copies in the output directory.
    pub(super) fn into_journals(self, output_dir: &Path) -> Vec<TrialJournal> {
        let journal = |(number, mut record): (u32, Record)| {
            record.source = journal_path(output_dir, number).display().to_string();
            TrialJournal { arm: Arm::Before, order: (number, number), record }
        };
        (1..).zip(self.records).map(journal).collect()
    }
}

fn journal_path(output_dir: &Path, number: u32) -> PathBuf {
    output_dir.join(Arm::Before.name()).join(format!("journal-{number}.json"))
}
