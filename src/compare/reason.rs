//! The words of verdicts: counts, limits, metrics and what more runs would show.

use super::{
    ArmCounts, Arms, ComparisonVerdict, MIN_RUNS_PER_ARM, MetricResult, MetricVerdict, RequiredRuns,
};
use crate::statistics::LeadLimit;
use crate::text::{format_significant, pluralize, quote, to_sentence};

/// The number of metrics that a reason names; the others are only counted.
const MAX_NAMED: usize = 3;
/// Smaller p values are not told apart.
const MIN_SHOWN_P: f64 = 0.001;

/// `9 of 10 valid runs before failed, and 1 of 10 after`.
pub(super) fn describe_outcomes(arms: &Arms) -> String {
    let Arms { before, after } = arms;
    let runs = if before.valid == 1 { "valid run" } else { "valid runs" };
    format!("{} {runs} before failed, and {} after", before.format_failed(), after.format_failed())
}

/// `p = 0.031`.
pub(super) fn describe_p(p: f64) -> String {
    if p < MIN_SHOWN_P { format!("p < {MIN_SHOWN_P}") } else { format!("p = {}", format_significant(p)) }
}

/// `5 to none after 7 pairs`.
pub(super) fn describe_limit(limit: LeadLimit, pairs: u32) -> String {
    format!("{limit} after {}", pluralize(pairs as usize, "pair"))
}

/// `the failure rates differ by less than 50 points`.
pub(super) fn describe_near(margin: f64) -> String {
    format!("the failure rates differ by less than {} points", format_significant(margin * 100.0))
}

/// Describes the valid runs if an arm has none.
pub(super) fn describe_missing_runs(arms: &Arms) -> String {
    let valid = |arm: &ArmCounts| format!("{} of {}", arm.valid, pluralize(arm.runs as usize, "run"));
    format!(
        "{} before and {} after are valid, and both arms need one",
        valid(&arms.before),
        valid(&arms.after)
    )
}

/// Lists the first few metrics: `success ratio of 'p' (+12 points)`.
pub(super) fn list_metrics(rows: &[&MetricResult]) -> String {
    let one = |row: &&MetricResult| {
        let effect = row.estimate.map(|_| format!(" ({})", row.format_difference())).unwrap_or_default();
        format!("{} of {}{effect}", row.metric.label(), quote(&row.probe))
    };
    let mut text = rows.iter().take(MAX_NAMED).map(one).collect::<Vec<_>>().join(", ");
    if rows.len() > MAX_NAMED {
        text += &format!(" and {} more", rows.len() - MAX_NAMED);
    }
    text
}

/// Describes metrics of which none is better or worse.
pub(super) fn describe_metrics(rows: &[MetricResult]) -> String {
    let count = |result: MetricVerdict| rows.iter().filter(|row| row.result == result).count();
    let compared = rows.len() - count(MetricVerdict::NotCompared);
    let untested = count(MetricVerdict::NotTested);
    if rows.is_empty() {
        "nothing was sampled".to_owned()
    } else if compared == 0 {
        "no metric could be compared".to_owned()
    } else if untested == compared {
        "no metric was tested".to_owned()
    } else if untested > 0 {
        format!("no metric is better or worse, and {untested} of {compared} were not tested")
    } else {
        "no metric is better or worse".to_owned()
    }
}

/// Returns the number of runs that a clearer verdict needs, if the outcomes did not leave it open.
pub(super) fn required_runs(
    verdict: ComparisonVerdict,
    arms: &Arms,
    for_rows: Option<u32>,
) -> Option<RequiredRuns> {
    let enough = arms.before.valid.min(arms.after.valid) >= MIN_RUNS_PER_ARM;
    let (repeats, reason) = match verdict {
        ComparisonVerdict::Fixed | ComparisonVerdict::Broken if !enough => (
            MIN_RUNS_PER_ARM,
            format!(
                "with at least {MIN_RUNS_PER_ARM} valid runs per arm, chance alone gives this verdict in at most \
                 4.5 % of comparisons"
            ),
        ),
        _ if !enough => {
            (MIN_RUNS_PER_ARM, format!("a comparison needs at least {MIN_RUNS_PER_ARM} valid runs per arm"))
        }
        ComparisonVerdict::NoDifference | ComparisonVerdict::Inconclusive => {
            let runs = for_rows?;
            let reason =
                format!("at least {runs} valid runs per arm are needed to detect a difference in a metric");
            (runs, reason)
        }
        _ => return None,
    };
    Some(RequiredRuns { repeats, reason: to_sentence(&reason) })
}
