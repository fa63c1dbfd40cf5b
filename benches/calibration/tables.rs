//! The tables of the calibration, and their limits.

use std::fmt::Write as _;

use kubectl_chaos::compare::ComparisonVerdict;

use super::world::Nature;
use super::{Came, Cell, FLAKES, REPEATS};

/// The maximum share of false alarms of a cell.
const LEVEL: f64 = 0.05;
/// The minimum share of false alarms of a test over samples, as a check of the simulation.
const CAUGHT: f64 = 0.30;
/// The lines around the tables in a document.
const BEGIN: &str = "<!-- calibration: begin -->";
const END: &str = "<!-- calibration: end -->";

/// The simulated changes, with their descriptions.
pub const EFFECTS: [(&str, [Nature; 2]); 6] = [
    ("all runs failed; now all hold", [failing(1.0), failing(0.0)]),
    ("90 % of runs failed; now 10 % fail", [failing(0.9), failing(0.1)]),
    ("all hold; errors fall from 20 % to 1 %", [with(60.0, 0.2), with(60.0, 0.01)]),
    ("all hold; errors fall from 8 % to 4 %", [with(60.0, 0.08), with(60.0, 0.04)]),
    ("all hold; latency doubles", [with(60.0, 0.01), with(120.0, 0.01)]),
    ("all hold; latency rises by 20 %", [with(60.0, 0.01), with(72.0, 0.01)]),
];

const fn failing(failing: f64) -> Nature {
    Nature { failing, latency: 60.0, errors: 0.04 }
}

const fn with(latency: f64, errors: f64) -> Nature {
    Nature { failing: 0.0, latency, errors }
}

/// The results of the calibration.
pub struct Tables<'a> {
    pub comparisons: u32,
    /// Cells whose arms do not differ.
    pub same: Vec<(&'a Cell, &'a Came)>,
    /// Cells whose arms differ: for each effect, by number of repeats.
    pub different: &'a [Came],
}

impl Tables<'_> {
    /// Formats the tables as Markdown.
    pub fn text(&self) -> String {
        let mut out = format!(
            "**False alarms**: the share of {} comparisons of equal arms whose verdict is neither *unchanged* nor \
             *inconclusive*.\n\n",
            grouped(self.comparisons)
        );
        self.by_cell(&mut out, |came| percent(came.alarms()));
        out += "\n**Inconclusive**: the share of the same comparisons with this verdict.\n\n";
        self.by_cell(&mut out, |came| percent(came.share(ComparisonVerdict::Inconclusive)));
        out += "\n**A test over samples** of the same runs (Welch's test of the latencies of the first probe, 5 % level): \
                the share with a significant difference. This is why `compare` tests runs, not samples.\n\n";
        self.by_cell(&mut out, |came| percent(f64::from(came.by_samples) / f64::from(came.comparisons)));
        let _ = write!(
            out,
            "\n**Power**: the share of each verdict in {} comparisons of different arms, with two probes.\n\n",
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

    /// Writes one row per failure rate and number of probes, and one column per number of repeats.
    fn by_cell(&self, out: &mut String, shown: impl Fn(&Came) -> String) {
        let heads = REPEATS.map(|repeats| format!("{repeats} repeats")).join(" | ");
        let _ = writeln!(out, "| random failures | probes | {heads} |");
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

    /// Returns a violated limit. With few comparisons, limits have a tolerance for chance.
    pub fn fault(&self, quick: bool) -> Option<String> {
        let room =
            if quick { 4.0 * (LEVEL * (1.0 - LEVEL) / f64::from(self.comparisons)).sqrt() } else { 0.0 };
        for (cell, came) in &self.same {
            if came.alarms() > LEVEL + room {
                return Some(format!("too many false alarms: {} in {cell:?}", percent(came.alarms())));
            }
        }
        // a comparison that never decides has no false alarms either
        let plain = self.different[..REPEATS.len()].iter().map(|came| came.share(ComparisonVerdict::Fixed));
        let seen = plain.fold(1.0, f64::min);
        if seen < 1.0 {
            return Some(format!(
                "a difference in every run is detected in only {}: {}",
                percent(seen),
                EFFECTS[0].0
            ));
        }
        let caught = self.least_caught();
        (caught < CAUGHT).then(|| {
            format!(
                "the simulation is too simple: a test over samples has false alarms in only {}",
                percent(caught)
            )
        })
    }

    /// Summarizes the results in one line.
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

/// Replaces the tables in a document.
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
