//! Simulated trials with everything that makes a comparison difficult: each run has a random effect, values drift
//! during the trial, samples within a run are correlated, and runs fail at random.

use std::f64::consts::TAU;

use kubectl_chaos::journal::Record;
use kubectl_chaos::rng::SeededRng;
use kubectl_chaos::series::{SampleOutcome, SamplePhase};
use serde_json::{Value, json};

/// The number of samples of each probe during the fault.
const SAMPLES: u32 = 160;
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
const WATCHED: f64 = 10.0;

/// The properties of an arm.
#[derive(Clone, Copy, Debug)]
pub struct Nature {
    /// The share of runs that fail.
    pub failing: f64,
    /// The median latency in milliseconds.
    pub latency: f64,
    /// The share of samples that fail in a run that holds.
    pub errors: f64,
}

impl Nature {
    /// Creates an arm in which a share of runs fails.
    pub fn failing(failing: f64) -> Self {
        Self { failing, latency: 60.0, errors: 0.04 }
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

/// The journals of a trial, reused for every simulation.
pub struct Trial {
    pub before: Vec<Record>,
    pub after: Vec<Record>,
    /// The pooled latencies of the first probe, by arm.
    pub pooled: [Pooled; 2],
    /// A buffer for the latencies of one run.
    latencies: Vec<f64>,
}

impl Trial {
    /// Creates a trial with a number of probes and runs per arm.
    pub fn new(probes: usize, repeats: usize) -> Self {
        let arm =
            |arm: &str| (0..repeats).map(|at| record(&format!("{arm}{at}"), probes)).collect::<Vec<_>>();
        Self { before: arm("b"), after: arm("a"), pooled: [Pooled::default(); 2], latencies: Vec::new() }
    }

    /// Simulates all runs: pairs with one run per arm, in alternating order.
    pub fn play(&mut self, natures: [Nature; 2], chance: &mut Chance) {
        self.pooled = [Pooled::default(); 2];
        let (drift, spread) = (DRIFT * chance.normal(), chance.normal());
        let mut first = usize::from(chance.even() < 0.5);
        let repeats = self.before.len();
        for pair in 0..repeats {
            for (place, arm) in [first, 1 - first].into_iter().enumerate() {
                #[allow(clippy::cast_precision_loss)]
                let time = (2 * pair + place) as f64 / (2 * repeats) as f64;
                let nature = natures[arm];
                let records = if arm == 0 { &mut self.before } else { &mut self.after };
                let state = State { drift: drift * time, spread: spread * time };
                play(&mut records[pair], nature, &state, chance, &mut self.latencies, &mut self.pooled[arm]);
            }
            first = 1 - first;
        }
    }
}

/// The drift at a time.
struct State {
    drift: f64,
    spread: f64,
}

/// Simulates one run.
fn play(
    record: &mut Record,
    nature: Nature,
    state: &State,
    chance: &mut Chance,
    latencies: &mut Vec<f64>,
    pooled: &mut Pooled,
) {
    let failed = chance.even() < nature.failing;
    let effect = state.drift + RUN_EFFECT * chance.normal();
    let luck = 0.3 * state.spread + chance.normal();
    if let Some(after) = &mut record.content.steady_states.after {
        after.steady_state_met = Some(!failed);
    }
    let Some(own) = &mut record.content.extension else { return };
    for (at, series) in own.samples.iter_mut().enumerate() {
        let middle = nature.latency.ln() + effect + RUN_EFFECT * chance.normal();
        // the share of errors in log odds, to stay between 0 and 1; a failing run has many
        let odds = (nature.errors / (1.0 - nature.errors)).ln() + luck + 0.5 * chance.normal();
        let odds = if failed { odds + 3.0 } else { odds };
        let errors = 1.0 / (1.0 + (-odds).exp());
        latencies.clear();
        let (mut deviation, mut bad) = (chance.normal(), chance.even() < errors);
        let begins = (errors / (1.0 - errors).max(1e-9) / SPELL).min(1.0);
        for _ in 0..SAMPLES {
            deviation = PERSISTENCE * deviation + (1.0 - PERSISTENCE * PERSISTENCE).sqrt() * chance.normal();
            bad = if bad { chance.even() > 1.0 / SPELL } else { chance.even() < begins };
            if !bad {
                let latency = middle + NOISE * deviation;
                latencies.push(latency);
                if at == 0 {
                    pooled.add(latency);
                }
            }
        }
        let good = u32::try_from(latencies.len()).unwrap_or(SAMPLES);
        let fault = series.phases.iter_mut().find(|seen| seen.phase == SamplePhase::Fault).expect("a fault");
        fault.outcomes.insert(SampleOutcome::Ok, good.into());
        fault.outcomes.insert(SampleOutcome::Refused, (SAMPLES - good).into());
        if let Some(latency) = &mut fault.latency {
            latency.samples = good.into();
            latency.p95 = quantile(latencies, 95).map_or(0.0, f64::exp);
        }
        let recovery = -chance.even().ln() * (effect + luck).exp() * if failed { 4.0 } else { 1.0 };
        let steps = (recovery * 10.0).round() / 10.0;
        series.recovered_after = (steps < WATCHED).then_some(steps);
    }
}

/// Returns a percentile.
fn quantile(values: &mut [f64], percent: usize) -> Option<f64> {
    let place = (values.len() * percent / 100).min(values.len().checked_sub(1)?);
    Some(*values.select_nth_unstable_by(place, f64::total_cmp).1)
}

/// Creates the journal of a run that held, with sampled probes.
fn record(id: &str, probes: usize) -> Record {
    let action = json!({"type": "action", "name": "kill a replica"});
    let probe = json!({"activity": {"type": "probe", "name": "probe 0"}, "status": "succeeded", "tolerance_met": true});
    let look = json!({"steady_state_met": true, "probes": [probe]});
    let latency = json!({"samples": 0, "min": 1.0, "p50": 1.0, "p90": 1.0, "p95": 1.0, "p99": 1.0, "max": 1.0,
        "histogram": []});
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
    let journal = json!({
        "experiment": {"title": "t", "method": [action]},
        "status": "completed",
        "steady_states": {"before": look, "after": look, "during": []},
        "run": [{"activity": action, "status": "succeeded"}],
        "kubectl-chaos": {"schema": 1, "run_id": id, "finished": true, "experiment_hash": "sha256:same",
            "activities": [{"at": "/run/0", "effect": {"state": "confirmed", "detail": "gone"}}],
            "samples": (0..probes).map(series).collect::<Vec<Value>>()},
    });
    Record::read(id, journal.to_string()).expect("a journal")
}
