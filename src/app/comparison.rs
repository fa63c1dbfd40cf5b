//! Compares two sets of runs of one experiment.

use std::path::PathBuf;

use super::context::AppContext;
use super::error::AppError;
use super::load_journals::load_all;
use super::outcome::Outcome;
use crate::compare::{CompareOptions, ComparisonVerdict, Margin, PrimaryMetric, RunComparison, compare};
use crate::journal::Record;

/// What to compare, and how.
#[derive(Clone, Debug)]
pub(crate) struct CompareRequest {
    /// Journals of the runs before the change.
    pub(crate) before: Vec<PathBuf>,
    /// Journals of the runs after the change.
    pub(crate) after: Vec<PathBuf>,
    pub(crate) rules: ComparisonRules,
    /// Verdicts that are a deviation.
    pub(crate) fail_on: Vec<ComparisonVerdict>,
}

/// What the user decides about a comparison, before the runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct ComparisonRules {
    /// The differences that are too small to matter.
    pub(crate) margin: Margin,
    /// The metric that is tested first.
    pub(crate) primary: Option<PrimaryMetric>,
}

/// What came of a comparison.
pub(crate) struct CompareOutcome {
    pub(crate) outcome: Outcome,
    /// Journals of the runs before the change, then of those after it.
    pub(crate) records: Vec<Record>,
    pub(crate) comparison: RunComparison,
}

/// Loads the journals and compares them.
pub(crate) fn compare_files(
    context: &AppContext,
    request: &CompareRequest,
) -> Result<CompareOutcome, AppError> {
    let before = load_all(&request.before)?;
    let after = load_all(&request.after)?;
    let comparison = compare_records(context, &before, &after, &request.rules)?;
    let outcome = Outcome::of_comparison(&comparison, &request.fail_on);
    Ok(CompareOutcome { outcome, records: [before, after].concat(), comparison })
}

/// Compares runs with the seed of this invocation.
pub(super) fn compare_records(
    context: &AppContext,
    before: &[Record],
    after: &[Record],
    rules: &ComparisonRules,
) -> Result<RunComparison, AppError> {
    let seed = context.connection.seed.unwrap_or(CompareOptions::default().seed);
    let ComparisonRules { margin, primary } = rules.clone();
    Ok(compare(before, after, &CompareOptions { seed, margin, primary })?)
}
