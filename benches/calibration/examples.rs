//! One worked example for each verdict, judged by the code of `compare`.

use std::fmt::Write as _;

use kubectl_chaos::compare::{CompareOptions, ComparisonVerdict, compare};

use super::world::{Measured, Plan, SAMPLES, Trial};

/// The median latency before the fault, in milliseconds.
const USUAL: f64 = 60.0;

struct Example {
    verdict: ComparisonVerdict,
    situation: &'static str,
    meaning: &'static str,
    plan: Plan,
    /// Whether the runs of each pair failed: `x` failed, `.` held.
    before: &'static str,
    after: &'static str,
    /// The 95th percentile of latency during the fault, in milliseconds, run by run.
    p95: [&'static [f64]; 2],
}

const EXAMPLES: [Example; 7] = [
    Example {
        verdict: ComparisonVerdict::Fixed,
        situation: "An automatic trial ends after three pairs: every run before the change failed, every run after it \
                    held.",
        meaning: "With three pairs, chance alone gives such a split in at most 3.1 % of trials, however often runs fail. \
                  Three runs do not show that it always holds: a failure rate of up to 63 % stays possible.",
        plan: Plan::Auto(10),
        before: "xxx",
        after: "...",
        p95: [&[90.0, 110.0, 100.0], &[95.0, 105.0, 115.0]],
    },
    Example {
        verdict: ComparisonVerdict::Improved,
        situation: "Ten runs per arm, decided before the trial. 9 of 10 failed before the change, 1 of 10 after it.",
        meaning: "It fails less often, and it still fails. Runs that flake do not hide the change.",
        plan: Plan::Fixed(10),
        before: "xxxxxxxxx.",
        after: "....x.....",
        p95: [&[100.0], &[100.0]],
    },
    Example {
        verdict: ComparisonVerdict::Broken,
        situation: "An automatic trial. No run before the change failed; after it, runs failed in pairs 1, 3, 4, 6 and 7.",
        meaning: "One arm has failed five times and the other never. That is the limit, and the trial ends after 7 pairs.",
        plan: Plan::Auto(10),
        before: ".......",
        after: "x.xx.xx",
        p95: [&[100.0], &[100.0]],
    },
    Example {
        verdict: ComparisonVerdict::Regressed,
        situation: "Five runs per arm, and all of them held. During the fault, requests take about twice as long after the \
                    change as before it.",
        meaning: "The outcomes agree, so the metrics have the whole 5 %. Every run after the change is slower than every \
                  run before it: 2 of 252 splits of the runs are so clear.",
        plan: Plan::Fixed(5),
        before: ".....",
        after: ".....",
        p95: [&[98.0, 104.0, 101.0, 95.0, 107.0], &[196.0, 214.0, 205.0, 190.0, 223.0]],
    },
    Example {
        verdict: ComparisonVerdict::Equivalent,
        situation: "Six runs per arm. All held, with the same latency to within 2 %.",
        meaning: "This is shown, not only unseen: failure rates that differ by 50 points or more are ruled out, and so is a \
                  difference of any metric beyond its margin. Noisy latencies rarely allow that.",
        plan: Plan::Fixed(6),
        before: "......",
        after: "......",
        p95: [&[100.0, 101.0, 99.5, 100.5, 99.0, 101.5], &[100.2, 100.8, 99.2, 101.2, 99.8, 100.4]],
    },
    Example {
        verdict: ComparisonVerdict::NoDifference,
        situation: "Five runs per arm. All held, with latencies that vary from run to run.",
        meaning: "No difference was seen, and nothing is shown. A change from never failing to failing in half of the runs \
                  would probably not be seen with five runs.",
        plan: Plan::Fixed(5),
        before: ".....",
        after: ".....",
        p95: [&[80.0, 130.0, 95.0, 160.0, 105.0], &[120.0, 85.0, 150.0, 90.0, 110.0]],
    },
    Example {
        verdict: ComparisonVerdict::Inconclusive,
        situation: "Five runs per arm. 3 of 5 failed before the change, none after it.",
        meaning: "Chance gives such counts in 6 % of comparisons, which is more than 4.5 %. The report says how many runs \
                  would probably decide it.",
        plan: Plan::Fixed(5),
        before: "x.x.x",
        after: ".....",
        p95: [&[100.0], &[100.0]],
    },
];

/// Formats the examples as Markdown. Panics if the code gives another verdict.
pub fn text() -> String {
    let mut out = String::new();
    for example in &EXAMPLES {
        let mut trial = Trial::new(1, example.plan);
        for (pair, (before, after)) in example.before.bytes().zip(example.after.bytes()).enumerate() {
            let run = |outcome: u8, p95: &[f64]| {
                let p95 = p95[pair % p95.len()];
                (outcome == b'x', Measured { good: SAMPLES, p95, recovery: 0.0 }, USUAL)
            };
            trial.set_pair([run(before, example.p95[0]), run(after, example.p95[1])]);
        }
        let (before, after) = trial.records();
        let found = compare(before, after, &CompareOptions::default()).expect("a comparison");
        assert_eq!(found.verdict, example.verdict, "{}: {}", example.situation, found.reason);
        let _ = write!(out, "**{}**. {}\n\n> {}", found.verdict.label(), example.situation, found.reason);
        for line in [found.format_failure_limit(), found.format_detectable()].into_iter().flatten() {
            let _ = write!(out, "\n> {}", kubectl_chaos::text::to_sentence(&line));
        }
        if let Some(required) = &found.required_runs {
            let _ = write!(out, "\n> {}", required.reason);
        }
        let _ = writeln!(out, "\n\n{}\n", example.meaning);
    }
    out
}
