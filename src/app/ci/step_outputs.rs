//! Output directory of a job: cleared before the run, read after it.
//!
//! A pull request can supply the directory with forged results. Unknown files stop the job, and the outputs contain only
//! files that this kind of run writes.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::app::results_dir::{ARMS, REPORTS, Trust, journals};
use crate::app::trial::COMPARISON_FILE;
use crate::app::trial::state_file::FILE_NAME;
use crate::app::{AppError, Outcome};
use crate::error_code::ErrorCode;
use crate::journal::Record;

/// Journal of a single run.
pub(crate) const JOURNAL_FILE: &str = "journal.json";

/// Results of a run or a trial.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct StepOutputs {
    /// Empty if there is no verdict.
    verdict: String,
    /// State after the change, for a trial.
    after: String,
    journals: Vec<PathBuf>,
    /// Reports: name of the output, and file.
    reports: Vec<(&'static str, PathBuf)>,
}

fn refused(message: String) -> AppError {
    AppError::new(ErrorCode::CiResultsDirectory, message)
}

/// Removes results of an earlier run, so that they are not taken for results of this one.
///
/// Keeps the state file of a killed trial, which cleanup needs.
pub(crate) fn clear_results(dir: &Path, is_trial: bool) -> Result<(), AppError> {
    if std::fs::symlink_metadata(dir).is_err() {
        return Ok(());
    }
    let is_trial_dir = dir.join(FILE_NAME).is_file();
    if is_trial_dir && !is_trial {
        let message = format!("{} contains the results of a trial", dir.display());
        return Err(refused(message).with_hint("choose another --output-dir"));
    }
    let mut obsolete: Vec<PathBuf> = REPORTS.map(|(_, name)| dir.join(name)).into();
    if is_trial_dir {
        obsolete.extend(list_journals(dir)?);
        obsolete.push(dir.join(COMPARISON_FILE));
        for arm in ARMS {
            ignore_missing(dir, std::fs::remove_dir_all(dir.join(arm)))?;
        }
    } else {
        if let Some(name) = find_foreign_file(dir, is_trial)? {
            let message =
                format!("{} contains {name}, which was not written by kubectl-chaos", dir.display());
            return Err(refused(message).with_hint("remove it or choose another --output-dir"));
        }
        obsolete.push(dir.join(JOURNAL_FILE));
    }
    obsolete.into_iter().try_for_each(|path| ignore_missing(dir, std::fs::remove_file(path)))
}

fn list_journals(dir: &Path) -> Result<Vec<PathBuf>, AppError> {
    Ok(journals(dir, Trust::Trusted)?)
}

fn ignore_missing(dir: &Path, removed: std::io::Result<()>) -> Result<(), AppError> {
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let message = format!("cannot clear directory {}: {error}", dir.display());
            Err(AppError::new(ErrorCode::FileNotWritable, message).with_outcome(Outcome::Usage))
        }
        _ => Ok(()),
    }
}

/// Returns a file that looks like a result but that a single run does not write. A trial needs an empty directory.
fn find_foreign_file(dir: &Path, for_trial: bool) -> Result<Option<String>, AppError> {
    if for_trial {
        let entries = std::fs::read_dir(dir);
        let mut entries =
            entries.map_err(|error| refused(format!("cannot read directory {}: {error}", dir.display())))?;
        let first = entries.find_map(Result::ok);
        return Ok(first.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    }
    if dir.join(COMPARISON_FILE).exists() {
        return Ok(Some(COMPARISON_FILE.to_owned()));
    }
    for arm in ARMS {
        let path = dir.join(arm);
        let is_foreign = path.exists() && (!path.is_dir() || !list_journals(&path)?.is_empty());
        if is_foreign {
            return Ok(Some(arm.to_owned()));
        }
    }
    let names = list_journals(dir)?
        .into_iter()
        .filter_map(|path| path.file_name().map(Path::new).map(Path::to_owned));
    Ok(names.map(|name| name.display().to_string()).find(|name| name != JOURNAL_FILE))
}

impl StepOutputs {
    /// Reads the results that this run wrote to the cleared directory.
    pub(crate) fn read(dir: &Path, is_trial: bool) -> Self {
        let exists = |path: &PathBuf| path.is_file();
        let reports = REPORTS.map(|(name, report)| (name, dir.join(report))).into_iter();
        let reports = reports.filter(|(_, path)| exists(path)).collect();
        if !is_trial {
            let journals: Vec<PathBuf> = Some(dir.join(JOURNAL_FILE)).filter(exists).into_iter().collect();
            let verdict = journals.first().and_then(|path| read_verdict(path)).unwrap_or_default();
            return Self { verdict, after: String::new(), journals, reports };
        }
        let arm_journals = |arm: &&str| journals(&dir.join(arm), Trust::Trusted).unwrap_or_default();
        let journals = ARMS.iter().flat_map(arm_journals).collect();
        let comparison = std::fs::read_to_string(dir.join(COMPARISON_FILE)).ok();
        let comparison: Json =
            comparison.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let text = |key: &str| comparison[key].as_str().unwrap_or_default().to_owned();
        Self { verdict: text("verdict"), after: text("after"), journals, reports }
    }

    /// Returns the outputs of the step.
    pub(crate) fn to_pairs(&self) -> Vec<(&'static str, String)> {
        let paths: Vec<String> = self.journals.iter().map(|path| path.display().to_string()).collect();
        let mut pairs = vec![
            ("verdict", self.verdict.clone()),
            ("after", self.after.clone()),
            ("journals", paths.join("\n")),
        ];
        pairs.extend(REPORTS.map(|(name, _)| {
            let report = self.reports.iter().find(|(report_name, _)| *report_name == name);
            (name, report.map(|(_, path)| path.display().to_string()).unwrap_or_default())
        }));
        pairs
    }
}

/// Returns the verdict in the journal of a run.
fn read_verdict(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(Record::read("", text).ok()?.content.extension?.verdict?.as_str().to_owned())
}
