//! The Hodges-Lehmann estimate of the shift between two groups, and its interval.

use super::permutation::{GroupSplits, doubled_ranks};
use super::quantile::median_of_sorted;

/// Differences within this share of the greatest value are equal: floating-point error.
const ROUNDING_TOLERANCE: f64 = 1e-9;

/// Estimates how much greater the second group is: the median of all pairwise differences (Hodges and Lehmann).
///
/// Two infinite values do not differ. An empty group has no shift.
pub fn shift(first: &[f64], second: &[f64]) -> Option<f64> {
    let middle = median_of_sorted(&sorted_differences(first, second))?;
    // half of the differences are infinite on either side
    Some(if middle.is_nan() { 0.0 } else { middle })
}

/// Returns the interval of the shift: from the smallest to the largest shift that the test does not reject.
///
/// There is no interval if the groups are too small for a limit, or a value is infinite.
pub fn shift_interval(first: &[f64], second: &[f64], splits: &GroupSplits, level: f64) -> Option<(f64, f64)> {
    let test = ShiftedSample::new(first, second)?;
    let rejects = |step: usize| splits.p_value_of_ranks(&test.ranks(step)) <= level;
    let last = test.last_step();
    if !rejects(0) || !rejects(last) {
        return None;
    }
    let middle = Some(test.middle_step()).filter(|step| !rejects(*step));
    let middle = middle.or_else(|| (0..=last).find(|step| !rejects(*step)))?;
    // from the outside to the middle the test changes once, apart from the effect of ties
    let edge = |outside: usize, towards: &dyn Fn(usize) -> usize| {
        let (mut out, mut inside) = (0, middle.abs_diff(outside));
        while inside - out > 1 {
            let half = usize::midpoint(out, inside);
            if rejects(towards(half)) { out = half } else { inside = half }
        }
        while inside > 1 && !rejects(towards(inside - 1)) {
            inside -= 1;
        }
        towards(inside)
    };
    let low = edge(0, &|steps| steps);
    let high = edge(last, &|steps| last - steps);
    Some((test.point_at_or_below(low), test.point_at_or_above(high)))
}

/// Two groups, the second of which can be shifted down.
///
/// Ranks change only at a difference of two values. There are finitely many steps: below the first difference, at it,
/// between it and the next one, and so on.
struct ShiftedSample<'a> {
    first: &'a [f64],
    second: &'a [f64],
    /// The distinct differences.
    points: Vec<f64>,
    /// Differences within this distance are equal.
    tolerance: f64,
}

impl<'a> ShiftedSample<'a> {
    fn new(first: &'a [f64], second: &'a [f64]) -> Option<Self> {
        let scale = first.iter().chain(second).fold(0.0_f64, |scale, value| scale.max(value.abs()));
        let tolerance = scale * ROUNDING_TOLERANCE;
        let mut points = sorted_differences(first, second);
        if points.is_empty() || points.iter().any(|point| !point.is_finite()) {
            return None;
        }
        points.dedup_by(|next, kept| *next - *kept <= tolerance);
        Some(Self { first, second, points, tolerance })
    }

    fn last_step(&self) -> usize {
        2 * self.points.len()
    }

    /// Returns the doubled ranks after a step.
    fn ranks(&self, step: usize) -> Vec<u64> {
        let (mut ranks, above) = (doubled_ranks(self.first, &[]), doubled_ranks(self.second, &[]));
        ranks.extend(above);
        let (lower, upper) = ranks.split_at_mut(self.first.len());
        let at = step / 2;
        for (x, lower) in self.first.iter().zip(lower) {
            for (y, upper) in self.second.iter().zip(&mut *upper) {
                let difference = y - x;
                // the greater of the two after the shift; at a point both may be equal
                let (to_lower, to_upper) = if step % 2 == 1 && self.is_at_point(difference, at) {
                    (1, 1)
                } else if at < self.points.len() && difference >= self.points[at] - self.tolerance {
                    (0, 2)
                } else {
                    (2, 0)
                };
                *lower += to_lower;
                *upper += to_upper;
            }
        }
        ranks
    }

    /// Returns whether a difference equals a point.
    fn is_at_point(&self, difference: f64, point: usize) -> bool {
        (difference - self.points[point]).abs() <= self.tolerance
    }

    /// Returns the step at which each group is the greater one about equally often.
    fn middle_step(&self) -> usize {
        let middle = shift(self.first, self.second).unwrap_or(0.0);
        let below = self.points.iter().filter(|point| **point < middle - self.tolerance).count();
        let reached = self.points.get(below).is_some_and(|point| (point - middle).abs() <= self.tolerance);
        2 * below + usize::from(reached)
    }

    fn point_at_or_below(&self, step: usize) -> f64 {
        self.points[(step.max(1) - 1) / 2]
    }

    fn point_at_or_above(&self, step: usize) -> f64 {
        self.points[(step / 2).min(self.points.len() - 1)]
    }
}

fn sorted_differences(first: &[f64], second: &[f64]) -> Vec<f64> {
    let mut differences: Vec<f64> = second
        .iter()
        .flat_map(|y| first.iter().map(move |x| y - x))
        // two infinite values are equal
        .map(|difference| if difference.is_nan() { 0.0 } else { difference })
        .collect();
    differences.sort_unstable_by(f64::total_cmp);
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(first: &[f64], second: &[f64]) -> Option<(f64, f64)> {
        shift_interval(first, second, &GroupSplits::new(first.len(), second.len(), 1), 0.05)
    }

    #[test]
    fn shift_is_median_of_pairwise_differences() {
        let late = f64::INFINITY;
        let check = |first: &[f64], second: &[f64], expected: Option<f64>| {
            assert_eq!(shift(first, second), expected, "{first:?} {second:?}");
        };
        check(&[1.0, 2.0, 3.0], &[11.0, 12.0, 13.0], Some(10.0));
        check(&[1.0, 2.0], &[1.0, 2.0], Some(0.0));
        check(&[], &[1.0], None);
        check(&[late, late], &[late, late], Some(0.0));
        check(&[1.0, 2.0], &[late, late], Some(late));
        check(&[late, late, late], &[1.0, 2.0], Some(-late));
        check(&[1.0, late], &[late, 1.0], Some(0.0));
        check(&[late, late, 3.0, 2.0], &[0.0; 4], Some(-late));
    }

    #[test]
    fn interval_inverts_the_permutation_test() {
        let check = |first: &[f64], second: &[f64], expected: Option<(f64, f64)>| {
            let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
            let found = interval(first, second);
            let same = match (found, expected) {
                (Some((a, b)), Some((c, d))) => near(a, c) && near(b, d),
                (found, expected) => found == expected,
            };
            assert!(same, "{first:?} {second:?}: {found:?}");
        };
        // with 4 and 4 values the test rejects only the most extreme split
        check(&[0.0, 1.0, 2.0, 3.0], &[10.0, 11.0, 12.0, 13.0], Some((7.0, 13.0)));
        check(&[0.1, 0.2, 0.3, 0.4], &[0.2, 0.3, 0.4, 0.5], Some((-0.2, 0.4)));
        // 3 and 3 values, or an infinite value, have no interval
        check(&[0.0, 1.0, 2.0], &[10.0, 11.0, 12.0], None);
        check(&[1.0, 2.0, 3.0, f64::INFINITY], &[1.0, 2.0, 3.0, 4.0], None);
        // equal values: the test rejects every other shift
        check(&[1.0; 4], &[1.0; 4], Some((0.0, 0.0)));
        check(&[0.3; 5], &[0.1 + 0.2; 5], Some((0.0, 0.0)));
    }

    #[test]
    fn test_rejects_shifts_outside_the_interval_only() {
        let first = [3.1, 0.2, 5.5, 1.9, 4.4, 2.7, 9.1, 0.7, 6.3, 3.3, 2.2];
        let second = [4.0, 8.8, 3.7, 7.1, 2.9, 12.4, 5.1, 6.6, 9.9, 1.4, 4.9];
        for size in [4, 5, 6, 8, 11] {
            let (first, second) = (&first[..size], &second[..size]);
            let splits = GroupSplits::new(size, size, 3);
            let (low, high) = shift_interval(first, second, &splits, 0.05).unwrap();
            let p = |by: f64| {
                let moved: Vec<f64> = second.iter().map(|value| value - by).collect();
                splits.p_value(first, &moved)
            };
            assert!(p(low - 1e-6) <= 0.05 && p(high + 1e-6) <= 0.05, "{size}");
            assert!(p(low + 1e-6) > 0.05 && p(high - 1e-6) > 0.05, "{size}: {low} {high}");
            let middle = shift(first, second).unwrap();
            assert!(low <= middle && middle <= high, "{size}");
        }
    }
}
