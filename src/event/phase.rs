//! The phases of a run and what follows what: a pure function of strategies, state and interrupt. Floor 0.

use serde::Serialize;

use super::Interrupt;
use crate::experiment::{HypothesisStrategy, RollbackStrategy};

/// Where in a run something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The hypothesis before the method.
    Before,
    /// The method.
    Method,
    /// The hypothesis while the method runs.
    During,
    /// The hypothesis after the method.
    After,
    /// Rollbacks.
    Rollbacks,
}

impl Phase {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Method => "method",
            Self::During => "during",
            Self::After => "after",
            Self::Rollbacks => "rollbacks",
        }
    }
}

/// How a run ended, by the words of the Chaos Toolkit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It came to its end, whatever it found.
    Completed,
    /// A probe of the hypothesis could not be carried out, or the run failed fast.
    Failed,
    /// An unexpected error ended it.
    Aborted,
    /// It was cut short.
    Interrupted,
}

impl Status {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What came of looking at the hypothesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HypothesisOutcome {
    /// Every probe was within its tolerance.
    Met,
    /// A probe was not.
    Unmet,
    /// A probe could not be carried out.
    Failed,
}

/// What a run is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// When the hypothesis is looked at.
    pub hypothesis: HypothesisStrategy,
    /// Whether there is a hypothesis with probes.
    pub has_hypothesis: bool,
    /// When rollbacks are played.
    pub rollbacks: RollbackStrategy,
    /// How many rollbacks there are.
    pub declared_rollbacks: usize,
}

/// What a run has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Its status; none while nothing has decided it.
    pub status: Option<Status>,
    /// Whether the hypothesis was not met after the method.
    pub deviated: bool,
    /// Whether the hypothesis before the method was met, if it was looked at.
    pub baseline_met: Option<bool>,
}

impl State {
    /// Takes in what came of the hypothesis.
    pub fn hypothesis(&mut self, phase: Phase, outcome: HypothesisOutcome) {
        let status = if outcome == HypothesisOutcome::Failed { Status::Failed } else { Status::Completed };
        match (phase, outcome) {
            (Phase::Before, HypothesisOutcome::Met) => self.baseline_met = Some(true),
            (Phase::Before, _) => {
                self.baseline_met = Some(false);
                self.status = Some(status);
            }
            (Phase::After, HypothesisOutcome::Unmet | HypothesisOutcome::Failed) => {
                // the second look overrides what failing fast said
                self.deviated = true;
                self.status = Some(status);
            }
            _ => {}
        }
    }

    /// Whether the method goes on to its next activity.
    pub fn goes_on(&self) -> bool {
        !matches!(self.status, Some(Status::Aborted | Status::Failed | Status::Interrupted))
    }
}

/// The parts of a run, in their order. The hypothesis during the method belongs to the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The hypothesis before the method.
    Before,
    /// The method.
    Method,
    /// The hypothesis after the method.
    After,
    /// Rollbacks.
    Rollbacks,
    /// Nothing more.
    End,
}

/// What comes after `done` (or first), given what the run is to do, what it has come to, and what cut it short.
pub fn next_stage(done: Option<Stage>, plan: &Plan, state: State, interrupt: Option<&Interrupt>) -> Stage {
    let cut = interrupt.is_some_and(|i| i.urgency != super::Urgency::FailFast);
    let stopped = cut || matches!(state.status, Some(Status::Interrupted | Status::Aborted));
    match done {
        None if stopped => rollbacks(plan, state, interrupt),
        None if plan.has_hypothesis && plan.hypothesis.before() => Stage::Before,
        Some(Stage::Before) if stopped || state.baseline_met == Some(false) => {
            rollbacks(plan, state, interrupt)
        }
        None | Some(Stage::Before) => Stage::Method,
        Some(Stage::Method) if !stopped && plan.has_hypothesis && plan.hypothesis.after() => Stage::After,
        Some(Stage::Method | Stage::After) => rollbacks(plan, state, interrupt),
        Some(Stage::Rollbacks | Stage::End) => Stage::End,
    }
}

fn rollbacks(plan: &Plan, state: State, interrupt: Option<&Interrupt>) -> Stage {
    if plays_rollbacks(&plan.rollbacks, state, interrupt) { Stage::Rollbacks } else { Stage::End }
}

/// Whether rollbacks are played.
pub fn plays_rollbacks(strategy: &RollbackStrategy, state: State, interrupt: Option<&Interrupt>) -> bool {
    if interrupt.is_some_and(Interrupt::forbids_rollbacks) {
        return false;
    }
    match strategy {
        RollbackStrategy::Always => true,
        RollbackStrategy::Never | RollbackStrategy::Unknown(_) => false,
        RollbackStrategy::Deviated => state.deviated,
        RollbackStrategy::Default => !matches!(state.status, Some(Status::Failed | Status::Interrupted)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Signal;
    use HypothesisOutcome::{Failed, Met, Unmet};

    /// What happens in one stage of a simulated run.
    #[derive(Clone, Copy, Debug)]
    enum Happens {
        Hypothesis(HypothesisOutcome),
        Abort,
        FailFast,
        Control,
        Signal(Signal),
    }

    /// Plays a run: `(stage, what happens)`; every other stage goes well. Gives the stages, the status and
    /// whether it deviated.
    fn play(
        strategy: HypothesisStrategy,
        rollbacks: RollbackStrategy,
        script: &[(Stage, Happens)],
    ) -> String {
        let plan = Plan { hypothesis: strategy, has_hypothesis: true, rollbacks, declared_rollbacks: 1 };
        let mut state = State::default();
        let mut interrupt: Option<Interrupt> = None;
        let mut stages = String::new();
        let mut done = None;
        loop {
            let stage = next_stage(done, &plan, state, interrupt.as_ref());
            stages += match stage {
                Stage::Before => "b",
                Stage::Method => "m",
                Stage::After => "a",
                Stage::Rollbacks => "r",
                Stage::End => break,
            };
            let happens = script.iter().find(|(at, _)| *at == stage).map(|(_, happens)| *happens);
            let phase = if stage == Stage::Before { Phase::Before } else { Phase::After };
            match happens {
                Some(Happens::Hypothesis(outcome)) => state.hypothesis(phase, outcome),
                Some(Happens::Abort) => state.status = Some(Status::Aborted),
                Some(Happens::FailFast) => {
                    state.status = Some(Status::Failed);
                    interrupt = Some(Interrupt::fail_fast());
                }
                Some(Happens::Control) => {
                    state.status = Some(Status::Interrupted);
                    interrupt = Some(Interrupt::control("c", "r"));
                }
                Some(Happens::Signal(signal)) => {
                    state.status = Some(Status::Interrupted);
                    interrupt = Some(Interrupt::signal(signal, true));
                }
                None if matches!(stage, Stage::Before | Stage::After) => state.hypothesis(phase, Met),
                None => {}
            }
            done = Some(stage);
        }
        let status = state.status.unwrap_or(Status::Completed).name();
        format!("{stages} {status}{}", if state.deviated { " deviated" } else { "" })
    }

    #[test]
    fn every_strategy_and_every_end() {
        use HypothesisStrategy as H;
        use RollbackStrategy as R;
        type Row<'a> = (H, &'a [(Stage, Happens)], [&'a str; 4]);
        // for each script: what comes of it with rollbacks by default, always, never, deviated
        let hypothesis = Happens::Hypothesis;
        let rows: &[Row<'_>] = &[
            (H::Default, &[], ["bmar completed", "bmar completed", "bma completed", "bma completed"]),
            (H::BeforeMethodOnly, &[], ["bmr completed", "bmr completed", "bm completed", "bm completed"]),
            (H::AfterMethodOnly, &[], ["mar completed", "mar completed", "ma completed", "ma completed"]),
            (H::DuringMethodOnly, &[], ["mr completed", "mr completed", "m completed", "m completed"]),
            (H::Continuously, &[], ["bmar completed", "bmar completed", "bma completed", "bma completed"]),
            (H::Skip, &[], ["mr completed", "mr completed", "m completed", "m completed"]),
            // the gate
            (
                H::Default,
                &[(Stage::Before, hypothesis(Unmet))],
                ["br completed", "br completed", "b completed", "b completed"],
            ),
            (
                H::Default,
                &[(Stage::Before, hypothesis(Failed))],
                ["b failed", "br failed", "b failed", "b failed"],
            ),
            // after the method
            (
                H::Default,
                &[(Stage::After, hypothesis(Unmet))],
                [
                    "bmar completed deviated",
                    "bmar completed deviated",
                    "bma completed deviated",
                    "bmar completed deviated",
                ],
            ),
            (
                H::Default,
                &[(Stage::After, hypothesis(Failed))],
                [
                    "bma failed deviated",
                    "bmar failed deviated",
                    "bma failed deviated",
                    "bmar failed deviated",
                ],
            ),
            // unexpected errors
            (
                H::Default,
                &[(Stage::Before, Happens::Abort)],
                ["br aborted", "br aborted", "b aborted", "b aborted"],
            ),
            (
                H::Default,
                &[(Stage::Method, Happens::Abort)],
                ["bmr aborted", "bmr aborted", "bm aborted", "bm aborted"],
            ),
            (
                H::Default,
                &[(Stage::After, Happens::Abort)],
                ["bmar aborted", "bmar aborted", "bma aborted", "bma aborted"],
            ),
            // failing fast: the second look still happens, and overrides
            (
                H::DuringMethodOnly,
                &[(Stage::Method, Happens::FailFast)],
                ["m failed", "mr failed", "m failed", "m failed"],
            ),
            (
                H::Continuously,
                &[(Stage::Method, Happens::FailFast)],
                ["bma failed", "bmar failed", "bma failed", "bma failed"],
            ),
            (
                H::Continuously,
                &[(Stage::Method, Happens::FailFast), (Stage::After, hypothesis(Unmet))],
                [
                    "bmar completed deviated",
                    "bmar completed deviated",
                    "bma completed deviated",
                    "bmar completed deviated",
                ],
            ),
            // interruptions
            (
                H::Default,
                &[(Stage::Before, Happens::Signal(Signal::Int))],
                ["b interrupted", "br interrupted", "b interrupted", "b interrupted"],
            ),
            (
                H::Default,
                &[(Stage::Method, Happens::Signal(Signal::Term))],
                ["bm interrupted", "bmr interrupted", "bm interrupted", "bm interrupted"],
            ),
            (
                H::Default,
                &[(Stage::Method, Happens::Signal(Signal::Usr1))],
                ["bm interrupted", "bmr interrupted", "bm interrupted", "bm interrupted"],
            ),
            (
                H::Default,
                &[(Stage::Method, Happens::Signal(Signal::Usr2))],
                ["bm interrupted", "bm interrupted", "bm interrupted", "bm interrupted"],
            ),
            (
                H::Default,
                &[(Stage::Method, Happens::Control)],
                ["bm interrupted", "bmr interrupted", "bm interrupted", "bm interrupted"],
            ),
            (
                H::Default,
                &[(Stage::After, Happens::Signal(Signal::Int))],
                ["bma interrupted", "bmar interrupted", "bma interrupted", "bma interrupted"],
            ),
            (
                H::Default,
                &[(Stage::Rollbacks, Happens::Signal(Signal::Int))],
                ["bmar interrupted", "bmar interrupted", "bma completed", "bma completed"],
            ),
        ];
        for (strategy, script, expected) in rows {
            for (rollbacks, expected) in R::ALL.into_iter().zip(expected) {
                let got = play(*strategy, rollbacks.clone(), script);
                assert_eq!(&got, expected, "{strategy:?}, {rollbacks:?}, {script:?}");
            }
        }
    }

    #[test]
    fn every_combination_has_an_end_and_obeys_the_rules() {
        use RollbackStrategy as R;
        let strategies = HypothesisStrategy::ON_COMMAND_LINE.into_iter().chain([HypothesisStrategy::Skip]);
        let statuses = [
            None,
            Some(Status::Completed),
            Some(Status::Failed),
            Some(Status::Aborted),
            Some(Status::Interrupted),
        ];
        let interrupts = [
            None,
            Some(Interrupt::control("c", "r")),
            Some(Interrupt::fail_fast()),
            Some(Interrupt::timeout(1.0)),
            Some(Interrupt::signal(Signal::Int, true)),
            Some(Interrupt::signal(Signal::Usr2, true)),
            Some(Interrupt::signal(Signal::Int, false)),
        ];
        let stages =
            [None, Some(Stage::Before), Some(Stage::Method), Some(Stage::After), Some(Stage::Rollbacks)];
        let order = |stage| match stage {
            Stage::Before => 0,
            Stage::Method => 1,
            Stage::After => 2,
            Stage::Rollbacks => 3,
            Stage::End => 4,
        };
        let mut seen = 0;
        for hypothesis in strategies {
            for rollbacks in R::ALL.into_iter().chain([R::Unknown("x".to_owned())]) {
                for status in statuses {
                    for deviated in [false, true] {
                        for baseline_met in [None, Some(true), Some(false)] {
                            for has_hypothesis in [false, true] {
                                for interrupt in &interrupts {
                                    for done in stages {
                                        let plan = Plan {
                                            hypothesis,
                                            has_hypothesis,
                                            rollbacks: rollbacks.clone(),
                                            declared_rollbacks: 1,
                                        };
                                        let state = State { status, deviated, baseline_met };
                                        let next = next_stage(done, &plan, state, interrupt.as_ref());
                                        seen += 1;
                                        // forward only
                                        assert!(done.is_none_or(|done| order(next) > order(done)));
                                        // the hypothesis is looked at only where there is one that wants it
                                        let wanted = has_hypothesis
                                            && match next {
                                                Stage::Before => hypothesis.before(),
                                                Stage::After => hypothesis.after(),
                                                _ => true,
                                            };
                                        assert!(wanted || !matches!(next, Stage::Before | Stage::After));
                                        // nothing but rollbacks follows an interruption or an abort
                                        let cut = interrupt
                                            .as_ref()
                                            .is_some_and(|i| i.urgency != crate::event::Urgency::FailFast);
                                        if cut
                                            || matches!(status, Some(Status::Aborted | Status::Interrupted))
                                        {
                                            assert!(matches!(next, Stage::Rollbacks | Stage::End));
                                        }
                                        if interrupt.as_ref().is_some_and(Interrupt::forbids_rollbacks) {
                                            assert_ne!(next, Stage::Rollbacks);
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(seen, 6 * 5 * 5 * 2 * 3 * 2 * 7 * 5);
    }
}
