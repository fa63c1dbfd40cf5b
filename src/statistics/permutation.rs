//! The permutation test of two groups, over ranks.
//!
//! If the groups do not differ, every split of the values into groups of these sizes is equally likely. The test
//! counts the splits whose ranks are at least as far apart as the observed ones. Ranks allow censored values, and
//! limit the influence of one extreme value. Ties share their mean rank.

use crate::rng::SeededRng;

/// The number of splits up to which all are enumerated; if there are more, this many are sampled.
pub const MAX_SPLITS: usize = 20_000;

/// The splits of the values of two groups that the test counts.
#[derive(Clone, Debug)]
pub struct GroupSplits {
    first: usize,
    second: usize,
    /// The members of the smaller group, split by split.
    members: Vec<u32>,
    sampled: bool,
}

impl GroupSplits {
    /// Creates the splits for two groups of these sizes, sampled with the seed if necessary.
    pub fn new(first: usize, second: usize, seed: u64) -> Self {
        let (all, size) = (first + second, first.min(second));
        let drawn = count_splits(all, size).is_none();
        let places = if drawn { sample_splits(all, size, seed) } else { enumerate_splits(all, size) };
        Self { first, second, members: places, sampled: drawn }
    }

    /// Returns the sizes of the groups.
    pub fn sizes(&self) -> (usize, usize) {
        (self.first, self.second)
    }

    /// Returns whether the splits are a sample instead of all splits.
    pub fn are_sampled(&self) -> bool {
        self.sampled
    }

    /// Returns the two-sided p value of two groups; 1 if a group is empty.
    ///
    /// The sizes of the groups must be those of the splits. Values may be infinite, but not NaN.
    pub fn p_value(&self, first: &[f64], second: &[f64]) -> f64 {
        debug_assert_eq!((first.len(), second.len()), self.sizes());
        self.p_value_of_ranks(&doubled_ranks(first, second))
    }

    /// Returns the p value of doubled ranks; those of the first group come first.
    pub(super) fn p_value_of_ranks(&self, ranks: &[u64]) -> f64 {
        let size = self.first.min(self.second);
        if size == 0 {
            return 1.0;
        }
        // the mean sum of the doubled ranks of a group of this size
        let middle = to_u64(size) * to_u64(ranks.len() + 1);
        let smaller = if self.first <= self.second { &ranks[..size] } else { &ranks[self.first..] };
        let observed = smaller.iter().sum::<u64>().abs_diff(middle);
        let far = |split: &[u32]| {
            let sum: u64 = split.iter().map(|place| ranks[*place as usize]).sum();
            sum.abs_diff(middle) >= observed
        };
        let splits = self.members.chunks_exact(size);
        let all = splits.len();
        let far = splits.filter(|split| far(split)).count();
        // the observed split is one of all splits; a sample does not contain it
        let more = usize::from(self.sampled);
        ratio(far + more, all + more)
    }
}

/// Returns the smallest p value that two groups of these sizes can have.
pub fn min_p_value(first: usize, second: usize) -> f64 {
    match count_splits(first + second, first.min(second)) {
        _ if first.min(second) == 0 => 1.0,
        // for equal sizes, the mirrored split is equally extreme
        Some(ways) if first == second => ratio(2, ways).min(1.0),
        Some(ways) => ratio(1, ways),
        None => ratio(1, MAX_SPLITS + 1),
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

/// Counts the choices of `chosen` of `all`; none if there are more than [`MAX_SPLITS`].
fn count_splits(all: usize, chosen: usize) -> Option<usize> {
    let mut ways = 1_usize;
    for step in 0..chosen.min(all - chosen) {
        // each intermediate value is a binomial coefficient, and they grow
        ways = ways * (all - step) / (step + 1);
        if ways > MAX_SPLITS {
            return None;
        }
    }
    Some(ways)
}

/// Enumerates all choices of `size` of `all`, in order.
fn enumerate_splits(all: usize, size: usize) -> Vec<u32> {
    let mut found = Vec::new();
    let mut choice: Vec<u32> = (0..to_u32(size)).collect();
    loop {
        found.extend(&choice);
        // the last position that can still advance
        let Some(at) = (0..size).rev().find(|at| (choice[*at] as usize) < all - size + at) else {
            return found;
        };
        let mut place = choice[at];
        for moved in &mut choice[at..] {
            place += 1;
            *moved = place;
        }
    }
}

/// Samples random choices of `size` of `all`.
fn sample_splits(all: usize, size: usize, seed: u64) -> Vec<u32> {
    let mut rng = SeededRng::new(seed);
    let mut places: Vec<u32> = (0..to_u32(all)).collect();
    let mut found = Vec::with_capacity(MAX_SPLITS.saturating_mul(size));
    for _ in 0..MAX_SPLITS {
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

#[allow(clippy::cast_precision_loss)] // at most some 20,000
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
        let splits = GroupSplits::new(9, 9, 1);
        assert!(splits.are_sampled() && !GroupSplits::new(8, 8, 1).are_sampled());
        // 1,188 of all splits are at least as extreme
        let exact = 1188.0 / 48620.0;
        assert!(
            (splits.p_value(&first, &second) - exact).abs() < 0.004,
            "{}",
            splits.p_value(&first, &second)
        );
        assert_eq!(
            splits.p_value(&first, &second).to_bits(),
            GroupSplits::new(9, 9, 1).p_value(&first, &second).to_bits()
        );
        assert_ne!(splits.members, GroupSplits::new(9, 9, 2).members);
        // the observed split counts: p is never 0
        let apart: Vec<f64> = (0..40).map(|value| f64::from(value) + 100.0).collect();
        let none: Vec<f64> = (0..40).map(f64::from).collect();
        assert!((p(&none, &apart) - 1.0 / 20_001.0).abs() < 1e-12);
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
        assert!(!can_differ(3, 3, 1, 0.05) && can_differ(3, 10, 14, 0.05) && !can_differ(3, 10, 15, 0.05));
        assert!(can_differ(1, 19, 1, 0.05) && !can_differ(1, 18, 1, 0.05) && !can_differ(0, 50, 1, 0.05));
    }
}
