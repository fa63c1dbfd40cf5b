//! The rule of earlier versions, to show what it missed.
//!
//! Outcomes differ if all runs of one arm failed and all runs of the other held. Otherwise outcomes must agree in all
//! runs, and rows decide after Holm's correction.

use kubectl_chaos::statistics::{GroupSplits, median, shift};

use super::world::{Trial, WATCHED};

/// The level of each comparison.
const LEVEL: f64 = 0.05;
/// The samples per run, and the good ones that a 95th percentile needs.
const SAMPLES: f64 = 160.0;
const MIN_GOOD: u32 = 100;

/// Returns whether the rule claims a difference in a trial. The splits are those of its runs.
pub fn claims(trial: &Trial, splits: &GroupSplits) -> bool {
    let (before, after) = trial.failed();
    let runs = u32::try_from(trial.pairs).unwrap();
    match (before, after) {
        (before, 0) if before == runs => return true,
        (0, after) if after == runs => return true,
        (before, after) if before != after || ![0, runs].contains(&before) => return false,
        _ => {}
    }
    let probes = trial.runs[0].first().map_or(0, |run| run.measured.len());
    let rows: Vec<Row> = (0..probes).flat_map(|probe| Row::all(trial, probe)).collect();
    let ps: Vec<f64> = rows.iter().map(|row| splits.p_value(&row.before, &row.after)).collect();
    let found =
        rows.iter().zip(holm_adjust(&ps)).filter(|(_, p)| *p <= LEVEL).map(|(row, _)| row.direction());
    let (mut better, mut worse) = (false, false);
    for direction in found {
        better |= direction > 0.0;
        worse |= direction < 0.0;
    }
    better != worse
}

/// A measured row: one number per run.
struct Row {
    before: Vec<f64>,
    after: Vec<f64>,
    is_higher_better: bool,
    /// The part of the median before, and the least difference, that matter.
    margin: (f64, f64),
}

impl Row {
    fn all(trial: &Trial, probe: usize) -> Vec<Self> {
        let row = |value: &dyn Fn(&super::world::Measured) -> f64, is_higher_better, margin| {
            let arm = |arm: usize| {
                trial.runs[arm][..trial.pairs].iter().map(|run| value(&run.measured[probe])).collect()
            };
            Self { before: arm(0), after: arm(1), is_higher_better, margin }
        };
        let mut rows = vec![
            row(&|run| f64::from(run.good) / SAMPLES, true, (0.0, 0.01)),
            row(&|run| run.recovery, false, (0.1, 0.1)),
        ];
        // one run with few successes, and the latency is not compared
        let runs = || trial.runs.iter().flat_map(|runs| &runs[..trial.pairs]);
        if runs().all(|run| run.measured[probe].good >= MIN_GOOD) {
            rows.push(row(&|run| run.p95, false, (0.1, 5.0)));
        }
        rows
    }

    /// Returns 1 if the row is better after, -1 if it is worse, and 0 within the margin.
    fn direction(&self) -> f64 {
        // a run that did not recover counts with the window
        let cut = |values: &[f64]| -> Vec<f64> {
            values.iter().map(|value| if value.is_finite() { *value } else { WATCHED }).collect()
        };
        let (before, after) = (cut(&self.before), cut(&self.after));
        let (Some(difference), Some(usual)) = (shift(&before, &after), median(&before)) else { return 0.0 };
        let margin = (self.margin.0 * usual).max(self.margin.1);
        if difference.abs() <= margin * (1.0 + 1e-9) {
            0.0
        } else if self.is_higher_better {
            difference.signum()
        } else {
            -difference.signum()
        }
    }
}

/// Adjusts p values for the number of tests (Holm).
pub fn holm_adjust(ps: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..ps.len()).collect();
    order.sort_by(|a, b| ps[*a].total_cmp(&ps[*b]));
    let mut adjusted = vec![1.0; ps.len()];
    let mut least = 0.0_f64;
    for (done, place) in order.into_iter().enumerate() {
        let left = f64::from(u32::try_from(ps.len() - done).unwrap_or(u32::MAX));
        least = least.max((ps[place] * left).min(1.0));
        adjusted[place] = least;
    }
    adjusted
}
