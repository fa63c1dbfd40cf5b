//! The content of reports, independent of their format.
//!
//! Nothing here is escaped. Text of journals is bounded and untrusted.

mod build;
mod format;

use crate::compare::RunComparison;
use crate::journal::{Record, RunVerdict};
use crate::series::Series;

pub use build::shorten;
pub use format::{format_reaction, format_sample_counts, format_seconds, format_success_ratio};

/// One or more runs, and their comparison.
#[derive(Clone, Debug)]
pub struct ReportSummary {
    /// The runs in the given order.
    pub runs: Vec<RunSummary>,
    pub comparison: Option<RunComparison>,
}

/// The summary of one run.
#[derive(Clone, Debug)]
pub struct RunSummary {
    pub title: String,
    /// The path of the journal.
    pub source: String,
    /// The arm of the trial or comparison, and the number of the run in it: `before`, 1.
    pub arm: Option<(String, u32)>,
    /// Whether the run is part of a trial, with a namespace of its own.
    pub is_trial_run: bool,
    /// The verdict: `held`, `deviated`…
    pub verdict: String,
    /// The verdict, if this version knows it and the run is finished.
    pub kind: Option<RunVerdict>,
    pub sentiment: Sentiment,
    /// The reason for the verdict.
    pub reason: String,
    /// The start, ISO 8601.
    pub start: Option<String>,
    /// The duration in seconds.
    pub duration: Option<f64>,
    /// The environment, as names and values.
    pub environment: Vec<(&'static str, String)>,
    pub probes: Vec<ProbeRow>,
    /// The steps of the method, including those that were not reached.
    pub method: Vec<SummaryStep>,
    /// The rollbacks, including those that were not reached.
    pub rollbacks: Vec<SummaryStep>,
    /// The events in order of time.
    pub timeline: Vec<TimelineEvent>,
    /// The number of later events that are left out.
    pub omitted_events: usize,
    pub samples: Vec<Series>,
    pub reproduction: ReproductionInputs,
    /// The text of the journal.
    pub journal: String,
}

/// The inputs besides the experiment that a reproduction needs.
#[derive(Clone, Debug, Default)]
pub struct ReproductionInputs {
    /// The configuration entries, which variables may have replaced.
    pub configuration: Vec<String>,
    /// The environment variables that the experiment reads.
    pub environment: Vec<String>,
    /// Whether the journal masks part of the experiment.
    pub masked: bool,
    /// The dry mode.
    pub dry: Option<String>,
}

/// Whether a result is good or bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sentiment {
    Good,
    Bad,
    /// The result is unknown or neutral.
    Unclear,
}

/// A probe of the hypothesis with its checks.
#[derive(Clone, Debug)]
pub struct ProbeRow {
    pub name: String,
    /// The tolerance as JSON.
    pub tolerated: String,
    pub before: ProbeCheck,
    /// The first failed check during the method, or else the last; none if the strategy has no such checks.
    pub during: Option<ProbeCheck>,
    pub after: ProbeCheck,
}

/// A check of a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeCheck {
    pub state: ProbeCheckState,
    /// The observed value, or the error.
    pub observed: String,
    /// The duration in seconds.
    pub duration: Option<f64>,
    /// The number of checks, and of failed ones.
    pub checks: (usize, usize),
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeCheckState {
    /// The value was within its tolerance.
    Met,
    /// The value was not within its tolerance.
    Unmet,
    /// The probe failed.
    Failed,
    /// An earlier probe decided the hypothesis.
    NotReached,
    /// The dry run skipped it.
    Dry,
}

/// A step of the method, or a rollback.
#[derive(Clone, Debug)]
pub struct SummaryStep {
    pub name: String,
    pub is_action: bool,
    /// Whether it is a probe of the method with a tolerance of its own, which the verdict depends on.
    pub is_judged: bool,
    pub state: StepStatus,
    /// The observed effect or value, or the error.
    pub detail: String,
    /// The targets: kind, namespace and name, and whether each was changed, if that is known.
    pub targets: Vec<(String, Option<bool>)>,
    /// The duration in seconds.
    pub duration: Option<f64>,
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepStatus {
    /// An action whose effect was confirmed.
    TookEffect,
    /// An action whose effect was not observed.
    Unconfirmed,
    /// An action in a journal without effects.
    NotKnown,
    /// A probe that succeeded.
    Done,
    /// A probe of the method that was within its tolerance.
    Met,
    /// A probe of the method that was not within its tolerance.
    Unmet,
    /// The activity failed.
    Failed,
    /// The activity was interrupted.
    Cut,
    /// The run did not reach it.
    NotReached,
    /// The dry run skipped it.
    Dry,
}

/// An event of the timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineEvent {
    /// Seconds since the start of the run.
    pub at: f64,
    pub description: String,
    pub kind: TimelineEventKind,
    pub sentiment: Sentiment,
}

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimelineEventKind {
    /// A check of the steady state.
    HypothesisCheck,
    /// The start of an action.
    Action,
    /// The confirmed effect of an action.
    Effect,
    /// The start of a probe of the method.
    Probe,
    /// The start of a rollback.
    Rollback,
    /// The end of the run.
    End,
}

impl ReportSummary {
    /// Summarizes records and their comparison; the records before come first, then those after.
    pub fn from_records(records: &[Record], comparison: Option<&RunComparison>) -> Self {
        let mut runs: Vec<RunSummary> = records.iter().map(build::summarize_run).collect();
        // the arm of this comparison replaces the arm of the trial that made the run
        let compared = comparison.into_iter().flat_map(|comparison| &comparison.runs);
        for (run, compared) in runs.iter_mut().zip(compared) {
            run.arm = Some((compared.arm.name().to_owned(), compared.repeat));
        }
        Self { runs, comparison: comparison.cloned() }
    }
}
