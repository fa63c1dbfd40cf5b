//! Folds the samples of one probe into what a journal says of them.
//!
//! Samples are told as they end, and counted in the order in which they were due: a streak is one of slots.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::phase_tracker::PhaseTracker;
use crate::clock::Timestamp;
use crate::series::{LatencyStats, PhaseStats, RawSample, SampleOutcome, SamplePhase, Series};

/// Consecutive successful samples that count as settled or recovered.
pub const STREAK: u32 = 10;
/// Maximum number of individual samples that are kept per probe.
const CAP: usize = 10_000;
/// The longest latency that the histogram distinguishes, in microseconds.
const LONGEST: u64 = 600_000_000;

/// Properties of a sampled probe that are known before the first sample.
#[derive(Clone, Debug)]
pub(super) struct ProbeInfo {
    pub(super) probe: String,
    pub(super) provider: &'static str,
    pub(super) period: Duration,
    pub(super) deadline: Duration,
    /// Start of the sampling, by the system clock.
    pub(super) began: Timestamp,
}

/// Result of a slot.
#[derive(Clone, Copy, Debug)]
pub(super) enum SlotResult {
    /// No sample was started in time.
    Missed,
    /// The sample, with its latency if known.
    Sampled(Option<Duration>, SampleOutcome),
}

/// Aggregates the samples of a probe.
pub(super) struct SeriesAggregator {
    head: ProbeInfo,
    phases: PhaseTracker,
    began: Instant,
    /// Completed slots after the first pending one.
    waiting: BTreeMap<u64, (Instant, SlotResult)>,
    next: u64,
    /// The phase of the last slot, and the streak of successful samples in it: length and start.
    streak: (Option<SamplePhase>, u32, Option<Instant>),
    /// Whether the last sample was successful.
    good: bool,
    counts: BTreeMap<SamplePhase, SampleCounts>,
    raw: Vec<RawSample>,
    left_out: u64,
    route: Option<&'static str>,
    settled: bool,
    detected: Option<Instant>,
    recovered: Option<Instant>,
}

struct SampleCounts {
    missed: u64,
    outcomes: BTreeMap<SampleOutcome, u64>,
    latency: Option<Histogram<u64>>,
}

impl SeriesAggregator {
    pub(super) fn new(head: ProbeInfo, phases: PhaseTracker, began: Instant) -> Self {
        Self {
            head,
            phases,
            began,
            waiting: BTreeMap::new(),
            next: 0,
            streak: (None, 0, None),
            good: false,
            counts: BTreeMap::new(),
            raw: Vec::new(),
            left_out: 0,
            route: None,
            settled: false,
            detected: None,
            recovered: None,
        }
    }

    /// Adds the result of a slot, in any order.
    pub(super) fn take(&mut self, number: u64, due: Instant, slot: SlotResult) {
        self.waiting.insert(number, (due, slot));
        while let Some((due, slot)) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.count(due, slot);
        }
    }

    /// Records the route to the Service.
    pub(super) fn reached(&mut self, way: &'static str) {
        self.route = Some(way);
    }

    /// Whether the probe settled: ten consecutive successful samples.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Whether the probe recovered.
    pub(super) fn is_recovered(&self) -> bool {
        self.recovered.is_some()
    }

    fn count(&mut self, due: Instant, slot: SlotResult) {
        let phase = self.phases.at(due);
        self.note(phase, due, slot);
        let Some(phase) = phase else { return };
        let counts = self.counts.entry(phase).or_insert_with(|| SampleCounts {
            missed: 0,
            outcomes: BTreeMap::new(),
            latency: Histogram::new_with_bounds(1, LONGEST, 3).ok(),
        });
        let SlotResult::Sampled(took, outcome) = slot else {
            counts.missed += 1;
            return;
        };
        *counts.outcomes.entry(outcome).or_default() += 1;
        if let (Some(took), SampleOutcome::Ok, Some(histogram)) = (took, outcome, counts.latency.as_mut()) {
            histogram.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1));
        }
        if self.raw.len() < CAP {
            let took = took.map(|took| round(took.as_secs_f64() * 1e3));
            self.raw.push(RawSample(round(due.duration_since(self.began).as_secs_f64()), took, outcome));
        } else {
            self.left_out += 1;
        }
    }

    /// Updates settling, detection and recovery by a slot; a missed slot changes nothing.
    fn note(&mut self, phase: Option<SamplePhase>, due: Instant, slot: SlotResult) {
        let SlotResult::Sampled(_, outcome) = slot else { return };
        let was_good = std::mem::replace(&mut self.good, outcome == SampleOutcome::Ok);
        if self.streak.0 != phase {
            self.streak = (phase, 0, None);
        }
        if outcome != SampleOutcome::Ok {
            self.streak = (phase, 0, None);
            if phase == Some(SamplePhase::Fault) {
                self.detected.get_or_insert(due);
            }
            return;
        }
        self.streak.1 += 1;
        // what was good when a phase began was so from its begin on, and not only from the next sample on
        let begin = || self.phases.span(phase?, due).map(|(from, _)| from).filter(|_| was_good);
        let first = self.streak.2.or_else(begin).unwrap_or(due);
        self.streak.2 = Some(first);
        if self.streak.1 >= STREAK {
            match phase {
                None => self.settled = true,
                Some(SamplePhase::Recovery) => {
                    self.recovered.get_or_insert(first);
                }
                Some(_) => {}
            }
        }
    }

    /// Returns the series up to `end`.
    pub(super) fn finish(mut self, end: Instant) -> Series {
        // what was under way when the end came has no outcome, and what came after it has: it counts
        for (_, (due, slot)) in std::mem::take(&mut self.waiting) {
            self.count(due, slot);
        }
        let span = |phase| self.phases.span(phase, end);
        let after = |moment: Option<Instant>, phase| {
            let (from, _) = span(phase)?;
            Some(round(moment?.saturating_duration_since(from).as_secs_f64()))
        };
        let (detected_after, recovered_after) =
            (after(self.detected, SamplePhase::Fault), after(self.recovered, SamplePhase::Recovery));
        let watched =
            span(SamplePhase::Recovery).map_or(0.0, |(from, to)| to.duration_since(from).as_secs_f64());
        let seconds = |moment: Instant| round(moment.saturating_duration_since(self.began).as_secs_f64());
        let seen = |phase: SamplePhase| {
            let (from, to) = span(phase)?;
            let (missed, outcomes, latency) = match self.counts.get(&phase) {
                None => (0, BTreeMap::new(), None),
                Some(counts) => {
                    (counts.missed, counts.outcomes.clone(), counts.latency.as_ref().and_then(latency))
                }
            };
            let due = missed + outcomes.values().sum::<u64>();
            Some(PhaseStats { phase, from: seconds(from), to: seconds(to), due, missed, outcomes, latency })
        };
        Series {
            phases: SamplePhase::ALL.into_iter().filter_map(seen).collect(),
            probe: self.head.probe,
            provider: self.head.provider.to_owned(),
            period: self.head.period.as_secs_f64(),
            deadline: self.head.deadline.as_secs_f64(),
            began: Some(self.head.began.iso()),
            route: self.route.map(str::to_owned),
            settled: self.settled,
            detected_after,
            recovered_after,
            recovery_watched: round(watched),
            raw: self.raw,
            raw_dropped: self.left_out,
        }
    }
}

fn latency(histogram: &Histogram<u64>) -> Option<LatencyStats> {
    #[allow(clippy::cast_precision_loss)] // minutes in microseconds are exact
    let ms = |micros: u64| round(micros as f64 / 1e3);
    let at = |quantile| ms(histogram.value_at_quantile(quantile).min(histogram.max()));
    (!histogram.is_empty()).then(|| LatencyStats {
        samples: histogram.len(),
        min: ms(histogram.min()),
        p50: at(0.5),
        p90: at(0.9),
        p95: at(0.95),
        p99: at(0.99),
        max: ms(histogram.max()),
        // steps of a quarter: fine enough to draw, and few
        histogram: histogram
            .iter_log(100, 1.25)
            .filter(|step| step.count_since_last_iteration() > 0)
            .map(|step| (ms(step.value_iterated_to()), step.count_since_last_iteration()))
            .collect(),
    })
}

/// Rounds seconds or milliseconds to six decimals.
fn round(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(100);

    fn fold(phases: &PhaseTracker, began: Instant) -> SeriesAggregator {
        let head = ProbeInfo {
            probe: "p".into(),
            provider: "http",
            period: PERIOD,
            deadline: PERIOD,
            began: Timestamp::from_micros(0),
        };
        SeriesAggregator::new(head, phases.clone(), began)
    }

    fn ok(ms: u64) -> SlotResult {
        SlotResult::Sampled(Some(Duration::from_millis(ms)), SampleOutcome::Ok)
    }

    #[test]
    fn slots_are_counted_in_scheduled_order() {
        let phases = PhaseTracker::default();
        let began = Instant::now();
        let mut fold = fold(&phases, began);
        let due = |number: u32| began + PERIOD * number;
        // nine good ones, and the first of all is over last
        for number in 1..10 {
            fold.take(number.into(), due(number), ok(1));
        }
        assert!(!fold.is_settled());
        fold.take(0, due(0), ok(1));
        assert!(fold.is_settled());
    }

    #[test]
    fn bad_sample_resets_streak_and_missed_sample_does_not() {
        let check = |slots: &[SlotResult], settled: bool| {
            let began = Instant::now();
            let mut fold = fold(&PhaseTracker::default(), began);
            for (number, slot) in slots.iter().enumerate() {
                fold.take(number as u64, began, *slot);
            }
            assert_eq!(fold.is_settled(), settled, "{slots:?}");
        };
        let bad = SlotResult::Sampled(None, SampleOutcome::Saturated);
        check(&[ok(1); 10], true);
        check(&[ok(1); 9], false);
        check(&[vec![ok(1); 9], vec![bad], vec![ok(1); 9]].concat(), false);
        check(&[vec![ok(1); 9], vec![SlotResult::Missed], vec![ok(1)]].concat(), true);
    }

    #[test]
    fn probe_without_failure_needs_no_recovery() {
        let check = |last: SlotResult, first: &[SlotResult], expected: Option<f64>| {
            let phases = PhaseTracker::default();
            let mut fold = fold(&phases, Instant::now());
            phases.begin_baseline();
            phases.begin_fault();
            fold.take(0, Instant::now(), last);
            phases.end_fault();
            let begun = phases.span(SamplePhase::Recovery, Instant::now()).unwrap().0;
            let slots = first.iter().copied().chain([ok(1); 10]);
            for (number, slot) in (0_u32..).zip(slots) {
                // samples are due 40 ms past the begin of the recovery, and from there on
                fold.take(u64::from(number) + 1, begun + PERIOD * number + PERIOD * 2 / 5, slot);
            }
            let recovered = fold.finish(begun + PERIOD * 30).recovered_after;
            assert_eq!(recovered, expected, "{last:?} {first:?}");
        };
        let bad = SlotResult::Sampled(Some(PERIOD), SampleOutcome::Refused);
        check(ok(1), &[], Some(0.0));
        check(ok(1), &[SlotResult::Missed], Some(0.0));
        // it may have recovered at any time since the last bad one
        check(bad, &[], Some(0.04));
        check(ok(1), &[bad], Some(0.14));
        check(bad, &[ok(1), bad], Some(0.24));
    }

    #[test]
    fn samples_are_counted_per_phase() {
        let phases = PhaseTracker::default();
        phases.begin_baseline();
        let began = Instant::now();
        let mut fold = fold(&phases, began);
        for number in 0..20 {
            fold.take(number, began, ok(number + 1));
        }
        fold.take(20, began, SlotResult::Missed);
        fold.take(21, began, SlotResult::Sampled(Some(PERIOD), SampleOutcome::Refused));
        let series = fold.finish(began + PERIOD * 30);
        let [baseline] = series.phases.as_slice() else { panic!("{series:#?}") };
        assert_eq!((baseline.phase, baseline.due, baseline.missed), (SamplePhase::Baseline, 22, 1));
        assert_eq!(baseline.count(SampleOutcome::Refused), 1);
        assert_eq!(baseline.success_ratio(), Some(20.0 / 21.0));
        let latency = baseline.latency.as_ref().unwrap();
        assert_eq!((latency.samples, latency.min, latency.p50, latency.max), (20, 1.0, 10.007, 20.015));
        assert_eq!(latency.histogram.iter().map(|step| step.1).sum::<u64>(), 20);
        assert_eq!((series.raw.len(), series.detected_after, series.settled), (21, None, false));
    }
}
