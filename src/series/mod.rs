//! What sampling saw of a probe while a run went on: the data, as it stands in a journal. Floor 0.
//!
//! Times are in seconds since sampling began, latencies in milliseconds from the start of a sample.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What came of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SampleOutcome {
    /// It was answered, and the answer was within the tolerance.
    Ok,
    /// It was answered, and the answer was not within the tolerance.
    Unmet,
    /// The connection was refused, or broken off.
    Refused,
    /// There was no answer within the deadline.
    Timeout,
    /// The name could not be resolved.
    Dns,
    /// The TLS handshake failed.
    Tls,
    /// It was answered by a status that the tolerance does not have.
    Status,
    /// The Service has no endpoints.
    NoEndpoints,
    /// As many as there may be were under way already: it was not tried, and its latency is not known.
    Saturated,
    /// Anything else.
    Other,
}

impl SampleOutcome {
    /// All of them, the good one first.
    pub const ALL: [Self; 10] = [
        Self::Ok,
        Self::Unmet,
        Self::Status,
        Self::Refused,
        Self::Timeout,
        Self::Dns,
        Self::Tls,
        Self::NoEndpoints,
        Self::Saturated,
        Self::Other,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unmet => "unmet",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Status => "status",
            Self::NoEndpoints => "no-endpoints",
            Self::Saturated => "saturated",
            Self::Other => "other",
        }
    }
}

impl SampleOutcome {
    /// What is said of those that came to it: `41 answered with an unexpected status`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unmet => "answered outside the tolerance",
            Self::Refused => "refused",
            Self::Timeout => "timed out",
            Self::Dns => "without an address for the name",
            Self::Tls => "without a secure connection",
            Self::Status => "answered with an unexpected status",
            Self::NoEndpoints => "without endpoints of the Service",
            Self::Saturated => "not tried as too many were in flight",
            Self::Other => "failed otherwise",
        }
    }
}

/// What is said of samples that were due and not taken.
pub const MISSED: &str = "not taken in time";

/// Which part of a run a sample belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SamplePhase {
    /// Before anything was done.
    Baseline,
    /// From the first `apply` of an action to the start of rollbacks or undo.
    Fault,
    /// From there on.
    Recovery,
}

impl SamplePhase {
    /// All of them, in their order.
    pub const ALL: [Self; 3] = [Self::Baseline, Self::Fault, Self::Recovery];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Fault => "fault",
            Self::Recovery => "recovery",
        }
    }
}

/// What was seen of one probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The name of the probe.
    pub probe: String,
    /// The kind of its provider: `http`, `python`, `process`.
    pub provider: String,
    /// Seconds from one sample to the next.
    pub period: f64,
    /// Seconds within which an answer had to come.
    pub deadline: f64,
    /// When sampling began, ISO 8601: the moment that all times count from.
    #[serde(default)]
    pub began: Option<String>,
    /// The way to the Service that it asks: `proxy`, `port-forward`, `direct`; none where it asks no Service.
    pub route: Option<String>,
    /// Whether the baseline settled: ten good samples in a row.
    pub settled: bool,
    /// What was seen in each phase that was reached, in their order.
    pub phases: Vec<PhaseStats>,
    /// Seconds from the begin of the fault to the first sample that was not good; none where all were good.
    pub detected_after: Option<f64>,
    /// Seconds from the begin of the recovery to the first of ten good samples in a row, none where they did not come;
    /// zero where they had been good before, and stayed so.
    pub recovered_after: Option<f64>,
    /// For how many seconds recovery was watched.
    pub recovery_watched: f64,
    /// The samples one by one, in the order in which they were due, up to a cap: when it was due, latency, outcome.
    pub raw: Vec<RawSample>,
    /// How many samples are not in `raw`; they are in the counts and histograms.
    pub raw_dropped: u64,
}

/// What was seen in one phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseStats {
    /// Which phase.
    pub phase: SamplePhase,
    /// When it began.
    pub from: f64,
    /// When it ended.
    pub to: f64,
    /// How many samples were due, those that were missed included.
    pub due: u64,
    /// How many were not begun in their slot, because the sampler itself came too late.
    pub missed: u64,
    /// How many had which outcome; outcomes that did not occur are left out.
    pub outcomes: BTreeMap<SampleOutcome, u64>,
    /// The latency of the good samples; none where there were none.
    pub latency: Option<LatencyStats>,
}

impl PhaseStats {
    /// How many samples had an outcome.
    pub fn count(&self, outcome: SampleOutcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }

    /// How many samples there were: those that were due and not missed.
    pub fn total(&self) -> u64 {
        self.outcomes.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The share of good samples, from zero to one; none where there were no samples.
    #[allow(clippy::cast_precision_loss)] // a share
    pub fn success_ratio(&self) -> Option<f64> {
        let total = self.total();
        (total > 0).then(|| self.count(SampleOutcome::Ok) as f64 / total as f64)
    }
}

/// How long good samples took, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyStats {
    /// How many there were.
    pub samples: u64,
    /// The least.
    pub min: f64,
    /// Half of them took no longer.
    pub p50: f64,
    /// 90 % of them took no longer.
    pub p90: f64,
    /// 95 % of them took no longer.
    pub p95: f64,
    /// 99 % of them took no longer.
    pub p99: f64,
    /// The greatest.
    pub max: f64,
    /// How many took how long, as steps of a histogram: up to how many milliseconds, and how many.
    pub histogram: Vec<(f64, u64)>,
}

/// One sample: when it was due (seconds), its latency (milliseconds; none where it is not known), what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RawSample(pub f64, pub Option<f64>, pub SampleOutcome);

/// In one line, for a person.
impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sampled '{}'", self.probe)?;
        if !self.settled {
            write!(f, ", which did not settle before the run started")?;
        }
        for stats in &self.phases {
            let (ok, total) = (stats.count(SampleOutcome::Ok), stats.total());
            write!(f, "; {}: {ok} of {total} ok", stats.phase.name())?;
            let others = stats.outcomes.iter().filter(|(outcome, _)| **outcome != SampleOutcome::Ok);
            for (outcome, count) in others {
                write!(f, ", {count} {}", outcome.words())?;
            }
            if stats.missed > 0 {
                write!(f, ", {} {MISSED}", stats.missed)?;
            }
        }
        match (self.phase_stats(SamplePhase::Recovery), self.recovered_after) {
            (None, _) => Ok(()),
            (Some(_), Some(seconds)) => write!(f, "; recovered after {seconds:.1} s"),
            (Some(_), None) => write!(f, "; not recovered within {:.1} s", self.recovery_watched),
        }
    }
}

impl Series {
    /// What was seen in a phase; none where it was not reached.
    pub fn phase_stats(&self, phase: SamplePhase) -> Option<&PhaseStats> {
        self.phases.iter().find(|seen| seen.phase == phase)
    }
}
