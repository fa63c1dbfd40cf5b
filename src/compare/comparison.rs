//! The result of a comparison, as `compare -o json` writes it.

use serde::Serialize;

use super::{Margin, MetricResult};
use crate::arm::Arm;

/// The verdict of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComparisonVerdict {
    /// Every valid run failed before, and every one held after.
    Fixed,
    /// Every valid run held before, and every one failed after.
    Broken,
    /// All runs had the same outcome, and a metric is better by more than the margin.
    Improved,
    /// All runs had the same outcome, and a metric is worse by more than the margin.
    Regressed,
    /// All runs had the same outcome, there are enough of them, and no metric is better or worse.
    Unchanged,
    /// Anything else.
    Inconclusive,
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
    /// The hypothesis was met before and after the fault.
    Held,
    /// It was met before the fault, and not met during or after it.
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
    /// The path of the journal. Untrusted.
    pub source: String,
    /// Identifies the run; none in a journal of the Chaos Toolkit. Untrusted.
    pub run_id: Option<String>,
    /// The start according to the journal, ISO 8601. Untrusted.
    pub start: Option<String>,
    pub outcome: RunOutcomeKind,
    /// The reason for the outcome: a phrase that may name activities. Untrusted.
    pub reason: String,
}

/// The number of runs of an arm, by outcome.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmCounts {
    pub runs: u32,
    pub valid: u32,
    pub held: u32,
    pub failed: u32,
    pub void: u32,
    /// The 95 % confidence interval of the share of runs that hold (Wilson); none without valid runs.
    pub held_interval: Option<(f64, f64)>,
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
    KubernetesVersion,
    Nodes,
    /// The declared replicas of the workloads.
    Replicas,
    /// The sampled probes, the period and the deadline.
    Sampling,
    /// The route of requests to a Service.
    Route,
    /// The values of `--var` and `--var-file`.
    Variables,
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

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunComparison {
    pub schema: &'static str,
    pub verdict: ComparisonVerdict,
    /// The reason for the verdict: one sentence with counts, which may name probes. Untrusted.
    pub reason: String,
    /// The outcome of the experiment after the change.
    pub after: AfterOutcome,
    /// Whether enough runs support the verdict.
    pub evidence: Replication,
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
    /// The metrics, by probe; the probes are in the order of the first run that sampled them.
    pub metrics: Vec<MetricResult>,
    /// The significance level of every test.
    pub level: f64,
    /// The seed of the random permutations.
    pub seed: u64,
    /// The differences that are too small to matter.
    pub margin: Margin,
}

impl RunComparison {
    /// Returns whether there are too few valid runs for a verdict.
    ///
    /// Mixed outcomes within an arm are a result: more runs do not change them.
    pub fn has_too_few_runs(&self) -> bool {
        let Arms { before, after } = &self.arms;
        let fewest = before.valid.min(after.valid);
        let is_mixed = [before, after].iter().any(|arm| arm.held > 0 && arm.failed > 0);
        self.verdict == ComparisonVerdict::Inconclusive
            && fewest < super::MIN_RUNS_PER_ARM
            && (fewest == 0 || !is_mixed)
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
