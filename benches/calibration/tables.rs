//! The tables, and what they have to show.

use std::fmt::Write as _;

use kubectl_chaos::compare::ComparisonVerdict;

use super::world::Nature;
use super::{Came, Cell, FLAKES, REPEATS};

/// The most false alarms that a cell may have.
const LEVEL: f64 = 0.05;
/// The fewest that a test over samples has to have in every cell, so that the simulation could catch one.
const CAUGHT: f64 = 0.30;
/// The tables stand between these lines of a document.
const BEGIN: &str = "<!-- calibration: begin -->";
const END: &str = "<!-- calibration: end -->";

/// Changes that there really are, by what they do.
pub const EFFECTS: [(&str, [Nature; 2]); 6] = [
    ("every run failed, now every run holds", [failing(1.0), failing(0.0)]),
    ("9 of 10 runs failed, now 1 of 10 fails", [failing(0.9), failing(0.1)]),
    ("all hold; errors fall from 20 % to 1 %", [with(60.0, 0.2), with(60.0, 0.01)]),
    ("all hold; errors fall from 8 % to 4 %", [with(60.0, 0.08), with(60.0, 0.04)]),
    ("all hold; latency doubles", [with(60.0, 0.01), with(120.0, 0.01)]),
    ("all hold; latency grows by a fifth", [with(60.0, 0.01), with(72.0, 0.01)]),
];

const fn failing(failing: f64) -> Nature {
    Nature { failing, latency: 60.0, errors: 0.04 }
}

const fn with(latency: f64, errors: f64) -> Nature {
    Nature { failing: 0.0, latency, errors }
}

/// What was found.
pub struct Tables<'a> {
    pub comparisons: u32,
    /// Arms that do not differ.
    pub same: Vec<(&'a Cell, &'a Came)>,
    /// Arms that do: for each of the effects, the numbers of repeats.
    pub different: &'a [Came],
}

impl Tables<'_> {
    /// Markdown.
    pub fn text(&self) -> String {
        let mut out = format!(
            "False alarms: of {} comparisons of two arms that do not differ, the share whose verdict is neither \
             *unchanged* nor *inconclusive*.\n\n",
            grouped(self.comparisons)
        );
        self.by_cell(&mut out, |came| percent(came.alarms()));
        out += "\nNo clear answer: the share of the same comparisons that are *inconclusive*.\n\n";
        self.by_cell(&mut out, |came| percent(came.share(ComparisonVerdict::Inconclusive)));
        out += "\nThe same runs, judged by a test over their samples (Welch's, over the latencies of the first \
                probe, 5 % level): the share that it calls different. It is why no test here is fed with samples.\n\n";
        self.by_cell(&mut out, |came| percent(f64::from(came.by_samples) / f64::from(came.comparisons)));
        let _ = write!(
            out,
            "\nPower: of {} comparisons of arms that do differ, with two probes, the share with each verdict.\n\n",
            grouped(self.comparisons / 5)
        );
        out += "| change | repeats | fixed | broken | improved | regressed | unchanged | inconclusive |\n";
        out += "|---|---|---|---|---|---|---|---|\n";
        for ((name, _), came) in EFFECTS.iter().zip(self.different.chunks(REPEATS.len())) {
            for (repeats, came) in REPEATS.iter().zip(came) {
                let shares = ComparisonVerdict::ALL.map(|verdict| percent(came.share(verdict))).join(" | ");
                let _ = writeln!(out, "| {name} | {repeats} | {shares} |");
            }
        }
        out
    }

    /// One line per flake rate and number of probes, one column per number of repeats.
    fn by_cell(&self, out: &mut String, shown: impl Fn(&Came) -> String) {
        let heads = REPEATS.map(|repeats| format!("{repeats} repeats")).join(" | ");
        let _ = writeln!(out, "| runs that fail by chance | probes | {heads} |");
        let _ = writeln!(out, "|---|---|{}", "---|".repeat(REPEATS.len()));
        for line in self.same.chunks(REPEATS.len()) {
            let (cell, _) = line[0];
            let cells: Vec<String> = line.iter().map(|(_, came)| shown(came)).collect();
            let failing = cell.natures[0].failing * 100.0;
            let _ = writeln!(out, "| {failing:.0} % | {} | {} |", cell.probes, cells.join(" | "));
        }
    }

    fn most_alarms(&self) -> f64 {
        self.same.iter().map(|(_, came)| came.alarms()).fold(0.0, f64::max)
    }

    fn least_caught(&self) -> f64 {
        let shares =
            self.same.iter().map(|(_, came)| f64::from(came.by_samples) / f64::from(came.comparisons));
        shares.fold(1.0, f64::min)
    }

    /// What is wrong with what was found. Few comparisons say little, and are given room for chance.
    pub fn fault(&self, quick: bool) -> Option<String> {
        let room =
            if quick { 4.0 * (LEVEL * (1.0 - LEVEL) / f64::from(self.comparisons)).sqrt() } else { 0.0 };
        for (cell, came) in &self.same {
            if came.alarms() > LEVEL + room {
                return Some(format!("too many false alarms: {} in {cell:?}", percent(came.alarms())));
            }
        }
        // who never answers gives no false alarm either
        let plain = self.different[..REPEATS.len()].iter().map(|came| came.share(ComparisonVerdict::Fixed));
        let seen = plain.fold(1.0, f64::min);
        if seen < 1.0 {
            return Some(format!("what every run shows is seen in {} only: {}", percent(seen), EFFECTS[0].0));
        }
        let caught = self.least_caught();
        (caught < CAUGHT)
            .then(|| format!("the simulation is too tame: a test over samples alarms in {}", percent(caught)))
    }

    /// One line.
    pub fn summary(&self) -> String {
        format!(
            "at most {} false alarms in any of {} cells of {} comparisons with {} flake rates; a test over samples \
             has at least {}",
            percent(self.most_alarms()),
            self.same.len(),
            grouped(self.comparisons),
            FLAKES.len(),
            percent(self.least_caught())
        )
    }
}

/// Puts the tables where they stand in a document.
pub fn write(file: &str, text: &str) {
    let document = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let (head, rest) = document.split_once(BEGIN).expect("the line where tables begin");
    let (_, tail) = rest.split_once(END).expect("the line where tables end");
    std::fs::write(file, format!("{head}{BEGIN}\n\n{text}\n{END}{tail}")).unwrap();
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn grouped(count: u32) -> String {
    if count < 1000 { count.to_string() } else { format!("{},{:03}", count / 1000, count % 1000) }
}
