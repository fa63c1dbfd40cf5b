//! The tables of `docs/statistics.md`.

use std::fmt::Write as _;

use kubectl_chaos::compare::ComparisonVerdict;
use kubectl_chaos::statistics::{MAX_PAIRS, Race, clopper_pearson, detectable_rate};

use super::exact::{POWER, RATES, arrow};
use super::outcomes::{
    Boschloo, CleanSplitOnly, OutcomeRule, Stops, automatic_at, maximum_auto_error, maximum_error, power,
};
use super::simulated::{Results, plan_name};
use super::simulation::Tally;

/// Formats the tables that need no simulation.
pub fn exact() -> String {
    let mut out = "**Outcomes**: the share of comparisons that claim a difference by the failed runs, by the failure rates \
                   before and after. The first column is the maximum share if the rates are equal. The column *earlier* is \
                   the rule of earlier versions: all runs of one arm failed, and all of the other held.\n\n"
        .to_owned();
    let heads: Vec<String> = RATES.iter().map(|rates| arrow(*rates)).collect();
    let _ = writeln!(out, "| runs per arm | maximum error | {} |", heads.join(" | "));
    let _ = writeln!(out, "|---|---|{}", "---|".repeat(RATES.len()));
    let mut row = |name: String, rule: &mut dyn OutcomeRule, runs: u32| {
        let powers: Vec<String> = RATES.iter().map(|rates| percent(power(rule, runs, *rates))).collect();
        let _ = writeln!(out, "| {name} | {} | {} |", percent(maximum_error(rule, runs)), powers.join(" | "));
    };
    let mut boschloo = Boschloo::default();
    for (runs, _, _) in POWER {
        row(runs.to_string(), &mut boschloo, runs);
        row(format!("{runs}, earlier"), &mut CleanSplitOnly, runs);
    }
    for pairs in [10, MAX_PAIRS] {
        let race = Race::new(pairs);
        let found = RATES.map(|rates| automatic_at(&race, Stops::All, rates));
        let claims = found.map(|found| percent(found.claims())).join(" | ");
        let error = percent(maximum_auto_error(&race, Stops::Significant).0);
        let _ = writeln!(out, "| auto, at most {pairs} | {error} | {claims} |");
        let pairs_used = found.map(|found| format!("{:.1}", found.pairs)).join(" | ");
        let _ = writeln!(out, "| expected pairs of it | | {pairs_used} |");
    }
    out += "\n**What a number of runs can show**: the least failure rate that 8 of 10 comparisons tell apart from a rate of \
            0 % and of 10 %; and the failure rate that stays possible if no run failed (one-sided, 95 %).\n\n\
            | runs per arm | from 0 % | from 10 % | 0 failed: fails in at most |\n|---|---|---|---|\n";
    let rate = |rate: Option<f64>| rate.map_or("–".to_owned(), |rate| format!("{:.0} %", rate * 100.0));
    for runs in [3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30] {
        let [never, tenth] = [0.0, 0.1].map(|base| rate(detectable_rate(runs, runs, base)));
        let _ = writeln!(
            out,
            "| {runs} | {never} | {tenth} | {} |",
            rate(clopper_pearson::upper_limit(0, runs, 0.95))
        );
    }
    out
}

/// Formats the tables of the simulation.
pub fn simulated(results: &Results) -> String {
    let mut out = format!(
        "**False alarms**: the share of {} simulated comparisons of equal arms that claim a difference.\n\n",
        grouped(results.comparisons)
    );
    same(&mut out, results, Tally::claims);
    out += "\n**Inconclusive**: the share of the same comparisons with this verdict.\n\n";
    same(&mut out, results, |tally| tally.share(ComparisonVerdict::Inconclusive));
    out += "\n**A test over samples** of the same runs (Welch's test of the latencies of the first probe, 5 % level): the share \
            with a significant difference. This is why `compare` tests runs, not samples.\n\n";
    same(&mut out, results, Tally::by_samples);
    out += "\n**Power**: the share of comparisons of different arms that claim a difference; with 2 probes, unless stated. In \
            brackets: the rule of earlier versions.\n\n";
    heads(&mut out, results, "change");
    for (name, tallies) in &results.different {
        let cells: Vec<String> = tallies
            .iter()
            .map(|tally| {
                let earlier =
                    tally.earlier_rule().map(|share| format!(" ({})", percent(share))).unwrap_or_default();
                format!("{}{earlier}", percent(tally.claims()))
            })
            .collect();
        let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
    }
    out
}

fn heads(out: &mut String, results: &Results, first: &str) {
    let plans: Vec<String> = results.plans.iter().map(|plan| plan_name(*plan)).collect();
    let columns = first.matches('|').count() + 1;
    let _ = writeln!(out, "| {first} | {} |\n|{}", plans.join(" | "), "---|".repeat(columns + plans.len()));
}

fn same(out: &mut String, results: &Results, share: impl Fn(&Tally) -> f64) {
    heads(out, results, "random failures | probes");
    for (failing, probes, tallies) in &results.same {
        let cells: Vec<String> = tallies.iter().map(|tally| percent(share(tally))).collect();
        let _ = writeln!(out, "| {:.0} % | {probes} | {} |", failing * 100.0, cells.join(" | "));
    }
}

/// Replaces the part of a document between the lines of a name.
pub fn write(file: &str, name: &str, text: &str) {
    let document = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let (head, rest) = document.split_once(&begin).unwrap_or_else(|| panic!("{file} has no line {begin}"));
    let (_, tail) = rest.split_once(&end).unwrap_or_else(|| panic!("{file} has no line {end}"));
    std::fs::write(file, format!("{head}{begin}\n\n{}\n\n{end}{tail}", text.trim())).unwrap();
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn grouped(count: u32) -> String {
    if count < 1000 { count.to_string() } else { format!("{},{:03}", count / 1000, count % 1000) }
}
