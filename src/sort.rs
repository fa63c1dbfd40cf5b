//! Sorting with one instance of the algorithm.
//!
//! The standard library compiles its sort for every type again, about 5 kB each. These functions sort indices and move
//! the items afterwards. They suit short lists; statistics use the standard library.

use std::cmp::Ordering;

/// Sorts by a comparison. Equal items keep their order.
pub fn sort_by<T>(items: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let mut order: Vec<usize> = (0..items.len()).collect();
    sort_indices(&mut order, &mut |a, b| compare(&items[a], &items[b]));
    // moves every cycle of the permutation by swaps
    for start in 0..items.len() {
        let mut index = start;
        while order[index] != start {
            let next = order[index];
            items.swap(index, next);
            order[index] = index;
            index = next;
        }
        order[index] = index;
    }
}

/// Sorts by a key. Items with equal keys keep their order.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |a, b| key(a).cmp(&key(b)));
}

/// Sorts in ascending order.
pub fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

fn sort_indices(order: &mut [usize], compare: &mut dyn FnMut(usize, usize) -> Ordering) {
    order.sort_by(|a, b| compare(*a, *b));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn order_is_that_of_the_standard_library(items: Vec<(u8, u8)>) {
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.0);
            let mut sorted = items.clone();
            sort_by_key(&mut sorted, |item| item.0);
            prop_assert_eq!(&sorted, &expected);
            sort(&mut sorted);
            expected.sort_unstable();
            prop_assert_eq!(sorted, expected);
        }
    }
}
