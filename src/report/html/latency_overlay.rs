//! The latency of good samples in each phase: both arms, one over the other, on one scale.
//!
//! The samples of all runs of an arm are pooled. This describes them; the tests compare runs.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::axis::{Axis, format_coordinate};
use super::latency_chart::{STEP, scale_ticks};
use super::run_strips::probes_over_runs;
use super::svg::scroll_region;
use crate::compare::{Arm, ComparedRun, RunComparison, RunOutcomeKind};
use crate::report::ReportSummary;
use crate::report::summary::RunSummary;
use crate::series::{SamplePhase, Series};
use crate::text::replace_invisible;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 948.0;
/// The height of a phase.
const HEIGHT: f64 = 70.0;

/// How many good samples took how long: up to how many milliseconds, and how many.
type Histogram = Vec<(f64, u64)>;

/// The latency in a phase, in each arm.
struct PhaseLatency {
    phase: SamplePhase,
    before: Histogram,
    after: Histogram,
}

/// Draws the latency of each sampled probe.
pub(super) fn latency_overlays(summary: &ReportSummary, comparison: &RunComparison) -> Markup {
    let counts = |run: &ComparedRun| run.outcome != RunOutcomeKind::Void && !run.surplus;
    let counted: Vec<(&RunSummary, Arm)> = (summary.runs.iter().zip(&comparison.runs))
        .filter(|(_, run)| counts(run))
        .map(|(summary, run)| (summary, run.arm))
        .collect();
    let charts: Vec<(&str, Markup)> = probes_over_runs(summary)
        .into_iter()
        .filter_map(|(probe, runs)| {
            let arm_of = |run: &RunSummary| {
                counted.iter().find(|(counted, _)| std::ptr::eq(*counted, run)).map(|(_, arm)| *arm)
            };
            let series: Vec<(Arm, &Series)> =
                runs.into_iter().filter_map(|(run, series)| Some((arm_of(run)?, series))).collect();
            Some((probe, overlay_chart(probe, &pool(&series))?))
        })
        .collect();
    html! {
        @if !charts.is_empty() {
            h3 { "Latency of good samples" }
            p .key {
                svg .swatch viewBox="0 0 24 12" aria-hidden="true" { path .overlay .before d="M1 11V3H23V11" {} } " before  "
                svg .swatch viewBox="0 0 24 12" aria-hidden="true" { path .overlay .after d="M1 11V3H23V11" {} }
                " after. The height is the share of the samples of an arm; the scale is logarithmic. All counted runs are pooled."
            }
            @for (probe, chart) in &charts {
                h4 { code { (replace_invisible(probe)) } }
                (chart)
            }
        }
    }
}

/// Adds the histograms of all runs, by phase and arm.
fn pool(series: &[(Arm, &Series)]) -> Vec<PhaseLatency> {
    let of = |wanted: Arm, phase: SamplePhase| {
        let of_arm = series.iter().filter(|(arm, _)| *arm == wanted);
        let latencies = of_arm.filter_map(|(_, series)| series.phase_stats(phase)?.latency.as_ref());
        merge(latencies.flat_map(|latency| latency.histogram.iter().copied()).collect())
    };
    let phase = |phase| PhaseLatency { phase, before: of(Arm::Before, phase), after: of(Arm::After, phase) };
    let phases = SamplePhase::ALL.into_iter().map(phase);
    phases.filter(|latency| !latency.before.is_empty() || !latency.after.is_empty()).collect()
}

/// Merges equal steps, and drops those without a place on a logarithmic scale.
fn merge(mut steps: Histogram) -> Histogram {
    steps.retain(|(upto, count)| upto.is_finite() && *upto > 0.0 && *count > 0);
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut merged = Histogram::new();
    for (upto, count) in steps {
        match merged.last_mut() {
            Some((last, sum)) if last.to_bits() == upto.to_bits() => *sum = sum.saturating_add(count),
            _ => merged.push((upto, count)),
        }
    }
    merged
}

fn total(histogram: &Histogram) -> u64 {
    histogram.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
}

/// Returns the share of the most frequent step.
fn highest_share(histogram: &Histogram) -> f64 {
    let most = histogram.iter().map(|(_, count)| *count).max().unwrap_or(0);
    #[allow(clippy::cast_precision_loss)] // a share
    let share = most as f64 / total(histogram).max(1) as f64;
    share
}

fn overlay_chart(probe: &str, phases: &[PhaseLatency]) -> Option<Markup> {
    let all =
        || phases.iter().flat_map(|latency| latency.before.iter().chain(&latency.after)).map(|step| step.0);
    let least = all().fold(f64::INFINITY, f64::min) / STEP;
    let most = all().fold(0.0, f64::max);
    if !(least.is_finite() && least > 0.0 && most > least) {
        return None;
    }
    // at least a factor of ten: small differences must look small
    let widen = (10.0 / (most / least)).max(1.0).sqrt();
    let (least, most) = (least / widen, (most * widen).min(f64::MAX));
    let scale = Axis { from: least.ln(), to: most.ln(), start: LEFT, end: RIGHT };
    #[allow(clippy::cast_precision_loss)] // three phases
    let line = |number: usize| HEIGHT * (number + 1) as f64;
    let bottom = line(phases.len().saturating_sub(1)) + 4.0;
    let label = format!("latency of good samples of {probe}, by phase, before and after");
    Some(scroll_region(
        "latency before and after, by phase",
        &html! {
            svg .chart viewBox=(format!("0 0 {WIDTH} {}", bottom + 22.0)) role="img" aria-label=(replace_invisible(&label)) {
                @for tick in scale_ticks(least, most) {
                    @let x = format_coordinate(scale.position(tick.ln()));
                    line .grid x1=(x) x2=(x) y1="4" y2=(format_coordinate(bottom)) {}
                    text .small text-anchor="middle" x=(x) y=(format_coordinate(bottom + 14.0)) { (tick) " ms" }
                }
                @for (number, latency) in phases.iter().enumerate() {
                    @let base = line(number);
                    @let highest = highest_share(&latency.before).max(highest_share(&latency.after));
                    text .name x="4" y=(format_coordinate(base - 24.0)) { (latency.phase.name()) }
                    text .small x="4" y=(format_coordinate(base - 8.0)) { (total(&latency.before)) " / " (total(&latency.after)) " samples" }
                    line .axis x1=(format_coordinate(LEFT)) x2=(format_coordinate(RIGHT)) y1=(format_coordinate(base)) y2=(format_coordinate(base)) {}
                    path .overlay .before d=(outline(&latency.before, &scale, base, highest)) {}
                    path .overlay .after d=(outline(&latency.after, &scale, base, highest)) {}
                }
            }
        },
    ))
}

/// Draws the outline of a histogram. Steps that do not touch are separate shapes.
fn outline(histogram: &Histogram, scale: &Axis, base: f64, highest: f64) -> String {
    let sum = total(histogram).max(1);
    let mut path = String::new();
    let mut end: Option<f64> = None;
    for (upto, count) in histogram {
        let from = upto / STEP;
        #[allow(clippy::cast_precision_loss)] // a share
        let share = *count as f64 / sum as f64;
        let height = base - (HEIGHT - 14.0) * if highest > 0.0 { share / highest } else { 0.0 };
        let (x, next) =
            (format_coordinate(scale.position(from.ln())), format_coordinate(scale.position(upto.ln())));
        let touches = end.is_some_and(|end| (from / end - 1.0).abs() < 0.01);
        if !touches {
            if end.is_some() {
                let _ = write!(path, "V{}", format_coordinate(base));
            }
            let _ = write!(path, "M{x} {}", format_coordinate(base));
        }
        let _ = write!(path, "V{}H{next}", format_coordinate(height));
        end = Some(*upto);
    }
    if end.is_some() {
        let _ = write!(path, "V{}", format_coordinate(base));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outline_separates_steps_that_do_not_touch() {
        let scale = Axis { from: 1.0_f64.ln(), to: 1.25_f64.powi(4).ln(), start: 0.0, end: 400.0 };
        let steps = vec![(1.25, 1), (1.5625, 3), (1.25_f64.powi(4), 1)];
        assert_eq!(outline(&steps, &scale, 70.0, 0.6), "M0 70V51.3H100V14H200V70M300 70V51.3H400V70");
        assert_eq!(outline(&Vec::new(), &scale, 70.0, 0.0), "");
    }

    #[test]
    fn equal_steps_of_several_runs_are_added() {
        assert_eq!(merge(vec![(2.0, 1), (1.0, 4), (2.0, 5), (0.0, 9), (f64::NAN, 1)]), [(1.0, 4), (2.0, 6)]);
    }
}
