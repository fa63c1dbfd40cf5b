//! What a trial says while it runs: its plan, each pair, its end, and where the time goes.

use std::path::Path;
use std::time::{Duration, Instant};

use super::baseline::BaselineRuns;
use crate::journal::Record;
use crate::statistics::{LeadOutcome, Race, StopReason};
use crate::trial::{Concurrency, PairCounts, Repetition, TrialEnd};

/// Describes what the trial is going to do.
pub(super) fn describe_plan(
    trial: &str,
    repetition: Repetition,
    concurrency: Concurrency,
    baseline: &BaselineRuns,
    seed: u64,
    output_dir: &Path,
) -> String {
    let runs = match (repetition, baseline.count()) {
        (Repetition::Fixed(pairs), 0) => format!("{} runs, {pairs} per arm", u64::from(pairs) * 2),
        (_, runs) if runs > 0 => format!("{runs} runs after the change, for {runs} earlier runs before it"),
        (repetition, _) => {
            format!("at most {}, until the answer is known", plural(repetition.max_pairs(), "pair"))
        }
    };
    let at_once = match (concurrency, baseline.count()) {
        (Concurrency::Pairs(pairs), 0) if pairs > 1 => format!(", {pairs} pairs at once"),
        (Concurrency::Pairs(runs), 1..) if runs > 1 => format!(", {runs} at once"),
        _ => String::new(),
    };
    format!("trial {trial}: {runs}{at_once}, seed {seed}; output directory {}", output_dir.display())
}

/// Describes what is known after a pair, and what would end the trial.
pub(super) fn describe_pairs(race: &Race, counts: PairCounts) -> String {
    let PairCounts { pairs, failed_before, failed_after } = counts;
    let known = format!(
        "after {}: {failed_before} failed before, {failed_after} failed after",
        plural(pairs, "pair")
    );
    let stops = race.next_stops(pairs, failed_before, failed_after);
    let Some(shown) = stops.iter().find(|stop| stop.reason.is_significant()) else {
        return format!(
            "{known}; a difference can no longer be shown; the trial ends with one of the next pairs"
        );
    };
    let difference = format!(
        "a difference is shown after pair {} at the earliest, with {} failed before and {} after",
        shown.pairs, shown.failed_before, shown.failed_after
    );
    let others = stops.iter().filter(|stop| !stop.reason.is_significant());
    let end = match (others.map(|stop| stop.pairs).min(), race.max_pairs()) {
        (Some(first), last) if first < last => {
            format!("without one the trial ends after pair {first} to {last}")
        }
        (_, last) => format!("without one the trial ends after pair {last}"),
    };
    format!("{known}; {difference}; {end}")
}

/// Describes why a trial ended.
pub(super) fn describe_end(end: TrialEnd, repetition: Repetition) -> Option<String> {
    Some(match end {
        TrialEnd::AllRuns => return None,
        TrialEnd::Race { reason, counts } => {
            let PairCounts { pairs, failed_before, failed_after } = counts;
            let reason = match reason {
                StopReason::CleanSplit => "every run of one arm failed, and none of the other".to_owned(),
                StopReason::Lead(limit) => {
                    let what = match limit.outcome {
                        LeadOutcome::Failed => "failed runs",
                        LeadOutcome::Held => "runs that held",
                    };
                    format!("{what} are {limit}, which chance rarely explains")
                }
                StopReason::SameOutcome => "every run had the same outcome".to_owned(),
                StopReason::Unlikely => {
                    let maximum = plural(repetition.max_pairs(), "pair");
                    format!("a difference is unlikely to show within {maximum}")
                }
                StopReason::MaxPairs => "this is the maximum".to_owned(),
            };
            format!(
                "the trial ends after {}, {failed_before} failed before and {failed_after} after: {reason}",
                plural(pairs, "pair")
            )
        }
        TrialEnd::RepeatedVoid { arm, cause } => format!(
            "the trial ends: two runs {} the change in a row do not count: {}",
            arm.name(),
            cause.describe()
        ),
        TrialEnd::TooManyVoid { arm } => format!(
            "the trial ends: too many runs {} the change do not count; at most 2 of a pair and {} of an arm are \
             repeated",
            arm.name(),
            repetition.max_replays_per_arm()
        ),
    })
}

/// Describes how long the parts of a run took.
pub(super) fn describe_phases(parts: &[(&'static str, f64)]) -> String {
    parts.iter().map(|(name, seconds)| format!("{name} {seconds:.1} s")).collect::<Vec<_>>().join(", ")
}

/// Time that the parts of all runs took.
pub(super) struct PhaseTotals {
    started: Instant,
    runs: u32,
    parts: Vec<(&'static str, f64)>,
    removals: u32,
    removal: Duration,
}

impl Default for PhaseTotals {
    fn default() -> Self {
        Self { started: Instant::now(), runs: 0, parts: Vec::new(), removals: 0, removal: Duration::ZERO }
    }
}

impl PhaseTotals {
    /// Adds the parts of a run.
    pub(super) fn add_run(&mut self, record: &Record) {
        let environment = record.content.extension.as_ref().and_then(|own| own.environment.as_ref());
        let Some(phases) = environment.and_then(|environment| environment.phases) else { return };
        let parts = phases.parts();
        if self.parts.is_empty() {
            self.parts = parts.iter().map(|(name, _)| (*name, 0.0)).collect();
        }
        self.runs += 1;
        self.parts.iter_mut().zip(parts).for_each(|((_, total), (_, seconds))| *total += seconds);
    }

    /// Adds the removal of a namespace.
    pub(super) fn add_removal(&mut self, time: Duration) {
        self.removals += 1;
        self.removal += time;
    }

    /// Describes the whole time, and the mean of each part.
    pub(super) fn summary(&self) -> String {
        self.summary_of(self.started.elapsed())
    }

    fn summary_of(&self, total: Duration) -> String {
        let mean = |(name, total): &(&'static str, f64)| (*name, total / f64::from(self.runs.max(1)));
        let mut means: Vec<_> = self.parts.iter().map(mean).collect();
        if self.removals > 0 {
            means.push(("removal", self.removal.as_secs_f64() / f64::from(self.removals)));
        }
        let total = format!("the runs took {:.0} s", total.as_secs_f64());
        if means.is_empty() { total } else { format!("{total}; mean per run: {}", describe_phases(&means)) }
    }
}

fn plural(count: u32, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::compare::LastingCause;
    use crate::trial::Arm;

    fn counts(pairs: u32, failed_before: u32, failed_after: u32) -> PairCounts {
        PairCounts { pairs, failed_before, failed_after }
    }

    const AUTO: Repetition = Repetition::Auto { max_pairs: 10 };

    #[test]
    fn plan_names_the_number_of_runs() {
        let plan = |repetition, concurrency| {
            describe_plan("ab", repetition, concurrency, &BaselineRuns::default(), 7, Path::new("out"))
        };
        assert_snapshot!(plan(AUTO, Concurrency::Pairs(1)), @"trial ab: at most 10 pairs, until the answer is known, seed 7; output directory out");
        assert_snapshot!(plan(Repetition::Fixed(3), Concurrency::Sequential), @"trial ab: 6 runs, 3 per arm, seed 7; output directory out");
        assert_snapshot!(plan(AUTO, Concurrency::Pairs(3)), @"trial ab: at most 10 pairs, until the answer is known, 3 pairs at once, seed 7; output directory out");
    }

    #[test]
    fn pairs_say_what_would_end_the_trial() {
        let race = Race::new(10);
        let text = |pairs, before, after| describe_pairs(&race, counts(pairs, before, after));
        assert_snapshot!(text(1, 1, 0), @"after 1 pair: 1 failed before, 0 failed after; a difference is shown after pair 3 at the earliest, with 3 failed before and 0 after; without one the trial ends after pair 5 to 10");
        assert_snapshot!(text(2, 2, 0), @"after 2 pairs: 2 failed before, 0 failed after; a difference is shown after pair 3 at the earliest, with 3 failed before and 0 after; without one the trial ends after pair 5 to 10");
        assert_snapshot!(text(4, 0, 0), @"after 4 pairs: 0 failed before, 0 failed after; a difference can no longer be shown; the trial ends with one of the next pairs");
        assert_snapshot!(text(6, 4, 0), @"after 6 pairs: 4 failed before, 0 failed after; a difference is shown after pair 7 at the earliest, with 5 failed before and 0 after; without one the trial ends after pair 7 to 10");
    }

    #[test]
    fn end_says_why() {
        let text = |end| describe_end(end, AUTO).unwrap_or_default();
        let race = |reason, counts| text(TrialEnd::Race { reason, counts });
        let stop = |pairs, before, after| Race::new(10).stop(pairs, before, after).unwrap();
        assert_snapshot!(race(stop(3, 3, 0), counts(3, 3, 0)), @"the trial ends after 3 pairs, 3 failed before and 0 after: every run of one arm failed, and none of the other");
        assert_snapshot!(race(stop(7, 5, 0), counts(7, 5, 0)), @"the trial ends after 7 pairs, 5 failed before and 0 after: failed runs are 5 to none, which chance rarely explains");
        assert_snapshot!(race(stop(5, 5, 5), counts(5, 5, 5)), @"the trial ends after 5 pairs, 5 failed before and 5 after: every run had the same outcome");
        assert_snapshot!(race(StopReason::Unlikely, counts(6, 2, 2)), @"the trial ends after 6 pairs, 2 failed before and 2 after: a difference is unlikely to show within 10 pairs");
        assert_snapshot!(race(StopReason::MaxPairs, counts(10, 3, 0)), @"the trial ends after 10 pairs, 3 failed before and 0 after: this is the maximum");
        assert_snapshot!(text(TrialEnd::RepeatedVoid { arm: Arm::After, cause: LastingCause::NoTarget }), @"the trial ends: two runs after the change in a row do not count: the fault had no target");
        assert_snapshot!(text(TrialEnd::TooManyVoid { arm: Arm::Before }), @"the trial ends: too many runs before the change do not count; at most 2 of a pair and 5 of an arm are repeated");
        assert_eq!(describe_end(TrialEnd::AllRuns, AUTO), None);
    }

    #[test]
    fn summary_has_the_mean_of_each_part() {
        let mut totals = PhaseTotals { runs: 2, parts: vec![("deploy", 5.0)], ..PhaseTotals::default() };
        totals.add_removal(Duration::from_secs(3));
        assert_snapshot!(totals.summary_of(Duration::from_secs(20)), @"the runs took 20 s; mean per run: deploy 2.5 s, removal 3.0 s");
        assert_snapshot!(PhaseTotals::default().summary_of(Duration::from_secs(1)), @"the runs took 1 s");
    }
}
