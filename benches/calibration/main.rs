//! Measures the error rates of comparisons: false alarms and power.
//!
//! ```console
//! cargo bench --profile calibration --bench calibration -- OPTIONS
//!
//!                              10,000 comparisons per cell
//!   --comparisons N            other than 10,000
//!   --quick                    exact numbers and a small simulation, below a minute
//!   --exact                    exact numbers only
//!   --write docs/statistics.md updates the tables and examples there
//!   --cases                    prints the cases that .ci/scipy compares with SciPy
//! ```
//!
//! It prints a table: each number that it must reproduce, what it found, and `ok` or `FAIL`. Properties of outcomes are
//! computed exactly. The rest is simulated: journals of trials, which the code of `kubectl chaos compare` compares. The
//! same seed gives the same tables. It exits with 1 if a number is wrong, and also if the rule of earlier versions
//! reaches the same numbers, or a test over samples has few false alarms: then the checks are too weak.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing benchmark reports the reason"
)]
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit, reason = "the output is for people")]
#![allow(unreachable_pub, reason = "a benchmark has no users")]

mod acceptance;
mod cases;
mod earlier_rule;
mod exact;
mod examples;
mod outcomes;
mod simulated;
mod simulation;
mod tables;
mod world;

use std::time::Instant;

use acceptance::Acceptance;
use outcomes::CleanSplitOnly;

/// The comparisons per cell of a full and of a quick simulation.
const COMPARISONS: u32 = 10_000;
const QUICK_COMPARISONS: u32 = 300;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let value = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        Some(arguments.get(place + 1).unwrap_or_else(|| panic!("{name} has no value")))
    };
    if has("--cases") {
        println!("{}", cases::cases());
        return;
    }
    let (is_quick, begun) = (has("--quick"), Instant::now());
    let mut acceptance = Acceptance::default();
    exact::check(&mut acceptance);
    let mut earlier = Acceptance::default();
    exact::rule_power(&mut earlier, "Power of the earlier rule", &mut CleanSplitOnly);
    let (numbers, missed) = earlier.counts();
    acceptance.group("The earlier rule misses the power of a fixed number of runs");
    #[allow(clippy::cast_precision_loss)] // below 100
    acceptance.at_least(format!("of {numbers} numbers"), 1.0, missed as f64, acceptance::Form::Number(0));
    let examples = examples::text();
    eprintln!("exact numbers in {:.0} s", begun.elapsed().as_secs_f64());
    let mut simulation = None;
    if !has("--exact") {
        let default = if is_quick { QUICK_COMPARISONS } else { COMPARISONS };
        let comparisons = value("--comparisons").map_or(default, |count| count.parse().expect("a number"));
        let results = simulated::run(comparisons, is_quick);
        simulated::check(&mut acceptance, &results, comparisons < COMPARISONS);
        simulation = Some(tables::simulated(&results));
    }
    println!("{}", acceptance.text());
    if let Some(file) = value("--write") {
        tables::write(file, "examples", &examples);
        tables::write(file, "exact", &tables::exact());
        if let Some(text) = &simulation {
            tables::write(file, "simulation", text);
        }
    }
    let (checks, failed) = acceptance.counts();
    eprintln!("all numbers in {:.0} s", begun.elapsed().as_secs_f64());
    println!(
        "{} of {checks} numbers are as wanted; the earlier rule misses {missed} of {numbers}",
        checks - failed
    );
    std::process::exit(i32::from(failed > 0));
}
