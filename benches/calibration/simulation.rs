//! The simulated comparisons: many trials of each cell, judged by the code of `compare`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use kubectl_chaos::compare::{CompareOptions, Comparer, ComparisonVerdict};
use kubectl_chaos::statistics::GroupSplits;

use super::earlier_rule;
use super::world::{Chance, Nature, Plan, Trial};

/// The seed of the simulation.
const SEED: u64 = 20_261_123;
/// The comparisons that a thread takes at once.
const CHUNK: u32 = 250;
/// One in so many comparisons is also judged by the rule of earlier versions.
const EARLIER_RULE_SHARE: u32 = 5;

/// A kind of trials.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub natures: [Nature; 2],
    pub probes: usize,
    pub plan: Plan,
}

impl Cell {
    /// Estimates the time of a comparison, to start with the longest.
    fn cost(&self) -> usize {
        let rows = match self.plan {
            Plan::Fixed(pairs) if pairs >= 10 => 40,
            _ => 1,
        };
        self.probes * (rows + self.plan.max_pairs() as usize)
    }
}

/// The results of the comparisons of a cell.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    comparisons: u32,
    verdicts: BTreeMap<ComparisonVerdict, u32>,
    pairs: u64,
    /// The comparisons in which a test over samples found different latencies of the first probe.
    by_samples: u32,
    /// The comparisons that the earlier rule judged, and those in which it claimed a difference.
    earlier_rule: (u32, u32),
}

impl Tally {
    pub fn share(&self, verdict: ComparisonVerdict) -> f64 {
        f64::from(self.verdicts.get(&verdict).copied().unwrap_or(0)) / f64::from(self.comparisons)
    }

    /// Returns the share of comparisons that claim a difference.
    pub fn claims(&self) -> f64 {
        use ComparisonVerdict::{Broken, Fixed, Improved, Regressed};
        [Fixed, Broken, Improved, Regressed].iter().map(|verdict| self.share(*verdict)).sum()
    }

    /// Returns the share of comparisons in which the earlier rule claims a difference; none for an automatic trial.
    pub fn earlier_rule(&self) -> Option<f64> {
        let (judged, claims) = self.earlier_rule;
        (judged > 0).then(|| f64::from(claims) / f64::from(judged))
    }

    /// Returns the share of comparisons in which a test over samples claims a difference.
    pub fn by_samples(&self) -> f64 {
        f64::from(self.by_samples) / f64::from(self.comparisons)
    }

    #[allow(clippy::cast_precision_loss)] // at most some 100,000
    pub fn mean_pairs(&self) -> f64 {
        self.pairs as f64 / f64::from(self.comparisons)
    }

    fn add(&mut self, other: &Self) {
        self.comparisons += other.comparisons;
        self.pairs += other.pairs;
        self.by_samples += other.by_samples;
        self.earlier_rule.0 += other.earlier_rule.0;
        self.earlier_rule.1 += other.earlier_rule.1;
        for (verdict, count) in &other.verdicts {
            *self.verdicts.entry(*verdict).or_default() += count;
        }
    }
}

/// Simulates the comparisons of every cell. The result does not depend on the threads.
pub fn simulate(cells: &[Cell], comparisons: u32) -> Vec<Tally> {
    let mut chunks: Vec<(usize, u32)> = (0..cells.len())
        .flat_map(|cell| (0..comparisons.div_ceil(CHUNK)).map(move |chunk| (cell, chunk)))
        .collect();
    chunks.sort_by_key(|(cell, _)| std::cmp::Reverse(cells[*cell].cost()));
    let next = AtomicUsize::new(0);
    let found = Mutex::new(vec![Tally::default(); cells.len()]);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut judges = Judges::new();
                while let Some((cell, chunk)) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let count = CHUNK.min(comparisons - chunk * CHUNK);
                    let tally = judges.play(&cells[*cell], (*cell, *chunk), count);
                    found.lock().unwrap()[*cell].add(&tally);
                }
            });
        }
    });
    found.into_inner().unwrap()
}

/// What a thread keeps from one comparison to the next.
struct Judges {
    comparer: Comparer,
    splits: BTreeMap<usize, GroupSplits>,
}

impl Judges {
    fn new() -> Self {
        // no verdict but equivalent depends on intervals
        let comparer = Comparer::new(CompareOptions::default()).without_intervals();
        Self { comparer, splits: BTreeMap::new() }
    }

    fn play(&mut self, cell: &Cell, (place, chunk): (usize, u32), count: u32) -> Tally {
        let seed = SEED + 1_000_003 * u64::try_from(place).unwrap() + 7_919 * u64::from(chunk);
        let mut chance = Chance::new(seed);
        let mut trial = Trial::new(cell.probes, cell.plan);
        let mut tally = Tally { comparisons: count, ..Tally::default() };
        for number in 0..count {
            trial.play(cell.natures, &mut chance);
            let (before, after) = trial.records();
            let comparison = self.comparer.compare(before, after).expect("a comparison");
            assert!(comparison.design.stated, "the journals do not state the design");
            *tally.verdicts.entry(comparison.verdict).or_default() += 1;
            tally.pairs += u64::try_from(trial.pairs).unwrap();
            tally.by_samples += u32::from(trial.pooled[0].differs(&trial.pooled[1]));
            if number % EARLIER_RULE_SHARE == 0 && matches!(cell.plan, Plan::Fixed(_)) {
                let pairs = trial.pairs;
                let splits = self.splits.entry(pairs).or_insert_with(|| GroupSplits::new(pairs, pairs, 1));
                tally.earlier_rule.0 += 1;
                tally.earlier_rule.1 += u32::from(earlier_rule::claims(&trial, splits));
            }
        }
        tally
    }
}
