//! The journals that are published, and what they come to. Floor 3.

use std::path::PathBuf;

use super::PublishRefusal;
use super::args::Publish;
use crate::cli::base_experiment::ExperimentHash;
use crate::cli::ci::OUTPUT_DIR;
use crate::cli::env_inputs::variable;
use crate::cli::error::error_text;
use crate::cli::exit_code::ExitStatus;
use crate::cli::results_dir::{FoundJournals, Trust, climbs, look, read_carefully};
use crate::cli::{CommandContext, load_journals};
use crate::compare::{AfterOutcome, ComparisonVerdict, RunComparison, compare};
use crate::experiment::hash_experiment;
use crate::journal::Record;
use crate::report::ReportSummary;
use crate::report::summary::{RunSummary, Sentiment};

/// The word in place of one that is not known: it may be anything, and becomes an output.
const NOT_KNOWN: &str = "unknown";
/// Words for what runs come to, the most serious first. One that is not known is more serious than any.
const GRAVITY: [&str; 13] = [
    "rollback-incomplete",
    "interrupted",
    "stopped",
    "aborted",
    "failed",
    "action-not-confirmed",
    "unfinished",
    "baseline-not-met",
    "undecided",
    "deviated",
    "dry",
    "explored",
    "held",
];

/// What is published.
pub(super) struct PublishedResults {
    /// Where the journals are, for outputs.
    pub(super) paths: Vec<PathBuf>,
    /// The folder that they are in, where one was named.
    pub(super) folder: Option<PathBuf>,
    pub(super) records: Vec<Record>,
    pub(super) comparison: Option<RunComparison>,
    pub(super) summary: ReportSummary,
    /// One arm alone has journals.
    pub(super) half: bool,
}

/// Finds and reads the journals. Nothing where there are none.
pub(super) fn read(
    session: &CommandContext,
    args: &Publish,
    hand: Trust,
) -> Result<Option<PublishedResults>, PublishRefusal> {
    let refused = |error: String| (ExitStatus::Invalid, error);
    let given = given(session, args);
    if hand == Trust::Unknown
        && let Some(path) = given.iter().find(|path| climbs(path))
    {
        return Err((
            ExitStatus::Usage,
            format!("{}: a path to an artifact has no .. in it", path.display()),
        ));
    }
    let folder = match given.as_slice() {
        // a folder that ought to be there may not have been made
        [one] if one.is_dir() || args.paths.is_empty() => Some(one.clone()),
        several if several.iter().any(|path| path.is_dir()) => {
            return Err((
                ExitStatus::Usage,
                "journals are named one by one, or one folder is named".to_owned(),
            ));
        }
        _ => None,
    };
    let found = match &folder {
        None => FoundJournals::Runs(given),
        Some(folder) if std::fs::symlink_metadata(folder).is_err() => return Ok(None),
        Some(folder) => look(folder, hand).map_err(error_text).map_err(refused)?,
    };
    let paths = found.all();
    if paths.is_empty() {
        return Ok(None);
    }
    let records = match hand {
        Trust::Unknown => read_carefully(&paths).map_err(error_text),
        Trust::Known => load_journals::load_all(&paths).map_err(error_text),
    };
    let records = records.map_err(refused)?;
    let comparison = match &found {
        FoundJournals::Arms([before, after]) if !before.is_empty() && !after.is_empty() => {
            let (before, after) = records.split_at(before.len());
            let options = args.rules.options(session.connection.seed());
            Some(compare(before, after, &options).map_err(|error| refused(error.to_string()))?)
        }
        _ => None,
    };
    let summary = ReportSummary::from_records(&records, comparison.as_ref());
    let half = comparison.is_none() && matches!(found, FoundJournals::Arms(_));
    Ok(Some(PublishedResults { paths, folder, records, comparison, summary, half }))
}

fn given(session: &CommandContext, args: &Publish) -> Vec<PathBuf> {
    if !args.paths.is_empty() {
        return args.paths.clone();
    }
    let input = session.environment.get(&variable("output-dir")).filter(|folder| !folder.trim().is_empty());
    vec![PathBuf::from(input.as_deref().map_or(OUTPUT_DIR, str::trim))]
}

impl PublishedResults {
    /// What it came to, and how the experiment ends with the change.
    pub(super) fn verdict(&self) -> (String, String) {
        match &self.comparison {
            Some(comparison) => (comparison.verdict.name().to_owned(), comparison.after.name().to_owned()),
            None => (gravest(&self.summary), String::new()),
        }
    }

    /// The same in a word for machines.
    pub(super) fn state(&self) -> String {
        let (verdict, after) = self.verdict();
        if after.is_empty() { verdict } else { format!("{verdict}/{after}") }
    }

    /// Whether something is not as it should be.
    pub(super) fn is_a_failure(&self) -> bool {
        match &self.comparison {
            Some(comparison) => {
                matches!(comparison.verdict, ComparisonVerdict::Broken | ComparisonVerdict::Regressed)
                    || matches!(comparison.after, AfterOutcome::Fails | AfterOutcome::Mixed)
            }
            None => self.summary.sentiment() == Sentiment::Bad,
        }
    }

    /// Which experiments ran.
    pub(super) fn identities(&self) -> impl Iterator<Item = ExperimentHash> {
        self.records.iter().map(|record| {
            let own = record.content.extension.as_ref().map(|extension| extension.experiment_hash.clone());
            let said = own.filter(|hash| !hash.is_empty());
            ExperimentHash::of_a_journal(said.unwrap_or_else(|| hash_experiment(&record.content.experiment)))
        })
    }
}

/// Of several runs the most serious word.
fn gravest(summary: &ReportSummary) -> String {
    let gravity = |run: &RunSummary| GRAVITY.iter().position(|known| *known == run.verdict);
    // none comes before any
    let word = summary.runs.iter().map(gravity).min().map(|at| at.map_or(NOT_KNOWN, |at| GRAVITY[at]));
    word.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_several_runs_the_most_serious_counts() {
        let record = |verdict: &str| {
            let own = json!({"schema": 1, "finished": true, "verdict": verdict});
            let journal = json!({"experiment": {"title": "t"}, "status": "completed", "kubectl-chaos": own});
            Record::read("j", journal.to_string()).unwrap()
        };
        let check = |verdicts: &[&str], expected: &str| {
            let records: Vec<Record> = verdicts.iter().map(|verdict| record(verdict)).collect();
            assert_eq!(gravest(&ReportSummary::from_records(&records, None)), expected);
        };
        check(&["held", "deviated", "held"], "deviated");
        check(&["held", "dry"], "dry");
        check(&["rollback-incomplete", "deviated"], "rollback-incomplete");
        check(&["held", "new word"], "unknown");
        check(&["held\nafter=x\n::error::pwn"], "unknown");
        check(&[], "");
    }
}
