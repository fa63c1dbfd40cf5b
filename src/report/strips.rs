//! Runs over time as rows of squares, for reports without pictures.
//!
//! All strips of a report have one scale, and are aligned at the start of the fault. A square is at least as long as
//! the sampling period, so that it has a sample unless none was taken.

use crate::compare::{Arm, ComparedRun, RunComparison, RunOutcomeKind};
use crate::report::buckets::{attribute_to_fault, bucket_samples};
use crate::report::summary::RunSummary;
use crate::series::{RawSample, SamplePhase, Series};

/// The approximate number of squares of a strip.
const MAX_SQUARES: u16 = 24;
/// The maximum number of strips that are not folded: three pairs.
pub(super) const MAX_STRIPS: usize = 6;

/// The squares.
const GOOD: char = '🟩';
const BAD: char = '🟥';
const NO_SAMPLE: char = '⬜';
/// Marks the start and the end of the fault.
const FAULT_EDGE: char = '┃';

/// The scale of strips: the longest phases, in squares, and the length of a square in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct StripScale {
    lead: u16,
    tail: u16,
    /// The length of a square outside the fault, in seconds.
    square: f64,
}

/// The times of a series that a strip shows, in seconds since sampling began.
#[derive(Clone, Copy, Debug)]
struct Extent {
    first: f64,
    fault: Option<(f64, f64)>,
    last: f64,
}

impl Extent {
    /// Returns the times of a series; none without samples or with times that are no times.
    fn new(series: &Series) -> Option<Self> {
        let (first, last) = (series.phases.first()?.from, series.phases.last()?.to);
        let fault = series.phase_stats(SamplePhase::Fault).map(|fault| (fault.from, fault.to));
        let (from, to) = fault.unwrap_or((last, last));
        let is_ordered = first <= from && from <= to && to <= last && first < last;
        let is_drawable = is_ordered && (last - first).is_finite() && !series.raw.is_empty();
        is_drawable.then_some(Self { first, fault, last })
    }

    fn lead(&self) -> f64 {
        self.fault.map_or(self.last, |(from, _)| from) - self.first
    }

    fn duration(&self) -> f64 {
        self.fault.map_or(0.0, |(from, to)| to - from)
    }

    fn tail(&self) -> f64 {
        self.fault.map_or(0.0, |(_, to)| self.last - to)
    }
}

impl StripScale {
    /// Chooses the scale for several series; none if none of them can be drawn.
    pub(super) fn new<'a>(all: impl Iterator<Item = &'a Series> + Clone) -> Option<Self> {
        let extents = || all.clone().filter_map(Extent::new);
        let longest = |of: fn(&Extent) -> f64| extents().map(|extent| of(&extent)).fold(0.0, f64::max);
        let (lead, fault, tail) = (longest(Extent::lead), longest(Extent::duration), longest(Extent::tail));
        extents().next()?;
        let period = all.clone().map(|series| series.period).filter(|period| period.is_finite());
        let square = ((lead + fault + tail) / f64::from(MAX_SQUARES)).max(period.fold(0.0, f64::max));
        (square.is_finite() && square > 0.0).then(|| Self {
            lead: count_squares(lead / square, f64::round),
            tail: count_squares(tail / square, f64::round),
            square,
        })
    }

    /// Draws a series; none if it has no samples one by one.
    pub(super) fn draw(&self, series: &Series) -> Option<String> {
        let extent = Extent::new(series)?;
        let (from, to) = extent.fault.unwrap_or((extent.last, extent.last));
        let known_until = match series.raw_dropped {
            0 => f64::INFINITY,
            _ => series.raw.iter().map(|sample| sample.0).fold(f64::NEG_INFINITY, f64::max),
        };
        let squares = |raw: &[RawSample], from: f64, to: f64, count: u16| -> String {
            if count == 0 {
                return String::new();
            }
            let inside: Vec<RawSample> =
                raw.iter().copied().filter(|sample| (from..to).contains(&sample.0)).collect();
            let length = (to - from) / f64::from(count);
            let buckets = (0_u16..).zip(bucket_samples(&inside, from, to, count));
            // the journal has only the first samples one by one
            let known = buckets.take_while(|(index, _)| from + f64::from(*index) * length <= known_until);
            known
                .map(|(_, bucket)| match (bucket.good, bucket.bad) {
                    (0, 0) => NO_SAMPLE,
                    (_, 0) => GOOD,
                    _ => BAD,
                })
                .collect()
        };
        let raw = attribute_to_fault(series);
        let lead = f64::from(self.lead) * self.square;
        let mut strip = squares(&raw, from - lead, from, self.lead);
        if extent.fault.is_some() {
            strip.push(FAULT_EDGE);
            let count = count_squares((to - from) / self.square, f64::floor).max(1);
            strip += &squares(&raw, from, to, count);
            strip.push(FAULT_EDGE);
            let count = count_squares((extent.last - to) / self.square, f64::round).min(self.tail);
            strip += &squares(&raw, to, to + f64::from(count) * self.square, count);
        }
        if series.raw_dropped > 0 {
            strip.push('…');
        }
        Some(strip)
    }

    /// Explains the squares.
    pub(super) fn legend(&self) -> String {
        format!(
            "{GOOD} good · {BAD} at least one bad sample · {NO_SAMPLE} not sampled · {FAULT_EDGE} the fault begins, \
             and ends · a square is {}",
            crate::report::summary::format_seconds(self.square)
        )
    }
}

/// Converts a length in squares to a number within bounds.
fn count_squares(squares: f64, round: fn(f64) -> f64) -> u16 {
    // a floating-point error must not add a square
    let whole = if (squares - squares.round()).abs() < 1e-6 { squares.round() } else { round(squares) };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // it is within bounds
    let count = whole.clamp(0.0, f64::from(MAX_SQUARES)) as u16;
    count
}

/// Returns the indexes of the runs to show at once: the first pair, the last, and the first in which a run failed.
///
/// Runs that do not count are left out.
pub(super) fn select_runs(comparison: &RunComparison) -> Vec<usize> {
    let pair = |run: &ComparedRun| run.pair.unwrap_or(run.repeat);
    let counts = |run: &&ComparedRun| run.outcome != RunOutcomeKind::Void && !run.surplus;
    let mut pairs: Vec<u32> = comparison.runs.iter().filter(counts).map(pair).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let failed = |run: &&ComparedRun| counts(run) && run.outcome == RunOutcomeKind::Failed;
    let first_failing = comparison.runs.iter().filter(failed).map(pair).min();
    let ends = [pairs.first().copied(), first_failing, pairs.last().copied()];
    let mut shown: Vec<u32> = ends.into_iter().flatten().collect();
    // further pairs from the start
    shown.extend(pairs);
    let mut chosen: Vec<u32> = Vec::new();
    for pair in shown {
        if chosen.len() < MAX_STRIPS / 2 && !chosen.contains(&pair) {
            chosen.push(pair);
        }
    }
    chosen.sort_unstable();
    let of = |wanted: u32, arm: Arm| {
        comparison.runs.iter().position(|run| run.arm == arm && pair(run) == wanted && counts(&run))
    };
    chosen.iter().flat_map(|pair| [of(*pair, Arm::Before), of(*pair, Arm::After)]).flatten().collect()
}

/// Returns the series of a probe in a run.
pub(super) fn series_of<'a>(run: &'a RunSummary, probe: &str) -> Option<&'a Series> {
    run.samples.iter().find(|series| series.probe == probe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{PhaseStats, SampleOutcome};
    use proptest::prelude::*;

    /// Creates a series with a sample per second, of which those at some times are bad.
    fn series(fault: Option<(f64, f64)>, end: f64, bad: &[u32]) -> Series {
        let stats = |phase: SamplePhase, from: f64, to: f64| PhaseStats {
            phase,
            from,
            to,
            due: 0,
            missed: 0,
            outcomes: std::collections::BTreeMap::new(),
            latency: None,
        };
        let phases = match fault {
            Some((from, to)) => vec![
                stats(SamplePhase::Baseline, 0.0, from),
                stats(SamplePhase::Fault, from, to),
                stats(SamplePhase::Recovery, to, end),
            ],
            None => vec![stats(SamplePhase::Baseline, 0.0, end)],
        };
        let outcome = |at: u32| if bad.contains(&at) { SampleOutcome::Refused } else { SampleOutcome::Ok };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let raw =
            (0..end.clamp(0.0, 100.0) as u32).map(|at| RawSample(f64::from(at), Some(1.0), outcome(at)));
        Series {
            probe: "p".to_owned(),
            provider: "http".to_owned(),
            period: 1.0,
            deadline: 1.0,
            began: None,
            route: None,
            settled: true,
            phases,
            detected_after: None,
            recovered_after: None,
            recovery_watched: 0.0,
            raw: raw.collect(),
            raw_dropped: 0,
        }
    }

    fn draw(all: &[Series]) -> Vec<String> {
        let scale = StripScale::new(all.iter()).unwrap();
        all.iter().map(|series| scale.draw(series).unwrap()).collect()
    }

    #[test]
    fn strips_are_aligned_at_the_fault() {
        let (long, short) = (series(Some((3.0, 6.0)), 8.0, &[3, 4]), series(Some((2.0, 5.0)), 7.0, &[]));
        assert_eq!(draw(&[long, short]), ["🟩🟩🟩┃🟥🟥🟩┃🟩🟩", "⬜🟩🟩┃🟩🟩🟩┃🟩🟩"]);
    }

    #[test]
    fn run_without_fault_has_no_mark() {
        assert_eq!(draw(&[series(None, 4.0, &[1])]), ["🟩🟥🟩🟩"]);
    }

    #[test]
    fn request_in_flight_belongs_to_the_fault() {
        let mut run = series(Some((3.0, 6.0)), 8.0, &[2]);
        run.raw[2].1 = Some(1000.0);
        assert_eq!(draw(&[run.clone()]), ["🟩🟩⬜┃🟥🟩🟩┃🟩🟩"]);
        // answered before the fault
        run.raw[2].1 = Some(900.0);
        assert_eq!(draw(&[run]), ["🟩🟩🟥┃🟩🟩🟩┃🟩🟩"]);
    }

    #[test]
    fn one_bad_sample_makes_a_square_bad() {
        let long = series(Some((24.0, 48.0)), 72.0, &[25, 47]);
        assert_eq!(draw(&[long]), ["🟩🟩🟩🟩🟩🟩🟩🟩┃🟥🟩🟩🟩🟩🟩🟩🟥┃🟩🟩🟩🟩🟩🟩🟩🟩"]);
    }

    #[test]
    fn strip_ends_with_the_samples_that_the_journal_has() {
        let mut cut = series(Some((3.0, 6.0)), 8.0, &[3]);
        cut.raw.truncate(5);
        cut.raw_dropped = 3;
        assert_eq!(draw(&[cut]), ["🟩🟩🟩┃🟥🟩┃…"]);
    }

    #[test]
    fn series_without_samples_has_no_strip() {
        let mut empty = series(Some((3.0, 6.0)), 8.0, &[]);
        empty.raw.clear();
        assert_eq!(StripScale::new([&empty].into_iter()), None);
    }

    proptest! {
        #[test]
        fn strip_is_short_for_extreme_numbers(from: f64, to: f64, end: f64, period: f64) {
            let mut odd = series(Some((from, to)), 9.0, &[]);
            odd.period = period;
            odd.phases.last_mut().unwrap().to = end;
            let all = [odd, series(Some((3.0, 6.0)), 8.0, &[])];
            if let Some(scale) = StripScale::new(all.iter()) {
                for strip in all.iter().filter_map(|series| scale.draw(series)) {
                    prop_assert!(strip.chars().count() <= 3 * usize::from(MAX_SQUARES) + 3, "{}", strip);
                }
            }
        }
    }
}
