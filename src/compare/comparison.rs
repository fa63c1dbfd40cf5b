//! The answer: what it consists of, as it stands in `comparison.json`. Floor 1.

use serde::Serialize;

use super::{Margin, MetricResult};

/// One of the two sets of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// Before the change.
    Before,
    /// After it.
    After,
}

/// What the comparison came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComparisonVerdict {
    /// Every valid run failed before, and every one held after.
    Fixed,
    /// Every valid run held before, and every one failed after.
    Broken,
    /// All runs had the same outcome, and something measured is better by more than the margin.
    Improved,
    /// All runs had the same outcome, and something measured is worse by more than the margin.
    Regressed,
    /// All runs had the same outcome, there were enough of them, and nothing measured differs.
    Unchanged,
    /// Anything else.
    Inconclusive,
}

/// How the experiment ends with the change.
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

/// How often it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replication {
    /// In at least three valid runs of each arm.
    Repeated,
    /// In fewer.
    Single,
}

/// What became of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcomeKind {
    /// The hypothesis was met before and after the fault.
    Held,
    /// It was met before, and not met during or after.
    Failed,
    /// Nothing can be learnt of the run; it is listed and not counted.
    Void,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedRun {
    /// Of which arm.
    pub arm: Arm,
    /// Which of the runs of its arm, from one.
    pub repeat: u32,
    /// Where its journal came from: a path. Not to be trusted.
    pub source: String,
    /// Tells runs apart; none in a journal of the Chaos Toolkit. Not to be trusted.
    pub run_id: Option<String>,
    /// When it began, ISO 8601, as its journal says. Not to be trusted.
    pub start: Option<String>,
    /// What became of it.
    pub outcome: RunOutcomeKind,
    /// Why: part of a sentence, which may name activities. Not to be trusted.
    pub reason: String,
}

/// How many runs of an arm came to what.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmCounts {
    /// All of them.
    pub runs: u32,
    /// Those that count.
    pub valid: u32,
    /// Those that held.
    pub held: u32,
    /// Those that failed.
    pub failed: u32,
    /// Those of which nothing can be learnt.
    pub void: u32,
    /// Within which limits the share of runs that hold lies, with 95 % confidence (Wilson); none without valid runs.
    pub held_interval: Option<(f64, f64)>,
}

/// The counts of both arms.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Arms {
    /// Before the change.
    pub before: ArmCounts,
    /// After it.
    pub after: ArmCounts,
}

/// What else was different than the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfounderKind {
    /// The version of Kubernetes.
    KubernetesVersion,
    /// The number of nodes.
    Nodes,
    /// How many replicas the workloads were to have.
    Replicas,
    /// Which probes were sampled, how often, and how long an answer might take.
    Sampling,
    /// By which way requests reached a Service.
    Route,
    /// What was given for the configuration beside the experiment.
    Variables,
}

/// Something that was different and may be why the arms differ. Stands above the verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confounder {
    /// What it is about.
    pub kind: ConfounderKind,
    /// One sentence without a full stop. It repeats what stands in journals: not to be trusted.
    pub text: String,
}

/// What a firmer answer would take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequiredRuns {
    /// How many valid runs per arm.
    pub repeats: u32,
    /// Why: one sentence.
    pub reason: String,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunComparison {
    /// [`super::SCHEMA`].
    pub schema: &'static str,
    /// What it came to.
    pub verdict: ComparisonVerdict,
    /// Why: one sentence with the counts, which may name probes. Not to be trusted.
    pub reason: String,
    /// How the experiment ends with the change.
    pub after: AfterOutcome,
    /// How often it was seen.
    pub evidence: Replication,
    /// How many valid runs per arm a firmer answer would take; none where more of them would not help.
    pub required_runs: Option<RequiredRuns>,
    /// What else was different; to be shown above the verdict.
    pub confounders: Vec<Confounder>,
    /// The title of the experiment. Not to be trusted.
    pub title: String,
    /// Its identity, the same in every run.
    pub experiment_hash: String,
    /// How many runs came to what.
    pub arms: Arms,
    /// The runs: those before, then those after, in the order in which they were given.
    pub runs: Vec<ComparedRun>,
    /// What was measured, by probe and measure; the probes in the order of the first run that sampled them.
    pub metrics: Vec<MetricResult>,
    /// The level of every test.
    pub level: f64,
    /// What draws by chance began with.
    pub seed: u64,
    /// Which differences were taken for too small to matter.
    pub margin: Margin,
}

impl RunComparison {
    /// Whether there were too few valid runs for any answer. Another answer has an exit code of its own; and that
    /// outcomes within an arm are mixed is one, which more runs do not change.
    pub fn has_too_few_runs(&self) -> bool {
        let Arms { before, after } = &self.arms;
        let fewest = before.valid.min(after.valid);
        let is_mixed = [before, after].iter().any(|arm| arm.held > 0 && arm.failed > 0);
        self.verdict == ComparisonVerdict::Inconclusive
            && fewest < super::MIN_RUNS_PER_ARM
            && (fewest == 0 || !is_mixed)
    }

    /// The runs of an arm.
    pub fn runs_in_arm(&self, arm: Arm) -> impl Iterator<Item = &ComparedRun> {
        self.runs.iter().filter(move |run| run.arm == arm)
    }

    /// The runs that are not counted.
    pub fn void_runs(&self) -> impl Iterator<Item = &ComparedRun> {
        self.runs.iter().filter(|run| run.outcome == RunOutcomeKind::Void)
    }
}
