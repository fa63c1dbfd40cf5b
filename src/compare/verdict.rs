//! The verdict of a comparison.

use super::{
    AfterOutcome, ArmCounts, Arms, ComparedRun, ComparisonVerdict, MIN_RUNS_PER_ARM, MetricResult,
    MetricVerdict, Replication, RequiredRuns, RunOutcomeKind, SIGNIFICANCE_LEVEL,
};
use crate::statistics::{can_differ, required_group_size, wilson_interval};
use crate::text::{pluralize, quote, to_sentence};

/// The number of metrics that a reason names; the others are only counted.
const MAX_NAMED: usize = 3;

/// The verdict with its reason.
pub(super) struct VerdictDetails {
    pub(super) verdict: ComparisonVerdict,
    pub(super) reason: String,
    pub(super) after: AfterOutcome,
    pub(super) evidence: Replication,
    pub(super) required_runs: Option<RequiredRuns>,
}

/// Counts runs by outcome.
pub(super) fn count_runs<'a>(runs: impl Iterator<Item = &'a ComparedRun>) -> ArmCounts {
    let (mut held, mut failed, mut void) = (0, 0, 0);
    for run in runs {
        match run.outcome {
            RunOutcomeKind::Held => held += 1,
            RunOutcomeKind::Failed => failed += 1,
            RunOutcomeKind::Void => void += 1,
        }
    }
    let valid = held + failed;
    ArmCounts {
        runs: valid + void,
        valid,
        held,
        failed,
        void,
        surplus: 0,
        failed_interval: wilson_interval(failed, valid),
    }
}

/// Returns the outcome of an arm.
fn arm_outcome(arm: &ArmCounts) -> AfterOutcome {
    match (arm.held, arm.failed) {
        (0, 0) => AfterOutcome::Unknown,
        (_, 0) => AfterOutcome::Holds,
        (0, _) => AfterOutcome::Fails,
        (_, _) => AfterOutcome::Mixed,
    }
}

/// Decides the verdict from the counts and the metrics.
pub(super) fn decide_verdict(arms: &Arms, rows: &[MetricResult]) -> VerdictDetails {
    let (before, after) = (arm_outcome(&arms.before), arm_outcome(&arms.after));
    let enough = arms.before.valid.min(arms.after.valid) >= MIN_RUNS_PER_ARM;
    let evidence = if enough { Replication::Repeated } else { Replication::Single };
    let of = |standing: MetricVerdict| rows.iter().filter(|row| row.result == standing).collect::<Vec<_>>();
    let (better, worse) = (of(MetricVerdict::Better), of(MetricVerdict::Worse));
    let (verdict, reason) = match (before, after) {
        (AfterOutcome::Unknown, _) | (_, AfterOutcome::Unknown) => {
            (ComparisonVerdict::Inconclusive, describe_missing_runs(arms))
        }
        (AfterOutcome::Mixed, _) | (_, AfterOutcome::Mixed) => {
            let explanation = "outcomes within an arm are mixed";
            (ComparisonVerdict::Inconclusive, format!("{}: {explanation}", describe_outcomes(arms)))
        }
        (AfterOutcome::Fails, AfterOutcome::Holds) => (ComparisonVerdict::Fixed, describe_outcomes(arms)),
        (AfterOutcome::Holds, AfterOutcome::Fails) => (ComparisonVerdict::Broken, describe_outcomes(arms)),
        _ => match (better.is_empty(), worse.is_empty()) {
            (false, true) => (
                ComparisonVerdict::Improved,
                format!("{}; better: {}", describe_outcomes(arms), list_metrics(&better)),
            ),
            (true, false) => (
                ComparisonVerdict::Regressed,
                format!("{}; worse: {}", describe_outcomes(arms), list_metrics(&worse)),
            ),
            (false, false) => {
                let rows = format!("better: {}; worse: {}", list_metrics(&better), list_metrics(&worse));
                (ComparisonVerdict::Inconclusive, format!("{}; {rows}", describe_outcomes(arms)))
            }
            (true, true) if enough => (
                ComparisonVerdict::NoDifference,
                format!("{}; {}", describe_outcomes(arms), describe_no_difference(arms, rows)),
            ),
            (true, true) => {
                let least = format!("a comparison needs at least {MIN_RUNS_PER_ARM} valid runs per arm");
                (ComparisonVerdict::Inconclusive, format!("{}; {least}", describe_outcomes(arms)))
            }
        },
    };
    let mixed = before == AfterOutcome::Mixed || after == AfterOutcome::Mixed;
    let needed = if mixed { None } else { required_runs(verdict, arms, rows) };
    VerdictDetails { verdict, reason: to_sentence(&reason), after, evidence, required_runs: needed }
}

/// `all 3 valid runs before failed, and all 3 after held`.
fn describe_outcomes(arms: &Arms) -> String {
    let (before, after) = (&arms.before, &arms.after);
    let some = |arm: &ArmCounts, what: &str, runs: &str| match (arm.held, arm.failed) {
        (1, 0) | (0, 1) => format!("the one {runs}{what}"),
        (_, 0) | (0, _) => format!("all {} {runs}{what}", arm.valid),
        _ => format!("{} of {} {runs}{what}", arm.held, arm.valid),
    };
    let did = |arm: &ArmCounts| if arm.held > 0 { "held" } else { "failed" };
    let valid = |arm: &ArmCounts| if arm.valid == 1 { "valid run " } else { "valid runs " };
    format!(
        "{} {}, and {} {}",
        some(before, "before", valid(before)),
        did(before),
        some(after, "after", ""),
        did(after)
    )
}

fn describe_missing_runs(arms: &Arms) -> String {
    let valid = |arm: &ArmCounts| format!("{} of {}", arm.valid, pluralize(arm.runs as usize, "run"));
    format!(
        "{} before and {} after are valid, and both arms need one",
        valid(&arms.before),
        valid(&arms.after)
    )
}

/// Lists the first few metrics: `success ratio of 'p' (+12 points)`.
fn list_metrics(rows: &[&MetricResult]) -> String {
    let one = |row: &&MetricResult| {
        let difference = row.estimate.map(|_| format!(" ({})", row.format_difference())).unwrap_or_default();
        format!("{} of {}{difference}", row.metric.label(), quote(&row.probe))
    };
    let mut text = rows.iter().take(MAX_NAMED).map(one).collect::<Vec<_>>().join(", ");
    if rows.len() > MAX_NAMED {
        text += &format!(" and {} more", rows.len() - MAX_NAMED);
    }
    text
}

fn count_compared(rows: &[MetricResult]) -> usize {
    rows.iter().filter(|row| row.p.is_some()).count()
}

/// Returns the runs per arm with which a metric can be significant; none if these runs suffice, or without metrics.
fn required_runs_for_metrics(arms: &Arms, rows: &[MetricResult]) -> Option<u32> {
    let compared = count_compared(rows);
    let (before, after) = (arms.before.valid as usize, arms.after.valid as usize);
    let least = required_group_size(compared, SIGNIFICANCE_LEVEL);
    let too_few = !can_differ(before, after, compared, SIGNIFICANCE_LEVEL) && before.min(after) < least;
    u32::try_from(least).ok().filter(|_| compared > 0 && too_few)
}

fn describe_no_difference(arms: &Arms, rows: &[MetricResult]) -> String {
    if rows.is_empty() {
        "nothing was sampled".to_owned()
    } else if count_compared(rows) == 0 {
        "no metric could be compared".to_owned()
    } else if required_runs_for_metrics(arms, rows).is_some() {
        "too few runs to detect a difference in a metric".to_owned()
    } else {
        "no metric is better or worse".to_owned()
    }
}

fn required_runs(verdict: ComparisonVerdict, arms: &Arms, rows: &[MetricResult]) -> Option<RequiredRuns> {
    let enough = arms.before.valid.min(arms.after.valid) >= MIN_RUNS_PER_ARM;
    let for_rows = required_runs_for_metrics(arms, rows)
        .filter(|_| matches!(verdict, ComparisonVerdict::Inconclusive | ComparisonVerdict::NoDifference));
    let rows = for_rows.map(|least| {
        format!("at least {least} valid runs per arm are needed to detect a difference in a metric")
    });
    if enough {
        let repeats = for_rows?;
        return Some(RequiredRuns { repeats, reason: to_sentence(&rows?) });
    }
    let explanation = match verdict {
        // the probability of such a clean split by chance is known for outcomes only
        ComparisonVerdict::Fixed | ComparisonVerdict::Broken => format!(
            "with at least {MIN_RUNS_PER_ARM} valid runs per arm, chance alone gives this verdict in at most 3.1 % of comparisons"
        ),
        ComparisonVerdict::Improved | ComparisonVerdict::Regressed => {
            format!("with {MIN_RUNS_PER_ARM} valid runs per arm, a single run cannot decide")
        }
        ComparisonVerdict::Equivalent | ComparisonVerdict::NoDifference | ComparisonVerdict::Inconclusive => {
            format!("a comparison needs at least {MIN_RUNS_PER_ARM} valid runs per arm")
        }
    };
    let reason = rows.map_or_else(|| explanation.clone(), |rows| format!("{explanation}; {rows}"));
    Some(RequiredRuns { repeats: MIN_RUNS_PER_ARM, reason: to_sentence(&reason) })
}
