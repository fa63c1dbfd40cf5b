//! The correction for several rows: step-down minimum p over common splits (Westfall and Young 1993).
//!
//! All rows are tested over the same splits of the runs. The correction therefore knows how rows depend on each other:
//! rows that always agree cost nothing, and neither do rows whose values are all equal. At any level, the probability
//! of at least one false alarm among all rows is at most that level. It is never weaker than Holm's correction.

use super::permutation::{GroupSplits, RankedRow};

/// Rounding errors of shares are smaller than this.
const ROUNDING_TOLERANCE: f64 = 1e-12;

/// Adjusts the p values of the rows for the number of rows. The result is in the order of the rows.
///
/// The rows must be ranked with these splits.
pub fn adjusted_p(splits: &GroupSplits, rows: &[&RankedRow]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|row| rows[*row].observed());
    let mut adjusted = vec![1.0; rows.len()];
    let (mut least, mut counts) = (vec![u32::MAX; splits.count()], Vec::new());
    // the minimum over a row and all rows with greater p values, from the last row to the first
    for row in order.iter().rev() {
        splits.far_counts(rows[*row], &mut counts);
        let observed = rows[*row].observed();
        let mut far = 0_u32;
        for (least, count) in least.iter_mut().zip(&counts) {
            *least = (*least).min(*count);
            far += u32::from(*least <= observed);
        }
        adjusted[*row] = share(far as usize, splits.count());
    }
    // a row is not clearer than one with a smaller p value
    let mut greatest = 0.0_f64;
    for row in order {
        greatest = greatest.max(adjusted[row]);
        adjusted[row] = greatest;
    }
    adjusted
}

/// Selects the rows to test, in the order of their priority.
///
/// More rows than the splits can tell apart leave no row a chance. A row is selected if the splits in which it, or a
/// selected row, is as clear as possible are at most a share `level` of all splits. The selection knows the values of
/// all runs, but not which arm a run belongs to, and so keeps the test exact. Of sampled splits, all rows are selected.
pub fn select_rows(splits: &GroupSplits, rows: &[&RankedRow], level: f64) -> Vec<bool> {
    if splits.are_sampled() {
        return vec![true; rows.len()];
    }
    let mut taken: Vec<u32> = Vec::new();
    let select = |row: &&RankedRow| {
        let mut with: Vec<u32> = taken.iter().chain(row.clearest()).copied().collect();
        with.sort_unstable();
        with.dedup();
        let fits = share(with.len(), splits.count()) <= level + ROUNDING_TOLERANCE;
        if fits {
            taken = with;
        }
        fits
    };
    rows.iter().map(select).collect()
}

#[allow(clippy::cast_precision_loss)] // at most some 200,000
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}
