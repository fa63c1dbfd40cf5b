//! Entries of a journal, and the verdict that follows.

use super::*;
use crate::clock::Timestamp;
use crate::event::{Interrupt, Signal};
use crate::journal::{EffectRecord, Interruption, JournalBuilder, JournalHeader};
use crate::mutation::Effect;
use serde_json::json;
use std::sync::Arc;

/// A completed run of nothing.
fn journal() -> Journal {
    let mut journal = JournalBuilder::new(JournalHeader::default()).finish(RunVerdict::Held, None, 0);
    journal.status = RunStatus::Completed.into();
    let experiment = json!({"title": "t", "rollbacks": [{"name": "r1"}, {"name": "r2"}]});
    journal.experiment = Arc::new(experiment.into());
    journal
}

fn entry(kind: &str, status: Option<&str>) -> JournalEntry {
    JournalEntry {
        activity: Arc::new(json!({"type": kind, "name": "x"}).into()),
        status: status.map(Keyword::parse),
        ..JournalEntry::default()
    }
}

fn state(met: bool, status: &str) -> HypothesisCheck {
    HypothesisCheck { steady_state_met: Some(met), probes: vec![entry("probe", Some(status))] }
}

/// An action of the method, or a rollback, whose effect has the given state.
fn with_effect(journal: &mut Journal, phase: RunPhase, state: EffectState) {
    let now = Timestamp::from_micros(0);
    let effect = Effect { state, asked_at: now, effective_at: None, detail: "d".to_owned() };
    let (list, at) = match phase {
        RunPhase::Rollbacks => (&mut journal.rollbacks, "/rollbacks/0"),
        _ => (&mut journal.run, "/run/0"),
    };
    list.push(entry("action", Some("succeeded")));
    let effect = Some(EffectRecord::from(&effect));
    let action = ActionRecord { at: at.to_owned(), phase: phase.into(), targets: Vec::new(), effect };
    journal.extension.as_mut().unwrap().activities = vec![action];
}

fn interrupt(journal: &mut Journal, interrupt: Interrupt) {
    journal.status = RunStatus::Interrupted.into();
    journal.interruption = Interruption::written(&interrupt);
    journal.unwritten.interrupt = Some(interrupt);
    journal.run = vec![entry("action", None)];
}

fn check(change: impl FnOnce(&mut Journal), strict: bool, expected: RunVerdict, reason: &str) {
    let mut journal = journal();
    change(&mut journal);
    let strictness = if strict { Strictness::Strict } else { Strictness::Lenient };
    let (verdict, why) = judge(&journal, strictness);
    assert_eq!((verdict, why.as_str()), (expected, reason));
}

#[test]
fn judge_with_several_causes_returns_most_serious() {
    use RunVerdict::{
        Aborted, ActionNotConfirmed, BaselineNotMet, Deviated, Dry, Explored, Held, Interrupted,
        RollbackIncomplete, Stopped,
    };
    let explored = "the run did not check a steady state";
    check(|_| {}, true, Explored, explored);
    check(
        |j| j.steady_states.after = Some(state(true, "succeeded")),
        true,
        Held,
        "every check met the steady state",
    );
    check(
        |j| j.steady_states.after = Some(state(false, "succeeded")),
        true,
        Deviated,
        "probe 'x' was not within its tolerance after the method",
    );
    check(
        |j| j.steady_states.after = Some(state(false, "failed")),
        true,
        Deviated,
        "probe 'x' could not be measured after the method",
    );
    check(
        |j| {
            j.steady_states.during = vec![state(true, "succeeded"), state(false, "succeeded")];
            j.steady_states.after = Some(state(true, "succeeded"));
        },
        true,
        Deviated,
        "probe 'x' was not within its tolerance during the method",
    );
    check(
        |j| j.steady_states.before = Some(state(false, "succeeded")),
        true,
        BaselineNotMet,
        "probe 'x' was not within its tolerance before the method",
    );
    check(
        |j| {
            j.status = RunStatus::Failed.into();
            j.steady_states.before = Some(state(false, "failed"));
        },
        true,
        BaselineNotMet,
        "probe 'x' could not be measured before the method",
    );
    check(
        |j| j.experiment = Arc::new(json!({"dry": "actions"}).into()),
        true,
        Dry,
        "the run was dry and skipped activities",
    );
    check(|j| j.experiment = Arc::new(json!({"dry": "pause"}).into()), true, Explored, explored);
    check(|j| j.run = vec![entry("action", Some("failed"))], true, ActionNotConfirmed, "action 'x' failed");
    check(|j| j.run = vec![entry("action", Some("failed"))], false, Explored, explored);
    check(|j| j.run = vec![entry("probe", Some("failed"))], true, Explored, explored);
    check(|j| j.run = vec![entry("action", None)], true, ActionNotConfirmed, "action 'x' failed");
    check(
        |j| with_effect(j, RunPhase::Method, EffectState::Mismatch),
        true,
        ActionNotConfirmed,
        "action 'x' did not take effect: d",
    );
    check(
        |j| {
            with_effect(j, RunPhase::Method, EffectState::Unknown);
            j.steady_states.after = Some(state(false, "succeeded"));
        },
        true,
        ActionNotConfirmed,
        "the effect of action 'x' was not observed: d",
    );
    check(|j| with_effect(j, RunPhase::Method, EffectState::Mismatch), false, Explored, explored);
    check(|j| with_effect(j, RunPhase::Method, EffectState::Confirmed), true, Explored, explored);
    check(|j| j.status = RunStatus::Aborted.into(), true, Aborted, "an unexpected error ended the run");
    check(
        |j| {
            j.status = RunStatus::Aborted.into();
            j.unwritten.abortion = Some("probe 'x': it broke".to_owned());
        },
        true,
        Aborted,
        "an unexpected error ended the run: probe 'x': it broke",
    );
    let interrupted = |by: Interrupt| move |j: &mut Journal| interrupt(j, by);
    check(interrupted(Interrupt::signal(Signal::Int, true)), true, Interrupted, "received SIGINT");
    check(interrupted(Interrupt::signal(Signal::Usr2, true)), true, Interrupted, "received SIGUSR2");
    check(interrupted(Interrupt::control("guard", "too hot")), true, Stopped, "too hot");
    check(interrupted(Interrupt::timeout(5.0)), true, Stopped, "the run exceeded its timeout of 5 seconds");
    let failing = |j: &mut Journal| {
        j.rollbacks = vec![entry("action", Some("succeeded")), entry("action", Some("failed"))];
    };
    check(failing, true, RollbackIncomplete, "rollback 'x' failed");
    check(failing, false, RollbackIncomplete, "rollback 'x' failed");
    check(
        |j| {
            interrupted(Interrupt::signal(Signal::Int, true))(j);
            j.rollbacks = vec![entry("action", Some("succeeded"))];
        },
        true,
        RollbackIncomplete,
        "only 1 of 2 rollbacks were started",
    );
    check(
        |j| with_effect(j, RunPhase::Rollbacks, EffectState::Mismatch),
        false,
        RollbackIncomplete,
        "action 'x' did not take effect: d",
    );
    check(
        |j| j.unwritten.rollbacks_begun = true,
        true,
        RollbackIncomplete,
        "only 0 of 2 rollbacks were started",
    );
}

#[test]
fn unmet_tolerance_in_the_method_deviates_unless_lenient() {
    use crate::journal::ToleranceRecord;
    let judged = |met: bool| {
        move |j: &mut Journal| {
            j.run = vec![entry("probe", Some("succeeded"))];
            let record = ToleranceRecord { at: "/run/0".to_owned(), met, expected: Some("0".to_owned()) };
            j.extension.as_mut().unwrap().tolerances = vec![record];
        }
    };
    let explored = "the run did not check a steady state";
    let unmet = "probe 'x' was not within its tolerance in the method";
    check(judged(false), true, RunVerdict::Deviated, unmet);
    check(judged(false), false, RunVerdict::Explored, explored);
    check(judged(true), true, RunVerdict::Explored, explored);
    // an author of an untrusted journal cannot leave it out
    let mut journal = journal();
    let probe = json!({"type": "probe", "name": "x", "tolerance": 0});
    journal.experiment =
        Arc::new(json!({"title": "t", "method": [probe, {"type": "probe", "name": "y"}]}).into());
    let (verdict, reason) = judge(&journal, Strictness::Complete);
    let missing = "only 0 of 1 tolerances in the method were checked";
    assert_eq!((verdict, reason.as_str()), (RunVerdict::Undecided, missing));
}

#[test]
fn failed_rollback_counts_unless_the_fault_changed_nothing() {
    let function =
        |targets: Vec<crate::journal::TargetRecord>, provider: &'static str, state: EffectState| {
            move |j: &mut Journal| {
                with_effect(j, RunPhase::Method, state);
                let activity = json!({"type": "action", "name": "x", "provider": {"type": provider}});
                j.run[0].activity = Arc::new(activity.into());
                j.extension.as_mut().unwrap().activities[0].targets = targets;
                j.rollbacks = vec![entry("action", Some("failed")), entry("action", Some("failed"))];
            }
        };
    let target = |done| crate::journal::TargetRecord { done, ..crate::journal::TargetRecord::default() };
    let cause = "action 'x' did not take effect: d";
    let incomplete = "rollback 'x' failed";
    let mismatch = EffectState::Mismatch;
    check(function(vec![], "python", mismatch), true, RunVerdict::ActionNotConfirmed, cause);
    let refused = vec![target(Some(false))];
    check(function(refused, "python", mismatch), true, RunVerdict::ActionNotConfirmed, cause);
    for (targets, provider, state) in [
        (vec![target(Some(true))], "python", mismatch),
        (vec![target(None)], "python", mismatch),
        (vec![], "process", mismatch),
        (vec![], "python", EffectState::Unknown),
        (vec![], "python", EffectState::Confirmed),
    ] {
        check(function(targets, provider, state), true, RunVerdict::RollbackIncomplete, incomplete);
    }
}

#[test]
fn rollbacks_that_all_succeeded_are_complete() {
    let both = |j: &mut Journal| {
        j.rollbacks = vec![entry("action", Some("succeeded")), entry("action", Some("succeeded"))];
    };
    check(both, true, RunVerdict::Explored, "the run did not check a steady state");
}

#[test]
fn interruption_without_reason_gets_a_default() {
    let without = |j: &mut Journal| {
        j.status = RunStatus::Interrupted.into();
        j.interruption = Interruption::written(&Interrupt::control("guard", ""));
    };
    check(without, true, RunVerdict::Stopped, "the run was interrupted");
}

#[test]
fn entries_that_explain_no_success_are_undecided() {
    use RunVerdict::{Deviated, Held, Undecided};
    let failed = |j: &mut Journal| j.status = RunStatus::Failed.into();
    check(failed, true, Undecided, "the run failed, and its entries do not show why");
    check(failed, false, Undecided, "the run failed, and its entries do not show why");
    check(|j| j.status = Keyword::parse("new"), true, Undecided, "unknown status 'new'");
    check(|j| j.deviated = true, true, Deviated, "the steady state was not met after the method");
    let unfinished = HypothesisCheck { steady_state_met: None, probes: Vec::new() };
    check(
        |j| j.steady_states.after = Some(unfinished),
        true,
        Undecided,
        "a check of the steady state is incomplete",
    );
    check(
        |j| {
            j.steady_states.after = Some(state(true, "succeeded"));
            j.extension = None;
        },
        true,
        Held,
        "every check met the steady state; the journal does not record the effects of actions",
    );
}

#[test]
fn untrusted_journal_must_record_what_its_experiment_declares() {
    use RunVerdict::{ActionNotConfirmed, Dry, Explored, Held, Undecided};
    let check = |change: &dyn Fn(&mut Journal), complete: (RunVerdict, &str), strict: RunVerdict| {
        let mut journal = journal();
        journal.experiment =
            Arc::new(json!({"method": [{"type": "action"}, {"type": "probe"}, {"type": "probe"}]}).into());
        change(&mut journal);
        let (verdict, reason) = judge(&journal, Strictness::Complete);
        assert_eq!((verdict, reason.as_str()), complete);
        assert_eq!(judge(&journal, Strictness::Strict).0, strict, "{reason}");
    };
    let met = "every check met the steady state";
    let confirmed = |j: &mut Journal| with_effect(j, RunPhase::Method, EffectState::Confirmed);
    let checked = |j: &mut Journal| {
        confirmed(j);
        j.steady_states.after = Some(state(true, "succeeded"));
    };
    check(&checked, (Held, met), Held);
    check(&confirmed, (Explored, "the run did not check a steady state"), Explored);
    check(&|_| {}, (Undecided, "only 0 of 1 actions were started"), Explored);
    check(
        &|j| j.run = vec![entry("probe", Some("succeeded"))],
        (Undecided, "only 0 of 1 actions were started"),
        Explored,
    );
    check(
        &|j| {
            confirmed(j);
            j.steady_states.during = vec![state(true, "succeeded")];
        },
        (Undecided, "the steady state was not checked after the method"),
        Held,
    );
    // an action without a recorded effect
    check(
        &|j| {
            checked(j);
            j.run.push(entry("action", Some("succeeded")));
        },
        (ActionNotConfirmed, "the effect of action 'x' is unknown"),
        Held,
    );
    check(
        &|j| {
            checked(j);
            j.extension.as_mut().unwrap().activities[0].effect = None;
        },
        (ActionNotConfirmed, "the effect of action 'x' is unknown"),
        Held,
    );
    for dry in ["actions", "activities"] {
        check(
            &|j| {
                j.experiment = Arc::new(json!({"dry": dry, "method": [{"type": "action"}]}).into());
                j.run = vec![entry("action", Some("succeeded"))];
            },
            (Dry, "the run was dry and skipped activities"),
            Dry,
        );
    }
}
