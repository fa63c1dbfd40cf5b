//! Reads the journals to publish, and determines the result.

use std::path::PathBuf;

use super::PublishRequest;
use crate::app::base_experiment::ExperimentHash;
use crate::app::comparison::compare_records;
use crate::app::results_dir::{FoundJournals, Trust, climbs, look, read_carefully};
use crate::app::{AppContext, AppError, Outcome, load_journals};
use crate::compare::{AfterOutcome, ComparisonVerdict, RunComparison};
use crate::error_code::ErrorCode;
use crate::experiment::hash_experiment;
use crate::journal::Record;
use crate::report::ReportSummary;
use crate::report::summary::{RunSummary, Sentiment};

/// Replaces an unknown verdict, which is untrusted text and would become an output.
const UNKNOWN_VERDICT: &str = "unknown";
/// Verdicts of runs, worst first. An unknown verdict is worse than any.
const VERDICTS_BY_SEVERITY: [&str; 13] = [
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

/// Results to publish.
pub(super) struct PublishedResults {
    /// Paths of the journals, for outputs.
    pub(super) paths: Vec<PathBuf>,
    /// Directory of the journals, unless they are listed one by one.
    pub(super) dir: Option<PathBuf>,
    pub(super) records: Vec<Record>,
    pub(super) comparison: Option<RunComparison>,
    pub(super) summary: ReportSummary,
    /// Whether only one arm has journals.
    pub(super) is_one_sided: bool,
}

/// Finds and reads the journals; `None` if there are none.
pub(super) fn read_results(
    context: &AppContext,
    request: &PublishRequest,
    trust: Trust,
) -> Result<Option<PublishedResults>, AppError> {
    let invalid = |error: AppError| error.with_outcome(Outcome::Invalid);
    let is_default = request.paths.is_empty();
    let inputs = if is_default { vec![request.default_dir.clone()] } else { request.paths.clone() };
    if trust == Trust::Unknown
        && let Some(path) = inputs.iter().find(|path| climbs(path))
    {
        let message = format!("invalid path '{}': expected a path without ..", path.display());
        return Err(AppError::new(ErrorCode::PublishInput, message));
    }
    let dir = match inputs.as_slice() {
        // the default directory may not exist
        [one] if one.is_dir() || is_default => Some(one.clone()),
        several if several.iter().any(|path| path.is_dir()) => {
            let message = "cannot combine a directory with other paths";
            return Err(AppError::new(ErrorCode::PublishInput, message)
                .with_hint("pass journal files, or one directory"));
        }
        _ => None,
    };
    let found = match &dir {
        None => FoundJournals::Runs(inputs),
        Some(dir) if std::fs::symlink_metadata(dir).is_err() => return Ok(None),
        Some(dir) => look(dir, trust).map_err(|error| invalid(error.into()))?,
    };
    let paths = found.all();
    if paths.is_empty() {
        return Ok(None);
    }
    let records = match trust {
        Trust::Unknown => read_carefully(&paths).map_err(|error| invalid(error.into()))?,
        Trust::Known => load_journals::load_all(&paths).map_err(|error| invalid(error.into()))?,
    };
    let comparison = match &found {
        FoundJournals::Arms([before, after]) if !before.is_empty() && !after.is_empty() => {
            let (before, after) = records.split_at(before.len());
            Some(compare_records(context, before, after, &request.rules)?)
        }
        _ => None,
    };
    let summary = ReportSummary::from_records(&records, comparison.as_ref());
    let is_one_sided = comparison.is_none() && matches!(found, FoundJournals::Arms(_));
    Ok(Some(PublishedResults { paths, dir, records, comparison, summary, is_one_sided }))
}

impl PublishedResults {
    /// Returns the verdict, and for a trial the state after the change.
    pub(super) fn verdict(&self) -> (String, String) {
        match &self.comparison {
            Some(comparison) => (comparison.verdict.name().to_owned(), comparison.after.name().to_owned()),
            None => (worst_verdict(&self.summary), String::new()),
        }
    }

    /// Returns verdict and state as one word: `fixed/holds`.
    pub(super) fn state(&self) -> String {
        let (verdict, after) = self.verdict();
        if after.is_empty() { verdict } else { format!("{verdict}/{after}") }
    }

    /// Whether the result is a failure.
    pub(super) fn is_failure(&self) -> bool {
        match &self.comparison {
            Some(comparison) => {
                matches!(comparison.verdict, ComparisonVerdict::Broken | ComparisonVerdict::Regressed)
                    || matches!(comparison.after, AfterOutcome::Fails | AfterOutcome::Mixed)
            }
            None => self.summary.sentiment() == Sentiment::Bad,
        }
    }

    /// Returns the hash of the experiment of each run.
    pub(super) fn experiment_hashes(&self) -> impl Iterator<Item = ExperimentHash> {
        self.records.iter().map(|record| {
            let own = record.content.extension.as_ref().map(|extension| extension.experiment_hash.clone());
            let recorded = own.filter(|hash| !hash.is_empty());
            ExperimentHash::of_a_journal(
                recorded.unwrap_or_else(|| hash_experiment(&record.content.experiment)),
            )
        })
    }
}

/// Returns the worst verdict of several runs.
fn worst_verdict(summary: &ReportSummary) -> String {
    let severity = |run: &RunSummary| VERDICTS_BY_SEVERITY.iter().position(|known| *known == run.verdict);
    // an unknown verdict sorts first
    let word = summary
        .runs
        .iter()
        .map(severity)
        .min()
        .map(|at| at.map_or(UNKNOWN_VERDICT, |at| VERDICTS_BY_SEVERITY[at]));
    word.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn worst_verdict_of_several_runs_counts() {
        let record = |verdict: &str| {
            let own = json!({"schema": 1, "finished": true, "verdict": verdict});
            let journal = json!({"experiment": {"title": "t"}, "status": "completed", "kubectl-chaos": own});
            Record::read("j", journal.to_string()).unwrap()
        };
        let check = |verdicts: &[&str], expected: &str| {
            let records: Vec<Record> = verdicts.iter().map(|verdict| record(verdict)).collect();
            assert_eq!(worst_verdict(&ReportSummary::from_records(&records, None)), expected);
        };
        check(&["held", "deviated", "held"], "deviated");
        check(&["held", "dry"], "dry");
        check(&["rollback-incomplete", "deviated"], "rollback-incomplete");
        check(&["held", "new word"], "unknown");
        check(&["held\nafter=x\n::error::pwn"], "unknown");
        check(&[], "");
    }
}
