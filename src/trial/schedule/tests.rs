//! The order of runs and the end of a trial, by the results of its runs.

use proptest::prelude::*;

use super::*;

const VOID: RunResult = RunResult::Void(None);
const NO_TARGET: RunResult = RunResult::Void(Some(LastingCause::NoTarget));

/// Plays a schedule; the runs in progress end in the order in which they started. Returns the runs and the end.
fn play(
    schedule: &mut Schedule,
    mut result: impl FnMut(ScheduledRun) -> RunResult,
) -> (Vec<ScheduledRun>, TrialEnd) {
    let (mut all, mut running) = (Vec::new(), Vec::new());
    loop {
        running.extend(schedule.next_runs());
        if running.is_empty() {
            return (all, schedule.end().expect("a schedule without runs has ended"));
        }
        let run = running.remove(0);
        all.push(run);
        schedule.record(run, result(run));
    }
}

/// Returns the runs as text: arm, pair and, in brackets, the number within the arm if it is another.
fn labels(runs: &[ScheduledRun]) -> String {
    let label = |run: &ScheduledRun| {
        let arm = &run.arm.name()[..1];
        if run.repeat == run.pair {
            format!("{arm}{}", run.pair)
        } else {
            format!("{arm}{}({})", run.pair, run.repeat)
        }
    };
    runs.iter().map(label).collect::<Vec<_>>().join(" ")
}

/// A seed whose first run is of the arm before the change.
fn seed_of(arm: Arm) -> u64 {
    let first = |seed: &u64| {
        let mut schedule = Schedule::new(Repetition::Fixed(1), Concurrency::Sequential, *seed);
        schedule.next_runs()[0].arm
    };
    (0..20).find(|seed| first(seed) == arm).unwrap()
}

fn schedule(repetition: Repetition, concurrency: Concurrency) -> Schedule {
    Schedule::new(repetition, concurrency, seed_of(Arm::Before))
}

const AUTO: Repetition = Repetition::Auto { max_pairs: 10 };

#[test]
fn fixed_pairs_alternate_and_seed_draws_the_first() {
    let order = |arm| {
        let mut schedule = Schedule::new(Repetition::Fixed(3), Concurrency::Sequential, seed_of(arm));
        let (runs, end) = play(&mut schedule, |_| RunResult::Failed);
        assert_eq!(end, TrialEnd::AllRuns);
        labels(&runs)
    };
    assert_eq!(order(Arm::Before), "b1 a1 a2 b2 b3 a3");
    assert_eq!(order(Arm::After), "a1 b1 b2 a2 a3 b3");
}

#[test]
fn concurrency_limits_the_runs_in_progress() {
    let check = |concurrency, expected: &[&str]| {
        let mut schedule = schedule(Repetition::Fixed(4), concurrency);
        let mut seen = Vec::new();
        loop {
            let runs = schedule.next_runs();
            if runs.is_empty() {
                break;
            }
            seen.push(labels(&runs));
            for run in runs {
                schedule.record(run, RunResult::Held);
            }
        }
        assert_eq!(seen, expected, "{concurrency:?}");
    };
    check(Concurrency::Sequential, &["b1", "a1", "a2", "b2", "b3", "a3", "a4", "b4"]);
    check(Concurrency::Pairs(1), &["b1 a1", "a2 b2", "b3 a3", "a4 b4"]);
    check(Concurrency::Pairs(3), &["b1 a1 a2 b2 b3 a3", "a4 b4"]);
    check(Concurrency::Pairs(9), &["b1 a1 a2 b2 b3 a3 a4 b4"]);
}

#[test]
fn auto_ends_with_the_pair_that_decides() {
    let check = |max_pairs: u32, failed_before: &[u32], failed_after: &[u32], pairs: u32, reason: &str| {
        let mut schedule = schedule(Repetition::Auto { max_pairs }, Concurrency::Pairs(1));
        let (runs, end) = play(&mut schedule, |run| {
            let failed = if run.arm == Arm::Before { failed_before } else { failed_after };
            if failed.contains(&run.pair) { RunResult::Failed } else { RunResult::Held }
        });
        let TrialEnd::Race { reason: found, counts } = end else { panic!("{end:?}") };
        assert_eq!((counts.pairs, runs.len()), (pairs, 2 * pairs as usize), "{failed_before:?}");
        assert!(format!("{found:?}").starts_with(reason), "{failed_before:?}: {found:?}");
    };
    let all: Vec<u32> = (1..=20).collect();
    check(10, &all, &[], 3, "CleanSplit");
    check(10, &[], &all, 3, "CleanSplit");
    check(10, &[], &[], 5, "SameOutcome");
    check(10, &all, &all, 5, "SameOutcome");
    check(20, &[1, 3, 4, 7, 9], &[], 9, "Lead");
    check(3, &[1, 2], &[], 3, "MaxPairs");
    check(1, &[1], &[], 1, "MaxPairs");
}

#[test]
fn void_run_is_repeated_after_its_pair() {
    let mut voids = vec![(Arm::Before, 1), (Arm::After, 3)];
    let mut schedule = schedule(AUTO, Concurrency::Pairs(1));
    let (runs, end) = play(&mut schedule, |run| {
        if let Some(index) = voids.iter().position(|void| *void == (run.arm, run.repeat)) {
            voids.remove(index);
            return VOID;
        }
        if run.arm == Arm::Before { RunResult::Failed } else { RunResult::Held }
    });
    assert_eq!(labels(&runs), "b1 a1 b1(2) a2 b2(3) b3(4) a3 a3(4)");
    assert!(matches!(end, TrialEnd::Race { counts: PairCounts { pairs: 3, .. }, .. }), "{end:?}");
}

#[test]
fn lasting_void_twice_in_a_row_ends_the_trial() {
    let check = |repetition, cause: Option<LastingCause>, expected: Option<&str>| {
        let mut schedule = schedule(repetition, Concurrency::Sequential);
        let (runs, end) = play(&mut schedule, |run| match run.arm {
            Arm::Before => RunResult::Failed,
            Arm::After => RunResult::Void(cause),
        });
        let is_repeated = cause.is_some_and(|cause| end == TrialEnd::RepeatedVoid { arm: Arm::After, cause });
        assert_eq!(
            is_repeated.then(|| labels(&runs)).as_deref(),
            expected,
            "{repetition:?} {cause:?} {end:?}"
        );
    };
    check(AUTO, Some(LastingCause::NotReady), Some("b1 a1 a1(2)"));
    check(AUTO, Some(LastingCause::NoTarget), Some("b1 a1 a1(2)"));
    check(AUTO, Some(LastingCause::NoProbes), Some("b1 a1 a1(2)"));
    check(AUTO, None, None);
    check(Repetition::Fixed(5), Some(LastingCause::NoTarget), Some("b1 a1 a2"));
    check(Repetition::Fixed(5), None, None);
}

#[test]
fn different_causes_are_no_repeated_void() {
    let mut schedule = schedule(AUTO, Concurrency::Sequential);
    let (_, end) = play(&mut schedule, |run| match (run.arm, run.repeat) {
        (Arm::After, 1) => NO_TARGET,
        (Arm::After, 2) => RunResult::Void(Some(LastingCause::NotReady)),
        (Arm::Before, _) => RunResult::Failed,
        _ => RunResult::Held,
    });
    assert!(matches!(end, TrialEnd::Race { counts: PairCounts { pairs: 3, .. }, .. }), "{end:?}");
}

#[test]
fn replays_are_limited_per_pair_and_per_arm() {
    let check = |max_pairs, is_void: &dyn Fn(ScheduledRun) -> bool, runs_of_arm: usize| {
        let mut schedule = schedule(Repetition::Auto { max_pairs }, Concurrency::Pairs(1));
        // the arms stay equal, so that only void runs end the trial early
        let (runs, end) = play(&mut schedule, |run| match is_void(run) {
            true => VOID,
            false if run.pair.is_multiple_of(2) => RunResult::Held,
            false => RunResult::Failed,
        });
        assert_eq!(end, TrialEnd::TooManyVoid { arm: Arm::After }, "{max_pairs}");
        assert_eq!(runs.iter().filter(|run| run.arm == Arm::After).count(), runs_of_arm, "{max_pairs}");
    };
    // twice in the first pair
    check(10, &|run| run.arm == Arm::After, 3);
    // M/2 times: one in each of the first two pairs, and no third
    check(4, &|run| run.arm == Arm::After && [1, 3, 5].contains(&run.repeat), 5);
    check(1, &|run| run.arm == Arm::After, 1);
}

#[test]
fn pairs_count_in_their_order_whichever_ends_first() {
    let mut schedule = schedule(AUTO, Concurrency::Pairs(4));
    let runs = schedule.next_runs();
    assert_eq!(labels(&runs), "b1 a1 a2 b2 b3 a3 a4 b4");
    let result = |run: &ScheduledRun| match run.arm {
        Arm::Before => RunResult::Failed,
        Arm::After => RunResult::Held,
    };
    for run in runs[2..].iter().rev() {
        schedule.record(*run, result(run));
        assert_eq!((schedule.counts().pairs, schedule.end()), (0, None));
    }
    schedule.record(runs[0], result(&runs[0]));
    schedule.record(runs[1], result(&runs[1]));
    // the fourth pair ended before the third was known: it does not count
    assert!(matches!(schedule.end(), Some(TrialEnd::Race { counts: PairCounts { pairs: 3, .. }, .. })));
    assert_eq!(schedule.next_runs(), []);
}

#[test]
fn earlier_runs_before_the_change_leave_only_the_other_arm() {
    let mut schedule = Schedule::after_only(3, Concurrency::Sequential);
    let (runs, end) = play(&mut schedule, |_| RunResult::Held);
    assert_eq!((labels(&runs).as_str(), end), ("a1 a2 a3", TrialEnd::AllRuns));
}

fn any_result() -> impl Strategy<Value = RunResult> {
    prop_oneof![
        4 => Just(RunResult::Held),
        4 => Just(RunResult::Failed),
        1 => Just(VOID),
        1 => Just(NO_TARGET),
        1 => Just(RunResult::Void(Some(LastingCause::NotReady))),
    ]
}

proptest! {
    #[test]
    fn trial_always_ends_within_its_limits(
        max_pairs in 1_u32..=20,
        is_auto in any::<bool>(),
        at_once in 0_u32..=5,
        seed in any::<u64>(),
        results in prop::collection::vec((any_result(), any::<prop::sample::Index>()), 80),
    ) {
        let repetition = if is_auto { Repetition::Auto { max_pairs } } else { Repetition::Fixed(max_pairs) };
        let concurrency = if at_once == 0 { Concurrency::Sequential } else { Concurrency::Pairs(at_once) };
        let mut schedule = Schedule::new(repetition, concurrency, seed);
        let (mut running, mut started): (Vec<ScheduledRun>, Vec<ScheduledRun>) = (Vec::new(), Vec::new());
        let mut results = results.into_iter();
        loop {
            let new = schedule.next_runs();
            prop_assert!(schedule.end().is_none() || new.is_empty());
            started.extend(&new);
            running.extend(new);
            if running.is_empty() {
                break;
            }
            prop_assert!(running.len() <= 2 * at_once.max(1) as usize);
            prop_assert!(at_once > 0 || running.len() == 1);
            // any of the runs in progress ends next
            let (result, index) = results.next().expect("at most 3 * 20 runs");
            let run = running.remove(index.index(running.len()));
            schedule.record(run, result);
        }
        prop_assert!(schedule.end().is_some());
        for arm in [Arm::Before, Arm::After] {
            let repeats: Vec<u32> = started.iter().filter(|run| run.arm == arm).map(|run| run.repeat).collect();
            prop_assert_eq!(&repeats, &(1..=u32::try_from(repeats.len()).unwrap()).collect::<Vec<_>>());
            prop_assert!(repeats.len() <= (max_pairs + repetition.max_replays_per_arm()) as usize);
            for pair in 1..=max_pairs {
                let of_pair = started.iter().filter(|run| run.arm == arm && run.pair == pair).count();
                prop_assert!(of_pair <= 3);
            }
        }
        prop_assert!(schedule.counts().pairs <= max_pairs);
    }
}
