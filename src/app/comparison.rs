//! Compares two sets of runs of one experiment.

use std::path::PathBuf;

use super::context::AppContext;
use super::error::AppError;
use super::load_journals::load_all;
use super::outcome::Outcome;
use crate::compare::{CompareOptions, ComparisonVerdict, Margin, RunComparison, compare};
use crate::journal::Record;

/// What to compare, and how.
#[derive(Clone, Debug)]
pub(crate) struct CompareRequest {
    /// Journals of the runs before the change.
    pub(crate) before: Vec<PathBuf>,
    /// Journals of the runs after the change.
    pub(crate) after: Vec<PathBuf>,
    pub(crate) margin: Margin,
    /// Verdicts that are a deviation.
    pub(crate) fail_on: Vec<ComparisonVerdict>,
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
    let comparison = compare_records(context, &before, &after, request.margin)?;
    let outcome = Outcome::of_comparison(&comparison, &request.fail_on);
    Ok(CompareOutcome { outcome, records: [before, after].concat(), comparison })
}

/// Compares runs with the seed of this invocation.
pub(super) fn compare_records(
    context: &AppContext,
    before: &[Record],
    after: &[Record],
    margin: Margin,
) -> Result<RunComparison, AppError> {
    let seed = context.connection.seed.unwrap_or(CompareOptions::default().seed);
    Ok(compare(before, after, &CompareOptions { seed, margin })?)
}
