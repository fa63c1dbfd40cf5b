//! Samples the probes of the hypothesis during a run, at a high rate and independently of the run.
//!
//! ```text
//!  phase_tracker  tracks the phase of the run by its events
//!  probe          runs a probe once and classifies the result
//!  aggregate      aggregates the samples of a probe in scheduled order
//! ```
//!
//! The schedule is open: a sample is due at a fixed time and starts then, however long others take. A slow response
//! therefore does not hide other slow responses (no coordinated omission). Its latency counts from its start: a delay
//! between the two is one of this machine, and not of the system under test.

mod aggregate;
mod phase_tracker;
mod probe;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::chaosk8s;
use crate::clock::Timestamp;
use crate::engine::InterruptHandle;
use crate::error_code::{Coded, ErrorCode};
use crate::experiment::{Activity, Experiment, MethodStep, ProviderKind};
use crate::provider::Providers;
use crate::series::{SampleOutcome, Series};
use crate::substitution::{Redactor, Scope};
use crate::value::Value;

pub use aggregate::STREAK;
use aggregate::{ProbeInfo, SeriesAggregator, SlotResult};
pub use phase_tracker::PhaseTracker;
use probe::SampledProbe;

/// The most samples of a probe in flight.
const IN_FLIGHT: usize = 16;
/// The deadline of a sample whose probe has no timeout.
const DEADLINE: Duration = Duration::from_secs(2);
/// The baseline of a single run, and the shortest one of a trial.
const BASELINE: Duration = Duration::from_secs(3);
/// The longest baseline of a trial.
const TRIAL_BASELINE: Duration = Duration::from_secs(10);
/// The samples in the baseline of a trial, unless that takes too long: its median is compared with the fault.
const TRIAL_BASELINE_SAMPLES: u32 = 100;
/// The default time allowed to settle.
const SETTLE: Duration = Duration::from_secs(30);
/// The default recovery window.
const RECOVERY: Duration = Duration::from_secs(10);
/// The shortest sampling period.
pub const SHORTEST_PERIOD: Duration = Duration::from_millis(1);
/// The longest sampling period.
pub const LONGEST_PERIOD: Duration = Duration::from_secs(3600);
/// The default sampling period of requests.
const HTTP_PERIOD: Duration = Duration::from_millis(100);
/// The default sampling period of cluster probes.
const KUBERNETES_PERIOD: Duration = Duration::from_secs(1);

/// Options of sampling.
#[derive(Clone, Debug)]
pub struct SamplingOptions {
    /// The sampling period, within [`SHORTEST_PERIOD`] and [`LONGEST_PERIOD`]; `None` for the default of the kind of
    /// probe.
    pub period: Option<Duration>,
    /// How long to wait for ten consecutive successful samples before the baseline begins without them.
    pub settle: Duration,
    /// The maximum recovery window; `None` for ten seconds, or as long as the slowest probe needs to show the
    /// recovery.
    pub recovery: Option<Duration>,
    /// The names of the probes to sample, of any kind; empty for all read-only HTTP and Kubernetes probes.
    pub probes: Vec<String>,
    /// Whether the baseline is long enough to compare runs: 100 samples of every probe, but 3 to 10 seconds.
    pub is_compared: bool,
}

impl Default for SamplingOptions {
    fn default() -> Self {
        Self { period: None, settle: SETTLE, recovery: None, probes: Vec::new(), is_compared: false }
    }
}

/// Running sampling.
pub struct Sampling {
    probes: Vec<Arc<ProbeSampler>>,
    phases: PhaseTracker,
    options: SamplingOptions,
    /// Whether sampling stops.
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

struct ProbeSampler {
    target: SampledProbe,
    head: ProbeInfo,
    fold: Mutex<SeriesAggregator>,
    /// Counts the slots that are over.
    over: watch::Sender<u64>,
    redactor: Redactor,
    /// The run, which a failure of this program aborts.
    run: InterruptHandle,
}

/// The probes to sample cannot be selected.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SamplingError {
    #[error("invalid --sample-probe '{name}': expected a probe of the hypothesis")]
    UnknownProbe { name: String, known: Vec<String> },
}

impl Coded for SamplingError {
    fn code(&self) -> ErrorCode {
        ErrorCode::UsageInvalid
    }

    fn hint(&self) -> Option<String> {
        let Self::UnknownProbe { known, .. } = self;
        Some(match known.as_slice() {
            [] => "omit --sample-probe: the hypothesis has no probes".to_owned(),
            names => format!("choose one of: {}", names.join(", ")),
        })
    }
}

/// Selects the probes of an experiment to sample: the named ones, or all read-only ones.
pub fn select_probes<'a>(
    experiment: &'a Experiment,
    named: &[String],
) -> Result<Vec<&'a MethodStep>, SamplingError> {
    let hypothesis = experiment.checked_hypothesis();
    let probes = hypothesis.map(|hypothesis| hypothesis.probes.as_slice()).unwrap_or_default();
    let name = |step: &MethodStep| step.activity.as_ref().ok().map(|activity| activity.name.clone());
    for requested in named {
        if !probes.iter().any(|step| name(step).as_ref() == Some(requested)) {
            let known = probes.iter().filter_map(name).collect();
            return Err(SamplingError::UnknownProbe { name: requested.clone(), known });
        }
    }
    let is_sampled = |step: &&MethodStep| match &step.activity {
        Err(_) => false,
        Ok(activity) if named.is_empty() => is_read_only(activity),
        Ok(activity) => named.contains(&activity.name),
    };
    Ok(probes.iter().filter(is_sampled).collect())
}

/// Returns warnings about options with which sampling has no useful result.
pub fn sampling_warnings(sampled: &[&MethodStep], options: &SamplingOptions) -> Vec<String> {
    let kinds: Vec<ProviderKind> =
        sampled.iter().filter_map(|step| step.activity.as_ref().ok()?.provider).collect();
    if kinds.is_empty() {
        let warning = "no probe is sampled: the hypothesis has no read-only HTTP or Kubernetes probe; \
                       select another probe with --sample-probe NAME";
        return vec![warning.to_owned()];
    }
    let slowest = kinds.into_iter().map(|kind| options.period.unwrap_or(default_period(kind))).max();
    let period = slowest.unwrap_or_default();
    // the first sample is taken immediately
    let needed = period * (STREAK - 1);
    let short = |duration: Duration| format!("{} s", duration.as_secs_f64());
    let waits = [("--settle", Some(options.settle)), ("--recovery", options.recovery)];
    let too_short = waits.into_iter().filter_map(|(flag, given)| {
        let given = given.filter(|given| *given < needed)?;
        Some(format!(
            "{flag} {} is too short: {STREAK} consecutive successful samples every {} take more than {}",
            short(given),
            short(period),
            short(needed)
        ))
    });
    too_short.collect()
}

/// Returns the sampling period of a kind of probe without `--sample=PERIOD`.
fn default_period(kind: ProviderKind) -> Duration {
    if kind == ProviderKind::Http { HTTP_PERIOD } else { KUBERNETES_PERIOD }
}

/// Whether a probe is sampled by default: a safe HTTP request or a read-only Kubernetes function.
fn is_read_only(activity: &Activity) -> bool {
    let text = |key: &str| activity.arguments.get(key).and_then(Value::as_text);
    match activity.provider {
        Some(ProviderKind::Http) => {
            text("method").is_none_or(|method| matches!(method.to_uppercase().as_str(), "GET" | "HEAD"))
        }
        Some(ProviderKind::Python) => {
            chaosk8s::catalogue::lookup(text("module").unwrap_or_default(), text("func").unwrap_or_default())
                .is_ok_and(|function| !function.is_action)
        }
        Some(ProviderKind::Process) | None => false,
    }
}

impl Sampling {
    /// Starts to sample. `phases` must watch the run, which a failure of this program aborts.
    pub fn start(
        experiment: &Experiment,
        scope: &Scope,
        providers: &Providers,
        phases: PhaseTracker,
        run: &InterruptHandle,
        options: SamplingOptions,
    ) -> Result<Self, SamplingError> {
        let (began, at) = (Instant::now(), Timestamp::now());
        let redactor = Redactor::of_experiment(scope, &experiment.document);
        let probe = |step: &MethodStep| {
            let activity = Arc::clone(step.activity.as_ref().ok()?);
            let kind = activity.provider?;
            let head = ProbeInfo {
                probe: redactor.redact_text(&activity.name).into_owned(),
                provider: kind.name(),
                period: options.period.unwrap_or(default_period(kind)).clamp(SHORTEST_PERIOD, LONGEST_PERIOD),
                deadline: sample_deadline(&activity, scope),
                began: at,
            };
            let fold = Mutex::new(SeriesAggregator::new(head.clone(), phases.clone(), began));
            let target = SampledProbe {
                activity,
                tolerance: step.tolerance.clone(),
                scope: scope.clone(),
                providers: providers.clone(),
            };
            Some(Arc::new(ProbeSampler {
                target,
                head,
                fold,
                over: watch::Sender::new(0),
                redactor: redactor.clone(),
                run: run.clone(),
            }))
        };
        let probes: Vec<_> =
            select_probes(experiment, &options.probes)?.into_iter().filter_map(probe).collect();
        let stop = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        for probe in &probes {
            tasks.spawn(Arc::clone(probe).sample_until_stopped(began, stop.subscribe()).boxed());
        }
        Ok(Self { probes, phases, options, stop, tasks })
    }

    /// Waits until every probe settled or the time for it is over. Samples taken earlier count.
    pub async fn settle(&self) {
        let settled = self.wait_until(SeriesAggregator::is_settled);
        // the series shows whether its probe settled
        let _ = tokio::time::timeout(self.options.settle, settled).await;
    }

    /// Measures the baseline.
    pub async fn measure_baseline(&self) {
        if self.probes.is_empty() {
            return;
        }
        self.phases.begin_baseline();
        tokio::time::sleep(self.baseline()).await;
    }

    /// Returns the duration of the baseline.
    fn baseline(&self) -> Duration {
        if !self.options.is_compared {
            return BASELINE;
        }
        let slowest = self.probes.iter().map(|probe| probe.head.period).max().unwrap_or_default();
        slowest.saturating_mul(TRIAL_BASELINE_SAMPLES).clamp(BASELINE, TRIAL_BASELINE)
    }

    /// Waits until every probe recovered or the recovery window ends. Returns immediately without a fault.
    pub async fn wait_for_recovery(&self) {
        self.phases.end_fault();
        let now = Instant::now();
        let Some((from, _)) = self.phases.span(crate::series::SamplePhase::Recovery, now) else { return };
        let slowest = self.probes.iter().map(|probe| probe.head.period).max().unwrap_or_default();
        let usual = RECOVERY.max(slowest * (STREAK + 2));
        let remaining =
            self.options.recovery.unwrap_or(usual).saturating_sub(now.saturating_duration_since(from));
        let _ = tokio::time::timeout(remaining, self.wait_until(SeriesAggregator::is_recovered)).await;
    }

    async fn wait_until(&self, is: fn(&SeriesAggregator) -> bool) {
        for probe in &self.probes {
            let mut over = probe.over.subscribe();
            while !is(&probe.fold.lock()) {
                if over.changed().await.is_err() {
                    return;
                }
            }
        }
    }

    /// Ends sampling. Waits for samples in flight until their deadline, or until `hurried` completes.
    pub async fn finish(mut self, hurried: impl Future<Output = ()>) -> Vec<Series> {
        let end = Instant::now();
        self.stop.send_replace(true);
        tokio::select! {
            biased;
            () = hurried => self.tasks.abort_all(),
            () = async { while self.tasks.join_next().await.is_some() {} } => {}
        }
        while self.tasks.join_next().await.is_some() {}
        let fold = |probe: &Arc<ProbeSampler>| {
            let empty = SeriesAggregator::new(probe.head.clone(), self.phases.clone(), end);
            std::mem::replace(&mut *probe.fold.lock(), empty).finish(end)
        };
        self.probes.iter().map(fold).collect()
    }
}

/// Returns the timeout of the probe, or the default deadline.
fn sample_deadline(activity: &Activity, scope: &Scope) -> Duration {
    let timeout = activity.arguments.get("timeout").map(|timeout| scope.fill(timeout));
    let seconds = match timeout {
        // a pair: connect timeout and read timeout
        Some(Value::List(timeouts)) => timeouts.iter().map(Value::as_f64).sum::<Option<f64>>(),
        Some(seconds) => seconds.as_f64(),
        None => None,
    };
    let limit = seconds.filter(|seconds| *seconds > 0.0).and_then(|s| Duration::try_from_secs_f64(s).ok());
    limit.unwrap_or(DEADLINE)
}

impl ProbeSampler {
    /// Starts each sample on schedule until `stop` is set.
    async fn sample_until_stopped(self: Arc<Self>, began: Instant, mut stop: watch::Receiver<bool>) {
        let period = self.head.period;
        let mut under_way: JoinSet<()> = JoinSet::new();
        let mut number = 0_u64;
        let mut due = began;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(due.into()) => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
            while under_way.try_join_next().is_some() {}
            // slots that passed completely before this task was scheduled
            while due + period <= Instant::now() {
                self.finish_slot(number, due, SlotResult::Missed);
                number += 1;
                due += period;
            }
            if under_way.len() < IN_FLIGHT {
                let _: AbortHandle = under_way.spawn(Arc::clone(&self).sample(number, due).boxed());
            } else {
                self.finish_slot(number, due, SlotResult::Sampled(None, SampleOutcome::Saturated));
            }
            number += 1;
            due += period;
        }
        while under_way.join_next().await.is_some() {}
    }

    async fn sample(self: Arc<Self>, number: u64, due: Instant) {
        // samples do not wait for each other, so the time from `due` until now is a delay of this machine
        let started = Instant::now();
        let slot = match tokio::time::timeout(self.head.deadline, self.target.take()).await {
            Err(_) => SlotResult::Sampled(Some(started.elapsed()), SampleOutcome::Timeout),
            Ok(Err(failure)) => {
                let reason = self.redactor.redact_text(&failure.message);
                let reason = format!("sampling of '{}': {reason}", self.head.probe);
                self.run.abort(failure.code, "sampling", &reason);
                SlotResult::Missed
            }
            Ok(Ok((outcome, reached))) => {
                if let Some(reached) = reached {
                    self.fold.lock().record_route(reached.access);
                }
                SlotResult::Sampled(Some(started.elapsed()), outcome)
            }
        };
        self.finish_slot(number, due, slot);
    }

    fn finish_slot(&self, number: u64, due: Instant, slot: SlotResult) {
        self.fold.lock().take(number, due, slot);
        self.over.send_modify(|over| *over += 1);
    }
}
