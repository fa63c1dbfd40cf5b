//! Output directory of a job: cleared before the run, read after it.
//!
//! A pull request can supply the directory with forged results. Unknown files stop the job, and the outputs contain only
//! files that this kind of run writes.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::args::Ci;
use crate::cli::error::CliError;
use crate::cli::exit_code::ExitStatus;
use crate::cli::results_dir::{ARMS, REPORTS, Trust, journals};
use crate::cli::trial;
use crate::error_code::ErrorCode;
use crate::journal::Record;

/// Journal of a single run.
pub(super) const JOURNAL: &str = "journal.json";
/// Comparison of a trial.
const COMPARISON: &str = "comparison.json";

/// Results of a run or a trial.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct StepOutputs {
    /// Empty if there is no verdict.
    pub(super) verdict: String,
    /// State after the change, for a trial.
    pub(super) after: String,
    pub(super) journals: Vec<PathBuf>,
    /// Reports: name of the output, and file.
    pub(super) reports: Vec<(&'static str, PathBuf)>,
}

fn refused(message: String) -> CliError {
    CliError::new(ErrorCode::CiResultsDirectory, message)
}

/// Removes results of an earlier run, so that they are not taken for results of this one.
///
/// Keeps the state file of a killed trial, which cleanup needs.
pub(super) fn clear_results(args: &Ci) -> Result<(), CliError> {
    let dir = &args.output_dir;
    if std::fs::symlink_metadata(dir).is_err() {
        return Ok(());
    }
    let is_trial_dir = dir.join(trial::STATE_FILE).is_file();
    if is_trial_dir && !args.is_trial() {
        let message = format!("{} contains the results of a trial", dir.display());
        return Err(refused(message).with_hint("choose another --output-dir"));
    }
    let mut obsolete: Vec<PathBuf> = REPORTS.map(|(_, name)| dir.join(name)).into();
    if is_trial_dir {
        obsolete.extend(list_journals(dir)?);
        obsolete.push(dir.join(COMPARISON));
        for arm in ARMS {
            ignore_missing(dir, std::fs::remove_dir_all(dir.join(arm)))?;
        }
    } else {
        if let Some(name) = find_foreign_file(dir, args.is_trial())? {
            let message =
                format!("{} contains {name}, which was not written by kubectl-chaos", dir.display());
            return Err(refused(message).with_hint("remove it or choose another --output-dir"));
        }
        obsolete.push(dir.join(JOURNAL));
    }
    obsolete.into_iter().try_for_each(|path| ignore_missing(dir, std::fs::remove_file(path)))
}

fn list_journals(dir: &Path) -> Result<Vec<PathBuf>, CliError> {
    Ok(journals(dir, Trust::Known)?)
}

fn ignore_missing(dir: &Path, removed: std::io::Result<()>) -> Result<(), CliError> {
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let message = format!("cannot clear directory {}: {error}", dir.display());
            Err(CliError::new(ErrorCode::FileNotWritable, message).with_status(ExitStatus::Usage))
        }
        _ => Ok(()),
    }
}

/// Returns a file that looks like a result but that a single run does not write. A trial needs an empty directory.
fn find_foreign_file(dir: &Path, for_trial: bool) -> Result<Option<String>, CliError> {
    if for_trial {
        let entries = std::fs::read_dir(dir);
        let mut entries =
            entries.map_err(|error| refused(format!("cannot read directory {}: {error}", dir.display())))?;
        let first = entries.find_map(Result::ok);
        return Ok(first.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    }
    if dir.join(COMPARISON).exists() {
        return Ok(Some(COMPARISON.to_owned()));
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
    Ok(names.map(|name| name.display().to_string()).find(|name| name != JOURNAL))
}

impl StepOutputs {
    /// Reads the results that this run wrote to the cleared directory.
    pub(super) fn read(args: &Ci) -> Self {
        let dir = &args.output_dir;
        let exists = |path: &PathBuf| path.is_file();
        let reports = REPORTS.map(|(name, report)| (name, dir.join(report))).into_iter();
        let reports = reports.filter(|(_, path)| exists(path)).collect();
        if !args.is_trial() {
            let journals: Vec<PathBuf> = Some(dir.join(JOURNAL)).filter(exists).into_iter().collect();
            let verdict = journals.first().and_then(|path| read_verdict(path)).unwrap_or_default();
            return Self { verdict, after: String::new(), journals, reports };
        }
        let arm_journals = |arm: &&str| journals(&dir.join(arm), Trust::Known).unwrap_or_default();
        let found = ARMS.iter().flat_map(arm_journals).collect();
        let comparison = std::fs::read_to_string(dir.join(COMPARISON)).ok();
        let comparison: Json =
            comparison.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let text = |key: &str| comparison[key].as_str().unwrap_or_default().to_owned();
        Self { verdict: text("verdict"), after: text("after"), journals: found, reports }
    }

    /// Returns the outputs of the step.
    pub(super) fn outputs(&self) -> Vec<(&'static str, String)> {
        let listed: Vec<String> = self.journals.iter().map(|path| path.display().to_string()).collect();
        let mut pairs = vec![
            ("verdict", self.verdict.clone()),
            ("after", self.after.clone()),
            ("journals", listed.join("\n")),
        ];
        pairs.extend(REPORTS.map(|(name, _)| {
            let found = self.reports.iter().find(|(known, _)| *known == name);
            (name, found.map(|(_, path)| path.display().to_string()).unwrap_or_default())
        }));
        pairs
    }
}

/// Returns the verdict in the journal of a run.
fn read_verdict(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(Record::read("", text).ok()?.content.extension?.verdict?.as_str().to_owned())
}
