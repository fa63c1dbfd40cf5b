//! Measures the error rates of comparisons: false alarms and power.
//!
//! ```console
//! cargo bench --bench calibration                              # 10,000 comparisons per cell, some minutes
//! cargo bench --bench calibration -- --quick                   # a few seconds
//! cargo bench --bench calibration -- --write docs/statistics.md   # updates the tables there
//! cargo bench --bench calibration -- --cases                   # the cases that .ci/scipy compares with SciPy
//! ```
//!
//! The journals are simulated; the code of `kubectl chaos compare` compares them. The same seed gives the same tables.
//! It fails if a cell has too many false alarms. It also fails if a test over samples has too few of them: then the
//! simulation is too simple.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing benchmark reports the reason"
)]
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit, reason = "the output is for people")]
#![allow(unreachable_pub, reason = "a benchmark has no users")]

mod cases;
mod tables;
mod world;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use kubectl_chaos::compare::{CompareOptions, Comparer, ComparisonVerdict};

use tables::Tables;
use world::{Chance, Nature, Trial};

/// The seed of the simulation.
const SEED: u64 = 20_261_123;
const FLAKES: [f64; 3] = [0.0, 0.1, 0.5];
const PROBES: [usize; 6] = [1, 2, 3, 4, 5, 6];
const REPEATS: [usize; 4] = [3, 5, 10, 20];
const THREADS: usize = 2;

/// One cell of a table.
#[derive(Clone, Copy, Debug)]
struct Cell {
    natures: [Nature; 2],
    probes: usize,
    repeats: usize,
}

/// The results of the comparisons of a cell.
#[derive(Clone, Debug, Default)]
struct Came {
    comparisons: u32,
    verdicts: BTreeMap<ComparisonVerdict, u32>,
    /// The number of times that a test over samples found different latencies of the first probe.
    by_samples: u32,
}

impl Came {
    fn share(&self, verdict: ComparisonVerdict) -> f64 {
        f64::from(self.verdicts.get(&verdict).copied().unwrap_or(0)) / f64::from(self.comparisons)
    }

    /// Returns the share of comparisons whose verdict is a difference.
    fn alarms(&self) -> f64 {
        1.0 - self.share(ComparisonVerdict::Unchanged) - self.share(ComparisonVerdict::Inconclusive)
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    if has("--cases") {
        println!("{}", cases::cases());
        return;
    }
    let quick = has("--quick");
    let (comparisons, probes): (u32, &[usize]) = if quick { (300, &[1, 6]) } else { (10_000, &PROBES) };
    let begun = std::time::Instant::now();
    let cells: Vec<Cell> = FLAKES
        .iter()
        .flat_map(|flake| probes.iter().map(move |probes| (flake, probes)))
        .flat_map(|(flake, probes)| REPEATS.map(|repeats| (*flake, *probes, repeats)))
        .map(|(flake, probes, repeats)| Cell { natures: [Nature::failing(flake); 2], probes, repeats })
        .collect();
    let same = play(&cells, comparisons);
    let effects: Vec<Cell> = tables::EFFECTS
        .iter()
        .flat_map(|(_, natures)| REPEATS.map(|repeats| Cell { natures: *natures, probes: 2, repeats }))
        .collect();
    let different = play(&effects, comparisons / 5);
    let tables = Tables { comparisons, same: cells.iter().zip(&same).collect(), different: &different };
    let text = tables.text();
    println!("{text}");
    if let Some(at) = arguments.iter().position(|argument| argument == "--write") {
        tables::write(arguments.get(at + 1).expect("--write FILE"), &text);
    }
    eprintln!("{} cells in {:.0} s", cells.len() + effects.len(), begun.elapsed().as_secs_f64());
    match tables.fault(quick) {
        None => println!("{}", tables.summary()),
        Some(fault) => {
            eprintln!("{fault}");
            std::process::exit(1);
        }
    }
}

/// Runs the comparisons of every cell. The result does not depend on the threads.
fn play(cells: &[Cell], comparisons: u32) -> Vec<Came> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(vec![Came::default(); cells.len()]);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut comparer = Comparer::new(CompareOptions::default()).without_intervals();
                loop {
                    // large cells first, to balance the threads
                    let taken = next.fetch_add(1, Ordering::Relaxed);
                    let Some(at) = cells.len().checked_sub(taken + 1) else { break };
                    let came = cell(&cells[at], at, comparisons, &mut comparer);
                    found.lock().unwrap()[at] = came;
                }
            });
        }
    });
    found.into_inner().unwrap()
}

fn cell(cell: &Cell, at: usize, comparisons: u32, comparer: &mut Comparer) -> Came {
    let mut chance = Chance::new(SEED + 1_000_003 * u64::try_from(at).unwrap());
    let mut trial = Trial::new(cell.probes, cell.repeats);
    let mut came = Came { comparisons, ..Came::default() };
    for _ in 0..comparisons {
        trial.play(cell.natures, &mut chance);
        let comparison = comparer.compare(&trial.before, &trial.after).expect("a comparison");
        *came.verdicts.entry(comparison.verdict).or_default() += 1;
        came.by_samples += u32::from(trial.pooled[0].differs(&trial.pooled[1]));
    }
    came
}
