//! The words that all reports use. Floor 1.

use super::{ProbeCheckState, ReportSummary, ReproductionInputs, RunSummary, Sentiment, StepStatus};
use crate::compare::{ComparisonVerdict, format_percent};
use crate::series::{MISSED, PhaseStats, SampleOutcome, SamplePhase, Series};

/// The context of a rehearsal.
const EMBEDDED_CONTEXT: &str = "embedded";

impl ReportSummary {
    /// The one line that stands above everything: `fixed (after: holds)`, `deviated`.
    pub fn headline(&self) -> String {
        match (&self.comparison, self.runs.as_slice()) {
            (Some(comparison), _) => comparison.headline(),
            (None, [run]) => run.verdict.clone(),
            (None, runs) => {
                let held = runs.iter().filter(|run| run.sentiment == Sentiment::Good).count();
                format!("{held} of {} runs as they should be", runs.len())
            }
        }
    }

    /// Why.
    pub fn reason(&self) -> String {
        match (&self.comparison, self.runs.as_slice()) {
            (Some(comparison), _) => comparison.reason.clone(),
            (None, [run]) => run.reason.clone(),
            (None, _) => String::new(),
        }
    }

    /// How it is to be taken.
    pub fn sentiment(&self) -> Sentiment {
        match &self.comparison {
            Some(comparison) => match comparison.verdict {
                ComparisonVerdict::Fixed | ComparisonVerdict::Improved => Sentiment::Good,
                ComparisonVerdict::Broken | ComparisonVerdict::Regressed => Sentiment::Bad,
                ComparisonVerdict::Unchanged | ComparisonVerdict::Inconclusive => Sentiment::Unclear,
            },
            None if self.runs.iter().any(|run| run.sentiment == Sentiment::Bad) => Sentiment::Bad,
            None if self.runs.iter().all(|run| run.sentiment == Sentiment::Good) => Sentiment::Good,
            None => Sentiment::Unclear,
        }
    }

    /// The title: that of the experiments, where they have the same.
    pub fn title(&self) -> String {
        let Some(first) = self.runs.first() else { return "nothing".to_owned() };
        if self.runs.iter().all(|run| run.title == first.title) {
            return first.title.clone();
        }
        format!("{} and {} more", first.title, self.runs.len() - 1)
    }
}

impl RunSummary {
    /// Which run it is among several: `before 1`, else where its journal came from.
    pub fn label(&self) -> String {
        match &self.arm {
            Some((arm, repeat)) => format!("{arm} {repeat}"),
            None => self.source.clone(),
        }
    }

    /// How to run the same again, as far as the journal says. Neither the experiment's own file nor the journal is
    /// written over.
    pub fn reproduction_commands(&self) -> Vec<String> {
        let ReproductionInputs { configuration, environment, masked, dry } = &self.reproduction;
        let mut lines = vec![format!("jq .experiment {} > again.json", shell_quote(&self.source))];
        let mut note = |holds: bool, text: &str, names: &[String]| {
            if holds {
                lines.push(format!("# {text}{}", names.join(", ")));
            }
        };
        note(*masked, "*** in it stands for secrets: put them back, or run the experiment's own file", &[]);
        note(!configuration.is_empty(), "with the same --var, where any were given: ", configuration);
        note(!environment.is_empty(), "with these in the environment: ", environment);
        let mut command = "kubectl chaos run again.json --journal-path again-journal.json".to_owned();
        let stood = |wanted: &str| self.environment.iter().find(|(name, _)| *name == wanted);
        // one that a trial made for the run is gone with it
        if let Some((_, name)) = stood("namespace").filter(|_| !self.is_trial_run) {
            command += &format!(" -n {}", shell_quote(name));
        }
        if stood("context").is_some_and(|(_, context)| context == EMBEDDED_CONTEXT) {
            command += " --embedded --apply MANIFESTS";
        }
        if let Some(what) = dry {
            command += &format!(" --dry {}", shell_quote(what));
        }
        command += &self.sampling_flag();
        lines.push(command);
        lines
    }

    /// The flag by which it was sampled.
    fn sampling_flag(&self) -> String {
        let Some(first) = self.samples.first() else { return String::new() };
        let alike = self.samples.iter().all(|series| series.period.to_bits() == first.period.to_bits());
        let milliseconds = (first.period * 1000.0).round();
        if alike && (1.0..=3_600_000.0).contains(&milliseconds) {
            format!(" --sample={milliseconds}ms")
        } else {
            // each as often as is usual for it
            " --sample".to_owned()
        }
    }
}

/// As a shell takes it.
fn shell_quote(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| "FILE".to_owned(), std::borrow::Cow::into_owned)
}

impl ProbeCheckState {
    /// What is said of it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Unmet => "not met",
            Self::Failed => "could not be measured",
            Self::NotReached => "not looked at",
            Self::Dry => "left out",
        }
    }

    /// How it is to be taken.
    pub fn sentiment(self) -> Sentiment {
        match self {
            Self::Met => Sentiment::Good,
            Self::Unmet | Self::Failed => Sentiment::Bad,
            Self::NotReached | Self::Dry => Sentiment::Unclear,
        }
    }
}

impl StepStatus {
    /// What is said of it.
    pub fn label(self) -> &'static str {
        match self {
            Self::TookEffect => "took effect",
            Self::Unconfirmed => "not seen to take effect",
            Self::NotKnown => "carried out; whether it took effect is not known",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cut => "cut off",
            Self::NotReached => "not reached",
            Self::Dry => "left out",
        }
    }

    /// How it is to be taken.
    pub fn sentiment(self) -> Sentiment {
        match self {
            Self::TookEffect | Self::Done => Sentiment::Good,
            Self::Unconfirmed | Self::Failed | Self::Cut => Sentiment::Bad,
            Self::NotKnown | Self::NotReached | Self::Dry => Sentiment::Unclear,
        }
    }
}

/// `48 of 50 ok, 2 answered with another status`.
pub fn format_sample_counts(seen: &PhaseStats) -> String {
    let mut text = format!("{} of {} ok", seen.count(SampleOutcome::Ok), seen.total());
    for (outcome, count) in seen.outcomes.iter().filter(|(outcome, _)| **outcome != SampleOutcome::Ok) {
        text += &format!(", {count} {}", outcome.words());
    }
    if seen.missed > 0 {
        text += &format!(", {} {MISSED}", seen.missed);
    }
    text
}

/// `96 %`; nothing where there were no samples.
pub fn format_success_ratio(seen: &PhaseStats) -> Option<String> {
    seen.success_ratio().map(|ratio| format!("{} %", format_percent(ratio)))
}

/// When it was noticed, and when it was over: `noticed after 0.1 s`, `recovered after 2.1 s`, `not recovered after 10 s`.
pub fn format_reaction(series: &Series) -> Vec<String> {
    let mut text = Vec::new();
    if let Some(seconds) = series.detected_after {
        text.push(format!("noticed after {}", format_seconds(seconds)));
    }
    match (series.seen(SamplePhase::Recovery), series.recovered_after) {
        (None, _) => {}
        (Some(_), Some(seconds)) => text.push(format!("recovered after {}", format_seconds(seconds))),
        (Some(_), None) => {
            text.push(format!("not recovered after {}", format_seconds(series.recovery_watched)));
        }
    }
    text
}

/// A time as people read it: `12.3 s`, `2 min 5 s`.
pub fn format_seconds(seconds: f64) -> String {
    if seconds < 120.0 {
        return format!("{} s", format_significant(seconds));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // it is a positive number of seconds
    let whole = seconds.round() as u64;
    format!("{} min {} s", whole / 60, whole % 60)
}

/// Three significant digits, and none of them for nothing.
fn format_significant(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_ratio_is_100_percent_only_when_exact() {
        let check = |ok: u64, refused: u64, expected: &str| {
            let outcomes = [(SampleOutcome::Ok, ok), (SampleOutcome::Refused, refused)].into_iter().collect();
            let seen = PhaseStats {
                phase: SamplePhase::Fault,
                from: 0.0,
                to: 1.0,
                due: ok + refused,
                missed: 0,
                outcomes,
                latency: None,
            };
            assert_eq!(format_success_ratio(&seen).unwrap(), expected);
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
