//! The correction for several rows: step-down minimum p over common splits (Westfall and Young 1993).
//!
//! All rows are tested over the same splits of the runs. The correction therefore knows how rows depend on each other:
//! rows that always agree cost nothing, and neither do rows whose values are all equal. At any level, the probability
//! of at least one false alarm among all rows is at most that level. It is never weaker than Holm's correction.

use std::collections::BTreeSet;

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
    let mut least = vec![u32::MAX; splits.stored()];
    // the minimum over a row and all rows with greater p values, from the last row to the first
    for row in order.iter().rev() {
        let (row, observed) = (*row, rows[*row].observed());
        let (mut rest, mut far) = (least.as_mut_slice(), 0_u32);
        splits.for_each_far_count(rows[row], |counts| {
            let (here, after) = std::mem::take(&mut rest).split_at_mut(counts.len());
            for (least, count) in here.iter_mut().zip(counts) {
                *least = (*least).min(*count);
                far += u32::from(*least <= observed);
            }
            rest = after;
        });
        adjusted[row] = share(far as usize, splits.stored());
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
    let mut taken: BTreeSet<&[u16]> = BTreeSet::new();
    let mut selected = Vec::with_capacity(rows.len());
    for row in rows {
        let clearest = || row.clearest().iter().map(Vec::as_slice);
        let added = clearest().filter(|split| !taken.contains(split)).count();
        let fits = share(taken.len() + added, splits.stored()) <= level + ROUNDING_TOLERANCE;
        if fits {
            taken.extend(clearest());
        }
        selected.push(fits);
    }
    selected
}

#[allow(clippy::cast_precision_loss)] // at most some 200,000
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;

    fn rank(splits: &GroupSplits, values: &[f64]) -> RankedRow {
        let (first, second) = values.split_at(splits.sizes().0);
        splits.rank(first, second)
    }

    fn adjusted(sizes: (usize, usize), rows: &[&[f64]]) -> (Vec<f64>, Vec<f64>) {
        let splits = GroupSplits::new(sizes.0, sizes.1, 1);
        let rows: Vec<RankedRow> = rows.iter().map(|values| rank(&splits, values)).collect();
        let found = adjusted_p(&splits, &rows.iter().collect::<Vec<_>>());
        (rows.iter().map(RankedRow::p).collect(), found)
    }

    /// Holm's correction, which knows nothing of the dependence.
    fn holm(ps: &[f64]) -> Vec<f64> {
        let mut order: Vec<usize> = (0..ps.len()).collect();
        order.sort_by(|a, b| ps[*a].total_cmp(&ps[*b]));
        let (mut adjusted, mut greatest) = (vec![1.0; ps.len()], 0.0_f64);
        for (done, place) in order.into_iter().enumerate() {
            let left = f64::from(u32::try_from(ps.len() - done).unwrap());
            greatest = greatest.max((ps[place] * left).min(1.0));
            adjusted[place] = greatest;
        }
        adjusted
    }

    const APART: [f64; 8] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    const MIXED: [f64; 8] = [1.0, 5.0, 2.0, 6.0, 3.0, 7.0, 4.0, 8.0];

    #[test]
    fn adjusted_p_matches_reference() {
        let check = |sizes, rows: &[&[f64]], ps: &[f64], expected: &[f64]| {
            let (found_ps, found) = adjusted(sizes, rows);
            let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 6e-6);
            assert!(near(&found_ps, ps) && near(&found, expected), "{found_ps:?} {found:?}");
        };
        let constant = [1.0; 8];
        check((4, 4), &[], &[], &[]);
        check((4, 4), &[&APART, &APART, &constant], &[0.028_57, 0.028_57, 1.0], &[0.028_57, 0.028_57, 1.0]);
        check((4, 4), &[&constant, &APART, &constant], &[1.0, 0.028_57, 1.0], &[1.0, 0.028_57, 1.0]);
        check((4, 4), &[&APART, &MIXED], &[0.028_57, 0.342_86], &[0.057_14, 0.342_86]);
        let apart = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
        let nearly = [1.0, 2.0, 3.0, 4.0, 6.0, 5.0, 7.0, 8.0, 9.0, 10.0];
        let mixed = [1.0, 3.0, 5.0, 7.0, 9.0, 2.0, 4.0, 6.0, 8.0, 10.0];
        let expected = [0.690_48, 0.023_81, 0.031_75];
        check((5, 5), &[&mixed, &apart, &nearly], &[0.690_48, 0.007_94, 0.015_87], &expected);
        // without runs in an arm nothing differs
        check((0, 3), &[&[1.0, 2.0, 3.0]], &[1.0], &[1.0]);
    }

    #[test]
    fn adjusted_p_is_between_p_and_holm() {
        let mut rng = SeededRng::new(5);
        for case in 0..200 {
            let sizes = [(3, 3), (4, 4), (5, 5), (3, 5), (6, 4), (2, 7)][case % 6];
            let distinct = [3, 20, 1_000_000][case % 3];
            let rows: Vec<Vec<f64>> = (0..=rng.below(5))
                .map(|_| {
                    let shift = if rng.below(2) == 0 { 0 } else { distinct };
                    let value = |place: usize, rng: &mut SeededRng| {
                        let value = rng.below(distinct) + if place < sizes.0 { 0 } else { shift };
                        f64::from(u32::try_from(value).unwrap())
                    };
                    (0..sizes.0 + sizes.1).map(|place| value(place, &mut rng)).collect()
                })
                .collect();
            let (ps, found) = adjusted(sizes, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
            for ((p, adjusted), holm) in ps.iter().zip(&found).zip(holm(&ps)) {
                assert!(*p <= adjusted + 1e-12 && *adjusted <= holm + 1e-12, "{sizes:?}: {rows:?}");
            }
        }
    }

    #[test]
    fn sampled_splits_contain_the_observed_one() {
        let splits = GroupSplits::new(20, 20, 1);
        let values: Vec<f64> = (0..40).map(f64::from).collect();
        let rows = [rank(&splits, &values), rank(&splits, &values)];
        let found = adjusted_p(&splits, &[&rows[0], &rows[1]]);
        assert!(found.iter().all(|p| (p - 1.0 / 20_001.0).abs() < 1e-12), "{found:?}");
        assert_eq!(select_rows(&splits, &[&rows[0], &rows[1]], 1e-9), [true, true]);
    }

    #[test]
    fn rows_are_selected_while_the_splits_can_tell_them_apart() {
        let check = |sizes: (usize, usize), rows: &[&[f64]], level: f64, expected: &[bool]| {
            let splits = GroupSplits::new(sizes.0, sizes.1, 1);
            let ranked: Vec<RankedRow> = rows.iter().map(|values| rank(&splits, values)).collect();
            let found = select_rows(&splits, &ranked.iter().collect::<Vec<_>>(), level);
            assert_eq!(found, expected, "{sizes:?} {level}");
        };
        let constant = [1.0; 8];
        // 2 of 70 splits tell a row apart: one row fits, and a second one that agrees with it
        check((4, 4), &[&APART, &MIXED, &APART], 0.05, &[true, false, true]);
        // a row whose values are all equal costs nothing
        check((4, 4), &[&constant, &APART, &constant], 0.05, &[true, true, true]);
        check((4, 4), &[&APART, &constant], 0.005, &[false, true]);
        // 2 of 20 splits are more than 5 %
        check((3, 3), &[&APART[..6]], 0.05, &[false]);
        // unequal arms: 2 of 15 splits
        check((2, 4), &[&APART[..6]], 2.0 / 15.0, &[true]);
        check((2, 4), &[&APART[..6]], 0.13, &[false]);
    }
}
