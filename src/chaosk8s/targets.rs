//! Target selection: one pure function for every fault.

use crate::chaosk8s::error::{Error, Result};
use crate::k8s::Metadata;
use crate::rng::SeededRng;
use crate::sort;

/// Rule that selects targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TargetSelection {
    /// Selects every candidate; the other fields are ignored.
    pub all: bool,
    /// Selects at random, instead of the first ones.
    pub random: bool,
    pub amount: TargetQuantity,
    /// Sorts by age, the oldest first, instead of by name.
    pub oldest: bool,
}

/// Number of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetQuantity {
    Fixed(usize),
    /// Percentage of the candidates, rounded up.
    Percentage(usize),
}

impl TargetSelection {
    /// Parses the arguments `qty`, `mode` and `order`.
    pub(super) fn read(qty: i64, mode: &str, order: &str, all: bool, random: bool) -> Result<Self> {
        let Ok(quantity) = usize::try_from(qty) else {
            return Err(Error::failed(format!("Cannot select pods. Quantity '{qty}' is negative.")));
        };
        let amount = match mode {
            "fixed" => TargetQuantity::Fixed(quantity),
            "percentage" => TargetQuantity::Percentage(quantity),
            _ => return Err(Error::failed(format!("Cannot select pods. Mode '{mode}' is invalid."))),
        };
        let oldest = match order {
            "alphabetic" => false,
            "oldest" => true,
            _ => {
                return Err(Error::failed(format!("Cannot select pods. Order '{order}' is invalid.")));
            }
        };
        Ok(Self { all, random, amount, oldest })
    }
}

impl TargetSelection {
    /// Returns a warning if fewer candidates exist than the rule asks for.
    pub(super) fn shortfall(&self, candidates: usize, kind: &str) -> Option<String> {
        let requested = match self.amount {
            _ if self.all || candidates == 0 => return None,
            TargetQuantity::Fixed(amount) if amount > candidates => format!("{amount} {kind}"),
            TargetQuantity::Percentage(percent) if percent > 100 => format!("{percent} % of the {kind}"),
            _ => return None,
        };
        Some(format!("{requested} were requested, but only {candidates} match"))
    }
}

/// Selects targets: never more than the rule allows, never one twice.
pub(super) fn select(
    mut candidates: Vec<Metadata>,
    rule: &TargetSelection,
    rng: &mut SeededRng,
) -> Vec<Metadata> {
    if rule.oldest {
        sort::sort_by(&mut candidates, |a, b| a.creation_timestamp.cmp(&b.creation_timestamp));
    }
    if rule.all {
        return candidates;
    }
    let amount = match rule.amount {
        TargetQuantity::Fixed(amount) => amount,
        TargetQuantity::Percentage(percent) => candidates.len().saturating_mul(percent).div_ceil(100),
    };
    let amount = amount.min(candidates.len());
    if rule.random {
        for drawn in 0..amount {
            let other = drawn + rng.below(candidates.len() - drawn);
            candidates.swap(drawn, other);
        }
    }
    candidates.truncate(amount);
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn candidates(count: usize) -> Vec<Metadata> {
        (0..count)
            .map(|n| Metadata {
                name: format!("pod-{n}"),
                uid: n.to_string(),
                // younger from name to name
                creation_timestamp: Some(format!("2026-01-01T00:00:{:02}Z", 59 - n)),
                ..Metadata::default()
            })
            .collect()
    }

    fn check(count: usize, qty: i64, mode: &str, order: &str, all: bool, expected: &[&str]) {
        let rule = TargetSelection::read(qty, mode, order, all, false).unwrap();
        let names: Vec<String> = select(candidates(count), &rule, &mut SeededRng::new(0))
            .into_iter()
            .map(|meta| meta.name)
            .collect();
        assert_eq!(names, expected, "{count} {qty} {mode} {order} {all}");
    }

    #[test]
    fn select_returns_at_most_the_quantity() {
        check(3, 1, "fixed", "alphabetic", false, &["pod-0"]);
        check(3, 2, "fixed", "oldest", false, &["pod-2", "pod-1"]);
        check(3, 9, "fixed", "alphabetic", false, &["pod-0", "pod-1", "pod-2"]);
        check(3, 0, "fixed", "alphabetic", false, &[]);
        check(3, 0, "fixed", "alphabetic", true, &["pod-0", "pod-1", "pod-2"]);
        check(3, 34, "percentage", "alphabetic", false, &["pod-0", "pod-1"]);
        check(3, 33, "percentage", "alphabetic", false, &["pod-0"]);
        check(3, 200, "percentage", "alphabetic", false, &["pod-0", "pod-1", "pod-2"]);
        check(0, 100, "percentage", "alphabetic", false, &[]);
    }

    #[test]
    fn shortfall_is_a_warning() {
        let check = |qty, mode, all, expected: Option<&str>| {
            let rule = TargetSelection::read(qty, mode, "oldest", all, false).unwrap();
            assert_eq!(rule.shortfall(5, "Pods").as_deref(), expected, "{qty} {mode} {all}");
        };
        check(50, "fixed", false, Some("50 Pods were requested, but only 5 match"));
        check(5, "fixed", false, None);
        check(150, "percentage", false, Some("150 % of the Pods were requested, but only 5 match"));
        check(100, "percentage", false, None);
        check(50, "fixed", true, None);
    }

    #[test]
    fn random_selection_is_distinct_and_repeatable() {
        let rule = TargetSelection::read(5, "fixed", "alphabetic", false, true).unwrap();
        let draw = |seed| select(candidates(9), &rule, &mut SeededRng::new(seed));
        let mut selected = HashSet::new();
        for seed in 0..200 {
            let drawn = draw(seed);
            let distinct: HashSet<&str> = drawn.iter().map(|meta| meta.name.as_str()).collect();
            assert_eq!((drawn.len(), distinct.len()), (5, 5));
            assert_eq!(drawn, draw(seed));
            selected.extend(drawn.into_iter().map(|meta| meta.name));
        }
        assert_eq!(selected.len(), 9, "every candidate can be selected");
    }

    #[test]
    fn random_selection_can_begin_with_every_candidate() {
        let rule = TargetSelection::read(2, "fixed", "alphabetic", false, true).unwrap();
        let mut selected = [HashSet::new(), HashSet::new()];
        for seed in 0..400 {
            let drawn = select(candidates(9), &rule, &mut SeededRng::new(seed));
            for (names, target) in selected.iter_mut().zip(drawn) {
                names.insert(target.name);
            }
        }
        assert_eq!(selected.map(|names| names.len()), [9, 9]);
    }

    #[test]
    fn invalid_rules_are_rejected() {
        let refused =
            |qty, mode, order| TargetSelection::read(qty, mode, order, false, false).unwrap_err().to_string();
        assert!(refused(-1, "fixed", "oldest").contains("Quantity '-1' is negative."));
        assert!(refused(1, "some", "oldest").contains("Mode 'some' is invalid."));
        assert!(refused(1, "fixed", "youngest").contains("Order 'youngest' is invalid."));
    }
}
