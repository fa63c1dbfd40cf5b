//! The permutation test of two groups, over ranks.
//!
//! If the groups do not differ, every split of the values into groups of these sizes is equally likely. The test
//! counts the splits whose ranks are at least as far apart as the observed ones. Ranks allow censored values, and
//! limit the influence of one extreme value. Ties share their mean rank. Ranks are doubled: they are integers, and the
//! counts are exact.

use crate::rng::SeededRng;

/// The number of splits up to which all are enumerated. It covers 10 and 10 values (184,756 splits).
pub const MAX_ENUMERATED_SPLITS: usize = 200_000;
/// The number of splits that are sampled if there are too many to enumerate.
pub const SAMPLED_SPLITS: usize = 20_000;

/// The splits of the values of two groups that the test counts.
///
/// The smaller group comes first in every split, and the observed split is the first of them.
#[derive(Clone, Debug)]
pub struct GroupSplits {
    first: usize,
    second: usize,
    splits: Splits,
}

/// How the splits are stored.
#[derive(Clone, Debug)]
enum Splits {
    /// All splits: each one exchanges one member of the previous one.
    ///
    /// For groups of equal sizes, only those with the first value in the first group: the mirrored split is equally far.
    All(Vec<Exchange>),
    /// Random splits: the members of the smaller group, split by split. The observed split comes first.
    Sampled(Vec<u32>),
}

/// The change from one split to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Exchange {
    removed: u32,
    added: u32,
}

/// The doubled ranks of a row, with the result of its test.
#[derive(Clone, Debug)]
pub struct RankedRow {
    /// The ranks of the smaller group come first.
    ranks: Vec<u64>,
    /// The number of splits at least as far apart as the observed one.
    observed: u32,
    p: f64,
    /// The splits that at most one other split exceeds or equals.
    clearest: Vec<u32>,
}

impl RankedRow {
    /// Returns the two-sided p value; 1 if a group is empty.
    pub fn p(&self) -> f64 {
        self.p
    }

    /// Returns the number of splits at least as far apart as the observed one.
    pub(super) fn observed(&self) -> u32 {
        self.observed
    }

    /// Returns the splits in which the row is as clear as it can be without ties: p is at most 2 of all splits.
    pub(super) fn clearest(&self) -> &[u32] {
        &self.clearest
    }
}

impl GroupSplits {
    /// Creates the splits for two groups of these sizes, sampled with the seed if there are too many.
    pub fn new(first: usize, second: usize, seed: u64) -> Self {
        let (all, size) = (first + second, first.min(second));
        let splits = match count_splits(all, size) {
            None => Splits::Sampled(sample_splits(all, size, seed)),
            Some(_) if first == second && size > 0 => Splits::All(enumerate_exchanges(all - 1, size - 1, 1)),
            Some(_) => Splits::All(enumerate_exchanges(all, size, 0)),
        };
        Self { first, second, splits }
    }

    /// Returns the sizes of the groups.
    pub fn sizes(&self) -> (usize, usize) {
        (self.first, self.second)
    }

    /// Returns whether the splits are a sample instead of all splits.
    pub fn are_sampled(&self) -> bool {
        matches!(self.splits, Splits::Sampled(_))
    }

    /// Returns the number of splits that are counted.
    pub(super) fn count(&self) -> usize {
        match &self.splits {
            Splits::All(exchanges) => exchanges.len() + 1,
            Splits::Sampled(members) => members.len() / self.size().max(1),
        }
    }

    /// Returns the two-sided p value of two groups; 1 if a group is empty.
    ///
    /// The sizes of the groups must be those of the splits. Values may be infinite, but not NaN.
    pub fn p_value(&self, first: &[f64], second: &[f64]) -> f64 {
        debug_assert_eq!((first.len(), second.len()), self.sizes());
        self.p_value_of_ranks(&doubled_ranks(first, second))
    }

    /// Ranks the values of two groups, and tests whether the groups differ.
    ///
    /// The sizes of the groups must be those of the splits. Values may be infinite, but not NaN.
    pub fn rank(&self, first: &[f64], second: &[f64]) -> RankedRow {
        debug_assert_eq!((first.len(), second.len()), self.sizes());
        let ranks = self.smaller_first(&doubled_ranks(first, second));
        let mut distances = Vec::new();
        self.distances(&ranks, &mut distances);
        let far = far_counts(&distances);
        let observed = far[distances[0] as usize];
        // half of the splits of equal groups stand for two each
        let few = if self.first == self.second { 1 } else { 2 };
        let clearest = if self.are_sampled() || !far.iter().any(|count| (1..=few).contains(count)) {
            Vec::new()
        } else {
            let splits = (0..).zip(&distances);
            splits.filter(|(_, distance)| far[**distance as usize] <= few).map(|(split, _)| split).collect()
        };
        RankedRow { p: ratio(observed as usize, self.count()), ranks, observed, clearest }
    }

    /// Replaces the content of `out` with the number of splits at least as far apart as each split.
    pub(super) fn far_counts(&self, row: &RankedRow, out: &mut Vec<u32>) {
        self.distances(&row.ranks, out);
        let far = far_counts(out);
        for distance in out {
            *distance = far[*distance as usize];
        }
    }

    /// Returns the p value of doubled ranks; those of the first group come first.
    pub(super) fn p_value_of_ranks(&self, ranks: &[u64]) -> f64 {
        let mut distances = Vec::new();
        self.distances(&self.smaller_first(ranks), &mut distances);
        let far = distances.iter().filter(|distance| **distance >= distances[0]).count();
        ratio(far, distances.len())
    }

    /// Returns the size of the smaller group.
    fn size(&self) -> usize {
        self.first.min(self.second)
    }

    /// Moves the ranks of the smaller group to the front.
    fn smaller_first(&self, ranks: &[u64]) -> Vec<u64> {
        let (first, second) = ranks.split_at(self.first);
        if self.first <= self.second { ranks.to_vec() } else { [second, first].concat() }
    }

    /// Replaces the content of `out` with the distance of each split: of its doubled rank sum from the mean.
    fn distances(&self, ranks: &[u64], out: &mut Vec<u32>) {
        let size = self.size();
        let middle = to_u64(size) * to_u64(ranks.len() + 1);
        let distance = |sum: u64| u32::try_from(sum.abs_diff(middle)).unwrap_or(u32::MAX);
        out.clear();
        match &self.splits {
            Splits::All(exchanges) => {
                let mut sum: u64 = ranks[..size].iter().sum();
                out.push(distance(sum));
                out.extend(exchanges.iter().map(|exchange| {
                    sum = sum + ranks[exchange.added as usize] - ranks[exchange.removed as usize];
                    distance(sum)
                }));
            }
            Splits::Sampled(members) => {
                let sum = |split: &[u32]| split.iter().map(|place| ranks[*place as usize]).sum();
                out.extend(members.chunks_exact(size).map(|split| distance(sum(split))));
            }
        }
    }
}

/// Returns, for each distance up to the greatest, the number of splits that are at least so far apart.
fn far_counts(distances: &[u32]) -> Vec<u32> {
    let greatest = distances.iter().max().copied().unwrap_or(0);
    let mut counts = vec![0_u32; greatest as usize + 1];
    for distance in distances {
        counts[*distance as usize] += 1;
    }
    let mut farther = 0;
    for count in counts.iter_mut().rev() {
        farther += *count;
        *count = farther;
    }
    counts
}

/// Returns the smallest p value that two groups of these sizes can have without ties.
pub fn min_p_value(first: usize, second: usize) -> f64 {
    match count_splits(first + second, first.min(second)) {
        _ if first.min(second) == 0 => 1.0,
        // the smallest and the greatest rank sum are equally far from the mean
        Some(ways) => ratio(2, ways).min(1.0),
        None => ratio(1, SAMPLED_SPLITS + 1),
    }
}

/// Returns whether one of `tests` tests can be significant for two groups of these sizes.
pub fn can_differ(first: usize, second: usize, tests: usize, level: f64) -> bool {
    min_p_value(first, second) <= level / f64::from(u32::try_from(tests.max(1)).unwrap_or(u32::MAX))
}

/// Returns the size of two equal groups from which one of `tests` tests can be significant.
pub fn required_group_size(tests: usize, level: f64) -> usize {
    let mut size = 1;
    // beyond this size the smallest p value does not decrease
    while !can_differ(size, size, tests, level) && count_splits(2 * size, size).is_some() {
        size += 1;
    }
    size
}

/// Returns the doubled ranks of all values, the first group's first; ties share their mean rank.
pub(super) fn doubled_ranks(first: &[f64], second: &[f64]) -> Vec<u64> {
    let values: Vec<f64> = first.iter().chain(second).copied().collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0; values.len()];
    let mut from = 0;
    #[allow(clippy::float_cmp)] // equal is what ranks go by
    while from < order.len() {
        let value = values[order[from]];
        let to = from + order[from..].iter().take_while(|place| values[**place] == value).count().max(1);
        for place in &order[from..to] {
            ranks[*place] = to_u64(from + 1 + to);
        }
        from = to;
    }
    ranks
}

/// Counts the choices of `chosen` of `all`; none if there are more than [`MAX_ENUMERATED_SPLITS`].
fn count_splits(all: usize, chosen: usize) -> Option<usize> {
    let mut ways = 1_usize;
    for step in 0..chosen.min(all - chosen) {
        // each intermediate value is a binomial coefficient, and they grow
        ways = ways * (all - step) / (step + 1);
        if ways > MAX_ENUMERATED_SPLITS {
            return None;
        }
    }
    Some(ways)
}

/// Enumerates all choices of `size` of `all` places, numbered from `offset`, each by its change of the previous one.
///
/// The first choice has the first places. The order is the revolving door of Knuth, The Art of Computer Programming 4A,
/// 7.2.1.3, algorithm R.
fn enumerate_exchanges(all: usize, size: usize, offset: usize) -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    // the chosen places in ascending order, and an upper bound
    let mut chosen: Vec<usize> = (0..size).chain([all]).collect();
    let mut exchange = |removed: usize, added: usize| {
        exchanges.push(Exchange { removed: to_u32(removed + offset), added: to_u32(added + offset) });
    };
    'choices: while size > 0 {
        let is_odd = size % 2 == 1;
        if is_odd && chosen[0] + 1 < chosen[1] {
            exchange(chosen[0], chosen[0] + 1);
            chosen[0] += 1;
            continue;
        }
        if !is_odd && chosen[0] > 0 {
            exchange(chosen[0], chosen[0] - 1);
            chosen[0] -= 1;
            continue;
        }
        // the places before `at` are either as great as possible, or as small as possible
        let mut lowers = is_odd;
        for at in 1..size {
            if lowers && chosen[at] > at {
                exchange(chosen[at], at - 1);
                chosen[at] = chosen[at - 1];
                chosen[at - 1] = at - 1;
                continue 'choices;
            }
            if !lowers && chosen[at] + 1 < chosen[at + 1] {
                exchange(at - 1, chosen[at] + 1);
                chosen[at - 1] = chosen[at];
                chosen[at] += 1;
                continue 'choices;
            }
            lowers = !lowers;
        }
        break;
    }
    exchanges
}

/// Samples random choices of `size` of `all`, after the observed one.
fn sample_splits(all: usize, size: usize, seed: u64) -> Vec<u32> {
    let mut rng = SeededRng::new(seed);
    let mut places: Vec<u32> = (0..to_u32(all)).collect();
    let mut found = Vec::with_capacity((SAMPLED_SPLITS + 1).saturating_mul(size));
    found.extend(&places[..size]);
    for _ in 0..SAMPLED_SPLITS {
        for at in 0..size {
            places.swap(at, at + rng.below(all - at));
        }
        found.extend(&places[..size]);
    }
    found
}

fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[allow(clippy::cast_precision_loss)] // at most some 200,000
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(first: &[f64], second: &[f64]) -> f64 {
        GroupSplits::new(first.len(), second.len(), 1).p_value(first, second)
    }

    #[test]
    fn small_groups_are_enumerated_exactly() {
        let check = |first: &[f64], second: &[f64], far: usize, all: usize| {
            let expected = ratio(far, all);
            assert!(
                (p(first, second) - expected).abs() < 1e-12,
                "{first:?} {second:?}: {}",
                p(first, second)
            );
        };
        // separated: the observed split and its mirror
        check(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0], 2, 20);
        check(&[4.0, 5.0, 6.0, 7.0], &[0.0, 1.0, 2.0, 3.0], 2, 70);
        // groups of different sizes have no mirror
        check(&[1.0, 2.0], &[3.0, 4.0, 5.0, 6.0], 2, 15);
        check(&[1.0], &[2.0], 2, 2);
        check(&[], &[], 1, 1);
        // two neighbours are swapped: that split, the two more extreme ones, and their mirrors
        check(&[1.0, 2.0, 4.0], &[3.0, 5.0, 6.0], 4, 20);
        // ties share their rank
        check(&[1.0, 1.0, 1.0], &[1.0, 1.0, 1.0], 20, 20);
        check(&[0.0, 0.0, 1.0, 1.0], &[1.0, 1.0, 1.0, 1.0], 30, 70);
        // infinite values rank last, and are tied
        let late = f64::INFINITY;
        check(&[late, late, late, late], &[1.0, 2.0, 3.0, 4.0], 2, 70);
        check(&[late, 1.0], &[late, 1.0], 6, 6);
    }

    #[test]
    fn large_groups_are_sampled_and_approximate_exact_p() {
        let first: Vec<f64> = (0..9).map(f64::from).collect();
        let second: Vec<f64> = (0..9).map(|value| f64::from(value) + 3.5).collect();
        // 1,188 of all splits are at least as extreme
        let exact = 1188.0 / 48620.0;
        assert!((p(&first, &second) - exact).abs() < 1e-12, "{}", p(&first, &second));
        let drawn = Splits::Sampled(sample_splits(18, 9, 1));
        let sampled = GroupSplits { first: 9, second: 9, splits: drawn }.p_value(&first, &second);
        assert!((sampled - exact).abs() < 0.004, "{sampled}");
        assert!(!GroupSplits::new(10, 10, 1).are_sampled() && GroupSplits::new(11, 11, 1).are_sampled());
        assert_eq!(sample_splits(18, 9, 1), sample_splits(18, 9, 1));
        assert_ne!(sample_splits(18, 9, 1), sample_splits(18, 9, 2));
        // the observed split counts: p is never 0
        let apart: Vec<f64> = (0..40).map(|value| f64::from(value) + 100.0).collect();
        let none: Vec<f64> = (0..40).map(f64::from).collect();
        assert!((p(&none, &apart) - 1.0 / 20_001.0).abs() < 1e-12);
    }

    #[test]
    fn exchanges_visit_every_choice_once() {
        for (all, size) in [(1, 0), (1, 1), (2, 1), (5, 1), (5, 2), (6, 3), (7, 4), (9, 5), (8, 8), (10, 3)] {
            let mut choice: std::collections::BTreeSet<u32> = (0..to_u32(size)).collect();
            let mut seen = std::collections::BTreeSet::from([choice.clone()]);
            for Exchange { removed, added } in enumerate_exchanges(all, size, 0) {
                assert!(choice.remove(&removed) && choice.insert(added), "{all} {size}");
                assert!((added as usize) < all && seen.insert(choice.clone()), "{all} {size}: {choice:?}");
            }
            assert_eq!(Some(seen.len()), count_splits(all, size), "{all} {size}");
        }
    }

    #[test]
    fn required_group_size_follows_from_minimum_p() {
        let check =
            |tests: usize, expected: usize| assert_eq!(required_group_size(tests, 0.05), expected, "{tests}");
        check(0, 4);
        check(1, 4);
        check(2, 5);
        check(6, 5);
        check(7, 6);
        check(18, 6);
        check(24, 7);
        assert!((min_p_value(3, 3) - 0.1).abs() < 1e-12 && (min_p_value(1, 1) - 1.0).abs() < 1e-12);
        assert!((min_p_value(0, 3) - 1.0).abs() < 1e-12);
        // with unequal groups, the smaller one needs fewer values
        assert!(
            (min_p_value(3, 10) - 2.0 / 286.0).abs() < 1e-12
                && (min_p_value(2, 10) - 2.0 / 66.0).abs() < 1e-12
        );
        assert!(!can_differ(3, 3, 1, 0.05) && can_differ(3, 10, 7, 0.05) && !can_differ(3, 10, 8, 0.05));
        assert!(can_differ(1, 39, 1, 0.05) && !can_differ(1, 38, 1, 0.05) && !can_differ(0, 50, 1, 0.05));
    }
}
