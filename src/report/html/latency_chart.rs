//! The latency of good samples by phase: histograms on one scale, and a table.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::axis::{Axis, format_coordinate};
use super::svg::scroll_region;
use crate::report::summary::{format_reaction, format_sample_counts, format_success_ratio};
use crate::series::{LatencyStats, PhaseStats, Series};
use crate::text::replace_invisible;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 92.0;
const RIGHT: f64 = 948.0;
/// The height of a histogram.
const HEIGHT: f64 = 46.0;
/// The ratio of the bounds of neighbouring histogram steps.
pub(super) const STEP: f64 = 1.25;

/// Renders the latency of a probe in each phase.
pub(super) fn latency_section(series: &Series) -> Markup {
    let reaction = format_reaction(series).join(", ");
    html! {
        h4 { (replace_invisible(&series.probe)) }
        @if !series.settled { p .note { "The probe did not settle before the run started." } }
        @if !reaction.is_empty() { p { (reaction) "." } }
        (histogram_chart(series))
        (scroll_region("samples by phase", &html! {
            table {
                thead { tr {
                    @for head in ["phase", "samples", "ok"] { th scope="col" { (head) } }
                    @for head in ["p50", "p90", "p95", "p99", "max"] { th scope="col" .number { (head) } }
                } }
                tbody { @for stats in &series.phases { (phase_row(stats)) } }
            }
        }))
        @if series.raw_dropped > 0 {
            p .note { (series.raw_dropped) " samples are counted but not drawn: the journal stores only the first ones individually." }
        }
    }
}

fn phase_row(stats: &PhaseStats) -> Markup {
    let of = |value: fn(&LatencyStats) -> f64| {
        stats.latency.as_ref().map_or_else(|| "–".to_owned(), |latency| format!("{:.1} ms", value(latency)))
    };
    html! {
        tr {
            th scope="row" { (stats.phase.name()) }
            td { (format_sample_counts(stats)) }
            td { (format_success_ratio(stats).unwrap_or_default()) }
            @for text in [of(|l| l.p50), of(|l| l.p90), of(|l| l.p95), of(|l| l.p99), of(|l| l.max)] {
                td .number { (text) }
            }
        }
    }
}

/// Draws one histogram per phase, on one logarithmic scale.
fn histogram_chart(series: &Series) -> Markup {
    let measured: Vec<(&PhaseStats, &LatencyStats)> =
        series.phases.iter().filter_map(|stats| Some((stats, stats.latency.as_ref()?))).collect();
    let all = || measured.iter().flat_map(|(_, latency)| latency.histogram.iter()).map(|step| step.0);
    let least = all().filter(|ms| *ms > 0.0).fold(f64::INFINITY, f64::min) / STEP;
    let most = all().filter(|ms| ms.is_finite()).fold(0.0, f64::max);
    if !(least.is_finite() && least > 0.0 && most > least) {
        return html! {};
    }
    // at least a factor of ten: small differences must look small
    let widen = (10.0 / (most / least)).max(1.0).sqrt();
    let (least, most) = (least / widen, (most * widen).min(f64::MAX));
    let scale = Axis { from: least.ln(), to: most.ln(), start: LEFT, end: RIGHT };
    #[allow(clippy::cast_precision_loss)] // three phases
    let (bottom, line) = (HEIGHT * measured.len() as f64 + 4.0, |number: usize| HEIGHT * (number + 1) as f64);
    let label = format!("latency of good samples of {}, by phase; the table has the numbers", series.probe);
    scroll_region(
        "latency by phase",
        &html! {
            svg .chart viewBox=(format!("0 0 {WIDTH} {}", bottom + 22.0)) role="img" aria-label=(replace_invisible(&label)) {
                @for (number, (stats, latency)) in measured.iter().enumerate() {
                    text .small text-anchor="end" x=(format_coordinate(LEFT - 8.0)) y=(format_coordinate(line(number) - 4.0)) { (stats.phase.name()) }
                    path .(format!("steps {}", stats.phase.name())) d=(histogram_path(latency, &scale, line(number))) {}
                    line .grid x1=(format_coordinate(LEFT)) x2=(format_coordinate(RIGHT)) y1=(format_coordinate(line(number))) y2=(format_coordinate(line(number))) {}
                    @for (name, value) in [("p50", latency.p50), ("p95", latency.p95)] {
                        @let x = scale.position(value.max(f64::MIN_POSITIVE).ln());
                        line .quantile x1=(format_coordinate(x)) x2=(format_coordinate(x)) y1=(format_coordinate(line(number) - HEIGHT + 12.0)) y2=(format_coordinate(line(number))) {}
                        text .small text-anchor="middle" x=(format_coordinate(x)) y=(format_coordinate(line(number) - HEIGHT + 10.0)) { (name) }
                    }
                }
                @for tick in scale_ticks(least, most) {
                    text .small text-anchor="middle" x=(format_coordinate(scale.position(tick.ln()))) y=(format_coordinate(bottom + 14.0)) { (tick) " ms" }
                }
            }
        },
    )
}

fn histogram_path(latency: &LatencyStats, scale: &Axis, bottom: f64) -> String {
    let most = latency.histogram.iter().map(|step| step.1).max().unwrap_or(1).max(1);
    let mut path = String::new();
    for (upto, count) in latency.histogram.iter().filter(|step| step.0 > 0.0 && step.0.is_finite()) {
        let (x, next) = (scale.position((upto / STEP).ln()), scale.position(upto.ln()));
        #[allow(clippy::cast_precision_loss)] // a share
        let height = (HEIGHT - 14.0) * (*count as f64 / most as f64);
        let (w, h) = (format_coordinate((next - x - 1.0).max(1.0)), format_coordinate(height.max(1.0)));
        let _ = write!(path, "M{} {}h{w}v-{h}h-{w}z", format_coordinate(x), format_coordinate(bottom));
    }
    path
}

/// Returns 1, 2 and 5 times powers of ten between two numbers; only the powers if those are many.
pub(super) fn scale_ticks(least: f64, most: f64) -> Vec<f64> {
    let factors: &[f64] = if most / least > 2000.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let decades = (-3..=6).flat_map(|power| factors.iter().map(move |factor| factor * 10_f64.powi(power)));
    // without floating-point errors such as 0.30000000000000004
    let round = |value: f64| if value < 1.0 { (value * 1000.0).round() / 1000.0 } else { value.round() };
    decades.map(round).filter(|value| (least..=most).contains(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp)] // they are rounded
    fn scale_ticks_are_exact_decimals() {
        assert_eq!(scale_ticks(0.09, 3.0), [0.1, 0.2, 0.5, 1.0, 2.0]);
        assert_eq!(scale_ticks(0.5, 5000.0), [1.0, 10.0, 100.0, 1000.0]);
        assert!(scale_ticks(3.0, 4.0).is_empty());
    }
}
