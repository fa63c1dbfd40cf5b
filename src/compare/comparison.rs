//! The result of a comparison, as `compare -o json` writes it.

use serde::Serialize;

use super::{Design, Margin, MetricResult, PrimaryMetric};
use crate::arm::Arm;

/// The verdict of a comparison: what it claims. `docs/statistics.md` has the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComparisonVerdict {
    /// It fails less often after the change, and no run after it failed.
    Fixed,
    /// It fails more often after the change, and no run before it failed.
    Broken,
    /// It fails less often but still fails; or a metric is better, and none is worse.
    Improved,
    /// It fails more often and failed before; or a metric is worse, and none is better.
    Regressed,
    /// The failure rates are near each other, and every compared metric lies within its margin.
    Equivalent,
    /// No difference was seen. This shows nothing.
    NoDifference,
    /// A difference that may be chance, a better and a worse metric, or too few runs.
    Inconclusive,
}

/// What a verdict other than no difference is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The number of runs that failed.
    Outcome,
    /// The metrics.
    Rows,
}

/// The outcome of the experiment after the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterOutcome {
    /// Every valid run held.
    Holds,
    /// Every valid run failed.
    Fails,
    /// Some held, and some failed.
    Mixed,
    /// There was no valid run.
    Unknown,
}

/// Whether enough runs support the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replication {
    /// At least three valid runs per arm.
    Repeated,
    /// Fewer valid runs.
    Single,
}

/// The outcome of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcomeKind {
    /// The hypothesis was met before and after the fault, and the tolerances of the method were met.
    Held,
    /// The hypothesis was met before the fault; it, or a tolerance of the method, was not met later.
    Failed,
    /// The run shows nothing; it is listed and not counted.
    Void,
}

/// A run, as the comparison lists it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedRun {
    pub arm: Arm,
    /// The number of the run within its arm, from 1.
    pub repeat: u32,
    /// The pair of the run within its trial, from 1; none outside a trial and in older journals.
    pub pair: Option<u32>,
    /// The path of the journal. Untrusted.
    pub source: String,
    /// Identifies the run; none in a journal of the Chaos Toolkit. Untrusted.
    pub run_id: Option<String>,
    /// The start according to the journal, ISO 8601. Untrusted.
    pub start: Option<String>,
    pub outcome: RunOutcomeKind,
    /// The name of the probe that decided a failed run, or left a run without a baseline. Untrusted.
    pub probe: Option<String>,
    /// The reason for the outcome: a phrase that may name activities. Untrusted.
    pub reason: String,
    /// Whether the run is valid and does not count: an automatic trial had ended, or its pair is incomplete.
    pub surplus: bool,
    /// Whether another run ran at the same time.
    pub overlapped: bool,
}

/// The number of runs of an arm, by outcome.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmCounts {
    /// All runs: valid, void and surplus.
    pub runs: u32,
    /// The runs that count.
    pub valid: u32,
    pub held: u32,
    pub failed: u32,
    pub void: u32,
    /// Valid runs that do not count, see [`ComparedRun::surplus`].
    pub surplus: u32,
    /// The 95 % confidence interval of the failure rate (Clopper-Pearson); none without valid runs.
    pub failed_interval: Option<(f64, f64)>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Arms {
    /// Before the change.
    pub before: ArmCounts,
    /// After it.
    pub after: ArmCounts,
}

/// What can differ between the arms besides the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfounderKind {
    /// The cluster, if the arms are runs of two trials.
    Cluster,
    KubernetesVersion,
    Nodes,
    /// The images of the workloads, if the arms are runs of two trials.
    Images,
    /// The declared replicas of the workloads.
    Replicas,
    /// The sampled probes, the period and the deadline.
    Sampling,
    /// The route of requests to a Service.
    Route,
    /// The values of `--var` and `--var-file`.
    Variables,
    /// The arms ran at different times.
    Time,
    /// Runs ran at the same time as other runs.
    Overlap,
    /// It is unknown whether the number of runs depended on their outcomes.
    Design,
}

/// A difference between the arms besides the change; reports show it above the verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confounder {
    pub kind: ConfounderKind,
    /// A phrase that describes the difference, with values of journals. Untrusted.
    pub text: String,
}

/// The number of runs that a clearer verdict needs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequiredRuns {
    /// Valid runs per arm.
    pub repeats: u32,
    /// The reason: one sentence.
    pub reason: String,
}

/// The test of the failure rates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutcomeSignificance {
    /// The two-sided p value of Boschloo's test; none in an automatic trial, whose limits take its place.
    pub p: Option<f64>,
    /// Whether one arm fails more often.
    pub significant: bool,
    /// The limit that an automatic trial reached: `5 to none after 7 pairs`.
    pub limit: Option<String>,
}

/// A change of the failure rate that as many runs show in 8 of 10 comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DetectableChange {
    /// The failure rate before, from 0 to 1.
    pub from: f64,
    /// The nearest failure rate after that is shown, from 0 to 1.
    pub to: f64,
}

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunComparison {
    pub schema: &'static str,
    pub verdict: ComparisonVerdict,
    /// What the verdict is based on; none if it is equivalent, no difference or inconclusive.
    pub basis: Option<Basis>,
    /// The reason for the verdict: one sentence with counts, which may name probes. Untrusted.
    pub reason: String,
    /// The outcome of the experiment after the change.
    pub after: AfterOutcome,
    /// The upper limit of the failure rate after the change (one-sided, 95 %); none without valid runs.
    pub after_failure_limit: Option<f64>,
    /// Whether enough runs support the verdict.
    pub evidence: Replication,
    /// How the number of runs was decided.
    pub design: Design,
    pub outcome_test: OutcomeSignificance,
    /// What these runs could have shown, if no difference was seen.
    pub detectable: Option<DetectableChange>,
    /// The number of runs that a clearer verdict needs; none if more runs would not help.
    pub required_runs: Option<RequiredRuns>,
    pub confounders: Vec<Confounder>,
    /// The title of the experiment. Untrusted.
    pub title: String,
    /// Identifies the experiment; the same in every run.
    pub experiment_hash: String,
    pub arms: Arms,
    /// The runs before, then those after, in the given order.
    pub runs: Vec<ComparedRun>,
    /// The metrics in the order of their priority: the primary one, then each metric over the probes.
    pub metrics: Vec<MetricResult>,
    /// The maximum share of false alarms of the whole comparison.
    pub level: f64,
    /// The part of the level that the metrics have; none if they decide nothing.
    pub row_level: Option<f64>,
    /// The seed of the random permutations.
    pub seed: u64,
    /// The differences that are too small to matter.
    pub margin: Margin,
    /// The metric that is tested first; none if the order of metrics and probes decides.
    pub primary: Option<PrimaryMetric>,
}

impl RunComparison {
    /// Returns whether there are too few valid runs for a verdict.
    pub fn has_too_few_runs(&self) -> bool {
        let Arms { before, after } = &self.arms;
        self.verdict == ComparisonVerdict::Inconclusive
            && before.valid.min(after.valid) < super::MIN_RUNS_PER_ARM
    }

    /// Returns the runs of an arm.
    pub fn runs_in_arm(&self, arm: Arm) -> impl Iterator<Item = &ComparedRun> {
        self.runs.iter().filter(move |run| run.arm == arm)
    }

    /// Returns the runs that do not count.
    pub fn void_runs(&self) -> impl Iterator<Item = &ComparedRun> {
        self.runs.iter().filter(|run| run.outcome == RunOutcomeKind::Void)
    }
}
