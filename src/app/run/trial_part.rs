//! What a trial adds to one of its runs: workloads that become ready, and the time of each part.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::engine::EventWatcher;
use crate::event::RunEvent;
use crate::journal::{Environment, RunPhaseTimes};

/// Why the workloads of a run are not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotReady(pub(crate) String);

/// Completes when the workloads of a run are ready.
pub(crate) type Readiness<'a> = Pin<Box<dyn Future<Output = Result<(), NotReady>> + 'a>>;

/// Part of a trial that belongs to one run.
pub(crate) struct TrialPart<'a> {
    /// Absent once the run has waited.
    readiness: Option<Readiness<'a>>,
    /// Adds what is known only at the end of the run.
    complete: Box<dyn FnOnce(&mut Environment) + 'a>,
    /// Start of the deployment, and the end of each part so far.
    deploying: Instant,
    ready: Option<Instant>,
    settled: Option<Instant>,
    started: Option<Instant>,
    ended: Option<Instant>,
}

impl<'a> TrialPart<'a> {
    /// Creates the part of a run whose deployment began at a time.
    pub(crate) fn new(
        deploying: Instant,
        readiness: Readiness<'a>,
        complete: impl FnOnce(&mut Environment) + 'a,
    ) -> Self {
        Self {
            readiness: Some(readiness),
            complete: Box::new(complete),
            deploying,
            ready: None,
            settled: None,
            started: None,
            ended: None,
        }
    }

    /// Waits until the workloads are ready.
    pub(super) async fn wait_until_ready(&mut self) -> Result<(), NotReady> {
        if let Some(readiness) = self.readiness.take() {
            let result = readiness.await;
            self.ready = Some(Instant::now());
            result?;
        }
        Ok(())
    }

    /// Notes that the probes settled.
    pub(super) fn has_settled(&mut self) {
        self.settled = Some(Instant::now());
    }

    /// Awaits the experiment, and notes when it starts and ends.
    pub(super) async fn measure<T>(part: Option<&mut Self>, experiment: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let result = experiment.await;
        if let Some(part) = part {
            part.started = Some(started);
            part.ended = Some(Instant::now());
        }
        result
    }

    /// Adds the times and what else is known only now.
    pub(super) fn complete(self, environment: &mut Environment, pauses: Duration) {
        let now = Instant::now();
        // a part that the run did not reach takes no time
        let part = |from: Option<Instant>, to: Option<Instant>| {
            from.map_or(Duration::ZERO, |from| to.unwrap_or(now).saturating_duration_since(from))
        };
        let settled = self.settled.or(self.started.and(self.ready));
        let experiment = part(self.started, self.ended);
        let pauses = pauses.min(experiment);
        environment.phases = Some(RunPhaseTimes::new(
            part(Some(self.deploying), self.ready),
            part(self.ready, settled),
            part(settled, self.started),
            experiment.saturating_sub(pauses),
            pauses,
            part(self.ended, None),
        ));
        (self.complete)(environment);
    }
}

/// Measures the pauses of an experiment.
#[derive(Clone, Default)]
pub(super) struct PauseWatcher(Arc<Mutex<PauseTotal>>);

#[derive(Default)]
struct PauseTotal {
    /// Pauses that have started, by activity: background activities may pause at the same time.
    running: Vec<(String, Instant)>,
    total: Duration,
}

impl PauseWatcher {
    /// Returns the time of all pauses so far.
    pub(super) fn total(&self) -> Duration {
        self.0.lock().total
    }
}

impl EventWatcher for PauseWatcher {
    fn watch(&mut self, event: &RunEvent) {
        match event {
            RunEvent::PauseStarted { name, slept: true, .. } => {
                self.0.lock().running.push((name.clone(), Instant::now()));
            }
            RunEvent::PauseFinished { name } => {
                let mut pauses = self.0.lock();
                if let Some(index) = pauses.running.iter().position(|(running, _)| running == name) {
                    let (_, started) = pauses.running.remove(index);
                    pauses.total += started.elapsed();
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn pauses_are_added_and_those_of_dry_runs_are_not() {
        let mut watcher = PauseWatcher::default();
        let start = |slept| RunEvent::PauseStarted {
            name: "a".to_owned(),
            before: false,
            seconds: Value::Int(1),
            slept,
        };
        let end = RunEvent::PauseFinished { name: "a".to_owned() };
        watcher.watch(&start(false));
        watcher.watch(&end);
        assert_eq!(watcher.total(), Duration::ZERO);
        watcher.watch(&start(true));
        std::thread::sleep(Duration::from_millis(2));
        watcher.watch(&end);
        assert!(watcher.total() >= Duration::from_millis(2));
    }

    #[tokio::test]
    async fn parts_that_were_not_reached_take_no_time() {
        let not_ready = || Err(NotReady("no".to_owned()));
        let mut part = TrialPart::new(Instant::now(), Box::pin(async move { not_ready() }), |environment| {
            environment.overlaps.push("other".to_owned());
        });
        assert_eq!(part.wait_until_ready().await, not_ready());
        // a second wait does not repeat the first
        assert_eq!(part.wait_until_ready().await, Ok(()));
        let mut environment = Environment::default();
        part.complete(&mut environment, Duration::from_secs(9));
        let phases = environment.phases.unwrap();
        assert_eq!((phases.settle, phases.baseline, phases.pauses), (0.0, 0.0, 0.0));
        assert_eq!(environment.overlaps, ["other"]);
    }
}
