//! The file is JSON at every instant, says what the journal says, and costs no more the longer it gets.

use std::sync::Arc;

use super::*;
use crate::clock::Timestamp;
use crate::event::*;
use crate::experiment::{Experiment, RollbackStrategy, json};
use crate::journal::{JournalBuilder, JournalHeader};

/// A file in memory that patches are applied to.
#[derive(Default)]
struct Copies {
    files: [Vec<u8>; 2],
    next: usize,
    written: usize,
}

impl Copies {
    /// What the journal's file does: patch the hidden copy, make it the visible one.
    fn update(&mut self, live: &mut LiveLayout, recorder: &JournalBuilder) -> &[u8] {
        let file = &mut self.files[self.next];
        match live.patch(self.next, recorder) {
            FilePatch::Nothing => {}
            FilePatch::Whole(bytes) => {
                self.written += bytes.len();
                *file = bytes;
            }
            FilePatch::Parts(parts) => {
                for (offset, bytes) in parts {
                    self.written += bytes.len();
                    let offset = usize::try_from(offset).unwrap();
                    file[offset..offset + bytes.len()].copy_from_slice(&bytes);
                }
            }
        }
        let visible = self.next;
        self.next = 1 - self.next;
        &self.files[visible]
    }
}

struct SimulatedRun {
    recorder: JournalBuilder,
    live: LiveLayout,
    copies: Copies,
    activity: Arc<crate::experiment::Activity>,
    id: u64,
    clock: i64,
}

impl SimulatedRun {
    fn new() -> Self {
        let text = r#"{"title": "t", "description": "d", "method": [{"type": "action", "name": "a",
            "provider": {"type": "process", "path": "true"}}]}"#;
        let experiment = Experiment::read(&json::read(text, "f").unwrap()).unwrap();
        let activity = experiment.method[0].activity.clone().unwrap();
        let header = JournalHeader { run_id: "id".to_owned(), version: "0", ..JournalHeader::default() };
        let mut run = Self {
            recorder: JournalBuilder::new(header),
            live: LiveLayout::default(),
            copies: Copies::default(),
            activity,
            id: 0,
            clock: 1_000_000,
        };
        let plan = RunPlan {
            hypothesis: HypothesisStrategy::Continuously,
            has_hypothesis: true,
            rollbacks: RollbackStrategy::Default,
            declared_rollbacks: 0,
        };
        let at = run.now();
        run.emit(&RunEvent::RunStarted(Box::new(RunStarted {
            experiment: Arc::new(experiment.document),
            title: "t".to_owned(),
            plan,
            dry: None,
            at,
        })));
        run
    }

    fn now(&mut self) -> Timestamp {
        self.clock += 1000;
        Timestamp::from_micros(self.clock)
    }

    fn emit(&mut self, event: &RunEvent) {
        let changes = self.recorder.record(event);
        self.live.mark_changed(&changes.parts);
    }

    fn start(&mut self, phase: RunPhase) -> u64 {
        self.id += 1;
        let (at, id) = (self.now(), self.id);
        let document = Arc::clone(&self.activity.document);
        let activity = Arc::clone(&self.activity);
        self.emit(&RunEvent::ActivityStarted(ActivityStarted {
            id,
            activity,
            document,
            phase,
            background: false,
            at,
        }));
        id
    }

    fn finish(&mut self, id: u64, output: &str) {
        let at = self.now();
        let (activity, outcome) = (Arc::clone(&self.activity), ActivityOutcome::Succeeded(output.into()));
        self.emit(&RunEvent::ActivityFinished(Box::new(ActivityFinished {
            id,
            activity,
            outcome,
            dry: false,
            at,
        })));
    }

    fn look(&mut self, phase: RunPhase, output: &str) {
        self.emit(&RunEvent::HypothesisStarted { phase, title: "h".to_owned() });
        let id = self.start(phase);
        self.finish(id, output);
        self.emit(&RunEvent::ToleranceChecked { id, verdict: None, judged: None });
        let (outcome, probe) = (Some(HypothesisOutcome::Unmet), "a".to_owned());
        self.emit(&RunEvent::HypothesisFinished { phase, iteration: 1, outcome, probe });
    }

    /// The visible file, which has to say what the journal says.
    fn check(&mut self) {
        let file = self.copies.update(&mut self.live, &self.recorder);
        let actual: serde_json::Value = serde_json::from_slice(file).expect("the file is JSON");
        let mut expected = serde_json::to_value(self.recorder.journal()).unwrap();
        // what is looked at just now shows before it is over
        for phase in ["before", "after"] {
            if expected["steady_states"][phase].is_null() {
                expected["steady_states"][phase] = actual["steady_states"][phase].clone();
            }
        }
        assert_eq!(actual, expected);
    }
}

#[test]
fn a_random_run_is_readable_after_every_event() {
    let mut seed: u64 = 7;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut run = SimulatedRun::new();
    run.check();
    run.look(RunPhase::Before, "fine");
    run.check();
    let mut open = Vec::new();
    for _ in 0..600 {
        match random(6) {
            0 | 1 => open.push(run.start(RunPhase::Method)),
            2 | 3 if !open.is_empty() => {
                let id = open.remove(usize::try_from(random(open.len() as u64)).unwrap());
                let long = "x".repeat(usize::try_from(random(900)).unwrap());
                run.finish(id, &long);
            }
            4 => run.look(RunPhase::During, "é🎉"),
            _ => {}
        }
        // several events may come between two updates
        if random(3) > 0 {
            run.check();
        }
    }
    run.look(RunPhase::After, "gone");
    let id = run.start(RunPhase::Rollbacks);
    run.check();
    run.finish(id, "back");
    run.check();
    run.check();
}

#[test]
fn cost_of_updates_is_linear() {
    let cost = |activities: usize| {
        let mut run = SimulatedRun::new();
        for _ in 0..activities {
            let id = run.start(RunPhase::Method);
            run.copies.update(&mut run.live, &run.recorder);
            run.finish(id, "an output of some length");
            run.copies.update(&mut run.live, &run.recorder);
            run.look(RunPhase::During, "ok");
            run.copies.update(&mut run.live, &run.recorder);
        }
        run.check();
        run.copies.written
    };
    let (few, many) = (cost(200), cost(2000));
    assert!(many < few * 14, "{few} bytes for 200, {many} for 2000");
}

#[test]
fn lost_copy_is_rewritten() {
    let mut run = SimulatedRun::new();
    run.check();
    run.check();
    run.start(RunPhase::Method);
    run.copies.files = [Vec::new(), Vec::new()];
    run.live.invalidate(0);
    run.live.invalidate(1);
    assert!(run.live.is_behind(0));
    run.check();
    run.check();
    assert!(!run.live.is_behind(0) && !run.live.is_behind(1));
}
