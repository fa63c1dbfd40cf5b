//! Event watchers: for every order of events, the journal is valid JSON at any time.

use std::sync::Arc;

use kubectl_chaos::clock::Timestamp;
use kubectl_chaos::console::{ProgressState, event_lines};
use kubectl_chaos::error_code::ErrorCode;
use kubectl_chaos::event::{
    ActivityFinished, ActivityOutcome, ActivityStarted, HypothesisOutcome, Interrupt, RunEvent, RunPhase,
    RunPlan, RunStarted, RunStatus, Signal,
};
use kubectl_chaos::experiment::{Activity, DryRun, Experiment, HypothesisStrategy, RollbackStrategy, json};
use kubectl_chaos::journal::{
    EventSerializer, FilePatch, JournalBuilder, JournalHeader, LiveLayout, OutputContext, Record, Strictness,
    judge, run_document,
};
use kubectl_chaos::mutation::{Effect, EffectState, Target};
use kubectl_chaos::tolerance::ToleranceResult;
use kubectl_chaos::value::Value;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::fuzz;
use super::strategies::{text, value};

const PHASES: [RunPhase; 5] =
    [RunPhase::Before, RunPhase::Method, RunPhase::During, RunPhase::After, RunPhase::Rollbacks];

/// The parts of an event. Events themselves cannot be copied.
#[derive(Clone, Debug)]
struct Seed {
    kind: u8,
    id: u64,
    phase: RunPhase,
    choice: u8,
    at: i64,
    text: String,
    value: Value,
    /// Whether the copy of the file is updated after it.
    written: bool,
}

fn seed() -> impl Strategy<Value = Seed> {
    // most of the time activities begin and end; the clock may go backwards
    let kind = prop_oneof![5 => 20_u8..24, 3 => 0_u8..27];
    (kind, 0..6_u64, select(&PHASES[..]), any::<u8>(), -5_i64..1_000_000_000, text(), value(), any::<bool>())
        .prop_map(|(kind, id, phase, choice, at, text, value, written)| Seed {
            kind,
            id,
            phase,
            choice,
            at,
            text,
            value,
            written,
        })
}

/// An action and a probe.
fn activities() -> [Arc<Activity>; 2] {
    let text = r#"{"title": "t", "method": [
        {"type": "action", "name": "a", "provider": {"type": "process", "path": "true"}},
        {"type": "probe", "name": "p", "tolerance": {"type": "probe", "name": "j", "provider":
            {"type": "process", "path": "true", "arguments": {}}}, "provider": {"type": "process", "path": "true"}}]}"#;
    let experiment = Experiment::read(&json::read(text, "f").unwrap()).unwrap();
    [0, 1].map(|index| Arc::clone(experiment.method[index].activity.as_ref().unwrap()))
}

fn interrupt(seed: &Seed) -> Interrupt {
    match seed.choice % 6 {
        0 => Interrupt::control(&seed.text, &seed.text),
        1 => Interrupt::safeguard(&seed.text, &seed.text),
        2 => Interrupt::fail_fast(),
        3 => Interrupt::timeout(1.0),
        4 => Interrupt::signal(Signal::Usr1, true),
        _ => Interrupt::signal(Signal::Int, false),
    }
}

fn event(seed: &Seed, activities: &[Arc<Activity>; 2]) -> RunEvent {
    let Seed { id, phase, choice, .. } = *seed;
    let (text, value) = (seed.text.clone(), seed.value.clone());
    let at = Timestamp::from_micros(seed.at);
    let odd = choice % 2 == 1;
    // an id belongs to one activity
    let activity = Arc::clone(&activities[usize::from(id % 2 == 1)]);
    let outcome = match choice % 4 {
        0 => ActivityOutcome::Succeeded(value.clone()),
        1 => ActivityOutcome::Failed(text.clone()),
        2 => ActivityOutcome::Errored(text.clone()),
        _ => ActivityOutcome::Cut,
    };
    let plan = RunPlan {
        hypothesis: HypothesisStrategy::Default,
        has_hypothesis: odd,
        rollbacks: RollbackStrategy::Always,
        declared_rollbacks: choice.into(),
    };
    let count = usize::from(choice);
    match seed.kind {
        0 => RunEvent::ActivityCalled { activity, name: text, outcome },
        1 => RunEvent::ConfigurationResolved { failed: vec![text] },
        2 => RunEvent::RunStarted(Box::new(RunStarted {
            experiment: Arc::new(value),
            title: text,
            plan,
            dry: odd.then_some(DryRun::Probes),
            at,
        })),
        3 => RunEvent::ContinuousStarted { frequency: value },
        4 => RunEvent::HypothesisStarted { phase, title: text },
        5 | 24 => {
            let outcome = [
                Some(HypothesisOutcome::Met),
                Some(HypothesisOutcome::Unmet),
                Some(HypothesisOutcome::Failed),
                None,
            ];
            RunEvent::HypothesisFinished {
                phase,
                iteration: id,
                outcome: outcome[usize::from(choice % 4)],
                probe: text,
            }
        }
        6 => RunEvent::FailedFast { ratio: f64::from(choice) },
        7 => RunEvent::ContinuousFinished { error: odd.then_some(text) },
        8 => RunEvent::MethodStarted { activities: count },
        9 => RunEvent::MethodFinished,
        10 => RunEvent::RollbacksDecided { strategy: RollbackStrategy::Always, played: odd, declared: count },
        11 => RunEvent::RollbacksStarted { activities: count },
        12 => RunEvent::RollbackReached { name: odd.then_some(text) },
        13 => RunEvent::RollbacksFinished,
        14 => RunEvent::PauseStarted { name: text, before: odd, seconds: value, slept: !odd },
        15 => RunEvent::PauseFinished { name: text },
        16 => RunEvent::BackgroundAwaited { activities: count },
        17 => RunEvent::SignalReceived { signal: Signal::Usr2 },
        18 => RunEvent::Interrupted { phase, interrupt: interrupt(seed) },
        19 if odd => RunEvent::ActivityNoted { name: text.clone(), text },
        19 => RunEvent::Aborted {
            phase,
            error: text,
            code: (choice % 3 == 0).then_some(ErrorCode::InternalPanic),
        },
        20 | 21 => RunEvent::ActivityStarted(ActivityStarted {
            id,
            document: if odd { Arc::new(value) } else { Arc::clone(&activity.document) },
            activity,
            phase,
            background: odd,
            at,
        }),
        22 => RunEvent::ActivityFinished(Box::new(ActivityFinished { id, activity, outcome, dry: odd, at })),
        23 => {
            let verdict = ToleranceResult { met: odd, expected: text.clone(), actual: value.clone() };
            if choice % 5 == 0 {
                return RunEvent::MethodToleranceChecked { id, name: text, verdict: Some(verdict) };
            }
            RunEvent::ToleranceChecked {
                id,
                verdict: (choice % 3 > 0).then_some(verdict),
                judged: odd.then_some(value),
            }
        }
        25 if odd => {
            let target = Target { kind: text.clone(), namespace: None, name: text.clone(), uid: text };
            RunEvent::TargetsRecorded { id, targets: vec![target; count % 3] }
        }
        25 => {
            let state = [EffectState::Confirmed, EffectState::Mismatch, EffectState::Unknown][count % 3];
            let effect = Effect { state, asked_at: at, effective_at: Some(at), detail: text };
            RunEvent::EffectObserved { id, name: value.python_text().into_owned(), effect }
        }
        _ => {
            let status =
                [RunStatus::Completed, RunStatus::Failed, RunStatus::Aborted, RunStatus::Interrupted]
                    [count % 4];
            RunEvent::RunFinished { status, deviated: odd, at }
        }
    }
}

/// The two copies of the file. One of them is visible.
#[derive(Default)]
struct Copies {
    files: [Vec<u8>; 2],
    next: usize,
}

impl Copies {
    fn update(&mut self, live: &mut LiveLayout, recorder: &JournalBuilder) -> Result<Value, TestCaseError> {
        let file = &mut self.files[self.next];
        match live.patch(self.next, recorder) {
            FilePatch::Nothing => {}
            FilePatch::Whole(bytes) => *file = bytes,
            FilePatch::Parts(parts) => {
                for (offset, bytes) in parts {
                    let offset = usize::try_from(offset).unwrap();
                    file[offset..offset + bytes.len()].copy_from_slice(&bytes);
                }
            }
        }
        self.next = 1 - self.next;
        let text = String::from_utf8_lossy(file);
        let read = json::read(&text, "journal");
        read.map(|document| document.root.to_value())
            .map_err(|fault| TestCaseError::fail(format!("{fault}\n{text}")))
    }
}

/// The number of items at a place.
fn items(journal: &Value, way: &[&str]) -> Option<usize> {
    way.iter().try_fold(journal, |value, key| value.get(key))?.as_list().map(<[_]>::len)
}

#[test]
fn events_in_any_order_give_valid_journal() {
    let seeds = || vec(seed(), 0..40);
    fuzz("events", seeds, |seeds| {
        let activities = activities();
        let header = JournalHeader { run_id: "id".to_owned(), version: "0", ..JournalHeader::default() };
        let (mut recorder, mut live, mut copies) =
            (JournalBuilder::new(header), LiveLayout::default(), Copies::default());
        let (mut log, mut progress) = (EventSerializer::default(), ProgressState::default());
        for seed in &seeds {
            let event = event(seed, &activities);
            live.mark_changed(&recorder.record(&event).parts);
            for line in log.lines(&event).lines() {
                let read = json::read(line, "events");
                prop_assert!(read.is_ok_and(|line| line.root.get("type").is_some()), "{line}");
            }
            event_lines(&event);
            progress.update(&event, Timestamp::from_micros(seed.at));
            progress.line(Timestamp::from_micros(seed.at));
            if seed.written {
                let written = copies.update(&mut live, &recorder)?;
                let journal = recorder.journal();
                prop_assert_eq!(items(&written, &["run"]), Some(journal.run.len()));
                prop_assert_eq!(items(&written, &["rollbacks"]), Some(journal.rollbacks.len()));
                let during = journal.steady_states.during.len();
                prop_assert_eq!(items(&written, &["steady_states", "during"]), Some(during));
                let actions = journal.actions().len();
                prop_assert_eq!(items(&written, &["kubectl-chaos", "activities"]), Some(actions));
            }
        }
        let strictness = if seeds.len() % 2 == 0 { Strictness::Strict } else { Strictness::Lenient };
        let (verdict, reason) = judge(recorder.journal(), strictness);
        let journal = recorder.finish(verdict, Some(reason), 0);
        prop_assert!(json::read(&journal.to_json(), "journal").is_ok());
        if journal.experiment.as_map().is_some() {
            let read = Record::read("journal", journal.to_json()).unwrap().content;
            prop_assert_eq!(judge(&read, strictness).0, verdict);
        }
        let told = run_document(&journal, &OutputContext::default());
        prop_assert_eq!(told.get("exit_code"), Some(&Value::Int(0)));
        Ok(())
    });
}
