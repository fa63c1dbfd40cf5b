//! The folder that a job leaves its results in: emptied of what an earlier run left, and looked at when this one is
//! over. Floor 3.
//!
//! A pull request can bring the folder along, with results in it that say whatever it likes. What no run of ours can have
//! left there is not touched, and nothing runs; and what is told afterwards is only what this kind of run writes.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::args::Ci;
use crate::cli::error::error_text;
use crate::cli::results_dir::{ARMS, REPORTS, Trust, journals};
use crate::cli::trial;
use crate::journal::Record;

/// The journal of a single run.
pub(super) const JOURNAL: &str = "journal.json";
/// What a trial came to.
const COMPARISON: &str = "comparison.json";

/// What a run or a trial left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct StepOutputs {
    /// The verdict; nothing where it came to none.
    pub(super) verdict: String,
    /// How a trial ends with the change.
    pub(super) after: String,
    /// The journals.
    pub(super) journals: Vec<PathBuf>,
    /// The reports: the output that names one, and its file.
    pub(super) reports: Vec<(&'static str, PathBuf)>,
}

/// Removes what an earlier run or trial left in the folder: nobody is to take that for what this one came to. What
/// cleaning up after a killed trial takes stays. An error says what is in the way.
pub(super) fn clear(args: &Ci) -> Result<(), String> {
    let folder = &args.output_dir;
    if std::fs::symlink_metadata(folder).is_err() {
        return Ok(());
    }
    let of_a_trial = folder.join(trial::RECORD).is_file();
    if of_a_trial && !args.is_trial() {
        return Err(format!(
            "{} has the results of a trial in it: name another folder with --output-dir",
            folder.display()
        ));
    }
    let mut left: Vec<PathBuf> = REPORTS.map(|(_, name)| folder.join(name)).into();
    if of_a_trial {
        left.extend(journals(folder, Trust::Known).map_err(error_text)?);
        left.push(folder.join(COMPARISON));
        for arm in ARMS {
            gone(folder, std::fs::remove_dir_all(folder.join(arm)))?;
        }
    } else {
        if let Some(what) = foreign(folder, args.is_trial())? {
            return Err(format!(
                "{} has {what} in it, which no run has left there: remove it, or name another folder with --output-dir",
                folder.display()
            ));
        }
        left.push(folder.join(JOURNAL));
    }
    left.into_iter().try_for_each(|path| gone(folder, std::fs::remove_file(path)))
}

fn gone(folder: &Path, removed: std::io::Result<()>) -> Result<(), String> {
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{} cannot be written: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Something that looks like a result, in a folder without the record that every trial leaves, and that a single run
/// does not leave. A trial wants a folder to itself.
fn foreign(folder: &Path, for_a_trial: bool) -> Result<Option<String>, String> {
    if for_a_trial {
        let entries = std::fs::read_dir(folder);
        let mut entries = entries.map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
        let first = entries.find_map(Result::ok);
        return Ok(first.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    }
    if folder.join(COMPARISON).exists() {
        return Ok(Some(COMPARISON.to_owned()));
    }
    for arm in ARMS {
        let path = folder.join(arm);
        let is_one = path.exists()
            && (!path.is_dir() || !journals(&path, Trust::Known).map_err(error_text)?.is_empty());
        if is_one {
            return Ok(Some(arm.to_owned()));
        }
    }
    let others = journals(folder, Trust::Known)
        .map_err(error_text)?
        .into_iter()
        .filter_map(|path| path.file_name().map(Path::new).map(Path::to_owned));
    Ok(others.map(|name| name.display().to_string()).find(|name| name != JOURNAL))
}

impl StepOutputs {
    /// What this run left in a folder that was cleared before it began.
    pub(super) fn read(args: &Ci) -> Self {
        let folder = &args.output_dir;
        let there = |path: &PathBuf| path.is_file();
        let reports = REPORTS.map(|(name, report)| (name, folder.join(report))).into_iter();
        let reports = reports.filter(|(_, path)| there(path)).collect();
        if !args.is_trial() {
            let journals: Vec<PathBuf> = Some(folder.join(JOURNAL)).filter(there).into_iter().collect();
            let verdict = journals.first().and_then(|path| of_a_run(path)).unwrap_or_default();
            return Self { verdict, after: String::new(), journals, reports };
        }
        let of_arm = |arm: &&str| journals(&folder.join(arm), Trust::Known).unwrap_or_default();
        let found = ARMS.iter().flat_map(of_arm).collect();
        let comparison = std::fs::read_to_string(folder.join(COMPARISON)).ok();
        let comparison: Json =
            comparison.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let text = |key: &str| comparison[key].as_str().unwrap_or_default().to_owned();
        Self { verdict: text("verdict"), after: text("after"), journals: found, reports }
    }

    /// The outputs of a step, in text.
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

/// The verdict of a run, by its journal.
fn of_a_run(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(Record::read("", text).ok()?.content.extension?.verdict?.as_str().to_owned())
}
