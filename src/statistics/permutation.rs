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

/// The number of values whose membership one number holds.
const BLOCK: usize = 10;
/// The number of splits that are computed at once.
const CHUNK: usize = 1024;
/// The greatest table of far splits that a row keeps; a greater one is computed again.
const MAX_KEPT_COUNTS: usize = 4096;

/// The sum of every subset of a block of ranks; bit 0 stands for the first rank.
type SubsetSums = [u32; 1 << BLOCK];

/// The splits of the values of two groups that the test counts.
///
/// The smaller group comes first in every split, and the observed split is the first of them.
#[derive(Clone, Debug)]
pub struct GroupSplits {
    first: usize,
    second: usize,
    /// The members of the smaller group, split by split: a bit per value, in blocks.
    ///
    /// For groups of equal sizes, only the splits with the first value in the first group: the mirrored split is equally
    /// far apart.
    members: Vec<u16>,
    /// The number of all splits; none if the splits are a sample.
    ways: Option<usize>,
}

/// The doubled ranks of a row, with the result of its test.
#[derive(Clone, Debug)]
pub struct RankedRow {
    /// The ranks of the smaller group come first.
    ranks: Vec<u64>,
    /// The number of splits at least as far apart as the observed one.
    observed: u32,
    p: f64,
    /// For each distance, the number of splits at least so far apart.
    far: Option<Vec<u32>>,
    /// The splits that at most one other split equals or exceeds.
    clearest: Vec<Vec<u16>>,
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
    pub(super) fn clearest(&self) -> &[Vec<u16>] {
        &self.clearest
    }
}

impl GroupSplits {
    /// Creates the splits for two groups of these sizes, sampled with the seed if there are too many.
    pub fn new(first: usize, second: usize, seed: u64) -> Self {
        let (all, size) = (first + second, first.min(second));
        let ways = count_splits(all, size);
        let members = match ways {
            None => sample_splits(all, size, seed),
            Some(_) => enumerate_splits(all, size, first == second && size > 0),
        };
        Self { first, second, members, ways }
    }

    /// Returns the sizes of the groups.
    pub fn sizes(&self) -> (usize, usize) {
        (self.first, self.second)
    }

    /// Returns whether the splits are a sample instead of all splits.
    pub fn are_sampled(&self) -> bool {
        self.ways.is_none()
    }

    /// Returns the number of stored splits: half of all splits for groups of equal sizes.
    pub(super) fn stored(&self) -> usize {
        self.members.len() / blocks(self.first + self.second)
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
        let far = self.far_counts(&ranks);
        let observed = far[self.observed_distance(&ranks)];
        let p = ratio(observed as usize, self.ways.unwrap_or(SAMPLED_SPLITS + 1));
        let clearest = self.clearest(&ranks, &far);
        let far = Some(far).filter(|far| far.len() <= MAX_KEPT_COUNTS);
        RankedRow { ranks, observed, p, far, clearest }
    }

    /// Calls a function with the number of splits at least as far apart as each stored split, many at once.
    pub(super) fn for_each_far_count(&self, row: &RankedRow, mut visit: impl FnMut(&[u32])) {
        let computed;
        let far = match &row.far {
            Some(far) => far,
            None => {
                computed = self.far_counts(&row.ranks);
                &computed
            }
        };
        let mut counts = [0; CHUNK];
        self.for_each_distance(&row.ranks, |distances| {
            for (count, distance) in counts.iter_mut().zip(distances) {
                *count = far[*distance as usize];
            }
            visit(&counts[..distances.len()]);
        });
    }

    /// Returns the p value of doubled ranks; those of the first group come first.
    pub(super) fn p_value_of_ranks(&self, ranks: &[u64]) -> f64 {
        let ranks = self.smaller_first(ranks);
        let far = self.far_counts(&ranks)[self.observed_distance(&ranks)];
        ratio(far as usize, self.ways.unwrap_or(SAMPLED_SPLITS + 1))
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

    /// Returns the mean of the doubled rank sum of the smaller group.
    fn middle(&self) -> u64 {
        to_u64(self.size()) * to_u64(self.first + self.second + 1)
    }

    /// Returns how far the observed doubled rank sum is from its mean.
    fn observed_distance(&self, ranks: &[u64]) -> usize {
        to_usize(ranks[..self.size()].iter().sum::<u64>().abs_diff(self.middle()))
    }

    /// Returns, for each distance up to the greatest, the number of splits that are at least so far apart.
    fn far_counts(&self, ranks: &[u64]) -> Vec<u32> {
        let mut counts = Vec::new();
        if self.ways.is_some() {
            for (sum, count) in (0..).zip(count_sums(ranks, self.size())) {
                if count > 0 {
                    add_at(&mut counts, to_usize(self.middle().abs_diff(sum)), count);
                }
            }
        } else {
            self.for_each_distance(ranks, |distances| {
                for distance in distances {
                    add_at(&mut counts, *distance as usize, 1);
                }
            });
        }
        let mut farther = 0;
        for count in counts.iter_mut().rev() {
            farther += *count;
            *count = farther;
        }
        counts
    }

    /// Calls a function with the distance of each stored split, many at once.
    fn for_each_distance(&self, ranks: &[u64], visit: impl FnMut(&[u32])) {
        // without any value there is one split, in one block
        let blocks = (0..blocks(ranks.len())).map(|block| ranks.get(block * BLOCK..).unwrap_or_default());
        let sums: Vec<SubsetSums> = blocks.map(|rest| subset_sums(&rest[..rest.len().min(BLOCK)])).collect();
        let middle = u32::try_from(self.middle()).unwrap_or(u32::MAX);
        // up to 20 and 20 values, the number of blocks is known when this is compiled
        match sums.as_slice() {
            [a] => visit_distances(&self.members, &[a], middle, visit),
            [a, b] => visit_distances(&self.members, &[a, b], middle, visit),
            [a, b, c] => visit_distances(&self.members, &[a, b, c], middle, visit),
            [a, b, c, d] => visit_distances(&self.members, &[a, b, c, d], middle, visit),
            more => visit_distances_of_many(&self.members, more, middle, visit),
        }
    }

    /// Returns the splits that at most one other split equals or exceeds; none of a sample.
    fn clearest(&self, ranks: &[u64], far: &[u32]) -> Vec<Vec<u16>> {
        if self.are_sampled() || far.last().is_none_or(|count| *count > 2) {
            return Vec::new();
        }
        if self.first == self.second {
            // the only split that separates the values, and its mirrored split
            let mut order: Vec<usize> = (0..ranks.len()).collect();
            order.sort_by_key(|place| ranks[*place]);
            let (low, high) = order.split_at(self.size());
            return vec![to_blocks(if low.contains(&0) { low } else { high }, ranks.len())];
        }
        let (mut splits, mut found) = (self.members.chunks_exact(blocks(ranks.len())), Vec::new());
        self.for_each_distance(ranks, |distances| {
            let are_clear = distances.iter().map(|distance| far[*distance as usize] <= 2);
            let clear = are_clear.zip(&mut splits).filter(|(is_clear, _)| *is_clear);
            found.extend(clear.map(|(_, split)| split.to_vec()));
        });
        found
    }
}

/// Counts the choices of `size` ranks by their sum.
fn count_sums(ranks: &[u64], size: usize) -> Vec<u32> {
    let mut greatest = ranks.to_vec();
    greatest.sort_unstable_by(|a, b| b.cmp(a));
    let width = to_usize(greatest[..size].iter().sum()) + 1;
    let mut counts = vec![vec![0_u32; width]; size + 1];
    counts[0][0] = 1;
    for (place, rank) in ranks.iter().enumerate() {
        let rank = to_usize(*rank);
        for chosen in (1..=size.min(place + 1)).rev() {
            let (fewer, more) = counts.split_at_mut(chosen);
            let (fewer, more) = (&fewer[chosen - 1], &mut more[0]);
            for (more, fewer) in more.iter_mut().skip(rank).zip(fewer) {
                *more += fewer;
            }
        }
    }
    counts.swap_remove(size)
}

/// Returns the sum of every subset of at most [`BLOCK`] ranks.
fn subset_sums(ranks: &[u64]) -> SubsetSums {
    let mut sums = [0; 1 << BLOCK];
    for (bit, rank) in ranks.iter().enumerate() {
        let (without, with) = sums.split_at_mut(1 << bit);
        for (with, without) in with.iter_mut().zip(without) {
            *with = *without + u32::try_from(*rank).unwrap_or(u32::MAX);
        }
    }
    sums
}

/// Calls a function with the distances of the splits, many at once: splits of `N` blocks.
fn visit_distances<const N: usize>(
    members: &[u16],
    sums: &[&SubsetSums; N],
    middle: u32,
    mut visit: impl FnMut(&[u32]),
) {
    let mut distances = [0; CHUNK];
    for chunk in members.chunks(CHUNK * N) {
        let splits = chunk.chunks_exact(N);
        let count = splits.len();
        for (distance, split) in distances.iter_mut().zip(splits) {
            let mut sum = 0;
            for (block, sums) in split.iter().zip(sums) {
                sum += sums[usize::from(*block) % (1 << BLOCK)];
            }
            *distance = sum.abs_diff(middle);
        }
        visit(&distances[..count]);
    }
}

/// Calls a function with the distances of the splits, many at once: splits of any number of blocks.
fn visit_distances_of_many(members: &[u16], sums: &[SubsetSums], middle: u32, mut visit: impl FnMut(&[u32])) {
    let mut distances = Vec::with_capacity(CHUNK);
    for chunk in members.chunks(CHUNK * sums.len()) {
        distances.clear();
        distances.extend(chunk.chunks_exact(sums.len()).map(|split| {
            let sum: u32 = split.iter().zip(sums).map(|(block, sums)| sums[usize::from(*block)]).sum();
            sum.abs_diff(middle)
        }));
        visit(&distances);
    }
}

fn add_at(counts: &mut Vec<u32>, place: usize, count: u32) {
    if counts.len() <= place {
        counts.resize(place + 1, 0);
    }
    counts[place] += count;
}

/// Returns the number of blocks that hold a split, at least one.
fn blocks(values: usize) -> usize {
    values.div_ceil(BLOCK).max(1)
}

/// Returns the members of a split as blocks of bits.
fn to_blocks(places: &[usize], all: usize) -> Vec<u16> {
    let mut found = vec![0; blocks(all)];
    for place in places {
        found[place / BLOCK] |= 1 << (place % BLOCK);
    }
    found
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
fn can_differ(first: usize, second: usize, tests: usize, level: f64) -> bool {
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

/// Enumerates all choices of `size` of `all`, in order; the first choice has the first places.
///
/// `half` keeps the choices with the first place only.
fn enumerate_splits(all: usize, size: usize, half: bool) -> Vec<u16> {
    let fixed = usize::from(half);
    let mut found = Vec::new();
    let mut choice: Vec<usize> = (0..size).collect();
    loop {
        found.extend(to_blocks(&choice, all));
        // the last position that can still advance
        let Some(at) = (fixed..size).rev().find(|at| choice[*at] < all - size + at) else {
            return found;
        };
        let mut place = choice[at];
        for moved in &mut choice[at..] {
            place += 1;
            *moved = place;
        }
    }
}

/// Samples random choices of `size` of `all`, after the observed one.
fn sample_splits(all: usize, size: usize, seed: u64) -> Vec<u16> {
    let mut rng = SeededRng::new(seed);
    let mut places: Vec<usize> = (0..all).collect();
    let mut found = to_blocks(&places[..size], all);
    for _ in 0..SAMPLED_SPLITS {
        for at in 0..size {
            places.swap(at, at + rng.below(all - at));
        }
        found.extend(to_blocks(&places[..size], all));
    }
    found
}

fn to_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
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
        let sampled = GroupSplits { first: 9, second: 9, members: sample_splits(18, 9, 1), ways: None };
        let sampled = sampled.p_value(&first, &second);
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
    fn splits_contain_every_choice_once() {
        for (first, second) in [(0, 3), (1, 1), (1, 4), (3, 3), (4, 2), (5, 6), (3, 12)] {
            let splits = GroupSplits::new(first, second, 1);
            let stored: std::collections::BTreeSet<&[u16]> =
                splits.members.chunks_exact(blocks(first + second)).collect();
            let ways = splits.ways.unwrap() / if first == second { 2 } else { 1 };
            assert_eq!((stored.len(), splits.stored()), (ways, ways), "{first} {second}");
            let size = u32::try_from(first.min(second)).unwrap();
            assert!(
                stored.iter().all(|split| split.iter().map(|block| block.count_ones()).sum::<u32>() == size)
            );
        }
    }

    #[test]
    fn counted_sums_match_the_enumerated_splits() {
        let first = [3.0, 1.0, 1.0, f64::INFINITY, 8.0];
        let second = [2.0, 8.0, 9.0, 1.0, 5.0, f64::INFINITY, 4.0];
        for sizes in [(5, 7), (5, 5), (3, 6), (5, 2)] {
            let splits = GroupSplits::new(sizes.0, sizes.1, 1);
            let row = splits.rank(&first[..sizes.0], &second[..sizes.1]);
            let (mut far, mut distances) = (0, Vec::new());
            splits.for_each_distance(&row.ranks, |chunk| distances.extend_from_slice(chunk));
            splits.for_each_far_count(&row, |counts| {
                far += counts.iter().filter(|count| **count <= row.observed()).count();
            });
            let expected = distances.iter().filter(|distance| **distance >= distances[0]).count();
            assert_eq!(far, expected, "{sizes:?}");
            assert!((row.p() - ratio(expected, distances.len())).abs() < 1e-12, "{sizes:?}");
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
