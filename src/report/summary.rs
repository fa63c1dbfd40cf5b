//! What there is to say of runs, before any format: which words, which rows, in which order. Floor 1.
//!
//! Nothing here is escaped. Texts that come from journals are bounded, and not to be trusted.

mod build;
mod format;

use crate::compare::RunComparison;
use crate::journal::Record;
use crate::series::Series;

pub use format::{format_reaction, format_sample_counts, format_seconds, format_success_ratio};

/// One run, or several, and what a comparison of them came to.
#[derive(Clone, Debug)]
pub struct ReportSummary {
    /// The runs, in the order in which they were given.
    pub runs: Vec<RunSummary>,
    /// What the comparison of two arms came to.
    pub comparison: Option<RunComparison>,
}

/// What one run came to.
#[derive(Clone, Debug)]
pub struct RunSummary {
    /// The title of the experiment.
    pub title: String,
    /// Where the journal came from.
    pub source: String,
    /// The arm of a trial or a comparison, and which of its runs: `before`, 1.
    pub arm: Option<(String, u32)>,
    /// Whether a trial made it, in a place of its own.
    pub is_trial_run: bool,
    /// What it came to, in one word: `held`, `deviated`…
    pub verdict: String,
    /// How that is to be taken.
    pub sentiment: Sentiment,
    /// Why it came to that.
    pub reason: String,
    /// When it began, ISO 8601.
    pub start: Option<String>,
    /// How long it took, in seconds.
    pub duration: Option<f64>,
    /// Where it ran, as pairs of a name and a value.
    pub environment: Vec<(&'static str, String)>,
    /// The probes of the hypothesis.
    pub probes: Vec<ProbeRow>,
    /// The steps of the method, those that were not reached included.
    pub method: Vec<SummaryStep>,
    /// The rollbacks, likewise.
    pub rollbacks: Vec<SummaryStep>,
    /// What happened when, in order.
    pub timeline: Vec<TimelineEvent>,
    /// What sampling saw.
    pub samples: Vec<Series>,
    /// What it takes to do it again.
    pub reproduction: ReproductionInputs,
    /// The journal as it was read.
    pub journal: String,
}

/// What the journal says of what was given beside the experiment.
#[derive(Clone, Debug, Default)]
pub struct ReproductionInputs {
    /// The entries of its configuration, which may have been replaced.
    pub configuration: Vec<String>,
    /// The variables of the environment that it reads.
    pub environment: Vec<String>,
    /// Whether something in the experiment is masked.
    pub masked: bool,
    /// What was left out.
    pub dry: Option<String>,
}

/// How something is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sentiment {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Nothing was learnt, or it is not clear what.
    Unclear,
}

/// A probe of the hypothesis, and what was seen of it.
#[derive(Clone, Debug)]
pub struct ProbeRow {
    /// Its name.
    pub name: String,
    /// What is tolerated.
    pub tolerated: String,
    /// Before the method.
    pub before: ProbeCheck,
    /// While it ran: of several looks the first that was not met, else the last. None where nobody was to look.
    pub during: Option<ProbeCheck>,
    /// After it.
    pub after: ProbeCheck,
}

/// What was seen of a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeCheck {
    /// What became of it.
    pub state: ProbeCheckState,
    /// What was observed, or why nothing could be.
    pub observed: String,
    /// How long it took, in seconds.
    pub duration: Option<f64>,
    /// How many looks there were, and how many of them were not met.
    pub checks: (usize, usize),
}

/// What became of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeCheckState {
    /// It was within its tolerance.
    Met,
    /// It was not.
    Unmet,
    /// It could not be measured.
    Failed,
    /// It was not looked at: something before it decided.
    NotReached,
    /// It was left out, the run being dry.
    Dry,
}

/// A step of the method, or a rollback.
#[derive(Clone, Debug)]
pub struct SummaryStep {
    /// Its name.
    pub name: String,
    /// Whether it acts, or only looks.
    pub is_action: bool,
    /// What became of it.
    pub state: StepStatus,
    /// What was seen, or what went wrong.
    pub detail: String,
    /// What it hit: kind, namespace and name of each, and whether it was done, where that is known.
    pub targets: Vec<(String, Option<bool>)>,
    /// How long it took, in seconds.
    pub duration: Option<f64>,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepStatus {
    /// An action that was seen to take effect.
    TookEffect,
    /// An action that was carried out and not seen to take effect.
    Unconfirmed,
    /// An action that was carried out, in a journal that does not tell of effects.
    NotKnown,
    /// A probe that was carried out.
    Done,
    /// It could not be carried out.
    Failed,
    /// It was cut off.
    Cut,
    /// It was not reached.
    NotReached,
    /// It was left out, the run being dry.
    Dry,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineEvent {
    /// Seconds since the run began.
    pub at: f64,
    /// What happened.
    pub description: String,
    /// What kind of thing.
    pub kind: TimelineEventKind,
    /// How it is to be taken.
    pub sentiment: Sentiment,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimelineEventKind {
    /// A look at the steady state.
    HypothesisCheck,
    /// An action.
    Action,
    /// An action was seen to take effect.
    Effect,
    /// A probe of the method.
    Probe,
    /// A rollback.
    Rollback,
    /// The end.
    End,
}

impl ReportSummary {
    /// Of records, and what their comparison came to: that of those before and those after, in this order.
    pub fn from_records(records: &[Record], comparison: Option<&RunComparison>) -> Self {
        let mut runs: Vec<RunSummary> = records.iter().map(build::summarize_run).collect();
        // what a run was in the trial that made it counts for less than what it is in this answer
        let compared = comparison.into_iter().flat_map(|comparison| &comparison.runs);
        for (run, compared) in runs.iter_mut().zip(compared) {
            run.arm = Some((compared.arm.name().to_owned(), compared.repeat));
        }
        Self { runs, comparison: comparison.cloned() }
    }
}
