//! The exact numbers: no simulation, the same in every run.

use kubectl_chaos::statistics::{
    GroupSplits, MAX_PAIRS, OutcomeCounts, Race, RankedRow, StopReason, adjusted_p, boschloo,
    clopper_pearson, detectable_rate, required_runs,
};

use super::acceptance::{Acceptance, Form};
use super::earlier_rule::holm_adjust;
use super::outcomes::{
    Boschloo, OutcomeRule, Stops, automatic_at, maximum_auto_error, maximum_auto_family_error,
    maximum_drift_error, maximum_error, maximum_family_error, maximum_misses, maximum_peeking_error, power,
};

/// The failure rates before and after in the tables of power.
pub const RATES: [(f64, f64); 10] = [
    (0.0, 0.0),
    (0.1, 0.1),
    (0.5, 0.5),
    (1.0, 0.0),
    (0.9, 0.1),
    (0.5, 0.0),
    (0.5, 0.1),
    (0.3, 0.0),
    (0.2, 0.02),
    (1.0, 0.3),
];

/// The maximum error and the power at [`RATES`], in percent, by the number of runs per arm.
pub const POWER: [(u32, f64, [f64; 10]); 7] = [
    (3, 3.12, [0.0, 0.1, 3.1, 100.0, 53.1, 12.5, 9.1, 2.7, 0.8, 34.3]),
    (5, 2.15, [0.0, 0.1, 2.1, 100.0, 73.6, 18.8, 12.1, 3.1, 0.6, 52.8]),
    (7, 2.37, [0.0, 0.3, 2.1, 100.0, 86.4, 50.0, 26.4, 12.6, 2.9, 87.4]),
    (10, 4.22, [0.0, 0.9, 4.2, 100.0, 98.9, 82.8, 47.1, 35.0, 10.0, 98.9]),
    (15, 4.33, [0.0, 2.4, 4.3, 100.0, 100.0, 98.2, 67.3, 70.3, 27.4, 100.0]),
    (20, 4.24, [0.0, 1.2, 3.9, 100.0, 100.0, 99.4, 81.2, 76.2, 27.3, 100.0]),
    (30, 4.23, [0.0, 2.3, 3.8, 100.0, 100.0, 100.0, 93.0, 97.0, 55.1, 100.0]),
];

/// Runs all exact checks.
pub fn check(acceptance: &mut Acceptance) {
    p_values(acceptance);
    errors(acceptance);
    least_counts(acceptance);
    rule_power(acceptance, "Power for a fixed number of runs", &mut Boschloo::default());
    auto_errors(acceptance);
    auto_chances(acceptance);
    auto_power(acceptance);
    peeking(acceptance);
    intervals(acceptance);
    numbers_of_runs(acceptance);
    rows(acceptance);
}

fn p_values(acceptance: &mut Acceptance) {
    // failed of runs before, failed of runs after, p
    const CASES: [(u32, u32, u32, u32, f64); 25] = [
        (1, 1, 0, 1, 0.5),
        (2, 2, 0, 2, 0.125),
        (3, 3, 0, 2, 0.069_12),
        (3, 3, 0, 3, 0.031_25),
        (2, 3, 0, 3, 0.218_75),
        (3, 3, 1, 3, 0.218_75),
        (4, 4, 0, 4, 0.007_81),
        (3, 4, 0, 4, 0.070_31),
        (4, 5, 0, 5, 0.021_48),
        (5, 5, 1, 5, 0.021_48),
        (3, 5, 0, 5, 0.061_85),
        (4, 5, 1, 5, 0.109_38),
        (4, 10, 0, 10, 0.042_19),
        (9, 10, 1, 10, 0.000_40),
        (5, 10, 1, 10, 0.062_31),
        (6, 10, 1, 10, 0.022_78),
        (7, 10, 2, 10, 0.041_39),
        (5, 20, 0, 20, 0.022_53),
        (4, 20, 0, 20, 0.060_99),
        (18, 20, 2, 20, 0.0),
        (10, 20, 4, 20, 0.053_26),
        (3, 3, 0, 10, 0.001_78),
        (3, 3, 2, 10, 0.022_45),
        (5, 5, 2, 8, 0.010_27),
        (6, 30, 1, 30, 0.056_08),
    ];
    acceptance.group("p of Boschloo's test");
    for (failed_before, before, failed_after, after, wanted) in CASES {
        let counts = |failed, valid| OutcomeCounts { valid, failed };
        let found = boschloo(counts(failed_before, before), counts(failed_after, after)).p;
        let name = format!("{failed_before} of {before} before, {failed_after} of {after} after");
        acceptance.near(name, wanted, found, Form::Number(5));
    }
}

fn errors(acceptance: &mut Acceptance) {
    const WANTED: [f64; 18] = [
        3.12, 0.78, 2.15, 3.86, 2.37, 2.79, 3.28, 4.22, 3.97, 4.49, 3.98, 4.16, 4.33, 4.14, 4.31, 3.78, 4.47,
        4.24,
    ];
    acceptance.group("Maximum error of outcomes over all failure rates, for a fixed number of runs");
    let mut rule = Boschloo::default();
    for (runs, wanted) in (3..).zip(WANTED).chain([(30, 4.23)]) {
        let found = maximum_error(&mut rule, runs);
        acceptance.near(format!("{runs} runs per arm"), wanted / 100.0, found, Form::Percent(2));
    }
    acceptance.group("Maximum error of outcomes and rows together");
    let equal = (3..=30).map(|runs| maximum_family_error(&mut rule, (runs, runs))).fold(0.0, f64::max);
    acceptance.near("equal arms, 3 to 30 runs", 0.05, equal, Form::Percent(2));
    let pairs = (3..=20).flat_map(|before| (before..=20).map(move |after| (before, after)));
    let (worst, sizes) = pairs
        .map(|runs| (maximum_family_error(&mut rule, runs), runs))
        .fold((0.0, (0, 0)), |worst, found| if found.0 > worst.0 { found } else { worst });
    acceptance.at_most("all arms of 3 to 20 runs", 0.0503, worst, Form::Percent(3));
    acceptance.near("their worst", 0.050_26, worst, Form::Percent(3));
    acceptance.equal("the arms of the worst", "3 and 8", format!("{} and {}", sizes.0, sizes.1));
}

fn least_counts(acceptance: &mut Acceptance) {
    const WANTED: [(u32, &str); 18] = [
        (3, "3:0"),
        (4, "4:0"),
        (5, "4:0 5:1"),
        (6, "4:0 5:1 6:2"),
        (7, "4:0 6:1 7:2 7:3"),
        (8, "4:0 6:1 7:2 8:3 8:4"),
        (9, "4:0 6:1 7:2 8:3 9:4 9:5"),
        (10, "4:0 6:1 7:2 8:3 9:4 10:5 10:6"),
        (11, "5:0 6:1 7:2 9:3 9:4 10:5 11:6"),
        (12, "4:0 6:1 7:2 9:3 10:4 10:5 11:6 12:7 12:8"),
        (13, "4:0 6:1 8:2 9:3 10:4 11:5 12:6 12:7 13:8 13:9"),
        (14, "4:0 6:1 8:2 9:3 10:4 11:5 12:6 13:7 13:8 14:9 14:10"),
        (15, "4:0 6:1 8:2 9:3 10:4 11:5 12:6 13:7 14:8 14:9 15:10 15:11"),
        (16, "5:0 7:1 8:2 9:3 10:4 12:5 12:6 13:7 14:8 15:9 16:10 16:11"),
        (17, "5:0 7:1 8:2 9:3 10:4 12:5 13:6 13:7 14:8 15:9 16:10 17:11 17:12"),
        (18, "5:0 7:1 8:2 9:3 11:4 12:5 13:6 14:7 15:8 15:9 16:10 17:11 18:12 18:13"),
        (19, "5:0 6:1 8:2 9:3 11:4 12:5 13:6 14:7 15:8 16:9 16:10 17:11 18:12 18:13 19:14"),
        (20, "5:0 7:1 8:2 9:3 11:4 12:5 13:6 14:7 15:8 16:9 17:10 17:11 18:12 19:13 20:14 20:15"),
    ];
    acceptance.group("Least significant counts of failed runs");
    let mut rule = Boschloo::default();
    for (runs, wanted) in WANTED {
        let mut least =
            |fewer: u32| (fewer + 1..=runs).find(|more| rule.is_significant((runs, runs), (*more, fewer)));
        let found: Vec<String> =
            (0..runs).filter_map(|fewer| Some(format!("{}:{fewer}", least(fewer)?))).collect();
        acceptance.equal(format!("{runs} runs per arm"), wanted, found.join(" "));
    }
}

/// Checks the maximum error and the power of a rule.
pub fn rule_power(acceptance: &mut Acceptance, name: &str, rule: &mut dyn OutcomeRule) {
    acceptance.group(name);
    for (runs, error, powers) in POWER {
        acceptance.near(
            format!("{runs} runs, maximum error"),
            error / 100.0,
            maximum_error(rule, runs),
            Form::Percent(2),
        );
        for (rates, wanted) in RATES.into_iter().zip(powers) {
            acceptance.near(
                format!("{runs} runs, {}", arrow(rates)),
                wanted / 100.0,
                power(rule, runs, rates),
                Form::Percent(1),
            );
        }
    }
}

/// Formats two failure rates: `90 % → 10 %`.
pub fn arrow((before, after): (f64, f64)) -> String {
    format!("{:.0} % → {:.0} %", before * 100.0, after * 100.0)
}

fn auto_errors(acceptance: &mut Acceptance) {
    acceptance.group("Maximum error of an automatic trial");
    let race = Race::new(MAX_PAIRS);
    let (error, rate) = maximum_auto_error(&race, Stops::Significant);
    acceptance.near("stops without a result not counted on", 0.047_416, error, Form::Percent(4));
    acceptance.near("at the failure rate", 0.5, rate, Form::Number(2));
    acceptance.near(
        "stops without a result counted on",
        0.0458,
        maximum_auto_error(&race, Stops::All).0,
        Form::Percent(2),
    );
    for (pairs, wanted) in [(3, 3.12), (5, 3.12), (8, 3.90), (10, 4.05), (15, 4.22)] {
        let found = maximum_auto_error(&Race::new(pairs), Stops::Significant).0;
        acceptance.near(format!("at most {pairs} pairs"), wanted / 100.0, found, Form::Percent(2));
    }
    acceptance.near("with rows", 0.05, maximum_auto_family_error(&race), Form::Percent(2));
    let drift = maximum_drift_error(&race, &[0.5, 0.2, 0.8, 0.42]);
    acceptance.near("worst drift, rates in steps of 4 points", 0.0489, drift.coarse, Form::Percent(2));
    acceptance.at_most("worst drift, any rates", 0.05, drift.fine, Form::Percent(2));
}

fn auto_chances(acceptance: &mut Acceptance) {
    const CASES: [(u32, u32, u32, f64); 14] = [
        (3, 2, 0, 0.7843),
        (5, 0, 0, 0.0826),
        (5, 1, 1, 0.0557),
        (5, 1, 0, 0.2997),
        (5, 2, 0, 0.6415),
        (5, 3, 1, 0.4161),
        (6, 2, 2, 0.0374),
        (7, 2, 1, 0.0586),
        (8, 3, 1, 0.1483),
        (10, 3, 0, 0.6583),
        (10, 4, 1, 0.2062),
        (10, 5, 3, 0.0472),
        (15, 4, 0, 0.7149),
        (19, 4, 0, 0.2194),
    ];
    acceptance.group("Predicted chance of a result of an automatic trial of at most 20 pairs");
    let race = Race::new(MAX_PAIRS);
    for (pairs, before, after, wanted) in CASES.into_iter().chain([(9, 8, 9, 0.0987)]) {
        let name = format!("after {pairs} pairs, {before} and {after} failed");
        acceptance.near(name, wanted, race.value(pairs, before, after), Form::Number(4));
    }
    let open =
        (5..20_u32).flat_map(|pairs| (0..=pairs).flat_map(move |b| (0..=pairs).map(move |a| (pairs, b, a))));
    let nearest = open
        .filter(|(pairs, b, a)| !race.stop(*pairs, *b, *a).is_some_and(StopReason::is_significant))
        .map(|(pairs, b, a)| race.value(pairs, b, a))
        .fold(
            1.0,
            |nearest: f64, chance| {
                if (chance - 0.1).abs() < (nearest - 0.1).abs() { chance } else { nearest }
            },
        );
    acceptance.near("the nearest to the limit of 0.1", 0.0987, nearest, Form::Number(4));
}

fn auto_power(acceptance: &mut Acceptance) {
    // rates, and in percent: fixed, improved, broken, regressed; and the expected pairs
    const CASES: [((f64, f64), [f64; 4], f64); 12] = [
        ((0.0, 0.0), [0.0, 0.0, 0.0, 0.0], 5.00),
        ((0.05, 0.05), [0.08, 0.0, 0.08, 0.0], 6.73),
        ((0.1, 0.1), [0.64, 0.0, 0.64, 0.0], 7.55),
        ((0.25, 0.25), [1.85, 0.07, 1.85, 0.07], 7.37),
        ((0.5, 0.5), [1.80, 0.49, 1.80, 0.49], 7.59),
        ((1.0, 0.0), [100.0, 0.0, 0.0, 0.0], 3.00),
        ((0.9, 0.1), [66.91, 32.71, 0.0, 0.0], 5.69),
        ((0.5, 0.0), [95.46, 0.0, 0.0, 0.0], 9.09),
        ((0.5, 0.1), [38.78, 15.44, 0.01, 0.0], 9.96),
        ((0.3, 0.0), [63.22, 0.0, 0.0, 0.0], 11.81),
        ((0.2, 0.02), [20.89, 0.07, 0.0, 0.0], 10.23),
        ((1.0, 0.3), [34.30, 65.43, 0.0, 0.0], 6.14),
    ];
    acceptance.group("Verdicts and pairs of an automatic trial of at most 20 pairs");
    let race = Race::new(MAX_PAIRS);
    for (rates, wanted, pairs) in CASES {
        let found = automatic_at(&race, Stops::All, rates);
        let shares = [found.fixed, found.improved, found.broken, found.regressed];
        for ((word, wanted), found) in
            ["fixed", "improved", "broken", "regressed"].iter().zip(wanted).zip(shares)
        {
            acceptance.near(format!("{}, {word}", arrow(rates)), wanted / 100.0, found, Form::Percent(2));
        }
        acceptance.near(format!("{}, pairs", arrow(rates)), pairs, found.pairs, Form::Number(2));
    }
    // the claims in percent and the expected pairs, by the maximum number of pairs
    const SMALLER: [(u32, [(f64, f64); 6]); 5] = [
        (8, [(100.0, 3.0), (79.8, 4.4), (34.8, 5.6), (20.0, 5.3), (6.4, 5.3), (77.1, 5.3)]),
        (10, [(100.0, 3.0), (84.7, 4.8), (59.1, 7.1), (29.3, 6.1), (14.4, 6.5), (93.4, 5.9)]),
        (12, [(100.0, 3.0), (90.0, 5.0), (75.6, 8.0), (35.2, 6.7), (24.6, 7.9), (97.9, 6.1)]),
        (15, [(100.0, 3.0), (96.7, 5.5), (88.4, 8.7), (42.0, 7.8), (40.4, 9.6), (99.4, 6.1)]),
        (20, [(100.0, 3.0), (99.6, 5.7), (95.5, 9.1), (54.2, 10.0), (63.2, 11.8), (99.7, 6.1)]),
    ];
    acceptance.group("Power and pairs of an automatic trial, by the maximum number of pairs");
    for (maximum, cases) in SMALLER {
        let race = Race::new(maximum);
        let rates = [(1.0, 0.0), (0.9, 0.1), (0.5, 0.0), (0.5, 0.1), (0.3, 0.0), (1.0, 0.3)];
        for (rates, (claims, pairs)) in rates.into_iter().zip(cases) {
            let found = automatic_at(&race, Stops::All, rates);
            let name = format!("at most {maximum} pairs, {}", arrow(rates));
            acceptance.near(&name, claims / 100.0, found.claims(), Form::Percent(1));
            acceptance.near(format!("{name}, pairs"), pairs, found.pairs, Form::Number(1));
        }
    }
}

fn peeking(acceptance: &mut Acceptance) {
    acceptance.group("A fixed design that is looked at repeatedly: the error that an automatic trial avoids");
    let mut rule = Boschloo::default();
    let few = maximum_peeking_error(&mut rule, &[3, 5, 10, 20]);
    acceptance.near("after 3, 5, 10 and 20 pairs", 0.0984, few, Form::Percent(2));
    let every: Vec<u32> = (3..=20).collect();
    acceptance.near(
        "after every pair from 3 to 20",
        0.147,
        maximum_peeking_error(&mut rule, &every),
        Form::Percent(1),
    );
}

fn intervals(acceptance: &mut Acceptance) {
    acceptance.group("Intervals of a failure rate (Clopper-Pearson)");
    for (failed, valid, low, high) in [(0, 3, 0.0, 0.7076), (0, 5, 0.0, 0.5218), (1, 10, 0.0025, 0.4450)] {
        let found = clopper_pearson::interval(failed, valid, 0.95).unwrap();
        acceptance.near(format!("{failed} of {valid}, 95 %, low"), low, found.0, Form::Number(4));
        acceptance.near(format!("{failed} of {valid}, 95 %, high"), high, found.1, Form::Number(4));
    }
    for (valid, wanted) in [(3, 0.6316), (5, 0.4507), (10, 0.2589)] {
        let found = clopper_pearson::upper_limit(0, valid, 0.95).unwrap();
        acceptance.near(format!("0 of {valid}, one-sided 95 %"), wanted, found, Form::Number(4));
    }
    let misses = maximum_misses(&Race::new(MAX_PAIRS));
    acceptance.near(
        "after an automatic trial, the 95 % interval misses",
        0.028,
        misses.two_sided,
        Form::Percent(1),
    );
    acceptance.near(
        "after an automatic trial, the one-sided limit misses",
        0.057,
        misses.upper,
        Form::Percent(1),
    );
}

fn numbers_of_runs(acceptance: &mut Acceptance) {
    acceptance.group("Runs per arm that would show the difference that was seen");
    for (before, after, valid, wanted) in [
        (2, 0, 3, Some(15)),
        (3, 1, 3, Some(15)),
        (1, 0, 3, Some(49)),
        (3, 0, 5, Some(14)),
        (3, 1, 5, Some(36)),
        (2, 1, 5, None),
        (3, 1, 10, None),
        (4, 2, 10, None),
        (3, 0, 10, Some(31)),
    ] {
        let counts = |failed| OutcomeCounts { valid, failed };
        let text = |runs: Option<u32>| runs.map_or("none".to_owned(), |runs| runs.to_string());
        let found = required_runs(counts(before), counts(after));
        acceptance.equal(format!("{before} and {after} of {valid} failed"), text(wanted), text(found));
    }
    acceptance.group("The least failure rate that is seen in 8 of 10 trials");
    for (runs, never, tenth, limit) in [
        (3, 93, None, 63),
        (4, 95, None, 53),
        (5, 83, Some(93), 45),
        (6, 73, Some(84), 39),
        (7, 65, Some(86), 35),
        (8, 58, Some(79), 31),
        (10, 48, Some(68), 26),
        (12, 41, Some(62), 22),
        (15, 34, Some(57), 18),
        (20, 31, Some(49), 14),
        (30, 21, Some(42), 10),
    ] {
        let text =
            |rate: Option<f64>| rate.map_or("none".to_owned(), |rate| format!("{:.0} %", rate * 100.0));
        let wanted = |percent: Option<u32>| text(percent.map(|percent| f64::from(percent) / 100.0));
        for (base, percent) in [(0.0, Some(never)), (0.1, tenth)] {
            let name = format!("{runs} runs per arm, from {:.0} %", base * 100.0);
            acceptance.equal(name, wanted(percent), text(detectable_rate(runs, runs, base)));
        }
        let found = clopper_pearson::upper_limit(0, runs, 0.95);
        acceptance.equal(format!("0 of {runs} failed: fails in at most"), wanted(Some(limit)), text(found));
    }
}

fn rows(acceptance: &mut Acceptance) {
    const APART: [f64; 8] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    const MIXED: [f64; 8] = [1.0, 5.0, 2.0, 6.0, 3.0, 7.0, 4.0, 8.0];
    const EQUAL: [f64; 8] = [1.0; 8];
    const APART_5: [f64; 10] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
    const NEARLY_5: [f64; 10] = [1.0, 2.0, 3.0, 4.0, 6.0, 5.0, 7.0, 8.0, 9.0, 10.0];
    const MIXED_5: [f64; 10] = [1.0, 3.0, 5.0, 7.0, 9.0, 2.0, 4.0, 6.0, 8.0, 10.0];
    // name, rows, and p: of each row, by Holm, by Westfall and Young
    type Case<'a> = (&'a str, &'a [&'a [f64]], &'a [f64], &'a [f64], &'a [f64]);
    let cases: [Case; 4] = [
        (
            "4 + 4 runs, two rows apart and one of equal values",
            &[&APART, &APART, &EQUAL],
            &[0.028_57, 0.028_57, 1.0],
            &[0.085_71, 0.085_71, 1.0],
            &[0.028_57, 0.028_57, 1.0],
        ),
        (
            "4 + 4 runs, one row apart and two of equal values",
            &[&APART, &EQUAL, &EQUAL],
            &[0.028_57, 1.0, 1.0],
            &[0.085_71, 1.0, 1.0],
            &[0.028_57, 1.0, 1.0],
        ),
        (
            "4 + 4 runs, one row apart and one mixed",
            &[&APART, &MIXED],
            &[0.028_57, 0.342_86],
            &[0.057_14, 0.342_86],
            &[0.057_14, 0.342_86],
        ),
        (
            "5 + 5 runs, one row apart, one nearly, one mixed",
            &[&APART_5, &NEARLY_5, &MIXED_5],
            &[0.007_94, 0.015_87, 0.690_48],
            &[0.023_81, 0.031_75, 0.690_48],
            &[0.023_81, 0.031_75, 0.690_48],
        ),
    ];
    acceptance.group("p of several rows: one row, Holm, Westfall-Young");
    for (name, rows, p, holm, adjusted) in cases {
        let size = rows[0].len() / 2;
        let splits = GroupSplits::new(size, size, 1);
        let ranked: Vec<RankedRow> = rows.iter().map(|row| splits.rank(&row[..size], &row[size..])).collect();
        let found: Vec<f64> = ranked.iter().map(RankedRow::p).collect();
        let text = |ps: &[f64]| ps.iter().map(|p| Form::Number(5).text(*p)).collect::<Vec<_>>().join(", ");
        acceptance.equal(format!("{name}: p"), text(p), text(&found));
        acceptance.equal(format!("{name}: Holm"), text(holm), text(&holm_adjust(&found)));
        let found = adjusted_p(&splits, &ranked.iter().collect::<Vec<_>>());
        acceptance.equal(format!("{name}: Westfall-Young"), text(adjusted), text(&found));
    }
}
