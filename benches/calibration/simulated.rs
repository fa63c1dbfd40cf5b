//! The simulated numbers: which cells there are, and what they must reach.

use kubectl_chaos::compare::ComparisonVerdict;
use kubectl_chaos::statistics::Race;

use super::acceptance::{Acceptance, Form};
use super::outcomes::{Stops, automatic_at};
use super::simulation::{Cell, Tally, simulate};
use super::world::{Nature, Plan};

/// The maximum share of false alarms of a cell, and on average over the cells.
const MAX_ALARMS: (f64, f64) = (0.056, 0.05);
/// The share of claims may be smaller than the reference, or than with fewer runs, by so much.
const POWER_ROOM: f64 = 0.03;
const MONOTONE_ROOM: f64 = 0.02;
/// The minimum share of false alarms of a test over samples, as a check of the simulation.
const MIN_BY_SAMPLES: f64 = 0.30;
/// The standard deviations of chance that a small simulation is allowed.
const DEVIATIONS: f64 = 4.0;
/// The numbers of runs over which power must not fall.
const MONOTONE: [Plan; 4] = [Plan::Fixed(3), Plan::Fixed(5), Plan::Fixed(10), Plan::Fixed(20)];

/// A simulated change.
struct Effect {
    name: &'static str,
    natures: [Nature; 2],
    probes: usize,
    /// The share of claims in percent, by the number of runs.
    wanted: &'static [(u32, f64)],
}

const fn with(failing: f64, latency: f64, usual: f64, errors: f64) -> Nature {
    Nature { failing, latency, usual, errors }
}

const EFFECTS: [Effect; 11] = [
    Effect {
        name: "all runs fail → all hold",
        natures: [Nature::failing(1.0), Nature::failing(0.0)],
        probes: 2,
        wanted: &[(3, 100.0), (5, 100.0), (10, 100.0), (20, 100.0)],
    },
    Effect {
        name: "9 of 10 fail → 1 of 10",
        natures: [Nature::failing(0.9), Nature::failing(0.1)],
        probes: 2,
        wanted: &[(3, 53.1), (4, 45.0), (5, 74.0), (6, 89.0), (10, 99.0), (20, 100.0)],
    },
    Effect {
        name: "1 of 2 fails → none",
        natures: [Nature::failing(0.5), Nature::failing(0.0)],
        probes: 2,
        wanted: &[(3, 12.5), (4, 8.0), (5, 20.0), (6, 36.0), (10, 83.0), (20, 100.0)],
    },
    Effect {
        name: "errors 20 % → 1 %",
        natures: [with(0.0, 60.0, 60.0, 0.2), with(0.0, 60.0, 60.0, 0.01)],
        probes: 2,
        wanted: &[(4, 56.0), (5, 63.0), (6, 72.0), (10, 98.0), (20, 99.0)],
    },
    Effect {
        name: "errors 20 % → 1 %, 6 probes",
        natures: [with(0.0, 60.0, 60.0, 0.2), with(0.0, 60.0, 60.0, 0.01)],
        probes: 6,
        wanted: &[(4, 50.0), (5, 87.0), (6, 82.0), (10, 99.0), (20, 99.0)],
    },
    Effect {
        name: "errors 8 % → 4 %",
        natures: [with(0.0, 60.0, 60.0, 0.08), with(0.0, 60.0, 60.0, 0.04)],
        probes: 2,
        wanted: &[],
    },
    Effect {
        name: "latency ×2 during the fault, 1 probe",
        natures: [with(0.0, 60.0, 60.0, 0.01), with(0.0, 120.0, 60.0, 0.01)],
        probes: 1,
        wanted: &[(4, 47.0), (5, 71.0), (6, 81.0), (10, 98.0), (20, 99.0)],
    },
    Effect {
        name: "latency ×2 during the fault",
        natures: [with(0.0, 60.0, 60.0, 0.01), with(0.0, 120.0, 60.0, 0.01)],
        probes: 2,
        wanted: &[(4, 36.0), (5, 79.0), (6, 92.0), (10, 98.0), (20, 98.0)],
    },
    Effect {
        name: "latency ×2 always",
        natures: [with(0.0, 60.0, 60.0, 0.01), with(0.0, 120.0, 120.0, 0.01)],
        probes: 2,
        wanted: &[(4, 3.0), (5, 23.0), (6, 35.0), (10, 64.0), (20, 95.0)],
    },
    Effect {
        name: "latency ×1.2 during the fault",
        natures: [with(0.0, 60.0, 60.0, 0.01), with(0.0, 72.0, 60.0, 0.01)],
        probes: 2,
        wanted: &[(4, 5.0), (5, 9.0), (6, 11.0), (10, 17.0), (20, 40.0)],
    },
    Effect {
        name: "1 of 10 fails, latency ×2 during the fault",
        natures: [with(0.1, 60.0, 60.0, 0.01), with(0.1, 120.0, 60.0, 0.01)],
        probes: 2,
        wanted: &[(4, 25.0), (5, 55.0), (6, 71.0), (10, 83.0), (20, 99.0)],
    },
];

/// The results of the simulation.
pub struct Results {
    pub comparisons: u32,
    pub plans: Vec<Plan>,
    /// Cells whose arms do not differ: for each failure rate and number of probes, by plan.
    pub same: Vec<(f64, usize, Vec<Tally>)>,
    /// For each change, by plan.
    pub different: Vec<(&'static str, Vec<Tally>)>,
}

/// Simulates all cells: a few of them, with few comparisons, in a quick run.
pub fn run(comparisons: u32, is_quick: bool) -> Results {
    let (failing, probes): (&[f64], &[usize]) =
        if is_quick { (&[0.0, 0.1, 0.5], &[2]) } else { (&[0.0, 0.02, 0.1, 0.3, 0.5, 1.0], &[2, 6]) };
    let plans: Vec<Plan> = if is_quick {
        [3, 5, 10, 20].map(Plan::Fixed).into_iter().chain([Plan::Auto(10)]).collect()
    } else {
        [3, 4, 5, 6, 10, 20].map(Plan::Fixed).into_iter().chain([Plan::Auto(10), Plan::Auto(20)]).collect()
    };
    let by_plan = |natures: [Nature; 2], probes: usize| {
        plans.iter().map(move |plan| Cell { natures, probes, plan: *plan })
    };
    let rows: Vec<(f64, usize)> =
        failing.iter().flat_map(|failing| probes.iter().map(move |probes| (*failing, *probes))).collect();
    let mut cells: Vec<Cell> =
        rows.iter().flat_map(|(failing, probes)| by_plan([Nature::failing(*failing); 2], *probes)).collect();
    cells.extend(EFFECTS.iter().flat_map(|effect| by_plan(effect.natures, effect.probes)));
    let tallies = simulate(&cells, comparisons);
    let mut tallies = tallies.chunks(plans.len()).map(<[Tally]>::to_vec);
    let same = rows.into_iter().map(|(failing, probes)| (failing, probes, tallies.next().unwrap())).collect();
    let different = EFFECTS.iter().map(|effect| (effect.name, tallies.next().unwrap())).collect();
    Results { comparisons, plans, same, different }
}

/// Names a plan: `5 runs` or `at most 10 pairs`.
pub fn plan_name(plan: Plan) -> String {
    match plan {
        Plan::Fixed(runs) => format!("{runs} runs"),
        Plan::Auto(pairs) => format!("auto, at most {pairs}"),
    }
}

/// Checks the results.
pub fn check(acceptance: &mut Acceptance, results: &Results, is_quick: bool) {
    let room = |share: f64, comparisons: f64| {
        if is_quick { DEVIATIONS * (share * (1.0 - share) / comparisons).sqrt() } else { 0.0 }
    };
    let count = f64::from(results.comparisons);
    let form = Form::Percent(1);

    acceptance.group("False alarms: comparisons of equal arms that claim a difference");
    let mut shares = Vec::new();
    for (failing, probes, tallies) in &results.same {
        for (plan, tally) in results.plans.iter().zip(tallies) {
            let name =
                format!("{:.0} % of runs fail, {probes} probes, {}", failing * 100.0, plan_name(*plan));
            acceptance.at_most(name, MAX_ALARMS.0 + room(MAX_ALARMS.0, count), tally.claims(), form);
            shares.push(tally.claims());
        }
    }
    #[allow(clippy::cast_precision_loss)] // a number of cells
    let cells = shares.len() as f64;
    let average = shares.iter().sum::<f64>() / cells;
    acceptance.at_most(
        "average of the cells",
        MAX_ALARMS.1 + room(MAX_ALARMS.1, count * cells),
        average,
        form,
    );

    acceptance.group("Power: comparisons of different arms that claim a difference");
    let place = |plan: Plan| results.plans.iter().position(|existing| *existing == plan);
    let mut missed_by_earlier_rule = 0.0;
    for (effect, (_, tallies)) in EFFECTS.iter().zip(&results.different) {
        for (runs, wanted) in effect.wanted {
            let Some(tally) = place(Plan::Fixed(*runs)).map(|place| &tallies[place]) else { continue };
            let least = wanted / 100.0 - POWER_ROOM;
            let least = (least - room(least.clamp(0.0, 1.0), count)).max(0.0);
            acceptance.at_least(format!("{}, {runs} runs", effect.name), least, tally.claims(), form);
            missed_by_earlier_rule +=
                f64::from(u8::from(tally.earlier_rule().is_some_and(|share| share < least)));
        }
    }

    acceptance.group("Power does not fall with more runs: 3, 5, 10, 20");
    let mut falls_of_earlier_rule = 0.0_f64;
    for (name, tallies) in &results.different {
        let row = |share: &dyn Fn(&Tally) -> f64| -> Vec<f64> {
            MONOTONE.iter().filter_map(|plan| place(*plan)).map(|place| share(&tallies[place])).collect()
        };
        let fall = |shares: &[f64]| shares.windows(2).map(|pair| pair[0] - pair[1]).fold(0.0, f64::max);
        let limit = MONOTONE_ROOM + room(0.5, count) * std::f64::consts::SQRT_2;
        acceptance.at_most(format!("{name}: greatest fall"), limit, fall(&row(&Tally::claims)), form);
        falls_of_earlier_rule =
            falls_of_earlier_rule.max(fall(&row(&|tally| tally.earlier_rule().unwrap_or_default())));
    }

    acceptance.group("Automatic trials of outcomes, and the exact numbers");
    for (effect, (_, tallies)) in EFFECTS.iter().zip(&results.different) {
        let [before, after] = effect.natures.map(|nature| nature.failing);
        if (before - after).abs() < 1e-9 {
            continue;
        }
        for (plan, tally) in results.plans.iter().zip(tallies) {
            let Plan::Auto(pairs) = *plan else { continue };
            let exact = automatic_at(&Race::new(pairs), Stops::All, (before, after));
            // rows can add claims if all runs had the same outcome
            let (low, high) = (exact.claims(), exact.claims() + 0.05 * exact.same);
            let chance = DEVIATIONS * (low * (1.0 - low) / count).sqrt() + 1e-9;
            let name = format!("{}, {}", effect.name, plan_name(*plan));
            acceptance.at_least(format!("{name}: claims"), low - chance, tally.claims(), form);
            acceptance.at_most(format!("{name}: claims"), high + chance, tally.claims(), form);
            // the number of pairs varies by less than the maximum
            let chance = DEVIATIONS * f64::from(pairs) / 2.0 / count.sqrt();
            let form = Form::Number(2);
            acceptance.at_least(format!("{name}: pairs"), exact.pairs - chance, tally.mean_pairs(), form);
            acceptance.at_most(format!("{name}: pairs"), exact.pairs + chance, tally.mean_pairs(), form);
        }
    }

    acceptance.group("The earlier rule fails the same checks");
    acceptance.at_least("numbers of the power that it misses", 1.0, missed_by_earlier_rule, Form::Number(0));
    acceptance.at_least("its greatest fall of power with more runs", 0.1, falls_of_earlier_rule, form);

    acceptance.group("A test over samples, which the simulation must catch");
    let tallies = results.same.iter().flat_map(|(_, _, tallies)| tallies);
    let least = tallies.map(Tally::by_samples).fold(1.0, f64::min);
    acceptance.at_least("its false alarms in every cell", MIN_BY_SAMPLES, least, form);

    acceptance.group("Inconclusive comparisons of equal arms, 10 % of runs fail, 2 probes");
    for (runs, wanted) in [(4, 57.0), (5, 66.0), (6, 70.0), (10, 44.0), (20, 1.7)] {
        let row =
            results.same.iter().find(|(failing, probes, _)| (*failing - 0.1).abs() < 1e-9 && *probes == 2);
        let Some((tallies, place)) = row.map(|(_, _, tallies)| tallies).zip(place(Plan::Fixed(runs))) else {
            continue;
        };
        let limit = wanted / 100.0 + POWER_ROOM;
        let found = tallies[place].share(ComparisonVerdict::Inconclusive);
        acceptance.at_most(format!("{runs} runs"), limit + room(limit, count), found, form);
    }
}
