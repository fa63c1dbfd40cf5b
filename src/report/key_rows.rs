//! The short table of a comparison, before and after: what a reader needs for a decision.
//!
//! It has the outcomes, the metrics of the most important probe, and every other metric that differs. A metric that
//! was not compared, or that is the same on both sides, is absent. The statistics of the report have every metric.

use super::decision::{decide_comparison, deciding_probe};
use super::phrase::{Phrase, PhrasePart};
use crate::compare::{ArmCounts, Metric, MetricResult, MetricVerdict, RunComparison};
use crate::text::format_whole_percent;

/// Marks a difference.
pub const DIFFERENCE_MARK: &str = "◆";
/// The meaning of the mark.
pub const MARK_MEANING: &str = "marks a clear difference, better or worse. If nothing differed, at most 5 % of comparisons would have any mark. \
     Values without it may differ by chance.";
/// The maximum number of rows of other probes.
const MAX_OTHER_ROWS: usize = 4;

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRow {
    pub label: Phrase,
    pub before: String,
    pub after: String,
    /// Whether the difference is significant, and larger than the margin.
    pub is_difference: bool,
    /// What the numbers are.
    pub definition: &'static str,
}

/// Returns the rows of the short table.
pub fn key_rows(comparison: &RunComparison) -> Vec<KeyRow> {
    let held = |arm: &ArmCounts| match arm.valid {
        0 => "no run counts".to_owned(),
        _ => arm.format_held(),
    };
    let mut rows = vec![KeyRow {
        label: Phrase::new("runs that held"),
        before: held(&comparison.arms.before),
        after: held(&comparison.arms.after),
        is_difference: comparison.outcome_test.significant,
        definition: "A run held if the steady state was met before the fault, and every check during and after it \
                     was met. Void runs do not count.",
    }];
    // a limit of 100 % limits nothing
    if let Some(limit) = comparison.after_failure_limit.filter(|limit| *limit < 1.0) {
        rows.push(KeyRow {
            label: Phrase::new("failing runs in the long term, at most (95 % confidence)"),
            before: String::new(),
            after: format!("{} %", format_whole_percent(limit)),
            is_difference: false,
            definition: "The upper limit of the share of runs that fail after the change (Clopper-Pearson, one-sided, \
                         95 %). More runs narrow it.",
        });
    }
    if let Some(change) = comparison.detectable {
        let rate = |word: &str, rate: f64| format!("{word} {} % failing", format_whole_percent(rate));
        rows.push(KeyRow {
            label: Phrase::new("smallest change these runs would show"),
            before: rate("from", change.from),
            after: rate("to", change.to),
            is_difference: false,
            definition: "With as many runs, a change of the failure rate this large is seen in 8 of 10 comparisons, and \
                         smaller changes less often.",
        });
    }
    let main = main_probe(comparison);
    let decision = decide_comparison(comparison);
    let is_named = main.is_some_and(|main| decision.parts().contains(&PhrasePart::Name(main.to_owned())));
    let of_main = comparison.metrics.iter().filter(|row| main == Some(row.probe.as_str()));
    rows.extend(sorted(of_main.filter(|row| tells_something(row)).collect(), is_named));
    let others = comparison.metrics.iter().filter(|row| main != Some(row.probe.as_str()));
    let others: Vec<&MetricResult> = others.filter(|row| is_difference(row)).take(MAX_OTHER_ROWS).collect();
    rows.extend(others.into_iter().map(|row| metric_row(row, false)));
    rows
}

/// Returns the probe that decided, or else the one that succeeded least.
pub fn main_probe(comparison: &RunComparison) -> Option<&str> {
    let rows = &comparison.metrics;
    if let Some(probe) = deciding_probe(comparison).filter(|probe| rows.iter().any(|row| row.probe == *probe))
    {
        return Some(probe);
    }
    let success = |row: &&MetricResult| {
        let medians = [row.before.median.minimum(), row.after.median.minimum()];
        medians.into_iter().flatten().fold(f64::INFINITY, f64::min)
    };
    let ratios = rows.iter().filter(|row| row.metric == Metric::SuccessRatio);
    let least = ratios.min_by(|a, b| success(a).total_cmp(&success(b)));
    least.or(rows.first()).map(|row| row.probe.as_str())
}

fn is_difference(row: &MetricResult) -> bool {
    matches!(row.result, MetricVerdict::Better | MetricVerdict::Worse)
}

/// Returns whether a metric tells the reader something: it was compared, and is not the same before and after.
///
/// The success ratio is always told: it is what users of the service see.
fn tells_something(row: &MetricResult) -> bool {
    let (before, after) = (row.format_before_median(), row.format_after_median());
    match row.metric {
        _ if is_difference(row) => true,
        Metric::P99Latency => false,
        Metric::SuccessRatio => before != after || row.result != MetricVerdict::NotCompared,
        _ => row.result != MetricVerdict::NotCompared && before != after,
    }
}

/// Sorts the metrics of a probe as a reader expects them. The first row names the probe, unless the decision does.
fn sorted(mut rows: Vec<&MetricResult>, is_probe_named: bool) -> Vec<KeyRow> {
    let rank = |row: &&MetricResult| match row.metric {
        Metric::SuccessRatio => 0,
        Metric::TimeToRecover => 1,
        Metric::P95Latency => 2,
        Metric::P99Latency => 3,
        Metric::Slowdown => 4,
    };
    rows.sort_by_key(rank);
    let row = |(index, row): (usize, &MetricResult)| metric_row(row, is_probe_named || index > 0);
    rows.into_iter().enumerate().map(row).collect()
}

fn metric_row(row: &MetricResult, is_probe_named: bool) -> KeyRow {
    let label = Phrase::new(match row.metric {
        Metric::SuccessRatio => "success while the fault lasted",
        Metric::TimeToRecover => "time to recover",
        Metric::P95Latency => "p95 latency while the fault lasted",
        Metric::P99Latency => "p99 latency while the fault lasted",
        Metric::Slowdown => "slowdown by the fault",
    });
    let label = if is_probe_named { label } else { label.text(" of ").name(&row.probe) };
    KeyRow {
        label,
        before: row.format_before_median(),
        after: row.format_after_median(),
        is_difference: is_difference(row),
        definition: define_metric(row.metric),
    }
}

/// Returns the definition of a metric: one or two sentences.
pub fn define_metric(metric: Metric) -> &'static str {
    match metric {
        Metric::SuccessRatio => {
            "The share of samples within the tolerance while the fault lasted; the median of the runs."
        }
        Metric::TimeToRecover => {
            "The time from the end of the fault to the first of ten consecutive good samples; the median of the \
             runs. With > only a lower bound is known."
        }
        Metric::P95Latency => {
            "95 % of the good samples while the fault lasted were at most this slow; the median of the runs."
        }
        Metric::P99Latency => {
            "99 % of the good samples while the fault lasted were at most this slow; the median of the runs."
        }
        Metric::Slowdown => {
            "The p95 latency while the fault lasted, divided by the median latency before it in the same run; the \
             median of the runs."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{ComparisonVerdict, DetectableChange};
    use crate::report::fixture::{comparison, metric};

    fn shown(comparison: &RunComparison) -> Vec<String> {
        let mark = |row: &KeyRow| if row.is_difference { " ◆" } else { "" };
        let row = |row: &KeyRow| {
            format!("{}: {} | {}{}", row.label.to_plain_text(), row.before, row.after, mark(row))
        };
        key_rows(comparison).iter().map(row).collect()
    }

    #[test]
    fn table_has_the_deciding_probe_and_every_difference() {
        let mut it = comparison(ComparisonVerdict::Fixed, [0, 3, 0], [3, 0, 0]);
        it.metrics = vec![
            metric("a", Metric::SuccessRatio, [1.0, 1.0], MetricVerdict::NotSignificant),
            metric("a", Metric::P95Latency, [9.0, 5.0], MetricVerdict::Better),
            metric("p", Metric::SuccessRatio, [0.0, 1.0], MetricVerdict::Better),
            metric("p", Metric::Slowdown, [1.5, 1.2], MetricVerdict::NotSignificant),
            metric("p", Metric::TimeToRecover, [2.5, 0.0], MetricVerdict::NotTested),
            metric("p", Metric::P95Latency, [9.0, 5.0], MetricVerdict::NotCompared),
            metric("p", Metric::P99Latency, [9.0, 5.0], MetricVerdict::NotSignificant),
        ];
        assert_eq!(
            shown(&it),
            [
                "runs that held: 0 of 3 | 3 of 3 ◆",
                "failing runs in the long term, at most (95 % confidence):  | 63 %",
                "success while the fault lasted: 0 % | 100 % ◆",
                "time to recover: 2.5 s | 0 s",
                "slowdown by the fault: 1.5 times | 1.2 times",
                "p95 latency while the fault lasted of 'a': 9 ms | 5 ms ◆",
            ]
        );
    }

    #[test]
    fn rows_without_information_are_absent() {
        let mut it = comparison(ComparisonVerdict::NoDifference, [0, 3, 0], [0, 3, 0]);
        it.after_failure_limit = Some(1.0);
        it.detectable = Some(DetectableChange { from: 1.0, to: 0.07 });
        it.metrics = vec![
            metric("b", Metric::SuccessRatio, [0.5, 0.5], MetricVerdict::NotSignificant),
            metric("b", Metric::TimeToRecover, [1.0, 1.0], MetricVerdict::NotSignificant),
            metric("c", Metric::SuccessRatio, [0.9, 0.9], MetricVerdict::NotSignificant),
        ];
        assert_eq!(
            shown(&it),
            [
                "runs that held: 0 of 3 | 0 of 3",
                "smallest change these runs would show: from 100 % failing | to 7 % failing",
                "success while the fault lasted of 'b': 50 % | 50 %"
            ]
        );
    }
}
