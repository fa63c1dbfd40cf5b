//! Phases of a run and their order: a pure function of strategies, state and interrupt.

use serde::Serialize;

use super::Interrupt;
use crate::experiment::{HypothesisStrategy, RollbackStrategy};

/// Phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunPhase {
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

impl RunPhase {
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

/// Status of a run, in the terms of the Chaos Toolkit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// The run reached its end, with any finding.
    Completed,
    /// A probe of the hypothesis failed, or the run failed fast.
    Failed,
    /// An unexpected error ended the run.
    Aborted,
    /// The run was interrupted.
    Interrupted,
}

impl RunStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Outcome of a check of the hypothesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HypothesisOutcome {
    /// Every probe was within its tolerance.
    Met,
    /// A probe was outside its tolerance.
    Unmet,
    /// A probe failed.
    Failed,
}

/// Plan of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPlan {
    /// When the hypothesis is checked.
    pub hypothesis: HypothesisStrategy,
    /// Whether there is a hypothesis with probes.
    pub has_hypothesis: bool,
    /// When rollbacks run.
    pub rollbacks: RollbackStrategy,
    /// The number of rollbacks.
    pub declared_rollbacks: usize,
}

/// Result of a run so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunState {
    /// The status; absent until decided.
    pub status: Option<RunStatus>,
    /// Whether the hypothesis was not met after the method.
    pub deviated: bool,
    /// Whether a judged probe of the method failed, or did not meet its tolerance.
    pub method_unmet: bool,
    /// Whether the hypothesis was met before the method, if checked.
    pub baseline_met: Option<bool>,
}

impl RunState {
    /// Applies the outcome of a check.
    pub fn hypothesis(&mut self, phase: RunPhase, outcome: HypothesisOutcome) {
        let status =
            if outcome == HypothesisOutcome::Failed { RunStatus::Failed } else { RunStatus::Completed };
        match (phase, outcome) {
            (RunPhase::Before, HypothesisOutcome::Met) => self.baseline_met = Some(true),
            (RunPhase::Before, _) => {
                self.baseline_met = Some(false);
                self.status = Some(status);
            }
            (RunPhase::After, HypothesisOutcome::Unmet | HypothesisOutcome::Failed) => {
                // the check after the method overrides fail-fast
                self.deviated = true;
                self.status = Some(status);
            }
            _ => {}
        }
    }

    /// Whether the method continues with its next activity.
    pub fn should_continue(&self) -> bool {
        !matches!(self.status, Some(RunStatus::Aborted | RunStatus::Failed | RunStatus::Interrupted))
    }
}

/// Stages of a run, in order. The checks during the method belong to the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStage {
    /// The hypothesis before the method.
    Before,
    /// The method.
    Method,
    /// The hypothesis after the method.
    After,
    /// Rollbacks.
    Rollbacks,
    /// The end.
    End,
}

/// Returns the stage after `done` (or the first), by plan, state and interrupt.
pub fn next_stage(
    done: Option<RunStage>,
    plan: &RunPlan,
    state: RunState,
    interrupt: Option<&Interrupt>,
) -> RunStage {
    let interrupted = interrupt.is_some_and(|i| i.urgency != super::InterruptPriority::FailFast);
    let stopped = interrupted || matches!(state.status, Some(RunStatus::Interrupted | RunStatus::Aborted));
    match done {
        None if stopped => rollbacks(plan, state, interrupt),
        None if plan.has_hypothesis && plan.hypothesis.checks_before() => RunStage::Before,
        Some(RunStage::Before) if stopped || state.baseline_met == Some(false) => {
            rollbacks(plan, state, interrupt)
        }
        None | Some(RunStage::Before) => RunStage::Method,
        Some(RunStage::Method) if !stopped && plan.has_hypothesis && plan.hypothesis.checks_after() => {
            RunStage::After
        }
        Some(RunStage::Method | RunStage::After) => rollbacks(plan, state, interrupt),
        Some(RunStage::Rollbacks | RunStage::End) => RunStage::End,
    }
}

fn rollbacks(plan: &RunPlan, state: RunState, interrupt: Option<&Interrupt>) -> RunStage {
    if plays_rollbacks(&plan.rollbacks, state, interrupt) { RunStage::Rollbacks } else { RunStage::End }
}

/// Whether rollbacks run.
pub fn plays_rollbacks(strategy: &RollbackStrategy, state: RunState, interrupt: Option<&Interrupt>) -> bool {
    if interrupt.is_some_and(Interrupt::forbids_rollbacks) {
        return false;
    }
    match strategy {
        RollbackStrategy::Always => true,
        RollbackStrategy::Never | RollbackStrategy::Unknown(_) => false,
        RollbackStrategy::Deviated => state.deviated || state.method_unmet,
        RollbackStrategy::Default => {
            !matches!(state.status, Some(RunStatus::Failed | RunStatus::Interrupted))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Signal;
    use HypothesisOutcome::{Failed, Met, Unmet};

    /// What happens in one stage of a simulated run.
    #[derive(Clone, Copy, Debug)]
    enum SimulatedEvent {
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
        script: &[(RunStage, SimulatedEvent)],
    ) -> String {
        let plan = RunPlan { hypothesis: strategy, has_hypothesis: true, rollbacks, declared_rollbacks: 1 };
        let mut state = RunState::default();
        let mut interrupt: Option<Interrupt> = None;
        let mut stages = String::new();
        let mut done = None;
        loop {
            let stage = next_stage(done, &plan, state, interrupt.as_ref());
            stages += match stage {
                RunStage::Before => "b",
                RunStage::Method => "m",
                RunStage::After => "a",
                RunStage::Rollbacks => "r",
                RunStage::End => break,
            };
            let happens = script.iter().find(|(at, _)| *at == stage).map(|(_, happens)| *happens);
            let phase = if stage == RunStage::Before { RunPhase::Before } else { RunPhase::After };
            match happens {
                Some(SimulatedEvent::Hypothesis(outcome)) => state.hypothesis(phase, outcome),
                Some(SimulatedEvent::Abort) => state.status = Some(RunStatus::Aborted),
                Some(SimulatedEvent::FailFast) => {
                    state.status = Some(RunStatus::Failed);
                    interrupt = Some(Interrupt::fail_fast());
                }
                Some(SimulatedEvent::Control) => {
                    state.status = Some(RunStatus::Interrupted);
                    interrupt = Some(Interrupt::control("c", "r"));
                }
                Some(SimulatedEvent::Signal(signal)) => {
                    state.status = Some(RunStatus::Interrupted);
                    interrupt = Some(Interrupt::signal(signal, true));
                }
                None if matches!(stage, RunStage::Before | RunStage::After) => state.hypothesis(phase, Met),
                None => {}
            }
            done = Some(stage);
        }
        let status = state.status.unwrap_or(RunStatus::Completed).name();
        format!("{stages} {status}{}", if state.deviated { " deviated" } else { "" })
    }

    #[test]
    fn every_strategy_plays_its_stages() {
        use HypothesisStrategy as H;
        use RollbackStrategy as R;
        type SimulatedRow<'a> = (H, &'a [(RunStage, SimulatedEvent)], [&'a str; 4]);
        // for each script: what comes of it with rollbacks by default, always, never, deviated
        let hypothesis = SimulatedEvent::Hypothesis;
        let rows: &[SimulatedRow<'_>] = &[
            (H::Default, &[], ["bmar completed", "bmar completed", "bma completed", "bma completed"]),
            (H::BeforeMethodOnly, &[], ["bmr completed", "bmr completed", "bm completed", "bm completed"]),
            (H::AfterMethodOnly, &[], ["mar completed", "mar completed", "ma completed", "ma completed"]),
            (H::DuringMethodOnly, &[], ["mr completed", "mr completed", "m completed", "m completed"]),
            (H::Continuously, &[], ["bmar completed", "bmar completed", "bma completed", "bma completed"]),
            (H::Skip, &[], ["mr completed", "mr completed", "m completed", "m completed"]),
            // the gate
            (
                H::Default,
                &[(RunStage::Before, hypothesis(Unmet))],
                ["br completed", "br completed", "b completed", "b completed"],
            ),
            (
                H::Default,
                &[(RunStage::Before, hypothesis(Failed))],
                ["b failed", "br failed", "b failed", "b failed"],
            ),
            // after the method
            (
                H::Default,
                &[(RunStage::After, hypothesis(Unmet))],
                [
                    "bmar completed deviated",
                    "bmar completed deviated",
                    "bma completed deviated",
                    "bmar completed deviated",
                ],
            ),
            (
                H::Default,
                &[(RunStage::After, hypothesis(Failed))],
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
                &[(RunStage::Before, SimulatedEvent::Abort)],
                ["br aborted", "br aborted", "b aborted", "b aborted"],
            ),
            (
                H::Default,
                &[(RunStage::Method, SimulatedEvent::Abort)],
                ["bmr aborted", "bmr aborted", "bm aborted", "bm aborted"],
            ),
            (
                H::Default,
                &[(RunStage::After, SimulatedEvent::Abort)],
                ["bmar aborted", "bmar aborted", "bma aborted", "bma aborted"],
            ),
            // failing fast: the second look still happens, and overrides
            (
                H::DuringMethodOnly,
                &[(RunStage::Method, SimulatedEvent::FailFast)],
                ["m failed", "mr failed", "m failed", "m failed"],
            ),
            (
                H::Continuously,
                &[(RunStage::Method, SimulatedEvent::FailFast)],
                ["bma failed", "bmar failed", "bma failed", "bma failed"],
            ),
            (
                H::Continuously,
                &[(RunStage::Method, SimulatedEvent::FailFast), (RunStage::After, hypothesis(Unmet))],
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
                &[(RunStage::Before, SimulatedEvent::Signal(Signal::Int))],
                ["b interrupted", "br interrupted", "b interrupted", "b interrupted"],
            ),
            (
                H::Default,
                &[(RunStage::Method, SimulatedEvent::Signal(Signal::Term))],
                ["bm interrupted", "bmr interrupted", "bm interrupted", "bm interrupted"],
            ),
            (
                H::Default,
                &[(RunStage::Method, SimulatedEvent::Signal(Signal::Usr1))],
                ["bm interrupted", "bmr interrupted", "bm interrupted", "bm interrupted"],
            ),
            (
                H::Default,
                &[(RunStage::Method, SimulatedEvent::Signal(Signal::Usr2))],
                ["bm interrupted", "bm interrupted", "bm interrupted", "bm interrupted"],
            ),
            (
                H::Default,
                &[(RunStage::Method, SimulatedEvent::Control)],
                ["bm interrupted", "bmr interrupted", "bm interrupted", "bm interrupted"],
            ),
            (
                H::Default,
                &[(RunStage::After, SimulatedEvent::Signal(Signal::Int))],
                ["bma interrupted", "bmar interrupted", "bma interrupted", "bma interrupted"],
            ),
            (
                H::Default,
                &[(RunStage::Rollbacks, SimulatedEvent::Signal(Signal::Int))],
                ["bmar interrupted", "bmar interrupted", "bma completed", "bma completed"],
            ),
        ];
        for (strategy, script, expected) in rows {
            for (rollbacks, expected) in R::ALL.into_iter().zip(expected) {
                let result = play(*strategy, rollbacks.clone(), script);
                assert_eq!(&result, expected, "{strategy:?}, {rollbacks:?}, {script:?}");
            }
        }
    }

    #[test]
    fn every_combination_ends_and_keeps_the_order() {
        use RollbackStrategy as R;
        let strategies = HypothesisStrategy::ON_COMMAND_LINE.into_iter().chain([HypothesisStrategy::Skip]);
        let statuses = [
            None,
            Some(RunStatus::Completed),
            Some(RunStatus::Failed),
            Some(RunStatus::Aborted),
            Some(RunStatus::Interrupted),
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
        let stages = [
            None,
            Some(RunStage::Before),
            Some(RunStage::Method),
            Some(RunStage::After),
            Some(RunStage::Rollbacks),
        ];
        let order = |stage| match stage {
            RunStage::Before => 0,
            RunStage::Method => 1,
            RunStage::After => 2,
            RunStage::Rollbacks => 3,
            RunStage::End => 4,
        };
        let mut combinations = 0;
        for hypothesis in strategies {
            for rollbacks in R::ALL.into_iter().chain([R::Unknown("x".to_owned())]) {
                for status in statuses {
                    for deviated in [false, true] {
                        for baseline_met in [None, Some(true), Some(false)] {
                            for has_hypothesis in [false, true] {
                                for interrupt in &interrupts {
                                    for done in stages {
                                        let plan = RunPlan {
                                            hypothesis,
                                            has_hypothesis,
                                            rollbacks: rollbacks.clone(),
                                            declared_rollbacks: 1,
                                        };
                                        let state =
                                            RunState { status, deviated, baseline_met, method_unmet: false };
                                        let next = next_stage(done, &plan, state, interrupt.as_ref());
                                        combinations += 1;
                                        // forward only
                                        assert!(done.is_none_or(|done| order(next) > order(done)));
                                        // the hypothesis is looked at only where there is one that wants it
                                        let expected = has_hypothesis
                                            && match next {
                                                RunStage::Before => hypothesis.checks_before(),
                                                RunStage::After => hypothesis.checks_after(),
                                                _ => true,
                                            };
                                        assert!(
                                            expected || !matches!(next, RunStage::Before | RunStage::After)
                                        );
                                        // nothing but rollbacks follows an interruption or an abort
                                        let interrupted = interrupt.as_ref().is_some_and(|i| {
                                            i.urgency != crate::event::InterruptPriority::FailFast
                                        });
                                        if interrupted
                                            || matches!(
                                                status,
                                                Some(RunStatus::Aborted | RunStatus::Interrupted)
                                            )
                                        {
                                            assert!(matches!(next, RunStage::Rollbacks | RunStage::End));
                                        }
                                        if interrupt.as_ref().is_some_and(Interrupt::forbids_rollbacks) {
                                            assert_ne!(next, RunStage::Rollbacks);
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(combinations, 6 * 5 * 5 * 2 * 3 * 2 * 7 * 5);
    }
}
