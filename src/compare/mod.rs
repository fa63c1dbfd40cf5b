//! What changed between two sets of runs of one experiment, and how sure that is. Floor 1.
//!
//! ```text
//!  Record ─► outcome   held, failed, or void and why        ─┐
//!         ─► labels    what else was different               ├─► verdict ─► Comparison
//!         ─► rows      per probe: how far, and is it chance ─┘
//! ```
//!
//! The run is the unit: no test is fed with samples, which hang together within a run. What is found is the same
//! for the same journals and the same seed.

mod comparison;
mod confounders;
mod format;
mod margin;
mod metric;
mod metrics;
mod outcome;
mod verdict;

use std::collections::BTreeMap;

pub use comparison::{
    AfterOutcome, Arm, ArmCounts, Arms, ComparedRun, ComparisonVerdict, Confounder, ConfounderKind,
    Replication, RequiredRuns, RunComparison, RunOutcomeKind,
};
pub use format::format_percent;
pub use margin::Margin;
pub use metric::{ArmStats, CensoredValue, Metric, MetricResult, MetricVerdict};

use crate::experiment::hash_experiment;
use crate::journal::{Keyword, Record};
use crate::statistics::GroupSplits;
use format::{clipped, quote};

/// The name of the schema of a [`Comparison`] as JSON.
pub const SCHEMA: &str = "kubectl-chaos/comparison/v1";
/// The level of every test: what is called a difference comes by chance in at most this share of comparisons.
pub const SIGNIFICANCE_LEVEL: f64 = 0.05;
/// From how many valid runs per arm on an answer is more than seen once.
pub const MIN_RUNS_PER_ARM: u32 = 3;

/// More runs per arm than anybody waits for.
const MAX_RUNS: usize = 1000;

/// How to compare.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareOptions {
    /// What draws by chance begin with, where there are too many splits to go through.
    pub seed: u64,
    /// Which differences are too small to matter.
    pub margin: Margin,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self { seed: 1, margin: Margin::default() }
    }
}

/// Compares two sets of runs of one experiment. An error says why they are not to be compared: one of the sets is
/// empty, the experiments differ, or a run is there twice.
pub fn compare(
    before: &[Record],
    after: &[Record],
    options: &CompareOptions,
) -> Result<RunComparison, String> {
    Comparer::new(options.clone()).compare(before, after)
}

/// Compares again and again, as simulations do: what does not depend on the runs is kept.
#[derive(Debug)]
pub struct Comparer {
    options: CompareOptions,
    intervals: bool,
    /// By the sizes of the arms.
    splits: BTreeMap<(usize, usize), GroupSplits>,
}

impl Comparer {
    /// Compares by these options.
    pub fn new(options: CompareOptions) -> Self {
        Self { options, intervals: true, splits: BTreeMap::new() }
    }

    /// Leaves out intervals. They cost the most, and no verdict depends on them; rows are not called equivalent.
    #[must_use]
    pub fn without_intervals(self) -> Self {
        Self { intervals: false, ..self }
    }

    /// What [`compare`] does.
    pub fn compare(&mut self, before: &[Record], after: &[Record]) -> Result<RunComparison, String> {
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
            reason: judgement.reason,
            after: judgement.after,
            evidence: judgement.evidence,
            required_runs: judgement.required_runs,
            confounders: confounders::find_confounders(&valid_before, &valid_after),
            title: first.title().to_owned(),
            experiment_hash,
            arms,
            runs,
            metrics: rows,
            level: SIGNIFICANCE_LEVEL,
            seed,
            margin,
        })
    }
}

/// The runs of an arm that count.
fn valid_records<'a>(runs: &[ComparedRun], arm: Arm, records: &'a [Record]) -> Vec<&'a Record> {
    let runs = runs.iter().filter(|run| run.arm == arm);
    runs.zip(records)
        .filter(|(run, _)| run.outcome != RunOutcomeKind::Void)
        .map(|(_, record)| record)
        .collect()
}

/// The outcome of every run of an arm.
fn classify_runs(arm: Arm, records: &[Record]) -> Vec<ComparedRun> {
    let row = |(repeat, record): (u32, &Record)| {
        let (outcome, reason) = outcome::classify_run(record);
        ComparedRun {
            arm,
            repeat,
            source: record.source.clone(),
            run_id: run_id(record).map(str::to_owned),
            start: record.content.start.clone(),
            outcome,
            reason,
        }
    };
    (1..).zip(records).map(row).collect()
}

fn run_id(record: &Record) -> Option<&str> {
    record.content.extension.as_ref().map(|own| own.run_id.as_str()).filter(|id| !id.is_empty())
}

/// Whether the runs may be compared: the first of them, and the identity of their experiment.
fn check_comparable<'a>(before: &'a [Record], after: &'a [Record]) -> Result<(&'a Record, String), String> {
    for (records, arm) in [(before, Arm::Before), (after, Arm::After)] {
        if records.is_empty() {
            return Err(format!(
                "there is no run {} the change: give at least one journal of it",
                arm.name()
            ));
        }
        if records.len() > MAX_RUNS {
            return Err(format!(
                "{} runs {} are too many: give at most {MAX_RUNS}",
                records.len(),
                arm.name()
            ));
        }
    }
    let mut seen: BTreeMap<&str, &Record> = BTreeMap::new();
    let mut first: Option<(&Record, String)> = None;
    let mut looked: Option<(&Record, &str)> = None;
    for record in before.iter().chain(after) {
        // a journal without the identity of its run is at least not the same text twice
        if let Some(other) = seen.insert(run_id(record).unwrap_or(&record.text), record) {
            return Err(format!(
                "{} and {} are the journal of one and the same run: give each run once",
                other.source, record.source
            ));
        }
        match (looked, hypothesis_strategy(record)) {
            (_, None) => {}
            (None, Some(strategy)) => looked = Some((record, strategy)),
            (Some((_, known)), Some(strategy)) if known == strategy => {}
            (Some((other, known)), Some(strategy)) => {
                return Err(format!(
                    "{} and {} looked at the steady state at different times (--hypothesis-strategy {} and {}), \
                     which makes two experiments of one: compare runs of one strategy",
                    other.source,
                    record.source,
                    clipped(known),
                    clipped(strategy)
                ));
            }
        }
        let hash = experiment_hash(record);
        match &first {
            None => first = Some((record, hash)),
            Some((_, known)) if *known == hash => {}
            Some((other, _)) => {
                return Err(format!(
                    "{} ({}) and {} ({}) are runs of two experiments, or of one that was changed in between: \
                     compare runs of one experiment",
                    other.source,
                    quote(other.title()),
                    record.source,
                    quote(record.title())
                ));
            }
        }
    }
    first.ok_or_else(|| "there are no runs to compare".to_owned())
}

/// When the hypothesis was looked at, which decides what an outcome means; older journals do not say.
fn hypothesis_strategy(record: &Record) -> Option<&str> {
    record.content.extension.as_ref()?.hypothesis_strategy.as_ref().map(Keyword::as_str)
}

/// The identity of the experiment, which a journal of the Chaos Toolkit does not say.
fn experiment_hash(record: &Record) -> String {
    let own = record.content.extension.as_ref().map(|own| own.experiment_hash.as_str());
    match own.filter(|hash| !hash.is_empty()) {
        Some(hash) => clipped(hash),
        None => hash_experiment(&record.content.experiment),
    }
}

#[cfg(test)]
mod tests;
