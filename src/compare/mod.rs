//! Compares two sets of runs of one experiment.
//!
//! ```text
//!  Record ─► outcome      held, failed or void, with the reason  ─┐
//!         ─► confounders  differences besides the change          ├─► verdict ─► RunComparison
//!         ─► metrics      per probe: difference and significance ─┘
//! ```
//!
//! The run is the unit of every test: the samples within a run are not independent. The same journals and the same
//! seed give the same result.

mod comparison;
mod confounders;
mod design;
mod error;
mod format;
mod margin;
mod metric;
mod metrics;
mod outcome;
mod verdict;

use std::collections::BTreeMap;

pub use crate::arm::Arm;
pub use comparison::{
    AfterOutcome, ArmCounts, Arms, Basis, ComparedRun, ComparisonVerdict, Confounder, ConfounderKind,
    DetectableChange, OutcomeSignificance, Replication, RequiredRuns, RunComparison, RunOutcomeKind,
};
pub use design::{Design, StopRule};
pub use error::Error;
pub use margin::Margin;
pub use outcome::{VoidCause, run_outcome};
pub use metric::{ArmStats, CensoredValue, EffectScale, Metric, MetricResult, MetricVerdict};

pub use crate::journal::DesignKind;

use crate::experiment::hash_experiment;
use crate::journal::{Keyword, Record};
use crate::statistics::GroupSplits;
use crate::text::{quote, shorten};

/// The name of the JSON schema of a [`RunComparison`].
pub const SCHEMA: &str = "kubectl-chaos/comparison/v1";
/// The significance level of every test: the maximum share of false alarms.
pub const SIGNIFICANCE_LEVEL: f64 = 0.05;
/// The valid runs per arm from which a verdict counts as repeated.
pub const MIN_RUNS_PER_ARM: u32 = 3;

/// The maximum number of runs per arm.
const MAX_RUNS: usize = 1000;

/// The options of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareOptions {
    /// The seed of random permutations, used if there are too many to enumerate.
    pub seed: u64,
    /// The differences that are too small to matter.
    pub margin: Margin,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self { seed: 1, margin: Margin::default() }
    }
}

/// Compares two sets of runs of one experiment.
pub fn compare(
    before: &[Record],
    after: &[Record],
    options: &CompareOptions,
) -> Result<RunComparison, Error> {
    Comparer::new(options.clone()).compare(before, after)
}

/// Compares repeatedly, as simulations do: it keeps the permutations.
#[derive(Debug)]
pub struct Comparer {
    options: CompareOptions,
    intervals: bool,
    /// The permutations, by the sizes of the arms.
    splits: BTreeMap<(usize, usize), GroupSplits>,
}

impl Comparer {
    /// Creates a comparer with these options.
    pub fn new(options: CompareOptions) -> Self {
        Self { options, intervals: true, splits: BTreeMap::new() }
    }

    /// Skips intervals, which are expensive. No verdict depends on them, but no metric is equivalent without them.
    #[must_use]
    pub fn without_intervals(self) -> Self {
        Self { intervals: false, ..self }
    }

    /// Compares two sets of runs, like [`compare`].
    pub fn compare(&mut self, before: &[Record], after: &[Record]) -> Result<RunComparison, Error> {
        let (first, experiment_hash) = check_comparable(before, after)?;
        let mut runs = classify_runs(Arm::Before, before);
        runs.extend(classify_runs(Arm::After, after));
        let (valid_before, valid_after) =
            (valid_records(&runs, Arm::Before, before), valid_records(&runs, Arm::After, after));
        let count = |arm: Arm| verdict::count_runs(runs.iter().filter(|run| run.arm == arm));
        let arms = Arms { before: count(Arm::Before), after: count(Arm::After) };
        let sizes = (valid_before.len(), valid_after.len());
        let CompareOptions { seed, margin } = self.options.clone();
        let splits = self.splits.entry(sizes).or_insert_with(|| GroupSplits::new(sizes.0, sizes.1, seed));
        let rules = metrics::MetricConfig { margin, splits, intervals: self.intervals };
        let rows = metrics::compute_metrics(&valid_before, &valid_after, &rules)?;
        let judgement = verdict::decide_verdict(&arms, &rows);
        Ok(RunComparison {
            schema: SCHEMA,
            verdict: judgement.verdict,
            basis: None,
            reason: judgement.reason,
            after: judgement.after,
            after_failure_limit: None,
            evidence: judgement.evidence,
            design: Design {
                kind: DesignKind::Fixed,
                max_pairs: None,
                pairs: None,
                stated: false,
                stop: None,
            },
            outcome_test: OutcomeSignificance { p: None, significant: false, limit: None },
            detectable: None,
            required_runs: judgement.required_runs,
            confounders: confounders::find_confounders(&valid_before, &valid_after),
            title: first.title().to_owned(),
            experiment_hash,
            arms,
            runs,
            metrics: rows,
            level: SIGNIFICANCE_LEVEL,
            row_level: None,
            seed,
            margin,
        })
    }
}

/// Returns the valid runs of an arm.
fn valid_records<'a>(runs: &[ComparedRun], arm: Arm, records: &'a [Record]) -> Vec<&'a Record> {
    let runs = runs.iter().filter(|run| run.arm == arm);
    runs.zip(records)
        .filter(|(run, _)| run.outcome != RunOutcomeKind::Void)
        .map(|(_, record)| record)
        .collect()
}

/// Classifies every run of an arm.
fn classify_runs(arm: Arm, records: &[Record]) -> Vec<ComparedRun> {
    let row = |(repeat, record): (u32, &Record)| {
        let (outcome, reason) = outcome::classify_run(record);
        ComparedRun {
            arm,
            repeat,
            pair: None,
            source: record.source.clone(),
            run_id: run_id(record).map(str::to_owned),
            start: record.content.start.clone(),
            outcome,
            probe: None,
            reason,
            surplus: false,
            overlapped: false,
        }
    };
    (1..).zip(records).map(row).collect()
}

fn run_id(record: &Record) -> Option<&str> {
    record.content.extension.as_ref().map(|extension| extension.run_id.as_str()).filter(|id| !id.is_empty())
}

/// Checks that the runs can be compared. Returns the first of them, and the hash of the experiment.
fn check_comparable<'a>(before: &'a [Record], after: &'a [Record]) -> Result<(&'a Record, String), Error> {
    for (records, arm) in [(before, Arm::Before), (after, Arm::After)] {
        if records.is_empty() {
            return Err(Error::NoRuns(arm));
        }
        if records.len() > MAX_RUNS {
            return Err(Error::TooManyRuns { arm, count: records.len() });
        }
    }
    let mut records_by_run: BTreeMap<&str, &Record> = BTreeMap::new();
    let mut first: Option<(&Record, String)> = None;
    let mut checked: Option<(&Record, &str)> = None;
    for record in before.iter().chain(after) {
        // without a run id, the text of the journal identifies the run
        if let Some(other) = records_by_run.insert(run_id(record).unwrap_or(&record.text), record) {
            return Err(Error::SameRun { first: other.source.clone(), second: record.source.clone() });
        }
        match (checked, hypothesis_strategy(record)) {
            (_, None) => {}
            (None, Some(strategy)) => checked = Some((record, strategy)),
            (Some((_, existing)), Some(strategy)) if existing == strategy => {}
            (Some((other, existing)), Some(strategy)) => {
                return Err(Error::DifferentStrategies {
                    first: other.source.clone(),
                    second: record.source.clone(),
                    first_strategy: shorten(existing),
                    second_strategy: shorten(strategy),
                });
            }
        }
        let hash = experiment_hash(record);
        match &first {
            None => first = Some((record, hash)),
            Some((_, existing)) if *existing == hash => {}
            Some((other, _)) => {
                return Err(Error::DifferentExperiments {
                    first: other.source.clone(),
                    second: record.source.clone(),
                    first_title: quote(other.title()),
                    second_title: quote(record.title()),
                });
            }
        }
    }
    first.ok_or(Error::NoRuns(Arm::Before))
}

/// Returns when the hypothesis was checked, which decides what an outcome means; none in older journals.
fn hypothesis_strategy(record: &Record) -> Option<&str> {
    record.content.extension.as_ref()?.hypothesis_strategy.as_ref().map(Keyword::as_str)
}

/// Returns the hash of the experiment; computed for a journal of the Chaos Toolkit.
fn experiment_hash(record: &Record) -> String {
    let extension = record.content.extension.as_ref().map(|extension| extension.experiment_hash.as_str());
    match extension.filter(|hash| !hash.is_empty()) {
        Some(hash) => shorten(hash),
        None => hash_experiment(&record.content.experiment),
    }
}

#[cfg(test)]
mod tests;
