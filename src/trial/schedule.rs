//! Order of the runs of a trial. Pure.

use crate::arm::Arm;
use crate::rng::SeededRng;

/// Returns the runs in order: arm and repeat number, starting at 1.
///
/// Pairs are interleaved, so a drift during the trial affects both arms alike. The seed draws the arm that begins, and
/// the arms alternate after that.
pub fn schedule_runs(repeats: u32, seed: u64) -> Vec<(Arm, u32)> {
    let mut first = if SeededRng::new(seed).below(2) == 0 { Arm::Before } else { Arm::After };
    let mut runs = Vec::new();
    for repeat in 1..=repeats {
        runs.extend([(first, repeat), (first.opposite(), repeat)]);
        first = first.opposite();
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_alternate_and_the_seed_draws_the_first() {
        let labels = |seed| {
            let runs = schedule_runs(3, seed);
            let names: Vec<_> =
                runs.iter().map(|(arm, repeat)| format!("{}{repeat}", &arm.name()[..1])).collect();
            names.concat()
        };
        let both = ["b1a1a2b2b3a3", "a1b1b2a2a3b3"];
        assert!((0..20).all(|seed| both.contains(&labels(seed).as_str())));
        assert!(both.iter().all(|one| (0..20).any(|seed| labels(seed) == *one)), "the seed decides");
        assert_eq!(schedule_runs(0, 1), []);
    }
}
