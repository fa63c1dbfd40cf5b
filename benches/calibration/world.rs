//! Simulated trials with everything that makes a comparison difficult: each run has a random effect, values drift
//! during the trial, samples within a run are correlated, and runs fail at random.
//!
//! The effect of a run on latency is the same before and during the fault to 80 %. This is an assumption.

use std::f64::consts::TAU;

use kubectl_chaos::compare::DesignKind;
use kubectl_chaos::journal::Record;
use kubectl_chaos::rng::SeededRng;
use kubectl_chaos::series::{LatencyStats, SampleOutcome, SamplePhase, Series};
use kubectl_chaos::statistics::Race;
use serde_json::{Value, json};

/// The number of samples of each probe during the fault.
pub const SAMPLES: u32 = 160;
/// The standard deviation of the effect of a run on log latency, and of that of a probe.
const RUN_EFFECT: f64 = 0.35;
/// The standard deviation of the drift of log latency from the first run of a trial to the last.
const DRIFT: f64 = 0.4;
/// The autocorrelation of neighbouring samples.
const PERSISTENCE: f64 = 0.8;
/// The standard deviation of log latency within a run.
const NOISE: f64 = 0.3;
/// The mean length of a burst of failed samples.
const SPELL: f64 = 5.0;
/// The recovery window in seconds.
pub const WATCHED: f64 = 10.0;
/// The number of samples of each probe before the fault.
const BASELINE_SAMPLES: u32 = 30;
/// The share of the variance of the effect of a run that its phases have in common.
const SHARED: f64 = 0.8;

/// The properties of an arm.
#[derive(Clone, Copy, Debug)]
pub struct Nature {
    /// The share of runs that fail.
    pub failing: f64,
    /// The median latency during the fault, in milliseconds.
    pub latency: f64,
    /// The median latency before the fault, in milliseconds.
    pub usual: f64,
    /// The share of samples that fail in a run that holds.
    pub errors: f64,
}

impl Nature {
    /// Creates an arm in which a share of runs fails.
    pub const fn failing(failing: f64) -> Self {
        Self { failing, latency: 60.0, usual: 60.0, errors: 0.04 }
    }
}

/// How a trial decides its number of pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Plan {
    Fixed(u32),
    /// With the maximum number of pairs.
    Auto(u32),
}

impl Plan {
    /// Returns the greatest number of pairs.
    pub fn max_pairs(self) -> u32 {
        match self {
            Self::Fixed(pairs) | Self::Auto(pairs) => pairs,
        }
    }
}

/// Random numbers of the simulation.
pub struct Chance {
    lot: SeededRng,
    spare: Option<f64>,
}

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self { lot: SeededRng::new(seed), spare: None }
    }

    /// Returns a uniform number between 0 and 1, exclusive.
    pub fn even(&mut self) -> f64 {
        const STEPS: usize = 1 << 52;
        #[allow(clippy::cast_precision_loss)] // exact
        let (at, steps) = (self.lot.below(STEPS) as f64, STEPS as f64);
        (at + 0.5) / steps
    }

    /// Returns a normally distributed number (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let (length, angle) = ((-2.0 * self.even().ln()).sqrt(), TAU * self.even());
        let (sin, cos) = angle.sin_cos();
        self.spare = Some(length * sin);
        length * cos
    }
}

/// The statistics of a test that treats samples as independent: count, sum, sum of squares.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pooled {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Pooled {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    /// Returns whether Welch's test over samples finds a difference at the 5 % level.
    pub fn differs(&self, other: &Self) -> bool {
        let mean = |pooled: &Self| pooled.sum / pooled.count;
        let variance = |pooled: &Self| {
            (pooled.squares - pooled.sum * mean(pooled)) / (pooled.count - 1.0) / pooled.count
        };
        let z = (mean(self) - mean(other)) / (variance(self) + variance(other)).sqrt();
        z.abs() > 1.959_964
    }
}

/// What a run measured of a probe.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    /// The good samples during the fault, of [`SAMPLES`].
    pub good: u32,
    /// The 95th percentile of latency during the fault, in milliseconds.
    pub p95: f64,
    /// The time to recover in seconds; infinite if it is longer than the window.
    pub recovery: f64,
}

/// A run of a trial.
#[derive(Clone, Debug, Default)]
pub struct SimulatedRun {
    pub failed: bool,
    /// For each probe.
    pub measured: Vec<Measured>,
}

/// A trial, reused for every simulation.
pub struct Trial {
    plan: Plan,
    race: Option<Race>,
    /// The journals of the runs, by arm.
    records: [Vec<Record>; 2],
    /// The runs, by arm.
    pub runs: [Vec<SimulatedRun>; 2],
    /// The number of pairs that were played.
    pub pairs: usize,
    /// The pooled latencies of the first probe, by arm.
    pub pooled: [Pooled; 2],
    /// Buffers for the latencies of one run, during the fault and before it.
    latencies: [Vec<f64>; 2],
}

impl Trial {
    /// Creates a trial.
    pub fn new(probes: usize, plan: Plan) -> Self {
        let arm = |arm: &str| {
            (1..=plan.max_pairs()).map(|pair| record(arm, pair, plan, probes)).collect::<Vec<_>>()
        };
        let runs = || {
            vec![
                SimulatedRun { failed: false, measured: vec![Measured::default(); probes] };
                plan.max_pairs() as usize
            ]
        };
        let race = match plan {
            Plan::Fixed(_) => None,
            Plan::Auto(pairs) => Some(Race::new(pairs)),
        };
        Self {
            plan,
            race,
            records: [arm("before"), arm("after")],
            runs: [runs(), runs()],
            pairs: 0,
            pooled: [Pooled::default(); 2],
            latencies: [Vec::new(), Vec::new()],
        }
    }

    /// Returns the journals of the runs before, and of those after.
    pub fn records(&self) -> (&[Record], &[Record]) {
        (&self.records[0][..self.pairs], &self.records[1][..self.pairs])
    }

    /// Returns the number of failed runs before, and of those after.
    pub fn failed(&self) -> (u32, u32) {
        let count = |runs: &[SimulatedRun]| {
            u32::try_from(runs[..self.pairs].iter().filter(|run| run.failed).count()).unwrap()
        };
        (count(&self.runs[0]), count(&self.runs[1]))
    }

    /// Simulates the runs: pairs with one run per arm, in alternating order, until the trial stops.
    pub fn play(&mut self, natures: [Nature; 2], chance: &mut Chance) {
        self.pooled = [Pooled::default(); 2];
        self.pairs = 0;
        let (drift, spread) = (DRIFT * chance.normal(), chance.normal());
        let mut first = usize::from(chance.even() < 0.5);
        let max_pairs = self.plan.max_pairs();
        for pair in 0..max_pairs {
            for (place, arm) in (0_u32..).zip([first, 1 - first]) {
                let time = f64::from(2 * pair + place) / f64::from(2 * max_pairs);
                let state = State { drift: drift * time, spread: spread * time };
                self.play_run(arm, pair as usize, natures[arm], &state, chance);
            }
            first = 1 - first;
            self.pairs += 1;
            let (before, after) = self.failed();
            if self.race.as_ref().is_some_and(|race| race.stop(pair + 1, before, after).is_some()) {
                return;
            }
        }
    }

    /// Sets the runs of a pair: whether they failed, what the first probe measured, and its median latency before the
    /// fault.
    pub fn set_pair(&mut self, runs: [(bool, Measured, f64); 2]) {
        for (arm, (failed, measured, usual)) in runs.into_iter().enumerate() {
            let run = &mut self.runs[arm][self.pairs];
            run.failed = failed;
            run.measured[0] = measured;
            let content = &mut self.records[arm][self.pairs].content;
            if let Some(after) = &mut content.steady_states.after {
                after.steady_state_met = Some(!failed);
            }
            if let Some(extension) = &mut content.extension {
                write(&mut extension.samples[0], &measured, usual);
            }
        }
        self.pairs += 1;
    }

    /// Simulates one run.
    fn play_run(&mut self, arm: usize, pair: usize, nature: Nature, state: &State, chance: &mut Chance) {
        let failed = chance.even() < nature.failing;
        let effect = state.drift + RUN_EFFECT * chance.normal();
        let luck = 0.3 * state.spread + chance.normal();
        let run = &mut self.runs[arm][pair];
        run.failed = failed;
        let content = &mut self.records[arm][pair].content;
        if let Some(after) = &mut content.steady_states.after {
            after.steady_state_met = Some(!failed);
        }
        let Some(extension) = &mut content.extension else { return };
        let [latencies, usual] = &mut self.latencies;
        let persist = |deviation: f64, chance: &mut Chance| {
            PERSISTENCE * deviation + (1.0 - PERSISTENCE * PERSISTENCE).sqrt() * chance.normal()
        };
        for (probe, (series, measured)) in extension.samples.iter_mut().zip(&mut run.measured).enumerate() {
            let own = effect + RUN_EFFECT * chance.normal();
            let middle = nature.latency.ln() + own;
            // the share of errors in log odds, to stay between 0 and 1; a failing run has many
            let odds = (nature.errors / (1.0 - nature.errors)).ln() + luck + 0.5 * chance.normal();
            let odds = if failed { odds + 3.0 } else { odds };
            let errors = 1.0 / (1.0 + (-odds).exp());
            latencies.clear();
            let (mut deviation, mut bad) = (chance.normal(), chance.even() < errors);
            let begins = (errors / (1.0 - errors).max(1e-9) / SPELL).min(1.0);
            for _ in 0..SAMPLES {
                deviation = persist(deviation, chance);
                bad = if bad { chance.even() > 1.0 / SPELL } else { chance.even() < begins };
                if !bad {
                    let latency = middle + NOISE * deviation;
                    latencies.push(latency);
                    if probe == 0 {
                        self.pooled[arm].add(latency);
                    }
                }
            }
            usual.clear();
            let different = (1.0 - SHARED).sqrt() * std::f64::consts::SQRT_2 * RUN_EFFECT * chance.normal();
            let middle = nature.usual.ln() + state.drift + SHARED.sqrt() * (own - state.drift) + different;
            deviation = chance.normal();
            for _ in 0..BASELINE_SAMPLES {
                deviation = persist(deviation, chance);
                usual.push(middle + NOISE * deviation);
            }
            let recovery = -chance.even().ln() * (effect + luck).exp() * if failed { 4.0 } else { 1.0 };
            let recovery = (recovery * 10.0).round() / 10.0;
            *measured = Measured {
                good: u32::try_from(latencies.len()).unwrap_or(SAMPLES),
                p95: quantile(latencies, 95).map_or(0.0, f64::exp),
                recovery: if recovery < WATCHED { recovery } else { f64::INFINITY },
            };
            write(series, measured, quantile(usual, 50).map_or(0.0, f64::exp));
        }
    }
}

/// The drift at a time.
struct State {
    drift: f64,
    spread: f64,
}

/// Writes what a run measured into the samples of its journal.
fn write(series: &mut Series, measured: &Measured, usual: f64) {
    for seen in &mut series.phases {
        match (seen.phase, &mut seen.latency) {
            (SamplePhase::Baseline, Some(LatencyStats { p50, .. })) => *p50 = usual,
            (SamplePhase::Fault, Some(latency)) => {
                seen.outcomes.insert(SampleOutcome::Ok, measured.good.into());
                seen.outcomes.insert(SampleOutcome::Refused, (SAMPLES - measured.good).into());
                latency.samples = measured.good.into();
                latency.p95 = measured.p95;
            }
            _ => {}
        }
    }
    series.recovered_after = Some(measured.recovery).filter(|recovery| recovery.is_finite());
}

/// Returns a percentile.
fn quantile(values: &mut [f64], percent: usize) -> Option<f64> {
    let place = (values.len() * percent / 100).min(values.len().checked_sub(1)?);
    Some(*values.select_nth_unstable_by(place, f64::total_cmp).1)
}

/// Creates the journal of a run that held, with sampled probes.
fn record(arm: &str, pair: u32, plan: Plan, probes: usize) -> Record {
    let id = format!("{arm}-{pair}");
    let action = json!({"type": "action", "name": "kill a replica"});
    let probe = json!({"activity": {"type": "probe", "name": "probe 0"}, "status": "succeeded", "tolerance_met": true});
    let look = json!({"steady_state_met": true, "probes": [probe]});
    let latency = json!({"samples": BASELINE_SAMPLES, "min": 1.0, "p50": 1.0, "p90": 1.0, "p95": 1.0, "p99": 1.0,
        "max": 1.0, "histogram": []});
    let seen = |phase: &str| {
        json!({"phase": phase, "from": 0.0, "to": 1.0, "due": SAMPLES, "missed": 0, "outcomes": {},
            "latency": latency})
    };
    let series = |at: usize| {
        json!({"probe": format!("probe {at}"), "provider": "http", "period": 0.1, "deadline": 2.0,
            "route": "proxy", "settled": true, "phases": [seen("baseline"), seen("fault"), seen("recovery")],
            "detected_after": null, "recovered_after": null, "recovery_watched": WATCHED, "raw": [],
            "raw_dropped": 0})
    };
    let kind = match plan {
        Plan::Fixed(_) => DesignKind::Fixed,
        Plan::Auto(_) => DesignKind::Auto,
    };
    let journal = json!({
        "experiment": {"title": "t", "method": [action]},
        "status": "completed",
        "steady_states": {"before": look, "after": look, "during": []},
        "run": [{"activity": action, "status": "succeeded"}],
        "kubectl-chaos": {"schema": 1, "run_id": id, "finished": true, "experiment_hash": "sha256:same",
            "activities": [{"at": "/run/0", "effect": {"state": "confirmed", "detail": "gone"}}],
            "environment": {"trial": "t", "arm": arm, "repeat": pair, "pair": pair,
                "design": {"kind": kind, "max_pairs": plan.max_pairs()}},
            "samples": (0..probes).map(series).collect::<Vec<Value>>()},
    });
    Record::read(&id, journal.to_string()).expect("a journal")
}
