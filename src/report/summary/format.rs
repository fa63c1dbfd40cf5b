//! The texts that all reports share.

use super::{ProbeCheckState, ReportSummary, ReproductionInputs, RunSummary, Sentiment, StepStatus};
use crate::compare::ComparisonVerdict;
use crate::series::{MISSED, PhaseStats, SampleOutcome, SamplePhase, Series};
use crate::text::{format_percent, format_significant};

/// The context name of the embedded cluster.
const EMBEDDED_CONTEXT: &str = "embedded";

impl ReportSummary {
    /// Returns the headline: `fixed (after: holds)`, `deviated`.
    pub fn headline(&self) -> String {
        match (&self.comparison, self.runs.as_slice()) {
            (Some(comparison), _) => comparison.headline(),
            (None, [run]) => run.verdict.clone(),
            (None, runs) => {
                let held = runs.iter().filter(|run| run.sentiment == Sentiment::Good).count();
                format!("{held} of {} runs passed", runs.len())
            }
        }
    }

    /// Returns the reason for the headline.
    pub fn reason(&self) -> String {
        match (&self.comparison, self.runs.as_slice()) {
            (Some(comparison), _) => comparison.reason.clone(),
            (None, [run]) => run.reason.clone(),
            (None, _) => String::new(),
        }
    }

    /// Returns whether the result is good or bad.
    pub fn sentiment(&self) -> Sentiment {
        match &self.comparison {
            Some(comparison) => match comparison.verdict {
                ComparisonVerdict::Fixed | ComparisonVerdict::Improved => Sentiment::Good,
                ComparisonVerdict::Broken | ComparisonVerdict::Regressed => Sentiment::Bad,
                ComparisonVerdict::Equivalent
                | ComparisonVerdict::NoDifference
                | ComparisonVerdict::Inconclusive => Sentiment::Unclear,
            },
            None if self.runs.iter().any(|run| run.sentiment == Sentiment::Bad) => Sentiment::Bad,
            None if self.runs.iter().all(|run| run.sentiment == Sentiment::Good) => Sentiment::Good,
            None => Sentiment::Unclear,
        }
    }

    /// Returns the title of the experiment, or of the first one.
    pub fn title(&self) -> String {
        let Some(first) = self.runs.first() else { return "no runs".to_owned() };
        if self.runs.iter().all(|run| run.title == first.title) {
            return first.title.clone();
        }
        format!("{} and {} more", first.title, self.runs.len() - 1)
    }
}

impl RunSummary {
    /// Returns the label of the run: `before 1`, or the path of its journal.
    pub fn label(&self) -> String {
        match &self.arm {
            Some((arm, repeat)) => format!("{arm} {repeat}"),
            None => self.source.clone(),
        }
    }

    /// Returns the commands that reproduce the run, as far as the journal states it.
    ///
    /// They overwrite neither the experiment nor the journal.
    pub fn reproduction_commands(&self) -> Vec<String> {
        let ReproductionInputs { configuration, environment, masked, dry } = &self.reproduction;
        let mut lines = vec![format!("jq .experiment {} > again.json", shell_quote(&self.source))];
        let mut note = |holds: bool, text: &str, names: &[String]| {
            if holds {
                lines.push(format!("# {text}{}", names.join(", ")));
            }
        };
        note(*masked, "*** masks secrets: restore them, or run the original file", &[]);
        note(!configuration.is_empty(), "pass the original --var for: ", configuration);
        note(!environment.is_empty(), "set in the environment: ", environment);
        let mut command = "kubectl chaos run again.json --journal-path again-journal.json".to_owned();
        let find = |wanted: &str| self.environment.iter().find(|(name, _)| *name == wanted);
        // the namespace of a trial is deleted with the run
        if let Some((_, name)) = find("namespace").filter(|_| !self.is_trial_run) {
            command += &format!(" -n {}", shell_quote(name));
        }
        if find("context").is_some_and(|(_, context)| context == EMBEDDED_CONTEXT) {
            command += " --embedded --apply MANIFESTS";
        }
        if let Some(what) = dry {
            command += &format!(" --dry {}", shell_quote(what));
        }
        command += &self.sampling_flag();
        lines.push(command);
        lines
    }

    /// Returns the sampling flag of the run.
    fn sampling_flag(&self) -> String {
        let Some(first) = self.samples.first() else { return String::new() };
        let alike = self.samples.iter().all(|series| series.period.to_bits() == first.period.to_bits());
        let milliseconds = (first.period * 1000.0).round();
        if alike && (1.0..=3_600_000.0).contains(&milliseconds) {
            format!(" --sample={milliseconds}ms")
        } else {
            // different periods: the defaults
            " --sample".to_owned()
        }
    }
}

/// Quotes a text for a shell.
fn shell_quote(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| "FILE".to_owned(), std::borrow::Cow::into_owned)
}

impl ProbeCheckState {
    /// Returns the label in reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Unmet => "not met",
            Self::Failed => "failed",
            Self::NotReached => "not checked",
            Self::Dry => "skipped",
        }
    }

    /// Returns whether the result is good or bad.
    pub fn sentiment(self) -> Sentiment {
        match self {
            Self::Met => Sentiment::Good,
            Self::Unmet | Self::Failed => Sentiment::Bad,
            Self::NotReached | Self::Dry => Sentiment::Unclear,
        }
    }
}

impl StepStatus {
    /// Returns the label in reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::TookEffect => "took effect",
            Self::Unconfirmed => "effect not observed",
            Self::NotKnown => "executed; effect unknown",
            Self::Done => "done",
            Self::Met => "within its tolerance",
            Self::Unmet => "not within its tolerance",
            Self::Failed => "failed",
            Self::Cut => "interrupted",
            Self::NotReached => "not reached",
            Self::Dry => "skipped",
        }
    }

    /// Returns whether the result is good or bad.
    pub fn sentiment(self) -> Sentiment {
        match self {
            Self::TookEffect | Self::Done | Self::Met => Sentiment::Good,
            Self::Unmet | Self::Unconfirmed | Self::Failed | Self::Cut => Sentiment::Bad,
            Self::NotKnown | Self::NotReached | Self::Dry => Sentiment::Unclear,
        }
    }
}

/// Formats the outcomes of samples: `48 of 50 ok, 2 refused`.
pub fn format_sample_counts(stats: &PhaseStats) -> String {
    let mut text = format!("{} of {} ok", stats.count(SampleOutcome::Ok), stats.total());
    for (outcome, count) in stats.outcomes.iter().filter(|(outcome, _)| **outcome != SampleOutcome::Ok) {
        text += &format!(", {count} {}", outcome.words());
    }
    if stats.missed > 0 {
        text += &format!(", {} {MISSED}", stats.missed);
    }
    text
}

/// Formats the success ratio: `96 %`; none without samples.
pub fn format_success_ratio(stats: &PhaseStats) -> Option<String> {
    stats.success_ratio().map(|ratio| format!("{} %", format_percent(ratio)))
}

/// Formats the times of detection and recovery: `detected after 0.1 s`, `recovered after 2.1 s`.
pub fn format_reaction(series: &Series) -> Vec<String> {
    let mut text = Vec::new();
    if let Some(seconds) = series.detected_after {
        text.push(format!("detected after {}", format_seconds(seconds)));
    }
    match (series.phase_stats(SamplePhase::Recovery), series.recovered_after) {
        (None, _) => {}
        (Some(_), Some(seconds)) => text.push(format!("recovered after {}", format_seconds(seconds))),
        (Some(_), None) => {
            text.push(format!("not recovered after {}", format_seconds(series.recovery_watched)));
        }
    }
    text
}

/// Formats a duration: `12.3 s`, `2 min 5 s`.
pub fn format_seconds(seconds: f64) -> String {
    if seconds < 120.0 {
        return format!("{} s", format_significant(seconds));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // it is a positive number of seconds
    let whole = seconds.round() as u64;
    format!("{} min {} s", whole / 60, whole % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_ratio_is_100_percent_only_when_exact() {
        let check = |ok: u64, refused: u64, expected: &str| {
            let outcomes = [(SampleOutcome::Ok, ok), (SampleOutcome::Refused, refused)].into_iter().collect();
            let stats = PhaseStats {
                phase: SamplePhase::Fault,
                from: 0.0,
                to: 1.0,
                due: ok + refused,
                missed: 0,
                outcomes,
                latency: None,
            };
            assert_eq!(format_success_ratio(&stats).unwrap(), expected);
        };
        check(5000, 0, "100 %");
        check(4999, 1, "99.98 %");
        check(3, 1, "75 %");
        check(1, 999_999, "0.0001 %");
        check(0, 1, "0 %");
    }

    #[test]
    fn seconds_have_three_significant_digits() {
        let check = |value: f64, expected: &str| assert_eq!(format_seconds(value), expected);
        check(0.0, "0 s");
        check(0.0764, "0.076 s");
        check(1.0, "1 s");
        check(12.34, "12.3 s");
        check(100.4, "100 s");
        check(125.2, "2 min 5 s");
    }
}
