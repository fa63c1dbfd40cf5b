//! Fuzz targets: no input makes the library panic, hang, or return a wrong result.
//!
//! `cargo test` runs some hundred cases of each target, the same ones each time. With
//! `KUBECTL_CHAOS_FUZZ_SECONDS=600` the targets share that time, one after the other, with new cases in every
//! round, and say how many there were (`cargo test --test it fuzz:: -- --nocapture`). A failure shows the
//! smallest case that still fails.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the number of cases is a result")]

mod connections;
mod events;
mod experiments;
mod readers;
mod strategies;
mod substitution;
mod tolerances;

use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{
    Config, RngAlgorithm, TestCaseError, TestCaseResult, TestError, TestRng, TestRunner,
};
use ring::rand::SecureRandom as _;

/// The number of targets that share the time: the calls of [`fuzz`].
const TARGETS: u32 = 16;
/// The number of cases without a time budget.
const CASES: u32 = 300;
/// The time limit of one case, on a busy machine, without optimisation.
const BOUND: Duration = Duration::from_secs(20);

/// Checks a property with many cases.
fn fuzz<S>(name: &str, strategy: impl Fn() -> S, property: fn(S::Value) -> TestCaseResult)
where
    S: Strategy,
    S::Value: Clone + Debug + Send + 'static,
{
    fuzz_cases(name, CASES, strategy, property);
}

/// Checks a property with another number of cases, for slow targets.
fn fuzz_cases<S>(name: &str, count: u32, strategy: impl Fn() -> S, property: fn(S::Value) -> TestCaseResult)
where
    S: Strategy,
    S::Value: Clone + Debug + Send + 'static,
{
    let seconds = std::env::var("KUBECTL_CHAOS_FUZZ_SECONDS").ok();
    let Some(seconds) = seconds.map(|seconds| seconds.parse::<u32>().expect("a number of seconds")) else {
        let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        round(&strategy(), count, seed, property);
        return;
    };
    let _turn = turn();
    let until = Instant::now() + Duration::from_secs(seconds.into()) / TARGETS;
    let mut cases = 0_u64;
    while Instant::now() < until {
        let mut seed = [0; 32];
        ring::rand::SystemRandom::new().fill(&mut seed).expect("random bytes");
        round(&strategy(), count, TestRng::from_seed(RngAlgorithm::ChaCha, &seed), property);
        cases += u64::from(count);
    }
    println!("{name}: {cases} cases");
}

/// One target at a time: concurrent targets would share their time.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn round<S>(strategy: &S, cases: u32, rng: TestRng, property: fn(S::Value) -> TestCaseResult)
where
    S: Strategy,
    S::Value: Clone + Debug + Send + 'static,
{
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 4096, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let worker = Worker::start(property);
    let held = runner.run(strategy, |case| worker.check(case));
    if let Err(TestError::Fail(reason, case)) = held {
        panic!("{reason}\nthe smallest case: {case:#?}");
    }
}

/// Checks the property on its own thread, to detect one that never ends.
struct Worker<V> {
    cases: mpsc::Sender<V>,
    results: mpsc::Receiver<TestCaseResult>,
}

impl<V: Clone + Debug + Send + 'static> Worker<V> {
    fn start(property: fn(V) -> TestCaseResult) -> Self {
        let (cases, inbox) = mpsc::channel::<V>();
        let (outbox, results) = mpsc::channel();
        std::thread::spawn(move || {
            for case in inbox {
                let held = std::panic::catch_unwind(AssertUnwindSafe(|| property(case)));
                let held = held.unwrap_or_else(|panic| {
                    let text = panic.downcast_ref::<String>().cloned();
                    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                    Err(TestCaseError::fail(text.unwrap_or_default()))
                });
                if outbox.send(held).is_err() {
                    return;
                }
            }
        });
        Self { cases, results }
    }

    fn check(&self, case: V) -> TestCaseResult {
        self.cases.send(case.clone()).expect("a thread that takes cases");
        match self.results.recv_timeout(BOUND) {
            Ok(held) => held,
            // no shrinking: the thread still runs
            Err(RecvTimeoutError::Timeout) => {
                eprintln!("a case took longer than {BOUND:?}: {case:#?}");
                std::process::abort();
            }
            Err(RecvTimeoutError::Disconnected) => panic!("the thread ended"),
        }
    }
}
