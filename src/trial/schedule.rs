//! In which order the runs of a trial come. Floor 2, pure.

use crate::rng::SeededRng;

/// One side of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// Without the change.
    Before,
    /// With it.
    After,
}

impl Arm {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Before => Self::After,
            Self::After => Self::Before,
        }
    }
}

/// The runs in their order: arm, and which of its runs, from one. Pairs are interleaved, so that what drifts while
/// the trial goes on meets both arms alike; the seed draws which one begins, and that alternates.
pub fn order(repeats: u32, seed: u64) -> Vec<(Arm, u32)> {
    let mut first = if SeededRng::new(seed).below(2) == 0 { Arm::Before } else { Arm::After };
    let mut runs = Vec::new();
    for repeat in 1..=repeats {
        runs.extend([(first, repeat), (first.other(), repeat)]);
        first = first.other();
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_alternate_from_the_drawn_one_on() {
        let shown = |seed| {
            let runs = order(3, seed);
            let shown: Vec<_> =
                runs.iter().map(|(arm, repeat)| format!("{}{repeat}", &arm.name()[..1])).collect();
            shown.concat()
        };
        let both = ["b1a1a2b2b3a3", "a1b1b2a2a3b3"];
        assert!((0..20).all(|seed| both.contains(&shown(seed).as_str())));
        assert!(both.iter().all(|one| (0..20).any(|seed| shown(seed) == *one)), "the seed decides");
        assert_eq!(order(0, 1), []);
    }
}
