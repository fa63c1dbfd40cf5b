//! Groups samples by time, for charts over time.

use crate::series::{RawSample, SampleOutcome, SamplePhase, Series};

/// The samples that were due in one time step.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct TimeBucket {
    pub(super) good: u32,
    pub(super) bad: u32,
    /// The latencies of the good samples, sorted.
    pub(super) latencies: Vec<f64>,
}

impl TimeBucket {
    pub(super) fn median(&self) -> Option<f64> {
        self.latencies.get(self.latencies.len() / 2).copied()
    }
}

/// Returns the samples, with those that the fault made bad in the fault.
///
/// A request that was in flight when the fault began was due before it.
pub(super) fn attribute_to_fault(series: &Series) -> Vec<RawSample> {
    let Some(fault) = series.phase_stats(SamplePhase::Fault) else { return series.raw.clone() };
    let shown = |RawSample(due, latency, outcome): &RawSample| {
        let seconds = latency.map_or(series.deadline, |latency| latency / 1000.0);
        let is_in_flight = *outcome != SampleOutcome::Ok && *due < fault.from && due + seconds >= fault.from;
        RawSample(if is_in_flight { fault.from } else { *due }, *latency, *outcome)
    };
    series.raw.iter().map(shown).collect()
}

/// Returns the number of time steps: `most`, or fewer if there are fewer samples.
pub(super) fn bucket_count(series: &Series, seconds: f64, most: u16) -> u16 {
    let slots = (seconds / series.period).round();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // it is within bounds
    if slots >= 1.0 && slots < f64::from(most) { slots as u16 } else { most }
}

/// Groups samples into `count` equal time steps.
pub(super) fn bucket_samples(raw: &[RawSample], from: f64, to: f64, count: u16) -> Vec<TimeBucket> {
    let count = count.max(1);
    let mut buckets = vec![TimeBucket::default(); usize::from(count)];
    let step = (to - from) / f64::from(count);
    if !(step.is_finite() && step > 0.0) {
        return buckets;
    }
    for RawSample(due, latency, outcome) in raw {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        // samples outside belong to the first or last step
        let index = ((due - from) / step).clamp(0.0, f64::from(count) - 1.0) as usize;
        let bucket = &mut buckets[index];
        if *outcome == SampleOutcome::Ok {
            bucket.good += 1;
            bucket.latencies.extend(latency.filter(|latency| latency.is_finite()));
        } else {
            bucket.bad += 1;
        }
    }
    for bucket in &mut buckets {
        bucket.latencies.sort_by(f64::total_cmp);
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_bucketed_by_time() {
        let raw = [
            RawSample(0.0, Some(3.0), SampleOutcome::Ok),
            RawSample(0.4, Some(1.0), SampleOutcome::Ok),
            RawSample(0.9, None, SampleOutcome::Refused),
            RawSample(1.0, Some(2.0), SampleOutcome::Ok),
            RawSample(9.0, Some(9.0), SampleOutcome::Timeout),
        ];
        let steps = bucket_samples(&raw, 0.0, 2.0, 2);
        assert_eq!((steps[0].good, steps[0].bad, steps[0].median()), (2, 1, Some(3.0)));
        assert_eq!((steps[1].good, steps[1].bad, steps[1].latencies.as_slice()), (1, 1, [2.0].as_slice()));
        assert_eq!(bucket_samples(&raw, 0.0, f64::INFINITY, 2), vec![TimeBucket::default(); 2]);
        assert_eq!(bucket_samples(&raw, 0.0, 1.0, 0).len(), 1);
    }
}
