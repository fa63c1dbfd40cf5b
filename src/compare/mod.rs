//! Compares two sets of runs of one experiment.
//!
//! ```text
//!  Record ─► outcome      held, failed or void, with the reason
//!         ─► selection    the design, and the runs that count  ─┬─► verdict ─► RunComparison
//!         ─► metrics      values per probe and run             ─┤     reason   its words
//!            metric_tests significance and effect of each       │
//!         ─► confounders  differences besides the change        │
//!            conditions   what the error bound rests on        ─┘
//! ```
//!
//! The run is the unit of every test: the samples within a run are not independent. The same journals and the same
//! seed give the same result. `docs/statistics.md` describes the rules.

mod comparison;
mod conditions;
mod confounders;
mod design;
mod error;
mod format;
mod margin;
mod metric;
mod metric_tests;
mod metrics;
mod outcome;
mod primary;
mod reason;
mod selection;
mod verdict;

use std::collections::BTreeMap;

pub use crate::arm::Arm;
pub use comparison::{
    AfterOutcome, ArmCounts, Arms, Basis, ComparedRun, ComparisonVerdict, Confounder, ConfounderKind,
    DetectableChange, OutcomeSignificance, Replication, RequiredRuns, RunComparison, RunOutcomeKind,
};
pub use design::{Design, StopRule};
pub use error::Error;
pub use margin::{Margin, MarginError};
pub use metric::{ArmStats, CensoredValue, EffectScale, Metric, MetricResult, MetricVerdict};
pub use primary::{PrimaryError, PrimaryMetric};

pub use crate::journal::DesignKind;

use crate::experiment::hash_experiment;
use crate::journal::{Keyword, Record};
use crate::statistics::{GroupSplits, OutcomeTest, boschloo};
use crate::text::{quote, shorten};
use conditions::{CountedRun, find_conditions};
use outcome::ClassifiedRun;

/// The name of the JSON schema of a [`RunComparison`].
pub const SCHEMA: &str = "kubectl-chaos/comparison/v1";
/// The maximum share of false alarms of a comparison: of its outcomes and its metrics together.
pub const SIGNIFICANCE_LEVEL: f64 = 0.05;
/// The valid runs per arm from which a verdict counts as repeated.
pub const MIN_RUNS_PER_ARM: u32 = 3;

/// The maximum number of runs per arm.
const MAX_RUNS: usize = 1000;
/// The number of probes that an error names.
const MAX_LISTED_PROBES: usize = 10;

/// The options of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareOptions {
    /// The seed of random permutations, used if there are too many to enumerate.
    pub seed: u64,
    /// The differences that are too small to matter.
    pub margin: Margin,
    /// The metric that is tested first.
    pub primary: Option<PrimaryMetric>,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self { seed: 1, margin: Margin::default(), primary: None }
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

/// Compares repeatedly, as simulations do: it keeps what depends on the number of runs only.
#[derive(Debug)]
pub struct Comparer {
    options: CompareOptions,
    intervals: bool,
    /// The permutations, by the sizes of the arms.
    splits: BTreeMap<(usize, usize), GroupSplits>,
    /// The tests of outcomes, by the valid and failed runs of the arms.
    outcome_tests: BTreeMap<[u32; 4], OutcomeTest>,
}

impl Comparer {
    /// Creates a comparer with these options.
    pub fn new(options: CompareOptions) -> Self {
        Self { options, intervals: true, splits: BTreeMap::new(), outcome_tests: BTreeMap::new() }
    }

    /// Skips intervals, which are expensive. Without them no metric is equivalent; other verdicts do not change.
    #[must_use]
    pub fn without_intervals(self) -> Self {
        Self { intervals: false, ..self }
    }

    /// Compares two sets of runs, like [`compare`].
    pub fn compare(&mut self, before: &[Record], after: &[Record]) -> Result<RunComparison, Error> {
        let (first, experiment_hash) = check_comparable(before, after)?;
        let CompareOptions { seed, margin, primary } = self.options.clone();
        check_primary(primary.as_ref(), before, after)?;
        let records: Vec<&Record> = before.iter().chain(after).collect();
        let classified: Vec<ClassifiedRun> =
            records.iter().map(|record| outcome::classify_run(record)).collect();
        let mut runs = list_runs(before, after, &classified);
        let mut design = selection::read_design(before, after);
        let selected = selection::select_runs(&mut design, &mut runs);
        let select = |places: &[usize]| places.iter().map(|place| records[*place]).collect::<Vec<_>>();
        let (valid_before, valid_after) = (select(&selected.before), select(&selected.after));

        let count = |arm: Arm| verdict::count_runs(runs.iter().filter(|run| run.arm == arm));
        let arms = Arms { before: count(Arm::Before), after: count(Arm::After) };
        let row_level = verdict::row_level(design.kind, &arms);
        let mut rows = metrics::compute_metrics(&valid_before, &valid_after, margin, primary.as_ref())?;
        let mut required_for_rows = None;
        if rows.iter().any(|row| row.reason.is_none()) {
            let sizes = (valid_before.len(), valid_after.len());
            let splits = self.splits.entry(sizes).or_insert_with(|| GroupSplits::new(sizes.0, sizes.1, seed));
            let config =
                metric_tests::TestConfig { margin, splits, level: row_level, intervals: self.intervals };
            required_for_rows = metric_tests::test_metrics(&mut rows, &config);
        }

        let counts = [arms.before.valid, arms.before.failed, arms.after.valid, arms.after.failed];
        let test = self.outcome_tests.entry(counts).or_insert_with(|| {
            boschloo(verdict::outcome_counts(&arms.before), verdict::outcome_counts(&arms.after))
        });
        let judgement = verdict::decide_verdict(&verdict::Evidence {
            arms: &arms,
            rows: &rows,
            design: design.kind,
            test: *test,
            stop: selected.stop,
            pairs: design.pairs.unwrap_or(0),
            obstacle: selection::find_obstacle(&design, &runs, &classified),
            near: margin.failures,
            required_for_rows,
        });
        let confounders = if valid_before.is_empty() || valid_after.is_empty() {
            Vec::new()
        } else {
            let counted = selected.before.iter().chain(&selected.after);
            let counted = counted.map(|place| CountedRun { run: &runs[*place], record: records[*place] });
            let mut labels = confounders::find_confounders(&valid_before, &valid_after);
            labels.extend(find_conditions(&design, &counted.collect::<Vec<_>>()));
            labels
        };
        Ok(RunComparison {
            schema: SCHEMA,
            verdict: judgement.verdict,
            basis: judgement.basis,
            reason: judgement.reason,
            after: judgement.after,
            after_failure_limit: judgement.after_failure_limit,
            evidence: judgement.evidence,
            design,
            outcome_test: judgement.outcome_test,
            detectable: judgement.detectable,
            required_runs: judgement.required_runs,
            confounders,
            title: first.title().to_owned(),
            experiment_hash,
            arms,
            runs,
            metrics: rows,
            level: SIGNIFICANCE_LEVEL,
            row_level: row_level.ok(),
            seed,
            margin,
            primary,
        })
    }
}

/// Lists every run with its outcome: those before, then those after.
fn list_runs(before: &[Record], after: &[Record], classified: &[ClassifiedRun]) -> Vec<ComparedRun> {
    let before = (1..).zip(before).map(|(repeat, record)| (Arm::Before, repeat, record));
    let after = (1..).zip(after).map(|(repeat, record)| (Arm::After, repeat, record));
    let list = |((arm, repeat, record), classified): ((Arm, u32, &Record), &ClassifiedRun)| {
        let environment =
            record.content.extension.as_ref().and_then(|extension| extension.environment.as_ref());
        ComparedRun {
            arm,
            repeat,
            pair: environment.and_then(|environment| environment.pair).filter(|pair| *pair > 0),
            source: record.source.clone(),
            run_id: run_id(record).map(str::to_owned),
            start: record.content.start.clone(),
            outcome: classified.outcome,
            probe: classified.probe.clone(),
            reason: classified.reason.clone(),
            surplus: false,
            overlapped: environment.is_some_and(|environment| !environment.overlaps.is_empty()),
        }
    };
    before.chain(after).zip(classified).map(list).collect()
}

fn run_id(record: &Record) -> Option<&str> {
    record.content.extension.as_ref().map(|extension| extension.run_id.as_str()).filter(|id| !id.is_empty())
}

/// Checks that a run sampled the probe of the primary metric. Without samples there is nothing to test.
fn check_primary(primary: Option<&PrimaryMetric>, before: &[Record], after: &[Record]) -> Result<(), Error> {
    let sampled = || before.iter().chain(after).flat_map(metrics::series_of).map(|series| &series.probe);
    match primary {
        Some(primary) if sampled().next().is_some() && !sampled().any(|probe| *probe == primary.probe) => {
            let probes: std::collections::BTreeSet<String> = sampled().map(|probe| quote(probe)).collect();
            let probes = probes.into_iter().take(MAX_LISTED_PROBES).collect::<Vec<_>>().join(", ");
            Err(Error::PrimaryNotSampled { probe: quote(&primary.probe), probes })
        }
        _ => Ok(()),
    }
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
